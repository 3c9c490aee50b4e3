//! Discs that somebody else made, or changed, for a set that is not theirs: nothing on them is
//! taken for the set's own, nothing is taken over from them, and each is named.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

#[path = "support/forge/mod.rs"]
#[allow(dead_code)]
mod forge;
mod support;

use std::fs;
use std::ops::Deref;
use std::path::Path;

use forge::{How, Owner, VERSIONS};
use support::{Run, Sandbox};

/// The owner of one disc with a letter.
struct StrangerBench(Owner);

impl Deref for StrangerBench {
    type Target = Owner;

    fn deref(&self) -> &Owner {
        &self.0
    }
}

impl StrangerBench {
    fn new(how: How) -> StrangerBench {
        let bench = StrangerBench(Owner::new(how, VERSIONS.last().unwrap(), &[]));
        bench.write("source", "letter", "the owner's letter\n");
        bench.backup();
        bench
    }

    /// The same as somebody who has no catalog.
    fn run_without_catalog(&self, line: &str) -> Run {
        self.run(&format!("{line} --catalog none"))
    }

    fn restore(&self, line: &str) -> Run {
        let _ = fs::remove_dir_all(self.sandbox.path("back"));
        self.run(line)
    }

    fn restore_without_catalog(&self, line: &str) -> Run {
        let _ = fs::remove_dir_all(self.sandbox.path("back"));
        self.run_without_catalog(line)
    }

    fn back(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.sandbox.path("back").join(name)).ok()
    }

    /// A folder as an image of a disc on the owner's shelf.
    fn onto_shelf(&self, disc: &Path, name: &str) {
        self.image(disc, &self.sandbox.shelf().join(name));
    }
}

/// What `verify` and `check` say of a disc that the catalog knows.
const RIGHT: &str = "every byte matches the catalog";

const PLAIN_DISC: &str = "disc 2 of papers is not encrypted, but the set is";

#[test]
fn a_plain_disc_is_no_part_of_an_encrypted_set() {
    for how in How::ENCRYPTED {
        let bench = StrangerBench::new(how);
        let forged = bench.plain_disc(2, "forged");
        bench.onto_shelf(&forged, "papers-0002.iso");
        let is_owners = |run: &Run| {
            run.says(PLAIN_DISC).says("--accept-plain 2");
            assert_eq!(bench.back("letter").as_deref(), Some("the owner's letter\n"));
            assert_eq!(bench.back(".bashrc"), None, "{how:?}");
        };
        is_owners(bench.restore_without_catalog("restore shelf back").code(3));
        is_owners(bench.restore("restore shelf back").code(0));
        // Without a catalog the owner's disc says it, and with one the catalog.
        bench.run_without_catalog("verify shelf").code(5).says(PLAIN_DISC);
        let run = bench.run("verify shelf");
        run.code(5).says("as the catalog knows").says(PLAIN_DISC);
        let words = "1 image was REFUSED, in whole or in part (see above)";
        assert!(!run.says(words).stderr().contains("CANNOT BE READ"), "{}", run.story());
        let summary = bench.run("verify shelf --json").objects().pop().unwrap();
        assert_eq!((&summary["unreadable"], &summary["refused"]), (&0.into(), &1.into()));
        bench.run("check shelf").code(5).says(PLAIN_DISC).says(RIGHT);
        bench.run("drill shelf").code(5).says(PLAIN_DISC);
        bench.run("copy 1 other --from shelf").code(0).says(PLAIN_DISC);
        bench.run("migrate 1 --to third --from shelf").code(0).says(PLAIN_DISC);
        bench.run("rescue shelf/papers-0002.iso --to saved.iso").code(3).says(PLAIN_DISC);
        bench.run("rescue shelf/papers-0001.iso --to first.iso").code(0);
        bench.run("rescue shelf/papers-0002.iso --to other.iso --accept-plain 2").code(0);
        // It is alone.
        fs::create_dir(bench.sandbox.path("alone")).unwrap();
        bench.sandbox.bash("mv shelf/papers-0002.iso alone").ok();
        bench.restore("restore alone back").code(1).says(PLAIN_DISC);
        assert!(!bench.sandbox.path("back").exists());
        bench.run("verify alone").code(5).says(PLAIN_DISC);
        bench.run("drill alone").code(1).says(PLAIN_DISC);
        // A person may know better, by number or UUID.
        let uuid = bench.told(&forged).disc;
        for name in ["2", &uuid] {
            bench.restore(&format!("restore alone back --accept-plain {name}")).code(0);
            assert_eq!(bench.back(".bashrc").as_deref(), Some("evil 2\n"));
        }
        bench.restore("restore alone back --accept-plain 3").code(1).says(PLAIN_DISC);
    }
}

#[test]
fn a_newer_disc_of_a_plain_set_is_named_where_the_catalog_does_not_know_it() {
    let bench = StrangerBench::new(How::Plain);
    bench.restore("restore shelf back").ok();
    bench.onto_shelf(&bench.plain_disc(2, "forged"), "papers-0002.iso");
    let words = "disc 2 of papers is newer than the catalog, which cannot tell whether you made it";
    bench.restore("restore shelf back").code(0).says(words);
}

#[test]
fn a_rebuilt_catalog_has_nothing_of_a_plain_disc() {
    for how in How::ENCRYPTED {
        let bench = StrangerBench::new(how);
        bench.onto_shelf(&bench.plain_disc(2, "forged"), "papers-0002.iso");
        fs::remove_file(bench.sandbox.catalog()).unwrap();
        let mut line = "catalog rebuild shelf".to_owned();
        if how == How::Recipients {
            line += " --recipient owner.cert";
        }
        bench.run(&line).code(3).says(PLAIN_DISC);
        if how == How::Recipients {
            let catalog = bench.sandbox.catalog();
            assert_eq!(bench.fingerprints(&catalog), [bench.fingerprint("owner")]);
        }
        let sets = bench.sandbox.run(["set", "list", "--json"]).ok().results();
        let expected = if how == How::Recipients { "recipients" } else { "passphrase" };
        assert_eq!(sets[0]["encryption"], expected);
        let paths = bench.sandbox.run(["find", "*", "--json"]).ok().results();
        assert!(paths.iter().all(|row| row["path"] != ".bashrc"), "{paths:?}");
    }
}

#[test]
fn plain_listings_and_archives_beside_encrypted_ones_are_not_used() {
    for how in How::ENCRYPTED {
        let bench = StrangerBench::new(how);
        let forged = bench.plain_disc(1, "forged");
        let own = bench.own(1, "own");
        let (theirs, ours) = (bench.told(&forged), bench.told(&own));
        bench.replace(&forged, &theirs.disc, &ours.disc);
        bench
            .sandbox
            .bash("cp forged/*.tsv.bz2 forged/catalog.sqlite.bz2 own; cp forged/archives/* own/archives")
            .ok();
        bench.sum_up(&own);
        let words = "INDEX.tsv.bz2";
        let run = bench.restore_without_catalog("restore own back");
        run.code(3).says(words).says("not encrypted").says("--accept-plain 1");
        assert_eq!(bench.back("letter").as_deref(), Some("the owner's letter\n"));
        assert_eq!(bench.back(".bashrc"), None);
        bench.run_without_catalog("verify own").code(5).says(words);
        bench.run("verify own").code(5).says(words);
        // DISC.txt that says so makes no difference: the encrypted files are there.
        bench.sandbox.bash("sed -i 's/^encryption=.*/encryption=none/' own/DISC.txt").ok();
        bench.sum_up(&own);
        let run = bench.restore_without_catalog("restore own back");
        run.code(3).says(words);
        assert_eq!(bench.back(".bashrc"), None);
        // Another key opens nothing of it, and plain listings do not stand in.
        bench.write(".", "wrong", "another passphrase\n");
        let key = match how {
            How::Recipients => ["--secret-key", "stranger.key"],
            _ => ["--passphrase-file", "wrong"],
        };
        let _ = fs::remove_dir_all(bench.sandbox.path("back"));
        let words = ["restore", "own", "back", "--catalog", "none"];
        bench.sandbox.run(words.iter().chain(&key)).code(1);
        assert!(!bench.sandbox.path("back").exists());
        fs::remove_file(bench.sandbox.catalog()).unwrap();
        let more = if how == How::Recipients { " --recipient owner.cert" } else { "" };
        bench.run(&format!("catalog rebuild own{more}")).code(3).says("not encrypted");
        let paths = bench.sandbox.run(["find", "*", "--json"]).ok().results();
        assert!(paths.iter().all(|row| row["path"] != ".bashrc"), "{paths:?}");
    }
}

/// The owner's second disc, whose listing and catalog somebody took from the first.
#[test]
fn an_older_listing_on_a_newer_disc_is_told() {
    let bench = StrangerBench::new(How::Passphrase);
    bench.write("source", "letter", "the owner's newer letter\n");
    bench.backup();
    let first = bench.own(1, "first");
    let second = bench.own(2, "discs");
    for name in ["SNAPSHOT.tsv.bz2.gpg", "catalog.sqlite.bz2.gpg"] {
        fs::copy(first.join(name), second.join(name)).unwrap();
    }
    bench.sandbox.bash("sed -i 's/^snapshot=2$/snapshot=1/' discs/DISC.txt").ok();
    bench.sum_up(&second);
    fs::remove_file(bench.sandbox.shelf().join("papers-0002.iso")).unwrap();
    bench.onto_shelf(&second, "papers-0002.iso");
    let words = "its INDEX is of snapshot 2";
    bench.restore_without_catalog("restore shelf back").code(3).says(words);
    // The catalog knows what disc 2 is of.
    let run = bench.restore("restore shelf back");
    run.code(0).says("which is used");
    assert_eq!(bench.back("letter").as_deref(), Some("the owner's newer letter\n"));
    fs::remove_file(bench.sandbox.catalog()).unwrap();
    bench.run("catalog rebuild shelf").code(3).says(words);
}

/// Everybody can make a list of sums that fits. `verify` and `rescue` do not call such a disc
/// sound.
#[test]
fn listings_of_another_disc_are_a_fault_though_the_bytes_agree() {
    for how in [How::Plain, How::Passphrase] {
        let bench = StrangerBench::new(how);
        bench.write("source", "second", "the owner's second letter\n");
        bench.backup();
        bench.run_without_catalog("verify shelf").code(0).says("matches its own list");
        for (name, words) in [
            ("INDEX.tsv.bz2", "INDEX.tsv.bz2 belongs to disc 1"),
            ("SNAPSHOT.tsv.bz2", "SNAPSHOT.tsv.bz2 belongs to disc 1"),
        ] {
            let first = bench.own(1, "first");
            let second = bench.own(2, "discs");
            let name = format!("{name}{}", how.suffix());
            fs::copy(first.join(&name), second.join(&name)).unwrap();
            bench.sum_up(&second);
            fs::create_dir_all(bench.sandbox.path("forged")).unwrap();
            bench.image(&second, &bench.sandbox.path("forged/papers-0002.iso"));
            let run = bench.run_without_catalog("verify forged --json");
            run.code(5).says(words).says("disc 2 of papers: NOT AS COLDCUT WRITES IT, 1 fault");
            let found = run.objects().pop().unwrap()["discs"][0].clone();
            assert_eq!((&found["finding"], &found["faults"]), (&"damaged".into(), &1.into()));
            let run = bench.run("rescue forged/papers-0002.iso --to saved.iso --json");
            // It is asked for no key, and cannot read what is encrypted.
            let is_read = how == How::Plain;
            let refused =
                &run.code(if is_read { 3 } else { 0 }).objects().pop().unwrap()["refused"];
            assert_eq!(*refused, u64::from(is_read), "{}", run.story());
            if is_read {
                run.says(words).says("Other commands will not use all of it");
            }
            bench.sandbox.bash("rm saved.iso*").ok();
        }
    }
}

/// A list of sums without a file fits a disc without it. What DISC.txt names must be there, and be
/// a file.
#[test]
fn a_listing_that_is_not_there_is_a_fault_though_the_bytes_agree() {
    for how in [How::Plain, How::Passphrase] {
        let bench = StrangerBench::new(how);
        for (name, in_its_place) in [
            ("INDEX.tsv.bz2", ":"),
            ("SNAPSHOT.tsv.bz2", "mkfifo $listing"),
            ("catalog.sqlite.bz2", "mkdir $listing; echo no listing >$listing/file"),
        ] {
            let disc = bench.own(1, "discs");
            let words = format!("the disc has no {name}");
            let name = format!("{name}{}", how.suffix());
            fs::remove_file(disc.join(&name)).unwrap();
            let make = format!("cd {}; listing={name}; {in_its_place}", disc.display());
            bench.sandbox.bash(&make).ok();
            bench.sum_up(&disc);
            fs::create_dir_all(bench.sandbox.path("forged")).unwrap();
            bench.image(&disc, &bench.sandbox.path("forged/papers-0001.iso"));
            let run = bench.run_without_catalog("verify forged");
            run.code(5).says(&words).says("disc 1 of papers: NOT AS COLDCUT WRITES IT, 1 fault");
            bench.run("rescue forged/papers-0001.iso --to saved.iso").code(3).says(&words);
            bench.sandbox.bash("rm -r saved.iso* discs forged").ok();
        }
    }
}

#[test]
fn an_index_of_another_disc_is_not_read_as_this_ones() {
    let bench = StrangerBench::new(How::Passphrase);
    bench.write("source", "second", "the owner's second letter\n");
    bench.backup();
    let first = bench.own(1, "first");
    let second = bench.own(2, "discs");
    let name = "INDEX.tsv.bz2.gpg";
    fs::copy(first.join(name), second.join(name)).unwrap();
    bench.sum_up(&second);
    fs::remove_file(bench.sandbox.shelf().join("papers-0002.iso")).unwrap();
    bench.onto_shelf(&second, "papers-0002.iso");
    let words = "INDEX.tsv.bz2 belongs to disc 1";
    bench.restore_without_catalog("restore shelf back").code(3).says(words);
    bench.restore("restore shelf back").says(words);
    assert_eq!(bench.back("second").as_deref(), Some("the owner's second letter\n"));
    fs::remove_file(bench.sandbox.catalog()).unwrap();
    bench.run("catalog rebuild shelf").code(3).says(words);
}

#[test]
fn a_listing_whose_integrity_check_fails_is_damaged() {
    for name in ["INDEX.tsv.bz2.gpg", "SNAPSHOT.tsv.bz2.gpg", "catalog.sqlite.bz2.gpg"] {
        let bench = StrangerBench::new(How::Passphrase);
        let own = bench.own(1, "own");
        let mut content = fs::read(own.join(name)).unwrap();
        *content.last_mut().unwrap() ^= 1;
        fs::write(own.join(name), content).unwrap();
        bench.sum_up(&own);
        let words = "its integrity check failed";
        if name.starts_with("catalog") {
            // Only who asks for an older snapshot reads it.
            bench.restore_without_catalog("restore own back").code(0);
        } else {
            bench.restore_without_catalog("restore own back").code(3).says(words);
        }
        // Whoever names the key hears of it, and whoever does not hears that nobody looked.
        bench.run_without_catalog("verify own").code(5).says(words);
        let run = bench.sandbox.run(["verify", "own", "--catalog", "none"]);
        run.code(0).says("its encrypted files were not opened");
        bench.run("verify own").code(5);
        fs::remove_file(bench.sandbox.catalog()).unwrap();
        let run = bench.run("catalog rebuild own --json");
        let sets = run.objects().pop().unwrap()["sets"].clone();
        if name.starts_with("catalog") {
            assert_eq!(sets[0]["catalog_of"], serde_json::Value::Null, "{}", run.story());
            run.code(3).says(words);
        }
        if name.starts_with("SNAPSHOT") || name.starts_with("INDEX") {
            assert_eq!(sets[0]["catalog_of"], 1, "{}", run.story());
        }
    }
}

/// Of a disc that no catalog knows, with a list of sums that fits what was changed.
#[test]
fn an_archive_whose_integrity_check_fails_is_damage_in_every_verb_that_reads_it() {
    for how in How::ENCRYPTED {
        let bench = StrangerBench::new(how);
        let own = bench.own(1, "own");
        let found = bench.run_without_catalog("verify own --json");
        assert_eq!(found.objects().pop().unwrap()["discs"][0]["opened"], true, "{}", found.story());
        found.code(0).says("its encrypted files were opened");
        let archive = fs::read_dir(own.join("archives")).unwrap().next().unwrap().unwrap().path();
        let whole = fs::read(&archive).unwrap();
        // In the content, in the code at its end, and a message after the message.
        let middle = whole.len() - 300;
        for (at, more) in [(middle, 0), (whole.len() - 1, 0), (whole.len(), 3)] {
            let mut content = [&whole[..], &vec![0x10; more]].concat();
            content[at] ^= 0x10;
            fs::write(&archive, content).unwrap();
            bench.sum_up(&own);
            let run = bench.run_without_catalog("verify own");
            run.code(5).says("its integrity check failed").says("archives/0000000");
            let run = bench.run("verify own");
            run.code(5).says("archives/0000000");
            bench.run_without_catalog("drill own").code(5).says("archives/0000000");
            if at == middle {
                // What a restore brings is compared with the sums in INDEX.
                bench.restore_without_catalog("restore own back").code(3).says("letter");
                assert_eq!(bench.back("letter"), None);
                bench.restore("restore own back").code(3).says("letter");
                assert_eq!(bench.back("letter"), None);
                bench.run("migrate 1 --to third --from own").code(3).says("letter");
            }
            // The copy on the known shelf is right, and is taken.
            bench.run("copy 1 other --from own").code(0).says("not a disc image");
        }
        // Another key is no reason not to read a disc.
        fs::write(&archive, &whole).unwrap();
        bench.sum_up(&own);
        bench.write(".", "wrong", "another passphrase\n");
        let key = match how {
            How::Recipients => ["--secret-key", "stranger.key"],
            _ => ["--passphrase-file", "wrong"],
        };
        let words = ["verify", "own", "--catalog", "none"];
        let run = bench.sandbox.run(words.iter().chain(&key));
        run.code(0)
            .says("its encrypted files were not opened")
            .says("encrypted files are not opened");
    }
}

#[test]
fn certificates_that_only_a_disc_names_are_not_taken_over() {
    let bench = StrangerBench::new(How::Recipients);
    let forged = bench.plain_disc(2, "forged");
    bench.seal_for_owner(&forged);
    bench.onto_shelf(&forged, "papers-0002.iso");
    let (owner, stranger) = (bench.fingerprint("owner"), bench.fingerprint("stranger"));
    let catalog = bench.sandbox.catalog();
    let away = bench.sandbox.path("away");
    fs::rename(&catalog, &away).unwrap();
    // Nobody is there to ask, and `--yes` is no answer.
    for more in ["", " --yes"] {
        let run = bench.run(&format!("catalog rebuild shelf{more}"));
        run.code(1).says(&stranger).says("--recipient").says("--verify-signature");
        assert!(!catalog.exists());
    }
    // What is named counts.
    let run = bench.run("catalog rebuild shelf --recipient owner.cert");
    run.says(&stranger).says("are used instead").says("source /evil").says("copies 7");
    assert_eq!(bench.fingerprints(&catalog).join(" "), owner);
    bench.write("source", "later", "a later letter\n");
    let words = ["backup", "--disc-size", "3M", "--name", "papers", "--move-source", "--stage"];
    let run = bench.sandbox.run(words.iter().chain(&["--allow-shrink", "source"]));
    run.ok().says(&format!("encrypted for {owner}"));
    // The catalog that is replaced knows the set's settings.
    fs::copy(&away, &catalog).unwrap();
    bench.run("catalog rebuild shelf --replace");
    assert_eq!(bench.fingerprints(&catalog), [owner]);
    let sets = bench.sandbox.run(["status", "--json"]).results();
    let set = sets.iter().find(|row| row["set"] == "papers").unwrap();
    assert_eq!(set["source"], bench.sandbox.source().display().to_string(), "{set}");
    assert_eq!(set["copies_wanted"], 1, "{set}");
}

#[test]
fn a_set_whose_recipients_changed_is_asked_about_once() {
    let bench = StrangerBench::new(How::Recipients);
    let (owner, stranger) = (bench.fingerprint("owner"), bench.fingerprint("stranger"));
    bench.run("catalog rebuild shelf --replace --recipient stranger.cert").code(0);
    let catalog = bench.sandbox.catalog();
    assert_eq!(bench.fingerprints(&catalog).join(" "), stranger);
    bench.write("source", "later", "a later letter\n");
    let backup = |more: &[&str]| {
        let words = ["backup", "--disc-size", "3M", "--name", "papers", "source", "shelf"];
        bench.sandbox.run(words.iter().chain(more))
    };
    for more in [&[][..], &["--yes"]] {
        let run = backup(more);
        run.code(1).says("--new-recipients").says(&owner).says(&stranger);
        assert_eq!(bench.sandbox.images().len(), 1);
    }
    backup(&["--new-recipients"]).ok().says(&format!("encrypted for {stranger}"));
    bench.write("source", "latest", "the latest letter\n");
    backup(&[]).ok().says(&format!("encrypted for {stranger}"));
}

impl StrangerBench {
    /// The set's next discs are for the stranger: somebody changed the catalog.
    fn now_for_the_stranger(&self) {
        let conn = rusqlite::Connection::open(self.sandbox.catalog()).unwrap();
        let certs = fs::read(self.sandbox.path("stranger.cert")).unwrap();
        let changed = conn.execute("UPDATE sets SET certs=? WHERE name='papers'", [certs]);
        assert_eq!(changed.unwrap(), 1);
        assert_eq!(self.fingerprints(&self.sandbox.catalog()), [self.fingerprint("stranger")]);
    }
}

/// Whatever makes discs of a set asks.
#[test]
fn migrate_and_flush_do_not_change_recipients_unasked() {
    for line in ["migrate 1 --to new --from shelf --disc-size 3M", "flush --name papers"] {
        let bench = StrangerBench::new(How::Recipients);
        // What is moved waits for the next disc.
        fs::rename(bench.sandbox.path("source/letter"), bench.sandbox.path("source/moved"))
            .unwrap();
        bench.backup();
        assert_eq!(bench.sandbox.images().len(), 1);
        bench.now_for_the_stranger();
        let stranger = bench.fingerprint("stranger");
        for more in ["", " --yes"] {
            let run = bench.run(&format!("{line}{more}"));
            run.code(1).says("--new-recipients").says(&stranger).says(&bench.fingerprint("owner"));
            let staged = bench.sandbox.bash("find staging new -name SHA256SUMS 2>&1 || true");
            assert!(!staged.stdout().contains("SHA256SUMS"), "{}", staged.stdout());
        }
        let told = format!("encrypted for {stranger}");
        bench.run(&format!("{line} --new-recipients")).code(0).says(&told);
    }
}

#[test]
fn a_person_at_a_terminal_says_whether_new_recipients_are_meant() {
    let bench = StrangerBench::new(How::Recipients);
    bench.now_for_the_stranger();
    bench.write("source", "later", "a later letter\n");
    let words = ["backup", "--disc-size", "3M", "--name", "papers", "source", "shelf"];
    for (answer, code, images) in [("n\n", 1, 1), ("y\n", 0, 2)] {
        let mut run = bench.sandbox.at_terminal(words);
        run.waits_for("Until now").waits_for("Is that intended?").waits_for("[y/N]").types(answer);
        let (found, said) = run.ends();
        assert_eq!(found, code, "{said}");
        assert_eq!(bench.sandbox.images().len(), images, "{said}");
    }
    // Asked once.
    bench.write("source", "latest", "the latest letter\n");
    bench.sandbox.run(words).ok();
}

#[test]
fn every_encrypted_backup_says_for_whom() {
    let bench = StrangerBench::new(How::Passphrase);
    let words = ["backup", "--name", "papers", "source", "shelf"];
    bench.sandbox.run(words.iter().chain(bench.key())).ok().says("encrypted with a passphrase");
    let plain = bench.sandbox.run(["backup", "--name", "open", "--new-set", "source", "other"]);
    assert!(!plain.ok().stderr().contains("\nencrypted"), "{}", plain.story());
}

/// A letter on a disc that was signed with `a.key`, whose certificate is `a.cert`.
fn signed() -> Sandbox {
    let sandbox = Sandbox::with_signer();
    sandbox.run(["backup", "--disc-size", "3M", "--sign", "a.key", "source", "shelf"]).ok();
    sandbox
}

#[test]
fn what_a_disc_was_compared_with_is_said() {
    let sandbox = signed();
    let against = |more: &[&str]| {
        let run = sandbox.run(["verify", "shelf", "--json"].iter().chain(more));
        let found = run.ok().objects().pop().unwrap()["discs"][0]["against"].clone();
        (found.as_str().unwrap().to_owned(), run.stderr())
    };
    let signed = ["--verify-signature", "a.cert"];
    let none = ["--catalog", "none"];
    let (found, words) = against(&[]);
    assert!(
        found == "catalog" && words.contains("every byte matches the catalog"),
        "{found} {words}"
    );
    assert_eq!(against(&signed).0, "catalog");
    let (found, words) = against(&none);
    assert!(
        found == "own-list" && words.contains("which anyone could have made"),
        "{found} {words}"
    );
    let (found, words) = against(&[&signed[..], &none].concat());
    assert!(found == "signature" && words.contains("as it was signed"), "{found} {words}");
}

/// Every verb that reads discs refuses one that is not signed, where signatures are asked for.
#[test]
fn a_disc_that_nobody_signed_is_refused_by_every_verb() {
    let sandbox = signed();
    let run = |line: &str| sandbox.run(line.split(' ').chain(["--verify-signature", "a.cert"]));
    for line in ["check shelf", "drill shelf", "catalog rebuild shelf --replace"] {
        run(line).code(0);
    }
    fs::write(sandbox.source().join("later"), "not signed\n").unwrap();
    sandbox.run(["backup", "--disc-size", "3M", "source", "shelf"]).ok();
    let words = "it is not signed";
    // Both copies are due, and one of them counts.
    let checked = run("check shelf --count 2 --json").objects().pop().unwrap();
    assert_eq!(checked["copies"][0]["disc"], 1, "{checked}");
    assert_eq!(checked["refused"][0]["disc"], 2, "{checked}");
    assert!(checked["missing"].as_array().unwrap().is_empty(), "{checked}");
    for (line, code) in [
        ("verify shelf", 5),
        ("check shelf", 5),
        ("drill shelf", 5),
        ("migrate 1 --to new --from shelf", 0),
        ("catalog rebuild shelf --replace", 3),
    ] {
        let found = run(line);
        found.code(code).says(words);
        assert!(!found.stderr().contains("NOT THERE"), "{}", found.story());
    }
}
