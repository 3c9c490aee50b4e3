//! Induction over a block of bytes. A word of 32 bits holds a position together with the byte
//! before it and the type of that byte, so that one random read is enough for each step: it fetches
//! the byte two before. The words end as the result, because they hold the last bytes of the
//! rotations.

use super::types;

/// Set if the position before is of type L.
const AFTER_L: u32 = 1 << 31;

/// Positions are written with 20 bits. More than [`super::super::BLOCK_BYTES`].
const POSITIONS: usize = 1 << 20;

/// LMS positions are never neighbours.
pub(super) const LMS_POSITIONS: usize = POSITIONS / 2;

/// Where the byte before is, in a word.
const BYTE_SHIFT: u32 = POSITIONS.trailing_zeros();

/// Bytes in front of the block: its last ones, so that the steps go round the end.
const LEAD: usize = 2;

/// Bytes behind the block: its first ones, so that eight bytes can be read at any position.
const TAIL: usize = 8;

const _: () = assert!(super::super::BLOCK_BYTES + LEAD + TAIL <= POSITIONS);

/// An index that is in bounds for the compiler to see. It changes none: all are below
/// [`POSITIONS`].
const MASK: usize = POSITIONS - 1;

pub fn position(word: u32) -> usize {
    word as usize & MASK
}

pub fn byte_before(word: u32) -> u8 {
    (word >> BYTE_SHIFT) as u8
}

fn word(position: u32, byte_before: u8, after_l: bool) -> u32 {
    position | u32::from(byte_before) << BYTE_SHIFT | u32::from(after_l) << 31
}

/// Positions with the same first byte are a bucket: first those of type L, then those of type S,
/// of which the LMS positions are the last when a scan begins.
struct Buckets {
    starts: [u32; 256],
    /// Where type S begins.
    middles: [u32; 256],
    ends: [u32; 256],
    /// How many LMS positions there are.
    lms: [u32; 256],
}

/// A block and its words.
pub struct Words {
    /// The byte at `position` is at `position + LEAD`.
    text: Box<[u8; POSITIONS]>,
    words: Box<[u32; POSITIONS]>,
    len: usize,
    buckets: Buckets,
}

/// A table that is not built on the stack.
fn boxed<T: Copy + Default>() -> Box<[T; POSITIONS]> {
    let table = vec![T::default(); POSITIONS].into_boxed_slice();
    table.try_into().unwrap_or_else(|_| unreachable!("the length is the same constant"))
}

impl Words {
    pub fn new() -> Words {
        let [starts, middles, ends, lms] = [[0; 256]; 4];
        let buckets = Buckets { starts, middles, ends, lms };
        Words { text: boxed(), words: boxed(), len: 0, buckets }
    }

    /// The result for a block of equal bytes, which has no types.
    pub fn constant(&mut self, block: &[u8]) -> Rotations<'_> {
        self.len = block.len();
        (0..)
            .zip(&mut self.words[..block.len()])
            .for_each(|(at, w)| *w = word(at, block[0], false));
        self.rotations()
    }

    /// Takes a block of at least two different bytes, and finds its LMS positions.
    pub fn load(&mut self, block: &[u8], lms: &mut Vec<u32>) {
        self.len = block.len();
        self.text[LEAD..LEAD + self.len].copy_from_slice(block);
        let (front, end) = (self.len - LEAD, LEAD + self.len);
        self.text[..LEAD].copy_from_slice(&block[front..]);
        (0..TAIL).for_each(|at| self.text[end + at] = block[at % self.len]);
        let mut counts = [[0; 2]; 256];
        types::classify(block, lms, |byte, is_s| {
            counts[usize::from(byte)][usize::from(is_s)] += 1;
        });
        let mut at = 0;
        for (byte, [l, s]) in counts.into_iter().enumerate() {
            self.buckets.starts[byte] = at;
            self.buckets.middles[byte] = at + l;
            at += l + s;
            self.buckets.ends[byte] = at;
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// The byte before `position`.
    fn before(&self, position: u32) -> u8 {
        self.text[(position as usize + LEAD - 1) & MASK]
    }

    /// Eight bytes from `position` on, round the end.
    pub fn eight(&self, position: u32) -> u64 {
        let at = position as usize + LEAD;
        self.text[at..].first_chunk().map_or(0, |&eight| u64::from_le_bytes(eight))
    }

    pub fn block(&self) -> &[u8] {
        &self.text[LEAD..LEAD + self.len]
    }

    /// Puts LMS positions at the ends of their buckets, in any order.
    pub fn put_lms(&mut self, lms: &[u32]) {
        let mut free = self.buckets.ends;
        for &position in lms {
            let first = usize::from(self.text[(position as usize + LEAD) & MASK]);
            free[first] -= 1;
            self.words[free[first] as usize & MASK] = word(position, self.before(position), true);
        }
        let ends_and_free = self.buckets.ends.iter().zip(free);
        let lms = self.buckets.lms.iter_mut().zip(ends_and_free);
        lms.for_each(|(lms, (end, free))| *lms = end - free);
    }

    /// Puts LMS positions at the ends of their buckets, in the order of their rotations.
    pub fn put_sorted_lms(&mut self, sorted: &[u32]) {
        let mut sorted = sorted;
        for byte in 0..256 {
            let (bucket, rest) = sorted.split_at(self.buckets.lms[byte] as usize);
            let end = self.buckets.ends[byte] as usize;
            for (at, &position) in (end - bucket.len()..end).zip(bucket) {
                self.words[at & MASK] = word(position, self.before(position), true);
            }
            sorted = rest;
        }
    }

    /// Induces the positions of type L from the LMS positions, in ascending order: each comes
    /// before its bucket's place is scanned.
    pub fn induce_l(&mut self) {
        let Words { text, words, len, buckets } = self;
        let mut free = buckets.starts;
        let mut put = |words: &mut [u32; POSITIONS], from: u32| {
            let (first, before) = (byte_before(from), text[position(from)]);
            let place = &mut free[usize::from(first)];
            let at = *place as usize & MASK;
            *place += 1;
            words[at] = word(previous(from, *len), before, before >= first);
        };
        for byte in 0..256 {
            for at in buckets.starts[byte]..buckets.middles[byte] {
                let from = words[at as usize & MASK];
                if from & AFTER_L != 0 {
                    put(words, from);
                }
            }
            for at in buckets.ends[byte] - buckets.lms[byte]..buckets.ends[byte] {
                let from = words[at as usize & MASK];
                put(words, from);
            }
        }
    }

    /// Induces the positions of type S from those of type L, in descending order.
    pub fn induce_s(&mut self) {
        self.scan_s(|_| {});
    }

    /// Like [`Words::induce_s`], and writes the LMS positions to `sorted` in the order in which
    /// they come out. There are `count`.
    pub fn induce_s_and_collect(&mut self, sorted: &mut Vec<u32>, count: usize) {
        sorted.resize(count, 0);
        let mut free = count;
        self.scan_s(|from| {
            free -= 1;
            sorted[free] = position(from) as u32;
        });
    }

    /// Calls `see_lms` for each LMS position, the last one first.
    fn scan_s(&mut self, mut see_lms: impl FnMut(u32)) {
        let Words { text, words, len, buckets } = self;
        let mut free = buckets.ends;
        let mut put = |words: &mut [u32; POSITIONS], from: u32| {
            let (first, before) = (byte_before(from), text[position(from)]);
            let place = &mut free[usize::from(first)];
            *place -= 1;
            let at = *place as usize & MASK;
            words[at] = word(previous(from, *len), before, before > first);
        };
        for byte in (0..256).rev() {
            for at in (buckets.middles[byte]..buckets.ends[byte]).rev() {
                let from = words[at as usize & MASK];
                if from & AFTER_L == 0 {
                    put(words, from);
                } else {
                    see_lms(from);
                }
            }
            for at in (buckets.starts[byte]..buckets.middles[byte]).rev() {
                let from = words[at as usize & MASK];
                if from & AFTER_L == 0 {
                    put(words, from);
                }
            }
        }
    }

    pub fn rotations(&self) -> Rotations<'_> {
        Rotations { words: &self.words[..self.len] }
    }
}

/// The position before that of `word`, round the end.
#[inline]
fn previous(word: u32, len: usize) -> u32 {
    match position(word) {
        0 => len as u32 - 1,
        at => at as u32 - 1,
    }
}

/// The sorted rotations of a block.
pub struct Rotations<'a> {
    words: &'a [u32],
}

impl<'a> Rotations<'a> {
    /// The last byte of each rotation.
    pub fn last_bytes(&self) -> impl ExactSizeIterator<Item = u8> + use<'a> {
        self.words.iter().map(|&word| byte_before(word))
    }

    /// Which of them is the block itself.
    pub fn row(&self) -> usize {
        // Each position is there once.
        self.words.iter().position(|&word| position(word) == 0).unwrap_or(0)
    }
}
