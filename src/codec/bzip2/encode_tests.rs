//! What the encoder writes is read by others: the crate, the programs that people have, and the
//! source that is on each disc.

use super::encode::Encoder;
use super::run_length;
use proptest::prelude::*;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

fn encode(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Encoder::new().encode(raw, &mut out);
    out
}

fn by_crate(stream: &[u8]) -> Vec<u8> {
    let mut raw = Vec::new();
    bzip2::read::BzDecoder::new(stream).read_to_end(&mut raw).unwrap();
    raw
}

/// Numbers without order, the same in each run (splitmix64).
fn noise(seed: u64) -> impl Iterator<Item = u64> {
    (seed..).map(|n| {
        let n = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        n ^ n >> 31
    })
}

fn random(len: usize, symbols: u64) -> Vec<u8> {
    noise(len as u64).take(len).map(|n| (n % symbols) as u8).collect()
}

fn fibonacci(len: usize) -> Vec<u8> {
    let (mut a, mut b) = (b"a".to_vec(), b"ab".to_vec());
    while b.len() < len {
        (a, b) = (b.clone(), [b, a].concat());
    }
    b[..len].to_vec()
}

/// Lines that are alike, as in a log.
fn lines(len: usize) -> Vec<u8> {
    let line = |n: u64| format!("{:08} host{} read {} bytes\n", n >> 44, n % 7, n % 100_000);
    noise(1).map(line).flat_map(String::into_bytes).take(len).collect()
}

/// Runs of all lengths to 269, one after another.
fn runs() -> Vec<u8> {
    (1..270).flat_map(|run| vec![run as u8; run]).collect()
}

/// Data of many kinds, of about `len` bytes each.
fn samples(len: usize) -> Vec<Vec<u8>> {
    let period = |period: usize| random(period, 256).into_iter().cycle().take(len).collect();
    vec![
        Vec::new(),
        b"a".to_vec(),
        b"ab".to_vec(),
        vec![0; len],
        b"ab".iter().copied().cycle().take(len).collect(),
        period(7),
        period(len / 9),
        period(len / 2),
        period(len * 5 / 9),
        fibonacci(len),
        random(len, 2),
        random(len, 3),
        random(len, 256),
        lines(len),
        runs(),
        [random(len / 3, 256), vec![7; len / 3], lines(len / 3)].concat(),
        (0..len).map(|at| (at / 4 * 37) as u8).collect(),
    ]
}

#[test]
fn the_crate_reads_data_of_many_kinds() {
    for (kind, raw) in samples(5000).iter().enumerate() {
        assert!(by_crate(&encode(raw)) == *raw, "sample {kind}");
    }
}

#[test]
fn a_stream_follows_what_is_there_already() {
    let mut encoder = Encoder::new();
    let mut out = b"before".to_vec();
    encoder.encode(b"one", &mut out);
    let end = out.len();
    encoder.encode(b"another", &mut out);
    assert!(out.starts_with(b"before"));
    assert_eq!(by_crate(&out[6..end]), b"one");
    assert_eq!(by_crate(&out[end..]), b"another");
}

#[test]
fn a_stream_of_two_blocks_is_read() {
    let raw: Vec<u8> = b"ab".repeat(450_050);
    let stream = encode(&raw);
    assert!(by_crate(&stream) == raw);
}

#[test]
fn buffers_keep_nothing_of_the_stream_before() {
    let mut encoder = Encoder::new();
    for raw in samples(3000) {
        let mut out = Vec::new();
        encoder.encode(&raw, &mut out);
        assert!(out == encode(&raw));
    }
}

#[test]
fn an_encoder_can_go_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<Encoder>();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_crate_reads_any_bytes(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
        mask in prop::sample::select(vec![1_u8, 3, 0x81, 255]),
    ) {
        let raw: Vec<u8> = bytes.iter().map(|byte| byte & mask).collect();
        prop_assert_eq!(by_crate(&encode(&raw)), raw);
    }
}

#[test]
#[ignore = "whole blocks: takes minutes in the debug profile"]
fn the_crate_reads_whole_blocks() {
    let mut encoder = Encoder::new();
    let mut lens = [899_980, 899_981, 899_999, 900_000, 900_001, 2_000_000].into_iter();
    for (kind, raw) in lens.by_ref().flat_map(samples).enumerate() {
        let mut out = Vec::new();
        encoder.encode(&raw, &mut out);
        assert!(by_crate(&out) == raw, "sample {kind} of {} bytes", raw.len());
    }
    // A run at each place across the border of the first block.
    let runs = (1..=10).chain(250..=262);
    for (run, before) in runs.flat_map(|run| [1, 2, 3, 4, 5, 6, 250].map(|back| (run, back))) {
        let raw = [lines(900_000 - before), vec![b'#'; run], b"end".to_vec()].concat();
        let mut out = Vec::new();
        encoder.encode(&raw, &mut out);
        assert!(by_crate(&out) == raw, "run of {run}, {before} bytes before the border");
    }
}

/// What `Encoder::encode` promises, by what the first step makes of the bytes.
fn bound(raw: &[u8]) -> usize {
    let (mut shortened, mut block, mut rest) = (0, Vec::new(), raw);
    while !rest.is_empty() {
        rest = &rest[run_length::fill(rest, &mut block)..];
        shortened += block.len();
    }
    shortened + shortened * 48 / 10_000 + 200
}

/// Alphabets of all sizes: their plain codes differ.
fn check_bound(lens: impl Iterator<Item = usize> + Clone) {
    let mut encoder = Encoder::new();
    for symbols in [1, 2, 3, 64, 100, 170, 171, 254, 255, 256] {
        for raw in lens.clone().flat_map(|len| [random(len, symbols), shuffles(len, symbols)]) {
            let mut out = Vec::new();
            encoder.encode(&raw, &mut out);
            let (len, most) = (out.len(), bound(&raw));
            assert!(len <= most, "{} of {symbols} symbols: {len}, not {most}", raw.len());
        }
    }
}

/// All symbols in one order after another.
fn shuffles(len: usize, symbols: u64) -> Vec<u8> {
    let mut numbers = noise(symbols);
    let shuffle = |_| {
        let mut order: Vec<u8> = (0..symbols).map(|symbol| symbol as u8).collect();
        order.sort_by_cached_key(|_| numbers.next());
        order
    };
    (0..len / symbols as usize + 1).flat_map(shuffle).take(len).collect()
}

#[test]
fn no_stream_is_longer_than_its_bound() {
    check_bound([1, 2, 3, 10, 50, 100, 256, 300, 1000, 2000].into_iter());
}

#[test]
#[ignore = "whole blocks: takes a minute in the debug profile"]
fn no_stream_of_whole_blocks_is_longer_than_its_bound() {
    check_bound([10_000, 100_000, 900_000, 1_800_000].into_iter());
}

/// Programs that expand what they are given, by how they are called.
const READERS: [&[&str]; 8] = [
    &["bunzip2", "-c"],
    &["bunzip2", "-s", "-c"],
    &["lbzip2", "-d", "-c"],
    &["pbzip2", "-d", "-c"],
    &["busybox", "bunzip2", "-c"],
    &["7z", "e", "-tbzip2", "-si", "-so"],
    &[
        "python3",
        "-c",
        "import bz2,sys;sys.stdout.buffer.write(bz2.decompress(sys.stdin.buffer.read()))",
    ],
    &[
        "perl",
        "-MIO::Uncompress::Bunzip2=bunzip2",
        "-e",
        "bunzip2 '-' => '-', MultiStream => 1 or die",
    ],
];

fn expand_with(reader: &[&str], stream: &[u8]) -> Vec<u8> {
    let mut command = Command::new(reader[0]);
    command.args(&reader[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let spawned = command.spawn();
    let mut child =
        spawned.unwrap_or_else(|error| panic!("{} (scripts/setup.sh): {error}", reader[0]));
    let (mut stdin, stream) = (child.stdin.take().unwrap(), stream.to_vec());
    // A program that refuses the stream closes it: its status says so below.
    let feeder = std::thread::spawn(move || stdin.write_all(&stream));
    let output = child.wait_with_output().unwrap();
    let _ = feeder.join().unwrap();
    assert!(output.status.success(), "{reader:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// All streams of samples of a length, in a row.
fn check_readers(len: usize) {
    let samples = samples(len);
    let mut encoder = Encoder::new();
    let mut row = Vec::new();
    samples.iter().for_each(|raw| encoder.encode(raw, &mut row));
    let raw = samples.concat();
    for reader in READERS {
        let back = expand_with(reader, &row);
        assert!(back == raw, "{reader:?} read {} of {}", back.len(), raw.len());
    }
}

#[test]
fn the_programs_that_people_have_read_streams() {
    check_readers(3000);
}

#[test]
#[ignore = "whole blocks: takes a minute in the debug profile"]
fn the_programs_that_people_have_read_whole_blocks() {
    check_readers(900_000);
    check_readers(1_900_000);
}
