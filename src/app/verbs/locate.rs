//! `coldcut locate`.

use crate::app::{App, RunError};
use crate::cli::args::LocateArgs;
use crate::flow::status::locate::locate;
use crate::port::monitor::Monitor;
use crate::ui::exit::Exit;

pub fn run(room: &App, args: LocateArgs) -> Result<Exit, RunError> {
    let catalog = room.around.catalog(&room.common)?;
    let name = room.common.set.as_ref();
    let place = args.place.trim();
    let (set, located) = locate(&catalog, name, &args.discs, args.copy, place, room.desk())?;
    room.reporter.rest();
    for (disc, copy) in located {
        let set = &set.facts.name;
        let words = match place {
            "" => format!("disc {disc} of {set}, copy {}: its place is forgotten", copy.0),
            place => format!("disc {disc} of {set}, copy {}: kept in {place}", copy.0),
        };
        if !room.common.quiet {
            room.screen.say(&words);
        }
        room.screen.object(&serde_json::json!({
            "event": "located",
            "set": set.as_str(),
            "disc": disc.0,
            "copy": copy.0,
            "place": place,
        }))?;
    }
    Ok(Exit::Done)
}
