//! `snapshots`, `discs`, `ls`, `find`, `status`: what the catalog says.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::app::{Room, RunError};
use crate::cli::args::{Find, Ls};
use crate::flow::FlowError;
use crate::flow::insertion::blank_words;
use crate::flow::query::{KnownDisc, Query, SetGlance, glance};
use crate::flow::staging::source_bytes;
use crate::model::glob::Pattern;
use crate::model::path::shown;
use crate::model::{RelPath, SnapshotSeq};
use crate::ui::exit::Exit;
use crate::ui::lines::{DiscLine, Places, SnapshotLine, StatusLine, print_paths, print_status};
use crate::ui::table;

fn open(room: &Room) -> Result<Query, RunError> {
    let catalog = room.around.catalog(&room.common)?;
    Ok(Query::open(&catalog, room.common.name.as_ref())?)
}

pub fn snapshots(room: &Room) -> Result<Exit, RunError> {
    let query = open(room)?;
    let line =
        |(snapshot, extent): (crate::catalog::SnapshotInfo, crate::catalog::Extent)| SnapshotLine {
            set: query.name().clone(),
            id: snapshot.seq,
            date: snapshot.started,
            source: source_bytes(&snapshot.source),
            paths: extent.paths,
            size: extent.bytes,
            waiting: extent.waiting,
        };
    let lines: Vec<SnapshotLine> = query.snapshots()?.into_iter().map(line).collect();
    table::print(&room.screen, &lines)?;
    Ok(Exit::Done)
}

pub fn discs(room: &Room) -> Result<Exit, RunError> {
    let query = open(room)?;
    let line = |disc: KnownDisc| DiscLine {
        set: query.name().clone(),
        id: disc.info.number,
        uuid: disc.info.uuid,
        state: format!("{:?}", disc.info.state).to_lowercase(),
        date: disc.info.closed,
        used: disc.info.image.unwrap_or_default().bytes(),
        capacity: disc.info.capacity.bytes(),
        snapshot: disc.info.snapshot.unwrap_or(SnapshotSeq(0)),
        copies: disc.info.good_copies,
        verified: disc.verified,
        drilled: disc.drilled,
    };
    let lines: Vec<DiscLine> = query.discs()?.into_iter().map(line).collect();
    table::print(&room.screen, &lines)?;
    Ok(Exit::Done)
}

pub fn ls(room: &Room, args: Ls) -> Result<Exit, RunError> {
    let path = rel_path(args.path.as_deref().unwrap_or(OsStr::new(".")))?;
    print_paths(&room.screen, open(room)?.list(&path, args.snapshot)?)?;
    Ok(Exit::Done)
}

/// `a/b`, and what people type for it: `./a/b/`.
fn rel_path(typed: &OsStr) -> Result<RelPath, RunError> {
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

pub fn find(room: &Room, args: Find) -> Result<Exit, RunError> {
    let pattern = pattern(&args.pattern)?;
    print_paths(&room.screen, open(room)?.find(&pattern, args.snapshot)?)?;
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

pub fn status(room: &Room) -> Result<Exit, RunError> {
    let catalog = room.around.catalog(&room.common)?;
    let staging = room.around.staging(&room.common)?;
    let sets = glance(&catalog, room.common.name.as_ref())?;
    let lines: Vec<StatusLine> = sets.into_iter().map(status_line).collect();
    let places = Places { catalog_exists: catalog.exists(), catalog, staging };
    print_status(&room.screen, &places, &lines)?;
    Ok(Exit::Done)
}

/// The blank for the first disc that waits.
fn wanted(glance: &SetGlance) -> Option<String> {
    use crate::catalog::DiscState::{Failed, Staged};
    let first = glance.discs.iter().find(|disc| matches!(disc.state, Staged | Failed))?;
    Some(blank_words(&glance.set.facts.name, first))
}

fn status_line(glance: SetGlance) -> StatusLine {
    use crate::catalog::DiscState::{Failed, Open, Staged, Verified};
    let count = |states: &[crate::catalog::DiscState]| {
        glance.discs.iter().filter(|disc| states.contains(&disc.state)).count() as u64
    };
    let facts = &glance.set.facts;
    StatusLine {
        set: facts.name.clone(),
        uuid: facts.uuid,
        source: source_bytes(&facts.source),
        encryption: facts.encryption,
        snapshots: glance.snapshots.len() as u64,
        newest: glance.snapshots.last().map(|s| (s.seq, s.started)),
        safe: count(&[Verified]),
        staged: count(&[Open, Staged, Failed]),
        waiting: glance.status.staged.files + glance.status.not_yet.files,
        waiting_size: glance.status.staged.bytes + glance.status.not_yet.bytes,
        rows_waiting: glance.pending_rows,
        wanted: wanted(&glance),
    }
}
