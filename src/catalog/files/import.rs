//! A set out of a catalog that came from a disc, into ours: row by row under numbers that are free
//! here. It knows tables by the names of their columns, which mean the same wherever they stand.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{Fault, Refused, Result};
use crate::catalog::base::ids::SetId;
use crate::catalog::base::schema::{self, Table};
use crate::catalog::base::value::OwnerRow;
use crate::port::stop::Stop;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};
use std::collections::HashMap;

/// What is added to the numbers of a table's rows, so that none is taken; and who became whom.
struct Shift {
    set: i64,
    dirs: i64,
    contents: i64,
    owners: HashMap<i64, i64>,
}

impl Catalog {
    /// Takes over the one set of a catalog that [`Catalog::open_exported`] or
    /// [`Catalog::open_foreign`] opened. A wish to stop ends it in the middle, with nothing taken
    /// over.
    pub fn import_set(&mut self, from: &Catalog, stop: &Stop) -> Result<SetId> {
        let set = from.sets()?.into_iter().next();
        let set = set.ok_or(crate::catalog::base::error::CatalogError::Refused(Refused::NoSet))?;
        if self.set_by_name(&set.facts.name)?.is_some() {
            return Err(Refused::NameTaken(set.facts.name).into());
        }
        let id = self.write("importing a set", |tx| {
            let shift = Shift {
                set: highest(tx, "sets")? + 1,
                dirs: highest(tx, "dirs")?,
                contents: highest(tx, "contents")?,
                owners: take_owners(&from.conn, tx)?,
            };
            for table in schema::tables(&from.conn)? {
                if table.name != "owners" {
                    copy(&from.conn, tx, &table, &shift, stop)?;
                }
            }
            Ok(SetId(shift.set))
        })?;
        self.dirs.replace(crate::catalog::base::dirs::DirStack::default());
        Ok(id)
    }
}

fn highest(conn: &Connection, table: &str) -> Result<i64, Fault> {
    let sql = format!("SELECT COALESCE(max(id), 0) FROM {table}");
    Ok(conn.query_row(&sql, [], |row| row.get(0))?)
}

/// Owners are shared by all sets: each combination is there once.
fn take_owners(from: &Connection, to: &Connection) -> Result<HashMap<i64, i64>, Fault> {
    let mut query = from.prepare("SELECT id, mode, uid, gid, user, grp FROM owners")?;
    let mut owners = HashMap::new();
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        owners.insert(row.get(0)?, OwnerRow::read(row, 1)?.intern(to)?);
    }
    Ok(owners)
}

fn copy(
    from: &Connection,
    to: &Connection,
    table: &Table,
    shift: &Shift,
    stop: &Stop,
) -> Result<(), Fault> {
    let mut query = table.select(from)?;
    let (name, columns) = (&table.name, &table.columns);
    let own = if columns.iter().any(|column| column == "id") { highest(to, name)? } else { 0 };
    let mut insert = to.prepare(&table.insert())?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        stop.check().map_err(|stopped| Fault::Io(std::io::Error::other(stopped)))?;
        let values = columns.iter().enumerate().map(|(at, column)| {
            let value = row.get(at)?;
            shifted(name, column, value, own, shift)
        });
        insert.execute(params_from_iter(values.collect::<Result<Vec<Value>, Fault>>()?))?;
    }
    Ok(())
}

fn shifted(
    table: &str,
    column: &str,
    value: Value,
    own: i64,
    shift: &Shift,
) -> Result<Value, Fault> {
    if (table, column) == ("sets", "sealed_for") {
        // For whom the last run encrypted, only the catalog of that run can tell.
        return Ok(Value::Null);
    }
    let Value::Integer(number) = value else { return Ok(value) };
    let moved = |by: i64| {
        number.checked_add(by).ok_or_else(|| crate::catalog::base::error::odd("a huge number"))
    };
    Ok(Value::Integer(match (table, column) {
        ("sets", "id") | (_, "set_id") => shift.set,
        ("dirs", "parent") if number == crate::catalog::base::dirs::ABOVE_ROOT => number,
        ("dirs", "id" | "parent") | (_, "dir") => moved(shift.dirs)?,
        ("contents", "id") | (_, "content") => moved(shift.contents)?,
        (_, "owner") => *shift.owners.get(&number).ok_or_else(|| {
            crate::catalog::base::error::odd(format!("the owner {number} is missing"))
        })?,
        (_, "id") => moved(own)?,
        _ => number,
    }))
}

impl OwnerRow {
    fn read(row: &Row, first: usize) -> Result<OwnerRow, Fault> {
        Ok(OwnerRow {
            mode: row.get(first)?,
            uid: row.get(first + 1)?,
            gid: row.get(first + 2)?,
            user: row.get(first + 3)?,
            group: row.get(first + 4)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::catalog::base::error::Refused;
    use crate::catalog::testing::*;
    use crate::catalog::*;
    use crate::model::SnapshotSeq;
    use crate::model::{DiscNo, Kind, RelPath};
    use crate::port::stop::Stop;

    fn exported(bench: &CatalogBench, name: &str) -> Catalog {
        let out = bench.dir.path().join(name);
        bench.catalog.as_ref().unwrap().export_set(bench.set, &out, &Stop::new()).unwrap();
        Catalog::open_exported(&out).unwrap()
    }

    #[test]
    fn a_set_comes_over_whole_whatever_is_there_already() {
        let bench = CatalogBench::full();
        let from = exported(&bench, "out.sqlite");
        let mut other = CatalogBench::new();
        other.store(&[whole("x/y", 9, 1), bare("z", Kind::Dir)]);
        let facts = facts("other", "/");
        other.cat().create_set(&facts).unwrap();
        let name = bench.catalog.as_ref().unwrap().sets().unwrap()[0].facts.name.clone();
        let taken = other.cat().import_set(&from, &Stop::new());
        assert!(matches!(taken, Err(CatalogError::Refused(Refused::NameTaken(_)))), "{taken:?}");
        other
            .cat()
            .conn
            .execute("UPDATE sets SET name='third' WHERE name=?", [name.as_str()])
            .unwrap();
        let set = other.cat().import_set(&from, &Stop::new()).unwrap();
        let (ours, theirs) = (other.catalog.as_ref().unwrap(), bench.catalog.as_ref().unwrap());
        for seq in [1, 2].map(SnapshotSeq) {
            assert_eq!(rows(ours, set, seq), rows(theirs, bench.set, seq));
        }
        assert_eq!(ours.discs(set).unwrap(), theirs.discs(bench.set).unwrap());
        assert_eq!(
            ours.copies(set, DiscNo(1)).unwrap(),
            theirs.copies(bench.set, DiscNo(1)).unwrap()
        );
        assert_eq!(ours.next_archive(set).unwrap(), theirs.next_archive(bench.set).unwrap());
        assert_eq!(ours.snapshots(set).unwrap(), theirs.snapshots(bench.set).unwrap());
        let path = RelPath::new(b"film").unwrap();
        let seq = SnapshotSeq(2);
        assert_eq!(
            ours.resolve(set, seq, &path).unwrap(),
            theirs.resolve(bench.set, seq, &path).unwrap()
        );
        let foreign = ours.conn.prepare("PRAGMA foreign_key_check").unwrap().exists([]).unwrap();
        assert!(!foreign);
    }

    /// Whoever adds a table sees here whether its columns are named as this module expects.
    #[test]
    fn every_column_that_counts_rows_of_another_table_is_known() {
        let bench = CatalogBench::new();
        let conn = &bench.catalog.as_ref().unwrap().conn;
        let mut query = conn
            .prepare(
                "SELECT m.name, f.\"table\", f.\"from\" FROM sqlite_schema m,
                 pragma_foreign_key_list(m.name) f WHERE m.type='table'",
            )
            .unwrap();
        let row = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let keys: Vec<(String, String, String)> =
            query.query_map([], row).unwrap().collect::<rusqlite::Result<_>>().unwrap();
        assert!(keys.len() > 8);
        for (table, target, column) in keys {
            let expected: &[&str] = match target.as_str() {
                "sets" => &["set_id"],
                "dirs" => &["dir"],
                "owners" => &["owner"],
                "contents" => &["content"],
                // Keys of people's numbers, under a set.
                _ => &["set_id", "disc", "recovery", "copy", "number", "archive", "seq"],
            };
            assert!(
                expected.contains(&column.as_str()),
                "{table}.{column} names a row of {target}"
            );
        }
    }
}
