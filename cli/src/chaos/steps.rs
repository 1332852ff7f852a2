//! Which labelled steps are hit, at which of their passes: a pure policy.

use std::collections::BTreeMap;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::plan::{Drawn, Manner};
use crate::fault::Fault;

/// What `--at` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// A label, or what labels begin with and a `*`.
    pub(super) label: String,
    fault: Option<Fault>,
}

impl Asked {
    /// Reads `LABEL` or `LABEL=FAULT`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (label, fault) = match text.rsplit_once('=') {
            None => (text, None),
            Some((label, name)) => {
                let known = Fault::ALL.into_iter().find(|fault| fault.name() == name);
                let wrong =
                    || format!("{name:?} is no fault: LABEL=kill, LABEL=stop or LABEL=slow");
                (label, Some(known.ok_or_else(wrong)?))
            }
        };
        if label.is_empty() {
            return Err(
                "give a label, such as ringway.commit-before, or ringway.* for all that begin so"
                    .to_owned(),
            );
        }
        let label = label.to_owned();
        Ok(Self { label, fault })
    }

    fn means(&self, label: &str) -> bool {
        match self.label.strip_suffix('*') {
            Some(beginning) => label.starts_with(beginning),
            None => label == self.label,
        }
    }
}

/// What became of one label.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) passed: u64,
    pub(super) hit: u64,
    /// The pass at which it is hit next; `None`: no more.
    due: Option<u64>,
    /// It was seen when the command had been told to end, and not before: it could not be hit.
    late: bool,
    fault: Option<Fault>,
    random: SmallRng,
}

/// All labels that were seen.
#[derive(Debug)]
pub(super) struct Steps {
    asked: Vec<Asked>,
    /// How often each is hit. Zero: none is.
    each: u64,
    /// Each hit is at one of so many passes.
    within: u64,
    manner: Manner,
    seed: u64,
    seen: BTreeMap<String, Step>,
}

impl Steps {
    /// `asked`: which labels; none means every one.
    pub(super) fn new(asked: &[Asked], each: u64, within: u64, manner: Manner, seed: u64) -> Self {
        Self {
            asked: asked.to_vec(),
            each,
            within,
            manner,
            seed,
            seen: BTreeMap::new(),
        }
    }

    /// Somebody has come to a step. `free`: a fault may be made now; one that is due and may not is due at the next pass.
    pub(super) fn pass(&mut self, label: &str, free: bool) -> Option<Drawn> {
        if !self.seen.contains_key(label) {
            let step = self.first(label);
            self.seen.insert(label.to_owned(), step);
        }
        let step = self.seen.get_mut(label)?;
        step.passed += 1;
        if !free || step.due.is_none_or(|due| step.passed < due) {
            return None;
        }
        step.hit += 1;
        let next = step.passed + step.random.random_range(1..=self.within);
        step.due = (step.hit < self.each).then_some(next);
        Some(self.manner.draw(step.fault, &mut step.random))
    }

    /// Somebody has come to a step on the way out, where nothing is hit any more.
    pub(super) fn pass_late(&mut self, label: &str) {
        if !self.seen.contains_key(label) {
            let step = Step {
                late: true,
                ..self.first(label)
            };
            self.seen.insert(label.to_owned(), step);
        }
        self.pass(label, false);
    }

    fn first(&self, label: &str) -> Step {
        // What says most of a label decides: its name, then the longest beginning of it.
        let asked = self.asked.iter().filter(|asked| asked.means(label));
        let asked = asked.max_by_key(|asked| (asked.label == label, asked.label.len()));
        let meant = self.each > 0 && (self.asked.is_empty() || asked.is_some());
        // Each label has chances of its own, so that it does not matter which one comes first.
        let mut random = SmallRng::seed_from_u64(self.seed ^ hash(label));
        let due = random.random_range(1..=self.within);
        Step {
            passed: 0,
            hit: 0,
            due: meant.then_some(due),
            late: false,
            fault: asked.and_then(|asked| asked.fault),
            random,
        }
    }

    /// The labels of `--at` that were not hit as often as asked.
    pub(super) fn unmet(&self) -> Vec<&str> {
        let met = |asked: &&Asked| {
            let mut labels = self
                .seen
                .iter()
                .filter(|(label, step)| asked.means(label) && !step.late)
                .peekable();
            labels.peek().is_some() && labels.all(|(_, step)| step.hit >= self.each)
        };
        let unmet = self.asked.iter().filter(|asked| !met(asked));
        unmet.map(|asked| asked.label.as_str()).collect()
    }

    /// Whether nothing is left to do of what was seen. Of labels that nobody has named nobody knows whether more will come.
    pub(super) fn are_done(&self) -> bool {
        !self.asked.is_empty() && self.unmet().is_empty()
    }

    pub(super) fn seen(&self) -> &BTreeMap<String, Step> {
        &self.seen
    }
}

/// FNV-1a: the same in every build.
fn hash(label: &str) -> u64 {
    label.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::super::plan;
    use super::*;

    fn steps(asked: &[&str], each: u64, within: u64) -> Steps {
        let asked: Vec<Asked> = asked
            .iter()
            .map(|text| Asked::parse(text).unwrap())
            .collect();
        Steps::new(&asked, each, within, plan::manner(), 7)
    }

    /// The passes, of a hundred, at which a label is hit.
    fn hits(steps: &mut Steps, label: &str) -> Vec<usize> {
        (1..=100)
            .filter(|_| steps.pass(label, true).is_some())
            .collect()
    }

    #[test]
    fn each_label_is_hit_so_often_and_no_more() {
        let mut steps = steps(&[], 3, 10);
        let (one, two) = (hits(&mut steps, "one"), hits(&mut steps, "two"));
        assert_eq!((one.len(), two.len()), (3, 3));
        assert_ne!(one, two, "each has its own chances");
        assert!(one[0] <= 10 && one[1] - one[0] <= 10 && one[2] - one[1] <= 10);
        assert_eq!(steps.seen()["one"].passed, 100);
        assert!(!steps.are_done(), "a third one may come");
    }

    #[test]
    fn only_what_is_named_is_hit_and_what_was_not_is_told() {
        let mut steps = steps(&["a.*=stop", "b"], 2, 1);
        assert!(hits(&mut steps, "c").is_empty());
        assert_eq!(steps.unmet(), ["a.*", "b"]);
        assert_eq!(steps.pass("a.x", true).unwrap().fault, Fault::Stop);
        assert_eq!(hits(&mut steps, "b"), [1, 2]);
        assert_eq!(steps.unmet(), ["a.*"]);
        assert_eq!(hits(&mut steps, "a.x"), [1]);
        assert!(steps.are_done());
        steps.pass("a.y", false);
        assert_eq!(steps.unmet(), ["a.*"], "one more that it means");
    }

    #[test]
    fn what_is_first_seen_on_the_way_out_is_asked_for_by_its_name_alone() {
        let mut steps = steps(&["a.*", "b"], 1, 1);
        assert_eq!(hits(&mut steps, "a.x"), [1]);
        for label in ["a.close", "b"] {
            steps.pass_late(label);
            steps.pass_late(label);
            assert_eq!(
                (steps.seen()[label].passed, steps.seen()[label].hit),
                (2, 0)
            );
        }
        assert_eq!(steps.unmet(), ["b"]);
        steps.pass_late("a.x");
        assert_eq!(steps.unmet(), ["b"], "it was hit before");
    }

    #[test]
    fn what_says_most_of_a_label_decides_in_any_order() {
        for asked in [
            ["a.*=stop", "a.b*=slow", "a.b.c=kill"],
            ["a.b.c=kill", "a.b*=slow", "a.*=stop"],
        ] {
            let mut steps = steps(&asked, 1, 1);
            for (label, fault) in [
                ("a.b.c", Fault::Kill),
                ("a.b.d", Fault::Slow),
                ("a.c", Fault::Stop),
            ] {
                assert_eq!(steps.pass(label, true).unwrap().fault, fault, "{label}");
            }
        }
    }

    #[test]
    fn a_hit_that_cannot_be_made_now_is_made_at_the_next_pass() {
        let mut steps = steps(&["a"], 1, 1);
        assert_eq!(steps.pass("a", false), None);
        assert!(steps.pass("a", true).is_some());
    }

    #[test]
    fn what_is_asked_for_is_read_and_nonsense_is_not() {
        let asked = Asked::parse("a=b=kill").unwrap();
        assert_eq!(
            (asked.label.as_str(), asked.fault),
            ("a=b", Some(Fault::Kill))
        );
        for wrong in ["", "=kill", "a=maim", "a="] {
            assert!(Asked::parse(wrong).is_err(), "{wrong}");
        }
    }
}
