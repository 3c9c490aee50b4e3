//! Reading a member back (format 3.2). It stands apart from writing because it trusts nothing:
//! discs age, and archives may come from strangers.

use super::member::padding;
use super::sparse::SparseMap;
use super::{acl, pax};
use crate::model::path::shown;
use crate::model::{Kind, Meta, Mtime, RelPath, Xattr};
use std::io::{self, Read};
use tar::{EntryType, Header};

/// No pax header of ours is nearly as long: 64 KiB for each attribute is all that Linux allows.
const MAX_PAX: u64 = 16 << 20;
/// The largest file of any file system; above it sums could overflow.
const MAX_SIZE: u64 = 1 << 62;

#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    #[error("cannot read a member of the archive")]
    Read(#[from] io::Error),
    #[error("the archive ends in the middle of a member")]
    Truncated,
    #[error("a tar header is damaged: its checksum is wrong")]
    Checksum,
    #[error("a tar header is damaged: {0}")]
    Malformed(&'static str),
    #[error("the archive names a path that leads outside of the target: {0}")]
    Name(String),
    #[error("the archive has a member of type {0:?}, which coldcut never writes")]
    Foreign(char),
}

/// A member whose headers were read; the reader stands at its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadMember {
    pub name: RelPath,
    pub kind: Kind,
    /// Bytes of content, holes counted.
    pub size: u64,
    pub meta: Meta,
    pub sparse: Option<SparseMap>,
    /// Bytes of data that follow, holes not counted; then come `padding(data_len)` zeros.
    pub data_len: u64,
}

/// What the pax records of a member say instead of its header.
#[derive(Default)]
struct Overrides {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    user: Option<Vec<u8>>,
    group: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    mtime: Option<Mtime>,
    sparse_format: (Option<u64>, Option<u64>),
    sparse_name: Option<Vec<u8>>,
    real_size: Option<u64>,
    xattrs: Vec<Xattr>,
}

/// Reads the headers of the next member. `None` at the zero blocks that end a tar file, and at the
/// end of the input between two members, as at the end of a frame.
pub fn read_member(input: &mut impl Read) -> Result<Option<ReadMember>, MemberError> {
    let mut overrides = Overrides::default();
    let Some(mut header) = read_header(input)? else { return Ok(None) };
    if header.entry_type() == EntryType::XHeader {
        overrides = read_pax(input, &header)?;
        header = read_header(input)?.ok_or(MemberError::Truncated)?;
    }
    member_from(input, &header, overrides).map(Some)
}

/// A header whose checksum is right; `None` for zeros and at the end of the input.
fn read_header(input: &mut impl Read) -> Result<Option<Header>, MemberError> {
    let mut header = Header::new_old();
    let block = header.as_mut_bytes();
    match read_full(input, block)? {
        0 => return Ok(None),
        n if n < block.len() => return Err(MemberError::Truncated),
        _ if block.iter().all(|&b| b == 0) => return Ok(None),
        _ => {}
    }
    // POSIX.1-2001: the sum of all bytes, those of the sum itself counted as blanks.
    let bytes = header.as_bytes().iter().enumerate();
    let sum: u32 = bytes.map(|(i, &b)| if (148..156).contains(&i) { 32 } else { b.into() }).sum();
    if header.cksum().ok() != Some(sum) {
        return Err(MemberError::Checksum);
    }
    Ok(Some(header))
}

fn read_full(input: &mut impl Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buf.len() {
        match input.read(&mut buf[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

fn read_pax(input: &mut impl Read, header: &Header) -> Result<Overrides, MemberError> {
    let size = header.entry_size().map_err(|_| MemberError::Malformed("size of a pax header"))?;
    if size > MAX_PAX {
        return Err(MemberError::Malformed("a pax header of more than 16 MiB"));
    }
    let padded = size + padding(size) as u64;
    let mut records = Vec::new();
    // `take` lets the memory grow with what is there, not with what a header claims.
    if input.take(padded).read_to_end(&mut records)? as u64 != padded {
        return Err(MemberError::Truncated);
    }
    records.truncate(size as usize);
    let records = pax::parse(&records).ok_or(MemberError::Malformed("a pax record"))?;
    let mut overrides = Overrides::default();
    for (key, value) in records {
        overrides.take(key, value)?;
    }
    Ok(overrides)
}

impl Overrides {
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), MemberError> {
        let text = || Some(value.to_vec());
        match key {
            b"path" => self.path = text(),
            b"linkpath" => self.link = text(),
            b"uname" => self.user = text(),
            b"gname" => self.group = text(),
            b"size" => self.size = Some(number(value)?),
            b"uid" => self.uid = Some(number(value)?),
            b"gid" => self.gid = Some(number(value)?),
            b"mtime" => self.mtime = Some(time(value)?),
            b"GNU.sparse.major" => self.sparse_format.0 = Some(number(value)?),
            b"GNU.sparse.minor" => self.sparse_format.1 = Some(number(value)?),
            b"GNU.sparse.name" => self.sparse_name = text(),
            b"GNU.sparse.realsize" => self.real_size = Some(number(value)?),
            b"SCHILY.acl.access" => self.take_acl(b"system.posix_acl_access", value),
            b"SCHILY.acl.default" => self.take_acl(b"system.posix_acl_default", value),
            _ => self.take_xattr(key, value),
        }
        Ok(())
    }

    /// An ACL that is not as we write it (with names for numbers) is passed over: it must not cost
    /// the content, and the listings have it in the kernel's form.
    fn take_acl(&mut self, name: &[u8], text: &[u8]) {
        let value = acl::from_text(text);
        self.xattrs.extend(value.map(|value| Xattr { name: name.to_vec(), value }));
    }

    /// Keywords that are not known are passed over, as POSIX wants it.
    fn take_xattr(&mut self, key: &[u8], value: &[u8]) {
        if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
            self.xattrs.push(Xattr { name: pax::decode_name(name), value: value.to_vec() });
        }
    }

    fn is_sparse(&self) -> Result<bool, MemberError> {
        match self.sparse_format {
            (None, None) => Ok(false),
            (Some(1), Some(0)) => Ok(true),
            _ => Err(MemberError::Malformed("a sparse format other than 1.0")),
        }
    }
}

fn number(value: &[u8]) -> Result<u64, MemberError> {
    let text = std::str::from_utf8(value).ok().filter(|t| t.bytes().all(|b| b.is_ascii_digit()));
    text.and_then(|t| t.parse().ok()).ok_or(MemberError::Malformed("a number in a pax record"))
}

fn time(value: &[u8]) -> Result<Mtime, MemberError> {
    let text = std::str::from_utf8(value).ok();
    text.and_then(Mtime::from_decimal).ok_or(MemberError::Malformed("a time in a pax record"))
}

fn member_from(
    input: &mut impl Read,
    header: &Header,
    mut overrides: Overrides,
) -> Result<ReadMember, MemberError> {
    let kind = kind_of(header.entry_type())?;
    let stored = stored_size(header, &overrides)?;
    let sparse = overrides.is_sparse()?;
    let written = if sparse { overrides.sparse_name.take() } else { overrides.path.take() };
    let name = checked_name(written.as_deref().unwrap_or(&header.path_bytes()))?;
    let real_size = overrides.real_size.filter(|&size| size <= MAX_SIZE);
    let mut member = ReadMember {
        name,
        kind,
        size: stored,
        meta: meta_from(header, kind, overrides)?,
        sparse: None,
        data_len: stored,
    };
    if kind != Kind::File && (sparse || stored > 0) {
        return Err(MemberError::Malformed("data after something that is not a file"));
    }
    if sparse {
        member.size = real_size.ok_or(MemberError::Malformed("size of a sparse file"))?;
        member.read_map(input, stored)?;
    }
    Ok(member)
}

impl ReadMember {
    fn read_map(&mut self, input: &mut impl Read, stored: u64) -> Result<(), MemberError> {
        let (map, taken) = SparseMap::read(input, self.size, stored)?;
        self.data_len = map.data_len();
        if taken.checked_add(self.data_len) != Some(stored) {
            return Err(MemberError::Malformed("a sparse map that does not fit its data"));
        }
        self.sparse = Some(map);
        Ok(())
    }

    /// The way through the data, piece by piece. Begin it where [`read_member`] left the reader.
    pub fn pieces(&self) -> ContentPieces {
        let regions = match &self.sparse {
            Some(map) => map.regions().to_vec(),
            None if self.data_len > 0 => vec![(0, self.data_len)],
            None => Vec::new(),
        };
        ContentPieces { regions: regions.into_iter(), at: (0, 0), padding: padding(self.data_len) }
    }
}

/// Gives the content of a member as pieces with their places, so that holes stay holes.
#[derive(Debug)]
pub struct ContentPieces {
    regions: std::vec::IntoIter<(u64, u64)>,
    /// Offset and length of what is left of the region in progress.
    at: (u64, u64),
    padding: usize,
}

impl ContentPieces {
    /// Fills `buf` with the next data: its place in the content and its length. `None` once all
    /// data was read, and the padding after it, so that the reader stands at the next member.
    pub fn next(
        &mut self,
        input: &mut impl Read,
        buf: &mut [u8],
    ) -> Result<Option<(u64, usize)>, MemberError> {
        while self.at.1 == 0 {
            match self.regions.next() {
                Some(region) => self.at = region,
                None => return self.skip_padding(input).map(|()| None),
            }
        }
        let want = self.at.1.min(buf.len() as u64) as usize;
        let read = read_full(input, &mut buf[..want])?;
        if read < want {
            return Err(MemberError::Truncated);
        }
        let place = self.at.0;
        self.at = (place + read as u64, self.at.1 - read as u64);
        Ok(Some((place, read)))
    }

    fn skip_padding(&mut self, input: &mut impl Read) -> Result<(), MemberError> {
        let mut zeros = [0; 512];
        let want = std::mem::take(&mut self.padding);
        match read_full(input, &mut zeros[..want])? {
            read if read < want => Err(MemberError::Truncated),
            _ => Ok(()),
        }
    }
}

fn kind_of(entry_type: EntryType) -> Result<Kind, MemberError> {
    Ok(match entry_type {
        EntryType::Regular => Kind::File,
        EntryType::Directory => Kind::Dir,
        EntryType::Symlink => Kind::Symlink,
        EntryType::Link => Kind::Hardlink,
        EntryType::Fifo => Kind::Fifo,
        EntryType::Char => Kind::CharDevice,
        EntryType::Block => Kind::BlockDevice,
        other => return Err(MemberError::Foreign(other.as_byte().into())),
    })
}

fn stored_size(header: &Header, overrides: &Overrides) -> Result<u64, MemberError> {
    let size = overrides.size.or_else(|| header.entry_size().ok());
    size.filter(|&size| size <= MAX_SIZE).ok_or(MemberError::Malformed("the size of a member"))
}

fn checked_name(name: &[u8]) -> Result<RelPath, MemberError> {
    let plain = name.strip_suffix(b"/").unwrap_or(name);
    RelPath::new(plain).ok_or_else(|| MemberError::Name(shown(name)))
}

fn meta_from(header: &Header, kind: Kind, overrides: Overrides) -> Result<Meta, MemberError> {
    let field = |value: io::Result<u64>, what| value.map_err(|_| MemberError::Malformed(what));
    let id = |pax: Option<u64>, header: io::Result<u64>| {
        let id = pax.map_or_else(|| header, Ok).ok().and_then(|id| u32::try_from(id).ok());
        id.ok_or(MemberError::Malformed("an owner"))
    };
    let in_header = |bytes: Option<&[u8]>| bytes.unwrap_or_default().to_vec();
    let mtime = match overrides.mtime {
        Some(mtime) => mtime,
        None => whole_seconds(field(header.mtime(), "a time")?)?,
    };
    let mut xattrs = overrides.xattrs;
    xattrs.sort();
    Ok(Meta {
        mode: header.mode().map_err(|_| MemberError::Malformed("a mode"))? & 0o7777,
        uid: id(overrides.uid, header.uid())?,
        gid: id(overrides.gid, header.gid())?,
        user: overrides.user.unwrap_or_else(|| in_header(header.username_bytes())),
        group: overrides.group.unwrap_or_else(|| in_header(header.groupname_bytes())),
        mtime,
        link: link_of(header, kind, overrides.link),
        device: device_of(header, kind)?,
        xattrs,
    })
}

fn whole_seconds(seconds: u64) -> Result<Mtime, MemberError> {
    let sec = i64::try_from(seconds).map_err(|_| MemberError::Malformed("a time"))?;
    Ok(Mtime { sec, nsec: 0 })
}

fn link_of(header: &Header, kind: Kind, pax: Option<Vec<u8>>) -> Vec<u8> {
    match kind {
        Kind::Symlink | Kind::Hardlink => {
            pax.unwrap_or_else(|| header.link_name_bytes().unwrap_or_default().into_owned())
        }
        _ => Vec::new(),
    }
}

fn device_of(header: &Header, kind: Kind) -> Result<Option<(u32, u32)>, MemberError> {
    if !matches!(kind, Kind::CharDevice | Kind::BlockDevice) {
        return Ok(None);
    }
    let numbers = header.device_major().ok().flatten().zip(header.device_minor().ok().flatten());
    numbers.map(Some).ok_or(MemberError::Malformed("a device's numbers"))
}
