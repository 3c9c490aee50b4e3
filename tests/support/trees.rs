//! Trees to back up: one with everything that file systems allow and programs stumble over, and
//! random ones that a seed makes again.

use nix::sys::stat::{Mode, SFlag, UtimensatFlags, makedev, mknod, utimensat};
use nix::sys::time::TimeSpec;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

fn is_root() -> bool {
    nix::unistd::Uid::effective().is_root()
}

fn name(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Sets the time of the path itself, also of a symbolic link.
pub fn set_mtime(path: &Path, seconds: i64, nanoseconds: i64) {
    let time = TimeSpec::new(seconds, nanoseconds);
    let flags = UtimensatFlags::NoFollowSymlink;
    utimensat(nix::fcntl::AT_FDCWD, path, &time, &time, flags).unwrap();
}

/// Fills a directory with all kinds of entries under all kinds of names. Kinds that only root can
/// make are there if root runs it.
pub fn hostile_tree(dir: &Path) {
    names(&dir.join("names"));
    contents(&dir.join("contents"));
    links(&dir.join("links"));
    metadata(&dir.join("metadata"));
    special(&dir.join("special"));
    ours(dir);
}

fn names(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    let long = [b'n'; 255];
    let hostile: [&[u8]; 26] = [
        b" ",
        b" lead",
        b"trail ",
        b"-rf",
        b"--help",
        b"a\nb",
        b"\n",
        b"tab\there",
        b"back\\slash",
        b"back\\nslash",
        b"quote'",
        b"double\"",
        b"`touch x`",
        b"$(touch x)",
        b"*",
        b"?[a-z]",
        b"%41%n",
        b"\x1b[2J",
        b"\xff\xfe",
        b"\xc3",
        "ä".as_bytes(),
        "a\u{308}".as_bytes(),
        b"...",
        b"#coldcut-index",
        b"=",
        &long,
    ];
    for (at, bytes) in hostile.into_iter().enumerate() {
        fs::write(dir.join(name(bytes)), format!("{at}\n")).unwrap();
    }
    for bytes in [&b"d\n"[..], b"d ", b"d\xff", b"d", b"d.d", b"d-d"] {
        let sub = dir.join(name(bytes));
        fs::create_dir(&sub).unwrap();
        fs::write(sub.join("in it"), bytes).unwrap();
    }
    // Longer than ustar's 100 and 155 bytes, and than a symlink's target there.
    let deep = dir.join(vec!["deep-and-deeper"; 40].join("/"));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join(name(&long)), "bottom").unwrap();
}

fn contents(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    for size in [0, 1, 511, 512, 513, 10_240, 899_999, 900_000, 900_001, 2_500_000] {
        fs::write(dir.join(format!("text-{size}")), "coldcut\n".repeat(size / 8 + 1)).unwrap();
        let file = File::options().write(true).open(dir.join(format!("text-{size}"))).unwrap();
        file.set_len(size as u64).unwrap();
    }
    let mut noise = Random::new(7);
    fs::write(dir.join("noise"), noise.bytes(1_500_000)).unwrap();
    fs::write(dir.join("zeros"), vec![0; 200_000]).unwrap();
    fs::create_dir(dir.join("empty")).unwrap();
    sparse(dir);
}

fn sparse(dir: &Path) {
    let make = |name: &str, size: u64, data: &[u64]| {
        let file = File::create(dir.join(name)).unwrap();
        file.set_len(size).unwrap();
        for &offset in data {
            file.write_all_at(&[b'x'; 4096], offset).unwrap();
        }
    };
    make("hole-only", 8 << 20, &[]);
    make("hole-first", (8 << 20) + 4096, &[8 << 20]);
    make("hole-last", 8 << 20, &[0]);
    make("hole-between", (8 << 20) + 100, &[0, 4 << 20, (8 << 20) - 4096]);
}

fn links(dir: &Path) {
    fs::create_dir_all(dir.join("z")).unwrap();
    fs::write(dir.join("file"), "one content, three names\n").unwrap();
    fs::hard_link(dir.join("file"), dir.join("a second name")).unwrap();
    fs::hard_link(dir.join("file"), dir.join("z/third")).unwrap();
    let long = "t/".repeat(1500);
    for (link, target) in [
        ("relative", "file"),
        ("directory", "z"),
        ("dangling", "no/such"),
        ("absolute", "/etc/hostname"),
        ("outside", "../../../../../../etc/passwd"),
        ("itself", "itself"),
        ("new\nline", "tar\nget\t\\"),
        ("long", long.as_str()),
    ] {
        symlink(target, dir.join(link)).unwrap();
    }
    symlink(name(b"\xff"), dir.join("bytes")).unwrap();
    set_mtime(&dir.join("relative"), 1_000_000_000, 123_456_789);
}

fn metadata(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    let file = |name: &str| {
        let path = dir.join(name);
        fs::write(&path, name).unwrap();
        path
    };
    for mode in [0o400, 0o600, 0o644, 0o755, 0o777, 0o4755, 0o2755, 0o1644] {
        set_mode(&file(&format!("mode-{mode:04o}")), mode);
    }
    for (at, (seconds, nanoseconds)) in
        [(0, 0), (-1, 0), (-2, 500_000_000), (1, 1), (1 << 33, 999_999_999)].into_iter().enumerate()
    {
        set_mtime(&file(&format!("time-{at}")), seconds, nanoseconds);
    }
    extended(&file("xattrs"));
    let sealed = dir.join("sealed");
    fs::create_dir(&sealed).unwrap();
    fs::write(sealed.join("kept"), "in a directory that cannot be written").unwrap();
    set_mtime(&sealed, 1_234_567_890, 1);
    set_mode(&sealed, 0o555);
    let sticky = dir.join("sticky");
    fs::create_dir(&sticky).unwrap();
    set_mode(&sticky, 0o1777);
    if is_root() {
        set_mode(&file("unreadable"), 0);
        lchown(file("stranger"), Some(54_321), Some(4_000_000_000)).unwrap();
        symlink("x", dir.join("strange link")).unwrap();
        lchown(dir.join("strange link"), Some(54_321), Some(12_345)).unwrap();
    }
}

/// Attributes and ACLs, as far as this file system has them.
fn extended(path: &Path) {
    let pairs: [(&str, &[u8]); 4] = [
        ("user.text", b"plain"),
        ("user.bytes", b"\x00\xff\n\t="),
        ("user.empty", b""),
        ("user.odd=name,%", b"x"),
    ];
    for (name, value) in pairs {
        let _ = xattr::set(path, name, value);
    }
    // u::rw- u:54321:r-- g::r-- m::r-- o::r--, as acl(5) and the kernel's posix_acl_xattr.h have it.
    let acl: [(u16, u16, u32); 5] = [
        (0x01, 6, u32::MAX),
        (0x02, 4, 54_321),
        (0x04, 4, u32::MAX),
        (0x10, 4, u32::MAX),
        (0x20, 4, u32::MAX),
    ];
    let mut value = 2_u32.to_le_bytes().to_vec();
    for (tag, permission, id) in acl {
        value.extend(tag.to_le_bytes());
        value.extend(permission.to_le_bytes());
        value.extend(id.to_le_bytes());
    }
    let _ = xattr::set(path, "system.posix_acl_access", &value);
    if let Some(dir) = path.parent() {
        let sub = dir.join("acl-default");
        fs::create_dir_all(&sub).unwrap();
        let _ = xattr::set(&sub, "system.posix_acl_default", &value);
    }
}

fn special(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    nix::unistd::mkfifo(&dir.join("fifo"), Mode::from_bits_truncate(0o640)).unwrap();
    if is_root() {
        let mode = Mode::from_bits_truncate(0o660);
        // Containers may forbid devices even to root; then there are none to restore.
        let _ = mknod(&dir.join("null"), SFlag::S_IFCHR, mode, makedev(1, 3));
        let _ = mknod(&dir.join("loop"), SFlag::S_IFBLK, mode, makedev(7, 200));
    }
}

/// Names that coldcut uses itself.
fn ours(dir: &Path) {
    for path in [
        ".coldcut-parts/0123456789abcdef/0001",
        ".coldcut-source/x",
        ".coldcut-",
        "README.txt",
        "restore.sh",
        "archives/00000001.tar.bz2",
    ] {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, path.as_os_str().as_bytes()).unwrap();
    }
}

/// SplitMix64: the same numbers on every machine, for ever.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `end` - 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            (0..length.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).collect();
        bytes.truncate(length);
        bytes
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }

    /// Mostly small content, half of it noise.
    fn content(&mut self) -> Vec<u8> {
        let length = match self.below(10) {
            0 => 0,
            1..=7 => self.below(5_000),
            _ => self.below(200_000),
        };
        match self.below(2) {
            0 => self.bytes(length as usize),
            _ => format!("{} ", self.next()).into_bytes().repeat(length as usize / 20),
        }
    }
}

/// A tree of about `entries` entries; the same seed makes the same tree.
pub fn random_tree(dir: &Path, seed: u64, entries: usize) {
    let mut random = Random::new(seed);
    fs::create_dir_all(dir).unwrap();
    let mut dirs = vec![dir.to_owned()];
    let mut files: Vec<PathBuf> = Vec::new();
    for number in 0..entries {
        let path = random.pick(&dirs).join(format!("{number}-{:x}", random.below(4096)));
        match random.below(10) {
            0 | 1 => {
                fs::create_dir(&path).unwrap();
                dirs.push(path);
            }
            2 => symlink(format!("../{number}"), &path).unwrap(),
            3 if !files.is_empty() => fs::hard_link(random.pick(&files), &path).unwrap(),
            _ => {
                fs::write(&path, random.content()).unwrap();
                set_mode(&path, *random.pick(&[0o600, 0o644, 0o755]));
                files.push(path);
            }
        }
    }
    for path in files.iter().chain(&dirs) {
        set_mtime(path, random.below(1 << 31) as i64, random.below(1_000_000_000) as i64);
    }
}

/// Changes a tree as its owner would between two runs: writes, appends, removes, renames, adds,
/// sets modes. The same seed on the same tree makes the same changes.
pub fn mutate_tree(dir: &Path, seed: u64, changes: usize) {
    let mut random = Random::new(seed);
    for number in 0..changes {
        let files = files_below(dir);
        let new = dir.join(format!("new-{seed:x}-{number}"));
        if files.is_empty() {
            fs::write(&new, random.content()).unwrap();
            continue;
        }
        let file = random.pick(&files).clone();
        match random.below(6) {
            0 => fs::write(&file, random.content()).unwrap(),
            1 => {
                let mut open = File::options().append(true).open(&file).unwrap();
                open.write_all(&random.bytes(100)).unwrap();
            }
            2 => fs::remove_file(&file).unwrap(),
            3 => fs::rename(&file, &new).unwrap(),
            4 => fs::write(&new, random.content()).unwrap(),
            _ => set_mode(&file, *random.pick(&[0o600, 0o640, 0o700])),
        }
    }
}

/// Regular files, sorted.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            if meta.is_dir() {
                dirs.push(path);
            } else if meta.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
