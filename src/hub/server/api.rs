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

use crate::hub::choice::choice_word;
use crate::hub::client::PATIENCE;
use crate::model::digest::hex_bytes;
use crate::port::clock::Moment;

use super::access::Caller;
use super::answers::{object, refusal};
use super::events::EventStream;
use super::metrics::metrics;
use super::reports;
use super::run::Refusal;
use super::shared::{Hub, search_end};
use super::view::{Search, ViewError};

/// A run that listens takes an answer at once.
const TAKING: Duration = Duration::from_secs(3);
// Whoever sent the answer still waits, and hears what became of it.
const _: () = assert!(TAKING.as_secs() < PATIENCE.as_secs());
/// Paths of a directory that are listed at most.
const MOST_PATHS: usize = 10_000;
/// Paths that are found at most.
const MOST_FOUND: usize = 1000;
/// In an answer that is not all there is.
const MORE: &str = "coldcut-more";

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
        .route("/api/find", get(find))
        .route("/metrics", get(metrics))
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
        Ok(Ok(counted)) if choice_word(&counted) == word => Ok(()),
        Ok(Ok(_)) => Err((409, "somebody else answered first")),
        Ok(Err(_)) => Err((503, "the run that asked no longer listens")),
        Err(_) => Err((504, "the run has not confirmed the answer yet; it may still take it")),
    }
}

/// A copy's number is a number.
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
    /// In hexadecimal, as `path_bytes` of an answer.
    path_bytes: Option<String>,
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
    let Ok(Query(Listed { set, path, path_bytes, snapshot })) = asked else {
        return refusal(400, "`set`, `path`, `path_bytes` and `snapshot` are understood");
    };
    let path = match path_bytes.map(|text| hex_bytes(text.as_bytes())) {
        Some(None) => return refusal(400, "`path_bytes` is a path in hexadecimal"),
        Some(Some(bytes)) => bytes,
        None => path.unwrap_or_default().into_bytes(),
    };
    let listed = hub.ask(move |view| {
        let mut paths = view.list(set.as_deref(), &path, snapshot)?;
        let has_more = paths.len() > MOST_PATHS;
        paths.truncate(MOST_PATHS);
        Ok((paths, has_more))
    });
    match listed.await {
        Ok((paths, has_more)) => bounded(object(200, &paths), has_more),
        Err(error) => refused(&error),
    }
}

#[derive(Deserialize)]
struct Sought {
    q: String,
    set: Option<String>,
}

async fn find(State(hub): Shared, asked: Result<Query<Sought>, QueryRejection>) -> Response {
    let until = search_end();
    let Ok(Query(Sought { q, set })) = asked else {
        return refusal(400, "`q`, which says what to look for, and `set` are understood");
    };
    let search = Search { words: q, set, most: MOST_FOUND };
    match hub.find(search, until).await {
        Ok(all) => bounded(object(200, &all.paths), all.has_more),
        Err(error) => refused(&error),
    }
}

/// Says in its head whether there is more.
fn bounded(mut response: Response, has_more: bool) -> Response {
    if has_more {
        response.headers_mut().insert(MORE, HeaderValue::from_static("1"));
    }
    response
}

fn found(result: Result<impl Serialize, ViewError>) -> Response {
    match result {
        Ok(value) => object(200, &value),
        Err(error) => refused(&error),
    }
}

fn refused(error: &ViewError) -> Response {
    refusal(error.status(), &error.to_string())
}

/// What the fuzzers ask.
#[cfg(feature = "fuzzing")]
pub mod fuzzing {
    use super::{After, Listed, OfSet, Sought};
    use crate::model::digest::hex_bytes;
    use axum::extract::Query;
    use axum::http::Uri;

    pub fn queries(uri: &Uri) {
        let _ = Query::<After>::try_from_uri(uri);
        let _ = Query::<OfSet>::try_from_uri(uri);
        let _ = Query::<Sought>::try_from_uri(uri);
        if let Ok(Query(Listed { path_bytes: Some(text), .. })) = Query::try_from_uri(uri) {
            bytes(&text);
        }
    }

    pub fn bytes(text: &str) {
        if let Some(bytes) = hex_bytes(text.as_bytes()) {
            let again: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(again, text.to_ascii_lowercase());
        }
    }
}
