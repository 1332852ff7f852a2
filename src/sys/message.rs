//! Messages with descriptors and credentials attached (`sendmsg`, `recvmsg`, `SCM_RIGHTS`, `SCM_CREDENTIALS`, `SCM_PIDFD`).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::credentials::Speaker;
use super::last_error;

/// The most descriptors that one message of the handshake carries.
pub(crate) const MAX_DESCRIPTORS: usize = 3;

const SCM_PIDFD: libc::c_int = 4;

/// Room for as many descriptors as one message can carry (`SCM_MAX_FD`, 253), the credentials and a pidfd, aligned as `cmsghdr`
/// asks. One that found no room would be closed inside our call (`line.rs`).
const CONTROL: usize = 1280;

#[repr(C, align(8))]
struct Control([u8; CONTROL]);

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
    /// Descriptors were sent that did not arrive, and why.
    pub(crate) lost: Option<Loss>,
    /// Descriptors that arrived, in order.
    pub(crate) descriptors: Vec<OwnedFd>,
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
        let payload = u32::try_from(size_of_val(raw.as_slice())).unwrap_or(0);
        message.msg_control = control.0.as_mut_ptr().cast();
        // SAFETY: `CMSG_SPACE` is arithmetic.
        message.msg_controllen = unsafe { libc::CMSG_SPACE(payload) } as _;
        // SAFETY: the control buffer is aligned and longer than `CMSG_SPACE` of at most three descriptors, so the first
        // header and its data lie inside it.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(payload) as _;
            core::ptr::copy_nonoverlapping(
                raw.as_ptr().cast::<u8>(),
                libc::CMSG_DATA(header),
                payload as usize,
            );
        }
    }
    loop {
        // SAFETY: `message` points to `part`, `bytes` and `control`, which all live until the call returns.
        let sent = unsafe {
            libc::sendmsg(
                fd.as_raw_fd(),
                &raw const message,
                libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT,
            )
        };
        if sent != -1 {
            return Ok(());
        }
        let error = last_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Takes the next message into `buffer`; `None` when there is none yet. Every descriptor in it is owned on return,
/// whatever else is wrong with the message.
pub(crate) fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Option<Received>> {
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    let mut control = Control([0; CONTROL]);
    // SAFETY: all-zero bytes are a valid `msghdr`.
    let mut message: libc::msghdr = unsafe { core::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    let mut reset = false;
    let length = loop {
        // SAFETY: `message` points to `part`, `buffer` and `control`, which all live until the call returns.
        let length = unsafe {
            libc::recvmsg(
                fd.as_raw_fd(),
                &raw mut message,
                libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC,
            )
        };
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
            Some(libc::ECONNRESET) => break 0,
            _ => return Err(error),
        }
    };
    let (descriptors, speaker) = attachments(&message);
    // The kernel's flag has one cause, now that there is room: ours. But what it says matters less where too many were sent.
    let cause = if descriptors.len() > MAX_DESCRIPTORS {
        Loss::TooMany
    } else {
        Loss::NoRoom
    };
    Ok(Some(Received {
        length,
        truncated: message.msg_flags & libc::MSG_TRUNC != 0,
        lost: (message.msg_flags & libc::MSG_CTRUNC != 0).then_some(cause),
        descriptors,
        speaker,
    }))
}

/// Walks the control messages that the kernel wrote.
fn attachments(message: &libc::msghdr) -> (Vec<OwnedFd>, Option<Speaker>) {
    let mut descriptors = Vec::new();
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
