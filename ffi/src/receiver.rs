//! The half that receives.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use ringway::{Frame, Frames, Receiver, RecvError};

use crate::boundary::{call, given, quietly, room};
use crate::error::Failure;
use crate::sender::ringway_half;
use crate::status::ringway_status;
use crate::wait::Patience;

/// The half of a connection that receives. One thread at a time uses it; it may be handed to another, and the half that sends may be used meanwhile. At most one frame and
/// one batch are open in it. Freeing it tells the peer that nothing more is read.
#[derive(Debug)]
pub struct ringway_receiver {
    half: NonNull<Receiver>,
    about: ringway_half,
    /// A frame or a batch is open: what is below borrows the half.
    open: bool,
    pub(crate) holds: bool,
    pub(crate) frame: Option<Frame<'static>>,
    pub(crate) batch: Option<Frames<'static>>,
}

// SAFETY: it owns the half, which may be sent to another thread, and what borrows from it goes with it.
unsafe impl Send for ringway_receiver {}

impl ringway_receiver {
    pub(crate) fn new(half: Receiver) -> Box<Self> {
        let about = ringway_half {
            capacity: half.capacity(),
            max_payload: half.capacity(),
            priorities: half.priorities(),
            peer: half.peer().into(),
        };
        Box::new(Self {
            half: NonNull::from(Box::leak(Box::new(half))),
            about,
            open: false,
            holds: false,
            frame: None,
            batch: None,
        })
    }

    /// The half, if nothing borrows it.
    #[inline(always)]
    pub(crate) fn idle(&mut self) -> Result<&mut Receiver, Failure> {
        if self.open {
            return Err(self.is_open());
        }
        // SAFETY: from `Box::leak`, and freed by the drop alone; nothing else borrows it while nothing is open.
        Ok(unsafe { self.half.as_mut() })
    }

    /// The same, for as long as the handle lives: for what is kept in it.
    pub(crate) fn lent(&mut self) -> Result<&'static mut Receiver, Failure> {
        let half: *mut Receiver = self.idle()?;
        // SAFETY: the half lives until the drop, which ends what borrows it first. The caller keeps that in this handle and says so (`settle`), which keeps everybody
        // else from it; or is done with it before it returns.
        Ok(unsafe { &mut *half })
    }

    /// Whether something borrows the half is told anew.
    pub(crate) fn settle(&mut self) {
        self.open = self.frame.is_some() || self.batch.is_some();
    }

    #[cold]
    fn is_open(&self) -> Failure {
        Failure::turn(if self.frame.is_some() {
            c"a frame is open: release it first"
        } else {
            c"a batch is open: end it first"
        })
    }

    fn receive(&mut self, buffer: &mut [u8], timeout: i64) -> Result<usize, Failure> {
        let half = self.idle()?;
        Ok(match Patience::of(timeout) {
            Patience::None => half.try_recv_into(buffer)?,
            Patience::Until(deadline) => half.recv_into_deadline(buffer, deadline)?,
            Patience::Endless => half.recv_into(buffer)?,
        })
    }
}

impl Drop for ringway_receiver {
    fn drop(&mut self) {
        // In this order: each borrows from the next.
        self.frame = None;
        self.batch = None;
        // SAFETY: from `Box::leak`; what borrowed it is gone.
        drop(unsafe { Box::from_raw(self.half.as_ptr()) });
    }
}

/// Copies the next frame into `buffer` and releases it; `length` gets its bytes. `timeout`: nanoseconds to wait for one; 0 does not wait (`RINGWAY_EMPTY`), negative waits for ever. `RINGWAY_TRUNCATED`: the frame is longer
/// than `capacity`, and stays unread. What the bytes are when they have been copied nobody can change any more. After an error the buffer may hold any bytes.
///
/// A frame that is there, of kind 0, and fills the buffer takes some ten instructions more than the same call in Rust.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_receiver_recv(
    receiver: Option<&mut ringway_receiver>,
    buffer: *mut c_void,
    capacity: usize,
    timeout: i64,
    length: Option<&mut MaybeUninit<usize>>,
) -> ringway_status {
    call(|| {
        let receiver = given(receiver, "receiver")?;
        // SAFETY: the caller's promise.
        let buffer = unsafe { room(buffer, capacity, "buffer") }?;
        let length = given(length, "length")?;
        let half = receiver.idle()?;
        let got = match half.try_recv_into(buffer) {
            Err(RecvError::Empty) if timeout != 0 => receiver.receive(buffer, timeout)?,
            other => other?,
        };
        length.write(got);
        Ok(())
    })
}

/// `true`: frames that are read stay unreleased, in the ring and counting against its capacity, until `ringway_receiver_release`, and `ringway_receiver_rewind` goes back to them. `false` releases them.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_receiver_hold(
    receiver: Option<&mut ringway_receiver>,
    on: bool,
) -> ringway_status {
    call(|| {
        let receiver = given(receiver, "receiver")?;
        receiver.idle()?.hold(on);
        receiver.holds = on;
        Ok(())
    })
}

/// Goes back to the first frame that is not released: it is received again. `bytes` gets the bytes of ring gone back; 0, where frames are not held.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_receiver_rewind(
    receiver: Option<&mut ringway_receiver>,
    bytes: Option<&mut MaybeUninit<u64>>,
) -> ringway_status {
    call(|| {
        let half = given(receiver, "receiver")?.idle()?;
        given(bytes, "bytes")?.write(half.rewind());
        Ok(())
    })
}

/// What was agreed of this half.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_receiver_about(
    receiver: Option<&ringway_receiver>,
    about: Option<&mut MaybeUninit<ringway_half>>,
) -> ringway_status {
    call(|| {
        let receiver = given(receiver, "receiver")?;
        given(about, "about")?.write(receiver.about);
        Ok(())
    })
}

/// Closes this half: releases what is open, and says goodbye.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_receiver_free(receiver: Option<Box<ringway_receiver>>) {
    quietly(|| drop(receiver));
}
