//! The half that sends, in the polls of a future.

use std::time::Instant;

use super::Sender;
use crate::connection::outcome::SendError;
use crate::connection::reservation::Reservation;
use crate::connection::room::Room;
use crate::ring::{Refusal, Slot};

impl Sender {
    /// What [`Sender::try_reserve`] reserves, aligned, before it is handed out: [`Sender::hand_out`] comes next.
    #[inline]
    pub(crate) fn find_room(&mut self, len: usize, align: usize) -> Result<Slot, SendError> {
        self.lone_slot(len, align, None)
    }

    /// The room that was found.
    #[inline]
    pub(crate) fn hand_out(&mut self, slot: Slot) -> Reservation<'_> {
        Reservation::new(self, slot, false)
    }

    /// Room for `len` bytes that expire, and when they do: [`Sender::hand_out_expiring`] comes next.
    pub(crate) fn find_expiring_room(
        &mut self,
        len: usize,
        expires: Instant,
    ) -> Result<(Slot, u64), SendError> {
        self.lone_expiring_slot(len, 8, expires, false)
    }

    /// Whether there is room, for whoever waits for it to send what expires: how long the queue takes is asked when there is, as a call that waits in its thread does.
    pub(crate) fn has_room(&mut self, room: Room) -> Result<(), SendError> {
        if self.is_forked() {
            return Err(SendError::Forked);
        }
        match room.is_in(&mut self.lane) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.refused(Refusal::Full)),
            Err(refusal) => Err(self.refused(refusal)),
        }
    }

    /// The room that was found.
    pub(crate) fn hand_out_expiring(&mut self, found: (Slot, u64)) -> Reservation<'_> {
        let (slot, at) = found;
        Reservation::expiring(self, slot, at, false)
    }

    /// Whether there is room; also where the call that wants it will be refused.
    pub(crate) fn looks_roomy(&mut self, room: Room) -> bool {
        self.is_forked() || !matches!(room.is_in(&mut self.lane), Ok(false))
    }
}

#[cfg(test)]
mod tests {
    use crate::connection::Config;
    use crate::connection::rest::pair::pair;
    use crate::connection::room::Room;

    #[test]
    fn there_is_room_for_what_fits_and_for_what_is_refused() {
        let config = Config::new().capacity(4096).peer_capacity(4096);
        let (mut server, mut client) = pair("roomy", &config);
        let sender = server.sender();
        assert!(sender.looks_roomy(Room::of(1000)));
        let sent = (0..100).take_while(|_| sender.try_send(&[0; 1000]).is_ok());
        assert!(sent.count() < 5);
        assert!(!sender.looks_roomy(Room::of(1000)));
        assert!(sender.looks_roomy(Room::of(1 << 20)), "it will be refused");
        while client.receiver().try_recv().is_ok() {}
        assert!(sender.looks_roomy(Room::of(1000)));
    }
}
