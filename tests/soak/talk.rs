//! What two ends of a connection do with each other: each side calls the same function at the same time.

use std::path::Path;
use std::thread;

use ringway::{Receiver, RecvError, SendError, Sender};

use crate::frames::{Frames, LARGEST};
use crate::manners::MANNERS;
use crate::meeting::Meeting;
use crate::process::{Random, mix};
use crate::receive::receive_all;
use crate::send::send_all;
use crate::tally::{Count, Tally};
use crate::terms::{Terms, plain, soon};

/// One end of a connection.
pub(crate) struct Ends {
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
}

/// What one side has beside the connection.
pub(crate) struct Talk<'a> {
    pub(crate) meeting: &'a mut Meeting,
    /// Where listeners of this part of a round listen.
    pub(crate) path: &'a Path,
    /// Draws the same on both sides.
    pub(crate) draw: Random,
    /// 0 or 1.
    pub(crate) side: u64,
    pub(crate) tally: &'a mut Tally,
    /// How much is done.
    pub(crate) much: u64,
}

/// The streams of both directions, ours first.
struct Streams {
    seeds: [u64; 2],
    counts: [u64; 2],
    /// The longest payloads.
    most: [usize; 2],
    /// Draws what is this side's own affair.
    own: Random,
}

impl Talk<'_> {
    /// What is drawn, and what the other side's ring takes.
    fn streams(&mut self, ends: &Ends, count: u64) -> Streams {
        let draw = &mut self.draw;
        let mut seeds = [draw.next(), draw.next()];
        let mut counts = [1 + draw.below(count), 1 + draw.below(count)];
        let most = ends.sender.max_payload();
        let theirs = self.meeting.exchange(most as u64) as usize;
        if self.side == 1 {
            seeds.reverse();
            counts.reverse();
        }
        Streams {
            seeds,
            counts,
            most: [most, theirs],
            own: Random::new(mix(seeds[0])),
        }
    }

    /// One of the things that suit a connection of one lane, by its number.
    pub(crate) fn something(&mut self, ends: Ends, what: u64) -> Ends {
        match what % 7 {
            0 | 4 => self.flow(ends),
            1 | 5 => self.trips(ends),
            2 => self.overflow(ends),
            3 => self.large(ends),
            _ => self.expiring(ends),
        }
    }

    /// Streams of frames of all sizes, both ways at once, sent and received in every way.
    pub(crate) fn flow(&mut self, ends: Ends) -> Ends {
        self.tally.add(Count::Flows, 1);
        let streams = self.streams(&ends, 12 * self.much);
        let frames =
            |side: usize| Frames::new(streams.seeds[side], 1, streams.most[side].min(64 << 10));
        let frames = [frames(0), frames(1)];
        self.both_ways(ends, streams, frames)
    }

    /// A stream so long that what is learned from one is learned, and that receivers who keep up need no waking: sent and received in one way, by one manner of waiting.
    pub(crate) fn long(&mut self) {
        self.tally.add(Count::Long, 1);
        self.meeting.agree("a long stream", 0);
        let manner = self.draw.below(MANNERS.len() as u64);
        let (wait, capacity, membarrier) = MANNERS[manner as usize];
        let config = plain().wait(wait).membarrier(membarrier);
        let config = config.capacity(capacity).peer_capacity(capacity);
        let (sender, receiver) = self.open(&Terms::same(config)).split();
        let ends = Ends { sender, receiver };
        let streams = self.streams(&ends, 1);
        let frames = |side: usize| {
            let most = streams.most[side].min(64 << 10);
            Frames::new(streams.seeds[side], 1, most)
        };
        let (ours, theirs, count) = (frames(0), frames(1), 250 * self.much);
        let Ends {
            mut sender,
            mut receiver,
        } = ends;
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut frame = Vec::new();
                for number in 0..count {
                    ours.write(number, &mut frame);
                    sender.send_deadline(&frame, soon()).unwrap();
                }
            });
            let (mut buffer, mut scratch) = (vec![0; 64 << 10], Vec::new());
            for number in 0..count {
                let received = receiver.recv_into_deadline(&mut buffer, soon());
                let length = received.unwrap();
                theirs.check(number, &buffer[..length], &mut scratch);
                self.tally.received(length);
            }
            let end = receiver.recv_into_deadline(&mut buffer, soon());
            assert_eq!(end, Err(RecvError::Closed));
        });
    }

    /// Streams of frames that are followed while they arrive.
    pub(crate) fn large(&mut self, ends: Ends) -> Ends {
        self.tally.add(Count::Large, 1);
        let streams = self.streams(&ends, 1 + self.much / 4);
        let frames = |side: usize| {
            let most = streams.most[side].min(LARGEST);
            Frames::new(streams.seeds[side], most / 4, most)
        };
        let frames = [frames(0), frames(1)];
        self.both_ways(ends, streams, frames)
    }

    fn both_ways(&mut self, ends: Ends, mut streams: Streams, frames: [Frames; 2]) -> Ends {
        let Ends {
            sender,
            mut receiver,
        } = ends;
        let mut sending = Random::new(streams.own.next());
        let mut batches = Tally::default();
        let sender = thread::scope(|scope| {
            let sent = scope.spawn(|| {
                let (frames, count) = (frames[0], streams.counts[0]);
                send_all(sender, frames, count, &mut sending, &mut batches)
            });
            let (frames, count) = (frames[1], streams.counts[1]);
            receive_all(&mut receiver, frames, count, &mut streams.own, self.tally);
            sent.join().unwrap()
        });
        self.tally.merge(&batches);
        Ends { sender, receiver }
    }

    /// Round trips, several of them on their way at once; who asks is drawn.
    pub(crate) fn trips(&mut self, mut ends: Ends) -> Ends {
        self.tally.add(Count::Trips, 1);
        let count = 1 + self.draw.below(6 * self.much);
        let window = 1 + self.draw.below(16);
        let asker = self.draw.below(2);
        let streams = self.streams(&ends, 1);
        // All that are on their way fit into either ring, or both sides would wait for room.
        let most = streams.most[0].min(streams.most[1]) / (2 * window as usize + 2);
        let frames = |side: usize| Frames::new(streams.seeds[side], 8, most.clamp(8, 4096));
        let (ours, theirs) = (frames(0), frames(1));
        let (mut frame, mut scratch) = (Vec::new(), Vec::new());
        let mut buffer = vec![0; 4096];
        let mut asked = 0;
        for number in 0..count {
            if self.side == asker {
                while asked < count.min(number + window) {
                    ours.write(asked, &mut frame);
                    ends.sender.send_deadline(&frame, soon()).unwrap();
                    asked += 1;
                }
            }
            let received = ends.receiver.recv_into_deadline(&mut buffer, soon());
            let length = received.unwrap();
            theirs.check(number, &buffer[..length], &mut scratch);
            self.tally.received(length);
            if self.side != asker {
                ours.write(number, &mut frame);
                ends.sender.send_deadline(&frame, soon()).unwrap();
            }
        }
        ends
    }

    /// Frames into each lane in a drawn order, both ways at once; those of one lane keep theirs.
    pub(crate) fn by_priority(&mut self, ends: Ends) -> Ends {
        self.tally.add(Count::Lanes, 1);
        let streams = self.streams(&ends, 12 * self.much);
        let Ends {
            mut sender,
            mut receiver,
        } = ends;
        let lanes = sender.priorities();
        assert_eq!(lanes, receiver.priorities());
        let of_lane = |side: usize, lane: usize| {
            let seed = streams.seeds[side] ^ mix(lane as u64);
            Frames::new(seed, 1, streams.most[side].min(8 << 10))
        };
        let mut own = Random::new(streams.own_seed());
        let (of_lane, counts) = (&of_lane, streams.counts);
        let sender = thread::scope(|scope| {
            let sent = scope.spawn(move || {
                let mut numbers = vec![0; lanes];
                let mut frame = Vec::new();
                for _ in 0..counts[0] {
                    let lane = own.below(lanes as u64) as usize;
                    of_lane(0, lane).write(numbers[lane], &mut frame);
                    numbers[lane] += 1;
                    let mut at = sender.at(lane).unwrap();
                    match own.below(3) {
                        0 => at.group().send_deadline(&frame, soon()).unwrap(),
                        _ => at.send_deadline(&frame, soon()).unwrap(),
                    }
                }
                sender
            });
            let mut numbers = vec![0; lanes];
            let mut scratch = Vec::new();
            for _ in 0..counts[1] {
                let frame = receiver.recv_deadline(soon()).unwrap();
                let (lane, bytes) = (frame.priority(), frame.to_vec());
                drop(frame);
                of_lane(1, lane).check(numbers[lane], &bytes, &mut scratch);
                numbers[lane] += 1;
                self.tally.received(bytes.len());
            }
            sent.join().unwrap()
        });
        Ends { sender, receiver }
    }

    /// The connection ends, in one of several ways, and the other side hears of it.
    pub(crate) fn end(&mut self, mut ends: Ends) {
        let way = self.draw.below(5);
        let is_ending = self.draw.below(2) == self.side;
        let seed = self.draw.next();
        // What either side still has to do is done.
        self.meeting.agree("the end of a connection", way);
        let frames = Frames::new(seed, 1, 100);
        let last = 3;
        match (way, is_ending) {
            (0, _) => return,
            (1, true) => return drop(ends),
            (2, true) => {
                let mut frame = Vec::new();
                for number in 0..last {
                    frames.write(number, &mut frame);
                    ends.sender.send_deadline(&frame, soon()).unwrap();
                }
                return drop(ends);
            }
            (3, true) => {
                drop(ends.receiver);
                let receiver_ended = self.meeting.exchange(0);
                assert_eq!(receiver_ended, 1);
                return;
            }
            (3, false) => {
                assert_eq!(hears(&mut ends.sender), SendError::Closed);
                self.meeting.exchange(1);
                return;
            }
            (4, true) => {
                let panicked = thread::spawn(move || {
                    let _ends = ends;
                    std::panic::resume_unwind(Box::new("a panic that drops both halves"));
                });
                assert!(panicked.join().is_err());
                self.tally.add(Count::BrokenOff, 1);
                return;
            }
            _ => {}
        }
        if way == 2 {
            let mut scratch = Vec::new();
            for number in 0..last {
                let frame = ends.receiver.recv_deadline(soon()).unwrap().to_vec();
                frames.check(number, &frame, &mut scratch);
                self.tally.received(frame.len());
            }
        }
        let (heard, refused) = match way {
            4 => (RecvError::PeerClosed, SendError::PeerClosed),
            _ => (RecvError::Closed, SendError::Closed),
        };
        assert_eq!(ends.receiver.recv_deadline(soon()).map(drop), Err(heard));
        assert_eq!(hears(&mut ends.sender), refused);
    }
}

impl Streams {
    fn own_seed(&self) -> u64 {
        mix(self.seeds[0])
    }
}

/// How the connection ended, as its sender hears it.
fn hears(sender: &mut Sender) -> SendError {
    let end = soon();
    loop {
        if let Err(error) = sender.check() {
            return error;
        }
        assert!(std::time::Instant::now() < end, "a sender hears of no end");
        thread::sleep(std::time::Duration::from_millis(1));
    }
}
