//! A member of an archive as tar writes it (format 3.2): a pax header where it is needed, the
//! ustar header, the map of a sparse file. What GNU tar reads without a word is the measure.

use super::{acl, pax, sparse::BLOCK};
use crate::model::{Kind, Meta, RelPath};
use tar::{EntryType, Header};

use super::sparse::SparseMap;

/// The two zero blocks that end a tar file (POSIX.1-2001, pax, "ustar Interchange Format").
pub const END_OF_ARCHIVE: [u8; 1024] = [0; 1024];

/// The largest values of ustar's octal fields of 8 and 12 bytes.
const MAX_OCTAL_8: u64 = 0o7_777_777;
const MAX_OCTAL_12: u64 = 0o77_777_777_777;
/// Stands in the header where an owner has no room: `nobody`, so that a reader that knows no pax
/// does not give a stranger's file to root.
const NOBODY: u64 = 65_534;

/// All that the headers of a member say.
#[derive(Clone, Copy, Debug)]
pub struct MemberHead<'a> {
    /// The member's name in the archive, which need not be the path in the source.
    pub name: &'a RelPath,
    pub kind: Kind,
    /// Bytes of content, holes counted; of no meaning for other kinds than files.
    pub size: u64,
    /// `link` is taken from here: for a hard link the name of the member that has the content.
    pub meta: &'a Meta,
    /// The map of a file that is stored without its holes. Its size must be `size`.
    pub sparse: Option<&'a SparseMap>,
}

/// Zeros that follow `len` bytes of data.
pub fn padding(len: u64) -> usize {
    (len.wrapping_neg() % BLOCK) as usize
}

impl MemberHead<'_> {
    /// All that stands before the data.
    pub fn head_bytes(&self) -> Vec<u8> {
        let map = self.map().map(SparseMap::to_bytes).unwrap_or_default();
        let stored = map.len() as u64 + self.data_len();
        let records = self.pax_records(stored);
        let mut head = Vec::new();
        if !records.is_empty() {
            head.extend_from_slice(self.pax_header(records.len() as u64).as_bytes());
            head.extend_from_slice(&records);
            head.resize(head.len() + padding(records.len() as u64), 0);
        }
        head.extend_from_slice(self.ustar_header(stored).as_bytes());
        head.extend_from_slice(&map);
        head
    }

    /// Bytes of data that follow the head, without the padding.
    pub fn data_len(&self) -> u64 {
        match (self.kind, self.map()) {
            (Kind::File, Some(map)) => map.data_len(),
            (Kind::File, None) => self.size,
            _ => 0,
        }
    }

    /// Bytes that the member takes in the tar file: head, data and padding.
    pub fn stored_len(&self) -> u64 {
        let data = self.data_len();
        self.head_bytes().len() as u64 + data + padding(data) as u64
    }

    fn map(&self) -> Option<&SparseMap> {
        self.sparse.filter(|_| self.kind == Kind::File)
    }

    /// The name as tar has it: a directory's ends in a slash.
    fn tar_name(&self) -> Vec<u8> {
        let mut name = self.name.as_bytes().to_vec();
        if self.kind == Kind::Dir {
            name.push(b'/');
        }
        name
    }

    fn pax_records(&self, stored: u64) -> Vec<u8> {
        let mut records = Vec::new();
        self.push_names(&mut records);
        self.push_numbers(&mut records, stored);
        self.push_sparse(&mut records);
        self.push_xattrs(&mut records);
        records
    }

    fn push_names(&self, records: &mut Vec<u8>) {
        let meta = self.meta;
        let name = self.tar_name();
        let texts: [(&[u8], &[u8], usize); 4] = [
            (b"path", if self.map().is_some() { b"" } else { &name }, 100),
            (b"linkpath", &meta.link, 100),
            // ustar ends these two with a NUL inside of their 32 bytes.
            (b"uname", &meta.user, 31),
            (b"gname", &meta.group, 31),
        ];
        for (key, text, room) in texts {
            if text.len() > room {
                pax::push(records, key, text);
            }
        }
    }

    fn push_numbers(&self, records: &mut Vec<u8>, stored: u64) {
        let meta = self.meta;
        let numbers: [(&[u8], u64, u64); 3] = [
            (b"size", stored, MAX_OCTAL_12),
            (b"uid", meta.uid.into(), MAX_OCTAL_8),
            (b"gid", meta.gid.into(), MAX_OCTAL_8),
        ];
        for (key, number, most) in numbers {
            if number > most {
                pax::push(records, key, number.to_string().as_bytes());
            }
        }
        if self.meta.mtime.nsec != 0 || self.header_mtime().is_none() {
            pax::push(records, b"mtime", meta.mtime.to_decimal().as_bytes());
        }
    }

    fn header_mtime(&self) -> Option<u64> {
        u64::try_from(self.meta.mtime.sec).ok().filter(|&sec| sec <= MAX_OCTAL_12)
    }

    fn push_sparse(&self, records: &mut Vec<u8>) {
        if let Some(map) = self.map() {
            pax::push(records, b"GNU.sparse.major", b"1");
            pax::push(records, b"GNU.sparse.minor", b"0");
            pax::push(records, b"GNU.sparse.name", self.name.as_bytes());
            pax::push(records, b"GNU.sparse.realsize", map.size().to_string().as_bytes());
        }
    }

    fn push_xattrs(&self, records: &mut Vec<u8>) {
        for xattr in &self.meta.xattrs {
            let (key, value) = xattr_record(&xattr.name, &xattr.value);
            pax::push(records, &key, &value);
        }
    }

    fn pax_header(&self, len: u64) -> Header {
        let mut header = Header::new_ustar();
        let last = self.name.split_last().map_or(&b"."[..], |(_, last)| last);
        set_name(&mut header, &[b"PaxHeaders/", last].concat());
        header.set_entry_type(EntryType::XHeader);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(self.header_mtime().unwrap_or(0));
        header.set_size(len);
        header.set_cksum();
        header
    }

    fn ustar_header(&self, stored: u64) -> Header {
        let meta = self.meta;
        let mut header = Header::new_ustar();
        set_name(&mut header, &self.header_name());
        header.set_entry_type(entry_type(self.kind));
        header.set_mode(meta.mode & 0o7777);
        header.set_uid(octal_8_or_nobody(meta.uid));
        header.set_gid(octal_8_or_nobody(meta.gid));
        header.set_mtime(self.header_mtime().unwrap_or(0));
        header.set_size(stored);
        if let Some(ustar) = header.as_ustar_mut() {
            copy_cut(&mut ustar.linkname, &meta.link);
            copy_cut(&mut ustar.uname[..31], &meta.user);
            copy_cut(&mut ustar.gname[..31], &meta.group);
            let (major, minor) = meta.device.unwrap_or_default();
            ustar.set_device_major(major.min(MAX_OCTAL_8 as u32));
            ustar.set_device_minor(minor.min(MAX_OCTAL_8 as u32));
        }
        header.set_cksum();
        header
    }

    /// A sparse member's real name is in its pax header; the one here tells a reader that does not
    /// know sparse members that this is not the file (GNU tar manual, "PAX 1").
    fn header_name(&self) -> Vec<u8> {
        match (self.map(), self.name.split_last()) {
            (Some(_), Some((parent, last))) => {
                [parent.as_bytes(), b"/GNUSparseFile.0/", last].concat()
            }
            _ => self.tar_name(),
        }
    }
}

/// Keyword and value of an attribute. An ACL is text, as GNU tar has it; one that is malformed
/// goes along as the bytes that it is.
fn xattr_record(name: &[u8], value: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let keyword: Option<&[u8]> = match name {
        b"system.posix_acl_access" => Some(b"SCHILY.acl.access"),
        b"system.posix_acl_default" => Some(b"SCHILY.acl.default"),
        _ => None,
    };
    match (keyword, acl::to_text(value)) {
        (Some(keyword), Some(text)) => (keyword.to_vec(), text.into_bytes()),
        _ => ([b"SCHILY.xattr.", &pax::encode_name(name)[..]].concat(), value.to_vec()),
    }
}

fn entry_type(kind: Kind) -> EntryType {
    match kind {
        Kind::File => EntryType::Regular,
        Kind::Dir => EntryType::Directory,
        Kind::Symlink => EntryType::Symlink,
        Kind::Hardlink => EntryType::Link,
        Kind::Fifo => EntryType::Fifo,
        Kind::CharDevice => EntryType::Char,
        Kind::BlockDevice => EntryType::Block,
    }
}

fn octal_8_or_nobody(id: u32) -> u64 {
    if u64::from(id) > MAX_OCTAL_8 { NOBODY } else { id.into() }
}

fn set_name(header: &mut Header, name: &[u8]) {
    copy_cut(&mut header.as_old_mut().name, name);
}

/// Copies what fits.
fn copy_cut(field: &mut [u8], text: &[u8]) {
    let len = text.len().min(field.len());
    field[..len].copy_from_slice(&text[..len]);
}

#[cfg(test)]
mod tests;
