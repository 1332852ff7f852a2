//! The half that sends.

use std::ffi::c_void;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use ringway::{Group, Owed, Reservation, Sender};

use crate::boundary::{bytes, call, end, given, not_at_once, quietly, refused};
use crate::error::Failure;
use crate::status::ringway_status;
use crate::wait::Patience;

/// The half of a connection that sends. One thread at a time uses it; it may be handed to another, and the half that receives may be used meanwhile. At most one reservation
/// and one group are open in it. Freeing it says goodbye to the peer, which first reads what was sent.
#[derive(Debug)]
pub struct ringway_sender {
    half: Sender,
    state: State,
}

/// What the handle has besides. It lies apart from the half, which what is open borrows: a reference to the whole would end that.
#[derive(Debug)]
struct State {
    /// A group or a reservation is open, and borrows the half, or a call panicked.
    open: bool,
    /// A call panicked: what state the half is in nobody knows.
    poisoned: bool,
    about: ringway_half,
    process: u32,
    reserved: usize,
    reservation: Option<Reservation<'static>>,
    group: Option<Group<'static>>,
}

/// A handle that is lent for a call.
#[derive(Debug)]
pub(crate) struct Lent(NonNull<ringway_sender>);

impl ringway_sender {
    pub(crate) fn new(half: Sender) -> Box<Self> {
        Box::new(Self::of(half))
    }

    pub(crate) fn of(half: Sender) -> Self {
        let about = ringway_half {
            capacity: half.capacity(),
            max_payload: half.max_payload(),
            priorities: half.priorities(),
            peer: half.peer().into(),
        };
        Self {
            half,
            state: State {
                open: false,
                poisoned: false,
                about,
                process: std::process::id(),
                reserved: 0,
                reservation: None,
                group: None,
            },
        }
    }

    /// The half, of a handle in which nothing is open.
    pub(crate) fn into_half(self) -> Sender {
        self.half
    }
}

impl Lent {
    /// # Safety
    /// NULL, or a handle that was not freed, and that nobody else uses while this lives.
    #[inline(always)]
    pub(crate) unsafe fn of(sender: Option<NonNull<ringway_sender>>) -> Result<Self, Failure> {
        given(sender, "sender").map(Self)
    }

    #[inline(always)]
    fn state(&mut self) -> &mut State {
        // SAFETY: the handle lives and is ours alone by the promise of `of`, and nothing that is open borrows this part of it.
        unsafe { &mut (*self.0.as_ptr()).state }
    }

    /// # Safety
    /// Nothing is open that borrows the half, or it is not used while what is returned is.
    #[inline(always)]
    unsafe fn half<'a>(&self) -> &'a mut Sender {
        // SAFETY: the handle lives and is ours alone by the promise of `of`; the rest is the caller's promise.
        unsafe { &mut (*self.0.as_ptr()).half }
    }

    /// The half, if nothing borrows it.
    #[inline(always)]
    pub(crate) fn idle(&mut self) -> Result<&mut Sender, Failure> {
        if self.state().open {
            return Err(self.is_open());
        }
        // SAFETY: nothing is open.
        Ok(unsafe { self.half() })
    }

    /// The same, if this process is not a child of the one that has it.
    pub(crate) fn own(&mut self) -> Result<&mut Sender, Failure> {
        let half = self.idle()?;
        if half.is_forked() {
            return Err(Failure::forked());
        }
        Ok(half)
    }

    #[cold]
    fn is_open(&mut self) -> Failure {
        if self.state().poisoned {
            return Failure::poisoned();
        }
        Failure::turn(if self.state().reservation.is_some() {
            c"a reservation is open: commit or abort it first"
        } else {
            c"a group is open: publish it first"
        })
    }

    /// The half, or the group that is open in it.
    pub(crate) fn place(&mut self) -> Result<Place<'_>, Failure> {
        if self.state().reservation.is_some() || self.state().poisoned {
            return Err(self.is_open());
        }
        if self.state().group.is_none() {
            // SAFETY: nothing is open.
            return Ok(Place::Half(unsafe { self.half() }));
        }
        let group = self.state().group.as_mut();
        group.map(Place::Group).ok_or_else(Failure::forked)
    }

    /// The reserved bytes, if there is a reservation.
    pub(crate) fn reserved(&mut self) -> Option<usize> {
        let state = self.state();
        state.reservation.as_ref().map(|_| state.reserved)
    }

    /// Asks the kernel.
    pub(crate) fn is_forked(&mut self) -> bool {
        self.state().process != std::process::id()
    }

    /// Keeps a reservation.
    pub(crate) fn keep(&mut self, reservation: Reservation<'static>) {
        let state = self.state();
        state.reserved = reservation.len();
        state.reservation = Some(reservation);
        state.open = true;
    }

    pub(crate) fn take_reservation(&mut self) -> Result<Reservation<'static>, Failure> {
        if self.state().poisoned {
            return Err(self.is_open());
        }
        let state = self.state();
        let taken = state
            .reservation
            .take()
            .ok_or_else(|| Failure::turn(c"no reservation is open"))?;
        state.open = state.group.is_some();
        Ok(taken)
    }

    pub(crate) fn open_group(&mut self) -> Result<(), Failure> {
        self.own()?;
        // SAFETY: nothing is open, and from now on `open` keeps everybody from the half until the group has ended.
        let half = unsafe { self.half() };
        let state = self.state();
        state.group = Some(half.group());
        state.open = true;
        Ok(())
    }

    pub(crate) fn take_group(&mut self) -> Result<Group<'static>, Failure> {
        if self.state().reservation.is_some() || self.state().poisoned {
            return Err(self.is_open());
        }
        let state = self.state();
        let taken = state
            .group
            .take()
            .ok_or_else(|| Failure::turn(c"no group is open"))?;
        state.open = false;
        Ok(taken)
    }

    /// Sends, or adds to the open group.
    fn send(&mut self, kind: u16, payload: &[u8], timeout: i64) -> Result<(), Failure> {
        let patience = Patience::of(timeout);
        match self.place()? {
            Place::Half(half) => match patience {
                Patience::None => half.try_send_kind(kind, payload)?,
                Patience::Until(deadline) => half.send_kind_deadline(kind, payload, deadline)?,
                Patience::Endless => half.send_kind(kind, payload)?,
            },
            Place::Group(group) => match patience {
                Patience::None => group.try_send_kind(kind, payload)?,
                Patience::Until(deadline) => group.send_kind_deadline(kind, payload, deadline)?,
                Patience::Endless => group.send_kind(kind, payload)?,
            },
        }
        Ok(())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let state = self.state();
            state.poisoned = true;
            state.open = true;
        }
    }
}

/// Where the next frame goes.
pub(crate) enum Place<'a> {
    Half(&'a mut Sender),
    Group(&'a mut Group<'static>),
}

/// Sends a copy of `length` bytes; where a group is open, adds it to that. `timeout`: nanoseconds to wait for room; 0 does not wait (`RINGWAY_FULL`), negative waits for ever. `RINGWAY_OK` means that the frame
/// is committed: the peer sees it even if this process ends in the next instruction. Nothing was sent otherwise.
///
/// With room in the ring it makes no system call.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_sender_send(
    sender: Option<NonNull<ringway_sender>>,
    data: *const c_void,
    length: usize,
    timeout: i64,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let (mut sender, payload) = unsafe { (Lent::of(sender)?, bytes(data, length, "data")?) };
        if let Ok(half) = sender.idle() {
            let sent = match length {
                // SAFETY: as many bytes are there.
                32 => half.send_at_once(unsafe { &*data.cast::<[u8; 32]>() }),
                // SAFETY: as many bytes are there.
                16 => half.send_at_once(unsafe { &*data.cast::<[u8; 16]>() }),
                // SAFETY: as many bytes are there.
                8 => half.send_at_once(unsafe { &*data.cast::<[u8; 8]>() }),
                _ => half.send_at_once(payload),
            };
            if let Some(owed) = sent {
                if !owed.is_nothing() {
                    half.settle(owed);
                }
                return Ok(());
            }
        }
        sender.send(0, payload, timeout)
    })
}

/// Sends a copy of 64 bytes, if that takes nothing but stores: the shortest way, which `ringway_send` takes by itself. `RINGWAY_NOT_AT_ONCE`: nothing was sent, and `ringway_sender_send` does it, or knows why not; it may be so although there is room.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_sender_send_64(
    sender: Option<NonNull<ringway_sender>>,
    data: *const c_void,
) -> ringway_status {
    // Nothing here calls anything but at its end, and nothing panics: so there is no frame of this function, and no register to save.
    let Some(sender) = sender else {
        return refused(c"`sender` is NULL");
    };
    if data.is_null() {
        return refused(c"`data` is NULL");
    }
    // Nothing panics while it is lent here, and whether something does is not asked.
    let mut sender = ManuallyDrop::new(Lent(sender));
    if sender.state().open {
        return not_at_once();
    }
    // SAFETY: nothing is open; and the caller's promise, of 64 bytes.
    let (half, payload) = unsafe { (sender.half(), &*data.cast::<[u8; 64]>()) };
    match half.send_at_once(payload) {
        Some(owed) if owed.is_nothing() => ringway_status::RINGWAY_OK,
        Some(owed) => settle(half, owed),
        None => not_at_once(),
    }
}

/// It is sent, whatever becomes of the wake.
#[cold]
#[inline(never)]
#[allow(
    improper_ctypes_definitions,
    reason = "of this ABI so that nothing unwinds through its caller; C never calls it"
)]
extern "C" fn settle(half: &mut Sender, owed: Owed) -> ringway_status {
    quietly(|| half.settle(owed));
    ringway_status::RINGWAY_OK
}

/// As `ringway_sender_send`, with a number that the receiver gets with the frame.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_sender_send_kind(
    sender: Option<NonNull<ringway_sender>>,
    kind: u16,
    data: *const c_void,
    length: usize,
    timeout: i64,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let (mut sender, payload) = unsafe { (Lent::of(sender)?, bytes(data, length, "data")?) };
        sender.send(kind, payload, timeout)
    })
}

/// Sends a copy that expires `lifetime` nanoseconds from now, and waits for room until then. It is not sent where it would expire before the peer comes to it (`RINGWAY_QUEUE_TOO_LONG`, `RINGWAY_EXPIRED`).
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_sender_send_expiring(
    sender: Option<NonNull<ringway_sender>>,
    kind: u16,
    data: *const c_void,
    length: usize,
    lifetime: u64,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let (mut sender, payload) = unsafe { (Lent::of(sender)?, bytes(data, length, "data")?) };
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
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_sender_set_priority(
    sender: Option<NonNull<ringway_sender>>,
    priority: usize,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut sender = unsafe { Lent::of(sender) }?;
        let at = sender.own()?.at(priority)?;
        // Left behind on purpose: frames that name no priority have this one from now on.
        std::mem::forget(at);
        Ok(())
    })
}

/// Asks the kernel whether the peer's receiver is still there, and says how the connection ended if it is not. Costs two system calls.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_sender_check(
    sender: Option<NonNull<ringway_sender>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut sender = unsafe { Lent::of(sender) }?;
        Ok(sender.idle()?.check()?)
    })
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
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_sender_about(
    sender: Option<NonNull<ringway_sender>>,
    about: Option<&mut MaybeUninit<ringway_half>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut sender = unsafe { Lent::of(sender) }?;
        given(about, "about")?.write(sender.state().about);
        Ok(())
    })
}

/// Closes this half: aborts a reservation that is open, publishes a group, and says goodbye.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_sender_free(sender: Option<NonNull<ringway_sender>>) {
    quietly(|| {
        let Some(sender) = sender else { return };
        let mut lent = Lent(sender);
        // In this order: each borrows from the next.
        lent.state().reservation = None;
        lent.state().group = None;
        let poisoned = lent.state().poisoned;
        drop(lent);
        // SAFETY: one that `Box` gave away, which the caller gives up with this call; what borrowed it is gone.
        end(unsafe { Box::from_raw(sender.as_ptr()) }, poisoned);
    });
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ringway::{Config, Listener, RecvError};

    use super::*;

    /// What a panic leaves behind is not used again, and the peer does not take what it has for the whole.
    #[test]
    fn a_half_that_met_a_panic_answers_nothing_else_and_ends_without_a_goodbye() {
        let path = std::env::temp_dir().join(format!("ringway-ffi-poison-{}", std::process::id()));
        let config = Config::new().handshake_timeout(Duration::from_secs(20));
        let mut listener: Listener = config.bind(path.as_path()).unwrap();
        let client = std::thread::spawn(move || config.connect(path).unwrap());
        let (_theirs, mut receiver) = listener.accept().unwrap().split();
        let (ours, _unused) = client.join().unwrap().split();
        let sender = NonNull::from(Box::leak(ringway_sender::new(ours)));
        let panicked = call(|| {
            // SAFETY: it was just made, and nobody else has it.
            let _lent = unsafe { Lent::of(Some(sender)) }?;
            panic!("planted");
        });
        assert_eq!(panicked, ringway_status::RINGWAY_PANICKED);
        let payload = [7u8; 64];
        // SAFETY: the handle lives, and as many bytes are there.
        let (at_once, sent, opened) = unsafe {
            (
                ringway_sender_send_64(Some(sender), payload.as_ptr().cast()),
                ringway_sender_send(Some(sender), payload.as_ptr().cast(), 64, 0),
                crate::group::ringway_sender_open_group(Some(sender)),
            )
        };
        assert_eq!(at_once, ringway_status::RINGWAY_NOT_AT_ONCE);
        assert_eq!(sent, ringway_status::RINGWAY_PANICKED);
        assert_eq!(opened, ringway_status::RINGWAY_PANICKED);
        // SAFETY: it is given up.
        unsafe { ringway_sender_free(Some(sender)) };
        let until = Instant::now() + Duration::from_secs(10);
        let heard = receiver.recv_deadline(until).unwrap_err();
        assert_eq!(heard, RecvError::PeerClosed);
    }
}
