//! Discs that were burned long ago: each golden disc comes back by every reader there is, and never
//! changes. One that no longer does is a change of the format. `golden/README.md` says what each
//! shows, and `golden/make.sh` how it was made.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use support::compare::assert_same_tree;
use support::sandbox::{Run, Sandbox};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const PASSPHRASE: &[u8] = b"a passphrase that everybody may know";

/// What opens a set.
#[derive(Clone, Copy, PartialEq)]
enum Key {
    None,
    Passphrase,
    /// golden/throwaway.key, which is in gpg's key ring, too.
    Secret,
}

/// A set's name, its key, and how many snapshots it has in format 1 and in format 2; 0: there is
/// none.
const SETS: [(&str, Key, [u64; 2]); 13] = [
    ("plain", Key::None, [2, 2]),
    ("zstd", Key::None, [1, 1]),
    ("passphrase", Key::Passphrase, [1, 1]),
    ("certificate", Key::Secret, [1, 1]),
    ("hidden", Key::Secret, [1, 1]),
    ("split", Key::None, [1, 1]),
    ("hostile", Key::None, [1, 1]),
    ("parity", Key::None, [1, 1]),
    ("group", Key::None, [1, 1]),
    ("signed", Key::None, [1, 1]),
    ("sources", Key::None, [0, 1]),
    ("history", Key::Passphrase, [0, 6]),
    ("branches", Key::None, [0, 2]),
];

/// Where the sets of a format are.
fn folder(format: usize) -> PathBuf {
    Path::new(ROOT).join(["tests/golden", "tests/golden/format2"][format - 1])
}

const FORMATS: [usize; 2] = [1, 2];

/// What to restore.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    Newest,
    Snapshot(u64),
    HistoryOf(&'a str),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Reader {
    /// The scripts and the reader that are on the newest disc.
    OwnScript,
    OwnSimpleScript,
    OwnPython,
    Script,
    Python,
    Coldcut,
}

use Reader::{Coldcut, OwnPython, OwnScript, OwnSimpleScript, Python, Script};

/// A golden shelf, `shelf`, its discs as directories in `discs`, and what was on it: `source`, and
/// `source-NAME` of other states.
struct Golden {
    sandbox: Sandbox,
    name: &'static str,
    format: usize,
    key: Key,
    snapshots: u64,
}

impl Golden {
    /// A set in the formats that have it.
    fn all(name: &str) -> impl Iterator<Item = Golden> {
        let (name, key, snapshots) = SETS.into_iter().find(|set| set.0 == name).unwrap();
        let formats = FORMATS.into_iter().filter(move |format| snapshots[format - 1] > 0);
        formats.map(move |format| Golden::new(name, format, key, snapshots[format - 1]))
    }

    fn new(name: &'static str, format: usize, key: Key, snapshots: u64) -> Golden {
        let mut sandbox = Sandbox::new();
        sandbox.passphrase_file(PASSPHRASE);
        // A socket's path is short: gpg's agent has its own.
        sandbox.set("GNUPGHOME", sandbox.path("gpg"));
        let from = folder(format).join(name);
        let unpack = format!(
            "mkdir -m 700 gpg
             gpg --batch --quiet --import '{ROOT}/tests/golden/throwaway.key'
             for state in '{from}'/*.tar.bz2; do
                 to=$(basename \"$state\" .tar.bz2)
                 mkdir -p \"$to\"
                 tar --extract --xattrs --xattrs-include='*' --acls --same-owner --preserve-permissions \
                     -C \"$to\" --file \"$state\"
             done
             for image in '{from}'/*.iso.bz2; do
                 name=$(basename \"$image\" .bz2)
                 bunzip2 <\"$image\" >\"shelf/$name\"
                 xorriso -osirrox on -indev \"shelf/$name\" -extract / \"discs/$name\" 2>&1
             done
             chmod -R u+w discs
             ln -s $(dirname $(printf '%s\\n' discs/*/INDEX.* | tail -n 1)) newest
             uuid=$(sed -n s/^set_uuid=//p newest/DISC.txt)
             sed \"s/@SET@/golden/; s/@SET_UUID@/$uuid/\" '{ROOT}/src/format/by_hand/restore.sh' >restore.sh",
            from = from.display(),
        );
        sandbox.bash(&unpack).ok();
        Golden { sandbox, name, format, key, snapshots }
    }

    /// All that read this set.
    fn readers(&self) -> Vec<Reader> {
        let mut readers = vec![OwnScript, Script, Python, Coldcut];
        let has = |path: &str| self.sandbox.path("newest").join(path).exists();
        assert!(self.format == 1 || has("simple-restore.sh"));
        readers.extend([OwnSimpleScript].iter().filter(|_| self.format > 1));
        readers.extend([OwnPython].iter().filter(|_| has("format/coldcut-reader.py")));
        readers
    }

    /// Restores into `back`, which is empty before.
    fn restore(&self, reader: Reader, wanted: Wanted) -> Run {
        let key = match (self.key, reader) {
            (Key::None, _) => "",
            (Key::Passphrase, Coldcut) => "--passphrase-file passphrase",
            (Key::Passphrase, _) => "-p passphrase",
            (Key::Secret, Coldcut) => "--secret-key ${golden}/throwaway.key",
            (Key::Secret, Python | OwnPython) => "-k ${golden}/throwaway.key",
            (Key::Secret, _) => "",
        };
        let wanted = match (wanted, reader) {
            (Wanted::Newest, _) => String::new(),
            (Wanted::Snapshot(number), Coldcut) => format!("--snapshot={number}"),
            (Wanted::Snapshot(number), _) => format!("-s {number}"),
            (Wanted::HistoryOf(uuid), _) => format!("--disc {uuid}"),
        };
        let words = format!("{key} {wanted}");
        let line = match reader {
            OwnScript => format!("bash newest/restore.sh {words} back discs/*"),
            Script => format!("bash restore.sh {words} back discs/*"),
            OwnPython => {
                format!("python3 newest/format/coldcut-reader.py restore {words} shelf back")
            }
            Python => format!("python3 ${{format}}/coldcut-reader.py restore {words} shelf back"),
            Coldcut => format!("$coldcut restore --yes --trust-metadata {words} shelf back"),
            // A recovery disc has no files of the source.
            OwnSimpleScript => {
                format!("bash newest/simple-restore.sh {words} back $(dirname discs/*/INDEX.*)")
            }
        };
        println!("format {}, {reader:?}: {line}", self.format);
        self.bash(&format!("chmod -R u+w back 2>/dev/null || true; rm -rf back; {line}"))
    }

    /// A line of bash that may name what is not in the sandbox.
    fn bash(&self, line: &str) -> Run {
        let named = format!(
            "golden='{ROOT}/tests/golden' format='{ROOT}/src/format/by_hand/format' coldcut='{}'",
            env!("CARGO_BIN_EXE_coldcut")
        );
        self.sandbox.bash(&format!("{named}; {line}"))
    }

    fn came_back(&self, state: &str) {
        assert_same_tree(&self.sandbox.path(state), &self.sandbox.path("back"));
    }

    /// The state of an older snapshot. Of discs of format 1 nothing was kept but the newest: there
    /// the disc's own script says it, which is the first to read it.
    fn state(&self, number: u64) -> String {
        let state = format!("source-{number}");
        if !self.sandbox.path(&state).exists() {
            assert_eq!((self.format, self.name), (1, "plain"));
            self.bash(&format!("cp -a back {state}")).ok();
        }
        state
    }

    fn comes_back_by(&self, reader: Reader) {
        self.restore(reader, Wanted::Newest).ok();
        self.came_back("source");
        let has_older = reader != OwnSimpleScript;
        for number in (1..self.snapshots).filter(|_| has_older) {
            self.restore(reader, Wanted::Snapshot(number)).ok();
            self.came_back(&self.state(number));
        }
    }

    fn comes_back(&self) {
        self.readers().into_iter().for_each(|reader| self.comes_back_by(reader));
    }

    fn is_verified(&self) {
        let [key, reader_key] = match self.key {
            Key::None => ["", ""],
            Key::Passphrase => ["--passphrase-file passphrase", "-p passphrase"],
            Key::Secret => ["--secret-key ${golden}/throwaway.key", "-k ${golden}/throwaway.key"],
        };
        self.bash(&format!("$coldcut verify shelf {key}")).ok();
        let reader = "python3 ${format}/coldcut-reader.py";
        let found = self.bash(&format!("{reader} verify {reader_key} shelf")).ok().stdout();
        assert_eq!(found.matches(": sound\n").count(), self.sandbox.images().len(), "{found}");
        let listed = self.bash(&format!("{reader} list {reader_key} shelf")).ok().stdout();
        let known = (1..=self.snapshots).all(|n| listed.contains(&format!("\n  snapshot {n}  ")));
        assert!(known, "{listed}");
    }

    /// A new catalog from the discs alone knows each run and each file of them.
    fn is_known_again(&self) {
        let key = match self.key {
            Key::None => "",
            Key::Passphrase => "--passphrase-file passphrase",
            // Certificates are named: that a disc names them says nothing.
            Key::Secret => {
                "--secret-key ${golden}/throwaway.key --recipient ${golden}/throwaway.cert"
            }
        };
        self.bash(&format!("$coldcut catalog rebuild shelf --yes {key}")).ok();
        let runs = self.sandbox.run(["snapshots", "--json"]).ok().results();
        assert_eq!(runs.len() as u64, self.snapshots, "{runs:?}");
        self.comes_back_by(Coldcut);
    }

    /// By the script of a disc of format 1: it refuses other discs, or is right.
    fn does_not_mislead_an_old_script(&self) {
        let old = "bunzip2 <${golden}/plain/golden-0002.iso.bz2 >old.iso
            xorriso -osirrox on -indev old.iso -extract / old 2>&1
            uuid=$(sed -n s/^set_uuid=//p newest/DISC.txt)
            sed -i \"s/SET_UUID='[^']*'/SET_UUID='$uuid'/\" old/restore.sh
            rm -rf back";
        self.bash(old).ok();
        // A disc of format 1 of the same set may be there, too.
        let mixed = "mkdir -p mixed; cp -r old mixed/1; sed -i s/^set_uuid=.*/set_uuid=$(
            sed -n s/^set_uuid=//p newest/DISC.txt)/ mixed/1/DISC.txt";
        self.bash(mixed).ok();
        for discs in ["discs/*", "mixed/1 discs/*"] {
            let run = self.bash(&format!("bash old/restore.sh back {discs}"));
            match run.output.status.code() {
                Some(0) => self.came_back("source"),
                _ => drop(run.says("this script reads format 1")),
            }
        }
    }
}

impl Drop for Golden {
    fn drop(&mut self) {
        let _ = self.sandbox.command("gpgconf").args(["--kill", "all"]).status();
    }
}

fn by_every_reader(name: &str) {
    for golden in Golden::all(name) {
        golden.is_verified();
        golden.comes_back();
        golden.is_known_again();
        if golden.format == 2 {
            golden.does_not_mislead_an_old_script();
        }
    }
}

#[test]
fn the_discs_are_as_they_were_made() {
    let sandbox = Sandbox::new();
    for format in FORMATS {
        let root = folder(format);
        let check = "sha256sum --check --strict --quiet SHA256SUMS";
        sandbox.bash(&format!("cd '{}' && {check}", root.display())).ok();
        let sums = fs::read_to_string(root.join("SHA256SUMS")).unwrap();
        let names = |path: &Path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        let is_set = |path: &PathBuf| path.is_dir() && *path != folder(2);
        let sets: Vec<PathBuf> = names(&root).filter(is_set).collect();
        assert_eq!(sets.len(), SETS.iter().filter(|set| set.2[format - 1] > 0).count());
        for (set, _, _) in SETS.iter().filter(|set| set.2[format - 1] > 0) {
            assert!(sums.contains(&format!("  {set}/source.tar.bz2\n")), "{set}");
            for path in names(&root.join(set)) {
                let listed = format!("  {}\n", path.strip_prefix(&root).unwrap().display());
                assert!(sums.contains(&listed), "{} is not listed", path.display());
            }
        }
    }
}

#[test]
fn plain_with_two_snapshots() {
    by_every_reader("plain");
}

#[test]
fn compressed_with_zstd() {
    by_every_reader("zstd");
}

#[test]
fn encrypted_with_a_passphrase() {
    by_every_reader("passphrase");
}

#[test]
fn encrypted_for_a_certificate() {
    by_every_reader("certificate");
}

#[test]
fn encrypted_for_a_certificate_that_is_not_named() {
    by_every_reader("hidden");
}

#[test]
fn a_file_over_several_archives_and_discs() {
    by_every_reader("split");
}

#[test]
fn hostile_names_and_attributes() {
    by_every_reader("hostile");
}

#[test]
fn two_sources() {
    by_every_reader("sources");
}

/// Snapshots without a disc of their own, of an encrypted set that says in clear what it is.
#[test]
fn six_snapshots_on_three_discs() {
    by_every_reader("history");
}

#[test]
fn signed() {
    by_every_reader("signed");
    for golden in Golden::all("signed") {
        let cert = "--verify-signature ${golden}/throwaway.cert";
        golden.bash(&format!("$coldcut restore shelf back --yes {cert}")).ok();
        golden.came_back("source");
        for script in ["newest/restore.sh", "restore.sh"] {
            golden.bash(&format!("rm -rf back; bash {script} {cert} back discs/*")).ok();
            golden.came_back("source");
        }
        // The signature is about this very file.
        golden.bash("sed -i '1s/^./x/' discs/*.iso/SHA256SUMS").ok();
        let run = golden.bash(&format!("bash newest/restore.sh {cert} never discs/*.iso"));
        assert_ne!(run.output.status.code(), Some(0), "{}", run.story());
    }
}

/// Recovery data of back then repairs a disc of today: by `par2`, and by the program.
#[test]
fn recovery_data_repairs() {
    by_every_reader("parity");
    for golden in Golden::all("parity") {
        let damage = "printf x | dd of=$(ls discs/*/archives/*) bs=1 seek=300 conv=notrunc";
        golden.bash(damage).ok();
        let check = "cd discs/*.iso; sha256sum -c --quiet SHA256SUMS";
        assert_ne!(golden.bash(check).output.status.code(), Some(0));
        golden.bash(&check.replace(';', "; par2 repair -q -B . parity/disc.par2;")).ok();
        // The first sector of the archive is gone: the program rebuilds it on its way.
        let hole = "image=$(echo shelf/*.iso)
            at=$(xorriso -indev $image -find /archives -type f -exec report_lba 2>/dev/null |
                 awk -F , '/^File data lba/ { print $2 + 0 }')
            dd if=/dev/zero of=$image bs=2048 seek=$at count=1 conv=notrunc";
        golden.bash(hole).ok();
        golden.restore(Coldcut, Wanted::Newest).ok();
        golden.came_back("source");
    }
}

/// A disc is lost: the recovery disc of its group makes it again.
#[test]
fn a_lost_disc_is_made_again() {
    by_every_reader("group");
    for golden in Golden::all("group") {
        golden.bash("rm shelf/golden-0001.iso").ok();
        for reader in [Coldcut, Python] {
            golden.restore(reader, Wanted::Newest).ok();
            golden.came_back("source");
        }
    }
}

/// One catalog was used twice: nothing on the discs says which of two histories is right.
#[test]
fn two_histories_of_one_set() {
    for golden in Golden::all("branches") {
        let branches = [("one-0002.iso", "source-one"), ("other-0002.iso", "source")];
        let uuid_of = |image: &str| {
            let read = format!("sed -n s/^disc_uuid=//p discs/{image}/DISC.txt");
            golden.bash(&read).ok().stdout().trim().to_owned()
        };
        for reader in golden.readers() {
            let asked = golden.restore(reader, Wanted::Newest);
            asked.code(1);
            for (image, state) in branches.iter().filter(|_| reader != OwnSimpleScript) {
                let uuid = uuid_of(image);
                assert!(asked.stderr().contains(&uuid), "{reader:?} {}", asked.story());
                golden.restore(reader, Wanted::HistoryOf(&uuid)).ok();
                golden.came_back(state);
            }
        }
        golden.bash("$coldcut catalog rebuild shelf --yes").code(1).says(&uuid_of(branches[0].0));
        golden.does_not_mislead_an_old_script();
        // Each history alone; the catalog that is made of it then knows which one is right.
        golden.bash("mv shelf/one-0002.iso away.iso; rm -r discs/one-0002.iso").ok();
        golden.comes_back();
        golden.is_verified();
        golden.is_known_again();
        golden.bash("mv away.iso shelf/one-0002.iso").ok();
        golden.restore(Coldcut, Wanted::Newest).ok();
        golden.came_back("source");
    }
}

/// The commands of golden/README.md, as somebody would type them who wrote a reader.
#[test]
fn readers_are_checked_as_the_readme_says() {
    for golden in Golden::all("plain").filter(|golden| golden.format == 2) {
        let commands = "cp -r $golden copy; cd copy
            awk '/^```/ { on = !on; next } on' README.md >commands
            sed -i \"s|^READER|python3 '$format/coldcut-reader.py' restore|\" commands
            bash -euo pipefail commands";
        golden.bash(commands).ok();
        let wrong = "cd copy; touch got/new.txt; bash <(sed -n '/^for/,$p' commands)";
        let differs = golden.bash(wrong);
        differs.code(1);
        assert_eq!(differs.stdout().matches("./new.txt").count(), 2, "{}", differs.story());
    }
}
