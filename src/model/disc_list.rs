//! Several discs of a set by their numbers, as a person writes them: `1-4,7`.

use super::DiscNo;
use serde::{Serialize, Serializer};
use std::fmt;

/// No set has more discs than this: a longer range is a typing error.
const MOST: u32 = 1_000_000;

/// Numbers of discs from 1, each once, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscList {
    /// First and last of each range; between two ranges at least one number is left out.
    ranges: Vec<(u32, u32)>,
}

impl DiscList {
    /// Numbers and ranges between commas: `3`, `1-4,7`. `None` for anything else.
    pub fn parse(text: &str) -> Option<DiscList> {
        let ranges: Option<Vec<_>> = text.split(',').map(range).collect();
        Some(DiscList::merged(ranges?))
    }

    fn merged(mut ranges: Vec<(u32, u32)>) -> DiscList {
        ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::new();
        for (first, last) in ranges {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        DiscList { ranges: merged }
    }

    /// Of a slice.
    pub fn of(discs: &[DiscNo]) -> DiscList {
        discs.iter().copied().collect()
    }

    /// From the lowest number up.
    pub fn iter(&self) -> impl Iterator<Item = DiscNo> + '_ {
        self.ranges.iter().flat_map(|&(first, last)| (first..=last).map(DiscNo))
    }
}

impl FromIterator<DiscNo> for DiscList {
    fn from_iter<I: IntoIterator<Item = DiscNo>>(discs: I) -> DiscList {
        DiscList::merged(discs.into_iter().map(|disc| (disc.0, disc.0)).collect())
    }
}

/// Each number: `[1,2,3,4,7]`.
impl Serialize for DiscList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// `1-4, 7`; the empty list is the empty text.
impl fmt::Display for DiscList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (first, last)) in self.ranges.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

/// `disc 1`, `discs 1-3, 7`.
pub fn named(discs: &[DiscNo]) -> String {
    let word = if discs.len() == 1 { "disc" } else { "discs" };
    format!("{word} {}", DiscList::of(discs))
}

fn range(text: &str) -> Option<(u32, u32)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last && last - first < MOST).then_some((first, last))
}

/// Digits only: `+7` is a number to Rust and a typing error here.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?.filter(|&number| number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_a_list_of_numbers_in_their_order() {
        for (typed, shown) in [
            ("3", "3"),
            ("0004", "4"),
            ("1-4,7", "1-4, 7"),
            ("7,1-4,5", "1-5, 7"),
            ("1-9,3-4", "1-9"),
            ("2,2", "2"),
        ] {
            assert_eq!(DiscList::parse(typed).unwrap().to_string(), shown, "{typed}");
        }
        let numbers: Vec<DiscNo> = DiscList::parse("7,1-3").unwrap().iter().collect();
        assert_eq!(numbers, [1, 2, 3, 7].map(DiscNo));
    }

    #[test]
    fn nothing_else_is_a_list() {
        for typed in ["", "0", "1-", "-1", "3-1", "1,,2", "1,", "+1", "1 2", "a", "1-2-3"] {
            assert_eq!(DiscList::parse(typed), None, "{typed}");
        }
        assert!(DiscList::parse("4294967296").is_none());
        assert_eq!(DiscList::parse("1-1000000").unwrap().iter().count(), 1_000_000);
        assert!(DiscList::parse("1-1000001").is_none());
        assert_eq!(DiscList::parse("4294967295").unwrap().to_string(), "4294967295");
    }

    #[test]
    fn numbers_that_follow_each_other_are_shown_as_ranges() {
        let shown = |discs: &[u32]| discs.iter().map(|&n| DiscNo(n)).collect::<DiscList>();
        assert_eq!(shown(&[10, 1, 2, 3, 7, 9]).to_string(), "1-3, 7, 9-10");
        assert_eq!(shown(&[]).to_string(), "");
        assert_eq!(named(&[DiscNo(3)]), "disc 3");
        assert_eq!(named(&[DiscNo(1), DiscNo(4)]), "discs 1, 4");
    }
}
