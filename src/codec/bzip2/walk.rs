//! From the last bytes of the sorted rotations back to the block (the inverse Burrows-Wheeler
//! transform). Separate because of how it gains its speed.
//!
//! The last bytes, sorted stably, are the first bytes. Which last byte became a first byte leads from
//! each rotation to the one that is shifted by a byte. This is a chain: each step needs a read at an
//! unpredictable place, and nothing else can be done in the meantime. bzip2 follows it from one row.
//! But one may follow it from any row, if the parts are put in order afterwards. So evenly spread rows
//! are marked, several walkers follow the chain at the same time, each from one mark to the next one,
//! and the processor waits for several reads at once.
//!
//! If the block is a string repeated (`abab`), there are several chains, all alike. One of them
//! gives the whole string, and the block is filled with copies of it.

use super::BLOCK_BYTES;

/// Walkers at the same time. Measured on a Xeon (Sapphire Rapids) with tars of documentation and
/// sources: with 12 a stream takes 5 to 10 % less time than with 8, with 16 as long as with 12.
const WALKERS: usize = 12;

/// Pieces into which a block is divided, roughly.
const PIECES: usize = 512;

/// Shorter blocks are followed from one row.
const SHORT: usize = 4096;

/// Rows are numbers of 20 bits, so that masking a row replaces the check of an index.
const ROWS: usize = 1 << 20;
const ROW: u32 = ROWS as u32 - 1;
const _: () = assert!(BLOCK_BYTES <= ROWS);

/// Set in a step which leads to a marked row.
const TO_MARK: u32 = 1 << 31;

/// Steps for which memory is added at once. Not a power of two: walkers write at this distance, and
/// the same lowest bits of their addresses would make them drive each other out of the cache.
const STRETCH: usize = 4096 - 64;

/// What each walker wrote.
type Stretch = [[u8; STRETCH]; WALKERS];

/// Where the piece of a mark is, and what follows it.
#[derive(Clone, Copy, Default)]
struct Piece {
    walker: usize,
    /// Steps of all walkers before its first and behind its last byte.
    from: usize,
    to: usize,
    /// Which mark comes next.
    next: usize,
}

/// The tables of one block. Kept from block to block for their memory.
pub(super) struct Walk {
    /// By row: the next row | first byte of this one << 20 | [`TO_MARK`].
    steps: Box<[u32; ROWS]>,
    /// Marked rows, in order.
    marks: Vec<u32>,
    /// By mark.
    pieces: Vec<Piece>,
    stretches: Vec<Stretch>,
}

impl Walk {
    pub fn new() -> Walk {
        let steps = vec![0; ROWS].into_boxed_slice();
        let steps = steps.try_into().expect("it has ROWS elements, from the line above");
        Walk { steps, marks: Vec::new(), pieces: Vec::new(), stretches: Vec::new() }
    }

    /// Turns the last bytes of the sorted rotations into the block. `counts` says how often each
    /// value occurs in `bytes`, of which there are at most [`BLOCK_BYTES`], and `row`, which is
    /// below their number, which rotation is the block itself.
    pub fn invert(&mut self, bytes: &mut [u8], counts: &[u32; 256], row: usize) {
        self.mark(bytes.len(), row);
        self.build(bytes, counts);
        if self.marks.len() >= WALKERS && self.follow_all(bytes.len()) {
            self.join(row, bytes);
        } else {
            self.follow_one(row, bytes);
        }
    }

    fn mark(&mut self, rows: usize, row: usize) {
        let apart = if rows < SHORT { rows } else { rows / PIECES };
        self.marks.clear();
        self.marks.extend((0..rows as u32).step_by(apart.max(1)));
        if let Err(place) = self.marks.binary_search(&(row as u32)) {
            self.marks.insert(place, row as u32);
        }
    }

    fn build(&mut self, last: &[u8], counts: &[u32; 256]) {
        let mut total = 0;
        let mut firsts = counts.map(|count| {
            total += count;
            total - count
        });
        for (i, &mark) in self.marks.iter().enumerate() {
            let end = self.marks.get(i + 1).map_or(last.len(), |&next| next as usize);
            let bytes = &last[mark as usize..end];
            let to_mark = firsts[usize::from(bytes[0])] & ROW;
            for (row, &byte) in (mark..).zip(bytes) {
                let first = &mut firsts[usize::from(byte)];
                self.steps[(*first & ROW) as usize] = row | u32::from(byte) << 20;
                *first += 1;
            }
            self.steps[to_mark as usize] |= TO_MARK;
        }
    }

    /// As bzip2 does it: one step after the other.
    fn follow_one(&self, row: usize, block: &mut [u8]) {
        let mut step = row as u32;
        for byte in block {
            step = self.steps[(step & ROW) as usize];
            *byte = (step >> 20) as u8;
        }
    }

    /// Follows the chain from all marks. Gives up and returns false if it takes twice as many rounds
    /// as it should: marks that badly spread over the block are no help, and cost memory.
    fn follow_all(&mut self, rows: usize) -> bool {
        let mut walkers = Walkers::new(&self.marks, &mut self.pieces);
        for stretch in 0..=2 * rows / WALKERS / STRETCH + 1 {
            if stretch == self.stretches.len() {
                self.stretches.push([[0; STRETCH]; WALKERS]);
            }
            if walkers.follow(&self.steps, stretch * STRETCH, &mut self.stretches[stretch]) {
                return true;
            }
        }
        false
    }

    /// Puts the pieces in order, from the one of `row` on.
    fn join(&self, row: usize, block: &mut [u8]) {
        let first = number_of(row as u32, &self.marks);
        let (mut mark, mut len) = (first, 0);
        loop {
            let piece = &self.pieces[mark];
            let end = len + piece.to - piece.from;
            self.copy(piece, &mut block[len..end]);
            (len, mark) = (end, piece.next);
            if mark == first {
                return repeat(len, block);
            }
        }
    }

    fn copy(&self, piece: &Piece, mut to: &mut [u8]) {
        let mut from = piece.from;
        while !to.is_empty() {
            let stretch = &self.stretches[from / STRETCH][piece.walker][from % STRETCH..];
            let (now, later) = to.split_at_mut(stretch.len().min(to.len()));
            now.copy_from_slice(&stretch[..now.len()]);
            from += now.len();
            to = later;
        }
    }
}

/// Fills `block` with copies of its first `len` bytes.
fn repeat(mut len: usize, block: &mut [u8]) {
    while len < block.len() {
        let more = len.min(block.len() - len);
        block.copy_within(..more, len);
        len += more;
    }
}

/// Which of the marks is at `row`.
fn number_of(row: u32, marks: &[u32]) -> usize {
    marks.partition_point(|&mark| mark < row)
}

/// Walkers that go in step: each does one step in a round.
struct Walkers<'a> {
    marks: &'a [u32],
    pieces: &'a mut Vec<Piece>,
    /// The latest step of each, of which only the row counts.
    steps: [u32; WALKERS],
    /// Which mark each came from, `None` if there was none left.
    mark: [Option<usize>; WALKERS],
    /// In which round that was.
    from: [usize; WALKERS],
    /// How many pieces are begun and done.
    begun: usize,
    done: usize,
}

impl<'a> Walkers<'a> {
    fn new(marks: &'a [u32], pieces: &'a mut Vec<Piece>) -> Walkers<'a> {
        pieces.clear();
        pieces.resize(marks.len(), Piece::default());
        let (steps, mark, from) = ([0; WALKERS], [None; WALKERS], [0; WALKERS]);
        let mut walkers = Walkers { marks, pieces, steps, mark, from, begun: 0, done: 0 };
        (0..WALKERS).for_each(|walker| walkers.begin(walker, 0));
        walkers
    }

    /// Sends a walker to the next mark. One that has none goes on, and what it writes is not used.
    fn begin(&mut self, walker: usize, round: usize) {
        self.mark[walker] = (self.begun < self.marks.len()).then_some(self.begun);
        if let Some(mark) = self.mark[walker] {
            self.steps[walker] = self.marks[mark];
            self.from[walker] = round;
            self.begun += 1;
        }
    }

    /// Goes as many rounds as the stretch has room for. Returns whether all pieces are done.
    fn follow(&mut self, table: &[u32; ROWS], before: usize, stretch: &mut Stretch) -> bool {
        let mut steps = self.steps; // a copy that can be kept in registers
        for round in 0..STRETCH {
            let mut any = 0;
            for (step, bytes) in steps.iter_mut().zip(stretch.iter_mut()) {
                *step = table[(*step & ROW) as usize];
                bytes[round] = (*step >> 20) as u8;
                any |= *step;
            }
            if any & TO_MARK != 0 {
                self.steps = steps;
                if self.arrive(before + round + 1) {
                    return true;
                }
                steps = self.steps;
            }
        }
        self.steps = steps;
        false
    }

    /// Ends the pieces of those who have come to a mark. Returns whether all pieces are done.
    #[cold]
    #[inline(never)]
    fn arrive(&mut self, round: usize) -> bool {
        for walker in 0..WALKERS {
            let step = self.steps[walker];
            if step & TO_MARK == 0 {
                continue;
            }
            if let Some(mark) = self.mark[walker] {
                let (from, next) = (self.from[walker], number_of(step & ROW, self.marks));
                self.pieces[mark] = Piece { walker, from, to: round, next };
                self.done += 1;
                self.begin(walker, round);
            }
        }
        self.done == self.pieces.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The last bytes of the sorted rotations, and the row of the block.
    fn sorted(block: &[u8]) -> (Vec<u8>, usize) {
        let mut rotations: Vec<usize> = (0..block.len()).collect();
        let twice = [block, block].concat();
        rotations.sort_by_key(|&at| &twice[at..at + block.len()]);
        let last = rotations.iter().map(|at| twice[at + block.len() - 1]).collect();
        (last, rotations.iter().position(|&at| at == 0).unwrap())
    }

    fn counted(bytes: &[u8]) -> [u32; 256] {
        let mut counts = [0; 256];
        bytes.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
        counts
    }

    /// A step at a time, from the definition: the n-th of a value among the first bytes is the n-th
    /// of it among the last.
    fn plainly(last: &[u8], row: usize) -> Vec<u8> {
        let mut steps: Vec<usize> = (0..last.len()).collect();
        steps.sort_by_key(|&row| last[row]);
        let rows = std::iter::successors(Some(steps[row]), |&row| Some(steps[row]));
        rows.take(last.len()).map(|row| last[row]).collect()
    }

    thread_local! {
        /// With what earlier blocks left in it.
        static WALK: std::cell::RefCell<Walk> = std::cell::RefCell::new(Walk::new());
    }

    fn inverted(last: &[u8], row: usize) -> Vec<u8> {
        let mut bytes = last.to_vec();
        WALK.with_borrow_mut(|walk| walk.invert(&mut bytes, &counted(last), row));
        bytes
    }

    #[test]
    fn a_block_comes_back_from_its_sorted_rotations() {
        let text: Vec<u8> = (0..9000_u32).map(|i| (i * i / 7 % 11) as u8).collect();
        for len in [1, 2, 3, 100, SHORT - 1, SHORT, SHORT + 1, 9000] {
            let (last, row) = sorted(&text[..len]);
            assert_eq!(inverted(&last, row), &text[..len], "{len} bytes");
        }
    }

    #[test]
    fn a_string_repeated_comes_back_though_its_chains_are_short() {
        for period in [1, 2, 3, 7, 100, 2000, 3000] {
            let once: Vec<u8> = (0..period).map(|i| (i * i % 13) as u8).collect();
            let text = once.repeat(6000 / period);
            let (last, row) = sorted(&text);
            assert_eq!(inverted(&last, row), text, "period {period}");
        }
    }

    #[test]
    fn a_chain_that_hardly_meets_a_mark_is_followed_alone() {
        // Each step leads `apart` rows on: 511 times from mark to mark, and then, by a row beside
        // them, past all marks until the chain comes round.
        let apart = 195;
        let rows = PIECES * apart + 1;
        let last = [vec![1; rows - apart], vec![0; apart]].concat();
        for row in [0, 1, 50_000, rows - 1] {
            let mut walk = Walk::new();
            let mut bytes = last.clone();
            walk.invert(&mut bytes, &counted(&last), row);
            assert_eq!(bytes, plainly(&last, row), "row {row}");
            let written = walk.stretches.len() * STRETCH * WALKERS;
            assert!(written <= 2 * rows + 2 * STRETCH * WALKERS, "{written}");
            assert!(walk.pieces.iter().any(|piece| piece.to == 0), "gave up before all were done");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_bytes_and_any_row_give_what_single_steps_give(
            last in prop::collection::vec(0_u8..4, 1..10_000), row in any::<prop::sample::Index>()
        ) {
            let row = row.index(last.len());
            prop_assert_eq!(inverted(&last, row), plainly(&last, row));
        }
    }
}
