//! Sets: one source each, with all that must outlive a run.

use crate::catalog::base::database::Catalog;
use crate::catalog::base::error::{Fault, Refused, Result, odd};
use crate::catalog::base::ids::SetId;
use crate::catalog::base::value::{optional_number, path_bytes, path_from, stored, uuid, word};
use crate::model::disc::{Compression, Description, Encryption, Ratio};
use crate::model::{ArchiveNo, DiscIdentity, DiscNo, DiscUuid, Sectors, SetName, SetUuid};
use crate::port::clock::Moment;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::path::{Path, PathBuf};

/// What is decided when a set begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetFacts {
    pub name: SetName,
    pub uuid: SetUuid,
    /// Absolute, as it was at the last run.
    pub source: PathBuf,
    pub encryption: Encryption,
    /// The recipients' certificates, as codec wrote them.
    pub certs: Option<Vec<u8>>,
    /// Proves that a passphrase is the set's, as codec wrote it.
    pub token: Option<Vec<u8>>,
    /// Recipients' key ids are left out of the messages.
    pub hidden: bool,
    /// Of the last run.
    pub compression: Compression,
    /// Percent of recovery data on each disc, of the last run; 0: none.
    pub parity: u8,
    /// How many recovery discs each group of discs gets.
    pub parity_discs: Option<Ratio>,
    pub created: Moment,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownSet {
    pub id: SetId,
    pub facts: SetFacts,
    /// Reminds a person of the passphrase, and never is it.
    pub hint: Option<String>,
    /// So many verified copies each disc shall have.
    pub copies: u32,
    /// The size that discs are planned for, if a person ever named one.
    pub disc_size: Option<Sectors>,
    /// Fingerprints of the recipients of the last run that made discs; never taken from a disc.
    pub sealed_for: Option<String>,
    /// What is on the discs in clear; the hint is among it if it may be.
    pub description: Description,
}

const COLUMNS: &str = "id, name, uuid, source, encryption, certs, token, hidden, compression,
    created, hint, copies, parity, parity_discs, disc_size, sealed_for, title, description,
    contact, rights, hint_in_clear";

impl SetFacts {
    /// Who a disc of the set is.
    pub fn identity(&self, number: DiscNo, uuid: DiscUuid) -> DiscIdentity {
        DiscIdentity { set: self.name.clone(), set_uuid: self.uuid, number, uuid }
    }
}

impl Catalog {
    pub fn create_set(&mut self, facts: &SetFacts) -> Result<SetId> {
        self.write("making a set", |tx| {
            if find(tx, &facts.name)?.is_some() {
                return Err(Refused::NameTaken(facts.name.clone()).into());
            }
            insert(tx, facts)
        })
    }

    /// Discs that are made from now on carry the new name. Refused if another set has it.
    pub fn rename_set(&mut self, set: SetId, name: &SetName) -> Result<()> {
        self.change(set, "renaming a set", |tx| {
            if find(tx, name)?.is_some_and(|other| other.id != set) {
                return Err(Refused::NameTaken(name.clone()).into());
            }
            let sql = "UPDATE sets SET name=?2 WHERE id=?1";
            one_row(tx.execute(sql, params![set.0, name.as_str()])?)
        })
    }

    pub fn set_by_name(&self, name: &SetName) -> Result<Option<KnownSet>> {
        self.read("looking for a set", |conn| find(conn, name))
    }

    /// All sets, by name.
    pub fn sets(&self) -> Result<Vec<KnownSet>> {
        self.read("listing the sets", |conn| {
            let mut query = conn.prepare(&format!("SELECT {COLUMNS} FROM sets ORDER BY name"))?;
            query.query_and_then([], read_set)?.collect()
        })
    }

    /// The source is at another place now (`--move-source`, or a mount point that moved).
    pub fn set_source(&mut self, set: SetId, source: &Path) -> Result<()> {
        self.change_set(set, "UPDATE sets SET source=?2 WHERE id=?1", path_bytes(source))
    }

    pub fn set_compression(&mut self, set: SetId, compression: Compression) -> Result<()> {
        self.change_set(set, "UPDATE sets SET compression=?2 WHERE id=?1", compression.word())
    }

    pub fn set_parity(&mut self, set: SetId, percent: u8) -> Result<()> {
        self.change_set(set, "UPDATE sets SET parity=?2 WHERE id=?1", percent)
    }

    pub fn set_parity_discs(&mut self, set: SetId, ratio: Option<Ratio>) -> Result<()> {
        let text = ratio.map(|ratio| ratio.to_string());
        self.change_set(set, "UPDATE sets SET parity_discs=?2 WHERE id=?1", text)
    }

    pub fn set_hint(&mut self, set: SetId, hint: Option<&str>) -> Result<()> {
        self.change_set(set, "UPDATE sets SET hint=?2 WHERE id=?1", hint)
    }

    /// What a person says of the set, in clear on its discs; an empty text takes one back. The hint
    /// is that of [`set_hint`](Self::set_hint): `hint_in_clear` says whether it is among it.
    pub fn describe(
        &mut self,
        set: SetId,
        said: &Description,
        hint_in_clear: Option<bool>,
    ) -> Result<()> {
        self.change(set, "describing a set", |tx| {
            for (column, text) in said.texts() {
                let Some(text) = text.as_ref().filter(|_| column != "hint") else { continue };
                let sql = format!("UPDATE sets SET {column}=?2 WHERE id=?1");
                let text = Some(text).filter(|text| !text.is_empty());
                one_row(tx.execute(&sql, params![set.0, text])?)?;
            }
            if let Some(yes) = hint_in_clear {
                let sql = "UPDATE sets SET hint_in_clear=?2 WHERE id=?1";
                one_row(tx.execute(sql, params![set.0, yes])?)?;
            }
            Ok(())
        })
    }

    /// How many verified copies each disc shall have from now on.
    pub fn set_copies(&mut self, set: SetId, copies: u32) -> Result<()> {
        self.change_set(set, "UPDATE sets SET copies=?2 WHERE id=?1", copies)
    }

    /// How large the discs from now on are planned.
    pub fn set_disc_size(&mut self, set: SetId, size: Sectors) -> Result<()> {
        self.change_set(set, "UPDATE sets SET disc_size=?2 WHERE id=?1", stored(size.0))
    }

    /// How many verified copies each disc shall have.
    pub fn copies_wanted(&self, set: SetId) -> Result<u32> {
        self.read("looking at a set", |conn| {
            let sql = "SELECT copies FROM sets WHERE id=?";
            let wanted = conn.query_row(sql, [set.0], |row| row.get(0)).optional()?;
            wanted.ok_or_else(|| Refused::NoSet.into())
        })
    }

    /// The keys of a set whose catalog is rebuilt.
    pub fn set_keys(
        &mut self,
        set: SetId,
        certs: Option<&[u8]>,
        token: Option<&[u8]>,
    ) -> Result<()> {
        self.change(set, "changing a set's keys", |tx| {
            let sql = "UPDATE sets SET certs=?2, token=?3 WHERE id=?1";
            one_row(tx.execute(sql, params![set.0, certs, token])?)
        })
    }

    /// Fingerprints of those for whom the discs are encrypted that are made now.
    pub fn set_sealed_for(&mut self, set: SetId, fingerprints: &str) -> Result<()> {
        self.change_set(set, "UPDATE sets SET sealed_for=?2 WHERE id=?1", fingerprints)
    }

    /// What a person decided about a set, as another catalog has it.
    pub fn keep_settings(&mut self, set: SetId, from: &KnownSet) -> Result<()> {
        let KnownSet { facts, hint, copies, disc_size, sealed_for, description, .. } = from;
        let Description { title, description: about, contact, rights, hint: in_clear } =
            description;
        self.change(set, "keeping a set's settings", |tx| {
            let sql = "UPDATE sets SET source=?2, certs=?3, token=?4, hidden=?5, parity=?6,
                       parity_discs=?7, hint=?8, copies=?9, disc_size=?10, sealed_for=?11,
                       title=?12, description=?13, contact=?14, rights=?15, hint_in_clear=?16
                       WHERE id=?1";
            one_row(tx.execute(
                sql,
                params![
                    set.0,
                    path_bytes(&facts.source),
                    facts.certs,
                    facts.token,
                    facts.hidden,
                    facts.parity,
                    facts.parity_discs.map(|ratio| ratio.to_string()),
                    hint,
                    copies,
                    disc_size.map(|size| stored(size.0)),
                    sealed_for,
                    title,
                    about,
                    contact,
                    rights,
                    in_clear.is_some(),
                ],
            )?)
        })
    }

    /// The number for the next archive: one more than any that was ever committed, even if it was
    /// forgotten since.
    pub fn next_archive(&self, set: SetId) -> Result<ArchiveNo> {
        self.read("numbering an archive", |conn| {
            let sql = "SELECT last_archive FROM sets WHERE id=?";
            let last: Option<u32> = conn.query_row(sql, [set.0], |row| row.get(0)).optional()?;
            let next = last.ok_or(Refused::NoSet)?.checked_add(1);
            next.map(ArchiveNo).ok_or_else(|| odd("no archive number is left"))
        })
    }

    fn change_set(&mut self, set: SetId, sql: &str, value: impl rusqlite::ToSql) -> Result<()> {
        self.change(set, "changing a set", |tx| one_row(tx.execute(sql, params![set.0, value])?))
    }
}

fn one_row(changed: usize) -> Result<(), Fault> {
    if changed == 1 { Ok(()) } else { Err(Refused::NoSet.into()) }
}

fn insert(conn: &Connection, facts: &SetFacts) -> Result<SetId, Fault> {
    let sql = "INSERT INTO sets(name, uuid, source, encryption, certs, token, hidden,
               compression, created, parity, parity_discs) VALUES(?,?,?,?,?,?,?,?,?,?,?)";
    conn.prepare(sql)?.execute(params![
        facts.name.as_str(),
        facts.uuid.0.as_bytes(),
        path_bytes(&facts.source),
        facts.encryption.word(),
        facts.certs,
        facts.token,
        facts.hidden,
        facts.compression.word(),
        facts.created.0,
        facts.parity,
        facts.parity_discs.map(|ratio| ratio.to_string()),
    ])?;
    Ok(SetId(conn.last_insert_rowid()))
}

fn find(conn: &Connection, name: &SetName) -> Result<Option<KnownSet>, Fault> {
    let mut query = conn.prepare(&format!("SELECT {COLUMNS} FROM sets WHERE name=?"))?;
    query.query_and_then([name.as_str()], read_set)?.next().transpose()
}

fn parity_discs(row: &Row) -> Result<Option<Ratio>, Fault> {
    let text: Option<String> = row.get(13)?;
    match text {
        None => Ok(None),
        Some(_) => word(row, 13, Ratio::parse).map(Some),
    }
}

fn read_set(row: &Row) -> Result<KnownSet, Fault> {
    let facts = SetFacts {
        name: word(row, 1, SetName::new)?,
        uuid: SetUuid(uuid(row, 2)?),
        source: path_from(row.get(3)?),
        encryption: word(row, 4, Encryption::from_word)?,
        certs: row.get(5)?,
        token: row.get(6)?,
        hidden: row.get(7)?,
        compression: word(row, 8, Compression::from_word)?,
        created: Moment(row.get(9)?),
        parity: row.get(12)?,
        parity_discs: parity_discs(row)?,
    };
    let hint: Option<String> = row.get(10)?;
    let is_clear: bool = row.get(20)?;
    Ok(KnownSet {
        id: SetId(row.get(0)?),
        facts,
        description: Description {
            title: row.get(16)?,
            description: row.get(17)?,
            contact: row.get(18)?,
            rights: row.get(19)?,
            hint: hint.clone().filter(|_| is_clear),
        },
        hint,
        copies: row.get(11)?,
        disc_size: optional_number(row, 14)?.map(Sectors),
        sealed_for: row.get(15)?,
    })
}
