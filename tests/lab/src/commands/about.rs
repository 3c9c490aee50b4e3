//! What the drive says of the disc in it.

use super::{ScsiReply, be16, be32, cut};
use crate::disc::{DiscType, EmulatedDisc};
use crate::drive::EmulatedDrive;
use crate::sense;

/// READ CAPACITY (MMC-6 6.19). A disc without a closed session says 0.
pub fn capacity(drive: &mut EmulatedDrive) -> ScsiReply {
    drive.ready()?;
    let last = drive.capacity()?.saturating_sub(1);
    let mut reply = last.to_be_bytes().to_vec();
    reply.extend(2048_u32.to_be_bytes());
    Ok(reply)
}

/// READ FORMAT CAPACITIES (MMC-6 6.23).
pub fn format_capacities(drive: &EmulatedDrive) -> ScsiReply {
    let row = |sectors: u32, kind: u8, more: u32| {
        let mut row = sectors.to_be_bytes().to_vec();
        row.push(kind);
        row.extend(&more.to_be_bytes()[1..]);
        row
    };
    let mut rows = Vec::new();
    match drive.medium() {
        Err(_) => rows.extend(row(0, 3, 2048)),
        Ok(disc) => {
            let state = if disc.formatted || !disc.is_blank() { 2 } else { 1 };
            rows.extend(row(disc.capacity(), state, 2048));
            let with_spare = disc.sectors - disc.default_spare();
            match disc.kind {
                DiscType::BdRe => {
                    rows.extend(row(with_spare, 0x00 << 2, 2048));
                    rows.extend(row(with_spare, 0x30 << 2, 0x3000));
                    rows.extend(row(disc.sectors, 0x31 << 2, 2048));
                }
                DiscType::BdR if disc.is_blank() => {
                    rows.extend(row(with_spare, 0x00 << 2, 2048));
                    rows.extend(row(with_spare, 0x32 << 2, 0x3000));
                }
                _ => {}
            }
        }
    }
    let mut reply = vec![0, 0, 0, rows.len() as u8];
    reply.extend(rows);
    Ok(reply)
}

/// Sessions and tracks as the drive counts them: one track a session, and after the closed ones
/// the open or empty one, unless the disc takes no more.
struct Count {
    tracks: u16,
    status: u8,
    last_session: u8,
}

fn count(disc: &EmulatedDisc) -> Count {
    let closed = disc.sessions.len() as u16;
    if disc.kind == DiscType::BdRe || disc.kind == DiscType::DvdRom || disc.finalised {
        return Count { tracks: closed.max(1), status: 2, last_session: 3 };
    }
    let last_session = if disc.has_open_track() || disc.damaged { 1 } else { 0 };
    // A BD-R that was formatted and not written calls itself appendable.
    let status = if disc.is_blank() && !disc.formatted { 0 } else { 1 };
    Count { tracks: closed + 1, status, last_session }
}

/// READ DISC INFORMATION (MMC-6 6.21), standard.
pub fn disc_information(drive: &EmulatedDrive, cdb: &[u8; 16]) -> ScsiReply {
    drive.ready()?;
    if cdb[1] & 7 != 0 {
        return Err(sense::BAD_FIELD);
    }
    let disc = drive.medium()?;
    let Count { tracks, status, last_session } = count(&disc);
    let erasable = u8::from(disc.kind == DiscType::BdRe) << 4;
    let [high, low] = tracks.to_be_bytes();
    let mut reply = vec![0; 34];
    reply[1] = 32;
    reply[2] = erasable | last_session << 2 | status;
    (reply[3], reply[4], reply[5], reply[6]) = (1, low, low, low);
    reply[7] = 0x20;
    (reply[9], reply[10], reply[11]) = (high, high, high);
    reply[16..24].fill(0xff);
    Ok(cut(reply, be16(&cdb[7..]).into()))
}

/// READ TRACK INFORMATION (MMC-6 6.26).
pub fn track_information(drive: &EmulatedDrive, cdb: &[u8; 16]) -> ScsiReply {
    drive.ready()?;
    let disc = drive.medium()?;
    let wanted = be32(&cdb[2..]);
    let last = u32::from(count(&disc).tracks);
    let number = match cdb[1] & 3 {
        0 => track_at(&disc, wanted).ok_or(sense::OUT_OF_RANGE)?,
        1 if wanted == 0xff => last,
        1 | 2 => wanted,
        _ => return Err(sense::BAD_FIELD),
    };
    if number == 0 || number > last {
        return Err(sense::BAD_FIELD);
    }
    Ok(cut(track(&disc, number), be16(&cdb[7..]).into()))
}

fn track_at(disc: &EmulatedDisc, sector: u32) -> Option<u32> {
    let closed = disc.sessions.iter().position(|&(start, end)| (start..end).contains(&sector));
    match closed {
        Some(index) => Some(index as u32 + 1),
        None if sector < disc.capacity() => Some(u32::from(count(disc).tracks)),
        None => None,
    }
}

fn track(disc: &EmulatedDisc, number: u32) -> Vec<u8> {
    let closed = disc.sessions.get(number as usize - 1).copied();
    let (start, next, free, size) = match (disc.kind, closed) {
        (DiscType::BdRe, _) => (0, None, disc.capacity(), disc.capacity()),
        (_, Some((start, end))) => (start, None, 0, end - start),
        (_, None) => {
            let size = disc.track_end().saturating_sub(disc.track);
            let next = (!disc.finalised && !disc.damaged).then_some(disc.next);
            (disc.track, next, disc.free(), size)
        }
    };
    let blank = closed.is_none() && disc.kind != DiscType::BdRe && !disc.has_open_track();
    let mut reply = vec![0; 36];
    reply[1] = 34;
    (reply[2], reply[3]) = (number as u8, number as u8);
    reply[5] = 4 | u8::from(disc.damaged && closed.is_none()) << 5;
    reply[6] = 1 | u8::from(blank) << 6;
    reply[7] = u8::from(next.is_some()) | u8::from(disc.has_open_track()) << 1;
    reply[8..12].copy_from_slice(&start.to_be_bytes());
    reply[12..16].copy_from_slice(&next.unwrap_or(0).to_be_bytes());
    reply[16..20].copy_from_slice(&free.to_be_bytes());
    reply[24..28].copy_from_slice(&size.to_be_bytes());
    reply[28..32].copy_from_slice(&disc.next.saturating_sub(1).to_be_bytes());
    reply
}

/// READ TOC/PMA/ATIP (MMC-6 6.25): format 0, the table, and format 1, the last session.
pub fn table_of_contents(drive: &EmulatedDrive, cdb: &[u8; 16]) -> ScsiReply {
    drive.ready()?;
    let disc = drive.medium()?;
    if disc.readable() == 0 {
        return Err(sense::BAD_FIELD);
    }
    let sessions = match disc.sessions.is_empty() {
        true => vec![(0, disc.readable())],
        false => disc.sessions.clone(),
    };
    let entry = |track: u8, start: u32| {
        let mut row = vec![0, 0x14, track, 0];
        row.extend(match cdb[1] & 2 {
            0 => start.to_be_bytes(),
            _ => minutes(start),
        });
        row
    };
    let last = sessions.len() as u8;
    let rows: Vec<u8> = match cdb[2] & 0xf {
        0 if cdb[6] > last && cdb[6] != 0xaa => return Err(sense::BAD_FIELD),
        0 => {
            let from = cdb[6].max(1);
            let tracks = sessions.iter().zip(1_u8..).filter(|(_, number)| *number >= from);
            let mut rows: Vec<u8> =
                tracks.flat_map(|((start, _), number)| entry(number, *start)).collect();
            rows.extend(entry(0xaa, disc.readable()));
            rows
        }
        1 => entry(last, sessions[sessions.len() - 1].0),
        _ => return Err(sense::BAD_FIELD),
    };
    let mut reply = ((rows.len() + 2) as u16).to_be_bytes().to_vec();
    reply.extend([1, last]);
    reply.extend(rows);
    Ok(cut(reply, be16(&cdb[7..]).into()))
}

/// The address as a CD counts it: 75 sectors a second, two seconds before the first.
fn minutes(sector: u32) -> [u8; 4] {
    let sector = sector + 150;
    [0, (sector / 75 / 60).min(255) as u8, (sector / 75 % 60) as u8, (sector % 75) as u8]
}

/// READ DISC STRUCTURE (MMC-6 6.22).
pub fn structure(drive: &EmulatedDrive, cdb: &[u8; 16]) -> ScsiReply {
    drive.ready()?;
    let disc = drive.medium()?;
    let room = usize::from(be16(&cdb[8..]));
    let is_bd = cdb[1] & 0xf == 1;
    if is_bd != disc.kind.is_blu_ray() {
        return Err(sense::BAD_FIELD);
    }
    let body = match (is_bd, cdb[7]) {
        (true, 0x00) => bd_information(disc.kind),
        (true, 0x0a) if disc.spare > 0 => {
            let mut body = vec![0; 12];
            let clusters = (disc.spare / 32).to_be_bytes();
            body[4..8].copy_from_slice(&clusters);
            body[8..12].copy_from_slice(&clusters);
            body
        }
        (false, 0x00 | 0x11) => dvd_information(&disc),
        _ => return Err(sense::BAD_FIELD),
    };
    let mut reply = ((body.len() + 2) as u16).to_be_bytes().to_vec();
    reply.extend([0, 0]);
    reply.extend(body);
    Ok(cut(reply, room))
}

/// The first unit of the Disc Information (MMC-6 6.22.3.3.1), of 4,096 bytes.
fn bd_information(kind: DiscType) -> Vec<u8> {
    let mut body = vec![0; 4096];
    body[..2].copy_from_slice(b"DI");
    (body[2], body[6]) = (1, 98);
    body[8..11].copy_from_slice(if kind == DiscType::BdR { b"BDR" } else { b"BDW" });
    body[12] = 0x11;
    body[100..106].copy_from_slice(b"LABMED");
    body[106..109].copy_from_slice(if kind == DiscType::BdR { b"BR1" } else { b"BE1" });
    body
}

/// Physical format information (ECMA-349 14.4.2): book, size, and who made it.
fn dvd_information(disc: &EmulatedDisc) -> Vec<u8> {
    let mut body = vec![0; 2048];
    (body[0], body[1], body[2]) = match disc.kind {
        DiscType::DvdPlusR => (0xa1, 0x0f, 0x02),
        _ => (0x01, 0x02, 0x01),
    };
    // Data begins at physical sector 30000h.
    body[5..8].copy_from_slice(&0x30000_u32.to_be_bytes()[1..]);
    let last = 0x30000 + disc.sectors.saturating_sub(1);
    body[9..12].copy_from_slice(&last.to_be_bytes()[1..]);
    if disc.kind == DiscType::DvdPlusR {
        body[19..25].copy_from_slice(b"LABMED");
        body[27..30].copy_from_slice(b"R01");
    }
    body
}
