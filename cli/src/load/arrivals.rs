//! When requests are due: fixed before the first is sent, so that a slow service cannot slow its own measurement down.

use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand_distr::{Distribution, Exp};
use serde::{Deserialize, Serialize};

use super::sizes::Sizes;

/// One line of a file to replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Replayed {
    /// Nanoseconds from the start.
    pub(crate) at: u64,
    /// Bytes, where the file says so.
    pub(crate) size: Option<usize>,
}

/// What fixes the times.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Arrivals {
    /// Independent of each other, so many per second on average.
    Poisson(f64),
    /// At equal distances, so many per second.
    Constant(f64),
    /// As recorded.
    Replay(Arc<[Replayed]>),
}

/// A request that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// Nanoseconds from the start.
    pub(crate) at: u64,
    /// Bytes of its payload.
    pub(crate) size: usize,
}

/// One client's part of a load. Clients divide the requests among themselves: the sum is the load that was asked for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) client: u64,
    pub(crate) clients: u64,
    pub(crate) seed: u64,
    /// Nothing is due from here on, in nanoseconds from the start.
    pub(crate) end: u64,
}

/// The requests of one client, in the order in which they are due. The same part has the same ones every time.
#[derive(Debug)]
pub(crate) struct Schedule {
    arrivals: Arrivals,
    sizes: Sizes,
    part: Part,
    turn: u64,
    at: f64,
    gaps: Option<Exp<f64>>,
    /// Apart, so that what one draws does not move the other.
    times: SmallRng,
    lengths: SmallRng,
}

impl Schedule {
    /// Of one client.
    pub(crate) fn new(arrivals: Arrivals, sizes: Sizes, part: Part) -> Self {
        let gaps = match arrivals {
            // A rate that is positive was asked for; `mod.rs` checks it.
            #[expect(clippy::cast_precision_loss, reason = "clients are few")]
            Arrivals::Poisson(rate) => Exp::new(rate / part.clients as f64 / 1e9).ok(),
            _ => None,
        };
        let seeded = |stream: u64| {
            SmallRng::seed_from_u64(
                part.seed ^ (2 * part.client + stream).wrapping_mul(0x9E37_79B9_7F4A_7C15),
            )
        };
        Self {
            gaps,
            times: seeded(0),
            lengths: seeded(1),
            arrivals,
            sizes,
            part,
            turn: 0,
            at: 0.0,
        }
    }
}

impl Iterator for Schedule {
    type Item = Due;

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "times within days, in nanoseconds; never negative"
    )]
    fn next(&mut self) -> Option<Due> {
        let number = self.turn * self.part.clients + self.part.client;
        let (at, size) = match &self.arrivals {
            Arrivals::Poisson(_) => {
                self.at += self.gaps?.sample(&mut self.times);
                (self.at as u64, None)
            }
            Arrivals::Constant(rate) => ((number as f64 * 1e9 / rate) as u64, None),
            Arrivals::Replay(lines) => {
                let line = lines.get(usize::try_from(number).ok()?)?;
                (line.at, line.size)
            }
        };
        if at >= self.part.end {
            return None;
        }
        self.turn += 1;
        let size = size.unwrap_or_else(|| self.sizes.draw(&mut self.lengths));
        Some(Due { at, size })
    }
}

/// Reads a file to replay: a line for each request, with the seconds from the start and, if it likes, the bytes behind it. Empty lines and what
/// follows a `#` mean nothing. Times do not go back.
pub(crate) fn parse(text: &str) -> Result<Arc<[Replayed]>, String> {
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let wrong = |what: &str| format!("line {}: {what}", number + 1);
        let mut words = line.split_whitespace();
        let Some(seconds) = words.next() else {
            continue;
        };
        let at = nanos(seconds).ok_or_else(|| {
            wrong(&format!(
                "{seconds:?} is no number of seconds, such as 0.00125"
            ))
        })?;
        let size = match words.next() {
            None => None,
            Some(bytes) => Some(
                bytes
                    .parse::<u32>()
                    .map_err(|_| wrong(&format!("{bytes:?} is no number of bytes")))?
                    as usize,
            ),
        };
        if words.next().is_some() {
            return Err(wrong("more than seconds and bytes"));
        }
        if lines.last().is_some_and(|last: &Replayed| last.at > at) {
            return Err(wrong("times go back"));
        }
        lines.push(Replayed { at, size });
    }
    if lines.is_empty() {
        return Err("no line with a time".to_owned());
    }
    Ok(lines.into())
}

/// Decimal seconds, to the nanosecond, without the rounding of a float.
fn nanos(seconds: &str) -> Option<u64> {
    let (whole, part) = seconds.split_once('.').unwrap_or((seconds, ""));
    let digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
    if !digits(whole) || !digits(part) || whole.len() + part.len() == 0 || whole.len() > 9 {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let part: u64 = format!("{part:0<9}")[..9].parse().ok()?;
    Some(whole * 1_000_000_000 + part)
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "a test's numbers are small")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(arrivals: &Arrivals, clients: u64, seed: u64, end: u64) -> Vec<Due> {
        let mut all: Vec<Due> = (0..clients)
            .flat_map(|client| {
                let part = Part {
                    client,
                    clients,
                    seed,
                    end,
                };
                Schedule::new(arrivals.clone(), Sizes::Fixed(8), part)
            })
            .collect();
        all.sort_by_key(|due| due.at);
        all
    }

    proptest! {
        #[test]
        fn constant_arrivals_are_divided_and_none_is_lost(rate in 1.0f64..50_000.0, clients in 1u64..20) {
            let end = 1_000_000_000;
            let due = all(&Arrivals::Constant(rate), clients, 1, end);
            let wanted = all(&Arrivals::Constant(rate), 1, 1, end);
            prop_assert_eq!(&due, &wanted);
            prop_assert!((due.len() as f64 - rate).abs() <= 1.0);
        }

        #[test]
        fn poisson_arrivals_have_the_rate_and_spread_that_were_asked_for(seed in any::<u64>(), clients in 1u64..8) {
            // 20,000 on average: the standard deviation of the count is 141, and of the mean gap 0.7 %.
            let due = all(&Arrivals::Poisson(20_000.0), clients, seed, 1_000_000_000);
            prop_assert!((19_000..21_000).contains(&due.len()), "{}", due.len());
            let gaps: Vec<f64> = due.windows(2).map(|two| (two[1].at - two[0].at) as f64).collect();
            let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
            let square = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
            // As much spread as mean: that is what makes it Poisson.
            prop_assert!((square.sqrt() / mean - 1.0).abs() < 0.1, "{} of {mean}", square.sqrt());
        }

        #[test]
        fn a_schedule_is_the_same_every_time_and_never_goes_back(seed in any::<u64>(), client in 0u64..4) {
            let make = || {
                let part = Part { client, clients: 4, seed, end: 50_000_000 };
                Schedule::new(Arrivals::Poisson(40_000.0), Sizes::Uniform(1, 1000), part).collect::<Vec<_>>()
            };
            let once = make();
            prop_assert!(once.windows(2).all(|two| two[0].at <= two[1].at));
            prop_assert!(once.iter().all(|due| due.at < 50_000_000));
            prop_assert_eq!(once, make());
        }

        #[test]
        fn what_is_written_is_replayed(times in proptest::collection::vec((0u64..1 << 50, proptest::option::of(0usize..1 << 20)), 1..50), clients in 1u64..5) {
            let mut lines: Vec<Replayed> = times.into_iter().map(|(at, size)| Replayed { at, size }).collect();
            lines.sort_by_key(|line| line.at);
            let written: Vec<String> = lines.iter().map(|line| {
                let size = line.size.map_or(String::new(), |size| size.to_string());
                format!("{}.{:09} {size} # said\n\n", line.at / 1_000_000_000, line.at % 1_000_000_000)
            }).collect();
            let read = parse(&written.concat()).unwrap();
            prop_assert_eq!(&*read, &lines[..]);
            let due = all(&Arrivals::Replay(read), clients, 1, u64::MAX);
            let wanted: Vec<u64> = lines.iter().map(|line| line.at).collect();
            prop_assert_eq!(due.iter().map(|due| due.at).collect::<Vec<_>>(), wanted);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[0-9a-z.# \n-]{0,80}") {
            let _ = parse(&text);
        }
    }

    #[test]
    fn what_is_no_recording_is_refused_with_its_line() {
        for (text, said) in [
            ("", "no line"),
            ("# nothing\n", "no line"),
            ("0.1\nsoon\n", "line 2"),
            ("-1", "line 1"),
            ("0.5 many", "bytes"),
            ("0.5 1 2", "more than"),
            ("1\n0.5", "line 2: times go back"),
            ("1e3", "line 1"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(said), "{text:?}: {error}");
        }
        assert_eq!(nanos("1.5"), Some(1_500_000_000));
        assert_eq!(nanos(".000000001"), Some(1));
    }
}
