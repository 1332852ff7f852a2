//! Waiting for a frame that another call receives: for bindings, which make room for it in between, and wait in two ways.

use std::time::{Duration, Instant};

use super::{Frame, Receiver};
use crate::connection::outcome::RecvError;
use crate::connection::rest::{Ended, Interrupter, LIFE_EVERY};

/// Looks between two glances at the clock.
const LOOKS: u32 = 16;

impl Receiver {
    /// Whether there is a frame now (or a broken rule, which the call that receives tells), or comes within `longest` while it is looked for without a
    /// system call; from a millisecond on, whether the connection has ended is asked once in one. It is looked for once only where looking again is worth nothing: [`Wait`](crate::Wait) says when. What it finds, the next call receives.
    #[inline]
    pub fn sees_frame_within(&mut self, longest: Duration) -> bool {
        if !matches!(self.peek(), Ok(None)) {
            return true;
        }
        self.rest.spins() && !longest.is_zero() && self.looks_for(longest)
    }

    #[inline(never)]
    fn looks_for(&mut self, longest: Duration) -> bool {
        let began = Instant::now();
        // None: more time than the clock has.
        let until = began.checked_add(longest);
        let nanos = u32::try_from(longest.as_nanos()).unwrap_or(u32::MAX);
        self.slip_from(self.read(), nanos);
        loop {
            for _ in 0..LOOKS {
                match self.peek() {
                    Ok(None) => self.gap.pass(),
                    Ok(Some(entry)) => {
                        self.lane.warm_rest();
                        self.slip.found(entry.length());
                        self.rest.found_soon();
                        return true;
                    }
                    Err(_) => return true,
                }
            }
            let now = Instant::now();
            if until.is_some_and(|until| now >= until) {
                return false;
            }
            // Who looks for long is told of an end by nobody.
            if now - began >= LIFE_EVERY && self.rest.ask(now, LIFE_EVERY).is_some() {
                return true;
            }
        }
    }

    /// Payload bytes and kind of the frame that the next call receives, if there is one now. Never waits, and asks nobody how the connection ended: a call that receives does. Where there are
    /// several priorities, a frame of a higher one may still come before it.
    ///
    /// # Errors
    /// A broken protocol.
    #[inline]
    pub fn peek_frame(&mut self) -> Result<Option<(usize, u16)>, RecvError> {
        let entry = self.peek()?;
        Ok(entry.map(|entry| (entry.payload(), entry.kind())))
    }

    /// The next frame, if `wants` says so of its payload bytes and kind, which are those of the frame that is taken: a peer that changes them meanwhile changes nothing. `None`: it stays unread.
    /// Never waits.
    ///
    /// # Errors
    /// As for [`Receiver::try_recv`].
    #[inline]
    pub fn try_recv_if(
        &mut self,
        wants: impl FnOnce(usize, u16) -> bool,
    ) -> Result<Option<Frame<'_>>, RecvError> {
        let entry = self.try_next()?;
        if !wants(entry.payload(), entry.kind()) {
            self.leave_unread();
            return Ok(None);
        }
        Ok(Some(self.frame(entry)))
    }

    /// Waits until there is a frame, which the next call receives; `None` waits for ever.
    ///
    /// # Errors
    /// As for [`Receiver::recv_deadline`].
    pub fn wait_for_frame(&mut self, deadline: Option<Instant>) -> Result<(), RecvError> {
        if self.peek()?.is_some() {
            return Ok(());
        }
        self.wait(deadline).map(drop)
    }

    /// What ended a wait without a frame.
    #[cold]
    pub(super) fn over(&mut self, ended: Ended) -> RecvError {
        match ended {
            Ended::TimedOut => RecvError::TimedOut,
            Ended::Gone(gone) => self.ended(gone),
            Ended::Interrupted => RecvError::Interrupted,
        }
    }

    /// What ends a wait of this half from another thread.
    pub fn interrupter(&mut self) -> Interrupter {
        self.rest.interrupter()
    }

    /// `true`: a signal ends a sleep of this half, if it has a handler and that has run in the thread that sleeps; the call answers [`RecvError::Interrupted`]. Default: waits go on. A signal that
    /// comes before the sleep is not seen by it, and a wait that spins sees none. The kernel ends a sleep without one where the process was stopped and goes on, and where a
    /// connection of this thread has gone: so look for what your handlers have noted, and wait again.
    pub fn heed_signals(&mut self, on: bool) {
        self.rest.heed_signals(on);
    }
}
