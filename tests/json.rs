//! The end of a run for programs: what failed is the last object of `--json`, with its exit code, and
//! what has a result ends with that.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{Run, Sandbox};

fn run(sandbox: &Sandbox, line: &str) -> Run {
    sandbox.run(line.split_whitespace())
}

fn errors(run: &Run) -> usize {
    run.objects().iter().filter(|object| object["event"] == "error").count()
}

/// The run ended with this code and with an object that reports it.
#[track_caller]
fn fails(run: &Run, code: i32, kind: &str) -> Value {
    run.code(code);
    assert_eq!(errors(run), 1, "{}", run.story());
    let last = run.objects().pop().unwrap();
    assert_eq!(last["event"], "error", "{}", run.story());
    assert_eq!((&last["kind"], &last["exit"]), (&json!(kind), &json!(code)), "{}", run.story());
    let text = last["text"].as_str().unwrap();
    assert!(!text.is_empty(), "{}", run.story());
    for line in text.lines() {
        run.says(line);
    }
    last
}

/// The run ended with this code, and its last object is a result.
#[track_caller]
fn has_result(run: &Run, code: i32) -> Value {
    run.code(code);
    assert_eq!(errors(run), 0, "{}", run.story());
    run.objects().pop().unwrap()
}

const BACKUP: &str = "backup --json --disc-size 3M --set films source shelf";

/// Three discs of films.
fn with_discs() -> Sandbox {
    let sandbox = Sandbox::with_films(7);
    run(&sandbox, BACKUP).ok();
    assert_eq!(sandbox.images().len(), 3);
    sandbox
}

/// The content of a file on the first disc is not what it was.
fn damage(sandbox: &Sandbox) {
    let line = "head -c 4096 /dev/zero | dd of=shelf/films-0001.iso bs=1 seek=1500000 conv=notrunc";
    sandbox.bash(line).ok();
}

#[test]
fn a_command_line_that_cannot_be_understood_is_reported() {
    let mut sandbox = Sandbox::new();
    let wrong = [
        "--json",
        "--json frobnicate",
        "restore --json",
        "ls --snapshot 0 --json",
        "discs --encrypt --json",
        "backup --encrypt --no-encrypt source shelf --json",
        "ls ../x --json",
    ];
    for line in wrong {
        fails(&run(&sandbox, line), 2, "usage");
    }
    for line in ["frobnicate", "frobnicate -- --json"] {
        assert_eq!(run(&sandbox, line).code(2).stdout(), "", "{line}");
    }
    assert!(run(&sandbox, "--json --help").ok().stdout().starts_with("Store"));
    fs::write(sandbox.path("config.toml"), "json = true\n").unwrap();
    sandbox.set("COLDCUT_CONFIG", sandbox.path("config.toml"));
    fails(&run(&sandbox, "frobnicate"), 2, "usage");
}

#[test]
fn a_command_that_could_not_do_its_work_is_reported() {
    let sandbox = Sandbox::new();
    fails(&run(&sandbox, "snapshots --json"), 1, "failed");
    // The places come first, and then what is wrong with them.
    let status = run(&sandbox, "status --json");
    fails(&status, 1, "failed");
    assert_eq!(status.objects()[0]["catalog_exists"], false);
    fails(&run(&sandbox, "backup --json nowhere shelf"), 1, "failed");
    fails(&run(&sandbox, "backup --json --quiet nowhere shelf"), 1, "failed");
}

#[test]
fn an_answer_that_nobody_gives_is_reported_after_the_rows() {
    let sandbox = with_discs();
    let lost = run(&sandbox, "lost 1 --json");
    fails(&lost, 1, "failed");
    assert_eq!(lost.results().len(), 1);
    assert_eq!(has_result(&run(&sandbox, "lost 1 --json --yes"), 0)["command"], "lost");
}

#[test]
fn another_coldcut_at_work_is_reported() {
    let sandbox = with_discs();
    let program = env!("CARGO_BIN_EXE_coldcut");
    let line = format!("flock catalog.sqlite.lock '{program}' flush --json");
    fails(&sandbox.bash(&line), 6, "busy");
}

#[test]
fn a_disc_that_does_not_come_is_reported_if_there_is_no_result() {
    let sandbox = Sandbox::with_films(7);
    fs::write(sandbox.shelf().join(".shelf.toml"), "full_after = 1\n").unwrap();
    fails(&run(&sandbox, BACKUP), 4, "disc-missing");
    fs::create_dir(sandbox.path("empty")).unwrap();
    fails(&run(&sandbox, "restore --json empty target"), 4, "disc-missing");
}

#[test]
fn a_disc_that_is_missing_is_in_the_summary_of_a_restore() {
    let sandbox = with_discs();
    fs::remove_file(&sandbox.images()[1]).unwrap();
    let summary = has_result(&run(&sandbox, "restore --json shelf target"), 4);
    assert_eq!((&summary["event"], &summary["command"]), (&json!("summary"), &json!("restore")));
    assert_eq!(summary["missing_discs"], json!([2]));
}

#[test]
fn damage_is_in_the_summary_of_what_looks_for_it_and_ends_what_does_not() {
    let sandbox = with_discs();
    damage(&sandbox);
    let summary = has_result(&run(&sandbox, "verify --json shelf"), 5);
    assert_eq!(summary["command"], "verify");
    assert_eq!(summary["discs"][0]["finding"], "damaged");
    fails(&run(&sandbox, "copy --json 1 --from shelf other"), 5, "damage");
}

#[test]
fn what_a_burn_could_not_do_is_in_its_summary() {
    let sandbox = Sandbox::with_films(1);
    run(&sandbox, "backup --stage --disc-size 3M --set films source").ok();
    sandbox.bash("rm staging/films-*/0001/README.txt").ok();
    let summary = has_result(&run(&sandbox, "burn --json shelf"), 3);
    assert_eq!(summary["command"], "burn");
    assert_eq!((&summary["discs"], &summary["incomplete"]), (&json!([]), &json!([1])));
}

#[test]
fn a_set_that_is_not_safe_is_the_last_object_of_status() {
    let sandbox = Sandbox::with_films(1);
    run(&sandbox, "backup --stage --disc-size 3M --set films source").ok();
    let set = has_result(&run(&sandbox, "status --json"), 3);
    assert_eq!((&set["id"], &set["is_safe"]), (&json!("films"), &json!(false)));
}

#[test]
fn a_run_that_is_stopped_is_reported() {
    let sandbox = Sandbox::new();
    // An hour's hashing.
    sandbox.bash("printf x > source/hole; truncate -s 4T source/hole").ok();
    let program = env!("CARGO_BIN_EXE_coldcut");
    for (signal, code) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        // A shell without job control starts it with SIGINT ignored.
        let line = format!(
            "set -m; mkfifo out; '{program}' {BACKUP} >out & run=$!
             while read -r line; do
                 echo \"$line\"
                 case $line in *'\"phase\":\"packing\"'*) kill -{signal} $run ;; esac
             done <out
             rm out; wait $run"
        );
        fails(&sandbox.bash(&line), code, "interrupted");
    }
}

#[test]
fn a_run_that_succeeds_ends_with_its_result() {
    let sandbox = with_discs();
    for line in ["verify --json shelf", "restore --json shelf target", "burn --json shelf"] {
        let last = has_result(&run(&sandbox, line), 0);
        assert_eq!(last["event"], "summary", "{line}");
        assert_eq!(last["command"], line.split(' ').next().unwrap(), "{line}");
    }
    assert_eq!(has_result(&run(&sandbox, "status --json"), 0)["is_safe"], true);
}
