//! The socket of the service: made for its user alone, and removed when it ends. What a service that
//! was killed left there is replaced.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdListener, UnixStream};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use crate::hub::place::HubPlace;
use crate::port::files::{dir_of, make_private_dir};

use super::error::ServeError;

/// The socket; its name goes with this value.
pub struct OwnSocket {
    path: PathBuf,
    listener: StdListener,
}

impl OwnSocket {
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn listener(&self) -> Result<UnixListener, ServeError> {
        let listener = self.listener.try_clone().and_then(|own| {
            own.set_nonblocking(true)?;
            UnixListener::from_std(own)
        });
        let path = &self.path;
        listener.map_err(|source| ServeError::Socket { path: path.clone(), source })
    }
}

impl Drop for OwnSocket {
    fn drop(&mut self) {
        // A name that stays behind is replaced by the next service.
        let _ = fs::remove_file(&self.path);
    }
}

pub fn open(place: &HubPlace) -> Result<OwnSocket, ServeError> {
    let path = place.own();
    if UnixStream::connect(&path).is_ok() {
        return Err(ServeError::SocketBusy(path));
    }
    // Members of its group may speak to a service of the system.
    let mode = if place.is_of_the_system() { 0o660 } else { 0o600 };
    match bind(&path, mode) {
        Ok(listener) => Ok(OwnSocket { path, listener }),
        Err(source) => Err(ServeError::Socket { path, source }),
    }
}

fn bind(path: &Path, mode: u32) -> io::Result<StdListener> {
    make_private_dir(dir_of(path))?;
    // Only a socket, and nobody answered there: nothing else is removed for it.
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        fs::remove_file(path)?;
    }
    let listener = StdListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_for_its_user_and_replaces_what_a_killed_service_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/hub.sock");
        let place = HubPlace::read(Some(path.clone()));
        let first = open(&place).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(dir_of(&path)).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(matches!(open(&place), Err(ServeError::SocketBusy(_))));
        drop(first);
        assert!(!path.exists());
        drop(StdListener::bind(&path).unwrap());
        assert!(path.exists(), "as after a kill");
        open(&place).unwrap();
    }

    #[test]
    fn what_is_not_a_socket_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("letter");
        fs::write(&path, "dear a").unwrap();
        assert!(matches!(
            open(&HubPlace::read(Some(path.clone()))),
            Err(ServeError::Socket { .. })
        ));
        assert_eq!(fs::read(path).unwrap(), b"dear a");
    }
}
