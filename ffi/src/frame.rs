//! A frame that was received and still lies in the ring.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::time::Instant;

use ringway::{Frame, RecvError, Redelivery};

use crate::boundary::{call, given, room};
use crate::error::Failure;
use crate::receiver::{Lent, ringway_receiver};
use crate::status::ringway_status;
use crate::wait::Patience;

/// What is known of a frame without its bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ringway_frame {
    /// Its place in its lane: it grows, and no two frames of one direction and priority share one.
    pub position: u64,
    /// Bytes of its payload.
    pub length: usize,
    /// The number that its sender gave it; 0, unless it chose one.
    pub kind: u16,
    /// The priority that it was sent at.
    pub priority: u8,
    /// Whether it was sent to an earlier incarnation of this side too: 0 no, 1 yes, and that one has not seen it, 2 yes, and that one may have seen it.
    pub redelivery: u8,
}

impl From<&Frame<'_>> for ringway_frame {
    fn from(frame: &Frame<'_>) -> Self {
        Self {
            position: frame.position(),
            length: frame.len(),
            kind: frame.kind(),
            priority: frame.priority() as u8,
            redelivery: match frame.redelivery() {
                Redelivery::First => 0,
                Redelivery::Unseen => 1,
                Redelivery::InDoubt => 2,
            },
        }
    }
}

impl Lent {
    fn shown(&mut self) -> Result<&Frame<'static>, Failure> {
        self.sound()?;
        let frame = self.state().frame.as_ref();
        frame.ok_or_else(|| Failure::turn(c"no frame is open"))
    }
}

/// Waits for the frame behind the open one, which is given up when that is there.
fn followed(open: Frame<'static>, patience: Patience) -> Result<(), (Failure, Frame<'static>)> {
    let deadline = match patience {
        Patience::None => Some(Instant::now()),
        Patience::Until(deadline) => Some(deadline),
        Patience::Endless => None,
    };
    open.wait_for_next(deadline)
        .map_err(|(why, open)| match why {
            RecvError::TimedOut if patience == Patience::None => (RecvError::Empty.into(), open),
            why => (why.into(), open),
        })
}

/// Opens the next frame, which stays in the ring until `ringway_receiver_release`. `timeout` as for `ringway_receiver_recv`. In an open batch it opens the batch's next frame, without waiting: `RINGWAY_EMPTY` means that
/// the batch is over. In a batch it takes the place of the one that was open, which is given up first. So it does while frames are held, and there the one that was open stays so where there is no other.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_receiver_next(
    receiver: Option<NonNull<ringway_receiver>>,
    timeout: i64,
    frame: Option<&mut MaybeUninit<ringway_frame>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut receiver = unsafe { Lent::of(receiver) }?;
        let out = given(frame, "frame")?;
        receiver.sound()?;
        let patience = Patience::of(timeout);
        let holds = receiver.state().manner.holds && receiver.state().batch.is_none();
        match receiver.state().frame.take() {
            Some(open) if holds => {
                if let Err((why, open)) = followed(open, patience) {
                    receiver.state().frame = Some(open);
                    return Err(why);
                }
            }
            Some(open) if receiver.state().batch.is_none() => receiver.state().frame = Some(open),
            _ => {}
        }
        receiver.settle();
        let frame = if let Some(batch) = &mut receiver.state().batch {
            let next = batch.next_frame();
            let next = next.ok_or_else(|| Failure::plain(ringway_status::RINGWAY_EMPTY))?;
            // SAFETY: what it borrows lies in the handle, which ends the frame first and then the batch, and asks the batch for nothing while the frame
            // is there.
            unsafe { std::mem::transmute::<Frame<'_>, Frame<'static>>(next) }
        } else {
            let half = receiver.lent()?;
            match patience {
                Patience::None => half.try_recv()?,
                Patience::Until(deadline) => half.recv_deadline(deadline)?,
                Patience::Endless => half.recv()?,
            }
        };
        out.write((&frame).into());
        receiver.state().frame = Some(frame);
        receiver.settle();
        Ok(())
    })
}

/// Copies bytes of the open frame, from byte `offset` on, as many as there are and fit; `copied` gets their number. Copies may differ: until it is copied the peer can change what lies in its ring.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_receiver_copy(
    receiver: Option<NonNull<ringway_receiver>>,
    offset: usize,
    buffer: *mut c_void,
    capacity: usize,
    copied: Option<&mut MaybeUninit<usize>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let (mut receiver, buffer) =
            unsafe { (Lent::of(receiver)?, room(buffer, capacity, "buffer")?) };
        let copied = given(copied, "copied")?;
        let frame = receiver.shown()?;
        let bytes = frame.copy_at(offset, buffer);
        if bytes < capacity.min(frame.len().saturating_sub(offset)) {
            return Err(Failure::forked());
        }
        copied.write(bytes);
        Ok(())
    })
}

/// The bytes of the open frame in place, without a copy, until it is released: **only for a peer that is trusted** as if it ran in this process, since it can change them at any time, also between a check and a use.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_receiver_trusted(
    receiver: Option<NonNull<ringway_receiver>>,
    data: Option<&mut MaybeUninit<*const c_void>>,
    length: Option<&mut MaybeUninit<usize>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut receiver = unsafe { Lent::of(receiver) }?;
        let (data, length) = (given(data, "data")?, given(length, "length")?);
        let frame = receiver.shown()?;
        if !frame.is_empty() && frame.copy_to(&mut [0]) == 0 {
            return Err(Failure::forked());
        }
        // SAFETY: nothing is read here; the mapping is there, as was just seen, and what the caller does with the address it has been told.
        let bytes = unsafe { frame.as_trusted_slice() };
        data.write(bytes.as_ptr().cast());
        length.write(bytes.len());
        Ok(())
    })
}

/// Releases the open frame; while frames are held, every one that has been read. After it no address in the frame is to be used. Where the connection can be resumed (`RINGWAY_RESUMABLE`) and nothing is open, it releases what was copied out (`ringway_receiver_recv`) or left, which
/// otherwise is when the next frame is asked for: for a server that has answered and is about to end.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_receiver_release(
    receiver: Option<NonNull<ringway_receiver>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut receiver = unsafe { Lent::of(receiver) }?;
        receiver.sound()?;
        let state = receiver.state();
        let idle = state.frame.is_none() && state.batch.is_none();
        // All that was read, and not the open frame alone.
        let all = state.manner.holds || (state.manner.resumes && idle);
        if !all {
            receiver.shown()?;
        }
        receiver.state().frame = None;
        receiver.settle();
        if receiver.state().batch.is_some() {
            // Its frames are released together, when it ends.
            return Ok(());
        }
        let half = receiver.own()?;
        if all {
            half.release();
        }
        Ok(())
    })
}

/// Gives up the open frame without being finished with it, for a handler that has failed: where the connection can be resumed (`RINGWAY_RESUMABLE`), the next server gets it, in doubt (`redelivery` is 2), if this one ends or frees
/// the receiver before it asks for another frame; when it asks, it is finished with this one. For a handler that goes on with a copy too. Elsewhere it is as `ringway_receiver_release`, but while frames are held, where it releases none. Of an open batch the frame stays a part: `ringway_receiver_leave_batch`.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_receiver_leave(
    receiver: Option<NonNull<ringway_receiver>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut receiver = unsafe { Lent::of(receiver) }?;
        receiver.shown()?;
        if let Some(open) = receiver.state().frame.take() {
            open.leave();
        }
        receiver.settle();
        if receiver.state().batch.is_none() {
            receiver.own()?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod left;
