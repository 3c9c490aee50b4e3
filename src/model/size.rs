//! Sizes: bytes, and sectors of 2,048 bytes.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};

use serde::Serialize;

/// A count of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Bytes(pub u64);

/// A count of sectors of 2,048 bytes (ECMA-119 6.1.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Sectors(pub u64);

pub const SECTOR: u64 = 2048;
/// The unit in which Blu-ray discs are written and corrected: 32 sectors, 64 KiB (MMC-6 4.6).
pub const CLUSTER: Sectors = Sectors(32);

impl Bytes {
    /// The sectors that hold so many bytes; the last may be part empty.
    pub fn sectors(self) -> Sectors {
        Sectors(self.0.div_ceil(SECTOR))
    }

    /// Reads `700M`, `1G`, `25025314816`: 1K = 1,024 bytes. `None` if it is not a size.
    pub fn parse(text: &str) -> Option<Bytes> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let factor: u64 = match &text[digits.len()..] {
            "" | "B" => 1,
            "K" | "k" | "KiB" => 1 << 10,
            "M" | "MiB" => 1 << 20,
            "G" | "GiB" => 1 << 30,
            "T" | "TiB" => 1 << 40,
            _ => return None,
        };
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let number: u64 = plain.then(|| digits.parse().ok())??;
        number.checked_mul(factor).map(Bytes)
    }
}

impl Sectors {
    pub fn bytes(self) -> Bytes {
        Bytes(self.0.saturating_mul(SECTOR))
    }

    /// Rounded down to whole clusters.
    pub fn whole_clusters(self) -> Sectors {
        Sectors(self.0 / CLUSTER.0 * CLUSTER.0)
    }

    pub fn saturating_sub(self, other: Sectors) -> Sectors {
        Sectors(self.0.saturating_sub(other.0))
    }
}

/// Sizes of media (format 9), in sectors.
pub const NAMED_SIZES: [(&str, Sectors); 5] = [
    ("bd25", Sectors(12_219_392)),
    ("bd50", Sectors(24_438_784)),
    ("bd100", Sectors(48_878_592)),
    ("bd128", Sectors(62_500_864)),
    ("dvd", Sectors(2_295_104)),
];

/// The smallest disc that coldcut makes.
pub const SMALLEST_DISC: Bytes = Bytes(2 << 20);

/// Reads `bd25` or `700M`; sizes are rounded down to whole sectors.
pub fn parse_disc_size(text: &str) -> Option<Sectors> {
    NAMED_SIZES
        .iter()
        .find(|(name, _)| *name == text)
        .map(|&(_, sectors)| sectors)
        .or_else(|| Bytes::parse(text).map(|bytes| Sectors(bytes.0 / SECTOR)))
}

macro_rules! arithmetic {
    ($name:ident) => {
        impl Add for $name {
            type Output = $name;
            fn add(self, other: $name) -> $name {
                $name(self.0 + other.0)
            }
        }
        impl Sub for $name {
            type Output = $name;
            fn sub(self, other: $name) -> $name {
                $name(self.0 - other.0)
            }
        }
        impl AddAssign for $name {
            fn add_assign(&mut self, other: $name) {
                self.0 += other.0;
            }
        }
        impl Sum for $name {
            fn sum<I: Iterator<Item = $name>>(iter: I) -> $name {
                $name(iter.map(|x| x.0).sum())
            }
        }
    };
}
arithmetic!(Bytes);
arithmetic!(Sectors);

/// Three digits and a decimal unit, as media makers count: `25.0 GB`.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
        let mut value = self.0 as f64;
        let mut unit = 0;
        while value >= 999.5 && unit + 1 < units.len() {
            value /= 1000.0;
            unit += 1;
        }
        let digits = if unit == 0 || value >= 99.95 {
            0
        } else if value >= 9.995 {
            1
        } else {
            2
        };
        write!(f, "{value:.digits$} {}", units[unit])
    }
}

impl fmt::Display for Sectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_binary_units_and_shown_in_decimal_ones() {
        assert_eq!(Bytes::parse("700M"), Some(Bytes(700 << 20)));
        assert_eq!(Bytes::parse("1G"), Some(Bytes(1 << 30)));
        assert_eq!(Bytes::parse("12"), Some(Bytes(12)));
        for bad in ["", "M", "1.5G", "-1", "1X", "99999999999G", "1 G", "1é"] {
            assert_eq!(Bytes::parse(bad), None, "{bad:?}");
        }
        assert_eq!(parse_disc_size("bd25"), Some(Sectors(12_219_392)));
        assert_eq!(parse_disc_size("2M"), Some(Sectors(1024)));
        assert_eq!(Bytes(25_025_314_816).to_string(), "25.0 GB");
        assert_eq!(Bytes(0).to_string(), "0 B");
        assert_eq!(Bytes(999_600).to_string(), "1.00 MB");
    }

    #[test]
    fn sectors_round_up_and_clusters_down() {
        assert_eq!(Bytes(1).sectors(), Sectors(1));
        assert_eq!(Bytes(2048).sectors(), Sectors(1));
        assert_eq!(Bytes(0).sectors(), Sectors(0));
        assert_eq!(Sectors(95).whole_clusters(), Sectors(64));
    }
}
