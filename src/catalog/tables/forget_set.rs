//! Forgetting a set: every row that is about it, and nothing else.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{Fault, Refused, Result};
use crate::catalog::base::ids::SetId;
use rusqlite::Connection;

/// Rows that belong to a set through another one: the table, its column, and whose `id` that is.
const BELONGS: [(&str, &str, &str); 4] = [
    ("entries", "dir", "dirs"),
    ("parts", "content", "contents"),
    ("former_parts", "content", "contents"),
    ("members", "content", "contents"),
];

impl Catalog {
    /// Takes the set out of the catalog. Discs, shelves and staging areas are not looked at.
    pub fn forget_set(&mut self, set: SetId) -> Result<()> {
        // Directories are renumbered, and what is remembered of them would be wrong.
        self.dirs.take();
        self.change(set, "forgetting a set", |tx| {
            // Until the end of this transaction: the order of the tables does not matter.
            tx.execute_batch("PRAGMA defer_foreign_keys=ON")?;
            for (table, column, of) in BELONGS {
                let ids = format!("SELECT id FROM {of} WHERE set_id=?");
                tx.execute(&format!("DELETE FROM {table} WHERE {column} IN ({ids})"), [set.0])?;
            }
            for table in tables_of_sets(tx)? {
                tx.execute(&format!("DELETE FROM \"{table}\" WHERE set_id=?"), [set.0])?;
            }
            match tx.execute("DELETE FROM sets WHERE id=?", [set.0])? {
                1 => Ok(()),
                _ => Err(Refused::NoSet.into()),
            }
        })
    }
}

/// Asked of the database, so that a table that comes later is not forgotten here.
fn tables_of_sets(conn: &Connection) -> Result<Vec<String>, Fault> {
    let sql = "SELECT m.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c
               WHERE m.type='table' AND c.name='set_id'";
    let names = conn.prepare(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::testing::*;
    use crate::catalog::*;

    /// All rows of all tables, by table.
    fn counts(catalog: &Catalog) -> Vec<(String, i64)> {
        let sql = "SELECT name FROM sqlite_schema WHERE type='table' ORDER BY name";
        let mut query = catalog.conn.prepare(sql).unwrap();
        let names: Vec<String> = query.query_map([], |row| row.get(0)).unwrap().flatten().collect();
        let count = |name: String| {
            let sql = format!("SELECT count(*) FROM \"{name}\"");
            let rows = catalog.conn.query_row(&sql, [], |row| row.get(0)).unwrap();
            (name, rows)
        };
        names.into_iter().filter(|name| name != "owners").map(count).collect()
    }

    #[test]
    fn a_set_goes_with_all_its_rows_and_leaves_the_others() {
        let mut bench = CatalogBench::new();
        bench.store(&[whole("a/b/c", 1, 1), whole("d", 1, 2)]);
        let before = counts(bench.cat());
        assert!(before.iter().filter(|(_, rows)| *rows > 0).count() > 6, "{before:?}");
        let other = bench.cat().create_set(&facts("other", "/other")).unwrap();
        bench.cat().forget_set(other).unwrap();
        assert_eq!(counts(bench.cat()), before);
        let set = bench.set;
        bench.cat().forget_set(set).unwrap();
        let left: Vec<_> = counts(bench.cat()).into_iter().filter(|(_, rows)| *rows > 0).collect();
        assert_eq!(left, []);
        bench.cat().check().unwrap();
        let gone = bench.cat().forget_set(set);
        assert!(matches!(gone, Err(CatalogError::Refused(Refused::NoSet))), "{gone:?}");
    }
}
