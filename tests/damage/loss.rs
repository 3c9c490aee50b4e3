//! What must be lost by a damage, and nothing else: reckoned from INDEX and SNAPSHOT as they were
//! before, with bzip2 and gpg, so that no line of the program's own has a part in it.

use super::bench::UndamagedSet;
use super::hurt::DamageDone;
use super::image::{self, ImageFile};
use coldcut::model::RelPath;
use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::ops::Range;
use std::path::Path;

/// Paths of the newest snapshot, as the program shows them.
#[derive(Clone, Debug, Default)]
pub struct ExpectedLoss {
    /// Cannot come back.
    pub must: BTreeSet<String>,
    /// Need not come back; among them those that cannot.
    pub may: BTreeSet<String>,
    /// Files of the disc that are not as they were.
    pub touched: BTreeSet<String>,
}

/// A row of SNAPSHOT.
struct SnapshotEntry {
    kind: String,
    path: String,
    /// Archives of its parts, with their discs.
    places: Vec<(u32, u32)>,
    member: String,
    link: String,
}

/// A member of an archive, out of INDEX.
struct ArchiveMember {
    archive: u32,
    /// `.coldcut-parts/ID` for a part.
    name: String,
    frames: Range<u64>,
    /// Its own bytes, where the archive is not compressed: at least these.
    own: Range<u64>,
}

impl UndamagedSet {
    /// What hurting disc `disc` so costs.
    pub fn loss(&self, disc: usize, done: &DamageDone) -> ExpectedLoss {
        let image = self.image(disc);
        let files = image::files(&image);
        let mut loss = ExpectedLoss::default();
        let (mut must, mut may) = (HashSet::new(), HashSet::new());
        let members = self.members(&image, &files);
        for file in &files {
            let hidden = done.hidden.contains(&file.path);
            let ranges: Vec<Range<u64>> =
                done.bytes.iter().filter_map(|bad| overlap(bad, &file.range())).collect();
            if !hidden && ranges.is_empty() {
                continue;
            }
            loss.touched.insert(file.path.clone());
            let Some(number) = archive_number(&file.path) else { continue };
            let of_archive = members.iter().filter(|member| member.archive == number);
            let ranges = if hidden { vec![file.range()] } else { ranges };
            let inside = |r: &Range<u64>| r.start - file.start..r.end - file.start;
            let ranges: Vec<_> = ranges.iter().map(inside).collect();
            let (ranges, head) = self.in_plain(&image, file, ranges);
            let compressed = file.path.contains(".tar.bz2");
            for member in of_archive {
                let key = (number, member.name.clone());
                if head || ranges.iter().any(|bad| overlap(bad, &member.frames).is_some()) {
                    may.insert(key.clone());
                }
                let sure = if compressed { &member.frames } else { &member.own };
                if hidden || ranges.iter().any(|bad| overlap(bad, sure).is_some()) {
                    must.insert(key);
                }
            }
        }
        let rows = self.rows();
        loss.must = names(&rows, |row| row.needs(&must));
        loss.may = names(&rows, |row| row.needs(&may));
        if done.structures {
            loss.may = self.all_on(disc);
        }
        loss
    }

    /// Every path of the newest snapshot that needs this disc.
    pub fn all_on(&self, disc: usize) -> BTreeSet<String> {
        names(&self.rows(), |row| row.places.iter().any(|&(on, _)| on as usize == disc))
    }

    /// Every path of the newest snapshot.
    pub fn all(&self) -> BTreeSet<String> {
        self.rows().iter().map(|row| row.path.clone()).collect()
    }

    fn rows(&self) -> Vec<SnapshotEntry> {
        let image = self.image(self.images.len());
        let files = image::files(&image);
        let text = self.listing(&image, &files, "SNAPSHOT");
        text.split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
            .map(row)
            .collect()
    }

    fn members(&self, image: &Path, files: &[ImageFile]) -> Vec<ArchiveMember> {
        let text = self.listing(image, files, "INDEX");
        let rows = text.split(|&byte| byte == b'\n');
        rows.filter(|line| !line.is_empty() && !line.starts_with(b"#")).filter_map(member).collect()
    }

    fn listing(&self, image: &Path, files: &[ImageFile], name: &str) -> Vec<u8> {
        let file = files.iter().find(|file| file.path.starts_with(name)).unwrap();
        let packed = image::read(image, file.range());
        self.sandbox.piped("bzip2 -dc", &self.plain(&file.path, &packed))
    }

    fn plain(&self, name: &str, bytes: &[u8]) -> Vec<u8> {
        if !name.ends_with(".gpg") {
            return bytes.to_vec();
        }
        let home = self.sandbox.path("gnupg");
        if !home.exists() {
            fs::create_dir(&home).unwrap();
            fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700))
                .unwrap();
        }
        let line = format!(
            "gpg --homedir '{}' --batch -q --no-autostart --pinentry-mode loopback \
             --passphrase-file '{}' -d",
            home.display(),
            self.sandbox.path("passphrase").display()
        );
        self.sandbox.piped(&line, bytes)
    }

    /// Ranges of a file as ranges of what is decrypted from it; and whether its head is hit, on
    /// which all depends. CFB: a damaged block spoils itself and the next one (16 bytes).
    fn in_plain(
        &self,
        image: &Path,
        file: &ImageFile,
        ranges: Vec<Range<u64>>,
    ) -> (Vec<Range<u64>>, bool) {
        if !file.path.ends_with(".gpg") {
            return (ranges, false);
        }
        let plain = self.plain(&file.path, &image::read(image, file.range())).len() as u64;
        // Behind the content stands the modification detection code: 22 bytes.
        let head = file.size - plain - 22;
        let shifted = |r: &Range<u64>| {
            let block = r.start.saturating_sub(head) / 16 * 16;
            block.saturating_sub(16)..r.end.saturating_sub(head) + 32
        };
        let hits_head = ranges.iter().any(|range| range.start < head + 16);
        (ranges.iter().map(shifted).collect(), hits_head)
    }
}

impl SnapshotEntry {
    fn needs(&self, lost: &HashSet<(u32, String)>) -> bool {
        self.places.iter().any(|&(_, archive)| lost.contains(&(archive, self.member.clone())))
    }
}

/// The paths of rows, and of the hard links to them.
fn names(rows: &[SnapshotEntry], lost: impl Fn(&SnapshotEntry) -> bool) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = rows
        .iter()
        .filter(|row| row.kind == "f" && lost(row))
        .map(|row| row.path.clone())
        .collect();
    let links = rows.iter().filter(|row| row.kind == "h" && names.contains(&row.link));
    let links: Vec<String> = links.map(|row| row.path.clone()).collect();
    names.extend(links);
    names
}

fn overlap(a: &Range<u64>, b: &Range<u64>) -> Option<Range<u64>> {
    let both = a.start.max(b.start)..a.end.min(b.end);
    (both.start < both.end).then_some(both)
}

fn archive_number(path: &str) -> Option<u32> {
    path.strip_prefix("archives/")?.get(..8)?.parse().ok()
}

fn fields(line: &[u8]) -> Vec<&[u8]> {
    line.split(|&byte| byte == b'\t').collect()
}

fn text(field: &[u8]) -> String {
    String::from_utf8(field.to_vec()).unwrap()
}

/// As the program shows a path: escapes of the listing undone.
fn shown(field: &[u8]) -> String {
    let mut bytes = Vec::new();
    let mut rest = field.iter();
    while let Some(&byte) = rest.next() {
        match byte {
            b'\\' => bytes.push(match rest.next() {
                Some(b'n') => b'\n',
                Some(b't') => b'\t',
                _ => b'\\',
            }),
            _ => bytes.push(byte),
        }
    }
    RelPath::new(&bytes).unwrap().to_string()
}

fn row(line: &[u8]) -> SnapshotEntry {
    let fields = fields(line);
    let path = shown(fields[1]);
    let places = text(fields[4]);
    let place = |word: &str| {
        let (disc, archive) = word.split_once(':')?;
        Some((disc.parse().ok()?, archive.parse().ok()?))
    };
    let kind = text(fields[0]);
    SnapshotEntry {
        places: places.split(',').filter_map(place).collect(),
        member: if fields[5] == b"=" { path.clone() } else { shown(fields[5]) },
        link: if kind == "h" { shown(fields[12]) } else { String::new() },
        kind,
        path,
    }
}

fn member(line: &[u8]) -> Option<ArchiveMember> {
    let fields = fields(line);
    let number = |at: usize| text(fields[at]).parse::<u64>().unwrap();
    if fields[1] != b"f" || number(4) == 0 {
        return None;
    }
    let name = if fields[3] == b"=" { shown(fields[2]) } else { shown(fields[3]) };
    let is_part = number(10) > 0;
    let name = if is_part { name.rsplit_once('/')?.0.to_owned() } else { name };
    let (offset, length, inner, size) = (number(7), number(8), number(9), number(4));
    let start = offset + inner;
    Some(ArchiveMember {
        archive: number(6) as u32,
        name,
        frames: offset..offset + length,
        own: start + 2048..(start + 512 + size).max(start + 2048),
    })
}
