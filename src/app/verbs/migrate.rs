//! `coldcut migrate`.

use crate::app::{App, RunError};
use crate::cli::args::MigrateArgs;
use crate::flow::FlowError;
use crate::flow::service::migrate::{MigrateReport, MigrateRequest, migrate};
use crate::flow::staging::disc_size::DiscSize;
use crate::model::disc_list::named;
use crate::model::{Bytes, DiscNo, plural};
use crate::ui::exit::Exit;
use crate::ui::json::event::Summary;
use crate::ui::json::numbers;
use crate::ui::json::storing::MigrateSummary;
use crate::ui::json::tally::TallyObject;

use super::{check_and_open_dest, check_drill, open_source, signer, trust};

pub fn run(app: &App, args: MigrateArgs) -> Result<Exit, RunError> {
    if !args.no_drill {
        check_drill(app)?;
    }
    app.with_keys(|keys| {
        let mut source = match &args.from {
            Some(from) => open_source(app, from)?,
            None => None,
        };
        let mut drives = check_and_open_dest(app, &args.to, &args.burning)?;
        let blank = drives.burner.blank_capacity().map_err(FlowError::from)?;
        let request = MigrateRequest {
            bzip2: args.frames.bzip2.unwrap_or_default(),
            catalog: app.around.catalog(&app.common)?,
            staging: app.around.staging(&app.common)?,
            name: app.common.set.clone(),
            discs: args.discs,
            from: args.from.clone(),
            disc_size: DiscSize { typed: args.disc_size, blank },
            archive_size: args.archive_size,
            keys,
            signer: signer(app, &args.signing)?,
            drill: !args.no_drill,
            trust: trust(app, args.verify_signature.as_deref())?,
        };
        let context = app.context_for(&args.burning);
        let report = migrate(&request, source.as_deref_mut(), &mut drives, context)?;
        tell(app, &report)?;
        Ok(if report.failed > 0 { Exit::Incomplete } else { Exit::Done })
    })
}

fn tell(app: &App, report: &MigrateReport) -> Result<(), RunError> {
    let made: Vec<DiscNo> = report.made.iter().map(|disc| disc.number).collect();
    if !app.common.quiet {
        let size = Bytes(report.bytes);
        let contents = plural(report.files, "content", "contents");
        let to = if made.is_empty() { String::new() } else { format!(" to {}", named(&made)) };
        app.screen().say(&format!("{}: {contents} ({size}) migrated{to}", report.set));
        if !report.emptied.is_empty() {
            let old = named(&report.emptied);
            let them = if report.emptied.len() == 1 { "it" } else { "them" };
            app.screen().say(&format!(
                "everything on {old} is now on other discs, too: `coldcut retire` retires {them}"
            ));
        }
    }
    let failed = (report.failed > 0)
        .then(|| plural(report.failed, "content was", "contents were") + " NOT migrated");
    match (app.common.quiet, failed) {
        (false, failed) => app.screen().say_lines(&app.last_words(failed)),
        (true, Some(failed)) => app.screen().say(&failed),
        (true, None) => {}
    }
    app.summary(Summary::Migrate(MigrateSummary {
        set: report.set.to_string(),
        migrated: TallyObject { count: report.files, size: report.bytes },
        failed: report.failed,
        discs: numbers(&made),
        emptied: numbers(&report.emptied),
    }))
}
