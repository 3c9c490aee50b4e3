//! Filters of system calls (seccomp(2)), which a process puts on itself and keeps. They are for the
//! architectures whose numbers `seccompiler` knows; elsewhere there is none, which whoever asks for
//! one is told.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
pub(in crate::port) use known::SyscallFilter;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
pub(in crate::port) use unknown::SyscallFilter;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
mod known {
    use std::collections::BTreeMap;
    use std::io;

    use nix::libc;
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule,
    };

    /// All that a process needs that computes in its memory and writes to what is open. None of them
    /// opens, connects, starts or signals anything.
    const COMPUTING: [i64; 22] = [
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_close,
        libc::SYS_fstat,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_getrandom,
        libc::SYS_clock_gettime,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_sched_yield,
        libc::SYS_sigaltstack,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_restart_syscall,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ];

    /// The same, as long as the third argument does not ask for memory that can be executed.
    const MAPPING: [i64; 2] = [libc::SYS_mmap, libc::SYS_mprotect];

    /// What a program has no use for that repairs files: sockets, however they are made, and whatever
    /// reaches into other processes.
    const REACHING_OUT: [i64; 9] = [
        libc::SYS_socket,
        libc::SYS_socketpair,
        libc::SYS_io_uring_setup,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_unshare,
        libc::SYS_setns,
    ];

    /// On x86_64 each call has a second number (x32, __X32_SYSCALL_BIT), where the kernel was built so.
    const SECOND_NUMBER: i64 = if cfg!(target_arch = "x86_64") { 0x4000_0000 } else { 0 };

    /// A filter of system calls, ready for the kernel. What it refuses fails with EPERM.
    #[derive(Clone)]
    pub(in crate::port) struct SyscallFilter(BpfProgram);

    impl SyscallFilter {
        /// Nothing but [`COMPUTING`] and [`MAPPING`].
        pub(in crate::port) fn only_computing() -> io::Result<SyscallFilter> {
            let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
                COMPUTING.into_iter().map(|call| (call, Vec::new())).collect();
            for call in MAPPING {
                let op = SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64);
                let condition = SeccompCondition::new(2, SeccompCmpArgLen::Dword, op, 0);
                let rule = condition.and_then(|condition| SeccompRule::new(vec![condition]));
                rules.insert(call, vec![rule.map_err(io::Error::other)?]);
            }
            SyscallFilter::compile(
                rules,
                SeccompAction::Errno(libc::EPERM as u32),
                SeccompAction::Allow,
            )
        }

        /// All but [`REACHING_OUT`].
        pub(in crate::port) fn no_reaching_out() -> io::Result<SyscallFilter> {
            let both = REACHING_OUT.into_iter().flat_map(|call| [call, call | SECOND_NUMBER]);
            let rules = both.map(|call| (call, Vec::new())).collect();
            SyscallFilter::compile(
                rules,
                SeccompAction::Allow,
                SeccompAction::Errno(libc::EPERM as u32),
            )
        }

        fn compile(
            rules: BTreeMap<i64, Vec<SeccompRule>>,
            others: SeccompAction,
            these: SeccompAction,
        ) -> io::Result<SyscallFilter> {
            let arch = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
            let filter =
                SeccompFilter::new(rules, others, these, arch).map_err(io::Error::other)?;
            Ok(SyscallFilter(filter.try_into().map_err(io::Error::other)?))
        }

        /// For the calling thread and whatever it starts, for ever. Two system calls, and no memory is
        /// allocated.
        pub(in crate::port) fn apply(&self) -> io::Result<()> {
            use seccompiler::Error::{Prctl, Seccomp};
            seccompiler::apply_filter(&self.0).map_err(|error| match error {
                Prctl(error) | Seccomp(error) => error,
                // For more threads than one, or none: neither is asked for.
                _ => io::ErrorKind::Unsupported.into(),
            })
        }
    }
}

/// Compiled with the tests everywhere, so that it goes on compiling.
#[cfg(any(
    test,
    not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))
))]
#[cfg_attr(test, allow(dead_code))]
mod unknown {
    use std::io;

    /// There is none.
    #[derive(Clone)]
    pub(in crate::port) enum SyscallFilter {}

    impl SyscallFilter {
        pub(in crate::port) fn only_computing() -> io::Result<SyscallFilter> {
            Err(none())
        }

        pub(in crate::port) fn no_reaching_out() -> io::Result<SyscallFilter> {
            Err(none())
        }

        pub(in crate::port) fn apply(&self) -> io::Result<()> {
            match *self {}
        }
    }

    fn none() -> io::Error {
        let arch = std::env::consts::ARCH;
        let what = format!("coldcut has no filter of system calls for {arch}");
        io::Error::new(io::ErrorKind::Unsupported, what)
    }

    #[cfg(test)]
    #[test]
    fn where_there_is_no_filter_it_is_said() {
        for filter in [SyscallFilter::only_computing(), SyscallFilter::no_reaching_out()] {
            let error = filter.map(|_| ()).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("coldcut has no filter of system calls for {}", std::env::consts::ARCH)
            );
        }
    }
}
