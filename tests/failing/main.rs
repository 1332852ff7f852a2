//! Each system call that the library makes fails, at each place from which it is made, with each answer that it can give: the operation says
//! so in clear words or goes on, the next attempt succeeds, the peer ends in order with all that was committed, and nothing leaks.
//!
//! A process is traced (`ptrace`), and the call is skipped and answered for. First the scene is run with nothing failing and all its calls are written
//! down, so that the list is complete: a call that `calls.rs` does not know fails the test.
#![cfg(all(target_arch = "x86_64", target_env = "gnu"))]

mod calls;
mod fault;
#[path = "../forbid/mod.rs"]
mod forbid;
mod inject;
mod pairs;
#[path = "../crash/process.rs"]
mod process;
mod scene;
mod series;
#[path = "../trace/mod.rs"]
mod trace;

use std::collections::BTreeSet;

use inject::{Manner, Plan};
use pairs::Share;
use process::alone;
use scene::Scene;
use series::{LIMIT, Series};

/// Every call of some scenes fails in every way. What one of them does as one before did it is tried with one answer. `RINGWAY_OCCURRENCES`: each time that a call is made from a
/// place fails with each answer, in each scene. If pairs are asked for, these are carried out in the place of that.
fn every_call_fails(scenes: &[Scene]) {
    let share = Share::asked();
    let each = std::env::var_os("RINGWAY_OCCURRENCES").is_some();
    let (mut known, mut all) = (BTreeSet::new(), [0; 2]);
    for &scene in scenes {
        if std::env::var("DBG_SCENE").is_ok_and(|only| only != format!("{scene:?}")) {
            continue;
        }
        let Some(mut series) = Series::new(scene) else {
            return;
        };
        if let Some(share) = share {
            let firsts = share.of(series.plans(&mut BTreeSet::new(), false));
            series.carry_out(&firsts, |series, first| share.pairs(series, *first));
        } else {
            let plans = series.plans(&mut known, each);
            series.carry_out(&plans, |series, plan| {
                Vec::from_iter(series.fault(&[*plan]))
            });
        }
        let of_scene = series.end();
        all = [all[0] + of_scene[0], all[1] + of_scene[1]];
    }
    // Where a call comes from is told by what lies on the stack, and how often it is made by the moment. Of all scenes: some have few that are not known.
    let [failures, missed] = all;
    assert!(
        missed <= failures / 5 + 5,
        "{missed} of {failures} failures were not met"
    );
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

macro_rules! scenes {
    ($($name:ident: $($scene:ident),+;)*) => {$(
        #[test]
        fn $name() {
            alone(stringify!($name), LIMIT, || every_call_fails(&[$(Scene::$scene),+]));
        }
    )*};
}

scenes! {
    each_call_of_a_server_fails: RichServer, Server, Poller, Shown, ResumedServer, Heir, PlacedServer, BytesServer;
    // The plain one first: that its memory is locked would mend what others have missed.
    each_call_of_a_client_fails: Client, RichClient, ConfinedClient, LeanClient, Watcher, ResumedClient, PlacedClient, BytesClient;
}
