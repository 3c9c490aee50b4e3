//! README.txt, written for one disc of one set.

use super::Facts;

/// The whole text.
pub(super) fn text(facts: &Facts) -> String {
    format!("Disc {} of the set {}.\n", facts.disc, facts.set)
}
