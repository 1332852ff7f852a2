//! A large frame that is copied out while it is copied in, and a sleeper that is woken when it begins.

use loom::thread;

use super::bell::{Bell, epoch, wait};
use super::lane::bytes;
use super::sleep::GEOMETRY;
use super::{Model, lane};
use crate::ring::{Consumer, Early, Producer};
use crate::segment::heap::{HeapRing, HeapWord};
use crate::wake::park::Watch;

pub(super) const MODELS: &[Model] = &[
    ("a frame that is followed", followed),
    ("a frame that is followed, over a lap", followed_over_a_lap),
    ("asleep, and woken when a frame begins", woken_early),
    ("asleep again behind the first part", asleep_again),
];

type Half = Consumer<HeapRing, HeapWord>;
type Other = Producer<HeapRing, HeapWord, HeapWord>;

/// Both halves, and the word in which frames of two words and more are announced, word by word.
fn announced() -> (Other, Half, HeapWord) {
    let (mut producer, consumer) = lane(&GEOMETRY, true);
    let word = HeapWord::new(0);
    producer.announce_from(word.clone(), 16, 8);
    (producer, consumer, word)
}

/// Copies what there is of the frame, and takes it if it is committed: whether it did, and how much it had copied before.
fn try_take(
    consumer: &mut Half,
    word: &HeapWord,
    early: &mut Early,
    copied: &mut [u8],
) -> Option<usize> {
    let Some(entry) = consumer.peek().expect("an honest producer") else {
        consumer.follow(word, early, copied, 8);
        return None;
    };
    assert_eq!(entry.payload(), copied.len());
    let there = early.of(&entry);
    consumer.copy(&entry, there, &mut copied[there..]);
    consumer.advance(&entry);
    if consumer.is_release_due() {
        consumer.publish_release();
    }
    Some(there)
}

fn follows(frames: &'static [usize]) {
    let (mut producer, mut consumer, word) = announced();
    let reader = thread::spawn(move || {
        for (frame, length) in frames.iter().enumerate() {
            let (mut early, mut copied) = (Early::default(), vec![0; *length]);
            while try_take(&mut consumer, &word, &mut early, &mut copied).is_none() {
                thread::yield_now();
            }
            assert_eq!(copied, bytes(frame as u8, *length), "frame {frame}");
        }
    });
    for (frame, length) in frames.iter().enumerate() {
        let payload = bytes(frame as u8, *length);
        while producer.try_send(&payload, 0).is_err() {
            thread::yield_now();
        }
    }
    reader.join().unwrap();
}

fn followed() {
    follows(&[24]);
}

/// What was announced of one frame is not taken for a part of the next, and the second lies where the first was.
fn followed_over_a_lap() {
    follows(&[24, 16, 24]);
}

/// The sender goes on only when the first part has been copied. So a sleeper that is not woken by the announcement sleeps for ever.
fn woken_early() {
    let (mut producer, mut consumer, word) = announced();
    let (mut park, mut watch) = epoch();
    let (bell, begun) = (Bell::new(), Bell::new());
    let sleeper = thread::spawn({
        let (bell, begun) = (bell.clone(), begun.clone());
        move || {
            let (mut early, mut copied) = (Early::default(), [0; 16]);
            wait(&mut park, &bell, || {
                consumer
                    .follow(&word, &mut early, &mut copied, 8)
                    .then_some(())
            });
            assert_eq!(copied[..8], bytes(0, 16)[..8]);
            begun.ring();
            let there = wait(&mut park, &bell, || {
                try_take(&mut consumer, &word, &mut early, &mut copied)
            });
            assert_eq!((there, &copied[..]), (8, &bytes(0, 16)[..]));
        }
    });
    producer
        .try_send_waking(&bytes(0, 16), 0, || {
            Watch::<HeapWord>::announce_barrier();
            bell.ring_if(watch.look());
            begun.wait();
            true
        })
        .unwrap();
    bell.ring_if(watch.look());
    sleeper.join().unwrap();
}

/// Whoever was woken by the announcement, or by chance, and sleeps again before the commit, is woken by the commit.
fn asleep_again() {
    let (mut producer, mut consumer, word) = announced();
    let (mut park, mut watch) = epoch();
    let bell = Bell::new();
    let sleeper = thread::spawn({
        let bell = bell.clone();
        move || {
            let (mut early, mut copied) = (Early::default(), [0; 16]);
            wait(&mut park, &bell, || {
                let taken = try_take(&mut consumer, &word, &mut early, &mut copied);
                taken.map(drop)
            });
            assert_eq!(copied[..], bytes(0, 16));
        }
    });
    producer
        .try_send_waking(&bytes(0, 16), 0, || {
            Watch::<HeapWord>::announce_barrier();
            bell.ring_if(watch.look());
            true
        })
        .unwrap();
    bell.ring_if(watch.look());
    sleeper.join().unwrap();
}

#[test]
fn frames_are_followed_and_no_wake_is_lost() {
    super::hold(MODELS);
}
