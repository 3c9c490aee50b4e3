//! A set on discs, made once, and benches on which its discs are hurt, one for each case.

use crate::support::trees::Random;
use crate::support::{Run, Sandbox};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const PASSPHRASE: &[u8] = b"a lamp, a lens, a ledger";

/// The set as it is when nothing is damaged: two runs, several discs.
pub struct UndamagedSet {
    pub sandbox: Sandbox,
    pub is_closed: bool,
    /// There is recovery data on each disc.
    pub is_protected: bool,
    /// Names of the images on the shelf, in the order of their discs.
    pub images: Vec<String>,
}

impl UndamagedSet {
    pub fn new(is_closed: bool) -> UndamagedSet {
        UndamagedSet::made(is_closed, false)
    }

    /// In clear, with recovery data.
    pub fn protected() -> UndamagedSet {
        UndamagedSet::made(false, true)
    }

    fn made(is_closed: bool, is_protected: bool) -> UndamagedSet {
        let sandbox = Sandbox::new();
        sandbox.passphrase_file(PASSPHRASE);
        let mut discs = UndamagedSet { sandbox, is_closed, is_protected, images: Vec::new() };
        first_tree(&discs.sandbox.source());
        discs.backup(&discs.sandbox, &[]).ok();
        fs::copy(discs.sandbox.catalog(), discs.sandbox.path("stale.sqlite")).unwrap();
        copy_tree(&discs.sandbox.shelf(), &discs.sandbox.path("stale-shelf"));
        copy_tree(&discs.sandbox.source(), &discs.sandbox.path("source-1"));
        second_tree(&discs.sandbox.source());
        discs.backup(&discs.sandbox, &[]).ok();
        discs.make_twin();
        discs.images = discs
            .sandbox
            .images()
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        discs
    }

    pub fn image(&self, disc: usize) -> PathBuf {
        self.sandbox.shelf().join(&self.images[disc - 1])
    }

    /// Another disc of the second run's number, made by a catalog that knew nothing of that run.
    fn make_twin(&mut self) {
        let other = Sandbox::new();
        fs::copy(self.sandbox.path("stale.sqlite"), other.catalog()).unwrap();
        let before: Vec<PathBuf> = fs::read_dir(self.sandbox.path("stale-shelf"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            // Not the shelf's id: the other one is another shelf.
            .filter(|path| path.extension().is_some_and(|end| end == "iso"))
            .collect();
        for image in &before {
            fs::hard_link(image, other.shelf().join(image.file_name().unwrap())).unwrap();
        }
        let twin = self.sandbox.source().join("only on the twin");
        fs::write(&twin, "of another history").unwrap();
        let run = self.backup(&other, &[]);
        fs::remove_file(twin).unwrap();
        run.ok();
        let made = other.images().into_iter().nth(before.len()).unwrap();
        fs::copy(made, self.sandbox.path("twin.iso")).unwrap();
    }

    /// Words that name the passphrase, where there is one.
    pub fn key_words(&self, encrypt: bool) -> Vec<String> {
        let file = self.sandbox.path("passphrase").display().to_string();
        match (self.is_closed, encrypt) {
            (false, _) => Vec::new(),
            (true, true) => vec!["--encrypt".into(), "--passphrase-file".into(), file],
            (true, false) => vec!["--passphrase-file".into(), file],
        }
    }

    /// A backup of this set's source, onto the shelf of a sandbox.
    pub fn backup(&self, sandbox: &Sandbox, more: &[&str]) -> Run {
        self.backup_from(&self.sandbox.source(), sandbox, more)
    }

    fn backup_from(&self, source: &Path, sandbox: &Sandbox, more: &[&str]) -> Run {
        let mut words: Vec<String> =
            ["backup", "--name", "matrix", "--disc-size", "5M", "--archive-size", "1500K"]
                .map(str::to_owned)
                .into();
        words.extend(self.key_words(true));
        if self.is_protected {
            words.extend(["--parity", "50"].map(str::to_owned));
        }
        words.extend(more.iter().map(|word| (*word).to_owned()));
        words.push(source.display().to_string());
        words.push(sandbox.shelf().display().to_string());
        sandbox.run(words)
    }

    /// A backup of the sandbox's own source.
    pub fn backup_of(&self, sandbox: &Sandbox, more: &[&str]) -> Run {
        self.backup_from(&sandbox.source(), sandbox, more)
    }

    /// A fresh bench with all discs and the catalog. Images are links: whoever hurts one makes it
    /// its own first.
    pub fn bench(&self) -> DamageBench<'_> {
        let sandbox = Sandbox::new();
        for name in &self.images {
            let (from, to) = (self.sandbox.shelf().join(name), sandbox.shelf().join(name));
            fs::hard_link(from, to).unwrap();
        }
        fs::copy(self.sandbox.catalog(), sandbox.catalog()).unwrap();
        DamageBench { discs: self, sandbox }
    }
}

/// One case's folder.
pub struct DamageBench<'a> {
    pub discs: &'a UndamagedSet,
    pub sandbox: Sandbox,
}

impl DamageBench<'_> {
    pub fn image(&self, disc: usize) -> PathBuf {
        self.sandbox.shelf().join(&self.discs.images[disc - 1])
    }

    /// Makes an image this bench's own, so that it can be hurt.
    pub fn own(&self, disc: usize) -> PathBuf {
        let path = self.image(disc);
        let copy = self.sandbox.path("own.iso");
        fs::copy(&path, &copy).unwrap();
        fs::rename(copy, &path).unwrap();
        path
    }

    /// Runs the program to its end, which must come, and must not be a panic.
    #[track_caller]
    pub fn run(&self, words: &[&str]) -> Run {
        let mut all: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        all.extend(self.discs.key_words(false));
        let run = self.sandbox.run(all);
        assert!(!run.stderr().contains("panicked"), "{}", run.story());
        assert!(run.output.status.code().is_some(), "it hung, or died\n{}", run.story());
        run
    }
}

pub fn copy_tree(from: &Path, to: &Path) {
    let status =
        std::process::Command::new("cp").args(["-a", "--"]).arg(from).arg(to).status().unwrap();
    assert!(status.success());
}

/// Half compressible: two bytes of text for each of noise, so that frames are of a fair length.
fn text(seed: u64, length: usize) -> Vec<u8> {
    let bytes = Random::new(seed).bytes(length / 2);
    bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

fn put(dir: &Path, name: &str, content: &[u8]) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Small files in frames, long ones over several, what does not compress, a film over discs, and
/// everything that has no content.
fn first_tree(source: &Path) {
    for n in 0..120 {
        put(source, &format!("letters/{}/{n:03}.txt", n % 7), &text(n, 20_000 + 300 * n as usize));
    }
    for n in 0..6 {
        put(source, &format!("pictures/{n}.jpg"), &Random::new(1000 + n).bytes(150_000));
    }
    put(source, "film.mkv", &Random::new(2000).bytes(8_000_000));
    put(source, "long.txt", &text(3000, 2_000_000));
    put(source, "odd/new\nline \\ \u{e9}", b"odd");
    put(source, "empty", b"");
    symlink("letters", source.join("link")).unwrap();
    fs::hard_link(source.join("letters/1/001.txt"), source.join("second name")).unwrap();
    fs::copy(source.join("letters/2/002.txt"), source.join("same again")).unwrap();
}

fn second_tree(source: &Path) {
    for n in 0..20 {
        put(source, &format!("letters/{}/{n:03}.txt", n % 7), &text(500 + n, 30_000));
    }
    for n in 0..20 {
        put(source, &format!("later/{n}.txt"), &text(700 + n, 40_000));
    }
    fs::remove_file(source.join("pictures/3.jpg")).unwrap();
    fs::rename(source.join("pictures/4.jpg"), source.join("pictures/moved.jpg")).unwrap();
}

impl DamageBench<'_> {
    /// Paths of the source that are not in a target. Whatever is there must be as it was.
    pub fn missing(
        &self,
        target: &Path,
        what: &str,
        run: &Run,
    ) -> std::collections::BTreeSet<String> {
        let source = self.discs.sandbox.source();
        let mut missing = std::collections::BTreeSet::new();
        let mut wrong = Vec::new();
        for line in crate::support::differences(&source, target) {
            match line.strip_suffix(": missing") {
                Some(path) => drop(missing.insert(unescaped(path))),
                // A hard link whose first name is lost comes back as its own first.
                None if line.contains(": first name is ") => {}
                // What the script sets aside is named as missing.
                None if line.starts_with(".coldcut-damaged") => {}
                // Parts of files that are not whole are left there, and it says so.
                None if line.starts_with(".coldcut-work") => {}
                None => wrong.push(line),
            }
        }
        assert!(wrong.is_empty(), "{what}: wrong: {wrong:#?}\n{}", run.story());
        missing
    }
}

/// A path as the program shows it, out of one as the comparison does.
fn unescaped(escaped: &str) -> String {
    let source = escaped.replace("\\n", "\n").replace("\\\\", "\\");
    let bytes: Vec<u8> = match source.find("\\x") {
        None => source.into_bytes(),
        Some(_) => {
            let mut bytes = Vec::new();
            let mut rest = source.as_bytes();
            while let Some((&byte, after)) = rest.split_first() {
                if byte == b'\\' && after.first() == Some(&b'x') {
                    let digits = std::str::from_utf8(&after[1..3]).unwrap();
                    bytes.push(u8::from_str_radix(digits, 16).unwrap());
                    rest = &after[3..];
                } else {
                    bytes.push(byte);
                    rest = after;
                }
            }
            bytes
        }
    };
    coldcut::model::RelPath::new(&bytes).unwrap().to_string()
}
