//! Files that tell coldcut what to do, or that open its discs: configuration, passphrases, keys.
//! Whoever can write them decides in the reader's place, so they are read only if that is nobody
//! else, as ssh does with its own (ssh_config(5), FILES).

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User};

/// Why a file is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    #[error("it belongs to {0}; it must belong to you or to root")]
    Owner(String),
    #[error("others can write to it; `chmod go-w` fixes that")]
    Writable,
}

/// Opens a file that is to be obeyed; one that is not is an error of kind `PermissionDenied` around
/// a [`Distrust`]. A pipe, or a terminal, is what the caller's shell made of it and has no owner
/// that counts.
pub fn open_trusted(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    match distrust(&file.metadata()?) {
        Some(why) => Err(io::Error::new(io::ErrorKind::PermissionDenied, why)),
        None => Ok(file),
    }
}

/// The content of such a file.
pub fn read_trusted(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    open_trusted(path)?.read_to_end(&mut content)?;
    Ok(content)
}

/// What is wrong with its owner or its mode.
pub fn distrust(file: &Metadata) -> Option<Distrust> {
    if file.is_file() { owner_or_mode(file) } else { None }
}

/// The same of a directory that nobody else may put anything into.
pub fn distrust_dir(dir: &Metadata) -> Option<Distrust> {
    if dir.is_dir() { owner_or_mode(dir) } else { None }
}

fn owner_or_mode(found: &Metadata) -> Option<Distrust> {
    let owners = [Uid::from_raw(0), Uid::effective()];
    match owners.contains(&Uid::from_raw(found.uid())) {
        false => Some(Distrust::Owner(user_name(found.uid()))),
        true => can_be_used_by_others(found, 0o022).then_some(Distrust::Writable),
    }
}

/// Whether a file that holds a secret can be read by others than its owner and root.
pub fn is_readable_by_others(path: &Path) -> bool {
    let found = std::fs::metadata(path);
    found.is_ok_and(|found| found.is_file() && can_be_used_by_others(&found, 0o044))
}

/// `bits`: of a mode, for the group and for everybody. A group that has no member but the owner is
/// nobody else (useradd(8), USERGROUPS_ENAB).
fn can_be_used_by_others(file: &Metadata, bits: u32) -> bool {
    let mode = file.mode() & bits;
    mode & 0o007 != 0 || mode & 0o070 != 0 && !is_private_group(file.uid(), file.gid())
}

fn is_private_group(user: u32, group: u32) -> bool {
    let user = User::from_uid(Uid::from_raw(user)).ok().flatten();
    let group = Group::from_gid(Gid::from_raw(group)).ok().flatten();
    let (Some(user), Some(group)) = (user, group) else { return false };
    let is_alone = group.mem.iter().all(|member| *member == user.name);
    user.gid == group.gid && user.name == group.name && is_alone
}

/// The user's name; their number if they have none.
pub fn user_name(user: u32) -> String {
    let found = User::from_uid(Uid::from_raw(user)).ok().flatten();
    found.map_or_else(|| format!("user {user}"), |user| user.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown};

    fn of(mode: u32, owner: Option<(u32, u32)>) -> Option<Distrust> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "x").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        if let Some((user, group)) = owner {
            chown(&path, Some(user), Some(group)).unwrap();
        }
        distrust(&fs::metadata(&path).unwrap())
    }

    #[test]
    fn what_anybody_can_write_is_not_obeyed() {
        assert_eq!(of(0o644, None), None);
        assert_eq!(of(0o400, None), None);
        assert_eq!(of(0o666, None), Some(Distrust::Writable));
        assert_eq!(of(0o602, None), Some(Distrust::Writable));
    }

    /// Needs root, who alone can give files away.
    #[test]
    fn what_belongs_to_somebody_else_is_not_obeyed_even_by_root() {
        let nobody = of(0o600, Some((65534, 65534)));
        assert_eq!(nobody, Some(Distrust::Owner("nobody".to_owned())));
        // No group of that number has root as its only member.
        assert_eq!(of(0o660, Some((0, 65533))), Some(Distrust::Writable));
    }

    #[test]
    fn a_pipe_is_what_the_shell_made_of_it() {
        let (reader, _writer) = std::io::pipe().unwrap();
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
        assert_eq!(distrust(&fs::metadata(path).unwrap()), None);
    }

    #[test]
    fn a_secret_is_readable_by_others_if_its_mode_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, "x").unwrap();
        for (mode, expected) in [(0o600, false), (0o400, false), (0o644, true), (0o604, true)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_readable_by_others(&path), expected, "{mode:o}");
        }
    }
}
