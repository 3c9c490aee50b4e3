//! growisofs, the other burning program: for drives that do not get on with libburn
//! (growisofs(1), dvd+rw-tools 7.1).
//!
//! It is given whole images: for trees it starts genisoimage, which cannot make our volume. It
//! closes the session of a BD-R and cannot finalise the disc; nothing of ours needs that.

use std::ffi::OsString;
use std::path::Path;

use super::{BurnTarget, Report, Settings};
use crate::drive::DriveError;
use crate::drive::optical::Profile;
use crate::model::{Bytes, Sectors};
use crate::port::command::Program;

const INSTALL: &str = "apt install growisofs";

/// That the program is there; nothing is run.
pub(super) fn look_for() -> Result<(), DriveError> {
    Ok(program(vec!["growisofs".into()]).look_for()?)
}

pub(super) fn program(argv: Vec<OsString>) -> Program {
    // It refuses to work below sudo, and these tell it.
    Program::new(INSTALL, argv).without_env("SUDO_COMMAND").without_env("MKISOFS")
}

pub(super) fn argv(
    image: &Path,
    sectors: Sectors,
    place: &BurnTarget,
    settings: &Settings,
) -> Vec<OsString> {
    // `notray`: we reload the medium ourselves. `spare:none`: it would give a BD-R spare areas,
    // after it has looked whether the image fits.
    let spare = if settings.defect_management { "spare" } else { "spare:none" };
    let force =
        format!("-use-the-force-luke=tty,notray,{spare},tracksize:{},bufsize:64m", sectors.0);
    let mut argv: Vec<OsString> = vec!["growisofs".into(), force.into()];
    if place.profile.is_write_once() && place.profile != Profile::BD_R {
        // Finalises a DVD.
        argv.push("-dvd-compat".into());
    }
    if let Some(speed) = settings.speed {
        argv.push(format!("-speed={speed}").into());
    }
    let mut target = place.device.clone().into_os_string();
    target.push("=");
    target.push(image);
    argv.extend(["-Z".into(), target]);
    argv
}

/// One line of what it says. Its complaints begin with a face.
pub(super) fn hear(line: &str) -> Report {
    let line = line.trim();
    if let Some(done) = progress(line) {
        return Report::Written(done);
    }
    if line.contains("closing track")
        || line.contains("closing session")
        || line.contains("closing disc")
    {
        return Report::Closing;
    }
    if line.contains(": pre-formatting") || line.contains(": formatting") {
        return Report::Formatting;
    }
    match line.strip_prefix(":-(").or_else(|| line.strip_prefix(":-[")) {
        Some(words) => Report::Complaint(words.trim_matches([' ', ']']).to_owned()),
        None if line.starts_with("FATAL:") => Report::Complaint(line.to_owned()),
        None => Report::Other,
    }
}

/// `  3145728/67108864 ( 4.7%) @1.0x, remaining 0:20 RBU 100.0% UBU   2.1%`.
fn progress(line: &str) -> Option<Bytes> {
    let (done, rest) = line.split_once('/')?;
    let (total, _) = rest.split_once(" (")?;
    let done: u64 = done.trim().parse().ok()?;
    let total: u64 = total.trim().parse().ok()?;
    (done <= total).then_some(Bytes(done))
}
