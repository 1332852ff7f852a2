//! Descriptors that whoever started this process has left open for it, and said so in its environment: systemd's socket activation
//! (`LISTEN_FDS`, `sd_listen_fds(3)`), and one variable of our own, for a process that starts its successor.
//!
//! Ours names each socket by number and inode. A number alone would be believed by every process further down that inherits the variable without the socket.

use std::ffi::OsString;
use std::fmt::Write;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::stat::fstat;

use super::door;
use crate::sync::{AtomicU64, Ordering};

/// Ours: `NUMBER:INODE`, with a comma between two.
const OURS: &str = "RINGWAY_LISTEN_FDS";
/// The first one that systemd leaves open.
const FIRST: RawFd = 3;
/// More than anybody leaves open.
const MOST: RawFd = 4096;

/// Not zero once they were taken: what is owned twice is closed twice.
static TAKEN: AtomicU64 = AtomicU64::new(0);

/// A listening socket that was left open for us.
#[derive(Debug)]
pub(crate) struct Inherited {
    pub(crate) socket: OwnedFd,
    /// By a process that this one succeeds: what its name is, device and inode, which is ours to remove in the end.
    pub(crate) name: Option<(u64, u64)>,
}

/// A descriptor that was left open for us, as a variable names it: `NUMBER:INODE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) number: RawFd,
    pub(super) inode: u64,
}

impl Left {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (number, inode) = text.split_once(':')?;
        let number = number.parse().ok().filter(|number| *number >= 0)?;
        let inode = inode.parse().ok()?;
        Some(Self { number, inode })
    }

    /// Whether the number is still that: a program may have closed all that it did not open itself.
    pub(super) fn is_there(self) -> bool {
        // SAFETY: only borrowed, to be asked what it is; a number that is not open is an error.
        let socket = unsafe { BorrowedFd::borrow_raw(self.number) };
        fstat(socket).is_ok_and(|status| status.st_ino == self.inode)
    }
}

/// Takes them all: those that listen as we do. None the second time.
pub(crate) fn take() -> Vec<Inherited> {
    // ORD: inherit-taken: Relaxed, only who came first matters, and a read-modify-write tells; partner: itself.
    if TAKEN.swap(1, Ordering::Relaxed) != 0 {
        return Vec::new();
    }
    let variable = |name: &str| std::env::var(name).ok();
    let ours = variable(OURS).map_or_else(Vec::new, |text| parse_ours(&text));
    let of_systemd = given_by_systemd(variable("LISTEN_PID"), variable("LISTEN_FDS"));
    let ours = ours.into_iter().filter(|(left, _)| left.is_there());
    let numbers = ours.map(|(left, name)| (left.number, name));
    let numbers = numbers.chain(of_systemd.into_iter().map(|number| (number, None)));
    let mut found = Vec::<Inherited>::new();
    for (number, name) in numbers {
        // SAFETY: only borrowed, to be asked what it is; a number that is not open is an error.
        let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
        let known = found.iter().any(|one| one.socket.as_raw_fd() == number);
        // What came through `exec` has the flag off, and what this process has opened since has it on.
        let ours = fcntl(borrowed, FcntlArg::F_GETFD)
            .is_ok_and(|flags| FdFlag::from_bits_truncate(flags).contains(FdFlag::FD_CLOEXEC));
        if known || ours || door::listens_at(borrowed).is_err() {
            continue;
        }
        // SAFETY: it is open, whoever started this process left it to us by name, and it is taken once: numbers are told apart, and `TAKEN` is set.
        let socket = unsafe { OwnedFd::from_raw_fd(number) };
        found.push(Inherited { socket, name });
    }
    found
}

/// `NUMBER:INODE`, or `NUMBER:INODE@DEVICE:INODE` where the name is passed on too.
fn parse_ours(text: &str) -> Vec<(Left, Option<(u64, u64)>)> {
    let one = |text: &str| {
        let (left, name) = match text.split_once('@') {
            None => (text, None),
            Some((left, name)) => {
                let (device, inode) = name.split_once(':')?;
                (left, Some((device.parse().ok()?, inode.parse().ok()?)))
            }
        };
        Left::parse(left)
            .filter(|left| left.number < MOST)
            .map(|left| (left, name))
    };
    text.split(',').filter_map(one).collect()
}

#[cfg(test)]
fn parse(text: &str) -> Vec<Left> {
    parse_ours(text).into_iter().map(|(left, _)| left).collect()
}

/// The numbers that systemd has left open, if it means this process.
fn given_by_systemd(pid: Option<String>, count: Option<String>) -> Vec<RawFd> {
    let meant = pid.and_then(|pid| pid.parse::<u32>().ok()) == Some(std::process::id());
    let count = count.and_then(|count| count.parse::<RawFd>().ok());
    match count {
        Some(count) if meant && (0..MOST).contains(&count) => (FIRST..FIRST + count).collect(),
        _ => Vec::new(),
    }
}

/// Has the process that `command` starts inherit `socket`.
pub(crate) fn leave(
    command: &mut Command,
    socket: OwnedFd,
    name: Option<(u64, u64)>,
) -> io::Result<()> {
    let before = command.get_envs().find(|(name, _)| *name == OURS);
    let before = before.and_then(|(_, value)| value).map(OsString::from);
    let mut text = before
        .and_then(|text| text.into_string().ok())
        .unwrap_or_default();
    let comma = if text.is_empty() { "" } else { "," };
    let inode = fstat(&socket)?.st_ino;
    let _ = write!(text, "{comma}{}:{inode}", socket.as_raw_fd());
    if let Some((device, inode)) = name {
        let _ = write!(text, "@{device}:{inode}");
    }
    command.env(OURS, text);
    let keep = move || {
        // In the child: its copy of the number stays open across `exec`. One system call, which a signal handler may make too.
        fcntl(&socket, FcntlArg::F_SETFD(FdFlag::empty()))?;
        Ok(())
    };
    // SAFETY: the closure makes one system call and neither allocates nor locks.
    unsafe { command.pre_exec(keep) };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_meant_for_us_is_not_taken() {
        let me = || Some(std::process::id().to_string());
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(given_by_systemd(me(), some("2")), [3, 4]);
        assert!(given_by_systemd(some("1"), some("2")).is_empty());
        assert!(given_by_systemd(None, some("2")).is_empty());
        for count in ["-1", "100000", "two", ""] {
            assert!(given_by_systemd(me(), some(count)).is_empty(), "{count}");
        }
    }

    #[test]
    fn ours_is_read_and_rubbish_is_not() {
        let left = |number, inode| Left { number, inode };
        assert_eq!(parse("5:77,9:1"), [left(5, 77), left(9, 1)]);
        for rubbish in ["", ",", "5", "5:", ":5", "-1:5", "5:x", "99999:1", "5:1:2"] {
            assert!(parse(rubbish).is_empty(), "{rubbish}");
        }
    }
}
