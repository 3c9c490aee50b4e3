//! Files that are found through the service: with their snapshots, discs and copies, whatever they are
//! called.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use serde_json::{Value, json};
use support::Sandbox;
use support::browser::Browser;
use support::service::Service;

/// Two snapshots of films, in which one was changed and one removed, and a service.
fn served() -> (Sandbox, Service) {
    let mut sandbox = Sandbox::with_films(3);
    sandbox.backup("films", &[]).ok();
    fs::write(sandbox.source().join("film1"), "changed").unwrap();
    fs::remove_file(sandbox.source().join("film2")).unwrap();
    sandbox.backup("films", &["--allow-shrink"]).ok();
    let service = sandbox.serve();
    (sandbox, service)
}

#[track_caller]
fn finds(service: &Service, query: &str) -> Vec<Value> {
    let answer = service.get(&format!("/api/find?{query}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json().as_array().unwrap().clone()
}

#[test]
fn a_file_is_found_with_its_snapshots_its_disc_its_copy_and_its_place() {
    let (sandbox, service) = served();
    sandbox.run(["locate", "1", "the cellar"]).ok();
    let all = finds(&service, "q=film&set=films");
    let states: Vec<Value> =
        all.iter().map(|one| json!([one["path"], one["first"], one["last"]])).collect();
    let expected = json!([["film0", 1, 2], ["film1", 1, 1], ["film1", 2, 2], ["film2", 1, 1]]);
    assert_eq!(json!(states), expected);
    let disc = &all[3]["on"][0];
    let discs = service.get("/api/discs?set=films").json();
    assert_eq!((&disc["disc"], &disc["uuid"]), (&json!(1), &discs[0]["uuid"]));
    assert_eq!(
        (&disc["media"][0]["copy"], &disc["media"][0]["place"]),
        (&json!(1), &json!("the cellar"))
    );
    assert_eq!(finds(&service, "q=FILM"), [] as [Value; 0], "as `find` compares");
    assert_eq!(finds(&service, "q=%2Ffilm2"), &all[3..], "a pattern");
    assert_eq!(finds(&service, "q=film%5B02%5D").len(), 2, "a pattern");
    assert_eq!(finds(&service, "q=+%2Ffilm2+"), &all[3..], "a phone adds blanks");
}

#[test]
fn what_only_an_unfinished_run_saw_is_not_found() {
    let (sandbox, service) = served();
    let catalog = rusqlite::Connection::open(sandbox.catalog()).unwrap();
    catalog.execute("UPDATE snapshots SET finished=NULL WHERE seq=2", []).unwrap();
    let all = finds(&service, "q=film1");
    assert_eq!((all.len(), &all[0]["last"]), (1, &json!(1)));
}

#[test]
fn there_is_an_end_to_what_is_found_and_to_what_is_looked_for() {
    let mut sandbox = Sandbox::new();
    for n in 0..1100 {
        fs::write(sandbox.source().join(format!("{n:04}.jpg")), "").unwrap();
    }
    sandbox.backup("many", &[]).ok();
    let service = sandbox.serve();
    let answer = service.get("/api/find?q=.jpg");
    assert_eq!(answer.json().as_array().unwrap().len(), 1000);
    assert!(answer.head.contains("coldcut-more: 1"), "{}", answer.head);
    let answer = service.get("/api/find?q=000");
    assert!(!answer.head.contains("coldcut-more"), "{}", answer.head);
    let page = service.get("/find?q=.jpg");
    assert_eq!(page.body.matches("<li class=\"card\">").count(), 100);
    assert!(page.body.contains("There are more."));
    assert_eq!(service.get(&format!("/api/find?q={}", "a".repeat(256))).status, 400);
    let deep = "%7Ba,b%7D".repeat(28);
    assert!([200, 400].contains(&service.get(&format!("/api/find?q={deep}")).status));
}

#[test]
fn names_that_are_not_text_are_found_and_listed_and_harm_no_page() {
    let mut sandbox = Sandbox::new();
    let hostile: [&[u8]; 4] = [
        b"x<script>alert(1)<script>",
        b"x\"'>&amp;",
        b"x\xff\xfe",
        "x\u{202e}gpj.\u{1b}[2J".as_bytes(),
    ];
    let dir = sandbox.source().join(OsStr::from_bytes(b"d\xff"));
    fs::create_dir(&dir).unwrap();
    for name in hostile {
        fs::write(dir.join(OsStr::from_bytes(name)), "").unwrap();
    }
    sandbox.backup("s", &[]).ok();
    let service = sandbox.serve();
    let all = finds(&service, "q=x");
    assert_eq!(all.len(), hostile.len());
    let page = service.get("/find?q=x%3Cscript%3E").body;
    assert!(!page.contains("<script>") && page.contains("&lt;script&gt;"), "{page}");
    let page = service.get("/find?q=x").body;
    assert!(!page.contains(['\u{202e}', '\u{1b}']) && page.contains("x\\u{202e}gpj"), "{page}");
    assert!(page.contains("x\\xff\\xfe"), "{page}");

    let bytes = service.get("/api/ls").json()[0]["path_bytes"].as_str().unwrap().to_owned();
    assert_eq!(bytes, "64ff");
    let listed = service.get(&format!("/api/ls?path_bytes={bytes}")).json();
    assert_eq!(listed.as_array().unwrap().len(), hostile.len());
    assert_eq!(service.get("/api/ls?path=d%EF%BF%BD").status, 404, "another directory");
}

#[test]
fn the_page_finds_without_javascript() {
    let (sandbox, service) = served();
    let browser = Browser::new(false);
    browser.goes_to(&sandbox.link()).clicks("button");
    browser.goes_to(&format!("http://{}/find", service.address));
    let field = browser.all("#q").remove(0);
    assert_eq!(
        (browser.role(&field), browser.label(&field)),
        ("searchbox".to_owned(), "Name".to_owned())
    );
    browser.types(&field, "film2").clicks("main button");
    let found = browser.text("#found");
    assert!(
        found.contains("film2")
            && found.contains("snapshot 1")
            && found.contains("films 1: copy 1"),
        "{found}"
    );
    for (width, scheme) in [(320, "light"), (800, "dark")] {
        browser.looks_like(width, scheme).draws(&format!("find-{width}-{scheme}"));
    }
    browser.clicks("#found a");
    assert!(browser.url().contains("/discs/"), "{}", browser.url());
}
