//! `syncfs` does not arrive at a FUSE file system like ours. So the kernel asks us before it lets a
//! program do it (seccomp_unotify(2)).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};

use nix::libc;

/// Where the program has the descriptor that we take from it.
const LISTENER: RawFd = 199;

/// Starts a program; `seen` gets the path of each file system, before it is synced.
pub fn watched(command: &mut Command, seen: impl Fn(&Path) + Send + 'static) -> Child {
    // SAFETY: between fork and exec only system calls are made, with memory of this function.
    unsafe { command.pre_exec(listen) };
    let child = command.spawn().unwrap();
    // One that ended already, because the power was cut, has none.
    if let Ok(listener) = taken_from(child.id()) {
        std::thread::spawn(move || while answered(&listener, &seen) {});
    }
    child
}

/// Asks that each `syncfs` of this process and its children be announced.
fn listen() -> io::Result<()> {
    let step =
        |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut steps = [
        // The number is the first field of seccomp_data.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, libc::SYS_syncfs as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_USER_NOTIF),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
    // SAFETY: `program` and `steps` live until the calls return.
    let done = unsafe {
        let (mode, flags) = (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER);
        let fd = libc::syscall(libc::SYS_seccomp, mode, flags, &program);
        if fd < 0 { fd as i32 } else { libc::dup2(fd as i32, LISTENER) }
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn taken_from(process: u32) -> io::Result<OwnedFd> {
    let opened = |fd: libc::c_long| match fd {
        ..0 => Err(io::Error::last_os_error()),
        // SAFETY: the kernel has just made it, and nobody else has it.
        fd => Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }),
    };
    // SAFETY: numbers only.
    let pidfd = opened(unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) })?;
    opened(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), LISTENER, 0) })
}

nix::ioctl_readwrite!(receive, b'!', 0, libc::seccomp_notif);
nix::ioctl_readwrite!(answer, b'!', 1, libc::seccomp_notif_resp);

/// Waits for one; false when nobody is left who could do it.
fn answered(listener: &OwnedFd, seen: &impl Fn(&Path)) -> bool {
    let mut polled = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd.
    unsafe { libc::poll(&mut polled, 1, -1) };
    if polled.revents & libc::POLLIN == 0 {
        return false;
    }
    // SAFETY: plain numbers, for which zero is a value; the kernel wants zeros.
    let mut asked: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills it.
    if unsafe { receive(listener.as_raw_fd(), &mut asked) }.is_err() {
        return true; // Killed meanwhile.
    }
    let path = std::fs::read_link(format!("/proc/{}/fd/{}", asked.pid, asked.data.args[0]));
    seen(&path.unwrap_or_default());
    let flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
    let mut done = libc::seccomp_notif_resp { id: asked.id, val: 0, error: 0, flags };
    // SAFETY: as large as the kernel expects. Who was killed needs no answer.
    let _ = unsafe { answer(listener.as_raw_fd(), &mut done) };
    true
}
