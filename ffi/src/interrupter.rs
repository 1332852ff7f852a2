//! Ending a wait of a half from another thread.

use std::mem::MaybeUninit;
use std::ptr::NonNull;

use ringway::Interrupter;

use crate::boundary::{call, given, quietly};
use crate::receiver::{self, ringway_receiver};
use crate::sender::{self, ringway_sender};
use crate::status::ringway_status;

/// What ends a wait of one half. Unlike the half it may be used by any thread, by several at once, and while a call of the half waits; and it may outlive the half.
#[derive(Debug)]
pub struct ringway_interrupter {
    inner: Interrupter,
}

/// What ends a wait of this receiver. To be asked for before the wait, by the thread that uses the receiver; each is to be freed with `ringway_interrupter_free`.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_receiver_interrupter(
    receiver: Option<NonNull<ringway_receiver>>,
    interrupter: Option<&mut MaybeUninit<Box<ringway_interrupter>>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut receiver = unsafe { receiver::Lent::of(receiver) }?;
        let out = given(interrupter, "interrupter")?;
        let inner = receiver.own()?.interrupter();
        out.write(Box::new(ringway_interrupter { inner }));
        Ok(())
    })
}

/// What ends a wait of this sender, as `ringway_receiver_interrupter`.
// SAFETY: the callers' contract is that of lib.rs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringway_sender_interrupter(
    sender: Option<NonNull<ringway_sender>>,
    interrupter: Option<&mut MaybeUninit<Box<ringway_interrupter>>>,
) -> ringway_status {
    call(|| {
        // SAFETY: the caller's promise.
        let mut sender = unsafe { sender::Lent::of(sender) }?;
        let out = given(interrupter, "interrupter")?;
        let inner = sender.own()?.interrupter();
        out.write(Box::new(ringway_interrupter { inner }));
        Ok(())
    })
}

/// Ends the wait of the half: its call answers `RINGWAY_INTERRUPTED`. Where none waits, the next wait ends so in place of sleeping; a call that has what it asks for does not. It does nothing where the half was freed, nor in a
/// child of a fork, and nothing to the `poll` of an event loop. May be called from any thread, not from a handler of signals.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_interrupter_interrupt(
    interrupter: Option<&ringway_interrupter>,
) -> ringway_status {
    call(|| {
        given(interrupter, "interrupter")?.inner.interrupt();
        Ok(())
    })
}

/// Frees it. The half is as it was.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_interrupter_free(interrupter: Option<Box<ringway_interrupter>>) {
    quietly(|| drop(interrupter));
}
