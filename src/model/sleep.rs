//! Sleeping for data and for space, and closing. A wake that is lost leaves a thread blocked, which
//! loom reports as a deadlock.

use loom::thread;

use super::bell::{Bell, epoch, wait};
use super::lane::{bytes, try_take};
use super::{Model, lane};
use crate::layout::geometry::Geometry;
use crate::ring::{Consumer, Refusal};
use crate::segment::heap::{HeapRing, HeapWord};
use crate::wake::park::{Park, Watch};

pub(super) const MODELS: &[Model] = &[
    ("asleep for data", for_data),
    ("asleep for space", for_space),
    (
        "asleep for space, releases told at once",
        for_space_told_at_once,
    ),
    ("the last frame before a close", last_frame),
    ("a close wakes the sleeper", close_wakes),
    ("a close alone wakes the sleeper", close_alone_wakes),
];

pub(super) const GEOMETRY: Geometry = Geometry {
    capacity: 64,
    step: 16,
    alignment: 8,
    start: 0,
};
/// Room for one frame at a time, and each is released at once.
pub(super) const NARROW: Geometry = Geometry {
    capacity: 32,
    step: 8,
    alignment: 8,
    start: 0,
};

/// A thread that sleeps until each of so many frames has come.
pub(super) fn sleeper(
    count: u8,
    mut consumer: Consumer<HeapRing, HeapWord>,
    mut park: Park<HeapWord>,
    bell: &Bell,
) -> thread::JoinHandle<()> {
    let bell = bell.clone();
    thread::spawn(move || {
        for frame in 0..count {
            let kind = wait(&mut park, &bell, || try_take(&mut consumer, |_| 8));
            assert_eq!(kind, u16::from(frame));
        }
    })
}

fn for_data() {
    const COUNT: u8 = 2;
    let (mut producer, consumer) = lane(&GEOMETRY, true);
    let (park, mut watch) = epoch();
    let bell = Bell::new();
    let sleeper = sleeper(COUNT, consumer, park, &bell);
    for frame in 0..COUNT {
        producer
            .try_send(&bytes(frame, 8), u16::from(frame))
            .unwrap();
        bell.ring_if(watch.look());
    }
    sleeper.join().unwrap();
}

/// A consumer that gives account tells each release, and wakes once in a step, which is two frames here: the sleeper needs no other wake.
fn for_space_told_at_once() {
    const COUNT: u8 = 5;
    let geometry = Geometry {
        capacity: 32,
        step: 16,
        ..GEOMETRY
    };
    let (mut producer, mut consumer) = lane(&geometry, false);
    consumer.give_account(HeapWord::new(0));
    let (mut park, mut watch) = epoch();
    let bell = Bell::new();
    let sleeper = thread::spawn({
        let bell = bell.clone();
        move || {
            for frame in 0..COUNT {
                wait(&mut park, &bell, || {
                    match producer.try_send(&[], u16::from(frame)) {
                        Ok(_) => Some(()),
                        Err(Refusal::Full) => None,
                        Err(other) => panic!("an honest consumer, and yet {other:?}"),
                    }
                });
            }
        }
    });
    for frame in 0..COUNT {
        let entry = loop {
            match consumer.peek().expect("an honest producer") {
                Some(entry) => break entry,
                None => thread::yield_now(),
            }
        };
        consumer.say_taken(&entry);
        assert_eq!(entry.kind(), u16::from(frame));
        consumer.advance(&entry);
        assert!(consumer.is_release_due(), "each at once");
        if consumer.publish_release() {
            Watch::<HeapWord>::barrier();
            bell.ring_if(watch.look());
        }
    }
    sleeper.join().unwrap();
}

fn for_space() {
    const COUNT: u8 = 3;
    let (mut producer, mut consumer) = lane(&NARROW, false);
    let (mut park, mut watch) = epoch();
    let bell = Bell::new();
    let sleeper = thread::spawn({
        let bell = bell.clone();
        move || {
            for frame in 0..COUNT {
                wait(&mut park, &bell, || {
                    match producer.try_send(&bytes(frame, 8), u16::from(frame)) {
                        Ok(_) => Some(()),
                        Err(Refusal::Full) => None,
                        Err(other) => panic!("an honest consumer, and yet {other:?}"),
                    }
                });
            }
        }
    });
    for frame in 0..COUNT {
        let kind = loop {
            match try_take(&mut consumer, |_| 8) {
                Some(kind) => break kind,
                None => thread::yield_now(),
            }
        };
        assert_eq!(kind, u16::from(frame));
        // Steps are a word here, so that what was taken has been released.
        Watch::<HeapWord>::barrier();
        bell.ring_if(watch.look());
    }
    sleeper.join().unwrap();
}

/// Commits carry no barrier here, so that the close's own ordering must bring the last frame along.
fn last_frame() {
    let (mut producer, mut consumer) = lane(&GEOMETRY, false);
    let (mut park, watch) = epoch();
    let closing = thread::spawn(move || {
        producer.try_send(&bytes(0, 8), 0).unwrap();
        park.close();
    });
    let mut found = 0;
    loop {
        found += usize::from(try_take(&mut consumer, |_| 8).is_some());
        if watch.is_closed() {
            found += usize::from(try_take(&mut consumer, |_| 8).is_some());
            break;
        }
        thread::yield_now();
    }
    assert_eq!(found, 1, "the frame before the close");
    closing.join().unwrap();
}

fn close_wakes() {
    let (mut producer, mut consumer) = lane(&GEOMETRY, true);
    let (mut own, watch_own) = epoch();
    let (mut park, mut watch) = epoch();
    let bell = Bell::new();
    let closing = thread::spawn({
        let bell = bell.clone();
        move || {
            producer.try_send(&bytes(0, 8), 0).unwrap();
            bell.ring_if(watch.look());
            own.close();
            bell.ring_if(watch.look());
        }
    });
    let mut found = 0;
    wait(&mut park, &bell, || {
        found += usize::from(try_take(&mut consumer, |_| 8).is_some());
        if !watch_own.is_closed() {
            return None;
        }
        found += usize::from(try_take(&mut consumer, |_| 8).is_some());
        Some(())
    });
    assert_eq!(found, 1, "the frame before the close");
    closing.join().unwrap();
}

/// Nothing is committed, so that no barrier but the close's own stands between the close and the look at the sleeper.
fn close_alone_wakes() {
    let (mut own, watch_own) = epoch();
    let (mut park, mut watch) = epoch();
    let bell = Bell::new();
    let closing = thread::spawn({
        let bell = bell.clone();
        move || {
            own.close();
            bell.ring_if(watch.look());
        }
    });
    wait(&mut park, &bell, || watch_own.is_closed().then_some(()));
    closing.join().unwrap();
}

#[test]
fn no_wake_and_no_last_frame_is_lost() {
    super::hold(MODELS);
}
