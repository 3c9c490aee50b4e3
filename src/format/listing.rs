//! SNAPSHOT and HISTORY (format 7 and 8): every path of the source at one run, and as it was in the
//! runs before, and where its bytes are.

use super::FormatError;
use super::escape::unescape;
use super::heading::{BeforeLine, HISTORY, SNAPSHOT, SnapshotLine};
use super::lines::{HeaderFields, LineReader, Stand, next_row, read_header};
use super::meta_fields::{self, Fields, decimal, plain, plain_or_absent};
use crate::model::rows::{Life, ListedRow, Place, SnapshotRow, Where};
use crate::model::{ArchiveNo, DiscNo, DiscUuid, Format, RelPath, SetName, SetUuid, SnapshotSeq};
use std::io::BufRead;

/// Fields of a row on a disc of format 1; those that are known of a path for as long as it is so
/// come after them: `since` in SNAPSHOT, and `until` in HISTORY.
const FIELDS: usize = 6 + meta_fields::COUNT;

/// What the first lines of a SNAPSHOT or HISTORY say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListingHeader {
    pub format: Format,
    pub set: SetName,
    pub set_uuid: SetUuid,
    /// `None` on discs of format 1.
    pub disc: Option<(DiscNo, DiscUuid)>,
    /// The newest; of a SNAPSHOT the one that it is of.
    pub snapshot: SnapshotLine,
    /// All that it names, the oldest first.
    pub snapshots: Vec<SnapshotLine>,
    pub before: Vec<BeforeLine>,
}

/// Appends the row's line with its LF, as it is in a SNAPSHOT of this format; where the path was so
/// in older snapshots only, as it is in HISTORY.
pub fn listed_line(listed: &ListedRow, out: &mut Vec<u8>) {
    let format = if listed.life.is_some() { Format::Two } else { Format::One };
    let row = &listed.row;
    out.extend_from_slice(format!("{}\t", row.kind.letter()).as_bytes());
    meta_fields::value(row.path.as_bytes(), format, out);
    plain(row.size, out);
    plain_or_absent(row.sha256, out);
    plain(places(&row.place), out);
    meta_fields::member(row.place.member.as_ref(), &row.path, out);
    meta_fields::meta(&row.meta, &row.note, format, out);
    if let Some(Life { since, until }) = listed.life {
        plain(since, out);
        until.iter().for_each(|until| plain(until, out));
    }
    out.push(b'\n');
}

/// Reads a line that [`listed_line`] wrote, without its LF.
pub fn parse_listed_line(line: &[u8]) -> Result<ListedRow, FormatError> {
    let found = line.iter().filter(|&&b| b == b'\t').count() + 1;
    let mut fields = Fields::new(line, found.clamp(FIELDS, FIELDS + 2))?;
    let kind = fields.kind()?;
    let path = fields.path("path")?;
    let size = fields.number("size")?;
    let sha256 = fields.digest()?;
    let (places, complete) = fields.read("where", parse_places)?;
    let member = fields.read("member", |field| parse_member(&path, field))?;
    let (meta, note) = meta_fields::parse_meta(kind, &mut fields)?;
    let place = Where { places, complete, member };
    let row = SnapshotRow { kind, path, size, sha256, place, meta, note };
    Ok(ListedRow { row, life: parse_life(&mut fields, found - FIELDS)? })
}

/// What is after the fields of format 1.
fn parse_life(fields: &mut Fields, more: usize) -> Result<Option<Life>, FormatError> {
    if more == 0 {
        return Ok(None);
    }
    let since = fields.read("since", counted)?;
    let until = match more {
        1 => None,
        _ => Some(fields.read("until", |field| counted(field).filter(|until| *until >= since))?),
    };
    Ok(Some(Life { since, until }))
}

/// Snapshots are counted from 1.
fn counted(field: &[u8]) -> Option<SnapshotSeq> {
    decimal(field).filter(|&seq| seq > 0).map(SnapshotSeq)
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

/// Reads a SNAPSHOT or HISTORY (expanded, decrypted) row by row.
pub struct ListingReader<R> {
    lines: LineReader<R>,
    header: Option<ListingHeader>,
    /// Why there is no header.
    trouble: Option<FormatError>,
    stand: Stand,
    is_history: bool,
    /// The path of the last sound row, and the last snapshot that had it so.
    last: Option<(RelPath, Option<SnapshotSeq>)>,
}

impl<R: BufRead> ListingReader<R> {
    /// Reads the first lines of a SNAPSHOT. `packed`: how many bytes the listing takes on its disc,
    /// which bounds its rows.
    pub fn new(input: R, packed: u64) -> Result<ListingReader<R>, FormatError> {
        ListingReader::of(input, packed, false)
    }

    /// The same of a HISTORY.
    pub fn history(input: R, packed: u64) -> Result<ListingReader<R>, FormatError> {
        ListingReader::of(input, packed, true)
    }

    fn of(input: R, packed: u64, is_history: bool) -> Result<ListingReader<R>, FormatError> {
        let (name, what) = if is_history { ("HISTORY", HISTORY) } else { ("SNAPSHOT", SNAPSHOT) };
        let mut lines = LineReader::new(input, name, packed);
        let (header, trouble) = read_header(&mut lines, what, |fields| {
            let HeaderFields { format, disc, snapshots, before, .. } = fields;
            let ((set, set_uuid), snapshot) = (fields.set?, snapshots.last()?.clone());
            if format != Format::One && disc.is_none() {
                return None;
            }
            Some(ListingHeader { format, set, set_uuid, disc, snapshot, snapshots, before })
        })?;
        Ok(ListingReader { lines, header, trouble, stand: Stand::Reading, is_history, last: None })
    }

    /// `None` where the first lines are damaged.
    pub fn header(&self) -> Option<&ListingHeader> {
        self.header.as_ref()
    }
}

/// A damaged row is an error, and the rows after it follow. So is one that is not where walk order
/// has it: no path is there twice, in any snapshot.
impl<R: BufRead> Iterator for ListingReader<R> {
    type Item = Result<ListedRow, FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.trouble.take() {
            self.stand = Stand::Stumbled;
            return Some(Err(error));
        }
        let format = self.header.as_ref().map(|header| header.format);
        let (last, is_history) = (&mut self.last, self.is_history);
        next_row(&mut self.lines, &mut self.stand, |line| {
            let listed = parse_listed_line(line)?;
            check_fields(&listed, format, is_history)?;
            let until = listed.life.and_then(|life| life.until);
            let is_behind = last.as_ref().is_none_or(|(path, ended)| {
                let goes_on = || listed.life.is_some_and(|life| *ended < Some(life.since));
                *path < listed.row.path || is_history && *path == listed.row.path && goes_on()
            });
            if !is_behind {
                return Err(FormatError::OutOfOrder);
            }
            *last = Some((listed.row.path.clone(), until));
            Ok(listed)
        })
    }
}

/// How many fields a row has depends on which listing it is in.
fn check_fields(
    listed: &ListedRow,
    format: Option<Format>,
    is_history: bool,
) -> Result<(), FormatError> {
    let more = listed.life.map_or(0, |life| 1 + usize::from(life.until.is_some()));
    let expected = match format {
        _ if is_history => 2,
        Some(Format::One) => 0,
        Some(Format::Two) => 1,
        None => more.min(1),
    };
    match more == expected {
        true => Ok(()),
        false => {
            let (expected, found) = (FIELDS + expected, FIELDS + more);
            Err(FormatError::FieldCount { expected, found })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::heading::tests::example;
    use super::*;
    use crate::format::lines::longest_text;
    use crate::model::rows::Note;
    use crate::model::{Digest, Kind, Meta, Mtime, Xattr};
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

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

    fn life(since: u32, until: Option<u32>) -> Option<Life> {
        Some(Life { since: SnapshotSeq(since), until: until.map(SnapshotSeq) })
    }

    fn line_of(listed: &ListedRow) -> Vec<u8> {
        let mut out = Vec::new();
        listed_line(listed, &mut out);
        assert_eq!(out.pop(), Some(b'\n'));
        out
    }

    fn line(row: &SnapshotRow) -> Vec<u8> {
        line_of(&ListedRow { row: row.clone(), life: life(1, None) })
    }

    fn parse_row(line: &[u8]) -> Result<SnapshotRow, FormatError> {
        parse_listed_line(line).map(|listed| listed.row)
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
            assert_eq!(parse_row(&line).unwrap(), row);
            let expected = format!("\t{text}\t0000");
            assert!(String::from_utf8(line).unwrap().contains(&expected), "{text}");
        }
    }

    fn text_of(mut text: Vec<u8>, rows: &[ListedRow]) -> Vec<u8> {
        rows.iter().for_each(|row| listed_line(row, &mut text));
        text
    }

    /// With twelve lines before the rows.
    fn listing(rows: &[SnapshotRow]) -> Vec<u8> {
        let listed = |row: &SnapshotRow| ListedRow { row: row.clone(), life: life(1, None) };
        let rows: Vec<ListedRow> = rows.iter().map(listed).collect();
        text_of(example(Format::Two).snapshot(), &rows)
    }

    #[test]
    fn a_listing_gives_its_header_and_then_its_rows() {
        let later = SnapshotRow { path: path(b"a/b"), ..row(at(&[(1, 1)], true, Some(b"a"))) };
        for format in [Format::One, Format::Two] {
            let life = life(2, None).filter(|_| format == Format::Two);
            let rows = [row(Where::nothing()), later.clone()].map(|row| ListedRow { row, life });
            let text = text_of(example(format).snapshot(), &rows);
            let reader = ListingReader::new(&text[..], 0).unwrap();
            let (header, told) = (reader.header().unwrap(), example(format));
            assert_eq!((header.format, &header.snapshot), (format, &told.snapshots[1]));
            let disc = (format == Format::Two).then_some((told.id.number, told.id.uuid));
            assert_eq!(header.disc, disc);
            let back: Result<Vec<_>, _> = reader.collect();
            assert_eq!(back.unwrap(), rows);
            // Each format has its own number of fields.
            let other = if format == Format::One { Format::Two } else { Format::One };
            let text = text_of(example(other).snapshot(), &rows);
            assert!(ListingReader::new(&text[..], 0).unwrap().all(|row| row.is_err()));
            assert!(ListingReader::history(&text[..], 0).is_err());
        }
    }

    #[test]
    fn a_history_has_a_path_in_several_rows_that_follow_each_other() {
        let of = |name: &[u8], since, until| ListedRow {
            row: SnapshotRow { path: path(name), ..row(Where::nothing()) },
            life: life(since, until),
        };
        let rows = [of(b"a", 1, Some(2)), of(b"a", 3, Some(3)), of(b"b", 1, Some(1))];
        let text = text_of(example(Format::Two).history(), &rows);
        let reader = ListingReader::history(&text[..], 0).unwrap();
        assert_eq!(reader.header().unwrap().snapshots.len(), 2);
        assert_eq!(reader.collect::<Result<Vec<_>, _>>().unwrap(), rows);
        for odd in [of(b"b", 1, Some(4)), of(b"a", 9, Some(9)), of(b"c", 1, None)] {
            let text = text_of(text.clone(), &[odd]);
            assert!(ListingReader::history(&text[..], 0).unwrap().last().unwrap().is_err());
        }
        for odd in ["\t0\t1", "\t2\t1", "\t1\t-", "\t01\t2", "\t1\t2\t3"] {
            let line = [&line_of(&ListedRow { life: None, ..rows[0].clone() }), odd.as_bytes()];
            assert!(parse_listed_line(&line.concat()).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_path_that_is_a_sign_is_guarded() {
        for (name, text) in [(&b"-"[..], "f\t\\055\t"), (b"=", "f\t\\075\t")] {
            let row = SnapshotRow { path: path(name), ..row(Where::nothing()) };
            assert!(line(&row).starts_with(text.as_bytes()));
            assert_eq!(parse_row(&line(&row)).unwrap(), row);
            let old = ListedRow { row, life: None };
            assert!(line_of(&old).starts_with(&[b"f\t", name, b"\t"].concat()));
            assert_eq!(parse_listed_line(&line_of(&old)).unwrap(), old);
        }
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
        assert_eq!(error.to_string(), "line 14 of SNAPSHOT is damaged");
    }

    /// The limit holds for damaged rows, too: they cost time.
    #[test]
    fn rows_are_bounded_by_the_packed_size() {
        let text = [listing(&[]), b"x\n".repeat((1 << 20) + 100)].concat();
        let rows = |packed| ListingReader::new(&text[..], packed).unwrap();
        let last = rows(1000).last().unwrap().unwrap_err();
        assert!(matches!(last, FormatError::TooManyRows { most: 0x10_0000, .. }), "{last}");
        assert_eq!(rows(1000).count(), (1 << 20) - 12 + 1, "twelve lines before the rows");
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

    /// What file systems and programs put into attributes, in the same words for each file. ext4
    /// has room for 4 KiB; a list of 500 users takes as much.
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
            assert!(parse_row(line.as_bytes()).is_err(), "{bad:?}");
        }
        let member = text.replacen("\t-\t-\t0000", "\t1:1\t../x\t0000", 1);
        assert!(parse_row(member.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, field in 0..FIELDS, cut: prop::sample::Index) {
            let good = line(&row(at(&[(1, 2)], true, Some(b"b"))));
            let mut fields: Vec<&[u8]> = good.split(|&b| b == b'\t').collect();
            fields[field] = &bytes;
            let _ = parse_row(&fields.join(&b'\t'));
            let text = listing(&[row(Where::nothing())]);
            if let Ok(reader) = ListingReader::new(&text[..cut.index(text.len())], 0) {
                reader.for_each(drop);
            }
        }
    }
}
