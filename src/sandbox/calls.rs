//! seccomp: which system calls can be made.
//!
//! The list is wide: whole families that other versions of the C library may use, not only what this build
//! calls. Everything else is answered with ENOSYS. Libraries take that for an old kernel, and fall back: so a
//! new call that is not on the list costs nothing. A program that is killed instead would end because of a
//! harmless call, and one whose thread is killed would be half alive.
//!
//! Where a call is harmless only with some arguments, they are part of the rule. Arguments behind pointers
//! can't be seen, so `clone3` and `openat2`, which have all of theirs there, are not allowed.

use super::{lack::Lack, plan::Plan};
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;

/// The rules of each call, by its number; none allow it with any arguments.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Allows what the plan needs and nothing else, for this thread and those that it starts.
pub(super) fn restrict(plan: &Plan) -> Result<(), Lack> {
    let program = program(plan)?.ok_or(Lack::Missing)?;
    seccompiler::apply_filter(&program).map_err(|error| match error {
        seccompiler::Error::Seccomp(error) | seccompiler::Error::Prctl(error) => Lack::of(&error),
        other => Lack::Failed(other.to_string()),
    })
}

/// `None` on a processor whose calls are not listed here.
fn program(plan: &Plan) -> Result<Option<BpfProgram>, Lack> {
    let Ok(arch) = std::env::consts::ARCH.try_into() else { return Ok(None) };
    let Some(rules) = rules(plan).map_err(|error| Lack::Failed(error.to_string()))? else { return Ok(None) };
    const ENOSYS: u32 = nix::errno::Errno::ENOSYS as u32;
    let filter = SeccompFilter::new(rules, SeccompAction::Errno(ENOSYS), SeccompAction::Allow, arch);
    let program = filter.and_then(TryInto::try_into).map_err(|error| Lack::Failed(error.to_string()))?;
    Ok(Some(program))
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn rules(_plan: &Plan) -> Result<Option<Rules>, seccompiler::BackendError> {
    Ok(None)
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn rules(plan: &Plan) -> Result<Option<Rules>, seccompiler::BackendError> {
    let mut rules: Rules = ALWAYS.iter().map(|call| (*call, Vec::new())).collect();
    if plan.writes() {
        rules.extend(WRITING.iter().map(|call| (*call, Vec::new())));
    }
    if plan.names {
        // musl binds the socket with which it asks for names.
        rules.insert(libc::SYS_bind, Vec::new());
    }
    for (call, conditions) in limited(plan) {
        let mut conditions = conditions.into_iter();
        let rule = conditions.try_fold(Vec::new(), |mut rule, Limit(argument, operation, value)| {
            // The kernel, too, looks only at the lower half of each of these arguments.
            rule.push(SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operation, value)?);
            Ok(rule)
        });
        rules.entry(call).or_default().push(SeccompRule::new(rule?)?);
    }
    Ok(Some(rules))
}

/// What an argument, counted from 0, must be.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
struct Limit(u8, SeccompCmpOp, u64);

/// Calls with what their arguments must be. A call that is named twice is allowed in both cases.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn limited(plan: &Plan) -> Vec<(i64, Vec<Limit>)> {
    // All of these are positive.
    let bits = |flags: libc::c_int| u64::from(flags.unsigned_abs());
    let equal = |argument, value| Limit(argument, SeccompCmpOp::Eq, bits(value));
    let without = |argument, flags| Limit(argument, SeccompCmpOp::MaskedEq(bits(flags)), 0);
    let with = |argument, flag| Limit(argument, SeccompCmpOp::MaskedEq(bits(flag)), bits(flag));
    let mut calls = vec![
        // Threads, but no processes.
        (libc::SYS_clone, vec![with(0, libc::CLONE_THREAD)]),
        // Signals to itself, as abort() sends.
        (libc::SYS_tgkill, vec![Limit(0, SeccompCmpOp::Eq, u64::from(std::process::id()))]),
        // The limits of itself.
        (libc::SYS_prlimit64, vec![equal(0, 0)]),
        // No code is made or loaded.
        (libc::SYS_mmap, vec![without(2, libc::PROT_EXEC)]),
        (libc::SYS_mprotect, vec![without(2, libc::PROT_EXEC)]),
        (libc::SYS_socket, vec![equal(0, libc::AF_UNIX)]),
    ];
    const ONLY_READ: libc::c_int = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC;
    let writes = if plan.writes() { 0 } else { ONLY_READ };
    calls.push((libc::SYS_openat, vec![without(2, writes)]));
    #[cfg(target_arch = "x86_64")]
    calls.push((libc::SYS_open, vec![without(1, writes)]));
    const TYPE: u64 = 0xf;
    for family in [libc::AF_INET, libc::AF_INET6] {
        let of_type = |kind| Limit(1, SeccompCmpOp::MaskedEq(TYPE), bits(kind));
        if plan.uses_tcp() {
            calls.push((libc::SYS_socket, vec![equal(0, family), of_type(libc::SOCK_STREAM)]));
        }
        if plan.names {
            calls.push((libc::SYS_socket, vec![equal(0, family), of_type(libc::SOCK_DGRAM)]));
        }
    }
    if plan.names {
        // glibc loads libraries that resolve names. Their code is never writable.
        calls.push((libc::SYS_mmap, vec![without(2, libc::PROT_WRITE)]));
    }
    for command in TERMINALS_AND_SOCKETS {
        calls.push((libc::SYS_ioctl, vec![Limit(1, SeccompCmpOp::Eq, command)]));
    }
    for option in [
        libc::PR_SET_NAME,
        libc::PR_GET_NAME,
        libc::PR_GET_DUMPABLE,
        libc::PR_GET_NO_NEW_PRIVS,
        libc::PR_GET_SECCOMP,
        libc::PR_SET_VMA,
        PR_GET_AUXV,
    ] {
        calls.push((libc::SYS_prctl, vec![equal(0, option)]));
    }
    calls
}

/// What `ioctl` may ask: whether it is a terminal and how wide, what waits to be read, the modes of a
/// descriptor, and the number of an interface (of `fe80::1%eth0`). They are the same on both processors, but
/// of different types in the C libraries.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const TERMINALS_AND_SOCKETS: [u64; 8] = [
    0x5401,      // TCGETS
    0x802c_542a, // TCGETS2
    0x5413,      // TIOCGWINSZ
    0x541b,      // FIONREAD
    0x5421,      // FIONBIO
    0x5450,      // FIONCLEX
    0x5451,      // FIOCLEX
    0x8933,      // SIOCGIFINDEX
];

/// How the standard library learns what the processor has.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const PR_GET_AUXV: libc::c_int = 0x4155_5856;

/// Calls that change files, for a run that writes some.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const WRITING: &[i64] = &[
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_utimensat,
    libc::SYS_flock,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rmdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_link,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_symlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
];

/// Calls that are allowed with any arguments.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const ALWAYS: &[i64] = &[
    // Open descriptors.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_preadv2,
    libc::SYS_pwritev2,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_fcntl,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_fadvise64,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_pipe2,
    // Files that are only looked at.
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_umask,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_rm_watch,
    // Waiting.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_eventfd2,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime,
    libc::SYS_signalfd4,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_restart_syscall,
    // Sockets that were made, and connections that come in. No more of them can listen.
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvmmsg,
    // Memory.
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_mincore,
    libc::SYS_msync,
    libc::SYS_membarrier,
    // Threads and signals.
    libc::SYS_futex,
    libc::SYS_futex_waitv,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min,
    libc::SYS_getpriority,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // What it is told about itself and the machine.
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getpgid,
    libc::SYS_getsid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    libc::SYS_getgroups,
    libc::SYS_capget,
    libc::SYS_getrusage,
    libc::SYS_times,
    libc::SYS_getcpu,
    libc::SYS_getrandom,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    // Older names of some of these.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_getdents,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_dup2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_pipe,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_select,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_create,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_eventfd,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_inotify_init,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_getrlimit,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_getpgrp,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_arch_prctl,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_writes_nothing_and_connects_to_nothing_may_do_less() {
        let count = |plan: &Plan| program(plan).unwrap().map_or(0, |program| program.len());
        let least = count(&Plan::default());
        let writing = Plan { written: vec!["/spool".into()], ..Plan::default() };
        let connecting = Plan { ports: vec![2375], ..Plan::default() };
        let naming = Plan { names: true, ..connecting.clone() };
        if least > 0 {
            assert!(count(&writing) > least && count(&connecting) > least);
            assert!(count(&naming) > count(&connecting));
        }
    }
}
