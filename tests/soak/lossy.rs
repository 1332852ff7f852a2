//! Streams of which some frames never arrive, and how many is known: those that a full ring has no room for, and those that expire.

use std::thread;
use std::time::{Duration, Instant};

use ringway::{Receiver, SendError, Sender};

use crate::frames::{Frames, number_of};
use crate::process::Random;
use crate::talk::{Ends, Talk};
use crate::tally::{Count, Tally};
use crate::terms::soon;

/// A frame that may be missing, one that may not, and the last one, which says how many there were of both.
const MAYBE: u16 = 1;
const SURELY: u16 = 2;
const LAST: u16 = 3;

/// Sends frames until the ring overflows, and on, both ways at once: what was dropped is known to the sender, and nothing else is missing.
fn overflow(sender: &mut Sender, frames: Frames, count: u64, _: &mut Random) -> [u64; 2] {
    let before = sender.dropped();
    let mut frame = Vec::new();
    let mut sent = 0;
    for number in 0..count {
        frames.write(number, &mut frame);
        sent += u64::from(sender.send_or_drop(&frame).unwrap());
    }
    assert_eq!(sender.dropped() - before, count - sent);
    [0, sent]
}

/// Sends frames that expire soon, or not within an hour, or never.
fn expiring(sender: &mut Sender, frames: Frames, count: u64, draw: &mut Random) -> [u64; 2] {
    let mut frame = Vec::new();
    let mut sent = [0, 0];
    for number in 0..count {
        frames.write(number, &mut frame);
        let kind = draw.below(3);
        let outcome = match kind {
            0 => {
                let expires = Instant::now() + Duration::from_micros(draw.below(300));
                sender.send_kind_expiring(MAYBE, &frame, expires)
            }
            1 => {
                let expires = Instant::now() + Duration::from_secs(3600);
                sender.send_kind_expiring(SURELY, &frame, expires)
            }
            _ => sender.send_kind_deadline(SURELY, &frame, soon()),
        };
        match outcome {
            Ok(()) => sent[usize::from(kind != 0)] += 1,
            // It was not sent, and says so.
            Err(SendError::Expired | SendError::QueueTooLong) => {}
            Err(error) => panic!("{error}"),
        }
    }
    sent
}

/// Until the last frame: what came, of each kind, is what was sent but for what has expired.
fn receive(receiver: &mut Receiver, frames: Frames, tally: &mut Tally) {
    let before = receiver.expired();
    let mut next = 0;
    let mut seen = [0, 0];
    let mut scratch = Vec::new();
    loop {
        let frame = receiver.recv_deadline(soon()).unwrap();
        let (kind, bytes) = (frame.kind(), frame.to_vec());
        drop(frame);
        if kind == LAST {
            let sent = [number_of(&bytes), number_of(&bytes[8..])];
            let expired = receiver.expired() - before;
            assert_eq!(seen[1], sent[1], "frames that do not expire");
            assert_eq!(
                seen[0] + expired,
                sent[0],
                "received, and expired: {expired}"
            );
            tally.add(Count::Expired, expired);
            return;
        }
        let number = number_of(&bytes);
        assert!(
            number >= next,
            "frame {number}, behind {next}, is not what was sent"
        );
        frames.check(number, &bytes, &mut scratch);
        next = number + 1;
        seen[usize::from(kind != MAYBE)] += 1;
        tally.received(bytes.len());
    }
}

type Send = fn(&mut Sender, Frames, u64, &mut Random) -> [u64; 2];

impl Talk<'_> {
    pub(crate) fn overflow(&mut self, ends: Ends) -> Ends {
        self.tally.add(Count::Drops, 1);
        self.lossy(ends, overflow)
    }

    pub(crate) fn expiring(&mut self, mut ends: Ends) -> Ends {
        self.tally.add(Count::Expiries, 1);
        ends.receiver.drop_expired(true).unwrap();
        // The other side drops too before anything is sent.
        self.meeting.agree("frames that expire", 1);
        let mut ends = self.lossy(ends, expiring);
        ends.receiver.drop_expired(false).unwrap();
        ends
    }

    fn lossy(&mut self, ends: Ends, send: Send) -> Ends {
        let Ends {
            mut sender,
            mut receiver,
        } = ends;
        let count = 12 * self.much;
        let mut seeds = [self.draw.next(), self.draw.next()];
        if self.side == 1 {
            seeds.reverse();
        }
        let most = sender.max_payload() / 8;
        let theirs = self.meeting.exchange(most as u64) as usize;
        let ours = Frames::new(seeds[0], 8, most.min(4096));
        let theirs = Frames::new(seeds[1], 8, theirs.min(4096));
        let mut own = Random::new(seeds[0]);
        let (sender, dropped) = thread::scope(|scope| {
            let sent = scope.spawn(move || {
                let before = sender.dropped();
                let sent = send(&mut sender, ours, count, &mut own);
                let last = sent.map(u64::to_ne_bytes).concat();
                sender.send_kind_deadline(LAST, &last, soon()).unwrap();
                let dropped = sender.dropped() - before;
                (sender, dropped)
            });
            receive(&mut receiver, theirs, self.tally);
            sent.join().unwrap()
        });
        self.tally.add(Count::Dropped, dropped);
        Ends { sender, receiver }
    }
}
