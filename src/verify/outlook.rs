//! What can be done about a damaged disc: whether its recovery data suffices, told block by block.

use crate::drive::{BestEffortReader, DiscReader};
use crate::model::size::SECTOR;
use crate::port::notice::Outlook;
use crate::port::stop::{Heeding, Stop, Stopped};
use crate::recovery::packets::{Collector, RecoverySet};
use crate::recovery::{covers, is_recovery_data};

use super::FileFault;

/// Looks at the damaged files again, and at the recovery data. `None` if the disc has none.
pub fn outlook(
    reader: &dyn DiscReader,
    faults: &[FileFault],
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
    // Packets of recovery data begin anywhere: what was skipped next to bad sectors may be a whole
    // one. It takes a drive hours to try it, so it is tried only where it may change the verdict.
    let (told, missing) = tell(reader, faults, &parity, u64::MAX, stop)?;
    if told.is_repairable() || missing == 0 {
        return Ok(Some(told));
    }
    Ok(Some(tell(reader, faults, &parity, SECTOR, stop)?.0))
}

/// The outlook, and how much of the recovery data was passed over to know it: `piece` bytes are
/// given up together.
fn tell(
    reader: &dyn DiscReader,
    faults: &[FileFault],
    parity: &[&str],
    piece: u64,
    stop: &Stop,
) -> Result<(Outlook, u64), Stopped> {
    let (mut collector, mut missing) = (Collector::default(), 0);
    for path in parity {
        let Some(content) = BestEffortReader::open(&[reader], path) else { continue };
        let mut content = content.in_pieces(piece);
        // It gives zeros where it cannot read; an error says that the disc is away.
        let _ = collector.read(Heeding::new(&mut content, stop));
        stop.check()?;
        missing += content.missing;
    }
    let Some(set) = collector.finish() else { return Ok((Outlook::Unknown, missing)) };
    let lost = lost_blocks(reader, &set, faults, stop)?;
    let (of, recovery) = (set.source_blocks(), set.recovery_blocks);
    Ok((Outlook::Blocks { lost, of, recovery }, missing))
}

/// A block with one bad sector is lost; the next one may begin after it in the same cluster.
fn lost_blocks(
    reader: &dyn DiscReader,
    set: &RecoverySet,
    faults: &[FileFault],
    stop: &Stop,
) -> Result<u64, Stopped> {
    let mut lost = 0;
    for file in &set.files {
        stop.check()?;
        let path = file.path.to_string();
        if faults.iter().all(|fault| fault.path != path) {
            continue;
        }
        let content = BestEffortReader::open(&[reader], &path).map(|all| all.in_pieces(set.block));
        let counted =
            content.map(|content| file.lost_blocks(set.block, Heeding::new(content, stop)));
        stop.check()?;
        lost += counted.and_then(Result::ok).unwrap_or(file.blocks.len() as u64);
    }
    Ok(lost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::ScratchedDisc;
    use crate::model::RelPath;
    use crate::recovery::packets::CoveredFile;
    use md5::{Digest as _, Md5};

    const BLOCK: u64 = 16 * SECTOR;

    fn lost(bad: &[u64]) -> (u64, usize) {
        let sectors = 324..404;
        let scratched = ScratchedDisc::new(&[("archives/1.tar", sectors.clone())], bad);
        let content = ScratchedDisc::content(sectors);
        let blocks = content.chunks(BLOCK as usize).map(|block| Md5::digest(block).into());
        let path = RelPath::new(b"archives/1.tar").unwrap();
        let file = CoveredFile { path, size: content.len() as u64, blocks: blocks.collect() };
        let set = RecoverySet { id: [0; 16], block: BLOCK, files: vec![file], recovery_blocks: 1 };
        let faults = [FileFault { path: "archives/1.tar".to_owned(), what: String::new() }];
        let lost = lost_blocks(&scratched.disc, &set, &faults, &Stop::new()).unwrap();
        (lost, scratched.failures())
    }

    /// Blocks do not begin where the clusters of a disc do, in which sectors fail together.
    #[test]
    fn a_bad_sector_costs_its_block_and_not_the_next_one_in_its_cluster() {
        assert_eq!(lost(&[]).0, 0);
        assert_eq!(lost(&[339]).0, 1, "the last sector of the first block");
        assert_eq!(lost(&[339, 341]).0, 2);
        let (lost, failures) = lost(&(330..352).collect::<Vec<_>>());
        assert_eq!(lost, 2);
        assert!(failures <= 8, "one sector tells that a block is lost, not {failures}");
    }
}
