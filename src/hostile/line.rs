//! The socket of a handshake, used as no library would.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::sys::message::{Control, SCM_PIDFD, attach};
use crate::sys::{again, check, check_length};

pub(super) fn owned(fd: RawFd) -> OwnedFd {
    assert!(fd >= 0, "{}", io::Error::last_os_error());
    // SAFETY: the kernel has just returned `fd`, and nothing else owns it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn seqpacket(flags: i32) -> OwnedFd {
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC | flags;
    // SAFETY: no memory is passed.
    owned(unsafe { libc::socket(libc::AF_UNIX, kind, 0) })
}

fn address(path: &Path) -> (libc::sockaddr_un, libc::socklen_t) {
    // SAFETY: all-zero bytes are a valid `sockaddr_un`.
    let mut address: libc::sockaddr_un = unsafe { core::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (to, from) in address.sun_path.iter_mut().zip(path.as_os_str().as_bytes()) {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    (address, size_of::<libc::sockaddr_un>() as libc::socklen_t)
}

/// Connects without a word.
///
/// # Errors
/// The kernel's.
pub fn dial(path: &Path) -> io::Result<OwnedFd> {
    connect(seqpacket(0), path)
}

/// The same, and does not wait where the listener's queue is full. What it sends and receives does not wait either.
///
/// # Errors
/// The kernel's: `WouldBlock` where the queue is full.
pub fn try_dial(path: &Path) -> io::Result<OwnedFd> {
    connect(seqpacket(libc::SOCK_NONBLOCK), path)
}

fn connect(line: OwnedFd, path: &Path) -> io::Result<OwnedFd> {
    let (address, length) = address(path);
    // SAFETY: `address` is valid for reads of `length` bytes.
    let done = unsafe { libc::connect(line.as_raw_fd(), (&raw const address).cast(), length) };
    if done == 0 {
        Ok(line)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Listens as a server would.
pub fn listen(path: &Path) -> OwnedFd {
    let line = seqpacket(0);
    let (address, length) = address(path);
    // SAFETY: `address` is valid for reads of `length` bytes.
    let bound = unsafe { libc::bind(line.as_raw_fd(), (&raw const address).cast(), length) };
    assert_eq!(bound, 0, "{}", io::Error::last_os_error());
    // SAFETY: no memory is passed.
    assert_eq!(unsafe { libc::listen(line.as_raw_fd(), 16) }, 0);
    line
}

/// Waits for a client.
pub fn accept(listener: &OwnedFd) -> OwnedFd {
    // SAFETY: null pointers are allowed where no address is wanted.
    owned(unsafe {
        libc::accept4(
            listener.as_raw_fd(),
            core::ptr::null_mut(),
            core::ptr::null_mut(),
            libc::SOCK_CLOEXEC,
        )
    })
}

/// One message with descriptors. Says whether the kernel took it: there are descriptors that it sends to nobody (`io_uring` instances, from Linux 6.7 on), and the line may be closed.
pub fn send(line: &OwnedFd, bytes: &[u8], descriptors: &[RawFd]) -> bool {
    let mut part = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let mut control = Control([0; 1280]);
    // SAFETY: all-zero bytes are a valid `msghdr`.
    let mut message: libc::msghdr = unsafe { core::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    if !descriptors.is_empty() {
        attach(&mut message, &mut control, descriptors);
    }
    let sent = again(|| {
        // SAFETY: all that `message` points to lives until the call returns.
        check_length(unsafe {
            libc::sendmsg(line.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL)
        })
    });
    sent.is_ok()
}

/// Whether a descriptor is readable within so many milliseconds.
pub fn readable(fd: BorrowedFd<'_>, milliseconds: i32) -> bool {
    is(fd, libc::POLLIN, milliseconds)
}

/// Whether one of `events` is there within so many milliseconds. A fuzzer has a clock, whose signal may come at any time, and the milliseconds begin anew then.
fn is(fd: BorrowedFd<'_>, events: libc::c_short, milliseconds: i32) -> bool {
    let mut poll = libc::pollfd {
        fd: fd.as_raw_fd(),
        events,
        revents: 0,
    };
    // SAFETY: `poll` is one valid entry.
    let answered = again(|| check(unsafe { libc::poll(&raw mut poll, 1, milliseconds) }));
    answered.expect("a descriptor can be polled") == 1
}

/// Waits for an answer, for at most a minute.
pub fn wait_readable(line: &OwnedFd) {
    assert!(readable(line.as_fd(), 60_000), "no answer");
}

/// The next message and its descriptors; empty when the other end is closed. Waits for at most a minute.
pub fn receive(line: &OwnedFd) -> (Vec<u8>, Vec<OwnedFd>) {
    wait_readable(line);
    let mut bytes = vec![0u8; 4096];
    let mut part = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    let mut control = Control([0; 1280]);
    // SAFETY: all-zero bytes are a valid `msghdr`.
    let mut message: libc::msghdr = unsafe { core::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    let mut take = || {
        again(|| {
            // SAFETY: all that `message` points to lives until the call returns.
            check_length(unsafe {
                libc::recvmsg(line.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC)
            })
        })
    };
    let length = match take() {
        // The other end left something of ours unread. The kernel says so once; what it had said comes next.
        Err(error) if error.raw_os_error() == Some(libc::ECONNRESET) => take(),
        taken => taken,
    };
    bytes.truncate(length.unwrap_or(0));
    let mut descriptors = Vec::new();
    // SAFETY: the kernel has filled the buffer; headers and their data lie inside it, and its descriptors are new.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while !header.is_null() {
            if (*header).cmsg_type == libc::SCM_RIGHTS {
                let count = ((*header).cmsg_len as usize - libc::CMSG_LEN(0) as usize) / 4;
                for index in 0..count {
                    let data = libc::CMSG_DATA(header).cast::<RawFd>();
                    descriptors.push(OwnedFd::from_raw_fd(data.add(index).read_unaligned()));
                }
            }
            // A socket that the library made asks for one with each message.
            if (*header).cmsg_type == SCM_PIDFD {
                let data = libc::CMSG_DATA(header).cast::<RawFd>();
                drop(OwnedFd::from_raw_fd(data.read_unaligned()));
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
    }
    (bytes, descriptors)
}

/// Two sockets, each the other end of the other.
pub(super) fn pair() -> (OwnedFd, OwnedFd) {
    let mut ends = [0; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: `ends` is valid for writes.
    let made = unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) };
    assert_eq!(made, 0, "{}", io::Error::last_os_error());
    (owned(ends[0]), owned(ends[1]))
}

/// Whether the other end has hung up.
pub fn is_gone(line: &OwnedFd) -> bool {
    is(line.as_fd(), libc::POLLRDHUP, 0)
}
