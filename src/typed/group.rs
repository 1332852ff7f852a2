//! Messages that become visible together.

use core::fmt;
use core::marker::PhantomData;
use std::time::Instant;

use zerocopy::{FromBytes, IntoBytes};

use super::message::{Carries, Fixed, Messages, Patience, Tailed};
use super::reserved::{self, Reserved};
use crate::connection::{self, SendError};

/// Messages that become visible together, with one store. Dropping it publishes it; so does waiting for space.
///
/// What holds for a group of frames holds here: see [`ringway::Group`](crate::Group).
///
/// ```
/// # use ringway::typed::{self, Message, Nothing};
/// # use ringway::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};
/// #[derive(Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
/// # #[zerocopy(crate = "ringway::zerocopy")]
/// #[repr(C)]
/// struct Fill { order: u64, quantity: u64 }
///
/// # let path = std::env::temp_dir().join(format!("ringway-doc-group-{}", std::process::id()));
/// # let mut listener = typed::Listener::<Nothing, Fill>::bind(path.as_path())?;
/// # let client = std::thread::spawn(move || typed::connect::<Fill, Nothing>(path).unwrap());
/// # let mut server = listener.accept()?;
/// # let mut client = client.join().unwrap();
/// let mut group = client.sender().group();
/// group.send(&Fill { order: 7, quantity: 60 })?;
/// group.send(&Fill { order: 7, quantity: 40 })?;
/// # assert!(server.receiver().try_recv().unwrap_err().is_nothing_yet());
/// group.publish();
/// assert_eq!(server.receiver().recv()?.quantity, 60);
/// assert_eq!(server.receiver().recv()?.quantity, 40);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "messages in a group become visible when it is published or dropped"]
pub struct Group<'a, M: ?Sized> {
    frames: connection::Group<'a>,
    of: PhantomData<fn(&M)>,
}

impl<'a, M: Messages + ?Sized> Group<'a, M> {
    #[inline]
    pub(crate) fn new(frames: connection::Group<'a>) -> Self {
        Self {
            frames,
            of: PhantomData,
        }
    }

    /// Adds a copy of `message`, waiting for space.
    ///
    /// # Errors
    /// As for [`ringway::Sender::send`](crate::Sender::send); the messages added before stay in the group.
    #[inline(always)]
    pub fn send<T: Fixed>(&mut self, message: &T) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.frames.add(message.as_bytes(), M::KIND, Some(None))
    }

    /// As [`Group::send`], until `deadline`.
    ///
    /// # Errors
    /// Also [`SendError::TimedOut`].
    pub fn send_deadline<T: Fixed>(
        &mut self,
        message: &T,
        deadline: Instant,
    ) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        let wait = Some(Some(deadline));
        self.frames.add(message.as_bytes(), M::KIND, wait)
    }

    /// As [`Group::send`], without waiting.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
    #[inline]
    pub fn try_send<T: Fixed>(&mut self, message: &T) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.frames.add(message.as_bytes(), M::KIND, None)
    }

    /// Adds a copy of `message` that expires: see [`ringway::Group::send_expiring`](crate::Group::send_expiring).
    ///
    /// # Errors
    /// As for [`ringway::Sender::send_expiring`](crate::Sender::send_expiring).
    pub fn send_expiring<T: Fixed>(
        &mut self,
        message: &T,
        expires: Instant,
    ) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.frames
            .send_kind_expiring(M::KIND, message.as_bytes(), expires)
    }

    /// Adds what a receiver of `M` would give, waiting for space: see [`Sender::send_any`](super::Sender::send_any).
    ///
    /// # Errors
    /// As for [`Group::send`].
    pub fn send_any(&mut self, message: &M::Received) -> Result<(), SendError> {
        let (kind, bytes) = M::encode(message);
        self.frames.add(bytes, kind, Some(None))
    }

    /// As [`Group::send_any`], until `deadline`.
    ///
    /// # Errors
    /// Also [`SendError::TimedOut`].
    pub fn send_any_deadline(
        &mut self,
        message: &M::Received,
        deadline: Instant,
    ) -> Result<(), SendError> {
        let (kind, bytes) = M::encode(message);
        self.frames.add(bytes, kind, Some(Some(deadline)))
    }

    /// Adds one frame with any number of messages, waiting for space: see [`Sender::send_slice`](super::Sender::send_slice).
    ///
    /// # Errors
    /// As for [`Group::send`].
    pub fn send_slice<T: Fixed>(&mut self, messages: &[T]) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.frames.add(messages.as_bytes(), M::KIND, Some(None))
    }

    /// As [`Group::send_slice`], until `deadline`.
    ///
    /// # Errors
    /// Also [`SendError::TimedOut`].
    pub fn send_slice_deadline<T: Fixed>(
        &mut self,
        messages: &[T],
        deadline: Instant,
    ) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        let wait = Some(Some(deadline));
        self.frames.add(messages.as_bytes(), M::KIND, wait)
    }

    /// Adds a message with a variable part, from its two parts, waiting for space.
    ///
    /// # Errors
    /// As for [`Group::send`].
    pub fn send_with<T: Tailed + ?Sized>(
        &mut self,
        head: &T::Head,
        tail: &T::Tail,
    ) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.put::<T>(head, tail, Some(None))
    }

    /// As [`Group::send_with`], until `deadline`.
    ///
    /// # Errors
    /// Also [`SendError::TimedOut`].
    pub fn send_with_deadline<T: Tailed + ?Sized>(
        &mut self,
        head: &T::Head,
        tail: &T::Tail,
        deadline: Instant,
    ) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.put::<T>(head, tail, Some(Some(deadline)))
    }

    fn put<T: Tailed + ?Sized>(
        &mut self,
        head: &T::Head,
        tail: &T::Tail,
        wait: Patience,
    ) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        let (head, tail) = (head.as_bytes(), tail.as_bytes());
        let len = head.len().saturating_add(tail.len());
        let place = self.frames.reserve_within(len, 8, wait)?;
        reserved::send_parts(place.kind(M::KIND), head, tail);
        Ok(())
    }

    /// Space for one message of the group, to be filled in place; waits for it. It holds what an earlier frame left there: fill every
    /// field.
    ///
    /// # Errors
    /// As for [`ringway::Sender::reserve_aligned`](crate::Sender::reserve_aligned).
    #[inline]
    pub fn reserve<T: Fixed + FromBytes>(&mut self) -> Result<Reserved<'_, T>, SendError>
    where
        M: Carries<T>,
    {
        self.reserve_within(Some(None))
    }

    /// As [`Group::reserve`], until `deadline`.
    ///
    /// # Errors
    /// Also [`SendError::TimedOut`].
    pub fn reserve_deadline<T: Fixed + FromBytes>(
        &mut self,
        deadline: Instant,
    ) -> Result<Reserved<'_, T>, SendError>
    where
        M: Carries<T>,
    {
        self.reserve_within(Some(Some(deadline)))
    }

    #[inline]
    fn reserve_within<T: Fixed + FromBytes>(
        &mut self,
        wait: Patience,
    ) -> Result<Reserved<'_, T>, SendError>
    where
        M: Carries<T>,
    {
        let align = reserved::align::<T>();
        let place = self.frames.reserve_within(size_of::<T>(), align, wait)?;
        Ok(Reserved::new(place.kind(M::KIND)))
    }

    /// Makes the group visible.
    pub fn publish(self) {
        self.frames.publish();
    }
}

impl<M: ?Sized> fmt::Debug for Group<'_, M> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Group").field(&self.frames).finish()
    }
}
