//! Where things are on an image, as xorriso tells it.

use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

pub const SECTOR: u64 = 2048;
pub const CLUSTER: u64 = 65_536;

/// A file on an image.
#[derive(Clone, Debug)]
pub struct ImageFile {
    pub path: String,
    pub start: u64,
    pub size: u64,
}

impl ImageFile {
    pub fn range(&self) -> Range<u64> {
        self.start..self.start + self.size
    }
}

/// The files of an image, by place.
pub fn files(image: &Path) -> Vec<ImageFile> {
    let mut command = Command::new("xorriso");
    command.args(["-no_rc", "-report_about", "SORRY", "-indev"]);
    command.arg(format!("stdio:{}", image.display()));
    command.args(["-find", "/", "-type", "f", "-exec", "report_lba", "--"]);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // `File data lba:  0 ,      33 ,     1 ,     1234 , '/DISC.txt'`
    let placed = |line: &str| {
        let fields: Vec<&str> =
            line.strip_prefix("File data lba:")?.split(',').map(str::trim).collect();
        let path = fields.get(4)?.trim_matches('\'').trim_start_matches('/').to_owned();
        let start = fields[1].parse::<u64>().ok()? * SECTOR;
        Some(ImageFile { path, start, size: fields[3].parse().ok()? })
    };
    let mut files: Vec<ImageFile> = text.lines().filter_map(placed).collect();
    files.sort_by_key(|file| file.start);
    assert!(!files.is_empty(), "{}: {text}", image.display());
    files
}

/// All files of an image as files, as if it were mounted.
pub fn extract(image: &Path, into: &Path) {
    for file in files(image) {
        let target = into.join(&file.path);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, read(image, file.range())).unwrap();
    }
}

/// The files that a sound image has, with the bytes that a damaged one has in their places: as if
/// it were mounted all the same.
pub fn extract_damaged(sound: &Path, damaged: &Path, into: &Path) {
    let there = fs::metadata(damaged).map_or(0, |found| found.len());
    for file in files(sound) {
        let target = into.join(&file.path);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        let end = file.range().end.min(there).max(file.start);
        let bytes = if end > file.start { read(damaged, file.start..end) } else { Vec::new() };
        fs::write(target, bytes).unwrap();
    }
}

pub fn read(image: &Path, range: Range<u64>) -> Vec<u8> {
    let mut bytes = vec![0; (range.end - range.start) as usize];
    File::open(image).unwrap().read_exact_at(&mut bytes, range.start).unwrap();
    bytes
}

pub fn write(image: &Path, at: u64, bytes: &[u8]) {
    File::options().write(true).open(image).unwrap().write_all_at(bytes, at).unwrap();
}

/// The directory records of ISO 9660 in which a name stands, in both trees: `(place, length)` of
/// each whole record (ECMA-119 9.1). Found by the name, so it needs no walk over the trees.
pub fn records(image: &Path, name: &str) -> Vec<(u64, u64)> {
    let end = files(image)[0].start;
    let bytes = read(image, 0..end);
    // ISO 9660 knows capitals, digits and one point.
    let capitals = name.to_ascii_uppercase().replace(['-', '+'], "_");
    let (stem, end) = capitals.rsplit_once('.').unwrap_or((&capitals, ""));
    let plain = format!("{}.{end}", stem.replace('.', "_")).into_bytes();
    let joliet: Vec<u8> = name.bytes().flat_map(|byte| [0, byte]).collect();
    let mut found = Vec::new();
    for identifier in [plain, joliet] {
        for at in 33..bytes.len().saturating_sub(identifier.len()) {
            let is_named = bytes[at..].starts_with(&identifier);
            let length = bytes[at - 33] as u64;
            let named = bytes[at - 1] as usize;
            let fits = named >= identifier.len() && named <= identifier.len() + 3;
            if is_named && fits && length >= 33 + named as u64 {
                found.push((at as u64 - 33, length));
            }
        }
    }
    found
}
