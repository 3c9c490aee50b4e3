//! The programs that burn in a drive, behind one face: what they are told, what they say while
//! they work, and what their end means for the disc.

use std::ffi::OsString;

use super::optical::Sense;
use super::{BurnJob, DriveError, News};
use crate::port::command::{Program, ProgramExit};
use crate::port::lasting::{ProgramEnd, await_end, is_at_work};
use crate::port::notice::BurnNotice;
use crate::port::stop::Stop;

mod growisofs;
mod heard;
mod settings;
mod xorriso;

pub(super) use heard::{Heard, Report};
pub use settings::{BurnSource, BurnTarget, Engine, Settings, Speed};

/// That the programs are there which put discs on a shelf (no engine) or burn them: xorriso makes and
/// reads the images of both.
pub fn check_burning_programs(engine: Option<Engine>) -> Result<(), DriveError> {
    super::xorriso::look_for()?;
    match engine {
        Some(Engine::Growisofs) => growisofs::look_for(),
        Some(Engine::Xorriso) | None => Ok(()),
    }
}

/// The program's command line.
fn argv(
    job: &BurnJob,
    what: BurnSource,
    place: &BurnTarget,
    settings: &Settings,
) -> Result<Vec<OsString>, DriveError> {
    match (settings.engine, what) {
        (Engine::Xorriso, BurnSource::Tree) => xorriso::tree_argv(job, place, settings),
        (Engine::Xorriso, BurnSource::Image { path, .. }) => {
            xorriso::image_argv(path, place, settings)
        }
        (Engine::Growisofs, BurnSource::Image { path, sectors }) => {
            Ok(growisofs::argv(path, sectors, place, settings))
        }
        (Engine::Growisofs, BurnSource::Tree) => Err(DriveError::NotBegun {
            drive: place.drive.clone(),
            words: "growisofs burns whole images only".to_owned(),
            remedy: None,
        }),
    }
}

fn program(engine: Engine, argv: Vec<OsString>) -> Program {
    match engine {
        Engine::Xorriso => super::xorriso::program(argv),
        Engine::Growisofs => growisofs::program(argv),
    }
}

/// Burns. The program goes on if we are killed: [`settle`] waits for it then.
pub fn burn(
    job: &BurnJob,
    what: BurnSource,
    place: &BurnTarget,
    settings: &Settings,
    watch: &dyn Fn(News),
    stop: &Stop,
) -> Result<(), DriveError> {
    let argv = argv(job, what, place, settings)?;
    run(program(settings.engine, argv), settings.engine, job, place, watch, stop)
}

fn run(
    program: Program,
    engine: Engine,
    job: &BurnJob,
    place: &BurnTarget,
    watch: &dyn Fn(News),
    stop: &Stop,
) -> Result<(), DriveError> {
    let mut heard = Heard::default();
    let running = program.start_lasting(&place.log, stop)?;
    let ended = running.follow(stop, &mut || watch(News::BurnContinues), &mut |line| {
        let report = hear(engine, &String::from_utf8_lossy(line));
        heard.take(report, watch);
    })?;
    put_away(place)?;
    judge(engine, ended, &heard, job, place, watch, stop)
}

/// What one line of this program's output means.
pub(super) fn hear(engine: Engine, line: &str) -> Report {
    match engine {
        Engine::Xorriso => xorriso::hear(line),
        Engine::Growisofs => growisofs::hear(line),
    }
}

fn put_away(place: &BurnTarget) -> Result<(), DriveError> {
    std::fs::rename(&place.log, place.last_log()).map_err(DriveError::io("rename", &place.log))
}

/// Waits for the burn of a former run that goes on in this drive. `true`: there was one, and what
/// the system believes of the medium may be out of date.
pub fn settle(
    place: &BurnTarget,
    say: &dyn Fn(BurnNotice),
    stop: &Stop,
) -> Result<bool, DriveError> {
    let io = || DriveError::io("read", &place.log);
    match is_at_work(&place.log).map_err(io())? {
        None => return Ok(false),
        Some(true) => say(BurnNotice::EarlierBurn { drive: place.drive.clone() }),
        Some(false) => {}
    }
    await_end(&place.log, stop).map_err(io())??;
    put_away(place)?;
    Ok(true)
}

/// What the end means. The program's word neither blesses nor condemns: after an error that may
/// have touched the medium, reading it back decides.
fn judge(
    engine: Engine,
    ended: ProgramEnd,
    heard: &Heard,
    job: &BurnJob,
    place: &BurnTarget,
    watch: &dyn Fn(News),
    stop: &Stop,
) -> Result<(), DriveError> {
    if ended.aborted {
        watch(News::Aborted);
        stop.check()?;
    }
    if ended.exit.is_success() {
        return Ok(());
    }
    let words = heard.words(engine, ended.exit);
    let (drive, remedy) = (place.drive.clone(), heard.sense.and_then(Sense::remedy));
    match heard.left_untouched() && matches!(ended.exit, ProgramExit::Code(_)) {
        true => Err(DriveError::NotBegun { drive, words, remedy }),
        false => {
            let label = Box::new(job.label.clone());
            Err(DriveError::Write { drive, label, sector: heard.at, words, remedy })
        }
    }
}

#[cfg(test)]
mod tests;
