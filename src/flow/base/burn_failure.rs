//! Why a staged disc did not become a safe one.

use crate::drive::Remedy;
use crate::flow::base::medium_name::disc_name;
use crate::model::{Bytes, DiscNo};
use crate::port::wanted::WantedDisc;

/// Why a staged disc did not become a safe one. It is still staged.
#[derive(Debug, thiserror::Error)]
pub enum BurnFailure {
    #[error("{drive} has no blank disc for disc {disc}; everything is staged")]
    NoBlank { drive: String, disc: DiscNo },
    #[error("disc {disc} needs {need} and the blank in {drive} holds {free}; insert a larger one")]
    BlankTooSmall { drive: String, disc: DiscNo, need: Bytes, free: Bytes },
    #[error("the blank in {drive} was not burned: {} may already be good", disc_name(.unread))]
    NotOnceMore { drive: String, unread: Box<WantedDisc> },
    #[error("disc {disc} could not be burned and verified in {tries} tries; it is still staged")]
    NotBurned { disc: DiscNo, tries: u32, remedy: Option<Remedy> },
    #[error("disc {disc} was damaged when it was read back, {tries} times; it is still staged")]
    ReadBackDamaged { disc: DiscNo, tries: u32 },
    #[error(
        "disc {disc} was burned in a drive that is gone, and nobody inserted it into {drive} to be \
         read back"
    )]
    NeverReadBack { disc: DiscNo, drive: String, is_asked: bool },
    /// The other thread has ended, which only a defect in coldcut causes.
    #[error("burning disc {0} stopped unexpectedly; what is staged is kept")]
    Unexpected(DiscNo),
    #[error(
        "disc {disc} cannot be burned as it is staged; once its staging directory is removed, the \
         next backup packs its files again"
    )]
    Unburnable { disc: DiscNo, source: crate::drive::burning::BurnError },
    #[error(
        "disc {disc} is damaged in the staging area ({words}); once its staging directory is \
         removed, the next backup packs its files again"
    )]
    StagedDamaged { disc: DiscNo, words: String },
}

impl BurnFailure {
    /// Another medium in the drive would help.
    pub fn is_about_the_medium(&self) -> bool {
        use BurnFailure::{BlankTooSmall, NoBlank, NotOnceMore};
        matches!(self, BlankTooSmall { .. } | NoBlank { .. } | NotOnceMore { .. })
    }
}
