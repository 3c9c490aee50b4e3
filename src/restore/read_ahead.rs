//! A row of bytes that is read on a thread of its own: the medium and the cipher go on while the
//! bytes before are hashed and written.

use std::io::{self, Cursor, Read};
use std::thread::Scope;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::assembly::in_words;

/// Read at once.
const PIECE: usize = 256 << 10;
/// Pieces that may wait.
const WAITING: usize = 16;

/// What was read, in order; after an error nothing but that error.
pub struct ReadAhead {
    pieces: Receiver<io::Result<Vec<u8>>>,
    now: Cursor<Vec<u8>>,
    fault: Option<(io::ErrorKind, String)>,
}

/// Begins to read `row`. It is read to its end, to its first error, or until nobody wants more.
pub fn read_ahead<'scope>(
    scope: &'scope Scope<'scope, '_>,
    row: impl Read + Send + 'scope,
) -> ReadAhead {
    let (sender, pieces) = bounded(WAITING);
    scope.spawn(move || read_all(row, &sender));
    ReadAhead { pieces, now: Cursor::default(), fault: None }
}

fn read_all(mut row: impl Read, pieces: &Sender<io::Result<Vec<u8>>>) {
    loop {
        let (piece, fault) = read_whole(&mut row, PIECE);
        let is_last = piece.len() < PIECE;
        if !piece.is_empty() && pieces.send(Ok(piece)).is_err() {
            return;
        }
        if let Some(error) = fault {
            // It fails where nobody wants more, and then nobody wants to know.
            let _ = pieces.send(Err(error));
        }
        if is_last {
            return;
        }
    }
}

/// Reads so many bytes in as few steps as the reader lets it: a drive is slow to begin. What was
/// read before an error is sound; fewer bytes without one: the end.
pub fn read_whole(row: &mut impl Read, length: usize) -> (Vec<u8>, Option<io::Error>) {
    let mut bytes = vec![0; length];
    let mut at = 0;
    let mut fault = None;
    while at < length && fault.is_none() {
        match row.read(&mut bytes[at..]) {
            Ok(0) => break,
            Ok(read) => at += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => fault = Some(error),
        }
    }
    bytes.truncate(at);
    (bytes, fault)
}

impl Read for ReadAhead {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.now.read(buf)?;
            if read > 0 || buf.is_empty() {
                return Ok(read);
            }
            if let Some((kind, words)) = &self.fault {
                return Err(io::Error::new(*kind, words.clone()));
            }
            match self.pieces.recv() {
                Ok(Ok(piece)) => self.now = Cursor::new(piece),
                Ok(Err(error)) => self.fault = Some((error.kind(), in_words(&error))),
                // The end.
                Err(_) => return Ok(0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// Fails once, behind so many bytes.
    struct FlakyReader(usize);

    impl Read for FlakyReader {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let read = self.0.min(buf.len()).min(70_000);
            buf[..read].fill(7);
            self.0 -= read;
            if read == 0 { Err(io::Error::other("sector 9")) } else { Ok(read) }
        }
    }

    #[test]
    fn all_of_it_is_read_in_order() {
        let bytes: Vec<u8> =
            (0..6_000_000u32).map(|i| (i.wrapping_mul(2_654_435) >> 8) as u8).collect();
        for len in [0, 1, PIECE, PIECE + 1, bytes.len()] {
            let mut read = Vec::new();
            thread::scope(|scope| read_ahead(scope, &bytes[..len]).read_to_end(&mut read)).unwrap();
            assert!(read == bytes[..len]);
        }
    }

    #[test]
    fn an_error_comes_behind_what_was_read_before_it_and_stays() {
        thread::scope(|scope| {
            let mut ahead = read_ahead(scope, FlakyReader(3 * PIECE / 2));
            let mut read = Vec::new();
            assert!(ahead.read_to_end(&mut read).is_err());
            assert_eq!(read.len(), 3 * PIECE / 2);
            assert_eq!(ahead.read(&mut [0; 9]).unwrap_err().to_string(), "sector 9");
        });
    }

    #[test]
    fn a_row_that_is_left_early_ends_its_thread() {
        thread::scope(|scope| {
            let mut ahead = read_ahead(scope, io::repeat(1));
            ahead.read_exact(&mut [0; 9]).unwrap();
        });
    }
}
