//! Every verb that uses a drive against every state of a drive: how it ends, and what the drive was
//! told. Whatever the state, nothing sound is called damaged and no blank is spent that was not to
//! be; a drive in use, gone or hanging is told nothing at all; and a disc that goes away while it is
//! read is no damaged disc, and not read on.

mod bench;
mod table;

use std::collections::BTreeSet;

use bench::DriveStateBench;
use table::{DriveCommand, DriveState, Must, STATES, TABLE};

use crate::drive::fake::{DriveAction, ReadFault, Reads, image_on};

use DriveAction::Burn as B;

/// A disc that goes away while it is read: what each verb must do if it is taken out, its drive is
/// unplugged, or its drive does not answer any more, and nobody helps. Each reads what it is about:
/// disc 1, or disc 2 that was not read back, or what it has just burned.
#[rustfmt::skip]
const GOING: [(DriveCommand, DriveState, [Must; 3]); 12] = [
    //                                      taken out   unplugged   silent
    (DriveCommand::Backup,   DriveState::OursUnverified, [(4, &[]),  (4, &[]),  (4, &[])]),
    (DriveCommand::Burn,     DriveState::OursUnverified, [(4, &[]),  (4, &[]),  (4, &[])]),
    (DriveCommand::Restore,  DriveState::Ours,           [(4, &[]),  (4, &[]),  (4, &[])]),
    (DriveCommand::Verify,   DriveState::Ours,           [(4, &[]),  (4, &[]),  (4, &[])]),
    (DriveCommand::Check,    DriveState::Ours,           [(4, &[]),  (4, &[]),  (4, &[])]),
    (DriveCommand::CopyFrom, DriveState::Ours,           [(4, &[]),  (4, &[]),  (4, &[])]),
    (DriveCommand::CopyTo,   DriveState::Blank,          [(4, &[B]), (4, &[B]), (4, &[B])]),
    (DriveCommand::Drill,    DriveState::Ours,           [(4, &[]),  (4, &[]),  (4, &[])]),
    (DriveCommand::Migrate,  DriveState::Blank,          [(4, &[B]), (4, &[B]), (4, &[B])]),
    (DriveCommand::Watch,    DriveState::OursUnverified, [(143, &[]), (4, &[]), (4, &[])]),
    (DriveCommand::Rebuild,  DriveState::Ours,           [(4, &[]),  (4, &[]),  (4, &[])]),
    (DriveCommand::Rescue,   DriveState::Ours,           [(4, &[]),  (4, &[]),  (4, &[])]),
];
const SLIPS: [ReadFault; 3] = [ReadFault::TakenOut, ReadFault::Unplugged, ReadFault::Hangs];
/// Whoever is at work on a disc may find out that it is gone in several threads, and looks at what
/// is left of it once more; who reads on reads much more than this.
const IN_VAIN: u32 = 8;

/// All that is wrong in one trial.
fn faults(bench: &DriveStateBench, verb: DriveCommand, (code, told): Must) -> Vec<String> {
    let code_is = bench.run(verb);
    // The tray of an empty drive may be opened for whoever comes.
    let told_is = bench.drive.told().into_iter().filter(|told| *told != DriveAction::OpenTray);
    let is = (code_is, told_is.collect::<Vec<_>>());
    let mut wrong = Vec::new();
    if is != (code, told.to_vec()) {
        let notes = bench.monitor.words();
        wrong.push(format!("{is:?} and not {code} {told:?}: {notes:?}"));
    }
    if image_on(&bench.path("blank")).is_some() != told.contains(&B) {
        wrong.push("a blank".to_owned());
    }
    if bench.damage_on_record() != 0 {
        wrong.push("a record of damage".to_owned());
    }
    wrong.extend(bench.advice_to_retire());
    wrong
}

#[test]
fn every_verb_ends_as_it_must_in_every_state_of_a_drive() {
    let mut bench = DriveStateBench::new();
    let mut wrong = Vec::new();
    for (verb, row) in &TABLE {
        for (state, &must) in STATES.iter().zip(row) {
            bench.anew(*state);
            let faults = faults(&bench, *verb, must);
            wrong.extend(faults.iter().map(|fault| format!("{verb:?}, {state:?}: {fault}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_verb_ends_as_it_must_when_a_disc_goes_away_while_it_is_read() {
    let mut bench = DriveStateBench::new();
    let mut wrong = Vec::new();
    for (verb, state, row) in &GOING {
        bench.anew(*state);
        bench.run(*verb);
        let (reads, _) = bench.drive.reads();
        assert!(reads > 0, "{verb:?} reads nothing");
        for (slip, &must) in SLIPS.iter().zip(row) {
            for well in BTreeSet::from([0, reads / 2, reads - 1]) {
                bench.anew(*state);
                bench.drive.slips_after(well, Reads::All, *slip);
                let faults = faults(&bench, *verb, must).into_iter();
                let in_vain = bench.drive.reads().1;
                let crawls = (in_vain > IN_VAIN).then(|| format!("{in_vain} reads in vain"));
                let stays = bench.drive.has_yet_to_slip().then(|| "it stayed".to_owned());
                let when = format!("{verb:?}, {slip:?} after {well} of {reads} reads");
                wrong.extend(faults.chain(crawls).chain(stays).map(|f| format!("{when}: {f}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
