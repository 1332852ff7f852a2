//! The lane between two threads, under ThreadSanitizer: nothing that one of them touches without an atomic is touched by the other at the same time.
//!
//! `RINGWAY_FRAMES` sets how many frames go over, and `RINGWAY_SEED` their sizes and the manners in which they are sent.
//!
//! `RINGWAY_PLANTED` names a fault (`commit`, `release`) that is planted in the memory below: the run has to end with a report then, or it proves nothing.

use crate::layout::geometry::Geometry;
use crate::ring::{Consumer, Producer, Refusal, say_start};
use crate::segment::plain::{Fault, PlainRing, PlainWord};

const FRAMES: u64 = 200_000;
/// The smallest ring: it wraps every few dozen frames, so that payload comes to lie on headers and on payload.
const CAPACITY: u64 = 4096;

/// A variable that is a number.
fn set(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

/// A number that nothing tells from random, of each frame and seed (the finaliser of splitmix64).
fn draw(number: u64, seed: u64) -> u64 {
    let mixed = (number ^ seed << 40)
        .wrapping_add(1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ mixed >> 27
}

fn payload(number: u64, seed: u64) -> Vec<u8> {
    vec![number as u8; (draw(number, seed) % 120) as usize]
}

/// Sends by copy, in groups and in place, by turns.
fn send(producer: &mut Producer<PlainRing, PlainWord, PlainWord>, number: u64, seed: u64) {
    let payload = payload(number, seed);
    let full = |refusal: &Refusal| matches!(refusal, Refusal::Full);
    loop {
        let refused = match draw(number, seed) >> 32 & 3 {
            0 | 1 => producer.try_send(&payload, 0).err(),
            2 => producer.try_append(&payload, 0).err(),
            _ => match producer.try_reserve(payload.len(), 8) {
                Ok(slot) => {
                    producer.fill(&slot, &payload);
                    producer.commit(&slot, payload.len() as u32, 0);
                    None
                }
                Err(refusal) => Some(refusal),
            },
        };
        match refused {
            None => return,
            Some(refusal) => assert!(full(&refusal), "{refusal:?}"),
        }
        // An open group is published before waiting for space.
        let _ = producer.publish();
        std::thread::yield_now();
    }
}

fn receive(consumer: &mut Consumer<PlainRing, PlainWord>, number: u64, seed: u64) {
    let mut buffer = [0; 128];
    loop {
        if let Some(entry) = consumer.peek().unwrap() {
            let count = consumer.copy(&entry, 0, &mut buffer);
            assert_eq!(&buffer[..count], payload(number, seed));
            consumer.advance(&entry);
            if consumer.is_release_due() {
                consumer.publish_release();
            }
            return;
        }
        std::thread::yield_now();
    }
}

#[test]
fn two_threads_race_for_nothing() {
    let fault = match std::env::var("RINGWAY_PLANTED").as_deref() {
        Err(_) => Fault::None,
        Ok("commit") => Fault::RelaxedCommit,
        Ok("release") => Fault::RelaxedRelease,
        Ok(other) => panic!("no fault {other}"),
    };
    let frames = set("RINGWAY_FRAMES").unwrap_or(FRAMES);
    let seed = set("RINGWAY_SEED").unwrap_or(0);
    let capacity = CAPACITY << (seed % 3);
    let geometry = Geometry {
        capacity,
        step: capacity / 8,
        alignment: 8,
        start: 0,
    };
    geometry.check().unwrap();
    let ring = PlainRing::new(capacity, fault);
    let (released, told) = (PlainWord::new(fault), PlainWord::new(Fault::None));
    say_start(&released, &geometry);
    let mut consumer = Consumer::new(ring.clone(), released.clone(), &geometry);
    let mut producer = Producer::new(ring, released, told, &geometry, true, || 0);
    let receiver = std::thread::spawn(move || {
        for number in 0..frames {
            receive(&mut consumer, number, seed);
        }
    });
    for number in 0..frames {
        send(&mut producer, number, seed);
    }
    let _ = producer.publish();
    receiver.join().unwrap();
}
