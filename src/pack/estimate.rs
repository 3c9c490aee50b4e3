//! What a run will take, before it takes it: discs, hours, staging. A shopping list from sizes alone.

use crate::model::disc::Ratio;
use crate::model::size::CLUSTER;
use crate::model::{Bytes, Sectors};

/// What is to be stored, as the walk counted it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    pub files: u64,
    /// Bytes of content, holes not counted.
    pub bytes: u64,
    /// Bytes that are to be passed, holes counted: hashing them takes its time.
    pub span: u64,
    /// Paths in the whole snapshot: they are listed, changed or not.
    pub paths: u64,
}

/// The shopping list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Discs if nothing compresses: there will not be more.
    pub discs: u64,
    /// Bytes on them, at most.
    pub on_discs: Bytes,
    /// Room needed in staging: a disc, an archive's scratch file, the listings.
    pub staging: Bytes,
}

/// A tar header, its pax header and records, and padding; more than most members need.
const MEMBER: u64 = 2048;
/// Listings of all kinds for one path, compressed.
const LISTED: u64 = 400;
/// File system, texts and the like.
const DISC_OVERHEAD: u64 = 512 << 10;

/// Upper bounds for `load` on discs of this capacity.
pub fn estimate(load: &Load, capacity: Sectors, archive_size: u64) -> Estimate {
    if load.files == 0 {
        return Estimate { discs: 0, on_discs: Bytes(0), staging: Bytes(0) };
    }
    let listings = load.paths * LISTED / 2;
    let content = load.bytes + load.bytes / 64 + load.files * (MEMBER + LISTED / 2);
    let capacity = capacity.whole_clusters().max(CLUSTER).bytes().0;
    let usable = capacity.saturating_sub(DISC_OVERHEAD).max(capacity / 2);
    let total = content + 2 * listings;
    let discs = total.div_ceil(usable).max(1);
    let on_discs = total + discs * DISC_OVERHEAD;
    let disc = on_discs.min(capacity);
    let staging =
        disc + archive_size.min(load.bytes + MEMBER * load.files).min(capacity) + listings;
    Estimate { discs, on_discs: Bytes(on_discs), staging: Bytes(staging) }
}

impl Estimate {
    /// With recovery data for so many percent of each disc on top.
    pub fn with_recovery(self, percent: u8) -> Estimate {
        let more = |number: u64| (number * (100 + u64::from(percent))).div_ceil(100);
        let Estimate { discs, on_discs, staging } = self;
        let (on_discs, staging) = (Bytes(more(on_discs.0)), Bytes(more(staging.0)));
        Estimate { discs: more(discs), on_discs, staging }
    }

    /// With the recovery discs of each group, and the sums in staging from which they are made.
    pub fn with_recovery_discs(self, ratio: Ratio, capacity: Sectors) -> Estimate {
        let (data, recovery) = (u64::from(ratio.data), u64::from(ratio.recovery));
        let more = self.discs.div_ceil(data) * recovery;
        let share = Bytes(self.on_discs.0.min(capacity.bytes().0));
        Estimate {
            discs: self.discs + more,
            on_discs: self.on_discs + Bytes(more * share.0),
            // The sums, and an image that is added to them.
            staging: self.staging + Bytes((recovery + 1) * share.0),
        }
    }
}

/// Bytes a second at 1x on Blu-ray: 4,495,625 (optical disc speeds are multiples of it).
pub const BD_1X: u64 = 4_495_625;

/// Minutes to write so many bytes at a speed, without reading back.
pub fn minutes(bytes: Bytes, speed: u64) -> u64 {
    bytes.0.div_ceil(BD_1X * speed * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BD25: Sectors = Sectors(12_219_392);

    #[test]
    fn nothing_to_store_needs_nothing() {
        let none = estimate(&Load::default(), BD25, 1 << 30);
        assert_eq!((none.discs, none.staging), (0, Bytes(0)));
    }

    #[test]
    fn a_terabyte_needs_forty_one_discs_of_25_gb_and_staging_for_one() {
        let load = Load {
            files: 200_000,
            bytes: 1_000_000_000_000,
            span: 1_000_000_000_000,
            paths: 200_000,
        };
        let list = estimate(&load, BD25, 1 << 30);
        assert!((40..=42).contains(&list.discs), "{list:?}");
        assert!(list.staging < Bytes(27_000_000_000), "{list:?}");
        let grouped = list.with_recovery_discs(Ratio { recovery: 1, data: 5 }, BD25);
        assert!((48..=51).contains(&grouped.discs), "{grouped:?}");
        let safer = list.with_recovery(10);
        assert!((44..=47).contains(&safer.discs), "{safer:?}");
        assert_eq!(minutes(Bytes(25_025_314_816), 4), 24);
    }

    #[test]
    fn a_small_load_needs_little_staging() {
        let load = Load { files: 10, bytes: 1_000_000, span: 1_000_000, paths: 10 };
        let list = estimate(&load, BD25, 1 << 30);
        assert_eq!(list.discs, 1);
        assert!(list.staging < Bytes(4_000_000), "{list:?}");
    }
}
