//! Reading one file of the source, once: opened safely, hashed as it passes, and watched for changes.

use std::io;

use sha2::{Digest as _, Sha256};

use crate::codec::frames::{FRAME_BYTES, is_worth_compressing};
use crate::codec::sparse::SparseMap;
use crate::model::{Digest, Entry};
use crate::scan::content::{ContentReadError, OpenFile, Source};

/// How much is read at once.
const BLOCK: usize = 256 << 10;

/// The next bytes of a file.
#[derive(Clone, Copy, Debug)]
pub enum FileBlock<'a> {
    Data(&'a [u8]),
    /// So many zeros that the file system does not store.
    Hole(u64),
}

impl FileBlock<'_> {
    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        match self {
            FileBlock::Data(data) => data.len() as u64,
            FileBlock::Hole(zeros) => *zeros,
        }
    }
}

/// A file that is being packed. Small ones are held whole, so that they are read once even where
/// their hash decides what becomes of them.
pub struct FileReading {
    pub entry: Entry,
    file: OpenFile,
    map: SparseMap,
    whole: Option<Vec<u8>>,
    hasher: Sha256,
    /// Bytes of the file that went through the hasher: everything before this offset.
    hashed: u64,
    short: bool,
}

impl FileReading {
    /// Opens the file and takes its size and times afresh: they may have changed since the walk.
    pub fn open(source: &mut Source, mut entry: Entry) -> Result<FileReading, ContentReadError> {
        let file = source.open_file(&entry.path, &entry.print)?;
        let stat = file.stat().map_err(ContentReadError::Open)?;
        entry.size = stat.size;
        entry.meta.mtime = stat.mtime;
        entry.print.ctime = stat.ctime;
        entry.print.inode = stat.inode;
        let map = regions(&file, &entry).map_err(ContentReadError::Open)?;
        let mut reading = FileReading {
            entry,
            file,
            map,
            whole: None,
            hasher: Sha256::new(),
            hashed: 0,
            short: false,
        };
        if reading.entry.size <= FRAME_BYTES as u64 {
            reading.hold_whole().map_err(ContentReadError::Open)?;
        }
        Ok(reading)
    }

    fn hold_whole(&mut self) -> io::Result<()> {
        let mut data = vec![0; self.entry.size as usize];
        let got = read_full(&self.file, &mut data, 0)?;
        self.short |= got < data.len();
        self.hasher.update(&data);
        self.hashed = self.entry.size;
        self.whole = Some(data);
        Ok(())
    }

    pub fn size(&self) -> u64 {
        self.entry.size
    }

    /// Bytes that are not holes.
    pub fn data_bytes(&self) -> u64 {
        self.map.data_len()
    }

    pub fn map(&self) -> &SparseMap {
        &self.map
    }

    /// The map of a slice that lies within the file.
    pub fn slice(&self, from: u64, len: u64) -> SparseMap {
        self.map.slice(from, len).unwrap_or_else(|| full(len))
    }

    pub fn is_sparse(&self) -> bool {
        self.map.data_len() < self.map.size()
    }

    /// The content's digest if all of it has been read; small files always have.
    pub fn digest(&self) -> Option<Digest> {
        (self.hashed == self.entry.size).then(|| Digest(self.hasher.clone().finalize().into()))
    }

    /// Reads the file through once for its digest alone: where the same content may be stored already.
    /// `pass` hears how far it is, and may end it.
    pub fn digest_ahead(
        &self,
        mut pass: impl FnMut(u64) -> Result<(), super::PackError>,
    ) -> Result<io::Result<Option<Digest>>, super::PackError> {
        if let Some(digest) = self.digest() {
            return Ok(Ok(Some(digest)));
        }
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; BLOCK];
        let mut at = 0;
        while at < self.entry.size {
            pass(at)?;
            let take = (self.entry.size - at).min(BLOCK as u64) as usize;
            match read_full(&self.file, &mut buffer[..take], at) {
                Err(error) => return Ok(Err(error)),
                Ok(got) if got < take => return Ok(Ok(None)),
                Ok(_) => {}
            }
            hasher.update(&buffer[..take]);
            at += take as u64;
        }
        Ok(Ok(Some(Digest(hasher.finalize().into()))))
    }

    /// Whether compressing this file is worth the time.
    pub fn is_compressible(&self) -> io::Result<bool> {
        let samples = match &self.whole {
            Some(data) => sample(data),
            None => self.file.samples()?,
        };
        let slices: Vec<&[u8]> = samples.iter().map(Vec::as_slice).collect();
        Ok(is_worth_compressing(&slices))
    }

    /// Hands out `len` bytes from `from`, in order, block by block, and hashes them; returns the
    /// digest of these `len` bytes, holes as zeros. Calls must follow each other through the file.
    /// Hashing the zeros of a hole takes its time, too: `sink` hears of them as they pass.
    pub fn read_slice(
        &mut self,
        from: u64,
        len: u64,
        sink: &mut dyn FnMut(FileBlock) -> Result<(), super::PackError>,
    ) -> Result<io::Result<Digest>, super::PackError> {
        let map = self.slice(from, len);
        let is_all = from == 0 && len == self.entry.size;
        let held = self.whole.is_some();
        // What is hashed already, and what is the whole file by itself, is hashed once.
        let all = (!held && !is_all).then_some(&mut self.hasher);
        let mut slice = SliceHasher { all, own: Sha256::new(), at: from };
        let mut buffer = vec![0; BLOCK];
        for &(offset, length) in map.regions() {
            slice.zeros(from + offset, sink)?;
            let (mut at, end) = (from + offset, from + offset + length);
            while at < end {
                let take = (end - at).min(BLOCK as u64) as usize;
                match fetch(&self.whole, &self.file, &mut buffer[..take], at) {
                    Err(error) => return Ok(Err(error)),
                    Ok(got) if got < take => self.short = true,
                    Ok(_) => {}
                }
                slice.data(&buffer[..take]);
                sink(FileBlock::Data(&buffer[..take]))?;
                at += take as u64;
            }
        }
        slice.zeros(from + len, sink)?;
        let own = slice.own;
        if !held && is_all {
            self.hasher = own.clone();
        }
        if !held {
            self.hashed = from + len;
        }
        Ok(Ok(Digest(own.finalize().into())))
    }

    /// Whether the file is still what it was when it was opened.
    pub fn is_unchanged(&self) -> io::Result<bool> {
        let now = self.file.stat()?;
        let then = &self.entry;
        Ok(!self.short
            && now.size == then.size
            && now.mtime == then.meta.mtime
            && now.ctime == then.print.ctime)
    }

    /// The content, if the file is small enough to be held.
    pub fn whole(&self) -> Option<&[u8]> {
        self.whole.as_deref()
    }
}

/// Hashes a slice for itself and, if asked, for the whole file, filling holes with zeros.
struct SliceHasher<'a> {
    all: Option<&'a mut Sha256>,
    own: Sha256,
    at: u64,
}

impl SliceHasher<'_> {
    fn data(&mut self, data: &[u8]) {
        self.own.update(data);
        if let Some(all) = &mut self.all {
            all.update(data);
        }
        self.at += data.len() as u64;
    }

    fn zeros(
        &mut self,
        until: u64,
        sink: &mut dyn FnMut(FileBlock) -> Result<(), super::PackError>,
    ) -> Result<(), super::PackError> {
        static ZEROS: [u8; BLOCK] = [0; BLOCK];
        while self.at < until {
            let take = (until - self.at).min(ZEROS.len() as u64) as usize;
            self.data(&ZEROS[..take]);
            sink(FileBlock::Hole(take as u64))?;
        }
        Ok(())
    }
}

fn fetch(whole: &Option<Vec<u8>>, file: &OpenFile, to: &mut [u8], at: u64) -> io::Result<usize> {
    match whole {
        Some(data) => {
            to.copy_from_slice(&data[at as usize..at as usize + to.len()]);
            Ok(to.len())
        }
        None => read_full(file, to, at),
    }
}

/// Reads until the buffer is full or the file ends; what is missing is zeros.
fn read_full(file: &OpenFile, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match file.read_at(&mut buffer[got..], at + got as u64)? {
            0 => break,
            n => got += n,
        }
    }
    buffer[got..].fill(0);
    Ok(got)
}

/// Where the file has data. Asked only if the file occupies less than its size.
fn regions(file: &OpenFile, entry: &Entry) -> io::Result<SparseMap> {
    if entry.print.occupied >= entry.size {
        return Ok(full(entry.size));
    }
    let regions = file.data_regions()?;
    Ok(SparseMap::new(entry.size, &regions).unwrap_or_else(|| full(entry.size)))
}

/// No holes. One region that is the whole can always be made.
fn full(size: u64) -> SparseMap {
    SparseMap::new(size, &[(0, size)]).expect("one region from the start to the end is in order")
}

/// Head, middle and tail of a file in memory.
fn sample(data: &[u8]) -> Vec<Vec<u8>> {
    const SAMPLE: usize = 16 << 10;
    if data.len() <= 3 * SAMPLE {
        return vec![data.to_vec()];
    }
    let middle = data.len() / 2 - SAMPLE / 2;
    [0, middle, data.len() - SAMPLE].iter().map(|&at| data[at..at + SAMPLE].to_vec()).collect()
}
