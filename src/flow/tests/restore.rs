//! Backups onto shelves, and what comes back from them: whole, damaged, incomplete, encrypted.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::catalog::{Access, Catalog, Finding};
use crate::codec::bzip2_frames::Bzip2Coder;
use crate::drive::{DiscFile, DiscReader, Image, Shelf};
use crate::flow::WaitLimit;
use crate::flow::backup::{BackupReport, BackupRequest, backup};
use crate::flow::base::keys::KeyRing;
use crate::flow::burn::station::Drives;
use crate::flow::care::verify::{VerifyReport, VerifyRequest, verify_from};
use crate::flow::restore::{ReadingDrive, RestoreReport, RestoreRequest, restore};
use crate::flow::staging::disc_size::DiscSize;
use crate::flow::tests::requests::backup_request;
use crate::flow::*;
use crate::model::Against;
use crate::model::glob::PathGlobs;
use crate::model::size::SECTOR;
use crate::model::{Bytes, DiscNo, Sectors, SetName, SnapshotSeq};
use crate::port::operator::{Nobody, Operator};
use crate::port::passphrase::{PassphraseRequest, Secret};
use crate::port::recorder::Recorder;
use crate::port::stop::{Stop, Stopped};
use crate::restore::place::OverwritePolicy;
use crate::ui::words::advice::with_advice;

#[path = "../../../tests/support/compare.rs"]
pub(super) mod compare;
#[path = "../../../tests/support/trees.rs"]
#[allow(dead_code)]
mod trees;

/// A source, a shelf, and all that lies between.
pub(super) struct RestoreBench {
    pub(super) dir: TempDir,
    pub(super) passphrase: Option<&'static str>,
    pub(super) archive_size: u64,
    pub(super) bzip2: Bzip2Coder,
    pub(super) parity: Option<u8>,
    pub(super) capacity: Sectors,
    /// Where restores read, if not from the shelf that backups go to.
    pub(super) shelves: Vec<PathBuf>,
    pub(super) monitor: Recorder,
}

/// What a test asks of a restore, beside the usual.
#[derive(Clone)]
pub(super) struct RestoreOptions {
    pub(super) paths: Vec<&'static str>,
    pub(super) snapshot: Option<u32>,
    pub(super) overwrite: OverwritePolicy,
    pub(super) catalog: bool,
    pub(super) dry_run: bool,
}

impl Default for RestoreOptions {
    fn default() -> RestoreOptions {
        let (paths, overwrite) = (Vec::new(), OverwritePolicy::Never);
        RestoreOptions { paths, snapshot: None, overwrite, catalog: false, dry_run: false }
    }
}

impl RestoreBench {
    pub(super) fn new() -> RestoreBench {
        let dir = tempfile::tempdir().unwrap();
        for name in ["source", "shelf"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        RestoreBench {
            dir,
            passphrase: None,
            archive_size: 1 << 20,
            bzip2: Bzip2Coder::default(),
            parity: None,
            capacity: Sectors(8 << 10),
            shelves: Vec::new(),
            monitor: Recorder::default(),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Where discs are read.
    pub(super) fn from(&self) -> Vec<PathBuf> {
        match self.shelves.is_empty() {
            true => vec![self.path("shelf")],
            false => self.shelves.clone(),
        }
    }

    pub(super) fn no_drives<'d>(&self) -> Vec<Option<ReadingDrive<'d>>> {
        self.from().iter().map(|_| None).collect()
    }

    pub(super) fn source(&self, name: &str) -> PathBuf {
        self.path("source").join(name)
    }

    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.source(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(super) fn context<'a>(&'a self, operator: &'a dyn Operator, stop: &'a Stop) -> Context<'a> {
        Context {
            monitor: &self.monitor,
            operator,
            stop,
            wait_limit: WaitLimit::AtMost(Duration::ZERO),
            turn: WaitLimit::AtMost(Duration::ZERO),
            overwrite: false,
            limits: Default::default(),
        }
    }

    pub(super) fn backup(&self) -> BackupReport {
        let ask = ask(self.passphrase);
        let keys = ring(&ask, self.passphrase.is_some());
        let request = BackupRequest {
            drill: true,
            archive_size: Bytes(self.archive_size),
            bzip2: self.bzip2,
            parity: self.parity,
            flush: true,
            ..backup_request(self.dir.path(), "holidays", DiscSize::typed(self.capacity), keys)
        };
        let shelf = Shelf::open(&self.path("shelf")).unwrap();
        let mut drives = [Drives::one(Box::new(shelf))];
        let stop = Stop::new();
        backup(&request, &mut drives, self.context(&Nobody, &stop))
            .unwrap_or_else(|error| panic!("{}", chain(&error)))
    }

    pub(super) fn try_restore(
        &self,
        to: &str,
        wish: RestoreOptions,
    ) -> Result<RestoreReport, FlowError> {
        self.restore_with(to, wish, self.passphrase)
    }

    pub(super) fn restore_with(
        &self,
        to: &str,
        wish: RestoreOptions,
        passphrase: Option<&'static str>,
    ) -> Result<RestoreReport, FlowError> {
        let ask = ask(passphrase);
        let catalog = if wish.catalog { "catalog.sqlite" } else { "no such catalog" };
        let request = RestoreRequest {
            trust: Default::default(),
            from: self.from(),
            target: self.path(to),
            catalog: self.path(catalog),
            name: None,
            snapshot: wish.snapshot.map(SnapshotSeq),
            paths: PathGlobs::new(&wish.paths).unwrap(),
            overwrite: wish.overwrite,
            owners: true,
            rights: crate::flow::library::vouching::Rights::Restore,
            keys: ring(&ask, false),
            dry_run: wish.dry_run,
            scratch: self.path("scratch"),
        };
        self.monitor.heard.troubles.lock().unwrap().clear();
        self.monitor.heard.notes.lock().unwrap().clear();
        restore(&request, self.no_drives(), self.context(&Nobody, &Stop::new()))
    }

    #[track_caller]
    pub(super) fn restore(&self, to: &str, wish: RestoreOptions) -> RestoreReport {
        self.try_restore(to, wish).unwrap_or_else(|error| panic!("{}", chain(&error)))
    }

    #[track_caller]
    pub(super) fn assert_comes_back(&self, to: &str, wish: RestoreOptions) {
        let report = self.restore(to, wish);
        assert!(report.is_complete(), "{report:?}\n{:?}", self.troubles());
        compare::assert_same_tree(&self.path("source"), &self.path(to));
    }

    pub(super) fn verify(&self, catalog: &str) -> Result<VerifyReport, FlowError> {
        self.monitor.heard.troubles.lock().unwrap().clear();
        self.monitor.heard.notes.lock().unwrap().clear();
        let request = VerifyRequest {
            trust: Default::default(),
            from: self.path("shelf"),
            catalog: self.path(catalog),
            name: None,
            scratch: self.path("scratch"),
            keys: None,
            is_of_stack: false,
        };
        verify_from(&request, None, self.context(&Nobody, &Stop::new()))
    }

    pub(super) fn troubles(&self) -> Vec<String> {
        self.monitor.heard.troubles.lock().unwrap().iter().map(ToString::to_string).collect()
    }

    pub(super) fn notes(&self) -> String {
        self.monitor.words().join("\n")
    }

    pub(super) fn image(&self, number: u32) -> PathBuf {
        self.path("shelf").join(format!("holidays-{number:04}.iso"))
    }

    pub(super) fn images(&self) -> usize {
        let names = fs::read_dir(self.path("shelf")).unwrap().flatten();
        names.filter(|entry| entry.path().extension().is_some_and(|e| e == "iso")).count()
    }

    /// Flips a byte in the largest file of a disc whose name begins so.
    pub(super) fn flip(&self, disc: u32, file: &str, offset: u64) {
        let image = Image::open(&self.image(disc), &Stop::new()).unwrap();
        let found = largest(&image, file);
        let sector = found.sector_at(offset).unwrap();
        let at = sector.0 * SECTOR + offset % SECTOR;
        let raw = fs::OpenOptions::new().read(true).write(true).open(self.image(disc)).unwrap();
        let mut byte = [0];
        raw.read_exact_at(&mut byte, at).unwrap();
        raw.write_all_at(&[byte[0] ^ 0x40], at).unwrap();
    }

    pub(super) fn file_size(&self, disc: u32, file: &str) -> u64 {
        let image = Image::open(&self.image(disc), &Stop::new()).unwrap();
        largest(&image, file).size.0
    }
}

fn largest<'a>(image: &'a Image, name: &str) -> &'a DiscFile {
    let named = image.files().iter().filter(|file| file.path.starts_with(name));
    named.max_by_key(|file| file.size).unwrap_or_else(|| panic!("{name} is not there"))
}

pub(super) fn ask(
    passphrase: Option<&'static str>,
) -> impl Fn(PassphraseRequest) -> Result<Secret, FlowError> {
    move |request| match passphrase {
        Some(text) => Ok(Secret::new(text.into())),
        None => panic!("asked for: {request:?}"),
    }
}

pub(in crate::flow) fn ring<'a>(
    ask: &'a crate::flow::base::keys::AskPassphrase<'a>,
    encrypt: bool,
) -> KeyRing<'a> {
    KeyRing {
        passphrase: ask,
        tries: 1,
        encrypt,
        plain: None,
        named: None,
        recipients: Vec::new(),
        recipients_named: crate::flow::base::keys::SettingOrigin::Typed,
        new_recipients: false,
        note: &|_| (),
        hidden: false,
        secret_key: None,
    }
}

pub(super) fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

pub(super) fn text(length: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(length + 20);
    let mut number: u64 = length as u64;
    while text.len() < length {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        text.extend_from_slice(format!("{} ", number >> 50).as_bytes());
    }
    text.truncate(length);
    text
}

/// A bit of everything: many small files, long ones of both kinds, copies, links, holes, odd names.
pub(super) fn fill(bench: &RestoreBench) {
    for number in 0..200 {
        bench.write(&format!("many/{}/{number}.txt", number % 7), text(100 + number * 37));
    }
    bench.write("long.txt", text(3_000_000));
    bench.write("long.jpg", noise(2_500_000));
    bench.write("small.jpg", noise(30_000));
    bench.write("copy/small.jpg", fs::read(bench.source("small.jpg")).unwrap());
    bench.write("copy/again.txt", text(3_000_000));
    bench.write("empty", "");
    let odd = std::ffi::OsStr::from_bytes(b"odd/\xff new\nline\t\\ -");
    fs::create_dir_all(bench.source("odd")).unwrap();
    fs::write(bench.path("source").join(odd), "odd").unwrap();
    bench.write(".coldcut-parts/0000000000000000/0001", "not a part");
    fs::hard_link(bench.source("small.jpg"), bench.source("another name.jpg")).unwrap();
    fs::hard_link(bench.source("empty"), bench.source("empty too")).unwrap();
    symlink("../long.txt", bench.source("copy/link")).unwrap();
    let holes = fs::File::create(bench.source("holes")).unwrap();
    holes.set_len(5_000_000).unwrap();
    holes.write_all_at(b"in the middle", 2_000_000).unwrap();
    nix::unistd::mkfifo(&bench.source("fifo"), nix::sys::stat::Mode::from_bits_truncate(0o620))
        .unwrap();
    fs::set_permissions(bench.source("many/3"), fs::Permissions::from_mode(0o500)).unwrap();
    fs::set_permissions(bench.source("long.txt"), fs::Permissions::from_mode(0o4751)).unwrap();
}

#[test]
fn all_comes_back_from_the_discs_alone_and_with_the_catalog() {
    let bench = RestoreBench::new();
    fill(&bench);
    assert!(bench.backup().is_complete());
    bench.assert_comes_back("one", RestoreOptions::default());
    bench.assert_comes_back("two", RestoreOptions { catalog: true, ..RestoreOptions::default() });
}

/// The drill reads the disc with the `bzip2` of the system before it is burned.
#[test]
fn frames_of_a_faulty_encoder_are_made_again_and_counted_and_the_disc_is_right() {
    let bench = RestoreBench { bzip2: Bzip2Coder::Faulty, ..RestoreBench::new() };
    fill(&bench);
    let report = bench.backup();
    assert!(report.is_complete() && report.recoded_frames > 0, "{report:?}");
    assert!(bench.notes().contains("libbz2 made them"), "{}", bench.notes());
    bench.assert_comes_back("one", RestoreOptions::default());
}

#[test]
fn an_encrypted_set_comes_back_and_another_passphrase_is_told_before_any_work() {
    let mut bench = RestoreBench::new();
    bench.passphrase = Some("sesame");
    fill(&bench);
    bench.backup();
    bench.assert_comes_back("one", RestoreOptions::default());
    for catalog in [false, true] {
        let wish = RestoreOptions { catalog, ..RestoreOptions::default() };
        let error = bench.restore_with("none", wish, Some("open")).unwrap_err();
        assert!(matches!(error, FlowError::Key(KeyError::WrongPassphrase(_))), "{error}");
        assert!(!bench.path("none").exists());
    }
}

#[test]
fn files_in_parts_are_joined_over_archives_and_discs() {
    for passphrase in [None, Some("sesame")] {
        let mut bench = RestoreBench::new();
        (bench.archive_size, bench.capacity) = (300 << 10, Sectors(1024));
        bench.passphrase = passphrase;
        bench.write("a.jpg", noise(5_000_000));
        bench.write("b.txt", text(2_000_000));
        bench.write("copy/a.jpg", fs::read(bench.source("a.jpg")).unwrap());
        bench.write("small", "small");
        bench.backup();
        assert!(bench.images() > 2, "{} discs", bench.images());
        bench.assert_comes_back("one", RestoreOptions::default());
        bench.assert_comes_back(
            "two",
            RestoreOptions { catalog: true, ..RestoreOptions::default() },
        );
    }
}

#[test]
fn each_snapshot_comes_back_and_what_moved_or_was_copied_is_found() {
    let bench = RestoreBench::new();
    bench.write("a", text(50_000));
    bench.write("b", "first");
    bench.write("gone", "gone");
    bench.backup();
    fs::rename(bench.source("a"), bench.source("moved")).unwrap();
    bench.write("copy", fs::read(bench.source("moved")).unwrap());
    bench.write("b", "second, longer");
    fs::remove_file(bench.source("gone")).unwrap();
    bench.backup();
    for catalog in [false, true] {
        let to = |what: &str| format!("{what}-{catalog}");
        bench
            .assert_comes_back(&to("new"), RestoreOptions { catalog, ..RestoreOptions::default() });
        let wish = RestoreOptions { snapshot: Some(1), catalog, ..RestoreOptions::default() };
        assert!(bench.restore(&to("old"), wish).is_complete());
        let old = bench.path(&to("old"));
        assert_eq!(fs::read(old.join("b")).unwrap(), b"first");
        assert_eq!(fs::read(old.join("a")).unwrap(), text(50_000));
        assert!(old.join("gone").exists() && !old.join("copy").exists());
        let wish = RestoreOptions { snapshot: Some(7), catalog, ..RestoreOptions::default() };
        let error = bench.try_restore(&to("none"), wish).unwrap_err();
        assert!(
            matches!(error, FlowError::Selection(SelectionError::NoSuchSnapshot { .. })),
            "{error}"
        );
    }
}

#[test]
fn only_what_was_asked_for_comes_back_with_the_directories_above_it() {
    let bench = RestoreBench::new();
    fill(&bench);
    bench.backup();
    let wish = |path| RestoreOptions { paths: vec![path], ..RestoreOptions::default() };
    assert_eq!(bench.restore("one", wish("many/3/3.txt")).restored, 1);
    assert_eq!(fs::read(bench.path("one/many/3/3.txt")).unwrap(), text(211));
    assert_eq!(fs::read_dir(bench.path("one")).unwrap().count(), 1);
    let mode = bench.path("one/many/3").metadata().unwrap().mode();
    assert_eq!(mode & 0o777, 0o500);
    // A link without its first name is a file with its content.
    assert!(bench.restore("two", wish("small.jpg")).is_complete());
    assert_eq!(fs::read(bench.path("two/small.jpg")).unwrap().len(), 30_000);
    let error = bench.try_restore("three", wish("no/such*")).unwrap_err();
    assert!(error.to_string().contains("no/such*"), "{error}");
    assert!(!bench.path("three").exists());
}

#[test]
fn a_dry_run_says_the_plan_and_writes_nothing() {
    let bench = RestoreBench::new();
    bench.write("a", "12345");
    bench.backup();
    let report =
        bench.restore("one", RestoreOptions { dry_run: true, ..RestoreOptions::default() });
    assert_eq!((report.files_planned, report.bytes_planned), (1, 5));
    assert_eq!(report.discs, [DiscNo(1)]);
    assert_eq!((report.bytes_to_read, report.media_changes), (5, 0));
    assert!(bench.notes().contains("1 file,"), "{}", bench.notes());
    assert!(!bench.path("one").exists());
}

#[test]
fn what_is_there_is_kept_or_replaced_as_asked() {
    let bench = RestoreBench::new();
    for name in ["same", "other", "new"] {
        bench.write(name, name);
    }
    bench.backup();
    assert!(bench.restore("one", RestoreOptions::default()).is_complete());
    let at = |name: &str| bench.path("one").join(name);
    fs::write(at("other"), "mine").unwrap();
    fs::remove_file(at("new")).unwrap();

    let report = bench.restore("one", RestoreOptions::default());
    assert_eq!((report.restored, report.there, report.kept), (1, 1, 1));
    assert!(!report.is_complete());
    assert!(bench.troubles()[0].starts_with("other: "), "{:?}", bench.troubles());
    assert_eq!(fs::read(at("other")).unwrap(), b"mine");

    let report = bench.restore(
        "one",
        RestoreOptions { overwrite: OverwritePolicy::Changed, ..RestoreOptions::default() },
    );
    assert_eq!((report.restored, report.there, report.kept), (1, 2, 0));
    let report = bench.restore(
        "one",
        RestoreOptions { overwrite: OverwritePolicy::Always, ..RestoreOptions::default() },
    );
    assert_eq!((report.restored, report.there), (3, 0));
    compare::assert_same_tree(&bench.path("source"), &bench.path("one"));
}

#[test]
fn a_damaged_place_costs_the_files_in_it_and_names_them() {
    for (passphrase, content) in
        [(None, noise as fn(usize) -> Vec<u8>), (None, text), (Some("sesame"), text)]
    {
        let mut bench = RestoreBench::new();
        bench.passphrase = passphrase;
        for number in 0..100 {
            bench.write(&format!("{number:03}"), content(20_000 + number));
        }
        bench.backup();
        let middle = bench.file_size(1, "archives/") / 2;
        // Some are in the content of a file, wherever headers and padding lie.
        (0..4).for_each(|step| bench.flip(1, "archives/", middle + step * 30_000));
        let report = bench.restore("one", RestoreOptions::default());
        assert!(!report.is_complete() && report.failed > 0, "{report:?}");
        assert!(report.failed < 60, "{report:?}");
        assert_eq!(bench.troubles().len() as u64, report.failed);
        assert!(bench.troubles()[0].contains("disc 1, archive"), "{:?}", bench.troubles());
        let lost: Vec<String> = bench.troubles().iter().map(|t| t[..3].to_owned()).collect();
        for number in 0..100 {
            let name = format!("{number:03}");
            let found = fs::read(bench.path("one").join(&name)).ok();
            let expected = fs::read(bench.source(&name)).ok().filter(|_| !lost.contains(&name));
            assert!(found == expected, "{name}");
        }
    }
}

#[test]
fn a_missing_disc_is_named_and_all_else_comes_back() {
    let mut bench = RestoreBench::new();
    (bench.archive_size, bench.capacity) = (300 << 10, Sectors(1024));
    for number in 0..12 {
        bench.write(&format!("{number:02}.jpg"), noise(400_000));
    }
    bench.backup();
    let discs = bench.images() as u32;
    assert!(discs >= 3, "{discs}");
    fs::write(bench.path("shelf/.shelf.toml"), "present = [1, 3, 4, 5, 6, 7]").unwrap();
    for catalog in [false, true] {
        let to = format!("to-{catalog}");
        let report = bench.restore(&to, RestoreOptions { catalog, ..RestoreOptions::default() });
        assert_eq!(report.missing_discs, [DiscNo(2)], "{report:?}");
        assert!(report.missing > 0 && report.restored > 0 && report.lacks_discs());
        assert_eq!(report.missing + report.restored, 12 - report.failed);
        assert!(bench.troubles().iter().any(|t| t.contains("disc 2 is missing")));
        for number in 0..12 {
            let name = format!("{number:02}.jpg");
            if let Ok(found) = fs::read(bench.path(&to).join(&name)) {
                assert_eq!(found, fs::read(bench.source(&name)).unwrap());
            }
        }
        let left = fs::read_dir(bench.path(&to)).unwrap().count() as u64;
        assert_eq!(left, report.restored, "temporary files are left");
    }
}

#[test]
fn the_last_disc_may_be_lost_and_the_others_still_tell_what_they_have() {
    let mut bench = RestoreBench::new();
    (bench.archive_size, bench.capacity) = (300 << 10, Sectors(1024));
    for number in 0..12 {
        bench.write(&format!("{number:02}.jpg"), noise(400_000));
    }
    bench.backup();
    let discs = bench.images() as u32;
    fs::remove_file(bench.image(discs)).unwrap();
    let report = bench.restore("one", RestoreOptions::default());
    assert!(report.lacks_discs(), "{report:?}");
    assert!(report.restored >= 6, "{report:?}");
    assert_eq!(report.restored + report.missing + report.failed, 12);
}

#[test]
fn a_wrong_disc_is_named() {
    let mut bench = RestoreBench::new();
    (bench.archive_size, bench.capacity) = (300 << 10, Sectors(1024));
    bench.write("a.jpg", noise(5_000_000));
    bench.backup();
    let wrong = "wrong = {2 = \"holidays-0001.iso\"}";
    fs::write(bench.path("shelf/.shelf.toml"), wrong).unwrap();
    let report = bench.restore("one", RestoreOptions::default());
    assert_eq!(report.missing_discs, [DiscNo(2)]);
    assert!(bench.notes().contains("not disc 2 of holidays but disc 1"), "{}", bench.notes());
    assert!(!bench.verify("catalog.sqlite").unwrap().is_sound());
}

#[test]
fn a_copy_in_another_folder_heals_a_damaged_disc() {
    let mut bench = RestoreBench::new();
    (bench.archive_size, bench.capacity) = (300 << 10, Sectors(1024));
    bench.write("a.jpg", noise(3_000_000));
    bench.write("b", text(100_000));
    bench.backup();
    fs::create_dir(bench.path("shelf/second")).unwrap();
    for number in [1, 2] {
        let name = format!("holidays-{number:04}.iso");
        fs::copy(bench.image(number), bench.path("shelf/second").join(name)).unwrap();
        bench.flip(number, "archives/", 5_000);
        bench.flip(number, "INDEX", 30);
    }
    bench.assert_comes_back("one", RestoreOptions::default());
}

#[test]
fn a_damaged_index_or_listing_is_made_up_for() {
    for (file, passphrase) in
        [("INDEX", None), ("SNAPSHOT", None), ("INDEX", Some("sesame")), ("catalog", None)]
    {
        let mut bench = RestoreBench::new();
        bench.passphrase = passphrase;
        bench.write("a", "first");
        bench.backup();
        bench.write("b", "second");
        bench.backup();
        bench.flip(2, file, bench.file_size(2, file) / 2);
        bench.assert_comes_back("one", RestoreOptions::default());
        bench.assert_comes_back(
            "two",
            RestoreOptions { catalog: true, ..RestoreOptions::default() },
        );
    }
}

#[test]
fn nothing_readable_is_an_error_that_says_so() {
    let bench = RestoreBench::new();
    let error = bench.try_restore("one", RestoreOptions::default()).unwrap_err();
    assert!(matches!(error, FlowError::Discs(DiscsError::NoDiscs(_))), "{error}");
    assert!(matches!(
        bench.verify("no such catalog").unwrap_err(),
        FlowError::Discs(DiscsError::NoDiscs(_))
    ));
    bench.write("a", "a");
    bench.backup();
    bench.flip(1, "DISC.txt", 0);
    bench.assert_comes_back("nameless", RestoreOptions::default());
    assert!(bench.notes().contains("README.txt says which disc it is"), "{}", bench.notes());
    bench.flip(1, "SNAPSHOT", 20);
    bench.assert_comes_back("catalogued", RestoreOptions::default());
    bench.flip(1, "catalog", 20);
    let error = bench.try_restore("one", RestoreOptions::default()).unwrap_err();
    assert!(matches!(error, FlowError::Discs(DiscsError::NoListing(_))), "{error}");
    assert!(with_advice(&error).contains("catalog rebuild"), "{error}");
    bench.flip(1, "README.txt", bench.file_size(1, "README.txt") - 5);
    let error = bench.try_restore("one", RestoreOptions::default()).unwrap_err();
    assert!(matches!(error, FlowError::Discs(DiscsError::Unusable { .. })), "{error}");
}

#[test]
fn an_older_snapshot_instead_of_the_newest_is_no_complete_restore() {
    let bench = RestoreBench::new();
    bench.write("a", "first");
    bench.backup();
    bench.write("b", "second");
    bench.backup();
    bench.flip(2, "SNAPSHOT", 20);
    bench.flip(2, "catalog", 20);
    let report = bench.restore("one", RestoreOptions::default());
    assert_eq!(report.snapshot, SnapshotSeq(1));
    assert!(!report.is_complete());
    assert!(bench.notes().contains("snapshot 1 is used instead"), "{}", bench.notes());
}

/// Two discs that differ and carry one number: a catalog was lost, and its number given again.
#[test]
fn of_two_discs_with_one_number_that_is_taken_which_the_catalogs_know() {
    let bench = RestoreBench::new();
    bench.write("a", "first");
    bench.backup();
    let saved = |name: &str| fs::copy(bench.path("catalog.sqlite"), bench.path(name)).unwrap();
    saved("saved.sqlite");
    bench.write("b", "one history");
    bench.backup();
    fs::create_dir(bench.path("shelf/other")).unwrap();
    fs::rename(bench.image(2), bench.path("shelf/other/holidays-0002.iso")).unwrap();
    fs::copy(bench.path("catalog.sqlite"), bench.path("one.sqlite")).unwrap();
    fs::copy(bench.path("saved.sqlite"), bench.path("catalog.sqlite")).unwrap();
    let twin = bench.source("b");
    fs::write(&twin, "the other").unwrap();
    bench.backup();
    bench.write("c", "and on");
    bench.backup();
    // Disc 3 knows which of the two it went on from, and the other one is newer than what it knows.
    let error = bench.try_restore("two", RestoreOptions::default()).unwrap_err();
    assert!(matches!(error, FlowError::Discs(DiscsError::TwoHistories { .. })), "{error}");
    bench.assert_comes_back("three", RestoreOptions { catalog: true, ..RestoreOptions::default() });
    let report = bench.verify("catalog.sqlite").unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.discs.len(), 4);
    assert!(bench.notes().contains("two different discs claim to be disc 2"), "{}", bench.notes());
    // Whoever holds the other catalog gets the other history.
    fs::remove_file(bench.image(3)).unwrap();
    fs::copy(bench.path("one.sqlite"), bench.path("catalog.sqlite")).unwrap();
    bench.restore("other", RestoreOptions { catalog: true, ..RestoreOptions::default() });
    assert_eq!(fs::read_to_string(bench.path("other/b")).unwrap(), "one history");
}

#[test]
fn a_catalog_that_is_damaged_is_no_hindrance() {
    let bench = RestoreBench::new();
    bench.write("a", "first");
    bench.backup();
    fs::write(bench.path("catalog.sqlite"), "not a catalog at all, but long enough").unwrap();
    bench.assert_comes_back("one", RestoreOptions { catalog: true, ..RestoreOptions::default() });
    assert!(bench.notes().contains("listings are used"), "{}", bench.notes());
}

#[test]
fn holes_stay_holes_in_copies_too() {
    let bench = RestoreBench::new();
    for name in ["one", "two"] {
        let sparse = fs::File::create(bench.source(name)).unwrap();
        sparse.set_len(16 << 20).unwrap();
        sparse.write_all_at(b"end", (16 << 20) - 3).unwrap();
    }
    bench.backup();
    bench.assert_comes_back("to", RestoreOptions::default());
    for name in ["one", "two"] {
        assert!(bench.path("to").join(name).metadata().unwrap().blocks() < 100);
    }
}

#[test]
fn verifying_finds_a_flipped_bit_and_a_cut_with_and_without_a_catalog() {
    let bench = RestoreBench::new();
    bench.write("a", noise(300_000));
    bench.backup();
    bench.write("b", noise(300_000));
    bench.backup();
    for (catalog, against) in [("catalog.sqlite", Against::Catalog), ("none", Against::DiscCatalog)]
    {
        let report = bench.verify(catalog).unwrap();
        assert!(report.is_sound(), "{report:?} {:?}", bench.troubles());
        assert!(report.discs.iter().all(|disc| disc.against == against), "{report:?}");
    }
    bench.flip(1, "archives/", 100_000);
    for catalog in ["catalog.sqlite", "none"] {
        let report = bench.verify(catalog).unwrap();
        assert!(!report.is_sound());
        assert_eq!(report.discs[1].finding(), Finding::Ok);
        assert!(bench.troubles()[0].contains("archives/000"), "{:?}", bench.troubles());
    }
    let image = fs::OpenOptions::new().write(true).open(bench.image(2)).unwrap();
    image.set_len(image.metadata().unwrap().len() - 100_000).unwrap();
    assert_eq!(bench.verify("none").unwrap().discs[1].finding(), Finding::Damaged);
}

#[test]
fn what_verifying_found_is_in_the_catalog() {
    let bench = RestoreBench::new();
    bench.write("a", noise(300_000));
    bench.backup();
    bench.flip(1, "README.txt", 10);
    bench.verify("catalog.sqlite").unwrap();
    let catalog = Catalog::open(&bench.path("catalog.sqlite"), Access::Read).unwrap();
    let set = catalog.sets().unwrap()[0].id;
    let seen = catalog.verifications(set, DiscNo(1)).unwrap();
    assert_eq!(seen.last().unwrap().outcome.finding(), Finding::Damaged);
    assert!(seen.last().unwrap().outcome.details().contains("README.txt"));
    assert_eq!(catalog.copies(set, DiscNo(1)).unwrap().len(), 1);
    drop(catalog);
    let _held = Catalog::open(&bench.path("catalog.sqlite"), Access::Write).unwrap();
    bench.verify("catalog.sqlite").unwrap();
    assert!(bench.notes().contains("not recorded"), "{}", bench.notes());
}

#[test]
fn an_encrypted_set_is_verified_without_its_passphrase() {
    let mut bench = RestoreBench::new();
    bench.passphrase = Some("sesame");
    bench.write("a", noise(300_000));
    bench.backup();
    let report = bench.verify("none").unwrap();
    assert!(report.is_sound());
    assert_eq!(report.discs[0].against, Against::OwnList);
    assert!(bench.notes().contains("own checksum list only"));
    fs::remove_file(bench.image(1)).unwrap();
    assert!(matches!(bench.verify("none").unwrap_err(), FlowError::Discs(DiscsError::NoDiscs(_))));
}

#[test]
fn unreadable_sectors_cost_what_lies_there() {
    let bench = RestoreBench::new();
    for number in 0..40 {
        bench.write(&format!("{number:02}"), noise(20_000));
    }
    bench.backup();
    let image = Image::open(&bench.image(1), &Stop::new()).unwrap();
    let sector = largest(&image, "archives/").sector_at(100_000).unwrap().0;
    let faults = format!("read_error = [1, {sector}, 2]");
    fs::write(bench.path("shelf/.shelf.toml"), faults).unwrap();
    let report = bench.restore("one", RestoreOptions::default());
    assert!((1..=2).contains(&report.failed), "{report:?} {:?}", bench.troubles());
    assert!(bench.troubles()[0].contains("sector"), "{:?}", bench.troubles());
    assert!(!bench.verify("none").unwrap().is_sound());
}

#[test]
fn a_path_of_another_kind_in_the_target_leads_nowhere() {
    let bench = RestoreBench::new();
    bench.write("dir/file", "content");
    bench.backup();
    let outside = bench.path("outside");
    for overwrite in [OverwritePolicy::Never, OverwritePolicy::Changed] {
        let _ = fs::remove_dir_all(bench.path("one"));
        fs::create_dir_all(bench.path("one")).unwrap();
        fs::create_dir_all(&outside).unwrap();
        symlink(&outside, bench.path("one/dir")).unwrap();
        let report =
            bench.restore("one", RestoreOptions { overwrite, ..RestoreOptions::default() });
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        assert_eq!(report.is_complete(), overwrite == OverwritePolicy::Changed, "{report:?}");
    }
    assert_eq!(fs::read(bench.path("one/dir/file")).unwrap(), b"content");
}

#[test]
fn everything_that_a_file_system_allows_comes_back() {
    let bench = RestoreBench::new();
    trees::hostile_tree(&bench.path("source"));
    bench.backup();
    bench.assert_comes_back("one", RestoreOptions::default());
    trees::mutate_tree(&bench.path("source"), 7, 30);
    bench.backup();
    bench.assert_comes_back("two", RestoreOptions { catalog: true, ..RestoreOptions::default() });
    bench.assert_comes_back("three", RestoreOptions::default());
}

#[test]
fn restoring_twice_changes_nothing_and_needs_no_disc() {
    let bench = RestoreBench::new();
    fill(&bench);
    bench.backup();
    bench.assert_comes_back("one", RestoreOptions::default());
    let report = bench.restore("one", RestoreOptions::default());
    assert!(report.is_complete(), "{report:?} {:?}", bench.troubles());
    assert_eq!((report.restored, report.discs.len()), (0, 0), "{report:?}");
    compare::assert_same_tree(&bench.path("source"), &bench.path("one"));
}

/// A disc that counts what is read from it.
struct Counting(Image, std::sync::Arc<std::sync::atomic::AtomicU64>);

impl DiscReader for Counting {
    fn title(&self) -> String {
        self.0.title()
    }
    fn medium(&self) -> crate::model::Carrier {
        self.0.medium()
    }
    fn files(&self) -> &[DiscFile] {
        self.0.files()
    }
    fn read_at(
        &self,
        file: &DiscFile,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<usize, crate::drive::ReadError> {
        let read = self.0.read_at(file, offset, buf)?;
        self.1.fetch_add(read as u64, std::sync::atomic::Ordering::Relaxed);
        Ok(read)
    }
    fn absence(&self) -> Option<crate::drive::Absence> {
        self.0.absence()
    }
    fn image_sectors(&self) -> Option<Sectors> {
        self.0.image_sectors()
    }
    fn volume(&self) -> Option<crate::drive::Volume> {
        self.0.volume()
    }
}

#[test]
fn one_file_costs_its_own_frames_and_not_the_archive() {
    use crate::flow::library::listings::FromDiscs;
    use crate::restore::plan::{TargetState, plan};
    use crate::restore::{extract::Restorer, place::Target};

    for passphrase in [None, Some("sesame")] {
        let mut bench = RestoreBench::new();
        (bench.passphrase, bench.archive_size) = (passphrase, 64 << 20);
        bench.write("a", noise(12 << 20));
        bench.write("small", noise(10_000));
        bench.write("z", text(6 << 20));
        bench.backup();
        let mut found_set = crate::flow::library::inventory::look(
            &bench.path("shelf"),
            &crate::port::stop::Stop::new(),
        )
        .unwrap()
        .choose(None)
        .unwrap();
        let read = std::sync::Arc::<std::sync::atomic::AtomicU64>::default();
        let image = Image::open(&bench.image(1), &Stop::new()).unwrap();
        let found = found_set.discs.get_mut(&DiscNo(1)).unwrap();
        found.copies = vec![Box::new(Counting(image, read.clone()))];
        let secret = passphrase.map(|text| Secret::new(text.into()));
        let opener = secret.as_ref().map(crate::codec::openpgp::Opener::passphrase);
        let stop = Stop::new();
        let (context, scratch) = (bench.context(&Nobody, &stop), bench.path("scratch"));
        let discs = FromDiscs {
            found_set: &found_set,
            opener: opener.as_ref(),
            scratch: &scratch,
            context,
            repairer: None,
            doubts: Default::default(),
        };
        let chosen = discs.select(None, &PathGlobs::new(&["small"]).unwrap()).unwrap();
        let plan = plan(chosen.selection, |_| TargetState::Free);
        let target = Target::open(&bench.path("one"), true).unwrap();
        let restorer = Restorer::new(&plan, &target, &bench.monitor, &stop);
        let disc = &*found_set.discs[&DiscNo(1)].copies[0];
        let label = found_set.discs[&DiscNo(1)].label();
        restorer.disc(&label, None, &[disc], opener.as_ref(), &|_, _| Vec::new()).unwrap();
        assert_eq!(restorer.tally().restored, 1);
        let read = read.load(std::sync::atomic::Ordering::Relaxed);
        assert!(read < 2 << 20, "{read} bytes were read");
    }
}

#[test]
fn several_sets_in_one_place_are_told_apart_by_name() {
    let (one, two) = (RestoreBench::new(), RestoreBench::new());
    for bench in [&one, &two] {
        bench.write("a", "a");
        bench.backup();
    }
    fs::create_dir(one.path("shelf/two")).unwrap();
    fs::copy(two.image(1), one.path("shelf/two/other.iso")).unwrap();
    let look = || {
        crate::flow::library::inventory::look(&one.path("shelf"), &crate::port::stop::Stop::new())
            .unwrap()
    };
    let error = look().choose(None).err().unwrap();
    assert!(
        matches!(&error, FlowError::Selection(SelectionError::SeveralSets { known }) if known.contains("holidays ("))
    );
    let other = SetName::new("other").unwrap();
    let error = look().choose(Some(&other)).err().unwrap();
    assert!(matches!(error, FlowError::Selection(SelectionError::NoSuchSet { .. })), "{error}");
    assert_eq!(one.verify("none").unwrap().discs.len(), 2);
}

#[test]
fn discs_of_a_newer_coldcut_are_named_and_are_no_damage() {
    let bench = RestoreBench::new();
    fs::write(bench.path("shelf/DISC.txt"), "format=3\nkind=data\n").unwrap();
    let error = bench.try_restore("one", RestoreOptions::default()).unwrap_err();
    assert!(error.to_string().contains("newer coldcut"), "{error}");
    fs::remove_file(bench.path("shelf/DISC.txt")).unwrap();
    fs::write(bench.path("shelf/debian-12.iso"), noise(100_000)).unwrap();
    let error = bench.try_restore("one", RestoreOptions::default()).unwrap_err();
    assert!(matches!(error, FlowError::Discs(DiscsError::NoDiscs(_))), "{error}");
    fs::write(bench.path("shelf/holidays-0001.iso"), noise(100_000)).unwrap();
    assert_eq!(bench.verify("none").unwrap().unreadable, 1);
}

#[test]
fn a_wish_to_stop_leaves_no_half_file_and_usable_directories() {
    let bench = RestoreBench::new();
    fill(&bench);
    bench.backup();
    let (ask, stop) = (ask(None), Stop::new());
    stop.ask(2);
    let request = RestoreRequest {
        trust: Default::default(),
        from: bench.from(),
        target: bench.path("one"),
        catalog: bench.path("none"),
        name: None,
        snapshot: None,
        paths: PathGlobs::default(),
        overwrite: OverwritePolicy::Never,
        owners: true,
        rights: crate::flow::library::vouching::Rights::Restore,
        keys: ring(&ask, false),
        dry_run: false,
        scratch: bench.path("scratch"),
    };
    let error = restore(&request, bench.no_drives(), bench.context(&Nobody, &stop)).unwrap_err();
    assert!(matches!(error, FlowError::Stopped(Stopped(2))), "{error}");
}

/// A listing that was not read to its end is not a damaged one, and a disc that was not read to its
/// end not a forged one.
#[test]
fn a_wish_to_stop_ends_the_reading_of_listings_and_sums_and_says_nothing_of_the_disc() {
    use crate::flow::library::signatures::is_as_listed;
    use crate::restore::index::{ListingError, ListingOptions, each_index_row};

    let bench = RestoreBench::new();
    fill(&bench);
    bench.backup();
    let (image, stop) = (Image::open(&bench.image(1), &Stop::new()).unwrap(), Stop::new());
    bench.monitor.heard.notes.lock().unwrap().clear();
    let found_set = crate::flow::library::inventory::look(&bench.path("shelf"), &stop)
        .unwrap()
        .choose(None)
        .unwrap();
    let label = found_set.discs[&DiscNo(1)].label();
    assert_eq!(is_as_listed(&image, &stop), Ok(true));
    let reading = ListingOptions { limits: Default::default(), stop: &stop };
    assert!(matches!(each_index_row(&image, None, &label, reading, |_| ()), Ok(None)));
    stop.ask(2);
    assert_eq!(is_as_listed(&image, &stop), Err(Stopped(2)));
    let rows = each_index_row(&image, None, &label, reading, |_| ());
    assert!(matches!(rows, Err(ListingError::Stopped(Stopped(2)))));
    let (context, scratch) = (bench.context(&Nobody, &stop), bench.path("scratch"));
    let discs = crate::flow::library::listings::FromDiscs {
        found_set: &found_set,
        opener: None,
        scratch: &scratch,
        context,
        repairer: None,
        doubts: Default::default(),
    };
    let chosen = discs.select(None, &PathGlobs::default());
    assert!(matches!(chosen, Err(FlowError::Stopped(Stopped(2)))), "{:?}", chosen.err());
    assert_eq!(bench.monitor.words(), Vec::<String>::new());
}
