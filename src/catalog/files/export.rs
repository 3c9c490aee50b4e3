//! The catalog of one set, for its discs: built from scratch, row by row, so that not a byte of
//! another set can be in it, not even in free space.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{
    CatalogError, Fault, Refused, Result, explain, for_want_of_room,
};
use crate::catalog::base::ids::SetId;
use crate::catalog::base::schema;
use crate::catalog::base::value::path_bytes;
use crate::port::stop::Stop;
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
    ("former_parts", "content IN (SELECT id FROM src.contents WHERE set_id=?1)"),
    ("members", "content IN (SELECT id FROM src.contents WHERE set_id=?1)"),
    ("disc_files", "set_id=?1"),
    ("copies", "set_id=?1"),
    ("verifications", "set_id=?1"),
    ("twins", "set_id=?1"),
    ("drills", "set_id=?1"),
    ("covered", "set_id=?1"),
    ("failures", "set_id=?1"),
    ("refusals", "set_id=?1"),
    ("mounts", "set_id=?1"),
    ("run_lines", "set_id=?1"),
];

/// SQLite asks whether it should stop once in so many of its steps: many times a second.
const STEPS: i32 = 10_000;

impl Catalog {
    /// Writes a new file `to` with the rows of this set alone: the same tables, no indexes, one
    /// plain file without a journal. [`Catalog::open_exported`] reads it.
    /// A wish to stop ends it in the middle of a table; what was written is of no use then, and the
    /// error says no more than that SQLite was interrupted.
    pub fn export_set(&self, set: SetId, to: &Path, stop: &Stop) -> Result<()> {
        self.read("exporting a set", |conn| {
            let known = conn.prepare("SELECT 1 FROM sets WHERE id=?")?.exists([set.0])?;
            if known { Ok(()) } else { Err(Refused::NoSet.into()) }
        })?;
        let failed = |source| CatalogError::Export { path: to.to_owned(), source };
        build(&self.path, set, to, stop).map_err(|fault| match fault {
            Fault::Sql(error) => {
                failed(for_want_of_room(to, error).unwrap_or_else(io::Error::other))
            }
            Fault::Io(error) => failed(error),
            other => explain(to, "exporting a set", other),
        })
    }

    /// Bytes of the whole catalog. What [`export_set`](Self::export_set) writes is not more: it has
    /// a part of the rows, no indexes and no free pages.
    pub fn bytes(&self) -> Result<u64> {
        self.read("asking for the catalog's size", |conn| {
            let pages: i64 = conn.pragma_query_value(None, "page_count", |row| row.get(0))?;
            let page: i64 = conn.pragma_query_value(None, "page_size", |row| row.get(0))?;
            Ok(pages.unsigned_abs() * page.unsigned_abs())
        })
    }
}

/// A file that was there before is never written into.
pub(in crate::catalog) fn make_new_file(to: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map(drop)
}

/// A new file without tables, which a wish to stop ends whatever is done with it.
pub(in crate::catalog) fn new_database(to: &Path, stop: &Stop) -> Result<Connection, Fault> {
    make_new_file(to).map_err(Fault::Io)?;
    let conn = Connection::open(std::path::absolute(to).unwrap_or_else(|_| to.to_owned()))?;
    let asked = stop.clone();
    conn.progress_handler(STEPS, Some(move || asked.check().is_err()))?;
    // Not synced: after a power cut the file is created again.
    conn.execute_batch("PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF")?;
    Ok(conn)
}

fn build(from: &Path, set: SetId, to: &Path, stop: &Stop) -> Result<(), Fault> {
    let conn = new_database(to, stop)?;
    conn.execute_batch("PRAGMA secure_delete=ON")?;
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

#[cfg(test)]
mod tests {
    use crate::catalog::files::foreign::tests::open as open_foreign;
    use crate::catalog::testing::*;
    use crate::catalog::*;
    use crate::model::Carrier;
    use crate::model::{ArchiveNo, Kind, RelPath, SnapshotSeq};
    use crate::port::stop::Stop;
    use rusqlite::Connection;
    use std::fs;

    /// Two sets in one catalog, with history, holes and free pages; the other one's names all
    /// carry the word "secret".
    fn two_sets() -> CatalogBench {
        let mut bench = CatalogBench::new();
        let set = bench.cat().create_set(&facts("secret-set", "/secret/source")).unwrap();
        let seq = bench.cat().begin_snapshot(set, NOW).unwrap();
        bench.cat().begin_disc(set, &new_disc(1), NOW).unwrap();
        let mut members: Vec<_> =
            (0..500).map(|n| whole(&format!("secret/dir{n}/secret{n}"), 1, n)).collect();
        members[0].entry.meta.user = b"secret-user".to_vec();
        members[1].entry.meta.link = b"secret-link".to_vec();
        let own: Vec<_> = (0..500).map(|n| whole(&format!("mine/{n}"), 1, n)).collect();
        for half in 0..2 {
            let number = ArchiveNo(half + 1);
            let members = &members[half as usize * 250..][..250];
            let record = archive(number, bench.disc, seq);
            bench.cat().commit_archive(set, &record, members).unwrap();
            bench.store(&own[half as usize * 250..][..250]);
        }
        bench.cat().close_disc(set, bench_disc(), &closed(seq)).unwrap();
        bench
            .cat()
            .record_copy(
                set,
                bench_disc(),
                &Carrier::Words("secret-medium".into()),
                "secret-place",
                NOW,
            )
            .unwrap();
        bench
    }

    fn bench_disc() -> crate::model::DiscNo {
        crate::model::DiscNo(1)
    }

    #[test]
    fn not_a_byte_of_another_set_is_in_a_sets_copy() {
        let bench = two_sets();
        let catalog = bench.catalog.as_ref().unwrap();
        let out = bench.dir.path().join("out.sqlite");
        catalog.export_set(bench.set, &out, &Stop::new()).unwrap();
        let bytes = fs::read(&out).unwrap();
        let holds = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
        assert!(holds(b"/home/a/photos") && holds(b"499"));
        assert!(!holds(b"secret"));
        let secret = catalog.set_by_name(&facts("secret-set", "").name).unwrap().unwrap();
        let other = bench.dir.path().join("other.sqlite");
        catalog.export_set(secret.id, &other, &Stop::new()).unwrap();
        let bytes = fs::read(&other).unwrap();
        let holds = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
        for word in ["secret-user", "secret-link", "secret499", "secret-medium", "/secret/source"] {
            assert!(holds(word.as_bytes()), "{word}");
        }
        assert!(!holds(b"mine"));
    }

    #[test]
    fn the_copy_is_one_plain_file_without_indexes_and_free_pages() {
        let bench = two_sets();
        let out = bench.dir.path().join("out.sqlite");
        bench.catalog.as_ref().unwrap().export_set(bench.set, &out, &Stop::new()).unwrap();
        let conn = Connection::open(&out).unwrap();
        let ask = |sql: &str| -> String { conn.query_row(sql, [], |row| row.get(0)).unwrap() };
        let indexes = "SELECT CAST(count(*) AS TEXT) FROM sqlite_schema WHERE type='index'";
        assert_eq!(ask(indexes), "0");
        assert_eq!(ask("SELECT CAST(freelist_count AS TEXT) FROM pragma_freelist_count"), "0");
        assert_eq!(ask("PRAGMA journal_mode"), "delete");
        drop(conn);
        let around: Vec<_> = fs::read_dir(bench.dir.path()).unwrap().collect();
        assert_eq!(around.len(), 2, "the catalog's directory and the copy: {around:?}");
        let again = bench.catalog.as_ref().unwrap().export_set(bench.set, &out, &Stop::new());
        assert!(matches!(again, Err(CatalogError::Export { .. })), "{again:?}");
    }

    #[test]
    fn the_copy_tells_all_that_the_catalog_knows_of_the_set() {
        let bench = two_sets();
        let catalog = bench.catalog.as_ref().unwrap();
        let secret = catalog.set_by_name(&facts("secret-set", "").name).unwrap().unwrap();
        let out = bench.dir.path().join("out.sqlite");
        catalog.export_set(secret.id, &out, &Stop::new()).unwrap();
        let copy = Catalog::open_exported(&out).unwrap();
        let set = copy.sets().unwrap().remove(0);
        assert_eq!(set, secret);
        let seq = SnapshotSeq(1);
        assert_eq!(rows(&copy, set.id, seq), rows(catalog, set.id, seq));
        assert_eq!(copy.discs(set.id).unwrap(), catalog.discs(set.id).unwrap());
        let files = |c: &Catalog| c.disc_files(set.id, bench_disc()).unwrap();
        assert_eq!(files(&copy), files(catalog));
        let path = RelPath::new(b"secret/dir3/secret3").unwrap();
        let found = copy.resolve(set.id, seq, &path).unwrap();
        assert!(found.is_some());
        assert_eq!(found, catalog.resolve(set.id, seq, &path).unwrap());
    }

    /// Reads all that there is to read.
    fn read_all(catalog: &Catalog) -> Result<()> {
        for set in catalog.sets()? {
            let set = set.id;
            catalog.find(set, None, |_| true)?;
            catalog.live_dirs(set)?;
            catalog.known_sizes(set)?;
            catalog.status(set)?;
            catalog.next_archive(set)?;
            catalog.next_disc(set)?;
            for disc in catalog.discs(set)? {
                catalog.disc_files(set, disc.number)?;
                catalog.archives_of_disc(set, disc.number)?;
                catalog.copies(set, disc.number)?;
            }
            for snapshot in catalog.snapshots(set)? {
                catalog.snapshot_rows(set, snapshot.seq, |listed| {
                    catalog.resolve(set, snapshot.seq, &listed.row.path)?;
                    listed.content.map_or(Ok(Vec::new()), |id| catalog.parts_of(set, id))?;
                    Ok::<(), CatalogError>(())
                })?;
            }
        }
        Ok(())
    }

    #[test]
    fn a_strangers_values_are_damage_and_never_a_panic() {
        let mut bench = CatalogBench::new();
        bench.store(&[bare("d", Kind::Dir), whole("d/e/f", 9, 1), slice("film", 9, 1, Some(3))]);
        let set = bench.set;
        bench.next_disc();
        bench
            .cat()
            .record_copy(set, bench_disc(), &Carrier::Words(String::new()), "", NOW)
            .unwrap();
        let whole = bench.dir.path().join("whole.sqlite");
        bench.catalog.as_ref().unwrap().export_set(set, &whole, &Stop::new()).unwrap();
        let path = bench.dir.path().join("odd.sqlite");
        for odd in [
            "UPDATE entries SET kind='zz'",
            "UPDATE entries SET kind=''",
            "UPDATE entries SET name=X'2e2e'",
            "UPDATE entries SET name=X'612f62'",
            "UPDATE entries SET name=X'' WHERE name=X'66'",
            "UPDATE entries SET first_seq=-1",
            "UPDATE entries SET first_seq=1099511627776",
            "UPDATE entries SET owner=77",
            "UPDATE entries SET content=77 WHERE kind='f'",
            "UPDATE entries SET mtime=X'00'",
            "UPDATE entries SET mtime=1.5",
            "UPDATE entries SET extra=X'01ffffffff'",
            "UPDATE entries SET note='?'",
            "UPDATE entries SET moved=1",
            "UPDATE dirs SET name=X'2e2e' WHERE parent<>0",
            "UPDATE dirs SET name=X'' WHERE parent<>0",
            "UPDATE dirs SET parent=id WHERE parent<>0",
            "UPDATE dirs SET parent=77 WHERE parent<>0",
            "UPDATE dirs SET parent=0",
            "UPDATE contents SET sha256=X'00'",
            "UPDATE contents SET size=-1",
            "UPDATE parts SET archive=77",
            "UPDATE parts SET frame_offset=-1",
            "UPDATE parts SET part=-1",
            "UPDATE parts SET part=7",
            "UPDATE archives SET sha256=X''",
            "UPDATE archives SET compression='rar'",
            "UPDATE archives SET number=-number",
            "UPDATE discs SET uuid=X'00'",
            "UPDATE discs SET state='fine'",
            "UPDATE discs SET number=4294967295 WHERE number=2",
            "UPDATE discs SET listings='ALL'",
            "UPDATE copies SET state='fine'",
            "UPDATE sets SET name='a/b'",
            "UPDATE sets SET uuid=X''",
            "UPDATE sets SET last_archive=4294967295",
            "UPDATE snapshots SET seq=-5",
            "UPDATE snapshots SET bytes=-5",
            "UPDATE owners SET mode=-1",
        ] {
            fs::copy(&whole, &path).unwrap();
            let conn = Connection::open(&path).unwrap();
            let odd = odd.replacen("UPDATE", "UPDATE OR REPLACE", 1);
            conn.execute_batch(&format!("PRAGMA foreign_keys=OFF; {odd}")).unwrap();
            drop(conn);
            let read = open_foreign(&path).and_then(|catalog| read_all(&catalog));
            assert!(matches!(read, Err(CatalogError::Damaged { .. })), "{odd}: {read:?}");
        }
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch("CREATE VIEW extra AS SELECT 1").unwrap();
        drop(conn);
        let opened = open_foreign(&path).err();
        assert!(matches!(opened, Some(CatalogError::NotOurs { .. })), "{opened:?}");
    }

    #[test]
    fn a_flipped_byte_anywhere_is_an_error_or_another_value_and_never_a_panic() {
        let mut bench = CatalogBench::new();
        let members: Vec<_> = (0..60).map(|n| whole(&format!("d/{n}"), 1, n)).collect();
        bench.store(&members);
        let whole = bench.dir.path().join("whole.sqlite");
        bench.catalog.as_ref().unwrap().export_set(bench.set, &whole, &Stop::new()).unwrap();
        let bytes = fs::read(&whole).unwrap();
        let path = bench.dir.path().join("flipped.sqlite");
        let mut refused = 0;
        for at in (0..bytes.len()).step_by(499) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0xff;
            fs::write(&path, &bytes).unwrap();
            let read = open_foreign(&path).and_then(|catalog| read_all(&catalog));
            refused += u32::from(read.is_err());
        }
        assert!(refused > 10, "{refused}");
    }

    #[test]
    fn a_wish_to_stop_ends_an_export_in_the_middle() {
        let mut bench = CatalogBench::new();
        let members: Vec<_> = (0..3_000).map(|n| whole(&format!("f{n}"), 5, n)).collect();
        bench.store(&members);
        let stop = Stop::new();
        let out = |name: &str| bench.dir.path().join(name);
        let catalog = bench.catalog.as_ref().unwrap();
        catalog.export_set(bench.set, &out("whole"), &stop).unwrap();
        stop.ask(15);
        let ended = catalog.export_set(bench.set, &out("part"), &stop);
        assert!(ended.is_err_and(|error| chain_of(&error).contains("interrupted")));
        let length = |name: &str| fs::metadata(out(name)).unwrap().len();
        assert!(length("part") < length("whole"), "{} of {}", length("part"), length("whole"));
        assert_eq!(bench.rows(1).len(), 3_000, "the catalog itself is as it was");
    }

    fn chain_of(error: &dyn std::error::Error) -> String {
        let below = error.source().map(chain_of).unwrap_or_default();
        format!("{error}: {below}")
    }
}
