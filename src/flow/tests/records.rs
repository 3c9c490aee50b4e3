//! Discs that are burned, verified, copied and located by another coldcut between any two steps of
//! a packing of the same set: nothing that is planned relies on what becomes of other discs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use proptest::prelude::*;

use crate::catalog::{Access, Catalog, DiscState};
use crate::drive::Shelf;
use crate::flow::backup::burn_staged;
use crate::flow::burn::station::Drives;
use crate::flow::care::copy::{CopyRequest, copy};
use crate::flow::status::locate::locate;
use crate::flow::tests::media::{FlowBench, restore_from};
use crate::flow::{Context, FlowError, WaitLimit};
use crate::model::DiscList;
use crate::port::event::{Event, Listener};
use crate::port::monitor::Monitor;
use crate::port::operator::Nobody;
use crate::port::stop::Stop;

/// What the other one does.
#[derive(Clone, Copy, Debug)]
enum BesideAct {
    Burn,
    Copy,
    Locate,
}

/// Acts when the packing thread says that it comes to a step.
struct OtherColdcut {
    home: PathBuf,
    packer: ThreadId,
    steps: AtomicU32,
    acts: Mutex<BTreeMap<u32, BesideAct>>,
    done: AtomicU32,
}

impl Listener for OtherColdcut {
    fn hear(&self, _: &Event) {
        if thread::current().id() != self.packer {
            return;
        }
        let step = self.steps.fetch_add(1, Ordering::Relaxed);
        let act = self.acts.lock().unwrap().remove(&step);
        act.into_iter().for_each(|act| self.act(act));
    }
}

impl OtherColdcut {
    fn act(&self, act: BesideAct) {
        let (catalog, staging) = (self.home.join("catalog.sqlite"), self.home.join("staging"));
        let (monitor, stop) = (Monitor::new(), Stop::new());
        let context = Context {
            monitor: &monitor,
            operator: &Nobody,
            stop: &stop,
            wait_limit: WaitLimit::Endless,
            turn: WaitLimit::AtMost(std::time::Duration::ZERO),
            overwrite: false,
            limits: Default::default(),
        };
        let done = match act {
            BesideAct::Burn => {
                let mut drives = shelf(&self.home.join("one"));
                burn_staged(
                    &catalog,
                    &staging,
                    None,
                    &[],
                    std::slice::from_mut(&mut drives),
                    context,
                )
                .map(drop)
            }
            BesideAct::Copy => {
                let request = CopyRequest {
                    trust: Default::default(),
                    discs: DiscList::parse("1").unwrap(),
                    catalog: catalog.clone(),
                    staging,
                    name: None,
                    from: Some(self.home.join("one")),
                };
                copy(&request, None, &mut [shelf(&self.home.join("two"))], context).map(drop)
            }
            BesideAct::Locate => {
                let one = DiscList::parse("1").unwrap();
                locate(&catalog, None, &one, None, "box", context).map(drop)
            }
        };
        match done {
            Ok(()) => drop(self.done.fetch_add(1, Ordering::Relaxed)),
            // Nothing is there yet, it was made already, or the packer has it just now.
            Err(
                FlowError::OthersTurn { .. }
                | FlowError::Selection(_)
                | FlowError::NotHere(_)
                | FlowError::Drive(_)
                | FlowError::Discs(_),
            ) => {}
            Err(error) => panic!("{act:?}: {}", crate::flow::chain(&error)),
        }
    }
}

fn shelf(dir: &Path) -> Drives {
    Drives::one(Box::new(Shelf::open(dir).unwrap()))
}

fn acts() -> impl Strategy<Value = BTreeMap<u32, BesideAct>> {
    let act = prop::sample::select(vec![
        BesideAct::Burn,
        BesideAct::Burn,
        BesideAct::Copy,
        BesideAct::Locate,
    ]);
    prop::collection::btree_map(0..120u32, act, 1..10)
}

fn files() -> impl Strategy<Value = Vec<(u64, usize)>> {
    prop::collection::vec((1..u64::MAX, 0..1_500_000usize), 1..6)
}

fn write_noise(file: &Path, seed: u64, length: usize) {
    let mut state = seed;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    });
    fs::write(file, noise.take(length).collect::<Vec<u8>>()).unwrap();
}

/// A backup while the other one acts; how often it could.
fn backup_beside(bench: &FlowBench, acts: BTreeMap<u32, BesideAct>) -> u32 {
    let other = Arc::new(OtherColdcut {
        home: bench.path(""),
        packer: thread::current().id(),
        steps: AtomicU32::new(0),
        acts: Mutex::new(acts),
        done: AtomicU32::new(0),
    });
    let monitor = Monitor::new();
    monitor.listen(other.clone());
    bench.try_backup_with(&monitor).unwrap();
    other.done.load(Ordering::Relaxed)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_recorded_between_two_steps_of_a_packing_all_is_stored_once(
        runs in prop::collection::vec((files(), acts()), 2..4),
    ) {
        let bench = FlowBench::new();
        for (number, (files, acts)) in runs.into_iter().enumerate() {
            for (index, (seed, length)) in files.into_iter().enumerate() {
                write_noise(&bench.path(&format!("source/{number}-{index}")), seed, length);
            }
            backup_beside(&bench, acts);
        }
        let mut one = shelf(&bench.path("one"));
        let (catalog, staging) = (bench.path("catalog.sqlite"), bench.path("staging"));
        burn_staged(&catalog, &staging, None, &[], std::slice::from_mut(&mut one), bench.context()).unwrap();
        let catalog = Catalog::open(&catalog, Access::Read).unwrap();
        catalog.check().unwrap();
        let set = catalog.sets().unwrap().remove(0);
        for disc in catalog.discs(set.id).unwrap() {
            prop_assert_eq!(disc.state, DiscState::Verified);
            // Of copies as many are made as somebody asked for.
            let copies = catalog.copies(set.id, disc.number).unwrap();
            let one = bench.path("one");
            let burned = copies.iter().filter(|copy| copy.medium.shelf() == Some(&one));
            prop_assert!(burned.count() <= 1, "{:?}", copies);
        }
        // What was copied before it was burned is on the other shelf alone.
        for entry in fs::read_dir(bench.path("two")).unwrap().map(Result::unwrap) {
            let there = bench.path("one").join(entry.file_name());
            if !there.exists() {
                fs::rename(entry.path(), there).unwrap();
            }
        }
        let mut drive = Shelf::open(&bench.path("one")).unwrap();
        restore_from(&bench, &mut drive, bench.context()).unwrap();
        let same = std::process::Command::new("diff").arg("-r")
            .args([bench.path("source"), bench.path("back")]).output().unwrap();
        prop_assert!(same.status.success(), "{:?}", same);
    }
}

#[test]
fn the_other_one_can_do_something_at_most_steps() {
    let bench = FlowBench::new();
    write_noise(&bench.path("source/film"), 1, 3_000_000);
    bench.backup(1, None);
    write_noise(&bench.path("source/later"), 2, 3_000_000);
    let acts = (0..40).map(|step| (step, [BesideAct::Burn, BesideAct::Locate][step as usize % 2]));
    let done = backup_beside(&bench, acts.collect());
    assert!(done >= 10, "{done}");
}
