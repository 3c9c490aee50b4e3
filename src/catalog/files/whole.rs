//! The catalog's file as a whole: the copy that is kept of it, putting that back, and making it
//! again. Whatever stands in the way is moved aside and never removed.
//!
//! ```text
//! catalog.sqlite              in use, with -wal and -shm beside it
//! catalog.sqlite.lock         held by whoever writes; holds a number only while they do
//! catalog.sqlite.last         as it was after the last run that ended well
//! catalog.sqlite.new          being made
//! catalog.sqlite.aside-1      what was replaced
//! ```

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{CatalogError, Fault, Result, explain};
use crate::catalog::base::file_names::{beside, last_of, plain};
use crate::catalog::base::lock::{CatalogLock, Sharing};
use crate::catalog::files::open;
use crate::catalog::files::open::Access;
use crate::port::files::{rename_durably, sync_dir, unless_missing};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What SQLite keeps beside a database. A new database beside an old journal would be destroyed by
/// it.
const JOURNALS: [&str; 3] = ["-wal", "-shm", "-journal"];

impl Catalog {
    /// All files that are a catalog's at this path, whether they are there or not; of what was
    /// moved aside those that are.
    pub fn files(path: &Path) -> Vec<PathBuf> {
        let mut files = vec![beside(path, ".lock"), last_of(path)];
        files.extend(with_journals(path));
        files.extend(moved_aside(path).iter().flat_map(|aside| with_journals(aside)));
        files
    }

    /// Keeps a copy: this is how the catalog was when a run ended well. It is never used by itself.
    /// Of runs that end at the same moment, one keeps it.
    pub fn keep_last(&self) -> Result<()> {
        let alone = self.lock.as_ref().map(|lock| lock.alone_with_copy());
        if let Some(None) = alone {
            return Ok(());
        }
        let (new, last) = (beside(&self.path, ".last.new"), last_of(&self.path));
        self.read("keeping a copy of it", |conn| copy_to(conn, &new))?;
        let kept = File::open(&new).and_then(|file| file.sync_all());
        kept.and_then(|()| rename_durably(&new, &last))
            .map_err(|source| CatalogError::NotWritable { path: last, source })
    }

    /// Puts the kept copy back in the catalog's place. Gives where the former one is now.
    pub fn restore_last(path: &Path) -> Result<Option<PathBuf>> {
        let last = last_of(path);
        let copy = Catalog::open(&last, Access::Read)?;
        copy.check()?;
        let lock = CatalogLock::take(path, Sharing::Alone)?;
        let new = beside(path, ".new");
        copy.read("copying it", |conn| copy_to(conn, &new))?;
        drop(copy);
        put_in_place(&new, path, lock)
    }
}

/// One consistent state, page by page, as a plain file without a journal.
fn copy_to(conn: &Connection, to: &Path) -> Result<(), Fault> {
    let failed = |source: io::Error| Fault::Io(source);
    remove_with_journals(to).map_err(failed)?;
    crate::catalog::files::export::make_new_file(to).map_err(failed)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut copy = Connection::open_with_flags(plain(to), flags)?;
    // It is made durable as a whole before it gets its name.
    copy.execute_batch("PRAGMA synchronous=OFF")?;
    let backup = Backup::new(conn, &mut copy)?;
    while backup.step(-1)? != StepResult::Done {
        // Somebody reads or writes at this moment; SQLite itself waited for them.
    }
    drop(backup);
    copy.execute_batch("PRAGMA journal_mode=DELETE")?;
    copy.close().map_err(|(_, error)| error)?;
    Ok(())
}

fn with_journals(path: &Path) -> Vec<PathBuf> {
    JOURNALS.iter().map(|end| beside(path, end)).chain([path.to_owned()]).collect()
}

fn remove_with_journals(path: &Path) -> io::Result<()> {
    for path in with_journals(path) {
        unless_missing(fs::remove_file(path))?;
    }
    Ok(())
}

/// A catalog that is rebuilt beside the one that it replaces. Dropped unfinished, it has changed
/// nothing.
pub struct Replacement {
    path: PathBuf,
    new: PathBuf,
    catalog: Catalog,
    /// Of the one that is replaced.
    lock: CatalogLock,
}

impl Replacement {
    pub fn begin(path: &Path) -> Result<Replacement> {
        let failed = |source| CatalogError::NotWritable { path: path.to_owned(), source };
        open::make_private_parent(path).map_err(failed)?;
        let lock = CatalogLock::take(path, Sharing::Alone)?;
        let new = beside(path, ".new");
        remove_with_journals(&new).map_err(failed)?;
        let catalog = Catalog::open(&new, Access::Write)?;
        Ok(Replacement { path: path.to_owned(), new, catalog, lock })
    }

    pub fn catalog(&mut self) -> &mut Catalog {
        &mut self.catalog
    }

    /// Takes the place of the former one. Gives where that is now, if there was one. Without this,
    /// all stays as it was.
    pub fn finish(self) -> Result<Option<PathBuf>> {
        let Replacement { path, new, catalog, lock } = self;
        catalog.keep_last()?;
        let _ = fs::remove_file(beside(&new, ".lock"));
        catalog
            .conn
            .execute_batch("PRAGMA journal_mode=DELETE")
            .map_err(|error| explain(&new, "closing it", error.into()))?;
        drop(catalog);
        let aside = put_in_place(&new, &path, lock)?;
        rename_durably(&last_of(&new), &last_of(&path))
            .map_err(|source| CatalogError::NotWritable { path: last_of(&path), source })?;
        Ok(aside)
    }
}

/// The former file's journals go first: without them it is damaged at worst, and so it is known to
/// be, while a new file beside them would be damaged, too.
fn put_in_place(new: &Path, path: &Path, _lock: CatalogLock) -> Result<Option<PathBuf>> {
    let failed = |source| CatalogError::NotWritable { path: path.to_owned(), source };
    let place = || -> io::Result<Option<PathBuf>> {
        File::open(new)?.sync_all()?;
        let aside = path.exists().then(|| free_name(path));
        if let Some(aside) = &aside {
            for end in JOURNALS {
                unless_missing(fs::rename(beside(path, end), beside(aside, end)))?;
            }
            sync_dir(path.parent().unwrap_or(Path::new("/")))?;
            fs::rename(path, aside)?;
        }
        rename_durably(new, path)?;
        Ok(aside)
    };
    place().map_err(failed)
}

const ASIDE: &str = ".aside-";

/// What [`free_name`] named, as far as the directory can be read. A journal may have outlived its
/// database.
fn moved_aside(path: &Path) -> Vec<PathBuf> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return Vec::new() };
    let start = [name.as_bytes(), ASIDE.as_bytes()].concat();
    let number = |entry: &OsStr| {
        let rest = entry.as_bytes().strip_prefix(&start[..])?;
        let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, journal) = rest.split_at(end);
        let is_ours =
            journal.is_empty() || JOURNALS.iter().any(|known| known.as_bytes() == journal);
        let number: u32 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        (is_ours && !digits.starts_with(b"0")).then_some(number)
    };
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let numbers: BTreeSet<u32> = entries.filter_map(|entry| number(&entry.file_name())).collect();
    numbers.iter().map(|n| beside(path, &format!("{ASIDE}{n}"))).collect()
}

fn free_name(path: &Path) -> PathBuf {
    let name = |n: u32| beside(path, &format!("{ASIDE}{n}"));
    (1..u32::MAX).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::testing::*;
    use crate::model::SnapshotSeq;
    use std::os::unix::fs::PermissionsExt;

    fn names(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_kept_copy_is_one_private_file_and_the_state_of_that_moment() {
        let mut bench = CatalogBench::new();
        bench.store(&[whole("a", 1, 1)]);
        bench.cat().keep_last().unwrap();
        bench.store(&[whole("b", 1, 2)]);
        let last = last_of(&bench.file());
        assert_eq!(fs::metadata(&last).unwrap().permissions().mode() & 0o777, 0o600);
        let copy = Catalog::open(&last, Access::Read).unwrap();
        copy.check().unwrap();
        assert_eq!(rows(&copy, bench.set, SnapshotSeq(1)).len(), 1);
        drop(copy);
        bench.cat().keep_last().unwrap();
        let copy = Catalog::open(&last, Access::Read).unwrap();
        assert_eq!(rows(&copy, bench.set, SnapshotSeq(1)).len(), 2);
        let around = names(bench.file().parent().unwrap());
        assert!(!around.iter().any(|name| name.contains(".new")), "{around:?}");
    }

    #[test]
    fn a_damaged_catalog_names_the_copy_and_the_copy_can_be_put_back() {
        let mut bench = CatalogBench::new();
        bench.store(&[whole("a", 1, 1)]);
        let copy = |error: Option<CatalogError>| error.unwrap().last_copy();
        let (path, set) = (bench.file(), bench.set);
        let open = || Catalog::open(&path, Access::Write);
        bench.catalog = None;
        fs::write(&path, "x".repeat(9000)).unwrap();
        assert_eq!(copy(open().err()), None);
        let none = Catalog::restore_last(&path).err();
        assert!(matches!(none, Some(CatalogError::Missing { .. })), "{none:?}");
        fs::remove_file(&path).unwrap();
        let mut fresh = CatalogBench::new();
        fresh.store(&[whole("a", 1, 1)]);
        fresh.cat().keep_last().unwrap();
        fs::copy(last_of(&fresh.file()), last_of(&path)).unwrap();
        fs::write(&path, "x".repeat(9000)).unwrap();
        assert_eq!(copy(open().err()), Some(last_of(&path)));
        assert!(fs::read(&path).unwrap().starts_with(b"xxx"), "nothing is put back by itself");
        fs::write(beside(&path, "-wal"), "of the damaged one").unwrap();
        let aside = Catalog::restore_last(&path).unwrap().unwrap();
        assert!(fs::read(&aside).unwrap().starts_with(b"xxx"));
        assert_eq!(fs::read(beside(&aside, "-wal")).unwrap(), b"of the damaged one");
        let back = open().unwrap();
        assert_eq!(rows(&back, set, SnapshotSeq(1)).len(), 1);
        assert!(last_of(&path).exists(), "it stays");
    }

    #[test]
    fn a_replacement_changes_nothing_before_it_is_finished() {
        let mut bench = CatalogBench::new();
        bench.store(&[whole("a", 1, 1)]);
        let path = bench.file();
        let busy = Replacement::begin(&path).err();
        assert!(matches!(busy, Some(CatalogError::Locked { .. })), "{busy:?}");
        bench.catalog = None;
        let before = fs::read(&path).unwrap();
        let mut half = Replacement::begin(&path).unwrap();
        half.catalog().create_set(&facts("other", "/")).unwrap();
        drop(half);
        assert!(fs::read(&path).unwrap() == before);
        let mut whole = Replacement::begin(&path).unwrap();
        assert!(whole.catalog().sets().unwrap().is_empty(), "what a former try left is gone");
        whole.catalog().create_set(&facts("other", "/")).unwrap();
        let aside = whole.finish().unwrap().unwrap();
        assert!(fs::read(aside).unwrap() == before);
        for file in [path.clone(), last_of(&path)] {
            let catalog = Catalog::open(&file, Access::Read).unwrap();
            assert_eq!(catalog.sets().unwrap()[0].facts.name.as_str(), "other");
        }
        Catalog::open(&path, Access::Write).unwrap();
        let around = names(path.parent().unwrap());
        assert!(!around.iter().any(|name| name.contains(".new")), "{around:?}");
    }
}
