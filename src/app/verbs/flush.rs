//! `coldcut flush`: a disc that is held back for more is finished as it is.

use crate::app::{Room, RunError};
use crate::cli::args::Flush;
use crate::flow::flushing::{FlushRequest, flush};
use crate::port::monitor::Monitor;
use crate::ui::exit::Exit;

use super::signer;

pub fn run(room: &Room, args: Flush) -> Result<Exit, RunError> {
    let closed = room.with_keys(|keys| {
        let request = FlushRequest {
            catalog: room.around.catalog(&room.common)?,
            staging: room.around.staging(&room.common)?,
            name: room.common.name.clone(),
            keys,
            signer: signer(room, &args.signing)?,
        };
        Ok(flush(request, room.desk())?)
    })?;
    room.reporter.rest();
    let words = match &closed {
        None => "Nothing is held back.".to_owned(),
        Some(disc) => format!(
            "Disc {} is staged, {}: `coldcut burn` or `coldcut watch` burns it.",
            disc.number,
            disc.image.unwrap_or_default().bytes()
        ),
    };
    if !room.common.quiet {
        room.screen.say(&words);
    }
    let disc = closed.as_ref().map(|disc| disc.number.0);
    room.screen.object(&serde_json::json!({
        "event": "summary", "command": "flush", "disc": disc,
    }))?;
    Ok(Exit::Done)
}
