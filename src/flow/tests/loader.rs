//! A drive whose discs a loader changes: a stack goes through, and nobody is asked.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use crate::catalog::{Access, Catalog, DiscState};
use crate::drive::fake::{Act, FOREIGN, image_on};
use crate::drive::loader::tests::ScriptedLoader;
use crate::drive::{DriveError, StackCount, StackTally, StackTask};
use crate::flow::backup::burn_staged;
use crate::flow::base::unfulfilled::Unfulfilled;
use crate::flow::burn::station::Drives;
use crate::flow::care::stack::verify_stack;
use crate::flow::care::verify::VerifyRequest;
use crate::flow::library::inventory::Trust;
use crate::flow::tests::media::FlowBench;
use crate::flow::*;
use crate::model::Sectors;

/// A bench, and media that the loader's machine puts into its drive, one after the other.
struct StackBench {
    bench: FlowBench,
    loader: ScriptedLoader,
    tally: Arc<StackTally>,
}

impl StackBench {
    /// With some discs staged, and a stack of media.
    fn new(staged: usize, media: &[&str], before: &str) -> StackBench {
        let bench = FlowBench::new();
        for n in 0..staged {
            let mut state = n as u64 + 1;
            let noise = std::iter::repeat_with(|| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
                (state >> 56) as u8
            });
            let noise: Vec<u8> = noise.take(3_000_000).collect();
            fs::write(bench.path("source").join(format!("film{n}")), noise).unwrap();
        }
        bench.backup(1, None);
        let loader = ScriptedLoader::new(media.len() as u32, before);
        let stack = StackBench { bench, loader, tally: Arc::default() };
        stack.fill(media);
        stack
    }

    fn fill(&self, media: &[&str]) {
        let dirs: Vec<PathBuf> = media.iter().map(|name| self.bench.path(name)).collect();
        for dir in &dirs {
            fs::create_dir_all(dir).unwrap();
        }
        self.bench.tray.will_get(&dirs.iter().map(PathBuf::as_path).collect::<Vec<_>>());
        self.loader.write("input", &media.len().to_string());
    }

    fn drives(&self, task: StackTask) -> Drives {
        let tray = self.bench.tray.clone();
        Drives::one(Box::new(self.loader.serve_for(task, tray, &self.tally)))
    }

    fn burn(&self) -> Result<usize, FlowError> {
        let (catalog, staging) = (self.bench.path("catalog.sqlite"), self.bench.path("staging"));
        let mut drives = [self.drives(StackTask::Burn)];
        let context = self.bench.context();
        let report = burn_staged(&catalog, &staging, None, &[], &mut drives, context)?;
        Ok(report.burned.len())
    }

    fn verify(&self) -> Result<Vec<u32>, FlowError> {
        let request = VerifyRequest {
            from: "/dev/fake".into(),
            catalog: self.bench.path("catalog.sqlite"),
            name: None,
            trust: Trust::default(),
            scratch: self.bench.path("scratch"),
            keys: None,
            is_of_stack: true,
        };
        let mut drives = self.drives(StackTask::Verify);
        let report = verify_stack(&request, &mut *drives.burner, self.bench.context())?;
        Ok(report.discs.iter().map(|disc| disc.number.0).collect())
    }

    fn count(&self) -> (u64, u64, Vec<u64>) {
        let StackCount { discs, good, rejected, .. } = self.tally.count();
        (discs, good, rejected)
    }

    /// The piles in the order in which discs were put there.
    fn piles(&self) -> Vec<String> {
        self.loader.lines("piles")
    }

    fn states(&self) -> Vec<DiscState> {
        let catalog = Catalog::open(&self.bench.path("catalog.sqlite"), Access::Read).unwrap();
        let set = catalog.sets().unwrap().remove(0);
        catalog.discs(set.id).unwrap().iter().map(|disc| disc.state).collect()
    }

    fn nobody_was_asked(&self) {
        assert_eq!(self.bench.asked(), [""; 0]);
    }
}

/// What is not blank is put away, and so is a blank that is spoilt while it is burned.
#[test]
fn a_stack_of_blanks_becomes_discs_and_bad_ones_go_on_the_reject_pile() {
    let stack = StackBench::new(3, &["a", "used", "bad", "b", "c", "spare"], "");
    fs::write(stack.bench.path("used").join(FOREIGN), "").unwrap();
    let bad = stack.bench.path("bad");
    stack.bench.tray.at_each_act(move |tray, act| match act {
        Act::Burn(label) if tray.inside().as_ref() == Some(&bad) => Err(DriveError::Write {
            drive: "/dev/fake".into(),
            label: Box::new(label.clone()),
            sector: Some(Sectors(7)),
            words: "it cannot be written here".into(),
            remedy: None,
        }),
        _ => Ok(()),
    });
    assert_eq!(stack.burn().unwrap(), 3);
    assert_eq!(stack.piles(), ["good", "bad", "bad", "good", "good"]);
    assert_eq!(stack.count(), (5, 3, vec![2, 3]));
    assert_eq!(stack.states(), [DiscState::Verified; 3]);
    assert_eq!(stack.loader.lines("input"), ["1"], "no disc is taken that nobody needs");
    let notes = stack.bench.monitor.words();
    assert!(notes.contains(&"disc 3 of the stack is on the reject pile".to_owned()), "{notes:?}");
    stack.nobody_was_asked();
}

#[test]
fn a_stack_that_is_too_small_ends_the_run_and_the_rest_stays_staged() {
    let stack = StackBench::new(2, &["a"], "");
    let error = stack.burn().unwrap_err();
    let is_empty = matches!(error, FlowError::NeverCame { how: Unfulfilled::LoaderEmpty, .. });
    assert!(is_empty, "{error}");
    assert!(error.to_string().ends_with("its loader has no more discs"), "{error}");
    assert_eq!(stack.states(), [DiscState::Verified, DiscState::Staged]);
    assert_eq!(stack.piles(), ["good"]);
    stack.nobody_was_asked();
    stack.fill(&["b"]);
    assert_eq!(stack.burn().unwrap(), 1);
    assert_eq!(stack.states(), [DiscState::Verified; 2]);
}

#[test]
fn a_stack_of_unusable_discs_is_not_used_up() {
    let media = ["a", "b", "c", "d", "e"];
    let stack = StackBench::new(1, &media, "");
    for name in media {
        fs::write(stack.bench.path(name).join(FOREIGN), "").unwrap();
    }
    let error = stack.burn().unwrap_err();
    assert!(chain(&error).contains("3 discs in a row"), "{}", chain(&error));
    assert_eq!(stack.loader.lines("input"), ["2"]);
    assert_eq!(stack.states(), [DiscState::Staged]);
}

/// The machine fails while it puts a good disc away, for good: the disc is safe, and the run says
/// where it is. The next run finds it in the gripper, and does not call it good.
#[test]
fn a_disc_that_stays_in_the_gripper_is_not_lost() {
    let before = "[ $1 != unload ] || [ -e mended ] || { echo lifted >at; exit 1; }";
    let stack = StackBench::new(2, &["a", "b"], before);
    let error = stack.burn().unwrap_err();
    assert!(chain(&error).contains("the loader holds the disc"), "{}", chain(&error));
    assert_eq!(stack.states(), [DiscState::Verified, DiscState::Staged]);
    stack.loader.write("mended", "");
    assert_eq!(stack.burn().unwrap(), 1);
    assert_eq!(stack.piles(), ["bad", "good"]);
    assert!(image_on(&stack.bench.path("b")).is_some());
    assert_eq!(stack.states(), [DiscState::Verified; 2]);
}

/// Somebody takes a disc out of the drive before it is read back: the stack is not searched for it.
#[test]
fn a_disc_that_the_loader_cannot_bring_back_costs_no_other() {
    let stack = StackBench::new(1, &["a", "b", "c"], "");
    stack.bench.tray.at_each_act(|tray, act| {
        if matches!(act, Act::Burned) {
            tray.take_out();
        }
        Ok(())
    });
    let error = stack.burn().unwrap_err();
    assert!(error.to_string().ends_with("which its loader cannot bring back"), "{error}");
    assert_eq!(stack.loader.lines("input"), ["2"]);
    assert_eq!(stack.piles(), [""; 0]);
    assert_ne!(stack.states(), [DiscState::Verified]);
}

/// A run that was killed after it had burned a disc: it is in the drive.
#[test]
fn a_disc_that_waits_in_the_drive_to_be_read_back_is_not_put_away() {
    let stack = StackBench::new(1, &["a", "b"], "");
    stack.bench.tray.at_each_act(|tray, act| {
        if matches!(act, Act::Burned) {
            tray.is(crate::drive::fake::Condition::Gone);
        }
        Ok(())
    });
    stack.burn().unwrap_err();
    stack.bench.tray.at_each_act(|_, _| Ok(()));
    stack.bench.tray.is(crate::drive::fake::Condition::Works);
    assert_eq!(stack.burn().unwrap(), 1);
    assert_eq!(stack.loader.lines("input"), ["1"], "no second disc is burned");
    assert_eq!(stack.piles(), ["good"]);
    assert_eq!(stack.states(), [DiscState::Verified]);
}

#[test]
fn a_watch_ends_when_everything_is_burned_or_the_loader_is_empty() {
    let stack = StackBench::new(2, &["a", "b", "c"], "");
    let report = stack.watch().unwrap();
    assert_eq!(report.burned.len(), 2);
    assert!(!report.is_short_of_discs);
    assert_eq!(stack.loader.lines("input"), ["1"]);
    let stack = StackBench::new(2, &["a"], "");
    let report = stack.watch().unwrap();
    assert_eq!((report.burned.len(), report.failures), (1, 0));
    assert!(report.is_short_of_discs);
    assert_eq!(stack.count(), (1, 1, vec![]));
    stack.nobody_was_asked();
}

impl StackBench {
    fn watch(&self) -> Result<crate::flow::service::watch::WatchReport, FlowError> {
        let mut drives = [self.drives(StackTask::Burn)];
        self.bench.watch_in(&mut drives, true, &self.bench.person)
    }
}

#[test]
fn a_stack_of_discs_is_verified_until_nothing_is_left() {
    let stack = StackBench::new(3, &["a", "b", "c"], "");
    stack.burn().unwrap();
    let image = image_on(&stack.bench.path("b")).unwrap();
    let mut bytes = fs::read(&image).unwrap();
    bytes[1_500_000..1_500_100].fill(0);
    fs::write(&image, bytes).unwrap();
    fs::create_dir(stack.bench.path("theirs")).unwrap();
    fs::write(stack.bench.path("theirs").join(FOREIGN), "").unwrap();
    let again = StackBench { tally: Arc::default(), ..stack };
    again.loader.write("piles", "");
    again.fill(&["b", "theirs", "c", "blank", "a"]);
    let mut verified = again.verify().unwrap();
    verified.sort();
    assert_eq!(verified, [1, 2, 3]);
    assert_eq!(again.piles(), ["bad", "bad", "good", "bad", "good"]);
    assert_eq!(again.count(), (5, 2, vec![1, 2, 4]));
    again.nobody_was_asked();
}
