//! SNAPSHOT (format 6): every path of the source at one run, and where its bytes are.

use super::FormatError;
use super::escape::{escape_into, unescape};
use super::lines::{
    Lines, SnapshotLine, Stand, first_lines, next_row, read_header, snapshot_header_into,
};
use super::meta_fields::{self, Fields, decimal, plain, plain_or_absent};
use crate::model::rows::{Place, SnapshotRow, Where};
use crate::model::{ArchiveNo, DiscNo, RelPath, SetName, SetUuid, SnapshotSeq};
use std::io::BufRead;

const FIELDS: usize = 6 + meta_fields::COUNT;
const WHAT: &str = "snapshot";

/// What the first lines of a SNAPSHOT say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListingHeader {
    pub set: SetName,
    pub set_uuid: SetUuid,
    pub snapshot: SnapshotLine,
}

/// The `#` lines that open a SNAPSHOT; `source` is the absolute path, as bytes.
pub fn header_lines(
    set: &SetName,
    set_uuid: SetUuid,
    snapshot: SnapshotSeq,
    date: &str,
    source: &[u8],
) -> Vec<u8> {
    let mut out = first_lines(WHAT, set, set_uuid);
    snapshot_header_into(snapshot, date, source, &mut out);
    out
}

/// Appends the row's line with its LF.
pub fn snapshot_line(row: &SnapshotRow, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{}\t", row.kind.letter()).as_bytes());
    escape_into(row.path.as_bytes(), out);
    plain(row.size, out);
    plain_or_absent(row.sha256, out);
    plain(places(&row.place), out);
    meta_fields::member(row.place.member.as_ref(), &row.path, out);
    meta_fields::meta(&row.meta, &row.note, out);
    out.push(b'\n');
}

/// Reads a line that [`snapshot_line`] wrote, without its LF.
pub fn parse_snapshot_line(line: &[u8]) -> Result<SnapshotRow, FormatError> {
    let mut fields = Fields::new(line, FIELDS)?;
    let kind = fields.kind()?;
    let path = fields.path("path")?;
    let size = fields.number("size")?;
    let sha256 = fields.digest()?;
    let (places, complete) = fields.read("where", parse_places)?;
    let member = fields.read("member", |field| parse_member(&path, field))?;
    let (meta, note) = meta_fields::parse_meta(kind, &mut fields)?;
    let place = Where { places, complete, member };
    Ok(SnapshotRow { kind, path, size, sha256, place, meta, note })
}

/// `DISC:ARCHIVE` of each part, `?` where the rest is not known, `-` for nothing.
fn places(place: &Where) -> String {
    let known = place.places.iter().map(|p| format!("{}:{}", p.disc, p.archive));
    let unknown = (!place.complete).then(|| "?".to_owned());
    let words: Vec<String> = known.chain(unknown).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(",") }
}

fn parse_places(field: &[u8]) -> Option<(Vec<Place>, bool)> {
    let (known, complete) = match field {
        b"-" => return Some((Vec::new(), true)),
        b"?" => return Some((Vec::new(), false)),
        _ => match field.strip_suffix(b",?") {
            Some(known) => (known, false),
            None => (field, true),
        },
    };
    let places: Option<Vec<Place>> = known.split(|&b| b == b',').map(parse_place).collect();
    Some((places?, complete))
}

fn parse_place(text: &[u8]) -> Option<Place> {
    let colon = text.iter().position(|&b| b == b':')?;
    Some(Place {
        disc: DiscNo(decimal(&text[..colon])?),
        archive: ArchiveNo(decimal(&text[colon + 1..])?),
    })
}

fn parse_member(path: &RelPath, field: &[u8]) -> Option<Option<RelPath>> {
    match field {
        b"-" => Some(None),
        b"=" => Some(Some(path.clone())),
        _ => RelPath::new(&unescape(field)?).map(Some),
    }
}

/// Reads a SNAPSHOT (expanded, decrypted) row by row.
pub struct ListingReader<R> {
    lines: Lines<R>,
    header: Option<ListingHeader>,
    /// Why there is no header.
    trouble: Option<FormatError>,
    stand: Stand,
    /// The path of the last sound row.
    last: Option<RelPath>,
}

impl<R: BufRead> ListingReader<R> {
    /// Reads the first lines. `packed`: how many bytes the listing takes on its disc, which bounds
    /// its rows.
    pub fn new(input: R, packed: u64) -> Result<ListingReader<R>, FormatError> {
        let mut lines = Lines::new(input, "SNAPSHOT", packed);
        let (header, trouble) = read_header(&mut lines, WHAT, |mut fields| {
            let ((set, set_uuid), snapshot) = (fields.set?, fields.snapshots.pop()?);
            Some(ListingHeader { set, set_uuid, snapshot })
        })?;
        Ok(ListingReader { lines, header, trouble, stand: Stand::Reading, last: None })
    }

    /// `None` where the first lines are damaged.
    pub fn header(&self) -> Option<&ListingHeader> {
        self.header.as_ref()
    }
}

/// A damaged row is an error, and the rows behind it follow. So is one that is not where walk order
/// has it: no path is there twice.
impl<R: BufRead> Iterator for ListingReader<R> {
    type Item = Result<SnapshotRow, FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.trouble.take() {
            self.stand = Stand::Stumbled;
            return Some(Err(error));
        }
        let last = &mut self.last;
        next_row(&mut self.lines, &mut self.stand, |line| {
            let row = parse_snapshot_line(line)?;
            if last.as_ref().is_some_and(|last| *last >= row.path) {
                return Err(FormatError::OutOfOrder);
            }
            *last = Some(row.path.clone());
            Ok(row)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::lines::longest_text;
    use crate::model::rows::Note;
    use crate::model::{Digest, Kind, Meta, Mtime, Xattr};
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};
    use uuid::Uuid;

    fn path(bytes: &[u8]) -> RelPath {
        RelPath::new(bytes).unwrap()
    }

    fn row(place: Where) -> SnapshotRow {
        SnapshotRow {
            kind: Kind::File,
            path: path(b"a"),
            size: 5,
            sha256: Some(Digest::EMPTY),
            place,
            meta: Meta::default(),
            note: Note::None,
        }
    }

    fn at(places: &[(u32, u32)], complete: bool, member: Option<&[u8]>) -> Where {
        let place = |&(disc, archive): &(u32, u32)| Place {
            disc: DiscNo(disc),
            archive: ArchiveNo(archive),
        };
        Where { places: places.iter().map(place).collect(), complete, member: member.map(path) }
    }

    fn line(row: &SnapshotRow) -> Vec<u8> {
        let mut out = Vec::new();
        snapshot_line(row, &mut out);
        assert_eq!(out.pop(), Some(b'\n'));
        out
    }

    #[test]
    fn places_go_out_and_come_back() {
        let parts = &b".coldcut-parts/00000000000000ab"[..];
        for (place, text) in [
            (Where::nothing(), "-\t-"),
            (at(&[], false, None), "?\t-"),
            (at(&[(1, 2)], true, Some(b"a")), "1:2\t="),
            (at(&[(1, 2)], true, Some(b"b")), "1:2\tb"),
            (at(&[(1, 2)], true, Some(b"=")), "1:2\t\\075"),
            (at(&[(1, 2)], true, Some(b"-")), "1:2\t\\055"),
            (
                at(&[(1, 2), (2, 3)], false, Some(parts)),
                "1:2,2:3,?\t.coldcut-parts/00000000000000ab",
            ),
        ] {
            let row = row(place);
            let line = line(&row);
            assert_eq!(parse_snapshot_line(&line).unwrap(), row);
            let expected = format!("\t{text}\t0000");
            assert!(String::from_utf8(line).unwrap().contains(&expected), "{text}");
        }
    }

    fn listing(rows: &[SnapshotRow]) -> Vec<u8> {
        let set = SetName::new("s").unwrap();
        let uuid = SetUuid(Uuid::from_u128(1));
        let mut text = header_lines(&set, uuid, SnapshotSeq(3), "2026-01-01T00:00:00Z", b"/a");
        rows.iter().for_each(|row| snapshot_line(row, &mut text));
        text
    }

    #[test]
    fn a_listing_gives_its_header_and_then_its_rows() {
        let later = SnapshotRow { path: path(b"a/b"), ..row(at(&[(1, 1)], true, Some(b"a"))) };
        let rows = [row(Where::nothing()), later];
        let text = listing(&rows);
        let reader = ListingReader::new(&text[..], 0).unwrap();
        assert_eq!(reader.header().unwrap().snapshot.seq, SnapshotSeq(3));
        assert_eq!(reader.header().unwrap().snapshot.source, b"/a");
        let back: Result<Vec<_>, _> = reader.collect();
        assert_eq!(back.unwrap(), rows);
    }

    #[test]
    fn a_row_that_walk_order_has_before_the_last_one_is_damage() {
        // A directory's content comes before a name that only sorts before its slash.
        let rows = ["a", "a", "a/b", "a-", "a/c", "b"]
            .map(|name| SnapshotRow { path: path(name.as_bytes()), ..row(Where::nothing()) });
        let text = listing(&rows);
        let read = ListingReader::new(&text[..], 0).unwrap();
        let sound: Vec<bool> = read.map(|row| row.is_ok()).collect();
        assert_eq!(sound, [true, false, true, true, false, true]);
        let error = ListingReader::new(&text[..], 0).unwrap().nth(1).unwrap().unwrap_err();
        assert_eq!(error.to_string(), "line 5 of SNAPSHOT is damaged");
    }

    /// The limit holds for damaged rows, too: they cost time.
    #[test]
    fn rows_are_bounded_by_the_packed_size() {
        let text = [listing(&[]), b"x\n".repeat((1 << 20) + 100)].concat();
        let rows = |packed| ListingReader::new(&text[..], packed).unwrap();
        let last = rows(1000).last().unwrap().unwrap_err();
        assert!(matches!(last, FormatError::TooManyRows { most: 0x10_0000, .. }), "{last}");
        assert_eq!(rows(1000).count(), (1 << 20) - 3 + 1, "three lines before the rows");
        assert_eq!(rows(70_000).count(), (1 << 20) + 100);
    }

    /// So does its text, of sound rows and of damaged ones.
    #[test]
    fn text_is_bounded_by_the_packed_size() {
        let lines = [&vec![b'x'; 4_000_000][..], b"\n"].concat().repeat(18);
        let text = [listing(&[]), lines].concat();
        let rows = |packed| ListingReader::new(&text[..], packed).unwrap();
        let last = rows(1000).last().unwrap().unwrap_err();
        assert!(matches!(last, FormatError::TooMuchText { most: 0x40f_a000, .. }), "{last}");
        assert_eq!(rows(1000).count(), 18, "the eighteenth is too much");
        let last = rows(10_000).last().unwrap().unwrap_err();
        assert!(matches!(last, FormatError::Line { .. }), "{last}");
    }

    /// In walk order, each with content and a time of its own, and with this attribute.
    fn rows_with(attribute: &[u8], count: u32) -> Vec<SnapshotRow> {
        let digest = |n: u32| Digest(Sha256::digest(n.to_le_bytes()).into());
        let time = |n: u32| i64::from(u32::from_le_bytes(digest(n).0[..4].try_into().unwrap()));
        let xattr = Xattr { name: b"user.note".to_vec(), value: attribute.to_vec() };
        let each = (0..count).map(|n| {
            let mtime = Mtime { sec: time(n), nsec: 0 };
            SnapshotRow {
                path: path(format!("{n:06}").as_bytes()),
                sha256: Some(digest(n)),
                meta: Meta { mtime, xattrs: vec![xattr.clone()], ..Meta::default() },
                ..row(at(&[(1, n / 1000)], true, Some(b"=")))
            }
        });
        each.collect()
    }

    /// How many bytes of text one packed byte has, in streams as long as ours.
    fn density(text: &[u8]) -> u64 {
        let packed = |text: &[u8]| {
            let mut packer = bzip2::read::BzEncoder::new(text, bzip2::Compression::best());
            std::io::copy(&mut packer, &mut std::io::sink()).unwrap()
        };
        text.len() as u64 / text.chunks(900_000).map(packed).sum::<u64>()
    }

    /// What file systems and programs put into attributes, in the same words for each file. ext4 has
    /// room for 4 KiB; a list of 500 users takes as much.
    #[test]
    fn real_attributes_are_far_from_what_text_may_be() {
        let most = longest_text(1 << 20) >> 20;
        let acl: Vec<u8> = (0..500_u32).flat_map(|n| (1000 + n).to_le_bytes().repeat(2)).collect();
        for attribute in [&vec![0; 4000][..], &acl, &vec![b'x'; 16 << 10]] {
            let density = density(&listing(&rows_with(attribute, 500)));
            assert!(density * 2 < most, "{} bytes: {density} of {most}", attribute.len());
        }
        // As large as Linux takes them, and nothing in them.
        let density = density(&listing(&rows_with(&vec![0; 64 << 10], 100)));
        assert!(density > most, "the limit could be said to be for no real set: {density}");
    }

    #[test]
    fn places_that_mean_nothing_are_refused() {
        for bad in
            ["", "1", "1:", ":1", "1:2,", "?,1:2", "?,?", "-,1:2", "1:2,-", "1:+2", "1:4294967296"]
        {
            assert!(parse_places(bad.as_bytes()).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_path_that_leads_outside_is_refused() {
        let text = String::from_utf8(line(&row(Where::nothing()))).unwrap();
        for bad in ["../x", "/etc/passwd", "a/../../x", ""] {
            let line = text.replacen("\ta\t", &format!("\t{bad}\t"), 1);
            assert!(parse_snapshot_line(line.as_bytes()).is_err(), "{bad:?}");
        }
        let member = text.replacen("\t-\t-\t0000", "\t1:1\t../x\t0000", 1);
        assert!(parse_snapshot_line(member.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, field in 0..FIELDS, cut: prop::sample::Index) {
            let good = line(&row(at(&[(1, 2)], true, Some(b"b"))));
            let mut fields: Vec<&[u8]> = good.split(|&b| b == b'\t').collect();
            fields[field] = &bytes;
            let _ = parse_snapshot_line(&fields.join(&b'\t'));
            let text = listing(&[row(Where::nothing())]);
            if let Ok(reader) = ListingReader::new(&text[..cut.index(text.len())], 0) {
                reader.for_each(drop);
            }
        }
    }
}
