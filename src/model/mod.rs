//! Loom models of the shipped `ring` and `wake`, and the proof that they see something: each ordering that the protocol rests on is weakened
//! in turn, and a model must fail.
//!
//! Run with `cargo verify --only loom`, or `RUSTFLAGS="--cfg loom" cargo test -p ringway --lib --release model`. A model has two threads or three, a ring of
//! a few words that wraps, and no system call: a bell is a condition variable, so that a lost wake is a deadlock, which loom reports.

mod bell;
mod crash;
mod fence;
mod follow;
mod lane;
mod lanes;
mod nudge;
mod sleep;
mod tap;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::layout::geometry::Geometry;
use crate::planted::{Check, leave_out};
use crate::ring::{Consumer, Producer, say_start};
use crate::segment::heap::{HeapRing, HeapWord};
// ORD: sites: named here to be weakened, not accessed; partner: none.
use crate::sync::Site::{
    self, Announce, AnnounceBarrier, Claim, Close, CloseBarrier, Come, Coming, Commit, Glimpse,
    ParkBarrier, Reclaim, Refence, Release, SeeAnnounced, SeeClose, SeeCome, SeeFenceMode, SeeTail,
    SpaceBarrier, Take, UnfenceBarrier, WakeBarrier,
};
use crate::sync::weaken;

/// A model's name, for the message, and its body, which loom runs in every interleaving of a few preemptions.
type Model = (&'static str, fn());

/// All models, the quick ones first: a weakened site is tried on each until one fails.
const MODELS: &[&[Model]] = &[
    lane::MODELS,
    sleep::MODELS,
    follow::MODELS,
    fence::MODELS,
    tap::MODELS,
    lanes::MODELS,
];

/// Every site.
const SITES: &[Site] = &[
    Commit,
    Take,
    Announce,
    SeeAnnounced,
    AnnounceBarrier,
    Release,
    Reclaim,
    WakeBarrier,
    ParkBarrier,
    SpaceBarrier,
    UnfenceBarrier,
    Refence,
    SeeFenceMode,
    Close,
    CloseBarrier,
    SeeClose,
    Claim,
    Glimpse,
    Coming,
    Come,
    SeeCome,
    SeeTail,
];
/// Does not compile while a site is missing here, and then it belongs into `SITES` too.
const _: fn(Site) = |site| match site {
    Commit | Take | Announce | SeeAnnounced | AnnounceBarrier | Release | Reclaim | WakeBarrier
    | ParkBarrier | SpaceBarrier | UnfenceBarrier | Refence | SeeFenceMode | Close
    | CloseBarrier | SeeClose | Claim | Glimpse | Coming | Come | SeeCome | SeeTail => (),
};

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

/// Runs `model` as loom does with `site` weakened.
fn run(site: Option<Site>, model: fn()) -> Result<(), String> {
    apart(move || {
        weaken::set(site);
        explore(0, model);
    })
}

/// Runs `model` with a check left out.
fn run_planted(check: Option<Check>, model: impl FnOnce() + Send + 'static) -> Result<(), String> {
    apart(move || {
        leave_out(check);
        model();
    })
}

/// Runs `model` in every interleaving of a few preemptions, so many fewer than usual.
fn explore(fewer: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    let bound = builder.preemption_bound.unwrap_or(2);
    builder.preemption_bound = Some(bound.saturating_sub(fewer).max(1));
    builder.max_branches = 5_000;
    builder.check(model);
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

/// Runs a module's models as they are: none may fail.
fn hold(models: &[Model]) {
    for (name, model) in models {
        if let Err(cause) = run(None, *model) {
            panic!("model `{name}`: {cause}");
        }
    }
}

#[test]
fn each_weakened_ordering_is_noticed() {
    let mut unnoticed = Vec::new();
    for site in SITES {
        let mut models = MODELS.iter().copied().flatten();
        if !models.any(|(_, model)| run(Some(*site), *model).is_err()) {
            unnoticed.push(site);
        }
    }
    assert!(
        unnoticed.is_empty(),
        "no model notices when these are weakened: {unnoticed:?}"
    );
}
