//! `coldcut watch`: stays with a drive and burns what is staged.

use crate::app::{App, RunError};
use crate::cli::args::WatchArgs;
use crate::flow::burn::station::Drives;
use crate::flow::service::watch::{WatchReport, WatchRequest, watch};
use crate::model::plural;
use crate::ui::exit::Exit;
use crate::ui::json::event::Summary;
use crate::ui::json::storing::{DiscOfSetObject, WatchSummary};

use super::{check_and_open_dest, check_and_open_dests, trust};

pub fn run(app: &App, args: WatchArgs) -> Result<Exit, RunError> {
    let request = WatchRequest {
        devices: args.drives.clone(),
        catalog: app.around.catalog(&app.common)?,
        staging: app.around.staging(&app.common)?,
        scratch: app.scratch()?,
        until_done: args.until_done,
        trust: trust(app, args.verify_signature.as_deref())?,
    };
    let mut drives = open(app, &args)?;
    let report = watch(&request, &mut drives, app.context_for(&args.burning))?;
    tell(app, &report)
}

/// Each drive reads back what it burned, unless there is one, and another to read in.
fn open(app: &App, args: &WatchArgs) -> Result<Vec<Drives>, RunError> {
    if let [drive] = &args.drives[..] {
        return Ok(vec![check_and_open_dest(app, drive, &args.burning)?]);
    }
    match args.burning.verify_drive {
        Some(_) => Err(RunError::Usage("--verify-drive is for a watch of one drive".to_owned())),
        None => check_and_open_dests(app, &args.drives, &args.burning),
    }
}

fn tell(app: &App, report: &WatchReport) -> Result<Exit, RunError> {
    let burned = report.burned.iter().map(|(set, disc)| {
        let (set, disc) = (set.clone(), *disc);
        DiscOfSetObject { set, disc }
    });
    if !app.common.quiet {
        let discs = plural(burned.len() as u64, "disc", "discs");
        app.screen().say(&format!("{discs} burned and verified"));
    }
    app.summary(Summary::Watch(WatchSummary {
        burned: burned.collect(),
        failures: report.failures,
        damaged: report.damaged,
        checked: report.checked.iter().map(super::verify::object).collect(),
    }))?;
    let short = if report.is_short_of_discs { Exit::DiscMissing } else { Exit::Done };
    Ok(short.and(match (report.damaged, report.failures) {
        (1.., _) => Exit::Damage,
        (0, 1..) => Exit::Incomplete,
        (0, 0) => Exit::Done,
    }))
}
