//! A staged disc onto a blank. It checks that the disc fits, writes it, and blesses
//! nothing: whether the disc is good is for the read-back to say.

use super::{Blank, BurnJob, DiscReader, Drive, DriveError, News, predicted_sectors};
use crate::model::Sectors;
use crate::port::event::Activity;
use crate::port::monitor::{Monitor, NewTask, RunningTask};
use crate::port::notice::BurnNotice;
use crate::port::stop::Stop;

/// A disc that was written and not read back: it counts for nothing yet.
#[derive(Debug)]
pub struct Burned;

#[derive(Debug, thiserror::Error)]
pub enum BurnError {
    #[error("the disc needs {need} and the blank holds {free}")]
    TooSmall { need: Sectors, free: Sectors },
    #[error("the staged disc would be {predicted} sectors long and was packed for {planned}", predicted = .predicted.0, planned = .planned.0)]
    Prediction { predicted: Sectors, planned: Sectors },
    #[error(transparent)]
    Drive(#[from] DriveError),
}

/// The size that the burning program itself expects is the one that the disc was packed for.
pub fn check_size(job: &BurnJob, stop: &Stop) -> Result<(), BurnError> {
    if job.image.is_some() {
        return Ok(()); // it is as long as it is
    }
    let predicted = predicted_sectors(job, stop)?;
    match predicted == job.sectors {
        true => Ok(()),
        false => Err(BurnError::Prediction { predicted, planned: job.sectors }),
    }
}

/// Makes sure that the blank in the drive takes the job; a staged disc is never cut again.
pub fn take_blank(job: &BurnJob, drive: &mut dyn Drive) -> Result<Blank, BurnError> {
    let blank = drive.take_blank(&job.label)?;
    match blank.capacity.filter(|&free| free < job.sectors) {
        Some(free) => Err(BurnError::TooSmall { need: job.sectors, free }),
        None => Ok(blank),
    }
}

/// Burns the job onto the blank that was taken for it.
pub fn burn(
    job: &BurnJob,
    _: Blank,
    drive: &mut dyn Drive,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<Burned, BurnError> {
    let task = begin(Activity::Writing, job, monitor);
    drive.burn(job, &|news| tell(&task, job, news), stop)?;
    Ok(Burned)
}

/// The image that the drive burns from, if it wants one.
pub fn make_image(
    job: &BurnJob,
    drive: &mut dyn Drive,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<Option<Box<dyn DiscReader>>, BurnError> {
    if !drive.wants_image() || job.image.is_some() {
        return Ok(None);
    }
    let task = begin(Activity::Imaging, job, monitor);
    Ok(Some(drive.make_image(job, &|news| tell(&task, job, news), stop)?))
}

fn begin(what: Activity, job: &BurnJob, monitor: &Monitor) -> RunningTask {
    let (disc, total) = (job.label.number, job.sectors.bytes().0);
    monitor.begin(NewTask::new(what).disc(disc).total(total))
}

/// Another disc may be in progress beside this one: facts name theirs.
fn tell(monitor: &Monitor, job: &BurnJob, news: News) {
    let disc = job.label.number;
    let notice = match news {
        News::Written(bytes) => {
            return monitor.done(bytes.0);
        }
        News::BurnContinues => BurnNotice::BurnContinues { disc },
        News::ImageContinues => BurnNotice::ImageContinues { disc },
        News::Aborted => BurnNotice::BurnAborted { disc },
        News::Closing => BurnNotice::ClosingDisc { disc },
    };
    monitor.note(notice.into());
}
