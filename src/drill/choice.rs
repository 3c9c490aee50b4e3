//! Which frames a sample is taken from. Pure: the same rows and numbers choose the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::rows::IndexRow;
use crate::model::{ArchiveNo, Kind};

use super::{Depth, DrillError};

/// A frame, or the row of frames of a long member, with all members that are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub offset: u64,
    pub length: u64,
    /// In the order in which they are in it.
    pub rows: Vec<IndexRow>,
}

/// What is longer on the disc, or has more content, is a long member: bzip2 expands 10 to 40 MB a
/// second.
const LONG: u64 = 4 << 20;
const LONG_CONTENT: u64 = 32 << 20;
/// So much is cut out of a long one: two frames that do not shrink.
const BEGINNING: u64 = 2 << 20;
const ARCHIVES: usize = 2;

impl Unit {
    pub(super) fn is_long(&self) -> bool {
        let content = self.rows.iter().fold(0_u64, |sum, row| sum.saturating_add(row.size));
        self.length > LONG || content > LONG_CONTENT
    }

    pub(super) fn quick_length(&self) -> u64 {
        if self.is_long() { self.length.min(BEGINNING) } else { self.length }
    }

    fn has_content(&self) -> bool {
        self.rows.iter().any(|row| row.kind == Kind::File && row.size > 0)
    }
}

type Random<'a> = dyn FnMut(u64) -> Result<u64, DrillError> + 'a;

/// The first unit, the last one, and one between of two archives, in the order of the archive.
pub(super) fn choose(
    rows: Vec<IndexRow>,
    depth: Depth,
    random: &mut Random,
) -> Result<Vec<(ArchiveNo, Vec<Unit>)>, DrillError> {
    let mut archives: BTreeMap<ArchiveNo, Vec<Unit>> = BTreeMap::new();
    for row in rows {
        add(archives.entry(row.archive).or_default(), row);
    }
    let mut numbers: Vec<ArchiveNo> = archives.keys().copied().collect();
    let mut chosen = Vec::new();
    while chosen.len() < ARCHIVES && !numbers.is_empty() {
        let number = numbers.swap_remove(random(numbers.len() as u64)? as usize);
        if let Some(units) = archives.remove(&number) {
            chosen.push((number, of_one(units, depth, random)?));
        }
    }
    Ok(chosen)
}

/// Rows come in the order of their members, so those of a unit stand together.
fn add(units: &mut Vec<Unit>, row: IndexRow) {
    match units.last_mut() {
        Some(last) if last.offset == row.frames.offset => last.rows.push(row),
        _ => units.push(Unit {
            offset: row.frames.offset,
            length: row.frames.length,
            rows: vec![row],
        }),
    }
}

fn of_one(units: Vec<Unit>, depth: Depth, random: &mut Random) -> Result<Vec<Unit>, DrillError> {
    let last = units.len().saturating_sub(1);
    // One whose content can be compared wholly says more.
    let good = |unit: &&Unit| unit.has_content() && !(depth == Depth::Quick && unit.is_long());
    let between: Vec<u64> = units.iter().filter(good).map(|unit| unit.offset).collect();
    let mut wanted: BTreeSet<u64> = [0, last].iter().map(|&at| units[at].offset).collect();
    if !between.is_empty() {
        wanted.insert(between[random(between.len() as u64)? as usize]);
    }
    Ok(units.into_iter().filter(|unit| wanted.contains(&unit.offset)).collect())
}
