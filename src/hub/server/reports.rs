//! Runs report here: a connection that is upgraded to lines of JSON, of events one way and of answers
//! the other.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::header::{CONNECTION, UPGRADE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::{Extension, extract::rejection::QueryRejection};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, ReadHalf, WriteHalf};
use tokio::sync::mpsc;

use crate::hub::hello::{Hello, LONGEST_LINE, PROTOCOL, is_run_id};
use crate::port::clock::Moment;

use super::access::Caller;
use super::answers::refusal;
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
    announced: Result<Query<Announced>, QueryRejection>,
    mut request: Request,
) -> Response {
    if !matches!(caller, Caller::Program) {
        return refusal(403, "only a program over the socket may report");
    }
    let Ok(Query(Announced { run, command, pid, catalog })) = announced else {
        return refusal(400, "this is not how a run announces itself");
    };
    if request.headers().get(UPGRADE).is_none_or(|protocol| protocol != PROTOCOL) {
        return refusal(426, "another protocol is spoken here");
    }
    if catalog != hub.catalog {
        return refusal(409, "this is the service of another catalog");
    }
    if !is_run_id(&run) || command.len() > LONGEST_COMMAND {
        return refusal(400, "this is not how a run is called");
    }
    let hello = Hello { run, command, pid, catalog };
    tokio::spawn(listen(hub, hello, hyper::upgrade::on(&mut request)));
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

/// Until the run ends, or its connection does.
async fn listen(hub: Arc<Hub>, hello: Hello, upgrade: OnUpgrade) {
    let Ok(stream) = upgrade.await else { return };
    let (answers, waiting) = mpsc::channel(MOST_ANSWERS);
    let begun = hub.board().begin(&hello, answers, Moment::now());
    let Some(connection) = begun else { return };
    let (reader, writer) = tokio::io::split(TokioIo::new(stream));
    let sending = tokio::spawn(send(writer, waiting));
    hear(&hub, &hello.run, connection, reader).await;
    hub.board().lose(&hello.run, connection, Moment::now());
    hub.say_trouble();
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

async fn send(mut writer: WriteHalf<TokioIo<Upgraded>>, mut waiting: mpsc::Receiver<String>) {
    while let Some(line) = waiting.recv().await {
        if writer.write_all(line.as_bytes()).await.is_err() {
            return;
        }
        // A run that is gone is noticed by reading.
        let _ = writer.flush().await;
    }
}
