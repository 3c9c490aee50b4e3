//! An SQLite file that a stranger may have made, read in a process that has nothing but this file:
//! checked, and written as rows (`row_stream.rs`). Nothing of it is trusted here either, but what
//! goes wrong goes wrong in this process.

use crate::catalog::base::error::{CatalogError, Fault, explain};
use crate::catalog::base::schema;
use crate::catalog::files::open;
use crate::catalog::files::row_stream::{GREETING, ROW_MAX, push_value, title};
use rusqlite::Connection;
use rusqlite::limits::Limit;
use std::io::{self, Write};
use std::path::Path;

/// Stands for the file in errors, which are told on without it.
const FILE: &str = "catalog";

/// Writes the rows of the catalog that these bytes are, or why they are none. `missing`: what the
/// kernel refused to take from this process. An error is one of `out`.
pub(in crate::catalog) fn dump(
    bytes: &'static [u8],
    missing: &[String],
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(64 << 10, out);
    out.write_all(GREETING)?;
    out.write_all(b"\n")?;
    for what in missing {
        writeln!(out, "missing {what}")?;
    }
    match open_bytes(bytes).and_then(|conn| write_rows(&conn, &mut out)) {
        Ok(()) => {}
        Err(DumpError::Out(error)) => return Err(error),
        Err(DumpError::Catalog(error)) => writeln!(out, "refused {}", in_words(&error))?,
    }
    out.flush()
}

#[cfg(feature = "fuzzing")]
impl crate::catalog::base::database::Catalog {
    /// What the process writes that reads a stranger's catalog, if the catalog is these bytes.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn rows_of(bytes: &'static [u8], out: &mut dyn Write) -> io::Result<()> {
        dump(bytes, &[], out)
    }
}

enum DumpError {
    Catalog(CatalogError),
    Out(io::Error),
}

impl From<io::Error> for DumpError {
    fn from(error: io::Error) -> DumpError {
        DumpError::Out(error)
    }
}

impl From<Fault> for DumpError {
    fn from(fault: Fault) -> DumpError {
        DumpError::Catalog(explain(Path::new(FILE), "reading it", fault))
    }
}

impl From<rusqlite::Error> for DumpError {
    fn from(error: rusqlite::Error) -> DumpError {
        Fault::from(error).into()
    }
}

fn open_bytes(bytes: &'static [u8]) -> Result<Connection, DumpError> {
    let mut conn = Connection::open_in_memory()?;
    conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, ROW_MAX as i32)?;
    conn.execute_batch("PRAGMA temp_store=MEMORY")?;
    conn.deserialize_bytes("main", bytes)?;
    open::check_strangers(Path::new(FILE), &conn).map_err(DumpError::Catalog)?;
    Ok(conn)
}

fn write_rows(conn: &Connection, out: &mut dyn Write) -> Result<(), DumpError> {
    writeln!(out, "version {}", schema::version(conn)?)?;
    let mut rows = 0_u64;
    for table in schema::tables(conn)? {
        let mut query = table.select(conn)?;
        writeln!(out, "{}", title(&table))?;
        let mut found = query.query([])?;
        let mut line = Vec::new();
        while let Some(row) = found.next()? {
            line.clear();
            for column in 0..table.columns.len() {
                push_value(&mut line, row.get_ref(column)?)?;
            }
            line.push(b'\n');
            out.write_all(&line)?;
            rows += 1;
        }
    }
    Ok(writeln!(out, "end {rows}")?)
}

/// What `refused` says: the kind of error, and its words.
fn in_words(error: &CatalogError) -> String {
    match error {
        CatalogError::Newer { found, .. } => format!("newer {found}"),
        CatalogError::NotOurs { what, .. } => format!("not-ours {}", one_line(what)),
        CatalogError::Damaged { what, .. } => format!("damaged {}", one_line(what)),
        CatalogError::Sql { source, .. } => format!("damaged {}", one_line(&source.to_string())),
        other => format!("damaged {}", one_line(&other.to_string())),
    }
}

/// Words from a file may hold anything.
fn one_line(words: &str) -> String {
    crate::model::path::shown(words.as_bytes())
}
