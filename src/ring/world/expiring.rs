//! Frames that expire, in the time of the world on this thread, and a reader that may drop them.

use std::cell::Cell;

use super::{Size, World};
use crate::ring::{Entry, Halt};

thread_local! {
    /// The clock of the world on this thread.
    pub(super) static NOW: Cell<u64> = const { Cell::new(0) };
}

pub(super) fn now() -> u64 {
    NOW.get()
}

/// By how much the reader's clock is ahead of the one by which frames expire.
pub(super) const AHEAD: i64 = -1000;

impl World {
    /// Half of them alone, half in a group of two.
    pub(super) fn expiring(&mut self, size: Size, align: u32, life: u64, in_place: bool) {
        let most = self.geometry.largest_payload() as usize - 8;
        let mut group = Vec::new();
        for _ in 0..=self.count % 2 {
            let length = self.length(size).min(most);
            let mut frame = self.frame(length, self.alignment(align));
            let host = now().saturating_add_signed(-AHEAD);
            let expires = host.saturating_add(life);
            frame.expires = Some(expires);
            let slot = match self
                .producer
                .try_reserve_expiring(length, frame.alignment as usize)
            {
                Ok(slot) => slot,
                Err(refusal) => {
                    self.refused(refusal, length);
                    break;
                }
            };
            let ((origin, offset), len) = slot.expiring_place();
            assert_eq!(((origin + offset) % frame.alignment, len), (0, length));
            self.producer.fill_expiring(&slot, &frame.payload);
            if in_place {
                frame.payload.truncate(length.saturating_sub(3));
            }
            let length = frame.payload.len() as u32;
            self.producer
                .append_expiring(&slot, length, frame.kind, expires);
            group.push(frame);
        }
        assert_eq!(self.producer.publish().is_some(), !group.is_empty());
        for frame in group {
            self.sent(frame);
        }
    }

    /// Looks, and finds the first frame that has not expired.
    pub(super) fn look(&mut self) -> Option<Entry> {
        let mut any = false;
        while let Some(frame) = self.unread.front().filter(|frame| {
            let host = now().saturating_add_signed(-AHEAD);
            let expired = frame.expires.is_some_and(|at| at <= host);
            self.drops && expired && frame.number != self.spared
        }) {
            if frame.number > self.counted {
                self.counted = frame.number;
                self.dropped += 1;
            }
            any = true;
            let frame = self.unread.pop_front().expect("the one in front");
            // While nothing is held what is dropped is finished with.
            if self.hold && !self.read.is_empty() {
                self.read.push_back(frame);
            }
        }
        loop {
            match self.consumer.peek() {
                Ok(found) => {
                    assert_eq!(self.consumer.expired(), self.dropped);
                    let front = self.unread.front();
                    let expires = front.and_then(|frame| frame.expires);
                    self.shut = expires.is_some();
                    if let (Some(frame), Some(_)) = (front, expires) {
                        self.spared = frame.number;
                    }
                    let told = found.and_then(|entry| self.consumer.expires(&entry));
                    assert_eq!(told, expires);
                    return found;
                }
                Err(Halt::Dropped) => {
                    assert!(any, "one that was dropped is alive");
                    if self.consumer.owes_release() {
                        assert!(self.consumer.publish_release());
                    }
                }
                Err(Halt::Broken(violation)) => panic!("an honest sender: {violation}"),
            }
        }
    }
}
