//! Makes the recovery data of a disc, when all that it covers is in staging.

use std::fs;
use std::path::Path;

use super::PackError;
use super::filler::DiscInWork;
use super::room::{add_recovery, image, sums_size};
use super::staged::StagedFile;
use crate::port::event::Activity;
use crate::port::files::{digest, open_own_to_read, sync_dir, unless_missing};
use crate::port::monitor::{Monitor, NewTask};
use crate::port::stop::{Heeding, Stop};
use crate::recovery::geometry::{Geometry, Layout};
use crate::recovery::program::{ProgramError, create};
use crate::recovery::{DIRECTORY, covers};

/// Who hears how far the work has come, and who may stop it.
#[derive(Clone, Copy)]
pub struct Watchers<'a> {
    pub monitor: &'a Monitor,
    pub stop: &'a Stop,
}

/// For how many percent of the disc there will be recovery data, known before its texts say so:
/// as many as are wanted; fewer where most of the disc was packed when less was wanted.
pub(super) fn percent(disc: &DiscInWork, files: &[StagedFile]) -> u8 {
    let Some(geometry) = disc.room.recovery() else { return 0 };
    let mut sized = sizes(files);
    for (path, size) in disc.room.files() {
        if sized.iter().all(|(known, _)| known != path) {
            sized.push((path.clone(), *size));
        }
    }
    let wanted = geometry.layout(&sized, 0).recovery_blocks;
    match fitting(disc, geometry, sized.clone()) {
        None => 0,
        Some(layout) if layout.recovery_blocks == wanted => geometry.percent,
        Some(layout) => geometry.covered_percent(&sized, layout.recovery_blocks),
    }
}

/// Makes recovery data over the disc's `files`, durable in staging.
pub(super) fn protect(
    disc: &DiscInWork,
    files: &[StagedFile],
    watchers: Watchers,
) -> Result<Vec<StagedFile>, PackError> {
    let parity = disc.dir.join(DIRECTORY);
    // What a run that was stopped has left.
    unless_missing(fs::remove_dir_all(&parity)).map_err(PackError::staging(&parity))?;
    let Some(geometry) = disc.room.recovery() else { return Ok(Vec::new()) };
    let Some(layout) = fitting(disc, geometry, sizes(files)) else { return Ok(Vec::new()) };
    let covered: Vec<&StagedFile> = files.iter().filter(|file| covers(&file.path)).collect();
    let paths: Vec<&str> = covered.iter().map(|file| file.path.as_str()).collect();
    let total = covered.iter().map(|file| file.size).sum::<u64>();
    let Watchers { monitor, stop } = watchers;
    let new = NewTask::new(Activity::Protecting).disc(disc.number).total(total);
    let task = monitor.begin(new);
    let mut watch = |percent: u64| task.done(total / 100 * percent);
    create(&disc.dir, &paths, geometry.block, &layout, &mut watch, stop).map_err(|error| {
        match error {
            ProgramError::Stopped(stopped) => stopped.into(),
            error => PackError::Recovery(error),
        }
    })?;
    let made: Result<Vec<_>, _> =
        layout.files.iter().map(|(path, _)| keep(&disc.dir, path, stop)).collect();
    sync_dir(&parity).and_then(|()| sync_dir(&disc.dir)).map_err(PackError::staging(&parity))?;
    made
}

fn sizes(files: &[StagedFile]) -> Vec<(String, u64)> {
    files.iter().map(|file| (file.path.clone(), file.size)).collect()
}

/// As many recovery blocks as are wanted, or as the disc takes.
fn fitting(disc: &DiscInWork, geometry: Geometry, mut sized: Vec<(String, u64)>) -> Option<Layout> {
    sized.push(("SHA256SUMS".to_owned(), sums_size(&sized)));
    let fits = |layout: &Layout| {
        let mut all = sized.clone();
        add_recovery(&mut all, layout.files.clone());
        image(&all) <= disc.room.capacity()
    };
    let wanted = geometry.layout(&sized, 0);
    let fewer = (1..=wanted.recovery_blocks).rev().map(|n| geometry.with_blocks(&sized, n));
    fewer.into_iter().find(fits)
}

/// Makes a file durable that another program wrote, and learns its sum.
fn keep(dir: &Path, path: &str, stop: &Stop) -> Result<StagedFile, PackError> {
    let file = dir.join(path);
    let read = || {
        let from = open_own_to_read(&file)?;
        from.sync_all()?;
        digest(Heeding::new(from, stop))
    };
    let (size, sha256) = read().map_err(PackError::staging(&file))?;
    Ok(StagedFile { path: path.to_owned(), size, sha256 })
}
