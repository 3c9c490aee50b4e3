//! Step 3: a staged disc onto a blank. It checks that the disc fits, writes it, and blesses nothing:
//! whether the disc is good is for the read-back to say.

use crate::drive::{BurnJob, Drive, DriveError, predicted_sectors};
use crate::model::{Bytes, Sectors};
use crate::port::monitor::{Monitor, Phase, Progress};
use crate::port::stop::Stop;

/// A disc that was written and not read back: it counts for nothing yet.
#[derive(Debug)]
pub struct Burned {
    job: BurnJob,
}

impl Burned {
    pub fn job(&self) -> &BurnJob {
        &self.job
    }
}

#[derive(Debug, thiserror::Error)]
pub enum BurnError {
    #[error("the disc needs {need} and the blank takes {free}")]
    TooSmall { need: Sectors, free: Sectors },
    #[error("the staged disc would make {predicted} sectors and was packed for {planned}", predicted = .predicted.0, planned = .planned.0)]
    Prediction { predicted: Sectors, planned: Sectors },
    #[error(transparent)]
    Drive(#[from] DriveError),
}

/// Burns the job onto the next blank.
pub fn burn(
    job: BurnJob,
    drive: &mut dyn Drive,
    monitor: &dyn Monitor,
    stop: &Stop,
) -> Result<Burned, BurnError> {
    let predicted = predicted_sectors(&job, stop)?;
    if predicted != job.sectors {
        return Err(BurnError::Prediction { predicted, planned: job.sectors });
    }
    let blank = drive.take_blank(&job.label)?;
    if let Some(free) = blank.capacity.filter(|&free| free < job.sectors) {
        return Err(BurnError::TooSmall { need: job.sectors, free });
    }
    let total = Some(job.sectors.bytes().0);
    monitor.phase(&Phase { what: "writing", disc: Some(job.label.number.0), total });
    let watch = |done: Bytes| monitor.progress(Progress { done: done.0, written: None });
    drive.burn(&job, &watch, stop)?;
    Ok(Burned { job })
}
