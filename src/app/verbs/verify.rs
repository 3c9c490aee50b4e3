//! `coldcut verify`.

use crate::app::{App, RunError};
use crate::catalog::Finding;
use crate::cli::args::VerifyArgs;
use crate::flow::care::stack::verify_stack;
use crate::flow::care::verify::{
    AbsentDisc, CheckedDisc, VerifyReport, VerifyRequest, verify_from,
};
use crate::ui::exit::Exit;
use crate::ui::json::care::{CheckedDiscObject, VerifySummary};
use crate::ui::json::event::Summary;
use crate::ui::words;

use super::{open_source, open_stack, say_failed, say_unusable, trust};

pub fn run(app: &App, args: VerifyArgs) -> Result<Exit, RunError> {
    let mut drive = match &args.loader.loader {
        Some(_) => Some(open_stack(app, &args.from, &args.loader)?),
        None => open_source(app, &args.from)?,
    };
    let is_of_stack = args.loader.loader.is_some();
    app.with_keys(|keys| {
        let request = VerifyRequest {
            from: args.from,
            catalog: app.around.catalog(&app.common)?,
            name: app.common.set.clone(),
            trust: trust(app, args.verify_signature.as_deref())?,
            scratch: app.scratch()?,
            keys: Some(keys),
            is_of_stack,
        };
        let report = match (is_of_stack, drive.as_deref_mut()) {
            (true, Some(drive)) => verify_stack(&request, drive, app.context())?,
            (_, drive) => verify_from(&request, drive, app.context())?,
        };
        tell(app, &report)?;
        let is_sound = report.is_sound() && app.stack.count().rejected.is_empty();
        let damage = if is_sound { Exit::Done } else { Exit::Damage };
        let gone = if report.gone.is_empty() { Exit::Done } else { Exit::DiscMissing };
        Ok(damage.and(gone))
    })
}

fn tell(app: &App, report: &VerifyReport) -> Result<(), RunError> {
    let is_ok = |disc: &&CheckedDisc| disc.finding() == Finding::Ok;
    let (sound, failed): (Vec<_>, Vec<_>) = report.discs.iter().partition(is_ok);
    let sound = sound.iter().filter(|_| !app.common.quiet);
    sound.for_each(|disc| app.screen().say(&words::notice(&disc.notice().into())));
    say_unusable(app, report.unreadable, report.refused);
    for disc in &failed {
        app.screen().say(&words::notice(&disc.notice().into()));
    }
    for gone in &report.gone {
        let which = match &gone.disc {
            Some((set, number)) => format!("disc {number} of {set}"),
            None => "a disc".to_owned(),
        };
        app.screen().say(&format!(
            "{which}: NOT READ COMPLETELY, and nothing is recorded about it: {}",
            gone.absence
        ));
    }
    let gone = report.gone.len();
    say_failed(app, failed.len() + gone, report.discs.len() + gone, "discs");
    let number = |gone: &AbsentDisc| gone.disc.as_ref().map(|(_, number)| number.0);
    app.summary(Summary::Verify(VerifySummary {
        discs: report.discs.iter().map(object).collect(),
        missing_discs: report.absent.iter().map(|(_, disc)| disc.0).collect(),
        gone_discs: report.gone.iter().map(number).collect(),
        unreadable: report.unreadable,
        refused: report.refused,
    }))
}

pub(super) fn object(disc: &CheckedDisc) -> CheckedDiscObject {
    CheckedDiscObject {
        set: disc.set.to_string(),
        disc: disc.number.0,
        finding: disc.finding().into(),
        faults: disc.faults,
        repairable: disc.repairable,
        against: disc.against.into(),
        opened: disc.seals.map(|seals| seals.locked == 0),
    }
}
