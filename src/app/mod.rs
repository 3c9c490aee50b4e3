//! From what was typed to an exit code: the wiring of everything. The only place that knows both
//! the command line and the words with the human.

mod acting_as;
#[cfg(test)]
mod drive_states;
pub mod verbs;

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::catalog::Fate;
use crate::cli::args::{Burning, Cli, Common, Verb};
use crate::cli::resolve::{PassphraseSource, ResolveError, Surroundings};
use crate::flow::insertion::Patience;
use crate::flow::keys::{KeyRing, Named, Needless};
use crate::flow::{Desk, FlowError, chain};
use crate::format::Limits;
use crate::port::confinement;
use crate::port::files::{PrivateDir, is_for_want_of_room};
use crate::port::monitor::Monitor;
use crate::port::stop::{Stop, Stopped};
use crate::ui::ask::Person;
use crate::ui::exit::Exit;
use crate::ui::progress::{Reporter, Show};
use crate::ui::screen::Screen;

const MAKE_ROOM: &str =
    "make room there, and run the same command again: what was finished is kept";

/// What every verb works with.
pub struct Room {
    pub common: Common,
    pub around: Surroundings,
    pub screen: Arc<Screen>,
    pub reporter: Reporter,
    pub person: Person,
    pub stop: Stop,
    /// For those who have no staging area; removed with the room.
    temporary: OnceCell<PrivateDir>,
}

/// Why a verb ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Flow(#[from] FlowError),
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error(transparent)]
    Rights(#[from] acting_as::RightsError),
    #[error("cannot write to standard output")]
    Output(#[from] std::io::Error),
    /// Something on the command line that only its use can show to be wrong.
    #[error("{0}")]
    Usage(String),
}

impl Room {
    pub fn desk(&self) -> Desk<'_> {
        Desk {
            monitor: &self.reporter,
            operator: &self.person,
            stop: &self.stop,
            patience: self.common.wait.unwrap_or_else(|| self.default_patience()),
            turn: self.common.wait.unwrap_or(Patience::AtMost(Duration::ZERO)),
            overwrite: false,
            limits: if self.common.no_limits { Limits::Lifted } else { Limits::Kept },
        }
    }

    pub fn desk_for(&self, burning: &Burning) -> Desk<'_> {
        Desk { overwrite: burning.overwrite_disc, ..self.desk() }
    }

    /// A person at a terminal inserts discs when they come to it, and a service has all the time.
    fn default_patience(&self) -> Patience {
        match self.person.is_there() || self.around.is_service {
            true => Patience::Endless,
            false => Patience::AtMost(Duration::ZERO),
        }
    }

    /// Keys as they were named; nothing is asked before it is needed.
    pub fn with_keys<T>(
        &self,
        work: impl FnOnce(KeyRing<'_>) -> Result<T, RunError>,
    ) -> Result<T, RunError> {
        let keys = &self.common.keys;
        let source = PassphraseSource::choose(keys, &self.around);
        let said = RefCell::new(BTreeSet::new());
        let note = |words: &str| {
            // Each thing once, however often the keys are looked at.
            if said.borrow_mut().insert(words.to_owned()) {
                self.reporter.note(words);
            }
        };
        let ask = |prompt: &str, asking| {
            source.warning().into_iter().for_each(|words| note(&words));
            source.read(&self.person, prompt, asking, keys.odd_passphrase, &self.stop).map_err(
                |error| {
                    let words = error.to_string();
                    FlowError::Key(Box::new(error), words)
                },
            )
        };
        let named = |typed: bool| if typed { Named::Typed } else { Named::Configuration };
        work(KeyRing {
            passphrase: &ask,
            tries: source.tries(),
            encrypt: keys.encrypt,
            plain: keys.no_encrypt.then(|| named(keys.typed.no_encrypt)),
            named: source.named(keys),
            recipients: verbs::read_files(&keys.recipient)?,
            recipients_named: named(keys.typed.recipient),
            new_recipients: keys.new_recipients,
            note: &note,
            hidden: keys.hidden_recipients,
            secret_key: match keys.secret_key.is_empty() {
                true => None,
                false => Some(verbs::read_files(&keys.secret_key)?.concat()),
            },
        })
    }
}

/// What becomes of a passphrase that was named for a set that needs none.
#[derive(Clone, Copy)]
enum IfNeedless {
    Refuse,
    Mention,
}

impl Room {
    /// For commands that have no use for keys.
    fn look_at_needless_passphrase(&self, then: IfNeedless) -> Result<(), RunError> {
        let named = PassphraseSource::choose(&self.common.keys, &self.around);
        let named = named.named(&self.common.keys);
        let Ok(catalog) = self.around.catalog(&self.common) else { return Ok(()) };
        let set = || Needless::set_of(&catalog, self.common.set.as_ref());
        let Some(set) = named.and_then(|_| set()) else { return Ok(()) };
        let needless = Needless { named, note: &|words| self.reporter.note(words) };
        match then {
            IfNeedless::Refuse => needless.refuse(&set)?,
            IfNeedless::Mention => needless.mention(&set),
        }
        Ok(())
    }
}

/// Runs the verb; every word that is owed to the person has been said when this returns.
pub fn run(cli: Cli, stop: Stop) -> Exit {
    let Cli { common, verb } = cli;
    let screen = Arc::new(Screen::standard(common.json));
    if common.verbose {
        let screen = screen.clone();
        confinement::tell_what_is_missing(move |words| screen.say(&format!("coldcut: {words}")));
    }
    let room = Room {
        around: Surroundings::read(),
        reporter: Reporter::new(screen.clone(), Show::choose(common.quiet)),
        person: Person::new(
            screen.clone(),
            common.yes,
            common.wait.unwrap_or(Patience::Endless),
            stop.clone(),
        ),
        screen,
        common,
        stop,
        temporary: OnceCell::new(),
    };
    let settled = acting_as::settle(&room, &verb).map_err(RunError::from);
    let done = settled.and_then(|()| dispatch(&room, verb));
    room.reporter.rest();
    // A signal ends every wait: what failed, or was left undone, because of it is not what happened.
    let signal = room.stop.check().err();
    let exit = match (&done, signal) {
        (_, Some(stopped)) => Exit::Interrupted(stopped.0),
        (Ok(exit), None) => *exit,
        (Err(error), None) => exit_of(error),
    };
    for words in last_words(&done, signal, room.person.was_interrupted()) {
        room.screen.say(&format!("coldcut: {words}"));
    }
    exit
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
            words.push(chain(error));
            if is_for_want_of_room(error) {
                words.push(MAKE_ROOM.to_owned());
            }
        }
        (_, Some(stopped)) => words.push(stopped.to_string()),
        (_, None) => {}
    }
    if signal.is_some() {
        words.push("what was finished is kept; the next run goes on from there".to_owned());
    }
    words
}

fn dispatch(room: &Room, verb: Verb) -> Result<Exit, RunError> {
    match &verb {
        Verb::Burn(_) => room.look_at_needless_passphrase(IfNeedless::Refuse)?,
        Verb::Verify(_)
        | Verb::Check(_)
        | Verb::Drill(_)
        | Verb::Snapshots(_)
        | Verb::Discs(_)
        | Verb::Ls(_)
        | Verb::Find(_)
        | Verb::Status(_)
        | Verb::Keysheet(_) => room.look_at_needless_passphrase(IfNeedless::Mention)?,
        // The others use keys, and look at them themselves, or are about no set.
        _ => {}
    }
    match verb {
        Verb::Backup(args) => verbs::backup::run(room, args),
        Verb::Burn(args) => verbs::burn::run(room, args),
        Verb::Restore(args) => verbs::restore::run(room, args),
        Verb::Verify(args) => verbs::verify::run(room, args),
        Verb::Drill(args) => verbs::drill::run(room, args),
        Verb::Rescue(args) => verbs::rescue::run(room, args),
        Verb::Flush(args) => verbs::flush::run(room, args),
        Verb::Watch(args) => verbs::watch::run(room, args),
        Verb::Drives(_) => verbs::drives::run(room),
        Verb::Snapshots(_) => verbs::query::snapshots(room),
        Verb::Discs(_) => verbs::query::discs(room),
        Verb::Ls(args) => verbs::query::ls(room, args),
        Verb::Find(args) => verbs::query::find(room, args),
        Verb::Status(args) => verbs::status::run(room, args),
        Verb::Locate(args) => verbs::locate::run(room, args),
        Verb::Lost(args) => verbs::give_up::run(room, args, Fate::Lost),
        Verb::Retire(args) => verbs::give_up::run(room, args, Fate::Retired),
        Verb::Check(args) => verbs::check::run(room, args),
        Verb::Copy(args) => verbs::copy::run(room, args),
        Verb::Migrate(args) => verbs::migrate::run(room, args),
        Verb::Keysheet(args) => verbs::keysheet::run(room, args),
        Verb::Set(args) => verbs::set::run(room, args),
        Verb::Catalog(args) => verbs::catalog::run(room, args),
    }
}

/// The code of a command that could not do its work; `docs/exit-codes.md` is the promise.
fn exit_of(error: &RunError) -> Exit {
    match error {
        RunError::Usage(_) => Exit::Usage,
        RunError::Flow(error) if error.absence().is_some() => Exit::DiscMissing,
        RunError::Flow(FlowError::Stopped(stopped)) => Exit::Interrupted(stopped.0),
        RunError::Flow(
            FlowError::NoBlank { .. } | FlowError::NeverCame { .. } | FlowError::NoDiscs(_),
        ) => Exit::DiscMissing,
        RunError::Flow(
            FlowError::ReadBackFailed { .. }
            | FlowError::CopyDamaged { .. }
            | FlowError::DrillFailed { .. },
        ) => Exit::Damage,
        RunError::Flow(FlowError::OthersTurn { .. }) => Exit::Busy,
        _ => Exit::Failed,
    }
}
