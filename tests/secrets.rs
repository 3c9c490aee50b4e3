//! Who may see what (docs/security.md): nobody but the owner, and of secrets nobody.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use support::Sandbox;

const SECRET: &str = "quittenmus";
const CONTENT: &str = "dass niemand dies liest";

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

/// Every file and directory below.
fn each_below(dir: &Path, look: &mut dyn FnMut(&Path)) {
    look(dir);
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => each_below(&path, look),
            false => look(&path),
        }
    }
}

fn encrypted() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set("COLDCUT_PASSPHRASE", SECRET);
    fs::write(sandbox.source().join("letter"), CONTENT.repeat(1000)).unwrap();
    sandbox
}

#[test]
fn what_waits_is_closed_to_others_whatever_the_umask() {
    let sandbox = encrypted();
    let program = env!("CARGO_BIN_EXE_coldcut");
    let words = "backup --encrypt --stage --disc-size 3M source";
    sandbox.bash(&format!("umask 000; '{program}' {words}")).ok();
    let mut files = 0;
    each_below(&sandbox.staging(), &mut |path| {
        files += 1;
        assert_eq!(mode(path), if path.is_dir() { 0o700 } else { 0o600 }, "{path:?}");
    });
    assert!(files > 8, "{files}");
    for entry in fs::read_dir(sandbox.path(".")).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains("catalog.sqlite") {
            assert_eq!(mode(&path), 0o600, "{path:?}");
        }
    }
}

#[test]
fn contents_of_an_encrypted_set_are_in_clear_in_no_file_but_the_source() {
    let mut sandbox = encrypted();
    let temporary = sandbox.path("tmp");
    fs::create_dir(&temporary).unwrap();
    sandbox.set("TMPDIR", &temporary);
    let options = ["backup", "--encrypt", "--disc-size", "3M", "--compress", "none"];
    sandbox.run(options.iter().chain(&["--stage", "source"])).ok();
    sandbox.run(["drill"]).ok();
    sandbox.run(["burn", "shelf"]).ok();
    sandbox.run(["verify", "shelf"]).ok();
    let mut in_source = false;
    each_below(&sandbox.path("."), &mut |path| {
        if path.is_dir() {
            return;
        }
        let is_source = path.ends_with("source/letter");
        let found = holds(&fs::read(path).unwrap(), CONTENT);
        assert_eq!(found, is_source, "{path:?}");
        in_source |= is_source;
        assert!(!holds(&fs::read(path).unwrap(), SECRET), "{path:?}");
    });
    assert!(in_source, "the search is broken");
    assert_eq!(fs::read_dir(temporary).unwrap().count(), 0);
}

/// Programs in front of the real ones that keep what they were given: arguments, environment.
fn spies(sandbox: &mut Sandbox, tools: &[&str]) -> std::path::PathBuf {
    let (bin, kept) = (sandbox.path("bin"), sandbox.path("given"));
    fs::create_dir(&bin).unwrap();
    for tool in tools {
        let spy = format!(
            "#!/bin/sh\ntr '\\0' '\\n' </proc/$$/environ >>'{0}'\ntr '\\0' '\\n' </proc/$$/cmdline >>'{0}'\nexec /usr/bin/{tool} \"$@\"\n",
            kept.display()
        );
        fs::write(bin.join(tool), spy).unwrap();
        fs::set_permissions(bin.join(tool), fs::Permissions::from_mode(0o755)).unwrap();
    }
    sandbox.set("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
    kept
}

#[test]
fn the_tools_of_a_drill_are_given_no_secret_that_others_could_read() {
    let mut sandbox = encrypted();
    let kept = spies(&mut sandbox, &["bash", "gpg", "tar", "bzip2"]);
    sandbox.run(["backup", "--encrypt", "--stage", "--disc-size", "3M", "source"]).ok();
    sandbox.run(["drill"]).ok();
    sandbox.run(["drill", "--all"]).ok();
    let given = fs::read(kept).unwrap();
    for wanted in ["--passphrase-fd", "LC_ALL=C", "/restore.sh"] {
        assert!(holds(&given, wanted), "the spies saw no {wanted}");
    }
    for never in [SECRET, "COLDCUT_PASSPHRASE", CONTENT] {
        assert!(!holds(&given, never), "{never} was given to a program");
    }
}

#[test]
fn coldcut_dumps_no_core_and_nobody_reads_its_environment() {
    let sandbox = encrypted();
    let copy = sandbox.path("coldcut");
    fs::copy(env!("CARGO_BIN_EXE_coldcut"), &copy).unwrap();
    sandbox.bash("chown -R 65534:65534 .; chmod 755 .").ok();
    let nobody = |command: &str| {
        sandbox.bash(&format!(
            "setpriv --reuid=65534 --regid=65534 --clear-groups env -u COLDCUT_PASSPHRASE MARK=here \\
             ./coldcut backup --encrypt --stage --passphrase-command '{command}' source"
        ))
    };
    // The command's parent is coldcut; its own environment it may read.
    let run =
        nobody("grep -q MARK=here /proc/self/environ && ! cat /proc/$PPID/environ && echo pass");
    run.ok().says("Permission denied");
    // A core's size is limited in the program itself: this shell would allow any.
    let dumped = |program: &str| {
        let run = sandbox.bash(&format!("ulimit -c unlimited; {program} & wait $! || true; ls"));
        run.ok().stdout().lines().any(|line| line.starts_with("core"))
    };
    let killed = "./coldcut backup --encrypt --stage --passphrase-command 'kill -SEGV $PPID; sleep 1' source";
    assert!(!dumped(&format!("env -u COLDCUT_PASSPHRASE {killed}")));
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    if pattern.trim() == "core" {
        assert!(dumped("sh -c 'kill -SEGV $$'"), "the search is broken");
    }
}

/// Gives a file to the user nobody.
fn give_away(path: &Path) {
    std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_configuration_that_somebody_else_can_write_is_not_obeyed() {
    let mut sandbox = Sandbox::new();
    let (config, ran) = (sandbox.path("coldcut.toml"), sandbox.path("ran"));
    let line = format!("passphrase-command = \"touch {}; echo x\"\n", ran.display());
    fs::write(&config, line).unwrap();
    sandbox.set("COLDCUT_CONFIG", &config);
    let backup = |sandbox: &Sandbox| sandbox.run(["backup", "--stage", "--encrypt", "source"]);
    set_mode(&config, 0o666);
    backup(&sandbox).code(2).says("others can write to it").says("chmod go-w");
    set_mode(&config, 0o644);
    give_away(&config);
    backup(&sandbox).code(2).says("it belongs to nobody");
    assert!(!ran.exists());
    std::os::unix::fs::chown(&config, Some(0), Some(0)).unwrap();
    backup(&sandbox).ok();
    assert!(ran.exists(), "the command is not what would run");
}

#[test]
fn a_passphrase_or_key_that_others_could_have_written_is_not_used() {
    let sandbox = Sandbox::with_recipient();
    let passphrase = sandbox.passphrase_file(SECRET.as_bytes());
    let cert = sandbox.path("cert.asc");
    for (file, option) in [(&passphrase, "--passphrase-file"), (&cert, "--recipient")] {
        let backup = || {
            let name = option.trim_start_matches('-');
            let words = ["backup", "--stage", "--new-set", "--name", name];
            sandbox.run(words.map(Path::new).into_iter().chain([
                Path::new(option),
                file,
                Path::new("source"),
            ]))
        };
        set_mode(file, 0o602);
        backup().code(1).says("others can write to it");
        set_mode(file, 0o600);
        give_away(file);
        backup().code(1).says("it belongs to nobody");
        std::os::unix::fs::chown(file, Some(0), Some(0)).unwrap();
        backup().ok();
    }
}

#[test]
fn a_passphrase_file_that_others_can_read_is_named() {
    let sandbox = Sandbox::new();
    let file = sandbox.passphrase_file(SECRET.as_bytes());
    let backup = |name: &str, file: &Path| {
        let program = env!("CARGO_BIN_EXE_coldcut");
        let file = file.display();
        sandbox.bash(&format!(
            "'{program}' backup --stage --new-set --name {name} --passphrase-file '{file}' source"
        ))
    };
    const WORDS: &str = "others can read the passphrase file";
    assert!(!backup("private", &file).ok().stderr().contains(WORDS));
    set_mode(&file, 0o644);
    let run = backup("open", &file);
    assert_eq!(run.ok().stderr().matches(WORDS).count(), 1, "{}", run.stderr());
    // A pipe has no mode that counts.
    let program = env!("CARGO_BIN_EXE_coldcut");
    let words = "backup --stage --new-set --name pipe --passphrase-file /dev/stdin source";
    let run = sandbox.bash(&format!("echo {SECRET} | '{program}' {words}"));
    assert!(!run.ok().stderr().contains(WORDS));
}

/// As the unit of the nightly backup starts it: a user without rights who may read every file.
const AS_SERVICE: &str = "setpriv --reuid=65534 --regid=65534 --clear-groups \
    --inh-caps=+dac_read_search --ambient-caps=+dac_read_search ./coldcut";

#[test]
fn the_right_to_read_every_file_does_not_go_to_other_programs() {
    let sandbox = Sandbox::new();
    let copy = sandbox.path("coldcut");
    fs::copy(env!("CARGO_BIN_EXE_coldcut"), &copy).unwrap();
    let closed = sandbox.path("closed");
    fs::write(&closed, "root's\n").unwrap();
    set_mode(&closed, 0o600);
    let letter = sandbox.source().join("letter");
    fs::write(&letter, CONTENT).unwrap();
    sandbox.bash("chown -R 65534:65534 .; chown 0:0 closed source/letter; chmod 755 .").ok();
    set_mode(&letter, 0o600);
    let run = sandbox.bash(&format!(
        "{AS_SERVICE} backup --encrypt --stage \
         --passphrase-command 'cat closed || echo a pass phrase' source"
    ));
    // What it may read itself is stored; what the command may not, is refused to it.
    run.ok().says("Permission denied");
}

/// Whoever took over the service's user could have root's files put on a disc, or handed to a
/// program: by a link in the staging area, or by a link on the way to it.
#[test]
fn the_right_to_read_every_file_is_not_used_on_what_is_staged() {
    let link_rows = "ln -sf $PWD/closed $(echo staging/*/0001/.rows/00000001.tsv)";
    let link_archive = "file=$(echo staging/*/0001/archives/*); install -m 600 $file roots; \
                        ln -sf $PWD/roots $file";
    let link_dir = "dir=$(echo staging/*/0001/archives); mkdir -m 700 roots; \
                    install -m 600 $dir/* roots; rm -r $dir; ln -s $PWD/roots $dir";
    for (plant, work, why) in [
        (link_rows, "flush", "00000001.tsv is a symbolic link"),
        (link_archive, "drill", "00000001.tar.bz2 is a symbolic link"),
        (link_dir, "drill", "00000001.tar.bz2 belongs to root"),
    ] {
        let sandbox = Sandbox::new();
        fs::copy(env!("CARGO_BIN_EXE_coldcut"), sandbox.path("coldcut")).unwrap();
        fs::write(sandbox.path("closed"), CONTENT).unwrap();
        set_mode(&sandbox.path("closed"), 0o600);
        fs::write(sandbox.source().join("file"), "file").unwrap();
        sandbox.bash("chown -R 65534:65534 .; chown 0:0 closed; chmod 755 .").ok();
        let stage = "backup --stage --disc-size 3M --min-fill 90 --max-hold 30d source";
        sandbox.bash(&format!("{AS_SERVICE} {stage}")).ok();
        if work == "drill" {
            sandbox.bash(&format!("{AS_SERVICE} flush")).ok();
        }
        sandbox.bash(&format!("set -e; {plant}")).ok();
        let run = sandbox.bash(&format!("{AS_SERVICE} {work}"));
        assert!(!run.output.status.success(), "{}", run.story());
        run.says(why);
        let indexes =
            sandbox.bash("bzip2 -dc $(find staging/ -follow -name 'INDEX*.bz2') /dev/null");
        assert!(!indexes.stdout().contains(CONTENT), "{}", run.story());
    }
}

#[test]
fn without_a_home_what_is_unpacked_lies_where_nobody_could_prepare_it() {
    let mut sandbox = encrypted();
    // Only a catalog on a disc knows the first snapshot once there is a second one.
    for letter in ["letter", "other"] {
        fs::write(sandbox.source().join(letter), letter.repeat(1000)).unwrap();
        sandbox.run(["backup", "--encrypt", "--disc-size", "3M", "source", "shelf"]).ok();
    }
    let temporary = sandbox.path("tmp");
    fs::create_dir(&temporary).unwrap();
    set_mode(&temporary, 0o1777);
    let program = env!("CARGO_BIN_EXE_coldcut");
    sandbox.set("TMPDIR", &temporary);
    let run = sandbox.bash(&format!(
        "pids=$(seq -f tmp/coldcut-%.0f $$ $(($$ + 1000)))
         mkdir -m 777 $pids
         touch -d @0 $pids
         env -u HOME -u COLDCUT_STAGING '{program}' restore --snapshot 1 --catalog none.sqlite \\
         shelf target"
    ));
    run.ok();
    let left = fs::read_dir(&temporary).unwrap().map(|entry| entry.unwrap().path());
    for dir in left {
        let found = fs::metadata(&dir).unwrap();
        assert_eq!(found.modified().unwrap(), std::time::UNIX_EPOCH, "{dir:?} was used, or left");
    }
}
