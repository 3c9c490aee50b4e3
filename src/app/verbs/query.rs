//! `snapshots`, `discs`, `ls`, `find`: what the catalog says.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::app::{App, RunError};
use crate::catalog::{SnapshotInfo, SnapshotSize};
use crate::cli::args::{FindArgs, LsArgs};
use crate::flow::FlowError;
use crate::flow::library::known_discs::{KnownDisc, KnownMedium};
use crate::flow::staging::area::source_bytes;
use crate::flow::status::query::Query;
use crate::model::glob::Pattern;
use crate::model::path::shown;
use crate::model::{Bytes, RelPath, SetName, SnapshotSeq};
use crate::ui::exit::Exit;
use crate::ui::lines::{ListedSnapshot, print_paths};
use crate::ui::media::{CopyLine, DiscLine};
use crate::ui::table;

pub(super) fn open(app: &App) -> Result<Query, RunError> {
    let catalog = app.around.catalog(&app.common)?;
    Ok(Query::open(&catalog, app.common.set.as_ref())?)
}

pub fn snapshots(app: &App) -> Result<Exit, RunError> {
    let query = open(app)?;
    let line = |snapshot| snapshot_line(query.name(), snapshot);
    let lines: Vec<ListedSnapshot> = query.snapshots()?.into_iter().map(line).collect();
    table::print(app.screen(), &lines)?;
    Ok(Exit::Done)
}

pub(super) fn snapshot_line(
    set: &SetName,
    (snapshot, extent): (SnapshotInfo, SnapshotSize),
) -> ListedSnapshot {
    ListedSnapshot {
        set: set.clone(),
        id: snapshot.seq,
        date: snapshot.started,
        source: source_bytes(&snapshot.source),
        paths: extent.paths,
        size: extent.bytes,
        waiting: extent.waiting,
    }
}

pub fn discs(app: &App) -> Result<Exit, RunError> {
    let query = open(app)?;
    let line = |disc: KnownDisc| disc_line(query.name(), disc);
    let lines: Vec<DiscLine> = query.discs()?.into_iter().map(line).collect();
    table::print(app.screen(), &lines)?;
    Ok(Exit::Done)
}

pub(super) fn disc_line(set: &SetName, disc: KnownDisc) -> DiscLine {
    let closing = disc.info.closing;
    DiscLine {
        set: set.clone(),
        id: disc.info.number,
        uuid: disc.info.uuid,
        state: disc.info.state,
        date: closing.and_then(|closing| closing.at),
        used: closing.map_or(Bytes(0), |closing| closing.image.bytes()),
        capacity: disc.info.capacity.bytes(),
        snapshot: closing.map_or(SnapshotSeq(0), |closing| closing.snapshot),
        copies: disc.info.good_copies,
        verified: disc.verified,
        drilled: disc.drilled,
        media: disc.media.into_iter().map(copy_line).collect(),
        covers: disc.covers,
    }
}

fn copy_line(medium: KnownMedium) -> CopyLine {
    CopyLine {
        copy: medium.copy.number.0,
        state: medium.copy.state,
        is_missing: medium.is_missing,
        place: medium.copy.place,
        medium: medium.copy.medium,
        burned: medium.copy.burned,
        verified: medium.verified,
    }
}

pub fn ls(app: &App, args: LsArgs) -> Result<Exit, RunError> {
    let path = rel_path(args.path.as_deref().unwrap_or(OsStr::new(".")))?;
    print_paths(app.screen(), open(app)?.list(&path, args.snapshot)?)?;
    Ok(Exit::Done)
}

/// `a/b`, and what people type for it: `./a/b/`.
pub(super) fn rel_path(typed: &OsStr) -> Result<RelPath, RunError> {
    let mut bytes = typed.as_bytes();
    while let Some(rest) = bytes.strip_prefix(b"./") {
        bytes = rest;
    }
    while let Some(rest) = bytes.strip_suffix(b"/") {
        bytes = rest;
    }
    let text = if bytes.is_empty() { &b"."[..] } else { bytes };
    let words = "is not a path relative to the source, such as holidays/2026";
    RelPath::new(text)
        .ok_or_else(|| RunError::Usage(format!("{} {words}", shown(typed.as_bytes()))))
}

pub fn find(app: &App, args: FindArgs) -> Result<Exit, RunError> {
    let pattern = pattern(&args.pattern)?;
    print_paths(app.screen(), open(app)?.find(&pattern, args.snapshot)?)?;
    Ok(Exit::Done)
}

fn pattern(typed: &OsString) -> Result<Pattern, RunError> {
    let text = typed.to_str();
    let text = text.ok_or_else(|| RunError::Usage("the pattern is not UTF-8".to_owned()))?;
    Pattern::new(text).map_err(|error| {
        let words = error.to_string();
        FlowError::Pattern(error, words).into()
    })
}
