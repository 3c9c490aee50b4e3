//! What is asked: media that are waited for, which the drive sees by itself, and questions, which a
//! click answers.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Form, Path, State};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use crate::hub::choice::choice_word;
use crate::hub::server::access::Caller;
use crate::hub::server::api::pass_on;
use crate::hub::server::run::RunView;
use crate::hub::server::shared::Hub;
use crate::port::clock::Moment;

use super::layout::{self, Tab, csrf};
use super::{entrance, shown};

pub async fn page(State(hub): State<Arc<Hub>>, Extension(caller): Extension<Caller>) -> Response {
    let state = hub.board().state(Moment::now());
    let content = html! {
        h1 { "Questions" }
        section #asked data-live { (all(&state.runs, &caller)) }
    };
    layout::page(&hub, Tab::Questions, content)
}

/// Everything that somebody is asked for, or that nothing is.
fn all(runs: &[RunView], caller: &Caller) -> Markup {
    let is_quiet = runs.iter().all(|run| run.inserts.is_empty() && run.questions.is_empty());
    html! {
        @if is_quiet { p.calm { "No question is open, and no disc is needed." } }
        (open(runs, caller))
    }
}

/// Everything that somebody is asked for.
pub fn open(runs: &[RunView], caller: &Caller) -> Markup {
    html! {
        @for run in runs {
            @for request in &run.inserts { (insert(run, request)) }
            @for asked in &run.questions { (question(asked, caller)) }
        }
    }
}

fn text(object: &Value, key: &str) -> String {
    shown::text(object[key].as_str().unwrap_or_default())
}

fn insert(run: &RunView, request: &Value) -> Markup {
    html! {
        article.card.wanted {
            (super::drawing::disc(0, "blank"))
            div {
                h2 { "Insert " (text(request, "wanted")) }
                p { "into " b { (text(request, "drive")) } "; the drive notices it by itself." }
                p.quiet { (shown::text(&run.command)) " waits for it." }
            }
        }
    }
}

fn question(asked: &Value, caller: &Caller) -> Markup {
    let id = text(asked, "id");
    let choices = asked["choices"].as_array().map(Vec::as_slice).unwrap_or_default();
    html! {
        article.card.question {
            div {
                h2 { (text(asked, "text")) }
                p.quiet { (text(asked, "command")) " asks." }
                @if asked["terminal_only"] == true {
                    p { "This can only be answered at the terminal of the run." }
                } @else {
                    form.choices method="post" action={ "/questions/" (id) } {
                        (csrf(caller))
                        @for choice in choices {
                            button name="answer" value=(choice_word(choice)) { (label(choice)) }
                        }
                    }
                }
            }
        }
    }
}

fn label(choice: &Value) -> String {
    match choice.as_str() {
        Some("yes") => "Yes".to_owned(),
        Some("no") => "No".to_owned(),
        Some("done") => "Done".to_owned(),
        Some("give-up") => "Give up".to_owned(),
        Some(other) => shown::text(other),
        None => format!("Copy {choice}"),
    }
}

#[derive(Deserialize)]
pub struct Given {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    answer: String,
}

pub async fn answer(
    State(hub): State<Arc<Hub>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Form(given): Form<Given>,
) -> Response {
    let is_ours = match &caller {
        Caller::Browser(session) => session.has_csrf(&given.csrf),
        Caller::Program | Caller::Stranger => false,
    };
    if !is_ours {
        return layout::failed(403, "This was not sent by a page of this service.");
    }
    match pass_on(&hub, &id, &given.answer).await {
        Ok(()) => entrance::see_other("/questions"),
        Err((status, why)) => layout::failed(status, why),
    }
}
