//! Frames that are read and kept in the ring until the receiver says so.

use super::{Lane, Receiver};

impl Receiver {
    /// `true`: frames that are read stay unreleased until [`Receiver::release`], and [`Receiver::rewind`] goes back to them. They
    /// count against the ring's capacity: when held frames fill it, both sides stop. The sender finds the ring full, and [`Receiver::recv`] waits
    /// for a frame that cannot come, until some are released.
    pub fn hold(&mut self, on: bool) {
        if self.birth.is_forked() {
            return;
        }
        self.each_lane(|lane| lane.hold(on));
        step!("hold");
        if !on {
            self.finish_all();
        }
    }

    /// Releases every frame that has been read. The sender is told in steps of an eighth of the ring. Where the connection can be resumed ([`Config::resumable`](crate::Config::resumable)) it is told at once, and a frame
    /// that was copied out is released too, which otherwise is when the next one is asked for, by whatever call looks for a frame.
    pub fn release(&mut self) {
        if self.birth.is_forked() {
            return;
        }
        self.tell_lanes(Lane::release);
    }

    /// Goes back to the first frame that is not released, in each lane: it is received again. Returns the bytes of ring gone back. Frames of several
    /// priorities may come in another order than before, but those of one do not.
    pub fn rewind(&mut self) -> u64 {
        if self.birth.is_forked() {
            return 0;
        }
        let back = match &mut self.several {
            Some(several) => several.rewind(&mut self.lane),
            None => self.lane.rewind(),
        };
        step!("rewind");
        back
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use crate::connection::rest::pair::pair;
    use crate::connection::{Config, Receiver};
    use crate::wake::ladder::Wait;

    /// A sender that sleeps for room has it, by nothing but what `ends` does to the frames that are held.
    fn wakes(name: &str, lanes: usize, ends: impl FnOnce(&mut Receiver)) {
        let config = Config::new().wait(Wait::Park).lanes(lanes);
        let (mut server, client) = pair(name, &config.capacity(4096).peer_capacity(4096));
        let receiver = server.receiver();
        receiver.hold(true);
        let (mut sender, _theirs) = client.split();
        let (tell, told) = mpsc::channel();
        let sends = thread::spawn(move || {
            let mut lane = sender.at(lanes - 1).unwrap();
            while lane.try_send(&[0; 100]).is_ok() {}
            tell.send(()).unwrap();
            lane.send(&[0; 100]).unwrap();
            tell.send(()).unwrap();
        });
        told.recv().unwrap();
        while receiver.try_recv().is_ok() {}
        // Long enough to fall asleep; who has not does not need to be woken.
        thread::sleep(Duration::from_millis(50));
        ends(receiver);
        let woken = told.recv_timeout(Duration::from_secs(20));
        assert!(woken.is_ok(), "it sleeps on");
        sends.join().unwrap();
    }

    #[test]
    fn a_release_wakes_who_waits_for_that_room() {
        wakes("released", 1, Receiver::release);
        wakes("released-of-two", 2, Receiver::release);
    }

    #[test]
    fn the_end_of_holding_wakes_who_waits_for_that_room() {
        wakes("unheld", 1, |receiver| receiver.hold(false));
        wakes("unheld-of-two", 2, |receiver| receiver.hold(false));
    }
}
