//! Requests to the service over its socket: as little HTTP as `report`, `follow` and `answer` need.
//! HTTP/1.0 for what has an end, so that a body ends with the connection.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::path::shown_path;
use crate::port::files::dir_of;
use crate::port::trust::user_name;

use super::hello::{Hello, PROTOCOL};
use super::place::HubPlace;

/// A service that takes longer for an answer hangs.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// The longest head of an answer.
const LONGEST_HEAD: u64 = 16 << 10;
/// The longest body of an answer that is kept.
const LONGEST_BODY: u64 = 64 << 20;

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("no service is running: there is no socket at {}", places(.0))]
    NotThere(Vec<PathBuf>),
    #[error("what answers at {} is a process of {}", shown_path(.0), user_name(*.1))]
    OfStranger(PathBuf, u32),
    #[error("the service does not answer")]
    Talk(#[from] io::Error),
    #[error("what answers at the socket is not coldcut's service")]
    NotAService,
    /// The status, and what the service says.
    #[error("{1}")]
    Refused(u16, String),
}

fn places(places: &[PathBuf]) -> String {
    let all = places.iter().map(|place| shown_path(place));
    all.collect::<Vec<_>>().join(" or ")
}

/// An answer whose body is still to be read.
pub struct HttpAnswer {
    pub status: u16,
    pub body: BufReader<UnixStream>,
}

impl HttpAnswer {
    /// All of the body, as text; of a status that is not a success, an error.
    pub fn text(mut self) -> Result<String, ClientError> {
        let mut text = String::new();
        (&mut self.body).take(LONGEST_BODY).read_to_string(&mut text)?;
        match self.status {
            200..300 => Ok(text),
            status => Err(ClientError::Refused(status, reason(&text))),
        }
    }

    /// The body line by line, for as long as it takes.
    pub fn endless(self) -> Result<BufReader<UnixStream>, ClientError> {
        if !(200..300).contains(&self.status) {
            return Err(self.text().err().unwrap_or(ClientError::NotAService));
        }
        self.body.get_ref().set_read_timeout(None)?;
        Ok(self.body)
    }
}

/// The `text` of an error's object.
fn reason(body: &str) -> String {
    let object: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let text = object.and_then(|object| object["text"].as_str().map(str::to_owned));
    text.unwrap_or_else(|| body.trim().to_owned())
}

/// Connects to the first place where a service is.
fn connect(place: &HubPlace) -> Result<UnixStream, ClientError> {
    let candidates = place.candidates();
    let connected = |path: &PathBuf| Some((path.clone(), UnixStream::connect(path).ok()?));
    let found = candidates.iter().find_map(connected);
    let (path, stream) = found.ok_or(ClientError::NotThere(candidates))?;
    let user = rustix::net::sockopt::socket_peercred(&stream).map_err(io::Error::from)?.uid;
    if !is_trusted(user.as_raw(), &path) {
        return Err(ClientError::OfStranger(path, user.as_raw()));
    }
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Who listens is this user or root, or, for the service of the system, whoever its directory was made
/// for: anybody else could make a socket where a run looks for one, and answer its questions.
fn is_trusted(user: u32, path: &Path) -> bool {
    let is_of_the_system = path == HubPlace::of_the_system();
    let owner = || std::fs::symlink_metadata(dir_of(path)).ok().map(|found| found.uid());
    user == 0
        || user == rustix::process::geteuid().as_raw()
        || is_of_the_system && owner() == Some(user)
}

fn send(stream: UnixStream, head: &str, body: &str) -> Result<HttpAnswer, ClientError> {
    (&stream).write_all(format!("{head}Host: localhost\r\n\r\n{body}").as_bytes())?;
    let mut reader = BufReader::new(stream);
    let status = read_head(&mut reader)?;
    Ok(HttpAnswer { status, body: reader })
}

pub fn get(place: &HubPlace, target: &str) -> Result<HttpAnswer, ClientError> {
    send(connect(place)?, &format!("GET {target} HTTP/1.0\r\n"), "")
}

pub fn post(place: &HubPlace, target: &str, json: &str) -> Result<HttpAnswer, ClientError> {
    let length = json.len();
    let head = format!(
        "POST {target} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"
    );
    send(connect(place)?, &head, json)
}

/// A connection on which a run reports; it ends when the service says nothing for this long.
pub fn report(
    place: &HubPlace,
    hello: &Hello,
    silence: Duration,
) -> Result<BufReader<UnixStream>, ClientError> {
    let target = hello.target();
    let head = format!("GET {target} HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: {PROTOCOL}\r\n");
    let answer = send(connect(place)?, &head, "")?;
    match answer.status {
        101 => {
            answer.body.get_ref().set_read_timeout(Some(silence))?;
            Ok(answer.body)
        }
        status => Err(ClientError::Refused(status, String::new())),
    }
}

/// Reads to the end of the head; its status.
fn read_head(reader: &mut impl BufRead) -> Result<u16, ClientError> {
    let mut head = reader.take(LONGEST_HEAD);
    let mut line = String::new();
    let mut next = |line: &mut String| {
        line.clear();
        match head.read_line(line) {
            Ok(0) => Err(ClientError::NotAService),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(ClientError::NotAService)
            }
            Err(error) => Err(error.into()),
        }
    };
    next(&mut line)?;
    let status = status(&line).ok_or(ClientError::NotAService)?;
    while !line.trim_end().is_empty() {
        next(&mut line)?;
    }
    Ok(status)
}

/// Of `HTTP/1.0 200 OK`.
fn status(line: &str) -> Option<u16> {
    let mut words = line.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_to_its_end_and_no_further() {
        let mut answer = &b"HTTP/1.0 409 Conflict\r\nA: b\r\n\r\nbody"[..];
        assert_eq!(read_head(&mut answer).unwrap(), 409);
        assert_eq!(answer, b"body");
    }

    #[test]
    fn what_is_not_http_is_not_the_service() {
        let endless = "HTTP/1.0 200 OK\r\n".to_owned() + &"a: b\r\n".repeat(10_000);
        for bytes in [&b"SSH-2.0\r\n\r\n"[..], b"", b"HTTP/1.0 200", b"HTTP/1.1 \xff\r\n\r\n"] {
            let found = read_head(&mut BufReader::new(bytes));
            assert!(matches!(found, Err(ClientError::NotAService)), "{bytes:?}: {found:?}");
        }
        assert!(read_head(&mut endless.as_bytes()).is_err());
    }

    #[test]
    fn a_socket_of_another_user_is_trusted_only_where_its_directory_is_theirs() {
        let me = rustix::process::geteuid().as_raw();
        let path = Path::new("/tmp/coldcut-nowhere/hub.sock");
        assert!(is_trusted(me, path) && is_trusted(0, path));
        assert!(!is_trusted(me + 7, path));
        assert!(!is_trusted(me + 7, &HubPlace::of_the_system()));
    }

    #[test]
    fn the_service_says_in_an_object_why_it_refuses() {
        assert_eq!(reason("{\"text\": \"too late\"}"), "too late");
        assert_eq!(reason("plain\n"), "plain");
    }
}
