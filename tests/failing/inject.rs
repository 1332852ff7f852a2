//! One run of a scene, in which chosen system calls fail.

use std::collections::HashMap;
use std::mem;
use std::path::Path;

use crate::calls;
use crate::documented;
use crate::fault::fits;
use crate::process::{Page, fork, holdings, watchdog};
use crate::scene::{
    self, ATTEMPT, DONE, Expected, HEARD, HELD, LEFT, RUNNING, SAID, Scene, TEXTS, WANTED, read,
    write,
};
use crate::trace::sites::{Code, Site};
use crate::trace::{self, Registers, Stop};

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Once.
    Once,
    /// Each time, from then on, wherever it is made: such a call is not to be had here.
    Always,
    /// It does nothing and answers zero: what a library would see that does not look at the answer. A planted fault.
    Pretended,
}

/// Which call is to fail, from where, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) number: i64,
    pub(crate) site: u64,
    /// Which of those from there, from 0 on.
    pub(crate) occurrence: u32,
    /// If it is not from there (what lies on a stack is not the same each time): which of all calls of that number, from 0 on, or the next one that can fail so.
    pub(crate) turn: Option<u32>,
    /// Which it was when the calls were written down.
    pub(crate) later: u32,
    pub(crate) errno: i32,
    pub(crate) manner: Manner,
    /// It is made there only where another one failed.
    pub(crate) instead: bool,
    /// Nobody expects it: the page of the call says that it can be. A connection may end by it, and an attempt may fail.
    pub(crate) rare: bool,
}

impl Expected {
    fn of(plans: &[Plan]) -> Self {
        let rare = || plans.iter().filter(|plan| plan.rare);
        if rare().any(|plan| plan.manner == Manner::Always) {
            Self::ForGood
        } else if rare().count() > 0 {
            Self::Rare
        } else {
            Self::Likely
        }
    }
}

impl Plan {
    pub(crate) fn rare(self) -> Self {
        Self { rare: true, ..self }
    }

    /// What is to fail in the place of what was not met. `seen`: as in [`Ran`].
    pub(crate) fn be_nearer(&mut self, attempt: u32, seen: [u32; 2]) {
        let [from_there, from_anywhere] = seen;
        match (attempt, from_there) {
            // By what it was when the calls were written down, or the last time that it was made from there.
            (0, 0) => self.turn = Some(self.later),
            (0, _) => self.occurrence = from_there - 1,
            // The last time that any of its number was made, and then the first time.
            (1, _) => self.turn = Some(self.later.min(from_anywhere.saturating_sub(1))),
            _ => self.turn = Some(0),
        }
    }
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The wait status of the failing process, and of its peer.
    pub(crate) ended: [i32; 2],
    /// How often each plan was carried out.
    pub(crate) hits: Vec<u32>,
    /// How often a call of its number was made from its place, and from anywhere, once the plans before it had been carried out.
    pub(crate) seen: Vec<[u32; 2]>,
    /// What the failing process said of its attempts, and its peer.
    pub(crate) texts: [String; 3],
    /// Descriptors and shared mappings at its end.
    pub(crate) held: [u64; 2],
    /// A socket was left behind.
    pub(crate) left: bool,
    /// Frames committed and received, by attempt.
    pub(crate) frames: [(u64, u64); 2],
    /// If they are asked for: the calls that were made when every plan had been carried out, in order.
    pub(crate) calls: Vec<Call>,
}

/// A system call that was made.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) number: i64,
    pub(crate) site: Site,
    /// So many of its number had been made before.
    pub(crate) turn: u32,
    /// Its second and third.
    pub(crate) arguments: [u64; 2],
    /// For people.
    pub(crate) callers: Vec<u64>,
}

/// So many looks, 2 ms apart, that find the same, or not yet what is wanted: some descriptors are closed on other threads, each of whose calls may have to wait for who traces them.
const SAME: u32 = 100;
const PATIENCE: u32 = 2_500;

/// Descriptors and shared mappings of this process, when they fit or some time has passed; where it is not known what is wanted, when they stay as they are.
fn settled(wanted: [u64; 2], patience: u32, fits: impl Fn([u64; 2]) -> bool) -> [u64; 2] {
    let mut held = [0; 2];
    let mut same = 0;
    for _ in 0..patience {
        let (descriptors, _, shared) = holdings();
        let now = [descriptors as u64, shared as u64];
        same = if now == held { same + 1 } else { 0 };
        held = now;
        if (wanted != [0; 2] && fits(held)) || (wanted == [0; 2] && same == SAME) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    held
}

fn failing(scene: Scene, page: &Page, path: &Path, plans: &[Plan], filtered: &[i64]) {
    assert!(trace::be_traced());
    watchdog(std::time::Duration::from_secs(60));
    scene.prepare(path);
    trace::filter(filtered);
    for attempt in 0..2 {
        page.set(ATTEMPT, attempt);
        page.set(RUNNING, 1 - attempt);
        let outcome = scene.attempt(page, path);
        page.set(RUNNING, 0);
        let wanted = [page.get(WANTED), page.get(WANTED + 1)];
        match outcome {
            // What it went on without, the next attempt has, so that what was lost shows.
            Ok(()) if wanted[0] == 0 => break,
            Ok(()) if settled(wanted, 20, |held| held == wanted) == wanted => break,
            Ok(()) => {}
            Err(text) => {
                write(page, TEXTS[attempt as usize], &text);
                page.set(
                    LEFT,
                    page.get(LEFT) | u64::from(scene.listens() && path.exists()),
                );
            }
        }
    }
    let wanted = [page.get(WANTED), page.get(WANTED + 1)];
    let held = settled(wanted, PATIENCE, |held| fits(held, wanted, plans));
    page.set(HELD, held[0]);
    page.set(HELD + 1, held[1]);
}

/// Runs `scene` with up to two plans. `wanted`: what the failing process holds at the end of a run in which nothing fails. `lists`: its calls are asked for.
pub(crate) fn run(
    scene: Scene,
    path: &Path,
    plans: &[Plan],
    wanted: Option<[u64; 2]>,
    lists: bool,
    code: &mut Code,
) -> Ran {
    // What an earlier run was not permitted to remove.
    let _ = std::fs::remove_file(path);
    let page = Page::new();
    for (index, count) in wanted.into_iter().flatten().enumerate() {
        page.set(WANTED + index, count);
    }
    let mut filtered = Vec::new();
    scene::expect(Expected::of(plans));
    if !lists {
        filtered.extend(plans.iter().map(|plan| plan.number));
    }
    let child = fork(|| failing(scene, &page, path, plans, &filtered));
    let failing = child.pid;
    mem::forget(child);
    trace::take(failing);
    let child = fork(|| {
        watchdog(std::time::Duration::from_secs(60));
        scene.accompany(&page, path);
    });
    let peer = child.pid;
    mem::forget(child);
    let mut ran = Ran {
        ended: [0; 2],
        hits: vec![0; plans.len()],
        seen: vec![[0; 2]; plans.len()],
        texts: Default::default(),
        held: [0; 2],
        left: false,
        frames: [(0, 0); 2],
        calls: Vec::new(),
    };
    let mut turns = HashMap::new();
    trace::run(failing, 0);
    let mut alive = [true; 2];
    while alive != [false; 2] {
        let (who, stop) = trace::wait(-1);
        match stop {
            Stop::Ended(status) if who == failing => {
                (alive[0], ran.ended[0]) = (false, status);
                page.set(DONE, 1);
            }
            Stop::Ended(status) if who == peer => (alive[1], ran.ended[1]) = (false, status),
            Stop::Ended(_) => {}
            Stop::Filtered if page.get(RUNNING) == 1 => {
                let Some(registers) = trace::registers_if_there(who) else {
                    continue;
                };
                let number = i64::try_from(registers.orig_rax).unwrap_or(-1);
                let arguments = arguments(who, &registers);
                let mut site = code.site(who, &registers);
                // Other threads only close, once they have begun.
                site.direct &= who == failing;
                let ours = calls::is_ours(number, site.direct);
                let turn = turns.entry(number).or_insert(0u32);
                if lists && ran.hits.iter().all(|hits| *hits > 0) {
                    ran.calls.push(Call {
                        number,
                        site,
                        turn: *turn,
                        arguments,
                        callers: code.callers(who, &registers),
                    });
                }
                let due = due(plans, &mut ran, |plan| {
                    let can_be = if plan.rare {
                        documented::is_tried(number, plan.errno, arguments)
                    } else {
                        calls::is_likely(number, plan.errno, arguments)
                    };
                    let is_it = plan.number == number && ours && can_be;
                    is_it.then_some((site.hash, *turn))
                });
                *turn += u32::from(ours);
                match due {
                    Some(plan) => fail(who, registers, plan),
                    None => trace::run(who, 0),
                }
            }
            Stop::Signal(libc::SIGSTOP | libc::SIGTRAP)
            | Stop::Filtered
            | Stop::Call
            | Stop::Born => {
                trace::run(who, 0);
            }
            Stop::Signal(signal) => trace::run(who, signal),
        }
    }
    ran.texts = TEXTS.map(|at| read(&page, at));
    ran.held = [page.get(HELD), page.get(HELD + 1)];
    ran.frames = [0, 1].map(|attempt| (page.get(SAID + attempt), page.get(HEARD + attempt)));
    ran.left = page.get(LEFT) != 0;
    page.unmap();
    ran
}

/// The second and the third; of a close, whether that is a directory's.
fn arguments(who: libc::pid_t, registers: &Registers) -> [u64; 2] {
    if registers.orig_rax != libc::SYS_close as u64 {
        return [registers.rsi, registers.rdx];
    }
    let descriptor = format!("/proc/{who}/fd/{}", registers.rdi);
    // A link is followed, but what it leads to is not opened.
    if Path::new(&descriptor).is_dir() {
        [documented::OF_A_DIRECTORY, 0]
    } else {
        [0; 2]
    }
}

/// Which plan the call is to be failed by that is made now. `which`: from where it is made, and which of its number it is; `None`: it is not one that this plan means. A plan counts only what is
/// made behind the one before it.
fn due<'a>(
    plans: &'a [Plan],
    ran: &mut Ran,
    which: impl Fn(&Plan) -> Option<(u64, u32)>,
) -> Option<&'a Plan> {
    for (index, plan) in plans.iter().enumerate() {
        let hits = &mut ran.hits[index];
        if let Some((site, turn)) = which(plan) {
            let [from_there, from_anywhere] = &mut ran.seen[index];
            let here = match plan.turn {
                None => plan.site == site && plan.occurrence == *from_there,
                Some(wanted) => turn >= wanted,
            };
            *from_there += u32::from(plan.site == site);
            *from_anywhere = turn + 1;
            let again = *hits > 0 && plan.manner == Manner::Always;
            if again || (*hits == 0 && here) {
                *hits += 1;
                return Some(plan);
            }
        }
        if *hits == 0 {
            break;
        }
    }
    None
}

/// Has the call at whose entry `who` stands fail as planned.
fn fail(who: libc::pid_t, mut registers: Registers, plan: &Plan) {
    let answer = if plan.manner == Manner::Pretended {
        0
    } else {
        i64::from(plan.errno).unsigned_abs().wrapping_neg()
    };
    if plan.number == libc::SYS_close && plan.manner != Manner::Pretended {
        // Whatever it answers, it has closed.
        trace::run_to_call(who, 0);
        let (_, stop) = trace::wait(who);
        let behind = (stop == Stop::Call).then(|| trace::registers_if_there(who));
        if let Some(mut registers) = behind.flatten() {
            registers.rax = answer;
            trace::set_registers(who, &registers);
        }
    } else {
        registers.orig_rax = u64::MAX;
        registers.rax = answer;
        trace::set_registers(who, &registers);
    }
    trace::run(who, 0);
}
