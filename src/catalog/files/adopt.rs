//! Taking in what was found on discs: they were burned by a catalog that is lost. Beside what a run
//! records about its own work stands here what can be known of work that is long done.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{Fault, Refused, Result};
use crate::catalog::base::ids::{ContentId, SetId};
use crate::catalog::base::state;
use crate::catalog::base::value::{path_bytes, stored, uuid};
use crate::catalog::tables::archives::{self, ArchiveRecord, NewPart, PartsId};
use crate::catalog::tables::contents::{self, NewContent};
use crate::catalog::tables::discs::{self, DiscFileRecord, DiscState, insert_file};
use crate::model::rows::FrameSpan;
use crate::model::{
    Digest, DiscNo, DiscUuid, Format, ListingFlags, RelPath, Sectors, SnapshotSeq, SnapshotUuid,
};
use crate::port::clock::Moment;
use rusqlite::{Connection, OptionalExtension, params};
use std::path::Path;

/// A disc as it lies before us.
#[derive(Clone, Debug)]
pub struct AdoptedDisc {
    pub number: DiscNo,
    pub uuid: DiscUuid,
    pub format: Format,
    pub image: Sectors,
    pub closed: Option<Moment>,
    pub snapshot: SnapshotSeq,
    pub listings: ListingFlags,
    pub listing: Option<SnapshotSeq>,
    /// What must be on it, as far as it tells itself.
    pub files: Vec<DiscFileRecord>,
}

/// A file, or a part of one, that an archive was found to hold.
#[derive(Clone, Debug)]
pub struct FoundMember {
    /// The name in the tar file.
    pub member: RelPath,
    /// Bytes of content in this member.
    pub size: u64,
    pub sha256: Digest,
    pub frames: FrameSpan,
    /// For a part: of which content, its number from 1, and where in the file it belongs, if that
    /// is told.
    pub part: Option<(PartsId, u32, Option<u64>)>,
}

/// A disc that carries the number of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberConflict {
    pub number: DiscNo,
    pub uuid: DiscUuid,
    pub snapshot: SnapshotSeq,
}

impl Catalog {
    /// A disc that was burned. What is known of it already stays; its copies are recorded apart.
    pub fn adopt_disc(&mut self, set: SetId, found: &AdoptedDisc) -> Result<()> {
        self.write("importing a disc", |tx| {
            match discs::state(tx, set, found.number)? {
                None => insert_disc(tx, set, found)?,
                Some(DiscState::Burned | DiscState::Verified | DiscState::Gone) => {}
                Some(_) => close_disc(tx, set, found)?,
            }
            let sql = "SELECT 1 FROM disc_files WHERE set_id=? AND disc=?";
            if !tx.prepare(sql)?.exists(params![set.0, found.number.0])? {
                found.files.iter().try_for_each(|f| insert_file(tx, set, found.number, f))?;
            }
            Ok(())
        })
    }

    /// What was packed when this catalog was written is on discs by now, all but `waiting`.
    pub fn assume_burned(&mut self, set: SetId, waiting: &[DiscNo]) -> Result<()> {
        self.write("importing discs", |tx| {
            let sql = "UPDATE discs SET state='burned' WHERE set_id=? AND number=?
                       AND state IN ('open', 'staged', 'failed')";
            let known: Vec<u32> = tx
                .prepare("SELECT number FROM discs WHERE set_id=?")?
                .query_map([set.0], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            for number in known.into_iter().filter(|&number| !waiting.contains(&DiscNo(number))) {
                tx.execute(sql, params![set.0, number])?;
            }
            Ok(())
        })
    }

    pub fn adopt_twin(&mut self, set: SetId, twin: &NumberConflict) -> Result<()> {
        self.write("importing a disc", |tx| {
            let sql =
                "INSERT OR REPLACE INTO twins(set_id, number, uuid, last_seq) VALUES(?,?,?,?)";
            let uuid = twin.uuid.0.as_bytes();
            tx.execute(sql, params![set.0, twin.number.0, uuid, twin.snapshot.0])?;
            Ok(())
        })
    }

    /// Discs that carry the number of another one.
    pub fn twins(&self, set: SetId) -> Result<Vec<NumberConflict>> {
        self.read("listing discs that share a number", |conn| {
            let sql = "SELECT number, uuid, last_seq FROM twins WHERE set_id=? ORDER BY number";
            conn.prepare(sql)?
                .query_and_then([set.0], |row| {
                    Ok(NumberConflict {
                        number: DiscNo(row.get(0)?),
                        uuid: DiscUuid(uuid(row, 1)?),
                        snapshot: SnapshotSeq(row.get(2)?),
                    })
                })?
                .collect()
        })
    }

    pub fn knows_archive(&self, set: SetId, archive: crate::model::ArchiveNo) -> Result<bool> {
        self.read("looking for an archive", |conn| archives::is_known(conn, set, archive))
    }

    /// An archive of a disc that was taken in, with what it holds. What is stored already elsewhere
    /// is not stored again; one that is known is left as it is.
    pub fn adopt_archive(
        &mut self,
        set: SetId,
        archive: &ArchiveRecord,
        members: &[FoundMember],
    ) -> Result<()> {
        self.write("importing an archive", |tx| {
            if archives::is_known(tx, set, archive.number)? {
                return Ok(());
            }
            archives::insert(tx, set, archive)?;
            members.iter().try_for_each(|member| adopt_member(tx, set, archive, member))
        })
    }

    /// All of a content in parts is known if its parts are, from the first to the last. False if
    /// any is missing: then it counts as stored nowhere.
    pub fn complete_parts(
        &mut self,
        set: SetId,
        id: PartsId,
        parts: u32,
        size: u64,
        sha256: &Digest,
    ) -> Result<bool> {
        self.write("joining parts", |tx| {
            let Some(content) = content_of(tx, set, id)? else { return Ok(false) };
            let sql = "SELECT count(*), max(part) FROM parts WHERE content=?";
            let (count, last): (u32, Option<u32>) =
                tx.query_row(sql, [content.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
            if count != parts || last != Some(parts) {
                return Ok(false);
            }
            contents::set_size(tx, content, size)?;
            contents::complete(tx, content, sha256)?;
            place_parts(tx, content)?;
            Ok(true)
        })
    }

    /// Whether all of a content in parts is known.
    pub fn has_whole(&self, set: SetId, id: PartsId) -> Result<bool> {
        self.read("looking for a content in parts", |conn| {
            let sql = "SELECT 1 FROM contents WHERE parts_id=? AND set_id=? AND sha256 IS NOT NULL";
            Ok(conn
                .prepare_cached(sql)?
                .exists(params![crate::catalog::base::value::bits(id.0), set.0])?)
        })
    }

    /// Begins a snapshot that was taken long ago, under its own number, behind all that are known.
    pub fn adopt_snapshot(
        &mut self,
        set: SetId,
        seq: SnapshotSeq,
        started: Moment,
        source: &Path,
        uuid: Option<SnapshotUuid>,
    ) -> Result<()> {
        self.write("importing a snapshot", |tx| {
            if state::newest(tx, set)?.is_some_and(|newest| newest >= seq) {
                return Err(Refused::NotInWork(seq).into());
            }
            let sql = "INSERT INTO snapshots(set_id, seq, started, source, uuid)
                       VALUES(?,?,?,?,?)";
            let uuid = uuid.as_ref().map(|uuid| uuid.0.as_bytes());
            tx.execute(sql, params![set.0, seq.0, started.0, path_bytes(source), uuid])?;
            Ok(())
        })
    }
}

fn insert_disc(conn: &Connection, set: SetId, found: &AdoptedDisc) -> Result<(), Fault> {
    let sql = "INSERT INTO discs(set_id, number, uuid, capacity, format, state)
               VALUES(?,?,?,?,?,'burned')";
    let (uuid, capacity) = (found.uuid.0.as_bytes(), stored(found.image.0));
    let format = found.format.number();
    conn.execute(sql, params![set.0, found.number.0, uuid, capacity, format])?;
    close_disc(conn, set, found)
}

fn close_disc(conn: &Connection, set: SetId, found: &AdoptedDisc) -> Result<(), Fault> {
    let sql = "UPDATE discs SET state='burned', image=?3, closed=?4, last_seq=?5, listings=?6,
               listing_seq=?7 WHERE set_id=?1 AND number=?2";
    conn.execute(
        sql,
        params![
            set.0,
            found.number.0,
            stored(found.image.0),
            found.closed.map(|closed| closed.0),
            found.snapshot.0,
            found.listings.to_text(),
            found.listing.map(|seq| seq.0),
        ],
    )?;
    Ok(())
}

fn adopt_member(
    conn: &Connection,
    set: SetId,
    archive: &ArchiveRecord,
    member: &FoundMember,
) -> Result<(), Fault> {
    let Some((id, part, file_offset)) = member.part else {
        return adopt_whole(conn, set, archive, member);
    };
    let content = match content_of(conn, set, id)? {
        Some(content) => content,
        None => {
            let new = NewContent { set, sha256: None, size: member.size, parts_id: Some(id.0) };
            contents::insert(conn, &new)?
        }
    };
    let sql = "SELECT 1 FROM parts WHERE content=? AND part=?";
    if conn.prepare_cached(sql)?.exists(params![content.0, part])? {
        return Ok(());
    }
    let new = NewPart {
        archive: archive.number,
        part,
        frames: &member.frames,
        file_offset,
        length: Some(member.size),
    };
    archives::insert_part(conn, content, &new)
}

fn adopt_whole(
    conn: &Connection,
    set: SetId,
    archive: &ArchiveRecord,
    member: &FoundMember,
) -> Result<(), Fault> {
    if contents::by_digest(conn, set, &member.sha256, member.size)?.is_some() {
        return Ok(());
    }
    let new = NewContent { set, sha256: Some(&member.sha256), size: member.size, parts_id: None };
    let content = contents::insert(conn, &new)?;
    let (frames, number) = (&member.frames, archive.number);
    let part = NewPart { archive: number, part: 0, frames, file_offset: None, length: None };
    archives::insert_part(conn, content, &part)?;
    let sql = "INSERT INTO members(content, path) VALUES(?,?)";
    conn.prepare_cached(sql)?.execute(params![content.0, member.member.as_bytes()])?;
    Ok(())
}

/// The content in parts that carries this id, complete or not.
fn content_of(conn: &Connection, set: SetId, id: PartsId) -> Result<Option<ContentId>, Fault> {
    let sql = "SELECT id FROM contents WHERE parts_id=? AND set_id=?";
    let mut query = conn.prepare_cached(sql)?;
    let values = params![crate::catalog::base::value::bits(id.0), set.0];
    Ok(query.query_row(values, |row| row.get(0).map(ContentId)).optional()?)
}

/// Parts whose archive did not say where they belong follow each other.
fn place_parts(conn: &Connection, content: ContentId) -> Result<(), Fault> {
    let sql = "UPDATE parts SET file_offset=(SELECT COALESCE(sum(before.length), 0)
                   FROM parts before WHERE before.content=parts.content AND before.part<parts.part)
               WHERE content=? AND file_offset IS NULL";
    conn.execute(sql, [content.0])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::testing::*;
    use crate::catalog::*;
    use crate::model::{ArchiveNo, Kind};
    use uuid::Uuid;

    fn disc(number: u32) -> AdoptedDisc {
        AdoptedDisc {
            number: DiscNo(number),
            uuid: DiscUuid(Uuid::from_u128(number.into())),
            format: Format::Two,
            image: Sectors(100),
            closed: Some(NOW),
            snapshot: SnapshotSeq(1),
            listings: ListingFlags::default(),
            listing: None,
            files: Vec::new(),
        }
    }

    fn part(n: u32, size: u64) -> FoundMember {
        FoundMember {
            member: p(&format!(".coldcut-parts/000000000000000a/{n:04}")),
            size,
            sha256: sha(n.into()),
            frames: frames(0),
            part: Some((PartsId(10), n, None)),
        }
    }

    #[test]
    fn a_disc_that_was_found_is_on_a_medium_and_not_safe_before_it_is_read() {
        let mut bench = CatalogBench::new();
        let set = bench.set;
        bench.cat().adopt_disc(set, &disc(2)).unwrap();
        bench.cat().adopt_disc(set, &disc(2)).unwrap();
        let found = bench.cat().discs(set).unwrap().pop().unwrap();
        assert_eq!((found.state, found.good_copies), (DiscState::Burned, 0));
        let here = crate::model::Carrier::Words("here".into());
        bench.cat().record_copy(set, DiscNo(2), &here, "", NOW).unwrap();
        let forgotten = bench.cat().forget_disc_work(set, DiscNo(2), DiscUuid(Uuid::nil()));
        assert!(forgotten.is_err());
        let seen = Verification {
            disc: DiscNo(2),
            copy: CopyNo(1),
            at: NOW,
            drive: String::new(),
            outcome: ReadOutcome::sound(String::new(), Default::default()),
        };
        bench.cat().record_verification(set, &seen).unwrap();
        assert_eq!(bench.cat().discs(set).unwrap().pop().unwrap().state, DiscState::Verified);
    }

    #[test]
    fn a_disc_that_is_taken_for_burned_and_was_never_seen_closed_has_no_size() {
        let mut bench = CatalogBench::new();
        let set = bench.set;
        assert!(bench.cat().open_disc(set).unwrap().is_some());
        bench.cat().assume_burned(set, &[]).unwrap();
        let disc = bench.cat().discs(set).unwrap().remove(0);
        assert_eq!((disc.state, disc.image()), (DiscState::Burned, None));
        assert!(disc.clone().open().is_none() && disc.closed().is_none());
    }

    #[test]
    fn a_content_in_parts_counts_once_all_of_them_are_there() {
        let mut bench = CatalogBench::new();
        let set = bench.set;
        let record = |number| archive(ArchiveNo(number), DiscNo(1), SnapshotSeq(1));
        bench.cat().adopt_archive(set, &record(1), &[part(1, 5)]).unwrap();
        let complete = |bench: &mut CatalogBench| {
            bench.cat().complete_parts(set, PartsId(10), 3, 12, &sha(9)).unwrap()
        };
        assert!(!complete(&mut bench));
        bench.cat().adopt_archive(set, &record(3), &[part(3, 3)]).unwrap();
        assert!(!complete(&mut bench));
        assert!(bench.cat().content_by_digest(set, &sha(9), 12).unwrap().is_none());
        bench.cat().adopt_archive(set, &record(2), &[part(2, 4)]).unwrap();
        assert!(complete(&mut bench));
        let id = bench.cat().content_by_digest(set, &sha(9), 12).unwrap().unwrap().id;
        let parts = bench.cat().parts_of(set, id).unwrap();
        let places: Vec<_> = parts.iter().map(|part| (part.part, part.file_offset)).collect();
        assert_eq!(places, [(1, 0), (2, 5), (3, 9)]);
    }

    #[test]
    fn a_snapshot_is_taken_in_under_its_own_number_and_what_is_found_has_its_members_name() {
        let mut bench = CatalogBench::new();
        let set = bench.set;
        let early = bench.cat().adopt_snapshot(set, SnapshotSeq(1), NOW, Path::new("/"), None);
        assert!(early.is_err());
        bench.cat().adopt_snapshot(set, SnapshotSeq(7), NOW, Path::new("/"), None).unwrap();
        let found = FoundMember { part: None, member: p("old/name"), ..part(1, 5) };
        let record = archive(ArchiveNo(1), DiscNo(1), SnapshotSeq(7));
        bench.cat().adopt_archive(set, &record, &[found]).unwrap();
        let id = bench.cat().content_by_digest(set, &sha(1), 5).unwrap().unwrap().id;
        bench.cat().put_rows(set, SnapshotSeq(7), &[put("new", Kind::File, 5, Some(id))]).unwrap();
        let row = bench.row(7, "new");
        assert_eq!(row.place.member, Some(p("old/name")));
        assert_eq!(bench.cat().next_archive(set).unwrap(), ArchiveNo(2));
    }

    #[test]
    fn twins_are_kept_by_their_uuid() {
        let mut bench = CatalogBench::new();
        let set = bench.set;
        let twin = |n: u128| NumberConflict {
            number: DiscNo(1),
            uuid: DiscUuid(Uuid::from_u128(n)),
            snapshot: SnapshotSeq(3),
        };
        for n in [1, 2, 1] {
            bench.cat().adopt_twin(set, &twin(n)).unwrap();
        }
        assert_eq!(bench.cat().twins(set).unwrap(), [twin(1), twin(2)]);
    }
}
