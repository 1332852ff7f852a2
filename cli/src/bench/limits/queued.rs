//! Messages that were queued on a thousand lanes before anybody reads, and then are read, lane by lane: what is left of a crowd's backlog when
//! nothing is asked but the transfer of its bytes.
//!
//! All of it was written by the other core and read from another place each time, as in Ringway's rings, whose capacity this has: the lines come from where
//! that core's caches have put them, and each lane has a page or two of its own.

use std::hint::black_box;
use std::io;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::{Duration, Instant};

use zerocopy::IntoBytes;

use super::super::fail;
use super::super::kit::{Area, Kit};
use super::super::ours::crowd::{CROWD, Lap, QUEUED};
use super::super::pattern::{Broadcast, Pattern};
use super::control::{Batches, START};
use super::{LINE, copy_in, copy_out, pauses};

/// One lane, as large as Ringway's are in the same row.
const LANE: usize = 8192;
/// A word and a payload.
const SPAN: usize = 8 + LINE;
/// Places in a lane.
const PLACES: u64 = (LANE / SPAN) as u64;
/// Where the word lies that says that all is queued.
const QUEUED_AT: usize = 256;

/// One side.
#[derive(Debug)]
pub(crate) struct Queued {
    control: Area,
    lanes: Vec<Area>,
    /// Messages of each lane so far.
    turn: u64,
    laps: u64,
    read: Batches,
}

impl Queued {
    pub(crate) fn new(kit: &Kit) -> io::Result<Self> {
        let lanes = (0..CROWD).map(|lane| kit.map_at(START + lane * LANE, LANE));
        Ok(Self {
            control: kit.map(START)?,
            lanes: lanes.collect::<io::Result<_>>()?,
            turn: 0,
            laps: 0,
            read: Batches::default(),
        })
    }

    fn place(number: u64) -> usize {
        (number % PLACES) as usize * SPAN
    }
}

impl Lap for Queued {
    fn queue(&mut self) -> Duration {
        let mut words = [0u64; LINE / 8];
        for lane in &self.lanes {
            for number in self.turn..self.turn + QUEUED {
                let offset = Self::place(number);
                Broadcast.fill(&mut words, number);
                // SAFETY: behind the word of a place that was read two laps ago.
                unsafe { copy_in(lane.at(offset + 8), words.as_bytes()) };
                // ORD: limit-queued: publishes the payload; partner: `drain`, in the other process.
                lane.word(offset).store(number + 1, Release);
            }
        }
        self.turn += QUEUED;
        self.laps += 1;
        let started = Instant::now();
        // ORD: limit-queued-lap: behind all messages; partner: `drain`.
        self.control.word(QUEUED_AT).store(self.laps, Release);
        self.read.await_ack(&self.control);
        started.elapsed()
    }

    fn drain(&mut self) {
        self.laps += 1;
        // ORD: limit-queued-lap: the messages are looked at one by one; partner: `queue`.
        while self.control.word(QUEUED_AT).load(Relaxed) != self.laps {
            pauses(1);
        }
        let mut words = [0u64; LINE / 8];
        for lane in &self.lanes {
            for number in self.turn..self.turn + QUEUED {
                let offset = Self::place(number);
                // ORD: limit-queued: observes the payload; partner: `queue`.
                while lane.word(offset).load(Acquire) != number + 1 {
                    pauses(1);
                }
                // SAFETY: the other process wrote these bytes before the word, and writes the place again after a later lap.
                unsafe { copy_out(lane.at(offset + 8), words.as_mut_bytes()) };
                if !Broadcast.matches(black_box(&words), number) {
                    fail(&"a message is not what was sent");
                }
            }
        }
        self.turn += QUEUED;
        self.read.ack(&self.control);
    }
}
