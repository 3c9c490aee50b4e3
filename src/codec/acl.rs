//! POSIX ACLs: the kernel keeps them as binary extended attributes, GNU tar as text in pax records.
//! This is the way between the two.

/// `POSIX_ACL_XATTR_VERSION` of linux/posix_acl_xattr.h.
const VERSION: u32 = 2;
/// `ACL_UNDEFINED_ID`: the id of entries that name nobody.
const NOBODY: u32 = u32::MAX;

// Tags of linux/posix_acl.h.
const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

type AclEntry = (u16, u32, u16);

/// The kernel's form as text: `user::rw-,user:1000:r--,group::r--,mask::rw-,other::r--`.
/// `None` if it is malformed or does not come back the same from the text.
pub fn to_text(kernel: &[u8]) -> Option<String> {
    let (version, entries) = kernel.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*version) != VERSION || entries.len() % 8 != 0 {
        return None;
    }
    let lines: Option<Vec<String>> = entries.chunks(8).map(entry_text).collect();
    let text = lines?.join(",");
    (from_text(text.as_bytes())? == kernel).then_some(text)
}

fn entry_text(entry: &[u8]) -> Option<String> {
    let (tag, rest) = entry.split_first_chunk::<2>()?;
    let (perm, id) = rest.split_first_chunk::<2>()?;
    let (tag, perm) = (u16::from_le_bytes(*tag), u16::from_le_bytes(*perm));
    let id = u32::from_le_bytes(id.try_into().ok()?);
    let name = match tag {
        USER_OBJ | USER => "user",
        GROUP_OBJ | GROUP => "group",
        MASK => "mask",
        OTHER => "other",
        _ => return None,
    };
    let named = matches!(tag, USER | GROUP);
    if perm > 7 || named == (id == NOBODY) {
        return None;
    }
    let who = if named { id.to_string() } else { String::new() };
    let bit = |bit: u16, letter: char| if perm & bit != 0 { letter } else { '-' };
    Some(format!("{name}:{who}:{}{}{}", bit(4, 'r'), bit(2, 'w'), bit(1, 'x')))
}

/// Reads text with numeric ids, entries separated by commas or newlines, into the kernel's form
/// and order. `None` for anything else.
pub fn from_text(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let lines = text.split([',', '\n']).map(without_comment).filter(|line| !line.is_empty());
    let mut entries = lines.map(parse_entry).collect::<Option<Vec<_>>>()?;
    if entries.is_empty() {
        return None;
    }
    // The kernel wants tags, and ids within a tag, to rise (posix_acl_valid).
    entries.sort_unstable();
    if entries.windows(2).any(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1)) {
        return None;
    }
    let mut kernel = VERSION.to_le_bytes().to_vec();
    for (tag, id, perm) in entries {
        kernel.extend_from_slice(&tag.to_le_bytes());
        kernel.extend_from_slice(&perm.to_le_bytes());
        kernel.extend_from_slice(&id.to_le_bytes());
    }
    Some(kernel)
}

/// `getfacl` puts `#effective:r--` behind an entry that the mask narrows.
fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or_default().trim()
}

fn parse_entry(line: &str) -> Option<AclEntry> {
    let mut fields = line.split(':');
    let (name, who, perm) = (fields.next()?, fields.next()?, fields.next()?);
    if fields.next().is_some() {
        return None;
    }
    let tag = match (name, who.is_empty()) {
        ("user" | "u", true) => USER_OBJ,
        ("user" | "u", false) => USER,
        ("group" | "g", true) => GROUP_OBJ,
        ("group" | "g", false) => GROUP,
        ("mask" | "m", true) => MASK,
        ("other" | "o", true) => OTHER,
        _ => return None,
    };
    let id = if who.is_empty() { NOBODY } else { who.parse().ok().filter(|&id| id != NOBODY)? };
    Some((tag, id, parse_perm(perm.as_bytes())?))
}

fn parse_perm(perm: &[u8]) -> Option<u16> {
    let [r, w, x] = perm else { return None };
    let bit = |byte: u8, letter: u8, value: u16| match byte {
        b'-' => Some(0),
        _ if byte == letter => Some(value),
        _ => None,
    };
    Some(bit(*r, b'r', 4)? + bit(*w, b'w', 2)? + bit(*x, b'x', 1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "user::rw-,user:1000:r--,group::r--,group:7:-wx,mask::rw-,other::r--";

    #[test]
    fn text_and_the_kernels_form_are_two_sides_of_one_acl() {
        let kernel = from_text(TEXT.as_bytes()).unwrap();
        assert_eq!(kernel.len(), 4 + 6 * 8);
        assert_eq!(kernel[..12], [2, 0, 0, 0, 1, 0, 6, 0, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(to_text(&kernel).as_deref(), Some(TEXT));
    }

    #[test]
    fn lines_in_any_order_with_comments_are_read() {
        let text = "other::r--\nmask::rw-\nuser:1000:r--\t#effective:r--\n\ngroup::r--\nuser::rw-\ngroup:7:-wx\n";
        assert_eq!(from_text(text.as_bytes()), from_text(TEXT.as_bytes()));
    }

    #[test]
    fn malformed_acls_are_none() {
        for bad in [
            "",
            "user::rw",
            "user:bob:rw-",
            "user:-1:rw-",
            "nobody::rw-",
            "mask:1:rw-",
            "user::rwz",
            "user::rw-,user::r--",
            "user::rw-:x",
            "user:4294967295:r--",
        ] {
            assert_eq!(from_text(bad.as_bytes()), None, "{bad:?}");
        }
        let good = from_text(TEXT.as_bytes()).unwrap();
        assert_eq!(to_text(&good[..good.len() - 1]), None);
        assert_eq!(to_text(&[]), None);
        for (at, byte) in [(0, 1), (4, 3), (6, 8), (8, 0)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert_eq!(to_text(&bad), None, "byte {at}");
        }
        let mut swapped = good[..4].to_vec();
        swapped.extend_from_slice(&good[12..20]);
        swapped.extend_from_slice(&good[4..12]);
        assert_eq!(to_text(&swapped), None, "an order that text does not keep");
    }
}
