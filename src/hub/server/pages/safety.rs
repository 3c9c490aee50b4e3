//! Is my data safe? What `status` says, sets that are not safe first, and their dangers first.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use crate::hub::server::shared::Hub;
use crate::model::plural;
use crate::ui::json::status::{SetStatusObject, UnreadableObject};
use crate::ui::json::words::word_of;

use super::layout::{self, Tab};
use super::shown;

/// Paths that could not be read which are shown.
const MOST: usize = 20;

pub async fn page(State(hub): State<Arc<Hub>>) -> Response {
    let mut sets = match hub.ask(|view| view.status()).await {
        Ok(sets) => sets,
        Err(error) => return layout::view_failed(&error),
    };
    sets.sort_by_key(|set| match set.safety.is_safe {
        Some(false) => 0,
        None => 1,
        Some(true) => 2,
    });
    let content = html! {
        h1 { "Is my data safe?" }
        section #sets data-live="slow" {
            @if sets.is_empty() { p.calm { "Nothing has been backed up with this catalog yet." } }
            @for set in &sets { (card(set)) }
        }
    };
    layout::page(&hub, Tab::Status, content)
}

fn card(set: &SetStatusObject) -> Markup {
    let (class, verdict) = match set.safety.is_safe {
        Some(true) => ("good", "Safe"),
        Some(false) => ("bad", "Not safe"),
        None => ("doubt", "Not known"),
    };
    html! {
        article.card.set.(class) {
            h2 { (shown::text(&set.set)) " " span.verdict { (verdict) } }
            (sentences("dangers", &set.safety.dangers))
            (sentences("unknown", &set.safety.unknown))
            (by_copies(set))
            (facts(set))
            (unreadable(&set.safety.unreadable))
        }
    }
}

fn sentences(class: &str, all: &[String]) -> Markup {
    html! {
        @if !all.is_empty() {
            ul class=(class) { @for one in all { li { (shown::text(one)) } } }
        }
    }
}

/// Files by their number of verified copies, as a bar with its legend.
fn by_copies(set: &SetStatusObject) -> Markup {
    let all: u64 = set.safety.files_by_copies.values().sum();
    html! {
        @if all > 0 {
            ul.copies {
                @for (copies, files) in &set.safety.files_by_copies {
                    @let enough = *copies >= set.safety.copies_wanted;
                    li.(if enough { "enough" } else if *copies == 0 { "none" } else { "few" }) {
                        meter min="0" max=(all) value=(files)
                            aria-label={ (plural(u64::from(*copies), "copy", "copies")) } {}
                        span { (plural(*files, "file", "files")) " in "
                            (plural(u64::from(*copies), "verified copy", "verified copies")) }
                    }
                }
            }
        }
    }
}

fn facts(set: &SetStatusObject) -> Markup {
    let waiting = match set.waiting {
        0 => "nothing".to_owned(),
        files => format!("{}, {}", plural(files, "file", "files"), shown::size(set.waiting_size)),
    };
    let date = set.date.as_deref();
    html! {
        dl {
            (fact("Newest backup", &shown::minute(date)))
            (fact("Verified discs", &set.safe.to_string()))
            (fact("Waiting for a disc", &waiting))
            (fact("Longest without a check", &shown::day(set.safety.oldest_check.as_deref())))
            (fact("Encryption", &word(&set.encryption)))
            @if let Some(wanted) = &set.wanted { (fact("Insert next", &shown::text(wanted))) }
        }
    }
}

fn fact(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { @if value.is_empty() { "–" } @else { (value) } } } }
}

/// As programs read it.
pub fn word(value: &impl serde::Serialize) -> String {
    shown::text(&word_of(value))
}

fn unreadable(all: &[UnreadableObject]) -> Markup {
    html! {
        @if !all.is_empty() {
            details {
                summary { (plural(all.len() as u64, "path", "paths")) " could not be read" }
                ul { @for one in all.iter().take(MOST) { li { (shown::text(&one.rule)) ": " (shown::text(&one.what)) } } }
            }
        }
    }
}
