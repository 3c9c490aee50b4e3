//! What may be typed, and what comes of it.

use super::super::args::{BackupArgs, Overwrite};
use super::super::values;
use super::*;
use crate::model::disc::{Compression, Encryption};
use crate::model::{Bytes, DiscNo, Sectors, SetName, SnapshotSeq};
use std::path::PathBuf;

fn typed(line: &str) -> Cli {
    let words = std::iter::once("coldcut").chain(line.split_whitespace());
    parse(words, &ConfigFiles::default()).unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// The exit code and the text of a command line that cannot be understood.
fn refused(line: &str) -> (i32, String) {
    let words = std::iter::once("coldcut").chain(line.split_whitespace());
    let error = parse(words, &ConfigFiles::default()).expect_err(line);
    (error.exit_code(), error.to_string())
}

fn backup(line: &str) -> BackupArgs {
    match typed(line).verb {
        Verb::Backup(backup) => backup,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_definition_is_sound() {
    Typed::command().debug_assert();
}

#[test]
fn a_plain_backup_has_the_defaults() {
    let backup = backup("backup /src /shelf");
    assert_eq!(backup.source, std::path::PathBuf::from("/src"));
    assert_eq!(backup.dest, [PathBuf::from("/shelf")]);
    assert_eq!(backup.archive_size, Bytes(1 << 30));
    assert_eq!((backup.disc_size, backup.compress, backup.min_fill), (None, None, None));
    assert!(!backup.stage && !backup.dry_run && !backup.rehash && !backup.flush);
}

#[test]
fn every_option_of_backup_arrives() {
    let backup = backup(
        "backup --disc-size 2M --archive-size 1K --compress zstd --exclude a --exclude b/** \
         --exclude-from x --exclude-caches --exclude-if-present .no --one-file-system --rehash \
         --move-source --min-fill 80% --flush --dry-run s d",
    );
    assert_eq!(backup.disc_size, Some(Sectors(1024)));
    assert_eq!(backup.archive_size, Bytes(1024));
    assert_eq!(backup.compress, Some(Compression::Zstd));
    assert_eq!(backup.exclude, ["a", "b/**"]);
    assert_eq!(backup.exclude_from, [PathBuf::from("x")]);
    assert_eq!(backup.exclude_if_present, [".no"]);
    assert_eq!(backup.min_fill, Some(80));
    assert!(backup.exclude_caches && backup.one_file_system && backup.rehash);
    assert!(backup.move_source && backup.flush && backup.dry_run);
}

#[test]
fn backup_takes_both_places_and_stage_takes_one() {
    assert_eq!(refused("backup --set x").0, 2);
    assert!(backup("backup --stage s").stage);
    assert!(refused("backup s").1.contains("DEST"));
    assert!(refused("backup --stage").1.contains("SOURCE"));
    assert!(refused("backup --stage s d").1.contains("DEST"));
    for line in ["backup s", "backup --stage", "backup --stage s d", "backup a b c"] {
        assert_eq!(refused(line).0, 2, "{line}");
    }
}

#[test]
fn burn_takes_numbers_and_then_a_place() {
    let burn = |line: &str| match typed(line).verb {
        Verb::Burn(mut burn) => (burn.discs, burn.dest.remove(0)),
        other => panic!("{other:?}"),
    };
    assert_eq!(burn("burn shelf"), (vec![], "shelf".into()));
    assert_eq!(burn("burn 3 0004 shelf"), (vec![DiscNo(3), DiscNo(4)], "shelf".into()));
    assert_eq!(burn("burn 3-4,7 1 shelf"), ([1, 3, 4, 7].map(DiscNo).to_vec(), "shelf".into()));
    assert_eq!(burn("burn 7"), (vec![], "7".into()));
    assert_eq!(refused("burn").0, 2);
    assert_eq!(refused("burn 0 shelf").0, 2);
    assert!(refused("burn one shelf").1.contains("number"));
}

#[test]
fn several_places_are_told_from_numbers_and_sources_by_their_slashes() {
    let burn = |line: &str| match typed(line).verb {
        Verb::Burn(burn) => (burn.discs, burn.dest),
        other => panic!("{other:?}"),
    };
    let two = || ["/dev/sr0", "./7"].map(PathBuf::from).to_vec();
    assert_eq!(burn("burn /dev/sr0 ./7"), (vec![], two()));
    assert_eq!(burn("burn 3 4 /dev/sr0 ./7"), (vec![DiscNo(3), DiscNo(4)], two()));
    assert_eq!(backup("backup s /dev/sr0 ./7").dest, two());
    for line in ["burn 3o ./7", "burn /dev/sr0 3 ./7", "burn ./7 shelf", "backup s docs /dev/sr0"] {
        assert_eq!(refused(line).0, 2, "{line}");
    }
    assert!(refused("backup s docs /dev/sr0").1.contains("./docs"));
}

#[test]
fn common_options_stand_before_the_verb_or_behind_it() {
    for line in [
        "--json --yes --quiet --verbose --set x --catalog c --staging s status",
        "status --json --yes --quiet --verbose --set x --catalog c --staging s",
        "--json --set x --verbose --staging s status --yes --quiet --catalog c",
    ] {
        let common = typed(line).common;
        assert!(common.json && common.yes && common.quiet && common.verbose, "{line}");
        assert_eq!(common.set, SetName::new("x"));
        assert_eq!(common.catalog, Some("c".into()));
        assert_eq!(common.staging, Some("s".into()));
    }
}

#[test]
fn every_verb_takes_every_common_option() {
    let options = "--catalog c --set n --staging s --json --yes --quiet --verbose --wait 1s \
        --no-limits";
    let keys = "--passphrase-file p --recipient r --hidden-recipients --secret-key k";
    for verb in
        ["backup s d", "burn d", "restore f t", "verify f", "snapshots", "discs", "ls", "find x"]
    {
        assert!(typed(&format!("{verb} {options}")).common.no_limits);
    }
    for verb in ["backup s d", "flush"] {
        let keys = typed(&format!("{verb} {options} {keys}")).common.keys;
        assert_eq!(keys.passphrase_file, Some("p".into()));
        assert_eq!(keys.secret_key, [PathBuf::from("k")]);
        assert!(keys.hidden_recipients);
    }
}

#[test]
fn no_recipient_is_lost_between_the_two_sides_of_the_verb() {
    let keys = typed("--recipient a backup --recipient b --recipient c s d").common.keys;
    assert_eq!(keys.recipient, ["a", "b", "c"].map(PathBuf::from));
    assert_eq!(keys.encryption(), Some(Encryption::Recipients));
    assert_eq!(
        typed("backup --encrypt s d").common.keys.encryption(),
        Some(Encryption::Passphrase)
    );
    assert_eq!(typed("backup s d").common.keys.encryption(), None);
}

#[test]
fn two_sources_of_one_passphrase_are_refused_wherever_they_stand() {
    for line in [
        "verify d --passphrase-file f --passphrase-command c",
        "--passphrase-file f verify d --passphrase-command c",
        "--passphrase-command c verify d --passphrase-file f",
    ] {
        assert_eq!(refused(line).0, 2, "{line}");
    }
}

#[test]
fn bad_values_are_refused_with_what_is_allowed() {
    for (line, says) in [
        ("backup --disc-size 1M s d", "from 2M"),
        ("backup --disc-size cd s d", "bd25"),
        ("backup --archive-size 1023 s d", "from 1K to 3900M"),
        ("backup --archive-size 3901M s d", "from 1K to 3900M"),
        ("backup --compress gzip s d", "bzip2, zstd, none"),
        ("backup --min-fill 101 s d", "0 to 100"),
        ("backup --min-fill=-1 s d", "0 to 100"),
        ("backup --exclude-if-present a/b s d", "without a slash"),
        ("status --set a/b", "A-Z a-z 0-9 - _"),
        ("ls --snapshot 0", "from 1"),
        ("ls --snapshot +1", "from 1"),
        ("restore --overwrite yes f t", "never, changed, always"),
        ("restore f", "<TARGET>"),
        ("find", "<PATTERN>"),
        ("--passphrase secret ls", "--passphrase"),
        ("frobnicate", "frobnicate"),
        ("", "Usage"),
    ] {
        let (code, text) = refused(line);
        assert_eq!(code, 2, "{line}");
        assert!(text.contains(says), "{line}: {text}");
    }
    assert_eq!(backup("backup --archive-size 3900M s d").archive_size, values::LARGEST_ARCHIVE);
}

#[test]
fn help_and_version_are_no_failure() {
    assert_eq!(refused("--help").0, 0);
    assert_eq!(refused("backup --help").0, 0);
    let (code, text) = refused("--version");
    assert_eq!((code, text.trim()), (0, concat!("coldcut ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn paths_and_globs_need_not_be_utf8() {
    use std::os::unix::ffi::OsStringExt;
    let word = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let cli = parse(
        [word(b"coldcut"), word(b"find"), word(b"\xff*"), word(b"--catalog=\xfe")],
        &ConfigFiles::default(),
    );
    let cli = cli.unwrap();
    assert_eq!(cli.common.catalog, Some(PathBuf::from(word(b"\xfe"))));
    match cli.verb {
        Verb::Find(find) => assert_eq!(find.pattern, word(b"\xff*")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn restore_takes_several_places_and_the_target_last() {
    let places = |line: &str| match typed(line).verb {
        Verb::Restore(restore) => (restore.from, restore.target),
        other => panic!("{other:?}"),
    };
    let paths = |words: &[&str]| words.iter().map(PathBuf::from).collect::<Vec<_>>();
    assert_eq!(places("restore /dev/sr0 out"), (paths(&["/dev/sr0"]), "out".into()));
    let (from, target) = places("restore --no-owner /dev/sr0 /dev/sr1 shelf out --dry-run");
    assert_eq!((from, target), (paths(&["/dev/sr0", "/dev/sr1", "shelf"]), "out".into()));
}

#[test]
fn restore_keeps_what_is_there_unless_told() {
    match typed("restore shelf out --snapshot 3 --path a --path b --no-owner").verb {
        Verb::Restore(restore) => {
            assert_eq!(restore.overwrite, Overwrite::Never);
            assert_eq!(restore.snapshot, Some(SnapshotSeq(3)));
            assert_eq!(restore.path, ["a", "b"]);
            assert!(restore.no_owner && !restore.dry_run);
        }
        other => panic!("{other:?}"),
    }
}

/// The error or the help as a person reads it.
fn text(line: &str) -> String {
    refused(line).1
}

/// Like a shell, as far as examples need it.
fn split(line: &str) -> Vec<OsString> {
    let line = line.split('>').next().unwrap();
    let pieces = line.split('\'').enumerate();
    let words = pieces.flat_map(|(at, piece)| match at % 2 {
        0 => piece.split_whitespace().map(OsString::from).collect(),
        _ => vec![OsString::from(piece)],
    });
    words.collect()
}

#[test]
fn every_verb_is_in_one_group_with_examples_that_can_be_typed() {
    let help = text("--help");
    let verbs: Vec<String> =
        Typed::command().get_subcommands().map(|c| c.get_name().into()).collect();
    for verb in &verbs {
        let begin = format!("  {verb} ");
        assert_eq!(help.lines().filter(|l| l.starts_with(&begin)).count(), 1, "{verb}: {help}");
        let page = help::page(verb).unwrap();
        assert!((2..=3).contains(&page.examples.lines().count()), "{verb}");
        for example in page.examples.lines() {
            assert!(example.starts_with(&format!("coldcut {verb}")), "{example}");
            let parsed = parse(split(example), &ConfigFiles::default());
            parsed.unwrap_or_else(|error| panic!("{example}: {error}"));
        }
        assert!(text(&format!("{verb} --help")).contains("\nExamples:\n"), "{verb}");
    }
}

#[test]
fn no_line_of_the_help_is_wider_than_a_terminal() {
    // What clap writes below is wrapped at the width of the terminal.
    for line in text("--help").lines().take_while(|line| *line != "Options:") {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn help_of_a_verb_can_be_asked_for_in_two_ways() {
    assert_eq!(text("help restore"), text("restore --help"));
    assert_eq!(text("help"), text("--help"));
    assert_eq!(refused("help restore").0, 0);
}

#[test]
fn options_that_do_not_matter_to_a_verb_are_not_shown() {
    let shown = |verb: &str, option: &str| text(&format!("{verb} --help")).contains(option);
    assert!(shown("backup", "--encrypt") && !shown("restore", "--encrypt"));
    assert!(shown("restore", "--secret-key") && !shown("discs", "--secret-key"));
    assert!(shown("verify", "--no-limits") && !shown("ls", "--no-limits"));
    assert!(!text("--help").contains("--secret-key"));
}

#[test]
fn encryption_options_of_another_verb_are_refused_wherever_they_stand() {
    for line in [
        "discs --encrypt",
        "--encrypt discs",
        "status --passphrase-file p",
        "restore --recipient r f t",
        "burn --recipient r d",
        "locate 1 x --accept-plain 1",
    ] {
        let (code, text) = refused(line);
        assert_eq!(code, 2, "{line}");
        assert!(text.contains("does not take --"), "{line}: {text}");
    }
}

#[test]
fn a_mistyped_verb_suggests_the_harmless_one_first() {
    let tip = text("lst");
    let at = |verb: &str| tip.find(&format!("'{verb}'")).unwrap_or_else(|| panic!("{verb}: {tip}"));
    assert!(at("ls") < at("lost"), "{tip}");
}

#[test]
fn a_set_is_named_by_set_and_the_old_word_still_works() {
    assert_eq!(typed("ls --set x").common.set, SetName::new("x"));
    assert_eq!(typed("ls --name x").common.set, SetName::new("x"));
    assert!(!text("ls --help").contains("--name"));
}
