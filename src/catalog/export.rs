//! The catalog of one set, for its discs: built anew, row by row, so that not a byte of another
//! set can be in it, not even in free space.

use super::error::{Fault, Refused, explain};
use super::value::path_bytes;
use super::{Catalog, CatalogError, Result, SetId, schema};
use rusqlite::{Connection, params};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Which rows of each table are the set's. In this order no row refers to a later one.
const TABLES: &[(&str, &str)] = &[
    ("sets", "id=?1"),
    ("snapshots", "set_id=?1"),
    ("dirs", "set_id=?1"),
    (
        "owners",
        "id IN (SELECT owner FROM src.entries WHERE dir IN
             (SELECT id FROM src.dirs WHERE set_id=?1))",
    ),
    ("contents", "set_id=?1"),
    ("entries", "dir IN (SELECT id FROM src.dirs WHERE set_id=?1)"),
    ("discs", "set_id=?1"),
    ("archives", "set_id=?1"),
    ("parts", "content IN (SELECT id FROM src.contents WHERE set_id=?1)"),
    ("members", "content IN (SELECT id FROM src.contents WHERE set_id=?1)"),
    ("disc_files", "set_id=?1"),
    ("copies", "set_id=?1"),
    ("verifications", "set_id=?1"),
];

impl Catalog {
    /// Writes a new file `to` with the rows of this set alone: the same tables, no indexes, one
    /// plain file without a journal. [`Catalog::open_exported`] reads it.
    pub fn export_set(&self, set: SetId, to: &Path) -> Result<()> {
        self.read("exporting a set", |conn| {
            let known = conn.prepare("SELECT 1 FROM sets WHERE id=?")?.exists([set.0])?;
            if known { Ok(()) } else { Err(Refused::NoSet.into()) }
        })?;
        let failed = |source| CatalogError::Export { path: to.to_owned(), source };
        make_new_file(to).map_err(failed)?;
        build(&self.path, set, to).map_err(|fault| match fault {
            Fault::Sql(error) => failed(io::Error::other(error)),
            other => explain(to, "exporting a set", other),
        })
    }
}

/// A file that was there before is never written into.
fn make_new_file(to: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map(drop)
}

fn build(from: &Path, set: SetId, to: &Path) -> Result<(), Fault> {
    let conn = Connection::open(std::path::absolute(to).unwrap_or_else(|_| to.to_owned()))?;
    // It is hashed and packed next; after a power cut it is made again.
    conn.execute_batch(
        "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF; PRAGMA secure_delete=ON;",
    )?;
    schema::migrate(&conn)?;
    let from = std::path::absolute(from).unwrap_or_else(|_| from.to_owned());
    // As a blob, for a path is bytes; SQLite takes them as they are.
    conn.execute("ATTACH ?1 AS src", params![path_bytes(&from)])?;
    copy_rows(&conn, set)?;
    conn.execute_batch("DETACH src; PRAGMA journal_mode=DELETE; VACUUM;")?;
    Ok(())
}

/// One transaction, so that it is one state of the catalog.
fn copy_rows(conn: &Connection, set: SetId) -> Result<(), Fault> {
    let tx = conn.unchecked_transaction()?;
    for (table, of_set) in TABLES {
        let sql = format!("INSERT INTO main.{table} SELECT * FROM src.{table} WHERE {of_set}");
        tx.execute(&sql, [set.0])?;
    }
    Ok(tx.commit()?)
}
