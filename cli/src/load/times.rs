//! When clients are killed and stopped, as it was asked for.

use rand::SeedableRng;
use rand::rngs::SmallRng;

use crate::fault::{Fault, Gaps};

/// Faults per second, over all clients.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Faults {
    pub(crate) kill: f64,
    pub(crate) stop: f64,
}

impl Faults {
    /// Reads `kill=0.1,stop=0.2`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "give faults per second, such as kill=0.1,stop=0.2".to_owned();
        let mut faults = Self::default();
        for part in text.split(',') {
            let (name, rate) = part.split_once('=').ok_or_else(wrong)?;
            let rate: f64 = rate.parse().map_err(|_| wrong())?;
            if !(0.0..=1000.0).contains(&rate) {
                return Err("a rate of faults is from 0 to 1000 per second".to_owned());
            }
            match name {
                "kill" => faults.kill = rate,
                "stop" => faults.stop = rate,
                _ => return Err(wrong()),
            }
        }
        Ok(faults)
    }

    /// When which fault happens, from the start; nothing behind `end`. Drawn as they are asked for: there may be more of them than memory.
    pub(super) fn times(self, end: u64, seed: u64) -> impl Iterator<Item = (u64, Fault)> {
        let of = |rate, fault, stream: u64| {
            let gaps = Gaps::per_second(rate);
            let mut random = SmallRng::seed_from_u64(seed ^ stream);
            let mut at = 0.0;
            let times = std::iter::from_fn(move || {
                at += gaps?.draw(&mut random);
                #[expect(clippy::cast_sign_loss, reason = "times are positive")]
                let time = at as u64;
                (time < end).then_some((time, fault))
            });
            times.fuse().peekable()
        };
        let mut kills = of(self.kill, Fault::Kill, 0xFB);
        let mut stops = of(self.stop, Fault::Stop, 0xFC);
        std::iter::from_fn(move || match (kills.peek(), stops.peek()) {
            (Some((kill, _)), Some((stop, _))) if stop < kill => stops.next(),
            (Some(_), _) => kills.next(),
            (None, _) => stops.next(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_and_nonsense_is_not() {
        let parse = Faults::parse;
        assert_eq!(
            parse("kill=0.1,stop=2"),
            Ok(Faults {
                kill: 0.1,
                stop: 2.0
            })
        );
        assert_eq!(
            parse("stop=1"),
            Ok(Faults {
                kill: 0.0,
                stop: 1.0
            })
        );
        for wrong in ["", "kill", "kill=-1", "kill=NaN", "maim=1", "kill=1e9"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn faults_come_at_their_rate_and_not_behind_the_end() {
        let faults = Faults {
            kill: 10.0,
            stop: 0.0,
        };
        let times: Vec<_> = faults.times(100_000_000_000, 5).collect();
        // 1,000 on average; the standard deviation is 32.
        assert!((850..1150).contains(&times.len()), "{}", times.len());
        assert!(
            times
                .iter()
                .all(|(at, fault)| *at < 100_000_000_000 && *fault == Fault::Kill)
        );
    }

    /// More of them than there is memory for, where somebody asks for years.
    #[test]
    fn faults_are_drawn_as_they_come_in_order_and_the_same_for_the_same_number() {
        let faults = Faults {
            kill: 1000.0,
            stop: 500.0,
        };
        let some = |seed| {
            let times = faults.times(u64::MAX, seed);
            times.take(3000).collect::<Vec<_>>()
        };
        let times = some(7);
        assert!(times.is_sorted_by_key(|(at, _)| *at));
        let stops = times.iter().filter(|(_, fault)| *fault == Fault::Stop);
        // 1,000 on average; the standard deviation is 26.
        assert!((850..1150).contains(&stops.count()));
        assert!(times == some(7) && times != some(8));
        let none = Faults::default();
        assert_eq!(none.times(u64::MAX, 7).next(), None);
    }
}
