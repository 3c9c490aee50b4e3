//! By what a directory is known to be a shelf before anything is written to it, and what systems
//! leave in the root of any disk, which says nothing of whose it is.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::identity::IDENTITY as MARK;
use super::identity::IN_WORK as MARK_IN_WORK;
use super::names::{parse_name, parse_part};
use crate::drive::faults;
use crate::model::SetName;

/// What is in a directory that discs are to be put into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holds {
    Nothing,
    /// What only a shelf has.
    Shelf,
    /// Somebody else's files; one of them.
    Others(OsString),
}

/// Looks into a directory.
pub fn look_into(dir: &Path) -> io::Result<Holds> {
    let mut others = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if is_mark(&name, entry.file_type()?.is_dir()) {
            return Ok(Holds::Shelf);
        }
        if !is_left_by_systems(&name) {
            others.push(name);
        }
    }
    Ok(others.into_iter().min().map_or(Holds::Nothing, Holds::Others))
}

/// Whether the directory carries the mark, whatever else is in it.
pub fn is_marked(dir: &Path) -> bool {
    fs::symlink_metadata(dir.join(MARK)).is_ok_and(|found| found.is_file())
}

/// Whether a file in a shelf is coldcut's own, and no file of anybody's: the id, what the shelf is
/// told to do wrong, or an image of a disc of these sets, also one that is being written or failed.
pub fn is_own_file(name: &[u8], sets: &[SetName]) -> bool {
    let os_name = OsStr::from_bytes(name);
    os_name == MARK
        || os_name == faults::FILE
        || name.starts_with(format!("{MARK_IN_WORK}-").as_bytes())
        || image_of_set(os_name).is_some_and(|set| sets.contains(&set))
}

fn is_mark(name: &OsStr, is_dir: bool) -> bool {
    match is_dir {
        true => is_place_for_copies(name.as_bytes()),
        false => name == MARK || name == faults::FILE || image_of_set(name).is_some(),
    }
}

/// `copy2`, and so on.
fn is_place_for_copies(name: &[u8]) -> bool {
    let number = name.strip_prefix(b"copy").and_then(|n| std::str::from_utf8(n).ok());
    let number = number.filter(|n| n.bytes().all(|b| b.is_ascii_digit()) && !n.starts_with('0'));
    number.and_then(|n| n.parse().ok()).is_some_and(|n: u32| n > 1)
}

/// The set of which a file is an image by its name: `SET-NNNN.iso`, while it is written, and once it
/// failed.
fn image_of_set(name: &OsStr) -> Option<SetName> {
    let name = name.to_str()?;
    let image = |stem: &str| parse_name(Path::new(&format!("{stem}.iso"))).map(|(set, _)| set);
    if let Some((set, _)) = parse_part(name) {
        return Some(set);
    }
    let stem = name.strip_suffix(".iso")?;
    let attempt = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
    match stem.rsplit_once(".failed-") {
        Some((stem, n)) => image(stem).filter(|_| attempt(n)),
        None => image(stem),
    }
}

/// What systems leave behind wherever they have been: fsck, Windows, macOS, desktops.
fn is_left_by_systems(name: &OsStr) -> bool {
    const NAMES: [&str; 20] = [
        "lost+found",
        "System Volume Information",
        "$RECYCLE.BIN",
        "RECYCLER",
        "RECYCLED",
        "desktop.ini",
        "Thumbs.db",
        ".DS_Store",
        ".localized",
        ".fseventsd",
        ".Spotlight-V100",
        ".TemporaryItems",
        ".DocumentRevisions-V100",
        ".PKInstallSandboxManager",
        ".VolumeIcon.icns",
        ".apdisk",
        ".metadata_never_index",
        ".com.apple.timemachine.donotpresent",
        ".directory",
        ".hidden",
    ];
    let bytes = name.as_bytes();
    let is_named = |known: &str| bytes.eq_ignore_ascii_case(known.as_bytes());
    // `.Trash`, `.Trash-1000` and `.Trashes`; `._` is what macOS cannot keep with its files.
    NAMES.iter().any(|known| is_named(known))
        || bytes.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b".trash"))
        || bytes.starts_with(b"._")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shelf_is_known_by_what_only_shelves_have() {
        for (name, is_dir) in [
            (MARK, false),
            (".shelf.toml", false),
            ("copy2", true),
            ("copy31", true),
            ("photos-0001.iso", false),
            ("a-b-12345.iso", false),
            (".photos-0001.iso.part", false),
            (".photos-0001.1c5a8b0f3d2e4967.iso.part", false),
            ("photos-0001.failed-2.iso", false),
        ] {
            assert!(is_mark(OsStr::new(name), is_dir), "{name}");
        }
        for (name, is_dir) in [
            (MARK, true),
            ("copy2", false),
            ("copy1", true),
            ("copy", true),
            ("copy02", true),
            ("copy 2", true),
            ("debian-12.iso", false),
            ("photos-0001.iso", true),
            ("photos-0001.iso.part", false),
            (".photos.iso.part", false),
            (".photos-0001.1c5a8b0f.iso.part", false),
            (".photos-0001.1c5a8b0f3d2e496g.iso.part", false),
            ("photos-0001.1c5a8b0f3d2e4967.iso", false),
            ("photos-0001.failed-.iso", false),
            ("photos.failed-1.iso", false),
            ("photos-0001.img", false),
        ] {
            assert!(!is_mark(OsStr::new(name), is_dir), "{name}");
        }
    }

    #[test]
    fn what_systems_leave_says_nothing() {
        for name in ["lost+found", "$Recycle.Bin", ".Trash-1000", ".Trashes", ".DS_Store", "._x"] {
            assert!(is_left_by_systems(OsStr::new(name)), "{name}");
        }
        for name in ["found", "Trash", ".config", "_x", "readme.txt", ".git"] {
            assert!(!is_left_by_systems(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn a_directory_is_looked_into_as_a_whole() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path();
        assert_eq!(look_into(dir).unwrap(), Holds::Nothing);
        fs::create_dir(dir.join("lost+found")).unwrap();
        assert_eq!(look_into(dir).unwrap(), Holds::Nothing);
        fs::write(dir.join("z"), "").unwrap();
        fs::write(dir.join("letter"), "").unwrap();
        assert_eq!(look_into(dir).unwrap(), Holds::Others("letter".into()));
        fs::write(dir.join(MARK), "").unwrap();
        assert_eq!(look_into(dir).unwrap(), Holds::Shelf);
        assert!(is_marked(dir));
        assert!(look_into(&dir.join("none")).is_err());
    }
}
