//! What coldcut refuses, asks or leaves out before the first byte is packed.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use support::{Run, Sandbox};

/// The paths of the newest snapshot, below its root.
fn stored(sandbox: &Sandbox) -> Vec<String> {
    paths(sandbox.run(["find", "--json", "**"]))
}

fn stored_of(sandbox: &Sandbox, set: &str) -> Vec<String> {
    paths(sandbox.run(["find", "--json", "--name", set, "**"]))
}

fn paths(run: Run) -> Vec<String> {
    run.ok();
    let mut paths: Vec<String> = run
        .results()
        .iter()
        .map(|row| row["path"].as_str().unwrap().to_owned())
        .filter(|path| path != ".")
        .collect();
    paths.sort();
    paths
}

#[test]
fn of_a_catalog_in_the_source_its_own_files_are_left_out_and_nothing_that_begins_like_it() {
    for below in ["", "sub/"] {
        let mut sandbox = Sandbox::new();
        let dir = sandbox.source().join(below);
        fs::create_dir_all(dir.join("cars")).unwrap();
        fs::create_dir_all(dir.join("c.last.d")).unwrap();
        for name in
            ["cars/x", "cat.jpg", "c.toml", "c-walrus", "c.aside", "c.aside-x", "c.last.d/y"]
        {
            fs::write(dir.join(name), name).unwrap();
        }
        for name in ["c.aside-1", "c.aside-12-wal"] {
            fs::write(dir.join(name), "moved aside by a rebuild").unwrap();
        }
        sandbox.set("COLDCUT_CATALOG", dir.join("c"));
        sandbox.run(["backup", "source", "shelf", "--disc-size", "3M"]).ok();
        sandbox.run(["backup", "source", "shelf", "--disc-size", "3M", "--flush"]).ok();
        let inside: Vec<String> = stored(&sandbox)
            .into_iter()
            .filter_map(|path| path.strip_prefix(below).map(str::to_owned))
            .collect();
        let wanted = [
            "c-walrus",
            "c.aside",
            "c.aside-x",
            "c.last.d",
            "c.last.d/y",
            "c.toml",
            "cars",
            "cars/x",
            "cat.jpg",
        ];
        assert_eq!(inside, wanted, "below {below:?}");
    }
}

#[test]
fn coldcuts_own_places_are_left_out_whatever_bytes_their_names_have() {
    let mut sandbox = Sandbox::new();
    let odd = |text: &[u8]| sandbox.source().join(OsStr::from_bytes(text));
    let (catalog, staging, shelf) = (odd(b"c\xff[a]"), odd(b"st\xfe*"), odd(b"sh\xfd?"));
    for near in [&b"c\xff[a]x"[..], b"st\xfe-", b"sh\xfdx", b"c\xffa"] {
        fs::write(odd(near), "mine").unwrap();
    }
    sandbox.set("COLDCUT_CATALOG", &catalog);
    sandbox.set("COLDCUT_STAGING", &staging);
    let run = |sandbox: &Sandbox| {
        let words = [OsStr::new("backup"), OsStr::new("source"), shelf.as_os_str()];
        sandbox.run(words.into_iter().chain(["--disc-size", "3M"].map(OsStr::new)))
    };
    run(&sandbox).ok();
    run(&sandbox).ok();
    let kept = stored(&sandbox);
    // The four, and the shelf's directory without what is in it.
    assert_eq!(kept.len(), 5, "{kept:?}");
}

/// `source/discs` is the shelf of another set, `source/moved` was one elsewhere, and `source/own` is
/// one of this set; in each of them is something that is no disc image.
fn with_shelves_in_the_source() -> Sandbox {
    let sandbox = with_photos();
    let inside = sandbox.source();
    for name in ["papers", "mail"] {
        fs::create_dir(sandbox.path(name)).unwrap();
        fs::write(sandbox.path(name).join("page"), name).unwrap();
    }
    backup(&sandbox, "papers source/discs --copies 2").ok();
    backup(&sandbox, "mail elsewhere").ok();
    fs::rename(sandbox.path("elsewhere"), inside.join("moved")).unwrap();
    fs::write(inside.join("more"), "more").unwrap();
    backup(&sandbox, "source source/own --name photos").ok();
    for shelf in ["discs", "moved", "own"] {
        fs::create_dir(inside.join(shelf).join("sub")).unwrap();
        fs::write(inside.join(shelf).join("notes"), shelf).unwrap();
        fs::write(inside.join(shelf).join("sub/papers-0001.iso"), "in no shelf").unwrap();
    }
    for name in ["trip-2019.iso", "papers-0001.img", ".coldcut-shelf.old"] {
        fs::write(inside.join("discs").join(name), name).unwrap();
    }
    for name in ["papers-0001.failed-1.iso", ".papers-0002.iso.part", ".shelf.toml"] {
        fs::write(inside.join("discs").join(name), "").unwrap();
    }
    sandbox
}

#[test]
fn the_disc_images_of_a_shelf_in_the_source_are_left_out_and_nothing_else_there() {
    let sandbox = with_shelves_in_the_source();
    #[rustfmt::skip]
    let wanted = [
        "discs", "discs/.coldcut-shelf.old", "discs/copy2", "discs/notes", "discs/papers-0001.img",
        "discs/sub", "discs/sub/papers-0001.iso", "discs/trip-2019.iso",
        "letter", "more", "moved", "moved/notes", "moved/sub", "moved/sub/papers-0001.iso",
        "own", "own/notes", "own/sub", "own/sub/papers-0001.iso",
    ];
    for words in ["source source/own --name photos", "source --stage --name photos"] {
        let run = backup(&sandbox, words);
        for shelf in ["discs", "discs/copy2", "moved", "own"] {
            let dir = sandbox.source().join(shelf);
            run.ok().says(&format!("left out: the disc images in {}\n", dir.display()));
        }
        assert_eq!(stored_of(&sandbox, "photos"), wanted, "{words}");
    }
}

#[test]
fn a_shelf_of_another_catalog_is_like_any_directory() {
    let sandbox = with_photos();
    let mut other = Sandbox::new();
    other.set("COLDCUT_CATALOG", other.path("another.sqlite"));
    fs::rename(sandbox.shelf(), other.source().join("discs")).unwrap();
    let run = backup(&other, "source shelf");
    assert!(!run.ok().stderr().contains("left out"), "{}", run.story());
    let wanted = ["discs", "discs/.coldcut-shelf", "discs/photos-0001.iso"];
    assert_eq!(stored(&other), wanted);
}

#[test]
fn a_shelf_that_is_backed_up_on_purpose_is_stored_as_a_whole() {
    let sandbox = with_photos();
    for _ in 0..2 {
        backup(&sandbox, "shelf other --new-set").ok();
        let wanted = [".coldcut-shelf", "photos-0001.iso"];
        assert_eq!(stored_of(&sandbox, "shelf"), wanted);
    }
}

#[test]
fn discs_that_are_put_into_the_source_are_no_change_of_it() {
    let sandbox = with_photos();
    fs::create_dir(sandbox.source().join("discs")).unwrap();
    let flush = || backup(&sandbox, "source source/discs --name photos --flush");
    flush().ok().says("disc 2:");
    let before = names(&sandbox.source());
    flush().ok();
    assert_eq!(names(&sandbox.source()), before, "a disc for a disc");
}

const SMALL: [&str; 2] = ["--disc-size", "3M"];

/// With a set `photos`, of `source`, on `shelf`.
fn with_photos() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("letter"), "dear a\n").unwrap();
    backup(&sandbox, "source shelf --name photos").ok();
    sandbox
}

fn backup(sandbox: &Sandbox, words: &str) -> Run {
    sandbox.run(["backup"].into_iter().chain(words.split_whitespace()).chain(SMALL))
}

/// The same at a terminal, where somebody types this.
fn backup_at_a_terminal(sandbox: &Sandbox, words: &str, typed: &str) -> Run {
    let program = env!("CARGO_BIN_EXE_coldcut");
    let line = format!("{program} backup {words} --disc-size 3M");
    sandbox.bash(&format!("printf '{typed}' | script -qec '{line}' /dev/null"))
}

/// All names below a directory, sorted.
fn names(dir: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        names.extend(names_in(&path));
    }
    names.sort();
    names
}

fn names_in(path: &Path) -> Vec<String> {
    let below = if path.is_dir() { names(path) } else { Vec::new() };
    let own = path.file_name().unwrap().to_string_lossy().into_owned();
    below.into_iter().map(|name| format!("{own}/{name}")).chain([own.clone()]).collect()
}

fn sets(sandbox: &Sandbox) -> Vec<String> {
    let rows = sandbox.run(["status", "--json"]).objects();
    rows.iter().filter_map(|row| Some(row.get("id")?.as_str()?.to_owned())).collect()
}

/// What is in a directory, and whether discs may be put into it.
#[test]
fn a_directory_is_dest_if_it_is_empty_or_a_shelf() {
    #[rustfmt::skip]
    let table: &[(&str, &[&str], bool)] = &[
        ("new", &[], true),
        ("empty", &["."], true),
        ("disk", &["lost+found/", "System Volume Information/", "$RECYCLE.BIN/", ".Trash-1000/", ".DS_Store"], true),
        ("marked", &[".coldcut-shelf", "letter"], true),
        ("failing", &[".shelf.toml", "letter"], true),
        ("copies", &["copy2/", "letter"], true),
        ("images", &["mail-0001.iso", "letter"], true),
        ("broken", &[".mail-0001.iso.part", "letter"], true),
        ("failed", &["mail-0001.failed-1.iso", "letter"], true),
        ("full", &["letter"], false),
        ("hidden", &[".config"], false),
        ("folder", &["photos/"], false),
        ("disk-in-use", &["lost+found/", "letter"], false),
        ("foreign", &["debian-12.iso"], false),
        ("near", &["copy/", "copy1/"], false),
        ("part", &["mail-0001.iso.part"], false),
        ("long-marked", &[".coldcut-shelf.old"], false),
    ];
    for (name, content, is_fine) in table {
        let sandbox = Sandbox::new();
        fs::write(sandbox.source().join("letter"), "dear a\n").unwrap();
        let dest = sandbox.path(name);
        for entry in *content {
            match entry.strip_suffix('/') {
                Some(dir) => fs::create_dir_all(dest.join(dir)).unwrap(),
                None if *entry == "." => fs::create_dir(&dest).unwrap(),
                None => {
                    fs::create_dir_all(&dest).unwrap();
                    fs::write(dest.join(entry), "").unwrap();
                }
            }
        }
        let before = names(&dest);
        let run = backup(&sandbox, &format!("source {name}"));
        match is_fine {
            true => assert!(dest.join("source-0001.iso").exists(), "{name}\n{}", run.ok().story()),
            false => {
                run.code(1).says("name a new directory in it");
                assert_eq!(names(&dest), before, "{name}");
                assert!(!sandbox.catalog().exists() && !sandbox.staging().exists(), "{name}");
                backup(&sandbox, &format!("source {name}/discs")).ok();
            }
        }
    }
}

#[test]
fn a_shelf_that_the_catalog_knows_stays_one_whatever_else_is_put_there() {
    let sandbox = with_photos();
    for image in sandbox.images() {
        fs::rename(&image, sandbox.path("elsewhere.iso")).unwrap();
    }
    let _ = fs::remove_file(sandbox.shelf().join(".coldcut-shelf"));
    fs::write(sandbox.shelf().join("notes.txt"), "box 3").unwrap();
    fs::write(sandbox.source().join("more"), "more").unwrap();
    backup(&sandbox, "source shelf --name photos").ok();
}

#[test]
fn every_command_that_makes_discs_looks_at_dest_first() {
    let sandbox = with_photos();
    fs::write(sandbox.source().join("more"), "more").unwrap();
    sandbox.run(["backup", "source", "--name", "photos", "--stage"].into_iter().chain(SMALL)).ok();
    fs::create_dir(sandbox.path("home/papers")).unwrap();
    for dest in ["home", "home/no/such", "smb://nas/shelf", "me@nas:/shelf", "source"] {
        for verb in ["burn DEST", "copy 1 DEST", "migrate 1 --to DEST", "watch DEST --until-done"] {
            let words = verb.replace("DEST", dest);
            let run = sandbox.run(words.split(' '));
            assert_eq!(run.output.status.code(), Some(1), "{}", run.story());
            let says = ["name a new directory", "is created", "mount it", "is the source of set"];
            assert!(says.iter().any(|says| run.stderr().contains(says)), "{}", run.story());
        }
    }
    assert_eq!(names(&sandbox.path("home")), ["papers"]);
    assert_eq!(names(&sandbox.source()), ["letter", "more"]);
    for stray in ["smb:", "me@nas:", "me@nas:/shelf"] {
        assert!(!sandbox.path(stray).exists(), "{stray}");
    }
    // `watch` is for drives, and says so before it makes anything.
    sandbox.run(["watch", "tray", "--until-done"]).code(1);
    assert!(!sandbox.path("tray").exists());
    sandbox.run(["burn", "home/discs"]).ok();
    sandbox.run(["copy", "1", "home/copies"]).ok();
    sandbox.run(["migrate", "1", "--to", "home/new", "--disc-size", "3M"]).ok();
}

#[test]
fn addresses_and_deep_directories_are_refused_and_nothing_is_made() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("odd:name")).unwrap();
    let before = names(&sandbox.path("."));
    for (dest, says) in [
        ("smb://nas/shelf", "is an address"),
        ("user@host:/shelf", "another machine"),
        ("host:shelf", "another machine"),
        ("a/b", "there is no directory a"),
        ("odd:name/b/c", "there is no directory odd:name/b"),
        ("/mnt/no/such/place", "there is no directory /mnt/no/such"),
    ] {
        backup(&sandbox, &format!("source {dest}")).code(1).says(says);
        assert_eq!(names(&sandbox.path(".")), before, "{dest}");
    }
    backup(&sandbox, "source odd:name/new").ok();
    backup(&sandbox, "source ./host:shelf").ok();
    assert!(sandbox.path("odd:name/new").is_dir());
}

#[test]
fn dest_is_made_with_its_first_disc_and_not_by_a_run_that_ends_before() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("letter"), "dear a\n").unwrap();
    backup(&sandbox, "source new --encrypt").code(1).says("a passphrase is needed");
    backup(&sandbox, "source new --sign no-such-key").code(1);
    backup(&sandbox, "source new --dry-run").ok();
    backup(&sandbox, "nowhere new").code(1);
    assert!(!sandbox.path("new").exists());
    backup(&sandbox, "source new").ok();
    assert!(sandbox.path("new/source-0001.iso").exists());
    backup(&sandbox, "source newer").ok();
    assert!(!sandbox.path("newer").exists(), "nothing was new, and no disc was made");
}

#[test]
fn source_and_dest_are_not_swapped_by_a_slip() {
    let sandbox = with_photos();
    let images = sandbox.images();
    fs::rename(sandbox.source().join("letter"), sandbox.path("letter")).unwrap();
    // Even the empty source is a source.
    for words in ["shelf source", "shelf source --new-set", "home source", "shelf ./source/."] {
        let run = backup(&sandbox, words);
        run.code(1);
        assert!(run.stderr().contains("swapped"), "{}", run.story());
    }
    backup(&sandbox, "source source").code(1).says("source is the directory to back up");
    std::os::unix::fs::symlink(sandbox.source(), sandbox.path("link")).unwrap();
    backup(&sandbox, "home link").code(1).says("is the source of set photos");
    assert_eq!(names(&sandbox.source()), [""; 0]);
    assert_eq!(sandbox.images(), images);
    assert_eq!(sets(&sandbox), ["photos"]);
}

#[test]
fn a_shelf_is_no_source_unless_it_is_meant_and_a_directory_beside_its_images_is_one() {
    let sandbox = with_photos();
    backup(&sandbox, "shelf other").code(1).says("is a shelf");
    let terminal = backup_at_a_terminal(&sandbox, "shelf other", "y\\n");
    assert!(!terminal.output.status.success(), "no question: {}", terminal.story());
    assert!(!sandbox.path("other").exists());
    fs::create_dir(sandbox.path("stranger")).unwrap();
    fs::write(sandbox.path("stranger/.coldcut-shelf"), "").unwrap();
    backup(&sandbox, "stranger other").code(1).says("is a shelf");
    fs::create_dir(sandbox.shelf().join("papers")).unwrap();
    fs::write(sandbox.shelf().join("papers/x"), "x").unwrap();
    backup(&sandbox, "shelf/papers other").ok();
    backup(&sandbox, "shelf other --new-set").ok();
    // A set's source may not become one by the way.
    let moved = backup(&sandbox, "stranger other --name photos --move-source");
    moved.code(1).says("is a shelf");
}

#[test]
fn a_second_set_over_one_source_is_asked_about() {
    let sandbox = with_photos();
    let refused = |words: &str| {
        let run = backup(&sandbox, words);
        run.code(1).says("is already the source of set photos").says("--new-set");
        assert_eq!(sets(&sandbox), ["photos"], "{words}");
    };
    refused("source shelf --name other");
    refused("source shelf");
    refused("source shelf --yes");
    refused("./source/../source shelf --name quite-different");
    let no = backup_at_a_terminal(&sandbox, "source shelf --name other", "n\\n");
    assert_eq!(no.output.status.code(), Some(1), "{}", no.story());
    assert!(no.stdout().contains("Create a new set other? [y/N]"), "{}", no.story());
    assert_eq!(sets(&sandbox), ["photos"]);
    refused("source shelf --name other --dry-run");
    backup(&sandbox, "source shelf --name other --dry-run --new-set").ok();
    assert_eq!(sets(&sandbox), ["photos"]);
    let yes = backup_at_a_terminal(&sandbox, "source shelf --name other --yes", "y\\n");
    assert!(yes.output.status.success(), "{}", yes.story());
    assert_eq!(sets(&sandbox), ["other", "photos"]);
    backup(&sandbox, "source shelf --name third --new-set").ok();
    // Known sets are asked about no more.
    backup(&sandbox, "source shelf --name other").ok();
}

#[test]
fn a_name_that_was_typed_and_is_almost_another_one_is_asked_about() {
    for (name, is_asked) in [
        ("photo", true),
        ("photoss", true),
        ("phptos", true),
        ("pohtos", true),
        ("Photos", true),
        ("photos2", false),
        ("papers", false),
        ("pots", false),
    ] {
        let sandbox = with_photos();
        fs::create_dir(sandbox.path("papers")).unwrap();
        let run = backup(&sandbox, &format!("papers shelf --name {name}"));
        match is_asked {
            true => drop(run.code(1).says("there is a set photos").says("--new-set")),
            false => drop(run.ok().says("also in this catalog: photos")),
        }
        assert_eq!(sets(&sandbox).len(), if is_asked { 1 } else { 2 }, "{name}");
    }
    let sandbox = with_photos();
    // The directory's own name was not typed.
    fs::create_dir(sandbox.path("photo")).unwrap();
    backup(&sandbox, "photo shelf").ok();
    fs::create_dir(sandbox.path("papers")).unwrap();
    backup(&sandbox, "papers shelf --name phtos --new-set").ok();
    let yes = backup_at_a_terminal(&sandbox, "papers shelf --name hotos --new-set", "");
    assert!(yes.output.status.success(), "{}", yes.story());
}

#[test]
fn a_set_of_the_configuration_is_never_asked_about() {
    let mut sandbox = with_photos();
    let config = sandbox.path("coldcut.toml");
    let text = format!(
        "[set.photo]\nsource = {:?}\ndest = {:?}\n",
        sandbox.source().display().to_string(),
        sandbox.shelf().display().to_string()
    );
    fs::write(&config, text).unwrap();
    sandbox.set("COLDCUT_CONFIG", config);
    sandbox.run(["backup", "photo", "--disc-size", "3M"]).ok();
    assert_eq!(sets(&sandbox), ["photo", "photos"]);
}

#[test]
fn a_mistyped_set_is_told_from_a_missing_place() {
    let mut sandbox = Sandbox::new();
    let config = sandbox.path("coldcut.toml");
    sandbox.set("COLDCUT_CONFIG", &config);
    let set = format!("[set.data]\nsource = {:?}\n", sandbox.source().display().to_string());
    for text in [set.clone(), format!("drive = \"/dev/sr9\"\n{set}")] {
        fs::write(&config, text).unwrap();
        let says = "there is no directory dat and no set dat; configured sets: data";
        sandbox.run(["backup", "dat"]).code(1).says(says);
        sandbox.run(["backup", "dat", "shelf"]).code(1).says(says);
        sandbox.run(["backup", "dat", "--stage"]).code(1).says(says);
        sandbox.run(["backup", "./dat", "shelf"]).code(1).says("cannot find the directory ./dat");
    }
    fs::write(&config, set).unwrap();
    sandbox.run(["backup", "source"]).code(2).says("backup needs DEST");
}

/// Runs with an fstab of its own, and mounts that nobody else sees. Needs root.
fn with_fstab(sandbox: &Sandbox, fstab: &str, mounts: &str, words: &str) -> Run {
    fs::write(sandbox.path("fstab"), fstab).unwrap();
    let program = env!("CARGO_BIN_EXE_coldcut");
    sandbox.bash(&format!(
        "unshare --mount bash -ec 'touch /etc/fstab; mount --bind fstab /etc/fstab; {mounts}
         exec {program} {words}'"
    ))
}

#[test]
fn what_is_not_mounted_is_not_filled() {
    for options in ["defaults", "noauto,nofail", "x-systemd.automount,ro"] {
        let sandbox = Sandbox::new();
        fs::write(sandbox.source().join("letter"), "dear a\n").unwrap();
        let point = sandbox.path("usb");
        fs::create_dir(&point).unwrap();
        let fstab = format!(
            "# none\nUUID=1 / ext4 defaults 0 1\nUUID=2 {} auto {options} 0 0\n",
            point.display()
        );
        let run = |mounts: &str, words: &str| with_fstab(&sandbox, &fstab, mounts, words);
        for dest in ["usb", "usb/shelf", "./usb/../usb/shelf"] {
            let words = format!("backup source {dest} --disc-size 3M");
            run("", &words).code(1).says("nothing is mounted there").says("--new-shelf");
            assert_eq!(names(&point), [""; 0], "{dest}, {options}");
        }
        run("", "backup source shelf --disc-size 3M").ok();
        for verb in ["burn usb/x", "copy 1 usb/x", "migrate 1 --to usb/x"] {
            run("", verb).code(1).says("nothing is mounted there");
        }
        // What is mounted is all right, whatever it is; that of the service for automounts, too.
        fs::write(sandbox.source().join("more"), "more").unwrap();
        let tmpfs = format!("mount -t tmpfs none {};", point.display());
        run(&tmpfs, "backup source usb/shelf --disc-size 3M").ok();
        assert_eq!(names(&point), [""; 0]);
        fs::write(sandbox.source().join("still-more"), "still more").unwrap();
        run("", "backup source usb/shelf --disc-size 3M --new-shelf").ok();
        assert!(point.join("shelf").is_dir());
        // Now it is a shelf that is known by its id.
        fs::write(sandbox.source().join("last"), "the last").unwrap();
        run("", "backup source usb/shelf --disc-size 3M").ok();
        fs::remove_file(point.join("shelf/.coldcut-shelf")).unwrap();
        run("", "backup source usb/shelf --disc-size 3M").code(1).says("nothing is mounted there");
    }
}

/// Without /proc nobody says what is mounted: that alone refuses nothing.
#[test]
fn where_mounts_are_unknown_dest_is_taken_as_it_is() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("usb")).unwrap();
    let fstab = format!("UUID=2 {} ext4 defaults 0 0\n", sandbox.path("usb").display());
    backup(&sandbox, "source shelf").ok();
    with_fstab(&sandbox, &fstab, "", "burn usb/x").code(1).says("nothing is mounted there");
    let hidden = with_fstab(&sandbox, &fstab, "mount -t tmpfs none /proc;", "burn usb/x");
    assert!(!hidden.ok().stderr().contains("mounted"), "{}", hidden.story());
}
