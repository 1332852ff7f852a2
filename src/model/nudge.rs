//! Wakes through the one socket that both halves of a side watch, where bells cannot be rung. `sys/poll.rs` has
//! the rules, and why they suffice.
//!
//! The kernel is modelled as narrowly as it behaves: an edge is told only if the socket is still readable when it is collected,
//! and a socket without room makes no edge. The halves follow the rules of `connection/rest.rs`, written down here once more; epochs
//! and lanes are the shipped ones.

use std::sync::Arc;

use loom::sync::{Condvar, Mutex};
use loom::thread;

use super::{Model, lane, run};
use crate::layout::geometry::Geometry;
use crate::segment::heap::HeapWord;
use crate::wake::park::{Park, Signal, Watch};

const MODELS: &[Model] = &[
    ("nudges for both halves", || both(1, 2, ALL)),
    ("nudges that one look does not exhaust", || both(2, 1, ALL)),
    ("a half that takes its nudge while armed", || armed(ALL)),
];

/// The same, each without a rule that it needs.
const BROKEN: &[Model] = &[
    ("a nudge is kept from the sibling", || {
        both(
            1,
            2,
            Rules {
                sibling: false,
                ..ALL
            },
        );
    }),
    ("an armed half does not wake itself", || {
        armed(Rules {
            armed: false,
            ..ALL
        });
    }),
];

const GEOMETRY: Geometry = Geometry {
    capacity: 32,
    step: 8,
    alignment: 8,
    start: 0,
};

/// Which rules are followed.
#[derive(Clone, Copy)]
struct Rules {
    /// Who takes nudges wakes its sibling.
    sibling: bool,
    /// Who takes nudges while it is armed wakes itself.
    armed: bool,
}

const ALL: Rules = Rules {
    sibling: true,
    armed: true,
};

/// A socket and the epoll instances of two halves.
#[derive(Default)]
struct State {
    bytes: usize,
    edge: [bool; 2],
    wake: [bool; 2],
}

#[derive(Clone)]
struct Kernel {
    state: Arc<(Mutex<State>, [Condvar; 2])>,
    /// Bytes that the socket holds, and that one look takes.
    room: usize,
    per_look: usize,
}

impl Kernel {
    fn new(room: usize, per_look: usize) -> Self {
        let sleepers = [Condvar::new(), Condvar::new()];
        Self {
            state: Arc::new((Mutex::new(State::default()), sleepers)),
            room,
            per_look,
        }
    }

    fn nudge_if(&self, signal: Signal) {
        let mut state = self.state.0.lock().unwrap();
        if signal == Signal::Ring && state.bytes < self.room {
            state.bytes += 1;
            state.edge = [true; 2];
            drop(state);
            self.state.1.iter().for_each(Condvar::notify_one);
        }
    }

    fn wake(&self, half: usize) {
        self.state.0.lock().unwrap().wake[half] = true;
        self.state.1[half].notify_one();
    }

    /// Blocks until there is an event. Returns whether it was the socket's.
    fn wait(&self, half: usize) -> bool {
        let mut state = self.state.0.lock().unwrap();
        loop {
            let edge = std::mem::take(&mut state.edge[half]) && state.bytes > 0;
            let wake = std::mem::take(&mut state.wake[half]);
            if edge || wake {
                return edge;
            }
            state = self.state.1[half].wait(state).unwrap();
        }
    }

    /// Takes nudges and passes them on. Returns whether there may be more.
    fn take(&self, half: usize, armed: bool, rules: Rules) -> bool {
        let mut state = self.state.0.lock().unwrap();
        let taken = state.bytes.min(self.per_look);
        state.bytes -= taken;
        drop(state);
        let more = taken == self.per_look;
        if taken > 0 && rules.sibling {
            self.wake(1 - half);
        }
        if taken > 0 && (more || armed && rules.armed) {
            self.wake(half);
        }
        more
    }
}

/// One half's wait, as shipped: look, take nudges if there may be some, arm, look again, block once.
struct Half {
    number: usize,
    kernel: Kernel,
    park: Park<HeapWord>,
    rules: Rules,
    /// The application asks for life between the arming and the block.
    asks_armed: bool,
}

impl Half {
    fn wait(&mut self, mut look: impl FnMut() -> bool) {
        let mut told = false;
        while !look() {
            if told {
                told = self.kernel.take(self.number, false, self.rules);
            }
            self.park.arm();
            if look() {
                break;
            }
            if self.asks_armed {
                told |= self.kernel.take(self.number, true, self.rules);
            }
            told |= self.kernel.wait(self.number);
            self.park.awake();
        }
    }
}

/// A thread that waits for one frame, and the peer's way to send it.
fn sleeper(
    half: usize,
    kernel: &Kernel,
    rules: Rules,
    asks_armed: bool,
) -> (thread::JoinHandle<()>, impl FnMut()) {
    let (mut producer, mut consumer) = lane(&GEOMETRY, true);
    let word = HeapWord::new(0);
    let mut watch = Watch::new(word.clone());
    let mut half = Half {
        number: half,
        kernel: kernel.clone(),
        park: Park::new(word),
        rules,
        asks_armed,
    };
    let thread =
        thread::spawn(move || half.wait(|| consumer.peek().expect("an honest producer").is_some()));
    let kernel = kernel.clone();
    let send = move || {
        producer.try_send(&[], 0).unwrap();
        kernel.nudge_if(watch.look());
    };
    (thread, send)
}

fn both(room: usize, per_look: usize, rules: Rules) {
    let kernel = Kernel::new(room, per_look);
    let (first, mut send_first) = sleeper(0, &kernel, rules, false);
    let (second, mut send_second) = sleeper(1, &kernel, rules, false);
    send_first();
    send_second();
    first.join().unwrap();
    second.join().unwrap();
}

fn armed(rules: Rules) {
    let kernel = Kernel::new(1, 2);
    let (only, mut send) = sleeper(0, &kernel, rules, true);
    send();
    only.join().unwrap();
}

#[test]
fn no_nudge_is_lost_and_each_rule_is_needed() {
    super::hold(MODELS);
    for (name, model) in BROKEN {
        let outcome = run(None, *model);
        assert!(outcome.is_err(), "no wake is lost although {name}");
    }
}
