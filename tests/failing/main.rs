//! Each system call that the library makes fails, at each place from which it is made, with each answer that it can give: the operation says
//! so in clear words or goes on, the next attempt succeeds, the peer ends in order with all that was committed, and nothing leaks.
//!
//! A process is traced (`ptrace`), and the call is skipped and answered for. First the scene is run with nothing failing and all its calls are written
//! down, so that the list is complete: a call that `calls.rs` does not know fails the test.
#![cfg(all(target_arch = "x86_64", target_env = "gnu"))]

mod calls;
mod documented;
mod fault;
#[path = "../forbid/mod.rs"]
mod forbid;
mod inject;
mod pairs;
#[path = "../crash/process.rs"]
mod process;
mod scene;
mod series;
mod sources;
mod symbols;
#[path = "../trace/mod.rs"]
mod trace;

use std::collections::{BTreeMap, BTreeSet};

use inject::{Manner, Plan};
use pairs::Share;
use process::alone;
use scene::Scene;
use series::{LIMIT, MANY_WORKERS, Series, WORKERS};
use symbols::Symbols;

/// Every call of some scenes fails in every way. What one of them does as one before did it is tried with one answer. `RINGWAY_OCCURRENCES`: each time that a call is made from a
/// place fails with each answer that there is, in each scene, in as many shares as that says. If pairs are asked for, these are carried out in the place of that.
fn every_call_fails(scenes: &[Scene]) {
    let share = Share::asked("RINGWAY_PAIRS");
    let each = Share::asked("RINGWAY_OCCURRENCES");
    let mut known = BTreeSet::new();
    let (mut planned, mut met) = (BTreeMap::new(), BTreeSet::new());
    for &scene in scenes {
        let Some(mut series) = Series::new(scene) else {
            return;
        };
        if let Some(share) = share {
            let firsts = share.of(series.plans(&mut BTreeSet::new(), false));
            let carry = |series: &mut Series, first: &Plan| share.pairs(series, *first);
            series.carry_out(&firsts, MANY_WORKERS, carry);
            series.end(5);
            continue;
        }
        let mut plans = series.plans(&mut known, each.is_some());
        let mut workers = WORKERS;
        if let Some(share) = each {
            (plans, workers) = (share.of(plans), MANY_WORKERS);
        }
        series.carry_out(&plans, workers, |series, plan| {
            Vec::from_iter(series.fault(&[*plan]))
        });
        for plan in &plans {
            *planned.entry(plan.number).or_insert(0) += 1;
        }
        met.append(&mut series.met(plans.iter().map(|plan| plan.number)));
        series.end(30);
    }
    // A call that is made in few runs alone has few failures.
    let never = planned
        .iter()
        .filter(|(number, count)| **count > 8 && !met.contains(*number));
    let never: Vec<_> = never.map(|(number, _)| calls::name(*number)).collect();
    assert!(never.is_empty(), "{never:?} did not fail in any run");
}

/// A library that does not look at an answer is played by answers that are not true: the call was not made, and is said to have succeeded.
#[test]
fn a_failure_that_is_not_looked_at_is_found() {
    alone("a_failure_that_is_not_looked_at_is_found", LIMIT, || {
        let Some(mut series) = Series::new(Scene::Client) else {
            return;
        };
        let cases = [
            (libc::SYS_fallocate, 0),
            (libc::SYS_fcntl, 0),
            (libc::SYS_close, 0),
            // Where a loop, or the second round of something, does not look.
            (libc::SYS_close, 1),
        ];
        for (number, least) in cases {
            let mut plans = series.plans(&mut BTreeSet::new(), true);
            plans.retain(|plan| {
                plan.number == number && plan.manner == Manner::Once && plan.occurrence >= least
            });
            plans.dedup_by_key(|plan| (plan.site, plan.occurrence));
            let tried = plans.len();
            let found = plans.into_iter().position(|plan| {
                let plan = Plan {
                    manner: Manner::Pretended,
                    ..plan
                };
                series.fault(&[plan]).is_some()
            });
            let name = calls::name(number);
            let found =
                found.unwrap_or_else(|| panic!("nobody has noticed that {name} did nothing"));
            println!(
                "{name} that does nothing, from time {least} on: noticed at place {found} of {tried}"
            );
        }
    });
}

/// What the sources call is what fails: in some scene each of their calls is made from the file that has it.
#[test]
fn each_call_in_the_sources_is_made_in_some_scene() {
    alone(
        "each_call_in_the_sources_is_made_in_some_scene",
        LIMIT,
        || {
            if !cfg!(debug_assertions) {
                println!("not run: the optimiser leaves no function for each call");
                return;
            }
            let mut made = BTreeSet::new();
            let symbols = Symbols::new();
            let mut missing = Vec::new();
            // Whether somebody has to wait, or to be rung, is a matter of the moment: what no run of a scene has made, another one may.
            for _ in 0..4 {
                for &scene in SERVERS.iter().chain(CLIENTS) {
                    let Some(series) = Series::new(scene) else {
                        return;
                    };
                    for (number, caller) in series.callers() {
                        // One call with two numbers: newer C libraries make the second.
                        let number = if number == libc::SYS_newfstatat {
                            libc::SYS_fstat
                        } else {
                            number
                        };
                        made.insert((number, symbols.around(caller).to_owned()));
                    }
                }
                let sources = sources::all();
                missing = sources.iter().flat_map(|one| one.missing(&made)).collect();
                if missing.is_empty() {
                    break;
                }
            }
            assert!(missing.is_empty(), "{missing:#?}");
        },
    );
}

/// The watches that a client needs in a poller are had before it is told that it is let in: where there is no further one, its halves give up their own for them.
#[test]
fn who_is_let_in_by_a_poller_stays_there_where_no_further_watch_is_granted() {
    let name = "who_is_let_in_by_a_poller_stays_there_where_no_further_watch_is_granted";
    alone(name, LIMIT, || {
        if !cfg!(debug_assertions) {
            println!("not run: the optimiser leaves no function for each call");
            return;
        }
        let Some(mut series) = Series::new(Scene::Poller) else {
            return;
        };
        let symbols = Symbols::new();
        let seats: BTreeSet<u64> = series
            .callers()
            .filter(|(_, caller)| {
                let name = symbols.around(*caller);
                name.contains("watch_bell") || name.contains("watch_life")
            })
            .map(|(_, caller)| caller)
            .collect();
        let mut plans = series.plans(&mut BTreeSet::new(), true);
        plans.retain(|plan| {
            let lacks = matches!(plan.errno, libc::ENOSPC | libc::ENOMEM);
            let place = series.place(plan.number, plan.site);
            lacks && !plan.rare && place.is_some_and(|place| place.is_behind(&seats))
        });
        assert!(plans.len() >= 4, "two halves and two answers: {plans:?}");
        for plan in plans {
            let [at_first, at_last, peer] = series.said(&[plan]);
            let goes_on = at_first.is_empty() && at_last.is_empty();
            assert!(goes_on && peer.starts_with("complete;"), "{plan:?}: {peer}");
        }
    });
}

const SERVERS: &[Scene] = &[
    Scene::RichServer,
    Scene::Server,
    Scene::Poller,
    Scene::Shown,
    Scene::ResumedServer,
    Scene::Heir,
    Scene::PlacedServer,
    Scene::BytesServer,
    Scene::TaskServer,
];

/// The plain one first: that a rich one's memory is locked would mend what others have missed.
const CLIENTS: &[Scene] = &[
    Scene::Client,
    Scene::RichClient,
    Scene::ConfinedClient,
    Scene::LeanClient,
    Scene::Watcher,
    Scene::ResumedClient,
    Scene::PlacedClient,
    Scene::BytesClient,
    Scene::TaskClient,
];

#[test]
fn each_call_of_a_server_fails() {
    alone("each_call_of_a_server_fails", LIMIT, || {
        every_call_fails(SERVERS);
    });
}

#[test]
fn each_call_of_a_client_fails() {
    alone("each_call_of_a_client_fails", LIMIT, || {
        every_call_fails(CLIENTS);
    });
}
