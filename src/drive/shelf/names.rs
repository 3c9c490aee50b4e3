//! What is called how on a shelf.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use uuid::Uuid;

use crate::drive::DriveError;
use crate::drive::faults::ShelfFaults;
use crate::model::{DiscIdentity, DiscNo, Sectors, SetName};
use crate::port::files;
use crate::port::held_dir::HeldDir;

/// The suffix of an image that is being written. Its name is hidden, and not that of an image.
const PART: &str = ".iso.part";

/// What a shelf at this place is called.
pub(super) fn title(dir: &Path) -> String {
    format!("shelf {}", dir.display())
}

/// `holidays-0007`.
pub(super) fn stem(set: &SetName, number: DiscNo) -> String {
    format!("{set}-{:04}", number.0)
}

pub(super) fn image_name(label: &DiscIdentity) -> String {
    format!("{}.iso", stem(&label.set, label.number))
}

/// `.holidays-0007.1c5a8b0f3d2e4967.iso.part`: nobody knows it before it is there.
pub(super) fn part_name(label: &DiscIdentity) -> OsString {
    let random = Uuid::new_v4().as_u64_pair().0;
    format!(".{}.{random:016x}{PART}", stem(&label.set, label.number)).into()
}

/// Whether a file is what is left of a burn, by its name.
pub(super) fn is_part(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| parse_part(name).is_some())
}

/// Of which disc a file is what is left of a burn. Former versions gave it no random part.
pub(super) fn parse_part(name: &str) -> Option<(SetName, DiscNo)> {
    let name = name.strip_prefix('.')?.strip_suffix(PART)?;
    let is_random = |text: &str| text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let stem = match name.rsplit_once('.') {
        Some((stem, random)) if is_random(random) => stem,
        _ => name,
    };
    parse_stem(stem)
}

fn failed_name(label: &DiscIdentity, attempt: u32) -> String {
    format!("{}.failed-{attempt}.iso", stem(&label.set, label.number))
}

/// The first free name for a medium of this disc that is of no use.
pub(super) fn free_failed_name(
    dir: &HeldDir,
    label: &DiscIdentity,
) -> Result<OsString, DriveError> {
    let mut attempt = 1;
    loop {
        let name = OsString::from(failed_name(label, attempt));
        if !dir.has(&name).map_err(DriveError::io("access", dir.path().join(&name)))? {
            return Ok(name);
        }
        attempt += 1;
    }
}

/// Which disc an image's name says that it is.
pub(super) fn parse_name(path: &Path) -> Option<(SetName, DiscNo)> {
    parse_stem(path.file_name()?.to_str()?.strip_suffix(".iso")?)
}

fn parse_stem(stem: &str) -> Option<(SetName, DiscNo)> {
    let (set, number) = stem.rsplit_once('-')?;
    let digits = number.len() >= 4 && number.bytes().all(|b| b.is_ascii_digit());
    Some((SetName::new(set)?, DiscNo(digits.then(|| number.parse().ok())??)))
}

/// Whether the next medium of this disc is its first: only that one has faults.
pub(super) fn is_first_medium(dir: &Path, set: &SetName, number: DiscNo) -> bool {
    !dir.join(format!("{}.failed-1.iso", stem(set, number))).exists()
}

/// Where the shelf that an image is on pretends that it vanishes.
pub(in crate::drive) fn vanishing_of(path: &Path) -> Result<Option<Sectors>, DriveError> {
    match parse_name(path) {
        Some((_, number)) => Ok(ShelfFaults::read(files::dir_of(path))?.vanishes_at(number)),
        None => Ok(None),
    }
}

/// What the shelf that an image is on pretends to be unreadable of it.
pub(in crate::drive) fn bad_sectors_of(path: &Path) -> Result<std::ops::Range<u64>, DriveError> {
    let dir = files::dir_of(path);
    match parse_name(path) {
        Some((set, number)) if is_first_medium(dir, &set, number) => {
            Ok(ShelfFaults::read(dir)?.bad_sectors(number))
        }
        _ => Ok(0..0),
    }
}

/// By name: other files in a shelf are none of its business.
pub(in crate::drive) fn is_image(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.to_ascii_lowercase().ends_with(".iso") && !name.starts_with('.')
}

pub(super) fn is_failed(path: &Path) -> bool {
    path.file_name().unwrap_or_default().to_string_lossy().contains(".failed-")
}
