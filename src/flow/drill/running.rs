//! Lets the scripts of discs restore these, and holds what came back against the listing.

use std::path::{Path, PathBuf};

use crate::drill::{DrillFault, Drilled, Whole, whole};
use crate::flow::drill::returned::{By, ExpectedPath, Maker, Returned, content};
use crate::flow::drill::sandbox::{DrillSandbox, remove};
use crate::flow::{Context, FlowError};
use crate::model::{DiscNo, Format};
use crate::port::files::free_space;
use crate::port::notice::{SimpleScriptLimit, Untested};
use crate::port::passphrase::Secret;

/// Directories with the content of discs, and what must come back from them.
pub struct DrillRun<'a> {
    pub dirs: &'a [(DiscNo, PathBuf)],
    pub expected: &'a [ExpectedPath],
    pub passphrase: Option<&'a Secret>,
    pub maker: &'a Maker,
    pub sandbox: &'a DrillSandbox,
    pub context: Context<'a>,
}

impl Maker {
    pub fn new(sandbox: &DrillSandbox, is_fenced: bool) -> Maker {
        Maker { target: sandbox.0.join("restored"), is_fenced }
    }
}

impl DrillRun<'_> {
    /// Everything that restore.sh can restore. `seen` is in the order of the discs.
    pub fn restore_sh(&self, script: &Path, seen: &mut [Drilled]) -> Result<(), FlowError> {
        let long = self.expected.iter().filter(|one| one.is_too_long).count();
        if long > 0 {
            skip(seen, Untested::LongPaths { paths: long as u64 });
        }
        let odd = self.expected.iter().filter(|one| !self.maker.can_make(one.row.kind)).count();
        if odd > 0 {
            skip(seen, Untested::Devices { paths: odd as u64 });
        }
        self.run(By::RestoreSh, script, seen)
    }

    /// The same by the short script, where it promises to do it.
    pub fn simple_restore_sh(
        &self,
        script: &Path,
        formats: impl Iterator<Item = Format>,
        seen: &mut [Drilled],
    ) -> Result<(), FlowError> {
        match self.unfit_for_simple(formats) {
            Some(limit) => {
                skip(seen, Untested::SimpleScript { limit });
                Ok(())
            }
            None => self.run(By::SimpleRestoreSh, script, seen),
        }
    }

    /// Why the short script is not for these discs.
    fn unfit_for_simple(
        &self,
        mut formats: impl Iterator<Item = Format>,
    ) -> Option<SimpleScriptLimit> {
        if formats.any(|format| format != Format::Two) {
            return Some(SimpleScriptLimit::Format1);
        }
        if let Some(one) = self.expected.iter().find(|one| !one.must) {
            return Some(match (one.is_too_long, self.maker.can_make(one.row.kind)) {
                (true, _) => SimpleScriptLimit::LongPaths,
                (false, false) => SimpleScriptLimit::Devices,
                (false, true) => SimpleScriptLimit::NotAllDiscs,
            });
        }
        // It unpacks an archive, and puts files in parts together, beside what it has restored.
        let free = free_space(&self.sandbox.0).unwrap_or(u64::MAX);
        (content(self.expected).saturating_mul(2) > free).then_some(SimpleScriptLimit::NoRoom)
    }

    fn run(&self, by: By, script: &Path, seen: &mut [Drilled]) -> Result<(), FlowError> {
        let Maker { target, is_fenced } = self.maker;
        let stop = self.context.stop;
        let failure = whole(&Whole {
            script,
            // That discs are missing is no fault of theirs.
            right: if by == By::RestoreSh { &[0, 3] } else { &[0] },
            discs: self.dirs,
            target,
            passphrase: self.passphrase,
            fence: is_fenced.then_some(&*self.sandbox.0),
            stop,
        })?;
        let failed = failure.is_some();
        for (seen, what) in seen.iter_mut().zip(failure.iter().cycle()) {
            seen.faults.push(DrillFault::new(by.name(), what.clone()));
        }
        // What the short one leaves when it fails is nothing that it promised.
        if !failed || by == By::RestoreSh {
            let discs: Vec<DiscNo> = self.dirs.iter().map(|(number, _)| *number).collect();
            let beside = &*self.sandbox.0;
            Returned { target, beside, by, stop }.compare(self.expected, &discs, seen)?;
        }
        // What cannot be removed now goes with the sandbox.
        let _ = remove(target);
        Ok(())
    }
}

/// Told of the last disc, which has the newest listing.
fn skip(seen: &mut [Drilled], what: Untested) {
    if let Some(last) = seen.last_mut() {
        last.skipped.push(what);
    }
}
