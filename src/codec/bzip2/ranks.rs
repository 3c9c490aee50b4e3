//! The list of the latest bytes, from which ranks are turned back into bytes (move to front).
//! Separate because of its form: a list in an array would be moved for every byte of a block.

/// How many bytes are in `front`.
const FRONT: usize = 16;

/// `UP_TO[n]` covers the lowest `n` bytes, and one more.
const UP_TO: [u128; FRONT] = {
    let mut masks = [0; FRONT];
    let mut n = 0;
    while n < FRONT {
        masks[n] = u128::MAX >> (8 * (FRONT - 1 - n));
        n += 1;
    }
    masks
};

/// Bytes by rank, the latest first.
pub(super) struct Ranks {
    /// Ranks 0 to 15, the first in the lowest byte: moved by shifts.
    front: u128,
    /// Ranks from 16 on.
    back: [u8; 256 - FRONT],
}

impl Ranks {
    /// A list that begins with `bytes`, of which there are at most 256.
    pub fn new(bytes: &[u8]) -> Ranks {
        let mut all = [0; 256];
        all[..bytes.len()].copy_from_slice(bytes);
        let (mut front, mut back) = ([0; FRONT], [0; 256 - FRONT]);
        front.copy_from_slice(&all[..FRONT]);
        back.copy_from_slice(&all[FRONT..]);
        Ranks { front: u128::from_le_bytes(front), back }
    }

    /// The byte of rank 0.
    #[inline(always)]
    pub fn latest(&self) -> u8 {
        self.front as u8
    }

    /// The byte of `rank`, which is below 256. It gets rank 0.
    #[inline(always)]
    pub fn take(&mut self, rank: usize) -> u8 {
        if rank >= FRONT {
            return self.take_from_back(rank - FRONT);
        }
        let byte = (self.front >> (8 * rank)) as u8;
        let moved = UP_TO[rank];
        self.front = self.front & !moved | self.front << 8 & moved | u128::from(byte);
        byte
    }

    #[inline]
    fn take_from_back(&mut self, rank: usize) -> u8 {
        let byte = self.back[rank];
        self.back.copy_within(..rank, 1);
        self.back[0] = (self.front >> (8 * (FRONT - 1))) as u8;
        self.front = self.front << 8 | u128::from(byte);
        byte
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranks_give_what_a_plain_list_gives(
            count in 1_usize..=256, ranks in prop::collection::vec(any::<usize>(), 0..300)
        ) {
            let mut plain: Vec<u8> = (0..count).map(|i| (i * 7) as u8).collect();
            let mut list = Ranks::new(&plain);
            for rank in ranks.iter().map(|rank| rank % count) {
                plain[..=rank].rotate_right(1);
                prop_assert_eq!(list.take(rank), plain[0]);
                prop_assert_eq!(list.latest(), plain[0]);
            }
        }
    }
}
