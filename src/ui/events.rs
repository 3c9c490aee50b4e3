//! What a run reports, as the objects of `--json`: for the program that reads stdout, and for the
//! service that shows all runs.

use super::asked::{answer_event, insert_event, question_event};
use super::json::event::{DiscProgressObject, Event as Object};
use super::words;
use crate::model::DiscNo;
use crate::port::disc_count::DiscCount;
use crate::port::event::{Activity, Event, Progress, Reached, RunState, Task, Trouble, Unit};
use crate::port::notice::Notice;
use crate::port::wanted::InsertRequest;
use serde_json::{Value, json};

/// The object of an event; `state` is that before it. `None`: of a task that is over.
pub fn event_object(event: &Event, state: &RunState) -> Option<Value> {
    Some(match event {
        Event::Begun(task) => task_event(task),
        Event::Progress { task, progress } => progress_event(&state.task(*task)?.0, *progress),
        Event::Ended(task) => end_event(task),
        Event::Disc { number, reached, .. } => disc_event(*number, *reached),
        Event::Discs(discs) => discs_event(state, *discs)?,
        Event::Note(notice) => note_event(notice, &words::notice(notice)),
        Event::Trouble(trouble) => trouble_event(trouble),
        Event::Asked { question, prompt } => question_event(*question, prompt),
        Event::Answered { question, reply } => answer_event(*question, *reply),
        Event::Wanted(request) => insert_event(request),
        Event::NoLongerWanted(request) => insert_over_event(request),
    })
}

/// The objects that tell somebody who joins late what is going on.
pub fn state_objects(state: &RunState) -> Vec<Value> {
    let mut objects = Vec::new();
    for (task, progress) in state.tasks() {
        objects.push(task_event(task));
        objects.push(progress_event(task, *progress));
    }
    objects.extend(discs_event(state, state.discs()));
    objects.extend(state.questions().map(|(id, prompt)| question_event(id, prompt)));
    objects.extend(state.wanted().map(insert_event));
    objects
}

/// Nothing before the command says how many discs there are.
fn discs_event(state: &RunState, discs: DiscCount) -> Option<Value> {
    let is_command = |task: &&Task| matches!(task.what, Activity::Command(_));
    let command = state.tasks().map(|(task, _)| task).find(is_command)?;
    let is_counted = discs != DiscCount::default();
    // A value of numbers and words always serializes.
    is_counted.then(|| serde_json::to_value(count_event(command, discs)).ok()).flatten()
}

/// A task that counts is a phase.
pub fn task_event(task: &Task) -> Value {
    let event = if task.what.unit() == Unit::None { "task" } else { "phase" };
    json!({
        "event": event,
        "phase": task.what.word(),
        "disc": task.disc,
        "total": task.total,
        "task": task.id,
        "parent": task.parent,
        "set": task.set,
        "drive": task.drive,
    })
}

pub fn progress_event(task: &Task, progress: Progress) -> Value {
    json!({
        "event": "progress",
        "phase": task.what.word(),
        "disc": task.disc,
        "total": task.total,
        "done": progress.done,
        "written": progress.written,
        "task": task.id,
    })
}

/// How far a command is that goes through several discs.
pub fn count_event(command: &Task, discs: DiscCount) -> Object {
    let DiscCount { begun, done, verified, total, is_estimate: estimated } = discs;
    let (phase, task) = (command.what.word(), command.id);
    let progress = DiscProgressObject { phase, task, total, done, begun, verified, estimated };
    Object::Progress(progress)
}

pub fn end_event(task: &Task) -> Value {
    json!({"event": "end", "task": task.id})
}

pub fn disc_event(disc: DiscNo, reached: Reached) -> Value {
    json!({"event": "disc", "disc": disc, "state": reached})
}

/// `text`: the words of the notice.
pub fn note_event(notice: &Notice, text: &str) -> Value {
    json!({"event": "note", "text": text, "notice": notice})
}

pub fn trouble_event(trouble: &Trouble) -> Value {
    let Trouble { thing, what } = trouble;
    let advice = words::advice::of_cause(what);
    json!({"event": "trouble", "thing": thing, "what": what, "advice": advice})
}

/// Something was inserted, or nobody came. A program at stdout sees the next phase.
fn insert_over_event(InsertRequest { drive, .. }: &InsertRequest) -> Value {
    json!({"event": "insert-over", "drive": drive})
}
