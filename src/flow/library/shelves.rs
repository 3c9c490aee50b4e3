//! Shelves that are met again: the same one elsewhere, a duplicate of one, one that an old catalog
//! noted by another path. What is on them follows; nothing of the one is credited to the other.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::catalog::{Catalog, CatalogError, CopyPlacement, CopyState, KnownSet, Shelved};
use crate::drive::shelf_identity::{give_id, id_of, place_of, renew_id};
use crate::format::volume::image_name;
use crate::model::{Carrier, FileId, SetName, ShelfId, ShelfPlace};
use crate::port::notice::{SetNotice, ShelfNotice};

use crate::flow::base::turn::open_to_record;
use crate::flow::{Context, FlowError};

/// What a shelf is met for. Only one that is written to is told from the one that it was copied
/// from by an id of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit {
    Read,
    Write,
}

/// A place where discs are to go, and the shelves in it for further copies. Without a catalog there
/// is nothing to know.
pub fn arrive(catalog: &Path, dest: &Path, context: Context) -> Result<(), FlowError> {
    // None is made here, nor out of an empty file that a full disk left.
    if !fs::metadata(catalog).is_ok_and(|found| found.len() > 0) {
        return Ok(());
    }
    let mut catalog = open_to_record(catalog, context)?;
    let further = (2..).map(|n| dest.join(format!("copy{n}"))).take_while(|dir| dir.is_dir());
    for dir in std::iter::once(dest.to_owned()).chain(further) {
        meet(&mut catalog, &dir, Visit::Write, &|notice| context.monitor.note(notice.into()))?;
    }
    Ok(())
}

/// Brings what the catalog knows of shelves up to what is seen of the one at `dir`. The answer is
/// how it is to be noted: without an id that is another one's.
pub fn meet(
    catalog: &mut Catalog,
    dir: &Path,
    visit: Visit,
    say: &dyn Fn(ShelfNotice),
) -> Result<ShelfPlace, CatalogError> {
    let mut here = place_of(dir);
    if !here.dir.is_dir() {
        return Ok(here);
    }
    let mut known = catalog.shelved()?;
    if rename(catalog, &known, &here)? {
        known = catalog.shelved()?;
    }
    merge(catalog, &known, &here, say)?;
    let known = catalog.shelved()?;
    let is_known = known.iter().any(|copy| copy.place().is(&here));
    let others = here.id.map(|id| others(&known, id, &here)).unwrap_or_default();
    if others.is_empty() {
        if is_known && here.id.is_none() {
            // One that cannot have an id is known by its path.
            here.id = give_id(&here.dir).ok();
        }
    } else if let (false, None) = (is_known, others.iter().find(|other| is_there(other.place()))) {
        let puts: Vec<CopyPlacement> = others.iter().map(|copy| copy.put(&here, true)).collect();
        say(ShelfNotice::ShelfMoved {
            shelf_before: others[0].place().dir.clone(),
            shelf: here.dir.clone(),
            is_unproved: puts.iter().any(|put| put.is_unproved),
        });
        catalog.put_copies(&puts)?;
        return Ok(here);
    } else {
        // A duplicate, or the shelf that a missing one was copied from: what lies here is apart.
        here.id = match visit {
            Visit::Write => renew_id(&here.dir).ok(),
            Visit::Read => None,
        };
        if !is_known {
            let (shelf, original) = (here.dir.clone(), others[0].place().dir.clone());
            say(ShelfNotice::ShelfCopied { shelf, original });
        }
    }
    note(catalog, &known, &here)?;
    Ok(here)
}

/// More is known now of the shelf where these copies lie.
fn note(catalog: &mut Catalog, known: &[Shelved], here: &ShelfPlace) -> Result<(), CatalogError> {
    let lacks = |copy: &&Shelved| {
        let place = copy.place();
        place.dir == here.dir
            && place.is(here)
            && (place.id, &place.system) != (here.id, &here.system)
    };
    let puts: Vec<CopyPlacement> =
        known.iter().filter(lacks).map(|copy| copy.put(here, false)).collect();
    catalog.put_copies(&puts)
}

/// Copies on shelves of this id in other places.
fn others<'a>(known: &'a [Shelved], id: ShelfId, here: &ShelfPlace) -> Vec<&'a Shelved> {
    let is_other = |copy: &&Shelved| copy.place().id == Some(id) && copy.place().dir != here.dir;
    known.iter().filter(is_other).collect()
}

fn is_there(place: &ShelfPlace) -> bool {
    place.id.is_some() && id_of(&place.dir) == place.id
}

/// Paths that a former version noted as they were typed, and other names of this very directory,
/// become its one path, unless a copy of the same disc is noted there already. Whether any did.
fn rename(
    catalog: &mut Catalog,
    known: &[Shelved],
    here: &ShelfPlace,
) -> Result<bool, CatalogError> {
    let mut puts: Vec<CopyPlacement> = Vec::new();
    for copy in known.iter().filter(|copy| is_name_of(copy.place(), here)) {
        let same = |other: &Shelved| {
            (other.set, other.disc) == (copy.set, copy.disc) && other.place().dir == here.dir
        };
        let is_put = puts.iter().any(|put| (put.set, put.disc) == (copy.set, copy.disc));
        if !is_put && !known.iter().any(same) {
            puts.push(copy.put(here, false));
        }
    }
    catalog.put_copies(&puts)?;
    Ok(!puts.is_empty())
}

/// Another name of this directory: one that leads here, or an old relative one that fits.
fn is_name_of(place: &ShelfPlace, here: &ShelfPlace) -> bool {
    if place.dir == here.dir || place.id.is_some() && place.id != here.id {
        return false;
    }
    match dir_id(&place.dir) {
        Some(id) => Some(id) == dir_id(&here.dir),
        None => is_old(place) && here.dir.ends_with(&place.dir),
    }
}

/// Noted as it was typed, and nobody knows where.
fn is_old(place: &ShelfPlace) -> bool {
    place.dir.is_relative() && place.id.is_none()
}

fn dir_id(dir: &Path) -> Option<FileId> {
    let found = fs::metadata(dir).ok()?;
    found.is_dir().then(|| FileId { device: found.dev(), inode: found.ino() })
}

/// Two copies of a disc that are one file here are one copy: of two that an old catalog noted, the
/// one that has this path stays; of two that have it, the one that was read.
fn merge(
    catalog: &mut Catalog,
    known: &[Shelved],
    here: &ShelfPlace,
    say: &dyn Fn(ShelfNotice),
) -> Result<(), CatalogError> {
    let (sets, mut merged) = (catalog.sets()?, HashSet::new());
    for copy in known.iter().filter(|copy| copy.place().dir == here.dir) {
        let Some(set) = sets.iter().find(|set| set.id == copy.set) else { continue };
        let name = &set.facts.name;
        let Some(file) = copy.file(name) else { continue };
        for other in known {
            let is_of_disc = (other.set, other.disc) == (copy.set, copy.disc);
            let is_elsewhere = other.place().dir != here.dir;
            let gives_way = is_elsewhere || copy.stands_for(other);
            if is_of_disc && gives_way && other.file(name) == Some(file) {
                let (one, two) = (copy.copy.number, other.copy.number);
                if !merged.insert((copy.set, copy.disc, two)) {
                    continue;
                }
                catalog.merge_copies(copy.set, copy.disc, one, two)?;
                let (set, disc, shelf) = (name.clone(), copy.disc, here.dir.clone());
                let copies = [one.0.min(two.0), one.0.max(two.0)];
                say(ShelfNotice::CopiesMerged { set, disc, copies, shelf });
            }
        }
    }
    Ok(())
}

impl Shelved {
    /// Of two that are one image: more is known of this one, damage before all, or it has the lower
    /// number. What was given up is not this image any more.
    fn stands_for(&self, other: &Shelved) -> bool {
        let is_unread = |of: &Shelved| of.copy.state == CopyState::Burned;
        let rank = |of: &Shelved| (is_unread(of), of.copy.is_good(), of.copy.number);
        self.copy.is_kept() && other.copy.is_kept() && rank(self) < rank(other)
    }

    pub(in crate::flow) fn place(&self) -> &ShelfPlace {
        static NOWHERE: std::sync::LazyLock<ShelfPlace> =
            std::sync::LazyLock::new(ShelfPlace::default);
        self.copy.medium.shelf_place().unwrap_or(&NOWHERE)
    }

    /// This copy, on the shelf `here`. One that moved may be another one, unless it is still on its
    /// file system.
    fn put(&self, here: &ShelfPlace, has_moved: bool) -> CopyPlacement {
        let place = self.place();
        let carrier = Carrier::Shelf(ShelfPlace { file: place.file.clone(), ..here.clone() });
        let is_unproved = has_moved && !here.is_on_system_of(place);
        CopyPlacement {
            set: self.set,
            disc: self.disc,
            copy: self.copy.number,
            carrier,
            is_unproved,
        }
    }

    fn file(&self, set: &SetName) -> Option<FileId> {
        file_of(&self.copy.medium, &image_name(set, self.disc))
    }
}

/// A set's discs go to another shelf than the ones before: that is said, for it may be a slip.
pub fn say_other_shelf(
    catalog: &Catalog,
    set: &KnownSet,
    dest: &Carrier,
    context: Context,
) -> Result<(), CatalogError> {
    let Carrier::Shelf(dest) = dest else { return Ok(()) };
    let is_kept = |copy: &&Shelved| copy.set == set.id && copy.copy.is_kept();
    let shelved = catalog.shelved()?;
    let Some(last) = shelved.iter().filter(is_kept).map(|copy| copy.disc).max() else {
        return Ok(());
    };
    let of_last = || shelved.iter().filter(is_kept).filter(|copy| copy.disc == last);
    // Further copies are on shelves in the shelf.
    if of_last().any(|copy| copy.place().dir.starts_with(&dest.dir)) {
        return Ok(());
    }
    let Some(shelf_before) = of_last().next().map(|copy| copy.place().dir.clone()) else {
        return Ok(());
    };
    let (set, disc, shelf) = (set.facts.name.clone(), last, dest.dir.clone());
    context.monitor.note(SetNotice::OtherShelf { set, disc, shelf_before, shelf }.into());
    Ok(())
}

/// Where the image of a copy should lie. `standard`: what images of its disc are called.
pub fn image_of(medium: &Carrier, standard: &str) -> Option<PathBuf> {
    let place = medium.shelf_place()?;
    let name = place.file.as_deref().unwrap_or(standard.as_ref());
    Some(place.dir.join(name))
}

/// Whether the shelf of a copy is there, known by its id, and the image is not where it was put. Of
/// a shelf that is away, or that nobody can look into, nothing is known.
pub fn is_missing(medium: &Carrier, standard: &str) -> bool {
    let (Some(place), Some(image)) = (medium.shelf_place(), image_of(medium, standard)) else {
        return false;
    };
    let is_gone = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
    fs::symlink_metadata(image).is_err_and(is_gone) && is_there(place)
}

/// Which file that is, if it is there, and on the shelf that it was put on.
pub fn file_of(medium: &Carrier, standard: &str) -> Option<FileId> {
    let path = image_of(medium, standard)?;
    let place = medium.shelf_place()?;
    if place.id.is_some() && id_of(&place.dir).is_some_and(|id| Some(id) != place.id) {
        return None;
    }
    file_id(&path)
}

/// The file at this path, past all links.
pub fn file_id(path: &Path) -> Option<FileId> {
    let found = fs::metadata(path).ok()?;
    Some(FileId { device: found.dev(), inode: found.ino() })
}

/// A medium as it is to be noted, after its shelf was met.
pub fn as_met(medium: &Carrier, shelves: &HashMap<PathBuf, ShelfPlace>) -> Carrier {
    match medium {
        Carrier::Shelf(place) => match shelves.get(&place.dir) {
            Some(here) => Carrier::Shelf(ShelfPlace { file: place.file.clone(), ..here.clone() }),
            None => medium.clone(),
        },
        other => other.clone(),
    }
}
