//! How safe a set is, in numbers.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{Fault, Result};
use crate::catalog::base::ids::{CopyNo, SetId};
use crate::catalog::base::value;
use crate::catalog::base::value::number;
use crate::catalog::tables::discs::DiscState;
use crate::model::{ArchiveNo, Bytes, DiscNo, SnapshotSeq};
use crate::port::clock::Moment;
use rusqlite::{Connection, Row};
use std::collections::{BTreeMap, HashMap};

/// Files (kind `f`: other names of a hard link are not counted again) and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileTally {
    pub files: u64,
    pub bytes: Bytes,
}

/// Where the files of the newest state are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetStatus {
    pub live: FileTally,
    /// Wholly on discs of which a copy was read back and, when last read, was right.
    pub verified: FileTally,
    /// The verified ones by the number of good copies, the least of their discs.
    pub by_copies: BTreeMap<u32, FileTally>,
    /// Wholly on closed discs, of which not all are verified.
    pub staged: FileTally,
    /// On a disc that is still being filled, or stored nowhere.
    pub not_yet: FileTally,
    /// What waits in the staging area, by the time since when it waits. Of `staged` and `not_yet`
    /// that is the start of the run that put the first of it there; of `by_copies`, which waits for
    /// another copy, the time when its disc was closed.
    pub waiting: BTreeMap<Moment, Waiting>,
    /// The newest finished snapshot's listing is on no closed disc yet.
    pub rows_pending: bool,
}

/// Files that wait in the staging area.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    pub staged: FileTally,
    pub not_yet: FileTally,
    /// On verified copies, and on fewer than the set is to have.
    pub copies: FileTally,
}

/// What was seen where discs are, of which the catalog alone knows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    /// Discs that are not whole in the staging area any more, and on no medium.
    pub lost: Vec<DiscNo>,
    /// Discs that wait in the staging area for another copy.
    pub owed: Vec<DiscNo>,
    /// Good copies whose images are not on their shelves any more.
    pub missing: Vec<(DiscNo, CopyNo)>,
}

/// How safe a thing is; the least of its parts counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum SafetyLevel {
    NotYet,
    Staged,
    /// So many copies were right when they were last read.
    Verified(u32),
}

/// How safe a thing is, and if it is not as safe as it shall be, since when it waits for that in the
/// staging area.
#[derive(Clone, Copy, PartialEq, Eq)]
struct SafetyState {
    safety: SafetyLevel,
    is_enough: bool,
    waits: Option<Moment>,
}

impl SafetyState {
    /// Of two parts of one file.
    fn and(self, other: SafetyState) -> SafetyState {
        let waits = match (self.is_enough, other.is_enough) {
            (true, _) => other.waits,
            (_, true) => self.waits,
            _ => self.waits.zip(other.waits).map(|(a, b)| a.min(b)),
        };
        let is_enough = self.is_enough && other.is_enough;
        SafetyState { safety: self.safety.min(other.safety), is_enough, waits }
    }

    fn nowhere() -> SafetyState {
        SafetyState { safety: SafetyLevel::NotYet, is_enough: false, waits: None }
    }
}

/// What each live file is judged by.
struct Judge {
    archives: HashMap<u32, SafetyState>,
    /// When each run began.
    begun: HashMap<u32, Moment>,
    /// Empty files are in listings only: of which snapshot each is, and how safe.
    listings: Vec<(SnapshotSeq, SafetyState)>,
}

/// How safe a disc is; a staged one waits since its archives were made.
struct OfDisc {
    standing: SafetyState,
    is_staged: bool,
}

impl Catalog {
    /// Archives that wait in the staging area to be on as many copies as they shall be, and since when:
    /// since the run began that made each, or its disc was closed of which a copy is verified.
    pub fn staged_since(
        &self,
        set: SetId,
        outside: &Outside,
    ) -> Result<HashMap<ArchiveNo, Moment>> {
        self.read("looking at what is staged", |conn| {
            let archives = judge(conn, set, outside)?.archives;
            let waits =
                |(number, standing): (u32, SafetyState)| Some((ArchiveNo(number), standing.waits?));
            Ok(archives.into_iter().filter_map(waits).collect())
        })
    }

    pub fn status(&self, set: SetId) -> Result<SetStatus> {
        self.status_with(set, &Outside::default())
    }

    /// As if nothing were packed onto discs that are lost before they were burned, and copies whose
    /// images are gone did not exist.
    pub fn status_with(&self, set: SetId, outside: &Outside) -> Result<SetStatus> {
        let rows_pending = self.rows_pending(set)?;
        let status =
            self.read("counting files", |conn| count(conn, set, &judge(conn, set, outside)?))?;
        Ok(SetStatus { rows_pending, ..status })
    }
}

fn judge(conn: &Connection, set: SetId, outside: &Outside) -> Result<Judge, Fault> {
    let sql = "SELECT d.number, d.state, d.listing_seq, (SELECT count(*) FROM copies c WHERE
               c.set_id=d.set_id AND c.disc=d.number AND c.state='ok'), d.closed,
               (SELECT copies FROM sets WHERE id=d.set_id) FROM discs d WHERE d.set_id=?";
    let mut discs = HashMap::new();
    let mut listings = Vec::new();
    let mut query = conn.prepare(sql)?;
    let mut rows = query.query([set.0])?;
    while let Some(row) = rows.next()? {
        let number: u32 = row.get(0)?;
        let disc = judge_disc(row, DiscNo(number), outside)?;
        let listing = row.get::<_, Option<u32>>(2)?.map(SnapshotSeq);
        listings.extend(listing.map(|seq| (seq, disc.standing)));
        discs.insert(number, disc);
    }
    let begun = begun(conn, set)?;
    let archives = archives(conn, set, &discs, &begun)?;
    Ok(Judge { archives, begun, listings })
}

fn judge_disc(row: &Row, number: DiscNo, outside: &Outside) -> Result<OfDisc, Fault> {
    let state = match outside.lost.contains(&number) {
        true => DiscState::Gone,
        false => value::word(row, 1, DiscState::from_word)?,
    };
    let good: u32 = row.get(3)?;
    let missing = outside.missing.iter().filter(|(disc, _)| *disc == number).count();
    let safety = safety(state, good.saturating_sub(missing as u32));
    let wanted: u32 = row.get(5)?;
    let is_enough = matches!(safety, SafetyLevel::Verified(copies) if copies >= wanted);
    let is_owed = !is_enough && outside.owed.contains(&number);
    let closed = row.get::<_, Option<i64>>(4)?.map(Moment);
    let standing = SafetyState { safety, is_enough, waits: closed.filter(|_| is_owed) };
    let is_staged = matches!(state, DiscState::Open | DiscState::Staged | DiscState::Failed);
    Ok(OfDisc { standing, is_staged })
}

fn begun(conn: &Connection, set: SetId) -> Result<HashMap<u32, Moment>, Fault> {
    let mut query = conn.prepare("SELECT seq, started FROM snapshots WHERE set_id=?")?;
    query.query_and_then([set.0], |row| Ok((row.get(0)?, Moment(row.get(1)?))))?.collect()
}

/// A verified disc without a good copy left is no safer than a staged one.
fn safety(state: DiscState, good_copies: u32) -> SafetyLevel {
    match (state, good_copies) {
        (DiscState::Open | DiscState::Gone, _) => SafetyLevel::NotYet,
        (DiscState::Verified, copies @ 1..) => SafetyLevel::Verified(copies),
        _ => SafetyLevel::Staged,
    }
}

fn archives(
    conn: &Connection,
    set: SetId,
    discs: &HashMap<u32, OfDisc>,
    begun: &HashMap<u32, Moment>,
) -> Result<HashMap<u32, SafetyState>, Fault> {
    let mut query = conn.prepare("SELECT number, disc, seq FROM archives WHERE set_id=?")?;
    query
        .query_and_then([set.0], |row| {
            let (disc, seq): (u32, u32) = (row.get(1)?, row.get(2)?);
            let standing = match discs.get(&disc) {
                None => SafetyState::nowhere(),
                Some(OfDisc { standing, is_staged: false }) => *standing,
                Some(OfDisc { standing, .. }) => {
                    SafetyState { waits: begun.get(&seq).copied(), ..*standing }
                }
            };
            Ok((row.get(0)?, standing))
        })?
        .collect()
}

/// A live file, once for each of its parts.
struct FilePart {
    since: SnapshotSeq,
    size: u64,
    stored: bool,
    complete: bool,
    part: u32,
    archive: Option<u32>,
}

fn count(conn: &Connection, set: SetId, judge: &Judge) -> Result<SetStatus, Fault> {
    let sql = "SELECT e.first_seq, COALESCE(c.size, e.size, 0), e.content IS NOT NULL,
               c.sha256 IS NOT NULL, COALESCE(p.part, 0), p.archive
               FROM dirs d CROSS JOIN entries e ON e.dir=d.id
               LEFT JOIN contents c ON c.id=e.content LEFT JOIN parts p ON p.content=e.content
               WHERE d.set_id=? AND e.last_seq IS NULL AND e.kind='f'
               ORDER BY e.dir, e.name, p.part";
    let mut status = SetStatus::default();
    let mut file: Option<(u64, SafetyState)> = None;
    let mut query = conn.prepare(sql)?;
    let mut rows = query.query([set.0])?;
    while let Some(row) = rows.next()? {
        let part = read_part(row)?;
        let standing = judge.standing(&part);
        match &mut file {
            // Parts count from 1: the second one and those after it go with the file before.
            Some((_, all)) if part.part > 1 => *all = all.and(standing),
            _ => {
                status.add(file.replace((part.size, standing)));
            }
        }
    }
    status.add(file);
    Ok(status)
}

fn read_part(row: &Row) -> Result<FilePart, Fault> {
    Ok(FilePart {
        since: SnapshotSeq(row.get(0)?),
        size: number(row, 1)?,
        stored: row.get(2)?,
        complete: row.get(3)?,
        part: row.get(4)?,
        archive: row.get(5)?,
    })
}

impl Judge {
    fn standing(&self, part: &FilePart) -> SafetyState {
        match part.archive {
            Some(archive) if part.complete => {
                self.archives.get(&archive).copied().unwrap_or(SafetyState::nowhere())
            }
            None if part.size == 0 && !part.stored => self.listed(part.since),
            _ => SafetyState::nowhere(),
        }
    }

    /// An empty file goes with the next listing.
    fn listed(&self, since: SnapshotSeq) -> SafetyState {
        let of_these = self.listings.iter().filter(|(seq, _)| *seq >= since);
        let best = of_these.map(|(_, standing)| *standing).max_by_key(|standing| standing.safety);
        let best = best.unwrap_or(SafetyState::nowhere());
        match best.safety {
            SafetyLevel::Verified(_) => best,
            _ => SafetyState { waits: self.begun.get(&since.0).copied(), ..best },
        }
    }
}

impl SetStatus {
    fn add(&mut self, file: Option<(u64, SafetyState)>) {
        let Some((size, SafetyState { safety, waits, .. })) = file else { return };
        self.live.add(size);
        let mut unsafe_part = Waiting::default();
        match safety {
            SafetyLevel::Verified(copies) => {
                self.verified.add(size);
                self.by_copies.entry(copies).or_default().add(size);
                unsafe_part.copies.add(size);
            }
            SafetyLevel::Staged => {
                self.staged.add(size);
                unsafe_part.staged.add(size);
            }
            SafetyLevel::NotYet => {
                self.not_yet.add(size);
                unsafe_part.not_yet.add(size);
            }
        }
        if let Some(since) = waits {
            self.waiting.entry(since).or_default().add(unsafe_part);
        }
    }
}

impl Waiting {
    pub fn add(&mut self, more: Waiting) {
        self.staged = self.staged.and(more.staged);
        self.not_yet = self.not_yet.and(more.not_yet);
        self.copies = self.copies.and(more.copies);
    }
}

impl FileTally {
    /// Saturates: a stranger's catalog may claim any sizes.
    pub(in crate::catalog) fn add(&mut self, size: u64) {
        self.files += 1;
        self.bytes = Bytes(self.bytes.0.saturating_add(size));
    }

    /// Both together.
    pub fn and(self, other: FileTally) -> FileTally {
        let bytes = Bytes(self.bytes.0.saturating_add(other.bytes.0));
        FileTally { files: self.files.saturating_add(other.files), bytes }
    }

    /// This without a part of it.
    pub fn without(self, part: FileTally) -> FileTally {
        let bytes = Bytes(self.bytes.0.saturating_sub(part.bytes.0));
        FileTally { files: self.files.saturating_sub(part.files), bytes }
    }
}
