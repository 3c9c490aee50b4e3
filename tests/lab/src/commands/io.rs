//! Tray, reading, writing, closing, formatting.

use super::{ScsiReply, be16, be32};
use crate::disc::{DiscType, SECTOR};
use crate::drive::EmulatedDrive;
use crate::sense;

const DONE: ScsiReply = Ok(Vec::new());

/// START STOP UNIT (MMC-6 6.42).
pub fn start_stop(drive: &mut EmulatedDrive, cdb: &[u8; 16]) -> ScsiReply {
    match cdb[4] & 3 {
        2 => drive.open_tray()?,
        3 if drive.tray_open && drive.faults.no_motor => return Err(sense::BAD_FIELD),
        3 => drive.close_tray(),
        1 => drive.ready()?,
        _ => {}
    }
    DONE
}

/// PREVENT ALLOW MEDIUM REMOVAL (MMC-6 6.14).
pub fn prevent(drive: &mut EmulatedDrive, cdb: &[u8; 16]) -> ScsiReply {
    drive.locked = cdb[4] & 1 != 0;
    DONE
}

/// Start and count of READ and WRITE, (10) and (12).
pub fn range(cdb: &[u8]) -> (u32, u32) {
    match cdb {
        [0x28 | 0x2a, ..] => (be32(&cdb[2..]), be16(&cdb[7..]).into()),
        _ => (be32(&cdb[2..]), be32(&cdb[6..])),
    }
}

pub fn read(drive: &mut EmulatedDrive, cdb: &[u8; 16]) -> ScsiReply {
    drive.ready()?;
    let (start, count) = range(cdb);
    let disc = drive.medium()?;
    if disc.kind == DiscType::BdRe && !disc.formatted {
        return Err(sense::NOT_FORMATTED);
    }
    disc.read(start, count)
}

pub fn write(drive: &mut EmulatedDrive, cdb: &[u8; 16], data: &[u8]) -> ScsiReply {
    drive.ready()?;
    let (start, count) = range(cdb);
    if data.len() as u64 != u64::from(count) * SECTOR {
        return Err(sense::BAD_FIELD);
    }
    if drive.faults.refuses {
        return Err(sense::UNKNOWN_COMMAND);
    }
    let calibration = drive.faults.calibration;
    let mut disc = drive.medium()?;
    if calibration && start == 0 {
        return Err(sense::CALIBRATION);
    }
    disc.write(start, data)?;
    DONE
}

/// SYNCHRONIZE CACHE (MMC-6 6.43).
pub fn synchronize(drive: &mut EmulatedDrive) -> ScsiReply {
    drive.medium()?.flush();
    DONE
}

/// SEND OPC INFORMATION (MMC-6 6.37).
pub fn calibrate(drive: &mut EmulatedDrive) -> ScsiReply {
    drive.ready()?;
    match drive.faults.calibration {
        true => Err(sense::CALIBRATION),
        false => DONE,
    }
}

/// RESERVE TRACK (MMC-6 6.36): the size is in bytes 5 to 8.
pub fn reserve_track(drive: &mut EmulatedDrive, cdb: &[u8; 16]) -> ScsiReply {
    drive.ready()?;
    drive.medium()?.reserve(be32(&cdb[5..]))?;
    DONE
}

/// CLOSE TRACK SESSION (MMC-6 6.3): function 1 track, 2 session, 5 and 6 finalise.
pub fn close(drive: &mut EmulatedDrive, cdb: &[u8; 16]) -> ScsiReply {
    drive.ready()?;
    let function = cdb[2] & 7;
    if drive.faults.close {
        return Err(sense::CLOSE_FAILED);
    }
    {
        let mut disc = drive.medium()?;
        match (disc.kind, function) {
            (DiscType::DvdRom | DiscType::BdRe, _) => return Err(sense::WRONG_MEDIUM),
            (_, 1 | 2) if disc.finalised => return Err(sense::WRITE_PROTECTED),
            (_, 1) => disc.flush(),
            (_, 2) => disc.close(false)?,
            (DiscType::BdR, 6) | (DiscType::DvdPlusR, 4..=6) => disc.close(true)?,
            _ => return Err(sense::BAD_FIELD),
        }
    }
    drive.closed();
    DONE
}

/// FORMAT UNIT (MMC-6 6.4): types 00h, 30h, 31h, 32h of a BD.
pub fn format(drive: &mut EmulatedDrive, data: &[u8]) -> ScsiReply {
    drive.ready()?;
    let Some(descriptor) = data.get(4..12) else { return Err(sense::BAD_PARAMETER) };
    let mut disc = drive.medium()?;
    let wanted = be32(descriptor);
    let spare = match (disc.kind, descriptor[4] >> 2) {
        (DiscType::BdRe, 0x31) => 0,
        (DiscType::BdRe | DiscType::BdR, 0x00) => disc.default_spare(),
        (DiscType::BdRe, 0x30) | (DiscType::BdR, 0x32) if wanted > 0 && wanted <= disc.sectors => {
            disc.sectors - wanted
        }
        _ => return Err(sense::BAD_PARAMETER),
    };
    // The subtype of a BD-R: 0 is sequential with Pseudo Overwrite, 1 without (MMC-6 6.5.4.2.14).
    let pseudo_overwrite = disc.kind == DiscType::BdR && descriptor[4] & 3 == 0;
    disc.format(spare, pseudo_overwrite)?;
    drop(disc);
    drive.closed();
    DONE
}
