//! `coldcut flush`: a disc that is held back for more is finished as it is.

use crate::app::{App, RunError};
use crate::catalog::ClosedDiscInfo;
use crate::cli::args::FlushArgs;
use crate::flow::backup::flush::{FlushRequest, Flushed, flush};
use crate::ui::exit::Exit;
use crate::ui::json::event::Summary;
use crate::ui::json::storing::FlushSummary;

use super::{check_drill, signer};

pub fn run(app: &App, args: FlushArgs) -> Result<Exit, RunError> {
    if !args.no_drill {
        check_drill(app)?;
    }
    let flushed = app.with_keys(|keys| {
        let request = FlushRequest {
            bzip2: args.frames.bzip2.unwrap_or_default(),
            catalog: app.around.catalog(&app.common)?,
            staging: app.around.staging(&app.common)?,
            name: app.common.set.clone(),
            keys,
            signer: signer(app, &args.signing)?,
            drill: !args.no_drill,
        };
        Ok(flush(request, app.context())?)
    })?;
    if !app.common.quiet {
        words(&flushed).iter().for_each(|words| app.screen().say(words));
    }
    app.summary(Summary::Flush(FlushSummary {
        disc: flushed.disc.as_ref().map(|disc| disc.number.0),
        recovery_discs: flushed.recovery.iter().map(|disc| disc.number.0).collect(),
        recovery_discs_wait: flushed.recovery_waits,
    }))?;
    Ok(Exit::Done)
}

fn words(flushed: &Flushed) -> Vec<String> {
    let staged = |kind: &str, disc: &ClosedDiscInfo| {
        let size = disc.closing.image.bytes();
        format!(
            "{kind} {} is staged, {size}: `coldcut burn` or `coldcut watch` burns it.",
            disc.number
        )
    };
    let mut words: Vec<String> = flushed.disc.iter().map(|disc| staged("Disc", disc)).collect();
    words.extend(flushed.recovery.iter().map(|disc| staged("Recovery disc", disc)));
    if flushed.recovery_waits {
        words.push("The group's recovery discs are made when the staged discs are burned.".into());
    }
    if words.is_empty() {
        words.push("Nothing is held back.".to_owned());
    }
    words
}
