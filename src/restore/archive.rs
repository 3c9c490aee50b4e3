//! An archive on a disc, read from any place: in clear, or decrypted from the middle.

use std::io::{self, Read};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::codec::openpgp::{OpenError, Opener, ReadAt, Unlocked};
use crate::drive::{DiscFile, DiscReader, ReadError};
use crate::model::ArchiveNo;
use crate::model::disc::{Compression, parse_archive_path};
use crate::model::size::SECTOR;

#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("archive {0} is not on the disc")]
    Missing(ArchiveNo),
    #[error("archive {0} is encrypted and no key is given")]
    NoKey(ArchiveNo),
    #[error("archive {number} cannot be decrypted")]
    Locked { number: ArchiveNo, source: OpenError },
}

/// One archive file of a disc.
pub struct Archive<'a> {
    pub compression: Compression,
    disc: &'a dyn DiscReader,
    file: &'a DiscFile,
    unlocked: Option<Unlocked>,
}

impl<'a> Archive<'a> {
    pub fn open(
        disc: &'a dyn DiscReader,
        number: ArchiveNo,
        opener: Option<&Opener>,
    ) -> Result<Archive<'a>, ArchiveError> {
        let named = disc.files().iter().find_map(|file| {
            let (found, compression, encrypted) = parse_archive_path(&file.path)?;
            (found == number).then_some((file, compression, encrypted))
        });
        let (file, compression, encrypted) = named.ok_or(ArchiveError::Missing(number))?;
        let mut archive = Archive { compression, disc, file, unlocked: None };
        if encrypted {
            let opener = opener.ok_or(ArchiveError::NoKey(number))?;
            let unlocked = opener.unlock(&archive.bytes(Holes::Fail));
            archive.unlocked =
                Some(unlocked.map_err(|source| ArchiveError::Locked { number, source })?);
        }
        Ok(archive)
    }

    pub fn is_encrypted(&self) -> bool {
        self.unlocked.is_some()
    }

    /// A stretch of the decrypted archive. It ends early where the archive does.
    pub fn range<'b>(
        &'b self,
        bytes: &'b ArchiveBytes<'a>,
        offset: u64,
        length: u64,
    ) -> Box<dyn Read + Send + 'b> {
        match &self.unlocked {
            Some(unlocked) => Box::new(unlocked.range(bytes, offset, length)),
            None => {
                Box::new(ArchiveRange { bytes, at: offset, end: offset.saturating_add(length) })
            }
        }
    }

    /// The file as it is on the disc.
    pub fn bytes(&self, holes: Holes) -> ArchiveBytes<'a> {
        ArchiveBytes::of(self.disc, self.file, holes)
    }
}

/// What to do about sectors that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holes {
    Fail,
    /// Zeros stand for them: what lies behind is read, and hashes tell what is whole.
    Zeros,
}

/// The bytes of a file on a disc.
pub struct ArchiveBytes<'a> {
    disc: &'a dyn DiscReader,
    file: &'a DiscFile,
    holes: Holes,
    fault: Mutex<Option<String>>,
}

impl<'a> ArchiveBytes<'a> {
    pub fn of(disc: &'a dyn DiscReader, file: &'a DiscFile, holes: Holes) -> ArchiveBytes<'a> {
        ArchiveBytes { disc, file, holes, fault: Mutex::default() }
    }

    /// From the first to the last.
    pub fn into_reader(self) -> impl Read + 'a {
        WholeFile { bytes: self, at: 0 }
    }

    /// Why zeros stand for what should have been read; `None` if all was read.
    pub fn fault(&self) -> Option<String> {
        self.known_fault().clone()
    }

    fn known_fault(&self) -> MutexGuard<'_, Option<String>> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReadAt for ArchiveBytes<'_> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        match self.disc.read_at(self.file, offset, buf) {
            Ok(read) => Ok(read),
            // Behind a disc that is away nothing can be read, and no zeros stand for it.
            Err(error @ ReadError::Gone(_)) => Err(io::Error::other(error)),
            Err(error) if self.holes == Holes::Fail => Err(io::Error::other(error)),
            Err(error) => {
                self.known_fault().get_or_insert(error.to_string());
                let sound_again = (SECTOR - offset % SECTOR).min(self.file.size.0 - offset);
                let zeros = buf.len().min(sound_again as usize);
                buf[..zeros].fill(0);
                Ok(zeros)
            }
        }
    }
}

struct WholeFile<'a> {
    bytes: ArchiveBytes<'a>,
    at: u64,
}

impl Read for WholeFile<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read_at(self.at, buf)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// A reader over a stretch of a plain archive.
struct ArchiveRange<'a, 'b> {
    bytes: &'b ArchiveBytes<'a>,
    at: u64,
    end: u64,
}

impl Read for ArchiveRange<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let wanted = left.min(buf.len());
        let read = self.bytes.read_at(self.at, &mut buf[..wanted])?;
        self.at += read as u64;
        Ok(read)
    }
}
