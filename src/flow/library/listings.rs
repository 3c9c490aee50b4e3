//! Where the rows of a snapshot come from: our own catalog; or, from discs alone, the newest
//! listing that can be read, completed by what each disc's INDEX knows; or a catalog on a disc.

use std::collections::{BTreeSet, HashMap};
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::catalog::{Catalog, CatalogError, SetId, SnapshotInfo};
use crate::codec::openpgp::Opener;
use crate::drive::DiscReader;
use crate::format::members::part_id;
use crate::format::{DiscTxt, FormatError};
use crate::model::glob::PathGlobs;
use crate::model::rows::{IndexRow, Place, SnapshotRow, Where};
use crate::model::{Digest, DiscIdentity, DiscNo, Kind, RelPath, SnapshotSeq};
use crate::port::cause::Cause;
use crate::port::files::{hold, make_private_dir, open_own_to_read, scratch_name};
use crate::port::notice::ListingNotice;
use crate::port::stop::{Heeding, Stopped};
use crate::restore::index::{
    CATALOG, ListingError, each_index_row, index_header, open_listing, packed_size,
};
use crate::restore::select::{Selection, TakeRow, select};

use crate::flow::library::coherence::{Doubts, Silent, contradiction};
use crate::flow::library::inventory::{FoundDisc, FoundSet};
use crate::flow::library::older::Past;
use crate::flow::library::repair::{RepairableDisc, Repairer};
use crate::flow::{Context, DiscsError, FlowError, SelectionError, chain};

/// A catalog that knows a set.
pub struct KnownIn {
    pub catalog: Catalog,
    pub set: SetId,
    /// It is from a disc, was encrypted there, and a key that was named opened it.
    pub is_sealed: bool,
}

/// What was chosen, and of which snapshot.
pub struct ChosenListing {
    pub seq: SnapshotSeq,
    pub selection: Selection,
    /// The listing has damaged rows, and none better was found.
    pub is_damaged: bool,
}

impl KnownIn {
    pub fn select(&self, seq: SnapshotSeq, globs: &PathGlobs) -> Result<ChosenListing, FlowError> {
        let each = |take: &mut TakeRow| {
            self.catalog.snapshot_rows(self.set, seq, |listed| {
                take(listed.row);
                Ok::<(), FlowError>(())
            })
        };
        Ok(ChosenListing { seq, selection: select(globs, each)?, is_damaged: false })
    }

    /// The last snapshot before this one that has files: its date, and how many they are.
    pub fn last_with_files(
        &self,
        before: SnapshotSeq,
    ) -> Result<Option<(SnapshotInfo, u64)>, FlowError> {
        let snapshots = self.catalog.snapshots(self.set)?;
        let former = snapshots.into_iter().filter(|s| s.seq < before && s.finished.is_some());
        for snapshot in former.rev() {
            let files = self.catalog.extent(self.set, snapshot.seq)?.files;
            if files > 0 {
                return Ok(Some((snapshot, files)));
            }
        }
        Ok(None)
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
    pub found_set: &'a FoundSet,
    pub opener: Option<&'a Opener>,
    pub scratch: &'a Path,
    pub context: Context<'a>,
    /// Repairs what can be read from no copy.
    pub repairer: Option<&'a Repairer<'a>>,
    /// What is not as coldcut wrote it, as far as that was met.
    pub doubts: Doubts,
}

impl FromDiscs<'_> {
    /// The wanted snapshot, or the newest.
    pub fn select(
        &self,
        wanted: Option<SnapshotSeq>,
        globs: &PathGlobs,
    ) -> Result<ChosenListing, FlowError> {
        let chosen = match wanted {
            Some(wanted) if self.newest().is_some_and(|newest| wanted < newest) => {
                self.select_older(wanted, globs)
            }
            _ => self.select_listed(wanted, globs),
        };
        let mut chosen = chosen?;
        chosen.is_damaged |= self.doubts.count() > 0;
        Ok(chosen)
    }

    fn newest(&self) -> Option<SnapshotSeq> {
        self.listed(|found| found.txt.listings.snapshot).first().map(|found| found.txt.snapshot)
    }

    /// Discs that have a listing, the newest first: by snapshot, then by number (format 8).
    fn listed(&self, has: impl Fn(&FoundDisc) -> bool) -> Vec<&FoundDisc> {
        let mut discs: Vec<&FoundDisc> = self.found_set.discs.values().filter(|f| has(f)).collect();
        discs.sort_by_key(|found| std::cmp::Reverse((found.txt.snapshot, found.txt.id.number)));
        discs
    }

    /// From a listing of the snapshot that is whole; else from a catalog that knows it; else from
    /// what is left of a damaged listing. Without a wish, what is older is better than nothing.
    fn select_listed(
        &self,
        wanted: Option<SnapshotSeq>,
        globs: &PathGlobs,
    ) -> Result<ChosenListing, FlowError> {
        let name = || FlowError::from(DiscsError::NoListing(self.found_set.name.clone()));
        let Some(seq) = wanted.or_else(|| self.newest()) else { return Err(name()) };
        let listings = self.read_listings(seq, globs)?;
        let (whole, damaged): (Vec<_>, Vec<_>) =
            listings.found.into_iter().partition(|(_, chosen)| !chosen.is_damaged);
        if let Some((disc, chosen)) = whole.into_iter().next() {
            if wanted.is_none() {
                self.look_for_later(disc, seq);
            }
            return Ok(self.completed(disc, chosen)?);
        }
        if listings.failed || !damaged.is_empty() {
            if let Some(chosen) = self.select_catalogued(seq, globs) {
                return Ok(chosen);
            }
        }
        match (damaged.into_iter().max_by_key(|(_, chosen)| chosen.selection.rows.len()), wanted) {
            (Some((disc, chosen)), _) => Ok(self.completed(disc, chosen)?),
            (None, Some(wanted)) if listings.others => Err(self.no_snapshot(wanted)),
            (None, Some(_)) => Err(name()),
            (None, None) => self.select_before(seq, globs).ok_or_else(name),
        }
    }

    /// All listings of one snapshot, up to the first that is whole.
    fn read_listings(
        &self,
        seq: SnapshotSeq,
        globs: &PathGlobs,
    ) -> Result<SnapshotListings, Stopped> {
        let mut listings = SnapshotListings::default();
        for found in self.listed(|found| found.txt.listings.snapshot) {
            if found.txt.snapshot != seq {
                listings.others = true;
                continue;
            }
            if self.is_doubtful(found) {
                listings.failed = true;
                continue;
            }
            let repairable = self.repairable(found);
            for copy in Repairer::copies(found, repairable.as_ref()) {
                match self.read_listing(copy, &found.txt, seq, globs) {
                    Err(ListingError::Stopped(stopped)) => return Err(stopped),
                    Err(error) => {
                        listings.failed = true;
                        self.doubt(&error);
                        self.note_listing(copy, error);
                    }
                    Ok(chosen) => {
                        let is_whole = !chosen.is_damaged;
                        listings.found.push((found.txt.id.number, chosen));
                        if is_whole {
                            return Ok(listings);
                        }
                    }
                }
            }
        }
        Ok(listings)
    }

    /// Whether the disc's own INDEX contradicts its DISC.txt, which is said. DISC.txt is what
    /// anybody can write, and a listing of another disc or of a former run fits it then.
    fn is_doubtful(&self, found: &FoundDisc) -> bool {
        let Some(why) = self.contradiction(found) else { return false };
        let DiscIdentity { set, number: disc, .. } = found.label();
        self.note(ListingNotice::ListingContradicted { set, disc, why: why.into() });
        self.doubts.add();
        true
    }

    /// How the INDEX of a disc contradicts its DISC.txt, by the first medium whose INDEX can be
    /// read; one that cannot be read says nothing.
    pub fn contradiction(&self, found: &FoundDisc) -> Option<String> {
        if !found.txt.listings.index || found.txt.group.is_some() {
            return None;
        }
        for copy in &found.copies {
            match contradiction(&**copy, found, self.opener, self.context.stop) {
                Ok(why) => return why.map(|why| format!("{}: {why}", copy.title())),
                Err(Silent) => continue,
            }
        }
        None
    }

    /// A later disc than the one with this listing may know of a later snapshot, though it does not
    /// say so in DISC.txt.
    fn look_for_later(&self, listed_on: DiscNo, seq: SnapshotSeq) {
        let later = self.found_set.discs.values().filter(|found| found.txt.id.number > listed_on);
        let unsaid = |found: &&FoundDisc| !found.txt.listings.snapshot && found.txt.snapshot <= seq;
        later.filter(unsaid).for_each(|found| {
            self.is_doubtful(found);
        });
    }

    fn doubt(&self, error: &ListingError) {
        if error.is_of_integrity() || matches!(error, ListingError::Elsewhere { .. }) {
            self.doubts.add();
        }
    }

    fn select_catalogued(&self, seq: SnapshotSeq, globs: &PathGlobs) -> Option<ChosenListing> {
        let knows = |known: &KnownIn| known.finished(Some(seq)).ok().flatten().is_some();
        self.catalogs().filter(knows).find_map(|known| known.select(seq, globs).ok())
    }

    /// The newest snapshot before this one that has a listing. It is not what was asked for.
    fn select_before(&self, seq: SnapshotSeq, globs: &PathGlobs) -> Option<ChosenListing> {
        let listed = self.listed(|found| found.txt.listings.snapshot);
        let before: BTreeSet<SnapshotSeq> = listed.iter().map(|found| found.txt.snapshot).collect();
        before.range(..seq).rev().find_map(|&before| {
            let chosen = self.select_listed(Some(before), globs).ok()?;
            self.note(ListingNotice::OlderSnapshotUsed { wanted: seq, used: before });
            Some(ChosenListing { is_damaged: true, ..chosen })
        })
    }

    fn no_snapshot(&self, wanted: SnapshotSeq) -> FlowError {
        SelectionError::NoSuchSnapshot {
            set: self.found_set.name.clone(),
            wanted: wanted.to_string(),
        }
        .into()
    }

    fn note(&self, notice: ListingNotice) {
        self.context.monitor.note(notice.into());
    }

    fn note_listing(&self, reader: &dyn DiscReader, error: ListingError) {
        let (medium, why) = (reader.title(), Cause::of(error));
        self.note(ListingNotice::ListingUnreadable { medium, why });
    }

    fn read_listing(
        &self,
        reader: &dyn DiscReader,
        txt: &DiscTxt,
        of: SnapshotSeq,
        globs: &PathGlobs,
    ) -> Result<ChosenListing, ListingError> {
        let (mut trouble, mut sound) = (None, 0_u64);
        let each = |take: &mut TakeRow| {
            let past = Past::open(reader, txt, (self.opener, self.context.reading()), of);
            self.context.stop.check()?;
            let mut past = past?;
            while let Some(row) = past.next() {
                self.context.stop.check()?;
                match row {
                    Ok(listed) => {
                        sound += 1;
                        if past.has(&listed) {
                            take(listed.row);
                        }
                    }
                    Err(error) => trouble = Some(ListingError::first(trouble.take(), error)),
                }
            }
            Ok::<(), ListingError>(())
        };
        let selection = select(globs, each)?;
        if let Some(error) = trouble.take_if(|_| sound == 0) {
            return Err(error);
        }
        let is_damaged = trouble.is_some();
        if let Some(error) = trouble {
            self.doubt(&error);
            self.note_listing(reader, error);
        }
        Ok(ChosenListing { seq: of, selection, is_damaged })
    }

    /// Rows whose content went onto later discs than the listing's: those discs know where it is.
    fn completed(
        &self,
        listed_on: DiscNo,
        mut chosen: ChosenListing,
    ) -> Result<ChosenListing, Stopped> {
        let mut open = Incomplete::of(&mut chosen.selection, chosen.seq);
        if open.rows.is_empty() {
            return Ok(chosen);
        }
        let has_files = |found: &&FoundDisc| found.txt.group.is_none();
        let later = self.found_set.discs.values().filter(|f| f.txt.id.number >= listed_on);
        for found in later.filter(has_files) {
            let repairable = self.repairable(found);
            for copy in Repairer::copies(found, repairable.as_ref()) {
                let disc = found.txt.id.number;
                let (label, reading) = (found.label(), self.context.reading());
                let take = |row| open.take(disc, row);
                match each_index_row(copy, self.opener, &label, reading, take) {
                    Ok(None) => break,
                    Err(ListingError::Stopped(stopped)) => return Err(stopped),
                    Ok(Some(error)) | Err(error) => {
                        self.doubt(&error);
                        let (medium, why) = (copy.title(), Cause::of(error));
                        self.note(ListingNotice::IndexUnreadable { medium, why });
                    }
                }
            }
        }
        open.finish();
        Ok(chosen)
    }

    /// From the newest listing, which tells of all that were before it; of discs of format 1, and
    /// where it is damaged, from the newest catalog on a disc that knows this snapshot, or from a
    /// listing of its own.
    fn select_older(
        &self,
        wanted: SnapshotSeq,
        globs: &PathGlobs,
    ) -> Result<ChosenListing, FlowError> {
        let told = match self.select_told(wanted, globs)? {
            Some(whole) if !whole.is_damaged => return Ok(whole),
            told => told,
        };
        match (self.select_former(wanted, globs), told) {
            (Ok(former), Some(told)) if former.is_damaged => {
                let is_more = told.selection.rows.len() > former.selection.rows.len();
                Ok(if is_more { told } else { former })
            }
            (Err(_), Some(told)) => Ok(told),
            (former, _) => former,
        }
    }

    /// From the newest listings that tell of what was before them, up to the first that is whole;
    /// else the one of which most is left.
    fn select_told(
        &self,
        wanted: SnapshotSeq,
        globs: &PathGlobs,
    ) -> Result<Option<ChosenListing>, FlowError> {
        let mut best: Option<ChosenListing> = None;
        let tells = |found: &FoundDisc| found.txt.snapshot > wanted && Past::is_told_by(&found.txt);
        for found in self.listed(tells) {
            if self.is_doubtful(found) {
                continue;
            }
            if self.names(found, wanted) == Some(false) {
                return Err(self.no_snapshot(wanted));
            }
            let repairable = self.repairable(found);
            for copy in Repairer::copies(found, repairable.as_ref()) {
                match self.read_listing(copy, &found.txt, wanted, globs) {
                    Err(ListingError::Stopped(stopped)) => return Err(stopped.into()),
                    Err(error) => {
                        self.doubt(&error);
                        self.note_listing(copy, error);
                    }
                    Ok(chosen) if !chosen.is_damaged => return Ok(Some(chosen)),
                    Ok(chosen) => {
                        let rows = |one: &ChosenListing| one.selection.rows.len();
                        best = Some(match best.take() {
                            Some(best) if rows(&best) >= rows(&chosen) => best,
                            _ => chosen,
                        });
                    }
                }
            }
        }
        Ok(best)
    }

    /// Whether there was such a snapshot when the disc was closed; `None` where its INDEX cannot be
    /// read.
    fn names(&self, found: &FoundDisc, wanted: SnapshotSeq) -> Option<bool> {
        let label = found.label();
        let header = |copy: &dyn DiscReader| {
            index_header(copy, self.opener, &label, self.context.stop).ok().flatten()
        };
        let header = found.copies.iter().find_map(|copy| header(&**copy))?;
        Some(header.snapshots.iter().any(|line| line.seq == wanted))
    }

    fn select_former(
        &self,
        wanted: SnapshotSeq,
        globs: &PathGlobs,
    ) -> Result<ChosenListing, FlowError> {
        let mut was_read = false;
        for known in self.catalogs() {
            was_read = true;
            if known.finished(Some(wanted))?.is_some() {
                return known.select(wanted, globs);
            }
        }
        match self.select_listed(Some(wanted), globs) {
            Err(FlowError::Discs(DiscsError::NoListing(_))) if was_read => {
                Err(self.no_snapshot(wanted))
            }
            other => other,
        }
    }

    /// The catalogs that the discs carry, the newest first; unpacked when asked for.
    pub fn catalogs(&self) -> impl Iterator<Item = KnownIn> {
        self.catalogs_by_disc(|_| Ok(())).map(|(_, known)| known)
    }

    /// The newest catalog, and which disc carries it.
    pub fn newest_catalog(&self) -> Option<(DiscNo, KnownIn)> {
        self.catalogs_by_disc(|_| Ok(())).next()
    }

    /// The newest of which every value can be read: one to take over, and not only to ask.
    pub fn newest_proved_catalog(&self) -> Option<(DiscNo, KnownIn)> {
        self.catalogs_by_disc(|known| Ok(known.catalog.prove(known.set, self.context.stop)?)).next()
    }

    /// `prove` says what is wrong with one.
    fn catalogs_by_disc(
        &self,
        prove: impl Fn(&KnownIn) -> Result<(), FlowError>,
    ) -> impl Iterator<Item = (DiscNo, KnownIn)> {
        let mut discs: Vec<&FoundDisc> = self.found_set.all().collect();
        discs.retain(|found| found.txt.listings.catalog);
        discs.sort_by_key(|found| std::cmp::Reverse((found.txt.snapshot, found.txt.id.number)));
        discs.retain(|found| !self.is_doubtful(found));
        let catalogs = discs
            .into_iter()
            .map(move |found| (found.txt.id.number, self.catalog_on(found, &prove)));
        catalogs.filter_map(|(disc, known)| Some((disc, known?)))
    }

    /// All copies of a disc have the same catalog: the first that can be read. If none is left, the
    /// set would have told more than it does now.
    fn catalog_on(
        &self,
        found: &FoundDisc,
        prove: &impl Fn(&KnownIn) -> Result<(), FlowError>,
    ) -> Option<KnownIn> {
        let repairable = self.repairable(found);
        let (before, mut is_damaged) = (self.doubts.count(), false);
        for copy in Repairer::copies(found, repairable.as_ref()) {
            let unpacked = self.unpack_catalog(copy).and_then(|known| self.of_disc(known, found));
            let proved = unpacked.and_then(|known| prove(&known).map(|()| known));
            let error = match proved {
                Ok(known) => return Some(known),
                Err(_) if self.context.stop.check().is_err() => return None,
                Err(error) => error,
            };
            if let FlowError::Listing(error) = &error {
                self.doubt(error);
            }
            if is_damage(&error) {
                self.doubts.refused_catalog(copy, chain(&error));
                is_damaged = true;
            }
            let (medium, why) = (copy.title(), Cause::of(error));
            self.note(ListingNotice::CatalogUnreadable { medium, why });
        }
        if is_damaged && self.doubts.count() == before {
            self.doubts.add();
        }
        None
    }

    /// A catalog belongs to the disc that it is on, which it knows unless it was closed with it.
    fn of_disc(&self, known: KnownIn, found: &FoundDisc) -> Result<KnownIn, FlowError> {
        let txt = &found.txt;
        let discs = known.catalog.discs(known.set)?;
        let newest = known.catalog.snapshots(known.set)?.last().map(|snapshot| snapshot.seq);
        let sets = known.catalog.sets()?;
        let facts = sets.iter().find(|set| set.id == known.set).map(|set| &set.facts);
        // A set can have been renamed since.
        let of_set = (self.found_set.encryption(), &txt.id.set);
        let is_of_set = facts.is_some_and(|facts| (facts.encryption, &facts.name) == of_set);
        let other = discs.iter().find(|d| d.number == txt.id.number && d.uuid != txt.id.uuid);
        let what = match (other, newest) {
            (Some(other), _) => format!("knows another disc {} ({})", other.number, other.uuid),
            (None, Some(newest)) if newest < txt.snapshot => {
                format!("ends with snapshot {newest}, but the disc is of snapshot {}", txt.snapshot)
            }
            _ if !is_of_set => {
                "does not agree with its disc on what the set is called, or how it is encrypted"
                    .to_owned()
            }
            _ => return Ok(known),
        };
        Err(ListingError::Elsewhere { name: CATALOG.to_owned(), what }.into())
    }

    fn repairable<'m>(&'m self, found: &'m FoundDisc) -> Option<RepairableDisc<'m>> {
        self.repairer.and_then(|repairer| repairer.offer(found))
    }

    fn unpack_catalog(&self, reader: &dyn DiscReader) -> Result<KnownIn, FlowError> {
        let scratch_file = || self.scratch.join(scratch_name(".sqlite"));
        let (path, rows) = (scratch_file(), scratch_file());
        let scratch = |source| FlowError::Staging {
            path: self.scratch.to_owned(),
            what: "cannot be written to",
            source,
        };
        make_private_dir(self.scratch).map_err(scratch)?;
        let mut packed = open_listing(reader, CATALOG, self.opener, self.context.stop)?;
        let options = OpenOptions::new().write(true).create_new(true).mode(0o600).clone();
        let mut file = options.open(&path).map_err(scratch)?;
        // Where there are no locks, a backup that begins at this moment could take it away.
        let _ = hold(&file);
        let size = self.context.limits.packed(packed_size(reader, CATALOG));
        let mut packed = Heeding::new(&mut packed, self.context.stop);
        let unpacked = copy_at_most(&mut packed, &mut file, size).map_err(|source| {
            FlowError::Listing(ListingError::Read { name: CATALOG.to_owned(), source })
        });
        let reopened = unpacked.and_then(|_| open_own_to_read(&path).map_err(scratch));
        // Both go on living as open files: nothing of an encrypted set is left behind.
        let _ = std::fs::remove_file(&path);
        let opened = Catalog::open_foreign(reopened?, &rows, self.context.stop);
        let _ = std::fs::remove_file(&rows);
        let catalog = opened?;
        let known = catalog.sets()?.into_iter().find(|set| set.facts.uuid == self.found_set.uuid);
        let elsewhere = || ListingError::Elsewhere {
            name: CATALOG.to_owned(),
            what: "does not know the set of its disc".to_owned(),
        };
        let set = known.ok_or_else(elsewhere)?.id;
        Ok(KnownIn { catalog, set, is_sealed: reader.file(CATALOG).is_none() })
    }
}

/// Whether an error of a disc's catalog is the disc's: that there is none, that a key is missing,
/// that the catalog is a newer coldcut's, or that there is no room for it is not.
fn is_damage(error: &FlowError) -> bool {
    match error {
        FlowError::Listing(error) => !matches!(
            error,
            ListingError::Missing(_)
                | ListingError::Locked { .. }
                | ListingError::NoKey(_)
                | ListingError::Stopped(_)
        ),
        FlowError::Catalog(error) => {
            use CatalogError::{Damaged, NotOurs, Refused};
            matches!(error, Damaged { .. } | NotOurs { .. } | Refused(_))
        }
        _ => false,
    }
}

/// Rows that compress best (empty files in one directory) shrink to a twentieth.
fn longest_catalog(packed: u64) -> u64 {
    packed.saturating_mul(100).saturating_add(64 << 20)
}

/// A packed catalog of this size; what unfolds without an end must not fill the disk.
fn copy_at_most(from: &mut dyn Read, to: &mut impl io::Write, size: u64) -> io::Result<()> {
    let most = longest_catalog(size);
    if io::copy(&mut from.take(most.saturating_add(1)), to)? > most {
        let error = FormatError::TooMuchText { what: CATALOG, most, size };
        return Err(io::Error::new(io::ErrorKind::InvalidData, error));
    }
    Ok(())
}

/// What became of the listings of one snapshot.
#[derive(Default)]
struct SnapshotListings {
    found: Vec<(DiscNo, ChosenListing)>,
    /// One could not be read at all.
    failed: bool,
    /// There are some of other snapshots.
    others: bool,
}

/// Files of a listing whose bytes were not all on a disc when it was written.
struct Incomplete<'a> {
    seq: SnapshotSeq,
    rows: HashMap<RelPath, (&'a mut SnapshotRow, FileParts)>,
}

/// What later discs tell of one file.
#[derive(Default)]
struct FileParts {
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
            let pieces = FileParts { places: places.collect(), member, ..FileParts::default() };
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
            // The file was started again, or is seen for the first time.
            *pieces = FileParts { member: Some(member), ..FileParts::default() };
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
