//! A monitor for tests, which can say what was reported.

use std::ops::Deref;
use std::sync::Arc;

use super::heard::Heard;
use super::monitor::Monitor;

/// A monitor, and what was said to it.
pub struct Recorder {
    monitor: Monitor,
    pub heard: Arc<Heard>,
}

impl Default for Recorder {
    fn default() -> Recorder {
        let (monitor, heard) = (Monitor::new(), Arc::<Heard>::default());
        monitor.listen(heard.clone());
        Recorder { monitor, heard }
    }
}

impl Deref for Recorder {
    type Target = Monitor;

    fn deref(&self) -> &Monitor {
        &self.monitor
    }
}
