//! What all requests share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use super::access::Hosts;
use super::board::Board;
use super::sessions::Sessions;
use super::view::{CatalogView, Found, Search, ViewError};

pub struct Hub {
    board: Mutex<Board>,
    sessions: Mutex<Sessions>,
    /// As [`crate::hub::hello::catalog_name`] makes it.
    pub catalog: String,
    pub hosts: Hosts,
    view: Arc<dyn CatalogView>,
    /// A search may take a while, and other questions have a thread left.
    searching: Semaphore,
    say: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Hub {
    pub fn new(
        board: Board,
        catalog: String,
        hosts: Hosts,
        view: Arc<dyn CatalogView>,
        say: Arc<dyn Fn(&str) + Send + Sync>,
    ) -> Hub {
        let (board, sessions) = (Mutex::new(board), Mutex::default());
        let searching = Semaphore::new(1);
        Hub { board, sessions, catalog, hosts, view, searching, say }
    }

    /// Never held while something is waited for.
    pub fn board(&self) -> MutexGuard<'_, Board> {
        // Whole between any two changes.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn say(&self, words: &str) {
        (self.say)(words);
    }

    /// After a change of the board: why the journal cannot be written.
    pub fn say_trouble(&self) {
        let trouble = self.board().take_trouble();
        if let Some(error) = trouble {
            self.say(&format!(
                "the journal cannot be written, so events are kept in memory only: {error}"
            ));
        }
    }

    /// Asks the catalog in a thread of its own: a slow disk holds up nobody else.
    pub async fn ask<T: Send + 'static>(
        self: &Arc<Hub>,
        question: impl FnOnce(&dyn CatalogView) -> Result<T, ViewError> + Send + 'static,
    ) -> Result<T, ViewError> {
        let view = self.view.clone();
        let asked = tokio::task::spawn_blocking(move || question(&*view)).await;
        asked.unwrap_or_else(|error| Err(ViewError::Failed(error.to_string())))
    }

    /// One search after the other. It ends when nobody waits for it any more.
    pub async fn find(self: &Arc<Hub>, search: Search) -> Result<Found, ViewError> {
        let turn = self.searching.acquire().await;
        let asker = Arc::new(());
        let waits = Arc::downgrade(&asker);
        let found = self.ask(move |view| view.find(&search, &|| waits.strong_count() > 0)).await;
        drop((asker, turn));
        found
    }
}
