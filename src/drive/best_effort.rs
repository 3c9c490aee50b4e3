//! A file of a disc to its end, whatever can be read of it: copies of the disc fill each other's
//! holes, and zeros stand for what none of them gives (a copy that went away is an error). For
//! whoever can repair what is missing.

use std::io::{self, Read};

use super::reader::{DiscFile, DiscReader, ReadError};
use crate::model::size::{CLUSTER, SECTOR};

/// The stream, and how much of it is zeros that nobody wrote.
pub struct BestEffortReader<'a> {
    copies: Vec<(&'a dyn DiscReader, &'a DiscFile)>,
    size: u64,
    at: u64,
    piece: u64,
    /// Bytes that no copy gives.
    pub missing: u64,
}

#[derive(Clone, Copy)]
enum StreamEffort {
    Easy,
    EachSector,
}

impl<'a> BestEffortReader<'a> {
    /// The file `path` as the copies have it; `None` if it is on none of them.
    pub fn open(copies: &[&'a dyn DiscReader], path: &str) -> Option<BestEffortReader<'a>> {
        let copies: Vec<_> =
            copies.iter().filter_map(|&disc| Some((disc, disc.file(path)?))).collect();
        let size = copies.iter().map(|(_, file)| file.size.0).max()?;
        Some(BestEffortReader { copies, size, at: 0, piece: u64::MAX, missing: 0 })
    }

    /// For whoever can use what is whole of each piece of so many bytes: behind a bad sector only
    /// the rest of its piece is given up, as far as its cluster goes, and the next piece is tried.
    pub fn in_pieces(self, piece: u64) -> BestEffortReader<'a> {
        BestEffortReader { piece: piece.max(1), ..self }
    }

    pub fn size(&self) -> u64 {
        self.size
    }
}

impl Read for BestEffortReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let wanted = (self.size - self.at).min(buf.len() as u64) as usize;
        if wanted == 0 {
            return Ok(0);
        }
        // What is easy to read on another copy is not worth an hour of this one's drive.
        let is_alone = self.copies.len() == 1;
        let mut hole = self.piece - self.at % self.piece;
        for effort in
            [StreamEffort::Easy, StreamEffort::EachSector].into_iter().skip(usize::from(is_alone))
        {
            match self.read_from_copies(effort, &mut buf[..wanted])? {
                Ok(read) => return Ok(read),
                Err(bad) => hole = hole.min(bad),
            }
        }
        let zeros = hole.min(wanted as u64);
        buf[..zeros as usize].fill(0);
        self.at += zeros;
        self.missing += zeros;
        Ok(zeros as usize)
    }
}

impl BestEffortReader<'_> {
    /// From the first copy that gives it; else how far the hole goes that begins here.
    fn read_from_copies(
        &mut self,
        effort: StreamEffort,
        buf: &mut [u8],
    ) -> io::Result<Result<usize, u64>> {
        let (mut hole, mut gone) = (u64::MAX, None);
        for (disc, file) in &self.copies {
            let read = match effort {
                StreamEffort::Easy => disc.read_at(file, self.at, buf),
                StreamEffort::EachSector => disc.read_each_sector(file, self.at, buf),
            };
            match read {
                Ok(0) => {}
                Ok(read) => {
                    self.at += read as u64;
                    return Ok(Ok(read));
                }
                Err(error @ ReadError::Gone(_)) => gone = Some(error),
                Err(error) => hole = hole.min(hole_of(&error, self.at)),
            }
        }
        // A copy that is away may have it whole: nobody is to work with zeros in its place.
        gone.map_or(Ok(Err(hole)), |gone| Err(io::Error::other(gone)))
    }
}

/// How far a hole goes that begins here. The error correction of a BD covers a cluster: its
/// sectors fail together, and each failure costs up to a minute.
fn hole_of(error: &ReadError, at: u64) -> u64 {
    let position = match error {
        ReadError::Unreadable { sector, .. } => sector.bytes().0 + at % SECTOR,
        ReadError::Io { .. } | ReadError::Gone(_) => at,
    };
    let cluster = CLUSTER.bytes().0;
    cluster - position % cluster
}

#[cfg(test)]
mod tests {
    use super::super::ScratchedDisc;
    use super::*;
    use crate::model::{Bytes, Sectors};

    /// A disc of one file of ones, unreadable from one sector to another.
    struct UnreadableDisc(Vec<DiscFile>, std::ops::Range<u64>);

    impl UnreadableDisc {
        fn new(bad: std::ops::Range<u64>) -> UnreadableDisc {
            UnreadableDisc(vec![DiscFile::without_place("x", Bytes(300_000))], bad)
        }
    }

    impl DiscReader for UnreadableDisc {
        fn title(&self) -> String {
            "hurt".into()
        }
        fn medium(&self) -> crate::model::Carrier {
            crate::model::Carrier::found_in(self.title())
        }
        fn files(&self) -> &[DiscFile] {
            &self.0
        }
        fn read_at(
            &self,
            file: &DiscFile,
            offset: u64,
            buf: &mut [u8],
        ) -> Result<usize, ReadError> {
            let sector = offset / SECTOR;
            if self.1.contains(&sector) {
                let (disc, path) = (self.title(), file.path.clone());
                let sector = Sectors(sector);
                return Err(ReadError::Unreadable { disc, path, sector, source: None });
            }
            let end = if sector < self.1.start { self.1.start * SECTOR } else { file.size.0 };
            let read = buf.len().min((end.min(file.size.0) - offset) as usize);
            buf[..read].fill(1);
            Ok(read)
        }
        fn absence(&self) -> Option<super::super::Absence> {
            None
        }
        fn volume(&self) -> Option<super::super::reader::Volume> {
            None
        }

        fn image_sectors(&self) -> Option<Sectors> {
            None
        }
    }

    fn read(copies: &[&dyn DiscReader]) -> (Vec<u8>, u64) {
        let mut patient = BestEffortReader::open(copies, "x").unwrap();
        let mut bytes = Vec::new();
        patient.read_to_end(&mut bytes).unwrap();
        (bytes, patient.missing)
    }

    #[test]
    fn zeros_stand_for_what_cannot_be_read_up_to_the_end_of_its_cluster() {
        let (bytes, missing) = read(&[&UnreadableDisc::new(40..50)]);
        assert_eq!((bytes.len(), missing), (300_000, 24 * SECTOR));
        let zeros = 40 * 2048..64 * 2048;
        assert!(bytes.iter().enumerate().all(|(i, &b)| b == u8::from(!zeros.contains(&i))));
    }

    /// A block of recovery data that begins behind a bad sector is whole.
    #[test]
    fn a_piece_that_begins_behind_a_bad_sector_of_its_cluster_is_read() {
        let scratched = ScratchedDisc::new(&[("archives/x", 0..128)], &[40, 70]);
        let file = "archives/x";
        let read = |piece: u64| {
            let patient = BestEffortReader::open(&[&scratched.disc], file).unwrap();
            let (mut patient, mut bytes) = (patient.in_pieces(piece * SECTOR), Vec::new());
            let mut buf = vec![0; 1 << 20];
            while let read @ 1.. = patient.read(&mut buf).unwrap() {
                bytes.extend_from_slice(&buf[..read]);
            }
            let whole = ScratchedDisc::content(0..128);
            let holes = bytes.iter().zip(&whole).filter(|(read, whole)| read != whole).count();
            assert_eq!(holes as u64, patient.missing);
            patient.missing / SECTOR
        };
        assert_eq!(read(u64::MAX / SECTOR), 24 + 26, "up to the ends of the clusters");
        assert_eq!(read(44), 4 + 18, "up to the ends of pieces");
        assert_eq!(read(1), 2);
        assert_eq!(scratched.failures(), 3 + 2, "what is known to be bad is not tried again");
    }

    #[test]
    fn a_file_that_begins_behind_a_bad_sector_of_another_is_whole() {
        let files = [("archives/x", 0..40), ("archives/y", 40..100)];
        let scratched = ScratchedDisc::new(&files, &[39]);
        let missing = |path: &str| {
            let mut patient = BestEffortReader::open(&[&scratched.disc], path).unwrap();
            io::copy(&mut patient, &mut io::sink()).unwrap();
            patient.missing
        };
        assert_eq!((missing("archives/x"), missing("archives/y")), (SECTOR, 0));
    }

    #[test]
    fn copies_fill_each_others_holes() {
        let (bytes, missing) = read(&[
            &UnreadableDisc::new(40..50),
            &UnreadableDisc::new(0..3),
            &UnreadableDisc::new(99..100),
        ]);
        assert_eq!(missing, 0);
        assert!(bytes == vec![1; 300_000]);
        assert!(BestEffortReader::open(&[&UnreadableDisc::new(0..1)], "y").is_none());
    }
}
