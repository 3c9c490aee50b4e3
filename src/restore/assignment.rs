//! Which disc is read where, if several places read at once. Pure: the threads ask it for their
//! next turn and tell it what came of the last one.
//!
//! A place is a drive, into which a person inserts discs, or a store, where some of the discs lie.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::DiscNo;

/// A place, by its number.
pub type PlaceNo = usize;

/// What a place does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Read this disc, which is there.
    Read(DiscNo),
    /// Ask for this disc.
    Ask(DiscNo),
    /// Ask for nothing; a disc that another drive asks for is welcome here, too.
    Watch,
    /// Nothing is to be done while other places read.
    Wait,
    /// Nothing is left for this place.
    End,
}

/// A place before anything is read.
#[derive(Clone, Debug)]
pub enum Place {
    Drive(Option<DiscNo>),
    Store(BTreeSet<DiscNo>),
}

/// How a place stands.
#[derive(Clone, Debug, Default)]
struct PlaceState {
    /// What lies there; `None`: it is a drive.
    store: Option<BTreeSet<DiscNo>>,
    /// What is in the drive, as far as that was seen: no other drive asks for it.
    inside: Vec<DiscNo>,
    reads: Option<DiscNo>,
    asks: Option<DiscNo>,
    is_gone: bool,
}

#[derive(Clone, Debug)]
pub struct Assignment {
    /// The place of each disc in the order in which they are to be read.
    ranks: BTreeMap<DiscNo, usize>,
    /// Discs that nobody has read or reads, by their ranks.
    open: BTreeMap<usize, DiscNo>,
    places: Vec<PlaceState>,
}

impl Assignment {
    /// `order`: each disc once. `places`: what lies at each, or what is in the drive.
    pub fn new(order: &[DiscNo], places: impl IntoIterator<Item = Place>) -> Assignment {
        let ranks: BTreeMap<DiscNo, usize> =
            order.iter().enumerate().map(|(rank, disc)| (*disc, rank)).collect();
        let open = ranks.iter().map(|(disc, rank)| (*rank, *disc)).collect();
        let place = |place| match place {
            Place::Store(discs) => PlaceState { store: Some(discs), ..PlaceState::default() },
            Place::Drive(disc) => {
                PlaceState { inside: disc.into_iter().collect(), ..PlaceState::default() }
            }
        };
        Assignment { ranks, open, places: places.into_iter().map(place).collect() }
    }

    /// What the place does next. `inside`: discs that are in the drive.
    pub fn turn(&mut self, place: PlaceNo, inside: &[DiscNo]) -> Turn {
        if self.places[place].is_gone {
            return Turn::End;
        }
        self.places[place].inside = inside.to_vec();
        let is_here = |disc: &DiscNo| match &self.places[place].store {
            Some(store) => store.contains(disc),
            None => inside.contains(disc),
        };
        if let Some(disc) = self.open.values().copied().find(is_here) {
            self.begin(place, disc);
            return Turn::Read(disc);
        }
        match &self.places[place].store {
            Some(store) => self.rest(|disc| store.contains(&disc)),
            None => self.wish(place),
        }
    }

    /// The disc comes from nowhere else from now on.
    fn begin(&mut self, place: PlaceNo, disc: DiscNo) {
        self.open.remove(&self.ranks[&disc]);
        for other in self.places.iter_mut().filter(|other| other.asks == Some(disc)) {
            other.asks = None;
        }
        self.places[place].asks = None;
        self.places[place].reads = Some(disc);
    }

    /// A disc that is being read may still have to be read by another place.
    fn rest(&self, matters: impl Fn(DiscNo) -> bool) -> Turn {
        let read = self.places.iter().filter_map(|place| place.reads);
        match read.chain(self.open.values().copied()).any(matters) {
            true => Turn::Wait,
            false => Turn::End,
        }
    }

    fn wish(&mut self, place: PlaceNo) -> Turn {
        let asked = |disc: &DiscNo| {
            let others = self.places.iter().enumerate().filter(|(other, _)| *other != place);
            others.into_iter().any(|(_, other)| other.asks == Some(*disc))
        };
        let lacking = |disc: &DiscNo| !self.lies_somewhere(*disc);
        let wanted = self.open.values().copied().filter(lacking);
        let mine = self.places[place].asks.filter(|disc| self.open.contains_key(&self.ranks[disc]));
        let next = mine.or_else(|| wanted.clone().find(|disc| !asked(disc)));
        let is_asked_elsewhere = wanted.clone().any(|disc| asked(&disc));
        self.places[place].asks = next;
        match next {
            Some(disc) => Turn::Ask(disc),
            None if is_asked_elsewhere => Turn::Watch,
            None => self.rest(|_| true),
        }
    }

    fn lies_somewhere(&self, disc: DiscNo) -> bool {
        let lies = |place: &PlaceState| {
            let mut discs = place.store.iter().flatten().chain(&place.inside);
            !place.is_gone && discs.any(|here| *here == disc)
        };
        self.places.iter().any(lies)
    }

    /// The place has read its disc.
    pub fn done(&mut self, place: PlaceNo) {
        self.places[place].reads = None;
    }

    /// The disc went away before it was read to its end: whoever gets it next reads the rest.
    pub fn put_back(&mut self, place: PlaceNo) {
        self.places[place].inside.clear();
        if let Some(disc) = self.places[place].reads.take() {
            self.open.insert(self.ranks[&disc], disc);
        }
    }

    /// The disc does not lie there any more.
    pub fn lost(&mut self, place: PlaceNo) {
        let PlaceState { store, reads, .. } = &mut self.places[place];
        if let (Some(store), Some(disc)) = (store, *reads) {
            store.remove(&disc);
        }
        self.put_back(place);
    }

    /// The place is of no use any more; its disc goes to another one.
    pub fn leave(&mut self, place: PlaceNo) {
        self.put_back(place);
        self.places[place] = PlaceState { is_gone: true, ..PlaceState::default() };
    }

    /// Nobody brought the disc that the place asked for: no place waits for it any more.
    pub fn never_came(&mut self, place: PlaceNo) -> Option<DiscNo> {
        let disc = self.places[place].asks.take()?;
        self.open.remove(&self.ranks[&disc]);
        Some(disc)
    }

    /// What each place would read if nothing went wrong and each disc came as it is asked for, and
    /// the time until the last is read.
    pub fn foresee(mut self, time: impl Fn(DiscNo) -> u64) -> Course {
        let count = self.places.len();
        let mut course = Course { discs: vec![Vec::new(); count], time: 0 };
        let mut ends: Vec<Option<u64>> = vec![Some(0); count];
        // The place that is free first, and of those the first.
        while let Some((now, place)) = (0..count).filter_map(|p| Some((ends[p]?, p))).min() {
            self.done(place);
            let there = self.places[place].inside.clone();
            let turn = match self.turn(place, &there) {
                Turn::Ask(disc) => self.turn(place, &[disc]),
                turn => turn,
            };
            ends[place] = match turn {
                Turn::Read(disc) => {
                    course.discs[place].push(disc);
                    Some(now.saturating_add(time(disc)))
                }
                _ => None,
            };
            course.time = course.time.max(ends[place].unwrap_or(now));
        }
        course
    }
}

/// Who reads what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// Of each place, in order.
    pub discs: Vec<Vec<DiscNo>>,
    /// Until the last disc is read, in the unit of the times that were given.
    pub time: u64,
}

#[cfg(test)]
mod tests;
