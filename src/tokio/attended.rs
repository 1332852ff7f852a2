//! A half with what it waits by in a task: the one way in which all halves wait here, whatever they carry.

use core::task::{Context, Poll, ready};
use std::future::Future;
use std::os::fd::BorrowedFd;
use std::pin::Pin;

use super::pace::Pace;
use super::vigil::{NoRuntime, Vigil, Waits, come_back};
use crate::connection::{RecvError, Rest, Rested, SendError};
use crate::error::Error;
use crate::typed;

/// So often a poll may try again at once.
const AGAIN: u32 = 4;

/// What can wait in a task.
pub(super) trait Half {
    /// What it waits for.
    type Want: Copy + Unpin;

    fn rest(&mut self) -> &mut Rest;
    fn descriptor(&self) -> BorrowedFd<'_>;
    /// Whether there is what is wanted, or an end: then the call that follows is not in vain.
    fn look(&mut self, want: Self::Want) -> bool;
    /// Goes to sleep. What is wrong is told by the call that follows.
    fn arm(&mut self, want: Self::Want) -> Rested;
    /// How far it has read, if it does: what a batch took is known by that.
    fn position(&mut self) -> u64 {
        0
    }
}

/// What a call that does not wait says of why it did not do what was asked.
pub(super) trait Verdict {
    /// It is to be asked again when there is something.
    fn is_nothing_yet(&self) -> bool;
    /// The runtime watches nothing for us.
    fn no_runtime() -> Self;
}

/// A half that is waited for by one task at a time.
#[derive(Debug)]
pub(super) struct Attended<H> {
    // Before the half, whose descriptor is watched.
    vigil: Vigil,
    pace: Pace,
    /// Where a batch began that is not counted yet.
    batch: Option<u64>,
    /// Never exchanged, as long as it is watched.
    pub(super) half: H,
}

impl<H: Half> Attended<H> {
    /// Has the runtime that we are in watch `half`.
    pub(super) fn new(mut half: H) -> Result<Self, Error> {
        half.rest().settle_down()?;
        // SAFETY: in this layer nobody exchanges the half or hands it out to be exchanged, and it is dropped behind the vigil: by its place above, and in `into_inner`.
        let vigil = unsafe { Vigil::new(half.descriptor()) }?;
        Ok(Self {
            vigil,
            pace: Pace::default(),
            batch: None,
            half,
        })
    }

    /// The same, of what `wrap` makes of the half, which is watched on.
    ///
    /// # Safety
    /// What `wrap` makes owns the half, and nobody is given that to exchange it.
    pub(super) unsafe fn map<B: Half>(mut self, wrap: impl FnOnce(H) -> B) -> Attended<B> {
        self.leave();
        let Self {
            vigil,
            pace,
            batch,
            half,
        } = self;
        Attended {
            vigil,
            pace,
            batch,
            half: wrap(half),
        }
    }

    /// The half, which is watched no more.
    pub(super) fn into_inner(mut self) -> H {
        self.leave();
        let Self { vigil, half, .. } = self;
        drop(vigil);
        half
    }

    /// Tries `attempt` until it does not answer that there is nothing yet.
    #[inline]
    pub(super) fn until<T, E, F>(&mut self, want: H::Want, attempt: F) -> Until<'_, H, F>
    where
        F: FnMut(&mut H) -> Result<T, E> + Unpin,
    {
        Until {
            attended: self,
            want,
            attempt,
        }
    }

    /// The same, as a poll. If it is `Pending` and not called again, then [`Attended::leave`] is to be.
    #[inline(always)]
    pub(super) fn poll<T, E: Verdict>(
        &mut self,
        cx: &mut Context<'_>,
        want: H::Want,
        attempt: &mut impl FnMut(&mut H) -> Result<T, E>,
    ) -> Poll<Result<T, E>> {
        ready!(self.poll_pace(cx));
        let outcome = attempt(&mut self.half);
        self.tried(cx, want, outcome, attempt)
    }

    /// Behind the first attempt, which whoever calls may have made in a way that is in line.
    #[inline(always)]
    pub(super) fn tried<T, E: Verdict>(
        &mut self,
        cx: &mut Context<'_>,
        want: H::Want,
        outcome: Result<T, E>,
        attempt: &mut impl FnMut(&mut H) -> Result<T, E>,
    ) -> Poll<Result<T, E>> {
        if matches!(&outcome, Err(error) if error.is_nothing_yet()) {
            return self.wait(cx, want, attempt);
        }
        if self.vigil.waits() {
            self.vigil.over(self.half.rest(), true);
        }
        Poll::Ready(outcome)
    }

    /// Waits behind an attempt that found nothing yet.
    #[cold]
    #[inline(never)]
    fn wait<T, E: Verdict>(
        &mut self,
        cx: &mut Context<'_>,
        want: H::Want,
        attempt: &mut impl FnMut(&mut H) -> Result<T, E>,
    ) -> Poll<Result<T, E>> {
        // A look and a call that do not agree would go on for ever.
        for _ in 0..AGAIN {
            let half = &mut self.half;
            if let Err(NoRuntime) = ready!(self.vigil.poll(cx, &mut Wanting { half, want })) {
                return Poll::Ready(Err(E::no_runtime()));
            }
            let outcome = attempt(&mut self.half);
            if !matches!(&outcome, Err(error) if error.is_nothing_yet()) {
                if self.vigil.waits() {
                    self.vigil.over(self.half.rest(), true);
                }
                return Poll::Ready(outcome);
            }
        }
        come_back(cx)
    }

    /// A frame of so many bytes was taken or sent.
    #[inline(always)]
    pub(super) fn passed(&mut self, len: usize) {
        self.pace.passed(len);
    }

    /// What was read from position `from` on: also of frames that were no messages, or whose length no type tells.
    #[inline(always)]
    pub(super) fn passed_from(&mut self, from: u64) {
        let took = self.half.position().saturating_sub(from);
        self.passed(usize::try_from(took).unwrap_or(usize::MAX));
    }

    /// Whether this task may go on before the others of its thread have their turn.
    #[inline(always)]
    pub(super) fn poll_pace(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.pace.is_spent() {
            return self.take_unit(cx);
        }
        Poll::Ready(())
    }

    #[cold]
    #[inline(never)]
    fn take_unit(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(began) = self.batch.take() {
            self.passed_from(began);
        }
        self.pace.take_unit(cx)
    }

    /// A batch begins, which the next poll counts.
    #[inline]
    pub(super) fn begins_batch(&mut self) {
        self.batch = Some(self.half.position());
        self.pace.spend();
    }

    /// The half, for a call that does not wait. Whoever waited before, by a poll that nobody goes on with, waits no more: the peer is not to take us for asleep while we look.
    #[inline(always)]
    pub(super) fn at_once(&mut self) -> &mut H {
        self.leave();
        &mut self.half
    }

    /// Nobody waits any more.
    #[inline(always)]
    pub(super) fn leave(&mut self) {
        if self.vigil.waits() {
            self.vigil.over(self.half.rest(), false);
        }
    }
}

struct Wanting<'a, H: Half> {
    half: &'a mut H,
    want: H::Want,
}

impl<H: Half> Waits for Wanting<'_, H> {
    fn rest(&mut self) -> &mut Rest {
        self.half.rest()
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.half.descriptor()
    }

    fn look(&mut self) -> bool {
        self.half.look(self.want)
    }

    fn arm(&mut self) -> Rested {
        self.half.arm(self.want)
    }
}

/// A call that waits. What it does is done by the poll that returns it, and one that is dropped before leaves nothing behind.
pub(super) struct Until<'a, H: Half, F> {
    attended: &'a mut Attended<H>,
    want: H::Want,
    attempt: F,
}

impl<T, E: Verdict, H: Half, F> Future for Until<'_, H, F>
where
    F: FnMut(&mut H) -> Result<T, E> + Unpin,
{
    type Output = Result<T, E>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self {
            attended,
            want,
            attempt,
        } = &mut *self;
        attended.poll(cx, *want, attempt)
    }
}

impl<H: Half, F> Drop for Until<'_, H, F> {
    #[inline]
    fn drop(&mut self) {
        self.attended.leave();
    }
}

impl Verdict for RecvError {
    #[inline(always)]
    fn is_nothing_yet(&self) -> bool {
        *self == Self::Empty
    }

    fn no_runtime() -> Self {
        Self::Runtime
    }
}

impl Verdict for SendError {
    #[inline(always)]
    fn is_nothing_yet(&self) -> bool {
        *self == Self::Full
    }

    fn no_runtime() -> Self {
        Self::Runtime
    }
}

impl Verdict for typed::RecvError {
    #[inline(always)]
    fn is_nothing_yet(&self) -> bool {
        *self == Self::Lane(RecvError::Empty)
    }

    fn no_runtime() -> Self {
        Self::Lane(RecvError::Runtime)
    }
}
