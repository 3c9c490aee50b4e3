//! The bits of a stream, in the order in which they are read. Separate because the rule for the end
//! stands here and nowhere else: behind the last byte come zero bits without end, and whoever reads
//! asks later whether that happened.

use super::Undecoded;

/// Reads from the most significant bit of the first byte on.
#[derive(Clone, Copy)]
pub(super) struct BitsIn<'a> {
    bytes: &'a [u8],
    /// The next byte that is not in `word`.
    at: usize,
    /// The next bits, from the most significant one down.
    word: u64,
    /// How many bits of `word` count. Those below may already hold what follows.
    live: u32,
}

impl<'a> BitsIn<'a> {
    pub fn new(bytes: &'a [u8]) -> BitsIn<'a> {
        BitsIn { bytes, at: 0, word: 0, live: 0 }
    }

    /// Makes at least 56 bits ready for [`BitsIn::next`] and [`BitsIn::skip`].
    #[inline(always)]
    pub fn refill(&mut self) {
        self.word |= self.eight_bytes() >> self.live;
        self.at += (63 - self.live as usize) / 8;
        self.live |= 56;
    }

    #[inline(always)]
    fn eight_bytes(&self) -> u64 {
        match self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()) {
            Some(eight) => u64::from_be_bytes(*eight),
            None => self.last_bytes(),
        }
    }

    #[cold]
    fn last_bytes(&self) -> u64 {
        let mut eight = [0; 8];
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        eight[..rest.len()].copy_from_slice(rest); // fewer than 8, or there was a chunk
        u64::from_be_bytes(eight)
    }

    /// The next `count` bits, of 1 to 32, without taking them.
    #[inline(always)]
    pub fn next(&self, count: u32) -> u32 {
        (self.word >> (64 - count)) as u32
    }

    /// Takes `count` bits, at most as many as are ready.
    #[inline(always)]
    pub fn skip(&mut self, count: u32) {
        self.word <<= count;
        self.live -= count;
    }

    /// Takes the next `count` bits, of 1 to 32. An error behind the end.
    pub fn take(&mut self, count: u32) -> Result<u32, Undecoded> {
        self.refill();
        let bits = self.next(count);
        self.skip(count);
        if self.is_beyond_end() { Err(Undecoded) } else { Ok(bits) }
    }

    /// How many one bits come next, up to 32.
    pub fn next_ones(&self) -> u32 {
        self.next(32).leading_ones()
    }

    /// Whether bits were taken that the stream does not have.
    #[inline]
    pub fn is_beyond_end(&self) -> bool {
        self.bytes_taken() > self.bytes.len()
    }

    /// How many bytes were taken, a begun one included.
    pub fn bytes_taken(&self) -> usize {
        self.at - self.live as usize / 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_come_in_order_and_end_where_the_bytes_end(
            bytes in prop::collection::vec(any::<u8>(), 0..40),
            counts in prop::collection::vec(1_u32..=32, 0..60)
        ) {
            let mut all = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
            let mut bits = BitsIn::new(&bytes);
            let mut taken = 0;
            for count in counts {
                let expected: Option<u32> =
                    (0..count).try_fold(0, |sum, _| Some(sum << 1 | u32::from(all.next()?)));
                prop_assert_eq!(bits.take(count).ok(), expected);
                if expected.is_none() {
                    break;
                }
                taken += count as usize;
                prop_assert_eq!(bits.bytes_taken(), taken.div_ceil(8));
            }
        }
    }

    #[test]
    fn one_bits_are_counted_up_to_the_first_zero() {
        let mut bits = BitsIn::new(&[0b1110_1011]);
        bits.refill();
        assert_eq!(bits.next_ones(), 3);
        bits.skip(4);
        assert_eq!(bits.next_ones(), 1);
    }

    #[test]
    fn nothing_can_be_taken_from_nothing() {
        assert!(BitsIn::new(&[]).take(1).is_err());
    }
}
