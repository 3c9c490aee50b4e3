//! Which drive does what next, where several burn and read: a state machine without IO, threads or
//! time. Its owner tells it what happened, and asks for the next step until there is none.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::CopyNo;
use crate::model::DiscNo;

/// Blanks that a copy of a disc may cost in one run; and burns in a row that may fail in a drive
/// before it is used no more, if there is another one.
pub const TRIES: u32 = 3;

/// A drive, by its position among those of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DriveNo(pub usize);

/// What a drive is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    pub burns: bool,
    /// Discs are read back in it, its own or those of other drives.
    pub reads: bool,
}

impl Roles {
    pub const BOTH: Roles = Roles { burns: true, reads: true };
    pub const BURNS: Roles = Roles { burns: true, reads: false };
    pub const READS: Roles = Roles { burns: false, reads: true };
}

/// What is known of a drive before the run.
#[derive(Clone, Copy, Debug)]
pub struct DriveSpec {
    pub roles: Roles,
    /// Media are changed in it, by people or a loader. What has none keeps its discs: a shelf.
    pub has_hands: bool,
}

/// A disc that is to be made safe.
#[derive(Clone, Debug, Default)]
pub struct DiscSpec {
    /// How many good copies it lacks.
    pub lacking: u32,
    /// Good copies that lie in drives that keep their discs.
    pub kept: Vec<DriveNo>,
    /// Copies that were burned and not read back, in drives that keep their discs: those are read
    /// there before another one is burned.
    pub unread: Vec<DriveNo>,
}

/// What a drive is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Takes a blank for a copy of this disc, or goes on with one that nobody read back, and burns.
    Burn {
        disc: DiscNo,
        /// What is in the drive may be a copy already. Not after a burn that failed here.
        look: bool,
    },
    /// Reads a copy back that was burned in another drive.
    ReadBack {
        disc: DiscNo,
        copy: CopyNo,
        /// There is no other drive that it could be put into: waits as long as the run allows.
        is_last: bool,
    },
    /// Waits for a medium no more.
    Recall,
}

/// What follows from a copy that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Another blank is taken, here or elsewhere.
    NextBlank,
    /// The same, and this drive is used no more.
    DriveFailed(DriveNo),
    /// The disc had all its tries.
    DiscFailed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Task {
    /// `burned`: it has this copy, which is only to be read back.
    Burn {
        disc: DiscNo,
        burned: Option<CopyNo>,
    },
    ReadBack(DiscNo, Handed),
}

/// A copy that was burned in a drive which does not read it back, and waits for one that does.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Handed {
    copy: CopyNo,
    burned_in: DriveNo,
    /// It was read back, and what came of it is recorded.
    is_judged: bool,
    /// Drives that nobody put it into.
    passed: BTreeSet<DriveNo>,
}

impl Task {
    fn disc(&self) -> DiscNo {
        match self {
            Task::Burn { disc, .. } | Task::ReadBack(disc, _) => *disc,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Doing {
    /// It was not looked at yet.
    Unknown,
    /// `is_ready`: a blank lies in it.
    Idle { is_ready: bool },
    /// For a medium. `is_sure`: one lay there when it was told to take it.
    Waits { task: Task, is_sure: bool, is_recalled: bool },
    /// It has the medium.
    Works(Task),
    /// It is used no more.
    Gone,
}

impl Doing {
    fn task(&self) -> Option<&Task> {
        match self {
            Doing::Waits { task, .. } | Doing::Works(task) => Some(task),
            Doing::Unknown | Doing::Idle { .. } | Doing::Gone => None,
        }
    }
}

#[derive(Debug)]
struct PoolDrive {
    spec: DriveSpec,
    doing: Doing,
    /// Burns that failed one after the other.
    failures: u32,
}

impl PoolDrive {
    fn is_alive(&self) -> bool {
        self.doing != Doing::Gone
    }

    fn burns(&self) -> bool {
        self.is_alive() && self.spec.roles.burns
    }

    /// Discs of other drives can be put into it.
    fn reads_for_others(&self) -> bool {
        self.is_alive() && self.spec.roles.reads && self.spec.has_hands
    }

    fn is_idle(&self) -> bool {
        matches!(self.doing, Doing::Idle { .. })
    }

    fn is_ready(&self) -> bool {
        self.doing == Doing::Idle { is_ready: true }
    }

    /// It could be told to do something else.
    fn waits_for_blank(&self) -> Option<DiscNo> {
        match self.doing {
            Doing::Waits { task: Task::Burn { disc, .. }, is_sure: false, is_recalled: false } => {
                Some(disc)
            }
            _ => None,
        }
    }
}

#[derive(Debug, Default)]
struct DiscWork {
    lacking: u32,
    handed: Vec<Handed>,
    /// Blanks that were lost since the last good copy.
    failures: u32,
    failed_in: BTreeSet<DriveNo>,
    /// Copies in drives that keep their discs.
    kept: BTreeMap<DriveNo, u32>,
    unread: BTreeSet<DriveNo>,
}

/// The drives of a run and the discs that are to be made safe in it.
#[derive(Debug)]
pub struct Dispatcher {
    drives: Vec<PoolDrive>,
    discs: BTreeMap<DiscNo, DiscWork>,
    is_halted: bool,
    waits_for_discs: bool,
}

impl Dispatcher {
    /// A single drive need not be asked whether it is ready.
    pub fn new(specs: impl IntoIterator<Item = DriveSpec>) -> Dispatcher {
        let drive = |spec: DriveSpec| {
            let doing =
                if spec.has_hands { Doing::Unknown } else { Doing::Idle { is_ready: true } };
            PoolDrive { spec, doing, failures: 0 }
        };
        let mut drives: Vec<PoolDrive> = specs.into_iter().map(drive).collect();
        if let [one] = &mut drives[..] {
            one.doing = Doing::Idle { is_ready: true };
        }
        Dispatcher { drives, discs: BTreeMap::new(), is_halted: false, waits_for_discs: false }
    }

    pub fn add(&mut self, disc: DiscNo, spec: DiscSpec) {
        let mut kept = BTreeMap::new();
        spec.kept.into_iter().for_each(|drive| *kept.entry(drive).or_default() += 1);
        let unread = spec.unread.into_iter().collect();
        let work = DiscWork { lacking: spec.lacking, kept, unread, ..DiscWork::default() };
        if work.lacking > 0 {
            self.discs.insert(disc, work);
        }
    }

    /// No step is begun any more; who waits for a medium is recalled.
    pub fn halt(&mut self) {
        self.is_halted = true;
    }

    /// Discs that are not safe yet, the lowest number first.
    pub fn unsafe_discs(&self) -> impl Iterator<Item = DiscNo> {
        self.discs.keys().copied()
    }

    /// Whether some drive has something to do, or waits for a medium.
    pub fn is_busy(&self) -> bool {
        self.drives.iter().any(|drive| drive.doing.task().is_some())
    }

    pub fn is_halted(&self) -> bool {
        self.is_halted
    }

    /// Nothing will happen any more, though a disc is not safe.
    pub fn is_stuck(&self) -> bool {
        let is_unknown = |drive: &PoolDrive| drive.doing == Doing::Unknown;
        !self.is_busy() && !self.drives.iter().any(is_unknown)
    }

    /// What a drive works on.
    pub fn disc_of(&self, drive: DriveNo) -> Option<DiscNo> {
        self.drives[drive.0].doing.task().map(Task::disc)
    }

    pub fn burners(&self) -> usize {
        self.drives.iter().filter(|drive| drive.burns()).count()
    }

    /// Whether what was handed to this machine can still become safe: there is a drive that burns,
    /// and one that reads back.
    pub fn can_go_on(&self) -> bool {
        self.burners() > 0 && self.drives.iter().any(|drive| self.has_reader(drive))
    }

    fn has_reader(&self, burner: &PoolDrive) -> bool {
        let own = burner.spec.roles.reads || !burner.spec.has_hands;
        burner.burns() && (own || self.drives.iter().any(PoolDrive::reads_for_others))
    }

    /// A drive that does nothing was looked at.
    pub fn looked_at(&mut self, drive: DriveNo, is_ready: bool) {
        let drive = &mut self.drives[drive.0];
        if matches!(drive.doing, Doing::Unknown | Doing::Idle { .. }) {
            drive.doing = Doing::Idle { is_ready: is_ready || !drive.spec.has_hands };
        }
    }

    /// The drive has the medium that it waited for.
    pub fn begun(&mut self, drive: DriveNo) {
        let drive = &mut self.drives[drive.0];
        if let Some(task) = drive.doing.task().cloned() {
            drive.doing = Doing::Works(task);
        }
    }

    /// The drive has this copy, which was burned and is to be read back.
    pub fn burned(&mut self, no: DriveNo, copy: CopyNo) {
        if let Doing::Waits { task: Task::Burn { burned, .. }, .. }
        | Doing::Works(Task::Burn { burned, .. }) = &mut self.drives[no.0].doing
        {
            *burned = Some(copy);
        }
    }

    /// The copy in the drive was read back, and what came of it is recorded: it is not to be read
    /// again if the drive is lost while it ejects.
    pub fn judged(&mut self, no: DriveNo) {
        match &mut self.drives[no.0].doing {
            Doing::Works(Task::Burn { burned, .. }) => *burned = None,
            Doing::Works(Task::ReadBack(_, handed)) => handed.is_judged = true,
            _ => {}
        }
    }

    /// Whether no disc is handed over any more before all are safe: then a drive that has nothing to
    /// burn needs its blank for nothing.
    pub fn waits_for_discs(&mut self, waits: bool) {
        self.waits_for_discs = waits;
    }

    /// Whether it reads back, or is to read back, what a drive burned that is used no more.
    pub fn is_of_gone_drive(&self, no: DriveNo) -> bool {
        match self.drives[no.0].doing.task() {
            Some(Task::ReadBack(_, handed)) => self.is_left_behind(handed),
            Some(Task::Burn { .. }) | None => false,
        }
    }

    fn is_left_behind(&self, handed: &Handed) -> bool {
        !self.drives[handed.burned_in.0].is_alive()
    }

    /// A copy was burned: whether this drive reads it back itself. Another one does where that lets
    /// this one go on burning.
    pub fn reads_here(&self, no: DriveNo) -> bool {
        let drive = &self.drives[no.0];
        if !drive.spec.has_hands {
            return true;
        }
        let reads = |(other, one): (usize, &PoolDrive)| {
            other != no.0 && one.reads_for_others() && one.is_idle()
        };
        let is_wanted = || self.discs.keys().any(|&disc| self.may_burn(no, disc));
        let somebody_is_free = self.drives.iter().enumerate().any(reads);
        drive.spec.roles.reads && !(somebody_is_free && is_wanted())
    }

    /// The copy was ejected, for another drive to read it back.
    pub fn handed_over(&mut self, drive: DriveNo, copy: CopyNo) {
        let Some(task) = self.end(drive) else { return };
        self.hand(task.disc(), copy, drive);
    }

    /// Where no drive is left that could read it back, the copy counts for nothing.
    fn hand(&mut self, disc: DiscNo, copy: CopyNo, burned_in: DriveNo) {
        if self.readers().next().is_some() {
            let passed = BTreeSet::new();
            self.work(disc).handed.push(Handed { copy, burned_in, is_judged: false, passed });
        }
    }

    /// A copy was read back, and is right. Whether the disc is safe now.
    pub fn good(&mut self, drive: DriveNo) -> bool {
        let Some(task) = self.end(drive) else { return false };
        let burned_in = burner_of(&task, drive);
        self.drives[burned_in.0].failures = 0;
        let keeps = !self.drives[burned_in.0].spec.has_hands;
        let work = self.work(task.disc());
        work.failures = 0;
        work.failed_in.clear();
        work.lacking = work.lacking.saturating_sub(1);
        if keeps {
            *work.kept.entry(burned_in).or_default() += 1;
        }
        let is_safe = work.lacking == 0;
        if is_safe {
            self.discs.remove(&task.disc());
        }
        is_safe
    }

    /// A copy could not be burned, or proved damaged. `is_blank_lost`: this run spent a blank on it.
    pub fn failed(&mut self, drive: DriveNo, is_blank_lost: bool) -> Verdict {
        let Some(task) = self.end(drive) else { return Verdict::NextBlank };
        if !is_blank_lost {
            return Verdict::NextBlank;
        }
        let burner = burner_of(&task, drive);
        let work = self.work(task.disc());
        work.failures += 1;
        work.failed_in.insert(burner);
        if work.failures >= TRIES {
            return Verdict::DiscFailed;
        }
        self.drives[burner.0].failures += 1;
        let is_bad = self.drives[burner.0].failures >= TRIES && self.burners() > 1;
        let is_free = self.drives[burner.0].doing.task().is_none();
        if is_bad && is_free && self.drives[burner.0].burns() {
            self.leave_out(burner);
            return Verdict::DriveFailed(burner);
        }
        Verdict::NextBlank
    }

    /// Nobody put the disc into the drive that was to read it back.
    pub fn nobody_came(&mut self, drive: DriveNo) {
        let task = self.end(drive);
        self.hand_on(task, drive);
    }

    /// The drive waits no more, as it was told; or never had the medium.
    pub fn recalled(&mut self, drive: DriveNo) {
        if let Some(Task::ReadBack(disc, handed)) = self.end(drive) {
            self.work(disc).handed.push(handed);
        }
    }

    /// The drive is used no more. What it burned and did not read back is read back in another one;
    /// what keeps its discs has taken them along, and they are burned again.
    pub fn lost(&mut self, drive: DriveNo) {
        let has_hands = self.drives[drive.0].spec.has_hands;
        match self.drives[drive.0].doing.task().cloned() {
            Some(Task::Burn { disc, burned: Some(copy) }) if has_hands => {
                self.hand(disc, copy, drive);
            }
            task => self.hand_on(task, drive),
        }
        self.leave_out(drive);
    }

    fn leave_out(&mut self, drive: DriveNo) {
        self.drives[drive.0].doing = Doing::Gone;
        let nobody_reads = self.readers().next().is_none();
        for work in self.discs.values_mut() {
            work.unread.retain(|&at| at != drive);
            if nobody_reads {
                work.handed.clear();
            }
        }
    }

    /// What is to be begun now. Asked for until there is nothing more.
    pub fn next(&mut self) -> Option<(DriveNo, Step)> {
        if self.is_halted {
            let waits =
                |drive: &PoolDrive| matches!(drive.doing, Doing::Waits { is_recalled: false, .. });
            return self.drives.iter().position(waits).map(|at| self.recall(DriveNo(at)));
        }
        self.next_read_back()
            .or_else(|| self.next_burn())
            .or_else(|| self.next_left_behind())
            .or_else(|| self.next_recall())
    }

    fn next_read_back(&mut self) -> Option<(DriveNo, Step)> {
        self.handed(false).into_iter().find_map(|(disc, at)| self.read_back(disc, at))
    }

    /// Copies that wait for a drive, and where each is among those of its disc.
    fn handed(&self, is_left_behind: bool) -> Vec<(DiscNo, usize)> {
        let all = self.discs.iter().flat_map(|(&disc, work)| {
            work.handed.iter().enumerate().map(move |(at, handed)| (disc, at, handed))
        });
        let meant = all.filter(|(.., handed)| self.is_left_behind(handed) == is_left_behind);
        meant.map(|(disc, at, _)| (disc, at)).collect()
    }

    /// What a drive burned that is gone is asked for where there is nothing to burn: perhaps nobody
    /// is there who could bring it. While discs are still to come, no blank is ejected for it. Each
    /// drive asks for it once; the last one waits as long as the run allows.
    fn next_left_behind(&mut self) -> Option<(DriveNo, Step)> {
        self.handed(true).into_iter().find_map(|(disc, at)| {
            let passed = &self.discs.get(&disc)?.handed.get(at)?.passed;
            let fresh = self.readers().filter(|no| !passed.contains(no)).count();
            let waits = self.waits_for_discs;
            let is_free = |no: &DriveNo| {
                let (drive, has_passed) = (&self.drives[no.0], passed.contains(no));
                drive.is_idle()
                    && (waits || !drive.is_ready())
                    && (!has_passed || (waits && fresh == 0))
            };
            let free = self.readers().filter(is_free).min_by_key(|no| self.drives[no.0].is_ready());
            free.map(|no| self.begin_read_back(no, disc, at, waits && fresh <= 1))
        })
    }

    fn begin_read_back(
        &mut self,
        no: DriveNo,
        disc: DiscNo,
        at: usize,
        is_last: bool,
    ) -> (DriveNo, Step) {
        let handed = self.work(disc).handed.remove(at);
        let (copy, task) = (handed.copy, Task::ReadBack(disc, handed));
        self.drives[no.0].doing = Doing::Waits { task, is_sure: false, is_recalled: false };
        (no, Step::ReadBack { disc, copy, is_last })
    }

    fn read_back(&mut self, disc: DiscNo, at: usize) -> Option<(DriveNo, Step)> {
        let handed = self.discs.get(&disc)?.handed.get(at)?.clone();
        let others = self.readers().filter(|&no| !handed.passed.contains(&no));
        let mut readers: Vec<DriveNo> = others.collect();
        let is_last = readers.len() <= 1;
        if readers.is_empty() {
            readers = self.readers().collect();
        }
        // Its own burner is asked last: it is to go on burning.
        readers.sort_by_key(|&no| no == handed.burned_in);
        if let Some(no) = readers.iter().copied().find(|no| self.drives[no.0].is_idle()) {
            return Some(self.begin_read_back(no, disc, at, is_last));
        }
        let waits = |no: &DriveNo| {
            self.drives[no.0].waits_for_blank().is_some() || self.waits_for_left_behind(*no)
        };
        let is_on_its_way = readers.iter().any(|&no| self.is_recalled(no));
        let waiting = readers.into_iter().filter(|_| !is_on_its_way).find(waits);
        waiting.map(|no| self.recall(no))
    }

    fn next_burn(&mut self) -> Option<(DriveNo, Step)> {
        let discs: Vec<DiscNo> = self.discs.keys().copied().collect();
        for disc in discs {
            let able = |no: &DriveNo| self.drives[no.0].is_idle() && self.may_burn(*no, disc);
            let able: Vec<DriveNo> = (0..self.drives.len()).map(DriveNo).filter(able).collect();
            let unread = &self.discs.get(&disc)?.unread;
            let Some(no) = able
                .into_iter()
                .min_by_key(|no| (!unread.contains(no), !self.drives[no.0].is_ready()))
            else {
                continue;
            };
            let work = self.work(disc);
            work.unread.remove(&no);
            let look = !work.failed_in.contains(&no);
            let (task, is_sure) = (Task::Burn { disc, burned: None }, self.drives[no.0].is_ready());
            self.drives[no.0].doing = Doing::Waits { task, is_sure, is_recalled: false };
            return Some((no, Step::Burn { disc, look }));
        }
        None
    }

    fn waits_for_left_behind(&self, no: DriveNo) -> bool {
        matches!(self.drives[no.0].doing, Doing::Waits { is_recalled: false, .. })
            && self.is_of_gone_drive(no)
    }

    /// A blank lies ready, and its disc waits for one in another drive; or a drive that could burn
    /// waits for what a drive burned that is gone.
    fn next_recall(&mut self) -> Option<(DriveNo, Step)> {
        let could_burn = |&no: &DriveNo| {
            self.waits_for_left_behind(no) && self.discs.keys().any(|&d| self.may_burn(no, d))
        };
        let mut all = (0..self.drives.len()).map(DriveNo);
        if let Some(no) = all.find(could_burn) {
            return Some(self.recall(no));
        }
        let ready = (0..self.drives.len()).map(DriveNo).filter(|no| self.drives[no.0].is_ready());
        let ready: Vec<DriveNo> = ready.collect();
        let waits = |&no: &DriveNo| {
            let Some(disc) = self.drives[no.0].waits_for_blank() else { return false };
            ready.iter().any(|&ready| self.is_able(ready, disc))
        };
        let coming = (0..self.drives.len()).filter(|&at| self.is_recalled(DriveNo(at))).count();
        let waiting = (0..self.drives.len()).map(DriveNo).find(waits);
        waiting.filter(|_| coming < ready.len()).map(|no| self.recall(no))
    }

    fn recall(&mut self, no: DriveNo) -> (DriveNo, Step) {
        if let Doing::Waits { is_recalled, .. } = &mut self.drives[no.0].doing {
            *is_recalled = true;
        }
        (no, Step::Recall)
    }

    fn is_recalled(&self, no: DriveNo) -> bool {
        matches!(self.drives[no.0].doing, Doing::Waits { is_recalled: true, .. })
    }

    fn readers(&self) -> impl Iterator<Item = DriveNo> {
        let drives = self.drives.iter().enumerate();
        drives.filter(|(_, drive)| drive.reads_for_others()).map(|(no, _)| DriveNo(no))
    }

    /// Copies of this disc that nobody has begun. Those that lie unread in another drive are its.
    fn missing_for(&self, no: DriveNo, disc: DiscNo) -> u32 {
        let Some(work) = self.discs.get(&disc) else { return 0 };
        let of_disc = |drive: &&PoolDrive| drive.doing.task().is_some_and(|t| t.disc() == disc);
        let in_work = self.drives.iter().filter(of_disc).count() + work.handed.len();
        let theirs = work.unread.iter().filter(|&&at| at != no).count();
        work.lacking.saturating_sub((in_work + theirs) as u32)
    }

    fn may_burn(&self, no: DriveNo, disc: DiscNo) -> bool {
        self.missing_for(no, disc) > 0 && self.is_able(no, disc)
    }

    /// A drive in which the disc failed takes it again only if there is no other one. A shelf takes
    /// no second copy while there is a drive with fewer.
    fn is_able(&self, no: DriveNo, disc: DiscNo) -> bool {
        let (Some(work), drive) = (self.discs.get(&disc), &self.drives[no.0]) else {
            return false;
        };
        let can_burn = |no: &DriveNo| self.has_reader(&self.drives[no.0]);
        let burners = || (0..self.drives.len()).map(DriveNo).filter(can_burn);
        let failed = |no: &DriveNo| work.failed_in.contains(no);
        let is_spared = failed(&no) && burners().any(|no| !failed(&no));
        let copies = |no: DriveNo| match self.drives[no.0].spec.has_hands {
            true => 0,
            false => {
                let has_task = self.drives[no.0].doing.task().is_some_and(|t| t.disc() == disc);
                work.kept.get(&no).copied().unwrap_or(0) + u32::from(has_task)
            }
        };
        let fewest = burners().filter(|no| !failed(no)).map(copies).min();
        let is_full = fewest.is_some_and(|fewest| copies(no) > fewest);
        self.has_reader(drive) && !is_spared && !is_full
    }

    /// The drive is done with its task.
    fn end(&mut self, no: DriveNo) -> Option<Task> {
        let drive = &mut self.drives[no.0];
        let task = drive.doing.task()?.clone();
        drive.doing = Doing::Idle { is_ready: !drive.spec.has_hands };
        Some(task)
    }

    /// What was to be read back here is to be read back elsewhere.
    fn hand_on(&mut self, task: Option<Task>, from: DriveNo) {
        if let Some(Task::ReadBack(disc, mut handed)) = task {
            if !handed.is_judged {
                handed.passed.insert(from);
                self.work(disc).handed.push(handed);
            }
        }
    }

    fn work(&mut self, disc: DiscNo) -> &mut DiscWork {
        self.discs.entry(disc).or_default()
    }
}

/// Where the copy of a task was burned.
fn burner_of(task: &Task, drive: DriveNo) -> DriveNo {
    match task {
        Task::Burn { .. } => drive,
        Task::ReadBack(_, handed) => handed.burned_in,
    }
}
