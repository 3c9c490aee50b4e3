//! Where the rows of a snapshot come from: our own catalog; or, from discs alone, the newest
//! listing that can be read, completed by what each disc's INDEX knows; or a catalog on a disc.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{self, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use uuid::Uuid;

use crate::catalog::{Catalog, SetId};
use crate::codec::openpgp::Opener;
use crate::drive::DiscReader;
use crate::format::ListingReader;
use crate::format::members::part_id;
use crate::model::glob::PathGlobs;
use crate::model::rows::{IndexRow, Place, SnapshotRow, Where};
use crate::model::{Digest, DiscNo, Kind, RelPath, SnapshotSeq};
use crate::port::files::make_private_dir;
use crate::restore::index::{CATALOG, ListingError, SNAPSHOT, each_index_row, open_listing};
use crate::restore::select::{Selection, TakeRow, select};

use super::mending::{Mendable, Mender};
use super::piles::{FoundDisc, Pile};
use super::{Desk, FlowError, chain};

/// A catalog that knows a set.
pub struct KnownIn {
    pub catalog: Catalog,
    pub set: SetId,
}

/// What was chosen, and of which snapshot.
pub struct Chosen {
    pub seq: SnapshotSeq,
    pub selection: Selection,
    /// The listing has damaged rows, and none better was found.
    pub is_damaged: bool,
}

impl KnownIn {
    pub fn select(&self, seq: SnapshotSeq, globs: &PathGlobs) -> Result<Chosen, FlowError> {
        let each = |take: &mut TakeRow| {
            self.catalog.snapshot_rows(self.set, seq, |listed| {
                take(listed.row);
                Ok::<(), FlowError>(())
            })
        };
        Ok(Chosen { seq, selection: select(globs, each)?, is_damaged: false })
    }

    /// Whether this finished snapshot is known; the newest without a wish.
    pub fn finished(&self, wanted: Option<SnapshotSeq>) -> Result<Option<SnapshotSeq>, FlowError> {
        match wanted {
            None => Ok(self.catalog.newest_snapshot(self.set)?),
            Some(wanted) => {
                let snapshots = self.catalog.snapshots(self.set)?;
                let known = snapshots.iter().find(|s| s.seq == wanted && s.finished.is_some());
                Ok(known.map(|snapshot| snapshot.seq))
            }
        }
    }
}

/// The discs of a set, and what opens them.
pub struct FromDiscs<'a> {
    pub pile: &'a Pile,
    pub opener: Option<&'a Opener>,
    pub scratch: &'a Path,
    pub desk: Desk<'a>,
    /// Repairs what can be read from no copy.
    pub mender: Option<&'a Mender<'a>>,
}

impl FromDiscs<'_> {
    /// The wanted snapshot, or the newest.
    pub fn select(
        &self,
        wanted: Option<SnapshotSeq>,
        globs: &PathGlobs,
    ) -> Result<Chosen, FlowError> {
        match wanted {
            Some(wanted) if self.newest().is_some_and(|newest| wanted < newest) => {
                self.select_older(wanted, globs)
            }
            _ => self.select_listed(wanted, globs),
        }
    }

    fn newest(&self) -> Option<SnapshotSeq> {
        self.listed(|found| found.txt.listings.snapshot).first().map(|found| found.txt.snapshot)
    }

    /// Discs that have a listing, the newest first: by snapshot, then by number (format 8).
    fn listed(&self, has: impl Fn(&FoundDisc) -> bool) -> Vec<&FoundDisc> {
        let mut discs: Vec<&FoundDisc> = self.pile.discs.values().filter(|f| has(f)).collect();
        discs.sort_by_key(|found| std::cmp::Reverse((found.txt.snapshot, found.txt.disc)));
        discs
    }

    /// From the newest listing that is whole; from a damaged one where there is no other.
    fn select_listed(
        &self,
        wanted: Option<SnapshotSeq>,
        globs: &PathGlobs,
    ) -> Result<Chosen, FlowError> {
        let mut damaged: Option<Chosen> = None;
        let mut others = 0;
        for found in self.listed(|found| found.txt.listings.snapshot) {
            let mendable = self.mendable(found);
            for copy in Mender::copies(found, mendable.as_ref()) {
                let chosen = match self.read_listing(copy, globs) {
                    Ok(chosen) => chosen,
                    Err(error) => {
                        self.note(copy, &error, "the listing before it is used");
                        continue;
                    }
                };
                if wanted.is_some_and(|wanted| wanted != chosen.seq) {
                    others += 1;
                } else if !chosen.is_damaged {
                    return Ok(self.completed(found.txt.disc, chosen));
                } else if damaged.as_ref().is_none_or(|best| is_longer(&chosen, best)) {
                    damaged = Some(chosen);
                }
            }
        }
        match (damaged, wanted) {
            (Some(chosen), _) => Ok(chosen),
            (None, Some(wanted)) if others > 0 => Err(self.no_snapshot(wanted)),
            (None, _) => Err(FlowError::NoListing(self.pile.name.clone())),
        }
    }

    fn no_snapshot(&self, wanted: SnapshotSeq) -> FlowError {
        FlowError::NoSuchSnapshot { set: self.pile.name.clone(), wanted: wanted.to_string() }
    }

    fn note(&self, reader: &dyn DiscReader, error: &dyn std::error::Error, then: &str) {
        self.desk.monitor.note(&format!("{}: {}; {then}", reader.title(), chain(error)));
    }

    fn read_listing(
        &self,
        reader: &dyn DiscReader,
        globs: &PathGlobs,
    ) -> Result<Chosen, ListingError> {
        let damaged = |source| ListingError::Damaged { name: SNAPSHOT.to_owned(), source };
        let (mut seq, mut trouble) = (SnapshotSeq(0), None);
        let each = |take: &mut TakeRow| {
            let text = open_listing(reader, SNAPSHOT, self.opener)?;
            let rows = ListingReader::new(BufReader::with_capacity(256 << 10, text));
            let rows = rows.map_err(damaged)?;
            seq = rows.header().snapshot.seq;
            for row in rows {
                match row {
                    Ok(row) => take(row),
                    Err(error) => trouble = Some(damaged(error)),
                }
            }
            Ok(())
        };
        let selection = select(globs, each)?;
        if let Some(error) = &trouble {
            self.note(reader, error, "another listing is used, if there is one");
        }
        Ok(Chosen { seq, selection, is_damaged: trouble.is_some() })
    }

    /// Rows whose content went onto later discs than the listing's: those discs know where it is.
    fn completed(&self, listed_on: DiscNo, mut chosen: Chosen) -> Chosen {
        let mut open = Incomplete::of(&mut chosen.selection, chosen.seq);
        if open.rows.is_empty() {
            return chosen;
        }
        let has_files = |found: &&FoundDisc| found.txt.group.is_none();
        let later = self.pile.discs.values().filter(|f| f.txt.disc >= listed_on);
        for found in later.filter(has_files) {
            let mendable = self.mendable(found);
            for copy in Mender::copies(found, mendable.as_ref()) {
                let disc = found.txt.disc;
                match each_index_row(copy, self.opener, |row| open.take(disc, row)) {
                    Ok(None) => break,
                    Ok(Some(error)) | Err(error) => {
                        self.note(copy, &error, "what it has may not be found");
                    }
                }
            }
        }
        open.finish();
        chosen
    }

    /// From the newest catalog on a disc that knows this snapshot.
    fn select_older(&self, wanted: SnapshotSeq, globs: &PathGlobs) -> Result<Chosen, FlowError> {
        let mut was_read = false;
        for known in self.catalogs() {
            was_read = true;
            if known.finished(Some(wanted))?.is_some() {
                return known.select(wanted, globs);
            }
        }
        match self.select_listed(Some(wanted), globs) {
            Err(FlowError::NoListing(_)) if was_read => Err(self.no_snapshot(wanted)),
            other => other,
        }
    }

    /// The catalogs that the discs carry, the newest first; unpacked when asked for.
    pub fn catalogs(&self) -> impl Iterator<Item = KnownIn> {
        let discs = self.listed(|found| found.txt.listings.catalog).into_iter();
        discs.filter_map(|found| self.catalog_on(found))
    }

    /// All copies of a disc have the same catalog: the first that can be read.
    fn catalog_on(&self, found: &FoundDisc) -> Option<KnownIn> {
        let mendable = self.mendable(found);
        Mender::copies(found, mendable.as_ref()).into_iter().find_map(|copy| {
            let unpacked = self.unpack_catalog(copy);
            let refused = |error: &FlowError| {
                self.note(copy, error, "another catalog is used, if there is one");
            };
            unpacked.inspect_err(refused).ok()
        })
    }

    fn mendable<'m>(&'m self, found: &'m FoundDisc) -> Option<Mendable<'m>> {
        self.mender.and_then(|mender| mender.offer(found))
    }

    fn unpack_catalog(&self, reader: &dyn DiscReader) -> Result<KnownIn, FlowError> {
        let path = self.scratch.join(format!("{}.sqlite", Uuid::new_v4()));
        let scratch = |source| FlowError::Staging {
            path: self.scratch.to_owned(),
            what: "cannot be written to",
            source,
        };
        make_private_dir(self.scratch).map_err(scratch)?;
        let mut packed = open_listing(reader, CATALOG, self.opener)?;
        let options = OpenOptions::new().write(true).create_new(true).mode(0o600).clone();
        let mut file = options.open(&path).map_err(scratch)?;
        let unpacked = io::copy(&mut packed, &mut file).map_err(|source| {
            FlowError::Listing(ListingError::Read { name: CATALOG.to_owned(), source })
        });
        let opened = unpacked.and_then(|_| Ok(Catalog::open_exported(&path)?));
        // It goes on living as an open file: nothing of an encrypted set is left behind.
        let _ = std::fs::remove_file(&path);
        let catalog = opened?;
        let known = catalog.sets()?.into_iter().find(|set| set.facts.uuid == self.pile.uuid);
        let set = known.ok_or_else(|| FlowError::NoListing(self.pile.name.clone()))?.id;
        Ok(KnownIn { catalog, set })
    }
}

fn is_longer(a: &Chosen, b: &Chosen) -> bool {
    a.selection.rows.len() > b.selection.rows.len()
}

/// Files of a listing whose bytes were not all on a disc when it was written.
struct Incomplete<'a> {
    seq: SnapshotSeq,
    rows: HashMap<RelPath, (&'a mut SnapshotRow, Pieces)>,
}

/// What later discs tell of one file.
#[derive(Default)]
struct Pieces {
    member: Option<RelPath>,
    places: Vec<(u32, Place)>,
    parts: Option<u32>,
    size: u64,
    sha256: Option<Digest>,
}

impl<'a> Incomplete<'a> {
    fn of(selection: &'a mut Selection, seq: SnapshotSeq) -> Incomplete<'a> {
        let rows = selection.rows.iter_mut().chain(selection.firsts.values_mut());
        let open = rows.filter(|row| row.kind == Kind::File && !row.place.complete);
        let rows = open.map(|row| {
            let places = row.place.places.iter().zip(1..).map(|(&place, part)| (part, place));
            let member = row.place.member.clone();
            let pieces = Pieces { places: places.collect(), member, ..Pieces::default() };
            (row.path.clone(), (row, pieces))
        });
        Incomplete { seq, rows: rows.collect() }
    }

    fn take(&mut self, disc: DiscNo, row: IndexRow) {
        if row.kind != Kind::File || row.snapshot != self.seq {
            return;
        }
        let Some((_, pieces)) = self.rows.get_mut(&row.path) else { return };
        let place = Place { disc, archive: row.archive };
        let is_part = row.span.part != 0;
        let Some(member) = (if is_part { row.member.parent() } else { Some(row.member) }) else {
            return;
        };
        if pieces.member.as_ref() != Some(&member) {
            // The file was begun anew, or is seen for the first time.
            *pieces = Pieces { member: Some(member), ..Pieces::default() };
        }
        if pieces.places.iter().all(|&(part, _)| part != row.span.part.max(1)) {
            pieces.places.push((row.span.part.max(1), place));
        }
        if !is_part || row.span.parts.is_some() {
            pieces.parts = Some(row.span.parts.unwrap_or(1));
            pieces.size = row.span.file_size.max(row.size);
            pieces.sha256 = row.file_sha256;
        }
    }

    fn finish(self) {
        for (row, mut pieces) in self.rows.into_values() {
            pieces.places.sort_unstable_by_key(|&(part, _)| part);
            let in_order =
                pieces.places.iter().map(|&(part, _)| part).eq(1..=pieces.places.len() as u32);
            let is_split = pieces.member.as_ref().is_some_and(|member| part_id(member).is_some());
            let all = pieces.parts == Some(pieces.places.len() as u32);
            if in_order && all && (is_split || pieces.places.len() == 1) {
                let places = pieces.places.into_iter().map(|(_, place)| place).collect();
                row.place = Where { places, complete: true, member: pieces.member };
                row.sha256 = pieces.sha256;
                row.size = pieces.size;
            }
        }
    }
}
