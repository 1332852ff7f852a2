//! The half that sends.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use ringway::{Group, Reservation, SendError, Sender};

use crate::boundary::{bytes, call, given, quietly};
use crate::error::Failure;
use crate::status::ringway_status;
use crate::wait::Patience;

/// The half of a connection that sends. One thread at a time uses it; it may be handed to another, and the half that receives may be used meanwhile. At most one reservation
/// and one group are open in it. Freeing it says goodbye to the peer, which first reads what was sent.
#[derive(Debug)]
pub struct ringway_sender {
    half: NonNull<Sender>,
    about: ringway_half,
    process: u32,
    /// A group or a reservation is open: what is below borrows the half.
    open: bool,
    pub(crate) reserved: usize,
    pub(crate) reservation: Option<Reservation<'static>>,
    group: Option<Group<'static>>,
}

// SAFETY: it owns the half, which may be sent to another thread, and what borrows from it goes with it.
unsafe impl Send for ringway_sender {}

impl ringway_sender {
    pub(crate) fn new(half: Sender) -> Box<Self> {
        let about = ringway_half {
            capacity: half.capacity(),
            max_payload: half.max_payload(),
            priorities: half.priorities(),
            peer: half.peer().into(),
        };
        Box::new(Self {
            half: NonNull::from(Box::leak(Box::new(half))),
            about,
            process: std::process::id(),
            open: false,
            reserved: 0,
            reservation: None,
            group: None,
        })
    }

    /// The half, if nothing borrows it.
    #[inline(always)]
    pub(crate) fn idle(&mut self) -> Result<&mut Sender, Failure> {
        if self.open {
            return Err(self.is_open());
        }
        // SAFETY: from `Box::leak`, and freed by the drop alone; nothing else borrows it while nothing is open.
        Ok(unsafe { self.half.as_mut() })
    }

    #[cold]
    fn is_open(&self) -> Failure {
        Failure::turn(if self.reservation.is_some() {
            c"a reservation is open: commit or abort it first"
        } else {
            c"a group is open: publish it first"
        })
    }

    /// The half, or the group that is open in it.
    pub(crate) fn place(&mut self) -> Result<Place<'_>, Failure> {
        if self.reservation.is_some() {
            return Err(self.is_open());
        }
        match &mut self.group {
            // SAFETY: as in `idle`; there is no group, and no reservation either.
            None => Ok(Place::Half(unsafe { self.half.as_mut() })),
            Some(group) => Ok(Place::Group(group)),
        }
    }

    /// Asks the kernel.
    pub(crate) fn is_forked(&self) -> bool {
        self.process != std::process::id()
    }

    /// Keeps a reservation.
    pub(crate) fn keep(&mut self, reservation: Reservation<'static>) {
        self.reserved = reservation.len();
        self.reservation = Some(reservation);
        self.open = true;
    }

    pub(crate) fn take_reservation(&mut self) -> Result<Reservation<'static>, Failure> {
        let taken = self
            .reservation
            .take()
            .ok_or_else(|| Failure::turn(c"no reservation is open"))?;
        self.open = self.group.is_some();
        Ok(taken)
    }

    pub(crate) fn open_group(&mut self) -> Result<(), Failure> {
        let half: *mut Sender = self.idle()?;
        // SAFETY: the half lives until the drop, which ends the group first, and `open` keeps everybody from it meanwhile.
        let group = unsafe { &mut *half }.group();
        self.group = Some(group);
        self.open = true;
        Ok(())
    }

    pub(crate) fn take_group(&mut self) -> Result<Group<'static>, Failure> {
        if self.reservation.is_some() {
            return Err(self.is_open());
        }
        let taken = self
            .group
            .take()
            .ok_or_else(|| Failure::turn(c"no group is open"))?;
        self.open = false;
        Ok(taken)
    }

    /// Sends, or adds to the open group.
    pub(crate) fn send(
        &mut self,
        kind: u16,
        payload: &[u8],
        timeout: i64,
    ) -> Result<(), Failure> {
        let patience = Patience::of(timeout);
        match self.place()? {
            Place::Half(half) => match patience {
                Patience::None => half.try_send_kind(kind, payload)?,
                Patience::Until(deadline) => half.send_kind_deadline(kind, payload, deadline)?,
                Patience::Endless => half.send_kind(kind, payload)?,
            },
            Place::Group(group) => match (patience, kind) {
                (Patience::Endless, _) => group.send_kind(kind, payload)?,
                (Patience::None, 0) => group.try_send(payload)?,
                (Patience::Until(deadline), 0) => group.send_deadline(payload, deadline)?,
                _ => {
                    let text = "in a group, a frame of a kind waits for ever: reserve it, or publish first";
                    return Err(Failure::argument(text));
                }
            },
        }
        Ok(())
    }
}

/// Where the next frame goes.
pub(crate) enum Place<'a> {
    Half(&'a mut Sender),
    Group(&'a mut Group<'static>),
}

impl Drop for ringway_sender {
    fn drop(&mut self) {
        // In this order: each borrows from the next.
        self.reservation = None;
        self.group = None;
        // SAFETY: from `Box::leak`; what borrowed it is gone.
        drop(unsafe { Box::from_raw(self.half.as_ptr()) });
    }
}

/// Sends a copy of `length` bytes; where a group is open, adds it to that. `timeout`: nanoseconds to wait for room; 0 does not wait (`RINGWAY_FULL`), negative waits for ever. `RINGWAY_OK` means that the frame
/// is committed: the peer sees it even if this process ends in the next instruction. Nothing was sent otherwise.
///
/// With room in the ring it takes some ten instructions more than the same call in Rust, where `length` is 8, 16, 32 or 64; and no system call.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_sender_send(
    sender: Option<&mut ringway_sender>,
    data: *const c_void,
    length: usize,
    timeout: i64,
) -> ringway_status {
    call(|| {
        let sender = given(sender, "sender")?;
        if !sender.open && !data.is_null() {
            let half = sender.idle()?;
            // SAFETY: the caller's promise: as many bytes as `length`, each time.
            let sent = unsafe {
                match length {
                    64 => half.try_send(&*data.cast::<[u8; 64]>()),
                    32 => half.try_send(&*data.cast::<[u8; 32]>()),
                    16 => half.try_send(&*data.cast::<[u8; 16]>()),
                    8 => half.try_send(&*data.cast::<[u8; 8]>()),
                    _ => Err(SendError::Full),
                }
            };
            match sent {
                Ok(()) => return Ok(()),
                Err(SendError::Full) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // SAFETY: the caller's promise.
        let payload = unsafe { bytes(data, length, "data") }?;
        sender.send(0, payload, timeout)
    })
}

/// As `ringway_sender_send`, with a number that the receiver gets with the frame. In an open group it takes no timeout but for ever.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_sender_send_kind(
    sender: Option<&mut ringway_sender>,
    kind: u16,
    data: *const c_void,
    length: usize,
    timeout: i64,
) -> ringway_status {
    call(|| {
        let sender = given(sender, "sender")?;
        // SAFETY: the caller's promise.
        let payload = unsafe { bytes(data, length, "data") }?;
        sender.send(kind, payload, timeout)
    })
}

/// Sends a copy that expires `lifetime` nanoseconds from now, and waits for room until then. It is not sent where it would expire before the peer comes to it (`RINGWAY_QUEUE_TOO_LONG`, `RINGWAY_EXPIRED`).
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_sender_send_expiring(
    sender: Option<&mut ringway_sender>,
    kind: u16,
    data: *const c_void,
    length: usize,
    lifetime: u64,
) -> ringway_status {
    call(|| {
        let sender = given(sender, "sender")?;
        // SAFETY: the caller's promise.
        let payload = unsafe { bytes(data, length, "data") }?;
        let expires = Instant::now().checked_add(Duration::from_nanos(lifetime));
        let expires = expires.ok_or_else(|| Failure::argument("`lifetime` never ends"))?;
        match sender.place()? {
            Place::Half(half) => half.send_kind_expiring(kind, payload, expires)?,
            Place::Group(group) => group.send_kind_expiring(kind, payload, expires)?,
        }
        Ok(())
    })
}

/// Sends from now on at this priority: 0, which is the default, is received first. How many there are, both sides agree (`RINGWAY_LANES`).
#[unsafe(no_mangle)]
pub extern "C" fn ringway_sender_set_priority(
    sender: Option<&mut ringway_sender>,
    priority: usize,
) -> ringway_status {
    call(|| {
        let at = given(sender, "sender")?.idle()?.at(priority)?;
        // Left behind on purpose: frames that name no priority have this one from now on.
        std::mem::forget(at);
        Ok(())
    })
}

/// Asks the kernel whether the peer's receiver is still there, and says how the connection ended if it is not. Costs two system calls.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_sender_check(sender: Option<&mut ringway_sender>) -> ringway_status {
    call(|| Ok(given(sender, "sender")?.idle()?.check()?))
}

/// What was agreed of a half.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ringway_half {
    /// Bytes in its ring, that of each priority.
    pub capacity: usize,
    /// Bytes of the longest payload that is sent; of a receiver: the bytes of the ring, since the peer alone knows.
    pub max_payload: usize,
    /// How many priorities there are, 1 to 4.
    pub priorities: usize,
    /// Who is at the other end.
    pub peer: crate::connection::ringway_peer,
}

/// What was agreed of this half.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_sender_about(
    sender: Option<&ringway_sender>,
    about: Option<&mut MaybeUninit<ringway_half>>,
) -> ringway_status {
    call(|| {
        let sender = given(sender, "sender")?;
        given(about, "about")?.write(sender.about);
        Ok(())
    })
}

/// Closes this half: aborts a reservation that is open, publishes a group, and says goodbye.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_sender_free(sender: Option<Box<ringway_sender>>) {
    quietly(|| drop(sender));
}
