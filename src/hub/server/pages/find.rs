//! Where a file is: the snapshots that have it, the discs with its content, and where their copies are
//! kept.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use crate::hub::server::shared::{Hub, search_end};
use crate::hub::server::view::{Found, FoundDiscObject, FoundObject, Search, ViewError};
use crate::port::clock::Moment;

use super::discs::{is_kept, place};
use super::layout::{self, Tab};
use super::safety::word;
use super::shown;

/// Rows of the page.
const MOST: usize = 100;

#[derive(Deserialize)]
pub struct Sought {
    #[serde(default)]
    q: String,
    set: Option<String>,
}

#[cfg(feature = "fuzzing")]
impl Sought {
    pub fn words(&self) -> &str {
        &self.q
    }
}

pub async fn page(
    State(hub): State<Arc<Hub>>,
    Query(Sought { q, set }): Query<Sought>,
) -> Response {
    let until = search_end();
    // A form's first choice is all sets.
    let set = set.filter(|set| !set.is_empty());
    let sets = match hub.ask(|view| view.set_names()).await {
        Ok(sets) => sets,
        Err(error) => return layout::view_failed(&error),
    };
    let found = match q.trim().is_empty() {
        true => {
            html! { p.calm { "A part of a name, or a pattern such as " code { "2026/*.jpg" } "." } }
        }
        false => {
            let search = Search { words: q.clone(), set: set.clone(), most: MOST };
            match hub.find(search, until).await {
                Ok(found) => results(&found),
                // What was typed is still there to be changed.
                Err(ViewError::Unclear(why)) => html! { p.calm { (shown::text(&why)) } },
                Err(error) => return layout::view_failed(&error),
            }
        }
    };
    let content = html! {
        h1 { "Find" }
        (form(&sets, &q, set.as_deref()))
        section #found { (found) }
    };
    layout::page(&hub, Tab::Find, content)
}

pub(super) fn form(sets: &[String], words: &str, set: Option<&str>) -> Markup {
    html! {
        form.filter role="search" method="get" action="/find" {
            label for="q" { "Name" }
            input #q type="search" name="q" value=(words) maxlength="255"
                autocapitalize="none" autocorrect="off" spellcheck="false";
            @if sets.len() > 1 { (layout::set_choice(sets, set)) }
            button { "Find" }
        }
    }
}

fn results(found: &Found) -> Markup {
    html! {
        @if found.paths.is_empty() && !found.has_more { p.calm { "Nothing has such a name." } }
        ul.found { @for one in &found.paths { (row(one)) } }
        @if found.has_more {
            p.quiet {
                @if found.paths.len() < MOST { "The search took too long and was ended: there may be more." }
                @else { "There are more. Name them more exactly to see those." }
            }
        }
    }
}

fn row(found: &FoundObject) -> Markup {
    html! {
        li.card {
            h2 { (found.path.path.shown()) }
            p.quiet { (about(found)) }
            @if let Some(link) = &found.path.link { p { "Leads to " (link.shown()) } }
            ul { @for disc in &found.on { (on(&found.set, disc)) } }
            @if found.path.waiting { p { "Not all of it is on a disc yet." } }
        }
    }
}

/// `photos · file, 1.5 MB, 2026-11-29 07:15 · snapshots 1 to 3`
fn about(found: &FoundObject) -> String {
    let FoundObject { set, path, first, last, .. } = found;
    let seconds = path.mtime.split('.').next().and_then(|seconds| seconds.parse().ok());
    let date = seconds.map(|seconds| Moment(seconds).local_minute());
    let date = date.unwrap_or_default();
    let kind = match path.kind {
        'f' => format!("file, {}", shown::size(path.size)),
        'd' => "directory".to_owned(),
        'l' => "symbolic link".to_owned(),
        'h' => "hard link".to_owned(),
        _ => "special file".to_owned(),
    };
    let snapshots = match first == last {
        true => format!("snapshot {first}"),
        false => format!("snapshots {first} to {last}"),
    };
    format!("{} · {kind}, {date} · {snapshots}", shown::text(set))
}

fn on(set: &str, disc: &FoundDiscObject) -> Markup {
    let copies: Vec<String> = disc
        .media
        .iter()
        .filter(|copy| is_kept(copy))
        .map(|copy| format!("copy {} ({}): {}", copy.copy, word(&copy.state), place(copy)))
        .collect();
    html! {
        li {
            a href={ "/discs/" (disc.uuid) } { (shown::text(set)) " " (disc.disc) }
            @if copies.is_empty() { ": no copy (" (word(&disc.state)) ")" }
            @else { ": " (copies.join("; ")) }
        }
    }
}
