//! Records of pax extended headers (POSIX.1-2001, pax, "Extended Header"): `LENGTH KEY=VALUE LF`,
//! where LENGTH counts the whole record. Values are bytes and may hold LF and NUL.

/// Appends one record.
pub(super) fn push(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + decimal_digits(rest);
    // The length counts its own digits, and these may add one.
    if decimal_digits(length) + rest != length {
        length += 1;
    }
    records.extend_from_slice(length.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

fn decimal_digits(number: usize) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// All records, in order; `None` if one is malformed.
pub(super) fn parse(mut records: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut parsed = Vec::new();
    while !records.is_empty() {
        let blank = records.iter().take(20).position(|&b| b == b' ')?;
        let length: usize = std::str::from_utf8(&records[..blank]).ok()?.parse().ok()?;
        let (record, rest) = records.split_at_checked(length)?;
        let record = record.get(blank + 1..)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|&b| b == b'=')?;
        parsed.push((&record[..equals], &record[equals + 1..]));
        records = rest;
    }
    Some(parsed)
}

/// The name of an extended attribute inside of a keyword: GNU tar writes `=` as `%3D` and `%` as
/// `%25`, since a keyword ends at its first `=`.
pub(super) fn encode_name(name: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(name.len());
    for &byte in name {
        match byte {
            b'=' => encoded.extend_from_slice(b"%3D"),
            b'%' => encoded.extend_from_slice(b"%25"),
            _ => encoded.push(byte),
        }
    }
    encoded
}

pub(super) fn decode_name(mut encoded: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(encoded.len());
    while let Some((&byte, rest)) = encoded.split_first() {
        let (byte, rest) = match encoded {
            [b'%', b'3', b'D', rest @ ..] => (b'=', rest),
            [b'%', b'2', b'5', rest @ ..] => (b'%', rest),
            _ => (byte, rest),
        };
        name.push(byte);
        encoded = rest;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_records_length_counts_its_own_digits() {
        for len in [0, 1, 2, 3, 4, 5, 6, 90, 91, 92, 93, 94, 95, 990, 991, 992, 993, 994, 99_990] {
            let value = vec![b'v'; len];
            let mut records = Vec::new();
            push(&mut records, b"k", &value);
            push(&mut records, b"key", b"a\nb=c\0");
            let parsed = parse(&records).unwrap();
            assert_eq!(parsed, [(&b"k"[..], &value[..]), (b"key", b"a\nb=c\0")], "{len}");
        }
    }

    #[test]
    fn malformed_records_are_none() {
        for bad in [
            "x",
            "5 a=",
            "6 a=b\nx",
            "0 a=b\n",
            "7 ab\n\n",
            "99999999999999999999 a=b\n",
            "3 a=b\n",
            " a=b\n",
        ] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn names_with_equals_and_percent_signs_come_back() {
        for name in [&b"user.a=b%3D"[..], b"user.%", b"%25=%", b"user.plain"] {
            let encoded = encode_name(name);
            assert!(!encoded.contains(&b'='));
            assert_eq!(decode_name(&encoded), name);
        }
    }
}
