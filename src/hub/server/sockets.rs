//! The socket of the service: made for its user alone, and removed when it ends. What a service that
//! was killed left there is replaced. Or one that systemd made: it is the standard input then
//! (`StandardInput=socket`, systemd.exec(5)), and stays.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
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
    /// Its device and inode; `None`: unknown, or another's, and the name stays.
    file: Option<(u64, u64)>,
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
        // A name that stays behind is replaced by the next service, and one that was replaced is
        // another's.
        if self.file.is_some() && self.file == file_at(&self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn file_at(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// The socket at which somebody listens for us already, or a new one.
pub fn open(place: &HubPlace) -> Result<OwnSocket, ServeError> {
    match inherited(io::stdin().as_fd()) {
        Some(listener) => Ok(taken_over(listener?)?),
        None => make(place),
    }
}

/// `None`: this is not a socket that listens.
fn inherited(input: BorrowedFd<'_>) -> Option<io::Result<StdListener>> {
    let listens = rustix::net::sockopt::socket_acceptconn(input);
    let listener = || Ok(StdListener::from(input.try_clone_to_owned()?));
    matches!(listens, Ok(true)).then(listener)
}

fn taken_over(listener: StdListener) -> io::Result<OwnSocket> {
    let address = listener.local_addr()?;
    let other = || io::Error::new(io::ErrorKind::InvalidInput, "the socket has no path");
    let path = address.as_pathname().ok_or_else(other)?.to_owned();
    Ok(OwnSocket { path, listener, file: None })
}

fn make(place: &HubPlace) -> Result<OwnSocket, ServeError> {
    let path = place.own();
    let made = match UnixStream::connect(&path) {
        Err(error) if is_of_nobody(&error) => bind(&path, place.is_of_the_system()),
        // So many wait there to be accepted that no more fit.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            return Err(ServeError::SocketBusy(path));
        }
        Ok(_) => return Err(ServeError::SocketBusy(path)),
        Err(error) => Err(error),
    };
    match made {
        Ok(listener) => Ok(OwnSocket { file: file_at(&path), path, listener }),
        Err(source) => Err(ServeError::Socket { path, source }),
    }
}

/// There is no socket, or nobody listens at it; any other error says nothing of that.
fn is_of_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
}

/// Members of its group may speak to a service of the system.
fn bind(path: &Path, is_of_the_system: bool) -> io::Result<StdListener> {
    make_dir(dir_of(path), is_of_the_system)?;
    // Only a socket, and nobody answered there: nothing else is removed for it.
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        fs::remove_file(path)?;
    }
    let listener = StdListener::bind(path)?;
    let mode = if is_of_the_system { 0o660 } else { 0o600 };
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    Ok(listener)
}

/// One that is there already stays as it is.
fn make_dir(dir: &Path, is_of_the_system: bool) -> io::Result<()> {
    let is_there = dir.exists();
    make_private_dir(dir)?;
    match is_of_the_system && !is_there {
        true => fs::set_permissions(dir, Permissions::from_mode(0o750)),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_for_its_user_and_replaces_what_a_killed_service_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/hub.sock");
        let place = HubPlace::read(Some(path.clone()));
        let first = make(&place).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(dir_of(&path)).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(matches!(make(&place), Err(ServeError::SocketBusy(_))));
        drop(first);
        assert!(!path.exists());
        drop(StdListener::bind(&path).unwrap());
        assert!(path.exists(), "as after a kill");
        make(&place).unwrap();
    }

    #[test]
    fn the_group_reaches_the_socket_of_a_service_of_the_system() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("coldcut/hub.sock");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let _listener = bind(&path, true).unwrap();
        assert_eq!((mode(dir_of(&path)), mode(&path)), (0o750, 0o660));
    }

    #[test]
    fn a_socket_that_somebody_else_made_is_taken_over_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub.sock");
        let made = StdListener::bind(&path).unwrap();
        let taken = taken_over(inherited(made.as_fd()).unwrap().unwrap()).unwrap();
        assert_eq!(taken.path(), path);
        drop((made, taken));
        assert!(path.exists());
        let stream = UnixStream::pair().unwrap().0;
        assert!(inherited(stream.as_fd()).is_none(), "it does not listen");
        assert!(inherited(fs::File::open("/dev/null").unwrap().as_fd()).is_none());
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(taken_over(inherited(tcp.as_fd()).unwrap().unwrap()).is_err(), "it has no path");
    }

    #[test]
    fn a_socket_that_took_the_place_of_ours_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub.sock");
        let first = make(&HubPlace::read(Some(path.clone()))).unwrap();
        fs::rename(&path, dir.path().join("moved")).unwrap();
        let second = make(&HubPlace::read(Some(path.clone()))).unwrap();
        drop(first);
        UnixStream::connect(&path).unwrap();
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn only_a_refusal_or_a_missing_name_means_that_nobody_listens() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file/hub.sock");
        fs::write(dir_of(&path), "").unwrap();
        let Err(ServeError::Socket { source, .. }) = make(&HubPlace::read(Some(path))) else {
            panic!("a socket below a file")
        };
        assert_eq!(source.kind(), io::ErrorKind::NotADirectory);
    }

    #[test]
    fn what_is_not_a_socket_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("letter");
        fs::write(&path, "dear a").unwrap();
        assert!(matches!(
            make(&HubPlace::read(Some(path.clone()))),
            Err(ServeError::Socket { .. })
        ));
        assert_eq!(fs::read(path).unwrap(), b"dear a");
    }
}
