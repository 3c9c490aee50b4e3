//! What a request knows of the connection on which it came; apart from what accepts connections, which
//! knows the requests.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::run::Peer;

/// One of the connections of a door.
#[derive(Clone)]
pub struct Connection {
    /// It counts as long as one of these is left.
    _room: Arc<OwnedSemaphorePermit>,
    /// `None`: unknown.
    pub peer: Option<Peer>,
}

impl Connection {
    pub fn new(room: OwnedSemaphorePermit, peer: Option<Peer>) -> Connection {
        Connection { _room: Arc::new(room), peer }
    }
}
