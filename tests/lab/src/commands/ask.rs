//! What the drive says of itself.

use super::{ScsiReply, be16, be32, cut};
use crate::drive::EmulatedDrive;
use crate::sense::{self, SenseData};

/// INQUIRY (SPC-4 6.4), with the pages of the serial number and the device's designation.
pub fn inquiry(drive: &EmulatedDrive, cdb: &[u8; 16]) -> ScsiReply {
    let room = be16(&cdb[3..]).into();
    let page = |code: u8, body: &[u8]| {
        let mut reply = vec![5, code, 0, body.len() as u8];
        reply.extend(body);
        reply
    };
    let serial = drive.serial.as_bytes();
    let reply = match (cdb[1] & 1, cdb[2]) {
        (0, 0) => {
            let mut reply = vec![5, 0x80, 5, 0x32, 31, 0, 0, 0];
            reply.extend(b"COLDCUT LAB BURNER      1.00");
            reply
        }
        (1, 0x00) => page(0x00, &[0x00, 0x80, 0x83]),
        (1, 0x80) => page(0x80, serial),
        (1, 0x83) => {
            let mut name = b"COLDCUT LAB ".to_vec();
            name.extend(serial);
            let mut body = vec![2, 1, 0, name.len() as u8];
            body.extend(name);
            page(0x83, &body)
        }
        _ => return Err(sense::BAD_FIELD),
    };
    Ok(cut(reply, room))
}

/// 1x of BD in kB/s: drives count 4,496 (MMC-6 annex on performance).
const BD_1X: u32 = 4496;
const DVD_1X: u32 = 1385;

fn speeds(drive: &EmulatedDrive) -> Vec<u32> {
    match drive.medium() {
        Ok(disc) if disc.kind.is_blu_ray() => vec![BD_1X * 6, BD_1X * 4, BD_1X * 2],
        Ok(_) => vec![DVD_1X * 16, DVD_1X * 8, DVD_1X * 4],
        Err(_) => vec![BD_1X * 6],
    }
}

/// Page 2Ah, capabilities and mechanical status (MMC-6 annex E.3).
fn capabilities(drive: &EmulatedDrive) -> Vec<u8> {
    let speeds = speeds(drive);
    let mut page = vec![0; 32];
    (page[0], page[2], page[3]) = (0x2a, 0x3f, 0x37);
    page[4] = 0x70;
    // Locks, ejects, a tray; what has no motor says "caddy or slot".
    let mechanism = if drive.faults.no_motor { 0 } else { 1 << 5 };
    page[6] = mechanism | 0x08 | 0x01 | u8::from(drive.locked) << 1;
    page[12..14].copy_from_slice(&4096_u16.to_be_bytes());
    let fastest = u16::try_from(speeds[0]).unwrap_or(u16::MAX).to_be_bytes();
    page[8..10].copy_from_slice(&fastest);
    page[18..20].copy_from_slice(&fastest);
    page[28..30].copy_from_slice(&fastest);
    page[30..32].copy_from_slice(&(speeds.len() as u16).to_be_bytes());
    for speed in speeds {
        page.extend([0, 0]);
        page.extend(u16::try_from(speed).unwrap_or(u16::MAX).to_be_bytes());
    }
    page[1] = (page.len() - 2) as u8;
    page
}

fn pages(drive: &EmulatedDrive, code: u8) -> Result<Vec<u8>, SenseData> {
    let page = |code: u8, length: u8| {
        let mut page = vec![0; usize::from(length) + 2];
        (page[0], page[1]) = (code, length);
        page
    };
    let recovery = || page(0x01, 10);
    let write = || page(0x05, 0x32);
    Ok(match code & 0x3f {
        0x01 => recovery(),
        0x05 => write(),
        0x2a => capabilities(drive),
        0x3f => [recovery(), write(), capabilities(drive)].concat(),
        _ => return Err(sense::BAD_FIELD),
    })
}

pub fn mode_sense_6(drive: &EmulatedDrive, cdb: &[u8; 16]) -> ScsiReply {
    let pages = pages(drive, cdb[2])?;
    let mut reply = vec![(pages.len() + 3) as u8, 0, 0, 0];
    reply.extend(pages);
    Ok(cut(reply, cdb[4].into()))
}

pub fn mode_sense_10(drive: &EmulatedDrive, cdb: &[u8; 16]) -> ScsiReply {
    let pages = pages(drive, cdb[2])?;
    let mut reply = ((pages.len() + 6) as u16).to_be_bytes().to_vec();
    reply.extend([0; 6]);
    reply.extend(pages);
    Ok(cut(reply, be16(&cdb[7..]).into()))
}

/// MODE SELECT(10): pages 01h and 05h, of their own length.
pub fn mode_select(cdb: &[u8; 16], data: &[u8]) -> ScsiReply {
    if data.len() != usize::from(be16(&cdb[7..])) {
        return Err(sense::BAD_PARAMETER);
    }
    match data.get(8..) {
        Some([0x01, 10, rest @ ..]) if rest.len() == 10 => Ok(Vec::new()),
        Some([0x05, 0x32, rest @ ..]) if rest.len() == 0x32 => Ok(Vec::new()),
        Some([]) | None => Ok(Vec::new()),
        _ => Err(sense::BAD_PARAMETER),
    }
}

/// What the drive can work with, the best first (MMC-6 table 91).
const PROFILES: [u16; 9] = [0x43, 0x42, 0x41, 0x40, 0x2b, 0x1b, 0x1a, 0x10, 0x08];

/// GET CONFIGURATION (MMC-6 6.5): a header with the current profile, and features.
pub fn configuration(drive: &EmulatedDrive, cdb: &[u8; 16]) -> ScsiReply {
    let (which, first) = (cdb[1] & 3, be16(&cdb[2..]));
    let profile = drive.profile();
    let mut features = Vec::new();
    for (code, current, body) in features_of(drive, profile) {
        let wanted = match which {
            0 => code >= first,
            1 => code >= first && current,
            2 => code == first,
            _ => return Err(sense::BAD_FIELD),
        };
        if wanted {
            features.extend(code.to_be_bytes());
            let persistent = matches!(code, 0x0000..=0x0003 | 0x0107 | 0x0108);
            features.extend([u8::from(current) | u8::from(persistent) << 1, body.len() as u8]);
            features.extend(body);
        }
    }
    let mut reply = ((features.len() + 4) as u32).to_be_bytes().to_vec();
    reply.extend([0, 0]);
    reply.extend(profile.to_be_bytes());
    reply.extend(features);
    Ok(cut(reply, be16(&cdb[7..]).into()))
}

/// Number, whether it is in force with this medium, and content (MMC-6 5.3).
fn features_of(drive: &EmulatedDrive, profile: u16) -> Vec<(u16, bool, Vec<u8>)> {
    let list = PROFILES.iter().flat_map(|this| {
        let [high, low] = this.to_be_bytes();
        [high, low, u8::from(*this == profile), 0]
    });
    let medium = profile != 0;
    let blu_ray = (0x40..=0x43).contains(&profile);
    let blocking = if blu_ray { 32 } else { 16 };
    let tray = if drive.faults.no_motor { 0 } else { 1 << 5 };
    let pseudo_overwrite = drive.medium().is_ok_and(|disc| disc.pseudo_overwrite);
    let last = drive.medium().map_or(0, |disc| disc.capacity().saturating_sub(1));
    let [l3, l2, l1, l0] = last.to_be_bytes();
    // BD: version and classes that can be read and written.
    let blu_ray_classes = |write: bool| {
        let mut body = vec![0; if write { 20 } else { 28 }];
        body[4..12].copy_from_slice(&[0xff; 8]);
        body
    };
    vec![
        (0x0000, true, list.collect()),
        (0x0001, true, vec![0, 0, 0, 1, 1, 0, 0, 0]),
        (0x0002, true, vec![2, 0, 0, 0]),
        (0x0003, true, vec![tray | 0x08 | 0x01, 0, 0, 0]),
        (0x0010, medium, vec![0, 0, 8, 0, 0, blocking, 1, 0]),
        (0x001e, false, vec![0, 0, 0, 0]),
        (0x001f, medium && !blu_ray, vec![0, 0, 0, 0]),
        (0x0020, profile == 0x43, vec![l3, l2, l1, l0, 0, 0, 8, 0, 0, blocking, 1, 0]),
        (0x0021, matches!(profile, 0x41 | 0x1b), vec![0, 1, 1, 0]),
        (0x0023, blu_ray, vec![0x0f, 0, 0, 0, 1, 0, 0, 0]),
        (0x002b, profile == 0x1b, vec![1, 0, 0, 0]),
        (0x0038, pseudo_overwrite, vec![0, 0, 0, 0]),
        (0x0040, blu_ray, blu_ray_classes(false)),
        (0x0041, blu_ray, blu_ray_classes(true)),
        (0x0100, true, Vec::new()),
        (0x0105, true, vec![0, 0, 0, 0]),
        (0x0107, medium, vec![0x1f, 0, 0, 0]),
        (0x0108, true, drive.serial.bytes().chain([b' ', b' ', b' ']).take(12).collect()),
    ]
}

/// GET EVENT STATUS NOTIFICATION (MMC-6 6.6): polled, the media class.
pub fn event_status(drive: &mut EmulatedDrive, cdb: &[u8; 16]) -> ScsiReply {
    const MEDIA: u8 = 1 << 4;
    if cdb[1] & 1 == 0 {
        return Err(sense::BAD_FIELD);
    }
    let room = usize::from(be16(&cdb[7..]));
    if cdb[4] & MEDIA == 0 {
        return Ok(cut(vec![0, 2, 0x80, MEDIA], room));
    }
    let code = drive.next_event();
    let present = drive.disc.is_some() && !drive.tray_open;
    let status = u8::from(drive.tray_open) | u8::from(present) << 1;
    Ok(cut(vec![0, 6, 4, MEDIA, code, status, 0, 0], room))
}

/// GET PERFORMANCE (MMC-6 6.8): type 03h, write speeds; type 00h, nominal performance.
pub fn performance(drive: &EmulatedDrive, cdb: &[u8; 16]) -> ScsiReply {
    let most = usize::from(be16(&cdb[8..]));
    let last = drive.medium()?.capacity().saturating_sub(1).to_be_bytes();
    let speeds = speeds(drive);
    let mut rows = Vec::new();
    match cdb[10] {
        0x03 => {
            for speed in &speeds {
                rows.extend([0, 0, 0, 0]);
                rows.extend(last);
                rows.extend(speeds[0].to_be_bytes());
                rows.extend(speed.to_be_bytes());
            }
        }
        0x00 => {
            rows.extend([0, 0, 0, 0]);
            rows.extend(speeds[0].to_be_bytes());
            rows.extend(last);
            rows.extend(speeds[0].to_be_bytes());
        }
        _ => return Err(sense::BAD_FIELD),
    }
    let mut reply = ((rows.len() + 4) as u32).to_be_bytes().to_vec();
    reply.extend([cdb[1] & 4, 0, 0, 0]);
    reply.extend(rows);
    Ok(cut(reply, 8 + most * 16))
}

/// READ BUFFER CAPACITY (MMC-6 6.15): always empty.
pub fn buffer_capacity(drive: &EmulatedDrive) -> ScsiReply {
    drop(drive.medium()?);
    let size = 4_u32 << 20;
    let mut reply = vec![0, 10, 0, 0];
    reply.extend(size.to_be_bytes());
    reply.extend(size.to_be_bytes());
    debug_assert_eq!(be32(&reply[4..]), size);
    Ok(reply)
}
