//! What hands do at a drive, over a socket: one command a line, one answer a line (`ok …` or
//! `error …`).

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::disc::{DiscType, EmulatedDisc, SectorRange};
use crate::drive::{DriveFaults, EmulatedDrive, SharedDisc, locked};
use crate::tcmu::{Plugged, SharedDrive, lock};

type ControlReply = Result<String, String>;

/// The drives and discs of a laboratory.
pub struct Workshop {
    dir: PathBuf,
    drives: HashMap<String, (SharedDrive, Option<Plugged>)>,
    discs: HashMap<String, SharedDisc>,
}

/// Serves for ever.
pub fn serve(socket: &Path, dir: &Path) -> io::Result<()> {
    let _ = std::fs::remove_file(socket);
    let listener = UnixListener::bind(socket)?;
    let workshop = Workshop { dir: dir.to_owned(), drives: HashMap::new(), discs: HashMap::new() };
    let workshop = Arc::new(Mutex::new(workshop));
    for stream in listener.incoming() {
        let (stream, workshop) = (stream?, workshop.clone());
        thread::spawn(move || {
            // Who hangs up has heard enough.
            let _ = converse(stream, &workshop);
        });
    }
    Ok(())
}

fn converse(stream: UnixStream, workshop: &Mutex<Workshop>) -> io::Result<()> {
    let mut back = stream.try_clone()?;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = workshop.lock().unwrap_or_else(PoisonError::into_inner).obey(&words);
        match answer {
            Ok(words) => writeln!(back, "ok {words}")?,
            Err(words) => writeln!(back, "error {words}")?,
        }
    }
    Ok(())
}

/// Says one command and hears the answer.
pub fn ask(socket: &Path, command: &str) -> ControlReply {
    let heard = || -> io::Result<String> {
        let mut stream = UnixStream::connect(socket)?;
        writeln!(stream, "{command}")?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        Ok(answer.trim().to_owned())
    };
    let answer = heard().map_err(|e| format!("{}: {e}", socket.display()))?;
    match answer.split_once(' ').unwrap_or((&answer, "")) {
        ("ok", words) => Ok(words.to_owned()),
        (_, words) => Err(format!("{command}: {words}")),
    }
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("{word} is no number"))
}

fn switch(word: &str) -> Result<bool, String> {
    match word {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("on or off".to_owned()),
    }
}

impl Workshop {
    fn obey(&mut self, words: &[&str]) -> ControlReply {
        match words {
            ["drive", "add", name] => self.add(name),
            ["drive", "unplug", name] => {
                let (_, plugged) = self.drives.get_mut(*name).ok_or("no such drive")?;
                plugged.take().map(drop).ok_or("it is not plugged in")?;
                done()
            }
            ["disc", "new", id, kind, sectors] => self.new_disc(id, kind, sectors, None),
            ["disc", "new", id, kind, sectors, image] => {
                self.new_disc(id, kind, sectors, Some(Path::new(image)))
            }
            ["disc", "state", id] => Ok(state_of(&locked(self.disc(id)?))),
            ["disc", "fault", id, rest @ ..] => {
                spoil(&mut locked(self.disc(id)?), rest)?;
                done()
            }
            ["insert", name, id] => {
                let disc = self.disc(id)?.clone();
                insert(&mut *self.drive(name)?, Some(disc))
            }
            ["lay", name, id] => {
                let disc = self.disc(id)?.clone();
                on_tray(&mut *self.drive(name)?, Some(disc))
            }
            ["take", name] => on_tray(&mut *self.drive(name)?, None),
            ["push", name] => {
                self.drive(name)?.close_tray();
                done()
            }
            ["button", name] => {
                self.drive(name)?.press_button();
                done()
            }
            ["pull", name] => {
                let mut drive = self.drive(name)?;
                drive.force_open();
                on_tray(&mut drive, None)
            }
            ["state", name] => Ok(drive_state(&*self.drive(name)?)),
            ["reset", name] => {
                let mut drive = self.drive(name)?;
                drive.faults = DriveFaults::default();
                (drive.write_rate, drive.read_rate) = (0, 0);
                drive.closing = Duration::from_secs(1);
                drive.force_open();
                insert(&mut drive, None)
            }
            ["fault", name, rest @ ..] => {
                break_drive(&mut *self.drive(name)?, rest)?;
                done()
            }
            ["rate", name, "write", rate] => {
                self.drive(name)?.write_rate = number(rate)?;
                done()
            }
            ["rate", name, "read", rate] => {
                self.drive(name)?.read_rate = number(rate)?;
                done()
            }
            ["closing", name, seconds] => {
                self.drive(name)?.closing = Duration::from_secs_f64(number(seconds)?);
                done()
            }
            _ => Err(format!("what is {words:?}?")),
        }
    }

    fn add(&mut self, name: &str) -> ControlReply {
        let number = u32::from(name.bytes().fold(0_u8, |sum, byte| sum.wrapping_add(byte)));
        let fresh = || (Arc::new(Mutex::new(EmulatedDrive::new(&format!("LAB-{name}")))), None);
        let (drive, plugged) = self.drives.entry(name.to_owned()).or_insert_with(fresh);
        if plugged.is_none() {
            lock(drive).power_on();
            let new = Plugged::new(name, number, drive.clone()).map_err(|e| e.to_string())?;
            *plugged = Some(new);
        }
        let node = plugged.as_ref().map(Plugged::node).ok_or("it is not plugged in")?;
        Ok(node.map_err(|e| e.to_string())?.display().to_string())
    }

    fn new_disc(
        &mut self,
        id: &str,
        kind: &str,
        sectors: &str,
        image: Option<&Path>,
    ) -> ControlReply {
        let kind = DiscType::parse(kind).ok_or("bd-r, bd-re, dvd+r or dvd-rom")?;
        let io = |e: io::Error| e.to_string();
        let mut disc = EmulatedDisc::new(&self.dir, id, kind, number(sectors)?).map_err(io)?;
        if let Some(image) = image {
            disc = disc.burned(image).map_err(io)?;
        }
        self.discs.insert(id.to_owned(), Arc::new(Mutex::new(disc)));
        done()
    }

    fn drive(&self, name: &str) -> Result<std::sync::MutexGuard<'_, EmulatedDrive>, String> {
        self.drives
            .get(name)
            .map(|(drive, _)| lock(drive))
            .ok_or_else(|| format!("no drive {name}"))
    }

    fn disc(&self, id: &str) -> Result<&SharedDisc, String> {
        self.discs.get(id).ok_or_else(|| format!("no disc {id}"))
    }
}

fn done() -> ControlReply {
    Ok(String::new())
}

/// A person presses the button if need be, changes the disc, and pushes the tray in.
fn insert(drive: &mut EmulatedDrive, disc: Option<SharedDisc>) -> ControlReply {
    // A lock keeps a tray shut, and no hands from one that is open: udev locks it late on a busy
    // machine.
    if !drive.tray_open {
        drive.open_tray().map_err(|_| "the tray is locked")?;
    }
    drive.disc = disc;
    drive.close_tray();
    done()
}

/// A person changes the disc on an open tray.
fn on_tray(drive: &mut EmulatedDrive, disc: Option<SharedDisc>) -> ControlReply {
    if !drive.tray_open {
        return Err("the tray is closed".to_owned());
    }
    drive.disc = disc;
    done()
}

fn drive_state(drive: &EmulatedDrive) -> String {
    let tray = if drive.tray_open { "open" } else { "closed" };
    let door = if drive.locked { "locked" } else { "free" };
    let disc = drive.disc.as_ref().map_or("-".to_owned(), |disc| locked(disc).id.clone());
    format!("{tray} {door} {disc}")
}

fn state_of(disc: &EmulatedDisc) -> String {
    let state = match disc {
        disc if disc.damaged => "damaged",
        disc if disc.finalised => "finalised",
        disc if disc.is_blank() => "blank",
        disc if disc.has_open_track() => "open",
        _ => "closed",
    };
    format!("{state} sessions={} next={}", disc.sessions.len(), disc.next)
}

/// Faults of a disc.
fn spoil(disc: &mut EmulatedDisc, words: &[&str]) -> Result<(), String> {
    match words {
        ["write-error", sector] => disc.write_error = Some(number(sector)?),
        ["read-error", start, count] => {
            disc.unreadable.push(SectorRange { start: number(start)?, count: number(count)? });
        }
        ["slow", start, count, milliseconds] => {
            let stretch = SectorRange { start: number(start)?, count: number(count)? };
            disc.slow.push((stretch, number(milliseconds)?));
        }
        ["flip", sector, byte] => disc.flipped.push((number(sector)?, number(byte)?)),
        ["none"] => {
            disc.write_error = None;
            disc.unreadable.clear();
            disc.slow.clear();
            disc.flipped.clear();
        }
        _ => return Err(format!("no such fault of a disc: {words:?}")),
    }
    Ok(())
}

/// Faults of a drive.
fn break_drive(drive: &mut EmulatedDrive, words: &[&str]) -> Result<(), String> {
    let faults = &mut drive.faults;
    match words {
        ["calibration", word] => faults.calibration = switch(word)?,
        ["close", word] => faults.close = switch(word)?,
        ["stale", word] => faults.stale = switch(word)?,
        ["grows", word] => faults.grows = switch(word)?,
        ["no-motor", word] => faults.no_motor = switch(word)?,
        ["event-after-burn", word] => faults.event_after_burn = switch(word)?,
        ["refuses", word] => faults.refuses = switch(word)?,
        ["hang", word] => faults.hang = switch(word)?,
        ["slow-ready", seconds] => {
            faults.slow_ready = Duration::from_secs_f64(number(seconds)?);
        }
        _ => return Err(format!("no such fault of a drive: {words:?}")),
    }
    Ok(())
}
