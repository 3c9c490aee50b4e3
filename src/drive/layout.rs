//! How large an image becomes, known before it is written.
//!
//! The planner fills discs to the edge with this number, so it must be exact. It is counted from
//! the records that the burning program (libisofs 1.5.4) makes for our options; tests hold it
//! against that program for every case that coldcut writes.

use std::collections::BTreeMap;

use crate::model::size::SECTOR;
use crate::model::{Bytes, Sectors};

/// The longest name of a file or directory on a disc, in characters. ISO 9660 level 3 keeps it
/// whole (ECMA-119 7.5.1), so that no two names can become one.
pub const LONGEST_NAME: usize = 30;

/// System area (ECMA-119 6.2.1), primary and Joliet volume descriptor, set terminator.
const DESCRIPTORS: u64 = 16 + 3;
/// The ER entry of Rock Ridge, in a continuation area of its own after the root (SUSP 5.5).
const CONTINUATION: u64 = 1;
/// No content lies before this sector: libisofs leaves room for a partition table.
const FIRST_BLOCK: u64 = 32;
/// One sector, between the directories and the content, to which all empty files point.
const EMPTY_FILE: u64 = 1;
/// Content beyond this is another section of the file, with a record of its own:
/// the largest multiple of a sector below 4 GiB (ECMA-119 9.1.4).
const SECTION: u64 = (1 << 32) - SECTOR;

/// The exact size of an image with these files: paths as in `BurnJob::files`, names of at most
/// [`LONGEST_NAME`] ASCII characters.
pub fn image_sectors<P: AsRef<str>>(files: &[(P, Bytes)]) -> Sectors {
    let directories = directories(files);
    let trees: u64 = [VolumeTree::RockRidge, VolumeTree::Joliet]
        .map(|tree| tree.sectors(&directories))
        .iter()
        .sum();
    let before_content = (DESCRIPTORS + CONTINUATION + trees).max(FIRST_BLOCK) + EMPTY_FILE;
    Sectors(before_content) + files.iter().map(|(_, size)| size.sectors()).sum()
}

struct LayoutChild<'a> {
    name: &'a str,
    is_dir: bool,
    /// How many records it has.
    sections: u64,
}

/// What is in each directory; the root is the empty path.
type Directories<'a> = BTreeMap<&'a str, Vec<LayoutChild<'a>>>;

fn directories<P: AsRef<str>>(files: &[(P, Bytes)]) -> Directories<'_> {
    let mut directories = Directories::from([("", Vec::new())]);
    for (path, size) in files {
        let path = path.as_ref();
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        make_directory(&mut directories, dir);
        let sections = size.0.div_ceil(SECTION).max(1);
        directories.entry(dir).or_default().push(LayoutChild { name, is_dir: false, sections });
    }
    directories
}

fn make_directory<'a>(directories: &mut Directories<'a>, dir: &'a str) {
    if directories.contains_key(dir) {
        return;
    }
    let (parent, name) = dir.rsplit_once('/').unwrap_or(("", dir));
    make_directory(directories, parent);
    directories.insert(dir, Vec::new());
    directories.entry(parent).or_default().push(LayoutChild { name, is_dir: true, sections: 1 });
}

/// The two directory trees of a volume.
#[derive(Clone, Copy)]
enum VolumeTree {
    RockRidge,
    Joliet,
}

impl VolumeTree {
    fn sectors(self, directories: &Directories) -> u64 {
        let records: u64 =
            directories.iter().map(|(dir, children)| self.directory(dir, children)).sum();
        records + 2 * self.path_table(directories)
    }

    /// Records do not cross a sector's border (ECMA-119 6.8.1.1).
    fn directory(self, dir: &str, children: &[LayoutChild]) -> u64 {
        let mut sorted: Vec<_> = children.iter().map(|c| (self.identifier(c), c)).collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        let records = sorted.iter().flat_map(|(identifier, child)| {
            std::iter::repeat_n(self.record(identifier, child), child.sections as usize)
        });
        let (full, used) = self.own_and_parent(dir.is_empty()).into_iter().chain(records).fold(
            (0, 0),
            |(full, used), record| {
                if used + record > SECTOR { (full + 1, record) } else { (full, used + record) }
            },
        );
        full + Bytes(used).sectors().0
    }

    /// The records of the directory itself and of its parent. Rock Ridge gives each the entries
    /// PX and TF (62 bytes), and the root SP and CE besides (36 bytes with padding).
    fn own_and_parent(self, is_root: bool) -> [u64; 2] {
        match self {
            VolumeTree::RockRidge if is_root => [34 + 62 + 36, 34 + 62],
            VolumeTree::RockRidge => [34 + 62; 2],
            VolumeTree::Joliet => [34; 2],
        }
    }

    /// The bytes of a record: 33, the identifier, and padding to an even length (ECMA-119 9.1),
    /// then Rock Ridge's PX (36), TF (26) and NM (5 and the name), padded as a whole.
    fn record(self, identifier: &[u8], child: &LayoutChild) -> u64 {
        let plain = even(33 + identifier.len() as u64);
        match self {
            VolumeTree::RockRidge => plain + even(36 + 26 + 5 + child.name.len() as u64),
            VolumeTree::Joliet => plain,
        }
    }

    /// The name as the tree stores it: Joliet in UCS-2 without a version, ISO 9660 in capitals
    /// with one point and a version behind a file's.
    fn identifier(self, child: &LayoutChild) -> Vec<u8> {
        match self {
            VolumeTree::Joliet => child.name.bytes().flat_map(|b| [0, b]).collect(),
            VolumeTree::RockRidge if child.is_dir => child.name.bytes().map(capital).collect(),
            VolumeTree::RockRidge => {
                let (stem, extension) = child.name.rsplit_once('.').unwrap_or((child.name, ""));
                let stem = stem.bytes().map(capital);
                let extension = extension.bytes().map(capital);
                stem.chain([b'.']).chain(extension).chain(*b";1").collect()
            }
        }
    }

    /// One of the two path tables: 8 bytes and the identifier, padded to an even length, for each
    /// directory; the root's identifier is one byte (ECMA-119 9.4).
    fn path_table(self, directories: &Directories) -> u64 {
        let entry = |dir: &&str| {
            let name = dir.rsplit('/').next().unwrap_or_default().len() as u64;
            let width = if matches!(self, VolumeTree::Joliet) { 2 } else { 1 };
            even(8 + (name * width).max(1))
        };
        Bytes(directories.keys().map(entry).sum()).sectors().0
    }
}

fn even(length: u64) -> u64 {
    length.next_multiple_of(2)
}

/// ISO 9660 knows `A-Z 0-9 _` only (ECMA-119 7.4.1).
fn capital(byte: u8) -> u8 {
    match byte.to_ascii_uppercase() {
        b if b.is_ascii_alphanumeric() => b,
        _ => b'_',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::{BurnJob, contract, predicted_sectors};
    use crate::port::stop::Stop;

    /// The sizes need sources, the sources no content.
    struct EmptySources(tempfile::TempDir);

    impl EmptySources {
        fn job(&self, files: &[(String, Bytes)]) -> BurnJob {
            let source = |(path, size): &(String, Bytes)| {
                let source = self.0.path().join(path.replace('/', "-"));
                std::fs::File::create(&source).unwrap().set_len(size.0).unwrap();
                (path.clone(), source)
            };
            BurnJob {
                image: None,
                label: contract::label(1),
                volume_id: "0001_HOLIDAYS".into(),
                volume_date: "1987020304050607".into(),
                volume_set: "5E7".into(),
                application: "COLDCUT DISC 7".into(),
                files: files.iter().map(source).collect(),
                sectors: image_sectors(files),
            }
        }
    }

    fn sources() -> EmptySources {
        EmptySources(tempfile::tempdir().unwrap())
    }

    fn disc(archives: usize, suffix: &str, gpg: &str) -> Vec<(String, Bytes)> {
        let root = [
            "README.txt",
            "README.intl.txt",
            "restore.sh",
            "simple-restore.sh",
            "FORMAT.txt",
            "format/coldcut-reader.py",
            "format/bunzip2.c",
            "format/STANDARDS.txt",
            "format/CATALOG.txt",
            "DISC.txt",
            "SHA256SUMS",
        ];
        let listings =
            ["INDEX.tsv.bz2", "SNAPSHOT.tsv.bz2", "HISTORY.tsv.bz2", "catalog.sqlite.bz2"];
        let listings = listings.iter().map(|name| format!("{name}{gpg}"));
        let archives = (1..=archives).map(|n| format!("archives/{n:08}.tar{suffix}{gpg}"));
        root.map(String::from)
            .into_iter()
            .chain(listings)
            .chain(archives)
            .enumerate()
            .map(|(i, path)| (path, Bytes(i as u64 * 1000 % 7001)))
            .collect()
    }

    fn agrees(sources: &EmptySources, files: &[(String, Bytes)]) {
        let job = sources.job(files);
        let theirs = predicted_sectors(&job, &Stop::new()).unwrap();
        assert_eq!(job.sectors, theirs, "{} files: {:?}", files.len(), files.last());
    }

    #[test]
    fn the_size_is_what_xorriso_says_for_few_archives() {
        let sources = sources();
        for archives in 0..=40 {
            agrees(&sources, &disc(archives, ".bz2", ".gpg"));
        }
    }

    #[test]
    fn the_size_is_what_xorriso_says_for_many_archives_and_all_kinds_of_names() {
        let sources = sources();
        for archives in [26, 27, 30, 53, 54, 60, 61, 62, 63, 100, 130, 200, 400] {
            for (suffix, gpg) in [("", ""), (".bz2", ""), (".zst", ".gpg")] {
                agrees(&sources, &disc(archives, suffix, gpg));
            }
        }
    }

    #[test]
    fn the_size_is_what_xorriso_says_for_odd_discs() {
        let sources = sources();
        let file = |path: &str, size| (path.to_owned(), Bytes(size));
        agrees(&sources, &[file("DISC.txt", 0)]);
        agrees(&sources, &[file("a/b/c", 1), file("a/d", 2049), file("e", 0)]);
        agrees(&sources, &[file("archives/1000000001.tar.bz2.gpg", 3 << 29)]);
        let most = disc(7, ".bz2", "");
        let mixed: Vec<_> = most
            .into_iter()
            .chain([
                file("SHA256SUMS.sig", 566),
                file("parity/disc.vol000+99.par2", 99),
                file("parity/disc.par2", 9),
            ])
            .chain([file("archives/00000008.tar", 12)])
            .collect();
        agrees(&sources, &mixed);
    }

    #[test]
    fn the_size_is_what_xorriso_says_at_the_limit_of_a_files_size() {
        let sources = sources();
        for size in [(1 << 32) - 4097, (1 << 32) - 2048, (1 << 32) - 2047, (1 << 32) - 1, 9 << 30] {
            agrees(&sources, &[("archives/00000001.tar".into(), Bytes(size))]);
        }
    }

    #[test]
    fn the_image_is_as_large_as_was_said() {
        let sources = sources();
        for archives in [0, 1, 29, 61, 130] {
            let job = sources.job(&disc(archives, ".bz2", ""));
            let target = sources.0.path().join(format!("{archives}.iso"));
            let file = std::fs::File::create(&target).unwrap();
            super::super::xorriso::write(&job, &file, &|_| (), &Stop::new()).unwrap();
            let written = file.metadata().unwrap().len();
            assert_eq!(Bytes(written), job.sectors.bytes(), "{archives}");
        }
    }
}
