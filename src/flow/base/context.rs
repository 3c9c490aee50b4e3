//! Those whom every step speaks to, and how long they wait.

use std::time::Duration;

use crate::format::Limits;
use crate::port::clock::Deadline;
use crate::port::monitor::Monitor;
use crate::port::operator::Operator;
use crate::port::stop::Stop;
use crate::restore::index::Reading;

/// Those whom every step speaks to.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    pub monitor: &'a dyn Monitor,
    pub operator: &'a dyn Operator,
    pub stop: &'a Stop,
    /// How long they wait for a medium to be inserted.
    pub patience: Patience,
    /// How long they wait for another coldcut that works with the catalog.
    pub turn: Patience,
    /// A rewritable medium that bears something may be asked for.
    pub overwrite: bool,
    /// How large listings on discs may be.
    pub limits: Limits,
}

impl<'a> Desk<'a> {
    /// How listings are read.
    pub(in crate::flow) fn reading(&self) -> Reading<'a> {
        Reading { limits: self.limits, stop: self.stop }
    }
}

/// How long to wait for a person to insert a disc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    Endless,
    AtMost(Duration),
}

impl Patience {
    pub fn deadline(self) -> Deadline {
        match self {
            Patience::Endless => Deadline::never(),
            Patience::AtMost(time) => Deadline::after(time),
        }
    }
}
