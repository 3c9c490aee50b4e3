//! Ways to hurt a disc.

// One range is one place that was hurt, not a list of numbers.
#![allow(clippy::single_range_in_vec_init)]

use super::image::{self, CLUSTER, SECTOR};
use crate::support::trees::Random;
use std::fs::{self, File};
use std::ops::Range;
use std::path::Path;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DamageKind {
    /// The file is gone: its directory records are.
    Delete,
    /// The image ends in the middle of it.
    Truncate,
    /// A sector of it is zeros.
    Sector,
    /// An aligned cluster of 64 KiB is.
    Cluster,
    /// One bit of it is turned.
    Bit,
    /// One sector in a hundred is zeros, at least one.
    Scattered,
    /// The directory records from its own on are zeros, up to the end of their sectors.
    Records,
}

pub const HURTS: [DamageKind; 7] = [
    DamageKind::Delete,
    DamageKind::Truncate,
    DamageKind::Sector,
    DamageKind::Cluster,
    DamageKind::Bit,
    DamageKind::Scattered,
    DamageKind::Records,
];

/// What is hurt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DamagedPart {
    Archive,
    Index,
    Listing,
    Catalog,
    Sums,
    DiscTxt,
    /// Recovery data; only on discs that have it.
    Parity,
    /// The descriptors and the directory trees.
    Structures,
}

pub const VICTIMS: [DamagedPart; 7] = [
    DamagedPart::Archive,
    DamagedPart::Index,
    DamagedPart::Listing,
    DamagedPart::Catalog,
    DamagedPart::Sums,
    DamagedPart::DiscTxt,
    DamagedPart::Structures,
];

impl DamagedPart {
    pub fn is_on(self, image: &Path) -> bool {
        image::files(image).iter().any(|file| file.path.starts_with(self.prefix()))
    }

    /// How the files of this kind begin.
    fn prefix(self) -> &'static str {
        match self {
            DamagedPart::Archive => "archives/",
            DamagedPart::Index => "INDEX",
            DamagedPart::Listing => "SNAPSHOT",
            DamagedPart::Catalog => "catalog",
            DamagedPart::Sums => "SHA256SUMS",
            DamagedPart::DiscTxt => "DISC.txt",
            DamagedPart::Parity => "parity/",
            DamagedPart::Structures => "",
        }
    }
}

/// What was done to an image.
#[derive(Clone, Debug, Default)]
pub struct DamageDone {
    /// Places of the image whose bytes are not what they were.
    pub bytes: Vec<Range<u64>>,
    /// Files that are not listed any more.
    pub hidden: Vec<String>,
    /// The directory itself was hit: nothing may be found at all.
    pub structures: bool,
}

/// Hurts an image. The same seed does the same; it chooses among victims of one kind, and places.
pub fn hurt(path: &Path, hurt: DamageKind, victim: DamagedPart, seed: u64) -> DamageDone {
    let mut random = Random::new(seed);
    let files = image::files(path);
    if victim == DamagedPart::Structures {
        return hurt_structures(path, hurt, files[0].start, &mut random);
    }
    let of_kind: Vec<_> = files.iter().filter(|f| f.path.starts_with(victim.prefix())).collect();
    assert!(!of_kind.is_empty(), "{victim:?} is not on {}", path.display());
    let file = of_kind[random.below(of_kind.len() as u64) as usize];
    match hurt {
        DamageKind::Delete => hide(path, &file.path, false),
        DamageKind::Records => hide(path, &file.path, true),
        _ => spoil(path, hurt, file.range(), &mut random),
    }
}

fn spoil(path: &Path, hurt: DamageKind, within: Range<u64>, random: &mut Random) -> DamageDone {
    let length = within.end - within.start;
    let sector = |random: &mut Random| {
        let at = within.start + random.below(length.div_ceil(SECTOR)) * SECTOR;
        at..(at + SECTOR).min(within.end)
    };
    let bytes = match hurt {
        DamageKind::Truncate => {
            let end = fs::metadata(path).unwrap().len();
            let cut = within.start + length / 2;
            File::options().write(true).open(path).unwrap().set_len(cut).unwrap();
            return DamageDone { bytes: vec![cut / SECTOR * SECTOR..end], ..DamageDone::default() };
        }
        DamageKind::Bit => {
            let at = within.start + random.below(length);
            let byte = image::read(path, at..at + 1)[0];
            image::write(path, at, &[byte ^ 1 << random.below(8)]);
            return DamageDone { bytes: vec![at..at + 1], ..DamageDone::default() };
        }
        DamageKind::Sector => vec![sector(random)],
        DamageKind::Cluster => {
            let inside = within.start + random.below(length);
            let at = inside / CLUSTER * CLUSTER;
            vec![at.max(CLUSTER)..(at + CLUSTER).min(fs::metadata(path).unwrap().len())]
        }
        DamageKind::Scattered => {
            let count = length.div_ceil(SECTOR).div_ceil(100);
            (0..count).map(|_| sector(random)).collect()
        }
        DamageKind::Delete | DamageKind::Records => unreachable!(),
    };
    for place in &bytes {
        image::write(path, place.start, &vec![0; (place.end - place.start) as usize]);
    }
    DamageDone { bytes, ..DamageDone::default() }
}

/// Cuts records out of both trees: the victim's alone, or all after it in its sector.
pub fn hide(path: &Path, name: &str, to_the_end: bool) -> DamageDone {
    let before = image::files(path);
    let last = name.rsplit('/').next().unwrap();
    let records = image::records(path, last);
    assert!(!records.is_empty(), "{name}");
    for (at, length) in records {
        let sector_end = (at / SECTOR + 1) * SECTOR;
        if to_the_end {
            image::write(path, at, &vec![0; (sector_end - at) as usize]);
        } else {
            // What stands behind moves up, as if the file had never been.
            let mut rest = image::read(path, at + length..sector_end);
            rest.resize((sector_end - at) as usize, 0);
            image::write(path, at, &rest);
        }
    }
    let after: Vec<String> = image::files(path).into_iter().map(|file| file.path).collect();
    let gone = before.into_iter().map(|file| file.path).filter(|path| !after.contains(path));
    let hidden: Vec<String> = gone.collect();
    assert!(hidden.iter().any(|path| path == name), "{name} is still there");
    DamageDone { hidden, ..DamageDone::default() }
}

/// The whole image is gone, is cut in its directory, or has holes in it.
fn hurt_structures(path: &Path, hurt: DamageKind, end: u64, random: &mut Random) -> DamageDone {
    // Sectors 0 to 15 are empty on every disc.
    let within = 16 * SECTOR..end;
    match hurt {
        DamageKind::Delete => fs::remove_file(path).unwrap(),
        DamageKind::Records => {
            // From the middle of the root directory's sector on.
            let (at, _) = image::records(path, "FORMAT.txt")[0];
            image::write(path, at, &vec![0; ((at / SECTOR + 1) * SECTOR - at) as usize]);
        }
        DamageKind::Cluster => {
            image::write(path, within.start, &vec![0; (within.end - within.start) as usize]);
        }
        _ => drop(spoil(path, hurt, within.clone(), random)),
    }
    DamageDone { structures: true, ..DamageDone::default() }
}
