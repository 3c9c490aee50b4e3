//! The second step of a block: its rotations are sorted, and each gives way to its last byte
//! (Burrows and Wheeler, "A Block-sorting Lossless Data Compression Algorithm", 1994). The largest
//! part of the work, with an algorithm of its own.
//!
//! The algorithm is SA-IS (Nong, Zhang and Chan, "Linear Suffix Array Construction by Almost Pure
//! Induced-Sorting", 2009), for rotations instead of suffixes: positions are counted round the
//! end, so that there is no sentinel. It is linear in time for any block.
//!
//! 1. A position is of type S if its rotation is smaller than that of the next position, else of
//!    type L. An S after an L is called LMS (`types`).
//! 2. The LMS positions are put into order by the bytes from each to the next: first in the
//!    order of their first bytes, then by two scans that induce all others from them (`words`).
//! 3. Those that are equal get the same name. The names, in the order of the block, are a text of
//!    at most half the length (`names`), whose rotations are sorted in the same way (`numbers`).
//! 4. That is the order of the LMS positions, and the two scans induce that of all others.
//!
//! A block that repeats a shorter text has equal rotations. Their last bytes are equal too, and
//! any order among them will do.

mod names;
mod numbers;
mod types;
mod words;

use names::Names;
use numbers::Numbers;
use words::{Rotations, Words};

/// Sorts blocks, one after another in the same buffers: fresh ones would cost a page fault for
/// each 4 KiB of them.
pub struct Sorter {
    words: Words,
    /// LMS positions as they follow each other in the block.
    lms: Vec<u32>,
    /// The same in the order of their rotations.
    sorted: Vec<u32>,
    names: Names,
    numbers: Numbers,
}

impl Sorter {
    pub fn new() -> Sorter {
        Sorter {
            words: Words::new(),
            lms: Vec::new(),
            sorted: Vec::new(),
            names: Names::new(),
            numbers: Numbers::new(),
        }
    }

    /// Sorts the rotations of `block`, 1 to [`super::BLOCK_BYTES`] bytes.
    pub fn sort(&mut self, block: &[u8]) -> Rotations<'_> {
        if block.iter().all(|&byte| byte == block[0]) {
            return self.words.constant(block);
        }
        self.words.load(block, &mut self.lms);
        self.words.put_lms(&self.lms);
        self.words.induce_l();
        self.words.induce_s_and_collect(&mut self.sorted, self.lms.len());
        if !self.names.give(&self.words, &self.lms, &self.sorted) {
            let order = self.numbers.sort(self.names.in_text_order(&self.lms));
            self.sorted.clear();
            self.sorted.extend(order.map(|at| self.lms[at]));
        }
        self.words.put_sorted_lms(&self.sorted);
        self.words.induce_l();
        self.words.induce_s();
        self.words.rotations()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Compares with all rotations written out. Equal ones may come in any order, so that any of
    /// the rows that hold the block is right.
    fn check(sorter: &mut Sorter, block: &[u8]) {
        let mut rotations: Vec<Vec<u8>> =
            (0..block.len()).map(|at| [&block[at..], &block[..at]].concat()).collect();
        rotations.sort();
        let expected: Vec<u8> =
            rotations.iter().map(|rotation| *rotation.last().unwrap()).collect();
        let sorted = sorter.sort(block);
        assert_eq!(sorted.last_bytes().collect::<Vec<_>>(), expected, "{block:?}");
        assert_eq!(rotations[sorted.row()], block, "row {}", sorted.row());
    }

    fn check_all(symbols: u8, longest: u32) {
        let mut sorter = Sorter::new();
        for len in 1..=longest {
            for number in 0..usize::from(symbols).pow(len) {
                let digit = |at| number / usize::from(symbols).pow(at) % usize::from(symbols);
                check(&mut sorter, &(0..len).map(|at| digit(at) as u8).collect::<Vec<u8>>());
            }
        }
    }

    #[test]
    fn all_short_blocks_of_two_and_three_symbols_are_sorted() {
        check_all(2, 9);
        check_all(3, 5);
    }

    #[test]
    #[ignore = "as above, longer: takes a minute in the debug profile"]
    fn all_blocks_of_two_and_three_symbols_are_sorted() {
        check_all(2, 16);
        check_all(3, 10);
        check_all(4, 8);
    }

    fn fibonacci(len: usize) -> Vec<u8> {
        let (mut a, mut b) = (b"a".to_vec(), b"ab".to_vec());
        while b.len() < len {
            (a, b) = (b.clone(), [b, a].concat());
        }
        b[..len].to_vec()
    }

    #[test]
    fn names_are_given_again_on_deep_levels() {
        let mut sorter = Sorter::new();
        for len in [89, 144, 200, 233, 300] {
            check(&mut sorter, &fibonacci(len));
        }
    }

    #[test]
    fn a_long_piece_round_the_end_is_compared_with_its_like() {
        // Two LMS positions, whose pieces are equal, or differ in one byte of the first or second.
        let mut sorter = Sorter::new();
        for len in [9, 50, 100] {
            let piece = [&vec![b'b'; len][..], b"a"].concat();
            for shift in 0..=len {
                let mut block = piece.repeat(2);
                block.rotate_left(shift);
                check(&mut sorter, &block);
                for differs in [0, piece.len()] {
                    let mut block = block.clone();
                    block[differs] = b'c';
                    check(&mut sorter, &block);
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn rotations_of_any_block_are_sorted(
            block in prop::collection::vec(any::<u8>(), 1..100),
            mask in prop::sample::select(vec![1_u8, 3, 0x81, 255]),
            repeat in 1_usize..4,
        ) {
            let block: Vec<u8> = block.iter().map(|byte| byte & mask).collect();
            check(&mut Sorter::new(), &block.repeat(repeat));
        }
    }
}
