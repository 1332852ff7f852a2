//! A lane whose consumer is gone is taken over by another: of the same frames, at the same positions, none is lost, and what is said of each is true.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::{Pair, Receiving, Sending};
use crate::layout::control::{RECEIVER, TAKEN};
use crate::layout::geometry::Geometry;
use crate::layout::redelivery::Redelivery::{self, First, InDoubt, Unseen};
use crate::layout::violation::Violation;
use crate::ring::beside::Counted;
use crate::ring::{Carried, ONE, Refusal};
use crate::segment::OwnWord;
use crate::sync::Ordering;

/// A frame, what is said of it, and whether anybody has seen it.
#[derive(Clone, Debug)]
struct Sent {
    position: u64,
    payload: Vec<u8>,
    kind: u16,
    expires: Option<u64>,
    said: Redelivery,
    seen: bool,
}

#[derive(Clone, Debug)]
enum Step {
    /// Of so many bytes, at an alignment of `8 << .1`, in a way.
    Send(usize, u32, u8),
    Take(usize),
    Hold(bool),
    Release,
    Rewind,
    /// The consumer is gone. The next one has a ring of `4096 << .0`.
    Next(u32),
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0usize..600, 0u32..4, 0u8..4).prop_map(|(size, align, way)| Step::Send(size, align, way)),
        6 => (1usize..6).prop_map(Step::Take),
        1 => any::<bool>().prop_map(Step::Hold),
        1 => Just(Step::Release),
        1 => Just(Step::Rewind),
        1 => (0u32..3).prop_map(Step::Next),
    ]
}

struct World {
    producer: Sending,
    consumer: Receiving,
    account: bool,
    count: u32,
    /// Not released, in order; so many of them were read.
    frames: VecDeque<Sent>,
    read: usize,
    hold: bool,
}

impl World {
    fn new(geometry: &Geometry, account: bool) -> Self {
        let pair = Pair::new(geometry.capacity);
        let (producer, consumer) = pair.lasting(geometry, account);
        Self {
            producer,
            consumer,
            account,
            count: 0,
            frames: VecDeque::new(),
            read: 0,
            hold: false,
        }
    }

    fn send(&mut self, size: usize, align: u32, way: u8) {
        self.count += 1;
        let payload: Vec<u8> = (0..size)
            .map(|place| (self.count as usize * 7 + place) as u8)
            .collect();
        let kind = (self.count % 100) as u16;
        let expires = (way == 3).then(|| u64::from(self.count) << 40);
        let alignment = 8usize << align;
        let slot = match expires {
            Some(_) => self.producer.try_reserve_expiring(size, alignment),
            None => self.producer.try_reserve(size, alignment),
        };
        let slot = match slot {
            Ok(slot) => slot,
            Err(Refusal::Full) => return,
            Err(other) => panic!("an honest consumer, and yet {other:?}"),
        };
        let ahead = slot.payload_place();
        if let Some(at) = expires {
            self.producer.fill_expiring(&slot, &payload);
            self.producer.commit_expiring(&slot, size as u32, kind, at);
        } else {
            self.producer.fill(&slot, &payload);
            self.producer.append(&slot, size as u32, kind);
            // A group may stay open until the next frame.
            if way != 2 {
                self.producer.publish();
            }
        }
        self.frames.push_back(Sent {
            position: ahead.0 + ahead.1 - 8,
            payload,
            kind,
            expires,
            said: First,
            seen: false,
        });
    }

    fn take(&mut self) -> bool {
        let Some(entry) = self.consumer.peek().expect("an honest producer") else {
            return false;
        };
        self.consumer.say_taken(&entry);
        let frame = &mut self.frames[self.read];
        assert_eq!(
            self.consumer.position(&entry),
            frame.position,
            "its position"
        );
        assert_eq!(self.consumer.expires(&entry), frame.expires);
        assert_eq!((entry.kind(), entry.redelivery()), (frame.kind, frame.said));
        let mut copy = vec![0; entry.payload()];
        self.consumer.copy(&entry, 0, &mut copy);
        assert_eq!(copy, frame.payload);
        frame.seen = true;
        self.consumer.advance(&entry);
        self.read += 1;
        if self.consumer.is_release_due() {
            self.consumer.publish_release();
            self.forget();
        }
        true
    }

    /// What was read is finished with.
    fn forget(&mut self) {
        self.frames.drain(..self.read);
        self.read = 0;
    }

    fn next(&mut self, size: u32) {
        self.producer.publish();
        let standing = self.producer.standing().expect("it can be taken over");
        assert_eq!(standing.broken, None);
        let geometry = Geometry::new(4096 << size, 64, standing.start);
        if standing.length() + 8 > geometry.capacity {
            return;
        }
        // Who does not give account takes nothing again, and is refused in the handshake.
        let mut next = Self::new(&geometry, true);
        let carried = next.producer.take_over(&self.producer, &standing);
        assert_eq!(
            next.consumer.peek(),
            Ok(None),
            "nothing is visible before it is published"
        );
        self.producer.wipe(&standing);
        assert_eq!(self.consumer.peek().ok().flatten(), None, "nothing is left");
        let mut expected = Carried::default();
        for frame in &mut self.frames {
            // Of a consumer that gives no account less is known: what it has released and not told is sent again too.
            let doubt = frame.seen || !self.account || frame.said == InDoubt;
            frame.said = if doubt { InDoubt } else { Unseen };
            expected.in_doubt += u64::from(doubt);
            expected.unseen += u64::from(!doubt);
        }
        assert_eq!(carried, expected);
        assert_eq!(next.producer.publish().is_some(), !self.frames.is_empty());
        let counted = next.producer.numbers();
        assert_eq!(counted.frames, self.frames.len() as u64 * ONE);
        assert_eq!(counted.bytes, standing.length());
        next.count = self.count;
        next.frames = core::mem::take(&mut self.frames);
        *self = next;
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Send(size, align, way) => self.send(size, align, way),
            Step::Take(count) => drop((0..count).all(|_| self.take())),
            Step::Hold(on) => {
                self.consumer.hold(on);
                self.hold = on;
                if !on && self.consumer.is_release_due() {
                    self.consumer.publish_release();
                    self.forget();
                }
            }
            Step::Release if self.hold => {
                if self.consumer.release() {
                    self.consumer.publish_release();
                    self.forget();
                }
            }
            Step::Rewind if self.hold && self.account => {
                self.consumer.rewind();
                self.read = 0;
            }
            Step::Release | Step::Rewind => {}
            Step::Next(size) => self.next(size),
        }
    }
}

proptest! {
    #[test]
    fn what_is_taken_over_is_what_was_not_released(
        start in prop_oneof![Just(0u64), (0u64..1000).prop_map(|word| word * 8), Just((1 << 40) - 24)],
        account in prop::bool::weighted(0.8),
        steps in prop::collection::vec(steps(), 1..200),
    ) {
        let mut world = World::new(&Geometry::new(4096, 64, start), account);
        for step in &steps {
            world.step(step);
        }
        world.producer.publish();
        while world.take() {}
        prop_assert_eq!(world.read, world.frames.len(), "frames are lost");
    }
}

/// The ring that comes in its place has no word more: the one at the start stays zero until all of it is published.
#[test]
fn a_ring_that_is_full_to_its_last_word_is_taken_over() {
    for start in [0, 80, 4088] {
        let geometry = Geometry::new(4096, 8, start);
        let (old, new) = (Pair::new(4096), Pair::new(4096));
        let (mut producer, _consumer) = old.lasting(&geometry, true);
        for number in 0..7u8 {
            producer.try_send(&[number; 576], 0).unwrap();
        }
        assert_eq!(producer.try_send(&[], 0), Err(Refusal::Full));
        let standing = producer.standing().unwrap();
        assert_eq!(standing.length(), 4088);
        let (mut next, mut consumer) = new.lasting(&geometry, true);
        let carried = next.take_over(&producer, &standing);
        assert_eq!((carried.unseen, carried.in_doubt), (7, 0));
        assert_eq!((next.tail(), next.published()), (start + 4088, start));
        assert_eq!(consumer.peek(), Ok(None));
        next.publish().unwrap();
        for number in 0..7u8 {
            let entry = consumer.peek().unwrap().unwrap();
            let mut payload = [0xff; 576];
            consumer.copy(&entry, 0, &mut payload);
            assert_eq!((entry.redelivery(), payload), (Unseen, [number; 576]));
            consumer.say_taken(&entry);
            consumer.advance(&entry);
        }
        assert_eq!(consumer.peek(), Ok(None));
    }
}

/// A lane into which three frames were sent, of 16, 24 and 16 bytes, whose consumer says that.
fn said(released: u64, taken: u64) -> (u64, u64, Option<Violation>) {
    let pair = Pair::new(4096);
    let (mut producer, _consumer) = pair.lasting(&Geometry::new(4096, 8, 80), true);
    for size in [8, 16, 8] {
        // Its payload looks like a header.
        let words: Vec<u8> = [1u64 << 48, 1 << 48]
            .iter()
            .flat_map(|word| word.to_ne_bytes())
            .collect();
        producer.try_send(&words[..size], 0).unwrap();
    }
    // ORD: lie: Relaxed, it is read by the same thread; partner: none.
    pair.receiving
        .word(RECEIVER)
        .store(released, Ordering::Relaxed);
    // ORD: lie: Relaxed, as above; partner: none.
    pair.receiving.word(TAKEN).store(taken, Ordering::Relaxed);
    let standing = producer.standing().unwrap();
    assert_eq!(standing.sent, 136);
    (standing.start, standing.taken, standing.broken)
}

#[test]
fn a_consumer_that_lies_has_frames_sent_again_and_no_more() {
    assert_eq!(said(80, 80), (80, 80, None));
    assert_eq!(said(96, 120), (96, 120, None));
    assert_eq!(said(136, 136), (136, 136, None));
    for released in [88, 104, 112, 128] {
        let broken = Violation::ReleasedInsideFrame { released };
        assert_eq!(said(released, 136), (80, 136, Some(broken)));
    }
    for released in [0, 72, 81, 84, 144, u64::MAX] {
        let broken = Violation::ReleasedOutOfRange {
            released,
            at_least: 80,
            at_most: 136,
        };
        assert_eq!(said(released, 136), (80, 136, Some(broken)));
    }
    for taken in [0, 88, 97, 144, u64::MAX] {
        let broken = Violation::TakenOutOfRange {
            taken,
            at_least: 96,
            at_most: 136,
        };
        assert_eq!(said(96, taken), (96, 136, Some(broken)));
    }
    // Within a frame is no broken rule: that frame is in doubt.
    assert_eq!(said(96, 104), (96, 104, None));
}

#[test]
fn a_release_inside_a_frame_ends_a_lane_that_can_be_taken_over() {
    let pair = Pair::new(4096);
    let (mut producer, _consumer) = pair.lasting(&Geometry::new(4096, 8, 0), true);
    producer.try_send(&[0; 16], 0).unwrap();
    // ORD: lie: Relaxed, it is read by the same thread; partner: none.
    pair.receiving.word(RECEIVER).store(8, Ordering::Relaxed);
    let broken = Violation::ReleasedInsideFrame { released: 8 };
    assert_eq!(producer.reclaim(), Err(broken));
    // What it says later changes nothing of what is known.
    producer.shut();
    // ORD: lie: Relaxed, as above; partner: none.
    pair.receiving.word(RECEIVER).store(0, Ordering::Relaxed);
    assert_eq!(producer.standing().unwrap().start, 0);
}
