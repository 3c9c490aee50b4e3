//! The service's page in a real browser: with JavaScript and without, narrow and wide, for those who
//! see it and those who hear it, and for a page from elsewhere.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::fs;

use support::Sandbox;
use support::browser::Browser;
use support::service::Service;
use support::terminal::end;

const PAGES: [&str; 6] = ["/", "/questions", "/safe", "/discs", "/find?q=film", "/log"];

/// Lets the browser in.
fn opens(browser: &Browser, sandbox: &Sandbox) {
    browser.goes_to(&sandbox.link()).clicks("button");
    browser.waits_until("the first page", |page| !page.all("nav").is_empty());
}

fn url(service: &Service, path: &str) -> String {
    format!("http://{}{path}", service.address)
}

/// Every control has a name for those who do not see it, and a role that says what it is.
#[track_caller]
fn every_control_has_a_name(browser: &Browser) {
    let controls = "a, button, input:not([type=hidden]), select, progress, meter, summary";
    for element in browser.all(controls) {
        let (label, role) = (browser.label(&element), browser.role(&element));
        let is_gone = role.is_empty();
        let is_named = !label.trim().is_empty() && role != "generic";
        assert!(is_gone || is_named, "{role} {label:?} at {}", browser.url());
    }
}

#[test]
fn the_page_follows_a_backup_from_its_beginning_to_its_end() {
    let mut sandbox = Sandbox::with_films(2);
    // Its one disc of 2 MB takes half a minute, however slow the browser is.
    fs::write(sandbox.shelf().join(".shelf.toml"), "write_rate = 70_000\n").unwrap();
    let service = sandbox.serve();
    let browser = Browser::new(true);
    opens(&browser, &sandbox);
    browser.waits_until("rest", |page| page.text("#runs").contains("Nothing is running"));
    let mut run = sandbox.asking(&["backup", "--disc-size", "3M", "source", "shelf"]);
    browser.waits_until("a drive that writes", |page| {
        let drives = page.text("#drives");
        drives.contains("Writing disc 1") && drives.contains("Do not take the disc out.")
    });
    every_control_has_a_name(&browser);
    for (width, scheme) in [(320, "light"), (320, "dark"), (800, "light"), (2560, "dark")] {
        browser.looks_like(width, scheme).draws(&format!("now-{width}-{scheme}"));
    }
    let percents = |page: &Browser| {
        let bars = page.all("#drives progress");
        let value = |bar: &String| page.attribute(bar, "value").parse().unwrap_or(0);
        bars.iter().map(value).collect::<Vec<u64>>()
    };
    browser.waits_until("progress", |page| percents(page).iter().any(|percent| *percent > 30));
    browser.waits_until("the end", |page| page.text("#last").contains("backup done"));
    assert_eq!(end(&mut run).code(), Some(0));
    browser.waits_until("nothing that is left of it", |page| page.text("#drives").is_empty());
    browser.goes_to(&url(&service, "/discs"));
    let verified = browser.text("#discs").matches("verified, 1 good copy").count();
    assert_eq!(verified, 1, "as the catalog says: {}", browser.text("#discs"));
}

#[test]
fn a_question_appears_is_answered_by_a_click_and_vanishes() {
    let (sandbox, service) = Sandbox::with_films(7).served();
    sandbox.backup("films", &[]).ok();
    let browser = Browser::new(true);
    opens(&browser, &sandbox);
    let other = Browser::new(true);
    opens(&other, &sandbox);
    other.goes_to(&url(&service, "/questions"));
    let mut run = sandbox.asking(&["lost", "1"]);
    for page in [&browser, &other] {
        page.waits_until("the question", |page| page.text("main").contains("Record this as lost?"));
        every_control_has_a_name(page);
    }
    browser.looks_like(800, "light").draws("question-800-light");
    browser.clicks("button[value=yes]");
    assert_eq!(end(&mut run).code(), Some(0));
    other.waits_until("its end", |page| page.text("main").contains("No question is open"));
}

#[test]
fn everything_works_without_javascript() {
    let (sandbox, service) = Sandbox::with_films(7).served();
    sandbox.backup("films", &[]).ok();
    let browser = Browser::new(false);
    opens(&browser, &sandbox);
    let mut run = sandbox.asking(&["lost", "1"]);
    service.events_until(0, |event| event["event"] == "question");
    browser.goes_to(&url(&service, "/questions")).clicks("button[value=no]");
    assert_eq!(end(&mut run).code(), Some(1), "it was not confirmed");
    assert!(browser.text("main").contains("No question is open"), "{}", browser.text("main"));
    for path in PAGES {
        browser.goes_to(&url(&service, path));
        assert!(!browser.text("main").is_empty(), "{path}");
    }
}

#[test]
fn every_page_fits_a_phone_and_a_wall_and_can_be_heard() {
    let (sandbox, service) = Sandbox::with_films(7).served();
    sandbox.backup("films", &[]).ok();
    sandbox.run(["locate", "1", "the cupboard in the cellar, second shelf from the left"]).ok();
    let browser = Browser::new(true);
    opens(&browser, &sandbox);
    browser.goes_to(&url(&service, "/discs"));
    let disc = browser.attribute(&browser.all("#discs a")[0], "href");
    for path in PAGES.into_iter().chain([disc.as_str()]) {
        browser.goes_to(&url(&service, path));
        every_control_has_a_name(&browser);
        assert_eq!(browser.all("h1").len(), 1, "{path}");
        for (width, scheme) in
            [(320, "dark"), (320, "light"), (800, "light"), (2560, "light"), (2560, "dark")]
        {
            browser.looks_like(width, scheme);
            let wide = browser.runs("return document.documentElement.scrollWidth");
            assert!(wide.as_u64().unwrap() <= u64::from(width), "{path} at {width}: {wide}");
            let name = path.split(['/', '?']).nth(1).unwrap().to_owned()
                + if path.matches('/').count() > 1 { "-one" } else { "" };
            browser.draws(&format!(
                "{}-{width}-{scheme}",
                if name.is_empty() { "rest" } else { &name }
            ));
        }
    }
}

/// Loads of this page by its own script.
fn loads(browser: &Browser, path: &str) -> u64 {
    let script = format!(
        "return performance.getEntriesByType('resource').filter((one) =>
            one.initiatorType === 'fetch' && new URL(one.name).pathname === '{path}').length"
    );
    browser.runs(&script).as_u64().unwrap()
}

#[test]
fn a_page_of_the_catalog_is_loaded_once_for_many_events() {
    let (sandbox, service) = Sandbox::with_films(7).served();
    let browser = Browser::new(true);
    opens(&browser, &sandbox);
    browser.goes_to(&url(&service, "/discs"));
    browser.waits_until("the stream", |page| page.text("#link") == "Live");
    sandbox.backup("films", &[]).ok();
    sandbox.run(["verify", "shelf"]).ok();
    browser.waits_until("the discs", |page| page.text("#discs").matches("verified").count() == 3);
    let seconds = browser.runs("return performance.now() / 1000").as_f64().unwrap();
    let loaded = loads(&browser, "/discs");
    assert!(loaded as f64 <= seconds / 10.0 + 1.0, "{loaded} loads in {seconds} s");
}

#[test]
fn a_search_is_made_once_however_much_happens_and_a_disc_is_kept_up_to_date() {
    let (sandbox, service) = Sandbox::with_films(7).served();
    sandbox.backup("films", &[]).ok();
    let browser = Browser::new(true);
    opens(&browser, &sandbox);
    browser.goes_to(&url(&service, "/find?q=film"));
    browser.waits_until("the stream", |page| page.text("#link") == "Live");
    let mut run = sandbox.asking(&["lost", "1"]);
    browser.waits_until("the number of questions", |page| page.text("#badge") == "1");
    assert!(loads(&browser, "/questions") > 0);
    assert_eq!(loads(&browser, "/find"), 0);
    sandbox.run(["answer", "no"]).ok();
    assert_eq!(end(&mut run).code(), Some(1), "it was not confirmed");

    browser.goes_to(&url(&service, "/discs")).clicks("#discs a");
    browser.waits_until("the stream", |page| page.text("#link") == "Live");
    sandbox.run(["locate", "1", "the cellar"]).ok();
    sandbox.run(["verify", "shelf"]).ok();
    browser.waits_until("the place", |page| page.text("#disc").contains("the cellar"));
    let seconds = browser.runs("return performance.now() / 1000").as_f64().unwrap();
    let path = browser.runs("return location.pathname");
    let loaded = loads(&browser, path.as_str().unwrap());
    assert!(loaded as f64 <= seconds / 10.0 + 1.0, "{loaded} loads in {seconds} s");
}

#[test]
fn a_page_from_elsewhere_gets_nothing() {
    let (sandbox, service) = Sandbox::with_films(7).served();
    let browser = Browser::new(true);
    opens(&browser, &sandbox);
    let port = service.address.rsplit(':').next().unwrap();
    browser.goes_to(&format!("http://evil.test:{port}/"));
    assert!(
        browser.text("main").contains("not a name of this service"),
        "{}",
        browser.text("body")
    );
    // A page of another port of this machine: the cookie is sent, for ports are not sites.
    let page = "data:text/html,<form method=post action='http://";
    let form = format!("{page}{}/questions/0123abcd-1'><button>x</button></form>", service.address);
    browser.goes_to(&form).clicks("button");
    browser.waits_until("a refusal", |page| {
        page.text("main").contains("was not sent by a page of this service")
    });
    let used = sandbox.link();
    browser.goes_to(&used).clicks("button");
    browser.goes_to(&used).clicks("button");
    assert!(browser.text("main").contains("used already"), "{}", browser.text("main"));
}
