//! How a restore stands, for all threads that are at it: which contents are settled, what became of
//! each path, the files whose parts are being put together. What goes wrong is told here, once.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::assembly::{Assembly, Landed};
use super::place::{Complaint, PlaceError, Target};
use super::plan::{PlannedLink, RestorePlan};
use crate::format::SizeLimits;
use crate::model::DiscNo;
use crate::port::cause::Cause;
use crate::port::event::Trouble;
use crate::port::monitor::Monitor;
use crate::port::stop::Stop;

/// What was done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreTally {
    /// Paths that were put in place, directories apart, and the bytes of the files among them.
    pub restored: u64,
    pub bytes: u64,
    /// Paths that could not be restored though their disc was there.
    pub failed: u64,
    /// Paths that a missing disc has.
    pub missing: u64,
    /// Things about restored paths that are not as they were.
    pub complaints: u64,
}

/// How the contents stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ContentState {
    Waiting,
    /// All of it was read, and a thread puts it in place.
    Whole,
    /// In place, or told to be lost.
    Settled,
}

/// What all threads share.
pub(super) struct Shared<'a> {
    pub plan: &'a RestorePlan,
    pub target: &'a Target,
    pub monitor: &'a Monitor,
    pub stop: &'a Stop,
    pub limits: SizeLimits,
    state: Mutex<ExtractState>,
    /// Files in parts that are begun. Locked before `state`, never after it.
    open: Mutex<HashMap<usize, Arc<Assembly>>>,
}

struct ExtractState {
    fates: Vec<ContentState>,
    /// Why the last attempt at what a disc has of a content failed.
    reasons: HashMap<(DiscNo, usize), String>,
    /// Items that are not in place: no link is made to what may stand there instead.
    lost: HashSet<usize>,
    tally: RestoreTally,
}

impl<'a> Shared<'a> {
    pub fn new(
        plan: &'a RestorePlan,
        target: &'a Target,
        monitor: &'a Monitor,
        stop: &'a Stop,
    ) -> Shared<'a> {
        let fates = vec![ContentState::Waiting; plan.contents.len()];
        let (reasons, lost, tally) = (HashMap::new(), HashSet::new(), RestoreTally::default());
        let state = Mutex::new(ExtractState { fates, reasons, lost, tally });
        let (limits, open) = (SizeLimits::Kept, Mutex::default());
        Shared { plan, target, monitor, stop, limits, state, open }
    }

    /// A thread that panicked takes the whole restore with it; the state is whole all the same.
    fn state(&self) -> MutexGuard<'_, ExtractState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<usize, Arc<Assembly>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn tally(&self) -> RestoreTally {
        self.state().tally.clone()
    }

    /// Whether no disc is read for the content any more.
    pub fn is_settled(&self, content: usize) -> bool {
        self.state().fates[content] != ContentState::Waiting
    }

    /// The file that a part belongs to, begun if it is the first that comes. `None`: the content
    /// is settled.
    pub fn file_in_parts(&self, content: usize, target: &Target) -> Option<Arc<Assembly>> {
        let mut open = self.open();
        if self.is_settled(content) {
            return None;
        }
        match open.entry(content) {
            Entry::Occupied(known) => Some(known.get().clone()),
            Entry::Vacant(place) => {
                let parts = self.plan.contents[content].places.len();
                let new = Arc::new(self.begin(content, parts, target)?);
                Some(place.insert(new).clone())
            }
        }
    }

    /// Gives the file back after a part; the file itself, if that was the last one and nobody else
    /// is at it.
    pub fn give_back(&self, content: usize, file: Arc<Assembly>) -> Option<Assembly> {
        let mut open = self.open();
        let Entry::Occupied(known) = open.entry(content) else { return None };
        let is_same = Arc::ptr_eq(known.get(), &file);
        drop(file);
        let is_done = is_same && known.get().is_whole() && Arc::strong_count(known.get()) == 1;
        let file = Arc::into_inner(is_done.then(|| known.remove())?)?;
        self.state().fates[content] = ContentState::Whole;
        Some(file)
    }

    /// It was whole and is of no use: another copy of its disc may be better.
    pub fn begin_again(&self, content: usize) {
        self.state().fates[content] = ContentState::Waiting;
    }

    /// Whether one of these parts of a content, from 1, is still to come.
    pub fn lacks(&self, content: usize, mut parts: impl Iterator<Item = u32>) -> bool {
        // Else another thread could make it whole between the two looks.
        let open = self.open();
        let is_missing = |part| open.get(&content).is_none_or(|file| !file.has(part));
        !self.is_settled(content) && parts.any(is_missing)
    }

    /// `None`: the target takes it nowhere, which is told then.
    pub fn begin(&self, content: usize, parts: usize, target: &Target) -> Option<Assembly> {
        let (begun, barred) = Assembly::begin(self.plan, content, parts, target);
        self.land(barred);
        if begun.is_none() {
            self.state().fates[content] = ContentState::Settled;
        }
        begun
    }

    /// The content is in place.
    pub fn finished(&self, content: usize, landed: Vec<Landed>) {
        self.land(landed);
        self.state().fates[content] = ContentState::Settled;
    }

    /// The first reason is the cause, those that follow come of it.
    pub fn remember(&self, disc: DiscNo, content: usize, why: String) {
        self.state().reasons.entry((disc, content)).or_insert(why);
    }

    /// Another attempt is made, which will tell.
    pub fn forget_reasons(&self, disc: DiscNo, contents: &[usize]) {
        let mut state = self.state();
        for &content in contents {
            state.reasons.remove(&(disc, content));
        }
    }

    /// What the disc has of the content cannot be had.
    pub fn lose(&self, disc: DiscNo, content: usize, otherwise: &str) {
        let known = self.state().reasons.remove(&(disc, content));
        let paths = self.settle(content, known.as_deref().unwrap_or(otherwise));
        self.state().tally.failed += paths;
    }

    /// The disc is not to be had.
    pub fn miss(&self, disc: DiscNo, content: usize) {
        let paths = self.settle(content, &format!("disc {disc} is missing"));
        self.state().tally.missing += paths;
    }

    /// How many paths go without the content; none if another disc settled it meanwhile.
    fn settle(&self, content: usize, why: &str) -> u64 {
        {
            let mut state = self.state();
            if state.fates[content] == ContentState::Settled {
                return 0;
            }
            state.fates[content] = ContentState::Settled;
            state.lost.extend(&self.plan.contents[content].targets);
        }
        self.open().remove(&content);
        for path in self.plan.paths(content) {
            self.trouble(path.to_string(), why.to_owned());
        }
        self.plan.contents[content].targets.len() as u64
    }

    pub fn trouble(&self, thing: String, what: impl Into<Cause>) {
        self.monitor.trouble(&Trouble::new(thing, what));
    }

    /// Something about the discs is not as it was written, and all could be read.
    pub fn complain_of(&self, thing: String, what: impl Into<Cause>) {
        self.state().tally.complaints += 1;
        self.trouble(thing, what);
    }

    fn land(&self, landed: Vec<Landed>) {
        for (item, result) in landed {
            self.count(item, result);
        }
    }

    /// Counts what became of a path and tells what is wrong with it.
    pub fn count(&self, item: usize, result: Result<Vec<Complaint>, PlaceError>) {
        let row = &self.plan.items[item].row;
        match result {
            Ok(complaints) => {
                {
                    let tally = &mut self.state().tally;
                    tally.restored += 1;
                    tally.bytes = tally.bytes.saturating_add(row.size);
                }
                self.complain(complaints);
            }
            Err(error) => {
                self.count_lost(item);
                self.trouble(row.path.to_string(), error.in_words());
            }
        }
    }

    fn count_lost(&self, item: usize) {
        let mut state = self.state();
        state.tally.failed += 1;
        state.lost.insert(item);
    }

    /// Gives a file a further name, which takes no bytes. Whatever stands in the place of a first
    /// name that was not restored is not linked to.
    pub fn link(&self, PlannedLink { item, first }: PlannedLink) {
        let name = &self.plan.items[item];
        let (first_path, kind) =
            (&self.plan.items[first].row.path, self.plan.items[first].row.kind);
        if self.state().lost.contains(&first) {
            self.count_lost(item);
            let what = format!("it is another name of {first_path}, which could not be restored");
            return self.trouble(name.row.path.to_string(), what);
        }
        match self.target.hardlink(&name.row.path, first_path, kind, name.replace) {
            Ok(()) => self.state().tally.restored += 1,
            Err(error) => self.count(item, Err(error)),
        }
    }

    pub fn complain(&self, complaints: Vec<Complaint>) {
        self.state().tally.complaints += complaints.len() as u64;
        for complaint in complaints {
            let source = complaint.source.as_ref().map(|error| format!(": {error}"));
            let what =
                format!("{} could not be restored{}", complaint.what, source.unwrap_or_default());
            self.trouble(complaint.path.to_string(), what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::read_member::ReadMember;
    use crate::model::rows::{FrameSpan, Note, Place, SnapshotRow, Where};
    use crate::model::{ArchiveNo, Digest, Kind, Meta, RelPath};
    use crate::restore::index::Fetch;
    use crate::restore::plan::TargetState;
    use crate::restore::plan::plan;
    use crate::restore::select::Selection;
    use sha2::{Digest as _, Sha256};

    const PART: u64 = 1024;

    fn fetch(part: u32) -> Fetch {
        let frames = FrameSpan { offset: 0, length: 1, tar_offset: 0 };
        let file_offset = u64::from(part - 1) * PART;
        let archive = ArchiveNo(part);
        Fetch { content: 0, archive, frames, size: PART, sha256: None, part, file_offset }
    }

    /// A file with a part on each of two discs.
    fn split_over_two_discs(content: &[u8]) -> RestorePlan {
        let place = |number| Place { disc: DiscNo(number), archive: ArchiveNo(number) };
        let places = vec![place(1), place(2)];
        let path = RelPath::new(b"a").unwrap();
        let row = SnapshotRow {
            kind: Kind::File,
            path: path.clone(),
            size: 2 * PART,
            sha256: Some(Digest(Sha256::digest(content).into())),
            place: Where { places, complete: true, member: Some(path) },
            meta: Meta { mode: 0o644, ..Meta::default() },
            note: Note::None,
        };
        plan(Selection { rows: vec![row], ..Selection::default() }, |_| TargetState::Free)
    }

    #[test]
    fn a_file_that_is_whole_and_not_in_place_yet_lacks_nothing_of_either_disc() {
        let (dir, stop, monitor) = (tempfile::tempdir().unwrap(), Stop::new(), Monitor::new());
        let content = [[1; PART as usize], [2; PART as usize]].concat();
        let plan = split_over_two_discs(&content);
        let target = Target::open(dir.path(), false).unwrap();
        let shared = Shared::new(&plan, &target, &monitor, &stop);
        let take = |part: u32| {
            let file = shared.file_in_parts(0, &target).unwrap();
            let (name, meta) = (RelPath::new(b"a").unwrap(), Meta::default());
            let (kind, size, data_len) = (Kind::File, PART, PART);
            let member = ReadMember { name, kind, size, meta, sparse: None, data_len };
            let mut bytes = &content[(part as usize - 1) * PART as usize..][..PART as usize];
            file.take(&fetch(part), &member, &mut bytes, &stop).unwrap();
            shared.give_back(0, file)
        };
        let lacks = |part: u32| shared.lacks(0, std::iter::once(part));
        assert!(take(2).is_none());
        assert!(lacks(1) && !lacks(2));
        let file = take(1).unwrap();
        assert!(!lacks(1) && !lacks(2), "another thread would call it lost");
        assert!(shared.file_in_parts(0, &target).is_none());
        let landed = file.finish(&plan, 0, &target, &stop).unwrap();
        shared.finished(0, landed);
        assert_eq!((shared.tally().restored, shared.tally().failed), (1, 0));
        assert!(std::fs::read(dir.path().join("a")).unwrap() == content);
    }
}
