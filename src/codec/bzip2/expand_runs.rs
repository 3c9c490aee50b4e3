//! The last step of a block: runs of four to 259 equal bytes get their length back. Separate because
//! it alone decides how large the raw data of a block become, and keeps the limit for that.

use super::{RUN_HEAD, Undecoded};

/// Bytes that are searched for a run at once: enough for wide registers.
const STEP: usize = 32;

/// Appends what `block` means to `out`. An error if that gets longer than `most` bytes; it is by 255
/// bytes at most. After four equal bytes a fifth one says how many more follow; the count of equal
/// bytes then begins anew.
pub(super) fn expand_runs(block: &[u8], out: &mut Vec<u8>, most: usize) -> Result<(), Undecoded> {
    let mut rest = block;
    loop {
        let Some(at) = first_run(rest) else { return append(rest, out, most) };
        let (plain, behind) = rest.split_at(at + RUN_HEAD);
        append(plain, out, most)?;
        let [more, behind @ ..] = behind else { return Err(Undecoded) };
        out.resize(out.len() + usize::from(*more), rest[at]); // `append` follows and checks
        rest = behind;
    }
}

fn append(plain: &[u8], out: &mut Vec<u8>, most: usize) -> Result<(), Undecoded> {
    if out.len() + plain.len() > most {
        return Err(Undecoded);
    }
    out.extend_from_slice(plain);
    Ok(())
}

/// Where the first four equal bytes begin.
fn first_run(bytes: &[u8]) -> Option<usize> {
    let steps = bytes.windows(STEP + RUN_HEAD - 1).step_by(STEP);
    let clear = steps.take_while(|window| !has_run(window)).count() * STEP;
    bytes[clear..]
        .windows(RUN_HEAD)
        .position(|four| four == [four[0]; RUN_HEAD])
        .map(|at| clear + at)
}

/// Whether four equal bytes begin at one of the first [`STEP`]. Has no branch, for the compiler to
/// use wide registers.
fn has_run(window: &[u8]) -> bool {
    let (a, b, c, d) = (&window[..STEP], &window[1..], &window[2..], &window[3..STEP + 3]);
    (0..STEP).fold(0, |any, i| any | u8::from((a[i] ^ b[i]) | (b[i] ^ c[i]) | (c[i] ^ d[i]) == 0))
        != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expanded(block: &[u8], most: usize) -> Option<Vec<u8>> {
        let mut out = b"before".to_vec();
        expand_runs(block, &mut out, most + 6).ok()?;
        Some(out.split_off(6))
    }

    /// A byte at a time.
    fn plainly(block: &[u8]) -> Option<Vec<u8>> {
        let (mut out, mut equal, mut bytes) = (Vec::new(), 0, block.iter());
        while let Some(&byte) = bytes.next() {
            equal = if equal > 0 && out.last() == Some(&byte) { equal + 1 } else { 1 };
            out.push(byte);
            if equal == RUN_HEAD {
                out.resize(out.len() + usize::from(*bytes.next()?), byte);
                equal = 0;
            }
        }
        Some(out)
    }

    proptest! {
        #[test]
        fn blocks_expand_as_they_do_byte_by_byte(
            block in prop::collection::vec(prop_oneof![3 => 0_u8..2, 1 => any::<u8>()], 0..300)
        ) {
            prop_assert_eq!(expanded(&block, usize::MAX - 6), plainly(&block));
        }

        #[test]
        fn runs_are_found_at_every_place(at in 0_usize..200, run in 0_usize..12) {
            let mut block: Vec<u8> = (0..=255).collect();
            block.splice(at..at, vec![at as u8; run]);
            prop_assert_eq!(expanded(&block, usize::MAX - 6), plainly(&block));
        }
    }

    #[test]
    fn a_run_without_its_count_is_refused() {
        assert_eq!(expanded(b"aaaa", 100), None);
        assert_eq!(expanded(b"aaaa\0", 100).as_deref(), Some(&b"aaaa"[..]));
        assert_eq!(expanded(b"aaa", 100).as_deref(), Some(&b"aaa"[..]));
    }

    #[test]
    fn equal_bytes_are_counted_anew_behind_a_count() {
        assert_eq!(expanded(b"aaaa\x01aaa", 100).as_deref(), Some(&b"aaaaaaaa"[..]));
    }

    #[test]
    fn one_byte_more_than_permitted_is_refused() {
        for block in [&b"abcdefg"[..], b"aaaa\x03", b"aabbbb\x01"] {
            assert!(expanded(block, 7).is_some());
            assert!(expanded(block, 6).is_none());
        }
    }
}
