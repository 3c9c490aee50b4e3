//! Who else uses a drive: the kernel says that somebody does, `/proc` may say who.

use std::fmt;
use std::fs;
use std::os::linux::fs::MetadataExt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What opens every drive for a moment, to see what is in it: udev, the helpers that its rules run for
/// drives (60-cdrom_id.rules, 60-persistent-storage.rules), udisks.
const PASSING: [&str; 7] =
    ["(udev-worker)", "systemd-udevd", "udevd", "cdrom_id", "ata_id", "scsi_id", "udisksd"];

/// Somebody who uses a drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum User {
    Program {
        name: String,
        process: u32,
    },
    /// Its disc is mounted here.
    Mount(PathBuf),
}

impl User {
    /// It will be gone in a moment.
    pub fn is_passing(&self) -> bool {
        matches!(self, User::Program { name, .. } if PASSING.contains(&name.as_str()))
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            User::Program { name, process } => write!(f, "{name}, process {process}"),
            User::Mount(place) => write!(f, "it is mounted at {}", place.display()),
        }
    }
}

/// What an open node is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Grip {
    /// Opened without waiting for a medium (O_NONBLOCK): it looks at the drive. A coldcut that waits
    /// for its turn does no more.
    Looks,
    /// It reads the disc, or sends the drive commands of its own.
    Works,
}

/// Another process that works with this drive, as far as this user may see.
pub fn user_of(node: &Path) -> Option<User> {
    let found = programs_with(node).into_iter();
    found.filter(|(grip, _)| *grip == Grip::Works).map(|(_, user)| user).next()
}

/// Who has claimed a drive that is claimed: the likeliest of those that have it open, else where it
/// is mounted.
pub fn claimant_of(node: &Path) -> Option<User> {
    let is_own_kind = |user: &User| matches!(user, User::Program { name, .. } if name == "coldcut");
    let mut found = programs_with(node);
    found.sort_by_key(|(grip, user)| (user.is_passing(), *grip == Grip::Looks, is_own_kind(user)));
    let found = found.into_iter().map(|(_, user)| user).next();
    let number = || Some(fs::metadata(node).ok()?.st_rdev());
    found.or_else(|| Some(User::Mount(mount_of(number()?)?)))
}

/// Other processes that have the node open, or its sibling for raw commands (`/dev/sg0`).
fn programs_with(node: &Path) -> Vec<(Grip, User)> {
    let numbers = numbers_of(node);
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let others = ids.filter(|process| *process != std::process::id());
    let mut users: Vec<(Grip, User)> = others
        .filter_map(|process| {
            let grip = grip_of(process, &numbers)?;
            Some((grip, User::Program { name: name_of(process), process }))
        })
        .collect();
    users.sort_by_key(|(_, user)| user.is_passing());
    users
}

/// Device numbers of the node and of what stands beside it for the same drive.
fn numbers_of(node: &Path) -> Vec<u64> {
    let number = |path: &Path| Some(fs::metadata(path).ok()?.st_rdev());
    let name = node.file_name().unwrap_or_default();
    let beside = Path::new("/sys/class/block").join(name).join("device/scsi_generic");
    let beside = fs::read_dir(beside).into_iter().flatten().flatten();
    let beside = beside.map(|entry| Path::new("/dev").join(entry.file_name()));
    std::iter::once(node.to_owned()).chain(beside).filter_map(|path| number(&path)).collect()
}

fn grip_of(process: u32, numbers: &[u64]) -> Option<Grip> {
    let open = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    let grips = open.filter_map(|entry| {
        let path = entry.path();
        // Whatever is not a node is not asked more: a file on a dead network would not answer.
        fs::read_link(&path).ok().filter(|target| target.starts_with("/dev"))?;
        let number = fs::metadata(&path).ok()?.st_rdev();
        let is_block = numbers.first() == Some(&number);
        let info =
            Path::new("/proc").join(process.to_string()).join("fdinfo").join(entry.file_name());
        let looks = || is_block && is_nonblocking(&fs::read_to_string(info).unwrap_or_default());
        numbers.contains(&number).then(|| if looks() { Grip::Looks } else { Grip::Works })
    });
    grips.max()
}

/// `flags: 0104002`, octal (proc(5), fdinfo).
fn is_nonblocking(info: &str) -> bool {
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & nix::libc::O_NONBLOCK != 0)
}

/// A process names itself as it likes: what is not plain is left out.
fn name_of(process: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    let plain: String = name.chars().filter(|c| c.is_ascii_graphic()).collect();
    if plain.is_empty() { "a program".to_owned() } else { plain }
}

/// Where a device is mounted in this process's view (proc(5), mountinfo).
fn mount_of(number: u64) -> Option<PathBuf> {
    let (major, minor) = (nix::libc::major(number), nix::libc::minor(number));
    mounted(&fs::read("/proc/self/mountinfo").ok()?, &format!("{major}:{minor}"))
}

fn mounted(table: &[u8], device: &str) -> Option<PathBuf> {
    let rows = table.split(|byte| *byte == b'\n');
    let mut places = rows.filter_map(|row| {
        let mut fields = row.split(|byte| *byte == b' ').skip(2);
        (fields.next()? == device.as_bytes()).then(|| fields.nth(1)).flatten()
    });
    places.next().map(|place| PathBuf::from(std::ffi::OsStr::from_bytes(place)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::unix::fs::OpenOptionsExt;
    use std::process::Command;

    /// Who is found while a program has the node open with these flags.
    fn while_open(flags: i32) -> (Option<User>, Option<User>, User) {
        let node = Path::new("/dev/full");
        let file = File::options().read(true).custom_flags(flags).open(node).unwrap();
        let mut other = Command::new("sleep").arg("600").stdin(file).spawn().unwrap();
        let found = (user_of(node), claimant_of(node));
        other.kill().unwrap();
        other.wait().unwrap();
        (found.0, found.1, User::Program { name: "sleep".into(), process: other.id() })
    }

    #[test]
    fn another_program_with_the_node_open_is_named_and_this_one_is_not() {
        let node = Path::new("/dev/full");
        let _own = File::open(node).unwrap();
        assert_eq!((user_of(node), claimant_of(node)), (None, None));
        let (user, claimant, sleep) = while_open(0);
        assert_eq!((user, claimant), (Some(sleep.clone()), Some(sleep)));
        // One that only looks is no user, but may be the one that claimed it.
        let (user, claimant, sleep) = while_open(nix::libc::O_NONBLOCK);
        assert_eq!((user, claimant), (None, Some(sleep)));
        assert_eq!(user_of(node), None);
    }

    #[test]
    fn a_mounted_disc_is_found_by_its_number() {
        let table = b"22 1 254:0 / / rw - ext4 /dev/vda rw\n\
            90 22 11:0 / /media/my\\040disc ro,relatime - iso9660 /dev/sr0 ro\n";
        assert_eq!(mounted(table, "11:0"), Some("/media/my\\040disc".into()));
        assert_eq!(mounted(table, "11:1"), None);
    }

    #[test]
    fn udev_passes_and_a_burner_stays() {
        let program = |name: &str| User::Program { name: name.into(), process: 7 };
        assert!(program("(udev-worker)").is_passing() && program("cdrom_id").is_passing());
        assert!(program("ata_id").is_passing() && program("scsi_id").is_passing());
        assert!(!program("xorriso").is_passing() && !User::Mount("/mnt".into()).is_passing());
    }
}
