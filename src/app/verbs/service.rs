//! `coldcut serve`, and those who speak to it: `open`, `follow`, `answer`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::{App, RunError};
use crate::catalog::FileTally;
use crate::cli::args::{AnswerArgs, LimitArgs, ServeArgs};
use crate::flow::status::latest::StatusLimits;
use crate::flow::status::query::{Query, SetGlance, glance};
use crate::flow::status::safety::SafetyVerdict;
use crate::flow::status::search::FoundState;
use crate::flow::{FlowError, SelectionError, chain};
use crate::hub::client::{self, ClientError};
use crate::hub::follow::{Narrator, follow as follow_events};
use crate::hub::place::HubPlace;
use crate::hub::server::{
    CatalogView, Found, FoundDiscObject, FoundObject, Search, ServeRequest, SetNumbers, Tally,
    ViewError, serve,
};
use crate::model::glob::Pattern;
use crate::model::{RelPath, SetName, SnapshotSeq};
use crate::port::clock::Moment;
use crate::ui::exit::Exit;
use crate::ui::json::discs::DiscObject;
use crate::ui::json::sets::SetObject;
use crate::ui::json::snapshots::{PathObject, SnapshotObject};
use crate::ui::json::status::SetStatusObject;
use crate::ui::json::words::word_of;
use crate::ui::table::Object;

use super::query::{disc_line, rel_path, snapshot_line};
use super::{set, status};

pub fn run(app: &App, args: ServeArgs) -> Result<Exit, RunError> {
    let catalog = app.around.catalog(&app.common)?;
    let staging = app.around.staging(&app.common)?;
    let view = CatalogAnswers { catalog: catalog.clone(), staging, limits: args.limits };
    let (screen, quiet) = (app.shared_screen(), app.common.quiet);
    let request = ServeRequest {
        catalog,
        place: place(app),
        listen: args.listen,
        view: Arc::new(view),
        say: Arc::new(move |words| {
            if !quiet {
                screen.say(words);
            }
        }),
    };
    serve(request, &app.stop)?;
    Ok(Exit::Done)
}

fn place(app: &App) -> HubPlace {
    HubPlace::read(app.common.hub.clone())
}

pub fn open(app: &App) -> Result<Exit, RunError> {
    let answer = client::post(&place(app), "/api/links", "{}")?.text()?;
    let answer: Value = serde_json::from_str(&answer).map_err(|_| ClientError::NotAService)?;
    let link = answer["link"].as_str().ok_or(ClientError::NotAService)?;
    match app.common.json {
        true => app.screen().object(&json!({"link": link}))?,
        false => app.screen().result(&format!("{link}\n"))?,
    }
    Ok(Exit::Done)
}

pub fn follow(app: &App) -> Result<Exit, RunError> {
    let screen = app.screen();
    let narrator = std::cell::RefCell::new(Narrator::default());
    let say = |lines: Vec<String>| {
        lines.iter().try_for_each(|line| screen.result(&format!("{line}\n")))?;
        Ok(())
    };
    let object = |object: &Value| Ok::<_, RunError>(screen.object(object)?);
    follow_events(
        &place(app),
        &app.stop,
        |state| match screen.json() {
            true => object(state),
            false => say(narrator.borrow_mut().state(state, Moment::now())),
        },
        |event| match screen.json() {
            true => object(event),
            false => say(narrator.borrow_mut().line(event, Moment::now()).into_iter().collect()),
        },
    )?;
    if app.stop.check().is_err() {
        return Ok(Exit::Done);
    }
    screen.say("the service has ended");
    Ok(Exit::Failed)
}

pub fn answer(app: &App, args: AnswerArgs) -> Result<Exit, RunError> {
    let place = place(app);
    let (question, word) = match &args.words[..] {
        [question, word] => (question.clone(), word),
        [word] => (only_question(&place)?, word),
        _ => return Err(RunError::Usage("answer takes QUESTION and ANSWER".to_owned())),
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !question.bytes().all(is_name) {
        return Err(RunError::Usage(format!("{question} is not the name of a question")));
    }
    let body = json!({"answer": word}).to_string();
    client::post(&place, &format!("/api/questions/{question}"), &body)?.text()?;
    if !app.common.quiet {
        app.screen().say(&format!("answered: {word}"));
    }
    Ok(Exit::Done)
}

/// Of all runs.
fn only_question(place: &HubPlace) -> Result<String, RunError> {
    let open = client::get(place, "/api/questions")?.text()?;
    let open: Vec<Value> = serde_json::from_str(&open).map_err(|_| ClientError::NotAService)?;
    match &open[..] {
        [] => Err(RunError::Usage("no question is open".to_owned())),
        [question] => Ok(question["id"].as_str().ok_or(ClientError::NotAService)?.to_owned()),
        several => {
            let names = several.iter().filter_map(|one| one["id"].as_str());
            let names = names.collect::<Vec<_>>().join(", ");
            Err(RunError::Usage(format!("several questions are open; name one of {names}")))
        }
    }
}

/// What the service asks of the catalog.
struct CatalogAnswers {
    catalog: PathBuf,
    staging: PathBuf,
    limits: LimitArgs,
}

impl CatalogAnswers {
    /// None where nothing was backed up yet.
    fn names(&self) -> Result<Vec<SetName>, ViewError> {
        match self.catalog.exists() {
            true => Query::sets(&self.catalog).map_err(failed),
            false => Ok(Vec::new()),
        }
    }

    /// The named set, or all.
    fn queries(&self, set: Option<&str>) -> Result<Vec<Query>, ViewError> {
        let names = match set {
            Some(name) => vec![self.known(set_name(name)?)?],
            None => self.names()?,
        };
        let open = |name: &SetName| Query::open(&self.catalog, Some(name)).map_err(failed);
        names.iter().map(open).collect()
    }

    /// A catalog that is not there yet has no sets.
    fn known<T>(&self, asked: T) -> Result<T, ViewError> {
        match self.catalog.exists() {
            true => Ok(asked),
            false => Err(ViewError::NotThere("nothing has been backed up yet".to_owned())),
        }
    }

    /// All sets, judged by these limits.
    fn glances(
        &self,
        limits: &dyn Fn(&SetName) -> StatusLimits,
        now: Moment,
    ) -> Result<Vec<SetGlance>, ViewError> {
        match self.catalog.exists() {
            true => glance(&self.catalog, &self.staging, None, limits, now).map_err(failed),
            false => Ok(Vec::new()),
        }
    }
}

impl CatalogView for CatalogAnswers {
    fn sets(&self) -> Result<Vec<SetObject>, ViewError> {
        let sets = self.glances(&|_| StatusLimits::default(), Moment::now())?;
        Ok(sets.iter().map(|glance| set::line(glance).object()).collect())
    }

    fn set_names(&self) -> Result<Vec<String>, ViewError> {
        Ok(self.names()?.iter().map(SetName::to_string).collect())
    }

    fn status(&self) -> Result<Vec<SetStatusObject>, ViewError> {
        let now = Moment::now();
        let sets = self.glances(&|set| self.limits.of(set), now)?;
        Ok(sets.into_iter().map(|glance| status::status_line(glance, now).object()).collect())
    }

    fn numbers(&self) -> Result<Vec<SetNumbers>, ViewError> {
        let sets = self.glances(&|set| self.limits.of(set), Moment::now())?;
        Ok(sets.into_iter().map(numbers_of).collect())
    }

    fn discs(&self, set: Option<&str>) -> Result<Vec<DiscObject>, ViewError> {
        let mut all = Vec::new();
        for query in self.queries(set)? {
            all.extend(discs_of(&query)?);
        }
        Ok(all)
    }

    fn snapshots(&self, set: Option<&str>) -> Result<Vec<SnapshotObject>, ViewError> {
        let mut all = Vec::new();
        for query in self.queries(set)? {
            let snapshots = query.snapshots().map_err(failed)?;
            all.extend(snapshots.into_iter().map(|one| snapshot_line(query.name(), one).object()));
        }
        Ok(all)
    }

    fn list(
        &self,
        set: Option<&str>,
        path: &[u8],
        snapshot: Option<u32>,
    ) -> Result<Vec<PathObject>, ViewError> {
        let name = set.map(set_name).transpose()?;
        let path = directory(path)?;
        let query = Query::open(&self.catalog, self.known(name)?.as_ref()).map_err(failed)?;
        let rows = query.list(&path, snapshot.map(SnapshotSeq)).map_err(failed)?;
        Ok(rows.iter().map(Object::object).collect())
    }

    fn find(&self, search: &Search, is_wanted: &dyn Fn() -> bool) -> Result<Found, ViewError> {
        let pattern = pattern(&search.words)?;
        let mut all = Found::default();
        for query in self.queries(search.set.as_deref())? {
            all.has_more |= !is_wanted();
            if all.has_more {
                break;
            }
            let room = search.most - all.paths.len();
            let found = query.search(&pattern, room, is_wanted).map_err(failed)?;
            all.has_more |= !found.is_all;
            let discs = if found.states.is_empty() { Vec::new() } else { discs_of(&query)? };
            let discs = discs.into_iter().map(|disc| (disc.id, disc)).collect();
            let path = |state| found_object(query.name(), state, &discs);
            all.paths.extend(found.states.into_iter().map(path));
        }
        Ok(all)
    }
}

fn numbers_of(glance: SetGlance) -> SetNumbers {
    let SetGlance { set, snapshots, discs, status, safety, .. } = glance;
    let mut numbers = SetNumbers {
        set: set.facts.name.to_string(),
        is_safe: match safety.verdict() {
            SafetyVerdict::Safe => Some(true),
            SafetyVerdict::NotSafe => Some(false),
            SafetyVerdict::Unknown => None,
        },
        copies_wanted: set.copies,
        all: tally([&status.live]),
        safe: tally(status.by_copies.range(set.copies..).map(|(_, tally)| tally)),
        last_backup: snapshots.last().map(|snapshot| snapshot.started),
        oldest_check: safety.oldest,
        ..SetNumbers::default()
    };
    for disc in discs {
        let disc = disc_line(&set.facts.name, disc).object();
        *numbers.discs.entry(word_of(&disc.state)).or_default() += 1;
        for copy in disc.media {
            *numbers.copies.entry(word_of(&copy.state)).or_default() += 1;
        }
    }
    numbers
}

fn tally<'a>(tallies: impl IntoIterator<Item = &'a FileTally>) -> Tally {
    tallies.into_iter().fold(Tally::default(), |all, one| Tally {
        files: all.files + one.files,
        bytes: all.bytes + one.bytes.0,
    })
}

fn discs_of(query: &Query) -> Result<Vec<DiscObject>, ViewError> {
    let discs = query.discs().map_err(failed)?;
    Ok(discs.into_iter().map(|disc| disc_line(query.name(), disc).object()).collect())
}

fn found_object(
    set: &SetName,
    state: FoundState,
    discs: &BTreeMap<u32, DiscObject>,
) -> FoundObject {
    let path = state.row.object();
    let on = path.discs.iter().filter_map(|number| discs.get(number)).map(|disc| FoundDiscObject {
        disc: disc.id,
        uuid: disc.uuid.clone(),
        state: disc.state,
        media: disc.media.clone(),
    });
    let on = on.collect();
    let (first, last) = (state.first.0, state.last.0);
    FoundObject { set: set.to_string(), path, first, last, on }
}

/// Longer words are nobody's.
const LONGEST_WORDS: usize = 255;

/// A part of a name, or a pattern where it has a slash or a sign that patterns have.
fn pattern(words: &str) -> Result<Pattern, ViewError> {
    let unclear = |why: &str| ViewError::Unclear(why.to_owned());
    let words = words.trim();
    if words.is_empty() {
        return Err(unclear("say what to look for: a part of a name, or a pattern"));
    }
    if words.len() > LONGEST_WORDS {
        return Err(unclear("the pattern is too long"));
    }
    let is_pattern = words.contains(['*', '?', '[', ']', '{', '}', '\\', '/']);
    let text = if is_pattern { words.to_owned() } else { format!("*{words}*") };
    Pattern::new(&text).map_err(|error| ViewError::Unclear(error.to_string()))
}

fn set_name(name: &str) -> Result<SetName, ViewError> {
    SetName::new(name).ok_or_else(|| ViewError::NotThere("there is no such set".to_owned()))
}

fn directory(path: &[u8]) -> Result<RelPath, ViewError> {
    rel_path(OsStr::from_bytes(path)).map_err(|error| ViewError::Unclear(error.to_string()))
}

fn failed(error: FlowError) -> ViewError {
    let words = chain(&error);
    match error {
        FlowError::Selection(
            SelectionError::NoSuchSet { .. }
            | SelectionError::NoSuchPath { .. }
            | SelectionError::NoSuchSnapshot { .. },
        ) => ViewError::NotThere(words),
        _ => ViewError::Failed(words),
    }
}
