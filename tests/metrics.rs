//! The numbers of the service for a monitoring system: as the catalog has them, and without a name of
//! a file.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;

use support::Sandbox;
use support::terminal::end;

fn metrics(service: &support::service::Service) -> String {
    let answer = service.get("/metrics");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains("text/plain; version=0.0.4"), "{}", answer.head);
    answer.body
}

#[track_caller]
fn has(text: &str, line: &str) {
    assert!(text.lines().any(|own| own == line), "{line}: {text}");
}

#[test]
fn the_numbers_are_those_of_the_catalog_and_of_the_runs() {
    let (sandbox, service) = Sandbox::with_films(2).served();
    let text = metrics(&service);
    has(&text, "coldcut_runs 0");
    assert!(!text.contains("set="), "nothing was backed up yet: {text}");
    sandbox.backup("films", &[]).ok();
    fs::write(sandbox.source().join("film9"), "x".repeat(1000)).unwrap();
    sandbox.backup("films", &["--stage"]).ok();
    let text = metrics(&service);
    for line in [
        "coldcut_set_safe{set=\"films\"} 0",
        "coldcut_safe_files{set=\"films\"} 2",
        "coldcut_safe_bytes{set=\"films\"} 2000000",
        "coldcut_unsafe_files{set=\"films\"} 1",
        "coldcut_unsafe_bytes{set=\"films\"} 1000",
        "coldcut_discs{set=\"films\",state=\"verified\"} 1",
        "coldcut_copies{set=\"films\",state=\"ok\"} 1",
        "coldcut_open_questions 0",
    ] {
        has(&text, line);
    }
    let date =
        |line: &str| line.starts_with("coldcut_last_backup_timestamp_seconds{set=\"films\"} ");
    let date = text.lines().find(|line| date(line)).unwrap().rsplit(' ').next().unwrap();
    let seconds: i64 = date.parse().unwrap();
    let snapshots = service.get("/api/snapshots?set=films").json();
    let shown = sandbox.bash(&format!("date -u -d @{seconds} +%FT%TZ")).stdout();
    assert_eq!(shown.trim(), snapshots[1]["date"]);

    let mut run = sandbox.asking(&["lost", "1"]);
    service.events_until(0, |event| event["event"] == "question");
    let text = metrics(&service);
    has(&text, "coldcut_open_questions 1");
    has(&text, "coldcut_runs 1");
    let last = service.get("/api/state").json()["last_event"].as_u64().unwrap();
    has(&text, &format!("coldcut_journal_last_event {last}"));
    let shelf = support::text(&sandbox.shelf());
    assert!(!text.contains("film9") && !text.contains(&shelf), "{text}");
    sandbox.run(["answer", "no"]).ok();
    end(&mut run);
}

#[test]
fn numbers_need_a_session_over_tcp() {
    let (_sandbox, service) = Sandbox::new().served();
    let request = format!("GET /metrics HTTP/1.0\r\nHost: {}\r\n\r\n", service.address);
    assert_eq!(service.over_tcp(&request).status, 401);
}
