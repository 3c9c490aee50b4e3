//! Which pieces of a file hold data and which are holes, and the map of GNU's sparse format 1.0
//! that says so at the front of a member's data (format 3.2).

use std::fmt::Write;
use std::io::{self, Read};

/// Blocks of a tar file.
pub(super) const BLOCK: u64 = 512;

/// More pieces than this are not worth a map: the file is stored with its zeros.
/// Keeps a hostile map below 16 MiB of memory.
pub const MAX_REGIONS: usize = 1 << 20;

/// The regions of a file that hold data; all between them are holes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SparseMap {
    size: u64,
    regions: Vec<(u64, u64)>,
}

impl SparseMap {
    /// A map of a file of `size` bytes with data at `(offset, length)`, as SEEK_DATA tells.
    /// Regions of length 0 are dropped. `None` if they are out of order, overlap, lead beyond the
    /// size, or are too many.
    ///
    /// Every region but one at the file's end is made a multiple of 512 bytes long by taking in
    /// the zeros after it: GNU tar begins each region on a new block.
    pub fn new(size: u64, regions: &[(u64, u64)]) -> Option<SparseMap> {
        let map = SparseMap { size, regions: checked(size, regions)? };
        (map.regions.len() <= MAX_REGIONS).then(|| map.in_blocks())
    }

    fn in_blocks(self) -> SparseMap {
        let size = self.size;
        let whole_blocks = |from: u64, end: u64| {
            let len = (end - from).checked_next_multiple_of(BLOCK).unwrap_or(end - from);
            len.min(size - from)
        };
        let mut regions: Vec<(u64, u64)> = Vec::with_capacity(self.regions.len());
        for (offset, len) in self.regions {
            match regions.last_mut() {
                Some((from, before)) if *from + *before >= offset => {
                    let end = (*from + *before).max(offset + len);
                    *before = whole_blocks(*from, end);
                }
                _ => regions.push((offset, whole_blocks(offset, offset + len))),
            }
        }
        SparseMap { size, regions }
    }

    /// Bytes of the file, holes counted.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// `(offset, length)` of the data, in order.
    pub fn regions(&self) -> &[(u64, u64)] {
        &self.regions
    }

    /// Bytes of data, holes not counted.
    pub fn data_len(&self) -> u64 {
        self.regions.iter().map(|(_, len)| len).sum()
    }

    /// The map of the slice `from .. from + len`, whose offsets count from `from`.
    /// `None` if the slice is not inside of the file.
    pub fn slice(&self, from: u64, len: u64) -> Option<SparseMap> {
        let end = from.checked_add(len).filter(|&end| end <= self.size)?;
        let cut = |&(offset, len): &(u64, u64)| {
            let (a, b) = (offset.max(from), (offset + len).min(end));
            (a < b).then(|| (a - from, b - a))
        };
        SparseMap::new(len, &self.regions.iter().filter_map(cut).collect::<Vec<_>>())
    }

    /// The map as it stands before the data: number of regions, then offset and length of each,
    /// a line each, filled with NUL to whole blocks. A file that ends in a hole gets a last region
    /// of length 0 at its end, as GNU tar writes it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let end = self.regions.last().map_or(0, |(offset, len)| offset + len);
        let mark = (end < self.size || self.regions.is_empty()).then_some((self.size, 0));
        let mut text = format!("{}\n", self.regions.len() + usize::from(mark.is_some()));
        for (offset, len) in self.regions.iter().copied().chain(mark) {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{offset}\n{len}");
        }
        let mut bytes = text.into_bytes();
        bytes.resize(bytes.len().next_multiple_of(BLOCK as usize), 0);
        bytes
    }

    /// Reads a map from the front of a member's data; gives it and the bytes that it took.
    /// `stored` is the length of that data: a map that leads beyond it is malformed.
    pub fn read(input: &mut impl Read, size: u64, stored: u64) -> io::Result<(SparseMap, u64)> {
        let mut numbers = NumberReader {
            input,
            block: [0; BLOCK as usize],
            at: BLOCK as usize,
            taken: 0,
            stored,
        };
        let count = numbers.next()?;
        if count > MAX_REGIONS as u64 + 1 {
            return Err(malformed("more regions than any file has"));
        }
        let mut regions = Vec::new();
        for _ in 0..count {
            regions.push((numbers.next()?, numbers.next()?));
        }
        let taken = numbers.taken;
        let regions = checked(size, &regions).ok_or_else(|| malformed("regions out of order"))?;
        Ok((SparseMap { size, regions }, taken))
    }
}

/// Drops what is empty; `None` where the order or the size is violated.
fn checked(size: u64, regions: &[(u64, u64)]) -> Option<Vec<(u64, u64)>> {
    let mut end = 0;
    for &(offset, len) in regions {
        let next = offset.checked_add(len)?;
        if offset < end || next > size {
            return None;
        }
        end = next;
    }
    Some(regions.iter().copied().filter(|&(_, len)| len > 0).collect())
}

/// Decimal lines, read block by block.
struct NumberReader<'a, R: Read> {
    input: &'a mut R,
    block: [u8; BLOCK as usize],
    at: usize,
    taken: u64,
    stored: u64,
}

impl<R: Read> NumberReader<'_, R> {
    fn next(&mut self) -> io::Result<u64> {
        let mut value: Option<u64> = None;
        loop {
            match self.byte()? {
                b'\n' => return value.ok_or_else(|| malformed("an empty line")),
                digit @ b'0'..=b'9' => {
                    let next = value.unwrap_or(0).checked_mul(10);
                    let next = next.and_then(|v| v.checked_add(u64::from(digit - b'0')));
                    value = Some(next.ok_or_else(|| malformed("a number without end"))?);
                }
                _ => return Err(malformed("something that is not a number")),
            }
        }
    }

    fn byte(&mut self) -> io::Result<u8> {
        if self.at == self.block.len() {
            if self.taken + BLOCK > self.stored.next_multiple_of(BLOCK) {
                return Err(malformed("no end within the member"));
            }
            self.input.read_exact(&mut self.block)?;
            self.taken += BLOCK;
            self.at = 0;
        }
        self.at += 1;
        Ok(self.block[self.at - 1])
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the map of a sparse file has {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(size: u64, regions: &[(u64, u64)]) -> SparseMap {
        SparseMap::new(size, regions).unwrap()
    }

    #[test]
    fn regions_end_on_blocks_or_at_the_end() {
        assert_eq!(
            map(9000, &[(0, 1), (600, 100), (8999, 1)]).regions(),
            [(0, 512), (600, 512), (8999, 1)]
        );
        assert_eq!(map(9000, &[(0, 1), (511, 1), (512, 1)]).regions(), [(0, 1024)]);
        assert_eq!(
            map(9000, &[(3, 1), (5, 1), (7, 600), (8990, 5)]).regions(),
            [(3, 1024), (8990, 10)]
        );
        assert_eq!(map(u64::MAX, &[(u64::MAX - 1, 1)]).regions(), [(u64::MAX - 1, 1)]);
    }

    #[test]
    fn maps_that_contradict_themselves_are_none() {
        for bad in
            [&[(0, 11)][..], &[(5, 2), (6, 1)], &[(5, 1), (0, 1)], &[(u64::MAX, 2)], &[(11, 0)]]
        {
            assert_eq!(SparseMap::new(10, bad), None, "{bad:?}");
        }
        let many: Vec<(u64, u64)> = (0..=MAX_REGIONS as u64).map(|i| (i * 1024, 512)).collect();
        assert_eq!(SparseMap::new(1 << 40, &many), None);
    }

    #[test]
    fn a_slice_knows_its_part_of_the_data() {
        let whole = map(100_000, &[(4096, 4096), (50_000, 512)]);
        let part = whole.slice(5000, 50_000).unwrap();
        assert_eq!((part.size(), part.regions()), (50_000, &[(0, 3584), (45_000, 512)][..]));
        assert_eq!(whole.slice(0, 4096).unwrap().data_len(), 0);
        assert_eq!(whole.slice(0, 100_000).unwrap(), whole);
        assert_eq!(whole.slice(1, 100_000), None);
        assert_eq!(whole.slice(u64::MAX, 2), None);
    }

    #[test]
    fn a_map_comes_back_from_its_bytes() {
        let many: Vec<(u64, u64)> = (0..1000).map(|i| (i * 4096, 512)).collect();
        for map in [
            map(10, &[]),
            map(0, &[]),
            map(5000, &[(0, 512)]),
            map(5000, &[(4096, 904)]),
            map(1 << 30, &many),
        ] {
            let bytes = map.to_bytes();
            assert_eq!(bytes.len() % 512, 0);
            let mut input = &bytes[..];
            let stored = bytes.len() as u64 + map.data_len();
            let (read, taken) = SparseMap::read(&mut input, map.size(), stored).unwrap();
            assert_eq!((read, taken, input.len()), (map, bytes.len() as u64, 0));
        }
    }

    #[test]
    fn hostile_maps_are_errors_and_cost_no_memory() {
        let block = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            bytes.resize(bytes.len().next_multiple_of(512), 0);
            bytes
        };
        for bad in [
            "99999999999999999999999\n",
            "1000000000000\n",
            "-1\n",
            "1\n0\n11\n",
            "2\n5\n2\n6\n1\n",
            "\n",
            "1\n",
            "",
            "1\n18446744073709551615\n2\n",
        ] {
            let bytes = block(bad);
            assert!(SparseMap::read(&mut &bytes[..], 10, 10_000).is_err(), "{bad:?}");
        }
        let endless = vec![b'1'; 1 << 16];
        assert!(SparseMap::read(&mut &endless[..], 10, 1 << 20).is_err());
        let long = format!("3000\n{}", "0\n0\n".repeat(3000));
        assert!(SparseMap::read(&mut &block(&long)[..], 10, 512).is_err(), "beyond the member");
    }
}
