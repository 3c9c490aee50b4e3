//! Those whom every step speaks to, and how long they wait.

use std::time::Duration;

use crate::format::SizeLimits;
use crate::port::clock::Deadline;
use crate::port::monitor::Monitor;
use crate::port::operator::Operator;
use crate::port::stop::Stop;
use crate::restore::index::ListingOptions;

/// Those whom every step speaks to.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub monitor: &'a Monitor,
    pub operator: &'a dyn Operator,
    pub stop: &'a Stop,
    /// How long they wait for a medium to be inserted.
    pub wait_limit: WaitLimit,
    /// How long they wait for another coldcut that works with the catalog.
    pub turn: WaitLimit,
    /// A rewritable medium that carries something may be asked for.
    pub overwrite: bool,
    /// How large listings on discs may be.
    pub limits: SizeLimits,
}

impl<'a> Context<'a> {
    /// How listings are read.
    pub(in crate::flow) fn reading(&self) -> ListingOptions<'a> {
        ListingOptions { limits: self.limits, stop: self.stop }
    }
}

/// How long to wait for a person to insert a disc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitLimit {
    Endless,
    AtMost(Duration),
}

impl WaitLimit {
    /// The shorter one of this and `most`.
    pub fn at_most(self, most: Duration) -> WaitLimit {
        match self {
            WaitLimit::AtMost(time) => WaitLimit::AtMost(time.min(most)),
            WaitLimit::Endless => WaitLimit::AtMost(most),
        }
    }

    pub fn deadline(self) -> Deadline {
        match self {
            WaitLimit::Endless => Deadline::never(),
            WaitLimit::AtMost(time) => Deadline::after(time),
        }
    }
}
