//! What all requests share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::port::clock::Deadline;

use super::access::Hosts;
use super::board::Board;
use super::sessions::Sessions;
use super::view::{CatalogView, Found, Search, ViewError};

/// How long a search may take: what it found by then is still sent.
pub const SEARCH_TIME: Duration = Duration::from_secs(25);

pub struct Hub {
    board: Mutex<Board>,
    sessions: Mutex<Sessions>,
    /// As [`crate::hub::hello::catalog_name`] makes it.
    pub catalog: String,
    pub hosts: Hosts,
    view: Arc<dyn CatalogView>,
    /// A search may take a while, and other questions have a thread left.
    searching: Arc<Semaphore>,
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
        let searching = Arc::new(Semaphore::new(1));
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

    /// One search after the other. It ends when nobody waits for it any more, and at `until` with what
    /// was found so far.
    pub async fn find(
        self: &Arc<Hub>,
        search: Search,
        until: Deadline,
    ) -> Result<Found, ViewError> {
        let unfinished = || Found { has_more: true, ..Found::default() };
        let turn = self.searching.clone().acquire_owned();
        let Ok(Ok(turn)) = timeout(left(until), turn).await else { return Ok(unfinished()) };
        let asker = Arc::new(());
        let waits = Arc::downgrade(&asker);
        let found = self.ask(move |view| {
            // The next one begins when this one has ended, also if nobody waits for it.
            let _turn = turn;
            let is_wanted = || waits.strong_count() > 0 && !until.is_over();
            if is_wanted() { view.find(&search, &is_wanted) } else { Ok(unfinished()) }
        });
        let found = found.await;
        drop(asker);
        found
    }
}

/// When a search that was asked for now must have ended.
pub fn search_end() -> Deadline {
    Deadline::after(SEARCH_TIME)
}

fn left(until: Deadline) -> Duration {
    until.left().unwrap_or(SEARCH_TIME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::server::journal::Journal;
    use crate::hub::server::view::SetNumbers;
    use crate::ui::json::discs::DiscObject;
    use crate::ui::json::sets::SetObject;
    use crate::ui::json::snapshots::{PathObject, SnapshotObject};
    use crate::ui::json::status::SetStatusObject;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// Each search says that it has begun, and ends when it is told to.
    struct SlowView {
        begun: Mutex<Sender<String>>,
        end: Mutex<Receiver<()>>,
    }

    impl CatalogView for SlowView {
        fn sets(&self) -> Result<Vec<SetObject>, ViewError> {
            unimplemented!()
        }

        fn set_names(&self) -> Result<Vec<String>, ViewError> {
            unimplemented!()
        }

        fn status(&self) -> Result<Vec<SetStatusObject>, ViewError> {
            unimplemented!()
        }

        fn numbers(&self) -> Result<Vec<SetNumbers>, ViewError> {
            unimplemented!()
        }

        fn discs(&self, _: Option<&str>) -> Result<Vec<DiscObject>, ViewError> {
            unimplemented!()
        }

        fn snapshots(&self, _: Option<&str>) -> Result<Vec<SnapshotObject>, ViewError> {
            unimplemented!()
        }

        fn list(
            &self,
            _: Option<&str>,
            _: &[u8],
            _: Option<u32>,
        ) -> Result<Vec<PathObject>, ViewError> {
            unimplemented!()
        }

        fn find(&self, search: &Search, is_wanted: &dyn Fn() -> bool) -> Result<Found, ViewError> {
            self.begun.lock().unwrap().send(search.words.clone()).unwrap();
            self.end.lock().unwrap().recv().unwrap();
            Ok(Found { has_more: !is_wanted(), ..Found::default() })
        }
    }

    struct SlowHub {
        hub: Arc<Hub>,
        begun: Receiver<String>,
        end: Sender<()>,
        _dir: tempfile::TempDir,
    }

    impl SlowHub {
        fn new() -> SlowHub {
            let dir = tempfile::tempdir().unwrap();
            let journal = Journal::open(&dir.path().join("events")).unwrap();
            let ((said, begun), (end, ending)) = (channel(), channel());
            let view = SlowView { begun: Mutex::new(said), end: Mutex::new(ending) };
            let hosts = Hosts::new(None, None);
            let say = Arc::new(|_: &str| {});
            let board = Board::new(journal);
            let hub = Arc::new(Hub::new(board, String::new(), hosts, Arc::new(view), say));
            SlowHub { hub, begun, end, _dir: dir }
        }

        fn search(&self, words: &str, until: Deadline) -> tokio::task::JoinHandle<Found> {
            let (hub, words) = (self.hub.clone(), words.to_owned());
            let search = Search { words, set: None, most: 1 };
            tokio::spawn(async move { hub.find(search, until).await.unwrap() })
        }
    }

    /// With one thread for questions to the catalog.
    fn within(work: impl Future<Output = ()>) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().max_blocking_threads(1).build().unwrap().block_on(work);
    }

    #[test]
    fn a_search_that_nobody_waits_for_keeps_its_turn_until_it_has_ended() {
        within(async {
            let slow = SlowHub::new();
            let asked = slow.search("first", search_end());
            tokio::task::yield_now().await;
            assert_eq!(slow.begun.recv().unwrap(), "first");
            asked.abort();
            assert!(asked.await.unwrap_err().is_cancelled());
            assert_eq!(slow.hub.searching.available_permits(), 0);
            slow.end.send(()).unwrap();
            let next = slow.search("second", search_end());
            slow.end.send(()).unwrap();
            assert!(!next.await.unwrap().has_more);
        });
    }

    #[test]
    fn a_search_that_nobody_waits_for_any_more_does_not_begin() {
        within(async {
            let slow = SlowHub::new();
            let (free, busy) = channel::<()>();
            let other = tokio::task::spawn_blocking(move || busy.recv());
            let asked = slow.search("first", search_end());
            tokio::task::yield_now().await;
            asked.abort();
            assert!(asked.await.unwrap_err().is_cancelled());
            free.send(()).unwrap();
            other.await.unwrap().unwrap();
            let next = slow.search("second", search_end());
            slow.end.send(()).unwrap();
            assert!(!next.await.unwrap().has_more);
            assert_eq!(slow.begun.try_iter().collect::<Vec<_>>(), ["second"]);
        });
    }

    #[test]
    fn a_search_whose_time_is_over_answers_that_there_may_be_more() {
        within(async {
            let slow = SlowHub::new();
            let over = Deadline::after(Duration::ZERO);
            assert!(slow.search("late", over).await.unwrap().has_more);
            let turn = slow.hub.searching.clone().acquire_owned().await.unwrap();
            assert!(slow.search("waits", over).await.unwrap().has_more);
            drop(turn);
            assert_eq!(slow.begun.try_iter().count(), 0);
        });
    }
}
