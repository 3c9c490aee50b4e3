//! Why a command could not do its work.

use std::path::PathBuf;

use crate::catalog::CatalogError;
use crate::codec::openpgp::{CheckError, LockError, OpenError, SealError, SignError};
use crate::drill::DrillError;
use crate::drive::{Absence, DriveError};
use crate::model::{Bytes, DiscNo, InUse, SetName, SnapshotSeq, plural};
use crate::pack::PackError;
use crate::port::stop::Stopped;
use crate::port::wanted::{WantedDisc, WantedMedium};
use crate::recovery::program::ProgramError;
use crate::rescue::passes::RescueError;
use crate::restore::index::ListingError;
use crate::restore::place::PlaceError;
use crate::scan::filter::FilterError;
use crate::scan::walk::ScanError;
use crate::verify::Unfinished;

use crate::flow::backup::guards;
use crate::flow::base::burn_failure::BurnFailure;
use crate::flow::base::discs_error::DiscsError;
use crate::flow::base::key_error::KeyError;
use crate::flow::base::medium_name::{disc_name, medium_name};
use crate::flow::base::rescue_error::RescueRefusal;
use crate::flow::base::selection_error::SelectionError;
use crate::flow::base::unfulfilled::Unfulfilled;

/// Why a command could not do its work. `ui::exit` gives each its code.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    #[error(transparent)]
    Stopped(#[from] Stopped),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(
        "another coldcut{} is using {what}; nothing was changed",
        pid.map_or(String::new(), |pid| format!(" (process {pid})"))
    )]
    OthersTurn { what: InUse, pid: Option<u32> },
    #[error(transparent)]
    Scan(#[from] ScanError),
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error(transparent)]
    Drive(DriveError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("cannot encrypt")]
    Seal(#[from] SealError),
    #[error("cannot decrypt")]
    Open(#[from] OpenError),
    #[error(transparent)]
    Signing(#[from] SignError),
    #[error(transparent)]
    Check(#[from] CheckError),
    #[error(transparent)]
    Dest(#[from] guards::DestError),
    #[error(transparent)]
    NewSet(#[from] guards::NewSetError),
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(transparent)]
    Listing(#[from] ListingError),
    #[error(transparent)]
    Drill(DrillError),
    #[error("{0} before each burn")]
    NoDrillTool(DrillError),
    #[error(
        "staged disc {disc} cannot be read with standard tools ({words}) and was not burned; once \
         its staging directory is removed, the next backup packs its files again"
    )]
    DrillFailed { disc: DiscNo, words: String },
    #[error("the catalog does not know this set, and a drill compares with the catalog")]
    UnknownSet,
    #[error("there is no disc {0} of this set here")]
    NotHere(DiscNo),
    #[error(transparent)]
    Recovery(ProgramError),
    #[error(transparent)]
    RescueRefused(#[from] RescueRefusal),
    #[error(transparent)]
    Rescue(RescueError),
    #[error(transparent)]
    Pack(PackError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("set {name} backs up the directory {}", .known.display())]
    OtherSource { name: SetName, known: PathBuf },
    #[error("{words}; nothing was packed")]
    Shrunk { why: Box<crate::model::RunRefusal>, words: String },
    #[error("{place} has discs of a set {name} that the catalog does not know")]
    ForeignDiscs { place: String, name: SetName },
    #[error(transparent)]
    Selection(#[from] SelectionError),
    #[error(transparent)]
    Discs(#[from] DiscsError),
    #[error(transparent)]
    Burn(#[from] BurnFailure),
    #[error("the staging area {} needs {need} and {free} is free", .dir.display())]
    StagingFull { dir: PathBuf, need: Bytes, free: Bytes },
    #[error("the target {} needs {need} and {free} is free", .dir.display())]
    TargetFull { dir: PathBuf, need: Bytes, free: Bytes },
    #[error("{} {what}", .path.display())]
    Staging { path: PathBuf, what: &'static str, source: std::io::Error },
    #[error("disc {disc} is not staged, and nothing that can be read now has a copy{kept}")]
    NothingToCopy { disc: DiscNo, kept: String },
    #[error("no copy of disc {disc} could be read completely: {words}")]
    CopyDamaged { disc: DiscNo, words: String },
    #[error(
        "set {name} is on {}, and without the catalog nobody knows what is stored there", plural(*count as u64, "disc", "discs")
    )]
    HasDiscs { name: SetName, count: usize },
    #[error("set {0} has discs in the staging area, which carry its name")]
    HasStaged(SetName),
    #[error("not confirmed, so nothing was recorded")]
    NotAgreed,
    #[error("nothing is staged{0}")]
    NothingStaged(String),
    #[error("{}", lost_words(*.0))]
    StagingLost(DiscNo),
    #[error("{} cannot be told apart from the source's own files", .0.display())]
    OwnPlace(PathBuf),
    #[error("{drive} holds {found}, not {}", medium_name(.wanted))]
    OtherDisc { drive: String, found: String, wanted: Box<WantedMedium> },
    #[error("{0} is not a drive with removable discs")]
    NoSlot(String),
    #[error("the last backup of {0} did not finish")]
    UnfinishedRun(SetName),
    #[error("{}", never_came(.drive, .wanted, *.how))]
    NeverCame { drive: String, wanted: Box<WantedMedium>, how: Unfulfilled, source: Box<FlowError> },
    #[error(
        "the disc in {drive} is {}, or another copy of it, which is identical: it was already \
         there before coldcut asked for it", disc_name(.wanted)
    )]
    PerhapsAnother { drive: String, wanted: Box<WantedDisc> },
    #[error("nothing in snapshot {seq} of set {set} matches {patterns}")]
    NothingMatches { set: SetName, seq: SnapshotSeq, patterns: String },
    #[error("the catalog already has set {0} and is intact")]
    KnownAlready(SetName),
    #[error("{0}")]
    Pattern(#[source] crate::model::glob::GlobError, String),
}

impl FlowError {
    /// Another medium in the drive would help.
    pub fn is_about_the_medium(&self) -> bool {
        match self {
            FlowError::Drive(error) => error.is_about_the_medium(),
            FlowError::Burn(failure) => failure.is_about_the_medium(),
            FlowError::PerhapsAnother { .. } | FlowError::OtherDisc { .. } => true,
            _ => false,
        }
    }

    /// Another passphrase, or another password of a key, would help.
    pub(in crate::flow) fn is_wrong_passphrase(&self) -> bool {
        matches!(
            self,
            FlowError::Key(KeyError::WrongPassphrase(_)) | FlowError::Open(OpenError::KeyPassword)
        )
    }

    /// The disc, its drive, or the place that it is on went away while it was read.
    pub fn absence(&self) -> Option<&Absence> {
        match self {
            FlowError::Drive(DriveError::Gone(absence))
            | FlowError::Rescue(RescueError::Gone(absence)) => Some(absence),
            _ => None,
        }
    }

    /// Another program has the drive: it may be free later.
    pub fn is_in_use(&self) -> bool {
        matches!(self, FlowError::Drive(error) if error.is_in_use())
    }
}

fn never_came(drive: &str, wanted: &WantedMedium, how: Unfulfilled) -> String {
    let wanted = medium_name(wanted);
    match how {
        Unfulfilled::TimedOut => format!("{drive}: timed out waiting for {wanted}"),
        Unfulfilled::NobodyToAsk => {
            format!("{drive} needs {wanted}, and there is no terminal to ask for it")
        }
        Unfulfilled::LoaderEmpty => {
            format!("{drive} needs {wanted}, and its loader has no more discs")
        }
        Unfulfilled::NotBroughtBack => {
            format!("{drive} needs {wanted}, which its loader cannot bring back")
        }
    }
}

impl From<DrillError> for FlowError {
    fn from(error: DrillError) -> Self {
        match error {
            DrillError::Stopped(stopped) => FlowError::Stopped(stopped),
            error => FlowError::Drill(error),
        }
    }
}

impl From<RescueError> for FlowError {
    fn from(error: RescueError) -> Self {
        match error {
            RescueError::Stopped(stopped) => FlowError::Stopped(stopped),
            error => FlowError::Rescue(error),
        }
    }
}

impl From<ProgramError> for FlowError {
    fn from(error: ProgramError) -> Self {
        match error {
            ProgramError::Stopped(stopped) => FlowError::Stopped(stopped),
            error => FlowError::Recovery(error),
        }
    }
}

impl From<Unfinished> for FlowError {
    fn from(error: Unfinished) -> Self {
        match error {
            Unfinished::Stopped(stopped) => FlowError::Stopped(stopped),
            Unfinished::Gone(absence) => FlowError::from(absence),
        }
    }
}

/// A disc that went away is one thing, whoever noticed it.
impl From<Absence> for FlowError {
    fn from(absence: Absence) -> Self {
        FlowError::Drive(DriveError::Gone(absence))
    }
}

impl From<DriveError> for FlowError {
    fn from(error: DriveError) -> Self {
        match error {
            DriveError::Stopped(stopped) => FlowError::Stopped(stopped),
            error => FlowError::Drive(error),
        }
    }
}

/// The ledger is the catalog: its errors come back as what they are.
impl From<PackError> for FlowError {
    fn from(error: PackError) -> Self {
        match error {
            PackError::Stopped(stopped) => FlowError::Stopped(stopped),
            PackError::Ledger(inner) => match inner.downcast::<FlowError>() {
                Ok(own) => *own,
                Err(inner) => FlowError::Pack(PackError::Ledger(inner)),
            },
            error => FlowError::Pack(error),
        }
    }
}

/// What is said of one, whoever meets it.
pub(in crate::flow) fn lost_words(disc: DiscNo) -> String {
    format!(
        "disc {disc} is no longer complete in the staging area; the next backup packs its files \
         again"
    )
}
