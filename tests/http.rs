//! The service's HTTP: who may ask what, and that nobody holds up others.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use nix::sys::signal::Signal;
use serde_json::json;
use support::Sandbox;
use support::service::{HttpAnswer, Service};

/// A request over TCP with these lines in its head.
fn ask(service: &Service, first: &str, head: &[&str]) -> HttpAnswer {
    let lines: String = head.iter().map(|line| format!("{line}\r\n")).collect();
    service.over_tcp(&format!("{first} HTTP/1.0\r\n{lines}\r\n"))
}

#[test]
fn a_name_that_is_not_ours_gets_421() {
    let (_sandbox, service) = Sandbox::new().served();
    let host = |host: &str| ask(&service, "GET /open", &[&format!("Host: {host}")]).status;
    let port = service.address.rsplit(':').next().unwrap();
    assert_eq!(host("evil.test"), 421);
    assert_eq!(host(&format!("evil.test:{port}")), 421);
    assert_eq!(host("127.0.0.1"), 421, "without the port");
    assert_ne!(host(&format!("localhost:{port}")), 421);
    assert_eq!(
        service.over_socket("GET /api/state HTTP/1.0\r\nHost: evil.test\r\n\r\n").status,
        421
    );
}

#[test]
fn nothing_is_said_over_tcp_without_a_session() {
    let (_sandbox, service) = Sandbox::new().served();
    let host = format!("Host: {}", service.address);
    for target in ["/api/state", "/api/events", "/api/ls", "/api/nothing"] {
        assert_eq!(ask(&service, &format!("GET {target}"), &[&host]).status, 401, "{target}");
    }
    let origin = format!("Origin: http://{}", service.address);
    for target in ["/api/links", "/api/questions/0123abcd-1"] {
        let post = |head: &[&str]| ask(&service, &format!("POST {target}"), head).status;
        assert_eq!(post(&[&host, &origin]), 401, "{target}");
        assert_eq!(post(&[&host]), 403, "{target}: from nowhere");
        assert_eq!(post(&[&host, "Origin: http://evil.test"]), 403, "{target}");
    }
    let upgrade = ["Connection: Upgrade", "Upgrade: coldcut-report-1", &host];
    assert_eq!(ask(&service, "GET /api/report", &upgrade).status, 403);
}

/// The cookie that a browser gets for a link, and what it asks for.
fn let_in(sandbox: &Sandbox, service: &Service) -> String {
    let link = sandbox.link();
    let link = link.split("link=").nth(1).unwrap().to_owned();
    let (host, body) = (&service.address, format!("link={link}"));
    let answer = service.over_tcp(&format!(
        "POST /open HTTP/1.0\r\nHost: {host}\r\nOrigin: http://{host}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!(answer.status, 303, "{answer:?}");
    let cookie = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

#[test]
fn two_services_of_one_machine_do_not_take_each_others_cookies() {
    let (mut sandboxes, mut services) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let (sandbox, service) = Sandbox::new().served();
        sandboxes.push(sandbox);
        services.push(service);
    }
    let pairs = sandboxes.iter().zip(&services);
    let cookies: Vec<String> = pairs.map(|(sandbox, service)| let_in(sandbox, service)).collect();
    let name = |cookie: &String| cookie.split('=').next().unwrap().to_owned();
    assert_ne!(name(&cookies[0]), name(&cookies[1]), "a browser keeps both");
    let both = format!("Cookie: {}", cookies.join("; "));
    for service in &services {
        let host = format!("Host: {}", service.address);
        assert_eq!(ask(service, "GET /api/state", &[&host, &both]).status, 200);
    }
}

#[test]
fn a_service_takes_over_the_socket_that_it_is_started_with() {
    let mut sandbox = Sandbox::new();
    let path = sandbox.path("given.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    sandbox.set("COLDCUT_HUB", &path);
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_coldcut"));
    let input = std::os::fd::OwnedFd::from(listener);
    let mut child = command.arg("serve").stdin(input).spawn().unwrap();
    sandbox.run(["answer", "yes"]).code(2).says("no question is open");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), Signal::SIGTERM).unwrap();
    assert_eq!(support::terminal::end(&mut child).code(), Some(0));
    assert!(path.exists(), "it belongs to whoever made it");
}

#[test]
fn no_answer_lets_another_page_read_it_and_get_changes_nothing() {
    let (_sandbox, service) = Sandbox::new().served();
    let answer = service.get("/api/state");
    assert_eq!(answer.status, 200);
    assert!(!answer.head.contains("access-control"), "{}", answer.head);
    assert!(answer.head.contains("content-security-policy: default-src 'none'"), "{}", answer.head);
    assert!(answer.head.contains("x-content-type-options: nosniff"), "{}", answer.head);
    let own = "cross-origin-resource-policy: same-origin";
    assert!(answer.head.contains(own), "{}", answer.head);
    for target in ["/api/links", "/api/questions/0123abcd-1"] {
        assert_eq!(service.get(target).status, 405, "{target}");
    }
    for method in ["OPTIONS", "PUT", "DELETE", "TRACE"] {
        let request = format!("{method} /api/state HTTP/1.0\r\n\r\n");
        assert_eq!(service.over_socket(&request).status, 405, "{method}");
    }
}

#[test]
fn heads_and_bodies_are_bounded() {
    let (_sandbox, service) = Sandbox::new().served();
    let head = |length: usize| {
        let long = "x".repeat(length);
        service.over_socket(&format!("GET /api/state HTTP/1.0\r\nA: {long}\r\n\r\n")).status
    };
    assert_eq!(head(15 << 10), 200);
    assert_eq!(head(17 << 10), 431);
    assert_eq!(service.post("/api/questions/0123abcd-1", &"x".repeat(65 << 10)).status, 413);
    assert_eq!(service.post("/api/questions/0123abcd-1", "{}").status, 400);
    assert_eq!(service.over_socket("nonsense\r\n\r\n").status, 400);
}

#[test]
fn what_is_asked_wrongly_is_refused_with_a_reason() {
    let (_sandbox, service) = Sandbox::new().served();
    for (target, status) in [
        ("/api/nothing", 404),
        ("/api/discs/nothing", 404),
        ("/api/discs?set=nothing", 404),
        ("/api/snapshots?set=..%2F", 404),
        ("/api/ls?path=..%2Fx", 400),
        ("/api/ls?snapshot=first", 400),
        ("/api/ls?path_bytes=6", 400),
        ("/api/ls?path_bytes=%2B1", 400),
        ("/api/find", 400),
        ("/api/find?q=", 400),
        ("/api/find?q=%5B", 400),
        ("/api/find?q=a&set=..%2F", 404),
        ("/api/events?after=x", 400),
        ("/api/report", 400),
        ("/api/%ff", 404),
    ] {
        assert_eq!(service.get(target).status, status, "{target}");
    }
    assert_eq!(service.get("/api/sets").json(), json!([]), "nothing was backed up yet");
    let report = |query: &str| {
        service
            .over_socket(&format!(
                "GET /api/report?{query} HTTP/1.1\r\nConnection: Upgrade, close\r\n\
                 Upgrade: coldcut-report-1\r\nHost: localhost\r\n\r\n"
            ))
            .status
    };
    assert_eq!(report("run=0123abcd&command=x&pid=1&catalog=00"), 409);
    assert_eq!(report("run=../&command=x&pid=1&catalog=00"), 409);
}

#[test]
fn silent_clients_hold_up_nobody() {
    let (_sandbox, service) = Sandbox::new().served();
    let silent: Vec<UnixStream> =
        (0..200).map(|_| UnixStream::connect(&service.socket).unwrap()).collect();
    let mut half = TcpStream::connect(&service.address).unwrap();
    half.write_all(b"GET /open HTTP/1.1\r\nHost: ").unwrap();
    assert_eq!(service.get("/api/state").status, 200);
    drop(silent);
}

#[test]
fn a_service_with_listeners_and_half_requests_ends_when_it_is_told() {
    let (_sandbox, mut service) = Sandbox::new().served();
    let mut listener = UnixStream::connect(&service.socket).unwrap();
    listener.write_all(b"GET /api/events HTTP/1.0\r\n\r\n").unwrap();
    let mut lines = BufReader::new(listener).lines();
    assert!(lines.next().unwrap().unwrap().contains("200"));
    let mut half = UnixStream::connect(&service.socket).unwrap();
    half.write_all(b"POST /api/questions/x HTTP/1.0\r\nContent-Length: 9\r\n\r\n{").unwrap();
    service.signals(Signal::SIGTERM);
    assert_eq!(service.ends(), 0);
    assert!(!service.socket.exists());
}

#[test]
fn only_loopback_is_listened_on() {
    let sandbox = Sandbox::new();
    for address in ["0.0.0.0:7733", "192.168.0.1:7733", "[::]:7733", "7733"] {
        sandbox.run(["serve", "--listen", address]).code(2).says("this machine alone");
    }
}
