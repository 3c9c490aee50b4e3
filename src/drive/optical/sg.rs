//! Commands to the drive itself, through the kernel's SG_IO (scsi-generic HOWTO, sg_io_hdr v3).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use super::sense::Sense;

/// Larger transfers are refused by some host adapters and USB bridges.
pub const LARGEST: usize = 64 << 10;

/// Room for sense data: descriptor format may take up to 252 bytes (SPC-4 4.5.2).
const SENSE_ROOM: usize = 252;

/// What a command moves.
pub enum Transfer<'a> {
    Nothing,
    FromDrive(&'a mut [u8]),
}

/// A command did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScsiError {
    #[error("{0}")]
    Sense(Sense),
    /// The drive does not answer, or is not there any more (host_status of scsi.h).
    #[error("the drive does not answer (host status {0}); check its cable and power")]
    Host(u16),
    #[error("{0}")]
    Errno(nix::errno::Errno),
    #[error("SCSI status {0:#04x} without sense data")]
    Status(u8),
}

/// `struct sg_io_hdr` of the kernel (include/scsi/sg.h), version 3.
#[repr(C)]
struct Header {
    interface_id: i32,
    direction: i32,
    cdb_length: u8,
    sense_room: u8,
    iovec_count: u16,
    length: u32,
    data: *mut u8,
    cdb: *const u8,
    sense: *mut u8,
    timeout_ms: u32,
    flags: u32,
    pack_id: i32,
    user: *mut u8,
    status: u8,
    masked_status: u8,
    message_status: u8,
    sense_length: u8,
    host_status: u16,
    driver_status: u16,
    residual: i32,
    duration: u32,
    info: u32,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Header>() == 88);

const NO_DATA: i32 = -1;
const FROM_DRIVE: i32 = -3;

nix::ioctl_readwrite_bad!(sg_io, 0x2285, Header);

/// Sends a command block and returns how many bytes came back.
pub fn command(
    drive: BorrowedFd,
    cdb: &[u8],
    transfer: Transfer,
    timeout: Duration,
) -> Result<usize, ScsiError> {
    let mut sense = [0_u8; SENSE_ROOM];
    let (direction, data) = match transfer {
        Transfer::Nothing => (NO_DATA, &mut [][..]),
        Transfer::FromDrive(data) => (FROM_DRIVE, data),
    };
    let mut header = Header {
        interface_id: i32::from(b'S'),
        direction,
        cdb_length: cdb.len() as u8,
        sense_room: sense.len() as u8,
        iovec_count: 0,
        length: data.len() as u32,
        data: data.as_mut_ptr(),
        cdb: cdb.as_ptr(),
        sense: sense.as_mut_ptr(),
        timeout_ms: u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX),
        flags: 0,
        pack_id: 0,
        user: std::ptr::null_mut(),
        status: 0,
        masked_status: 0,
        message_status: 0,
        sense_length: 0,
        host_status: 0,
        driver_status: 0,
        residual: 0,
        duration: 0,
        info: 0,
    };
    // SAFETY: the header has the layout that SG_IO takes (its size is asserted above); all pointers
    // are to buffers of the lengths beside them, which outlive the call, and the kernel keeps none.
    unsafe { sg_io(drive.as_raw_fd(), &mut header) }.map_err(ScsiError::Errno)?;
    judge(&header, &sense)?;
    let left = usize::try_from(header.residual).unwrap_or(0);
    Ok(data.len().saturating_sub(left))
}

fn judge(header: &Header, sense: &[u8]) -> Result<(), ScsiError> {
    // SAM-5 5.3: 02h is CHECK CONDITION. The low half of driver_status is an error, too, except 08h,
    // which says that there is sense data.
    if header.host_status != 0 {
        return Err(ScsiError::Host(header.host_status));
    }
    if header.status == 0 && header.driver_status & 0x07 == 0 {
        return Ok(());
    }
    let told = sense.get(..usize::from(header.sense_length)).and_then(Sense::parse);
    Err(told.map_or(ScsiError::Status(header.status), ScsiError::Sense))
}

impl From<ScsiError> for io::Error {
    fn from(refusal: ScsiError) -> io::Error {
        match refusal {
            ScsiError::Errno(errno) => errno.into(),
            other => io::Error::other(other),
        }
    }
}
