//! Why the service cannot begin.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::model::path::shown_path;

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("another service of this catalog is running: it holds {}", shown_path(.0))]
    Busy(PathBuf),
    #[error("another service is running: it answers at {}", shown_path(.0))]
    SocketBusy(PathBuf),
    #[error("cannot write the journal {}", shown_path(.path))]
    Journal { path: PathBuf, source: io::Error },
    #[error("cannot make the socket {}", shown_path(.path))]
    Socket { path: PathBuf, source: io::Error },
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("{0} is not an address of this machine alone, such as 127.0.0.1:7733")]
    NotLoopback(SocketAddr),
    #[error("cannot begin")]
    Runtime(#[from] io::Error),
}
