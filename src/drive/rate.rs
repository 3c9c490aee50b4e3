//! A shelf that takes its time: as long as a drive of a given speed would, so that people can see how
//! a run with a drive goes, and what goes on beside it, without one.

use std::num::NonZeroU64;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::DriveError;
use crate::model::Bytes;
use crate::port::clock::{Stopwatch, pause};
use crate::port::stop::Stop;

/// Between two reports of a burn.
const STEP: Duration = Duration::from_millis(100);

/// Bytes a second.
pub(super) type Rate = NonZeroU64;

/// How long so many bytes take.
fn time_of(bytes: u64, rate: Rate) -> Duration {
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate.get());
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// How far a burn has come after this time.
fn done_after(time: Duration, rate: Rate) -> u64 {
    let done = time.as_nanos().saturating_mul(u128::from(rate.get())) / 1_000_000_000;
    u64::try_from(done).unwrap_or(u64::MAX)
}

/// A burn that began with `watch`: it ends when `total` would be written at this rate.
pub(super) fn last_as_long(
    total: Bytes,
    rate: Rate,
    watch: &Stopwatch,
    tell: &dyn Fn(Bytes),
    stop: &Stop,
) -> Result<(), DriveError> {
    loop {
        let done = done_after(watch.elapsed(), rate).min(total.0);
        tell(Bytes(done));
        if done == total.0 {
            return Ok(());
        }
        pause(time_of(total.0 - done, rate).min(STEP), stop).map_err(DriveError::Stopped)?;
    }
}

/// Reading at a rate, by several threads at once.
#[derive(Debug)]
pub(super) struct SlowReading {
    rate: Rate,
    began: OnceLock<Stopwatch>,
    done: AtomicU64,
}

impl SlowReading {
    pub fn new(rate: Rate) -> SlowReading {
        SlowReading { rate, began: OnceLock::new(), done: AtomicU64::new(0) }
    }

    /// Before a read: the first one starts the clock.
    pub fn begin(&self) {
        self.began.get_or_init(Stopwatch::start);
    }

    /// After a read: waits until all that was read so far would have come.
    pub fn end(&self, got: usize) {
        let done = self.done.fetch_add(got as u64, Ordering::Relaxed) + got as u64;
        let spent = self.began.get_or_init(Stopwatch::start).elapsed();
        let left = time_of(done, self.rate).saturating_sub(spent);
        // Nobody stops in the middle of a read: it is a blink.
        let _ = pause(left, &Stop::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(rate: u64) -> Rate {
        Rate::new(rate).unwrap()
    }

    #[test]
    fn time_and_bytes_are_two_sides_of_a_rate() {
        let sixteenfold = rate(72_000_000);
        assert_eq!(time_of(72_000_000, sixteenfold), Duration::from_secs(1));
        assert_eq!(time_of(25_025_314_816, sixteenfold).as_secs(), 347);
        assert_eq!(done_after(Duration::from_millis(500), sixteenfold), 36_000_000);
        assert_eq!(time_of(u64::MAX, rate(1)), Duration::from_nanos(u64::MAX));
        assert_eq!(done_after(Duration::MAX, rate(u64::MAX)), u64::MAX);
    }

    #[test]
    fn a_slow_burn_tells_how_far_it_is_and_can_be_stopped() {
        use std::cell::RefCell;
        let told = RefCell::new(Vec::new());
        let tell = |bytes: Bytes| told.borrow_mut().push(bytes.0);
        let watch = Stopwatch::start();
        last_as_long(Bytes(3), rate(1000), &watch, &tell, &Stop::new()).unwrap();
        assert_eq!(told.borrow().last(), Some(&3));
        let stop = Stop::new();
        stop.ask(2);
        let stopped = last_as_long(Bytes(u64::MAX), rate(1), &watch, &tell, &stop);
        assert!(matches!(stopped, Err(DriveError::Stopped(_))));
    }
}
