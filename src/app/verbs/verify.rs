//! `coldcut verify`.

use crate::app::{Room, RunError};
use crate::catalog::Finding;
use crate::cli::args::Verify;
use crate::flow::verifying::{
    Against, CheckedDisc, Gone, VerifyReport, VerifyRequest, verify_from,
};
use crate::port::monitor::Monitor;
use crate::ui::exit::Exit;

use super::{checker, open_source, scratch};

pub fn run(room: &Room, args: Verify) -> Result<Exit, RunError> {
    let mut drive = open_source(room, &args.from)?;
    let request = VerifyRequest {
        from: args.from,
        catalog: room.around.catalog(&room.common)?,
        name: room.common.name.clone(),
        signed_by: checker(args.verify_signature.as_deref())?,
        scratch: scratch(room)?,
    };
    let report = verify_from(&request, drive.as_deref_mut(), room.desk())?;
    tell(room, &report)?;
    let damage = if report.is_sound() { Exit::Done } else { Exit::Damage };
    let gone = if report.gone.is_empty() { Exit::Done } else { Exit::DiscMissing };
    Ok(damage.and(gone))
}

fn tell(room: &Room, report: &VerifyReport) -> Result<(), RunError> {
    room.reporter.rest();
    for disc in &report.discs {
        if !room.common.quiet || disc.finding != Finding::Ok {
            room.screen.say(&words(disc));
        }
    }
    for gone in &report.gone {
        let which = match &gone.disc {
            Some((set, number)) => format!("disc {number} of {set}"),
            None => "a disc".to_owned(),
        };
        room.screen.say(&format!(
            "{which}: NOT READ to its end, and nothing is recorded of it: {}",
            gone.absence
        ));
    }
    if report.unreadable > 0 {
        room.screen.say(&format!("{} image(s) CANNOT BE READ as discs", report.unreadable));
    }
    let discs: Vec<serde_json::Value> = report.discs.iter().map(object).collect();
    let absent: Vec<u32> = report.absent.iter().map(|(_, disc)| disc.0).collect();
    let number = |gone: &Gone| gone.disc.as_ref().map(|(_, number)| number.0);
    let gone: Vec<Option<u32>> = report.gone.iter().map(number).collect();
    room.screen.object(&serde_json::json!({
        "event": "summary",
        "command": "verify",
        "discs": discs,
        "missing_discs": absent,
        "gone_discs": gone,
        "unreadable": report.unreadable,
    }))?;
    Ok(())
}

fn words(disc: &CheckedDisc) -> String {
    let finding = match (disc.finding, disc.faults) {
        (Finding::Ok, _) => "every byte is right".to_owned(),
        (Finding::Damaged, faults) => {
            let repairable = match disc.repairable {
                Some(true) => ", repairable from its recovery data",
                Some(false) => ", NOT repairable from its recovery data",
                None => "",
            };
            format!("DAMAGED, {faults} fault(s){repairable}")
        }
        (Finding::Unreadable, _) => "CANNOT BE READ".to_owned(),
    };
    format!("disc {} of {}: {finding}, {}", disc.number, disc.set, against(disc.against))
}

fn against(list: Against) -> &'static str {
    match list {
        Against::Catalog => "held against the catalog",
        Against::DiscCatalog => "held against a catalog on the discs",
        Against::OwnList => "held against its own list only",
    }
}

fn object(disc: &CheckedDisc) -> serde_json::Value {
    serde_json::json!({
        "set": disc.set.as_str(),
        "disc": disc.number.0,
        "finding": disc.finding.word(),
        "faults": disc.faults,
        "repairable": disc.repairable,
        "against": match disc.against {
            Against::Catalog => "catalog",
            Against::DiscCatalog => "disc catalog",
            Against::OwnList => "own list",
        },
    })
}
