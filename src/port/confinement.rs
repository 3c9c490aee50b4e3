//! What is taken from a process that reads what strangers made: between fork and exec, or by the
//! process itself before it looks at the first byte. What the kernel refuses is told, and the rest
//! holds all the same.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Mutex, PoisonError};

use nix::libc;
use nix::sys::resource::{Resource, setrlimit};

use self::syscalls::SyscallFilter;

pub(super) mod syscalls;

/// This process can from now on reach nothing but its memory and what is open as standard input,
/// output and error. Returns what the kernel refused, in words. To be called while the process has
/// one thread.
pub fn keep_to_standard_streams() -> Vec<String> {
    let mut refused = Vec::new();
    let mut ask = |what: &str, result: io::Result<()>| {
        if let Err(error) = result {
            refused.push(format!("{what}: {error}"));
        }
    };
    ask("what was left open for it is not closed", close_others());
    // No descriptor can be had any more, so nothing can be opened, listed or connected to.
    ask("it may open files", setrlimit(Resource::RLIMIT_NOFILE, 0, 0).map_err(Into::into));
    ask("it may write files", setrlimit(Resource::RLIMIT_FSIZE, 0, 0).map_err(Into::into));
    let filtered = SyscallFilter::only_computing().and_then(|filter| filter.apply());
    ask("its system calls are not filtered", filtered);
    refused
}

/// What whoever started us left open without meaning it for us.
fn close_others() -> io::Result<()> {
    let (first, last, flags) = (3_u32, u32::MAX, 0_u32);
    // SAFETY: nothing in this process, which has just begun, owns a descriptor above 2.
    match unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

type MissingListener = Box<dyn Fn(&str) + Send>;

/// Who is told, and what was told already: a repair is tried for each disc.
static HEARING: Mutex<(Option<MissingListener>, BTreeSet<String>)> =
    Mutex::new((None, BTreeSet::new()));

/// `tell` gets, once for each, the sentences that say what the kernel refused.
pub fn tell_what_is_missing(tell: impl Fn(&str) + Send + 'static) {
    HEARING.lock().unwrap_or_else(PoisonError::into_inner).0 = Some(Box::new(tell));
}

/// Something that would have confined a child was refused.
pub fn is_missing(what: &str) {
    let mut hearing = HEARING.lock().unwrap_or_else(PoisonError::into_inner);
    let (listener, told) = &mut *hearing;
    if let Some(tell) = listener {
        if told.insert(what.to_owned()) {
            tell(what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, fork};
    use std::io::Read;
    use std::os::fd::AsRawFd;

    /// Whether `work` holds in a process of its own, behind `confine`. It may make system calls and
    /// nothing else: the other threads of the tests are not there.
    fn holds_in_a_child(confine: impl FnOnce(), work: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child only makes system calls, and ends without running anything of ours.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                confine();
                let code = if work() { 0 } else { 1 };
                // SAFETY: ends this copy of the process at once.
                unsafe { libc::_exit(code) }
            }
            ForkResult::Parent { child } => {
                matches!(waitpid(child, None).unwrap(), WaitStatus::Exited(_, 0))
            }
        }
    }

    fn refused(result: i64) -> bool {
        result == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
    }

    fn open() -> i64 {
        // SAFETY: a path that lives for ever.
        i64::from(unsafe { libc::open(c"/etc/passwd".as_ptr(), libc::O_RDONLY) })
    }

    fn socket(domain: i32) -> i64 {
        // SAFETY: numbers only.
        i64::from(unsafe { libc::socket(domain, libc::SOCK_STREAM, 0) })
    }

    fn map(protection: i32) -> i64 {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: new memory of nobody.
        unsafe { libc::mmap(std::ptr::null_mut(), 4096, protection, flags, -1, 0) as i64 }
    }

    #[test]
    fn a_process_that_only_computes_opens_connects_starts_and_removes_nothing() {
        let filter = SyscallFilter::only_computing().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let kept = dir.path().join("kept");
        std::fs::write(&kept, "x").unwrap();
        let path = std::ffi::CString::new(kept.to_str().unwrap()).unwrap();
        let apply = || filter.apply().unwrap();
        assert!(holds_in_a_child(|| (), || open() >= 0 && socket(libc::AF_UNIX) >= 0));
        assert!(holds_in_a_child(apply, || refused(open())));
        for domain in [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK] {
            assert!(holds_in_a_child(apply, || refused(socket(domain))), "{domain}");
        }
        // SAFETY: a path that outlives the child.
        assert!(holds_in_a_child(apply, || refused(unsafe { libc::unlink(path.as_ptr()) }.into())));
        // SAFETY: a signal to the test's own parent, which would do nothing (0).
        assert!(holds_in_a_child(apply, || refused(
            unsafe { libc::kill(libc::getppid(), 0) }.into()
        )));
        let exec = || {
            let argv = [c"/bin/true".as_ptr(), std::ptr::null()];
            // SAFETY: a path and arguments that live for ever.
            refused(unsafe { libc::execv(argv[0], argv.as_ptr()) }.into())
        };
        assert!(holds_in_a_child(apply, exec));
        assert!(holds_in_a_child(apply, || refused(map(libc::PROT_READ | libc::PROT_EXEC))));
        assert!(holds_in_a_child(apply, || map(libc::PROT_READ | libc::PROT_WRITE) != -1));
        assert!(kept.exists());
    }

    /// A process that has kept to its standard streams and waits, and all that it wrote: `y` if the
    /// kernel refused nothing. It ends when nobody holds its input any more.
    fn kept_to_standard_streams(look: impl FnOnce(nix::unistd::Pid)) -> Vec<u8> {
        let pipe = || nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
        let ((input, hold), (hear, output)) = (pipe(), pipe());
        // SAFETY: the child has the only thread that it knows of, glibc's memory can be used in it
        // (fork(3)), and it exits without running destructors.
        let ForkResult::Parent { child } = (unsafe { fork() }).unwrap() else {
            // SAFETY: descriptors of this copy of the process, which nobody else uses.
            unsafe {
                libc::dup2(input.as_raw_fd(), 0);
                libc::dup2(output.as_raw_fd(), 1);
                let word = if keep_to_standard_streams().is_empty() { c"y" } else { c"n" };
                libc::write(1, word.as_ptr().cast(), 1);
                libc::read(0, [0_u8; 1].as_mut_ptr().cast(), 1);
                libc::_exit(0)
            }
        };
        drop(output);
        let mut said = vec![0];
        let mut hear = std::fs::File::from(hear);
        hear.read_exact(&mut said).unwrap();
        look(child);
        drop(hold);
        assert!(matches!(waitpid(child, None).unwrap(), WaitStatus::Exited(_, 0)));
        hear.read_to_end(&mut said).unwrap();
        said
    }

    /// Each rule for itself: one hides what another does not hold.
    #[test]
    fn a_process_that_keeps_to_its_standard_streams_has_no_other_and_gets_none() {
        let said = kept_to_standard_streams(|child| {
            let of = |what: &str| std::fs::read_to_string(format!("/proc/{child}/{what}")).unwrap();
            let limit = |name: &str| {
                let limits = of("limits");
                let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
                line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
            };
            let open = std::fs::read_dir(format!("/proc/{child}/fd")).unwrap();
            let mut open: Vec<_> = open.map(|entry| entry.unwrap().file_name()).collect();
            open.sort();
            let found = (limit("Max open files"), limit("Max file size"), open.len());
            assert_eq!(found, ("0 0".to_owned(), "0 0".to_owned(), 3), "{open:?}");
            let status = of("status");
            assert!(status.contains("Seccomp:\t2\n"), "{status}");
        });
        assert_eq!(said, b"y");
    }

    #[test]
    fn without_a_filter_no_descriptor_can_be_had() {
        let limit = || setrlimit(Resource::RLIMIT_NOFILE, 0, 0).unwrap();
        let full = |result: i64| {
            result == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::EMFILE)
        };
        assert!(holds_in_a_child(limit, || full(open()) && full(socket(libc::AF_UNIX))));
    }

    #[test]
    fn a_program_that_does_not_reach_out_opens_files_and_no_sockets() {
        let filter = SyscallFilter::no_reaching_out().unwrap();
        let apply = || filter.apply().unwrap();
        for domain in [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK] {
            assert!(holds_in_a_child(apply, || refused(socket(domain))), "{domain}");
        }
        assert!(holds_in_a_child(apply, || open() >= 0));
    }

    /// A call with arguments that do no harm where it is allowed.
    fn call(number: i64, arguments: [i64; 2]) -> i64 {
        // SAFETY: numbers and null pointers, with which none of these calls writes anything.
        unsafe { libc::syscall(number, arguments[0], arguments[1], 0_i64, 0_i64, 0_i64, 0_i64) }
    }

    #[test]
    fn a_program_that_does_not_reach_out_has_no_other_way_to_do_so() {
        let filter = SyscallFilter::no_reaching_out().unwrap();
        let apply = || filter.apply().unwrap();
        let ourselves = i64::from(std::process::id());
        let calls = [
            ("socketpair", libc::SYS_socketpair, [i64::from(libc::AF_UNIX), 1]),
            ("io_uring_setup", libc::SYS_io_uring_setup, [0, 0]),
            ("ptrace", libc::SYS_ptrace, [i64::from(libc::PTRACE_TRACEME), 0]),
            ("process_vm_readv", libc::SYS_process_vm_readv, [ourselves, 0]),
            ("process_vm_writev", libc::SYS_process_vm_writev, [ourselves, 0]),
            ("pidfd_getfd", libc::SYS_pidfd_getfd, [-1, 0]),
            ("unshare", libc::SYS_unshare, [0, 0]),
            ("setns", libc::SYS_setns, [-1, 0]),
        ];
        for (name, number, arguments) in calls {
            // Some kernels let nobody have io_uring.
            let is_there = holds_in_a_child(|| (), || !refused(call(number, arguments)));
            assert!(is_there || name == "io_uring_setup", "{name}");
        }
        let allowed = |bit: i64| {
            let is_refused = |number, arguments| {
                holds_in_a_child(apply, || refused(call(number | bit, arguments)))
            };
            let left = calls.iter().filter(|(_, number, with)| !is_refused(*number, *with));
            left.map(|(name, ..)| *name).collect::<Vec<_>>()
        };
        assert_eq!(allowed(0), [""; 0]);
        // Their second numbers (x32), which a kernel that was built without them does not know.
        #[cfg(target_arch = "x86_64")]
        assert_eq!(allowed(0x4000_0000), [""; 0]);
    }

    #[test]
    fn memory_of_a_process_that_only_computes_cannot_be_made_a_program() {
        let filter = SyscallFilter::only_computing().unwrap();
        let apply = || filter.apply().unwrap();
        let page = map(libc::PROT_READ | libc::PROT_WRITE);
        let protect = |protection: i32| {
            // SAFETY: a page of this test's own.
            i64::from(unsafe { libc::mprotect(page as *mut libc::c_void, 4096, protection) })
        };
        let executable = libc::PROT_READ | libc::PROT_EXEC;
        assert!(holds_in_a_child(|| (), || protect(executable) == 0));
        assert!(holds_in_a_child(apply, || refused(protect(executable))));
        assert!(holds_in_a_child(apply, || protect(libc::PROT_READ) == 0));
    }
}
