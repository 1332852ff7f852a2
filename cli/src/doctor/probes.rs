//! The questions that the kernel, its settings and our limits answer by themselves.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::libc;
use nix::sys::resource::{Resource, getrlimit};

use super::Finding;

/// Every check of this file, in the order of printing.
pub(super) fn all() -> Vec<Finding> {
    vec![
        kernel(),
        memory_files(),
        process_descriptors(),
        sender_descriptors(),
        quick_bell(),
        quiet_bell(),
        precise_wait(),
        huge_pages(),
        descriptors(),
        locked_memory(),
        processors(),
        process_files(),
    ]
}

fn kernel() -> Finding {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    match version(release) {
        Some(version) if version >= (5, 4) => Finding::ok("kernel", format!("Linux {release}")),
        Some(_) => Finding::missing(
            "kernel",
            format!("Linux {release}"),
            "Linux 5.4 or newer is needed",
        ),
        None => Finding::note(
            "kernel",
            "its version cannot be read",
            "mount /proc; Linux 5.4 or newer is needed",
        ),
    }
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn memory_files() -> Finding {
    const NAME: &str = "sealed memory";
    let sealed = || -> io::Result<()> {
        // SAFETY: the name is a valid NUL-terminated string.
        let fd = check(unsafe {
            libc::memfd_create(
                c"ringway-doctor".as_ptr(),
                libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING,
            )
        })?;
        // SAFETY: `fd` was just returned by the kernel and nothing else owns it.
        let file = unsafe { OwnedFd::from_raw_fd(fd) };
        let seals =
            libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_FUTURE_WRITE | libc::F_SEAL_SEAL;
        // SAFETY: `F_ADD_SEALS` takes an integer and touches no memory of ours.
        check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) }).map(drop)
    };
    match sealed() {
        Ok(()) => Finding::ok(NAME, "memfd with all four seals"),
        Err(error) => Finding::missing(
            NAME,
            format!("a memfd cannot be made and sealed: {error}"),
            "Linux 5.1 has F_SEAL_FUTURE_WRITE; in a sandbox, allow memfd_create and fcntl",
        ),
    }
}

fn process_descriptors() -> Finding {
    const NAME: &str = "pidfd";
    let pid = std::process::id();
    // SAFETY: no memory is passed.
    match owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0 as libc::c_uint) }) {
        Ok(_) => Finding::ok(NAME, "a peer's death is noticed by its pidfd"),
        Err(error) => Finding::note(
            NAME,
            format!("pidfd_open fails: {error}"),
            "a peer's death is then noticed by its socket alone; allow pidfd_open (Linux 5.3) in the sandbox",
        ),
    }
}

fn sender_descriptors() -> Finding {
    const NAME: &str = "SCM_PIDFD";
    /// Linux 6.5.
    const SO_PASSPIDFD: libc::c_int = 76;
    let asked = || -> io::Result<()> {
        // SAFETY: no memory is passed.
        let fd = check(unsafe {
            libc::socket(libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0)
        })?;
        // SAFETY: `fd` was just returned by the kernel and nothing else owns it.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        let on: libc::c_int = 1;
        let size = libc::socklen_t::try_from(size_of_val(&on)).map_err(io::Error::other)?;
        // SAFETY: `on` is valid for reads of `size` bytes for the duration of the call.
        check(unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                SO_PASSPIDFD,
                (&raw const on).cast(),
                size,
            )
        })
        .map(drop)
    };
    match asked() {
        Ok(()) => Finding::ok(NAME, "the kernel hands over the speaker's pidfd"),
        Err(error) => Finding::note(
            NAME,
            format!("not offered: {error}"),
            "nothing to do: the pidfd is opened by pid and checked by a second message; Linux 6.5 offers it",
        ),
    }
}

fn quick_bell() -> Finding {
    const NAME: &str = "io_uring bell";
    /// Linux 5.19, as Ringway asks.
    const COOP_TASKRUN: u32 = 1 << 8;
    // `struct io_uring_params`, of which only the flags are not zero.
    let mut parameters = [0u32; 30];
    parameters[2] = COOP_TASKRUN;
    // SAFETY: `parameters` has the size that the kernel knows, and is valid for reads and writes.
    match owned(unsafe {
        libc::syscall(
            libc::SYS_io_uring_setup,
            1 as libc::c_uint,
            parameters.as_mut_ptr(),
        )
    }) {
        Ok(_) => Finding::ok(
            NAME,
            "sleepers are woken without a call that a hostile peer could block",
        ),
        Err(error) => Finding::note(
            NAME,
            format!("io_uring_setup fails: {error}"),
            "AIO wakes sleepers; a process that has done so dies some 35 ms later, for its peers, unless its connections have the option `few_descriptors`. `sysctl kernel.io_uring_disabled=0`, allow io_uring_setup, io_uring_register and io_uring_enter in the sandbox, or use Linux 5.19",
        ),
    }
}

fn quiet_bell() -> Finding {
    const NAME: &str = "AIO bell";
    let mut context: libc::c_ulong = 0;
    // SAFETY: `context` is valid for writes and zero, as `io_setup` demands.
    let made = unsafe { libc::syscall(libc::SYS_io_setup, 8 as libc::c_long, &raw mut context) };
    if made == 0 {
        // SAFETY: `context` was just made and has no request in flight.
        unsafe { libc::syscall(libc::SYS_io_destroy, context) };
        return Finding::ok(NAME, "the same, where there is no io_uring");
    }
    let error = io::Error::last_os_error();
    let mend = if error.raw_os_error() == Some(libc::EAGAIN) {
        "raise fs.aio-max-nr: `sysctl fs.aio-max-nr=1048576`; until then, where there is no io_uring, bytes on the socket wake sleepers, a little slower"
    } else {
        "where there is no io_uring, bytes on the socket wake sleepers, a little slower; allow io_setup in the sandbox, or use a kernel with CONFIG_AIO"
    };
    Finding::note(NAME, format!("io_setup fails: {error}"), mend)
}

fn precise_wait() -> Finding {
    const NAME: &str = "epoll_pwait2";
    // SAFETY: descriptor -1 is refused before any pointer is looked at; all pointers are null.
    unsafe {
        libc::syscall(
            libc::SYS_epoll_pwait2,
            -1,
            0usize,
            1,
            0usize,
            0usize,
            0usize,
        )
    };
    let error = io::Error::last_os_error();
    if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) {
        return Finding::note(
            NAME,
            format!("not offered: {error}"),
            "deadlines are rounded up to whole milliseconds; Linux 5.11 has it",
        );
    }
    Finding::ok(NAME, "deadlines are exact to the nanosecond")
}

fn huge_pages() -> Finding {
    const NAME: &str = "huge pages";
    let free = fs::read_to_string("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
    match free.ok().and_then(|free| free.trim().parse::<u64>().ok()) {
        Some(free) if free > 0 => Finding::ok(NAME, format!("{free} of 2 MiB free")),
        Some(_) => Finding::note(
            NAME,
            "none of 2 MiB free",
            "only needed for the option `huge_pages`: `sysctl vm.nr_hugepages=64` reserves 128 MiB",
        ),
        None => Finding::note(
            NAME,
            "no pages of 2 MiB on this host",
            "leave the option `huge_pages` off",
        ),
    }
}

/// The check of the limit on descriptors.
pub(super) const DESCRIPTORS: &str = "RLIMIT_NOFILE";

fn descriptors() -> Finding {
    const NAME: &str = DESCRIPTORS;
    let free = free_descriptors();
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, hard)) if free < TRIAL => Finding::missing(
            NAME,
            format!(
                "{soft} descriptors (at most {hard}), {free} of them free: too few for the trial, which takes {TRIAL}"
            ),
            more_descriptors(hard),
        ),
        Ok((soft, hard)) if soft < ENOUGH => Finding::note(
            NAME,
            format!("{soft} descriptors (at most {hard})"),
            more_descriptors(hard),
        ),
        Ok((soft, _)) => Finding::ok(NAME, format!("{soft} descriptors")),
        Err(error) => Finding::note(NAME, format!("cannot be read: {error}"), String::new()),
    }
}

/// How many descriptors can still be opened, counted up to what the trial takes.
fn free_descriptors() -> usize {
    // The numbers that are in use say nothing: only what can be opened is free.
    let opened: Vec<fs::File> = (0..TRIAL).map_while(|_| fs::File::open("/").ok()).collect();
    opened.len()
}

/// What the trial has open at most at once: a listener, both ends of a connection, and what they are made with, where both happen to be at the step that takes most. With one
/// fewer it fails in one of a hundred runs of a busy host.
const TRIAL: usize = 24;

/// Fewer descriptors than this are worth a note.
const ENOUGH: u64 = 256;

/// How to have more of them, where at most `hard` may be asked for.
fn more_descriptors(hard: u64) -> String {
    if hard >= ENOUGH {
        return format!("`ulimit -n {hard}`: every connection takes 8");
    }
    format!(
        "every connection takes 8, and the hard limit is too low: raise it as root, for a running shell by `prlimit --pid PID --nofile={MORE}:{MORE}` (its PID: `echo $$` there), for a user by `nofile` in /etc/security/limits.conf, for a service by LimitNOFILE="
    )
}

/// What to raise a hard limit to.
const MORE: u64 = 4096;

fn locked_memory() -> Finding {
    const NAME: &str = "RLIMIT_MEMLOCK";
    match getrlimit(Resource::RLIMIT_MEMLOCK) {
        Ok((libc::RLIM_INFINITY, _)) => Finding::ok(NAME, "unlimited"),
        Ok((soft, _)) => Finding::ok(
            NAME,
            format!(
                "{} KiB; rings are not locked, so it does not limit them",
                soft >> 10
            ),
        ),
        Err(error) => Finding::note(NAME, format!("cannot be read: {error}"), String::new()),
    }
}

fn processors() -> Finding {
    const NAME: &str = "processors";
    match std::thread::available_parallelism().map(usize::from) {
        Ok(1) => Finding::note(
            NAME,
            "this process may use 1",
            "spinning is never used then, and every wait sleeps; allow two (taskset, cpuset, cgroup quota) for low latency",
        ),
        Ok(count) => Finding::ok(NAME, format!("this process may use {count}")),
        Err(error) => Finding::note(NAME, format!("cannot be counted: {error}"), String::new()),
    }
}

fn process_files() -> Finding {
    const NAME: &str = "/proc";
    if fs::exists("/proc/self/fd").unwrap_or(false) {
        Finding::ok(NAME, "mounted")
    } else {
        Finding::note(
            NAME,
            "not mounted",
            "`mount -t proc proc /proc`: some checks above could not look",
        )
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    match libc::c_int::try_from(result) {
        // SAFETY: the kernel just returned this descriptor and nothing else owns it.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_reached_already_is_no_advice() {
        assert!(more_descriptors(1024).contains("`ulimit -n 1024`"));
        let told = more_descriptors(64);
        assert!(!told.contains("ulimit") && !told.contains("64"), "{told}");
        assert!(told.contains("hard limit") && told.contains("prlimit"));
    }

    #[test]
    fn releases_are_read_by_number() {
        assert_eq!(version("6.18.44-fc"), Some((6, 18)));
        assert_eq!(version("5.4"), Some((5, 4)));
        assert_eq!(version(""), None);
        assert!(version("5.10.0") > version("5.4.0"));
    }
}
