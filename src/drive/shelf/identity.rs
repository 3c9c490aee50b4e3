//! The id of a shelf: a file in it that moves with it. Two lines of text (docs/shelf.md):
//!
//! ```text
//! coldcut shelf 1
//! 0f9a3a52-6d4c-4c8e-9b1f-1d2f6f7f2a10
//! ```

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;

use uuid::Uuid;

use crate::model::{ShelfId, ShelfPlace};
use crate::port::held_dir::{HeldDir, read_unlinked};
use crate::port::{files, filesystem};

/// The file that a shelf is known by.
pub const IDENTITY: &str = ".coldcut-shelf";
/// While it is written.
pub(super) const IN_WORK: &str = ".coldcut-shelf.part";
/// What kind of file this is, and the version of its format.
const HEADING: &str = "coldcut shelf 1";
/// A file that is longer is no id.
const LONGEST: u64 = 4096;

/// The id of the shelf, if it has one that is understood.
pub fn id_of(dir: &Path) -> Option<ShelfId> {
    parse(&read_unlinked(&dir.join(IDENTITY), LONGEST).ok()?)
}

fn parse(text: &str) -> Option<ShelfId> {
    let mut lines = text.lines();
    let id = (lines.next()? == HEADING).then(|| lines.next())??;
    Uuid::parse_str(id.trim()).ok().map(ShelfId)
}

/// The shelf's id; one that has none gets it. What is there and not understood is left alone, and
/// is an error.
pub fn give_id(dir: &Path) -> io::Result<ShelfId> {
    give_id_in(&HeldDir::open(dir)?)
}

pub(super) fn give_id_in(dir: &HeldDir) -> io::Result<ShelfId> {
    let made = match dir.has(OsStr::new(IDENTITY))? {
        true => Err(io::ErrorKind::AlreadyExists.into()),
        false => write_new(dir, HeldDir::rename_new),
    };
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            id_of(dir.path()).ok_or_else(|| io::ErrorKind::InvalidData.into())
        }
        made => made,
    }
}

/// Another id for a shelf that has the one of the shelf that it was copied from.
pub fn renew_id(dir: &Path) -> io::Result<ShelfId> {
    write_new(&HeldDir::open(dir)?, HeldDir::rename_over)
}

type Rename = fn(&HeldDir, &OsStr, &OsStr) -> io::Result<()>;

/// Durable when it returns. Several at once: the file in progress is each one's own.
fn write_new(dir: &HeldDir, rename: Rename) -> io::Result<ShelfId> {
    let mark = OsStr::new(IDENTITY);
    if dir.has_link(mark)? {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is a symbolic link"));
    }
    let id = ShelfId(Uuid::new_v4());
    let part = OsString::from(format!("{IN_WORK}-{id}"));
    let made = dir.create(&part).and_then(|mut file| {
        file.write_all(format!("{HEADING}\n{id}\n").as_bytes())?;
        file.sync_all()?;
        rename(dir, &part, mark)?;
        match dir.is_name_of(mark, &file)? {
            true => Ok(()),
            false => Err(io::ErrorKind::InvalidData.into()),
        }
    });
    if made.is_err() {
        let _ = dir.remove(&part);
    }
    made.and_then(|()| dir.sync()).map(|()| id)
}

/// What is known of a shelf where it lies now.
pub fn place_of(dir: &Path) -> ShelfPlace {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let (id, system) = (id_of(&dir), filesystem::identity(&dir));
    ShelfPlace { dir, id, system, file: None }
}

/// The same of an image on it.
pub fn place_of_file(path: &Path) -> ShelfPlace {
    let file = path.file_name().map(OsStr::to_owned);
    ShelfPlace { file, ..place_of(files::dir_of(path)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_shelf_keeps_its_id_and_another_one_has_another() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert_eq!(id_of(one.path()), None);
        let id = give_id(one.path()).unwrap();
        assert_eq!(give_id(one.path()).unwrap(), id);
        assert_eq!(id_of(one.path()), Some(id));
        assert_ne!(give_id(two.path()).unwrap(), id);
        let other = renew_id(one.path()).unwrap();
        assert_ne!(other, id);
        assert_eq!(id_of(one.path()), Some(other));
        let names: Vec<_> = fs::read_dir(one.path()).unwrap().flatten().collect();
        assert_eq!(names.len(), 1, "{names:?}");
    }

    #[test]
    fn what_is_not_understood_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        for content in ["", "coldcut shelf 2\nx", "coldcut shelf 1\nnothing\n"] {
            fs::write(dir.path().join(IDENTITY), content).unwrap();
            assert_eq!(id_of(dir.path()), None);
            give_id(dir.path()).unwrap_err();
            assert_eq!(fs::read_to_string(dir.path().join(IDENTITY)).unwrap(), content);
        }
    }
}
