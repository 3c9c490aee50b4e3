//! A copy of a catalog for whoever only reads: of one with tables of a former coldcut, and of one
//! in a directory that we cannot write to. SQLite keeps a database without a name in memory, and
//! what does not fit there in a file that nobody else can open.

use crate::catalog::base::error::{CatalogError, Fault, Result};
use crate::catalog::base::schema;
use crate::port::files::dir_of;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use rustix::fs::Access;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How often a copy is started again because the catalog changed meanwhile.
const TRIES: u32 = 5;

/// The same content, with the tables of this version.
pub(in crate::catalog) fn copied(conn: &Connection) -> Result<Connection, Fault> {
    let mut copy = Connection::open("")?;
    let backup = Backup::new(conn, &mut copy)?;
    while backup.step(-1)? != StepResult::Done {
        // Somebody writes at this moment; SQLite itself waited for them.
    }
    drop(backup);
    schema::migrate(&copy)?;
    schema::make_indexes(&copy)?;
    copy.execute_batch("PRAGMA query_only=ON")?;
    Ok(copy)
}

/// Whether SQLite cannot read the catalog where it is: a database in WAL mode needs files beside
/// it, which it makes if nobody has it open.
pub(in crate::catalog) fn is_out_of_reach(path: &Path) -> bool {
    rustix::fs::access(dir_of(path), Access::WRITE_OK).is_err() && !is_in_use(path)
}

fn is_in_use(path: &Path) -> bool {
    wal_of(path).exists()
}

fn wal_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Reads it without locks, as a file that nobody changes (sqlite.org/uri.html, `immutable`), by
/// `read`, which copies it. What was read counts if the file did not change meanwhile.
pub(in crate::catalog) fn read_unchanged<T>(
    path: &Path,
    read: impl Fn(&Connection) -> Result<T>,
) -> Result<T> {
    let failed = |source| CatalogError::Open { path: path.to_owned(), source };
    for _ in 0..TRIES {
        let before = stamp(path).map_err(failed)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(immutable(path), flags).map_err(|error| {
            crate::catalog::base::error::explain(path, "opening it", error.into())
        })?;
        let found = read(&conn);
        if stamp(path).map_err(failed)? == before && !is_in_use(path) {
            return found;
        }
    }
    Err(CatalogError::Busy { path: path.to_owned() })
}

/// What is another after each change of a file.
fn stamp(path: &Path) -> io::Result<[i64; 5]> {
    let found = fs::metadata(path)?;
    let numbers = [found.ino(), found.len()].map(|number| number as i64);
    let times = [found.mtime(), found.mtime_nsec(), found.ctime_nsec()];
    Ok([numbers[0], numbers[1], times[0], times[1], times[2]])
}

/// A path as a URI.
fn immutable(path: &Path) -> String {
    let path = crate::catalog::base::file_names::plain(path);
    let escaped = |&byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02x}"),
    };
    let path: String = path.as_os_str().as_bytes().iter().map(escaped).collect();
    format!("file:{path}?immutable=1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::testing::*;
    use std::cell::Cell;

    /// Of `bench`, under a name that means much in a URI.
    fn still(bench: &mut CatalogBench) -> PathBuf {
        bench.store(&[whole("a", 1, 1)]);
        bench.catalog = None;
        let path = bench.dir.path().join("100%25 a?b#c");
        fs::copy(bench.file(), &path).unwrap();
        path
    }

    #[test]
    fn what_does_not_change_is_read_with_nothing_beside_it() {
        let mut bench = CatalogBench::new();
        let path = still(&mut bench);
        let before = fs::read_dir(bench.dir.path()).unwrap().count();
        let count = |conn: &Connection| {
            let copy = copied(conn).unwrap();
            Ok(copy.query_row("SELECT count(*) FROM sets", [], |row| row.get(0)).unwrap())
        };
        let sets: i64 = read_unchanged(&path, count).unwrap();
        assert_eq!(sets, 1);
        assert_eq!(fs::read_dir(bench.dir.path()).unwrap().count(), before);
    }

    #[test]
    fn what_changed_while_it_was_read_is_read_again() {
        let mut bench = CatalogBench::new();
        let path = still(&mut bench);
        let tries = Cell::new(0);
        let change = |_: &Connection| {
            tries.set(tries.get() + 1);
            if tries.get() < 3 {
                let writer = Connection::open(&path).unwrap();
                writer.execute_batch("PRAGMA application_id=7").unwrap();
                writer.execute_batch(&format!("PRAGMA application_id={}", tries.get())).unwrap();
            }
            Ok(())
        };
        read_unchanged(&path, change).unwrap();
        assert_eq!(tries.get(), 3);
        fs::write(wal_of(&path), "").unwrap();
        let busy = read_unchanged(&path, |_| Ok(()));
        assert!(matches!(busy, Err(CatalogError::Busy { .. })), "{busy:?}");
    }
}
