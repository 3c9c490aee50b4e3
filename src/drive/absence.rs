//! A disc that was there and is not any more, or a drive: no damage of a disc, and never to be
//! taken for it. What an error of a file system says of the place that an image is on stands here;
//! what a drive says, in `optical::inquiry`.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::libc;

use crate::model::size::SECTOR;
use crate::port::files::forget_cached;

/// Why a disc that was being read cannot be read any more, though nothing may be wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Absence {
    #[error("the disc was taken out of {drive}")]
    TakenOut { drive: String },
    #[error(
        "the disc in {drive} was changed, or the drive was reset, while it was read; check its \
         cable and power"
    )]
    Changed { drive: String },
    #[error("the drive {drive} is gone; check its cable and power")]
    DriveGone { drive: String },
    #[error(
        "the drive {drive} was reset again and again while it was read; check its cable and power"
    )]
    Reset { drive: String },
    #[error(
        "the drive {drive} does not answer; check its cable and power, then switch it off and on"
    )]
    NoAnswer { drive: String },
    #[error("the drive {drive} failed while it read: {words}")]
    Faulty { drive: String, words: String },
    #[error("{} is gone; check that its disk is connected and mounted", .place.display())]
    Place { place: PathBuf },
}

impl Absence {
    /// Nothing more can be read; otherwise other places can.
    pub fn ends_reading(&self) -> bool {
        !matches!(self, Absence::Reset { .. })
    }

    /// The drive cannot do anything else, either: it is gone, or does not answer.
    pub fn leaves_no_drive(&self) -> bool {
        matches!(self, Absence::DriveGone { .. } | Absence::NoAnswer { .. })
    }

    /// Somebody may put the disc into the drive again; otherwise the drive itself is no help.
    pub fn may_be_inserted_again(&self) -> bool {
        matches!(self, Absence::TakenOut { .. } | Absence::Changed { .. })
    }
}

/// Why nothing was read.
#[derive(Debug)]
pub(super) enum ReadFailure {
    /// The place cannot be read.
    Bad(io::Error),
    Gone(Absence),
}

/// Where there is one kind of error only.
impl From<ReadFailure> for io::Error {
    fn from(failure: ReadFailure) -> io::Error {
        match failure {
            ReadFailure::Bad(error) => error,
            ReadFailure::Gone(absence) => io::Error::other(absence),
        }
    }
}

/// What an error while reading below `path` says of the place: `None` if it says nothing, and the
/// medium is at fault for all that is known.
pub(super) fn of_place(path: &Path, open: Option<&File>, error: &io::Error) -> Option<Absence> {
    let is_gone = match error.raw_os_error()? {
        // The device, the server or the daemon behind the file system is not there (errno(3)).
        libc::ENODEV | libc::ENXIO | libc::ENOMEDIUM | libc::ENOTCONN | libc::ESTALE => true,
        libc::ETIMEDOUT | libc::EHOSTDOWN | libc::EHOSTUNREACH | libc::ENETUNREACH => true,
        libc::ESHUTDOWN | libc::ENONET => true,
        // Both a bad sector and a disk that was pulled out.
        libc::EIO => is_gone(path, open),
        libc::ENOENT => fs::metadata(path).is_err(),
        _ => false,
    };
    is_gone.then(|| Absence::Place { place: path.to_owned() })
}

fn is_gone(path: &Path, open: Option<&File>) -> bool {
    let Ok(there) = fs::metadata(path) else { return true };
    let Some(file) = open else { return device_is_gone(&there) };
    let is_same = |was: Metadata| (was.dev(), was.ino()) == (there.dev(), there.ino());
    !file.metadata().is_ok_and(is_same) || device_is_gone(&there) || !begins_still(file)
}

/// Whether the kernel has no disk any more for this file system, or has given it up. File systems
/// without a disk of their own (network, FUSE, btrfs) have the major number 0, and it cannot tell.
fn device_is_gone(there: &Metadata) -> bool {
    let (major, minor) = (rustix::fs::major(there.dev()), rustix::fs::minor(there.dev()));
    let known = Path::new("/sys/dev/block");
    if major == 0 || !known.is_dir() {
        return false;
    }
    let disk = known.join(format!("{major}:{minor}"));
    // A partition's disk is one directory above it.
    let state = [disk.join("device/state"), disk.join("../device/state")];
    let state = state.iter().find_map(|file| fs::read_to_string(file).ok());
    // Names of scsi_sysfs.c; a live disk is `running`, other buses have no such file.
    let given_up = |state: String| {
        ["offline", "transport-offline", "deleted", "cancel"].contains(&state.trim())
    };
    !disk.exists() || state.is_some_and(given_up)
}

/// Whether the volume's descriptor can be read, as it was when the image was opened.
fn begins_still(image: &File) -> bool {
    forget_cached(image);
    image.read_exact_at(&mut [0; SECTOR as usize], 16 * SECTOR).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(errno: i32) -> io::Error {
        io::Error::from_raw_os_error(errno)
    }

    fn image() -> (tempfile::TempDir, PathBuf, File) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.iso");
        fs::write(&path, vec![0; 40 * SECTOR as usize]).unwrap();
        let file = File::open(&path).unwrap();
        (dir, path, file)
    }

    #[test]
    fn an_error_of_the_medium_is_no_absence_while_the_image_is_there() {
        let (_dir, path, file) = image();
        assert_eq!(of_place(&path, Some(&file), &error(libc::EIO)), None);
        assert_eq!(of_place(&path, None, &error(libc::EIO)), None);
        assert_eq!(of_place(&path, Some(&file), &error(libc::EACCES)), None);
        assert_eq!(of_place(&path, Some(&file), &error(libc::ENOENT)), None);
        assert_eq!(of_place(&path, Some(&file), &io::ErrorKind::UnexpectedEof.into()), None);
    }

    #[test]
    fn errors_of_a_device_or_a_server_that_is_gone_are_absence() {
        let (_dir, path, file) = image();
        for errno in [libc::ENODEV, libc::ENXIO, libc::ENOTCONN, libc::ESTALE, libc::ETIMEDOUT] {
            let told = of_place(&path, Some(&file), &error(errno)).unwrap().to_string();
            assert!(told.contains("a.iso is gone"), "{told}");
        }
    }

    #[test]
    fn an_image_that_vanished_was_replaced_or_lost_its_beginning_is_gone() {
        let (_dir, path, file) = image();
        file.set_len_of(&path, 10 * SECTOR);
        assert!(of_place(&path, Some(&file), &error(libc::EIO)).is_some(), "cut");
        fs::rename(&path, path.with_extension("away")).unwrap();
        assert!(of_place(&path, Some(&file), &error(libc::EIO)).is_some(), "away");
        assert!(of_place(&path, None, &error(libc::ENOENT)).is_some(), "away");
        fs::write(&path, vec![0; 40 * SECTOR as usize]).unwrap();
        assert!(of_place(&path, Some(&file), &error(libc::EIO)).is_some(), "another file");
    }

    trait Cut {
        fn set_len_of(&self, path: &Path, length: u64);
    }

    impl Cut for File {
        fn set_len_of(&self, path: &Path, length: u64) {
            File::options().write(true).open(path).unwrap().set_len(length).unwrap();
        }
    }
}
