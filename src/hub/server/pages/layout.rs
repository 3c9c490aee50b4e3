//! What all pages have: head, navigation, footer.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use maud::{DOCTYPE, Markup, html};

use crate::hub::server::access::Caller;
use crate::hub::server::shared::Hub;
use crate::hub::server::view::ViewError;

use super::shown;

/// A page that the navigation leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    Now,
    Questions,
    Status,
    Discs,
    Find,
    Log,
}

const TABS: [(Tab, &str, &str); 6] = [
    (Tab::Now, "/", "Now"),
    (Tab::Questions, "/questions", "Questions"),
    (Tab::Status, "/safe", "Status"),
    (Tab::Discs, "/discs", "Discs"),
    (Tab::Find, "/find", "Find"),
    (Tab::Log, "/log", "Log"),
];

/// How often a browser without JavaScript loads a page again, in seconds.
const REFRESH: u32 = 10;

pub fn page(hub: &Hub, tab: Tab, content: Markup) -> Response {
    let open = hub.board().questions().len();
    let title = TABS.iter().find(|(own, ..)| *own == tab).map_or("", |(_, _, title)| title);
    let is_live = matches!(tab, Tab::Now | Tab::Questions | Tab::Log);
    let body = html! {
        a.skip href="#main" { "Skip to the content" }
        header {
            a.brand href="/" { (super::drawing::mark()) "coldcut" }
            nav aria-label="Pages" {
                @for (own, path, words) in TABS {
                    a href=(path) aria-current=[(own == tab).then_some("page")] {
                        (words)
                        @if own == Tab::Questions {
                            span #badge.badge data-live { @if open > 0 { (open) } }
                        }
                    }
                }
            }
        }
        main #main { (content) }
        p #spoken.hidden role="status" aria-live="polite" {}
        footer {
            p #link.quiet {
                noscript { "JavaScript is off: reload this page to bring it up to date." }
            }
        }
    };
    document(StatusCode::OK, title, is_live, body)
}

/// A page without navigation, for those who are not in yet.
pub fn bare(status: StatusCode, title: &str, content: Markup) -> Response {
    document(status, title, false, html! { main #main.bare { (content) } })
}

/// What went wrong, in a page of its own.
pub fn failed(status: u16, words: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let content = html! {
        h1 { "This did not work" }
        p { (words) }
        p { a.button href="/" { "Back" } }
    };
    bare(status, "This did not work", content)
}

pub fn view_failed(error: &ViewError) -> Response {
    let status = error.status();
    failed(status, &error.to_string())
}

fn document(status: StatusCode, title: &str, is_live: bool, body: Markup) -> Response {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – coldcut" }
                link rel="stylesheet" href="/app.css";
                @if is_live {
                    noscript { meta http-equiv="refresh" content=(REFRESH); }
                }
                script src="/app.js" defer {}
            }
            body { (body) }
        }
    };
    let mut response = Response::new(Body::from(document.into_string()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// The field that every form of a session has; a program has no forms.
pub fn csrf(caller: &Caller) -> Markup {
    match caller {
        Caller::Browser(session) => html! {
            input type="hidden" name="csrf" value=(session.csrf());
        },
        Caller::Program | Caller::Stranger => html! {},
    }
}

/// A field of a form for one set, or all.
pub fn set_choice(sets: &[String], chosen: Option<&str>) -> Markup {
    html! {
        label for="set" { "Set" }
        select #set name="set" {
            option value="" { "all" }
            @for one in sets {
                option value=(one) selected[Some(one.as_str()) == chosen] { (shown::text(one)) }
            }
        }
    }
}
