//! A disc with all its copies, and what the catalog knows of each.

use crate::catalog::{Catalog, Copy, CopyNo, DiscInfo, Finding, KnownSet};
use crate::format::volume::image_name;
use crate::model::DiscNo;
use crate::port::clock::Moment;

use crate::flow::FlowError;
use crate::flow::library::shelves::is_missing;

/// A disc with all its copies, and when standard tools last opened it.
pub struct KnownDisc {
    pub info: DiscInfo,
    pub media: Vec<KnownMedium>,
    /// When any copy was last verified.
    pub verified: Option<Moment>,
    pub drilled: Option<Moment>,
    /// The discs that it covers, if it is a recovery disc.
    pub covers: Vec<DiscNo>,
}

impl KnownDisc {
    pub(in crate::flow) fn look(
        catalog: &Catalog,
        set: &KnownSet,
        mut info: DiscInfo,
    ) -> Result<KnownDisc, FlowError> {
        let seen = catalog.verifications(set.id, info.number)?;
        let last_good = |copy: Option<CopyNo>| {
            let mut good = seen.iter().rev().filter(|seen| seen.outcome.finding() == Finding::Ok);
            good.find(|seen| copy.is_none_or(|copy| seen.copy == copy)).map(|seen| seen.at)
        };
        let media = catalog.copies(set.id, info.number)?;
        let standard = image_name(&set.facts.name, info.number);
        let known = |copy: Copy| KnownMedium {
            verified: last_good(Some(copy.number)),
            is_missing: copy.is_kept() && is_missing(&copy.medium, &standard),
            copy,
        };
        let media: Vec<KnownMedium> = media.into_iter().map(known).collect();
        info.good_copies = media.iter().filter(|medium| medium.is_good()).count() as u32;
        let drills = catalog.drills(set.id, info.number)?;
        let drilled = drills.iter().rev().find(|drill| drill.finding == Finding::Ok);
        let (verified, drilled) = (last_good(None), drilled.map(|drill| drill.at));
        let covers = catalog.covered_by(set.id, info.number)?;
        Ok(KnownDisc { info, media, verified, drilled, covers })
    }

    /// Copies that were right when they were last read, of a disc that is safe.
    pub fn safe_copies(&self) -> u32 {
        self.info.safe_copies()
    }
}

/// A copy, and what became of it.
pub struct KnownMedium {
    pub copy: Copy,
    /// Its shelf is there, and its image is not: it does not count.
    pub is_missing: bool,
    /// When it was last verified.
    pub verified: Option<Moment>,
}

impl KnownMedium {
    /// Every byte was right when it was last read, and it is still there as far as is known.
    pub fn is_good(&self) -> bool {
        self.copy.is_good() && !self.is_missing
    }
}

pub(in crate::flow) fn known_discs(
    catalog: &Catalog,
    set: &KnownSet,
) -> Result<Vec<KnownDisc>, FlowError> {
    let look = |info: DiscInfo| KnownDisc::look(catalog, set, info);
    catalog.discs(set.id)?.into_iter().map(look).collect()
}
