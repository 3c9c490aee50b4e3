//! Walks over hostile trees.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps, XattrFlags, openat};
use tempfile::TempDir;

use super::*;
use crate::model::Kind;
use crate::model::{Mtime, Xattr};
use crate::port::beneath::{Beneath, MissingDirs};
use crate::port::recorder::Recorder;
use crate::scan::directory::BATCH;
use crate::scan::filter::{CACHE_SIGNATURE, FilterOptions};

fn path(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).unwrap()
}

fn scan_with(source: &Path, options: &FilterOptions) -> (Vec<WalkedPath>, WalkTally) {
    let mut all = Vec::new();
    let filter = Filter::new(options).unwrap();
    let tally = walk::<ScanError>(
        source,
        &filter,
        &Stop::new(),
        &Recorder::default(),
        &mut |f: WalkedPath| {
            all.push(f);
            Ok(())
        },
    )
    .unwrap();
    assert_eq!(tally.walked(), all.len() as u64);
    (all, tally)
}

fn scan(source: &Path) -> Vec<WalkedPath> {
    scan_with(source, &FilterOptions::default()).0
}

fn entry<'a>(all: &'a [WalkedPath], at: &str) -> &'a Entry {
    match all.iter().find(|found| *found.path() == path(at)) {
        Some(
            WalkedPath::Entry(entry) | WalkedPath::Shelf(entry) | WalkedPath::Hollow { entry, .. },
        ) => entry,
        other => panic!("{at}: {other:?}"),
    }
}

/// One line a path: `f a`, `hollow a: why`, `excluded a: why`.
fn lines(all: &[WalkedPath]) -> Vec<String> {
    all.iter()
        .map(|found| match found {
            WalkedPath::Entry(entry) => format!("{} {}", entry.kind.letter(), entry.path),
            WalkedPath::Shelf(entry) => format!("shelf {}", entry.path),
            WalkedPath::Hollow { entry, rule } => format!("hollow {} {rule}", entry.path),
            WalkedPath::Excluded { path, rule } => format!("excluded {path} {rule}"),
            WalkedPath::Failed { path, error } => format!("failed {path} {error}"),
        })
        .collect()
}

fn walk_error(source: &Path) -> ScanError {
    let filter = Filter::default();
    walk::<ScanError>(source, &filter, &Stop::new(), &Recorder::default(), &mut |_: WalkedPath| {
        Ok(())
    })
    .unwrap_err()
}

fn set_xattr(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
}

#[test]
fn the_root_comes_first_and_all_comes_in_walk_order() {
    let temp = TempDir::new().unwrap();
    for dir in ["a", "a-b", "b/c/d", "B"] {
        fs::create_dir_all(temp.path().join(dir)).unwrap();
    }
    for file in ["a/z", "a.txt", "b/c/d/e", "b/c.x", "B/1", "a-b/2"] {
        fs::write(temp.path().join(file), file).unwrap();
    }
    let all = scan(temp.path());
    let paths: Vec<_> = all.iter().map(|found| found.path().clone()).collect();
    assert!(paths[0].is_root());
    assert!(paths.is_sorted());
    assert_eq!(paths.len(), 13);
}

#[test]
fn names_that_no_shell_likes_are_found_byte_for_byte() {
    let temp = TempDir::new().unwrap();
    let longest = [b'n'; 255];
    let names: [&[u8]; 12] = [
        b"a\nb",
        b"a\tb",
        b"'\"`$(x)",
        b"\x01\x1b[2J\x7f",
        b"-rf",
        b"--",
        b" ",
        b"\\n",
        b"\xff\xfe",
        b"...",
        b"*",
        &longest,
    ];
    for name in names {
        fs::write(temp.path().join(std::ffi::OsStr::from_bytes(name)), b"x").unwrap();
    }
    let all = scan(temp.path());
    let mut expected: Vec<RelPath> = names.iter().map(|n| RelPath::new(n).unwrap()).collect();
    expected.sort();
    let found: Vec<_> = all[1..].iter().map(|found| found.path().clone()).collect();
    assert_eq!(found, expected);
}

#[test]
fn every_kind_is_told_with_what_belongs_to_it() {
    let temp = TempDir::new().unwrap();
    let at = |name: &str| temp.path().join(name);
    fs::write(at("file"), b"12345").unwrap();
    fs::hard_link(at("file"), at("other")).unwrap();
    symlink("no\nwhere", at("link")).unwrap();
    symlink(".", at("loop")).unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();
    rustix::fs::mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    for (name, kind) in [("char", FileType::CharacterDevice), ("block", FileType::BlockDevice)] {
        let number = rustix::fs::makedev(259, 70_000);
        rustix::fs::mknodat(CWD, at(name), kind, Mode::RUSR, number).unwrap();
    }
    rustix::fs::chmod(at("file"), Mode::from_raw_mode(0o6751)).unwrap();
    rustix::fs::chown(at("file"), None, None).unwrap();

    let all = scan(temp.path());
    assert_eq!(
        lines(&all),
        [
            "d .",
            "b block",
            "c char",
            "p fifo",
            "f file",
            "l link",
            "l loop",
            "f other",
            "excluded socket is a socket"
        ]
    );
    assert_eq!(entry(&all, "link").meta.link, b"no\nwhere");
    assert_eq!(entry(&all, "link").size, 0);
    assert_eq!(entry(&all, "char").meta.device, Some((259, 70_000)));
    assert_eq!(entry(&all, "block").meta.device, Some((259, 70_000)));
    let (file, other) = (entry(&all, "file"), entry(&all, "other"));
    assert_eq!((file.size, file.meta.device), (5, None));
    assert_eq!((file.print.inode, file.print.nlink), (other.print.inode, 2));
    assert_eq!(file.print.dev, at("file").metadata().unwrap().dev());
    assert_eq!(
        (file.meta.user.as_slice(), file.meta.group.as_slice()),
        (&b"root"[..], &b"root"[..])
    );
}

#[test]
fn modes_times_and_attributes_are_those_of_the_file_system() {
    let temp = TempDir::new().unwrap();
    let at = |name: &str| temp.path().join(name);
    fs::write(at("old"), b"").unwrap();
    rustix::fs::chmod(at("old"), Mode::from_raw_mode(0o7751)).unwrap();
    set_xattr(&at("old"), "user.z", b"\0,=\xff");
    set_xattr(&at("old"), "user.a", b"");
    set_xattr(&at("old"), "trusted.t", b"t");
    set_xattr(&at("old"), "security.foo", b"the system's own");
    set_xattr(temp.path(), "user.root", b"r");
    symlink("x", at("link")).unwrap();
    set_xattr(&at("link"), "trusted.l", b"of the link");
    let before_1970 = Timespec { tv_sec: -2, tv_nsec: 500_000_001 };
    let times = Timestamps { last_access: before_1970, last_modification: before_1970 };
    rustix::fs::utimensat(CWD, at("old"), &times, AtFlags::empty()).unwrap();
    let acl = Command::new("setfacl").args(["-m", "u:1234:rw"]).arg(at("old")).status().unwrap();
    assert!(acl.success());

    let all = scan(temp.path());
    let old = &entry(&all, "old").meta;
    assert_eq!(old.mode & 0o7000, 0o7000);
    assert_eq!(old.mtime, Mtime { sec: -2, nsec: 500_000_001 });
    let names: Vec<_> = old.xattrs.iter().map(|x| String::from_utf8_lossy(&x.name)).collect();
    assert_eq!(names, ["system.posix_acl_access", "trusted.t", "user.a", "user.z"]);
    assert_eq!(old.xattrs[3].value, b"\0,=\xff");
    let value = |at: &str| entry(&all, at).meta.xattrs.clone();
    assert_eq!(value("."), [Xattr { name: b"user.root".into(), value: b"r".into() }]);
    assert_eq!(value("link"), [Xattr { name: b"trusted.l".into(), value: b"of the link".into() }]);
}

#[test]
fn a_hole_is_seen_in_the_bytes_occupied() {
    let temp = TempDir::new().unwrap();
    let file = fs::File::create(temp.path().join("holes")).unwrap();
    file.set_len(10 << 20).unwrap();
    let all = scan(temp.path());
    assert_eq!((entry(&all, "holes").size, entry(&all, "holes").print.occupied), (10 << 20, 0));
}

#[test]
fn links_are_not_followed_but_for_the_source_itself() {
    let temp = TempDir::new().unwrap();
    fs::create_dir(temp.path().join("real")).unwrap();
    fs::write(temp.path().join("real/file"), b"").unwrap();
    symlink("real", temp.path().join("link")).unwrap();
    assert_eq!(lines(&scan(&temp.path().join("link"))), ["d .", "f file"]);
    assert_eq!(lines(&scan(temp.path())), ["d .", "l link", "d real", "f real/file"]);
}

/// Removes what `std` cannot: its own removal opens every level at once.
struct Deep(TempDir);

impl Drop for Deep {
    fn drop(&mut self) {
        Command::new("rm").arg("-rf").arg(self.0.path()).status().unwrap();
    }
}

#[test]
fn five_thousand_levels_and_paths_beyond_path_max_are_walked() {
    const LEVELS: usize = 5000;
    let temp = Deep(TempDir::new().unwrap());
    let mut beneath = Beneath::new(open_root(temp.0.path()).unwrap());
    let mut deep = RelPath::root();
    for level in 0..LEVELS {
        deep = deep.join(b"dir");
        let fd = beneath.dir(&deep, MissingDirs::Make).unwrap();
        // Behind the directory in walk order, so that each level is visited again on the way up.
        if level % 500 == 0 {
            drop(openat(&fd, "zzz", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap());
        }
    }
    let (mut all, mut most_open) = (Vec::new(), 0);
    let filter = Filter::default();
    walk::<ScanError>(
        temp.0.path(),
        &filter,
        &Stop::new(),
        &Recorder::default(),
        &mut |found: WalkedPath| {
            if all.len() % 500 == 0 {
                most_open = most_open.max(fs::read_dir("/proc/self/fd").unwrap().count());
            }
            all.push(found);
            Ok(())
        },
    )
    .unwrap();
    assert!(most_open < 500, "{most_open} descriptors");
    assert_eq!(all.len(), 1 + LEVELS + 10);
    assert!(all.iter().all(|found| matches!(found, WalkedPath::Entry(_))));
    assert!(all.iter().map(WalkedPath::path).is_sorted());
    let longest = all.iter().map(|found| found.path().as_bytes().len()).max().unwrap();
    assert_eq!(longest, LEVELS * 4 - 1);
}

#[test]
fn a_level_that_was_moved_away_meanwhile_is_lost_by_name_and_not_confused() {
    let temp = TempDir::new().unwrap();
    let mut deep = temp.path().join("top");
    for _ in 0..2 * OPEN_LEVELS {
        deep = deep.join("d");
    }
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("file"), b"").unwrap();
    fs::write(temp.path().join("top/later"), b"").unwrap();
    fs::write(temp.path().join("zzz"), b"").unwrap();
    let mut all = Vec::new();
    let filter = Filter::default();
    walk::<ScanError>(
        temp.path(),
        &filter,
        &Stop::new(),
        &Recorder::default(),
        &mut |found: WalkedPath| {
            if found.path().as_bytes().ends_with(b"/file") {
                fs::rename(temp.path().join("top"), temp.path().join("away")).unwrap();
                fs::create_dir(temp.path().join("top")).unwrap();
                fs::write(temp.path().join("top/later"), b"another").unwrap();
            }
            all.push(found);
            Ok(())
        },
    )
    .unwrap();
    let lost: Vec<_> = all
        .iter()
        .filter(|found| matches!(found, WalkedPath::Failed { .. }))
        .map(WalkedPath::path)
        .collect();
    assert_eq!(lost, [&path("top/later")]);
    assert_eq!(all.last().unwrap().path(), &path("zzz"));
}

#[test]
fn what_vanishes_under_the_walk_is_named_and_costs_nothing_else() {
    let temp = TempDir::new().unwrap();
    for dir in ["a", "b", "c"] {
        fs::create_dir(temp.path().join(dir)).unwrap();
    }
    fs::write(temp.path().join("b2"), b"").unwrap();
    symlink("x", temp.path().join("b3")).unwrap();
    let mut all = Vec::new();
    let filter = Filter::default();
    walk::<ScanError>(
        temp.path(),
        &filter,
        &Stop::new(),
        &Recorder::default(),
        &mut |found: WalkedPath| {
            if *found.path() == path("a") {
                fs::remove_dir(temp.path().join("b")).unwrap();
                fs::remove_file(temp.path().join("b2")).unwrap();
                fs::remove_file(temp.path().join("b3")).unwrap();
            }
            all.push(found);
            Ok(())
        },
    )
    .unwrap();
    let gone = |at: &str| format!("failed {at} it vanished while the source was scanned");
    assert_eq!(
        lines(&all),
        ["d .".into(), "d a".into(), gone("b"), "f b2".into(), gone("b3"), "d c".into()],
        "a file was looked at with its neighbours; that it is gone shows when it is read"
    );
}

#[test]
fn a_directory_replaced_by_a_link_under_the_walk_is_not_entered() {
    let temp = TempDir::new().unwrap();
    fs::create_dir_all(temp.path().join("src/a")).unwrap();
    fs::create_dir(temp.path().join("src/b")).unwrap();
    fs::create_dir(temp.path().join("secret")).unwrap();
    fs::write(temp.path().join("secret/key"), b"").unwrap();
    let source = temp.path().join("src");
    let mut all = Vec::new();
    let filter = Filter::default();
    walk::<ScanError>(
        &source,
        &filter,
        &Stop::new(),
        &Recorder::default(),
        &mut |found: WalkedPath| {
            if *found.path() == path("a") {
                fs::remove_dir(source.join("b")).unwrap();
                symlink("../secret", source.join("b")).unwrap();
            }
            all.push(found);
            Ok(())
        },
    )
    .unwrap();
    assert_eq!(lines(&all), ["d .", "d a", "failed b the directory cannot be read"]);
}

#[test]
fn excluded_directories_are_named_once_and_not_entered() {
    let temp = TempDir::new().unwrap();
    for dir in ["node_modules/x", "a/node_modules", "keep"] {
        fs::create_dir_all(temp.path().join(dir)).unwrap();
    }
    fs::write(temp.path().join("keep/x.o"), b"").unwrap();
    fs::write(temp.path().join("keep/x.c"), b"").unwrap();
    let options = FilterOptions {
        exclude: vec!["node_modules/".into(), "keep/*.o".into()],
        ..FilterOptions::default()
    };
    let (all, tally) = scan_with(temp.path(), &options);
    assert_eq!(
        lines(&all),
        [
            "d .",
            "d a",
            "excluded a/node_modules matches 'node_modules/'",
            "d keep",
            "f keep/x.c",
            "excluded keep/x.o matches 'keep/*.o'",
            "excluded node_modules matches 'node_modules/'",
        ]
    );
    assert_eq!((tally.entries, tally.excluded, tally.failed), (4, 3, 0));
}

#[test]
fn a_tagged_directory_is_kept_with_its_tag_and_without_the_rest() {
    let temp = TempDir::new().unwrap();
    for dir in ["cache/sub", "false", "off"] {
        fs::create_dir_all(temp.path().join(dir)).unwrap();
    }
    fs::write(temp.path().join("cache/x"), b"").unwrap();
    fs::write(temp.path().join("false/CACHEDIR.TAG"), b"Signature: no").unwrap();
    fs::write(temp.path().join("off/.nobackup"), b"").unwrap();
    fs::write(temp.path().join("off/y"), b"").unwrap();
    let mut tag = CACHE_SIGNATURE.to_vec();
    tag.extend_from_slice(b"\n# made by a test\n");
    fs::write(temp.path().join("cache/CACHEDIR.TAG"), &tag).unwrap();
    let options = FilterOptions {
        exclude_caches: true,
        exclude_if_present: vec![b".nobackup".into()],
        ..FilterOptions::default()
    };
    let (all, tally) = scan_with(temp.path(), &options);
    assert_eq!(
        lines(&all),
        [
            "d .",
            "hollow cache is a cache (CACHEDIR.TAG)",
            "f cache/CACHEDIR.TAG",
            "d false",
            "f false/CACHEDIR.TAG",
            "hollow off holds '.nobackup'",
            "f off/.nobackup",
        ]
    );
    assert_eq!((tally.entries, tally.hollow, tally.bytes), (7, 2, (tag.len() + 13) as u64));
    assert_eq!(scan(temp.path()).len(), 10, "without the options nothing is left out");
}

#[test]
fn mount_points_of_the_kernels_own_are_kept_empty() {
    // `/` holds /proc, /sys and /dev: all else is excluded to keep the walk short.
    let others = fs::read_dir("/").unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let exclude = others
        .filter(|name| !["proc", "sys", "dev"].contains(&name.as_str()))
        .map(|name| format!("/{name}"))
        .collect();
    let (all, _) =
        scan_with(Path::new("/"), &FilterOptions { exclude, ..FilterOptions::default() });
    let lines = lines(&all);
    for hollow in [
        "hollow dev is the kernel's own (devtmpfs)",
        "hollow proc is the kernel's own (proc)",
        "hollow sys is the kernel's own (sysfs)",
    ] {
        assert!(lines.iter().any(|line| line == hollow), "{hollow}: {lines:?}");
    }
    assert!(!lines.iter().any(|line| line.contains("proc/") || line.contains("dev/")));
}

#[test]
fn a_source_inside_of_them_is_refused() {
    let error = walk_error(Path::new("/proc/self"));
    assert!(matches!(error, ScanError::Pseudo { name: "proc", .. }), "{error}");
    assert!(matches!(walk_error(Path::new("/sys/fs")), ScanError::Pseudo { name: "sysfs", .. }));
}

#[test]
fn a_source_that_cannot_be_walked_says_why() {
    let temp = TempDir::new().unwrap();
    fs::write(temp.path().join("file"), b"").unwrap();
    symlink("loop", temp.path().join("loop")).unwrap();
    let of = |name: &str| walk_error(&temp.path().join(name));
    assert!(matches!(of("none"), ScanError::Missing(_)));
    assert!(matches!(of("file"), ScanError::NotDirectory(_)));
    assert!(matches!(of("loop"), ScanError::Unreadable { .. }));
}

#[test]
fn the_walk_ends_when_asked_and_when_the_sink_has_enough() {
    let temp = TempDir::new().unwrap();
    fs::write(temp.path().join("a"), b"").unwrap();
    fs::write(temp.path().join("b"), b"").unwrap();
    let (filter, stop, monitor) = (Filter::default(), Stop::new(), Recorder::default());
    let mut seen = 0;
    let stopped = walk::<ScanError>(temp.path(), &filter, &stop, &monitor, &mut |_: WalkedPath| {
        seen += 1;
        stop.ask(15);
        Ok(())
    });
    assert!(matches!(stopped, Err(ScanError::Stopped(Stopped(15)))));
    assert_eq!(seen, 1);
    let enough = walk(temp.path(), &filter, &Stop::new(), &monitor, &mut |_: WalkedPath| {
        Err(ScanError::Missing("enough".into()))
    });
    assert!(matches!(enough, Err(ScanError::Missing(why)) if why == "enough"));
}

/// Runs as somebody who is not root, in the eyes of the file system: on one thread only.
fn as_nobody<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let as_nobody = || {
        nix::unistd::setfsuid(nix::unistd::Uid::from_raw(65534));
        work()
    };
    std::thread::scope(|scope| scope.spawn(as_nobody).join().unwrap())
}

#[test]
fn what_may_not_be_read_is_named_and_costs_nothing_else() {
    let temp = TempDir::new().unwrap();
    let at = |name: &str| temp.path().join(name);
    rustix::fs::chmod(temp.path(), Mode::from_raw_mode(0o755)).unwrap();
    for dir in ["closed/inside", "listed"] {
        fs::create_dir_all(at(dir)).unwrap();
    }
    for file in ["listed/unknown", "plain", "secret", "tagged"] {
        fs::write(at(file), b"x").unwrap();
    }
    set_xattr(&at("tagged"), "user.x", b"secret");
    for (name, mode) in [("closed", 0o700), ("listed", 0o744), ("secret", 0o600), ("tagged", 0o600)]
    {
        rustix::fs::chmod(at(name), Mode::from_raw_mode(mode)).unwrap();
    }
    let all = as_nobody(|| scan(temp.path()));
    assert_eq!(
        lines(&all),
        [
            "d .",
            "failed closed the directory cannot be read",
            "d listed",
            "failed listed/unknown its metadata cannot be read",
            "f plain",
            "f secret",
            "failed tagged its extended attributes cannot be read",
        ]
    );
    let closed = at("closed");
    let refused = as_nobody(move || walk_error(&closed));
    assert!(matches!(refused, ScanError::Unreadable { .. }));
}

#[test]
fn a_directory_with_many_names_is_in_order_and_complete_with_its_attributes() {
    let temp = TempDir::new().unwrap();
    let count = BATCH + 20;
    for number in 0..count {
        let file = temp.path().join(format!("{number:04}"));
        fs::write(&file, vec![0; number]).unwrap();
        set_xattr(&file, "user.number", number.to_string().as_bytes());
    }
    let all = scan(temp.path());
    assert_eq!(all.len(), 1 + count);
    for (number, found) in all[1..].iter().enumerate() {
        let WalkedPath::Entry(entry) = found else { panic!("{found:?}") };
        assert_eq!(*entry.path.as_bytes(), *format!("{number:04}").as_bytes());
        assert_eq!(entry.size, number as u64);
        assert_eq!(entry.meta.xattrs[0].value, number.to_string().as_bytes());
    }
}

/// Wide and deep enough that most directories are read before their turn.
fn forest(at: &Path) -> usize {
    let mut paths = 1;
    for (wide, deep) in (0..12).flat_map(|wide| (0..12).map(move |deep| (wide, deep))) {
        let dir = at.join(format!("{wide:02}/{deep:02}/x"));
        fs::create_dir_all(&dir).unwrap();
        for file in 0..5 {
            fs::write(dir.join(file.to_string()), b"x").unwrap();
            fs::write(dir.with_file_name(format!("{file}.txt")), b"y").unwrap();
        }
        paths += 12 + usize::from(deep == 0);
    }
    paths
}

#[test]
fn what_is_read_ahead_comes_in_walk_order_and_complete() {
    let temp = TempDir::new().unwrap();
    let paths = forest(temp.path());
    assert!(paths as u64 > 3 * AHEAD_FROM);
    let options = FilterOptions { exclude: vec!["11/07".into()], ..FilterOptions::default() };
    let (all, tally) = scan_with(temp.path(), &options);
    assert!(all.iter().map(WalkedPath::path).is_sorted());
    assert_eq!((tally.walked() as usize, tally.excluded, tally.failed), (paths - 11, 1, 0));
    let dirs =
        all.iter().filter(|f| matches!(f, WalkedPath::Entry(e) if e.kind == Kind::Dir)).count();
    assert_eq!(dirs, 1 + 12 + 2 * (144 - 1));
}

#[test]
fn what_is_read_ahead_and_taken_away_is_told_of_once() {
    let temp = TempDir::new().unwrap();
    let paths = forest(temp.path());
    let mut all = Vec::new();
    let mut take = |found: WalkedPath| {
        if *found.path() == path("09/03/x/4") {
            fs::remove_dir_all(temp.path().join("09/04")).unwrap();
            fs::remove_dir_all(temp.path().join("10")).unwrap();
        }
        all.push(found.path().clone());
        Ok(())
    };
    let (filter, stop, monitor) = (Filter::default(), Stop::new(), Recorder::default());
    walk::<ScanError>(temp.path(), &filter, &stop, &monitor, &mut take).unwrap();
    assert!(all.is_sorted_by(|a, b| a < b), "each path once");
    for kept in ["09/04", "09/05/x/0", "10", "11/11/x/4"] {
        assert!(all.contains(&path(kept)), "{kept}");
    }
    let gone =
        |at: &RelPath| at.to_string().starts_with("10/") || at.to_string().starts_with("09/04/");
    assert_eq!(all.iter().filter(|at| !gone(at)).count(), paths - 13 * 12 + 1);
}

#[test]
fn an_error_while_directories_are_read_ahead_ends_the_walk() {
    let temp = TempDir::new().unwrap();
    forest(temp.path());
    let (filter, stop, monitor) = (Filter::default(), Stop::new(), Recorder::default());
    let ended =
        walk::<ScanError>(temp.path(), &filter, &stop, &monitor, &mut |found: WalkedPath| {
            if *found.path() == path("10") { Err(ScanError::NoProc) } else { Ok(()) }
        });
    assert!(matches!(ended, Err(ScanError::NoProc)));
}

/// Knows the attributes of everything that is called `known`.
struct MemoryVisitor(Vec<WalkedPath>);

impl Visitor<ScanError> for MemoryVisitor {
    fn known_xattrs(&mut self, entry: &Entry) -> Result<Option<Vec<Xattr>>, ScanError> {
        assert_eq!(entry.meta.xattrs, []);
        let known = vec![Xattr { name: b"user.remembered".to_vec(), value: b"1".to_vec() }];
        Ok((entry.path == path("known")).then_some(known))
    }
    fn take(&mut self, found: WalkedPath) -> Result<(), ScanError> {
        self.0.push(found);
        Ok(())
    }
}

#[test]
fn attributes_that_are_known_are_not_read_again() {
    let temp = TempDir::new().unwrap();
    for name in ["known", "unknown"] {
        fs::write(temp.path().join(name), b"").unwrap();
        set_xattr(&temp.path().join(name), "user.read", b"2");
    }
    let mut memory = MemoryVisitor(Vec::new());
    let (filter, stop, monitor) = (Filter::default(), Stop::new(), Recorder::default());
    walk(temp.path(), &filter, &stop, &monitor, &mut memory).unwrap();
    let name = |at: &str| entry(&memory.0, at).meta.xattrs[0].name.clone();
    assert_eq!(
        (name("known"), name("unknown")),
        (b"user.remembered".to_vec(), b"user.read".to_vec())
    );
}

/// A directory that was not read because of it did not fail.
#[test]
fn a_wish_to_stop_ends_the_walk_and_no_path_fails_for_it() {
    let temp = TempDir::new().unwrap();
    forest(temp.path());
    let (filter, stop, monitor) = (Filter::default(), Stop::new(), Recorder::default());
    let mut taken = 0;
    let ended =
        walk::<ScanError>(temp.path(), &filter, &stop, &monitor, &mut |found: WalkedPath| {
            assert!(!matches!(found, WalkedPath::Failed { .. }), "{found:?}");
            taken += 1;
            if taken == 700 {
                stop.ask(15);
            }
            Ok(())
        });
    assert!(matches!(ended, Err(ScanError::Stopped(Stopped(15)))));
    assert_eq!(taken, 700);
}
