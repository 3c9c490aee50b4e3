//! What is written is what GNU tar restores without a word, and what is read back the same.

use super::super::read_member::{MemberError, ReadMember, read_member};
use super::*;
use crate::model::{Mtime, Xattr};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::process::Command;

/// A member of a test, with what it should become.
#[derive(Clone, Debug)]
struct TestMember {
    name: RelPath,
    kind: Kind,
    content: Vec<u8>,
    meta: Meta,
    sparse: Option<SparseMap>,
}

fn path(bytes: &[u8]) -> RelPath {
    RelPath::new(bytes).unwrap()
}

fn item(name: &[u8], kind: Kind, content: &[u8]) -> TestMember {
    let meta = Meta {
        mode: if kind == Kind::Dir { 0o755 } else { 0o644 },
        uid: 1234,
        gid: 2345,
        mtime: Mtime { sec: 1_700_000_000, nsec: 0 },
        ..Meta::default()
    };
    TestMember { name: path(name), kind, content: content.to_vec(), meta, sparse: None }
}

impl TestMember {
    fn with(mut self, change: impl FnOnce(&mut Meta)) -> TestMember {
        change(&mut self.meta);
        self
    }

    fn head(&self) -> MemberHead<'_> {
        MemberHead {
            name: &self.name,
            kind: self.kind,
            size: self.content.len() as u64,
            meta: &self.meta,
            sparse: self.sparse.as_ref(),
        }
    }

    /// The member as it stands in the archive.
    fn bytes(&self) -> Vec<u8> {
        let head = self.head();
        let mut bytes = head.head_bytes();
        match &self.sparse {
            Some(map) => {
                for &(offset, len) in map.regions() {
                    bytes.extend_from_slice(&self.content[offset as usize..][..len as usize]);
                }
            }
            None => bytes.extend_from_slice(&self.content),
        }
        bytes.resize(bytes.len() + padding(head.data_len()), 0);
        assert_eq!(bytes.len() as u64, head.stored_len());
        bytes
    }
}

fn archive(items: &[TestMember]) -> Vec<u8> {
    let mut bytes: Vec<u8> = items.iter().flat_map(TestMember::bytes).collect();
    bytes.extend_from_slice(&END_OF_ARCHIVE);
    bytes
}

/// Lets GNU tar unpack; it must have nothing to say, but that some times are odd.
fn unpack(archive: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(archive).unwrap();
    let output = Command::new("tar")
        .env("LC_ALL", "C")
        .args([
            "--xattrs",
            "--xattrs-include=*",
            "--acls",
            "--same-owner",
            "--numeric-owner",
            "--warning=no-timestamp",
            "-xpf",
        ])
        .arg(file.path())
        .arg("-C")
        .arg(dir.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{stderr}");
    dir
}

fn check_on_disk(dir: &Path, item: &TestMember) {
    let at = dir.join(item.name.as_path());
    let found = fs::symlink_metadata(&at).unwrap_or_else(|e| panic!("{:?}: {e}", item.name));
    let meta = &item.meta;
    assert_eq!((found.uid(), found.gid()), (meta.uid, meta.gid), "{:?}", item.name);
    assert_eq!((found.mtime(), found.mtime_nsec() as u32), (meta.mtime.sec, meta.mtime.nsec));
    if item.kind == Kind::Symlink {
        assert_eq!(fs::read_link(&at).unwrap().as_os_str().as_bytes(), meta.link);
        return;
    }
    assert_eq!(found.mode() & 0o7777, meta.mode, "{:?}", item.name);
    if item.kind == Kind::File {
        assert!(fs::read(&at).unwrap() == item.content, "{:?}", item.name);
    }
    for wanted in &meta.xattrs {
        let value = xattr::get(&at, std::ffi::OsStr::from_bytes(&wanted.name)).unwrap();
        assert_eq!(value.as_ref(), Some(&wanted.value), "{:?}", item.name);
    }
}

/// Reads a member with all its content, holes filled with zeros.
fn read_whole(input: &mut impl Read) -> Option<(ReadMember, Vec<u8>)> {
    let member = read_member(input).unwrap()?;
    let mut content = vec![0; member.size as usize];
    let mut pieces = member.pieces();
    let mut buf = [0; 700];
    while let Some((offset, len)) = pieces.next(input, &mut buf).unwrap() {
        content[offset as usize..][..len].copy_from_slice(&buf[..len]);
    }
    Some((member, content))
}

fn check_read_back(items: &[TestMember]) {
    let archive = archive(items);
    let mut input = &archive[..];
    for item in items {
        let (member, content) = read_whole(&mut input).unwrap();
        assert_eq!((&member.name, member.kind), (&item.name, item.kind));
        assert_eq!(member.meta, item.meta);
        assert!(content == item.content, "{:?}", item.name);
        assert_eq!(member.sparse, item.sparse);
    }
    assert!(read_member(&mut input).unwrap().is_none());
}

fn check(items: &[TestMember]) -> tempfile::TempDir {
    check_read_back(items);
    let dir = unpack(&archive(items));
    items.iter().for_each(|item| check_on_disk(dir.path(), item));
    dir
}

#[test]
fn hostile_names_come_back() {
    let longest = [b'n'; 255];
    let deep = [&longest[..], b"/", &longest, b"/end"].concat();
    let names: [&[u8]; 18] = [
        b"a",
        b"-rf",
        b"--help",
        b" ",
        b"a b\tc\nd",
        b"new\nline",
        b"*?[x]",
        b"\\t\\n",
        b"\xff\xfe\x01",
        b"%s%25",
        b"=",
        b"a=b",
        "\u{e4}\u{1f600}".as_bytes(),
        &[b'x'; 99],
        &[b'y'; 100],
        &[b'z'; 101],
        &[0xff; 255],
        b"...",
    ];
    let mut items: Vec<TestMember> =
        names.iter().map(|name| item(name, Kind::File, name)).collect();
    items.push(item(&longest, Kind::Dir, b""));
    items.push(item(&deep[..511], Kind::Dir, b""));
    items.push(item(&deep, Kind::File, b"deep"));
    // A directory's slash is the 100th and the 101st byte.
    items.push(item(&[b'd'; 99], Kind::Dir, b""));
    items.push(item(&[b'e'; 100], Kind::Dir, b""));
    items.push(item(b".coldcut-parts", Kind::Dir, b""));
    items.push(item(b".coldcut-parts/0123456789abcdef", Kind::Dir, b""));
    items.push(item(b".coldcut-parts/0123456789abcdef/0001", Kind::File, &[1; 513]));
    // Directories that are written into get the time of that: only the deepest keeps its own.
    check_read_back(&items);
    let dir = unpack(&archive(&items));
    items.iter().for_each(|item| check_on_disk(dir.path(), item));
}

#[test]
fn all_metadata_comes_back() {
    let times = [
        (-2, 500_000_000),
        (-1, 0),
        (0, 0),
        (0, 1),
        (1_700_000_000, 123_456_789),
        (-1_000_000_000, 1),
        (8_589_934_591, 0),
        (8_589_934_592, 0),
    ];
    let mut items: Vec<TestMember> = times
        .iter()
        .enumerate()
        .map(|(i, &(sec, nsec))| {
            item(format!("time{i}").as_bytes(), Kind::File, b"x")
                .with(|m| m.mtime = Mtime { sec, nsec })
        })
        .collect();
    for (i, id) in [0, 2_097_151, 2_097_152, 3_000_000_000, u32::MAX - 1].into_iter().enumerate() {
        let name = format!("owner{i}");
        items.push(item(name.as_bytes(), Kind::File, b"x").with(|m| (m.uid, m.gid) = (id, id)));
    }
    for mode in [0, 0o777, 0o4755, 0o2644, 0o1600] {
        let name = format!("mode{mode:o}");
        items.push(item(name.as_bytes(), Kind::File, b"").with(|m| m.mode = mode));
    }
    items.push(item(b"sticky", Kind::Dir, b"").with(|m| m.mode = 0o1777));
    for len in [1, 31, 32, 33, 200] {
        items.push(item(format!("name{len}").as_bytes(), Kind::File, b"").with(|m| {
            m.user = vec![b'u'; len];
            m.group = vec![0xe4; len];
        }));
    }
    check(&items);
}

#[test]
fn links_devices_and_pipes_come_back() {
    let long = vec![b'l'; 3000];
    let mut items = vec![item(b"first", Kind::File, b"content")];
    for (i, target) in
        [&b"first"[..], b"/etc/passwd", b"../..", b"\xff\n", &long[..100], &long[..101], &long]
            .iter()
            .enumerate()
    {
        items.push(item(format!("symlink{i}").as_bytes(), Kind::Symlink, b"").with(|m| {
            m.mode = 0o777;
            m.link = target.to_vec();
        }));
    }
    items.push(item(b"pipe", Kind::Fifo, b""));
    items.push(item(b"null", Kind::CharDevice, b"").with(|m| m.device = Some((1, 3))));
    items.push(item(b"disk", Kind::BlockDevice, b"").with(|m| m.device = Some((4095, 1_048_575))));
    items.push(item(&[b'f'; 150], Kind::File, b"long"));
    items.push(item(b"again", Kind::Hardlink, b"").with(|m| m.link = b"first".to_vec()));
    items.push(item(&[b'g'; 150], Kind::Hardlink, b"").with(|m| m.link = vec![b'f'; 150]));
    let dir = check(&items);
    let inode = |name: &str| fs::symlink_metadata(dir.path().join(name)).unwrap().ino();
    assert_eq!(inode("first"), inode("again"));
    assert_eq!(inode(&"f".repeat(150)), inode(&"g".repeat(150)));
    let kind = |name: &str| fs::symlink_metadata(dir.path().join(name)).unwrap();
    assert!(kind("pipe").file_type().is_fifo());
    assert_eq!(kind("null").rdev(), 0x103);
    assert!(kind("disk").file_type().is_block_device());
    assert_eq!(rustix::fs::major(kind("disk").rdev()), 4095);
    assert_eq!(rustix::fs::minor(kind("disk").rdev()), 1_048_575);
}

#[test]
fn attributes_and_acls_come_back() {
    let access = "user::rw-,user:1000:r--,user:70000:rwx,group::r--,mask::rwx,other::---";
    let default = "user::rwx,group::r-x,group:4242:-w-,mask::rwx,other::r-x";
    let acl = |text: &str| acl::from_text(text.as_bytes()).unwrap();
    let xattr = |name: &[u8], value: &[u8]| Xattr { name: name.to_vec(), value: value.to_vec() };
    let plain = vec![
        xattr(b"trusted.z", b"x"),
        xattr(b"user.a=b%3D", b"odd"),
        xattr(b"user.empty", b""),
        xattr(b"user.long", &[b'v'; 3000]),
        xattr(b"user.nul", b"\0a\0\n\xff\0"),
        xattr(b"user.\xff\xfe", b"not text"),
    ];
    let mut sorted = plain.clone();
    sorted.sort();
    let items = [
        item(b"plain", Kind::File, b"x").with(|m| m.xattrs = sorted.clone()),
        item(b"acl", Kind::File, b"x").with(|m| {
            m.mode = 0o670;
            m.xattrs = vec![xattr(b"system.posix_acl_access", &acl(access))];
        }),
        item(b"dir", Kind::Dir, b"").with(|m| {
            m.mode = 0o670;
            m.xattrs = vec![
                xattr(b"system.posix_acl_access", &acl(access)),
                xattr(b"system.posix_acl_default", &acl(default)),
                xattr(b"user.both", b"1"),
            ];
        }),
    ];
    check(&items);
    // One that is no ACL goes along as it is, and harms nothing.
    let odd = item(b"odd", Kind::File, b"x")
        .with(|m| m.xattrs = vec![xattr(b"system.posix_acl_access", b"rubbish")]);
    check_read_back(&[odd]);
}

#[test]
fn holes_stay_holes() {
    let with_data = |size: usize, data: &[(u64, u64)]| {
        let map = SparseMap::new(size as u64, data).unwrap();
        let mut content = vec![0; size];
        for &(offset, len) in data {
            content[offset as usize..][..len as usize].fill(b'd');
        }
        (content, Some(map))
    };
    let long = format!("dir/{}", "s".repeat(200));
    type Case<'a> = (&'a str, usize, &'a [(u64, u64)]);
    let cases: [Case<'_>; 7] = [
        ("hole", 1 << 20, &[]),
        ("ends-in-hole", 1 << 20, &[(0, 4096)]),
        ("ends-in-data", (1 << 20) + 5, &[(4096, 4096), (1 << 20, 5)]),
        ("crooked", 100_000, &[(1, 3), (700, 1), (5000, 600), (99_999, 1)]),
        ("line\nbreak", 10_000, &[(8192, 100)]),
        (&long, 10_000, &[(8192, 1808)]),
        ("dense", 1000, &[(0, 1000)]),
    ];
    let mut items = vec![item(b"dir", Kind::Dir, b"")];
    for (name, size, data) in cases {
        let mut item = item(name.as_bytes(), Kind::File, b"").with(|m| m.mtime.nsec = 7);
        (item.content, item.sparse) = with_data(size, data);
        items.push(item);
    }
    let many: Vec<(u64, u64)> = (0..500).map(|i| (i * 8192, 4096)).collect();
    let mut item = item(b"many", Kind::File, b"");
    (item.content, item.sparse) = with_data(500 * 8192, &many);
    items.push(item);
    check_read_back(&items);
    let dir = unpack(&archive(&items));
    items[1..].iter().for_each(|item| check_on_disk(dir.path(), item));
    let blocks = |name: &str| fs::metadata(dir.path().join(name)).unwrap().blocks();
    assert_eq!(blocks("hole"), 0);
    assert!(blocks("ends-in-hole") <= 16);
}

#[test]
fn gnu_tar_knows_sizes_beyond_its_octal_field() {
    let size = (8 << 30) + 1;
    let name = path(b"big");
    let meta = item(b"big", Kind::File, b"").meta;
    let head = MemberHead { name: &name, kind: Kind::File, size, meta: &meta, sparse: None };
    assert_eq!(head.stored_len(), head.head_bytes().len() as u64 + (8 << 30) + 512);
    let map = SparseMap::new(size, &[(size - 1, 1)]).unwrap();
    let sparse = MemberHead { sparse: Some(&map), ..head };
    let listed = |head: &MemberHead<'_>| {
        // Listing needs the headers only: the file continues with a hole.
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&head.head_bytes()).unwrap();
        file.as_file().set_len(head.stored_len() + 1024).unwrap();
        let output = Command::new("tar").env("LC_ALL", "C").arg("-tvf").arg(file.path()).output();
        let output = output.unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(listed(&head).contains(" 8589934593 "));
    assert!(listed(&sparse).contains(" 8589934593 "));
    let read = read_member(&mut &head.head_bytes()[..]).unwrap().unwrap();
    assert_eq!((read.size, read.data_len), (size, size));
}

#[test]
fn plain_members_need_no_pax_header() {
    let item = item(b"dir/file", Kind::File, b"x").with(|m| m.user = b"alice".to_vec());
    assert_eq!(item.head().head_bytes().len(), 512);
    let nanoseconds = item.with(|m| m.mtime.nsec = 1);
    assert_eq!(nanoseconds.head().head_bytes().len(), 512 + 512 + 512);
}

#[test]
fn what_gnu_tar_wrote_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let long = "n".repeat(200);
    fs::write(dir.path().join(&long), b"long").unwrap();
    let holes = fs::File::create(dir.path().join("holes")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&holes, b"data", 1 << 20).unwrap();
    holes.set_len(3 << 20).unwrap();
    xattr::set(dir.path().join(&long), "user.k=v", b"\0\n").unwrap();
    let output = Command::new("tar")
        .args([
            "--format=pax",
            "-S",
            "--sparse-version=1.0",
            "--xattrs",
            "--sort=name",
            "-cf",
            "-",
            "-C",
        ])
        .arg(dir.path())
        .args([&long[..], "holes"])
        .output()
        .unwrap();
    let mut input = &output.stdout[..];
    let (member, content) = read_whole(&mut input).unwrap();
    assert_eq!((member.name, &content[..]), (path(long.as_bytes()), &b"long"[..]));
    assert_eq!(member.meta.xattrs, [Xattr { name: b"user.k=v".to_vec(), value: b"\0\n".to_vec() }]);
    let found = fs::metadata(dir.path().join(&long)).unwrap();
    assert_eq!(
        (member.meta.mtime.sec, member.meta.mtime.nsec),
        (found.mtime(), found.mtime_nsec() as u32)
    );
    let (member, content) = read_whole(&mut input).unwrap();
    assert_eq!((member.name, member.size), (path(b"holes"), 3 << 20));
    assert!(content == fs::read(dir.path().join("holes")).unwrap());
    assert!(member.data_len < 100_000);
}

/// A header with one field changed and its sum made right again.
fn forged(change: impl FnOnce(&mut Header)) -> Vec<u8> {
    let bytes = item(b"file", Kind::File, b"x").bytes();
    let mut header = Header::from_byte_slice(&bytes[..512]).clone();
    change(&mut header);
    header.set_cksum();
    [&header.as_bytes()[..], &bytes[512..]].concat()
}

/// A file behind a pax header of these records.
fn with_records(records: &[u8], claimed: u64) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::XHeader);
    header.set_size(claimed);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(records);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes.extend(item(b"file", Kind::File, b"x").bytes());
    bytes
}

fn with_record(key: &str, value: &str) -> Vec<u8> {
    let mut records = Vec::new();
    pax::push(&mut records, key.as_bytes(), value.as_bytes());
    with_records(&records, records.len() as u64)
}

#[test]
fn foreign_and_damaged_headers_are_errors() {
    let read = |bytes: &[u8]| read_member(&mut &bytes[..]);
    let good = item(b"file", Kind::File, b"x").bytes();
    let mut flipped = good.clone();
    flipped[0] ^= 1;
    assert!(matches!(read(&flipped), Err(MemberError::Checksum)));
    assert!(matches!(read(&good[..511]), Err(MemberError::Truncated)));
    assert!(read(b"").unwrap().is_none());
    for name in ["/etc/passwd", "../x", "a/../../x", "a//b"] {
        assert!(matches!(read(&with_record("path", name)), Err(MemberError::Name(_))), "{name}");
    }
    let foreign = forged(|h| h.set_entry_type(EntryType::GNULongName));
    assert!(matches!(read(&foreign), Err(MemberError::Foreign('L'))));
    let size_of_dir = forged(|h| h.set_entry_type(EntryType::Directory));
    assert!(matches!(read(&size_of_dir), Err(MemberError::Malformed(_))));
    for (key, value) in [
        ("size", "9223372036854775807"),
        ("size", "18446744073709551616"),
        ("size", "-1"),
        ("uid", "4294967296"),
        ("uid", "+1"),
        ("mtime", "now"),
        ("mtime", "99999999999999999999"),
        ("GNU.sparse.major", "0"),
        ("path", ""),
    ] {
        assert!(read(&with_record(key, value)).is_err(), "{key}={value}");
    }
    assert!(read(&forged(|h| h.set_size(u64::MAX))).is_err());
    assert!(read(&forged(|h| h.set_mtime(u64::MAX))).is_err());
    assert!(matches!(read(&with_records(b"", 17 << 20)), Err(MemberError::Malformed(_))));
    assert!(matches!(read(&with_records(b"", 15 << 20)), Err(MemberError::Truncated)));
    assert!(read(&with_records(b"99 path=x\n", 10)).is_err());
    assert!(read(&with_record("comment", "nobody minds")).is_ok());
}

#[test]
fn sparse_maps_that_do_not_fit_their_data_are_errors() {
    let mut sparse = item(b"s", Kind::File, &[b'x'; 5000]);
    sparse.sparse = SparseMap::new(5000, &[(0, 512), (1024, 512)]);
    let bytes = sparse.bytes();
    let map_at = sparse.head().head_bytes().len() - 512;
    assert_eq!(&bytes[map_at..map_at + 2], b"3\n");
    for (from, to) in [("0\n512\n", "0\n511\n"), ("3\n", "1\n"), ("512\n5000", "512\n9000")] {
        let mut bad = bytes.clone();
        let at = map_at + String::from_utf8_lossy(&bad[map_at..map_at + 30]).find(from).unwrap();
        bad[at..at + to.len()].copy_from_slice(to.as_bytes());
        assert!(read_member(&mut &bad[..]).is_err(), "{from:?}");
    }
}

#[test]
fn no_changed_byte_makes_the_reader_panic() {
    let mut sparse = item(&[b's'; 120], Kind::File, &[b'x'; 5000]).with(|m| m.mtime.nsec = 5);
    sparse.sparse = SparseMap::new(5000, &[(0, 512), (1024, 512)]);
    let bytes = sparse.bytes();
    for at in 0..sparse.head().head_bytes().len() {
        for byte in [0, b'\n', b'0', b'9', b'x', 0xff] {
            let mut bad = bytes.clone();
            bad[at] = byte;
            // Make the sums right again, so that more than the sum is tested.
            for start in [0, 1024] {
                let mut header = Header::from_byte_slice(&bad[start..start + 512]).clone();
                header.set_cksum();
                bad[start..start + 512].copy_from_slice(header.as_bytes());
            }
            let mut input = &bad[..];
            if let Ok(Some(member)) = read_member(&mut input) {
                let mut pieces = member.pieces();
                let mut buf = [0; 100];
                while let Ok(Some(_)) = pieces.next(&mut input, &mut buf) {}
            }
        }
    }
}

#[test]
fn a_cut_member_is_an_error_and_a_frames_end_is_not() {
    let bytes = item(b"file", Kind::File, &[b'x'; 700]).bytes();
    for len in [513, 1211, 1212, 1535] {
        let mut input = &bytes[..len];
        let member = read_member(&mut input).unwrap().unwrap();
        let (mut pieces, mut buf) = (member.pieces(), [0; 512]);
        let end = loop {
            match pieces.next(&mut input, &mut buf) {
                Ok(Some(_)) => {}
                end => break end,
            }
        };
        assert!(matches!(end, Err(MemberError::Truncated)), "{len}");
    }
    let mut input = &bytes[..];
    assert!(read_whole(&mut input).is_some());
    assert!(read_whole(&mut input).is_none());
}
