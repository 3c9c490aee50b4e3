//! Two trees, compared by all that `lstat` and the files themselves say.

use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

type FileTree = BTreeMap<Vec<u8>, TreeNode>;

/// One path; what a restore must bring back, as text so that a difference can be shown.
struct TreeNode {
    facts: BTreeMap<&'static str, String>,
    size: u64,
    occupied: u64,
}

/// A file counts as sparse if at least this much of it is not on the disk: file systems round, and
/// keep small files elsewhere.
const HOLE: u64 = 64 << 10;

/// Panics with a list of what differs. The root's own time is not looked at: whoever puts the
/// tree there touches it.
#[track_caller]
pub fn assert_same_tree(expected: &Path, found: &Path) {
    let differences = differences(expected, found);
    assert!(
        differences.is_empty(),
        "{} differs from {}:\n{}",
        found.display(),
        expected.display(),
        differences.join("\n")
    );
}

/// What differs between two trees, a line each.
pub fn differences(expected: &Path, found: &Path) -> Vec<String> {
    let (expected, found) = (read(expected), read(found));
    let mut lines = Vec::new();
    for (path, node) in &expected {
        match found.get(path) {
            None => lines.push(format!("{}: missing", shown(path))),
            Some(other) => lines.extend(node.differences(other, path)),
        }
    }
    for path in found.keys().filter(|path| !expected.contains_key(*path)) {
        lines.push(format!("{}: should not be there", shown(path)));
    }
    lines
}

impl TreeNode {
    fn differences(&self, other: &TreeNode, path: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for (fact, value) in &self.facts {
            let is = other.facts.get(fact).map_or("nothing", String::as_str);
            if is != value {
                lines.push(format!("{}: {fact} is {is}, was {value}", shown(path)));
            }
        }
        if self.is_sparse() && other.occupied > self.occupied + HOLE {
            let (was, is) = (self.occupied, other.occupied);
            lines.push(format!("{}: holes are filled: {is} bytes, were {was}", shown(path)));
        }
        lines
    }

    fn is_sparse(&self) -> bool {
        self.occupied + HOLE <= self.size
    }
}

fn shown(path: &[u8]) -> String {
    path.escape_ascii().to_string()
}

fn read(root: &Path) -> FileTree {
    let mut first_names: HashMap<(u64, u64), Vec<u8>> = HashMap::new();
    let mut tree = FileTree::new();
    for path in walk(root) {
        let relative = path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec();
        let meta = fs::symlink_metadata(&path).unwrap();
        let mut node = node(&path, &meta);
        if relative.is_empty() {
            node.facts.remove("mtime");
        }
        if meta.nlink() > 1 && !meta.is_dir() {
            let first = first_names.entry((meta.dev(), meta.ino())).or_insert(relative.clone());
            node.facts.insert("first name", shown(first));
        } else {
            node.facts.insert("first name", shown(&relative));
        }
        tree.insert(relative, node);
    }
    tree
}

/// All paths, the root first, names of a directory sorted by bytes.
fn walk(root: &Path) -> Vec<PathBuf> {
    let mut paths = vec![root.to_owned()];
    let mut next = 0;
    while next < paths.len() {
        if fs::symlink_metadata(&paths[next]).unwrap().is_dir() {
            let entries = fs::read_dir(&paths[next]).unwrap();
            paths.extend(entries.map(|entry| entry.unwrap().path()));
        }
        next += 1;
    }
    paths.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    paths
}

fn node(path: &Path, meta: &Metadata) -> TreeNode {
    let mut facts = BTreeMap::new();
    let kind = meta.file_type();
    facts.insert("kind", kind_word(meta).to_owned());
    facts.insert("owner", format!("{}:{}", meta.uid(), meta.gid()));
    facts.insert("mtime", format!("{}.{:09}", meta.mtime(), meta.mtime_nsec()));
    facts.insert("xattrs", xattrs(path));
    if !kind.is_symlink() {
        facts.insert("mode", format!("{:04o}", meta.mode() & 0o7777));
    } else {
        let target = fs::read_link(path).unwrap();
        facts.insert("target", shown(target.as_os_str().as_bytes()));
    }
    if kind.is_file() {
        facts.insert("size", meta.size().to_string());
        facts.insert("content", content(path));
    }
    if kind.is_char_device() || kind.is_block_device() {
        facts.insert("device", meta.rdev().to_string());
    }
    TreeNode { facts, size: meta.size(), occupied: meta.blocks() * 512 }
}

fn kind_word(meta: &Metadata) -> &'static str {
    let kind = meta.file_type();
    match () {
        () if kind.is_dir() => "directory",
        () if kind.is_file() => "file",
        () if kind.is_symlink() => "symlink",
        () if kind.is_fifo() => "fifo",
        () if kind.is_char_device() => "character device",
        () if kind.is_block_device() => "block device",
        () => "socket",
    }
}

fn content(path: &Path) -> String {
    let mut hasher = Sha256::new();
    let mut file = fs::File::open(path).unwrap();
    let mut block = vec![0; 1 << 16];
    loop {
        let length = std::io::Read::read(&mut file, &mut block).unwrap();
        if length == 0 {
            break;
        }
        hasher.update(&block[..length]);
    }
    hex(&hasher.finalize())
}

/// Names and values, sorted; a file system without them has none.
fn xattrs(path: &Path) -> String {
    let mut names: Vec<_> = xattr::list(path).map(Iterator::collect).unwrap_or_default();
    names.sort();
    let mut text = String::new();
    for name in names {
        let value = xattr::get(path, &name).unwrap().unwrap_or_default();
        write!(text, "{}={} ", shown(name.as_bytes()), hex(&value)).unwrap();
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
