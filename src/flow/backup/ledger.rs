//! The packer's ledger, kept in the catalog: one transaction for each archive.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

use crate::catalog::{
    ArchiveRecord, Catalog, CatalogRow, FileEnd, KnownEntry, NewDisc, PartsId, RowChange, SetId,
    Stored, StoredMember,
};
use crate::model::disc::Compression;
use crate::model::rows::{ListedRow, Note};
use crate::model::{ArchiveNo, Bytes, Digest, Entry, Kind, RelPath, SnapshotSeq};
use crate::pack::{DuplicateFile, Ledger, LedgerError, PackedMember, SealedArchive};
use crate::port::clock::Moment;
use crate::port::event::Trouble;
use crate::port::monitor::Monitor;
use crate::port::stop::Stop;

use crate::flow::FlowError;
use crate::flow::backup::compare::{entry_of, proven_digest, stale};

/// Something that needs the catalog now and then, while it is the packer's.
pub type Between<'a> = &'a dyn Fn(&mut Catalog) -> Result<(), FlowError>;

pub struct CatalogLedger<'a> {
    catalog: &'a mut Catalog,
    set: SetId,
    seq: SnapshotSeq,
    monitor: &'a Monitor,
    /// What is seen to between two pieces of work.
    between: Option<Between<'a>>,
    /// What is packed is known, and only moves: no row is put, and nothing is found to be there.
    moves: bool,
    /// The disc that archives go onto; the catalog hears of it with the first.
    disc: NewDisc,
    has_disc: bool,
    next_archive: u32,
    sizes: HashSet<u64>,
    begun: HashMap<SnapshotSeq, Moment>,
    /// Files are read although their times say that they did not change.
    rehashed: bool,
    /// The digests that such files had of which the first part is in an archive, and so their row.
    begun_parts: HashMap<RelPath, Digest>,
    pub failed: u64,
    pub rotten: u64,
}

impl<'a> CatalogLedger<'a> {
    pub fn new(
        catalog: &'a mut Catalog,
        set: SetId,
        seq: SnapshotSeq,
        monitor: &'a Monitor,
        disc: (NewDisc, bool),
        begun: HashMap<SnapshotSeq, Moment>,
        rehashed: bool,
    ) -> Result<CatalogLedger<'a>, FlowError> {
        let next_archive = catalog.next_archive(set)?.0;
        let sizes = catalog.known_sizes(set)?;
        Ok(CatalogLedger {
            catalog,
            set,
            seq,
            monitor,
            between: None,
            moves: false,
            disc: disc.0,
            has_disc: disc.1,
            next_archive,
            sizes,
            begun,
            rehashed,
            begun_parts: HashMap::new(),
            failed: 0,
            rotten: 0,
        })
    }

    pub fn attending(self, between: Between<'a>) -> CatalogLedger<'a> {
        CatalogLedger { between: Some(between), ..self }
    }

    pub fn moving(self) -> CatalogLedger<'a> {
        CatalogLedger { moves: true, ..self }
    }

    pub fn catalog(&mut self) -> &mut Catalog {
        self.catalog
    }

    /// Archives go onto this disc from now on; `known`: the catalog has it already.
    pub fn next_disc(&mut self, disc: NewDisc, known: bool) {
        self.disc = disc;
        self.has_disc = known;
    }

    /// Makes sure that the catalog has the disc in progress.
    pub fn begin_disc(&mut self) -> Result<(), FlowError> {
        if !self.has_disc {
            self.catalog.begin_disc(self.set, &self.disc, Moment::now())?;
            self.has_disc = true;
        }
        Ok(())
    }

    /// Content that changed while every date stayed: the source itself may be rotting.
    fn check_rot(&mut self, entry: &Entry, digest: &Digest) -> Result<(), FlowError> {
        let before = match self.begun_parts.remove(&entry.path) {
            None => self.digest_before(entry)?,
            known => known,
        };
        if before.is_some_and(|before| before != *digest) {
            self.rotten += 1;
            let what = "its content changed although its times did not: possible bit rot in the \
                        source; the old content stays in the older snapshots";
            let thing = entry.path.to_string();
            self.monitor.trouble(&Trouble::new(thing, what));
        }
        Ok(())
    }

    /// Of a file that is read although its dates stayed.
    fn digest_before(&self, entry: &Entry) -> Result<Option<Digest>, FlowError> {
        if !self.rehashed {
            return Ok(None);
        }
        let row = self.catalog.known(self.set, &entry.path)?;
        Ok(row.and_then(|row| proven_digest(&row, entry, &self.begun)))
    }

    /// Compares a member with what its file was before, while the catalog still says so.
    fn check_member(&mut self, member: &PackedMember) -> Result<(), FlowError> {
        if let Some(digest) = &member.row.file_sha256 {
            self.sizes.insert(member.row.span.file_size);
            self.check_rot(&member.entry, digest)
        } else if member.row.span.part == 1 {
            let before = self.digest_before(&member.entry)?;
            self.begun_parts.extend(before.map(|digest| (member.entry.path.clone(), digest)));
            Ok(())
        } else {
            Ok(())
        }
    }

    /// The row that a file of known content gets; `None` if it stands already.
    fn row_of(&self, twin: &DuplicateFile) -> Result<Option<RowChange>, LedgerError> {
        let DuplicateFile { entry, digest, note } = twin;
        let row = self.catalog.known(self.set, &entry.path).map_err(FlowError::from)?;
        if row.is_some_and(|row| stands_already(&row, entry, digest, note)) {
            return Ok(None);
        }
        let known = self.catalog.content_by_digest(self.set, digest, entry.size);
        let known = known.map_err(FlowError::from)?;
        let content = known.ok_or("a content that was known a moment ago is gone")?.id;
        let (entry, note) = (Box::new(entry.clone()), note.clone());
        Ok(Some(RowChange::Put { entry, content: Some(content), note }))
    }

    fn record(&self, archive: &SealedArchive) -> ArchiveRecord {
        ArchiveRecord {
            number: archive.number,
            disc: self.disc.number,
            snapshot: self.seq,
            compression: archive.compression,
            encrypted: archive.encrypted,
            size: Bytes(archive.size),
            plain: Bytes(archive.decrypted),
            sha256: archive.sha256,
            content: Bytes(archive.content),
        }
    }

    fn put(
        &mut self,
        entry: Entry,
        content: Option<crate::catalog::ContentId>,
        note: Note,
    ) -> Result<(), FlowError> {
        let change = RowChange::Put { entry: Box::new(entry), content, note };
        Ok(self.catalog.put_rows(self.set, self.seq, &[change])?)
    }
}

impl Ledger for CatalogLedger<'_> {
    fn knows_size(&self, size: u64) -> bool {
        !self.moves && self.sizes.contains(&size)
    }

    fn knows(&mut self, digest: &Digest, size: u64) -> Result<bool, LedgerError> {
        if self.moves {
            return Ok(false);
        }
        let known = self.catalog.content_by_digest(self.set, digest, size);
        Ok(known.map_err(FlowError::from)?.is_some())
    }

    fn reuse(&mut self, twins: &[DuplicateFile]) -> Result<u64, LedgerError> {
        if self.moves {
            return Ok(0); // every content of these digests moved with the first
        }
        let mut changes = Vec::new();
        for twin in twins {
            self.check_rot(&twin.entry, &twin.digest)?;
            changes.extend(self.row_of(twin)?);
        }
        self.catalog.put_rows(self.set, self.seq, &changes).map_err(FlowError::from)?;
        Ok(changes.len() as u64)
    }

    fn next_archive(&mut self) -> Result<ArchiveNo, LedgerError> {
        let number = ArchiveNo(self.next_archive);
        self.next_archive = self.next_archive.checked_add(1).ok_or("no archive number is left")?;
        Ok(number)
    }

    fn sealed(&mut self, archive: SealedArchive) -> Result<(), LedgerError> {
        self.begin_disc()?;
        let record = self.record(&archive);
        archive.members.iter().try_for_each(|member| self.check_member(member))?;
        let members: Vec<StoredMember> = archive.members.into_iter().map(stored_member).collect();
        if self.moves {
            self.catalog.commit_moved(self.set, &record, &members).map_err(FlowError::from)?;
        } else {
            self.catalog.commit_archive(self.set, &record, &members).map_err(FlowError::from)?;
        }
        Ok(())
    }

    /// What was stored before stays, marked with its date; what never was is not in the snapshot.
    fn unreadable(&mut self, entry: &Entry, why: &str) -> Result<(), LedgerError> {
        self.failed += 1;
        let (thing, what) = (entry.path.to_string(), format!("cannot be read: {why}"));
        self.monitor.trouble(&Trouble::new(thing, what.clone()));
        if self.moves {
            return Ok(()); // it stays where it is
        }
        let noted = self.catalog.note_failure(self.set, self.seq, &entry.path, &what);
        noted.map_err(FlowError::from)?;
        let known = self.catalog.known(self.set, &entry.path).map_err(FlowError::from)?;
        let Some(row) = known else { return Ok(()) };
        let kept = row.content.as_ref().filter(|content| content.complete()).map(|c| c.id);
        if kept.is_none() && row.kind == Kind::File && row.size > 0 || row.kind == Kind::Hardlink {
            let remove = [RowChange::Remove(entry.path.clone())];
            return Ok(self
                .catalog
                .put_rows(self.set, self.seq, &remove)
                .map_err(FlowError::from)?);
        }
        let note = stale(&row, &self.begun);
        Ok(self.put(entry_of(row), kept, note)?)
    }

    fn snapshot_rows(
        &mut self,
        sink: &mut dyn FnMut(ListedRow) -> io::Result<()>,
    ) -> Result<(), LedgerError> {
        let each = |listed| sink(listed_row(listed)).map_err(unwritten("SNAPSHOT"));
        self.catalog.snapshot_rows(self.set, self.seq, each).map_err(LedgerError::from)
    }

    fn has_history(&mut self) -> Result<bool, LedgerError> {
        Ok(self.catalog.has_history(self.set, self.seq).map_err(FlowError::from)?)
    }

    fn history_rows(
        &mut self,
        sink: &mut dyn FnMut(ListedRow) -> io::Result<()>,
    ) -> Result<(), LedgerError> {
        let each = |listed| sink(listed_row(listed)).map_err(unwritten("HISTORY"));
        self.catalog.history_rows(self.set, self.seq, each).map_err(LedgerError::from)
    }

    fn breathe(&mut self) -> Result<(), LedgerError> {
        match self.between {
            Some(between) => Ok(between(self.catalog)?),
            None => Ok(()),
        }
    }

    fn catalog_bytes(&mut self) -> Result<u64, LedgerError> {
        Ok(self.catalog.bytes().map_err(FlowError::from)?)
    }

    fn export_catalog(&mut self, to: &Path, stop: &Stop) -> Result<(), LedgerError> {
        Ok(self.catalog.export_set(self.set, to, stop).map_err(FlowError::from)?)
    }
}

fn listed_row(listed: CatalogRow) -> ListedRow {
    ListedRow { row: listed.row, life: Some(listed.life) }
}

fn unwritten(listing: &str) -> impl Fn(io::Error) -> FlowError {
    move |source| FlowError::Staging { path: listing.into(), what: "cannot be written", source }
}

/// The row says all of this already.
fn stands_already(row: &KnownEntry, entry: &Entry, digest: &Digest, note: &Note) -> bool {
    row.kind == entry.kind
        && row.meta == entry.meta
        && row.ctime == entry.print.ctime
        && row.inode == entry.print.inode
        && row.note == *note
        && row.content.as_ref().is_some_and(|content| content.digest == Some(*digest))
}

fn stored_member(member: PackedMember) -> StoredMember {
    let row = member.row;
    let stored = match (row.kind, member.parts_id, row.sha256) {
        (Kind::File, Some(id), _) => Stored::Part {
            id: PartsId(id),
            part: row.span.part,
            file_offset: row.span.file_offset,
            length: row.size,
            frames: row.frames,
            end: row.file_sha256.map(|sha256| FileEnd { sha256 }),
        },
        (Kind::File, None, Some(sha256)) if row.size > 0 => {
            Stored::Whole { sha256, frames: row.frames }
        }
        _ => Stored::NoContent,
    };
    StoredMember { entry: member.entry, member: row.member, stored, note: row.note }
}

/// The compression that a run uses: what was asked, else what the set used last, else bzip2.
pub fn choose_compression(asked: Option<Compression>, last: Option<Compression>) -> Compression {
    asked.or(last).unwrap_or(Compression::Bzip2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Access, SetFacts};
    use crate::model::disc::Encryption;
    use crate::model::rows::{FrameSpan, IndexRow, PartSpan};
    use crate::model::{DiscNo, DiscUuid, Format, Meta, Sectors, SetName, SetUuid};
    use crate::port::recorder::Recorder;
    use uuid::Uuid;

    const BEGUN: Moment = Moment(1_000_000);

    fn entry(path: &str) -> Entry {
        let path = RelPath::new(path.as_bytes()).unwrap();
        Entry { path, kind: Kind::File, size: 20, meta: Meta::default(), print: Default::default() }
    }

    /// A whole file, or a part of 10 bytes of one; its digest is known with the last part.
    fn member(path: &str, part: u32, digest: u8) -> PackedMember {
        let ends = part != 1;
        let frames = FrameSpan { offset: 0, length: 1, tar_offset: 0 };
        let offset = u64::from(part.saturating_sub(1)) * 10;
        let parts = (part > 0 && ends).then_some(part);
        let row = IndexRow {
            snapshot: SnapshotSeq(1),
            kind: Kind::File,
            path: entry(path).path,
            member: entry(path).path,
            size: if part == 0 { 20 } else { 10 },
            sha256: Some(Digest([digest; 32])),
            archive: ArchiveNo(1),
            frames,
            span: PartSpan { part, parts, file_offset: offset, file_size: 20 },
            file_sha256: ends.then_some(Digest([digest; 32])),
            meta: Meta::default(),
            note: Note::None,
        };
        let parts_id = (part > 0).then_some(u64::from(digest));
        PackedMember { row, entry: entry(path), parts_id }
    }

    fn archive(number: u32, members: Vec<PackedMember>) -> SealedArchive {
        SealedArchive {
            number: ArchiveNo(number),
            compression: Compression::None,
            encrypted: false,
            path: String::new(),
            size: 1,
            decrypted: 1,
            sha256: Digest::EMPTY,
            content: 1,
            members,
        }
    }

    struct LedgerBench {
        _dir: tempfile::TempDir,
        catalog: Catalog,
        set: SetId,
        monitor: Recorder,
    }

    impl LedgerBench {
        fn new() -> LedgerBench {
            let dir = tempfile::tempdir().unwrap();
            let mut catalog = Catalog::open(&dir.path().join("c.sqlite"), Access::Write).unwrap();
            let facts = SetFacts {
                name: SetName::new("set").unwrap(),
                uuid: SetUuid(Uuid::new_v4()),
                source: dir.path().to_owned(),
                encryption: Encryption::None,
                certs: None,
                token: None,
                hidden: false,
                compression: Compression::None,
                parity: 0,
                parity_discs: None,
                created: BEGUN,
            };
            let set = catalog.create_set(&facts).unwrap();
            LedgerBench { _dir: dir, catalog, set, monitor: Recorder::default() }
        }

        /// Stores archives in a snapshot of their own; says what looked like rot.
        fn run(&mut self, rehashed: bool, archives: Vec<SealedArchive>) -> u64 {
            let seq = self.catalog.begin_snapshot(self.set, BEGUN).unwrap();
            let uuid = DiscUuid(Uuid::new_v4());
            let (capacity, format) = (Sectors(1000), Format::Two);
            let disc = (NewDisc { number: DiscNo(1), uuid, capacity, format }, seq.0 > 1);
            let begun = (1..=seq.0).map(|seq| (SnapshotSeq(seq), BEGUN)).collect();
            let (catalog, set, monitor) = (&mut self.catalog, self.set, &self.monitor);
            let mut ledger =
                CatalogLedger::new(catalog, set, seq, monitor, disc, begun, rehashed).unwrap();
            archives.into_iter().for_each(|archive| ledger.sealed(archive).unwrap());
            let rotten = ledger.rotten;
            self.catalog.finish_snapshot(self.set, seq, BEGUN, &Default::default()).unwrap();
            rotten
        }
    }

    #[test]
    fn content_that_changed_under_unchanged_dates_is_told_of_when_all_is_read() {
        for (first, second, rehashed, rotten) in
            [(1, 2, true, 1), (1, 1, true, 0), (1, 2, false, 0)]
        {
            let mut bench = LedgerBench::new();
            assert_eq!(bench.run(true, vec![archive(1, vec![member("a", 0, first)])]), 0);
            let again = archive(2, vec![member("a", 0, second)]);
            assert_eq!(bench.run(rehashed, vec![again]), rotten, "{first} {second} {rehashed}");
        }
    }

    #[test]
    fn so_is_that_of_a_file_in_parts_whose_row_the_first_part_replaced() {
        let mut bench = LedgerBench::new();
        let parts = |from: u32, digest| {
            (1..=2).map(move |n| archive(from + n, vec![member("a", n, digest)]))
        };
        assert_eq!(bench.run(true, parts(0, 1).collect()), 0);
        assert_eq!(bench.run(true, parts(2, 2).collect()), 1);
        assert_eq!(
            bench.run(true, vec![archive(9, vec![member("a", 1, 3), member("a", 2, 3)])]),
            1
        );
    }
}
