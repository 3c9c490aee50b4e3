//! The map of a rescue, in the format of GNU ddrescue's mapfiles (its manual, "Mapfile structure"),
//! so that either program continues with what the other began.

use std::collections::BTreeMap;
use std::ops::Range;

/// What is known of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockStatus {
    /// Nobody tried.
    Untried,
    /// Reading failed somewhere in it; its ends may be good.
    NotTrimmed,
    /// The same, without good ends.
    NotScraped,
    /// A sector that cannot be read.
    Bad,
    /// It is in the image.
    Finished,
}

impl BlockStatus {
    const ALL: [(BlockStatus, char); 5] = [
        (BlockStatus::Untried, '?'),
        (BlockStatus::NotTrimmed, '*'),
        (BlockStatus::NotScraped, '/'),
        (BlockStatus::Bad, '-'),
        (BlockStatus::Finished, '+'),
    ];

    fn sign(self) -> char {
        BlockStatus::ALL.iter().find(|(status, _)| *status == self).map_or('?', |(_, sign)| *sign)
    }

    fn of(sign: &str) -> Option<BlockStatus> {
        let mut all = BlockStatus::ALL.iter();
        all.find(|(_, own)| sign.len() == 1 && sign.starts_with(*own)).map(|(status, _)| *status)
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MapError {
    #[error("line {line} is not valid in a ddrescue mapfile")]
    Line { line: usize },
    #[error("its blocks are not contiguous at line {line}")]
    Gap { line: usize },
    #[error("it has no blocks")]
    Empty,
}

/// Statuses of bytes from 0 to the medium's end, without a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// Where each stretch begins; it goes on to the next one, and neighbours differ.
    stretches: BTreeMap<u64, BlockStatus>,
    end: u64,
}

impl Map {
    pub fn new(end: u64) -> Map {
        Map { stretches: BTreeMap::from([(0, BlockStatus::Untried)]), end }
    }

    pub fn end(&self) -> u64 {
        self.end
    }

    /// The medium turned out to be longer.
    pub fn extend(&mut self, end: u64) {
        if end > self.end {
            let from = self.end;
            self.end = end;
            self.stretches.insert(from, BlockStatus::Untried);
            self.set(from..end, BlockStatus::Untried);
        }
    }

    fn at(&self, position: u64) -> BlockStatus {
        let before = self.stretches.range(..=position).next_back();
        before.map_or(BlockStatus::Untried, |(_, status)| *status)
    }

    pub fn set(&mut self, range: Range<u64>, status: BlockStatus) {
        let range = range.start..range.end.min(self.end);
        if range.is_empty() {
            return;
        }
        let behind = self.at(range.end);
        let inside: Vec<u64> = self.stretches.range(range.clone()).map(|(at, _)| *at).collect();
        for at in inside {
            self.stretches.remove(&at);
        }
        let before = range.start.checked_sub(1).map(|position| self.at(position));
        if before != Some(status) {
            self.stretches.insert(range.start, status);
        }
        if range.end < self.end {
            self.stretches.remove(&range.end);
            if behind != status {
                self.stretches.insert(range.end, behind);
            }
        }
    }

    /// All stretches in order.
    pub fn stretches(&self) -> Vec<(Range<u64>, BlockStatus)> {
        let starts: Vec<(u64, BlockStatus)> =
            self.stretches.iter().map(|(a, s)| (*a, *s)).collect();
        let ends = starts.iter().skip(1).map(|(at, _)| *at).chain([self.end]);
        let joined = starts.iter().zip(ends);
        joined.map(|(&(start, status), end)| (start..end, status)).collect()
    }

    /// The stretches of a status.
    pub fn with(&self, wanted: BlockStatus) -> Vec<Range<u64>> {
        let all = self.stretches().into_iter();
        all.filter(|(_, status)| *status == wanted).map(|(range, _)| range).collect()
    }

    pub fn bytes(&self, wanted: BlockStatus) -> u64 {
        self.with(wanted).iter().map(|range| range.end - range.start).sum()
    }

    /// Whether all of a range is in the image.
    pub fn is_finished(&self, range: &Range<u64>) -> bool {
        let stretches = self.stretches().into_iter();
        let overlaps = |other: &Range<u64>| other.start < range.end && range.start < other.end;
        range.end <= self.end
            && stretches
                .filter(|(other, _)| overlaps(other))
                .all(|(_, status)| status == BlockStatus::Finished)
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        let all_done = self.stretches.values().all(|status| *status == BlockStatus::Finished);
        let state = match (all_done, self.bytes(BlockStatus::Untried)) {
            (true, _) => '+',
            (false, 0) => '-',
            (false, _) => '?',
        };
        let mut text = format!(
            "# Mapfile of a disc's rescue, as GNU ddrescue has them. Made by coldcut {}\n\
             # current_pos  current_status  current_pass\n0x00000000     {state}               1\n\
             #      pos        size  status\n",
            env!("CARGO_PKG_VERSION")
        );
        for (range, status) in self.stretches() {
            let length = range.end - range.start;
            let sign = status.sign();
            text.push_str(&format!("0x{:08X}  0x{length:08X}  {sign}\n", range.start));
        }
        text
    }

    /// Reads a map of ours or of ddrescue.
    pub fn parse(text: &str) -> Result<Map, MapError> {
        let lines = text.lines().enumerate().map(|(n, line)| (n + 1, line.trim()));
        let mut lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        // Where ddrescue stood last; everything is in the blocks.
        lines.next().ok_or(MapError::Empty)?;
        let mut map = Map { stretches: BTreeMap::new(), end: 0 };
        for (line, words) in lines {
            let words: Vec<&str> = words.split_whitespace().collect();
            let block = match words[..] {
                [at, length, sign] => number(at).zip(number(length)).zip(BlockStatus::of(sign)),
                _ => None,
            };
            let ((at, length), status) = block.ok_or(MapError::Line { line })?;
            if at != map.end || length == 0 {
                return Err(MapError::Gap { line });
            }
            let end = at.checked_add(length).ok_or(MapError::Line { line })?;
            map.end = end;
            if map.stretches.values().next_back() != Some(&status) {
                map.stretches.insert(at, status);
            }
        }
        if map.end == 0 { Err(MapError::Empty) } else { Ok(map) }
    }
}

/// `0x1F`, as ddrescue writes them; decimal ones are read, too.
fn number(word: &str) -> Option<u64> {
    match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stretches_are_split_and_joined() {
        let mut map = Map::new(100);
        map.set(10..20, BlockStatus::Finished);
        map.set(20..30, BlockStatus::Finished);
        map.set(15..17, BlockStatus::Bad);
        map.set(90..200, BlockStatus::Finished);
        let found: Vec<_> =
            map.stretches().into_iter().map(|(r, s)| (r.start, r.end, s.sign())).collect();
        let wanted = [
            (0, 10, '?'),
            (10, 15, '+'),
            (15, 17, '-'),
            (17, 30, '+'),
            (30, 90, '?'),
            (90, 100, '+'),
        ];
        assert_eq!(found, wanted);
        assert!(map.is_finished(&(17..30)) && !map.is_finished(&(17..31)));
        assert!(!map.is_finished(&(90..101)));
        map.set(0..100, BlockStatus::Finished);
        assert_eq!(map.stretches().len(), 1);
        map.extend(120);
        assert_eq!(map.bytes(BlockStatus::Untried), 20);
    }

    #[test]
    fn a_map_of_ddrescue_is_read() {
        let text = "# Mapfile. Created by GNU ddrescue version 1.27\n# Command line: ddrescue a b m\n\
            # Start time:   2026-01-01 10:00:00\n# current_pos  current_status  current_pass\n\
            0x00010000     *               1\n#      pos        size  status\n\
            0x00000000  0x00010000  +\n0x00010000  0x00000800  -\n0x00010800  0x000FF800  ?\n\
            0x00110000  0x00010000  /\n0x00120000  0x00010000  *\n";
        let map = Map::parse(text).unwrap();
        assert_eq!(map.end(), 0x13_0000);
        assert_eq!(map.with(BlockStatus::Bad), vec![0x1_0000..0x1_0800]);
        assert_eq!(map.with(BlockStatus::NotScraped), vec![0x11_0000..0x12_0000]);
        assert_eq!(Map::parse(&map.to_text()).unwrap(), map);
    }

    #[test]
    fn what_is_no_map_is_refused_with_its_line() {
        let head = "0x0 ? 1\n";
        let bad = |rows: &str| Map::parse(&format!("{head}{rows}")).unwrap_err();
        assert_eq!(bad("0x0 0x10 +\n0x20 0x10 +\n"), MapError::Gap { line: 3 });
        assert_eq!(bad("0x0 0x10 x\n"), MapError::Line { line: 2 });
        assert_eq!(bad("0x0 0x10\n"), MapError::Line { line: 2 });
        assert_eq!(bad("0x0 0x0 +\n"), MapError::Gap { line: 2 });
        assert_eq!(bad(""), MapError::Empty);
        assert_eq!(Map::parse(""), Err(MapError::Empty));
    }

    proptest! {
        #[test]
        fn it_is_what_an_array_of_bytes_would_be(
            steps in proptest::collection::vec((0_u64..50, 0_u64..50, 0_usize..5), 0..40)
        ) {
            let mut map = Map::new(40);
            let mut bytes = [BlockStatus::Untried; 40];
            for (start, length, status) in steps {
                let status = BlockStatus::ALL[status].0;
                map.set(start..start + length, status);
                (start..start + length)
                    .filter(|at| *at < 40)
                    .for_each(|at| bytes[at as usize] = status);
            }
            for (range, status) in map.stretches() {
                prop_assert!(bytes[range.start as usize..range.end as usize]
                    .iter()
                    .all(|byte| *byte == status));
            }
            let signs: Vec<BlockStatus> = map.stretches().into_iter().map(|(_, s)| s).collect();
            prop_assert!(signs.windows(2).all(|pair| pair[0] != pair[1]));
            prop_assert_eq!(Map::parse(&map.to_text()).unwrap(), map);
        }
    }
}
