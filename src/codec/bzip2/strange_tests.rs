//! Streams that no encoder writes, put together bit by bit, with checksums that are right: limits of
//! the format, where the crate has a verdict of its own. Separate because damage hardly meets them.

use super::crc::crc;
use super::decode_tests::{by_crate, decoded};
use super::{BLOCK_MAGIC, Decoder, END_MAGIC, RUN_A, RUN_B};

/// The symbol of the byte `b` while `a` is the latest one, and that of the end.
const B: u16 = 2;
const END: u16 = 3;

/// A stream of level 1 with one block, in which `a` and `b` may occur.
#[derive(Clone)]
struct Plan {
    map: Vec<u16>,
    tables: u64,
    /// Ranks, written as one bits and a zero bit.
    selectors: Vec<u32>,
    /// By table: length of the first code, then what is added for each symbol.
    lengths: Vec<(u64, [i32; 4])>,
    symbols: Vec<u16>,
    row: u64,
    raw: Vec<u8>,
}

impl Plan {
    /// Four codes of two bits. The last bytes of the rotations are `symbols`; they must mean a
    /// block of `a` alone, of `len` bytes.
    fn of(symbols: Vec<u16>, len: usize) -> Plan {
        Plan {
            map: vec![1 << 9, 1 << 14 | 1 << 13],
            tables: 2,
            selectors: vec![0; symbols.len().div_ceil(50)],
            lengths: vec![(2, [0; 4]); 2],
            symbols,
            row: 0,
            raw: vec![b'a'; len / 5 * (4 + usize::from(b'a'))], // "aaaaa": four, and 97 more
        }
    }

    fn usual() -> Plan {
        Plan::of([run_of(5), vec![END]].concat(), 5)
    }

    fn stream(&self) -> Vec<u8> {
        let mut bits = Vec::new();
        let mut put = |count: u32, number: u64| {
            bits.extend((0..count).rev().map(|bit| (number >> bit & 1) as u8));
        };
        let sum = u64::from(crc(&self.raw));
        b"BZh1".iter().for_each(|&byte| put(8, byte.into()));
        put(48, BLOCK_MAGIC);
        put(32, sum);
        put(1, 0);
        put(24, self.row);
        self.map.iter().for_each(|&map| put(16, map.into()));
        put(3, self.tables);
        put(15, self.selectors.len() as u64);
        self.selectors.iter().for_each(|&rank| put(rank + 1, (1 << (rank + 1)) - 2));
        for (first, steps) in &self.lengths {
            put(5, *first);
            for step in steps {
                (0..step.abs()).for_each(|_| put(2, if *step > 0 { 0b10 } else { 0b11 }));
                put(1, 0);
            }
        }
        self.symbols.iter().for_each(|&symbol| put(2, symbol.into()));
        put(48, END_MAGIC);
        put(32, sum);
        let byte =
            |bits: &[u8]| bits.iter().zip((0..8).rev()).map(|(bit, place)| bit << place).sum();
        bits.chunks(8).map(byte).collect()
    }

    #[track_caller]
    fn is_accepted(&self) -> bool {
        let stream = self.stream();
        let theirs = by_crate(&stream);
        assert!(decoded(&stream, &mut Decoder::new()) == theirs, "crate: {}", theirs.is_some());
        assert!(theirs.as_ref().is_none_or(|(raw, _)| *raw == self.raw));
        theirs.is_some()
    }
}

/// The symbols of a run.
fn run_of(mut len: usize) -> Vec<u16> {
    let mut symbols = Vec::new();
    while len > 0 {
        symbols.push(if len % 2 == 1 { RUN_A } else { RUN_B });
        len = (len - 1) / 2;
    }
    symbols
}

#[test]
fn a_run_may_fill_a_block_and_not_more() {
    assert!(Plan::of([run_of(100_000), vec![END]].concat(), 100_000).is_accepted());
    assert!(!Plan::of([run_of(100_005), vec![END]].concat(), 100_005).is_accepted());
    assert!(!Plan::of([run_of(99_999), vec![B, RUN_B, END]].concat(), 100_000).is_accepted());
}

#[test]
fn a_byte_may_fill_a_block_and_not_more() {
    // The "b" is in a chain of its own, so the block from row 0 is "a" alone.
    assert!(Plan::of([run_of(99_999), vec![B, END]].concat(), 100_000).is_accepted());
    assert!(!Plan::of([run_of(100_004), vec![B, END]].concat(), 100_005).is_accepted());
    assert!(!Plan::of([run_of(100_000), vec![B; 5], vec![END]].concat(), 100_005).is_accepted());
}

#[test]
fn a_run_of_any_number_of_symbols_is_refused_without_a_panic() {
    for count in [16, 17, 20, 21, 22, 31, 32, 33, 63, 64, 65, 200] {
        for symbol in [RUN_A, RUN_B] {
            assert!(!Plan::of([vec![symbol; count], vec![END]].concat(), 5).is_accepted());
        }
    }
}

#[test]
fn a_block_without_bytes_is_refused() {
    assert!(!Plan::of(vec![END], 0).is_accepted());
}

#[test]
fn the_row_must_be_one_of_the_block() {
    for row in [4, 5, 100_000, 0xff_ffff] {
        assert_eq!(Plan { row, ..Plan::usual() }.is_accepted(), row < 5, "row {row}");
    }
}

#[test]
fn a_selector_must_name_a_table_even_if_no_symbol_needs_it() {
    for rank in 0..6 {
        let selectors = vec![0, rank];
        assert_eq!(Plan { selectors, ..Plan::usual() }.is_accepted(), rank < 2, "rank {rank}");
    }
}

#[test]
fn more_selectors_than_a_block_can_need_are_accepted() {
    for count in [1, 18_001, 18_002, 18_003, 32_767] {
        assert!(Plan { selectors: vec![0; count], ..Plan::usual() }.is_accepted(), "{count}");
    }
    let mut selectors = vec![0; 20_000];
    selectors[19_999] = 2;
    assert!(!Plan { selectors, ..Plan::usual() }.is_accepted());
    assert!(!Plan { selectors: vec![], ..Plan::usual() }.is_accepted());
}

#[test]
fn each_group_of_fifty_symbols_needs_a_selector() {
    let long = Plan::of([[RUN_A, B].repeat(50), vec![END]].concat(), 0);
    let selectors = vec![0; 2];
    assert!(!Plan { selectors, ..long }.is_accepted());
}

#[test]
fn a_block_has_two_to_six_tables() {
    for tables in 0..8_u64 {
        let lengths = vec![(2, [0; 4]); tables as usize];
        let plan = Plan { tables, lengths, ..Plan::usual() };
        assert_eq!(plan.is_accepted(), (2..=6).contains(&tables), "{tables} tables");
    }
}

#[test]
fn codes_have_one_to_twenty_bits_even_in_a_table_that_is_not_used() {
    for first in 0..32 {
        let lengths = vec![(2, [0; 4]), (first, [0; 4])];
        let plan = Plan { lengths, ..Plan::usual() };
        assert_eq!(plan.is_accepted(), (1..=20).contains(&first), "{first} bits");
    }
    for (steps, is_good) in [
        ([18, 0, 0, 0], true),
        ([19, -19, 0, 0], false),
        ([-1, 0, 0, 0], true),
        ([-2, 2, 0, 0], false),
        ([0, 0, 0, 18], true),
        ([0, 0, 0, 19], false),
    ] {
        let lengths = vec![(2, [0; 4]), (2, steps)];
        assert_eq!(Plan { lengths, ..Plan::usual() }.is_accepted(), is_good, "{steps:?}");
    }
}

#[test]
fn bits_that_are_no_code_do_not_end_a_block() {
    let lengths = vec![(2, [0, 0, 0, 1]); 2]; // 00, 01, 10, 110
    let symbols = [run_of(5), vec![END; 10]].concat(); // 20 one bits
    assert!(!Plan { lengths, ..Plan::of(symbols, 5) }.is_accepted());
}

#[test]
fn a_map_without_bytes_is_refused() {
    assert!(!Plan { map: vec![0], ..Plan::usual() }.is_accepted());
    assert!(!Plan { map: vec![1 << 9, 0], ..Plan::usual() }.is_accepted());
}
