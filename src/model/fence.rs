//! Commits that carry no barrier, towards a sleeper that has one made in the sender's thread; and the changes between the two manners.
//!
//! Loom has no `membarrier`. What the kernel promises of it is modelled, and no more: at some moment between the call and its return, between two instructions of the sender's
//! thread, all that this thread did is seen by the caller, and all that the caller did before is seen by that thread. So the sender's thread has *instants*, at each
//! place in its program where a barrier would make a difference: at one of them it finds that it was asked for, and answers, under a mutex, whose
//! order is that barrier. A sleeper that asks waits for the answer; one that does not ask never touches the mutex, and nothing orders the two. A thread that does not run any more has
//! passed a barrier. The three changes of `BROKEN` show that the model would notice if one of the rules were not followed.

use std::sync::Arc;

use loom::sync::{Condvar, Mutex};
use loom::thread;

use super::bell::{Bell, epoch};
use super::lane::{bytes, try_take};
use super::sleep::GEOMETRY;
use super::{Model, lane, run};
use crate::ring::Producer;
use crate::segment::heap::{HeapRing, HeapWord};
use crate::wake::fences::Fences;
use crate::wake::park::{Park, Watch};

pub(super) const MODELS: &[Model] = &[
    ("asleep for data, commits without a barrier", || {
        unfenced(ALL);
    }),
    ("the barrier is left out", || left_out(ALL)),
    ("the barrier is taken back", || taken_back(ALL)),
    ("the barrier is left out and taken back", || to_and_fro(ALL)),
];

/// The same, each without a rule that it needs.
const BROKEN: &[(&str, &[fn()])] = &[
    ("the sleeper makes no barrier", &[|| unfenced(NO_BARRIER)]),
    (
        "the sleeper asks how the sender fences before its epoch",
        &[|| {
            left_out(Rules {
                behind_epoch: false,
                ..ALL
            });
        }],
    ),
    (
        "the sleeper makes its barrier behind the second look",
        &[|| {
            unfenced(Rules {
                before_look: false,
                ..ALL
            });
        }],
    ),
];

/// Which rules the sleeper follows.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    /// It has a barrier made if the word says that there is none.
    barrier: bool,
    /// It looks at the word behind its epoch.
    behind_epoch: bool,
    /// The barrier comes before the second look.
    before_look: bool,
}

pub(super) const ALL: Rules = Rules {
    barrier: true,
    behind_epoch: true,
    before_look: true,
};

pub(super) const NO_BARRIER: Rules = Rules {
    barrier: false,
    ..ALL
};

#[derive(Default)]
struct State {
    asked: bool,
    gone: bool,
}

/// The sender's processor, as the kernel reaches it.
#[derive(Clone, Default)]
pub(super) struct Processor(Arc<(Mutex<State>, Condvar)>);

impl Processor {
    /// Between two instructions of the sender.
    pub(super) fn instant(&self) {
        let mut state = self.0.0.lock().unwrap();
        if std::mem::take(&mut state.asked) {
            self.0.1.notify_one();
        }
    }

    /// The sender does not run any more.
    pub(super) fn leave(&self) {
        let mut state = self.0.0.lock().unwrap();
        state.gone = true;
        state.asked = false;
        self.0.1.notify_one();
    }

    /// What `sys/membarrier.rs` does.
    fn everywhere(&self) {
        let mut state = self.0.0.lock().unwrap();
        state.asked = !state.gone;
        while state.asked {
            state = self.0.1.wait(state).unwrap();
        }
    }
}

/// The half that sends, as it is shipped, with an instant wherever one could matter.
struct Sender {
    producer: Producer<HeapRing, HeapWord, HeapWord>,
    watch: Watch<HeapWord>,
    bell: Bell,
    processor: Processor,
    sent: u8,
}

impl Sender {
    fn send(&mut self) {
        self.producer
            .try_send(&bytes(self.sent, 8), self.sent.into())
            .unwrap();
        self.sent += 1;
        self.processor.instant();
        self.bell.ring_if(self.watch.look());
        self.processor.instant();
    }

    fn unfence(&mut self) {
        self.producer.unfence();
        self.processor.instant();
    }

    fn fence_again(&mut self) {
        self.producer.fence_again();
        self.processor.instant();
    }
}

/// Runs a sender that does what `sends` says, beside a sleeper that waits for `count` frames, one after the other.
fn run_pair(rules: Rules, count: u8, unfenced: bool, sends: impl FnOnce(&mut Sender)) {
    let (mut producer, mut consumer) = lane(&GEOMETRY, true);
    let (mut park, watch) = epoch();
    let (bell, processor) = (Bell::new(), Processor::default());
    let word = HeapWord::new(crate::ring::FENCES);
    producer.may_unfence(word.clone());
    if unfenced {
        producer.unfence();
    }
    let mut sender = Sender {
        producer,
        watch,
        bell: bell.clone(),
        processor: processor.clone(),
        sent: 0,
    };
    let sleeper = thread::spawn(move || {
        let fences = Fences::new(word);
        for frame in 0..count {
            let kind = wait_or_end(&mut park, &bell, &fences, &processor, rules, || {
                try_take(&mut consumer, |_| 8)
            });
            assert_eq!(kind, Some(u16::from(frame)));
        }
    });
    sends(&mut sender);
    sender.processor.leave();
    sleeper.join().unwrap();
}

/// As the shipped waits do (`connection/rest/barrier.rs`): look, arm, ask how the sender fences and make up for it, look again, block once. `None`: the sender is dead, and there
/// is nothing behind that news either.
pub(super) fn wait_or_end<T>(
    park: &mut Park<HeapWord>,
    bell: &Bell,
    fences: &Fences<HeapWord>,
    processor: &Processor,
    rules: Rules,
    mut look: impl FnMut() -> Option<T>,
) -> Option<T> {
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        let early = !rules.behind_epoch && fences.are_missing();
        park.arm();
        let missing = if rules.behind_epoch {
            fences.are_missing()
        } else {
            early
        };
        if missing && rules.barrier && rules.before_look {
            processor.everywhere();
        }
        if let Some(found) = look() {
            park.awake();
            return Some(found);
        }
        if missing && rules.barrier && !rules.before_look {
            processor.everywhere();
        }
        let dead = bell.wait();
        park.awake();
        if dead {
            return look();
        }
    }
}

fn unfenced(rules: Rules) {
    run_pair(rules, 2, true, |sender| {
        sender.send();
        sender.send();
    });
}

fn left_out(rules: Rules) {
    run_pair(rules, 1, false, |sender| {
        sender.unfence();
        sender.send();
    });
}

fn taken_back(rules: Rules) {
    run_pair(rules, 1, true, |sender| {
        sender.send();
        sender.fence_again();
    });
}

fn to_and_fro(rules: Rules) {
    run_pair(rules, 2, false, |sender| {
        sender.unfence();
        sender.send();
        sender.fence_again();
        sender.send();
    });
}

#[test]
fn no_wake_is_lost_without_the_senders_barrier_and_each_rule_is_needed() {
    super::hold(MODELS);
    for (name, models) in BROKEN {
        let noticed = models.iter().any(|model| run(None, *model).is_err());
        assert!(noticed, "no wake is lost although {name}");
    }
}
