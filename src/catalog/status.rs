//! How safe a set is, in numbers.

use super::error::Fault;
use super::value::number;
use super::{Catalog, DiscState, Result, SetId, value};
use crate::model::{Bytes, DiscNo, SnapshotSeq};
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
    /// The newest finished snapshot's listing is on no closed disc yet.
    pub rows_pending: bool,
}

/// How safe a thing is; the least of its parts counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Safety {
    NotYet,
    Staged,
    /// So many copies were right when they were last read.
    Verified(u32),
}

/// What each live file is judged by.
struct Judge {
    archives: HashMap<u32, Safety>,
    /// Empty files are in listings only: of which snapshot each is, and how safe.
    listings: Vec<(SnapshotSeq, Safety)>,
}

impl Catalog {
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
        let safety = match lost.contains(&DiscNo(number)) {
            true => Safety::NotYet,
            false => safety(value::word(row, 1, DiscState::from_word)?, row.get(3)?),
        };
        discs.insert(number, safety);
        let listing = row.get::<_, Option<u32>>(2)?.map(SnapshotSeq);
        listings.extend(listing.map(|seq| (seq, safety)));
    }
    let archives = archives(conn, set, &discs)?;
    Ok(Judge { archives, listings })
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
    discs: &HashMap<u32, Safety>,
) -> Result<HashMap<u32, Safety>, Fault> {
    let mut query = conn.prepare("SELECT number, disc FROM archives WHERE set_id=?")?;
    query
        .query_and_then([set.0], |row| {
            let disc: u32 = row.get(1)?;
            Ok((row.get(0)?, discs.get(&disc).copied().unwrap_or(Safety::NotYet)))
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
    let mut file: Option<(u64, Safety)> = None;
    let mut query = conn.prepare(sql)?;
    let mut rows = query.query([set.0])?;
    while let Some(row) = rows.next()? {
        let part = read_part(row)?;
        let safety = judge.safety(&part);
        match &mut file {
            // Parts count from 1: the second one and those after it go with the file before.
            Some((_, least)) if part.part > 1 => *least = safety.min(*least),
            _ => {
                status.add(file.replace((part.size, safety)));
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
    fn safety(&self, part: &FilePart) -> Safety {
        match part.archive {
            Some(archive) if part.complete => {
                self.archives.get(&archive).copied().unwrap_or(Safety::NotYet)
            }
            None if part.size == 0 && !part.stored => self.listed(part.since),
            _ => Safety::NotYet,
        }
    }

    fn listed(&self, since: SnapshotSeq) -> Safety {
        let safe = self.listings.iter().filter(|(seq, _)| *seq >= since).map(|(_, safety)| *safety);
        safe.max().unwrap_or(Safety::NotYet)
    }
}

impl SetStatus {
    fn add(&mut self, file: Option<(u64, Safety)>) {
        let Some((size, safety)) = file else { return };
        self.live.add(size);
        match safety {
            Safety::Verified(copies) => {
                self.verified.add(size);
                self.by_copies.entry(copies).or_default().add(size);
            }
            Safety::Staged => self.staged.add(size),
            Safety::NotYet => self.not_yet.add(size),
        }
    }
}

impl Tally {
    /// Saturates: a stranger's catalog may claim any sizes.
    pub(super) fn add(&mut self, size: u64) {
        self.files += 1;
        self.bytes = Bytes(self.bytes.0.saturating_add(size));
    }
}
