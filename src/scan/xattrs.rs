//! Extended attributes of what the walk finds, through its directory's descriptor.
//!
//! Kept are `user.*`, `trusted.*` (readable by root), `security.capability` and the POSIX ACLs:
//! they belong to the file. All else belongs to the system the file is on, which sets it again:
//! `security.selinux` comes from the policy, `security.ima` and `.evm` from keys, others from the
//! file system's driver.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{fgetxattr, flistxattr, lgetxattr, llistxattr};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, capabilities};

use crate::model::Xattr;
use crate::port::beneath::proc_path_in;

/// Most bytes in a list of names or in a value (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX` of
/// linux/limits.h): a buffer of this size is never too small.
const LARGEST: usize = 65536;

/// Bytes of a buffer that is enough for most, as most have none.
const USUAL: usize = 256;

/// Whether this process is shown `trusted.*`: attributes that it does not see may be there
/// (xattr(7)). In doubt it is: then nothing is taken for complete that a lesser one read.
pub fn sees_trusted() -> bool {
    capabilities(None).map_or(true, |sets| sets.effective.contains(CapabilitySet::SYS_ADMIN))
}

/// Reads attributes; keeps its buffer from one file to the next.
pub(super) struct XattrReader {
    buffer: Vec<u8>,
}

impl XattrReader {
    pub fn new() -> XattrReader {
        XattrReader { buffer: vec![0; USUAL] }
    }

    /// Of an entry of a directory; a symbolic link's own. Sorted by name.
    pub fn of_name(&mut self, dir: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<Vec<Xattr>> {
        let path = &proc_path_in(dir, name);
        self.read(|list| llistxattr(path, list), |name, value| lgetxattr(path, name, value))
    }

    /// Of an open directory.
    pub fn of_dir(&mut self, dir: &OwnedFd) -> rustix::io::Result<Vec<Xattr>> {
        self.read(|list| flistxattr(dir, list), |name, value| fgetxattr(dir, name, value))
    }

    fn read(
        &mut self,
        list: impl Fn(&mut [u8]) -> rustix::io::Result<usize>,
        get: impl Fn(&[u8], &mut [u8]) -> rustix::io::Result<usize>,
    ) -> rustix::io::Result<Vec<Xattr>> {
        let names = match self.fill(list) {
            Ok([]) | Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
            Ok(names) => names.to_vec(),
            Err(errno) => return Err(errno),
        };
        let mut found = Vec::new();
        for name in names.split(|&b| b == 0).filter(|name| is_kept(name)) {
            match self.fill(|value| get(name, value)) {
                Ok(value) => found.push(Xattr { name: name.to_vec(), value: value.to_vec() }),
                // Removed since it was listed, or listed without being there, as ACLs on some.
                Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
                Err(errno) => return Err(errno),
            }
        }
        found.sort();
        Ok(found)
    }

    /// One call for nearly all; two for the first that is long.
    fn fill(
        &mut self,
        call: impl Fn(&mut [u8]) -> rustix::io::Result<usize>,
    ) -> rustix::io::Result<&[u8]> {
        let length = match call(&mut self.buffer) {
            Err(Errno::RANGE) => {
                self.buffer.resize(LARGEST, 0);
                call(&mut self.buffer)?
            }
            other => other?,
        };
        Ok(&self.buffer[..length])
    }
}

fn is_kept(name: &[u8]) -> bool {
    let families: [&[u8]; 2] = [b"user.", b"trusted."];
    let single: [&[u8]; 3] =
        [b"security.capability", b"system.posix_acl_access", b"system.posix_acl_default"];
    families.iter().any(|family| name.starts_with(family)) || single.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::fd::AsFd;

    fn set(path: &std::path::Path, name: &str, value: &[u8]) {
        rustix::fs::lsetxattr(path, name, value, rustix::fs::XattrFlags::empty()).unwrap();
    }

    #[test]
    fn what_belongs_to_the_file_is_kept_sorted_and_the_systems_own_is_not() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("a\nb");
        fs::write(&file, b"").unwrap();
        set(&file, "user.z", b"\0\xff");
        set(&file, "user.a", b"");
        let dir = OwnedFd::from(fs::File::open(temp.path()).unwrap());
        let found = XattrReader::new().of_name(dir.as_fd(), b"a\nb").unwrap();
        let plain: Vec<_> = found.iter().map(|x| (&x.name[..], &x.value[..])).collect();
        assert_eq!(plain, [(&b"user.a"[..], &b""[..]), (b"user.z", b"\0\xff")]);
        assert!(!is_kept(b"security.selinux") && !is_kept(b"") && !is_kept(b"system.nfs4_acl"));
    }

    #[test]
    fn long_names_and_values_are_read_whole() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("f");
        fs::write(&file, b"").unwrap();
        let name = format!("user.{}", "n".repeat(250));
        set(&file, &name, &[7; 2000]);
        set(&file, "user.a", b"x");
        let dir = OwnedFd::from(fs::File::open(temp.path()).unwrap());
        let found = XattrReader::new().of_name(dir.as_fd(), b"f").unwrap();
        assert_eq!((found.len(), &found[1].name[..]), (2, name.as_bytes()));
        assert_eq!(found[1].value, [7; 2000]);
    }

    /// A short list does not make the buffer longer.
    #[test]
    fn a_long_value_of_a_short_name_is_read_whole() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("f");
        fs::write(&file, b"").unwrap();
        let dir = OwnedFd::from(fs::File::open(temp.path()).unwrap());
        for length in [USUAL, USUAL + 1, 2000] {
            set(&file, "user.a", &vec![7; length]);
            let found = XattrReader::new().of_name(dir.as_fd(), b"f").unwrap();
            assert_eq!(found, [Xattr { name: b"user.a".to_vec(), value: vec![7; length] }]);
        }
    }

    #[test]
    fn an_open_directory_tells_its_own() {
        let temp = tempfile::tempdir().unwrap();
        set(temp.path(), "user.dir", b"v");
        let dir = OwnedFd::from(fs::File::open(temp.path()).unwrap());
        let found = XattrReader::new().of_dir(&dir).unwrap();
        assert_eq!(found, [Xattr { name: b"user.dir".to_vec(), value: b"v".to_vec() }]);
    }
}
