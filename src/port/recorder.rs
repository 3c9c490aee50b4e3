//! Keeps what is reported in words: for who says it later, and for tests.

#[cfg(test)]
use std::sync::Arc;
use std::sync::Mutex;

use super::event::{Event, Listener, Trouble};
#[cfg(test)]
use super::monitor::Monitor;
use super::notice::Notice;

/// A monitor, and what was said to it.
#[cfg(test)]
pub struct Recorder {
    monitor: Monitor,
    pub heard: Arc<Heard>,
}

/// What a recorder has heard.
#[derive(Debug, Default)]
pub struct Heard {
    pub notes: Mutex<Vec<Notice>>,
    pub troubles: Mutex<Vec<Trouble>>,
}

#[cfg(test)]
impl Default for Recorder {
    fn default() -> Recorder {
        let (monitor, heard) = (Monitor::new(), Arc::<Heard>::default());
        monitor.listen(heard.clone());
        Recorder { monitor, heard }
    }
}

#[cfg(test)]
impl std::ops::Deref for Recorder {
    type Target = Monitor;

    fn deref(&self) -> &Monitor {
        &self.monitor
    }
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
