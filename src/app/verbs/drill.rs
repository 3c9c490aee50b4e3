//! `coldcut drill`.

use crate::app::{App, RunError};
use crate::cli::args::DrillArgs;
use crate::flow::drill::{DrillRequest, DrilledDisc, RestoreScript, drill};
use crate::model::{Against, Bytes, plural};
use crate::ui::exit::Exit;
use crate::ui::json::care::{DrillSummary, DrilledDiscObject};
use crate::ui::json::event::Summary;
use crate::ui::json::words::ScriptWord;
use crate::ui::words;

use super::{open_source, trust};

pub fn run(app: &App, args: DrillArgs) -> Result<Exit, RunError> {
    let drive = args.from.as_deref().map(|from| open_source(app, from)).transpose()?;
    let mut drive = drive.flatten();
    app.with_keys(|keys| {
        let request = DrillRequest {
            catalog: app.around.catalog(&app.common)?,
            staging: app.around.staging(&app.common)?,
            from: args.from.clone(),
            name: app.common.set.clone(),
            discs: args.discs.clone(),
            all: args.all,
            keys,
            trust: trust(app, args.verify_signature.as_deref())?,
        };
        let report = drill(&request, drive.as_deref_mut(), app.context())?;
        tell(app, &report.discs)?;
        Ok(if report.is_sound() { Exit::Done } else { Exit::Damage })
    })
}

fn tell(app: &App, drilled: &[DrilledDisc]) -> Result<(), RunError> {
    for disc in drilled {
        if !app.common.quiet || !disc.seen.faults.is_empty() {
            app.screen().say(&line(disc));
        }
    }
    app.summary(Summary::Drill(DrillSummary { discs: drilled.iter().map(object).collect() }))
}

fn line(disc: &DrilledDisc) -> String {
    let (seen, size) = (&disc.seen, Bytes(disc.seen.bytes));
    let what = match seen.faults.len() {
        0 => {
            let files = plural(seen.files, "file", "files");
            format!("standard tools read it; {files} ({size}) restored correctly")
        }
        faults => {
            format!("STANDARD TOOLS CANNOT READ IT, {}", plural(faults as u64, "fault", "faults"))
        }
    };
    format!("disc {} of {}: {what}{}", disc.number, disc.set, trust_words(disc))
}

/// What it is worth that a disc was read which the catalog does not know.
fn trust_words(disc: &DrilledDisc) -> String {
    let list = match disc.against {
        Against::Catalog => return String::new(),
        Against::Signature => "the disc's own list, which is signed",
        Against::OwnList | Against::DiscCatalog => {
            "the disc's own list, which anyone could have made"
        }
    };
    let ran = match disc.script {
        Some(_) => "coldcut's own restore.sh was run",
        None => "no restore.sh was run",
    };
    format!("; the catalog does not know this disc: {ran}, and files were compared with {list}")
}

fn object(disc: &DrilledDisc) -> DrilledDiscObject {
    let (script, script_differs) = match disc.script {
        None => (None, None),
        Some(RestoreScript::OfDisc) => (Some(ScriptWord::Disc), None),
        Some(RestoreScript::OfProgram { differs }) => (Some(ScriptWord::Coldcut), Some(differs)),
    };
    DrilledDiscObject {
        set: disc.set.to_string(),
        disc: disc.number.0,
        files: disc.seen.files,
        bytes: disc.seen.bytes,
        faults: disc.seen.faults.len(),
        skipped: disc.seen.skipped.iter().map(words::untested).collect(),
        against: disc.against.into(),
        script,
        script_differs,
    }
}
