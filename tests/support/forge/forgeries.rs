//! One function for each kind of disc that means harm.

use std::fs;
use std::path::{Path, PathBuf};

use super::listings::{ListingFields, both, change, find, insert, path};
use super::owner::files;
use super::{Columns, How, Owner};
use crate::support::make_directory_loop;

/// A kind of disc, and what every command that notices says of it.
pub struct Forgery {
    pub name: &'static str,
    make: Make,
    /// Of which sets there are such discs.
    pub of: &'static [How],
    /// One of these is on stderr wherever it is noticed.
    pub words: &'static [&'static str],
    /// What is on it cannot be told from the owner's own without a catalog or a signature.
    pub is_as_good_as_owners: bool,
}

enum Make {
    /// Disc 2, of the owner's discs 1 and 2, as a folder.
    Changed(fn(&Owner, &Path)),
    /// The same with its recovery data, which could repair what is changed.
    WithRecovery(fn(&Owner, &Path)),
    /// Without it, and its list of sums stays as it was.
    ChangedUnlisted(fn(&Owner, &Path)),
    /// One more disc, made in a folder that is not there yet.
    Added(fn(&Owner, &Path)),
    /// The image of disc 2.
    Image(fn(&Owner, &Path)),
    /// The shelf with both discs.
    Shelf(fn(&Owner, &Path)),
}

/// A shelf with the owner's discs and what was made of them.
pub struct Forged {
    pub shelf: PathBuf,
    /// The image that was changed or added.
    pub image: &'static str,
}

impl Forgery {
    /// Makes the discs in a new folder. The owner's two discs are on the shelf.
    pub fn make(&self, owner: &Owner, to: &Path) -> Forged {
        let (work, shelf) = (owner.sandbox.path("work"), to.to_owned());
        let copy = format!("rm -rf work; cp -a shelf '{}'", to.display());
        owner.sandbox.bash(&copy).ok();
        let mut image = "papers-0002.iso";
        match self.make {
            Make::Changed(change) => {
                owner.own(2, "work");
                drop_recovery(owner, &work);
                change(owner, &work);
                owner.sum_up(&work);
                owner.image(&work, &shelf.join(image));
            }
            Make::WithRecovery(change) => {
                owner.own(2, "work");
                change(owner, &work);
                owner.sum_up(&work);
                owner.image(&work, &shelf.join(image));
            }
            Make::ChangedUnlisted(change) => {
                owner.own(2, "work");
                drop_recovery(owner, &work);
                change(owner, &work);
                owner.image(&work, &shelf.join(image));
            }
            Make::Added(add) => {
                add(owner, &work);
                image = "papers-0003.iso";
                owner.image(&work, &shelf.join(image));
            }
            Make::Image(change) => change(owner, &shelf.join(image)),
            Make::Shelf(change) => change(owner, &shelf),
        }
        let _ = fs::remove_dir_all(work);
        Forged { shelf, image }
    }
}

const fn forgery(
    name: &'static str,
    make: Make,
    of: &'static [How],
    words: &'static [&'static str],
) -> Forgery {
    Forgery { name, make, of, words, is_as_good_as_owners: false }
}

/// A text that makes a file, `ran`, wherever a shell expands it.
fn command(owner: &Owner) -> String {
    format!("$(touch {})", owner.sandbox.path("ran").display())
}

const ALL: &[How] = &How::ALL;
const ENCRYPTED: &[How] = &How::ENCRYPTED;
const PLAIN: &[&str] = &["not encrypted, but the set is", "INDEX.tsv.bz2: "];
const ORDER: &[&str] = &["is damaged: it does not come after the row before it"];

pub const FORGERIES: &[Forgery] = &[
    // The owner's own discs, packed as forgeries are: what the others are compared with.
    forgery("sound", Make::WithRecovery(|_, _| {}), ALL, &[]),
    // Encryption.
    Forgery {
        is_as_good_as_owners: true,
        ..forgery(
            "stranger's plain disc of a plain set",
            Make::Added(plain),
            &[How::Plain],
            &["disc 3"],
        )
    },
    forgery(
        "plain disc",
        Make::Added(plain),
        ENCRYPTED,
        &["disc 3 of papers is not encrypted, but the set is"],
    ),
    forgery("plain files beside", Make::Changed(plain_beside), ENCRYPTED, PLAIN),
    forgery("plain by DISC.txt", Make::Changed(plain_told), ENCRYPTED, PLAIN),
    Forgery {
        is_as_good_as_owners: true,
        ..forgery("sealed by a stranger", Make::Added(sealed), &[How::Recipients], &["disc 3"])
    },
    // Headers that do not fit.
    forgery(
        "rollback",
        Make::Changed(rollback),
        ALL,
        &["its INDEX is of snapshot 2", "which is used"],
    ),
    forgery("INDEX of another disc", Make::Changed(other_index), ALL, &["belongs to disc 1"]),
    forgery("SNAPSHOT of another set", Make::Changed(other_set), ALL, &["belongs to another set"]),
    forgery(
        "SNAPSHOT of another snapshot",
        Make::Changed(other_snapshot),
        ALL,
        &["is of snapshot 7"],
    ),
    // Integrity.
    forgery(
        "broken INDEX",
        Make::Changed(|owner, disc| flip(&path(owner, disc, "INDEX"))),
        ENCRYPTED,
        INTEGRITY,
    ),
    forgery(
        "broken SNAPSHOT",
        Make::Changed(|owner, disc| flip(&path(owner, disc, "SNAPSHOT"))),
        ENCRYPTED,
        INTEGRITY,
    ),
    forgery(
        "broken catalog",
        Make::Changed(|owner, disc| flip(&catalog(owner, disc))),
        ENCRYPTED,
        INTEGRITY,
    ),
    forgery("broken archive", Make::Changed(broken_archive), ENCRYPTED, INTEGRITY),
    // Texts that somebody might run.
    forgery("scripts", Make::Changed(scripts), ALL, &["restore.sh"]),
    forgery("commands in rows", Make::Changed(commands), ALL, &["is damaged"]),
    // Things that never end.
    forgery(
        "directory loop",
        Make::Image(|_, image| make_directory_loop(image)),
        ALL,
        &["its directory cannot be read", "archives/"],
    ),
    forgery("no regular files", Make::Shelf(special_files), ALL, &["x.iso"]),
    forgery(
        "bomb in INDEX",
        Make::Changed(|owner, disc| bomb(owner, &path(owner, disc, "INDEX"))),
        ALL,
        &["INDEX"],
    ),
    forgery(
        "bomb in SNAPSHOT",
        Make::Changed(|owner, disc| bomb(owner, &path(owner, disc, "SNAPSHOT"))),
        ALL,
        &["SNAPSHOT"],
    ),
    forgery(
        "bomb in catalog",
        Make::Changed(|owner, disc| bomb(owner, &catalog(owner, disc))),
        ALL,
        &["catalog.sqlite"],
    ),
    forgery("bomb in archive", Make::Changed(bombs), ALL, &["archive"]),
    forgery("rows again and again", Make::Changed(rows_again), ALL, ORDER),
    forgery("1,000 passphrases", Make::Changed(passphrases), &[How::Passphrase], &["passphrase"]),
    // Names and rows.
    forgery("rows out of order", Make::Changed(disorder), ALL, ORDER),
    forgery("names that lead outside", Make::Changed(outside), ALL, &["outside", "is damaged"]),
    forgery("names that are screen commands", Make::Changed(screen), ALL, &["letter"]),
    forgery("links that lead outside", Make::Changed(links), ALL, &["link"]),
    forgery("rights of root", Make::Changed(rights), ALL, &["left out: "]),
    forgery("numbers near 2^64", Make::Changed(numbers), ALL, &["letter", "damaged"]),
    forgery("archive with more in it", Make::Changed(more_members), ALL, &["archive"]),
    // The database.
    forgery(
        "catalog with a trigger",
        Make::Changed(|owner, disc| schema(owner, disc, TRIGGER)),
        ALL,
        &["catalog"],
    ),
    forgery(
        "catalog with a view",
        Make::Changed(|owner, disc| schema(owner, disc, VIEW)),
        ALL,
        &["catalog"],
    ),
    forgery("catalog with a broken page", Make::Changed(broken_page), ALL, &["catalog"]),
    forgery("catalog with screen commands", Make::Changed(screen_catalog), ALL, &["hint"]),
    // The rest of a disc.
    forgery(
        "recovery data of two sets",
        Make::WithRecovery(two_recoveries),
        ALL,
        &["more than one set"],
    ),
    forgery("DISC.txt without an end", Make::ChangedUnlisted(endless_text), ALL, &["DISC.txt"]),
    forgery("numbers in DISC.txt", Make::Changed(numbers_told), ALL, &["DISC.txt"]),
];

const INTEGRITY: &[&str] = &["its integrity check failed", "damage"];

/// Whoever changes a disc leaves nothing on it that could tell how it was.
fn drop_recovery(owner: &Owner, disc: &Path) {
    fs::remove_dir_all(disc.join("parity")).unwrap();
    owner.change_text(disc, "DISC.txt", |text| text.replace("parity=10\n", "parity=0\n"));
}

fn catalog(owner: &Owner, disc: &Path) -> PathBuf {
    disc.join(format!("catalog.sqlite.bz2{}", owner.how.suffix()))
}

fn archives(disc: &Path) -> Vec<PathBuf> {
    files(&disc.join("archives"))
}

fn plain(owner: &Owner, disc: &Path) {
    owner.plain_disc(3, disc.file_name().unwrap().to_str().unwrap());
}

fn sealed(owner: &Owner, disc: &Path) {
    plain(owner, disc);
    owner.seal_for_owner(disc);
}

/// What a stranger's disc of the same number has, under the names of a plain one.
fn plain_beside(owner: &Owner, disc: &Path) {
    let forged = owner.plain_disc(2, "theirs");
    let (theirs, ours) = (owner.told(&forged), owner.told(disc));
    owner.replace(&forged, &theirs.disc, &ours.disc);
    owner
        .sandbox
        .bash("cp theirs/*.tsv.bz2 theirs/catalog.sqlite.bz2 work; cp theirs/archives/* work/archives; rm -r theirs")
        .ok();
}

fn plain_told(owner: &Owner, disc: &Path) {
    plain_beside(owner, disc);
    owner.change_text(disc, "DISC.txt", |text| {
        text.replace(&format!("encryption={}", owner.how.name()), "encryption=none")
    });
}

fn rollback(owner: &Owner, disc: &Path) {
    let first = owner.own(1, "first");
    for from in [path(owner, &first, "SNAPSHOT"), catalog(owner, &first)] {
        fs::copy(&from, disc.join(from.file_name().unwrap())).unwrap();
    }
    fs::remove_dir_all(first).unwrap();
    owner.change_text(disc, "DISC.txt", |text| text.replace("snapshot=2", "snapshot=1"));
}

fn other_index(owner: &Owner, disc: &Path) {
    let first = owner.own(1, "first");
    fs::copy(path(owner, &first, "INDEX"), path(owner, disc, "INDEX")).unwrap();
    fs::remove_dir_all(first).unwrap();
}

/// Changes a field of one of the first lines.
fn head(rows: &mut [ListingFields], line: &[u8], field: usize, value: &str) {
    let row = rows.iter_mut().find(|row| row[0] == line).unwrap();
    value.as_bytes().clone_into(&mut row[field]);
}

fn other_set(owner: &Owner, disc: &Path) {
    change(owner, disc, "SNAPSHOT", |rows| {
        head(rows, b"#set", 2, "01234567-89ab-4def-8123-456789abcdef");
    });
}

fn other_snapshot(owner: &Owner, disc: &Path) {
    change(owner, disc, "SNAPSHOT", |rows| head(rows, b"#snapshot", 1, "7"));
}

/// The last byte of a message is one of its integrity check.
fn flip(path: &Path) {
    let mut content = fs::read(path).unwrap();
    *content.last_mut().unwrap() ^= 1;
    fs::write(path, content).unwrap();
}

fn broken_archive(_: &Owner, disc: &Path) {
    archives(disc).iter().for_each(|path| flip(path));
}

fn scripts(owner: &Owner, disc: &Path) {
    let command = command(owner);
    let script = format!(
        "#!/bin/bash\n: {command}\n(id; env; cat) >{}\n",
        owner.sandbox.path("ran").display()
    );
    fs::write(disc.join("restore.sh"), script).unwrap();
    owner.change_text(disc, "README.txt", |text| format!("{text}\n{command}\n\u{1b}]0;title\u{7}"));
    owner.change_text(disc, "DISC.txt", |text| format!("{text}x={command}\ny=`{command}`\n"));
}

/// As bash takes a number: what is in the brackets is expanded.
fn commands(owner: &Owner, disc: &Path) {
    let value = format!("BATCH[{}]", command(owner));
    for (name, columns) in both(owner) {
        change(owner, disc, name, |rows| {
            for &field in columns.numbers {
                find(rows, columns, "letter")[field] = value.clone().into_bytes();
            }
            head(rows, b"#snapshot", 3, &format!("/{}", command(owner)));
        });
    }
}

fn special_files(owner: &Owner, shelf: &Path) {
    let socket = std::os::unix::net::UnixListener::bind(shelf.join("s.iso")).unwrap();
    drop(socket);
    owner
        .sandbox
        .bash(&format!(
            "cd '{}'; mkfifo x.iso; mkdir y.iso; ln -s /dev/zero z.iso
             mknod d.iso c 1 5 || true",
            shelf.display()
        ))
        .ok();
}

/// A stream of 900,000 zeros, so many times, behind what is there: 450 MB in 20 kB.
fn bomb(owner: &Owner, path: &Path) {
    swell(owner, path, b"");
}

/// An empty stream comes first: whoever compressed them, no frame is where INDEX says.
fn bombs(owner: &Owner, disc: &Path) {
    let nothing = owner.sandbox.piped("bzip2 -c", b"");
    archives(disc).iter().for_each(|path| swell(owner, path, &nothing));
}

fn swell(owner: &Owner, path: &Path, first: &[u8]) {
    let how =
        if path.extension().is_some_and(|found| found == "gpg") { owner.how } else { How::Plain };
    let plain = owner.unpack(path);
    let whole = owner.sandbox.piped("bzip2 -c", &plain);
    let stream = owner.sandbox.piped("head -c 900000 /dev/zero | bzip2 -9c", b"");
    let content = [first, &whole, &stream.repeat(500)].concat();
    fs::write(path, owner.seal(how, &content)).unwrap();
}

fn rows_again(owner: &Owner, disc: &Path) {
    let path = path(owner, disc, "SNAPSHOT");
    let text = owner.unpack(&path);
    let last = text[..text.len() - 1].rsplit(|&byte| byte == b'\n').next().unwrap();
    let stream = owner.sandbox.piped("bzip2 -c", &[last, b"\n"].concat().repeat(1_000));
    let whole = [owner.sandbox.piped("bzip2 -c", &text), stream.repeat(100)].concat();
    fs::write(path, owner.seal(owner.how, &whole)).unwrap();
}

/// Session key packets of as many passphrases before the message.
fn passphrases(owner: &Owner, disc: &Path) {
    for name in ["INDEX", "SNAPSHOT"] {
        let path = path(owner, disc, name);
        // Tag 3, 13 bytes: version 4, AES-256, iterated and salted SHA-256, 65 million bytes.
        let packet = [&[0xC3, 13, 4, 9, 3, 8][..], b"saltsalt", &[0xFF]].concat();
        let message = fs::read(&path).unwrap();
        fs::write(&path, [packet.repeat(1_000), message].concat()).unwrap();
    }
}

fn disorder(owner: &Owner, disc: &Path) {
    for (name, _) in both(owner) {
        change(owner, disc, name, |rows| {
            let first = rows.iter().position(|row| !row[0].starts_with(b"#")).unwrap();
            rows[first..].reverse();
        });
    }
}

/// More rows, each for the content of `letter`, under other paths.
fn more_paths(owner: &Owner, disc: &Path, paths: &[Vec<u8>]) {
    for (name, columns) in both(owner) {
        change(owner, disc, name, |rows| {
            for path in paths {
                let mut row = find(rows, columns, "letter").clone();
                row[columns.path].clone_from(path);
                row[columns.member] = b"letter".to_vec();
                insert(rows, columns, row);
            }
        });
    }
}

fn outside(owner: &Owner, disc: &Path) {
    let canary = owner.sandbox.path("canary/absolute").display().to_string();
    let names: [&[u8]; 8] = [
        b"../canary/dots",
        b"dir/../../canary/dots2",
        canary.as_bytes(),
        b"nul\0",
        b"..",
        b"-rf",
        b".coldcut-tmp-1",
        b"a//b",
    ];
    more_paths(owner, disc, &names.map(<[u8]>::to_vec));
}

/// Terminal and bidirectional controls, C1 in both of its forms.
pub const SCREEN: &str = "\u{1b}]0;title\u{7}\u{9b}31m\u{202e}txt\u{2066}\u{7f}\r";

fn screen(owner: &Owner, disc: &Path) {
    let names = [format!("a{SCREEN}").into_bytes(), b"b\x9b31m\xff".to_vec()];
    more_paths(owner, disc, &names);
}

fn row_of_kind(
    columns: &Columns,
    rows: &mut [ListingFields],
    kind: &str,
    path: &str,
) -> ListingFields {
    let mut row = find(rows, columns, "letter").clone();
    let none = || b"-".to_vec();
    row[columns.kind] = kind.as_bytes().to_vec();
    row[columns.path] = path.as_bytes().to_vec();
    (row[columns.size], row[columns.sha256]) = (b"0".to_vec(), none());
    (row[columns.place], row[columns.member]) = (none(), none());
    row
}

fn links(owner: &Owner, disc: &Path) {
    let canary = owner.sandbox.path("canary").display().to_string();
    let columns = &owner.version.snapshot;
    change(owner, disc, "SNAPSHOT", |rows| {
        let mut link = row_of_kind(columns, rows, "l", "away");
        link[columns.link] = canary.clone().into_bytes();
        let mut through = find(rows, columns, "letter").clone();
        through[columns.path] = b"away/through".to_vec();
        through[columns.member] = b"letter".to_vec();
        insert(rows, columns, link);
        insert(rows, columns, through);
        for (n, target) in
            ["../canary/file", &format!("{canary}/file"), "away/file"].iter().enumerate()
        {
            let mut hard = row_of_kind(columns, rows, "h", &format!("hard{n}"));
            hard[columns.link] = target.as_bytes().to_vec();
            insert(rows, columns, hard);
        }
    });
}

fn rights(owner: &Owner, disc: &Path) {
    let columns = &owner.version.snapshot;
    change(owner, disc, "SNAPSHOT", |rows| {
        find(rows, columns, "letter")[columns.mode] = b"4755".to_vec();
        find(rows, columns, ".")[columns.mode] = b"0777".to_vec();
        // VFS_CAP_REVISION_2, effective, CAP_SETFCAP.
        find(rows, columns, "second")[columns.xattrs] =
            b"security.capability=AQAAAgAAAIAAAAAAAAAAAAAAAAA=".to_vec();
        let mut device = row_of_kind(columns, rows, "b", "sda");
        (device[columns.mode], device[columns.device]) = (b"0666".to_vec(), b"8:0".to_vec());
        insert(rows, columns, device);
    });
}

fn numbers(owner: &Owner, disc: &Path) {
    for (name, columns) in both(owner) {
        change(owner, disc, name, |rows| {
            find(rows, columns, "letter")[columns.size] = u64::MAX.to_string().into_bytes();
            find(rows, columns, "second")[columns.size] = (1_u64 << 63).to_string().into_bytes();
        });
    }
}

/// Members that no listing names, before and after those that it does: a link, what goes through
/// it, and a set-id program.
fn more_members(owner: &Owner, disc: &Path) {
    let canary = owner.sandbox.path("canary").display().to_string();
    for archive in archives(disc) {
        let more = owner.sandbox.piped(
            &format!(
                "rm -rf more; mkdir more; cd more
                 ln -s '{canary}' esc; tar -cf 1.tar esc; rm esc
                 mkdir esc; echo evil >esc/evil; echo evil >.bashrc; chmod 4755 .bashrc
                 tar -P --transform 's,^up,../up,' -rf 1.tar esc/evil .bashrc; cat 1.tar; cd ..; rm -r more"
            ),
            b"",
        );
        let tar = owner.unpack(&archive);
        owner.pack(&archive, &[tar, more].concat());
    }
}

const TRIGGER: &str = "CREATE TRIGGER evil AFTER INSERT ON sets BEGIN DELETE FROM discs; END";
const VIEW: &str = "ALTER TABLE drills RENAME TO held; CREATE VIEW drills AS SELECT * FROM held";

fn schema(owner: &Owner, disc: &Path, sql: &str) {
    owner.change_catalog(&catalog(owner, disc), |conn| conn.execute_batch(sql).unwrap());
}

/// A page of the tree that leads to itself.
fn broken_page(owner: &Owner, disc: &Path) {
    let path = catalog(owner, disc);
    let mut content = owner.unpack(&path);
    let size = usize::from(u16::from_be_bytes([content[16], content[17]]));
    for page in content.chunks_mut(size).skip(2).step_by(2) {
        page.iter_mut().for_each(|byte| *byte = 5);
    }
    owner.pack(&path, &content);
}

fn screen_catalog(owner: &Owner, disc: &Path) {
    owner.change_catalog(&catalog(owner, disc), |conn| {
        conn.execute("UPDATE sets SET hint=?1, source=CAST(?1 AS BLOB)", [SCREEN]).unwrap();
        conn.execute("UPDATE copies SET words=?1, place=?1", [SCREEN]).unwrap();
        let sql = "UPDATE entries SET name=CAST(?1 AS BLOB) WHERE name=CAST('second' AS BLOB)";
        conn.execute(sql, [SCREEN]).unwrap();
    });
}

fn two_recoveries(owner: &Owner, disc: &Path) {
    owner
        .sandbox
        .bash(
            "mkdir other; echo x >other/file; par2 create -q -q -c1 other/file.par2 other/file
             cat other/file.par2 >>work/parity/disc.par2; rm -r other",
        )
        .ok();
    // So that it is needed.
    let archive = archives(disc).remove(0);
    let mut content = fs::read(&archive).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 0xff;
    fs::write(archive, content).unwrap();
}

fn endless_text(owner: &Owner, disc: &Path) {
    owner.change_text(disc, "DISC.txt", |text| text + &"more=of the same\n".repeat(1_000_000));
}

fn numbers_told(owner: &Owner, disc: &Path) {
    owner.change_text(disc, "DISC.txt", |text| {
        let lines = text.lines().map(|line| match line.split_once('=') {
            Some((key @ ("disc" | "snapshot" | "parity"), _)) => format!("{key}={}\n", u64::MAX),
            _ => format!("{line}\n"),
        });
        lines.collect()
    });
}
