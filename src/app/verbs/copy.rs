//! `coldcut copy`.

use crate::app::{App, RunError};
use crate::cli::args::CopyArgs;
use crate::flow::care::copy::{CopyRequest, copy};
use crate::ui::exit::Exit;
use crate::ui::json::event::Event;
use crate::ui::json::storing::CopiedObject;

use super::{check_and_open_dests, open_source, trust};

pub fn run(app: &App, args: CopyArgs) -> Result<Exit, RunError> {
    let request = CopyRequest {
        catalog: app.around.catalog(&app.common)?,
        staging: app.around.staging(&app.common)?,
        name: app.common.set.clone(),
        discs: args.discs,
        from: args.from.clone(),
        trust: trust(app, None)?,
    };
    let source = request.from.as_deref().map(|from| open_source(app, from)).transpose()?;
    let mut source = source.flatten();
    let mut drives = check_and_open_dests(app, &args.dest, &args.burning)?;
    let context = app.context_for(&args.burning);
    let copied = copy(&request, source.as_deref_mut(), &mut drives, context)?;
    for done in copied {
        let (disc, set, copies) = (done.disc.number, done.set, done.copies);
        if !app.common.quiet {
            app.screen().say(&format!("disc {disc} of {set}: copied, {copies} good copies"));
        }
        let (set, disc) = (set.to_string(), disc.0);
        app.screen().object(&Event::Copied(CopiedObject { set, disc, copies }))?;
    }
    Ok(Exit::Done)
}
