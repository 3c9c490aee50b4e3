//! A disc that was closed part-filled, and waits in the staging area, is filled up by the next
//! backup instead of beginning another one: a run each night must not cost a disc each night.
//!
//! What is on it stays as it is, archive for archive. Its listings stay, too, until the new ones
//! take their place; the rows that they were made of are taken from its INDEX, which only a run
//! with the keys of the set can read. Where a run has none, as that of a set for recipients, the
//! rows are kept in the staging area as long as the disc may be filled up.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::catalog::{Catalog, ClosedDiscInfo, DiscInfo, Finding, Part};
use crate::codec::openpgp::Opener;
use crate::drive::Folder;
use crate::format::index_line;
use crate::model::disc::Encryption;
use crate::model::{ArchiveNo, DiscNo, DiscUuid};
use crate::pack::closing::SIGNATURE;
use crate::pack::room::Room;
use crate::pack::rows::{put_rows, rows_file};
use crate::port::files::{digest, open_own_to_read, read_own};
use crate::port::notice::{FillObstacle, StagingNotice};
use crate::recovery::DIRECTORY;
use crate::recovery::striping::data_capacity;
use crate::restore::index::{INDEX, ListingError, each_index_row, listing_file};

use crate::flow::backup::writer::{DiscWriter, keeps_rows};
use crate::flow::base::keys::KeyRing;
use crate::flow::base::turn::unless_in_use;
use crate::flow::burn::recovery_groups::Grouping;
use crate::flow::staging::area::label;
use crate::flow::{FlowError, chain};

/// A disc as full as this is closed for good, and burned without a question.
pub(in crate::flow) const WELL_FILLED: u64 = 95;

/// The set's newest disc, if it may be filled up.
pub(in crate::flow) fn spare(
    writer: &DiscWriter,
    catalog: &Catalog,
) -> Result<Option<ClosedDiscInfo>, FlowError> {
    let set = writer.set.id;
    let Some(number) = catalog.reopenable(set)? else { return Ok(None) };
    let disc = catalog.disc(set, number)?.and_then(DiscInfo::closed);
    let Some(disc) = disc.filter(|disc| disc.capacity == writer.capacity) else { return Ok(None) };
    let files = catalog.disc_files(set, number)?;
    let drills = catalog.drills(set, number)?;
    let is_bad = drills.last().is_some_and(|drill| drill.finding == Finding::Damaged);
    // The group in progress is closed when this disc is burned: somebody asked for that.
    let is_waited_for = writer.set.facts.parity_discs.is_some()
        && Grouping::new(writer.staging, writer.set, writer.context).is_to_close();
    if is_bad || is_waited_for {
        return Ok(None);
    }
    let sizes = files.iter().filter(|file| !is_recovery_data(&file.path));
    let sizes = sizes.map(|file| (file.path.as_str(), file.size.0));
    Ok((used_percent(writer, &disc, sizes) < WELL_FILLED).then_some(disc))
}

/// Whether the rows of each archive of the disc are in the staging area.
fn has_rows(writer: &DiscWriter, catalog: &Catalog, disc: DiscNo) -> Result<bool, FlowError> {
    let dir = writer.staging.disc_dir(writer.set, disc);
    let archives = catalog.archives_of_disc(writer.set.id, disc)?;
    Ok(archives.iter().all(|archive| rows_file(&dir, archive.number.0).is_file()))
}

/// What this run lacks to open the disc again.
pub(in crate::flow) fn missing_key(
    writer: &DiscWriter,
    catalog: &Catalog,
    disc: DiscNo,
    keys: &KeyRing,
) -> Result<Option<FillObstacle>, FlowError> {
    let is_locked = keeps_rows(writer.set) && keys.secret_key.is_none();
    if is_locked && !has_rows(writer, catalog, disc)? {
        return Ok(Some(FillObstacle::NoSecretKey));
    }
    let files = catalog.disc_files(writer.set.id, disc)?;
    if !files.iter().any(|file| file.path == SIGNATURE) {
        return Ok(None);
    }
    // It stays one that its key signed: who trusts that key alone would lose what is on it.
    let Some(signer) = writer.signer else {
        return Ok(Some(FillObstacle::NotSigning));
    };
    let path = writer.staging.disc_dir(writer.set, disc).join(SIGNATURE);
    let is_ours = read_own(&path).is_ok_and(|signature| signer.is_named_by(&signature));
    Ok((!is_ours).then_some(FillObstacle::OtherSigner))
}

pub(in crate::flow) fn is_recovery_data(path: &str) -> bool {
    path.split_once('/').is_some_and(|(dir, _)| dir == DIRECTORY)
}

/// Recovery data is reckoned as it would be made now.
fn used_percent<'f>(
    writer: &DiscWriter,
    disc: &ClosedDiscInfo,
    files: impl Iterator<Item = (&'f str, u64)>,
) -> u64 {
    let facts = &writer.set.facts;
    let usable = match facts.parity_discs {
        Some(ratio) => data_capacity(disc.capacity, ratio),
        None => disc.capacity,
    };
    let mut room = Room::new(usable).with_recovery(facts.parity);
    files.for_each(|(path, size)| room.put(path, size));
    room.used_percent()
}

/// Opens the disc again. False: it cannot be, and stays as it is.
pub(in crate::flow) fn reopen(
    writer: &DiscWriter,
    catalog: &mut Catalog,
    disc: &ClosedDiscInfo,
    keys: &KeyRing,
) -> Result<bool, FlowError> {
    let set = writer.set.id;
    let Some(_claim) = unless_in_use(catalog.hold(Part::Disc(set, disc.number)))? else {
        return Ok(stays(writer, disc.number, FillObstacle::BeingBurned));
    };
    // Another coldcut may have burned it since it was looked at.
    if catalog.reopenable(set)? != Some(disc.number) {
        return Ok(stays(writer, disc.number, FillObstacle::BeingBurned));
    }
    if let Some(obstacle) = missing_key(writer, catalog, disc.number, keys)? {
        return Ok(stays(writer, disc.number, obstacle));
    }
    // Durable before the disc counts as open: an open disc without them could not be closed.
    if !(keeps_rows(writer.set) && has_rows(writer, catalog, disc.number)?) {
        if let Err(obstacle) = rows_from_index(writer, catalog, disc, keys)? {
            return Ok(stays(writer, disc.number, obstacle));
        }
    }
    catalog.reopen_disc(writer.set.id, disc.number, DiscUuid(Uuid::new_v4()))?;
    writer.context.monitor.note(StagingNotice::FillingUp { disc: disc.number }.into());
    Ok(true)
}

/// Puts the rows of the disc's INDEX into the staging area. The inner error: why they cannot be
/// had.
fn rows_from_index(
    writer: &DiscWriter,
    catalog: &Catalog,
    disc: &ClosedDiscInfo,
    keys: &KeyRing,
) -> Result<Result<(), FillObstacle>, FlowError> {
    let opener = match opener(writer, keys) {
        Ok(opener) => opener,
        Err(FlowError::Stopped(stopped)) => return Err(stopped.into()),
        Err(error) => return Ok(Err(unreadable(&error))),
    };
    let rows = match rows_of(writer, catalog, disc, opener.as_ref())? {
        Ok(rows) => rows,
        Err(why) => return Ok(Err(why)),
    };
    let dir = writer.staging.disc_dir(writer.set, disc.number);
    for (archive, text) in rows {
        put_rows(&dir, archive.0, &text)?;
    }
    Ok(Ok(()))
}

fn stays(writer: &DiscWriter, disc: DiscNo, obstacle: FillObstacle) -> bool {
    writer.context.monitor.note(StagingNotice::NotFilledUp { disc, obstacle }.into());
    false
}

fn unreadable(error: &dyn std::error::Error) -> FillObstacle {
    FillObstacle::Unreadable { why: chain(error).into() }
}

/// What reads the set's own listings.
fn opener(writer: &DiscWriter, keys: &KeyRing) -> Result<Option<Opener>, FlowError> {
    let facts = &writer.set.facts;
    // A passphrase was asked for, and tried, to seal the next disc.
    let secret = writer.sealer.as_ref().and_then(|sealer| sealer.locks().secret());
    match facts.encryption {
        Encryption::None => Ok(None),
        Encryption::Passphrase => Ok(secret.as_ref().map(Opener::passphrase)),
        Encryption::Recipients => keys.opener((&facts.name, None), facts.encryption, |_| Ok(())),
    }
}

/// Rows of INDEX by archive, as they were written.
type IndexRows = BTreeMap<ArchiveNo, Vec<u8>>;

/// The rows of the disc's INDEX, if that is to the last byte what it was, and tells of all
/// archives.
fn rows_of(
    writer: &DiscWriter,
    catalog: &Catalog,
    disc: &ClosedDiscInfo,
    opener: Option<&Opener>,
) -> Result<Result<IndexRows, FillObstacle>, FlowError> {
    let dir = writer.staging.disc_dir(writer.set, disc.number);
    let reader = match Folder::open(&dir) {
        Ok(reader) => reader,
        Err(error) => return Ok(Err(unreadable(&error))),
    };
    let files = catalog.disc_files(writer.set.id, disc.number)?;
    let Some(listed) = listing_file(&reader, INDEX) else {
        return Ok(Err(FillObstacle::NoIndex));
    };
    let known = files.iter().find(|file| file.path == listed.path);
    let found = open_own_to_read(&dir.join(&listed.path)).and_then(digest);
    match (known, found) {
        (Some(known), Ok((_, found))) if known.sha256 == found => {}
        _ => return Ok(Err(FillObstacle::IndexChanged { path: listed.path.clone() })),
    }
    let mut rows = IndexRows::new();
    let of = label(writer.set, disc);
    let read = each_index_row(&reader, opener, &of, writer.context.reading(), |row| {
        index_line(&row, disc.format, rows.entry(row.archive).or_default());
    });
    match read {
        Ok(None) => {}
        Err(ListingError::Stopped(stopped)) => return Err(stopped.into()),
        Ok(Some(error)) | Err(error) => return Ok(Err(unreadable(&error))),
    }
    let archives = catalog.archives_of_disc(writer.set.id, disc.number)?;
    let tells_of_all = archives.iter().all(|archive| rows.contains_key(&archive.number));
    rows.retain(|number, _| archives.iter().any(|archive| archive.number == *number));
    Ok(if tells_of_all { Ok(rows) } else { Err(FillObstacle::IndexIncomplete) })
}
