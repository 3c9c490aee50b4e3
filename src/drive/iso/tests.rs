//! Compares the walk with xorriso's listing, on coldcut's images and on other programs'; and walks
//! images that were made to do harm.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;
use crate::drive::contract;
use crate::drive::reader::{DiscFile, Extent};
use crate::model::size::SECTOR;
use crate::model::{Bytes, Sectors};
use crate::port::stop::Stopped;

const BLOCK: usize = SECTOR as usize;

fn list_bytes(image: &[u8]) -> Result<Listing, IsoFault> {
    let read = |position: u64, buf: &mut [u8]| {
        let rest = image.get(position as usize..).unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    };
    list(&read, &Stop::new())
}

/// What `report_lba` of xorriso says, in the same shape: it names a file that has several extents
/// once for each.
fn by_xorriso(image: &Path) -> Vec<DiscFile> {
    let mut command = Command::new("xorriso");
    command.args(["-no_rc", "-indev"]).arg(format!("stdio:{}", image.display()));
    command.args(["-find", "/", "-type", "f", "-exec", "report_lba", "--"]);
    let out = command.output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    let mut files: Vec<DiscFile> = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("File data lba:")) {
        let fields: Vec<&str> = line.splitn(5, ',').map(str::trim).collect();
        let number = |field: usize| -> u64 { fields[field].parse().unwrap() };
        let path = fields[4].trim_matches('\'').trim_start_matches('/').to_owned();
        if files.last().is_none_or(|file| file.path != path) {
            files.push(DiscFile { path, size: Bytes(number(3)), extents: Vec::new() });
        }
        let file = files.last_mut().unwrap();
        let before: u64 = file.extents.iter().map(|extent| extent.length.0).sum();
        let length = Bytes((number(2) * SECTOR).min(number(3) - before));
        file.extents.push(Extent { start: Sectors(number(1)), length });
    }
    files.sort_by_key(|file| file.extents[0].start);
    files
}

fn agrees_with_xorriso(image: &Path) -> usize {
    let file = fs::File::open(image).unwrap();
    let read = |position: u64, buf: &mut [u8]| {
        Ok(std::os::unix::fs::FileExt::read_at(&file, buf, position).unwrap())
    };
    let listing = list(&read, &Stop::new()).unwrap();
    assert_eq!(listing.complaint, None, "{}", image.display());
    assert_eq!(listing.files, by_xorriso(image), "{}", image.display());
    listing.files.len()
}

fn shell(script: &str, dir: &Path) {
    let out = Command::new("bash").args(["-ec", script]).current_dir(dir).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn golden_discs_are_listed_as_xorriso_lists_them() {
    let dir = tempfile::tempdir().unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    shell(&format!("find '{}' -name '*.iso.bz2' >found", golden.display()), dir.path());
    let found = fs::read_to_string(dir.path().join("found")).unwrap();
    let packed: Vec<PathBuf> = found.lines().map(PathBuf::from).collect();
    assert!(packed.len() >= 35, "{packed:?}");
    for packed in packed {
        shell(&format!("bunzip2 <'{}' >image.iso", packed.display()), dir.path());
        assert!(agrees_with_xorriso(&dir.path().join("image.iso")) >= 8);
    }
}

/// Numbers without rhyme (splitmix64): the same for the same seed.
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % end
    }

    /// Such as a coldcut disc may have, or longer, which Rock Ridge keeps in two places.
    fn name(&mut self, longest: u64) -> String {
        let letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+";
        let one =
            |dice: &mut SplitMix| char::from(letters[dice.below(letters.len() as u64) as usize]);
        let length = 1 + self.below(longest);
        let rest: String = (1..length).map(|_| one(self)).collect();
        format!("{}{rest}", char::from(letters[self.below(62) as usize]))
    }
}

#[test]
fn random_images_are_listed_as_xorriso_lists_them() {
    for seed in 0..12 {
        let mut dice = SplitMix(seed);
        let dir = tempfile::tempdir().unwrap();
        let mut folders = vec![dir.path().join("tree")];
        fs::create_dir(&folders[0]).unwrap();
        let longest = if seed % 2 == 0 { 30 } else { 240 };
        for _ in 0..dice.below(8) {
            let above = folders[dice.below(folders.len() as u64) as usize].clone();
            // So deep that it is looked at: paths of eight levels at most.
            if above.components().count() < dir.path().components().count() + 6 {
                folders.push(above.join(dice.name(longest)));
                fs::create_dir_all(folders.last().unwrap()).unwrap();
            }
        }
        for _ in 0..20 + dice.below(200) {
            let folder = &folders[dice.below(folders.len() as u64) as usize];
            let path = folder.join(dice.name(longest));
            if !path.exists() {
                fs::write(path, vec![b'x'; dice.below(9000) as usize]).unwrap();
            }
        }
        let make = "ln -s nowhere tree/link; mkfifo tree/fifo
            xorriso -no_rc -outdev stdio:image.iso -joliet on -map tree / -commit 2>&1";
        shell(make, dir.path());
        assert!(agrees_with_xorriso(&dir.path().join("image.iso")) > 10);
    }
}

/// A file that does not fit into one piece, as sparse as its source.
#[test]
fn a_file_in_several_pieces_is_listed_as_xorriso_lists_it() {
    let dir = tempfile::tempdir().unwrap();
    let make = "mkdir tree; echo first >tree/a; echo last >tree/z; truncate -s 4718592001 tree/big
        xorriso -no_rc -outdev stdio:image.iso -map tree / -commit 2>&1; rm tree/big";
    shell(make, dir.path());
    assert_eq!(agrees_with_xorriso(&dir.path().join("image.iso")), 3);
}

/// A small coldcut disc, and what is done to it.
struct Sample {
    bytes: Vec<u8>,
    files: usize,
}

impl Sample {
    fn new() -> Sample {
        let staged = contract::staged(1);
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("x.iso");
        let file = fs::File::create(&image).unwrap();
        crate::drive::xorriso::write(&staged.job, &file, &|_| (), &Stop::new()).unwrap();
        Sample { bytes: fs::read(&image).unwrap(), files: staged.job.files.len() }
    }

    /// Where the root directory lies.
    fn root(&self) -> usize {
        let place = 16 * BLOCK + 158;
        u32::from_le_bytes(self.bytes[place..place + 4].try_into().unwrap()) as usize * BLOCK
    }

    /// Where the record begins that has this name in Rock Ridge's tree.
    fn record(&self, plain: &[u8]) -> usize {
        let from = self.root();
        let at = self.bytes[from..].windows(plain.len()).position(|window| window == plain);
        from + at.unwrap() - 33
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn damaged(&self) -> String {
        match list_bytes(&self.bytes).unwrap_err() {
            IsoFault::Damaged(words) => words,
            fault => panic!("{fault:?}"),
        }
    }

    /// The complaint, and how many files are listed all the same.
    fn complaint(&self) -> (String, usize) {
        let listing = list_bytes(&self.bytes).unwrap();
        (listing.complaint.unwrap(), listing.files.len())
    }
}

#[test]
fn a_directory_that_is_in_itself_is_read_once() {
    let mut sample = Sample::new();
    let (at, root) = (sample.record(b"ARCHIVES"), sample.root() / BLOCK);
    sample.put(at + 2, &(root as u32).to_le_bytes());
    let (words, files) = sample.complaint();
    assert!(words.contains("directory archives is at the place of another one"), "{words}");
    assert!(files > 0 && files < sample.files);
}

#[test]
fn what_is_no_volume_is_none() {
    for bytes in [vec![], vec![0; 40 * BLOCK], b"CD001".repeat(8 * BLOCK)] {
        assert!(matches!(list_bytes(&bytes), Err(IsoFault::NotAVolume)));
    }
    let mut sample = Sample::new();
    sample.put(16 * BLOCK + 128, &512_u16.to_le_bytes());
    assert!(matches!(list_bytes(&sample.bytes), Err(IsoFault::NotAVolume)));
}

#[test]
fn a_wish_to_stop_ends_a_listing() {
    let stop = Stop::new();
    stop.ask(15);
    let sample = Sample::new();
    let read = |at: u64, buf: &mut [u8]| {
        buf.copy_from_slice(&sample.bytes[at as usize..][..buf.len()]);
        Ok(buf.len())
    };
    assert!(matches!(list(&read, &stop), Err(IsoFault::Stopped(Stopped(15)))));
}

#[test]
fn damage_costs_what_it_hits_and_is_told_with_its_place() {
    let whole = Sample::new();
    let at = whole.record(b"DISC.TXT");
    let sector = at / BLOCK;
    type Hurt = fn(&mut Sample, usize);
    let hurts: [(&str, Hurt); 8] = [
        ("what comes after an identifier cannot be read", |s, at| s.put(at, &[255])),
        ("a record contradicts itself", |s, at| s.put(at, &[20])),
        ("a record contradicts itself", |s, at| s.put(at + 32, &[200])),
        ("DISC.txt: it is beyond the end of the volume", |s, at| s.put(at + 2, &[255; 4])),
        ("DISC.txt: it is beyond the end of the volume", |s, at| s.put(at + 10, &[255; 4])),
        ("DISC.txt: it is interleaved", |s, at| s.put(at + 26, &[1, 1])),
        ("DISC.txt: it has an extended attribute record", |s, at| s.put(at + 1, &[1])),
        ("DISC.txt has no end", |s, at| s.put(at + 25, &[0x80])),
    ];
    for (what, hurt) in hurts {
        let mut sample = Sample { bytes: whole.bytes.clone(), files: whole.files };
        hurt(&mut sample, at);
        let (words, files) = sample.complaint();
        assert!(words.contains(&format!("sector {sector}: {what}")), "{words}");
        assert!(files > 0 && files < whole.files, "{what}");
    }
}

/// The name in Rock Ridge's NM, 8 letters, becomes another of the same length.
fn renamed(to: &[u8; 8]) -> Sample {
    let mut sample = Sample::new();
    let from = sample.root();
    let at = sample.bytes[from..].windows(8).position(|window| window == b"DISC.txt").unwrap();
    sample.put(from + at, to);
    sample
}

#[test]
fn names_that_lead_elsewhere_are_none() {
    for name in [b"../../et", b"/etc/pas", b"a\0b.text"] {
        let (words, _) = renamed(name).complaint();
        assert!(words.ends_with("a name is not valid"), "{words}");
    }
    let mut short = Sample::new();
    let at = short.record(b"DISC.TXT");
    let end = at + usize::from(short.bytes[at]);
    let nm = (at..end).find(|&at| short.bytes[at..].starts_with(b"NM")).unwrap();
    // NM of two letters, and an entry without meaning after it.
    short.put(nm, b"NM\x07\x01\x00..XX\x06\x01\x00\x00");
    let (words, _) = short.complaint();
    assert!(words.ends_with("a name is not valid"), "{words}");
}

#[test]
fn two_files_of_one_name_are_one_and_a_complaint() {
    let (words, _) = renamed(b"\xffISC.txt").complaint_or_none();
    assert_eq!(words, None, "what is not UTF-8 is a name");
    let mut sample = Sample::new();
    let at = sample.record(b"DISC.TXT");
    let length = usize::from(sample.bytes[at]);
    let twin = sample.bytes[at..at + length].to_vec();
    // Behind the last record of the root.
    let mut end = sample.root();
    while sample.bytes[end] > 0 {
        end += usize::from(sample.bytes[end]);
    }
    sample.put(end, &twin);
    let (words, files) = sample.complaint();
    assert!(words.ends_with("DISC.txt is listed twice"), "{words}");
    assert_eq!(files, sample.files);
}

impl Sample {
    fn complaint_or_none(&self) -> (Option<String>, usize) {
        let listing = list_bytes(&self.bytes).unwrap();
        (listing.complaint, listing.files.len())
    }
}

/// An image that has nothing but a root directory of so many records, each of a file of one sector.
fn many_records(records: usize) -> Vec<u8> {
    let mut record = vec![0; 40];
    record[0] = 40;
    record[2..6].copy_from_slice(&17_u32.to_le_bytes());
    record[32] = 6;
    let each = BLOCK / 40;
    let sectors = records.div_ceil(each);
    let mut image = vec![0; (20 + sectors) * BLOCK];
    for number in 0..records {
        let at = (20 + number / each) * BLOCK + number % each * 40;
        let digits = number.to_le_bytes().map(|byte| byte % 16).map(|half| b'A' + half);
        let high = number.to_le_bytes().map(|byte| b'A' + byte / 16);
        record[33..39]
            .copy_from_slice(&[digits[0], high[0], digits[1], high[1], digits[2], high[2]]);
        image[at..at + 40].copy_from_slice(&record);
    }
    let volume = 16 * BLOCK;
    image[volume..volume + 6].copy_from_slice(b"\x01CD001");
    image[volume + 80..volume + 84].copy_from_slice(&(20 + sectors as u32).to_le_bytes());
    image[volume + 128..volume + 130].copy_from_slice(&2048_u16.to_le_bytes());
    image[volume + 158..volume + 162].copy_from_slice(&20_u32.to_le_bytes());
    let length = (sectors * BLOCK) as u32;
    image[volume + 166..volume + 170].copy_from_slice(&length.to_le_bytes());
    image
}

#[test]
fn records_directories_and_content_are_bounded() {
    assert_eq!(list_bytes(&many_records(10_000)).unwrap().files.len(), 10_000);
    let words = |image: &[u8]| match list_bytes(image).unwrap_err() {
        IsoFault::Damaged(words) => words,
        fault => panic!("{fault:?}"),
    };
    let found = words(&many_records((1 << 18) + 1));
    assert!(found.contains("more than 262144 records"), "{found}");
    // Each file is as large as the volume.
    let mut image = many_records(100);
    let sectors = (image.len() / BLOCK) as u32 - 17;
    for number in 0..51 {
        let at = 20 * BLOCK + number * 40 + 10;
        image[at..at + 4].copy_from_slice(&(sectors * SECTOR as u32).to_le_bytes());
    }
    assert!(words(&image).contains("larger than the disc"), "{}", words(&image));
    // The root is as long as the volume, and that is 8 TB.
    let mut image = many_records(1);
    image[16 * BLOCK + 80..][..4].fill(255);
    image[16 * BLOCK + 166..][..4].fill(255);
    let listing = list_bytes(&image);
    assert!(matches!(listing, Err(IsoFault::Damaged(_))), "{listing:?}");
}

#[test]
fn a_directory_without_anything_that_can_be_read_is_damaged() {
    let mut sample = Sample::new();
    let root = sample.root();
    sample.put(root, &[10]);
    assert!(sample.damaged().contains("a record contradicts itself"));
    sample.bytes.truncate(root);
    assert!(sample.damaged().contains("the image ends before it"));
}

/// What is listed can be joined to a directory and lies inside of the volume, whatever was done to
/// the image.
#[test]
fn nothing_that_is_done_to_an_image_leads_elsewhere() {
    let whole = Sample::new();
    let root = whole.root();
    let mut dice = SplitMix(7);
    for _ in 0..20_000 {
        let mut bytes = whole.bytes[..root + 6 * BLOCK].to_vec();
        for _ in 0..=dice.below(3) {
            let from = if dice.below(4) == 0 { 16 * BLOCK + 80 } else { root };
            let at = from + dice.below(BLOCK as u64 * 6 / 4) as usize;
            bytes[at] = dice.below(256) as u8;
        }
        let Ok(listing) = list_bytes(&bytes) else { continue };
        let end = listing.sectors.bytes().0;
        for file in &listing.files {
            let path = crate::model::RelPath::new(file.path.as_bytes());
            assert!(path.is_some_and(|path| !path.is_root()), "{file:?}");
            assert!(file.places().all(|place| place.end <= end || place.is_empty()), "{file:?}");
        }
    }
}
