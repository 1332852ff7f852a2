//! Waiting as an interpreter has to: a moment with its lock held, then without it, until what is waited for comes, or a signal, or a close by another thread.

use std::time::{Duration, Instant};

use pyo3::prelude::*;
use ringway::{RecvError, SendError, Wait};

use crate::deadline::Deadline;
use crate::errors::{not_received, not_sent};
use crate::half::{State, closed_here};

/// For so long a call that receives looks with the interpreter's lock held, where looking pays at all: releasing it and taking it again costs about as much as a short wait.
pub(crate) const HELD: Duration = Duration::from_micros(20);
/// A signal ends a sleep at once. One that came just before it does not, nor one that another thread was given: the main thread looks after this time.
const MISSED: Duration = Duration::from_millis(100);
/// A wait that never sleeps hears of no signal, and looks.
const SPINNING: Duration = Duration::from_millis(5);

/// How a wait ended in vain.
trait Vain: Copy {
    const TIMED_OUT: Self;
    const INTERRUPTED: Self;
    fn is(self, other: Self) -> bool;
    fn raise(self, py: Python<'_>) -> PyErr;
}

impl Vain for RecvError {
    const TIMED_OUT: Self = Self::TimedOut;
    const INTERRUPTED: Self = Self::Interrupted;

    fn is(self, other: Self) -> bool {
        self == other
    }

    fn raise(self, py: Python<'_>) -> PyErr {
        not_received(py, self)
    }
}

impl Vain for SendError {
    const TIMED_OUT: Self = Self::TimedOut;
    const INTERRUPTED: Self = Self::Interrupted;

    fn is(self, other: Self) -> bool {
        self == other
    }

    fn raise(self, py: Python<'_>) -> PyErr {
        not_sent(py, self)
    }
}

/// Whether this thread is the one that signals are handled in.
fn is_main() -> bool {
    // SAFETY: neither takes memory, and neither fails.
    unsafe { libc::gettid() == libc::getpid() }
}

/// Waits for a frame, without the interpreter's lock.
#[cold]
pub(crate) fn for_frame(
    py: Python<'_>,
    receiver: &mut ringway::Receiver,
    state: &State,
    deadline: Deadline,
) -> PyResult<()> {
    patiently(py, state, deadline, |until| receiver.wait_for_frame(until))
}

/// Waits for room, without the interpreter's lock.
#[cold]
pub(crate) fn for_room(
    py: Python<'_>,
    sender: &mut ringway::Sender,
    len: usize,
    state: &State,
    deadline: Deadline,
) -> PyResult<()> {
    patiently(py, state, deadline, |until| {
        sender.wait_for_room(len, until)
    })
}

/// Receives into a buffer, which its owner lends, without the interpreter's lock: the frame is copied while it is written.
#[cold]
pub(crate) fn into_large(
    py: Python<'_>,
    receiver: &mut ringway::Receiver,
    buffer: &mut [u8],
    state: &State,
    deadline: Deadline,
) -> PyResult<usize> {
    patiently(py, state, deadline, |until| match until {
        Some(until) => receiver.recv_into_deadline(buffer, until),
        None => receiver.recv_into(buffer),
    })
}

fn patiently<T: Send, E: Vain + Send>(
    py: Python<'_>,
    state: &State,
    deadline: Deadline,
    mut wait: impl FnMut(Deadline) -> Result<T, E> + Send,
) -> PyResult<T> {
    let slice = match state.wait {
        Wait::Spin => Some(SPINNING),
        _ => is_main().then_some(MISSED),
    };
    loop {
        let look = slice.map(|slice| Instant::now() + slice);
        let until = [deadline, look].into_iter().flatten().min();
        #[cfg(not(ringway_planted = "held_lock"))]
        let outcome = py.detach(|| wait(until));
        #[cfg(ringway_planted = "held_lock")]
        let outcome = wait(until);
        match outcome {
            Ok(found) => return Ok(found),
            Err(vain) if vain.is(E::TIMED_OUT) && until != deadline => {}
            Err(vain) if vain.is(E::INTERRUPTED) => {}
            Err(vain) => return Err(vain.raise(py)),
        }
        #[cfg(not(ringway_planted = "deaf_wait"))]
        py.check_signals()?;
        if state.closing.is_set() {
            return Err(closed_here(py));
        }
    }
}
