//! Groups of discs, whatever comes between two steps: a copy that is made late, a run that dies.

use std::fs;

use crate::catalog::CopyNo;
use crate::catalog::{Access, Catalog, KnownSet, RecoveryGroup};
use crate::drive::Shelf;
use crate::flow::burn::records::{BurnOrder, CopyStep, DiscEvent, NewCopy, OwnCatalog, Records};
use crate::flow::burn::recovery_groups::Grouping;
use crate::flow::burn::station::{Drives, Station};
use crate::flow::staging::area::Staging;
use crate::flow::tests::media::{FlowBench, fill_two_discs};
use crate::flow::*;
use crate::model::DiscNo;

/// Two discs that are staged, of a set with a recovery disc for both.
struct StagedPair<'b> {
    bench: &'b FlowBench,
    catalog: Catalog,
    set: KnownSet,
    staging: Staging,
    drives: Drives,
}

impl<'b> StagedPair<'b> {
    fn new(bench: &'b FlowBench, copies: u32) -> StagedPair<'b> {
        fill_two_discs(bench);
        bench.backup(copies, None);
        let catalog = Catalog::open(&bench.path("catalog.sqlite"), Access::Write).unwrap();
        let set = catalog.sets().unwrap().remove(0);
        assert_eq!(catalog.discs(set.id).unwrap().len(), 2);
        let staging = Staging::open(&bench.path("staging")).unwrap();
        fs::create_dir(bench.path("shelf")).unwrap();
        let shelf = Shelf::open(&bench.path("shelf")).unwrap();
        StagedPair { bench, catalog, set, staging, drives: Drives::one(Box::new(shelf)) }
    }

    /// Burns both, while something happens as soon as a copy is read back.
    fn burn(&mut self, read_back: ReadBack) -> Result<(), FlowError> {
        let StagedPair { bench, catalog, set, staging, drives } = self;
        let (staging, set, context) = (&*staging, &*set, bench.context());
        let grouping = &Grouping::new(staging, set, context);
        for disc in catalog.discs(set.id)? {
            let order = BurnOrder::of(catalog, set.id, disc.number)?.unwrap();
            let own = OwnCatalog { catalog, set: set.id };
            let mut records = Meddling { own, grouping, read_back };
            Station { staging, set, drives, context }.make_safe(&order, &mut records)?;
        }
        Ok(())
    }

    /// Both discs are in one group, and no other was begun.
    fn check(&self) {
        let group = RecoveryGroup { discs: vec![DiscNo(1), DiscNo(2)], recovery: vec![DiscNo(3)] };
        assert_eq!(self.catalog.recovery_groups(self.set.id).unwrap(), [group]);
        let entries = fs::read_dir(self.staging.group_dir(&self.set, "")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let groups: Vec<String> = names.filter(|name| name.contains("-")).collect();
        assert_eq!(groups, [""; 0]);
    }
}

/// What happens when a copy is read back, and before the next step.
type ReadBack = fn(&DiscEvent, &Grouping, &mut Catalog) -> Result<(), FlowError>;

struct Meddling<'a> {
    own: OwnCatalog<'a>,
    grouping: &'a Grouping<'a>,
    read_back: ReadBack,
}

impl Records for Meddling<'_> {
    fn begin(&mut self, copy: NewCopy) -> Result<CopyNo, FlowError> {
        self.own.begin(copy)
    }

    fn keep(&mut self, record: DiscEvent) -> Result<(), FlowError> {
        if matches!(record.step, CopyStep::ReadBack { .. }) {
            (self.read_back)(&record, self.grouping, self.own.catalog)?;
        }
        self.own.keep(record)
    }
}

/// A packer beside the drives makes recovery discs as soon as it can.
#[test]
fn a_copy_that_comes_after_the_recovery_disc_joins_no_second_group() {
    let bench = FlowBench::with_recovery_discs("1/2");
    let mut staged = StagedPair::new(&bench, 2);
    staged.burn(|_, grouping, catalog| grouping.make(catalog).map(drop)).unwrap();
    staged.check();
}

/// The next run makes the recovery disc first, and then reads disc 2 back.
#[test]
fn a_disc_that_was_taken_into_a_group_and_not_recorded_joins_no_second_group() {
    let bench = FlowBench::with_recovery_discs("1/2");
    let mut staged = StagedPair::new(&bench, 1);
    let died = staged.burn(|record, _, _| match record.disc {
        DiscNo(2) => Err(SelectionError::NoSets.into()),
        _ => Ok(()),
    });
    assert!(matches!(died, Err(FlowError::Selection(SelectionError::NoSets))), "{died:?}");
    let StagedPair { bench, catalog, set, staging, drives } = &mut staged;
    Station { staging, set, drives, context: bench.context() }
        .burn_waiting(catalog, |_| true)
        .unwrap();
    staged.check();
}
