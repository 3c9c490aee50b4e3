//! The comparison against a real catalog and a real source: each path ends in one count, and what
//! did not change costs nothing.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use uuid::Uuid;

use crate::catalog::{
    Access, ArchiveRecord, Catalog, CatalogError, NewDisc, RowChange, SetFacts, SetId, Stored,
    StoredMember,
};
use crate::flow::backup::compare::{Comparer, ComparisonBase, SourceComparison};
use crate::flow::*;
use crate::model::disc::{Compression, Encryption};
use crate::model::rows::{FrameSpan, Note};
use crate::model::{
    ArchiveNo, Bytes, Digest, DiscNo, DiscUuid, Entry, Kind, RelPath, Sectors, SetName, SetUuid,
    SnapshotSeq, Xattr,
};
use crate::pack::queue::WorkItem;
use crate::port::clock::Moment;
use crate::port::recorder::Recorder;
use crate::port::stop::Stop;
use crate::scan::LookError;
use crate::scan::filter::{Filter, FilterOptions};
use crate::scan::walk::ScanError;
use crate::scan::{Visitor, WalkedPath, walk};

struct CompareBench {
    dir: tempfile::TempDir,
    catalog: Catalog,
    set: SetId,
    archive: u32,
    /// Found by the walk and turned into a failure.
    broken: Option<&'static str>,
    exclude: Vec<String>,
    /// Seconds from now to the beginning of a run; nothing is fresh in the far future.
    later: i64,
    rehash: bool,
    /// Paths whose attributes the last run did not read.
    known: usize,
}

/// Turns one path into a failure before it is compared.
struct Breaking<'a> {
    comparer: Comparer<'a>,
    broken: Option<&'static str>,
    known: usize,
}

impl Visitor<FlowError> for Breaking<'_> {
    fn known_xattrs(&mut self, entry: &Entry) -> Result<Option<Vec<Xattr>>, FlowError> {
        let known = self.comparer.known_xattrs(entry)?;
        self.known += usize::from(known.is_some());
        Ok(known)
    }

    fn take(&mut self, found: WalkedPath) -> Result<(), FlowError> {
        let path = found.path().clone();
        match self.broken {
            Some(name) if path.as_bytes() == name.as_bytes() => {
                self.comparer.take(WalkedPath::Failed { path, error: LookError::Vanished })
            }
            Some(name) if path.as_bytes().starts_with(format!("{name}/").as_bytes()) => Ok(()),
            _ => self.comparer.take(found),
        }
    }
}

impl CompareBench {
    fn new() -> CompareBench {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("src")).unwrap();
        let mut catalog = Catalog::open(&dir.path().join("c/c.sqlite"), Access::Write).unwrap();
        let set = catalog
            .create_set(&SetFacts {
                name: SetName::new("set").unwrap(),
                uuid: SetUuid(Uuid::new_v4()),
                source: dir.path().join("src"),
                encryption: Encryption::None,
                certs: None,
                token: None,
                hidden: false,
                compression: Compression::Bzip2,
                parity: 0,
                parity_discs: None,
                created: Moment(0),
            })
            .unwrap();
        let number = DiscNo(1);
        let disc = NewDisc {
            number,
            uuid: DiscUuid(Uuid::new_v4()),
            capacity: Sectors(1000),
            format: Default::default(),
        };
        catalog.begin_disc(set, &disc, Moment(0)).unwrap();
        CompareBench {
            dir,
            catalog,
            set,
            archive: 0,
            broken: None,
            exclude: Vec::new(),
            later: 1_000,
            rehash: false,
            known: 0,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("src").join(name)
    }

    fn write(&self, name: &str, content: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), content).unwrap();
    }

    /// Compares, and stores what is to be stored.
    fn run(&mut self) -> SourceComparison {
        let later = Moment(Moment::now().0 + self.later);
        let seq = self.catalog.begin_snapshot(self.set, later).unwrap();
        let begun: HashMap<_, _> = self
            .catalog
            .snapshots(self.set)
            .unwrap()
            .into_iter()
            .map(|snapshot| (snapshot.seq, snapshot.started))
            .collect();
        let known = ComparisonBase {
            catalog: Some(&mut self.catalog),
            set: Some(self.set),
            seq: Some(seq),
            begun,
            log: None,
        };
        let recorder = Recorder::default();
        let comparer = Comparer::new(known, self.rehash, &recorder);
        let options = FilterOptions { exclude: self.exclude.clone(), ..FilterOptions::default() };
        let filter = Filter::new(&options).unwrap();
        let source = self.dir.path().join("src");
        let mut visitor = Breaking { comparer, broken: self.broken, known: 0 };
        walk(&source, &filter, &Stop::new(), &recorder, &mut visitor).unwrap();
        let Breaking { comparer, known, .. } = visitor;
        self.known = known;
        let compared = comparer.finish().unwrap();
        self.store(&compared, seq);
        self.catalog.finish_snapshot(self.set, seq, later, &Default::default()).unwrap();
        compared
    }

    fn store(&mut self, compared: &SourceComparison, seq: SnapshotSeq) {
        let files: Vec<StoredMember> = works(compared)
            .into_iter()
            .filter_map(|work| match work {
                WorkItem::File { entry, .. } => Some(StoredMember {
                    member: entry.path.clone(),
                    stored: Stored::Whole {
                        sha256: digest_of(&entry),
                        frames: FrameSpan { offset: 0, length: 1, tar_offset: 0 },
                    },
                    entry: *entry,
                    note: Note::None,
                }),
                WorkItem::Plain(_) => None,
            })
            .collect();
        if files.is_empty() {
            return;
        }
        self.archive += 1;
        let record = ArchiveRecord {
            number: ArchiveNo(self.archive),
            disc: DiscNo(1),
            snapshot: seq,
            compression: Compression::Bzip2,
            encrypted: false,
            size: Bytes(1),
            plain: Bytes(1),
            sha256: Digest::EMPTY,
            content: Bytes(1),
        };
        self.catalog.commit_archive(self.set, &record, &files).unwrap();
    }

    /// Paths of the newest snapshot with their notes.
    fn listing(&self) -> Vec<(String, Note)> {
        let seq = self.catalog.newest_snapshot(self.set).unwrap().unwrap();
        let mut rows = Vec::new();
        self.catalog
            .snapshot_rows(self.set, seq, |listed| {
                rows.push((listed.row.path.to_string(), listed.row.note));
                Ok::<(), CatalogError>(())
            })
            .unwrap();
        rows
    }

    fn names(&self) -> Vec<String> {
        self.listing().into_iter().map(|(path, _)| path).collect()
    }
}

/// A digest of its own for every file: contents do not matter here.
fn digest_of(entry: &crate::model::Entry) -> Digest {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&entry.print.inode.to_le_bytes());
    bytes[8..16].copy_from_slice(&entry.print.ctime.nsec.to_le_bytes().repeat(2));
    Digest(bytes)
}

fn works(compared: &SourceComparison) -> Vec<WorkItem> {
    let mut queue = compared.queue.clone();
    std::iter::from_fn(|| queue.pop_front()).collect()
}

fn queued(compared: &SourceComparison) -> Vec<String> {
    let name = |work: WorkItem| match work {
        WorkItem::File { entry, .. } => entry.path.to_string(),
        WorkItem::Plain(entry) => format!("({})", entry.path),
    };
    works(compared).into_iter().map(name).collect()
}

#[test]
fn what_did_not_change_costs_nothing() {
    let mut bench = CompareBench::new();
    bench.write("a/b", "x");
    symlink("b", bench.path("a/l")).unwrap();
    let first = bench.run();
    assert_eq!(queued(&first), ["(.)", "(a)", "a/b", "(a/l)"]);
    let second = bench.run();
    assert!(!second.differs(), "{:?}", queued(&second));
    assert_eq!(second.unchanged, 4);
    assert_eq!(bench.names(), [".", "a", "a/b", "a/l"]);
}

#[test]
fn a_changed_mode_of_a_directory_is_a_row_and_nothing_else() {
    let mut bench = CompareBench::new();
    bench.write("a/b", "x");
    bench.run();
    fs::set_permissions(bench.path("a"), fs::Permissions::from_mode(0o700)).unwrap();
    let compared = bench.run();
    assert_eq!((compared.rows, compared.queue.len(), compared.removed), (1, 0, 0));
}

#[test]
fn a_directory_that_is_gone_takes_all_below_along() {
    let mut bench = CompareBench::new();
    bench.write("a/b/c", "x");
    bench.write("k", "y");
    bench.run();
    fs::remove_dir_all(bench.path("a")).unwrap();
    let compared = bench.run();
    assert_eq!(compared.removed, 3);
    assert_eq!(bench.names(), [".", "k"]);
}

#[test]
fn a_file_in_the_place_of_a_directory_and_back() {
    let mut bench = CompareBench::new();
    bench.write("a/b/c", "x");
    bench.run();
    fs::remove_dir_all(bench.path("a")).unwrap();
    bench.write("a", "now a file");
    bench.run();
    assert_eq!(bench.names(), [".", "a"]);
    fs::remove_file(bench.path("a")).unwrap();
    bench.write("a/d", "z");
    bench.run();
    assert_eq!(bench.names(), [".", "a", "a/d"]);
}

#[test]
fn a_directory_that_cannot_be_read_keeps_what_is_known_below_it() {
    let mut bench = CompareBench::new();
    bench.write("a/b", "x");
    bench.run();
    bench.broken = Some("a");
    let compared = bench.run();
    assert_eq!((compared.failed, compared.removed), (1, 0));
    assert_eq!(bench.names(), [".", "a", "a/b"]);
    assert!(matches!(&bench.listing()[1].1, Note::Stale(_)), "{:?}", bench.listing());
    bench.broken = None;
    bench.run();
    assert!(bench.listing().iter().all(|(_, note)| *note == Note::None), "{:?}", bench.listing());
}

#[test]
fn what_is_excluded_now_leaves_the_snapshot_and_is_counted_by_its_rule() {
    let mut bench = CompareBench::new();
    bench.write("a/b", "x");
    bench.write("k", "y");
    bench.run();
    bench.exclude = vec!["a".to_owned()];
    let compared = bench.run();
    assert_eq!(compared.excluded.values().sum::<u64>(), 1);
    assert_eq!(bench.names(), [".", "k"]);
}

#[test]
fn names_of_one_file_travel_together_and_survive_the_first_ones_end() {
    let mut bench = CompareBench::new();
    bench.write("a", "x");
    fs::hard_link(bench.path("a"), bench.path("b")).unwrap();
    fs::hard_link(bench.path("a"), bench.path("c")).unwrap();
    let first = bench.run();
    let works = works(&first);
    let Some(WorkItem::File { links, .. }) = works.get(1) else { panic!("{works:?}") };
    assert_eq!(links.len(), 2);
    assert_eq!(first.queue.len(), 2);
    fs::remove_file(bench.path("a")).unwrap();
    let second = bench.run();
    assert_eq!(queued(&second), ["b"], "the next name takes the content over");
    let kinds: Vec<Kind> = ["b", "c"]
        .map(|name| RelPath::new(name.as_bytes()).unwrap())
        .iter()
        .map(|path| bench.catalog.known(bench.set, path).unwrap().unwrap().kind)
        .collect();
    assert_eq!(kinds, [Kind::File, Kind::Hardlink]);
}

#[test]
fn a_file_that_was_never_stored_is_queued_until_it_is() {
    let mut bench = CompareBench::new();
    bench.write("a", "x");
    let seq = bench.catalog.begin_snapshot(bench.set, Moment(1)).unwrap();
    // A run that was killed before the archive was recorded leaves the row without content.
    let mut entry = None;
    let filter = Filter::new(&FilterOptions::default()).unwrap();
    let source = bench.dir.path().join("src");
    walk(&source, &filter, &Stop::new(), &Recorder::default(), &mut |found: WalkedPath| {
        if let WalkedPath::Entry(found) = found {
            entry = Some(found);
        }
        Ok::<(), ScanError>(())
    })
    .unwrap();
    let row = RowChange::Put { entry: Box::new(entry.unwrap()), content: None, note: Note::None };
    bench.catalog.put_rows(bench.set, seq, &[row]).unwrap();
    assert!(queued(&bench.run()).contains(&"a".to_owned()));
    assert!(!bench.run().differs());
}

#[test]
fn a_file_that_changed_as_the_run_began_is_read_again_by_the_next() {
    let mut bench = CompareBench::new();
    bench.write("a", "x");
    bench.later = 0;
    bench.run();
    let compared = bench.run();
    assert_eq!(queued(&compared), ["a"], "its times cannot prove that it is the same");
}

fn set_xattr(path: &std::path::Path, name: &str, value: &[u8]) {
    rustix::fs::lsetxattr(path, name, value, rustix::fs::XattrFlags::empty()).unwrap();
}

#[test]
fn attributes_are_read_again_where_the_inode_changed_and_nowhere_else() {
    let mut bench = CompareBench::new();
    for name in ["a/1", "a/2", "b"] {
        bench.write(name, "x");
        set_xattr(&bench.path(name), "user.old", b"1");
    }
    fs::hard_link(bench.path("b"), bench.path("c")).unwrap();
    symlink("b", bench.path("l")).unwrap();
    bench.run();
    assert_eq!(bench.known, 0);
    let second = bench.run();
    assert_eq!((bench.known, second.unchanged, second.differs()), (5, 7, false));
    set_xattr(&bench.path("a/1"), "user.new", b"2");
    bench.run();
    assert_eq!(bench.known, 4, "the change time of a/1 is another");
    let row = bench.catalog.known(bench.set, &RelPath::new(b"a/1").unwrap()).unwrap().unwrap();
    let names: Vec<&[u8]> = row.meta.xattrs.iter().map(|xattr| &xattr.name[..]).collect();
    assert_eq!(names, [&b"user.new"[..], b"user.old"]);
    bench.rehash = true;
    bench.run();
    assert_eq!(bench.known, 0, "who distrusts times distrusts them for attributes, too");
}

#[test]
fn attributes_read_as_the_run_began_are_read_again() {
    let mut bench = CompareBench::new();
    bench.write("a", "");
    bench.later = 0;
    bench.run();
    bench.run();
    assert_eq!(bench.known, 0, "they may have changed within the same tick of the clock");
}

/// As if the former runs had been somebody's who is shown less than we are.
#[test]
fn attributes_that_a_lesser_user_read_are_read_again_once() {
    let mut bench = CompareBench::new();
    bench.write("a", "x");
    bench.write("b", "y");
    bench.run();
    let seen = bench.catalog.last_trusted(bench.set).unwrap();
    assert_eq!(seen.is_some(), crate::scan::sees_trusted());
    let complete =
        |since, trusted| crate::flow::backup::compare::is_complete(SnapshotSeq(since), trusted);
    assert!(complete(7, None), "what this user does not see cannot be missing");
    assert!(complete(7, Some(SnapshotSeq(7))));
    assert!(!complete(8, Some(SnapshotSeq(7))));
}

#[test]
fn a_directory_of_many_pages_is_compared_row_by_row() {
    let mut bench = CompareBench::new();
    for number in 0..2 * crate::catalog::DIR_PAGE + 10 {
        bench.write(&format!("{number:05}"), "x");
    }
    bench.run();
    for gone in ["00000", "00999", "01000", "01001", "02009"] {
        fs::remove_file(bench.path(gone)).unwrap();
    }
    bench.write("00999x", "new");
    let compared = bench.run();
    assert_eq!((compared.removed, queued(&compared)), (5, vec!["00999x".to_owned()]));
    assert!(!bench.run().differs());
}
