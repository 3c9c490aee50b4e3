//! Why a drive refuses (SPC-4 4.5, MMC-6 annex F).

/// Key, additional code, qualifier, and the sector it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenseData {
    pub key: u8,
    pub asc: u8,
    pub ascq: u8,
    pub sector: Option<u32>,
}

impl SenseData {
    pub const fn new(key: u8, asc: u8, ascq: u8) -> SenseData {
        SenseData { key, asc, ascq, sector: None }
    }

    pub fn at(self, sector: u32) -> SenseData {
        SenseData { sector: Some(sector), ..self }
    }

    /// Fixed format, current (SPC-4 4.5.3).
    pub fn bytes(self) -> [u8; 18] {
        let mut data = [0; 18];
        data[0] = 0x70;
        if let Some(sector) = self.sector {
            data[0] |= 0x80;
            data[3..7].copy_from_slice(&sector.to_be_bytes());
        }
        (data[2], data[7], data[12], data[13]) = (self.key, 10, self.asc, self.ascq);
        data
    }
}

pub const BECOMING_READY: SenseData = SenseData::new(2, 0x04, 0x01);
pub const LONG_WRITE: SenseData = SenseData::new(2, 0x04, 0x08);
pub const NO_MEDIUM: SenseData = SenseData::new(2, 0x3a, 0x01);
pub const TRAY_OPEN: SenseData = SenseData::new(2, 0x3a, 0x02);
pub const WRITE_ERROR: SenseData = SenseData::new(3, 0x0c, 0x00);
pub const UNREADABLE: SenseData = SenseData::new(3, 0x11, 0x05);
pub const NOT_FORMATTED: SenseData = SenseData::new(3, 0x31, 0x00);
pub const CALIBRATION: SenseData = SenseData::new(3, 0x73, 0x03);
pub const UNKNOWN_COMMAND: SenseData = SenseData::new(5, 0x20, 0x00);
pub const OUT_OF_RANGE: SenseData = SenseData::new(5, 0x21, 0x00);
pub const WRONG_ADDRESS: SenseData = SenseData::new(5, 0x21, 0x02);
pub const BAD_FIELD: SenseData = SenseData::new(5, 0x24, 0x00);
pub const BAD_PARAMETER: SenseData = SenseData::new(5, 0x26, 0x00);
pub const WRONG_MEDIUM: SenseData = SenseData::new(5, 0x30, 0x05);
pub const LOCKED: SenseData = SenseData::new(5, 0x53, 0x02);
pub const FULL: SenseData = SenseData::new(5, 0x63, 0x00);
pub const CLOSE_FAILED: SenseData = SenseData::new(5, 0x72, 0x00);
pub const INCOMPLETE_TRACK: SenseData = SenseData::new(5, 0x72, 0x03);
pub const MEDIUM_CHANGED: SenseData = SenseData::new(6, 0x28, 0x00);
pub const RESET: SenseData = SenseData::new(6, 0x29, 0x00);
pub const WRITE_PROTECTED: SenseData = SenseData::new(7, 0x27, 0x00);
