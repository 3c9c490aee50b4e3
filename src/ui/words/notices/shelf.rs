//! Shelves that are met again.

use crate::model::path::shown_path;
use crate::port::notice::ShelfNotice;

pub(super) fn words(notice: &ShelfNotice) -> String {
    match notice {
        ShelfNotice::ShelfMoved { shelf_before, shelf, is_unproved } => {
            let doubt = match is_unproved {
                true => {
                    ", on another file system, as far as can be told: its copies count as not \
                     verified until they are read there"
                }
                false => "",
            };
            format!("the shelf {} is now at {}{doubt}", shown_path(shelf_before), shown_path(shelf))
        }
        ShelfNotice::ShelfCopied { shelf, original } => format!(
            "shelf {} is a copy of the shelf {}: its discs are further copies",
            shown_path(shelf),
            shown_path(original)
        ),
        ShelfNotice::CopiesMerged { set, disc, copies: [one, two], shelf } => format!(
            "copies {one} and {two} of disc {disc} of {set} are the same image, in {}: they now \
             count as one copy",
            shown_path(shelf)
        ),
    }
}

#[cfg(test)]
pub(super) fn examples() -> super::examples::Examples {
    let (set, disc) = (super::examples::set(), super::examples::disc());
    examples!(ShelfNotice {
        ShelfMoved { shelf_before: "/a".into(), shelf: "/b".into(), is_unproved: false } =>
            "the shelf /a is now at /b",
        ShelfMoved { shelf_before: "/a".into(), shelf: "/b".into(), is_unproved: true } =>
            "the shelf /a is now at /b, on another file system, as far as can be told: its copies \
             count as not verified until they are read there",
        ShelfCopied { shelf: "/b".into(), original: "/a".into() } =>
            "shelf /b is a copy of the shelf /a: its discs are further copies",
        CopiesMerged { set, disc, copies: [1, 2], shelf: "/a".into() } =>
            "copies 1 and 2 of disc 3 of films are the same image, in /a: they now count as one \
             copy",
    })
}
