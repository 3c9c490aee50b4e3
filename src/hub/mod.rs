//! The resident service: `coldcut serve` shows what runs report to it, and passes on answers to their
//! questions. Runs are separate processes, and work the same whether it is there or not.

mod choice;
pub mod client;
mod desk;
pub mod follow;
pub mod hello;
pub mod operator;
mod outbox;
pub mod place;
pub mod report;
pub mod server;
