//! Keeps notes and troubles, for who says them later.

use std::sync::Mutex;

use super::event::{Event, Listener, Trouble};
use super::notice::Notice;

/// What was reported, in the order in which it was.
#[derive(Debug, Default)]
pub struct Heard {
    pub notes: Mutex<Vec<Notice>>,
    pub troubles: Mutex<Vec<Trouble>>,
}

impl Listener for Heard {
    fn hear(&self, event: &Event) {
        match event {
            Event::Note(notice) => {
                if let Ok(mut notes) = self.notes.lock() {
                    notes.push(notice.clone());
                }
            }
            Event::Trouble(trouble) => {
                if let Ok(mut troubles) = self.troubles.lock() {
                    troubles.push(trouble.clone());
                }
            }
            _ => {}
        }
    }
}
