//! One sleeper over two lanes, with one epoch and one bell for both: whichever lane a frame comes by, and whatever the sleeper has looked at just before, the
//! wake is not lost. And a sender that waits for room in one of two lanes, while the other is released.

use loom::thread;

use super::bell::{Bell, epoch, wait};
use super::lane::bytes;
use super::sleep::{GEOMETRY, NARROW};
use super::{Model, lane, run};
use crate::ring::{Consumer, Refusal, Several};
use crate::segment::heap::{HeapRing, HeapWord};
// ORD: sites: named here to be weakened, not accessed; partner: none.
use crate::sync::Site::{Commit, ParkBarrier, SpaceBarrier, Take, WakeBarrier};
use crate::sync::weaken::Weakened;
use crate::wake::park::Watch;

pub(super) const MODELS: &[Model] = &[
    ("asleep over two lanes", for_either),
    ("asleep for room in the second of two lanes", for_room),
];

/// Takes the next frame of all lanes, as a receiver does. Returns its lane.
fn try_take(
    several: &mut Several<HeapRing, HeapWord>,
    lane: &mut Consumer<HeapRing, HeapWord>,
) -> Option<usize> {
    let (number, entry) = several.find(lane).expect("an honest producer")?;
    several.take_up(lane, number, &entry);
    let mut copied = [0; 8];
    assert_eq!(lane.copy(&entry, 0, &mut copied), 8);
    assert_eq!(copied[..], bytes(number as u8, 8), "of lane {number}");
    lane.advance(&entry);
    if lane.is_release_due() {
        lane.publish_release();
    }
    Some(number)
}

/// The second lane's frame comes first, the first one's behind it: the sleeper finds both, in either order.
fn for_either() {
    let (mut first, mut consumer) = lane(&GEOMETRY, true);
    let (mut second, other) = lane(&GEOMETRY, true);
    let (mut park, mut watch) = epoch();
    let bell = Bell::new();
    let sleeper = thread::spawn({
        let bell = bell.clone();
        move || {
            let mut several = Several::new(&mut consumer, vec![other], 1);
            let mut found = [0; 2];
            for _ in 0..2 {
                let number = wait(&mut park, &bell, || try_take(&mut several, &mut consumer));
                found[number] += 1;
            }
            assert_eq!(found, [1, 1]);
        }
    });
    second.try_send(&bytes(1, 8), 0).unwrap();
    bell.ring_if(watch.look());
    first.try_send(&bytes(0, 8), 0).unwrap();
    bell.ring_if(watch.look());
    sleeper.join().unwrap();
}

/// The first lane's release wakes for nothing at times; the second one's must.
fn for_room() {
    let (mut first, mut consumer) = lane(&NARROW, false);
    let (mut second, other) = lane(&NARROW, false);
    let (mut park, mut watch) = epoch();
    let bell = Bell::new();
    first.try_send(&bytes(0, 8), 0).unwrap();
    second.try_send(&bytes(1, 8), 0).unwrap();
    let sleeper = thread::spawn({
        let bell = bell.clone();
        move || {
            wait(&mut park, &bell, || {
                match second.try_send(&bytes(1, 8), 0) {
                    Ok(_) => Some(()),
                    Err(Refusal::Full) => None,
                    Err(other) => panic!("an honest consumer, and yet {other:?}"),
                }
            });
        }
    });
    let mut several = Several::new(&mut consumer, vec![other], 1);
    for _ in 0..3 {
        while try_take(&mut several, &mut consumer).is_none() {
            thread::yield_now();
        }
        // Steps are a word here, so that what was taken has been released.
        Watch::<HeapWord>::barrier();
        bell.ring_if(watch.look());
    }
    sleeper.join().unwrap();
}

#[test]
fn no_wake_over_two_lanes_is_lost() {
    super::hold(MODELS);
}

/// Each barrier of the sleep is needed for these models by themselves.
#[test]
fn each_barrier_is_noticed_over_two_lanes() {
    let needed = [
        (WakeBarrier, for_either as fn()),
        (ParkBarrier, for_either),
        (Commit, for_either),
        (Take, for_either),
        (ParkBarrier, for_room),
        (SpaceBarrier, for_room),
    ];
    for (site, model) in needed {
        assert!(
            run(Some(Weakened::Site(site)), model).is_err(),
            "{site:?} is not missed"
        );
    }
}
