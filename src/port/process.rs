//! This process itself: its signals, its capabilities and its core dumps.

use std::io;
use std::sync::Arc;
use std::thread;

use nix::libc::SIGXFSZ;
use nix::sys::resource::{Resource, setrlimit};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::stop::Stop;

/// A passphrase in memory must not end up in a file, nor with another program of this user.
pub fn keep_secrets_out_of_core_dumps() {
    // Lowering a limit is always allowed; should it fail all the same, a dump is not worse than
    // no backup.
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    // The limit does not hold for dumps that the system pipes to a program (core(5)). This also
    // closes our memory and our environment to others (ptrace(2), proc_pid_environ(5)).
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// A service that may read every file keeps that right to itself: a capability in the ambient set
/// would go to each program that is started (capabilities(7)), a shell and gpg among them.
pub fn keep_capabilities_from_children() {
    // Fails only where the kernel knows no ambient set (before Linux 4.3): then there is none.
    let _ = rustix::thread::clear_ambient_capability_set();
}

/// Keeps up to 64 MiB a thread of what was freed for what is allocated next. Each frame takes some
/// megabytes while it is compressed: glibc would give them back every time, and the kernel would
/// have to zero others (a twentieth of all the work of a backup).
pub fn keep_freed_memory() {
    #[cfg(target_env = "gnu")]
    for (parameter, bytes) in
        [(nix::libc::M_TRIM_THRESHOLD, 64 << 20), (nix::libc::M_MMAP_THRESHOLD, 16 << 20)]
    {
        // SAFETY: mallopt(3) takes two numbers and touches nothing but the allocator's settings,
        // under its lock. A refusal leaves them as they were.
        unsafe { nix::libc::mallopt(parameter, bytes) };
    }
}

/// Asks the run to stop on Ctrl-C, SIGTERM or a lost terminal. What whoever started us ignores,
/// stays ignored: `nohup`, and a shell's `command &` in a script, mean that.
pub fn stop_on_signals(stop: &Stop) -> io::Result<()> {
    let heard: Vec<i32> = [SIGINT, SIGTERM, SIGHUP]
        .into_iter()
        .filter(|&signal| signal == SIGTERM || !is_ignored(signal))
        .collect();
    // Of what would become too large a file, the write says so (EFBIG), and the run continues.
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    let mut signals = Signals::new(heard)?;
    let stop = stop.clone();
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            match signal {
                SIGHUP => stop.hang_up(signal),
                _ => stop.ask(signal),
            }
        }
    })?;
    Ok(())
}

/// Whether this signal was set to be ignored; what cannot be found out is not.
fn is_ignored(signal: i32) -> bool {
    let mut now = std::mem::MaybeUninit::<nix::libc::sigaction>::zeroed();
    // SAFETY: sigaction(2) without a new action changes nothing; it writes the present one to a
    // struct of its own type, of which all zeros are a valid value.
    let now = unsafe {
        if nix::libc::sigaction(signal, std::ptr::null(), now.as_mut_ptr()) != 0 {
            return false;
        }
        now.assume_init()
    };
    now.sa_sigaction == nix::libc::SIG_IGN
}
