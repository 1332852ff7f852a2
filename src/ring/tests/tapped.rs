//! Reading along: what is seen was sent, what was not seen is counted, and what the producer says of itself may be a lie.

use super::Pair;
use crate::layout::control::{CLAIM, COME, COMING, SENDER};
use crate::layout::geometry::{Geometry, MAX_START};
use crate::layout::header::{FLAG_FRAME, Header};
use crate::layout::violation::Violation;
use crate::ring::tap::Missed;
use crate::segment::{ForeignWord, OwnWord};
use crate::sync::Ordering;

const CAPACITY: u64 = 4096;

fn geometry(start: u64) -> Geometry {
    Geometry::new(CAPACITY, 8, start)
}

/// A position at a ring's begin.
const START: u64 = 1 << 20;

#[test]
fn who_looks_often_sees_all_and_who_does_not_knows_what_was_lost() {
    for pause in [1u64, 100, 1000] {
        let pair = Pair::new(CAPACITY);
        let (mut producer, mut consumer) = pair.halves(&geometry(START), false);
        let mut tap = pair.tapped(&mut producer);
        let (mut payload, mut seen) = (Vec::new(), 0);
        for number in 0..5000u64 {
            producer.try_send(&number.to_le_bytes(), 0).unwrap();
            let entry = consumer.peek().unwrap().unwrap();
            consumer.advance(&entry);
            if consumer.is_release_due() {
                consumer.publish_release();
            }
            // What may be written is claimed.
            assert!(producer.published() + 8 <= pair.sending_seen.word(CLAIM).load());
            if number % pause != pause - 1 {
                continue;
            }
            while let Some(glimpse) = tap.try_next(&mut payload).unwrap() {
                let of = u64::from_le_bytes(payload[..].try_into().unwrap());
                assert_eq!(glimpse.position, START + 16 * of);
                seen += 1;
                assert_eq!(seen + tap.missed().frames, of + 1);
            }
        }
        let missed = tap.missed();
        assert_eq!(missed.bytes, 16 * missed.frames);
        assert_eq!(missed.frames == 0, pause == 1, "pause {pause}: {missed:?}");
        assert!(seen > 0);
    }
}

#[test]
fn what_was_sent_before_is_history() {
    let pair = Pair::new(CAPACITY);
    let (mut producer, _consumer) = pair.halves(&geometry(0), false);
    let _first = pair.tapped(&mut producer);
    producer.try_send(b"old", 7).unwrap();
    producer.try_reserve(8, 8).unwrap();
    let mut late = pair.tap();
    let mut payload = Vec::new();
    assert_eq!(late.try_next(&mut payload), Ok(None));
    producer.try_send(b"new", 8).unwrap();
    let glimpse = late.try_next(&mut payload).unwrap().unwrap();
    assert_eq!((glimpse.kind, payload.as_slice()), (8, &b"new"[..]));
    assert_eq!((late.frames(), late.missed()), (2, Missed::default()));
}

/// The way to the newest frame leads over pads, from wherever the anchor is.
#[test]
fn history_may_have_pads() {
    for start in [0, START] {
        let pair = Pair::new(CAPACITY);
        let (mut producer, _consumer) = pair.halves(&Geometry::new(CAPACITY, 64, start), false);
        let _first = pair.tapped(&mut producer);
        for kind in 0..5 {
            let slot = producer.try_reserve(8, 64).unwrap();
            producer.fill(&slot, b"padded!!");
            producer.commit(&slot, 8, kind);
        }
        let mut late = pair.tap();
        let mut payload = Vec::new();
        assert_eq!(late.try_next(&mut payload), Ok(None));
        assert_eq!((late.frames(), late.missed()), (5, Missed::default()));
        producer.try_send(b"new", 8).unwrap();
        let glimpse = late.try_next(&mut payload).unwrap().unwrap();
        assert_eq!((glimpse.kind, payload.as_slice()), (8, &b"new"[..]));
    }
}

/// A group is seen when it is published, and an anchor that is told meanwhile is in front of it.
#[test]
fn an_open_group_is_not_seen() {
    let pair = Pair::new(CAPACITY);
    let (mut producer, _consumer) = pair.halves(&geometry(0), false);
    let mut tap = pair.tapped(&mut producer);
    let mut payload = Vec::new();
    producer.try_send(b"first", 0).unwrap();
    producer.try_append(b"second", 0).unwrap();
    producer.try_append(b"third", 0).unwrap();
    producer.tell();
    assert_eq!(pair.sending_seen.word(COME).load(), 1);
    assert!(tap.try_next(&mut payload).unwrap().is_some(), "the first");
    assert_eq!(tap.try_next(&mut payload), Ok(None));
    producer.publish();
    for expected in [&b"second"[..], b"third"] {
        assert!(tap.try_next(&mut payload).unwrap().is_some());
        assert_eq!(payload, expected);
    }
    assert_eq!(tap.try_next(&mut payload), Ok(None));
    assert_eq!(tap.frames(), 3);
}

/// One who follows, and then the words that a hostile sender writes.
fn lied(lie: impl Fn(&Pair)) -> Result<Option<usize>, Violation> {
    let pair = Pair::new(CAPACITY);
    let (mut producer, _consumer) = pair.halves(&geometry(0), false);
    let mut tap = pair.tapped(&mut producer);
    let mut payload = Vec::new();
    assert_eq!(tap.try_next(&mut payload), Ok(None));
    lie(&pair);
    let mut seen = None;
    for _ in 0..10_000 {
        let found = tap.try_next(&mut payload);
        assert!(payload.len() < CAPACITY as usize);
        match found {
            Ok(None) => break,
            Ok(Some(_)) => *seen.get_or_insert(0) += 1,
            Err(violation) => {
                assert_eq!(tap.try_next(&mut payload), Err(violation), "for good");
                return Err(violation);
            }
        }
    }
    Ok(seen)
}

fn say(pair: &Pair, offset: usize, value: u64) {
    // ORD: lie: Relaxed, anything may be there; partner: none.
    pair.sending.word(offset).store(value, Ordering::Relaxed);
}

/// Words of the ring, behind the control area, as a hostile sender writes them.
fn ring(pair: &Pair, at: u64, header: u64) {
    use crate::segment::{Gate, OwnRing, Ring};
    let ring = pair.sending.ring(0, Gate::pair().unwrap().0);
    let place = ring.place(at);
    // SAFETY: a place of this ring; the position is a multiple of 8.
    // ORD: lie: Relaxed, anything may be there; partner: none.
    unsafe { ring.store(place, 0, header, Ordering::Relaxed) };
}

#[test]
fn lies_end_it_or_show_nothing() {
    let long = Header::frame(CAPACITY as u32, 0).0;
    assert_eq!(
        lied(|pair| ring(pair, 0, long)),
        Err(Violation::FrameTooLong {
            length: CAPACITY + 8,
            limit: CAPACITY - 8
        })
    );
    // As long as any may be: it is what it says that is wrong.
    let flags = FLAG_FRAME | 1 << 9;
    assert_eq!(
        lied(|pair| ring(pair, 0, u64::from(flags) << 48 | (CAPACITY - 16))),
        Err(Violation::UnknownFlags { flags })
    );
    assert_eq!(
        lied(|pair| ring(pair, 0, u64::from(flags) << 48)),
        Err(Violation::UnknownFlags { flags })
    );
    // Behind a pad too. And a pad is no longer than a frame.
    let behind = |pair: &Pair| {
        ring(pair, 0, Header::pad(16).0);
        ring(pair, 16, u64::from(flags) << 48);
    };
    assert_eq!(lied(behind), Err(Violation::UnknownFlags { flags }));
    assert_eq!(
        lied(|pair| ring(pair, 0, Header::pad(CAPACITY).0)),
        Err(Violation::FrameTooLong {
            length: CAPACITY,
            limit: CAPACITY - 8
        })
    );
    let pads = |pair: &Pair| (0..2).for_each(|at| ring(pair, 8 * at, Header::pad(8).0));
    assert_eq!(lied(pads), Err(Violation::PadWithoutFrame));
    // Lapped for ever, by its own word, with an anchor that does not move, goes back, or is nowhere.
    let lapped = |tail: u64, frames: u64| {
        move |pair: &Pair| {
            say(pair, CLAIM, u64::MAX);
            say(pair, SENDER, tail);
            say(pair, COMING, frames);
            say(pair, COME, frames);
        }
    };
    assert_eq!(lied(lapped(0, 0)), Ok(None));
    assert_eq!(lied(lapped(8, u64::MAX)), Ok(None));
    // As far as any lane can come.
    let most = MAX_START + MAX_START / 2;
    assert_eq!(lied(lapped(most, 9)), Ok(None));
    for tail in [4, most + 4, most + 8, u64::MAX - 7, u64::MAX] {
        assert_eq!(
            lied(lapped(tail, 9)),
            Err(Violation::AnchorOutOfRange { tail })
        );
    }
    // Frames without end, each over the last: of those that pass there are no more than were asked for.
    let rounds = |pair: &Pair| (0..512).for_each(|at| ring(pair, 8 * at, Header::frame(0, 0).0));
    assert_eq!(lied(rounds), Ok(Some(10_000)));
}
