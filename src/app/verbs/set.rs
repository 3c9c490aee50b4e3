//! `coldcut set list`, `coldcut set forget` and `coldcut set rename`.

use std::os::unix::ffi::OsStrExt;

use crate::app::{App, RunError};
use crate::catalog::DiscState;
use crate::cli::args::{SetArgs, SetWork};
use crate::flow::FlowError;
use crate::flow::staging::area::source_bytes;
use crate::flow::status::forget_set::Forgetting;
use crate::flow::status::latest::StatusLimits;
use crate::flow::status::query::{SetGlance, glance};
use crate::flow::status::rename_set::rename;
use crate::model::path::shown;
use crate::model::{DiscList, SetName};
use crate::port::clock::Moment;
use crate::port::operator::Operator;
use crate::port::question::{Answer, Question};
use crate::ui::exit::Exit;
use crate::ui::json::event::Summary;
use crate::ui::json::numbers;
use crate::ui::json::sets::{ForgetSummary, RenameSummary};
use crate::ui::sets::SetLine;
use crate::ui::table;

pub fn run(app: &App, args: SetArgs) -> Result<Exit, RunError> {
    match (args.what, args.old, args.new) {
        (SetWork::Forget, Some(name), _) => forget(app, &name, args.even_with_discs),
        (SetWork::Rename, Some(name), Some(new)) => give_name(app, &name, &new),
        _ => list(app),
    }
}

fn list(app: &App) -> Result<Exit, RunError> {
    let catalog = app.around.catalog(&app.common)?;
    let staging = app.around.staging(&app.common)?;
    let sets = match catalog.exists() {
        true => {
            // How safe they are is for `status` to say.
            let any = |_: &SetName| StatusLimits::default();
            glance(&catalog, &staging, app.common.set.as_ref(), &any, Moment::now())?
        }
        false => Vec::new(),
    };
    let lines: Vec<SetLine> = sets.iter().map(line).collect();
    table::print(app.screen(), &lines)?;
    Ok(Exit::Done)
}

pub(super) fn line(glance: &SetGlance) -> SetLine {
    let facts = &glance.set.facts;
    let newest = glance.snapshots.last();
    SetLine {
        name: facts.name.clone(),
        uuid: facts.uuid,
        source: source_bytes(&facts.source),
        encryption: facts.encryption,
        snapshots: glance.snapshots.len() as u64,
        discs: glance.discs.iter().filter(|disc| !disc.media.is_empty()).count() as u64,
        staged: glance.discs.iter().filter(|disc| disc.info.state == DiscState::Staged).count()
            as u64,
        newest: newest.map(|snapshot| snapshot.started),
    }
}

fn give_name(app: &App, name: &SetName, new: &SetName) -> Result<Exit, RunError> {
    let catalog = app.around.catalog(&app.common)?;
    let staging = app.around.staging(&app.common)?;
    rename(&catalog, &staging, (name, new), app.context())?;
    if !app.common.quiet {
        app.screen().say(&format!(
            "set {name} is now called {new}. Its existing discs keep the old name; change it in \
             configuration files and services that use it"
        ));
    }
    app.summary(Summary::SetRename(RenameSummary {
        set: new.to_string(),
        before: name.to_string(),
    }))?;
    Ok(Exit::Done)
}

fn forget(app: &App, name: &SetName, even_with_discs: bool) -> Result<Exit, RunError> {
    let catalog = app.around.catalog(&app.common)?;
    let staging = app.around.staging(&app.common)?;
    let work = Forgetting::weigh(&catalog, &staging, name, app.context())?;
    if !work.discs.is_empty() {
        agree_to_lose_discs(app, &work, even_with_discs)?;
    }
    let remove = !work.staged.is_empty() && agree_to_remove_staged(app, &work);
    let summary = ForgetSummary {
        set: name.to_string(),
        discs: numbers(&work.discs),
        staged: numbers(&work.staged),
        staged_removed: remove,
    };
    let (staged, at) = (work.staged.clone(), work.staged_at());
    work.record(remove)?;
    if !app.common.quiet {
        app.screen().say(&format!("set {name} is forgotten"));
    }
    if !staged.is_empty() && !remove {
        let (discs, at) = (DiscList::of(&staged), shown(at.as_os_str().as_bytes()));
        app.screen().say(&format!("what was packed for its discs ({discs}) is still in {at}"));
    }
    app.summary(Summary::SetForget(summary))?;
    Ok(Exit::Done)
}

/// Without the catalog nobody knows what is on those discs until they are read again.
fn agree_to_lose_discs(
    app: &App,
    work: &Forgetting,
    even_with_discs: bool,
) -> Result<(), RunError> {
    let (name, discs) = (&work.set.facts.name, DiscList::of(&work.discs));
    if !even_with_discs {
        let (name, count) = (name.clone(), work.discs.len());
        return Err(FlowError::HasDiscs { name, count }.into());
    }
    let question =
        Question::ForgetSet { set: name.clone(), snapshots: work.snapshots as u64, discs };
    match app.person.ask(question) {
        Answer::Yes => Ok(()),
        _ => Err(FlowError::NotAgreed.into()),
    }
}

fn agree_to_remove_staged(app: &App, work: &Forgetting) -> bool {
    let (set, discs) = (work.set.facts.name.clone(), DiscList::of(&work.staged));
    let question = Question::RemoveStaged { set, discs, dir: work.staged_at() };
    app.person.ask(question) == Answer::Yes
}
