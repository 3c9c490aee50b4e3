//! How safe a set is, in numbers.

use super::error::Fault;
use super::value::number;
use super::{Catalog, DiscState, Result, SetId, value};
use crate::model::{ArchiveNo, Bytes, DiscNo, SnapshotSeq};
use crate::port::clock::Moment;
use rusqlite::{Connection, Row};
use std::collections::{BTreeMap, HashMap};

/// Files (kind `f`: other names of a hard link are not counted again) and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub files: u64,
    pub bytes: Bytes,
}

/// Where the files of the newest state are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetStatus {
    pub live: Tally,
    /// Wholly on discs of which a copy was read back and, when last read, was right.
    pub verified: Tally,
    /// The verified ones by the number of good copies, the least of their discs.
    pub by_copies: BTreeMap<u32, Tally>,
    /// Wholly on closed discs, of which not all are verified.
    pub staged: Tally,
    /// On a disc that is still being filled, or stored nowhere.
    pub not_yet: Tally,
    /// Of `staged` and `not_yet`, what lies in the staging area, by when the run began that put the
    /// first of it there.
    pub waiting: BTreeMap<Moment, Waiting>,
    /// The newest finished snapshot's listing is on no closed disc yet.
    pub rows_pending: bool,
}

/// Files that wait in the staging area.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    pub staged: Tally,
    pub not_yet: Tally,
}

/// How safe a thing is; the least of its parts counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Safety {
    NotYet,
    Staged,
    /// So many copies were right when they were last read.
    Verified(u32),
}

/// How safe a thing is, and since when it waits in the staging area if it is there.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Standing {
    safety: Safety,
    waits: Option<Moment>,
}

impl Standing {
    /// Of two parts of one file.
    fn and(self, other: Standing) -> Standing {
        let is_safe = |standing: &Standing| matches!(standing.safety, Safety::Verified(_));
        let waits = match (is_safe(&self), is_safe(&other)) {
            (true, _) => other.waits,
            (_, true) => self.waits,
            _ => self.waits.zip(other.waits).map(|(a, b)| a.min(b)),
        };
        Standing { safety: self.safety.min(other.safety), waits }
    }

    fn nowhere() -> Standing {
        Standing { safety: Safety::NotYet, waits: None }
    }
}

/// What each live file is judged by.
struct Judge {
    archives: HashMap<u32, Standing>,
    /// When each run began.
    begun: HashMap<u32, Moment>,
    /// Empty files are in listings only: of which snapshot each is, and how safe.
    listings: Vec<(SnapshotSeq, Safety)>,
}

impl Catalog {
    /// Archives that lie in the staging area, but for those of discs that are lost there, and when
    /// the run began that made each.
    pub fn staged_since(&self, set: SetId, lost: &[DiscNo]) -> Result<HashMap<ArchiveNo, Moment>> {
        self.read("looking at what is staged", |conn| {
            let archives = judge(conn, set, lost)?.archives;
            let waits =
                |(number, standing): (u32, Standing)| Some((ArchiveNo(number), standing.waits?));
            Ok(archives.into_iter().filter_map(waits).collect())
        })
    }

    pub fn status(&self, set: SetId) -> Result<SetStatus> {
        self.status_without(set, &[])
    }

    /// As if nothing were packed onto these discs: they are lost before they were burned.
    pub fn status_without(&self, set: SetId, lost: &[DiscNo]) -> Result<SetStatus> {
        let rows_pending = self.rows_pending(set)?;
        let status =
            self.read("counting files", |conn| count(conn, set, &judge(conn, set, lost)?))?;
        Ok(SetStatus { rows_pending, ..status })
    }
}

fn judge(conn: &Connection, set: SetId, lost: &[DiscNo]) -> Result<Judge, Fault> {
    let sql = "SELECT d.number, d.state, d.listing_seq, (SELECT count(*) FROM copies c WHERE
               c.set_id=d.set_id AND c.disc=d.number AND c.state='ok') FROM discs d
               WHERE d.set_id=?";
    let mut discs = HashMap::new();
    let mut listings = Vec::new();
    let mut query = conn.prepare(sql)?;
    let mut rows = query.query([set.0])?;
    while let Some(row) = rows.next()? {
        let number: u32 = row.get(0)?;
        let state = match lost.contains(&DiscNo(number)) {
            true => DiscState::Gone,
            false => value::word(row, 1, DiscState::from_word)?,
        };
        let safety = safety(state, row.get(3)?);
        discs.insert(number, (safety, state));
        let listing = row.get::<_, Option<u32>>(2)?.map(SnapshotSeq);
        listings.extend(listing.map(|seq| (seq, safety)));
    }
    let begun = begun(conn, set)?;
    let archives = archives(conn, set, &discs, &begun)?;
    Ok(Judge { archives, begun, listings })
}

fn begun(conn: &Connection, set: SetId) -> Result<HashMap<u32, Moment>, Fault> {
    let mut query = conn.prepare("SELECT seq, started FROM snapshots WHERE set_id=?")?;
    query.query_and_then([set.0], |row| Ok((row.get(0)?, Moment(row.get(1)?))))?.collect()
}

/// A verified disc without a good copy left is no safer than a staged one.
fn safety(state: DiscState, good_copies: u32) -> Safety {
    match (state, good_copies) {
        (DiscState::Open | DiscState::Gone, _) => Safety::NotYet,
        (DiscState::Verified, copies @ 1..) => Safety::Verified(copies),
        _ => Safety::Staged,
    }
}

fn archives(
    conn: &Connection,
    set: SetId,
    discs: &HashMap<u32, (Safety, DiscState)>,
    begun: &HashMap<u32, Moment>,
) -> Result<HashMap<u32, Standing>, Fault> {
    let mut query = conn.prepare("SELECT number, disc, seq FROM archives WHERE set_id=?")?;
    query
        .query_and_then([set.0], |row| {
            let (disc, seq): (u32, u32) = (row.get(1)?, row.get(2)?);
            let standing = discs.get(&disc).map_or(Standing::nowhere(), |&(safety, state)| {
                let is_staged =
                    matches!(state, DiscState::Open | DiscState::Staged | DiscState::Failed);
                Standing { safety, waits: begun.get(&seq).copied().filter(|_| is_staged) }
            });
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
    let mut file: Option<(u64, Standing)> = None;
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
    fn standing(&self, part: &FilePart) -> Standing {
        match part.archive {
            Some(archive) if part.complete => {
                self.archives.get(&archive).copied().unwrap_or(Standing::nowhere())
            }
            None if part.size == 0 && !part.stored => self.listed(part.since),
            _ => Standing::nowhere(),
        }
    }

    /// An empty file goes with the next listing.
    fn listed(&self, since: SnapshotSeq) -> Standing {
        let safe = self.listings.iter().filter(|(seq, _)| *seq >= since).map(|(_, safety)| *safety);
        let safety = safe.max().unwrap_or(Safety::NotYet);
        Standing { safety, waits: self.begun.get(&since.0).copied() }
    }
}

impl SetStatus {
    fn add(&mut self, file: Option<(u64, Standing)>) {
        let Some((size, Standing { safety, waits })) = file else { return };
        self.live.add(size);
        let mut unsafe_part = Waiting::default();
        match safety {
            Safety::Verified(copies) => {
                self.verified.add(size);
                self.by_copies.entry(copies).or_default().add(size);
                return;
            }
            Safety::Staged => {
                self.staged.add(size);
                unsafe_part.staged.add(size);
            }
            Safety::NotYet => {
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
    }
}

impl Tally {
    /// Saturates: a stranger's catalog may claim any sizes.
    pub(super) fn add(&mut self, size: u64) {
        self.files += 1;
        self.bytes = Bytes(self.bytes.0.saturating_add(size));
    }

    /// Both together.
    pub fn and(self, other: Tally) -> Tally {
        let bytes = Bytes(self.bytes.0.saturating_add(other.bytes.0));
        Tally { files: self.files.saturating_add(other.files), bytes }
    }

    /// This without a part of it.
    pub fn without(self, part: Tally) -> Tally {
        let bytes = Bytes(self.bytes.0.saturating_sub(part.bytes.0));
        Tally { files: self.files.saturating_sub(part.files), bytes }
    }
}
