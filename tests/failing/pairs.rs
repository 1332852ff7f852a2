//! Two failures in one run: each that there is first, and behind it each call that is made then, wherever from. Where the first is what ends an attempt,
//! these are few; where it goes on, they are those of the whole attempt, and what it makes instead.

use crate::calls::answers;
use crate::inject::{Manner, Plan};
use crate::series::Series;

/// Two that say of a directory that it is not for us: then names are in another one, and its peer, to whom nobody says so, looks in vain.
const ELSEWHERE: (i64, i32, i64) = (libc::SYS_statx, libc::EACCES, libc::SYS_access);

/// All pairs take long, so they are tried in shares.
#[derive(Clone, Copy)]
pub(crate) struct Share {
    shares: u64,
    /// From 0 on. Behind the last share comes the first again, with other answers of the second call.
    number: u64,
}

impl Share {
    /// `variable`: how many shares there are; `RINGWAY_SEED`: which of them is to be tried, from 1 on. `None`: it is not set.
    pub(crate) fn asked(variable: &str) -> Option<Self> {
        let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
        Some(Self {
            shares: number(variable).filter(|shares| *shares > 0)?,
            number: number("RINGWAY_SEED").unwrap_or(1).saturating_sub(1),
        })
    }

    /// Its part of the (first) failures.
    pub(crate) fn of(self, firsts: Vec<Plan>) -> Vec<Plan> {
        let from = (self.number % self.shares) as usize;
        let its = firsts.into_iter().skip(from);
        its.step_by(self.shares as usize).collect()
    }

    /// Has each call fail that is made behind `first`, once. Returns the faults.
    pub(crate) fn pairs(self, series: &mut Series, first: Plan) -> Vec<String> {
        let mut faults = Vec::new();
        let mut at = (self.number / self.shares) as usize;
        for (number, places) in series.behind(first) {
            let is_absent = first.manner == Manner::Always && number == first.number;
            if is_absent || (first.number, first.errno, number) == ELSEWHERE {
                continue;
            }
            for place in places {
                let answers = answers(number, place.occurrences[0].arguments);
                if answers.is_empty() {
                    continue;
                }
                let errno = answers[at % answers.len()];
                at += 1;
                let second = Plan {
                    instead: series.place(number, place.site).is_none(),
                    ..place.plan(number, 0, errno, Manner::Once)
                };
                faults.extend(series.fault(&[first, second]));
            }
        }
        faults
    }
}
