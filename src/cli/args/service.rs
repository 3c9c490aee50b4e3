//! What is typed for the resident service, and for those who speak to it.

use super::common::Common;
use super::media::LimitArgs;
use crate::cli::values;
use clap::Args;
use std::net::SocketAddr;

#[derive(Args, Debug)]
pub struct ServeArgs {
    /// Also listen for browsers on this machine, such as at 127.0.0.1:7733
    #[arg(long, value_name = "ADDRESS", value_parser = values::loopback)]
    pub listen: Option<SocketAddr>,
    #[command(flatten)]
    pub limits: LimitArgs,
    #[command(flatten)]
    pub(super) behind: Common,
}

#[derive(Args, Debug)]
pub struct OpenArgs {
    #[command(flatten)]
    pub(super) behind: Common,
}

#[derive(Args, Debug)]
pub struct FollowArgs {
    #[command(flatten)]
    pub(super) behind: Common,
}

#[derive(Args, Debug)]
#[command(override_usage = "coldcut answer [OPTIONS] [QUESTION] <ANSWER>")]
pub struct AnswerArgs {
    /// The question as `follow` names it [default: the only one that is open], followed by the
    /// answer: yes, no, done, give-up, or the number of a copy
    #[arg(value_name = "QUESTION|ANSWER", required = true, num_args = 1..=2)]
    pub words: Vec<String>,
    #[command(flatten)]
    pub(super) behind: Common,
}
