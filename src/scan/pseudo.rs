//! File systems that hold no files but the kernel's own state. They are never stored: reading them
//! has effects, has no end, or says nothing about tomorrow.

use std::fs;
use std::os::fd::AsFd;

/// `f_type` of statfs(2), from linux/magic.h and, for those it lacks, from the file systems' own
/// sources. `devtmpfs` is not among them: it says that it is a tmpfs, which may well hold files.
/// `autofs` is not: what it mounts on demand is the user's.
const MAGIC: [(u32, &str); 25] = [
    (0x0000_1cd1, "devpts"),
    (0x0000_9fa0, "proc"),
    (0x0000_9fa2, "usbdevice"),
    (0x0027_e0eb, "cgroup"),
    (0x0765_5821, "resctrl"),
    (0x1980_0202, "mqueue"),
    (0x4249_4e4d, "binfmt_misc"),
    (0x4341_5d53, "smackfs"),
    (0x454d_444d, "devmem"),
    (0x6165_676c, "pstore"),
    (0x6265_6570, "configfs"),
    (0x6265_6572, "sysfs"),
    (0x6367_7270, "cgroup2"),
    (0x6462_6720, "debugfs"),
    (0x6573_5543, "fusectl"),
    (0x6759_6969, "rpc_pipefs"),
    (0x6c6f_6f70, "binderfs"),
    (0x6e66_7364, "nfsd"),
    (0x6e73_6673, "nsfs"),
    (0x7363_6673, "securityfs"),
    (0x7472_6163, "tracefs"),
    (0xabba_1974, "xenfs"),
    (0xcafe_4a11, "bpf"),
    (0xde5e_81e4, "efivarfs"),
    (0xf97c_ff8c, "selinuxfs"),
];

const TMPFS: u32 = 0x0102_1994;

/// The name of the pseudo file system that the directory is on; `None` for one with files.
pub(super) fn name_of(dir: impl AsFd, dev: (u32, u32)) -> rustix::io::Result<Option<&'static str>> {
    // The type is a 32-bit number, held in a word whose sign differs between machines.
    let magic = rustix::fs::fstatfs(dir)?.f_type as u32;
    if magic == TMPFS {
        return Ok(is_devtmpfs(dev).then_some("devtmpfs"));
    }
    Ok(known(magic))
}

fn known(magic: u32) -> Option<&'static str> {
    MAGIC.iter().find(|(number, _)| *number == magic).map(|(_, name)| *name)
}

/// Asks the table of mounts (`proc_pid_mountinfo(5)`), which alone tells the two apart.
fn is_devtmpfs(dev: (u32, u32)) -> bool {
    fs::read("/proc/self/mountinfo").is_ok_and(|table| lists_devtmpfs(&table, dev))
}

/// Field 3 is `major:minor`; the type is the first field after the lone `-`.
fn lists_devtmpfs(table: &[u8], dev: (u32, u32)) -> bool {
    let number = format!("{}:{}", dev.0, dev.1);
    table.split(|&b| b == b'\n').any(|line| {
        let mut fields = line.split(|&b| b == b' ');
        fields.nth(2) == Some(number.as_bytes())
            && fields.by_ref().any(|field| field == b"-")
            && fields.next() == Some(b"devtmpfs")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_own_are_known_by_name() {
        use std::os::unix::fs::MetadataExt;
        for (dir, name) in [("/proc", Some("proc")), ("/sys", Some("sysfs")), ("/tmp", None)] {
            let fd = fs::File::open(dir).unwrap();
            let dev = fd.metadata().unwrap().dev();
            let dev = (rustix::fs::major(dev), rustix::fs::minor(dev));
            assert_eq!(name_of(&fd, dev).unwrap(), name, "{dir}");
        }
    }

    #[test]
    fn devtmpfs_is_told_from_tmpfs_by_the_table_of_mounts() {
        let table = b"22 1 0:6 / /dev rw,relatime shared:2 - devtmpfs devtmpfs rw\n\
                      23 22 0:24 / /dev/shm rw - tmpfs tmpfs rw\n";
        assert!(lists_devtmpfs(table, (0, 6)));
        assert!(!lists_devtmpfs(table, (0, 24)));
        assert!(!lists_devtmpfs(table, (0, 7)));
        assert!(!lists_devtmpfs(b"", (0, 6)));
    }
}
