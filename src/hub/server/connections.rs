//! One connection after the other, each in a task of its own, within limits: of how many there are,
//! of what a head and a body may hold, and of how long either may take.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::HeaderValue;
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;

use crate::port::clock::Moment;

use super::access::{Door, judge};
use super::answers::refusal;
use super::api;
use super::connection::Connection;
use super::pages;
use super::run::Peer;
use super::shared::{Hub, SEARCH_TIME};

/// Connections of one door at once; one more is closed at once.
const MOST: usize = 256;
/// The longest head; a longer one is answered with 431.
const LONGEST_HEAD: usize = 16 << 10;
/// The longest body; a longer one is answered with 413.
const LONGEST_BODY: usize = 64 << 10;
/// How long a head may take, and the next request of a connection that stays open.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long an answer may take to begin.
const ANSWER_TIME: Duration = Duration::from_secs(30);
// Whoever asked still waits for what a search found, and for its discs.
const _: () = assert!(SEARCH_TIME.as_secs() + 5 <= ANSWER_TIME.as_secs());
/// After an error that is not about one connection, such as too many open files.
const REST: Duration = Duration::from_millis(200);
/// No page from elsewhere embeds an answer.
const OWN_PAGES_ONLY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// Nothing from elsewhere, nothing inline, in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Where connections of one door come in.
pub struct Gate {
    hub: Arc<Hub>,
    router: Router,
    room: Arc<Semaphore>,
}

impl Gate {
    pub fn new(hub: Arc<Hub>, door: Door) -> Gate {
        let state = (hub.clone(), door);
        let routes = api::routes(hub.clone()).merge(pages::routes(hub.clone()));
        let bounded = routes.layer(DefaultBodyLimit::max(LONGEST_BODY));
        let router = bounded.layer(from_fn_with_state(state, guard));
        Gate { hub, router, room: Arc::new(Semaphore::new(MOST)) }
    }

    pub fn enter(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        peer: Option<Peer>,
    ) {
        let Ok(room) = self.room.clone().try_acquire_owned() else { return };
        let connection = Connection::new(room, peer);
        let router = TowerToHyperService::new(self.router.clone());
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(connection.clone());
            router.call(request)
        });
        tokio::spawn(async move {
            let served = http1::Builder::new()
                .max_buf_size(LONGEST_HEAD)
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIME)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .await;
            // What is wrong with a client's connection is the client's business.
            drop(served);
        });
    }

    pub async fn rest(&self, error: &io::Error) {
        self.hub.say(&format!("a connection cannot be accepted: {error}"));
        tokio::time::sleep(REST).await;
    }
}

/// Judges each request before anything looks at it, bounds its time, and tells the browser what it
/// may do with the answer.
async fn guard(
    State((hub, door)): State<(Arc<Hub>, Door)>,
    mut request: Request,
    next: Next,
) -> Response {
    let judged = {
        let (sessions, now) = (hub.sessions(), Moment::now());
        let asked = (request.method(), request.uri().path());
        judge(door, asked, request.headers(), &hub.hosts, (&sessions, now))
    };
    let wants_page = wants_page(&request);
    let refused = |status, why| match wants_page {
        true => pages::failed(status, why),
        false => refusal(status, why),
    };
    let mut response = match judged {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            let answer = tokio::time::timeout(ANSWER_TIME, next.run(request)).await;
            answer.unwrap_or_else(|_| refused(503, "this took too long"))
        }
        Err((status, why)) => refused(status.as_u16(), why),
    };
    let headers = response.headers_mut();
    let set = |(name, value): (HeaderName, &'static str)| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "same-origin"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (OWN_PAGES_ONLY, "same-origin"),
    ]
    .into_iter()
    .for_each(set);
    response
}

/// A person reads the answer.
fn wants_page(request: &Request) -> bool {
    let accepted = request.headers().get(ACCEPT).and_then(|accepted| accepted.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/html"))
}
