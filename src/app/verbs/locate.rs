//! `coldcut locate`.

use crate::app::{App, RunError};
use crate::cli::args::LocateArgs;
use crate::flow::status::locate::locate;
use crate::ui::exit::Exit;
use crate::ui::json::discs::LocatedObject;
use crate::ui::json::event::Event;

pub fn run(app: &App, args: LocateArgs) -> Result<Exit, RunError> {
    let catalog = app.around.catalog(&app.common)?;
    let name = app.common.set.as_ref();
    let place = args.place.trim();
    let (set, located) = locate(&catalog, name, &args.discs, args.copy, place, app.context())?;
    for (disc, copy) in located {
        let set = &set.facts.name;
        let words = match place {
            "" => format!("disc {disc} of {set}, copy {}: its location is removed", copy.0),
            place => format!("disc {disc} of {set}, copy {}: kept in {place}", copy.0),
        };
        if !app.common.quiet {
            app.screen().say(&words);
        }
        app.screen().object(&Event::Located(LocatedObject {
            set: set.to_string(),
            disc: disc.0,
            copy: copy.0,
            place: place.to_owned(),
        }))?;
    }
    Ok(Exit::Done)
}
