//! Messages with descriptors and credentials attached (`sendmsg`, `recvmsg`, `SCM_RIGHTS`, `SCM_CREDENTIALS`, `SCM_PIDFD`).
//!
//! A file in flight whose last reference goes inside our `recvmsg` is released there, which can take as long as its sender likes: one that
//! found no room in the buffer or in our table. So a message is never taken as it is found. It is looked at first (`MSG_PEEK`), which
//! hands out new references and drops none, and is taken when all that came with it is ours. One with more than
//! we want stays where it is, and whoever closes the socket has it closed aside ([`line`](super::line)).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::aside::Descriptors;
use super::credentials::Speaker;
use super::{again, check_length, last_error};

/// The most descriptors that one message of the handshake carries.
pub(crate) const MAX_DESCRIPTORS: usize = 3;

pub(crate) const SCM_PIDFD: libc::c_int = 4;

/// Room for the credentials (32 bytes), a pidfd (24), and one descriptor more than any message of the handshake has (32), which tells
/// that there are too many. Aligned as `cmsghdr` asks.
const CONTROL: usize = 88;

/// Room for what comes along with a message, aligned as its headers have to be.
#[repr(C, align(8))]
pub(crate) struct Control<const ROOM: usize>(pub(crate) [u8; ROOM]);

/// Room for as much as one message can bring, and for who speaks.
const ROOM: usize = 1280;

#[repr(C, align(8))]
struct Room([u8; ROOM]);

/// Why descriptors did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// More were sent than any message of the handshake carries.
    TooMany,
    /// This process or host has reached its limit.
    NoRoom,
}

/// One received message.
#[derive(Debug)]
pub(crate) struct Received {
    /// Bytes written to the caller's buffer. Zero: the other end is closed.
    pub(crate) length: usize,
    /// The message was longer than the buffer.
    pub(crate) truncated: bool,
    /// Descriptors were sent that did not arrive, and why. The message is still in the queue: nothing behind it can be had.
    pub(crate) lost: Option<Loss>,
    /// Descriptors that arrived, in order.
    pub(crate) descriptors: Descriptors,
    /// Who sent this message, by the kernel's word.
    pub(crate) speaker: Option<Speaker>,
}

/// Sends `bytes` as one message with `descriptors` attached. Never blocks and raises no signal.
pub(crate) fn send(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut part = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let mut control = Control([0; CONTROL]);
    // SAFETY: all-zero bytes are a valid `msghdr`.
    let mut message: libc::msghdr = unsafe { core::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    if !descriptors.is_empty() {
        if descriptors.len() > MAX_DESCRIPTORS {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let raw: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        attach(&mut message, &mut control, &raw);
    }
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    again(|| {
        // SAFETY: `message` points to `part`, `bytes` and `control`, which all live until the call returns.
        check_length(unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const message, flags) })
    })
    .map(drop)
}

/// Has `message` bring descriptors along, in `control`, which has to live for as long as it is used.
pub(crate) fn attach<const ROOM: usize>(
    message: &mut libc::msghdr,
    control: &mut Control<ROOM>,
    descriptors: &[RawFd],
) {
    let payload = size_of_val(descriptors) as u32;
    message.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: `CMSG_SPACE` is arithmetic.
    let space = unsafe { libc::CMSG_SPACE(payload) };
    assert!(space as usize <= ROOM, "no such room");
    message.msg_controllen = space as _;
    // SAFETY: the control buffer is aligned and as long as the message says, so the first header and its data lie inside it.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const *message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(payload) as _;
        core::ptr::copy_nonoverlapping(
            descriptors.as_ptr().cast::<u8>(),
            libc::CMSG_DATA(header),
            payload as usize,
        );
    }
}

/// Takes the next message into `buffer`; `None` when there is none yet. To be called by one thread at a time.
pub(crate) fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Option<Received>> {
    let mut control = Control([0; CONTROL]);
    let flags = libc::MSG_PEEK | libc::MSG_CMSG_CLOEXEC;
    let Some((length, message)) = call(fd, buffer, &mut control.0, flags)? else {
        return Ok(None);
    };
    let (descriptors, speaker) = attachments(&message);
    let lost = (message.msg_flags & libc::MSG_CTRUNC != 0).then_some(
        if descriptors.len() > MAX_DESCRIPTORS {
            Loss::TooMany
        } else {
            Loss::NoRoom
        },
    );
    if lost.is_none() {
        if descriptors.is_empty() {
            take(fd)?;
        } else {
            // All that it brought is ours already.
            call(fd, &mut [], &mut [], 0)?;
        }
    }
    Ok(Some(Received {
        length,
        truncated: message.msg_flags & libc::MSG_TRUNC != 0,
        lost,
        descriptors,
        speaker,
    }))
}

/// Takes a message that has nothing attached, as far as a look has shown. The kernel copies a list to show it, and shows none where it
/// has no memory for the copy; so there is room for all that one message can bring (`SCM_MAX_FD`, 253), which is then closed aside.
pub(crate) fn take(fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut control = Room([0; ROOM]);
    if let Some((_, message)) = call(fd, &mut [], &mut control.0, libc::MSG_CMSG_CLOEXEC)? {
        drop(attachments(&message));
    }
    Ok(())
}

/// What is first in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    Nothing,
    /// A message of some bytes, with nothing attached.
    Plain,
    /// The end, or an empty message, or one with something attached.
    Other,
}

/// Looks at what is first in a queue, and leaves it there. To be called when credentials are no longer asked for: they are attachments.
pub(crate) fn first(fd: BorrowedFd<'_>) -> io::Result<First> {
    let mut scratch = [0; 8];
    let found = call(fd, &mut scratch, &mut [], libc::MSG_PEEK)?;
    Ok(match found {
        None => First::Nothing,
        Some((length, message)) if length > 0 && message.msg_flags & libc::MSG_CTRUNC == 0 => {
            First::Plain
        }
        Some(_) => First::Other,
    })
}

/// Whether there is nothing in a queue, for certain. It must be one that names speakers, because an empty message names one and the end does not.
pub(crate) fn is_empty(fd: BorrowedFd<'_>) -> bool {
    let mut scratch = [0; 8];
    let mut control = Control([0; CONTROL]);
    // Room for a speaker only: what is not handed out costs us no place in our table.
    // SAFETY: `CMSG_SPACE` is arithmetic.
    let room = unsafe { libc::CMSG_SPACE(size_of::<libc::ucred>() as libc::c_uint) } as usize;
    match call(fd, &mut scratch, &mut control.0[..room], libc::MSG_PEEK) {
        Ok(None) => true,
        Ok(Some((length, message))) => {
            length == 0 && message.msg_controllen == 0 && message.msg_flags & libc::MSG_CTRUNC == 0
        }
        Err(_) => false,
    }
}

/// One `recvmsg` that never blocks. `None`: there is nothing yet. The message that is returned describes `control` alone.
fn call(
    fd: BorrowedFd<'_>,
    buffer: &mut [u8],
    control: &mut [u8],
    flags: libc::c_int,
) -> io::Result<Option<(usize, libc::msghdr)>> {
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: all-zero bytes are a valid `msghdr`.
    let mut message: libc::msghdr = unsafe { core::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    if !control.is_empty() {
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = control.len() as _;
    }
    let mut reset = false;
    let length = loop {
        // SAFETY: `message` points to `part`, `buffer` and `control`, which all live until the call returns.
        let length =
            unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, flags | libc::MSG_DONTWAIT) };
        if let Ok(length) = usize::try_from(length) {
            break length;
        }
        let error = last_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::EAGAIN) => return Ok(None),
            // The other end closed while words of ours were unread there. The kernel says so once and before anything else, so
            // what it had said is still to be had: its Refuse, as likely as not.
            Some(libc::ECONNRESET) if !reset => reset = true,
            // To whoever looks that is an end; whoever has looked has not taken what was there.
            Some(libc::ECONNRESET) if flags & libc::MSG_PEEK != 0 => {
                message.msg_controllen = 0;
                break 0;
            }
            _ => return Err(error),
        }
    };
    message.msg_iov = core::ptr::null_mut();
    message.msg_iovlen = 0;
    Ok(Some((length, message)))
}

/// Walks the control messages that the kernel wrote.
fn attachments(message: &libc::msghdr) -> (Descriptors, Option<Speaker>) {
    let mut descriptors = Descriptors::default();
    let mut credentials = None;
    let mut pidfd = None;
    // SAFETY: `message` describes a control buffer that the kernel has just filled, so `CMSG_FIRSTHDR` and `CMSG_NXTHDR` yield
    // headers inside it, each followed by `cmsg_len` bytes of data; descriptors in it are new and owned by nobody else.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&raw const *message);
        while !header.is_null() {
            let data = libc::CMSG_DATA(header);
            let bytes = ((*header).cmsg_len as usize).saturating_sub(libc::CMSG_LEN(0) as usize);
            match ((*header).cmsg_level, (*header).cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                    for index in 0..bytes / size_of::<RawFd>() {
                        let raw = data.cast::<RawFd>().add(index).read_unaligned();
                        descriptors.push(OwnedFd::from_raw_fd(raw));
                    }
                }
                (libc::SOL_SOCKET, SCM_PIDFD) if bytes >= size_of::<RawFd>() => {
                    let raw = data.cast::<RawFd>().read_unaligned();
                    if raw >= 0 {
                        pidfd = Some(OwnedFd::from_raw_fd(raw));
                    }
                }
                (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) if bytes >= size_of::<libc::ucred>() => {
                    credentials = Some(data.cast::<libc::ucred>().read_unaligned());
                }
                _ => {}
            }
            header = libc::CMSG_NXTHDR(&raw const *message, header);
        }
    }
    (
        descriptors,
        credentials.map(|ucred| Speaker::new(ucred.pid, ucred.uid, pidfd)),
    )
}
