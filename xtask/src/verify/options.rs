//! What the command line and the environment ask of a run.

use std::env;
use std::time::Duration;

use super::steps::{SHARES, SOAK};
use super::{Step, fuzz, soak};
use crate::arguments;

/// The choices of one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Only these steps, in the order of the list; all of them when empty. `soak:PART` is the step `soak` with that part of it alone, and `fuzz:TARGET` the step `fuzz` with that target.
    only: Vec<String>,
    /// Print the steps and do nothing.
    pub(super) list: bool,
    /// The minutes of what goes on for as long as one likes. Without them the step `soak` is left out; with them the models look deeper too.
    pub(super) long: Option<u64>,
    /// Show what the tools print while they run.
    pub(super) verbose: bool,
    /// Warnings are errors, a missing tool is a failure, `Cargo.lock` must be up to date.
    pub(super) ci: bool,
}

impl Options {
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let ci = env::var("CI").is_ok_and(|value| value == "true" || value == "1");
        let mut options = Self {
            ci,
            verbose: ci,
            ..Self::default()
        };
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            if let Some(names) = arguments::value(word, "--only", &mut rest)? {
                options.only.extend(names.split(',').map(str::to_owned));
            } else if let Some(minutes) = arguments::value(word, "--long", &mut rest)? {
                let minutes = minutes
                    .parse()
                    .ok()
                    .filter(|minutes| (1..=24 * 60).contains(minutes));
                options.long = Some(minutes.ok_or("--long takes minutes, 1 to 1440")?);
            } else if word == "--list" {
                options.list = true;
            } else if word == "--verbose" {
                options.verbose = true;
            } else {
                return Err(format!("`{word}` is not understood here"));
            }
        }
        Ok(options)
    }

    /// The steps to run. A name that is none of theirs is an error: a misspelt step must not pass by not running.
    pub(super) fn choose(&self, all: &'static [Step]) -> Result<Vec<&'static Step>, String> {
        let names = || all.iter().map(|step| step.name).chain(parts());
        if let Some(name) = self.only.iter().find(|name| !names().any(|it| it == *name)) {
            let names: Vec<_> = names().collect();
            return Err(format!(
                "there is no step `{name}`; there are {}",
                names.join(", ")
            ));
        }
        let named = |step: &Step| self.only.iter().any(|name| step_of(name) == step.name);
        if self.long.is_none() && named(&SOAK) {
            return Err(format!("`{}` takes --long=MINUTES", SOAK.name));
        }
        let wanted = |step: &&Step| match &self.only[..] {
            [] => self.long.is_some() || step.name != SOAK.name,
            _ => named(step),
        };
        Ok(all.iter().filter(wanted).collect())
    }

    /// Whether a step, or a part of one, is to run.
    pub(super) fn is_chosen(&self, name: &str) -> bool {
        let named = |only: &String| only == name || only == step_of(name);
        self.only.is_empty() || self.only.iter().any(named)
    }

    /// How much of the minutes is for what takes `percent` of them when everything is chosen: what is not chosen leaves its share to the others.
    pub(super) fn share(&self, percent: u32) -> Option<Duration> {
        let minutes = self.long?;
        let all = SHARES.into_iter().chain(soak::shares());
        let a_part = |name| self.only.iter().any(|only| step_of(only) == name);
        let chosen = all.filter(|(name, _)| self.is_chosen(name) || a_part(*name));
        let percents = chosen.map(|(_, percent)| percent).sum::<u32>();
        Some(Duration::from_secs(60 * minutes) * percent / percents.max(percent))
    }
}

/// What can be chosen of a step.
pub(super) fn parts() -> impl Iterator<Item = &'static str> {
    soak::parts().chain(fuzz::parts())
}

/// The step that a part belongs to, or that is named itself.
fn step_of(name: &str) -> &str {
    name.split_once(':').map_or(name, |(step, _)| step)
}

#[cfg(test)]
mod tests {
    use super::super::steps::ALL;
    use super::*;

    fn parse(words: &[&str]) -> Result<Options, String> {
        Options::parse(&words.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn steps_are_chosen_by_name_in_their_own_order() {
        let chosen = parse(&["--only", "tests,fmt"])
            .unwrap()
            .choose(ALL)
            .unwrap();
        assert_eq!(
            chosen.iter().map(|step| step.name).collect::<Vec<_>>(),
            ["fmt", "tests"]
        );
    }

    #[test]
    fn the_soak_runs_only_when_it_is_told_how_long() {
        let chosen = |words| parse(words).unwrap().choose(ALL).map(|steps| steps.len());
        assert_eq!(chosen(&[]), Ok(ALL.len() - 1));
        assert_eq!(chosen(&["--long=5"]), Ok(ALL.len()));
        assert_eq!(chosen(&["--long=5", "--only=soak"]), Ok(1));
        assert_eq!(chosen(&["--long=5", "--only=fmt"]), Ok(1));
        assert!(chosen(&["--only=soak"]).is_err());
    }

    #[test]
    fn the_shares_are_all_of_the_time() {
        let all = SHARES.into_iter().chain(soak::shares());
        assert_eq!(all.map(|(_, percent)| percent).sum::<u32>(), 100);
    }

    #[test]
    fn what_is_chosen_has_all_of_the_minutes() {
        let minutes = |count: u64| Some(Duration::from_secs(60 * count));
        let share = |words, percent| parse(words).unwrap().share(percent);
        assert_eq!(share(&["--only=fuzz"], 20), None);
        assert_eq!(share(&["--long=100"], 20), minutes(20));
        assert_eq!(share(&["--long=100", "--only=fuzz"], 20), minutes(100));
        assert_eq!(share(&["--long=100", "--only=soak:crash"], 8), minutes(100));
        let both = ["--long=120", "--only=fuzz,mutants,fmt"];
        assert_eq!(share(&both, 20), minutes(80));
        assert_eq!(share(&both, 10), minutes(40));
        let parts = ["--long=60", "--only=fuzz:tap,fuzz:words,mutants"];
        assert_eq!(share(&parts, 20), minutes(40));
    }

    #[test]
    fn a_part_of_the_soak_is_chosen_alone() {
        let options = parse(&["--long=5", "--only=soak:crash"]).unwrap();
        let chosen = options.choose(ALL).unwrap();
        let names: Vec<_> = chosen.iter().map(|step| step.name).collect();
        assert_eq!(names, ["soak"]);
        assert!(options.is_chosen("soak:crash") && !options.is_chosen("soak:parks"));
        let whole = parse(&["--long=5", "--only=soak"]).unwrap();
        assert!(whole.is_chosen("soak:crash") && !whole.is_chosen("fuzz"));
    }

    #[test]
    fn a_target_of_the_fuzzer_is_chosen_alone() {
        let options = parse(&["--only=fuzz:tap,fmt"]).unwrap();
        let chosen = options.choose(ALL).unwrap();
        let names: Vec<_> = chosen.iter().map(|step| step.name).collect();
        assert_eq!(names, ["fmt", "fuzz"]);
        assert!(options.is_chosen("fuzz:tap") && !options.is_chosen("fuzz:words"));
    }

    #[test]
    fn what_is_misspelt_is_refused() {
        assert!(parse(&["--only=fuzz:top"]).unwrap().choose(ALL).is_err());
        assert!(parse(&["--only=fnt"]).unwrap().choose(ALL).is_err());
        let part = parse(&["--long=5", "--only=soak:crush"]).unwrap();
        assert!(part.choose(ALL).is_err());
        assert!(
            parse(&["--only=soak:crash"]).unwrap().choose(ALL).is_err(),
            "for how long?"
        );
        assert!(parse(&["--log=5"]).is_err());
        assert!(parse(&["--long=0"]).is_err());
        assert!(parse(&["--long"]).is_err());
        assert_eq!(parse(&["--long=5"]).unwrap().long, Some(5));
    }

    #[test]
    fn every_step_has_a_name_of_its_own() {
        for (at, step) in ALL.iter().enumerate() {
            assert!(
                ALL[..at].iter().all(|other| other.name != step.name),
                "{}",
                step.name
            );
        }
    }
}
