//! Kinds of media, as drives number them (MMC-6 table 92, "Profile List").

use std::fmt;

/// The current profile of a drive: what the medium in it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Profile(pub u16);

/// A data rate in thousands of bytes a second, as MMC counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KiloBytesPerSecond(pub u32);

/// Number, name, and what can be done with it: nothing, written once, rewritten.
const PROFILES: [(u16, &str, MediumUse); 22] = [
    (0x0002, "removable disk", MediumUse::Read),
    (0x0008, "CD-ROM", MediumUse::Read),
    (0x0009, "CD-R", MediumUse::Once),
    (0x000a, "CD-RW", MediumUse::Again),
    (0x0010, "DVD-ROM", MediumUse::Read),
    (0x0011, "DVD-R", MediumUse::Once),
    (0x0012, "DVD-RAM", MediumUse::Again),
    (0x0013, "DVD-RW", MediumUse::Again),
    (0x0014, "DVD-RW", MediumUse::Again),
    (0x0015, "DVD-R DL", MediumUse::Once),
    (0x0016, "DVD-R DL", MediumUse::Once),
    (0x0017, "DVD-RW DL", MediumUse::Again),
    (0x001a, "DVD+RW", MediumUse::Again),
    (0x001b, "DVD+R", MediumUse::Once),
    (0x002a, "DVD+RW DL", MediumUse::Again),
    (0x002b, "DVD+R DL", MediumUse::Once),
    (0x0040, "BD-ROM", MediumUse::Read),
    (0x0041, "BD-R", MediumUse::Once),
    (0x0042, "BD-R (random recording)", MediumUse::Once),
    (0x0043, "BD-RE", MediumUse::Again),
    (0x0050, "HD DVD-ROM", MediumUse::Read),
    (0x0051, "HD DVD-R", MediumUse::Once),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum MediumUse {
    Read,
    Once,
    Again,
}

impl Profile {
    pub const NONE: Profile = Profile(0);
    pub const BD_R: Profile = Profile(0x41);
    pub const BD_RE: Profile = Profile(0x43);

    fn row(self) -> Option<&'static (u16, &'static str, MediumUse)> {
        PROFILES.iter().find(|(number, ..)| *number == self.0)
    }

    fn has(self, wanted: MediumUse) -> bool {
        self.row().is_some_and(|(_, _, can)| *can == wanted)
    }

    pub fn is_write_once(self) -> bool {
        self.has(MediumUse::Once)
    }

    pub fn is_rewritable(self) -> bool {
        self.has(MediumUse::Again)
    }

    pub fn can_be_written(self) -> bool {
        self.is_write_once() || self.is_rewritable()
    }

    /// Media that are overwritten in place, and need no blanking (MMC-6 5.3.10: the feature Random
    /// Writable).
    pub fn is_random_writable(self) -> bool {
        matches!(self.0, 0x12 | 0x13 | 0x1a | 0x2a | 0x43)
    }

    pub fn is_blu_ray(self) -> bool {
        (0x40..=0x43).contains(&self.0)
    }

    /// The letter by which burning programs tell whose 1x a speed is (xorriso(1), -speed).
    pub fn speed_letter(self) -> char {
        match self.0 {
            0x40..=0x43 => 'b',
            0x10..=0x2f => 'd',
            _ => 'c',
        }
    }

    /// What `1x` means for this kind: BD 4,495.625 (BD white paper 1.C), DVD 1,385 (ECMA-267), CD
    /// 150 kB/s with 2,048 bytes a sector.
    pub fn one_x(self) -> f64 {
        match self.0 {
            0x40..=0x43 => 4495.625,
            0x10..=0x2f => 1385.0,
            _ => 150.0,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row() {
            Some((_, name, _)) => f.write_str(name),
            None => write!(f, "disc of kind {:04X}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named_and_told_apart() {
        assert_eq!(Profile(0x41).to_string(), "BD-R");
        assert_eq!(Profile(0x99).to_string(), "disc of kind 0099");
        assert!(Profile::BD_R.is_write_once() && !Profile::BD_R.is_rewritable());
        assert!(Profile::BD_RE.is_rewritable() && Profile::BD_RE.is_random_writable());
        assert!(!Profile(0x14).is_random_writable() && Profile(0x14).can_be_written());
        assert!(!Profile(0x40).can_be_written() && !Profile::NONE.can_be_written());
        assert!(Profile(0x1b).one_x() < Profile(0x41).one_x());
    }
}
