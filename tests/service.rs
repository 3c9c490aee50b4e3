//! The resident service: runs report to it and are answered through it, and are the same without it.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;
use std::thread;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use support::terminal::end;
use support::{Sandbox, text};

fn is_end(event: &Value) -> bool {
    event["event"] == "run" && event["state"] == "ended"
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

fn numbers(events: &[Value]) -> Vec<u64> {
    events.iter().filter_map(|event| event["number"].as_u64()).collect()
}

#[test]
fn a_run_reports_what_it_does_and_the_journal_survives_a_kill() {
    let (mut sandbox, mut service) = Sandbox::with_films(7).served();
    sandbox.backup("films", &[]).ok();
    let first = service.events_until(0, is_end);
    assert_eq!(first[0]["state"], "begun");
    for name in ["phase", "end", "disc", "note"] {
        assert!(names(&first).contains(&name), "{name}: {first:#?}");
    }
    let verified = first.iter().filter(|event| event["state"] == "verified").count();
    assert_eq!((verified, &first.last().unwrap()["exit"]), (3, &json!(0)));
    assert!(first.iter().all(|event| event["command"] == "backup" && !event["at"].is_null()));
    let before = numbers(&first);
    assert_eq!(before, (1..=before.len() as u64).collect::<Vec<_>>());

    service.signals(Signal::SIGKILL);
    assert_eq!(service.ends(), -9);
    drop(service);
    let service = sandbox.serve();
    sandbox.run(["verify", "shelf"]).ok();
    let all = service.events_until(0, |event| is_end(event) && event["command"] == "verify");
    assert_eq!(&all[..first.len()], &first[..], "nothing was lost, and nothing has changed");
    let numbers = numbers(&all);
    assert!(numbers.is_sorted() && numbers.len() > before.len());
    let state = service.get("/api/state").json();
    assert_eq!(state["runs"][0]["command"], "verify");
    assert_eq!(state["runs"][0]["ended"]["exit"], 0);
}

#[test]
fn who_comes_back_hears_what_was_missed_and_nothing_twice() {
    let (sandbox, service) = Sandbox::with_films(7).served();
    sandbox.backup("films", &[]).ok();
    let all = service.events_until(0, is_end);
    let seen = all[all.len() / 2]["number"].as_u64().unwrap();
    let rest = service.events_until(seen, is_end);
    assert_eq!(numbers(&rest)[0], seen + 1);
    assert_eq!(rest[..], all[all.len() - rest.len()..]);
}

#[test]
fn a_question_is_answered_through_the_service_and_the_first_answer_counts() {
    let (sandbox, service) = Sandbox::with_films(7).served();
    sandbox.backup("films", &[]).ok();
    for (word, code) in [("no", 1), ("yes", 0)] {
        let after = service.get("/api/state").json()["last_event"].as_u64().unwrap();
        let mut run = sandbox.asking(&["lost", "1"]);
        service.events_until(after, |event| event["event"] == "question");
        let open = service.get("/api/questions").json();
        assert_eq!((open.as_array().unwrap().len(), &open[0]["kind"]), (1, &json!("record-lost")));
        let id = open[0]["id"].as_str().unwrap().to_owned();
        sandbox.run(["answer", &id, "perhaps"]).code(1).says("not one of the choices");
        sandbox.run(["answer", word]).ok().says(word);
        assert_eq!(end(&mut run).code(), Some(code), "{word}");
        let answered = service.events_until(after, is_end);
        let answer = answered.iter().find(|event| event["event"] == "answer").unwrap();
        assert_eq!(answer["answer"], word);
        assert_eq!(service.get("/api/questions").json(), json!([]));
        sandbox.run(["answer", &id, "yes"]).code(1).says("no such question");
    }
    sandbox.run(["answer", "yes"]).code(2).says("no question is open");
    let discs = service.get("/api/discs?set=films").json();
    assert_eq!(discs[0]["media"][0]["state"], "lost");
}

#[test]
fn an_answer_from_elsewhere_ends_the_wait_at_the_terminal() {
    let (sandbox, service) = Sandbox::with_films(7).served();
    sandbox.backup("films", &[]).ok();
    let mut terminal = sandbox.at_terminal(["lost", "1"]);
    terminal.waits_for("[y/N]");
    service.events_until(0, |event| event["event"] == "question");
    sandbox.run(["answer", "yes"]).ok();
    assert_eq!(terminal.ends().0, 0);
    let mut terminal = sandbox.at_terminal(["lost", "2"]);
    terminal.waits_for("[y/N]").types("n\n");
    assert_eq!(terminal.ends().0, 1, "and the terminal still answers");
}

#[test]
fn a_service_that_is_restarted_finds_the_question_again() {
    let (mut sandbox, mut service) = Sandbox::with_films(7).served();
    sandbox.backup("films", &[]).ok();
    let mut run = sandbox.asking(&["lost", "1"]);
    service.events_until(0, |event| event["event"] == "question");
    let before = service.get("/api/questions").json();
    service.signals(Signal::SIGKILL);
    service.ends();
    drop(service);
    let service = sandbox.serve();
    service.events_until(0, |event| event["state"] == "reports-again");
    // What it asks comes with the next line.
    let is_asked = |_: &u32| service.get("/api/questions").json() != json!([]);
    assert!((0..10_000).any(|attempt| is_asked(&attempt)));
    assert_eq!(service.get("/api/questions").json(), before, "under the same name");
    sandbox.run(["answer", before[0]["id"].as_str().unwrap(), "yes"]).ok();
    assert_eq!(end(&mut run).code(), Some(0));
}

#[test]
fn a_run_reports_only_to_the_service_of_its_catalog() {
    let (sandbox, service) = Sandbox::with_films(7).served();
    let other = text(&sandbox.path("other.sqlite"));
    sandbox.backup("films", &["--catalog", &other]).ok();
    assert_eq!(service.get("/api/state").json()["last_event"], 0);
    assert_eq!(service.get("/api/sets").json(), json!([]));
    sandbox.run(["serve"]).code(1).says("another service of this catalog");
    sandbox.run(["serve", "--catalog", &other]).code(1).says("another service is running");
}

/// What it does with a run that wants to report.
fn false_service(sandbox: &mut Sandbox, behaviour: impl Fn(UnixStream) + Send + 'static) {
    std::fs::create_dir(sandbox.path("run")).unwrap();
    let listener = UnixListener::bind(sandbox.hub()).unwrap();
    sandbox.set("COLDCUT_HUB", sandbox.hub());
    thread::spawn(move || listener.incoming().for_each(|stream| behaviour(stream.unwrap())));
}

fn reads_head(stream: &UnixStream) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
}

const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";

/// Three discs, packed, burned and verified, as without a service.
fn backs_up(sandbox: &Sandbox) {
    let run = sandbox.backup("films", &["--json"]);
    run.ok();
    assert_eq!(run.objects().last().unwrap()["discs"], json!([1, 2, 3]), "{}", run.story());
    assert!(!run.stderr().contains("service"), "{}", run.story());
}

#[test]
fn a_run_is_the_same_without_a_service_and_with_one_that_never_reads() {
    let mut sandbox = Sandbox::with_films(7);
    sandbox.set("COLDCUT_HUB", sandbox.path("nobody/hub.sock"));
    backs_up(&sandbox);

    // Kept open, and never read: neither the head of the request nor the events.
    let mut sandbox = Sandbox::with_films(7);
    false_service(&mut sandbox, std::mem::forget);
    backs_up(&sandbox);

    let mut sandbox = Sandbox::with_films(7);
    false_service(&mut sandbox, |mut stream| {
        reads_head(&stream);
        stream.write_all(SWITCH).unwrap();
        std::mem::forget(stream);
    });
    backs_up(&sandbox);
}

#[test]
fn a_run_is_the_same_if_its_service_dies_or_talks_nonsense() {
    let mut sandbox = Sandbox::with_films(7);
    false_service(&mut sandbox, |mut stream| {
        reads_head(&stream);
        stream.write_all(SWITCH).unwrap();
        let _ = stream.read(&mut [0; 100]);
    });
    backs_up(&sandbox);

    let mut sandbox = Sandbox::with_films(7);
    false_service(&mut sandbox, |mut stream| {
        reads_head(&stream);
        stream.write_all(SWITCH).unwrap();
        let answer = "{\"question\": 1, \"answer\": \"yes\"}\n";
        let _ = stream.write_all(format!("{answer}nonsense\n{}", "x".repeat(1 << 20)).as_bytes());
        thread::spawn(move || std::io::copy(&mut stream, &mut std::io::sink()));
    });
    backs_up(&sandbox);
}

#[test]
fn a_run_that_is_killed_is_not_shown_as_running() {
    let (sandbox, service) = Sandbox::with_films(7).served();
    sandbox.backup("films", &[]).ok();
    let mut run = sandbox.asking(&["lost", "1"]);
    service.events_until(0, |event| event["event"] == "question");
    run.kill().unwrap();
    run.wait().unwrap();
    service.events_until(0, |event| event["state"] == "silent");
    let state = service.get("/api/state").json();
    assert_eq!(
        (&state["runs"][0]["reports"], &state["runs"][0]["ended"]),
        (&json!(false), &json!(null))
    );
    assert_eq!(service.get("/api/questions").json(), json!([]));
}

#[test]
fn follow_shows_a_line_for_what_happens() {
    let (sandbox, mut service) = Sandbox::with_films(7).served();
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_coldcut"));
    let mut child = command.arg("follow").stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // It listens at the latest when the service has a listener; an earlier run is told as state.
    thread::scope(|scope| {
        let told = scope.spawn(|| {
            let mut told: Vec<String> = Vec::new();
            for line in lines {
                told.push(line.unwrap());
                let is_told = |what: &str| told.iter().any(|line| line.starts_with(what));
                if is_told("verify: verifying disc 1") && is_told("verify: done") {
                    return told;
                }
            }
            panic!("it ended: {told:?}");
        });
        sandbox.backup("films", &["--quiet"]).ok();
        while !told.is_finished() {
            sandbox.run(["verify", "--quiet", "shelf"]).ok();
        }
        told.join().unwrap();
    });
    service.signals(Signal::SIGTERM);
    assert_eq!(service.ends(), 0);
    assert_eq!(end(&mut child).code(), Some(1), "the service has ended");
    sandbox.run(["follow"]).code(1).says("no service is running");
}
