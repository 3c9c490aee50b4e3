//! `coldcut keysheet`.

use crate::app::{App, RunError};
use crate::cli::args;
use crate::flow::staging::area::source_bytes;
use crate::flow::status::keysheet::{Keysheet, keysheet};
use crate::port::clock::Moment;
use crate::ui::exit::Exit;
use crate::ui::keysheet::Sheet;
use crate::ui::table::Object;

use super::query::disc_line;

pub fn run(app: &App, args: args::KeysheetArgs) -> Result<Exit, RunError> {
    let catalog = app.around.catalog(&app.common)?;
    let sheet = keysheet(&catalog, app.common.set.as_ref(), args.hint.as_deref(), app.context())?;
    let sheet = printed(sheet);
    match app.screen().json() {
        true => app.screen().object(&sheet.object())?,
        false => app.screen().result(&sheet.text())?,
    }
    Ok(Exit::Done)
}

fn printed(sheet: Keysheet) -> Sheet {
    let Keysheet { set, newest, discs, key_ids } = sheet;
    let name = &set.facts.name;
    Sheet {
        set: name.clone(),
        uuid: set.facts.uuid,
        source: source_bytes(&set.facts.source),
        newest: newest.map(|snapshot| (snapshot.seq, snapshot.started)),
        encryption: set.facts.encryption,
        compression: set.facts.compression,
        key_ids,
        discs: discs.into_iter().map(|disc| disc_line(name, disc)).collect(),
        hint: set.hint,
        today: Moment::now(),
    }
}
