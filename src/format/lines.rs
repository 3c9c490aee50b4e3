//! What all listings have in common: lines of bounded length, read one after another, the `#` lines
//! first, fields between TABs.

use super::FormatError;
use super::escape::unescape;
use super::heading::{BeforeLine, SnapshotLine, SourceLine};
use crate::model::path::shown;
use crate::model::{Digest, DiscNo, DiscUuid, Format, SetName, SetUuid, SnapshotSeq, SnapshotUuid};
use std::io::{BufRead, Read};

/// The longest line that is taken for one: two paths, a link and 64 KiB of attributes, escaped,
/// fit many times over. What is longer is damage and must not fill the memory.
pub(super) const LINE_MAX: usize = 4 << 20;

/// So many rows any listing may have. Of a larger one the packed size decides.
const ROWS: u64 = 1 << 20;
/// Rows for each packed byte. A million empty files, of one time and with numbers for names, take
/// 0.78 bytes a row in bzip2; this is twelve times denser.
const ROWS_A_BYTE: u64 = 16;

/// So much text any listing may have, and so much more for each packed byte. The same million files
/// take 200 bytes a row, which is 256 for each packed one.
const TEXT: u64 = 64 << 20;
const TEXT_A_BYTE: u64 = 1024;

/// Bytes of text that a listing may have which takes so many bytes on its disc.
pub fn longest_text(packed: u64) -> u64 {
    packed.saturating_mul(TEXT_A_BYTE).saturating_add(TEXT)
}

/// Whether a listing may be larger than real ones of its packed size are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SizeLimits {
    #[default]
    Kept,
    /// A person knows who made the discs.
    Lifted,
}

impl SizeLimits {
    /// What to reckon a listing's limits from that takes so many bytes on its disc.
    pub fn packed(self, size: u64) -> u64 {
        match self {
            SizeLimits::Kept => size,
            SizeLimits::Lifted => u64::MAX,
        }
    }
}

/// Lines of a listing, counted.
pub(super) struct LineReader<R> {
    input: R,
    what: &'static str,
    number: u64,
    /// Bytes of all lines until here.
    text: u64,
    line: Vec<u8>,
    /// Its size, packed, and how many lines that may have at most.
    packed: u64,
    most: u64,
}

impl<R: BufRead> LineReader<R> {
    /// `packed`: how many bytes the listing takes on its disc.
    pub(super) fn new(input: R, what: &'static str, packed: u64) -> LineReader<R> {
        let most = ROWS.max(packed.saturating_mul(ROWS_A_BYTE));
        LineReader { input, what, number: 0, text: 0, line: Vec::new(), packed, most }
    }

    /// The next line without its LF, `None` at the end.
    pub(super) fn next_line(&mut self) -> Result<Option<&[u8]>, FormatError> {
        Ok(self.fill()?.then_some(&self.line))
    }

    /// The next line if it is one of the `#` lines at the beginning.
    pub(super) fn next_header(&mut self) -> Result<Option<&[u8]>, FormatError> {
        let (what, number) = (self.what, self.number);
        let ahead =
            self.input.fill_buf().map_err(|source| FormatError::Read { what, number, source })?;
        if ahead.first() == Some(&b'#') { self.next_line() } else { Ok(None) }
    }

    /// Names the place of an error that a line's content gave.
    pub(super) fn here(&self, source: FormatError) -> FormatError {
        FormatError::Line { what: self.what, number: self.number, source: Box::new(source) }
    }

    /// Sound or damaged: lines cost time, and sound ones memory.
    fn refuse_too_much(&mut self) -> Result<(), FormatError> {
        let (what, size) = (self.what, self.packed);
        if self.number >= self.most {
            return Err(FormatError::TooManyRows { what, most: self.most, size });
        }
        self.text = self.text.saturating_add(self.line.len() as u64);
        let most = longest_text(size);
        if self.text > most { Err(FormatError::TooMuchText { what, most, size }) } else { Ok(()) }
    }

    fn fill(&mut self) -> Result<bool, FormatError> {
        self.line.clear();
        let mut bounded = (&mut self.input).take(LINE_MAX as u64 + 1);
        let (what, number) = (self.what, self.number);
        bounded.read_until(b'\n', &mut self.line).map_err(|source| FormatError::Read {
            what,
            number,
            source,
        })?;
        if self.line.is_empty() {
            return Ok(false);
        }
        self.refuse_too_much()?;
        self.number += 1;
        match self.line.pop() {
            Some(b'\n') => Ok(true),
            _ if self.line.len() >= LINE_MAX => {
                Err(self.here(FormatError::LineTooLong { max: LINE_MAX }))
            }
            _ => Err(self.here(FormatError::CutOff)),
        }
    }
}

/// How the reading of rows stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    Reading,
    /// Some of the text could not be had: what comes next may be sound.
    Stumbled,
    Ended,
}

/// The first lines of a listing, made into its header. Where a damaged stretch swallowed them there
/// is none, and the rows after it follow.
pub(super) fn read_header<R: BufRead, T>(
    lines: &mut LineReader<R>,
    what: &'static str,
    make: impl FnOnce(HeaderFields) -> Option<T>,
) -> Result<(Option<T>, Option<FormatError>), FormatError> {
    match HeaderFields::read(lines, what) {
        Ok(fields) => Ok((Some(make(fields).ok_or(FormatError::Header { what })?), None)),
        Err(error) if error.is_a_damaged_stretch() => Ok((None, Some(error))),
        Err(error) => Err(error),
    }
}

/// Rows until the end. A row that is damaged, and a stretch of text that is (an error of kind
/// `InvalidData`), is an error and the next one follows; two such stretches without a line between
/// them, or any other failure of reading, are the end.
pub(super) fn next_row<R: BufRead, T>(
    lines: &mut LineReader<R>,
    stand: &mut Stand,
    parse: impl FnOnce(&[u8]) -> Result<T, FormatError>,
) -> Option<Result<T, FormatError>> {
    if *stand == Stand::Ended {
        return None;
    }
    let row = match lines.next_line() {
        Ok(Some(line)) => parse(line),
        Ok(None) => {
            *stand = Stand::Ended;
            return None;
        }
        Err(error) => {
            let goes_on = *stand == Stand::Reading && error.is_a_damaged_stretch();
            *stand = if goes_on { Stand::Stumbled } else { Stand::Ended };
            return Some(Err(error));
        }
    };
    *stand = Stand::Reading;
    Some(row.map_err(|error| lines.here(error)))
}

/// The `#` lines of a listing as they are collected; what a reader does not know is passed over.
#[derive(Default)]
pub(super) struct HeaderFields {
    pub(super) format: Format,
    pub(super) set: Option<(SetName, SetUuid)>,
    pub(super) disc: Option<(DiscNo, DiscUuid)>,
    pub(super) snapshots: Vec<SnapshotLine>,
    pub(super) before: Vec<BeforeLine>,
    pub(super) sources: Vec<SourceLine>,
}

impl HeaderFields {
    /// Reads all `#` lines; `what` is the word behind `#coldcut-` in the first.
    pub(super) fn read<R: BufRead>(
        lines: &mut LineReader<R>,
        what: &'static str,
    ) -> Result<HeaderFields, FormatError> {
        let first = lines.next_header()?.ok_or(FormatError::Header { what })?;
        let format = format_of(first, what)?;
        let mut fields = HeaderFields { format, ..HeaderFields::default() };
        while let Some(line) = lines.next_header()? {
            fields.take(line).ok_or(FormatError::Header { what })?;
        }
        Ok(fields)
    }

    fn take(&mut self, line: &[u8]) -> Option<()> {
        let parts: Vec<&[u8]> = line.split(|&b| b == b'\t').collect();
        match parts[..] {
            [b"#set", name, uuid] => {
                self.set = Some((SetName::new(text(name)?)?, SetUuid(parsed(uuid)?)));
            }
            [b"#disc", number, uuid] => {
                self.disc = Some((DiscNo(parsed(number)?), DiscUuid(parsed(uuid)?)));
            }
            [b"#snapshot", seq, date, source, ref uuid @ ..] => {
                self.snapshots.push(SnapshotLine {
                    seq: SnapshotSeq(parsed(seq)?),
                    date: text(date)?.to_owned(),
                    source: unescape(source)?,
                    uuid: match uuid {
                        [] | [b"-", ..] => None,
                        [uuid, ..] => Some(SnapshotUuid(parsed(uuid)?)),
                    },
                });
            }
            [b"#before", number, uuid, sums] => self.before.push(BeforeLine {
                disc: DiscNo(parsed(number)?),
                uuid: DiscUuid(parsed(uuid)?),
                sums: if sums == b"-" { None } else { Some(Digest::from_hex(sums)?) },
            }),
            [b"#source", name, path] => self.sources.push(SourceLine {
                name: if name == b"-" { None } else { Some(unescape(name)?) },
                path: unescape(path)?,
            }),
            _ => (),
        }
        Some(())
    }
}

fn text(field: &[u8]) -> Option<&str> {
    std::str::from_utf8(field).ok()
}

fn parsed<T: std::str::FromStr>(field: &[u8]) -> Option<T> {
    text(field)?.parse().ok()
}

/// The first line says which listing it is, and in which format.
fn format_of(line: &[u8], what: &'static str) -> Result<Format, FormatError> {
    let format = line
        .strip_prefix(b"#coldcut-")
        .and_then(|rest| rest.strip_prefix(what.as_bytes()))
        .and_then(|rest| rest.strip_prefix(b"\t"))
        .ok_or(FormatError::Header { what })?;
    match format {
        b"1" => Ok(Format::One),
        b"2" => Ok(Format::Two),
        other => Err(FormatError::Newer { found: shown(&other[..other.len().min(20)]) }),
    }
}
