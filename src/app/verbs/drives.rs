//! `coldcut drives`: the drives and what is in them.

use std::path::PathBuf;
use std::time::Duration;

use crate::app::{App, RunError};
use crate::drive::{Device, DeviceError, MediumState, Readiness, drives, volume_name};
use crate::flow::FlowError;
use crate::port::stop::Stop;
use crate::ui::drives::{DriveContent, DriveLine};
use crate::ui::exit::Exit;
use crate::ui::table;

/// A disc that was just inserted spins up.
const SPIN_UP: Duration = Duration::from_secs(30);

pub fn run(app: &App) -> Result<Exit, RunError> {
    let mut lines = Vec::new();
    for path in drives()? {
        lines.push(look(path, &app.stop)?);
    }
    if lines.is_empty() && !app.common.quiet {
        app.screen().say("This system has no optical drive.");
    }
    table::print(app.screen(), &lines)?;
    Ok(Exit::Done)
}

/// A drive that cannot be asked is a row with the reason, beside those that can.
fn look(path: PathBuf, stop: &Stop) -> Result<DriveLine, RunError> {
    let device = match Device::open(&path) {
        Ok(device) => device,
        Err(DeviceError::Stopped(stopped)) => return Err(FlowError::from(stopped).into()),
        Err(error) => {
            return Ok(DriveLine {
                device: path,
                identity: Default::default(),
                can_close_tray: false,
                content: DriveContent::Unusable(error.to_string()),
            });
        }
    };
    Ok(DriveLine {
        content: content(&device, stop).unwrap_or_else(|e| DriveContent::Unusable(e.to_string())),
        identity: device.identity().clone(),
        can_close_tray: device.can_close_tray(),
        device: path,
    })
}

fn content(device: &Device, stop: &Stop) -> Result<DriveContent, DeviceError> {
    match device.free() {
        Err(error @ DeviceError::Busy { .. }) => return Ok(DriveContent::InUse(error.to_string())),
        free => drop(free?),
    }
    Ok(match device.await_ready(SPIN_UP, stop)? {
        Readiness::NoMedium => DriveContent::Empty,
        Readiness::TrayOpen => DriveContent::TrayOpen,
        Readiness::Unusable(sense) | Readiness::StillBusy(sense) => {
            DriveContent::Unusable(sense.to_string())
        }
        Readiness::Ready => match device.medium()? {
            None => DriveContent::Empty,
            Some(medium) => {
                let volume = match medium.state {
                    MediumState::Appendable | MediumState::Complete => volume_name(device.path()),
                    MediumState::Blank | MediumState::Unusable(_) => None,
                };
                DriveContent::Medium { medium: Box::new(medium), volume }
            }
        },
    })
}
