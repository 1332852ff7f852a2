//! What a victim does with a connection whose peer lies: everything that there is, in any order.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ringway::{
    Arm, Connection, Event, Listener, Poller, Receiver, RecvError, SendError, Sender, Violation,
};

use super::kinds;
use crate::random::Random;

/// Calls in a life whose peer breaks no rule that is noticed, and those behind the end of both halves.
pub(super) const CALLS: usize = 250;
const AFTER: usize = 20;
/// A call waits for so long at most.
const PATIENCE: Duration = Duration::from_micros(100);

/// How connections ended, and what came before that.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// Ended halves, by the name of the broken rule, or by the goodbye that was said.
    pub(super) named: BTreeMap<&'static str, u64>,
    /// Halves that saw no rule broken before the victim had enough.
    pub(super) unbroken: u64,
    pub(super) lives: u64,
    pub(super) received: u64,
    pub(super) bytes: u64,
    pub(super) sent: u64,
    /// Lives of a sender that was shared, and of one that batched.
    pub(super) shared: u64,
    pub(super) batched: u64,
    /// Messages that were valid, and frames that were none.
    pub(super) messages: u64,
    pub(super) invalid: u64,
}

fn name(violation: Violation) -> &'static str {
    match violation {
        Violation::FrameTooLong { .. } => "FrameTooLong",
        Violation::UnknownFlags { .. } => "UnknownFlags",
        Violation::PadWithoutFrame => "PadWithoutFrame",
        Violation::ExtensionTooShort { .. } => "ExtensionTooShort",
        Violation::ReleasedOutOfRange { .. } => "ReleasedOutOfRange",
        Violation::ReleasedInsideFrame { .. } => "ReleasedInsideFrame",
        other => panic!("{other:?} is no rule that ends a half"),
    }
}

/// One half's end: final, and named.
#[derive(Debug)]
pub(super) struct End<E>(pub(super) Option<E>);

impl<E: Copy + PartialEq + core::fmt::Debug> End<E> {
    /// What ends a half for good; `None`: nothing does.
    pub(super) fn heed(&mut self, outcome: Option<E>) {
        match (outcome, self.0) {
            (Some(end), Some(before)) => assert_eq!(end, before, "an end is final"),
            (Some(end), None) => self.0 = Some(end),
            (None, _) => {}
        }
    }
}

pub(super) fn ends_receiver(error: RecvError) -> Option<RecvError> {
    match error {
        RecvError::Empty | RecvError::TimedOut | RecvError::Truncated { .. } => None,
        RecvError::Closed | RecvError::Protocol(_) => Some(error),
        other => panic!("{other:?}: the liar is there and has its line"),
    }
}

pub(super) fn ends_sender(error: SendError) -> Option<SendError> {
    match error {
        SendError::Full
        | SendError::TimedOut
        | SendError::TooLarge { .. }
        | SendError::Expired
        | SendError::QueueTooLong => None,
        SendError::Closed | SendError::Protocol(_) => Some(error),
        other => panic!("{other:?}: the liar is there and has its line"),
    }
}

impl Ends {
    pub(super) fn add(&mut self, sender: Option<SendError>, receiver: Option<RecvError>) {
        self.lives += 1;
        let names = [
            sender.map(|end| match end {
                SendError::Protocol(violation) => name(violation),
                _ => "goodbye",
            }),
            receiver.map(|end| match end {
                RecvError::Protocol(violation) => name(violation),
                _ => "goodbye",
            }),
        ];
        for name in names {
            match name {
                Some(name) => *self.named.entry(name).or_default() += 1,
                None => self.unbroken += 1,
            }
        }
    }
}

pub(super) fn soon() -> Instant {
    Instant::now() + PATIENCE
}

/// A life: any calls, until both halves have ended or there were enough. The listener is served meanwhile, for those who read along.
pub(super) fn live(
    connection: Connection,
    mut listener: Option<&mut Listener>,
    random: &mut Random,
    ends: &mut Ends,
) {
    match random.next() % 8 {
        0..=1 => return polled(connection, random, ends),
        2 => return kinds::shared(connection, random, ends),
        3 => return kinds::batched(connection, random, ends),
        _ => {}
    }
    let (mut sender, mut receiver) = connection.split();
    let (mut sends, mut receives) = (End(None), End(None));
    let mut buffer = vec![0; 4 * receiver.capacity()];
    let mut after = 0;
    for call in 0..CALLS {
        if call % 64 == 0 {
            if let Some(door) = listener.as_deref_mut() {
                // The liar has one connection at a time.
                assert!(door.try_accept().unwrap().is_none());
            }
        }
        let outcome = receive(&mut receiver, random, &mut buffer, ends);
        receives.heed(outcome.err().and_then(ends_receiver));
        let outcome = send(&mut sender, random, &buffer, ends);
        sends.heed(outcome.err().and_then(ends_sender));
        if sends.0.is_some() && receives.0.is_some() {
            after += 1;
            if after > AFTER {
                break;
            }
        }
    }
    ends.add(sends.0, receives.0);
}

/// The bytes of a frame leave the ring whole, whatever its header says.
fn took(length: usize, ring: usize, ends: &mut Ends) {
    // Where the bound is left out, the page behind the ring is to find that, and not this look.
    let is_planted = cfg!(ringway_planted = "far_frame");
    assert!(
        length < ring || is_planted,
        "a frame of {length} bytes of a ring of {ring}"
    );
    ends.received += 1;
    ends.bytes += length as u64;
}

pub(super) fn receive(
    receiver: &mut Receiver,
    random: &mut Random,
    buffer: &mut [u8],
    ends: &mut Ends,
) -> Result<(), RecvError> {
    let ring = receiver.capacity();
    match random.next() % 12 {
        0..=2 => {
            let frame = receiver.try_recv()?;
            took(frame.to_vec().len(), ring, ends);
        }
        3..=4 => {
            let length = receiver.try_recv_into(buffer)?;
            took(length, ring, ends);
        }
        5 => {
            let frame = receiver.recv_deadline(soon())?;
            took(frame.copy_to(buffer), ring, ends);
        }
        6 => {
            // Follows what is announced.
            let length = receiver.recv_into_deadline(buffer, soon())?;
            took(length, ring, ends);
        }
        7 => {
            let mut frames = receiver.try_recv_batch(16)?;
            while let Some(frame) = frames.next_frame() {
                took(frame.copy_to(buffer), ring, ends);
            }
        }
        8 => {
            receiver.hold(true);
            let first = receiver.try_recv().map(|frame| frame.position());
            receiver.rewind();
            let again = receiver.try_recv().map(|frame| frame.position());
            if let (Ok(first), Ok(again), 1) = (first, again, receiver.priorities()) {
                // The same, or what is left of it: it may have become a pad, or have expired.
                assert!(first <= again, "{first} and then {again}");
            }
            receiver.hold(false);
            receiver.rewind();
            again?;
        }
        9 => {
            if receiver.arm()? == Arm::Ready {
                let frame = receiver.try_recv()?;
                took(frame.to_vec().len(), ring, ends);
            }
        }
        10 => {
            let small = &mut buffer[..7];
            receiver.try_recv_into(small)?;
        }
        _ => receiver.drop_expired(random.next() % 2 == 0).unwrap(),
    }
    Ok(())
}

fn send(
    sender: &mut Sender,
    random: &mut Random,
    bytes: &[u8],
    ends: &mut Ends,
) -> Result<(), SendError> {
    let length = match random.next() % 32 {
        0 => sender.max_payload(),
        1 => random.next() as usize % sender.capacity(),
        _ => random.next() as usize % 200,
    };
    let length = length.min(sender.max_payload());
    let payload = &bytes[..length];
    match random.next() % 10 {
        0..=3 => sender.try_send(payload)?,
        4 => sender.send_deadline(payload, soon())?,
        5 => {
            let mut group = sender.group();
            for _ in 0..4 {
                group.try_send(&payload[..length.min(64)])?;
            }
            group.publish();
        }
        6 => sender.try_reserve(length)?.commit_len(length / 2),
        7 => {
            let last = sender.priorities() - 1;
            sender.at(last)?.try_send(payload)?;
        }
        8 => sender.try_send_expiring(payload, soon())?,
        _ => return sender.check(),
    }
    ends.sent += 1;
    Ok(())
}

/// The same in a poller.
fn polled(connection: Connection, random: &mut Random, ends: &mut Ends) {
    let mut poller: Poller = Poller::new().unwrap();
    let token = poller.add(connection).unwrap();
    let (mut sends, mut buffer) = (End(None), vec![0; 4096]);
    for _ in 0..CALLS / 4 {
        match poller.event_deadline(soon()).unwrap() {
            Some(Event::Ready(mut turn)) => {
                while turn.more() {
                    let (sender, receiver) = turn.halves();
                    let ring = receiver.capacity();
                    if let Ok(frame) = receiver.try_recv() {
                        took(frame.to_vec().len(), ring, ends);
                    }
                    let outcome = sender.try_send(&buffer[..random.next() as usize % 200]);
                    ends.sent += u64::from(outcome.is_ok());
                    sends.heed(outcome.err().and_then(ends_sender));
                }
            }
            Some(Event::Ended(ended)) => {
                let end = ends_receiver(ended.end);
                assert!(end.is_some(), "{:?}", ended.end);
                let mut left = ended.polled;
                let again = left.receiver().try_recv_into(&mut buffer).map(drop);
                if again == Err(ended.end) {
                    return ends.add(sends.0, end);
                }
                // The half that sends found the rule broken, while it waited for room: that is final for that half.
                let Some(RecvError::Protocol(violation)) = end else {
                    panic!("{end:?} and then {again:?}");
                };
                let outcome = left.sender().try_send(&[]);
                assert_eq!(outcome, Err(SendError::Protocol(violation)));
                return ends.add(Some(SendError::Protocol(violation)), None);
            }
            Some(other) => panic!("{other:?}"),
            None => {
                poller.until_room(token, random.next() as usize % 200);
            }
        }
    }
    ends.add(sends.0, None);
}
