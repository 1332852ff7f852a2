//! One side dies at any of its steps ([`mortal`]), whatever the other one does meanwhile. The survivor reads each frame that was committed, and none that was not; it hears of the death and never
//! sleeps for ever; and whatever words the dead have left, they break no rule.
//!
//! A model runs in every interleaving with each number of steps that its mortal lives, until one is enough for all that it has to do. What follows the news of a death is the shipped waits' to do
//! (`connection/rest.rs`); it is written down in [`wait_or_end`].

mod manners;
mod receiver;
mod sender;

use std::sync::{Arc, Mutex};

use super::bell::Bell;
use super::run_planted;
use super::sites::explore;
use crate::planted::Check;
use crate::sync::engine::thread::{self, JoinHandle};
use crate::sync::mortal;

/// The body of a model, by the number of steps that one side lives. Returns whether it died.
type Mortal = fn(u32) -> bool;

/// With the number of preemptions that it takes fewer than usual: one that waits for what comes and goes has too many interleavings.
const MODELS: &[&[(&str, usize, Mortal)]] = &[sender::MODELS, receiver::MODELS, manners::MODELS];

/// The same, each without something that it needs.
const BROKEN: &[(&str, Option<Check>, Mortal)] = &[
    (
        "nobody looks behind the news of a death",
        None,
        sender::without_a_last_look,
    ),
    ("nobody tells of a death", None, sender::without_news),
    (
        "nobody makes the barrier that a sender leaves out",
        None,
        manners::without_a_barrier,
    ),
    (
        "frames are handed out before they are said to be taken",
        Some(Check::TakenFirst),
        receiver::gives_account,
    ),
    (
        "what is held is released",
        Some(Check::HeldKept),
        receiver::holds,
    ),
];

/// Nothing that is modelled here takes more steps.
const MOST: u32 = 200;

/// Runs a model with each number of steps. Returns how many its mortal makes.
fn at_each_step(planted: Option<Check>, fewer: usize, model: Mortal) -> Result<u32, String> {
    for steps in 0..MOST {
        let died = Arc::new(Mutex::new(false));
        let outcome = run_planted(planted, {
            let died = died.clone();
            move || explore(fewer, move || *died.lock().unwrap() |= model(steps))
        });
        outcome.map_err(|cause| format!("dead behind {steps} steps: {cause}"))?;
        if !*died.lock().unwrap() {
            return Ok(steps);
        }
    }
    panic!("it never comes to its end");
}

/// What one who may die has done, as a test knows it: the survivor looks only when it has heard of the death, behind which all of this is final.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<[u32; 2]>>);

impl Ledger {
    /// About to do it so many times.
    fn begin(&self, count: u32) {
        self.0.lock().unwrap()[0] += count;
    }

    /// Has done it.
    fn done(&self, count: u32) {
        self.0.lock().unwrap()[1] += count;
    }

    /// How often it was begun, and done.
    fn read(&self) -> [u32; 2] {
        *self.0.lock().unwrap()
    }

    /// The survivor has found so many.
    fn check(&self, found: u32) {
        let [begun, done] = self.read();
        assert!(
            (done..=begun).contains(&found),
            "{found} were found, {done} were done and {begun} begun"
        );
    }
}

/// Leads `life` for so many steps on a thread of its own, and has the survivor hear of its end. Whether it died is what the thread returns. What it holds is dropped behind that.
fn doom(steps: u32, news: &Bell, mut life: impl FnMut() + Send + 'static) -> JoinHandle<bool> {
    let news = news.clone();
    thread::spawn(move || {
        let died = mortal::live(steps, &mut life);
        news.tell_death();
        died
    })
}

#[test]
fn a_survivor_of_each_step_finds_what_was_committed() {
    for (name, fewer, model) in MODELS.iter().copied().flatten() {
        match at_each_step(None, *fewer, *model) {
            Ok(steps) => assert!(steps >= 8, "`{name}` died at {steps} steps only"),
            Err(cause) => panic!("model `{name}`, {cause}"),
        }
    }
}

#[test]
fn each_rule_about_the_dead_is_needed() {
    for (name, planted, model) in BROKEN {
        let outcome = at_each_step(*planted, 0, *model);
        assert!(outcome.is_err(), "nothing is lost although {name}");
    }
}
