//! The half that receives.

use std::ffi::c_void;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;

use ringway::{Frame, Frames, Receiver};

use crate::boundary::{call, end, given, not_at_once, quietly, refused, room};
use crate::error::Failure;
use crate::sender::ringway_half;
use crate::status::ringway_status;
use crate::wait::Patience;

/// The half of a connection that receives. One thread at a time uses it; it may be handed to another, and the half that sends may be used meanwhile. At most one frame and
/// one batch are open in it. Freeing it tells the peer that nothing more is read.
#[derive(Debug)]
pub struct ringway_receiver {
    half: Receiver,
    state: State,
}

/// What the handle has besides. It lies apart from the half, which what is open borrows: a reference to the whole would end that.
#[derive(Debug)]
pub(crate) struct State {
    /// A frame or a batch is open, and borrows the half, or a call panicked.
    open: bool,
    /// A call panicked: what state the half is in nobody knows.
    poisoned: bool,
    about: ringway_half,
    pub(crate) manner: Manner,
    pub(crate) frame: Option<Frame<'static>>,
    pub(crate) batch: Option<Frames<'static>>,
}

/// How frames are released.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// They are held.
    pub(crate) holds: bool,
    /// The connection can be resumed.
    pub(crate) resumes: bool,
}

/// A handle that is lent for a call.
#[derive(Debug)]
pub(crate) struct Lent(NonNull<ringway_receiver>);

impl ringway_receiver {
    pub(crate) fn new(half: Receiver, manner: Manner) -> Box<Self> {
        Box::new(Self::of(half, manner))
    }

    pub(crate) fn of(half: Receiver, manner: Manner) -> Self {
        let about = ringway_half {
            capacity: half.capacity(),
            max_payload: half.capacity(),
            priorities: half.priorities(),
            peer: half.peer().into(),
        };
        Self {
            half,
            state: State {
                open: false,
                poisoned: false,
                about,
                manner,
                frame: None,
                batch: None,
            },
        }
    }

    /// The half, of a handle in which nothing is open.
    pub(crate) fn into_half(self) -> Receiver {
        self.half
    }
}

impl Lent {
    /// # Safety
    /// NULL, or a handle that was not freed, and that nobody else uses while this lives.
    #[inline(always)]
    pub(crate) unsafe fn of(receiver: Option<NonNull<ringway_receiver>>) -> Result<Self, Failure> {
        given(receiver, "receiver").map(Self)
    }

    #[inline(always)]
    pub(crate) fn state(&mut self) -> &mut State {
        // SAFETY: the handle lives and is ours alone by the promise of `of`, and nothing that is open borrows this part of it.
        unsafe { &mut (*self.0.as_ptr()).state }
    }

    /// # Safety
    /// Nothing is open that borrows the half, or it is not used while what is returned is.
    #[inline(always)]
    unsafe fn half<'a>(&self) -> &'a mut Receiver {
        // SAFETY: the handle lives and is ours alone by the promise of `of`; the rest is the caller's promise.
        unsafe { &mut (*self.0.as_ptr()).half }
    }

    /// The half, if nothing borrows it.
    #[inline(always)]
    pub(crate) fn idle(&mut self) -> Result<&mut Receiver, Failure> {
        self.lent()
    }

    /// The same, if this process is not a child of the one that has it.
    pub(crate) fn own(&mut self) -> Result<&mut Receiver, Failure> {
        let half = self.idle()?;
        if half.is_forked() {
            return Err(Failure::forked());
        }
        Ok(half)
    }

    /// The half, if nothing borrows it, for as long as the handle lives: for what is kept in it. The caller says so then (`settle`), which keeps everybody else from it.
    #[inline(always)]
    pub(crate) fn lent(&mut self) -> Result<&'static mut Receiver, Failure> {
        if self.state().open {
            return Err(self.is_open());
        }
        // SAFETY: nothing is open.
        Ok(unsafe { self.half() })
    }

    /// Refuses where a call panicked.
    pub(crate) fn sound(&mut self) -> Result<(), Failure> {
        if self.state().poisoned {
            return Err(Failure::poisoned());
        }
        Ok(())
    }

    /// Whether something borrows the half is told anew.
    pub(crate) fn settle(&mut self) {
        let state = self.state();
        state.open = state.poisoned || state.frame.is_some() || state.batch.is_some();
    }

    #[cold]
    fn is_open(&mut self) -> Failure {
        if self.state().poisoned {
            return Failure::poisoned();
        }
        Failure::turn(if self.state().frame.is_some() {
            c"a frame is open: release it first"
        } else {
            c"a batch is open: end it first"
        })
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

pub(crate) fn receive(
    half: &mut Receiver,
    buffer: &mut [u8],
    timeout: i64,
) -> Result<usize, Failure> {
    Ok(match Patience::of(timeout) {
        Patience::None => half.try_recv_into(buffer)?,
        Patience::Until(deadline) => half.recv_into_deadline(buffer, deadline)?,
        Patience::Endless => half.recv_into(buffer)?,
    })
}

/// Copies the next frame into `buffer` and releases it; `length` gets its bytes. `timeout`: nanoseconds to wait for one; 0 does not wait (`RINGWAY_EMPTY`), negative waits for ever. `RINGWAY_TRUNCATED`: the frame is longer
/// than `capacity`, and stays unread. What the bytes are when they have been copied nobody can change any more. After an error the buffer may hold any bytes.
/// The kind of the frame is lost: where it matters, `ringway_receiver_next` tells it, `ringway_receiver_copy` copies, and `ringway_receiver_release` gives the frame back.
///
/// A frame that is there, of kind 0, and fills the buffer takes the shortest way.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_receiver_recv(
    receiver: Option<NonNull<ringway_receiver>>,
    buffer: *mut c_void,
    capacity: usize,
    timeout: i64,
    length: Option<&mut MaybeUninit<usize>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let (mut receiver, buffer) =
            unsafe { (Lent::of(receiver)?, room(buffer, capacity, "buffer")?) };
        let length = given(length, "length")?;
        let half = receiver.idle()?;
        let got = if half.recv_at_once(buffer) {
            capacity
        } else {
            receive(half, buffer, timeout)?
        };
        length.write(got);
        Ok(())
    })
}

/// Copies the next frame into `buffer`, if it is there and has 64 bytes and the kind 0, and releases it: the shortest way, which `ringway_recv` takes by itself. `RINGWAY_NOT_AT_ONCE`: nothing was received, and `ringway_receiver_recv` does it, or knows why not; it may be so although there is a frame.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_receiver_recv_64(
    receiver: Option<NonNull<ringway_receiver>>,
    buffer: *mut c_void,
) -> ringway_status {
    // As in `ringway_sender_send_64`.
    let Some(receiver) = receiver else {
        return refused(c"`receiver` is NULL");
    };
    if buffer.is_null() {
        return refused(c"`buffer` is NULL");
    }
    let mut receiver = ManuallyDrop::new(Lent(receiver));
    if receiver.state().open {
        return not_at_once();
    }
    // SAFETY: nothing is open; and the caller's promise, of room for 64 bytes.
    let (half, room) = unsafe { (receiver.half(), &mut *buffer.cast::<[u8; 64]>()) };
    if half.recv_at_once(room) {
        ringway_status::RINGWAY_OK
    } else {
        not_at_once()
    }
}

/// Copies the next frame into `buffer`, if it is there and has `length` bytes and the kind 0, and releases it: for receivers that know what they expect. `RINGWAY_NOT_AT_ONCE`: nothing was received, although there may be a frame; `ringway_receiver_next` tells what there is.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_receiver_recv_exact(
    receiver: Option<NonNull<ringway_receiver>>,
    buffer: *mut c_void,
    length: usize,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let (mut receiver, buffer) =
            unsafe { (Lent::of(receiver)?, room(buffer, length, "buffer")?) };
        if receiver.idle()?.recv_at_once(buffer) {
            Ok(())
        } else {
            Err(Failure::plain(ringway_status::RINGWAY_NOT_AT_ONCE))
        }
    })
}

/// `true`: frames that are read stay unreleased, in the ring and counting against its capacity, until `ringway_receiver_release`, and `ringway_receiver_rewind` goes back to them. `false` releases them.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_receiver_hold(
    receiver: Option<NonNull<ringway_receiver>>,
    on: bool,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut receiver = unsafe { Lent::of(receiver) }?;
        receiver.own()?.hold(on);
        receiver.state().manner.holds = on;
        Ok(())
    })
}

/// Goes back to the first frame that is not released: it is received again. `bytes` gets the bytes of ring gone back; 0, where frames are not held.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_receiver_rewind(
    receiver: Option<NonNull<ringway_receiver>>,
    bytes: Option<&mut MaybeUninit<u64>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut receiver = unsafe { Lent::of(receiver) }?;
        let half = receiver.own()?;
        given(bytes, "bytes")?.write(half.rewind());
        Ok(())
    })
}

/// What was agreed of this half.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_receiver_about(
    receiver: Option<NonNull<ringway_receiver>>,
    about: Option<&mut MaybeUninit<ringway_half>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut receiver = unsafe { Lent::of(receiver) }?;
        given(about, "about")?.write(receiver.state().about);
        Ok(())
    })
}

/// What is said of the frame that was received last, by whichever call.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ringway_last {
    /// Its position: with the priority, and the token of `ringway_connection_lineage`, it names the frame for good. `UINT64_MAX` before the first one, where the connection cannot be resumed, and in a client, whose servers each begin anew.
    pub position: u64,
    /// Its priority.
    pub priority: u8,
    /// As in a `ringway_frame`: 0 for a new frame, 1 for one that no server has seen before, 2 for one that may have been handled.
    pub redelivery: u8,
}

/// What is said of the frame that was received last, for calls that return no `ringway_frame`; of several at once, of the last of them, and no other one of them is in doubt. Not while a frame or a batch is open, which says it itself.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_receiver_last(
    receiver: Option<NonNull<ringway_receiver>>,
    last: Option<&mut MaybeUninit<ringway_last>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut receiver = unsafe { Lent::of(receiver) }?;
        let half = receiver.own()?;
        given(last, "last")?.write(ringway_last {
            position: half.last_position().unwrap_or(u64::MAX),
            priority: half.last_priority() as u8,
            redelivery: half.last_redelivery() as u8,
        });
        Ok(())
    })
}

/// Closes this half, and says goodbye. What is open is given up, as `ringway_receiver_leave` does it.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_receiver_free(receiver: Option<NonNull<ringway_receiver>>) {
    quietly(|| {
        let Some(receiver) = receiver else { return };
        let mut lent = Lent(receiver);
        // In this order: each borrows from the next. Whoever gets here without having released them may have failed.
        if let Some(frame) = lent.state().frame.take() {
            frame.leave();
        }
        if let Some(batch) = lent.state().batch.take() {
            batch.leave();
        }
        let poisoned = lent.state().poisoned;
        drop(lent);
        // SAFETY: one that `Box` gave away, which the caller gives up with this call; what borrowed it is gone.
        end(unsafe { Box::from_raw(receiver.as_ptr()) }, poisoned);
    });
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use ringway::{Config, Listener, SendError};

    use super::*;

    /// As of a sender: what a panic leaves behind is not used again, and the peer is not told of an end in order.
    #[test]
    fn a_receiver_that_met_a_panic_answers_nothing_else_and_ends_without_a_goodbye() {
        let path =
            std::env::temp_dir().join(format!("ringway-ffi-poisoned-{}", std::process::id()));
        let config = Config::new().handshake_timeout(Duration::from_secs(20));
        let mut listener: Listener = config.bind(path.as_path()).unwrap();
        let client = std::thread::spawn(move || config.connect(path).unwrap());
        let (mut theirs, _unused) = listener.accept().unwrap().split();
        let (_ours, ours) = client.join().unwrap().split();
        let manner = Manner {
            holds: false,
            resumes: false,
        };
        let receiver = Some(NonNull::from(Box::leak(ringway_receiver::new(
            ours, manner,
        ))));
        theirs.send(&[7; 64]).unwrap();
        let mut frame = MaybeUninit::uninit();
        // SAFETY: the handle lives.
        let opened =
            unsafe { crate::frame::ringway_receiver_next(receiver, 1 << 40, Some(&mut frame)) };
        assert_eq!(opened, ringway_status::RINGWAY_OK);
        let panicked = call(|| {
            // SAFETY: it was just made, and nobody else has it.
            let _lent = unsafe { Lent::of(receiver) }?;
            panic!("planted");
        });
        assert_eq!(panicked, ringway_status::RINGWAY_PANICKED);
        let mut buffer = [0u8; 64];
        let start = buffer.as_mut_ptr().cast();
        let mut length = MaybeUninit::uninit();
        // SAFETY: the handle lives, and as many bytes are there.
        let answers = unsafe {
            [
                ringway_receiver_recv(receiver, start, 64, 0, Some(&mut length)),
                ringway_receiver_recv_exact(receiver, start, 64),
                ringway_receiver_hold(receiver, true),
                crate::frame::ringway_receiver_next(receiver, 0, Some(&mut frame)),
                crate::frame::ringway_receiver_copy(receiver, 0, start, 64, Some(&mut length)),
                crate::frame::ringway_receiver_release(receiver),
                crate::batch::ringway_receiver_open_batch(receiver, 3, 0),
                crate::batch::ringway_receiver_end_batch(receiver),
            ]
        };
        assert_eq!(answers, [ringway_status::RINGWAY_PANICKED; 8]);
        // SAFETY: as above.
        let at_once = unsafe { ringway_receiver_recv_64(receiver, start) };
        assert_eq!(at_once, ringway_status::RINGWAY_NOT_AT_ONCE);
        // SAFETY: it is given up.
        unsafe { ringway_receiver_free(receiver) };
        let until = Instant::now() + Duration::from_secs(10);
        let heard = loop {
            if let Err(heard) = theirs.send_deadline(&[7; 64], until) {
                break heard;
            }
        };
        assert_eq!(heard, SendError::PeerClosed);
    }
}
