//! From what was typed to an exit code: the wiring of everything. The only place that knows both
//! the command line and the words with the human.

mod acting_as;
#[cfg(test)]
mod drive_states;
mod error;
mod shared;
pub mod verbs;

use std::sync::Arc;

use crate::catalog::Fate;
use crate::cli::args::{Cli, Verb};
use crate::cli::parse::Refusal;
use crate::cli::resolve::PassphraseSource;
use crate::drive::DriveError;
use crate::flow::base::keys::Needless;
use crate::flow::{BurnFailure, DiscsError, FlowError, chain};
use crate::port::confinement;
use crate::port::files::is_for_want_of_room;
use crate::port::stop::{Stop, Stopped};
use crate::ui::exit::Exit;
use crate::ui::json::event::{ErrorObject, Event};
use crate::ui::screen::Screen;
use crate::ui::words::advice::with_advice;
use crate::ui::words::insertion::where_to_find;

use error::RunError;
use shared::App;

const MAKE_ROOM: &str = "make room there and run the same command again: finished work is kept";

/// What becomes of a passphrase that was named for a set that needs none.
#[derive(Clone, Copy)]
enum IfNeedless {
    Refuse,
    Mention,
}

/// For commands that have no use for keys.
fn look_at_needless_passphrase(app: &App, then: IfNeedless) -> Result<(), RunError> {
    let named = PassphraseSource::choose(&app.common.keys, &app.around);
    let named = named.named(&app.common.keys);
    let Ok(catalog) = app.around.catalog(&app.common) else { return Ok(()) };
    let set = || Needless::set_of(&catalog, app.common.set.as_ref());
    let Some(set) = named.and_then(|_| set()) else { return Ok(()) };
    let needless = Needless { named, note: &|notice| app.monitor.note(notice.into()) };
    match then {
        IfNeedless::Refuse => needless.refuse(&set)?,
        IfNeedless::Mention => needless.mention(&set),
    }
    Ok(())
}

/// Runs the verb; every word that is owed to the person has been said when this returns.
pub fn run(cli: Cli, stop: Stop) -> Exit {
    let Cli { common, verb } = cli;
    let screen = Arc::new(Screen::standard(common.json));
    if common.verbose {
        let screen = screen.clone();
        confinement::tell_what_is_missing(move |words| screen.say(&format!("coldcut: {words}")));
    }
    let app = App::new(common, verb.name(), stop, screen);
    // These do nothing else until somebody stops them.
    let is_endless = matches!(verb, Verb::Serve(_) | Verb::Follow(_));
    let settled = acting_as::settle(&app, &verb).map_err(RunError::from);
    let done = settled.and_then(|()| {
        app.report_to_service(&verb);
        dispatch(&app, verb)
    });
    // A signal ends every wait: what failed, or was left undone, because of it is not what happened.
    let signal = app.stop.check().err().filter(|_| !is_endless || done.is_err());
    let exit = match (&done, signal) {
        (_, Some(stopped)) => Exit::Interrupted(stopped.0),
        (Ok(exit), None) => *exit,
        (Err(error), None) => exit_of(error),
    };
    let words = last_words(&done, signal, app.person.was_interrupted());
    let screen = app.screen();
    for words in &words {
        screen.say(&format!("coldcut: {words}"));
    }
    if done.is_err() || signal.is_some() {
        report_failure(screen, exit, words.join("\n"));
    }
    app.end_report(exit, &words.join("\n"));
    exit
}

/// Ends a run that never began because of its command line, or shows the help that was asked for.
pub fn refuse(refusal: Refusal) -> ! {
    if refusal.is_error() {
        let screen = Screen::standard(refusal.json);
        report_failure(&screen, Exit::Usage, refusal.to_string().trim_end().to_owned());
    }
    refusal.exit()
}

/// The same for a run that could not begin because of something else.
pub fn fail(json: bool, words: &str) -> Exit {
    let screen = Screen::standard(json);
    screen.say(&format!("coldcut: {words}"));
    report_failure(&screen, Exit::Failed, words.to_owned());
    Exit::Failed
}

/// The last object for programs. If stdout is closed, there is nobody to tell.
fn report_failure(screen: &Screen, exit: Exit, text: String) {
    let error = ErrorObject { kind: exit.kind(), exit: exit.code(), text };
    let _ = screen.object(&Event::Error(error));
}

/// Why the run ended as it did, if it is not simply done, and what to do about it.
fn last_words(
    done: &Result<Exit, RunError>,
    signal: Option<Stopped>,
    at_a_prompt: bool,
) -> Vec<String> {
    let mut words = Vec::new();
    match (done, signal) {
        (Err(error), _) if !at_a_prompt => {
            words.push(error_words(error));
            if let RunError::Flow(error) = error {
                words.extend(where_to_find(error));
            }
            if is_for_want_of_room(error) {
                words.push(MAKE_ROOM.to_owned());
            }
        }
        (_, Some(stopped)) => words.push(stopped.to_string()),
        (_, None) => {}
    }
    if signal.is_some() {
        words.push("finished work is kept; the next run resumes from there".to_owned());
    }
    words
}

fn error_words(error: &RunError) -> String {
    match error {
        RunError::Flow(error) => with_advice(error),
        error => chain(error),
    }
}

fn dispatch(app: &App, verb: Verb) -> Result<Exit, RunError> {
    match &verb {
        Verb::Burn(_) => look_at_needless_passphrase(app, IfNeedless::Refuse)?,
        Verb::Verify(_)
        | Verb::Check(_)
        | Verb::Drill(_)
        | Verb::Snapshots(_)
        | Verb::Discs(_)
        | Verb::Ls(_)
        | Verb::Find(_)
        | Verb::Status(_)
        | Verb::Keysheet(_) => look_at_needless_passphrase(app, IfNeedless::Mention)?,
        // The others use keys, and look at them themselves, or are about no set.
        _ => {}
    }
    match verb {
        Verb::Backup(args) => verbs::backup::run(app, args),
        Verb::Burn(args) => verbs::burn::run(app, args),
        Verb::Restore(args) => verbs::restore::run(app, args),
        Verb::Verify(args) => verbs::verify::run(app, args),
        Verb::Drill(args) => verbs::drill::run(app, args),
        Verb::Rescue(args) => verbs::rescue::run(app, args),
        Verb::Flush(args) => verbs::flush::run(app, args),
        Verb::Watch(args) => verbs::watch::run(app, args),
        Verb::Drives(_) => verbs::drives::run(app),
        Verb::Snapshots(_) => verbs::query::snapshots(app),
        Verb::Discs(_) => verbs::query::discs(app),
        Verb::Ls(args) => verbs::query::ls(app, args),
        Verb::Find(args) => verbs::query::find(app, args),
        Verb::Status(args) => verbs::status::run(app, args),
        Verb::Locate(args) => verbs::locate::run(app, args),
        Verb::Lost(args) => verbs::give_up::run(app, args, Fate::Lost),
        Verb::Retire(args) => verbs::give_up::run(app, args, Fate::Retired),
        Verb::Check(args) => verbs::check::run(app, args),
        Verb::Copy(args) => verbs::copy::run(app, args),
        Verb::Migrate(args) => verbs::migrate::run(app, args),
        Verb::Keysheet(args) => verbs::keysheet::run(app, args),
        Verb::Set(args) => verbs::set::run(app, args),
        Verb::Catalog(args) => verbs::catalog::run(app, args),
        Verb::Serve(args) => verbs::service::run(app, args),
        Verb::Open(_) => verbs::service::open(app),
        Verb::Follow(_) => verbs::service::follow(app),
        Verb::Answer(args) => verbs::service::answer(app, args),
    }
}

/// The code of a command that could not do its work; `docs/exit-codes.md` is the promise.
fn exit_of(error: &RunError) -> Exit {
    match error {
        RunError::Usage(_) => Exit::Usage,
        RunError::Flow(error) if error.absence().is_some() => Exit::DiscMissing,
        RunError::Flow(FlowError::Stopped(stopped)) => Exit::Interrupted(stopped.0),
        RunError::Flow(
            FlowError::NeverCame { .. }
            | FlowError::Burn(BurnFailure::NoBlank { .. } | BurnFailure::NeverReadBack { .. })
            | FlowError::Discs(DiscsError::NoDiscs(_)),
        ) => Exit::DiscMissing,
        RunError::Flow(
            FlowError::Burn(BurnFailure::ReadBackDamaged { .. })
            | FlowError::CopyDamaged { .. }
            | FlowError::DrillFailed { .. },
        ) => Exit::Damage,
        RunError::Flow(FlowError::OthersTurn { .. } | FlowError::Drive(DriveError::Busy(_))) => {
            Exit::Busy
        }
        _ => Exit::Failed,
    }
}
