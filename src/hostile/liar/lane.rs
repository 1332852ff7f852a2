//! What a liar does with a lane: as an honest peer, and not.

use super::{Liar, Word};
use crate::hostile::{EXPIRING, FRAME, PAD};
use crate::layout::header::Header;

/// Payload words that are written of a frame: the rest is what an earlier frame left there.
const WRITTEN: u64 = 4;

/// What a liar knows of a lane, as the honest peer that it might be.
#[derive(Debug)]
pub(super) struct Lane {
    /// Where its ring lies in the victim's segment, and the bytes of that.
    place: usize,
    ring: u64,
    /// Where the next frame begins.
    pub(super) tail: u64,
    /// Where the last one did.
    last: u64,
    /// How far the victim's frames were read.
    pub(super) read: u64,
    /// Until so many words are written, nothing is released: what was said stays said, for the victim looks at it rarely.
    mute: u64,
}

impl Lane {
    pub(super) fn new(number: usize, first: usize, ring: usize) -> Self {
        Self {
            place: first + number * ring,
            ring: ring as u64,
            tail: 0,
            last: 0,
            read: 0,
            mute: 0,
        }
    }
}

impl Liar<'_> {
    /// Whether so many bytes can be written behind the tail, by what the victim says that it has released.
    fn fits(&self, lane: usize, length: u64) -> bool {
        let released = self.shown.get(Word::Released(lane).offset());
        let tail = self.lanes[lane].tail;
        tail + length + 8 <= released + self.own.capacity() as u64
    }

    fn at(&self, lane: usize, position: u64) -> usize {
        self.own.at(lane, position as usize)
    }

    /// A payload length: mostly short, or as long as there may be one.
    fn length(&mut self) -> u64 {
        let ring = self.own.capacity() as u64;
        let length = match self.dice.below(16) {
            0 => 0,
            1 => self.dice.below(ring / 2),
            2 => ring - ring / 8 - 16,
            _ => self.dice.below(200),
        };
        length.max(self.least)
    }

    /// A frame in order: terminator, payload, header.
    pub(super) fn frame(&mut self, lane: usize) {
        let payload = self.length();
        let expires = payload >= 8 + self.least && self.dice.below(8) == 0;
        let header = Header::frame(payload as u32, self.dice.below(1 << 16) as u16);
        let length = header.length();
        if !self.fits(lane, length) {
            return self.scribble(lane);
        }
        let tail = self.lanes[lane].tail;
        self.write(self.at(lane, tail + length), 0);
        for word in 0..(payload / 8).min(WRITTEN) {
            let value = self.dice.next();
            self.write(self.at(lane, tail + 8 + 8 * word), value);
        }
        let expiring = EXPIRING & !FRAME;
        let header = header.0 | if expires { expiring } else { 0 };
        self.write(self.at(lane, tail), header);
        self.lies.frames += 1;
        self.lanes[lane].last = tail;
        self.lanes[lane].tail = tail + length;
    }

    /// A pad and the frame behind it, published by one store.
    pub(super) fn pad(&mut self, lane: usize) {
        let pad = 8 * (1 + self.dice.below(16));
        let payload = self.dice.below(64).max(self.least);
        let header = Header::frame(payload as u32, 0);
        let length = pad + header.length();
        if !self.fits(lane, length) {
            return self.release(lane);
        }
        let tail = self.lanes[lane].tail;
        self.write(self.at(lane, tail + length), 0);
        self.write(self.at(lane, tail + pad), header.0);
        self.write(self.at(lane, tail), Header::pad(pad).0);
        self.lies.frames += 1;
        self.lanes[lane].last = tail + pad;
        self.lanes[lane].tail = tail + length;
    }

    /// Reads what the victim has sent, as far as it is there, and says so.
    pub(super) fn release(&mut self, lane: usize) {
        let Lane {
            place, ring, mute, ..
        } = self.lanes[lane];
        if mute > self.lies.words {
            return self.epoch();
        }
        for _ in 0..8 {
            let read = self.lanes[lane].read;
            let header = Header(self.shown.get(place + (read % ring) as usize));
            if header.0 == 0 || header.length() > ring {
                break;
            }
            self.lanes[lane].read = read + header.length();
        }
        self.say(Word::Taken(lane), self.lanes[lane].read);
        self.say(Word::Released(lane), self.lanes[lane].read);
    }

    /// The payload of the last frame changes, which the victim may be reading.
    pub(super) fn scribble(&mut self, lane: usize) {
        let Lane { last, tail, .. } = self.lanes[lane];
        let words = tail.saturating_sub(last + 8) / 8;
        if words > 0 {
            let word = self.dice.below(words);
            let value = self.dice.next();
            self.write(self.at(lane, last + 8 + 8 * word), value);
        } else {
            self.epoch();
        }
    }

    /// How much of a frame is written that may never come.
    pub(super) fn announce(&mut self, lane: usize) {
        let bound = self.own.capacity() as u64;
        let some = self.dice.below(bound) & !7;
        let value = self.near(self.lanes[lane].tail + 8 + some, bound);
        self.say(Word::Announced(lane), value);
    }

    /// What no honest peer writes. Not each is seen: some are mended before the victim looks.
    pub(super) fn break_a_rule(&mut self, lane: usize) {
        self.lies.broken += 1;
        let Lane { tail, last, .. } = self.lanes[lane];
        let ring = self.own.capacity() as u64;
        match self.dice.below(12) {
            0 | 1 => {
                let free = self.shown.get(Word::Released(lane).offset()) + ring - tail;
                let lengths = [free, free - 8, ring, 4 * ring, 1 << 31, u64::from(u32::MAX)];
                let length = lengths[self.dice.below(6) as usize] & u64::from(u32::MAX);
                self.write(self.at(lane, tail), FRAME | length);
            }
            2 => {
                let flags = self.dice.next() & !FRAME | 1;
                self.write(self.at(lane, tail), flags);
            }
            3 => {
                let second = [0, PAD | 8, 1 << 60][self.dice.below(3) as usize];
                self.write(self.at(lane, tail + 16), second);
                self.write(self.at(lane, tail), PAD | 8);
            }
            4 => {
                let length = self.dice.below(8);
                self.write(self.at(lane, tail), EXPIRING | length);
            }
            5 | 6 => {
                // A little less than was read lies inside a frame mostly, and is more than the victim knows of.
                let read = self.lanes[lane].read;
                let value = match self.dice.below(2) {
                    0 => read.wrapping_sub(8 + 8 * self.dice.below(8)),
                    _ => self.near(read, ring),
                };
                self.say(Word::Released(lane), value);
                let scale = self.dice.below(18);
                let words = self.dice.below(1 << scale);
                self.lanes[lane].mute = self.lies.words + words;
            }
            7 => {
                // A header that was committed becomes another.
                let length = self.length();
                self.write(self.at(lane, last), FRAME | length);
            }
            8 => self.write(self.at(lane, last), 0),
            9 => {
                let offset = self.dice.below(ring) & !7;
                let value = self.near(FRAME | 8, ring);
                self.write(self.at(lane, offset), value);
            }
            10 => {
                let (offset, value) = self.past[self.dice.below(super::PAST as u64) as usize];
                self.lies.replayed += 1;
                self.write(offset, value);
            }
            _ if self.dice.below(8) == 0 => {
                let half = self.dice.below(2) as usize;
                let word = [Word::ReceiverEpoch, Word::SenderEpoch][half];
                self.say(word, super::GOODBYE);
            }
            _ => {
                let value = self.near(self.lanes[lane].read, ring);
                self.say(Word::Taken(lane), value);
            }
        }
        // The frame that was last may be none any more.
        let last = &mut self.lanes[lane];
        last.last = last.tail;
    }
}
