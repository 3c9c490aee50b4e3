//! `coldcut serve` in a sandbox, and as little HTTP as tests need to speak to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::Sandbox;
use super::terminal::end;

/// What says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// A service that is running; it ends with this value.
pub struct Service {
    child: Child,
    pub socket: PathBuf,
    /// `127.0.0.1:4711`
    pub address: String,
}

/// An answer: its status, its head, its body.
#[derive(Debug)]
pub struct HttpAnswer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl HttpAnswer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Sandbox {
    /// This sandbox with its service.
    pub fn served(mut self) -> (Sandbox, Service) {
        let service = self.serve();
        (self, service)
    }

    /// The way into the service's page, once.
    pub fn link(&self) -> String {
        self.run(["open"]).ok().stdout().trim().to_owned()
    }

    /// A run without a terminal that waits for an answer as long as it takes.
    pub fn asking(&self, words: &[&str]) -> Child {
        let mut command = self.command(env!("CARGO_BIN_EXE_coldcut"));
        command.args(words).args(["--wait", "forever"]).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// Where the service of this sandbox has its socket.
    pub fn hub(&self) -> PathBuf {
        self.path("run/hub.sock")
    }

    /// A service, once it listens. All runs of the sandbox look for it from now on.
    pub fn serve(&mut self) -> Service {
        let socket = self.hub();
        self.set("COLDCUT_HUB", &socket);
        let mut command = self.command(env!("CARGO_BIN_EXE_coldcut"));
        command.args(["serve", "--listen", "127.0.0.1:0"]).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let is_address = |line: String| line.strip_prefix("serving http://").map(str::to_owned);
        let address = said.by_ref().find_map(|line| is_address(line.unwrap()));
        // Nobody else reads what it says.
        std::thread::spawn(move || said.for_each(drop));
        Service { child, socket, address: address.expect("it does not listen") }
    }
}

impl Service {
    /// An answer to these bytes over the socket; the request must end the connection.
    pub fn over_socket(&self, request: &str) -> HttpAnswer {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // A refusal may come before all of it was sent.
        let _ = stream.write_all(request.as_bytes());
        read(stream)
    }

    /// The same over TCP.
    pub fn over_tcp(&self, request: &str) -> HttpAnswer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = stream.write_all(request.as_bytes());
        read(stream)
    }

    #[track_caller]
    pub fn get(&self, target: &str) -> HttpAnswer {
        self.over_socket(&format!("GET {target} HTTP/1.0\r\n\r\n"))
    }

    pub fn post(&self, target: &str, body: &str) -> HttpAnswer {
        let length = body.len();
        self.over_socket(&format!(
            "POST {target} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    }

    /// What runs report after this event, until one is the last that is wanted: what has a number,
    /// so without progress, which whoever joins late never hears.
    pub fn events_until(&self, after: u64, is_last: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!("GET /api/events HTTP/1.0\r\nLast-Event-ID: {after}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut events = Vec::new();
        let mut beats = 0;
        for line in BufReader::new(stream).lines() {
            let line = line.unwrap();
            // What only beats hangs.
            beats += u32::from(line == ":");
            assert!(beats < 6, "it never comes: {events:#?}");
            if let Some(data) = line.strip_prefix("data: ") {
                let event: Value = serde_json::from_str(data).unwrap();
                if event["number"].is_null() {
                    continue;
                }
                events.push(event);
                if is_last(&events[events.len() - 1]) {
                    return events;
                }
            }
        }
        panic!("the stream ended: {events:#?}");
    }

    pub fn signals(&mut self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// Its exit code; -9 of a service that was killed.
    pub fn ends(&mut self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        let status = end(&mut self.child);
        status.code().unwrap_or_else(|| -status.signal().unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// To the end of the connection, which may be cut off after a refusal.
fn read(mut stream: impl Read) -> HttpAnswer {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    HttpAnswer { status, head: head.to_lowercase(), body: body.to_owned() }
}
