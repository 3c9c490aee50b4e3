//! restore.sh, and the commands of README.txt, against discs that do not come from coldcut:
//! `support/make_discs.py` makes them from docs/format.md alone.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

#[path = "support/made_discs.rs"]
mod made_discs;

use coldcut::format::by_hand::{Facts, readme};
use coldcut::model::disc::Encryption;
use made_discs::{Scenario, facts, is_root, shown, which};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;

#[test]
fn a_plain_set_comes_back_whatever_the_order_of_the_discs() {
    for format in ["1", "2"] {
        Scenario::of("plain", format).comes_back(1, &[], &["disc2", "disc1"]);
    }
}

#[test]
fn archives_without_compression_come_back() {
    Scenario::new("uncompressed").comes_back(1, &[], &["disc1", "disc2"]);
}

#[test]
fn a_set_with_a_passphrase_comes_back_without_an_agent_or_a_home() {
    let scenario = Scenario::new("passphrase");
    scenario.comes_back(1, &["-p", "pw"], &["disc1", "disc2"]);
    fs::write(scenario.path("pw"), "wrong\n").unwrap();
    let output = scenario.restore(false, &["-p", "pw", "wrong", "disc1", "disc2"]);
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
}

#[test]
fn moves_copies_and_new_modes_come_back_and_so_does_the_day_before() {
    for format in ["1", "mixed"] {
        let scenario = Scenario::of("two-snapshots", format);
        scenario.comes_back(2, &[], &["disc1", "disc2", "disc3"]);
        scenario.comes_back(1, &["-s", "1"], &["disc1", "disc2", "disc3"]);
    }
    let scenario = Scenario::new("two-snapshots");
    // A directory of discs does as well, and the last disc knows every snapshot.
    scenario.comes_back(2, &[], &["."]);
    scenario.bash("rm disc[12]/SNAPSHOT* disc[12]/HISTORY* || true; sums disc1; sums disc2");
    scenario.comes_back(1, &["-s", "1"], &["disc1", "disc2", "disc3"]);
    let words = ["open/known", "disc1", "disc2", "disc3"];
    let output = scenario.restore(false, &words);
    let changed = shown(&output).matches("is not the one that later discs know").count();
    assert_eq!(changed, 2, "{}", shown(&output));
    let output = scenario.restore(false, &["-s", "9", "open/none", "disc1", "disc3"]);
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    assert!(shown(&output).contains("listed: 2 (2026-01-03T00:00:00Z)"), "{}", shown(&output));
}

#[test]
fn a_file_in_parts_over_discs_is_joined() {
    Scenario::new("split").comes_back(1, &[], &["disc4", "disc2", "disc3", "disc1"]);
}

#[test]
fn what_a_missing_disc_has_is_listed_and_comes_when_it_is_given() {
    let scenario = Scenario::new("split");
    let output = scenario.restore(true, &["open/t", "disc1", "disc3", "disc4"]);
    assert_eq!(output.status.code(), Some(3), "{}", shown(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("missing: film (on disc 2, which was not there)"), "{text}");
    assert!(!scenario.path("open/t/film").exists());
    assert!(scenario.path("open/t/z small").exists());
    let output = scenario.restore(true, &["open/t", "disc1", "disc2", "disc3", "disc4"]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    scenario.is_like(1, "open/t");
}

#[test]
fn content_that_changed_on_the_disc_is_set_aside_alone() {
    let scenario = Scenario::new("uncompressed");
    for wanted in [&b"deep\ndeep\n"[..], b"secret\0"] {
        assert_eq!(scenario.spoil(wanted), 1);
    }
    for as_nobody in [false, true] {
        let target = format!("open/{as_nobody}");
        let output = scenario.restore(as_nobody, &[&target, "disc1", "disc2"]);
        assert_eq!(output.status.code(), Some(3), "{}", shown(&output));
        let text = String::from_utf8_lossy(&output.stdout);
        let missing =
            ["missing: a/b/deep.txt (damaged on disc", "missing: secret (damaged on disc"];
        assert!(missing.iter().all(|words| text.contains(words)), "{text}");
        assert_eq!(text.matches("missing: ").count(), 2, "{text}");
        let aside = scenario.path(&target).join(".coldcut-damaged");
        assert_eq!(fs::read(aside.join("a/b/deep.txt")).unwrap().len(), 5000);
        assert!(aside.join("secret").exists());
        assert!(!scenario.path(&target).join("a/b/deep.txt").exists());
    }
}

#[test]
fn a_damaged_place_costs_a_frame() {
    let scenario = Scenario::new("damage");
    let missing = |words: &[&str]| {
        let output = scenario.restore(false, words);
        assert_eq!(output.status.code(), Some(3), "{}", shown(&output));
        String::from_utf8_lossy(&output.stdout).matches("missing: ").count()
    };
    assert_eq!(missing(&["open/strict", "disc1"]), 8);
    assert_eq!(missing(&["--ignore-damage", "open/all", "disc1"]), 8);
}

#[test]
fn files_that_are_there_stay_and_are_reported() {
    let scenario = Scenario::new("damage");
    fs::create_dir_all(scenario.path("open/t/d")).unwrap();
    fs::write(scenario.path("open/t/d/000"), "mine").unwrap();
    let output = scenario.restore(false, &["open/t", "disc1"]);
    assert_eq!(output.status.code(), Some(3), "{}", shown(&output));
    assert!(shown(&output).contains("not changed: d/000"), "{}", shown(&output));
    assert_eq!(fs::read(scenario.path("open/t/d/000")).unwrap(), b"mine");
    // What is in no listing is nobody's business.
    fs::create_dir_all(scenario.path("open/other")).unwrap();
    fs::write(scenario.path("open/other/mine"), "mine").unwrap();
    ends(&scenario, &["open/other", "disc1"], 3, "missing: d/");
    assert_eq!(fs::read(scenario.path("open/other/mine")).unwrap(), b"mine");
}

#[test]
fn nothing_is_written_through_a_link_out_of_the_target() {
    let scenario = Scenario::new("damage");
    fs::create_dir_all(scenario.path("open/t")).unwrap();
    fs::create_dir_all(scenario.path("open/outside")).unwrap();
    symlink("../outside", scenario.path("open/t/d")).unwrap();
    let output = scenario.restore(false, &["open/t", "disc1"]);
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    assert_eq!(fs::read_dir(scenario.path("open/outside")).unwrap().count(), 0);
}

#[test]
fn twenty_thousand_small_files_moved_and_copied_come_back() {
    Scenario::new("many").comes_back(2, &[], &["disc1", "disc2"]);
}

#[test]
fn without_any_whole_listing_the_indexes_serve() {
    let scenario = Scenario::new("split");
    let output = scenario.restore(true, &["open/t", "disc2", "disc3"]);
    assert_eq!(output.status.code(), Some(3), "{}", shown(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("missing: film (") && text.contains("missing: hole ("), "{text}");
    assert!(!scenario.path("open/t").exists(), "only pieces of files were there");
}

#[test]
fn indexes_of_two_histories_are_not_mixed() {
    let scenario = Scenario::new("twins");
    scenario.bash("for d in disc1 disc2 disc2x; do rm -f $d/SNAPSHOT* $d/HISTORY*; sums $d; done");
    let all = ["open/t", "disc1", "disc2", "disc2x"];
    ends(&scenario, &all, 1, "--disc UUID");
    let that = ["--disc", "00000002-0000-4000-8000-000000000001"];
    ends(&scenario, &[&that[..], &all].concat(), 3, "is not of this history");
    assert_eq!(fs::read(scenario.path("open/t/both")).unwrap(), b"that one\n");
    assert!(!scenario.path("open/t/b").exists(), "b is of the other history");
}

#[test]
fn in_the_indexes_a_hard_link_is_what_its_file_was_then() {
    let scenario = Scenario::new("two-snapshots");
    scenario.bash("rm disc*/SNAPSHOT*; for d in disc1 disc2 disc3; do sums $d; done");
    ends(&scenario, &["open/t", "disc1", "disc2", "disc3"], 3, "INDEXes");
    let one = fs::read(scenario.path("open/t/a/one.txt")).unwrap();
    assert_ne!(one, fs::read(scenario.path("open/t/a/one again")).unwrap());
    assert_eq!(one, b"one\n");
    // A directory that is in none of them is for its owner alone.
    ends(&scenario, &["open/u", "disc3"], 3, "INDEXes");
    assert_eq!(fs::metadata(scenario.path("open/u/a")).unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn copies_of_a_disc_count_once_in_the_listing_of_the_indexes() {
    let scenario = Scenario::new("split");
    scenario.bash("rm disc*/SNAPSHOT*; for d in disc1 disc2 disc3 disc4; do sums $d; done");
    scenario.bash("cp -r disc2 copy2");
    let discs = ["open/t", "disc1", "disc2", "copy2", "disc3", "disc4"];
    ends(&scenario, &discs, 3, "its files are on 4 discs: 1 2 3 4");
    assert_eq!(fs::read(scenario.path("open/t/film")).unwrap().len(), 3_000_000);
}

#[test]
fn a_listing_that_is_damaged_gives_way_to_the_next_and_says_so() {
    let scenario = Scenario::new("two-snapshots");
    let listing = scenario.path("disc3/SNAPSHOT.tsv.bz2");
    let mut bytes = fs::read(&listing).unwrap();
    bytes[500..800].fill(0);
    fs::write(&listing, bytes).unwrap();
    let output = scenario.restore(true, &["open/t", "disc1", "disc2", "disc3"]);
    assert_eq!(output.status.code(), Some(3), "{}", shown(&output));
    assert!(shown(&output).contains("SNAPSHOT of disc 3 is damaged"), "{}", shown(&output));
    scenario.is_like(1, "open/t");
}

#[test]
fn a_listing_that_leads_outside_is_refused() {
    let scenario = Scenario::new("damage");
    let steps = r"cd disc1 && bzip2 -dc SNAPSHOT.tsv.bz2 > s && rest='0\t-\t-\t-\t0755\t0\t0\t-\t-\t1.000000000' &&
        printf 'd\t..\t%b\t-\t-\t-\t-\t1\nd\t../outside\t%b\t-\t-\t-\t-\t1\nd\td/../../outside\t%b\t-\t-\t-\t-\t1\n' $rest $rest $rest >> s &&
        printf 'l\td/link\t%b\t/tmp\t-\t-\t-\t1\nd\td/link/outside\t%b\t-\t-\t-\t-\t1\n' $rest $rest >> s &&
        printf 'd\t/tmp/outside\t%b\t-\t-\t-\t-\t1\n' $rest >> s && bzip2 -c s > SNAPSHOT.tsv.bz2 && rm s && sums ."
        .replace("\\\\", "\\");
    scenario.bash(&steps);
    let output = scenario.restore(true, &["open/t", "disc1"]);
    assert_eq!(output.status.code(), Some(3), "{}", shown(&output));
    assert_eq!(shown(&output).matches("refused: ").count(), 5, "{}", shown(&output));
    assert!(!scenario.path("open/outside").exists());
    assert!(!Path::new("/tmp/outside").exists());
}

#[test]
fn exit_codes_are_those_that_are_documented() {
    let scenario = Scenario::new("damage");
    let code = |words: &[&str]| scenario.restore(false, words).status.code();
    assert_eq!(code(&[]), Some(2));
    assert_eq!(code(&["--nonsense", "t"]), Some(2));
    assert_eq!(code(&["open/t", "no such directory"]), Some(1));
    assert_eq!(code(&["open/t", "open"]), Some(4));
    assert_eq!(code(&["open/t"]), Some(4), "nobody answers");
}

/// Restores; how that ended, and everything that was said.
fn end(scenario: &Scenario, words: &[&str]) -> (i32, String) {
    let output = scenario.restore(false, words);
    (output.status.code().unwrap(), shown(&output))
}

fn ends(scenario: &Scenario, words: &[&str], code: i32, says: &str) {
    let (found, said) = end(scenario, words);
    assert_eq!(found, code, "{words:?} {said}");
    assert!(said.contains(says), "{says}: {said}");
}

/// Archives may hold anything: what the listing does not name, other kinds, other metadata, links
/// that lead away, and content that is right behind such a link.
#[test]
fn archives_give_nothing_but_the_contents_of_listed_files() {
    let scenario = Scenario::new("hostile");
    ends(&scenario, &["open/t", "disc1"], 3, "missing: a (");
    let found = |path: &str| scenario.path("open/t").join(path).symlink_metadata().is_ok();
    assert!(
        found("etc/conf")
            && found("z")
            && !found("esc")
            && !found(".ssh")
            && !found("a")
            && !found("b")
    );
    assert_eq!(fs::read_dir(scenario.path("outside")).unwrap().count(), 1, "only what was there");
    let steps =
        "test $(stat -c %a open/t/etc/conf) = 644; test -z \"$(getfattr -m - open/t/etc/conf)\";
        test ! -e open/t/z || test $(stat -c %h open/t/z) = 1; test -f outside/secret";
    scenario.bash(steps);
}

/// Each field of both listings holds a command once; none is run, and the rows are refused.
#[test]
fn nothing_that_a_listing_says_is_run() {
    for (listing, fields) in [("SNAPSHOT", 17), ("INDEX", 25)] {
        let scenario = Scenario::new("damage");
        let steps = format!(
            "cd disc1; bzip2 -dc {listing}.tsv.bz2 | awk -F '\\t' -v OFS='\\t' '/^#/ || !/d\\/0/ {{ print; next }}
               n < {fields} {{ $(++n) = \"BATCH[$(touch x)]\" }} {{ print }}' > s
             bzip2 -c s > {listing}.tsv.bz2; rm s; sums ."
        );
        scenario.bash(&steps);
        let (code, said) = end(&scenario, &["open/t", "disc1"]);
        assert_eq!(code, 3, "{said}");
        scenario.bash("test -z \"$(find . -name x)\"");
    }
    let scenario = Scenario::new("damage");
    let steps = "cd disc1; bzip2 -dc SNAPSHOT.tsv.bz2 | sed 's/^#snapshot\\t1/#snapshot\\tBATCH[$(touch x)]/' > s
        bzip2 -c s > SNAPSHOT.tsv.bz2; rm s; sums .";
    scenario.bash(steps);
    ends(&scenario, &["open/t", "disc1"], 3, "SNAPSHOT in");
    scenario.bash("test -z \"$(find . -name x)\"");
}

/// Rows of files, each with one field that docs/format.md does not allow: these files do not come
/// back, all others do.
#[test]
fn rows_with_one_field_that_is_not_as_the_format_says_are_not_used() {
    let (long, short, capitals) = ("1".repeat(20), "a".repeat(63), "A".repeat(64));
    let snapshot = [
        (1, "x"),
        (3, "00"),
        (3, "1e1"),
        (3, &long),
        (4, &short),
        (4, &capitals),
        (5, "1:0"),
        (5, "1:1,"),
        (6, "d/.."),
        (6, ""),
        (6, ".coldcut-parts/x"),
        (7, "844"),
        (7, "0844"),
        (8, "01"),
        (8, "99999999999"),
        (9, "-1"),
        (10, ""),
        (10, r"\x"),
        (11, ""),
        (11, r"\x"),
        (12, "1.0"),
        (12, "01.000000000"),
        (13, ""),
        (13, r"\x"),
        (14, "1:"),
        (14, "1234567:1"),
        (15, ""),
        (15, "user.x"),
        (15, "user.x=A"),
        (15, "user.x=A"),
        (17, "01"),
        (17, ""),
    ];
    let index = [
        (1, "01"),
        (1, "9999999999"),
        (5, "00"),
        (5, &long),
        (6, &short),
        (6, &capitals),
        (7, "01"),
        (8, "00"),
        (8, "1111111111111111"),
        (9, "1e3"),
        (9, "0x10"),
        (10, ""),
        (10, "01"),
        (10, &long),
        (11, "00"),
        (11, "-0"),
        (12, "01"),
        (12, "9999999999"),
        (13, "1.0"),
        (13, &long),
        (14, " 0"),
        (15, ""),
        (15, "x"),
        (15, &capitals),
    ];
    for (listing, wrong, says) in [
        ("SNAPSHOT", &snapshot[..], "(not as the format says)"),
        ("INDEX", &index[..], "missing: "),
    ] {
        let scenario = Scenario::new("rows");
        let lines: String = wrong.iter().map(|(n, value)| format!("{n}\t{value}\n")).collect();
        fs::write(scenario.path("wrong"), lines).unwrap();
        scenario.bash(&format!(
            "cd disc1; bzip2 -dc {listing}.tsv.bz2 | awk -F '\\t' -v OFS='\\t' '
                 NR == FNR {{ field[NR] = $1; value[NR] = $2; next }}
                 !/^#/ && /\\td\\/0/ && ++n in field {{ $(field[n]) = value[n] }} {{ print }}' ../wrong - > s
             bzip2 -c s > {listing}.tsv.bz2; rm s; sums ."
        ));
        let (code, said) = end(&scenario, &["open/t", "disc1"]);
        assert_eq!((code, said.matches(says).count()), (3, wrong.len()), "{said}");
        let restored = fs::read_dir(scenario.path("open/t/d")).unwrap().count();
        assert_eq!(restored, 40 - wrong.len(), "{said}");
    }
}

#[test]
fn escapes_that_the_format_does_not_have_are_refused() {
    let scenario = Scenario::new("damage");
    let steps = r"cd disc1; bzip2 -dc SNAPSHOT.tsv.bz2 > s
        for p in '\x2e\x2e/out' '\056\056/out' 'd/\u002e' 'd/\055' 'd/\cx' 'd/\a'; do
            printf 'd\t%s\t0\t-\t-\t-\t0755\t0\t0\t-\t-\t1.000000000\t-\t-\t-\t-\t1\n' $p >> s
        done; bzip2 -c s > SNAPSHOT.tsv.bz2; rm s; sums .";
    scenario.bash(steps);
    let (code, said) = end(&scenario, &["open/t", "disc1"]);
    assert_eq!((code, said.matches("refused: ").count()), (3, 6), "{said}");
    assert!(!scenario.path("open/out").exists());
}

#[test]
fn files_get_the_attributes_of_their_own_row_and_no_others() {
    for format in ["1", "2"] {
        let scenario = Scenario::of("same-content", format);
        scenario.comes_back(2, &[], &["disc1", "disc2"]);
        scenario.comes_back(1, &["-s", "1"], &["disc1", "disc2"]);
    }
}

#[test]
fn holes_of_a_file_in_parts_stay_holes() {
    let scenario = Scenario::new("split");
    ends(&scenario, &["open/t", "."], 0, "done");
    let blocks = std::os::unix::fs::MetadataExt::blocks(
        &fs::metadata(scenario.path("open/t/hole")).unwrap(),
    );
    assert!(blocks * 512 < 1_000_000, "{blocks} blocks of a file of 2 MB that is a hole");
}

#[test]
fn the_environment_changes_nothing() {
    let scenario = Scenario::new("plain");
    fs::write(scenario.path("rc"), "tar() { :; }; export TAR_OPTIONS=--touch; umask 0\n").unwrap();
    let rc = format!("BASH_ENV={}", scenario.path("rc").display());
    let env = [
        "TAR_OPTIONS=--touch",
        "GZIP=-9",
        "BZIP2=-s",
        "POSIXLY_CORRECT=1",
        "IFS=0",
        "CDPATH=/",
        &rc,
        "BASH_FUNC_awk%%=() { :; }",
        "SHELLOPTS=noglob",
        "QUOTING_STYLE=c",
        "TZ=Asia/Tokyo",
        "LC_ALL=tr_TR",
    ];
    for script in ["restore.sh", "simple-restore.sh"] {
        let target = format!("open/{script}");
        let output = scenario.run(script, false, &env, &[&target, "disc1", "disc2"]);
        assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
        scenario.has_contents(1, &target);
    }
}

/// mawk, gawk, busybox and the One True Awk, as far as they are installed.
#[test]
fn any_awk_works_or_is_refused_at_once() {
    let scenario = Scenario::new("plain");
    let mut worked = 0;
    for (n, awk) in ["mawk", "gawk", "original-awk", "busybox"].iter().enumerate() {
        let Some(path) = which(awk) else { continue };
        fs::remove_file(scenario.path("bin/awk")).unwrap();
        symlink(path, scenario.path("bin/awk")).unwrap();
        let target = format!("open/{n}");
        let (code, said) = end(&scenario, &[&target, "disc1", "disc2"]);
        match code {
            0 => scenario.is_like(1, &target),
            _ => assert!(code == 1 && said.contains("install mawk or gawk"), "{said}"),
        }
        worked += usize::from(code == 0);
    }
    assert!(worked > 0);
}

#[test]
fn dash_is_told_to_be_bash() {
    let scenario = Scenario::new("damage");
    for script in ["restore.sh", "simple-restore.sh"] {
        let output =
            Command::new("dash").arg(scenario.path(script)).args(["t", "d"]).output().unwrap();
        assert!(
            output.status.code() == Some(1) && shown(&output).contains("use bash"),
            "{}",
            shown(&output)
        );
    }
}

#[test]
fn words_in_the_wrong_order_are_noticed() {
    let scenario = Scenario::new("damage");
    ends(&scenario, &["disc1", "open/t"], 2, "TARGET comes first");
    ends(&scenario, &["-p", "pw", "-p", "pw", "open/t", "disc1"], 2, "-p needs one file");
    fs::write(scenario.path("disc.iso"), "x").unwrap();
    ends(&scenario, &["open/t", "disc.iso"], 1, "mount -o loop,ro");
}

/// Also those that a terminal would take as its own beyond ASCII, or that change the direction.
#[test]
fn control_characters_are_never_printed() {
    let scenario = Scenario::new("damage");
    let steps = r"cd disc1; bzip2 -dc SNAPSHOT.tsv.bz2 > s
        printf 'd\tno\033]0;x\302\233\342\200\256\303\274/d\t0\t-\t-\t-\t0755\t0\t0\t-\t-\t1.000000000\t-\t-\t-\t-\t1\n' >> s
        bzip2 -c s > SNAPSHOT.tsv.bz2; rm s; sums .; cp -r . ../disc2; cd ../disc2
        sed -i 's/^format=2/format=\x1b]0;x/; s/^disc=1/disc=2/' DISC.txt; rm README.txt; sums .";
    scenario.bash(steps);
    let output = scenario.restore(false, &["open/t", "disc1", "disc2"]);
    let text = [output.stdout.clone(), output.stderr.clone()].concat();
    assert!(
        !text.iter().any(|byte| byte.is_ascii_control() && *byte != b'\n'),
        "{}",
        shown(&output)
    );
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("refused: no?]0;x?????ü/d"), "{text}");
}

#[test]
fn an_archives_sum_is_compared_though_all_contents_are_right() {
    let scenario = Scenario::new("uncompressed");
    // The header of a member is in no listing.
    scenario.bash("f=$(ls disc1/archives/*1.tar); printf x | dd of=$f bs=1 seek=345 conv=notrunc status=none; sums disc2");
    ends(&scenario, &["open/t", "disc1", "disc2"], 3, "is not as it was written");
}

#[test]
fn a_listing_of_another_disc_is_not_used() {
    let scenario = Scenario::new("two-snapshots");
    scenario.bash("cp disc2/SNAPSHOT* disc3; rm disc3/HISTORY*; sed -i 's/ HISTORY//' disc3/DISC.txt; sums disc3");
    ends(&scenario, &["open/t", "disc1", "disc2", "disc3"], 3, "SNAPSHOT in ");
    scenario.is_like(1, "open/t");
    // In format 1 the INDEX tells that the disc is newer than its listing.
    let scenario = Scenario::of("two-snapshots", "1");
    scenario.bash(
        "cp disc2/SNAPSHOT* disc3; sed -i 's/^snapshot=2/snapshot=1/' disc3/DISC.txt; sums disc3",
    );
    ends(&scenario, &["open/t", "disc1", "disc2", "disc3"], 3, "older than its disc");
    scenario.is_like(1, "open/t");
}

#[test]
fn disc_txt_is_taken_from_readme_txt_where_it_is_damaged() {
    let scenario = Scenario::new("two-snapshots");
    scenario.bash("printf rubbish > disc3/DISC.txt; rm disc1/DISC.txt");
    ends(&scenario, &["open/t", "disc1", "disc2", "disc3"], 3, "DISC.txt is damaged");
    scenario.is_like(2, "open/t");
}

#[test]
fn two_histories_are_told_apart_by_the_disc_that_is_named() {
    let scenario = Scenario::new("twins");
    ends(&scenario, &["open/t", "disc1", "disc2", "disc2x"], 1, "--disc UUID");
    // A disc from before they parted decides nothing.
    let before = ["--disc", "00000001-0000-4000-8000-000000000000"];
    ends(
        &scenario,
        &[&before[..], &["open/t", "disc1", "disc2", "disc2x"]].concat(),
        1,
        "two histories",
    );
    for (run, branch) in [(2, "000000000000"), (3, "000000000001")] {
        let uuid = format!("00000002-0000-4000-8000-{branch}");
        let target = format!("open/{run}");
        for discs in [["disc2", "disc2x"], ["disc2x", "disc2"]] {
            fs::remove_dir_all(scenario.path(&target)).ok();
            ends(
                &scenario,
                &["--disc", &uuid, &target, "disc1", discs[0], discs[1]],
                0,
                "is not of this history",
            );
            scenario.is_like(run, &target);
        }
    }
    // A disc without a listing starts no history of its own.
    scenario.bash("rm disc2x/SNAPSHOT* disc2x/HISTORY* || true; sums disc2x");
    ends(&scenario, &["open/t", "disc2x", "disc1", "disc2"], 0, "is not of this history");
    scenario.is_like(2, "open/t");
}

#[test]
fn a_disc_that_the_last_one_does_not_name_is_no_other_history() {
    let scenario = Scenario::new("missed");
    ends(&scenario, &["open/t", "."], 0, "done");
    scenario.is_like(4, "open/t");
    ends(&scenario, &["-s", "2", "open/u", "."], 0, "done");
    scenario.is_like(2, "open/u");
    // Without the one that names it, nothing does.
    ends(&scenario, &["open/v", "disc1", "disc2", "disc4"], 1, "--disc UUID");
}

#[test]
fn what_is_not_encrypted_in_an_encrypted_set_is_refused_by_name() {
    let scenario = Scenario::new("passphrase");
    scenario.bash(
        "cd disc2; bzip2 -c ../pw > SNAPSHOT.tsv.bz2; cp ../pw archives/00000001.tar; sums .",
    );
    let words = ["-p", "pw", "open/t", "disc1", "disc2"];
    ends(&scenario, &words, 3, "archives/00000001.tar is not encrypted");
    ends(&scenario, &words, 3, "SNAPSHOT.tsv.bz2 is not encrypted");
    scenario.is_like(1, "open/t");
    scenario.bash("sed -i s/=passphrase/=none/ disc2/DISC.txt; sums disc2");
    ends(
        &scenario,
        &["-p", "pw", "open/u", "disc1", "disc2"],
        3,
        "is not encrypted, and the set is",
    );
    let plain = Scenario::new("damage");
    ends(&plain, &["-p", "pw", "open/t", "disc1"], 1, "is not encrypted, and the set is");
}

#[test]
fn a_failed_modification_detection_code_is_damage() {
    let scenario = Scenario::new("passphrase");
    // The last byte becomes another one, whatever it was: the key of a message is random.
    let last = "f=$(ls disc1/archives/*1.tar.bz2.gpg); n=$(($(stat -c %s $f) - 1))
        byte=$(od -An -tu1 -j $n $f); printf \"\\\\x$(printf %x $((byte ^ 1)))\" |
        dd of=$f bs=1 seek=$n conv=notrunc status=none; sums disc1";
    scenario.bash(last);
    ends(
        &scenario,
        &["-p", "pw", "open/t", "disc1", "disc2"],
        3,
        "00000001.tar.bz2.gpg of disc 1 is damaged",
    );
    scenario.is_like(1, "open/t");
    let scenario = Scenario::new("passphrase");
    scenario.bash(&last.replace("archives/*1.tar", "SNAPSHOT.tsv").replace("disc1", "disc2"));
    ends(
        &scenario,
        &["-p", "pw", "open/t", "disc1", "disc2"],
        3,
        "the listing on disc 2 is damaged",
    );
}

#[test]
fn no_key_is_not_damage() {
    let scenario = Scenario::new("recipients");
    fs::create_dir(scenario.path("ring")).unwrap();
    ends(&scenario, &["open/t", "disc1", "disc2"], 1, "no key opens disc 1");
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/throwaway.key");
    scenario.bash(&format!("export GNUPGHOME=$PWD/ring; chmod 700 ring; gpg --batch --quiet --import {key} 2>/dev/null; echo 'list-only' > ring/gpg.conf"));
    let home = format!("GNUPGHOME={}", scenario.path("ring").display());
    for script in ["restore.sh", "simple-restore.sh"] {
        let output =
            scenario.run(script, false, &[&home], &[&format!("open/{script}"), "disc1", "disc2"]);
        assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
        scenario.has_contents(1, &format!("open/{script}"));
    }
    scenario.bash("GNUPGHOME=$PWD/ring gpgconf --kill all");
}

#[test]
fn a_signature_of_a_revoked_key_is_refused() {
    let scenario = Scenario::new("damage");
    let steps = "mkdir -m 700 ring; export GNUPGHOME=$PWD/ring
        gpg --batch --quiet --passphrase '' --quick-generate-key a@b ed25519 sign never 2>/dev/null
        gpg --batch --quiet --detach-sign -o disc1/SHA256SUMS.sig disc1/SHA256SUMS
        gpg --batch --export > good.cert
        sed 's/^:-----/-----/' ring/openpgp-revocs.d/*.rev | gpg --batch --quiet --import 2>/dev/null
        gpg --batch --export > revoked.cert; gpgconf --kill all";
    scenario.bash(steps);
    ends(&scenario, &["--verify-signature", "good.cert", "open/t", "disc1"], 3, "8 paths");
    ends(
        &scenario,
        &["--verify-signature", "revoked.cert", "open/u", "disc1"],
        4,
        "is not signed by the key",
    );
    scenario.bash("printf x >> disc1/INDEX.tsv.bz2");
    ends(
        &scenario,
        &["--verify-signature", "good.cert", "open/v", "disc1"],
        4,
        "is not as it was signed",
    );
}

#[test]
fn root_does_not_restore_where_others_can_write() {
    if !is_root() {
        return;
    }
    let scenario = Scenario::new("damage");
    scenario.bash(
        "mkdir -m 777 open/wide; mkdir open/nobody; chown 65534 open/nobody; mkdir open/mine",
    );
    ends(&scenario, &["open/wide", "disc1"], 1, "others can write to");
    ends(&scenario, &["open/nobody", "disc1"], 1, "belongs to somebody else");
    ends(&scenario, &["open/mine", "disc1"], 3, "8 paths");
    // A directory that was there keeps its own mode.
    scenario.bash("test $(stat -c %a open/mine) = 755; chmod 700 open/mine");
}

#[test]
fn plain_metadata_leaves_out_what_gives_rights() {
    let scenario = Scenario::new("plain");
    ends(&scenario, &["--plain-metadata", "open/t", "disc1", "disc2"], 0, "done");
    let steps = "test $(stat -c %a open/t/suid) = 755; test $(stat -c %a open/t/hollow/inner) = 711
        getfattr -n user.dir open/t/a >/dev/null";
    scenario.bash(steps);
}

#[test]
fn what_the_target_cannot_hold_is_not_called_damaged() {
    if !is_root() {
        return;
    }
    let scenario = Scenario::new("plain");
    let steps = "mount -t tmpfs -o size=1m none open; PATH=$PWD/bin bash restore.sh open/t disc1 disc2; echo $?";
    let output = Command::new("unshare")
        .args(["-m", "bash", "-c", steps])
        .current_dir(scenario.dir.path())
        .output()
        .unwrap();
    let said = shown(&output);
    assert!(said.contains("missing: a/two.bin (could not be stored in the target)"), "{said}");
    assert!(!said.contains("damaged") && said.contains("\n3\n"), "{said}");
}

#[test]
fn the_passphrase_is_asked_for_once_at_a_terminal() {
    let scenario = Scenario::new("passphrase");
    let steps = "printf '%s\\n' 'import os, pty, sys' 'pid, fd = pty.fork()' \
        'if pid == 0: os.execvp(\"bash\", [\"bash\", \"restore.sh\", \"open/t\", \"disc1\", \"disc2\"])' \
        'said, asked = b\"\", 0' 'try:' '  while True:' '    said += os.read(fd, 1000)' \
        '    if said.count(b\"Passphrase of the set demo: \") > asked:' '      asked += 1' '      os.write(fd, b\"correct horse\\n\")' \
        'except OSError: pass' 'sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) or asked - 1)' > ask.py; python3 ask.py";
    scenario.bash(steps);
    scenario.is_like(1, "open/t");
}

#[test]
fn how_many_discs_there_are_is_said() {
    let scenario = Scenario::new("split");
    ends(&scenario, &["open/t", "disc4"], 3, "its files are on 4 discs: 1 2 3 4");
    ends(&Scenario::new("same-content"), &["open/t", "disc1"], 0, "its files are on 1 disc: 1");
}

/// The commands of README.txt, as a person would type them, in both formats.
#[test]
fn the_commands_of_the_readme_give_every_name_and_the_right_content() {
    for (name, encryption, runs) in [
        ("two-snapshots", Encryption::None, 2),
        ("split", Encryption::None, 1),
        ("passphrase", Encryption::Passphrase, 1),
        ("history-1", Encryption::None, 4),
        ("history-2", Encryption::None, 4),
    ] {
        let scenario = Scenario::new(name);
        let text = readme(&Facts { encryption, ..facts() });
        let mut discs: Vec<_> =
            fs::read_dir(scenario.dir.path()).unwrap().map(|e| e.unwrap().path()).collect();
        discs.retain(|path| path.join("DISC.txt").exists());
        discs.sort_by_key(|path| {
            path.to_str().unwrap().rsplit_once("disc").unwrap().1.parse::<u32>().unwrap()
        });
        let commands = |heading: &str, disc: &Path| {
            let (_, below) = text.split_once(&format!("{heading}\n---")).unwrap();
            let lines = below.lines().skip(1).take_while(|line| !line.starts_with("---"));
            let lines: Vec<&str> = lines.filter(|line| line.starts_with("  ")).collect();
            lines.join("\n").replace("/media/cdrom", disc.to_str().unwrap())
        };
        fs::create_dir(scenario.path("hand")).unwrap();
        for disc in
            discs.iter().filter(|disc| fs::read_dir(disc.join("archives")).unwrap().count() > 0)
        {
            fs::write(scenario.path("steps"), commands("By hand, 1: unpack the archives", disc))
                .unwrap();
            scenario.bash("cd hand; bash ../steps <../pw 2>/dev/null || true");
        }
        fs::write(
            scenario.path("steps"),
            commands("By hand, 2: give the files their names", discs.last().unwrap()),
        )
        .unwrap();
        scenario.bash("cd hand; bash ../steps <../pw");
        scenario.has_names(runs, "hand/out");
    }
}
