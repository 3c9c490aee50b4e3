//! Catalogs, entries and archives for the tests of this module.

use super::*;
use crate::model::disc::{Compression, Encryption};
use crate::model::entry::Fingerprint;
use crate::model::rows::{FrameSpan, Note, SnapshotRow};
use crate::model::{
    ArchiveNo, Bytes, Digest, DiscNo, DiscUuid, Entry, Format, Kind, ListingFlags, Meta, Mtime,
    RelPath, Sectors, SetName, SetUuid, SnapshotSeq,
};
use crate::port::clock::Moment;
use std::path::PathBuf;
use tempfile::TempDir;
use uuid::Uuid;

pub(super) const NOW: Moment = Moment(1_795_388_733);

/// A catalog with one set and one open disc.
pub(super) struct CatalogBench {
    pub dir: TempDir,
    pub catalog: Option<Catalog>,
    pub set: SetId,
    pub seq: SnapshotSeq,
    pub disc: DiscNo,
}

impl CatalogBench {
    pub(super) fn new() -> CatalogBench {
        let dir = tempfile::tempdir().unwrap();
        let mut catalog =
            Catalog::open(&dir.path().join("c/catalog.sqlite"), Access::Write).unwrap();
        let set = catalog.create_set(&facts("photos", "/home/a/photos")).unwrap();
        let seq = catalog.begin_snapshot(set, NOW).unwrap();
        let disc = DiscNo(1);
        catalog.begin_disc(set, &new_disc(1), NOW).unwrap();
        CatalogBench { dir, catalog: Some(catalog), set, seq, disc }
    }

    /// Two discs and two runs: a directory, contents of both, a file in parts and a copy, with names
    /// that need care in text.
    pub(super) fn full() -> CatalogBench {
        let mut bench = CatalogBench::new();
        bench.store(&[bare("d", Kind::Dir), whole("d/e/f", 9, 1), slice("film", 9, 1, Some(3))]);
        bench.next_disc();
        let set = bench.set;
        bench.cat().record_copy(set, DiscNo(1), &bd_r(), "shelf \n\u{1b}[31m", NOW).unwrap();
        bench.next_run();
        bench.store(&[whole("d/e/f", 10, 2), whole("new\t", 4, 3)]);
        bench
    }

    pub(super) fn file(&self) -> PathBuf {
        self.dir.path().join("c/catalog.sqlite")
    }

    pub(super) fn cat(&mut self) -> &mut Catalog {
        self.catalog.as_mut().unwrap()
    }

    pub(super) fn store(&mut self, members: &[StoredMember]) -> Vec<Option<ContentId>> {
        let (set, seq, disc) = (self.set, self.seq, self.disc);
        let number = self.cat().next_archive(set).unwrap();
        let archive = archive(number, disc, seq);
        self.cat().commit_archive(set, &archive, members).unwrap()
    }

    pub(super) fn put(&mut self, changes: &[RowChange]) {
        let (set, seq) = (self.set, self.seq);
        self.cat().put_rows(set, seq, changes).unwrap();
    }

    pub(super) fn next_run(&mut self) {
        let (set, seq) = (self.set, self.seq);
        self.cat().finish_snapshot(set, seq, NOW, &Counts::default()).unwrap();
        self.seq = self.cat().begin_snapshot(set, NOW).unwrap();
    }

    pub(super) fn next_disc(&mut self) {
        let (set, disc, seq) = (self.set, self.disc, self.seq);
        self.cat().close_disc(set, disc, &closed(seq)).unwrap();
        self.disc = self.cat().next_disc(set).unwrap();
        let number = self.disc.0;
        self.cat().begin_disc(set, &new_disc(number), NOW).unwrap();
    }

    pub(super) fn rows(&self, seq: u32) -> Vec<SnapshotRow> {
        rows(self.catalog.as_ref().unwrap(), self.set, SnapshotSeq(seq))
    }

    pub(super) fn row(&self, seq: u32, path: &str) -> SnapshotRow {
        self.rows(seq).into_iter().find(|row| row.path == p(path)).unwrap()
    }

    pub(super) fn known(&self, path: &str) -> KnownEntry {
        self.catalog.as_ref().unwrap().known(self.set, &p(path)).unwrap().unwrap()
    }
}

pub(super) fn rows(catalog: &Catalog, set: SetId, seq: SnapshotSeq) -> Vec<SnapshotRow> {
    let mut rows = Vec::new();
    catalog
        .snapshot_rows(set, seq, |listed| {
            rows.push(listed.row);
            Ok::<(), CatalogError>(())
        })
        .unwrap();
    rows
}

pub(super) fn p(path: &str) -> RelPath {
    RelPath::new(path.as_bytes()).unwrap()
}

pub(super) fn facts(name: &str, source: &str) -> SetFacts {
    SetFacts {
        name: SetName::new(name).unwrap(),
        uuid: SetUuid(Uuid::from_u128(7)),
        source: source.into(),
        encryption: Encryption::None,
        certs: None,
        token: Some(vec![1, 2, 3]),
        hidden: false,
        compression: Compression::Bzip2,
        parity: 0,
        parity_discs: None,
        created: NOW,
    }
}

pub(super) fn new_disc(number: u32) -> NewDisc {
    let uuid = DiscUuid(Uuid::from_u128(u128::from(number)));
    NewDisc { number: DiscNo(number), uuid, capacity: Sectors(1 << 20), format: Format::Two }
}

pub(super) fn archive(number: ArchiveNo, disc: DiscNo, snapshot: SnapshotSeq) -> ArchiveRecord {
    ArchiveRecord {
        number,
        disc,
        snapshot,
        compression: Compression::Bzip2,
        encrypted: true,
        size: Bytes(1000),
        plain: Bytes(900),
        sha256: sha(number.0.into()),
        content: Bytes(800),
    }
}

pub(super) fn closed(snapshot: SnapshotSeq) -> ClosedDiscRecord {
    ClosedDiscRecord {
        image: Sectors(999),
        closed: NOW,
        snapshot,
        listings: ListingFlags { index: true, snapshot: true, ..ListingFlags::default() },
        listing: Some(snapshot),
        files: ["README.txt", "archives/00000001.tar"].map(disc_file).to_vec(),
    }
}

fn disc_file(path: &str) -> DiscFileRecord {
    DiscFileRecord { path: path.to_owned(), size: Bytes(5), sha256: sha(path.len() as u64) }
}

pub(super) fn sha(seed: u64) -> Digest {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    bytes[24..].copy_from_slice(&(seed ^ 0xabcd).to_be_bytes());
    Digest(bytes)
}

pub(super) fn entry(path: &RelPath, kind: Kind, size: u64) -> Entry {
    let mtime = Mtime { sec: 1_700_000_000, nsec: 42 };
    let meta = Meta {
        mode: 0o644,
        uid: 1000,
        gid: 100,
        user: b"ann".to_vec(),
        group: b"users".to_vec(),
        mtime,
        ..Meta::default()
    };
    let print = Fingerprint { inode: u64::MAX - size, ctime: mtime, ..Fingerprint::default() };
    Entry { path: path.clone(), kind, size, meta, print }
}

pub(super) fn frames(offset: u64) -> FrameSpan {
    FrameSpan { offset, length: 900, tar_offset: 512 }
}

pub(super) fn whole(path: &str, size: u64, seed: u64) -> StoredMember {
    whole_at(&p(path), size, seed)
}

pub(super) fn whole_at(path: &RelPath, size: u64, seed: u64) -> StoredMember {
    let stored = Stored::Whole { sha256: sha(seed), frames: frames(seed) };
    let entry = entry(path, Kind::File, size);
    StoredMember { entry, member: path.clone(), stored, note: Note::None }
}

pub(super) fn bare(path: &str, kind: Kind) -> StoredMember {
    let entry = entry(&p(path), kind, 0);
    StoredMember { entry, member: p(path), stored: Stored::NoContent, note: Note::None }
}

pub(super) fn slice(path: &str, size: u64, part: u32, end: Option<u64>) -> StoredMember {
    let stored = Stored::Part {
        id: PartsId(0xfeed_0000_0000_0001),
        part,
        file_offset: u64::from(part - 1) * 100,
        length: 100,
        frames: frames(0),
        end: end.map(|seed| FileEnd { sha256: sha(seed) }),
    };
    let member = p(&format!(".coldcut-parts/feed000000000001/{part:04}"));
    StoredMember { entry: entry(&p(path), Kind::File, size), member, stored, note: Note::None }
}

pub(super) fn put(path: &str, kind: Kind, size: u64, content: Option<ContentId>) -> RowChange {
    RowChange::Put { entry: Box::new(entry(&p(path), kind, size)), content, note: Note::None }
}

/// A medium of which nothing is known but its kind.
pub fn bd_r() -> crate::model::Carrier {
    let kind = Some("BD-R".to_owned());
    crate::model::Carrier::Disc(crate::model::BurnedMedium { kind, ..Default::default() })
}
