//! Contents from discs into the target: short stretches are expanded and put in place by several
//! threads while one reads. Several discs may be read at once, in any order.
//!
//! Memory is bounded whatever the discs hold: each thread has one short stretch, or the few pieces
//! that are read and expanded ahead in a long one.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{BufReader, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::archive::{Archive, Holes};
use super::assembly::{MemberFailure, in_words};
use super::index::{self, Fetch, ListingError, WantedMembers, fetches};
use super::place::Target;
use super::plan::{PlannedContent, RestorePlan};
use super::read_ahead::{read_ahead, read_whole};
pub use super::shared::RestoreTally;
use super::shared::Shared;
use super::unpack::unpack;
use crate::codec::ahead::expander_ahead;
use crate::codec::frames::expander_in_memory;
use crate::codec::openpgp::Opener;
use crate::codec::read_member::ReadMember;
use crate::drive::{Absence, DiscReader};
use crate::format::SizeLimits;
use crate::model::disc::Compression;
use crate::model::{ArchiveNo, DiscIdentity, DiscNo};
use crate::port::cause::Cause;
use crate::port::event::Activity;
use crate::port::monitor::{Monitor, NewTask, RunningTask};
use crate::port::notice::ListingNotice;
use crate::port::stop::{Stop, Stopped};

/// Rows of frames up to this length are read whole and handed to another thread; longer ones, of
/// which each is one member, are expanded ahead while they are read.
const SHORT: u64 = 4 << 20;
/// A member longer than this is expanded ahead even where it is packed into a few frames.
const LONG_MEMBER: u64 = 32 << 20;
/// Expanded at once: headers are small, and each call of a decoder has its price.
const EXPANDED: usize = 256 << 10;

/// What bounds the memory on large machines, however many discs are read at once: each thread holds
/// a short row and a decoder of 4 MB, and 24 of them read faster than any drive.
const MOST_THREADS: usize = 24;
/// Short rows that wait for a thread.
const WAITING: usize = 8;

/// Where members are, for a disc whose INDEX cannot be read: by content, from another source.
pub type MemberLookup<'a> = dyn Fn(DiscNo, usize) -> Vec<Fetch> + 'a;

/// What reads discs into the target, for several threads.
pub struct Restorer<'a> {
    pub(super) shared: Shared<'a>,
    /// So many discs may be read at once.
    readers: usize,
}

/// A disc that is being read.
struct DiscReading<'r, 'a> {
    shared: &'r Shared<'a>,
    number: DiscNo,
    opener: Option<&'r Opener>,
    task: RunningTask,
    /// Bytes of members that were read.
    done: AtomicU64,
    threads: usize,
    /// For the thread that reads.
    target: Target,
}

/// One way to read a disc.
struct Pass<'p> {
    disc: &'p dyn DiscReader,
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

impl<'a> Restorer<'a> {
    pub fn new(
        plan: &'a RestorePlan,
        target: &'a Target,
        monitor: &'a Monitor,
        stop: &'a Stop,
    ) -> Restorer<'a> {
        Restorer { shared: Shared::new(plan, target, monitor, stop), readers: 1 }
    }

    /// Reads the discs' INDEXes within these limits.
    pub fn within(mut self, limits: SizeLimits) -> Restorer<'a> {
        self.shared.limits = limits;
        self
    }

    /// So many discs may be read at once.
    pub fn at_once(self, readers: usize) -> Restorer<'a> {
        Restorer { readers: readers.max(1), ..self }
    }

    /// Restores all that this disc has, from the first of its copies that has it sound. `drive`:
    /// the title of the one that it is in. `Some`: a copy went away, and what still waits for this
    /// disc may be on it; it is not lost, and this may be called again.
    pub fn disc(
        &self,
        label: &DiscIdentity,
        drive: Option<String>,
        copies: &[&dyn DiscReader],
        opener: Option<&Opener>,
        locate: &MemberLookup,
    ) -> Result<Option<Absence>, Stopped> {
        let (shared, number) = (&self.shared, label.number);
        let new = NewTask::new(Activity::Restoring).disc(number);
        let new = NewTask { drive, ..new }.total(shared.plan.bytes_from(number));
        let task = shared.monitor.begin(new);
        let most = (MOST_THREADS / self.readers).max(1);
        let threads = rayon::current_num_threads().clamp(1, most);
        let (done, target) = (AtomicU64::new(0), shared.target.for_thread());
        DiscReading { shared, number, opener, task, done, threads, target }
            .all(label, copies, locate)
    }

    /// The disc is not to be had: all that needs it is lost.
    pub fn missing(&self, number: DiscNo) {
        for content in unsettled(&self.shared, number) {
            self.shared.miss(number, content);
        }
    }

    pub fn tally(&self) -> RestoreTally {
        self.shared.tally()
    }

    /// Whether anything still needs this disc: what was lost on the way may not.
    pub fn needs(&self, number: DiscNo) -> bool {
        !unsettled(&self.shared, number).is_empty()
    }
}

/// Contents that should have come from this disc and have not.
fn unsettled(shared: &Shared, number: DiscNo) -> Vec<usize> {
    let needed = shared.plan.discs.get(&number).into_iter().flatten().copied();
    let parts = |content: usize| shared.plan.contents[content].parts_on(number);
    needed.filter(|&content| shared.lacks(content, parts(content))).collect()
}

impl DiscReading<'_, '_> {
    fn all(
        &self,
        label: &DiscIdentity,
        copies: &[&dyn DiscReader],
        locate: &MemberLookup,
    ) -> Result<Option<Absence>, Stopped> {
        let (shared, number) = (self.shared, self.number);
        let members = self.find_members(label, copies, locate);
        for &disc in copies {
            self.try_copy(disc, &members)?;
        }
        // What lies around bad places comes last: each sector there costs a drive up to a minute.
        let mut hurt = copies.to_vec();
        hurt.retain(|copy| copy.try_skipped());
        for disc in hurt {
            shared.forget_reasons(number, &self.unsettled());
            self.try_copy(disc, &members)?;
        }
        shared.stop.check()?;
        let left = self.unsettled();
        if let (Some(absence), false) = (gone(copies), left.is_empty()) {
            shared.forget_reasons(number, &left);
            return Ok(Some(absence));
        }
        for content in left {
            shared.lose(number, content, "the disc's listing does not have it");
        }
        Ok(None)
    }

    fn unsettled(&self) -> Vec<usize> {
        unsettled(self.shared, self.number)
    }

    fn try_copy(&self, disc: &dyn DiscReader, members: &[Fetch]) -> Result<(), Stopped> {
        let wanted: HashSet<usize> = self.unsettled().into_iter().collect();
        let is_wanted = |fetch: &&Fetch| {
            let part = std::iter::once(fetch.part);
            let is_there = fetch.part != 0 && !self.shared.lacks(fetch.content, part);
            wanted.contains(&fetch.content) && !is_there
        };
        let fetches: Vec<Fetch> = members.iter().filter(is_wanted).cloned().collect();
        if fetches.is_empty() || gone(&[disc]).is_some() {
            return Ok(());
        }
        self.pass(&Pass { disc, fetches })
    }

    fn wanted(&self) -> WantedMembers {
        let mut wanted = WantedMembers::new();
        for content in self.unsettled() {
            let PlannedContent { places, member, .. } = &self.shared.plan.contents[content];
            for place in places.iter().filter(|place| place.disc == self.number) {
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
        locate: &MemberLookup,
    ) -> Vec<Fetch> {
        let number = self.number;
        let wanted = self.wanted();
        let mut found = Vec::new();
        let mut why = None;
        let mut broken = None;
        for disc in copies {
            if gone(&[*disc]).is_some() {
                continue;
            }
            let Shared { limits, stop, .. } = *self.shared;
            let reading = index::ListingOptions { limits, stop };
            let (members, trouble) = match fetches(*disc, self.opener, label, &wanted, reading) {
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
            self.shared.complain_of(format!("disc {number}"), what);
        }
        if let Some(why) = why {
            self.find_elsewhere(&wanted, &mut found, locate, why.words());
        }
        found.sort_by_key(|f| (f.archive, f.frames.offset, f.frames.tar_offset, f.part));
        found
    }

    fn find_elsewhere(
        &self,
        wanted: &WantedMembers,
        found: &mut Vec<Fetch>,
        locate: &MemberLookup,
        why: &str,
    ) {
        let number = self.number;
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
                self.shared.remember(number, content, why.to_owned());
            } else {
                found.retain(|fetch| fetch.content != content);
                found.extend(elsewhere);
            }
        }
    }

    fn pass(&self, pass: &Pass) -> Result<(), Stopped> {
        let (sender, receiver) = bounded::<Job>(self.threads.min(WAITING));
        thread::scope(|scope| {
            for _ in 0..self.threads {
                let jobs = receiver.clone();
                scope.spawn(move || self.do_jobs(&jobs));
            }
            // Else a sender would wait for ever, should all threads have ended.
            drop(receiver);
            ExtractReader { reading: self, pass, jobs: sender }.all()
        })
    }
}

/// Why one of these readers gives nothing more.
fn gone(copies: &[&dyn DiscReader]) -> Option<Absence> {
    copies.iter().filter_map(|copy| copy.absence()).find(Absence::ends_reading)
}

/// The thread that reads the disc.
struct ExtractReader<'r, 'a> {
    reading: &'r DiscReading<'r, 'a>,
    pass: &'r Pass<'r>,
    jobs: Sender<Job>,
}

impl ExtractReader<'_, '_> {
    fn all(self) -> Result<(), Stopped> {
        let pass = self.pass;
        for of_archive in pass.fetches.chunk_by(|a, b| a.archive == b.archive) {
            let number: ArchiveNo = of_archive[0].archive;
            match Archive::open(pass.disc, number, self.reading.opener) {
                Err(error) => self.reading.fail_all(of_archive, &in_words(&error)),
                Ok(archive) => self.archive(&archive, of_archive)?,
            }
        }
        Ok(())
    }

    fn archive(&self, archive: &Archive, fetches: &[Fetch]) -> Result<(), Stopped> {
        let same_frames = |a: &Fetch, b: &Fetch| {
            (a.frames.offset, a.frames.length) == (b.frames.offset, b.frames.length)
        };
        for group in fetches.chunk_by(same_frames) {
            self.reading.shared.stop.check()?;
            if gone(&[self.pass.disc]).is_some() {
                return Ok(());
            }
            // Parts are hashed on the way where they come in order, so they stay in this thread.
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
            (_, Some(error)) => self.reading.fail_all(group, &in_words(&error)),
            (row, None) => {
                let fault = bytes.fault();
                let job = Job { compression, frames: row, fetches: group.to_vec(), fault };
                // It fails only if all threads have panicked, and then the scope does, too.
                let _ = self.jobs.send(job);
            }
        }
    }

    /// Expands a row of frames while it is read.
    fn stream(&self, archive: &Archive, group: &[Fetch]) {
        let reading = self.reading;
        let bytes = archive.bytes(Holes::Fail);
        let frames = group[0].frames;
        thread::scope(|scope| {
            let row = read_ahead(scope, archive.range(&bytes, frames.offset, frames.length));
            match expander_ahead(archive.compression, row) {
                Err(error) => reading.fail_all(group, &in_words(&error)),
                Ok(expanded) => reading.unpack(expanded, group, &reading.target, None),
            }
        });
    }
}

impl DiscReading<'_, '_> {
    fn do_jobs(&self, jobs: &Receiver<Job>) {
        let target = self.shared.target.for_thread();
        jobs.iter().for_each(|job| self.do_job(&job, &target));
    }

    fn do_job(&self, job: &Job, target: &Target) {
        if self.shared.stop.check().is_err() {
            return;
        }
        match expander_in_memory(job.compression, &job.frames) {
            Err(error) => self.fail_all(&job.fetches, &in_words(&error)),
            Ok(expanded) => {
                let expanded = BufReader::with_capacity(EXPANDED, expanded);
                self.unpack(expanded, &job.fetches, target, job.fault.as_deref());
            }
        }
    }

    fn unpack(&self, expanded: impl Read, fetches: &[Fetch], target: &Target, fault: Option<&str>) {
        let take = &mut |fetch: &Fetch, member: &ReadMember, input: &mut dyn Read| match self
            .shared
            .is_settled(fetch.content)
        {
            true => Ok(()),
            false if fetch.part == 0 => self.take_whole(target, fetch, member, input),
            false => self.take_part(target, fetch, member, input),
        };
        unpack(expanded, fetches, take, |fetch, failure| self.fail(fetch, failure, fault));
    }

    fn take_whole(
        &self,
        target: &Target,
        fetch: &Fetch,
        member: &ReadMember,
        input: &mut dyn Read,
    ) -> Result<(), MemberFailure> {
        let (shared, content) = (self.shared, fetch.content);
        let Some(file) = shared.begin(content, 1, target) else { return Ok(()) };
        file.take(fetch, member, input, shared.stop)?;
        self.read(fetch.size);
        let landed = file.finish(shared.plan, content, target, shared.stop)?;
        shared.finished(content, landed);
        Ok(())
    }

    /// Takes a part into the file that it belongs to; the last one that comes completes it.
    fn take_part(
        &self,
        target: &Target,
        fetch: &Fetch,
        member: &ReadMember,
        input: &mut dyn Read,
    ) -> Result<(), MemberFailure> {
        let (shared, content) = (self.shared, fetch.content);
        let Some(file) = shared.file_in_parts(content, target) else { return Ok(()) };
        let taken = file.take(fetch, member, input, shared.stop);
        self.read(if taken.is_ok() { fetch.size } else { 0 });
        let Some(file) = shared.give_back(content, file) else { return taken };
        let landed = match file.finish(shared.plan, content, target, shared.stop) {
            // The other discs are not read again for it.
            Err(MemberFailure::Disc(why))
                if shared.plan.contents[content].is_on_others(self.number) =>
            {
                shared.lose(self.number, content, &self.placed(fetch, &why));
                return Ok(());
            }
            Err(MemberFailure::Disc(why)) => {
                shared.begin_again(content);
                return Err(MemberFailure::Disc(why));
            }
            finished => finished?,
        };
        shared.finished(content, landed);
        Ok(())
    }

    fn read(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.task.done(done);
    }

    fn fail_all(&self, fetches: &[Fetch], why: &str) {
        for fetch in fetches {
            self.shared.remember(self.number, fetch.content, self.placed(fetch, why));
        }
    }

    fn placed(&self, fetch: &Fetch, why: &str) -> String {
        format!("disc {}, archive {}: {why}", self.number, fetch.archive)
    }

    /// The disc may have a sound copy; what the target does not take, no copy helps.
    fn fail(&self, fetch: &Fetch, failure: MemberFailure, fault: Option<&str>) {
        match failure {
            MemberFailure::Stopped => {}
            MemberFailure::Disc(why) => {
                let why = self.placed(fetch, fault.unwrap_or(&why));
                self.shared.remember(self.number, fetch.content, why);
            }
            MemberFailure::Target(error) => {
                self.shared.lose(self.number, fetch.content, &error.in_words());
            }
        }
    }
}
