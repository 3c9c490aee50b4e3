//! `coldcut migrate`: what old discs hold is packed onto new ones of the same set, without its
//! source.
//!
//! Each content is read from its disc, compared with its hash, and packed again like a file of the
//! source; then every snapshot that has it finds it on the new disc, because snapshots name
//! contents, and only the place of a content changes. So history, numbers and keys stay as they
//! are, the old discs keep what they have, and the catalog goes back to them should a new disc
//! fail.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::catalog::{
    Access, Catalog, ClosedDiscInfo, DiscInfo, DiscState, Held, KnownSet, OnDisc, SnapshotInfo,
};
use crate::codec::bzip2_frames::{Bzip2Coder, Bzip2Frames};
use crate::codec::openpgp::Signer;
use crate::drive::Drive;
use crate::model::glob::PathGlobs;
use crate::model::rows::SnapshotRow;
use crate::model::{Bytes, DiscList, DiscNo, Entry, RelPath, SetName};
use crate::pack::filler::PackConfig;
use crate::pack::queue::Queue;
use crate::pack::{Fill, Filler, PackError};
use crate::port::event::{Activity, Trouble};
use crate::port::files::{make_private_dir, unless_missing};
use crate::port::monitor::{Monitor, NewTask};
use crate::port::notice::RestoreNotice;
use crate::port::passphrase::{PassphraseRequest, Secret};
use crate::port::wanted::{Purpose, WantedDisc};
use crate::restore::place::OverwritePolicy;
use crate::scan::content::Source;

use crate::flow::backup::ledger::CatalogLedger;
use crate::flow::backup::writer::DiscWriter;
use crate::flow::base::keys::KeyRing;
use crate::flow::base::protection::{is_protected, needs_par2};
use crate::flow::base::recipients::agree;
use crate::flow::base::sets::no_disc;
use crate::flow::base::turn::{hold_chosen, open_to_record};
use crate::flow::burn::station::{Drives, Station};
use crate::flow::library::inventory::{FoundSet, Inventory, Trust, Vetting, look, look_in};
use crate::flow::library::listings::KnownIn;
use crate::flow::library::locations::{kept_disc, places_of_disc, shelf_of};
use crate::flow::library::vouching::Rights;
use crate::flow::restore::{RestoreRequest, fetch};
use crate::flow::staging::area::{SetTexts, Staging};
use crate::flow::staging::clear::clear_done;
use crate::flow::staging::disc_size::{DiscSize, of_set};
use crate::flow::{Context, FlowError, SelectionError};

/// So much content is unpacked at once, if one file alone is not more.
const ROUND: u64 = 8 << 30;

pub struct MigrateRequest<'a> {
    pub catalog: PathBuf,
    pub staging: PathBuf,
    pub name: Option<SetName>,
    /// From one to another; `None`: all that are safe and carry anything.
    pub discs: Option<DiscList>,
    /// Where the old discs are read; without it on the shelves that are known.
    pub from: Option<PathBuf>,
    /// For this run only: the set's own size stays.
    pub disc_size: DiscSize,
    pub archive_size: Bytes,
    pub keys: KeyRing<'a>,
    /// Signs the new discs' SHA256SUMS.
    pub signer: Option<Signer>,
    /// Stock tools are tried on a sample of each disc.
    pub drill: bool,
    pub bzip2: Bzip2Coder,
    /// Which of the old discs count.
    pub trust: Trust,
}

#[derive(Debug)]
pub struct MigrateReport {
    pub set: SetName,
    pub files: u64,
    pub bytes: u64,
    /// Contents that stay where they are, because they could not be read.
    pub failed: u64,
    /// Old discs that hold nothing any more that is not elsewhere.
    pub emptied: Vec<DiscNo>,
    pub made: Vec<ClosedDiscInfo>,
}

/// `source`: the drive at `from`, if that is one.
pub fn migrate(
    request: &MigrateRequest,
    mut source: Option<&mut (dyn Drive + 'static)>,
    drives: &mut Drives,
    context: Context,
) -> Result<MigrateReport, FlowError> {
    let (mut catalog, set, _held, last) = open(request, context)?;
    needs_par2(is_protected(&set.facts), context)?;
    let staging = Staging::open(&request.staging)?;
    let old = old_discs(request, &catalog, &set, context.monitor)?;
    let typed = RefCell::new(None);
    let ask = |wanted| asked_once(request, &typed, wanted);
    let keys = || keys_with(&request.keys, &ask);
    let sealer = keys().sealer_for(&set)?;
    let sealer = sealer.map(|sealer| if request.drill { sealer.keeping_keys() } else { sealer });
    agree(&mut catalog, &set, sealer.as_ref(), request.keys.new_recipients, context)?;
    let capacity = request.disc_size.of(Some((&catalog, &set)))?;
    if let (None, Some(size)) = (set.disc_size, of_set(&catalog, &set)?) {
        // It was only read off the newest disc, and that is another one from now on.
        catalog.set_disc_size(set.id, size)?;
    }
    let (signer, drill) = (request.signer.as_ref(), request.drill);
    let bzip2 = Arc::new(Bzip2Frames::new(request.bzip2));
    let writer = DiscWriter {
        staging: &staging,
        set: &set,
        sealer,
        signer,
        drill,
        bzip2,
        capacity,
        context,
    };
    clear_done(&catalog, &staging, &set)?;
    writer.take_over(&mut catalog)?;
    Station { staging: &staging, set: &set, drives, context }
        .burn_waiting(&mut catalog, |_| true)?;
    // What is on the old discs, some of which may be on others already.
    let sectors: u64 = old.iter().filter_map(|disc| disc.image()).map(|image| image.0).sum();
    let discs = sectors.div_ceil(capacity.0.max(1));
    context.monitor.count_discs(|count| count.expect(discs, true));
    let texts = writer.texts(&catalog, last.seq, &Queue::default())?;
    let (disc, new_disc, known) = writer.next_disc(&catalog, &texts, true)?;
    let monitor = context.monitor;
    let (place, seq) = ((new_disc, known), last.seq);
    let ledger =
        CatalogLedger::new(&mut catalog, set.id, seq, monitor, place, HashMap::new(), false)?
            .moving();
    let scratch = Scratch::new(&staging, &set)?;
    let from = Source::open(&scratch.dir)?;
    let config = PackConfig {
        source: &from,
        snapshot: seq,
        compression: set.facts.compression,
        archive_size: request.archive_size.0,
        sealer: writer.sealer.as_ref(),
        scratch: staging.scratch(),
        stop: context.stop,
    };
    let filler = Filler::new(config, disc, false);
    let report = MigrateReport::begun(&set.facts.name);
    let mut work = Moving {
        request,
        writer: &writer,
        last: &last,
        texts: &texts,
        filler,
        ledger,
        scratch,
        report,
    };
    for disc in &old {
        work.empty(disc, source.as_deref_mut(), drives, &keys)?;
    }
    work.finish(drives)?;
    work.look_back(&old)
}

/// The catalog, the set, and the snapshot whose listing the new discs carry.
fn open(
    request: &MigrateRequest,
    context: Context,
) -> Result<(Catalog, KnownSet, Held, SnapshotInfo), FlowError> {
    let catalog = open_to_record(&request.catalog, context)?;
    let (set, held) = hold_chosen(&catalog, request.name.as_ref(), context)?;
    match catalog.snapshots(set.id)?.pop().filter(|last| last.finished.is_some()) {
        Some(last) => Ok((catalog, set, held, last)),
        None => Err(FlowError::UnfinishedRun(set.facts.name)),
    }
}

impl MigrateReport {
    fn begun(set: &SetName) -> MigrateReport {
        let (emptied, made) = (Vec::new(), Vec::new());
        MigrateReport { set: set.clone(), files: 0, bytes: 0, failed: 0, emptied, made }
    }
}

/// Discs that are safe, lost ones that somebody has found, and never one that is still staged.
fn old_discs(
    request: &MigrateRequest,
    catalog: &Catalog,
    set: &KnownSet,
    monitor: &Monitor,
) -> Result<Vec<DiscInfo>, FlowError> {
    let known = catalog.discs(set.id)?;
    let Some(discs) = &request.discs else {
        let unread = known.iter().filter(|disc| disc.state == DiscState::Burned);
        let discs: Vec<DiscNo> = unread.map(|disc| disc.number).collect();
        if !discs.is_empty() {
            monitor.note(RestoreNotice::NotMigrated { discs }.into());
        }
        return Ok(known.into_iter().filter(|d| d.state == DiscState::Verified).collect());
    };
    discs
        .iter()
        .map(|number| {
            let found = known.iter().find(|disc| disc.number == number);
            let found = found.ok_or_else(|| no_disc(set, number))?;
            match found.state {
                DiscState::Verified | DiscState::Gone => Ok(found.clone()),
                DiscState::Burned => Err(SelectionError::NotReadBack(found.number).into()),
                _ => Err(SelectionError::NoCopyYet(found.number).into()),
            }
        })
        .collect()
}

/// It is needed for each round, and nobody wants to type it twice.
fn asked_once(
    request: &MigrateRequest,
    typed: &RefCell<Option<Secret>>,
    wanted: PassphraseRequest,
) -> Result<Secret, FlowError> {
    match &*typed.borrow() {
        Some(secret) if !wanted.again => return Ok(secret.clone()),
        _ => {}
    }
    let secret = (request.keys.passphrase)(wanted)?;
    *typed.borrow_mut() = Some(secret.clone());
    Ok(secret)
}

fn keys_with<'a>(
    keys: &KeyRing<'a>,
    passphrase: &'a crate::flow::base::keys::AskPassphrase<'a>,
) -> KeyRing<'a> {
    KeyRing {
        passphrase,
        tries: keys.tries,
        encrypt: keys.encrypt,
        plain: keys.plain,
        named: keys.named,
        recipients: keys.recipients.clone(),
        recipients_named: keys.recipients_named,
        new_recipients: keys.new_recipients,
        note: keys.note,
        hidden: keys.hidden,
        secret_key: keys.secret_key.clone(),
    }
}

struct Moving<'a> {
    request: &'a MigrateRequest<'a>,
    writer: &'a DiscWriter<'a>,
    /// Its listing goes onto the new discs.
    last: &'a SnapshotInfo,
    texts: &'a SetTexts<'a>,
    filler: Filler<'a>,
    ledger: CatalogLedger<'a>,
    scratch: Scratch,
    report: MigrateReport,
}

impl Moving<'_> {
    /// All that one old disc holds, a round after the other.
    fn empty<'k>(
        &mut self,
        disc: &DiscInfo,
        mut source: Option<&mut (dyn Drive + 'static)>,
        drives: &mut Drives,
        keys: &dyn Fn() -> KeyRing<'k>,
    ) -> Result<(), FlowError> {
        let set = self.writer.set.id;
        self.ledger.catalog().ready_to_move(set, disc.number)?;
        let mut left = self.ledger.catalog().contents_on(set, disc.number)?;
        while !left.is_empty() {
            let (round, rest) = next_round(left);
            left = rest;
            self.unpack(disc, &round, source.as_deref_mut(), keys())?;
            self.pack(round, drives)?;
            self.scratch.clear()?;
        }
        Ok(())
    }

    /// From the old disc into the scratch directory, each compared with its hash.
    fn unpack(
        &mut self,
        disc: &DiscInfo,
        round: &[OnDisc],
        source: Option<&mut (dyn Drive + 'static)>,
        keys: KeyRing,
    ) -> Result<(), FlowError> {
        let set = self.writer.set;
        // Unpacked, and packed again beside it.
        let bytes = round.iter().map(|one| one.row.size).fold(0, u64::saturating_add);
        let need = Bytes(bytes.saturating_mul(2));
        self.writer.staging.check_space(need, need)?;
        let from = self.place(disc)?;
        let request = RestoreRequest {
            trust: self.request.trust.clone(),
            from: vec![from.clone()],
            target: self.scratch.dir.clone(),
            catalog: self.request.catalog.clone(),
            name: Some(set.facts.name.clone()),
            snapshot: None,
            paths: PathGlobs::default(),
            overwrite: OverwritePolicy::Never,
            owners: false,
            rights: Rights::LeaveOut,
            keys,
            dry_run: false,
            scratch: self.writer.staging.scratch(),
        };
        let mut source = source;
        let found_set = match source.as_deref_mut() {
            Some(drive) => self.inserted(disc, drive, &from)?,
            None => self.trusted(look(&from, self.writer.context.stop)?)?,
        };
        let catalog = Catalog::open(&self.request.catalog, Access::Read)?;
        let known = (KnownIn { catalog, set: set.id, is_sealed: false }, self.last.seq);
        let rows = round.iter().map(|one| plain_row(&one.row)).collect();
        let fetched = fetch(&request, source, found_set, known, rows, self.writer.context)?;
        // Contents of a disc that went away are no contents that cannot be read.
        fetched.gone.map_or(Ok(()), |absence| Err(absence.into()))
    }

    /// Where the old disc is read.
    fn place(&mut self, disc: &DiscInfo) -> Result<PathBuf, FlowError> {
        if let Some(from) = &self.request.from {
            return Ok(from.clone());
        }
        let (set, number) = (self.writer.set.id, disc.number);
        let copies = self.ledger.catalog().copies(set, number)?;
        let shelves = copies.iter().filter(|copy| copy.is_good()).filter_map(shelf_of);
        let found = shelves.filter(|dir| dir.is_dir()).map(Path::to_owned).next();
        let kept = kept_disc(self.ledger.catalog(), set, number);
        found.ok_or(FlowError::NothingToCopy { disc: number, kept })
    }

    fn inserted(
        &mut self,
        disc: &DiscInfo,
        drive: &mut (dyn Drive + 'static),
        from: &Path,
    ) -> Result<FoundSet, FlowError> {
        let set = self.writer.set;
        let kept = places_of_disc(self.ledger.catalog(), set.id, disc.number);
        let wanted = WantedDisc::new(&set.facts.name, disc.number);
        let wanted = wanted.kept(kept).to(Purpose::Migrate).into();
        let fits = |found_set: &FoundSet| {
            found_set.uuid == set.facts.uuid && found_set.discs.contains_key(&disc.number)
        };
        let inventory = look_in(drive, from, &wanted, self.writer.context, |inventory| {
            inventory.sets.iter().any(fits)
        })?;
        self.trusted(inventory)
    }

    /// Without the discs that do not count; that is said.
    fn trusted(&self, inventory: Inventory) -> Result<FoundSet, FlowError> {
        let MigrateRequest { trust, catalog, .. } = self.request;
        let (inventory, _) =
            trust.sift(inventory, Vetting::new(trust, catalog), self.writer.context)?;
        inventory.choose(Some(&self.writer.set.facts.name))
    }

    /// From the scratch directory onto new discs.
    fn pack(&mut self, round: Vec<OnDisc>, drives: &mut Drives) -> Result<(), FlowError> {
        let mut source = Source::open(&self.scratch.dir)?;
        let mut queue = Queue::default();
        // The filler counts on from round to round.
        let mut total = self.filler.progress().done;
        for one in round {
            match source.look_again(&one.row.path) {
                Ok(found) => {
                    let entry = to_pack(one.row, &found);
                    total += entry.size;
                    queue.push(&entry);
                }
                // The restore has said why.
                Err(_) => self.report.failed += 1,
            }
        }
        self.filler.read_from(source);
        let monitor = self.writer.context.monitor;
        loop {
            let disc = self.filler.disc().number;
            let task = monitor.begin(NewTask::new(Activity::Packing).disc(disc).total(total));
            if self.filler.fill(&mut queue, &mut self.ledger, &task)? == Fill::Done {
                return Ok(());
            }
            drop(task);
            self.close(drives)?;
        }
    }

    /// The disc is closed and burned; what comes next goes onto the one after it. True: it has
    /// the listings.
    fn close(&mut self, drives: &mut Drives) -> Result<bool, FlowError> {
        let closed = self.writer.close_disc(self.texts, self.filler.disc(), &mut self.ledger)?;
        let DiscWriter { staging, set, context, .. } = *self.writer;
        let mut station = Station { staging, set, drives, context };
        station.burn_one(self.ledger.catalog(), &closed)?;
        let has_listings = closed.closing.listings.snapshot;
        self.report.made.push(closed);
        let (disc, new_disc, known) =
            self.writer.next_disc(self.ledger.catalog(), self.texts, false)?;
        self.ledger.next_disc(new_disc, known);
        self.filler.next_disc(disc);
        Ok(has_listings)
    }

    /// The last new disc has the listings, if any disc was made.
    fn finish(&mut self, drives: &mut Drives) -> Result<(), FlowError> {
        let mut owes = self.report.made.last().is_some_and(|disc| !disc.closing.listings.snapshot);
        while owes || self.filler.disc().has_archives() {
            let had_archives = self.filler.disc().has_archives();
            owes = !self.close(drives)?;
            if owes && !had_archives {
                let size = self.writer.capacity.bytes();
                return Err(PackError::DiscTooSmall { size }.into());
            }
        }
        Ok(())
    }

    fn look_back(mut self, old: &[DiscInfo]) -> Result<MigrateReport, FlowError> {
        let set = self.writer.set.id;
        for disc in old {
            let left = self.ledger.catalog().contents_on(set, disc.number)?;
            if left.is_empty() {
                self.report.emptied.push(disc.number);
            }
            for one in &left {
                let thing = format!("{} (disc {})", one.row.path, disc.number);
                let what = "stays where it is: it was not migrated";
                self.writer.context.monitor.trouble(&Trouble::new(thing, what));
            }
        }
        self.report.files = self.filler.packed.files;
        self.report.bytes = self.filler.packed.bytes;
        self.report.failed += self.ledger.failed;
        Ok(self.report)
    }
}

/// As many contents as may be unpacked side by side: no two of one name, none below another.
fn next_round(left: Vec<OnDisc>) -> (Vec<OnDisc>, Vec<OnDisc>) {
    let mut names: HashSet<RelPath> = HashSet::new();
    let mut dirs: HashSet<RelPath> = HashSet::new();
    let (mut round, mut rest) = (Vec::new(), Vec::new());
    let mut bytes = 0_u64;
    for one in left {
        let path = &one.row.path;
        let above: Vec<RelPath> =
            std::iter::successors(path.parent(), |dir| dir.parent()).collect();
        let is_free = !names.contains(path)
            && !dirs.contains(path)
            && !above.iter().any(|dir| names.contains(dir));
        let fits = round.is_empty() || bytes.saturating_add(one.row.size) <= ROUND;
        if !is_free || !fits {
            rest.push(one);
            continue;
        }
        bytes = bytes.saturating_add(one.row.size);
        names.insert(path.clone());
        dirs.extend(above);
        round.push(one);
    }
    (round, rest)
}

/// What is put into the scratch directory: the content alone, readable by us and nobody else.
fn plain_row(row: &SnapshotRow) -> SnapshotRow {
    let mut row = row.clone();
    let mtime = row.meta.mtime;
    row.meta = crate::model::Meta { mode: 0o600, mtime, ..Default::default() };
    row
}

/// A file to pack: as the listing knows it, and as it is in the scratch directory.
fn to_pack(row: SnapshotRow, found: &Entry) -> Entry {
    let SnapshotRow { path, kind, size, meta, .. } = row;
    Entry { path, kind, size, meta, print: found.print }
}

/// The directory that old contents go through; nothing of it outlives the run.
struct Scratch {
    dir: PathBuf,
}

impl Scratch {
    fn new(staging: &Staging, set: &KnownSet) -> Result<Scratch, FlowError> {
        let scratch =
            Scratch { dir: staging.scratch().join(format!("migrate-{}", set.facts.uuid)) };
        scratch.clear()?;
        Ok(scratch)
    }

    fn clear(&self) -> Result<(), FlowError> {
        let failed = |source| FlowError::Staging {
            path: self.dir.clone(),
            what: "cannot be emptied",
            source,
        };
        let emptied = unless_missing(fs::remove_dir_all(&self.dir));
        emptied.and_then(|()| make_private_dir(&self.dir)).map_err(failed)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is removed by the next migration.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::rows::{Note, Where};
    use crate::model::{Kind, Meta};

    fn one(path: &str, size: u64) -> OnDisc {
        let path = RelPath::new(path.as_bytes()).unwrap();
        let (place, meta, note) = (Where::nothing(), Meta::default(), Note::None);
        let row = SnapshotRow { kind: Kind::File, path, size, sha256: None, place, meta, note };
        OnDisc { row }
    }

    #[test]
    fn contents_of_one_name_are_never_unpacked_side_by_side() {
        let paths =
            |round: &[OnDisc]| round.iter().map(|one| one.row.path.to_string()).collect::<Vec<_>>();
        let left = ["a", "a/b", "c/d", "a", "c", "e"].map(|path| one(path, 1)).to_vec();
        let (round, rest) = next_round(left);
        assert_eq!(paths(&round), ["a", "c/d", "e"]);
        let (round, rest) = next_round(rest);
        assert_eq!(paths(&round), ["a/b", "c"]);
        assert_eq!(paths(&rest), ["a"]);
    }

    #[test]
    fn a_round_is_bounded_and_holds_at_least_one_file() {
        let left = vec![one("big", ROUND + 1), one("small", 1), one("other", ROUND)];
        let (round, rest) = next_round(left);
        assert_eq!((round.len(), rest.len()), (1, 2));
        assert_eq!(next_round(rest).0.len(), 1);
    }
}
