//! Frames that become visible together.

use std::ptr::NonNull;

use crate::boundary::call;
use crate::sender::{Lent, ringway_sender};
use crate::status::ringway_status;

/// Opens a group: what is sent or committed from now on becomes visible together, with one store, by `ringway_sender_publish` (or before, where there is no room for more). It costs less for each
/// frame, and the peer sees all of it or nothing.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_sender_open_group(
    sender: Option<NonNull<ringway_sender>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut sender = unsafe { Lent::of(sender) }?;
        sender.open_group()
    })
}

/// Publishes the open group.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_sender_publish(
    sender: Option<NonNull<ringway_sender>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut sender = unsafe { Lent::of(sender) }?;
        sender.take_group()?.publish();
        sender.own()?;
        Ok(())
    })
}
