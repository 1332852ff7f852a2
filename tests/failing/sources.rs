//! Which system calls the sources of the library make: a new one has to fail in some scene, or to be listed here with the reason why not.

#![allow(
    non_upper_case_globals,
    reason = "calls are matched by the names that the C library's crate has for them"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::calls;
use libc::{
    SYS_accept4, SYS_bind, SYS_chmod, SYS_clone3, SYS_connect, SYS_epoll_create1, SYS_epoll_ctl,
    SYS_epoll_pwait2, SYS_epoll_wait, SYS_eventfd2, SYS_fallocate, SYS_fcntl, SYS_flock, SYS_fstat,
    SYS_fstatfs, SYS_ftruncate, SYS_getdents64, SYS_getsockname, SYS_getsockopt, SYS_io_getevents,
    SYS_io_setup, SYS_io_submit, SYS_io_uring_enter, SYS_io_uring_register, SYS_io_uring_setup,
    SYS_listen, SYS_madvise, SYS_mbind, SYS_membarrier, SYS_memfd_create, SYS_mkdir, SYS_mlock,
    SYS_mmap, SYS_munmap, SYS_openat, SYS_pidfd_open, SYS_pipe2, SYS_poll, SYS_prlimit64,
    SYS_readlink, SYS_recvmsg, SYS_sched_getaffinity, SYS_sched_setaffinity,
    SYS_sched_setscheduler, SYS_sendmsg, SYS_sendto, SYS_setsockopt, SYS_shutdown, SYS_socket,
    SYS_socketpair, SYS_statx, SYS_timerfd_create, SYS_timerfd_settime, SYS_unlink, SYS_unshare,
    SYS_write,
};

/// What makes calls, as it is written, and which: each of them is to be made. None: no system call, or one that cannot fail.
const WRITTEN: &[(&str, &[i64])] = &[
    ("libc::CMSG_DATA", &[]),
    ("libc::CMSG_FIRSTHDR", &[]),
    ("libc::CMSG_LEN", &[]),
    ("libc::CMSG_NXTHDR", &[]),
    ("libc::CMSG_SPACE", &[]),
    ("libc::SYS_epoll_pwait2", &[SYS_epoll_pwait2]),
    ("libc::SYS_io_getevents", &[SYS_io_getevents]),
    ("libc::SYS_io_setup", &[SYS_io_setup]),
    ("libc::SYS_io_submit", &[SYS_io_submit]),
    ("libc::SYS_io_uring_enter", &[SYS_io_uring_enter]),
    ("libc::SYS_io_uring_register", &[SYS_io_uring_register]),
    ("libc::SYS_io_uring_setup", &[SYS_io_uring_setup]),
    ("libc::SYS_mbind", &[SYS_mbind]),
    ("libc::SYS_membarrier", &[SYS_membarrier]),
    ("libc::SYS_pidfd_open", &[SYS_pidfd_open]),
    ("libc::SYS_sched_setscheduler", &[SYS_sched_setscheduler]),
    ("libc::accept4", &[SYS_accept4]),
    ("libc::bind", &[SYS_bind]),
    ("libc::connect", &[SYS_connect]),
    ("libc::epoll_wait", &[SYS_epoll_wait]),
    ("libc::eventfd", &[SYS_eventfd2]),
    ("libc::fallocate", &[SYS_fallocate]),
    ("libc::fcntl", &[SYS_fcntl]),
    ("libc::flock", &[SYS_flock]),
    ("libc::fstat", &[SYS_fstat]),
    ("libc::fstatfs", &[SYS_fstatfs]),
    ("libc::ftruncate", &[SYS_ftruncate]),
    // The kernel's random numbers, which are there since it began.
    ("libc::getrandom", &[]),
    ("libc::getsockopt", &[SYS_getsockopt]),
    ("libc::listen", &[SYS_listen]),
    ("libc::madvise", &[SYS_madvise]),
    ("libc::memfd_create", &[SYS_memfd_create]),
    ("libc::mlock", &[SYS_mlock]),
    ("libc::mmap", &[SYS_mmap]),
    ("libc::munmap", &[SYS_munmap]),
    ("libc::open", &[SYS_openat]),
    ("libc::poll", &[SYS_poll]),
    ("libc::recvmsg", &[SYS_recvmsg]),
    ("libc::send", &[SYS_sendto]),
    ("libc::sendmsg", &[SYS_sendmsg]),
    ("libc::setsockopt", &[SYS_setsockopt]),
    ("libc::socket", &[SYS_socket]),
    ("libc::socketpair", &[SYS_socketpair]),
    // The C library knows it.
    ("libc::sysconf", &[]),
    // Which one stands beside it.
    ("libc::syscall", &[]),
    ("libc::write", &[SYS_write]),
    ("nix::Epoll", &[SYS_epoll_create1, SYS_epoll_ctl]),
    ("nix::SigSet", &[]),
    ("nix::TimerFd", &[SYS_timerfd_create, SYS_timerfd_settime]),
    ("nix::access", &[]),
    // Of a thread's own clocks, which are there.
    ("nix::clock_gettime", &[]),
    ("nix::fcntl", &[SYS_fcntl]),
    ("nix::fstat", &[SYS_fstat]),
    ("nix::geteuid", &[]),
    ("nix::getpeername", &[]),
    ("nix::getrlimit", &[SYS_prlimit64]),
    ("nix::getsockname", &[SYS_getsockname]),
    ("nix::getsockopt", &[SYS_getsockopt]),
    ("nix::pipe2", &[SYS_pipe2]),
    ("nix::sched_getaffinity", &[SYS_sched_getaffinity]),
    ("nix::sched_setaffinity", &[SYS_sched_setaffinity]),
    ("nix::setrlimit", &[SYS_prlimit64]),
    ("nix::shutdown", &[SYS_shutdown]),
    ("nix::umask", &[]),
    ("nix::unshare", &[SYS_unshare]),
    // Of the standard library: what is looked for in the sources is what stands here.
    (".exists(", &[SYS_statx]),
    (".is_dir(", &[SYS_statx]),
    (".metadata(", &[SYS_statx]),
    (".shutdown(", &[SYS_shutdown]),
    (".try_clone(", &[SYS_fcntl]),
    (".try_clone_to_owned(", &[SYS_fcntl]),
    ("AsyncFd::register_with_interest(", &[SYS_epoll_ctl]),
    ("DirBuilder::new(", &[SYS_mkdir]),
    ("OpenOptions::new(", &[SYS_openat]),
    ("UnixStream::pair(", &[SYS_socketpair]),
    ("fs::canonicalize(", &[SYS_readlink]),
    ("fs::metadata(", &[SYS_statx]),
    ("fs::read(", &[SYS_openat]),
    ("fs::read_dir(", &[SYS_getdents64]),
    ("fs::read_link(", &[SYS_readlink]),
    ("fs::read_to_string(", &[SYS_openat]),
    ("fs::remove_file(", &[SYS_unlink]),
    ("fs::set_permissions(", &[SYS_chmod]),
    ("fs::symlink_metadata(", &[SYS_statx]),
    ("thread::Builder::new(", &[SYS_clone3]),
];

/// Left out, and why.
const LEFT: &[(&str, &str, &str)] = &[
    (
        "connection/sender/room.rs",
        ".try_clone_to_owned(",
        "a planted fault",
    ),
    (
        "sys/aio.rs",
        "libc::SYS_io_getevents",
        "at every 64th ring, or when no more are taken: the pairs",
    ),
    (
        "sys/clock.rs",
        "fs::read_to_string(",
        "on a kernel that has time namespaces",
    ),
    (
        "sys/credentials.rs",
        "fs::read_to_string(",
        "of one that has no uid here: tests/hidden; of one that is slow to die: tests/crash",
    ),
    ("sys/credentials.rs", "fs::read(", "the same"),
    (
        "sys/credentials.rs",
        "fs::read_dir(",
        "of one that is slow to die: tests/crash",
    ),
    (
        "sys/memory.rs",
        "fs::read_to_string(",
        "in a group that has a limit: tests/memory",
    ),
    (
        "sys/cgroup.rs",
        "fs::read(",
        "in a group that has a limit: tests/memory",
    ),
    (
        "sys/cgroup.rs",
        "fs::read_to_string(",
        "in a group that has a limit: tests/memory",
    ),
    (
        "sys/mode.rs",
        "fs::metadata(",
        "where there is no /proc: the pairs, and its own test",
    ),
    (
        "sys/pages.rs",
        "nix::fcntl",
        "where a sandbox forbids the call before it: the pairs",
    ),
    (
        "sys/place.rs",
        "fs::read_to_string(",
        "to say what a refusal means, which is told without that too: the pairs",
    ),
    (
        "sys/socket.rs",
        "fs::remove_file(",
        "behind a socket that cannot listen: the pairs",
    ),
    ("sys/socket.rs", "libc::socketpair", "of the tests"),
];

/// Where no call is looked for: peers and builds for tests, modules of tests, and what only some features have.
const ELSEWHERE: &[&str] = &[
    "connection/rest/one_core.rs",
    "connection/rest/pair.rs",
    "connection/rest/unfenced.rs",
    "fuzz",
    "fuzz.rs",
    "hostile",
    "hyper",
    "model",
    "sys/apart.rs",
    "sys/chaos.rs",
    "tokio/any",
    "tonic",
];

/// Whether this kernel or sandbox refuses a call, whatever is asked of it.
fn is_refused(number: i64) -> bool {
    let first = match number {
        SYS_io_submit | SYS_io_getevents => SYS_io_setup,
        SYS_io_uring_enter | SYS_io_uring_register => SYS_io_uring_setup,
        number => number,
    };
    let may_be = first == SYS_mbind || calls::ABSENT.iter().any(|(absent, _)| *absent == first);
    // SAFETY: none of these calls can do anything with -1: there is no such descriptor, process, address or command.
    may_be
        && unsafe { libc::syscall(first, -1_i64, -1_i64, -1_i64, -1_i64, -1_i64, -1_i64) } == -1
        && matches!(
            std::io::Error::last_os_error().raw_os_error(),
            Some(libc::ENOSYS | libc::EPERM)
        )
}

/// A file of the library, and what makes system calls in it.
pub(crate) struct Source {
    file: String,
    written: BTreeSet<String>,
}

/// All of them.
pub(crate) fn all() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    find(&root, &root, &mut files);
    files
        .into_iter()
        .map(|file| {
            let text = std::fs::read_to_string(root.join(&file)).unwrap();
            Source {
                written: written(&text),
                file,
            }
        })
        .filter(|source| !source.written.is_empty())
        .collect()
}

fn find(root: &Path, folder: &Path, files: &mut Vec<String>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap();
        if ELSEWHERE.contains(&name) || name.ends_with("tests") || name.ends_with("tests.rs") {
            continue;
        }
        if path.is_dir() {
            find(root, &path, files);
        } else {
            files.push(name.to_owned());
        }
    }
}

/// What makes system calls in a text, without its comments and the tests at its end.
fn written(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n");
    let word = |text: &str| {
        let end = text.find(|one: char| !one.is_alphanumeric() && one != '_');
        text[..end.unwrap_or(text.len())].to_owned()
    };
    let mut found = BTreeSet::new();
    for (at, name) in code.match_indices("libc::") {
        let called = word(&code[at + name.len()..]);
        let is_call = code[at + name.len() + called.len()..].starts_with('(');
        if is_call || called.starts_with("SYS_") {
            found.insert(format!("libc::{called}"));
        }
    }
    let is_part = |at: usize| code[..at].ends_with(char::is_alphanumeric);
    for (at, _) in code.match_indices("nix::").filter(|(at, _)| !is_part(*at)) {
        // `use nix::a::{b, c};`, or `nix::a::b(`.
        let path = code[at..].split([';', '(']).next().unwrap();
        let (_, names) = path.rsplit_once("::").unwrap();
        for name in names.trim_matches(['{', '}']).split(',').map(str::trim) {
            // Types that make none are not looked for, and there are few that do.
            let is_type = name.starts_with(char::is_uppercase);
            let known = WRITTEN
                .iter()
                .any(|(one, _)| one.strip_prefix("nix::") == Some(name));
            if known || !(is_type || name.is_empty() || name == "sockopt") {
                found.insert(format!("nix::{name}"));
            }
        }
    }
    for (name, _) in WRITTEN.iter().filter(|(name, _)| name.ends_with('(')) {
        if code.contains(name) {
            found.insert((*name).to_owned());
        }
    }
    found
}

impl Source {
    /// What of it is in the name of each of its functions, as the compiler makes it: of those of a module, and of those of a trait.
    fn marks(&self) -> [String; 2] {
        let path = self.file.trim_end_matches(".rs").trim_end_matches("/mod");
        let parts = || std::iter::once("ringway").chain(path.split('/'));
        let long = |part: &str| format!("{}{part}", part.len());
        let plain = parts().map(long).collect::<Vec<_>>().concat();
        [plain, parts().collect::<Vec<_>>().join("..")]
    }

    /// What it makes that was not made from it. `made`: calls, each with the function that it came from.
    pub(crate) fn missing(&self, made: &BTreeSet<(i64, String)>) -> Vec<String> {
        let marks = self.marks();
        let is_made = |number: i64| {
            let is_here = |by: &str| marks.iter().any(|mark| by.contains(mark));
            made.iter().any(|(one, by)| *one == number && is_here(by))
        };
        let is_left = |name: &str| {
            let is_it = |(file, one, _): &&(&str, &str, &str)| *file == self.file && *one == name;
            LEFT.iter().any(|left| is_it(&left))
        };
        let mut missing = Vec::new();
        for name in &self.written {
            let Some((_, numbers)) = WRITTEN.iter().find(|(one, _)| one == name) else {
                missing.push(format!(
                    "{}: `{name}` is not in tests/failing/sources.rs",
                    self.file
                ));
                continue;
            };
            if is_left(name) {
                continue;
            }
            let made = numbers
                .iter()
                .all(|number| is_made(*number) || is_refused(*number));
            if !made {
                missing.push(format!(
                    "{}: no scene makes the call of `{name}`",
                    self.file
                ));
            }
        }
        missing
    }
}
