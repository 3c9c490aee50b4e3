//! What stands behind a record's identifier (SUSP, IEEE P1281 5; RRIP, IEEE P1282 4): the name, and
//! whether it is a regular file.

use super::descriptor::word;

/// No name on a system of today is longer.
const LONGEST_NAME: usize = 255;
/// So often a record may go on elsewhere. Ours never do, but for the root's.
const CONTINUATIONS: usize = 16;
/// Bits of the mode that tell what it is, and a regular file's (RRIP 4.1.1).
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
/// Flags of NM (RRIP 4.1.4): the name of the directory itself, and of the one above.
const CURRENT_OR_PARENT: u8 = 1 << 1 | 1 << 2;

/// A place elsewhere at which entries go on (SUSP 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Continuation {
    pub sector: u32,
    pub offset: u32,
    pub length: u32,
}

/// What the entries of one record say.
#[derive(Debug, Default)]
pub(super) struct Entries {
    name: Option<Vec<u8>>,
    mode: Option<u32>,
    /// A directory that was moved away from here because of its depth (RRIP 4.1.5.1).
    is_link: bool,
    /// How many bytes of every other record are not SUSP's (SUSP 5.3).
    pub skip: Option<u8>,
    is_too_long: bool,
    /// Something stands there that is no entry.
    pub is_broken: bool,
    continued: usize,
}

impl Entries {
    /// Reads entries to the end of `area`; returns where they go on.
    pub fn take(&mut self, mut area: &[u8]) -> Option<Continuation> {
        let mut next = None;
        while let [a, b, length, _version, ..] = *area {
            let Some(entry) = area.get(..usize::from(length)).filter(|entry| entry.len() >= 4)
            else {
                self.is_broken = true;
                break;
            };
            match &[a, b] {
                b"NM" => self.take_name(&entry[4..]),
                b"PX" => self.mode = self.mode.or(word(entry, 4)),
                b"CL" => self.is_link = true,
                b"SP" if entry[4..].starts_with(&[0xbe, 0xef]) => {
                    self.skip = entry.get(6).copied();
                }
                b"CE" => next = continuation(entry),
                b"ST" => {
                    area = &[];
                    break;
                }
                _ => {}
            }
            area = &area[entry.len()..];
        }
        // At most a byte of padding is left (SUSP 4).
        self.is_broken |= area.len() < 4 && area.iter().any(|&byte| byte != 0);
        self.continued += 1;
        next.filter(|_| self.continued <= CONTINUATIONS)
    }

    /// A name may come in pieces.
    fn take_name(&mut self, data: &[u8]) {
        let Some((flags, piece)) = data.split_first() else { return };
        let name = self.name.get_or_insert_default();
        if flags & CURRENT_OR_PARENT != 0 || name.len() + piece.len() > LONGEST_NAME {
            self.is_too_long = true;
            return;
        }
        name.extend_from_slice(piece);
    }

    /// Whether this is a directory of another place, a link, a device: nothing to be read.
    pub fn is_special(&self, is_directory: bool) -> bool {
        let kind = self.mode.map(|mode| mode & KIND);
        self.is_link || !is_directory && kind.is_some_and(|kind| kind != REGULAR)
    }

    /// The name, or the one that is given if there is none, if it is one that can be joined to a
    /// path. What is not UTF-8 in it shows as replacement characters.
    pub fn name(self, plain: impl FnOnce() -> Vec<u8>) -> Option<String> {
        let name = self.name.unwrap_or_else(plain);
        let is_one = !matches!(&name[..], b"" | b"." | b"..")
            && !name.iter().any(|byte| matches!(byte, 0 | b'/'));
        (is_one && !self.is_too_long).then(|| String::from_utf8_lossy(&name).into_owned())
    }
}

fn continuation(entry: &[u8]) -> Option<Continuation> {
    let (sector, offset, length) = (word(entry, 4)?, word(entry, 12)?, word(entry, 20)?);
    Some(Continuation { sector, offset, length })
}
