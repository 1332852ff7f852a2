//! The handshake socket: a Unix socket that keeps message boundaries (`SOCK_SEQPACKET`).
//!
//! After the handshake it stays open as the sign of life: the kernel closes it when the peer is gone. No frame ever passes
//! through it; a byte on it means "look at your lanes" where a bell cannot be rung otherwise ([`nudge`]).

use std::io;
use std::mem::offset_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Instant;

use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, umask};

use super::line::Line;
use super::message::{self, First};
use super::{again, aside, check, check_length, last_error, poll};

/// The longest path that a socket address holds, in bytes, without its terminating NUL.
pub(crate) const MAX_PATH: usize =
    size_of::<libc::sockaddr_un>() - offset_of!(libc::sockaddr_un, sun_path) - 1;

const SO_PASSPIDFD: libc::c_int = 76;
const SO_PASSRIGHTS: libc::c_int = 83;

fn address(path: &Path) -> io::Result<(libc::sockaddr_un, libc::socklen_t)> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.is_empty() || bytes.len() > MAX_PATH || bytes.contains(&0) {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    // SAFETY: all-zero bytes are a valid `sockaddr_un`.
    let mut address: libc::sockaddr_un = unsafe { core::mem::zeroed() };
    address.sun_family = libc::sa_family_t::try_from(libc::AF_UNIX).unwrap_or(1);
    for (slot, byte) in address.sun_path.iter_mut().zip(bytes) {
        *slot = libc::c_char::from_ne_bytes([*byte]);
    }
    let length = offset_of!(libc::sockaddr_un, sun_path) + bytes.len() + 1;
    Ok((address, libc::socklen_t::try_from(length).unwrap_or(0)))
}

/// A socket that asks the kernel to say who speaks: uid, pid, and a pidfd where it can (Linux 6.5).
fn new() -> io::Result<OwnedFd> {
    let fd = of_kind(libc::SOCK_SEQPACKET)?;
    ask_for_credentials(&fd)?;
    Ok(fd)
}

/// A Unix socket that waits for nothing.
fn of_kind(kind: libc::c_int) -> io::Result<OwnedFd> {
    let kind = kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: no memory is passed.
    let fd = check(unsafe { libc::socket(libc::AF_UNIX, kind, 0) })?;
    // SAFETY: `fd` was just returned by the kernel and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

pub(super) fn ask_for_credentials(fd: &OwnedFd) -> io::Result<()> {
    set_option(fd.as_fd(), libc::SO_PASSCRED, 1)?;
    // Older kernels do not know it; the pidfd then comes from the pid.
    let _ = set_option(fd.as_fd(), SO_PASSPIDFD, 1);
    Ok(())
}

/// Has every message name its speaker from now on.
pub(super) fn ask_for_speaker(fd: BorrowedFd<'_>) {
    let _ = set_option(fd, libc::SO_PASSCRED, 1);
}

fn set_option(fd: BorrowedFd<'_>, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(4);
    // SAFETY: `value` is valid for reads of `length` bytes.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw const value).cast(),
            length,
        )
    })
    .map(drop)
}

fn option_of(fd: BorrowedFd<'_>, option: libc::c_int) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut length = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(4);
    // SAFETY: `value` is valid for writes of `length` bytes, and `length` for reads and writes.
    check(unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw mut value).cast(),
            &raw mut length,
        )
    })
    .map(|_| value)
}

/// Refuses descriptors from now on, where the kernel can (Linux 6.16), and asks for nobody's credentials any more: after the
/// handshake a peer has none to send. What it sent before is met by [`look`], which would take a nudge with credentials for something else. `attaches`: the kernel has attached
/// a pidfd.
pub(crate) fn end_handshake(fd: BorrowedFd<'_>, attaches: bool) -> io::Result<()> {
    let _ = set_option(fd, SO_PASSRIGHTS, 0);
    for option in [libc::SO_PASSCRED, SO_PASSPIDFD] {
        set_option(fd, option, 0).or_else(|error| match option_of(fd, option) {
            Ok(0) => Ok(()),
            // What the kernel does not know is not on; credentials every kernel knows.
            Err(asked)
                if option == SO_PASSPIDFD
                    && !attaches
                    && asked.raw_os_error() == Some(libc::ENOPROTOOPT) =>
            {
                Ok(())
            }
            _ => Err(error),
        })?;
    }
    Ok(())
}

/// Binds and listens. The path must not exist.
pub(crate) fn listen(path: &Path, to_others: bool) -> io::Result<OwnedFd> {
    let fd = new()?;
    if to_others {
        bind_to_others(fd.as_raw_fd(), path)?;
    } else {
        bind(fd.as_raw_fd(), path)?;
    }
    if let Err(error) = listen_anew(fd.as_fd()) {
        // Nobody would listen there.
        let _ = std::fs::remove_file(path);
        return Err(error);
    }
    Ok(fd)
}

fn bind(socket: RawFd, path: &Path) -> io::Result<()> {
    let (address, length) = address(path)?;
    // SAFETY: `address` is valid for reads of `length` bytes.
    check(unsafe { libc::bind(socket, (&raw const address).cast(), length) }).map(drop)
}

/// Binds so that the mode of the socket keeps nobody away from the first moment on: a mode that is set behind it may come later than a client, who would be told that he
/// may not connect. The mask that modes are made with is the whole process's, so a thread does it that has one of its own. Where there is no such thread to be had, the mode
/// is what the mask leaves.
fn bind_to_others(socket: RawFd, path: &Path) -> io::Result<()> {
    let place = path.to_owned();
    let binds = aside::start("ringway-bind", move || {
        if unshare(CloneFlags::CLONE_FS).is_ok() {
            umask(Mode::empty());
        }
        bind(socket, &place)
    });
    match binds.map(JoinHandle::join) {
        Ok(Ok(bound)) => bound,
        _ => bind(socket, path),
    }
}

/// Listens, or listens still: by this process, as the kernel tells it to whoever connects.
pub(crate) fn listen_anew(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::listen(socket.as_raw_fd(), 1024) }).map(drop)
}

/// Connects. `ECONNREFUSED`: nobody listens; `EAGAIN`: somebody does, and the queue is full.
pub(crate) fn connect(path: &Path) -> io::Result<OwnedFd> {
    let fd = new()?;
    connect_by(&fd, path)?;
    Ok(fd)
}

/// The same by a socket of streams, to see who is there.
#[cfg(feature = "tokio")]
pub(crate) fn knock(path: &Path) -> io::Result<()> {
    connect_by(&of_kind(libc::SOCK_STREAM)?, path)
}

fn connect_by(fd: &OwnedFd, path: &Path) -> io::Result<()> {
    let (address, length) = address(path)?;
    again(|| {
        // SAFETY: `address` is valid for reads of `length` bytes.
        check(unsafe { libc::connect(fd.as_raw_fd(), (&raw const address).cast(), length) })
    })?;
    Ok(())
}

/// Takes the next connection, if there is one.
pub(crate) fn accept(listener: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    loop {
        // SAFETY: null address pointers are allowed.
        let fd = unsafe {
            libc::accept4(
                listener.as_raw_fd(),
                core::ptr::null_mut(),
                core::ptr::null_mut(),
                flags,
            )
        };
        if fd != -1 {
            // SAFETY: `fd` was just returned by the kernel and nothing else owns it.
            let fd = unsafe { OwnedFd::from_raw_fd(fd) };
            ask_for_credentials(&fd)?;
            return Ok(Some(fd));
        }
        let error = last_error();
        match error.raw_os_error() {
            Some(libc::EINTR | libc::ECONNABORTED) => {}
            Some(libc::EAGAIN) => return Ok(None),
            _ => return Err(error),
        }
    }
}

/// Two connected sockets, which ask the kernel to say who speaks, whoever that will be: until the handshake is over.
pub(crate) fn asking_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (one, other) = pair()?;
    ask_for_credentials(&one)?;
    ask_for_credentials(&other)?;
    Ok((one, other))
}

/// Two connected sockets, as after a handshake.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: `fds` is valid for writes of two integers.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) })?;
    // SAFETY: both were just returned by the kernel and nothing else owns them.
    Ok(unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) })
}

/// Takes one of two connected sockets that somebody else has made.
pub(crate) fn adopt_end(socket: OwnedFd) -> Result<OwnedFd, Unfit> {
    use nix::sys::socket::{SockType, UnixAddr, getpeername, getsockopt, sockopt};

    let kind = match getsockopt(&socket, sockopt::SockType) {
        Err(nix::Error::ENOTSOCK) => return Err(Unfit::Kind("it is no socket")),
        kind => kind?,
    };
    match getpeername::<UnixAddr>(socket.as_raw_fd()) {
        Err(nix::Error::EINVAL) => return Err(Unfit::Kind("it is no Unix socket")),
        // The other end may have gone since: whoever reads hears of it.
        Err(nix::Error::ENOTCONN) => return Err(Unfit::Kind("it is not connected")),
        address => address?,
    };
    if kind != SockType::SeqPacket {
        let text = "it is a socket of another type (`SOCK_SEQPACKET` is wanted)";
        return Err(Unfit::Kind(text));
    }
    take_over(&socket)?;
    Ok(socket)
}

/// Has a socket that somebody else has made be as ours are.
pub(super) fn take_over(socket: &OwnedFd) -> Result<(), Unfit> {
    use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};

    fcntl(socket, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    let flags = OFlag::from_bits_retain(fcntl(socket, FcntlArg::F_GETFL)?);
    fcntl(socket, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    ask_for_credentials(socket).map_err(Unfit::Io)
}

/// Why a descriptor that somebody else has made is not taken.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// It is something else, in words.
    Kind(&'static str),
    Io(io::Error),
}

impl From<nix::Error> for Unfit {
    fn from(error: nix::Error) -> Self {
        Self::Io(error.into())
    }
}

/// Sends one byte that means "look at your lanes". Never blocks and raises no signal.
pub(crate) fn nudge(fd: BorrowedFd<'_>) -> io::Result<()> {
    let byte = [1u8];
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    again(|| {
        // SAFETY: `byte` is valid for reads of one byte.
        check_length(unsafe { libc::send(fd.as_raw_fd(), byte.as_ptr().cast(), 1, flags) })
    })
    .map(drop)
    .or_else(|error| match error.raw_os_error() {
        // A sandbox, which has let a handshake pass: that is made by the other call.
        Some(libc::EPERM | libc::EACCES | libc::ENOSYS) => message::send(fd, &byte, &[]),
        _ => Err(error),
    })
}

/// What a look at the handshake socket found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// The other end is open.
    pub(crate) open: bool,
    /// Nudges were waiting and have been taken. They may have been meant for another half: whoever looked passes them on.
    pub(crate) taken: bool,
    /// The look ended before the nudges did.
    pub(crate) more: bool,
}

/// Whether the other end is closed altogether: nobody holds it any more. One that has only been shut down for writing is not, and may be later.
pub(crate) fn is_closed(line: &Line) -> bool {
    // Nobody shuts our side down while the kernel is asked.
    let end = line.end();
    !end.shut && poll::is_hung_up(line.as_fd())
}

/// Whether the other end can say nothing more: it is closed, or shut down for writing.
fn is_silent(line: &Line) -> bool {
    let mut entry = [libc::pollfd {
        fd: line.as_fd().as_raw_fd(),
        events: libc::POLLRDHUP,
        revents: 0,
    }];
    poll::ready(&mut entry, Some(Instant::now())).is_ok() && entry[0].revents & libc::POLLRDHUP != 0
}

/// How many nudges one look takes; the rest stay for the next, so that a flood cannot keep us here.
const NUDGES_PER_LOOK: usize = 64;

/// Takes waiting nudges and says whether the other end is still open. A peer that sends anything else ends the connection, for good: it
/// stays in the queue, and is released when the line is closed.
pub(crate) fn look(line: &Line) -> Look {
    let mut end = line.end();
    let mut look = Look {
        open: !end.ended,
        taken: false,
        more: false,
    };
    if end.ended {
        return look;
    }
    for _ in 0..NUDGES_PER_LOOK {
        match message::first(line.as_fd()) {
            Ok(First::Plain) if message::take(line.as_fd()).is_ok() => look.taken = true,
            Ok(First::Other) => {
                end.ended = true;
                // Who goes on to speak is heard no more. Who cannot may still hold its end, and let go of it later: that is to be told by then.
                if !is_silent(line) {
                    end.shut = true;
                    line.shut();
                }
                look.open = false;
                return look;
            }
            // An error is a lack of kernel memory or the like, and says nothing of the peer.
            _ => return look,
        }
    }
    look.more = true;
    look
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::sys::apart::is_apart;

    #[test]
    fn others_find_the_way_open_whatever_the_mask_of_modes_and_that_stays() {
        if !is_apart(
            "sys::socket::tests::others_find_the_way_open_whatever_the_mask_of_modes_and_that_stays",
        ) {
            return;
        }
        let mask = Mode::from_bits_truncate(0o077);
        umask(mask);
        for (to_others, expected) in [(true, 0o666), (false, 0o600)] {
            let name = format!("ringway-mask-{}-{to_others}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let socket = listen(&path, to_others).unwrap();
            let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o666, expected, "{to_others}");
            assert_eq!(umask(mask), mask, "of the process");
            fs::remove_file(&path).unwrap();
            drop(socket);
        }
    }

    #[test]
    fn what_is_closed_is_told_from_what_is_shut_down() {
        for looked in [false, true] {
            let (ours, theirs) = pair().unwrap();
            let line = Line::new(ours);
            assert!(!is_closed(&line) && look(&line).open);
            let theirs = Line::new(theirs);
            theirs.hang_up();
            assert!(!is_closed(&line));
            if looked {
                assert!(!look(&line).open);
                assert!(!is_closed(&line), "it can still hear us");
            }
            drop(theirs);
            assert!(is_closed(&line));
            assert!(!look(&line).open);
            assert!(is_closed(&line), "it stays so");
        }
    }

    #[test]
    fn what_we_shut_down_ourselves_is_not_closed() {
        let (ours, theirs) = pair().unwrap();
        let line = Line::new(ours);
        message::send(theirs.as_fd(), &[], &[]).unwrap();
        assert!(!look(&line).open);
        assert!(!is_closed(&line));
        let both = pair().unwrap();
        let (first, second) = (Line::new(both.0), Line::new(both.1));
        first.hang_up();
        second.hang_up();
        assert!(!is_closed(&first) && !is_closed(&second));
        assert_eq!(
            nudge(theirs.as_fd()).unwrap_err().raw_os_error(),
            Some(libc::EPIPE),
            "it is heard no more"
        );
    }

    #[test]
    fn a_look_takes_nudges_up_to_its_limit_and_sees_the_end() {
        let (ours, theirs) = pair().unwrap();
        let (ours, theirs) = (Line::new(ours), Line::new(theirs));
        let quiet = Look {
            open: true,
            taken: false,
            more: false,
        };
        assert_eq!(look(&ours), quiet);
        for _ in 0..=NUDGES_PER_LOOK {
            nudge(theirs.as_fd()).unwrap();
        }
        let taken = Look {
            taken: true,
            ..quiet
        };
        assert_eq!(
            look(&ours),
            Look {
                more: true,
                ..taken
            }
        );
        assert_eq!(look(&ours), taken);
        nudge(theirs.as_fd()).unwrap();
        drop(theirs);
        assert_eq!(
            look(&ours),
            Look {
                open: false,
                ..taken
            }
        );
    }
}
