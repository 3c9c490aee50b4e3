//! What programs ask for, as the objects of `docs/json.md`: arrays for lists.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_TYPE, HeaderMap};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use hyper::body::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::hub::client::PATIENCE;
use crate::port::clock::Moment;

use super::access::Caller;
use super::answers::{object, refusal};
use super::events::EventStream;
use super::reports;
use super::run::Refusal;
use super::shared::Hub;
use super::view::ViewError;

/// A run that listens takes an answer at once.
const TAKING: Duration = Duration::from_secs(3);
// Whoever sent the answer still waits, and hears what became of it.
const _: () = assert!(TAKING.as_secs() < PATIENCE.as_secs());
/// Paths of a directory that are listed at most.
const MOST_PATHS: usize = 10_000;

type Shared = State<Arc<Hub>>;

pub fn routes(hub: Arc<Hub>) -> Router {
    Router::new()
        .route("/api/state", get(state))
        .route("/api/events", get(events))
        .route("/api/report", get(reports::report))
        .route("/api/questions", get(questions))
        .route("/api/questions/{id}", post(answer))
        .route("/api/links", post(new_link))
        .route("/api/sets", get(sets))
        .route("/api/status", get(status))
        .route("/api/discs", get(discs))
        .route("/api/discs/{uuid}", get(disc))
        .route("/api/snapshots", get(snapshots))
        .route("/api/ls", get(list))
        .fallback(async || refusal(404, "there is no such page"))
        .method_not_allowed_fallback(async || refusal(405, "this method is not allowed here"))
        .with_state(hub)
}

async fn state(State(hub): Shared) -> Response {
    let state = hub.board().state(Moment::now());
    object(200, &state)
}

#[derive(Deserialize)]
struct After {
    after: Option<u64>,
}

/// Those after `Last-Event-ID`, or after `?after=`; without either, those from now on.
async fn events(
    State(hub): Shared,
    asked: Result<Query<After>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let Ok(Query(query)) = asked else {
        return refusal(400, "`after` is the number of an event");
    };
    let header = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let listening = {
        let mut board = hub.board();
        let after = header.or(query.after).unwrap_or(board.last_event());
        board.listen(after)
    };
    let Some((missed, coming)) = listening else {
        return refusal(503, "there are too many listeners already");
    };
    let mut response = Response::new(Body::new(EventStream::new(missed, coming)));
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

async fn questions(State(hub): Shared) -> Response {
    let questions = hub.board().questions();
    object(200, &questions)
}

/// From a program, which sends `{"answer": "yes"}`.
async fn answer(
    State(hub): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if !matches!(caller, Caller::Program) {
        return refusal(403, "only a program over the socket may answer here");
    }
    let body = match body {
        Ok(body) => body,
        Err(error) => return refusal(error.status().as_u16(), "the body cannot be read"),
    };
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let Some(word) = body["answer"].as_str() else {
        return refusal(400, "an object with a key `answer` is expected, and its value is a text");
    };
    match pass_on(&hub, &id, word).await {
        Ok(()) => object(200, &json!({"id": id, "answer": word})),
        Err((status, why)) => refusal(status, why),
    }
}

/// Passes an answer on to the run that asked, and waits until the run says whose answer counted.
pub async fn pass_on(hub: &Hub, id: &str, word: &str) -> Result<(), (u16, &'static str)> {
    let passed = hub.board().answer(id, word);
    let taken = passed.map_err(|refusal| match refusal {
        Refusal::NoSuchQuestion => (404, "there is no such question, or it was answered"),
        Refusal::NotAChoice => (400, "this is not one of the choices"),
        Refusal::TerminalOnly => (403, "this can only be answered at the terminal of the run"),
        Refusal::Answered => (409, "somebody else answered first"),
        Refusal::Gone => (503, "the run that asked no longer listens"),
    })?;
    match tokio::time::timeout(TAKING, taken).await {
        Ok(Ok(counted)) if as_word(&counted) == word => Ok(()),
        Ok(Ok(_)) => Err((409, "somebody else answered first")),
        Ok(Err(_)) => Err((503, "the run that asked no longer listens")),
        Err(_) => Err((504, "the run has not confirmed the answer yet; it may still take it")),
    }
}

/// A copy's number is a number.
fn as_word(answer: &Value) -> String {
    answer.as_str().map_or_else(|| answer.to_string(), str::to_owned)
}

/// For a browser of whoever may use the socket.
async fn new_link(State(hub): Shared, Extension(caller): Extension<Caller>) -> Response {
    if !matches!(caller, Caller::Program) {
        return refusal(403, "only a program over the socket may ask for a link");
    }
    let Some(host) = hub.hosts.first() else {
        return refusal(409, "the service does not listen for browsers; start it with --listen");
    };
    let link = hub.sessions().new_link(Moment::now());
    match link {
        Some(link) => object(200, &json!({"link": format!("http://{host}/open?link={}", &*link)})),
        None => refusal(500, "the system has no random numbers"),
    }
}

#[derive(Deserialize)]
struct OfSet {
    set: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    set: Option<String>,
    path: Option<String>,
    snapshot: Option<u32>,
}

async fn sets(State(hub): Shared) -> Response {
    found(hub.ask(|view| view.sets()).await)
}

async fn status(State(hub): Shared) -> Response {
    found(hub.ask(|view| view.status()).await)
}

async fn discs(State(hub): Shared, asked: Result<Query<OfSet>, QueryRejection>) -> Response {
    let Ok(Query(of)) = asked else { return refusal(400, "`set` is understood") };
    found(hub.ask(move |view| view.discs(of.set.as_deref())).await)
}

async fn disc(State(hub): Shared, Path(uuid): Path<String>) -> Response {
    let disc = hub.ask(move |view| {
        let mut discs = view.discs(None)?.into_iter();
        let missing = || ViewError::NotThere("there is no such disc".to_owned());
        discs.find(|disc| disc.uuid == uuid).ok_or_else(missing)
    });
    found(disc.await)
}

async fn snapshots(State(hub): Shared, asked: Result<Query<OfSet>, QueryRejection>) -> Response {
    let Ok(Query(of)) = asked else { return refusal(400, "`set` is understood") };
    found(hub.ask(move |view| view.snapshots(of.set.as_deref())).await)
}

async fn list(State(hub): Shared, asked: Result<Query<Listed>, QueryRejection>) -> Response {
    let Ok(Query(Listed { set, path, snapshot })) = asked else {
        return refusal(400, "`set`, `path` and `snapshot` are understood");
    };
    let path = path.unwrap_or_default();
    let listed = hub.ask(move |view| {
        let mut paths = view.list(set.as_deref(), &path, snapshot)?;
        paths.truncate(MOST_PATHS);
        Ok(paths)
    });
    found(listed.await)
}

fn found(result: Result<impl Serialize, ViewError>) -> Response {
    match result {
        Ok(value) => object(200, &value),
        Err(error) => {
            let status = match error {
                ViewError::NotThere(_) => 404,
                ViewError::Unclear(_) => 400,
                ViewError::Failed(_) => 500,
            };
            refusal(status, &error.to_string())
        }
    }
}
