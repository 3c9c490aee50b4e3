//! Which medium a person is to insert.

use crate::flow::FlowError;
use crate::flow::base::medium_name::{disc_name, medium_name};
use crate::model::SetName;
use crate::port::wanted::{
    BurnDate, DiscChoice, InsertRequest, Purpose, WantedBlank, WantedDisc, WantedMedium,
};

/// `Insert disc 3 of photos, kept in shelf B, into /dev/sr0 (HL-DT-ST BD-RE WH16NS60).`
pub fn insert_request(InsertRequest { drive, wanted }: &InsertRequest) -> String {
    let wanted = medium(wanted);
    let comma = if wanted.contains(',') { "," } else { "" };
    format!("Insert {wanted}{comma} into {drive}.")
}

/// The medium, and what helps a person to find it.
pub fn medium(wanted: &WantedMedium) -> String {
    match wanted {
        WantedMedium::Disc(disc) => disc_words(disc),
        WantedMedium::AnyOf { discs } => match &discs[..] {
            [first, _, ..] => {
                format!("{} (or another of the {} that are due)", disc_words(first), discs.len())
            }
            others => others.iter().map(disc_words).collect(),
        },
        WantedMedium::AnyDisc { set, which } => choice_words(set.as_ref(), *which),
        WantedMedium::Blank(blank) => {
            let WantedBlank { sectors, copy, copies, .. } = blank;
            let of = copies.map(|copies| format!(" of {copies}")).unwrap_or_default();
            let copy = copy.map(|copy| format!(" (copy {copy}{of})")).unwrap_or_default();
            format!("{}, {} or more{copy}", medium_name(wanted), sectors.bytes())
        }
        WantedMedium::DiscOrBlank { disc, sectors } => {
            format!("{}, or a blank disc of {} or more", disc_words(disc), sectors.bytes())
        }
    }
}

/// `disc 1 of films, copy 2, burned on 2026-11-29, not verified yet`.
pub fn disc_words(disc: &WantedDisc) -> String {
    let burned = match disc.burned {
        Some(BurnDate::On(date)) => format!(", burned on {}, not verified yet", date.local_day()),
        Some(BurnDate::JustNow) => ", just burned, to be verified".to_owned(),
        None => String::new(),
    };
    let purpose = match disc.purpose {
        Some(Purpose::Copy) => ", to be copied",
        Some(Purpose::Drill) => ", to be drilled",
        Some(Purpose::Migrate) => ", to be migrated",
        None => "",
    };
    format!("{}{}{burned}{purpose}", disc_name(disc), disc.kept.clause())
}

fn choice_words(set: Option<&SetName>, which: DiscChoice) -> String {
    let of = set.map_or("the set".to_owned(), |name| format!("set {name}"));
    match which {
        DiscChoice::Any => format!("any disc of {of}"),
        DiscChoice::Next => format!("the next disc of {of}"),
        DiscChoice::Newest => format!("the disc of {of} with the highest number"),
        DiscChoice::NewerThan(disc) => {
            let of = set.map_or("the set", SetName::as_str);
            format!(
                "the disc of {of} with the highest number (disc {disc} again, if there is no later \
                 one)"
            )
        }
        DiscChoice::ToVerify => "the disc to verify".to_owned(),
        DiscChoice::ToVerifyWhileIdle => "a disc to verify (nothing is staged)".to_owned(),
        DiscChoice::ToDrill => "the disc to drill".to_owned(),
    }
}

/// What helps to find a medium that never came, if anything is known: an error only names it.
pub fn where_to_find(error: &FlowError) -> Option<String> {
    let FlowError::NeverCame { wanted, .. } = error else { return None };
    match &**wanted {
        WantedMedium::Blank(WantedBlank { sectors, .. }) => {
            Some(format!("the blank disc must hold {} or more", sectors.bytes()))
        }
        wanted => wanted
            .first_disc()
            .filter(|disc| !disc.kept.is_empty())
            .map(|disc| format!("{} is {}", disc_name(disc), disc.kept)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::base::unfulfilled::Unfulfilled;
    use crate::model::{CopyPlace, CopyPlaces, DiscNo, Sectors};
    use crate::port::clock::Moment;
    use serde_json::{Value, json};

    const ROOM: Sectors = Sectors(12_219_392);

    fn films() -> SetName {
        SetName::new("films").unwrap()
    }

    fn disc() -> WantedDisc {
        WantedDisc::new(&films(), DiscNo(1))
    }

    fn kept(places: &[(u32, &str)]) -> CopyPlaces {
        let place = |&(copy, at): &(u32, &str)| CopyPlace { copy, place: at.to_owned() };
        CopyPlaces(places.iter().map(place).collect())
    }

    fn blank(copy: Option<u32>, copies: Option<u32>) -> WantedMedium {
        let (set, disc) = (films(), DiscNo(1));
        WantedMedium::Blank(WantedBlank { set, disc, sectors: ROOM, copy, copies })
    }

    /// An example of each kind with its words, and a match that does not compile without one.
    macro_rules! examples {
        ($type:ident, $name:ident: $($variant:ident: $example:expr => $words:expr;)*) => {
            fn $name() -> Vec<($type, String)> {
                let _complete = |value: &$type| match value { $($type::$variant { .. } => ()),* };
                vec![$({
                    let example = $example;
                    assert!(matches!(example, $type::$variant { .. }), "{example:?}");
                    (example, $words.to_string())
                }),*]
            }
        };
    }

    examples! { WantedMedium, media:
        Disc: disc().copy(Some(2)).kept(kept(&[(2, "shelf B")])).into()
            => "disc 1 of films, copy 2, kept in shelf B";
        AnyOf: WantedMedium::AnyOf { discs: vec![disc(), disc().copy(Some(2)), disc()] }
            => "disc 1 of films (or another of the 3 that are due)";
        AnyDisc: WantedMedium::any(Some(&films()), DiscChoice::Any) => "any disc of set films";
        Blank: blank(Some(2), Some(2))
            => "a blank disc for disc 1 of films, 25.0 GB or more (copy 2 of 2)";
        DiscOrBlank: WantedMedium::DiscOrBlank {
            disc: disc().copy(Some(2)).burned(BurnDate::On(Moment(1_795_910_400))),
            sectors: ROOM,
        } => "disc 1 of films, copy 2, burned on 2026-11-29, not verified yet, or a blank disc of \
              25.0 GB or more";
    }

    examples! { DiscChoice, choices:
        Any: DiscChoice::Any => "any disc of the set";
        Next: DiscChoice::Next => "the next disc of the set";
        Newest: DiscChoice::Newest => "the disc of the set with the highest number";
        NewerThan: DiscChoice::NewerThan(DiscNo(7))
            => "the disc of the set with the highest number (disc 7 again, if there is no later one)";
        ToVerify: DiscChoice::ToVerify => "the disc to verify";
        ToVerifyWhileIdle: DiscChoice::ToVerifyWhileIdle => "a disc to verify (nothing is staged)";
        ToDrill: DiscChoice::ToDrill => "the disc to drill";
    }

    examples! { Purpose, purposes:
        Copy: Purpose::Copy => "disc 1 of films, to be copied";
        Drill: Purpose::Drill => "disc 1 of films, to be drilled";
        Migrate: Purpose::Migrate => "disc 1 of films, to be migrated";
    }

    #[test]
    fn every_medium_has_its_words() {
        for (wanted, words) in media() {
            assert_eq!(medium(&wanted), words);
        }
        for (which, words) in choices() {
            assert_eq!(medium(&WantedMedium::any(None, which)), words);
        }
        for (purpose, words) in purposes() {
            assert_eq!(disc_words(&disc().to(purpose)), words);
        }
        assert_eq!(
            medium(&blank(None, Some(1))),
            "a blank disc for disc 1 of films, 25.0 GB or more"
        );
        assert!(medium(&blank(Some(3), None)).ends_with("or more (copy 3)"));
        let just_now = disc().burned(BurnDate::JustNow);
        assert_eq!(disc_words(&just_now), "disc 1 of films, just burned, to be verified");
        let places = kept(&[(1, "office"), (2, "shelf /b")]);
        assert_eq!(
            disc_words(&disc().kept(places).to(Purpose::Drill)),
            "disc 1 of films, kept in office (copy 1) or shelf /b (copy 2), to be drilled"
        );
    }

    #[test]
    fn a_request_names_medium_and_drive() {
        let request = |wanted: WantedDisc| {
            insert_request(&InsertRequest { drive: "/dev/sr0".into(), wanted: wanted.into() })
        };
        assert_eq!(request(disc()), "Insert disc 1 of films into /dev/sr0.");
        assert_eq!(
            request(disc().kept(kept(&[(1, "shelf B")]))),
            "Insert disc 1 of films, kept in shelf B, into /dev/sr0."
        );
        let idle = WantedMedium::any(None, DiscChoice::ToVerifyWhileIdle);
        assert_eq!(
            insert_request(&InsertRequest { drive: "/dev/sr0".into(), wanted: idle }),
            "Insert a disc to verify (nothing is staged) into /dev/sr0."
        );
    }

    #[test]
    fn who_did_not_find_a_medium_hears_where_it_is() {
        let never_came = |wanted: WantedMedium| {
            let source = Box::new(FlowError::NotAgreed);
            let wanted = Box::new(wanted);
            let how = Unfulfilled::TimedOut;
            where_to_find(&FlowError::NeverCame { drive: "d".into(), wanted, how, source })
        };
        assert_eq!(never_came(disc().into()), None);
        assert_eq!(
            never_came(disc().copy(Some(1)).kept(kept(&[(1, "shelf B")])).into()).unwrap(),
            "disc 1 of films, copy 1 is kept in shelf B"
        );
        assert_eq!(
            never_came(blank(None, None)).unwrap(),
            "the blank disc must hold 25.0 GB or more"
        );
    }

    /// What `docs/json.md` says of `medium`.
    #[test]
    fn programs_get_every_medium_as_values() {
        let objects: Vec<Value> =
            media().iter().map(|(wanted, _)| serde_json::to_value(wanted).unwrap()).collect();
        assert_eq!(
            objects[0],
            json!({
                "kind": "disc", "set": "films", "disc": 1, "copy": 2,
                "kept": [{"copy": 2, "place": "shelf B"}], "burned": null, "purpose": null,
            })
        );
        let kinds: Vec<&str> = objects.iter().map(|one| one["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["disc", "any-of", "any-disc", "blank", "disc-or-blank"]);
        assert_eq!(objects[4]["disc"]["burned"], json!({"on": "2026-11-29T00:00:00Z"}));
        let page = include_str!("../../../docs/json.md");
        for kind in kinds {
            assert!(page.contains(&format!("| `{kind}` |")), "docs/json.md lacks {kind}");
        }
        let newer = WantedMedium::any(None, DiscChoice::NewerThan(DiscNo(7)));
        let newer = serde_json::to_value(newer).unwrap();
        assert_eq!(newer, json!({"kind": "any-disc", "set": null, "which": {"newer-than": 7}}));
    }
}
