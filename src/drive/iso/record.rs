//! A record of a directory (ECMA-119 9.1).

use super::descriptor::word;

/// The bytes before a record's identifier.
const HEAD: usize = 33;
/// File flags (9.1.6): a directory.
const DIRECTORY: u8 = 1 << 1;
/// Belongs to a file of the same name (9.1.6): nothing that is asked for by that name.
const ASSOCIATED: u8 = 1 << 2;
/// Not the last piece of its file (9.1.6).
const MORE: u8 = 1 << 7;

/// What a record says.
#[derive(Clone, Copy, Debug)]
pub(super) struct DirectoryRecord<'a> {
    /// First sector of its extent.
    pub start: u32,
    /// Bytes of it.
    pub length: u32,
    flags: u8,
    /// As ISO 9660 has it.
    pub identifier: &'a [u8],
    /// What SUSP keeps.
    pub system_use: &'a [u8],
    /// Why the extent is not the file's content, if it is not.
    pub odd: Option<&'static str>,
}

impl<'a> DirectoryRecord<'a> {
    /// The record at the beginning of `bytes`, which end where its sector does: no record crosses
    /// that border (6.8.1.1). `None` if its lengths contradict each other, and nobody knows where
    /// the next one begins.
    pub fn parse(bytes: &'a [u8]) -> Option<DirectoryRecord<'a>> {
        let record = bytes.get(..usize::from(*bytes.first()?))?;
        let identifier = record.get(HEAD..HEAD + usize::from(*record.get(HEAD - 1)?))?;
        // 9.1.12: a byte of padding behind an identifier of an even length.
        let behind = HEAD + identifier.len() + usize::from(identifier.len() % 2 == 0);
        Some(DirectoryRecord {
            start: word(record, 2)?,
            length: word(record, 10)?,
            flags: record[25],
            identifier,
            system_use: record.get(behind..).unwrap_or_default(),
            odd: odd(record),
        })
    }

    /// The record of the directory itself, or of the one above (6.8.2.2).
    pub fn is_own_or_parent(&self) -> bool {
        matches!(self.identifier, [0 | 1])
    }

    pub fn is_own(&self) -> bool {
        self.identifier == [0]
    }

    pub fn is_directory(&self) -> bool {
        self.flags & DIRECTORY != 0
    }

    pub fn is_associated(&self) -> bool {
        self.flags & ASSOCIATED != 0
    }

    pub fn has_more(&self) -> bool {
        self.flags & MORE != 0
    }

    /// The name that ISO 9660 gives, without the version and the point before no extension
    /// (7.5.1).
    pub fn plain_name(&self) -> Vec<u8> {
        let name = self.identifier.rsplitn(2, |&byte| byte == b';').last();
        let name = name.unwrap_or(self.identifier);
        name.strip_suffix(b".").unwrap_or(name).to_vec()
    }
}

/// An extended attribute record before the content (9.1.2); interleaving (9.1.7, 9.1.8).
fn odd(record: &[u8]) -> Option<&'static str> {
    match (record[1], record[26], record[27]) {
        (0, 0, 0) => None,
        (0, ..) => Some("it is interleaved"),
        _ => Some("it has an extended attribute record"),
    }
}
