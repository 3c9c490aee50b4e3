//! The wish to stop: set by a signal, asked for between steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

/// Shared by all threads of a run.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Wish>);

#[derive(Debug, Default)]
struct Wish {
    /// 0: go on; else the number of the signal that asked to stop.
    signal: AtomicI32,
    asks: AtomicU32,
}

/// The run was asked to stop by this signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Stopped(pub i32);

impl Stop {
    pub fn new() -> Stop {
        Stop::default()
    }

    /// Asks everybody to stop at the next safe place.
    pub fn ask(&self, signal: i32) {
        self.0.signal.store(signal, Ordering::SeqCst);
        self.0.asks.fetch_add(1, Ordering::SeqCst);
    }

    /// How often somebody asked: a burn goes on after the first time.
    pub fn asks(&self) -> u32 {
        self.0.asks.load(Ordering::SeqCst)
    }

    /// `Err` once somebody asked. Long loops call this for each file or block.
    pub fn check(&self) -> Result<(), Stopped> {
        match self.0.signal.load(Ordering::Relaxed) {
            0 => Ok(()),
            signal => Err(Stopped(signal)),
        }
    }
}
