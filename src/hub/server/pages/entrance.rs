//! How a browser gets in: by a single-use link. The link shows a page with a button, and the button
//! uses it up: what only looks at links uses up none.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Form, Query, State};
use axum::http::header::{HOST, HeaderMap, LOCATION, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use maud::html;
use serde::Deserialize;

use crate::hub::server::access::cookie_name;
use crate::hub::server::sessions::SESSION_AGE;
use crate::hub::server::shared::Hub;
use crate::port::clock::Moment;

use super::layout;

#[derive(Deserialize)]
pub struct Link {
    #[serde(default)]
    link: String,
}

pub async fn page(Query(Link { link }): Query<Link>) -> Response {
    let content = html! {
        h1 { (super::drawing::mark()) "coldcut" }
        @if link.is_empty() {
            p { "Run " code { "coldcut open" } " on this machine: it prints a link to this page." }
        } @else {
            form #open method="post" action="/open" {
                input type="hidden" name="link" value=(link);
                button.primary { "Open" }
            }
            p.quiet { "The link works once, within a minute." }
        }
    };
    layout::bare(StatusCode::OK, "Open", content)
}

pub async fn open(
    State(hub): State<Arc<Hub>>,
    headers: HeaderMap,
    Form(Link { link }): Form<Link>,
) -> Response {
    let session = hub.sessions().open(&link, Moment::now());
    let Some(session) = session else {
        let words = "This link was used already, or is older than a minute. Run `coldcut open` for \
                     another one.";
        return layout::failed(403, words);
    };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let name = cookie_name(host.unwrap_or_default());
    let cookie = format!(
        "{name}={}; HttpOnly; SameSite=Strict; Path=/; Max-Age={SESSION_AGE}",
        session.cookie()
    );
    let mut response = see_other("/");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// After a form: to the page that shows what came of it.
pub fn see_other(path: &'static str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(LOCATION, HeaderValue::from_static(path));
    response
}
