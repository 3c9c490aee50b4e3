//! Drills.

use crate::model::plural;
use crate::port::notice::{DrillNotice, SimpleScriptLimit, Untested};

pub(super) fn words(notice: &DrillNotice) -> String {
    match notice {
        DrillNotice::RecoveryDiscNotDrilled { disc } => {
            format!("disc {disc}: a recovery disc, not tested")
        }
        DrillNotice::NotDrilledWithoutKey { disc } => format!(
            "disc {disc} is not drilled: the set is encrypted, and no key is at hand; `coldcut \
             drill` asks for it"
        ),
        DrillNotice::NotDrilledWithoutTool { disc, tool } => format!(
            "disc {disc} is not drilled: {tool} is not installed; a restore by hand would need it; \
             install it, or use --no-drill"
        ),
        DrillNotice::NotTested { disc, what } => {
            format!("disc {disc}: not tested: {}", untested(what))
        }
        DrillNotice::ScriptNotRun => {
            "restore.sh was not run: some files are not those that were packed".to_owned()
        }
        DrillNotice::OwnScriptNotRun => {
            "restore.sh was not run: not all of these discs are as coldcut writes them".to_owned()
        }
        DrillNotice::ScriptDiffers { disc } => format!(
            "disc {disc}: its restore.sh is not the one that this version of coldcut writes; it \
             was not run"
        ),
    }
}

/// What could not be tried, and why; also `skipped` of the summary of `drill`.
pub fn untested(what: &Untested) -> String {
    match what {
        Untested::EndOfIndex { path } => {
            format!("{path}: only its beginning was expanded, and the sample is from there")
        }
        Untested::SessionKey { path } => {
            format!("{path}: its session key was known only to the run that made it")
        }
        Untested::LongPaths { paths } => {
            format!("{} longer than tar can create", plural(*paths, "path is", "paths are"))
        }
        Untested::Devices { paths } => {
            let devices = plural(*paths, "device or FIFO", "devices or FIFOs");
            format!("{devices}, which the script cannot create here")
        }
        Untested::SimpleScript { limit } => format!("simple-restore.sh ({})", reason(*limit)),
    }
}

fn reason(limit: SimpleScriptLimit) -> &'static str {
    match limit {
        SimpleScriptLimit::Format1 => "discs of format 1 do not have it",
        SimpleScriptLimit::LongPaths => "paths are longer than it can create",
        SimpleScriptLimit::Devices => "only root can create devices",
        SimpleScriptLimit::NotAllDiscs => "not all of the snapshot is on these discs",
        SimpleScriptLimit::NoRoom => "there is no room for it",
    }
}

#[cfg(test)]
pub(super) fn examples() -> super::examples::Examples {
    let disc = super::examples::disc();
    let index = || "INDEX.tsv.bz2.gpg".to_owned();
    examples!(DrillNotice {
        RecoveryDiscNotDrilled { disc } => "disc 3: a recovery disc, not tested",
        NotDrilledWithoutKey { disc } =>
            "disc 3 is not drilled: the set is encrypted, and no key is at hand; `coldcut drill` \
             asks for it",
        NotDrilledWithoutTool { disc, tool: "gpg".into() } =>
            "disc 3 is not drilled: gpg is not installed; a restore by hand would need it; \
             install it, or use --no-drill",
        NotTested { disc, what: Untested::EndOfIndex { path: index() } } =>
            "disc 3: not tested: INDEX.tsv.bz2.gpg: only its beginning was expanded, and the \
             sample is from there",
        NotTested { disc, what: Untested::SessionKey { path: index() } } =>
            "disc 3: not tested: INDEX.tsv.bz2.gpg: its session key was known only to the run \
             that made it",
        NotTested { disc, what: Untested::LongPaths { paths: 2 } } =>
            "disc 3: not tested: 2 paths are longer than tar can create",
        NotTested { disc, what: Untested::LongPaths { paths: 1 } } =>
            "disc 3: not tested: 1 path is longer than tar can create",
        NotTested { disc, what: Untested::Devices { paths: 1 } } =>
            "disc 3: not tested: 1 device or FIFO, which the script cannot create here",
        NotTested { disc, what: Untested::Devices { paths: 2 } } =>
            "disc 3: not tested: 2 devices or FIFOs, which the script cannot create here",
        NotTested { disc, what: Untested::SimpleScript { limit: SimpleScriptLimit::Devices } } =>
            "disc 3: not tested: simple-restore.sh (only root can create devices)",
        ScriptNotRun => "restore.sh was not run: some files are not those that were packed",
        OwnScriptNotRun =>
            "restore.sh was not run: not all of these discs are as coldcut writes them",
        ScriptDiffers { disc } =>
            "disc 3: its restore.sh is not the one that this version of coldcut writes; it was \
             not run",
    })
}
