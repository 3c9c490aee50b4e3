//! `coldcut burn`: what is staged goes onto discs.

use crate::app::{App, RunError};
use crate::cli::args::BurnArgs;
use crate::flow::backup::burn_staged;
use crate::ui::exit::Exit;
use crate::ui::json::event::{Event, Summary};
use crate::ui::json::numbers;
use crate::ui::json::storing::{BurnSummary, BurnedObject};

use super::check_and_open_dests;

pub fn run(app: &App, args: BurnArgs) -> Result<Exit, RunError> {
    let catalog = app.around.catalog(&app.common)?;
    let staging = app.around.staging(&app.common)?;
    let mut drives = check_and_open_dests(app, &args.dest, &args.burning)?;
    let name = app.common.set.as_ref();
    let context = app.context_for(&args.burning);
    let report = burn_staged(&catalog, &staging, name, &args.discs, &mut drives, context)?;
    if report.burned.is_empty() && report.lost.is_empty() && !app.common.quiet {
        app.screen().say("nothing is staged");
    }
    for disc in &report.burned {
        let size = disc.closing.image;
        if !app.common.quiet {
            app.screen().say(&format!("disc {}: {size}, burned and verified", disc.number));
        }
        let (disc, size) = (disc.number.0, size.bytes().0);
        app.screen().object(&Event::Burned(BurnedObject { disc, size }))?;
    }
    app.summary(Summary::Burn(BurnSummary {
        discs: report.burned.iter().map(|disc| disc.number.0).collect(),
        incomplete: numbers(&report.lost),
    }))?;
    Ok(if report.lost.is_empty() { Exit::Done } else { Exit::Incomplete })
}
