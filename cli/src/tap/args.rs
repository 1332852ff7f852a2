//! The options of `ringway tap`.

use clap::{Args, ValueEnum};

use super::watch::{Format, Wanted};
use crate::exit;
use crate::observer::ObserverArgs;
use crate::options::{deadline_after, parse_seconds};

/// One direction, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Only {
    /// What clients send.
    FromClient,
    /// What clients get.
    ToClient,
    /// All.
    Both,
}

/// Whose processor time is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Priority {
    /// Nobody's: run where no other program wants to (as `chrt --idle` does).
    Idle,
    /// As any program: lose less on a busy machine, and slow the others down.
    Normal,
}

/// Read along what the connections of a listener carry, decoded by the names of the fields, without disturbing either side.
///
/// The listener has to allow it (`Config::allow_tap`). What could not be kept up with is counted.
#[derive(Debug, Args)]
#[command(after_help = exit::TAP_TABLE)]
pub(crate) struct TapArgs {
    #[command(flatten)]
    pub(crate) observer: ObserverArgs,
    /// How messages are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// End after so many messages.
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Show one direction only.
    #[arg(long, value_enum, default_value_t = Only::Both)]
    direction: Only,
    /// Show one message only, given by its name or its number.
    #[arg(long, value_name = "NAME_OR_NUMBER")]
    kind: Option<String>,
    /// End after so long.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    seconds: Option<f64>,
    /// Whose processor time it may take.
    #[arg(long, value_enum, default_value_t = Priority::Idle)]
    priority: Priority,
}

impl TapArgs {
    /// What is to be shown, from now on.
    pub(crate) fn wanted(&self) -> Wanted {
        let direction = match self.direction {
            Only::FromClient => Some("from-client"),
            Only::ToClient => Some("to-client"),
            Only::Both => None,
        };
        Wanted {
            format: self.format,
            count: self.count,
            direction,
            kind: self.kind.clone(),
            until: self.seconds.and_then(deadline_after),
        }
    }

    /// The message that alone is wanted.
    pub(crate) fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// Whether it is to run where no other program wants to.
    pub(crate) fn is_idle(&self) -> bool {
        self.priority == Priority::Idle
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: TapArgs,
    }

    fn given(options: &[&str]) -> Result<TapArgs, clap::Error> {
        let line = [&["tap", "quotes"], options].concat();
        Line::try_parse_from(line).map(|line| line.args)
    }

    #[test]
    fn options_say_what_is_wanted() {
        let plain = given(&[]).unwrap();
        assert!(plain.is_idle());
        let wanted = plain.wanted();
        assert_eq!((wanted.format, wanted.count), (Format::Text, None));
        assert!(wanted.direction.is_none() && wanted.kind.is_none() && wanted.until.is_none());
        let options =
            "--format csv --count 7 --direction to-client --kind 3 --seconds 5 --priority normal";
        let all: Vec<&str> = options.split(' ').collect();
        let all = given(&all).unwrap();
        assert!(!all.is_idle());
        let wanted = all.wanted();
        assert_eq!((wanted.format, wanted.count), (Format::Csv, Some(7)));
        assert_eq!(
            (wanted.direction, wanted.kind.as_deref()),
            (Some("to-client"), Some("3"))
        );
        assert!(wanted.until.is_some_and(|until| until > Instant::now()));
        for bad in [["--count", "0"], ["--format", "xml"], ["--seconds", "-1"]] {
            assert!(given(&bad).is_err(), "{bad:?}");
        }
    }
}
