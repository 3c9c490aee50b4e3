//! The rows of a catalog as lines of text: how they come out of the process that reads a stranger's
//! SQLite file. Plain enough that whoever takes the lines needs no trust in whoever wrote them.
//!
//! ```text
//! coldcut-rows 1           the first line
//! missing WORDS            what the kernel refused to take from the process; none, or a few
//! version 12               of the tables, as in `user_version`
//! table sets id name ...   a table begins: its name and its columns, in the order of the schema
//! i1<TAB>t70<TAB>-         a row: a value for each column
//! end 1                    the last line: how many rows there were
//! refused damaged WORDS    the last line, too: the file is no catalog, and why
//! ```
//!
//! A value is `-` (NULL), `i` and a decimal number, or `t` (text) or `x` (blob) and the bytes in
//! lower-case hexadecimal digits. All tables of the version are there, each once.

use crate::catalog::base::error::{Fault, odd};
use crate::catalog::base::schema::Table;
use rusqlite::types::{Value, ValueRef};
use std::io::Write;

pub(in crate::catalog) const GREETING: &[u8] = b"coldcut-rows 1";

/// Bytes that a row may have, and each value in it. The largest are certificates, which take some
/// ten KiB, and extended attributes, of which most file systems keep 64 KiB a file.
pub(in crate::catalog) const ROW_MAX: usize = 16 << 20;

/// The longest line: such a row in digits.
pub(in crate::catalog) const LINE_MAX: usize = 2 * ROW_MAX + 4096;

/// How many `missing` lines there may be.
pub(in crate::catalog) const MISSING_MAX: usize = 8;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The line that begins a table.
pub(in crate::catalog) fn title(table: &Table) -> String {
    format!("table {} {}", table.name, table.columns.join(" "))
}

/// Puts a value after those of its row that are there already.
pub(in crate::catalog) fn push_value(line: &mut Vec<u8>, value: ValueRef) -> Result<(), Fault> {
    if !line.is_empty() {
        line.push(b'\t');
    }
    match value {
        ValueRef::Null => line.push(b'-'),
        // Into memory, which takes everything.
        ValueRef::Integer(number) => write!(line, "i{number}").map_err(Fault::Io)?,
        ValueRef::Text(bytes) => push_digits(line, b't', bytes),
        ValueRef::Blob(bytes) => push_digits(line, b'x', bytes),
        ValueRef::Real(_) => return Err(odd("a number with a fraction")),
    }
    Ok(())
}

fn push_digits(line: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    line.reserve(1 + 2 * bytes.len());
    line.push(kind);
    for byte in bytes {
        line.push(DIGITS[usize::from(byte >> 4)]);
        line.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// The values of a row; an error if they are not exactly `columns`, or one is none.
pub(in crate::catalog) fn values(line: &[u8], columns: usize) -> Result<Vec<Value>, Fault> {
    let mut values = Vec::with_capacity(columns);
    for field in line.split(|&byte| byte == b'\t') {
        if values.len() == columns {
            return Err(odd("a row with too many values"));
        }
        values.push(value(field).ok_or_else(|| odd("an invalid value"))?);
    }
    match values.len() == columns {
        true => Ok(values),
        false => Err(odd("a row with too few values")),
    }
}

fn value(field: &[u8]) -> Option<Value> {
    let (kind, rest) = field.split_first()?;
    match kind {
        b'-' if rest.is_empty() => Some(Value::Null),
        b'i' => Some(Value::Integer(number(rest)?)),
        b't' => Some(Value::Text(String::from_utf8(bytes(rest)?).ok()?)),
        b'x' => Some(Value::Blob(bytes(rest)?)),
        _ => None,
    }
}

/// As it is written, and in no other way: no plus sign, no zeros in front.
pub(in crate::catalog) fn number(text: &[u8]) -> Option<i64> {
    let is_plain = match text.strip_prefix(b"-").unwrap_or(text) {
        b"0" => text == b"0",
        digits => digits.first().is_some_and(|first| (b'1'..=b'9').contains(first)),
    };
    is_plain.then(|| std::str::from_utf8(text).ok()?.parse().ok())?
}

fn bytes(digits: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(digits.len().div_ceil(2));
    for pair in digits.chunks(2) {
        bytes.push(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?);
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(values: &[Value]) -> Vec<u8> {
        let mut line = Vec::new();
        values.iter().for_each(|value| push_value(&mut line, value.into()).unwrap());
        line
    }

    #[test]
    fn every_value_comes_back_as_it_was() {
        let row = [
            Value::Null,
            Value::Integer(0),
            Value::Integer(-10),
            Value::Integer(i64::MIN),
            Value::Integer(i64::MAX),
            Value::Text(String::new()),
            Value::Text("a\tb\n-\u{1F4BF}\0".into()),
            Value::Blob(vec![]),
            Value::Blob((0..=255).collect()),
        ];
        let line = line(&row);
        assert!(line.iter().all(|&byte| byte == b'\t' || byte.is_ascii_graphic()));
        assert_eq!(values(&line, row.len()).unwrap(), row);
        assert!(values(&line, row.len() - 1).is_err());
        assert!(values(&line, row.len() + 1).is_err());
    }

    #[test]
    fn what_is_not_written_so_is_no_value() {
        for bad in [
            "",
            "i",
            "i+1",
            "i-+1",
            "i--1",
            "i-",
            "i01",
            "i-01",
            "i00",
            "i-0",
            "i1_0",
            "i1 ",
            "i9223372036854775808",
            "--",
            "-1",
            "x0",
            "x0G",
            "xAB",
            "tff",
            "r1.5",
            "x 00",
            "1",
        ] {
            assert!(values(bad.as_bytes(), 1).is_err(), "{bad:?}");
        }
        assert!(push_value(&mut Vec::new(), ValueRef::Real(1.0)).is_err());
    }
}
