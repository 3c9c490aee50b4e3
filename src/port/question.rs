//! What the engine asks, as values: whoever answers may be a person, a page or a program.
//! `ui::words` makes the sentences.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Serialize, Serializer};

use super::clock::Moment;
use super::passphrase::{Oddity, PassphraseOrigin};
use super::wanted::WantedDisc;
use crate::model::{Bytes, DiscList, DiscNo, RunRefusal, SetName, SnapshotSeq, json_path};

/// What is asked. Each variant says by itself what may be answered, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Question {
    /// Whether what is on a rewritable medium may be lost.
    OverwriteMedium { drive: String, found: String },
    /// Whether the disc in a drive, of which there are identical copies, is the one that is wanted.
    IsThisDisc { drive: String, wanted: WantedDisc },
    /// Whether a disc that may be good already is burned again, onto a blank that nobody asked for.
    BurnAgain { drive: String, unread: WantedDisc },
    /// Whether a disc that has room left is burned now, and does not wait for more files.
    BurnNow { disc: DiscNo, used_percent: u64 },
    /// Whether there is one more disc to put into this drive.
    AnotherDisc { drive: String },
    /// A disc, or its image, is to be brought to a directory.
    BringDisc {
        wanted: WantedDisc,
        #[serde(flatten, serialize_with = "json_path::dir")]
        dir: PathBuf,
    },
    /// Whether `sources` are inserted one after the other and copied to `dir`, to rebuild `disc`.
    ReconstructDisc {
        set: SetName,
        disc: DiscNo,
        sources: DiscList,
        #[serde(flatten, serialize_with = "json_path::dir")]
        dir: PathBuf,
        /// Without `unsized_discs`, whose sizes are not known.
        need: Bytes,
        unsized_discs: DiscList,
    },
    /// Whether a set that looks like a slip of the finger is created.
    CreateSet {
        set: SetName,
        #[serde(flatten)]
        doubt: NewSetDoubt,
    },
    /// Whether a source (`dir`) of which much is gone is backed up as it is.
    BackUpShrunk {
        set: SetName,
        #[serde(flatten, serialize_with = "json_path::dir")]
        dir: PathBuf,
        #[serde(flatten)]
        why: RunRefusal,
        /// The snapshot that it was compared with, and its date.
        snapshot: SnapshotSeq,
        date: Moment,
    },
    /// Whether the catalog forgets a set that is on discs.
    ForgetSet { set: SetName, snapshots: u64, discs: DiscList },
    /// Whether what is packed for these discs and not burned is deleted.
    RemoveStaged {
        set: SetName,
        discs: DiscList,
        #[serde(flatten, serialize_with = "json_path::dir")]
        dir: PathBuf,
    },
    /// Whether copies of these discs are recorded as lost.
    RecordLost { set: SetName, discs: DiscList },
    /// Whether copies of these discs are given up.
    Retire { set: SetName, discs: DiscList },
    /// Which of the copies of these discs is meant.
    WhichCopy { set: SetName, discs: DiscList, copies: Vec<u32> },
    /// Whether discs are encrypted for others than before. `before`: fingerprints, with spaces.
    NewRecipients { set: SetName, before: String, now: Vec<String> },
    /// Whether the recipients that nothing but a disc names are the set's.
    TrustRecipients { set: SetName, disc: DiscNo, recipients: Vec<String> },
    /// Whether a new passphrase that is hard to type again is used.
    OddPassphrase {
        #[serde(flatten)]
        origin: PassphraseOrigin,
        oddity: Oddity,
    },
    /// Whether a restore that may not fit is tried.
    TooLittleSpace {
        #[serde(flatten, serialize_with = "json_path::dir")]
        dir: PathBuf,
        need: Bytes,
        free: Bytes,
    },
    /// Whether metadata that gives rights is restored from discs that nothing vouches for: set-id
    /// programs, paths with attributes of root, devices.
    RestorePrivileges { set_id: u64, attributes: u64, devices: u64 },
}

/// Why a new set may be a mistake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "doubt", rename_all = "kebab-case")]
pub enum NewSetDoubt {
    /// `dir` is the source of these sets.
    SameSource {
        sets: Vec<SetName>,
        #[serde(flatten, serialize_with = "json_path::dir")]
        dir: PathBuf,
    },
    /// A set's name differs by a letter.
    SimilarName { similar: SetName },
}

/// What may be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choices {
    YesOrNo,
    /// One of these copies.
    Copies(Vec<u32>),
    /// Something was to be done by hand.
    DoneOrGiveUp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Yes,
    No,
    Copy(u32),
    Done,
    GiveUp,
    /// "Nobody there" is a legal answer to everything.
    NobodyThere,
}

impl Question {
    /// Whether `--yes` says yes to this. The others are about what cannot be undone, or only eyes
    /// and hands can answer them.
    pub fn is_answered_by_yes(&self) -> bool {
        use Question::*;
        match self {
            OverwriteMedium { .. }
            | BurnNow { .. }
            | AnotherDisc { .. }
            | ReconstructDisc { .. }
            | ForgetSet { .. }
            | RemoveStaged { .. }
            | RecordLost { .. }
            | Retire { .. }
            | TooLittleSpace { .. } => true,
            IsThisDisc { .. }
            | BurnAgain { .. }
            | BringDisc { .. }
            | CreateSet { .. }
            | BackUpShrunk { .. }
            | WhichCopy { .. }
            | NewRecipients { .. }
            | TrustRecipients { .. }
            | OddPassphrase { .. }
            | RestorePrivileges { .. } => false,
        }
    }

    /// Whether only who started the run may answer: it is about who can read the discs, or about
    /// rights that a restore gives.
    pub fn is_for_the_terminal_only(&self) -> bool {
        use Question::*;
        matches!(
            self,
            NewRecipients { .. }
                | TrustRecipients { .. }
                | OddPassphrase { .. }
                | RestorePrivileges { .. }
        )
    }

    pub fn choices(&self) -> Choices {
        match self {
            Question::WhichCopy { copies, .. } => Choices::Copies(copies.clone()),
            Question::BringDisc { .. } => Choices::DoneOrGiveUp,
            _ => Choices::YesOrNo,
        }
    }
}

impl Answer {
    /// `yes`, `no`, `done`, `give-up`, or a copy's number.
    pub fn parse(word: &str) -> Option<Answer> {
        match word {
            "yes" => Some(Answer::Yes),
            "no" => Some(Answer::No),
            "done" => Some(Answer::Done),
            "give-up" => Some(Answer::GiveUp),
            number => number.parse().ok().map(Answer::Copy),
        }
    }
}

impl Choices {
    /// All that may be chosen.
    pub fn answers(&self) -> Vec<Answer> {
        match self {
            Choices::YesOrNo => vec![Answer::Yes, Answer::No],
            Choices::Copies(copies) => copies.iter().copied().map(Answer::Copy).collect(),
            Choices::DoneOrGiveUp => vec![Answer::Done, Answer::GiveUp],
        }
    }
}

/// `yes`, `no`, `done`, `give-up`, a copy's number, or nothing.
impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Answer::Yes => serializer.serialize_str("yes"),
            Answer::No => serializer.serialize_str("no"),
            Answer::Copy(number) => serializer.serialize_u32(*number),
            Answer::Done => serializer.serialize_str("done"),
            Answer::GiveUp => serializer.serialize_str("give-up"),
            Answer::NobodyThere => serializer.serialize_none(),
        }
    }
}

/// Names what was asked, for whoever answers later and from elsewhere. Not used again while the
/// process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct QuestionId(pub u64);

/// A question, or a request for a passphrase, that was put and waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked<Q> {
    pub id: QuestionId,
    pub what: Q,
}

impl<Q> Asked<Q> {
    /// With the next number of this process.
    pub fn new(what: Q) -> Asked<Q> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Asked { id: QuestionId(NEXT.fetch_add(1, Ordering::Relaxed)), what }
    }
}
