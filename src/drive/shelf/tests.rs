//! The shelf keeps the contract of drives, and what is its own.

use super::*;
use crate::drive::contract::{self, DriveBench, InjectedFault, burn, label, staged};
use crate::drive::faults;

pub(in crate::drive) struct ShelfBench(tempfile::TempDir);

impl ShelfBench {
    pub fn dir(&self) -> &Path {
        self.0.path()
    }
}

pub(in crate::drive) fn bench() -> ShelfBench {
    ShelfBench(tempfile::tempdir().unwrap())
}

impl DriveBench for ShelfBench {
    fn drive(&self) -> Box<dyn Drive> {
        Box::new(Shelf::open(self.0.path()).unwrap())
    }

    fn arrange(&self, troubles: &[InjectedFault]) {
        let lines = troubles.iter().map(|trouble| match trouble {
            InjectedFault::WriteError(disc, at) => format!("write_error_at = [{disc}, {}]\n", at.0),
            InjectedFault::ReadError(disc, at, n) => {
                format!("read_error = [{disc}, {}, {n}]\n", at.0)
            }
            InjectedFault::Blanks(n) => format!("full_after = {n}\n"),
            InjectedFault::Present(discs) => {
                format!("present = {:?}\n", discs.iter().map(|d| d.0).collect::<Vec<_>>())
            }
            InjectedFault::Swap(disc, label) => {
                format!("wrong = {{{disc} = \"{}\"}}\n", image_name(label))
            }
        });
        fs::write(self.0.path().join(faults::FILE), lines.collect::<String>()).unwrap();
    }

    fn medium(&self, label: &DiscIdentity) -> Option<Vec<u8>> {
        fs::read(self.0.path().join(image_name(label))).ok()
    }
}

fn names(bench: &ShelfBench) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(bench.0.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_shelf_keeps_the_contract_of_drives() {
    contract::check(bench);
}

#[test]
fn a_shelf_holds_images_by_name_its_id_and_nothing_else() {
    let bench = bench();
    burn(&mut *bench.drive(), &staged(1).job).unwrap();
    assert_eq!(names(&bench), [".coldcut-shelf", "holidays-0001.iso"]);
}

#[test]
fn a_spoilt_medium_is_left_and_is_no_disc() {
    let bench = bench();
    bench.arrange(&[InjectedFault::WriteError(DiscNo(1), Sectors(50)), InjectedFault::Blanks(2)]);
    burn(&mut *bench.drive(), &staged(1).job).unwrap_err();
    let spoilt = bench.0.path().join("holidays-0001.failed-1.iso");
    assert_eq!(fs::metadata(&spoilt).unwrap().len(), 50 * 2048);
    burn(&mut *bench.drive(), &staged(1).job).unwrap();
    let error = bench.drive().take_blank(&label(2)).unwrap_err();
    assert!(matches!(error, DriveError::NoMoreBlanks { .. }), "{error}");
}

/// How long it takes is not looked at.
#[test]
fn a_shelf_that_takes_its_time_tells_how_far_it_is_and_holds_the_same_disc() {
    use std::cell::Cell;
    let (slow, plain) = (bench(), bench());
    let rates = "write_rate = 20_000_000\nread_rate = 50_000_000\n";
    fs::write(slow.0.path().join(faults::FILE), rates).unwrap();
    let staged = staged(1);
    let (told, tellings) = (Cell::new(0), Cell::new(0));
    let watch = |news: News| {
        if let News::Written(bytes) = news {
            assert!(bytes.0 >= told.get());
            told.set(bytes.0);
            tellings.set(tellings.get() + 1);
        }
    };
    slow.drive().burn(&staged.job, &watch, &Stop::new()).unwrap();
    assert_eq!(told.get(), staged.job.sectors.bytes().0);
    assert!(tellings.get() >= 1);
    burn(&mut *plain.drive(), &staged.job).unwrap();
    assert_eq!(slow.medium(&label(1)), plain.medium(&label(1)));
    let reader = slow.drive().find(&label(1)).unwrap();
    let file = reader.file("archives/00000002.tar.bz2").unwrap();
    let mut content = vec![0; file.size.0 as usize];
    assert_eq!(reader.read_at(file, 0, &mut content).unwrap(), content.len());
}

#[test]
fn left_overs_of_a_killed_run_are_removed_by_the_next_burn() {
    let bench = bench();
    for part in [".holidays-0007.1c5a8b0f3d2e4967.iso.part", ".holidays-0007.iso.part"] {
        fs::write(bench.0.path().join(part), "half").unwrap();
    }
    // A browser's, say.
    fs::write(bench.0.path().join(".debian-12.iso.part"), "half").unwrap();
    burn(&mut *bench.drive(), &staged(1).job).unwrap();
    let left = [".coldcut-shelf", ".debian-12.iso.part", "holidays-0001.iso"];
    assert_eq!(names(&bench), left);
}

#[test]
fn two_writers_do_not_share_a_shelf() {
    let bench = bench();
    let shelf = Shelf::open(bench.0.path()).unwrap();
    let lock = shelf.lock(&shelf.hold().unwrap()).unwrap();
    let dir = shelf.hold().unwrap();
    let in_work = PartialImage::new_in(&dir, &label(2)).unwrap();
    let error = burn(&mut *bench.drive(), &staged(1).job).unwrap_err();
    assert!(matches!(error, DriveError::Busy(_)), "{error}");
    assert!(
        names(&bench).iter().any(|name| is_part(OsStr::new(name))),
        "what is in progress stays"
    );
    in_work.remove();
    drop(lock);
    burn(&mut *bench.drive(), &staged(1).job).unwrap();
}

#[test]
fn a_shelf_without_room_says_how_much_is_missing() {
    let bench = bench();
    let mut staged = staged(1);
    staged.job.sectors = Sectors(1 << 50);
    let error = burn(&mut *bench.drive(), &staged.job).unwrap_err();
    assert!(matches!(error, DriveError::NoSpace { .. }), "{error}");
    assert!(error.to_string().contains("is needed and"), "{error}");
}

#[test]
fn what_is_no_directory_is_no_shelf() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x");
    assert!(matches!(Shelf::open(&file), Err(DriveError::Missing(_))));
    fs::write(&file, "").unwrap();
    assert!(matches!(Shelf::open(&file), Err(DriveError::NotADirectory(_))));
    fs::write(dir.path().join(faults::FILE), "x = 1").unwrap();
    assert!(matches!(Shelf::open(dir.path()), Err(DriveError::Settings { .. })));
}

#[test]
fn an_image_never_takes_the_name_of_another() {
    let bench = bench();
    let shelf = Shelf::open(bench.dir()).unwrap();
    let dir = shelf.hold().unwrap();
    let part = PartialImage::new_in(&dir, &label(1)).unwrap();
    let image = bench.dir().join("image");
    fs::write(&image, "old").unwrap();
    let refused = part.publish(OsStr::new("image"));
    assert!(matches!(refused, Err(DriveError::AlreadyThere { .. })), "{refused:?}");
    assert_eq!(fs::read(&image).unwrap(), b"old");
    part.publish(OsStr::new("other")).unwrap();
    assert_eq!(names(&bench), ["image", "other"]);
}

#[test]
fn what_is_written_has_a_name_that_nobody_knows_before() {
    let bench = bench();
    let shelf = Shelf::open(bench.dir()).unwrap();
    let dir = shelf.hold().unwrap();
    let parts = [1, 1].map(|n| PartialImage::new_in(&dir, &label(n)).unwrap());
    let names = names(&bench);
    assert_eq!(names.len(), 2, "{names:?}");
    for name in names {
        let disc = names::parse_part(&name);
        assert_eq!(disc, Some((label(1).set, label(1).number)), "{name}");
    }
    parts.iter().for_each(PartialImage::remove);
    assert_eq!(fs::read_dir(bench.dir()).unwrap().count(), 0);
}

#[test]
fn an_image_is_read_back_from_its_own_name_and_through_no_link() {
    let (bench, elsewhere) = (bench(), tempfile::tempdir().unwrap());
    let mut shelf = Shelf::open(bench.dir()).unwrap();
    burn(&mut shelf, &staged(1).job).unwrap();
    let (image, moved) = (shelf.image_path(&label(1)), elsewhere.path().join("moved.iso"));
    fs::copy(&image, &moved).unwrap();
    fs::remove_file(&image).unwrap();
    std::os::unix::fs::symlink(&moved, &image).unwrap();
    let error = shelf.find(&label(1)).err().unwrap();
    assert!(matches!(&error, DriveError::Link(path) if *path == image), "{error}");
    // Who only looks for discs may be led there.
    assert_eq!(shelf.discs().unwrap().discs.len(), 1);
}

#[test]
fn another_file_under_the_name_is_not_what_was_burned() {
    let bench = bench();
    let mut shelf = Shelf::open(bench.dir()).unwrap();
    burn(&mut shelf, &staged(1).job).unwrap();
    let image = shelf.image_path(&label(1));
    let copy = bench.dir().join("copy");
    fs::copy(&image, &copy).unwrap();
    fs::rename(&copy, &image).unwrap();
    let error = shelf.find(&label(1)).err().unwrap();
    assert!(matches!(&error, DriveError::Replaced(path) if *path == image), "{error}");
    // Whoever comes later has what is there, and reads it.
    assert!(Shelf::open(bench.dir()).unwrap().find(&label(1)).is_ok());
}

#[test]
fn a_directory_that_became_a_link_is_not_written_to() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, elsewhere) = (temp.path().join("shelf"), temp.path().join("elsewhere"));
    fs::create_dir(&dir).unwrap();
    fs::create_dir(&elsewhere).unwrap();
    let mut shelf = Shelf::open(&dir).unwrap();
    fs::remove_dir(&dir).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &dir).unwrap();
    let error = burn(&mut shelf, &staged(1).job).unwrap_err();
    let source = std::error::Error::source(&error).map(ToString::to_string);
    assert!(source.is_some_and(|words| words.contains("symbolic link")), "{error}");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn names_of_images_tell_the_disc() {
    let parse = |name: &str| parse_name(Path::new(name));
    let named = |set: &str, n| Some((SetName::new(set).unwrap(), DiscNo(n)));
    assert_eq!(parse("/x/my-set-0012.iso"), named("my-set", 12));
    assert_eq!(parse("a-12345.iso"), named("a", 12345));
    for other in ["a-12.iso", "a-0001.failed-1.iso", "a-0001.img", "0001.iso", "a-00x1.iso"] {
        assert_eq!(parse(other), None, "{other}");
    }
}

#[test]
fn a_shelf_that_is_missing_is_made_for_its_first_disc_and_not_before() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("new");
    let mut shelf = Shelf::open_or_plan(&dir).unwrap();
    assert!(shelf.discs().unwrap().discs.is_empty());
    let missing = shelf.find(&label(1)).err();
    assert!(matches!(missing, Some(DriveError::NotThere { .. })), "{missing:?}");
    assert!(!dir.exists());
    burn(&mut shelf, &staged(1).job).unwrap();
    assert!(shelf.find(&label(1)).is_ok());
    let deep = Shelf::open_or_plan(&temp.path().join("a/b"));
    assert!(matches!(deep, Err(DriveError::Missing(above)) if above.ends_with("a")));
    fs::write(temp.path().join("file"), "").unwrap();
    let file = Shelf::open_or_plan(&temp.path().join("file/x"));
    assert!(matches!(file, Err(DriveError::NotADirectory(_))), "{file:?}");
    assert!(!temp.path().join("a").exists());
}
