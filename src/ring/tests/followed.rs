//! Frames that are copied out while they are copied in, on real mapped memory: what arrives early is what was sent, and what a producer that lies announces
//! is neither read nor believed.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::{Pair, Receiving, Sending};
use crate::layout::control::ANNOUNCED;
use crate::layout::geometry::Geometry;
use crate::layout::header::{HEADER, Header};
use crate::ring::{Early, Refusal};
use crate::segment::{Gate, MappedForeignWord, MappedOwnWord, OwnRing, OwnWord, Ring};
use crate::sync::Ordering;

const CAPACITY: u64 = 4096;
/// Frames from here on are announced here, in such parts.
const FROM: usize = 256;
const PART: usize = 32;

/// How a frame is sent.
#[derive(Clone, Copy, Debug)]
enum How {
    Plain,
    /// In place, aligned to `8 << .0`, with the last bytes left away: nothing of it is announced.
    Reserved(u32, usize),
    /// Written in place, and then something else in its place.
    Aborted,
    Expiring,
    Grouped,
}

fn frames() -> impl Strategy<Value = Vec<(usize, How)>> {
    let how = prop_oneof![
        6 => Just(How::Plain),
        1 => (0u32..=3, 0usize..40).prop_map(|(align, less)| How::Reserved(align, less)),
        1 => Just(How::Aborted),
        1 => Just(How::Expiring),
        1 => Just(How::Grouped),
    ];
    let size = prop_oneof![
        1 => 0usize..300,
        4 => 300usize..3000,
        1 => 3490usize..=3520,
    ];
    let frame = (size, how).prop_map(|(length, how)| match how {
        // An extension takes eight bytes of the most.
        How::Expiring => (length.min(3512), how),
        _ => (length, how),
    });
    prop::collection::vec(frame, 1..60)
}

fn payload(number: usize, length: usize) -> Vec<u8> {
    let seed = (number as u32 + 1).wrapping_mul(0x9e37_79b9);
    (0..length)
        .map(|place| (seed.rotate_left(place as u32 % 32) as usize ^ place) as u8 | 1)
        .collect()
}

/// A reader who follows, and what it is to receive.
struct Reader {
    consumer: Receiving,
    word: MappedForeignWord,
    early: Early,
    buffer: Vec<u8>,
    least: usize,
    sent: VecDeque<(u16, Vec<u8>)>,
}

impl Reader {
    /// Takes what is committed, checks it, and copies what is announced behind it.
    fn read(&mut self) {
        while let Some(entry) = self.consumer.peek().expect("an honest producer") {
            let early = self.early.of(&entry);
            let rest = self
                .consumer
                .copy(&entry, early, &mut self.buffer[early..entry.payload()]);
            self.consumer.advance(&entry);
            if self.consumer.is_release_due() {
                self.consumer.publish_release();
            }
            let (kind, payload) = self.sent.pop_front().expect("no more than was sent");
            assert_eq!((entry.kind(), early + rest), (kind, payload.len()));
            assert!(self.buffer[..payload.len()] == payload, "frame {kind}");
        }
        let Self { early, buffer, .. } = self;
        self.consumer.follow(&self.word, early, buffer, self.least);
    }
}

/// Sends one; `chance` says whether the reader reads, at each place where it may.
fn send(
    producer: &mut Sending,
    reader: &mut Reader,
    number: usize,
    (length, how): (usize, How),
    chance: &mut impl FnMut() -> bool,
) {
    let mut full = payload(number, length);
    if let How::Reserved(_, less) = how {
        full.truncate(length.saturating_sub(less));
    }
    let kind = number as u16;
    loop {
        let sent = match how {
            How::Plain => {
                let mut each = || {
                    if chance() {
                        reader.read();
                    }
                    false
                };
                producer.try_send_waking(&full, kind, &mut each).map(drop)
            }
            How::Reserved(align, _) => producer.try_reserve(length, 8 << align).map(|slot| {
                producer.fill(&slot, &full);
                producer.commit(&slot, full.len() as u32, kind);
            }),
            How::Aborted => producer.try_reserve(length, 8).map(|slot| {
                producer.fill(&slot, &payload(number + 1000, length));
                if chance() {
                    reader.read();
                }
                producer.fill(&slot, &full);
                producer.commit(&slot, length as u32, kind);
            }),
            How::Expiring => producer.try_reserve_expiring(length, 8).map(|slot| {
                producer.fill_expiring(&slot, &full);
                producer.commit_expiring(&slot, length as u32, kind, u64::MAX);
            }),
            How::Grouped => producer.try_append(&full, kind).map(|()| {
                producer.publish();
            }),
        };
        match sent {
            Ok(()) => break,
            Err(Refusal::Full) => reader.read(),
            Err(other) => panic!("an honest consumer, and yet {other:?}"),
        }
    }
    reader.sent.push_back((kind, full));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever comes by whatever way, at every place of the ring, and whenever the reader reads, it is what was sent.
    #[test]
    fn what_is_copied_early_is_what_was_sent(
        frames in frames(),
        start in 0u64..=CAPACITY / 8,
        least in 1usize..200,
        chances in prop::collection::vec(any::<bool>(), 1..50),
    ) {
        let pair = Pair::new(CAPACITY);
        // The largest alignment takes room from the largest frame, which has 3520 bytes.
        let geometry = Geometry::new(CAPACITY, 64, start * 8);
        let (mut producer, consumer) = pair.halves(&geometry, true);
        producer.announce_from(pair.sending.word(ANNOUNCED), FROM, PART);
        let mut reader = Reader {
            consumer,
            word: pair.sending_seen.word(ANNOUNCED),
            early: Early::default(),
            buffer: vec![0; CAPACITY as usize],
            least,
            sent: VecDeque::new(),
        };
        let mut chances = chances.into_iter().cycle();
        let mut chance = || chances.next().unwrap_or(true);
        for (number, frame) in frames.into_iter().enumerate() {
            send(&mut producer, &mut reader, number, frame, &mut chance);
        }
        reader.read();
        prop_assert!(reader.sent.is_empty());
    }
}

/// Behind each announcement there is so much to follow before the commit.
#[test]
fn a_part_is_there_before_the_commit_and_nothing_is_if_it_never_comes() {
    for start in [0, CAPACITY - 8, CAPACITY - 1024, 1 << 62] {
        let pair = Pair::new(CAPACITY);
        let (mut producer, mut consumer) = pair.halves(&Geometry::new(CAPACITY, 8, start), true);
        producer.announce_from(pair.sending.word(ANNOUNCED), FROM, PART);
        let word = pair.sending_seen.word(ANNOUNCED);
        let (mut early, mut buffer) = (Early::default(), vec![0; CAPACITY as usize]);
        // One that is not announced, so that the announced one is not the first.
        let none = || unreachable!("it is too short for that");
        producer
            .try_send_waking(&payload(0, FROM - 1), 0, none)
            .unwrap();
        let first = consumer.peek().unwrap().unwrap();
        consumer.advance(&first);
        assert!(!consumer.follow(&word, &mut early, &mut buffer, 1));
        let whole = payload(1, 1000);
        let mut parts = 0;
        let mut each = || {
            parts += 1;
            assert_eq!(consumer.peek(), Ok(None), "nothing is committed");
            assert_eq!(consumer.announced(&word), parts * PART);
            assert!(!consumer.follow(&word, &mut early, &mut buffer, PART + 1));
            assert!(consumer.follow(&word, &mut early, &mut buffer, PART));
            let more = consumer.follow(&word, &mut early, &mut buffer, 1);
            assert!(!more, "no more than was announced");
            assert_eq!(buffer[..parts * PART], whole[..parts * PART]);
            false
        };
        producer.try_send_waking(&whole, 0, &mut each).unwrap();
        // The last part comes with the commit.
        assert_eq!(parts, 1000 / PART);
        let entry = consumer.peek().unwrap().unwrap();
        assert_eq!(early.of(&entry), parts * PART);
        consumer.advance(&entry);
        // What was said of that frame says nothing of the next.
        assert_eq!(consumer.announced(&word), 0);
        assert!(!consumer.follow(&word, &mut early, &mut buffer, 1));
    }
}

/// Publishes an announcement as a peer that may lie.
fn say(word: &MappedOwnWord, value: u64) {
    // ORD: lie: Relaxed, it is read by the same thread; partner: none.
    word.store(value, Ordering::Relaxed);
}

#[test]
fn a_lie_is_bounded_by_the_ring_and_by_the_buffer() {
    for start in [0, 8, CAPACITY - 8, 1 << 62] {
        let pair = Pair::new(CAPACITY);
        let (_producer, consumer) = pair.halves(&Geometry::new(CAPACITY, 8, start), true);
        let (own, word) = (
            pair.sending.word(ANNOUNCED),
            pair.sending_seen.word(ANNOUNCED),
        );
        let most = start + CAPACITY - 8;
        for none in [
            0,
            start,
            start + HEADER,
            most + 1,
            most + 8,
            most + CAPACITY,
            u64::MAX,
            1 << 63,
        ] {
            say(&own, none);
            assert_eq!(consumer.announced(&word), 0, "{none} of {start}");
        }
        say(&own, most);
        assert_eq!(consumer.announced(&word), (CAPACITY - 16) as usize);
        let mut early = Early::default();
        // A short buffer is filled and no more; what lies behind it is another's.
        let mut buffer = vec![7; 200];
        assert!(consumer.follow(&word, &mut early, &mut buffer[..100], 1));
        assert_eq!(early.bytes, 100);
        assert!(!consumer.follow(&word, &mut early, &mut buffer[..100], 1));
        assert!(buffer[100..].iter().all(|byte| *byte == 7));
        // Going back changes nothing, and going forward again brings what is new.
        say(&own, start + 50);
        assert!(!consumer.follow(&word, &mut early, &mut buffer, 1));
        say(&own, start + HEADER + 150);
        assert!(consumer.follow(&word, &mut early, &mut buffer, 1));
        assert_eq!(early.bytes, 150);
    }
}

/// The header decides. One that is shorter than what was announced, or begins elsewhere, has its bytes copied anew.
#[test]
fn a_frame_that_is_not_what_was_announced_is_copied_anew() {
    let pair = Pair::new(CAPACITY);
    let (_producer, mut consumer) = pair.halves(&Geometry::new(CAPACITY, 8, 0), true);
    let ring = pair.sending.ring(0, Gate::pair().unwrap().0);
    let put = |position: u64, word: u64| {
        // SAFETY: the place of a multiple of 8 in the ring.
        // ORD: lie: Relaxed, it is read by the same thread; partner: none.
        unsafe { ring.store(ring.place(position), 0, word, Ordering::Relaxed) };
    };
    let word = pair.sending_seen.word(ANNOUNCED);
    let (mut early, mut buffer) = (Early::default(), vec![0; 512]);
    say(&pair.sending.word(ANNOUNCED), 8 + 400);
    assert!(consumer.follow(&word, &mut early, &mut buffer, 1));
    let frame = |payload| Header::frame(payload, 0).0;
    for (payload, early_bytes) in [(399, 0), (400, 400), (500, 400)] {
        put(0, frame(payload));
        let entry = consumer.peek().unwrap().unwrap();
        assert_eq!(early.of(&entry), early_bytes);
    }
    // Behind a pad.
    put(8, frame(400));
    put(0, Header::pad(8).0);
    let entry = consumer.peek().unwrap().unwrap();
    assert_eq!((entry.position, early.of(&entry)), (8, 0));
}

/// Nothing is followed where a rule was broken, or behind the end.
#[test]
fn a_lane_that_is_over_is_not_followed() {
    let pair = Pair::new(CAPACITY);
    let (mut producer, mut consumer) = pair.halves(&Geometry::new(CAPACITY, 8, 0), true);
    producer.try_send(&[1; 8], 0).unwrap();
    let word = pair.sending_seen.word(ANNOUNCED);
    say(&pair.sending.word(ANNOUNCED), 16 + 8 + 100);
    let entry = consumer.peek().unwrap().unwrap();
    consumer.advance(&entry);
    assert_eq!(consumer.announced(&word), 100);
    consumer.end();
    assert_eq!(consumer.announced(&word), 0);
    let pair = Pair::new(CAPACITY);
    let (_producer, mut consumer) = pair.halves(&Geometry::new(CAPACITY, 8, 0), true);
    let ring = pair.sending.ring(0, Gate::pair().unwrap().0);
    let word = pair.sending_seen.word(ANNOUNCED);
    say(&pair.sending.word(ANNOUNCED), 100);
    assert_eq!(consumer.announced(&word), 92);
    // SAFETY: the place of a multiple of 8 in the ring.
    // ORD: lie: Relaxed, it is read by the same thread; partner: none.
    unsafe { ring.store(ring.place(0), 0, 1, Ordering::Relaxed) };
    assert!(consumer.peek().is_err());
    assert_eq!(consumer.announced(&word), 0);
}
