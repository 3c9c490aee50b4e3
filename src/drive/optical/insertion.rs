//! Seeing that somebody inserted a disc. udev tells it, once its own look at the medium is over;
//! where no udev runs (a container) or a drive gives no events, the drive is asked now and then.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use udev::{MonitorBuilder, MonitorSocket};

use crate::port::clock::pause;
use crate::port::stop::Stop;

/// udevd's socket: without it nobody sends what the monitor listens for.
const UDEVD: &str = "/run/udev/control";
/// Between two looks at the drive where nothing tells of changes.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);
/// Some drives give no event for some media: a look now and then catches those.
const SAFETY: Duration = Duration::from_secs(10);
/// A signal may come just before `poll`; half a second later the wish to stop is seen.
const NAP: Duration = Duration::from_millis(500);

/// What udev says of a drive when something about its medium changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaChange {
    /// `ID_CDROM_MEDIA`: a medium is there.
    pub medium: bool,
    /// `ID_CDROM_MEDIA_STATE`: `blank`, `appendable`, `complete`, `other`.
    pub state: Option<String>,
    /// `ID_FS_LABEL`: the volume's name.
    pub label: Option<String>,
    /// `DISK_MEDIA_CHANGE`: inserted or taken out.
    pub media_change: bool,
    /// `DISK_EJECT_REQUEST`: somebody pressed the button.
    pub eject_request: bool,
}

/// Watches one drive.
pub struct Watcher {
    device: PathBuf,
    /// `None`: only looking helps.
    monitor: Option<MonitorSocket>,
}

impl Watcher {
    /// Listens from now on, if there is anybody to listen to.
    pub fn new(device: &Path) -> Watcher {
        let monitor = Path::new(UDEVD).exists().then(|| listen().ok()).flatten();
        Watcher { device: device.to_owned(), monitor }
    }

    /// Waits for news of the drive, at most so long; `None`: none came, and a look at the drive is
    /// due. What came before the call counts, too.
    pub fn wait(&mut self, most: Option<Duration>, stop: &Stop) -> io::Result<Option<MediaChange>> {
        let Some(monitor) = &self.monitor else {
            // A wish to stop is seen by the caller, too.
            let _ = pause(most.unwrap_or(BETWEEN_LOOKS).min(BETWEEN_LOOKS), stop);
            return Ok(None);
        };
        let mut left = most.unwrap_or(SAFETY).min(SAFETY);
        loop {
            if let Some(change) = next_change(monitor, &self.device) {
                return Ok(Some(change));
            }
            if left.is_zero() || stop.check().is_err() {
                return Ok(None);
            }
            let nap = left.min(NAP);
            wait_for(monitor.as_fd(), nap)?;
            left -= nap;
        }
    }
}

/// Events behind udev's rules, not the kernel's own: by then udev has looked at the medium.
fn listen() -> io::Result<MonitorSocket> {
    MonitorBuilder::new()?.match_subsystem("block")?.listen()
}

fn wait_for(monitor: BorrowedFd, most: Duration) -> io::Result<()> {
    let mut descriptors = [PollFd::new(monitor, PollFlags::POLLIN)];
    let time = PollTimeout::try_from(most).unwrap_or(PollTimeout::ZERO);
    match poll(&mut descriptors, time) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// The newest of the events that wait, if any is about this drive.
fn next_change(monitor: &MonitorSocket, device: &Path) -> Option<MediaChange> {
    let about_us = monitor.iter().filter(|event| event.devnode() == Some(device));
    about_us
        .map(|event| change(|name| Some(event.property_value(name)?.to_str()?.to_owned())))
        .last()
}

/// The properties of one event.
fn change(property: impl Fn(&str) -> Option<String>) -> MediaChange {
    let is_set = |name| property(name).as_deref() == Some("1");
    MediaChange {
        medium: is_set("ID_CDROM_MEDIA"),
        state: property("ID_CDROM_MEDIA_STATE"),
        label: property("ID_FS_LABEL"),
        media_change: is_set("DISK_MEDIA_CHANGE"),
        eject_request: is_set("DISK_EJECT_REQUEST"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::env;
    use std::process::Command;

    const MOCKED: &str = "COLDCUT_TEST_UNDER_UMOCKDEV";
    const NAME: &str = "drive::optical::insertion::tests::what_udev_tells_is_heard";

    /// Asks for the next events of `udev_events.py`, and hears them.
    fn next(watcher: &mut Watcher) -> Option<MediaChange> {
        println!("listening");
        watcher.wait(Some(Duration::from_secs(2)), &Stop::default()).unwrap()
    }

    fn listener() {
        let device = PathBuf::from("/dev/sr0");
        let mut watcher = Watcher { device, monitor: Some(listen().unwrap()) };
        let change = |state: Option<&str>| MediaChange {
            medium: true,
            state: state.map(str::to_owned),
            media_change: true,
            ..MediaChange::default()
        };
        assert_eq!(next(&mut watcher), Some(change(Some("blank"))));
        let button = MediaChange { eject_request: true, ..MediaChange::default() };
        assert_eq!(next(&mut watcher), Some(button));
        println!("listening");
        std::thread::sleep(Duration::from_secs(2));
        let heard = watcher.wait(None, &Stop::default()).unwrap();
        let label = Some("0001_PHOTOS".to_owned());
        assert_eq!(heard, Some(MediaChange { label, ..change(Some("complete")) }));
        assert_eq!(next(&mut watcher), None);
    }

    /// umockdev gives a program a `/dev` and a udev of its own; hence this test starts itself again.
    #[test]
    fn what_udev_tells_is_heard() {
        if env::var_os(MOCKED).is_some() {
            return listener();
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/udev_events.py");
        let output = Command::new("umockdev-wrapper")
            .args(["/usr/bin/python3", script])
            .arg(env::current_exe().unwrap())
            .args([NAME, "--exact", "--nocapture"])
            .env(MOCKED, "1")
            .output()
            .expect("umockdev, which scripts/setup.sh installs");
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("1 passed"), "{said}{errors}");
    }

    #[test]
    fn without_udev_a_look_is_due_soon() {
        let mut watcher = Watcher { device: "/dev/sr0".into(), monitor: None };
        let heard = watcher.wait(Some(Duration::from_millis(1)), &Stop::default()).unwrap();
        assert_eq!(heard, None);
    }
}
