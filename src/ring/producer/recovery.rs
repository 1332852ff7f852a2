//! A lane whose frames another incarnation of the consumer is sent again.
//!
//! What the consumer has released is then looked at more closely: it has to lie between two frames. So the last released position that was accepted is always one from which our own headers,
//! which nobody else can write, lead to the tail, and all of that is still there. A consumer that lies cannot have us take bytes of a payload for headers.

use super::Producer;
use crate::layout::header::{FLAG_PAD, HEADER, Header};
use crate::layout::redelivery::Redelivery;
use crate::layout::violation::Violation;
use crate::ring::standing::{Said, Standing};
use crate::ring::tally::ONE;
use crate::segment::{ForeignWord, OwnRing, OwnWord};
use crate::sync::{Ordering, Site, fence};

/// What is kept for the time when the consumer is gone.
#[derive(Debug)]
pub(super) struct Recovery<W> {
    /// How far the consumer has handed frames out, in its segment. `None`: it does not say.
    taken: Option<W>,
    /// The released position that was accepted last, once the lane is shut.
    known: u64,
}

/// How many frames are sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) unseen: u64,
    pub(crate) in_doubt: u64,
}

impl<R: OwnRing, W: ForeignWord, T: OwnWord> Producer<R, W, T> {
    /// Lets the lane be taken over when its consumer is gone. `taken`: the consumer's word, if it gives account. To be called before anything is sent.
    pub(crate) fn can_recover(&mut self, taken: Option<W>) {
        let known = self.start;
        self.recovery = Some(Recovery { taken, known });
    }

    /// Where the next frame goes, or its pad.
    pub(crate) fn tail(&self) -> u64 {
        self.tail
    }

    /// Takes nothing any more: every send, reserve and append is refused with [`Refusal::Shut`](crate::ring::Refusal::Shut).
    pub(crate) fn shut(&mut self) {
        if self.limit == 0 {
            return;
        }
        let known = self.limit - self.ring.capacity();
        if let Some(recovery) = &mut self.recovery {
            recovery.known = known;
        }
        self.limit = 0;
        self.open_gate();
    }

    /// Whether `released`, which is in range, lies between two frames.
    pub(super) fn check_boundary(&self, known: u64, released: u64) -> Result<(), Violation> {
        if self.recovery.is_some() && !self.leads(known, released) {
            return Err(Violation::ReleasedInsideFrame { released });
        }
        Ok(())
    }

    /// Whether headers lead from one position, where a frame begins, to another, which is no farther than what was published.
    fn leads(&self, from: u64, to: u64) -> bool {
        self.headers(from, to).last().map_or(from, end) == to
    }

    /// The headers of what begins before `to`, from `from` on, where one lies. They are there: nothing at or behind the accepted released position is written over.
    fn headers(&self, from: u64, to: u64) -> impl Iterator<Item = (u64, Header)> + '_ {
        let mut position = from;
        core::iter::from_fn(move || {
            if position >= to {
                return None;
            }
            // SAFETY: a place of this ring; positions of headers are multiples of 8.
            let header = Header(unsafe { self.ring.load(self.ring.place(position), 0) });
            let found = (position, header);
            position = end(found);
            Some(found)
        })
    }

    /// Where the lane stands, by what the consumer has said last, which must be final. `None`: it cannot be taken over. Nothing may be withheld.
    pub(crate) fn standing(&self) -> Option<Standing> {
        debug_assert!(!self.has_open_group());
        let recovery = self.recovery.as_ref()?;
        let known = if self.limit == 0 {
            recovery.known
        } else {
            self.limit - self.ring.capacity()
        };
        let said = Said {
            released: self.released.load(),
            taken: recovery.taken.as_ref().map(ForeignWord::load),
        };
        // ORD: see-taken: Acquire, as for any released position; that the words are final the kernel has said, or the close; partner:
        // ring/consumer/account.rs (taken). redundant: either news comes behind all that the consumer has done (see-close, or a system
        // call); it costs nothing, and need not be thought of when somebody asks elsewhere.
        fence(Site::Reclaim, Ordering::Acquire);
        Some(Standing::judge(known, self.published(), said, |released| {
            self.leads(known, released)
        }))
    }

    /// Takes over what `old` has sent and its consumer has not released, at the same positions, as an open group: nothing becomes visible before it is published. The lane starts
    /// where `standing` does, and has sent nothing.
    ///
    /// # Panics
    /// When it starts elsewhere, or has no room for all.
    pub(crate) fn take_over(&mut self, old: &Self, standing: &Standing) -> Carried {
        let (start, sent) = (standing.start, standing.sent);
        let length = sent - start;
        assert!(
            self.tail == start && self.withheld == 0 && sent + HEADER <= self.limit,
            "a lane that was made for this"
        );
        let mut carried = Carried::default();
        if length == 0 {
            return carried;
        }
        let place = self.ring.place(start);
        // The word at the start stays zero until the group is published.
        // SAFETY: as much was found to be free above, and at most `capacity - 8` of the old ring is in use; nobody was told of what is behind the tail.
        unsafe { self.ring.carry(&old.ring, start + HEADER, length - HEADER) };
        self.terminate(place, length);
        for (position, header) in old.headers(start, sent) {
            let mut again = header;
            if header.flags() & FLAG_PAD == 0 {
                let redelivery = standing.mark(position, header.redelivery());
                again = header.redelivered(redelivery);
                match redelivery {
                    Redelivery::InDoubt => carried.in_doubt += 1,
                    Redelivery::Unseen | Redelivery::First => carried.unseen += 1,
                }
                self.frames += ONE;
            }
            if position == start {
                self.withheld = again.0;
            } else {
                self.store_header(place, position - start, again);
            }
        }
        self.group = start;
        self.group_frames = 0;
        self.cleared = 0;
        self.ring.set_gate(0);
        self.tail = sent;
        carried
    }

    /// Leaves no frame in the ring that was taken over, for a consumer that still looks although it has said that it does not.
    pub(crate) fn wipe(&mut self, standing: &Standing) {
        let positions: Vec<u64> = self
            .headers(standing.start, standing.sent)
            .map(|(position, _)| position)
            .collect();
        for position in positions {
            self.terminate(self.ring.place(position), 0);
        }
    }
}

/// Where what begins there ends.
fn end((position, header): (u64, Header)) -> u64 {
    position + header.length()
}
