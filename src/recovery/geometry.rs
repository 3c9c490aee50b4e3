//! How many recovery blocks a disc gets and how large its PAR2 files become, known before they are
//! made: discs are filled to the edge with this number. It follows the Parity Volume Set
//! Specification 2.0 for the packets, and par2cmdline for how often they are repeated; tests hold
//! it against that program.

use super::covers;
use crate::model::size::CLUSTER;
use crate::model::{Bytes, Sectors};

/// A disc is cut into about so many blocks.
const BLOCKS_OF_A_DISC: u64 = 6_000;
/// Larger blocks are spent too fast: each lost cluster costs a whole one.
const LARGEST_BLOCK: u64 = 4 << 20;
/// PAR2 numbers 32,768 source blocks; each file's last one is counted whole.
const MOST_BLOCKS: u64 = 32_000;
/// No file on a disc is larger than 4 GiB - 1: what describes the set comes on top of the blocks.
const LARGEST_VOLUME: u64 = (4 << 30) - (64 << 20);

/// The header of every packet ("Packet Header").
const HEADER: u64 = 64;
/// A recovery slice packet has its exponent before the block.
const EXPONENT: u64 = 4;
/// Creator packets name the program in a line of text; that of par2 0.8.1 has 104 bytes.
const CREATOR: u64 = 192;

/// How recovery data is made for discs of one capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes of a block.
    pub block: u64,
    /// Recovery blocks for each hundred source blocks.
    pub percent: u8,
}

/// The recovery data of one disc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pub recovery_blocks: u64,
    /// Files with recovery blocks, beside the main one.
    pub volumes: u64,
    /// Path and size of each file. Sizes are exact but for the program's name in each, for which
    /// there is room.
    pub files: Vec<(String, u64)>,
}

impl Geometry {
    /// `None`: no recovery data is wanted.
    pub fn new(capacity: Sectors, percent: u8) -> Option<Geometry> {
        let cluster = CLUSTER.bytes().0;
        let whole = |bytes: u64| bytes.next_multiple_of(cluster);
        let capacity = capacity.bytes().0;
        let usual = whole(capacity.div_ceil(BLOCKS_OF_A_DISC)).clamp(cluster, LARGEST_BLOCK);
        let block = usual.max(whole(capacity.div_ceil(MOST_BLOCKS)));
        (percent > 0).then_some(Geometry { block, percent })
    }

    /// The recovery data over these files, with `more` source blocks on top.
    pub fn layout(&self, files: &[(String, u64)], more: u64) -> Layout {
        let blocks = self.source_blocks(files) + more;
        self.files(critical_bytes(files, blocks), self.recovery_blocks(blocks))
    }

    /// The recovery data over these files with a given number of recovery blocks.
    pub fn with_blocks(&self, files: &[(String, u64)], recovery_blocks: u64) -> Layout {
        self.files(critical_bytes(files, self.source_blocks(files)), recovery_blocks)
    }

    /// How many percent of these files' blocks so many recovery blocks repair.
    pub fn covered_percent(&self, files: &[(String, u64)], recovery_blocks: u64) -> u8 {
        let percent = recovery_blocks * 100 / self.source_blocks(files).max(1);
        u8::try_from(percent).unwrap_or(u8::MAX).min(self.percent)
    }

    fn source_blocks(&self, files: &[(String, u64)]) -> u64 {
        covered(files).map(|(_, size)| size.div_ceil(self.block)).sum()
    }

    fn recovery_blocks(&self, source_blocks: u64) -> u64 {
        (source_blocks * u64::from(self.percent)).div_ceil(100).max(1)
    }

    fn files(&self, critical: u64, recovery_blocks: u64) -> Layout {
        let packet = HEADER + EXPONENT + self.block;
        let volumes = (recovery_blocks * packet).div_ceil(LARGEST_VOLUME).max(1);
        let (each, one_more) = (recovery_blocks / volumes, recovery_blocks % volumes);
        let counts: Vec<u64> = (0..volumes).map(|n| each + u64::from(n < one_more)).collect();
        let digits = |number: u64| number.to_string().len();
        let (wide, count_wide) = (digits(recovery_blocks), digits(counts[0]));
        let mut files = vec![(super::MAIN.to_owned(), critical + CREATOR)];
        let mut first = 0;
        for count in counts {
            let path =
                format!("{}/disc.vol{first:0wide$}+{count:0count_wide$}.par2", super::DIRECTORY);
            files.push((path, count * packet + repeats(count) * critical + CREATOR));
            first += count;
        }
        Layout { recovery_blocks, volumes, files }
    }

    /// What several files that grow a little may cost beside their bytes: each may begin a block.
    pub fn doubt(&self, capacity: Sectors, files: u64) -> Bytes {
        let more = (files * u64::from(self.percent)).div_ceil(100);
        // What describes the set may be repeated once more in each volume.
        let blocks = capacity.bytes().0 / self.block + 64;
        let volumes = capacity.bytes().0 / LARGEST_VOLUME + 1;
        Bytes(more * (self.block + HEADER + EXPONENT) + volumes * blocks * 24 + (64 << 10))
    }
}

/// par2cmdline repeats what describes the set in each file as often as its number of blocks has
/// binary digits.
fn repeats(blocks: u64) -> u64 {
    u64::from(u64::BITS - blocks.leading_zeros())
}

fn covered(files: &[(String, u64)]) -> impl Iterator<Item = &(String, u64)> {
    files.iter().filter(|(path, _)| covers(path))
}

/// Main packet, and a file description and a checksum packet for each file that is covered.
fn critical_bytes(of: &[(String, u64)], blocks: u64) -> u64 {
    let (mut files, mut descriptions) = (0, 0);
    for (path, _) in covered(of) {
        files += 1;
        descriptions += HEADER + 56 + (path.len() as u64).next_multiple_of(4);
    }
    let main = HEADER + 12 + 16 * files;
    let checksums = (HEADER + 16) * files + 20 * blocks;
    main + descriptions + checksums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::size::NAMED_SIZES;
    use crate::port::stop::Stop;
    use crate::recovery::program;

    #[test]
    fn blocks_are_of_whole_clusters_and_of_four_mebibytes_at_most() {
        let block = |sectors| Geometry::new(Sectors(sectors), 10).unwrap().block;
        let named = NAMED_SIZES.map(|(name, sectors)| (name, block(sectors.0)));
        for (name, block) in named {
            assert_eq!(block % 65_536, 0, "{name}");
            assert!(block <= LARGEST_BLOCK, "{name}: {block}");
        }
        assert_eq!(block(12_219_392), 4 << 20);
        assert_eq!(block(1_000), 65_536);
        // Beyond all media the numbers of PAR2 end.
        assert!((500u64 << 30).div_ceil(block((500 << 30) / 2048)) < 32_768);
        assert_eq!(Geometry::new(Sectors(9), 0), None);
    }

    #[test]
    fn files_are_as_large_as_par2_makes_them() {
        type Files = &'static [(&'static str, u64)];
        let cases: [(u64, u64, Files); 5] = [
            (65_536, 1, &[("DISC.txt", 7)]),
            (65_536, 9, &[("archives/00000001.tar.bz2.gpg", 700_001), ("DISC.txt", 65_536)]),
            (65_536, 10, &[("archives/00000001.tar", 1 << 20), ("INDEX.tsv.bz2", 65_537)]),
            (4_096, 63, &[("restore.sh", 400_000), ("README.txt", 1)]),
            (4_096, 64, &[("catalog.sqlite.bz2", 400_000), ("README.txt", 1)]),
        ];
        for (block, blocks, files) in cases {
            let dir = tempfile::tempdir().unwrap();
            let files: Vec<(String, u64)> =
                files.iter().map(|&(path, size)| (path.to_owned(), size)).collect();
            for (path, size) in &files {
                let path = dir.path().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, vec![b'x'; *size as usize]).unwrap();
            }
            let layout = Geometry { block, percent: 10 }.with_blocks(&files, blocks);
            let paths: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
            program::create(dir.path(), &paths, block, &layout, &mut |_| (), &Stop::new()).unwrap();
            for (path, size) in &layout.files {
                let written = std::fs::metadata(dir.path().join(path)).unwrap().len();
                // "Created by par2cmdline version 0.8.1." stands in a packet of 104 bytes.
                assert_eq!(written + CREATOR - 104, *size, "{path}, {blocks} x {block}");
            }
            let made = std::fs::read_dir(dir.path().join("parity")).unwrap().count();
            assert_eq!(made, layout.files.len());
        }
    }

    #[test]
    fn no_volume_is_larger_than_a_file_may_be() {
        let capacity = Sectors(48_878_592);
        let geometry = Geometry::new(capacity, 100).unwrap();
        let files: Vec<(String, u64)> =
            (0..50).map(|n| (format!("archives/{n:08}.tar"), 1 << 30)).collect();
        let layout = geometry.layout(&files, 0);
        assert_eq!(layout.recovery_blocks, 50 * 256);
        assert_eq!(layout.files.len() as u64, layout.volumes + 1);
        for (path, size) in &layout.files {
            assert!(*size < u64::from(u32::MAX), "{path}: {size}");
            assert!(path.rsplit('/').next().unwrap().len() <= crate::drive::LONGEST_NAME, "{path}");
        }
    }

    #[test]
    fn a_few_bytes_more_in_six_files_cost_no_more_than_the_doubt() {
        let geometry = Geometry::new(Sectors(12_219_392), 12).unwrap();
        let bytes = |layout: Layout| layout.files.iter().map(|(_, size)| size).sum::<u64>();
        for blocks in (1..6_000).step_by(7) {
            let few = bytes(geometry.layout(&[("x".into(), blocks * geometry.block)], 0));
            let more = bytes(geometry.layout(&[("x".into(), blocks * geometry.block)], 6));
            let doubt = geometry.doubt(Sectors(12_219_392), 6).0;
            assert!(more - few <= doubt, "{blocks}: {}", more - few);
        }
    }
}
