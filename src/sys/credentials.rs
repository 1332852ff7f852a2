//! Who speaks on the handshake socket, and whether that process still lives.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::sys::socket::{getsockopt, sockopt};

use super::{check, last_error, poll};

/// The process that sent a message, as the kernel attached it to that message.
#[derive(Debug)]
pub(crate) struct Speaker {
    /// Its process id as seen from our namespace; `None` where it has none there.
    pub(crate) pid: Option<libc::pid_t>,
    /// Its real user id as seen from our namespace.
    pub(crate) uid: libc::uid_t,
    /// A descriptor for the process itself, from the kernel (6.5) or opened by pid.
    pub(crate) pidfd: Option<OwnedFd>,
    /// That is from the kernel: it has been asked to attach them, whatever it says of that later.
    pub(crate) is_attached: bool,
}

impl Speaker {
    pub(crate) fn new(pid: libc::pid_t, uid: libc::uid_t, pidfd: Option<OwnedFd>) -> Self {
        Self {
            pid: (pid > 0).then_some(pid),
            uid,
            is_attached: pidfd.is_some(),
            pidfd,
        }
    }

    /// Whether another message is of the same process, by the kernel's word.
    pub(crate) fn speaks_again(&self, again: Option<&Self>) -> bool {
        again.is_some_and(|again| (again.pid, again.uid) == (self.pid, self.uid))
    }

    /// Opens a pidfd by pid where the kernel attached none. The pid may have been reused by the time we open it; the caller
    /// rules that out by hearing a second message from the same pid afterwards.
    ///
    /// # Errors
    /// A lack, which may be over in a moment. To go without for it would be for as long as the connection lasts: a death would never be heard while a child of the peer's lives.
    pub(crate) fn open_pidfd(&mut self) -> io::Result<()> {
        if let (None, Some(pid)) = (&self.pidfd, self.pid) {
            self.pidfd = match pidfd_open(pid) {
                Err(error) if is_lack(&error) => return Err(error),
                opened => opened.ok(),
            };
        }
        Ok(())
    }
}

/// Whether it says that there is none now, rather than that there are none.
fn is_lack(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM)
    )
}

/// Opens a descriptor that becomes readable when `pid` ends (Linux 5.3).
pub(crate) fn pidfd_open(pid: libc::pid_t) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0 as libc::c_uint) };
    let fd = i32::try_from(fd).unwrap_or(-1);
    if fd == -1 {
        return Err(last_error());
    }
    // SAFETY: `fd` was just returned by the kernel and nothing else owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: `F_SETFD` passes no memory. (`pidfd_open` sets it already; kernels have promised so only since 5.3's manual.)
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) })?;
    Ok(fd)
}

/// Whether the process behind a pidfd has ended (a zombie has).
pub(crate) fn has_ended(pidfd: BorrowedFd<'_>) -> bool {
    poll::readable(pidfd)
}

/// Whether the process behind a pidfd is about to end, as far as `/proc` shows it: none of its threads will run a program's code again. A process closes its sockets before its pidfd tells of the end, and on a
/// busy host it may get no processor in between for as long as anything takes.
pub(crate) fn is_ending(pidfd: BorrowedFd<'_>) -> bool {
    // By its number there, which is not the one that we know it by where `/proc` is another namespace's.
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()));
    let info = info.unwrap_or_default();
    let number = info.lines().find_map(|line| line.strip_prefix("Pid:"));
    let Some(number) = number.and_then(|number| number.trim().parse::<u32>().ok()) else {
        return false;
    };
    let Ok(threads) = fs::read_dir(format!("/proc/{number}/task")) else {
        return false;
    };
    let mut threads = threads
        .filter_map(|thread| {
            let line = thread.and_then(|thread| fs::read(thread.path().join("stat")));
            match line.as_ref().map_err(io::Error::raw_os_error) {
                Ok(line) => Some(is_exiting(&String::from_utf8_lossy(line))),
                // It has ended since, and says nothing of the others.
                Err(Some(libc::ENOENT | libc::ESRCH)) => None,
                Err(_) => Some(false),
            }
        })
        .peekable();
    threads.peek().is_some() && threads.all(|exiting| exiting)
}

/// Of a thread, by its line in `/proc`: a name in parentheses, which may have any of these, and behind it the state, five numbers, and the flags (`proc_pid_stat(5)`).
fn is_exiting(line: &str) -> bool {
    const PF_EXITING: u64 = 4;
    let (_, rest) = line.rsplit_once(") ").unwrap_or_default();
    let flags = rest.split(' ').nth(6).and_then(|flags| flags.parse().ok());
    flags.is_some_and(|flags: u64| flags & PF_EXITING != 0)
}

/// The user id of whoever connected a socket.
pub(crate) fn connected_by(socket: BorrowedFd<'_>) -> io::Result<libc::uid_t> {
    Ok(getsockopt(&socket, sockopt::PeerCredentials)?.uid())
}

/// The process that began to listen where `socket` is connected, if it has ended: another one has its socket then.
pub(crate) fn ended_listener(socket: BorrowedFd<'_>) -> Option<libc::pid_t> {
    let pid = getsockopt(&socket, sockopt::PeerCredentials).ok()?.pid();
    if pid <= 0 {
        return None;
    }
    let ended = match pidfd_open(pid) {
        Ok(pidfd) => has_ended(pidfd.as_fd()),
        Err(error) => error.raw_os_error() == Some(libc::ESRCH),
    };
    ended.then_some(pid)
}

/// Our effective user id: what the kernel checks our own files against.
pub(crate) fn effective_uid() -> libc::uid_t {
    nix::unistd::geteuid().as_raw()
}

/// What stands for every user that has no id in our user namespace, unless `kernel.overflowuid` has been changed.
const OVERFLOW: libc::uid_t = 65_534;

/// Whether `uid`, as the kernel told it, is our own user and nobody else. Where we have the overflow uid, in a namespace that lacks some users, it is those users' too: then it is not.
pub(crate) fn is_own(uid: libc::uid_t) -> bool {
    // A planted fault, which tests/hidden must find: everybody without a uid is we.
    #[cfg(ringway_planted = "everybody_is_us")]
    return uid == effective_uid();
    #[cfg(not(ringway_planted = "everybody_is_us"))]
    {
        uid == effective_uid() && (uid != OVERFLOW || has_every_user())
    }
}

/// What has to be known of a uid that is refused; empty for most.
pub(crate) fn remark(uid: libc::uid_t) -> &'static str {
    if uid == OVERFLOW && !has_every_user() {
        " (which stands for every user that has no uid in this user namespace)"
    } else {
        ""
    }
}

/// Whether each user of the host has an id of its own here, as in the first user namespace. Not known: no.
fn has_every_user() -> bool {
    fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| is_whole(&map))
}

/// Whether the ranges of a `uid_map` (first id here, first id there, how many) leave nobody out.
fn is_whole(map: &str) -> bool {
    let length = |line: &str| line.split_whitespace().nth(2)?.parse::<u64>().ok();
    map.lines().filter_map(length).sum::<u64>() >= u64::from(u32::MAX)
}

/// Whether a signal has stopped the process: what no check asks for, but for one that is planted.
#[cfg(ringway_planted = "stopped_is_dead")]
pub(crate) fn is_stopped(pid: i32) -> bool {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    line.rsplit_once(") ")
        .is_some_and(|(_, rest)| rest.starts_with('T'))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    use super::*;

    #[test]
    fn only_the_first_user_namespace_leaves_nobody_out() {
        assert!(is_whole("         0          0 4294967295\n"));
        for partial in ["", "0 1000 1\n", "0 100000 65536\n", "nonsense"] {
            assert!(!is_whole(partial), "{partial}");
        }
    }

    #[test]
    fn a_thread_that_exits_is_told_by_its_flags() {
        for (flags, exits) in [
            ("4194304", false),
            ("4194308", true),
            ("x", false),
            ("", false),
        ] {
            let line = format!("7 (a) b (c) S 1 7 7 0 -1 {flags} 0 0\n");
            assert_eq!(is_exiting(&line), exits, "{line}");
        }
        assert!(!is_exiting(""));
    }

    /// A zombie, of which the kernel tells the end besides; one that runs, one that has been stopped, and one whose first thread alone has ended.
    #[test]
    fn who_is_about_to_end_is_told_from_who_lives() {
        let own = pidfd_open(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(!is_ending(own.as_fd()));
        let mut child = Command::new("sleep").arg("100").spawn().unwrap();
        let pidfd = pidfd_open(i32::try_from(child.id()).unwrap()).unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        assert!(!is_ending(pidfd.as_fd()));
        kill(pid, Signal::SIGSTOP).unwrap();
        assert!(!is_ending(pidfd.as_fd()));
        kill(pid, Signal::SIGKILL).unwrap();
        while !has_ended(pidfd.as_fd()) {
            std::thread::yield_now();
        }
        assert!(is_ending(pidfd.as_fd()), "not waited for yet");
        child.wait().unwrap();
        assert!(!is_ending(pidfd.as_fd()), "nothing is known of it any more");
    }

    #[test]
    fn another_uid_is_not_ours() {
        assert!(!is_own(effective_uid().wrapping_add(1)));
    }
}
