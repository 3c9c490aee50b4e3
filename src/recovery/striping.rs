//! Recovery discs (format 11): how images are cut into stripes, what describes the pieces, and the
//! PAR2 files that a recovery disc is made of.

use md5::{Digest as _, Md5};

use super::packets::{CHECKSUMS, DESCRIPTION, Hash, MAGIC, MAIN, RECOVERY};
use crate::model::disc::Ratio;
use crate::model::size::{CLUSTER, SECTOR};
use crate::model::{Bytes, DiscNo, Sectors};

/// Where the files of a recovery disc lie.
pub const STRIPES: &str = "stripes";
/// An image has about so many stripes.
const STRIPES_OF_A_DISC: u64 = 400;
/// par2 keeps two of them in memory.
const LARGEST_STRIPE: u64 = 64 << 20;
/// The texts of a recovery disc, with room.
const TEXTS: u64 = 160 << 10;
/// What describes one piece: two packets. And the rest of a file beside its block.
const PIECE_PACKETS: u64 = 320;
const REST: u64 = 512;
/// PAR2 looks at the first 16 KiB of a file for its id.
const HEAD: usize = 16 << 10;

/// Bytes of a stripe on discs of this capacity.
pub fn stripe_size(capacity: Sectors) -> u64 {
    let cluster = CLUSTER.bytes().0;
    let share = capacity.bytes().0.div_ceil(STRIPES_OF_A_DISC);
    share.next_multiple_of(cluster).clamp(cluster, LARGEST_STRIPE)
}

/// How large a disc's image may be, so that the recovery discs of its group fit on the same media.
pub fn data_capacity(capacity: Sectors, ratio: Ratio) -> Sectors {
    let stripe = stripe_size(capacity);
    let file = (stripe + REST + PIECE_PACKETS * u64::from(ratio.data)).next_multiple_of(SECTOR);
    // Two directory records and a line of SHA256SUMS for each file.
    let each = file + 320 + 96;
    let stripes = capacity.whole_clusters().bytes().0.saturating_sub(TEXTS) / each;
    Bytes(stripes * stripe).sectors()
}

/// A stretch of one image, as PAR2 describes a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StripePiece {
    pub name: String,
    pub length: u64,
    id: Hash,
    md5: Hash,
    md5_of_head: Hash,
    /// Of the block: the piece, filled up with zeros.
    block_md5: Hash,
    block_crc: u32,
}

impl StripePiece {
    /// Describes the content of `disc` in the stripe `number`. `place`: how many discs were taken
    /// into the group before, of at most `places`.
    pub fn new(
        disc: DiscNo,
        number: u64,
        content: &[u8],
        stripe: u64,
        place: usize,
        places: usize,
    ) -> StripePiece {
        let md5_of_head: Hash = Md5::digest(&content[..content.len().min(HEAD)]).into();
        let length = content.len() as u64;
        let (name, id) = named(disc, number, (md5_of_head, length), place, places);
        let (mut block, mut crc) = (Md5::new_with_prefix(content), crc32fast::Hasher::new());
        crc.update(content);
        let zeros = vec![0; stripe as usize - content.len()];
        block.update(&zeros);
        crc.update(&zeros);
        StripePiece {
            name,
            length,
            id,
            md5: Md5::digest(content).into(),
            md5_of_head,
            block_md5: block.finalize().into(),
            block_crc: crc.finalize(),
        }
    }

    fn description(&self) -> Vec<u8> {
        let mut body = [self.id, self.md5, self.md5_of_head].concat();
        body.extend(self.length.to_le_bytes());
        body.extend(padded(self.name.as_bytes()));
        body
    }

    fn checksums(&self) -> Vec<u8> {
        [&self.id[..], &self.block_md5, &self.block_crc.to_le_bytes()].concat()
    }

    /// A line of text, from which [`StripePiece::parse`] makes it again.
    pub fn to_text(&self) -> String {
        let hex = |hash: &Hash| hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let hashes = [&self.id, &self.md5, &self.md5_of_head, &self.block_md5].map(hex);
        format!("{} {} {} {:08x}", self.name, self.length, hashes.join(" "), self.block_crc)
    }

    pub fn parse(line: &str) -> Option<StripePiece> {
        let words: Vec<&str> = line.split(' ').collect();
        let [name, length, id, md5, head, block, crc] = words[..] else { return None };
        Some(StripePiece {
            name: name.to_owned(),
            length: length.parse().ok()?,
            id: hash(id)?,
            md5: hash(md5)?,
            md5_of_head: hash(head)?,
            block_md5: hash(block)?,
            block_crc: u32::from_str_radix(crc, 16).ok()?,
        })
    }
}

fn hash(hex: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    if hex.len() != 32 || !hex.is_ascii() {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(hash)
}

/// The name whose id puts the piece at its place: ids are 128-bit numbers, the last byte first.
fn named(
    disc: DiscNo,
    number: u64,
    (head, length): (Hash, u64),
    place: usize,
    places: usize,
) -> (String, Hash) {
    let mut last = (String::new(), Hash::default());
    // One of so many as there are places fits; that none of 65,536 does will not be seen.
    for digits in 0..=0xFFFF_u32 {
        let name = format!("{:04}.{number:05}.{digits:04x}", disc.0);
        let id = Md5::digest([&head[..], &length.to_le_bytes(), name.as_bytes()].concat());
        last = (name, id.into());
        let rank = usize::from(u16::from_le_bytes([last.1[14], last.1[15]]));
        if rank * places / 65_536 == place {
            break;
        }
    }
    last
}

/// A whole file of a recovery disc: the recovery block of a stripe, and what describes the set.
pub fn recovery_file(pieces: &[StripePiece], stripe: u64, exponent: u32, block: &[u8]) -> Vec<u8> {
    let ids: Vec<u8> = pieces.iter().flat_map(|piece| piece.id).collect();
    let mut main = stripe.to_le_bytes().to_vec();
    main.extend((pieces.len() as u32).to_le_bytes());
    main.extend(ids);
    let set: Hash = Md5::digest(&main).into();
    let mut file = packet(&set, MAIN, &main);
    for piece in pieces {
        file.extend(packet(&set, DESCRIPTION, &piece.description()));
        file.extend(packet(&set, CHECKSUMS, &piece.checksums()));
    }
    let creator = padded(format!("coldcut {}", env!("CARGO_PKG_VERSION")).as_bytes());
    file.extend(packet(&set, b"PAR 2.0\0Creator\0", &creator));
    let recovery = [&exponent.to_le_bytes()[..], block].concat();
    file.extend(packet(&set, RECOVERY, &recovery));
    file
}

/// `stripes/00042.vol1+1.par2`.
pub fn recovery_path(stripe: u64, exponent: u32) -> String {
    format!("{STRIPES}/{stripe:05}.vol{exponent}+1.par2")
}

fn packet(set: &Hash, kind: &Hash, body: &[u8]) -> Vec<u8> {
    let proven = [&set[..], kind, body].concat();
    let length = (32 + proven.len() as u64).to_le_bytes();
    let digest: Hash = Md5::digest(&proven).into();
    [&MAGIC[..], &length, &digest, &proven].concat()
}

/// Packets are multiples of four bytes.
fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(4), 0);
    padded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::size::NAMED_SIZES;
    use crate::port::stop::Stop;
    use crate::recovery::field::Multiplier;
    use crate::recovery::program::{self, Repair};
    use std::fs;

    const STRIPE: u64 = 65_536;

    /// Something that no compression and no chance makes equal.
    fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        (0..length)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state as u8
            })
            .collect()
    }

    /// One stripe of several discs, of which any two are lost and rebuilt by par2.
    #[test]
    fn par2_makes_the_pieces_of_lost_discs() {
        let lengths = [65_536, 40_001, 2_048, 65_536, 16_384];
        let pieces: Vec<Vec<u8>> =
            lengths.iter().zip(1..).map(|(&length, seed)| noise(seed, length)).collect();
        let mut sums = vec![vec![0; STRIPE as usize]; 2];
        let mut described = Vec::new();
        // One disc after the other: nothing of a later one is known.
        for (place, content) in pieces.iter().enumerate() {
            described.push(StripePiece::new(
                DiscNo(place as u32 + 1),
                7,
                content,
                STRIPE,
                place,
                8,
            ));
            for (exponent, sum) in (0..).zip(&mut sums) {
                Multiplier::new(place, exponent).add_product(content, sum);
            }
        }
        for lost in [[0, 1], [1, 4], [2, 3]] {
            let dir = tempfile::tempdir().unwrap();
            for (exponent, sum) in (0..).zip(&sums) {
                let name = format!("00007.vol{exponent}+1.par2");
                let file = recovery_file(&described, STRIPE, exponent, sum);
                assert!(file.len() as u64 <= STRIPE + REST + PIECE_PACKETS * 5);
                fs::write(dir.path().join(name), file).unwrap();
            }
            for (place, content) in pieces.iter().enumerate() {
                if !lost.contains(&place) {
                    fs::write(dir.path().join(&described[place].name), content).unwrap();
                }
            }
            let par2 = dir.path().join("00007.vol0+1.par2");
            let done =
                program::repair(dir.path(), 5 * STRIPE, &par2, None, &mut |_| (), &Stop::new());
            assert_eq!(done.unwrap(), Repair::Done, "{lost:?}");
            for place in lost {
                let made = fs::read(dir.path().join(&described[place].name)).unwrap();
                assert!(made == pieces[place], "{lost:?}");
            }
        }
    }

    #[test]
    fn a_piece_goes_into_text_and_back() {
        let piece = StripePiece::new(DiscNo(12), 3, b"abc", STRIPE, 1, 4);
        assert_eq!(StripePiece::parse(&piece.to_text()), Some(piece));
        assert_eq!(StripePiece::parse("0001.00000.0000 1 aa"), None);
    }

    #[test]
    fn ids_stand_in_the_order_of_the_discs_for_as_many_as_there_may_be() {
        let places = Ratio::MOST as usize;
        let content = noise(9, 5_000);
        let pieces: Vec<StripePiece> = (0..places)
            .map(|place| {
                StripePiece::new(DiscNo(place as u32 + 1), 0, &content, STRIPE, place, places)
            })
            .collect();
        let number = |piece: &StripePiece| u128::from_le_bytes(piece.id);
        assert!(pieces.windows(2).all(|pair| number(&pair[0]) < number(&pair[1])));
    }

    #[test]
    fn recovery_discs_fit_on_the_media_of_their_discs_and_little_is_lost_to_that() {
        let small = [("3M", Sectors(1_536)), ("12M", Sectors(6_144))];
        for (name, capacity) in NAMED_SIZES.into_iter().chain(small) {
            for ratio in ["1/1", "2/10", "10/100"].map(|text| Ratio::parse(text).unwrap()) {
                let room = data_capacity(capacity, ratio);
                let stripe = stripe_size(capacity);
                let size = stripe + REST + PIECE_PACKETS * u64::from(ratio.data);
                let stripes = room.bytes().0.div_ceil(stripe);
                let mut files: Vec<(String, Bytes)> =
                    (0..stripes).map(|n| (recovery_path(n, 99), Bytes(size))).collect();
                let texts = [("README.txt", 5_000), ("FORMAT.txt", 50_000), ("DISC.txt", 1_000)];
                files.extend(texts.map(|(path, size)| (path.to_owned(), Bytes(size))));
                files.push(("SHA256SUMS".to_owned(), Bytes(stripes * 96 + 300)));
                let image = crate::drive::image_sectors(&files);
                assert!(image <= capacity.whole_clusters(), "{name} {ratio}: {image:?}");
                let large = capacity.0 > 1_000_000;
                assert!(!large || room.0 * 1000 >= capacity.0 * 990, "{name} {ratio}");
            }
        }
    }
}
