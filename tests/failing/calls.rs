//! What each system call of the library can answer when it fails. One that a scene makes and this table does not know fails the test.

#![allow(
    clippy::match_same_arms,
    reason = "a call stands beside its like, and not beside what happens to answer the same"
)]

use libc::{
    EACCES, EAGAIN, EBUSY, ECONNABORTED, ECONNREFUSED, ECONNRESET, EFBIG, EINTR, EINVAL, EIO,
    EMFILE, ENFILE, ENOBUFS, ENOENT, ENOLCK, ENOMEM, ENOPROTOOPT, ENOSPC, ENOSYS, ENOTCONN,
    EOPNOTSUPP, EPERM, EROFS, ESRCH, ETOOMANYREFS, EWOULDBLOCK,
};

/// As in `src/sys/pages.rs`: the C library's crate has it for some architectures only.
pub(crate) const SYS_CACHESTAT: i64 = 451;

/// Whether this answer can be given here, by the call's second and third argument.
pub(crate) fn is_likely(number: i64, errno: i32, [second, third]: [u64; 2]) -> bool {
    match number {
        // Room is lacking only where the peer has bytes that it has not taken, and will look when it does: `src/sys/poll.rs`.
        libc::SYS_sendto => errno != EAGAIN,
        // A message that was looked at is there to be taken.
        libc::SYS_recvmsg => errno != EAGAIN || third & libc::MSG_PEEK as u64 != 0,
        // A watch that is there can be changed and taken out: the kernel needs nothing for that.
        libc::SYS_epoll_ctl => second == libc::EPOLL_CTL_ADD as u64,
        // What has no seals is no memory file, and that is what is said of it then (`EINVAL`); a flag of a descriptor that is open can be set.
        libc::SYS_fcntl if second == libc::F_GET_SEALS as u64 => errno == EPERM,
        libc::SYS_fcntl if second == libc::F_DUPFD_CLOEXEC as u64 => errno == EMFILE,
        libc::SYS_fcntl => second == libc::F_ADD_SEALS as u64 && errno != EMFILE,
        _ => true,
    }
}

/// Whether a call is the library's own: memory is got by the allocator and for the stacks of threads too, and without that Rust ends. `direct`: by the program's own
/// code, on a thread that has begun.
pub(crate) fn is_ours(number: i64, direct: bool) -> bool {
    let of_memory = matches!(
        number,
        libc::SYS_mmap | libc::SYS_munmap | libc::SYS_madvise | libc::SYS_mprotect
    );
    direct || !of_memory
}

/// Whether tokio makes a call for itself, in a scene in which nobody else does: by this a runtime wakes itself, which ends where it cannot.
pub(crate) fn is_the_runtime_s(number: i64) -> bool {
    number == libc::SYS_write
}

/// The answers by which a call of these arguments is likely to fail.
pub(crate) fn answers(number: i64, arguments: [u64; 2]) -> Vec<i32> {
    let Some(Fails(errnos)) = known(number) else {
        return Vec::new();
    };
    let likely = |errno: &i32| is_likely(number, *errno, arguments);
    errnos.iter().copied().filter(likely).collect()
}

/// What is known of one call.
pub(crate) enum Known {
    /// It can fail with these.
    Fails(&'static [i32]),
    /// Nothing to be tried, and why.
    Left(#[allow(dead_code, reason = "for people")] &'static str),
}
use Known::{Fails, Left};

/// Answers that nobody may notice: a signal came, or nothing is there yet and is asked for again.
pub(crate) fn goes_on(number: i64, errno: i32) -> bool {
    match number {
        // A close that answers anything has closed. (`EIO` is left out: these files have none, and the standard library panics where the
        // close of a directory does not answer zero or `EINTR`.)
        libc::SYS_close | libc::SYS_munmap => true,
        libc::SYS_recvmsg | libc::SYS_accept4 | libc::SYS_connect => {
            matches!(errno, EINTR | EAGAIN | ECONNABORTED)
        }
        // Ways that are there in several, each for where another is not.
        libc::SYS_io_setup
        | libc::SYS_io_submit
        | libc::SYS_io_getevents
        | libc::SYS_io_uring_setup
        | libc::SYS_io_uring_register
        | libc::SYS_io_uring_enter
        | SYS_CACHESTAT
        | libc::SYS_membarrier
        | libc::SYS_epoll_pwait2
        | libc::SYS_epoll_wait
        | libc::SYS_sched_getaffinity
        | libc::SYS_unshare
        | libc::SYS_getdents64
        | libc::SYS_shutdown
        | libc::SYS_sendto
        | libc::SYS_write => true,
        // Of a peer's process: a connection may go without where there is none to be had, and not for want of a descriptor now.
        libc::SYS_pidfd_open => errno != EMFILE,
        libc::SYS_memfd_create => errno == EINVAL,
        _ => errno == EINTR,
    }
}

/// What `number` can answer.
pub(crate) fn known(number: i64) -> Option<Known> {
    Some(match number {
        libc::SYS_socket => Fails(&[EMFILE, ENFILE, ENOBUFS, ENOMEM, EACCES]),
        libc::SYS_socketpair => Fails(&[EMFILE, ENFILE, ENOMEM]),
        libc::SYS_pipe2 => Fails(&[EMFILE, ENFILE, ENOMEM]),
        libc::SYS_bind => Fails(&[EACCES, ENOMEM, EROFS]),
        libc::SYS_listen => Fails(&[ENOBUFS]),
        libc::SYS_connect => Fails(&[EINTR, EAGAIN, ECONNREFUSED, EACCES, ENOMEM]),
        libc::SYS_accept4 => Fails(&[EINTR, EAGAIN, ECONNABORTED, EMFILE, ENFILE, ENOMEM, EPERM]),
        libc::SYS_setsockopt => Fails(&[ENOPROTOOPT, ENOMEM, EPERM]),
        libc::SYS_getsockopt => Fails(&[ENOPROTOOPT, ENOBUFS]),
        libc::SYS_getsockname => Fails(&[ENOBUFS]),
        // `EPIPE` and `ECONNRESET` say that the peer has gone, which is tried where it has: tests/crash.
        libc::SYS_sendmsg => Fails(&[EINTR, EAGAIN, ENOBUFS, ENOMEM, ETOOMANYREFS]),
        libc::SYS_recvmsg => Fails(&[EINTR, EAGAIN, ENOBUFS, ENOMEM, ECONNRESET]),
        libc::SYS_sendto => Fails(&[EINTR, EAGAIN, ENOBUFS, ENOMEM, EPERM]),
        libc::SYS_shutdown => Fails(&[ENOTCONN]),
        libc::SYS_memfd_create => Fails(&[EINVAL, EMFILE, ENFILE, ENOMEM, ENOSYS, EPERM]),
        libc::SYS_ftruncate => Fails(&[EINTR, EFBIG, EPERM]),
        libc::SYS_fallocate => Fails(&[EINTR, ENOSPC, ENOMEM, EOPNOTSUPP]),
        libc::SYS_fcntl => Fails(&[EINVAL, EPERM, EBUSY, EMFILE]),
        libc::SYS_fstatfs | libc::SYS_fstat | libc::SYS_newfstatat => Fails(&[EIO, ENOMEM]),
        libc::SYS_statx => Fails(&[ENOSYS, EACCES, ENOMEM]),
        libc::SYS_mmap => Fails(&[ENOMEM, EAGAIN, EPERM]),
        libc::SYS_munmap => Fails(&[ENOMEM]),
        libc::SYS_madvise => Fails(&[EINVAL, ENOMEM]),
        libc::SYS_mlock => Fails(&[EPERM, ENOMEM, EAGAIN]),
        libc::SYS_mbind => Fails(&[EPERM, ENOSYS, EINVAL]),
        libc::SYS_eventfd2 | libc::SYS_epoll_create1 | libc::SYS_timerfd_create => {
            Fails(&[EMFILE, ENFILE, ENOMEM])
        }
        libc::SYS_epoll_ctl => Fails(&[ENOMEM, ENOSPC]),
        libc::SYS_epoll_wait => Fails(&[EINTR]),
        libc::SYS_epoll_pwait2 => Fails(&[EINTR, ENOSYS, EPERM]),
        libc::SYS_poll | libc::SYS_ppoll => Fails(&[EINTR, ENOMEM]),
        libc::SYS_timerfd_settime => Fails(&[ENOMEM]),
        libc::SYS_io_setup => Fails(&[ENOSYS, EAGAIN, EPERM, ENOMEM]),
        // `EINVAL` of these two says that a bell is none, which of one would be a lie about the peer.
        libc::SYS_io_submit => Fails(&[EAGAIN, EINTR, ENOSYS, EPERM]),
        libc::SYS_io_getevents => Fails(&[EINTR, EINVAL]),
        libc::SYS_io_uring_setup => Fails(&[ENOSYS, EPERM, EINVAL, EMFILE, ENFILE, ENOMEM]),
        libc::SYS_io_uring_register => Fails(&[ENOSYS, EPERM, ENOMEM]),
        libc::SYS_io_uring_enter => Fails(&[EAGAIN, EINTR, EBUSY, ENOMEM, ENOSYS, EPERM, EINVAL]),
        libc::SYS_pidfd_open => Fails(&[ENOSYS, EMFILE, EPERM, ESRCH]),
        SYS_CACHESTAT => Fails(&[ENOSYS, EPERM]),
        libc::SYS_membarrier => Fails(&[ENOSYS, EPERM, EINVAL]),
        libc::SYS_sched_getaffinity => Fails(&[EPERM, ENOSYS, ESRCH]),
        libc::SYS_sched_setaffinity => Fails(&[EINVAL, EPERM]),
        libc::SYS_sched_setscheduler => Fails(&[EINVAL, EPERM]),
        // A bell's, of a trusted peer. One that is full (`EAGAIN`) has been rung: another answer would be a lie about the peer.
        libc::SYS_write => Fails(&[EPERM]),
        libc::SYS_openat | libc::SYS_open => {
            Fails(&[EINTR, ENOENT, EACCES, EMFILE, ENFILE, ENOMEM])
        }
        libc::SYS_read | libc::SYS_pread64 => Fails(&[EINTR, EIO, ENOMEM]),
        libc::SYS_lseek => Fails(&[EINVAL]),
        libc::SYS_getdents64 => Fails(&[ENOENT, ENOMEM]),
        libc::SYS_readlink | libc::SYS_readlinkat => Fails(&[ENOENT, EACCES, ENOMEM]),
        libc::SYS_unlink | libc::SYS_unlinkat => Fails(&[ENOENT, EACCES, EROFS]),
        libc::SYS_chmod | libc::SYS_fchmodat => Fails(&[EPERM, EROFS, ENOENT]),
        libc::SYS_flock => Fails(&[EINTR, EWOULDBLOCK, ENOLCK]),
        libc::SYS_mkdir => Fails(&[EACCES, EROFS, ENOSPC]),
        libc::SYS_access => Fails(&[EACCES]),
        libc::SYS_prlimit64 => Fails(&[EPERM]),
        libc::SYS_close => Fails(&[EINTR]),
        libc::SYS_clone3 | libc::SYS_clone => Fails(&[EAGAIN, EPERM]),
        libc::SYS_unshare => Fails(&[EPERM, ENOMEM, ENOSYS]),
        libc::SYS_umask => Left("it cannot fail"),
        libc::SYS_getpid | libc::SYS_gettid | libc::SYS_geteuid | libc::SYS_getuid => {
            Left("it cannot fail")
        }
        libc::SYS_sched_yield | libc::SYS_exit | libc::SYS_exit_group => Left("it cannot fail"),
        libc::SYS_nanosleep | libc::SYS_clock_nanosleep => Left("the standard library repeats it"),
        libc::SYS_restart_syscall => Left("the kernel's own"),
        libc::SYS_brk | libc::SYS_mprotect => Left("the allocator's: without memory Rust ends"),
        libc::SYS_rt_sigprocmask
        | libc::SYS_sigaltstack
        | libc::SYS_set_robust_list
        | libc::SYS_rseq
        | libc::SYS_prctl
        | libc::SYS_futex
        | libc::SYS_getrandom => {
            Left("the C library's or the standard library's own, in threads and maps")
        }
        _ => return None,
    })
}

/// Calls that a sandbox or an older kernel does not have at all, and what it answers then.
pub(crate) const ABSENT: &[(i64, &[i32])] = &[
    (libc::SYS_io_setup, &[ENOSYS, EPERM]),
    (libc::SYS_io_submit, &[ENOSYS, EPERM]),
    (libc::SYS_io_uring_setup, &[ENOSYS, EPERM, EINVAL, EMFILE]),
    (libc::SYS_io_uring_register, &[ENOSYS, EPERM]),
    (libc::SYS_io_uring_enter, &[ENOSYS, EPERM, EAGAIN]),
    (libc::SYS_pidfd_open, &[ENOSYS, EPERM]),
    (SYS_CACHESTAT, &[ENOSYS, EPERM]),
    (libc::SYS_sendto, &[ENOSYS, EPERM]),
    (libc::SYS_membarrier, &[ENOSYS, EPERM]),
    (libc::SYS_epoll_pwait2, &[ENOSYS, EPERM]),
    (libc::SYS_sched_getaffinity, &[ENOSYS, EPERM]),
    (libc::SYS_statx, &[ENOSYS]),
    (libc::SYS_unshare, &[ENOSYS, EPERM]),
];

/// The name of a call, for people.
pub(crate) fn name(number: i64) -> String {
    const NAMES: &[(i64, &str)] = &[
        (libc::SYS_accept4, "accept4"),
        (libc::SYS_bind, "bind"),
        (SYS_CACHESTAT, "cachestat"),
        (libc::SYS_chmod, "chmod"),
        (libc::SYS_clone3, "clone3"),
        (libc::SYS_close, "close"),
        (libc::SYS_connect, "connect"),
        (libc::SYS_epoll_create1, "epoll_create1"),
        (libc::SYS_epoll_ctl, "epoll_ctl"),
        (libc::SYS_epoll_pwait2, "epoll_pwait2"),
        (libc::SYS_epoll_wait, "epoll_wait"),
        (libc::SYS_eventfd2, "eventfd2"),
        (libc::SYS_fallocate, "fallocate"),
        (libc::SYS_fcntl, "fcntl"),
        (libc::SYS_flock, "flock"),
        (libc::SYS_fstat, "fstat"),
        (libc::SYS_fstatfs, "fstatfs"),
        (libc::SYS_ftruncate, "ftruncate"),
        (libc::SYS_getdents64, "getdents64"),
        (libc::SYS_getsockname, "getsockname"),
        (libc::SYS_getsockopt, "getsockopt"),
        (libc::SYS_io_getevents, "io_getevents"),
        (libc::SYS_io_setup, "io_setup"),
        (libc::SYS_io_submit, "io_submit"),
        (libc::SYS_io_uring_enter, "io_uring_enter"),
        (libc::SYS_io_uring_register, "io_uring_register"),
        (libc::SYS_io_uring_setup, "io_uring_setup"),
        (libc::SYS_listen, "listen"),
        (libc::SYS_lseek, "lseek"),
        (libc::SYS_madvise, "madvise"),
        (libc::SYS_mbind, "mbind"),
        (libc::SYS_membarrier, "membarrier"),
        (libc::SYS_memfd_create, "memfd_create"),
        (libc::SYS_mkdir, "mkdir"),
        (libc::SYS_mlock, "mlock"),
        (libc::SYS_mmap, "mmap"),
        (libc::SYS_munmap, "munmap"),
        (libc::SYS_openat, "openat"),
        (libc::SYS_pidfd_open, "pidfd_open"),
        (libc::SYS_pipe2, "pipe2"),
        (libc::SYS_poll, "poll"),
        (libc::SYS_pread64, "pread64"),
        (libc::SYS_prlimit64, "prlimit64"),
        (libc::SYS_read, "read"),
        (libc::SYS_readlink, "readlink"),
        (libc::SYS_recvmsg, "recvmsg"),
        (libc::SYS_sched_getaffinity, "sched_getaffinity"),
        (libc::SYS_sched_setaffinity, "sched_setaffinity"),
        (libc::SYS_sched_setscheduler, "sched_setscheduler"),
        (libc::SYS_sendmsg, "sendmsg"),
        (libc::SYS_sendto, "sendto"),
        (libc::SYS_setsockopt, "setsockopt"),
        (libc::SYS_shutdown, "shutdown"),
        (libc::SYS_socket, "socket"),
        (libc::SYS_socketpair, "socketpair"),
        (libc::SYS_statx, "statx"),
        (libc::SYS_timerfd_create, "timerfd_create"),
        (libc::SYS_timerfd_settime, "timerfd_settime"),
        (libc::SYS_unlink, "unlink"),
        (libc::SYS_unshare, "unshare"),
        (libc::SYS_write, "write"),
    ];
    NAMES
        .iter()
        .find(|(known, _)| *known == number)
        .map_or_else(
            || format!("system call {number}"),
            |(_, name)| (*name).to_owned(),
        )
}
