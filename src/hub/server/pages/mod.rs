//! The pages: HTML from the server, complete without JavaScript. Every name in them is somebody
//! else's text, and `maud` escapes it.

mod discs;
mod drawing;
mod entrance;
mod files;
mod find;
mod layout;
mod log;
mod now;
mod questions;
mod safety;
mod shown;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::shared::Hub;

pub use layout::failed;

/// What the fuzzers ask.
#[cfg(feature = "fuzzing")]
pub mod fuzzing {
    use axum::extract::Query;
    use axum::http::Uri;

    use super::find::{Sought, form};
    use super::questions::Given;
    use super::{discs, entrance, shown};

    pub fn queries(uri: &Uri) {
        let _ = Query::<discs::Chosen>::try_from_uri(uri);
        // A form's body is written as a query is.
        let _ = Query::<Given>::try_from_uri(uri);
        let _ = Query::<entrance::Link>::try_from_uri(uri);
        if let Ok(Query(sought)) = Query::<Sought>::try_from_uri(uri) {
            words(sought.words());
        }
    }

    /// Whatever is typed, a page has no element more for it.
    pub fn words(text: &str) {
        let elements = |page: String| page.matches(['<', '>']).count();
        let empty = elements(form(&[], "", None).into_string());
        assert_eq!(elements(form(&[], text, None).into_string()), empty);
        assert!(!shown::text(text).contains(char::is_control));
    }
}

pub fn routes(hub: Arc<Hub>) -> Router {
    Router::new()
        .route("/", get(now::page))
        .route("/questions", get(questions::page))
        .route("/questions/{id}", post(questions::answer))
        .route("/safe", get(safety::page))
        .route("/discs", get(discs::page))
        .route("/discs/{uuid}", get(discs::one))
        .route("/find", get(find::page))
        .route("/log", get(log::page))
        .route("/open", get(entrance::page).post(entrance::open))
        .route("/app.css", get(files::style))
        .route("/app.js", get(files::script))
        .with_state(hub)
}
