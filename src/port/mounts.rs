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
    told_by(Path::new(MOUNTINFO))
}

fn told_by(mountinfo: &Path) -> Option<Vec<PathBuf>> {
    fs::read(mountinfo).ok().map(|text| points_in(&text))
}

/// Where administrators say that something is to be mounted.
const FSTAB: &str = "/etc/fstab";

/// The mount points of /etc/fstab, whatever their options are: also of what is mounted by hand
/// (`noauto`) or may be missing (`nofail`). None where there is no such file.
pub fn planned_mount_points() -> Vec<PathBuf> {
    fs::read(FSTAB).map(|text| planned_in(&text)).unwrap_or_default()
}

/// The second field of each line that is no remark (fstab(5)). Swap has none.
fn planned_in(text: &[u8]) -> Vec<PathBuf> {
    let point = |line: &[u8]| {
        let mut fields = line.split(|b| b" \t".contains(b)).filter(|field| !field.is_empty());
        let first = fields.next().filter(|first| !first.starts_with(b"#"));
        first.and(fields.next()).filter(|point| point.starts_with(b"/")).map(unescaped)
    };
    text.split(|&b| b == b'\n').filter_map(point).collect()
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
    fn a_planned_mount_point_is_the_second_word_of_its_line() {
        let text = b"# /etc/fstab: static\n\n  #UUID=1 /no ext4\n\
                     UUID=1 / ext4 errors=remount-ro 0 1\n\
                     UUID=2\t/mnt/usb\\040disk \t auto nofail,noauto 0 0\n\
                     /dev/sda2 none swap sw 0 0\n\
                     alone\n";
        assert_eq!(planned_in(text), [PathBuf::from("/"), PathBuf::from("/mnt/usb disk")]);
    }

    #[test]
    fn the_kernel_tells_of_the_root_and_where_it_does_not_nothing_is_known() {
        assert!(mount_points().unwrap().contains(&PathBuf::from("/")));
        assert_eq!(told_by(Path::new("/none/self/mountinfo")), None);
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
