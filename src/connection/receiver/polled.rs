//! The half that receives, in a poller.

use super::Receiver;
use crate::connection::link::Link;
use crate::connection::outcome::RecvError;
use crate::connection::polled::Look;
use crate::connection::rest::Rest;
use crate::ring::{Entry, Halt};
use crate::sync::Arc;

impl Receiver {
    /// Its means of waiting.
    pub(crate) fn resting(&mut self) -> &mut Rest {
        &mut self.rest
    }

    /// What it shares with the half that sends.
    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.rest.link
    }

    /// Has at hand what comes next. A hint.
    pub(crate) fn warm(&self) {
        self.lane.warm();
        self.rest.approach();
    }

    /// Has at hand where the next frame will be, but not its line, which the sender still writes. A hint.
    #[inline]
    pub(crate) fn approach(&self) {
        if !self.birth.is_forked() {
            self.lane.warm_before();
            self.rest.approach();
        }
    }

    /// Whether there is one more frame for who drains the lane.
    #[inline(always)]
    pub(crate) fn has_more(&mut self) -> bool {
        (!self.lone.is_forked() && self.lane.sees_more()) || self.look() == Look::Something
    }

    /// Whether there is a frame: a load and a test while there is none.
    #[inline]
    pub(crate) fn look(&mut self) -> Look {
        match self.peek() {
            Ok(None) => {
                // A batcher at the other end hears by this that it is waited for.
                if self.quiet.found_empty(self.read()) {
                    self.rest.look_in_vain();
                }
                Look::Nothing
            }
            Ok(Some(entry)) => {
                self.lane.announce(&entry);
                Look::Something
            }
            Err(error) => Look::Ended(error),
        }
    }

    /// Behind a look that found nothing, before a wait: the frame of which somebody was told that it is there. Where its sender has taken it back the connection is over: whoever has many peers
    /// would wait for this one.
    pub(super) fn look_at_announced(&mut self) -> Result<Option<Entry>, RecvError> {
        let lone = |entry: Option<Entry>| entry.map(|entry| (0, entry));
        let found = match &mut self.several {
            Some(several) => several.find_announced(&mut self.lane),
            None => self.lane.look_at_announced().map(lone),
        };
        match found {
            Ok(found) => Ok(found.map(|found| self.take_up(found))),
            Err(Halt::Broken(violation)) => {
                self.each_lane(|lane| lane.break_off(violation));
                Err(RecvError::Protocol(violation))
            }
            // Not of what was announced.
            Err(halt) => self.halted(halt),
        }
    }

    /// The same, where a frame was not found: has it ended? What was committed before the end comes first.
    pub(crate) fn look_for_end(&mut self) -> Look {
        match self.rest.end() {
            None => Look::Nothing,
            Some(gone) => match self.look() {
                Look::Nothing => match self.look_behind_expired() {
                    Ok(None) => Look::Ended(self.ended(gone)),
                    Ok(Some(_)) => Look::Something,
                    Err(error) => Look::Ended(error),
                },
                other => other,
            },
        }
    }

    /// Goes to sleep if there is nothing, and returns whether it did.
    pub(crate) fn fall_asleep(&mut self) -> bool {
        // Behind a turn nobody may have looked again.
        self.come_back();
        self.tell_numbers();
        let Self {
            lane,
            several,
            rest,
            ..
        } = self;
        let asleep = rest.fall_asleep(|| !matches!(Self::look_at(lane, several), Ok(None)));
        self.follow_up();
        asleep
    }
}
