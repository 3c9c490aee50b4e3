//! Between the values of the tables and those of the model. What is read may be anybody's bytes:
//! each value is checked, none is trusted.

use crate::catalog::base::error::{Fault, odd};
use crate::model::rows::Note;
use crate::model::{Digest, Kind, Meta, Mtime, RelPath, Xattr};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use uuid::Uuid;

const BILLION: i128 = 1_000_000_000;

/// Sizes and offsets: no file system has files beyond 2^63.
pub(in crate::catalog) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(in crate::catalog) fn number(row: &Row, column: usize) -> Result<u64, Fault> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| odd(format!("a size of {value}")))
}

pub(in crate::catalog) fn optional_number(row: &Row, column: usize) -> Result<Option<u64>, Fault> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => number(row, column).map(Some),
    }
}

/// Inodes and random ids use all 64 bits: the same bits, read with a sign.
pub(in crate::catalog) fn bits(number: u64) -> i64 {
    number as i64
}

pub(in crate::catalog) fn from_bits(value: i64) -> u64 {
    value as u64
}

pub(in crate::catalog) fn path_bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

pub(in crate::catalog) fn path_from(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(&bytes))
}

pub(in crate::catalog) fn uuid(row: &Row, column: usize) -> Result<Uuid, Fault> {
    let bytes: Vec<u8> = row.get(column)?;
    Uuid::from_slice(&bytes).map_err(|_| odd("an invalid UUID"))
}

pub(in crate::catalog) fn digest(row: &Row, column: usize) -> Result<Digest, Fault> {
    optional_digest(row, column)?.ok_or_else(|| odd("a digest is missing"))
}

pub(in crate::catalog) fn optional_digest(
    row: &Row,
    column: usize,
) -> Result<Option<Digest>, Fault> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        ValueRef::Blob(bytes) => match Digest::from_slice(bytes) {
            Some(digest) => Ok(Some(digest)),
            None => Err(odd("an invalid digest")),
        },
        _ => Err(odd("a digest that is not a blob")),
    }
}

/// Reads a word that stands for a value of an enum.
pub(in crate::catalog) fn word<T>(
    row: &Row,
    column: usize,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Fault> {
    let text: String = row.get(column)?;
    parse(&text).ok_or_else(|| odd(format!("the unknown word {text:?}")))
}

pub(in crate::catalog) fn kind(row: &Row, column: usize) -> Result<Kind, Fault> {
    word(row, column, |text| {
        let mut letters = text.chars();
        Kind::from_letter(letters.next()?).filter(|_| letters.next().is_none())
    })
}

/// A relative path, or damage.
pub(in crate::catalog) fn rel_path(bytes: &[u8]) -> Result<RelPath, Fault> {
    RelPath::new(bytes).ok_or_else(|| odd(format!("the path {}", shown(bytes))))
}

/// `name` below `dir`, if it is a name.
pub(in crate::catalog) fn join(dir: &RelPath, name: &[u8]) -> Result<RelPath, Fault> {
    let plain = RelPath::new(name).is_some_and(|p| !p.is_root()) && !name.contains(&b'/');
    if plain { Ok(dir.join(name)) } else { Err(odd(format!("the name {}", shown(name)))) }
}

fn shown(bytes: &[u8]) -> String {
    crate::model::path::shown(bytes)
}

/// Nanoseconds since 1970 reach from 1677 to 2262; other times take 12 bytes.
pub(in crate::catalog) fn time_value(time: Mtime) -> Value {
    let nanos = i128::from(time.sec) * BILLION + i128::from(time.nsec);
    match i64::try_from(nanos) {
        Ok(nanos) => Value::Integer(nanos),
        Err(_) => {
            let mut bytes = time.sec.to_be_bytes().to_vec();
            bytes.extend(time.nsec.to_be_bytes());
            Value::Blob(bytes)
        }
    }
}

pub(in crate::catalog) fn time(row: &Row, column: usize) -> Result<Mtime, Fault> {
    time_from(row.get_ref(column)?).ok_or_else(|| odd("an invalid time"))
}

fn time_from(value: ValueRef) -> Option<Mtime> {
    match value {
        ValueRef::Integer(nanos) => {
            let nsec = nanos.rem_euclid(BILLION as i64) as u32;
            Some(Mtime { sec: nanos.div_euclid(BILLION as i64), nsec })
        }
        ValueRef::Blob(bytes) => {
            let (sec, nsec) = bytes.split_at_checked(8)?;
            let sec = i64::from_be_bytes(sec.try_into().ok()?);
            let nsec = u32::from_be_bytes(nsec.try_into().ok()?);
            (i128::from(nsec) < BILLION).then_some(Mtime { sec, nsec })
        }
        _ => None,
    }
}

/// The change time of an entry: NULL where it equals the other one.
pub(in crate::catalog) fn ctime(row: &Row, column: usize, mtime: Mtime) -> Result<Mtime, Fault> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(mtime),
        _ => time(row, column),
    }
}

const STALE: &str = "stale:";
const CHANGED: &str = "changed";

/// The words of format 5, field 25, and 6, field 16.
pub(in crate::catalog) fn note_value(note: &Note) -> Option<String> {
    match note {
        Note::None => None,
        Note::Changed => Some(CHANGED.to_owned()),
        Note::Stale(date) => Some(format!("{STALE}{date}")),
    }
}

pub(in crate::catalog) fn note(row: &Row, column: usize) -> Result<Note, Fault> {
    let text: Option<String> = row.get(column)?;
    match text.as_deref() {
        None => Ok(Note::None),
        Some(CHANGED) => Ok(Note::Changed),
        Some(text) => match text.strip_prefix(STALE) {
            Some(date) => Ok(Note::Stale(date.to_owned())),
            None => Err(odd(format!("the unknown note {text:?}"))),
        },
    }
}

/// Mode and owner: few combinations on millions of files, so each is a row of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::catalog) struct OwnerRow {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub user: Vec<u8>,
    pub group: Vec<u8>,
}

impl OwnerRow {
    pub(in crate::catalog) fn of(meta: &Meta) -> OwnerRow {
        OwnerRow {
            mode: meta.mode,
            uid: meta.uid,
            gid: meta.gid,
            user: meta.user.clone(),
            group: meta.group.clone(),
        }
    }

    /// The id of this combination; a new one if it was never seen.
    pub(in crate::catalog) fn intern(&self, conn: &Connection) -> Result<i64, Fault> {
        let values = params![self.mode, self.uid, self.gid, self.user, self.group];
        let known = conn
            .prepare_cached(
                "SELECT id FROM owners WHERE mode=?1 AND uid=?2 AND gid=?3 AND user=?4 AND grp=?5",
            )?
            .query_row(values, |row| row.get(0))
            .optional()?;
        if let Some(id) = known {
            return Ok(id);
        }
        conn.prepare_cached("INSERT INTO owners(mode, uid, gid, user, grp) VALUES(?,?,?,?,?)")?
            .execute(values)?;
        Ok(conn.last_insert_rowid())
    }

    fn load(conn: &Connection, id: i64) -> Result<OwnerRow, Fault> {
        let sql = "SELECT mode, uid, gid, user, grp FROM owners WHERE id=?";
        conn.prepare_cached(sql)?
            .query_row([id], |row| {
                Ok(OwnerRow {
                    mode: row.get(0)?,
                    uid: row.get(1)?,
                    gid: row.get(2)?,
                    user: row.get(3)?,
                    group: row.get(4)?,
                })
            })
            .optional()?
            .ok_or_else(|| odd(format!("the owner {id} is missing")))
    }
}

/// Combinations already read, by id.
pub(in crate::catalog) type OwnerCache = HashMap<i64, OwnerRow>;

/// Fills in mode and owner.
pub(in crate::catalog) fn add_owner(
    meta: &mut Meta,
    id: i64,
    conn: &Connection,
    known: &mut OwnerCache,
) -> Result<(), Fault> {
    let owner = match known.entry(id) {
        std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
        std::collections::hash_map::Entry::Vacant(entry) => entry.insert(OwnerRow::load(conn, id)?),
    };
    (meta.mode, meta.uid, meta.gid) = (owner.mode, owner.uid, owner.gid);
    meta.user.clone_from(&owner.user);
    meta.group.clone_from(&owner.group);
    Ok(())
}

const LINK: u8 = 1;
const DEVICE: u8 = 2;
const XATTR: u8 = 3;

/// What few entries have: a row of fields, each a tag, four bytes of length (little endian), and
/// the bytes. `None` if there is nothing.
pub(in crate::catalog) fn extra_value(meta: &Meta) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    if !meta.link.is_empty() {
        field(&mut bytes, LINK, &[&meta.link]);
    }
    if let Some((major, minor)) = meta.device {
        field(&mut bytes, DEVICE, &[&major.to_le_bytes(), &minor.to_le_bytes()]);
    }
    for xattr in &meta.xattrs {
        // No kernel allows a NUL in the name of an attribute.
        field(&mut bytes, XATTR, &[&xattr.name, b"\0", &xattr.value]);
    }
    (!bytes.is_empty()).then_some(bytes)
}

fn field(to: &mut Vec<u8>, tag: u8, pieces: &[&[u8]]) {
    let length: usize = pieces.iter().map(|piece| piece.len()).sum();
    to.push(tag);
    // Links are at most 4 KiB, attributes 64 KiB.
    to.extend((length as u32).to_le_bytes());
    pieces.iter().for_each(|piece| to.extend_from_slice(piece));
}

pub(in crate::catalog) fn add_extra(
    meta: &mut Meta,
    row: &Row,
    column: usize,
) -> Result<(), Fault> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(()),
        ValueRef::Blob(bytes) => {
            read_fields(meta, bytes).ok_or_else(|| odd("link, device or attributes of an entry"))
        }
        _ => Err(odd("attributes that are not a blob")),
    }
}

fn read_fields(meta: &mut Meta, mut bytes: &[u8]) -> Option<()> {
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_at_checked(5)?;
        let length = u32::from_le_bytes(head[1..].try_into().ok()?);
        let (value, rest) = rest.split_at_checked(length as usize)?;
        read_field(meta, head[0], value)?;
        bytes = rest;
    }
    Some(())
}

fn read_field(meta: &mut Meta, tag: u8, value: &[u8]) -> Option<()> {
    match tag {
        LINK => meta.link = value.to_vec(),
        DEVICE => {
            let (major, minor) = value.split_at_checked(4)?;
            let number = |bytes: &[u8]| bytes.try_into().ok().map(u32::from_le_bytes);
            meta.device = Some((number(major)?, number(minor)?));
        }
        XATTR => {
            let end = value.iter().position(|&b| b == 0)?;
            let (name, value) = (value[..end].to_vec(), value[end + 1..].to_vec());
            meta.xattrs.push(Xattr { name, value });
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_any_age_come_back() {
        for (sec, nsec) in
            [(0, 0), (-1, 999_999_999), (1_700_000_000, 5), (i64::MIN, 1), (i64::MAX, 999_999_999)]
        {
            let value = time_value(Mtime { sec, nsec });
            assert_eq!(time_from((&value).into()), Some(Mtime { sec, nsec }));
        }
        assert_eq!(time_from(ValueRef::Blob(&[0; 11])), None);
        assert_eq!(time_from(ValueRef::Blob(&[0xff; 12])), None);
        assert_eq!(time_from(ValueRef::Real(1.0)), None);
    }

    #[test]
    fn links_devices_and_attributes_come_back_and_cut_ones_are_damage() {
        let meta = Meta {
            link: b"a\n\xff".to_vec(),
            device: Some((8, u32::MAX)),
            xattrs: vec![
                Xattr { name: b"user.a".to_vec(), value: b"\0\0".to_vec() },
                Xattr { name: b"user.b".to_vec(), value: vec![] },
            ],
            ..Meta::default()
        };
        let bytes = extra_value(&meta).unwrap();
        let mut read = Meta::default();
        read_fields(&mut read, &bytes).unwrap();
        assert_eq!(read, meta);
        assert_eq!(extra_value(&Meta::default()), None);
        // Cut anywhere but between two fields.
        let whole =
            (0..bytes.len()).filter(|&n| read_fields(&mut Meta::default(), &bytes[..n]).is_some());
        assert_eq!(whole.count(), 4);
        assert_eq!(read_fields(&mut Meta::default(), &[9, 0, 0, 0, 0]), None);
        assert_eq!(read_fields(&mut Meta::default(), &[1, 255, 255, 255, 255]), None);
    }
}
