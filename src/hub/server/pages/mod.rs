//! The pages: HTML from the server, complete without JavaScript. Every name in them is somebody
//! else's text, and `maud` escapes it.

mod discs;
mod drawing;
mod entrance;
mod files;
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

pub fn routes(hub: Arc<Hub>) -> Router {
    Router::new()
        .route("/", get(now::page))
        .route("/questions", get(questions::page))
        .route("/questions/{id}", post(questions::answer))
        .route("/safe", get(safety::page))
        .route("/discs", get(discs::page))
        .route("/discs/{uuid}", get(discs::one))
        .route("/log", get(log::page))
        .route("/open", get(entrance::page).post(entrance::open))
        .route("/app.css", get(files::style))
        .route("/app.js", get(files::script))
        .with_state(hub)
}
