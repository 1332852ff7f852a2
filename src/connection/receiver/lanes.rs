//! A half that receives from several lanes: each call asks which one is next, and goes on with that one at hand.

use std::time::Instant;

use super::{Lane, Others, Receiver};
use crate::connection::outcome::RecvError;
use crate::connection::rest::LIFE_EVERY;
use crate::layout::counters;
use crate::ring::{Entry, Halt, Several};
use crate::sys::cpu;
use crate::wake::ladder::LOOKS_PER_CHECK;

impl Receiver {
    /// With the lanes behind the first one. `bound`: of starvation, in frames.
    pub(crate) fn with_others(mut self, mut others: Vec<Lane>, bound: u32) -> Self {
        if others.is_empty() {
            return self;
        }
        if let Some(slot) = &self.rest.link.kept.slot {
            let lanes = core::iter::once(&mut self.lane).chain(&mut others);
            for (number, lane) in lanes.enumerate() {
                lane.count_into(slot.one_of_lanes(counters::RECEIVES, number));
            }
        }
        let several = Several::new(&mut self.lane, others, bound);
        self.several = Some(Box::new(several));
        self.lone = self.lone.never();
        self
    }

    /// How many priorities there are, 1 to 4: what was agreed ([`Config::lanes`](crate::Config::lanes)).
    pub fn priorities(&self) -> usize {
        self.several.as_ref().map_or(1, |several| several.count())
    }

    /// The priority of the lane at hand: that of the frame that was found last.
    pub(crate) fn at_hand(&self) -> usize {
        self.several.as_ref().map_or(0, |several| several.at_hand())
    }

    /// Bytes that were read, in all lanes.
    pub(super) fn read(&self) -> u64 {
        let lone = || self.lane.next();
        self.several
            .as_ref()
            .map_or_else(lone, |several| several.read(&self.lane))
    }

    /// Frames that were dropped, of all lanes.
    pub(super) fn dropped(&self) -> u64 {
        let lone = || self.lane.expired();
        self.several
            .as_ref()
            .map_or_else(lone, |several| several.expired(&self.lane))
    }

    /// The next frame of all lanes, if there is one; its lane is at hand then. Also where a forked child ends up.
    #[inline(never)]
    pub(super) fn peek_lanes(&mut self) -> Result<Option<Entry>, RecvError> {
        if self.birth.is_forked() {
            return Err(RecvError::Forked);
        }
        self.come_back();
        match self.look_once() {
            Ok(found) => Ok(found),
            Err(halt) => self.halted(halt),
        }
    }

    /// A look at each lane, until one has a frame: which one, and the frame.
    pub(super) fn look_at(
        lane: &mut Lane,
        several: &mut Option<Box<Others>>,
    ) -> Result<Option<(usize, Entry)>, Halt> {
        match several {
            Some(several) => several.find(lane),
            None => lane.peek().map(|found| found.map(|entry| (0, entry))),
        }
    }

    /// The same. The frame's lane is at hand then.
    pub(super) fn look_once(&mut self) -> Result<Option<Entry>, Halt> {
        let found = Self::look_at(&mut self.lane, &mut self.several)?;
        Ok(found.map(|found| self.take_up(found)))
    }

    /// The same, if the frame is of the lane at hand.
    #[inline(never)]
    pub(super) fn look_alike(&mut self) -> Result<Option<Entry>, Halt> {
        let at_hand = self.at_hand();
        let found = Self::look_at(&mut self.lane, &mut self.several)?;
        let alike = found.filter(|(number, _)| *number == at_hand);
        Ok(alike.map(|(_, entry)| entry))
    }

    /// Puts the lane of a frame at hand that was found.
    pub(super) fn take_up(&mut self, (number, entry): (usize, Entry)) -> Entry {
        // Where account is given, that was done when the handler came back.
        if number != self.at_hand() {
            // Of a frame whose guard was leaked: who waits for that room may have nothing more to send, which would bring us back here.
            self.finish();
        }
        let Self { lane, several, .. } = self;
        if let Some(several) = several {
            several.take_up(lane, number, &entry);
        }
        entry
    }

    /// The next frame, waiting for it.
    pub(super) fn wait_for_next(&mut self, deadline: Option<Instant>) -> Result<Entry, RecvError> {
        if let Some(entry) = self.peek_lanes()? {
            return Ok(entry);
        }
        if self.rest.spins() {
            let nanos = self.slip.found_empty(self.read(), self.lane.capacity());
            for _ in 0..cpu::pauses(nanos) {
                core::hint::spin_loop();
            }
            for _ in 0..LOOKS_PER_CHECK {
                if let Some(entry) = self.peek_lanes()? {
                    self.slip.found(entry.length());
                    self.rest.found_soon();
                    return Ok(entry);
                }
                core::hint::spin_loop();
            }
        }
        self.wait(deadline)
    }

    /// Tells observers what was counted: of the lanes beside the one at hand what each has by itself.
    pub(super) fn tell_numbers(&self) {
        if let Some(several) = &self.several {
            several.beside().iter().for_each(Lane::tell_each);
        }
        self.lane.tell_numbers();
    }

    /// All lanes.
    pub(super) fn each_lane(&mut self, mut act: impl FnMut(&mut Lane)) {
        match &mut self.several {
            Some(several) => several.each(&mut self.lane, act),
            None => act(&mut self.lane),
        }
    }

    /// Tells the sender what is due, in every lane.
    pub(super) fn finish_all(&mut self) {
        if self.is_forked() {
            return;
        }
        self.tell_lanes(|lane| lane.is_release_due());
    }

    /// Tells the sender what is finished with, in each lane in which `is_due` says that it is to be told.
    pub(super) fn tell_lanes(&mut self, mut is_due: impl FnMut(&mut Lane) -> bool) {
        let mut told = false;
        self.each_lane(|lane| told |= is_due(lane) && lane.publish_release());
        if told {
            if let Some(several) = &self.several {
                // Each lane told its own numbers, and what it last knew of the others'.
                several.recount(&mut self.lane);
                self.lane.tell_numbers();
            }
            self.told_release();
        }
    }

    /// The peer was told of released frames. Where there is never nothing to read nobody would ask whether it lives: one that died with its ring full of headers that lead in a circle
    /// would be read for ever.
    pub(super) fn told_release(&mut self) {
        self.rest.wake_peer_after_release();
        if self.lane.has_gone_laps() && self.rest.ask(Instant::now(), LIFE_EVERY).is_some() {
            self.each_lane(Lane::bound_by_end);
        }
    }
}
