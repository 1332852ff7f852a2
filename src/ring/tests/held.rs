//! Frames that are held, that expire, and that lie in several lanes: what one look does, and what is told of it.

use std::cell::Cell;

use super::{Pair, Receiving, Sending};
use crate::layout::geometry::Geometry;
use crate::ring::beside::Counted;
use crate::ring::tally::{ONE, Tally};
use crate::ring::{Found, Halt, Several};
use crate::segment::ForeignWord;

const CAPACITY: u64 = 4096;
/// An eighth of the ring.
const STEP: usize = 512;

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(0) };
}

fn lane(pair: &Pair) -> (Sending, Receiving) {
    NOW.set(1000);
    let (producer, mut consumer) = pair.halves(&Geometry::new(CAPACITY, 64, 0), false);
    consumer.drop_expired(|| NOW.get(), 0);
    (producer, consumer)
}

fn send_expiring(producer: &mut Sending, payload: &[u8], expires: u64) {
    let slot = producer.try_reserve_expiring(payload.len(), 8).unwrap();
    producer.fill_expiring(&slot, payload);
    producer.commit_expiring(&slot, payload.len() as u32, 0, expires);
}

/// Reads one, of so many bytes.
fn read(consumer: &mut Receiving, bytes: usize) {
    let entry = consumer.peek().unwrap().expect("a frame");
    assert_eq!(entry.payload(), bytes);
    consumer.advance(&entry);
}

/// What is held is not told, whoever asks for it.
#[test]
fn what_is_held_and_not_finished_with_is_not_told_as_released() {
    let pair = Pair::new(CAPACITY);
    let (mut producer, mut consumer) = lane(&pair);
    for _ in 0..3 {
        producer.try_send(&[0; 1000], 0).unwrap();
    }
    let mut known = || {
        producer.reclaim().unwrap();
        producer.known_released()
    };
    assert!(!consumer.holds());
    consumer.hold(true);
    assert!(consumer.holds());
    read(&mut consumer, 1000);
    assert!(!consumer.is_release_due() && !consumer.owes_release());
    assert!(!consumer.publish_release());
    assert_eq!(known(), 0);
    assert!(consumer.release() && consumer.owes_release());
    read(&mut consumer, 1000);
    assert!(consumer.publish_release());
    assert_eq!(known(), 1008, "the first, and not the one that is held");
    assert!(!consumer.owes_release() && !consumer.is_release_due());
    assert_eq!(consumer.rewind(), 1008);
    read(&mut consumer, 1000);
    read(&mut consumer, 1000);
    assert_eq!(consumer.numbers().frames, 3 * ONE);
    // Who holds no longer has finished with all of it, and goes back no more.
    consumer.hold(false);
    assert!(!consumer.holds() && consumer.is_release_due() && consumer.owes_release());
    assert_eq!(consumer.rewind(), 0);
    assert!(consumer.publish_release());
    assert_eq!(known(), 3024);
}

/// A look that drops nothing has an answer, though a release is owed: whoever asks again without telling it would ask for ever.
#[test]
fn a_look_is_not_cut_short_by_what_was_owed_before() {
    for holds in [false, true] {
        let pair = Pair::new(CAPACITY);
        let (mut producer, mut consumer) = lane(&pair);
        consumer.hold(holds);
        producer.try_send(&[0; STEP], 0).unwrap();
        send_expiring(&mut producer, b"alive", u64::MAX);
        read(&mut consumer, STEP);
        if holds {
            assert!(consumer.release());
        }
        assert!(consumer.owes_release());
        read(&mut consumer, 5);
    }
}

/// Where nothing is held a later release makes up for what is dropped on the way.
#[test]
fn one_look_goes_behind_what_has_expired_though_a_release_is_owed() {
    let pair = Pair::new(CAPACITY);
    let (mut producer, mut consumer) = lane(&pair);
    producer.try_send(&[0; STEP], 0).unwrap();
    for _ in 0..3 {
        send_expiring(&mut producer, b"stale", 1000);
    }
    send_expiring(&mut producer, b"last", 1001);
    read(&mut consumer, STEP);
    assert!(consumer.owes_release());
    read(&mut consumer, 4);
    assert_eq!(consumer.expired(), 3);
}

/// While frames are held, and there are none: what is dropped is finished with, and told before the next frame is found.
#[test]
fn what_is_dropped_where_frames_are_held_is_to_be_told_once_it_makes_a_step() {
    let pair = Pair::new(CAPACITY);
    let (mut producer, mut consumer) = lane(&pair);
    consumer.hold(true);
    for _ in 0..6 {
        send_expiring(&mut producer, &[0; 240], 1000);
    }
    producer.try_send(b"held", 0).unwrap();
    // Two frames of 256 bytes are a step, and what is told begins it anew.
    for dropped in [2, 4, 6] {
        assert_eq!(consumer.peek(), Err(Halt::Dropped));
        assert_eq!(consumer.expired(), dropped);
        assert!(consumer.owes_release() && consumer.publish_release());
    }
    read(&mut consumer, 4);
    assert_eq!(consumer.rewind(), 16, "what was dropped does not come back");
}

/// However many there are, a look drops so many and no more.
#[test]
fn a_look_drops_so_many_and_then_the_caller_has_its_turn() {
    let pair = Pair::new(CAPACITY);
    let (mut producer, mut consumer) = lane(&pair);
    for _ in 0..130 {
        send_expiring(&mut producer, &[], 1000);
    }
    for dropped in [64, 128] {
        assert_eq!(consumer.peek(), Err(Halt::Dropped));
        assert_eq!(consumer.expired(), dropped);
    }
    // There is nothing behind them, and yet they were dropped.
    assert_eq!(consumer.peek(), Err(Halt::Dropped));
    assert_eq!((consumer.peek(), consumer.expired()), (Ok(None), 130));
}

/// A moment of the host's clock, which the reader's may be ahead of; the last nanosecond is one in which it has expired.
#[test]
fn a_frame_expires_by_the_clock_of_the_host() {
    for (ahead, expires, alive) in [
        (0, 1000, false),
        (0, 1001, true),
        (300, 700, false),
        (300, 701, true),
        (-300, 1300, false),
        (-300, 1301, true),
        (i64::MAX, 0, false),
        (i64::MAX, 1, true),
        (i64::MIN, u64::MAX, true),
    ] {
        let pair = Pair::new(CAPACITY);
        let (mut producer, mut consumer) = lane(&pair);
        assert!(consumer.drops_expired());
        consumer.drop_expired(|| NOW.get(), ahead);
        send_expiring(&mut producer, b"frame", expires);
        if alive {
            let entry = consumer.peek().unwrap().unwrap();
            assert_eq!(consumer.expires(&entry), Some(expires));
            assert_eq!((entry.position, consumer.position(&entry)), (8, 0));
            // Once it was found it is not judged again.
            NOW.set(u64::MAX);
            for _ in 0..3 {
                assert_eq!(consumer.peek(), Ok(Some(entry)));
            }
            consumer.advance(&entry);
            let numbers = consumer.numbers();
            assert_eq!((numbers.frames, numbers.bytes), (ONE, 24), "counted once");
        } else {
            assert_eq!(consumer.peek(), Err(Halt::Dropped));
            assert_eq!(consumer.expired(), 1, "{ahead}, {expires}");
        }
        consumer.keep_expired();
        assert!(!consumer.drops_expired());
    }
}

/// Fast paths, which know of one lane, take nothing.
#[test]
fn a_lane_that_is_kept_shut_is_asked_before_each_frame() {
    let pair = Pair::new(CAPACITY);
    let (mut producer, mut consumer) = lane(&pair);
    producer.try_send(&[1; 8], 0).unwrap();
    producer.try_send(&[2; 8], 0).unwrap();
    assert_eq!(consumer.take_exact(&mut [0; 8]), Found::Taken);
    consumer.keep_shut();
    for _ in 0..2 {
        assert_eq!(consumer.take_exact(&mut [0; 8]), Found::Other);
        // Nor behind whatever opens the gate otherwise.
        consumer.publish_release();
    }
    read(&mut consumer, 8);
}

/// Three lanes, and what is said of all of them together.
#[test]
fn several_lanes_go_back_together_and_are_counted_together() {
    let pairs = [0, 1, 2].map(|_| Pair::new(CAPACITY));
    let (mut producers, consumers): (Vec<_>, Vec<_>) = pairs.iter().map(lane).unzip();
    let mut consumers = consumers.into_iter();
    let mut hand = consumers.next().unwrap();
    let mut several = Several::new(&mut hand, consumers.collect(), 4);
    assert_eq!((several.count(), several.at_hand()), (3, 0));
    several.each(&mut hand, |lane| lane.hold(true));
    for (number, producer) in producers.iter_mut().enumerate() {
        send_expiring(producer, b"stale", 1000);
        producer.try_send(&[number as u8; 56], 0).unwrap();
    }
    let mut order = Vec::new();
    for _ in 0..20 {
        match several.find(&mut hand) {
            Ok(Some((number, entry))) => {
                if number != several.at_hand() {
                    several.take_up(&mut hand, number, &entry);
                }
                let mut payload = [0; 56];
                assert_eq!(hand.copy(&entry, 0, &mut payload), 56);
                hand.advance(&entry);
                order.push((number, payload[0]));
            }
            Ok(None) => break,
            Err(halt) => assert_eq!(halt, Halt::Dropped),
        }
    }
    assert_eq!(order, [(0, 0), (1, 1), (2, 2)]);
    assert_eq!((several.at_hand(), several.beside().len()), (2, 2));
    assert_eq!(several.expired(&hand), 3);
    assert_eq!(several.read(&hand), 3 * (24 + 64));
    assert_eq!(several.rewind(&mut hand), 3 * 64);
    assert_eq!(several.read(&hand), 3 * 24);
    assert_eq!(hand.capacity(), CAPACITY);
    // The lane at hand tells what all of them have counted, of which it is one.
    let words = |first: usize| [0, 8, 16, 24].map(|more| pairs[0].receiving.word(first + more));
    let seen = |at: usize| pairs[0].receiving_seen.word(at).load();
    let [frames, bytes, ..] = words(0xd00);
    hand.count_into(Tally::into_words(words(0xc00)).and_each([frames, bytes]));
    several.recount(&mut hand);
    hand.tell_each();
    let all = |first: usize, values: [u64; 2]| {
        assert_eq!([seen(first), seen(first + 8)], values.map(|it| it * ONE));
    };
    all(0xc00, [0, 0]);
    all(0xd00, [1, 24]);
    hand.tell_numbers();
    all(0xc00, [3, 72]);
    all(0xd00, [1, 24]);
    // In the order of the lanes again, whichever is at hand.
    assert_eq!(several.find(&mut hand).unwrap().unwrap().0, 0);
}

/// A frame that was found and left there was not served: the others' turn comes no sooner.
#[test]
fn a_frame_that_is_only_looked_at_is_no_turn() {
    let pairs = [0, 1].map(|_| Pair::new(CAPACITY));
    let (mut producers, consumers): (Vec<_>, Vec<_>) = pairs.iter().map(lane).unzip();
    let mut consumers = consumers.into_iter();
    let mut hand = consumers.next().unwrap();
    let mut several = Several::new(&mut hand, consumers.collect(), 3);
    for producer in &mut producers {
        for _ in 0..8 {
            producer.try_send(&[0; 8], 0).unwrap();
        }
    }
    let mut order = Vec::new();
    for _ in 0..8 {
        for looks in (0..5).rev() {
            let (number, entry) = several.find(&mut hand).unwrap().unwrap();
            if looks == 0 {
                if number != several.at_hand() {
                    several.take_up(&mut hand, number, &entry);
                }
                hand.advance(&entry);
                order.push(number);
            }
        }
    }
    assert_eq!(order, [0, 0, 0, 1, 0, 0, 0, 1]);
}
