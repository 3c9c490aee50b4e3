//! MMC commands (MMC-6) as bytes, and what drives answer to them as values. Pure: a reply may be
//! cut anywhere and say anything.

use super::profile::{KiloBytesPerSecond, Profile};
use crate::model::Sectors;

/// TEST UNIT READY (SPC-4 6.37).
pub const TEST_UNIT_READY: [u8; 6] = [0; 6];

/// PREVENT ALLOW MEDIUM REMOVAL (MMC-6 6.14).
pub fn prevent_removal(locked: bool) -> [u8; 6] {
    [0x1e, 0, 0, 0, u8::from(locked), 0]
}

/// INQUIRY (SPC-4 6.4).
pub fn inquiry(length: u8) -> [u8; 6] {
    [0x12, 0, 0, 0, length, 0]
}

/// INQUIRY for the page with the unit's serial number (SPC-4 7.8.15).
pub fn inquiry_serial(length: u8) -> [u8; 6] {
    [0x12, 1, 0x80, 0, length, 0]
}

/// GET CONFIGURATION, only the header and what is current (MMC-6 6.5).
pub fn get_configuration(length: u16) -> [u8; 10] {
    let [high, low] = length.to_be_bytes();
    [0x46, 1, 0, 0, 0, 0, 0, high, low, 0]
}

/// READ DISC INFORMATION, standard (MMC-6 6.21).
pub fn read_disc_information(length: u16) -> [u8; 10] {
    let [high, low] = length.to_be_bytes();
    [0x51, 0, 0, 0, 0, 0, 0, high, low, 0]
}

/// READ TRACK INFORMATION by track number (MMC-6 6.26).
pub fn read_track_information(track: u16, length: u16) -> [u8; 10] {
    let [t1, t0] = track.to_be_bytes();
    let [high, low] = length.to_be_bytes();
    [0x52, 1, 0, 0, t1, t0, 0, high, low, 0]
}

/// READ FORMAT CAPACITIES (MMC-6 6.23).
pub fn read_format_capacities(length: u16) -> [u8; 10] {
    let [high, low] = length.to_be_bytes();
    [0x23, 0, 0, 0, 0, 0, 0, high, low, 0]
}

/// READ CAPACITY (MMC-6 6.19).
pub const READ_CAPACITY: [u8; 10] = [0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// READ DISC STRUCTURE (MMC-6 6.22); `blu_ray` chooses the media type.
pub fn read_disc_structure(blu_ray: bool, format: u8, length: u16) -> [u8; 12] {
    let [high, low] = length.to_be_bytes();
    [0xad, u8::from(blu_ray), 0, 0, 0, 0, 0, format, high, low, 0, 0]
}

/// GET PERFORMANCE, write speeds (MMC-6 6.8, type 03h).
pub fn get_write_speeds(descriptors: u16) -> [u8; 12] {
    let [high, low] = descriptors.to_be_bytes();
    [0xac, 0, 0, 0, 0, 0, 0, 0, high, low, 3, 0]
}

/// MODE SENSE(10), page 2Ah: capabilities and mechanical status (MMC-6 annex E.3).
pub fn mode_sense_capabilities(length: u16) -> [u8; 10] {
    let [high, low] = length.to_be_bytes();
    [0x5a, 8, 0x2a, 0, 0, 0, 0, high, low, 0]
}

/// Who the drive is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DriveIdentity {
    pub vendor: String,
    pub model: String,
    pub firmware: String,
    /// Empty where the drive does not tell.
    pub serial: String,
}

/// What INQUIRY says: the device type (5: CD, DVD, BD; SPC-4 table 139) and the names.
pub fn parse_inquiry(reply: &[u8]) -> Option<(u8, DriveIdentity)> {
    let text = |from: usize, to: usize| reply.get(from..to).map(printable).unwrap_or_default();
    let identity = DriveIdentity {
        vendor: text(8, 16),
        model: text(16, 32),
        firmware: text(32, 36),
        serial: String::new(),
    };
    Some((reply.first()? & 0x1f, identity))
}

/// The serial number out of VPD page 80h.
pub fn parse_serial(reply: &[u8]) -> String {
    let length = reply.get(3).copied().map_or(0, usize::from);
    reply.get(4..).map(|text| printable(&text[..length.min(text.len())])).unwrap_or_default()
}

/// ASCII, without the blanks around it; a drive's firmware may hold anything.
fn printable(bytes: &[u8]) -> String {
    let text: String =
        bytes.iter().map(|&b| if (0x20..0x7f).contains(&b) { b as char } else { ' ' }).collect();
    text.trim().to_owned()
}

/// The profile of what is in the drive: bytes 6 and 7 of GET CONFIGURATION's header.
pub fn parse_profile(reply: &[u8]) -> Option<Profile> {
    Some(Profile(be16(reply, 6)?))
}

/// READ DISC INFORMATION.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscInformation {
    pub status: DiscStatus,
    pub last_session: SessionState,
    pub erasable: bool,
    pub sessions: u16,
    pub last_track: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscStatus {
    Empty,
    Incomplete,
    Finalised,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    Empty,
    Incomplete,
    Damaged,
    Complete,
}

pub fn parse_disc_information(reply: &[u8]) -> Option<DiscInformation> {
    let byte = |at: usize| reply.get(at).copied();
    let wide =
        |low: usize, high: usize| Some(u16::from_be_bytes([byte(high).unwrap_or(0), byte(low)?]));
    let flags = byte(2)?;
    Some(DiscInformation {
        status: match flags & 3 {
            0 => DiscStatus::Empty,
            1 => DiscStatus::Incomplete,
            2 => DiscStatus::Finalised,
            _ => DiscStatus::Other,
        },
        last_session: match flags >> 2 & 3 {
            0 => SessionState::Empty,
            1 => SessionState::Incomplete,
            2 => SessionState::Damaged,
            _ => SessionState::Complete,
        },
        erasable: flags & 0x10 != 0,
        sessions: wide(4, 9)?,
        last_track: wide(6, 11)?,
    })
}

/// READ TRACK INFORMATION.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackInformation {
    pub damaged: bool,
    /// The next writable address, where it is valid.
    pub next_writable: Option<i32>,
    pub start: Sectors,
    pub free: Sectors,
    pub size: Sectors,
}

pub fn parse_track_information(reply: &[u8]) -> Option<TrackInformation> {
    let sectors = |at: usize| be32(reply, at).map(|n| Sectors(n.into()));
    let valid = reply.get(7)? & 1 != 0;
    Some(TrackInformation {
        damaged: reply.get(5)? & 0x20 != 0,
        next_writable: valid.then(|| be32(reply, 12).map(|n| n as i32)).flatten(),
        start: sectors(8)?,
        free: sectors(16)?,
        size: sectors(24)?,
    })
}

/// READ FORMAT CAPACITIES.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatCapacities {
    pub current: Sectors,
    pub is_formatted: bool,
    /// Type (MMC-6 table 467) and size of each format that the medium can be given.
    pub formats: Vec<(u8, Sectors)>,
}

pub fn parse_format_capacities(reply: &[u8]) -> Option<FormatCapacities> {
    let listed = usize::from(*reply.get(3)?);
    let current = reply.get(4..12)?;
    let end = (4 + listed).min(reply.len());
    let more = reply.get(12..end).unwrap_or_default();
    let format = |row: &[u8]| Some((row.get(4)? >> 2, Sectors(be32(row, 0)?.into())));
    Some(FormatCapacities {
        current: Sectors(be32(current, 0)?.into()),
        is_formatted: current[4] & 3 == 2,
        formats: more.chunks_exact(8).filter_map(format).collect(),
    })
}

/// How many sectors READ CAPACITY promises; a blank BD-R says 0.
pub fn parse_capacity(reply: &[u8]) -> Option<Sectors> {
    let last = be32(reply, 0)?;
    Some(Sectors(if last == 0 { 0 } else { u64::from(last) + 1 }))
}

/// What the maker wrote on a BD: layers and media id (BD Disc Information, MMC-6 6.22.3.3.1).
pub fn parse_bd_information(reply: &[u8]) -> Option<(u8, String)> {
    let unit = reply.get(4..)?;
    if unit.get(..2)? != b"DI" {
        return None;
    }
    let layers = unit.get(12)? >> 4;
    let maker = printable(unit.get(100..106)?);
    let kind = printable(unit.get(106..109)?);
    Some((layers.max(1), [maker, kind].join(" ").trim().to_owned()))
}

/// The media id of a DVD+R or DVD+RW (physical format information, ECMA-349 14.4.2), and layers.
pub fn parse_dvd_plus_information(reply: &[u8]) -> Option<(u8, String)> {
    let unit = reply.get(4..)?;
    let layers = (unit.get(2)? >> 5 & 3) + 1;
    let maker = printable(unit.get(19..27)?);
    let kind = printable(unit.get(27..30)?);
    Some((layers, [maker, kind].join(" ").trim().to_owned()))
}

/// Spare sectors of a formatted BD: free and all, counted in clusters of 32 sectors.
pub fn parse_spares(reply: &[u8]) -> Option<(Sectors, Sectors)> {
    let clusters = |at: usize| be32(reply, at).map(|n| Sectors(u64::from(n) * 32));
    Some((clusters(8)?, clusters(12)?))
}

/// Write speeds, the fastest first.
pub fn parse_write_speeds(reply: &[u8]) -> Vec<KiloBytesPerSecond> {
    let rows = reply.get(8..).unwrap_or_default().chunks_exact(16);
    let mut speeds: Vec<_> =
        rows.filter_map(|row| be32(row, 12)).filter(|&n| n > 0).map(KiloBytesPerSecond).collect();
    speeds.sort_by(|a, b| b.cmp(a));
    speeds.dedup();
    speeds
}

/// Whether a motor pulls the tray in: the loading mechanism of page 2Ah is 1, a tray (0 is a caddy
/// or slot, 2 a lid).
pub fn parse_has_tray(reply: &[u8]) -> Option<bool> {
    // The mode parameter header has 8 bytes; block descriptors were declined.
    let page = reply.get(8..)?;
    (page.first()? & 0x3f == 0x2a).then(|| page.get(6).map(|byte| byte >> 5 == 1))?
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disc_information(flags: u8) -> Vec<u8> {
        let mut reply = vec![0; 34];
        (reply[1], reply[2], reply[4], reply[6]) = (32, flags, 1, 1);
        reply
    }

    #[test]
    fn the_disc_says_how_far_it_is_written() {
        let of = |flags| parse_disc_information(&disc_information(flags)).unwrap();
        assert_eq!((of(0).status, of(0).last_session), (DiscStatus::Empty, SessionState::Empty));
        assert_eq!(of(0x0e).status, DiscStatus::Finalised);
        assert_eq!(of(0x0e).last_session, SessionState::Complete);
        assert_eq!(of(0x05).last_session, SessionState::Incomplete);
        assert!(of(0x10).erasable);
        let mut many = disc_information(0);
        (many[4], many[9], many[6], many[11]) = (2, 1, 7, 1);
        let many = parse_disc_information(&many).unwrap();
        assert_eq!((many.sessions, many.last_track), (258, 263));
    }

    #[test]
    fn a_track_says_where_to_write_and_what_is_free() {
        let mut reply = vec![0; 36];
        reply[7] = 1;
        reply[12..16].copy_from_slice(&32_u32.to_be_bytes());
        reply[16..20].copy_from_slice(&12_219_360_u32.to_be_bytes());
        let track = parse_track_information(&reply).unwrap();
        assert_eq!((track.next_writable, track.free), (Some(32), Sectors(12_219_360)));
        reply[5] = 0x20;
        reply[7] = 0;
        let track = parse_track_information(&reply).unwrap();
        assert!(track.damaged && track.next_writable.is_none());
    }

    #[test]
    fn formats_are_listed_with_their_sizes() {
        let mut reply = vec![0, 0, 0, 24];
        for (blocks, kind) in [(0_u32, 1_u8), (11_826_176, 0x32 << 2), (12_088_320, 0x32 << 2)] {
            reply.extend(blocks.to_be_bytes());
            reply.extend([kind, 0, 0x10, 0]);
        }
        let found = parse_format_capacities(&reply).unwrap();
        assert!(!found.is_formatted);
        assert_eq!(found.formats, [(0x32, Sectors(11_826_176)), (0x32, Sectors(12_088_320))]);
    }

    #[test]
    fn names_of_drives_are_fit_for_people() {
        let mut reply = vec![5, 0x80, 5, 0x32, 0x5b, 0, 0, 0];
        reply.extend(b"HL-DT-STBD-RE WH16NS60\x07 1.02");
        let (kind, identity) = parse_inquiry(&reply).unwrap();
        assert_eq!(kind, 5);
        assert_eq!(identity.vendor, "HL-DT-ST");
        assert_eq!(identity.model, "BD-RE WH16NS60");
        assert_eq!(parse_serial(b"\x05\x80\x00\x04K1X \0\0"), "K1X");
    }

    #[test]
    fn makers_are_read_from_blu_ray_and_dvd() {
        let mut bd = vec![0; 4 + 112];
        bd[4..6].copy_from_slice(b"DI");
        bd[4 + 12] = 0x20;
        bd[104..113].copy_from_slice(b"CMCMAGBA5");
        assert_eq!(parse_bd_information(&bd), Some((2, "CMCMAG BA5".into())));
        let mut dvd = vec![0; 4 + 32];
        dvd[23..34].copy_from_slice(b"MCC\0\0\0\0\x00004");
        assert_eq!(parse_dvd_plus_information(&dvd), Some((1, "MCC 004".into())));
    }

    #[test]
    fn speeds_come_fastest_first() {
        let mut reply = vec![0; 8];
        for speed in [8990_u32, 17981, 8990] {
            reply.extend([0; 12]);
            reply.extend(speed.to_be_bytes());
        }
        assert_eq!(
            parse_write_speeds(&reply),
            [KiloBytesPerSecond(17981), KiloBytesPerSecond(8990)]
        );
    }

    #[test]
    fn a_reply_may_be_cut_anywhere_and_hold_anything() {
        for fill in [0x00, 0x2a, 0xff] {
            for length in 0..140 {
                let reply = vec![fill; length];
                let _ = parse_inquiry(&reply);
                let _ = parse_serial(&reply);
                let _ = parse_profile(&reply);
                let _ = parse_disc_information(&reply);
                let _ = parse_track_information(&reply);
                let _ = parse_format_capacities(&reply);
                let _ = parse_capacity(&reply);
                let _ = parse_bd_information(&reply);
                let _ = parse_dvd_plus_information(&reply);
                let _ = parse_spares(&reply);
                let _ = parse_write_speeds(&reply);
                let _ = parse_has_tray(&reply);
            }
        }
    }
}
