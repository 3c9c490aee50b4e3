//! The fields from `mode` to `xattrs` and the note, which INDEX and SNAPSHOT share (format 5,
//! fields 16 to 25), and the small readers of fields that both use.

use super::FormatError;
use super::escape::{escape_guarded_into, escape_into, unescape};
use crate::model::rows::Note;
use crate::model::{Digest, Format, Kind, Meta, Mtime, RelPath, Xattr};
use std::str::FromStr;

/// How many fields these are, the note among them.
pub(super) const COUNT: usize = 10;

/// The fields of one line, taken from left to right.
#[derive(Clone)]
pub(super) struct Fields<'a> {
    rest: std::slice::Split<'a, u8, fn(&u8) -> bool>,
}

impl<'a> Fields<'a> {
    /// Refuses a line that has another number of fields.
    pub(super) fn new(line: &'a [u8], expected: usize) -> Result<Fields<'a>, FormatError> {
        let found = line.iter().filter(|&&b| b == b'\t').count() + 1;
        if found != expected {
            return Err(FormatError::FieldCount { expected, found });
        }
        Ok(Fields { rest: line.split(is_tab) })
    }

    /// The next field as it stands.
    pub(super) fn raw(&mut self) -> &'a [u8] {
        self.rest.next().unwrap_or_default()
    }

    /// The next field, by a reader that gives `None` for what is not one.
    pub(super) fn read<T>(
        &mut self,
        name: &'static str,
        meaning: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<T, FormatError> {
        let field = self.raw();
        meaning(field).ok_or_else(|| FormatError::field(name, field))
    }

    pub(super) fn number<T: FromStr>(&mut self, name: &'static str) -> Result<T, FormatError> {
        self.read(name, decimal)
    }

    pub(super) fn path(&mut self, name: &'static str) -> Result<RelPath, FormatError> {
        self.read(name, |field| RelPath::new(&unescape(field)?))
    }

    pub(super) fn kind(&mut self) -> Result<Kind, FormatError> {
        self.read("kind", |field| match field {
            [letter] => Kind::from_letter(*letter as char),
            _ => None,
        })
    }

    pub(super) fn digest(&mut self) -> Result<Option<Digest>, FormatError> {
        self.read("sha256", |field| optional(field, Digest::from_hex))
    }
}

fn is_tab(byte: &u8) -> bool {
    *byte == b'\t'
}

/// Digits only: no sign, no blanks, no zeros in front.
pub(super) fn decimal<T: FromStr>(field: &[u8]) -> Option<T> {
    let digits = !field.is_empty() && field.iter().all(u8::is_ascii_digit);
    let is_short = field.len() == 1 || field.first() != Some(&b'0');
    (digits && is_short).then(|| std::str::from_utf8(field).ok()?.parse().ok())?
}

/// `-` for what is absent, else a value.
pub(super) fn optional<T>(
    field: &[u8],
    meaning: impl FnOnce(&[u8]) -> Option<T>,
) -> Option<Option<T>> {
    if field == b"-" { Some(None) } else { meaning(field).map(Some) }
}

/// Appends a TAB and a text that holds nothing to escape.
pub(super) fn plain(text: impl std::fmt::Display, out: &mut Vec<u8>) {
    out.push(b'\t');
    out.extend_from_slice(text.to_string().as_bytes());
}

/// Appends a TAB and `-` for nothing, else the value.
pub(super) fn plain_or_absent(value: Option<impl std::fmt::Display>, out: &mut Vec<u8>) {
    match value {
        Some(value) => plain(value, out),
        None => out.extend_from_slice(b"\t-"),
    }
}

/// Appends a TAB and `=` for a member that is called like its path, `-` for none.
pub(super) fn member(member: Option<&RelPath>, path: &RelPath, out: &mut Vec<u8>) {
    out.push(b'\t');
    match member {
        None => out.push(b'-'),
        Some(same) if same == path => out.push(b'='),
        Some(other) => escape_guarded_into(other.as_bytes(), out),
    }
}

/// Appends a path, or what else may be called `-` or `=`; discs of format 1 guard these only where
/// they have a meaning.
pub(super) fn value(bytes: &[u8], format: Format, out: &mut Vec<u8>) {
    match format {
        Format::One => escape_into(bytes, out),
        Format::Two => escape_guarded_into(bytes, out),
    }
}

/// Appends the fields, a TAB before each.
pub(super) fn meta(meta: &Meta, note: &Note, format: Format, out: &mut Vec<u8>) {
    plain(format_args!("{:04o}\t{}\t{}", meta.mode & 0o7777, meta.uid, meta.gid), out);
    name(&meta.user, out);
    name(&meta.group, out);
    plain(meta.mtime.to_decimal(), out);
    link(&meta.link, format, out);
    plain_or_absent(meta.device.map(|(major, minor)| format!("{major}:{minor}")), out);
    xattrs(&meta.xattrs, out);
    match note {
        Note::None => plain("-", out),
        Note::Changed => plain("changed", out),
        Note::Stale(date) => {
            plain("stale:", out);
            escape_into(date.as_bytes(), out);
        }
    }
}

/// Reads the fields after the others of a row of this kind.
pub(super) fn parse_meta(kind: Kind, fields: &mut Fields) -> Result<(Meta, Note), FormatError> {
    let meta = Meta {
        mode: fields.read("mode", parse_mode)?,
        uid: fields.number("uid")?,
        gid: fields.number("gid")?,
        user: fields.read("user", parse_name)?,
        group: fields.read("group", parse_name)?,
        mtime: fields.read("mtime", |f| Mtime::from_decimal(std::str::from_utf8(f).ok()?))?,
        link: fields.read("link", |field| parse_link(kind, field))?,
        device: fields.read("device", |field| optional(field, parse_device))?,
        xattrs: fields.read("xattrs", parse_xattrs)?,
    };
    let note = fields.read("note", parse_note)?;
    Ok((meta, note))
}

fn name(name: &[u8], out: &mut Vec<u8>) {
    out.push(b'\t');
    if name.is_empty() {
        out.push(b'-');
    }
    escape_guarded_into(name, out);
}

fn parse_name(field: &[u8]) -> Option<Vec<u8>> {
    if field == b"-" { Some(Vec::new()) } else { unescape(field) }
}

fn link(link: &[u8], format: Format, out: &mut Vec<u8>) {
    out.push(b'\t');
    if link.is_empty() {
        out.push(b'-');
    }
    value(link, format, out);
}

/// A link always has a target: a bare `-` is one that discs of format 1 do not guard.
fn parse_link(kind: Kind, field: &[u8]) -> Option<Vec<u8>> {
    match kind {
        Kind::Symlink => unescape(field).filter(|link| !link.is_empty() && !link.contains(&0)),
        Kind::Hardlink => unescape(field).filter(|link| RelPath::new(link).is_some()),
        _ => (field == b"-").then(Vec::new),
    }
}

fn parse_mode(field: &[u8]) -> Option<u32> {
    let octal = field.len() == 4 && field.iter().all(|b| (b'0'..=b'7').contains(b));
    octal.then(|| u32::from_str_radix(std::str::from_utf8(field).ok()?, 8).ok())?
}

fn parse_device(field: &[u8]) -> Option<(u32, u32)> {
    let colon = field.iter().position(|&b| b == b':')?;
    Some((decimal(&field[..colon])?, decimal(&field[colon + 1..])?))
}

fn parse_note(field: &[u8]) -> Option<Note> {
    match field {
        b"-" => Some(Note::None),
        b"changed" => Some(Note::Changed),
        _ => {
            let date = unescape(field.strip_prefix(b"stale:")?)?;
            String::from_utf8(date).ok().map(Note::Stale)
        }
    }
}

fn xattrs(xattrs: &[Xattr], out: &mut Vec<u8>) {
    out.push(b'\t');
    if xattrs.is_empty() {
        out.push(b'-');
    }
    for (number, xattr) in xattrs.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        percent_into(&xattr.name, out);
        out.push(b'=');
        base64_into(&xattr.value, out);
    }
}

fn parse_xattrs(field: &[u8]) -> Option<Vec<Xattr>> {
    if field == b"-" {
        return Some(Vec::new());
    }
    field.split(|&b| b == b',').map(parse_xattr).collect()
}

fn parse_xattr(text: &[u8]) -> Option<Xattr> {
    let equals = text.iter().position(|&b| b == b'=')?;
    let name = unpercent(&text[..equals]).filter(|name| !name.is_empty())?;
    Some(Xattr { name, value: unbase64(&text[equals + 1..])? })
}

fn percent_into(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => out.push(byte),
            _ => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
}

fn unpercent(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        if *first != b'%' {
            bytes.push(*first);
            rest = tail;
            continue;
        }
        let [high, low, after @ ..] = tail else { return None };
        let value = |digit: u8| (digit as char).to_digit(16);
        bytes.push((value(*high)? << 4 | value(*low)?) as u8);
        rest = after;
    }
    Some(bytes)
}

/// RFC 4648 section 4.
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What each byte stands for; 64 or more is no digit.
const DIGITS: [u8; 256] = {
    let mut digits = [u8::MAX; 256];
    let mut at = 0;
    while at < BASE64.len() {
        digits[BASE64[at] as usize] = at as u8;
        at += 1;
    }
    digits
};

fn base64_into(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = BASE64[(bits >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= chunk.len() { digit } else { b'=' });
        }
    }
}

fn unbase64(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() % 4 != 0 {
        return None;
    }
    let padding = text.iter().rev().take_while(|&&b| b == b'=').count();
    if padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let digits = &text[..text.len() - padding];
    for chunk in digits.chunks(4) {
        let mut bits = 0;
        for &digit in chunk {
            let value = DIGITS[digit as usize];
            if value >= 64 {
                return None;
            }
            bits = bits << 6 | u32::from(value);
        }
        bits <<= 6 * (4 - chunk.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..chunk.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(kind: Kind, value: &Meta, note: &Note) -> Vec<u8> {
        let both = [Format::One, Format::Two].map(|format| {
            let mut line = Vec::new();
            meta(value, note, format, &mut line);
            let mut fields = Fields::new(&line[1..], COUNT).unwrap();
            assert_eq!(parse_meta(kind, &mut fields).unwrap(), (value.clone(), note.clone()));
            line
        });
        let [_, line] = both;
        line
    }

    #[test]
    fn plain_metadata_reads_as_documented() {
        let meta = Meta {
            mode: 0o4755,
            uid: 1000,
            gid: 100,
            user: b"ann".to_vec(),
            mtime: Mtime { sec: -2, nsec: 500_000_000 },
            ..Meta::default()
        };
        let line = round(Kind::File, &meta, &Note::None);
        assert_eq!(line, b"\t4755\t1000\t100\tann\t-\t-1.500000000\t-\t-\t-\t-");
    }

    #[test]
    fn odd_metadata_comes_back() {
        let link = |link: &[u8]| Meta { link: link.to_vec(), ..Meta::default() };
        let line = round(Kind::Symlink, &link(b"-"), &Note::Changed);
        assert!(line.ends_with(b"\t\\055\t-\t-\tchanged"), "{}", String::from_utf8_lossy(&line));
        round(Kind::Symlink, &link(b"/abs/../\xff\t\n\\"), &Note::Stale("2026-01-01".into()));
        round(Kind::Hardlink, &link(b"-"), &Note::None);
        let device = Meta { device: Some((8, u32::MAX)), ..Meta::default() };
        round(Kind::BlockDevice, &device, &Note::None);
        round(
            Kind::File,
            &Meta { user: b"-".to_vec(), group: b"=".to_vec(), ..device },
            &Note::None,
        );
    }

    #[test]
    fn attributes_of_any_bytes_come_back() {
        let all: Vec<u8> = (0..=255).collect();
        let of = |name: &[u8], value: &[u8]| Xattr { name: name.to_vec(), value: value.to_vec() };
        let xattrs = vec![of(b"user.a", b""), of(b"user.b,=%\t", b"x"), of(&all, &all)];
        let line = round(Kind::File, &Meta { xattrs, ..Meta::default() }, &Note::None);
        assert!(line.windows(9).any(|w| w == b"user.a=,u"));
        assert!(line.windows(21).any(|w| w == b"user.b%2C%3D%25%09=eA"));
    }

    #[test]
    fn base64_is_that_of_the_standard() {
        // RFC 4648 section 10.
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            let mut out = Vec::new();
            base64_into(bytes.as_bytes(), &mut out);
            assert_eq!(out, text.as_bytes());
            assert_eq!(unbase64(&out).as_deref(), Some(bytes.as_bytes()));
        }
        for bad in ["Z", "Zg", "Zg=", "====", "Z===", "Zg==Zg==", "Zm 8", "\u{e4}\u{e4}"] {
            assert_eq!(unbase64(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn fields_that_mean_nothing_are_refused() {
        let good = ["0644", "0", "0", "-", "-", "0.0", "-", "-", "-", "-"];
        let bad: [(usize, &str); 16] = [
            (0, "644"),
            (1, "007"),
            (0, "0648"),
            (1, "-1"),
            (2, "4294967296"),
            (3, "\\x"),
            (5, "1e9"),
            (6, "x"),
            (7, "8"),
            (7, "8:"),
            (8, "user.a"),
            (8, "=eA=="),
            (8, "user.a=eA==,"),
            (8, "user%4=eA=="),
            (9, "stale"),
            (9, "?"),
        ];
        let parse = |fields: &[&str], kind| {
            let line = fields.join("\t");
            parse_meta(kind, &mut Fields::new(line.as_bytes(), COUNT)?)
        };
        assert!(parse(&good, Kind::File).is_ok());
        assert!(parse(&good, Kind::Hardlink).is_ok(), "the file called -");
        for (at, value) in bad {
            let mut fields = good;
            fields[at] = value;
            assert!(parse(&fields, Kind::File).is_err(), "{value:?} in {at}");
        }
        let mut outside = good;
        outside[6] = "../x";
        assert!(parse(&outside, Kind::Hardlink).is_err());
    }
}
