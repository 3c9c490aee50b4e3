//! The discs: all of them, and a page for each.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use crate::hub::server::shared::Hub;
use crate::hub::server::view::ViewError;
use crate::model::plural;
use crate::ui::json::discs::{CopyObject, DiscObject};
use crate::ui::json::words::{CopyStateWord, DiscStateWord};

use super::layout::{self, Tab};
use super::safety::word;
use super::{drawing, shown};

#[derive(Deserialize)]
pub struct Chosen {
    set: Option<String>,
}

pub async fn page(State(hub): State<Arc<Hub>>, Query(chosen): Query<Chosen>) -> Response {
    // No set is called nothing: a form's first choice is all of them.
    let set = chosen.set.filter(|set| !set.is_empty());
    let wanted = set.clone();
    let found = hub.ask(move |view| Ok((view.set_names()?, view.discs(wanted.as_deref())?))).await;
    let (sets, discs) = match found {
        Ok(found) => found,
        Err(error) => return layout::view_failed(&error),
    };
    let content = html! {
        h1 { "Discs" }
        @if sets.len() > 1 {
            form.filter method="get" action="/discs" {
                (layout::set_choice(&sets, set.as_deref()))
                button { "Show" }
            }
        }
        section #discs data-live="slow" {
            @if discs.is_empty() { p.calm { "There are no discs yet." } }
            ul.discs { @for disc in &discs { (entry(disc)) } }
        }
    };
    layout::page(&hub, Tab::Discs, content)
}

fn entry(disc: &DiscObject) -> Markup {
    html! {
        li {
            a.card.(class(disc)) href={ "/discs/" (disc.uuid) } {
                (drawing::disc(shown::percent(disc.used, disc.capacity), class(disc)))
                span {
                    b { (shown::text(&disc.set)) " " (disc.id) }
                    span.state { (word(&disc.state)) ", "
                        (plural(u64::from(disc.copies), "good copy", "good copies")) }
                    span.quiet { (places(disc)) }
                }
            }
        }
    }
}

fn class(disc: &DiscObject) -> &'static str {
    match disc.state {
        DiscStateWord::Verified if disc.copies > 0 => "good",
        DiscStateWord::Verified | DiscStateWord::Failed | DiscStateWord::Gone => "bad",
        DiscStateWord::Open | DiscStateWord::Staged | DiscStateWord::Burned => "plain",
    }
}

fn places(disc: &DiscObject) -> String {
    let places = disc.media.iter().filter(|copy| is_kept(copy)).map(place);
    places.collect::<Vec<_>>().join("; ")
}

pub fn is_kept(copy: &CopyObject) -> bool {
    !matches!(copy.state, CopyStateWord::Lost | CopyStateWord::Retired)
}

pub fn place(copy: &CopyObject) -> String {
    let place = if copy.place.is_empty() { &copy.carrier.medium } else { &copy.place };
    shown::text(place)
}

pub async fn one(State(hub): State<Arc<Hub>>, Path(uuid): Path<String>) -> Response {
    let found = hub.ask(move |view| {
        let missing = || ViewError::NotThere("There is no such disc.".to_owned());
        view.discs(None)?.into_iter().find(|disc| disc.uuid == uuid).ok_or_else(missing)
    });
    match found.await {
        Ok(disc) => layout::page(&hub, Tab::Discs, details(&disc)),
        Err(error) => layout::view_failed(&error),
    }
}

fn details(disc: &DiscObject) -> Markup {
    let percent = shown::percent(disc.used, disc.capacity);
    html! {
        p.quiet { a href="/discs" { "All discs" } }
        div #disc data-live="slow" {
            article.large {
                (drawing::disc(percent, class(disc)))
                div {
                    h1 { (shown::text(&disc.set)) " " (disc.id) }
                    dl {
                        (fact("State", &word(&disc.state)))
                        (fact("Used", &format!("{} of {} ({percent} %)",
                            shown::size(disc.used), shown::size(disc.capacity))))
                        (fact("Packed", &shown::minute(disc.date.as_deref())))
                        (fact("Newest snapshot", &disc.snapshot.to_string()))
                        (fact("Last verified", &shown::day(disc.verified.as_deref())))
                        (fact("Last restored with standard tools", &shown::day(disc.drilled.as_deref())))
                        (fact("UUID", &disc.uuid))
                    }
                }
            }
            h2 { "Copies" }
            @if disc.media.is_empty() { p.calm { "There is no copy yet." } }
            @else { div.wide { table {
                thead { tr {
                    th scope="col" { "Copy" } th scope="col" { "State" } th scope="col" { "Where" }
                    th scope="col" { "Medium" } th scope="col" { "Burned" } th scope="col" { "Verified" }
                } }
                tbody { @for copy in &disc.media { (row(copy)) } }
            } } }
        }
    }
}

fn fact(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { @if value.is_empty() { "–" } @else { (value) } } } }
}

fn row(copy: &CopyObject) -> Markup {
    html! {
        tr {
            th scope="row" { (copy.copy) }
            td { (word(&copy.state)) }
            td { (place(copy)) }
            td { (shown::text(&copy.carrier.medium)) }
            td { (shown::day(Some(&copy.burned))) }
            td { (shown::day(copy.verified.as_deref())) }
        }
    }
}
