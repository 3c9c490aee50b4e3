//! Which frames a sample is taken from: INDEX comes line by line, and only the rows of the archives
//! that are chosen are kept, however many there are.

use std::collections::BTreeSet;

use crate::format::index::parse_index_line;
use crate::format::{FormatError, IndexReader};
use crate::model::rows::IndexRow;
use crate::model::{ArchiveNo, DiscUuid, Kind};

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
const ARCHIVES: u64 = 2;
/// As in the readers of listings: what is longer is no line of ours.
const LONGEST_LINE: usize = 4 << 20;

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

/// A number below the given one.
pub(super) type RandomBelow<'a> = dyn FnMut(u64) -> Result<u64, DrillError> + 'a;

/// The archive whose rows are coming, and where among the chosen ones it will stand.
struct CurrentArchive {
    number: ArchiveNo,
    units: Vec<Unit>,
    slot: Option<usize>,
}

/// Takes the text of INDEX as it comes, and chooses two of the archives that it names, each as likely
/// as any other (Vitter's algorithm R).
pub(super) struct ArchiveSampler<'a> {
    random: &'a mut RandomBelow<'a>,
    header: Vec<u8>,
    line: Vec<u8>,
    in_rows: bool,
    seen: u64,
    current: Option<CurrentArchive>,
    chosen: Vec<(ArchiveNo, Vec<Unit>)>,
    /// Lines that cannot be understood.
    pub bad: u64,
    failed: Option<DrillError>,
}

impl<'a> ArchiveSampler<'a> {
    pub(super) fn new(random: &'a mut RandomBelow<'a>) -> ArchiveSampler<'a> {
        ArchiveSampler {
            random,
            header: Vec::new(),
            line: Vec::new(),
            in_rows: false,
            seen: 0,
            current: None,
            chosen: Vec::new(),
            bad: 0,
            failed: None,
        }
    }

    pub(super) fn take(&mut self, piece: &[u8]) {
        for part in piece.split_inclusive(|&byte| byte == b'\n') {
            if self.line.len() + part.len() <= LONGEST_LINE {
                self.line.extend_from_slice(part);
            }
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.take_line(&line);
            }
        }
    }

    fn take_line(&mut self, line: &[u8]) {
        self.in_rows |= !line.starts_with(b"#");
        if !self.in_rows {
            self.header.extend_from_slice(line);
            return;
        }
        match line.strip_suffix(b"\n").map(parse_index_line) {
            Some(Ok(row)) => {
                if let Err(error) = self.take_row(row) {
                    self.failed.get_or_insert(error);
                }
            }
            _ => self.bad += 1,
        }
    }

    fn take_row(&mut self, row: IndexRow) -> Result<(), DrillError> {
        if self.current.as_ref().is_none_or(|current| current.number != row.archive) {
            self.end_archive();
            let at = match self.seen {
                few if few < ARCHIVES => few,
                many => (self.random)(many + 1)?,
            };
            self.seen += 1;
            let slot = (at < ARCHIVES).then_some(at as usize);
            self.current = Some(CurrentArchive { number: row.archive, units: Vec::new(), slot });
        }
        if let Some(current) = self.current.as_mut().filter(|current| current.slot.is_some()) {
            add(&mut current.units, row);
        }
        Ok(())
    }

    fn end_archive(&mut self) {
        let Some(CurrentArchive { number, units, slot: Some(slot) }) = self.current.take() else {
            return;
        };
        match self.chosen.get_mut(slot) {
            Some(place) => *place = (number, units),
            None => self.chosen.push((number, units)),
        }
    }

    /// Which disc the text says that it is of; `None` if its first lines are damaged.
    pub(super) fn disc(&self) -> Result<Option<DiscUuid>, FormatError> {
        let reader = IndexReader::new(&self.header[..], 0)?;
        Ok(reader.header().map(|header| header.id.uuid))
    }

    /// The first unit, the last one, and one between of two archives, in the order of the archive.
    /// Of a text that was `cut` nobody knows whether its last unit is whole.
    pub(super) fn finish(
        mut self,
        depth: Depth,
        cut: bool,
    ) -> Result<Vec<(ArchiveNo, Vec<Unit>)>, DrillError> {
        if let (true, Some(current)) = (cut, &mut self.current) {
            current.units.pop();
        }
        self.end_archive();
        if let Some(error) = self.failed {
            return Err(error);
        }
        let random = self.random;
        let chosen = self.chosen.into_iter().filter(|(_, units)| !units.is_empty());
        chosen.map(|(number, units)| Ok((number, of_one(units, depth, random)?))).collect()
    }
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

fn of_one(
    units: Vec<Unit>,
    depth: Depth,
    random: &mut RandomBelow,
) -> Result<Vec<Unit>, DrillError> {
    // One whose content can be compared wholly says more.
    let good = |unit: &&Unit| unit.has_content() && !(depth == Depth::Quick && unit.is_long());
    let between: Vec<u64> = units.iter().filter(good).map(|unit| unit.offset).collect();
    let ends = [units.first(), units.last()];
    let mut wanted: BTreeSet<u64> = ends.iter().flatten().map(|unit| unit.offset).collect();
    if !between.is_empty() {
        let at = usize::try_from(random(between.len() as u64)?).unwrap_or(0);
        wanted.extend(between.get(at));
    }
    Ok(units.into_iter().filter(|unit| wanted.contains(&unit.offset)).collect())
}
