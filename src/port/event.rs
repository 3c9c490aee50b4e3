//! What the engine reports, as values that can be written as JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

use super::cause::Cause;
use super::disc_count::DiscCount;
use super::notice::Notice;
use super::passphrase::PassphraseRequest;
use super::question::{Answer, Question, QuestionId};
use super::wanted::InsertRequest;
use crate::model::{DiscNo, SetName};

/// Names a task; unique in the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct TaskId(pub u64);

/// A part of the work, from its beginning to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Task {
    pub id: TaskId,
    /// The task that it is a part of.
    pub parent: Option<TaskId>,
    pub what: Activity,
    pub set: Option<SetName>,
    /// The disc, if it is about one.
    pub disc: Option<DiscNo>,
    /// The drive that does it, by its title.
    pub drive: Option<String>,
    /// How much there is to do, in the activity's unit, if known.
    pub total: Option<u64>,
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activity {
    /// All that a command does.
    Command(&'static str),
    /// A staged disc on its way to a verified copy.
    Burning,
    Scanning,
    Packing,
    /// Making recovery data.
    Protecting,
    Drilling,
    /// Making an image before it is burned.
    Imaging,
    Writing,
    Verifying,
    Reading,
    Repairing,
    Rescuing,
    Restoring,
}

/// What an activity counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Bytes,
    /// Paths of the source.
    Entries,
    /// It has parts that count, and counts nothing itself.
    None,
}

impl Activity {
    /// The word of `--json` and of progress lines.
    pub fn word(self) -> &'static str {
        match self {
            Activity::Command(name) => name,
            Activity::Burning => "burning",
            Activity::Scanning => "scanning",
            Activity::Packing => "packing",
            Activity::Protecting => "protecting",
            Activity::Drilling => "drilling",
            Activity::Imaging => "imaging",
            Activity::Writing => "writing",
            Activity::Verifying => "verifying",
            Activity::Reading => "reading",
            Activity::Repairing => "repairing",
            Activity::Rescuing => "rescuing",
            Activity::Restoring => "restoring",
        }
    }

    pub fn unit(self) -> Unit {
        match self {
            Activity::Command(_) | Activity::Burning => Unit::None,
            Activity::Scanning => Unit::Entries,
            _ => Unit::Bytes,
        }
    }
}

/// How far a task has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// In the activity's unit: bytes of the source or of the medium, or entries.
    pub done: u64,
    /// Bytes that came out, when packing: `written / done` is the ratio.
    pub written: Option<u64>,
}

/// How far a disc has come. Each step is told when it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reached {
    /// Packed: all of it waits in the staging area.
    Staged,
    /// Written, and good for nothing yet.
    Burned,
    /// Read back, and every byte was right.
    Verified,
    /// A burn or its read-back failed; another blank is to take it.
    Failed,
}

/// Something went wrong with one file or disc, and the run continues without it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// The path, disc or file concerned, fit for a terminal.
    pub thing: String,
    /// What happened.
    pub what: Cause,
}

impl Trouble {
    pub fn new(thing: impl Into<String>, what: impl Into<Cause>) -> Trouble {
        Trouble { thing: thing.into(), what: what.into() }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.thing, self.what)
    }
}

/// Something happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    Begun(Task),
    Progress {
        task: TaskId,
        #[serde(flatten)]
        progress: Progress,
    },
    Ended(Task),
    Disc {
        set: Option<SetName>,
        number: DiscNo,
        reached: Reached,
    },
    /// The discs that the command goes through: one was begun or is done, or the number of them is
    /// known better.
    Discs(DiscCount),
    Note(Notice),
    Trouble(Trouble),
    /// Somebody is asked, and the work that asks waits.
    Asked {
        question: QuestionId,
        prompt: Prompt,
    },
    Answered {
        question: QuestionId,
        reply: Reply,
    },
    /// A medium is to be inserted; the drive sees it being done.
    Wanted(InsertRequest),
    /// Something was inserted, or nobody came.
    NoLongerWanted(InsertRequest),
}

/// What somebody is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Prompt {
    Question(Question),
    Passphrase(PassphraseRequest),
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Reply {
    Answer(Answer),
    /// A passphrase, which no event has.
    #[serde(serialize_with = "given")]
    Given,
}

fn given<S: Serializer>(to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str("given")
}

/// Who hears what the engine reports. Called from several threads; it must not report itself.
pub trait Listener: Send + Sync {
    /// What is running when the listener joins. Only what comes after it is heard.
    fn join(&self, _state: &RunState) {}

    fn hear(&self, event: &Event);
}

/// All that is running, and all that somebody is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RunState {
    tasks: BTreeMap<TaskId, (Task, Progress)>,
    questions: BTreeMap<QuestionId, Prompt>,
    /// By drive.
    wanted: BTreeMap<String, InsertRequest>,
    discs: DiscCount,
}

impl RunState {
    /// The tasks that are running, those that began first in front.
    pub fn tasks(&self) -> impl Iterator<Item = &(Task, Progress)> {
        self.tasks.values()
    }

    /// The questions that are open.
    pub fn questions(&self) -> impl Iterator<Item = (QuestionId, &Prompt)> {
        self.questions.iter().map(|(id, prompt)| (*id, prompt))
    }

    /// The media that are waited for, one for each drive.
    pub fn wanted(&self) -> impl Iterator<Item = &InsertRequest> {
        self.wanted.values()
    }

    /// The discs that the command goes through.
    pub fn discs(&self) -> DiscCount {
        self.discs
    }

    /// A task that is running.
    pub fn task(&self, id: TaskId) -> Option<&(Task, Progress)> {
        self.tasks.get(&id)
    }

    /// Takes in what happened, as each listener that keeps a state of its own does.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Begun(task) => {
                self.tasks.insert(task.id, (task.clone(), Progress::default()));
            }
            Event::Progress { task, progress } => {
                if let Some((_, done)) = self.tasks.get_mut(task) {
                    *done = *progress;
                }
            }
            Event::Ended(task) => {
                self.tasks.remove(&task.id);
            }
            Event::Asked { question, prompt } => {
                self.questions.insert(*question, prompt.clone());
            }
            Event::Answered { question, .. } => {
                self.questions.remove(question);
            }
            Event::Wanted(request) => {
                self.wanted.insert(request.drive.clone(), request.clone());
            }
            Event::NoLongerWanted(request) => {
                self.wanted.remove(&request.drive);
            }
            Event::Discs(discs) => self.discs = *discs,
            Event::Disc { .. } | Event::Note(_) | Event::Trouble(_) => {}
        }
    }
}
