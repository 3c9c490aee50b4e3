//! The programs that burn in a drive, behind one face: what they are told, what they say while
//! they work, and what their end means for the disc.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::optical::{Profile, Sense};
use super::{BurnJob, DriveError, News};
use crate::model::{Bytes, Sectors};
use crate::port::command::{Exit, Program};
use crate::port::lasting::{Ended, await_end, is_at_work};
use crate::port::stop::Stop;

mod growisofs;
mod xorriso;

/// How many complaints are shown to a person: the first ones, for what follows is consequence.
const COMPLAINTS: usize = 2;
const FIRST_ASK: &str = "the burn goes on, so that the disc is not lost; ask once more (Ctrl-C) \
    to abort it, which spoils the disc";

/// Which program burns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    #[default]
    Xorriso,
    Growisofs,
}

impl Engine {
    pub const NAMES: [&str; 2] = ["xorriso", "growisofs"];

    pub fn parse(name: &str) -> Option<Engine> {
        match name {
            "xorriso" => Some(Engine::Xorriso),
            "growisofs" => Some(Engine::Growisofs),
            _ => None,
        }
    }

    /// growisofs would make the volume with genisoimage, which cannot make ours: it is given a
    /// whole image.
    pub fn needs_image(self) -> bool {
        self == Engine::Growisofs
    }

    pub(super) fn hear(self, line: &str) -> Report {
        match self {
            Engine::Xorriso => xorriso::hear(line),
            Engine::Growisofs => growisofs::hear(line),
        }
    }
}

/// That the programs are there which put discs on a shelf (no engine) or burn them: xorriso makes and
/// reads the images of both.
pub fn check_burning_programs(engine: Option<Engine>) -> Result<(), DriveError> {
    super::xorriso::look_for()?;
    match engine {
        Some(Engine::Growisofs) => growisofs::look_for(),
        Some(Engine::Xorriso) | None => Ok(()),
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Engine::NAMES[*self as usize])
    }
}

/// A multiple of the medium's own 1x, in tenths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed {
    tenths: u32,
}

impl Speed {
    /// `4`, `4x`, `2.4x`.
    pub fn parse(text: &str) -> Option<Speed> {
        let number = text.strip_suffix('x').unwrap_or(text);
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| {
            (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !digits(whole) || !digits(part) || part.len() != 1 {
            return None;
        }
        let tenths = whole.parse::<u32>().ok()? * 10 + part.parse::<u32>().ok()?;
        (tenths > 0).then_some(Speed { tenths })
    }
}

/// `4` or `2.4`, as both programs take it.
impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tenths % 10 {
            0 => write!(f, "{}", self.tenths / 10),
            part => write!(f, "{}.{part}", self.tenths / 10),
        }
    }
}

/// What a person chose.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub engine: Engine,
    /// `None`: the program and the drive agree on the fastest.
    pub speed: Option<Speed>,
    pub stream_recording: bool,
    pub defect_management: bool,
}

/// What is burned.
#[derive(Clone, Copy, Debug)]
pub enum What<'a> {
    /// The volume is made while it is written.
    Tree,
    Image {
        path: &'a Path,
        sectors: Sectors,
    },
}

/// Where it is burned.
#[derive(Clone, Debug)]
pub struct Place {
    pub device: PathBuf,
    /// For people.
    pub drive: String,
    pub profile: Profile,
    /// Rewritable media must be formatted before their first use.
    pub is_formatted: bool,
    /// What the program says goes here; the file exists only while a burn is not judged.
    pub log: PathBuf,
}

impl Place {
    /// Where the words of the last burn are kept for somebody who looks for them.
    pub fn last_log(&self) -> PathBuf {
        self.log.with_extension("last.log")
    }
}

/// What one line of a program's output means.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Report {
    Written(Bytes),
    Formatting,
    Closing,
    Complaint(String),
    Other,
}

/// The program's command line.
fn argv(
    job: &BurnJob,
    what: What,
    place: &Place,
    settings: &Settings,
) -> Result<Vec<OsString>, DriveError> {
    match (settings.engine, what) {
        (Engine::Xorriso, What::Tree) => xorriso::tree_argv(job, place, settings),
        (Engine::Xorriso, What::Image { path, .. }) => xorriso::image_argv(path, place, settings),
        (Engine::Growisofs, What::Image { path, sectors }) => {
            Ok(growisofs::argv(path, sectors, place, settings))
        }
        (Engine::Growisofs, What::Tree) => Err(DriveError::NotBegun {
            drive: place.drive.clone(),
            words: "growisofs burns whole images only".to_owned(),
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
    what: What,
    place: &Place,
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
    place: &Place,
    watch: &dyn Fn(News),
    stop: &Stop,
) -> Result<(), DriveError> {
    let mut heard = Heard::default();
    let running = program.start_lasting(&place.log, stop)?;
    let ended = running.follow(stop, &mut || watch(News::Note(FIRST_ASK)), &mut |line| {
        let report = engine.hear(&String::from_utf8_lossy(line));
        heard.take(report, watch);
    })?;
    put_away(place)?;
    judge(engine, ended, &heard, job, place, watch, stop)
}

fn put_away(place: &Place) -> Result<(), DriveError> {
    std::fs::rename(&place.log, place.last_log()).map_err(DriveError::io("rename", &place.log))
}

/// Waits for the burn of a former run that goes on in this drive. `true`: there was one, and what
/// the system believes of the medium may be out of date.
pub fn settle(place: &Place, say: &dyn Fn(&str), stop: &Stop) -> Result<bool, DriveError> {
    let io = || DriveError::io("read", &place.log);
    match is_at_work(&place.log).map_err(io())? {
        None => return Ok(false),
        Some(true) => say(&format!("a former run still burns in {}; waiting for it", place.drive)),
        Some(false) => {}
    }
    await_end(&place.log, stop).map_err(io())??;
    put_away(place)?;
    Ok(true)
}

/// What a program said, as far as it matters in the end.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The medium was changed, or may have been: it was formatted, or is being closed.
    began: bool,
    /// Bytes are on their way to the medium: they may be in a buffer still.
    sent: bool,
    closing: bool,
    complaints: Vec<String>,
    sense: Option<Sense>,
    at: Option<Sectors>,
}

impl Heard {
    pub(super) fn take(&mut self, report: Report, watch: &dyn Fn(News)) {
        match report {
            Report::Written(bytes) => {
                self.sent = true;
                watch(News::Written(bytes));
            }
            Report::Formatting => self.began = true,
            Report::Closing => {
                self.began = true;
                if !std::mem::replace(&mut self.closing, true) {
                    watch(News::Note("closing the disc; this can take many minutes"));
                }
            }
            Report::Complaint(words) => self.complain(words),
            Report::Other => {}
        }
    }

    fn complain(&mut self, words: String) {
        self.sense = self.sense.or_else(|| Sense::find(&words));
        self.at = self.at.or_else(|| failed_address(&words));
        if self.complaints.len() < COMPLAINTS {
            self.complaints.push(words);
        }
    }

    /// Nothing went to the medium: the program said so by its silence, or the drive refused a
    /// command that comes before the first byte, or the first byte itself.
    fn left_untouched(&self) -> bool {
        let is_refused = self.sense.is_some_and(Sense::did_nothing);
        let first_is_refused = is_refused && self.at == Some(Sectors(0));
        let is_silent = !self.sent && self.at.is_none_or(|at| at == Sectors(0));
        !self.began && (first_is_refused || is_silent && (is_refused || self.sense.is_none()))
    }

    /// The drive's reason as a sentence, and the program's own words.
    fn words(&self, engine: Engine, exit: Exit) -> String {
        let said: Vec<&str> = self.complaints.iter().map(String::as_str).collect();
        let said = match said.is_empty() {
            true => format!("{engine} gave no reason ({exit})"),
            false => format!("{engine} said: {}", said.join("; ")),
        };
        match self.sense {
            Some(sense) => format!("{sense}; {said}"),
            None => said,
        }
    }
}

/// The sector out of `SCSI error on write(2560,32)` or `WRITE@LBA=a00h failed`.
fn failed_address(words: &str) -> Option<Sectors> {
    let number = |start: &str, end: char, radix| {
        let rest = words.split_once(start)?.1;
        u64::from_str_radix(rest.split_once(end)?.0, radix).ok().map(Sectors)
    };
    number("write(", ',', 10).or_else(|| number("WRITE@LBA=", 'h', 16))
}

/// What the end means. The program's word neither blesses nor condemns: after an error that may
/// have touched the medium, reading it back decides.
fn judge(
    engine: Engine,
    ended: Ended,
    heard: &Heard,
    job: &BurnJob,
    place: &Place,
    watch: &dyn Fn(News),
    stop: &Stop,
) -> Result<(), DriveError> {
    if ended.aborted {
        watch(News::Note("the burn was aborted; the disc in the drive is lost"));
        stop.check()?;
    }
    if ended.exit.is_success() {
        return Ok(());
    }
    let words = heard.words(engine, ended.exit);
    let drive = place.drive.clone();
    match heard.left_untouched() && matches!(ended.exit, Exit::Code(_)) {
        true => Err(DriveError::NotBegun { drive, words }),
        false => {
            let label = Box::new(job.label.clone());
            Err(DriveError::Write { drive, label, sector: heard.at, words })
        }
    }
}

#[cfg(test)]
mod tests;
