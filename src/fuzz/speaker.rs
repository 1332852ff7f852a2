//! The end of a line that keeps no rule: it says anything, cut anywhere, with descriptors of any kind, and knows what of it was taken.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Once;
use std::time::{Duration, Instant};

use zerocopy::FromBytes;

use super::input::Input;
use crate::error::ErrorKind;
use crate::hostile::{
    self, ALL_WORDS, FRAME, Gift, Message, PAD, Segment, readable, receive, send,
};
use crate::layout::geometry::MAX_START;
use crate::layout::handshake::{Reason, Refuse};

/// What is closed on another thread is closed by then, on any machine.
pub(super) const SOON: Duration = Duration::from_secs(30);

/// What an honest peer gives.
pub(super) const ORDERLY: [Gift; 3] = [Gift::Segment, Gift::Bell, Gift::Bell];

pub(super) struct Speaker {
    pub(super) line: OwnedFd,
    /// What the other end has from it, a message each, and what came with it.
    pub(super) said: Vec<(Vec<u8>, Vec<Gift>)>,
    /// What the other end has given: its segment first.
    pub(super) offered: Vec<OwnedFd>,
    /// The segment that it gives, where it writes into that.
    pub(super) own: Option<Segment>,
    /// The reading ends of pipes whose writing ends it gave away.
    pub(super) given: Vec<OwnedFd>,
}

impl Speaker {
    pub(super) fn new(line: OwnedFd) -> Self {
        Self {
            line,
            said: Vec::new(),
            offered: Vec::new(),
            own: None,
            given: Vec::new(),
        }
    }

    pub(super) fn say(&mut self, bytes: &[u8], gifts: &[Gift]) {
        // What it was not given yet it cannot hand back.
        let gifts = gifts.iter().map(|gift| match gift {
            Gift::Returned if self.offered.is_empty() => Gift::Segment,
            gift => *gift,
        });
        let gifts: Vec<Gift> = gifts.collect();
        let files: Vec<OwnedFd> = gifts.iter().map(|gift| self.make(*gift)).collect();
        let raw: Vec<RawFd> = files.iter().map(AsRawFd::as_raw_fd).collect();
        if send(&self.line, bytes, &raw) {
            self.said.push((bytes.to_vec(), gifts));
        }
    }

    /// Makes something to give.
    pub(super) fn make(&mut self, gift: Gift) -> OwnedFd {
        match (gift, &self.own) {
            (Gift::PipeIn, _) => {
                let (end, given) = hostile::pipe();
                self.given.push(end);
                given
            }
            (Gift::Segment, Some(own)) => own.file.try_clone().expect("a descriptor more"),
            (gift, _) => gift.make_of(&self.offered),
        }
    }

    /// A message in two parts.
    pub(super) fn say_cut(&mut self, message: &Message, at: u8) {
        let (first, rest) = message.0.split_at(usize::from(at) % message.0.len());
        self.say(first, &[]);
        self.say(rest, &[]);
    }

    /// Writes a word of its segment: one with a name, or one of a ring.
    pub(super) fn write(&self, input: &mut Input<'_>) {
        let Some(own) = &self.own else {
            return;
        };
        let at = usize::from(input.u8());
        let lane = at / 64 % own.lanes();
        let value = value(input);
        match ALL_WORDS.get(at % 64) {
            Some(word) => own.say(word.of(lane), value),
            None => own.lane(lane, 8 * (at % 64 - ALL_WORDS.len()), value),
        }
    }

    /// The next thing that was said to it. `None`: nothing was, or the other end has gone.
    pub(super) fn hear(&self) -> Option<(Vec<u8>, Vec<OwnedFd>)> {
        if !readable(self.line.as_fd(), 0) {
            return None;
        }
        Some(receive(&self.line)).filter(|(bytes, _)| !bytes.is_empty())
    }
}

/// A word, as like as not one that means something.
pub(super) fn value(input: &mut Input<'_>) -> u64 {
    match input.u8() % 5 {
        0 => u64::from(input.u8()),
        1 => FRAME | u64::from(input.u8()),
        2 => PAD | u64::from(input.u8()),
        3 => MAX_START - u64::from(input.u8()),
        _ => input.u64(),
    }
}

/// A message with some of its bytes changed.
pub(super) fn changed(message: Message, input: &mut Input<'_>) -> Vec<u8> {
    let mut bytes = message.0;
    for _ in 0..input.u8() % 4 {
        let at = usize::from(input.u8()) % bytes.len();
        bytes[at] = input.u8();
    }
    bytes
}

/// One more than any message carries, at most.
pub(super) fn gifts(input: &mut Input<'_>) -> Vec<Gift> {
    let count = usize::from(input.u8() % 5);
    let mut gifts = ORDERLY.to_vec();
    gifts.resize(count, Gift::PipeIn);
    for gift in &mut gifts {
        let number = usize::from(input.u8());
        match Gift::ALL.get(number % 64) {
            // That one makes a process.
            Some(Gift::Dead) | None => {}
            Some(other) => *gift = *other,
        }
    }
    gifts
}

/// It names its reason, in words too.
pub(super) fn is_refusal(bytes: &[u8]) {
    let refuse = Refuse::read_from_bytes(bytes).expect("it has its length");
    assert!(Reason::from_wire(refuse.reason).is_some(), "it has a name");
    assert!(!refuse.text().is_empty());
}

/// A rule of the handshake, or that the other end has gone.
pub(super) fn is_rule(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Version
            | ErrorKind::Feature
            | ErrorKind::Malformed
            | ErrorKind::Descriptors
            | ErrorKind::Segment
            | ErrorKind::Geometry
            | ErrorKind::Schema
            | ErrorKind::PeerGone
    )
}

/// Nobody has what was given away any more.
pub(super) fn is_closed(given: &[OwnedFd]) {
    for end in given {
        soon("a pipe", || is_hung_up(end));
    }
}

/// Whether nobody holds the other end of a pipe.
fn is_hung_up(end: &OwnedFd) -> bool {
    let mut poll = libc::pollfd {
        fd: end.as_raw_fd(),
        events: 0,
        revents: 0,
    };
    // SAFETY: `poll` is one valid entry.
    unsafe { libc::poll(&raw mut poll, 1, 0) == 1 && poll.revents & libc::POLLHUP != 0 }
}

/// What is closed aside takes its time.
pub(super) fn soon(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < end, "{what}: still held");
        std::thread::yield_now();
    }
}

/// Tries an input, behind which the process has no more descriptors and no more memory of others than before.
pub(super) fn keeps_nothing((first, whole): (&Once, &[u8]), run: fn(&[u8]), bytes: &[u8]) {
    // What a process has for all its connections, it has from the first one on.
    first.call_once(|| run(whole));
    let (descriptors, mappings) = held();
    run(bytes);
    soon("descriptors", || held().0 <= descriptors);
    soon("mappings", || held().1 <= mappings);
}

/// How many descriptors and mapped memory files the process has. Where other tests run beside this they have some too, and only pipes and lines are looked at.
fn held() -> (usize, usize) {
    if !cfg!(fuzzing) {
        return (0, 0);
    }
    let descriptors = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mapped = maps.lines().filter(|line| line.contains("/memfd:"));
    (descriptors, mapped.count())
}
