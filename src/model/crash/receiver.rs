//! The receiver dies.

use super::{Ledger, Mortal, doom};
use crate::layout::geometry::Geometry;
use crate::layout::redelivery::Redelivery;
use crate::model::bell::{Bell, epoch, until_room, wait};
use crate::model::lane;
use crate::model::lane::{bytes, try_take};
use crate::model::sleep::{GEOMETRY, NARROW};
use crate::ring::{Consumer, Entry, Producer};
use crate::segment::heap::{HeapRing, HeapWord};
use crate::sync::engine::thread;
use crate::wake::park::{Signal, Watch};

pub(super) const MODELS: &[(&str, usize, Mortal)] = &[
    ("the receiver dies, and nobody releases", 0, releases),
    ("the receiver dies, asleep or not", 0, sleeps),
    ("the receiver dies, and gave account", 0, gives_account),
    ("the receiver dies, and held frames", 0, holds),
];

pub(super) type Half = Consumer<HeapRing, HeapWord>;
pub(super) type Other = Producer<HeapRing, HeapWord, HeapWord>;

/// Bytes of a frame here.
const FRAME: u64 = 16;

/// A sender that sleeps for room hears that there will be none.
fn releases(steps: u32) -> bool {
    const COUNT: u8 = 3;
    let (mut producer, mut consumer) = lane(&NARROW, false);
    let (mut park, mut watch) = epoch();
    let (bell, taken) = (Bell::new(), Ledger::default());
    let doomed = doom(steps, &bell, {
        let (bell, taken) = (bell.clone(), taken.clone());
        move || {
            for _ in 0..COUNT {
                taken.begin(1);
                while try_take(&mut consumer, |_| 8).is_none() {
                    thread::yield_now();
                }
                taken.done(1);
                // Steps are a word here, so that what was taken has been released.
                Watch::<HeapWord>::barrier();
                bell.ring_if(watch.look());
            }
        }
    });
    let mut sent = 0;
    for frame in 0..COUNT {
        let accepted = until_room(&mut park, &bell, || {
            producer.try_send(&bytes(frame, 8), frame.into())
        });
        if accepted.is_none() {
            break;
        }
        sent += 1;
    }
    let died = doomed.join().unwrap();
    assert_eq!(producer.reclaim(), Ok(()), "what the dead have left");
    let released = (producer.known_released() / FRAME) as u32;
    let [_, done] = taken.read();
    assert!((done..=done + 1).contains(&released) && released <= sent);
    assert!(died || sent == COUNT.into());
    died
}

/// A sender looks at the epoch of one who is dead, in any state: it rings once at most, and sends on.
fn sleeps(steps: u32) -> bool {
    const COUNT: u8 = 2;
    let (mut producer, mut consumer) = lane(&GEOMETRY, true);
    let (mut park, mut watch) = epoch();
    let (bell, news) = (Bell::new(), Bell::new());
    let doomed = doom(steps, &news, {
        let bell = bell.clone();
        move || {
            for _ in 0..COUNT {
                wait(&mut park, &bell, || try_take(&mut consumer, |_| 8));
            }
            park.close();
        }
    });
    for frame in 0..COUNT {
        producer.try_send(&bytes(frame, 8), frame.into()).unwrap();
        bell.ring_if(watch.look());
    }
    news.wait_for_death();
    let died = doomed.join().unwrap();
    producer.try_send(&bytes(COUNT, 8), 0).unwrap();
    let closed = watch.look() == Signal::Closed;
    assert!(closed || died, "a goodbye that nobody has heard");
    assert_ne!(watch.look(), Signal::Ring, "once for each epoch");
    assert_eq!(producer.reclaim(), Ok(()), "what the dead have left");
    died
}

/// What is said to be unseen was handed out to nobody, what was released is finished with, and the rest is sent again, whole.
pub(super) fn gives_account(steps: u32) -> bool {
    const COUNT: u32 = 3;
    let (mut producer, mut consumer) = lane(&GEOMETRY, false);
    let word = HeapWord::new(0);
    producer.can_recover(Some(word.clone()));
    consumer.give_account(word);
    let (news, handled) = (Bell::new(), Ledger::default());
    send(&mut producer, 0);
    let doomed = doom(steps, &news, {
        let handled = handled.clone();
        move || {
            for _ in 0..COUNT {
                let entry = next(&mut consumer);
                consumer.say_taken(&entry);
                handled.begin(1);
                read(&mut consumer, &entry);
                handled.done(1);
                consumer.publish_release();
            }
        }
    });
    send(&mut producer, 1);
    send(&mut producer, 2);
    news.wait_for_death();
    let died = doomed.join().unwrap();
    let [seen, done] = handled.read();
    check(&producer, COUNT, |frame, redelivery| match redelivery {
        None => assert!(frame < done, "{frame} is not finished with"),
        Some(Redelivery::Unseen) => assert!(frame >= seen, "{frame} was seen"),
        // It was said to be taken, and not yet handed out.
        Some(_) => assert!(frame <= seen, "{frame} is not in doubt"),
    });
    died
}

/// Who holds frames and goes back has not released them.
pub(super) fn holds(steps: u32) -> bool {
    const COUNT: u32 = 3;
    let (mut producer, mut consumer) = lane(&GEOMETRY, false);
    producer.can_recover(None);
    consumer.hold(true);
    let (news, finished) = (Bell::new(), Ledger::default());
    let doomed = doom(steps, &news, {
        let finished = finished.clone();
        move || {
            let entry = next(&mut consumer);
            read(&mut consumer, &entry);
            consumer.release();
            finished.done(1);
            let entry = next(&mut consumer);
            read(&mut consumer, &entry);
            consumer.publish_release();
            assert_eq!(consumer.rewind(), FRAME);
            for _ in 1..COUNT {
                let entry = next(&mut consumer);
                read(&mut consumer, &entry);
            }
        }
    });
    for frame in 0..COUNT as u8 {
        send(&mut producer, frame);
    }
    news.wait_for_death();
    let died = doomed.join().unwrap();
    let [_, done] = finished.read();
    check(&producer, COUNT, |frame, redelivery| match redelivery {
        None => assert!(frame < done, "{frame} is held"),
        said => assert_eq!(said, Some(Redelivery::InDoubt)),
    });
    died
}

fn send(producer: &mut Other, frame: u8) {
    producer.try_send(&bytes(frame, 8), frame.into()).unwrap();
}

fn next(consumer: &mut Half) -> Entry {
    loop {
        match consumer.peek().expect("an honest producer") {
            Some(entry) => return entry,
            None => thread::yield_now(),
        }
    }
}

fn read(consumer: &mut Half, entry: &Entry) {
    let mut copied = [0; 8];
    assert_eq!(consumer.copy(entry, 0, &mut copied), 8);
    assert_eq!(copied[..], bytes(entry.kind() as u8, 8));
    consumer.advance(entry);
}

/// The next incarnation is sent what is not finished with, and no other frame. `said` judges what is said of each frame: nothing of those that it is not sent.
fn check(old: &Other, count: u32, said: impl Fn(u32, Option<Redelivery>)) {
    let standing = old.standing().expect("it can be resumed");
    assert_eq!(standing.broken, None, "what the dead have left");
    let geometry = Geometry {
        start: standing.start,
        ..GEOMETRY
    };
    let (mut producer, mut consumer) = lane(&geometry, false);
    consumer.give_account(HeapWord::new(standing.start));
    producer.take_over(old, &standing);
    let _ = producer.publish();
    let first = (standing.start / FRAME) as u32;
    for frame in 0..count {
        let entry = (frame >= first).then(|| {
            let entry = consumer.peek().unwrap().expect("it is sent again");
            assert_eq!(u32::from(entry.kind()), frame);
            read(&mut consumer, &entry);
            entry.redelivery()
        });
        said(frame, entry);
    }
    assert_eq!(consumer.peek(), Ok(None));
}
