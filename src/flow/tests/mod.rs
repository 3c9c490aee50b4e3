//! Steps together, on fakes of drives and people.

mod absence;
mod at_once;
mod compare;
mod events;
mod insertion;
mod loader;
pub mod media;
mod pipeline;
mod records;
mod recovery_groups;
pub mod requests;
mod restore;
mod several_drives;
mod unread;
