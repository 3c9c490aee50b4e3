//! Loaders as they may be: right, slow, wrong, and somebody else's.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::answer::DiscPosition;
use super::program::{LoadOutcome, UnloadTarget};
use super::{Loader, LoaderError, ServedDrive, StackTally, StackTask};
use crate::drive::fake::{FakeDrive, PATH};
use crate::drive::{Drive, DriveError, Pile};
use crate::port::clock::Deadline;
use crate::port::command::CommandError;
use crate::port::notice::BurnNotice;
use crate::port::stop::Stop;

/// A stack that a test fills, in files of `dir`: how many discs are left in `input`, where the disc
/// of the drive is in `at`, and what was called in `calls`. `before` runs first in each call.
pub(crate) struct ScriptedLoader {
    pub dir: TempDir,
}

const SCRIPT: &str = r#"#!/bin/bash
set -euo pipefail
cd "${0%/*}"
at=$(cat at)
echo "$*" >>calls
BEFORE
case $1 in
  check) echo '{"contract": 1, "loader": "test", "chooses": false}' ;;
  list) echo '{"contract": 1, "slots": [], "drives": [{"drive": "/dev/fake", "disc": "'"$at"'"}]}' ;;
  load)
    [ "$at" != lifted ] || exit 1
    if [ "$at" = none ]; then
      left=$(cat input)
      [ "$left" -gt 0 ] || exit 4
      echo $((left - 1)) >input
    fi
    echo drive >at
    echo '{"slot": "hopper"}' ;;
  unload)
    [ "$at" != none ] || exit 0
    echo "$3" >>piles
    echo none >at ;;
esac
"#;

impl ScriptedLoader {
    pub fn new(discs: u32, before: &str) -> ScriptedLoader {
        let dir = tempfile::tempdir().unwrap();
        let loader = ScriptedLoader { dir };
        loader.write("input", &discs.to_string());
        loader.write("at", "none");
        loader.write("loader", &SCRIPT.replace("BEFORE", before));
        fs::set_permissions(loader.path(), Permissions::from_mode(0o755)).unwrap();
        loader
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("loader")
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).unwrap();
    }

    /// The lines of a file; of none if it was not written.
    pub fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub fn open(&self) -> Arc<Loader> {
        Arc::new(Loader::open(&self.path(), Duration::from_secs(60)).unwrap())
    }

    /// A drive that it serves.
    pub fn serve(&self, drive: FakeDrive, tally: &Arc<StackTally>) -> ServedDrive {
        self.serve_for(StackTask::Burn, drive, tally)
    }

    pub fn serve_for(
        &self,
        task: StackTask,
        drive: FakeDrive,
        tally: &Arc<StackTally>,
    ) -> ServedDrive {
        ServedDrive::new(Box::new(drive), PATH.into(), self.open(), tally.clone(), task)
    }
}

fn drive() -> &'static Path {
    Path::new(PATH)
}

#[test]
fn a_stack_is_loaded_until_nothing_is_left() {
    let script = ScriptedLoader::new(2, "");
    let loader = script.open();
    assert!(!loader.check().unwrap().chooses);
    for pile in [Pile::Good, Pile::Bad] {
        assert_eq!(loader.load(drive(), None).unwrap(), LoadOutcome::Loaded);
        assert_eq!(loader.list().unwrap().position(drive()), DiscPosition::Drive);
        loader.unload(drive(), UnloadTarget::Pile(pile)).unwrap();
    }
    assert_eq!(loader.load(drive(), Some(&slot("7"))).unwrap(), LoadOutcome::NothingLeft);
    assert_eq!(script.lines("piles"), ["good", "bad"]);
    assert_eq!(script.lines("calls").last().unwrap(), "load /dev/fake 7");
}

fn slot(name: &str) -> super::answer::SlotName {
    name.to_owned().try_into().unwrap()
}

/// The first `load` ends in the middle, with the disc on the tray.
fn half_a_load(how: &str) -> String {
    format!(
        "if [ \"$1\" = load ] && [ \"$at\" = none ]; then \
           echo $(($(cat input) - 1)) >input; echo tray >at; {how}; fi"
    )
}

#[test]
fn a_loader_that_hangs_is_killed_and_continues_from_where_the_disc_is() {
    let script = ScriptedLoader::new(5, &half_a_load("sleep 1000"));
    let loader = Loader::open(&script.path(), Duration::from_secs(2)).unwrap();
    assert_eq!(loader.load(drive(), None).unwrap(), LoadOutcome::Loaded);
    assert_eq!(script.lines("input"), ["4"], "no second disc is taken");
    assert_eq!(script.lines("calls"), ["load /dev/fake", "list", "load /dev/fake"]);
}

#[test]
fn a_loader_that_fails_is_called_once_more_and_not_for_ever() {
    for how in ["exit 1", "exit 5", "kill -9 $$"] {
        let script = ScriptedLoader::new(5, &half_a_load(how));
        script.open().load(drive(), None).unwrap();
        assert_eq!(script.lines("input"), ["4"], "{how}");
    }
    let script = ScriptedLoader::new(5, "[ $1 = list ] || { echo 'arm stuck' >&2; exit 9; }");
    script.write("at", "lifted");
    let error = script.open().unload(drive(), UnloadTarget::Pile(Pile::Good)).unwrap_err();
    let words = crate::flow::chain(&error);
    assert_eq!(
        words,
        "the loader holds the disc: the loader failed (`unload /dev/fake good`) with exit code 9: \
         arm stuck"
    );
    assert_eq!(script.lines("calls").len(), 4);
}

#[test]
fn a_loader_that_does_not_know_where_the_disc_is_moves_nothing_more() {
    let script = ScriptedLoader::new(5, "[ $1 != load ] || { echo unknown >at; exit 1; }");
    let error = script.open().load(drive(), None).unwrap_err();
    assert!(matches!(error, LoaderError::Stuck { at: DiscPosition::Unknown, .. }), "{error:?}");
    assert_eq!(script.lines("calls"), ["load /dev/fake", "list"]);
    let script = ScriptedLoader::new(5, "exit 1");
    let error = script.open().load(drive(), None).unwrap_err();
    assert!(matches!(error, LoaderError::Lost { .. }), "{error:?}");
    // It does not list this drive.
    let script = ScriptedLoader::new(5, "[ $1 = list ] || exit 1");
    let error = script.open().load(Path::new("/dev/other"), None).unwrap_err();
    assert!(matches!(error, LoaderError::Stuck { .. }), "{error:?}");
}

#[test]
fn a_pile_that_is_full_is_said_and_not_tried_again() {
    let script = ScriptedLoader::new(5, "[ $1 != unload ] || exit 5");
    script.write("at", "drive");
    let error = script.open().unload(drive(), UnloadTarget::Pile(Pile::Bad)).unwrap_err();
    assert!(matches!(error, LoaderError::NoRoom { .. }), "{error:?}");
    assert_eq!(script.lines("calls"), ["unload /dev/fake bad"]);
}

#[test]
fn an_answer_that_is_not_one_is_refused() {
    let slots = |slot: &str| format!("{{\"contract\": 1, \"slots\": [{slot}], \"drives\": []}}");
    let many = vec!["{\"slot\": \"1\"}"; 10_001].join(",");
    let answers = [
        String::new(),
        "done".to_owned(),
        "\u{1}\u{2}".to_owned(),
        "[]".to_owned(),
        "{\"contract\": 2, \"slots\": [], \"drives\": []}".to_owned(),
        "{\"contract\": 1, \"slots\": []}".to_owned(),
        "{\"contract\": 1, \"slots\": [], \"drives\": []} {}".to_owned(),
        "[".repeat(100_000),
        slots("{\"slot\": \"\"}"),
        slots("{\"slot\": \"-f\"}"),
        slots("{\"slot\": \"good\"}"),
        slots("{\"slot\": \"a b\"}"),
        slots("{\"slot\": \"\\u001b[2J\"}"),
        slots("{\"slot\": 1}"),
        slots("{\"slot\": \"1\", \"pile\": \"other\"}"),
        slots("{\"slot\": \"1\", \"disc\": \"yes\"}"),
        slots(&many),
    ];
    for answer in answers {
        let script = ScriptedLoader::new(0, "cat answer; exit 0");
        script.write("answer", &answer);
        let refused = script.open().list();
        assert!(matches!(refused, Err(LoaderError::BadAnswer { .. })), "{answer:.60}: {refused:?}");
    }
    let script = ScriptedLoader::new(0, "cat answer; exit 0");
    script.write("answer", &slots("{\"slot\": \"1\", \"label\": \"A7\", \"more\": {}}"));
    assert_eq!(script.open().list().unwrap().slots[0].slot, slot("1"));
}

#[test]
fn an_answer_without_end_is_cut_off() {
    let script = ScriptedLoader::new(0, "yes");
    let endless = script.open().list().unwrap_err();
    let LoaderError::NotRun { source: CommandError::TooMuchOutput { .. }, .. } = endless else {
        panic!("{endless:?}")
    };
    let script = ScriptedLoader::new(0, "yes $'\\e[2J' | head -c 3000000 >&2; exit 1");
    let LoaderError::Failed { words, .. } = script.open().list().unwrap_err() else { panic!() };
    assert!(words.len() < 4000 && !words.contains('\u{1b}'), "{words:?}");
}

#[test]
fn a_loader_has_no_terminal_no_input_and_no_passphrase() {
    let seen = "{ tty || true; cat; env; } >seen 2>&1";
    let script = ScriptedLoader::new(0, seen);
    script.open().check().unwrap();
    let seen = script.lines("seen");
    assert_eq!(seen[0], "not a tty");
    assert!(seen.contains(&"LC_ALL=C".to_owned()), "{seen:?}");
    assert!(!seen.iter().any(|line| line.starts_with("COLDCUT_PASSPHRASE")), "{seen:?}");
}

fn refusal(path: &Path) -> String {
    Loader::open(path, Loader::TIMEOUT).unwrap_err().to_string()
}

/// Needs root, who alone can give files away.
#[test]
fn a_loader_that_somebody_else_can_change_is_not_run() {
    let script = ScriptedLoader::new(1, "");
    let (path, dir) = (script.path(), script.dir.path());
    script.open();
    fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
    assert!(refusal(&path).contains("others can write to it"));
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(dir, Permissions::from_mode(0o777)).unwrap();
    assert!(refusal(&path).contains("because of the directory"));
    fs::set_permissions(dir, Permissions::from_mode(0o755)).unwrap();
    chown(&path, Some(65534), None).unwrap();
    assert!(refusal(&path).contains("it belongs to nobody"));
    // What counts is the program, not who made a link to it.
    let link = dir.join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(refusal(&link).contains("it belongs to nobody"));
    chown(&path, Some(0), None).unwrap();
    chown(dir, Some(65534), None).unwrap();
    assert!(refusal(&path).contains("because of the directory"));
    assert_eq!(script.lines("calls"), [""; 0]);
    assert!(refusal(Path::new("/nowhere/loader")).contains("cannot be run"));
    assert!(refusal(Path::new("/dev/null")).contains("cannot be run"));
}

#[test]
fn a_loader_that_has_brought_nothing_is_found_out() {
    let script = ScriptedLoader::new(5, "");
    let mut served = script.serve(FakeDrive::default(), &Arc::default());
    let slot = served.slot().unwrap();
    let error = slot.await_medium(&Deadline::never(), &Stop::new()).unwrap_err();
    assert!(matches!(error, DriveError::Loader(LoaderError::DriveEmpty { .. })), "{error:?}");
}

#[test]
fn three_rejected_discs_in_a_row_are_enough() {
    let (script, dir) = (ScriptedLoader::new(9, ""), tempfile::tempdir().unwrap());
    let (fake, tally) = (FakeDrive::default(), Arc::default());
    let mut served = script.serve(fake.clone(), &tally);
    let mut next = |pile| {
        fake.will_get(&[dir.path()]);
        let slot = served.slot().unwrap();
        let is_in = slot.await_medium(&Deadline::never(), &Stop::new())?;
        assert!(is_in && slot.put_away(pile)?.is_some());
        Ok::<(), DriveError>(())
    };
    for pile in [Pile::Bad, Pile::Bad, Pile::Good, Pile::Bad, Pile::Bad, Pile::Bad] {
        next(pile).unwrap();
    }
    let error = next(Pile::Good).unwrap_err();
    assert!(
        matches!(error, DriveError::Loader(LoaderError::OnlyRejects { rejected: 3 })),
        "{error:?}"
    );
    assert_eq!(script.lines("input"), ["3"], "the rest of the stack is left alone");
    let count = tally.count();
    assert_eq!((count.discs, count.good, count.rejected), (6, 1, vec![1, 2, 4, 5, 6]));
}

#[test]
fn what_an_earlier_run_left_half_moved_is_finished_and_never_called_good() {
    for (at, after, piles) in [
        ("none", "none", &[][..]),
        ("drive", "drive", &[]),
        ("tray", "drive", &[]),
        ("lifted", "none", &["bad"]),
    ] {
        let script = ScriptedLoader::new(5, "");
        script.write("at", at);
        let mut served = script.serve(FakeDrive::default(), &Arc::default());
        let said = std::sync::Mutex::new(Vec::new());
        served.settle(&|notice| said.lock().unwrap().push(notice), &Stop::new()).unwrap();
        assert_eq!(script.lines("at"), [after]);
        assert_eq!(script.lines("piles"), piles, "{at}");
        let said = said.into_inner().unwrap();
        let is_said = matches!(said[..], [BurnNotice::LiftedDiscRejected { number: 1, .. }]);
        assert_eq!(is_said, at == "lifted", "{said:?}");
        assert_eq!(script.lines("input"), ["5"], "{at}");
    }
}

#[test]
fn an_empty_drive_has_nothing_to_put_away() {
    let script = ScriptedLoader::new(5, "");
    let tally = Arc::default();
    let mut served = script.serve(FakeDrive::default(), &tally);
    assert_eq!(served.slot().unwrap().put_away(Pile::Good).unwrap(), None);
    assert_eq!(script.lines("calls"), [""; 0]);
    assert_eq!(tally.count().discs, 0);
}

/// A jukebox with four slots, the first three of the input; one of them has no disc, which it cannot
/// tell. The loader's own order would take what was put back again.
#[test]
fn discs_that_are_only_read_go_back_to_their_slots() {
    let jukebox = r#"
        case $1 in
          check) echo '{"contract": 1, "chooses": true}'; exit 0 ;;
          list) echo '{"contract": 1, "slots": [
                  {"slot": "1", "pile": "input", "disc": true}, {"slot": "2", "pile": "input"},
                  {"slot": "3", "pile": "input", "disc": true}, {"slot": "4", "pile": "bad"},
                  {"slot": "5", "pile": "input", "disc": false}],
                "drives": [{"drive": "/dev/fake", "disc": "drive", "slot": "9"}]}'; exit 0 ;;
          load) [ "$3" != 2 ] || exit 4 ;;
        esac"#;
    let (script, dir) = (ScriptedLoader::new(9, jukebox), tempfile::tempdir().unwrap());
    let (fake, tally) = (FakeDrive::default(), Arc::default());
    let mut served = script.serve_for(StackTask::Verify, fake.clone(), &tally);
    let slot = served.slot().unwrap();
    // The first one is in the drive already.
    fake.put_in(dir.path());
    script.write("at", "drive");
    slot.put_away(Pile::Good).unwrap();
    for pile in [Pile::Bad, Pile::Good] {
        fake.will_get(&[dir.path()]);
        assert!(slot.await_medium(&Deadline::never(), &Stop::new()).unwrap());
        slot.put_away(pile).unwrap();
    }
    assert!(!slot.await_medium(&Deadline::never(), &Stop::new()).unwrap());
    assert_eq!(script.lines("piles"), ["9", "bad", "3"]);
    let calls = script.lines("calls");
    let loads = calls.iter().filter(|call| call.starts_with("load")).collect::<Vec<_>>();
    assert_eq!(loads, ["load /dev/fake 1", "load /dev/fake 2", "load /dev/fake 3"]);
}
