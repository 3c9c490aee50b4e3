//! Whose a place is, and working as that user. Root that opens files in directories of another user
//! opens what that user likes: names there can be exchanged between any two looks at them.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{CString, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::unistd::{Gid, Uid, User, initgroups, setgroups, setresgid, setresuid};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

use super::process::keep_secrets_out_of_core_dumps;

/// As many symbolic links as the kernel follows in one path (path_resolution(7)).
const MOST_LINKS: usize = 40;
/// `nogroup`: of a user that the system does not know, nothing says which group is theirs.
const NO_GROUP: u32 = 65534;
/// Which users this user namespace knows (user_namespaces(7)).
const USERS: &str = "/proc/self/uid_map";

/// Whether this process was one of root's, and is another user's now.
static IS_ANOTHERS: AtomicBool = AtomicBool::new(false);

/// Whether the terminal, and all else that was open at the start, is that of somebody who has more
/// rights than this process: [`become_user`] was called.
pub fn works_as_another() -> bool {
    IS_ANOTHERS.load(Ordering::Relaxed)
}

/// Everybody but root and ourselves who owns something on the way to a place, be it a directory, a
/// link or the place itself, with the last such thing of theirs. What is not there yet belongs to
/// whoever owns the directory that it will be made in. For root only: others have no more rights than
/// their own to lose, and this finds nobody for them.
pub fn other_owners(place: &Path) -> io::Result<BTreeMap<u32, PathBuf>> {
    let mut owners = BTreeMap::new();
    if !rustix::process::geteuid().is_root() {
        return Ok(owners);
    }
    walk(place, |path, found| {
        if found.uid() != 0 {
            owners.insert(found.uid(), path.to_owned());
        }
    })?;
    // A kernel without user namespaces, or no /proc: then everybody is known.
    if let Ok(users) = fs::read_to_string(USERS) {
        owners.retain(|user, _| users.lines().any(|line| is_in_range(*user, line)));
    }
    Ok(owners)
}

/// Looks at all that the kernel passes on its way to a path, the targets of links, too, up to the
/// first name that does not exist.
fn walk(path: &Path, mut look: impl FnMut(&Path, &Metadata)) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    let mut ahead: VecDeque<OsString> = names(&path).collect();
    let (mut here, mut links) = (PathBuf::from("/"), 0);
    while let Some(name) = ahead.pop_front() {
        if name == ".." {
            here.pop();
            continue;
        }
        here.push(&name);
        let found = match fs::symlink_metadata(&here) {
            Err(error) if is_absent(&error) => return Ok(()),
            found => found?,
        };
        look(&here, &found);
        if found.is_symlink() {
            links += 1;
            if links > MOST_LINKS {
                return Err(rustix::io::Errno::LOOP.into());
            }
            let target = fs::read_link(&here)?;
            here.pop();
            for name in names(&target).rev() {
                ahead.push_front(name);
            }
        }
    }
    Ok(())
}

/// The root of an absolute path is a name, too: pushed to another path it takes its place.
fn names(path: &Path) -> impl DoubleEndedIterator<Item = OsString> + '_ {
    path.components()
        .filter(|name| *name != Component::CurDir)
        .map(|name| name.as_os_str().to_owned())
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether a line of `uid_map` is about this user. Owners that a user namespace does not know are
/// shown as `nobody`, the system's root among them; root in there cannot become any of them.
fn is_in_range(user: u32, line: &str) -> bool {
    let numbers: Vec<u32> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match numbers[..] {
        [first, _, count] => user.checked_sub(first).is_some_and(|offset| offset < count),
        _ => false,
    }
}

/// Makes this process, with all its threads, one of that user: their groups, no saved user to return
/// to, no capability. A user without an entry in the system's list gets no groups but `nogroup`.
pub fn become_user(user: u32) -> io::Result<()> {
    IS_ANOTHERS.store(true, Ordering::Relaxed);
    let uid = Uid::from_raw(user);
    let gid = match User::from_uid(uid)? {
        Some(entry) => {
            initgroups(&CString::new(entry.name)?, entry.gid)?;
            entry.gid
        }
        None => {
            setgroups(&[])?;
            Gid::from_raw(NO_GROUP)
        }
    };
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    give_up_capabilities()?;
    // The kernel takes this back when a process changes its user (prctl(2), PR_SET_DUMPABLE).
    keep_secrets_out_of_core_dumps();
    Ok(())
}

/// The kernel took them when root ceased to be root, unless whoever started us asked it not to
/// (capabilities(7), SECBIT_NO_SETUID_FIXUP).
fn give_up_capabilities() -> io::Result<()> {
    let none = CapabilitySet::empty();
    let left = capabilities(None)?;
    if !(left.effective | left.permitted).is_empty() {
        let words = "the rights of root cannot be given up here (securebits)";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, words));
    }
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{chown, lchown, symlink};

    fn owners(place: &Path) -> Vec<(u32, PathBuf)> {
        other_owners(place).unwrap().into_iter().collect()
    }

    /// Needs root, as the thing itself does; temporary directories are root's then.
    #[test]
    fn whoever_owns_the_place_or_a_directory_on_the_way_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("home/data/coldcut")).unwrap();
        fs::write(at("home/data/coldcut/catalog"), "").unwrap();
        assert_eq!(owners(&at("home/data/coldcut/catalog")), []);
        chown(at("home/data/coldcut/catalog"), Some(7), None).unwrap();
        let file = || (7, at("home/data/coldcut/catalog"));
        assert_eq!(owners(&at("home/data/coldcut/catalog")), [file()]);
        assert_eq!(owners(&at("home/data/coldcut/other")), []);
        chown(at("home/data"), Some(8), None).unwrap();
        assert_eq!(owners(&file().1), [file(), (8, at("home/data"))]);
        // What is not there yet, however deep.
        assert_eq!(owners(&at("home/data/not/yet")), [(8, at("home/data"))]);
        assert_eq!(owners(&at("home/data/../other")), [(8, at("home/data"))]);
    }

    #[test]
    fn a_user_namespace_knows_the_users_of_its_map() {
        let all = "         0          0 4294967295";
        assert!([0, 7, 65_534].into_iter().all(|user| is_in_range(user, all)));
        let some = "1000 100000 10";
        let found = [0, 999, 1000, 1009, 1010, 65_534].map(|user| is_in_range(user, some));
        assert_eq!(found, [false, false, true, true, false, false]);
    }

    #[test]
    fn links_count_with_where_they_are_and_with_where_they_lead() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["theirs/deep", "ours"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        fs::write(at("ours/catalog"), "").unwrap();
        symlink(at("ours"), at("theirs/absolute")).unwrap();
        symlink("../theirs/deep", at("ours/relative")).unwrap();
        symlink("loop", at("loop")).unwrap();
        chown(at("theirs"), Some(7), None).unwrap();
        let theirs = || (7, at("theirs"));
        assert_eq!(owners(&at("theirs/absolute/catalog")), [theirs()]);
        assert_eq!(owners(&at("ours/relative/x")), [theirs()]);
        assert_eq!(owners(&at("ours/catalog")), []);
        lchown(at("ours/relative"), Some(8), None).unwrap();
        assert_eq!(owners(&at("ours/relative/x")), [theirs(), (8, at("ours/relative"))]);
        assert!(other_owners(&at("loop")).is_err());
    }
}
