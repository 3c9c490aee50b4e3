//! Contents from discs into the target, disc by disc: short stretches are expanded and put in
//! place by several threads while one reads; files in parts stay open from disc to disc.
//!
//! Memory is bounded whatever the discs hold: each thread has one short stretch, or the few pieces
//! that are read and expanded ahead in a long one.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{BufReader, Read};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::archive::{Archive, Holes};
use super::assembly::{Assembly, Landed, MemberFailure, in_words};
use super::index::{self, Fetch, ListingError, WantedMembers, fetches};
use super::place::{Complaint, PlaceError, Target};
use super::plan::{PlannedContent, PlannedLink, RestorePlan};
use super::read_ahead::{read_ahead, read_whole};
use super::unpack::unpack;
use crate::codec::ahead::expander_ahead;
use crate::codec::frames::expander;
use crate::codec::openpgp::Opener;
use crate::codec::read_member::ReadMember;
use crate::drive::{Absence, DiscReader};
use crate::format::SizeLimits;
use crate::model::disc::Compression;
use crate::model::{ArchiveNo, DiscIdentity, DiscNo};
use crate::port::cause::Cause;
use crate::port::event::{Activity, Trouble};
use crate::port::monitor::{Monitor, NewTask};
use crate::port::notice::ListingNotice;
use crate::port::stop::{Stop, Stopped};

/// Rows of frames up to this length are read whole and handed to another thread; longer ones, of
/// which each is one member, are expanded ahead while they are read.
const SHORT: u64 = 4 << 20;
/// A member longer than this is expanded ahead even where it is packed into a few frames.
const LONG_MEMBER: u64 = 32 << 20;
/// Expanded at once: headers are small, and each call of a decoder has its price.
const EXPANDED: usize = 256 << 10;

/// What bounds the memory on large machines: each thread holds a short row and a decoder of 4 MB,
/// and 24 of them read faster than any drive.
const MOST_THREADS: usize = 24;
/// Short rows that wait for a thread.
const WAITING: usize = 8;

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

/// Where members are, for a disc whose INDEX cannot be read: by content, from another source.
pub type MemberLookup<'a> = dyn Fn(DiscNo, usize) -> Vec<Fetch> + 'a;

/// How the contents stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ContentState {
    Waiting,
    /// In place, or told to be lost.
    Settled,
}

/// What all threads share.
pub(super) struct Shared<'a> {
    pub plan: &'a RestorePlan,
    pub target: &'a Target,
    pub monitor: &'a Monitor,
    /// The disc in progress, as a task.
    task: Monitor,
    pub stop: &'a Stop,
    limits: SizeLimits,
    state: Mutex<ExtractState>,
    /// The disc in progress.
    disc: AtomicU32,
    /// Bytes of members that were read, of the disc in progress.
    done: AtomicU64,
}

struct ExtractState {
    fates: Vec<ContentState>,
    /// Why the last attempt at a content failed.
    reasons: HashMap<usize, String>,
    /// Items that are not in place: no link is made to what may stand there instead.
    lost: HashSet<usize>,
    tally: RestoreTally,
}

pub struct Restorer<'a> {
    pub(super) shared: Shared<'a>,
    /// Files in parts that are begun.
    open: HashMap<usize, Assembly>,
}

/// One way to read a disc.
struct Pass<'p> {
    disc: &'p dyn DiscReader,
    opener: Option<&'p Opener>,
    fetches: Vec<Fetch>,
}

/// A short row of frames that was read, and what is wanted of it.
struct Job {
    compression: Compression,
    frames: Vec<u8>,
    fetches: Vec<Fetch>,
    /// Why zeros stand for some of the bytes.
    fault: Option<String>,
}

/// What a thread puts things in place with.
struct Hands<'h> {
    target: &'h Target,
    /// Files in parts that are begun.
    open: &'h mut HashMap<usize, Assembly>,
}

impl<'a> Restorer<'a> {
    pub fn new(
        plan: &'a RestorePlan,
        target: &'a Target,
        monitor: &'a Monitor,
        stop: &'a Stop,
    ) -> Restorer<'a> {
        let fates = vec![ContentState::Waiting; plan.contents.len()];
        let (reasons, lost, tally) = (HashMap::new(), HashSet::new(), RestoreTally::default());
        let state = ExtractState { fates, reasons, lost, tally };
        let (state, disc, done) = (Mutex::new(state), AtomicU32::new(0), AtomicU64::new(0));
        let limits = SizeLimits::Kept;
        let task = monitor.clone();
        let shared = Shared { plan, target, monitor, task, stop, limits, state, disc, done };
        Restorer { shared, open: HashMap::new() }
    }

    /// Reads the discs' INDEXes within these limits.
    pub fn within(mut self, limits: SizeLimits) -> Restorer<'a> {
        self.shared.limits = limits;
        self
    }

    /// Restores all that this disc has, from the first of its copies that has it sound. Discs are
    /// to be given in the order of their numbers. `Some`: a copy went away, and what still waits
    /// for this disc may be on it; it is not lost, and this may be called again.
    pub fn disc(
        &mut self,
        label: &DiscIdentity,
        copies: &[&dyn DiscReader],
        opener: Option<&Opener>,
        locate: &MemberLookup,
    ) -> Result<Option<Absence>, Stopped> {
        let number = label.number;
        let total = self.shared.plan.bytes_from(number);
        let new = NewTask::new(Activity::Restoring).disc(number).total(total);
        let task = self.shared.monitor.begin(new);
        self.shared.task = task.clone();
        self.shared.disc.store(number.0, Ordering::Relaxed);
        self.shared.done.store(0, Ordering::Relaxed);
        let members = self.find_members(label, copies, opener, locate);
        for &disc in copies {
            self.try_copy(number, disc, opener, &members)?;
        }
        // What lies around bad places comes last: each sector there costs a drive up to a minute.
        let mut hurt = copies.to_vec();
        hurt.retain(|copy| copy.try_skipped());
        for disc in hurt {
            self.shared.forget_reasons(&self.unsettled(number));
            self.try_copy(number, disc, opener, &members)?;
        }
        self.shared.stop.check()?;
        if let (Some(absence), true) = (gone(copies), self.needs(number)) {
            self.shared.forget_reasons(&self.unsettled(number));
            return Ok(Some(absence));
        }
        for content in self.unsettled(number) {
            self.shared.lose(content, "the disc's listing does not have it");
            self.open.remove(&content);
        }
        Ok(None)
    }

    fn try_copy(
        &mut self,
        number: DiscNo,
        disc: &dyn DiscReader,
        opener: Option<&Opener>,
        members: &[Fetch],
    ) -> Result<(), Stopped> {
        let wanted: HashSet<usize> = self.unsettled(number).into_iter().collect();
        let wanted = members.iter().filter(|fetch| wanted.contains(&fetch.content));
        let fetches: Vec<Fetch> = wanted.cloned().collect();
        if fetches.is_empty() || gone(&[disc]).is_some() {
            return Ok(());
        }
        self.pass(Pass { disc, opener, fetches })
    }

    /// The disc is not to be had: all that needs it is lost.
    pub fn missing(&mut self, number: DiscNo) {
        for content in self.unsettled(number) {
            self.open.remove(&content);
            let paths = self.shared.plan.contents[content].targets.len() as u64;
            self.shared.settle(content, &format!("disc {number} is missing"));
            self.shared.state().tally.missing += paths;
        }
    }

    pub fn tally(&self) -> RestoreTally {
        self.shared.state().tally.clone()
    }

    /// Whether anything still needs this disc: what was lost on the way may not.
    pub fn needs(&self, number: DiscNo) -> bool {
        !self.unsettled(number).is_empty()
    }

    /// Contents that should have come from this disc and have not.
    fn unsettled(&self, number: DiscNo) -> Vec<usize> {
        let needed = self.shared.plan.discs.get(&number).into_iter().flatten().copied();
        let state = self.shared.state();
        needed
            .filter(|&content| {
                state.fates[content] == ContentState::Waiting && self.lacks(content, number)
            })
            .collect()
    }

    /// Whether parts of a content up to this disc were not taken yet.
    fn lacks(&self, content: usize, number: DiscNo) -> bool {
        let last = self.shared.plan.contents[content].last_part_until(number);
        self.open.get(&content).is_none_or(|assembly| assembly.next_part <= last)
    }

    fn wanted_from(&self, number: DiscNo) -> WantedMembers {
        let mut wanted = WantedMembers::new();
        for content in self.unsettled(number) {
            let PlannedContent { places, member, .. } = &self.shared.plan.contents[content];
            for place in places.iter().filter(|place| place.disc == number) {
                wanted.insert((place.archive, member.clone()), content);
            }
        }
        wanted
    }

    /// The members' places: from the disc's INDEX on any of its copies, which are alike; what all
    /// of them have damaged, from elsewhere.
    fn find_members(
        &self,
        label: &DiscIdentity,
        copies: &[&dyn DiscReader],
        opener: Option<&Opener>,
        locate: &MemberLookup,
    ) -> Vec<Fetch> {
        let number = label.number;
        let wanted = self.wanted_from(number);
        let mut found = Vec::new();
        let mut why = None;
        let mut broken = None;
        for disc in copies {
            if gone(&[*disc]).is_some() {
                continue;
            }
            let Shared { limits, stop, .. } = self.shared;
            let reading = index::ListingOptions { limits, stop };
            let (members, trouble) = match fetches(*disc, opener, label, &wanted, reading) {
                Ok((members, trouble)) => (members, trouble),
                // Whoever asks for the members ends next.
                Err(ListingError::Stopped(_)) => return Vec::new(),
                Err(error) => (Vec::new(), Some(error)),
            };
            // Nothing is known of its INDEX, and there is nothing to be repaired.
            if gone(&[*disc]).is_some() {
                continue;
            }
            if members.len() >= found.len() {
                found = members;
            }
            let is_broken = trouble.as_ref().is_some_and(ListingError::is_of_integrity);
            why = trouble.map(Cause::of);
            broken = why.clone().filter(|_| is_broken);
            match &why {
                Some(why) => {
                    let (medium, why) = (disc.title(), why.clone());
                    self.shared.monitor.note(ListingNotice::IndexDamaged { medium, why }.into());
                }
                None => break,
            }
        }
        if let Some(what) = broken {
            // All of it could be read, and some of it is not what was written.
            self.shared.state().tally.complaints += 1;
            self.shared.trouble(format!("disc {number}"), what);
        }
        if let Some(why) = why {
            self.find_elsewhere(number, &wanted, &mut found, locate, why.words());
        }
        found.sort_by_key(|f| (f.archive, f.frames.offset, f.frames.tar_offset, f.part));
        found
    }

    fn find_elsewhere(
        &self,
        number: DiscNo,
        wanted: &WantedMembers,
        found: &mut Vec<Fetch>,
        locate: &MemberLookup,
        why: &str,
    ) {
        let mut known: HashMap<usize, usize> = HashMap::new();
        found.iter().for_each(|fetch| *known.entry(fetch.content).or_default() += 1);
        let unknown: BTreeSet<usize> = wanted.values().copied().collect();
        for content in unknown {
            let places = &self.shared.plan.contents[content].places;
            let members = places.iter().filter(|place| place.disc == number).count();
            if known.get(&content).is_some_and(|&known| known >= members) {
                continue;
            }
            let elsewhere = locate(number, content);
            if elsewhere.is_empty() {
                self.shared.remember(content, why.to_owned());
            } else {
                found.retain(|fetch| fetch.content != content);
                found.extend(elsewhere);
            }
        }
    }

    fn pass(&mut self, pass: Pass) -> Result<(), Stopped> {
        let Restorer { shared, open } = self;
        let shared = &*shared;
        let threads = rayon::current_num_threads().clamp(1, MOST_THREADS);
        let (sender, receiver) = bounded::<Job>(threads.min(WAITING));
        thread::scope(|scope| {
            for _ in 0..threads {
                let jobs = receiver.clone();
                scope.spawn(move || shared.do_jobs(&jobs));
            }
            // Else a sender would wait for ever, should all threads have ended.
            drop(receiver);
            ExtractReader { shared, open, pass: &pass, jobs: sender }.all()
        })
    }
}

/// Why one of these readers gives nothing more.
fn gone(copies: &[&dyn DiscReader]) -> Option<Absence> {
    copies.iter().filter_map(|copy| copy.absence()).find(Absence::ends_reading)
}

/// The thread that reads the disc.
struct ExtractReader<'r, 's, 'a> {
    shared: &'s Shared<'a>,
    open: &'r mut HashMap<usize, Assembly>,
    pass: &'r Pass<'r>,
    jobs: Sender<Job>,
}

impl ExtractReader<'_, '_, '_> {
    fn all(mut self) -> Result<(), Stopped> {
        let pass = self.pass;
        for of_archive in pass.fetches.chunk_by(|a, b| a.archive == b.archive) {
            let number: ArchiveNo = of_archive[0].archive;
            match Archive::open(pass.disc, number, pass.opener) {
                Err(error) => self.shared.fail_all(of_archive, &in_words(&error)),
                Ok(archive) => self.archive(&archive, of_archive)?,
            }
        }
        Ok(())
    }

    fn archive(&mut self, archive: &Archive, fetches: &[Fetch]) -> Result<(), Stopped> {
        let same_frames = |a: &Fetch, b: &Fetch| {
            (a.frames.offset, a.frames.length) == (b.frames.offset, b.frames.length)
        };
        for group in fetches.chunk_by(same_frames) {
            self.shared.stop.check()?;
            if gone(&[self.pass.disc]).is_some() {
                return Ok(());
            }
            // Parts must come in order, so they stay in this thread.
            let has_parts = group.iter().any(|fetch| fetch.part != 0);
            let is_long = group.iter().any(|fetch| fetch.size > LONG_MEMBER);
            match group[0].frames.length {
                length if length > SHORT || is_long || has_parts => self.stream(archive, group),
                _ => self.hand_on(archive, group),
            }
        }
        Ok(())
    }

    /// Reads a short row of frames for another thread. Around unreadable places in data that is
    /// not compressed the rest may be sound.
    fn hand_on(&self, archive: &Archive, group: &[Fetch]) {
        let compression = archive.compression;
        let plain = compression == Compression::None;
        let bytes = archive.bytes(if plain { Holes::Zeros } else { Holes::Fail });
        let frames = group[0].frames;
        let mut row = archive.range(&bytes, frames.offset, frames.length);
        match read_whole(&mut row, frames.length as usize) {
            (_, Some(error)) => self.shared.fail_all(group, &in_words(&error)),
            (row, None) => {
                let fault = bytes.fault();
                let job = Job { compression, frames: row, fetches: group.to_vec(), fault };
                // It fails only if all threads have panicked, and then the scope does, too.
                let _ = self.jobs.send(job);
            }
        }
    }

    /// Expands a row of frames while it is read.
    fn stream(&mut self, archive: &Archive, group: &[Fetch]) {
        let shared = self.shared;
        let hands = &mut Hands { target: shared.target, open: self.open };
        let bytes = archive.bytes(Holes::Fail);
        let frames = group[0].frames;
        thread::scope(|scope| {
            let row = read_ahead(scope, archive.range(&bytes, frames.offset, frames.length));
            match expander_ahead(archive.compression, row) {
                Err(error) => shared.fail_all(group, &in_words(&error)),
                Ok(expanded) => shared.unpack(expanded, group, hands, None),
            }
        });
    }
}

impl Shared<'_> {
    /// A thread that panicked takes the whole restore with it; the state is whole all the same.
    fn state(&self) -> MutexGuard<'_, ExtractState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn do_jobs(&self, jobs: &Receiver<Job>) {
        let target = self.target.for_thread();
        let hands = &mut Hands { target: &target, open: &mut HashMap::new() };
        jobs.iter().for_each(|job| self.do_job(&job, hands));
    }

    fn do_job(&self, job: &Job, hands: &mut Hands) {
        if self.stop.check().is_err() {
            return;
        }
        match expander(job.compression, &job.frames[..]) {
            Err(error) => self.fail_all(&job.fetches, &in_words(&error)),
            Ok(expanded) => {
                let expanded = BufReader::with_capacity(EXPANDED, expanded);
                self.unpack(expanded, &job.fetches, hands, job.fault.as_deref());
            }
        }
    }

    fn unpack(
        &self,
        expanded: impl Read,
        fetches: &[Fetch],
        hands: &mut Hands,
        fault: Option<&str>,
    ) {
        let take = &mut |fetch: &Fetch, member: &ReadMember, input: &mut dyn Read| {
            self.take(hands, fetch, member, input)
        };
        unpack(expanded, fetches, take, |fetch, failure| self.fail(fetch, failure, fault));
    }

    /// Takes a member into the content that it belongs to; the last one completes it.
    fn take(
        &self,
        hands: &mut Hands,
        fetch: &Fetch,
        member: &ReadMember,
        input: &mut dyn Read,
    ) -> Result<(), MemberFailure> {
        let content = fetch.content;
        if self.state().fates[content] == ContentState::Settled {
            return Ok(());
        }
        let begun = hands.open.remove(&content);
        let Some(mut assembly) = begun.or_else(|| self.begin(content, hands.target)) else {
            return Ok(());
        };
        let taken = assembly.take(fetch, member, input, self.stop);
        let parts = self.plan.contents[content].places.len() as u32;
        match taken {
            Ok(()) if fetch.part == 0 || fetch.part == parts => {
                self.read(fetch.size);
                let landed = assembly.finish(self.plan, content, hands.target, self.stop)?;
                self.land(landed);
                self.state().fates[content] = ContentState::Settled;
            }
            taken => {
                if fetch.part != 0 {
                    hands.open.insert(content, assembly);
                }
                taken?;
                self.read(fetch.size);
            }
        }
        Ok(())
    }

    /// `None`: the target takes it nowhere, which is told then.
    fn begin(&self, content: usize, target: &Target) -> Option<Assembly> {
        let (begun, barred) = Assembly::begin(self.plan, content, target);
        self.land(barred);
        if begun.is_none() {
            self.state().fates[content] = ContentState::Settled;
        }
        begun
    }

    fn read(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.task.done(done);
    }

    fn fail_all(&self, fetches: &[Fetch], why: &str) {
        fetches.iter().for_each(|fetch| self.remember(fetch.content, self.placed(fetch, why)));
    }

    fn placed(&self, fetch: &Fetch, why: &str) -> String {
        let disc = self.disc.load(Ordering::Relaxed);
        format!("disc {disc}, archive {}: {why}", fetch.archive)
    }

    /// The disc may have a sound copy; what the target does not take, no copy helps.
    fn fail(&self, fetch: &Fetch, failure: MemberFailure, fault: Option<&str>) {
        match failure {
            MemberFailure::Stopped => {}
            MemberFailure::Disc(why) => {
                let why = fault.unwrap_or(&why);
                self.remember(fetch.content, self.placed(fetch, why));
            }
            MemberFailure::Target(error) => {
                self.lose(fetch.content, &error.in_words());
            }
        }
    }

    /// The first reason is the cause, those that follow come of it.
    fn remember(&self, content: usize, why: String) {
        self.state().reasons.entry(content).or_insert(why);
    }

    /// Another attempt is made, which will tell.
    fn forget_reasons(&self, contents: &[usize]) {
        let mut state = self.state();
        for content in contents {
            state.reasons.remove(content);
        }
    }

    fn lose(&self, content: usize, otherwise: &str) {
        let known = self.state().reasons.remove(&content);
        let paths = self.plan.contents[content].targets.len() as u64;
        self.settle(content, known.as_deref().unwrap_or(otherwise));
        self.state().tally.failed += paths;
    }

    fn settle(&self, content: usize, why: &str) {
        {
            let mut state = self.state();
            state.fates[content] = ContentState::Settled;
            state.lost.extend(&self.plan.contents[content].targets);
        }
        for path in self.plan.paths(content) {
            self.trouble(path.to_string(), why);
        }
    }

    pub(super) fn trouble(&self, thing: String, what: impl Into<Cause>) {
        self.monitor.trouble(&Trouble::new(thing, what));
    }

    fn land(&self, landed: Vec<Landed>) {
        for (item, result) in landed {
            self.count(item, result);
        }
    }

    /// Counts what became of a path and tells what is wrong with it.
    pub(super) fn count(&self, item: usize, result: Result<Vec<Complaint>, PlaceError>) {
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
    pub(super) fn link(&self, PlannedLink { item, first }: PlannedLink) {
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

    pub(super) fn complain(&self, complaints: Vec<Complaint>) {
        self.state().tally.complaints += complaints.len() as u64;
        for complaint in complaints {
            let source = complaint.source.as_ref().map(|error| format!(": {error}"));
            let what =
                format!("{} could not be restored{}", complaint.what, source.unwrap_or_default());
            self.trouble(complaint.path.to_string(), what);
        }
    }
}
