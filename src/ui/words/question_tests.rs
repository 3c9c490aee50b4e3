//! Every question has an example here: its words, what `--json` gives for it, and what `--yes` does.

use super::questions::{passphrase, prompt, question};
use crate::model::{
    Bytes, CopyPlace, CopyPlaces, DiscList, DiscNo, Reason, RelPath, RunRefusal, SetName,
    SnapshotSeq,
};
use crate::port::clock::Moment;
use crate::port::passphrase::{Oddity, PassphraseOf, PassphraseOrigin, PassphraseRequest};
use crate::port::question::{NewSetDoubt, Question};
use crate::port::wanted::{BurnDate, WantedDisc};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../docs/json.md");

/// An example of each variant with its words. What is not in the list does not compile: the match
/// has no wildcard.
macro_rules! examples {
    ($type:ident, $name:ident: $($variant:ident: $example:expr => $words:expr;)*) => {
        fn $name() -> Vec<($type, String)> {
            let _complete = |value: &$type| match value { $($type::$variant { .. } => ()),* };
            vec![$({
                let example = $example;
                assert!(matches!(example, $type::$variant { .. }), "{example:?}");
                (example, String::from($words))
            }),*]
        }
    };
}

fn films() -> SetName {
    SetName::new("films").unwrap()
}

fn discs() -> DiscList {
    DiscList::of(&[DiscNo(1), DiscNo(2)])
}

fn unread() -> WantedDisc {
    let disc = WantedDisc::new(&films(), DiscNo(1)).copy(Some(2));
    disc.burned(BurnDate::On(Moment(1_795_910_400)))
}

fn kept() -> WantedDisc {
    let place = CopyPlace { copy: 1, place: "the office".to_owned() };
    WantedDisc::new(&films(), DiscNo(1)).kept(CopyPlaces(vec![place]))
}

fn shrunk(reason: Reason) -> Question {
    let (bytes, of_bytes) = (Bytes(3_000_000), Bytes(4_000_000));
    Question::BackUpShrunk {
        set: films(),
        dir: "/srv/films".into(),
        why: RunRefusal { reason, files: 30, bytes, of_files: 40, of_bytes },
        snapshot: SnapshotSeq(6),
        date: Moment(1_795_910_400),
    }
}

examples! { Question, questions:
    OverwriteMedium: Question::OverwriteMedium {
        drive: "/dev/sr0".into(),
        found: "a BD-RE with the volume THEIRS".into(),
    } => "/dev/sr0 holds a BD-RE with the volume THEIRS, which can be overwritten. Overwrite it?";
    IsThisDisc: Question::IsThisDisc { drive: "/dev/sr0".into(), wanted: unread() }
        => "Is the disc in /dev/sr0 disc 1 of films, copy 2, burned on 2026-11-29, not verified yet?";
    BurnAgain: Question::BurnAgain { drive: "/dev/sr0".into(), unread: unread() }
        => "There is disc 1 of films, copy 2, burned on 2026-11-29, not verified yet. Burn it again, \
            onto the blank in /dev/sr0?";
    BurnNow: Question::BurnNow { disc: DiscNo(3), used_percent: 40 }
        => "disc 3 is 40 % full. Burn it now? Otherwise it waits for more files";
    AnotherDisc: Question::AnotherDisc { drive: "/dev/sr0".into() }
        => "Is there another disc to read?";
    BringDisc: Question::BringDisc { wanted: kept(), dir: "/shelf".into() }
        => "Disc 1 of films, kept in the office, is needed: put it into /shelf.";
    ReconstructDisc: Question::ReconstructDisc {
        set: films(),
        disc: DiscNo(3),
        sources: discs(),
        dir: "/scratch".into(),
        need: Bytes(50_000_000_000),
        unsized_discs: DiscList::of(&[]),
    } => "Disc 3 of films can be reconstructed from discs 1-2. They will be copied to /scratch \
          (50.0 GB needed). Continue?";
    CreateSet: Question::CreateSet {
        set: films(),
        doubt: NewSetDoubt::SimilarName { similar: SetName::new("film").unwrap() },
    } => "there is no set films, but there is a set film. Create a new set films?";
    BackUpShrunk: shrunk(Reason::Shrunk)
        => format!(
            "30 files (3.00 MB) are gone from the source /srv/films; snapshot 6, of {}, had 40 \
             files, 4.00 MB. Back it up as it is?",
            Moment(1_795_910_400).local_minute()
        );
    ForgetSet: Question::ForgetSet { set: films(), snapshots: 6, discs: discs() }
        => "Forget set films with its 6 snapshots, which are on discs 1-2? Discs and shelves stay as \
            they are, and `coldcut catalog rebuild` reads them in again.";
    RemoveStaged: Question::RemoveStaged { set: films(), discs: discs(), dir: "/staging".into() }
        => "Remove what is packed for discs 1-2 of set films, in /staging?";
    RecordLost: Question::RecordLost { set: films(), discs: discs() } => "Record this as lost?";
    Retire: Question::Retire { set: films(), discs: discs() } => "Retire this for good?";
    WhichCopy: Question::WhichCopy { set: films(), discs: discs(), copies: vec![1, 2] }
        => "There are several copies of discs 1-2. Which one is it?";
    NewRecipients: Question::NewRecipients {
        set: films(),
        before: "43FE".into(),
        now: vec!["A <a@example.org>".into(), "B".into()],
    } => "Until now set films was encrypted for 43FE. New discs will be encrypted for A \
          <a@example.org>, B only. Is that intended?";
    TrustRecipients: Question::TrustRecipients {
        set: films(),
        disc: DiscNo(3),
        recipients: vec!["A".into(), "B".into()],
    } => "the catalog on disc 3 says that set films is encrypted for A, B. Anyone could have written \
          that, and the next backup will be encrypted for them. Are these yours?";
    OddPassphrase: Question::OddPassphrase {
        origin: PassphraseOrigin::File { file: "/p".into() },
        oddity: Oddity::CarriageReturn,
    } => "The passphrase from /p ends with a carriage return, which editors on Windows add and no \
          keyboard types. Use it as it is?";
    TooLittleSpace: Question::TooLittleSpace {
        dir: "/back".into(),
        need: Bytes(2000),
        free: Bytes(1000),
    } => "/back needs 2.00 kB and 1.00 kB is free; files with holes may need less. Continue?";
    RestorePrivileges: Question::RestorePrivileges { set_id: 2, attributes: 0, devices: 1 }
        => "Neither the catalog nor a signature vouches for these discs. They hold 2 set-id \
            programs, 1 device: restore these too?";
}

examples! { PassphraseOf, passphrases:
    NewSet: PassphraseOf::NewSet { set: films() } => "Passphrase of the new set films";
    Set: PassphraseOf::Set { set: films(), hint: Some("Ali's cave".into()) }
        => "Passphrase of set films (hint: Ali's cave)";
    SecretKey: PassphraseOf::SecretKey { set: films() } => "Password of the secret key";
    SigningKey: PassphraseOf::SigningKey { file: "/key".into() }
        => "Password of the signing key in /key";
}

examples! { PassphraseOrigin, origins:
    File: PassphraseOrigin::File { file: "/p".into() } => "/p";
    Command: PassphraseOrigin::Command => "the command of --passphrase-command";
    Variable: PassphraseOrigin::Variable { name: "SECRET" } => "the variable SECRET";
    Terminal: PassphraseOrigin::Terminal => "the terminal";
}

fn object(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value).unwrap() {
        Value::Object(object) => object,
        other => panic!("not an object: {other}"),
    }
}

/// As programs get them: the questions, then the requests for passphrases.
fn objects() -> Vec<Map<String, Value>> {
    let of_questions = questions().into_iter().map(|(question, _)| object(&question));
    let requests = passphrases().into_iter().map(|(of, _)| PassphraseRequest::first(of));
    of_questions.chain(requests.map(|request| object(&request))).collect()
}

fn kind(object: &Map<String, Value>) -> &str {
    object["kind"].as_str().unwrap()
}

#[test]
fn one_disc_and_one_snapshot_are_not_called_several() {
    let one = || DiscList::of(&[DiscNo(3)]);
    let forget = Question::ForgetSet { set: films(), snapshots: 1, discs: one() };
    assert!(question(&forget).starts_with(
        "Forget set films with its 1 snapshot, which is on disc 3? Discs and shelves stay"
    ));
    let remove = Question::RemoveStaged { set: films(), discs: one(), dir: "/staging".into() };
    assert_eq!(question(&remove), "Remove what is packed for disc 3 of set films, in /staging?");
}

#[test]
fn every_question_has_its_words() {
    for (asked, words) in questions() {
        assert_eq!(question(&asked), words);
    }
    for (origin, words) in origins() {
        let asked = Question::OddPassphrase { origin, oddity: Oddity::Blank };
        let begin = format!("The passphrase from {words} begins or ends with a space");
        assert!(question(&asked).starts_with(&begin), "{}", question(&asked));
    }
    let again = NewSetDoubt::SameSource { sets: vec![films()], dir: "/srv".into() };
    let asked = Question::CreateSet { set: SetName::new("more").unwrap(), doubt: again };
    let words = "/srv is already the source of set films. Create a new set more?";
    assert_eq!(question(&asked), words);
    let unmounted = shrunk(Reason::Unmounted(RelPath::new(b"disk").unwrap()));
    assert!(question(&unmounted).starts_with("/srv/films/disk was a mount point and is now"));
    assert!(question(&shrunk(Reason::Empty)).starts_with("the source /srv/films is empty, but"));
    let bare = WantedDisc::new(&films(), DiscNo(1));
    let asked = Question::BringDisc { wanted: bare, dir: "/shelf".into() };
    assert_eq!(question(&asked), "Disc 1 of films is needed: put it into /shelf.");
}

#[test]
fn every_passphrase_has_its_prompt_and_a_wrong_one_is_called_wrong() {
    for (of, words) in passphrases() {
        assert_eq!(passphrase(&PassphraseRequest::first(of.clone())), words);
        let again = passphrase(&PassphraseRequest::again(of));
        match words.split(' ').next().unwrap() {
            // Typed until two agree; there is nothing that it could be compared with.
            _ if words.contains("new set") => assert_eq!(again, words),
            "Passphrase" => assert_eq!(again, format!("That is not the passphrase. {words}")),
            _ => assert_eq!(again, format!("That is not the password. {words}")),
        }
    }
}

#[test]
fn a_prompt_says_what_may_be_typed() {
    let ends: BTreeSet<String> =
        questions().iter().map(|(asked, _)| prompt("", &asked.choices())).collect();
    let all = [" Then press Enter (q to quit):", " [1/2]", " [y/N]"];
    assert_eq!(ends.iter().collect::<Vec<_>>(), all.each_ref());
}

/// A promise to scripts, and to whoever relies on being asked.
#[test]
fn yes_answers_these_questions_and_no_others() {
    let answered: Vec<String> = questions()
        .into_iter()
        .filter(|(asked, _)| asked.is_answered_by_yes())
        .map(|(asked, _)| kind(&object(&asked)).to_owned())
        .collect();
    let expected = [
        "overwrite-medium",
        "burn-now",
        "another-disc",
        "reconstruct-disc",
        "forget-set",
        "remove-staged",
        "record-lost",
        "retire",
        "too-little-space",
    ];
    assert_eq!(answered, expected);
}

/// The kinds of `docs/json.md` with their keys, in the order of the page.
fn documented() -> Vec<(String, BTreeSet<String>)> {
    let section = PAGE.split("### Questions").nth(1).unwrap().split("\n#").next().unwrap();
    // The first row is the heading.
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")).skip(1);
    rows.map(|row| {
        let (kind, keys) = row.split_once("` | ").unwrap();
        let keys = keys.split('|').next().unwrap().split('`').skip(1).step_by(2);
        (kind.to_owned(), keys.map(str::to_owned).collect())
    })
    .collect()
}

#[test]
fn the_page_has_every_kind_of_question_with_its_keys() {
    let mut actual: Vec<(String, BTreeSet<String>)> = Vec::new();
    let mut keys = |object: Map<String, Value>| {
        let kind = kind(&object).to_owned();
        let new = object.into_iter().map(|(key, _)| key).filter(|key| key != "kind");
        match actual.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, known)) => known.extend(new),
            None => actual.push((kind, new.collect())),
        }
    };
    objects().into_iter().for_each(&mut keys);
    // Keys that only some of a kind have.
    keys(object(&shrunk(Reason::Unmounted(RelPath::new(b"disk").unwrap()))));
    let doubt = NewSetDoubt::SameSource { sets: vec![films()], dir: "/srv".into() };
    keys(object(&Question::CreateSet { set: films(), doubt }));
    let origin = PassphraseOrigin::Variable { name: "SECRET" };
    keys(object(&Question::OddPassphrase { origin, oddity: Oddity::Blank }));
    assert_eq!(documented(), actual);
}

#[test]
fn no_value_of_a_question_has_a_key_that_every_question_or_result_has() {
    for object in objects() {
        for taken in ["event", "question", "text", "choices", "answer", "id", "path"] {
            assert!(!object.contains_key(taken), "{object:?}");
        }
    }
}

#[test]
fn programs_get_a_question_as_values() {
    let wanted = json!({
        "kind": "reconstruct-disc", "set": "films", "disc": 3, "sources": [1, 2],
        "dir": "/scratch", "need": 50_000_000_000_u64, "unsized_discs": [],
    });
    assert!(objects().iter().any(|object| Value::Object(object.clone()) == wanted));
    let wanted = json!({
        "kind": "back-up-shrunk", "set": "films", "dir": "/srv/films", "reason": "unmounted",
        "mount_point": "disk", "files": 30, "bytes": 3_000_000, "of_files": 40,
        "of_bytes": 4_000_000, "snapshot": 6, "date": "2026-11-29T00:00:00Z",
    });
    let unmounted = shrunk(Reason::Unmounted(RelPath::new(b"disk").unwrap()));
    assert_eq!(Value::Object(object(&unmounted)), wanted);
}

#[test]
fn a_disc_of_unknown_size_is_named_where_space_is_asked_for() {
    let words_of = |unsized_discs: &[DiscNo]| {
        question(&Question::ReconstructDisc {
            set: films(),
            disc: DiscNo(3),
            sources: discs(),
            dir: "/scratch".into(),
            need: Bytes(50_000_000_000),
            unsized_discs: DiscList::of(unsized_discs),
        })
    };
    let words = words_of(&[DiscNo(2)]);
    assert!(
        words.contains("(more than 50.0 GB needed: the size of disc 2 is not known)"),
        "{words}"
    );
    let words = words_of(&[DiscNo(1), DiscNo(2)]);
    assert!(words.contains("the sizes of discs 1-2 are not known"), "{words}");
}
