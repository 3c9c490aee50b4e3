//! Where copies are kept, in the words that every prompt uses, and which copy a medium is: media of
//! one disc are alike to the last byte, so only where it lies can tell.

use std::collections::HashSet;
use std::path::Path;

use crate::catalog::{Catalog, CatalogError, Copy, CopyNo, CopyState, Fate, SetId};
use crate::model::{Carrier, DiscNo};
use crate::port::clock::Moment;

/// `, kept in shelf B`; where copies are apart, `, kept in shelf B (copy 1) or office (copy 2)`;
/// nothing if nobody said where.
pub fn kept(copies: &[Copy]) -> String {
    let placed: Vec<&Copy> =
        copies.iter().filter(|copy| copy.is_kept() && !copy.place.is_empty()).collect();
    let Some(first) = placed.first() else { return String::new() };
    if placed.iter().all(|copy| copy.place == first.place) {
        return format!(", kept in {}", first.place);
    }
    let words: Vec<String> =
        placed.iter().map(|copy| format!("{} (copy {})", copy.place, copy.number.0)).collect();
    format!(", kept in {}", words.join(" or "))
}

/// The same for a disc of the catalog; a catalog that cannot be read says nothing.
pub fn kept_disc(catalog: &Catalog, set: SetId, disc: DiscNo) -> String {
    catalog.copies(set, disc).map(|copies| kept(&copies)).unwrap_or_default()
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

/// Whether this medium lies in the place of a file system where the copy was put.
pub fn lies_at(copy: &Copy, medium: &Carrier) -> bool {
    medium.place().is_some() && *medium == copy.medium
}

/// The copy that a medium is: the one that was put where it lies; else the newest that is there; a
/// lost one, which is found by this; and only then one that was given up.
pub fn recognise<'a>(
    copies: &'a [Copy],
    medium: &Carrier,
    taken: &HashSet<CopyNo>,
) -> Option<&'a Copy> {
    let rank = |copy: &Copy| {
        let given_up = match copy.state {
            CopyState::Gone(Fate::Retired) => 2,
            CopyState::Gone(Fate::Lost) => 1,
            _ => 0,
        };
        (!lies_at(copy, medium), given_up, u32::MAX - copy.number.0)
    };
    copies.iter().filter(|copy| !taken.contains(&copy.number)).min_by_key(|copy| rank(copy))
}

/// The same; a medium that nobody knows becomes a copy of its own.
pub fn recognise_or_record(
    catalog: &mut Catalog,
    set: SetId,
    disc: DiscNo,
    medium: &Carrier,
    taken: &HashSet<CopyNo>,
) -> Result<CopyNo, CatalogError> {
    let copies = catalog.copies(set, disc)?;
    match recognise(&copies, medium, taken) {
        Some(copy) => Ok(copy.number),
        None => catalog.record_copy(set, disc, medium, "", Moment::now()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Finding;

    fn copy(number: u32, medium: Carrier, place: &str, state: CopyState) -> Copy {
        let (number, burned) = (CopyNo(number), Moment(0));
        Copy { number, medium, place: place.into(), burned, state }
    }

    fn loose() -> Carrier {
        Carrier::found_in("/dev/sr0 (Y)".to_owned())
    }

    fn shelf(dir: &str) -> Carrier {
        Carrier::Shelf(dir.into())
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
            recognise(&copies, &medium, &taken).map(|copy| copy.number.0)
        };
        assert_eq!(who(shelf("/a"), &[]), Some(1));
        assert_eq!(who(shelf("/b"), &[]), Some(2));
        assert_eq!(who(loose(), &[]), Some(3));
        assert_eq!(who(loose(), &[3]), Some(1));
        assert_eq!(who(loose(), &[3, 1]), Some(2));
        assert_eq!(who(loose(), &[1, 2, 3]), None);
    }
}
