//! Listening sockets that change hands: from a server to its successor, and by systemd's protocol.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};

use ringway::Listener;

use crate::boundary::{call, given, quietly};
use crate::config::ringway_config;
use crate::error::Failure;
use crate::listener::ringway_listener;
use crate::status::ringway_status;

/// Listeners that were left open for this process.
#[derive(Debug)]
pub struct ringway_inherited {
    left: std::vec::IntoIter<Listener>,
}

/// Hands the listening socket over: the listener takes no more clients, and `descriptor` gets one with which another process does (`ringway_listen_on`), sent to it in whatever way; it is the caller's to close, and closed on `exec`.
/// Clients that connect meanwhile wait in the socket's queue: nobody is refused. Handshakes that have begun are this listener's: `ringway_listener_accept` goes on with them, and answers `RINGWAY_BUSY` when none is left. Freeing it turns nobody away then, and leaves the name.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_listener_hand_over(
    listener: Option<&mut ringway_listener>,
    descriptor: Option<&mut MaybeUninit<i32>>,
) -> ringway_status {
    call(|| {
        let listener = given(listener, "listener")?;
        let descriptor = given(descriptor, "descriptor")?;
        descriptor.write(listener.listener.hand_over()?.into_raw_fd());
        Ok(())
    })
}

/// Takes clients again after it was handed over: the other process did not come up. While both take clients, each client is let in by one of them.
/// `RINGWAY_NOT_FOUND`: the name is gone, or leads elsewhere: free this listener, and listen anew.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_listener_take_back(
    listener: Option<&mut ringway_listener>,
) -> ringway_status {
    call(|| Ok(given(listener, "listener")?.listener.take_back()?))
}

/// Listens on a socket that listens already: what `ringway_listener_hand_over` has given in another process, or a Unix socket of type `SOCK_SEQPACKET` with a path that somebody else has made (else `RINGWAY_DESCRIPTORS`).
/// The descriptor is the listener's from then on, unless this fails. The name is the other process's: freeing the listener leaves it there, and whoever listens under it next takes its place; at once it may still be taken (`RINGWAY_NAME_TAKEN`), since the socket is closed in the background.
/// Free it with `ringway_listener_free`.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_listen_on(
    config: Option<&ringway_config>,
    descriptor: i32,
    listener: Option<&mut MaybeUninit<Box<ringway_listener>>>,
) -> ringway_status {
    call(|| {
        let config = given(config, "config")?;
        let out = given(listener, "listener")?;
        if descriptor < 0 {
            return Err(Failure::argument("a descriptor is not negative"));
        }
        // What is there is looked at by number, which need not lead anywhere: this fails then.
        // SAFETY: a call without memory of ours.
        let copy = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 3) };
        if copy < 0 {
            let error = io::Error::last_os_error();
            if error.raw_os_error() == Some(libc::EBADF) {
                return Err(Failure::argument("the descriptor is not open"));
            }
            let text = format!("copying a descriptor: {error}");
            return Err(Failure::new(ringway_status::RINGWAY_RESOURCES, text));
        }
        // SAFETY: it was made just now, and is nobody's.
        let copy = unsafe { OwnedFd::from_raw_fd(copy) };
        let listener = config.config.listen_on(copy)?;
        // SAFETY: a call without memory of ours; the caller has given the descriptor away.
        unsafe { libc::close(descriptor) };
        out.write(Box::new(ringway_listener { listener }));
        Ok(())
    })
}

/// Listens on each socket that whoever started this process has left open for it: a server in Rust before it (`Listener::pass_to`), or systemd by socket activation (`LISTEN_FDS` and `LISTEN_PID`, a unit with `ListenSequentialPacket=`).
/// `inherited` has them, for `ringway_inherited_next`: none where there are none, so that a server listens under the name that it does not find, and none the second time. To be called early, before anything else is opened: whoever started this process names the descriptors by number.
/// Free it with `ringway_inherited_free`.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_inherit(
    config: Option<&ringway_config>,
    inherited: Option<&mut MaybeUninit<Box<ringway_inherited>>>,
) -> ringway_status {
    call(|| {
        let config = given(config, "config")?;
        let out = given(inherited, "inherited")?;
        let left = config.config.inherit()?.into_iter();
        out.write(Box::new(ringway_inherited { left }));
        Ok(())
    })
}

/// The next listener that was left open; `RINGWAY_EMPTY`: there is no more. `ringway_listener_path` tells them apart. Free it with `ringway_listener_free`.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_inherited_next(
    inherited: Option<&mut ringway_inherited>,
    listener: Option<&mut MaybeUninit<Box<ringway_listener>>>,
) -> ringway_status {
    call(|| {
        let left = &mut given(inherited, "inherited")?.left;
        let out = given(listener, "listener")?;
        let listener = left.next().ok_or_else(|| {
            let status = ringway_status::RINGWAY_EMPTY;
            Failure::new(status, "no more was left open for this process")
        })?;
        out.write(Box::new(ringway_listener { listener }));
        Ok(())
    })
}

/// Frees what is left of them: listeners that were not taken close, as by `ringway_listener_free`.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_inherited_free(inherited: Option<Box<ringway_inherited>>) {
    quietly(|| drop(inherited));
}
