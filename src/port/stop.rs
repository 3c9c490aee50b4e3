//! The wish to stop: set by a signal, asked for between steps.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

/// Shared by all threads of a run.
#[derive(Clone, Debug)]
pub struct Stop {
    wish: Arc<StopState>,
    /// So many asks are needed before this one stops anybody.
    from: u32,
    /// One of several waits may be ended alone.
    recall: Option<Recall>,
}

/// Ends one wait of a run that goes on: as long as what is waited for has not come.
#[derive(Clone, Debug, Default)]
pub struct Recall(Arc<AtomicI32>);

/// What became of a wait.
const RECALLED: i32 = 1;
const HAS_COME: i32 = 2;

impl Recall {
    /// Nobody need wait any more; of no effect once it has come.
    pub fn ask(&self) {
        let _ = self.0.compare_exchange(0, RECALLED, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// What was waited for is there, and nobody recalls it any more. `false`: it was recalled before.
    pub fn has_come(&self) -> bool {
        let before = self.0.compare_exchange(0, HAS_COME, Ordering::SeqCst, Ordering::SeqCst);
        before != Err(RECALLED)
    }

    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::SeqCst) == RECALLED
    }
}

#[derive(Debug, Default)]
struct StopState {
    /// 0: go on; else the number of the signal that asked to stop first.
    signal: AtomicI32,
    asks: AtomicU32,
    /// A terminal that goes away tells so more than once, and a session that is closed sends
    /// SIGTERM beside it: all that is one wish.
    hung_up: AtomicBool,
}

/// The run was asked to stop by this signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Stopped(pub i32);

impl Default for Stop {
    fn default() -> Stop {
        Stop { wish: Arc::default(), from: 1, recall: None }
    }
}

impl Stop {
    pub fn new() -> Stop {
        Stop::default()
    }

    /// Asks everybody to stop at the next safe place.
    pub fn ask(&self, signal: i32) {
        let _ = self.wish.signal.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
        self.wish.asks.fetch_add(1, Ordering::SeqCst);
    }

    /// The same because the terminal went away: however often that is told, it is never the second
    /// time that somebody asks.
    pub fn hang_up(&self, signal: i32) {
        let _ = self.wish.signal.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
        self.wish.hung_up.store(true, Ordering::SeqCst);
    }

    /// How often somebody asked: a burn goes on after the first time.
    pub fn asks(&self) -> u32 {
        let asks = self.wish.asks.load(Ordering::SeqCst);
        asks.max(u32::from(self.wish.hung_up.load(Ordering::SeqCst)))
    }

    /// The same wish for a work that is finished first: only the second time stops it.
    pub fn insisted(&self) -> Stop {
        Stop { wish: self.wish.clone(), from: 2, recall: None }
    }

    /// The same wish for a work that can be recalled while it waits.
    pub fn recallable(&self, recall: &Recall) -> Stop {
        Stop { recall: Some(recall.clone()), ..self.clone() }
    }

    /// `Err` once somebody asked. Long loops call this for each file or block.
    pub fn check(&self) -> Result<(), Stopped> {
        match self.wish.signal.load(Ordering::Relaxed) {
            // No signal: who recalls it knows.
            0 if self.recall.as_ref().is_some_and(Recall::is_asked) => Err(Stopped(0)),
            0 => Ok(()),
            _ if self.from > 1 && self.asks() < self.from => Ok(()),
            signal => Err(Stopped(signal)),
        }
    }
}

/// Reading that a wish to stop ends: for copies and sums of what may be long. Its error holds
/// [`Stopped`].
pub struct Heeding<'a, R> {
    inner: R,
    stop: &'a Stop,
}

impl<'a, R> Heeding<'a, R> {
    pub fn new(inner: R, stop: &'a Stop) -> Heeding<'a, R> {
        Heeding { inner, stop }
    }
}

impl<R: Read> Read for Heeding<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stop.check().map_err(io::Error::other)?;
        self.inner.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_finished_first_stops_at_the_second_ask() {
        let stop = Stop::new();
        let burn = stop.insisted();
        stop.ask(2);
        assert_eq!(stop.check(), Err(Stopped(2)));
        assert_eq!(burn.check(), Ok(()));
        stop.ask(15);
        assert_eq!(burn.check(), Err(Stopped(2)), "the first signal is the one that is told");
    }

    #[test]
    fn a_terminal_that_goes_away_asks_once_however_often_it_is_told() {
        let stop = Stop::new();
        stop.hang_up(1);
        stop.hang_up(1);
        stop.ask(15);
        assert_eq!((stop.asks(), stop.check()), (1, Err(Stopped(1))));
        assert_eq!(stop.insisted().check(), Ok(()));
        stop.ask(15);
        assert_eq!(stop.insisted().check(), Err(Stopped(1)));
    }

    #[test]
    fn one_wait_is_ended_alone_unless_what_it_waits_for_has_come() {
        let (stop, early, late) = (Stop::new(), Recall::default(), Recall::default());
        let (one, other) = (stop.recallable(&early), stop.recallable(&late));
        early.ask();
        assert!(one.check().is_err() && other.check().is_ok() && stop.check().is_ok());
        assert!(one.insisted().check().is_ok() && !early.has_come());
        assert!(late.has_come());
        late.ask();
        assert_eq!((other.check(), late.is_asked()), (Ok(()), false));
        stop.ask(2);
        assert_eq!(other.check(), Err(Stopped(2)));
    }

    #[test]
    fn a_copy_without_an_end_ends_when_it_is_asked_to() {
        /// Asks in the middle.
        struct Endless(Stop, u32);
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.1 += 1;
                assert!(self.1 < 100, "nobody heeds it");
                self.0.ask(15);
                Ok(buffer.len())
            }
        }
        let stop = Stop::new();
        let endless = Endless(stop.clone(), 0);
        let error = io::copy(&mut Heeding::new(endless, &stop), &mut io::sink()).unwrap_err();
        assert_eq!(error.to_string(), "interrupted");
    }
}
