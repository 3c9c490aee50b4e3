//! A real browser, driven by plain WebDriver (W3C WebDriver 2): Debian's chromium and chromedriver.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// The key of an element's reference (WebDriver 2, 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// The element was exchanged meanwhile.
const STALE: &str = "stale element reference";
/// How often something is looked for that must come; each look takes some milliseconds.
const LOOKS: u32 = 20_000;

/// chromedriver, and a browser window of a size.
pub struct Browser {
    driver: Child,
    address: String,
    session: String,
}

impl Browser {
    /// `scripts`: whether pages may run theirs.
    pub fn new(scripts: bool) -> Browser {
        let mut driver = Command::new("chromedriver")
            .args(["--port=0"])
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("chromedriver (scripts/setup.sh installs it): {error}"));
        let mut said = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = |line: String| {
            let at = line.split("successfully on port ").nth(1)?;
            at.trim_end_matches('.').parse::<u16>().ok()
        };
        let port = said.by_ref().find_map(|line| port(line.unwrap())).unwrap();
        std::thread::spawn(move || said.for_each(drop));
        let address = format!("127.0.0.1:{port}");
        let mut browser = Browser { driver, address, session: String::new() };
        let made = browser.send("POST", "/session", &capabilities(scripts));
        browser.session = made["sessionId"].as_str().unwrap().to_owned();
        browser
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let body = if method == "GET" { String::new() } else { body.to_string() };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let answer = read_answer(stream);
        let mut body: Value =
            serde_json::from_slice(&answer).unwrap_or_else(|error| panic!("{error}: {path}"));
        let error = body["value"]["error"].as_str();
        // A page that keeps itself up to date exchanges its parts.
        assert!(matches!(error, None | Some(STALE)), "{path}: {body}");
        body["value"].take()
    }

    /// Says `true` of an element that was exchanged meanwhile.
    fn is_stale(answer: &Value) -> bool {
        answer["error"] == STALE
    }

    fn ask(&self, method: &str, path: &str, body: Value) -> Value {
        self.send(method, &format!("/session/{}{path}", self.session), &body)
    }

    pub fn goes_to(&self, url: &str) -> &Browser {
        self.ask("POST", "/url", json!({"url": url}));
        self
    }

    pub fn url(&self) -> String {
        self.ask("GET", "/url", json!({})).as_str().unwrap().to_owned()
    }

    /// The elements that a CSS selector finds now.
    pub fn all(&self, selector: &str) -> Vec<String> {
        let how = json!({"using": "css selector", "value": selector});
        let found = self.ask("POST", "/elements", how);
        let found = found.as_array().cloned().unwrap_or_default();
        found.iter().map(|one| one[ELEMENT].as_str().unwrap().to_owned()).collect()
    }

    fn of(&self, element: &str, what: &str) -> String {
        let value = self.ask("GET", &format!("/element/{element}/{what}"), json!({}));
        value.as_str().unwrap_or_default().to_owned()
    }

    /// How it is called for somebody who does not see it.
    pub fn label(&self, element: &str) -> String {
        self.of(element, "computedlabel")
    }

    /// What it is for them; empty: it is not there any more.
    pub fn role(&self, element: &str) -> String {
        self.of(element, "computedrole")
    }

    pub fn attribute(&self, element: &str, name: &str) -> String {
        self.of(element, &format!("attribute/{name}"))
    }

    /// The text that is seen of all elements that the selector finds.
    pub fn text(&self, selector: &str) -> String {
        loop {
            let text = |element: String| {
                let text = self.ask("GET", &format!("/element/{element}/text"), json!({}));
                text.as_str().map(str::to_owned)
            };
            // All of it is looked for again if one was exchanged meanwhile.
            if let Some(texts) =
                self.all(selector).into_iter().map(text).collect::<Option<Vec<_>>>()
            {
                return texts.join("\n");
            }
        }
    }

    /// Looks until this is so.
    #[track_caller]
    pub fn waits_until(&self, what: &str, is_so: impl Fn(&Browser) -> bool) -> &Browser {
        let came = (0..LOOKS).any(|_| is_so(self));
        assert!(came, "{what} never comes; at {}: {}", self.url(), self.text("body"));
        self
    }

    #[track_caller]
    pub fn clicks(&self, selector: &str) -> &Browser {
        for _ in 0..LOOKS {
            let Some(first) = self.all(selector).into_iter().next() else { continue };
            let clicked = self.ask("POST", &format!("/element/{first}/click"), json!({}));
            if !Browser::is_stale(&clicked) {
                return self;
            }
        }
        panic!("no {selector}: {}", self.text("body"))
    }

    pub fn types(&self, element: &str, words: &str) -> &Browser {
        self.ask("POST", &format!("/element/{element}/value"), json!({"text": words}));
        self
    }

    pub fn runs(&self, script: &str) -> Value {
        self.ask("POST", "/execute/sync", json!({"script": script, "args": []}))
    }

    /// The size of the page, and the colours that the user prefers.
    pub fn looks_like(&self, width: u32, scheme: &str) -> &Browser {
        let size = json!({"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", size);
        let scheme = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", scheme);
        self
    }

    fn devtools(&self, command: &str, params: Value) -> Value {
        self.ask("POST", "/goog/cdp/execute", json!({"cmd": command, "params": params}))
    }

    /// A picture of the whole page, if somebody wants pictures.
    pub fn draws(&self, name: &str) {
        let Some(dir) = std::env::var_os("COLDCUT_SCREENSHOTS") else { return };
        let size = self.devtools("Page.getLayoutMetrics", json!({}))["cssContentSize"].take();
        let clip =
            json!({"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1});
        let what = json!({"captureBeyondViewport": true, "clip": clip});
        let picture = self.devtools("Page.captureScreenshot", what);
        std::fs::create_dir_all(&dir).unwrap();
        let path = Path::new(&dir).join(format!("{name}.png"));
        let mut decoder = Command::new("base64")
            .arg("-d")
            .stdin(Stdio::piped())
            .stdout(std::fs::File::create(path).unwrap())
            .spawn()
            .unwrap();
        let data = picture["data"].as_str().unwrap();
        decoder.stdin.take().unwrap().write_all(data.as_bytes()).unwrap();
        decoder.wait().unwrap();
    }
}

/// The driver keeps connections open: a body is as long as its head says.
fn read_answer(stream: TcpStream) -> Vec<u8> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end().to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    body
}

fn capabilities(scripts: bool) -> Value {
    let scripts = if scripts { 1 } else { 2 };
    json!({"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": {
        "args": [
            "--headless=new",
            // Tests run as root in containers, where Chromium's own sandbox does not start.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--host-resolver-rules=MAP evil.test 127.0.0.1",
        ],
        "prefs": {"profile.managed_default_content_settings.javascript": scripts},
    }}}})
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.ask("DELETE", "", json!({}));
        }
        // The browser, too, where the session could not be ended.
        let group = nix::unistd::Pid::from_raw(self.driver.id() as i32);
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        let _ = self.driver.wait();
    }
}
