//! Space in the ring that is filled in place.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use ringway::Reservation;

use crate::boundary::{call, given};
use crate::error::Failure;
use crate::sender::{Lent, Place, ringway_sender};
use crate::status::ringway_status;
use crate::wait::Patience;

/// Space in the ring for one frame of `length` bytes, to be filled in place. `alignment`: what its address is a multiple of, on both sides; 8, unless the option `RINGWAY_ALIGNMENT_MOST` allows more.
/// `timeout`: as for `ringway_sender_send`. The bytes hold what an earlier frame left there, and the peer can see them while they are written. They may be written until the commit or the abort, by one of which the reservation has to end
/// before anything else is sent.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_sender_reserve(
    sender: Option<NonNull<ringway_sender>>,
    length: usize,
    alignment: usize,
    timeout: i64,
    data: Option<&mut MaybeUninit<*mut c_void>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut sender = unsafe { Lent::of(sender) }?;
        let data = given(data, "data")?;
        let patience = Patience::of(timeout);
        power_of_two(alignment)?;
        let alignment = alignment.max(8);
        let reserved = match sender.place()? {
            Place::Half(half) => match patience {
                Patience::Endless => half.reserve_aligned(length, alignment)?,
                Patience::None => half.try_reserve_aligned(length, alignment)?,
                Patience::Until(deadline) => {
                    half.reserve_aligned_deadline(length, alignment, deadline)?
                }
            },
            Place::Group(group) => match patience {
                Patience::Endless => group.reserve_aligned(length, alignment)?,
                Patience::None => group.try_reserve_aligned(length, alignment)?,
                Patience::Until(deadline) => {
                    group.reserve_aligned_deadline(length, alignment, deadline)?
                }
            },
        };
        // SAFETY: what it borrows lies in the handle, which ends the reservation before that is freed, and lets nobody else use it meanwhile.
        let mut reserved: Reservation<'static> = unsafe { std::mem::transmute(reserved) };
        let start: *mut u8 = reserved.as_mut_ptr();
        sender.keep(reserved);
        data.write(start.cast());
        Ok(())
    })
}

/// Refuses what nothing can be aligned by.
pub(crate) fn power_of_two(alignment: usize) -> Result<(), Failure> {
    if alignment.is_power_of_two() {
        return Ok(());
    }
    Err(Failure::new(
        ringway_status::RINGWAY_ALIGNMENT,
        format!("`alignment` is {alignment}: it must be a power of two"),
    ))
}

/// Sends the first `length` bytes of the open reservation, under a number that the receiver gets with the frame (0 for none); where a group is open, adds them to that. After it the
/// address is no longer to be used.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_sender_commit(
    sender: Option<NonNull<ringway_sender>>,
    length: usize,
    kind: u16,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut sender = unsafe { Lent::of(sender) }?;
        let reserved = sender.reserved().unwrap_or(length);
        if length > reserved {
            let text = format!("`length` is {length}, and {reserved} were reserved");
            return Err(Failure::argument(text));
        }
        let reservation = sender.take_reservation()?;
        // In a child of a fork it has no bytes; of one that never had any, the process tells.
        if reservation.len() != reserved || reserved == 0 && sender.is_forked() {
            return Err(Failure::forked());
        }
        reservation.kind(kind).commit_len(length);
        Ok(())
    })
}

/// Gives up the open reservation: nothing is sent.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_sender_abort(
    sender: Option<NonNull<ringway_sender>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut sender = unsafe { Lent::of(sender) }?;
        drop(sender.take_reservation()?);
        if sender.is_forked() {
            return Err(Failure::forked());
        }
        Ok(())
    })
}
