//! Finding discs where a person says they are: an image, a shelf, a folder of shelves, a mounted
//! disc, a folder of copied discs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Discs, DriveError, Folder, Image, Shelf};
use crate::port::stop::Stop;

/// How many levels of directories below FROM are looked into.
const DEPTH: usize = 2;

/// All discs at `from`. What looks like a disc and cannot be read is named in the answer; only
/// a `from` that cannot be looked at is an error.
pub fn discover(from: &Path, stop: &Stop) -> Result<Discs, DriveError> {
    let metadata = fs::metadata(from).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => DriveError::Missing(from.to_owned()),
        _ => DriveError::io("access", from)(e),
    })?;
    let mut found = Discs::default();
    if metadata.is_dir() {
        look_into(from, DEPTH, &mut found, stop)?;
    } else {
        found.add(Image::open(from, stop)?);
    }
    Ok(found)
}

fn look_into(dir: &Path, depth: usize, found: &mut Discs, stop: &Stop) -> Result<(), DriveError> {
    if Folder::is_one(dir) {
        found.discs.push(Box::new(Folder::open(dir)?));
        return Ok(());
    }
    let shelf = Shelf::open(dir)?.look(stop)?;
    found.discs.extend(shelf.discs);
    found.problems.extend(shelf.problems);
    if depth == 0 {
        return Ok(());
    }
    for below in directories(dir)? {
        if let Err(problem) = look_into(&below, depth - 1, found, stop) {
            found.doubt(problem)?;
        }
    }
    Ok(())
}

/// The directories in a directory, by name; hidden ones are not meant.
fn directories(dir: &Path) -> Result<Vec<PathBuf>, DriveError> {
    let mut below = Vec::new();
    for entry in fs::read_dir(dir).map_err(DriveError::io("list", dir))? {
        let entry = entry.map_err(DriveError::io("list", dir))?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !hidden && entry.path().is_dir() {
            below.push(entry.path());
        }
    }
    below.sort();
    Ok(below)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::Drive;
    use crate::drive::contract::{burn, contents, label, staged, wanted};
    use crate::drive::{DiscReader, ReadError};
    use crate::model::DiscIdentity;
    use std::os::unix::ffi::OsStrExt;

    fn shelf(dir: &Path, numbers: &[u32]) {
        fs::create_dir_all(dir).unwrap();
        for &number in numbers {
            burn(&mut Shelf::open(dir).unwrap(), &staged(number).job).unwrap();
        }
    }

    fn numbers(found: &Discs) -> Vec<u32> {
        let number =
            |disc: &dyn DiscReader| DiscIdentity::read(disc).unwrap().map_or(0, |l| l.number.0);
        found.discs.iter().map(|disc| number(&**disc)).collect()
    }

    fn copy_out(number: u32, dir: &Path) {
        for (path, content) in wanted(&staged(number).job) {
            let target = dir.join(path);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::write(target, content).unwrap();
        }
    }

    #[test]
    fn discs_are_found_on_shelves_in_folders_and_as_files() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join(std::ffi::OsStr::from_bytes(b"odd \xff 'name'\n"));
        shelf(&root.join("one"), &[1, 2]);
        shelf(&root.join("more/two"), &[3]);
        copy_out(4, &root.join("copied"));
        let found = discover(&root, &Stop::new()).unwrap();
        assert_eq!(numbers(&found), [4, 3, 1, 2]);
        assert!(found.problems.is_empty());
        assert_eq!(numbers(&discover(&root.join("one"), &Stop::new()).unwrap()), [1, 2]);
        assert_eq!(
            numbers(&discover(&root.join("one/holidays-0002.iso"), &Stop::new()).unwrap()),
            [2]
        );
        let copied = discover(&root.join("copied"), &Stop::new()).unwrap();
        assert_eq!(numbers(&copied), [4]);
        let (mut is, mut should) = (contents(&*copied.discs[0]), wanted(&staged(4).job));
        is.sort();
        should.sort();
        assert!(is == should);
    }

    #[test]
    fn what_is_no_disc_is_named_and_the_rest_is_found() {
        let dir = tempfile::tempdir().unwrap();
        shelf(dir.path(), &[1]);
        fs::write(dir.path().join("empty.iso"), "").unwrap();
        fs::write(dir.path().join("noise.iso"), vec![7; 100_000]).unwrap();
        fs::write(dir.path().join("holidays-0009.failed-1.iso"), "").unwrap();
        let mut foreign = staged(2);
        // One of ours that lost DISC.txt would still have archives.
        let is_ours = |path: &str| path == "DISC.txt" || path.starts_with("archives/");
        foreign.job.files.retain(|(path, _)| !is_ours(path));
        crate::drive::xorriso::write(
            &foreign.job,
            &fs::File::create(dir.path().join("foreign.iso")).unwrap(),
            &|_| (),
            &crate::port::stop::Stop::new(),
        )
        .unwrap();
        let found = discover(dir.path(), &Stop::new()).unwrap();
        assert_eq!(numbers(&found), [1]);
        let words: Vec<_> = found.problems.iter().map(|p| p.to_string()).collect();
        assert_eq!(words.len(), 3, "{words:?}");
        assert!(words[0].ends_with("empty.iso is not a disc image"), "{words:?}");
        assert!(words[1].ends_with("foreign.iso is not a coldcut disc"), "{words:?}");
        assert!(words[2].ends_with("noise.iso is not a disc image"), "{words:?}");
    }

    #[test]
    fn an_image_that_is_cut_short_is_named_and_gives_what_it_has() {
        let dir = tempfile::tempdir().unwrap();
        shelf(dir.path(), &[1]);
        let image = dir.path().join("holidays-0001.iso");
        let full = fs::metadata(&image).unwrap().len();
        fs::File::options().write(true).open(&image).unwrap().set_len(full - 5000).unwrap();
        let found = discover(dir.path(), &Stop::new()).unwrap();
        assert_eq!(numbers(&found), [1]);
        assert!(matches!(found.problems[..], [DriveError::CutShort { .. }]));
        let disc = &found.discs[0];
        let last = disc.file("SHA256SUMS").unwrap();
        let error = disc.read_at(last, 0, &mut [0; 10]).unwrap_err();
        assert!(matches!(error, ReadError::Unreadable { .. }), "{error}");
        assert_eq!(disc.read_at(disc.file("DISC.txt").unwrap(), 0, &mut [0; 10]).unwrap(), 10);
        // The root directory is left, and none of what is below it.
        fs::File::options().write(true).open(&image).unwrap().set_len(20 * 2048).unwrap();
        let found = discover(dir.path(), &Stop::new()).unwrap();
        assert!(found.discs[0].file("DISC.txt").is_some());
        use DriveError::{CutShort, Damaged};
        assert!(matches!(found.problems[..], [Damaged { .. }, CutShort { .. }]));
        // So much is gone that the directory is, too.
        fs::File::options().write(true).open(&image).unwrap().set_len(19 * 2048).unwrap();
        let found = discover(dir.path(), &Stop::new()).unwrap();
        assert!(found.discs.is_empty());
        assert!(matches!(found.problems[..], [Damaged { .. }]));
    }

    #[test]
    fn a_disc_whose_own_name_is_unreadable_is_still_found() {
        let dir = tempfile::tempdir().unwrap();
        shelf(dir.path(), &[1]);
        let mut shelf = Shelf::open(dir.path()).unwrap();
        let disc = shelf.find(&label(1)).unwrap();
        let sector = disc.file("DISC.txt").unwrap().sector_at(0).unwrap().0;
        let fault = format!("read_error = [1, {sector}, 1]\n");
        fs::write(dir.path().join(".shelf.toml"), fault).unwrap();
        assert!(shelf.find(&label(1)).is_ok());
        assert_eq!(discover(dir.path(), &Stop::new()).unwrap().discs.len(), 1);
    }

    #[test]
    fn a_place_that_does_not_exist_is_an_error_and_an_empty_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        assert!(discover(dir.path(), &Stop::new()).unwrap().discs.is_empty());
        let gone = discover(&dir.path().join("gone"), &Stop::new()).err().unwrap();
        assert!(matches!(gone, DriveError::Missing(_)), "{gone}");
    }
}
