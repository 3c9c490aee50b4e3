//! A machine that moves discs, as the tools that control one see it: `mtx`, `eject`, an arm of one's
//! own, and the messages of a Nimbie. It can kill whoever gives it a command, before or after each.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// What is where. A place is `input`, `good`, `bad`, `hand`, `tray` (of the drive, open or closed), or
/// the number of a slot.
#[derive(Clone, Debug, Default)]
pub struct Inside {
    pub discs: Vec<(char, String)>,
    pub is_open: bool,
    /// The slot that the disc in the drive came from.
    pub origin: String,
    /// The slots of a changer, and its one drive; none: a machine with piles.
    pub slots: u32,
    /// What would have broken a disc.
    pub violations: Vec<String>,
    /// Commands begun and ended, two for each.
    pub steps: u32,
    /// At this step the loader is killed.
    pub kill_at: Option<u32>,
    /// The loader's process group.
    pub group: Option<i32>,
}

impl Inside {
    pub fn at(&self, place: &str) -> Option<char> {
        self.discs.iter().find(|(_, at)| at == place).map(|(disc, _)| *disc)
    }

    fn put(&mut self, disc: char, place: &str) {
        let found = self.discs.iter_mut().find(|(name, _)| *name == disc);
        found.unwrap().1 = place.to_owned();
    }

    fn wrong(&mut self, what: &str) -> (i32, String) {
        self.violations.push(what.to_owned());
        (1, what.to_owned())
    }

    /// What a tool does and says.
    fn act(&mut self, words: &[&str]) -> (i32, String) {
        match words {
            ["eject", "-t", ..] => self.is_open = false,
            ["eject", ..] => self.is_open = true,
            ["arm", "state"] => {
                let drive = if self.is_open { "tray" } else { "drive" };
                let named = [("input", "input"), ("tray", drive), ("hand", "hand")];
                let full = named.iter().filter(|(place, _)| self.at(place).is_some());
                let words: Vec<&str> = full.map(|(_, name)| *name).collect();
                return (0, words.join(" ") + "\n");
            }
            ["arm", "move", from, to] => return self.arm(from, to),
            ["mtx", "-f", _, "status"] => return (0, self.status()),
            ["mtx", "-f", _, "load", slot, "0"] => {
                let (Some(disc), None) = (self.at(slot), self.at("tray")) else {
                    return self.wrong("a full drive was loaded, or an empty slot unloaded");
                };
                self.put(disc, "tray");
                (self.origin, self.is_open) = ((*slot).to_owned(), false);
            }
            ["mtx", "-f", _, "unload", slot, "0"] => {
                let (Some(disc), None) = (self.at("tray"), self.at(slot)) else {
                    return self.wrong("an empty drive was unloaded, or a full slot loaded");
                };
                self.put(disc, slot);
                self.is_open = false;
            }
            _ => return self.wrong(&format!("{words:?}")),
        }
        (0, String::new())
    }

    fn arm(&mut self, from: &str, to: &str) -> (i32, String) {
        let Some(disc) = self.at(from) else { return self.wrong("the arm took nothing") };
        let needs_tray = from == "tray" || to == "tray";
        let is_full = ["tray", "hand"].contains(&to) && self.at(to).is_some();
        if needs_tray && !self.is_open || is_full || from == "input" && self.at("hand").is_some() {
            return self.wrong(&format!("the arm hit something between {from} and {to}"));
        }
        self.put(disc, to);
        (0, String::new())
    }

    /// As mtx 1.3.12 prints it (`mtx.c`, `ReportElementStatus`).
    fn status(&self) -> String {
        let mut text = format!(
            "  Storage Changer /dev/sg9:1 Drives, {} Slots ( 0 Import/Export )\n",
            self.slots
        );
        text += &match self.at("tray") {
            Some(disc) => format!(
                "Data Transfer Element 0:Full (Storage Element {} Loaded):VolumeTag = DISC {disc}\n",
                self.origin
            ),
            None => "Data Transfer Element 0:Empty\n".to_owned(),
        };
        for slot in 1..=self.slots {
            text += &match self.at(&slot.to_string()) {
                Some(disc) => format!("      Storage Element {slot}:Full :VolumeTag=\"{disc}\\ \n"),
                None => format!("      Storage Element {slot}:Empty\n"),
            };
        }
        text
    }

    /// What a Nimbie does with a message, and what it answers, a packet each.
    fn nimbie(&mut self, message: [u8; 8]) -> Vec<String> {
        let code = match message[2..4] {
            [0x43, 0] => {
                let bit = |is: bool| if is { '1' } else { '0' };
                let [input, tray, hand] =
                    ["input", "tray", "hand"].map(|place| self.at(place).is_some());
                let (input, tray) = (bit(input), bit(tray && self.is_open));
                let state = format!("{{0{input}0{tray}{}{}1xx}}", bit(hand), bit(self.is_open));
                return vec![String::new(), "OK".into(), state, "AT+O".into()];
            }
            [0x52, 1] => match (self.at("input"), self.at("tray"), self.at("hand")) {
                (_, _, Some(_)) => "AT+S03",
                _ if !self.is_open => "AT+S10",
                (_, Some(_), _) => "AT+S12",
                (None, ..) => "AT+S14",
                (Some(disc), ..) => {
                    self.put(disc, "tray");
                    // That it has begun, and later that it was done.
                    return vec!["AT+O".into(), String::new(), "AT+S07".into()];
                }
            },
            [0x47, 1] => match (self.at("tray"), self.at("hand")) {
                (_, Some(_)) => "AT+S03",
                _ if !self.is_open => "AT+S10",
                (None, _) => "AT+S00",
                (Some(disc), _) => {
                    self.put(disc, "hand");
                    "AT+O"
                }
            },
            [0x52, pile @ (2 | 3)] => match self.at("hand") {
                None => "AT+S00",
                Some(_) if self.is_open => {
                    self.violations.push("a disc fell onto the tray".into());
                    "AT+O"
                }
                Some(disc) => {
                    self.put(disc, if pile == 2 { "good" } else { "bad" });
                    "AT+O"
                }
            },
            _ => {
                self.violations.push(format!("the message {message:02x?}"));
                "AT+E09"
            }
        };
        vec![code.to_owned()]
    }
}

/// A machine with its sockets, which a thread serves.
pub struct Machine {
    inside: Arc<Mutex<Inside>>,
    pub dir: PathBuf,
}

impl Machine {
    /// Sockets `tools` and `usb` in `dir`, and a drive, the directory `drive`.
    pub fn new(dir: &Path) -> Machine {
        fs::create_dir(dir.join("drive")).unwrap();
        let machine = Machine { inside: Arc::default(), dir: dir.to_owned() };
        let serve = |name: &str, answer: fn(&Served, UnixStream)| {
            let listener = UnixListener::bind(dir.join(name)).unwrap();
            let served = Served { inside: machine.inside.clone(), dir: dir.to_owned() };
            thread::spawn(move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    answer(&served, stream);
                }
            });
        };
        serve("tools", Served::tool);
        serve("usb", Served::usb);
        machine
    }

    pub fn inside<T>(&self, look: impl FnOnce(&mut Inside) -> T) -> T {
        let mut inside = self.inside.lock().unwrap();
        let seen = look(&mut inside);
        show_disc(&inside, &self.dir);
        seen
    }
}

/// The drive sees a disc behind its closed tray.
fn show_disc(inside: &Inside, dir: &Path) {
    let shown = dir.join("drive/disc");
    match inside.at("tray").filter(|_| !inside.is_open) {
        Some(_) => fs::write(shown, "").unwrap(),
        None => drop(fs::remove_file(shown)),
    }
}

struct Served {
    inside: Arc<Mutex<Inside>>,
    dir: PathBuf,
}

impl Served {
    /// Does something between two steps, at each of which the loader may be killed; `None`: it was.
    fn step<T>(&self, act: impl FnOnce(&mut Inside) -> T) -> Option<T> {
        if self.kills() {
            return None;
        }
        let done = {
            let mut inside = self.inside.lock().unwrap();
            let done = act(&mut inside);
            show_disc(&inside, &self.dir);
            done
        };
        (!self.kills()).then_some(done)
    }

    fn kills(&self) -> bool {
        loop {
            let mut inside = self.inside.lock().unwrap();
            let Some(group) = inside.group else {
                // The test has not yet said whom it started.
                drop(inside);
                thread::sleep(Duration::from_millis(1));
                continue;
            };
            inside.steps += 1;
            let kills = inside.kill_at == Some(inside.steps);
            if kills {
                let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
            }
            return kills;
        }
    }

    /// A line of words, and its answer: the exit code, a line end, the output.
    fn tool(&self, stream: UnixStream) {
        let mut line = String::new();
        if BufReader::new(&stream).read_line(&mut line).is_err() {
            return;
        }
        let words: Vec<&str> = line.trim_end().split('\0').filter(|word| *word != "--").collect();
        if let Some((code, out)) = self.step(|inside| inside.act(&words)) {
            let _ = (&stream).write_all(format!("{code}\n{out}").as_bytes());
        }
    }

    fn usb(&self, mut stream: UnixStream) {
        let mut message = [0; 8];
        while stream.read_exact(&mut message).is_ok() {
            let Some(answers) = self.step(|inside| inside.nimbie(message)) else { return };
            for text in answers {
                let mut packet = [0; 64];
                packet[..text.len()].copy_from_slice(text.as_bytes());
                if stream.write_all(&packet).is_err() {
                    return;
                }
            }
        }
    }
}
