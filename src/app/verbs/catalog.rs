//! `coldcut catalog rebuild` and `coldcut catalog restore-last`.

use std::path::Path;

use crate::app::{App, RunError};
use crate::catalog::{Catalog, NumberConflict};
use crate::cli::args::{CatalogArgs as Args, CatalogWork};
use crate::flow::base::turn::in_turn;
use crate::flow::care::rebuild::{RebuildReport, RebuildRequest, RebuiltSet, rebuild};
use crate::flow::library::inventory::Trust;
use crate::model::{DiscList, plural};
use crate::ui::exit::Exit;
use crate::ui::json::event::Summary;
use crate::ui::json::numbers;
use crate::ui::json::rebuild::{RebuildSummary, RebuiltSetObject, TwinObject};

use super::{open_source, say_unusable, trust};

pub fn run(app: &App, args: Args) -> Result<Exit, RunError> {
    match args.what {
        CatalogWork::Rebuild => run_rebuild(app, args),
        CatalogWork::RestoreLast => run_restore_last(app),
    }
}

fn run_rebuild(app: &App, args: Args) -> Result<Exit, RunError> {
    let drives =
        args.from.iter().map(|from| open_source(app, from)).collect::<Result<Vec<_>, _>>()?;
    let report = app.with_keys(|keys| {
        let request = RebuildRequest {
            from: args.from.clone(),
            catalog: app.around.catalog(&app.common)?,
            staging: app.around.staging(&app.common)?,
            name: app.common.set.clone(),
            keys,
            replace: args.replace,
            scratch: app.scratch()?,
            trust: Trust { history: args.disc, ..trust(app, args.verify_signature.as_deref())? },
        };
        Ok(rebuild(&request, drives, app.context())?)
    })?;
    tell(app, &report)?;
    Ok(if report.is_complete() { Exit::Done } else { Exit::Incomplete })
}

fn tell(app: &App, report: &RebuildReport) -> Result<(), RunError> {
    for set in &report.sets {
        words(set).iter().for_each(|line| app.screen().say(line));
    }
    say_unusable(app, report.unreadable, report.refused);
    say_aside(app, report.aside.as_deref());
    app.summary(Summary::CatalogRebuild(RebuildSummary {
        sets: report.sets.iter().map(object).collect(),
        unreadable: report.unreadable,
        refused: report.refused,
    }))
}

fn words(set: &RebuiltSet) -> Vec<String> {
    let name = &set.set;
    let newest = set.newest.map_or("none".to_owned(), |seq| seq.to_string());
    let mut lines = vec![format!(
        "set {name}: {}, the newest is {newest}; discs {}",
        plural(set.snapshots as u64, "snapshot", "snapshots"),
        DiscList::of(&set.discs)
    )];
    let mut say = |line: String| lines.push(line);
    if !set.missing_discs.is_empty() {
        say(format!("set {name}: not among these discs: {}", DiscList::of(&set.missing_discs)));
    }
    for twin in &set.twins {
        say(format!(
            "set {name}: another disc {} ({}) is kept apart; restore what only that disc has with \
             `coldcut restore IMAGE TARGET`",
            twin.number, twin.uuid
        ));
    }
    if set.is_pieced {
        say(format!(
            "set {name}: NO COMPLETE LISTING of snapshot {newest} is left; it was pieced together \
             and may include files that were deleted or moved before it"
        ));
    }
    if set.lost_files > 0 {
        let files = plural(set.lost_files, "file is", "files are");
        let them = if set.lost_files == 1 { "it" } else { "them" };
        say(format!(
            "set {name}: {files} on NONE of these discs; the next backup stores {them} again"
        ));
    }
    if set.complaints > 0 {
        let items = plural(set.complaints, "item", "items");
        say(format!("set {name}: {items} COULD NOT BE READ"));
    }
    if set.unvouched > 0 {
        let readings = plural(set.unvouched, "check or drill", "checks and drills");
        say(format!(
            "set {name}: NOT COUNTED: {readings} recorded on the discs; no passphrase opened these \
             discs and no signature was checked, so anyone could have written that"
        ));
    }
    if !set.unproven.is_empty() {
        say(format!(
            "set {name}: not known to have been verified: {}; `coldcut verify FROM` makes them \
             count as safe",
            DiscList::of(&set.unproven)
        ));
    }
    lines
}

fn object(set: &RebuiltSet) -> RebuiltSetObject {
    let twin =
        |twin: &NumberConflict| TwinObject { disc: twin.number.0, uuid: twin.uuid.to_string() };
    RebuiltSetObject {
        set: set.set.to_string(),
        uuid: set.uuid.to_string(),
        snapshots: set.snapshots,
        newest: set.newest.map(|seq| seq.0),
        catalog_of: set.catalog_of.map(|disc| disc.0),
        discs: numbers(&set.discs),
        missing_discs: numbers(&set.missing_discs),
        twins: set.twins.iter().map(twin).collect(),
        not_verified: numbers(&set.unproven),
        readings_not_counted: set.unvouched,
        lost_files: set.lost_files,
        pieced: set.is_pieced,
        unreadable: set.complaints,
    }
}

fn run_restore_last(app: &App) -> Result<Exit, RunError> {
    let path = app.around.catalog(&app.common)?;
    let aside = in_turn(app.context(), None, || Catalog::restore_last(&path))?;
    app.screen().say(&format!(
        "{} is as it was after the last successful run. Discs burned since then are not in it: if \
         `coldcut backup` names any, rebuild the catalog from the discs with `coldcut catalog \
         rebuild --replace FROM...`",
        path.display()
    ));
    say_aside(app, aside.as_deref());
    app.summary(Summary::CatalogRestoreLast)?;
    Ok(Exit::Done)
}

fn say_aside(app: &App, aside: Option<&Path>) {
    if let Some(aside) = aside {
        app.screen().say(&format!("the previous catalog was moved to {}", aside.display()));
    }
}
