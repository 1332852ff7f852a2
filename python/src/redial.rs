//! Connections that are resumed, in a call that waits or step by step in whichever loop.

use std::os::fd::{AsRawFd, RawFd};
use std::thread;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use ringway::{NotResumed, RedialStep};

use crate::connection::Connection;
use crate::deadline::after;
use crate::errors::{Fault, not_made, raise};
use crate::half::closed_here;
use crate::inbox::Inbox;
use crate::options::{self, Manner};
use crate::outbox::Outbox;
use crate::turn::Turn;
use crate::waits;

/// Who waits for ever waits so long.
const EVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// The new connection, how many frames were sent again that nobody had seen, how many that are in doubt, and the rule that the last server has broken about that.
type Resumed = (Connection, u64, u64, Option<String>);

/// A connection that is being resumed. No step waits for the server. The halves of the lost connection are here meanwhile, and go back if nothing comes of it.
#[pyclass(frozen, module = "ringway")]
#[derive(Debug)]
pub(crate) struct Redial {
    turn: Turn<Option<ringway::Redial>>,
    lost: Py<Connection>,
    manner: Manner,
}

/// What a step came to.
enum Step {
    Later(Duration),
    Waits(RawFd, Instant),
    Done(Box<Resumed>),
}

/// Begins to resume a connection.
#[pyfunction]
#[pyo3(signature = (name, lost, timeout=None, **options))]
pub(crate) fn _redial(
    py: Python<'_>,
    name: &Bound<'_, PyAny>,
    lost: Py<Connection>,
    timeout: Option<f64>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Redial> {
    let address = options::address(name)?;
    let (config, manner) = options::config("resume", options)?;
    let is_told = options.map_or(Ok(false), |options| options.contains("resumable"))?;
    let config = if is_told {
        config
    } else {
        config.resumable(true)
    };
    let deadline = after(timeout)?.unwrap_or_else(|| Instant::now() + EVER);
    let taken = lost.get().take_out(py)?;
    match config.redial(address, taken, deadline) {
        Ok(redial) => Ok(Redial {
            turn: Turn::new(Some(redial)),
            lost,
            manner,
        }),
        Err(not) => Err(given_back(py, lost.get(), not)),
    }
}

fn given_back(py: Python<'_>, lost: &Connection, not: NotResumed) -> PyErr {
    let error = not_made(py, not.error());
    match lost.put_back(py, not.into_connection()) {
        Ok(()) => error,
        Err(worse) => worse,
    }
}

impl Connection {
    /// Takes both halves out, to be resumed or put back.
    ///
    /// # Errors
    /// As for those of a half: then neither is out.
    fn take_out(&self, py: Python<'_>) -> PyResult<ringway::Connection> {
        let sender = self.sender.get().half.take_out(py)?;
        match self.receiver.get().half.take_out(py) {
            Ok(receiver) => {
                let halves = (sender.into_sender(), receiver.into_receiver());
                let whole = ringway::Connection::reunite(halves.0, halves.1);
                Ok(whole.expect("they are those of one connection"))
            }
            Err(error) => {
                self.sender.get().half.put_back(py, sender)?;
                Err(error)
            }
        }
    }

    /// Puts them back.
    fn put_back(&self, py: Python<'_>, whole: ringway::Connection) -> PyResult<()> {
        let (sender, receiver) = whole.split();
        let sender = self.sender.get().half.put_back(py, Outbox::new(sender));
        (self.receiver.get().half).put_back(py, Inbox::new(receiver))?;
        sender
    }

    /// They have gone into the connection that resumes this one.
    fn is_gone(&self) {
        self.sender.get().half.is_gone();
        self.receiver.get().half.is_gone();
    }

    /// Whether a half of it is closed here, or about to be.
    fn is_closing(&self) -> bool {
        self.sender.get().is_closed() || self.receiver.get().is_closed()
    }
}

impl Redial {
    fn advance(&self, py: Python<'_>) -> PyResult<Step> {
        let mut held = self.turn.take(py, || Ok(None))?;
        if self.lost.get().is_closing() {
            self.give_back(py, &mut held)?;
            return Err(closed_here(py));
        }
        let Some(redial) = held.as_mut() else {
            return Err(raise(py, Fault::Closed, "the resuming was given up here"));
        };
        match py.detach(|| redial.step()) {
            Ok(RedialStep::Later) => Ok(Step::Later(redial.pause())),
            Ok(RedialStep::Waits) => {
                let line = redial.line().map_or(-1, |line| line.as_raw_fd());
                Ok(Step::Waits(line, redial.deadline()))
            }
            Ok(RedialStep::Done(resumed)) => {
                *held = None;
                self.lost.get().is_gone();
                let counts = (resumed.unseen(), resumed.in_doubt());
                let broken = resumed.redelivered.iter().find_map(|lane| lane.broken);
                let broken = broken.map(|rule| rule.to_string());
                let connection = Connection::new(py, resumed.connection, self.manner)?;
                let resumed = (connection, counts.0, counts.1, broken);
                Ok(Step::Done(Box::new(resumed)))
            }
            Err(error) => {
                let error = not_made(py, &error);
                self.give_back(py, &mut held)?;
                Err(error)
            }
        }
    }

    fn give_back(&self, py: Python<'_>, held: &mut Option<ringway::Redial>) -> PyResult<()> {
        match held.take().and_then(ringway::Redial::into_connection) {
            Some(lost) => self.lost.get().put_back(py, lost),
            None => Ok(()),
        }
    }
}

#[pymethods]
impl Redial {
    /// `finish()`: what was resumed, waiting for the next server. Signals have their turn meanwhile, and end it with what their handlers raise: then the lost connection is given back.
    fn finish(&self, py: Python<'_>) -> PyResult<Resumed> {
        loop {
            match self.advance(py)? {
                Step::Done(resumed) => return Ok(*resumed),
                Step::Later(pause) => py.detach(|| thread::sleep(pause)),
                Step::Waits(line, deadline) => waits::for_readable(py, line, Some(deadline)),
            }
            if let Err(raised) = py.check_signals() {
                // What the handler has raised is told, whatever comes of that.
                let _ = self.close(py);
                return Err(raised);
            }
        }
    }

    /// `step()`: what was resumed; or None: wait for the descriptor; or False: step again in a millisecond.
    fn step(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self.advance(py)? {
            Step::Later(_) => Ok(false.into_pyobject(py)?.to_owned().into_any().unbind()),
            Step::Waits(..) => Ok(py.None()),
            Step::Done(resumed) => Ok(resumed.into_pyobject(py)?.into_any().unbind()),
        }
    }

    /// Seconds until the next step at the latest.
    #[getter]
    fn left(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        let held = self.turn.take(py, || Ok(None))?;
        let deadline = held.as_ref().map(ringway::Redial::deadline);
        let now = Instant::now();
        Ok(deadline.map(|deadline| deadline.saturating_duration_since(now).as_secs_f64()))
    }

    /// The descriptor of the attempt under way; -1 where there is none.
    fn fileno(&self, py: Python<'_>) -> PyResult<RawFd> {
        let held = self.turn.take(py, || Ok(None))?;
        let line = held.as_ref().and_then(ringway::Redial::line);
        Ok(line.map_or(-1, |line| line.as_raw_fd()))
    }

    /// Gives it up, and gives the lost connection back.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let mut held = self.turn.take(py, || Ok(None))?;
        self.give_back(py, &mut held)
    }
}

impl Drop for Redial {
    fn drop(&mut self) {
        // There is nobody to tell: it fails in a forked child, which has nothing to give back.
        let _ = Python::try_attach(|py| self.close(py));
    }
}
