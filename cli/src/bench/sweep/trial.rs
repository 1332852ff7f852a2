//! What is done for one point of the sweep, with sizes that are known when it runs only.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use ringway::{Config, Wait};
use serde::{Deserialize, Serialize};
use zerocopy::IntoBytes;

use super::super::kit::Side;
use super::super::meter::{Meter, Sample};
use super::super::ours::Duplex;
use super::super::pattern::{Broadcast, Buffer, Mixed, Pattern, Stamped};
use super::super::work::{Link, Pass, Work};
use super::super::{Failure, fail};
use super::unix::{Unix, meet, widen};

/// By what messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Way {
    Ringway,
    /// A Unix socket that keeps no bounds of messages.
    Bytes,
    /// One that does (`SOCK_SEQPACKET`).
    Packets,
    /// One that keeps none, with a buffer as large as Ringway's ring, or as large as is permitted.
    Wide,
}

impl Way {
    /// In words.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Way::Ringway => "ringway",
            Way::Bytes => "stream",
            Way::Packets => "seqpacket",
            Way::Wide => "stream, wide",
        }
    }
}

/// How they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Manner {
    /// One there and one back.
    Single,
    /// One after the other.
    Streamed,
}

/// One point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trial {
    pub(crate) way: Way,
    pub(crate) manner: Manner,
    /// Never sleep: spinning, and for a socket calls that do not wait.
    pub(crate) busy: bool,
    pub(crate) size: usize,
}

/// The ring holds so many messages where they are streamed, and one where one is on its way, if it would not be smaller than by default: what goes through a larger one is in no cache any more when its turn comes again.
const MESSAGES: usize = 4;
const DEFAULT_RING: usize = 256 << 10;
/// From here on the source is stamped, not rewritten as a whole.
const LARGE: usize = 16 << 10;

impl Trial {
    /// Messages before any clock runs.
    pub(crate) fn checked(self) -> u64 {
        self.at_most(200)
    }

    /// No more messages than make 64 MiB, and two at least.
    pub(crate) fn at_most(self, count: u64) -> u64 {
        count.min((64 << 20) / self.size as u64).max(2)
    }

    /// Bytes of Ringway's ring: a power of two.
    fn ring(self) -> usize {
        let bytes = match self.manner {
            // A frame has a header too.
            Manner::Single => self.size + 1,
            Manner::Streamed => MESSAGES * self.size,
        };
        bytes.next_power_of_two().max(DEFAULT_RING)
    }

    /// Sets it up in one of its two processes.
    pub(crate) fn make(self, side: Side, address: &Path) -> Result<Box<dyn Work>, Failure> {
        Ok(match self.way {
            Way::Ringway => {
                let ring = self.ring();
                let config = Config::new()
                    .wait(if self.busy { Wait::Spin } else { Wait::Park })
                    .capacity(ring)
                    .peer_capacity(ring)
                    .prefault(ring > DEFAULT_RING);
                Box::new(Moves::new(Duplex::new(&config, address, side)?, self))
            }
            Way::Bytes | Way::Packets | Way::Wide => {
                let packets = self.way == Way::Packets;
                let socket = meet(packets, address, side)?;
                if self.way == Way::Wide {
                    widen(&socket, self.ring())?;
                }
                Box::new(Moves::new(Unix::new(socket, packets, self.busy), self))
            }
        })
    }
}

/// One side of a trial.
struct Moves<L> {
    link: L,
    trial: Trial,
    turn: u64,
    buffer: Buffer,
}

impl<L: Link> Moves<L> {
    fn new(link: L, trial: Trial) -> Self {
        Self {
            link,
            trial,
            turn: 0,
            buffer: Buffer::new(trial.size.max(8)),
        }
    }

    #[inline(always)]
    fn send(&mut self, pass: Pass, turn: u64) {
        let size = self.trial.size;
        let words = &mut self.buffer.words()[..size.div_ceil(8)];
        match pass {
            Pass::Check => Mixed.fill(words, turn),
            _ if size >= LARGE => Stamped.fill(words, turn),
            _ => Broadcast.fill(words, turn),
        }
        black_box(&mut *words);
        self.link.send(&words.as_bytes()[..size]);
    }

    #[inline(always)]
    fn receive(&mut self, pass: Pass, turn: u64) {
        let size = self.trial.size;
        let words = &mut self.buffer.words()[..size.div_ceil(8)];
        self.link.recv(&mut words.as_mut_bytes()[..size]);
        black_box(&mut *words);
        let right = match pass {
            _ if size < 8 => {
                let mut wanted = [0u64];
                if pass == Pass::Check {
                    Mixed.fill(&mut wanted, turn);
                } else {
                    Broadcast.fill(&mut wanted, turn);
                }
                words.as_bytes()[..size] == wanted.as_bytes()[..size]
            }
            Pass::Check => Mixed.matches(words, turn),
            _ if size >= LARGE => Stamped.matches(words, turn),
            _ => Broadcast.matches(words, turn),
        };
        if !right {
            fail(&"a message is not what was sent");
        }
    }

    #[inline(always)]
    fn run(&mut self, side: Side, count: u64, pass: Pass) {
        for _ in 0..count {
            let turn = self.turn;
            self.turn += 1;
            match (self.trial.manner, side) {
                (Manner::Single, Side::Lead) => {
                    self.send(pass, turn);
                    self.receive(pass, !turn);
                }
                (Manner::Single, Side::Follow) => {
                    self.receive(pass, turn);
                    self.send(pass, !turn);
                }
                (Manner::Streamed, Side::Lead) => self.send(pass, turn),
                (Manner::Streamed, Side::Follow) => self.receive(pass, turn),
            }
        }
        if self.trial.manner == Manner::Streamed {
            match side {
                Side::Lead => self.link.await_ack(),
                Side::Follow => self.link.ack(),
            }
        }
    }

    fn timed(&mut self, side: Side, count: u64, pass: Pass) -> Sample {
        if pass == Pass::Check {
            self.run(side, count, pass);
            // What the check wrote everywhere is not what is stamped.
            self.buffer = Buffer::new(self.trial.size.max(8));
            return Sample::default();
        }
        self.run(side, self.trial.at_most(64) + count / 8, pass);
        let meter = Meter::start();
        self.run(side, count, pass);
        meter.stop()
    }
}

impl<L: Link> Work for Moves<L> {
    fn lead(&mut self, count: u64, pass: Pass) -> Sample {
        self.timed(Side::Lead, count, pass)
    }

    fn follow(&mut self, count: u64, pass: Pass) -> Sample {
        self.timed(Side::Follow, count, pass)
    }

    fn tune(&mut self, _choice: u32) {}

    fn idle(&mut self, time: Duration) {
        self.link.idle(time);
    }
}
