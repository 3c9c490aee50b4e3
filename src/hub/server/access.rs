//! Who may ask what: judged from a request's head alone, before anything else looks at it.
//!
//! A program comes over the socket, whose mode says who may. A browser may be led here by any page
//! that it shows, whatever door it comes through: it must call the service by one of its own names (against
//! DNS rebinding), have a session, and what it sends must come from one of the service's pages.

use std::net::SocketAddr;

use axum::http::header::{COOKIE, HOST, ORIGIN, REFERER, UPGRADE};
use axum::http::{HeaderMap, Method, StatusCode};

use crate::port::clock::Moment;

use super::sessions::{Session, Sessions};

/// How the names of cookies begin.
const COOKIE_NAME: &str = "coldcut";
const FETCH_SITE: &str = "sec-fetch-site";
const FETCH_MODE: &str = "sec-fetch-mode";
const FETCH: &str = "sec-fetch-";
/// What a browser without a session may see: how it gets one, and what that looks like.
const PUBLIC: [&str; 3] = ["/open", "/app.css", "/app.js"];

/// How a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Socket,
    Tcp,
}

/// Who asks.
#[derive(Clone)]
pub enum Caller {
    /// Over the socket.
    Program,
    Browser(Session),
    /// On its way to a session.
    Stranger,
}

/// The names that we answer to.
#[derive(Clone, Debug)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// `port`: the one that is listened on.
    pub fn new(listen: Option<SocketAddr>, port: Option<u16>) -> Hosts {
        let Some(port) = port else { return Hosts(Vec::new()) };
        let address = listen.map(|listen| match listen {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        });
        let own = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        let names = address.into_iter().chain(own);
        // The port of HTTP is not written.
        let with_port = names.flat_map(|name| match port {
            80 => vec![format!("{name}:80"), name],
            port => vec![format!("{name}:{port}")],
        });
        Hosts(with_port.collect())
    }

    /// What a browser is sent to; `None`: nothing is listened on for browsers.
    pub fn first(&self) -> Option<&str> {
        self.0.first().map(String::as_str)
    }

    fn has(&self, host: &str, door: Door) -> bool {
        match door {
            Door::Tcp => self.0.iter().any(|own| own.eq_ignore_ascii_case(host)),
            // A forwarded port may have any number: what counts is that the name is not a stranger's.
            Door::Socket => {
                let name = match host.rsplit_once(':') {
                    Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
                    _ => host,
                };
                ["localhost", "127.0.0.1", "[::1]"].iter().any(|own| own.eq_ignore_ascii_case(name))
            }
        }
    }
}

/// The status that a request is refused with, and why.
pub type Denial = (StatusCode, &'static str);

/// Judges the head of a request.
pub fn judge(
    door: Door,
    (method, path): (&Method, &str),
    headers: &HeaderMap,
    hosts: &Hosts,
    (sessions, now): (&Sessions, Moment),
) -> Result<Caller, Denial> {
    let is_program = door == Door::Socket && !is_of_a_browser(headers);
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let is_ours = host.is_some_and(|host| hosts.has(host, door));
    // A program need not name us.
    let is_named = is_ours || is_program && host.is_none();
    if !is_named {
        return Err((StatusCode::MISDIRECTED_REQUEST, "this is not a name of this service"));
    }
    if ![Method::GET, Method::HEAD, Method::POST].contains(method) {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "only GET, HEAD and POST are understood"));
    }
    if is_program {
        return Ok(Caller::Program);
    }
    if headers.contains_key(UPGRADE) {
        return Err((StatusCode::FORBIDDEN, "only a program over the socket may do this"));
    }
    if *method == Method::POST && !is_from_our_page(headers, host.unwrap_or_default()) {
        return Err((StatusCode::FORBIDDEN, "this was not sent by a page of this service"));
    }
    if *method != Method::POST && is_embedded_elsewhere(headers) {
        return Err((StatusCode::FORBIDDEN, "this was not asked for by a page of this service"));
    }
    let name = cookie_name(host.unwrap_or_default());
    match cookies(headers, &name).find_map(|cookie| sessions.find(cookie, now)) {
        Some(session) => Ok(Caller::Browser(session)),
        None if PUBLIC.contains(&path) => Ok(Caller::Stranger),
        None => {
            Err((StatusCode::UNAUTHORIZED, "run `coldcut open` for a link that opens this page"))
        }
    }
}

/// Headers that no program sends by itself.
fn is_of_a_browser(headers: &HeaderMap) -> bool {
    let mut names = headers.keys();
    names.any(|name| [ORIGIN, REFERER, COOKIE].contains(name) || name.as_str().starts_with(FETCH))
}

/// A page from elsewhere, which may be of another port of this machine and so has our cookies sent, may
/// lead here, but not load anything into itself.
fn is_embedded_elsewhere(headers: &HeaderMap) -> bool {
    let is_elsewhere =
        headers.get(FETCH_SITE).is_some_and(|site| site != "same-origin" && site != "none");
    is_elsewhere && headers.get(FETCH_MODE).is_none_or(|mode| mode != "navigate")
}

/// A browser says where a request comes from: newer ones in `Sec-Fetch-Site`, all in `Origin`.
fn is_from_our_page(headers: &HeaderMap, host: &str) -> bool {
    match (headers.get(FETCH_SITE), headers.get(ORIGIN)) {
        (Some(site), _) => site == "same-origin" || site == "none",
        (None, Some(origin)) => origin.to_str().is_ok_and(|o| o == format!("http://{host}")),
        (None, None) => false,
    }
}

/// The name of the session's cookie for a browser that calls us so: a browser keeps one cookie of a
/// name for all ports of a machine (RFC 6265 8.5), and each may be that of another service.
pub fn cookie_name(host: &str) -> String {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = host.rsplit_once(':').map(|(_, port)| port).filter(|port| is_port(port));
    // The port of HTTP is not written.
    format!("{COOKIE_NAME}-{}", port.unwrap_or("80"))
}

/// All of the name: another service of this machine may have set one for a path or a name of its own.
fn cookies<'a>(headers: &'a HeaderMap, wanted: &str) -> impl Iterator<Item = &'a str> {
    let all = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|value| value.split(';')).filter_map(|one| one.split_once('='));
    pairs.filter(move |(name, _)| name.trim() == wanted).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    const OURS: (&str, &str) = ("host", "127.0.0.1:7733");

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    struct OpenSession {
        sessions: Sessions,
        cookie: String,
    }

    impl OpenSession {
        fn new() -> OpenSession {
            let mut sessions = Sessions::default();
            let link = sessions.new_link(Moment(0)).unwrap();
            let session = sessions.open(&link, Moment(0)).unwrap();
            OpenSession { cookie: format!("a=b; coldcut-7733={}", session.cookie()), sessions }
        }

        fn asks(&self, door: Door, method: &str, path: &str, pairs: &[(&str, &str)]) -> u16 {
            let listen = "127.0.0.1:7733".parse().unwrap();
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let hosts = Hosts::new(Some(listen), Some(7733));
            let sessions = (&self.sessions, Moment(1));
            match judge(door, (&method, path), &headers(pairs), &hosts, sessions) {
                Ok(_) => 200,
                Err((status, _)) => status.as_u16(),
            }
        }

        fn with_session(&self, method: &str, pairs: &[(&str, &str)]) -> u16 {
            let all = [pairs, &[("cookie", &self.cookie)]].concat();
            self.asks(Door::Tcp, method, "/", &all)
        }
    }

    #[test]
    fn each_port_has_a_cookie_of_its_own() {
        for (host, name) in [
            ("localhost:7733", "coldcut-7733"),
            ("[::1]:80", "coldcut-80"),
            ("[::1]", "coldcut-80"),
            ("localhost", "coldcut-80"),
            ("localhost:", "coldcut-80"),
            ("localhost:1;x", "coldcut-80"),
        ] {
            assert_eq!(cookie_name(host), name, "{host}");
        }
        let mut gate = OpenSession::new();
        gate.cookie = gate.cookie.replace("-7733", "-7734");
        assert_eq!(gate.with_session("GET", &[OURS]), 401);
        let own = gate.cookie.replace("-7734", "-7733");
        for cookie in [format!("{own}; coldcut-7733=0"), format!("coldcut-7733=0; {own}")] {
            gate.cookie = cookie;
            assert_eq!(gate.with_session("GET", &[OURS]), 200, "{}", gate.cookie);
        }
    }

    #[test]
    fn a_name_that_is_not_ours_is_421_whatever_else_is_right() {
        let gate = OpenSession::new();
        let names = ["127.0.0.1:7733", "localhost:7733", "[::1]:7733", "LOCALHOST:7733"];
        for name in names {
            assert_eq!(gate.with_session("GET", &[("host", name)]), 200, "{name}");
        }
        let others = [
            "evil.test:7733",
            "evil.test",
            "localhost",
            "localhost:80",
            "127.0.0.1:7734",
            "localhost.evil.test:7733",
            "127.0.0.1:7733.evil.test",
            "0:7733",
            "",
        ];
        for name in others {
            assert_eq!(gate.with_session("GET", &[("host", name)]), 421, "{name}");
        }
        assert_eq!(gate.with_session("GET", &[]), 421);
        for door in [Door::Tcp, Door::Socket] {
            assert_eq!(gate.asks(door, "GET", "/", &[("host", "evil.test")]), 421);
        }
    }

    #[test]
    fn what_is_posted_must_come_from_a_page_of_ours() {
        let gate = OpenSession::new();
        let post = |pairs: &[(&str, &str)]| gate.with_session("POST", &[&[OURS], pairs].concat());
        for site in ["same-origin", "none"] {
            assert_eq!(post(&[("sec-fetch-site", site)]), 200, "{site}");
        }
        for site in ["same-site", "cross-site", ""] {
            let ours = ("origin", "http://127.0.0.1:7733");
            assert_eq!(post(&[("sec-fetch-site", site), ours]), 403, "{site}");
        }
        assert_eq!(post(&[("origin", "http://127.0.0.1:7733")]), 200);
        for origin in ["http://127.0.0.1:80", "https://127.0.0.1:7733", "http://evil.test", "null"]
        {
            assert_eq!(post(&[("origin", origin)]), 403, "{origin}");
        }
        assert_eq!(post(&[]), 403);
    }

    #[test]
    fn a_page_from_elsewhere_leads_here_and_loads_nothing() {
        let gate = OpenSession::new();
        let asks = |method: &str, site: &str, mode: &str| {
            let from = [OURS, ("sec-fetch-site", site), ("sec-fetch-mode", mode)];
            gate.with_session(method, &from)
        };
        for site in ["same-site", "cross-site"] {
            assert_eq!(asks("GET", site, "navigate"), 200, "{site}");
            for mode in ["no-cors", "cors", "websocket", ""] {
                assert_eq!(asks("GET", site, mode), 403, "{site} {mode}");
                assert_eq!(asks("HEAD", site, mode), 403, "{site} {mode}");
            }
            assert_eq!(gate.with_session("GET", &[OURS, ("sec-fetch-site", site)]), 403, "{site}");
        }
        assert_eq!(
            [asks("GET", "same-origin", "cors"), asks("GET", "none", "no-cors")],
            [200, 200]
        );
    }

    #[test]
    fn without_a_session_there_is_only_the_way_to_one() {
        let gate = OpenSession::new();
        let get = |path: &str| gate.asks(Door::Tcp, "GET", path, &[OURS]);
        for path in ["/", "/api/state", "/api/events", "/open/x", "/app.css/../api/state"] {
            assert_eq!(get(path), 401, "{path}");
        }
        assert_eq!([get("/open"), get("/app.css")], [200, 200]);
        let forged = ("cookie", "coldcut=00");
        assert_eq!(gate.asks(Door::Tcp, "GET", "/", &[OURS, forged]), 401);
    }

    #[test]
    fn a_program_comes_over_the_socket_and_a_browser_there_has_the_rules_of_browsers() {
        let gate = OpenSession::new();
        let ask = |method: &str, pairs: &[(&str, &str)]| {
            gate.asks(Door::Socket, method, "/api/questions/1", pairs)
        };
        assert_eq!(ask("POST", &[]), 200);
        assert_eq!(ask("POST", &[("host", "localhost")]), 200);
        let signs = [
            ("origin", "http://localhost"),
            ("referer", "http://localhost/"),
            ("sec-fetch-mode", "navigate"),
            ("cookie", "x=y"),
        ];
        for sign in signs {
            assert_ne!(ask("POST", &[("host", "localhost"), sign]), 200, "{sign:?}");
            assert_eq!(ask("POST", &[sign]), 421, "{sign:?}");
        }
        // A forwarded port is the one that the browser knows.
        let cookie = gate.cookie.replace("coldcut-7733", "coldcut-9000");
        let session = ("cookie", cookie.as_str());
        let same = ("sec-fetch-site", "same-origin");
        assert_eq!(ask("POST", &[("host", "localhost:9000"), session, same]), 200);
        assert_eq!(ask("POST", &[("host", "evil.test:9000"), session, same]), 421);
    }

    #[test]
    fn other_methods_and_upgrades_are_refused() {
        let gate = OpenSession::new();
        for method in ["PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"] {
            assert_eq!(gate.with_session(method, &[OURS]), 405, "{method}");
        }
        assert_eq!(gate.with_session("GET", &[OURS, ("upgrade", "websocket")]), 403);
    }
}
