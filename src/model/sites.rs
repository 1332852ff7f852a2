//! Each ordering that the protocol rests on is weakened in turn, and a model must fail.

use super::{apart, fence, follow, lane, lanes, sleep, tap};
// ORD: sites: named here to be weakened, not accessed; partner: none.
use crate::sync::Site::{
    self, Announce, AnnounceBarrier, Claim, Close, CloseBarrier, Come, Coming, Commit, Glimpse,
    ParkBarrier, Reclaim, Refence, Release, SeeAnnounced, SeeClose, SeeCome, SeeFenceMode, SeeTail,
    SpaceBarrier, Take, UnfenceBarrier, WakeBarrier,
};
use crate::sync::weaken;

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

/// Runs `model` as loom does with `site` weakened.
pub(super) fn run(site: Option<Site>, model: fn()) -> Result<(), String> {
    apart(move || {
        weaken::set(site);
        explore(0, model);
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
