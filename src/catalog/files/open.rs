//! Opening: making what is missing, refusing what is damaged, newer, foreign or in use.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{CatalogError, Fault, Result, explain, odd};
use crate::catalog::base::file_names::plain;
use crate::catalog::base::lock::{CatalogLock, Sharing};
use crate::catalog::base::schema;
use crate::catalog::files::read_copy;
use crate::port::files::{make_private_dir, name_owner};
use rusqlite::{Connection, OpenFlags};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Alone: others may read, none may write. Makes the catalog if there is none.
    Write,
    /// Beside others who write, too: records of single discs are short transactions, and the
    /// structure of a set is changed while it is [held](Catalog::hold). Makes the catalog if there
    /// is none.
    Record,
    /// While another may write.
    Read,
}

/// How long a reader waits for a writer's moment of commit.
const PATIENCE: Duration = Duration::from_secs(10);

/// Digests come in no order: the index of a million of them, 20 MB, must stay in memory, or each
/// file that is recorded costs a page of it, read and written again.
const WRITERS_CACHE: &str = "PRAGMA cache_size=-32768";

impl Catalog {
    /// Opens the catalog. For writing, every page is looked at first: a backup that went on with a
    /// damaged catalog would call files safe that are not.
    pub fn open(path: &Path, access: Access) -> Result<Catalog> {
        match access {
            Access::Write => open_for_writing(path, Sharing::Alone),
            Access::Record => open_for_recording(path),
            Access::Read => open_for_reading(path),
        }
    }

    /// The same for reading; `None` if there is no catalog at this path yet.
    pub fn open_if_there(path: &Path) -> Result<Option<Catalog>> {
        match Catalog::open(path, Access::Read) {
            Err(CatalogError::Missing { .. }) => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// Looks at every page.
    pub fn check(&self) -> Result<()> {
        self.read("checking it", check_pages)
    }

    /// Opens what [`export_set`](Self::export_set) wrote: the caller's scratch copy, whose tables
    /// are brought up to date and indexed in place. What came from a disc is for
    /// [`open_foreign`](Self::open_foreign).
    pub fn open_exported(path: &Path) -> Result<Catalog> {
        let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        check_strangers(path, &conn)?;
        // The copy can be rebuilt: no need to wait for the disk.
        conn.execute_batch("PRAGMA synchronous=OFF")
            .and_then(|()| schema::migrate(&conn))
            .and_then(|()| schema::make_indexes(&conn))
            .map_err(|error| explain(path, "preparing it", error.into()))?;
        Ok(assemble(conn, path, None))
    }
}

/// Foreign bytes: all is checked before any of it is used.
pub(in crate::catalog) fn check_strangers(path: &Path, conn: &Connection) -> Result<()> {
    let prepare = || {
        // So that a schema made by a stranger runs no functions of its choice.
        conn.execute_batch("PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;")?;
        check_pages(conn)
    };
    prepare().map_err(|fault| explain(path, "checking it", fault))?;
    check_version(path, conn)?;
    check_shape(path, conn)?;
    check_begun(path, conn)
}

/// Tables are made and brought up to date by one who is alone; then others are let in.
fn open_for_recording(path: &Path) -> Result<Catalog> {
    let is_current = match connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY) {
        Ok(conn) => {
            let mode: rusqlite::Result<String> =
                conn.query_row("PRAGMA journal_mode", [], |row| row.get(0));
            mode.is_ok_and(|mode| mode == "wal")
                && schema::version(&conn).is_ok_and(|found| found == schema::VERSION)
        }
        Err(_) => false,
    };
    if !is_current {
        drop(open_for_writing(path, Sharing::Alone)?);
    }
    open_for_writing(path, Sharing::Shared)
}

fn open_for_writing(path: &Path, sharing: Sharing) -> Result<Catalog> {
    let not_writable = |source| CatalogError::NotWritable { path: path.to_owned(), source };
    make_private_file(path).map_err(not_writable)?;
    let mut lock = CatalogLock::take(path, sharing)?;
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    check_version(path, &conn)?;
    check_shape(path, &conn)?;
    let prepare = || {
        match lock.was_left() {
            true => check_deeply(&conn)?,
            false => check_pages(&conn)?,
        }
        conn.execute_batch("PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;")?;
        conn.execute_batch(WRITERS_CACHE)?;
        if sharing == Sharing::Alone {
            conn.execute_batch("PRAGMA journal_mode=WAL")?;
            schema::migrate(&conn)?;
            schema::make_indexes(&conn)?;
        }
        Ok(())
    };
    prepare().map_err(|fault| explain(path, "opening it", fault))?;
    lock.is_settled();
    Ok(assemble(conn, path, Some(lock)))
}

fn open_for_reading(path: &Path) -> Result<Catalog> {
    readable(path)?;
    if read_copy::is_out_of_reach(path) {
        let copy = read_copy::read_unchanged(path, |conn| copy_to_read(path, conn))?;
        return Ok(assemble(copy, path, None));
    }
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    roll_back(path, &conn)?;
    let found = check_for_reading(path, &conn)?;
    // Tables of a former coldcut are left as they are, until a writer brings them up to date.
    let conn = if found < schema::VERSION { copy_to_read(path, &conn)? } else { conn };
    Ok(assemble(conn, path, None))
}

/// A run that was killed, or lost its power, while it made the catalog left a journal that is to be
/// rolled back first. A connection for reading cannot do that.
fn roll_back(path: &Path, reader: &Connection) -> Result<()> {
    let look = |conn: &Connection| conn.query_row("PRAGMA schema_version", [], |_| Ok(()));
    match look(reader) {
        Err(rusqlite::Error::SqliteFailure(error, _))
            if error.extended_code == rusqlite::ffi::SQLITE_READONLY_ROLLBACK =>
        {
            let writer = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            look(&writer).map_err(|error| explain(path, "rolling it back", error.into()))
        }
        // Whatever else is wrong with it, the checks say.
        _ => Ok(()),
    }
}

fn copy_to_read(path: &Path, conn: &Connection) -> Result<Connection> {
    check_for_reading(path, conn)?;
    read_copy::copied(conn).map_err(|fault| explain(path, "copying it", fault))
}

/// Gives the version of its tables.
fn check_for_reading(path: &Path, conn: &Connection) -> Result<i64> {
    check_version(path, conn)?;
    check_shape(path, conn)?;
    check_begun(path, conn)?;
    schema::version(conn).map_err(|e| explain(path, "reading its version", e.into()))
}

pub(in crate::catalog) fn assemble(
    conn: Connection,
    path: &Path,
    lock: Option<CatalogLock>,
) -> Catalog {
    conn.set_prepared_statement_cache_capacity(64);
    Catalog {
        conn,
        path: path.to_owned(),
        lock: lock.map(Arc::new),
        patience: None,
        owners: Default::default(),
        dirs: Default::default(),
    }
}

pub(in crate::catalog) fn make_private_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => make_private_dir(dir),
        _ => Ok(()),
    }
}

/// SQLite would make the file readable for all. An existing link may point to a catalog;
/// a dangling one does not create it.
fn make_private_file(path: &Path) -> io::Result<()> {
    make_private_parent(path)?;
    let options = OpenOptions::new().write(true).create_new(true).mode(0o600).clone();
    let opened = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            OpenOptions::new().write(true).open(path)
        }
        made => made,
    };
    opened.map(drop).map_err(|error| name_owner(path, error))
}

/// The system says better than SQLite ("unable to open database file") why a file is no use.
fn readable(path: &Path) -> Result<()> {
    let opened = std::fs::File::open(path).map(drop);
    opened.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => CatalogError::Missing { path: path.to_owned() },
        _ => CatalogError::Open { path: path.to_owned(), source: name_owner(path, source) },
    })
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    readable(path)?;
    Connection::open_with_flags(plain(path), flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .and_then(|conn| conn.busy_timeout(PATIENCE).map(|()| conn))
        .map_err(|error| explain(path, "opening it", error.into()))
}

fn check_version(path: &Path, conn: &Connection) -> Result<()> {
    let found =
        schema::version(conn).map_err(|e| explain(path, "reading its version", e.into()))?;
    if found > schema::VERSION {
        return Err(CatalogError::Newer { path: path.to_owned(), found, known: schema::VERSION });
    }
    Ok(())
}

fn check_shape(path: &Path, conn: &Connection) -> Result<()> {
    match schema::has_our_shape(conn)
        .map_err(|fault| explain(path, "looking at its tables", fault))?
    {
        true => Ok(()),
        false => Err(CatalogError::NotOurs {
            path: path.to_owned(),
            what: "its tables are not coldcut's".to_owned(),
        }),
    }
}

/// A file without tables is a catalog to be, which only a writer can make of it. (An empty file
/// passes all checks of SQLite.)
fn check_begun(path: &Path, conn: &Connection) -> Result<()> {
    match schema::version(conn).map_err(|e| explain(path, "reading its version", e.into()))? {
        0 => Err(CatalogError::NotOurs {
            path: path.to_owned(),
            what: "it has no tables".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// `quick_check` reads every page of every table: about a second for a million files.
fn check_pages(conn: &Connection) -> Result<(), Fault> {
    let verdict: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(odd(verdict)) }
}

/// After a crash nothing is taken on trust: indexes are compared with tables, and rows against
/// those that they refer to. A few seconds for a million files.
fn check_deeply(conn: &Connection) -> Result<(), Fault> {
    let verdict: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(odd(verdict));
    }
    check_references(conn)
}

/// No row refers to one that is not there.
pub(in crate::catalog) fn check_references(conn: &Connection) -> Result<(), Fault> {
    let mut query = conn.prepare("PRAGMA foreign_key_check")?;
    let mut rows = query.query([])?;
    match rows.next()? {
        None => Ok(()),
        Some(row) => {
            let (table, other): (String, String) = (row.get(0)?, row.get(2)?);
            Err(odd(format!("a row of {table} refers to a missing row of {other}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::catalog::base::schema;
    use crate::catalog::testing::*;
    use crate::catalog::*;
    use crate::model::SnapshotSeq;
    use rusqlite::Connection;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};

    fn catalog_in(dir: &Path) -> PathBuf {
        dir.join("new/deep/catalog.sqlite")
    }

    #[test]
    fn a_new_catalog_and_its_directory_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = catalog_in(dir.path());
        let _catalog = Catalog::open(&path, Access::Write).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        let files: Vec<_> = fs::read_dir(path.parent().unwrap())
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        assert!(files.len() >= 3, "{files:?}");
        assert!(files.iter().all(|file| mode(file) == 0o600), "{files:?}");
    }

    #[test]
    fn a_write_is_durable_when_it_returns() {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&catalog_in(dir.path()), Access::Write).unwrap();
        let pragma = |name: &str| -> String {
            let sql = format!("SELECT CAST(\"{name}\" AS TEXT) FROM pragma_{name}");
            catalog.conn.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        assert_eq!(pragma("synchronous"), "2", "FULL");
        assert_eq!(pragma("journal_mode"), "wal");
        assert_eq!(pragma("foreign_keys"), "1");
    }

    #[test]
    fn a_second_writer_is_told_who_the_first_is_and_a_reader_is_let_in() {
        let mut bench = CatalogBench::new();
        bench.store(&[whole("a", 1, 1)]);
        match Catalog::open(&bench.file(), Access::Write) {
            Err(error @ CatalogError::Locked { .. }) => {
                let text = error.to_string();
                assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
            }
            other => panic!("{:?}", other.err()),
        }
        let writer = bench.catalog.as_ref().unwrap();
        let tx = writer.conn.unchecked_transaction().unwrap();
        tx.execute_batch("DELETE FROM entries").unwrap();
        let reader = Catalog::open(&bench.file(), Access::Read).unwrap();
        assert_eq!(rows(&reader, bench.set, SnapshotSeq(1)).len(), 1);
        drop(tx);
        bench.catalog = None;
        Catalog::open(&bench.file(), Access::Write).unwrap();
    }

    #[test]
    fn a_reader_cannot_write() {
        let mut bench = CatalogBench::new();
        let mut reader = Catalog::open(&bench.file(), Access::Read).unwrap();
        let refused = reader.create_set(&facts("other", "/"));
        assert!(matches!(refused, Err(CatalogError::NotWritable { .. })), "{refused:?}");
        bench.cat();
    }

    #[test]
    fn who_reads_tables_of_a_former_version_leaves_them_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalog.sqlite");
        let conn = Connection::open(&path).unwrap();
        schema::migrate_to(&conn, 1).unwrap();
        conn.execute_batch(
            "INSERT INTO sets(name, uuid, source, encryption, hidden, compression, created)
             VALUES('photos', X'00000000000000000000000000000007', X'2f61', 'none', 0, 'bzip2', 0)",
        )
        .unwrap();
        drop(conn);
        let before = fs::read(&path).unwrap();
        for _ in 0..2 {
            let mut catalog = Catalog::open(&path, Access::Read).unwrap();
            let set = catalog.sets().unwrap().remove(0);
            assert_eq!((set.facts.name.as_str(), set.copies, set.hint), ("photos", 1, None));
            let refused = catalog.create_set(&facts("other", "/"));
            assert!(matches!(refused, Err(CatalogError::NotWritable { .. })), "{refused:?}");
        }
        assert_eq!(fs::read(&path).unwrap(), before);
        assert!(!dir.path().join("catalog.sqlite.lock").exists());
        // A database in WAL mode, as all that were in use are.
        drop(Catalog::open(&path, Access::Write).unwrap());
        let conn = Connection::open(&path).unwrap();
        assert_eq!(schema::version(&conn).unwrap(), schema::VERSION);
    }

    #[test]
    fn after_a_crash_rows_are_held_against_each_other() {
        let mut bench = CatalogBench::new();
        bench.store(&[whole("a", 1, 1)]);
        let sql = "PRAGMA foreign_keys=OFF; UPDATE parts SET content=77";
        bench.cat().conn.execute_batch(sql).unwrap();
        bench.catalog = None;
        let lock = bench.dir.path().join("c/catalog.sqlite.lock");
        assert_eq!(fs::read(&lock).unwrap(), b"", "whoever ends in order leaves no number");
        drop(Catalog::open(&bench.file(), Access::Write).unwrap());
        fs::write(&lock, "4711\n").unwrap();
        let error = Catalog::open(&bench.file(), Access::Write).err().unwrap();
        assert!(matches!(error, CatalogError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("parts"), "{error}");
        assert_ne!(fs::read(&lock).unwrap(), b"", "the next one looks as closely");
    }

    #[test]
    fn a_newer_catalog_is_left_alone() {
        let mut bench = CatalogBench::new();
        bench.cat().conn.execute_batch("PRAGMA user_version=99; CREATE TABLE future(x)").unwrap();
        bench.catalog = None;
        for access in [Access::Read, Access::Write] {
            match Catalog::open(&bench.file(), access).err() {
                Some(CatalogError::Newer { found: 99, known, .. }) => {
                    assert_eq!(known, schema::VERSION);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn garbage_a_cut_file_and_a_stranger_are_told_apart() {
        let mut bench = CatalogBench::new();
        let members: Vec<_> = (0..500).map(|n| whole(&format!("{n}"), 1, n)).collect();
        bench.store(&members);
        bench.catalog = None;
        let whole = fs::read(bench.file()).unwrap();
        let half = whole[..whole.len() / 2 / 4096 * 4096].to_vec();
        let path = bench.dir.path().join("x.sqlite");
        for (bytes, damaged) in [(vec![b'x'; 9000], true), (half, true), (stranger(), false)] {
            for access in [Access::Write, Access::Read] {
                fs::write(&path, &bytes).unwrap();
                let opened =
                    Catalog::open(&path, access).and_then(|c| c.find(SetId(1), None, |_| true));
                let error = opened.unwrap_err();
                let as_told = match &error {
                    CatalogError::Damaged { .. } => damaged,
                    CatalogError::NotOurs { .. } => !damaged,
                    _ => false,
                };
                assert!(as_told, "{error:?}");
                assert!(error.to_string().contains("x.sqlite"), "{error}");
                assert_eq!(fs::read(&path).unwrap(), bytes, "it is left as it was");
            }
        }
    }

    /// A database of another program.
    fn stranger() -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let conn = rusqlite::Connection::open(&path).unwrap();
        conn.execute_batch("CREATE TABLE bookmarks(url)").unwrap();
        drop(conn);
        fs::read(path).unwrap()
    }

    #[test]
    fn what_is_not_there_is_not_made_by_reading() {
        let dir = tempfile::tempdir().unwrap();
        let path = catalog_in(dir.path());
        let missing = Catalog::open(&path, Access::Read).err();
        assert!(matches!(missing, Some(CatalogError::Missing { .. })), "{missing:?}");
        assert!(!path.exists());
        let empty = dir.path().join("empty");
        fs::write(&empty, b"").unwrap();
        let error = Catalog::open(&empty, Access::Read).err();
        assert!(matches!(error, Some(CatalogError::NotOurs { .. })), "{error:?}");
        assert!(Catalog::open(&empty, Access::Write).is_ok());
    }

    #[test]
    fn a_place_where_nothing_can_be_written_is_named() {
        let path = Path::new("/proc/coldcut/catalog.sqlite");
        let error = Catalog::open(path, Access::Write).err().unwrap();
        assert!(matches!(error, CatalogError::NotWritable { .. }), "{error:?}");
        assert!(error.to_string().contains("/proc/coldcut"), "{error}");
    }

    #[test]
    fn what_was_left_half_written_is_rolled_back_for_a_reader() {
        let dir = tempfile::tempdir().unwrap();
        let [made, left] = ["made", "left"].map(|name| dir.path().join(name));
        let conn = Connection::open(&made).unwrap();
        // So little memory that pages are written before the end, and so is the journal.
        conn.execute_batch(
            "PRAGMA cache_size=1; CREATE TABLE t (x); BEGIN;
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
             INSERT INTO t SELECT zeroblob(2000) FROM n;",
        )
        .unwrap();
        for end in ["", "-journal"] {
            let [from, to] = [&made, &left].map(|path| format!("{}{end}", path.display()));
            std::fs::copy(from, to).unwrap();
        }
        let found = Catalog::open(&left, Access::Read).map(drop).unwrap_err();
        assert!(matches!(found, CatalogError::NotOurs { .. }), "{found}");
    }
}
