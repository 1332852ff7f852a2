//! A half whose sleep is a poller's: it takes a place in the poller's epoll instance and gives up its own.

use std::io;
use std::time::{Duration, Instant};

use super::{Heard, Rest};
use crate::connection::outcome::Gone;
use crate::sync::Arc;
use crate::sys::poll::Waiter;
use crate::sys::tower::Seat;

impl Rest {
    /// Takes a place in a poller. It is called once, whatever came before.
    pub(crate) fn seat(&mut self, seat: &Seat) -> io::Result<()> {
        if self.waiter.seat().is_some_and(|now| now.is(seat)) {
            return Ok(());
        }
        if self.waiter.seat().is_some() {
            // Another place, perhaps in the same instance: what is watched from there is not watched a second time, and would be
            // forgotten with the waiter that had it. It needs no instance of its own in between, for which there may be no descriptor.
            self.leave();
            self.move_to(self.waiter.bare());
        }
        let waiter = match self.seated(seat) {
            // The kernel has no watch left for us. Its own, which are as many and are given up anyway, it had before the peer was told that it is let in.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::ENOMEM)) => {
                self.move_to(self.waiter.bare());
                self.seated(seat)?
            }
            made => made?,
        };
        self.move_to(waiter);
        Ok(())
    }

    fn seated(&self, seat: &Seat) -> io::Result<Waiter> {
        let (socket, pidfd) = (self.link.socket(), self.link.pidfd());
        self.waiter.seated(seat.clone(), socket, pidfd)
    }

    /// Waits by itself again. Where no descriptor is to be had for that, it makes one when it has to wait.
    pub(crate) fn unseat(&mut self) {
        // In a forked child nobody waits by it, and a lock of the link's may be held by a thread that the child lacks.
        if self.link.birth.is_forked() || self.waiter.seat().is_none() {
            return;
        }
        let waiter = self.waiter.bare();
        // `settle` makes up for it.
        let _ = waiter.watch(self.link.socket(), self.link.pidfd());
        self.leave();
        self.move_to(waiter);
    }

    fn move_to(&mut self, waiter: Waiter) {
        let waiter = Arc::new(waiter);
        self.link.waits_by(self.place, &waiter);
        self.waiter = waiter;
        self.heard = Heard::Nothing;
    }

    /// Is called by the poller no more on account of the socket and the process, which its sibling shares.
    pub(crate) fn leave(&mut self) {
        if let Some(seat) = self.waiter.seat() {
            seat.forget(self.link.socket());
            if let Some(pidfd) = self.link.pidfd() {
                seat.forget(pidfd);
            }
        }
    }

    /// Has at hand what a wake looks at.
    pub(crate) fn warm(&self) {
        core::hint::black_box((self.peer_has_waited(), self.link.verdict()));
    }

    /// Asks for what a commit or a release looks at. A hint.
    #[inline(always)]
    pub(crate) fn approach(&self) {
        self.watch.warm();
        self.link.approach();
    }

    /// Whether it can be rung. One that cannot only ever spins.
    pub(crate) fn can_sleep(&self) -> bool {
        self.waiter.can_sleep()
    }

    /// Whether the poller may look at it in memory.
    pub(crate) fn may_look(&self) -> bool {
        self.ladder.may_look()
    }

    /// Says that we are about to sleep, unless `look` finds something, or the connection has ended, which it is asked about once more behind that.
    /// Returns whether we sleep.
    pub(crate) fn fall_asleep(&mut self, mut look: impl FnMut() -> bool) -> bool {
        // Who is on one CPU with its peer is never looked at in memory, so that it comes here for each frame. (Who is not learns by what it finds.)
        if self.ladder.is_on_one() {
            self.look_around(Instant::now());
        }
        // Awake while the kernel is asked, so that nudges taken there need not wake us: we look behind the arming.
        if self.end().is_some() {
            return false;
        }
        self.arm_epoch();
        if look() || self.known_end().is_some() {
            self.park.awake();
            return false;
        }
        true
    }

    /// Says that we are awake. In a child of a fork it is the parent's half that sleeps, and the epoch is not mapped.
    pub(crate) fn rise(&mut self) {
        if !self.link.birth.is_forked() {
            self.park.awake();
        }
    }

    /// Whether the socket is closed, and the process may have ended: the kernel says so in a moment.
    pub(crate) fn is_fading(&self) -> bool {
        matches!(self.heard, Heard::Fading(_))
    }

    /// Whether the peer's half opposite has been closed in order.
    pub(crate) fn hears_goodbye(&self) -> bool {
        self.watch.is_closed()
    }

    /// The kernel has something to say of the peer's socket or process.
    pub(crate) fn told(&mut self) {
        self.heard = Heard::Nothing;
    }

    /// How the connection has ended, if it has. The kernel is asked only if it was said to have something to say.
    pub(crate) fn end(&mut self) -> Option<Gone> {
        match self.heard {
            Heard::Alive(_) if !self.is_left() => self.known_end(),
            Heard::Alive(_) | Heard::Nothing | Heard::Fading(_) => {
                self.ask(Instant::now(), Duration::MAX)
            }
        }
    }

    /// When it is to be looked at again although nobody tells of it: the socket is closed, and the process may have ended; or it sleeps without the barrier that it needs
    /// (`barrier.rs`).
    pub(crate) fn fades_until(&self) -> Option<Instant> {
        let fading = match self.heard {
            Heard::Fading(until) => Some(until),
            Heard::Nothing | Heard::Alive(_) => None,
        };
        [fading, self.sure_until()].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd, AsRawFd};

    use super::*;
    use crate::connection::rest::Ended;
    use crate::connection::rest::pair::pair;
    use crate::connection::{Arm, Config};
    use crate::sys::tower::Tower;
    use crate::wake::ladder::Wait;

    /// A half in a poller has no instance before its first wait there: who ends that wait has one to wake it by before it sleeps.
    #[test]
    fn the_first_wait_in_a_poller_is_ended_whenever_that_is_asked_for() {
        let (mut server, _client) = pair("first-wait", &Config::new().wait(Wait::Park));
        let tower = Arc::new(Tower::new().unwrap());
        let rest = server.receiver().resting();
        let interrupter = rest.interrupter();
        // Before it goes to sleep, and behind that.
        for last in 1..=2 {
            rest.seat(&Seat::new(&tower, 4 * last, 4 * last + 1))
                .unwrap();
            let mut looks = 0;
            let deadline = Instant::now() + Duration::from_secs(30);
            let ended = rest.wait::<(), ()>(Some(deadline), &mut || {
                looks += 1;
                if looks == last {
                    interrupter.interrupt();
                }
                Ok(None)
            });
            assert_eq!(ended, Ok(Err(Ended::Interrupted)), "at look {last}");
            rest.unseat();
        }
    }

    #[test]
    fn one_with_neither_a_place_nor_an_instance_has_a_descriptor_and_can_be_armed() {
        let (mut server, _client) = pair("bare", &Config::new().wait(Wait::Park));
        let tower = Arc::new(Tower::new().unwrap());
        let receiver = server.receiver();
        receiver.resting().seat(&Seat::new(&tower, 4, 5)).unwrap();
        let rest = receiver.resting();
        rest.leave();
        rest.move_to(rest.waiter.bare());
        let descriptor = rest.as_fd().as_raw_fd();
        assert_eq!(receiver.arm(), Ok(Arm::Armed));
        assert_eq!(receiver.resting().as_fd().as_raw_fd(), descriptor);
    }
}
