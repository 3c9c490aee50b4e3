//! Restricts a child process so that it can write in one directory only (landlock(7)): for a program
//! that works on files from a stranger. It can still read and run what it could before. Its own
//! children are restricted in the same way.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use nix::libc;

/// Rights of landlock(7), each that makes, changes or removes something.
const WRITE_FILE: u64 = 1 << 1;
const REMOVE_DIR: u64 = 1 << 4;
const REMOVE_FILE: u64 = 1 << 5;
const MAKE_CHAR: u64 = 1 << 6;
const MAKE_DIR: u64 = 1 << 7;
const MAKE_REG: u64 = 1 << 8;
const MAKE_SOCK: u64 = 1 << 9;
const MAKE_FIFO: u64 = 1 << 10;
const MAKE_BLOCK: u64 = 1 << 11;
const MAKE_SYM: u64 = 1 << 12;
/// To rename and link between directories.
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;
/// Nobody waits for a pipe that is not there, and a device is none of a stranger's business.
const MAKE_ODD: u64 = MAKE_CHAR | MAKE_SOCK | MAKE_FIFO | MAKE_BLOCK;
const INSIDE: u64 =
    WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SYM | REFER | TRUNCATE;
const BIND_TCP: u64 = 1 << 0;
const CONNECT_TCP: u64 = 1 << 1;

/// Versions of the interface: the first in which files can be moved between directories (Linux
/// 5.19), that knows truncate(2), that knows TCP.
const MOVES: i64 = 2;
const TRUNCATES: i64 = 3;
const KNOWS_TCP: i64 = 4;

const CREATE_RULESET_VERSION: u32 = 1 << 0;
const RULE_PATH_BENEATH: u32 = 1;

#[repr(C)]
struct RulesetAttr {
    handled_access_fs: u64,
    handled_access_net: u64,
}

#[repr(C, packed)]
struct PathBeneathAttr {
    allowed_access: u64,
    parent_fd: RawFd,
}

/// The fence around a directory, ready for a child.
#[derive(Debug)]
pub struct Fence(OwnedFd);

impl Fence {
    /// Fails where the kernel cannot do it: nothing is run without it then.
    pub fn around(dir: &Path) -> io::Result<Fence> {
        let version = version()?;
        if version < MOVES {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let known = |right: u64, since: i64| if version >= since { right } else { 0 };
        let unknown = TRUNCATE & !known(TRUNCATE, TRUNCATES);
        let fence =
            create((INSIDE | MAKE_ODD) & !unknown, known(BIND_TCP | CONNECT_TCP, KNOWS_TCP))?;
        fence.allow(dir, INSIDE & !unknown)?;
        fence.allow(Path::new("/dev/null"), (WRITE_FILE | TRUNCATE) & !unknown)?;
        Ok(fence)
    }

    fn allow(&self, place: &Path, allowed_access: u64) -> io::Result<()> {
        use rustix::fs::{Mode, OFlags, open};
        let place = open(place, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let rule = PathBeneathAttr { allowed_access, parent_fd: place.as_raw_fd() };
        // SAFETY: the rule lives until the call returns, and both descriptors are open.
        let added = unsafe {
            libc::syscall(
                libc::SYS_landlock_add_rule,
                self.0.as_raw_fd(),
                RULE_PATH_BENEATH,
                &raw const rule,
                0_u32,
            )
        };
        if added == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// For the calling thread and all that it starts, for ever. Two system calls, no memory.
    pub(super) fn enter(&self) -> io::Result<()> {
        rustix::thread::set_no_new_privs(true)?;
        // SAFETY: the descriptor is open.
        let entered =
            unsafe { libc::syscall(libc::SYS_landlock_restrict_self, self.0.as_raw_fd(), 0_u32) };
        if entered == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// Of the kernel's interface; an error where it has none, or it is turned off.
fn version() -> io::Result<i64> {
    let none: *const RulesetAttr = std::ptr::null();
    // SAFETY: with this flag nothing is read.
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, none, 0_usize, CREATE_RULESET_VERSION)
    };
    if version > 0 { Ok(version) } else { Err(io::Error::last_os_error()) }
}

fn create(handled_access_fs: u64, handled_access_net: u64) -> io::Result<Fence> {
    let attr = RulesetAttr { handled_access_fs, handled_access_net };
    // A kernel that knows no TCP takes the first field alone.
    let size = match handled_access_net {
        0 => size_of::<u64>(),
        _ => size_of::<RulesetAttr>(),
    };
    // SAFETY: the attributes live until the call returns, and are at least so long.
    let made =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &raw const attr, size, 0_u32) };
    match RawFd::try_from(made) {
        // SAFETY: the kernel made it for us, closed on exec, and nobody else has it.
        Ok(fd) if fd >= 0 => Ok(Fence(unsafe { OwnedFd::from_raw_fd(fd) })),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::command::Program;
    use crate::port::stop::Stop;
    use std::fs;

    /// What a line of bash leaves behind when it is kept in `inside`: names in both directories.
    fn left(line: &str) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        for name in ["inside", "outside"] {
            fs::create_dir(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join("old"), "old").unwrap();
        }
        let fence = Fence::around(&dir.path().join("inside")).unwrap();
        let line = format!("cd '{}'; {line}", dir.path().display());
        let program = Program::new("", ["bash", "-c", &line]).behind(fence);
        program.run(&Stop::new(), &mut |_| (), &mut |_| ()).unwrap();
        let mut left = Vec::new();
        for name in ["inside", "outside"] {
            for entry in fs::read_dir(dir.path().join(name)).unwrap() {
                let path = entry.unwrap().path();
                let what = fs::read_to_string(&path).unwrap_or_default();
                let path = path.strip_prefix(dir.path()).unwrap().display().to_string();
                left.push(format!("{path}={what}"));
            }
        }
        left.sort();
        left
    }

    #[test]
    fn a_program_behind_a_fence_writes_inside_and_nowhere_else() {
        let untouched = ["inside/old=old", "outside/old=old"];
        for line in [
            "echo new >outside/new",
            "echo new >outside/old",
            "rm outside/old",
            "mv outside/old inside/moved",
            "ln outside/old inside/linked",
            "mkdir outside/dir",
            "ln -s x outside/link",
            "truncate -s 0 outside/old",
            "mkfifo inside/pipe",
            // By a link, and by what a program starts.
            "ln -s ../outside inside/way; echo new >inside/way/new; rm inside/way",
            "bash -c 'bash -c \"echo new >outside/new\"'",
        ] {
            assert_eq!(left(line), untouched, "{line}");
        }
        let inside = "mkdir inside/dir; mv inside/old inside/dir; ln -s x inside/link; cat <outside/old \
                      >inside/read; echo >/dev/null && echo yes >inside/null";
        let expected = ["inside/dir=", "inside/link=", "inside/null=yes\n", "inside/read=old"];
        assert_eq!(left(inside)[..4], expected);
    }
}
