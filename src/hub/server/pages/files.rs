//! The style sheet and the script, which are a part of the program.

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::Response;

const STYLE: &str = include_str!("app.css");
const SCRIPT: &str = include_str!("app.js");

pub async fn style() -> Response {
    file("text/css; charset=utf-8", STYLE)
}

pub async fn script() -> Response {
    file("text/javascript; charset=utf-8", SCRIPT)
}

fn file(kind: &'static str, content: &'static str) -> Response {
    let mut response = Response::new(Body::from(content));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    // A newer coldcut may have another one.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn style_and_script_are_short_and_take_nothing_from_elsewhere() {
        assert!(SCRIPT.lines().count() <= 200);
        for content in [STYLE, SCRIPT] {
            for word in ["http:", "https:", "//cdn", "@import", "eval(", "innerHTML"] {
                assert!(!content.contains(word), "{word}");
            }
        }
    }
}
