//! A drive for the kernel: the ring of target_core_user, and tcm_loop, which makes a SCSI host of
//! it (include/uapi/linux/target_core_user.h; Documentation/target/tcmu-design.rst).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use crate::drive::{CommandOutcome, EmulatedDrive};
use crate::sense::SenseData;

const TARGET: &str = "/sys/kernel/config/target";
/// Offsets in `struct tcmu_mailbox`.
const FLAGS: usize = 2;
const RING_OFFSET: usize = 4;
const RING_SIZE: usize = 8;
const HEAD: usize = 12;
const TAIL: usize = 64;
/// TCMU_MAILBOX_FLAG_CAP_READ_LEN: short replies tell their length.
const CAN_TELL_LENGTH: u16 = 4;
/// TCMU_UFLAG_READ_LEN.
const TELLS_LENGTH: u8 = 2;
const OP_COMMAND: u32 = 1;
/// News that the host has given commands up.
const OP_ABORT: u32 = 2;
/// SAM-5 5.3.
const CHECK_CONDITION: u8 = 2;
const ROOM_FOR_SENSE: usize = 96;

pub type SharedDrive = Arc<Mutex<EmulatedDrive>>;

/// A drive that the kernel sees.
pub struct Plugged {
    name: String,
    core: PathBuf,
    port: PathBuf,
    running: Arc<AtomicBool>,
    server: Option<thread::JoinHandle<()>>,
}

impl Plugged {
    /// Plugs the drive in; the kernel asks it who it is before this returns.
    pub fn new(name: &str, number: u32, drive: SharedDrive) -> io::Result<Plugged> {
        let hba = Path::new(TARGET).join(format!("core/user_{number}"));
        let core = hba.join(name);
        fs::create_dir_all(&core)?;
        let control = core.join("control");
        // Any size will do: the drive tells its own.
        write(&control, "dev_size=67108864")?;
        write(&control, &format!("dev_config=coldcut/{name}"))?;
        write(&control, "hw_block_size=2048")?;
        write(&control, "nl_reply_supported=-1")?;
        // A drive that hangs is the point of it: only the host may lose its patience, and tells.
        write(&core.join("attrib/cmd_time_out"), "0")?;
        write(&core.join("attrib/tmr_notification"), "1")?;
        write(&core.join("enable"), "1")?;
        let ring = Ring::open(&find_uio(name)?)?;
        let running = Arc::new(AtomicBool::new(true));
        let going_on = running.clone();
        let log = log_file(name)?;
        let server = thread::Builder::new()
            .name(format!("drive {name}"))
            .spawn(move || serve(ring, &drive, &going_on, log))?;
        let naa = |kind: u32| format!("naa.5001405{kind:01x}{number:08x}");
        let port = Path::new(TARGET).join("loopback").join(naa(1)).join("tpgt_1");
        fs::create_dir_all(port.join("lun/lun_0"))?;
        write(&port.join("nexus"), &naa(2))?;
        std::os::unix::fs::symlink(&core, port.join("lun/lun_0/dev"))?;
        let name = name.to_owned();
        Ok(Plugged { name, core, port, running, server: Some(server) })
    }

    /// `/dev/srN`, once udev has made it.
    pub fn node(&self) -> io::Result<PathBuf> {
        let address = format!("{}:0", fs::read_to_string(self.port.join("address"))?.trim());
        let end = Instant::now() + Duration::from_secs(60);
        while Instant::now() < end {
            for entry in fs::read_dir("/sys/class/block")? {
                let entry = entry?;
                let device = fs::read_link(entry.path().join("device")).unwrap_or_default();
                let node = Path::new("/dev").join(entry.file_name());
                if device.ends_with(&address) && node.exists() {
                    // One command at a time, as drives on ATAPI and USB have it.
                    write(&entry.path().join("device/queue_depth"), "1")?;
                    settle();
                    return Ok(node);
                }
            }
            thread::sleep(Duration::from_millis(100));
        }
        Err(io::Error::other(format!(
            "the kernel made no node for drive {} ({address})",
            self.name
        )))
    }
}

/// Pulls the plug.
impl Drop for Plugged {
    fn drop(&mut self) {
        // The kernel's side goes first: it may still ask while it lets the drive go.
        let _ = fs::remove_file(self.port.join("lun/lun_0/dev"));
        let _ = fs::remove_dir(self.port.join("lun/lun_0"));
        let _ = fs::remove_dir(&self.port);
        let _ = self.port.parent().map(fs::remove_dir);
        self.running.store(false, Ordering::SeqCst);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
        let _ = fs::remove_dir(&self.core);
        let _ = self.core.parent().map(fs::remove_dir);
    }
}

fn settle() {
    let _ = std::process::Command::new("udevadm").args(["settle", "--timeout=30"]).status();
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let named = |e: io::Error| io::Error::other(format!("{} <- {text}: {e}", path.display()));
    OpenOptions::new()
        .write(true)
        .open(path)
        .map_err(named)?
        .write_all(text.as_bytes())
        .map_err(named)
}

fn log_file(name: &str) -> io::Result<File> {
    let dir = std::env::var_os("LAB_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    File::create(dir.join(format!("{name}.log")))
}

fn find_uio(name: &str) -> io::Result<PathBuf> {
    let end = Instant::now() + Duration::from_secs(30);
    while Instant::now() < end {
        for entry in fs::read_dir("/sys/class/uio")? {
            let entry = entry?;
            let config = fs::read_to_string(entry.path().join("name")).unwrap_or_default();
            let node = Path::new("/dev").join(entry.file_name());
            if config.trim().ends_with(&format!("coldcut/{name}")) && node.exists() {
                return Ok(node);
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
    Err(io::Error::other("the kernel made no ring; are target_core_user and uio loaded?"))
}

/// Answers until the plug is pulled.
fn serve(mut ring: Ring, drive: &SharedDrive, running: &AtomicBool, mut log: File) {
    while running.load(Ordering::SeqCst) {
        if !ring.wait() {
            continue;
        }
        // tcm_loop batches: there may be more when these are done.
        while let Some(command) = ring.take() {
            let CommandOutcome { result, takes } = match hang(drive, &ring, &command, running) {
                true => given_up(),
                false => lock(drive).execute(&command.cdb, &command.data),
            };
            if !takes.is_zero() {
                thread::sleep(takes);
            }
            let _ = writeln!(log, "{}", line(&command, &result));
            ring.complete(&command, result);
        }
    }
}

/// Whether the host gave the command up while the drive did not answer. Until an aborted command is
/// handed back, the kernel waits for it.
fn hang(drive: &SharedDrive, ring: &Ring, command: &Command, running: &AtomicBool) -> bool {
    while lock(drive).faults.hang && running.load(Ordering::SeqCst) {
        if ring.is_given_up(command) {
            return true;
        }
        thread::sleep(Duration::from_millis(50));
    }
    false
}

/// Nobody hears this answer.
fn given_up() -> CommandOutcome {
    CommandOutcome { result: Err(SenseData::new(0xb, 0, 0)), takes: Duration::ZERO }
}

pub fn lock(drive: &SharedDrive) -> std::sync::MutexGuard<'_, EmulatedDrive> {
    drive.lock().unwrap_or_else(PoisonError::into_inner)
}

fn line(command: &Command, result: &Result<Vec<u8>, SenseData>) -> String {
    let cdb: String = command.cdb.iter().map(|byte| format!("{byte:02x} ")).collect();
    match result {
        Ok(reply) => format!("{cdb}<{} >{}", command.data.len(), reply.len()),
        Err(SenseData { key, asc, ascq, .. }) => format!("{cdb}-> {key:x}/{asc:02x}/{ascq:02x}"),
    }
}

/// One command of the host.
struct Command {
    /// The kernel's number for it.
    id: u16,
    /// Where its entry is in the ring, and how long it is.
    entry: usize,
    length: usize,
    cdb: Vec<u8>,
    data: Vec<u8>,
    /// Where the data are, as offsets into the shared memory, and their lengths.
    pieces: Vec<(usize, usize)>,
}

/// The memory that is shared with the kernel.
struct Ring {
    uio: File,
    base: NonNull<u8>,
    size: usize,
    tells_length: bool,
    ring: usize,
    ring_size: usize,
}

// SAFETY: the mapping belongs to this value alone and stays at its place.
unsafe impl Send for Ring {}

impl Ring {
    fn open(node: &Path) -> io::Result<Ring> {
        let uio = OpenOptions::new().read(true).write(true).open(node)?;
        let name = node.file_name().unwrap_or_default();
        let map = Path::new("/sys/class/uio").join(name).join("maps/map0/size");
        let text = fs::read_to_string(map)?;
        let size = usize::from_str_radix(text.trim().trim_start_matches("0x"), 16)
            .map_err(io::Error::other)?;
        let length = NonZeroUsize::new(size).ok_or(io::ErrorKind::InvalidData)?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at a place of the kernel's choice; it is unmapped on drop only.
        let base = unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, &uio, 0) }?;
        let mut ring =
            Ring { uio, base: base.cast(), size, tells_length: false, ring: 0, ring_size: 0 };
        ring.tells_length = ring.u16(FLAGS) & CAN_TELL_LENGTH != 0;
        ring.ring = ring.u32(RING_OFFSET) as usize;
        ring.ring_size = ring.u32(RING_SIZE) as usize;
        Ok(ring)
    }

    /// Whether the kernel rang, within half a second.
    fn wait(&mut self) -> bool {
        let mut descriptors = [PollFd::new(self.uio.as_fd(), PollFlags::POLLIN)];
        let rang = poll(&mut descriptors, PollTimeout::from(500_u16)).is_ok_and(|n| n > 0);
        rang && self.uio.read_exact(&mut [0; 4]).is_ok()
    }

    fn take(&mut self) -> Option<Command> {
        loop {
            let (head, tail) = (self.u32(HEAD) as usize, self.u32(TAIL) as usize);
            fence(Ordering::Acquire);
            if head == tail {
                return None;
            }
            let entry = self.ring + tail;
            let word = self.u32(entry);
            let length = (word & !7) as usize;
            if word & 7 == OP_COMMAND {
                return Some(self.command(entry, length));
            }
            // Padding at the ring's end, or news of an abort.
            self.advance(length);
        }
    }

    /// `struct tcmu_cmd_entry`: a header of 8 bytes, counts of vectors, the place of the CDB, and
    /// at byte 48 the vectors.
    fn command(&self, entry: usize, length: usize) -> Command {
        let vectors = self.u32(entry + 8) as usize;
        let cdb = self.u64(entry + 24) as usize;
        let pieces: Vec<(usize, usize)> = (0..vectors)
            .map(|i| {
                let at = entry + 48 + i * 16;
                (self.u64(at) as usize, self.u64(at + 8) as usize)
            })
            .collect();
        let cdb = self.bytes(cdb, 16);
        let data = match sends_data(&cdb) {
            true => {
                let pieces = pieces.iter().map(|&(at, length)| self.bytes(at, length));
                pieces.collect::<Vec<_>>().concat()
            }
            false => Vec::new(),
        };
        Command { id: self.u16(entry + 4), entry, length, cdb, data, pieces }
    }

    /// `struct tcmu_tmr_entry`: how many numbers at byte 12, from byte 32 the numbers of commands
    /// that the host does not wait for any more. Such an entry lies behind theirs.
    fn is_given_up(&self, command: &Command) -> bool {
        let mut at = (command.entry - self.ring + command.length) % self.ring_size;
        let head = self.u32(HEAD) as usize;
        fence(Ordering::Acquire);
        while at != head {
            let entry = self.ring + at;
            let word = self.u32(entry);
            let mut numbers =
                (0..self.u32(entry + 12) as usize).map(|i| self.u16(entry + 32 + 2 * i));
            if word & 7 == OP_ABORT && numbers.any(|id| id == command.id) {
                return true;
            }
            at = (at + (word & !7) as usize) % self.ring_size;
        }
        false
    }

    fn complete(&mut self, command: &Command, result: Result<Vec<u8>, SenseData>) {
        // `rsp` shares its place with the request: status, three unused bytes, length, sense.
        let answer = command.entry + 8;
        match result {
            Ok(reply) => {
                let mut rest = reply.as_slice();
                for &(at, length) in &command.pieces {
                    let (now, later) = rest.split_at(length.min(rest.len()));
                    self.put(at, now);
                    rest = later;
                }
                let got = reply.len() - rest.len();
                self.put(answer, &[0; 8]);
                if self.tells_length && !sends_data(&command.cdb) {
                    self.put(answer + 4, &(got as u32).to_le_bytes());
                    self.put(command.entry + 7, &[TELLS_LENGTH]);
                }
            }
            Err(sense) => {
                let mut data = [0; ROOM_FOR_SENSE];
                data[..18].copy_from_slice(&sense.bytes());
                self.put(answer, &[CHECK_CONDITION, 0, 0, 0, 0, 0, 0, 0]);
                self.put(answer + 8, &data);
            }
        }
        self.advance(command.length);
        let _ = self.uio.write_all(&[0; 4]);
    }

    fn advance(&mut self, length: usize) {
        let tail = (self.u32(TAIL) as usize + length) % self.ring_size;
        fence(Ordering::Release);
        // SAFETY: TAIL is inside of the mapping and aligned; the kernel reads it at any time.
        let place = unsafe { &*self.base.as_ptr().add(TAIL).cast::<AtomicU32>() };
        place.store(tail as u32, Ordering::SeqCst);
    }

    fn bytes(&self, at: usize, length: usize) -> Vec<u8> {
        assert!(at.checked_add(length).is_some_and(|end| end <= self.size), "outside of the ring");
        let mut bytes = vec![0; length];
        // SAFETY: the stretch was just checked to be in the mapping, and `bytes` has its length.
        unsafe {
            std::ptr::copy_nonoverlapping(self.base.as_ptr().add(at), bytes.as_mut_ptr(), length);
        }
        bytes
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        let end = at.checked_add(bytes.len());
        assert!(end.is_some_and(|end| end <= self.size), "outside of the ring");
        // SAFETY: the stretch was just checked to be in the mapping.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.base.as_ptr().add(at), bytes.len());
        }
    }

    fn u16(&self, at: usize) -> u16 {
        let bytes = self.bytes(at, 2);
        u16::from_le_bytes([bytes[0], bytes[1]])
    }

    fn u32(&self, at: usize) -> u32 {
        let bytes = self.bytes(at, 4);
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from(self.u32(at)) | u64::from(self.u32(at + 4)) << 32
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and nobody uses it after this.
        let _ = unsafe { munmap(self.base.cast(), self.size) };
    }
}

/// Commands whose data come from the host; the entry itself does not say.
fn sends_data(cdb: &[u8]) -> bool {
    matches!(cdb[0], 0x04 | 0x15 | 0x2a | 0x55 | 0xaa | 0xb6 | 0xbf)
}
