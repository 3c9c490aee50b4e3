//! The outside world: programs, the clock, people, files. All that is above asks through here.

pub mod beneath;
pub mod cause;
pub mod clock;
pub mod command;
pub mod confinement;
pub mod disc_count;
pub mod event;
#[cfg(test)]
pub mod fake_operator;
pub mod fence;
pub mod files;
pub mod filesystem;
pub mod heard;
pub mod held_dir;
pub mod lasting;
pub mod locale;
pub mod monitor;
pub mod mounts;
pub mod notice;
pub mod operator;
pub mod passphrase;
pub mod process;
pub mod question;
#[cfg(test)]
pub mod recorder;
pub mod rights;
pub mod shell;
pub mod stop;
pub mod trust;
pub mod wanted;
