//! The first step of a block: runs of equal bytes are shortened. After four equal bytes a fifth
//! one says how many more of them follow. It decides how many raw bytes fit into a block, which is
//! why it is apart from the later steps.

use super::{BLOCK_BYTES, RUN_HEAD};

/// The longest run that is written at once, as libbz2 does (`ADD_CHAR_TO_BLOCK`). The format would
/// permit 259.
const LONGEST_RUN: usize = 255;

/// Fills `block` with the beginning of `raw`, at most [`BLOCK_BYTES`]. Returns how many bytes of
/// `raw` are in it: at least one, unless `raw` is empty. No count
/// refers to a byte of another block.
pub fn fill(raw: &[u8], block: &mut Vec<u8>) -> usize {
    fill_to(BLOCK_BYTES, raw, block)
}

fn fill_to(most: usize, raw: &[u8], block: &mut Vec<u8>) -> usize {
    block.clear();
    let mut taken = 0;
    while taken < raw.len() && block.len() < most {
        let rest = &raw[taken..];
        let plain = before_run(rest).min(most - block.len());
        block.extend_from_slice(&rest[..plain]);
        taken += plain;
        let run = run_len(&rest[plain..]);
        match most - block.len() {
            _ if run == 0 => {}
            0 => break,
            // Without room for the count the run must stop before it needs one.
            room @ 1..=RUN_HEAD => {
                let head = room.min(RUN_HEAD - 1);
                block.extend_from_slice(&rest[plain..plain + head]);
                return taken + head;
            }
            _ => {
                block.extend_from_slice(&rest[plain..plain + RUN_HEAD]);
                block.push((run - RUN_HEAD) as u8);
                taken += run;
            }
        }
    }
    taken
}

/// How many bytes come before the first four equal ones.
fn before_run(raw: &[u8]) -> usize {
    /// Enough for wide registers.
    const STEP: usize = 32;
    let windows = || raw.windows(STEP + RUN_HEAD - 1).step_by(STEP);
    let clear = windows().take_while(|window| !has_run::<STEP>(window)).count() * STEP;
    let found = raw[clear..].windows(RUN_HEAD).position(|four| four.iter().all(|&b| b == four[0]));
    found.map_or(raw.len(), |at| clear + at)
}

/// Whether four equal bytes begin at one of the first `N` bytes. Has no branch, for the compiler
/// to use wide registers.
fn has_run<const N: usize>(window: &[u8]) -> bool {
    let (a, b, c, d) = (&window[..N], &window[1..N + 1], &window[2..N + 2], &window[3..N + 3]);
    (0..N).fold(0, |any, i| any | u8::from((a[i] ^ b[i]) | (b[i] ^ c[i]) | (c[i] ^ d[i]) == 0)) != 0
}

/// How many bytes at the beginning are equal to the first, at most [`LONGEST_RUN`].
fn run_len(raw: &[u8]) -> usize {
    raw.iter().take(LONGEST_RUN).take_while(|&&byte| byte == raw[0]).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The reverse step, as plainly as possible.
    fn expand(block: &[u8]) -> Vec<u8> {
        let (mut raw, mut equal, mut at) = (Vec::new(), 0, 0);
        while at < block.len() {
            let byte = block[at];
            equal = if equal > 0 && raw.last() == Some(&byte) { equal + 1 } else { 1 };
            raw.push(byte);
            at += 1;
            if equal == RUN_HEAD {
                raw.extend(vec![byte; usize::from(block[at])]);
                (equal, at) = (0, at + 1);
            }
        }
        raw
    }

    fn all_blocks(most: usize, raw: &[u8]) -> Vec<Vec<u8>> {
        let (mut blocks, mut at) = (Vec::new(), 0);
        while at < raw.len() {
            let mut block = Vec::new();
            let taken = fill_to(most, &raw[at..], &mut block);
            assert!(taken > 0, "a block takes at least one byte");
            assert!(block.len() <= most, "{} bytes in a block of {most}", block.len());
            at += taken;
            blocks.push(block);
        }
        blocks
    }

    #[test]
    fn every_length_of_run_comes_back() {
        for run in 1..=800 {
            let raw = [&b"x"[..], &vec![b'a'; run], b"y"].concat();
            let blocks = all_blocks(BLOCK_BYTES, &raw);
            assert_eq!(blocks.len(), 1);
            assert_eq!(expand(&blocks[0]), raw, "run of {run}");
        }
    }

    #[test]
    fn a_run_is_written_as_libbz2_writes_it() {
        let mut block = Vec::new();
        assert_eq!(fill(&[7; 300], &mut block), 300);
        assert_eq!(block, [7, 7, 7, 7, 251, 7, 7, 7, 7, 41]);
        assert_eq!(fill(b"aaabbbbc", &mut block), 8);
        assert_eq!(block, b"aaabbbb\0c");
    }

    #[test]
    fn no_run_crosses_the_border_of_a_block() {
        for run in 1..=269 {
            for before in 0..12 {
                let raw = [&b"0123456789abc"[..before], &vec![b'z'; run], b"end"].concat();
                let blocks = all_blocks(12, &raw);
                let back: Vec<u8> = blocks.iter().flat_map(|block| expand(block)).collect();
                assert_eq!(back, raw, "run of {run} after {before}");
            }
        }
    }

    #[test]
    fn bytes_without_runs_fill_a_block_completely() {
        let raw: Vec<u8> = (0..BLOCK_BYTES + 1).map(|i| i as u8).collect();
        let mut block = Vec::new();
        assert_eq!(fill(&raw, &mut block), BLOCK_BYTES);
        assert_eq!(block, raw[..BLOCK_BYTES]);
    }

    proptest! {
        #[test]
        fn all_bytes_come_back_from_blocks_of_any_size(
            raw in prop::collection::vec(0_u8..3, 0..600), most in 1_usize..60
        ) {
            let blocks = all_blocks(most, &raw);
            let back: Vec<u8> = blocks.iter().flat_map(|block| expand(block)).collect();
            prop_assert_eq!(back, raw);
        }
    }
}
