//! Questions, and the prompts for passphrases.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::flow::backup::guards::doubt_words;
use crate::flow::base::refusal::refusal_words;
use crate::model::path::shown;
use crate::model::{Bytes, DiscList, DiscNo, SetName, plural};
use crate::port::passphrase::{PassphraseOf, PassphraseOrigin, PassphraseRequest};
use crate::port::question::{Choices, Question};
use crate::port::wanted::WantedDisc;
use crate::restore::privileges::Privileges;

use super::insertion::disc_words;

/// What is asked; `prompt` says what may be answered.
pub fn question(question: &Question) -> String {
    use Question::*;
    match question {
        OverwriteMedium { drive, found } => {
            format!("{drive} holds {found}, which can be overwritten. Overwrite it?")
        }
        IsThisDisc { drive, wanted } => format!("Is the disc in {drive} {}?", disc_words(wanted)),
        BurnAgain { drive, unread } => {
            format!("There is {}. Burn it again, onto the blank in {drive}?", disc_words(unread))
        }
        BurnNow { disc, used_percent } => burn_now(*disc, *used_percent),
        AnotherDisc { .. } => "Is there another disc to read?".to_owned(),
        BringDisc { wanted, dir } => bring_disc(wanted, dir),
        ReconstructDisc { set, disc, sources, dir, need, unsized_discs } => {
            let needed = needed(*need, unsized_discs);
            reconstruct_disc(set, *disc, sources, dir, &needed)
        }
        CreateSet { set, doubt } => {
            format!("{}. Create a new set {set}?", doubt_words(set, doubt))
        }
        BackUpShrunk { dir, why, snapshot, date, .. } => {
            format!("{}. Back it up as it is?", refusal_words(why, dir, *snapshot, *date))
        }
        ForgetSet { set, snapshots, discs } => forget_set(set, *snapshots, discs),
        RemoveStaged { set, discs, dir } => {
            format!("Remove what is packed for {} of set {set}, in {}?", listed(discs), at(dir))
        }
        RecordLost { .. } => "Record this as lost?".to_owned(),
        Retire { .. } => "Retire this for good?".to_owned(),
        WhichCopy { discs, .. } => which_copy(discs),
        NewRecipients { set, before, now } => new_recipients(set, before, now),
        TrustRecipients { set, disc, recipients } => trust_recipients(set, *disc, recipients),
        OddPassphrase { origin, oddity } => {
            format!("The passphrase from {} {oddity}. Use it as it is?", origin_words(origin))
        }
        TooLittleSpace { dir, need, free } => too_little_space(dir, *need, *free),
        RestorePrivileges { set_id, attributes, devices } => {
            restore_privileges(*set_id, *attributes, *devices)
        }
    }
}

/// The question at a terminal, with what may be typed.
pub fn prompt(question: &str, choices: &Choices) -> String {
    match choices {
        Choices::YesOrNo => format!("{question} [y/N]"),
        Choices::Copies(copies) => {
            let all: Vec<String> = copies.iter().map(u32::to_string).collect();
            format!("{question} [{}]", all.join("/"))
        }
        Choices::DoneOrGiveUp => format!("{question} Then press Enter (q to quit):"),
    }
}

/// What stands before a passphrase that is typed, without its colon.
pub fn passphrase(PassphraseRequest { of, again }: &PassphraseRequest) -> String {
    let wrong = |what: &str| match again {
        true => format!("That is not the {what}. "),
        false => String::new(),
    };
    match of {
        PassphraseOf::NewSet { set } => format!("Passphrase of the new set {set}"),
        PassphraseOf::Set { set, hint } => {
            let hint = hint.as_ref().map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
            format!("{}Passphrase of set {set}{hint}", wrong("passphrase"))
        }
        PassphraseOf::SecretKey { .. } => {
            format!("{}Password of the secret key", wrong("password"))
        }
        PassphraseOf::SigningKey { file } => {
            format!("{}Password of the signing key in {}", wrong("password"), at(file))
        }
    }
}

fn at(path: &Path) -> String {
    shown(path.as_os_str().as_bytes())
}

fn burn_now(disc: DiscNo, used_percent: u64) -> String {
    format!("disc {disc} is {used_percent} % full. Burn it now? Otherwise it waits for more files")
}

fn bring_disc(WantedDisc { set, disc, kept, .. }: &WantedDisc, dir: &Path) -> String {
    let kept = kept.clause();
    let comma = if kept.is_empty() { "" } else { "," };
    format!("Disc {disc} of {set}{kept}{comma} is needed: put it into {}.", at(dir))
}

fn reconstruct_disc(
    set: &SetName,
    disc: DiscNo,
    sources: &DiscList,
    dir: &Path,
    needed: &str,
) -> String {
    format!(
        "Disc {disc} of {set} can be reconstructed from {}. They will be copied to {} ({needed}). \
         Continue?",
        listed(sources),
        at(dir)
    )
}

fn needed(need: Bytes, unsized_discs: &DiscList) -> String {
    match unsized_discs.iter().count() {
        0 => format!("{need} needed"),
        1 => format!("more than {need} needed: the size of {} is not known", listed(unsized_discs)),
        _ => {
            format!("more than {need} needed: the sizes of {} are not known", listed(unsized_discs))
        }
    }
}

fn forget_set(set: &SetName, snapshots: u64, discs: &DiscList) -> String {
    let are = if snapshots == 1 { "is" } else { "are" };
    format!(
        "Forget set {set} with its {}, which {are} on {}? Discs and shelves stay as they are, and \
         `coldcut catalog rebuild` reads them in again.",
        plural(snapshots, "snapshot", "snapshots"),
        listed(discs)
    )
}

fn which_copy(discs: &DiscList) -> String {
    format!("There are several copies of {}. Which one is it?", listed(discs))
}

/// `disc 1`, `discs 1-3, 7`.
fn listed(discs: &DiscList) -> String {
    let word = if discs.iter().nth(1).is_none() { "disc" } else { "discs" };
    format!("{word} {discs}")
}

fn new_recipients(set: &SetName, before: &str, now: &[String]) -> String {
    format!(
        "Until now set {set} was encrypted for {before}. New discs will be encrypted for {} only. \
         Is that intended?",
        now.join(", ")
    )
}

fn trust_recipients(set: &SetName, disc: DiscNo, recipients: &[String]) -> String {
    format!(
        "the catalog on disc {disc} says that set {set} is encrypted for {}. Anyone could have \
         written that, and the next backup will be encrypted for them. Are these yours?",
        recipients.join(", ")
    )
}

fn origin_words(origin: &PassphraseOrigin) -> String {
    match origin {
        PassphraseOrigin::File { file } => at(file),
        PassphraseOrigin::Command => "the command of --passphrase-command".to_owned(),
        PassphraseOrigin::Variable { name } => format!("the variable {name}"),
        PassphraseOrigin::Terminal => "the terminal".to_owned(),
    }
}

fn too_little_space(dir: &Path, need: Bytes, free: Bytes) -> String {
    format!(
        "{} needs {need} and {free} is free; files with holes may need less. Continue?",
        at(dir)
    )
}

fn restore_privileges(set_id: u64, attributes: u64, devices: u64) -> String {
    let what = Privileges { set_id, attributes, devices };
    format!(
        "Neither the catalog nor a signature vouches for these discs. They hold {what}: restore \
         these too?"
    )
}
