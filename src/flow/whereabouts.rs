//! Where copies are kept, in the words that every prompt uses, and which copy a medium is: media of
//! one disc are alike to the last byte, so only where it lies can tell.

use std::collections::HashSet;
use std::path::Path;

use crate::catalog::{Catalog, CatalogError, Copy, CopyNo, CopyState, Fate, SetId};
use crate::model::DiscNo;
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
    copy.medium.strip_prefix("shelf ").map(Path::new)
}

/// Whether a reader of this title reads from the place where the copy was put.
pub fn lies_at(copy: &Copy, title: &str) -> bool {
    let dir = Path::new(title).parent();
    dir.is_some_and(|dir| dir == shelf_of(copy).unwrap_or(Path::new(&copy.medium)))
}

/// The copy that a medium is: the one that was put where it lies; else the newest that is there; a
/// lost one, which is found by this; and only then one that was given up.
pub fn recognise<'a>(copies: &'a [Copy], title: &str, taken: &HashSet<CopyNo>) -> Option<&'a Copy> {
    let rank = |copy: &Copy| {
        let given_up = match copy.state {
            CopyState::Gone(Fate::Retired) => 2,
            CopyState::Gone(Fate::Lost) => 1,
            _ => 0,
        };
        (!lies_at(copy, title), given_up, u32::MAX - copy.number.0)
    };
    copies.iter().filter(|copy| !taken.contains(&copy.number)).min_by_key(|copy| rank(copy))
}

/// The same; a medium that nobody knows becomes a copy of its own.
pub fn recognise_or_record(
    catalog: &mut Catalog,
    set: SetId,
    disc: DiscNo,
    title: &str,
    taken: &HashSet<CopyNo>,
) -> Result<CopyNo, CatalogError> {
    let copies = catalog.copies(set, disc)?;
    match recognise(&copies, title, taken) {
        Some(copy) => Ok(copy.number),
        None => catalog.record_copy(set, disc, title, "", Moment::now()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Finding;

    fn copy(number: u32, medium: &str, place: &str, state: CopyState) -> Copy {
        let (number, burned) = (CopyNo(number), Moment(0));
        Copy { number, medium: medium.into(), place: place.into(), burned, state }
    }

    const GOOD: CopyState = CopyState::Found(Finding::Ok);

    #[test]
    fn places_are_said_as_one_where_they_are_one() {
        let lost = CopyState::Gone(Fate::Lost);
        let at = |places: [&str; 2]| {
            kept(&[copy(1, "BD-R", places[0], GOOD), copy(2, "BD-R", places[1], GOOD)])
        };
        assert_eq!(at(["", ""]), "");
        assert_eq!(at(["shelf B", "shelf B"]), ", kept in shelf B");
        assert_eq!(at(["shelf B", ""]), ", kept in shelf B");
        assert_eq!(at(["shelf B", "office"]), ", kept in shelf B (copy 1) or office (copy 2)");
        assert_eq!(kept(&[copy(1, "BD-R", "shelf B", lost)]), "", "nobody looks for it there");
    }

    #[test]
    fn a_medium_is_the_copy_that_was_put_there_and_a_lost_one_only_if_no_other_is_left() {
        let lost = CopyState::Gone(Fate::Lost);
        let copies = [
            copy(1, "shelf /a", "", GOOD),
            copy(2, "shelf /b", "", lost),
            copy(3, "BD-R X, burned in Y", "", GOOD),
        ];
        let who = |title: &str, taken: &[u32]| {
            let taken = taken.iter().map(|&n| CopyNo(n)).collect();
            recognise(&copies, title, &taken).map(|copy| copy.number.0)
        };
        assert_eq!(who("/a/x-0001.iso", &[]), Some(1));
        assert_eq!(who("/b/x-0001.iso", &[]), Some(2));
        assert_eq!(who("/dev/sr0 (Y)", &[]), Some(3));
        assert_eq!(who("/dev/sr0 (Y)", &[3]), Some(1));
        assert_eq!(who("/dev/sr0 (Y)", &[3, 1]), Some(2));
        assert_eq!(who("/dev/sr0 (Y)", &[1, 2, 3]), None);
    }
}
