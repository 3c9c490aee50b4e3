//! The decoder beside the crate `bzip2`: the same verdicts and the same bytes. Separate from
//! `decode.rs` for their length.

use super::{BLOCK_MAGIC, Decoder, END_MAGIC, STREAM_MAGIC};
use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// More than any stream here holds.
const LIMIT: usize = 4_000_000;

fn compressed(raw: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(level));
    encoder.write_all(raw).unwrap();
    encoder.finish().unwrap()
}

/// What the crate makes of the stream at the beginning of `stream`, and how long it is.
pub(super) fn by_crate(stream: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut out, mut decoder) = (Vec::new(), bzip2::bufread::BzDecoder::new(stream));
    decoder.by_ref().take(LIMIT as u64).read_to_end(&mut out).ok()?;
    let taken = decoder.total_in() as usize;
    (out.len() < LIMIT).then_some((out, taken))
}

pub(super) fn decoded(stream: &[u8], decoder: &mut Decoder) -> Option<(Vec<u8>, usize)> {
    let mut out = b"before".to_vec();
    let taken = decoder.decode(stream, &mut out, LIMIT - 1);
    assert_eq!(&out[..6], b"before");
    assert!(taken.is_ok() || out.len() == 6, "a refused stream leaves nothing");
    Some((out.split_off(6), taken.ok()?))
}

/// All streams of a row.
fn decoded_row(mut row: &[u8]) -> Option<Vec<u8>> {
    let (mut all, mut decoder) = (Vec::new(), Decoder::new());
    while !row.is_empty() {
        let (raw, taken) = decoded(row, &mut decoder)?;
        all.extend(raw);
        row = &row[taken..];
    }
    Some(all)
}

fn by_program(program: &str, arguments: &[&str], raw: &[u8]) -> Vec<u8> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(raw).unwrap());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{program} {arguments:?}");
        output.stdout
    })
}

/// Numbers without a pattern (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Bytes of one of several kinds.
    fn bytes(&mut self, len: usize) -> Vec<u8> {
        match self.below(6) {
            0 => (0..len).map(|_| self.next() as u8).collect(),
            1 => (0..len).map(|_| b"ab"[self.below(2)]).collect(),
            2 => self.runs(len),
            3 => self.words(len),
            4 => self.words(1 + len / 7).repeat(7)[..len].to_vec(),
            _ => vec![self.next() as u8; len],
        }
    }

    fn runs(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            let run = [1, 3, 4, 5, 8, 254, 255, 256, 259, 300][self.below(10)];
            bytes.resize((bytes.len() + run).min(len), self.below(40) as u8);
        }
        bytes
    }

    fn words(&mut self, len: usize) -> Vec<u8> {
        let words = b"let the disc be read by what is at hand and nothing more than that ";
        let mut bytes = Vec::new();
        while bytes.len() < len {
            let from = self.below(words.len());
            bytes.extend(&words[from..(from + 1 + self.below(12)).min(words.len())]);
        }
        bytes.truncate(len);
        bytes
    }
}

fn blocks_of_all_kinds() -> Vec<Vec<u8>> {
    let mut random = Random(1);
    let mut all = vec![vec![0; 2_000_000], b"ab".repeat(60_000), (0..=255).collect()];
    for len in [1, 2, 3, 4, 5, 50, 1000, 4095, 4096, 4097, 20_000] {
        (0..4).for_each(|_| all.push(random.bytes(len)));
    }
    all.extend([99_981, 100_000, 250_000].map(|len| random.bytes(len)));
    all
}

#[test]
fn streams_of_the_crate_come_back_at_all_levels() {
    let mut decoder = Decoder::new();
    for raw in blocks_of_all_kinds() {
        let levels = if raw.len() < 10_000 { 1..=9 } else { 1..=2 };
        for level in levels {
            let stream = compressed(&raw, level);
            let whole = Some((raw.clone(), stream.len()));
            assert!(decoded(&stream, &mut decoder) == whole, "{} bytes, level {level}", raw.len());
        }
    }
}

#[test]
fn streams_of_bzip2_lbzip2_and_pbzip2_come_back() {
    let mut random = Random(2);
    let raw = [random.words(150_000), random.runs(600_000), random.bytes(50_000)].concat();
    for (program, arguments) in [
        ("bzip2", ["-1", "-z"]),
        ("bzip2", ["-9", "-z"]),
        ("lbzip2", ["-1", "-n2"]),
        ("lbzip2", ["-9", "-n1"]),
        ("pbzip2", ["-1", "-p2"]),
        ("pbzip2", ["-9", "-b5"]),
    ] {
        let row = by_program(program, &arguments, &raw);
        assert!(decoded_row(&row).as_ref() == Some(&raw), "{program} {arguments:?}");
    }
}

#[test]
fn a_row_of_streams_is_read_one_after_the_other() {
    let mut random = Random(3);
    let parts: Vec<Vec<u8>> = [5, 0, 3000, 1, 0, 120_000].map(|len| random.bytes(len)).into();
    let row: Vec<u8> = parts.iter().flat_map(|part| compressed(part, 1)).collect();
    assert!(decoded_row(&row) == Some(parts.concat()));
}

#[test]
fn an_empty_stream_is_14_bytes_long_and_holds_nothing() {
    let stream = compressed(b"", 9);
    let mut decoder = Decoder::new();
    assert_eq!(decoded(&stream, &mut decoder), Some((vec![], 14)));
    assert_eq!(by_crate(&stream), Some((vec![], 14)));
    assert_eq!(decoded(b"", &mut decoder), None);
    assert_eq!(by_crate(b""), None);
}

#[test]
fn what_follows_a_stream_is_left_alone() {
    let stream = compressed(b"a stream", 9);
    for garbage in [&b"\0"[..], b"B", b"BZh9", &[255; 100]] {
        let longer = [&stream[..], garbage].concat();
        assert_eq!(
            decoded(&longer, &mut Decoder::new()),
            Some((b"a stream".to_vec(), stream.len()))
        );
        assert_eq!(by_crate(&longer), Some((b"a stream".to_vec(), stream.len())));
    }
}

#[test]
fn a_stream_that_ends_early_is_refused_wherever_it_ends() {
    let mut decoder = Decoder::new();
    for raw in [&b""[..], b"x", &Random(4).words(3000)] {
        let stream = compressed(raw, 9);
        for end in 0..stream.len() {
            assert_eq!(decoded(&stream[..end], &mut decoder), None, "{end} of {}", stream.len());
        }
    }
}

#[test]
fn a_stream_that_holds_more_than_is_permitted_is_refused() {
    let mut decoder = Decoder::new();
    for raw in [vec![7; 1_000_000], Random(5).words(150_000), Random(6).runs(150_000)] {
        let stream = compressed(&raw, 1);
        let mut out = vec![1, 2, 3];
        assert!(decoder.decode(&stream, &mut out, raw.len() - 1).is_err());
        assert_eq!(out, [1, 2, 3]);
        assert_eq!(decoder.decode(&stream, &mut out, raw.len()), Ok(stream.len()));
        assert!(out[3..] == raw);
    }
}

#[test]
fn a_large_permission_allocates_nothing() {
    let mut out = Vec::new();
    assert_eq!(Decoder::new().decode(&compressed(b"x", 9), &mut out, usize::MAX), Ok(37));
    assert!(out.capacity() < 100, "{}", out.capacity());
}

#[test]
fn a_randomised_block_is_left_to_the_crate() {
    let mut stream = compressed(b"too short for the bit to change anything", 9);
    stream[14] |= 0x80;
    assert!(has_randomised_block(&stream));
    assert!(by_crate(&stream).is_some());
    assert_eq!(decoded(&stream, &mut Decoder::new()), None);
}

/// Whether there is a block, at whichever bit, that says that it is randomised.
fn has_randomised_block(stream: &[u8]) -> bool {
    let bit = |at: usize| u128::from(stream[at / 8] >> (7 - at % 8) & 1);
    let mut bits: u128 = 0;
    (0..8 * stream.len()).any(|at| {
        bits = bits << 1 | bit(at);
        (bits >> 33) as u64 & ((1 << 48) - 1) == BLOCK_MAGIC && bits & 1 == 1
    })
}

fn damage(stream: &mut Vec<u8>, random: &mut Random) {
    // Most of what decides is in the first bytes.
    let near = if random.below(2) == 0 { stream.len() } else { stream.len().min(150) };
    let at = random.below(near);
    match random.below(8) {
        0 => stream.truncate(at),
        1 => stream[at] = random.next() as u8,
        2 => (0..1 + random.below(20)).for_each(|_| {
            let at = random.below(stream.len());
            stream[at] = random.next() as u8;
        }),
        3 => _ = stream.remove(at),
        4 => stream.insert(at, random.next() as u8),
        5 => (0..random.below(6)).for_each(|_| {
            let at = random.below(near);
            stream[at] ^= 1 << random.below(8);
        }),
        _ => stream[at] ^= 1 << random.below(8),
    }
}

/// Returns how many of the damaged streams were accepted.
fn compare_damaged(seed: u64, streams: usize, most: usize) -> usize {
    let (mut random, mut decoder, mut accepted) = (Random(seed), Decoder::new(), 0);
    for number in 0..streams {
        let len = random.below(most);
        let mut stream = compressed(&random.bytes(len), 1 + random.below(9) as u32);
        damage(&mut stream, &mut random);
        let (theirs, ours) = (by_crate(&stream), decoded(&stream, &mut decoder));
        let is_left = ours.is_none() && theirs.is_some() && has_randomised_block(&stream);
        assert!(ours == theirs || is_left, "seed {seed}, stream {number}");
        accepted += usize::from(ours.is_some());
    }
    println!("seed {seed}: {streams} damaged streams of up to {most} bytes, {accepted} accepted");
    accepted
}

#[test]
fn damaged_streams_get_the_verdict_of_the_crate() {
    assert!(compare_damaged(11, 300, 2000) > 5);
    compare_damaged(12, 8, 100_000);
}

#[test]
#[ignore = "for the release profile: takes minutes in the debug profile"]
fn very_many_damaged_streams_get_the_verdict_of_the_crate() {
    let seeds = std::env::var("SEEDS").map_or(4, |seeds| seeds.parse().unwrap());
    for seed in 0..seeds {
        compare_damaged(1000 + seed, 4500, 3000);
        compare_damaged(2000 + seed, 400, 60_000);
        compare_damaged(3000 + seed, 100, 400_000);
    }
}

#[test]
fn magics_that_follow_each_other_wrongly_are_refused() {
    let magic = |number: u64| number.to_be_bytes()[2..].to_vec();
    let mut decoder = Decoder::new();
    for stream in [
        [&STREAM_MAGIC[..], b"9", &magic(END_MAGIC), &[0, 0, 0, 1]].concat(),
        [&STREAM_MAGIC[..], b"0", &magic(END_MAGIC), &[0; 4]].concat(),
        [&STREAM_MAGIC[..], b"9", &magic(BLOCK_MAGIC), &[0; 100]].concat(),
        [&STREAM_MAGIC[..], b"9", &magic(END_MAGIC ^ 1), &[0; 4]].concat(),
    ] {
        assert_eq!(decoded(&stream, &mut decoder), None);
        assert_eq!(by_crate(&stream), None);
    }
}
