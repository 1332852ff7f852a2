//! The sender dies.

use super::{Ledger, Mortal, doom};
use crate::layout::geometry::Geometry;
use crate::model::bell::{Bell, epoch, wait_or_end};
use crate::model::lane;
use crate::model::lane::{bytes, try_take};
use crate::model::sleep::GEOMETRY;
use crate::ring::{Early, Several};
use crate::segment::heap::HeapWord;
use crate::sync::engine::thread;
use crate::wake::park::{Park, Watch};

pub(super) const MODELS: &[(&str, usize, Mortal)] = &[
    ("the sender of frames dies", 0, frames),
    ("the sender of frames that wrap dies", 1, wrapping),
    ("the sender of a group dies", 0, groups),
    ("the sender of a pad and its frame dies", 0, pads),
    ("the sender of a frame that is followed dies", 0, followed),
    ("the sender over two lanes dies", 0, lanes),
    ("the sender dies while it closes", 0, closing),
];

/// What a survivor does wrong, on purpose.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    NoLastLook,
    NoNews,
}

/// Returns how many frames `take` finds, each of the kind that is its number, until the sender is dead and there are no more.
fn find_all(park: &mut Park<HeapWord>, bell: &Bell, mut take: impl FnMut() -> Option<u16>) -> u32 {
    let mut found = 0;
    while let Some(kind) = wait_or_end(park, bell, &mut take) {
        assert_eq!(u32::from(kind), found);
        found += 1;
    }
    found
}

fn frames(steps: u32) -> bool {
    frames_but(steps, 3, Wrong::Nothing)
}

/// What was sent a lap before, and lies where the dead would have written, is no frame.
fn wrapping(steps: u32) -> bool {
    frames_but(steps, 5, Wrong::Nothing)
}

pub(super) fn without_a_last_look(steps: u32) -> bool {
    frames_but(steps, 1, Wrong::NoLastLook)
}

pub(super) fn without_news(steps: u32) -> bool {
    frames_but(steps, 1, Wrong::NoNews)
}

fn frames_but(steps: u32, count: u8, wrong: Wrong) -> bool {
    let (mut producer, mut consumer) = lane(&GEOMETRY, true);
    let (mut park, mut watch) = epoch();
    let (bell, ledger) = (Bell::new(), Ledger::default());
    let news = match wrong {
        // Told to nobody.
        Wrong::NoNews => Bell::new(),
        Wrong::Nothing | Wrong::NoLastLook => bell.clone(),
    };
    let doomed = doom(steps, &news, {
        let (bell, ledger) = (bell.clone(), ledger.clone());
        move || {
            for frame in 0..count {
                ledger.begin(1);
                while producer.try_send(&bytes(frame, 8), frame.into()).is_err() {
                    thread::yield_now();
                }
                ledger.done(1);
                bell.ring_if(watch.look());
            }
        }
    });
    let mut looks = 0;
    let found = find_all(&mut park, &bell, || {
        looks += 1;
        // The third look of a wait is the one behind the news.
        if wrong == Wrong::NoLastLook && looks == 3 {
            return None;
        }
        let found = try_take(&mut consumer, |_| 8);
        looks = if found.is_some() { 0 } else { looks };
        found
    });
    let died = doomed.join().unwrap();
    ledger.check(found);
    died
}

/// Of a group all or nothing.
fn groups(steps: u32) -> bool {
    let length = |frame: u8| [8, 0][usize::from(frame % 2)];
    let (mut producer, mut consumer) = lane(&GEOMETRY, true);
    let (mut park, mut watch) = epoch();
    let (bell, ledger) = (Bell::new(), Ledger::default());
    let doomed = doom(steps, &bell, {
        let (bell, ledger) = (bell.clone(), ledger.clone());
        move || {
            for first in [0, 2] {
                for frame in [first, first + 1] {
                    let payload = bytes(frame, length(frame));
                    producer.try_append(&payload, frame.into()).unwrap();
                }
                ledger.begin(2);
                let _ = producer.publish();
                ledger.done(2);
                bell.ring_if(watch.look());
            }
        }
    });
    let found = find_all(&mut park, &bell, || try_take(&mut consumer, length));
    let died = doomed.join().unwrap();
    assert_eq!(found % 2, 0, "half of a group");
    ledger.check(found);
    died
}

/// A pad without its frame would be a broken rule.
fn pads(steps: u32) -> bool {
    let geometry = Geometry {
        alignment: 16,
        ..GEOMETRY
    };
    let (mut producer, mut consumer) = lane(&geometry, true);
    let (mut park, mut watch) = epoch();
    let (bell, ledger) = (Bell::new(), Ledger::default());
    let doomed = doom(steps, &bell, {
        let (bell, ledger) = (bell.clone(), ledger.clone());
        move || {
            for frame in 0..2 {
                let slot = producer.try_reserve(8, 16).unwrap();
                producer.fill(&slot, &bytes(frame, 8));
                ledger.begin(1);
                producer.commit(&slot, 8, frame.into());
                ledger.done(1);
                bell.ring_if(watch.look());
            }
        }
    });
    let found = find_all(&mut park, &bell, || try_take(&mut consumer, |_| 8));
    let died = doomed.join().unwrap();
    ledger.check(found);
    died
}

/// What was announced of a frame that was never committed counts for nothing, and what was copied of it early is what was written.
fn followed(steps: u32) -> bool {
    const LENGTH: usize = 24;
    let (mut producer, mut consumer) = lane(&GEOMETRY, true);
    let word = HeapWord::new(0);
    producer.announce_from(word.clone(), 16, 8);
    let (mut park, mut watch) = epoch();
    let (bell, ledger) = (Bell::new(), Ledger::default());
    let doomed = doom(steps, &bell, {
        let (bell, ledger) = (bell.clone(), ledger.clone());
        move || {
            ledger.begin(1);
            let told = || {
                Watch::<HeapWord>::announce_barrier();
                bell.ring_if(watch.look());
                true
            };
            producer
                .try_send_waking(&bytes(0, LENGTH), 0, told)
                .unwrap();
            ledger.done(1);
            bell.ring_if(watch.look());
        }
    });
    let (mut early, mut copied) = (Early::default(), [0; LENGTH]);
    let found = wait_or_end(&mut park, &bell, || {
        let Some(entry) = consumer.peek().expect("an honest producer") else {
            consumer.follow(&word, &mut early, &mut copied, 8);
            return None;
        };
        let there = early.of(&entry);
        consumer.copy(&entry, there, &mut copied[there..]);
        consumer.advance(&entry);
        Some(())
    });
    let written = if found.is_some() { LENGTH } else { early.bytes };
    assert_eq!(copied[..written], bytes(0, LENGTH)[..written]);
    let died = doomed.join().unwrap();
    ledger.check(found.is_some().into());
    died
}

/// What was committed in either lane is found, though its sender was about to go on in the other one.
fn lanes(steps: u32) -> bool {
    let (mut first, mut consumer) = lane(&GEOMETRY, true);
    let (mut second, other) = lane(&GEOMETRY, true);
    let (mut park, mut watch) = epoch();
    let bell = Bell::new();
    let ledgers = [Ledger::default(), Ledger::default()];
    let doomed = doom(steps, &bell, {
        let (bell, ledgers) = (bell.clone(), ledgers.clone());
        move || {
            for (number, producer) in [(1, &mut second), (0, &mut first)] {
                ledgers[number].begin(1);
                producer.try_send(&bytes(number as u8, 8), 0).unwrap();
                ledgers[number].done(1);
                bell.ring_if(watch.look());
            }
        }
    });
    let mut several = Several::new(&mut consumer, vec![other], 1);
    let mut found = [0; 2];
    while let Some(number) = wait_or_end(&mut park, &bell, || {
        let (number, entry) = several.find(&mut consumer).expect("an honest producer")?;
        several.take_up(&mut consumer, number, &entry);
        let mut copied = [0; 8];
        assert_eq!(consumer.copy(&entry, 0, &mut copied), 8);
        assert_eq!(copied[..], bytes(number as u8, 8), "of lane {number}");
        consumer.advance(&entry);
        Some(number)
    }) {
        found[number] += 1;
    }
    let died = doomed.join().unwrap();
    ledgers[0].check(found[0]);
    ledgers[1].check(found[1]);
    died
}

/// Who has said goodbye has lost nothing; who died before that is heard of as dead.
fn closing(steps: u32) -> bool {
    let (mut producer, mut consumer) = lane(&GEOMETRY, true);
    let (mut own, watch_own) = epoch();
    let (mut park, mut watch) = epoch();
    let (bell, ledger) = (Bell::new(), Ledger::default());
    let doomed = doom(steps, &bell, {
        let (bell, ledger) = (bell.clone(), ledger.clone());
        move || {
            ledger.begin(1);
            producer.try_send(&bytes(0, 8), 0).unwrap();
            ledger.done(1);
            bell.ring_if(watch.look());
            own.close();
            bell.ring_if(watch.look());
        }
    });
    let mut found = 0;
    let mut take = || found += u32::from(try_take(&mut consumer, |_| 8).is_some());
    let closed = wait_or_end(&mut park, &bell, || {
        take();
        if !watch_own.is_closed() {
            return None;
        }
        take();
        Some(())
    });
    assert!(closed.is_none() || found == 1, "the frame before the close");
    let died = doomed.join().unwrap();
    assert!(died || closed.is_some(), "a goodbye that nobody has heard");
    ledger.check(found);
    died
}
