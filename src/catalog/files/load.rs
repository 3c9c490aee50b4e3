//! A database of our own from rows that came as lines (`row_stream.rs`): each is checked before it
//! is put in, and whoever wrote them decides nothing but values.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{CatalogError, Fault, explain, odd};
use crate::catalog::base::schema::{self, Table};
use crate::catalog::files::row_stream::{GREETING, LINE_MAX, MISSING_MAX, number, title, values};
use crate::catalog::files::{export, open};
use crate::model::path::shown;
use crate::port::confinement;
use crate::port::stop::Stop;
use rusqlite::{Connection, params_from_iter};
use std::path::Path;

/// Words that are shown to a person.
const WORDS_MAX: usize = 500;

/// Takes the lines, in pieces as they come.
pub(in crate::catalog) struct Loader {
    conn: Connection,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    bytes: u64,
    most: u64,
    at: At,
    rows: u64,
}

/// What was read last, and what may come next.
enum At {
    Begin,
    Greeted {
        missing: usize,
    },
    /// In a table, or before the first one. `rest` are the tables that follow.
    Tables {
        insert: Option<Insert>,
        rest: std::vec::IntoIter<Table>,
    },
    End,
    Refused(DumpRejection),
}

struct Insert {
    sql: String,
    columns: usize,
}

/// Why the other process takes the file for no catalog.
enum DumpRejection {
    Damaged(String),
    NotOurs(String),
    Newer(i64),
}

impl Loader {
    /// Begins the new file `to`. `most`: bytes that the lines may have together.
    pub(in crate::catalog) fn new(to: &Path, most: u64, stop: &Stop) -> Result<Loader, Fault> {
        let conn = export::new_database(to, stop)?;
        // A row that refers to none is noticed where it is used, as in any other catalog.
        conn.execute_batch("PRAGMA foreign_keys=OFF")?;
        Ok(Loader { conn, line: Vec::new(), bytes: 0, most, at: At::Begin, rows: 0 })
    }

    pub(in crate::catalog) fn feed(&mut self, piece: &[u8]) -> Result<(), Fault> {
        self.bytes = self.bytes.saturating_add(piece.len() as u64);
        if self.bytes > self.most {
            return Err(odd("more rows than a file of its size has"));
        }
        for part in piece.split_inclusive(|&byte| byte == b'\n') {
            if self.line.len() + part.len() > LINE_MAX {
                return Err(odd("a row that is too long"));
            }
            match (part.strip_suffix(b"\n"), self.line.is_empty()) {
                (None, _) => self.line.extend_from_slice(part),
                (Some(whole), true) => self.take(whole)?,
                (Some(end), false) => {
                    let mut line = std::mem::take(&mut self.line);
                    line.extend_from_slice(end);
                    self.take(&line)?;
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, line: &[u8]) -> Result<(), Fault> {
        let (word, rest) = first_word(line);
        match (&mut self.at, word) {
            (At::Begin, _) if line == GREETING => self.at = At::Greeted { missing: 0 },
            (At::Greeted { missing }, b"missing") if *missing < MISSING_MAX => {
                *missing += 1;
                confinement::is_missing(&format!(
                    "the process that reads a disc's catalog is less confined than it should be: {}",
                    words(rest)
                ));
            }
            (At::Greeted { .. }, b"version") => self.begin(rest)?,
            (At::Greeted { .. } | At::Tables { .. }, b"refused") => {
                self.at = At::Refused(verdict(rest)?);
            }
            (At::Tables { insert, rest }, b"table") => {
                let next = rest.next().filter(|table| title(table).as_bytes() == line);
                let next = next.ok_or_else(|| odd("a table out of order"))?;
                *insert = Some(Insert { sql: next.insert(), columns: next.columns.len() });
            }
            (At::Tables { rest: tables, .. }, b"end") => {
                let counted = number(rest).and_then(|rows| u64::try_from(rows).ok());
                if counted != Some(self.rows) || tables.len() > 0 {
                    return Err(odd("its number of rows is not the one that it states"));
                }
                self.conn.execute_batch("COMMIT")?;
                self.at = At::End;
            }
            (At::Tables { insert: Some(insert), .. }, _) => {
                let row = values(line, insert.columns)?;
                let mut query = self.conn.prepare_cached(&insert.sql)?;
                query.execute(params_from_iter(row)).map_err(refused_row)?;
                self.rows += 1;
            }
            _ => return Err(odd("something other than rows")),
        }
        Ok(())
    }

    /// Makes the tables of that version, empty.
    fn begin(&mut self, version: &[u8]) -> Result<(), Fault> {
        let known = 1..=schema::VERSION;
        let version = number(version).filter(|version| known.contains(version));
        let version = version.and_then(|version| usize::try_from(version).ok());
        schema::migrate_to(&self.conn, version.ok_or_else(|| odd("an unknown version"))?)?;
        let tables = schema::tables(&self.conn)?;
        self.conn.execute_batch("BEGIN")?;
        self.at = At::Tables { insert: None, rest: tables.into_iter() };
        Ok(())
    }

    /// The catalog, brought up to date and with its indexes; an error if the last line has not come,
    /// or was another than `end`.
    pub(in crate::catalog) fn finish(self, path: &Path) -> Result<Catalog, CatalogError> {
        let explain = |fault| explain(path, "making it from rows", fault);
        let path_owned = || path.to_owned();
        match self.at {
            At::End if self.line.is_empty() => {}
            At::Refused(DumpRejection::Damaged(what)) => {
                return Err(CatalogError::Damaged { path: path_owned(), what });
            }
            At::Refused(DumpRejection::NotOurs(what)) => {
                return Err(CatalogError::NotOurs { path: path_owned(), what });
            }
            At::Refused(DumpRejection::Newer(found)) => {
                let known = schema::VERSION;
                return Err(CatalogError::Newer { path: path_owned(), found, known });
            }
            _ => return Err(explain(odd("its rows end too early"))),
        }
        schema::migrate(&self.conn)
            .and_then(|()| schema::make_indexes(&self.conn))
            .map_err(|error| explain(refused_row(error)))?;
        // What was asked while it was made is asked no more.
        let forget: Option<fn() -> bool> = None;
        self.conn.progress_handler(0, forget).map_err(|error| explain(error.into()))?;
        Ok(open::assemble(self.conn, path, None))
    }
}

/// A row that the table refuses (a key that is there twice, NULL or a type that no such column has)
/// is the file's fault.
fn refused_row(error: rusqlite::Error) -> Fault {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::ConstraintViolation) => odd(error.to_string()),
        _ => error.into(),
    }
}

fn verdict(line: &[u8]) -> Result<DumpRejection, Fault> {
    let (kind, rest) = first_word(line);
    match (kind, number(rest)) {
        (b"damaged", _) => Ok(DumpRejection::Damaged(words(rest))),
        (b"not-ours", _) => Ok(DumpRejection::NotOurs(words(rest))),
        (b"newer", Some(version)) if version > schema::VERSION => Ok(DumpRejection::Newer(version)),
        _ => Err(odd("an unknown reason")),
    }
}

/// Fit for a terminal. What was escaped by the other process is escaped once more where it is not:
/// that may be another one by now.
fn words(bytes: &[u8]) -> String {
    shown(&bytes[..bytes.len().min(WORDS_MAX)])
}

fn first_word(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|&byte| byte == b' ') {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, b""),
    }
}

#[cfg(feature = "fuzzing")]
impl Catalog {
    /// From lines that may be anything, as if another process had written them.
    pub fn from_rows(to: &Path, lines: &[u8]) -> Result<Catalog, CatalogError> {
        let explain = |fault| explain(to, "importing its rows", fault);
        let mut loader = Loader::new(to, u64::MAX, &Stop::new()).map_err(explain)?;
        loader.feed(lines).map_err(explain)?;
        loader.finish(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of a catalog with one set, without their ends.
    fn lines() -> Vec<String> {
        let conn = Connection::open_in_memory().unwrap();
        schema::migrate(&conn).unwrap();
        let mut lines = vec!["coldcut-rows 1".to_owned(), format!("version {}", schema::VERSION)];
        for table in schema::tables(&conn).unwrap() {
            lines.push(title(&table));
            if table.name == "mounts" {
                lines.push("i1\tx2f61".to_owned());
                lines.push("i1\tx2f62".to_owned());
            }
        }
        lines.push("end 2".to_owned());
        lines
    }

    fn load(lines: &[String]) -> Result<Catalog, CatalogError> {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("rows");
        let mut loader = Loader::new(&to, 1 << 30, &Stop::new()).unwrap();
        for line in lines {
            // In pieces that end anywhere.
            for piece in format!("{line}\n").as_bytes().chunks(5) {
                loader.feed(piece).map_err(|fault| explain(&to, "x", fault))?;
            }
        }
        loader.finish(&to)
    }

    fn is_damage(lines: &[String], why: &str) {
        match load(lines).err() {
            Some(CatalogError::Damaged { .. }) => {}
            other => panic!("{why}: {other:?}"),
        }
    }

    fn at(lines: &[String], begin: &str) -> usize {
        lines.iter().position(|line| line.starts_with(begin)).unwrap()
    }

    #[test]
    fn rows_in_order_become_a_catalog() {
        let catalog = load(&lines()).unwrap();
        let count =
            |sql: &str| catalog.conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM mounts WHERE path=X'2f62'"), 1);
        assert_eq!(count("SELECT count(*) FROM sets"), 0);
    }

    #[test]
    fn every_line_that_is_missing_twice_or_elsewhere_is_damage() {
        let sound = lines();
        for gone in 0..sound.len() {
            let mut lines = sound.clone();
            lines.remove(gone);
            is_damage(&lines, &format!("without {:?}", sound[gone]));
            let mut lines = sound.clone();
            lines.insert(gone, sound[gone].clone());
            is_damage(&lines, &format!("twice {:?}", sound[gone]));
            if gone > 0 && !sound[gone].starts_with("i1") {
                let mut lines = sound.clone();
                lines.swap(gone - 1, gone);
                is_damage(&lines, &format!("swapped {:?}", sound[gone]));
            }
        }
    }

    #[test]
    fn what_a_table_does_not_take_is_damage() {
        let sound = lines();
        let row = at(&sound, "i1\t");
        for odd in
            ["i1", "i1\tx2f\t-", "-\tx2f", "x01\tx2f", "i1\ti5", "i1\t-", "i1\tt2f", "", "\t"]
        {
            let mut lines = sound.clone();
            lines[row] = odd.to_owned();
            is_damage(&lines, odd);
        }
        for odd in ["end 3", "end -1", "end", "end 2 ", "END 2", "table mounts set_id path"] {
            let mut lines = sound.clone();
            *lines.last_mut().unwrap() = odd.to_owned();
            is_damage(&lines, odd);
        }
        for odd in ["version 0", "version 99", "version -1", "version x", "version"] {
            let mut lines = sound.clone();
            lines[1] = odd.to_owned();
            is_damage(&lines, odd);
        }
    }

    #[test]
    fn a_reason_is_shown_without_what_moves_a_terminal() {
        let refused = |words: &str| load(&[lines()[0].clone(), format!("refused {words}")]).err();
        let error = refused("damaged \u{1b}[31m").unwrap();
        assert!(matches!(error, CatalogError::Damaged { .. }), "{error:?}");
        assert!(!error.to_string().contains('\u{1b}'), "{error}");
        assert!(matches!(refused("not-ours x"), Some(CatalogError::NotOurs { .. })));
        assert!(matches!(refused("newer 99"), Some(CatalogError::Newer { found: 99, .. })));
        assert!(matches!(refused("newer 1"), Some(CatalogError::Damaged { .. })));
        assert!(matches!(refused("hungry"), Some(CatalogError::Damaged { .. })));
    }

    #[test]
    fn a_line_without_an_end_fills_no_memory() {
        let dir = tempfile::tempdir().unwrap();
        let mut loader = Loader::new(&dir.path().join("rows"), u64::MAX, &Stop::new()).unwrap();
        let piece = vec![b'x'; 1 << 20];
        let fed = (0..100).map(|_| loader.feed(&piece)).take_while(std::result::Result::is_ok);
        assert!(fed.count() <= LINE_MAX >> 20);
        assert!(loader.line.len() <= LINE_MAX);
    }
}
