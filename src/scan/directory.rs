//! One directory, open, and what the kernel says of its names. Needs nothing but the directory that
//! it is in, so that any thread can look at it before its turn comes.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use rustix::fs::{Mode, OFlags, RawDir, openat};
use rustix::io::Errno;

use super::filter::{CACHE_SIGNATURE, CACHE_TAG, Filter, Rule};
use super::look::{LookError, Stat};
use super::pseudo;
use super::xattrs::XattrReader;
use crate::drive::shelf_identity::{IDENTITY, id_of};
use crate::model::{ShelfId, Xattr};
use crate::port::beneath::{open_dir_at, proc_path};
use crate::port::stop::Stop;

/// The buffer of getdents64(2): some 1,000 names at a time.
const NAMES_BUFFER: usize = 64 << 10;

/// So many names are looked at together. Bounds what is held of a directory of any size: some 200
/// bytes for each name that was looked at, 40 for each other.
pub(super) const BATCH: usize = 4096;

/// Fewer names than this are not worth another thread: some 1.5 us each, and a handover costs 20.
const NAMES_A_THREAD: usize = 128;

/// A name in a directory, and what the kernel said of it.
pub(super) struct DirChild {
    pub name: Vec<u8>,
    pub stat: rustix::io::Result<Stat>,
}

impl DirChild {
    pub fn is_dir(&self) -> bool {
        self.stat.as_ref().is_ok_and(Stat::is_dir)
    }
}

/// What is said of the directory comes from its descriptor: the name may lead elsewhere by now, or
/// the look at it mounted something.
pub(super) struct Directory {
    pub fd: Arc<OwnedFd>,
    pub stat: Stat,
    pub xattrs: Vec<Xattr>,
    /// It is a shelf, known by its id.
    pub is_shelf: bool,
    /// Why not all that is in it is among its children.
    pub rule: Option<Rule>,
    pub children: Children,
}

impl Directory {
    /// Opens and reads a directory that is in another one, on the file system `above`.
    pub fn open(
        parent: BorrowedFd<'_>,
        name: &[u8],
        above: u64,
        filter: &Filter,
        stop: &Stop,
    ) -> Result<Directory, LookError> {
        let fd = open_dir_at(parent, name)
            .map_err(|errno| LookError::from(errno, LookError::Directory))?;
        Directory::read(fd, Some(above), filter, stop)
    }

    pub fn read(
        fd: OwnedFd,
        above: Option<u64>,
        filter: &Filter,
        stop: &Stop,
    ) -> Result<Directory, LookError> {
        let stat = Stat::of(&fd).map_err(|errno| LookError::from(errno, LookError::Stat))?;
        let xattrs = XattrReader::new().of_dir(&fd);
        let xattrs = xattrs.map_err(|errno| LookError::from(errno, LookError::Xattrs))?;
        let mut rule = rule_for_content(&fd, &stat, above, filter)?;
        let mut children = Children::default();
        let mut is_shelf = false;
        if rule.is_none() {
            let mut names = DirNames::read(&fd, stop)?;
            if let Some((tag, why)) = tag(&fd, &names, filter) {
                names.keep_only(&tag);
                rule = Some(why);
            }
            is_shelf = names.holds(IDENTITY.as_bytes())
                && id_in(&fd).is_some_and(|id| filter.is_shelf_with_id(id));
            children = Children { names, looked: VecDeque::new() };
            stop.check().map_err(LookError::Stopped)?;
            children.look(fd.as_fd());
        }
        Ok(Directory { fd: Arc::new(fd), stat, xattrs, is_shelf, rule, children })
    }
}

/// Where a mount point leads, if the content behind it is not wanted.
fn rule_for_content(
    fd: &OwnedFd,
    stat: &Stat,
    above: Option<u64>,
    filter: &Filter,
) -> Result<Option<Rule>, LookError> {
    if above.is_none_or(|dev| dev == stat.print.dev) {
        return Ok(None);
    }
    let pseudo =
        pseudo::name_of(fd, stat.dev).map_err(|errno| LookError::from(errno, LookError::Stat))?;
    let other = || filter.one_file_system().then_some(Rule::OtherFileSystem);
    Ok(pseudo.map(Rule::Pseudo).or_else(other))
}

/// The shelf's id; the way is by descriptor, for the path may be longer than the kernel takes.
fn id_in(dir: &OwnedFd) -> Option<ShelfId> {
    id_of(Path::new(OsStr::from_bytes(&proc_path(dir.as_fd()))))
}

/// The name that says that only it is wanted of its directory.
fn tag(dir: &OwnedFd, names: &DirNames, filter: &Filter) -> Option<(Vec<u8>, Rule)> {
    if filter.excludes_caches() && names.holds(CACHE_TAG) && is_cache_tag(dir) {
        return Some((CACHE_TAG.to_vec(), Rule::CacheTag));
    }
    let present = filter.present().iter().find(|name| names.holds(name))?;
    Some((present.clone(), Rule::Present(present.clone())))
}

/// A tag without its signature is a file like others; so is one that cannot be read.
fn is_cache_tag(dir: &OwnedFd) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut start = [0; CACHE_SIGNATURE.len()];
    openat(dir, CACHE_TAG, flags, Mode::empty())
        .map(fs::File::from)
        .is_ok_and(|mut file| io::Read::read_exact(&mut file, &mut start).is_ok())
        && start == CACHE_SIGNATURE
}

/// What is in a directory and was not visited yet, in walk order.
#[derive(Default)]
pub(super) struct Children {
    names: DirNames,
    looked: VecDeque<DirChild>,
}

impl Children {
    pub fn is_empty(&self) -> bool {
        self.looked.is_empty() && self.names.is_empty()
    }

    /// How many there are, looked at or not.
    pub fn len(&self) -> usize {
        self.looked.len() + self.names.len()
    }

    /// Whether the next one can only be had by [`look`](Self::look) or [`give_up`](Self::give_up).
    pub fn needs_look(&self) -> bool {
        self.looked.is_empty() && !self.names.is_empty()
    }

    pub fn next(&mut self) -> Option<DirChild> {
        self.looked.pop_front()
    }

    /// Those that are next, as far as they were looked at.
    pub fn coming(&self) -> &VecDeque<DirChild> {
        &self.looked
    }

    /// Looks at the next names in the order of their inodes, which is near to their order on a
    /// hard disk, on several threads where there are many.
    pub fn look(&mut self, dir: BorrowedFd<'_>) {
        let mut names = self.names.take(BATCH);
        names.sort_unstable();
        let look = |(_, name): (u64, Vec<u8>)| DirChild { stat: Stat::at(dir, &name), name };
        let mut children: Vec<DirChild> = if names.len() < 2 * NAMES_A_THREAD {
            names.into_iter().map(look).collect()
        } else {
            names.into_par_iter().with_min_len(NAMES_A_THREAD).map(look).collect()
        };
        children.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        self.looked.extend(children);
    }

    /// The directory is lost: its other names are all that is known of them.
    pub fn give_up(&mut self) {
        let names = self.names.take(BATCH).into_iter();
        self.looked.extend(names.map(|(_, name)| DirChild { name, stat: Err(Errno::NOENT) }));
    }
}

/// Names in a directory, sorted, in few bytes: there may be millions.
#[derive(Default)]
struct DirNames {
    bytes: Vec<u8>,
    list: Vec<Name>,
    /// Those before it were taken.
    at: usize,
}

#[derive(Clone, Copy)]
struct Name {
    inode: u64,
    start: usize,
    len: usize,
}

impl DirNames {
    /// All names in a directory but its own two.
    fn read(dir: &OwnedFd, stop: &Stop) -> Result<DirNames, LookError> {
        let mut buffer = vec![MaybeUninit::uninit(); NAMES_BUFFER];
        let mut reader = RawDir::new(dir, &mut buffer);
        let (mut bytes, mut list) = (Vec::new(), Vec::new());
        while let Some(entry) = reader.next() {
            let entry = entry.map_err(|errno| LookError::from(errno, LookError::Directory))?;
            if list.len() % BATCH == 0 {
                stop.check().map_err(LookError::Stopped)?;
            }
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                list.push(Name { inode: entry.ino(), start: bytes.len(), len: name.len() });
                bytes.extend_from_slice(name);
            }
        }
        list.sort_unstable_by(|a, b| of(&bytes, a).cmp(of(&bytes, b)));
        Ok(DirNames { bytes, list, at: 0 })
    }

    fn len(&self) -> usize {
        self.list.len() - self.at
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn holds(&self, name: &[u8]) -> bool {
        self.list.binary_search_by(|found| of(&self.bytes, found).cmp(name)).is_ok()
    }

    fn keep_only(&mut self, name: &[u8]) {
        self.list.retain(|found| of(&self.bytes, found) == name);
    }

    /// The next names with their inodes' numbers. The last ones free the memory of all.
    fn take(&mut self, count: usize) -> Vec<(u64, Vec<u8>)> {
        let end = self.list.len().min(self.at + count);
        let taken = self.list[self.at..end]
            .iter()
            .map(|name| (name.inode, of(&self.bytes, name).to_vec()))
            .collect();
        self.at = end;
        if self.is_empty() {
            *self = DirNames::default();
        }
        taken
    }
}

fn of<'a>(bytes: &'a [u8], name: &Name) -> &'a [u8] {
    &bytes[name.start..name.start + name.len]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of a million names takes a second and more.
    #[test]
    fn names_are_not_read_to_their_end_once_somebody_asked_to_stop() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("name"), "").unwrap();
        let open = || OwnedFd::from(fs::File::open(dir.path()).unwrap());
        let (filter, stop) = (Filter::default(), Stop::new());
        assert_eq!(Directory::read(open(), None, &filter, &stop).unwrap().children.len(), 1);
        stop.ask(15);
        let read = Directory::read(open(), None, &filter, &stop);
        assert!(matches!(read, Err(LookError::Stopped(_))), "{:?}", read.err());
    }
}
