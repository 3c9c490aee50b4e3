//! Which file system a directory is on, so that it is known again when it is mounted elsewhere; and
//! what a mounted disc is made of.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Links to devices by the UUIDs of the file systems on them (udev(7), 60-persistent-storage).
const BY_UUID: &str = "/dev/disk/by-uuid";
/// Kinds of file systems, as statfs(2) numbers them, whose `f_fsid` is made from their UUID.
const WITH_FSID: [u64; 4] = [
    0xef53,      // ext2, ext3, ext4
    0x9123_683e, // btrfs
    0xf2f5_2010, // f2fs
    0x0102_1994, // tmpfs: it has a UUID as long as it is there
];
/// Kinds that discs have: ISO 9660 and UDF.
const OF_DISCS: [u64; 2] = [0x9660, 0x1501_3346];
/// The major number of loop devices (devices.txt of the kernel).
const LOOP: u32 = 7;

/// The UUID of the file system that a path is on, or a number made from that; `None` where nobody
/// tells, as for file systems of a network.
pub fn identity(path: &Path) -> Option<String> {
    let device = fs::metadata(path).ok()?.dev();
    uuid_of(device).or_else(|| fsid(path))
}

fn uuid_of(device: u64) -> Option<String> {
    let is_it = |entry: &fs::DirEntry| fs::metadata(entry.path()).is_ok_and(|m| m.rdev() == device);
    let entry = fs::read_dir(BY_UUID).ok()?.flatten().find(is_it)?;
    Some(format!("uuid:{}", entry.file_name().to_string_lossy()))
}

fn fsid(path: &Path) -> Option<String> {
    let kind = kind(path)?;
    let fsid = rustix::fs::statvfs(path).ok()?.f_fsid;
    (WITH_FSID.contains(&kind) && fsid != 0).then(|| format!("fsid:{kind:x}:{fsid:016x}"))
}

fn kind(path: &Path) -> Option<u64> {
    u64::try_from(rustix::fs::statfs(path).ok()?.f_type).ok()
}

/// Whether a disc, or an image of one, is mounted here.
pub fn is_disc(path: &Path) -> bool {
    kind(path).is_some_and(|kind| OF_DISCS.contains(&kind))
}

/// The image that is mounted here over a loop device.
pub fn image_below(path: &Path) -> Option<PathBuf> {
    let device = fs::metadata(path).ok()?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    if major != LOOP {
        return None;
    }
    let file = format!("/sys/dev/block/{major}:{minor}/loop/backing_file");
    let name = fs::read_to_string(file).ok()?;
    fs::canonicalize(name.trim_end_matches('\n')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_is_the_same_wherever_one_looks_at_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("in")).unwrap();
        assert_eq!(identity(dir.path()), identity(&dir.path().join("in")));
        assert_ne!(identity(Path::new("/proc")), identity(dir.path()).or(Some(String::new())));
        assert_eq!(identity(&dir.path().join("gone")), None);
        assert!(!is_disc(dir.path()) && image_below(dir.path()).is_none());
    }
}
