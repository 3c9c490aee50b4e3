//! The packer with a ledger in memory and real files: what goes where, where it is cut, and that a
//! disc is filled to its edge and never beyond.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::filler::{DiscInWork, PackConfig};
use super::queue::{Queue, WorkItem};
use super::room::Room;
use super::*;
use crate::codec::frames::{FRAME_BYTES, expander};
use crate::codec::read_member::read_member;
use crate::model::disc::{Compression, parse_archive_path};
use crate::model::entry::{Fingerprint, Meta, Mtime};
use crate::model::rows::{IndexRow, Life, ListedRow, Note, SnapshotRow};
use crate::model::{ArchiveNo, Digest, DiscNo, Entry, Kind, RelPath, Sectors, SnapshotSeq};
use crate::port::monitor::Monitor;
use crate::port::stop::Stop;
use crate::scan::content::Source;
use crate::scan::filter::{Filter, FilterOptions};
use crate::scan::walk::{ScanError, WalkedPath, walk};

/// Remembers what the catalog would.
#[derive(Default)]
pub(super) struct MemoryLedger {
    next: u32,
    known: HashMap<Digest, u64>,
    pub(super) archives: Vec<SealedArchive>,
    reused: Vec<RelPath>,
    unreadable: Vec<RelPath>,
    /// Rows of every listing, so that it has a weight.
    listed: usize,
    /// How often it could see to something else, and at which time it ends the packing.
    breaths: u32,
    last_breath: Option<u32>,
    /// Done when the size of this file is asked for: it is being read then.
    pub(super) meddle: Option<Box<dyn Fn()>>,
}

impl Ledger for MemoryLedger {
    fn knows_size(&self, size: u64) -> bool {
        if let Some(meddle) = &self.meddle {
            meddle();
        }
        self.known.values().any(|&known| known == size)
    }
    fn knows(&mut self, digest: &Digest, _: u64) -> Result<bool, LedgerError> {
        Ok(self.known.contains_key(digest))
    }
    fn reuse(&mut self, twins: &[DuplicateFile]) -> Result<u64, LedgerError> {
        self.reused.extend(twins.iter().map(|twin| twin.entry.path.clone()));
        Ok(twins.len() as u64)
    }
    fn next_archive(&mut self) -> Result<ArchiveNo, LedgerError> {
        self.next += 1;
        Ok(ArchiveNo(self.next))
    }
    fn sealed(&mut self, archive: SealedArchive) -> Result<(), LedgerError> {
        for member in &archive.members {
            if let Some(digest) = member.row.file_sha256 {
                self.known.insert(digest, member.row.span.file_size);
            }
        }
        self.archives.push(archive);
        Ok(())
    }
    fn unreadable(&mut self, entry: &Entry, _: &str) -> Result<(), LedgerError> {
        self.unreadable.push(entry.path.clone());
        Ok(())
    }
    fn snapshot_rows(
        &mut self,
        sink: &mut dyn FnMut(ListedRow) -> io::Result<()>,
    ) -> Result<(), LedgerError> {
        Ok((0..self.listed).try_for_each(|number| sink(listed(number, None)))?)
    }
    fn has_history(&mut self) -> Result<bool, LedgerError> {
        Ok(self.listed > 10)
    }
    fn history_rows(
        &mut self,
        sink: &mut dyn FnMut(ListedRow) -> io::Result<()>,
    ) -> Result<(), LedgerError> {
        let ended = Some(SnapshotSeq(1));
        Ok((0..self.listed / 2).try_for_each(|number| sink(listed(number, ended)))?)
    }
    fn breathe(&mut self) -> Result<(), LedgerError> {
        self.breaths += 1;
        match self.last_breath == Some(self.breaths) {
            true => Err("something else went wrong".into()),
            false => Ok(()),
        }
    }
    fn catalog_bytes(&mut self) -> Result<u64, LedgerError> {
        Ok(4096)
    }
    fn export_catalog(&mut self, to: &Path, _: &Stop) -> Result<(), LedgerError> {
        Ok(fs::write(to, vec![7; 4096])?)
    }
}

/// A row that weighs what a file's does.
fn listed(number: usize, until: Option<SnapshotSeq>) -> ListedRow {
    let hash: [u8; 32] = Sha256::digest(number.to_le_bytes()).into();
    let row = SnapshotRow {
        kind: Kind::File,
        path: RelPath::new(format!("row-{number}").as_bytes()).unwrap(),
        size: 1,
        sha256: Some(Digest(hash)),
        place: crate::model::rows::Where::nothing(),
        meta: Meta::default(),
        note: Note::None,
    };
    ListedRow { row, life: Some(Life { since: SnapshotSeq(1), until }) }
}

/// A source and a staging area, and how they are packed.
pub(super) struct PackBench {
    pub(super) dir: tempfile::TempDir,
    compression: Compression,
    archive_size: u64,
    megabytes: u64,
    parity: u8,
    pub(super) memory: MemoryLedger,
    pub(super) stop: Stop,
    /// Of each disc: sectors used, and whether it carries the listings.
    discs: Vec<(Sectors, bool)>,
}

impl PackBench {
    pub(super) fn new(compression: Compression, archive_size: u64, megabytes: u64) -> PackBench {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("src")).unwrap();
        fs::create_dir_all(dir.path().join("scratch")).unwrap();
        let memory = MemoryLedger { listed: 10, ..MemoryLedger::default() };
        PackBench {
            dir,
            compression,
            archive_size,
            megabytes,
            parity: 0,
            memory,
            stop: Stop::new(),
            discs: Vec::new(),
        }
    }

    pub(super) fn write(&self, name: &str, content: &[u8]) {
        let path = self.dir.path().join("src").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(super) fn queue(&self) -> Queue {
        let filter = Filter::new(&FilterOptions::default()).unwrap();
        let mut queue = Queue::new();
        let mut take = |found: WalkedPath| -> Result<(), ScanError> {
            if let WalkedPath::Entry(entry) = found {
                queue.push(&entry);
            }
            Ok(())
        };
        let source = self.dir.path().join("src");
        walk(&source, &filter, &Stop::new(), &Monitor::new(), &mut take).unwrap();
        queue
    }

    fn disc(&self, number: u32) -> DiscInWork {
        let room = Room::new(Sectors(self.megabytes * 512));
        let mut room = room.with_recovery(self.parity);
        for text in ["DISC.txt", "FORMAT.txt", "README.txt", "restore.sh"] {
            room.put(text, 20_000);
        }
        let dir = self.dir.path().join(format!("{number:04}"));
        DiscInWork::new(DiscNo(number), dir, room, number == 1)
    }

    /// Packs everything; gives the packer's counts.
    pub(super) fn pack(&mut self) -> super::filler::Packed {
        let queue = self.queue();
        self.pack_queue(queue)
    }

    fn pack_queue(&mut self, queue: Queue) -> super::filler::Packed {
        self.try_pack(queue).unwrap()
    }

    pub(super) fn try_pack(&mut self, queue: Queue) -> Result<super::filler::Packed, PackError> {
        let mut memory = std::mem::take(&mut self.memory);
        let packed = self.pack_with(queue, &mut memory);
        self.memory = memory;
        packed
    }

    fn pack_with(
        &mut self,
        mut queue: Queue,
        memory: &mut MemoryLedger,
    ) -> Result<super::filler::Packed, PackError> {
        let source = Source::open(&self.dir.path().join("src")).unwrap();
        let (monitor, stop) = (Monitor::new(), self.stop.clone());
        let config = PackConfig {
            source: &source,
            snapshot: SnapshotSeq(1),
            compression: self.compression,
            archive_size: self.archive_size,
            sealer: None,
            scratch: self.dir.path().join("scratch"),
            stop: &stop,
        };
        let mut filler = Filler::new(config, self.disc(1), false);
        loop {
            let more = filler.fill(&mut queue, memory, &monitor)? == Fill::Full;
            let disc = filler.disc();
            if disc.has_archives() {
                let scratch = self.dir.path().join("scratch");
                let sizes = super::closing::measure(disc, &scratch, memory, &stop).unwrap();
                let mut files = vec![("INDEX.tsv.bz2".to_owned(), sizes.index)];
                if disc.carries_listings {
                    files.push(("SNAPSHOT.tsv.bz2".to_owned(), sizes.snapshot));
                    files.push(("HISTORY.tsv.bz2".to_owned(), sizes.history));
                    files.retain(|(_, size)| *size > 0);
                    files.push(("catalog.sqlite.bz2".to_owned(), sizes.catalog));
                }
                let sums =
                    super::room::sums_size(disc.room.files()) + super::room::sums_size(&files);
                files.push(("SHA256SUMS".to_owned(), sums));
                self.discs.push((disc.room.image_with(&files), disc.carries_listings));
            }
            if !more {
                break;
            }
            let next = self.disc(filler.disc().number.0 + 1);
            filler.next_disc(next);
        }
        Ok(filler.packed)
    }

    fn capacity(&self) -> Sectors {
        Sectors(self.megabytes * 512).whole_clusters()
    }

    /// Every disc fits, and all but the last are full to so many permille.
    fn assert_full(&self, permille: u64) {
        for (number, (used, _)) in self.discs.iter().enumerate() {
            assert!(*used <= self.capacity(), "disc {} is too full: {used:?}", number + 1);
            let last = number + 1 == self.discs.len();
            let full = used.0 * 1000 / (self.megabytes * 512);
            assert!(last || full >= permille, "disc {}: {full} of 1000", number + 1);
        }
    }

    fn members(&self) -> impl Iterator<Item = (&SealedArchive, &PackedMember)> {
        self.memory.archives.iter().flat_map(|a| a.members.iter().map(move |m| (a, m)))
    }

    /// The bytes of a member, read the way a restore does: by the row alone.
    fn content(&self, archive: &SealedArchive, row: &IndexRow) -> Vec<u8> {
        let disc = (1..).map(|n| self.dir.path().join(format!("{n:04}")).join(&archive.path));
        let path = disc.take(99).find(|path| path.exists()).unwrap();
        let bytes = fs::read(path).unwrap();
        let (from, to) = (row.frames.offset, row.frames.offset + row.frames.length);
        let frames = &bytes[from as usize..to as usize];
        let mut tar = expander(archive.compression, frames).unwrap();
        io::copy(&mut (&mut tar).take(row.frames.tar_offset), &mut io::sink()).unwrap();
        let member = read_member(&mut tar).unwrap().unwrap();
        assert_eq!(member.name, row.member);
        let mut content = vec![0; member.size as usize];
        let mut pieces = member.pieces();
        let mut buffer = vec![0; 65536];
        while let Some((at, len)) = pieces.next(&mut tar, &mut buffer).unwrap() {
            content[at as usize..at as usize + len].copy_from_slice(&buffer[..len]);
        }
        content
    }

    /// Every file of the source can be put together from the rows, whole or from its parts.
    fn assert_all_there(&self) {
        let mut files: HashMap<RelPath, Vec<u8>> = HashMap::new();
        for (archive, member) in self.members().filter(|(_, m)| m.row.kind == Kind::File) {
            let content = self.content(archive, &member.row);
            let digest: [u8; 32] = Sha256::digest(&content).into();
            if member.row.size > 0 {
                assert_eq!(member.row.sha256, Some(Digest(digest)), "{}", member.row.path);
            }
            let file = files.entry(member.row.path.clone()).or_default();
            assert_eq!(member.row.span.file_offset, file.len() as u64, "{}", member.row.path);
            file.extend(content);
        }
        for (path, content) in files {
            let source = fs::read(self.dir.path().join("src").join(path.as_path())).unwrap();
            assert!(source == content, "{path} differs");
        }
    }
}

/// Bytes that nothing compresses, always the same for a seed.
pub(super) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

pub(super) fn text(len: usize, seed: u64) -> Vec<u8> {
    let words = noise(len / 2 + 8, seed);
    let mut bytes: Vec<u8> = words.iter().flat_map(|b| format!("{b} ").into_bytes()).collect();
    bytes.truncate(len);
    bytes
}

#[test]
fn every_member_is_found_by_its_row_however_it_is_compressed() {
    for compression in [Compression::Bzip2, Compression::Zstd, Compression::None] {
        let mut bench = PackBench::new(compression, 1 << 30, 40);
        for n in 0..60 {
            bench.write(&format!("d{}/small{n}", n % 7), &text(100 + 977 * n, n as u64));
        }
        bench.write("long", &text(2_500_000, 99));
        bench.write("noise", &noise(1_500_000, 3));
        bench.write("empty", b"");
        bench.pack();
        bench.assert_all_there();
        for (archive, member) in bench.members() {
            let long = member.row.size as usize > FRAME_BYTES - 2048;
            assert!(member.row.frames.length <= 910_000 || long, "{}", member.row.path);
            let (_, kept, _) = parse_archive_path(&archive.path).unwrap();
            if member.row.path.as_bytes() == b"noise" {
                assert_eq!(kept, Compression::None, "what does not compress is stored as it is");
            }
        }
    }
}

#[test]
fn a_long_member_shares_its_frames_with_nobody() {
    let mut bench = PackBench::new(Compression::Bzip2, 1 << 30, 40);
    bench.write("a", &text(1000, 1));
    bench.write("b", &text(2_000_000, 2));
    bench.write("c", &text(1000, 3));
    bench.pack();
    let spans: Vec<_> = bench
        .members()
        .filter(|(_, m)| m.row.kind == Kind::File)
        .map(|(_, m)| (m.row.frames.offset, m.row.frames.length, m.row.frames.tar_offset))
        .collect();
    assert_eq!(spans[0].0 + spans[0].1, spans[1].0);
    assert_eq!(spans[1].0 + spans[1].1, spans[2].0);
    assert_eq!(spans[1].2, 0);
}

#[test]
fn an_archive_is_closed_when_the_next_file_would_pass_its_size() {
    let mut bench = PackBench::new(Compression::Bzip2, 10_000, 40);
    for n in 0..10 {
        bench.write(&format!("f{n}"), &text(4_000, n));
    }
    bench.pack();
    let sizes: Vec<u64> = bench.memory.archives.iter().map(|a| a.content).collect();
    assert_eq!(sizes, vec![8_000; 5]);
}

#[test]
fn a_file_longer_than_an_archive_is_cut_and_its_parts_are_counted() {
    for compression in [Compression::Bzip2, Compression::None] {
        let mut bench = PackBench::new(compression, 1024, 40);
        let name = "n".repeat(255);
        bench.write(&name, &text(5_000, 1));
        bench.pack();
        bench.assert_all_there();
        let parts: Vec<(u32, Option<u32>, bool)> = bench
            .members()
            .filter(|(_, m)| m.row.kind == Kind::File)
            .map(|(_, m)| (m.row.span.part, m.row.span.parts, m.row.file_sha256.is_some()))
            .collect();
        let known = |part| (part == 5).then_some(5);
        assert_eq!(parts, (1..=5).map(|n| (n, known(n), n == 5)).collect::<Vec<_>>());
        assert!(bench.memory.archives.iter().all(|a| a.content <= 1024));
    }
}

#[test]
fn discs_are_filled_to_the_edge_with_large_files() {
    let mut bench = PackBench::new(Compression::Bzip2, 1 << 30, 4);
    for n in 0..3 {
        bench.write(&format!("film{n}"), &noise(4_700_001, n));
    }
    bench.pack();
    bench.assert_all_there();
    assert_eq!(bench.discs.len(), 4);
    bench.assert_full(975);
}

#[test]
fn discs_are_filled_to_the_edge_with_text_that_shrinks() {
    let mut bench = PackBench::new(Compression::Bzip2, 1 << 30, 4);
    for n in 0..9 {
        bench.write(&format!("log{n}"), &text(3_000_001, n));
    }
    bench.pack();
    bench.assert_all_there();
    assert!(bench.discs.len() > 2, "{:?}", bench.discs);
    bench.assert_full(965);
}

#[test]
fn an_exact_fit_needs_no_further_disc() {
    let mut bench = PackBench::new(Compression::None, 1 << 30, 4);
    bench.write("film", &noise(3_000_000, 1));
    bench.pack();
    let (used, _) = bench.discs[0];
    let left = (bench.capacity() - used).bytes().0 as usize;
    // What is left, but for the second file's header and its row of INDEX.
    let mut bench = PackBench::new(Compression::None, 1 << 30, 4);
    bench.write("film", &noise(3_000_000 + left - 2048, 1));
    bench.pack();
    assert_eq!(bench.discs.len(), 1);
    bench.assert_full(0);
}

#[test]
fn heavy_listings_are_on_the_first_and_the_last_disc_only() {
    let mut bench = PackBench::new(Compression::Bzip2, 1 << 30, 4);
    bench.memory.listed = 5_000;
    bench.write("film", &noise(14_000_000, 1));
    bench.pack();
    let carried: Vec<bool> = bench.discs.iter().map(|(_, carries)| *carries).collect();
    assert!(carried.len() >= 3, "{carried:?}");
    assert!(carried[0] && carried[carried.len() - 1], "{carried:?}");
    assert!(carried[1..carried.len() - 1].iter().all(|carries| !carries), "{carried:?}");
    bench.assert_full(950);
}

#[test]
fn equal_files_are_stored_once() {
    let mut bench = PackBench::new(Compression::Bzip2, 1 << 30, 40);
    for name in ["a", "b", "c/d"] {
        bench.write(name, &text(50_000, 1));
    }
    bench.write("long1", &noise(2_000_000, 5));
    bench.write("long2", &noise(2_000_000, 5));
    let packed = bench.pack();
    assert_eq!((packed.files, packed.reused), (2, 3));
    assert_eq!(bench.memory.reused.len(), 3);
}

#[test]
fn entries_without_content_make_no_archive_and_go_along_with_content() {
    let mut bench = PackBench::new(Compression::Bzip2, 1 << 30, 40);
    fs::create_dir(bench.dir.path().join("src/dir")).unwrap();
    bench.pack();
    assert!(bench.memory.archives.is_empty());
    bench.write("dir/file", b"x");
    bench.pack();
    let kinds: Vec<char> = bench.members().map(|(_, m)| m.row.kind.letter()).collect();
    assert_eq!(kinds, ['d', 'd', 'f'], "directories come before what is in them");
}

#[test]
fn a_file_that_vanished_is_named_with_all_its_links() {
    let mut bench = PackBench::new(Compression::Bzip2, 1 << 30, 40);
    bench.write("a", b"x");
    let mut found = bench.queue();
    let mut queue = Queue::new();
    while let Some(WorkItem::File { entry, .. } | WorkItem::Plain(entry)) = found.pop_front() {
        let ticket = queue.push(&entry);
        if entry.path == RelPath::new(b"a").unwrap() {
            let path = RelPath::new(b"b").unwrap();
            queue.add_link(ticket, &Entry { path, kind: Kind::Hardlink, size: 0, ..*entry });
        }
    }
    fs::remove_file(bench.dir.path().join("src/a")).unwrap();
    let packed = bench.pack_queue(queue);
    assert_eq!(packed.unreadable, 2);
    let names: Vec<&[u8]> = bench.memory.unreadable.iter().map(RelPath::as_bytes).collect();
    assert_eq!(names, [b"a", b"b"]);
}

#[test]
fn a_file_that_never_stands_still_is_stored_as_read_last_and_marked() {
    for len in [10_000, 1_500_000] {
        let mut bench = PackBench::new(Compression::Bzip2, 1 << 30, 40);
        bench.write("a", &text(len, 1));
        let path = bench.dir.path().join("src/a");
        // The packer asks for the size after it opened the file: each time, the file is touched.
        let count = std::cell::Cell::new(1);
        bench.memory.meddle = Some(Box::new(move || {
            count.set(count.get() + 1);
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(count.get());
            fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        }));
        let packed = bench.pack();
        let notes: Vec<&Note> = bench
            .members()
            .filter(|(_, m)| m.row.kind == Kind::File)
            .map(|(_, m)| &m.row.note)
            .collect();
        assert_eq!(notes, [&Note::Changed], "{len}");
        assert_eq!(packed.changed_while_read, 1, "{len}");
    }
}

#[test]
fn on_a_blu_ray_disc_less_than_half_a_percent_stays_unused() {
    // By calculation: 25 archives as they come, the last one cut where the room ends.
    for percent in [0, 5, 10, 40] {
        fill_blu_ray(percent);
    }
}

fn fill_blu_ray(percent: u8) {
    let room = Room::new(crate::model::size::NAMED_SIZES[0].1);
    let mut room = room.with_recovery(percent);
    for (path, size) in [
        ("README.txt", 4_000),
        ("restore.sh", 45_000),
        ("FORMAT.txt", 20_000),
        ("DISC.txt", 400),
        ("INDEX.tsv.bz2", 9_000_001),
        ("SNAPSHOT.tsv.bz2", 8_000_001),
        ("catalog.sqlite.bz2", 14_000_001),
        ("SHA256SUMS", 3_000),
    ] {
        room.put(path, size);
    }
    let mut number = 1;
    loop {
        let path = crate::model::disc::archive_path(ArchiveNo(number), Compression::None, false);
        let Some(left) = room.left_with(&[(path.clone(), 0)]).filter(|&left| left >= 32 << 10)
        else {
            break;
        };
        room.put(&path, left.min(1_073_741_824 + 777));
        number += 1;
    }
    let used = room.image_with(&[]);
    assert!(used <= room.capacity());
    assert!(used.0 * 1000 >= room.capacity().0 * 995, "{used:?} of {:?}", room.capacity());
}

/// Most of what a disc lacks to the edge is less than a block and its recovery.
#[test]
fn discs_with_recovery_data_are_full_and_not_too_full() {
    for (percent, compression) in
        [(1, Compression::None), (10, Compression::Bzip2), (50, Compression::None)]
    {
        let mut bench = PackBench::new(compression, 1 << 20, 12);
        bench.parity = percent;
        bench.write("film", &noise(15_000_000, 5));
        for n in 0..400 {
            bench.write(&format!("small/{n}"), &noise(n as usize * 37, n + 9));
        }
        bench.pack();
        assert!(bench.discs.len() > 1);
        bench.assert_full(970);
        bench.assert_all_there();
    }
}

/// Rows of archives that are still open count when the listings are measured near the edge.
#[test]
fn discs_of_files_with_long_random_names_are_not_too_full() {
    for (percent, compression) in [(0, Compression::Bzip2), (10, Compression::Bzip2)] {
        let mut bench = PackBench::new(compression, 3 << 20, 6);
        bench.parity = percent;
        for n in 0..8 {
            bench.write(&format!("film{n}"), &noise(1_100_000, n));
        }
        for n in 0..3_000 {
            let name: String = noise(120, n + 9).iter().map(|b| format!("{b:02x}")).collect();
            bench.write(&format!("a/{name}"), &n.to_le_bytes());
        }
        bench.pack();
        assert!(bench.discs.len() > 1);
        bench.assert_full(900);
    }
}

#[test]
fn fingerprints_of_the_walk_reach_the_ledger() {
    let mut bench = PackBench::new(Compression::Bzip2, 1 << 30, 40);
    bench.write("a", b"x");
    bench.pack();
    let (_, member) = bench.members().find(|(_, m)| m.row.kind == Kind::File).unwrap();
    assert_ne!(member.entry.print, Fingerprint::default());
    assert_ne!(member.entry.meta.mtime, Mtime::default());
}

/// Who keeps the ledger has to record what a drive tells: not a whole film later.
#[test]
fn the_ledger_breathes_within_a_long_file_and_may_end_the_packing_there() {
    let mut bench = PackBench::new(Compression::None, 64 << 20, 64);
    bench.write("film", &vec![1; 20 << 20]);
    bench.pack();
    assert!(bench.memory.breaths > 10, "{}", bench.memory.breaths);
    bench.memory = MemoryLedger { last_breath: Some(5), ..MemoryLedger::default() };
    let mut source = Source::open(&bench.dir.path().join("src")).unwrap();
    let stop = &Stop::new();
    let config = PackConfig {
        source: &mut source,
        snapshot: SnapshotSeq(1),
        compression: bench.compression,
        archive_size: bench.archive_size,
        sealer: None,
        scratch: bench.dir.path().join("scratch"),
        stop,
    };
    let mut filler = Filler::new(config, bench.disc(2), false);
    let ended = filler.fill(&mut bench.queue(), &mut bench.memory, &Monitor::new());
    assert!(matches!(ended, Err(PackError::Ledger(_))), "{ended:?}");
    assert!(bench.memory.archives.is_empty());
}

#[test]
fn listings_are_not_reckoned_to_their_end_once_somebody_asked_to_stop() {
    let mut bench = PackBench::new(Compression::Bzip2, 1 << 20, 4);
    let (disc, scratch, stop) = (bench.disc(1), bench.dir.path().join("scratch"), Stop::new());
    super::closing::bounds(&disc, &mut bench.memory, &stop).unwrap();
    super::closing::measure(&disc, &scratch, &mut bench.memory, &stop).unwrap();
    stop.ask(15);
    let bounds = super::closing::bounds(&disc, &mut bench.memory, &stop);
    assert!(matches!(bounds, Err(PackError::Stopped(_))), "{bounds:?}");
    let measured = super::closing::measure(&disc, &scratch, &mut bench.memory, &stop);
    assert!(matches!(measured, Err(PackError::Stopped(_))), "{measured:?}");
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0, "nothing in clear is left");
}
