//! What a producer does besides sending: terminators that go ahead, barriers that are left out, what is counted, and what it tells of its consumer.

use std::cell::Cell;

use super::{Pair, Sending};
use crate::layout::control::{ANNOUNCED, FENCE_MODE, RECEIVER, SENDER};
use crate::layout::geometry::Geometry;
use crate::ring::beside::Counted;
use crate::ring::tally::{Numbers, ONE, Tally};
use crate::ring::{LARGE, Producer, Published, Refusal, say_start};
use crate::segment::{ForeignWord, Gate, OwnRing, OwnWord, Ring};
use crate::sync::Ordering;

const CAPACITY: u64 = 4096;

/// Puts a word into the ring, as if it had been left there by a lap before.
fn put(pair: &Pair, position: u64, word: u64) {
    let ring = pair.sending.ring(0, Gate::pair().unwrap().0);
    // SAFETY: the place of a multiple of 8 in the ring.
    // ORD: lie: Relaxed, it is read by the same thread; partner: none.
    unsafe { ring.store(ring.place(position), 0, word, Ordering::Relaxed) };
}

fn word(pair: &Pair, position: u64) -> u64 {
    let ring = pair.sending.ring(0, Gate::pair().unwrap().0);
    // SAFETY: the place of a multiple of 8 in the ring.
    unsafe { ring.load(ring.place(position), 0) }
}

type Way = fn(&mut Sending, &[u8]) -> Published;

const WAYS: [Way; 3] = [
    |producer, payload| producer.try_send(payload, 0).unwrap(),
    |producer, payload| producer.send_through(payload, 0).unwrap(),
    |producer, payload| {
        let slot = producer.try_reserve(payload.len(), 8).unwrap();
        producer.fill(&slot, payload);
        producer.commit(&slot, payload.len() as u32, 0)
    },
];

/// Behind a long frame the word is zero already that the next one needs, which is then not written a second time.
#[test]
fn the_terminator_of_the_next_long_frame_goes_ahead_and_is_written_once() {
    for (fenced, way) in [false, true]
        .into_iter()
        .flat_map(|it| WAYS.map(|way| (it, way)))
    {
        let pair = Pair::new(CAPACITY);
        let (mut producer, _consumer) = pair.halves(&Geometry::new(CAPACITY, 8, 0), fenced);
        let payload = [1; 576];
        let length = 584;
        for frame in 1..=7 {
            let (tail, next) = (frame * length, (frame + 1) * length);
            // It says so only the first time.
            put(&pair, tail, u64::from(frame > 1) * 7);
            put(&pair, next, 7);
            way(&mut producer, &payload);
            assert_eq!(word(&pair, tail), u64::from(frame > 1) * 7, "{frame}");
            // The last one has no room for another behind it, and leaves alone what lies there.
            assert_eq!(word(&pair, next), u64::from(frame == 7) * 7, "{frame}");
        }
        assert_eq!(producer.published(), CAPACITY - 8);
    }
}

/// Where the barrier is made, one more store in the lines that are about to be read costs more than it brings.
#[test]
fn the_terminator_of_a_short_frame_goes_ahead_where_it_has_a_line_of_its_own_and_no_barrier_is_made()
 {
    for fenced in [false, true] {
        for (bytes, goes) in [
            (56, !fenced),
            (64, false),
            (48, false),
            (256, false),
            (264, true),
        ] {
            for way in WAYS {
                let pair = Pair::new(CAPACITY);
                let (mut producer, _consumer) = pair.halves(&Geometry::new(CAPACITY, 8, 0), fenced);
                let next = 2 * (bytes as u64 + 8);
                put(&pair, next, 7);
                way(&mut producer, &vec![1; bytes]);
                assert_eq!(word(&pair, next), u64::from(!goes) * 7, "{bytes} bytes");
            }
        }
    }
}

#[test]
fn a_frame_is_announced_from_so_many_bytes_on() {
    let pair = Pair::new(CAPACITY);
    let (mut producer, mut consumer) = pair.halves(&Geometry::new(CAPACITY, 8, 0), false);
    producer.announce_from(pair.sending.word(ANNOUNCED), 512, 32);
    let most = producer.most() as usize;
    for (bytes, parts) in [(511, 0), (512, 15), (513, 16), (most, (most - 1) / 32)] {
        let mut told = 0;
        let sent = producer.try_send_waking(&vec![0; bytes], 0, || {
            told += 1;
            false
        });
        assert_eq!((sent, told), (Ok(Published::Plain), parts));
        let passes = producer.send_through(&vec![0; bytes], 0).is_some();
        assert_eq!(passes, bytes == 511, "the short way announces nothing");
        while let Some(entry) = consumer.peek().unwrap() {
            consumer.advance(&entry);
        }
        consumer.publish_release();
    }
}

/// A large frame is announced too that fills the ring to its last word.
#[test]
fn an_announced_frame_may_end_where_its_terminator_still_fits() {
    let pair = Pair::new(CAPACITY);
    let (mut producer, _consumer) = pair.halves(&Geometry::new(CAPACITY, 8, 0), false);
    producer.announce_from(pair.sending.word(ANNOUNCED), 512, 32);
    let most = producer.most() as usize;
    let before = CAPACITY as usize - 8 - (most + 8) - 8;
    producer.try_send(&vec![0; before], 0).unwrap();
    producer.try_send(&vec![0; most], 0).unwrap();
    assert_eq!(producer.published(), CAPACITY - 8);
    assert_eq!(producer.try_send(&vec![0; most], 0), Err(Refusal::Full));
}

/// Without a say in it that is 64 KiB, and each 16 KiB.
#[test]
fn frames_of_64_kib_are_announced_four_times_less_one() {
    let pair = Pair::new(1 << 20);
    let (mut producer, _consumer) = pair.halves(&Geometry::new(1 << 20, 8, 0), false);
    producer.announce_in(pair.sending.word(ANNOUNCED));
    let announced = pair.sending_seen.word(ANNOUNCED);
    for (bytes, positions) in [
        (LARGE - 1, vec![]),
        (LARGE, vec![16, 32, 48]),
        (LARGE + 1, vec![16, 32, 48, 64]),
    ] {
        let payload = producer.tail() + 8;
        let mut told = Vec::new();
        let each = || {
            told.push((announced.load() - payload) >> 10);
            false
        };
        producer.try_send_waking(&vec![0; bytes], 0, each).unwrap();
        assert_eq!((LARGE, told), (65_536, positions));
    }
    assert_eq!(producer.numbers().frames, 3 * ONE);
}

/// In a stream, where lines are asked for ahead of time, commits carry the barrier all the same, or none, as agreed.
#[test]
fn a_stream_is_published_with_the_same_barrier() {
    for (fenced, expected) in [(true, Published::Fenced), (false, Published::Plain)] {
        let pair = Pair::new(CAPACITY);
        // Its clock stands still: no frames are faster.
        let (mut producer, mut consumer) = pair.halves(&Geometry::new(CAPACITY, 8, 0), fenced);
        for number in 0..2000u32 {
            let sent = match number % 4 {
                0 => producer.try_send(&[0; 8], 0),
                1 => {
                    producer.try_append(&[0; 8], 0).unwrap();
                    producer.publish().ok_or(Refusal::Full)
                }
                2 => Ok(WAYS[2](&mut producer, &[0; 8])),
                _ => {
                    let slot = producer.try_reserve_expiring(8, 8).unwrap();
                    Ok(producer.commit_expiring(&slot, 8, 0, u64::MAX))
                }
            };
            assert_eq!(sent, Ok(expected));
            let entry = consumer.peek().unwrap().unwrap();
            consumer.advance(&entry);
            consumer.publish_release();
        }
    }
}

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(0) };
}

/// In a calm of ten milliseconds in which many frames went by it leaves the barrier out, says so to the peer first, and makes it again when the consumer sleeps.
#[test]
fn the_barrier_is_left_out_in_a_calm_and_made_again_behind_a_sleep() {
    if ONE == 0 {
        // Who does not count knows of no calm.
        return;
    }
    let pair = Pair::new(CAPACITY);
    let geometry = Geometry::new(CAPACITY, 8, 0);
    let (_, mut consumer) = pair.halves(&geometry, true);
    say_start(&pair.receiving.word(RECEIVER), &geometry);
    let mut producer: Sending = Producer::new(
        pair.sending.ring(0, Gate::pair().unwrap().0),
        pair.receiving_seen.word(RECEIVER),
        pair.sending.word(SENDER),
        &geometry,
        true,
        || NOW.get(),
    );
    producer.may_unfence(pair.sending.word(FENCE_MODE));
    let mode = pair.sending_seen.word(FENCE_MODE);
    let mut lap = |producer: &mut Sending, frames: u64, nanos: u64| {
        let mut published = Published::Plain;
        for _ in 0..frames {
            NOW.set(NOW.get() + nanos);
            published = producer.try_send(&[0; 8], 0).unwrap();
            let entry = consumer.peek().unwrap().unwrap();
            consumer.advance(&entry);
            consumer.publish_release();
        }
        (published, producer.is_unfenced(), mode.load())
    };
    // Few frames in a long time, and many in a short one.
    assert_eq!(
        lap(&mut producer, 2000, 10_000),
        (Published::Fenced, false, 0)
    );
    producer.consumer_slept();
    assert_eq!(
        lap(&mut producer, 20_000, 100),
        (Published::Fenced, false, 0)
    );
    assert_eq!(
        lap(&mut producer, 20_000, 1000),
        (Published::Unfenced, true, 1)
    );
    producer.consumer_slept();
    assert_eq!(lap(&mut producer, 1, 1000), (Published::Fenced, false, 0));
    // It is calm again behind as many frames and as much time.
    assert_eq!(
        lap(&mut producer, 20_000, 1000),
        (Published::Unfenced, true, 1)
    );
    producer.consumer_slept();
    producer.consumer_slept();
    assert_eq!(lap(&mut producer, 1, 1000), (Published::Fenced, false, 0));
}

/// What both halves count, from wherever they start, and what observers are told of it.
#[test]
fn both_halves_count_frames_bytes_batches_and_the_most_that_lay_between_them() {
    let pair = Pair::new(CAPACITY);
    let (mut producer, mut consumer) = pair.halves(&Geometry::new(CAPACITY, 64, 800), false);
    // Somewhere in the area of control words, where nothing else is in these tests.
    let words = |first: usize| [0, 8, 16, 24].map(|more| first + more);
    producer.count_into(Tally::into_words(
        words(0xc00).map(|at| pair.sending.word(at)),
    ));
    consumer.count_into(Tally::into_words(
        words(0xc00).map(|at| pair.receiving.word(at)),
    ));
    for _ in 0..3 {
        producer.try_send(&[0; 56], 0).unwrap();
    }
    for _ in 0..2 {
        producer.try_append(&[0; 24], 0).unwrap();
    }
    producer.publish();
    // With its pad it takes as much as three.
    let slot = producer.try_reserve(8, 64).unwrap();
    let padded = 800 + 3 * 64 + 2 * 32;
    assert_eq!((slot.payload_place(), slot.payload()), ((padded, 32), 8));
    producer.commit(&slot, 8, 0);
    let mut read = |frames: usize| {
        for _ in 0..frames {
            let entry = consumer.peek().unwrap().unwrap();
            consumer.advance(&entry);
        }
        assert!(consumer.publish_release());
        consumer.numbers()
    };
    let numbers = |frames, bytes, batches, high_water| Numbers {
        frames: frames * ONE,
        bytes,
        batches,
        high_water,
    };
    assert_eq!(read(4), numbers(4, 224, 1, 224));
    producer.reclaim().unwrap();
    assert_eq!(read(1), numbers(5, 256, 2, 224));
    assert_eq!(read(1), numbers(6, 296, 3, 224));
    producer.reclaim().unwrap();
    // What was released behind the first look was never more than what was then between them.
    let sends = numbers(6, 296, 2, 72);
    assert_eq!(producer.numbers(), sends);
    producer.tell_numbers();
    consumer.tell_numbers();
    let told = |seen: &dyn Fn(usize) -> u64| words(0xc00).map(seen);
    if ONE == 1 {
        let by_sender = told(&|at| pair.sending_seen.word(at).load());
        assert_eq!(by_sender, [6, 296, 2, 72]);
        let by_receiver = told(&|at| pair.receiving_seen.word(at).load());
        assert_eq!(by_receiver, [6, 296, 3, 224]);
        // With those of the lanes beside it.
        producer.count_beside(numbers(10, 1000, 100, 71));
        producer.tell_numbers();
        let by_sender = told(&|at| pair.sending_seen.word(at).load());
        assert_eq!(by_sender, [16, 1296, 102, 72]);
        assert_eq!(producer.numbers(), sends, "its own");
        // Its own by themselves, where it is one of several: no sum is told with them.
        let [frames, bytes, ..] = words(0xd00).map(|at| pair.sending.word(at));
        let sums = words(0xe00).map(|at| pair.sending.word(at));
        producer.count_into(Tally::into_words(sums).and_each([frames, bytes]));
        producer.tell_each();
        let by_lane = [0xd00, 0xd08, 0xe00].map(|at| pair.sending_seen.word(at).load());
        assert_eq!(by_lane, [6, 296, 0]);
    }
}

/// The step of the consumer, and what it has not released, by its word: more than was sent is nothing.
#[test]
fn a_producer_tells_how_far_its_consumer_is() {
    for (step, alignment) in [(512, 8), (512, 64), (8, 8), (1024, 1024)] {
        let pair = Pair::new(CAPACITY);
        let geometry = Geometry {
            step,
            ..Geometry::new(CAPACITY, alignment, 80)
        };
        let (mut producer, mut consumer) = pair.halves(&geometry, false);
        assert_eq!((producer.step(), producer.capacity()), (step, CAPACITY));
        assert_eq!(producer.most(), geometry.largest_payload());
        producer.try_send(&[0; 8], 0).unwrap();
        producer.try_append(&[0; 8], 0).unwrap();
        assert_eq!(producer.unreleased(), 16, "of what is published");
        producer.publish();
        assert_eq!(producer.unreleased(), 32);
        let entry = consumer.peek().unwrap().unwrap();
        consumer.advance(&entry);
        consumer.publish_release();
        assert_eq!(producer.unreleased(), 16);
        let lie = pair.receiving.word(RECEIVER);
        // ORD: lie: Relaxed, it is read by the same thread; partner: none.
        lie.store(u64::MAX, Ordering::Relaxed);
        assert_eq!(producer.unreleased(), 0);
    }
}

/// A group that was left open, as by a guard that was leaked, goes out with the frame behind it.
#[test]
fn a_commit_publishes_the_open_group_before_it() {
    for expires in [false, true] {
        let pair = Pair::new(CAPACITY);
        let (mut producer, mut consumer) = pair.halves(&Geometry::new(CAPACITY, 8, 0), false);
        producer.try_append(&[0; 8], 1).unwrap();
        assert!(producer.has_open_group());
        if expires {
            let slot = producer.try_reserve_expiring(8, 8).unwrap();
            producer.commit_expiring(&slot, 8, 2, u64::MAX);
        } else {
            let slot = producer.try_reserve(8, 8).unwrap();
            producer.commit(&slot, 8, 2);
        }
        assert!(!producer.has_open_group());
        for kind in [1, 2] {
            let entry = consumer.peek().unwrap().unwrap();
            assert_eq!((entry.kind(), entry.payload()), (kind, 8));
            consumer.advance(&entry);
        }
    }
}

/// The consumer's word is in a line of its own, which costs something: it is looked at where what is known of it does not do, and no sooner.
#[test]
fn a_frame_that_fits_by_what_is_known_needs_no_look_at_the_consumer() {
    type Try = fn(&mut Sending, usize) -> Result<(), Refusal>;
    let ways: [Try; 6] = [
        |producer, bytes| producer.try_reserve(bytes, 8).map(drop),
        |producer, bytes| producer.try_reserve_expiring(bytes - 8, 8).map(drop),
        |producer, bytes| producer.try_append(&vec![0; bytes], 0),
        |producer, bytes| producer.try_send(&vec![0; bytes], 0).map(drop),
        |producer, bytes| producer.has_room(bytes, 8).map(drop),
        |producer, bytes| {
            let sent = producer.send_through(&vec![0; bytes], 0);
            sent.map(drop).ok_or(Refusal::Full)
        },
    ];
    for (number, way) in ways.into_iter().enumerate() {
        for first in [0usize, 600] {
            let pair = Pair::new(4096);
            let (mut producer, _consumer) = pair.halves(&Geometry::new(4096, 8, 0), false);
            // So that the largest frame would end at the ring's end, terminator and all; or not.
            let most = producer.most() as usize;
            let before = 4096 - 8 - (most + 8) - 8;
            producer.try_send(&vec![0; before + first], 0).unwrap();
            // ORD: lie: Relaxed, it is read by the same thread; partner: none.
            pair.receiving.word(RECEIVER).store(1, Ordering::Relaxed);
            assert_eq!(way(&mut producer, most - first), Ok(()), "way {number}");
            assert!(producer.reclaim().is_err(), "who looks sees the lie");
        }
    }
}

#[test]
fn there_is_room_once_the_consumer_has_released_it() {
    let pair = Pair::new(CAPACITY);
    let (mut producer, mut consumer) = pair.halves(&Geometry::new(CAPACITY, 8, 0), false);
    producer.try_send(&[0; 2000], 0).unwrap();
    assert_eq!(producer.has_room(2072, 8), Ok(true), "and its terminator");
    assert_eq!(producer.has_room(2073, 8), Ok(false));
    assert_eq!(
        producer.has_room(8, 3),
        Err(Refusal::Alignment { asked: 3, most: 8 })
    );
    let entry = consumer.peek().unwrap().unwrap();
    consumer.advance(&entry);
    consumer.publish_release();
    assert_eq!(producer.has_room(2073, 8), Ok(true));
}
