//! Which directories are mount points, as the kernel tells it.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What is mounted where, for this process.
const MOUNTINFO: &str = "/proc/self/mountinfo";

/// All mount points; `None` where nobody tells (no /proc).
pub fn mount_points() -> Option<Vec<PathBuf>> {
    fs::read(MOUNTINFO).ok().map(|text| points_in(&text))
}

/// The fifth field of each line (proc_pid_mountinfo(5)).
fn points_in(text: &[u8]) -> Vec<PathBuf> {
    let point = |line: &[u8]| line.split(|&b| b == b' ').nth(4).map(unescaped);
    text.split(|&b| b == b'\n').filter_map(point).collect()
}

/// Blank, TAB, newline and backslash stand as three octal digits.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|d| std::str::from_utf8(d).ok());
        match digits.and_then(|d| u8::from_str_radix(d, 8).ok()).filter(|_| first == b'\\') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

/// Whether nothing is in this directory, and it is on the file system of the one that it is in: what
/// a mount point is while nothing is mounted there.
pub fn is_bare(dir: &Path) -> io::Result<bool> {
    let itself = fs::symlink_metadata(dir)?;
    let above = fs::metadata(dir.join(".."))?;
    Ok(itself.is_dir() && itself.dev() == above.dev() && fs::read_dir(dir)?.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_is_the_fifth_word_of_its_line() {
        let text = b"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
                     30 22 0:25 /sub /mnt/a\\040b\\134 rw - btrfs /dev/sdb rw\n";
        assert_eq!(points_in(text), [PathBuf::from("/"), PathBuf::from("/mnt/a b\\")]);
        assert_eq!(points_in(b""), Vec::<PathBuf>::new());
    }

    #[test]
    fn the_kernel_tells_of_the_root() {
        assert!(mount_points().unwrap().contains(&PathBuf::from("/")));
    }

    #[test]
    fn a_directory_is_bare_while_it_is_empty() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("d");
        fs::create_dir(&dir).unwrap();
        assert!(is_bare(&dir).unwrap());
        fs::write(dir.join("f"), "").unwrap();
        assert!(!is_bare(&dir).unwrap() && !is_bare(&dir.join("f")).unwrap_or(false));
        // Another file system is mounted here.
        assert!(!is_bare(Path::new("/proc")).unwrap());
    }
}
