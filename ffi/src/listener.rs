//! Waiting for clients.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;

use ringway::Listener;

use crate::boundary::{call, given, quietly, tell, text};
use crate::config::ringway_config;
use crate::connection::ringway_connection;
use crate::error::Failure;
use crate::status::ringway_status;
use crate::wait::Patience;

/// Waits for clients. One thread at a time uses it; it may be handed to another. Freeing it removes the name; connections go on.
#[derive(Debug)]
pub struct ringway_listener {
    pub(crate) listener: Listener,
}

/// Listens under a name, or at a path, which is what contains a slash. May be called from any thread. Free it with `ringway_listener_free`.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_bind(
    config: Option<&ringway_config>,
    address: *const c_char,
    listener: Option<&mut MaybeUninit<Box<ringway_listener>>>,
) -> ringway_status {
    call(|| {
        let config = given(config, "config")?;
        // SAFETY: the caller's promise.
        let address = unsafe { text(address, "address") }?;
        let out = given(listener, "listener")?;
        let listener = config.config.bind(address)?;
        out.write(Box::new(ringway_listener { listener }));
        Ok(())
    })
}

/// The next client that completes the handshake. `timeout`: nanoseconds; 0 does not wait (`RINGWAY_EMPTY`: there is none now), negative waits for ever. Clients that are refused are counted and passed over. `RINGWAY_BUSY`: it was handed over, and no handshake of its own is left.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_listener_accept(
    listener: Option<&mut ringway_listener>,
    timeout: i64,
    connection: Option<&mut MaybeUninit<Box<ringway_connection>>>,
) -> ringway_status {
    call(|| {
        let listener = &mut given(listener, "listener")?.listener;
        let connection = given(connection, "connection")?;
        let accepted = match Patience::of(timeout) {
            Patience::Endless => listener.accept()?,
            Patience::Until(deadline) => listener.accept_deadline(deadline)?,
            Patience::None => match listener.try_accept()? {
                Some(accepted) => accepted,
                // It says so.
                None if listener.is_idle() => listener.accept()?,
                None => {
                    let status = ringway_status::RINGWAY_EMPTY;
                    return Err(Failure::new(status, "no client has come"));
                }
            },
        };
        connection.write(ringway_connection::new(accepted));
        Ok(())
    })
}

/// The path of its socket, with a zero behind it. `length` gets the bytes of the text without the zero, also where it does not fit (`RINGWAY_TRUNCATED`).
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_listener_path(
    listener: Option<&ringway_listener>,
    buffer: *mut c_char,
    capacity: usize,
    length: Option<&mut MaybeUninit<usize>>,
) -> ringway_status {
    call(|| {
        let listener = given(listener, "listener")?;
        let path = listener.listener.path().as_os_str().as_bytes();
        // SAFETY: the caller's promise.
        unsafe { tell(path, buffer, capacity, length) }
    })
}

/// Clients that were refused, and why the last one was: the same words that it was told. The text is empty while none was. `length` as for `ringway_listener_path`.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_listener_refusals(
    listener: Option<&ringway_listener>,
    count: Option<&mut MaybeUninit<u64>>,
    buffer: *mut c_char,
    capacity: usize,
    length: Option<&mut MaybeUninit<usize>>,
) -> ringway_status {
    call(|| {
        let listener = &given(listener, "listener")?.listener;
        let count = given(count, "count")?;
        let last = listener.last_refusal().map(ToString::to_string);
        // SAFETY: the caller's promise.
        unsafe {
            tell(
                last.unwrap_or_default().as_bytes(),
                buffer,
                capacity,
                length,
            )
        }?;
        count.write(listener.refusals());
        Ok(())
    })
}

/// A descriptor for an event loop: readable when `ringway_listener_accept` has something to do; call it with 0 until it answers `RINGWAY_EMPTY`. It is the listener's, and is not to be closed.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_listener_descriptor(
    listener: Option<&ringway_listener>,
    descriptor: Option<&mut MaybeUninit<i32>>,
) -> ringway_status {
    call(|| {
        let listener = given(listener, "listener")?;
        given(descriptor, "descriptor")?.write(listener.listener.as_fd().as_raw_fd());
        Ok(())
    })
}

/// Listens no more, and takes the socket's file away. A process that ends without this, killed or not, leaves the file there, which harms nobody: who connects is told that nobody listens, and the next who listens takes its place.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_listener_free(listener: Option<Box<ringway_listener>>) {
    quietly(|| drop(listener));
}
