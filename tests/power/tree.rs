//! One state of a file system: inodes, and the names in directories.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use fuser::FileType;

use super::content::Content;

pub type Ino = u64;
pub const ROOT: Ino = 1;

#[derive(Clone)]
pub struct Attributes {
    pub perm: u16,
    pub uid: u32,
    pub gid: u32,
    pub atime: SystemTime,
    pub mtime: SystemTime,
    pub ctime: SystemTime,
    pub xattrs: BTreeMap<OsString, Vec<u8>>,
}

#[derive(Clone)]
pub struct Inode {
    pub kind: FileType,
    pub rdev: u32,
    /// Of a symbolic link.
    pub target: PathBuf,
    pub attributes: Attributes,
    pub content: Content,
}

/// Names of one or two directories that change together: what each means afterwards.
#[derive(Clone)]
pub struct NameChange(pub Vec<(Ino, OsString, Option<Ino>)>);

impl NameChange {
    pub fn dirs(&self) -> impl Iterator<Item = Ino> {
        self.0.iter().map(|(dir, _, _)| *dir)
    }

    /// Those that get a name. One that loses its name only keeps what it is.
    pub fn named(&self) -> impl Iterator<Item = Ino> {
        self.0.iter().filter_map(|(_, _, ino)| *ino)
    }
}

#[derive(Clone)]
pub struct Tree {
    pub inodes: HashMap<Ino, Inode>,
    pub names: HashMap<Ino, BTreeMap<OsString, Ino>>,
}

impl Tree {
    pub fn new(root: Inode) -> Tree {
        let names = HashMap::from([(ROOT, BTreeMap::new())]);
        Tree { inodes: HashMap::from([(ROOT, root)]), names }
    }

    pub fn dir(&self, dir: Ino) -> Option<&BTreeMap<OsString, Ino>> {
        self.names.get(&dir)
    }

    pub fn lookup(&self, dir: Ino, name: &OsStr) -> Option<Ino> {
        self.names.get(&dir)?.get(name).copied()
    }

    /// By a path from the root.
    pub fn find(&self, path: &Path) -> Option<&Inode> {
        let mut ino = ROOT;
        for component in path.components() {
            if let Component::Normal(name) = component {
                ino = self.lookup(ino, name)?;
            }
        }
        self.inodes.get(&ino)
    }

    /// One of its names: `shelf/set-0001.iso`; of a directory with a slash at the end.
    pub fn path_of(&self, ino: Ino) -> Option<PathBuf> {
        let end = if self.names.contains_key(&ino) { "/" } else { "" };
        let (mut path, mut at) = (PathBuf::from(end), ino);
        while at != ROOT {
            let names = |(dir, names): (&Ino, &BTreeMap<OsString, Ino>)| {
                let found = names.iter().find(|(_, ino)| **ino == at)?;
                Some((*dir, found.0.clone()))
            };
            let (dir, name) = self.names.iter().find_map(names)?;
            path = match path.as_os_str().as_encoded_bytes() {
                b"" | b"/" => {
                    let mut name = name;
                    name.push(&path);
                    name.into()
                }
                _ => Path::new(&name).join(path),
            };
            at = dir;
        }
        Some(path)
    }

    pub fn apply(&mut self, change: &NameChange) {
        for (dir, name, ino) in &change.0 {
            let names = self.names.entry(*dir).or_default();
            match ino {
                Some(ino) => names.insert(name.clone(), *ino),
                None => names.remove(name),
            };
        }
    }

    /// How many names each inode has that can be reached.
    pub fn links(&self) -> HashMap<Ino, u32> {
        let mut links = HashMap::from([(ROOT, 1)]);
        let (mut seen, mut dirs) = (BTreeSet::from([ROOT]), vec![ROOT]);
        while let Some(dir) = dirs.pop() {
            for ino in self.names.get(&dir).into_iter().flatten().map(|(_, ino)| *ino) {
                *links.entry(ino).or_default() += 1;
                let is_dir =
                    self.inodes.get(&ino).is_some_and(|found| found.kind == FileType::Directory);
                if is_dir && seen.insert(ino) {
                    dirs.push(ino);
                }
            }
        }
        links
    }

    /// What has no name any more is gone: a file system's check after a cut.
    pub fn collect(&mut self) {
        let links = self.links();
        self.inodes.retain(|ino, _| links.contains_key(ino));
        self.names.retain(|ino, _| links.contains_key(ino));
    }
}
