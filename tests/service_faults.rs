//! What the resident service does with those who speak to it wrongly or twice, and how it shows a run
//! that it is there.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use support::Sandbox;
use support::service::Service;
use support::terminal::end;

/// What says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Begins to report as this run; the lines of the answer.
fn reports(sandbox: &Sandbox, service: &Service, run: &str) -> impl Iterator<Item = String> {
    BufReader::new(reporting(sandbox, service, run)).lines().map(Result::unwrap)
}

fn reporting(sandbox: &Sandbox, service: &Service, run: &str) -> UnixStream {
    let place = sandbox.path("catalog.sqlite").canonicalize().unwrap();
    let name: String = place.as_os_str().as_bytes().iter().map(|b| format!("{b:02x}")).collect();
    let mut stream = UnixStream::connect(&service.socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "GET /api/report?run={run}&command=x&pid=1&catalog={name} HTTP/1.1\r\n\
         Connection: Upgrade\r\nUpgrade: coldcut-report-1\r\nHost: localhost\r\n\r\n"
    )
    .unwrap();
    stream
}

#[test]
fn tasks_of_two_runs_have_names_of_their_own_on_the_page() {
    let mut sandbox = Sandbox::with_films(1);
    let service = sandbox.serve();
    sandbox.backup("films", &[]).ok();
    let phase = r#"{"event":"phase","task":1,"phase":"writing","total":9,"drive":"/dev/sr0"}"#;
    let runs = ["0123abcd", "0123abce"].map(|run| {
        let mut stream = reporting(&sandbox, &service, run);
        writeln!(stream, "{phase}").unwrap();
        let is_own = |event: &serde_json::Value| event["run"] == run && event["event"] == "phase";
        service.events_until(0, is_own);
        stream
    });
    let page = service.get("/").body;
    let ids: Vec<&str> =
        page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(ids.iter().filter(|id| id.starts_with("task-")).count(), 2, "{page}");
    assert!(ids.iter().all(|id| ids.iter().filter(|other| *other == id).count() == 1), "{ids:?}");
    drop(runs);
}

#[test]
fn the_service_says_that_it_listens_and_a_connection_that_is_replaced_ends() {
    let (sandbox, service) = Sandbox::with_films(7).served();
    sandbox.backup("films", &[]).ok();
    let mut first = reports(&sandbox, &service, "0123abcd");
    assert!(first.next().unwrap().contains(" 101 "));
    assert!(first.any(|line| line.is_empty()), "the end of the head");
    assert_eq!(first.next().as_deref(), Some(""), "the line that says so");
    let mut second = reports(&sandbox, &service, "0123abcd");
    assert!(second.next().unwrap().contains(" 101 "));
    assert_eq!(first.find(|line| !line.is_empty()), None, "it has ended");
}

#[test]
fn nobody_takes_the_name_of_a_run_that_reports() {
    let (sandbox, service) = Sandbox::with_films(7).served();
    sandbox.backup("films", &[]).ok();
    let mut run = sandbox.asking(&["lost", "1"]);
    let events = service.events_until(0, |event| event["event"] == "question");
    let name = events.last().unwrap()["run"].as_str().unwrap();
    assert!(reports(&sandbox, &service, name).next().unwrap().contains(" 409 "));
    sandbox.run(["answer", "yes"]).ok();
    assert_eq!(end(&mut run).code(), Some(0), "the run itself is still heard");
}

#[test]
fn what_is_refused_is_an_object_with_a_text() {
    let (_sandbox, service) = Sandbox::new().served();
    let long = service.post("/api/questions/0123abcd-1", &"x".repeat(65 << 10));
    let refused =
        ["/api/events?after=x", "/api/discs?set=a&set=b"].map(|target| service.get(target));
    for (answer, status) in [(&long, 413), (&refused[0], 400), (&refused[1], 400)] {
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.json()["text"].is_string(), "{answer:?}");
    }
}
