//! Steps of both halves, and a queue that says what must come out: what the property test draws, and what fuzzed bytes spell.

mod expiring;

use std::collections::VecDeque;
use std::rc::Rc;

use super::pair::{Pair, Receiving, Sending, Tapping};
use super::{Found, Refusal, Slot};
use crate::layout::control::FENCE_MODE;
use crate::layout::geometry::Geometry;
use crate::layout::header::{HEADER, frame_length};
use crate::segment::{ForeignRing, Gate, Ring};
use expiring::{AHEAD, NOW, now};

/// A payload's length: as a number of bytes, or as near as the ring lets it to a boundary.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Size {
    Bytes(usize),
    /// So many bytes below the most that is certain to fit.
    BelowMost(usize),
    /// So that the frame ends so many words from three words before the ring's end on.
    NearWrap(u64),
    /// A part of the most, in 1/1000.
    Part(usize),
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Send(Size),
    /// Reserve with an alignment of `8 << .1`, fill, and commit all but the last bytes.
    Reserve(Size, u32, usize),
    /// Reserve, write, and let it go.
    Abort(Size, u32),
    /// Append so many frames, and publish them; the flag: by sending one more, as if the group's guard had been leaked.
    Group(Vec<Size>, u32, bool),
    /// Read so many frames; the flag: release after each.
    Take(usize, bool),
    /// Read so many frames of a length that is known, and finish with them.
    TakeExact(usize),
    /// Hold frames from now on, or finish with all that are held.
    Hold(bool),
    /// Copy a part from the middle, and leave the frame unread.
    Peek(usize, usize),
    Rewind,
    PublishRelease,
    /// Read so many frames along.
    Tap(usize),
    /// Send a frame that expires so much later, aligned to `8 << .1`; the flag: in place, with the last bytes left away.
    Expiring(Size, u32, u64, bool),
    /// Time passes.
    Pass(u64),
    /// Drop expired frames from now on, or keep them.
    Drop(bool),
}

/// A frame that was published.
#[derive(Clone)]
struct Sent {
    kind: u16,
    payload: Vec<u8>,
    alignment: u64,
    number: u32,
    expires: Option<u64>,
}

pub(crate) struct World {
    geometry: Geometry,
    producer: Sending,
    consumer: Receiving,
    tap: Tapping,
    pair: Rc<Pair>,
    count: u32,
    hold: bool,
    /// Published and not read.
    unread: VecDeque<Sent>,
    /// Read and not finished with.
    read: VecDeque<Sent>,
    /// All that were ever published.
    log: Vec<Sent>,
    seen: u64,
    drops: bool,
    /// The frame that expires and was found last, by its number: it is not judged again.
    spared: u32,
    /// Frames up to this number that were dropped are counted.
    counted: u32,
    dropped: u64,
    /// A frame that expires was the last to be found.
    shut: bool,
}

impl World {
    pub(crate) fn new(pair: Rc<Pair>, geometry: Geometry, fenced: bool) -> Self {
        NOW.set(0);
        let (mut producer, consumer) = pair.halves(&geometry, fenced);
        let tap = pair.tapped(&mut producer);
        Self {
            geometry,
            producer,
            consumer,
            tap,
            pair,
            count: 0,
            hold: false,
            unread: VecDeque::new(),
            read: VecDeque::new(),
            log: Vec::new(),
            seen: 0,
            drops: false,
            spared: 0,
            counted: 0,
            dropped: 0,
            shut: false,
        }
    }

    /// The sender may leave its barriers out from now on, if it makes any.
    pub(crate) fn may_unfence(&mut self) {
        self.producer
            .may_unfence(self.pair.sending.word(FENCE_MODE));
    }

    /// Leaves them out, or not. Returns whether it does: not where it may not.
    pub(crate) fn unfence(&mut self, on: bool) -> bool {
        if on {
            self.producer.unfence();
        } else {
            self.producer.fence_again();
        }
        self.producer.is_unfenced()
    }

    /// A frame was published.
    fn sent(&mut self, frame: Sent) {
        self.log.push(frame.clone());
        self.unread.push_back(frame);
    }

    /// Reads along: what is seen is what was sent, by its number.
    fn tap(&mut self) -> bool {
        let mut payload = Vec::new();
        let Some(glimpse) = self.tap.try_next(&mut payload).expect("an honest sender") else {
            return false;
        };
        self.seen += 1;
        let frame = &self.log[self.tap.frames() as usize - 1];
        assert_eq!((glimpse.kind, &payload), (frame.kind, &frame.payload));
        assert_eq!(glimpse.expires, frame.expires);
        assert_eq!(self.seen + self.tap.missed().frames, self.tap.frames());
        true
    }

    fn length(&self, size: Size) -> usize {
        let most = self.geometry.largest_payload() as usize;
        let length = match size {
            Size::Bytes(bytes) => bytes,
            Size::BelowMost(less) => most.saturating_sub(less),
            Size::Part(part) => most * part / 1000,
            Size::NearWrap(words) => {
                let left =
                    self.geometry.capacity - self.producer.published() % self.geometry.capacity;
                (left + words * 8).saturating_sub(3 * 8 + HEADER) as usize
            }
        };
        length.min(most)
    }

    /// A frame that differs from every other.
    fn frame(&mut self, length: usize, alignment: u64) -> Sent {
        self.count += 1;
        let seed = self.count.wrapping_mul(0x9e37_79b9);
        let payload = (0..length)
            .map(|place| (seed.rotate_left(place as u32 % 32) as usize ^ place) as u8 | 1)
            .collect();
        Sent {
            // Half of the frames have the kind that a reader of one kind of frame expects.
            kind: (self.count % 2 * self.count) as u16,
            payload,
            alignment,
            number: self.count,
            expires: None,
        }
    }

    /// Whether the refusal is a true one: the ring is not empty to the sender, or an open group is in the way.
    fn refused(&self, refusal: Refusal, length: usize) {
        assert_eq!(refusal, Refusal::Full, "{length} bytes");
        let caught_up = self.unread.is_empty() && self.read.is_empty();
        assert!(
            !caught_up || self.producer.has_open_group(),
            "all was read, and yet {length} bytes do not fit"
        );
    }

    fn reserve(&mut self, frame: &Sent) -> Option<Slot> {
        match self
            .producer
            .try_reserve(frame.payload.len(), frame.alignment as usize)
        {
            Ok(slot) => {
                let (origin, offset) = slot.payload_place();
                assert_eq!((origin + offset) % frame.alignment, 0);
                self.producer.fill(&slot, &frame.payload);
                Some(slot)
            }
            Err(refusal) => {
                self.refused(refusal, frame.payload.len());
                None
            }
        }
    }

    fn alignment(&self, shift: u32) -> u64 {
        (8u64 << shift).min(u64::from(self.geometry.alignment))
    }

    pub(crate) fn step(&mut self, step: Step) {
        match step {
            Step::Send(size) => {
                let frame = self.frame(self.length(size), 8);
                match self.producer.try_send(&frame.payload, frame.kind) {
                    Ok(_) => self.sent(frame),
                    Err(refusal) => self.refused(refusal, frame.payload.len()),
                }
            }
            Step::Reserve(size, align, less) => {
                let mut frame = self.frame(self.length(size), self.alignment(align));
                if let Some(slot) = self.reserve(&frame) {
                    frame
                        .payload
                        .truncate(frame.payload.len().saturating_sub(less));
                    self.producer
                        .commit(&slot, frame.payload.len() as u32, frame.kind);
                    self.sent(frame);
                }
            }
            Step::Abort(size, align) => {
                let frame = self.frame(self.length(size), self.alignment(align));
                let _ = self.reserve(&frame);
            }
            Step::Expiring(size, align, life, place) => self.expiring(size, align, life, place),
            Step::Pass(time) => NOW.set(now() + time),
            Step::Drop(on) => {
                self.drops = on;
                if on {
                    self.consumer.drop_expired(now, AHEAD);
                } else {
                    self.consumer.keep_expired();
                }
            }
            Step::Group(sizes, align, leak) => self.group(&sizes, align, leak),
            Step::Take(count, release) => (0..count).for_each(|_| self.take(release)),
            Step::TakeExact(count) => (0..count).for_each(|_| self.take_exact()),
            Step::Hold(on) => {
                self.hold = on;
                self.consumer.hold(on);
                if !on {
                    self.release();
                }
            }
            Step::Peek(from, count) => self.peek(from, count),
            Step::Rewind => {
                let back = self.consumer.rewind();
                assert!(back > 0 || self.read.is_empty());
                while let Some(frame) = self.read.pop_back() {
                    self.unread.push_front(frame);
                }
            }
            Step::Tap(count) => {
                let _ = (0..count).all(|_| self.tap());
            }
            Step::PublishRelease => {
                // Also of frames that are held, and while the next one has only been looked at.
                if self.hold {
                    self.release();
                }
                self.consumer.publish_release();
                assert!(!self.consumer.publish_release(), "all was said");
            }
        }
        self.check_tail();
    }

    fn group(&mut self, sizes: &[Size], align: u32, leak: bool) {
        let mut group = Vec::new();
        let before = self.producer.published();
        for size in sizes {
            let frame = self.frame(self.length(*size) / 3, self.alignment(align));
            if let Some(slot) = self.reserve(&frame) {
                self.producer
                    .append(&slot, frame.payload.len() as u32, frame.kind);
                group.push(frame);
            }
            assert_eq!(self.producer.published(), before, "nothing is visible yet");
            self.check_tail();
        }
        if leak {
            let frame = self.frame(self.length(sizes[0]) / 3, 8);
            let sent = self.producer.try_send(&frame.payload, frame.kind);
            assert!(!self.producer.has_open_group());
            for frame in group {
                self.sent(frame);
            }
            match sent {
                Ok(_) => self.sent(frame),
                Err(refusal) => self.refused(refusal, frame.payload.len()),
            }
        } else {
            assert_eq!(self.producer.publish().is_some(), !group.is_empty());
            for frame in group {
                self.sent(frame);
            }
        }
    }

    /// The word at the published tail is zero, whatever has been going on.
    fn check_tail(&self) {
        let ring = self.pair.sending_seen.ring(0, Gate::pair().unwrap().0);
        // SAFETY: the place of a position, which is a multiple of 8.
        let word = unsafe { ring.load(ring.place(self.producer.published())) };
        assert_eq!(word, 0, "the terminator at {}", self.producer.published());
    }

    fn take(&mut self, release: bool) {
        let Some(entry) = self.look() else {
            assert!(self.unread.is_empty(), "{} frames lost", self.unread.len());
            return;
        };
        let frame = self.unread.pop_front().expect("no frame that was not sent");
        assert_eq!(
            (entry.kind(), entry.payload()),
            (frame.kind, frame.payload.len())
        );
        assert_eq!(entry.position % 8, 0);
        assert_eq!(
            (entry.position + HEADER) % frame.alignment,
            0,
            "aligned for the reader too"
        );
        let mut copied = vec![0; frame.payload.len() + 3];
        assert_eq!(
            self.consumer.copy(&entry, 0, &mut copied),
            frame.payload.len()
        );
        assert_eq!(copied[..frame.payload.len()], frame.payload);
        self.consumer.advance(&entry);
        self.read.push_back(frame);
        if release || !self.hold {
            self.release();
        }
    }

    /// Takes the next frame as a reader that knows its length, unless it has a kind, or a pad in front of it.
    fn take_exact(&mut self) {
        let length = self.unread.front().map_or(0, |frame| frame.payload.len());
        let mut wrong = vec![0; length + 1];
        let found = self.consumer.take_exact(&mut wrong);
        assert!(found != Found::Taken, "a frame that is shorter");
        let mut copied = vec![0; length];
        match self.consumer.take_exact(&mut copied) {
            Found::Nothing => assert!(self.unread.is_empty()),
            Found::Taken => {
                let frame = self.unread.pop_front().expect("no frame that was not sent");
                assert_eq!((frame.kind, &frame.payload), (0, &copied));
                self.read.push_back(frame);
                if !self.hold {
                    self.release();
                }
            }
            Found::Other => {
                let alone = self.unread.front().is_some_and(|frame| {
                    frame.kind == 0 && frame.alignment == 8 && frame.expires.is_none()
                });
                // One with which a release is due is left to those that see to that.
                let end = self.consumer.next() + frame_length(length as u64);
                assert!(
                    !alone || end >= self.consumer.due() || self.shut,
                    "an ordinary frame is taken at once"
                );
                self.take(false);
            }
        }
    }

    /// Finishes with all that was read.
    fn release(&mut self) {
        let due = if self.hold {
            self.consumer.release()
        } else {
            self.consumer.is_release_due()
        };
        if due {
            assert!(self.consumer.publish_release());
        }
        self.read.clear();
    }

    fn peek(&mut self, from: usize, count: usize) {
        let Some(entry) = self.look() else {
            assert!(self.unread.is_empty());
            return;
        };
        let frame = self.unread.front().expect("no frame that was not sent");
        let part = frame.payload.get(from..).unwrap_or_default();
        let part = &part[..part.len().min(count)];
        let mut copied = vec![0; count];
        assert_eq!(self.consumer.copy(&entry, from, &mut copied), part.len());
        assert_eq!(&copied[..part.len()], part);
    }

    /// Reads everything; then the largest frame must fit, though the last step of release may be owed.
    pub(crate) fn finish(&mut self) {
        while !self.unread.is_empty() {
            self.take(true);
        }
        self.release();
        let frame = self.frame(
            self.geometry.largest_payload() as usize,
            u64::from(self.geometry.alignment),
        );
        let slot = self.reserve(&frame).expect("the largest frame fits");
        self.producer
            .commit(&slot, frame.payload.len() as u32, frame.kind);
        self.sent(frame);
        self.take(true);
        assert_eq!(self.look(), None);
        self.consumer.publish_release();
        self.producer.reclaim().unwrap();
        assert_eq!(
            self.producer.known_released(),
            self.producer.published(),
            "nothing leaked"
        );
        // Whoever reads along knows of every frame: it saw it, or knows that it did not.
        self.producer.tell();
        while self.tap() {}
        assert_eq!(self.tap.frames(), self.log.len() as u64);
    }
}
