//! Several frames in one call.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use ringway::{Frames, Receiver, RecvError, Redelivery, SendError};

use crate::boundary::{bytes, call, given, room};
use crate::error::Failure;
use crate::receiver::{self, ringway_receiver};
use crate::sender::{self, ringway_sender};
use crate::status::ringway_status;
use crate::wait::Patience;

/// Bytes to send.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ringway_payload {
    /// Where they are.
    pub data: *const c_void,
    /// How many.
    pub length: usize,
}

/// Where a frame was put in a buffer.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ringway_part {
    /// Bytes before it: a multiple of 8.
    pub offset: usize,
    /// Bytes of its payload.
    pub length: usize,
}

/// Sends copies of `count` payloads as one group, which becomes visible with one store. `timeout`: for room for each. `sent` gets how many were sent, also where the call fails: these are sent then,
/// none where it fails before the first. It is the one output that is written in that case. Each payload is looked at before the first is sent, and so is its length (`RINGWAY_TOO_LARGE`). No group may be open.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_sender_send_many(
    sender: Option<NonNull<ringway_sender>>,
    payloads: *const ringway_payload,
    count: usize,
    timeout: i64,
    sent: Option<&mut MaybeUninit<usize>>,
) -> ringway_status {
    call(|| {
        let sent = given(sent, "sent")?;
        sent.write(0);
        // SAFETY: the caller's promise.
        let mut sender = unsafe { sender::Lent::of(sender) }?;
        let half = sender.idle()?;
        let size = count.checked_mul(size_of::<ringway_payload>());
        let size = size.ok_or_else(|| Failure::argument("`count` is more than there can be"))?;
        if size == 0 {
            return Ok(());
        }
        // SAFETY: the caller's promise.
        let all = unsafe { bytes(payloads.cast(), size, "payloads") }?.as_ptr();
        if !all.cast::<ringway_payload>().is_aligned() {
            return Err(Failure::argument("`payloads` is not aligned"));
        }
        // SAFETY: as many are there, by the caller's promise, and they are aligned.
        let all = unsafe { std::slice::from_raw_parts(all.cast::<ringway_payload>(), count) };
        let max = half.max_payload();
        for payload in all {
            // SAFETY: the caller's promise.
            let len = unsafe { bytes(payload.data, payload.length, "payloads[..].data") }?.len();
            if len > max {
                return Err(SendError::TooLarge { len, max }.into());
            }
        }
        let patience = Patience::of(timeout);
        let mut group = half.group();
        let mut done = 0;
        let result = all.iter().try_for_each(|payload| {
            // SAFETY: the caller's promise; looked at just before.
            let payload = unsafe { bytes(payload.data, payload.length, "payloads[..].data") }?;
            match patience {
                Patience::None => group.try_send(payload)?,
                Patience::Until(deadline) => group.send_deadline(payload, deadline)?,
                Patience::Endless => group.send(payload)?,
            }
            done += 1;
            Ok(())
        });
        group.publish();
        sent.write(done);
        result
    })
}

/// Copies the frames that are there, one behind the other, each at a multiple of 8, into `buffer`, until it is full or `most` are there; `timeout` is for the first. `parts` gets where each is, `count` how many there are, at least one.
/// `RINGWAY_TRUNCATED`: the first one does not fit, and stays unread, as any later one does that does not fit. The kinds of the frames are lost: where they matter, open a batch. It ends behind a frame that is in doubt, so that `ringway_receiver_last` tells which one that is.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_receiver_recv_many(
    receiver: Option<NonNull<ringway_receiver>>,
    buffer: *mut c_void,
    capacity: usize,
    parts: *mut ringway_part,
    most: usize,
    timeout: i64,
    count: Option<&mut MaybeUninit<usize>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut receiver = unsafe { receiver::Lent::of(receiver) }?;
        let resumes = receiver.state().manner.resumes;
        let half = receiver.idle()?;
        // SAFETY: the caller's promise.
        let buffer = unsafe { room(buffer, capacity, "buffer") }?;
        given(std::ptr::NonNull::new(parts), "parts")?;
        let count = given(count, "count")?;
        if most == 0 || !parts.is_aligned() {
            return Err(Failure::argument("`most` is 0, or `parts` is not aligned"));
        }
        let place = |at: usize, offset: usize, length: usize| {
            // SAFETY: there is room for `most` of them by the caller's promise, and `at` is less.
            unsafe { parts.add(at).write(ringway_part { offset, length }) };
        };
        if resumes {
            count.write(batched(half, buffer, most, timeout, place)?);
            return Ok(());
        }
        let mut length = receiver::receive(half, buffer, timeout)?;
        let (mut offset, mut found) = (0, 0);
        loop {
            place(found, offset, length);
            found += 1;
            offset = (offset + length).next_multiple_of(8);
            if offset > capacity || found == most {
                break;
            }
            // An error comes again with the next call.
            let Ok(next) = half.try_recv_into(&mut buffer[offset..]) else {
                break;
            };
            length = next;
        }
        count.write(found);
        Ok(())
    })
}

/// As `ringway_receiver_recv_many` of a connection that can be resumed: who looks for the next frame there is finished with the one before, and here that is nobody's before this returns. So these are a batch, which is left. Returns how many they are; `place` is told each.
fn batched(
    half: &mut Receiver,
    buffer: &mut [u8],
    most: usize,
    timeout: i64,
    place: impl Fn(usize, usize, usize),
) -> Result<usize, Failure> {
    let mut frames = opened(half, most, timeout)?;
    let (mut offset, mut found, mut len) = (0, 0, 0);
    let mut is_in_doubt = false;
    // The first may be one of no bytes. Behind it nobody looks for what there is no room for: it would be said to be taken. One that is in doubt is the last: `ringway_receiver_last` tells of it.
    while found == 0 || (found < most && offset < buffer.len() && !is_in_doubt) {
        let room = &mut buffer[offset..];
        let fits = |payload: usize, _: u16| {
            len = payload;
            payload <= room.len()
        };
        let Some(frame) = frames.next_frame_if(fits) else {
            break;
        };
        is_in_doubt = frame.redelivery() == Redelivery::InDoubt;
        let length = frame.copy_to(room);
        place(found, offset, length);
        found += 1;
        offset = (offset + length).next_multiple_of(8);
    }
    frames.leave();
    if found == 0 {
        return Err(RecvError::Truncated { len }.into());
    }
    Ok(found)
}

fn opened(half: &mut Receiver, most: usize, timeout: i64) -> Result<Frames<'_>, RecvError> {
    match Patience::of(timeout) {
        Patience::None => half.try_recv_batch(most),
        Patience::Until(deadline) => half.recv_batch_deadline(most, deadline),
        Patience::Endless => half.recv_batch(most),
    }
}

/// Opens a batch: the frames that are there, at most `most` of them, which `ringway_receiver_next` opens one after the other and which are released together, by `ringway_receiver_end_batch`.
/// `timeout` is for the first.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_receiver_open_batch(
    receiver: Option<NonNull<ringway_receiver>>,
    most: usize,
    timeout: i64,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut receiver = unsafe { receiver::Lent::of(receiver) }?;
        let half = receiver.lent()?;
        receiver.state().batch = Some(opened(half, most, timeout)?);
        receiver.settle();
        Ok(())
    })
}

/// Ends the batch: releases the frames that it has opened. Those that it has not are received next.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_receiver_end_batch(
    receiver: Option<NonNull<ringway_receiver>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut receiver = unsafe { receiver::Lent::of(receiver) }?;
        drop(taken(&mut receiver)?);
        receiver.settle();
        receiver.own()?;
        Ok(())
    })
}

/// Ends the batch without being finished with the frames that it has opened: as `ringway_receiver_leave` does it with a frame.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_receiver_leave_batch(
    receiver: Option<NonNull<ringway_receiver>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut receiver = unsafe { receiver::Lent::of(receiver) }?;
        taken(&mut receiver)?.leave();
        receiver.settle();
        receiver.own()?;
        Ok(())
    })
}

/// The open batch, whose open frame is given up.
fn taken(receiver: &mut receiver::Lent) -> Result<Frames<'static>, Failure> {
    receiver.sound()?;
    let state = receiver.state();
    if state.batch.is_some() {
        state.frame = None;
    }
    let taken = state.batch.take();
    taken.ok_or_else(|| Failure::turn(c"no batch is open"))
}
