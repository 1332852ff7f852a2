//! Models of the shipped `ring` and `wake`. A bell is a condition variable, so that a lost wake is a deadlock, which is reported; no system call is made.
//!
//! - With `--cfg loom` (`cargo verify --only loom`, or `RUSTFLAGS="--cfg loom" cargo test -p ringway --lib --release model`) small programs run in every interleaving of a few
//!   preemptions, with the memory model of the language: two threads or three, a ring of a few words that wraps. Each ordering that the protocol rests on is weakened in turn, and a model
//!   must fail (`sites`). Where one side dies, it dies at each of its steps (`crash`).
//! - With `--cfg ringway_shuttle` (`cargo verify --only shuttle`) larger programs run in random schedules (`random`), every access being sequentially consistent.

mod bell;
#[cfg(loom)]
mod crash;
#[cfg(loom)]
mod early;
#[cfg(loom)]
mod fence;
#[cfg(loom)]
mod follow;
#[cfg(loom)]
mod lane;
#[cfg(loom)]
mod lanes;
#[cfg(loom)]
mod nudge;
#[cfg(ringway_shuttle)]
mod random;
#[cfg(loom)]
mod sites;
#[cfg(loom)]
mod sleep;
#[cfg(loom)]
mod tap;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::layout::geometry::Geometry;
use crate::planted::{Check, leave_out};
use crate::ring::{Consumer, Producer, Readers, Tap, Told, say_start};
use crate::segment::heap::{HeapRing, HeapWord, TappedRing};
#[cfg(loom)]
use sites::{Model, explore, hold, run};

/// A producer and a consumer on one heap ring.
fn lane(
    geometry: &Geometry,
    fenced: bool,
) -> (
    Producer<HeapRing, HeapWord, HeapWord>,
    Consumer<HeapRing, HeapWord>,
) {
    let ring = HeapRing::new(geometry.capacity);
    let released = HeapWord::new(0);
    say_start(&released, geometry);
    let consumer = Consumer::new(ring.clone(), released.clone(), geometry);
    (
        Producer::new(ring, released, HeapWord::new(0), geometry, fenced, || 0),
        consumer,
    )
}

/// Both halves of a lane, and one who reads along.
type Tapped = (
    Producer<HeapRing, HeapWord, HeapWord>,
    Consumer<HeapRing, HeapWord>,
    Tap<TappedRing, HeapWord>,
);

/// `fenced`: as of [`lane`].
fn lane_with_tap(geometry: &Geometry, fenced: bool) -> Tapped {
    let ring = HeapRing::new(geometry.capacity);
    let word = || HeapWord::new(0);
    let (released, tail, claim, coming, come) = (word(), word(), word(), word(), word());
    say_start(&released, geometry);
    let consumer = Consumer::new(ring.clone(), released.clone(), geometry);
    let mut producer = Producer::new(ring.clone(), released, tail.clone(), geometry, fenced, || 0);
    producer.tell_readers(Readers {
        claim: claim.clone(),
        coming: coming.clone(),
        come: come.clone(),
    });
    let told = Told {
        claim,
        coming,
        come,
        tail,
    };
    (producer, consumer, Tap::new(TappedRing(ring), told))
}

/// Runs `model` with a check left out.
fn run_planted(check: Option<Check>, model: impl FnOnce() + Send + 'static) -> Result<(), String> {
    apart(move || {
        leave_out(check);
        model();
    })
}

/// Runs it on a thread of its own: loom leaves its state in the thread that panicked, and what is planted belongs to it too.
fn apart(run: impl FnOnce() + Send + 'static) -> Result<(), String> {
    match std::thread::spawn(move || catch_unwind(AssertUnwindSafe(run))).join() {
        Ok(Ok(())) => Ok(()),
        Ok(Err(cause)) | Err(cause) => Err(message(&*cause)),
    }
}

fn message(cause: &(dyn std::any::Any + Send)) -> String {
    let text = cause.downcast_ref::<String>().cloned();
    text.or_else(|| cause.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_else(|| "a panic without words".to_owned())
}
