//! What both halves of a connection have as Python objects: an owner at a time, and an end.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ringway::{Interrupter, RecvError, Wait};

use crate::deadline::Until;
use crate::errors::{Fault, raise};
use crate::flag::Flag;
use crate::turn::{Held, Turn};

/// What can be said of a half while another thread uses it.
#[derive(Debug)]
pub(crate) struct State {
    /// It is closed, or about to be.
    pub(crate) closing: Flag,
    /// A call panicked in it: it was closed by that.
    panicked: Flag,
    pub(crate) wait: Wait,
    /// A task sleeps by the descriptor, as far as is known.
    armed: AtomicBool,
    interrupter: Interrupter,
    descriptor: RawFd,
}

/// A half, until it is closed.
#[derive(Debug)]
pub(crate) struct Half<T> {
    turn: Turn<Option<T>>,
    pub(crate) state: State,
}

/// A half that can lend its memory to Python, and is used by nobody else meanwhile.
pub(crate) trait Lends: Send {
    /// Whether it does.
    fn is_open(&self) -> bool;

    /// The refusal of every other use.
    fn in_use(py: Python<'_>) -> PyErr;
}

/// The refusal of a half that this side has closed.
#[cold]
pub(crate) fn closed_here(py: Python<'_>) -> PyErr {
    raise(
        py,
        Fault::Closed,
        "this half of the connection was closed here",
    )
}

impl State {
    /// What arming has answered to a task's loop.
    pub(crate) fn note_armed(&self, armed: bool) {
        // ORD: armed: Relaxed, the interpreter's lock is held here and where it is read; partner: the load in this file.
        self.armed.store(armed, Ordering::Relaxed);
    }

    /// A call has had the half awake, and nothing rings for a task that sleeps by it: its loop is to arm it again. It is told by each such call until it does, since the next one may take this ring.
    pub(crate) fn is_awake(&self) {
        // ORD: armed: Relaxed, as above; partner: the store in this file.
        if self.armed.load(Ordering::Relaxed) {
            self.interrupter.interrupt();
        }
    }

    /// The refusal of one that was closed here, by the program or by a panic.
    #[cold]
    pub(crate) fn closed(&self, py: Python<'_>) -> PyErr {
        if !self.panicked.is_set() {
            return closed_here(py);
        }
        let text = "a fault of the library ended this half of the connection in an earlier call; connect again";
        raise(py, Fault::Panicked, text)
    }
}

impl<T: Lends> Half<T> {
    pub(crate) fn new(half: T, wait: Wait, interrupter: Interrupter, descriptor: RawFd) -> Self {
        Self {
            turn: Turn::new(Some(half)),
            state: State {
                closing: Flag::default(),
                panicked: Flag::default(),
                wait,
                armed: AtomicBool::new(false),
                interrupter,
                descriptor,
            },
        }
    }

    /// Takes the half for one call.
    #[inline]
    pub(crate) fn enter(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Entered<'_, T>> {
        self.enter_until(py, &mut Until::new(timeout))
    }

    /// The same, for a call that has waits of its own, until then.
    #[inline]
    pub(crate) fn enter_until(
        &self,
        py: Python<'_>,
        until: &mut Until,
    ) -> PyResult<Entered<'_, T>> {
        self.entered(py, self.turn.take(py, || until.deadline())?)
    }

    /// The same, for a call that never waits. `None`: another thread is in a call.
    #[inline]
    pub(crate) fn enter_at_once(&self, py: Python<'_>) -> PyResult<Option<Entered<'_, T>>> {
        match self.turn.take_at_once(py)? {
            Some(held) => self.entered(py, held).map(Some),
            None => Ok(None),
        }
    }

    #[inline]
    fn entered<'a>(
        &'a self,
        py: Python<'_>,
        held: Held<'a, Option<T>>,
    ) -> PyResult<Entered<'a, T>> {
        let entered = Entered {
            held,
            state: &self.state,
        };
        let lent = match &*entered.held {
            Some(half) if !self.state.closing.is_set() => half.is_open(),
            None if !self.state.closing.is_set() => {
                drop(entered);
                let text = "the connection is being resumed, and is not used meanwhile";
                return Err(raise(py, Fault::InUse, text));
            }
            _ => {
                drop(entered);
                return Err(self.state.closed(py));
            }
        };
        if lent {
            // To make an exception may wake the collector, and what that finds may be what is lent, whose end takes its turn.
            drop(entered);
            return Err(if self.turn.is_forked() {
                raise(py, Fault::Forked, RecvError::Forked.to_string())
            } else {
                T::in_use(py)
            });
        }
        Ok(entered)
    }

    /// Takes it out, to be put back: calls meanwhile are refused.
    ///
    /// # Errors
    /// `InUse`, if a thread is in a call, or something is open in it; `Closed`.
    pub(crate) fn take_out(&self, py: Python<'_>) -> PyResult<T> {
        let Some(mut entered) = self.enter_at_once(py)? else {
            let text =
                "another thread is in a call of this half: resume the connection when that is over";
            return Err(raise(py, Fault::InUse, text));
        };
        Ok(entered.held.take().expect("looked at when it was entered"))
    }

    /// Puts it back. It ends if it was closed meanwhile.
    pub(crate) fn put_back(&self, py: Python<'_>, half: T) -> PyResult<()> {
        let mut entered = Entered {
            held: self.turn.take(py, || Ok(None))?,
            state: &self.state,
        };
        *entered.held = Some(half);
        Ok(())
    }

    /// It was taken out and does not come back.
    pub(crate) fn is_gone(&self) {
        self.state.closing.set();
    }

    /// Ends it: a wait of another thread, and then the half.
    pub(crate) fn close(&self, py: Python<'_>) -> PyResult<()> {
        if self.state.closing.set() {
            return Ok(());
        }
        self.state.interrupter.interrupt();
        // The call that this thread has interrupted ends by it, and ends the half when it leaves.
        if self.turn.is_mine() {
            return Ok(());
        }
        match self.turn.take_to_end(py) {
            Ok(Some(mut held)) => end(&mut held),
            Ok(None) => {}
            // What a thread of the parent held at the fork is the parent's.
            Err(_) if self.turn.is_forked() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Has the half, also one that is closing, end what was lent. For what ends later.
    pub(crate) fn finish(&self, py: Python<'_>, end: impl FnOnce(&mut T)) -> PyResult<()> {
        let mut held = Entered {
            held: self.turn.take(py, || Ok(None))?,
            state: &self.state,
        };
        if let Some(half) = held.held.as_mut() {
            end(half);
        }
        Ok(())
    }

    /// The descriptor that event loops poll for readability.
    pub(crate) fn descriptor(&self) -> PyResult<RawFd> {
        if self.state.closing.is_set() {
            return Err(PyValueError::new_err("a closed half has no descriptor"));
        }
        Ok(self.state.descriptor)
    }
}

/// Ends a half that is closing. What is lent to Python is mapped until it is given back.
fn end<T: Lends>(held: &mut Option<T>) {
    if held.as_ref().is_some_and(|half| !half.is_open()) {
        *held = None;
    }
}

/// A half during one call.
pub(crate) struct Entered<'a, T: Lends> {
    held: Held<'a, Option<T>>,
    state: &'a State,
}

impl<T: Lends> Drop for Entered<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What state it is in nobody knows. Dropped by a panic, it ends the connection without a goodbye: the peer does not take what it has for the whole.
            self.state.panicked.set();
            self.state.closing.set();
            *self.held = None;
        }
        // Closed meanwhile, by who could not or would not wait for this call.
        if self.state.closing.is_set() {
            end(&mut self.held);
        }
    }
}

impl<T: Lends> std::ops::Deref for Entered<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.held.as_ref().expect("looked at when it was entered")
    }
}

impl<T: Lends> std::ops::DerefMut for Entered<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.held.as_mut().expect("looked at when it was entered")
    }
}
