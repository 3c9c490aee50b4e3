//! A door for the fuzzers of `fuzz/`: what the service itself reads of a request, and lines of runs. It
//! exists only under the feature `fuzzing`.

use axum::http::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use axum::http::{Method, Uri};
use tokio::sync::mpsc;

use crate::hub::hello::Hello;
use crate::port::clock::Moment;

use super::access::{Caller, Door, Hosts, cookie_name, judge};
use super::board::State;
use super::run::{Peer, Run};
use super::sessions::{Session, Sessions};
use super::{api, metrics, pages};

/// In the input, it stands for the cookie of the only session, which is random.
const COOKIE: &str = "COOKIE";
const NOW: Moment = Moment(1);

/// The first byte says at which door it comes in; then a head, and after an empty line a form's body and
/// lines of a run.
pub fn http(data: &[u8]) {
    let Some((door, rest)) = data.split_first() else { return };
    let door = if door % 2 == 0 { Door::Socket } else { Door::Tcp };
    let end = rest.windows(2).position(|two| two == b"\n\n").unwrap_or(rest.len());
    let (head, body) = rest.split_at(end);
    head_is_judged(door, head);
    let body = body.get(2..).unwrap_or_default();
    let text = String::from_utf8_lossy(body);
    pages::fuzzing::words(&text);
    api::fuzzing::bytes(&text);
    run_is_heard(body);
}

fn head_is_judged(door: Door, head: &[u8]) {
    let mut sessions = Sessions::default();
    let link = sessions.new_link(NOW);
    let Some(session) = link.and_then(|link| sessions.open(&link, NOW)) else { return };
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let (method, target) = first.split_once(' ').unwrap_or((&first, "/"));
    let (Ok(method), Ok(uri)) = (Method::from_bytes(method.as_bytes()), target.parse::<Uri>())
    else {
        return;
    };
    pages::fuzzing::queries(&uri);
    api::fuzzing::queries(&uri);
    let mut map = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| header(line, &session)) {
        map.append(name, value);
    }
    let listen = "127.0.0.1:7733".parse().ok();
    let hosts = Hosts::new(listen, Some(7733));
    let judged = judge(door, (&method, uri.path()), &map, &hosts, (&sessions, NOW));
    if let Ok(caller) = judged {
        is_allowed(&caller, door, &method, &map, &session);
    }
}

fn header(line: &[u8], session: &Session) -> Option<(HeaderName, HeaderValue)> {
    let at = line.iter().position(|byte| *byte == b':')?;
    let name = HeaderName::from_bytes(&line[..at]).ok()?;
    let value = line[at + 1..].trim_ascii();
    let value = match std::str::from_utf8(value) {
        Ok(text) => text.replace(COOKIE, session.cookie()).into_bytes(),
        Err(_) => value.to_vec(),
    };
    Some((name, HeaderValue::from_bytes(&value).ok()?))
}

/// Whoever is let in has what it takes.
fn is_allowed(caller: &Caller, door: Door, method: &Method, head: &HeaderMap, session: &Session) {
    assert!([Method::GET, Method::HEAD, Method::POST].contains(method));
    let host = head.get(HOST).and_then(|host| host.to_str().ok());
    let is_browsers = |name: &str| {
        ["origin", "referer", "cookie"].contains(&name) || name.starts_with("sec-fetch-")
    };
    let is_program = door == Door::Socket && !head.keys().any(|name| is_browsers(name.as_str()));
    assert_eq!(matches!(caller, Caller::Program), is_program);
    let own = ["localhost", "127.0.0.1", "[::1]"];
    let is_ours = |host: &str| {
        let host = host.to_ascii_lowercase();
        own.iter().any(|own| {
            host.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        })
    };
    assert!(host.map_or(is_program, is_ours), "{host:?}");
    let name = cookie_name(host.unwrap_or_default());
    assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{name}");
    if let Caller::Browser(_) = caller {
        let pair = format!("{name}={}", session.cookie());
        let cookies = head.get_all("cookie").into_iter().filter_map(|value| value.to_str().ok());
        let squeezed: String =
            cookies.flat_map(str::chars).filter(|c| !c.is_whitespace()).collect();
        assert!(squeezed.contains(&pair), "without a cookie");
        assert!(
            *method != Method::POST
                || head.contains_key("sec-fetch-site")
                || head.contains_key(ORIGIN)
        );
    }
}

/// Lines of JSON, as runs send them.
fn run_is_heard(lines: &[u8]) {
    let hello =
        Hello { run: "0123abcd".into(), command: "x".into(), pid: 1, catalog: String::new() };
    let mut run = Run::new(&hello, NOW);
    let (answers, _waiting) = mpsc::channel(1);
    run.connect(1, Peer { pid: None, user: 0 }, answers);
    for line in lines.split(|byte| *byte == b'\n') {
        if let Ok(object) = serde_json::from_slice(line) {
            run.apply(&object, NOW);
        }
    }
    let state = State { at: String::new(), last_event: 1, runs: vec![run.view(NOW)] };
    for line in metrics::text(&[], &state).lines() {
        assert!(line.starts_with("# ") || line.starts_with("coldcut_"), "{line}");
    }
}
