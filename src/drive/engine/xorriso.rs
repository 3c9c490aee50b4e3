//! xorriso with a drive: how it is told to burn, and its words (xorriso(1), version 1.5.4).

use std::ffi::OsString;
use std::path::Path;

use super::{BurnTarget, Report, Settings, Speed};
use crate::drive::optical::Profile;
use crate::drive::{BurnJob, DriveError, xorriso};

/// Bytes of the staged files that wait in memory: a burner that runs dry is slow, and worse on DVD.
const FIFO: &str = "64m";

/// The volume is made and written in one go.
pub(super) fn tree_argv(
    job: &BurnJob,
    place: &BurnTarget,
    settings: &Settings,
) -> Result<Vec<OsString>, DriveError> {
    let prepare = prepare(place, settings);
    let mut argv = xorriso::job_args(job, xorriso::in_drive(&place.device)?, &prepare)?;
    // A disc that could take more is a disc that something else may add to.
    argv.extend(["-close", "on", "-fs", FIFO].map(OsString::from));
    argv.extend(speed(settings.speed, place.profile));
    let stream = if settings.stream_recording { "on" } else { "off" };
    argv.extend(["-stream_recording", stream, "-commit_eject", "none"].map(OsString::from));
    Ok(argv)
}

/// What readies the medium, immediately and before the volume is described.
fn prepare(place: &BurnTarget, settings: &Settings) -> Vec<OsString> {
    let again = place.profile.is_rewritable();
    let words: &[&str] = match (again, place.is_formatted, settings.defect_management) {
        // A BD-RE is formatted once; without spare sectors it writes at full speed.
        (true, false, false) if place.profile == Profile::BD_RE => &["-format", "without_spare"],
        // What is on it is gone from here on: the person confirmed it.
        (true, ..) => &["-blank", "as_needed"],
        (false, false, true) if place.profile == Profile::BD_R => &["-format", "as_needed"],
        (false, ..) => &[],
    };
    words.iter().map(OsString::from).collect()
}

/// `-speed 4b`: the letter says whose 1x is meant.
fn speed(speed: Option<Speed>, profile: Profile) -> Vec<OsString> {
    let letter = profile.speed_letter();
    match speed {
        Some(speed) => vec!["-speed".into(), format!("{speed}{letter}").into()],
        None => Vec::new(),
    }
}

/// A finished image, as it is: xorriso's cdrecord emulation, which knows nothing of volumes.
pub(super) fn image_argv(
    image: &Path,
    place: &BurnTarget,
    settings: &Settings,
) -> Result<Vec<OsString>, DriveError> {
    let mut device = OsString::from("dev=");
    device.push(xorriso::in_drive(&place.device)?);
    let mut argv: Vec<OsString> =
        ["xorriso", "-no_rc", "-as", "cdrecord", "-v"].map(Into::into).into();
    argv.push(device);
    argv.extend(["padsize=0".into(), format!("fs={FIFO}").into()]);
    if let Some(speed) = settings.speed {
        argv.push(format!("speed={speed}{}", place.profile.speed_letter()).into());
    }
    argv.push(
        format!("stream_recording={}", if settings.stream_recording { "on" } else { "off" }).into(),
    );
    if let Some(blank) = blank_word(place, settings) {
        argv.push(format!("blank={blank}").into());
    }
    argv.push(std::path::absolute(image).map_err(DriveError::io("find", image))?.into());
    Ok(argv)
}

/// The emulation's words for what [`prepare`] does.
fn blank_word(place: &BurnTarget, settings: &Settings) -> Option<&'static str> {
    match (place.profile.is_rewritable(), place.is_formatted, settings.defect_management) {
        (true, ..) => Some("as_needed"),
        (false, false, true) if place.profile == Profile::BD_R => Some("format_defectmgt"),
        (false, ..) => None,
    }
}

/// One line of what it says.
pub(super) fn hear(line: &str) -> Report {
    if let Some(bytes) = xorriso::progress(line.as_bytes()).or_else(|| emulated_progress(line)) {
        return Report::Written(bytes);
    }
    match xorriso::message(line) {
        // The command that failed, in hexadecimal: it stands in the log.
        Some((_, words)) if words.starts_with("CDB=") => Report::Other,
        Some(("UPDATE", words)) if words.starts_with("Closing track/session") => Report::Closing,
        Some(("UPDATE", words)) if words.starts_with("Formatting") => Report::Formatting,
        Some(("UPDATE", words)) if words.starts_with("Blanking") => Report::Formatting,
        Some(("SORRY" | "MISHAP" | "FAILURE" | "FATAL" | "ABORT", words)) => {
            Report::Complaint(words.to_owned())
        }
        _ => Report::Other,
    }
}

/// `xorriso : UPDATE :  203 of  572 MB written (fifo 58%) [buf  50%]  131.7x.` (MiB).
fn emulated_progress(line: &str) -> Option<crate::model::Bytes> {
    let (_, rest) = line.split_once(" UPDATE : ")?;
    let (done, rest) = rest.trim_start().split_once(" of ")?;
    rest.split_once(" MB written")?;
    let mib: u64 = done.trim().parse().ok()?;
    Some(crate::model::Bytes(mib.checked_mul(1 << 20)?))
}
