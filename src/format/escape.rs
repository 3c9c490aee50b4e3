//! Escapes of fields (format 5): they keep a listing one row a line, whatever names hold,
//! and are those that bash's `printf %b` and `tar -T` undo.

/// Appends `bytes` as a field's text.
pub fn escape_into(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            _ => out.push(byte),
        }
    }
}

/// The same for a field in which `-` and `=` have a meaning of their own: a value that is just
/// one of these is written in octal, as `\055` and `\075`.
pub fn escape_guarded_into(bytes: &[u8], out: &mut Vec<u8>) {
    match bytes {
        b"-" => out.extend_from_slice(b"\\055"),
        b"=" => out.extend_from_slice(b"\\075"),
        _ => escape_into(bytes, out),
    }
}

/// A text of people for DISC.txt: as in listings, and each byte that is not printable ASCII as `\xHH`.
pub fn printable(bytes: &[u8]) -> String {
    let mut escaped = Vec::new();
    escape_into(bytes, &mut escaped);
    let text = |byte: u8| match byte {
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02X}"),
    };
    escaped.into_iter().map(text).collect()
}

/// Reads what [`printable`] wrote; `None` for an escape that is not ours.
pub fn unprintable(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        (*first != b'\\').then(|| bytes.push(*first));
        rest = match tail {
            _ if *first != b'\\' => tail,
            [b'x', high, low, after @ ..] => {
                let digits = [*high, *low];
                let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
                let digits = std::str::from_utf8(&digits).ok().filter(|_| is_hex)?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                after
            }
            _ => {
                let (byte, length) = unescape_one(tail)?;
                bytes.push(byte);
                tail.get(length..)?
            }
        };
    }
    Some(bytes)
}

/// The bytes that a field stands for; `None` for an escape that is not ours.
pub fn unescape(field: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some(at) = rest.iter().position(|&b| b == b'\\') {
        bytes.extend_from_slice(&rest[..at]);
        let (byte, length) = unescape_one(&rest[at + 1..])?;
        bytes.push(byte);
        rest = &rest[at + 1 + length..];
    }
    bytes.extend_from_slice(rest);
    Some(bytes)
}

/// What stands behind a backslash: the byte, and how many bytes of text it took.
fn unescape_one(text: &[u8]) -> Option<(u8, usize)> {
    Some(match text {
        [b'\\', ..] => (b'\\', 1),
        [b't', ..] => (b'\t', 1),
        [b'n', ..] => (b'\n', 1),
        [b'0', b'5', b'5', ..] => (b'-', 3),
        [b'0', b'7', b'5', ..] => (b'=', 3),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        escape_into(bytes, &mut out);
        out
    }

    #[test]
    fn every_byte_goes_out_and_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(unescape(&escaped(&all)), Some(all));
        assert_eq!(escaped(b"a\\n\n\t"), b"a\\\\n\\n\\t");
        assert_eq!(unescape(b""), Some(Vec::new()));
    }

    #[test]
    fn a_lone_sign_is_told_from_the_sign_that_means_something() {
        for (value, text) in [(b"-", b"\\055"), (b"=", b"\\075")] {
            let mut out = Vec::new();
            escape_guarded_into(value, &mut out);
            assert_eq!(out, text);
            assert_eq!(unescape(&out).as_deref(), Some(&value[..]));
        }
    }

    #[test]
    fn every_text_of_people_goes_out_in_printable_ascii_and_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        let text = printable(&all);
        assert!(text.bytes().all(|b| (b' '..=b'~').contains(&b)));
        assert_eq!(unprintable(text.as_bytes()), Some(all));
        for bad in ["\\x4", "\\xg0", "\\", "\\r", "\\x+1"] {
            assert_eq!(unprintable(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn foreign_escapes_are_refused() {
        for bad in [&b"\\"[..], b"a\\", b"\\x41", b"\\r", b"\\0", b"\\05", b"\\101"] {
            assert_eq!(unescape(bad), None, "{bad:?}");
        }
    }
}
