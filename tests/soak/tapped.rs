//! Connections that somebody reads along for a while, and looks at the counters of.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ringway::{Direction, Tap};

use crate::frames::{Frames, number_of};
use crate::process::Random;
use crate::receive::receive_all;
use crate::send::send_all;
use crate::talk::Talk;
use crate::tally::{Count, Tally};
use crate::terms::{Terms, plain, soon};

/// Reads along until told to stop, and then what is left: true frames only, each once and in order.
fn read_along(tap: &mut Tap, frames: [Frames; 2], stop: &AtomicBool) -> u64 {
    let mut next = [0; 2];
    let mut seen = 0;
    let (mut payload, mut scratch) = (Vec::new(), Vec::new());
    loop {
        let last = stop.load(Ordering::Acquire);
        let before = seen;
        for lane in tap.lanes().iter_mut() {
            let way = usize::from(lane.direction() == Direction::ToClient);
            while let Some(_frame) = lane.try_recv(&mut payload).unwrap() {
                let number = number_of(&payload);
                assert!(number >= next[way], "{number} comes behind {}", next[way]);
                frames[way].check(number, &payload, &mut scratch);
                next[way] = number + 1;
                seen += 1;
            }
        }
        if last {
            return seen;
        }
        if before == seen {
            thread::yield_now();
        }
    }
}

impl Talk<'_> {
    /// The client's process reads along.
    pub(crate) fn tapped(&mut self) {
        let terms = Terms::draw(&mut self.draw, 0).with(|config| config.allow_tap(true));
        let [from_client, from_server] = [self.draw.next(), self.draw.next()];
        let is_server = self.draw.below(2) == self.side;
        let count = 1 + self.draw.below(12 * self.much);
        let frames = [from_client, from_server].map(|seed| Frames::new(seed, 8, 1024));
        let mut own = Random::new(from_client ^ self.side);
        if is_server {
            let mut listener = terms.server.bind(self.path).unwrap();
            self.meeting.agree("a listener that may be tapped", 0);
            let connection = listener.accept_deadline(soon()).unwrap();
            let attendant = listener.attend().unwrap();
            self.meeting.agree("somebody reads along", 1);
            self.exchange(connection, [frames[1], frames[0]], count, &mut own);
            self.meeting.agree("nobody reads along", 2);
            drop(attendant);
        } else {
            self.meeting.agree("a listener that may be tapped", 0);
            let connection = terms.client.connect(self.path).unwrap();
            let observed = plain().observe(self.path).unwrap();
            let mut tap = plain().tap(self.path).unwrap();
            // The first look finds where each lane is.
            let stop = AtomicBool::new(true);
            assert_eq!(read_along(&mut tap, frames, &stop), 0);
            stop.store(false, Ordering::Relaxed);
            self.meeting.agree("somebody reads along", 1);
            let seen = thread::scope(|scope| {
                let reading = scope.spawn(|| read_along(&mut tap, frames, &stop));
                self.exchange(connection, frames, count, &mut own);
                stop.store(true, Ordering::Release);
                reading.join().unwrap()
            });
            let connections = observed.connections().unwrap();
            assert!(!connections.is_empty());
            self.tally.add(Count::Tapped, seen);
            self.meeting.agree("nobody reads along", 2);
        }
    }

    fn exchange(
        &mut self,
        connection: ringway::Connection,
        frames: [Frames; 2],
        count: u64,
        own: &mut Random,
    ) {
        self.tally.add(Count::Connections, 1);
        let (sender, mut receiver) = connection.split();
        let mut sending = Random::new(own.next());
        let mut tally = Tally::default();
        thread::scope(|scope| {
            let sent = scope.spawn(|| send_all(sender, frames[0], count, &mut sending, &mut tally));
            receive_all(&mut receiver, frames[1], count, own, self.tally);
            // Until both have everything: who reads along sees an end otherwise.
            self.meeting.agree("everything has arrived", count);
            drop(sent.join().unwrap());
        });
        self.tally.merge(&tally);
    }
}
