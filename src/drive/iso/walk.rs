//! The walk through the directories of a volume.

use std::collections::HashSet;

use super::descriptor::{self, Descriptor};
use super::record::DirectoryRecord;
use super::susp::{Continuation, Entries};
use super::{IsoFault, Listing, MediumReader};
use crate::drive::absence::ReadFailure;
use crate::drive::reader::{DiscFile, Extent};
use crate::model::size::SECTOR;
use crate::model::{Bytes, Sectors};
use crate::port::stop::Stop;

/// Levels of directories below the root. A coldcut disc has one; what is deeper on another one is
/// not looked for.
const DEPTH: usize = 8;
/// Ours have some hundred records, and a recovery disc some thousand.
const RECORDS: usize = 1 << 18;
/// Bytes of directories, and of paths.
const DIRECTORIES: u64 = 64 << 20;
const PATHS: usize = 64 << 20;
/// Files do not share sectors on coldcut discs. So much more than the volume has may be named: who
/// reads all files reads no more.
const SHARED: u64 = 2;

type Sector = [u8; SECTOR as usize];

/// A directory that is to be read.
struct IsoDirectory {
    /// With a slash after it; empty for the root.
    path: String,
    start: u32,
    length: u32,
    depth: usize,
}

/// A file of which pieces are missing yet.
struct Begun {
    identifier: Vec<u8>,
    file: DiscFile,
}

pub(super) struct IsoWalk<'a> {
    read: &'a MediumReader<'a>,
    stop: &'a Stop,
    volume: Descriptor,
    waiting: Vec<IsoDirectory>,
    seen: HashSet<u32>,
    names: HashSet<String>,
    files: Vec<DiscFile>,
    begun: Option<Begun>,
    skip: usize,
    /// The last continuation's sector: neighbours share it.
    kept: Option<(u32, Box<Sector>)>,
    records: usize,
    directories: u64,
    paths: usize,
    content: u64,
    first_complaint: Option<String>,
    complaints: usize,
}

impl<'a> IsoWalk<'a> {
    /// Reads the volume descriptor.
    pub fn over(read: &'a MediumReader<'a>, stop: &'a Stop) -> Result<IsoWalk<'a>, IsoFault> {
        stop.check()?;
        let number = descriptor::SECTOR_NUMBER;
        let volume = match sector(read, number)? {
            Ok(block) => Descriptor::parse(&block[..]).ok_or(IsoFault::NotAVolume)?,
            // A file that ends before it is something else.
            Err(None) => return Err(IsoFault::NotAVolume),
            Err(Some(error)) => return Err(IsoFault::Damaged(format!("sector {number}: {error}"))),
        };
        let (start, length) = volume.root;
        let root = IsoDirectory { path: String::new(), start, length, depth: 0 };
        Ok(IsoWalk {
            read,
            stop,
            volume,
            waiting: vec![root],
            seen: HashSet::from([start]),
            names: HashSet::new(),
            files: Vec::new(),
            begun: None,
            skip: 0,
            kept: None,
            records: 0,
            directories: 0,
            paths: 0,
            content: 0,
            first_complaint: None,
            complaints: 0,
        })
    }

    pub fn run(mut self) -> Result<Listing, IsoFault> {
        while let Some(directory) = self.waiting.pop() {
            self.take_directory(&directory)?;
        }
        let mut files = self.files;
        // Empty files may share a place.
        let start = |file: &DiscFile| file.extents.first().map(|extent| extent.start);
        files.sort_by(|a, b| {
            start(a).cmp(&start(b)).then_with(|| a.path.split('/').cmp(b.path.split('/')))
        });
        let complaint = self.first_complaint.map(|first| match self.complaints {
            1 => first,
            more => format!("in {more} places, the first: {first}"),
        });
        match complaint {
            Some(words) if files.is_empty() => Err(IsoFault::Damaged(words)),
            complaint => Ok(Listing { sectors: self.volume.sectors, files, complaint }),
        }
    }

    fn take_directory(&mut self, directory: &IsoDirectory) -> Result<(), IsoFault> {
        let count = Bytes(directory.length.into()).sectors().0;
        if u64::from(directory.start) + count > self.volume.sectors.0 {
            self.complain(directory.start, "a directory is beyond the end of the volume");
            return Ok(());
        }
        for number in (directory.start..).take(count as usize) {
            self.stop.check()?;
            let Some(block) = self.directory_sector(number)? else { continue };
            self.take_sector(directory, number, &block)?;
        }
        self.drop_begun(directory.start);
        Ok(())
    }

    /// A sector of a directory; `None` if it cannot be read.
    fn directory_sector(&mut self, number: u32) -> Result<Option<Box<Sector>>, IsoFault> {
        self.directories += SECTOR;
        if self.directories > DIRECTORIES {
            return Err(too_much(format!(
                "its directories are larger than {}",
                Bytes(DIRECTORIES)
            )));
        }
        Ok(match sector(self.read, number)? {
            Ok(block) => Some(block),
            Err(error) => {
                let words = error.map_or("the image ends before it".to_owned(), |e| e.to_string());
                self.complain(number, &words);
                None
            }
        })
    }

    fn take_sector(
        &mut self,
        dir: &IsoDirectory,
        number: u32,
        block: &Sector,
    ) -> Result<(), IsoFault> {
        let mut rest = &block[..];
        // Behind a sector's last record there are zeros (ECMA-119 6.8.1.1).
        while let Some(&length) = rest.first().filter(|&&length| length > 0) {
            self.records += 1;
            if self.records > RECORDS {
                return Err(too_much(format!("it has more than {RECORDS} records")));
            }
            let Some(record) = DirectoryRecord::parse(rest) else {
                self.complain(number, "a record contradicts itself");
                return Ok(());
            };
            self.take_record(dir, number, &record)?;
            rest = &rest[usize::from(length)..];
        }
        if rest.iter().any(|&byte| byte != 0) {
            self.complain(number, "there is something after the last record");
        }
        Ok(())
    }

    fn take_record(
        &mut self,
        dir: &IsoDirectory,
        number: u32,
        record: &DirectoryRecord,
    ) -> Result<(), IsoFault> {
        if record.is_own_or_parent() {
            if record.is_own() && dir.depth == 0 {
                self.skip = self.entries(number, record, 0)?.skip.unwrap_or(0).into();
            }
            return Ok(());
        }
        if let Some(begun) = self.begun.take_if(|begun| begun.identifier == record.identifier) {
            return self.go_on(number, record, begun);
        }
        self.drop_begun(number);
        let entries = self.entries(number, record, self.skip)?;
        if record.is_associated() || entries.is_special(record.is_directory()) {
            return Ok(());
        }
        let Some(name) = entries.name(|| record.plain_name()) else {
            self.complain(number, "a name is not valid");
            return Ok(());
        };
        let path = format!("{}{name}", dir.path);
        self.paths += path.len();
        if self.paths > PATHS {
            return Err(too_much(format!("its paths are longer than {}", Bytes(PATHS as u64))));
        }
        if !self.names.insert(path.clone()) {
            self.complain(number, &format!("{} is listed twice", shown(&path)));
            return Ok(());
        }
        match record.is_directory() {
            true => self.wait_for(dir, number, record, path),
            false => {
                let file = DiscFile { path, size: Bytes(0), extents: Vec::new() };
                let identifier = record.identifier.to_vec();
                self.go_on(number, record, Begun { identifier, file })?;
            }
        }
        Ok(())
    }

    fn wait_for(
        &mut self,
        dir: &IsoDirectory,
        number: u32,
        record: &DirectoryRecord,
        path: String,
    ) {
        let (start, length, depth) = (record.start, record.length, dir.depth + 1);
        if depth > DEPTH {
            return;
        }
        match self.seen.insert(start) {
            true => {
                let path = path + "/";
                self.waiting.push(IsoDirectory { path, start, length, depth });
            }
            false => self.complain(
                number,
                &format!("directory {} is at the place of another one", shown(&path)),
            ),
        }
    }

    /// Takes a piece of a file, the first or the next.
    fn go_on(
        &mut self,
        number: u32,
        record: &DirectoryRecord,
        mut begun: Begun,
    ) -> Result<(), IsoFault> {
        let (start, length) = (Sectors(record.start.into()), Bytes(record.length.into()));
        let lies_inside = start.0 + length.sectors().0 <= self.volume.sectors.0 || length.0 == 0;
        let odd = record.odd.or((!lies_inside).then_some("it is beyond the end of the volume"));
        if let Some(odd) = odd {
            self.complain(number, &format!("{}: {odd}", shown(&begun.file.path)));
            return Ok(());
        }
        self.content += length.0;
        if self.content > self.volume.sectors.bytes().0.saturating_mul(SHARED) {
            return Err(too_much("its files would be larger than the disc".to_owned()));
        }
        begun.file.extents.push(Extent { start, length });
        begun.file.size = Bytes(begun.file.size.0 + length.0);
        match record.has_more() {
            true => self.begun = Some(begun),
            false => self.files.push(begun.file),
        }
        Ok(())
    }

    fn drop_begun(&mut self, number: u32) {
        if let Some(begun) = self.begun.take() {
            self.complain(number, &format!("{} has no end", shown(&begun.file.path)));
        }
    }

    /// All that SUSP keeps for a record, wherever it goes on.
    fn entries(
        &mut self,
        at: u32,
        record: &DirectoryRecord,
        skip: usize,
    ) -> Result<Entries, IsoFault> {
        let mut entries = Entries::default();
        let mut next = entries.take(record.system_use.get(skip..).unwrap_or_default());
        while let Some(Continuation { sector, offset, length }) = next {
            self.stop.check()?;
            if self.kept.as_ref().is_none_or(|(kept, _)| *kept != sector) {
                let block = self.directory_sector(sector)?;
                self.kept = block.map(|block| (sector, block));
            }
            // It does not cross its sector's border (SUSP 5.1).
            let within = offset as usize..(offset as usize).saturating_add(length as usize);
            let area = self.kept.as_ref().and_then(|(_, block)| block.get(within));
            next = area.and_then(|area| entries.take(area));
        }
        if entries.is_broken {
            self.complain(at, "what comes after an identifier cannot be read");
        }
        Ok(entries)
    }

    fn complain(&mut self, number: u32, words: &str) {
        self.complaints += 1;
        self.first_complaint.get_or_insert_with(|| format!("sector {number}: {words}"));
    }
}

fn shown(path: &str) -> String {
    crate::model::path::shown(path.as_bytes())
}

/// Discs that coldcut writes stay far below these limits.
fn too_much(words: String) -> IsoFault {
    IsoFault::Damaged(format!(
        "{words}, more than any coldcut disc: to read it anyway, mount it and name the directory"
    ))
}

/// A whole sector; what is in the way of it, `None` if the medium ends before.
type Read = Result<Box<Sector>, Option<std::io::Error>>;

fn sector(read: &MediumReader, number: u32) -> Result<Read, IsoFault> {
    let mut block: Box<Sector> = Box::new([0; SECTOR as usize]);
    let (first, mut filled) = (u64::from(number) * SECTOR, 0);
    while filled < block.len() {
        match read(first + filled as u64, &mut block[filled..]) {
            Ok(0) => return Ok(Err(None)),
            Ok(read) => filled += read,
            Err(ReadFailure::Bad(error)) => return Ok(Err(Some(error))),
            Err(ReadFailure::Gone(absence)) => return Err(IsoFault::Gone(absence)),
        }
    }
    Ok(Ok(block))
}
