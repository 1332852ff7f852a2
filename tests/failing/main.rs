//! Each system call that the library makes fails, at each place from which it is made, with each answer that it can give: the operation says
//! so in clear words or goes on, the next attempt succeeds, the peer ends in order with all that was committed, and nothing leaks.
//!
//! A process is traced (`ptrace`), and the call is skipped and answered for. First the scene is run with nothing failing and all its calls are written
//! down, so that the list is complete: a call that `calls.rs` does not know fails the test.
#![cfg(all(target_arch = "x86_64", target_env = "gnu"))]

mod calls;
mod inject;
#[path = "../crash/process.rs"]
mod process;
mod scene;
#[path = "../trace/mod.rs"]
mod trace;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use calls::Known;
use inject::{Manner, Plan, Ran};
use process::alone;
use scene::{Scene, path};
use trace::sites::Code;

const LIMIT: Duration = Duration::from_secs(550);

/// What is wrong with a run, if anything is.
fn fault(ran: &Ran, plan: Option<&Plan>, wanted: Option<[u64; 2]>) -> Option<String> {
    if ran.ended != [0; 2] {
        let [failing, peer] = ran.ended;
        return Some(format!(
            "the failing process ended with {failing:#x}, its peer with {peer:#x}"
        ));
    }
    if let Some((said, heard)) = ran.frames.iter().find(|(said, heard)| heard < said) {
        return Some(format!("{said} frames were committed, {heard} received"));
    }
    let [first, second, _] = &ran.texts;
    if first.starts_with("exchange") {
        return Some("a connection that was made did not last".to_owned());
    }
    if !second.is_empty() {
        return Some("the next attempt failed too".to_owned());
    }
    if let Some(plan) = plan {
        let once = plan.manner == Manner::Once;
        if once && !first.is_empty() && calls::goes_on(plan.number, plan.errno) {
            return Some("this was to go on".to_owned());
        }
    }
    let Some(wanted) = wanted else { return None };
    // What a process makes once it may not have needed: whether anybody had to be rung depends on the moment.
    let more = |index: usize| ran.held[index].saturating_sub(wanted[index]);
    let fits = match plan.map(|plan| plan.number) {
        // What is not unmapped stays.
        Some(libc::SYS_munmap) => more(0) == 0,
        // The kernel's AIO is asked instead, which one with few descriptors would never have used.
        Some(libc::SYS_readlink) => more(0) <= 1 && more(1) <= 1,
        _ => more(0) == 0 && more(1) == 0,
    };
    (!fits).then(|| format!("it holds {:?} at the end, not {wanted:?}", ran.held))
}

/// From where a call is made, the first time that it was seen there.
struct Place {
    site: u64,
    turn: u32,
    arguments: [u64; 2],
    callers: Vec<u64>,
}

/// The calls of a scene, each with the places from which it is made.
fn survey(scene: Scene, path: &Path, code: &mut Code) -> (BTreeMap<i64, Vec<Place>>, [u64; 2]) {
    let ran = inject::run(scene, path, &[], None, code);
    let texts = &ran.texts;
    assert_eq!(
        fault(&ran, None, None),
        None,
        "{scene:?}, with nothing failing: {texts:?}"
    );
    assert_eq!(texts[0], "", "{scene:?}, with nothing failing");
    let mut places: BTreeMap<i64, Vec<Place>> = BTreeMap::new();
    let mut turns = BTreeMap::new();
    for call in ran.calls {
        let number = call.number;
        let name = calls::name(number);
        match calls::known(number) {
            None => panic!("{scene:?} makes {name}, which tests/failing/calls.rs does not know"),
            Some(Known::Fails(_)) if call.site.direct => {}
            _ => continue,
        }
        let turn = turns.entry(number).or_insert(0);
        let known = places.entry(number).or_default();
        if !known.iter().any(|place| place.site == call.site.hash) {
            known.push(Place {
                site: call.site.hash,
                turn: *turn,
                arguments: call.arguments,
                callers: call.callers,
            });
        }
        *turn += 1;
    }
    (places, ran.held)
}

/// Every call of a scene fails in every way.
fn every_call_fails(scene: Scene) {
    if !trace::is_there() {
        return;
    }
    trace::on_one_processor();
    let began = Instant::now();
    let (path, mut code) = (path(), Code::new());
    let (places, wanted) = survey(scene, &path, &mut code);
    let (mut runs, mut missed, mut faults) = (0, 0, BTreeSet::new());
    let all = places
        .iter()
        .flat_map(|(number, of)| of.iter().map(move |place| (*number, place)));
    for (number, place) in all {
        let Some(Known::Fails(errnos)) = calls::known(number) else {
            continue;
        };
        for &errno in errnos {
            if !calls::is_likely(number, errno, place.arguments) {
                continue;
            }
            let mut plan = Plan {
                number,
                site: place.site,
                turn: None,
                errno,
                manner: Manner::Once,
            };
            let start = Instant::now();
            let mut ran = inject::run(scene, &path, &[plan], Some(wanted), &mut code);
            if ran.hits == 0 {
                plan.turn = Some(place.turn);
                ran = inject::run(scene, &path, &[plan], Some(wanted), &mut code);
            }
            runs += 1;
            missed += u32::from(ran.hits == 0);
            let name = calls::name(number);
            if std::env::var_os("RINGWAY_SHOW").is_some() {
                println!(
                    "{name} {errno} hits {} {:?} {:?}",
                    ran.hits,
                    start.elapsed(),
                    ran.texts
                );
            }
            if let Some(fault) = fault(&ran, Some(&plan), Some(wanted)) {
                let error = std::io::Error::from_raw_os_error(errno);
                let (callers, texts) = (&place.callers, &ran.texts);
                faults.insert(format!(
                    "{scene:?}: {name} answers {error}, made by {callers:x?}: {fault}; {texts:?}"
                ));
            }
        }
    }
    println!(
        "{scene:?}: {} calls, {} places, {runs} failures, {missed} of them not met, {:.1} s",
        places.len(),
        places.values().map(Vec::len).sum::<usize>(),
        began.elapsed().as_secs_f64()
    );
    let faults: Vec<_> = faults.into_iter().collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

macro_rules! scenes {
    ($($name:ident: $scene:ident),* $(,)?) => {$(
        #[test]
        fn $name() {
            alone(stringify!($name), LIMIT, || every_call_fails(Scene::$scene));
        }
    )*};
}

scenes! {
    each_call_of_a_server_fails: Server,
    each_call_of_a_client_fails: Client,
    each_call_of_a_server_with_options_fails: RichServer,
    each_call_of_a_client_with_options_fails: RichClient,
    each_call_of_a_client_with_few_descriptors_fails: LeanClient,
    each_call_of_a_poller_fails: Poller,
    each_call_of_a_watcher_fails: Watcher,
}
