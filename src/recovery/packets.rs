//! Reading PAR2 packets (Parity Volume Set Specification 2.0): which blocks each file has, their
//! checksums, and which recovery blocks are whole. The packets may come from anybody and may be
//! damaged: each proves itself by its own MD5, and what does not is passed over.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Read, Write};

use md5::{Digest as _, Md5};

use crate::model::RelPath;

pub(super) const MAGIC: &[u8; 8] = b"PAR2\0PKT";
const HEADER: usize = 64;
/// Longer packets are none of ours: a block, or the checksums of a file's blocks.
const LONGEST: usize = 256 << 20;
/// Read at once while packets are looked for.
const STEP: usize = 1 << 20;

pub(super) const MAIN: &[u8; 16] = b"PAR 2.0\0Main\0\0\0\0";
pub(super) const DESCRIPTION: &[u8; 16] = b"PAR 2.0\0FileDesc";
pub(super) const CHECKSUMS: &[u8; 16] = b"PAR 2.0\0IFSC\0\0\0\0";
pub(super) const RECOVERY: &[u8; 16] = b"PAR 2.0\0RecvSlic";

pub type Hash = [u8; 16];

/// A file that the recovery data covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoveredFile {
    pub path: RelPath,
    pub size: u64,
    /// MD5 of each block, the last one filled up with zeros.
    pub blocks: Vec<Hash>,
}

/// What a recovery set says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoverySet {
    /// The set's id: the MD5 of its main packet.
    pub id: Hash,
    pub block: u64,
    pub files: Vec<CoveredFile>,
    /// Whole recovery blocks, each counted once.
    pub recovery_blocks: u64,
}

/// Packets as they come in, of one set or of several.
#[derive(Default)]
pub struct Collector {
    /// Block size and files of each set.
    mains: BTreeMap<Hash, (u64, Vec<Hash>)>,
    /// Whether anything came of another set than the first.
    first: Option<Hash>,
    is_mixed: bool,
    /// By set and file.
    descriptions: HashMap<(Hash, Hash), (u64, Vec<u8>)>,
    checksums: HashMap<(Hash, Hash), Vec<Hash>>,
    exponents: BTreeMap<Hash, BTreeSet<u32>>,
}

impl Collector {
    /// Takes every whole packet of a stream, wherever it begins.
    pub fn read(&mut self, from: impl Read) -> io::Result<()> {
        each_packet(from, &mut |packet| {
            self.take(packet);
            Ok(())
        })
    }

    fn take(&mut self, packet: &[u8]) {
        let (set, kind, body) = (hash(&packet[32..]), hash(&packet[48..]), &packet[HEADER..]);
        self.is_mixed |= *self.first.get_or_insert(set) != set;
        match &kind {
            MAIN if body.len() >= 12 => self.take_main(set, body),
            DESCRIPTION if body.len() >= 56 => {
                let name = body[56..].split(|&b| b == 0).next().unwrap_or_default();
                let described = (le64(&body[48..]), name.to_vec());
                self.descriptions.insert((set, hash(body)), described);
            }
            CHECKSUMS if body.len() >= 16 => {
                let blocks = body[16..].chunks_exact(20).map(hash).collect();
                self.checksums.insert((set, hash(body)), blocks);
            }
            RECOVERY if body.len() >= 4 => {
                let exponent = u32::from_le_bytes([body[0], body[1], body[2], body[3]]);
                self.exponents.entry(set).or_default().insert(exponent);
            }
            _ => {}
        }
    }

    fn take_main(&mut self, set: Hash, body: &[u8]) {
        let count = u32::from_le_bytes([body[8], body[9], body[10], body[11]]) as usize;
        let files = body[12..].chunks_exact(16).take(count).map(hash).collect();
        self.mains.entry(set).or_insert((le64(body), files));
    }

    /// Whether there are packets of several sets: whoever made them may mean one for us and another
    /// one for par2.
    pub fn is_mixed(&self) -> bool {
        self.is_mixed
    }

    /// The set, if enough of its packets are whole to work with it, and there is no other.
    pub fn finish(self) -> Option<RecoverySet> {
        if self.is_mixed { None } else { self.sets().next() }
    }

    /// Every set that can be worked with.
    pub fn sets(&self) -> impl Iterator<Item = RecoverySet> {
        self.mains.keys().filter_map(|&id| self.set(id))
    }

    fn set(&self, set: Hash) -> Option<RecoverySet> {
        let (block, ids) = self.mains.get(&set)?;
        let block = *block;
        if block == 0 || block % 4 != 0 {
            return None;
        }
        let file = |id: &Hash| {
            let (size, name) = self.descriptions.get(&(set, *id))?;
            let blocks = self.checksums.get(&(set, *id))?.clone();
            let path = RelPath::new(name)?;
            let whole = size.div_ceil(block) == blocks.len() as u64;
            whole.then_some(CoveredFile { path, size: *size, blocks })
        };
        let files = ids.iter().map(file).collect::<Option<Vec<_>>>()?;
        let recovery_blocks = self.exponents.get(&set).map_or(0, |found| found.len() as u64);
        Some(RecoverySet { id: set, block, files, recovery_blocks })
    }
}

/// Copies the whole packets of one set, so that a program that reads them meets no other.
pub fn copy_packets(from: impl Read, set: &RecoverySet, to: &mut impl Write) -> io::Result<()> {
    each_packet(from, &mut |packet| match hash(&packet[32..]) == set.id {
        true => to.write_all(packet),
        false => Ok(()),
    })
}

/// Hands over every whole packet of a stream.
fn each_packet(from: impl Read, each: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut window = Window { from, bytes: Vec::new(), at: 0 };
    while window.fill(HEADER)? {
        if let Some(skipped) = window.before_magic() {
            window.at += skipped;
            continue;
        }
        let length = le64(&window.rest()[8..]) as usize;
        let plausible = length % 4 == 0 && (HEADER..=LONGEST).contains(&length);
        if plausible && window.fill(length)? && proves_itself(&window.rest()[..length]) {
            each(&window.rest()[..length])?;
            window.at += length;
        } else {
            window.at += MAGIC.len();
        }
    }
    Ok(())
}

fn proves_itself(packet: &[u8]) -> bool {
    let digest: Hash = Md5::digest(&packet[32..]).into();
    digest == packet[16..32]
}

impl RecoverySet {
    pub fn source_blocks(&self) -> u64 {
        self.files.iter().map(|file| file.blocks.len() as u64).sum()
    }
}

impl CoveredFile {
    /// How many of the file's blocks are not as they were, in what can be read of it.
    pub fn lost_blocks(&self, block: u64, mut content: impl Read) -> io::Result<u64> {
        let mut lost = 0;
        let mut buffer = Vec::new();
        for wanted in &self.blocks {
            buffer.clear();
            (&mut content).take(block).read_to_end(&mut buffer)?;
            buffer.resize(block as usize, 0);
            let found: Hash = Md5::digest(&buffer).into();
            lost += u64::from(found != *wanted);
        }
        Ok(lost)
    }
}

/// The piece of a stream that is looked at.
struct Window<R> {
    from: R,
    bytes: Vec<u8>,
    at: usize,
}

impl<R: Read> Window<R> {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    /// Whether `wanted` bytes lie ahead.
    fn fill(&mut self, wanted: usize) -> io::Result<bool> {
        while self.rest().len() < wanted {
            self.bytes.drain(..self.at);
            self.at = 0;
            let before = self.bytes.len();
            (&mut self.from).take(STEP.max(wanted) as u64).read_to_end(&mut self.bytes)?;
            if self.bytes.len() == before {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How many bytes of what lies ahead cannot be the beginning of a packet; `None`: one begins.
    fn before_magic(&self) -> Option<usize> {
        let rest = self.rest();
        match rest.windows(MAGIC.len()).position(|piece| piece == MAGIC) {
            Some(0) => None,
            Some(skipped) => Some(skipped),
            None => Some(rest.len() - (MAGIC.len() - 1)),
        }
    }
}

fn hash(bytes: &[u8]) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(&bytes[..16]);
    hash
}

fn le64(bytes: &[u8]) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[..8]);
    u64::from_le_bytes(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::stop::Stop;
    use crate::recovery::geometry::Geometry;
    use crate::recovery::program;
    use std::path::Path;

    const BLOCK: u64 = 65_536;

    /// A disc's worth of files with recovery data, made by par2.
    fn made(blocks: u64) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let files = [("archives/00000001.tar", 400_000), ("DISC.txt", 3)];
        std::fs::create_dir(dir.path().join("archives")).unwrap();
        for (path, size) in files {
            let content: Vec<u8> =
                (0..size).map(|n: u32| (n.wrapping_mul(n) >> 9) as u8 | 1).collect();
            std::fs::write(dir.path().join(path), content).unwrap();
        }
        let sized: Vec<(String, u64)> =
            files.iter().map(|&(path, size)| (path.to_owned(), u64::from(size))).collect();
        let layout = Geometry { block: BLOCK, percent: 1 }.with_blocks(&sized, blocks);
        let paths = files.map(|(path, _)| path);
        program::create(dir.path(), &paths, BLOCK, &layout, &mut |_| (), &Stop::new()).unwrap();
        dir
    }

    fn parity(dir: &Path, blocks: u64) -> Vec<u8> {
        std::fs::read(dir.join(format!("parity/disc.vol0+{blocks}.par2"))).unwrap()
    }

    fn collected(bytes: &[u8]) -> Option<RecoverySet> {
        let mut collector = Collector::default();
        collector.read(bytes).unwrap();
        collector.finish()
    }

    #[test]
    fn what_par2_wrote_is_read() {
        let dir = made(3);
        let set = collected(&parity(dir.path(), 3)).unwrap();
        assert_eq!((set.block, set.recovery_blocks, set.source_blocks()), (BLOCK, 3, 8));
        let mut paths: Vec<String> = set.files.iter().map(|f| f.path.to_string()).collect();
        paths.sort();
        assert_eq!(paths, ["DISC.txt", "archives/00000001.tar"]);
        for file in &set.files {
            let content = std::fs::read(dir.path().join(file.path.as_path())).unwrap();
            assert_eq!(file.lost_blocks(BLOCK, &content[..]).unwrap(), 0);
            let mut hurt = content.clone();
            hurt[2] ^= 1;
            assert_eq!(file.lost_blocks(BLOCK, &hurt[..]).unwrap(), 1);
            assert_eq!(file.lost_blocks(BLOCK, &[][..]).unwrap(), file.blocks.len() as u64);
        }
    }

    #[test]
    fn damaged_packets_are_not_counted_and_the_others_are_found() {
        let dir = made(3);
        let bytes = parity(dir.path(), 3);
        for place in (0..bytes.len()).step_by(4_099) {
            let mut hurt = bytes.clone();
            hurt[place] ^= 0x40;
            let set = collected(&hurt).unwrap();
            assert!((2..=3).contains(&set.recovery_blocks), "{place}: {}", set.recovery_blocks);
        }
        let mut hurt = bytes.clone();
        hurt[100] ^= 1;
        assert_eq!(collected(&hurt).unwrap().recovery_blocks, 2);
        // Cut off at the front and at the end, with noise around.
        let noisy = [&b"PAR2\0PK PAR2\0PKT"[..], &bytes[50..bytes.len() - 9]].concat();
        assert_eq!(collected(&noisy).unwrap().recovery_blocks, 2);
    }

    /// Which of them par2 takes is par2's choice.
    #[test]
    fn packets_of_two_sets_are_no_set_and_can_be_told_apart() {
        let (one, other) = (made(3), made(2));
        std::fs::write(other.path().join("DISC.txt"), "other").unwrap();
        let layout = Geometry { block: BLOCK, percent: 1 };
        let layout = layout.with_blocks(&[("DISC.txt".to_owned(), 5)], 1);
        std::fs::remove_dir_all(other.path().join("parity")).unwrap();
        program::create(other.path(), &["DISC.txt"], BLOCK, &layout, &mut |_| (), &Stop::new())
            .unwrap();
        let (one, other) = (parity(one.path(), 3), parity(other.path(), 1));
        for both in [[&one[..], &other].concat(), [&other[..], &one].concat()] {
            let mut collector = Collector::default();
            collector.read(&both[..]).unwrap();
            assert!(collector.is_mixed());
            let sets: Vec<_> = collector.sets().collect();
            assert_eq!(sets.len(), 2);
            assert_eq!(collector.finish(), None);
            for set in sets {
                let mut apart = Vec::new();
                copy_packets(&both[..], &set, &mut apart).unwrap();
                assert_eq!(collected(&apart), Some(set));
            }
        }
        // One packet of another set is enough, whatever it is.
        let begin = one.windows(8).position(|piece| piece == MAGIC).unwrap();
        let length = le64(&one[begin + 8..]) as usize;
        assert_eq!(collected(&[&other[..], &one[begin..begin + length]].concat()), None);
    }

    #[test]
    fn lengths_from_anybody_do_no_harm() {
        let mut packet = [&MAGIC[..], &u64::MAX.to_le_bytes()].concat();
        packet.resize(200, 0);
        assert_eq!(collected(&packet), None);
        for length in [0, 63, 64, 66, 1 << 40] {
            packet[8..16].copy_from_slice(&u64::to_le_bytes(length));
            assert_eq!(collected(&packet), None);
        }
        assert_eq!(collected(b""), None);
    }

    #[test]
    fn a_name_that_leads_elsewhere_makes_the_set_useless() {
        let dir = made(1);
        let mut bytes = parity(dir.path(), 1);
        let evil = b"../../etc/passwd\0\0\0\0\0";
        // In every description of the archive, each with a new MD5 of its packet.
        let name = b"archives/00000001.tar";
        let mut changed = 0;
        for at in 0..bytes.len() - name.len() {
            if bytes[at..].starts_with(name) {
                bytes[at..at + evil.len()].copy_from_slice(evil);
                let packet = at - HEADER - 56;
                let length = le64(&bytes[packet + 8..]) as usize;
                let sum: Hash = Md5::digest(&bytes[packet + 32..packet + length]).into();
                bytes[packet + 16..packet + 32].copy_from_slice(&sum);
                changed += 1;
            }
        }
        assert!(changed > 0);
        assert_eq!(collected(&bytes), None);
    }
}
