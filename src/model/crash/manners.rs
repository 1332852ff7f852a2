//! The sender dies in a manner that its connection asked for: its frames expire, its commits carry no barrier, or somebody reads along.

use super::receiver::{Half, Other};
use super::{Ledger, Mortal, doom};
use crate::layout::geometry::Geometry;
use crate::model::bell::{Bell, epoch, wait_or_end};
use crate::model::fence::{self, ALL, NO_BARRIER, Processor, Rules};
use crate::model::lane::{bytes, finish, try_take};
use crate::model::sleep::GEOMETRY;
use crate::model::{lane, lane_with_tap, tap};
use crate::ring::{FENCES, Halt};
use crate::segment::heap::HeapWord;
use crate::sync::engine::thread;
use crate::sync::mortal;
use crate::wake::fences::Fences;

pub(super) const MODELS: &[(&str, usize, Mortal)] = &[
    ("the sender of frames that expire dies", 0, expiring),
    ("the sender without a barrier dies", 0, unfenced),
    ("the sender dies while somebody reads along", 0, tapped),
    ("the sender that laps who reads along dies", 0, lapped),
];

/// What had expired is dropped and counted, and never half of it; what had not is found, with its moment.
fn expiring(steps: u32) -> bool {
    const COUNT: u8 = 2;
    const NOW: u64 = 0x2222;
    let moment = |frame: u16| if frame == 0 { NOW - 1 } else { NOW + 1 };
    let roomy = Geometry {
        capacity: 128,
        ..GEOMETRY
    };
    let (mut producer, mut consumer) = lane(&roomy, true);
    consumer.drop_expired(|| NOW, 0);
    let (mut park, mut watch) = epoch();
    let (bell, ledger) = (Bell::new(), Ledger::default());
    let doomed = doom(steps, &bell, {
        let (bell, ledger) = (bell.clone(), ledger.clone());
        move || {
            for frame in 0..COUNT {
                let (payload, kind) = (bytes(frame, 8), u16::from(frame));
                let slot = producer.try_reserve_expiring(8, 8).unwrap();
                producer.fill_expiring(&slot, &payload);
                producer.append_expiring(&slot, 8, kind, moment(kind));
                ledger.begin(1);
                let _ = producer.publish();
                ledger.done(1);
                bell.ring_if(watch.look());
            }
        }
    });
    let mut found = 0;
    while let Some(kind) = wait_or_end(&mut park, &bell, || {
        loop {
            match consumer.peek() {
                Err(Halt::Dropped) => finish(&mut consumer),
                Err(Halt::Broken(violation)) => panic!("what the dead have left: {violation:?}"),
                Ok(entry) => {
                    let moment = consumer.expires(&entry?);
                    let kind = try_take(&mut consumer, |_| 8);
                    assert_eq!(moment, Some(NOW + 1), "when it expires");
                    return kind;
                }
            }
        }
    }) {
        assert_eq!(kind, 1, "it had expired");
        found += 1;
    }
    let died = doomed.join().unwrap();
    ledger.check(found + consumer.expired() as u32);
    died
}

/// The sleeper has the barrier made in the thread of one who may be dead.
fn unfenced(steps: u32) -> bool {
    unfenced_but(steps, ALL)
}

/// Nobody makes it.
pub(super) fn without_a_barrier(steps: u32) -> bool {
    unfenced_but(steps, NO_BARRIER)
}

fn unfenced_but(steps: u32, rules: Rules) -> bool {
    const COUNT: u8 = 2;
    let (mut producer, mut consumer) = lane(&GEOMETRY, true);
    let (mut park, mut watch) = epoch();
    let (bell, ledger, processor) = (Bell::new(), Ledger::default(), Processor::default());
    let word = HeapWord::new(FENCES);
    producer.may_unfence(word.clone());
    producer.unfence();
    let doomed = thread::spawn({
        let (bell, ledger, processor) = (bell.clone(), ledger.clone(), processor.clone());
        move || {
            let died = mortal::live(steps, || {
                for frame in 0..COUNT {
                    ledger.begin(1);
                    producer.try_send(&bytes(frame, 8), frame.into()).unwrap();
                    ledger.done(1);
                    processor.instant();
                    bell.ring_if(watch.look());
                    processor.instant();
                }
            });
            processor.leave();
            // Who lives on tells of no death: whatever it has sent, it has told of by its bell.
            if died {
                bell.tell_death();
            }
            died
        }
    });
    let fences = Fences::new(word);
    let mut found = 0;
    while found < COUNT.into() {
        let taken = fence::wait_or_end(&mut park, &bell, &fences, &processor, rules, || {
            try_take(&mut consumer, |_| 8)
        });
        let Some(kind) = taken else { break };
        assert_eq!(u32::from(kind), found);
        found += 1;
    }
    let died = doomed.join().unwrap();
    ledger.check(found);
    died
}

/// Who reads along finds every frame that was sent, while there is room for all of them.
fn tapped(steps: u32) -> bool {
    let roomy = Geometry {
        capacity: 64,
        ..tap::GEOMETRY
    };
    let (begun, done, found, died) = read_along(steps, &roomy, |producer, _, frame| {
        producer.try_send(&bytes(frame, 8), frame.into()).unwrap();
    });
    assert!((done..=begun).contains(&found), "{found} were found");
    died
}

/// Who lost its place in front of one who died finds what there is, or nothing, and never what was not sent.
fn lapped(steps: u32) -> bool {
    let (begun, _, found, died) = read_along(steps, &tap::GEOMETRY, tap::pass);
    assert!(found <= begun, "{found} were found, and {begun} begun");
    died
}

/// How many frames were begun, done, and seen or counted by who reads along, which looks beside the sender and behind its death; and whether it died.
fn read_along(
    steps: u32,
    geometry: &Geometry,
    send: fn(&mut Other, &mut Half, u8),
) -> (u32, u32, u32, bool) {
    const COUNT: u8 = 3;
    let (mut producer, mut consumer, mut tap) = lane_with_tap(geometry, false);
    tap::look(&mut tap, 1);
    let (news, ledger) = (Bell::new(), Ledger::default());
    let doomed = doom(steps, &news, {
        let ledger = ledger.clone();
        move || {
            for frame in 0..COUNT {
                ledger.begin(1);
                send(&mut producer, &mut consumer, frame);
                ledger.done(1);
            }
        }
    });
    tap::look(&mut tap, 1);
    news.wait_for_death();
    let died = doomed.join().unwrap();
    tap::look(&mut tap, usize::from(COUNT) + 2);
    let [begun, done] = ledger.read();
    (begun, done, tap.frames() as u32, died)
}
