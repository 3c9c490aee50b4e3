//! An entry of the source: one path with all that the file system says of it.

use super::RelPath;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    File,
    Dir,
    Symlink,
    /// Another name of a file that stands elsewhere in the listing. The walk reports links as
    /// `File`; they become `Hardlink` when compared.
    Hardlink,
    Fifo,
    CharDevice,
    BlockDevice,
}

impl Kind {
    /// Of a file's mode, as `stat` gives it. `None` for a socket, and for kinds that Linux does not
    /// have yet.
    pub fn from_mode(mode: u32) -> Option<Kind> {
        match mode & 0o170_000 {
            0o100_000 => Some(Kind::File),
            0o040_000 => Some(Kind::Dir),
            0o120_000 => Some(Kind::Symlink),
            0o010_000 => Some(Kind::Fifo),
            0o020_000 => Some(Kind::CharDevice),
            0o060_000 => Some(Kind::BlockDevice),
            _ => None,
        }
    }

    /// The letter in INDEX, SNAPSHOT and the catalog (format 5, field 2).
    pub fn letter(self) -> char {
        match self {
            Kind::File => 'f',
            Kind::Dir => 'd',
            Kind::Symlink => 'l',
            Kind::Hardlink => 'h',
            Kind::Fifo => 'p',
            Kind::CharDevice => 'c',
            Kind::BlockDevice => 'b',
        }
    }

    pub fn from_letter(letter: char) -> Option<Kind> {
        use Kind::*;
        [File, Dir, Symlink, Hardlink, Fifo, CharDevice, BlockDevice]
            .into_iter()
            .find(|kind| kind.letter() == letter)
    }
}

/// A point in time as `stat` gives it: whole seconds (may be negative) and nanoseconds after them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mtime {
    pub sec: i64,
    pub nsec: u32,
}

impl Mtime {
    /// The decimal number of pax and of the listings: -1.5 s is sec -2 with 500,000,000 ns.
    pub fn to_decimal(self) -> String {
        if self.sec < 0 && self.nsec > 0 {
            format!("-{}.{:09}", -(self.sec + 1), 1_000_000_000 - self.nsec)
        } else {
            format!("{}.{:09}", self.sec, self.nsec)
        }
    }

    /// Reads what `to_decimal` writes, with one to nine digits after the point or none.
    pub fn from_decimal(text: &str) -> Option<Mtime> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) || fraction.len() > 9 {
            return None;
        }
        let sec: i64 = whole.parse().ok()?;
        let nsec: u32 = format!("{fraction:0<9}").parse().ok()?;
        Some(match (negative, nsec) {
            (false, _) => Mtime { sec, nsec },
            (true, 0) => Mtime { sec: -sec, nsec },
            (true, _) => Mtime { sec: -sec - 1, nsec: 1_000_000_000 - nsec },
        })
    }
}

/// An extended attribute: name as the kernel says it, value as bytes. POSIX ACLs are
/// `system.posix_acl_access` and `system.posix_acl_default` in the kernel's binary form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Xattr {
    pub name: Vec<u8>,
    pub value: Vec<u8>,
}

/// What belongs to an entry beside its content: format 5, fields 16 to 24.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Meta {
    /// Permission, set-id and sticky bits only (0o7777).
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Names of owner and group, empty if the system knows none.
    pub user: Vec<u8>,
    pub group: Vec<u8>,
    pub mtime: Mtime,
    /// Target of a symlink, or path of the first name of a hard link; else empty.
    pub link: Vec<u8>,
    /// (major, minor) of a device.
    pub device: Option<(u32, u32)>,
    /// Sorted by name.
    pub xattrs: Vec<Xattr>,
}

/// What tells a changed file from an unchanged one without reading it, beside size and mtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// Device number of the file system: joins hard links within one walk; not kept.
    pub dev: u64,
    pub inode: u64,
    pub ctime: Mtime,
    pub nlink: u64,
    /// Bytes that the file occupies (`st_blocks` * 512): fewer than `size` means holes.
    pub occupied: u64,
}

/// One path of the source as the walk found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the source; the source itself is [`RelPath::root`].
    pub path: RelPath,
    pub kind: Kind,
    /// Bytes of content, holes counted; 0 for all kinds but `File`.
    pub size: u64,
    pub meta: Meta,
    pub print: Fingerprint,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_keep_their_nanoseconds() {
        for (sec, nsec, text) in [
            (-2, 500_000_000, "-1.500000000"),
            (-1, 1, "-0.999999999"),
            (-1, 0, "-1.000000000"),
            (0, 0, "0.000000000"),
            (1_700_000_000, 123_456_789, "1700000000.123456789"),
        ] {
            assert_eq!(Mtime { sec, nsec }.to_decimal(), text);
            assert_eq!(Mtime::from_decimal(text), Some(Mtime { sec, nsec }));
        }
        assert_eq!(Mtime::from_decimal("12"), Some(Mtime { sec: 12, nsec: 0 }));
        assert_eq!(Mtime::from_decimal("12.5"), Some(Mtime { sec: 12, nsec: 500_000_000 }));
        for bad in ["", "-", "x", "1.", ".5", "1.0000000001", "--1", "+1"] {
            assert_eq!(Mtime::from_decimal(bad), None, "{bad:?}");
        }
    }
}
