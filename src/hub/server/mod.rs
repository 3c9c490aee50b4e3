//! The service itself, in one thread: it accepts connections on its socket, and on a port of this
//! machine if that is wanted, and answers requests. The only place that does not block: hundreds of
//! silent clients cost it nothing. It has no drive, no source and no key.

mod access;
mod answers;
mod api;
mod board;
mod connection;
mod connections;
mod error;
mod events;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod journal;
mod metrics;
mod pages;
mod reports;
mod run;
mod sessions;
mod shared;
mod sockets;
mod view;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener, UnixStream};

use crate::hub::hello::catalog_name;
use crate::hub::place::HubPlace;
use crate::model::path::shown_path;
use crate::port::stop::Stop;

use access::{Door, Hosts};
use board::Board;
use connections::Gate;
pub use error::ServeError;
use journal::{Journal, journal_path};
use run::Peer;
use shared::Hub;
pub use view::{
    CatalogView, Found, FoundDiscObject, FoundObject, Search, SetNumbers, Tally, ViewError,
};

/// Between two looks for a wish to stop.
const LOOK: Duration = Duration::from_millis(100);
/// What a request that is being answered has when the service stops.
const LAST: Duration = Duration::from_secs(1);

/// What is served, and where.
pub struct ServeRequest {
    pub catalog: PathBuf,
    pub place: HubPlace,
    /// For browsers of this machine.
    pub listen: Option<SocketAddr>,
    pub view: Arc<dyn CatalogView>,
    /// Says something to whoever reads the service's messages.
    pub say: Arc<dyn Fn(&str) + Send + Sync>,
}

/// Serves until it is to stop.
pub fn serve(request: ServeRequest, stop: &Stop) -> Result<(), ServeError> {
    let address = request.listen.filter(|address| !address.ip().is_loopback());
    if let Some(address) = address {
        return Err(ServeError::NotLoopback(address));
    }
    let journal = open_journal(&request.catalog)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        // Questions to the catalog; more than one at a time would only be slower.
        .max_blocking_threads(2)
        .build()?;
    let done = runtime.block_on(serve_until(request, journal, stop));
    runtime.shutdown_timeout(LAST);
    done
}

fn open_journal(catalog: &Path) -> Result<Journal, ServeError> {
    let path = journal_path(catalog);
    Journal::open(&path).map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => ServeError::Busy(path),
        _ => ServeError::Journal { path, source },
    })
}

async fn serve_until(
    request: ServeRequest,
    journal: Journal,
    stop: &Stop,
) -> Result<(), ServeError> {
    let socket = sockets::open(&request.place)?;
    let tcp = match request.listen {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let port = tcp.as_ref().and_then(|tcp| Some(tcp.local_addr().ok()?.port()));
    let hub = Arc::new(Hub::new(
        Board::new(journal),
        catalog_name(&request.catalog),
        Hosts::new(request.listen, port),
        request.view,
        request.say,
    ));
    hub.say(&format!("serving {}", shown_path(socket.path())));
    if let Some(address) = tcp.as_ref().and_then(|tcp| tcp.local_addr().ok()) {
        hub.say(&format!("serving http://{address}"));
    }
    let accepting = tokio::spawn(accept_socket(socket.listener()?, hub.clone()));
    let browsers = tcp.map(|tcp| tokio::spawn(accept_tcp(tcp, hub.clone())));
    let mut look = tokio::time::interval(LOOK);
    while stop.check().is_ok() {
        look.tick().await;
    }
    accepting.abort();
    browsers.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(())
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })
}

async fn accept_socket(listener: UnixListener, hub: Arc<Hub>) {
    let gate = Gate::new(hub, Door::Socket);
    let peer = |stream: &UnixStream| {
        stream.peer_cred().ok().map(|peer| Peer { pid: peer.pid(), user: peer.uid() })
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let peer = peer(&stream);
                gate.enter(stream, peer);
            }
            Err(error) => gate.rest(&error).await,
        }
    }
}

async fn accept_tcp(listener: TcpListener, hub: Arc<Hub>) {
    let gate = Gate::new(hub, Door::Tcp);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => gate.enter(stream, None),
            Err(error) => gate.rest(&error).await,
        }
    }
}
