//! `coldcut drill`, and the drill before each burn: standard tools open what coldcut made, and what
//! they cannot open is not burned.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use support::trees::Random;
use support::{Run, Sandbox, hostile_tree};

/// Its last blank is part of it, which takes `--odd-passphrase`.
const PASSPHRASE: &[u8] = b"tr\xc3\xa4nen und 7 zwerge ";

fn staged(options: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.passphrase_file(PASSPHRASE);
    hostile_tree(&sandbox.source());
    fs::write(sandbox.source().join("film"), Random::new(9).bytes(5_000_000)).unwrap();
    let words = ["backup", "--stage", "--no-drill", "--odd-passphrase"];
    let sizes = ["--disc-size", "4M", "--archive-size", "1M"];
    sandbox.run(words.iter().chain(&sizes).chain(options).chain(&["source"])).ok();
    sandbox
}

fn drill(sandbox: &Sandbox, words: &[&str]) -> Run {
    sandbox.run(["drill", "--passphrase-file", "passphrase", "--json"].iter().chain(words))
}

/// Files that came out, and faults, by disc.
fn counts(run: &Run) -> Vec<(u64, u64)> {
    let summary = run.objects().pop().unwrap();
    assert_eq!(summary["command"], "drill");
    let number = |disc: &serde_json::Value, key: &str| disc[key].as_u64().unwrap();
    let discs = summary["discs"].as_array().unwrap();
    discs.iter().map(|disc| (number(disc, "files"), number(disc, "faults"))).collect()
}

/// What could not be tried, of all discs.
fn skipped(run: &Run) -> Vec<String> {
    let summary = run.objects().pop().unwrap();
    let discs = summary["discs"].as_array().unwrap().clone();
    let of = |disc: &serde_json::Value| disc["skipped"].as_array().unwrap().clone();
    discs.iter().flat_map(of).map(|words| words.as_str().unwrap().to_owned()).collect()
}

/// The files of staged discs that a pattern of bash's names.
fn staged_files(sandbox: &Sandbox, pattern: &str) -> Vec<PathBuf> {
    let run = sandbox.bash(&format!("ls staging/*/{pattern}"));
    run.ok().stdout().lines().map(|line| sandbox.path(line)).collect()
}

fn flip(sandbox: &Sandbox, pattern: &str, at: impl Fn(u64) -> u64) {
    for path in staged_files(sandbox, pattern) {
        let file = fs::File::options().read(true).write(true).open(path).unwrap();
        let place = at(file.metadata().unwrap().len());
        let mut byte = [0];
        file.read_exact_at(&mut byte, place).unwrap();
        file.write_all_at(&[byte[0] ^ 0x10], place).unwrap();
    }
}

#[test]
fn stock_tools_open_every_kind_of_disc() {
    for options in [
        &[][..],
        &["--encrypt", "--passphrase-file", "passphrase"],
        &["--compress", "zstd"],
        &["--compress", "none", "--encrypt", "--passphrase-file", "passphrase"],
    ] {
        let sandbox = staged(options);
        let discs = counts(drill(&sandbox, &[]).ok());
        assert!(discs.len() >= 2, "{discs:?}");
        assert!(discs.iter().all(|&(files, faults)| files > 0 && faults == 0), "{discs:?}");
        let listed = sandbox.run(["discs", "--json"]).ok().results();
        assert!(listed.iter().all(|disc| disc["drilled"].is_string()), "{listed:?}");
        let all = counts(drill(&sandbox, &["--all"]).ok());
        assert!(all.iter().map(|disc| disc.0).sum::<u64>() > 20, "{all:?}");
        // simple-restore.sh was among what was tried.
        assert_eq!(skipped(drill(&sandbox, &["--all"]).ok()), [""; 0]);
        // Nothing is left of what was restored.
        assert_eq!(sandbox.bash("ls -A staging/scratch").ok().stdout(), "");
    }
}

#[test]
fn discs_on_a_shelf_are_drilled_by_number_and_by_place() {
    let sandbox = staged(&["--encrypt", "--passphrase-file", "passphrase"]);
    sandbox.run(["burn", "shelf"]).ok().says("disc 1 is not drilled: the set is encrypted");
    drill(&sandbox, &[]).code(1).says("nothing is staged");
    assert_eq!(counts(drill(&sandbox, &["1", "shelf"]).ok()).len(), 1);
    assert!(counts(drill(&sandbox, &["--all", "shelf"]).ok()).len() >= 2);
    drill(&sandbox, &["77", "shelf"]).code(1).says("there is no disc 77");
    drill(&sandbox, &["0", "shelf"]).code(2);
    sandbox.run(["drill", "shelf"]).code(1).says("a passphrase is needed");
    fs::write(sandbox.path("passphrase"), "wrong\n").unwrap();
    drill(&sandbox, &["shelf"]).code(1).says("not the passphrase");
    fs::remove_file(sandbox.catalog()).unwrap();
    drill(&sandbox, &["shelf"]).code(1);
}

#[test]
fn damage_is_found_and_named() {
    let closed = ["--encrypt", "--passphrase-file", "passphrase"];
    let middle = |len: u64| len / 2;
    for (options, pattern, at) in [
        (&[][..], "0001/INDEX*", middle as fn(u64) -> u64),
        (&[], "0001/archives/*", |_| 60),
        (&closed, "0001/INDEX*", |len| len - 200),
        (&closed, "0001/archives/*", |_| 300),
        // The checksum of the message: gpg alone sees it.
        (&closed, "0001/archives/*", |len| len - 1),
    ] {
        let sandbox = staged(options);
        flip(&sandbox, pattern, at);
        let run = drill(&sandbox, &[]);
        let discs = counts(run.code(5));
        assert!(discs[0].1 > 0 && discs[1..].iter().all(|disc| disc.1 == 0), "{discs:?}");
        let listed = sandbox.run(["discs", "--json"]).ok().results();
        assert!(listed[0]["drilled"].is_null() && listed[1]["drilled"].is_string(), "{listed:?}");
    }
}

#[test]
fn a_whole_drill_names_each_file_that_is_not_what_was_packed() {
    let sandbox = staged(&[]);
    let archive = &staged_files(&sandbox, "0001/archives/*")[0];
    fs::write(archive, "").unwrap();
    let run = drill(&sandbox, &["--all"]);
    let name = archive.file_name().unwrap().to_str().unwrap();
    run.code(5).says(name).says("is not what was packed").says("restore.sh was not run");
    assert_eq!(counts(&run)[0], (0, 1), "{}", run.story());
}

/// A disc's script has the rights of whoever drills, and is given the passphrase.
#[test]
fn a_script_that_was_changed_on_a_disc_is_not_run() {
    for place in ["staging", "elsewhere"] {
        let sandbox = staged(&["--encrypt", "--passphrase-file", "passphrase"]);
        let ran = sandbox.path("ran");
        let evil = format!("#!/bin/bash\n(id; cat) >'{}'\n", ran.display());
        let mut words = vec!["--all"];
        if place == "elsewhere" {
            sandbox.bash("cp -r staging/*/0001 staging/*/0002 shelf/").ok();
            words.push("shelf");
        }
        let scripts = match place {
            "staging" => staged_files(&sandbox, "0002/restore.sh"),
            _ => vec![sandbox.shelf().join("0002/restore.sh")],
        };
        scripts.iter().for_each(|script| fs::write(script, &evil).unwrap());
        let run = drill(&sandbox, &words);
        run.code(5).says("disc 2: restore.sh: is not what was packed");
        assert!(!ran.exists(), "{place}: {}", fs::read_to_string(&ran).unwrap());
    }
}

/// A disc with one thing of each kind, staged.
fn staged_kinds(options: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.passphrase_file(PASSPHRASE);
    sandbox
        .bash(
            "cd source
             for name in letter link attributes changed gone owned first; do echo $name >$name; done
             ln -s letter pointer; ln -s letter old-pointer; mkfifo fifo; ln first second
             echo equal >equal-a; echo equal >equal-b; : >empty; mkdir -p dir/below; echo x >dir/file
             chmod 0644 letter; chmod 0755 dir; setfattr -n user.kept -v 1 attributes",
        )
        .ok();
    let words = ["backup", "--stage", "--no-drill", "--odd-passphrase", "--disc-size", "8M"];
    sandbox.run(words.iter().chain(options).chain(&["source"])).ok();
    sandbox
}

/// Changes a file of the staged disc, and everything that knows it: its list and the catalog.
fn pack_otherwise(sandbox: &Sandbox, name: &str, change: &str) {
    let line = format!(
        "cd staging/*/0001 && {{ {change}; }} &&
         find . -type f ! -name 'SHA256SUMS*' -printf '%P\\0' | sort -z | xargs -0 sha256sum >../sums.new &&
         mv ../sums.new SHA256SUMS &&
         for file in '{name}' SHA256SUMS; do
             sqlite3 '{}' \"UPDATE disc_files SET size=$(stat -c %s $file),
                 sha256=x'$(sha256sum <$file | head -c 64)' WHERE path='$file'; SELECT changes()\"
         done",
        sandbox.catalog().display()
    );
    assert_eq!(sandbox.bash(&line).ok().stdout(), "1\n1\n");
}

/// The faults that were named, without the disc.
fn faults(run: &Run) -> Vec<String> {
    let lines = run.stderr();
    let named = lines.lines().filter_map(|line| Some(line.split_once("disc 1: ")?.1.to_owned()));
    named.filter(|line| !line.starts_with("not tried")).collect()
}

#[test]
fn whatever_a_script_restores_wrongly_is_named() {
    let sandbox = staged_kinds(&[]);
    drill(&sandbox, &["--all"]).ok();
    let bends = [
        ("chmod 0640 letter", "letter: was restored with mode 0640 instead of 0644"),
        ("chmod 0700 dir", "dir: was restored with mode 0700 instead of 0755"),
        ("touch -d @5 link", "link: was restored with time 5.000000000 instead of "),
        (
            "setfattr -x user.kept attributes",
            "attributes: was restored with no attribute user.kept",
        ),
        (
            "setfattr -n user.new -v 1 owned",
            "owned: was restored with an unexpected attribute \
                                             user.new",
        ),
        ("rm pointer; ln -s elsewhere pointer", "a different target"),
        ("rm old-pointer; echo >old-pointer", "was restored as a file instead of a symbolic link"),
        ("rm fifo; echo >fifo", "fifo: was restored as a file instead of a FIFO"),
        ("echo >extra", "extra: was restored but is not in the listing"),
        ("rm gone", "gone: was not restored"),
        ("echo x >empty", "empty: content differs (SHA-256 mismatch)"),
        ("echo chanced >changed", "changed: content differs (SHA-256 mismatch)"),
        ("rm second; cp -p first second", "second: was not restored as another name of first"),
        ("rm equal-b; ln equal-a equal-b", "equal-a: was restored with 2 names instead of 1"),
    ];
    let all: Vec<&str> = bends.iter().map(|(bend, _)| *bend).collect();
    let bend = format!(r"sed -i 's/^    conclude$/    {}; conclude/' restore.sh", all.join("; "));
    pack_otherwise(&sandbox, "restore.sh", &bend);
    let run = drill(&sandbox, &["--all"]);
    run.code(5);
    for (_, words) in bends {
        run.says(words);
    }
    // What simple-restore.sh restores is right, and both names of a wrong link are told.
    let faults = faults(&run);
    assert!(faults.iter().all(|fault| !fault.contains("simple-restore.sh")), "{faults:?}");
    for path in ["dir/below", "dir/file", "."] {
        let named = faults.iter().any(|fault| fault.starts_with(&format!("{path}: ")));
        assert_eq!(named, path == ".", "only its time: {faults:?}");
    }
    assert_eq!(counts(&run)[0].1 as usize, faults.len());
    if nix::unistd::Uid::effective().is_root() {
        let bend = "sed -i 's/^    chmod 0640 letter.*$/    chown -h 7:8 owned pointer; conclude/' restore.sh";
        pack_otherwise(&sandbox, "restore.sh", bend);
        let run = drill(&sandbox, &["--all"]);
        run.code(5).says("owned: was restored with owner 7:8 instead of 0:0");
        assert_eq!(self::faults(&run).len(), 2, "{}", run.story());
    }
}

#[test]
fn both_scripts_are_tried_and_each_is_named() {
    let sandbox = staged_kinds(&["--encrypt", "--passphrase-file", "passphrase"]);
    // They are told where to read the passphrase, and nothing of it lies anywhere.
    let told = sandbox.path("told");
    let spy = format!(
        "echo \"${{0##*/}} $1 $2 $(grep -rl zwerg[e] '{}')\" >>'{}'\n",
        sandbox.staging().display(),
        told.display()
    );
    fs::write(sandbox.path("spy"), spy).unwrap();
    for name in ["restore.sh", "simple-restore.sh"] {
        pack_otherwise(&sandbox, name, &format!("sed -i '1r ../../../spy' {name}"));
    }
    assert_eq!(skipped(drill(&sandbox, &["--all"]).ok()), [""; 0]);
    let told = fs::read_to_string(told).unwrap();
    assert!(told.contains("\nsimple-restore.sh -p /dev/stdin \n"), "{told}");
    assert!(told.starts_with("restore.sh -p /dev/stdin \n"), "{told}");

    let bend = "sed -i 's/^((!wrong))/chmod 0640 letter; ((!wrong))/' simple-restore.sh";
    pack_otherwise(&sandbox, "simple-restore.sh", bend);
    let run = drill(&sandbox, &["--all"]);
    run.code(5);
    let words = "letter: was restored with mode 0640 instead of 0644 (simple-restore.sh)";
    assert_eq!(faults(&run), [words]);

    let forged = "printf '#!/bin/bash\\necho no >&2; exit 1\\n' >simple-restore.sh";
    pack_otherwise(&sandbox, "simple-restore.sh", forged);
    let run = drill(&sandbox, &["--all"]);
    run.code(5);
    assert_eq!(faults(&run), ["simple-restore.sh: ended with exit code 1: no"]);

    pack_otherwise(&sandbox, "restore.sh", "printf '#!/bin/bash\\nexit 0\\n' >restore.sh");
    let run = drill(&sandbox, &["--all", "--verbose"]);
    run.code(5).says("dir/below: was not restored").says("second: was not restored");
}

/// The catalog knows what the source was, whatever the disc says.
#[test]
fn a_listing_that_says_something_else_than_the_catalog_is_found() {
    let sandbox = staged_kinds(&[]);
    let bend = r"bzip2 -d SNAPSHOT.tsv.bz2 &&
        sed -i 's/^\(f\tletter\t.*\t\)0644\t/\10600\t/' SNAPSHOT.tsv && bzip2 SNAPSHOT.tsv";
    pack_otherwise(&sandbox, "SNAPSHOT.tsv.bz2", bend);
    let run = drill(&sandbox, &["--all"]);
    run.code(5);
    let words = "letter: was restored with mode 0600 instead of 0644";
    assert_eq!(faults(&run), [words.to_owned(), format!("{words} (simple-restore.sh)")]);
}

#[test]
fn the_short_script_is_not_tried_where_it_does_not_promise_anything() {
    let sandbox = staged(&[]);
    let run = drill(&sandbox, &["--all", "1"]);
    let words = "simple-restore.sh (not all of the snapshot is on these discs)";
    assert_eq!(skipped(run.ok()), [words]);
}

#[test]
fn recipients_need_their_key_for_a_sample_and_their_key_ring_for_all() {
    let sandbox = Sandbox::with_recipient();
    let words = [
        "backup",
        "--stage",
        "--no-drill",
        "--disc-size",
        "3M",
        "--recipient",
        "cert.asc",
        "source",
    ];
    sandbox.run(words).ok();
    sandbox.run(["drill"]).code(1).says("--secret-key");
    sandbox
        .run(["drill", "--secret-key", "secret.asc"])
        .ok()
        .says("1 file (7 B) restored correctly");
    sandbox.run(["drill", "--all"]).ok().says("1 file (7 B) restored correctly");
    sandbox.bash("gpgconf --kill all").ok();
    fs::rename(sandbox.path("ring"), sandbox.path("ring.away")).unwrap();
    sandbox.run(["drill", "--all"]).code(5);
}

fn is_drilled(sandbox: &Sandbox) -> bool {
    let discs = sandbox.run(["discs", "--json"]).ok().results();
    assert!(!discs.is_empty());
    discs.iter().all(|disc| disc["drilled"].is_string())
}

fn status(sandbox: &Sandbox) -> String {
    sandbox.run(["status"]).stdout()
}

#[test]
fn each_disc_is_drilled_before_it_is_burned() {
    for options in [&[][..], &["--encrypt", "--passphrase-file", "passphrase"]] {
        let sandbox = Sandbox::new();
        sandbox.passphrase_file(PASSPHRASE);
        hostile_tree(&sandbox.source());
        fs::write(sandbox.source().join("film"), Random::new(9).bytes(9_000_000)).unwrap();
        let words = ["backup", "--odd-passphrase", "--disc-size", "4M", "--archive-size", "1M"];
        sandbox.run(words.iter().chain(options).chain(&["source", "shelf"])).ok();
        assert!(is_drilled(&sandbox));
        assert!(
            status(&sandbox).contains("  readable with standard tools (tested today): discs 1-")
        );
    }
}

#[test]
fn what_is_sealed_for_somebody_else_is_tried_while_its_session_keys_are_known() {
    let sandbox = Sandbox::with_recipient();
    let words = ["backup", "--disc-size", "3M", "--recipient", "cert.asc"];
    // No secret key is within reach.
    fs::rename(sandbox.path("ring"), sandbox.path("ring.away")).unwrap();
    fs::rename(sandbox.path("secret.asc"), sandbox.path("secret.away")).unwrap();
    sandbox.run(words.iter().chain(&["--stage", "source"])).ok();
    assert!(is_drilled(&sandbox));
    fs::write(sandbox.source().join("second"), "x").unwrap();
    sandbox.run(words.iter().chain(&["--no-drill", "--stage", "source"])).ok();
    assert!(!is_drilled(&sandbox));
    let run = sandbox.run(words.iter().chain(&["source", "shelf"]));
    run.ok().says("its session key was known only to the run that made it");
    assert!(!is_drilled(&sandbox));
    assert_eq!(sandbox.images().len(), 1, "the second run filled up the disc of the first");
}

#[test]
fn a_disc_that_stock_tools_cannot_read_is_not_burned() {
    let sandbox = Sandbox::new();
    sandbox.passphrase_file(PASSPHRASE);
    hostile_tree(&sandbox.source());
    let words = ["backup", "--disc-size", "8M", "--encrypt", "--passphrase-file", "passphrase"];
    let first = ["--odd-passphrase", "--no-drill", "--stage", "source"];
    sandbox.run(words.iter().chain(&first)).ok();
    flip(&sandbox, "0001/archives/*", |_| 300);
    let backup = || sandbox.run(words.iter().chain(&["source", "shelf"]));
    backup().code(5).says("cannot be read with standard tools").says("archives/0000000");
    sandbox.run(["burn", "shelf"]).code(5).says("found by the last drill");
    assert!(sandbox.images().is_empty());
    // As the message says: packed again.
    sandbox.bash("rm -r staging/*/0001").ok();
    backup().ok();
    assert!(is_drilled(&sandbox));
}

#[test]
fn what_nobody_drilled_is_drilled_before_it_is_burned_later() {
    let sandbox = staged(&[]);
    assert!(
        status(&sandbox)
            .contains("not known to be readable with standard tools (`coldcut drill`): discs 1-")
    );
    sandbox.run(["burn", "1", "shelf"]).ok();
    let discs = sandbox.run(["discs", "--json"]).ok().results();
    assert!(discs[0]["drilled"].is_string() && discs[1]["drilled"].is_null(), "{discs:?}");
    flip(&sandbox, "0002/archives/*", |_| 60);
    sandbox.run(["burn", "shelf"]).code(5).says("cannot be read with standard tools");
    assert_eq!(sandbox.images().len(), 1);
}

#[test]
fn a_machine_without_the_tools_packs_nothing_unless_the_drill_is_left_out() {
    let mut sandbox = Sandbox::new();
    fs::write(sandbox.source().join("letter"), "dear a\n").unwrap();
    let bin = sandbox.path("bin");
    fs::create_dir(&bin).unwrap();
    for tool in ["bash", "xorriso", "tar", "head", "tail", "cat"] {
        std::os::unix::fs::symlink(format!("/usr/bin/{tool}"), bin.join(tool)).unwrap();
    }
    sandbox.set("PATH", &bin);
    let words = ["backup", "--disc-size", "3M", "source", "shelf"];
    sandbox.run(words).code(1).says("bzip2 is not installed").says("--no-drill");
    assert!(!sandbox.staging().exists() && sandbox.images().is_empty(), "nothing was begun");
    sandbox.run(words.iter().chain(&["--no-drill"])).ok();
    assert!(!is_drilled(&sandbox));
}
