//! The medium of a copy, as columns: `bears` says which kind it is, and so which of the others apply.

use crate::catalog::base::error::{Fault, odd};
use crate::catalog::base::ids::{CopyNo, SetId};
use crate::catalog::base::value::{path_bytes, path_from, uuid};
use crate::model::{BurnedMedium, Carrier, DiscNo, ShelfId, ShelfPlace};
use rusqlite::{Connection, Row, params};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The columns that [`read`] wants, in its order.
pub(in crate::catalog) const COLUMNS: &str =
    "bears, kind, maker, burner, reader, dir, words, shelf, system, file";

/// From the sentence in `medium` to columns. Two kinds were written:
///
/// - By a burn: `KIND MAKER, burned in VENDOR MODEL FIRMWARE`, the maker where the medium told one
///   and `a medium` where the drive told nothing; `shelf DIR`, as DIR was typed.
/// - By a verification or a rebuild, the title of what read it: `/dev/sr0 (VENDOR MODEL)`; the path
///   of an image; the directory of a disc's files.
///
/// The kinds are those that had a name then; of two that fit, the longer one sorts behind. A path
/// that was not UTF-8 was noted with marks in it, and is no path any more.
pub(in crate::catalog) const FROM_WORDS: &str = "
ALTER TABLE copies RENAME COLUMN medium TO words;
ALTER TABLE copies ADD COLUMN bears TEXT NOT NULL DEFAULT '';
ALTER TABLE copies ADD COLUMN kind TEXT;
ALTER TABLE copies ADD COLUMN maker TEXT;
ALTER TABLE copies ADD COLUMN burner TEXT;
ALTER TABLE copies ADD COLUMN reader TEXT;
ALTER TABLE copies ADD COLUMN dir BLOB;
UPDATE copies SET bears='disc', burner=substr(words, instr(words, ', burned in ') + 12),
    kind=substr(words, 1, instr(words, ', burned in ') - 1)
    WHERE words LIKE '%_, burned in %' AND substr(words, 1, 1)<>'/'
        AND substr(words, 1, 6)<>'shelf ';
UPDATE copies SET bears='shelf', dir=CAST(substr(words, 7) AS BLOB)
    WHERE bears='' AND substr(words, 1, 6)='shelf ' AND length(words) > 6
        AND instr(words, char(65533))=0;
UPDATE copies SET bears='disc', reader=words
    WHERE bears='' AND words LIKE '/dev/_% (%)';
UPDATE copies SET bears='shelf', dir=CAST(
        CASE rtrim(words, replace(words, '/', ''))
            WHEN '' THEN '.' WHEN '/' THEN '/'
            ELSE rtrim(rtrim(words, replace(words, '/', '')), '/') END AS BLOB)
    WHERE bears='' AND words LIKE '%_.iso' AND instr(words, char(65533))=0;
UPDATE copies SET bears='folder', dir=CAST(words AS BLOB)
    WHERE bears='' AND substr(words, 1, 1)='/' AND instr(words, char(65533))=0;
UPDATE copies SET kind=NULL WHERE kind='a medium';
UPDATE copies SET maker=nullif(substr(kind, length(name) + 2), ''), kind=name
    FROM (SELECT copies.set_id AS s, copies.disc AS d, copies.copy AS c, max(names.column1) AS name
        FROM copies JOIN (VALUES('removable disk'),('CD-ROM'),('CD-R'),('CD-RW'),('DVD-ROM'),
            ('DVD-R'),('DVD-RAM'),('DVD-RW'),('DVD-R DL'),('DVD-RW DL'),('DVD+RW'),('DVD+R'),
            ('DVD+RW DL'),('DVD+R DL'),('BD-ROM'),('BD-R'),('BD-R (random recording)'),('BD-RE'),
            ('HD DVD-ROM'),('HD DVD-R')) AS names
        ON substr(copies.kind || ' ', 1, length(names.column1) + 1)=names.column1 || ' '
        GROUP BY 1, 2, 3)
    WHERE set_id=s AND disc=d AND copy=c;
UPDATE copies SET words='' WHERE bears<>'';
UPDATE copies SET bears='words' WHERE bears='';
";

/// Which shelf it is, apart from where it lies.
pub(in crate::catalog) const SHELF_IDS: &str = "
ALTER TABLE copies ADD COLUMN shelf BLOB;
ALTER TABLE copies ADD COLUMN system TEXT;
ALTER TABLE copies ADD COLUMN file BLOB;
";

pub(in crate::catalog) fn write(
    conn: &Connection,
    set: SetId,
    disc: DiscNo,
    copy: CopyNo,
    carrier: &Carrier,
) -> Result<(), Fault> {
    let none = BurnedMedium::default();
    let medium = carrier.disc().unwrap_or(&none);
    let (bears, words) = match carrier {
        Carrier::Disc(_) => ("disc", ""),
        Carrier::Shelf(_) => ("shelf", ""),
        Carrier::Folder(_) => ("folder", ""),
        Carrier::Words(words) => ("words", words.as_str()),
    };
    let nowhere = ShelfPlace::default();
    let shelf = carrier.shelf_place().unwrap_or(&nowhere);
    let sql = "UPDATE copies SET bears=?4, kind=?5, maker=?6, burner=?7, reader=?8, dir=?9,
               words=?10, shelf=?11, system=?12, file=?13 WHERE set_id=?1 AND disc=?2 AND copy=?3";
    conn.execute(
        sql,
        params![
            set.0,
            disc.0,
            copy.0,
            bears,
            medium.kind,
            medium.maker,
            medium.burner,
            medium.reader,
            carrier.shelf().or(carrier.folder()).map(path_bytes),
            words,
            shelf.id.map(|id| id.0.into_bytes()),
            shelf.system,
            shelf.file.as_ref().map(|name| name.as_bytes()),
        ],
    )?;
    Ok(())
}

/// `at`: where the columns begin.
pub(in crate::catalog) fn read(row: &Row, at: usize) -> Result<Carrier, Fault> {
    let dir = || -> Result<_, Fault> { Ok(path_from(row.get(at + 5)?)) };
    let bears: String = row.get(at)?;
    match bears.as_str() {
        "disc" => Ok(Carrier::Disc(BurnedMedium {
            kind: row.get(at + 1)?,
            maker: row.get(at + 2)?,
            burner: row.get(at + 3)?,
            reader: row.get(at + 4)?,
        })),
        "shelf" => Ok(Carrier::Shelf(ShelfPlace {
            dir: dir()?,
            id: match row.get::<_, Option<Vec<u8>>>(at + 7)? {
                Some(_) => Some(ShelfId(uuid(row, at + 7)?)),
                None => None,
            },
            system: row.get(at + 8)?,
            file: row.get::<_, Option<Vec<u8>>>(at + 9)?.map(OsString::from_vec),
        })),
        "folder" => Ok(Carrier::Folder(dir()?)),
        "words" => Ok(Carrier::Words(row.get(at + 6)?)),
        other => Err(odd(format!("the unknown carrier {other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::base::schema;

    /// What a sentence of a former version is read as.
    fn read_as(sentence: &str) -> Carrier {
        let conn = Connection::open_in_memory().unwrap();
        schema::migrate_to(&conn, 7).unwrap();
        let sql = "INSERT INTO copies(set_id, disc, copy, medium, place, burned, state)
                   VALUES(1, 1, 1, ?, '', 0, 'ok')";
        conn.execute_batch("PRAGMA foreign_keys=OFF").unwrap();
        conn.execute(sql, [sentence]).unwrap();
        schema::migrate(&conn).unwrap();
        let sql = format!("SELECT {COLUMNS} FROM copies");
        conn.query_row(&sql, [], |row| Ok(read(row, 0).ok())).unwrap().unwrap()
    }

    fn burned(kind: Option<&str>, maker: Option<&str>) -> Carrier {
        let (kind, maker) = (kind.map(str::to_owned), maker.map(str::to_owned));
        let burner = Some("HL-DT-ST BD-RE BH16NS40 1.02".to_owned());
        Carrier::Disc(BurnedMedium { kind, maker, burner, reader: None })
    }

    #[test]
    fn what_a_burn_noted_is_understood() {
        let read = |kind: &str| read_as(&format!("{kind}, burned in HL-DT-ST BD-RE BH16NS40 1.02"));
        assert_eq!(
            read("BD-R CMCMAG-BA5-000"),
            burned(Some("BD-R"), Some("CMCMAG-BA5-000")),
            "kind and maker"
        );
        assert_eq!(read("DVD+R DL MKM 003"), burned(Some("DVD+R DL"), Some("MKM 003")));
        assert_eq!(read("DVD-R DL"), burned(Some("DVD-R DL"), None), "no DVD-R by a maker DL");
        let random = "BD-R (random recording)";
        assert_eq!(read(&format!("{random} X")), burned(Some(random), Some("X")));
        assert_eq!(read("a medium"), burned(None, None));
        assert_eq!(read("disc of kind 0099"), burned(Some("disc of kind 0099"), None));
    }

    #[test]
    fn places_are_understood_as_they_were_noted() {
        let shelf = |dir: &str| Carrier::Shelf(ShelfPlace::at(dir));
        assert_eq!(read_as("shelf /srv/discs"), shelf("/srv/discs"));
        assert_eq!(read_as("shelf sh"), shelf("sh"), "relative to nobody knows what");
        assert_eq!(read_as("shelf /a, burned in b"), shelf("/a, burned in b"));
        assert_eq!(read_as("/srv/discs/x-0001.iso"), shelf("/srv/discs"));
        assert_eq!(read_as("sh/x-0001.iso"), shelf("sh"));
        assert_eq!(read_as("x-0001.iso"), shelf("."));
        assert_eq!(read_as("/x-0001.iso"), shelf("/"));
        assert_eq!(read_as("/mnt/disc"), Carrier::Folder("/mnt/disc".into()));
        let drive = "/dev/sr0 (HL-DT-ST BD-RE)";
        assert_eq!(read_as(drive), Carrier::found_in(drive.to_owned()));
    }

    #[test]
    fn what_is_not_understood_stays_as_it_is() {
        for words in ["", "on the moon", "shelf ", "shelf /a\u{fffd}b", ", burned in X"] {
            assert_eq!(read_as(words), Carrier::Words(words.to_owned()));
        }
    }
}
