//! What a wanted medium is called in an error: who it is. What else a person should know of it,
//! `ui::words` says when it is asked for.

use crate::model::SetName;
use crate::port::wanted::{DiscChoice, WantedBlank, WantedDisc, WantedMedium};

/// `disc 1 of films, copy 2`, `a blank disc for disc 1 of films`.
pub fn medium_name(wanted: &WantedMedium) -> String {
    match wanted {
        WantedMedium::Disc(disc) => disc_name(disc),
        WantedMedium::AnyOf { discs } => match &discs[..] {
            [] => "a disc".to_owned(),
            [one] => disc_name(one),
            [first, ..] => {
                format!("{} or another of {} discs", disc_name(first), discs.len())
            }
        },
        WantedMedium::AnyDisc { set, which } => choice_name(set.as_ref(), *which),
        WantedMedium::Blank(WantedBlank { set, disc, .. }) => {
            format!("a blank disc for disc {disc} of {set}")
        }
        WantedMedium::DiscOrBlank { disc, .. } => format!("{}, or a blank disc", disc_name(disc)),
    }
}

/// `disc 1 of films, copy 2`.
pub fn disc_name(WantedDisc { set, disc, copy, .. }: &WantedDisc) -> String {
    let copy = copy.map(|copy| format!(", copy {copy}")).unwrap_or_default();
    format!("disc {disc} of {set}{copy}")
}

fn choice_name(set: Option<&SetName>, which: DiscChoice) -> String {
    let set = set.map_or("the set".to_owned(), |name| format!("set {name}"));
    match which {
        DiscChoice::Any | DiscChoice::Next => format!("a disc of {set}"),
        DiscChoice::Newest => format!("the disc of {set} with the highest number"),
        DiscChoice::NewerThan(disc) => format!("a disc of {set} after disc {disc}"),
        DiscChoice::ToVerify | DiscChoice::ToVerifyWhileIdle => "a disc to verify".to_owned(),
        DiscChoice::ToDrill => "a disc to drill".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DiscNo, Sectors};
    use crate::port::clock::Moment;
    use crate::port::wanted::BurnDate;

    #[test]
    fn an_error_names_a_medium_and_says_no_more_of_it() {
        let set = &SetName::new("films").unwrap();
        let disc = |number| WantedDisc::new(set, DiscNo(number)).burned(BurnDate::On(Moment(0)));
        assert_eq!(disc_name(&disc(1).copy(Some(2))), "disc 1 of films, copy 2");
        let names = |wanted: WantedMedium, name: &str| assert_eq!(medium_name(&wanted), name);
        names(disc(3).into(), "disc 3 of films");
        names(
            WantedMedium::AnyOf { discs: vec![disc(3), disc(4).copy(Some(1))] },
            "disc 3 of films or another of 2 discs",
        );
        let sectors = Sectors(9);
        names(
            WantedMedium::DiscOrBlank { disc: disc(3), sectors },
            "disc 3 of films, or a blank disc",
        );
        let (set, disc, copy) = (set.clone(), DiscNo(3), Some(1));
        names(
            WantedMedium::Blank(WantedBlank { set, disc, sectors, copy, copies: Some(2) }),
            "a blank disc for disc 3 of films",
        );
        names(WantedMedium::any(None, DiscChoice::Any), "a disc of the set");
    }
}
