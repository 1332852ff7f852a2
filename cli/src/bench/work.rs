//! What a benchmark does, told once for a limit and for Ringway: a [`Link`] moves one message each way, and
//! [`RoundTrip`] and [`Stream`] drive it, fill the messages, check them and read the clock.

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use zerocopy::IntoBytes;

use super::fail;
use super::meter::{Meter, Percentiles, Sample};
use super::pattern::{Broadcast, Buffer, Mixed, Pattern, Stamped};

/// One end of a way to move messages of one size between two processes.
///
/// A failure inside a benchmark ends the process: its parent reports the row as failed.
pub(crate) trait Link {
    /// Sends one message. A link that publishes in groups may keep it back until [`publish`](Self::publish).
    fn send(&mut self, payload: &[u8]);

    /// Waits for one message and copies all of it out.
    fn recv(&mut self, payload: &mut [u8]);

    /// Waits for one message, copies all of it out, into `words` unless the link has a place of its own for it, and asks `check` about it there.
    #[inline(always)]
    fn recv_and_check(&mut self, words: &mut [u64], check: impl FnOnce(&[u64]) -> bool) -> bool {
        self.recv(words.as_mut_bytes());
        check(black_box(words))
    }

    /// Makes everything sent so far visible.
    fn publish(&mut self) {}

    /// Sends `count` messages, filled by `fill` from their index, and publishes them together.
    #[inline(always)]
    fn send_group(&mut self, count: u64, words: &mut [u64], fill: impl Fn(&mut [u64], u64)) {
        for index in 0..count {
            fill(words, index);
            self.send(words.as_bytes());
        }
        self.publish();
    }

    /// Tells the sending side that a whole batch has arrived.
    fn ack(&mut self) {
        self.send(b"received");
        self.publish();
    }

    /// Waits for the other side's [`ack`](Self::ack).
    fn await_ack(&mut self) {
        self.recv(&mut [0; 8]);
    }

    /// Takes one of the parameters that its row tries, the best of which is then used.
    fn tune(&mut self, _choice: u32) {}

    /// Waits for `time` for a message that does not come.
    fn idle(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// How a batch is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Pass {
    /// Not timed; every word of every message is distinct and checked.
    Check,
    /// Timed as a whole.
    Batch,
    /// Every operation is timed by itself. Round trips only; a stream treats it as a batch.
    Each,
}

/// One side of a benchmark, as its process drives it.
pub(crate) trait Work {
    /// The leading side of `count` operations: it reads the clock.
    fn lead(&mut self, count: u64, pass: Pass) -> Sample;
    /// The other side of the same.
    fn follow(&mut self, count: u64, pass: Pass) -> Sample;
    /// See [`Link::tune`].
    fn tune(&mut self, choice: u32);
    /// See [`Link::idle`].
    fn idle(&mut self, time: Duration);
}

/// Operations before the timed part of a batch of `count`: caches, branch predictors and the clock frequency settle.
pub(super) const fn warm_up(count: u64) -> u64 {
    64 + count / 8
}

/// The work, of which the value is the median of what each message took, and not their mean.
#[derive(Debug)]
pub(crate) struct Middle<W>(pub(crate) W);

impl<W: Work> Work for Middle<W> {
    fn lead(&mut self, count: u64, pass: Pass) -> Sample {
        self.0.lead(count, each(pass))
    }

    fn follow(&mut self, count: u64, pass: Pass) -> Sample {
        self.0.follow(count, each(pass))
    }

    fn tune(&mut self, choice: u32) {
        self.0.tune(choice);
    }

    fn idle(&mut self, time: Duration) {
        self.0.idle(time);
    }
}

fn each(pass: Pass) -> Pass {
    match pass {
        Pass::Batch => Pass::Each,
        other => other,
    }
}

/// Message out, message back, one at a time.
#[derive(Debug)]
pub(crate) struct RoundTrip<L, const SIZE: usize> {
    link: L,
    turn: u64,
    buffer: Buffer,
}

impl<L: Link, const SIZE: usize> RoundTrip<L, SIZE> {
    pub(crate) fn new(link: L) -> Self {
        Self {
            link,
            turn: 0,
            buffer: Buffer::new(SIZE),
        }
    }

    /// The lead's `count` exchanges. `each` is told how long every one of them took, if it wants to be.
    #[inline(always)]
    fn ask(&mut self, count: u64, pattern: &impl Pattern, mut each: Option<&mut Vec<u64>>) {
        let words = &mut self.buffer.words()[..SIZE / 8];
        for _ in 0..count {
            let started = each.as_ref().map(|_| Instant::now());
            pattern.fill(words, self.turn);
            black_box(&mut *words);
            self.link.send(words.as_bytes());
            self.link.recv(words.as_mut_bytes());
            black_box(&mut *words);
            if !pattern.matches(words, !self.turn) {
                fail(&"a reply is not what was sent");
            }
            if let (Some(each), Some(started)) = (each.as_mut(), started) {
                each.push(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX));
            }
            self.turn += 1;
        }
    }

    /// The follower's `count` exchanges: every message is answered with its complement.
    #[inline(always)]
    fn answer(&mut self, count: u64, pattern: &impl Pattern) {
        let words = &mut self.buffer.words()[..SIZE / 8];
        for _ in 0..count {
            self.link.recv(words.as_mut_bytes());
            black_box(&mut *words);
            if !pattern.matches(words, self.turn) {
                fail(&"a message is not what was sent");
            }
            pattern.fill(words, !self.turn);
            black_box(&mut *words);
            self.link.send(words.as_bytes());
            self.turn += 1;
        }
    }
}

impl<L: Link, const SIZE: usize> Work for RoundTrip<L, SIZE> {
    fn lead(&mut self, count: u64, pass: Pass) -> Sample {
        match pass {
            Pass::Check => {
                self.ask(count, &Mixed, None);
                Sample::default()
            }
            Pass::Batch => {
                self.ask(warm_up(count), &Broadcast, None);
                let meter = Meter::start();
                self.ask(count, &Broadcast, None);
                meter.stop()
            }
            Pass::Each => {
                let mut each = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
                self.ask(warm_up(count), &Broadcast, None);
                let meter = Meter::start();
                self.ask(count, &Broadcast, Some(&mut each));
                Sample {
                    percentiles: Percentiles::of(&mut each),
                    ..meter.stop()
                }
            }
        }
    }

    fn follow(&mut self, count: u64, pass: Pass) -> Sample {
        if pass == Pass::Check {
            self.answer(count, &Mixed);
            return Sample::default();
        }
        self.answer(warm_up(count), &Broadcast);
        let meter = Meter::start();
        self.answer(count, &Broadcast);
        meter.stop()
    }

    fn tune(&mut self, choice: u32) {
        self.link.tune(choice);
    }

    fn idle(&mut self, time: Duration) {
        self.link.idle(time);
    }
}

/// One way at full rate, in groups of `GROUP` messages (1: every message is published by itself).
#[derive(Debug)]
pub(crate) struct Stream<L, const SIZE: usize, const GROUP: u64> {
    link: L,
    turn: u64,
    buffer: Buffer,
}

impl<L: Link, const SIZE: usize, const GROUP: u64> Stream<L, SIZE, GROUP> {
    pub(crate) fn new(link: L) -> Self {
        Self {
            link,
            turn: 0,
            buffer: Buffer::new(SIZE),
        }
    }

    #[inline(always)]
    fn pour(&mut self, count: u64, pattern: &impl Pattern) {
        let words = &mut self.buffer.words()[..SIZE / 8];
        let end = self.turn + count;
        while self.turn < end {
            let first = self.turn;
            let group = GROUP.min(end - first);
            if GROUP == 1 {
                pattern.fill(words, first);
                black_box(&mut *words);
                self.link.send(words.as_bytes());
            } else {
                self.link.send_group(group, words, |words, index| {
                    pattern.fill(words, first + index);
                    black_box(words);
                });
            }
            self.turn += group;
        }
        self.link.publish();
        self.link.await_ack();
    }

    #[inline(always)]
    fn drain(&mut self, count: u64, pattern: &impl Pattern) {
        let words = &mut self.buffer.words()[..SIZE / 8];
        for _ in 0..count {
            let turn = self.turn;
            let check = |words: &[u64]| pattern.matches(words, turn);
            if !self.link.recv_and_check(words, check) {
                fail(&"a message is not what was sent");
            }
            self.turn += 1;
        }
        self.link.ack();
    }

    fn pour_timed(&mut self, count: u64, pattern: &impl Pattern) -> Sample {
        self.pour(warm_up(count), pattern);
        let meter = Meter::start();
        self.pour(count, pattern);
        meter.stop()
    }

    fn drain_timed(&mut self, count: u64, pattern: &impl Pattern) -> Sample {
        self.drain(warm_up(count), pattern);
        let meter = Meter::start();
        self.drain(count, pattern);
        meter.stop()
    }
}

/// Messages from this size on are stamped, not rewritten as a whole: filling the source is not what is measured.
pub(super) const LARGE: usize = 16 << 10;

impl<L: Link, const SIZE: usize, const GROUP: u64> Work for Stream<L, SIZE, GROUP> {
    fn lead(&mut self, count: u64, pass: Pass) -> Sample {
        if pass == Pass::Check {
            self.pour(count, &Mixed);
            self.buffer = Buffer::new(SIZE);
            Sample::default()
        } else if SIZE >= LARGE {
            self.pour_timed(count, &Stamped)
        } else {
            self.pour_timed(count, &Broadcast)
        }
    }

    fn follow(&mut self, count: u64, pass: Pass) -> Sample {
        self.buffer.wipe();
        if pass == Pass::Check {
            self.drain(count, &Mixed);
            Sample::default()
        } else if SIZE >= LARGE {
            self.drain_timed(count, &Stamped)
        } else {
            self.drain_timed(count, &Broadcast)
        }
    }

    fn tune(&mut self, choice: u32) {
        self.link.tune(choice);
    }

    fn idle(&mut self, time: Duration) {
        self.link.idle(time);
    }
}
