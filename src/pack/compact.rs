//! Entries as few bytes in memory: a million wait for their turn in some 50 MB instead of 400.
//!
//! One is written after the other and read back in the same order, so a path is what it does not
//! share with the one before it, and owners are kept once. The bytes never leave this process.

use std::collections::HashMap;

use crate::model::entry::Fingerprint;
use crate::model::{Entry, Kind, Meta, Mtime, RelPath, Xattr};

/// Mode, owner and group: few combinations on millions of files.
type OwnerKey = (u32, u32, u32, Vec<u8>, Vec<u8>);

/// A change time that is not the modification time, and fields that few entries have.
const CTIME: u8 = 1;
const LINK: u8 = 2;
const DEVICE: u8 = 4;
const XATTRS: u8 = 8;

/// What entries have in common, for writing and for reading them.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnerTable {
    list: Vec<OwnerKey>,
    places: HashMap<OwnerKey, u64>,
}

impl OwnerTable {
    fn place(&mut self, meta: &Meta) -> u64 {
        let owner = (meta.mode, meta.uid, meta.gid, meta.user.clone(), meta.group.clone());
        let next = self.list.len() as u64;
        *self.places.entry(owner).or_insert_with_key(|owner| {
            self.list.push(owner.clone());
            next
        })
    }
}

/// Appends an entry to `to`; `last` is the path of the one before it there, and becomes this one's.
pub(super) fn write(entry: &Entry, last: &mut Vec<u8>, owners: &mut OwnerTable, to: &mut Vec<u8>) {
    let Entry { path, kind, size, meta, print } = entry;
    let flag = |given: bool, flag: u8| if given { flag } else { 0 };
    to.push(kind.letter() as u8);
    to.push(
        flag(print.ctime != meta.mtime, CTIME)
            | flag(!meta.link.is_empty(), LINK)
            | flag(meta.device.is_some(), DEVICE)
            | flag(!meta.xattrs.is_empty(), XATTRS),
    );
    put_path(path.as_bytes(), last, to);
    for number in [*size, owners.place(meta), print.dev, print.inode, print.nlink, print.occupied] {
        put(number, to);
    }
    put_time(meta.mtime, to);
    if print.ctime != meta.mtime {
        put_time(print.ctime, to);
    }
    if !meta.link.is_empty() {
        put_bytes(&meta.link, to);
    }
    if let Some((major, minor)) = meta.device {
        put(major.into(), to);
        put(minor.into(), to);
    }
    if !meta.xattrs.is_empty() {
        put(meta.xattrs.len() as u64, to);
        for Xattr { name, value } in &meta.xattrs {
            put_bytes(name, to);
            put_bytes(value, to);
        }
    }
}

fn put_path(path: &[u8], last: &mut Vec<u8>, to: &mut Vec<u8>) {
    let shared = path.iter().zip(last.iter()).take_while(|(a, b)| a == b).count();
    put(shared as u64, to);
    put_bytes(&path[shared..], to);
    last.clear();
    last.extend_from_slice(path);
}

fn put_time(time: Mtime, to: &mut Vec<u8>) {
    // The sign goes last, so that times before 1970 are short, too.
    put(((time.sec << 1) ^ (time.sec >> 63)) as u64, to);
    put(time.nsec.into(), to);
}

fn put_bytes(bytes: &[u8], to: &mut Vec<u8>) {
    put(bytes.len() as u64, to);
    to.extend_from_slice(bytes);
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn put(mut number: u64, to: &mut Vec<u8>) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// Reads what [`write`] wrote, in the same order, from its beginning.
pub(super) struct EntryReader<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
    pub last: &'a mut Vec<u8>,
}

impl EntryReader<'_> {
    pub fn entry(&mut self, owners: &OwnerTable) -> Entry {
        let kind = Kind::from_letter(self.byte().into()).unwrap_or(Kind::File);
        let flags = self.byte();
        let path = self.path();
        let [size, owner, dev, inode, nlink, occupied] = std::array::from_fn(|_| self.number());
        let mtime = self.time();
        let ctime = if flags & CTIME != 0 { self.time() } else { mtime };
        let (mode, uid, gid, user, group) = owners.list[owner as usize].clone();
        let link = if flags & LINK != 0 { self.bytes() } else { Vec::new() };
        let device = (flags & DEVICE != 0).then(|| (self.number() as u32, self.number() as u32));
        let xattrs = if flags & XATTRS != 0 { self.xattrs() } else { Vec::new() };
        Entry {
            path,
            kind,
            size,
            meta: Meta { mode, uid, gid, user, group, mtime, link, device, xattrs },
            print: Fingerprint { dev, inode, ctime, nlink, occupied },
        }
    }

    fn byte(&mut self) -> u8 {
        let byte = self.bytes[self.at];
        self.at += 1;
        byte
    }

    pub fn number(&mut self) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return number;
            }
        }
    }

    fn bytes(&mut self) -> Vec<u8> {
        let len = self.number() as usize;
        let bytes = self.bytes[self.at..self.at + len].to_vec();
        self.at += len;
        bytes
    }

    fn path(&mut self) -> RelPath {
        let shared = self.number() as usize;
        let rest = self.bytes();
        self.last.truncate(shared);
        self.last.extend_from_slice(&rest);
        // It was a path when it was written.
        RelPath::new(self.last).unwrap_or_default()
    }

    fn time(&mut self) -> Mtime {
        let sec = self.number();
        Mtime { sec: (sec >> 1) as i64 ^ -((sec & 1) as i64), nsec: self.number() as u32 }
    }

    fn xattrs(&mut self) -> Vec<Xattr> {
        let count = self.number();
        (0..count).map(|_| Xattr { name: self.bytes(), value: self.bytes() }).collect()
    }
}
