//! One client: sends each request when it is due, or as soon after it as there is room, and takes the replies as they come.
//!
//! One thread for both, since that is what a small client is. What is due while the ring is full or nobody is connected stays due: it is sent
//! late, and its latency counts from when it was due.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use ringway::{Config, Receiver, RecvError, SendError, Sender};
use serde::{Deserialize, Serialize};

use super::arrivals::{Arrivals, Part, Schedule};
use super::sizes::Sizes;
use super::tally::{Outcome, Record};
use crate::options::{LARGEST_RING, WaitMode, allowing};

/// All that a client has to know; it may be read by another process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) address: String,
    pub(crate) wait: WaitMode,
    pub(crate) capacity: usize,
    pub(crate) uids: Vec<u32>,
    pub(crate) arrivals: Arrivals,
    pub(crate) sizes: Sizes,
    pub(crate) part: Part,
    /// Requests of the schedule that were somebody else's.
    pub(crate) skip: u64,
    /// The start, on the clock that [`now`] reads.
    pub(crate) epoch: u64,
    /// How long to wait for replies once nothing more is due, in nanoseconds.
    pub(crate) drain: u64,
    /// Whether a reply must be the request.
    pub(crate) verify: bool,
}

impl Spec {
    pub(crate) fn config(&self) -> Config {
        let config = Config::new()
            .wait(self.wait.wait())
            .max_capacity(LARGEST_RING)
            // It has many connections, and waits for none of them by `select`.
            .raise_descriptor_limit(true)
            .capacity(self.capacity)
            .peer_capacity(self.capacity);
        allowing(config, &self.uids)
    }

    /// When nobody waits for a reply any more, on that clock.
    pub(crate) fn last(&self) -> u64 {
        self.epoch
            .saturating_add(self.part.end)
            .saturating_add(self.drain)
    }

    pub(crate) fn schedule(&self) -> Schedule {
        Schedule::new(self.arrivals.clone(), self.sizes.clone(), self.part)
    }
}

/// Nanoseconds on the clock that all processes of the host share.
pub(crate) fn now() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// The moment in nanoseconds on that clock, for calls that take a deadline.
fn instant(moment: u64) -> Instant {
    Instant::now() + Duration::from_nanos(moment.saturating_sub(now()))
}

/// Who hears what became of the requests. In no order that matters.
pub(crate) trait Sink {
    fn add(&mut self, record: Record);
    /// Why there is no connection yet; it is tried again.
    fn trouble(&mut self, why: &str);
    /// There is time to pass on what was added.
    fn idle(&mut self) {}
}

/// A request under way.
#[derive(Clone, Copy, Debug)]
struct Sent {
    number: u64,
    bytes: usize,
    due: u64,
    /// When it was sent.
    at: u64,
}

/// Sent at once at the most, before replies are taken.
const BURST: usize = 64;
/// How long a full ring is left alone: room comes back with the service's next look at it, which wakes nobody who waits for replies.
const FULL: u64 = 50_000;
/// Between two attempts to connect.
const RETRY: Duration = Duration::from_millis(10);
/// A wait from this length on leaves time to pass on results.
const IDLE: u64 = 200_000;

/// Drives one client to the end of its schedule. Every request of it is told to `sink` once.
pub(crate) fn drive(spec: &Spec, sink: &mut impl Sink) {
    let last = spec.last();
    let config = spec.config();
    let mut requests = spec.schedule().enumerate();
    let skip = usize::try_from(spec.skip).unwrap_or(usize::MAX);
    let mut take = || {
        let found = requests.find(|(number, _)| *number >= skip);
        found.map(|(number, due)| Sent {
            number: number as u64,
            bytes: due.size,
            due: spec.epoch.saturating_add(due.at),
            at: 0,
        })
    };
    let mut client = Client {
        next: take(),
        under_way: VecDeque::new(),
        buffer: Vec::new(),
        reply: Vec::new(),
        verify: spec.verify,
        last,
        full: false,
    };
    let mut connection: Option<(Sender, Receiver)> = None;
    while client.next.is_some() || !client.under_way.is_empty() {
        let Some((sender, receiver)) = &mut connection else {
            if now() >= last {
                client.give_up(Outcome::NotConnected, &mut take, sink);
                return;
            }
            // Whoever gives up and comes again stands behind all others: a service with a crowd at its door would see nobody through.
            let patience = Duration::from_nanos(last.saturating_sub(now()));
            let config = config.clone().handshake_timeout(patience);
            match config.connect(spec.address.as_str()) {
                Ok(made) => connection = Some(made.split()),
                Err(error) => {
                    sink.trouble(&error.to_string());
                    std::thread::sleep(RETRY);
                }
            }
            continue;
        };
        let turn = client.turn(sender, receiver, &mut take, sink);
        if let Err(ended) = turn {
            client.fail_sent(ended, sink);
            connection = None;
        }
        if now() >= last {
            // What has come by then has come, wherever the time went.
            let come = connection
                .as_mut()
                .map(|(_, receiver)| client.take_come(receiver, sink));
            if let Some(Err(ended)) = come {
                client.fail_sent(ended, sink);
            }
            client.fail_sent(Outcome::NoReply, sink);
            // Whoever was stopped, or had no processor, has not even tried.
            let outcome = if client.full {
                Outcome::Unsent
            } else {
                Outcome::Idle
            };
            client.give_up(outcome, &mut take, sink);
        }
    }
    sink.idle();
}

#[derive(Debug)]
struct Client {
    /// Due next.
    next: Option<Sent>,
    /// Sent, in order.
    under_way: VecDeque<Sent>,
    buffer: Vec<u8>,
    reply: Vec<u8>,
    verify: bool,
    /// When no reply is waited for any more.
    last: u64,
    /// Whether the last attempt to send found no room.
    full: bool,
}

impl Client {
    /// Sends what is due, takes what has come, and waits for either if there was nothing.
    fn turn(
        &mut self,
        sender: &mut Sender,
        receiver: &mut Receiver,
        take: &mut impl FnMut() -> Option<Sent>,
        sink: &mut impl Sink,
    ) -> Result<(), Outcome> {
        let mut moved = false;
        self.full = false;
        for _ in 0..BURST {
            let time = now();
            // Whoever was stopped, or had no processor, for so long that no reply would be waited for sends no more.
            let due = self
                .next
                .filter(|next| next.due <= time && time < self.last);
            let Some(next) = due else {
                break;
            };
            fill(&mut self.buffer, next.number, next.bytes);
            match sender.try_send(&self.buffer) {
                Ok(()) => self.under_way.push_back(Sent { at: time, ..next }),
                Err(SendError::Full) => {
                    self.full = true;
                    break;
                }
                Err(SendError::TooLarge { .. }) => {
                    sink.add(Record::failed(Outcome::TooLarge, next.due, self.last));
                }
                Err(error) => {
                    self.take_rest(receiver, sink)?;
                    return Err(send_ended(error));
                }
            }
            moved = true;
            self.next = take();
        }
        moved |= self.take_come(receiver, sink)?;
        if moved || (self.next.is_none() && self.under_way.is_empty()) {
            return Ok(());
        }
        let time = now();
        let until = match self.next {
            _ if self.full => time + FULL,
            Some(next) => next.due,
            None => self.last,
        };
        let until = until.min(self.last);
        if until.saturating_sub(time) > IDLE {
            sink.idle();
        }
        match receiver.recv_deadline(instant(until)) {
            Ok(frame) => {
                self.reply.resize(frame.len(), 0);
                frame.copy_to(&mut self.reply);
            }
            Err(RecvError::TimedOut) => return Ok(()),
            Err(error) => return Err(receive_ended(error)),
        }
        self.replied(sink)?;
        // Time may be up by now, and what has come has come.
        self.take_come(receiver, sink).map(drop)
    }

    /// Takes what has come. Returns whether there was something.
    fn take_come(
        &mut self,
        receiver: &mut Receiver,
        sink: &mut impl Sink,
    ) -> Result<bool, Outcome> {
        let mut some = false;
        loop {
            match receiver.try_recv() {
                Ok(frame) => {
                    self.reply.resize(frame.len(), 0);
                    frame.copy_to(&mut self.reply);
                }
                Err(RecvError::Empty) => return Ok(some),
                Err(error) => return Err(receive_ended(error)),
            }
            some = true;
            self.replied(sink)?;
        }
    }

    /// Nothing more can be sent here, and what was sent may be answered all the same: a service that closes has answered before, and one that only takes
    /// no more requests goes on answering.
    fn take_rest(&mut self, receiver: &mut Receiver, sink: &mut impl Sink) -> Result<(), Outcome> {
        while !self.under_way.is_empty() {
            // What is committed is delivered first, and then the end.
            match receiver.recv_deadline(instant(self.last)) {
                Ok(frame) => {
                    self.reply.resize(frame.len(), 0);
                    frame.copy_to(&mut self.reply);
                }
                Err(_) => break,
            }
            self.replied(sink)?;
        }
        Ok(())
    }

    /// The reply to the oldest request has come.
    fn replied(&mut self, sink: &mut impl Sink) -> Result<(), Outcome> {
        let time = now();
        // A reply that nobody asked for: replies can no longer be told apart.
        let Some(sent) = self.under_way.pop_front() else {
            return Err(Outcome::Protocol);
        };
        if self.verify {
            fill(&mut self.buffer, sent.number, sent.bytes);
            if self.buffer != self.reply {
                sink.add(Record::failed(Outcome::Wrong, sent.due, self.last));
                return Ok(());
            }
        }
        sink.add(Record::answered(sent.bytes as u64, sent.due, sent.at, time));
        Ok(())
    }

    /// What was sent is answered no more.
    fn fail_sent(&mut self, outcome: Outcome, sink: &mut impl Sink) {
        for sent in self.under_way.drain(..) {
            sink.add(Record::failed(outcome, sent.due, self.last));
        }
    }

    /// Nothing more is sent.
    fn give_up(
        &mut self,
        outcome: Outcome,
        take: &mut impl FnMut() -> Option<Sent>,
        sink: &mut impl Sink,
    ) {
        while let Some(next) = self.next {
            sink.add(Record::failed(outcome, next.due, self.last));
            self.next = take();
        }
        sink.idle();
    }
}

/// The payload of a request: its number, again and again, as far as it is long.
fn fill(buffer: &mut Vec<u8>, number: u64, bytes: usize) {
    buffer.resize(bytes, 0);
    let number = (number + 1)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .to_le_bytes();
    for piece in buffer.chunks_mut(8) {
        piece.copy_from_slice(&number[..piece.len()]);
    }
}

fn send_ended(error: SendError) -> Outcome {
    match error {
        SendError::PeerDied => Outcome::PeerDied,
        SendError::Closed | SendError::PeerClosed => Outcome::PeerClosed,
        _ => Outcome::Protocol,
    }
}

fn receive_ended(error: RecvError) -> Outcome {
    match error {
        RecvError::PeerDied => Outcome::PeerDied,
        RecvError::Closed | RecvError::PeerClosed => Outcome::PeerClosed,
        _ => Outcome::Protocol,
    }
}

#[cfg(test)]
mod tests;
