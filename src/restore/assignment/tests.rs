//! RandomNumbers histories of places that read at once, in a time of their own: people who insert other
//! discs than those that were asked for, drives and stores that go away.

use super::*;

/// SplitMix64.
struct RandomNumbers(u64);

impl RandomNumbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.below(sides) == 0
    }
}

/// What a place is at.
#[derive(Clone, Debug, PartialEq, Eq)]
enum SimulatedState {
    /// Reads until then.
    Reading(DiscNo, u64),
    Asking(DiscNo),
    Idle,
    /// At the disc that was in the drive before all began.
    Looking,
    Gone,
}

struct AssignmentHistory {
    dice: RandomNumbers,
    assignment: Assignment,
    stores: Vec<Option<BTreeSet<DiscNo>>>,
    at: Vec<SimulatedState>,
    /// The disc in each drive.
    inside: Vec<Option<DiscNo>>,
    /// Discs that a person has at hand.
    pile: BTreeSet<DiscNo>,
    read: BTreeSet<DiscNo>,
    never: BTreeSet<DiscNo>,
    now: u64,
}

impl AssignmentHistory {
    fn new(seed: u64) -> AssignmentHistory {
        let mut dice = RandomNumbers(seed);
        let discs: Vec<DiscNo> = (1..=1 + dice.below(7) as u32).map(DiscNo).collect();
        let places = 1 + dice.below(3);
        let mut stores = Vec::new();
        for _ in 0..places {
            let is_store = dice.one_in(3);
            let some: BTreeSet<DiscNo> = discs.iter().copied().filter(|_| dice.one_in(2)).collect();
            stores.push(is_store.then_some(some));
        }
        let mut pile: BTreeSet<DiscNo> =
            discs.iter().copied().filter(|_| !dice.one_in(8)).collect();
        let mut inside = vec![None; places];
        for drive in (0..places).filter(|place| stores[*place].is_none()) {
            inside[drive] = pile.pop_last().filter(|_| dice.one_in(2));
        }
        let at_first = stores.iter().zip(&inside).map(|(store, inside)| match store {
            Some(store) => Place::Store(store.clone()),
            None => Place::Drive(*inside),
        });
        let mut order = discs.clone();
        (1..order.len()).for_each(|at| order.swap(at, dice.below(at + 1)));
        AssignmentHistory {
            assignment: Assignment::new(&order, at_first),
            at: inside
                .iter()
                .map(|disc| disc.map_or(SimulatedState::Idle, |_| SimulatedState::Looking))
                .collect(),
            inside,
            pile,
            read: BTreeSet::new(),
            never: BTreeSet::new(),
            now: 0,
            dice,
            stores,
        }
    }

    /// Asks for the turns of all places that do not read until none changes.
    fn turns(&mut self) {
        for place in 0..self.at.len() {
            if matches!(
                self.at[place],
                SimulatedState::Reading(..) | SimulatedState::Looking | SimulatedState::Gone
            ) {
                continue;
            }
            let inside: Vec<DiscNo> = self.inside[place].into_iter().collect();
            self.at[place] = match self.assignment.turn(place, &inside) {
                Turn::Read(disc) => {
                    self.assert_may_be_read(place, disc);
                    SimulatedState::Reading(disc, self.now + 1 + self.dice.below(5) as u64)
                }
                Turn::Ask(disc) => SimulatedState::Asking(disc),
                Turn::Watch | Turn::Wait | Turn::End => SimulatedState::Idle,
            };
        }
    }

    fn assert_may_be_read(&self, place: usize, disc: DiscNo) {
        assert!(!self.read.contains(&disc) && !self.never.contains(&disc), "{disc} again");
        let is_read =
            |at: &SimulatedState| matches!(at, SimulatedState::Reading(other, _) if *other == disc);
        assert!(!self.at.iter().any(is_read), "{disc} is read twice at once");
        let lies = self.stores[place].as_ref().is_some_and(|store| store.contains(&disc));
        assert!(lies || self.inside[place] == Some(disc), "{disc} is not there");
    }

    fn check(&self) {
        let asked: Vec<DiscNo> = self.at.iter().filter_map(asks).collect();
        let different: BTreeSet<DiscNo> = asked.iter().copied().collect();
        assert_eq!(asked.len(), different.len(), "a disc is asked for twice: {:?}", self.at);
        for disc in asked {
            let lies = |(place, store): (usize, &Option<BTreeSet<DiscNo>>)| {
                self.at[place] != SimulatedState::Gone
                    && store.as_ref().is_some_and(|s| s.contains(&disc))
            };
            assert!(!self.stores.iter().enumerate().any(lies), "{disc} is on a shelf");
            assert!(!self.inside.contains(&Some(disc)), "{disc} is in a drive");
        }
        // A disc that somebody waits for is at no place that does nothing.
        for (place, at) in self.at.iter().enumerate() {
            let here =
                self.inside[place].into_iter().chain(self.stores[place].iter().flatten().copied());
            let is_open = |disc: &DiscNo| {
                let is_read = self
                    .at
                    .iter()
                    .any(|at| matches!(at, SimulatedState::Reading(d, _) if d == disc));
                !self.read.contains(disc) && !self.never.contains(disc) && !is_read
            };
            let left: Vec<DiscNo> = here.filter(is_open).collect();
            let is_idle = matches!(at, SimulatedState::Idle | SimulatedState::Asking(_));
            assert!(!is_idle || left.is_empty(), "place {place} is idle: {left:?}");
        }
    }

    fn ends(&mut self) {
        if let Some(place) = self.at.iter().position(|at| *at == SimulatedState::Looking) {
            self.at[place] = SimulatedState::Idle;
            return;
        }
        let next = self.at.iter().filter_map(|at| match at {
            SimulatedState::Reading(_, until) => Some(*until),
            _ => None,
        });
        let Some(now) = next.min() else { return };
        self.now = now;
        for place in 0..self.at.len() {
            let SimulatedState::Reading(disc, until) = self.at[place] else { continue };
            if until > now {
                continue;
            }
            self.at[place] = SimulatedState::Idle;
            match self.dice.below(12) {
                0 => self.goes_away(place, disc),
                1 if self.stores[place].is_none() => {
                    self.assignment.put_back(place);
                    self.pile.extend(self.inside[place].take());
                }
                _ => {
                    self.assignment.done(place);
                    self.inside[place] = None;
                    self.read.insert(disc);
                }
            }
        }
    }

    fn goes_away(&mut self, place: usize, disc: DiscNo) {
        if let (Some(store), true) = (&mut self.stores[place], self.dice.one_in(2)) {
            self.assignment.lost(place);
            store.remove(&disc);
            return;
        }
        self.assignment.leave(place);
        self.at[place] = SimulatedState::Gone;
        self.pile.extend(self.inside[place].take());
    }

    /// Into the drive that asks, or into any other that is free.
    fn insert(&mut self) {
        let free: Vec<usize> = (0..self.at.len())
            .filter(|&place| self.stores[place].is_none())
            .filter(|&place| {
                matches!(self.at[place], SimulatedState::Idle | SimulatedState::Asking(_))
            })
            .collect();
        let asked: Vec<(usize, DiscNo)> =
            (0..self.at.len()).filter_map(|place| Some((place, asks(&self.at[place])?))).collect();
        if asked.is_empty() {
            return;
        }
        let (place, disc) = asked[self.dice.below(asked.len())];
        if !self.pile.contains(&disc) {
            if self.dice.one_in(2) {
                assert_eq!(self.assignment.never_came(place), Some(disc));
                self.at[place] = SimulatedState::Idle;
                self.never.insert(disc);
            }
            return;
        }
        let to = if self.dice.one_in(3) { free[self.dice.below(free.len())] } else { place };
        self.pile.remove(&disc);
        self.inside[to] = Some(disc);
    }

    fn run(&mut self) {
        for _ in 0..2000 {
            self.turns();
            // Others may be free of a question now.
            self.turns();
            self.check();
            let is_busy = self.at.iter().any(|at| {
                matches!(
                    at,
                    SimulatedState::Reading(..)
                        | SimulatedState::Looking
                        | SimulatedState::Asking(_)
                )
            });
            if !is_busy {
                return self.assert_nothing_forgotten();
            }
            match self.dice.one_in(2) {
                true => self.insert(),
                false => self.ends(),
            }
        }
        panic!("it does not end: {:?}", self.at);
    }

    fn assert_nothing_forgotten(&self) {
        let is_drive = |place: &usize| {
            self.stores[*place].is_none() && self.at[*place] != SimulatedState::Gone
        };
        let has_drive = (0..self.at.len()).any(|place| is_drive(&place));
        let left = self.assignment.open.values();
        let lies = |disc: &DiscNo| {
            let mut here = self
                .stores
                .iter()
                .enumerate()
                .filter(|(at, _)| self.at[*at] != SimulatedState::Gone);
            here.any(|(_, store)| store.as_ref().is_some_and(|store| store.contains(disc)))
        };
        let forgotten: Vec<_> = left.filter(|disc| has_drive || lies(disc)).collect();
        assert!(forgotten.is_empty(), "{forgotten:?} {:?}", self.at);
    }
}

fn asks(at: &SimulatedState) -> Option<DiscNo> {
    match at {
        SimulatedState::Asking(disc) => Some(*disc),
        _ => None,
    }
}

#[test]
fn each_disc_is_read_once_wherever_it_comes_and_whatever_goes_away() {
    let seed = std::env::var("SEED").ok().map(|seed| seed.parse::<u64>().unwrap());
    for seed in seed.map_or(0..4_000, |seed| seed..seed + 1) {
        println!("SEED={seed}");
        AssignmentHistory::new(seed).run();
    }
}

fn discs(numbers: &[u32]) -> Vec<DiscNo> {
    numbers.iter().copied().map(DiscNo).collect()
}

fn drives(inside: &[Option<u32>]) -> Vec<Place> {
    inside.iter().map(|disc| Place::Drive(disc.map(DiscNo))).collect()
}

#[test]
fn a_disc_in_another_drive_than_the_one_that_asked_for_it_is_taken_there() {
    let mut two = Assignment::new(&discs(&[1, 2, 3]), drives(&[None, None]));
    assert_eq!(two.turn(0, &[]), Turn::Ask(DiscNo(1)));
    assert_eq!(two.turn(1, &[]), Turn::Ask(DiscNo(2)));
    assert_eq!(two.turn(0, &discs(&[2])), Turn::Read(DiscNo(2)));
    assert_eq!(two.turn(1, &[]), Turn::Ask(DiscNo(1)), "what the other drive asked for is left");
    assert_eq!(two.turn(1, &discs(&[3])), Turn::Read(DiscNo(3)));
    two.done(0);
    assert_eq!(two.turn(0, &[]), Turn::Ask(DiscNo(1)));
    two.done(1);
    assert_eq!(two.turn(1, &[]), Turn::Watch, "it is as welcome here");
    assert_eq!(two.turn(1, &discs(&[1])), Turn::Read(DiscNo(1)));
    assert_eq!(two.turn(0, &[]), Turn::Wait);
    two.done(1);
    assert_eq!((two.turn(0, &[]), two.turn(1, &[])), (Turn::End, Turn::End));
}

#[test]
fn what_a_drive_that_is_gone_had_goes_to_the_other_one() {
    let mut two = Assignment::new(&discs(&[1, 2]), drives(&[None, None]));
    assert_eq!(two.turn(0, &discs(&[1])), Turn::Read(DiscNo(1)));
    assert_eq!(two.turn(1, &discs(&[2])), Turn::Read(DiscNo(2)));
    two.leave(0);
    assert_eq!(two.turn(0, &[]), Turn::End);
    two.done(1);
    assert_eq!(two.turn(1, &[]), Turn::Ask(DiscNo(1)));
}

#[test]
fn two_drives_need_half_the_time_of_one_and_what_is_in_a_drive_is_read_there() {
    let foreseen = |inside: &[Option<u32>]| {
        Assignment::new(&discs(&[1, 2, 3, 4]), drives(inside)).foresee(|_| 10)
    };
    assert_eq!(foreseen(&[Some(3)]).discs, [discs(&[3, 1, 2, 4])]);
    let times = [1, 2, 4].map(|drives| foreseen(&vec![None; drives]).time);
    assert_eq!(times, [40, 20, 10]);
    assert_eq!(foreseen(&[None, Some(1)]).discs, [discs(&[2, 3]), discs(&[1, 4])]);
}
