//! Discs: what each is, how far it has come, and what must be found on it.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{Fault, Refused, Result, odd};
use crate::catalog::base::ids::SetId;
use crate::catalog::base::value::{digest, number, stored, uuid, word};
use crate::model::{Bytes, Digest, DiscNo, DiscUuid, Format, ListingFlags, Sectors, SnapshotSeq};
use crate::port::clock::Moment;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// How far a disc has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DiscState {
    /// Being filled; may wait part-filled for the next run.
    Open,
    /// Closed, hashed, never cut again; waits in the staging area.
    Staged,
    /// A burn or its verification failed; staging is kept.
    Failed,
    /// It is on a medium, and this catalog knows of nobody who read that back: what a disc is in a
    /// catalog that was rebuilt from it.
    Burned,
    /// A copy of it was read back and every byte was right.
    Verified,
    /// It was on a medium, and no copy of it is left that could be right.
    Gone,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDisc {
    pub number: DiscNo,
    pub uuid: DiscUuid,
    /// Of the media that it is planned for.
    pub capacity: Sectors,
    pub format: Format,
}

/// A file of a disc, as it must be found there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscFileRecord {
    /// From the disc's root, without a leading slash.
    pub path: String,
    pub size: Bytes,
    pub sha256: Digest,
}

/// What is known of a disc once nothing more goes on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedDiscRecord {
    pub image: Sectors,
    pub closed: Moment,
    /// The newest snapshot that has a member here.
    pub snapshot: SnapshotSeq,
    pub listings: ListingFlags,
    /// Of which snapshot the SNAPSHOT listing is, if it has one.
    pub listing: Option<SnapshotSeq>,
    /// All of them: archives, listings, README and the rest.
    pub files: Vec<DiscFileRecord>,
}

/// A disc of a set. What is settled when it is closed stands apart, so that a function that needs the
/// size of an image takes a [`ClosedDiscInfo`], and a size that nobody knows cannot be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscInfo<C = Option<DiscClosing>> {
    pub number: DiscNo,
    pub uuid: DiscUuid,
    pub capacity: Sectors,
    pub format: Format,
    pub state: DiscState,
    /// When its first archive was recorded, as the clock went then.
    pub begun: Option<Moment>,
    /// Copies whose newest verification found every byte right.
    pub good_copies: u32,
    /// `None` of a disc that is open, and of one that was open when the catalog was written that knows
    /// of it: a rebuild takes that for burned, and nobody has seen it.
    pub closing: C,
}

/// A disc that nothing more goes on, with all that is known then.
pub type ClosedDiscInfo = DiscInfo<DiscClosing>;

/// A disc that is being filled.
pub type OpenDiscInfo = DiscInfo<()>;

/// What was settled when a disc was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscClosing {
    pub image: Sectors,
    /// `None` where a catalog was rebuilt from a disc that does not say it.
    pub at: Option<Moment>,
    /// The newest snapshot that has a member here.
    pub snapshot: SnapshotSeq,
    pub listings: ListingFlags,
    /// Of which snapshot the SNAPSHOT listing is, if it has one.
    pub listing: Option<SnapshotSeq>,
}

impl DiscInfo {
    /// The disc, if what was settled when it was closed is known.
    pub fn closed(self) -> Option<ClosedDiscInfo> {
        let closing = self.closing?;
        Some(self.with(closing))
    }

    /// The disc, if it is open.
    pub fn open(self) -> Option<OpenDiscInfo> {
        (self.state == DiscState::Open).then(|| self.with(()))
    }

    pub fn image(&self) -> Option<Sectors> {
        self.closing.map(|closing| closing.image)
    }

    /// Of which snapshot its SNAPSHOT listing is, if it has one.
    pub fn listing(&self) -> Option<SnapshotSeq> {
        self.closing?.listing
    }
}

impl<C> DiscInfo<C> {
    fn with<D>(self, closing: D) -> DiscInfo<D> {
        let DiscInfo { number, uuid, capacity, format, state, begun, good_copies, .. } = self;
        DiscInfo { number, uuid, capacity, format, state, begun, good_copies, closing }
    }

    /// Copies that were right when they were last read, of a disc that is safe.
    pub fn safe_copies(&self) -> u32 {
        if self.state == DiscState::Verified { self.good_copies } else { 0 }
    }
}

impl DiscState {
    pub fn word(self) -> &'static str {
        match self {
            DiscState::Open => "open",
            DiscState::Staged => "staged",
            DiscState::Failed => "failed",
            DiscState::Burned => "burned",
            DiscState::Verified => "verified",
            DiscState::Gone => "gone",
        }
    }

    pub(in crate::catalog) fn from_word(word: &str) -> Option<DiscState> {
        use DiscState::*;
        [Open, Staged, Failed, Burned, Verified, Gone]
            .into_iter()
            .find(|state| state.word() == word)
    }
}

impl Catalog {
    /// One more than the highest known.
    pub fn next_disc(&self, set: SetId) -> Result<DiscNo> {
        self.read("numbering a disc", |conn| {
            let sql = "SELECT COALESCE(max(number), 0) FROM discs WHERE set_id=?";
            let last: u32 = conn.query_row(sql, [set.0], |row| row.get(0))?;
            let next = last.checked_add(1);
            next.map(DiscNo).ok_or_else(|| odd("no disc number is left"))
        })
    }

    /// `at`: its first archive is being recorded.
    pub fn begin_disc(&mut self, set: SetId, disc: &NewDisc, at: Moment) -> Result<()> {
        self.change(set, "beginning a disc", |tx| begin(tx, set, disc, at))
    }

    /// The wait of a disc that is open is counted from then on.
    pub fn set_begun(&mut self, set: SetId, disc: DiscNo, at: Moment) -> Result<()> {
        self.change(set, "dating a disc", |tx| {
            let sql = "UPDATE discs SET begun=?3 WHERE set_id=?1 AND number=?2";
            tx.execute(sql, params![set.0, disc.0, at.0])?;
            Ok(())
        })
    }

    /// The disc that a former run left part-filled; the lowest, should there be several.
    pub fn open_disc(&self, set: SetId) -> Result<Option<OpenDiscInfo>> {
        Ok(self.discs(set)?.into_iter().find_map(DiscInfo::open))
    }

    /// The size that the set's newest closed disc was planned for. A disc that was met on a medium
    /// is as large as its image as far as is known, which says nothing; a recovery disc is as large
    /// as the discs of its group, which may be old ones.
    pub fn last_disc_size(&self, set: SetId) -> Result<Option<Sectors>> {
        self.read("looking for the size of the discs", |conn| {
            let sql = "SELECT capacity FROM discs WHERE set_id=?1 AND state<>'open'
                       AND capacity>image
                       AND number NOT IN (SELECT recovery FROM covered WHERE set_id=?1)
                       ORDER BY number DESC LIMIT 1";
            let mut query = conn.prepare(sql)?;
            let sizes = query.query_and_then([set.0], |row| Ok(Sectors(number(row, 0)?)));
            sizes?.next().transpose()
        })
    }

    /// All discs by number.
    pub fn discs(&self, set: SetId) -> Result<Vec<DiscInfo>> {
        self.read("listing the discs", |conn| {
            let sql = format!("{SELECT_DISCS} ORDER BY number");
            conn.prepare(&sql)?.query_and_then([set.0], read_disc)?.collect()
        })
    }

    /// `None`: the set has no disc of this number.
    pub fn disc(&self, set: SetId, disc: DiscNo) -> Result<Option<DiscInfo>> {
        self.read("looking for a disc", |conn| {
            let sql = format!("{SELECT_DISCS} AND number=?2");
            let mut query = conn.prepare(&sql)?;
            query.query_and_then(params![set.0, disc.0], read_disc)?.next().transpose()
        })
    }

    /// Nothing more goes on this disc: it is staged, with the hash of every file.
    pub fn close_disc(
        &mut self,
        set: SetId,
        disc: DiscNo,
        closed: &ClosedDiscRecord,
    ) -> Result<()> {
        self.change(set, "closing a disc", |tx| close(tx, set, disc, closed))
    }

    /// What must be found on a disc, sorted by path.
    pub fn disc_files(&self, set: SetId, disc: DiscNo) -> Result<Vec<DiscFileRecord>> {
        self.read("listing a disc's files", |conn| {
            let sql = "SELECT path, size, sha256 FROM disc_files WHERE set_id=? AND disc=?
                       ORDER BY path";
            conn.prepare(sql)?
                .query_and_then(params![set.0, disc.0], |row| {
                    let (size, sha256) = (Bytes(number(row, 1)?), digest(row, 2)?);
                    Ok(DiscFileRecord { path: row.get(0)?, size, sha256 })
                })?
                .collect()
        })
    }

    /// Of each closed disc but this one: the sum of its list of sums, where that is known. Its
    /// listings say so which discs were there before it.
    pub fn closed_before(
        &self,
        set: SetId,
        disc: DiscNo,
    ) -> Result<Vec<(DiscNo, DiscUuid, Option<Digest>)>> {
        self.read("listing the discs before", |conn| {
            let sql = "SELECT d.number, d.uuid, f.sha256 FROM discs d LEFT JOIN disc_files f
                       ON f.set_id=d.set_id AND f.disc=d.number AND f.path='SHA256SUMS'
                       WHERE d.set_id=?1 AND d.number<>?2 AND d.state<>'open' ORDER BY d.number";
            let read = |row: &Row| {
                let sums: Option<Vec<u8>> = row.get(2)?;
                let sums = sums.and_then(|bytes| Digest::from_slice(&bytes));
                Ok((DiscNo(row.get(0)?), DiscUuid(uuid(row, 1)?), sums))
            };
            conn.prepare(sql)?.query_and_then(params![set.0, disc.0], read)?.collect()
        })
    }

    /// A burn failed before anything could be verified.
    pub fn record_failure(&mut self, set: SetId, disc: DiscNo) -> Result<()> {
        self.write("recording a failed burn", |tx| {
            check_closed(tx, set, disc)?;
            mark_failed(tx, set, disc)
        })
    }

    /// The newest snapshot whose whole listing is on a closed disc.
    pub fn newest_listing(&self, set: SetId) -> Result<Option<SnapshotSeq>> {
        self.read("looking for the newest listing", |conn| {
            let sql = "SELECT max(listing_seq) FROM discs WHERE set_id=? AND state NOT IN ('open', 'gone')";
            let seq: Option<u32> = conn.query_row(sql, [set.0], |row| row.get(0))?;
            Ok(seq.map(SnapshotSeq))
        })
    }

    /// Whether the last closed disc had no room for SNAPSHOT: the disc that is to carry it, maybe
    /// nothing else, was never made. A recovery disc carries no listing, and owes none.
    pub fn owes_listing(&self, set: SetId) -> Result<bool> {
        self.read("looking for the last listing", |conn| {
            let sql = "SELECT listing_seq IS NULL FROM discs WHERE set_id=?1
                       AND state NOT IN ('open', 'gone')
                       AND number NOT IN (SELECT recovery FROM covered WHERE set_id=?1)
                       ORDER BY number DESC LIMIT 1";
            Ok(conn.query_row(sql, [set.0], |row| row.get(0)).optional()?.unwrap_or(false))
        })
    }

    /// Paths that differ from the newest listing on a disc: they wait for `--flush`, or for the
    /// next disc.
    pub fn pending_rows(&self, set: SetId) -> Result<u64> {
        let listed = self.newest_listing(set)?.map_or(0, |seq| seq.0);
        self.read("comparing with the discs", |conn| {
            let sql = "SELECT count(DISTINCT e.dir || '/' || hex(e.name)) FROM entries e
                       JOIN dirs d ON d.id=e.dir
                       WHERE d.set_id=?1 AND (e.first_seq>?2 OR e.last_seq>=?2)";
            let pending: i64 = conn.query_row(sql, params![set.0, listed], |row| row.get(0))?;
            Ok(pending.unsigned_abs())
        })
    }

    pub fn rows_pending(&self, set: SetId) -> Result<bool> {
        Ok(self.pending_rows(set)? > 0)
    }
}

pub(in crate::catalog) fn begin(
    tx: &Connection,
    set: SetId,
    disc: &NewDisc,
    at: Moment,
) -> Result<(), Fault> {
    if state(tx, set, disc.number)?.is_some() {
        return Err(Refused::DiscTaken(disc.number).into());
    }
    let sql = "INSERT INTO discs(set_id, number, uuid, capacity, begun, format, state)
               VALUES(?,?,?,?,?,?,'open')";
    let (capacity, format) = (stored(disc.capacity.0), disc.format.number());
    let uuid = disc.uuid.0.as_bytes();
    tx.execute(sql, params![set.0, disc.number.0, uuid, capacity, at.0, format])?;
    Ok(())
}

pub(in crate::catalog) fn close(
    tx: &Connection,
    set: SetId,
    disc: DiscNo,
    closed: &ClosedDiscRecord,
) -> Result<(), Fault> {
    check_open(tx, set, disc)?;
    let sql = "UPDATE discs SET state='staged', image=?3, closed=?4, last_seq=?5, listings=?6,
               listing_seq=?7 WHERE set_id=?1 AND number=?2";
    tx.execute(
        sql,
        params![
            set.0,
            disc.0,
            stored(closed.image.0),
            closed.closed.0,
            closed.snapshot.0,
            closed.listings.to_text(),
            closed.listing.map(|seq| seq.0),
        ],
    )?;
    closed.files.iter().try_for_each(|file| insert_file(tx, set, disc, file))
}

pub(in crate::catalog) fn state(
    conn: &Connection,
    set: SetId,
    disc: DiscNo,
) -> Result<Option<DiscState>, Fault> {
    let sql = "SELECT state FROM discs WHERE set_id=? AND number=?";
    let mut query = conn.prepare_cached(sql)?;
    query
        .query_and_then(params![set.0, disc.0], |row| word(row, 0, DiscState::from_word))?
        .next()
        .transpose()
}

pub(in crate::catalog) fn check_open(
    conn: &Connection,
    set: SetId,
    disc: DiscNo,
) -> Result<(), Fault> {
    match state(conn, set, disc)? {
        Some(DiscState::Open) => Ok(()),
        _ => Err(Refused::DiscState(disc, "filled").into()),
    }
}

pub(in crate::catalog) fn check_closed(
    conn: &Connection,
    set: SetId,
    disc: DiscNo,
) -> Result<(), Fault> {
    match state(conn, set, disc)? {
        None | Some(DiscState::Open) => Err(Refused::DiscState(disc, "burned").into()),
        Some(_) => Ok(()),
    }
}

pub(in crate::catalog) fn mark_verified(
    conn: &Connection,
    set: SetId,
    disc: DiscNo,
) -> Result<(), Fault> {
    set_state(conn, set, disc, DiscState::Verified)
}

pub(in crate::catalog) fn set_state(
    conn: &Connection,
    set: SetId,
    disc: DiscNo,
    state: DiscState,
) -> Result<(), Fault> {
    let sql = "UPDATE discs SET state=?3 WHERE set_id=?1 AND number=?2";
    conn.execute(sql, params![set.0, disc.0, state.word()])?;
    Ok(())
}

pub(in crate::catalog) fn mark_failed(
    conn: &Connection,
    set: SetId,
    disc: DiscNo,
) -> Result<(), Fault> {
    let sql = "UPDATE discs SET state='failed' WHERE set_id=? AND number=? AND state='staged'";
    conn.execute(sql, params![set.0, disc.0])?;
    Ok(())
}

pub(in crate::catalog) fn insert_file(
    conn: &Connection,
    set: SetId,
    disc: DiscNo,
    file: &DiscFileRecord,
) -> Result<(), Fault> {
    let sql = "INSERT INTO disc_files(set_id, disc, path, size, sha256) VALUES(?,?,?,?,?)";
    let size = stored(file.size.0);
    conn.prepare_cached(sql)?.execute(params![set.0, disc.0, file.path, size, file.sha256.0])?;
    Ok(())
}

/// The discs of a set, as `read_disc` reads them.
const SELECT_DISCS: &str =
    "SELECT number, uuid, capacity, state, image, closed, last_seq, listings,
    listing_seq, (SELECT count(*) FROM copies c WHERE c.set_id=d.set_id
        AND c.disc=d.number AND c.state='ok'), begun, format
    FROM discs d WHERE set_id=?1";

fn read_disc(row: &Row) -> Result<DiscInfo, Fault> {
    let format = Format::from_number(row.get(11)?);
    let state = word(row, 3, DiscState::from_word)?;
    Ok(DiscInfo {
        format: format.ok_or_else(|| odd("a disc of an unknown format"))?,
        number: DiscNo(row.get(0)?),
        uuid: DiscUuid(uuid(row, 1)?),
        capacity: Sectors(number(row, 2)?),
        state,
        good_copies: row.get(9)?,
        begun: row.get::<_, Option<i64>>(10)?.map(Moment),
        closing: if state == DiscState::Open { None } else { read_closing(row)? },
    })
}

/// Of a disc that is not open; `None` if nobody has seen it closed.
fn read_closing(row: &Row) -> Result<Option<DiscClosing>, Fault> {
    let image = crate::catalog::base::value::optional_number(row, 4)?.map(Sectors);
    let snapshot = row.get::<_, Option<u32>>(6)?.map(SnapshotSeq);
    let listings = match row.get_ref(7)? {
        rusqlite::types::ValueRef::Null => ListingFlags::default(),
        _ => word(row, 7, ListingFlags::from_known)?,
    };
    let (Some(image), Some(snapshot)) = (image, snapshot) else { return Ok(None) };
    let at = row.get::<_, Option<i64>>(5)?.map(Moment);
    let listing = row.get::<_, Option<u32>>(8)?.map(SnapshotSeq);
    Ok(Some(DiscClosing { image, at, snapshot, listings, listing }))
}
