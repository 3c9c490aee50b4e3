//! What the examples of facts are made of: each has its words, and `docs/json.md` lists all kinds.

use crate::model::{CopyPlace, CopyPlaces, DiscNo, SetName};
use crate::port::cause::Cause;
use crate::port::notice::Notice;

/// Facts, and what a person reads of them.
pub(super) type Examples = Vec<(Notice, String)>;

/// Facts of one room with their words. A variant without an example does not compile.
macro_rules! examples {
    ($of:ident { $($variant:ident $({ $($field:tt)* })? => $words:expr),* $(,)? }) => {{
        #[allow(unreachable_patterns)] // some have several
        fn has_an_example(notice: &$of) {
            match notice { $($of::$variant { .. } => {})* }
        }
        let _ = has_an_example;
        vec![$((
            $crate::port::notice::Notice::from($of::$variant $({ $($field)* })?),
            String::from($words),
        )),*]
    }};
}

pub(super) fn set() -> SetName {
    SetName::new("films").unwrap()
}

pub(super) fn disc() -> DiscNo {
    DiscNo(3)
}

pub(super) fn set_disc_why() -> (SetName, DiscNo, Cause) {
    (set(), disc(), "it is broken".into())
}

/// `kept in shelf B (copy 1) or office (copy 2)`
pub(super) fn places() -> CopyPlaces {
    let place = |copy, place: &str| CopyPlace { copy, place: place.to_owned() };
    CopyPlaces(vec![place(1, "shelf B"), place(2, "office")])
}
