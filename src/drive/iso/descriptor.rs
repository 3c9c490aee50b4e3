//! The primary volume descriptor, in sector 16 (ECMA-119 6.7.1 and 8.4).

use crate::drive::reader::Volume;
use crate::model::Sectors;
use crate::model::size::SECTOR;

/// Where it lies.
pub(super) const SECTOR_NUMBER: u32 = 16;

/// What a walk needs of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptor {
    pub sectors: Sectors,
    /// First sector and bytes of the root directory.
    pub root: (u32, u32),
}

impl Descriptor {
    /// `None` if this is no such descriptor, or one of a volume with other sectors.
    pub(super) fn parse(sector: &[u8]) -> Option<Descriptor> {
        let sectors = size_in(sector)?;
        // 8.4.12: the logical block size.
        let block = u16::from_le_bytes(sector.get(128..130)?.try_into().ok()?);
        if u64::from(block) != SECTOR {
            return None;
        }
        // 8.4.18: the record of the root directory.
        let root = sector.get(156..190)?;
        Some(Descriptor { sectors, root: (word(root, 2)?, word(root, 10)?) })
    }
}

/// The first half of a number that stands there in both orders of bytes (7.3.3).
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The size that a volume says it has (8.4.8), out of the first 88 bytes of sector 16, or more.
pub(in crate::drive) fn size_in(descriptor: &[u8]) -> Option<Sectors> {
    let is_one = descriptor.starts_with(b"\x01CD001");
    Some(Sectors(word(descriptor, 80).filter(|_| is_one)?.into()))
}

/// The volume's name out of sector 16 (8.4.7).
pub(in crate::drive) fn volume_id_in(descriptor: &[u8]) -> Option<String> {
    name_in(descriptor, 40..72).filter(|name| !name.is_empty())
}

fn name_in(descriptor: &[u8], at: std::ops::Range<usize>) -> Option<String> {
    let name = descriptor.get(at).filter(|_| descriptor.starts_with(b"\x01CD001"))?;
    let name = String::from_utf8_lossy(name);
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    Some(name.trim().to_owned())
}

/// The volume's name, date and application out of sector 16 (8.4.7, 8.4.26, 8.4.22).
pub(in crate::drive) fn volume_in(descriptor: &[u8]) -> Option<Volume> {
    let date = descriptor.get(813..829).filter(|date| date.iter().all(u8::is_ascii_digit))?;
    let date = String::from_utf8_lossy(date).into_owned();
    let application = name_in(descriptor, 574..702)?;
    Some(Volume { id: volume_id_in(descriptor)?, date, application })
}
