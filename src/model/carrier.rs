//! What a copy of a disc is stored on: a burned medium, or a place in a file system.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

/// What carries a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// A medium for a drive.
    Disc(BurnedMedium),
    /// An image in a directory.
    Shelf(ShelfPlace),
    /// The files of a disc, mounted or copied to this directory.
    Folder(PathBuf),
    /// What a former version noted, and this one does not understand.
    Words(String),
}

/// Where an image lies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShelfPlace {
    /// Relative only where a former version noted it so; nobody knows to what.
    pub dir: PathBuf,
    /// The shelf's own; a read-only one may have none.
    pub id: Option<ShelfId>,
    /// The identity of the file system that it is on, if that could be told.
    pub system: Option<String>,
    /// The image's name in it; else it is called as images of its disc are.
    pub file: Option<OsString>,
}

/// What a shelf is known by, wherever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ShelfId(pub Uuid);

impl fmt::Display for ShelfId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One file, whatever names lead to it: device and inode. It holds within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    pub device: u64,
    pub inode: u64,
}

impl ShelfPlace {
    /// Of which no more is known.
    #[cfg(test)]
    pub fn at(dir: impl Into<PathBuf>) -> ShelfPlace {
        ShelfPlace { dir: dir.into(), ..ShelfPlace::default() }
    }

    /// Whether this is the same shelf in the same place. At one path may be now this disk, now
    /// another one: ids tell these apart, else file systems; where neither is known, the path does.
    pub fn is(&self, other: &ShelfPlace) -> bool {
        let systems = self.system.as_ref().zip(other.system.as_ref());
        self.dir == other.dir
            && match (self.id, other.id) {
                (Some(one), Some(two)) => one == two,
                _ => systems.is_none_or(|(one, two)| one == two),
            }
    }

    /// As far as anybody can tell; what is not known may be another one.
    pub fn is_on_system_of(&self, other: &ShelfPlace) -> bool {
        self.system.is_some() && self.system == other.system
    }
}

/// What is known of a burned medium.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BurnedMedium {
    /// As MMC names its profile: `BD-R`.
    pub kind: Option<String>,
    /// The code that the maker left on it.
    pub maker: Option<String>,
    /// The drive that burned it: vendor, model, firmware.
    pub burner: Option<String>,
    /// The drive that it was found in, where nobody knows what burned it.
    pub reader: Option<String>,
}

impl Carrier {
    /// A medium that was found in a drive.
    pub fn found_in(drive: String) -> Carrier {
        Carrier::Disc(BurnedMedium { reader: Some(drive), ..BurnedMedium::default() })
    }

    /// The shelf that it is.
    pub fn shelf(&self) -> Option<&Path> {
        match self {
            Carrier::Shelf(place) => Some(&place.dir),
            _ => None,
        }
    }

    pub fn shelf_place(&self) -> Option<&ShelfPlace> {
        match self {
            Carrier::Shelf(place) => Some(place),
            _ => None,
        }
    }

    /// The directory of a disc's files that it is.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Carrier::Folder(dir) => Some(dir),
            _ => None,
        }
    }

    pub fn disc(&self) -> Option<&BurnedMedium> {
        match self {
            Carrier::Disc(medium) => Some(medium),
            _ => None,
        }
    }

    /// Whether both are one place of a file system: where it is tells which copy is there. Media
    /// are in no place.
    pub fn is_where(&self, other: &Carrier) -> bool {
        match (self, other) {
            (Carrier::Shelf(one), Carrier::Shelf(two)) => one.is(two),
            (Carrier::Folder(one), Carrier::Folder(two)) => one == two,
            _ => false,
        }
    }

    /// A place of a file system.
    pub fn is_place(&self) -> bool {
        matches!(self, Carrier::Shelf(_) | Carrier::Folder(_))
    }

    /// What copies have in common that may fail together: kind and maker's code, or a shelf's disk.
    /// Nothing for a medium whose maker is unknown: half the world's media are of its kind.
    pub fn batch(&self) -> Option<Batch> {
        match self {
            Carrier::Disc(BurnedMedium { kind: Some(kind), maker: Some(maker), .. }) => {
                Some(Batch::Media { kind: kind.clone(), maker: maker.clone() })
            }
            Carrier::Shelf(place) => Some(Batch::Shelf(place.dir.clone())),
            _ => None,
        }
    }
}

/// Copies that may fail together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Batch {
    Media { kind: String, maker: String },
    Shelf(PathBuf),
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Batch::Media { kind, maker } => write!(f, "{kind} {maker}"),
            Batch::Shelf(dir) => write!(f, "shelf {}", dir.display()),
        }
    }
}

/// `BD-R CMCMAG-BA5-000, burned in ASUS X 1.0`; `shelf /srv/discs`. For people; nothing reads it.
impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Carrier::Disc(medium) => medium.fmt(f),
            Carrier::Shelf(place) => write!(f, "shelf {}", place.dir.display()),
            Carrier::Folder(dir) => write!(f, "files in {}", dir.display()),
            Carrier::Words(words) => write!(f, "{words} (as an earlier version noted it)"),
        }
    }
}

impl fmt::Display for BurnedMedium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_deref().unwrap_or("a disc"))?;
        if let Some(maker) = &self.maker {
            write!(f, " {maker}")?;
        }
        if let Some(burner) = &self.burner {
            write!(f, ", burned in {burner}")?;
        }
        if let Some(reader) = &self.reader {
            write!(f, ", found in {reader}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn medium(kind: Option<&str>, maker: Option<&str>) -> Carrier {
        let (kind, maker) = (kind.map(str::to_owned), maker.map(str::to_owned));
        let burner = Some("ASUS X 1.0".to_owned());
        Carrier::Disc(BurnedMedium { kind, maker, burner, reader: None })
    }

    #[test]
    fn a_batch_is_kind_and_maker_or_a_disk() {
        let batch = |carrier: &Carrier| carrier.batch().map(|batch| batch.to_string());
        let known = medium(Some("BD-R"), Some("CMCMAG-BA5-000"));
        assert_eq!(batch(&known).as_deref(), Some("BD-R CMCMAG-BA5-000"));
        assert_eq!(batch(&medium(Some("BD-R"), None)), None, "half the world's media");
        assert_eq!(batch(&medium(None, None)), None);
        let shelf = Carrier::Shelf(ShelfPlace::at("/srv/discs"));
        assert_eq!(batch(&shelf).as_deref(), Some("shelf /srv/discs"));
        assert_eq!(batch(&Carrier::Folder("/mnt".into())), None);
        assert_eq!(batch(&Carrier::Words("shelf /srv/discs".into())), None, "words are not read");
    }

    #[test]
    fn people_read_what_is_known() {
        let words = medium(Some("BD-R"), Some("CMCMAG-BA5-000")).to_string();
        assert_eq!(words, "BD-R CMCMAG-BA5-000, burned in ASUS X 1.0");
        assert_eq!(medium(None, None).to_string(), "a disc, burned in ASUS X 1.0");
        let found = Carrier::found_in("/dev/sr0 (ASUS X)".to_owned());
        assert_eq!(found.to_string(), "a disc, found in /dev/sr0 (ASUS X)");
    }

    #[test]
    fn one_path_may_lead_to_several_disks() {
        let (a, b) = (ShelfId(Uuid::from_u128(1)), ShelfId(Uuid::from_u128(2)));
        let at = |id: Option<ShelfId>, system: Option<&str>| ShelfPlace {
            id,
            system: system.map(str::to_owned),
            ..ShelfPlace::at("/mnt/usb")
        };
        assert!(at(Some(a), Some("x")).is(&at(Some(a), Some("y"))), "the id decides");
        assert!(!at(Some(a), Some("x")).is(&at(Some(b), Some("x"))));
        assert!(at(Some(a), Some("x")).is(&at(None, Some("x"))), "its file was removed");
        assert!(!at(Some(a), Some("x")).is(&at(None, Some("y"))));
        assert!(at(None, None).is(&at(Some(b), Some("y"))), "an old note knows the path alone");
        assert!(!at(None, None).is(&ShelfPlace::at("/mnt")));
        assert!(!at(None, None).is_on_system_of(&at(None, None)), "unknown is not proof");
    }
}
