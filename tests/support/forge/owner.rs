//! The owner of a set, and what a stranger makes of its discs: folders that are changed and become
//! images again.

use std::fs;
use std::path::{Path, PathBuf};

use super::Version;
use crate::support::{Run, Sandbox};

const PASSPHRASE: &[u8] = b"correct horse battery staple";

/// How the owner's set is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    Plain,
    Passphrase,
    Recipients,
}

impl How {
    pub const ALL: [How; 3] = [How::Plain, How::Passphrase, How::Recipients];
    pub const ENCRYPTED: [How; 2] = [How::Passphrase, How::Recipients];

    /// As `set list` calls it.
    pub fn name(self) -> &'static str {
        match self {
            How::Plain => "none",
            How::Passphrase => "passphrase",
            How::Recipients => "recipients",
        }
    }

    /// What the name of a listing or of an archive ends with.
    pub fn suffix(self) -> &'static str {
        if self == How::Plain { "" } else { ".gpg" }
    }
}

/// An owner with a set on a shelf, and a stranger who knows the set's name and UUID, which are on
/// every disc in clear, and the owner's certificate.
pub struct Owner {
    pub sandbox: Sandbox,
    pub how: How,
    pub version: &'static Version,
    /// More options of each backup.
    pub options: &'static [&'static str],
}

/// What a disc says of itself in clear.
pub struct DiscIdentity {
    pub set: String,
    pub disc: String,
}

impl Owner {
    /// Keys of both, `owner` and `stranger`, as files and in a key ring; nothing is stored yet.
    pub fn new(how: How, version: &'static Version, options: &'static [&'static str]) -> Owner {
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
        Owner { sandbox, how, version, options }
    }

    pub fn write(&self, dir: &str, name: &str, text: &str) {
        let path = self.sandbox.path(dir).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// What is in `source` now, as one more disc on the shelf.
    pub fn backup(&self) {
        let words: &[&str] = match self.how {
            How::Plain => &[],
            How::Passphrase => &["--passphrase-file", "passphrase"],
            How::Recipients => &["--recipient", "owner.cert"],
        };
        let backup = ["backup", "--disc-size", "3M", "--name", "papers", "source", "shelf"];
        let all = backup.iter().chain(words).chain(self.options).chain(self.version.backup);
        self.sandbox.run(all).ok();
    }

    pub fn key(&self) -> &'static [&'static str] {
        match self.how {
            How::Plain => &[],
            How::Passphrase => &["--passphrase-file", "passphrase"],
            How::Recipients => &["--secret-key", "owner.key"],
        }
    }

    /// Runs a verb with the owner's key.
    pub fn run(&self, line: &str) -> Run {
        self.sandbox.run(line.split(' ').chain(self.key().iter().copied()))
    }

    /// The content of a disc as a folder.
    pub fn extract(&self, image: &Path, to: &str) -> PathBuf {
        self.sandbox
            .bash(&format!(
                "rm -rf {to}; xorriso -osirrox on -indev '{}' -extract / {to} 2>&1; chmod -R u+w {to}",
                image.display()
            ))
            .ok();
        self.sandbox.path(to)
    }

    /// The owner's disc as a folder.
    pub fn own(&self, number: usize, to: &str) -> PathBuf {
        self.extract(&self.sandbox.shelf().join(format!("papers-{number:04}.iso")), to)
    }

    pub fn told(&self, disc: &Path) -> DiscIdentity {
        let text = fs::read_to_string(disc.join("DISC.txt")).unwrap();
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{key}=")));
            line.unwrap().to_owned()
        };
        DiscIdentity { set: value("set_uuid"), disc: value("disc_uuid") }
    }

    /// A plain disc that says that it is of the owner's set: of this number, of the snapshot of that
    /// number, and after the owner's discs. A set of the stranger's own makes it; its UUID, and what
    /// the disc says of those before it, are then replaced.
    pub fn plain_disc(&self, number: usize, to: &str) -> PathBuf {
        let sandbox = &self.sandbox;
        let _ = fs::remove_dir_all(sandbox.path("evil"));
        let dir = format!("strange{number}");
        let image = sandbox.path(&dir).join(format!("papers-{number:04}.iso"));
        for run in 1..=if image.exists() { 0 } else { number } {
            self.write("evil", "letter", &format!("a stranger's letter, {run}\n"));
            self.write("evil", ".bashrc", &format!("evil {run}\n"));
            let line = format!(
                "backup --catalog {dir}.sqlite --staging {dir}.staging --disc-size 3M --name \
                 papers evil {dir}"
            );
            sandbox.run(line.split_whitespace().chain(self.version.backup.iter().copied())).ok();
        }
        let forged = self.extract(&image, to);
        for before in 1..number {
            let theirs = image.with_file_name(format!("papers-{before:04}.iso"));
            let theirs = self.extract(&theirs, "before");
            let ours = self.own(before, "owners");
            self.replace(&forged, &self.told(&theirs).disc, &self.told(&ours).disc);
            self.replace(&forged, &self.sum(&theirs), &self.sum(&ours));
        }
        let (theirs, ours) = (self.told(&forged), self.told(&self.own(1, "owners")));
        self.replace(&forged, &theirs.set, &ours.set);
        forged
    }

    /// A plain disc made into one that is encrypted for the owner, whose certificate everybody has;
    /// its catalog names the stranger's.
    pub fn seal_for_owner(&self, disc: &Path) {
        self.change_catalog(&disc.join("catalog.sqlite.bz2"), |conn| {
            let certs = fs::read(self.sandbox.path("stranger.cert")).unwrap();
            let sql = "UPDATE sets SET encryption='recipients', certs=?, copies=7,
                       source=CAST('/evil' AS BLOB)";
            assert_eq!(conn.execute(sql, [certs]).unwrap(), 1);
            conn.execute("UPDATE archives SET encrypted=1", []).unwrap();
        });
        for path in files(disc) {
            let is_packed = path.extension().is_some_and(|extension| extension == "bz2");
            if !is_packed && !path.parent().unwrap().ends_with("archives") {
                continue;
            }
            let message = self.seal(How::Recipients, &fs::read(&path).unwrap());
            fs::write(format!("{}.gpg", path.display()), message).unwrap();
            fs::remove_file(path).unwrap();
        }
        self.change_text(disc, "DISC.txt", |text| {
            text.replace("encryption=none", "encryption=recipients")
        });
        self.sum_up(disc);
    }

    /// Of a disc's list of sums, as later discs name it.
    fn sum(&self, disc: &Path) -> String {
        let list = fs::read(disc.join("SHA256SUMS")).unwrap();
        let sum = self.sandbox.piped("sha256sum", &list);
        String::from_utf8(sum[..64].to_vec()).unwrap()
    }

    /// Replaces a UUID or a sum wherever it is on a plain disc, and makes the sums fit.
    pub fn replace(&self, disc: &Path, old: &str, new: &str) {
        let raw = |text: &str| {
            let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
            let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
            digits.chunks(2).map(|pair| byte(pair).unwrap()).collect::<Vec<u8>>()
        };
        let pairs = [(old.as_bytes().to_vec(), new.as_bytes().to_vec()), (raw(old), raw(new))];
        for entry in fs::read_dir(disc).unwrap() {
            let path = entry.unwrap().path();
            if !path.is_file() {
                continue;
            }
            let mut content = self.unpack(&path);
            for (old, new) in &pairs {
                content = replaced(&content, old, new);
            }
            self.pack(&path, &content);
        }
        self.sum_up(disc);
    }

    /// What is in a file of a disc: expanded and decrypted, as its name says.
    pub fn unpack(&self, path: &Path) -> Vec<u8> {
        let name = path.file_name().unwrap().to_str().unwrap();
        let mut content = fs::read(path).unwrap();
        if name.ends_with(".gpg") {
            content = self.open(&content);
        }
        match name.trim_end_matches(".gpg").ends_with(".bz2") {
            true => self.sandbox.piped("bzip2 -dc", &content),
            false => content,
        }
    }

    /// The other way.
    pub fn pack(&self, path: &Path, content: &[u8]) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let mut packed = match name.trim_end_matches(".gpg").ends_with(".bz2") {
            true => self.sandbox.piped("bzip2 -c", content),
            false => content.to_owned(),
        };
        if name.ends_with(".gpg") {
            packed = self.seal(self.how, &packed);
        }
        fs::write(path, packed).unwrap();
    }

    fn open(&self, message: &[u8]) -> Vec<u8> {
        let line = "gpg --batch --quiet --pinentry-mode loopback --passphrase-file passphrase -d";
        self.sandbox.piped(line, message)
    }

    /// A message as gpg makes it of a stream, whose length it does not know before.
    pub fn seal(&self, how: How, content: &[u8]) -> Vec<u8> {
        let key = match how {
            How::Plain => return content.to_owned(),
            How::Passphrase => "--passphrase-file passphrase --s2k-count 65536 --symmetric",
            How::Recipients => "--trust-model always -r owner@example.org --encrypt",
        };
        let line = format!(
            "cat | gpg --batch --quiet --pinentry-mode loopback --cipher-algo AES256 --compress-algo none {key}"
        );
        self.sandbox.piped(&line, content)
    }

    /// Changes a database of a disc, whose content must fit the names in it.
    pub fn change_catalog(&self, packed: &Path, change: impl FnOnce(&rusqlite::Connection)) {
        let unpacked = self.sandbox.path("unpacked.sqlite");
        fs::write(&unpacked, self.unpack(packed)).unwrap();
        let conn = rusqlite::Connection::open(&unpacked).unwrap();
        change(&conn);
        drop(conn);
        self.pack(packed, &fs::read(&unpacked).unwrap());
        fs::remove_file(unpacked).unwrap();
    }

    pub fn change_text(&self, disc: &Path, name: &str, change: impl FnOnce(String) -> String) {
        let text = fs::read_to_string(disc.join(name)).unwrap();
        fs::write(disc.join(name), change(text)).unwrap();
    }

    /// The disc's own list, fitting what is there now.
    pub fn sum_up(&self, disc: &Path) {
        self.sandbox
            .bash(&format!(
                "cd '{}'; find . -type f ! -name 'SHA256SUMS*' -printf '%P\\0' | sort -z |
                 xargs -0 sha256sum > SHA256SUMS.new; mv SHA256SUMS.new SHA256SUMS",
                disc.display()
            ))
            .ok();
    }

    /// A folder as an image of a disc.
    pub fn image(&self, disc: &Path, image: &Path) {
        let _ = fs::remove_file(image);
        let (image, disc) = (image.display(), disc.display());
        let line = format!("xorriso -as mkisofs -quiet -R -V papers -o '{image}' '{disc}' 2>&1");
        self.sandbox.bash(&line).ok();
    }

    /// Fingerprints of the certificates that the catalog has for the set.
    pub fn fingerprints(&self, catalog: &Path) -> Vec<String> {
        let conn = rusqlite::Connection::open(catalog).unwrap();
        let sql = "SELECT certs FROM sets WHERE name='papers'";
        let certs: Option<Vec<u8>> = conn.query_row(sql, [], |row| row.get(0)).unwrap();
        certs.map_or_else(Vec::new, |certs| self.fingerprints_of(&certs))
    }

    pub fn fingerprint(&self, who: &str) -> String {
        let cert = fs::read(self.sandbox.path(&format!("{who}.cert"))).unwrap();
        self.fingerprints_of(&cert).remove(0)
    }

    /// Of the primary keys.
    pub fn fingerprints_of(&self, certs: &[u8]) -> Vec<String> {
        let listed = self.sandbox.piped("gpg --batch --with-colons --show-keys", certs);
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
}

/// All files below a folder, sorted.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
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
