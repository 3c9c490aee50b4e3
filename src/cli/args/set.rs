//! What is typed for `coldcut set`: the sets of a catalog as a whole.

use super::Common;
use crate::cli::values;
use crate::model::SetName;
use clap::{Args, ValueEnum};

#[derive(Args, Debug)]
#[command(override_usage = "coldcut set [OPTIONS] list|forget|rename [SET] [NEW]")]
pub struct SetArgs {
    /// `list` the sets of the catalog, `forget` one, or `rename` one: discs that exist keep the old
    /// name
    #[arg(value_name = "list|forget|rename", value_enum, hide_possible_values = true)]
    pub what: SetWork,
    /// For `forget` and `rename`: the set's name
    #[arg(value_name = "SET", value_parser = values::set_name)]
    pub old: Option<SetName>,
    /// For `rename`: its new name
    #[arg(value_name = "NEW", value_parser = values::set_name)]
    pub new: Option<SetName>,
    /// For `forget`: also forget a set that is on discs, after a prompt
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
pub struct PublicTextArgs {
    /// Whether to write the passphrase hint on the discs unencrypted
    #[arg(long, value_name = "yes|no", value_parser = values::yes_or_no)]
    pub hint_in_clear: Option<bool>,
    /// A title for the set, unencrypted on each disc; "" removes it
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// A description of the set, unencrypted on each disc
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// Whom to ask about the set, unencrypted on each disc
    #[arg(long, value_name = "TEXT")]
    pub contact: Option<String>,
    /// Who may use the files and how, unencrypted on each disc
    #[arg(long, value_name = "TEXT")]
    pub rights: Option<String>,
}
