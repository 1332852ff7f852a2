//! A sending half, and the reservation that may be open in it.

use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use pyo3::prelude::*;
use ringway::{Reservation, Sender};

use crate::errors::{Fault, raise};
use crate::half::Lends;
use crate::pipe::Progress;

/// What a sending half is made of.
///
/// The two belong together: an open reservation borrows the sender, as it does in Rust, and nobody gets at the sender meanwhile.
#[derive(Debug)]
pub(crate) struct Outbox {
    open: Option<Reservation<'static>>,
    /// Ours, from a `Box`.
    sender: NonNull<Sender>,
    /// What a pipe remembers between two messages.
    progress: Progress,
}

// SAFETY: the sender may be sent to another thread, and the reservation is nothing but a borrow of it and a pointer into its ring.
unsafe impl Send for Outbox {}

impl Outbox {
    pub(crate) fn new(sender: Sender) -> Self {
        Self {
            open: None,
            sender: NonNull::from(Box::leak(Box::new(sender))),
            progress: Progress::default(),
        }
    }

    /// The sender.
    ///
    /// # Errors
    /// A reservation is open.
    #[inline]
    pub(crate) fn sender(&mut self, py: Python<'_>) -> PyResult<&mut Sender> {
        self.parts(py).map(|(sender, _)| sender)
    }

    /// The sender, and what a pipe remembers of it.
    ///
    /// # Errors
    /// A reservation is open.
    #[inline]
    pub(crate) fn parts(&mut self, py: Python<'_>) -> PyResult<(&mut Sender, &mut Progress)> {
        if self.open.is_some() {
            return Err(Self::in_use(py));
        }
        // SAFETY: it lives as long as `self`, which is borrowed for as long as the answer; and nothing else borrows it.
        Ok((unsafe { self.sender.as_mut() }, &mut self.progress))
    }

    /// Keeps a reservation that the sender has just made. `reserve` makes it.
    pub(crate) fn keep<E>(
        &mut self,
        reserve: impl FnOnce(&'static mut Sender) -> Result<Reservation<'static>, E>,
    ) -> Result<(*const u8, usize), E> {
        assert!(self.open.is_none(), "who reserves has asked for the sender");
        // SAFETY: it lives until the drop of `self`, which drops the reservation first. Until that is taken nothing else borrows it, and who takes it (`finish`) is done with it before it returns.
        let sender: &'static mut Sender = unsafe { self.sender.as_mut() };
        let mut reservation = reserve(sender)?;
        let len = reservation.len();
        let place = (reservation.as_mut_ptr().cast_const(), len);
        self.open = Some(reservation);
        Ok(place)
    }

    /// Ends the open reservation: commits so many bytes, or aborts it.
    pub(crate) fn finish(&mut self, commit: Option<usize>) {
        if let (Some(reservation), Some(len)) = (self.open.take(), commit) {
            let len = len.min(reservation.len());
            reservation.commit_len(len);
        }
    }

    /// The sender, of a half in which nothing is open.
    pub(crate) fn into_sender(self) -> Sender {
        assert!(self.open.is_none(), "who takes it has entered it");
        // What a pipe remembers of it needs no drop.
        let this = ManuallyDrop::new(self);
        // SAFETY: it came from a `Box`, nothing borrows it, and the drop that would free it does not come.
        *unsafe { Box::from_raw(this.sender.as_ptr()) }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.open = None;
        // SAFETY: it came from a `Box`, and nothing borrows it any more.
        drop(unsafe { Box::from_raw(self.sender.as_ptr()) });
    }
}

impl Lends for Outbox {
    #[inline]
    fn is_open(&self) -> bool {
        self.open.is_some()
    }

    #[cold]
    fn in_use(py: Python<'_>) -> PyErr {
        raise(
            py,
            Fault::InUse,
            "a reservation of this half is open: commit or abort it first",
        )
    }
}
