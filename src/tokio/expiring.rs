//! Sending frames that expire: a wait for room ends when they do.

use core::task::{Context, Poll};
use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Instant;

use super::Sender;
use super::alarm::Alarm;
use super::feeding::{Feeding, Sends};
use crate::connection::{self, Reservation, Room, SendError};

impl Sender {
    /// Sends a copy of `payload` that is worth nothing from `expires` on: see [`ringway::Sender::send_expiring`](crate::Sender::send_expiring). Waits for space until then, to the
    /// millisecond of the runtime's timer.
    ///
    /// Cancel-safe: the frame is committed by the poll that returns `Ok`.
    ///
    /// # Errors
    /// As for that; [`SendError::Runtime`].
    pub async fn send_expiring(
        &mut self,
        payload: &[u8],
        expires: Instant,
    ) -> Result<(), SendError> {
        self.send_kind_expiring(0, payload, expires).await
    }

    /// As [`Sender::send_expiring`], with a number that the receiver sees as [`Frame::kind`](crate::Frame::kind). Cancel-safe, as that is.
    ///
    /// # Errors
    /// As for [`Sender::send_expiring`].
    pub async fn send_kind_expiring(
        &mut self,
        kind: u16,
        payload: &[u8],
        expires: Instant,
    ) -> Result<(), SendError> {
        let send =
            |half: &mut connection::Sender| half.try_send_kind_expiring(kind, payload, expires);
        let room = Room::of(payload.len()).expiring();
        self.fed.in_time(room, expires, send).await
    }

    /// Space in the ring for `len` bytes that expire, to be filled in place; waits for it until `expires`. Nobody asks again when it is committed. Cancel-safe: the space is reserved by
    /// the poll that returns it.
    ///
    /// # Errors
    /// As for [`Sender::send_expiring`].
    pub async fn reserve_expiring(
        &mut self,
        len: usize,
        expires: Instant,
    ) -> Result<Reservation<'_>, SendError> {
        let find = |half: &mut connection::Sender| half.find_expiring_room(len, expires);
        let room = Room::of(len).expiring();
        let found = self.fed.in_time(room, expires, find).await?;
        Ok(self.fed.lane.half.hand_out_expiring(found))
    }

    /// As [`Sender::send_expiring`] if there is space now. Never waits.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
    pub fn try_send_expiring(&mut self, payload: &[u8], expires: Instant) -> Result<(), SendError> {
        self.fed.at_once()?.try_send_expiring(payload, expires)
    }
}

impl<H: Sends> Feeding<H> {
    /// Tries `attempt`, which expires and then says so, until it does not answer that there is no `room`. The sink's frames go first, and are waited for no longer.
    pub(super) async fn in_time<T>(
        &mut self,
        room: Room,
        expires: Instant,
        mut attempt: impl FnMut(&mut H) -> Result<T, SendError> + Unpin,
    ) -> Result<T, SendError> {
        match within(expires, self.settle()).await? {
            Some(settled) => settled?,
            // It says that it is late.
            None => return attempt(self.lane.at_once()),
        }
        let mut waits = false;
        let again = |half: &mut H| {
            if std::mem::replace(&mut waits, true) {
                half.bytes().has_room(room)?;
            }
            attempt(half)
        };
        let sent = match within(expires, self.lane.until(room, again)).await? {
            Some(sent) => sent?,
            None => attempt(self.lane.at_once())?,
        };
        self.lane.passed(room.len());
        Ok(sent)
    }
}

/// What `wait` comes to until `moment`. The timer is made when it has to wait.
async fn within<T>(moment: Instant, wait: impl Future<Output = T>) -> Result<Option<T>, SendError> {
    let mut wait = pin!(wait);
    let mut alarm = None;
    core::future::poll_fn(|cx: &mut Context<'_>| {
        if let Poll::Ready(output) = wait.as_mut().poll(cx) {
            return Poll::Ready(Ok(Some(output)));
        }
        let alarm = match &mut alarm {
            Some(alarm) => alarm,
            none => match Alarm::at(moment) {
                Ok(made) => none.insert(made),
                Err(_) => return Poll::Ready(Err(SendError::Runtime)),
            },
        };
        // In a forked child the call that follows says so.
        let forked = alarm.is_forked();
        Pin::new(alarm).poll(cx).map(|told| match told {
            Err(_) if !forked => Err(SendError::Runtime),
            _ => Ok(None),
        })
    })
    .await
}
