//! A receiving half, and the frame that may be looked at in place.

use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use pyo3::prelude::*;
use ringway::{Frame, Receiver, RecvError};

use crate::errors::{Fault, raise};
use crate::half::Lends;
use crate::last::Last;
use crate::pipe::Message;

/// What a receiving half is made of.
///
/// The two belong together: an open frame borrows the receiver, as it does in Rust, and nobody gets at the receiver meanwhile.
#[derive(Debug)]
pub(crate) struct Inbox {
    open: Option<Frame<'static>>,
    /// Ours, from a `Box`.
    receiver: NonNull<Receiver>,
    /// The message of a pipe that is being received.
    message: Option<Message>,
}

// SAFETY: the receiver may be sent to another thread, and the frame is nothing but a borrow of it.
unsafe impl Send for Inbox {}

impl Inbox {
    pub(crate) fn new(receiver: Receiver) -> Self {
        Self {
            open: None,
            receiver: NonNull::from(Box::leak(Box::new(receiver))),
            message: None,
        }
    }

    /// The receiver, and the place of the message that it receives for a pipe.
    ///
    /// # Errors
    /// A view is open.
    #[inline]
    pub(crate) fn pipe(
        &mut self,
        py: Python<'_>,
    ) -> PyResult<(&mut Receiver, &mut Option<Message>)> {
        if self.open.is_some() {
            return Err(Self::in_use(py));
        }
        // SAFETY: it lives as long as `self`, which is borrowed for as long as the answer; and nothing else borrows it.
        Ok((unsafe { self.receiver.as_mut() }, &mut self.message))
    }

    /// Whether a message of a pipe is whole that was not given out, since a signal's handler had raised something.
    pub(crate) fn has_message(&self) -> bool {
        self.message.as_ref().is_some_and(Message::is_whole)
    }

    /// The receiver.
    ///
    /// # Errors
    /// A view is open.
    #[inline]
    pub(crate) fn receiver(&mut self, py: Python<'_>) -> PyResult<&mut Receiver> {
        self.pipe(py).map(|(receiver, _)| receiver)
    }

    /// Keeps the next frame, to be looked at in place. Where it lies, its length, and its kind.
    pub(crate) fn keep(&mut self, last: &Last) -> Result<(*const u8, usize, u16), RecvError> {
        assert!(
            self.open.is_none(),
            "who receives has asked for the receiver"
        );
        // SAFETY: it lives until the drop of `self`, which drops the frame first. Until that is taken nothing else borrows it.
        let receiver: &'static mut Receiver = unsafe { self.receiver.as_mut() };
        let frame = receiver.try_recv()?;
        // SAFETY: the program trusts the peer not to change the bytes (`trust_peer=True`), and this is no forked child: nothing is received there. Only the address is taken here; who reads through it
        // holds an export of the lease, which keeps the frame.
        let place = unsafe { frame.as_trusted_slice() }.as_ptr();
        let (len, kind) = (frame.len(), frame.kind());
        last.is(&frame);
        self.open = Some(frame);
        Ok((place, len, kind))
    }

    /// Releases the open frame. `is_told`: the peer is told that its receiver is finished with it.
    pub(crate) fn finish(&mut self, is_told: bool) {
        if self.open.take().is_some() && is_told {
            // SAFETY: it lives as long as `self`, and the frame that borrowed it is gone.
            unsafe { self.receiver.as_mut() }.release();
        }
    }

    /// The receiver, of a half in which nothing is open.
    pub(crate) fn into_receiver(self) -> Receiver {
        assert!(self.open.is_none(), "who takes it has entered it");
        let mut this = ManuallyDrop::new(self);
        drop(this.message.take());
        // SAFETY: it came from a `Box`, nothing borrows it, and the drop that would free it does not come.
        *unsafe { Box::from_raw(this.receiver.as_ptr()) }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.open = None;
        // SAFETY: it came from a `Box`, and nothing borrows it any more.
        drop(unsafe { Box::from_raw(self.receiver.as_ptr()) });
    }
}

impl Lends for Inbox {
    #[inline]
    fn is_open(&self) -> bool {
        self.open.is_some()
    }

    #[cold]
    fn in_use(py: Python<'_>) -> PyErr {
        raise(
            py,
            Fault::InUse,
            "a view of a frame of this half is open: release it first",
        )
    }
}
