//! Running another program: the only place where coldcut starts one.
//!
//! Each child has a session of its own, so that Ctrl-C reaches us alone and we decide what becomes
//! of it, and so that it has no terminal: what works on a stranger's disc, or as another user whose
//! processes that user may enter, must neither type for us nor read what we type (tty_ioctl(4),
//! TIOCSTI). It has `LC_ALL=C` and `TZ=UTC`, so that its words are those that our parsers know;
//! no input; and a thread for each of its outputs, so that it never waits for us to read one
//! while we wait for the other. Callbacks run in the caller's thread.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::confinement;
use super::confinement::syscalls::SyscallFilter;
use super::fence::Fence;
use super::passphrase::Secret;
use super::stop::{Stop, Stopped};

/// How often a silent child is looked at, and a wish to stop is noticed.
pub(super) const TICK: Duration = Duration::from_millis(50);
/// A child that ended may have left its outputs open in a grandchild: no longer than this is
/// waited for their end.
pub(super) const DRAIN: Duration = Duration::from_millis(500);
/// How long a child may tidy up after a timeout's SIGTERM before SIGKILL.
const GRACE: Duration = Duration::from_secs(10);
/// Longer lines are cut into pieces.
const LONGEST_LINE: usize = 64 << 10;

/// The file that this process runs, even if its name leads to another one by now.
const OURSELVES: &str = "/proc/self/exe";

/// A program with its arguments, not yet running.
#[derive(Clone, Debug)]
pub struct Program {
    argv: Vec<OsString>,
    install: &'static str,
    env: Vec<(OsString, OsString)>,
    hidden: Vec<&'static str>,
    kept: Option<&'static [&'static str]>,
    input: Option<Secret>,
    open_input: Option<Arc<File>>,
    timeout: Option<Duration>,
    grace: Duration,
    dies_with_us: bool,
    only_reads: bool,
    confined: Option<ProgramLimits>,
    fence: Option<Arc<Fence>>,
}

/// What a program may take that works on what somebody else made.
#[derive(Clone, Copy, Debug)]
pub struct ProgramLimits {
    /// Bytes of address space (RLIMIT_AS).
    pub memory: u64,
    /// Of processor time (RLIMIT_CPU).
    pub processor: Duration,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramExit {
    Code(i32),
    Signal(i32),
}

impl ProgramExit {
    pub fn is_success(self) -> bool {
        self == ProgramExit::Code(0)
    }

    pub(super) fn of(status: ExitStatus) -> ProgramExit {
        match status.code() {
            Some(code) => ProgramExit::Code(code),
            None => ProgramExit::Signal(status.signal().unwrap_or(0)),
        }
    }
}

impl std::fmt::Display for ProgramExit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ProgramExit::Code(code) => write!(f, "exit code {code}"),
            ProgramExit::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// A program could not be run to its own end. What it did to the world is not known.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("{program} is not installed; get it with: {install}")]
    Missing { program: String, install: &'static str },
    #[error("{program} could not be started")]
    Start { program: String, source: io::Error },
    #[error("the output of {program} could not be read")]
    Output { program: String, source: io::Error },
    #[error("the output of a program in {} cannot be kept or read", .log.display())]
    Log { log: std::path::PathBuf, source: io::Error },
    #[error("{program} wrote more than {limit} bytes where a short answer was expected")]
    TooMuchOutput { program: String, limit: usize },
    #[error("{program} did not finish within {} seconds and was killed", .after.as_secs())]
    TimedOut { program: String, after: Duration },
    /// Whoever heard what it said had enough, and knows why.
    #[error("{program} was killed, because its output cannot be used")]
    Unwanted { program: String },
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Takes one line, without its end.
pub type LineSink<'a> = dyn FnMut(&[u8]) + 'a;

impl Program {
    /// `argv[0]` is looked up in PATH; `install` says how a person gets it (`apt install xorriso`).
    pub fn new<A: Into<OsString>>(
        install: &'static str,
        argv: impl IntoIterator<Item = A>,
    ) -> Program {
        let env = [("LC_ALL", "C"), ("TZ", "UTC")].map(|(k, v)| (k.into(), v.into()));
        Program {
            argv: argv.into_iter().map(Into::into).collect(),
            install,
            env: env.into(),
            hidden: Vec::new(),
            kept: None,
            input: None,
            open_input: None,
            timeout: None,
            grace: GRACE,
            dies_with_us: false,
            only_reads: false,
            confined: None,
            fence: None,
        }
    }

    /// This very program once more, in a process of its own, whatever has become of its file.
    pub fn ourselves(verb: &'static str) -> Program {
        Program::new("", [OURSELVES, verb])
    }

    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Program {
        self.env.push((key.into(), value.into()));
        self
    }

    /// A variable of our own environment that the program does not get.
    pub fn without_env(mut self, key: &'static str) -> Program {
        self.hidden.push(key);
        self
    }

    /// The program gets these variables of our environment and no others (`env -i`).
    pub fn only_env(mut self, keys: &'static [&'static str]) -> Program {
        self.kept = Some(keys);
        self
    }

    /// What the program reads from its standard input: a passphrase, or what nobody else may see.
    pub fn input(mut self, bytes: Secret) -> Program {
        self.input = Some(bytes);
        self
    }

    /// The program has this file as its standard input, open as it is here: by the name of that
    /// (`/proc/self/fd/0`) it reaches this very file, whatever becomes of the file's own name.
    pub fn open_input(mut self, file: File) -> Program {
        self.open_input = Some(Arc::new(file));
        self
    }

    /// Ends the program with SIGTERM after so long, and with SIGKILL if that does not help.
    pub fn timeout(mut self, after: Duration) -> Program {
        self.timeout = Some(after);
        self
    }

    /// The program is killed when we end, however that happens. For work that a later run begins
    /// again; never for a burner, which must be left to close the disc.
    pub fn dies_with_us(mut self) -> Program {
        self.dies_with_us = true;
        self
    }

    /// Nothing has to be left in order: a wish to stop, or a timeout, is SIGKILL at once.
    pub fn killed_when_stopped(mut self) -> Program {
        self.only_reads = true;
        self
    }

    /// The program gets so much memory and processor time; and no network and no way into other
    /// processes, where the kernel lets us take these away. What it does not let us is told by
    /// [`confinement::is_missing`].
    pub fn confined(mut self, limits: ProgramLimits) -> Program {
        self.confined = Some(limits);
        self
    }

    /// The program writes behind this fence and nowhere else.
    pub fn behind(mut self, fence: Fence) -> Program {
        self.fence = Some(Arc::new(fence));
        self
    }

    /// Runs it and hands over each line of its outputs.
    ///
    /// A wish to stop is passed on as one SIGTERM; then the program's own end is awaited, however
    /// long that takes (closing a disc takes minutes), unless it is to be killed.
    pub fn run(
        &self,
        stop: &Stop,
        out: &mut LineSink,
        err: &mut LineSink,
    ) -> Result<ProgramExit, CommandError> {
        stop.check()?;
        let mut out_lines = LineSplitter::default();
        let mut err_lines = LineSplitter::default();
        let exit = self.feed(stop, &mut |stream, piece| {
            match stream {
                Stream::Out => out_lines.feed(piece, out),
                Stream::Err => err_lines.feed(piece, err),
            }
            Ok(())
        })?;
        out_lines.finish(out);
        err_lines.finish(err);
        Ok(exit)
    }

    /// Runs it and hands over its standard output as it comes, and the lines of the other one.
    pub fn stream(
        &self,
        stop: &Stop,
        out: &mut dyn FnMut(&[u8]),
        err: &mut LineSink,
    ) -> Result<ProgramExit, CommandError> {
        let go_on = &mut |piece: &[u8]| {
            out(piece);
            ControlFlow::Continue(())
        };
        self.stream_while(stop, go_on, err)
    }

    /// The same, until `out` has enough: then the program is ended as by a wish to stop, and the
    /// error is [`CommandError::Unwanted`].
    pub fn stream_while(
        &self,
        stop: &Stop,
        out: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
        err: &mut LineSink,
    ) -> Result<ProgramExit, CommandError> {
        stop.check()?;
        let mut err_lines = LineSplitter::default();
        let exit = self.feed(stop, &mut |stream, piece| match stream {
            Stream::Out if out(piece).is_break() => {
                Err(CommandError::Unwanted { program: self.name() })
            }
            Stream::Out => Ok(()),
            Stream::Err => {
                err_lines.feed(piece, err);
                Ok(())
            }
        })?;
        err_lines.finish(err);
        Ok(exit)
    }

    /// Runs it and returns its standard output, which may be `limit` bytes at most.
    pub fn capture(
        &self,
        stop: &Stop,
        limit: usize,
        err: &mut LineSink,
    ) -> Result<(ProgramExit, Vec<u8>), CommandError> {
        stop.check()?;
        let mut kept = Vec::new();
        let mut err_lines = LineSplitter::default();
        let exit = self.feed(stop, &mut |stream, piece| match stream {
            Stream::Out if kept.len() + piece.len() > limit => {
                Err(CommandError::TooMuchOutput { program: self.name(), limit })
            }
            Stream::Out => {
                kept.extend_from_slice(piece);
                Ok(())
            }
            Stream::Err => {
                err_lines.feed(piece, err);
                Ok(())
            }
        })?;
        err_lines.finish(err);
        Ok((exit, kept))
    }

    fn feed(&self, stop: &Stop, sink: &mut Sink) -> Result<ProgramExit, CommandError> {
        let mut child = self.spawn()?;
        let pieces = match self.give_input(&mut child).and_then(|()| drain(&mut child)) {
            Ok(pieces) => pieces,
            Err(source) => {
                end_now(&mut child);
                return Err(CommandError::Output { program: self.name(), source });
            }
        };
        let mut running = RunningChild {
            child,
            waited: Duration::ZERO,
            asked_to_end: None,
            why: None,
            outputs_ended: false,
            ended: None,
        };
        running.watch(self, &pieces, stop, sink)
    }

    /// In a thread, because a program may write before it has read all. Whether it wanted all of
    /// it is its own affair.
    fn give_input(&self, child: &mut Child) -> io::Result<()> {
        let (Some(mut to), Some(bytes)) = (child.stdin.take(), self.input.clone()) else {
            return Ok(());
        };
        let give = move || {
            let _ = io::Write::write_all(&mut to, bytes.bytes());
        };
        std::thread::Builder::new().name("input of a program".into()).spawn(give).map(drop)
    }

    fn spawn(&self) -> Result<Child, CommandError> {
        self.spawn_into(Stdio::piped(), Stdio::piped())
    }

    pub(super) fn spawn_into(&self, out: Stdio, err: Stdio) -> Result<Child, CommandError> {
        let mut command = std::process::Command::new(self.program());
        if let Some(kept) = self.kept {
            command.env_clear();
            let ours = kept.iter().filter_map(|key| Some((key, std::env::var_os(key)?)));
            command.envs(ours);
        }
        command
            .args(self.argv.iter().skip(1))
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .env_remove(PASSPHRASE)
            .stdin(self.stdin().map_err(|error| self.not_started(error))?)
            .stdout(out)
            .stderr(err);
        in_own_session(&mut command);
        for variable in &self.hidden {
            command.env_remove(variable);
        }
        let confined = self.confined.map(|limits| confine(&mut command, limits));
        let refusals = confined.transpose().map_err(|error| self.not_started(error))?;
        if let Some(fence) = self.fence.clone() {
            // SAFETY: between fork and exec only two system calls are made, no memory is allocated
            // and no lock is taken.
            unsafe { command.pre_exec(move || fence.enter()) };
        }
        // Last: a new namespace takes back what was asked for before (credentials change,
        // prctl(2)).
        if self.dies_with_us {
            end_with_parent(&mut command);
        }
        let child = command.spawn().map_err(|error| self.not_started(error))?;
        // With it goes the other end of the refusals' pipe.
        drop(command);
        if let Some(refusals) = refusals {
            refusals.tell(&self.name());
        }
        Ok(child)
    }

    fn not_started(&self, source: io::Error) -> CommandError {
        match source.kind() {
            io::ErrorKind::NotFound => {
                CommandError::Missing { program: self.name(), install: self.install }
            }
            _ => CommandError::Start { program: self.name(), source },
        }
    }

    fn stdin(&self) -> io::Result<Stdio> {
        Ok(match (&self.open_input, &self.input) {
            (Some(file), _) => file.try_clone()?.into(),
            (None, Some(_)) => Stdio::piped(),
            (None, None) => Stdio::null(),
        })
    }

    /// Whether it could be started: a look into the directories of PATH, and nothing is run.
    pub fn look_for(&self) -> Result<(), CommandError> {
        let is_program = |path: std::path::PathBuf| {
            path.is_file() && rustix::fs::access(&path, rustix::fs::Access::EXEC_OK).is_ok()
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut dirs = std::env::split_paths(&path);
        match dirs.any(|dir| is_program(dir.join(self.program()))) {
            true => Ok(()),
            false => Err(CommandError::Missing { program: self.name(), install: self.install }),
        }
    }

    fn program(&self) -> &OsStr {
        self.argv.first().map_or(OsStr::new(""), OsString::as_os_str)
    }

    pub(super) fn name(&self) -> String {
        match self.program() {
            program if program == OURSELVES => "coldcut".to_owned(),
            program => program.to_string_lossy().into_owned(),
        }
    }
}

/// The child leaves our session, and with it the terminal; its process group has its own number.
pub(super) fn in_own_session(command: &mut std::process::Command) {
    // SAFETY: between fork and exec only a system call is made, no memory is allocated and no lock
    // is taken.
    unsafe { command.pre_exec(|| rustix::process::setsid().map(drop).map_err(io::Error::from)) };
}

/// Asks the kernel to kill the child when the thread that starts it ends: that thread waits for it.
fn end_with_parent(command: &mut std::process::Command) {
    let parent = rustix::process::getpid();
    let bind = move || {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
        // The parent may have ended before the request: then nobody would end this child.
        match rustix::process::getppid() {
            Some(now) if now == parent => Ok(()),
            _ => Err(io::Error::from(io::ErrorKind::Interrupted)),
        }
    };
    // SAFETY: between fork and exec only two system calls are made, no memory is allocated and no
    // lock is taken, so the closure may run in a copy of a process that has other threads.
    unsafe { command.pre_exec(bind) };
}

/// Limits are the kernel's, and set before the program begins. A network of its own has nothing in
/// it; root may have one, others in a user namespace. A filter of system calls lets no socket be
/// made, which holds where neither namespace is allowed.
fn confine(command: &mut std::process::Command, limits: ProgramLimits) -> io::Result<Refusals> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    use rustix::thread::{UnshareFlags, unshare_unsafe};
    let (refusals, tell) = Refusals::channel()?;
    let filter = SyscallFilter::no_reaching_out();
    // Whoever gave us less gives it to our children, too.
    let at_most = |resource, wanted: u64| getrlimit(resource).map(|(_, hard)| wanted.min(hard));
    let memory = at_most(Resource::RLIMIT_AS, limits.memory)?;
    let seconds = at_most(Resource::RLIMIT_CPU, limits.processor.as_secs() + 1)?;
    let confine = move || {
        setrlimit(Resource::RLIMIT_AS, memory, memory)?;
        // The soft limit is SIGXCPU, the hard one SIGKILL (setrlimit(2)).
        setrlimit(Resource::RLIMIT_CPU, seconds.saturating_sub(1), seconds)?;
        setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
        // SAFETY: files and file systems stay shared, so nothing that is open changes its meaning.
        let unshare = |flags| unsafe { unshare_unsafe(flags) };
        let own_network = unshare(UnshareFlags::NEWNET)
            .or_else(|_| unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNET));
        let filtered = filter.as_ref().is_ok_and(|filter| filter.apply().is_ok());
        for (refused, what) in [(own_network.is_err(), b'n'), (!filtered, b'f')] {
            if refused {
                // Whether anybody hears it changes nothing.
                let _ = rustix::io::write(&tell, &[what]);
            }
        }
        Ok(())
    };
    // SAFETY: between fork and exec only system calls are made, no memory is allocated and no lock
    // is taken, so the closure may run in a copy of a process that has other threads.
    unsafe { command.pre_exec(confine) };
    Ok(refusals)
}

/// What the kernel refused to a child between fork and exec, a byte each. The pipe ends with exec.
struct Refusals(File);

impl Refusals {
    fn channel() -> io::Result<(Refusals, OwnedFd)> {
        let (hear, tell) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        Ok((Refusals(hear.into()), tell))
    }

    fn tell(mut self, program: &str) {
        let mut refused = Vec::new();
        // What cannot be read is not known, and the limits hold all the same.
        let _ = self.0.read_to_end(&mut refused);
        for what in refused {
            confinement::is_missing(&match what {
                b'n' => {
                    format!("{program} has no network namespace of its own: the kernel refused it")
                }
                _ => format!(
                    "{program} runs without a filter of its system calls: the kernel refused it, \
                     or coldcut has none for this kind of processor"
                ),
            });
        }
    }
}

#[derive(Clone, Copy)]
enum Stream {
    Out,
    Err,
}

type OutputPiece = (Stream, io::Result<Vec<u8>>);
type Sink<'a> = dyn FnMut(Stream, &[u8]) -> Result<(), CommandError> + 'a;

/// Starts the threads that read both outputs; the channel closes when both have ended.
fn drain(child: &mut Child) -> io::Result<Receiver<OutputPiece>> {
    let (send, receive) = sync_channel(16);
    if let Some(out) = child.stdout.take() {
        reader(Stream::Out, out, send.clone())?;
    }
    if let Some(err) = child.stderr.take() {
        reader(Stream::Err, err, send)?;
    }
    Ok(receive)
}

fn reader(
    stream: Stream,
    mut from: impl Read + Send + 'static,
    to: SyncSender<OutputPiece>,
) -> io::Result<()> {
    let read_on = move || {
        let mut buffer = vec![0; 16 << 10];
        loop {
            let piece = match from.read(&mut buffer) {
                Ok(0) => return,
                Ok(n) => Ok(buffer[..n].to_vec()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => Err(e),
            };
            let failed = piece.is_err();
            // Where nobody listens any more the run is over.
            if to.send((stream, piece)).is_err() || failed {
                return;
            }
        }
    };
    std::thread::Builder::new().name("output of a program".into()).spawn(read_on).map(drop)
}

/// A child at work, and why it was asked to end if it was.
struct RunningChild {
    child: Child,
    /// For its output and its end. What we did with the output is not the program's time, nor is
    /// that in which this whole process was stopped (SIGSTOP).
    waited: Duration,
    asked_to_end: Option<Instant>,
    why: Option<CommandError>,
    outputs_ended: bool,
    ended: Option<(Instant, ProgramExit)>,
}

impl RunningChild {
    fn watch(
        &mut self,
        program: &Program,
        pieces: &Receiver<OutputPiece>,
        stop: &Stop,
        sink: &mut Sink,
    ) -> Result<ProgramExit, CommandError> {
        loop {
            self.take(program, pieces, sink);
            if let Some(exit) = self.over(program)? {
                return self.why.take().map_or(Ok(exit), Err);
            }
            self.heed(program, stop);
        }
    }

    /// Waits a tick for output, and hands it over unless the run has failed already.
    fn take(&mut self, program: &Program, pieces: &Receiver<OutputPiece>, sink: &mut Sink) {
        let began = Instant::now();
        let piece = pieces.recv_timeout(TICK);
        self.waited += began.elapsed().min(2 * TICK);
        let failure = match piece {
            Ok((stream, Ok(piece))) if self.why.is_none() => sink(stream, &piece).err(),
            Ok((_, Err(source))) => Some(CommandError::Output { program: program.name(), source }),
            Ok(_) | Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                // The channel answers at once from now on; the pause keeps the loop from spinning.
                if self.outputs_ended {
                    std::thread::sleep(TICK / 10);
                    self.waited += TICK / 10;
                }
                self.outputs_ended = true;
                None
            }
        };
        if let Some(failure) = failure {
            self.end_because(program, failure);
        }
    }

    /// The exit, once the child has ended and all that it wrote was handed over.
    fn over(&mut self, program: &Program) -> Result<Option<ProgramExit>, CommandError> {
        if self.ended.is_none() {
            let status = self
                .child
                .try_wait()
                .map_err(|source| CommandError::Output { program: program.name(), source })?;
            self.ended = status.map(|status| (Instant::now(), ProgramExit::of(status)));
        }
        let drained = |since: Instant| self.outputs_ended || since.elapsed() > DRAIN;
        Ok(self.ended.filter(|&(since, _)| drained(since)).map(|(_, exit)| exit))
    }

    fn heed(&mut self, program: &Program, stop: &Stop) {
        if self.ended.is_some() {
            return;
        }
        if let (None, Err(stopped)) = (&self.why, stop.check()) {
            self.end_because(program, stopped.into());
        }
        if let Some(after) = program.timeout {
            if self.why.is_none() && self.waited > after {
                self.end_because(
                    program,
                    CommandError::TimedOut { program: program.name(), after },
                );
            }
        }
        let patience_ends = matches!(self.why, Some(CommandError::TimedOut { .. }))
            && self.asked_to_end.is_some_and(|asked| asked.elapsed() > program.grace);
        if patience_ends {
            self.signal(Signal::SIGKILL);
        }
    }

    /// Asks the child to end, once. The first reason stands.
    fn end_because(&mut self, program: &Program, why: CommandError) {
        if self.why.is_none() {
            self.why = Some(why);
            self.asked_to_end = Some(Instant::now());
            self.signal(if program.only_reads { Signal::SIGKILL } else { Signal::SIGTERM });
        }
    }

    fn signal(&self, signal: Signal) {
        if self.ended.is_none() {
            signal_group(&self.child, signal);
        }
    }
}

/// A caller's callback that panics must not leave a program behind that nobody watches.
impl Drop for RunningChild {
    fn drop(&mut self) {
        if self.ended.is_none() {
            end_now(&mut self.child);
        }
    }
}

fn end_now(child: &mut Child) {
    signal_group(child, Signal::SIGKILL);
    // Nothing can be done about a child that cannot be waited for.
    let _ = child.wait();
}

/// Only for a child that was not waited for yet: its number is not given to another one so long.
pub(super) fn signal_group(child: &Child, signal: Signal) {
    if let Ok(group) = i32::try_from(child.id()) {
        // The group may have ended by itself in this moment: that is what was wanted.
        let _ = killpg(Pid::from_raw(group), signal);
    }
}

/// Puts pieces of output together to lines. A carriage return ends a line, too: progress is
/// written so.
#[derive(Default)]
pub(super) struct LineSplitter(Vec<u8>);

impl LineSplitter {
    pub(super) fn feed(&mut self, piece: &[u8], sink: &mut LineSink) {
        for part in piece.split_inclusive(|b| matches!(b, b'\n' | b'\r')) {
            let ended = part.ends_with(b"\n") || part.ends_with(b"\r");
            self.0.extend_from_slice(&part[..part.len() - usize::from(ended)]);
            if ended || self.0.len() >= LONGEST_LINE {
                self.finish(sink);
            }
        }
    }

    /// Hands over what was not ended by a line end. Empty lines say nothing and are left out.
    pub(super) fn finish(&mut self, sink: &mut LineSink) {
        if !self.0.is_empty() {
            sink(&self.0);
            self.0.clear();
        }
    }
}

/// The variable that may hold a passphrase; no program that we start gets it.
pub const PASSPHRASE: &str = "COLDCUT_PASSPHRASE";

#[cfg(test)]
mod tests {
    use super::*;

    fn bash(script: &str) -> Program {
        Program::new("apt install bash", ["bash", "-c", script])
    }

    fn lines(program: &Program) -> (Result<ProgramExit, CommandError>, Vec<String>, Vec<String>) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let text = |line: &[u8]| String::from_utf8_lossy(line).into_owned();
        let exit = program
            .run(&Stop::new(), &mut |line| out.push(text(line)), &mut |line| err.push(text(line)));
        (exit, out, err)
    }

    #[test]
    fn a_program_is_looked_for_without_being_run() {
        let look = |name: &str| Program::new("apt install it", [name]).look_for();
        assert!(look("sh").is_ok() && look("false").is_ok());
        for missing in ["no-such-program", "", "etc"] {
            let found = look(missing);
            assert!(matches!(found, Err(CommandError::Missing { .. })), "{missing}: {found:?}");
        }
    }

    #[test]
    fn lines_come_from_both_outputs_and_carriage_returns_end_lines() {
        let program = bash("printf 'a\\nb'; printf '1%%\\r2%%\\r\\nend' >&2; exit 7");
        let (exit, out, err) = lines(&program);
        assert_eq!(exit.unwrap(), ProgramExit::Code(7));
        assert_eq!(out, ["a", "b"]);
        assert_eq!(err, ["1%", "2%", "end"]);
    }

    #[test]
    fn much_output_on_both_sides_blocks_nobody() {
        let script = "for i in {1..4000}; do printf '%050d\\n' $i; printf '%050d\\n' $i >&2; done";
        let (exit, out, err) = lines(&bash(script));
        assert!(exit.unwrap().is_success());
        assert_eq!((out.len(), err.len()), (4000, 4000));
    }

    #[test]
    fn a_missing_program_says_how_to_get_it() {
        let program = Program::new("apt install xorriso", ["coldcut-no-such-program"]);
        let error = lines(&program).0.unwrap_err();
        assert!(matches!(error, CommandError::Missing { .. }));
        assert!(error.to_string().ends_with("apt install xorriso"), "{error}");
    }

    #[test]
    fn a_killed_program_tells_its_signal() {
        assert_eq!(lines(&bash("kill -9 $$")).0.unwrap(), ProgramExit::Signal(9));
    }

    #[test]
    fn a_program_that_hangs_is_ended_even_if_it_ignores_the_first_signal() {
        let mut program = bash("trap '' TERM; sleep 100; sleep 100");
        program = program.timeout(Duration::from_millis(200));
        program.grace = Duration::from_millis(100);
        let error = lines(&program).0.unwrap_err();
        assert!(matches!(error, CommandError::TimedOut { .. }), "{error}");
    }

    #[test]
    fn so_is_one_that_closed_its_outputs() {
        let program = bash("exec >&- 2>&-; sleep 100").timeout(Duration::from_millis(200));
        let error = lines(&program).0.unwrap_err();
        assert!(matches!(error, CommandError::TimedOut { .. }), "{error}");
    }

    #[test]
    fn output_that_nobody_wants_any_more_ends_the_program() {
        let (mut heard, program) = (0, bash("exec yes"));
        let mut enough = |piece: &[u8]| {
            heard += piece.len();
            if heard > 100_000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let ended = program.stream_while(&Stop::new(), &mut enough, &mut |_| ());
        assert!(matches!(ended, Err(CommandError::Unwanted { .. })), "{ended:?}");
        assert!(heard < 200_000, "{heard}");
    }

    #[test]
    fn a_file_is_the_programs_input_from_where_it_stands() {
        use std::io::Seek;
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, b"one\ntwo\n").unwrap();
        file.seek(io::SeekFrom::Start(4)).unwrap();
        assert_eq!(lines(&bash("cat").open_input(file)).1, ["two"]);
    }

    #[test]
    fn a_wish_to_stop_is_passed_on_and_the_programs_own_end_awaited() {
        let dir = tempfile::tempdir().unwrap();
        let tidied = dir.path().join("tidied");
        let script = format!(
            "trap 'touch {}; exit 1' TERM; echo ready; for i in {{1..1000}}; do sleep 0.1; done",
            tidied.display()
        );
        let stop = Stop::new();
        let error = bash(&script).run(&stop, &mut |_| stop.ask(15), &mut |_| ()).unwrap_err();
        assert!(matches!(error, CommandError::Stopped(Stopped(15))), "{error}");
        assert!(tidied.exists());
    }

    #[test]
    fn nothing_is_started_after_a_wish_to_stop() {
        let stop = Stop::new();
        stop.ask(2);
        let missing = Program::new("", ["coldcut-no-such-program"]);
        let error = missing.run(&stop, &mut |_| (), &mut |_| ()).unwrap_err();
        assert!(matches!(error, CommandError::Stopped(Stopped(2))));
    }

    #[test]
    fn a_capture_is_exact_and_bounded() {
        let (exit, out) =
            bash("printf 'a\\r\\n\\n\\xff'").capture(&Stop::new(), 5, &mut |_| ()).unwrap();
        assert!(exit.is_success());
        assert_eq!(out, b"a\r\n\n\xff");
        let error = bash("yes").capture(&Stop::new(), 100_000, &mut |_| ()).unwrap_err();
        assert!(matches!(error, CommandError::TooMuchOutput { .. }), "{error}");
    }

    #[test]
    fn an_input_is_read_and_one_that_nobody_reads_holds_nobody_up() {
        let long = Secret::new(vec![b'x'; 1 << 20]);
        let (mut counted, mut err) = (0, |_: &[u8]| ());
        let cat = bash("cat").input(long.clone());
        let exit = cat.stream(&Stop::new(), &mut |piece| counted += piece.len(), &mut err);
        assert!(exit.unwrap().is_success());
        assert_eq!(counted, 1 << 20);
        assert!(lines(&bash("exit 0").input(long)).0.unwrap().is_success());
        assert!(!format!("{:?}", bash("").input(Secret::new(b"hush".to_vec()))).contains("hush"));
    }

    /// Who leads a session that was made for it has no terminal.
    #[test]
    fn a_program_leads_a_session_of_its_own() {
        let script = "read -r _ _ _ _ group session _ </proc/self/stat; echo $(($$ == group)) $(($$ == session))";
        let plain = bash(script);
        for program in [plain.clone(), plain.clone().confined(FEW), plain.dies_with_us()] {
            assert_eq!(lines(&program).1, ["1 1"]);
        }
    }

    #[test]
    fn a_program_gets_no_more_of_our_environment_than_it_is_given() {
        let (_, out, _) = lines(&bash("/usr/bin/env | cut -d= -f1 | sort").only_env(&["PATH"]));
        let wanted = ["LC_ALL", "PATH", "PWD", "SHLVL", "TZ", "_"];
        assert_eq!(out, wanted);
    }

    #[test]
    fn the_language_and_the_time_zone_are_fixed() {
        let (_, out, _) = lines(&bash("echo $LC_ALL $TZ $MORE").env("MORE", "x"));
        assert_eq!(out, ["C UTC x"]);
    }

    #[test]
    fn a_child_left_in_the_background_does_not_hold_us_up() {
        let started = Instant::now();
        let (exit, out, _) = lines(&bash("sleep 20 & echo $!"));
        assert!(exit.unwrap().is_success());
        assert!(started.elapsed() < Duration::from_secs(10));
        lines(&Program::new("", ["kill", &out[0]])).0.unwrap();
    }

    const FEW: ProgramLimits =
        ProgramLimits { memory: 512 << 20, processor: Duration::from_secs(1) };

    #[test]
    fn a_confined_program_has_so_much_memory_and_processor_time_and_no_network() {
        let (exit, out, _) = lines(&bash("ulimit -v; ulimit -t; ulimit -c").confined(FEW));
        assert!(exit.unwrap().is_success());
        assert_eq!(out, ["524288", "1", "0"]);
        let (exit, _, _) = lines(&bash("while :; do :; done").confined(FEW));
        // SIGXCPU, or SIGKILL a second later.
        assert!(matches!(exit.unwrap(), ProgramExit::Signal(24 | 9)));
        let here = std::fs::read_link("/proc/self/ns/net").unwrap();
        let (_, there, _) = lines(&bash("readlink /proc/self/ns/net").confined(FEW));
        let allowed = bash("unshare --net true || unshare --user --net true");
        if lines(&allowed).0.unwrap().is_success() {
            assert_ne!(there, [here.to_str().unwrap()]);
        }
    }

    #[test]
    fn what_the_kernel_refused_to_a_program_is_told() {
        let told = Arc::new(std::sync::Mutex::new(Vec::new()));
        let hear = told.clone();
        confinement::tell_what_is_missing(move |words| hear.lock().unwrap().push(words.to_owned()));
        let (refusals, tell) = Refusals::channel().unwrap();
        rustix::io::write(&tell, b"nf").unwrap();
        drop(tell);
        refusals.tell("par2");
        let told = told.lock().unwrap();
        assert!(told.iter().any(|words| words.starts_with("par2 has no network namespace")));
        assert!(told.iter().any(|words| words.starts_with("par2 runs without a filter")));
    }

    #[test]
    fn nobody_gets_more_than_we_have_ourselves() {
        let tight = bash("ulimit -v; ulimit -t").confined(ProgramLimits { memory: 1 << 62, ..FEW });
        let (exit, out, _) = lines(&tight);
        assert!(exit.unwrap().is_success());
        let hard = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_AS);
        if hard.unwrap().1 == nix::libc::RLIM_INFINITY {
            assert_eq!(out, [(1_u64 << 52).to_string().as_str(), "1"]);
        }
    }

    #[test]
    fn a_confined_program_makes_no_sockets_and_reaches_into_no_other() {
        let script = "exec 3<>/dev/tcp/127.0.0.1/9 || exec 3<>/dev/udp/127.0.0.1/9; echo $?";
        let (exit, _, err) = lines(&bash(script).confined(FEW));
        assert!(exit.unwrap().is_success());
        let refused = err.iter().filter(|line| line.ends_with("socket: Operation not permitted"));
        assert_eq!(refused.count(), 2, "{err:?}");
    }

    #[test]
    fn a_confined_program_is_still_bound_to_us() {
        let (send, receive) = std::sync::mpsc::channel();
        let starter = std::thread::spawn(move || {
            let program = bash("echo; exec sleep 100").confined(FEW).dies_with_us();
            let mut child = program.spawn().unwrap();
            send.send(child.id()).unwrap();
            let mut first = [0];
            child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
            child
        });
        receive.recv().unwrap();
        let status = starter.join().unwrap().wait().unwrap();
        assert_eq!(ProgramExit::of(status), ProgramExit::Signal(9));
    }

    #[test]
    fn a_program_that_only_reads_is_killed_by_a_wish_to_stop() {
        let stop = Stop::new();
        let deaf = bash("trap '' TERM INT; echo up; while :; do sleep 0.05; done");
        let deaf = deaf.killed_when_stopped();
        let ended = deaf.run(&stop, &mut |_| stop.ask(15), &mut |_| ());
        assert!(matches!(ended, Err(CommandError::Stopped(Stopped(15)))), "{ended:?}");
    }

    /// For the kernel the thread that starts a child is its parent.
    #[test]
    fn a_bound_child_ends_with_the_thread_that_started_it() {
        let (send, receive) = std::sync::mpsc::channel();
        let starter = std::thread::spawn(move || {
            let mut child = bash("echo; exec sleep 100").dies_with_us().spawn().unwrap();
            send.send(child.id()).unwrap();
            let mut first = [0];
            child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
            child
        });
        receive.recv().unwrap();
        let mut child = starter.join().unwrap();
        let status = child.wait().unwrap();
        assert_eq!(ProgramExit::of(status), ProgramExit::Signal(9));
    }
}
