//! A catalog from a disc, which anybody may have made. SQLite never sees such a file in a process
//! that has anything to lose: coldcut starts itself once more, gives that process the file and
//! nothing else, and builds a database of its own from the rows that it writes.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{CatalogError, Result, explain};
use crate::catalog::files::dump::dump;
use crate::catalog::files::load::Loader;
use crate::port::command::{CommandError, Program, ProgramExit, ProgramLimits};
use crate::port::confinement;
use crate::port::stop::Stop;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

/// The verb of that process: no person types it, and `--help` does not tell of it.
const VERB: &str = "read-catalog-from-stdin";

/// Beside the file itself, which it maps: program, stack, SQLite's cache, a row.
const MEMORY: u64 = 512 << 20;
/// Seconds, however small the file is.
const SECONDS: u64 = 20;
/// Behind its processor time, for a machine that is busy.
const SLACK: Duration = Duration::from_secs(20);
/// Bytes that it has a second for: a tenth of what a slow machine does.
const BYTES_A_SECOND: u64 = 4 << 20;
/// Bytes of lines for each byte of the file. Digits take twice the bytes, and where a table got a
/// column later, each row is written with a value that the file does not have.
const LINES_A_BYTE: u64 = 16;

/// Whether this process was started to read a stranger's catalog.
pub fn is_wanted(mut args: impl Iterator<Item = OsString>) -> bool {
    args.next();
    args.next().is_some_and(|verb| verb == VERB) && args.next().is_none()
}

/// Reads the catalog that is open as standard input, and writes its rows to `out`. Before the first
/// byte is looked at, this process gives up all that it could reach beside its standard streams.
pub fn serve(out: &mut dyn Write) -> io::Result<()> {
    let bytes = map(io::stdin().as_fd())?;
    let missing = confinement::keep_to_standard_streams();
    dump(bytes, &missing, out)
}

/// The whole file in memory, as far as it is looked at, for as long as this process lives.
fn map(file: impl AsFd) -> io::Result<&'static [u8]> {
    use rustix::mm::{MapFlags, ProtFlags, mmap};
    let length = usize::try_from(rustix::fs::fstat(&file)?.st_size).unwrap_or(0);
    if length == 0 {
        return Ok(&[]);
    }
    // SAFETY: a new mapping that nothing else knows. It is never unmapped, and the file is a copy of
    // coldcut's own, which nobody writes to any more; should it be cut short all the same, this
    // process ends with SIGBUS.
    unsafe {
        let start =
            mmap(std::ptr::null_mut(), length, ProtFlags::READ, MapFlags::PRIVATE, file, 0)?;
        Ok(std::slice::from_raw_parts(start.cast(), length))
    }
}

impl Catalog {
    /// Opens a catalog that was unpacked from a disc: `file`, open for reading, `bytes` long. `to` is
    /// a new file, the caller's scratch, that gets the rows: its tables are up to date and indexed.
    /// A wish to stop ends it at once; the error then says so.
    pub fn open_foreign(file: File, to: &Path, stop: &Stop) -> Result<Catalog> {
        let unreadable = |source| CatalogError::Open { path: to.to_owned(), source };
        let bytes = file.metadata().map_err(unreadable)?.len();
        open_within(file, to, limits(bytes), lines_of(bytes), stop)
    }
}

fn limits(bytes: u64) -> ProgramLimits {
    let processor = Duration::from_secs(SECONDS + bytes / BYTES_A_SECOND);
    ProgramLimits { memory: MEMORY.saturating_add(bytes), processor }
}

/// Bytes of lines that a file of so many bytes may have.
fn lines_of(bytes: u64) -> u64 {
    bytes.saturating_mul(LINES_A_BYTE).saturating_add(1 << 20)
}

fn open_within(
    file: File,
    to: &Path,
    limits: ProgramLimits,
    lines: u64,
    stop: &Stop,
) -> Result<Catalog> {
    let explain = |fault| explain(to, "importing its rows", fault);
    let mut loader = Loader::new(to, lines, stop).map_err(explain)?;
    let mut failed = None;
    let mut take = |piece: &[u8]| match loader.feed(piece) {
        Ok(()) => ControlFlow::Continue(()),
        Err(fault) => {
            failed = Some(fault);
            ControlFlow::Break(())
        }
    };
    let mut last_words = Vec::new();
    let mut complain = |line: &[u8]| last_words = line.to_vec();
    let ended = reader(file, limits).stream_while(stop, &mut take, &mut complain);
    if let Some(fault) = failed {
        return Err(explain(fault));
    }
    match ended {
        Ok(ProgramExit::Code(0)) => loader.finish(to),
        Ok(exit) => Err(ended_badly(to, exit, &last_words)),
        Err(error @ CommandError::TimedOut { .. }) => {
            Err(CatalogError::Damaged { path: to.to_owned(), what: error.to_string() })
        }
        Err(source) => Err(CatalogError::Reader { path: to.to_owned(), source }),
    }
}

/// Waited for it is as long as it may compute: it does nothing else.
fn reader(file: File, limits: ProgramLimits) -> Program {
    Program::ourselves(VERB)
        .only_env(&[])
        .open_input(file)
        .confined(limits)
        .timeout(limits.processor + SLACK)
        .dies_with_us()
        .killed_when_stopped()
}

/// Whatever ends that process is in the file.
fn ended_badly(path: &Path, exit: ProgramExit, last_words: &[u8]) -> CatalogError {
    let why = match exit {
        ProgramExit::Signal(nix::libc::SIGXCPU) => "it took too much processor time".to_owned(),
        exit if last_words.is_empty() => exit.to_string(),
        exit => format!("{exit}: {}", crate::model::path::shown(last_words)),
    };
    let what = format!("reading it ended with {why}");
    CatalogError::Damaged { path: path.to_owned(), what }
}

#[cfg(test)]
#[path = "../../../tests/support/endless.rs"]
mod endless;

#[cfg(test)]
pub(in crate::catalog) mod tests {
    use super::*;
    use crate::catalog::base::schema;
    use crate::catalog::testing::*;
    use rusqlite::Connection;
    use std::fs;
    use std::path::PathBuf;

    /// The program of the unit tests is the one that is started once more: what comes before its
    /// `main` does what ours does first.
    #[used]
    #[unsafe(link_section = ".init_array")]
    static BEFORE_MAIN: extern "C" fn() = before_main;

    extern "C" fn before_main() {
        if is_wanted(std::env::args_os()) {
            let served = serve(&mut io::stdout().lock());
            std::process::exit(served.is_err().into());
        }
    }

    /// What a stranger made of it, as a catalog from a disc is opened.
    pub(in crate::catalog) fn open(path: &Path) -> Result<Catalog> {
        let to = path.with_extension("rows");
        let opened = Catalog::open_foreign(File::open(path).unwrap(), &to, &Stop::new());
        let _ = fs::remove_file(to);
        opened
    }

    fn exported(bench: &CatalogBench) -> PathBuf {
        let out = bench.dir.path().join("out.sqlite");
        bench.catalog.as_ref().unwrap().export_set(bench.set, &out, &Stop::new()).unwrap();
        out
    }

    /// All rows of all tables, in order.
    fn all(conn: &Connection) -> Vec<String> {
        let mut found = Vec::new();
        for table in schema::tables(conn).unwrap() {
            let mut query = table.select(conn).unwrap();
            let mut rows = query.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let value = |at| row.get_ref_unwrap(at);
                let values: Vec<_> = (0..table.columns.len()).map(value).collect();
                found.push(format!("{} {values:?}", table.name));
            }
        }
        found
    }

    #[test]
    fn a_catalog_from_a_disc_has_every_row_of_the_one_that_was_put_there() {
        let bench = CatalogBench::full();
        let path = exported(&bench);
        let (ours, theirs) = (Catalog::open_exported(&path).unwrap(), open(&path).unwrap());
        let rows = all(&ours.conn);
        assert!(rows.len() > 20 && rows == all(&theirs.conn));
        let indexes = "SELECT sql FROM sqlite_schema WHERE type='index' ORDER BY name";
        let indexes = |catalog: &Catalog| -> Vec<Option<String>> {
            let mut query = catalog.conn.prepare(indexes).unwrap();
            query.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
        };
        assert_eq!(indexes(&ours), indexes(&theirs));
        assert_eq!(schema::version(&theirs.conn).unwrap(), schema::VERSION);
    }

    #[test]
    fn tables_of_every_former_version_are_brought_up_to_date() {
        let dir = tempfile::tempdir().unwrap();
        for version in 1..=schema::VERSION as usize {
            let path = dir.path().join(format!("{version}.sqlite"));
            let conn = Connection::open(&path).unwrap();
            schema::migrate_to(&conn, version).unwrap();
            conn.execute_batch(
                "INSERT INTO sets(name, uuid, source, encryption, hidden, compression, created)
                 VALUES('photos', X'00000000000000000000000000000007', X'2f61', 'none', 0, 'bzip2', 0);
                 INSERT INTO discs(set_id, number, uuid, capacity, state)
                 VALUES(1, 1, X'00000000000000000000000000000008', 1000, 'open')",
            )
            .unwrap();
            drop(conn);
            let catalog = open(&path).unwrap();
            let set = catalog.sets().unwrap().remove(0);
            assert_eq!((set.facts.name.as_str(), set.copies), ("photos", 1), "{version}");
            assert_eq!(catalog.discs(set.id).unwrap().len(), 1);
        }
    }

    #[test]
    fn what_is_no_catalog_of_ours_is_told_as_if_it_had_been_opened_here() {
        let bench = CatalogBench::full();
        let path = exported(&bench);
        let whole = fs::read(&path).unwrap();
        let odd = |sql: &str| {
            fs::write(&path, &whole).unwrap();
            Connection::open(&path).unwrap().execute_batch(sql).unwrap();
            open(&path).err().unwrap()
        };
        for sql in [
            "CREATE VIEW extra AS SELECT 1",
            "CREATE TRIGGER extra AFTER INSERT ON sets BEGIN DELETE FROM sets; END",
            "ALTER TABLE sets ADD COLUMN more INTEGER",
            "DROP TABLE mounts",
            "PRAGMA user_version=3",
        ] {
            let error = odd(sql);
            assert!(matches!(error, CatalogError::NotOurs { .. }), "{sql}: {error:?}");
        }
        let error = odd("PRAGMA user_version=99");
        assert!(matches!(error, CatalogError::Newer { found: 99, .. }), "{error:?}");
        for bytes in [vec![b'x'; 9000], whole[..whole.len() / 2 / 4096 * 4096].to_vec()] {
            fs::write(&path, bytes).unwrap();
            let error = open(&path).err().unwrap();
            assert!(matches!(error, CatalogError::Damaged { .. }), "{error:?}");
        }
        fs::write(&path, b"").unwrap();
        let error = open(&path).err().unwrap();
        assert!(matches!(error, CatalogError::NotOurs { .. }), "{error:?}");
    }

    #[test]
    fn the_fuzzers_begin_with_catalogs_that_are_ours() {
        let seeds = |of| Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(of);
        let mut found = 0;
        for seed in fs::read_dir(seeds("catalog")).unwrap() {
            // A copy: rows are put beside it.
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("x.sqlite");
            fs::copy(seed.unwrap().path(), &path).unwrap();
            found += open(&path).unwrap().sets().unwrap().len();
        }
        assert!(found > 1);
        let dir = tempfile::tempdir().unwrap();
        let mut loader = Loader::new(&dir.path().join("rows"), 1 << 20, &Stop::new()).unwrap();
        loader.feed(&fs::read(seeds("rows").join("whole")).unwrap()).unwrap();
        let catalog = loader.finish(&dir.path().join("rows")).unwrap();
        assert_eq!(catalog.sets().unwrap().len(), 1);
    }

    #[test]
    fn a_value_of_a_gigabyte_is_refused_before_it_is_made() {
        let bench = CatalogBench::full();
        let path = exported(&bench);
        let conn = Connection::open(&path).unwrap();
        let sql = "UPDATE sets SET certs=zeroblob(17 << 20)";
        conn.execute_batch(sql).unwrap();
        drop(conn);
        let error = open(&path).err().unwrap();
        assert!(matches!(error, CatalogError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("too big"), "{error}");
    }

    const FEW: ProgramLimits = ProgramLimits { memory: 1 << 30, processor: Duration::from_secs(1) };

    fn open_endless(limits: ProgramLimits, stop: &Stop) -> CatalogError {
        let dir = tempfile::tempdir().unwrap();
        let (path, rows) = (dir.path().join("x.sqlite"), dir.path().join("rows"));
        fs::write(&path, endless::endless()).unwrap();
        let file = File::open(&path).unwrap();
        open_within(file, &rows, limits, 1 << 20, stop).err().unwrap()
    }

    #[test]
    fn a_catalog_without_an_end_has_one_where_its_processor_time_ends() {
        let error = open_endless(FEW, &Stop::new());
        assert!(matches!(error, CatalogError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("too much processor time"), "{error}");
    }

    #[test]
    fn a_wish_to_stop_ends_the_reading_of_one_at_once() {
        let stop = Stop::new();
        let asked = stop.clone();
        let asking = std::thread::spawn(move || {
            // The reader is a child of this thread's process as soon as it runs.
            while children_reading().is_empty() {
                std::thread::yield_now();
            }
            asked.ask(15);
        });
        let endless = ProgramLimits { memory: 1 << 30, processor: Duration::from_secs(1_000_000) };
        let error = open_endless(endless, &stop);
        asking.join().unwrap();
        let stopped = matches!(
            &error,
            CatalogError::Reader { source: CommandError::Stopped(stopped), .. } if stopped.0 == 15
        );
        assert!(stopped, "{error:?}");
    }

    fn children_reading() -> Vec<PathBuf> {
        let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
        let reads = |path: &PathBuf| {
            let said = |file: &str| fs::read_to_string(path.join(file)).unwrap_or_default();
            let parent = format!("\nPPid:\t{}\n", std::process::id());
            said("cmdline").contains(VERB) && said("status").contains(&parent)
        };
        processes.filter(reads).collect()
    }

    #[test]
    fn rows_are_counted_by_the_size_of_the_file() {
        let bench = CatalogBench::full();
        let path = exported(&bench);
        let to = bench.dir.path().join("rows");
        let open = |most| {
            let _ = fs::remove_file(&to);
            open_within(File::open(&path).unwrap(), &to, FEW, most, &Stop::new())
        };
        assert!(open(lines_of(fs::metadata(&path).unwrap().len())).is_ok());
        let error = open(500).err().unwrap();
        assert!(matches!(error, CatalogError::Damaged { .. }), "{error:?}");
    }
}
