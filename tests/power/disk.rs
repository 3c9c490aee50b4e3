//! What programs see, what is durable, and all that was changed in between.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fuser::{Errno, FileType};

use super::content::{Content, Page, zeros};
use super::cut::PowerCut;
use super::tree::{Attributes, Ino, Inode, NameChange, ROOT, Tree};

pub type Done<T> = Result<T, Errno>;

/// All that a file was since it was synced, each part for itself: a disk writes them in any order.
#[derive(Clone, Default)]
pub struct Unsynced {
    pub pages: BTreeMap<u64, Vec<Page>>,
    pub sizes: Vec<u64>,
    pub attributes: Vec<Attributes>,
}

/// Syncs that do nothing, as if the program had forgotten them.
#[derive(Clone, Copy, Debug)]
pub enum LeftOut {
    /// Those of files whose paths contain this.
    Files(&'static str),
    /// Of directories, whose paths end with a slash.
    Dirs(&'static str),
    /// `syncfs`.
    System,
}

/// A disk whose power can be cut. A clone is a disk of its own, as it was at that moment.
#[derive(Clone)]
pub struct PowerDisk {
    pub(super) live: Tree,
    pub(super) durable: Tree,
    pub(super) names: Vec<NameChange>,
    pub(super) unsynced: HashMap<Ino, Unsynced>,
    next: Ino,
    /// How many names each inode has, as programs see it.
    links: HashMap<Ino, u32>,
    operations: u64,
    /// Those operations that make something durable, and what: by number.
    syncs: Vec<(u64, PathBuf)>,
    planned: Option<PowerCut>,
    /// The power goes after the first sync of a file whose path ends so.
    last_sync: Option<&'static str>,
    left_out: Option<LeftOut>,
    after_cut: Option<Tree>,
}

/// What a new inode is.
pub struct NewInode<'a> {
    pub kind: FileType,
    pub perm: u16,
    pub owner: (u32, u32),
    pub rdev: u32,
    pub target: &'a Path,
}

impl NewInode<'_> {
    fn make(&self) -> Inode {
        let now = SystemTime::now();
        let (perm, (uid, gid)) = (self.perm, self.owner);
        let attributes = Attributes {
            perm,
            uid,
            gid,
            atime: now,
            mtime: now,
            ctime: now,
            xattrs: BTreeMap::new(),
        };
        let (kind, rdev, target) = (self.kind, self.rdev, self.target.to_owned());
        Inode { kind, rdev, target, attributes, content: Content::default() }
    }
}

impl Default for PowerDisk {
    fn default() -> PowerDisk {
        let (kind, target) = (FileType::Directory, PathBuf::new());
        let root = NewInode { kind, perm: 0o755, owner: (0, 0), rdev: 0, target: &target }.make();
        PowerDisk {
            live: Tree::new(root.clone()),
            durable: Tree::new(root),
            names: Vec::new(),
            unsynced: HashMap::new(),
            next: ROOT + 1,
            links: HashMap::from([(ROOT, 1)]),
            operations: 0,
            syncs: Vec::new(),
            planned: None,
            last_sync: None,
            left_out: None,
            after_cut: None,
        }
    }
}

/// Power.
impl PowerDisk {
    /// From here on operations are counted anew, and the power goes at the one that `cut` names.
    pub fn plan(&mut self, cut: Option<PowerCut>) {
        (self.operations, self.planned, self.after_cut) = (0, cut, None);
        self.last_sync = None;
        self.syncs.clear();
    }

    /// Plans a cut right after the first sync of a file whose path ends so, whenever that comes.
    pub fn cut_after_sync(&mut self, path: &'static str, cut: PowerCut) {
        self.plan(Some(cut));
        self.last_sync = Some(path);
    }

    pub fn leave_out(&mut self, left_out: Option<LeftOut>) {
        self.left_out = left_out;
    }

    fn is_left_out(&self, ino: Ino, is_dir: bool) -> bool {
        let part = match (self.left_out, is_dir) {
            (Some(LeftOut::Files(part)), false) | (Some(LeftOut::Dirs(part)), true) => part,
            _ => return false,
        };
        self.live.path_of(ino).is_some_and(|path| path.to_string_lossy().contains(part))
    }

    pub fn operations(&self) -> u64 {
        self.operations
    }

    pub fn syncs(&self) -> &[(u64, PathBuf)] {
        &self.syncs
    }

    pub fn is_cut(&self) -> bool {
        self.after_cut.is_some()
    }

    /// Counts an operation that changes something; an error if there is no power for it.
    pub fn begin(&mut self) -> Done<()> {
        if self.planned.as_ref().is_some_and(|cut| cut.at <= self.operations) {
            self.cut();
        }
        self.check_power()?;
        self.operations += 1;
        Ok(())
    }

    pub fn check_power(&self) -> Done<()> {
        if self.is_cut() { Err(Errno::EIO) } else { Ok(()) }
    }

    /// Cuts the power now, as it was planned.
    pub fn cut(&mut self) {
        if let (Some(cut), None) = (&self.planned, &self.after_cut) {
            self.after_cut = Some(cut.happen(self));
        }
    }

    /// The disk with power again: what was cut off is as it is found now, and durable.
    pub fn powered_up(mut self) -> PowerDisk {
        self.live = self.after_cut.take().unwrap_or(self.live);
        self.live.collect();
        self.planned = None;
        self.sync_all();
        self.links = self.live.links();
        self
    }

    fn sync_all(&mut self) {
        self.durable = self.live.clone();
        self.names.clear();
        self.unsynced.clear();
    }

    /// `fsync`; with `data_only` `fdatasync`, which leaves out what is not needed to read the data.
    pub fn sync_file(&mut self, ino: Ino, data_only: bool) -> Done<()> {
        self.begin_sync(ino)?;
        if self.is_left_out(ino, false) {
            return Ok(());
        }
        let live = self.live.inodes.get(&ino).ok_or(Errno::ENOENT)?;
        let durable = self.durable.inodes.entry(ino).or_insert_with(|| live.clone());
        durable.content = live.content.clone();
        let unsynced = self.unsynced.entry(ino).or_default();
        unsynced.pages.clear();
        unsynced.sizes.clear();
        if !data_only {
            durable.attributes = live.attributes.clone();
            unsynced.attributes.clear();
        }
        Ok(())
    }

    /// `fsync` of a directory. What moved to or from another directory is durable as a whole, as with
    /// any journal, and with all that made it what it was.
    pub fn sync_dir(&mut self, dir: Ino) -> Done<()> {
        self.begin_sync(dir)?;
        if self.is_left_out(dir, true) {
            return Ok(());
        }
        let mut moved: Vec<Ino> = Vec::new();
        let mut kept: Vec<NameChange> = Vec::new();
        let mut left: Vec<NameChange> = Vec::new();
        for change in self.names.drain(..).rev() {
            let is_needed =
                change.dirs().any(|of| of == dir) || change.named().any(|ino| moved.contains(&ino));
            if is_needed {
                moved.extend(change.named());
                kept.push(change);
            } else {
                left.push(change);
            }
        }
        kept.iter().rev().for_each(|change| self.durable.apply(change));
        self.names = left.into_iter().rev().collect();
        if let (Some(live), Some(durable)) =
            (self.live.inodes.get(&dir), self.durable.inodes.get_mut(&dir))
        {
            durable.attributes = live.attributes.clone();
        }
        self.unsynced.remove(&dir);
        Ok(())
    }

    /// `syncfs`.
    pub fn sync_system(&mut self) -> Done<()> {
        self.begin_sync(ROOT)?;
        if !matches!(self.left_out, Some(LeftOut::System)) {
            self.sync_all();
        }
        Ok(())
    }

    fn begin_sync(&mut self, ino: Ino) -> Done<()> {
        self.begin()?;
        let path = self.live.path_of(ino).unwrap_or_default();
        let is_last = self.last_sync.is_some_and(|end| path.to_string_lossy().ends_with(end));
        if let (true, Some(cut)) = (is_last, &mut self.planned) {
            cut.at = self.operations;
        }
        self.syncs.push((self.operations - 1, path));
        Ok(())
    }
}

/// Reading.
impl PowerDisk {
    pub fn inode(&self, ino: Ino) -> Done<&Inode> {
        self.live.inodes.get(&ino).ok_or(Errno::ENOENT)
    }

    pub fn links_of(&self, ino: Ino) -> u32 {
        self.links.get(&ino).copied().unwrap_or(0)
    }

    pub fn entries(&self, dir: Ino) -> Done<Vec<(OsString, Ino)>> {
        let names = self.live.dir(dir).ok_or(Errno::ENOTDIR)?;
        Ok(names.iter().map(|(name, ino)| (name.clone(), *ino)).collect())
    }

    pub fn lookup(&self, dir: Ino, name: &OsStr) -> Done<Ino> {
        self.live.lookup(dir, name).ok_or(Errno::ENOENT)
    }

    /// What programs read at a path below the mount point.
    pub fn read(&self, path: &Path) -> Option<Vec<u8>> {
        self.live.find(path).map(|found| found.content.all())
    }
}

/// Changing names.
impl PowerDisk {
    fn rename_all(&mut self, change: NameChange) {
        for (dir, name, ino) in &change.0 {
            if let Some(old) = self.live.lookup(*dir, name) {
                let links = self.links.entry(old).or_default();
                *links = links.saturating_sub(1);
            }
            if let Some(ino) = ino {
                *self.links.entry(*ino).or_default() += 1;
            }
            self.live.apply(&NameChange(vec![(*dir, name.clone(), *ino)]));
        }
        let dirs: Vec<Ino> = change.dirs().collect();
        self.names.push(change);
        dirs.into_iter().for_each(|dir| self.touch(dir));
    }

    fn touch(&mut self, ino: Ino) {
        let now = SystemTime::now();
        let _ = self.change_attributes(ino, |attributes| {
            (attributes.mtime, attributes.ctime) = (now, now);
        });
    }

    pub fn make(&mut self, dir: Ino, name: &OsStr, new: &NewInode) -> Done<Ino> {
        self.begin()?;
        if self.live.dir(dir).ok_or(Errno::ENOTDIR)?.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        let (ino, inode) = (self.next, new.make());
        self.next += 1;
        for tree in [&mut self.live, &mut self.durable] {
            if new.kind == FileType::Directory {
                tree.names.insert(ino, BTreeMap::new());
            }
            tree.inodes.insert(ino, inode.clone());
        }
        self.rename_all(NameChange(vec![(dir, name.to_owned(), Some(ino))]));
        Ok(ino)
    }

    pub fn link(&mut self, ino: Ino, dir: Ino, name: &OsStr) -> Done<()> {
        self.begin()?;
        if self.live.dir(dir).ok_or(Errno::ENOTDIR)?.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        self.rename_all(NameChange(vec![(dir, name.to_owned(), Some(ino))]));
        Ok(())
    }

    pub fn remove(&mut self, dir: Ino, name: &OsStr) -> Done<()> {
        self.begin()?;
        let ino = self.lookup(dir, name)?;
        if self.live.dir(ino).is_some_and(|names| !names.is_empty()) {
            return Err(Errno::ENOTEMPTY);
        }
        self.rename_all(NameChange(vec![(dir, name.to_owned(), None)]));
        Ok(())
    }

    pub fn rename(
        &mut self,
        from: (Ino, &OsStr),
        to: (Ino, &OsStr),
        flags: fuser::RenameFlags,
    ) -> Done<()> {
        self.begin()?;
        let ino = self.lookup(from.0, from.1)?;
        let there = self.live.lookup(to.0, to.1);
        if there.is_some() && flags.contains(fuser::RenameFlags::RENAME_NOREPLACE) {
            return Err(Errno::EEXIST);
        }
        let left = match flags.contains(fuser::RenameFlags::RENAME_EXCHANGE) {
            true => Some(there.ok_or(Errno::ENOENT)?),
            false => None,
        };
        if there == Some(ino) {
            return Ok(());
        }
        let is_full = |ino: &Ino| self.live.dir(*ino).is_some_and(|names| !names.is_empty());
        if left.is_none() && there.as_ref().is_some_and(is_full) {
            return Err(Errno::ENOTEMPTY);
        }
        let before = (from.0, from.1.to_owned(), left);
        self.rename_all(NameChange(vec![before, (to.0, to.1.to_owned(), Some(ino))]));
        Ok(())
    }
}

/// Changing what is in a file, and what is known of it.
impl PowerDisk {
    pub fn change_attributes(
        &mut self,
        ino: Ino,
        change: impl FnOnce(&mut Attributes),
    ) -> Done<()> {
        let inode = self.live.inodes.get_mut(&ino).ok_or(Errno::ENOENT)?;
        change(&mut inode.attributes);
        self.unsynced.entry(ino).or_default().attributes.push(inode.attributes.clone());
        Ok(())
    }

    pub fn write(&mut self, ino: Ino, offset: u64, bytes: &[u8]) -> Done<()> {
        self.begin()?;
        self.change_content(ino, |content| content.write(offset, bytes))
    }

    pub fn set_size(&mut self, ino: Ino, size: u64) -> Done<()> {
        self.change_content(ino, |content| {
            content.set_size(size);
            Vec::new()
        })
    }

    /// `change` gives the pages that it wrote to.
    pub fn change_content(
        &mut self,
        ino: Ino,
        change: impl FnOnce(&mut Content) -> Vec<u64>,
    ) -> Done<()> {
        let content = &mut self.live.inodes.get_mut(&ino).ok_or(Errno::ENOENT)?.content;
        let before = content.size();
        let written = change(content);
        let unsynced = self.unsynced.entry(ino).or_default();
        if content.size() != before {
            unsynced.sizes.push(content.size());
        }
        for number in written {
            let page = content.page(number).unwrap_or_else(zeros);
            unsynced.pages.entry(number).or_default().push(page);
        }
        self.touch(ino);
        Ok(())
    }
}
