//! Frames: pieces of at most 900,000 bytes that are compressed each for itself (format 3.1).
//! A damaged place costs its frame and no more, and frames go through all processors at once.

use super::bzip2_frames::{self, Bzip2Frames, FrameRow};
use crate::model::disc::Compression;
use bzip2::read::MultiBzDecoder;
use crossbeam_channel::{Receiver, bounded};
use std::collections::VecDeque;
use std::io::{self, BufReader, Read, Write};
use std::sync::Arc;

/// The most tar data or listing text in a frame: the block of `bzip2 -9`.
pub const FRAME_BYTES: usize = 900_000;

/// Level of zstd: the density of `bzip2 -9` on source text, 20 times as fast.
const ZSTD_LEVEL: i32 = 3;

/// Compresses one frame. The frames of a row are independent; they follow each other without a gap.
pub fn compress(bzip2: &Bzip2Frames, compression: Compression, raw: &[u8]) -> Vec<u8> {
    match compression {
        Compression::None => raw.to_vec(),
        Compression::Bzip2 => bzip2.compress(raw),
        Compression::Zstd => zstd_frame(raw),
    }
}

fn zstd_frame(raw: &[u8]) -> Vec<u8> {
    let frame = zstd::bulk::Compressor::new(ZSTD_LEVEL).and_then(|mut compressor| {
        compressor.include_checksum(true)?;
        compressor.compress(raw)
    });
    // The level is a valid one and the sink is memory of `compress_bound` bytes.
    frame.expect("zstd compresses any bytes into memory")
}

/// The most bytes that [`compress`] makes of `raw_len` bytes.
///
/// bzip2: [`bzip2_frames::longest`]. zstd: the library's own bound.
pub fn worst_case(compression: Compression, raw_len: u64) -> u64 {
    match compression {
        Compression::None => raw_len,
        Compression::Bzip2 => bzip2_frames::longest(raw_len),
        // The margin of ZSTD_COMPRESSBOUND shrinks to nothing at 128 KiB, the share of 1/256 stays.
        Compression::Zstd => raw_len.saturating_add(raw_len / 256 + 64),
    }
}

/// The most bytes that [`LineFrames`] makes of `text` bytes. Frames end before the line that is one
/// too many: two that follow each other hold more than [`FRAME_BYTES`] together.
pub fn worst_listing(text: u64) -> u64 {
    let frames = 2 * (text / FRAME_BYTES as u64) + 1;
    text.saturating_add(text / 100 + frames * worst_case(Compression::Bzip2, 0))
}

/// Expands a row of frames into the data that they hold.
pub enum Expander<R: Read> {
    None(R),
    Bzip2(MultiBzDecoder<R>),
    Zstd(zstd::stream::read::Decoder<'static, BufReader<R>>),
}

/// A reader over the data in a row of frames. It ends where `row` ends at a frame's border;
/// a row that ends inside of a frame is an error of kind `UnexpectedEof`.
pub fn expander<R: Read>(compression: Compression, row: R) -> io::Result<Expander<R>> {
    Ok(match compression {
        Compression::None => Expander::None(row),
        Compression::Bzip2 => Expander::Bzip2(MultiBzDecoder::new(row)),
        Compression::Zstd => Expander::Zstd(zstd::stream::read::Decoder::new(row)?),
    })
}

/// A reader over the data in a row of frames that is in memory: as [`expander`], and faster.
pub fn expander_in_memory(compression: Compression, row: &[u8]) -> io::Result<RowInMemory<'_>> {
    Ok(match compression {
        Compression::Bzip2 => RowInMemory::Bzip2(FrameRow::new(row)),
        Compression::None | Compression::Zstd => RowInMemory::Other(expander(compression, row)?),
    })
}

/// See [`expander_in_memory`].
pub enum RowInMemory<'a> {
    Bzip2(FrameRow<'a>),
    Other(Expander<&'a [u8]>),
}

impl Read for RowInMemory<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            RowInMemory::Bzip2(row) => row.read(buf),
            RowInMemory::Other(row) => row.read(buf),
        }
    }
}

impl<R: Read> Read for Expander<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Expander::None(row) => row.read(buf),
            Expander::Bzip2(row) => row.read(buf),
            Expander::Zstd(row) => row.read(buf),
        }
    }
}

/// How long the first frame of a row is, whose end may be missing.
pub fn first_frame_len(compression: Compression, row: &[u8]) -> io::Result<usize> {
    match compression {
        Compression::None => Ok(row.len().min(FRAME_BYTES)),
        Compression::Bzip2 => {
            let mut decoder = bzip2::read::BzDecoder::new(row);
            io::copy(&mut decoder, &mut io::sink())?;
            Ok(usize::try_from(decoder.total_in()).unwrap_or(usize::MAX).min(row.len()))
        }
        Compression::Zstd => zstd::zstd_safe::find_frame_compressed_size(row).map_err(|code| {
            io::Error::new(io::ErrorKind::InvalidData, zstd::zstd_safe::get_error_name(code))
        }),
    }
}

/// Expands frames that are in memory. More than `at_most` bytes are an error, so that a damaged or
/// hostile frame cannot fill the memory.
pub fn expand(compression: Compression, row: &[u8], at_most: usize) -> io::Result<Vec<u8>> {
    let mut raw = Vec::with_capacity(at_most.min(FRAME_BYTES));
    expander_in_memory(compression, row)?.take(at_most as u64 + 1).read_to_end(&mut raw)?;
    if raw.len() > at_most {
        let text = format!("a frame expands to more than the {at_most} bytes that it should hold");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(raw)
}

/// Whether compressing is worth the time, judged by samples from the head, the middle and the end
/// of a file. It is if one of them has repeats, by which the fastest compressor shrinks it by more
/// than 2 %, or bytes so unevenly spread that a code for single bytes takes off 6 %: base64 and
/// sound have hardly a repeat, and bzip2 makes three quarters of them.
pub fn is_worth_compressing(samples: &[&[u8]]) -> bool {
    samples.iter().any(|sample| has_repeats(sample) || bits_per_byte(sample) <= 7.5)
}

fn has_repeats(sample: &[u8]) -> bool {
    let shrunk = lz4_flex::block::compress(sample).len();
    !sample.is_empty() && shrunk as f64 <= 0.98 * sample.len() as f64
}

/// The entropy of single bytes (Shannon, "A Mathematical Theory of Communication", 1948, section
/// 6). A sample of some hundred bytes cannot have much: small files are compressed beside their
/// like.
fn bits_per_byte(sample: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    sample.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
    let total = sample.len() as f64;
    let bits = |&count: &u32| f64::from(count) * (total / f64::from(count)).log2();
    match sample {
        [] => 8.0,
        _ => counts.iter().filter(|&&count| count > 0).map(bits).sum::<f64>() / total,
    }
}

/// Writes a listing (format 5): whole lines, in bzip2 streams of at most [`FRAME_BYTES`] of text.
/// Full frames are compressed while further lines come. Holds a few frames in memory, however long
/// the listing.
pub struct LineFrames<W: Write> {
    out: W,
    bzip2: Arc<Bzip2Frames>,
    written: u64,
    open: Vec<u8>,
    /// Frames that are being compressed, in order.
    under_way: VecDeque<Coming>,
}

/// A frame on its way: the length of its text, and where it comes out.
type Coming = (u64, Receiver<Vec<u8>>);

impl<W: Write> LineFrames<W> {
    pub fn new(out: W, bzip2: &Arc<Bzip2Frames>) -> LineFrames<W> {
        let (bzip2, open, under_way) = (Arc::clone(bzip2), Vec::new(), VecDeque::new());
        LineFrames { out, bzip2, written: 0, open, under_way }
    }

    /// Adds a line, which ends with its LF. A line is never cut: one longer than a frame, as many
    /// extended attributes can make it, is a stream by itself.
    pub fn line(&mut self, line: &[u8]) -> io::Result<()> {
        debug_assert!(line.ends_with(b"\n"));
        if !self.open.is_empty() && self.open.len() + line.len() > FRAME_BYTES {
            self.end_frame()?;
        }
        self.open.extend_from_slice(line);
        Ok(())
    }

    fn end_frame(&mut self) -> io::Result<()> {
        // Two for each thread keep all of them busy.
        while self.under_way.len() >= 2 * rayon::current_num_threads() {
            self.write_oldest()?;
        }
        let raw = std::mem::take(&mut self.open);
        let (sender, frame) = bounded(1);
        let bzip2 = Arc::clone(&self.bzip2);
        self.under_way.push_back((raw.len() as u64, frame));
        rayon::spawn(move || {
            // Nobody listens any more if writing failed before.
            let _ = sender.send(bzip2.compress(&raw));
        });
        Ok(())
    }

    fn write_oldest(&mut self) -> io::Result<()> {
        let Some((_, frame)) = self.under_way.pop_front() else { return Ok(()) };
        let frame = frame.recv().map_err(io::Error::other)?;
        self.out.write_all(&frame)?;
        self.written += frame.len() as u64;
        Ok(())
    }

    fn write_all_under_way(&mut self) -> io::Result<()> {
        while !self.under_way.is_empty() {
            self.write_oldest()?;
        }
        Ok(())
    }

    /// An empty listing is one empty stream, since `bzip2 -d` refuses a file of no bytes.
    fn has_tail(&self) -> bool {
        !self.open.is_empty() || self.written == 0 && self.under_way.is_empty()
    }

    /// Writes what is left and gives the sink and the listing's length. Without it, the end of the
    /// listing is missing.
    pub fn finish(mut self) -> io::Result<(W, u64)> {
        if self.has_tail() {
            self.end_frame()?;
        }
        self.write_all_under_way()?;
        Ok((self.out, self.written))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    const ALL: [Compression; 3] = [Compression::None, Compression::Bzip2, Compression::Zstd];

    fn compress(compression: Compression, raw: &[u8]) -> Vec<u8> {
        super::compress(&Bzip2Frames::default(), compression, raw)
    }

    fn noise(len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        getrandom::fill(&mut bytes).unwrap();
        bytes
    }

    /// What makes bzip2's run-length coding grow (a fifth byte behind each four), what makes it
    /// spill into a second block, and what cannot shrink.
    fn adversaries() -> Vec<Vec<u8>> {
        let fours = |len: usize| noise(len).into_iter().flat_map(|b| [b; 4]).collect::<Vec<u8>>();
        let fives = |len: usize| noise(len).into_iter().flat_map(|b| [b; 5]).collect::<Vec<u8>>();
        let de_bruijn = (0..900_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8);
        let mut all = vec![noise(900_000), fours(225_000), fives(180_000), de_bruijn.collect()];
        all.extend([0, 1, 2, 3, 4, 5, 100, 1000, 65_536, 131_071, 131_072, 131_073].map(noise));
        all.extend([vec![0; 900_000], b"ab".repeat(450_000)]);
        all
    }

    fn piped(program: &str, args: &[&str], input: &[u8]) -> Vec<u8> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(input).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        let output = Command::new(program).args(args).stdin(file).stderr(Stdio::inherit()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{program}");
        output.stdout
    }

    #[test]
    fn the_first_frame_of_a_row_that_was_cut_is_told_from_the_rest() {
        for compression in [Compression::None, Compression::Bzip2, Compression::Zstd] {
            let raw: Vec<u8> =
                (0..FRAME_BYTES as u32).map(|n| (n.wrapping_mul(2654435761) >> 24) as u8).collect();
            let first = compress(compression, &raw);
            let row = [&first[..], &compress(compression, b"more of it")[..9]].concat();
            assert_eq!(first_frame_len(compression, &row).unwrap(), first.len(), "{compression:?}");
            if compression != Compression::None {
                assert!(first_frame_len(compression, &first[..first.len() / 2]).is_err());
            }
        }
    }

    #[test]
    fn no_frame_is_longer_than_its_worst_case() {
        for compression in ALL {
            for raw in adversaries() {
                let frame = compress(compression, &raw);
                let most = worst_case(compression, raw.len() as u64);
                assert!(frame.len() as u64 <= most, "{compression:?}: {} of {most}", frame.len());
                assert!(expand(compression, &frame, raw.len()).unwrap() == raw);
            }
        }
    }

    #[test]
    fn the_worst_case_is_near_the_truth() {
        let raw = noise(FRAME_BYTES);
        for compression in ALL {
            let most = worst_case(compression, raw.len() as u64);
            assert!(most - (compress(compression, &raw).len() as u64) < 10_000, "{compression:?}");
        }
    }

    #[test]
    fn a_row_of_frames_is_one_file_to_bzip2_to_zstd_and_to_us() {
        let parts = [noise(10), b"text ".repeat(10_000), Vec::new(), noise(900_000), vec![7; 1024]];
        for compression in ALL {
            let row: Vec<u8> = parts.iter().flat_map(|raw| compress(compression, raw)).collect();
            let mut raw = Vec::new();
            expander(compression, &row[..]).unwrap().read_to_end(&mut raw).unwrap();
            assert!(raw == parts.concat(), "{compression:?}");
            match compression {
                Compression::None => assert!(row == raw),
                Compression::Bzip2 => assert!(piped("bzip2", &["-dc"], &row) == raw),
                Compression::Zstd => assert!(piped("zstd", &["-dc"], &row) == raw),
            }
        }
    }

    #[test]
    fn a_row_that_is_cut_or_damaged_is_an_error() {
        for compression in [Compression::Bzip2, Compression::Zstd] {
            let frame = compress(compression, &b"some text ".repeat(1000));
            assert!(expand(compression, &frame[..frame.len() - 1], 10_000).is_err());
            let mut damaged = frame.clone();
            damaged[frame.len() / 2] ^= 0x10;
            assert!(expand(compression, &damaged, 10_000).is_err());
            assert!(expand(compression, b"this is not a frame", 10_000).is_err());
        }
    }

    #[test]
    fn a_frame_that_expands_beyond_measure_is_an_error() {
        for compression in ALL {
            let frame = compress(compression, &vec![0; 900_000]);
            assert!(expand(compression, &frame, 899_999).is_err());
            assert!(expand(compression, &frame, 900_000).is_ok());
        }
    }

    #[test]
    fn one_sample_that_shrinks_makes_compressing_worth_it() {
        let (random, text) = (noise(65_536), b"once upon a time ".repeat(1000));
        assert!(!is_worth_compressing(&[&random, &random]));
        assert!(is_worth_compressing(&[&random, &text, &random]));
        assert!(!is_worth_compressing(&[]));
        assert!(!is_worth_compressing(&[b""]));
    }

    #[test]
    fn no_listing_is_longer_than_its_bound() {
        let mut random = vec![0; 1 << 20];
        getrandom::fill(&mut random).unwrap();
        random.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b' ');
        // Lines that leave nearly half of every second frame empty, and one longer than a frame.
        for length in [1, 300, FRAME_BYTES / 2 + 1, FRAME_BYTES, 1 << 20] {
            let mut frames = LineFrames::new(io::sink(), &Arc::default());
            let mut text = 0;
            for _ in 0..(3 * FRAME_BYTES / length).clamp(1, 2000) {
                *random.last_mut().unwrap() = b'\n';
                frames.line(&random[random.len() - length..]).unwrap();
                text += length as u64;
            }
            let written = frames.finish().unwrap().1;
            assert!(written <= worst_listing(text), "{written} of {text} in lines of {length}");
        }
    }

    #[test]
    fn what_has_no_repeats_but_few_kinds_of_bytes_is_worth_compressing() {
        let mut random = vec![0; 16 << 10];
        getrandom::fill(&mut random).unwrap();
        // Six of eight bits, as base64 has them.
        let six: Vec<u8> = random.iter().map(|byte| b'0' + (byte >> 2)).collect();
        assert!(!has_repeats(&six), "else it shows nothing of single bytes");
        assert!(is_worth_compressing(&[&six]));
        let shrunk = compress(Compression::Bzip2, &six).len();
        assert!(shrunk < six.len() * 8 / 10, "{shrunk} of {}", six.len());
        assert!(bits_per_byte(&random) > 7.9);
        assert!(bits_per_byte(&[]) == 8.0 && bits_per_byte(b"aaaa") == 0.0);
    }

    /// Lengths of the text in each bzip2 stream of a row.
    fn stream_lengths(mut row: &[u8]) -> Vec<usize> {
        let mut lengths = Vec::new();
        while !row.is_empty() {
            let mut decoder = bzip2::bufread::BzDecoder::new(row);
            let mut text = Vec::new();
            decoder.read_to_end(&mut text).unwrap();
            assert!(text.is_empty() || text.ends_with(b"\n"), "cut inside of a line");
            lengths.push(text.len());
            row = decoder.into_inner();
        }
        lengths
    }

    #[test]
    fn a_listing_is_cut_at_line_ends_and_its_size_is_told() {
        let mut listing = LineFrames::new(Vec::new(), &Arc::default());
        let mut text = Vec::new();
        for i in 0..60_000 {
            let line = format!("{i}\tf\tphotos/{i:08}.jpg\t{}\n", i * 7919 % 1_000_003);
            listing.line(line.as_bytes()).unwrap();
            text.extend_from_slice(line.as_bytes());
        }
        let long = [&b"x".repeat(1_000_000)[..], b"\n"].concat();
        for line in [&long[..], b"last\n"] {
            listing.line(line).unwrap();
            text.extend_from_slice(line);
        }
        let (row, written) = listing.finish().unwrap();
        assert_eq!(written, row.len() as u64);
        assert!(piped("bzip2", &["-dc"], &row) == text);
        let lengths = stream_lengths(&row);
        assert_eq!(lengths[lengths.len() - 2..], [1_000_001, 5]);
        assert!(lengths[..lengths.len() - 2].iter().all(|&len| len <= FRAME_BYTES));
        assert!(lengths[0] > FRAME_BYTES - 100, "{lengths:?}");
    }

    #[test]
    fn an_empty_listing_is_a_file_that_bzip2_takes() {
        let listing = LineFrames::new(Vec::new(), &Arc::default());
        let (row, written) = listing.finish().unwrap();
        assert_eq!(written, 14);
        assert_eq!(piped("bzip2", &["-dc"], &row), b"");
    }

    #[test]
    fn a_listing_that_ends_with_a_full_frame_has_no_empty_one_behind_it() {
        let mut listing = LineFrames::new(Vec::new(), &Arc::default());
        let line = [&b"x".repeat(FRAME_BYTES - 1)[..], b"\n"].concat();
        listing.line(&line).unwrap();
        listing.line(b"y\n").unwrap();
        assert_eq!(stream_lengths(&listing.finish().unwrap().0), [FRAME_BYTES, 2]);
    }
}
