//! Round trips with a time to think between them: what is measured is how the two sides wait.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::prctl::set_timerslack;
use nix::time::{ClockId, clock_gettime};
use ringway::Config;
use zerocopy::IntoBytes;

use super::super::kit::Side;
use super::super::meter::{Meter, Percentiles, Sample};
use super::super::pattern::{Broadcast, Mixed, Pattern};
use super::super::work::{Link, Pass, Work};
use super::super::{Failure, fail};
use super::Duplex;

/// Words of a message.
const WORDS: usize = 8;
/// A pause of this length or more is slept by a timer; a shorter one is waited for at the clock.
const SLEPT: Duration = Duration::from_micros(100);

/// One end. The lead thinks before each request, and the other side waits meanwhile.
#[derive(Debug)]
pub(crate) struct Thinking {
    link: Duplex,
    pause: Duration,
    turn: u64,
    /// How long every timed round trip took, in nanoseconds, all batches together: in a long pause there are few in a batch.
    each: Vec<u64>,
}

impl Thinking {
    pub(crate) fn new(
        config: &Config,
        pause: Duration,
        address: &Path,
        side: Side,
    ) -> Result<Self, Failure> {
        // A timer may otherwise come 50 us late.
        set_timerslack(1)?;
        Ok(Self {
            link: Duplex::new(config, address, side)?,
            pause,
            turn: 0,
            each: Vec::new(),
        })
    }

    /// One request and its reply.
    #[inline(always)]
    fn ask(&mut self, pattern: &impl Pattern) {
        let mut words = [0; WORDS];
        pattern.fill(&mut words, self.turn);
        self.link.send(words.as_bytes());
        self.link.recv(words.as_mut_bytes());
        if !pattern.matches(&words, !self.turn) {
            fail(&"a reply is not what was sent");
        }
        self.turn += 1;
    }

    #[inline(always)]
    fn answer(&mut self, count: u64, pattern: &impl Pattern) {
        let mut words = [0; WORDS];
        for _ in 0..count {
            self.link.recv(words.as_mut_bytes());
            if !pattern.matches(&words, self.turn) {
                fail(&"a message is not what was sent");
            }
            pattern.fill(&mut words, !self.turn);
            self.link.send(words.as_bytes());
            self.turn += 1;
        }
    }

    /// `count` requests, each behind a pause. Processor time is that of the requests alone: thinking takes what it takes, however one waits.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts and times of a batch are far below 2^52"
    )]
    fn think_and_ask(&mut self, count: u64) -> Sample {
        let meter = Meter::start();
        let first = self.each.len();
        let (mut thought, mut waited) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..count {
            let slept = self.pause >= SLEPT;
            if slept {
                std::thread::sleep(self.pause);
            } else {
                thought += look_at_the_clock(self.pause);
            }
            let before = slept.then(thread_time);
            let started = Instant::now();
            self.ask(&Broadcast);
            let took = started.elapsed();
            waited += before.map_or(Duration::ZERO, |before| {
                thread_time().saturating_sub(before)
            });
            self.each
                .push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        }
        let sample = meter.stop();
        let cpu = if self.pause >= SLEPT {
            waited.as_secs_f64() * 1e9
        } else {
            (sample.cpu_nanos - thought.as_secs_f64() * 1e9).max(0.0)
        };
        let p50 = Percentiles::of(&mut self.each[first..].to_vec()).map_or(0.0, |batch| batch.p50);
        Sample {
            nanos: p50 * count as f64,
            cpu_nanos: cpu,
            percentiles: Percentiles::of(&mut self.each.clone()),
            ..sample
        }
    }
}

/// Thinks for `pause` without leaving the processor, and says how long it was.
fn look_at_the_clock(pause: Duration) -> Duration {
    let began = Instant::now();
    loop {
        let thought = began.elapsed();
        if thought >= pause {
            return thought;
        }
        std::hint::spin_loop();
    }
}

/// User and system time of this thread so far.
fn thread_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

impl Work for Thinking {
    fn lead(&mut self, count: u64, pass: Pass) -> Sample {
        match pass {
            Pass::Check => {
                (0..count).for_each(|_| self.ask(&Mixed));
                Sample::default()
            }
            Pass::Batch => self.think_and_ask(count),
            // What is learned behind the check, before anything counts.
            Pass::Each => {
                let sample = self.think_and_ask(count);
                self.each.clear();
                sample
            }
        }
    }

    fn follow(&mut self, count: u64, pass: Pass) -> Sample {
        if pass == Pass::Check {
            self.answer(count, &Mixed);
            return Sample::default();
        }
        let meter = Meter::start();
        self.answer(count, &Broadcast);
        meter.stop()
    }

    fn tune(&mut self, _: u32) {}

    fn idle(&mut self, time: Duration) {
        self.link.idle(time);
    }
}
