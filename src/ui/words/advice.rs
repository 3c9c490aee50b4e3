//! What to do about an error. The engine says what happened; only here stands which option or
//! command of coldcut helps.

use std::error::Error;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::catalog::CatalogError;
use crate::codec::openpgp::{CheckError, LockError, OpenError, SignError};
use crate::drill::DrillError;
use crate::drive::{DeviceError, DriveError, Remedy};
use crate::flow::backup::guards::{DestError, NewSetError};
use crate::flow::{
    BurnFailure, DiscsError, FlowError, KeyError, RescueRefusal, SelectionError, chain,
};
use crate::model::path::shown;
use crate::pack::PackError;
use crate::scan::filter::FilterError;

/// What happened, from top to bottom, and what to do about it.
pub fn with_advice(error: &FlowError) -> String {
    let what = chain(error);
    match advice(error) {
        Some(advice) if advice.starts_with(char::is_uppercase) => format!("{what}. {advice}"),
        Some(advice) => format!("{what}; {advice}"),
        None => what,
    }
}

/// What to do about it, if anybody knows: a clause, or a sentence that begins with a capital.
pub fn advice(error: &FlowError) -> Option<String> {
    of_flow(error).or_else(|| {
        let mut source = error.source();
        std::iter::from_fn(|| {
            let next = source?;
            source = next.source();
            Some(next)
        })
        .find_map(of_any)
    })
}

/// Of an error that another one comes from.
fn of_any(error: &(dyn Error + 'static)) -> Option<String> {
    let fixed = None
        .or_else(|| error.downcast_ref().and_then(of_key))
        .or_else(|| error.downcast_ref().and_then(of_lock))
        .or_else(|| error.downcast_ref().and_then(of_open))
        .or_else(|| error.downcast_ref().and_then(of_sign))
        .or_else(|| error.downcast_ref().and_then(of_check))
        .or_else(|| error.downcast_ref().and_then(of_drive))
        .or_else(|| error.downcast_ref().and_then(of_device));
    fixed.map(str::to_owned).or_else(|| error.downcast_ref().and_then(of_catalog))
}

fn of_flow(error: &FlowError) -> Option<String> {
    let fixed = match error {
        FlowError::Catalog(error) => return of_catalog(error),
        FlowError::Dest(error) => return of_dest(error),
        FlowError::NewSet(error) => return of_new_set(error),
        FlowError::NeverCame { asked: true, source, .. } => return advice(source),
        FlowError::Filter(error) => of_filter(error),
        FlowError::Drive(error) => of_drive(error),
        FlowError::Lock(error) => of_lock(error),
        FlowError::Signing(error) => of_sign(error),
        FlowError::Check(error) => of_check(error),
        FlowError::Drill(error) => of_drill(error),
        FlowError::Pack(error) => of_pack(error),
        FlowError::Key(error) => of_key(error),
        FlowError::Selection(error) => of_selection(error),
        FlowError::Discs(error) => of_discs_at_hand(error),
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
        FlowError::NeverCame { asked: false, .. } => "use --wait to wait for it",
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

fn of_discs_at_hand(error: &DiscsError) -> Option<&'static str> {
    match error {
        DiscsError::NoListing(_) => {
            Some("`coldcut catalog rebuild` pieces one together from what is left")
        }
        DiscsError::TwoHistories { .. } => Some("Name one of them: --disc UUID"),
        DiscsError::NoDiscs(_) | DiscsError::Unusable { .. } | DiscsError::NoHistory { .. } => None,
    }
}

fn of_burn(error: &BurnFailure) -> Option<&'static str> {
    match error {
        BurnFailure::NoBlank { .. } => Some("run `coldcut burn` to continue"),
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
        SelectionError::NoSuchSet { .. }
        | SelectionError::NoSuchCopy { .. }
        | SelectionError::NoCopyYet(_)
        | SelectionError::SizeUnknown(_)
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
            (DiscsError::NoListing(set()).into(), "`coldcut catalog rebuild` pieces"),
            (empty, "/dev/sr9 does not exist; `coldcut drives` lists the drives"),
        ] {
            let told = with_advice(&error);
            assert!(told.contains(words), "{told}");
        }
    }

    #[test]
    fn a_disc_that_did_not_come_is_told_by_who_could_have_brought_it() {
        let never = |asked| FlowError::NeverCame {
            drive: "/dev/sr0".to_owned(),
            wanted: Box::new(WantedMedium::Disc(WantedDisc::new(&set(), DiscNo(2)))),
            asked,
            source: Box::new(KeyError::NeedsSecretKey(set()).into()),
        };
        let told = with_advice(&never(false));
        assert!(told.starts_with("/dev/sr0 needs disc 2 of photos, and there is no"), "{told}");
        assert!(told.ends_with("; use --wait to wait for it"), "{told}");
        assert!(with_advice(&never(true)).ends_with("; name it with --secret-key"));
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
}
