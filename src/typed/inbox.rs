//! From frames to messages: copied out first, then checked.

use zerocopy::{FromBytes, IntoBytes};

use super::batch::Batch;
use super::error::RecvError;
use super::invalid::{Fault, Invalid};
use super::message::{Fixed, Patience, Tailed};
use super::plan::Plan;
use super::received::Received;
use crate::connection::{self, Frame};

/// The most bytes of memory that one batch takes: those of the largest ring, so that a batch of our own layout always fits.
const MOST: usize = 1 << 30;

/// A receiving half, and how its peer's messages are read. Code that the derive macro makes uses it; applications have
/// [`Receiver`](super::Receiver).
#[derive(Debug)]
pub struct Inbox {
    pub(crate) receiver: connection::Receiver,
    plan: Plan,
    /// Whether the first message is laid out as ours: then a frame that fills it is one.
    exact: bool,
    /// What batches are copied into.
    scratch: Vec<u128>,
}

/// A frame that holds a message of a kind that is still to be looked at.
#[derive(Debug)]
pub struct Parcel<'a> {
    pub(crate) frame: Frame<'a>,
    plan: &'a Plan,
}

impl Inbox {
    pub(crate) fn new(receiver: connection::Receiver, plan: Plan, first: Option<usize>) -> Self {
        Self {
            receiver,
            exact: first.is_some() && plan.fixed(0) == first,
            plan,
            scratch: Vec::new(),
        }
    }

    /// The only message of a lane, whose kind is 0.
    #[inline(always)]
    pub(crate) fn only<T: Fixed>(&mut self, wait: Patience) -> Result<T, RecvError> {
        if self.exact {
            let mut image = T::DEFAULT;
            let other = match wait {
                Some(None) => self.receiver.recv_exact(image.as_mut())?,
                _ if self.receiver.take_exact(image.as_mut()) => None,
                _ => Some(next(&mut self.receiver, wait)?),
            };
            return match other {
                None => checked(image.as_ref()),
                Some(frame) => read_only(&Parcel {
                    frame,
                    plan: &self.plan,
                }),
            };
        }
        read_only(&self.next(wait)?)
    }

    /// The next message, into the caller's memory: neither a default nor the message is copied.
    #[inline(always)]
    pub(crate) fn fill<T: Fixed + FromBytes>(
        &mut self,
        target: &mut T,
        (kind, index): (u16, usize),
        wait: Patience,
    ) -> Result<(), RecvError> {
        // Kinds ascend, so that of kind 0 is the first.
        if kind == 0 && self.exact {
            let other = match wait {
                Some(None) => self.receiver.recv_exact(target.as_mut_bytes())?,
                _ if self.receiver.take_exact(target.as_mut_bytes()) => None,
                _ => Some(next(&mut self.receiver, wait)?),
            };
            return match other {
                None => T::check(target.as_bytes()).map_err(|invalid| invalid.of(T::NAME).into()),
                Some(frame) => Parcel {
                    frame,
                    plan: &self.plan,
                }
                .fill(target, kind, index),
            };
        }
        self.next(wait)?.fill(target, kind, index)
    }

    /// The only message of a lane, with a variable part.
    pub(crate) fn only_tailed<T: Tailed + ?Sized>(
        &mut self,
        wait: Patience,
    ) -> Result<Received<T>, RecvError> {
        let parcel = self.next(wait)?;
        if parcel.kind() != 0 {
            return Err(parcel.unknown());
        }
        parcel.tailed(0)
    }

    /// The next frame, of whatever kind.
    #[inline]
    pub(crate) fn next(&mut self, wait: Patience) -> Result<Parcel<'_>, RecvError> {
        Ok(Parcel {
            frame: next(&mut self.receiver, wait)?,
            plan: &self.plan,
        })
    }

    /// The next frame, which holds any number of messages of one type.
    pub(crate) fn batch<T: Fixed>(
        &mut self,
        kind: u16,
        index: usize,
        wait: Patience,
    ) -> Result<Batch<'_, T>, RecvError> {
        self.batch_in(kind, index, |receiver| next(receiver, wait))
    }

    /// The same, in the frame that `take` takes.
    pub(crate) fn batch_in<T: Fixed>(
        &mut self,
        kind: u16,
        index: usize,
        take: impl FnOnce(&mut connection::Receiver) -> Result<Frame<'_>, connection::RecvError>,
    ) -> Result<Batch<'_, T>, RecvError> {
        let parcel = Parcel {
            frame: take(&mut self.receiver)?,
            plan: &self.plan,
        };
        if parcel.kind() != kind {
            return Err(parcel.unknown());
        }
        let stride = parcel.fixed(index, T::NAME)?;
        let len = parcel.frame.len();
        if stride == 0 || len % stride != 0 {
            let fault = Fault::Elements {
                len,
                element: stride,
            };
            return Err(Invalid::new(fault).of(T::NAME).into());
        }
        let count = len / stride;
        // Of a writer who knows few of our fields a short frame holds many messages.
        let bytes = count.saturating_mul(size_of::<T>());
        if bytes > MOST {
            let fault = Fault::TooMany { count, most: MOST };
            return Err(Invalid::new(fault).of(T::NAME).into());
        }
        let words = bytes.div_ceil(16);
        if self.scratch.len() < words {
            self.scratch.resize(words, 0);
        }
        let target = &mut self.scratch.as_mut_bytes()[..bytes];
        if stride == size_of::<T>() {
            parcel.frame.copy_to(target);
        } else {
            for (index, place) in target.chunks_exact_mut(size_of::<T>()).enumerate() {
                place.copy_from_slice(T::DEFAULT.as_ref());
                let known = stride.min(place.len());
                parcel.frame.copy_at(index * stride, &mut place[..known]);
            }
        }
        drop(parcel);
        let target = &self.scratch.as_bytes()[..bytes];
        Batch::new(target).map_err(|invalid| invalid.of(T::NAME).into())
    }
}

/// The next frame.
#[inline(always)]
fn next(
    receiver: &mut connection::Receiver,
    wait: Patience,
) -> Result<Frame<'_>, connection::RecvError> {
    match wait {
        None => receiver.try_recv(),
        Some(None) => receiver.recv(),
        Some(Some(deadline)) => receiver.recv_deadline(deadline),
    }
    .map(Frame::copied)
}

/// A frame of a lane of one message, which did not fill it, or whose layout is another than ours.
#[inline(never)]
fn read_only<T: Fixed>(parcel: &Parcel<'_>) -> Result<T, RecvError> {
    if parcel.kind() != 0 {
        return Err(parcel.unknown());
    }
    parcel.whole(0)
}

/// The message that the bytes are, after all of them have been looked at.
#[inline(always)]
fn checked<T: Fixed>(bytes: &[u8]) -> Result<T, RecvError> {
    if let Err(invalid) = T::check(bytes) {
        return Err(invalid.of(T::NAME).into());
    }
    match T::try_read_from_bytes(bytes) {
        Ok(message) => Ok(message),
        Err(_) => Err(Invalid::new(Fault::Value).of(T::NAME).into()),
    }
}

impl Parcel<'_> {
    /// The frame's kind.
    #[inline]
    pub fn kind(&self) -> u16 {
        self.frame.kind()
    }

    /// That no message of this lane has the frame's kind.
    #[cold]
    pub fn unknown(&self) -> RecvError {
        Invalid::new(Fault::Kind(self.kind())).into()
    }

    /// The message whose record is at `index`.
    ///
    /// # Errors
    /// [`RecvError::Invalid`].
    #[inline]
    pub fn whole<T: Fixed>(&self, index: usize) -> Result<T, RecvError> {
        let fixed = self.fixed(index, T::NAME)?;
        if self.frame.len() != fixed {
            return Err(self.wrong_length(fixed).of(T::NAME).into());
        }
        let mut image = T::DEFAULT;
        let known = fixed.min(size_of::<T>());
        self.frame.copy_to(&mut image.as_mut()[..known]);
        checked(image.as_ref())
    }

    /// The message whose record is at `index`, into the caller's memory.
    #[inline(never)]
    fn fill<T: Fixed + FromBytes>(
        &self,
        target: &mut T,
        kind: u16,
        index: usize,
    ) -> Result<(), RecvError> {
        if self.kind() != kind {
            return Err(self.unknown());
        }
        *target = self.whole(index)?;
        Ok(())
    }

    /// The message with a variable part whose record is at `index`.
    ///
    /// # Errors
    /// [`RecvError::Invalid`].
    pub fn tailed<T: Tailed + ?Sized>(&self, index: usize) -> Result<Received<T>, RecvError> {
        let fixed = self.fixed(index, T::NAME)?;
        let Some(tail) = self.frame.len().checked_sub(fixed) else {
            return Err(self.wrong_length(fixed).of(T::NAME).into());
        };
        let known = fixed.min(T::SIZE);
        let filled = Received::fill(tail, |head, place| {
            self.frame.copy_to(&mut head[..known]);
            self.frame.copy_at(fixed, place);
        });
        filled.map_err(|invalid| invalid.of(T::NAME).into())
    }

    /// Bytes of the writer's fixed part.
    #[inline]
    pub(crate) fn fixed(&self, index: usize, name: &'static str) -> Result<usize, Invalid> {
        match self.plan.fixed(index) {
            Some(fixed) => Ok(fixed),
            // The peer's schema does not have what it sends.
            None => Err(Invalid::new(Fault::Kind(self.kind())).of(name)),
        }
    }

    #[cold]
    fn wrong_length(&self, expected: usize) -> Invalid {
        Invalid::new(Fault::Length {
            len: self.frame.len(),
            expected,
        })
    }
}
