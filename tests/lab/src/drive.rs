//! The drive: tray, lock, what the host is told unasked, and which command goes where.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::commands::{about, ask, io};
use crate::disc::EmulatedDisc;
use crate::sense::{self, SenseData};

/// A disc that several may know: the drive that it is in, and whoever keeps it.
pub type SharedDisc = Arc<Mutex<EmulatedDisc>>;

pub fn locked(disc: &SharedDisc) -> MutexGuard<'_, EmulatedDisc> {
    disc.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a person can make go wrong.
#[derive(Clone, Debug, Default)]
pub struct DriveFaults {
    /// The laser cannot be calibrated: SEND OPC, and the first write to a blank.
    pub calibration: bool,
    /// Closing track or session fails.
    pub close: bool,
    /// READ CAPACITY keeps its answer until the disc is reloaded.
    pub stale: bool,
    /// READ CAPACITY grows with each sector that is written, as some drives answer while they burn.
    pub grows: bool,
    /// A slot or a laptop's tray: no motor closes it.
    pub no_motor: bool,
    /// A new-medium event after a burn, as some drives give.
    pub event_after_burn: bool,
    /// Until ready after loading.
    pub slow_ready: Duration,
    /// It takes no data for a blank: WRITE is a command that it does not know.
    pub refuses: bool,
    /// The drive does not answer any more.
    pub hang: bool,
}

pub struct EmulatedDrive {
    pub serial: String,
    pub disc: Option<SharedDisc>,
    pub tray_open: bool,
    pub locked: bool,
    pub faults: DriveFaults,
    /// Bytes a second; 0: as fast as it goes.
    pub write_rate: u64,
    pub read_rate: u64,
    /// How long closing takes.
    pub closing: Duration,
    /// Event codes for GET EVENT STATUS NOTIFICATION (MMC-6 table 336), the oldest first.
    events: Vec<u8>,
    attention: Option<SenseData>,
    ready_at: Instant,
    busy_until: Instant,
    stale_capacity: Option<u32>,
}

/// What comes back, and how long it takes.
pub struct CommandOutcome {
    pub result: Result<Vec<u8>, SenseData>,
    pub takes: Duration,
}

/// Media events.
pub const EJECT_REQUEST: u8 = 1;
pub const NEW_MEDIUM: u8 = 2;
pub const REMOVAL: u8 = 3;

impl EmulatedDrive {
    pub fn new(serial: &str) -> EmulatedDrive {
        let now = Instant::now();
        EmulatedDrive {
            serial: serial.to_owned(),
            disc: None,
            tray_open: false,
            locked: false,
            faults: DriveFaults::default(),
            write_rate: 0,
            read_rate: 0,
            closing: Duration::from_secs(1),
            events: Vec::new(),
            attention: Some(sense::RESET),
            ready_at: now,
            busy_until: now,
            stale_capacity: None,
        }
    }

    /// What a drive forgets without power: the lock, and what it had to tell.
    pub fn power_on(&mut self) {
        self.locked = false;
        self.events.clear();
        self.attention = Some(sense::RESET);
    }

    /// The disc that the drive can work with.
    pub fn medium(&self) -> Result<MutexGuard<'_, EmulatedDisc>, SenseData> {
        match &self.disc {
            _ if self.tray_open => Err(sense::TRAY_OPEN),
            None => Err(sense::NO_MEDIUM),
            Some(_) if Instant::now() < self.ready_at => Err(sense::BECOMING_READY),
            Some(disc) => Ok(locked(disc)),
        }
    }

    /// TEST UNIT READY (SPC-4 6.37).
    pub fn ready(&self) -> Result<(), SenseData> {
        drop(self.medium()?);
        match Instant::now() < self.busy_until {
            true => Err(sense::LONG_WRITE),
            false => Ok(()),
        }
    }

    pub fn profile(&self) -> u16 {
        self.medium().map_or(0, |disc| disc.kind.profile())
    }

    pub fn event(&mut self, code: u8) {
        self.events.push(code);
    }

    pub fn next_event(&mut self) -> u8 {
        if self.events.is_empty() { 0 } else { self.events.remove(0) }
    }

    pub fn open_tray(&mut self) -> Result<(), SenseData> {
        if self.locked {
            return Err(sense::LOCKED);
        }
        if !self.tray_open {
            self.tray_open = true;
            self.event(REMOVAL);
        }
        Ok(())
    }

    /// A pin into the hole at the front: no lock keeps this tray shut.
    pub fn force_open(&mut self) {
        self.locked = false;
        // It was not locked, so nothing refuses.
        let _ = self.open_tray();
    }

    pub fn close_tray(&mut self) {
        if !std::mem::replace(&mut self.tray_open, false) {
            return;
        }
        self.stale_capacity = None;
        if self.disc.is_some() {
            self.ready_at = Instant::now() + self.faults.slow_ready;
            self.event(NEW_MEDIUM);
            self.attention = Some(sense::MEDIUM_CHANGED);
        }
    }

    /// The button at the front.
    pub fn press_button(&mut self) {
        if self.tray_open {
            self.close_tray();
        } else if self.open_tray().is_err() {
            self.event(EJECT_REQUEST);
        }
    }

    /// A disc was closed: the drive is busy for a while, and the host is told nothing.
    pub fn closed(&mut self) {
        self.busy_until = Instant::now() + self.closing;
        if self.faults.event_after_burn {
            self.event(NEW_MEDIUM);
        }
    }

    /// Sectors, as READ CAPACITY tells them.
    pub fn capacity(&mut self) -> Result<u32, SenseData> {
        let disc = self.medium()?;
        let now = if self.faults.grows { disc.readable().max(disc.next) } else { disc.readable() };
        drop(disc);
        if !self.faults.stale {
            return Ok(now);
        }
        Ok(*self.stale_capacity.get_or_insert(now))
    }

    pub fn execute(&mut self, cdb: &[u8], data: &[u8]) -> CommandOutcome {
        let op = cdb.first().copied().unwrap_or(0);
        // SPC-4 5.14: these are answered whatever waits to be told.
        let told = !matches!(op, 0x12 | 0x03 | 0x4a | 0x46 | 0xa0);
        if told {
            if let Some(news) = self.attention.take() {
                return CommandOutcome { result: Err(news), takes: Duration::ZERO };
            }
        }
        let takes = self.duration(op, cdb, data);
        CommandOutcome { result: self.dispatch(op, cdb, data), takes }
    }

    fn duration(&self, op: u8, cdb: &[u8], data: &[u8]) -> Duration {
        let over = |bytes: u64, rate: u64| match rate {
            0 => Duration::ZERO,
            rate => Duration::from_secs_f64(bytes as f64 / rate as f64),
        };
        match op {
            0x2a | 0xaa => over(data.len() as u64, self.write_rate),
            0x28 | 0xa8 => {
                let (start, count) = io::range(cdb);
                let slow = self.medium().map_or(0, |disc| disc.slowness(start, count));
                over(u64::from(count) * 2048, self.read_rate) + Duration::from_millis(slow)
            }
            _ => Duration::ZERO,
        }
    }

    fn dispatch(&mut self, op: u8, cdb: &[u8], data: &[u8]) -> Result<Vec<u8>, SenseData> {
        let cdb: &[u8; 16] = &{
            let mut whole = [0; 16];
            let length = cdb.len().min(16);
            whole[..length].copy_from_slice(&cdb[..length]);
            whole
        };
        match op {
            0x00 => self.ready().map(|()| Vec::new()),
            0x03 => Ok(SenseData::new(0, 0, 0).bytes().to_vec()),
            0x12 => ask::inquiry(self, cdb),
            0x1a => ask::mode_sense_6(self, cdb),
            0x5a => ask::mode_sense_10(self, cdb),
            0x55 => ask::mode_select(cdb, data),
            0x46 => ask::configuration(self, cdb),
            0x4a => ask::event_status(self, cdb),
            0xac => ask::performance(self, cdb),
            0xbd => Ok(vec![0; 8]),
            0x5c => ask::buffer_capacity(self),
            0x1b => io::start_stop(self, cdb),
            0x1e => io::prevent(self, cdb),
            0x25 => about::capacity(self),
            0x23 => about::format_capacities(self),
            0x43 => about::table_of_contents(self, cdb),
            0x51 => about::disc_information(self, cdb),
            0x52 => about::track_information(self, cdb),
            0xad => about::structure(self, cdb),
            0x28 | 0xa8 => io::read(self, cdb),
            0x2a | 0xaa => io::write(self, cdb, data),
            0x35 => io::synchronize(self),
            0x54 => io::calibrate(self),
            0x53 => io::reserve_track(self, cdb),
            0x5b => io::close(self, cdb),
            0x04 => io::format(self, data),
            // SET STREAMING, SET CD SPEED: the drive goes on at its own rate.
            0xb6 | 0xbb => Ok(Vec::new()),
            _ => Err(sense::UNKNOWN_COMMAND),
        }
    }
}
