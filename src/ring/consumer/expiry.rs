//! Frames with an extension, and dropping those that have expired before anybody sees them.
//!
//! A frame with an extension is handed on as the ordinary frame that begins where its extension is (`layout/extension.rs`): the cursor moves over its header when it is
//! found, as it does over a pad. Unlike a pad's, the word that it then stands on is no header. So the gate is shut until the next look, and whatever else moves or tells
//! positions goes back first ([`settle`](Consumer::settle)) if the frame was only looked at.

use super::{Consumer, Entry};
use crate::layout::extension::EXTENSION;
use crate::layout::violation::Violation;
use crate::planted::{Check, is_left_out};
use crate::segment::{ForeignRing, OwnWord};

/// The most frames that one look drops: so many are dropped in a microsecond or two, and then the caller has its turn, for its deadline and for the release.
pub(crate) const DROPS: u32 = 64;

/// No position of a lane.
const NOWHERE: u64 = u64::MAX;

/// Why a look has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// The peer broke a rule; the lane is over.
    Broken(Violation),
    /// Expired frames were dropped: to be followed by a release, if one is due, and another look. There may be more of them, and others.
    Dropped,
}

impl From<Violation> for Halt {
    fn from(violation: Violation) -> Self {
        Self::Broken(violation)
    }
}

/// What a consumer knows of frames that expire.
#[derive(Debug)]
pub(crate) struct Expiry {
    /// Tells the host's nanoseconds, if expired frames are to be dropped.
    clock: Option<Clock>,
    /// Behind the header of the frame with an extension that was found last, where the cursor was set; [`NOWHERE`]: settled since.
    skipped: u64,
    /// When that frame expires.
    expires: u64,
    /// Where the frame is that was found alive last: it is not judged a second time, so that what was announced is there.
    spared: u64,
    dropped: u64,
    /// What was dropped up to here is counted.
    counted: u64,
}

/// A clock, and by how much it is ahead of the host's.
#[derive(Clone, Copy, Debug)]
struct Clock {
    nanos: fn() -> u64,
    ahead: i64,
}

impl Clock {
    fn host(&self) -> u64 {
        (self.nanos)().saturating_add_signed(self.ahead.saturating_neg())
    }
}

impl Expiry {
    pub(super) fn new() -> Self {
        Self {
            clock: None,
            skipped: NOWHERE,
            expires: 0,
            spared: NOWHERE,
            dropped: 0,
            counted: 0,
        }
    }
}

impl<R: ForeignRing, W: OwnWord> Consumer<R, W> {
    /// Drops frames that have expired from now on, by a clock of nanoseconds that is `ahead` of the host's.
    pub(crate) fn drop_expired(&mut self, nanos: fn() -> u64, ahead: i64) {
        self.expiry.clock = Some(Clock { nanos, ahead });
    }

    /// Drops none any more.
    pub(crate) fn keep_expired(&mut self) {
        self.expiry.clock = None;
    }

    /// Whether expired frames are dropped.
    pub(crate) fn drops_expired(&self) -> bool {
        self.expiry.clock.is_some()
    }

    /// Whether frames are held.
    pub(crate) fn holds(&self) -> bool {
        self.hold
    }

    /// Frames that were dropped. Those that a rewind has brought back and that were dropped again count once.
    pub(crate) fn expired(&self) -> u64 {
        self.expiry.dropped
    }

    /// When the frame expires that was found last: in nanoseconds of the host's clock.
    pub(crate) fn expires(&self, entry: &Entry) -> Option<u64> {
        (entry.position == self.expiry.skipped).then_some(self.expiry.expires)
    }

    /// The same again of `entry`, which was passed, and is at hand still when others were looked for in vain.
    pub(crate) fn still_expires(&mut self, entry: &Entry, expires: u64) {
        self.expiry.skipped = entry.position;
        self.expiry.expires = expires;
    }

    /// Where the header is of the frame that was found last.
    pub(crate) fn position(&self, entry: &Entry) -> u64 {
        match self.expires(entry) {
            Some(_) => entry.position - EXTENSION,
            None => entry.position,
        }
    }

    /// Where the header is of the frame at the cursor, which may be behind that of one with an extension.
    pub(super) fn unpassed(&self) -> u64 {
        match self.next() {
            next if next == self.expiry.skipped => next - EXTENSION,
            next => next,
        }
    }

    /// Whether a step's worth is finished with and not told, while frames are held too.
    pub(crate) fn owes_release(&self) -> bool {
        let freed = if self.hold { self.freed } else { self.next() };
        freed.saturating_sub(self.published) >= self.step
    }

    /// Where a release will be due.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn due(&self) -> u64 {
        self.due
    }

    /// Goes back before the header of a frame with an extension that was found and not passed. Returns whether the cursor moved.
    pub(super) fn settle(&mut self) -> bool {
        let skipped = core::mem::replace(&mut self.expiry.skipped, NOWHERE);
        if skipped == NOWHERE {
            return false;
        }
        if self.freed == skipped {
            // It was finished with what had been read when the frame had only been looked at.
            self.freed -= EXTENSION;
        }
        if self.next() != skipped {
            return false;
        }
        self.cursor.back(EXTENSION);
        true
    }

    /// What `entry`, at the cursor, leads to. Expired frames on the way are dropped, so many of them.
    pub(super) fn find(&mut self, mut entry: Entry) -> Result<Option<Entry>, Halt> {
        let mut now = None;
        for _ in 0..DROPS {
            if entry.header.0 == 0 || entry.end() > self.last {
                return if now.is_some() {
                    Err(Halt::Dropped)
                } else {
                    Ok(None)
                };
            }
            if self.hold && now.is_some() && self.owes_release() {
                // While frames are held no later release makes up for it.
                return Err(Halt::Dropped);
            }
            let idle = self.hold && self.freed == self.next();
            let found = self.judge(entry)?;
            if !found.header.expires() {
                return Ok(Some(found));
            }
            let inner = Entry {
                position: found.position + EXTENSION,
                header: found.header.inner()?,
            };
            // SAFETY: the place of a multiple of 8.
            let expires = unsafe { self.ring.load(self.ring.place(inner.position)) };
            let known = found.position == self.expiry.spared || found.position == self.announced;
            let spared = known && !is_left_out(Check::AnnouncedFrame);
            if spared || !self.has_expired(expires, &mut now) {
                self.expiry.spared = found.position;
                self.expiry.skipped = inner.position;
                self.expiry.expires = expires;
                self.cursor.skip(EXTENSION);
                self.shut_gate();
                return Ok(Some(inner));
            }
            self.drop_frame(&found, idle);
            entry = self.look();
        }
        Err(Halt::Dropped)
    }

    /// The clock is read once for each look, if there is something to judge.
    fn has_expired(&self, expires: u64, now: &mut Option<u64>) -> bool {
        self.expiry
            .clock
            .is_some_and(|clock| expires <= *now.get_or_insert_with(|| clock.host()))
    }

    /// Passes a frame that nobody sees. `idle`: everything before it, and before its pad, is finished with, though frames are held.
    fn drop_frame(&mut self, frame: &Entry, idle: bool) {
        self.advance(frame);
        if idle {
            // Or whoever holds frames and has none would wait for room that nobody can give.
            self.freed = self.next();
            self.freed_frames = self.cursor.frames();
        }
        if frame.position >= self.expiry.counted {
            self.expiry.counted = frame.end();
            self.expiry.dropped += 1;
        }
    }
}
