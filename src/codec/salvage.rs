//! Frames out of a damaged file: each is found by its own first bytes, expanded as a whole or not
//! at all, and what lies between two sound ones is a gap. It stands apart from [`super::frames`],
//! which trusts a row of frames to follow each other and ends at the first that is damaged.

use super::frames::FRAME_BYTES;
use crate::model::disc::Compression;
use bzip2::{Decompress, Status};
use std::io::{self, Read};
use zstd::zstd_safe;

/// A stream of bzip2 begins with this, the level, and the mark of a first block or of the end of
/// an empty stream (bzip2 1.0.8, compress.c).
const BZIP2: &[u8] = b"BZh";
const BLOCK: [u8; 6] = [0x31, 0x41, 0x59, 0x26, 0x53, 0x59];
const EMPTY: [u8; 6] = [0x17, 0x72, 0x45, 0x38, 0x50, 0x90];
/// RFC 8878 3.1.1.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The longest of those marks.
const MARK: usize = 10;
/// A line of a listing that is longer than a frame is a frame by itself; lines end somewhere, too.
const LARGEST: usize = 8 * FRAME_BYTES;
const CHUNK: usize = 1 << 16;

/// What was found next.
#[derive(Debug, PartialEq, Eq)]
pub enum SalvagedPiece {
    /// A sound frame: its place in the file, and what it expands to.
    Frame { offset: u64, length: u64, data: Vec<u8> },
    /// Bytes that no sound frame is in.
    Gap { offset: u64, length: u64 },
}

/// Goes through the frames of a compressed file.
pub struct SalvageReader<R> {
    input: R,
    compression: Compression,
    /// From the beginning of what is tried next.
    buffer: Vec<u8>,
    at: u64,
    /// Where the gap began that the search is in.
    gap: Option<u64>,
    ended: bool,
}

/// What became of the bytes at hand.
enum Tried {
    Frame { length: usize, data: Vec<u8> },
    MoreNeeded,
    Damaged,
}

impl<R: Read> SalvageReader<R> {
    /// `input` is the whole file, decrypted. Zstandard or bzip2: other archives have no marks.
    pub fn new(compression: Compression, input: R) -> SalvageReader<R> {
        SalvageReader { input, compression, buffer: Vec::new(), at: 0, gap: None, ended: false }
    }

    /// What is read.
    pub fn input(&self) -> &R {
        &self.input
    }

    /// The next piece, `None` at the end. An error is one of reading, never of damage.
    pub fn next_piece(&mut self) -> io::Result<Option<SalvagedPiece>> {
        loop {
            if self.buffer.is_empty() && !self.fill()? {
                return Ok(self.close_gap());
            }
            match self.try_here()? {
                Some(frame) => match self.close_gap() {
                    // The frame is found again at the next call.
                    Some(gap) => return Ok(Some(gap)),
                    None => return Ok(Some(self.take(frame))),
                },
                None => self.skip_to_mark()?,
            }
        }
    }

    fn take(&mut self, (length, data): (usize, Vec<u8>)) -> SalvagedPiece {
        let offset = self.at;
        self.buffer.drain(..length);
        self.at += length as u64;
        SalvagedPiece::Frame { offset, length: length as u64, data }
    }

    fn close_gap(&mut self) -> Option<SalvagedPiece> {
        let offset = self.gap.take()?;
        (self.at > offset).then_some(SalvagedPiece::Gap { offset, length: self.at - offset })
    }

    /// The frame that begins here, if one does and is sound.
    fn try_here(&mut self) -> io::Result<Option<(usize, Vec<u8>)>> {
        // A frame that does not compress is hardly longer: one try finds nearly all.
        while self.buffer.len() < FRAME_BYTES + CHUNK && self.fill()? {}
        if !is_mark(self.compression, &self.buffer) {
            return Ok(None);
        }
        loop {
            let tried = match self.compression {
                Compression::Zstd => try_zstd(&self.buffer),
                _ => try_bzip2(&self.buffer),
            };
            match tried {
                Tried::Frame { length, data } => return Ok(Some((length, data))),
                Tried::MoreNeeded if self.buffer.len() < LARGEST && self.fill_much()? => {}
                Tried::MoreNeeded | Tried::Damaged => return Ok(None),
            }
        }
    }

    /// Passes over at least one byte.
    fn skip_to_mark(&mut self) -> io::Result<()> {
        self.gap.get_or_insert(self.at);
        let mut from = 1;
        loop {
            let compression = self.compression;
            let found =
                (from..self.buffer.len()).find(|&at| is_mark(compression, &self.buffer[at..]));
            if let Some(at) = found {
                self.drop_front(at);
                return Ok(());
            }
            // A mark may stand across the end of what was read.
            let keep = self.buffer.len().min(MARK - 1);
            self.drop_front(self.buffer.len() - keep);
            if !self.fill()? {
                let rest = self.buffer.len();
                self.drop_front(rest);
                return Ok(());
            }
            from = 0;
        }
    }

    fn drop_front(&mut self, length: usize) {
        self.buffer.drain(..length);
        self.at += length as u64;
    }

    /// Doubles what is at hand, so that a frame is tried a few times and not for each chunk.
    fn fill_much(&mut self) -> io::Result<bool> {
        let wanted = (self.buffer.len() * 2).max(FRAME_BYTES / 4);
        let before = self.buffer.len();
        while self.buffer.len() < wanted && self.fill()? {}
        Ok(self.buffer.len() > before)
    }

    fn fill(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let before = self.buffer.len();
        let read = (&mut self.input).take(CHUNK as u64).read_to_end(&mut self.buffer)?;
        self.ended = read < CHUNK;
        Ok(self.buffer.len() > before)
    }
}

fn is_mark(compression: Compression, bytes: &[u8]) -> bool {
    match compression {
        Compression::Zstd => bytes.starts_with(&ZSTD),
        _ => {
            bytes.starts_with(BZIP2)
                && bytes.get(3).is_some_and(|level| (b'1'..=b'9').contains(level))
                && bytes.get(4..10).is_some_and(|mark| mark == BLOCK || mark == EMPTY)
        }
    }
}

fn try_bzip2(bytes: &[u8]) -> Tried {
    let mut stream = Decompress::new(false);
    let mut data = Vec::with_capacity(FRAME_BYTES + 1);
    loop {
        let taken = stream.total_in() as usize;
        let (before, room) = (data.len(), data.capacity() - data.len());
        let done = stream.decompress_vec(&bytes[taken..], &mut data);
        match done {
            Ok(Status::StreamEnd) => {
                return Tried::Frame { length: stream.total_in() as usize, data };
            }
            Ok(_) if data.len() > LARGEST => return Tried::Damaged,
            Ok(_) if room == data.len() - before => data.reserve(FRAME_BYTES),
            Ok(_) if stream.total_in() as usize == bytes.len() => return Tried::MoreNeeded,
            Ok(_) if stream.total_in() as usize > taken || data.len() > before => {}
            Ok(_) | Err(_) => return Tried::Damaged,
        }
    }
}

fn try_zstd(bytes: &[u8]) -> Tried {
    let Ok(length) = zstd_safe::find_frame_compressed_size(bytes) else {
        return Tried::MoreNeeded;
    };
    match zstd::bulk::decompress(&bytes[..length], LARGEST) {
        Ok(data) => Tried::Frame { length, data },
        Err(_) => Tried::Damaged,
    }
}

/// A listing's text read past damage: a gap is one error of kind `InvalidData`, and the lines
/// after it follow. Listings are cut into frames at the ends of lines, so none is given in part.
pub struct SalvagedText<R> {
    pieces: SalvageReader<R>,
    data: Vec<u8>,
    at: usize,
}

impl<R: Read> SalvagedText<R> {
    pub fn new(input: R) -> SalvagedText<R> {
        let pieces = SalvageReader::new(Compression::Bzip2, input);
        SalvagedText { pieces, data: Vec::new(), at: 0 }
    }

    /// What is read. It was read to its end once this reader returned 0.
    pub fn input(&self) -> &R {
        self.pieces.input()
    }
}

impl<R: Read> Read for SalvagedText<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.at == self.data.len() && !buf.is_empty() {
            match self.pieces.next_piece()? {
                None => return Ok(0),
                Some(SalvagedPiece::Frame { data, .. }) => (self.data, self.at) = (data, 0),
                Some(SalvagedPiece::Gap { offset, length }) => {
                    let words = format!("{length} bytes from byte {offset} on are damaged");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, words));
                }
            }
        }
        let read = (&self.data[self.at..]).read(buf)?;
        self.at += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::super::bzip2_frames::Bzip2Frames;
    use super::super::frames::{self, LineFrames};
    use super::*;
    use std::io::{BufRead, BufReader};

    fn noise(len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        getrandom::fill(&mut bytes).unwrap();
        bytes
    }

    fn compress(compression: Compression, raw: &[u8]) -> Vec<u8> {
        frames::compress(&Bzip2Frames::default(), compression, raw)
    }

    fn pieces(compression: Compression, bytes: &[u8]) -> Vec<SalvagedPiece> {
        let mut pieces = SalvageReader::new(compression, bytes);
        std::iter::from_fn(|| pieces.next_piece().unwrap()).collect()
    }

    const BOTH: [Compression; 2] = [Compression::Bzip2, Compression::Zstd];

    fn row(compression: Compression) -> (Vec<Vec<u8>>, Vec<u64>, Vec<u8>) {
        let frames =
            vec![noise(900_000), Vec::new(), b"short".to_vec(), vec![0; 900_000], noise(9)];
        let (mut starts, mut bytes) = (Vec::new(), Vec::new());
        for frame in &frames {
            starts.push(bytes.len() as u64);
            bytes.extend(compress(compression, frame));
        }
        starts.push(bytes.len() as u64);
        (frames, starts, bytes)
    }

    #[test]
    fn a_sound_file_is_its_frames() {
        for compression in BOTH {
            let (frames, starts, bytes) = row(compression);
            let expected: Vec<SalvagedPiece> = frames
                .into_iter()
                .zip(starts.windows(2))
                .map(|(data, at)| SalvagedPiece::Frame {
                    offset: at[0],
                    length: at[1] - at[0],
                    data,
                })
                .collect();
            assert!(pieces(compression, &bytes) == expected, "{compression:?}");
        }
    }

    #[test]
    fn a_damaged_frame_is_a_gap_and_all_others_are_found() {
        for compression in BOTH {
            let (frames, starts, bytes) = row(compression);
            for hit in 0..frames.len() {
                let mut bytes = bytes.clone();
                let (from, to) = (starts[hit] as usize, starts[hit + 1] as usize);
                bytes[from..to].fill(0);
                let found = pieces(compression, &bytes);
                let gap = SalvagedPiece::Gap { offset: from as u64, length: (to - from) as u64 };
                assert!(found.contains(&gap), "{compression:?} {hit}");
                assert_eq!(found.len(), frames.len());
                let sound =
                    found.iter().filter(|piece| matches!(piece, SalvagedPiece::Frame { .. }));
                assert_eq!(sound.count(), frames.len() - 1);
            }
        }
    }

    #[test]
    fn what_is_cut_off_or_no_frame_at_all_is_a_gap() {
        for compression in BOTH {
            let (_, starts, bytes) = row(compression);
            let cut = &bytes[..starts[1] as usize - 1];
            let gap = |length: usize| vec![SalvagedPiece::Gap { offset: 0, length: length as u64 }];
            assert!(pieces(compression, cut) == gap(cut.len()));
            for len in [0, 1, 9, 10, 11, 200_000] {
                let expected = if len == 0 { Vec::new() } else { gap(len) };
                assert!(pieces(compression, &vec![7; len]) == expected, "{compression:?} {len}");
            }
        }
    }

    #[test]
    fn a_bomb_is_a_gap() {
        let bomb = compress(Compression::Zstd, &vec![0; LARGEST + 1]);
        let found = pieces(Compression::Zstd, &bomb);
        assert_eq!(found, [SalvagedPiece::Gap { offset: 0, length: bomb.len() as u64 }]);
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
        std::io::Write::write_all(&mut encoder, &vec![0; 2 * LARGEST]).unwrap();
        let bomb = encoder.finish().unwrap();
        assert!(matches!(pieces(Compression::Bzip2, &bomb)[..], [SalvagedPiece::Gap { .. }]));
    }

    #[test]
    fn the_lines_behind_a_damaged_place_are_read() {
        let mut frames = LineFrames::new(Vec::new(), &Default::default());
        let line = |n: usize| format!("{n:0700}\n");
        (0..4000).for_each(|n| frames.line(line(n).as_bytes()).unwrap());
        let (mut bytes, _) = frames.finish().unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        let mut reader = BufReader::new(SalvagedText::new(&bytes[..]));
        let (mut lines, mut gaps) = (Vec::new(), 0);
        loop {
            let mut text = String::new();
            match reader.read_line(&mut text) {
                Ok(0) => break,
                Ok(_) => lines.push(text),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
                    gaps += 1;
                }
            }
        }
        assert_eq!(gaps, 1);
        let lost = 4000 - lines.len();
        assert!((1..=1300).contains(&lost), "{lost} lines lost");
        assert_eq!(lines.last(), Some(&line(3999)));
        assert!(lines.iter().all(|text| text.len() == 701));
    }
}
