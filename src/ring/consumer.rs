//! The receiving half: look, copy out, release.
//!
//! Three cursors, `published <= freed <= next`: what the producer has been told, what the reader has finished with, and what it has
//! read. `rewind` moves `next` back to `freed`. Every word that the producer wrote is loaded once, bounded against these private
//! cursors, and then used from the local copy.

use crate::layout::geometry::Geometry;
use crate::layout::header::{FLAG_FRAME, FLAG_PAD, HEADER, Header};
use crate::layout::violation::Violation;
use crate::segment::{ForeignRing, OwnWord};
use crate::sync::{Ordering, Site, fence, order};

/// A frame that was found and is in bounds. Its payload stays the producer's to change until it is copied out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Position of its header: the frame's identity in this lane.
    pub(crate) position: u64,
    header: Header,
}

impl Entry {
    /// Payload bytes.
    #[inline(always)]
    pub(crate) fn payload(&self) -> usize {
        self.header.payload() as usize
    }

    /// The sender's kind.
    #[inline(always)]
    pub(crate) fn kind(&self) -> u16 {
        self.header.kind()
    }

    /// Position behind it.
    #[inline(always)]
    fn end(&self) -> u64 {
        self.position + self.header.length()
    }
}

/// The receiving half of a lane.
#[derive(Debug)]
pub(crate) struct Consumer<R, W> {
    ring: R,
    /// Our released position, in our segment.
    released: W,
    /// Where the next frame is expected.
    next: u64,
    /// Everything before this is finished with.
    freed: u64,
    /// What `released` says.
    published: u64,
    /// No frame can end behind this: the producer leaves room for its terminator. `published + capacity - 8`.
    bound: u64,
    step: u64,
}

impl<R: ForeignRing, W: OwnWord> Consumer<R, W> {
    /// A consumer of a ring in which nothing has been read yet.
    pub(crate) fn new(ring: R, released: W, geometry: &Geometry) -> Self {
        debug_assert_eq!(ring.capacity(), geometry.capacity);
        let start = geometry.start;
        // ORD: release-start: Relaxed, published to the peer by the handshake, a system call later; partner: ring/producer.rs (reclaim).
        released.store(start, Ordering::Relaxed);
        Self {
            ring,
            released,
            next: start,
            freed: start,
            published: start,
            bound: start + geometry.capacity - HEADER,
            step: geometry.step,
        }
    }

    /// Bytes in the ring.
    pub(crate) fn capacity(&self) -> u64 {
        self.ring.capacity()
    }

    /// Where the next frame is expected.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The memory, for viewing a payload in place in the trusted mode.
    #[inline(always)]
    pub(crate) fn ring(&self) -> &R {
        &self.ring
    }

    /// The frame at the read cursor, if one is committed. Does not move the cursor.
    #[inline(always)]
    pub(crate) fn peek(&mut self) -> Result<Option<Entry>, Violation> {
        // SAFETY: `next` is a multiple of 8: it starts so, and lengths are.
        let header = Header(unsafe { self.ring.load(self.next) });
        if header.0 == 0 {
            return Ok(None);
        }
        // ORD: take: the payload, later headers of the group and the terminator are read after the header that published them;
        // partner: ring/producer.rs (commit).
        fence(Site::Take, Ordering::Acquire);
        let entry = Entry {
            position: self.next,
            header,
        };
        if header.flags() != FLAG_FRAME || entry.end() > self.bound {
            return self.peek_unusual(entry).map(Some);
        }
        Ok(Some(entry))
    }

    /// A pad, or a broken rule.
    #[cold]
    fn peek_unusual(&mut self, entry: Entry) -> Result<Entry, Violation> {
        let entry = self.in_bounds(entry)?;
        match entry.header.flags() {
            FLAG_FRAME => return Ok(entry),
            flags if flags != FLAG_FRAME | FLAG_PAD => {
                return Err(Violation::UnknownFlags { flags });
            }
            _ => {}
        }
        // The frame behind a pad was published in the same store; a second pad, or nothing, is against the rules, and so there is
        // never a chain of pads to walk.
        let position = entry.end();
        // SAFETY: `position` is a multiple of 8.
        let header = Header(unsafe { self.ring.load(position) });
        // ORD: take: as in `peek`; partner: ring/producer.rs (commit).
        fence(Site::Take, Ordering::Acquire);
        match header.flags() {
            FLAG_FRAME => {}
            _ if header.0 == 0 || header.flags() == FLAG_FRAME | FLAG_PAD => {
                return Err(Violation::PadWithoutFrame);
            }
            flags => return Err(Violation::UnknownFlags { flags }),
        }
        let framed = self.in_bounds(Entry { position, header })?;
        // The pad is read together with its frame, and released with it.
        self.next = position;
        Ok(framed)
    }

    fn in_bounds(&self, entry: Entry) -> Result<Entry, Violation> {
        if entry.end() > self.bound {
            let limit = self.bound.saturating_sub(entry.position);
            return Err(Violation::FrameTooLong {
                length: entry.header.length(),
                limit,
            });
        }
        Ok(entry)
    }

    /// Copies payload bytes of `entry` out, from byte `from` on; as many as both have. Returns how many.
    #[inline(always)]
    pub(crate) fn copy(&self, entry: &Entry, from: usize, target: &mut [u8]) -> usize {
        // The length is the caller's where it can be: with one that is taken from the header, the loads of the payload would wait
        // until the header has come, for one more transfer of a line.
        let there = entry.payload().saturating_sub(from);
        if there < target.len() {
            return self.copy_all(entry, from, &mut target[..there]);
        }
        if !target.is_empty() {
            // SAFETY: `from + target.len() <= payload`, and the frame is in bounds: at most a ring's length from its position.
            unsafe {
                self.ring
                    .read(entry.position + HEADER + from as u64, target)
            };
        }
        target.len()
    }

    /// A payload that ends before the caller's buffer does.
    #[inline(never)]
    fn copy_all(&self, entry: &Entry, from: usize, target: &mut [u8]) -> usize {
        if !target.is_empty() {
            // SAFETY: as in `copy`.
            unsafe {
                self.ring
                    .read(entry.position + HEADER + from as u64, target)
            };
        }
        target.len()
    }

    /// Moves the read cursor behind `entry`, the frame that `peek` returned.
    #[inline(always)]
    pub(crate) fn advance(&mut self, entry: &Entry) {
        debug_assert_eq!(entry.position, self.next);
        self.next = entry.end();
    }

    /// Finishes with everything read so far. Says so to the producer when a step's worth has gathered, and returns whether it did.
    #[inline(always)]
    pub(crate) fn release(&mut self) -> bool {
        self.freed = self.next;
        self.freed - self.published >= self.step && self.publish_release()
    }

    /// Tells the producer all that is finished with. Returns whether there was anything to tell.
    pub(crate) fn publish_release(&mut self) -> bool {
        if self.published == self.freed {
            return false;
        }
        self.published = self.freed;
        self.bound = self.freed + self.ring.capacity() - HEADER;
        // ORD: release: our copies out of the released space come before the producer's writes there; partner:
        // ring/producer.rs (reclaim).
        self.released
            .store(self.freed, order(Site::Release, Ordering::Release));
        true
    }

    /// Goes back to the first frame that is not finished with. Returns the bytes gone back.
    pub(crate) fn rewind(&mut self) -> u64 {
        let back = self.next - self.freed;
        self.next = self.freed;
        back
    }
}
