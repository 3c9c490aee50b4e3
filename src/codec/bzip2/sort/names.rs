//! Names of LMS positions: equal ones for those whose bytes are equal up to the next LMS position,
//! ascending in the order of these bytes.

use super::words::{LMS_POSITIONS, Words};

/// No two LMS positions are neighbours: half of a position tells them apart. The index changes
/// nothing, see `words::MASK`.
fn slot(position: u32) -> usize {
    (position as usize / 2) & (LMS_POSITIONS - 1)
}

/// Up to which length one comparison of a word is enough.
const SHORT: u32 = 8;

pub struct Names {
    /// At the slot of each LMS position: how many bytes there are up to the next one and with its
    /// first byte, later its name. One table for both halves what passes through the cache.
    slots: Vec<u32>,
}

impl Names {
    pub fn new() -> Names {
        Names { slots: vec![0; LMS_POSITIONS] }
    }

    /// Gives names to the positions in `lms`. `sorted` has them in the order of their bytes. Says
    /// whether no name was given twice.
    pub fn give(&mut self, text: &Words, lms: &[u32], sorted: &[u32]) -> bool {
        self.measure(text.len() as u32, lms);
        let (mut name, mut last, mut last_len) = (0, sorted[0], self.slots[slot(sorted[0])]);
        self.slots[slot(last)] = name;
        for &position in &sorted[1..] {
            let len = self.slots[slot(position)];
            name += u32::from(len != last_len || !equal(text, last, position, len));
            self.slots[slot(position)] = name;
            (last, last_len) = (position, len);
        }
        name as usize + 1 == sorted.len()
    }

    fn measure(&mut self, text_len: u32, lms: &[u32]) {
        let after_last = lms[0] + text_len;
        let ends = lms[1..].iter().copied().chain([after_last]);
        lms.iter().zip(ends).for_each(|(&from, end)| self.slots[slot(from)] = end - from + 1);
    }

    /// The names in the order of the positions in `lms`.
    pub fn in_text_order<'a>(&'a self, lms: &'a [u32]) -> impl Iterator<Item = u32> + 'a {
        lms.iter().map(|&position| self.slots[slot(position)])
    }
}

/// Whether `len` bytes at `a` and at `b` are equal, round the end.
#[inline]
fn equal(text: &Words, a: u32, b: u32, len: u32) -> bool {
    let differ = text.eight(a) ^ text.eight(b);
    if len <= SHORT {
        differ << (64 - 8 * len) == 0
    } else {
        differ == 0 && equal_long(text, a, b, len)
    }
}

fn equal_long(text: &Words, a: u32, b: u32, len: u32) -> bool {
    let (block, len) = (text.block(), len as usize);
    let (a, b) = (a as usize, b as usize);
    match (block.get(a..a + len), block.get(b..b + len)) {
        (Some(a), Some(b)) => a == b,
        // Only the last one goes round the end. It is compared with its two neighbours.
        _ => (0..len).all(|i| block[(a + i) % block.len()] == block[(b + i) % block.len()]),
    }
}
