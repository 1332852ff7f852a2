//! Dropping frames that have expired before the receiver sees them.
//!
//! A look at the lane drops some and then says so (`Halt::Dropped`), so that whoever looked can release them, heed a deadline and look again: nobody takes that for "nothing
//! there", and so nobody sleeps on it.

use std::time::Instant;

use super::{Lane, Receiver};
use crate::connection::outcome::{Arm, RecvError};
use crate::error::{Error, ErrorKind};
use crate::ring::{Entry, Halt};
use crate::sys::clock::HostClock;
use crate::sys::cpu;

/// Rounds of drops that one `arm` takes, of up to 64 frames.
const ROUNDS: u32 = 16;

impl Receiver {
    /// `true`: frames that have expired ([`Sender::send_expiring`](crate::Sender::send_expiring)) are dropped from now on, before any way of receiving sees them, and counted.
    /// Default: `false`, or what [`Config::drop_expired`](crate::Config::drop_expired) says.
    ///
    /// A frame is judged once, when it is first looked at: one that [`Receiver::arm`] or a [`Poller`](crate::Poller) has announced is there, if it expires meanwhile too. With frames
    /// held ([`Receiver::hold`]), one that was dropped is released with those before it, and judged again after a rewind.
    ///
    /// However many there are to drop, calls keep their deadlines: [`Receiver::recv_deadline`] may time out with frames behind them that the next call finds. A call that never waits drops
    /// no more than about twice what the rings hold, and [`Receiver::arm`] says `Ready` while there are very many.
    ///
    /// # Errors
    /// [`ErrorKind::Clock`]: this process has unshared its time namespace and cannot tell the host's clock.
    pub fn drop_expired(&mut self, on: bool) -> Result<(), Error> {
        if on {
            let clock = HostClock::here().map_err(unknown)?;
            self.each_lane(|lane| lane.drop_expired(cpu::nanos, clock.ahead()));
        } else {
            self.each_lane(Lane::keep_expired);
        }
        Ok(())
    }

    /// Frames that were dropped because they had expired.
    pub fn expired(&self) -> u64 {
        self.dropped()
    }

    /// A look was cut short, by a broken rule or because it has dropped frames: they are released.
    #[cold]
    #[inline(never)]
    pub(super) fn halted(&mut self, halt: Halt) -> Result<Option<Entry>, RecvError> {
        match halt {
            Halt::Broken(violation) => Err(RecvError::Protocol(violation)),
            Halt::Dropped => {
                self.release_dropped();
                Ok(None)
            }
        }
    }

    /// Tells the sender of what was dropped, if that makes a step's worth.
    pub(super) fn release_dropped(&mut self) {
        self.count_dropped();
        self.tell_owed();
    }

    fn count_dropped(&mut self) {
        let more = self.dropped() - self.expired.value();
        if more > 0 {
            self.expired.add_some(more);
        }
    }

    /// Tells the sender what makes a step's worth in any lane. Before a wait, and where it would be told that there is nothing: nobody tells it later.
    pub(super) fn tell_owed(&mut self) {
        self.tell_lanes(|lane| lane.owes_release());
    }

    /// A look was cut short within a wait until `deadline`: the next one, if it is not over.
    pub(super) fn halted_until(
        &mut self,
        mut halt: Halt,
        deadline: Option<Instant>,
    ) -> Result<Option<Entry>, RecvError> {
        loop {
            self.halted(halt)?;
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(RecvError::TimedOut);
            }
            if self.rest.is_interrupted() {
                return Err(RecvError::Interrupted);
            }
            match self.look_once() {
                Ok(found) => return Ok(found),
                Err(next) => halt = next,
            }
        }
    }

    /// The first frame behind expired ones, of those that are in the ring now.
    pub(super) fn look_behind_expired(&mut self) -> Result<Option<Entry>, RecvError> {
        if !self.lane.drops_expired() {
            return Ok(None);
        }
        // The sum of several positions may go round, and an extension that is stepped back from takes some back.
        let from = self.read();
        let most = self.lane.capacity() * self.priorities() as u64;
        loop {
            match self.look_once() {
                Ok(found) => return Ok(found),
                Err(halt) => self.halted(halt)?,
            };
            let read = self.read().wrapping_sub(from);
            if (most..1 << 63).contains(&read) {
                return Ok(None);
            }
        }
    }

    /// Arms, and looks behind expired frames.
    pub(super) fn arm_behind_expired(&mut self) -> Result<Arm, RecvError> {
        self.tell_owed();
        for _ in 0..ROUNDS {
            let Self {
                lane,
                several,
                rest,
                ..
            } = self;
            match rest.arm_until(&mut || Self::look_at(lane, several)) {
                Ok(rested) => return Ok(rest.without_timer(rested)),
                Err(halt) => self.halted(halt)?,
            };
        }
        Ok(Arm::Ready)
    }

    /// What a look dropped that nobody followed up.
    pub(super) fn follow_up(&mut self) {
        if !self.lane.drops_expired() {
            return;
        }
        self.count_dropped();
        // Where account is given, what a handler has left in hand would be told with it: all is when that comes back.
        if !self.lane.gives_account() {
            self.tell_owed();
        }
    }
}

pub(crate) fn unknown(error: std::io::Error) -> Error {
    Error::caused(
        ErrorKind::Clock,
        "reading how far this process's clock is ahead of the host's",
        error,
    )
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use crate::connection::rest::pair::pair;
    use crate::connection::{Config, SendError};

    /// A look that is timed drops as any other does.
    #[test]
    fn what_a_timed_look_drops_is_counted_at_once() {
        let (mut server, mut client) = pair("timed-drop", &Config::new());
        let receiver = client.receiver();
        receiver.drop_expired(true).unwrap();
        let expires = loop {
            let expires = Instant::now() + Duration::from_millis(2);
            match server.sender().send_expiring(b"stale", expires) {
                Ok(()) => break expires,
                Err(SendError::Expired) => {}
                Err(error) => panic!("{error}"),
            }
        };
        while Instant::now() <= expires {
            std::thread::sleep(Duration::from_micros(100));
        }
        receiver.time_looks();
        assert_eq!(receiver.expired.value(), 1);
    }

    /// What the first look finds was there already.
    #[test]
    fn how_long_a_line_takes_is_not_learned_of_a_frame_that_was_there() {
        let (mut server, mut client) = pair("timed-there", &Config::new());
        let receiver = client.receiver();
        server.sender().send(b"there").unwrap();
        let before = format!("{:?}", receiver.gap);
        (0..100).for_each(|_| receiver.time_looks());
        assert_eq!(format!("{:?}", receiver.gap), before);
        assert_eq!(receiver.try_recv().unwrap().to_vec(), b"there");
    }
}
