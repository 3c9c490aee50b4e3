//! How the engine says what it does: in events, as values. It never prints; listeners show, and
//! decide nothing.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disc_count::DiscCount;
use super::event::{
    Activity, Event, Listener, Progress, Prompt, Reached, Reply, RunState, Task, TaskId, Trouble,
};
use super::notice::Notice;
use super::question::QuestionId;
use super::wanted::InsertRequest;
use crate::model::{DiscNo, SetName};

/// Where the engine reports to: the stream of events, and the task to which what is reported there
/// belongs. Called from several threads; cheap to clone.
#[derive(Clone)]
pub struct Monitor {
    stream: Arc<RunStream>,
    task: Option<Arc<Task>>,
}

/// A task that is running. It ends when this is dropped; what is reported to it belongs to it.
pub struct RunningTask {
    monitor: Monitor,
    task: Arc<Task>,
}

/// What a task is about, before it begins.
pub struct NewTask {
    pub what: Activity,
    /// If not that of the task around it.
    pub set: Option<SetName>,
    pub disc: Option<DiscNo>,
    /// By its title, if not that of the task around it.
    pub drive: Option<String>,
    /// In the unit of the activity, if known.
    pub total: Option<u64>,
}

#[derive(Default)]
struct RunStream {
    now: Mutex<Now>,
}

/// What a listener that joins late is told first, and who listens.
#[derive(Default)]
struct Now {
    state: RunState,
    /// Handed out at each event, of which a run of many small files has many.
    listeners: Arc<Vec<Arc<dyn Listener>>>,
}

impl NewTask {
    pub fn new(what: Activity) -> NewTask {
        NewTask { what, set: None, disc: None, drive: None, total: None }
    }

    pub fn set(self, set: &SetName) -> NewTask {
        NewTask { set: Some(set.clone()), ..self }
    }

    pub fn disc(self, disc: DiscNo) -> NewTask {
        NewTask { disc: Some(disc), ..self }
    }

    pub fn drive(self, title: String) -> NewTask {
        NewTask { drive: Some(title), ..self }
    }

    pub fn total(self, total: u64) -> NewTask {
        NewTask { total: Some(total), ..self }
    }
}

impl Monitor {
    /// Events that nobody listens to yet.
    pub fn new() -> Monitor {
        Monitor { stream: Arc::default(), task: None }
    }

    /// A listener from now on. It is told the state first.
    pub fn listen(&self, listener: Arc<dyn Listener>) {
        let mut now = self.stream.now();
        listener.join(&now.state);
        Arc::make_mut(&mut now.listeners).push(listener);
    }

    /// A part of the work begins, which is a part of this monitor's task.
    pub fn begin(&self, new: NewTask) -> RunningTask {
        // Unique in the process, so that a stream may pass on what it hears from another.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = TaskId(NEXT.fetch_add(1, Ordering::Relaxed));
        let around = self.task.as_deref();
        let task = Arc::new(Task {
            id,
            parent: around.map(|task| task.id),
            what: new.what,
            set: new.set.or_else(|| around?.set.clone()),
            disc: new.disc,
            drive: new.drive.or_else(|| around?.drive.clone()),
            total: new.total,
        });
        self.stream.pass_on(Event::Begun((*task).clone()));
        let monitor = Monitor { stream: self.stream.clone(), task: Some(task.clone()) };
        RunningTask { monitor, task }
    }

    /// How far this monitor's task has come. Nothing, where none is running.
    pub fn progress(&self, progress: Progress) {
        if let Some(task) = &self.task {
            self.stream.pass_on(Event::Progress { task: task.id, progress });
        }
    }

    /// How much is done, in the unit of the activity.
    pub fn done(&self, done: u64) {
        self.progress(Progress { done, written: None });
    }

    pub fn disc(&self, number: DiscNo, reached: Reached) {
        let set = self.task.as_ref().and_then(|task| task.set.clone());
        self.stream.pass_on(Event::Disc { set, number, reached });
    }

    /// Changes what is known of the discs that the command goes through.
    pub fn count_discs(&self, change: impl FnOnce(&mut DiscCount)) {
        self.stream.pass_on_made(|state| {
            let mut discs = state.discs();
            change(&mut discs);
            Event::Discs(discs)
        });
    }

    /// A fact that a person wants to read even when all goes well.
    pub fn note(&self, notice: Notice) {
        self.stream.pass_on(Event::Note(notice));
    }

    /// A non-fatal failure. The engine counts it itself: it reaches the exit code without the
    /// monitor.
    pub fn trouble(&self, trouble: &Trouble) {
        self.stream.pass_on(Event::Trouble(trouble.clone()));
    }

    pub fn asked(&self, question: QuestionId, prompt: Prompt) {
        self.stream.pass_on(Event::Asked { question, prompt });
    }

    pub fn answered(&self, question: QuestionId, reply: Reply) {
        self.stream.pass_on(Event::Answered { question, reply });
    }

    pub fn wanted(&self, request: &InsertRequest) {
        self.stream.pass_on(Event::Wanted(request.clone()));
    }

    pub fn no_longer_wanted(&self, request: &InsertRequest) {
        self.stream.pass_on(Event::NoLongerWanted(request.clone()));
    }

    /// Passes on what was heard elsewhere.
    pub fn repeat(&self, event: &Event) {
        self.stream.pass_on(event.clone());
    }

    /// The same work, reported to another listener only.
    pub fn apart(&self, listener: Arc<dyn Listener>) -> Monitor {
        let apart = Monitor { stream: Arc::default(), task: self.task.clone() };
        apart.listen(listener);
        apart
    }
}

impl Default for Monitor {
    fn default() -> Monitor {
        Monitor::new()
    }
}

impl RunStream {
    fn now(&self) -> MutexGuard<'_, Now> {
        // The state is whole between any two events.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listeners hear it while the state is free: one that waits holds up its own thread only.
    fn pass_on(&self, event: Event) {
        self.pass_on_made(|_| event);
    }

    /// The same for an event that depends on the state before it.
    fn pass_on_made(&self, make: impl FnOnce(&RunState) -> Event) {
        let (event, listeners) = {
            let mut now = self.now();
            let event = make(&now.state);
            now.state.apply(&event);
            (event, now.listeners.clone())
        };
        listeners.iter().for_each(|listener| listener.hear(&event));
    }
}

impl Deref for RunningTask {
    type Target = Monitor;

    fn deref(&self) -> &Monitor {
        &self.monitor
    }
}

impl Drop for RunningTask {
    fn drop(&mut self) {
        self.monitor.stream.pass_on(Event::Ended((*self.task).clone()));
    }
}
