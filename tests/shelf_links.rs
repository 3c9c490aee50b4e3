//! A shelf in a directory that another user can write to: links and files that they put where coldcut
//! writes lead to no other file, and what is called verified is the image under its name.
//! Needs root, as the attack does.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use support::{Run, Sandbox, assert_same_tree, text};

const NOBODY: u32 = 65534;
const PRECIOUS: &str = "only root may change this\n";

/// The shelf belongs to somebody else, who can reach it, and not what is next to it.
fn theirs() -> Sandbox {
    let sandbox = Sandbox::with_films(1);
    let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    open(&sandbox.path("."));
    chown(sandbox.shelf(), Some(NOBODY), Some(NOBODY)).unwrap();
    fs::write(victim(&sandbox), PRECIOUS).unwrap();
    fs::set_permissions(victim(&sandbox), fs::Permissions::from_mode(0o600)).unwrap();
    sandbox
}

fn victim(sandbox: &Sandbox) -> PathBuf {
    sandbox.path("victim")
}

#[track_caller]
fn is_unharmed(sandbox: &Sandbox, run: &Run) {
    let found = fs::read(victim(sandbox)).unwrap();
    let is_same = found == PRECIOUS.as_bytes();
    assert!(is_same, "{} bytes now; {}", found.len(), run.story());
}

/// The same command, without anybody who interferes, ends with real images that give all back.
#[track_caller]
fn goes_on(sandbox: &Sandbox) {
    let run = sandbox.backup("films", &[]);
    run.ok();
    is_unharmed(sandbox, &run);
    let images = sandbox.images();
    assert!(!images.is_empty());
    for image in images {
        let found = fs::symlink_metadata(&image).unwrap();
        assert!(found.is_file() && found.uid() == 0, "{image:?}");
    }
    sandbox.run(["status"]).ok();
    sandbox.run(["restore", &text(&sandbox.shelf()), "back"]).ok();
    assert_same_tree(&sandbox.source(), &sandbox.path("back"));
}

/// A process of the shelf's owner that runs these lines in the shelf, again and again.
struct Neighbour(Child);

impl Neighbour {
    fn start(sandbox: &Sandbox, lines: &str) -> Neighbour {
        let script = format!("shopt -s nullglob; while :; do\n{lines}\ndone");
        let child = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "bash", "-c", &script])
            .env("VICTIM", victim(sandbox))
            .current_dir(sandbox.shelf())
            .spawn()
            .unwrap();
        Neighbour(child)
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What they left is swept away by whoever cleans up after them.
fn sweep(sandbox: &Sandbox) {
    for entry in fs::read_dir(sandbox.shelf()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn links_that_a_neighbour_plants_all_the_time_lead_nowhere() {
    let sandbox = theirs();
    // The name that was once used, and whatever name is used now, as soon as it can be seen.
    let plant = "ln -sfn \"$VICTIM\" .films-0001.iso.part
                 for part in .*.part; do ln -sfn \"$VICTIM\" \"$part\"; done";
    for _ in 0..3 {
        let neighbour = Neighbour::start(&sandbox, plant);
        let run = sandbox.backup("films", &[]);
        drop(neighbour);
        is_unharmed(&sandbox, &run);
        // Who is quick enough keeps coldcut from writing here; the error says where.
        match run.output.status.code() {
            Some(0) => break,
            _ => drop(run.code(1).says(&text(&sandbox.shelf()))),
        }
    }
    sweep(&sandbox);
    goes_on(&sandbox);
}

/// `xorriso`, with these lines before and after what it does for a shelf.
fn with_xorriso(sandbox: &mut Sandbox, before: &str, after: &str) {
    let script = format!(
        "#!/bin/bash
         case \"$*\" in *-print_size*) exec '{real}' \"$@\" ;; esac
         cd '{shelf}'
         {before}
         '{real}' \"$@\"
         got=$?
         {after}
         exit $got",
        real = sandbox.bash("command -v xorriso").stdout().trim(),
        shelf = sandbox.shelf().display(),
    );
    let bin = sandbox.path("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("xorriso"), script).unwrap();
    fs::set_permissions(bin.join("xorriso"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    sandbox.set("PATH", format!("{}:{path}", bin.display()));
    sandbox.set("VICTIM", victim(sandbox));
}

fn without_xorriso(sandbox: &mut Sandbox) {
    sandbox.set("PATH", std::env::var_os("PATH").unwrap());
}

#[test]
fn an_image_that_is_replaced_while_it_is_written_is_an_error_that_names_it() {
    let link = "for part in .*.part; do ln -sfn \"$VICTIM\" \"$part\"; done";
    let copy = "for part in .*.part; do cp \"$part\" other; mv -f other \"$part\"; done";
    let gone = "for part in .*.part; do rm \"$part\"; done";
    for (before, after) in [(link, ""), ("", link), ("", copy), (gone, ""), ("", gone)] {
        let mut sandbox = theirs();
        with_xorriso(&mut sandbox, before, after);
        let run = sandbox.backup("films", &[]);
        is_unharmed(&sandbox, &run);
        run.code(1).says(&text(&sandbox.shelf().join(".films-0001."))).says("another user");
        assert!(sandbox.images().is_empty(), "{}", run.story());
        without_xorriso(&mut sandbox);
        sweep(&sandbox);
        goes_on(&sandbox);
    }
}

#[test]
fn a_link_under_the_name_that_an_image_gets_is_an_error_that_names_it() {
    for (before, plant) in [("", true), ("ln -s \"$VICTIM\".new films-0001.iso", false)] {
        let mut sandbox = theirs();
        let image = sandbox.shelf().join("films-0001.iso");
        let outside = sandbox.path("victim.new");
        if plant {
            symlink(&outside, &image).unwrap();
        }
        with_xorriso(&mut sandbox, before, "");
        let run = sandbox.backup("films", &[]);
        run.code(1).says(&text(&image));
        assert!(!outside.exists(), "{}", run.story());
        without_xorriso(&mut sandbox);
        sweep(&sandbox);
        goes_on(&sandbox);
    }
}

#[test]
fn a_link_in_the_place_of_a_mark_is_an_error_that_names_it() {
    for (name, content) in [(".coldcut-shelf", PRECIOUS), (".shelf.toml", "full_after = 9\n")] {
        let sandbox = theirs();
        let (mark, elsewhere) = (sandbox.shelf().join(name), sandbox.path("elsewhere"));
        fs::write(&elsewhere, content).unwrap();
        symlink(&elsewhere, &mark).unwrap();
        let run = sandbox.backup("films", &[]);
        run.code(1).says(&text(&mark)).says("symbolic link");
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), content);
        assert!(sandbox.images().is_empty(), "{}", run.story());
        sweep(&sandbox);
        goes_on(&sandbox);
    }
}

/// A link of the user's own is their word; one of somebody else's is not.
#[test]
fn further_copies_go_through_a_link_of_ones_own_and_no_other() {
    let sandbox = theirs();
    let (link, disk) = (sandbox.shelf().join("copy2"), sandbox.path("disk"));
    sandbox.backup("films", &[]).ok();
    fs::create_dir(&disk).unwrap();
    symlink(&disk, &link).unwrap();
    std::os::unix::fs::lchown(&link, Some(NOBODY), Some(NOBODY)).unwrap();
    let copy = |sandbox: &Sandbox| sandbox.run(["copy", "1", &text(&sandbox.shelf())]);
    let run = copy(&sandbox);
    run.code(1).says(&text(&link)).says("symbolic link");
    assert_eq!(fs::read_dir(&disk).unwrap().count(), 0, "{}", run.story());
    std::os::unix::fs::lchown(&link, Some(0), Some(0)).unwrap();
    copy(&sandbox).ok();
    assert!(disk.join("films-0001.iso").is_file());
}

/// What file systems without it answer: FUSE and network file systems, and FAT, which has no links.
#[test]
fn without_renaming_that_replaces_nothing_and_without_links_it_works_too() {
    let no_renaming = "-e inject=renameat2:error=EINVAL";
    for without in [no_renaming.to_owned(), format!("{no_renaming} -e inject=linkat:error=EPERM")] {
        let sandbox = theirs();
        let backup = format!(
            "exec strace -f -qq -o trace -e trace=renameat2,linkat {without} \
             '{}' backup --disc-size 3M --name films source shelf",
            env!("CARGO_BIN_EXE_coldcut"),
        );
        let image = sandbox.shelf().join("films-0001.iso");
        symlink(victim(&sandbox), &image).unwrap();
        let run = sandbox.bash(&backup);
        run.code(1).says(&text(&image));
        is_unharmed(&sandbox, &run);
        sweep(&sandbox);
        sandbox.bash(&backup).ok();
        assert!(fs::read_to_string(sandbox.path("trace")).unwrap().contains("(INJECTED)"));
        goes_on(&sandbox);
    }
}

#[test]
fn a_rescue_writes_through_no_link() {
    let sandbox = theirs();
    sandbox.backup("films", &[]).ok();
    let image = text(&sandbox.images()[0]);
    let to = sandbox.path("theirs.iso");
    symlink(victim(&sandbox), &to).unwrap();
    let run = sandbox.run(["rescue", &image, "--to", &text(&to)]);
    run.code(1).says(&text(&to));
    is_unharmed(&sandbox, &run);
    // As if it had been begun.
    fs::remove_file(&to).unwrap();
    sandbox.run(["rescue", &image, "--to", &text(&to)]).ok();
    fs::remove_file(&to).unwrap();
    symlink(victim(&sandbox), &to).unwrap();
    let run = sandbox.run(["rescue", &image, "--to", &text(&to)]);
    run.code(1).says(&text(&to));
    is_unharmed(&sandbox, &run);
}
