//! What every verb works with: what was typed, the person, the screen, the wish to stop.

use std::cell::{Cell, OnceCell, RefCell};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::args::{Burning, Common, Verb};
use crate::cli::resolve::{PassphraseSource, Surroundings};
use crate::drive::StackTally;
use crate::flow::WaitLimit;
use crate::flow::base::keys::{KeyRing, SettingOrigin};
use crate::flow::{Context, FlowError, KeyError};
use crate::format::SizeLimits;
use crate::hub::hello::Hello;
use crate::hub::operator::{Desk, HubOperator};
use crate::hub::place::HubPlace;
use crate::hub::report::HubReporter;
use crate::port::event::Activity;
use crate::port::files::PrivateDir;
use crate::port::monitor::{Monitor, NewTask, RunningTask};
use crate::port::notice::KeyNotice;
use crate::port::operator::reporting::ReportingOperator;
use crate::port::stop::Stop;
use crate::port::trust::read_trusted;
use crate::ui::ask::Person;
use crate::ui::exit::Exit;
use crate::ui::json::event::{Event, Summary};
use crate::ui::json::storing::StackObject;
use crate::ui::progress::{Reporter, Show};
use crate::ui::screen::Screen;
use crate::ui::summary::stack_line;

use super::error::RunError;

/// What every verb works with.
pub struct App {
    pub common: Common,
    pub around: Surroundings,
    screen: Arc<Screen>,
    /// The command, as a task.
    pub monitor: RunningTask,
    reporter: Arc<Reporter>,
    pub person: ReportingOperator<HubOperator>,
    /// Questions that somebody elsewhere may answer.
    desk: Arc<Desk>,
    /// For commands that do work.
    report: OnceCell<HubReporter>,
    pub stop: Stop,
    /// What became of the discs that loaders took.
    pub stack: Arc<StackTally>,
    is_stack_said: Cell<bool>,
    /// For those who have no staging area; removed with the room.
    temporary: OnceCell<PrivateDir>,
}

impl App {
    pub fn new(common: Common, command: &'static str, stop: Stop, screen: Arc<Screen>) -> App {
        let monitor = Monitor::new();
        let reporter = Reporter::new(screen.clone(), Show::choose(common.quiet));
        // A service runs for months: what it left out would never be said.
        let shows_all = common.verbose || command == "watch";
        let reporter = Arc::new(if shows_all { reporter.showing_all() } else { reporter });
        monitor.listen(reporter.clone());
        let wait_limit = common.wait.unwrap_or(WaitLimit::Endless);
        let person = Person::new(screen.clone(), common.yes, wait_limit, stop.clone());
        let (around, desk) = (Surroundings::read(), Arc::new(Desk::new(common.yes)));
        let elsewhere = common.wait.unwrap_or(match around.is_service {
            true => WaitLimit::Endless,
            false => WaitLimit::AtMost(Duration::ZERO),
        });
        let person = HubOperator::new(person, desk.clone(), elsewhere, stop.clone());
        let person = ReportingOperator::new(person, monitor.clone());
        App {
            around,
            desk,
            report: OnceCell::new(),
            monitor: monitor.begin(NewTask::new(Activity::Command(command))),
            reporter,
            person,
            screen,
            common,
            stop,
            stack: Arc::default(),
            is_stack_said: Cell::new(false),
            temporary: OnceCell::new(),
        }
    }

    /// Reports to the service of this catalog, if there is one, what a command does that does work.
    pub fn report_to_service(&self, verb: &Verb) {
        let Ok(catalog) = self.around.catalog(&self.common) else { return };
        if !is_work(verb) {
            return;
        }
        let hello = Hello::new(verb.name(), &catalog);
        let place = HubPlace::read(self.common.hub.clone());
        let reporter = HubReporter::start(place, hello, self.desk.clone());
        self.monitor.listen(Arc::new(reporter.clone()));
        // Nobody began to report before.
        let _ = self.report.set(reporter);
    }

    pub fn end_report(&self, exit: Exit, text: &str) {
        if let Some(report) = self.report.get() {
            report.end(exit.code(), text);
        }
    }

    pub fn context(&self) -> Context<'_> {
        Context {
            monitor: &self.monitor,
            operator: &self.person,
            stop: &self.stop,
            wait_limit: self.common.wait.unwrap_or_else(|| self.default_wait()),
            turn: self.common.wait.unwrap_or(WaitLimit::AtMost(Duration::ZERO)),
            overwrite: false,
            limits: if self.common.no_limits { SizeLimits::Lifted } else { SizeLimits::Kept },
        }
    }

    pub fn context_for(&self, burning: &Burning) -> Context<'_> {
        Context { overwrite: burning.overwrite_disc, ..self.context() }
    }

    /// A person at a terminal inserts discs when they come to it, and a service has all the time.
    fn default_wait(&self) -> WaitLimit {
        match self.person.is_there() || self.around.is_service {
            true => WaitLimit::Endless,
            false => WaitLimit::AtMost(Duration::ZERO),
        }
    }

    /// For what is said when the work is done. How many messages were left out is said before.
    pub fn screen(&self) -> &Screen {
        self.reporter.say_left_out();
        self.say_stack();
        &self.screen
    }

    /// For what is said as long as the command runs.
    pub fn shared_screen(&self) -> Arc<Screen> {
        self.screen.clone()
    }

    /// The last words of a run: what went wrong, if other messages followed it, and how much was not
    /// done.
    pub fn last_words(&self, count: Option<String>) -> String {
        self.reporter.last_words(count)
    }

    /// What became of the discs of a stack, once; nothing if no loader took any.
    fn say_stack(&self) {
        let count = self.stack.count();
        if count.discs == 0 || self.is_stack_said.replace(true) {
            return;
        }
        if !self.common.quiet || !count.rejected.is_empty() {
            self.screen.say(&stack_line(&count));
        }
        // If stdout is closed, whoever writes to it next says so.
        let _ = self.screen.object(&Event::Stack(StackObject::of(&count)));
    }

    /// The last object of a run that has a result. Nothing without `--json`.
    pub fn summary(&self, summary: Summary) -> Result<(), RunError> {
        Ok(self.screen().object(&Event::Summary(summary))?)
    }

    /// Keys as they were named; nothing is asked before it is needed.
    pub fn with_keys<T>(
        &self,
        work: impl FnOnce(KeyRing<'_>) -> Result<T, RunError>,
    ) -> Result<T, RunError> {
        let keys = &self.common.keys;
        let source = PassphraseSource::choose(keys, &self.around);
        let said = RefCell::new(Vec::new());
        let note = |notice: KeyNotice| {
            // Each thing once, however often the keys are looked at.
            if !said.borrow().contains(&notice) {
                said.borrow_mut().push(notice.clone());
                self.monitor.note(notice.into());
            }
        };
        let ask = |request| {
            source.warning().into_iter().for_each(&note);
            source.read(&self.person, request, keys.odd_passphrase, &self.stop).map_err(|error| {
                let words = error.to_string();
                KeyError::NotRead(Box::new(error), words).into()
            })
        };
        let named =
            |typed: bool| if typed { SettingOrigin::Typed } else { SettingOrigin::Configuration };
        work(KeyRing {
            passphrase: &ask,
            tries: source.tries(),
            encrypt: keys.encrypt,
            plain: keys.no_encrypt.then(|| named(keys.typed.no_encrypt)),
            named: source.named(keys),
            recipients: read_files(&keys.recipient)?,
            recipients_named: named(keys.typed.recipient),
            new_recipients: keys.new_recipients,
            note: &note,
            hidden: keys.hidden_recipients,
            secret_key: match keys.secret_key.is_empty() {
                true => None,
                false => Some(read_files(&keys.secret_key)?.concat()),
            },
        })
    }

    /// Where a catalog from a disc is unpacked: in the staging area, which is private; for somebody who
    /// has none, in a directory of its own among temporary files.
    pub fn scratch(&self) -> Result<PathBuf, RunError> {
        if let Ok(staging) = self.around.staging(&self.common) {
            return Ok(staging.join("scratch"));
        }
        let temporary = std::env::temp_dir();
        let made = match self.temporary.get() {
            Some(made) => made,
            None => {
                let made = PrivateDir::new_in(&temporary).map_err(|source| FlowError::Staging {
                    path: temporary,
                    what: "cannot create a temporary directory",
                    source,
                })?;
                self.temporary.get_or_init(|| made)
            }
        };
        Ok(made.path().to_owned())
    }
}

/// Whether a command takes its time, and may ask something.
fn is_work(verb: &Verb) -> bool {
    match verb {
        Verb::Backup(args) => !args.dry_run,
        Verb::Restore(args) => !args.dry_run,
        Verb::Check(args) => !args.dry_run,
        Verb::Burn(_)
        | Verb::Catalog(_)
        | Verb::Copy(_)
        | Verb::Drill(_)
        | Verb::Flush(_)
        | Verb::Lost(_)
        | Verb::Migrate(_)
        | Verb::Rescue(_)
        | Verb::Retire(_)
        | Verb::Verify(_)
        | Verb::Watch(_) => true,
        _ => false,
    }
}

/// The contents of files that were named on the command line.
pub fn read_files(paths: &[PathBuf]) -> Result<Vec<Vec<u8>>, RunError> {
    let read = |path: &PathBuf| {
        read_trusted(path).map_err(|source| {
            RunError::Flow(FlowError::Staging {
                path: path.clone(),
                what: "cannot be read",
                source,
            })
        })
    };
    paths.iter().map(read).collect()
}
