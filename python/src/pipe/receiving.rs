//! Messages on their way out of a ring.

use std::ffi::CStr;
use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use ringway::RecvError;

use super::{ABORT, BYTES, LONG, Message, PICKLE, PLAIN, RAW};
use super::{ends, pickling};
use crate::deadline::Until;
use crate::direct::Function;
use crate::errors::{Fault, is, not_received};
use crate::half::State;
use crate::last::Last;
use crate::receiver::{Receiver, bytes_of_next};
use crate::waits;

/// What has come.
enum Received<'py> {
    /// A message of one frame.
    Whole(u16, Bound<'py, PyBytes>),
    Long(Message),
}

/// `_pipe_recv_object(receiver)`: the next object, waiting for it. It runs whatever a pickle says: whoever sent it is trusted.
pub(crate) struct RecvObject;

impl Function for RecvObject {
    const NAME: &'static CStr = c"_pipe_recv_object";
    type Half = Receiver;
    const MORE: usize = 0;

    #[inline]
    fn perform<'py>(
        py: Python<'py>,
        receiver: &Receiver,
        _: &[Borrowed<'_, 'py, PyAny>],
    ) -> PyResult<Bound<'py, PyAny>> {
        match receive(py, receiver)? {
            Received::Whole(kind, bytes) => pickling::loaded(kind, &bytes),
            Received::Long(message) => message.object(py),
        }
    }
}

/// `_pipe_recv_bytes(receiver)`: the next message as bytes, waiting for it: that of an object is its pickle. Nothing that the peer has pickled is run for it.
pub(crate) struct RecvBytes;

impl Function for RecvBytes {
    const NAME: &'static CStr = c"_pipe_recv_bytes";
    type Half = Receiver;
    const MORE: usize = 0;

    #[inline]
    fn perform<'py>(
        py: Python<'py>,
        receiver: &Receiver,
        _: &[Borrowed<'_, 'py, PyAny>],
    ) -> PyResult<Bound<'py, PyAny>> {
        match receive(py, receiver)? {
            Received::Whole(BYTES | PICKLE, bytes) => Ok(bytes.into_any()),
            Received::Whole(kind, bytes) => pickling::plainly(&pickling::loaded(kind, &bytes)?),
            Received::Long(message) if matches!(message.kind, BYTES | PICKLE) => message.joined(py),
            Received::Long(message) => pickling::plainly(&message.object(py)?),
        }
    }
}

#[inline]
fn receive<'py>(py: Python<'py>, receiver: &Receiver) -> PyResult<Received<'py>> {
    let half = &receiver.half;
    let mut amid = false;
    let mut within = || {
        let mut inbox = half.enter(py, None)?;
        let (lane, message) = inbox.pipe(py)?;
        let received = next(py, lane, message, &half.state);
        amid = message.is_some();
        received
    };
    within().map_err(|error| ends::not_received(py, error, &half.state, amid))
}

fn next<'py>(
    py: Python<'py>,
    lane: &mut ringway::Receiver,
    place: &mut Option<Message>,
    state: &State,
) -> PyResult<Received<'py>> {
    loop {
        if let Some(message) = place {
            let whole = message.fill(py, lane, state)?;
            // A signal that came meanwhile is heard before the message is given out, which would be lost by what its handler raises.
            py.check_signals()?;
            let message = place.take().expect("looked at just now");
            if whole {
                return Ok(Received::Long(message));
            }
            // Its sender was interrupted, and goes on with the next message.
            message.end(py);
        }
        if !lane.sees_frame_within(waits::HELD) {
            waits::for_frame(py, lane, state, None)?;
        }
        let about = Last::default();
        let bytes = match bytes_of_next(py, lane, &about) {
            Ok(bytes) => bytes?,
            // What was there had expired.
            Err(RecvError::Empty) => continue,
            Err(error) => return Err(not_received(py, error)),
        };
        let kind = about.kind();
        match kind & !0xff {
            // Of no other kind: what is to be done with it decides whether it runs something.
            0 if is_known(kind) => return Ok(Received::Whole(kind, bytes)),
            LONG => {
                let kind = kind & 0xff;
                let announced = if is_known(kind) {
                    Message::announced(py, kind, bytes.as_bytes())?
                } else {
                    None
                };
                *place = Some(announced.ok_or_else(ends::bad_message)?);
            }
            ABORT => {}
            _ => return Err(ends::bad_message()),
        }
    }
}

/// Whether messages are of that kind.
fn is_known(kind: u16) -> bool {
    matches!(kind, BYTES | PICKLE | PLAIN | RAW)
}

/// Whether there is a frame, or an end to tell; waits for it as long as `timeout` says.
#[pyfunction]
pub(crate) fn _pipe_poll(
    py: Python<'_>,
    receiver: &Bound<'_, Receiver>,
    timeout: Option<f64>,
) -> PyResult<bool> {
    let half = &receiver.get().half;
    // The turn of another thread is a part of the wait.
    let mut until = Until::new(timeout);
    let mut inbox = half.enter_until(py, &mut until)?;
    let there = inbox.has_message();
    let receiver = inbox.receiver(py)?;
    if there {
        return Ok(true);
    }
    loop {
        match receiver.wait_for_frame(Some(Instant::now())) {
            Err(RecvError::TimedOut) => break,
            Err(RecvError::Interrupted) => py.check_signals()?,
            Err(RecvError::Forked) => return Err(not_received(py, RecvError::Forked)),
            _ => return Ok(true),
        }
    }
    if timeout == Some(0.0) {
        return Ok(false);
    }
    match waits::for_frame(py, receiver, &half.state, until.deadline()?) {
        Ok(()) => Ok(true),
        Err(error) => {
            // In vain, or a signal's handler has raised something; any other end is told by the call that receives.
            if is(py, &error, Fault::TimedOut) {
                Ok(false)
            } else if is(py, &error, Fault::Error) && !half.state.closing.is_set() {
                Ok(true)
            } else {
                Err(error)
            }
        }
    }
}
