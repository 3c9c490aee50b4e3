//! What is typed for `coldcut set`: the sets of a catalog as a whole.

use super::Common;
use crate::cli::values;
use crate::model::SetName;
use clap::{Args, ValueEnum};

#[derive(Args, Debug)]
#[command(override_usage = "coldcut set [OPTIONS] list|forget|rename [SET] [NEW]")]
pub struct SetArgs {
    /// `list`: the sets of the catalog; `forget`: take one out of it; `rename`: give one another
    /// name, for its discs to come. Discs and shelves stay as they are
    #[arg(value_name = "list|forget|rename", value_enum, hide_possible_values = true)]
    pub what: SetWork,
    /// For `forget` and `rename`: the set's name
    #[arg(value_name = "SET", value_parser = values::set_name)]
    pub set: Option<SetName>,
    /// For `rename`: its new name
    #[arg(value_name = "NEW", value_parser = values::set_name)]
    pub new: Option<SetName>,
    /// For `forget`: also a set that is on discs, after a question
    #[arg(long)]
    pub even_with_discs: bool,
    #[command(flatten)]
    pub(super) behind: Common,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SetWork {
    List,
    Forget,
    Rename,
}

/// What a person says of a set, on its discs in clear.
#[derive(Args, Debug)]
pub struct Said {
    /// Write the hint on the discs in clear, too
    #[arg(long, value_name = "yes|no", value_parser = values::yes_or_no)]
    pub hint_in_clear: Option<bool>,
    /// A title for the set, in clear on each disc; "" takes it back
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// A description of the set, in clear on each disc
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// Whom to ask about the set, in clear on each disc
    #[arg(long, value_name = "TEXT")]
    pub contact: Option<String>,
    /// Who may use what is in the set, and how, in clear on each disc
    #[arg(long, value_name = "TEXT")]
    pub rights: Option<String>,
}
