//! Waiting as an interpreter has to: a moment with its lock held, then without it, until what is waited for comes, or a signal, or a close by another thread.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use ringway::{RecvError, Room, SendError, Wait};

use crate::buffer::Lent;
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
trait Vain: Copy + PartialEq {
    const TIMED_OUT: Self;
    const INTERRUPTED: Self;
    fn raise(self, py: Python<'_>) -> PyErr;
}

impl Vain for RecvError {
    const TIMED_OUT: Self = Self::TimedOut;
    const INTERRUPTED: Self = Self::Interrupted;

    fn raise(self, py: Python<'_>) -> PyErr {
        not_received(py, self)
    }
}

impl Vain for SendError {
    const TIMED_OUT: Self = Self::TimedOut;
    const INTERRUPTED: Self = Self::Interrupted;

    fn raise(self, py: Python<'_>) -> PyErr {
        not_sent(py, self)
    }
}

/// The main thread, once it has waited; 0: not known yet. A forked child begins with another one, and without this knowledge.
static MAIN: AtomicUsize = AtomicUsize::new(0);

/// Has a forked child look again. Called once.
pub(crate) fn know_of_forks() {
    extern "C" fn forget() {
        // ORD: main: Relaxed, a child has one thread; partner: `is_main`.
        MAIN.store(0, Ordering::Relaxed);
    }
    // SAFETY: the handler stores a word and nothing else, and this library is never unloaded. Without memory for it a child asks no signals while it sleeps, if it was forked by another thread than the main one.
    unsafe { libc::pthread_atfork(None, None, Some(forget)) };
}

/// Whether this thread is the one that signals are handled in. The kernel is asked until it is known: two system calls are a part of what a short sleep costs.
fn is_main() -> bool {
    // SAFETY: it takes no memory, and does not fail.
    let this = unsafe { libc::pthread_self() } as usize;
    // ORD: main: Relaxed, a word that is compared with what this thread knows of itself; partner: the stores in this file.
    match MAIN.load(Ordering::Relaxed) {
        0 => {
            // SAFETY: neither takes memory, and neither fails.
            let main = unsafe { libc::gettid() == libc::getpid() };
            if main {
                // ORD: main: Relaxed, as above; partner: the load.
                MAIN.store(this, Ordering::Relaxed);
            }
            main
        }
        main => main == this,
    }
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
    room: impl Into<Room>,
    state: &State,
    deadline: Deadline,
) -> PyResult<()> {
    let room = room.into();
    patiently(py, state, deadline, |until| {
        sender.wait_for_room(room, until)
    })
}

/// Receives into a buffer, which its owner lends, without the interpreter's lock: the frame is copied while it is written.
///
/// A thread of Python that looks into the buffer meanwhile finds some of the old bytes and some of the new ones, as it does where a file is read into it.
#[cold]
pub(crate) fn into_large(
    py: Python<'_>,
    receiver: &mut ringway::Receiver,
    buffer: &mut Lent<'_>,
    state: &State,
    deadline: Deadline,
) -> PyResult<usize> {
    let (place, len) = buffer.place();
    let place = place.expose_provenance();
    patiently(py, state, deadline, |until| {
        let place = std::ptr::with_exposed_provenance_mut::<u8>(place);
        // SAFETY: the owner keeps so many bytes valid, and of this size, until the buffer is released, which `buffer` does later; it was asked for one that may be written to. The slice is made for this
        // one wait, and is where frames are copied to and nothing else: by what the optimiser does not see into (`segment/foreign.rs`), so that it draws no conclusion from what other threads do with the bytes.
        let buffer = unsafe { std::slice::from_raw_parts_mut(place, len) };
        match until {
            Some(until) => receiver.recv_into_deadline(buffer, until),
            None => receiver.recv_into(buffer),
        }
    })
}

fn patiently<T: Send, E: Vain + Send>(
    py: Python<'_>,
    state: &State,
    deadline: Deadline,
    wait: impl FnMut(Deadline) -> Result<T, E> + Send,
) -> PyResult<T> {
    let waited = in_slices(py, state, deadline, wait);
    state.is_awake();
    waited
}

fn in_slices<T: Send, E: Vain + Send>(
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
            Err(vain) if vain == E::TIMED_OUT && until != deadline => {}
            Err(vain) if vain == E::INTERRUPTED => {}
            Err(vain) => return Err(vain.raise(py)),
        }
        #[cfg(not(ringway_planted = "deaf_wait"))]
        py.check_signals()?;
        if state.closing.is_set() {
            return Err(closed_here(py));
        }
    }
}

/// Sleeps until that descriptor is readable, a signal comes, it is `deadline`, or it is time to look around. However it ends, the caller looks.
pub(crate) fn for_readable(py: Python<'_>, descriptor: RawFd, deadline: Deadline) {
    let look = Instant::now() + MISSED;
    let until = deadline.map_or(look, |deadline| deadline.min(look));
    let left = until.saturating_duration_since(Instant::now());
    let milliseconds = i32::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX);
    let mut entry = libc::pollfd {
        fd: descriptor,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one valid entry; one that is no descriptor is answered so.
    py.detach(|| unsafe { libc::poll(&raw mut entry, 1, milliseconds) });
}
