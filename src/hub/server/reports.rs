//! Runs report here: a connection that is upgraded to lines of JSON, of events one way and of answers
//! the other.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::header::{CONNECTION, UPGRADE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::{Extension, extract::rejection::QueryRejection};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::hub::hello::{BEAT, Hello, LONGEST_LINE, PROTOCOL, SILENCE, is_run_id};
use crate::port::clock::Moment;

use super::access::Caller;
use super::answers::refusal;
use super::board::NotTaken;
use super::connection::Connection;
use super::shared::Hub;

/// Answers that wait to be sent to a run.
const MOST_ANSWERS: usize = 16;
/// What a run may call its command.
const LONGEST_COMMAND: usize = 40;

#[derive(Deserialize)]
pub struct Announced {
    run: String,
    command: String,
    pid: u32,
    catalog: String,
}

pub async fn report(
    State(hub): State<Arc<Hub>>,
    Extension(caller): Extension<Caller>,
    Extension(connection): Extension<Connection>,
    announced: Result<Query<Announced>, QueryRejection>,
    mut request: Request,
) -> Response {
    let (Caller::Program, Some(peer)) = (caller, connection.peer) else {
        return refusal(403, "only a program over the socket may report");
    };
    let Ok(Query(Announced { run, command, pid, catalog })) = announced else {
        return refusal(400, "this is not a valid announcement of a run");
    };
    if request.headers().get(UPGRADE).is_none_or(|protocol| protocol != PROTOCOL) {
        return refusal(426, "this protocol is not supported");
    }
    if catalog != hub.catalog {
        return refusal(409, "this is the service of another catalog");
    }
    if !is_run_id(&run) || command.len() > LONGEST_COMMAND {
        return refusal(400, "this is not the name of a run");
    }
    let hello = Hello { run, command, pid, catalog };
    let (answers, waiting) = mpsc::channel(MOST_ANSWERS);
    let begun = hub.board().begin(&hello, peer, answers, Moment::now());
    let number = match begun {
        Ok(number) => number,
        Err(NotTaken::TooMany) => return refusal(503, "too many runs are reporting already"),
        Err(NotTaken::NameTaken) => {
            return refusal(409, "another process already reports under the name of this run");
        }
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Ok(stream) = upgrade.await {
            listen(&hub, &hello.run, number, stream, waiting).await;
        }
        hub.board().lose(&hello.run, number, Moment::now());
        hub.say_trouble();
        // One of the connections that there may be at once, as long as the report lasts.
        drop(connection);
    });
    switch()
}

fn switch() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(PROTOCOL));
    response
}

/// Until the run ends, or its connection does, or another one replaces it.
async fn listen(
    hub: &Arc<Hub>,
    run: &str,
    connection: u64,
    stream: Upgraded,
    waiting: mpsc::Receiver<String>,
) {
    let (reader, writer) = tokio::io::split(TokioIo::new(stream));
    let (hub, run) = (hub.clone(), run.to_owned());
    let hearing = tokio::spawn(async move { hear(&hub, &run, connection, reader).await });
    let end = hearing.abort_handle();
    let sending = tokio::spawn(async move {
        if let Over::Here = send(writer, waiting).await {
            end.abort();
        }
    });
    // The end of the run, or the end that was made here.
    let _ = hearing.await;
    sending.abort();
}

async fn hear(hub: &Hub, run: &str, connection: u64, reader: ReadHalf<TokioIo<Upgraded>>) {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut bounded = (&mut reader).take(LONGEST_LINE as u64 + 1);
        let read = bounded.read_until(b'\n', &mut line).await;
        if read.is_err() || line.last() != Some(&b'\n') {
            return;
        }
        if let Ok(object) = serde_json::from_slice(&line) {
            hub.board().hear(run, connection, object, Moment::now());
            hub.say_trouble();
        }
    }
}

/// Who ended it.
enum Over {
    /// A run that is gone is noticed by reading: its last words may still be there.
    There,
    Here,
}

/// Sends answers, and an empty line at once and whenever there is no answer for a while: nothing else
/// shows the run that somebody listens.
async fn send(
    mut writer: WriteHalf<TokioIo<Upgraded>>,
    mut waiting: mpsc::Receiver<String>,
) -> Over {
    let mut line = "\n".to_owned();
    loop {
        match timeout(SILENCE, write(&mut writer, &line)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Over::There,
            // It does not read.
            Err(_) => return Over::Here,
        }
        line = match timeout(BEAT, waiting.recv()).await {
            Ok(Some(answer)) => answer,
            Ok(None) => return Over::Here,
            Err(_) => "\n".to_owned(),
        };
    }
}

async fn write(writer: &mut WriteHalf<TokioIo<Upgraded>>, line: &str) -> std::io::Result<()> {
    writer.write_all(line.as_bytes()).await?;
    writer.flush().await
}
