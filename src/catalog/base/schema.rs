//! The tables, as numbered migrations that are only ever appended to, and the indexes.
//!
//! Indexes stand apart from tables: the copy of the catalog on a disc has none, and whoever opens
//! it rebuilds them. So no table has a UNIQUE constraint, which would hide an index in it.

use crate::catalog::base::error::Fault;
use rusqlite::{Connection, Statement};

/// `user_version` counts how many of these a catalog has been through.
///
/// Names and paths are BLOBs: a file system promises no character set. A directory is a row of
/// `dirs` as soon as something was in it; the root of a set has parent 0. The source's own row in
/// `entries` is in the root directory, under the empty name.
///
/// `entries`: valid at snapshot N if `first_seq <= N` and `last_seq` is NULL or `>= N`. `size` is
/// NULL where there is content, whose size it is. `mtime`, `ctime`: nanoseconds since 1970, or 12
/// bytes where these do not fit; `ctime` is NULL where it equals `mtime`. `moved` is 1 where the
/// content was stored under another name than this row's. No foreign key on `content`: without an
/// index (40 bytes a file) each deleted content would search the whole table.
///
/// `contents`: `sha256` is NULL as long as parts are missing. `parts.part` is 0 for a whole file.
/// `members`: names of contents that no row of `entries` has any more, or that never were paths.
///
/// Version 2: `sets.hint` reminds a person of the passphrase, `sets.copies` is how many verified
/// copies each disc shall have. `contents.gone` is 1 where a part is on a disc of which no copy is
/// left: where it was stays known, and whoever looks for the content does not find it.
/// `verifications`: places that were slow, the milliseconds of the slowest, and places that could
/// not be read; all 0 where nobody looked. `former_parts`: where a content was before it was stored
/// once more; should that new place be lost, the old one may still be there. With the id of the
/// parts and the member's name that it had.
/// Version 3: `snapshots.trusted` is 1 where the run was shown the attributes `trusted.*`, which
/// only root is. Version 4: `twins` are discs that carry a number of `discs` and are others.
/// Version 5: `drills` are tries to open a disc with standard tools alone.
/// Version 6: `sets.parity` is the percent of recovery data of the last run, `sets.parity_discs`
/// how many recovery discs each group of discs gets (`2/10`; NULL: none). `covered`: for which
/// discs the disc `recovery` is a recovery disc.
/// Version 7: `snapshots.counted` is 0 where the counts are not those of a run: the snapshot was
/// told from discs. `failures`: paths that a run could not read, the first of them, and why.
/// `refusals`: runs that stopped after the scan because too much of the source was gone; `path` is
/// the directory that was a mount point, the other columns say how much of the former state was
/// there no more. `mounts`: directories of the source that were mount points when it was scanned
/// last. Version 8: what carries a copy, in columns (`carrier.rs`): until then `medium` was a
/// sentence, which is read here for the last time. What of it is not understood stays in `words`.
/// Version 9: `sets.disc_size` is the size in sectors that a person named last (NULL: nobody did).
/// Version 10: the id of the shelf that a copy is on, the identity of the file system under it, and
/// the image's name where it is not the one that images of the disc have.
/// Version 11: `discs.begun` is when the first archive of a disc was recorded (NULL: not known),
/// `discs.burn` when a burner was first about to be started on it (NULL: never; 0: it was closed
/// before this was noted, and may have been).
/// Version 13: `discs.format` is the format that the disc is written in; `snapshots.uuid` tells two
/// snapshots of one number apart (NULL: it was made before). `sets.title` to `rights` are on each
/// disc in clear, and so is the hint where `hint_in_clear` is 1. `run_lines`: what the newest run
/// says of itself on the discs, in order; `why` is of `skipped` and `option`.
const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE sets(
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, uuid BLOB NOT NULL, source BLOB NOT NULL,
    encryption TEXT NOT NULL, certs BLOB, token BLOB, hidden INTEGER NOT NULL,
    compression TEXT NOT NULL, created INTEGER NOT NULL, last_archive INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE snapshots(
    set_id INTEGER NOT NULL REFERENCES sets(id), seq INTEGER NOT NULL,
    started INTEGER NOT NULL, finished INTEGER, source BLOB NOT NULL,
    stored INTEGER NOT NULL DEFAULT 0, unchanged INTEGER NOT NULL DEFAULT 0,
    excluded INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY(set_id, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE dirs(
    id INTEGER PRIMARY KEY, set_id INTEGER NOT NULL REFERENCES sets(id),
    parent INTEGER NOT NULL, name BLOB NOT NULL
) STRICT;
CREATE TABLE owners(
    id INTEGER PRIMARY KEY, mode INTEGER NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL,
    user BLOB NOT NULL, grp BLOB NOT NULL
) STRICT;
CREATE TABLE contents(
    id INTEGER PRIMARY KEY, set_id INTEGER NOT NULL REFERENCES sets(id),
    sha256 BLOB, size INTEGER NOT NULL, parts_id INTEGER
) STRICT;
CREATE TABLE entries(
    dir INTEGER NOT NULL REFERENCES dirs(id), name BLOB NOT NULL, first_seq INTEGER NOT NULL,
    last_seq INTEGER, kind TEXT NOT NULL, size INTEGER, mtime ANY NOT NULL, ctime ANY,
    inode INTEGER NOT NULL, owner INTEGER NOT NULL REFERENCES owners(id), content INTEGER,
    moved INTEGER, extra BLOB, note TEXT,
    PRIMARY KEY(dir, name, first_seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE discs(
    set_id INTEGER NOT NULL REFERENCES sets(id), number INTEGER NOT NULL, uuid BLOB NOT NULL,
    capacity INTEGER NOT NULL, state TEXT NOT NULL, image INTEGER, closed INTEGER,
    last_seq INTEGER, listings TEXT, listing_seq INTEGER,
    PRIMARY KEY(set_id, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE archives(
    set_id INTEGER NOT NULL, number INTEGER NOT NULL, disc INTEGER NOT NULL,
    compression TEXT NOT NULL, encrypted INTEGER NOT NULL, size INTEGER NOT NULL,
    plain INTEGER NOT NULL, sha256 BLOB NOT NULL, bytes INTEGER NOT NULL, seq INTEGER NOT NULL,
    PRIMARY KEY(set_id, number),
    FOREIGN KEY(set_id, disc) REFERENCES discs(set_id, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE parts(
    content INTEGER NOT NULL REFERENCES contents(id), part INTEGER NOT NULL,
    archive INTEGER NOT NULL, frame_offset INTEGER NOT NULL, frame_length INTEGER NOT NULL,
    tar_offset INTEGER NOT NULL, file_offset INTEGER, length INTEGER,
    PRIMARY KEY(content, part)
) STRICT, WITHOUT ROWID;
CREATE TABLE members(
    content INTEGER PRIMARY KEY REFERENCES contents(id), path BLOB NOT NULL
) STRICT;
CREATE TABLE disc_files(
    set_id INTEGER NOT NULL, disc INTEGER NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    PRIMARY KEY(set_id, disc, path),
    FOREIGN KEY(set_id, disc) REFERENCES discs(set_id, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE copies(
    set_id INTEGER NOT NULL, disc INTEGER NOT NULL, copy INTEGER NOT NULL,
    medium TEXT NOT NULL, place TEXT NOT NULL, burned INTEGER NOT NULL, state TEXT NOT NULL,
    PRIMARY KEY(set_id, disc, copy),
    FOREIGN KEY(set_id, disc) REFERENCES discs(set_id, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE verifications(
    id INTEGER PRIMARY KEY, set_id INTEGER NOT NULL, disc INTEGER NOT NULL,
    copy INTEGER NOT NULL, at INTEGER NOT NULL, drive TEXT NOT NULL, finding TEXT NOT NULL,
    details TEXT NOT NULL,
    FOREIGN KEY(set_id, disc, copy) REFERENCES copies(set_id, disc, copy)
) STRICT;
",
    "
ALTER TABLE sets ADD COLUMN hint TEXT;
ALTER TABLE sets ADD COLUMN copies INTEGER NOT NULL DEFAULT 1;
ALTER TABLE contents ADD COLUMN gone INTEGER;
ALTER TABLE verifications ADD COLUMN slow INTEGER NOT NULL DEFAULT 0;
ALTER TABLE verifications ADD COLUMN slowest INTEGER NOT NULL DEFAULT 0;
ALTER TABLE verifications ADD COLUMN unreadable INTEGER NOT NULL DEFAULT 0;
CREATE TABLE former_parts(
    content INTEGER NOT NULL REFERENCES contents(id), part INTEGER NOT NULL,
    archive INTEGER NOT NULL, frame_offset INTEGER NOT NULL, frame_length INTEGER NOT NULL,
    tar_offset INTEGER NOT NULL, file_offset INTEGER, length INTEGER,
    parts_id INTEGER, member BLOB,
    PRIMARY KEY(content, part)
) STRICT, WITHOUT ROWID;
",
    "
ALTER TABLE snapshots ADD COLUMN trusted INTEGER NOT NULL DEFAULT 0;
",
    "
CREATE TABLE twins(
    set_id INTEGER NOT NULL REFERENCES sets(id), number INTEGER NOT NULL, uuid BLOB NOT NULL,
    last_seq INTEGER NOT NULL,
    PRIMARY KEY(set_id, number, uuid)
) STRICT, WITHOUT ROWID;
",
    "
CREATE TABLE drills(
    id INTEGER PRIMARY KEY, set_id INTEGER NOT NULL, disc INTEGER NOT NULL, at INTEGER NOT NULL,
    scope TEXT NOT NULL, finding TEXT NOT NULL, details TEXT NOT NULL,
    FOREIGN KEY(set_id, disc) REFERENCES discs(set_id, number)
) STRICT;
",
    "
ALTER TABLE sets ADD COLUMN parity INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sets ADD COLUMN parity_discs TEXT;
CREATE TABLE covered(
    set_id INTEGER NOT NULL, recovery INTEGER NOT NULL, disc INTEGER NOT NULL,
    PRIMARY KEY(set_id, recovery, disc),
    FOREIGN KEY(set_id, recovery) REFERENCES discs(set_id, number)
) STRICT, WITHOUT ROWID;
",
    "
ALTER TABLE snapshots ADD COLUMN counted INTEGER NOT NULL DEFAULT 1;
UPDATE snapshots SET counted=0
    WHERE finished IS NOT NULL AND stored=0 AND unchanged=0 AND excluded=0 AND failed=0;
CREATE TABLE failures(
    set_id INTEGER NOT NULL, seq INTEGER NOT NULL, path BLOB NOT NULL, what TEXT NOT NULL,
    PRIMARY KEY(set_id, seq, path),
    FOREIGN KEY(set_id, seq) REFERENCES snapshots(set_id, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE refusals(
    set_id INTEGER NOT NULL, seq INTEGER NOT NULL, reason TEXT NOT NULL, path BLOB,
    files INTEGER NOT NULL, bytes INTEGER NOT NULL,
    of_files INTEGER NOT NULL, of_bytes INTEGER NOT NULL,
    PRIMARY KEY(set_id, seq),
    FOREIGN KEY(set_id, seq) REFERENCES snapshots(set_id, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE mounts(
    set_id INTEGER NOT NULL REFERENCES sets(id), path BLOB NOT NULL,
    PRIMARY KEY(set_id, path)
) STRICT, WITHOUT ROWID;
",
    crate::catalog::base::carrier::FROM_WORDS,
    "
ALTER TABLE sets ADD COLUMN disc_size INTEGER;
",
    crate::catalog::base::carrier::SHELF_IDS,
    "
ALTER TABLE discs ADD COLUMN begun INTEGER;
ALTER TABLE discs ADD COLUMN burn INTEGER;
UPDATE discs SET burn=0 WHERE state<>'open';
",
    "
ALTER TABLE sets ADD COLUMN sealed_for TEXT;
",
    "
ALTER TABLE discs ADD COLUMN format INTEGER NOT NULL DEFAULT 1;
ALTER TABLE snapshots ADD COLUMN uuid BLOB;
ALTER TABLE sets ADD COLUMN title TEXT;
ALTER TABLE sets ADD COLUMN description TEXT;
ALTER TABLE sets ADD COLUMN contact TEXT;
ALTER TABLE sets ADD COLUMN rights TEXT;
ALTER TABLE sets ADD COLUMN hint_in_clear INTEGER NOT NULL DEFAULT 0;
CREATE TABLE run_lines(
    set_id INTEGER NOT NULL, seq INTEGER NOT NULL, place INTEGER NOT NULL,
    kind TEXT NOT NULL, what BLOB NOT NULL, why BLOB,
    PRIMARY KEY(set_id, seq, place),
    FOREIGN KEY(set_id, seq) REFERENCES snapshots(set_id, seq)
) STRICT, WITHOUT ROWID;
",
];

/// The digest's first 8 bytes tell contents apart well enough to look at a row or two.
const INDEXES: &str = "
CREATE UNIQUE INDEX IF NOT EXISTS sets_by_name ON sets(name);
CREATE UNIQUE INDEX IF NOT EXISTS dirs_by_name ON dirs(parent, name, set_id);
CREATE UNIQUE INDEX IF NOT EXISTS owners_by_value ON owners(mode, uid, gid, user, grp);
CREATE INDEX IF NOT EXISTS contents_by_digest ON contents(substr(sha256, 1, 8));
CREATE UNIQUE INDEX IF NOT EXISTS contents_by_parts ON contents(parts_id, set_id)
    WHERE parts_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS contents_gone ON contents(substr(sha256, 1, 8)) WHERE gone=1;
CREATE INDEX IF NOT EXISTS archives_by_disc ON archives(set_id, disc);
";

/// The version of the tables that this program writes.
pub(in crate::catalog) const VERSION: i64 = MIGRATIONS.len() as i64;

pub(in crate::catalog) fn version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Brings the tables from whatever version to ours. The caller knows that they are not newer.
pub(in crate::catalog) fn migrate(conn: &Connection) -> rusqlite::Result<()> {
    migrate_to(conn, MIGRATIONS.len())
}

/// As far as a former version went.
pub(in crate::catalog) fn migrate_to(
    conn: &Connection,
    version_wanted: usize,
) -> rusqlite::Result<()> {
    let from = usize::try_from(version(conn)?).unwrap_or(usize::MAX);
    for (done, step) in MIGRATIONS.iter().enumerate().take(version_wanted).skip(from) {
        let number = done + 1;
        conn.execute_batch(&format!(
            "BEGIN IMMEDIATE; {step} PRAGMA user_version={number}; COMMIT;"
        ))?;
    }
    Ok(())
}

pub(in crate::catalog) fn make_indexes(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(INDEXES)
}

/// A table, as far as rows are copied whole from one database into another.
pub(in crate::catalog) struct Table {
    pub name: String,
    pub columns: Vec<String>,
}

impl Table {
    /// All rows, with all columns.
    pub(in crate::catalog) fn select<'c>(
        &self,
        conn: &'c Connection,
    ) -> rusqlite::Result<Statement<'c>> {
        conn.prepare(&format!("SELECT {} FROM {}", self.columns.join(","), self.name))
    }

    /// The SQL that puts a row in, with a value for each column.
    pub(in crate::catalog) fn insert(&self) -> String {
        let marks = vec!["?"; self.columns.len()].join(",");
        format!("INSERT INTO {}({}) VALUES({marks})", self.name, self.columns.join(","))
    }
}

/// The tables of a catalog, whose shape is known to be ours, in the order in which they were made:
/// no row refers to a later table.
pub(in crate::catalog) fn tables(conn: &Connection) -> rusqlite::Result<Vec<Table>> {
    let sql = "SELECT name FROM sqlite_schema WHERE type='table' ORDER BY rowid";
    let mut query = conn.prepare(sql)?;
    let names = query.query_map([], |row| row.get(0))?;
    names.map(|name| table(conn, name?)).collect()
}

fn table(conn: &Connection, name: String) -> rusqlite::Result<Table> {
    let mut query = conn.prepare("SELECT name FROM pragma_table_info(?) ORDER BY cid")?;
    let columns = query.query_map([&name], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(Table { name, columns })
}

/// Whether the tables are to the letter those of the version that the file claims. A file from a
/// disc is a stranger's: views, triggers or loose columns under our names are not ours to run.
pub(in crate::catalog) fn has_our_shape(conn: &Connection) -> Result<bool, Fault> {
    let ours = Connection::open_in_memory()?;
    let steps = usize::try_from(version(conn)?).unwrap_or(0);
    for step in MIGRATIONS.iter().take(steps) {
        ours.execute_batch(step)?;
    }
    Ok(shape(conn)? == shape(&ours)?)
}

fn shape(conn: &Connection) -> rusqlite::Result<Vec<(String, String, Option<String>)>> {
    conn.prepare("SELECT type, name, sql FROM sqlite_schema WHERE type <> 'index' ORDER BY 1, 2")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect()
}
