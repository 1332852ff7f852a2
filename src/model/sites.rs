//! Each ordering that the protocol rests on is weakened in turn, and a model must fail.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::{apart, fence, follow, lane, lanes, sleep, tap};
// ORD: sites: named here to be weakened, not accessed; partner: none.
use crate::sync::Site::{
    self, Announce, AnnounceBarrier, Claim, Close, CloseBarrier, Come, Coming, Commit, Glimpse,
    ParkBarrier, Reclaim, Refence, Release, SeeAnnounced, SeeClose, SeeCome, SeeFenceMode, SeeTail,
    SpaceBarrier, Take, UnfenceBarrier, WakeBarrier,
};
use crate::sync::engine::thread;
use crate::sync::weaken::{self, Place, Weakened};
use crate::sync::{AtomicU64, Ordering, fence as barrier, order};

/// A model's name, for the message, and its body, which loom runs in every interleaving of a few preemptions.
pub(super) type Model = (&'static str, fn());

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

/// Runs `model` as loom does with something weakened.
pub(super) fn run(weakened: Option<Weakened>, model: fn()) -> Result<(), String> {
    run_less(0, weakened, model)
}

/// The same with so many preemptions fewer than usual.
fn run_less(fewer: usize, weakened: Option<Weakened>, model: fn()) -> Result<(), String> {
    apart(move || {
        weaken::set(weakened);
        explore(fewer, model);
    })
}

/// Runs `model` in every interleaving of a few preemptions, so many fewer than usual.
pub(super) fn explore(fewer: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    let bound = builder.preemption_bound.unwrap_or(2);
    builder.preemption_bound = Some(bound.saturating_sub(fewer).max(1));
    builder.max_branches = 5_000;
    builder.check(model);
}

/// Runs a module's models as they are: none may fail.
pub(super) fn hold(models: &[Model]) {
    for (name, model) in models {
        if let Err(cause) = run(None, *model) {
            panic!("model `{name}`: {cause}");
        }
    }
}

/// The places where orderings are asked for that models come by.
fn places(models: &[&[Model]]) -> BTreeSet<Place> {
    let models = models.iter().copied().flatten();
    let met = models.map(|&(_, model)| {
        let met = Arc::new(Mutex::new(BTreeSet::new()));
        let told = met.clone();
        let outcome = apart(move || *told.lock().unwrap() = weaken::met(|| explore(2, model)));
        assert_eq!(outcome, Ok(()));
        let met = met.lock().unwrap();
        met.clone()
    });
    met.flatten().collect()
}

/// Whether a model fails when the ordering of that place is weakened. With few preemptions first: that is mostly enough, and is soon done.
fn is_noticed(models: &[&[Model]], place: Place) -> bool {
    let weakened = Some(Weakened::Place(place));
    [2, 1, 0].into_iter().any(|fewer| {
        let mut models = models.iter().copied().flatten();
        models.any(|(_, model)| run_less(fewer, weakened, *model).is_err())
    })
}

/// A word is handed from thread to thread, by a store whose ordering that takes, and a fence stands behind it that nothing takes.
fn with_a_needless_fence() {
    let words = Arc::new([0; 2].map(AtomicU64::new));
    let other = thread::spawn({
        let words = words.clone();
        move || {
            // ORD: sites: Relaxed, of what is handed over; partner: `with_a_needless_fence`.
            words[0].store(1, Ordering::Relaxed);
            // ORD: sites: Release, it hands that over; partner: `with_a_needless_fence`.
            words[1].store(1, order(Commit, Ordering::Release));
            // ORD: sites: SeqCst, for nothing; partner: none.
            barrier(WakeBarrier, Ordering::SeqCst);
        }
    });
    // ORD: sites: Acquire, then Relaxed of what was handed over; partner: `with_a_needless_fence`.
    if words[1].load(Ordering::Acquire) == 1 {
        // ORD: sites: Relaxed, as above; partner: `with_a_needless_fence`.
        assert_eq!(words[0].load(Ordering::Relaxed), 1, "it is handed over");
    }
    other.join().unwrap();
}

#[test]
fn an_ordering_that_nothing_needs_is_told_from_one_that_is_needed() {
    let models: &[&[Model]] = &[&[("a needless fence", with_a_needless_fence)]];
    hold(models[0]);
    let noticed = places(models);
    let noticed: Vec<_> = (noticed.into_iter())
        .map(|place| (place.site, is_noticed(models, place)))
        .collect();
    assert_eq!(noticed, [(Commit, true), (WakeBarrier, false)]);
}

#[test]
fn each_weakened_ordering_is_noticed() {
    let places = places(MODELS);
    for site in SITES {
        assert!(places.iter().any(|place| place.site == *site), "{site:?}");
    }
    let mut unnoticed = Vec::new();
    for place in &places {
        if !is_noticed(MODELS, *place) {
            unnoticed.push(place);
        }
    }
    assert!(
        unnoticed.is_empty(),
        "no model notices when these are weakened: {unnoticed:?}"
    );
}

/// Every place in the sources that asks for an ordering of a site is one that the models come by, or says why none needs it.
#[test]
fn each_place_that_asks_for_an_ordering_is_met() {
    let places = places(MODELS);
    let mut missed = Vec::new();
    let mut count = 0;
    for file in sources(Path::new("src")) {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&file));
        let text = text.expect("it was just listed");
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            if !line.contains("fence(Site::") && !line.contains("order(Site::") {
                continue;
            }
            count += 1;
            let met =
                |place: &Place| Path::new(place.file) == file && place.line as usize == at + 1;
            let above = lines[..at].iter().rev();
            let comment = above
                .skip_while(|line| !line.trim().starts_with("//"))
                .take_while(|line| line.trim().starts_with("//"));
            let excused = comment.clone().any(|line| line.contains("redundant:"));
            if !places.iter().any(met) && !excused {
                missed.push(format!("{}:{}", file.display(), at + 1));
            }
        }
    }
    assert!(count >= SITES.len(), "the check has lost its subject");
    assert!(missed.is_empty(), "no model comes by these: {missed:?}");
}

/// The shipped sources, from the root.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = std::fs::read_dir(root.join(folder)).expect("a folder of the sources");
    let paths = entries.map(|entry| folder.join(entry.expect("it can be read").file_name()));
    paths
        .flat_map(|path| {
            if path.ends_with("model") || path.ends_with("sync") {
                Vec::new()
            } else if root.join(&path).is_dir() {
                sources(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}
