//! Answers to programs: an object, or why there is none.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use crate::ui::screen::harmless;

/// An answer in JSON that harms no terminal.
pub fn object(status: u16, value: &impl Serialize) -> Response {
    let text = match serde_json::to_value(value) {
        Ok(value) => harmless(&value) + "\n",
        Err(error) => return refusal(500, &error.to_string()),
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// `text` says why.
pub fn refusal(status: u16, text: &str) -> Response {
    object(status, &json!({"text": text}))
}
