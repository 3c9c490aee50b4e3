//! Discs that somebody else made, or changed, for a set that is not theirs: nothing on them is taken
//! for the set's own, nothing is taken over from them, and each is named.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::{Run, Sandbox};

const PASSPHRASE: &[u8] = b"correct horse battery staple";

/// How the owner's set is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Passphrase,
    Recipients,
}

/// An owner with a set, and a stranger who knows the set's name and UUID, which are on every disc in
/// clear, and the owner's certificate.
struct Bench {
    sandbox: Sandbox,
    how: How,
}

/// What a disc says of itself in clear.
struct Told {
    set: String,
    disc: String,
}

impl Bench {
    fn new(how: How) -> Bench {
        let mut sandbox = Sandbox::new();
        sandbox.passphrase_file(PASSPHRASE);
        sandbox.make_key_ring();
        sandbox
            .bash(
                "for who in owner stranger; do
                     gpg --batch --quiet --passphrase '' --quick-gen-key \"$who <$who@example.org>\" default default never
                     gpg --batch --export $who@example.org > $who.cert
                     gpg --batch --export-secret-keys $who@example.org > $who.key
                 done",
            )
            .ok();
        let bench = Bench { sandbox, how };
        bench.write("source", "letter", "the owner's letter\n");
        bench.backup();
        bench
    }

    fn write(&self, dir: &str, name: &str, text: &str) {
        fs::create_dir_all(self.sandbox.path(dir)).unwrap();
        fs::write(self.sandbox.path(dir).join(name), text).unwrap();
    }

    fn backup(&self) {
        let words = match self.how {
            How::Passphrase => ["--passphrase-file", "passphrase"],
            How::Recipients => ["--recipient", "owner.cert"],
        };
        let backup = ["backup", "--disc-size", "3M", "--name", "papers", "source", "shelf"];
        self.sandbox.run(backup.iter().chain(&words)).ok();
    }

    fn key(&self) -> [&'static str; 2] {
        match self.how {
            How::Passphrase => ["--passphrase-file", "passphrase"],
            How::Recipients => ["--secret-key", "owner.key"],
        }
    }

    /// Runs a verb with the owner's key.
    fn run(&self, line: &str) -> Run {
        self.sandbox.run(line.split(' ').chain(self.key()))
    }

    /// The same as somebody who has no catalog.
    fn run_without_catalog(&self, line: &str) -> Run {
        self.sandbox.run(line.split(' ').chain(self.key()).chain(["--catalog", "none"]))
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

    /// The content of a disc as a folder.
    fn extract(&self, image: &Path, to: &str) -> PathBuf {
        self.sandbox
            .bash(&format!(
                "rm -rf {to}; xorriso -osirrox on -indev '{}' -extract / {to} 2>&1; chmod -R u+w {to}",
                image.display()
            ))
            .ok();
        self.sandbox.path(to)
    }

    fn told(&self, disc: &Path) -> Told {
        let text = fs::read_to_string(disc.join("DISC.txt")).unwrap();
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{key}=")));
            line.unwrap().to_owned()
        };
        Told { set: value("set_uuid"), disc: value("disc_uuid") }
    }

    /// The owner's disc as a folder.
    fn own(&self, number: usize, to: &str) -> PathBuf {
        self.extract(&self.sandbox.shelf().join(format!("papers-{number:04}.iso")), to)
    }

    /// A plain disc that says that it is of the owner's set: of this number, and of the snapshot of
    /// that number. A set of the stranger's own makes it, whose UUID is then replaced.
    fn plain_disc(&self, number: usize, to: &str) -> PathBuf {
        let sandbox = &self.sandbox;
        let _ = fs::remove_dir_all(sandbox.path("evil"));
        let dir = format!("strange{number}");
        for run in 1..=number {
            self.write("evil", "letter", &format!("a stranger's letter, {run}\n"));
            self.write("evil", ".bashrc", &format!("evil {run}\n"));
            let line = format!(
                "backup --catalog {dir}.sqlite --staging {dir}.staging --disc-size 3M --name \
                 papers evil {dir}"
            );
            sandbox.run(line.split_whitespace()).ok();
        }
        let image = sandbox.path(&dir).join(format!("papers-{number:04}.iso"));
        let forged = self.extract(&image, to);
        let (theirs, ours) = (self.told(&forged), self.told(&self.own(1, "owners")));
        self.replace(&forged, &theirs.set, &ours.set);
        forged
    }

    /// Replaces a UUID wherever it stands on a plain disc, and makes the sums fit.
    fn replace(&self, disc: &Path, old: &str, new: &str) {
        let raw = |uuid: &str| uuid::Uuid::parse_str(uuid).unwrap().into_bytes().to_vec();
        let pairs = [(old.as_bytes().to_vec(), new.as_bytes().to_vec()), (raw(old), raw(new))];
        for entry in fs::read_dir(disc).unwrap() {
            let path = entry.unwrap().path();
            if !path.is_file() {
                continue;
            }
            let is_packed = path.extension().is_some_and(|extension| extension == "bz2");
            let content = fs::read(&path).unwrap();
            let mut content = match is_packed {
                true => self.sandbox.piped("bzip2 -dc", &content),
                false => content,
            };
            for (old, new) in &pairs {
                content = replaced(&content, old, new);
            }
            let content = match is_packed {
                true => self.sandbox.piped("bzip2 -c", &content),
                false => content,
            };
            fs::write(&path, content).unwrap();
        }
        self.sum_up(disc);
    }

    /// The disc's own list, fitting what is there now.
    fn sum_up(&self, disc: &Path) {
        self.sandbox
            .bash(&format!(
                "cd '{}'; find . -type f ! -name 'SHA256SUMS*' -printf '%P\\0' | sort -z |
                 xargs -0 sha256sum > SHA256SUMS.new; mv SHA256SUMS.new SHA256SUMS",
                disc.display()
            ))
            .ok();
    }

    /// A folder as an image of a disc on the owner's shelf.
    fn onto_shelf(&self, disc: &Path, name: &str) {
        self.sandbox
            .bash(&format!(
                "xorriso -as mkisofs -quiet -R -o 'shelf/{name}' '{}' 2>&1",
                disc.display()
            ))
            .ok();
    }

    /// Fingerprints of the certificates that the catalog has for the set.
    fn fingerprints(&self, catalog: &Path) -> Vec<String> {
        let conn = rusqlite::Connection::open(catalog).unwrap();
        let sql = "SELECT certs FROM sets WHERE name='papers'";
        let certs: Option<Vec<u8>> = conn.query_row(sql, [], |row| row.get(0)).unwrap();
        let Some(certs) = certs else { return Vec::new() };
        let listed = self.sandbox.piped("gpg --batch --with-colons --show-keys", &certs);
        let listed = String::from_utf8(listed).unwrap();
        let mut lines = listed.lines();
        let mut found = Vec::new();
        while let Some(line) = lines.next() {
            if line.starts_with("pub:") {
                let next = lines.next().unwrap();
                found.push(next.split(':').nth(9).unwrap().to_owned());
            }
        }
        found
    }

    fn fingerprint(&self, who: &str) -> String {
        let cert = fs::read(self.sandbox.path(&format!("{who}.cert"))).unwrap();
        let listed = self.sandbox.piped("gpg --batch --with-colons --show-keys", &cert);
        let listed = String::from_utf8(listed).unwrap();
        let line = listed.lines().find(|line| line.starts_with("fpr:")).unwrap();
        line.split(':').nth(9).unwrap().to_owned()
    }
}

fn replaced(content: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len());
    let mut at = 0;
    while at < content.len() {
        if content[at..].starts_with(old) {
            out.extend(new);
            at += old.len();
        } else {
            out.push(content[at]);
            at += 1;
        }
    }
    out
}

const PLAIN_DISC: &str = "disc 2 of papers is not encrypted, and the set is";

#[test]
fn a_plain_disc_is_no_part_of_an_encrypted_set() {
    for how in [How::Passphrase, How::Recipients] {
        let bench = Bench::new(how);
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
        bench.run("verify shelf").code(5).says("as the catalog knows").says(PLAIN_DISC);
        bench.run("check shelf").code(5).says(PLAIN_DISC);
        bench.run("drill shelf").code(5).says(PLAIN_DISC);
        bench.run("copy 1 other --from shelf").code(0).says(PLAIN_DISC);
        bench.run("migrate 1 --to third --from shelf").code(0).says(PLAIN_DISC);
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
fn a_rebuilt_catalog_has_nothing_of_a_plain_disc() {
    for how in [How::Passphrase, How::Recipients] {
        let bench = Bench::new(how);
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
    for how in [How::Passphrase, How::Recipients] {
        let bench = Bench::new(how);
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
            How::Passphrase => ["--passphrase-file", "wrong"],
            How::Recipients => ["--secret-key", "stranger.key"],
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
    let bench = Bench::new(How::Passphrase);
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
    run.code(0).says("what the catalog knows is used");
    assert_eq!(bench.back("letter").as_deref(), Some("the owner's newer letter\n"));
    fs::remove_file(bench.sandbox.catalog()).unwrap();
    bench.run("catalog rebuild shelf").code(3).says(words);
}

#[test]
fn an_index_of_another_disc_is_not_read_as_this_ones() {
    let bench = Bench::new(How::Passphrase);
    bench.write("source", "second", "the owner's second letter\n");
    bench.backup();
    let first = bench.own(1, "first");
    let second = bench.own(2, "discs");
    let name = "INDEX.tsv.bz2.gpg";
    fs::copy(first.join(name), second.join(name)).unwrap();
    bench.sum_up(&second);
    fs::remove_file(bench.sandbox.shelf().join("papers-0002.iso")).unwrap();
    bench.onto_shelf(&second, "papers-0002.iso");
    let words = "INDEX.tsv.bz2 is that of disc 1";
    bench.restore_without_catalog("restore shelf back").code(3).says(words);
    bench.restore("restore shelf back").says(words);
    assert_eq!(bench.back("second").as_deref(), Some("the owner's second letter\n"));
    fs::remove_file(bench.sandbox.catalog()).unwrap();
    bench.run("catalog rebuild shelf").code(3).says(words);
}

#[test]
fn a_listing_whose_integrity_check_fails_is_damaged() {
    for name in ["INDEX.tsv.bz2.gpg", "SNAPSHOT.tsv.bz2.gpg", "catalog.sqlite.bz2.gpg"] {
        let bench = Bench::new(How::Passphrase);
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
        bench.run_without_catalog("verify own").code(0);
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

impl Bench {
    /// A plain disc made into one that is encrypted for the owner, whose certificate everybody has;
    /// its catalog names the stranger's.
    fn seal_for_owner(&self, disc: &Path) {
        let packed = disc.join("catalog.sqlite.bz2");
        let unpacked = self.sandbox.path("strange.catalog");
        let content = self.sandbox.piped("bzip2 -dc", &fs::read(&packed).unwrap());
        fs::write(&unpacked, content).unwrap();
        let conn = rusqlite::Connection::open(&unpacked).unwrap();
        let certs = fs::read(self.sandbox.path("stranger.cert")).unwrap();
        let sql = "UPDATE sets SET encryption='recipients', certs=?, copies=7, source=CAST('/evil' AS BLOB)";
        assert_eq!(conn.execute(sql, [certs]).unwrap(), 1);
        conn.execute("UPDATE archives SET encrypted=1", []).unwrap();
        drop(conn);
        let content = self.sandbox.piped("bzip2 -c", &fs::read(&unpacked).unwrap());
        fs::write(&packed, content).unwrap();
        self.sandbox
            .bash(&format!(
                "cd '{}'
                 for file in *.bz2 archives/*; do
                     gpg --batch --quiet --trust-model always --cipher-algo AES256 --compress-algo none \
                         -r owner@example.org -o \"$file.gpg\" --encrypt <\"$file\"
                     rm \"$file\"
                 done
                 sed -i 's/^encryption=.*/encryption=recipients/' DISC.txt",
                disc.display()
            ))
            .ok();
        self.sum_up(disc);
    }
}

#[test]
fn certificates_that_only_a_disc_names_are_not_taken_over() {
    let bench = Bench::new(How::Recipients);
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
    run.says(&stranger).says("are used, and not these").says("source /evil").says("copies 7");
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
    let bench = Bench::new(How::Recipients);
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

#[test]
fn every_encrypted_backup_says_for_whom() {
    let bench = Bench::new(How::Passphrase);
    let words = ["backup", "--name", "papers", "source", "shelf"];
    bench.sandbox.run(words.iter().chain(&bench.key())).ok().says("encrypted with a passphrase");
    let plain = bench.sandbox.run(["backup", "--name", "open", "--new-set", "source", "other"]);
    assert!(!plain.ok().stderr().contains("\nencrypted"), "{}", plain.story());
}

/// A letter on a disc that was signed with `a.key`, whose certificate is `a.cert`.
fn signed() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.make_key_ring();
    sandbox
        .bash(
            "gpg --batch --quiet --passphrase '' --quick-gen-key 'A <a@example.org>' ed25519 sign never
             gpg --batch --export a@example.org > a.cert
             gpg --batch --export-secret-keys a@example.org > a.key",
        )
        .ok();
    fs::write(sandbox.source().join("letter"), "dear a\n").unwrap();
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
    assert!(found == "catalog" && words.contains("held against the catalog"), "{found} {words}");
    assert_eq!(against(&signed).0, "catalog");
    let (found, words) = against(&none);
    assert!(found == "own-list" && words.contains("which anybody can make"), "{found} {words}");
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
