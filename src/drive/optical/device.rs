//! One optical drive, open: its tray, its readiness, and what it says of the medium. Everything
//! goes through [`DriveLink`], so that waiting and retrying are tested without a drive.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;

pub use super::cdrom::Tray;
use super::hold::DriveHold;
use super::medium::{Medium, Replies};
pub use super::mmc::DriveIdentity;
use super::profile::Profile;
use super::sense::Sense;
use super::sg::{ScsiError, Transfer};
use super::users::{User, claimant_of, user_of};
use super::{cdrom, mmc, sg};
use crate::model::{Bytes, Sectors};
use crate::port::clock::{Deadline, pause};
use crate::port::stop::{Stop, Stopped};

/// Most answers come at once; a drive that spins up may think for half a minute.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two questions whether the drive is ready.
pub(super) const BETWEEN: Duration = Duration::from_millis(500);
/// A drive reports at most a few things that happened (changed, reset, parameters) one by one.
const NEWS: usize = 5;
/// SCSI's device type of CD, DVD and BD drives (SPC-4 table 139).
const OPTICAL: u8 = 5;

/// Why a drive cannot be used, or did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    #[error("{} is not an optical drive, and coldcut writes to nothing else", .0.display())]
    NotOptical(PathBuf),
    #[error("{}: permission denied; add yourself to the group cdrom (docs/drives.md)", .0.display())]
    Denied(PathBuf),
    #[error("{} is in use by another program{}", .path.display(), behind_colon(.by))]
    Busy { path: PathBuf, by: Option<User> },
    #[error("{} is gone; check its cable and power", .0.display())]
    Gone(PathBuf),
    #[error("{}: could not {what}: {sense}", .path.display())]
    Refused { path: PathBuf, what: &'static str, sense: Sense },
    #[error("{}: could not {what}", .path.display())]
    Io { path: PathBuf, what: &'static str, source: io::Error },
    #[error("{}: the tray cannot be closed by a command; close it by hand", .0.display())]
    NoMotor(PathBuf),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

fn behind_colon(by: &Option<User>) -> String {
    by.as_ref().map(|user| format!(": {user}")).unwrap_or_default()
}

/// What came of waiting for a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    Ready,
    NoMedium,
    TrayOpen,
    /// It will not become ready with this medium.
    Unusable(Sense),
    /// The time is over.
    StillBusy(Sense),
}

/// The ways to a drive.
pub(super) trait DriveLink: Send {
    fn command(
        &self,
        cdb: &[u8],
        transfer: Transfer,
        timeout: Duration,
    ) -> Result<usize, ScsiError>;
    fn tray(&self) -> Result<Tray, Errno>;
    fn eject(&self) -> Result<bool, Errno>;
    fn close_tray(&self) -> Result<bool, Errno>;
    /// Takes back the kernel's CDROM_LOCKDOOR.
    fn unlock(&self) -> Result<(), Errno>;
    /// The kernel locks the tray while a disc is open, and only so long.
    fn lock_while_open(&self) -> Result<(), Errno>;
    /// Claims the drive for as long as the descriptor lives; EBUSY: another program has. `None`:
    /// this program has claimed it already.
    fn claim(&self) -> Result<Option<File>, Errno>;
    /// Another program that works with the drive, as far as one can know.
    fn user(&self) -> Option<User>;
    /// Who claimed the drive that is claimed, as far as one can know.
    fn claimant(&self) -> Option<User>;
    fn can_close_tray(&self) -> bool;
    fn size(&self) -> Result<u64, Errno>;
    fn disk_sequence(&self) -> Option<u64>;
}

/// The drive's node.
struct DeviceNode {
    file: File,
    path: PathBuf,
}

impl DriveLink for DeviceNode {
    fn command(
        &self,
        cdb: &[u8],
        transfer: Transfer,
        timeout: Duration,
    ) -> Result<usize, ScsiError> {
        sg::command(self.file.as_fd(), cdb, transfer, timeout)
    }
    fn tray(&self) -> Result<Tray, Errno> {
        cdrom::tray(self.file.as_fd())
    }
    fn eject(&self) -> Result<bool, Errno> {
        cdrom::eject(self.file.as_fd())
    }
    fn close_tray(&self) -> Result<bool, Errno> {
        cdrom::close_tray(self.file.as_fd())
    }
    fn unlock(&self) -> Result<(), Errno> {
        cdrom::unlock_door(self.file.as_fd())
    }
    fn lock_while_open(&self) -> Result<(), Errno> {
        cdrom::lock_while_open(self.file.as_fd())
    }
    fn claim(&self) -> Result<Option<File>, Errno> {
        if DriveHold::of(&self.path).is_some() {
            return Ok(None);
        }
        let flags = nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC | nix::libc::O_EXCL;
        let claim = OpenOptions::new().read(true).custom_flags(flags).open(&self.path);
        claim.map(Some).map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(nix::libc::EIO)))
    }
    fn user(&self) -> Option<User> {
        user_of(&self.path)
    }
    fn claimant(&self) -> Option<User> {
        claimant_of(&self.path)
    }
    fn can_close_tray(&self) -> bool {
        cdrom::can_close_tray(self.file.as_fd())
    }
    fn size(&self) -> Result<u64, Errno> {
        cdrom::size(self.file.as_fd())
    }
    fn disk_sequence(&self) -> Option<u64> {
        cdrom::disk_sequence(self.file.as_fd())
    }
}

/// No drive.
pub(super) struct Unplugged;

impl DriveLink for Unplugged {
    fn command(&self, _: &[u8], _: Transfer, _: Duration) -> Result<usize, ScsiError> {
        Err(ScsiError::Errno(Errno::ENODEV))
    }
    fn tray(&self) -> Result<Tray, Errno> {
        Err(Errno::ENODEV)
    }
    fn eject(&self) -> Result<bool, Errno> {
        Err(Errno::ENODEV)
    }
    fn close_tray(&self) -> Result<bool, Errno> {
        Err(Errno::ENODEV)
    }
    fn unlock(&self) -> Result<(), Errno> {
        Err(Errno::ENODEV)
    }
    fn lock_while_open(&self) -> Result<(), Errno> {
        Err(Errno::ENODEV)
    }
    fn claim(&self) -> Result<Option<File>, Errno> {
        Err(Errno::ENODEV)
    }
    fn user(&self) -> Option<User> {
        None
    }
    fn claimant(&self) -> Option<User> {
        None
    }
    fn can_close_tray(&self) -> bool {
        false
    }
    fn size(&self) -> Result<u64, Errno> {
        Err(Errno::ENODEV)
    }
    fn disk_sequence(&self) -> Option<u64> {
        None
    }
}

/// An optical drive.
pub struct Device {
    path: PathBuf,
    pub(super) link: Box<dyn DriveLink>,
    identity: DriveIdentity,
    has_tray: bool,
}

/// The nodes of all optical drives of this system, in order.
pub fn drives() -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/sys/class/block")? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("sr")?.parse::<u32>().ok());
        found.extend(number.map(|number| (number, Path::new("/dev").join(&name))));
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

impl Device {
    /// Opens the node without touching the medium: it succeeds on an empty drive, too.
    pub fn open(path: &Path) -> Result<Device, DeviceError> {
        let real = path.canonicalize().map_err(|e| open_error(path, e))?;
        let kind = fs::metadata(&real).map_err(|e| open_error(path, e))?.file_type();
        let node = real.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !kind.is_block_device() || !is_scsi_optical(&node) {
            return Err(DeviceError::NotOptical(path.to_owned()));
        }
        let flags = nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC;
        let open =
            |write| OpenOptions::new().read(true).write(write).custom_flags(flags).open(&real);
        // Locking the door needs a writable descriptor (scsi_cmd_allowed of the kernel).
        let file = open(true).or_else(|_| open(false)).map_err(|e| open_error(path, e))?;
        let node = DeviceNode { file, path: real.clone() };
        Device::over(real, Box::new(node))
    }

    pub(super) fn over(path: PathBuf, link: Box<dyn DriveLink>) -> Result<Device, DeviceError> {
        let mut device = Device { path, link, identity: DriveIdentity::default(), has_tray: false };
        let reply = device.ask("identify it", &mmc::inquiry(96), 96)?;
        let Some((OPTICAL, identity)) = mmc::parse_inquiry(&reply) else {
            return Err(DeviceError::NotOptical(device.path));
        };
        device.identity = identity;
        if let Some(reply) = device.try_ask(&mmc::inquiry_serial(252), 252) {
            device.identity.serial = mmc::parse_serial(&reply);
        }
        let capabilities = device.try_ask(&mmc::mode_sense_capabilities(256), 256);
        let has_motor = capabilities.and_then(|reply| mmc::parse_has_tray(&reply));
        device.has_tray = device.link.can_close_tray() && has_motor.unwrap_or(true);
        Ok(device)
    }

    /// `/dev/sr0`, whatever link led here.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn identity(&self) -> &DriveIdentity {
        &self.identity
    }

    pub fn tray(&self) -> Result<Tray, DeviceError> {
        self.link.tray().map_err(|e| self.errno("check the tray", e))
    }

    /// Whether a motor closes the tray: slots and laptops' drives have none.
    pub fn can_close_tray(&self) -> bool {
        self.has_tray
    }

    /// Waits until the drive knows what it holds: seconds to spin up, an hour to close a disc.
    pub fn await_ready(&self, most: Duration, stop: &Stop) -> Result<Readiness, DeviceError> {
        let deadline = Deadline::after(most);
        loop {
            stop.check()?;
            let sense = match self.command(&mmc::TEST_UNIT_READY, Transfer::Nothing) {
                Ok(_) => return Ok(Readiness::Ready),
                Err(ScsiError::Sense(sense)) => sense,
                Err(other) => return Err(self.refused("ask whether it is ready", other)),
            };
            if sense.is_tray_open() {
                return Ok(Readiness::TrayOpen);
            } else if sense.is_no_medium() {
                return Ok(Readiness::NoMedium);
            } else if !sense.is_becoming_ready() {
                return Ok(Readiness::Unusable(sense));
            } else if deadline.is_over() {
                return Ok(Readiness::StillBusy(sense));
            }
            pause(BETWEEN, stop)?;
        }
    }

    /// What is in the drive, which must be ready; `None`: nothing.
    pub fn medium(&self) -> Result<Option<Medium>, DeviceError> {
        let reply = self.ask("ask what is in it", &mmc::get_configuration(8), 8)?;
        let profile = mmc::parse_profile(&reply).unwrap_or(Profile::NONE);
        if profile == Profile::NONE {
            return Ok(None);
        }
        let disc = self.try_ask(&mmc::read_disc_information(34), 34);
        let disc = disc.and_then(|reply| mmc::parse_disc_information(&reply));
        let track = disc.and_then(|disc| {
            let reply = self.try_ask(&mmc::read_track_information(disc.last_track, 36), 36)?;
            mmc::parse_track_information(&reply)
        });
        let formats = self.try_ask(&mmc::read_format_capacities(252), 252);
        let speeds = self.try_ask(&mmc::get_write_speeds(32), 8 + 32 * 16).unwrap_or_default();
        let capacity = self.try_ask(&mmc::READ_CAPACITY, 8);
        Ok(Some(Medium::from_replies(Replies {
            profile: Some(profile),
            disc,
            track,
            formats: formats.and_then(|reply| mmc::parse_format_capacities(&reply)),
            capacity: capacity.and_then(|reply| mmc::parse_capacity(&reply)),
            maker: self.maker(profile),
            speeds: mmc::parse_write_speeds(&speeds),
            spare: self.recovery_status(profile),
        })))
    }

    fn maker(&self, profile: Profile) -> Option<(u8, String)> {
        let structure = |blu_ray, format, length: u16| {
            self.try_ask(&mmc::read_disc_structure(blu_ray, format, length), length.into())
        };
        match profile.0 {
            0x40..=0x43 => mmc::parse_bd_information(&structure(true, 0x00, 4100)?),
            // ADIP information; after the disc is closed, format 00h has the same.
            0x1a | 0x1b | 0x2a | 0x2b => {
                let reply = structure(false, 0x11, 260).or_else(|| structure(false, 0x00, 2052))?;
                mmc::parse_dvd_plus_information(&reply)
            }
            _ => None,
        }
    }

    fn recovery_status(&self, profile: Profile) -> Option<(Sectors, Sectors)> {
        if !profile.is_blu_ray() {
            return None;
        }
        let reply = self.try_ask(&mmc::read_disc_structure(true, 0x0a, 16), 16)?;
        mmc::parse_spares(&reply).filter(|(_, all)| all.0 > 0)
    }

    /// Counts insertions; `None` on kernels that do not.
    pub fn disk_sequence(&self) -> Option<u64> {
        self.link.disk_sequence()
    }

    /// What the kernel believes, out of date after a burn.
    pub fn size(&self) -> Result<Bytes, DeviceError> {
        self.link.size().map(Bytes).map_err(|e| self.errno("ask for the size", e))
    }

    /// A command without data or with an answer; news that stand before it are passed over.
    pub(super) fn command(&self, cdb: &[u8], transfer: Transfer) -> Result<usize, ScsiError> {
        let answer: &mut [u8] = match transfer {
            Transfer::Nothing => &mut [],
            Transfer::FromDrive(data) => data,
        };
        for _ in 0..NEWS {
            let transfer = match answer.is_empty() {
                true => Transfer::Nothing,
                false => Transfer::FromDrive(answer),
            };
            match self.link.command(cdb, transfer, PATIENCE) {
                Err(ScsiError::Sense(sense)) if sense.is_unit_attention() => {}
                done => return done,
            }
        }
        let transfer = match answer.is_empty() {
            true => Transfer::Nothing,
            false => Transfer::FromDrive(answer),
        };
        self.link.command(cdb, transfer, PATIENCE)
    }

    fn ask(&self, what: &'static str, cdb: &[u8], room: usize) -> Result<Vec<u8>, DeviceError> {
        let mut reply = vec![0; room.min(sg::LARGEST)];
        let length = self
            .command(cdb, Transfer::FromDrive(&mut reply))
            .map_err(|refusal| self.refused(what, refusal))?;
        reply.truncate(length);
        Ok(reply)
    }

    /// What not every drive, and not every medium, has an answer to.
    fn try_ask(&self, cdb: &[u8], room: usize) -> Option<Vec<u8>> {
        self.ask("ask", cdb, room).ok()
    }

    pub(super) fn refused(&self, what: &'static str, refusal: ScsiError) -> DeviceError {
        match refusal {
            ScsiError::Sense(sense) => {
                DeviceError::Refused { path: self.path.clone(), what, sense }
            }
            ScsiError::Errno(errno) => self.errno(what, errno),
            other => DeviceError::Io { path: self.path.clone(), what, source: other.into() },
        }
    }

    pub(super) fn errno(&self, what: &'static str, errno: Errno) -> DeviceError {
        let path = self.path.clone();
        match errno {
            Errno::ENODEV | Errno::ENXIO => DeviceError::Gone(path),
            Errno::EBUSY => DeviceError::Busy { path, by: None },
            Errno::EACCES | Errno::EPERM => DeviceError::Denied(path),
            other => DeviceError::Io { path, what, source: other.into() },
        }
    }

    /// Why the drive did not do what the kernel told it: it says so once more when asked.
    pub(super) fn reason(&self, what: &'static str) -> DeviceError {
        match self.command(&mmc::TEST_UNIT_READY, Transfer::Nothing) {
            Err(ScsiError::Sense(sense)) => {
                DeviceError::Refused { path: self.path.clone(), what, sense }
            }
            _ => DeviceError::Io {
                path: self.path.clone(),
                what,
                source: io::Error::other("the drive refused without a reason"),
            },
        }
    }
}

pub(super) fn open_error(path: &Path, error: io::Error) -> DeviceError {
    let path = path.to_owned();
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT) => DeviceError::Missing(path),
        Some(Errno::EACCES | Errno::EPERM) => DeviceError::Denied(path),
        Some(Errno::EBUSY) => DeviceError::Busy { by: claimant_of(&path), path },
        Some(Errno::ENXIO | Errno::ENODEV) => DeviceError::Gone(path),
        _ => DeviceError::Io { path, what: "open", source: error },
    }
}

/// The kernel's own word for what the node is: type 5 of SCSI.
fn is_scsi_optical(node: &str) -> bool {
    let kind = Path::new("/sys/class/block").join(node).join("device/type");
    fs::read_to_string(kind).is_ok_and(|text| text.trim() == OPTICAL.to_string())
}

#[cfg(test)]
#[path = "device_tests.rs"]
mod tests;
