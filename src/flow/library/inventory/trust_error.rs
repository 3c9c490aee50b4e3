//! Why a disc, or a part of it, is not used: it does not agree with what is known of its set.

use crate::model::{DiscNo, SetName};

/// What of a disc contradicts how its set is encrypted. `is_known`: by the catalog, and not by other
/// discs only.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error(
        "disc {disc} of {set} says that it is encrypted, but the catalog knows that the set is \
         not; it is not used"
    )]
    SetIsPlain { set: SetName, disc: DiscNo },
    #[error(
        "disc {disc} of {set} is not encrypted, but the set is{}: anyone could have made it, so it \
         is not used",
        by_whom(*.is_known)
    )]
    PlainDisc { set: SetName, disc: DiscNo, is_known: bool },
    /// These files of it.
    #[error(
        "disc {disc} of {set}: {} not encrypted, but the set is{}: anyone could have put that \
         there, so it is not used",
        listed(.paths), by_whom(*.is_known)
    )]
    PlainFiles { set: SetName, disc: DiscNo, paths: Vec<String>, is_known: bool },
}

/// At most so many names are listed of one disc.
const SHOWN: usize = 4;

fn listed(paths: &[String]) -> String {
    let names = paths[..paths.len().min(SHOWN)].join(", ");
    match paths.len() {
        1 => format!("{names} is"),
        count if count > SHOWN => format!("{names} and {} more are", count - SHOWN),
        _ => format!("{names} are"),
    }
}

fn by_whom(is_known: bool) -> &'static str {
    if is_known { ", as the catalog knows" } else { "" }
}
