//! In which order discs are read, so that files that were split wait for their parts as shortly as
//! possible. Pure.
//!
//! Discs that share a split file are a chain, and are read one after the other. Where several discs
//! are read at once, chains are put so that as few as possible are cut where all places take their
//! next disc.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::DiscNo;

/// The order for so many places that read at once. `splits`: the discs of each split file. With one
/// place, the order of the numbers, which is that in which files were packed.
pub fn reading_order<'a>(
    discs: impl IntoIterator<Item = DiscNo>,
    splits: impl IntoIterator<Item = &'a BTreeSet<DiscNo>>,
    places: usize,
) -> Vec<DiscNo> {
    let discs: BTreeSet<DiscNo> = discs.into_iter().collect();
    if places < 2 {
        return discs.into_iter().collect();
    }
    let mut chains = chains(&discs, splits);
    let mut order: Vec<DiscNo> = Vec::with_capacity(discs.len());
    while !chains.is_empty() {
        let free = places - order.len() % places;
        let next = best(&chains, free, places);
        order.extend(chains.remove(next));
    }
    order
}

/// The chain that fills what is free of this round best: the largest rest that fits; if none does,
/// the smallest, which is cut least. Of equals, the one with the lowest number.
fn best(chains: &[Vec<DiscNo>], free: usize, places: usize) -> usize {
    let rest = |chain: &Vec<DiscNo>| match chain.len() % places {
        0 if free == places => places,
        0 => places + 1,
        rest => rest,
    };
    let key = |chain: &Vec<DiscNo>| match rest(chain) {
        fits if fits <= free => (0, free - fits),
        cut => (1, cut),
    };
    (0..chains.len()).min_by_key(|&at| (key(&chains[at]), at)).unwrap_or(0)
}

/// Discs that depend on each other, each chain in the order of its numbers, by their first discs.
fn chains<'a>(
    discs: &BTreeSet<DiscNo>,
    splits: impl IntoIterator<Item = &'a BTreeSet<DiscNo>>,
) -> Vec<Vec<DiscNo>> {
    let mut heads: BTreeMap<DiscNo, DiscNo> = discs.iter().map(|disc| (*disc, *disc)).collect();
    for split in splits {
        let of: BTreeSet<DiscNo> =
            split.iter().filter_map(|disc| heads.get(disc)).copied().collect();
        let Some(&first) = of.first() else { continue };
        heads.values_mut().filter(|head| of.contains(head)).for_each(|head| *head = first);
    }
    let mut chains: BTreeMap<DiscNo, Vec<DiscNo>> = BTreeMap::new();
    for (disc, head) in heads {
        chains.entry(head).or_default().push(disc);
    }
    chains.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(discs: &[u32]) -> Vec<DiscNo> {
        discs.iter().copied().map(DiscNo).collect()
    }

    /// The discs of chains of these lengths, and their split files: each disc shares one with the
    /// next one of its chain.
    fn chained(lengths: &[u32]) -> (Vec<DiscNo>, Vec<BTreeSet<DiscNo>>) {
        let (mut discs, mut splits) = (Vec::new(), Vec::new());
        for &length in lengths {
            for step in 0..length {
                let disc = DiscNo(discs.len() as u32 + 1);
                splits.extend((step > 0).then(|| BTreeSet::from([DiscNo(disc.0 - 1), disc])));
                discs.push(disc);
            }
        }
        (discs, splits)
    }

    /// For how long split files wait in all, if each disc takes one round.
    fn waiting(order: &[DiscNo], splits: &[BTreeSet<DiscNo>], places: usize) -> usize {
        let round = |disc: &DiscNo| order.iter().position(|other| other == disc).unwrap() / places;
        let span = |split: &BTreeSet<DiscNo>| {
            let rounds: Vec<usize> = split.iter().map(round).collect();
            rounds.iter().max().unwrap() - rounds.iter().min().unwrap() + 1
        };
        splits.iter().map(span).sum()
    }

    fn least(
        left: &[DiscNo],
        so_far: &[DiscNo],
        splits: &[BTreeSet<DiscNo>],
        places: usize,
    ) -> usize {
        if left.is_empty() {
            return waiting(so_far, splits, places);
        }
        let tries = (0..left.len()).map(|at| {
            let (mut left, mut so_far) = (left.to_vec(), so_far.to_vec());
            so_far.push(left.remove(at));
            least(&left, &so_far, splits, places)
        });
        tries.min().unwrap()
    }

    fn compositions(of: u32) -> Vec<Vec<u32>> {
        let longer = |first: u32| {
            compositions(of - first).into_iter().map(move |rest| [vec![first], rest].concat())
        };
        if of == 0 { vec![Vec::new()] } else { (1..=of).flat_map(longer).collect() }
    }

    #[test]
    fn no_order_lets_split_files_wait_for_a_shorter_time() {
        for (places, count) in (1..=3).flat_map(|places| (1..=6).map(move |count| (places, count)))
        {
            for lengths in compositions(count) {
                let (discs, splits) = chained(&lengths);
                let order = reading_order(discs.iter().copied(), &splits, places);
                assert_eq!(order.iter().copied().collect::<BTreeSet<_>>().len(), discs.len());
                let found = waiting(&order, &splits, places);
                let best = least(&discs, &[], &splits, places);
                assert_eq!(found, best, "{places} places, chains of {lengths:?}: {order:?}");
            }
        }
    }

    #[test]
    fn one_place_reads_in_the_order_of_the_numbers_and_two_begin_with_discs_that_share_a_file() {
        let splits = [BTreeSet::from([DiscNo(2), DiscNo(3)])];
        let order = |places| reading_order(numbers(&[1, 2, 3, 4]), &splits, places);
        assert_eq!(order(1), numbers(&[1, 2, 3, 4]));
        assert_eq!(order(2), numbers(&[2, 3, 1, 4]));
    }

    #[test]
    fn a_file_over_discs_that_are_far_apart_brings_them_together() {
        let splits =
            [BTreeSet::from([DiscNo(1), DiscNo(5)]), BTreeSet::from([DiscNo(5), DiscNo(9)])];
        let order = reading_order(numbers(&[1, 2, 5, 9]), &splits, 2);
        assert_eq!(order, numbers(&[1, 5, 9, 2]));
    }
}
