//! An old catalog was put back and used: two discs carry one number, and two snapshots. The discs
//! tell by their UUIDs which belong together, and a person says which history is meant.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;

use support::{Run, Sandbox};

/// `first` is on disc 1 of both histories. One continues with `second`, the other with `third`; the
/// catalog is that of the other.
fn two_histories() -> Sandbox {
    let sandbox = Sandbox::new();
    let backup = |name: &str, shelf: &str| {
        fs::write(sandbox.source().join(name), format!("{name}\n")).unwrap();
        let words = ["backup", "--no-drill", "--name=set", "--disc-size=3M", "source", shelf];
        sandbox.run(words).ok();
    };
    backup("first", "shelf");
    sandbox.bash("cp catalog.sqlite before.sqlite").ok();
    backup("second", "shelf");
    sandbox.bash("rm -f catalog.sqlite*; mv before.sqlite catalog.sqlite; rm source/second").ok();
    sandbox.bash("mkdir other; cp shelf/set-0001.iso other").ok();
    backup("third", "other");
    sandbox.bash("mkdir both; cp shelf/*.iso both; cp other/set-0002.iso both/other-0002.iso").ok();
    sandbox
}

fn uuid_of(sandbox: &Sandbox, image: &str) -> String {
    let read = format!(
        "rm -f disc.txt; xorriso -osirrox on -indev stdio:{image} -extract /DISC.txt disc.txt 2>/dev/null
         sed -n s/^disc_uuid=//p disc.txt"
    );
    sandbox.bash(&read).ok().stdout().trim().to_owned()
}

fn restore(sandbox: &Sandbox, words: &[&str], to: &str) -> Run {
    let all = ["restore"].iter().chain(words).copied().chain(["both", to]);
    sandbox.run(all.collect::<Vec<_>>())
}

#[test]
fn without_a_catalog_a_person_says_which_history_is_meant() {
    let sandbox = two_histories();
    sandbox.bash("mv catalog.sqlite away").ok();
    let [second, third] =
        ["shelf/set-0002.iso", "other/set-0002.iso"].map(|i| uuid_of(&sandbox, i));
    restore(&sandbox, &[], "none").code(1).says("two histories").says(&second).says(&third);
    assert!(!sandbox.path("none").exists());
    for (uuid, name, other) in [(&second, "second", "third"), (&third, "third", "second")] {
        restore(&sandbox, &["--disc", uuid], name).ok();
        let here = |file: &str| sandbox.path(name).join(file).exists();
        assert!(here("first") && here(name) && !here(other), "{name}");
    }
    let nobody = "00000000-0000-4000-8000-000000000000";
    restore(&sandbox, &["--disc", nobody], "none").code(1).says(nobody);
    restore(&sandbox, &["--disc", "2"], "none").code(2).says("disc_uuid");
}

#[test]
fn a_catalog_knows_which_one_it_is() {
    let sandbox = two_histories();
    restore(&sandbox, &[], "back").ok();
    let here = |file: &str| sandbox.path("back").join(file).exists();
    assert!(here("first") && here("third") && !here("second"));
}

#[test]
fn the_same_discs_of_one_history_need_no_choice() {
    let sandbox = two_histories();
    sandbox.bash("mv catalog.sqlite away; rm both/other-0002.iso").ok();
    restore(&sandbox, &[], "back").ok();
    assert!(sandbox.path("back").join("second").exists());
}

/// What is on it is right by the sums of the listing.
#[test]
fn a_disc_that_is_not_as_later_ones_know_it_is_named() {
    let sandbox = two_histories();
    sandbox
        .bash(
            "mv catalog.sqlite away; rm both/other-0002.iso
             xorriso -osirrox on -indev both/set-0001.iso -extract / disc 2>&1; chmod -R u+w disc
             echo more >>disc/README.txt
             sum=$(sha256sum <disc/README.txt | cut -c 1-64)
             sed -i \"s/^.*  README.txt$/$sum  README.txt/\" disc/SHA256SUMS
             rm both/set-0001.iso
             xorriso -as mkisofs -quiet -R -o both/set-0001.iso disc 2>&1",
        )
        .ok();
    let run = restore(&sandbox, &[], "back");
    run.ok().says("set-0001.iso: SHA256SUMS differs from the one recorded on disc 2 of ");
    assert!(sandbox.path("back").join("second").exists());
}
