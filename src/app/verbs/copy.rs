//! `coldcut copy`.

use crate::app::{App, RunError};
use crate::cli::args::CopyArgs;
use crate::flow::care::copy::{CopyRequest, copy};
use crate::port::monitor::Monitor;
use crate::ui::exit::Exit;

use super::{check_and_open_dest, open_source, trust};

pub fn run(room: &App, args: CopyArgs) -> Result<Exit, RunError> {
    let request = CopyRequest {
        catalog: room.around.catalog(&room.common)?,
        staging: room.around.staging(&room.common)?,
        name: room.common.set.clone(),
        discs: args.discs,
        from: args.from.clone(),
        trust: trust(room, None)?,
    };
    let source = request.from.as_deref().map(|from| open_source(room, from)).transpose()?;
    let mut source = source.flatten();
    let mut drives = check_and_open_dest(room, &args.dest, &args.burning)?;
    let desk = room.desk_for(&args.burning);
    let copied = copy(&request, source.as_deref_mut(), &mut drives, desk)?;
    room.reporter.rest();
    for done in copied {
        let (disc, set, copies) = (done.disc.number, done.set, done.copies);
        if !room.common.quiet {
            room.screen.say(&format!("disc {disc} of {set}: copied, {copies} good copies"));
        }
        room.screen.object(&serde_json::json!({
            "event": "copied",
            "set": set.as_str(),
            "disc": disc.0,
            "copies": copies,
        }))?;
    }
    Ok(Exit::Done)
}
