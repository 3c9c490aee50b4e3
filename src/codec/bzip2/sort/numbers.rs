//! Sorts the rotations of a text of names: the same algorithm as for bytes, with as many buckets
//! as there are names, so that what is packed into words there must be looked up here. Each time
//! that names are given twice, the text of these names is one level deeper and at most half as
//! long.

use super::types;
use super::words::LMS_POSITIONS;

/// Set in an entry of `order` if the position before is of type L.
const AFTER_L: u32 = 1 << 31;
/// Set if this is an LMS position, found by the scan for type S.
const LMS: u32 = 1 << 30;
/// The position. A text has less than 2^19.
const POSITION: u32 = LMS - 1;

/// The buffers of one level.
#[derive(Default)]
struct Level {
    /// Names from 0 on, without gaps.
    text: Vec<u32>,
    /// Positions in the order of their rotations, with flags.
    order: Vec<u32>,
    /// Where the bucket of each name begins, and the end of the last.
    starts: Vec<u32>,
    /// The next free place in each bucket.
    free: Vec<u32>,
    lms: Vec<u32>,
    sorted: Vec<u32>,
    /// Like `Names::slots`.
    slots: Vec<u32>,
}

#[derive(Default)]
pub struct Numbers {
    levels: Vec<Level>,
}

impl Numbers {
    pub fn new() -> Numbers {
        // A text is at most half as long as the one above.
        let levels = (0..LMS_POSITIONS.ilog2() + 1).map(|_| Level::default()).collect();
        Numbers { levels }
    }

    /// The order of the rotations of `names`, as their positions.
    pub fn sort(&mut self, names: impl Iterator<Item = u32>) -> impl Iterator<Item = usize> {
        let top = &mut self.levels[0];
        top.text.clear();
        top.text.extend(names);
        sort(&mut self.levels);
        self.levels[0].order.iter().map(|&entry| (entry & POSITION) as usize)
    }
}

fn sort(levels: &mut [Level]) {
    // The deepest level has one symbol, which is constant.
    let Some((level, deeper)) = levels.split_first_mut() else { return };
    if level.text.iter().all(|&name| name == level.text[0]) {
        level.order.clear();
        level.order.extend(0..level.text.len() as u32);
        return;
    }
    level.classify();
    level.put(false);
    level.induce_l();
    level.induce_s();
    level.collect();
    if !level.give_names() {
        let next = &mut deeper[0];
        next.text.clear();
        next.text.extend(level.lms.iter().map(|&at| level.slots[at as usize / 2]));
        sort(deeper);
        let order = deeper[0].order.iter().map(|&entry| (entry & POSITION) as usize);
        level.sorted.clear();
        level.sorted.extend(order.map(|at| level.lms[at]));
    }
    level.put(true);
    level.induce_l();
    level.induce_s();
}

impl Level {
    fn classify(&mut self) {
        let names = self.text.iter().max().map_or(0, |&most| most as usize + 1);
        self.starts.clear();
        self.starts.resize(names + 1, 0);
        let starts = &mut self.starts;
        types::classify(&self.text, &mut self.lms, |name, _| starts[name as usize + 1] += 1);
        let mut sum = 0;
        for start in starts {
            sum += *start;
            *start = sum;
        }
    }

    /// Puts LMS positions at the ends of their buckets.
    fn put(&mut self, sorted: bool) {
        self.free_ends();
        self.order.clear();
        self.order.resize(self.text.len(), 0);
        let lms = if sorted { &self.sorted } else { &self.lms };
        for &position in lms.iter().rev() {
            let free = &mut self.free[self.text[position as usize] as usize];
            *free -= 1;
            self.order[*free as usize] = position | AFTER_L;
        }
    }

    fn free_ends(&mut self) {
        self.free.clear();
        self.free.extend_from_slice(&self.starts[1..]);
    }

    fn induce_l(&mut self) {
        self.free.clear();
        self.free.extend_from_slice(&self.starts[..self.starts.len() - 1]);
        for at in 0..self.order.len() {
            let entry = self.order[at];
            if entry & AFTER_L != 0 {
                let (position, name, before) = self.step(entry);
                let free = &mut self.free[name as usize];
                self.order[*free as usize] = position | if before >= name { AFTER_L } else { 0 };
                *free += 1;
            }
        }
    }

    fn induce_s(&mut self) {
        self.free_ends();
        for at in (0..self.order.len()).rev() {
            let entry = self.order[at];
            if entry & AFTER_L == 0 {
                let (position, name, before) = self.step(entry);
                let free = &mut self.free[name as usize];
                *free -= 1;
                self.order[*free as usize] =
                    position | if before > name { AFTER_L | LMS } else { 0 };
            }
        }
    }

    /// The position before, the name there, and the name before that.
    #[inline]
    fn step(&self, entry: u32) -> (u32, u32, u32) {
        let len = self.text.len();
        let previous = |at: usize| if at == 0 { len - 1 } else { at - 1 };
        let position = previous((entry & POSITION) as usize);
        (position as u32, self.text[position], self.text[previous(position)])
    }

    fn collect(&mut self) {
        let lms = self.order.iter().filter(|&&entry| entry & LMS != 0);
        self.sorted.clear();
        self.sorted.extend(lms.map(|&entry| entry & POSITION));
    }

    /// Like `Names::give`.
    fn give_names(&mut self) -> bool {
        let len = self.text.len() as u32;
        self.slots.resize(self.text.len() / 2 + 1, 0);
        let ends = self.lms[1..].iter().copied().chain([self.lms[0] + len]);
        self.lms.iter().zip(ends).for_each(|(&at, end)| self.slots[at as usize / 2] = end - at + 1);
        let (mut name, mut last, mut last_len) = (0, 0, 0);
        for (index, &at) in self.sorted.iter().enumerate() {
            let len = self.slots[at as usize / 2];
            name += u32::from(index > 0 && (len != last_len || !self.equal(last, at, len)));
            self.slots[at as usize / 2] = name;
            (last, last_len) = (at, len);
        }
        name as usize + 1 == self.sorted.len()
    }

    fn equal(&self, a: u32, b: u32, len: u32) -> bool {
        let (a, b, len) = (a as usize, b as usize, len as usize);
        match (self.text.get(a..a + len), self.text.get(b..b + len)) {
            (Some(a), Some(b)) => a == b,
            _ => {
                let at = |i: usize| self.text[i % self.text.len()];
                (0..len).all(|i| at(a + i) == at(b + i))
            }
        }
    }
}
