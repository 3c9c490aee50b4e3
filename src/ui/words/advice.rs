//! What to do about an error. The engine says what happened; only here stands which option or
//! command of coldcut helps.

use std::error::Error;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::catalog::CatalogError;
use crate::codec::openpgp::{CheckError, LockError, OpenError, SignError};
use crate::drill::DrillError;
use crate::drive::{DeviceError, DriveError, Remedy};
use crate::flow::backup::guards::{DestError, NewSetError};
use crate::flow::base::unfulfilled::Unfulfilled;
use crate::flow::library::inventory::TrustError;
use crate::flow::{
    BurnFailure, DiscsError, FlowError, KeyError, RescueRefusal, SelectionError, chain,
};
use crate::format::FormatError;
use crate::model::path::shown;
use crate::pack::PackError;
use crate::port::cause::Cause;
use crate::scan::filter::FilterError;

/// What happened, from top to bottom, and what to do about it.
pub fn with_advice(error: &FlowError) -> String {
    followed_by(chain(error), advice(error))
}

/// A sentence about something that did not go well, and what to do about it.
pub fn advised(sentence: String, cause: &Cause) -> String {
    followed_by(sentence, of_cause(cause))
}

/// What to do about it, if anybody knows: a clause, or a sentence that begins with a capital.
pub fn of_cause(cause: &Cause) -> Option<String> {
    cause.error().and_then(advice)
}

fn followed_by(what: String, advice: Option<String>) -> String {
    match advice {
        Some(advice) if advice.starts_with(char::is_uppercase) => format!("{what}. {advice}"),
        Some(advice) => format!("{what}; {advice}"),
        None => what,
    }
}

/// Of an error, or of what it comes from.
fn advice(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    std::iter::from_fn(|| {
        let error = next?;
        next = error.source();
        Some(error)
    })
    .find_map(of_any)
}

fn of_any(error: &(dyn Error + 'static)) -> Option<String> {
    let fixed = None
        .or_else(|| error.downcast_ref().and_then(of_key))
        .or_else(|| error.downcast_ref().and_then(of_lock))
        .or_else(|| error.downcast_ref().and_then(of_open))
        .or_else(|| error.downcast_ref().and_then(of_sign))
        .or_else(|| error.downcast_ref().and_then(of_check))
        .or_else(|| error.downcast_ref().and_then(of_drive))
        .or_else(|| error.downcast_ref().and_then(of_device))
        .or_else(|| error.downcast_ref().and_then(of_text));
    fixed
        .map(str::to_owned)
        .or_else(|| error.downcast_ref().and_then(of_flow))
        .or_else(|| error.downcast_ref().and_then(of_catalog))
        .or_else(|| error.downcast_ref().and_then(of_trust))
        .or_else(|| of_any(error.downcast_ref::<io::Error>()?.get_ref()?))
}

fn of_flow(error: &FlowError) -> Option<String> {
    let fixed = match error {
        FlowError::Catalog(error) => return of_catalog(error),
        FlowError::Dest(error) => return of_dest(error),
        FlowError::NewSet(error) => return of_new_set(error),
        FlowError::Discs(error) => return of_discs_at_hand(error),
        FlowError::NeverCame { how: Unfulfilled::TimedOut, source, .. } => {
            return advice(&**source);
        }
        FlowError::Filter(error) => of_filter(error),
        FlowError::Drive(error) => of_drive(error),
        FlowError::Lock(error) => of_lock(error),
        FlowError::Signing(error) => of_sign(error),
        FlowError::Check(error) => of_check(error),
        FlowError::Drill(error) => of_drill(error),
        FlowError::Pack(error) => of_pack(error),
        FlowError::Key(error) => of_key(error),
        FlowError::Selection(error) => of_selection(error),
        FlowError::Burn(error) => of_burn(error),
        FlowError::RescueRefused(error) => of_rescue(error),
        error => of_discs(error).or_else(|| of_source_and_room(error)),
    };
    fixed.map(str::to_owned)
}

/// Of discs that are packed, burned, tried, read or known.
fn of_discs(error: &FlowError) -> Option<&'static str> {
    Some(match error {
        FlowError::NoDrillTool(_) => "install it, or skip the drill with --no-drill",
        FlowError::DrillFailed { .. } => "`coldcut drill` tests it again",
        FlowError::UnknownSet => "`coldcut verify` needs no catalog",
        FlowError::NothingToCopy { .. } => {
            "name the drive or the shelf that has a copy with --from"
        }
        FlowError::NeverCame { how: Unfulfilled::NobodyToAsk, .. } => "use --wait to wait for it",
        FlowError::NothingMatches { .. } => {
            "paths are relative to the source, and `coldcut find` finds them"
        }
        FlowError::KnownAlready(_) => {
            "--replace rebuilds it anyway and drops what only the catalog knows (when discs were \
             verified, where they are kept)"
        }
        _ => return None,
    })
}

/// Of the source, the set, and places that are full or somebody else's.
fn of_source_and_room(error: &FlowError) -> Option<&'static str> {
    Some(match error {
        FlowError::OthersTurn { .. } => {
            "try again when it has finished, or wait for it with --wait"
        }
        FlowError::OtherSource { .. } => {
            "a different directory needs another --set; if this one has moved, use --move-source"
        }
        FlowError::Shrunk { .. } => {
            "Is everything mounted? If the files were deleted on purpose, use --allow-shrink"
        }
        FlowError::ForeignDiscs { .. } => {
            "choose another --set, use the catalog that knows them (--catalog), or make one from \
             them: `coldcut catalog rebuild`"
        }
        FlowError::StagingFull { .. } => "free some space, or name another place with --staging",
        FlowError::TargetFull { .. } => "--yes tries anyway: files with holes may need less",
        FlowError::HasDiscs { .. } => "--even-with-discs forgets it anyway",
        FlowError::HasStaged(_) => "burn them first, then rename it",
        FlowError::NotAgreed => "--yes skips the question",
        FlowError::OwnPlace(_) => "put it elsewhere",
        FlowError::UnfinishedRun(_) => "run it again, then flush",
        _ => return None,
    })
}

fn of_discs_at_hand(error: &DiscsError) -> Option<String> {
    let fixed = match error {
        DiscsError::Unusable { what, .. } => return of_cause(what),
        DiscsError::NoListing(_) => "`coldcut catalog rebuild` makes a new one from what is left",
        DiscsError::TwoHistories { .. } => "Name one of them: --disc UUID",
        DiscsError::NoDiscs(_) | DiscsError::NoHistory { .. } => return None,
    };
    Some(fixed.to_owned())
}

fn of_burn(error: &BurnFailure) -> Option<&'static str> {
    match error {
        BurnFailure::NoBlank { .. } => Some("run `coldcut burn` to continue"),
        BurnFailure::NeverReadBack { is_asked: false, .. } => Some("use --wait to wait for it"),
        BurnFailure::NeverReadBack { .. } => Some("run the same command again"),
        BurnFailure::NotBurned { remedy, .. } => remedy.map(of_remedy),
        BurnFailure::Unexpected(_) => Some("run the backup again"),
        BurnFailure::Unburnable { .. } | BurnFailure::StagedDamaged { .. } => {
            Some("remove that directory and run the backup again")
        }
        BurnFailure::BlankTooSmall { .. }
        | BurnFailure::NotOnceMore { .. }
        | BurnFailure::ReadBackDamaged { .. } => None,
    }
}

fn of_rescue(error: &RescueRefusal) -> Option<&'static str> {
    match error {
        RescueRefusal::NoMap(_) => Some("name another file, or its map with --map"),
        RescueRefusal::NoImage(_) => Some("move the map away to start over"),
        RescueRefusal::OtherDisc { .. } => Some("name another file with --to"),
        RescueRefusal::Full { .. } => Some("name another place with --to"),
        RescueRefusal::NoSource(_)
        | RescueRefusal::Busy(_)
        | RescueRefusal::IsSource(_)
        | RescueRefusal::BadMap { .. } => None,
    }
}

fn of_key(error: &KeyError) -> Option<&'static str> {
    Some(match error {
        KeyError::NotEncrypted(_) => "choose another --set",
        KeyError::NeedlessPassphrase(_) => {
            "leave that out, or choose another --set for an encrypted set"
        }
        KeyError::StaysEncrypted(_) => "leave --no-encrypt out, or choose another --set",
        KeyError::NoRecipients(_) => "leave --recipient out, or choose another --set",
        KeyError::NewRecipients { .. } => "if that is intended, use --new-recipients",
        KeyError::UnknownRecipients { .. } => {
            "name the certificates that are yours with --recipient CERTFILE, or who signed the \
             discs with --verify-signature CERTFILE"
        }
        KeyError::NeedsSecretKey(_) => "name it with --secret-key",
        KeyError::HintIsPassphrase => "choose words that remind you of it",
        KeyError::NotRead(..)
        | KeyError::WrongPassphrase(_)
        | KeyError::OtherRecipients(_)
        | KeyError::NoKeys(_) => return None,
    })
}

fn of_selection(error: &SelectionError) -> Option<&'static str> {
    Some(match error {
        SelectionError::NoSets => "create one with `coldcut backup`",
        SelectionError::SeveralSets { .. } => "choose one with --set",
        SelectionError::NoSuchSnapshot { .. } => "`coldcut snapshots` lists them",
        SelectionError::NoSuchDisc { .. } => "`coldcut discs` lists them",
        SelectionError::NotReadBack(_) => "run `coldcut verify`, then migrate it",
        SelectionError::SeveralCopies { .. } => "name one with --copy",
        SelectionError::SizeUnknown(_) => {
            "if the catalog was rebuilt without it, `coldcut catalog rebuild` reads it in"
        }
        SelectionError::NoSuchSet { .. }
        | SelectionError::NoSuchCopy { .. }
        | SelectionError::NoCopyYet(_)
        | SelectionError::NoSuchPath { .. } => return None,
    })
}

fn of_dest(error: &DestError) -> Option<String> {
    match error {
        DestError::IsSource(_) => Some("name another directory as DEST".to_owned()),
        DestError::IsSourceOf { .. } => Some("are SOURCE and DEST swapped?".to_owned()),
        DestError::HoldsOthers { dir, .. } => {
            Some(format!("name a new directory in it, such as {}/discs", shown_path(dir)))
        }
        DestError::NotMounted { dir, .. } => Some(format!(
            "mount it, or use --new-shelf if {} is to be on this disk",
            shown_path(dir)
        )),
        DestError::Unreadable { .. } => None,
    }
}

fn shown_path(path: &Path) -> String {
    shown(path.as_os_str().as_bytes())
}

fn of_new_set(error: &NewSetError) -> Option<String> {
    match error {
        NewSetError::NobodyThere { name, .. } => {
            Some(format!("use --new-set if you mean a new set {name}"))
        }
        NewSetError::IsShelf(_) => {
            Some("are SOURCE and DEST swapped? --new-set backs it up anyway".to_owned())
        }
        NewSetError::NotAgreed(_) => None,
    }
}

fn of_filter(error: &FilterError) -> Option<&'static str> {
    match error {
        FilterError::Glob(_) => Some("correct --exclude"),
        FilterError::Name(_) => Some("--exclude-if-present takes a name"),
        FilterError::Read { .. } | FilterError::Line { .. } | FilterError::NotText { .. } => None,
    }
}

fn of_catalog(error: &CatalogError) -> Option<String> {
    let CatalogError::Damaged { .. } = error else { return None };
    let rebuild = "`coldcut catalog rebuild FROM...` rebuilds it from the discs";
    Some(match error.last_copy() {
        Some(_) => format!(
            "`coldcut catalog restore-last` restores the copy kept after the last successful run, \
             and {rebuild}"
        ),
        None => rebuild.to_owned(),
    })
}

fn of_drive(error: &DriveError) -> Option<&'static str> {
    match error {
        DriveError::NoSpace { .. } => {
            Some("make room there, then `coldcut burn` continues with what is staged")
        }
        DriveError::Device(error) => of_device(error),
        error => error.remedy().map(of_remedy),
    }
}

fn of_device(error: &DeviceError) -> Option<&'static str> {
    match error {
        DeviceError::Missing(_) => Some("`coldcut drives` lists the drives"),
        DeviceError::Refused { sense, .. } => sense.remedy().map(of_remedy),
        _ => None,
    }
}

fn of_remedy(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::OtherProgram => "--engine chooses the burning program",
        Remedy::SlowerSpeed => "--speed sets the speed",
    }
}

/// Of a text on a disc that is longer than real ones are.
fn of_text(error: &FormatError) -> Option<&'static str> {
    error.is_of_limit().then_some("if the disc is yours, --no-limits reads it anyway")
}

fn of_trust(error: &TrustError) -> Option<String> {
    match error {
        TrustError::PlainDisc { disc, .. } | TrustError::PlainFiles { disc, .. } => {
            Some(format!("--accept-plain {disc} uses it"))
        }
        TrustError::SetIsPlain { .. } => None,
    }
}

fn of_lock(error: &LockError) -> Option<&'static str> {
    match error {
        LockError::Unreadable(..) => Some("export it with `gpg --export --armor KEY`"),
        LockError::NoCertificate(_) => Some("export one with `gpg --export --armor KEY`"),
        LockError::Expired(_) => Some("get a newer export of it, or name another one"),
        LockError::Revoked(_) | LockError::NoEncryptionKey(_) | LockError::Invalid(..) => {
            Some("name another one")
        }
        LockError::EmptyPassphrase | LockError::Untypeable(_) => None,
    }
}

fn of_open(error: &OpenError) -> Option<&'static str> {
    match error {
        OpenError::NoSecretKey => Some("export it with `gpg --export-secret-keys`"),
        _ => None,
    }
}

fn of_sign(error: &SignError) -> Option<&'static str> {
    match error {
        SignError::Unreadable(_) => Some("export it with `gpg --export-secret-keys KEY`"),
        SignError::NoKey | SignError::Password | SignError::Sign(_) => None,
    }
}

fn of_check(error: &CheckError) -> Option<&'static str> {
    match error {
        CheckError::Certificate(_) => Some("export it with `gpg --export KEY`"),
        _ => None,
    }
}

fn of_drill(error: &DrillError) -> Option<&'static str> {
    match error {
        DrillError::NoFence(_) => Some("without --all no script is run"),
        _ => None,
    }
}

fn of_pack(error: &PackError) -> Option<&'static str> {
    match error {
        PackError::DiscTooSmall { .. } => Some("choose a larger --disc-size"),
        PackError::Sign(error) => of_sign(error),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DiscNo, SetName};
    use crate::port::event::Trouble;
    use crate::port::notice::WatchNotice;
    use crate::port::wanted::{WantedDisc, WantedMedium};
    use crate::restore::index::ListingError;

    fn set() -> SetName {
        SetName::new("photos").unwrap()
    }

    #[test]
    fn what_helps_comes_after_what_happened() {
        let several = SelectionError::SeveralSets { known: "a, b".to_owned() };
        assert_eq!(
            with_advice(&several.into()),
            "there are several sets: a, b; choose one with --set"
        );
        let (one, other) = ("disc 1".to_owned(), "disc 2".to_owned());
        let two = with_advice(&DiscsError::TwoHistories { set: set(), one, other }.into());
        assert!(two.ends_with("disc 1, and disc 2. Name one of them: --disc UUID"), "{two}");
        assert_eq!(
            with_advice(&FlowError::NotHere(DiscNo(3))),
            "there is no disc 3 of this set here"
        );
    }

    /// An error that is passed on as it is is no source of the one above it.
    #[test]
    fn what_helps_is_known_of_an_error_however_deep() {
        let key = || OpenError::NoSecretKey;
        let locked = ListingError::Locked { name: "INDEX".to_owned(), source: key() };
        let missing = DeviceError::Missing("/dev/sr9".into());
        let small = PackError::DiscTooSmall { size: crate::model::Bytes(1) };
        let empty = FlowError::Drive(DriveError::Device(missing));
        for (error, words) in [
            (FlowError::Open(key()), "gpg --export-secret-keys"),
            (FlowError::Listing(locked), "gpg --export-secret-keys"),
            (FlowError::Pack(small), "--disc-size"),
            (DiscsError::NoListing(set()).into(), "`coldcut catalog rebuild` makes"),
            (empty, "/dev/sr9 does not exist; `coldcut drives` lists the drives"),
        ] {
            let told = with_advice(&error);
            assert!(told.contains(words), "{told}");
        }
    }

    #[test]
    fn a_disc_that_did_not_come_is_told_by_who_could_have_brought_it() {
        let never = |how| FlowError::NeverCame {
            drive: "/dev/sr0".to_owned(),
            wanted: Box::new(WantedMedium::Disc(WantedDisc::new(&set(), DiscNo(2)))),
            how,
            source: Box::new(KeyError::NeedsSecretKey(set()).into()),
        };
        let told = with_advice(&never(Unfulfilled::NobodyToAsk));
        assert!(told.starts_with("/dev/sr0 needs disc 2 of photos, and there is no"), "{told}");
        assert!(told.ends_with("; use --wait to wait for it"), "{told}");
        assert!(
            with_advice(&never(Unfulfilled::TimedOut)).ends_with("; name it with --secret-key")
        );
    }

    #[test]
    fn a_burn_that_failed_names_the_option_that_may_help() {
        let failed = |remedy| {
            with_advice(&BurnFailure::NotBurned { disc: DiscNo(1), tries: 3, remedy }.into())
        };
        assert!(failed(None).ends_with("it is still staged"));
        let slower = failed(Some(Remedy::SlowerSpeed));
        assert!(slower.ends_with("it is still staged; --speed sets the speed"), "{slower}");
    }

    /// Such an error never reaches the end of the command: the run continues without the thing.
    #[test]
    fn what_helps_is_said_of_notices_and_troubles_too() {
        let key = Cause::of(FlowError::from(KeyError::NeedsSecretKey(set())));
        let shown = || "a BD-R of films".to_owned();
        let notice = WatchNotice::NotVerified { content: shown(), why: key.clone() };
        let told = crate::ui::words::notice(&notice.into());
        assert!(told.ends_with("; ejecting it; name it with --secret-key"), "{told}");
        let trouble = Trouble::new("disc 3", key.about("a.iso"));
        let told = crate::ui::words::trouble(&trouble);
        assert!(told.starts_with("disc 3: a.iso: "), "{told}");
        assert!(told.ends_with("; name it with --secret-key"), "{told}");
    }

    #[test]
    fn whoever_trusts_a_disc_may_lift_its_limits() {
        let (what, most, size) = ("SNAPSHOT", 9, 2);
        let long = || FormatError::TooMuchText { what, most, size };
        let name = || what.to_owned();
        let wrapped = io::Error::new(io::ErrorKind::InvalidData, long());
        for error in [
            ListingError::Damaged { name: name(), source: long() },
            ListingError::Damaged {
                name: name(),
                source: FormatError::TooManyRows { what, most, size },
            },
            ListingError::Read { name: name(), source: wrapped },
        ] {
            let told = advised("it is odd".to_owned(), &Cause::of(error));
            assert_eq!(told, "it is odd; if the disc is yours, --no-limits reads it anyway");
        }
        let damaged = FormatError::CutOff;
        let damaged = Cause::of(ListingError::Damaged { name: name(), source: damaged });
        assert_eq!(advised("it is odd".to_owned(), &damaged), "it is odd");
    }

    #[test]
    fn a_plain_disc_of_an_encrypted_set_names_the_option_that_uses_it() {
        let plain = || TrustError::PlainDisc { set: set(), disc: DiscNo(2), is_known: true };
        let what = Cause::of(plain()).about("a.iso");
        let told = with_advice(&DiscsError::Unusable { from: "/srv".into(), what }.into());
        assert!(told.contains("a.iso: disc 2 of photos is not encrypted"), "{told}");
        assert!(told.ends_with("so it is not used; --accept-plain 2 uses it"), "{told}");
    }
}
