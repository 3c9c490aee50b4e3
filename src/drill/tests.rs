//! What is chosen and compared, and the quick sample over a disc of a few hand-made files.

use super::*;
use crate::codec::bzip2_frames::Bzip2Frames;
use crate::codec::openpgp::{Locks, Sealer};
use crate::format::heading::Heading;
use crate::format::index_line;
use crate::model::rows::{FrameSpan, IndexRow, Note, PartSpan};
use crate::model::{
    Digest, DiscIdentity, DiscNo, DiscUuid, Format, Kind, Meta, RelPath, SetName, SetUuid,
    SnapshotSeq,
};
use crate::port::clock::Moment;
use sha2::{Digest as _, Sha256};
use std::io::Write;
use uuid::Uuid;

fn row(archive: u32, path: &str, frames: (u64, u64, u64), content: &[u8]) -> IndexRow {
    let (offset, length, tar_offset) = frames;
    let sha256 = Some(Digest(Sha256::digest(content).into()));
    let size = content.len() as u64;
    IndexRow {
        snapshot: SnapshotSeq(1),
        kind: Kind::File,
        path: RelPath::new(path.as_bytes()).unwrap(),
        member: RelPath::new(path.as_bytes()).unwrap(),
        size,
        sha256,
        archive: ArchiveNo(archive),
        frames: FrameSpan { offset, length, tar_offset },
        span: PartSpan { part: 0, parts: None, file_offset: 0, file_size: size },
        file_sha256: sha256,
        meta: Meta::default(),
        note: Note::None,
    }
}

/// An archive of one file a frame, as stock tar makes it, and its rows.
fn archive(number: u32, files: &[(&str, Vec<u8>)]) -> (Vec<u8>, Vec<IndexRow>) {
    let dir = tempfile::tempdir().unwrap();
    let (mut bytes, mut rows) = (Vec::new(), Vec::new());
    for (name, content) in files {
        std::fs::write(dir.path().join(name), content).unwrap();
        let mut tar = std::process::Command::new("tar");
        let tar = tar.args(["-cf", "-", "-b1", name]).current_dir(dir.path()).output().unwrap();
        let tar = tar.stdout;
        // Without the two blocks at the end.
        let frames: Vec<u8> = tar[..tar.len() - 1024]
            .chunks(FRAME_BYTES)
            .flat_map(|piece| Bzip2Frames::default().compress(piece))
            .collect();
        rows.push(row(number, name, (bytes.len() as u64, frames.len() as u64, 0), content));
        bytes.extend(frames);
    }
    (bytes, rows)
}

fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

fn index_text(rows: &[IndexRow]) -> Vec<u8> {
    let heading = Heading {
        format: Format::Two,
        id: DiscIdentity {
            set: SetName::new("x").unwrap(),
            set_uuid: SetUuid(Uuid::from_u128(1)),
            number: DiscNo(1),
            uuid: DISC,
        },
        snapshot: SnapshotSeq(1),
        snapshots: Vec::new(),
        before: Vec::new(),
        sources: Vec::new(),
        run: Vec::new(),
    };
    let mut text = heading.index();
    rows.iter().for_each(|row| index_line(row, Format::Two, &mut text));
    text
}

struct DrillBench {
    dir: tempfile::TempDir,
    known: Vec<KnownFile>,
    secret: Secret,
}

const DISC: DiscUuid = DiscUuid(Uuid::from_u128(7));

impl DrillBench {
    /// One encrypted archive: two small files and, between them, one too long to be unpacked.
    fn new(sealer: &Sealer) -> DrillBench {
        let files =
            [("a", b"first\n".to_vec()), ("long", noise(5 << 20)), ("z", b"last\n".to_vec())];
        let (bytes, rows) = archive(1, &files);
        let mut bench = DrillBench {
            dir: tempfile::tempdir().unwrap(),
            known: Vec::new(),
            secret: Secret::new(b"x".to_vec()),
        };
        std::fs::create_dir(bench.dir.path().join("archives")).unwrap();
        bench.hold(sealer, &bytes, &rows);
        bench
    }

    /// One archive is all that is on it, with INDEX.
    fn hold(&mut self, sealer: &Sealer, archive: &[u8], rows: &[IndexRow]) {
        self.known.clear();
        self.put(sealer, "INDEX.tsv.bz2.gpg", &Bzip2Frames::default().compress(&index_text(rows)));
        self.put(sealer, ARCHIVE, archive);
    }

    fn put(&mut self, sealer: &Sealer, path: &str, content: &[u8]) {
        let mut writer = sealer.seal(content.len() as u64, Vec::new()).unwrap();
        writer.write_all(content).unwrap();
        let sealed = writer.finish().unwrap();
        std::fs::write(self.dir.path().join(path), &sealed).unwrap();
        let (path, size) = (path.to_owned(), sealed.len() as u64);
        self.known.push(KnownFile { path, size, sha256: Digest(Sha256::digest(&sealed).into()) });
    }

    fn flip(&self, path: &str, at: usize) {
        let path = self.dir.path().join(path);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[at] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }

    fn sample(&self, key: &SampleKey, depth: Depth) -> Drilled {
        sample(&Sampling {
            disc: DISC,
            known: &self.known,
            files: &InPlace(self.dir.path()),
            key,
            depth,
            knows: &|row| row.path.as_bytes() != b"unknown",
            stop: &Stop::new(),
        })
        .unwrap()
    }

    fn faults(&self, depth: Depth) -> Vec<String> {
        let seen = self.sample(&SampleKey::Passphrase(&self.secret), depth);
        seen.faults.into_iter().map(|fault| format!("{} {}", fault.path, fault.what)).collect()
    }
}

fn sealer() -> Sealer {
    Sealer::new(Locks::passphrase(&Secret::new(b"x".to_vec())).unwrap()).unwrap()
}

/// For the holder of a key that is thrown away.
fn recipients_sealer() -> Sealer {
    let key = include_bytes!("../../fuzz/throwaway.key").to_vec();
    Sealer::new(Locks::recipients(&[key], false, Moment(1_800_000_000)).unwrap()).unwrap()
}

const ARCHIVE: &str = "archives/00000001.tar.bz2.gpg";

#[test]
fn a_sound_disc_is_sound_quickly_and_thoroughly() {
    let bench = DrillBench::new(&sealer());
    let key = SampleKey::Passphrase(&bench.secret);
    let quick = bench.sample(&key, Depth::Quick);
    assert_eq!((&quick.faults[..], &quick.skipped[..]), (&[][..], &[][..]));
    // The long one is never chosen where time counts: its content could not be compared.
    assert_eq!((quick.files, quick.bytes), (2, 11));
    let thorough = bench.sample(&key, Depth::Thorough);
    assert_eq!(thorough.faults, []);
    assert!([2, 3].contains(&thorough.files));
}

#[test]
fn session_keys_do_as_well_and_where_they_are_lost_it_is_said() {
    let sealer = recipients_sealer().keeping_keys();
    let bench = DrillBench::new(&sealer);
    let kept = |file: &File| sealer.file_key(file).map_err(OpenError::Read);
    let quick = bench.sample(&SampleKey::Files(&kept), Depth::Quick);
    assert_eq!((quick.files, quick.faults, quick.skipped), (2, vec![], vec![]));
    let lost = bench.sample(&SampleKey::Files(&|_| Ok(None)), Depth::Quick);
    assert_eq!((lost.files, lost.faults), (0, vec![]));
    let path = "INDEX.tsv.bz2.gpg".to_owned();
    assert_eq!(lost.skipped, [Untested::SessionKey { path }]);
}

#[test]
fn damage_in_a_frame_at_the_front_and_in_the_checksum_is_seen() {
    for depth in [Depth::Quick, Depth::Thorough] {
        let bench = DrillBench::new(&sealer());
        let length = std::fs::metadata(bench.dir.path().join(ARCHIVE)).unwrap().len() as usize;
        // The last frame is in front of the checksum's 22 bytes.
        bench.flip(ARCHIVE, length - 50);
        assert!(bench.faults(depth)[0].starts_with(ARCHIVE), "{depth:?}");
        bench.flip(ARCHIVE, length - 50);
        assert_eq!(bench.faults(depth), [""; 0]);
        // What only gpg looks at, and only at the message's end.
        bench.flip(ARCHIVE, length - 3);
        assert_eq!(bench.faults(depth).is_empty(), depth == Depth::Quick);
        bench.flip(ARCHIVE, length - 3);
        // The session key's own packet.
        bench.flip(ARCHIVE, 40);
        assert!(!bench.faults(depth).is_empty(), "{depth:?}");
        bench.flip(ARCHIVE, 40);
        bench.flip("INDEX.tsv.bz2.gpg", 200);
        assert!(bench.faults(depth)[0].contains("content differs from the catalog"));
    }
}

#[test]
fn what_the_index_says_is_compared_with_the_catalog() {
    let mut bench = DrillBench::new(&sealer());
    let (bytes, mut rows) = archive(1, &[("unknown", b"1".to_vec()), ("wrong", b"2".to_vec())]);
    rows[1].sha256 = Some(Digest([0; 32]));
    bench.hold(&sealer(), &bytes, &rows);
    let faults = bench.faults(Depth::Quick);
    assert!(faults[0].contains("unknown: the catalog has no content"), "{faults:?}");
    assert!(faults[1].contains("wrong: content differs"), "{faults:?}");
    bench.known.pop();
    assert!(bench.faults(Depth::Quick)[0].contains("which is not on the disc"));
}

#[test]
fn a_long_member_is_tried_by_its_first_frame_and_its_name() {
    let mut bench = DrillBench::new(&sealer());
    let (bytes, rows) = archive(1, &[("long", noise(5 << 20))]);
    bench.hold(&sealer(), &bytes, &rows);
    let key = SampleKey::Passphrase(&bench.secret);
    let seen = bench.sample(&key, Depth::Quick);
    assert_eq!((seen.files, seen.bytes, seen.faults), (1, 0, vec![]));
    bench.flip(ARCHIVE, 300_000);
    assert!(bench.faults(Depth::Quick)[0].contains("does not expand"));
}

#[test]
fn the_first_the_last_and_one_between_are_chosen() {
    let rows: Vec<IndexRow> = (1..=3)
        .flat_map(|archive| (0..20).map(move |n| row(archive, "f", (n / 2 * 100, 100, 0), b"x")))
        .collect();
    let text = index_text(&rows);
    let offsets = |units: &[Unit]| units.iter().map(|unit| unit.offset).collect::<Vec<_>>();
    let choose = |text: &[u8], cut: bool, random: &mut dyn FnMut(u64) -> u64| {
        let mut random = |below| Ok(random(below));
        let mut choice = ArchiveSampler::new(&mut random);
        text.chunks(77).for_each(|piece| choice.take(piece));
        assert_eq!((choice.disc().unwrap(), choice.bad), (Some(DISC), 0));
        choice.finish(Depth::Quick, cut).unwrap()
    };
    let shape = |chosen: &[(ArchiveNo, Vec<Unit>)]| -> Vec<(u32, Vec<u64>)> {
        chosen.iter().map(|(archive, units)| (archive.0, offsets(units))).collect()
    };
    // The third takes the place of the first; the first unit is the one between.
    let chosen = choose(&text, false, &mut |_| 0);
    assert_eq!(shape(&chosen), [(3, vec![0, 900]), (2, vec![0, 900])]);
    assert!(chosen[0].1.iter().all(|unit| unit.rows.len() == 2));
    let chosen = choose(&text, false, &mut |below| below / 2);
    assert_eq!(shape(&chosen), [(1, vec![0, 500, 900]), (3, vec![0, 500, 900])]);
    // Where the text was cut in a line, the unit before may lack members.
    let cut = &text[..text.len() - 10];
    assert_eq!(
        shape(&choose(cut, true, &mut |_| 1)),
        [(1, vec![0, 100, 900]), (3, vec![0, 100, 800])]
    );
    assert_eq!(choose(&index_text(&[]), false, &mut |_| 0), []);
}

#[test]
fn contents_that_come_in_pieces_are_told_apart_and_each_lack_is_named() {
    let rows = [row(1, "a", (0, 9, 0), b"one"), row(1, "b", (0, 9, 0), b"two")];
    let compare = |pieces: &[&[u8]]| {
        let mut comparison = Comparison::new(&rows);
        pieces.iter().for_each(|piece| comparison.take(piece));
        comparison.finish()
    };
    let good = compare(&[b"o", b"netw", b"o"]);
    assert_eq!((good.files, good.bytes, good.wrong.len()), (2, 6, 0));
    assert_eq!(compare(&[b"onetwO"]).wrong, ["b: content differs (SHA-256 mismatch)"]);
    assert_eq!(
        compare(&[b"on"]).wrong,
        ["a: only 2 of 3 bytes were unpacked, and nothing of the 1 \
                                          file after it"]
    );
    assert_eq!(
        compare(&[b"onetwo", b"!"]).wrong,
        ["more content was unpacked than the INDEX lists"]
    );
}
