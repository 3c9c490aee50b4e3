//! A set.

use crate::model::SetName;
use crate::model::disc::Encryption;
use crate::model::path::{shown, shown_path};
use crate::port::notice::SetNotice;

pub(super) fn words(notice: &SetNotice) -> String {
    match notice {
        SetNotice::NewSet { set, encryption, others } => new_set(set, *encryption, others),
        SetNotice::Encrypted { recipients: None } => "encrypted with a passphrase".to_owned(),
        SetNotice::Encrypted { recipients: Some(recipients) } => {
            format!("encrypted for {}", recipients.join(", "))
        }
        SetNotice::NotSigning { set, disc } => format!(
            "disc {disc} of {set} is signed, but this run does not sign: use --sign, or \
             --verify-signature will refuse the new discs"
        ),
        SetNotice::OtherShelf { set, disc, shelf_before, shelf } => format!(
            "disc {disc} of {set} is on shelf {}; the next ones go to shelf {}",
            shown_path(shelf_before),
            shown_path(shelf)
        ),
        SetNotice::RecipientsNotTaken { set, disc, recipients } => format!(
            "the catalog on disc {disc} says that set {set} is encrypted for {}; the recipients \
             named with --recipient are used instead",
            recipients.join(", ")
        ),
        SetNotice::RecipientsSigned { set, disc, recipients } => format!(
            "the catalog on disc {disc} says that set {set} is encrypted for {}; the disc is signed",
            recipients.join(", ")
        ),
        SetNotice::SettingsTaken { set, disc, .. } => format!(
            "set {set}: settings taken from the catalog on disc {disc}: {}",
            settings(notice).join(", ")
        ),
    }
}

fn new_set(set: &SetName, encryption: Encryption, others: &[SetName]) -> String {
    let encryption = match encryption {
        Encryption::None => "not encrypted",
        Encryption::Passphrase => "encrypted with a passphrase",
        Encryption::Recipients => "encrypted for its recipients",
    };
    let names: Vec<&str> = others.iter().map(SetName::as_str).collect();
    let also = match names.is_empty() {
        true => String::new(),
        false => format!("; also in this catalog: {}", names.join(", ")),
    };
    format!("new set {set}, {encryption}{also}")
}

fn settings(notice: &SetNotice) -> Vec<String> {
    let SetNotice::SettingsTaken { source, copies, recovery_percent, recovery_discs, hint, .. } =
        notice
    else {
        return Vec::new();
    };
    let mut words = vec![format!("source {}", shown_path(source)), format!("copies {copies}")];
    words.push(format!("recovery data {recovery_percent} %"));
    words.extend(recovery_discs.map(|ratio| format!("recovery discs {ratio}")));
    words.extend(hint.as_ref().map(|hint| format!("hint \"{}\"", shown(hint.as_bytes()))));
    words
}

#[cfg(test)]
pub(super) fn examples() -> super::examples::Examples {
    use crate::model::disc::Ratio;

    let (set, disc) = (super::examples::set(), super::examples::disc());
    let recipients = vec!["43FE (A)".to_owned(), "51AB (B)".to_owned()];
    examples!(SetNotice {
        NewSet { set: set.clone(), encryption: Encryption::None, others: vec![] } =>
            "new set films, not encrypted",
        NewSet {
            set: set.clone(),
            encryption: Encryption::Passphrase,
            others: vec![SetName::new("music").unwrap(), SetName::new("photos").unwrap()],
        } => "new set films, encrypted with a passphrase; also in this catalog: music, photos",
        Encrypted { recipients: None } => "encrypted with a passphrase",
        Encrypted { recipients: Some(recipients.clone()) } =>
            "encrypted for 43FE (A), 51AB (B)",
        NotSigning { set: set.clone(), disc } =>
            "disc 3 of films is signed, but this run does not sign: use --sign, or \
             --verify-signature will refuse the new discs",
        OtherShelf {
            set: set.clone(),
            disc,
            shelf_before: "/srv/a".into(),
            shelf: "/srv/b".into(),
        } => "disc 3 of films is on shelf /srv/a; the next ones go to shelf /srv/b",
        RecipientsNotTaken { set: set.clone(), disc, recipients: recipients.clone() } =>
            "the catalog on disc 3 says that set films is encrypted for 43FE (A), 51AB (B); the \
             recipients named with --recipient are used instead",
        RecipientsSigned { set: set.clone(), disc, recipients } =>
            "the catalog on disc 3 says that set films is encrypted for 43FE (A), 51AB (B); the \
             disc is signed",
        SettingsTaken {
            set,
            disc,
            source: "/home".into(),
            copies: 2,
            recovery_percent: 5,
            recovery_discs: Ratio::parse("1/4"),
            hint: Some("the usual".into()),
        } =>
            "set films: settings taken from the catalog on disc 3: source /home, copies 2, \
             recovery data 5 %, recovery discs 1/4, hint \"the usual\"",
    })
}
