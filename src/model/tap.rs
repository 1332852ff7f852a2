//! One who reads along, beside a producer that laps it: what it shows was sent, under its own number, and what it did not see is counted.

use loom::thread;

use super::lane::{bytes, try_take};
use super::{Model, lane_with_tap};
use crate::layout::geometry::Geometry;
use crate::ring::{Consumer, Producer, Readers, Tap, Told, say_start};
use crate::segment::heap::{HeapRing, HeapWord, TappedRing};

pub(super) const MODELS: &[Model] = &[
    ("a tap shows what was sent", lapped),
    ("a tap finds its place again", found_again),
    ("a tap finds its place", found),
];

pub(super) const GEOMETRY: Geometry = Geometry {
    capacity: 32,
    step: 8,
    alignment: 8,
    start: 0,
};

/// Sends a frame of one word, and takes it.
pub(super) fn pass(
    producer: &mut Producer<HeapRing, HeapWord, HeapWord>,
    consumer: &mut Consumer<HeapRing, HeapWord>,
    frame: u8,
) {
    // So that nothing but the claim itself is between it and what is written: a look for room would tell an anchor as well.
    producer.reclaim().expect("an honest consumer");
    producer
        .try_send(&bytes(frame, 8), u16::from(frame))
        .expect("room, since all was read");
    try_take(consumer, |_| 8).expect("just sent");
}

/// Looks so many times. What is seen is the frame that the number says.
pub(super) fn look(tap: &mut Tap<TappedRing, HeapWord>, times: usize) {
    let mut payload = Vec::new();
    for _ in 0..times {
        let found = tap.try_next(&mut payload).expect("an honest producer");
        if let Some(glimpse) = found {
            let frame = u8::try_from(tap.frames() - 1).unwrap();
            assert_eq!(
                glimpse.kind,
                u16::from(frame),
                "the header of frame {frame}"
            );
            assert_eq!(glimpse.position, 16 * u64::from(frame), "its place");
            assert_eq!(payload, bytes(frame, 8), "the payload of frame {frame}");
        }
    }
}

/// The tap stands at the first frame while two more wrap over it.
fn lapped() {
    let (mut producer, mut consumer, mut tap) = lane_with_tap(&GEOMETRY, false);
    look(&mut tap, 1);
    let reader = thread::spawn(move || {
        look(&mut tap, 1);
    });
    for frame in 0..3 {
        pass(&mut producer, &mut consumer, frame);
    }
    reader.join().unwrap();
}

/// The tap has lost its place, and looks for an anchor while the producer tells new ones.
fn found_again() {
    let (mut producer, mut consumer, mut tap) = lane_with_tap(&GEOMETRY, false);
    look(&mut tap, 1);
    for frame in 0..3 {
        pass(&mut producer, &mut consumer, frame);
    }
    let reader = thread::spawn(move || {
        look(&mut tap, 1);
        tap
    });
    for frame in 3..5 {
        pass(&mut producer, &mut consumer, frame);
    }
    let mut tap = reader.join().unwrap();
    producer.tell();
    look(&mut tap, 4);
    assert_eq!(tap.frames(), 5, "every frame was seen or counted");
}

/// The tap comes while the producer tells its first anchors, and nothing is overwritten.
fn found() {
    let geometry = Geometry {
        capacity: 64,
        ..GEOMETRY
    };
    let (mut producer, _consumer, mut tap) = lane_with_tap(&geometry, false);
    let reader = thread::spawn(move || {
        look(&mut tap, 1);
        tap
    });
    for frame in 0..2 {
        producer.try_send(&bytes(frame, 8), frame.into()).unwrap();
        producer.tell();
    }
    let mut tap = reader.join().unwrap();
    look(&mut tap, 3);
    producer.try_send(&bytes(2, 8), 2).unwrap();
    look(&mut tap, 1);
    assert_eq!(tap.frames(), 3, "every frame has its number");
}

#[test]
fn taps_see_what_was_sent() {
    super::hold(MODELS);
}
