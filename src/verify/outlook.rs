//! What can be done about a damaged disc: whether its recovery data suffices, told block by block.

use crate::drive::{DiscReader, Patient};
use crate::port::stop::{Stop, Stopped};
use crate::recovery::packets::{Collector, RecoverySet};
use crate::recovery::{covers, is_recovery_data};

use super::Fault;

/// How a damaged disc stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// Nothing is lost but check sums and recovery data.
    Unhurt,
    /// So many of the blocks are lost, and there are recovery blocks for so many.
    Blocks { lost: u64, of: u64, recovery: u64 },
    /// What describes the recovery data is lost itself.
    Unknown,
}

impl Outlook {
    pub fn is_repairable(&self) -> bool {
        match self {
            Outlook::Unhurt => true,
            Outlook::Blocks { lost, recovery, .. } => lost <= recovery,
            Outlook::Unknown => false,
        }
    }

    pub fn words(&self) -> String {
        match self {
            Outlook::Unhurt => {
                "only check sums and recovery data are hit: no file is damaged".to_owned()
            }
            Outlook::Unknown => {
                "NOT repairable: its recovery data is damaged beyond use, too".to_owned()
            }
            Outlook::Blocks { lost, of, recovery } => {
                let verdict = if self.is_repairable() {
                    "repairable from its recovery data"
                } else {
                    "NOT repairable from its recovery data"
                };
                format!(
                    "{verdict}: {lost} of {of} blocks are lost, and {recovery} can be made anew"
                )
            }
        }
    }
}

/// Looks at the damaged files again, and at the recovery data. `None` if the disc has none.
pub fn outlook(
    reader: &dyn DiscReader,
    faults: &[Fault],
    stop: &Stop,
) -> Result<Option<Outlook>, Stopped> {
    let parity: Vec<&str> = reader
        .files()
        .iter()
        .map(|file| file.path.as_str())
        .filter(|path| is_recovery_data(path) && path.ends_with(".par2"))
        .collect();
    if parity.is_empty() {
        return Ok(None);
    }
    if faults.iter().all(|fault| !covers(&fault.path)) {
        return Ok(Some(Outlook::Unhurt));
    }
    let mut collector = Collector::default();
    for path in parity {
        stop.check()?;
        let Some(content) = Patient::open(&[reader], path) else { continue };
        // It gives zeros where it cannot read, and never an error.
        let _ = collector.read(content);
    }
    let Some(set) = collector.finish() else { return Ok(Some(Outlook::Unknown)) };
    let lost = lost_blocks(reader, &set, faults, stop)?;
    let (of, recovery) = (set.source_blocks(), set.recovery_blocks);
    Ok(Some(Outlook::Blocks { lost, of, recovery }))
}

fn lost_blocks(
    reader: &dyn DiscReader,
    set: &RecoverySet,
    faults: &[Fault],
    stop: &Stop,
) -> Result<u64, Stopped> {
    let mut lost = 0;
    for file in &set.files {
        stop.check()?;
        let path = file.path.to_string();
        if faults.iter().all(|fault| fault.path != path) {
            continue;
        }
        let content = Patient::open(&[reader], &path);
        let counted = content.map(|content| file.lost_blocks(set.block, content));
        lost += counted.and_then(Result::ok).unwrap_or(file.blocks.len() as u64);
    }
    Ok(lost)
}
