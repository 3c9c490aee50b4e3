//! The kernel's CDROM and block ioctls (include/uapi/linux/cdrom.h, fs.h).

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

nix::ioctl_write_int_bad!(drive_status, 0x5326);
nix::ioctl_none_bad!(cdrom_eject, 0x5309);
nix::ioctl_none_bad!(cdrom_close_tray, 0x5319);
nix::ioctl_write_int_bad!(cdrom_lock_door, 0x5329);
nix::ioctl_write_int_bad!(cdrom_set_options, 0x5320);
nix::ioctl_none_bad!(cdrom_capability, 0x5331);
// The kernel's macro names size_t, the ioctl itself writes 64 bits.
nix::ioctl_read!(block_size, 0x12, 114, usize);
nix::ioctl_read!(disk_sequence_of, 0x12, 128, u64);

/// CDSL_CURRENT: the disc that is in use, for changers.
const CURRENT_SLOT: i32 = i32::MAX;
/// CDO_LOCK: the kernel locks the door while a descriptor that waits for a medium is open.
const LOCK_WHILE_OPEN: i32 = 8;
/// CDC_CLOSE_TRAY.
const CLOSE_TRAY: i32 = 1;

/// What CDROM_DRIVE_STATUS says (CDS_*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tray {
    /// The drive cannot say.
    Unknown,
    Empty,
    Open,
    /// Something is loaded and not ready yet.
    NotReady,
    Loaded,
}

pub fn tray(drive: BorrowedFd) -> Result<Tray, Errno> {
    // SAFETY: the descriptor is open, and the argument is a number.
    let status = unsafe { drive_status(drive.as_raw_fd(), CURRENT_SLOT) }?;
    Ok(match status {
        1 => Tray::Empty,
        2 => Tray::Open,
        3 => Tray::NotReady,
        4 => Tray::Loaded,
        _ => Tray::Unknown,
    })
}

/// `Ok(false)`: the drive refused; sr hands a positive SCSI status through.
pub fn eject(drive: BorrowedFd) -> Result<bool, Errno> {
    // SAFETY: the descriptor is open, and there is no argument.
    Ok(unsafe { cdrom_eject(drive.as_raw_fd()) }? == 0)
}

pub fn close_tray(drive: BorrowedFd) -> Result<bool, Errno> {
    // SAFETY: the descriptor is open, and there is no argument.
    Ok(unsafe { cdrom_close_tray(drive.as_raw_fd()) }? == 0)
}

/// What CDROM_LOCKDOOR locked outlives the program that did it; nothing here locks by it.
pub fn unlock_door(drive: BorrowedFd) -> Result<(), Errno> {
    // SAFETY: the descriptor is open, and the argument is a number.
    unsafe { cdrom_lock_door(drive.as_raw_fd(), 0) }.map(drop)
}

/// Switches the kernel's own lock on: it holds from the next open without O_NONBLOCK until the last
/// close. udev's cdrom_id switches it off each time that a disc is inserted.
pub fn lock_while_open(drive: BorrowedFd) -> Result<(), Errno> {
    // SAFETY: the descriptor is open, and the argument is a number.
    unsafe { cdrom_set_options(drive.as_raw_fd(), LOCK_WHILE_OPEN) }.map(drop)
}

/// Whether the kernel thinks that the tray can be closed by a command.
pub fn can_close_tray(drive: BorrowedFd) -> bool {
    // SAFETY: the descriptor is open, and there is no argument.
    unsafe { cdrom_capability(drive.as_raw_fd()) }.is_ok_and(|mask| mask & CLOSE_TRAY != 0)
}

/// BLKGETSIZE64: bytes, out of date after a burn.
pub fn size(drive: BorrowedFd) -> Result<u64, Errno> {
    let mut bytes = 0_u64;
    // SAFETY: the ioctl writes 8 bytes, which is what `bytes` has.
    unsafe { block_size(drive.as_raw_fd(), (&raw mut bytes).cast()) }?;
    Ok(bytes)
}

/// BLKGETDISKSEQ: counts the media that were inserted; `None` before Linux 5.15.
pub fn disk_sequence(drive: BorrowedFd) -> Option<u64> {
    let mut count = 0_u64;
    // SAFETY: the ioctl writes a u64, which is what `count` is.
    unsafe { disk_sequence_of(drive.as_raw_fd(), &mut count) }.ok()?;
    Some(count)
}
