//! What the command line and the environment ask of a run.

use std::env;

use super::Step;
use super::steps::SOAK;
use crate::arguments;

/// The choices of one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Only these steps, in the order of the list; all of them when empty.
    only: Vec<String>,
    /// Print the steps and do nothing.
    pub(super) list: bool,
    /// Minutes of the step `soak`, which is left out without them; the models look deeper too.
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
        if let Some(name) = self
            .only
            .iter()
            .find(|name| !all.iter().any(|step| step.name == *name))
        {
            let names: Vec<_> = all.iter().map(|step| step.name).collect();
            return Err(format!(
                "there is no step `{name}`; there are {}",
                names.join(", ")
            ));
        }
        let named = |step: &Step| self.only.iter().any(|name| step.name == *name);
        if self.long.is_none() && named(&SOAK) {
            return Err(format!("`{}` takes --long=MINUTES", SOAK.name));
        }
        let wanted = |step: &&Step| match &self.only[..] {
            [] => self.long.is_some() || step.name != SOAK.name,
            _ => named(step),
        };
        Ok(all.iter().filter(wanted).collect())
    }
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
    fn what_is_misspelt_is_refused() {
        assert!(parse(&["--only=fnt"]).unwrap().choose(ALL).is_err());
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
