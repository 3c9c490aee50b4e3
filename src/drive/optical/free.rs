//! A drive that nobody else uses. Whatever changes a drive (tray, lock, its place in the system) is
//! told through this, and it is only had where no other program burns, has the disc mounted or has
//! the drive open: ejecting is obeyed in the middle of somebody else's burn.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;

use super::device::{BETWEEN, Device, DeviceError, Unplugged};
use super::hold::DriveHold;
use super::mmc;
use super::sg::Transfer;
use crate::port::clock::{Deadline, pause};
use crate::port::stop::Stop;

/// Programs that look into every drive (udev after an insertion) are waited for so long.
const PASSING: Duration = Duration::from_secs(15);
/// After a rescan the node must come back within this.
const RETURN: Duration = Duration::from_secs(30);

/// While this lives no other program can claim the drive.
pub struct Free<'a> {
    device: &'a Device,
    _claim: Option<File>,
}

impl Device {
    /// [`DeviceError::Busy`] if another program uses the drive: burning programs, mounts and
    /// coldcut while it reads claim it (open(2), O_EXCL on a block device), and of others `/proc`
    /// tells as much as this user may see. Sends the drive nothing.
    pub fn free(&self) -> Result<Free<'_>, DeviceError> {
        let deadline = Deadline::after(PASSING);
        loop {
            let _claim = match self.link.claim() {
                Ok(claim) => claim,
                Err(Errno::EBUSY) => match self.link.claimant() {
                    // cdrom_id of udev claims a drive for a moment, too.
                    Some(by) if by.is_passing() && !deadline.is_over() => {
                        pause(BETWEEN, &Stop::new())?;
                        continue;
                    }
                    by => return Err(self.busy(by)),
                },
                // It was there when it was opened.
                Err(Errno::ENOENT) => return Err(DeviceError::Gone(self.path().to_owned())),
                Err(errno) => return Err(self.errno("claim", errno)),
            };
            match self.link.user() {
                Some(by) if !by.is_passing() => return Err(self.busy(Some(by))),
                Some(_) if !deadline.is_over() => pause(BETWEEN, &Stop::new())?,
                _ => return Ok(Free { device: self, _claim }),
            }
        }
    }

    fn busy(&self, by: Option<super::users::User>) -> DeviceError {
        DeviceError::Busy { path: self.path().to_owned(), by }
    }

    /// Lets the kernel forget the drive and find it again, so that it looks at the medium again:
    /// the only way where no motor closes the tray. For root. The drive may get another node.
    pub fn rescan(&mut self) -> Result<(), DeviceError> {
        drop(self.free()?);
        let node = self.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let sys = Path::new("/sys/class/block").join(&node).join("device");
        let path = self.path().to_owned();
        let io = |source| DeviceError::Io { path: path.clone(), what: "rescan", source };
        let target = sys.canonicalize().map_err(io)?;
        let host = scsi_host(&target).ok_or_else(|| DeviceError::Gone(path.clone()))?;
        let scan = Path::new("/sys/class/scsi_host").join(host).join("scan");
        let delete = OpenOptions::new().write(true).open(sys.join("delete")).map_err(io)?;
        let scan = OpenOptions::new().write(true).open(scan).map_err(io)?;
        // A node that somebody holds open keeps its name from the drive that comes back.
        DriveHold::let_go(&path);
        self.link = Box::new(Unplugged);
        (&delete).write_all(b"1").map_err(io)?;
        (&scan).write_all(b"- - -").map_err(io)?;
        self.reopen(&target)
    }

    /// `target` is the place of the SCSI device, `/sys/devices/…/6:0:1:0`, which stays the same.
    fn reopen(&mut self, target: &Path) -> Result<(), DeviceError> {
        let deadline = Deadline::after(RETURN);
        loop {
            let opened = match node_at(target) {
                Some(node) => Device::open(&node),
                None => Err(DeviceError::Gone(self.path().to_owned())),
            };
            match opened {
                Ok(device) => {
                    *self = device;
                    return Ok(());
                }
                Err(error) if deadline.is_over() => return Err(error),
                Err(_) => pause(BETWEEN, &Stop::new())?,
            }
        }
    }
}

impl Free<'_> {
    /// Hands the medium out, or opens the tray.
    pub fn eject(&self) -> Result<(), DeviceError> {
        DriveHold::hand_out(self.device.path());
        self.hear_news();
        // Somebody may have left it locked; a refusal shows in the next line.
        self.unlock();
        self.obeyed("open the tray", self.device.link.eject())
    }

    pub fn close_tray(&self) -> Result<(), DeviceError> {
        if !self.device.can_close_tray() {
            return Err(DeviceError::NoMotor(self.device.path().to_owned()));
        }
        self.hear_news();
        self.obeyed("close the tray", self.device.link.close_tray())
    }

    /// Keeps the button from opening the tray until a burning program does so itself, which claims
    /// the drive: the claim ends here. Not by the kernel's CDROM_LOCKDOOR, which would keep the
    /// tray locked beyond the end of this program.
    pub fn lock_for_burner(self) -> Result<(), DeviceError> {
        DriveHold::let_go(self.device.path());
        let locked = self.device.command(&mmc::prevent_removal(true), Transfer::Nothing);
        locked.map(drop).map_err(|refusal| self.device.refused("lock the tray", refusal))
    }

    /// The kernel locks the tray while a disc is open without O_NONBLOCK, from the next open on,
    /// and unlocks it at the last close, however that comes about. What udev locked for good after
    /// the insertion (CDROM_LOCKDOOR) would hold beyond that: it is taken back.
    pub fn keep_shut_while_open(&self) {
        let _ = self.device.link.unlock();
        // A drive that has no lock is read without one.
        let _ = self.device.link.lock_while_open();
    }

    /// Both locks: the kernel's, which it refuses to others than root while the drive is open
    /// twice, and the drive's own.
    pub fn unlock(&self) {
        let _ = self.device.link.unlock();
        let _ = self.device.command(&mmc::prevent_removal(false), Transfer::Nothing);
    }

    /// The kernel takes a drive's news for success of the command that they came instead of
    /// (ioctl_internal_command in scsi_ioctl.c): they are fetched before.
    fn hear_news(&self) {
        let _ = self.device.command(&mmc::TEST_UNIT_READY, Transfer::Nothing);
    }

    fn obeyed(&self, what: &'static str, answer: Result<bool, Errno>) -> Result<(), DeviceError> {
        match answer {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.device.reason(what)),
            Err(errno) => Err(self.device.errno(what, errno)),
        }
    }
}

/// The node of the drive at this place, if the kernel has made one.
fn node_at(target: &Path) -> Option<PathBuf> {
    let entry = std::fs::read_dir(target.join("block")).ok()?.next()?.ok()?;
    let node = Path::new("/dev").join(entry.file_name());
    node.exists().then_some(node)
}

/// `host6` out of `/sys/devices/…/host6/target6:0:1/6:0:1:0`.
pub(super) fn scsi_host(device: &Path) -> Option<String> {
    let mut names = device.iter().rev().filter_map(|name| name.to_str());
    let is_host = |name: &&str| name.strip_prefix("host").is_some_and(|n| n.parse::<u32>().is_ok());
    names.find(is_host).map(str::to_owned)
}
