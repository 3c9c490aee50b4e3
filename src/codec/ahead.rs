//! A row of bzip2 frames, expanded on all processors ahead of whoever reads it: for what is one
//! long row, such as a film's frames or a listing.
//!
//! It is a matter of speed alone. Frames are found by their first ten bytes; whatever does not
//! expand as one frame by itself is handed, with all after it, to the plain [`Expander`], whose
//! data and errors are the truth.

use std::collections::VecDeque;
use std::io::{self, Chain, Cursor, Read};

use crossbeam_channel::{Receiver, bounded};

use super::frames::{Expander, FRAME_BYTES, expand, expander};
use crate::model::disc::Compression;

/// What each of our frames begins with: level 9, and the magic number of a block. By chance it
/// stands elsewhere once in 10^24 bytes, and then costs time only.
const FRAME_START: &[u8] = b"BZh91AY&SY";
/// What is longer than this, packed or expanded, is no frame as all others are.
const LONGEST: usize = 2 * FRAME_BYTES;
/// Bounds the memory on large machines.
const MOST_THREADS: usize = 24;
/// Read at once.
const READ: usize = 256 << 10;

/// A reader over the data in a row of frames, like [`expander`]. Never to be read on a thread of
/// rayon's: it waits for those.
pub fn expander_ahead<'a>(
    compression: Compression,
    row: impl Read + 'a,
) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match compression {
        Compression::Bzip2 => Box::new(FrameReadAhead::new(row)),
        // Expanded as fast as anybody reads.
        Compression::None | Compression::Zstd => Box::new(expander(compression, row)?),
    })
}

struct FrameReadAhead<R: Read> {
    source: FrameSource<R>,
    /// Frames that are being expanded, in their order.
    begun: VecDeque<Receiver<ExpandedFrame>>,
    /// So many at once.
    most: usize,
    now: Cursor<Vec<u8>>,
}

enum FrameSource<R: Read> {
    Row(FrameSplitter<R>),
    /// Has taken over, for good.
    Plain(Box<Expander<Rest<R>>>),
    /// For the moment in which one becomes the other.
    Changing,
}

type Rest<R> = Chain<Cursor<Vec<u8>>, FrameSplitter<R>>;

/// A frame, and what it holds.
struct ExpandedFrame {
    frame: Vec<u8>,
    raw: io::Result<Vec<u8>>,
}

impl<R: Read> FrameReadAhead<R> {
    fn new(row: R) -> FrameReadAhead<R> {
        let row =
            FrameSplitter { inner: row, read: Vec::new(), begun: false, ended: false, fault: None };
        let most = rayon::current_num_threads().min(MOST_THREADS) + 2;
        FrameReadAhead {
            source: FrameSource::Row(row),
            begun: VecDeque::new(),
            most,
            now: Cursor::default(),
        }
    }

    fn begin_more(&mut self) {
        let FrameSource::Row(row) = &mut self.source else { return };
        while self.begun.len() < self.most {
            let Some(frame) = row.next_frame() else { break };
            let (sender, receiver) = bounded(1);
            rayon::spawn(move || {
                let raw = expand(Compression::Bzip2, &frame, LONGEST);
                // It fails where nobody waits for it any more.
                let _ = sender.send(ExpandedFrame { frame, raw });
            });
            self.begun.push_back(receiver);
        }
    }

    /// Makes the next frame's data those that are read. False at the row's end.
    fn next_piece(&mut self) -> io::Result<bool> {
        self.begin_more();
        let Some(receiver) = self.begun.pop_front() else {
            let row_is_done = matches!(&self.source, FrameSource::Row(row) if row.is_done());
            if !row_is_done {
                self.take_over(Vec::new())?;
            }
            return Ok(!row_is_done);
        };
        match receiver.recv().map_err(io::Error::other)? {
            ExpandedFrame { raw: Ok(raw), .. } => self.now = Cursor::new(raw),
            ExpandedFrame { frame, raw: Err(_) } => self.take_over(frame)?,
        }
        Ok(true)
    }

    /// From this frame on there is one plain expander.
    fn take_over(&mut self, frame: Vec<u8>) -> io::Result<()> {
        let mut packed = frame;
        for receiver in self.begun.drain(..) {
            packed.extend(receiver.recv().map_err(io::Error::other)?.frame);
        }
        if let FrameSource::Row(mut row) =
            std::mem::replace(&mut self.source, FrameSource::Changing)
        {
            packed.append(&mut row.read);
            let rest = expander(Compression::Bzip2, Cursor::new(packed).chain(row))?;
            self.source = FrameSource::Plain(Box::new(rest));
        }
        Ok(())
    }
}

impl<R: Read> Read for FrameReadAhead<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.now.read(buf)?;
            if read > 0 || buf.is_empty() {
                return Ok(read);
            }
            if let FrameSource::Plain(plain) = &mut self.source {
                return plain.read(buf);
            }
            if !self.next_piece()? {
                return Ok(0);
            }
        }
    }
}

/// The packed row, cut at the beginnings of frames.
struct FrameSplitter<R> {
    inner: R,
    /// What was read and is in no frame yet.
    read: Vec<u8>,
    begun: bool,
    ended: bool,
    /// What ended the reading; told when all before it is used up.
    fault: Option<io::Error>,
}

impl<R: Read> FrameSplitter<R> {
    /// `None` where no whole frame can be cut off.
    fn next_frame(&mut self) -> Option<Vec<u8>> {
        let mut searched = 1;
        loop {
            if let Some(start) = find(&self.read, FRAME_START, searched) {
                let next = self.read.split_off(start);
                self.begun = true;
                return Some(std::mem::replace(&mut self.read, next));
            }
            searched = self.read.len().saturating_sub(FRAME_START.len() - 1).max(1);
            if self.fault.is_some() || self.read.len() > LONGEST {
                return None;
            }
            if self.ended {
                let last = std::mem::take(&mut self.read);
                self.begun |= !last.is_empty();
                return (!last.is_empty()).then_some(last);
            }
            self.read_more();
        }
    }

    fn read_more(&mut self) {
        let before = self.read.len();
        self.read.resize(before + READ, 0);
        let result = self.inner.read(&mut self.read[before..]);
        self.read.truncate(before + *result.as_ref().unwrap_or(&0));
        match result {
            Ok(0) => self.ended = true,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => self.fault = Some(error),
        }
    }

    /// All of it is in frames. An empty row never is: what that means, the plain expander knows.
    fn is_done(&self) -> bool {
        self.begun && self.ended && self.read.is_empty() && self.fault.is_none()
    }
}

/// Behind what was read already: the error that came then, or what follows.
impl<R: Read> Read for FrameSplitter<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.fault.take() {
            Some(fault) => Err(fault),
            None => self.inner.read(buf),
        }
    }
}

/// Where `needle` stands in `bytes`, at `from` or after it.
fn find(bytes: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let places = bytes.get(from..)?.windows(needle.len());
    places.into_iter().position(|place| place == needle).map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use super::super::bzip2_frames::Bzip2Frames;
    use super::*;

    fn noise(len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        getrandom::fill(&mut bytes).unwrap();
        bytes
    }

    fn packed(raw: &[u8]) -> Vec<u8> {
        Bzip2Frames::default().compress(raw)
    }

    /// All that a reader gives, and the words of its error.
    fn drained(mut reader: impl Read) -> (Vec<u8>, Option<String>) {
        let mut data = Vec::new();
        let error = reader.read_to_end(&mut data).err();
        (data, error.map(|error| error.to_string()))
    }

    fn both(row: &[u8]) -> [(Vec<u8>, Option<String>); 2] {
        let plain = expander(Compression::Bzip2, row).unwrap();
        [drained(plain), drained(expander_ahead(Compression::Bzip2, row).unwrap())]
    }

    /// Gives a byte, then a few, and an error behind all of them.
    struct FailingReader<'a> {
        bytes: &'a [u8],
        failed: bool,
    }

    impl Read for FailingReader<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            if self.bytes.is_empty() && !self.failed {
                self.failed = true;
                return Err(io::Error::other("sector 7"));
            }
            let take = buf.len().min(9_001);
            self.bytes.read(&mut buf[..take])
        }
    }

    #[test]
    fn it_reads_as_the_plain_expander_does() {
        let text = b"some text ".repeat(90_000);
        let longer = noise(LONGEST + 1000);
        let rows: [Vec<Vec<u8>>; 6] = [
            vec![],
            vec![packed(b"")],
            (0..20).map(|_| packed(&text)).collect(),
            vec![packed(&text), packed(b""), packed(&noise(900_000)), packed(b"x")],
            // Longer than frames are: packed, and expanded.
            vec![packed(&text), packed(&longer), packed(&text)],
            vec![packed(&text), packed(&vec![0; 3 * LONGEST]), packed(&text)],
        ];
        for row in rows {
            let [plain, ahead] = both(&row.concat());
            assert!(plain == ahead, "{:?} {:?}", plain.1, ahead.1);
        }
    }

    #[test]
    fn what_looks_like_a_frame_and_is_none_changes_nothing() {
        let mut frame = packed(&noise(100_000));
        frame.splice(50_000..50_000, FRAME_START.iter().copied());
        let row = [packed(b"before"), frame, packed(b"behind")].concat();
        let [plain, ahead] = both(&row);
        assert!(plain == ahead && plain.1.is_some());
    }

    #[test]
    fn damage_costs_what_it_costs_the_plain_expander() {
        let frames: Vec<Vec<u8>> = (0..9).map(|i| packed(&noise(6_000 + i))).collect();
        let row = frames.concat();
        for step in 0..60 {
            let mut damaged = row.clone();
            let place = step * row.len() / 60;
            damaged[place] ^= 0x21;
            let [plain, ahead] = both(&damaged);
            assert!(plain == ahead, "at {place}: {:?} {:?}", plain.1, ahead.1);
            let [plain, ahead] = both(&row[..place]);
            assert!(plain == ahead, "cut at {place}: {:?} {:?}", plain.1, ahead.1);
        }
    }

    #[test]
    fn an_error_of_the_row_comes_behind_the_data_before_it() {
        let row: Vec<u8> = (0..9).flat_map(|i| packed(&noise(20_000 + i))).collect();
        for end in [row.len(), row.len() / 2, row.len() / 3, 5, 0] {
            let failing = || FailingReader { bytes: &row[..end], failed: false };
            let plain = drained(expander(Compression::Bzip2, failing()).unwrap());
            let ahead = drained(expander_ahead(Compression::Bzip2, failing()).unwrap());
            assert!(plain == ahead, "{end}: {:?} {:?}", plain.1, ahead.1);
            assert_eq!(ahead.1.as_deref(), Some("sector 7"));
        }
    }

    #[test]
    fn a_row_that_is_left_early_is_no_harm() {
        let row: Vec<u8> = (0..9).flat_map(|_| packed(&noise(300_000))).collect();
        let mut ahead = expander_ahead(Compression::Bzip2, &row[..]).unwrap();
        ahead.read_exact(&mut [0; 10]).unwrap();
    }
}
