//! Whether every value of a catalog that came from a disc is one that coldcut can read. A catalog that
//! took over others would be in the way of every command that comes later.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{CatalogError, Fault, Result, explain, odd};
use crate::catalog::base::ids::SetId;
use crate::catalog::base::schema;
use crate::catalog::files::open;
use crate::catalog::tables::listing::RowScope;
use crate::catalog::tables::places::DirTree;
use crate::port::stop::Stop;
use rusqlite::Connection;

/// More rows than any table ever has, and far from where numbers end.
const ID_MAX: i64 = 1 << 48;

impl Catalog {
    /// Reads everything that is known of this set as commands read it. The first thing that cannot be
    /// is the error; so is a wish to stop.
    pub fn prove(&self, set: SetId, stop: &Stop) -> Result<()> {
        self.read("looking for rows that belong together", open::check_references)?;
        self.prove_set(set)?;
        self.prove_runs(set, stop)?;
        self.prove_discs(set, stop)?;
        self.prove_dirs(set, stop)?;
        self.prove_rows(set, stop)
    }

    fn prove_set(&self, set: SetId) -> Result<()> {
        let sets = self.sets()?.len();
        self.read("counting sets and rows", |conn| match sets {
            1 => prove_ids(conn),
            _ => Err(odd(format!("{sets} sets, where the catalog on a disc has one"))),
        })?;
        self.copies_wanted(set)?;
        self.next_archive(set)?;
        self.next_disc(set)?;
        self.open_disc(set)?;
        self.last_disc_size(set)?;
        self.newest_listing(set)?;
        self.owes_listing(set)?;
        self.pending_rows(set)?;
        self.reopenable(set)?;
        self.recovery_groups(set)?;
        self.twins(set)?;
        self.shelved()?;
        self.readings(set)?;
        self.mounts(set)?;
        self.known_sizes(set)?;
        self.status(set).map(drop)
    }

    fn prove_runs(&self, set: SetId, stop: &Stop) -> Result<()> {
        for snapshot in self.snapshots(set)? {
            self.heed(stop)?;
            self.failures(set, snapshot.seq)?;
            self.refusal(set, snapshot.seq)?;
            self.run_lines(set, snapshot.seq)?;
        }
        self.last_trusted(set)?;
        self.stale_paths(set)?;
        self.unread_dirs(set).map(drop)
    }

    fn prove_discs(&self, set: SetId, stop: &Stop) -> Result<()> {
        for disc in self.discs(set)? {
            self.heed(stop)?;
            self.disc_files(set, disc.number)?;
            self.archives_of_disc(set, disc.number)?;
            self.copies(set, disc.number)?;
            self.verifications(set, disc.number)?;
            self.drills(set, disc.number)?;
            self.covered_by(set, disc.number)?;
        }
        Ok(())
    }

    /// Also those that no walk from the root comes to.
    fn prove_dirs(&self, set: SetId, stop: &Stop) -> Result<()> {
        let tree = self.read("listing directories", |conn| DirTree::load(conn, set))?;
        tree.ids().try_for_each(|dir| {
            self.heed(stop)?;
            self.read("listing directories", |_| tree.path(dir).map(drop))
        })
    }

    /// Of every snapshot, with the places of all contents.
    fn prove_rows(&self, set: SetId, stop: &Stop) -> Result<()> {
        self.walk::<CatalogError>(set, RowScope::All, |places, path, raw| {
            self.heed(stop)?;
            let place = places.of(&self.conn, &path, &raw);
            place.map(drop).map_err(|fault| self.in_listing(fault))
        })?;
        self.read("looking at parts of contents", |conn| {
            prove_parts(conn, "parts")?;
            prove_parts(conn, "former_parts")
        })
    }

    fn heed(&self, stop: &Stop) -> Result<()> {
        let stopped = |stopped| Fault::Io(std::io::Error::other(stopped));
        stop.check().map_err(|wish| explain(&self.path, "looking at every value", stopped(wish)))
    }
}

/// Rows of other sets get numbers above these.
fn prove_ids(conn: &Connection) -> Result<(), Fault> {
    for table in schema::tables(conn)? {
        let sql = format!("SELECT 1 FROM {} WHERE id NOT BETWEEN 1 AND {ID_MAX}", table.name);
        if table.columns.iter().any(|column| column == "id") && conn.prepare(&sql)?.exists([])? {
            return Err(odd(format!("a row of {} with an impossible number", table.name)));
        }
    }
    Ok(())
}

/// In one go: there are more of these rows than of any others.
fn prove_parts(conn: &Connection, table: &str) -> Result<(), Fault> {
    let sql = format!(
        "SELECT 1 FROM {table} WHERE max(part, archive) > 4294967295 OR min(part, archive,
         frame_offset, frame_length, tar_offset, ifnull(file_offset, 0), ifnull(length, 0)) < 0"
    );
    match conn.prepare(&sql)?.exists([])? {
        true => Err(odd(format!("an impossible number in {table}"))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::catalog::testing::*;
    use crate::catalog::*;
    use crate::port::stop::Stop;

    #[test]
    fn a_catalog_of_ours_is_proved_whole_and_a_wish_to_stop_ends_that() {
        let bench = CatalogBench::full();
        let (catalog, stop) = (bench.catalog.as_ref().unwrap(), Stop::new());
        catalog.prove(bench.set, &stop).unwrap();
        stop.ask(15);
        assert!(catalog.prove(bench.set, &stop).is_err());
    }

    #[test]
    fn whatever_no_command_could_read_is_found() {
        for odd in [
            "UPDATE copies SET state='fine'",
            "UPDATE copies SET bears='stone'",
            "UPDATE discs SET state='fine'",
            "UPDATE discs SET listings='ALL'",
            "UPDATE archives SET compression='rar'",
            "UPDATE archives SET size=-1",
            "INSERT INTO verifications(set_id, disc, copy, at, drive, finding, details)
             SELECT set_id, disc, copy, 0, '', 'fine', '' FROM copies",
            "INSERT INTO drills(set_id, disc, at, scope, finding, details)
             SELECT set_id, disc, 0, 'half', 'ok', '' FROM copies",
            "INSERT INTO refusals(set_id, seq, reason, files, bytes, of_files, of_bytes)
             SELECT set_id, seq, 'bored', 0, 0, 0, 0 FROM snapshots",
            "INSERT INTO failures(set_id, seq, path, what)
             SELECT set_id, seq, X'2e2e', '' FROM snapshots",
            "INSERT INTO mounts SELECT id, X'2e2e' FROM sets",
            "INSERT INTO twins SELECT id, 1, X'00', 1 FROM sets",
            "INSERT INTO disc_files SELECT set_id, disc, 'x', 1, X'00' FROM copies",
            "INSERT INTO dirs(set_id, parent, name) SELECT id, 77, X'61' FROM sets",
            "INSERT INTO contents(set_id, sha256, size) SELECT id, zeroblob(32), -1 FROM sets",
            "UPDATE sets SET parity_discs='much'",
            "UPDATE sets SET copies=-1",
            "UPDATE snapshots SET bytes=-5",
            "UPDATE entries SET note='?'",
            "UPDATE entries SET kind='zz'",
            "UPDATE entries SET mtime=X'00'",
            "UPDATE parts SET frame_offset=-1",
            "UPDATE parts SET archive=77",
            "INSERT INTO former_parts SELECT content, part, -1, 0, 0, 0, 0, 0, NULL, NULL FROM parts",
            "UPDATE entries SET owner=77",
            "INSERT INTO dirs(id, set_id, parent, name) SELECT -4, id, 0, X'61' FROM sets",
            "INSERT INTO contents(id, set_id, size) SELECT 9223372036854775807, id, 0 FROM sets",
            "INSERT INTO sets SELECT 77, 'other', zeroblob(16), source, encryption, certs, token, hidden,
             compression, created, 0, hint, copies, parity, parity_discs, disc_size, sealed_for,
             title, description, contact, rights, hint_in_clear FROM sets",
            "UPDATE discs SET format=9",
            "UPDATE snapshots SET uuid=X'00'",
            "INSERT INTO run_lines SELECT set_id, seq, 0, 'odd', X'61', NULL FROM snapshots",
        ] {
            let bench = CatalogBench::full();
            let catalog = bench.catalog.as_ref().unwrap();
            let sql = format!("PRAGMA foreign_keys=OFF; {odd}");
            catalog.conn.execute_batch(&sql).unwrap();
            assert!(catalog.conn.changes() > 0, "{odd}");
            let proved = catalog.prove(bench.set, &Stop::new());
            assert!(matches!(proved, Err(CatalogError::Damaged { .. })), "{odd}: {proved:?}");
        }
    }
}
