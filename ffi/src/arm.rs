//! Waiting in an event loop.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::NonNull;

use ringway::{Arm, Room};

use crate::boundary::{call, given};
use crate::receiver::{self, ringway_receiver};
use crate::reservation::power_of_two;
use crate::sender::{self, ringway_sender};
use crate::status::ringway_status;

/// Before the descriptor is polled: is there a frame now, or an end to report? `armed` gets `false` then: receive in place of polling. Only behind `true` is the descriptor worth polling, for
/// readability, and once: arm again before the next poll. It may be readable for nothing.
///
/// `false` may be followed by `RINGWAY_EMPTY` for some milliseconds: while the peer's socket is closed and the kernel does not yet say whether its process has ended, nothing would wake a poll at the moment when that is known.
/// Arm again then, or poll for a millisecond at most. With the option `RINGWAY_WAIT` at `RINGWAY_WAIT_SPIN` the answer is always `false`, since the peer rings nobody who never sleeps.
///
/// It asks for the next frame: where the connection can be resumed, what was received before is finished with.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_receiver_arm(
    receiver: Option<NonNull<ringway_receiver>>,
    armed: Option<&mut MaybeUninit<bool>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut receiver = unsafe { receiver::Lent::of(receiver) }?;
        let half = receiver.idle()?;
        let armed = given(armed, "armed")?;
        armed.write(half.arm()? == Arm::Armed);
        Ok(())
    })
}

/// The descriptor for `ringway_receiver_arm`. It is the receiver's, and is not to be closed.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_receiver_descriptor(
    receiver: Option<NonNull<ringway_receiver>>,
    descriptor: Option<&mut MaybeUninit<i32>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut receiver = unsafe { receiver::Lent::of(receiver) }?;
        let half = receiver.own()?;
        given(descriptor, "descriptor")?.write(half.as_fd().as_raw_fd());
        Ok(())
    })
}

/// Before the descriptor is polled: is there room for `length` bytes now? As `ringway_receiver_arm`; it is polled for *readability* here too.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_sender_arm(
    sender: Option<NonNull<ringway_sender>>,
    length: usize,
    armed: Option<&mut MaybeUninit<bool>>,
) -> ringway_status {
    // SAFETY: the caller's promise.
    unsafe { ringway_sender_arm_aligned(sender, length, 8, armed) }
}

/// The same of room for `ringway_sender_reserve` with that alignment: where it is above 8, a pad may go before the payload, for which there is to be room too.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_sender_arm_aligned(
    sender: Option<NonNull<ringway_sender>>,
    length: usize,
    alignment: usize,
    armed: Option<&mut MaybeUninit<bool>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut sender = unsafe { sender::Lent::of(sender) }?;
        let half = sender.idle()?;
        let armed = given(armed, "armed")?;
        power_of_two(alignment)?;
        let room = Room::of(length).aligned(alignment.max(8));
        armed.write(half.arm(room)? == Arm::Armed);
        Ok(())
    })
}

/// The descriptor for `ringway_sender_arm`. It is the sender's, and is not to be closed.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_sender_descriptor(
    sender: Option<NonNull<ringway_sender>>,
    descriptor: Option<&mut MaybeUninit<i32>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut sender = unsafe { sender::Lent::of(sender) }?;
        let half = sender.own()?;
        given(descriptor, "descriptor")?.write(half.as_fd().as_raw_fd());
        Ok(())
    })
}
