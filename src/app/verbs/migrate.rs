//! `coldcut migrate`.

use crate::app::{App, RunError};
use crate::cli::args::MigrateArgs;
use crate::flow::FlowError;
use crate::flow::service::migrate::{MigrateReport, MigrateRequest, migrate};
use crate::flow::staging::disc_size::DiscSize;
use crate::model::{Bytes, DiscList, DiscNo};
use crate::port::monitor::Monitor;
use crate::ui::exit::Exit;

use super::{check_and_open_dest, check_drill, open_source, signer, trust};

pub fn run(room: &App, args: MigrateArgs) -> Result<Exit, RunError> {
    if !args.no_drill {
        check_drill(room)?;
    }
    room.with_keys(|keys| {
        let mut source = match &args.from {
            Some(from) => open_source(room, from)?,
            None => None,
        };
        let mut drives = check_and_open_dest(room, &args.to, &args.burning)?;
        let blank = drives.burner.blank_capacity().map_err(FlowError::from)?;
        let request = MigrateRequest {
            catalog: room.around.catalog(&room.common)?,
            staging: room.around.staging(&room.common)?,
            name: room.common.set.clone(),
            discs: args.discs,
            from: args.from.clone(),
            disc_size: DiscSize { typed: args.disc_size, blank },
            archive_size: args.archive_size,
            keys,
            signer: signer(room, &args.signing)?,
            drill: !args.no_drill,
            trust: trust(room, args.verify_signature.as_deref())?,
        };
        let desk = room.desk_for(&args.burning);
        let report = migrate(&request, source.as_deref_mut(), &mut drives, desk)?;
        tell(room, &report)?;
        Ok(if report.failed > 0 { Exit::Incomplete } else { Exit::Done })
    })
}

fn tell(room: &App, report: &MigrateReport) -> Result<(), RunError> {
    room.reporter.rest();
    let made: Vec<DiscNo> = report.made.iter().map(|disc| disc.number).collect();
    if !room.common.quiet {
        let size = Bytes(report.bytes);
        let onto =
            if made.is_empty() { "nothing".to_owned() } else { DiscList::of(&made).to_string() };
        room.screen.say(&format!(
            "{}: {} contents, {size}, migrated onto {onto}",
            report.set, report.files
        ));
        if !report.emptied.is_empty() {
            let old = DiscList::of(&report.emptied);
            room.screen.say(&format!(
                "old discs {old} hold nothing now that is not elsewhere; `coldcut retire` gives \
                 them up"
            ));
        }
    }
    if report.failed > 0 {
        room.screen.say(&format!("{} contents were NOT migrated", report.failed));
    }
    let numbers = |discs: &[DiscNo]| discs.iter().map(|disc| disc.0).collect::<Vec<_>>();
    room.screen.object(&serde_json::json!({
        "event": "summary",
        "command": "migrate",
        "set": report.set.as_str(),
        "migrated": {"count": report.files, "size": report.bytes},
        "failed": report.failed,
        "discs": numbers(&made),
        "emptied": numbers(&report.emptied),
    }))?;
    Ok(())
}
