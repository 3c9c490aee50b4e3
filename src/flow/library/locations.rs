//! Where copies are kept, in the words that every prompt uses, and which copy a medium is: media of
//! one disc are alike to the last byte, so only where it lies can tell.

use std::collections::HashSet;
use std::path::Path;

use crate::catalog::{
    Catalog, CatalogError, Copy, CopyNo, CopyPlacement, CopyState, Fate, Finding, SetId,
};
use crate::model::{Carrier, CopyPlace, CopyPlaces, DiscNo, FileId};
use crate::port::clock::Moment;

use crate::flow::library::shelves::file_of;

/// Where these copies are, as far as anybody knows.
pub fn places(copies: &[Copy]) -> CopyPlaces {
    let kept = copies.iter().filter(|copy| copy.is_kept());
    let placed =
        kept.filter_map(|copy| Some(CopyPlace { copy: copy.number.0, place: place_of(copy)? }));
    CopyPlaces(placed.collect())
}

/// The same as a clause: `, kept in shelf B`; nothing if nobody knows where.
pub fn kept(copies: &[Copy]) -> String {
    places(copies).clause()
}

/// The same for a disc of the catalog.
pub fn kept_disc(catalog: &Catalog, set: SetId, disc: DiscNo) -> String {
    places_of_disc(catalog, set, disc).clause()
}

/// Where the copies of a disc of the catalog are; a catalog that cannot be read says nothing.
pub fn places_of_disc(catalog: &Catalog, set: SetId, disc: DiscNo) -> CopyPlaces {
    catalog.copies(set, disc).map(|copies| places(&copies)).unwrap_or_default()
}

/// Where a copy is, as far as anybody knows: the place that a person named, else the shelf.
pub fn place_of(copy: &Copy) -> Option<String> {
    match copy.place.is_empty() {
        false => Some(copy.place.clone()),
        true => shelf_of(copy).map(|dir| format!("shelf {}", dir.display())),
    }
}

/// The shelf that a copy was put on.
pub fn shelf_of(copy: &Copy) -> Option<&Path> {
    copy.medium.shelf()
}

/// Whether this medium is in the place of a file system where the copy was put.
pub fn lies_at(copy: &Copy, medium: &Carrier) -> bool {
    medium.is_where(&copy.medium)
}

/// A medium that is held in hands.
pub struct Met<'a> {
    /// What carries it; a shelf as [`meet`](crate::flow::library::shelves::meet) told to note it.
    pub medium: &'a Carrier,
    /// Which file it is.
    pub file: Option<FileId>,
    /// What images of its disc are called.
    pub standard: &'a str,
    /// What reading it found, if it was read.
    pub finding: Option<Finding>,
}

/// The copy that a medium is. In a file system the place tells: the copy that was put there, under
/// whatever name the file is known; one that is not where it was put may have been brought here, be
/// it a lost one, and only then one that was given up. Of media without a place the newest that is
/// there is taken.
pub fn recognise<'a>(copies: &'a [Copy], met: &Met, taken: &HashSet<CopyNo>) -> Option<&'a Copy> {
    let free = || copies.iter().filter(|copy| !taken.contains(&copy.number));
    match met.medium {
        Carrier::Shelf(_) => {
            let put_here = || free().filter(|copy| lies_at(copy, met.medium));
            let is_it = |copy: &&Copy| {
                met.file.is_some() && file_of(&copy.medium, met.standard) == met.file
            };
            put_here()
                .find(is_it)
                .or_else(|| free().find(is_it))
                .or_else(|| put_here().find(|copy| file_of(&copy.medium, met.standard).is_none()))
                .or_else(|| free().filter(|copy| may_be_here(copy, met)).min_by_key(rank))
        }
        Carrier::Folder(_) => free().find(|copy| lies_at(copy, met.medium)),
        Carrier::Disc(_) | Carrier::Words(_) => {
            free().filter(|copy| !copy.medium.is_place()).min_by_key(rank)
        }
    }
}

/// Those that are there first, then lost ones, then those that were given up; the newest first.
fn rank(copy: &&Copy) -> (u8, u32) {
    let given_up = match copy.state {
        CopyState::Gone(Fate::Retired) => 2,
        CopyState::Gone(Fate::Lost) => 1,
        _ => 0,
    };
    (given_up, u32::MAX - copy.number.0)
}

/// An image that is not where it was put may be this one. Of a place that nobody can look at, as an
/// old catalog noted it, only a sound one is told to be from there: a damaged one must not speak
/// for it.
fn may_be_here(copy: &Copy, met: &Met) -> bool {
    let Some(place) = copy.medium.shelf_place() else { return false };
    let is_bad = matches!(copy.state, CopyState::Found(Finding::Damaged | Finding::Unreadable));
    match place.dir.is_relative() {
        true => met.finding == Some(Finding::Ok) && !is_bad,
        false => !is_bad && file_of(&copy.medium, met.standard).is_none(),
    }
}

/// The same; a medium that nobody knows becomes a copy of its own, and where it is is noted.
pub fn recognise_or_record(
    catalog: &mut Catalog,
    set: SetId,
    disc: DiscNo,
    met: &Met,
    taken: &HashSet<CopyNo>,
) -> Result<CopyNo, CatalogError> {
    let copies = catalog.copies(set, disc)?;
    match recognise(&copies, met, taken) {
        Some(copy) => {
            settle(catalog, set, disc, copy, met)?;
            Ok(copy.number)
        }
        None => catalog.record_copy(set, disc, met.medium, "", Moment::now()),
    }
}

/// A copy is found where it was not known to be.
pub fn settle(
    catalog: &mut Catalog,
    set: SetId,
    disc: DiscNo,
    copy: &Copy,
    met: &Met,
) -> Result<(), CatalogError> {
    let is_old = copy.medium.shelf_place().is_some();
    let is_elsewhere = file_of(&copy.medium, met.standard) != met.file || met.file.is_none();
    if !is_old || !met.medium.is_place() || !is_elsewhere {
        return Ok(());
    }
    let (carrier, number) = (met.medium.clone(), copy.number);
    catalog.put_copies(&[CopyPlacement { set, disc, copy: number, carrier, is_unproved: false }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ShelfPlace;

    fn copy(number: u32, medium: Carrier, place: &str, state: CopyState) -> Copy {
        let (number, burned) = (CopyNo(number), Moment(0));
        Copy { number, medium, place: place.into(), burned, state }
    }

    fn loose() -> Carrier {
        Carrier::found_in("/dev/sr0 (Y)".to_owned())
    }

    fn shelf(dir: &str) -> Carrier {
        Carrier::Shelf(ShelfPlace::at(dir))
    }

    const GOOD: CopyState = CopyState::Found(Finding::Ok);

    #[test]
    fn places_are_said_as_one_where_they_are_one() {
        let lost = CopyState::Gone(Fate::Lost);
        let at = |places: [&str; 2]| {
            kept(&[copy(1, loose(), places[0], GOOD), copy(2, loose(), places[1], GOOD)])
        };
        assert_eq!(at(["", ""]), "");
        assert_eq!(at(["shelf B", "shelf B"]), ", kept in shelf B");
        assert_eq!(at(["shelf B", ""]), ", kept in shelf B");
        assert_eq!(at(["shelf B", "office"]), ", kept in shelf B (copy 1) or office (copy 2)");
        assert_eq!(kept(&[copy(1, loose(), "shelf B", lost)]), "", "nobody looks for it there");
        assert_eq!(kept(&[copy(1, shelf("/b"), "", GOOD)]), ", kept in shelf /b");
    }

    #[test]
    fn a_medium_is_the_copy_that_was_put_there_and_a_lost_one_only_if_no_other_is_left() {
        let lost = CopyState::Gone(Fate::Lost);
        let copies = [
            copy(1, shelf("/a"), "", GOOD),
            copy(2, shelf("/b"), "", lost),
            copy(3, loose(), "", GOOD),
        ];
        let who = |medium: Carrier, taken: &[u32]| {
            let taken = taken.iter().map(|&n| CopyNo(n)).collect();
            let met = Met { medium: &medium, file: None, standard: "x-0001.iso", finding: None };
            recognise(&copies, &met, &taken).map(|copy| copy.number.0)
        };
        assert_eq!(who(shelf("/a"), &[]), Some(1));
        assert_eq!(who(shelf("/b"), &[]), Some(2));
        assert_eq!(who(loose(), &[]), Some(3));
        assert_eq!(who(loose(), &[3]), None, "what is on a shelf is not in a drive");
        assert_eq!(who(shelf("/c"), &[1]), Some(2), "a lost one is found");
        assert_eq!(who(shelf("/c"), &[1, 2]), None);
    }
}
