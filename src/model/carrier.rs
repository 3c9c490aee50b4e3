//! What bears a copy of a disc: a burned medium, or a place in a file system.

use std::fmt;
use std::path::{Path, PathBuf};

/// What bears a copy. Two copies in one place of a file system have the same carrier; two burned
/// media of one purchase, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// A medium for a drive.
    Disc(BurnedMedium),
    /// An image in this directory.
    Shelf(PathBuf),
    /// The files of a disc, mounted or copied to this directory.
    Folder(PathBuf),
    /// What a former version noted, and this one does not understand.
    Words(String),
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
            Carrier::Shelf(dir) => Some(dir),
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

    /// A place of a file system: where it is tells which copy lies there.
    pub fn place(&self) -> Option<&Path> {
        match self {
            Carrier::Shelf(dir) | Carrier::Folder(dir) => Some(dir),
            Carrier::Disc(_) | Carrier::Words(_) => None,
        }
    }

    /// What copies have in common that may fail together: kind and maker's code, or a shelf's disk.
    /// Nothing for a medium whose maker is unknown: half the world's media are of its kind.
    pub fn batch(&self) -> Option<Batch> {
        match self {
            Carrier::Disc(BurnedMedium { kind: Some(kind), maker: Some(maker), .. }) => {
                Some(Batch::Media { kind: kind.clone(), maker: maker.clone() })
            }
            Carrier::Shelf(dir) => Some(Batch::Shelf(dir.clone())),
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
            Carrier::Shelf(dir) => write!(f, "shelf {}", dir.display()),
            Carrier::Folder(dir) => write!(f, "files in {}", dir.display()),
            Carrier::Words(words) => write!(f, "{words} (so a former version noted it)"),
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
        let shelf = Carrier::Shelf("/srv/discs".into());
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
}
