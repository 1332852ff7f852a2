//! Each system call that the library makes fails, at each place from which it is made, with each answer that it can give: the operation says
//! so in clear words or goes on, the next attempt succeeds, the peer ends in order with all that was committed, and nothing leaks.
//!
//! A process is traced (`ptrace`), and the call is skipped and answered for. First the scene is run with nothing failing and all its calls are written
//! down, so that the list is complete: a call that `calls.rs` does not know fails the test.
#![cfg(all(target_arch = "x86_64", target_env = "gnu"))]

mod calls;
#[path = "../forbid/mod.rs"]
mod forbid;
mod inject;
#[path = "../crash/process.rs"]
mod process;
mod scene;
#[path = "../trace/mod.rs"]
mod trace;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use calls::Known;
use inject::{Manner, Plan, Ran};
use process::{Page, Random, alone, fork, watchdog};
use scene::{Scene, path};
use trace::sites::Code;

const LIMIT: Duration = Duration::from_secs(550);

/// What is wrong with a run, if anything is.
fn fault(ran: &Ran, plans: &[Plan], wanted: Option<[u64; 2]>) -> Option<String> {
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
    if !first.is_empty()
        && plans
            .iter()
            .all(|plan| calls::goes_on(plan.number, plan.errno))
    {
        return Some("this was to go on".to_owned());
    }
    let wanted = wanted?;
    // What a process makes once it may not have needed: whether anybody had to be rung depends on the moment.
    let more = |index: usize| ran.held[index].saturating_sub(wanted[index]);
    let failed = |number: i64| {
        let really = |plan: &Plan| plan.manner != Manner::Pretended;
        plans
            .iter()
            .any(|plan| plan.number == number && really(plan))
    };
    // Who cannot be sure that it is ours leaves it, and the next listener takes its place.
    let unsure = [
        libc::SYS_unlink,
        libc::SYS_openat,
        libc::SYS_flock,
        libc::SYS_statx,
    ];
    if ran.left && !unsure.into_iter().any(failed) {
        return Some("a socket is left behind".to_owned());
    }
    // The kernel's AIO may be asked instead of /proc, which one with few descriptors would never have used.
    let asked = u64::from(failed(libc::SYS_readlink));
    // What is not unmapped stays.
    let mapped = failed(libc::SYS_munmap);
    let fits = more(0) <= asked && (mapped || more(1) <= asked);
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
        fault(&ran, &[], None),
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
            Some(Known::Fails(_)) if calls::is_ours(number, call.site.direct) => {}
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

/// One scene's runs, and what came of them.
struct Series {
    scene: Scene,
    path: PathBuf,
    code: Code,
    places: BTreeMap<i64, Vec<Place>>,
    wanted: [u64; 2],
    began: Instant,
    runs: u32,
    missed: u32,
    faults: u64,
    /// What workers tell. Made before the scene is run for the first time: its processes have a copy of it, and their mappings are counted.
    page: Page,
}

/// So many runs at a time: each waits more than it works, since the kernel takes its time to end a process that had an AIO context.
const WORKERS: usize = 3;

impl Series {
    /// `None`: nothing can be traced here.
    fn new(scene: Scene) -> Option<Self> {
        if !trace::is_there() {
            return None;
        }
        trace::on_one_processor();
        let (path, mut code, page) = (path(), Code::new(), Page::new());
        let (places, wanted) = survey(scene, &path, &mut code);
        Some(Self {
            scene,
            path,
            code,
            places,
            wanted,
            began: Instant::now(),
            runs: 0,
            missed: 0,
            faults: 0,
            page,
        })
    }

    /// The plans by which each call fails at each place with each answer, and those by which it is not there at all. Places that are `known` already are left out.
    fn plans(&self, known: &mut BTreeSet<(i64, u64)>) -> Vec<Plan> {
        let mut plans = Vec::new();
        let plan = |number: i64, place: &Place, errno, manner| Plan {
            number,
            site: place.site,
            turn: None,
            later: place.turn,
            errno,
            manner,
        };
        for (&number, places) in &self.places {
            let Some(Known::Fails(errnos)) = calls::known(number) else {
                continue;
            };
            for place in places {
                if !known.insert((number, place.site)) {
                    continue;
                }
                let likely = |errno: &&i32| calls::is_likely(number, **errno, place.arguments);
                let failures = errnos.iter().filter(likely);
                plans.extend(failures.map(|&errno| plan(number, place, errno, Manner::Once)));
            }
        }
        for &(number, errnos) in calls::ABSENT {
            for place in self
                .places
                .get(&number)
                .iter()
                .filter_map(|places| places.first())
            {
                let failures = errnos.iter();
                plans.extend(failures.map(|&errno| plan(number, place, errno, Manner::Always)));
            }
        }
        plans
    }

    /// Carries plans out, and returns what is wrong then.
    fn fault(&mut self, plans: &[Plan]) -> Option<String> {
        let mut run = |plans: &[Plan]| {
            inject::run(
                self.scene,
                &self.path,
                plans,
                Some(self.wanted),
                &mut self.code,
            )
        };
        let mut ran = run(plans);
        if ran.hits == 0 {
            // What lies on a stack is not the same each time.
            let turn = |plan: &Plan| Plan {
                turn: Some(plan.later),
                ..*plan
            };
            ran = run(&plans.iter().map(turn).collect::<Vec<_>>());
        }
        self.runs += 1;
        self.missed += u32::from(ran.hits == 0);
        let what = fault(&ran, plans, Some(self.wanted))?;
        let planned = plans.iter().map(|plan| {
            let error = std::io::Error::from_raw_os_error(plan.errno);
            let places = &self.places[&plan.number];
            let place = places.iter().find(|place| place.site == plan.site);
            let callers = place.map(|place| place.callers.as_slice());
            let (name, manner) = (calls::name(plan.number), plan.manner);
            format!("{name} answers {error} ({manner:?}), made by {callers:x?}")
        });
        let planned = planned.collect::<Vec<_>>().join(" and ");
        Some(format!(
            "{:?}: {planned}: {what}; {:?}",
            self.scene, ran.texts
        ))
    }

    /// Carries out one run after the other, on some processes.
    fn carry_out(&mut self, runs: &[Vec<Plan>]) {
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                fork(|| {
                    watchdog(LIMIT);
                    trace::on_one_processor();
                    self.path = path();
                    for plans in runs.iter().skip(worker).step_by(WORKERS) {
                        if let Some(fault) = self.fault(plans) {
                            println!("{fault}");
                            self.faults += 1;
                        }
                    }
                    let _ = std::fs::remove_file(&self.path);
                    self.page.set(3 * worker, self.runs.into());
                    self.page.set(3 * worker + 1, self.missed.into());
                    self.page.set(3 * worker + 2, self.faults);
                })
            })
            .collect();
        for (worker, mut child) in workers.into_iter().enumerate() {
            assert_eq!(child.reap(), 0, "{:?}: a worker's status", self.scene);
            self.runs += self.page.get(3 * worker) as u32;
            self.missed += self.page.get(3 * worker + 1) as u32;
            self.faults += self.page.get(3 * worker + 2);
        }
    }

    /// Returns how many failures there were, and how many of them were not met.
    fn end(self) -> [u32; 2] {
        println!(
            "{:?}: {} calls, {} places, {} failures, {} of them not met, {:.1} s",
            self.scene,
            self.places.len(),
            self.places.values().map(Vec::len).sum::<usize>(),
            self.runs,
            self.missed,
            self.began.elapsed().as_secs_f64()
        );
        self.page.unmap();
        assert_eq!(self.faults, 0, "faults, which are told above");
        assert!(self.missed < self.runs.max(1), "none of them was met");
        [self.runs, self.missed]
    }
}

/// Every call of some scenes fails in every way. What one of them does as one before did it is tried once, unless pairs are asked for.
fn every_call_fails(scenes: &[Scene]) {
    let pairs: u64 = std::env::var("RINGWAY_PAIRS").map_or(0, |text| text.parse().unwrap());
    let mut known = BTreeSet::new();
    let mut random = Random::new(0xfa11);
    let mut all = [0; 2];
    for &scene in scenes {
        let Some(mut series) = Series::new(scene) else {
            return;
        };
        if pairs > 0 {
            known.clear();
        }
        let plans = series.plans(&mut known);
        let mut runs: Vec<Vec<Plan>> = plans.iter().map(|&plan| vec![plan]).collect();
        // Two at once: so many of all that there are.
        for _ in 0..pairs {
            let mut any = || plans[random.below(plans.len() as u64) as usize];
            runs.push(vec![any(), any()]);
        }
        series.carry_out(&runs);
        let of_scene = series.end();
        all = [all[0] + of_scene[0], all[1] + of_scene[1]];
    }
    // Where a call comes from is told by what lies on the stack, and how often it is made by the moment. Of all scenes: some have few that are not known.
    let [failures, missed] = all;
    assert!(
        missed <= failures / 5,
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
        for number in [libc::SYS_fallocate, libc::SYS_fcntl, libc::SYS_close] {
            let mut found = 0;
            let mut plans = series.plans(&mut BTreeSet::new());
            plans.retain(|plan| plan.number == number && plan.manner == Manner::Once);
            plans.dedup_by_key(|plan| plan.site);
            for plan in plans {
                let plan = Plan {
                    manner: Manner::Pretended,
                    ..plan
                };
                found += u32::from(series.fault(&[plan]).is_some());
            }
            let name = calls::name(number);
            assert!(found > 0, "nobody has noticed that {name} did nothing");
            println!("{name} that does nothing: noticed {found} times");
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
    each_call_of_a_server_fails: RichServer, Server, Poller;
    // The plain one first: that its memory is locked would mend what others have missed.
    each_call_of_a_client_fails: Client, RichClient, ConfinedClient, LeanClient, Watcher;
}
