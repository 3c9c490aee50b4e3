//! `coldcut watch`: stays with a drive and burns what is staged.

use crate::app::{App, RunError};
use crate::cli::args::WatchArgs;
use crate::flow::service::watch::{WatchReport, WatchRequest, watch};
use crate::port::monitor::Monitor;
use crate::ui::exit::Exit;

use super::{check_and_open_dest, trust};

pub fn run(room: &App, args: WatchArgs) -> Result<Exit, RunError> {
    let request = WatchRequest {
        device: args.drive.clone(),
        catalog: room.around.catalog(&room.common)?,
        staging: room.around.staging(&room.common)?,
        scratch: room.scratch()?,
        until_done: args.until_done,
        trust: trust(room, args.verify_signature.as_deref())?,
    };
    let mut drives = check_and_open_dest(room, &args.drive, &args.burning)?;
    let report = watch(&request, &mut drives, room.desk_for(&args.burning))?;
    room.reporter.rest();
    tell(room, &report)
}

fn tell(room: &App, report: &WatchReport) -> Result<Exit, RunError> {
    let burned: Vec<_> = report
        .burned
        .iter()
        .map(|(set, disc)| serde_json::json!({"set": set, "disc": disc}))
        .collect();
    if !room.common.quiet {
        room.screen.say(&format!("{} disc(s) burned and verified", burned.len()));
    }
    room.screen.object(&serde_json::json!({
        "event": "summary",
        "command": "watch",
        "burned": burned,
        "failures": report.failures,
        "damaged": report.damaged,
        "checked": report.checked.iter().map(super::verify::object).collect::<Vec<_>>(),
    }))?;
    Ok(match (report.damaged, report.failures) {
        (1.., _) => Exit::Damage,
        (0, 1..) => Exit::Incomplete,
        (0, 0) => Exit::Done,
    })
}
