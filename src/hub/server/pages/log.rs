//! What runs reported, the newest first.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use crate::hub::follow::Narrator;
use crate::hub::server::shared::Hub;
use crate::port::clock::Moment;

use super::layout::{self, Tab};
use super::shown;

/// Lines of the page.
const MOST: usize = 300;

pub async fn page(State(hub): State<Arc<Hub>>) -> Response {
    let events = hub.board().events_after(0);
    let now = Moment::now();
    let mut narrator = Narrator::default();
    let lines = events.iter().filter_map(|event| {
        let words = narrator.line(&event.object, now)?;
        Some((&event.object, words))
    });
    let mut lines: Vec<(&Value, String)> = lines.collect();
    lines.reverse();
    let content = html! {
        h1 { "Log" }
        section #log data-live {
            @if lines.is_empty() { p.calm { "Nothing has been reported yet." } }
            ol.log { @for (event, words) in lines.iter().take(MOST) { (line(event, words)) } }
        }
    };
    layout::page(&hub, Tab::Log, content)
}

fn line(event: &Value, words: &str) -> Markup {
    let at = event["at"].as_str();
    html! {
        li class=(class(event)) {
            time datetime=[at] { (shown::minute(at)) } " "
            span { (shown::text(words)) }
        }
    }
}

fn class(event: &Value) -> &'static str {
    let is_failure = event["exit"].as_u64().is_some_and(|exit| exit != 0);
    match event["event"].as_str().unwrap_or_default() {
        "trouble" => "bad",
        "run" if is_failure => "bad",
        "run" if event["state"] == "ended" => "good",
        "question" | "insert" => "wanted",
        _ => "plain",
    }
}
