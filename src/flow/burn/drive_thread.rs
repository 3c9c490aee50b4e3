//! One of several drives, in a thread of its own: it takes one disc at a time, and tells the owner of
//! the catalog what becomes of it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::catalog::CopyNo;
use crate::model::DiscNo;
use crate::port::stop::{Recall, Stopped};

use crate::flow::burn::dispatcher::DriveNo;
use crate::flow::burn::records::{BurnOrder, DiscEvent, NewCopy, Records, SharedCopies};
use crate::flow::burn::station::{Station, Turn, TurnEnd};
use crate::flow::{BurnFailure, Context, FlowError};

/// Between two looks whether somebody put a blank into a drive that has nothing to do. There is no
/// hurry: other drives work meanwhile.
const LOOK: Duration = Duration::from_secs(5);

/// So long a disc waits to be put into a drive that is not its burner's, before that one reads it
/// back itself. Long enough to walk to the drives; a burner that closes its own tray is not held up
/// for a night.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a drive is to do.
pub(super) struct Job {
    pub order: Arc<BurnOrder>,
    pub copies: SharedCopies,
    pub turn: Turn,
    /// No other drive could do it: waits for the medium as long as the run allows.
    pub is_patient: bool,
    pub recall: Recall,
}

/// What a drive's thread has to say.
pub(in crate::flow) struct Call {
    pub drive: DriveNo,
    pub said: Said,
}

pub(in crate::flow) enum Said {
    /// The drive has nothing to do, and a blank lies in it, or none.
    Looked {
        is_ready: bool,
    },
    /// The medium that it waited for is there.
    HasMedium,
    /// The same: a copy that was burned before, and is to be read back.
    HasBurned(CopyNo),
    /// The drive goes on when the copy has a number.
    Begin(NewCopy, Sender<Result<CopyNo, FlowError>>),
    /// The drive goes on when this is kept.
    Keep(DiscEvent, Sender<Result<(), FlowError>>),
    /// Whether it reads back what it burned.
    ReadsHere(Sender<bool>),
    Done(DriveEnd),
}

/// How a job ended.
pub(in crate::flow) enum DriveEnd {
    Turn(TurnEnd),
    /// It was told to wait no more.
    Recalled,
    /// Nobody put the disc into this drive.
    NobodyCame,
    Failed(FlowError),
}

/// Until nobody gives jobs any more. `is_watched`: the owner wants to know when a blank lies ready.
pub(super) fn serve(
    mut station: Station,
    drive: DriveNo,
    is_watched: bool,
    jobs: &Receiver<Job>,
    calls: &Sender<Call>,
) {
    while let Some(job) = next_job(&mut station, drive, is_watched, jobs, calls) {
        let done = DriveEnd::of(work(&mut station, drive, &job, calls), &job, station.context);
        if calls.send(Call { drive, said: Said::Done(done) }).is_err() {
            return;
        }
    }
}

/// Looks at the drive from time to time while nothing is to be done.
fn next_job(
    station: &mut Station,
    drive: DriveNo,
    is_watched: bool,
    jobs: &Receiver<Job>,
    calls: &Sender<Call>,
) -> Option<Job> {
    if !is_watched {
        return jobs.recv().ok();
    }
    let mut told = None;
    loop {
        let is_ready = matches!(station.drives.burner.blank_capacity(), Ok(Some(_)));
        if told != Some(is_ready) {
            calls.send(Call { drive, said: Said::Looked { is_ready } }).ok()?;
            told = Some(is_ready);
        }
        match jobs.recv_timeout(LOOK) {
            Ok(job) => return Some(job),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

fn work(
    station: &mut Station,
    drive: DriveNo,
    job: &Job,
    calls: &Sender<Call>,
) -> Result<TurnEnd, FlowError> {
    let context = station.context;
    let stop = &context.stop.recallable(&job.recall);
    let wait_limit = match job.is_patient {
        true => context.wait_limit,
        false => context.wait_limit.at_most(PATIENCE),
    };
    let context = Context { stop, wait_limit, ..context };
    let Station { staging, set, ref mut drives, .. } = *station;
    let disc = job.order.disc.number;
    let mut records = Messenger { drive, disc, calls, recall: &job.recall };
    Station { staging, set, drives, context }.turn(&job.order, &job.copies, job.turn, &mut records)
}

impl DriveEnd {
    fn of(done: Result<TurnEnd, FlowError>, job: &Job, context: Context) -> DriveEnd {
        match done {
            Ok(end) => DriveEnd::Turn(end),
            Err(FlowError::Stopped(_)) if job.recall.is_asked() && context.stop.check().is_ok() => {
                DriveEnd::Recalled
            }
            Err(FlowError::NeverCame { .. }) if !job.is_patient => DriveEnd::NobodyCame,
            Err(error) => DriveEnd::Failed(error),
        }
    }
}

/// Records are kept by the thread that has the catalog.
pub(in crate::flow) struct Messenger<'a> {
    pub drive: DriveNo,
    pub disc: DiscNo,
    pub calls: &'a Sender<Call>,
    pub recall: &'a Recall,
}

impl Messenger<'_> {
    fn lost(&self) -> FlowError {
        BurnFailure::Unexpected(self.disc).into()
    }

    /// Tells of a medium, unless the drive is to wait for none any more.
    fn has(&self, said: Said) -> Result<(), FlowError> {
        if !self.recall.has_come() {
            return Err(Stopped(0).into());
        }
        let call = Call { drive: self.drive, said };
        self.calls.send(call).map_err(|_| self.lost())
    }

    fn ask<T>(&self, said: impl FnOnce(Sender<T>) -> Said) -> Result<T, FlowError> {
        let (answer, answered) = channel();
        let call = Call { drive: self.drive, said: said(answer) };
        self.calls.send(call).map_err(|_| self.lost())?;
        answered.recv().map_err(|_| self.lost())
    }
}

impl Records for Messenger<'_> {
    fn begin(&mut self, copy: NewCopy) -> Result<CopyNo, FlowError> {
        self.ask(|answer| Said::Begin(copy, answer))?
    }

    fn keep(&mut self, record: DiscEvent) -> Result<(), FlowError> {
        self.ask(|answer| Said::Keep(record, answer))?
    }

    fn has_medium(&mut self) -> Result<(), FlowError> {
        self.has(Said::HasMedium)
    }

    fn has_burned(&mut self, copy: CopyNo) -> Result<(), FlowError> {
        self.has(Said::HasBurned(copy))
    }

    fn reads_here(&mut self) -> Result<bool, FlowError> {
        self.ask(Said::ReadsHere)
    }
}
