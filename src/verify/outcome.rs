//! What the catalog is told of a medium that was read: the one way from a proof to a disc that counts
//! as safe.

use super::{FileFault, Proof};
use crate::catalog::ReadOutcome;
use crate::model::Strain;

impl Proof {
    /// The only place where a disc becomes safe: nothing but a proof leads here.
    pub fn outcome(&self) -> ReadOutcome {
        let details = format!("{} files, {} bytes", self.files, self.bytes);
        ReadOutcome::sound(details, self.strain)
    }
}

/// These are not as they must be.
pub fn damaged(faults: &[FileFault], strain: Strain) -> ReadOutcome {
    let lines: Vec<String> =
        faults.iter().map(|fault| format!("{} {}", fault.path, fault.what)).collect();
    ReadOutcome::damaged(lines.join("\n"), strain)
}
