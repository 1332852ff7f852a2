//! Each rule of the lane, broken by a peer that writes its own words as it likes.

use super::{Pair, Receiving, Sending};
use crate::layout::control::RECEIVER;
use crate::layout::geometry::{Geometry, MAX_POSITION};
use crate::layout::header::{FLAG_EXPIRES, FLAG_FRAME, FLAG_PAD, Header};
use crate::layout::violation::Violation;
use crate::ring::{Consumer, Found, Halt, Refusal, say_start};
use crate::segment::{Gate, MappedOwnWord, OwnRing, OwnWord, Ring};
use crate::sync::Ordering;

const CAPACITY: u64 = 4096;
const PAD: u16 = FLAG_FRAME | FLAG_PAD;

/// What an honest reader says of a ring whose words are `words`: (position, header).
fn look(start: u64, words: &[(u64, u64)]) -> Result<(), Violation> {
    let pair = Pair::new(CAPACITY);
    let (_producer, mut consumer): (Sending, Receiving) =
        pair.halves(&Geometry::new(CAPACITY, 64, start), false);
    let ring = pair.sending.ring(0, Gate::pair().unwrap().0);
    for (position, word) in words {
        // SAFETY: multiples of 8 inside the ring.
        // ORD: lie: Relaxed, it is read by the same thread; partner: none.
        unsafe { ring.store(ring.place(start + position), 0, *word, Ordering::Relaxed) };
    }
    match consumer.peek() {
        Ok(found) => {
            assert!(found.is_some());
            Ok(())
        }
        Err(Halt::Broken(violation)) => Err(violation),
        Err(Halt::Dropped) => panic!("nothing is dropped that nobody asked to be"),
    }
}

fn header(flags: u16, payload: u32) -> u64 {
    u64::from(payload) | u64::from(flags) << 48
}

/// Publishes a word as a peer that may lie.
fn say(word: &MappedOwnWord, value: u64) {
    // ORD: lie: Relaxed, it is read by the same thread; partner: none.
    word.store(value, Ordering::Relaxed);
}

/// Starts at and around the wrap, and far into the life of a lane.
fn starts() -> impl Iterator<Item = u64> {
    [0, 8, CAPACITY - 8, 1 << 62].into_iter()
}

#[test]
fn a_frame_may_end_where_the_terminator_still_fits_and_no_later() {
    for start in starts() {
        let most = (CAPACITY - 16) as u32;
        assert_eq!(look(start, &[(0, header(FLAG_FRAME, most))]), Ok(()));
        for payload in [most + 1, most + 8, u32::MAX] {
            let length = Header(header(FLAG_FRAME, payload)).length();
            let found = look(start, &[(0, header(FLAG_FRAME, payload))]);
            assert_eq!(
                found,
                Err(Violation::FrameTooLong {
                    length,
                    limit: CAPACITY - 8
                })
            );
        }
    }
}

/// Headers that lead in a circle, passed by a reader that looks at no payload: nothing is written or copied on the way, so that it takes hours and not years.
#[test]
fn no_circle_of_headers_leads_a_reader_to_the_end_of_64_bits() {
    const LENGTH: u64 = 512;
    for copies in [false, true] {
        let pair = Pair::new(CAPACITY);
        let geometry = Geometry::new(CAPACITY, 8, MAX_POSITION - 2 * CAPACITY);
        say_start(&pair.receiving.word(RECEIVER), &geometry);
        let ring = pair.sending_seen.ring(0, Gate::pair().unwrap().0);
        let mut consumer = Consumer::new(ring, pair.receiving.word(RECEIVER), &geometry);
        let ring = pair.sending.ring(0, Gate::pair().unwrap().0);
        let mut payload = [0; LENGTH as usize - 8];
        for position in (0..CAPACITY).step_by(LENGTH as usize) {
            let word = header(FLAG_FRAME, payload.len() as u32);
            // SAFETY: multiples of 8 inside the ring.
            // ORD: lie: Relaxed, it is read by the same thread; partner: none.
            unsafe { ring.store(ring.place(position), 0, word, Ordering::Relaxed) };
        }
        let found = loop {
            if copies && consumer.take_exact(&mut payload) == Found::Taken {
                assert!(consumer.next() <= MAX_POSITION);
                continue;
            }
            match consumer.peek() {
                Ok(found) => consumer.advance(&found.unwrap()),
                Err(found) => break found,
            }
            assert!(consumer.next() <= MAX_POSITION);
            if consumer.is_release_due() {
                consumer.publish_release();
            }
        };
        let (length, limit) = (LENGTH, 0);
        let end = Violation::FrameTooLong { length, limit };
        assert_eq!((found, consumer.next()), (Halt::Broken(end), MAX_POSITION));
    }
}

#[test]
fn a_pad_is_bounded_as_a_frame_is() {
    for start in starts() {
        let length = CAPACITY;
        let found = look(start, &[(0, Header::pad(length).0)]);
        assert_eq!(
            found,
            Err(Violation::FrameTooLong {
                length,
                limit: CAPACITY - 8
            })
        );
    }
}

#[test]
fn unknown_flags_are_refused() {
    for flags in [
        0,
        FLAG_PAD,
        FLAG_FRAME | 1 << 2,
        FLAG_FRAME | 1 << 4,
        FLAG_FRAME | 1 << 5,
        FLAG_FRAME | 1 << 6,
        FLAG_FRAME | FLAG_EXPIRES | 1 << 4,
        FLAG_EXPIRES,
        PAD | FLAG_EXPIRES,
        PAD | 1 << 15,
        u16::MAX,
    ] {
        assert_eq!(
            look(0, &[(0, header(flags, 8))]),
            Err(Violation::UnknownFlags { flags })
        );
        let behind_a_pad = look(0, &[(0, Header::pad(16).0), (16, header(flags, 8))]);
        assert_eq!(behind_a_pad, Err(Violation::UnknownFlags { flags }));
    }
}

#[test]
fn a_pad_without_its_frame_is_refused() {
    for start in starts() {
        for length in [8, 64, CAPACITY - 8] {
            let pad = Header::pad(length).0;
            assert_eq!(
                look(start, &[(0, pad), (length, 0)]),
                Err(Violation::PadWithoutFrame)
            );
            // At the ring's last word a "pad" behind the pad is in bounds as a word, and refused as a pad all the same.
            let second = Header::pad(8).0;
            assert_eq!(
                look(start, &[(0, pad), (length, second)]),
                Err(Violation::PadWithoutFrame)
            );
        }
    }
}

#[test]
fn a_frame_that_is_shorter_than_its_extension_is_refused() {
    let flags = FLAG_FRAME | FLAG_EXPIRES;
    for start in starts() {
        for length in 0..8 {
            let broken = Err(Violation::ExtensionTooShort { length });
            assert_eq!(look(start, &[(0, header(flags, length))]), broken);
            let behind_a_pad = [(0, Header::pad(56).0), (56, header(flags, length))];
            assert_eq!(look(start, &behind_a_pad), broken);
        }
        for moment in [0, 1, u64::MAX] {
            assert_eq!(look(start, &[(0, header(flags, 8)), (8, moment)]), Ok(()));
        }
        let most = (CAPACITY - 16) as u32;
        assert_eq!(look(start, &[(0, header(flags, most))]), Ok(()));
        let long = look(start, &[(0, header(flags, most + 1))]);
        assert!(matches!(long, Err(Violation::FrameTooLong { .. })));
    }
}

#[test]
fn a_frame_behind_a_pad_is_bounded_too() {
    for start in starts() {
        let most = (CAPACITY - 16 - 64) as u32;
        assert_eq!(
            look(
                start,
                &[(0, Header::pad(64).0), (64, header(FLAG_FRAME, most))]
            ),
            Ok(())
        );
        let found = look(
            start,
            &[(0, Header::pad(64).0), (64, header(FLAG_FRAME, most + 8))],
        );
        assert_eq!(
            found,
            Err(Violation::FrameTooLong {
                length: CAPACITY - 64,
                limit: CAPACITY - 8 - 64
            })
        );
    }
}

/// What an honest sender says when the reader claims to have released up to `released`, after 64 bytes were sent.
fn claim(start: u64, earlier: u64, released: u64) -> Result<(), Refusal> {
    let pair = Pair::new(CAPACITY);
    let (mut producer, _consumer) = pair.halves(&Geometry::new(CAPACITY, 8, start), false);
    for _ in 0..4 {
        producer.try_send(&[1; 8], 0).unwrap();
    }
    let word = pair.receiving.word(RECEIVER);
    say(&word, earlier);
    producer.reclaim().unwrap();
    assert_eq!(producer.known_released(), earlier);
    say(&word, released);
    producer.reclaim().map_err(Refusal::Broken)
}

#[test]
fn a_released_position_moves_forward_up_to_what_was_sent() {
    for start in starts() {
        let (earlier, sent) = (start + 16, start + 64);
        for good in [earlier, start + 24, sent] {
            assert_eq!(claim(start, earlier, good), Ok(()));
        }
        let bad = [
            start,
            earlier - 8,
            earlier - 1,
            earlier + 1,
            earlier + 4,
            sent - 1,
            sent + 1,
            sent + 8,
            u64::MAX,
            1 << 63,
        ];
        for released in bad {
            let broken = Violation::ReleasedOutOfRange {
                released,
                at_least: earlier,
                at_most: sent,
            };
            assert_eq!(
                claim(start, earlier, released),
                Err(Refusal::Broken(broken)),
                "{released} of {start}"
            );
        }
    }
}

#[test]
fn what_an_open_group_holds_cannot_have_been_released() {
    let pair = Pair::new(CAPACITY);
    let (mut producer, _consumer) = pair.halves(&Geometry::new(CAPACITY, 8, 0), false);
    let slot = producer.try_reserve(8, 8).unwrap();
    producer.append(&slot, 8, 0);
    say(&pair.receiving.word(RECEIVER), 16);
    let broken = Violation::ReleasedOutOfRange {
        released: 16,
        at_least: 0,
        at_most: 0,
    };
    assert_eq!(producer.reclaim(), Err(broken));
    assert!(producer.publish().is_some());
    assert_eq!(producer.reclaim(), Ok(()));
}

/// A broken rule ends the lane, even if the peer mends its word.
#[test]
fn a_lane_that_was_broken_stays_broken() {
    let pair = Pair::new(CAPACITY);
    let (mut producer, mut consumer) = pair.halves(&Geometry::new(CAPACITY, 8, 0), false);
    producer.try_send(&[1; 8], 0).unwrap();
    let ring = pair.sending.ring(0, Gate::pair().unwrap().0);
    let put = |word: u64| {
        // SAFETY: the place of a multiple of 8 in the ring.
        // ORD: lie: Relaxed, it is read by the same thread; partner: none.
        unsafe { ring.store(ring.place(0), 0, word, Ordering::Relaxed) };
    };
    put(header(FLAG_FRAME | 1 << 9, 8));
    let broken = Violation::UnknownFlags {
        flags: FLAG_FRAME | 1 << 9,
    };
    assert_eq!(consumer.peek(), Err(broken.into()));
    for mended in [header(FLAG_FRAME, 8), 0] {
        put(mended);
        assert_eq!(consumer.peek(), Err(broken.into()));
        assert_eq!(consumer.take_exact(&mut [0; 8]), Found::Other);
        assert!(!consumer.publish_release(), "nothing more is said");
    }
    // Also when the connection is over.
    consumer.end();
    assert_eq!(consumer.peek(), Err(broken.into()));
}

/// The same for a sender, which its owner shuts.
#[test]
fn a_lane_that_was_shut_takes_nothing() {
    let pair = Pair::new(CAPACITY);
    let (mut producer, _consumer) = pair.halves(&Geometry::new(CAPACITY, 8, 0), false);
    producer.shut();
    assert_eq!(producer.try_send(&[], 0), Err(Refusal::Shut));
    assert_eq!(producer.try_append(&[], 0), Err(Refusal::Shut));
    assert_eq!(producer.try_reserve(0, 8).unwrap_err(), Refusal::Shut);
}

/// After the end nothing new is read, and held frames still are.
#[test]
fn after_the_end_only_held_frames_are_read() {
    let pair = Pair::new(CAPACITY);
    let (mut producer, mut consumer) = pair.halves(&Geometry::new(CAPACITY, 64, 0), false);
    consumer.hold(true);
    let slot = producer.try_reserve(8, 64).unwrap();
    producer.commit(&slot, 8, 3);
    let held = consumer.peek().unwrap().unwrap();
    consumer.advance(&held);
    consumer.end();
    producer.try_send(&[1; 8], 0).unwrap();
    assert_eq!(consumer.peek(), Ok(None));
    assert_eq!(consumer.take_exact(&mut [0; 8]), Found::Other);
    assert_eq!(consumer.peek(), Ok(None));
    consumer.rewind();
    assert_eq!(consumer.peek(), Ok(Some(held)), "behind its pad");
    consumer.advance(&held);
    consumer.release();
    consumer.publish_release();
    assert_eq!(consumer.peek(), Ok(None), "a release opens nothing");
}

/// What a producer has committed before it was gone is handed out, to the last word of a ring that it had filled, though the last frame is no plain one.
#[test]
fn a_ring_that_is_full_when_its_producer_ends_is_read_to_its_end() {
    for start in starts() {
        let pair = Pair::new(CAPACITY);
        let (mut producer, mut consumer) = pair.halves(&Geometry::new(CAPACITY, 64, start), false);
        producer.try_send(&[1; 2040], 0).unwrap();
        let slot = producer.try_reserve_expiring(2024, 8).unwrap();
        producer.commit_expiring(&slot, 2024, 0, u64::MAX);
        assert_eq!(producer.try_send(&[], 0), Err(Refusal::Full));
        consumer.bound_by_end();
        for length in [2040, 2024] {
            let entry = consumer.peek().unwrap().unwrap();
            assert_eq!(entry.payload(), length);
            consumer.advance(&entry);
            consumer.publish_release();
        }
        assert_eq!(consumer.peek(), Ok(None));
    }
}

/// A ring full of headers can be read round and round: behind the end of its producer only what that can have committed.
#[test]
fn a_circle_of_headers_ends_with_its_producer() {
    let pair = Pair::new(CAPACITY);
    let (_producer, mut consumer): (Sending, Receiving) =
        pair.halves(&Geometry::new(CAPACITY, 8, 0), false);
    let ring = pair.sending.ring(0, Gate::pair().unwrap().0);
    for position in (0..CAPACITY).step_by(64) {
        let (place, word) = (ring.place(position), header(FLAG_FRAME, 56));
        // SAFETY: the place of a multiple of 8 in the ring.
        // ORD: lie: Relaxed, it is read by the same thread; partner: none.
        unsafe { ring.store(place, 0, word, Ordering::Relaxed) };
    }
    let read = |consumer: &mut Receiving, most: u64| {
        let mut frames = 0;
        while frames < most {
            let Some(entry) = consumer.peek().unwrap() else {
                break;
            };
            consumer.advance(&entry);
            if consumer.is_release_due() {
                consumer.publish_release();
            }
            frames += 1;
        }
        frames
    };
    let laps = 10 * CAPACITY / 64;
    assert_eq!(read(&mut consumer, laps), laps, "there is always one more");
    // All of it was released. The last frame of a lap leaves no room for a terminator.
    consumer.bound_by_end();
    assert_eq!(read(&mut consumer, laps), CAPACITY / 64 - 1);
    assert_eq!(consumer.take_exact(&mut [0; 56]), Found::Other);
    assert_eq!(consumer.peek(), Ok(None));
}
