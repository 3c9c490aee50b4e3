//! When a last disc that is not full is held back for more, and when it has waited long enough.

use std::time::Duration;

use crate::catalog::{Catalog, SetId};
use crate::model::DiscNo;
use crate::port::clock::Moment;

use crate::flow::FlowError;

/// What a run is told of discs that are not full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HoldPolicy {
    /// A last disc less full than this many percent is held back. Without it a shelf takes any
    /// disc, and for a real one a person is asked.
    pub min_fill: Option<u8>,
    /// One that has waited so long since its first archive is closed as it is.
    pub max_hold: Option<Duration>,
}

/// 2024-01-01, before the first coldcut: an earlier date is one of a clock that was not set.
const FIRST: Moment = Moment(1_704_067_200);

/// What a disc's date says now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    /// Since then, which is long enough or not.
    Since(Moment),
    /// The date is worth nothing: the wait is counted from now on.
    Anew,
    /// It is our clock that is behind: another run tells.
    Unknown,
}

/// `before`: when the run before this one began.
fn waited(begun: Option<Moment>, before: Option<Moment>, now: Moment) -> Waited {
    match begun {
        _ if now < FIRST || before.is_some_and(|before| before > now) => Waited::Unknown,
        Some(begun) if (FIRST..=now).contains(&begun) => Waited::Since(begun),
        _ => Waited::Anew,
    }
}

/// Since when the disc has waited, if that is so long or longer. A clock that was wrong, then or
/// now, closes nothing; and it holds nothing for ever, because the wait is counted again.
pub(in crate::flow) fn overdue(
    catalog: &mut Catalog,
    set: SetId,
    number: DiscNo,
    max_hold: Duration,
    now: Moment,
) -> Result<Option<Moment>, FlowError> {
    // One that is not in the catalog has nothing on it yet.
    let Some(disc) = catalog.disc(set, number)? else { return Ok(None) };
    let before = catalog.snapshots(set)?.iter().rev().nth(1).map(|snapshot| snapshot.started);
    match waited(disc.begun, before, now) {
        Waited::Since(begun) => {
            let waited = now.0.saturating_sub(begun.0).unsigned_abs();
            Ok((waited >= max_hold.as_secs()).then_some(begun))
        }
        Waited::Anew => {
            catalog.set_begun(set, number, now)?;
            Ok(None)
        }
        Waited::Unknown => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_date_that_can_be_true_counts() {
        let day = |n: i64| Moment(FIRST.0 + n * 86_400);
        let cases = [
            // When it was begun, when the last run was, now.
            (Some(day(10)), Some(day(20)), day(30), Waited::Since(day(10))),
            (Some(day(30)), None, day(30), Waited::Since(day(30))),
            (None, Some(day(20)), day(30), Waited::Anew),
            // The clock was behind, or ahead, when it was begun.
            (Some(Moment(0)), Some(Moment(0)), day(30), Waited::Anew),
            (Some(day(9_000)), Some(day(20)), day(30), Waited::Anew),
            // It is behind now.
            (Some(day(10)), Some(day(20)), Moment(100), Waited::Unknown),
            (Some(day(10)), Some(day(20)), day(15), Waited::Unknown),
            (Some(day(20)), Some(day(25)), day(15), Waited::Unknown),
        ];
        for (begun, before, now, wanted) in cases {
            assert_eq!(waited(begun, before, now), wanted, "{begun:?} {before:?} {now:?}");
        }
    }
}
