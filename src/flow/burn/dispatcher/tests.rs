//! Random drives, discs and people, in a time of its own: whatever happens, each disc is burned as
//! often as it should be and no drive stands idle while there is work for it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// So long a drive waits for a disc that another one may read, too.
const PATIENCE: u64 = 10;

/// A drive as it is in one history.
#[derive(Clone, Debug)]
struct DrivePlan {
    roles: Roles,
    has_hands: bool,
    /// How long a burn takes, and reading back.
    burns_for: u64,
    reads_for: u64,
    /// After how long somebody inserts what is asked for.
    people: Vec<u64>,
    /// Which of its burns fail.
    fails: Vec<bool>,
    /// It is unplugged then.
    unplugged_at: Option<u64>,
    /// When a blank is put into it, unasked.
    blanks: Vec<u64>,
}

#[derive(Clone, Debug)]
struct History {
    drives: Vec<DrivePlan>,
    /// When each disc comes, and the copies that it lacks.
    discs: Vec<(u64, u32)>,
    /// Before the last one came, too, nothing else is done than to wait for the drives.
    waits_for_discs: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    DiscComes(u32, u32),
    Unplugged(usize),
    BlankPutIn(usize),
    /// These are of one task of the drive.
    Inserted(usize, u32),
    PatienceEnds(usize, u32),
    Burned(usize, u32),
    ReadBack(usize, u32),
}

/// A drive at one moment of a history.
#[derive(Clone, Debug, Default)]
struct DriveNow {
    task: Option<(Step, bool)>,
    /// Tells one task from the next.
    turn: u32,
    is_ready: bool,
    is_gone: bool,
    is_recalled: bool,
    /// What it burned and has not read back yet.
    burned: Option<CopyNo>,
    burns: usize,
    asked: usize,
    fails_now: bool,
}

struct World<'a> {
    history: &'a History,
    dispatcher: Dispatcher,
    drives: Vec<DriveNow>,
    now: u64,
    to_come: BTreeSet<(u64, u64, Happening)>,
    events: u64,
    wanted: BTreeMap<u32, u32>,
    good: BTreeMap<u32, u32>,
    /// Copies that were ejected and wait: disc, copy, burner, and whether its burn was a bad one.
    handed: Vec<(u32, CopyNo, usize, bool)>,
    /// In which drive each copy was burned.
    burners: BTreeMap<CopyNo, usize>,
    /// Drives that nobody put a copy into.
    passed: BTreeSet<(CopyNo, usize)>,
    failed_discs: BTreeSet<u32>,
    failed_in: BTreeSet<(u32, usize)>,
}

impl<'a> World<'a> {
    fn new(history: &'a History) -> World<'a> {
        let spec = |d: &DrivePlan| DriveSpec { roles: d.roles, has_hands: d.has_hands };
        let mut world = World {
            history,
            dispatcher: Dispatcher::new(history.drives.iter().map(spec)),
            drives: vec![DriveNow::default(); history.drives.len()],
            now: 0,
            to_come: BTreeSet::new(),
            events: 0,
            wanted: BTreeMap::new(),
            good: BTreeMap::new(),
            handed: Vec::new(),
            burners: BTreeMap::new(),
            passed: BTreeSet::new(),
            failed_discs: BTreeSet::new(),
            failed_in: BTreeSet::new(),
        };
        for (at, drive) in history.drives.iter().enumerate() {
            world.drives[at].is_ready = !drive.has_hands;
            world.dispatcher.looked_at(DriveNo(at), false);
            drive.unplugged_at.into_iter().for_each(|time| {
                world.later(time, Happening::Unplugged(at));
            });
            drive.blanks.iter().for_each(|&time| world.later(time, Happening::BlankPutIn(at)));
        }
        for (at, &(time, copies)) in history.discs.iter().enumerate() {
            world.later(time, Happening::DiscComes(at as u32 + 1, copies));
        }
        world
    }

    fn later(&mut self, after: u64, what: Happening) {
        self.events += 1;
        self.to_come.insert((self.now + after, self.events, what));
    }

    /// Until nothing more happens; gives the time that it took.
    fn run(&mut self) -> Result<u64, TestCaseError> {
        while let Some((time, _, what)) = self.to_come.pop_first() {
            self.now = time;
            self.happens(what);
            while let Some((no, step)) = self.dispatcher.next() {
                self.begins(no.0, step)?;
            }
            self.check()?;
            prop_assert!(self.events < 20_000, "it never ends");
        }
        Ok(self.now)
    }

    fn happens(&mut self, what: Happening) {
        match what {
            Happening::DiscComes(disc, copies) => {
                self.wanted.insert(disc, copies);
                let spec = DiscSpec { lacking: copies, ..DiscSpec::default() };
                self.dispatcher.add(DiscNo(disc), spec);
                self.tell_whether_it_waits();
            }
            Happening::Unplugged(at) => {
                self.unplugged(at);
                self.dispatcher.lost(DriveNo(at));
            }
            Happening::BlankPutIn(at) if self.drives[at].task.is_none() => {
                self.drives[at].is_ready = true;
                self.dispatcher.looked_at(DriveNo(at), true);
            }
            Happening::BlankPutIn(_) => {}
            Happening::Inserted(at, turn) if self.waits(at, turn) => self.work(at),
            Happening::PatienceEnds(at, turn) if self.waits(at, turn) => {
                if let Some((Step::ReadBack { disc, copy, .. }, _)) = self.drives[at].task.take() {
                    let bad = self.drives[at].fails_now;
                    self.handed.push((disc.0, copy, self.burners[&copy], bad));
                    self.passed.insert((copy, at));
                    self.dispatcher.nobody_came(DriveNo(at));
                }
            }
            Happening::Inserted(..) | Happening::PatienceEnds(..) => {}
            Happening::Burned(at, turn) if self.is_at(at, turn) => self.burned(at),
            Happening::ReadBack(at, turn) if self.is_at(at, turn) => self.read_back(at),
            Happening::Burned(..) | Happening::ReadBack(..) => {}
        }
    }

    fn waits_for_discs(&self) -> bool {
        self.history.waits_for_discs || self.wanted.len() == self.history.discs.len()
    }

    fn tell_whether_it_waits(&mut self) {
        self.dispatcher.waits_for_discs(self.waits_for_discs());
    }

    /// Somebody takes the disc that was burned, or was to be read back, to another drive. What was
    /// burned on a shelf is gone with it.
    fn unplugged(&mut self, at: usize) {
        let drive = &mut self.drives[at];
        drive.is_gone = true;
        let kept = drive.burned.take().filter(|_| self.history.drives[at].has_hands);
        match (drive.task.take(), kept) {
            (Some((Step::Burn { disc, .. }, _)), Some(copy))
            | (Some((Step::ReadBack { disc, copy, .. }, _)), _) => {
                self.handed.push((disc.0, copy, self.burners[&copy], drive.fails_now));
            }
            _ => {}
        }
    }

    fn is_at(&self, at: usize, turn: u32) -> bool {
        let drive = &self.drives[at];
        drive.turn == turn && drive.task.is_some() && !drive.is_gone
    }

    fn waits(&self, at: usize, turn: u32) -> bool {
        self.is_at(at, turn) && matches!(self.drives[at].task, Some((_, false)))
    }

    /// The drive is told to do this: it has nothing else to do, and asks for one thing at a time.
    fn begins(&mut self, at: usize, step: Step) -> Result<(), TestCaseError> {
        let plan = &self.history.drives[at];
        self.events += 1;
        prop_assert!(self.events < 20_000, "it never ends");
        if step == Step::Recall {
            let waits = matches!(self.drives[at].task, Some((_, false)));
            prop_assert!(waits && !self.drives[at].is_recalled, "recalled, and did not wait");
            let task = self.drives[at].task.take();
            if let Some((Step::ReadBack { disc, copy, .. }, _)) = task {
                self.handed.push((disc.0, copy, self.burners[&copy], self.drives[at].fails_now));
            }
            self.dispatcher.recalled(DriveNo(at));
            return Ok(());
        }
        let drive = &mut self.drives[at];
        prop_assert!(drive.task.is_none() && !drive.is_gone, "two tasks in one drive");
        drive.turn += 1;
        let turn = drive.turn;
        drive.task = Some((step, false));
        drive.asked += 1;
        let people = plan.people[drive.asked % plan.people.len()];
        let is_ready = std::mem::replace(&mut drive.is_ready, !plan.has_hands);
        match step {
            Step::Burn { disc, .. } => {
                prop_assert!(plan.roles.burns, "it does not burn");
                drive.fails_now = plan.fails[drive.burns % plan.fails.len()];
                let disc = disc.0;
                prop_assert!(!self.failed_discs.contains(&disc));
                match is_ready {
                    true => self.work(at),
                    false => self.later(people, Happening::Inserted(at, turn)),
                }
            }
            Step::ReadBack { disc, copy, is_last } => {
                prop_assert!(plan.roles.reads, "it does not read");
                let handed = self.handed.iter().position(|(d, c, ..)| (*d, *c) == (disc.0, copy));
                prop_assert!(handed.is_some(), "it was not handed over");
                let (.., bad) = self.handed.remove(handed.unwrap());
                self.drives[at].fails_now = bad;
                self.later(people, Happening::Inserted(at, turn));
                if !is_last {
                    self.later(PATIENCE, Happening::PatienceEnds(at, turn));
                }
            }
            Step::Recall => unreachable!(),
        }
        Ok(())
    }

    /// The drive has its medium.
    fn work(&mut self, at: usize) {
        let plan = &self.history.drives[at];
        let (turn, task) = (self.drives[at].turn, self.drives[at].task.as_mut().unwrap());
        task.1 = true;
        let step = task.0;
        self.dispatcher.begun(DriveNo(at));
        match step {
            Step::Burn { .. } => {
                self.drives[at].burns += 1;
                self.later(plan.burns_for, Happening::Burned(at, turn));
            }
            _ => self.later(plan.reads_for, Happening::ReadBack(at, turn)),
        }
    }

    fn burned(&mut self, at: usize) {
        let Some((Step::Burn { disc, .. }, _)) = self.drives[at].task else { return };
        let copy = CopyNo(self.burners.len() as u32 + 1);
        self.burners.insert(copy, at);
        self.dispatcher.burned(DriveNo(at), copy);
        if self.dispatcher.reads_here(DriveNo(at)) {
            self.drives[at].burned = Some(copy);
            let turn = self.drives[at].turn;
            self.later(self.history.drives[at].reads_for, Happening::ReadBack(at, turn));
            return;
        }
        self.drives[at].task = None;
        self.handed.push((disc.0, copy, at, self.drives[at].fails_now));
        self.dispatcher.handed_over(DriveNo(at), copy);
    }

    fn read_back(&mut self, at: usize) {
        let Some((step, _)) = self.drives[at].task.take() else { return };
        self.drives[at].burned = None;
        let disc = match step {
            Step::Burn { disc, .. } | Step::ReadBack { disc, .. } => disc.0,
            Step::Recall => return,
        };
        if !self.drives[at].fails_now {
            *self.good.entry(disc).or_default() += 1;
            self.dispatcher.good(DriveNo(at));
            return;
        }
        self.failed_in.insert((disc, at));
        match self.dispatcher.failed(DriveNo(at), true) {
            Verdict::NextBlank => {}
            Verdict::DriveFailed(no) => self.drives[no.0].is_gone = true,
            Verdict::DiscFailed => {
                self.failed_discs.insert(disc);
                self.dispatcher.halt();
            }
        }
    }

    fn in_work(&self, disc: u32) -> u32 {
        let of_disc = |drive: &&DriveNow| match drive.task {
            Some((Step::Burn { disc: d, .. } | Step::ReadBack { disc: d, .. }, _)) => d.0 == disc,
            _ => false,
        };
        let handed = self.handed.iter().filter(|(d, ..)| *d == disc).count();
        (self.drives.iter().filter(of_disc).count() + handed) as u32
    }

    fn missing(&self, disc: u32) -> u32 {
        let good = self.good.get(&disc).copied().unwrap_or(0);
        self.wanted[&disc].saturating_sub(good + self.in_work(disc))
    }

    /// What holds at each moment.
    fn check(&self) -> Result<(), TestCaseError> {
        for (&disc, &wanted) in &self.wanted {
            let good = self.good.get(&disc).copied().unwrap_or(0);
            prop_assert!(good + self.in_work(disc) <= wanted, "disc {disc} is burned too often");
        }
        if self.failed_discs.is_empty() {
            for at in 0..self.drives.len() {
                self.check_idle(at)?;
            }
        }
        Ok(())
    }

    /// No drive that does nothing could do something, nor does one wait for a disc of a drive that
    /// is gone while it could burn.
    fn check_idle(&self, at: usize) -> Result<(), TestCaseError> {
        let (drive, plan) = (&self.drives[at], &self.history.drives[at]);
        let is_of_gone = match drive.task {
            Some((Step::ReadBack { copy, .. }, false)) => self.drives[self.burners[&copy]].is_gone,
            _ => false,
        };
        if drive.is_gone || (drive.task.is_some() && !is_of_gone) {
            return Ok(());
        }
        if plan.roles.reads && plan.has_hands && drive.task.is_none() {
            let was_asked = |copy: CopyNo| self.passed.contains(&(copy, at));
            // A blank is not ejected for a disc of a drive that is gone, if more discs are to come.
            let is_kept = |burner: usize| {
                self.drives[burner].is_gone && drive.is_ready && !self.waits_for_discs()
            };
            let could_read =
                |one: &&(u32, CopyNo, usize, bool)| !was_asked(one.1) && !is_kept(one.2);
            let unread = self.handed.iter().find(could_read);
            prop_assert!(unread.is_none(), "drive {at} could read {unread:?}");
        }
        let reads = |(other, plan): (usize, &DrivePlan)| {
            plan.roles.reads && plan.has_hands && !self.drives[other].is_gone
        };
        let is_read = plan.roles.reads || self.history.drives.iter().enumerate().any(reads);
        if !plan.roles.burns || !plan.has_hands || !is_read {
            return Ok(()); // A shelf may leave the second copy to another one.
        }
        let never_failed = |disc: &u32| !self.failed_in.iter().any(|(failed, _)| failed == disc);
        for &disc in self.wanted.keys().filter(|disc| never_failed(disc)) {
            prop_assert_eq!(self.missing(disc), 0, "drive {} is idle beside disc {}", at, disc);
        }
        let waits = |drive: &DriveNow| match drive.task {
            Some((Step::Burn { disc, .. }, false)) => never_failed(&disc.0),
            _ => false,
        };
        let somebody_waits = self.drives.iter().any(waits);
        prop_assert!(!(drive.is_ready && somebody_waits), "a blank lies idle in drive {at}");
        Ok(())
    }

    fn check_end(&self) -> Result<(), TestCaseError> {
        prop_assert!(!self.dispatcher.is_busy(), "somebody waits for ever");
        if self.failed_discs.is_empty() {
            prop_assert_eq!(&self.good, &self.wanted, "a disc was forgotten");
            prop_assert_eq!(self.dispatcher.unsafe_discs().count(), 0);
        }
        Ok(())
    }
}

fn roles() -> impl Strategy<Value = Roles> {
    prop_oneof![3 => Just(Roles::BOTH), 1 => Just(Roles::BURNS), 1 => Just(Roles::READS)]
}

fn drive() -> impl Strategy<Value = DrivePlan> {
    let times = (1..40_u64, 1..40_u64, prop::collection::vec(0..30_u64, 1..5));
    let troubles = (
        prop::collection::vec(prop::bool::weighted(0.15), 1..6),
        prop::option::weighted(0.2, 0..300_u64),
        prop::collection::vec(0..300_u64, 0..4),
    );
    (roles(), prop::bool::weighted(0.8), times, troubles).prop_map(
        |(roles, has_hands, (burns_for, reads_for, people), (fails, unplugged_at, blanks))| {
            // A shelf reads back what is on it.
            let roles = if has_hands { roles } else { Roles::BOTH };
            DrivePlan {
                roles,
                has_hands,
                burns_for,
                reads_for,
                people,
                fails,
                unplugged_at,
                blanks,
            }
        },
    )
}

/// One drive is there to the end and does both.
fn history() -> impl Strategy<Value = History> {
    let discs = prop::collection::vec((0..200_u64, 1..4_u32), 1..9);
    let all = (drive(), prop::collection::vec(drive(), 0..4), discs, any::<bool>());
    all.prop_map(|(first, rest, discs, waits_for_discs)| {
        let first = DrivePlan { roles: Roles::BOTH, has_hands: true, unplugged_at: None, ..first };
        let drives = std::iter::once(DrivePlan { fails: vec![false], ..first }).chain(rest);
        History { drives: drives.collect(), discs, waits_for_discs }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn each_disc_is_burned_as_often_as_wanted_and_no_drive_is_idle(history in history()) {
        let mut world = World::new(&history);
        world.run()?;
        world.check_end()?;
    }

    /// The bound of list scheduling (Graham 1966) for drives that are alike: no more than the work
    /// divided by their number, and the longest disc.
    #[test]
    fn several_drives_that_are_alike_share_the_work(
        k in 1..6_usize, discs in 1..10_usize, copies in 1..4_u32, times in (1..50_u64, 1..50_u64),
    ) {
        let plan = DrivePlan {
            roles: Roles::BOTH,
            has_hands: true,
            burns_for: times.0,
            reads_for: times.1,
            people: vec![0],
            fails: vec![false],
            unplugged_at: None,
            blanks: Vec::new(),
        };
        let history = History {
            drives: vec![plan; k],
            discs: vec![(0, copies); discs],
            waits_for_discs: true,
        };
        let mut world = World::new(&history);
        let took = world.run()?;
        world.check_end()?;
        let (k, one) = (k as u64, times.0 + times.1);
        let all = discs as u64 * u64::from(copies) * one;
        prop_assert!(took * k <= all + (k - 1) * one, "{took} for {all} in {k} drives");
    }
}

fn pool(roles: &[(Roles, bool)]) -> Dispatcher {
    let mut pool =
        Dispatcher::new(roles.iter().map(|&(roles, has_hands)| DriveSpec { roles, has_hands }));
    (0..roles.len()).for_each(|at| pool.looked_at(DriveNo(at), false));
    pool
}

fn steps(pool: &mut Dispatcher) -> Vec<(usize, Step)> {
    let steps = std::iter::from_fn(|| pool.next()).take(20);
    steps.map(|(no, step)| (no.0, step)).collect()
}

fn burn(disc: u32) -> Step {
    Step::Burn { disc: DiscNo(disc), look: true }
}

fn lacking(lacking: u32) -> DiscSpec {
    DiscSpec { lacking, ..DiscSpec::default() }
}

#[test]
fn copies_of_a_disc_go_to_different_shelves_while_there_are_enough() {
    let mut pool = pool(&[(Roles::BOTH, false); 2]);
    pool.add(DiscNo(1), lacking(2));
    pool.add(DiscNo(2), lacking(2));
    assert_eq!(steps(&mut pool), [(0, burn(1)), (1, burn(1))]);
    pool.begun(DriveNo(0));
    pool.good(DriveNo(0));
    // The other one is slow: it gets its copies all the same.
    assert_eq!(steps(&mut pool), [(0, burn(2))]);
    pool.good(DriveNo(0));
    assert_eq!(steps(&mut pool), []);
    pool.lost(DriveNo(1));
    assert_eq!(steps(&mut pool), [(0, burn(1))]);
}

#[test]
fn a_copy_that_lies_unread_on_a_shelf_is_read_there_before_another_is_burned() {
    let mut pool = pool(&[(Roles::BOTH, false); 2]);
    pool.add(DiscNo(1), DiscSpec { unread: vec![DriveNo(1)], ..lacking(1) });
    assert_eq!(steps(&mut pool), [(1, burn(1))]);
    assert!(pool.good(DriveNo(1)));
    assert_eq!(steps(&mut pool), []);
}

#[test]
fn a_drive_that_only_burns_hands_its_discs_to_one_that_reads() {
    let mut pool = pool(&[(Roles::BURNS, true), (Roles::READS, true)]);
    pool.add(DiscNo(1), lacking(1));
    pool.add(DiscNo(2), lacking(1));
    assert_eq!(steps(&mut pool), [(0, burn(1))]);
    pool.begun(DriveNo(0));
    assert!(!pool.reads_here(DriveNo(0)));
    pool.handed_over(DriveNo(0), CopyNo(1));
    let read = Step::ReadBack { disc: DiscNo(1), copy: CopyNo(1), is_last: true };
    assert_eq!(steps(&mut pool), [(1, read), (0, burn(2))]);
}

/// Two drives that read: the burner goes on burning, and takes the disc itself if nobody puts it
/// into the other.
#[test]
fn a_disc_that_nobody_puts_into_the_other_drive_is_read_back_in_its_own() {
    let mut pool = pool(&[(Roles::BOTH, true), (Roles::READS, true)]);
    pool.add(DiscNo(1), lacking(1));
    pool.add(DiscNo(2), lacking(1));
    assert_eq!(steps(&mut pool), [(0, burn(1))]);
    pool.begun(DriveNo(0));
    assert!(!pool.reads_here(DriveNo(0)));
    pool.handed_over(DriveNo(0), CopyNo(1));
    let read = |is_last| Step::ReadBack { disc: DiscNo(1), copy: CopyNo(1), is_last };
    assert_eq!(steps(&mut pool), [(1, read(false)), (0, burn(2))]);
    pool.nobody_came(DriveNo(1));
    assert_eq!(steps(&mut pool), [(0, Step::Recall)]);
    pool.recalled(DriveNo(0));
    assert_eq!(steps(&mut pool), [(0, read(true))]);
}

/// With nothing left to burn the disc stays where it is: nobody need be there.
#[test]
fn the_last_disc_is_read_back_where_it_was_burned() {
    let mut pool = pool(&[(Roles::BOTH, true), (Roles::READS, true)]);
    pool.add(DiscNo(1), lacking(1));
    steps(&mut pool);
    pool.begun(DriveNo(0));
    assert!(pool.reads_here(DriveNo(0)));
}

#[test]
fn a_drive_whose_burns_fail_one_after_the_other_is_used_no_more() {
    let mut pool = pool(&[(Roles::BOTH, false); 2]);
    let mut verdicts = Vec::new();
    for disc in 1..=TRIES {
        pool.add(DiscNo(disc), lacking(1));
        assert_eq!(steps(&mut pool), [(0, burn(disc))]);
        verdicts.push(pool.failed(DriveNo(0), true));
        assert_eq!(steps(&mut pool), [(1, burn(disc))]);
        pool.good(DriveNo(1));
    }
    assert_eq!(verdicts.pop(), Some(Verdict::DriveFailed(DriveNo(0))));
    assert!(pool.can_go_on() && pool.burners() == 1);
}

/// The disc of this drive was burned, and it is unplugged.
fn unplugged(pool: &mut Dispatcher, drive: DriveNo, copy: CopyNo) {
    pool.begun(drive);
    pool.burned(drive, copy);
    pool.lost(drive);
}

fn read(disc: u32, is_last: bool) -> Step {
    Step::ReadBack { disc: DiscNo(disc), copy: CopyNo(1), is_last }
}

#[test]
fn a_disc_that_was_burned_in_a_drive_that_is_gone_is_read_back_in_another() {
    let mut pool = pool(&[(Roles::BOTH, true); 2]);
    pool.add(DiscNo(1), lacking(1));
    assert_eq!(steps(&mut pool), [(0, burn(1))]);
    unplugged(&mut pool, DriveNo(0), CopyNo(1));
    pool.waits_for_discs(true);
    assert_eq!(steps(&mut pool), [(1, read(1, true))]);
    assert!(pool.is_of_gone_drive(DriveNo(1)));
    pool.begun(DriveNo(1));
    assert!(pool.good(DriveNo(1)));
}

/// Nobody may be there who brings it; the blank would be ejected for it.
#[test]
fn a_drive_burns_before_it_asks_for_the_disc_of_a_drive_that_is_gone() {
    let mut pool = pool(&[(Roles::BOTH, true); 2]);
    pool.add(DiscNo(1), lacking(1));
    steps(&mut pool);
    pool.looked_at(DriveNo(1), true);
    unplugged(&mut pool, DriveNo(0), CopyNo(1));
    assert_eq!(steps(&mut pool), []);
    pool.looked_at(DriveNo(1), false);
    assert_eq!(steps(&mut pool), [(1, read(1, false))]);
    pool.add(DiscNo(2), lacking(1));
    assert_eq!(steps(&mut pool), [(1, Step::Recall)]);
    pool.recalled(DriveNo(1));
    assert_eq!(steps(&mut pool), [(1, burn(2))]);
    pool.good(DriveNo(1));
    assert_eq!(steps(&mut pool), [(1, read(1, false))]);
    pool.nobody_came(DriveNo(1));
    assert_eq!(steps(&mut pool), []);
    pool.waits_for_discs(true);
    assert_eq!(steps(&mut pool), [(1, read(1, true))]);
}

#[test]
fn a_disc_of_a_drive_that_is_gone_is_burned_again_where_no_other_could_read_it() {
    let mut pool = pool(&[(Roles::BOTH, true), (Roles::BOTH, false)]);
    pool.add(DiscNo(1), lacking(2));
    assert_eq!(steps(&mut pool), [(1, burn(1)), (0, burn(1))]);
    unplugged(&mut pool, DriveNo(0), CopyNo(1));
    pool.good(DriveNo(1));
    assert_eq!(steps(&mut pool), [(1, burn(1))]);
}

/// Its disc may be in any of the others by now.
#[test]
fn each_drive_asks_for_the_disc_of_a_drive_that_is_gone_and_the_last_one_waits() {
    let mut pool = pool(&[(Roles::BOTH, true); 3]);
    pool.add(DiscNo(1), lacking(1));
    steps(&mut pool);
    unplugged(&mut pool, DriveNo(0), CopyNo(1));
    pool.waits_for_discs(true);
    assert_eq!(steps(&mut pool), [(1, read(1, false))]);
    pool.nobody_came(DriveNo(1));
    assert_eq!(steps(&mut pool), [(2, read(1, true))]);
}

#[test]
fn a_copy_that_was_judged_is_not_read_again_when_its_drive_is_lost() {
    let mut pool = pool(&[(Roles::BOTH, true); 3]);
    pool.add(DiscNo(1), lacking(1));
    steps(&mut pool);
    pool.begun(DriveNo(0));
    pool.burned(DriveNo(0), CopyNo(1));
    pool.judged(DriveNo(0));
    pool.lost(DriveNo(0));
    assert_eq!(steps(&mut pool), [(1, burn(1))]);
    unplugged(&mut pool, DriveNo(1), CopyNo(2));
    pool.waits_for_discs(true);
    let read = Step::ReadBack { disc: DiscNo(1), copy: CopyNo(2), is_last: true };
    assert_eq!(steps(&mut pool), [(2, read)]);
    pool.begun(DriveNo(2));
    pool.judged(DriveNo(2));
    pool.lost(DriveNo(2));
    assert!(pool.is_stuck(), "no drive is left, and nothing waits for one");
}

#[test]
fn a_copy_that_no_drive_is_left_to_read_is_burned_again() {
    let burner = Roles { burns: true, reads: false };
    let reader = Roles { burns: false, reads: true };
    let mut pool = pool(&[(burner, true), (Roles::BOTH, false), (reader, true)]);
    pool.add(DiscNo(1), lacking(2));
    assert_eq!(steps(&mut pool), [(1, burn(1)), (0, burn(1))]);
    pool.lost(DriveNo(2));
    pool.good(DriveNo(1));
    pool.handed_over(DriveNo(0), CopyNo(2));
    assert_eq!(steps(&mut pool), [(1, burn(1))]);
}
