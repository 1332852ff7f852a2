//! All runs of one scene: which calls it makes, from where, and what comes of their failures.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::calls::{self, Known, answers};
use crate::documented;
use crate::fault::fault;
use crate::inject::{self, Call, Manner, Plan, Ran};
use crate::process::{Page, fork, watchdog};
use crate::scene::{Folder, Scene};
use crate::trace;
use crate::trace::sites::Code;

pub(crate) const LIMIT: Duration = Duration::from_secs(550);

/// So many runs at a time: each waits more than it works, since the kernel takes its time to end a process that had an AIO context.
pub(crate) const WORKERS: usize = 8;
/// The same where nothing else runs that more would disturb.
pub(crate) const MANY_WORKERS: usize = 24;

/// From where a call is made, and what it was each time.
pub(crate) struct Place {
    pub(crate) site: u64,
    pub(crate) occurrences: Vec<Occurrence>,
    callers: Vec<u64>,
}

#[derive(Clone, Copy)]
pub(crate) struct Occurrence {
    pub(crate) turn: u32,
    pub(crate) arguments: [u64; 2],
}

impl Place {
    /// How the call that is made from here for the `index`th time fails.
    pub(crate) fn plan(&self, number: i64, index: usize, errno: i32, manner: Manner) -> Plan {
        Plan {
            number,
            site: self.site,
            occurrence: index as u32,
            turn: None,
            later: self.occurrences[index].turn,
            errno,
            manner,
            instead: false,
            rare: false,
        }
    }

    /// Whether a call from here comes through one of these.
    pub(crate) fn is_behind(&self, callers: &BTreeSet<u64>) -> bool {
        self.callers.iter().any(|by| callers.contains(by))
    }

    /// Which times are to be tried: all, or the first, the second and the last one.
    pub(crate) fn indices(&self, all: bool) -> Vec<usize> {
        let count = self.occurrences.len();
        let mut indices: Vec<usize> = (0..count).collect();
        indices.retain(|&index| all || index < 2 || index + 1 == count);
        indices
    }
}

/// Calls, each with the places from which it is made.
pub(crate) type Places = BTreeMap<i64, Vec<Place>>;

/// Where they were made from, as far as they can fail and are ours.
fn places(scene: Scene, made: &[Call]) -> Places {
    let mut places = Places::new();
    for call in made {
        let number = call.number;
        let name = calls::name(number);
        match calls::known(number) {
            None => panic!("{scene:?} makes {name}, which tests/failing/calls.rs does not know"),
            Some(Known::Left(_)) if !documented::has(number) => continue,
            Some(_) if scene.is_in_tasks() && calls::is_the_runtime_s(number) => continue,
            Some(_) if calls::is_ours(number, call.site.direct) => {}
            Some(_) => continue,
        }
        let known = places.entry(number).or_default();
        let occurrence = Occurrence {
            turn: call.turn,
            arguments: call.arguments,
        };
        match known.iter_mut().find(|place| place.site == call.site.hash) {
            Some(place) => place.occurrences.push(occurrence),
            None => known.push(Place {
                site: call.site.hash,
                occurrences: vec![occurrence],
                callers: call.callers.clone(),
            }),
        }
    }
    places
}

/// Where a call has its word on a page.
fn word_of(number: i64) -> usize {
    usize::try_from(number).expect("a system call's number")
}

/// One scene's runs, and what came of them.
pub(crate) struct Series {
    scene: Scene,
    folder: Folder,
    code: Code,
    places: Places,
    calls: Vec<Call>,
    wanted: [u64; 2],
    began: Instant,
    runs: u32,
    missed: u32,
    faults: u64,
    /// What workers tell. Made before the scene is run for the first time: its processes have a copy of it, and their mappings are counted.
    page: Page,
    /// By number: not zero for the calls that have failed.
    met: Page,
}

impl Series {
    /// `None`: nothing can be traced here.
    pub(crate) fn new(scene: Scene) -> Option<Self> {
        if !trace::is_there() {
            return None;
        }
        trace::on_one_processor(scene as usize);
        let (folder, mut code) = (Folder::new(scene), Code::new());
        let path = &folder.path;
        let (page, met) = (Page::new(), Page::new());
        let ran = inject::run(scene, path, &[], None, true, &mut code);
        let texts = &ran.texts;
        let what = fault(&ran, &[], None);
        assert_eq!(what, None, "{scene:?}, with nothing failing: {texts:?}");
        assert_eq!(texts[0], "", "{scene:?}, with nothing failing");
        // What a process makes once somebody has to be rung, it may not have made in one run.
        let mut wanted = ran.held;
        for _ in 0..2 {
            let held = inject::run(scene, path, &[], None, false, &mut code).held;
            wanted = [wanted[0].max(held[0]), wanted[1].max(held[1])];
        }
        Some(Self {
            scene,
            folder,
            code,
            places: places(scene, &ran.calls),
            calls: ran.calls,
            wanted,
            began: Instant::now(),
            runs: 0,
            missed: 0,
            faults: 0,
            page,
            met,
        })
    }

    /// The plans by which each call fails at each place with each answer, and those by which it is not there at all.
    ///
    /// `all`: each time that it is made from there, with every answer that its page documents or a sandbox gives, and for good with what a sandbox gives. Else with each answer the first time, if that is not `known` from an earlier scene, and with one of them the second and the last time, and
    /// the first time where it is known.
    pub(crate) fn plans(&self, known: &mut BTreeSet<(i64, u64)>, all: bool) -> Vec<Plan> {
        let mut plans = Vec::new();
        // The same place answers something else in another scene.
        let mut at = self.scene as usize;
        for (&number, places) in &self.places {
            for place in places {
                let is_new = known.insert((number, place.site));
                for index in place.indices(all) {
                    let mut answers = answers(number, place.occurrences[index].arguments);
                    let has_all = all || (is_new && index == 0);
                    if !has_all && !answers.is_empty() {
                        answers = vec![answers[at % answers.len()]];
                        at += 1;
                    }
                    let plan = |errno| place.plan(number, index, errno, Manner::Once);
                    plans.extend(answers.into_iter().map(plan));
                    if all {
                        let arguments = place.occurrences[index].arguments;
                        let rest = documented::rest(number, arguments).into_iter().map(plan);
                        plans.extend(rest.map(Plan::rare));
                    }
                }
            }
            let for_good = all && documented::can_be_absent(number);
            for &errno in documented::SANDBOX.iter().filter(|_| for_good) {
                let plan = places[0].plan(number, 0, errno, Manner::Always);
                plans.push(plan.rare());
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
                plans.extend(failures.map(|&errno| place.plan(number, 0, errno, Manner::Always)));
            }
        }
        plans
    }

    fn run(&mut self, plans: &[Plan], lists: bool) -> Ran {
        let (wanted, code) = (Some(self.wanted), &mut self.code);
        inject::run(self.scene, &self.folder.path, plans, wanted, lists, code)
    }

    /// Runs it with plans, and again if one was not carried out: what lies on a stack is not the same each time, nor is how often a call is made.
    fn try_run(&mut self, plans: &[Plan], lists: bool) -> Ran {
        let mut ran = self.run(plans, lists);
        let mut nearer = plans.to_vec();
        for attempt in 0..4 {
            if !ran.hits.contains(&0) {
                break;
            }
            let met = ran.hits.iter().zip(&ran.seen);
            for (plan, (hits, seen)) in nearer.iter_mut().zip(met) {
                if *hits == 0 {
                    plan.be_nearer(attempt, *seen);
                }
            }
            ran = self.run(&nearer, lists);
        }
        ran
    }

    /// Calls that are made while nothing fails, each with every function that it came through.
    pub(crate) fn callers(&self) -> impl Iterator<Item = (i64, u64)> + '_ {
        let callers = |call: &Call| {
            let number = call.number;
            call.callers.clone().into_iter().map(move |by| (number, by))
        };
        self.calls.iter().flat_map(callers)
    }

    /// The place from which a call is made while nothing fails; `None`: it is not.
    pub(crate) fn place(&self, number: i64, site: u64) -> Option<&Place> {
        let places = self.places.get(&number)?;
        places.iter().find(|place| place.site == site)
    }

    /// Where calls are made from when `first` has failed; none if it could not be met.
    pub(crate) fn behind(&mut self, first: Plan) -> Places {
        let ran = self.try_run(&[first], true);
        places(self.scene, &ran.calls)
    }

    /// Carries plans out, and returns what both sides said of their attempts.
    pub(crate) fn said(&mut self, plans: &[Plan]) -> [String; 3] {
        let ran = self.try_run(plans, false);
        assert!(!ran.hits.contains(&0), "{plans:?} were not met");
        assert_eq!(fault(&ran, plans, Some(self.wanted)), None, "{plans:?}");
        ran.texts
    }

    /// Carries plans out, and returns what is wrong then.
    pub(crate) fn fault(&mut self, plans: &[Plan]) -> Option<String> {
        let mut ran = self.try_run(plans, false);
        // Of single ones few may be missed: who slept then, and had to be woken, may do so again.
        if plans.len() == 1 && ran.hits == [0] {
            ran = self.try_run(plans, false);
        }
        // The directory of names is everybody's here: many workers, each of which stands still at its calls, may have held each other up.
        for _ in 0..8 {
            if !ran
                .texts
                .iter()
                .any(|text| text.contains("has held the lock"))
            {
                break;
            }
            ran = self.try_run(plans, false);
        }
        self.runs += 1;
        self.missed += u32::from(ran.hits.contains(&0));
        for (plan, _) in plans.iter().zip(&ran.hits).filter(|(_, hits)| **hits > 0) {
            self.met.set(word_of(plan.number), 1);
        }
        let what = fault(&ran, plans, Some(self.wanted))?;
        let planned = plans.iter().map(|plan| {
            let error = std::io::Error::from_raw_os_error(plan.errno);
            let place = self.place(plan.number, plan.site);
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

    /// Has `count` processes `carry` out what there is to do; it returns the faults.
    pub(crate) fn carry_out<T>(
        &mut self,
        all: &[T],
        count: usize,
        carry: impl Fn(&mut Self, &T) -> Vec<String>,
    ) {
        let workers: Vec<_> = (0..count)
            .map(|worker| {
                fork(|| {
                    watchdog(LIMIT);
                    trace::on_one_processor(worker);
                    self.folder = Folder::new(self.scene);
                    for one in all.iter().skip(worker).step_by(count) {
                        for fault in carry(self, one) {
                            println!("{fault}");
                            self.faults += 1;
                        }
                    }
                    self.folder.remove();
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

    /// Those of these calls that have failed, of all plans' of this scene.
    pub(crate) fn met(&self, numbers: impl Iterator<Item = i64>) -> BTreeSet<i64> {
        numbers
            .filter(|number| self.met.get(word_of(*number)) != 0)
            .collect()
    }

    /// `part`: one in so many of the failures need not have been met.
    pub(crate) fn end(self, part: u32) {
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
        self.met.unmap();
        assert_eq!(self.faults, 0, "faults, which are told above");
        // Whether anybody has to be woken, and by which thread what is closed, depends on the moment: a call that is made in one run is not made in the next ones.
        assert!(
            self.missed <= self.runs / part + 5,
            "{:?}: {} of {} failures were not met",
            self.scene,
            self.missed,
            self.runs
        );
    }
}
