//! INDEX (format 6): a row for each member of one disc's archives.

use super::FormatError;
use super::heading::{BeforeLine, INDEX, SnapshotLine};
use super::lines::{HeaderFields, LineReader, Stand, next_row, read_header};
use super::meta_fields::{self, Fields, decimal, optional, plain, plain_or_absent};
use crate::model::rows::{FrameSpan, IndexRow, PartSpan};
use crate::model::{ArchiveNo, Digest, DiscIdentity, Format, RelPath, SnapshotSeq};
use std::io::BufRead;

const FIELDS: usize = 15 + meta_fields::COUNT;

/// What the first lines of an INDEX say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexHeader {
    pub format: Format,
    pub id: DiscIdentity,
    /// Each snapshot of the set until then.
    pub snapshots: Vec<SnapshotLine>,
    /// None on discs of format 1.
    pub before: Vec<BeforeLine>,
}

/// Appends the row's line with its LF.
pub fn index_line(row: &IndexRow, format: Format, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{}\t{}\t", row.snapshot, row.kind.letter()).as_bytes());
    meta_fields::value(row.path.as_bytes(), format, out);
    meta_fields::member(Some(&row.member), &row.path, out);
    plain(row.size, out);
    plain_or_absent(row.sha256, out);
    let FrameSpan { offset, length, tar_offset } = row.frames;
    plain(format_args!("{}\t{offset}\t{length}\t{tar_offset}", row.archive), out);
    plain(row.span.part, out);
    plain_or_absent(row.span.parts, out);
    plain(format_args!("{}\t{}", row.span.file_offset, row.span.file_size), out);
    match row.file_sha256 {
        Some(digest) if row.sha256 == Some(digest) => plain("=", out),
        other => plain_or_absent(other, out),
    }
    meta_fields::meta(&row.meta, &row.note, format, out);
    out.push(b'\n');
}

/// Reads a line that [`index_line`] wrote, without its LF.
pub fn parse_index_line(line: &[u8]) -> Result<IndexRow, FormatError> {
    let mut fields = Fields::new(line, FIELDS)?;
    let snapshot = SnapshotSeq(fields.number("snapshot")?);
    let kind = fields.kind()?;
    let path = fields.path("path")?;
    let member = parse_member(&path, &mut fields)?;
    let size = fields.number("size")?;
    let sha256 = fields.digest()?;
    let archive = ArchiveNo(fields.number("archive")?);
    let frames = parse_frames(&mut fields)?;
    let span = parse_span(&mut fields)?;
    let file_sha256 = parse_file_digest(sha256, &mut fields)?;
    let (meta, note) = meta_fields::parse_meta(kind, &mut fields)?;
    Ok(IndexRow {
        snapshot,
        kind,
        path,
        member,
        size,
        sha256,
        archive,
        frames,
        span,
        file_sha256,
        meta,
        note,
    })
}

fn parse_member(path: &RelPath, fields: &mut Fields) -> Result<RelPath, FormatError> {
    let mut rest = fields.clone();
    if rest.raw() == b"=" {
        *fields = rest;
        return Ok(path.clone());
    }
    fields.path("member")
}

fn parse_frames(fields: &mut Fields) -> Result<FrameSpan, FormatError> {
    Ok(FrameSpan {
        offset: fields.number("frame offset")?,
        length: fields.number("frame length")?,
        tar_offset: fields.number("tar offset")?,
    })
}

fn parse_span(fields: &mut Fields) -> Result<PartSpan, FormatError> {
    Ok(PartSpan {
        part: fields.number("part")?,
        parts: fields.read("parts", |field| optional(field, decimal))?,
        file_offset: fields.number("file offset")?,
        file_size: fields.number("file size")?,
    })
}

fn parse_file_digest(
    member: Option<Digest>,
    fields: &mut Fields,
) -> Result<Option<Digest>, FormatError> {
    fields.read("file sha256", |field| match field {
        b"=" => member.map(Some),
        _ => optional(field, Digest::from_hex),
    })
}

/// Reads an INDEX (expanded, decrypted) row by row.
pub struct IndexReader<R> {
    lines: LineReader<R>,
    header: Option<IndexHeader>,
    /// Why there is no header.
    trouble: Option<FormatError>,
    stand: Stand,
    /// Where the last sound row's member is.
    last: Option<MemberPlace>,
}

/// Archive, frame offset, tar offset: no two members have the same.
type MemberPlace = (ArchiveNo, u64, u64);

impl<R: BufRead> IndexReader<R> {
    /// Reads the first lines. `packed`: how many bytes the listing takes on its disc, which bounds
    /// its rows.
    pub fn new(input: R, packed: u64) -> Result<IndexReader<R>, FormatError> {
        let mut lines = LineReader::new(input, "INDEX", packed);
        let (header, trouble) = read_header(&mut lines, INDEX, |fields| {
            let ((set, set_uuid), (number, uuid)) = (fields.set?, fields.disc?);
            let HeaderFields { format, snapshots, before, .. } = fields;
            let id = DiscIdentity { set, set_uuid, number, uuid };
            Some(IndexHeader { format, id, snapshots, before })
        })?;
        Ok(IndexReader { lines, header, trouble, stand: Stand::Reading, last: None })
    }

    /// `None` where the first lines are damaged.
    pub fn header(&self) -> Option<&IndexHeader> {
        self.header.as_ref()
    }
}

/// A damaged row is an error, and the rows after it follow. So is one that is not after the row
/// before it, in the order of archives and of members in them.
impl<R: BufRead> Iterator for IndexReader<R> {
    type Item = Result<IndexRow, FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.trouble.take() {
            self.stand = Stand::Stumbled;
            return Some(Err(error));
        }
        let last = &mut self.last;
        next_row(&mut self.lines, &mut self.stand, |line| {
            let row = parse_index_line(line)?;
            let place = (row.archive, row.frames.offset, row.frames.tar_offset);
            if last.is_some_and(|last| last >= place) {
                return Err(FormatError::OutOfOrder);
            }
            *last = Some(place);
            Ok(row)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::heading::tests::example;
    use super::*;
    use crate::model::rows::Note;
    use crate::model::{DiscNo, Kind, Meta};
    use proptest::prelude::*;

    fn path(bytes: &[u8]) -> RelPath {
        RelPath::new(bytes).unwrap()
    }

    fn row() -> IndexRow {
        IndexRow {
            snapshot: SnapshotSeq(3),
            kind: Kind::File,
            path: path(b"a/b\tc"),
            member: path(b".coldcut-parts/00000000000000ab/0002"),
            size: 10,
            sha256: Some(Digest([7; 32])),
            archive: ArchiveNo(12),
            frames: FrameSpan { offset: 100, length: 200, tar_offset: 512 },
            span: PartSpan { part: 2, parts: Some(2), file_offset: 5, file_size: 15 },
            file_sha256: Some(Digest::EMPTY),
            meta: Meta::default(),
            note: Note::Changed,
        }
    }

    fn line(row: &IndexRow) -> Vec<u8> {
        let mut out = Vec::new();
        index_line(row, Format::Two, &mut out);
        assert_eq!(out.pop(), Some(b'\n'));
        out
    }

    #[test]
    fn rows_go_out_and_come_back() {
        let whole = IndexRow {
            path: path(b"="),
            member: path(b"="),
            file_sha256: Some(Digest([7; 32])),
            span: PartSpan { part: 0, parts: None, file_offset: 0, file_size: 10 },
            ..row()
        };
        let dir = IndexRow {
            kind: Kind::Dir,
            path: RelPath::root(),
            member: RelPath::root(),
            sha256: None,
            file_sha256: None,
            ..whole.clone()
        };
        for row in [row(), whole, dir] {
            assert_eq!(parse_index_line(&line(&row)).unwrap(), row);
        }
    }

    #[test]
    fn a_whole_file_reads_as_documented() {
        let row = IndexRow {
            path: path(b"x"),
            member: path(b"x"),
            file_sha256: Some(Digest([7; 32])),
            span: PartSpan { part: 0, parts: None, file_offset: 0, file_size: 10 },
            note: Note::None,
            ..row()
        };
        let expected = format!(
            "3\tf\tx\t=\t10\t{}\t12\t100\t200\t512\t0\t-\t0\t10\t=\t0000\t0\t0\t-\t-\t0.000000000\t-\t-\t-\t-",
            Digest([7; 32])
        );
        assert_eq!(String::from_utf8(line(&row)).unwrap(), expected);
    }

    fn listing(rows: &[IndexRow]) -> Vec<u8> {
        let mut text = example(Format::Two).index();
        rows.iter().for_each(|row| index_line(row, Format::Two, &mut text));
        text
    }

    #[test]
    fn a_listing_gives_its_header_and_then_its_rows() {
        let next = IndexRow { archive: ArchiveNo(13), ..row() };
        let text = listing(&[row(), next.clone()]);
        let mut reader = IndexReader::new(&text[..], 0).unwrap();
        let (header, told) = (reader.header().unwrap(), example(Format::Two));
        assert_eq!((header.format, header.id.number), (Format::Two, DiscNo(4)));
        assert_eq!(header.snapshots, told.snapshots);
        assert_eq!(header.before, told.before);
        assert_eq!(reader.next().unwrap().unwrap(), row());
        assert_eq!(reader.next().unwrap().unwrap(), next);
        assert!(reader.next().is_none());
        let empty = listing(&[]);
        assert!(IndexReader::new(&empty[..], 0).unwrap().next().is_none());
    }

    #[test]
    fn an_index_of_format_1_is_read() {
        let mut text = example(Format::One).index();
        let odd = IndexRow { path: path(b"-"), ..row() };
        index_line(&odd, Format::One, &mut text);
        assert!(text.windows(5).any(|w| w == b"\tf\t-\t"));
        let mut reader = IndexReader::new(&text[..], 0).unwrap();
        let header = reader.header().unwrap();
        assert_eq!((header.format, header.snapshots.len()), (Format::One, 2));
        assert_eq!(reader.next().unwrap().unwrap(), odd);
    }

    #[test]
    fn a_row_whose_member_is_not_behind_the_last_one_is_damage() {
        let places = [(2, 0, 512), (2, 0, 512), (2, 0, 1024), (1, 0, 0), (2, 9, 0), (2, 8, 512)];
        let at = |(archive, offset, tar_offset)| IndexRow {
            archive: ArchiveNo(archive),
            frames: FrameSpan { offset, length: 1, tar_offset },
            ..row()
        };
        let text = listing(&places.map(at));
        let read = IndexReader::new(&text[..], 0).unwrap();
        let sound: Vec<bool> = read.map(|row| row.is_ok()).collect();
        assert_eq!(sound, [true, false, true, false, true, false]);
    }

    #[test]
    fn a_damaged_row_does_not_hide_the_rows_behind_it() {
        let mut text = listing(&[]);
        text.extend_from_slice(b"nonsense\n");
        index_line(&row(), Format::Two, &mut text);
        let mut reader = IndexReader::new(&text[..], 0).unwrap();
        let error = reader.next().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "line 11 of INDEX is damaged");
        assert_eq!(reader.next().unwrap().unwrap(), row());
        text.pop();
        let last = IndexReader::new(&text[..], 0).unwrap().last().unwrap();
        assert!(matches!(last, Err(FormatError::Line { number: 12, .. })));
    }

    #[test]
    fn a_line_without_end_is_refused_before_it_fills_the_memory() {
        let mut text = listing(&[]);
        text.resize(text.len() + (9 << 20), b'x');
        let mut reader = IndexReader::new(&text[..], 0).unwrap();
        assert!(reader.next().unwrap().is_err());
        assert!(reader.next().is_none());
    }

    #[test]
    fn other_texts_are_not_taken_for_an_index() {
        for bad in
            [&b""[..], b"x", b"#coldcut-snapshot\t1\n", b"#coldcut-index\n", b"#coldcut-index\t1\n"]
        {
            assert!(IndexReader::new(bad, 0).is_err(), "{bad:?}");
        }
        let newer = IndexReader::new(&b"#coldcut-index\t3\n"[..], 0).err().unwrap();
        assert!(matches!(newer, FormatError::Newer { .. }));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, field in 0..FIELDS, cut: prop::sample::Index) {
            let _ = parse_index_line(&bytes);
            let good = line(&row());
            let mut fields: Vec<&[u8]> = good.split(|&b| b == b'\t').collect();
            fields[field] = &bytes;
            let _ = parse_index_line(&fields.join(&b'\t'));
            let text = listing(&[row()]);
            if let Ok(reader) = IndexReader::new(&text[..cut.index(text.len())], 0) {
                reader.for_each(drop);
            }
        }

        #[test]
        fn any_path_comes_back(names in prop::collection::vec("[^/\0]{1,20}", 1..4)) {
            let text = names.join("/");
            prop_assume!(RelPath::new(text.as_bytes()).is_some());
            let row = IndexRow { path: path(text.as_bytes()), ..row() };
            prop_assert_eq!(parse_index_line(&line(&row)).unwrap(), row);
        }
    }
}
