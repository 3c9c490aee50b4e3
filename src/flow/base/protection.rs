//! Whether a set has recovery data, and the program that makes it.

use crate::catalog::SetFacts;

use crate::flow::{Context, FlowError};

/// Whether the set has recovery data, on its discs or on discs of its own.
pub(in crate::flow) fn is_protected(facts: &SetFacts) -> bool {
    facts.parity > 0 || facts.parity_discs.is_some()
}

/// The program that makes recovery data, or repairs with it, is asked for before hours of work, not
/// after them: whoever cannot get it now will not on the day of the restore.
pub(in crate::flow) fn needs_par2(wanted: bool, context: Context) -> Result<(), FlowError> {
    if wanted { Ok(crate::recovery::program::check(context.stop)?) } else { Ok(()) }
}
