//! Descriptors that whoever started this process has left open for it, and said so in its environment: systemd's socket activation
//! (`LISTEN_FDS`, `sd_listen_fds(3)`), and one variable of our own, for a process that starts its successor.
//!
//! Ours names each socket by number and inode. A number alone would be believed by every process further down that inherits the variable without the socket.

use std::ffi::OsString;
use std::fmt::{self, Write};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::stat::fstat;

use super::door;
use super::elder::Elder;
use super::socket::Unfit;
use crate::sync::{AtomicU64, Ordering};

/// Ours: a [`Legacy`] each, with a comma between two.
const OURS: &str = "RINGWAY_LISTEN_FDS";
/// The first one that systemd leaves open.
const FIRST: RawFd = 3;
/// More than it leaves open. Ours have any number: that which they had among all that a predecessor had open.
const MOST: RawFd = 4096;

/// Not zero once they were taken: what is owned twice is closed twice.
static TAKEN: AtomicU64 = AtomicU64::new(0);

/// A listening socket that was left open for us.
#[derive(Debug)]
pub(crate) struct Inherited {
    pub(crate) socket: OwnedFd,
    /// By a predecessor whose name it was to remove, and is ours from then on.
    pub(crate) name: Option<Name>,
}

/// A name that passes from process to process.
#[derive(Debug)]
pub(crate) struct Name {
    /// What lies at the path, device and inode: whatever else does by then is somebody else's.
    pub(crate) identity: (u64, u64),
    /// Who had it before, the one that left it to us last.
    pub(crate) elders: Vec<Elder>,
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
    ///
    /// # Errors
    /// The system does not say.
    pub(super) fn is_there(self) -> io::Result<bool> {
        // SAFETY: only borrowed, to be asked what it is; a number that is not open is an error.
        let socket = unsafe { BorrowedFd::borrow_raw(self.number) };
        match fstat(socket) {
            Ok(status) => Ok(status.st_ino == self.inode),
            Err(nix::Error::EBADF) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn of(descriptor: &OwnedFd) -> io::Result<Self> {
        let number = descriptor.as_raw_fd();
        let inode = fstat(descriptor)?.st_ino;
        Ok(Self { number, inode })
    }
}

impl fmt::Display for Left {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.number, self.inode)
    }
}

/// A socket as our variable names it: `NUMBER:INODE`, and behind it, where the name is left too, `@DEVICE:INODE` and a `+NUMBER:INODE` for each elder.
#[derive(Debug, PartialEq, Eq)]
struct Legacy {
    socket: Left,
    name: Option<((u64, u64), Vec<Left>)>,
}

impl Legacy {
    fn parse(text: &str) -> Option<Self> {
        let Some((socket, name)) = text.split_once('@') else {
            let socket = Left::parse(text)?;
            return Some(Self { socket, name: None });
        };
        let mut parts = name.split('+');
        let (device, inode) = parts.next()?.split_once(':')?;
        let identity = (device.parse().ok()?, inode.parse().ok()?);
        let elders = parts.map(Left::parse).collect::<Option<_>>()?;
        Some(Self {
            socket: Left::parse(socket)?,
            name: Some((identity, elders)),
        })
    }

    /// What is there of it. Without one of its elders the name is not ours: nobody could tell whether that one has taken it back.
    fn find(self) -> io::Result<Option<Found>> {
        if !self.socket.is_there()? || !listens(self.socket.number)? {
            return Ok(None);
        }
        let name = match self.name {
            Some((identity, elders)) => {
                let (mut numbers, mut all) = (Vec::new(), true);
                for elder in elders {
                    all &= elder.is_there()?;
                    numbers.push(elder.number);
                }
                all.then_some((identity, numbers))
            }
            None => None,
        };
        Ok(Some(Found {
            socket: self.socket.number,
            name,
        }))
    }
}

/// What is there and listens as we do, before any of it is taken.
#[derive(Debug)]
struct Found {
    socket: RawFd,
    name: Option<((u64, u64), Vec<RawFd>)>,
}

impl Found {
    fn take(self) -> io::Result<Option<Inherited>> {
        let Some(socket) = own(self.socket)? else {
            return Ok(None);
        };
        let name = match self.name {
            Some((identity, elders)) => {
                let elders = elders
                    .into_iter()
                    .map(own)
                    .collect::<io::Result<Vec<_>>>()?;
                let elders = elders.into_iter().map(|elder| elder.map(Elder::over));
                let elders = elders.collect::<Option<_>>();
                elders.map(|elders| Name { identity, elders })
            }
            None => None,
        };
        Ok(Some(Inherited { socket, name }))
    }
}

/// Takes them all: those that listen as we do. None the second time.
///
/// # Errors
/// The system does not say what they are. As long as none was taken, the next call begins anew.
pub(crate) fn take() -> io::Result<Vec<Inherited>> {
    // ORD: inherit-taken: Relaxed, only who came first matters, and a read-modify-write tells; partner: itself.
    if TAKEN.swap(1, Ordering::Relaxed) != 0 {
        return Ok(Vec::new());
    }
    let found = find().inspect_err(|_| {
        // ORD: inherit-taken: Relaxed, as above; partner: itself.
        TAKEN.store(0, Ordering::Relaxed);
    })?;
    let taken = found.into_iter().map(|one| one.take().transpose());
    taken.flatten().collect()
}

fn find() -> io::Result<Vec<Found>> {
    let variable = |name: &str| std::env::var(name).ok();
    let ours = variable(OURS).map_or_else(Vec::new, |text| parse(&text));
    let mut found = Vec::new();
    for legacy in ours {
        found.extend(legacy.find()?);
    }
    for socket in given_by_systemd(variable("LISTEN_PID"), variable("LISTEN_FDS")) {
        if listens(socket)? {
            found.push(Found { socket, name: None });
        }
    }
    Ok(found)
}

/// Whether that number is a socket that listens as ours do. Others are not touched.
fn listens(number: RawFd) -> io::Result<bool> {
    // SAFETY: only borrowed, to be asked what it is; a number that is not open is an error.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    match door::listens_at(borrowed) {
        Ok(_) => Ok(true),
        Err(Unfit::Kind(_)) => Ok(false),
        Err(Unfit::Io(error)) => match error.raw_os_error() {
            // It is not open, or a socket of a kind that has no address.
            Some(libc::EBADF | libc::EOPNOTSUPP) => Ok(false),
            _ => Err(error),
        },
    }
}

/// Takes a descriptor that was left open for us. Not one that this process has opened since, or has taken before: `exec` closes whatever has the flag, so that what came through it has none, and ours
/// have it, as have those of the standard library.
fn own(number: RawFd) -> io::Result<Option<OwnedFd>> {
    // SAFETY: as above.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    let flags = FdFlag::from_bits_retain(fcntl(borrowed, FcntlArg::F_GETFD)?);
    if flags.contains(FdFlag::FD_CLOEXEC) {
        return Ok(None);
    }
    fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    // SAFETY: it is open, whoever started this process left it to us by name, and it is taken once: it had not the flag, which it has now, and `TAKEN` keeps other threads out.
    Ok(Some(unsafe { OwnedFd::from_raw_fd(number) }))
}

fn parse(text: &str) -> Vec<Legacy> {
    text.split(',').filter_map(Legacy::parse).collect()
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

/// A socket and its name, for the process that a command starts. Dropped, it leaves nothing to anybody.
#[derive(Debug)]
pub(crate) struct Bequest {
    /// Our variable, with what the command has in it already.
    text: String,
    all: Vec<OwnedFd>,
}

impl Bequest {
    pub(crate) fn new(command: &Command, socket: OwnedFd, name: Option<Name>) -> io::Result<Self> {
        let before = command.get_envs().find(|(name, _)| *name == OURS);
        let before = before.and_then(|(_, value)| value).map(OsString::from);
        let mut text = before
            .and_then(|text| text.into_string().ok())
            .unwrap_or_default();
        let comma = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{comma}{}", Left::of(&socket)?);
        let mut all = vec![socket];
        if let Some(name) = name {
            let (device, inode) = name.identity;
            let _ = write!(text, "@{device}:{inode}");
            for elder in name.elders.into_iter().map(OwnedFd::from) {
                let _ = write!(text, "+{}", Left::of(&elder)?);
                all.push(elder);
            }
        }
        Ok(Self { text, all })
    }

    /// Has the process that `command` starts inherit it. Cannot fail: whoever has told others of it before need not take that back.
    pub(crate) fn leave(self, command: &mut Command) {
        let Self { text, all } = self;
        command.env(OURS, text);
        let keep = move || {
            // In the child: its copies of the numbers stay open across `exec`. System calls that a signal handler may make too.
            for descriptor in &all {
                fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::empty()))?;
            }
            Ok(())
        };
        // SAFETY: the closure makes system calls and neither allocates nor locks.
        unsafe { command.pre_exec(keep) };
    }
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
        let legacy = |socket, name| Legacy { socket, name };
        assert_eq!(
            parse("5:77,70000:3,9:1@3:4+6:7+8:9,7:8@1:2"),
            [
                legacy(left(5, 77), None),
                legacy(left(70_000, 3), None),
                legacy(left(9, 1), Some(((3, 4), vec![left(6, 7), left(8, 9)]))),
                legacy(left(7, 8), Some(((1, 2), vec![]))),
            ]
        );
        for rubbish in [
            "",
            ",",
            "5",
            "5:",
            ":5",
            "-1:5",
            "5:x",
            "2147483648:1",
            "5:1:2",
            "5:1@",
            "5:1@2",
            "5:1@2:x",
            "5:1@2:3+",
            "5:1@2:3+4",
            "5:1@2:3+2147483648:1",
            "@2:3",
        ] {
            assert!(parse(rubbish).is_empty(), "{rubbish}");
        }
    }
}
