//! Frames through a ring that wraps: none lost, none torn, none overwritten while it is read.

use loom::thread;

use super::{Model, lane};
use crate::layout::geometry::Geometry;
use crate::ring::{Consumer, Found, Producer, Refusal};
use crate::segment::heap::{HeapRing, HeapWord};

pub(super) const MODELS: &[Model] = &[
    ("frames wrap", frames_wrap),
    ("frames of one word wrap", short_frames_wrap),
    ("frames of the expected length wrap", exact_frames_wrap),
    ("fenced commits", fenced_commits),
    ("a group becomes visible at once", groups),
    ("a pad and its frame", pads),
    ("a frame and when it expires", extensions),
];

/// Eight words. The release step is two of them, so releases are seldom and still frequent enough to wrap.
const GEOMETRY: Geometry = Geometry {
    capacity: 64,
    step: 16,
    alignment: 8,
    start: 0,
};

/// Bytes that name the frame and the place in it.
pub(super) fn bytes(frame: u8, length: usize) -> Vec<u8> {
    (0..length)
        .map(|place| frame * 16 + 1 + place as u8)
        .collect()
}

/// Sends, giving way while the ring is full.
fn send(producer: &mut Producer<HeapRing, HeapWord, HeapWord>, payload: &[u8], kind: u16) {
    loop {
        match producer.try_send(payload, kind) {
            Ok(_) => return,
            Err(Refusal::Full) => thread::yield_now(),
            Err(other) => panic!("an honest consumer, and yet {other:?}"),
        }
    }
}

/// Takes the next frame, if there is one, checks it and finishes with it. Returns its kind.
pub(super) fn try_take(
    consumer: &mut Consumer<HeapRing, HeapWord>,
    length: impl Fn(u8) -> usize,
) -> Option<u16> {
    let entry = consumer.peek().expect("an honest producer")?;
    let frame = u8::try_from(entry.kind()).unwrap();
    assert_eq!(
        entry.payload(),
        length(frame),
        "the header of frame {frame}"
    );
    let mut copied = [0; 64];
    let count = consumer.copy(&entry, 0, &mut copied);
    assert_eq!(
        copied[..count],
        bytes(frame, length(frame)),
        "the payload of frame {frame}"
    );
    consumer.advance(&entry);
    finish(consumer);
    Some(entry.kind())
}

/// Finishes with the frame that was taken or dropped, as a receiver does.
pub(super) fn finish(consumer: &mut Consumer<HeapRing, HeapWord>) {
    if consumer.is_release_due() {
        consumer.publish_release();
    }
}

/// Takes `count` frames in order.
fn take_all(consumer: &mut Consumer<HeapRing, HeapWord>, count: u8, length: impl Fn(u8) -> usize) {
    for expected in 0..count {
        let kind = loop {
            match try_take(consumer, &length) {
                Some(kind) => break kind,
                None => thread::yield_now(),
            }
        };
        assert_eq!(kind, u16::from(expected), "order");
    }
    assert_eq!(consumer.peek(), Ok(None), "one frame too many");
}

fn frames(geometry: &Geometry, fenced: bool, count: u8, length: fn(u8) -> usize) {
    let (mut producer, mut consumer) = lane(geometry, fenced);
    let reader = thread::spawn(move || take_all(&mut consumer, count, length));
    for frame in 0..count {
        send(
            &mut producer,
            &bytes(frame, length(frame)),
            u16::from(frame),
        );
    }
    reader.join().unwrap();
}

/// Lengths differ, so that headers come to lie on payload and payload on payload.
fn frames_wrap() {
    frames(&GEOMETRY, false, 4, |frame| [16, 9, 16, 24][frame as usize]);
}

/// A reader that knows what is next takes frames with one compare each, but for those with which a release is due.
fn exact_frames_wrap() {
    const COUNT: u8 = 4;
    let length = |frame: u8| [16, 9, 16, 24][frame as usize];
    // Every other frame makes a step's worth.
    let geometry = Geometry {
        step: 32,
        ..GEOMETRY
    };
    let (mut producer, mut consumer) = lane(&geometry, true);
    let reader = thread::spawn(move || {
        for frame in 0..COUNT {
            let mut copied = vec![0; length(frame)];
            loop {
                match consumer.take_exact(&mut copied) {
                    Found::Taken => break,
                    Found::Nothing => thread::yield_now(),
                    Found::Other => match consumer.peek().unwrap() {
                        Some(entry) => {
                            assert_eq!(consumer.copy(&entry, 0, &mut copied), copied.len());
                            consumer.advance(&entry);
                            break;
                        }
                        None => thread::yield_now(),
                    },
                }
            }
            assert_eq!(copied, bytes(frame, length(frame)), "frame {frame}");
            finish(&mut consumer);
        }
    });
    for frame in 0..COUNT {
        send(&mut producer, &bytes(frame, length(frame)), 0);
    }
    reader.join().unwrap();
}

fn short_frames_wrap() {
    let geometry = Geometry {
        capacity: 32,
        step: 8,
        alignment: 8,
        start: 1 << 62,
    };
    frames(&geometry, false, 4, |frame| [8, 0, 8, 3][frame as usize]);
}

fn fenced_commits() {
    let geometry = Geometry {
        start: 40,
        ..GEOMETRY
    };
    frames(&geometry, true, 3, |frame| [16, 20, 16][frame as usize]);
}

/// Groups of two. When the first of a group is visible, so must the second be, without another look.
fn groups() {
    const COUNT: u8 = 4;
    let length = |frame: u8| [8, 8, 8, 4][frame as usize];
    let (mut producer, mut consumer) = lane(&GEOMETRY, false);
    let reader = thread::spawn(move || {
        for first in (0..COUNT).step_by(2) {
            while try_take(&mut consumer, length).is_none() {
                thread::yield_now();
            }
            assert_eq!(
                try_take(&mut consumer, length),
                Some(u16::from(first) + 1),
                "the rest of the group"
            );
        }
    });
    for frame in 0..COUNT {
        let payload = bytes(frame, length(frame));
        let slot = loop {
            match producer.try_reserve(payload.len(), 8) {
                Ok(slot) => break slot,
                Err(Refusal::Full) => thread::yield_now(),
                Err(other) => panic!("an honest consumer, and yet {other:?}"),
            }
        };
        producer.fill(&slot, &payload);
        producer.append(&slot, payload.len() as u32, u16::from(frame));
        if frame % 2 == 1 {
            producer.publish();
        }
    }
    reader.join().unwrap();
}

/// Every second frame needs a pad; pad and frame are one store to the reader.
fn pads() {
    const COUNT: u8 = 3;
    let geometry = Geometry {
        alignment: 16,
        ..GEOMETRY
    };
    let length = |frame: u8| [8, 8, 16][frame as usize];
    let (mut producer, mut consumer) = lane(&geometry, false);
    let reader = thread::spawn(move || take_all(&mut consumer, COUNT, length));
    for frame in 0..COUNT {
        let payload = bytes(frame, length(frame));
        let slot = loop {
            match producer.try_reserve(payload.len(), 16) {
                Ok(slot) => break slot,
                Err(Refusal::Full) => thread::yield_now(),
                Err(other) => panic!("an honest consumer, and yet {other:?}"),
            }
        };
        let (origin, offset) = slot.payload_place();
        assert_eq!((origin + offset) % 16, 0);
        producer.fill(&slot, &payload);
        producer.commit(&slot, payload.len() as u32, u16::from(frame));
    }
    reader.join().unwrap();
}

/// An extension is that of its frame, and so is the payload behind it, alone or in a group.
fn extensions() {
    const COUNT: u8 = 3;
    let length = |frame: u8| [8, 0, 8][frame as usize];
    let moment = |frame: u16| 0x1111_0000 + u64::from(frame);
    let (mut producer, mut consumer) = lane(&GEOMETRY, false);
    let reader = thread::spawn(move || {
        for expected in 0..COUNT {
            let told = loop {
                let found = consumer.peek().expect("an honest producer");
                let told = found.and_then(|entry| consumer.expires(&entry));
                // It is looked at once more, from its header on.
                match try_take(&mut consumer, length) {
                    Some(kind) if found.is_some() => {
                        assert_eq!(kind, u16::from(expected));
                        break told;
                    }
                    Some(kind) => {
                        assert_eq!(kind, u16::from(expected));
                        break Some(moment(kind));
                    }
                    None => thread::yield_now(),
                }
            };
            assert_eq!(told, Some(moment(expected.into())), "when it expires");
        }
    });
    for frame in 0..COUNT {
        let payload = bytes(frame, length(frame));
        let slot = loop {
            match producer.try_reserve_expiring(payload.len(), 8) {
                Ok(slot) => break slot,
                Err(Refusal::Full) => {
                    producer.publish();
                    thread::yield_now();
                }
                Err(other) => panic!("an honest consumer, and yet {other:?}"),
            }
        };
        producer.fill_expiring(&slot, &payload);
        let kind = u16::from(frame);
        producer.append_expiring(&slot, payload.len() as u32, kind, moment(kind));
        if frame != 1 {
            producer.publish();
        }
    }
    reader.join().unwrap();
}

#[test]
fn frames_arrive() {
    super::hold(MODELS);
}
