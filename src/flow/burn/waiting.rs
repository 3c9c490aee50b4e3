//! Discs that are staged already, in all drives at once: those of runs before, and what is made of
//! groups that are full.

use crate::catalog::{Catalog, ClosedDiscInfo};
use crate::model::DiscNo;

use crate::flow::FlowError;
use crate::flow::burn::pipeline::Beside;
use crate::flow::burn::records::waiting;
use crate::flow::burn::recovery_groups::Grouping;
use crate::flow::drill::refuse_unreadable;

impl Beside<'_> {
    /// Burns every disc that waits and is meant, the lowest number first, and comes back when all
    /// are safe.
    pub fn burn_waiting(
        &self,
        catalog: &mut Catalog,
        is_meant: impl Fn(DiscNo) -> bool,
    ) -> Result<Vec<ClosedDiscInfo>, FlowError> {
        self.burn_recovery_discs(catalog)?;
        let mut discs = waiting(catalog, self.set, self.staging)?;
        discs.retain(|disc| is_meant(disc.number));
        // A recovery disc is made when its group is full.
        let (more, is_estimate) = (discs.len() as u64, self.set.facts.parity_discs.is_some());
        self.context.monitor.count_discs(|count| count.expect(more, is_estimate));
        let mut burned = Vec::new();
        let given: Result<(), FlowError> = discs.into_iter().try_for_each(|disc| {
            if self.add_readable(catalog, &disc)? {
                burned.push(disc);
            }
            Ok(())
        });
        self.settle(catalog)?;
        given?;
        self.burn_recovery_discs(catalog)?;
        Ok(burned)
    }

    /// `false`: another coldcut burns it, or fills it up.
    fn add_readable(&self, catalog: &Catalog, disc: &ClosedDiscInfo) -> Result<bool, FlowError> {
        refuse_unreadable(catalog, self.set, disc)?;
        self.add(catalog, disc, false)
    }

    /// Those of groups that are full, or are to be closed; a run that was killed may have left one.
    fn burn_recovery_discs(&self, catalog: &mut Catalog) -> Result<(), FlowError> {
        loop {
            let made = Grouping::new(self.staging, self.set, self.context).make_due(catalog)?;
            if made.is_empty() {
                return Ok(());
            }
            made.iter().try_for_each(|disc| self.add_readable(catalog, disc).map(drop))?;
            self.settle(catalog)?;
        }
    }
}
