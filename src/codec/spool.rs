//! A scratch file that has no name: frames wait in it until their length together is known. What
//! is meant to be secret is enciphered there under a key that lives in memory only.

use aes::Aes256;
use ctr::Ctr64BE;
use ctr::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

use crate::port::files::unnamed_file;

/// The staging area failed. There the disc may be full.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} a scratch file in the staging area {}", dir.display())]
pub struct SpoolError {
    pub dir: PathBuf,
    pub what: &'static str,
    #[source]
    pub source: io::Error,
}

/// Bytes are appended, cut off at the end, and read from anywhere.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    file: Arc<File>,
    len: u64,
    cipher: Option<SpoolCipher>,
}

impl Spool {
    /// An empty spool in `dir`, mode 0600, gone with the process whatever happens to it.
    pub fn new(dir: &Path, encrypted: bool) -> Result<Spool, SpoolError> {
        let named = |source| SpoolError { dir: dir.to_owned(), what: "make", source };
        let file = Arc::new(unnamed_file(dir).map_err(named)?);
        let cipher = if encrypted { Some(SpoolCipher::new().map_err(named)?) } else { None };
        Ok(Spool { dir: dir.to_owned(), file, len: 0, cipher })
    }

    /// Bytes in the spool.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Adds bytes at the end; gives the offset at which they begin.
    pub fn append(&mut self, bytes: &[u8]) -> Result<u64, SpoolError> {
        let place = self.reserve(bytes.len() as u64);
        let offset = place.offset;
        place.fill(bytes.to_vec())?;
        Ok(offset)
    }

    /// Makes the spool longer by `len` bytes, which any thread may fill in later. Until then,
    /// nobody may read there, and the spool may not be cut.
    pub fn reserve(&mut self, len: u64) -> SpoolSlot {
        let offset = self.len;
        self.len += len;
        SpoolSlot {
            dir: self.dir.clone(),
            file: Arc::clone(&self.file),
            cipher: self.cipher.clone(),
            offset,
        }
    }

    /// Cuts off what is after the first `len` bytes. Nothing happens if there are not more.
    pub fn truncate(&mut self, len: u64) -> Result<(), SpoolError> {
        if len >= self.len {
            return Ok(());
        }
        self.file.set_len(len).map_err(|e| self.error("cut", e))?;
        self.len = len;
        if let Some(cipher) = &mut self.cipher {
            cipher.cut(len);
        }
        Ok(())
    }

    /// Reads what the spool holds now, from the start; another thread may do it.
    pub fn reader(&self) -> SpoolReader {
        SpoolReader {
            dir: self.dir.clone(),
            file: Arc::clone(&self.file),
            cipher: self.cipher.clone(),
            at: 0,
            end: self.len,
        }
    }

    fn error(&self, what: &'static str, source: io::Error) -> SpoolError {
        SpoolError { dir: self.dir.clone(), what, source }
    }
}

/// Room in a spool for bytes that are still to come.
#[derive(Debug)]
pub struct SpoolSlot {
    dir: PathBuf,
    file: Arc<File>,
    cipher: Option<SpoolCipher>,
    offset: u64,
}

impl SpoolSlot {
    /// Writes the bytes that the room was kept for: as many as were reserved.
    pub fn fill(self, mut bytes: Vec<u8>) -> Result<(), SpoolError> {
        if let Some(cipher) = &self.cipher {
            cipher.apply(self.offset, &mut bytes);
        }
        let written = self.file.write_all_at(&bytes, self.offset);
        written.map_err(|source| SpoolError { dir: self.dir, what: "write to", source })
    }
}

/// A reader of its own place in a spool.
#[derive(Debug)]
pub struct SpoolReader {
    dir: PathBuf,
    file: Arc<File>,
    cipher: Option<SpoolCipher>,
    at: u64,
    end: u64,
}

impl Read for SpoolReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let want = (self.end - self.at).min(buf.len() as u64) as usize;
        if want == 0 {
            return Ok(0);
        }
        let read = self.file.read_at(&mut buf[..want], self.at).map_err(|source| {
            io::Error::other(SpoolError { dir: self.dir.clone(), what: "read", source })
        })?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(cipher) = &self.cipher {
            cipher.apply(self.at, &mut buf[..read]);
        }
        self.at += read as u64;
        Ok(read)
    }
}

/// AES-256 in counter mode under a random key. The first half of the counter block is the number
/// of an epoch: what is written again after a cut comes under another key stream, since the same
/// one twice would give the difference of the two texts away.
#[derive(Clone)]
struct SpoolCipher {
    key: Zeroizing<[u8; 32]>,
    /// Where each epoch begins and its number, in order of places.
    epochs: Vec<(u64, u64)>,
    next: u64,
}

impl SpoolCipher {
    fn new() -> io::Result<SpoolCipher> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut key[..])?;
        Ok(SpoolCipher { key, epochs: vec![(0, 0)], next: 1 })
    }

    fn cut(&mut self, len: u64) {
        self.epochs.retain(|&(start, _)| start < len);
        self.epochs.push((len, self.next));
        self.next += 1;
    }

    /// Enciphers or deciphers bytes that stand at `offset`.
    fn apply(&self, mut offset: u64, mut bytes: &mut [u8]) {
        let mut index = self.epochs.partition_point(|&(start, _)| start <= offset) - 1;
        while !bytes.is_empty() {
            let end = self.epochs.get(index + 1).map_or(u64::MAX, |&(start, _)| start);
            let len = (end - offset).min(bytes.len() as u64) as usize;
            let (now, rest) = std::mem::take(&mut bytes).split_at_mut(len);
            self.key_stream(self.epochs[index].1, offset).apply_keystream(now);
            (bytes, offset, index) = (rest, end, index + 1);
        }
    }

    fn key_stream(&self, epoch: u64, offset: u64) -> Ctr64BE<Aes256> {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&epoch.to_be_bytes());
        let mut stream = Ctr64BE::<Aes256>::new((&*self.key).into(), &nonce.into());
        // 2^64 blocks are more than any offset reaches.
        stream.seek(offset);
        stream
    }
}

impl std::fmt::Debug for SpoolCipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SpoolCipher(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn content(spool: &Spool) -> Vec<u8> {
        let mut bytes = Vec::new();
        spool.reader().read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_was_appended_and_not_cut_is_read() {
        let dir = tempfile::tempdir().unwrap();
        for encrypted in [false, true] {
            let mut spool = Spool::new(dir.path(), encrypted).unwrap();
            let mut plain: Vec<u8> = Vec::new();
            for (i, cut) in [40_000, 0, 99_999, 17, 1 << 40, 17, 50].into_iter().enumerate() {
                let piece = vec![i as u8 + b'a'; 33_333];
                assert_eq!(spool.append(&piece).unwrap(), plain.len() as u64);
                plain.extend_from_slice(&piece);
                assert_eq!(content(&spool), plain);
                spool.truncate(cut).unwrap();
                plain.truncate(cut as usize);
                assert_eq!(spool.len(), plain.len() as u64);
            }
            spool.append(&plain.repeat(3)).unwrap();
            assert_eq!(content(&spool), plain.repeat(4));
        }
    }

    #[test]
    fn nothing_can_be_seen_in_the_directory_or_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(dir.path(), true).unwrap();
        spool.append(&[0; 1 << 16]).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert_eq!(spool.file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let mut first = vec![0; 1 << 16];
        spool.file.read_exact_at(&mut first, 0).unwrap();
        assert!(first.chunks(16).all(|block| block != [0; 16]));
        spool.truncate(0).unwrap();
        spool.append(&[0; 1 << 16]).unwrap();
        let mut second = vec![0; 1 << 16];
        spool.file.read_exact_at(&mut second, 0).unwrap();
        assert!(first.chunks(16).zip(second.chunks(16)).all(|(a, b)| a != b), "a key stream twice");
    }

    #[test]
    fn another_thread_reads_what_was_there_when_it_was_asked() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(dir.path(), true).unwrap();
        spool.append(b"before").unwrap();
        let mut reader = spool.reader();
        spool.append(b" and after").unwrap();
        let read = std::thread::spawn(move || io::read_to_string(&mut reader).unwrap());
        assert_eq!(read.join().unwrap(), "before");
        assert_eq!(content(&spool), b"before and after");
    }

    #[test]
    fn an_error_names_the_staging_area() {
        let error = Spool::new(Path::new("/nonexistent/staging"), false).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/staging"), "{error}");
    }
}
