//! A disc that is read keeps its drive. The descriptor claims it (open(2), O_EXCL), so that no
//! other program burns, mounts or ejects meanwhile; and it is one that waits for a medium, for
//! which the kernel locks the tray until the last descriptor is closed (cdrom_open and
//! cdrom_release of drivers/cdrom/cdrom.c): a program that is killed leaves no locked tray behind.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use nix::errno::Errno;

/// The holds of this program: a claim excludes its own other descriptors, too.
static HOLDS: Mutex<Vec<Weak<DriveHold>>> = Mutex::new(Vec::new());

pub struct DriveHold {
    device: PathBuf,
    /// `None` once the disc was ejected.
    file: Mutex<Option<Arc<File>>>,
    /// Whether a disc is read by it.
    reads: bool,
}

impl DriveHold {
    /// Of the disc that is in the drive, to be read past the system's memory. EBUSY: another
    /// program has it, or another hold of this one.
    pub fn take(device: &Path) -> io::Result<Arc<DriveHold>> {
        let flags = nix::libc::O_DIRECT | nix::libc::O_CLOEXEC | nix::libc::O_EXCL;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(device)?;
        Ok(DriveHold::of_file(device, file, true))
    }

    /// The one of this program that the drive is kept by.
    pub fn of(device: &Path) -> Option<Arc<DriveHold>> {
        let holds = all();
        let mut held = holds.iter().filter_map(Weak::upgrade);
        held.find(|hold| hold.device == device && hold.file().is_some())
    }

    /// Keeps the drive, and reads nothing: nobody shall come between a burn and its reading back.
    pub fn keep(device: &Path) -> io::Result<Arc<DriveHold>> {
        let flags = nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC | nix::libc::O_EXCL;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(device)?;
        Ok(DriveHold::of_file(device, file, false))
    }

    fn of_file(device: &Path, file: File, reads: bool) -> Arc<DriveHold> {
        let (device, file) = (device.to_owned(), Mutex::new(Some(Arc::new(file))));
        let hold = Arc::new(DriveHold { device, file, reads });
        let mut holds = all();
        holds.retain(|hold| hold.strong_count() > 0);
        holds.push(Arc::downgrade(&hold));
        hold
    }

    /// The disc is ejected: who still reads it finds that it is gone. The drive is kept.
    pub fn hand_out(device: &Path) {
        DriveHold::close(device, |hold| hold.reads);
    }

    /// The drive is left to a program that claims it for itself.
    pub fn let_go(device: &Path) {
        DriveHold::close(device, |_| true);
    }

    fn close(device: &Path, which: fn(&DriveHold) -> bool) {
        let held: Vec<Arc<DriveHold>> = all().iter().filter_map(Weak::upgrade).collect();
        let meant = held.iter().filter(|hold| hold.device == device && which(hold));
        meant.for_each(|hold| *hold.place() = None);
    }

    /// ENOMEDIUM if the disc was ejected.
    pub fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        match self.file() {
            Some(file) => file.read_at(buf, position),
            None => Err(Errno::ENOMEDIUM.into()),
        }
    }

    /// `None`: the disc was ejected.
    pub fn file(&self) -> Option<Arc<File>> {
        self.place().clone()
    }

    fn place(&self) -> MutexGuard<'_, Option<Arc<File>>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn all() -> MutexGuard<'static, Vec<Weak<DriveHold>>> {
    HOLDS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disc_that_was_handed_out_is_not_read_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sr0");
        std::fs::write(&path, vec![7; 8192]).unwrap();
        let hold = DriveHold::of_file(&path, File::open(&path).unwrap(), true);
        let kept = DriveHold::of_file(&path, File::open(&path).unwrap(), false);
        assert!(DriveHold::of(&path).is_some());
        let mut byte = [0];
        assert_eq!((hold.read_at(&mut byte, 5).unwrap(), byte), (1, [7]));
        DriveHold::let_go(Path::new("/dev/other"));
        assert!(hold.read_at(&mut byte, 5).is_ok());
        DriveHold::hand_out(&path);
        assert!(DriveHold::of(&path).is_some() && kept.file().is_some());
        let error = hold.read_at(&mut byte, 5).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(nix::libc::ENOMEDIUM));
        DriveHold::let_go(&path);
        assert!(DriveHold::of(&path).is_none());
    }
}
