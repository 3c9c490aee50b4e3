//! `coldcut rescue`: a failing disc into an image.

use std::path::{Path, PathBuf};

use crate::app::{App, RunError};
use crate::cli::args::RescueArgs;
use crate::drive::{DriveError, RawMedium, SectorSource};
use crate::flow::care::rescue::{RescueReport, RescueRequest, rescue};
use crate::model::plural;
use crate::port::stop::Stop;
use crate::ui::exit::Exit;
use crate::ui::json::care::RescueSummary;
use crate::ui::json::event::Summary;

use super::trust;

pub fn run(app: &App, args: RescueArgs) -> Result<Exit, RunError> {
    let map = args.map.unwrap_or_else(|| {
        let mut name = args.to.clone().into_os_string();
        name.push(".map");
        PathBuf::from(name)
    });
    let request = RescueRequest {
        from: args.from,
        image: args.to,
        map,
        scratch: app.scratch()?,
        catalog: app.around.catalog(&app.common)?,
        trust: trust(app, None)?,
    };
    let report = rescue(&request, &open, app.context())?;
    tell(app, &request, &report)?;
    Ok(if report.is_sound() { Exit::Done } else { Exit::Incomplete })
}

fn open(path: &Path, stop: &Stop) -> Result<Box<dyn SectorSource>, DriveError> {
    Ok(Box::new(RawMedium::open(path, stop)?))
}

fn tell(app: &App, request: &RescueRequest, report: &RescueReport) -> Result<(), RunError> {
    if !app.common.quiet || !report.is_sound() {
        let image = request.image.display();
        app.screen().say(&format!("{image}: {} of {}", report.rescued, report.size));
        app.screen().say(&words(report));
        if !report.is_whole() {
            app.screen().say(
                "Run the same command again, with another drive if you have one, to continue.",
            );
        }
        if report.refused > 0 {
            app.screen().say("Other commands will not use all of it, for the reason given above.");
        }
    }
    app.summary(Summary::Rescue(RescueSummary {
        size: report.size.0,
        rescued: report.rescued.0,
        mended: report.mended,
        files: report.files.map(|(files, _)| files),
        damaged: report.files.map(|(_, damaged)| damaged),
        refused: report.refused,
    }))
}

fn words(report: &RescueReport) -> String {
    let mended = if report.mended { ", repaired from recovery data" } else { "" };
    match report.files {
        None => "No coldcut disc was recognised in it.".to_owned(),
        Some((1, 0)) => format!("Its only file is intact{mended}."),
        Some((files, 0)) => format!("All {files} files are intact{mended}."),
        Some((files, 1)) => {
            format!("1 of {} is damaged{mended}.", plural(files as u64, "file", "files"))
        }
        Some((files, damaged)) => format!("{damaged} of {files} files are damaged{mended}."),
    }
}
