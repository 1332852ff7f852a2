//! All that a call can answer by its manual page, the long run's list: what nobody expects, and what only a mistake of ours would bring, among it. A sandbox answers for any call besides.

use libc::{
    E2BIG, EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EALREADY, EBADF, EBADFD, EBADR,
    EBUSY, ECANCELED, ECONNABORTED, ECONNREFUSED, ECONNRESET, EDEADLK, EDESTADDRREQ, EDQUOT,
    EEXIST, EFAULT, EFBIG, EHWPOISON, EINPROGRESS, EINTR, EINVAL, EIO, EISCONN, EISDIR, ELOOP,
    EMFILE, EMLINK, EMSGSIZE, ENAMETOOLONG, ENETUNREACH, ENFILE, ENOBUFS, ENODEV, ENOENT, ENOLCK,
    ENOMEM, ENOPKG, ENOPROTOOPT, ENOSPC, ENOSYS, ENOTCONN, ENOTDIR, ENOTSOCK, ENXIO, EOPNOTSUPP,
    EOVERFLOW, EPERM, EPIPE, EPROTO, EPROTONOSUPPORT, EPROTOTYPE, EROFS, ESOCKTNOSUPPORT, ESPIPE,
    ESRCH, ETIMEDOUT, ETOOMANYREFS, ETXTBSY, EUSERS,
};

use crate::calls;

/// What a seccomp filter answers for what it refuses, whatever the call; a security module the last.
pub(crate) const SANDBOX: &[i32] = &[EPERM, ENOSYS, EACCES];

/// A page of the manual, the calls that it is about, and all that its ERRORS say; of those of sockets also what unix(7) adds.
type Page = (&'static str, &'static [i64], &'static [i32]);

/// By the pages of man-pages 6.03 and, of `io_uring`, of liburing 2.3 (as on man7.org).
#[rustfmt::skip]
const PAGES: &[Page] = &[
    ("socket(2)", &[libc::SYS_socket], &[EACCES, EAFNOSUPPORT, EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTONOSUPPORT, ESOCKTNOSUPPORT]),
    ("socketpair(2)", &[libc::SYS_socketpair], &[EAFNOSUPPORT, EFAULT, EMFILE, ENFILE, ENOMEM, EOPNOTSUPP, EPROTONOSUPPORT]),
    ("pipe(2)", &[libc::SYS_pipe2], &[EFAULT, EINVAL, EMFILE, ENFILE, ENOPKG]),
    ("bind(2)", &[libc::SYS_bind], &[EACCES, EADDRINUSE, EADDRNOTAVAIL, EBADF, EFAULT, EINVAL, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, ENOTSOCK, EROFS]),
    ("listen(2)", &[libc::SYS_listen], &[EADDRINUSE, EBADF, ENOTSOCK, EOPNOTSUPP]),
    ("connect(2)", &[libc::SYS_connect], &[EACCES, EPERM, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EALREADY, EBADF, ECONNREFUSED, EFAULT, EINPROGRESS, EINTR, EISCONN, ENETUNREACH, ENOENT, ENOTSOCK, EPROTOTYPE, ETIMEDOUT]),
    ("accept(2)", &[libc::SYS_accept4], &[EAGAIN, EBADF, ECONNABORTED, EFAULT, EINTR, EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOTSOCK, EOPNOTSUPP, EPERM, EPROTO]),
    ("setsockopt(2)", &[libc::SYS_setsockopt], &[EBADF, EFAULT, EINVAL, ENOPROTOOPT, ENOTSOCK, EOPNOTSUPP]),
    ("getsockopt(2)", &[libc::SYS_getsockopt], &[EBADF, EFAULT, EINVAL, ENOPROTOOPT, ENOTSOCK]),
    ("getsockname(2)", &[libc::SYS_getsockname], &[EBADF, EFAULT, EINVAL, ENOBUFS, ENOTSOCK]),
    ("send(2)", &[libc::SYS_sendmsg, libc::SYS_sendto], &[EACCES, EAGAIN, EALREADY, EBADF, ECONNRESET, EDESTADDRREQ, EFAULT, EINTR, EINVAL, EISCONN, EMSGSIZE, ENOBUFS, ENOMEM, ENOTCONN, ENOTSOCK, EOPNOTSUPP, EPIPE, ESRCH, EPERM, ETOOMANYREFS]),
    ("recv(2)", &[libc::SYS_recvmsg], &[EAGAIN, EBADF, ECONNREFUSED, ECONNRESET, EFAULT, EINTR, EINVAL, ENOMEM, ENOTCONN, ENOTSOCK]),
    ("shutdown(2)", &[libc::SYS_shutdown], &[EBADF, EINVAL, ENOTCONN, ENOTSOCK]),
    ("memfd_create(2)", &[libc::SYS_memfd_create], &[EFAULT, EINVAL, EMFILE, ENFILE, ENOMEM, EPERM]),
    ("truncate(2)", &[libc::SYS_ftruncate], &[EACCES, EBADF, EFAULT, EFBIG, EINTR, EINVAL, EIO, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EPERM, EROFS, ETXTBSY]),
    ("fallocate(2)", &[libc::SYS_fallocate], &[EBADF, EFBIG, EINTR, EINVAL, EIO, ENODEV, ENOSPC, ENOSYS, EOPNOTSUPP, EPERM, ESPIPE, ETXTBSY]),
    ("fcntl(2)", &[libc::SYS_fcntl], &[EACCES, EAGAIN, EBADF, EBUSY, EDEADLK, EFAULT, EINTR, EINVAL, EMFILE, ENOLCK, ENOTDIR, EPERM]),
    ("statfs(2)", &[libc::SYS_fstatfs], &[EACCES, EBADF, EFAULT, EINTR, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOSYS, ENOTDIR, EOVERFLOW]),
    ("stat(2)", &[libc::SYS_fstat, libc::SYS_newfstatat], &[EACCES, EBADF, EFAULT, EINVAL, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EOVERFLOW]),
    ("statx(2)", &[libc::SYS_statx], &[EACCES, EBADF, EFAULT, EINVAL, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR]),
    ("mmap(2)", &[libc::SYS_mmap, libc::SYS_munmap], &[EACCES, EAGAIN, EBADF, EEXIST, EINVAL, ENFILE, ENODEV, ENOMEM, EOVERFLOW, EPERM, ETXTBSY]),
    ("madvise(2)", &[libc::SYS_madvise], &[EACCES, EAGAIN, EBADF, EBUSY, EFAULT, EHWPOISON, EINVAL, EIO, ENOMEM, EPERM]),
    ("mlock(2)", &[libc::SYS_mlock], &[EAGAIN, EINVAL, ENOMEM, EPERM]),
    ("mbind(2)", &[libc::SYS_mbind], &[EFAULT, EINVAL, EIO, ENOMEM, EPERM]),
    ("eventfd(2)", &[libc::SYS_eventfd2], &[EINVAL, EMFILE, ENFILE, ENODEV, ENOMEM]),
    ("epoll_create(2)", &[libc::SYS_epoll_create1], &[EINVAL, EMFILE, ENFILE, ENOMEM]),
    ("epoll_ctl(2)", &[libc::SYS_epoll_ctl], &[EBADF, EEXIST, EINVAL, ELOOP, ENOENT, ENOMEM, ENOSPC, EPERM]),
    ("epoll_wait(2)", &[libc::SYS_epoll_wait, libc::SYS_epoll_pwait2], &[EBADF, EFAULT, EINTR, EINVAL]),
    ("poll(2)", &[libc::SYS_poll, libc::SYS_ppoll], &[EFAULT, EINTR, EINVAL, ENOMEM]),
    ("timerfd_create(2)", &[libc::SYS_timerfd_create, libc::SYS_timerfd_settime], &[EBADF, ECANCELED, EFAULT, EINVAL, EMFILE, ENFILE, ENODEV, ENOMEM, EPERM]),
    ("io_setup(2)", &[libc::SYS_io_setup], &[EAGAIN, EFAULT, EINVAL, ENOMEM, ENOSYS]),
    ("io_submit(2)", &[libc::SYS_io_submit], &[EAGAIN, EBADF, EFAULT, EINVAL, ENOSYS, EPERM]),
    ("io_getevents(2)", &[libc::SYS_io_getevents], &[EFAULT, EINTR, EINVAL, ENOSYS]),
    ("io_uring_setup(2)", &[libc::SYS_io_uring_setup], &[EFAULT, EINVAL, EMFILE, ENFILE, ENOMEM, EPERM]),
    ("io_uring_register(2)", &[libc::SYS_io_uring_register], &[EACCES, EBADF, EBADFD, EBUSY, EFAULT, EINVAL, EMFILE, ENOMEM, ENXIO, EOPNOTSUPP]),
    ("io_uring_enter(2)", &[libc::SYS_io_uring_enter], &[EAGAIN, EBADF, EBADFD, EBADR, EBUSY, EFAULT, EINTR, EINVAL, ENXIO, EOPNOTSUPP]),
    ("pidfd_open(2)", &[libc::SYS_pidfd_open], &[EINVAL, EMFILE, ENFILE, ENODEV, ENOMEM, ESRCH]),
    // Newer than those pages: as on man7.org.
    ("cachestat(2)", &[calls::SYS_CACHESTAT], &[EBADF, EFAULT, EINVAL, EOPNOTSUPP]),
    ("membarrier(2)", &[libc::SYS_membarrier], &[EINVAL, ENOSYS, EPERM]),
    ("sched_setaffinity(2)", &[libc::SYS_sched_getaffinity, libc::SYS_sched_setaffinity], &[EFAULT, EINVAL, EPERM, ESRCH]),
    ("sched_setscheduler(2)", &[libc::SYS_sched_setscheduler], &[E2BIG, EINVAL, EPERM, ESRCH]),
    ("write(2)", &[libc::SYS_write], &[EAGAIN, EBADF, EDESTADDRREQ, EDQUOT, EFAULT, EFBIG, EINTR, EINVAL, EIO, ENOSPC, EPERM, EPIPE]),
    ("open(2)", &[libc::SYS_openat, libc::SYS_open], &[EACCES, EBADF, EBUSY, EDQUOT, EEXIST, EFAULT, EFBIG, EINTR, EINVAL, EISDIR, ELOOP, EMFILE, ENAMETOOLONG, ENFILE, ENODEV, ENOENT, ENOMEM, ENOSPC, ENOTDIR, ENXIO, EOPNOTSUPP, EOVERFLOW, EPERM, EROFS, ETXTBSY, EAGAIN]),
    ("read(2)", &[libc::SYS_read, libc::SYS_pread64], &[EAGAIN, EBADF, EFAULT, EINTR, EINVAL, EIO, EISDIR]),
    ("lseek(2)", &[libc::SYS_lseek], &[EBADF, EINVAL, ENXIO, EOVERFLOW, ESPIPE]),
    ("getdents(2)", &[libc::SYS_getdents64], &[EBADF, EFAULT, EINVAL, ENOENT, ENOTDIR]),
    ("readlink(2)", &[libc::SYS_readlink, libc::SYS_readlinkat], &[EACCES, EBADF, EFAULT, EINVAL, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR]),
    ("unlink(2)", &[libc::SYS_unlink, libc::SYS_unlinkat], &[EACCES, EBADF, EBUSY, EFAULT, EINVAL, EIO, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EPERM, EROFS]),
    ("chmod(2)", &[libc::SYS_chmod, libc::SYS_fchmodat], &[EACCES, EBADF, EFAULT, EINVAL, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EOPNOTSUPP, EPERM, EROFS]),
    ("flock(2)", &[libc::SYS_flock], &[EBADF, EINTR, EINVAL, ENOLCK, EAGAIN]),
    ("mkdir(2)", &[libc::SYS_mkdir], &[EACCES, EBADF, EDQUOT, EEXIST, EFAULT, EINVAL, ELOOP, EMLINK, ENAMETOOLONG, ENOENT, ENOMEM, ENOSPC, ENOTDIR, EPERM, EROFS]),
    ("access(2)", &[libc::SYS_access], &[EACCES, EBADF, EFAULT, EINVAL, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EPERM, EROFS, ETXTBSY]),
    ("getrlimit(2)", &[libc::SYS_prlimit64], &[EFAULT, EINVAL, EPERM, ESRCH]),
    ("close(2)", &[libc::SYS_close], &[EBADF, EINTR, EIO, ENOSPC, EDQUOT]),
    ("clone(2)", &[libc::SYS_clone3, libc::SYS_clone], &[EACCES, EAGAIN, EBUSY, EEXIST, EINVAL, ENOMEM, ENOSPC, EOPNOTSUPP, EPERM, EUSERS]),
    ("unshare(2)", &[libc::SYS_unshare], &[EINVAL, ENOMEM, ENOSPC, EPERM, EUSERS]),
];

/// Whether such an answer is tried, of a call with these arguments.
pub(crate) fn is_tried(number: i64, errno: i32, [second, third]: [u64; 2]) -> bool {
    match number {
        // That the peer has gone: of one who is there it is a lie about him, and words of his are waited for. Where he has: tests/crash.
        libc::SYS_sendmsg if matches!(errno, EPIPE | ECONNRESET) => false,
        // The same; and that there is no room, as in `calls::is_likely`, where a bell's own counter is meant too.
        libc::SYS_sendto => !matches!(errno, EPIPE | ECONNRESET | EAGAIN),
        libc::SYS_write => errno != EAGAIN,
        libc::SYS_recvmsg => calls::is_likely(number, errno, [second, third]),
        // A watch that is there can be changed and taken out; a sandbox without this call has not let it be made.
        libc::SYS_epoll_ctl => second == libc::EPOLL_CTL_ADD as u64,
        // The standard library ends a debug build by which a descriptor was closed twice, and asks so.
        libc::SYS_fcntl => (second, errno) != (libc::F_GETFD as u64, EBADF),
        // The same, where a directory's is not closed by its close.
        libc::SYS_close => second != OF_A_DIRECTORY || errno == EINTR,
        _ => true,
    }
}

/// Whether it is tried that there is no such call at all.
pub(crate) fn can_be_absent(number: i64) -> bool {
    // What may take long to close stays open until there is a thread for it: clients in the queue of a listener wait as long (`src/sys/aside.rs`).
    !matches!(number, libc::SYS_clone | libc::SYS_clone3)
}

/// In the place of a close's second argument, of which it has none.
pub(crate) const OF_A_DIRECTORY: u64 = u64::MAX;

/// Whether a page tells of the call.
pub(crate) fn has(number: i64) -> bool {
    page(number).is_some()
}

fn page(number: i64) -> Option<&'static Page> {
    PAGES
        .iter()
        .find(|(_, numbers, _)| numbers.contains(&number))
}

/// What a call of these arguments can answer beyond what is [likely](calls::answers).
pub(crate) fn rest(number: i64, arguments: [u64; 2]) -> Vec<i32> {
    let page = page(number);
    let (_, _, errnos) = page.unwrap_or_else(|| panic!("no page of {}", calls::name(number)));
    let likely = calls::answers(number, arguments);
    let mut rest = Vec::new();
    for &errno in errnos.iter().chain(SANDBOX) {
        let is_new = !likely.contains(&errno) && !rest.contains(&errno);
        if is_new && is_tried(number, errno, arguments) {
            rest.push(errno);
        }
    }
    rest
}
