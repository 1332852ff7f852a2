//! A ring ahead of an answer, by another thread than the one that commits: a sleeper that was rung early is not missed by the commit that finds it asleep.

use std::sync::Arc;
use std::time::Instant;

use loom::sync::Mutex;
use loom::thread;

use super::bell::Bell;
use super::lane::bytes;
use super::sleep::{GEOMETRY, sleeper};
use super::{Model, lane, run};
use crate::segment::ForeignWord;
use crate::segment::heap::HeapWord;
use crate::wake::early::Early;
use crate::wake::park::{Park, Signal, Watch};

pub(super) const MODELS: &[Model] = &[("rung ahead of a commit", || rung_ahead(Rule::Shipped))];

const BROKEN: &[Model] = &[
    ("a ring counts for any epoch", || rung_ahead(Rule::AnyEpoch)),
    ("a ring counts that was lost", || rung_ahead(Rule::Lost)),
];

/// What is left out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    Shipped,
    AnyEpoch,
    Lost,
}

/// One thread rings at any time; another one commits two frames, and rings if that was not done.
fn rung_ahead(rule: Rule) {
    const COUNT: u8 = 2;
    let (mut producer, consumer) = lane(&GEOMETRY, true);
    let word = HeapWord::new(0);
    let (park, mut watch) = (Park::new(word.clone()), Watch::new(word.clone()));
    let bell = Bell::new();
    // And whether it was ever rung.
    let early = Arc::new(Mutex::new((Early::paying(), false)));
    let now = Instant::now();
    let sleeper = sleeper(COUNT, consumer, park, &bell);
    let herald = thread::spawn({
        let (bell, early) = (bell.clone(), Arc::clone(&early));
        move || {
            let mut state = early.lock().unwrap();
            let epoch = word.load();
            if state.0.woken(epoch, now) && epoch % 2 == 1 {
                // A ring that was lost is what a ring is that is never made.
                if rule != Rule::Lost {
                    bell.ring();
                }
                state.0.rang(epoch);
                state.1 = true;
            }
        }
    });
    for frame in 0..COUNT {
        producer
            .try_send(&bytes(frame, 8), u16::from(frame))
            .unwrap();
        if watch.look() == Signal::Ring {
            let mut state = early.lock().unwrap();
            let was_rung = state.0.answers(watch.asked(), now);
            if !(was_rung || rule == Rule::AnyEpoch && state.1) {
                bell.ring();
            }
        }
    }
    herald.join().unwrap();
    sleeper.join().unwrap();
}

#[test]
fn no_wake_is_lost_and_each_rule_is_needed() {
    super::hold(MODELS);
    for (name, model) in BROKEN {
        assert!(
            run(None, *model).is_err(),
            "no wake is lost although {name}"
        );
    }
}
