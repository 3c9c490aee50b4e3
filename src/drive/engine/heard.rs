//! What a burning program says while it works, as far as it matters in the end.

use super::settings::Engine;
use crate::drive::News;
use crate::drive::optical::Sense;
use crate::model::{Bytes, Sectors};
use crate::port::command::ProgramExit;

/// How many complaints are shown to a person: the first ones, for what follows is consequence.
const COMPLAINTS: usize = 2;

/// What one line of a program's output means.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::drive) enum Report {
    Written(Bytes),
    Formatting,
    Closing,
    Complaint(String),
    Other,
}

/// What a program said, as far as it matters in the end.
#[derive(Debug, Default)]
pub(in crate::drive) struct Heard {
    /// The medium was changed, or may have been: it was formatted, or is being closed.
    pub(super) began: bool,
    /// Bytes are on their way to the medium: they may be in a buffer still.
    pub(super) sent: bool,
    pub(super) closing: bool,
    pub(super) complaints: Vec<String>,
    pub(super) sense: Option<Sense>,
    pub(super) at: Option<Sectors>,
}

impl Heard {
    pub(in crate::drive) fn take(&mut self, report: Report, watch: &dyn Fn(News)) {
        match report {
            Report::Written(bytes) => {
                self.sent = true;
                watch(News::Written(bytes));
            }
            Report::Formatting => self.began = true,
            Report::Closing => {
                self.began = true;
                if !std::mem::replace(&mut self.closing, true) {
                    watch(News::Closing);
                }
            }
            Report::Complaint(words) => self.complain(words),
            Report::Other => {}
        }
    }

    pub(super) fn complain(&mut self, words: String) {
        self.sense = self.sense.or_else(|| Sense::find(&words));
        self.at = self.at.or_else(|| failed_address(&words));
        if self.complaints.len() < COMPLAINTS {
            self.complaints.push(words);
        }
    }

    /// Nothing went to the medium: the program said so by its silence, or the drive refused a
    /// command that comes before the first byte, or the first byte itself.
    pub(super) fn left_untouched(&self) -> bool {
        let is_refused = self.sense.is_some_and(Sense::did_nothing);
        let first_is_refused = is_refused && self.at == Some(Sectors(0));
        let is_silent = !self.sent && self.at.is_none_or(|at| at == Sectors(0));
        !self.began && (first_is_refused || is_silent && (is_refused || self.sense.is_none()))
    }

    /// The drive's reason as a sentence, and the program's own words.
    pub(super) fn words(&self, engine: Engine, exit: ProgramExit) -> String {
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
