//! bzip2 frames in memory, made and read by this project's own coder ([`super::bzip2`]), which is
//! twice as fast as the crate of that name. What it makes is decoded again and compared before it
//! counts, now and then by the crate, too; what it cannot read is the crate's to judge.

use std::io::{self, Cursor, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bzip2::read::MultiBzDecoder;
use bzip2::write::BzEncoder;

use super::bzip2::{Decoder, Encoder};

/// Which encoder makes the frames of a run. Both make bzip2 streams that every bunzip2 reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bzip2Coder {
    /// This project's, its frames compared with their input.
    #[default]
    Own,
    /// The crate `bzip2`, a translation of libbz2.
    Crate,
    /// Ours as it would be with a fault: half of its frames are wrong.
    #[cfg(test)]
    Faulty,
}

impl Bzip2Coder {
    pub const WORDS: [&str; 2] = ["own", "crate"];

    pub fn from_word(word: &str) -> Option<Bzip2Coder> {
        match word {
            "own" => Some(Bzip2Coder::Own),
            "crate" => Some(Bzip2Coder::Crate),
            _ => None,
        }
    }
}

/// The frames of one run, and how many of them the crate had to make in place of our encoder.
#[derive(Debug, Default)]
pub struct Bzip2Frames {
    coder: Bzip2Coder,
    made: AtomicU64,
    recoded: AtomicU64,
    untold: AtomicU64,
}

impl Bzip2Frames {
    pub fn new(coder: Bzip2Coder) -> Bzip2Frames {
        Bzip2Frames { coder, ..Bzip2Frames::default() }
    }

    /// Frames that our encoder got wrong. Each is right on the disc: the crate made it.
    pub fn recoded(&self) -> u64 {
        self.recoded.load(Ordering::Relaxed)
    }

    /// Those of them that were made since this was asked last.
    pub fn take_untold(&self) -> u64 {
        self.untold.swap(0, Ordering::Relaxed)
    }

    /// One frame as a stream of bzip2 -9.
    pub fn compress(&self, raw: &[u8]) -> Vec<u8> {
        match self.coder {
            Bzip2Coder::Own => self.accept(raw, try_encode(raw)),
            Bzip2Coder::Crate => by_the_crate(raw),
            #[cfg(test)]
            Bzip2Coder::Faulty => self.accept(raw, try_encode(raw).map(sometimes_wrong)),
        }
    }

    /// The frame, if it holds `raw` and is not longer than was promised; else the crate's.
    fn accept(&self, raw: &[u8], frame: Option<Vec<u8>>) -> Vec<u8> {
        let most = longest(raw.len() as u64);
        // Encoder and decoder share what both must know, such as the table of checksums.
        let is_sampled = self.made.fetch_add(1, Ordering::Relaxed) % SAMPLED == 0;
        let is_right = |frame: &Vec<u8>| {
            is_right(frame, raw, most) && (!is_sampled || holds_by_the_crate(frame, raw))
        };
        frame.filter(is_right).unwrap_or_else(|| {
            for count in [&self.recoded, &self.untold] {
                count.fetch_add(1, Ordering::Relaxed);
            }
            by_the_crate(raw)
        })
    }
}

/// The most bytes of a frame of `raw_len` bytes: "the output buffer should be 1% larger than the
/// uncompressed data, plus six hundred bytes" (bzip2 manual 3.5.1).
pub fn longest(raw_len: u64) -> u64 {
    raw_len.saturating_add(raw_len / 100 + 1 + 600)
}

/// A stream of this project's encoder, not compared with anything. `None`: it gave up.
fn try_encode(raw: &[u8]) -> Option<Vec<u8>> {
    // A fault of the encoder costs time, never the backup.
    let encode = || {
        ENCODERS.with(|encoder| {
            let mut frame = Vec::with_capacity(raw.len() / 2 + 64);
            encoder.encode(raw, &mut frame);
            frame
        })
    };
    catch_unwind(AssertUnwindSafe(encode)).ok()
}

/// Every frame of an even length, with a bit in its middle turned over.
#[cfg(test)]
fn sometimes_wrong(mut frame: Vec<u8>) -> Vec<u8> {
    let middle = frame.len() / 2;
    if frame.len() % 2 == 0 {
        frame[middle] ^= 1;
    }
    frame
}

/// One frame in so many, the first of a run among them, is decoded by the crate as well: 2 % of the
/// time.
const SAMPLED: u64 = 32;

fn is_right(frame: &[u8], raw: &[u8], most: u64) -> bool {
    frame.len() as u64 <= most && holds(frame, raw)
}

fn holds_by_the_crate(frame: &[u8], raw: &[u8]) -> bool {
    let mut decoded = Vec::with_capacity(raw.len());
    let most = raw.len() as u64 + 1;
    MultiBzDecoder::new(frame).take(most).read_to_end(&mut decoded).is_ok() && decoded == raw
}

fn holds(frame: &[u8], raw: &[u8]) -> bool {
    let mut decoded = Vec::new();
    decode(frame, &mut decoded, raw.len()) == Some(frame.len()) && decoded == raw
}

/// Reads the stream at the start of `row` into `raw`, at most so many bytes, and gives the bytes of
/// `row` that it took. `None`: whether and how far it can be read is for the crate to say; `raw` may
/// have bytes of it then.
pub fn decode(row: &[u8], raw: &mut Vec<u8>, at_most: usize) -> Option<usize> {
    let decode = || DECODERS.with(|decoder| decoder.decode(row, raw, at_most).ok());
    catch_unwind(AssertUnwindSafe(decode)).ok().flatten()
}

fn by_the_crate(raw: &[u8]) -> Vec<u8> {
    let out = Vec::with_capacity(raw.len() / 2 + 64);
    let mut encoder = BzEncoder::new(out, bzip2::Compression::best());
    let written = encoder.write_all(raw).and_then(|()| encoder.finish());
    // The sink is memory, which takes all, and bzip2 has no input that it refuses.
    written.expect("bzip2 compresses any bytes into memory")
}

/// Gives the memory of idle coders back, where there is nothing more to code for a while.
pub fn rest() {
    ENCODERS.idle().clear();
    DECODERS.idle().clear();
}

static ENCODERS: Spares<Encoder> = Spares::new();
static DECODERS: Spares<Decoder> = Spares::new();

/// Coders that nobody uses at the moment: their buffers are large, and new ones cost the time of
/// their page faults. There are never more than threads that code at the same time.
struct Spares<T>(Mutex<Vec<Box<T>>>);

impl<T: Default> Spares<T> {
    const fn new() -> Spares<T> {
        Spares(Mutex::new(Vec::new()))
    }

    /// One that failed in the middle does not come back.
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let spare = self.idle().pop();
        let mut coder = spare.unwrap_or_default();
        let result = work(&mut coder);
        self.idle().push(coder);
        result
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Box<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that holds more, as one long line of a listing may, is read by the crate, piece by piece.
const LARGEST: usize = 2_000_000;

/// What is in a row of frames in memory. Data and errors are those of the crate's
/// [`MultiBzDecoder`], which takes over where [`decode`] gives up.
pub struct FrameRow<'a> {
    rest: &'a [u8],
    now: Cursor<Vec<u8>>,
    by_crate: Option<MultiBzDecoder<&'a [u8]>>,
}

impl FrameRow<'_> {
    pub fn new(row: &[u8]) -> FrameRow<'_> {
        // What a row of no bytes means, the crate knows.
        let by_crate = row.is_empty().then(|| MultiBzDecoder::new(row));
        FrameRow { rest: row, now: Cursor::default(), by_crate }
    }

    fn next_frame(&mut self) {
        let mut raw = std::mem::take(self.now.get_mut());
        raw.clear();
        match decode(self.rest, &mut raw, LARGEST) {
            Some(taken) => {
                self.rest = &self.rest[taken..];
                self.now = Cursor::new(raw);
            }
            None => self.by_crate = Some(MultiBzDecoder::new(self.rest)),
        }
    }
}

impl Read for FrameRow<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.now.read(buf)?;
            if read > 0 || buf.is_empty() {
                return Ok(read);
            }
            if let Some(by_crate) = &mut self.by_crate {
                return by_crate.read(buf);
            }
            if self.rest.is_empty() {
                return Ok(0);
            }
            self.next_frame();
        }
    }
}

/// What the fuzzers of bzip2 call.
#[cfg(feature = "fuzzing")]
pub mod fuzzing {
    use super::*;

    /// The frame of these bytes is not longer than promised, and both decoders give them back.
    pub fn bzip2_comes_back(raw: &[u8]) {
        let mut frame = Vec::new();
        ENCODERS.with(|encoder| encoder.encode(raw, &mut frame));
        assert!(frame.len() as u64 <= longest(raw.len() as u64), "{} bytes", frame.len());
        assert!(holds(&frame, raw), "our decoder gives something else");
        let mut by_crate = Vec::new();
        MultiBzDecoder::new(&frame[..]).read_to_end(&mut by_crate).expect("the crate reads it");
        assert!(by_crate == raw, "the crate's decoder gives something else");
    }

    /// A stream that our decoder takes has the crate's bytes and length; one that it does not
    /// take is refused by the crate, too, holds too much, or has a randomised block (obsolete).
    pub fn bzip2_agrees_with_the_crate(stream: &[u8]) {
        let (mut ours, mut crates) = (Vec::new(), Vec::new());
        let taken = DECODERS.with(|decoder| decoder.decode(stream, &mut ours, LARGEST).ok());
        let mut decoder = bzip2::bufread::BzDecoder::new(stream);
        let read = decoder.by_ref().take(LARGEST as u64 + 1).read_to_end(&mut crates);
        let length = decoder.total_in();
        match taken {
            Some(taken) => {
                read.expect("our decoder takes what the crate refuses");
                assert!(ours == crates && taken as u64 == length, "{taken} and {length} bytes");
            }
            None => {
                let is_taken = read.is_ok() && crates.len() <= LARGEST;
                assert!(!is_taken || may_be_randomised(stream), "only the crate takes it");
            }
        }
    }

    /// The bit after a block's magic number and checksum, wherever a block begins.
    fn may_be_randomised(stream: &[u8]) -> bool {
        let bit = |at: usize| stream.get(at / 8).map(|byte| u64::from(byte >> (7 - at % 8) & 1));
        let mut last_48 = 0;
        (0..stream.len() * 8).any(|at| {
            last_48 = (last_48 << 1 | bit(at).unwrap_or(0)) & 0xffff_ffff_ffff;
            last_48 == super::super::bzip2::BLOCK_MAGIC && bit(at + 33) == Some(1)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_crate_alone(frame: &[u8]) -> Vec<u8> {
        let mut raw = Vec::new();
        MultiBzDecoder::new(frame).read_to_end(&mut raw).unwrap();
        raw
    }

    #[test]
    fn both_coders_make_frames_that_the_crate_reads() {
        let raw = b"abracadabra ".repeat(500);
        for coder in [Bzip2Coder::Own, Bzip2Coder::Crate] {
            let frames = Bzip2Frames::new(coder);
            assert_eq!(by_crate_alone(&frames.compress(&raw)), raw, "{coder:?}");
            assert_eq!(frames.recoded(), 0);
        }
    }

    /// What a fault of the encoder could give.
    #[test]
    fn a_frame_that_is_wrong_is_made_by_the_crate_and_counted() {
        let raw = b"abracadabra ".repeat(500);
        let good = try_encode(&raw).unwrap();
        let other = try_encode(&b"abracadabra ".repeat(499)).unwrap();
        let mut damaged = good.clone();
        damaged[good.len() / 2] ^= 1;
        let mut longer = good.clone();
        longer.push(0);
        assert!(is_right(&good, &raw, good.len() as u64));
        assert!(!is_right(&good, &raw, good.len() as u64 - 1), "longer than promised");
        let wrong = [None, Some(other), Some(damaged), Some(longer), Some(vec![])];
        let frames = Bzip2Frames::default();
        for (count, frame) in (1..).zip(wrong) {
            assert_eq!(by_crate_alone(&frames.accept(&raw, frame)), raw, "{count}");
            assert_eq!(frames.recoded(), count);
        }
        assert_eq!((frames.take_untold(), frames.take_untold(), frames.recoded()), (5, 0, 5));
        assert_eq!(frames.accept(&raw, Some(good.clone())), good);
        assert_eq!(frames.recoded(), 5);
    }

    /// What a reader gives in pieces of seven bytes, until it has ended or failed twice.
    fn in_pieces(mut reader: impl Read) -> (Vec<u8>, Vec<(io::ErrorKind, String)>) {
        let (mut raw, mut failures, mut ends) = (Vec::new(), Vec::new(), 0);
        while ends + failures.len() < 2 {
            let mut piece = [0; 7];
            match reader.read(&mut piece) {
                Ok(0) => ends += 1,
                Ok(read) => raw.extend_from_slice(&piece[..read]),
                Err(error) => failures.push((error.kind(), error.to_string())),
            }
        }
        (raw, failures)
    }

    #[test]
    fn a_row_in_memory_is_what_the_crate_reads_or_the_error_that_it_gives() {
        let [one, two] = [b"one ".repeat(400), b"two ".repeat(300)].map(|raw| by_the_crate(&raw));
        let row = [&one[..], &two].concat();
        let mut damaged = row.clone();
        damaged[one.len() + 20] ^= 4;
        let garbage = [&row[..], b"garbage"].concat();
        let large = by_the_crate(&vec![0; LARGEST + 1]);
        let cut = &row[..row.len() - 3];
        for row in [&row[..], &one, b"", b"BZh9", cut, &damaged, &garbage, &large] {
            let (ours, crates) =
                (in_pieces(FrameRow::new(row)), in_pieces(MultiBzDecoder::new(row)));
            assert!(ours.0 == crates.0, "{} bytes", row.len());
            assert_eq!(ours.1, crates.1, "{} bytes", row.len());
        }
    }

    /// Seconds of processor time that this thread has used.
    fn used() -> f64 {
        use nix::sys::resource::{UsageWho, getrusage};
        let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
        let seconds =
            |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        seconds(usage.user_time()) + seconds(usage.system_time())
    }

    /// Prints MB/s of encoder and decoder, ours and the crate's, frame by frame in turn.
    #[test]
    #[ignore = "measures the file BZIP2_SAMPLE in the release profile: scripts/bench.sh codec"]
    fn bzip2_speed() {
        let sample = std::fs::read(std::env::var("BZIP2_SAMPLE").unwrap()).unwrap();
        let [mut own, mut crates] = [[0.0; 2]; 2];
        let timed = |spent: &mut f64, work: &mut dyn FnMut() -> Vec<u8>| {
            let begun = used();
            let result = work();
            *spent += used() - begun;
            result
        };
        for raw in sample.chunks(crate::codec::frames::FRAME_BYTES) {
            let ours = timed(&mut own[0], &mut || try_encode(raw).unwrap());
            let theirs = timed(&mut crates[0], &mut || by_the_crate(raw));
            let mut expanded = Vec::with_capacity(raw.len());
            let decode = &mut || {
                decode(&theirs, &mut expanded, raw.len()).unwrap();
                std::mem::take(&mut expanded)
            };
            assert!(timed(&mut own[1], decode) == raw);
            assert!(timed(&mut crates[1], &mut || by_crate_alone(&ours)) == raw);
        }
        for (name, spent) in [("own", own), ("crate", crates)] {
            let [pack, unpack] = spent.map(|spent| sample.len() as f64 / spent / 1e6);
            println!("{name} {pack:.1} {unpack:.1}");
        }
    }

    /// Whoever reads piece by piece gets what could be read before the damage.
    #[test]
    fn what_stands_before_a_damaged_frame_is_read() {
        let raw = b"one ".repeat(400);
        let mut row = [by_the_crate(&raw), by_the_crate(&raw)].concat();
        let end = row.len() - 30;
        row[end] ^= 4;
        let mut read = vec![0; raw.len()];
        FrameRow::new(&row).read_exact(&mut read).unwrap();
        assert_eq!(read, raw);
    }
}
