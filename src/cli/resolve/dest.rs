//! DEST as it was typed: what can be said of it without a catalog. It is judged before anything is
//! made, because a slip here makes directories that nobody looks for.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::model::path::shown;

/// Why a word cannot be DEST.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DestSyntaxError {
    #[error(
        "{0} is an address: coldcut writes to drives and directories only; mount it, and name the directory that it is mounted on"
    )]
    Address(String),
    #[error(
        "{0} looks like a place on another machine: coldcut writes to drives and directories only; mount it, and name the directory that it is mounted on (a directory of this name is ./{0})"
    )]
    Remote(String),
    #[error(
        "there is no directory {}: only the last component of DEST is created; create it, or mount \
         what belongs there", shown(.0.as_os_str().as_bytes())
    )]
    NoParent(PathBuf),
}

/// What is no local path, and what would need more than one directory, is refused. Devices are left
/// to whoever opens them.
pub fn check_dest(dest: &Path) -> Result<(), DestSyntaxError> {
    let bytes = dest.as_os_str().as_bytes();
    if is_address(bytes) {
        return Err(DestSyntaxError::Address(shown(bytes)));
    }
    let first = dest.components().next().map(|first| Path::new(first.as_os_str()).to_owned());
    let has_colon = bytes.split(|&b| b == b'/').next().is_some_and(|first| first.contains(&b':'));
    if has_colon && !first.is_some_and(|first| first.exists()) {
        return Err(DestSyntaxError::Remote(shown(bytes)));
    }
    let above = match dest.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => return Ok(()),
    };
    match dest.symlink_metadata().is_ok() || above.is_dir() || above.starts_with("/dev") {
        true => Ok(()),
        false => Err(DestSyntaxError::NoParent(above.to_owned())),
    }
}

/// `scheme://` (RFC 3986, 3.1).
fn is_address(bytes: &[u8]) -> bool {
    let Some(at) = bytes.windows(3).position(|three| three == b"://") else { return false };
    let scheme = &bytes[..at];
    scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_places_elsewhere_are_no_directories() {
        for address in ["smb://nas/shelf", "sftp://me@host/x", "file:///srv", "x-y+1.z://"] {
            let found = check_dest(Path::new(address));
            assert_eq!(found, Err(DestSyntaxError::Address(address.into())), "{address}");
        }
        for remote in ["host:shelf", "user@host:/shelf", "C:", "C:\\shelf", "a:b/c", ":"] {
            let found = check_dest(Path::new(remote));
            assert_eq!(found, Err(DestSyntaxError::Remote(remote.into())), "{remote}");
        }
        for local in ["shelf", "./host:shelf", "./a:b", "shelf/", "1://x/y"] {
            let found = check_dest(Path::new(local));
            let missing =
                matches!(found, Err(DestSyntaxError::NoParent(_) | DestSyntaxError::Remote(_)));
            assert!(found.is_ok() || (missing && local.starts_with('1')), "{local}: {found:?}");
        }
    }

    #[test]
    fn only_the_last_directory_may_be_missing() {
        let temp = tempfile::tempdir().unwrap();
        let at = |path: &str| check_dest(&temp.path().join(path));
        std::fs::create_dir(temp.path().join("a:b")).unwrap();
        std::fs::write(temp.path().join("file"), "").unwrap();
        for fine in ["", "new", "new/", "a:b", "a:b/new", "a:b/../new", "file"] {
            assert_eq!(at(fine), Ok(()), "{fine}");
        }
        for (deep, missing) in [("x/y", "x"), ("x/y/z", "x/y"), ("file/x", "file"), ("x/..", "x")] {
            assert_eq!(
                at(deep),
                Err(DestSyntaxError::NoParent(temp.path().join(missing))),
                "{deep}"
            );
        }
        assert_eq!(check_dest(Path::new("/dev/sr99")), Ok(()));
    }
}
