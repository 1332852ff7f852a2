//! What wakes a sleeper in the models: a bell, and the news of a death.

use std::sync::Arc;

#[cfg(ringway_shuttle)]
use crate::ring::Consumer;
use crate::ring::Refusal;
#[cfg(ringway_shuttle)]
use crate::segment::heap::HeapRing;
use crate::segment::heap::HeapWord;
use crate::sync::engine::sync::{Condvar, Mutex};
use crate::sync::mortal;
use crate::wake::park::{Park, Signal, Watch};

#[derive(Default)]
struct Told {
    rung: bool,
    dead: bool,
}

/// What an eventfd is to the protocol: rings add up until they are taken. And what a pidfd is: that the peer is dead is told behind all that it did, and for good.
#[derive(Clone)]
pub(super) struct Bell(Arc<(Mutex<Told>, Condvar)>);

impl Bell {
    pub(super) fn new() -> Self {
        Self(Arc::new((Mutex::new(Told::default()), Condvar::new())))
    }

    pub(super) fn ring(&self) {
        mortal::step();
        self.0.0.lock().unwrap().rung = true;
        self.0.1.notify_one();
    }

    pub(super) fn ring_if(&self, signal: Signal) {
        if signal == Signal::Ring {
            self.ring();
        }
    }

    /// Whoever would have rung is dead.
    pub(super) fn tell_death(&self) {
        self.0.0.lock().unwrap().dead = true;
        self.0.1.notify_one();
    }

    /// Blocks until rung, or until the peer is dead: whether it is.
    pub(super) fn wait(&self) -> bool {
        let mut told = self.0.0.lock().unwrap();
        while !told.rung && !told.dead {
            told = self.0.1.wait(told).unwrap();
        }
        told.rung = false;
        told.dead
    }

    /// Blocks until the peer is dead.
    pub(super) fn wait_for_death(&self) {
        while !self.wait() {}
    }
}

/// An epoch: its owner's half and its peer's.
pub(super) fn epoch() -> (Park<HeapWord>, Watch<HeapWord>) {
    let word = HeapWord::new(0);
    (Park::new(word.clone()), Watch::new(word))
}

/// Waits until `look` finds something, as the shipped waits do: look, arm, look again, block once. `None`: the peer is dead, and there is nothing behind that news either.
pub(super) fn wait_or_end<T>(
    park: &mut Park<HeapWord>,
    bell: &Bell,
    mut look: impl FnMut() -> Option<T>,
) -> Option<T> {
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        park.arm();
        if let Some(found) = look() {
            park.awake();
            return Some(found);
        }
        let dead = bell.wait();
        park.awake();
        if dead {
            return look();
        }
    }
}

/// The same, beside a peer that lives.
pub(super) fn wait<T>(
    park: &mut Park<HeapWord>,
    bell: &Bell,
    look: impl FnMut() -> Option<T>,
) -> T {
    wait_or_end(park, bell, look).expect("nobody has died")
}

/// Tells the sender what is finished with, and wakes it if it waits for that.
#[cfg(ringway_shuttle)]
pub(super) fn tell_release(
    consumer: &mut Consumer<HeapRing, HeapWord>,
    sender: &mut Watch<HeapWord>,
    space: &Bell,
) {
    if consumer.publish_release() {
        Watch::<HeapWord>::barrier();
        space.ring_if(sender.look());
    }
}

/// Tries until there is room. `None`: there will be none, for the peer is dead.
pub(super) fn until_room<T>(
    park: &mut Park<HeapWord>,
    space: &Bell,
    mut attempt: impl FnMut() -> Result<T, Refusal>,
) -> Option<T> {
    wait_or_end(park, space, || match attempt() {
        Ok(done) => Some(done),
        Err(Refusal::Full) => None,
        Err(other) => panic!("an honest consumer, and yet {other:?}"),
    })
}
