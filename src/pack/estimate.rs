//! What a run will take, before it takes it: discs, hours, staging. A shopping list from sizes
//! alone.

use crate::model::disc::Ratio;
use crate::model::size::CLUSTER;
use crate::model::{Bytes, Sectors};
use crate::port::event::Progress;

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

/// A disc in the staging area that is filled up before another one is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartFilled {
    pub capacity: Sectors,
    /// What is on it already.
    pub used: Bytes,
}

/// What new discs are planned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Media {
    pub capacity: Sectors,
    /// Percent of recovery data on each disc.
    pub parity: u8,
}

/// A tar header, its pax header and records, and padding; more than most members need.
const MEMBER: u64 = 2048;
/// Listings of all kinds for one path, compressed.
const LISTED: u64 = 400;
/// File system, texts and the like.
const DISC_OVERHEAD: u64 = 512 << 10;

/// What a disc takes beside its recovery data.
fn usable(capacity: Sectors, parity: u8) -> u64 {
    let capacity = capacity.whole_clusters().max(CLUSTER).bytes().0;
    let usable = capacity.saturating_sub(DISC_OVERHEAD).max(capacity / 2);
    usable * 100 / (100 + u64::from(parity))
}

/// Upper bounds for `load`. `must`: listings alone are worth a disc.
pub fn estimate(
    load: &Load,
    must: bool,
    part: Option<&PartFilled>,
    media: Media,
    archive_size: u64,
) -> Estimate {
    if load.files == 0 && !must {
        return Estimate { discs: 0, on_discs: Bytes(0), staging: Bytes(0) };
    }
    let Media { capacity, parity } = media;
    let listings = load.paths * LISTED / 2;
    let content = load.bytes + load.bytes / 64 + load.files * (MEMBER + LISTED / 2);
    let total = content + 2 * listings;
    let free = |part: &PartFilled| usable(part.capacity, parity).saturating_sub(part.used.0);
    let begun = part.map_or(0, |part| free(part).min(total));
    let discs = u64::from(part.is_some()) + (total - begun).div_ceil(usable(capacity, parity));
    let discs = discs.max(1);
    let more = total + discs * DISC_OVERHEAD;
    let used = part.map_or(0, |part| part.used.0);
    let capacity = capacity.whole_clusters().max(CLUSTER).bytes().0;
    let archive = archive_size.min(load.bytes + MEMBER * load.files).min(capacity);
    let staging = more.min(capacity) + archive + listings;
    // Recovery data of what was there already is rebuilt, too.
    let recovery = |bytes: u64| Bytes((bytes * (100 + u64::from(parity))).div_ceil(100));
    Estimate { discs, on_discs: recovery(more.saturating_add(used)), staging: recovery(staging) }
}

/// How many discs more are needed for the rest of `load` bytes (holes counted), if it compresses
/// like what was packed so far. Nothing is known before something was packed: 0.
pub fn discs_left(load: u64, packed: Progress, media: Media) -> u64 {
    let rest = u128::from(load.saturating_sub(packed.done));
    let written = u128::from(packed.written.unwrap_or(packed.done));
    let bytes = rest * written / u128::from(packed.done.max(1));
    let discs = bytes.div_ceil(u128::from(usable(media.capacity, media.parity)));
    u64::try_from(discs).unwrap_or(u64::MAX)
}

impl Estimate {
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

/// The speed that reading is estimated at. BD-R with two layers or more is read no faster by many
/// drives, and coldcut does not ask the drive.
pub const READ_SPEED: u64 = 6;

/// Seconds to write or read so many bytes at a speed.
pub fn seconds(bytes: Bytes, speed: u64) -> u64 {
    bytes.0.div_ceil(BD_1X * speed)
}

/// Minutes to write so many bytes at a speed, without reading back.
pub fn minutes(bytes: Bytes, speed: u64) -> u64 {
    seconds(bytes, speed).div_ceil(60)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BD25: Sectors = Sectors(12_219_392);
    const PLAIN: Media = Media { capacity: BD25, parity: 0 };

    #[test]
    fn nothing_to_store_needs_nothing() {
        let none = estimate(&Load::default(), false, None, PLAIN, 1 << 30);
        assert_eq!((none.discs, none.staging), (0, Bytes(0)));
        assert_eq!(estimate(&Load::default(), true, None, PLAIN, 1 << 30).discs, 1);
    }

    #[test]
    fn a_terabyte_needs_forty_one_discs_of_25_gb_and_staging_for_one() {
        let load = Load {
            files: 200_000,
            bytes: 1_000_000_000_000,
            span: 1_000_000_000_000,
            paths: 200_000,
        };
        let list = estimate(&load, false, None, PLAIN, 1 << 30);
        assert!((40..=42).contains(&list.discs), "{list:?}");
        assert!(list.staging < Bytes(27_000_000_000), "{list:?}");
        let grouped = list.with_recovery_discs(Ratio { recovery: 1, data: 5 }, BD25);
        assert!((48..=51).contains(&grouped.discs), "{grouped:?}");
        let safer = estimate(&load, false, None, Media { parity: 10, ..PLAIN }, 1 << 30);
        assert!((44..=47).contains(&safer.discs), "{safer:?}");
        assert_eq!(minutes(Bytes(25_025_314_816), 4), 24);
        assert_eq!(seconds(Bytes(25_025_314_816), 4), 1392);
    }

    #[test]
    fn a_small_load_needs_little_staging() {
        let load = Load { files: 10, bytes: 1_000_000, span: 1_000_000, paths: 10 };
        let list = estimate(&load, false, None, PLAIN, 1 << 30);
        assert_eq!(list.discs, 1);
        let safer = estimate(&load, false, None, Media { parity: 10, ..PLAIN }, 1 << 30);
        assert_eq!(safer.discs, 1);
        assert!(list.staging < Bytes(4_000_000), "{list:?}");
    }

    #[test]
    fn the_rest_is_expected_to_compress_like_what_was_packed() {
        let left = |load, done, written| {
            discs_left(load, Progress { done, written: Some(written) }, PLAIN)
        };
        let tb = 1_000_000_000_000;
        assert_eq!(left(tb, 50_000_000_000, 50_000_000_000), 38);
        assert_eq!(left(tb, 50_000_000_000, 25_000_000_000), 19);
        assert_eq!(left(tb, tb, tb), 0);
        assert_eq!(left(tb, 0, 0), 0, "nothing is known");
        assert!(left(u64::MAX, 1, u64::MAX) > tb, "no sum overflows");
    }

    #[test]
    fn a_disc_that_is_filled_up_takes_what_fits_and_counts_with_all_that_is_on_it() {
        let load = |bytes| Load { files: 1, bytes, span: bytes, paths: 10 };
        let list = |bytes, used| {
            let part = PartFilled { capacity: BD25, used: Bytes(used) };
            estimate(&load(bytes), false, Some(&part), PLAIN, 1 << 30)
        };
        let both = list(10_000_000_000, 10_000_000_000);
        assert_eq!(both.discs, 1);
        assert!(both.on_discs > Bytes(20_000_000_000), "{both:?}");
        assert!(both.staging < Bytes(12_000_000_000), "{both:?}");
        assert_eq!(list(10_000_000_000, 20_000_000_000).discs, 2);
        // Even where nothing fits any more, it is one of the discs.
        assert_eq!(list(1_000, 25_025_000_000).discs, 2);
    }
}
