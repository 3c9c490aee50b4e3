//! Attacks on the target, and everything that can be put in place.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::model::Xattr;

fn path(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).unwrap()
}

fn meta(mode: u32) -> Meta {
    Meta { mode, mtime: Mtime { sec: 1_000, nsec: 123_456_789 }, ..Meta::default() }
}

/// A target beside a directory that nothing may ever be written to.
struct TargetBench {
    temp: TempDir,
    target: Target,
}

impl TargetBench {
    fn new() -> TargetBench {
        let temp = TempDir::new().unwrap();
        fs::create_dir(temp.path().join("outside")).unwrap();
        fs::write(temp.path().join("outside/precious"), b"precious").unwrap();
        let target = Target::open(&temp.path().join("x/target"), true).unwrap();
        TargetBench { temp, target }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.temp.path().join("x/target").join(name)
    }

    fn put(&self, name: &str, content: &[u8], replace: bool) -> Result<Vec<Complaint>, PlaceError> {
        let file = self.target.begin_file(&path(name))?;
        file.write_at(content, 0)?;
        file.commit(&meta(0o644), replace)
    }

    fn names(&self, dir: &str) -> Vec<String> {
        let entries = fs::read_dir(self.at(dir)).unwrap();
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn assert_outside_untouched(&self) {
        let outside = self.temp.path().join("outside");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
        assert_eq!(fs::read(outside.join("precious")).unwrap(), b"precious");
        assert_eq!(outside.metadata().unwrap().mode() & 0o7777, 0o755);
    }
}

#[test]
fn a_file_comes_with_all_that_belongs_to_it() {
    let place = TargetBench::new();
    let xattr = |name: &[u8], value: &[u8]| Xattr { name: name.into(), value: value.into() };
    let capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let wanted = Meta {
        mode: 0o6510,
        uid: 1234,
        gid: 5678,
        mtime: Mtime { sec: -2, nsec: 1 },
        xattrs: vec![xattr(b"security.capability", capability), xattr(b"user.x", b"\0\xff")],
        ..Meta::default()
    };
    let file = place.target.begin_file(&path("a/b/f")).unwrap();
    file.write_at(b"world", 6).unwrap();
    file.write_at(b"hello ", 0).unwrap();
    let mut five = [0; 5];
    assert_eq!(file.read_back(&mut five, 6).unwrap(), 5);
    assert_eq!(&five, b"world");
    let complaints = file.commit(&wanted, false).unwrap();
    assert!(complaints.is_empty(), "{complaints:?}");

    let stat = place.at("a/b/f").metadata().unwrap();
    assert_eq!(fs::read(place.at("a/b/f")).unwrap(), b"hello world");
    assert_eq!((stat.mode() & 0o7777, stat.uid(), stat.gid()), (0o6510, 1234, 5678));
    assert_eq!((stat.mtime(), stat.mtime_nsec()), (-2, 1));
    for xattr in &wanted.xattrs {
        let mut value = [0; 64];
        let name = &xattr.name[..];
        let length = rustix::fs::getxattr(place.at("a/b/f"), name, &mut value[..]).unwrap();
        assert_eq!(value[..length], xattr.value[..]);
    }
    assert_eq!(place.names("a/b"), ["f"]);
}

#[test]
fn set_id_bits_come_only_with_their_owner() {
    let place = TargetBench::new();
    let without_owners = Target::open(&place.at("."), false).unwrap();
    let wanted = Meta { uid: 1234, gid: 1234, ..meta(0o6755) };
    let file = without_owners.begin_file(&path("f")).unwrap();
    assert!(file.commit(&wanted, false).unwrap().is_empty());
    let stat = place.at("f").metadata().unwrap();
    assert_eq!((stat.mode() & 0o7777, stat.uid()), (0o755, 0));

    let impossible = Meta { uid: u32::MAX, ..meta(0o4755) };
    let file = place.target.begin_file(&path("g")).unwrap();
    let complaints = file.commit(&impossible, false).unwrap();
    assert_eq!(complaints.len(), 2, "the owner, and the bit that hangs on it: {complaints:?}");
    assert_eq!(place.at("g").metadata().unwrap().mode() & 0o7777, 0o755);
}

#[test]
fn acls_come_back_and_those_of_the_target_do_not_creep_in() {
    let place = TargetBench::new();
    let setfacl = |args: &[&str], at: &str| {
        assert!(Command::new("setfacl").args(args).arg(place.at(at)).status().unwrap().success());
    };
    let getfacl = |at: &str| {
        let out = Command::new("getfacl").args(["-cnp"]).arg(place.at(at)).output().unwrap();
        String::from_utf8(out.stdout).unwrap()
    };
    let acl = |at: &str, name: &[u8]| {
        let mut value = [0; 1024];
        let length = rustix::fs::getxattr(place.at(at), name, &mut value[..]).unwrap();
        Xattr { name: name.to_vec(), value: value[..length].to_vec() }
    };
    place.put("model", b"", false).unwrap();
    setfacl(&["-m", "u:1234:rw,g:77:r"], "model");
    place.target.make_dir(&path("modeldir"), false).unwrap();
    setfacl(&["-m", "d:u:1234:rwx"], "modeldir");
    let file_acl = acl("model", b"system.posix_acl_access");
    let dir_acl = acl("modeldir", b"system.posix_acl_default");

    // The target gives all that is made in it an ACL of its own.
    setfacl(&["-m", "d:u:4321:rwx"], ".");
    let wanted = Meta { xattrs: vec![file_acl], ..meta(0o664) };
    let file = place.target.begin_file(&path("with")).unwrap();
    assert!(file.commit(&wanted, false).unwrap().is_empty());
    assert_eq!(getfacl("with"), getfacl("model"));
    place.put("without", b"", false).unwrap();
    assert_eq!(getfacl("without"), "user::rw-\ngroup::r--\nother::r--\n\n");
    place.target.make_dir(&path("dir"), false).unwrap();
    let wanted = Meta { xattrs: vec![dir_acl], ..meta(0o755) };
    assert!(place.target.finish_dir(&path("dir"), &wanted).unwrap().is_empty());
    assert!(getfacl("dir").contains("default:user:1234:rwx"), "{}", getfacl("dir"));
    assert!(!getfacl("dir").contains("4321"), "{}", getfacl("dir"));
}

#[test]
fn holes_stay_holes() {
    let place = TargetBench::new();
    let file = place.target.begin_file(&path("f")).unwrap();
    file.write_at(&[1; 4096], 5 << 20).unwrap();
    file.set_len(10 << 20).unwrap();
    file.commit(&meta(0o600), false).unwrap();
    let stat = place.at("f").metadata().unwrap();
    assert_eq!(stat.len(), 10 << 20);
    assert!(stat.blocks() * 512 <= 64 << 10, "{}", stat.blocks());
}

#[test]
fn a_file_that_is_not_committed_leaves_nothing_behind() {
    let place = TargetBench::new();
    let file = place.target.begin_file(&path("f")).unwrap();
    let names = place.names(".");
    assert_eq!(names.len(), 1);
    assert!(names[0].starts_with(temporary::PREFIX) && names[0].len() == 21, "{names:?}");
    assert_eq!(place.at(&names[0]).metadata().unwrap().mode() & 0o7777, 0o600);
    drop(file);
    drop(place.target.begin_file(&path("g")).unwrap());
    assert!(place.names(".").is_empty());
}

#[test]
fn nothing_is_overwritten_unasked_even_in_the_last_moment() {
    let place = TargetBench::new();
    let file = place.target.begin_file(&path("f")).unwrap();
    fs::write(place.at("f"), b"came first").unwrap();
    let error = file.commit(&meta(0o644), false).unwrap_err();
    assert!(matches!(error, PlaceError::Exists { path: at } if at == path("f")));
    assert_eq!(fs::read(place.at("f")).unwrap(), b"came first");
    let error = place.target.symlink(&path("f"), b"x", &meta(0o777), false).unwrap_err();
    assert!(matches!(error, PlaceError::Exists { .. }));
    let error = place.target.make_dir(&path("f"), false).unwrap_err();
    assert!(matches!(error, PlaceError::Exists { .. }));
    assert_eq!(place.names("."), ["f"]);
}

#[test]
fn what_may_be_replaced_is_unless_it_is_a_directory_with_content() {
    let place = TargetBench::new();
    fs::write(place.at("file"), b"old").unwrap();
    symlink("../../outside/precious", place.at("link")).unwrap();
    fs::create_dir(place.at("empty")).unwrap();
    fs::create_dir_all(place.at("full/content")).unwrap();
    for name in ["file", "link", "empty"] {
        place.put(name, b"new", true).unwrap();
        assert!(place.at(name).symlink_metadata().unwrap().is_file(), "{name}");
        assert_eq!(fs::read(place.at(name)).unwrap(), b"new");
    }
    let error = place.put("full", b"new", true).unwrap_err();
    assert!(matches!(error, PlaceError::DirInTheWay { path: at } if at == path("full")));
    assert_eq!(place.names("."), ["empty", "file", "full", "link"]);

    symlink("../../outside", place.at("todir")).unwrap();
    assert_eq!(place.target.make_dir(&path("todir"), true).unwrap(), DirCreation::New);
    place.put("todir/precious", b"new", true).unwrap();
    place.assert_outside_untouched();
}

#[test]
fn a_planted_link_never_leads_out() {
    let place = TargetBench::new();
    symlink("../../outside", place.at("d")).unwrap();
    symlink("../../outside/new", place.at("f")).unwrap();
    let t = &place.target;
    let barred = |error: PlaceError| match error {
        PlaceError::Way { source: BeneathError::Symlink(at), .. } => assert_eq!(at, path("d")),
        other => panic!("{other:?}"),
    };
    let m = meta(0o777);
    barred(t.begin_file(&path("d/x")).map(drop).unwrap_err());
    barred(t.make_dir(&path("d/x"), true).map(drop).unwrap_err());
    barred(t.make_dir(&path("d/x/y"), true).map(drop).unwrap_err());
    barred(t.symlink(&path("d/x"), b"y", &m, true).map(drop).unwrap_err());
    barred(t.fifo(&path("d/x"), &m, true).map(drop).unwrap_err());
    barred(t.finish_dir(&path("d"), &m).map(drop).unwrap_err());
    barred(t.hardlink(&path("x"), &path("d/precious"), Kind::File, true).unwrap_err());
    barred(t.existing(&path("d/precious")).map(drop).unwrap_err());
    assert!(matches!(t.make_dir(&path("d"), false), Err(PlaceError::Exists { .. })));

    // At the last component it is a thing like others: replaced, not followed.
    place.put("f", b"new", true).unwrap();
    assert!(place.at("f").symlink_metadata().unwrap().is_file());
    place.assert_outside_untouched();
    assert_eq!(place.names("."), ["d", "f"]);
}

#[test]
fn a_directory_swapped_for_a_link_while_a_file_is_written_does_not_matter() {
    let place = TargetBench::new();
    place.target.make_dir(&path("d"), false).unwrap();
    let file = place.target.begin_file(&path("d/f")).unwrap();
    fs::rename(place.at("d"), place.at("moved")).unwrap();
    symlink("../../outside", place.at("d")).unwrap();
    file.write_at(b"x", 0).unwrap();
    file.commit(&meta(0o644), true).unwrap();
    assert_eq!(place.names("moved"), ["f"]);
    // A target reopened knows of no other way than the link, and refuses it.
    let anew = Target::open(&place.at("."), true).unwrap();
    assert!(matches!(anew.begin_file(&path("d/g")), Err(PlaceError::Way { .. })));
    place.assert_outside_untouched();
}

/// Somebody with the rights to do so puts links in the way all the time, for directories, files and
/// links alike. What fails, fails; nothing leads outside.
#[test]
fn links_that_come_and_go_while_all_is_put_in_place_never_lead_out() {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    let place = TargetBench::new();
    let over = AtomicBool::new(false);
    let (placed, swaps) = (AtomicU32::new(0), AtomicU32::new(0));
    let outside = place.temp.path().join("outside");
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for name in ["d", "d/e", "d/f", "d/link", "d/pipe"] {
                    let at = place.at(name);
                    let aside = place.temp.path().join("aside");
                    let _ = fs::rename(&at, &aside);
                    // A link to the directory, and one to the file in it: both are wanted.
                    let to =
                        if name.len() > 3 { outside.join("precious") } else { outside.clone() };
                    let _ = symlink(&to, &at);
                    std::thread::yield_now();
                    let _ = fs::remove_file(&at);
                    let _ = fs::rename(&aside, &at).or_else(|_| fs::remove_dir_all(&aside));
                    let _ = fs::remove_file(&aside);
                    swaps.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let t = &place.target;
        let theirs = Meta { uid: 1234, gid: 1234, ..meta(0o777) };
        let mut rounds = 0;
        while rounds < 300 || swaps.load(Ordering::Relaxed) < 300 {
            rounds += 1;
            let done = [
                place.put("d/e/f", b"secret", true).is_ok(),
                place.put("d/f", b"secret", true).is_ok(),
                t.symlink(&path("d/link"), b"anywhere", &theirs, true).is_ok(),
                t.fifo(&path("d/pipe"), &theirs, true).is_ok(),
                t.hardlink(&path("d/g"), &path("d/f"), Kind::File, true).is_ok(),
                t.make_dir(&path("d/e/h"), true).is_ok(),
                t.finish_dir(&path("d/e"), &Meta { mode: 0o700, ..theirs.clone() }).is_ok(),
            ];
            let done = done.iter().filter(|&&done| done).count() as u32;
            placed.fetch_add(done, Ordering::Relaxed);
        }
        over.store(true, Ordering::Relaxed);
    });
    place.assert_outside_untouched();
    assert!(placed.into_inner() > 0, "nothing was ever put in place");
    let precious = outside.join("precious").metadata().unwrap();
    assert_eq!((precious.mode() & 0o7777, precious.uid(), precious.nlink()), (0o644, 0, 1));
}

#[test]
fn a_temporary_file_swapped_for_a_link_gives_its_metadata_to_nobody() {
    let place = TargetBench::new();
    let file = place.target.begin_file(&path("f")).unwrap();
    let name = place.names(".").remove(0);
    fs::remove_file(place.at(&name)).unwrap();
    symlink("../../outside/precious", place.at(&name)).unwrap();
    file.write_at(b"evil", 0).unwrap();
    let _ = file.commit(&Meta { uid: 99, gid: 99, ..meta(0o666) }, true);
    let stat = place.temp.path().join("outside/precious").metadata().unwrap();
    assert_eq!((stat.uid(), stat.mode() & 0o7777), (0, 0o644));
    place.assert_outside_untouched();
}

#[test]
fn links_fifos_and_devices_come_with_their_metadata() {
    let place = TargetBench::new();
    let t = &place.target;
    let wanted = |mode| Meta { uid: 12, gid: 34, ..meta(mode) };
    let none = |complaints: Vec<Complaint>| assert!(complaints.is_empty(), "{complaints:?}");
    let mut of_link = wanted(0o777);
    of_link.xattrs = vec![Xattr { name: b"trusted.l".into(), value: b"v".into() }];
    none(t.symlink(&path("l"), b"../../outside/precious", &of_link, false).unwrap());
    none(t.fifo(&path("p"), &wanted(0o620), false).unwrap());
    let device = Meta { device: Some((259, 70_000)), ..wanted(0o604) };
    none(t.device(&path("c"), Kind::CharDevice, &device, false).unwrap());
    none(t.device(&path("b"), Kind::BlockDevice, &device, false).unwrap());

    let stat = |name: &str| place.at(name).symlink_metadata().unwrap();
    for name in ["l", "p", "c", "b"] {
        let stat = stat(name);
        assert_eq!((stat.uid(), stat.gid()), (12, 34), "{name}");
        assert_eq!((stat.mtime(), stat.mtime_nsec()), (1_000, 123_456_789), "{name}");
    }
    assert_eq!(
        fs::read_link(place.at("l")).unwrap().as_os_str().as_bytes(),
        b"../../outside/precious"
    );
    let mut value = [0; 8];
    let length = rustix::fs::lgetxattr(place.at("l"), c"trusted.l", &mut value[..]).unwrap();
    assert_eq!(&value[..length], b"v");
    assert!(stat("p").file_type().is_fifo());
    assert_eq!(stat("p").permissions().mode() & 0o7777, 0o620);
    assert!(stat("c").file_type().is_char_device() && stat("b").file_type().is_block_device());
    assert_eq!(stat("c").rdev(), rustix::fs::makedev(259, 70_000));
    assert_eq!(stat("b").mode() & 0o7777, 0o604);
    assert_eq!(place.names(".").len(), 4);
    place.assert_outside_untouched();
}

#[test]
fn a_hard_link_joins_files_of_the_target_and_nothing_else() {
    let place = TargetBench::new();
    let t = &place.target;
    place.put("a", b"content", false).unwrap();
    t.hardlink(&path("d/b"), &path("a"), Kind::File, false).unwrap();
    t.hardlink(&path("d/b"), &path("a"), Kind::File, true).unwrap();
    fs::write(place.at("c"), b"old").unwrap();
    t.hardlink(&path("c"), &path("a"), Kind::File, true).unwrap();
    assert_eq!(place.at("a").metadata().unwrap().nlink(), 3);
    assert_eq!(place.names("d"), ["b"], "nothing temporary is left");
    assert!(matches!(
        t.hardlink(&path("c"), &path("a"), Kind::File, false),
        Err(PlaceError::Exists { .. })
    ));

    symlink("../../outside/precious", place.at("l")).unwrap();
    let error = t.hardlink(&path("e"), &path("l"), Kind::File, false).unwrap_err();
    assert!(matches!(error, PlaceError::NotAFile { .. }));
    assert!(matches!(
        t.hardlink(&path("e"), &path("none"), Kind::File, false),
        Err(PlaceError::Failed { .. })
    ));
    assert_eq!(place.names("."), ["a", "c", "d", "l"]);
    place.assert_outside_untouched();
}

#[test]
fn directories_are_finished_last_and_closed_until_then() {
    let place = TargetBench::new();
    let t = &place.target;
    assert_eq!(t.make_dir(&path("d/e"), false).unwrap(), DirCreation::New);
    assert_eq!(t.make_dir(&path("d/e"), false).unwrap(), DirCreation::WasThere);
    assert_eq!(t.make_dir(&RelPath::root(), false).unwrap(), DirCreation::WasThere);
    assert_eq!(place.at("d/e").metadata().unwrap().mode() & 0o7777, 0o1700);
    place.put("d/e/f", b"", false).unwrap();
    for dir in ["d/e", "d", "."] {
        let complaints = t.finish_dir(&path(dir), &Meta { uid: 7, gid: 8, ..meta(0o2555) });
        assert!(complaints.unwrap().is_empty());
    }
    for dir in ["d/e", "d", "."] {
        let stat = place.at(dir).metadata().unwrap();
        assert_eq!((stat.mode() & 0o7777, stat.uid(), stat.mtime()), (0o2555, 7, 1_000), "{dir}");
    }
}

#[test]
fn paths_beyond_path_max_are_reached() {
    let place = TargetBench::new();
    let deep = (0..40).fold(RelPath::root(), |path, _| path.join(&[b'n'; 255]));
    let file = deep.join(b"f");
    assert!(file.as_bytes().len() > 10_000);
    let temporary = place.target.begin_file(&file).unwrap();
    temporary.write_at(b"x", 0).unwrap();
    temporary.commit(&meta(0o644), false).unwrap();
    place.target.hardlink(&deep.join(b"g"), &file, Kind::File, false).unwrap();
    assert!(place.target.symlink(&deep.join(b"l"), b"f", &meta(0o777), false).unwrap().is_empty());
    assert!(place.target.finish_dir(&deep, &meta(0o700)).unwrap().is_empty());
    let existing = place.target.existing(&file).unwrap().unwrap();
    assert_eq!((existing.kind, existing.size), (Some(Kind::File), 1));
    Command::new("rm").arg("-rf").arg(place.at(".").join("n".repeat(255))).status().unwrap();
}

#[test]
fn what_is_there_is_told_without_following_links() {
    let place = TargetBench::new();
    place.put("f", b"12345", false).unwrap();
    symlink("f", place.at("l")).unwrap();
    let mtime = Mtime { sec: 1_000, nsec: 123_456_789 };
    let existing = |name: &str| place.target.existing(&path(name)).unwrap();
    assert_eq!(existing("f"), Some(Existing { kind: Some(Kind::File), size: 5, mtime }));
    assert_eq!(existing("l").unwrap().kind, Some(Kind::Symlink));
    assert_eq!(existing(".").unwrap().kind, Some(Kind::Dir));
    assert_eq!(existing("none"), None);
    assert_eq!(existing("none/below"), None);
}

#[test]
fn a_full_target_is_an_error_of_its_own() {
    // /dev/full is the one place that is always full; the file's own descriptor is swapped for it.
    let place = TargetBench::new();
    let mut file = place.target.begin_file(&path("f")).unwrap();
    file.fd = fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into();
    assert!(
        matches!(file.write_at(b"x", 0), Err(PlaceError::Full { path: at }) if at == path("f"))
    );
}

#[test]
fn a_target_that_is_a_file_is_refused() {
    let place = TargetBench::new();
    let file = place.temp.path().join("outside/precious");
    assert!(matches!(Target::open(&file, true), Err(PlaceError::Target { .. })));
}

#[test]
fn the_verdict_follows_the_policy() {
    use OverwritePolicy::*;
    let thing =
        |kind, size, sec| Existing { kind: Some(kind), size, mtime: Mtime { sec, nsec: 0 } };
    let wanted = thing(Kind::File, 1, 1);
    let dir = thing(Kind::Dir, 0, 1);
    for (policy, existing, verdict) in [
        (Never, None, PlaceDecision::Place),
        (Never, Some(thing(Kind::File, 2, 2)), PlaceDecision::Keep),
        (Changed, Some(wanted), PlaceDecision::Keep),
        (Changed, Some(thing(Kind::File, 1, 2)), PlaceDecision::Replace),
        (Changed, Some(thing(Kind::File, 2, 1)), PlaceDecision::Replace),
        (Changed, Some(thing(Kind::Symlink, 1, 1)), PlaceDecision::Replace),
        (Always, Some(wanted), PlaceDecision::Replace),
        (Always, Some(dir), PlaceDecision::Replace),
    ] {
        assert_eq!(policy.verdict(existing.as_ref(), &wanted), verdict, "{policy:?} {existing:?}");
    }
    let other_dir = thing(Kind::Dir, 0, 9);
    for policy in [Never, Changed, Always] {
        assert_eq!(policy.verdict(Some(&other_dir), &dir), PlaceDecision::Keep);
    }
}

#[test]
fn without_roots_rights_the_rest_is_restored_and_the_lack_is_told() {
    let place = TargetBench::new();
    rustix::fs::chmod(place.temp.path(), Mode::from_raw_mode(0o755)).unwrap();
    rustix::fs::chmod(place.at("."), Mode::from_raw_mode(0o777)).unwrap();
    let as_nobody = || {
        // In the eyes of the file system, and on this thread only.
        nix::unistd::setfsuid(nix::unistd::Uid::from_raw(65534));
        let owned_by_root = place.put("f", b"x", false).unwrap();
        let read_only = Meta {
            uid: 65534,
            xattrs: vec![Xattr { name: b"user.x".into(), value: b"v".into() }],
            ..meta(0o444)
        };
        let file = place.target.begin_file(&path("g")).unwrap();
        let own = file.commit(&read_only, false).unwrap();
        let link = place.target.symlink(&path("l"), b"f", &meta(0o777), false).unwrap();
        let fifo = Meta { uid: 65534, ..meta(0o600) };
        let fifo = place.target.fifo(&path("p"), &fifo, false).unwrap();
        let device = Meta { device: Some((1, 3)), ..meta(0o600) };
        let device = place.target.device(&path("c"), Kind::CharDevice, &device, false);
        assert!(matches!(device, Err(PlaceError::NeedsRoot { path: at }) if at == path("c")));
        (owned_by_root, own, link, fifo)
    };
    let (owned_by_root, own, link, fifo) =
        std::thread::scope(|scope| scope.spawn(as_nobody).join().unwrap());
    let texts = |complaints: &[Complaint]| -> Vec<String> {
        complaints.iter().map(ToString::to_string).collect()
    };
    assert_eq!(texts(&owned_by_root), ["f: the owner user 0 could not be restored"]);
    assert_eq!(texts(&link), ["l: the owner user 0 could not be restored"]);
    assert!(own.is_empty() && fifo.is_empty(), "{own:?} {fifo:?}");
    assert_eq!(place.at("f").metadata().unwrap().mtime(), 1_000);
    assert_eq!(place.at("g").metadata().unwrap().mode() & 0o7777, 0o444);
}

#[test]
fn what_a_killed_restore_left_is_known_and_cleaned_up() {
    let place = TargetBench::new();
    let t = &place.target;
    let planned = |name: &str, mode| t.make_planned_dir(&path(name), false, mode).unwrap();
    assert_eq!(planned("d", 0o755), DirCreation::New);
    fs::write(place.at("d/.coldcut-tmp-0123abcd"), "half").unwrap();
    fs::write(place.at("d/.coldcut-tmp-somebody's"), "not ours").unwrap();
    let in_work = t.begin_file(&path("d/f")).unwrap();
    assert_eq!(place.names("d").len(), 3);
    assert_eq!(planned("d", 0o755), DirCreation::New, "it never got its metadata");
    let names = place.names("d");
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(!names.contains(&".coldcut-tmp-0123abcd".to_owned()));
    in_work.commit(&meta(0o644), false).unwrap();
    t.finish_dir(&path("d"), &meta(0o755)).unwrap();
    assert_eq!(planned("d", 0o755), DirCreation::WasThere);
    t.mark_dir(&path("d"));
    assert_eq!(planned("d", 0o755), DirCreation::New, "it has its metadata, and lacks files");
    t.finish_dir(&path("d"), &meta(0o1777)).unwrap();
    assert_eq!(planned("d", 0o1777), DirCreation::WasThere, "that is its own mode");
    assert!(!t.is_root_unfinished(0o755));
    t.mark_root();
    assert!(t.is_root_unfinished(0o755));
}
