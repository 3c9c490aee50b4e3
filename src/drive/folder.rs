//! A disc's content in a folder: a mounted disc, or its files copied somewhere.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{Mode, OFlags};

use super::DriveError;
use super::absence::{Absence, of_place};
use super::image::read_up_to_damage;
use super::reader::{DiscFile, DiscReader, ReadError, Volume};
use super::shelf::identity::place_of_file;
use crate::model::size::SECTOR;
use crate::model::{Bytes, Carrier, FileId, Sectors};
use crate::port::filesystem;

/// Directories are searched so deep: a disc has one level, and a link may make a circle.
const DEPTH: usize = 4;
/// The error of a medium; other errors are the system's.
const EIO: i32 = rustix::io::Errno::IO.raw_os_error();

/// A directory with a disc's content in it.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    files: Vec<DiscFile>,
    gone: OnceLock<Absence>,
}

impl Folder {
    /// Whether the directory holds a disc's content. What was copied from a damaged disc may lack
    /// some of the files that tell.
    pub fn is_one(dir: &Path) -> bool {
        let has = |name: &&str| dir.join(name).is_file();
        has(&"DISC.txt") || ["README.txt", "restore.sh", "SHA256SUMS"].iter().all(has)
    }

    /// Symbolic links in it are not followed: none is on a disc, and they could lead anywhere.
    pub fn open(dir: &Path) -> Result<Folder, DriveError> {
        if !Folder::is_one(dir) {
            return Err(DriveError::Foreign(dir.to_owned()));
        }
        let mut files = Vec::new();
        collect(dir, "", DEPTH, &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Folder { root: dir.to_owned(), files, gone: OnceLock::new() })
    }

    /// The image of a disc that is mounted here.
    fn image(&self) -> Option<PathBuf> {
        if filesystem::is_disc(&self.root) { filesystem::image_below(&self.root) } else { None }
    }

    fn open_file(&self, file: &DiscFile) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let path = self.root.join(&file.path);
        Ok(rustix::fs::open(&path, flags, Mode::empty())?.into())
    }

    fn failure(&self, file: &DiscFile, offset: u64, source: io::Error) -> ReadError {
        if let Some(absence) = of_place(&self.root, None, &source) {
            return self.gone.get_or_init(|| absence).clone().into();
        }
        let (disc, path) = (self.title(), file.path.clone());
        match source.raw_os_error() {
            Some(EIO) => {
                let sector = Sectors(offset / SECTOR);
                ReadError::Unreadable { disc, path, sector, source: Some(source) }
            }
            _ => ReadError::Io { disc, path, source },
        }
    }
}

impl DiscReader for Folder {
    fn title(&self) -> String {
        self.root.display().to_string()
    }

    fn medium(&self) -> Carrier {
        match self.image() {
            Some(image) => Carrier::Shelf(place_of_file(&image)),
            None if filesystem::is_disc(&self.root) => Carrier::found_in(self.title()),
            None => Carrier::Folder(self.root.canonicalize().unwrap_or_else(|_| self.root.clone())),
        }
    }

    /// Of an image that is mounted: the image.
    fn file_id(&self) -> Option<FileId> {
        let file = fs::metadata(self.image()?).ok()?;
        Some(FileId { device: file.dev(), inode: file.ino() })
    }

    fn files(&self) -> &[DiscFile] {
        &self.files
    }

    fn read_at(&self, file: &DiscFile, offset: u64, buf: &mut [u8]) -> Result<usize, ReadError> {
        if buf.is_empty() || offset >= file.size.0 {
            return Ok(0);
        }
        if let Some(gone) = self.gone.get() {
            return Err(gone.clone().into());
        }
        let wanted = (file.size.0 - offset).min(buf.len() as u64) as usize;
        let n = self
            .open_file(file)
            .and_then(|open| read_up_to_damage(&open, offset, &mut buf[..wanted]))
            .map_err(|source| self.failure(file, offset, source))?;
        match n {
            // It was longer when it was listed.
            0 => Err(self.failure(file, offset, io::ErrorKind::UnexpectedEof.into())),
            n => Ok(n),
        }
    }

    fn absence(&self) -> Option<Absence> {
        self.gone.get().cloned()
    }

    fn volume(&self) -> Option<Volume> {
        None
    }

    fn image_sectors(&self) -> Option<Sectors> {
        None
    }
}

/// Lists regular files below `dir`; `below` is its path from the root, with a slash after it.
fn collect(
    dir: &Path,
    below: &str,
    depth: usize,
    files: &mut Vec<DiscFile>,
) -> Result<(), DriveError> {
    for entry in fs::read_dir(dir).map_err(DriveError::io("list", dir))? {
        let entry = entry.map_err(DriveError::io("list", dir))?;
        // All names of ours are ASCII.
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{below}{name}");
        let metadata = entry.metadata().map_err(DriveError::io("access", entry.path()))?;
        if metadata.is_file() {
            files.push(DiscFile::without_place(&path, Bytes(metadata.len())));
        } else if metadata.is_dir() && depth > 0 {
            collect(&entry.path(), &format!("{path}/"), depth - 1, files)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    use crate::drive::FileReader;

    fn content() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("archives")).unwrap();
        fs::write(dir.path().join("DISC.txt"), "format=1\n").unwrap();
        fs::write(dir.path().join("archives/00000001.tar"), "0123456789").unwrap();
        dir
    }

    #[test]
    fn the_files_of_a_folder_are_read_in_whole_and_in_part() {
        let dir = content();
        let folder = Folder::open(dir.path()).unwrap();
        let paths: Vec<_> = folder.files().iter().map(|f| f.path.as_str()).collect();
        assert_eq!(paths, ["DISC.txt", "archives/00000001.tar"]);
        let mut text = String::new();
        let file = folder.file("archives/00000001.tar").unwrap();
        FileReader::range(&folder, file, 3..99).read_to_string(&mut text).unwrap();
        assert_eq!(text, "3456789");
        assert_eq!(folder.read_at(file, 10, &mut [0; 4]).unwrap(), 0);
    }

    #[test]
    fn links_in_a_folder_lead_nowhere() {
        let dir = content();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "x").unwrap();
        let link = |target: &Path, name: &str| {
            std::os::unix::fs::symlink(target, dir.path().join(name)).unwrap();
        };
        link(outside.path(), "out");
        link(&outside.path().join("secret"), "INDEX.tsv.bz2");
        let folder = Folder::open(dir.path()).unwrap();
        assert_eq!(folder.files().len(), 2);
        // A file that becomes a link after it was listed.
        fs::remove_file(dir.path().join("archives/00000001.tar")).unwrap();
        link(&outside.path().join("secret"), "archives/00000001.tar");
        let file = folder.file("archives/00000001.tar").unwrap();
        let error = folder.read_at(file, 0, &mut [0; 4]).unwrap_err();
        assert!(matches!(error, ReadError::Io { .. }), "{error}");
    }

    #[test]
    fn a_folder_that_vanishes_is_gone_and_a_file_that_vanishes_is_missing() {
        let dir = content();
        let folder = Folder::open(dir.path()).unwrap();
        let archive = folder.file("archives/00000001.tar").unwrap();
        fs::remove_file(dir.path().join(&archive.path)).unwrap();
        let error = folder.read_at(archive, 0, &mut [0; 4]).unwrap_err();
        assert!(matches!(error, ReadError::Io { .. }), "{error}");
        assert_eq!(folder.absence(), None);
        fs::remove_dir_all(dir.path()).unwrap();
        let error = folder.read_at(archive, 0, &mut [0; 4]).unwrap_err();
        assert!(matches!(error, ReadError::Gone(_)), "{error}");
        assert!(folder.absence().is_some());
    }

    #[test]
    fn a_file_that_became_shorter_is_an_error() {
        let dir = content();
        let folder = Folder::open(dir.path()).unwrap();
        fs::write(dir.path().join("archives/00000001.tar"), "01").unwrap();
        let file = folder.file("archives/00000001.tar").unwrap();
        let error = FileReader::new(&folder, file).read_to_end(&mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("00000001.tar cannot be read"), "{error}");
    }
}
