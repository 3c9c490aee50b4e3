//! The packer's ledger, kept in the catalog: one transaction for each archive.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

use crate::catalog::{
    ArchiveRecord, Catalog, FileEnd, KnownEntry, NewDisc, PartsId, RowChange, SetId, Stored,
    StoredMember,
};
use crate::model::disc::Compression;
use crate::model::rows::{Note, SnapshotRow};
use crate::model::{ArchiveNo, Bytes, Digest, Entry, Kind, RelPath, SnapshotSeq};
use crate::pack::{Ledger, LedgerError, PackedMember, SealedArchive, Twin};
use crate::port::clock::Moment;
use crate::port::monitor::{Monitor, Trouble};

use super::FlowError;
use super::compare::{entry_of, stale};

pub struct CatalogLedger<'a> {
    catalog: &'a mut Catalog,
    set: SetId,
    seq: SnapshotSeq,
    monitor: &'a dyn Monitor,
    /// The disc that archives go onto; the catalog hears of it with the first.
    disc: NewDisc,
    has_disc: bool,
    next_archive: u32,
    sizes: HashSet<u64>,
    begun: HashMap<SnapshotSeq, Moment>,
    /// Digests that files had whose times say that they did not change.
    rehashed: HashMap<RelPath, Digest>,
    pub failed: u64,
    pub rotten: u64,
}

impl<'a> CatalogLedger<'a> {
    pub fn new(
        catalog: &'a mut Catalog,
        set: SetId,
        seq: SnapshotSeq,
        monitor: &'a dyn Monitor,
        disc: (NewDisc, bool),
        begun: HashMap<SnapshotSeq, Moment>,
        rehashed: HashMap<RelPath, Digest>,
    ) -> Result<CatalogLedger<'a>, FlowError> {
        let next_archive = catalog.next_archive(set)?.0;
        let sizes = catalog.known_sizes(set)?;
        Ok(CatalogLedger {
            catalog,
            set,
            seq,
            monitor,
            disc: disc.0,
            has_disc: disc.1,
            next_archive,
            sizes,
            begun,
            rehashed,
            failed: 0,
            rotten: 0,
        })
    }

    pub fn catalog(&mut self) -> &mut Catalog {
        self.catalog
    }

    /// Archives go onto this disc from now on; `known`: the catalog has it already.
    pub fn next_disc(&mut self, disc: NewDisc, known: bool) {
        self.disc = disc;
        self.has_disc = known;
    }

    /// Makes sure that the catalog has the disc in work.
    pub fn begin_disc(&mut self) -> Result<(), FlowError> {
        if !self.has_disc {
            self.catalog.begin_disc(self.set, &self.disc)?;
            self.has_disc = true;
        }
        Ok(())
    }

    /// Content that changed while every date stayed: the source itself may be rotting.
    fn check_rot(&mut self, path: &RelPath, digest: &Digest) {
        if self.rehashed.remove(path).is_some_and(|before| before != *digest) {
            self.rotten += 1;
            let what = "its content changed though its dates did not: possible bit rot in the \
                        source; the former content stays in the former snapshots";
            self.monitor.trouble(&Trouble { thing: path.to_string(), what: what.to_owned() });
        }
    }

    /// The row that a file of known content gets; `None` if it stands already.
    fn row_of(&self, twin: &Twin) -> Result<Option<RowChange>, LedgerError> {
        let Twin { entry, digest, note } = twin;
        let row = self.catalog.known(self.set, &entry.path).map_err(FlowError::from)?;
        if row.is_some_and(|row| stands_already(&row, entry, digest, note)) {
            return Ok(None);
        }
        let known = self.catalog.content_by_digest(self.set, digest, entry.size);
        let known = known.map_err(FlowError::from)?;
        let content = known.ok_or("a content that was just known is gone")?.id;
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
        self.sizes.contains(&size)
    }

    fn knows(&mut self, digest: &Digest, size: u64) -> Result<bool, LedgerError> {
        let known = self.catalog.content_by_digest(self.set, digest, size);
        Ok(known.map_err(FlowError::from)?.is_some())
    }

    fn reuse(&mut self, twins: &[Twin]) -> Result<u64, LedgerError> {
        let mut changes = Vec::new();
        for twin in twins {
            self.check_rot(&twin.entry.path, &twin.digest);
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
        for member in &archive.members {
            if let Some(digest) = &member.row.file_sha256 {
                self.sizes.insert(member.row.span.file_size);
                self.check_rot(&member.row.path, digest);
            }
        }
        let members: Vec<StoredMember> = archive.members.into_iter().map(stored_member).collect();
        self.catalog.commit_archive(self.set, &record, &members).map_err(FlowError::from)?;
        Ok(())
    }

    /// What was stored before stays, marked with its date; what never was is not in the snapshot.
    fn unreadable(&mut self, entry: &Entry, why: &str) -> Result<(), LedgerError> {
        self.failed += 1;
        let trouble =
            Trouble { thing: entry.path.to_string(), what: format!("cannot be read: {why}") };
        self.monitor.trouble(&trouble);
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
        sink: &mut dyn FnMut(&SnapshotRow) -> io::Result<()>,
    ) -> Result<(), LedgerError> {
        let staging = |source| FlowError::Staging {
            path: "SNAPSHOT".into(),
            what: "cannot be written",
            source,
        };
        self.catalog
            .snapshot_rows(self.set, self.seq, |listed| sink(&listed.row).map_err(staging))
            .map_err(LedgerError::from)
    }

    fn export_catalog(&mut self, to: &Path) -> Result<(), LedgerError> {
        Ok(self.catalog.export_set(self.set, to).map_err(FlowError::from)?)
    }
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
