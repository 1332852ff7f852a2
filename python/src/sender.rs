//! The half that sends.

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Instant;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ringway::{Arm, Room, SendError, Wait};

use crate::buffer::{Payload, unlocked};
use crate::deadline::{Until, after};
use crate::errors::{Fault, is, not_sent};
use crate::half::Half;
use crate::outbox::Outbox;
use crate::reservation::Reservation;
use crate::waits;

/// The half of a connection that sends. Threads that call it at the same time take turns.
#[pyclass(frozen, module = "ringway")]
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) half: Half<Outbox>,
    capacity: usize,
    max_payload: usize,
    priorities: usize,
    /// Of the payloads that are reserved.
    alignment: usize,
}

impl Sender {
    pub(crate) fn new(mut sender: ringway::Sender, wait: Wait, alignment: usize) -> Self {
        sender.heed_signals(true);
        let interrupter = sender.interrupter();
        let descriptor = sender.as_fd().as_raw_fd();
        let (capacity, max_payload) = (sender.capacity(), sender.max_payload());
        let priorities = sender.priorities();
        Self {
            half: Half::new(Outbox::new(sender), wait, interrupter, descriptor),
            capacity,
            max_payload,
            priorities,
            alignment,
        }
    }

    #[cold]
    fn wait(
        &self,
        py: Python<'_>,
        sender: &mut ringway::Sender,
        len: usize,
        until: &mut Until,
    ) -> PyResult<()> {
        waits::for_room(py, sender, len, &self.half.state, until.deadline()?)
    }

    /// Sends frames in groups, as many in each as there is room for. `payload` has the bytes of each, for a look: while it waits for room, others may change them.
    fn send_group<'a>(
        &self,
        py: Python<'_>,
        count: usize,
        payload: impl Fn(usize) -> &'a [u8],
        kind: u16,
        timeout: Option<f64>,
    ) -> PyResult<usize> {
        let mut until = Until::new(timeout);
        let mut outbox = self.half.enter_until(py, &mut until)?;
        let sender = outbox.sender(py)?;
        let deadline = until.deadline()?;
        let mut sent = 0;
        loop {
            let mut group = sender.group();
            let mut refusal = None;
            while sent < count && refusal.is_none() {
                match group.try_send_kind(kind, payload(sent)) {
                    Ok(()) => sent += 1,
                    Err(error) => refusal = Some(error),
                }
            }
            group.publish();
            match refusal {
                None => return Ok(sent),
                Some(SendError::Full) => {
                    let len = payload(sent).len();
                    let waited = waits::for_room(py, sender, len, &self.half.state, deadline);
                    waited.map_err(|error| partly(py, error, sent))?;
                }
                Some(error) => return Err(partly(py, not_sent(py, error), sent)),
            }
        }
    }

    /// Ends the open reservation. Of a half that is closed by now, nothing is sent.
    pub(crate) fn finish(&self, py: Python<'_>, commit: Option<usize>) -> PyResult<()> {
        let state = &self.half.state;
        let closing = state.closing.is_set();
        self.half
            .finish(py, |outbox| outbox.finish(commit.filter(|_| !closing)))?;
        if closing && commit.is_some() {
            return Err(state.closed(py));
        }
        Ok(())
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.half.state.closing.is_set()
    }

    pub(crate) fn ring_capacity(&self) -> usize {
        self.capacity
    }

    fn armed(&self, py: Python<'_>, room: Room) -> PyResult<bool> {
        let Some(mut outbox) = self.half.enter_at_once(py)? else {
            return Ok(false);
        };
        let armed = outbox.sender(py)?.arm(room);
        armed.map_or_else(
            |error| Err(not_sent(py, error)),
            |armed| Ok(armed == Arm::Armed),
        )
    }

    pub(crate) fn longest(&self) -> usize {
        self.max_payload
    }
}

/// Whether a frame was sent, of which nobody waits for room.
fn at_once(py: Python<'_>, sent: Result<(), SendError>) -> PyResult<bool> {
    match sent {
        Ok(()) => Ok(true),
        Err(SendError::Full) => Ok(false),
        Err(error) => Err(not_sent(py, error)),
    }
}

/// When a frame of that lifetime expires.
fn end_of(lifetime: f64) -> PyResult<Instant> {
    let expires = (lifetime >= 0.0)
        .then(|| after(Some(lifetime)))
        .and_then(Result::ok)
        .flatten();
    expires.ok_or_else(|| {
        let text = format!(
            "lifetime is {lifetime}: it must be a number of seconds that is not negative, and ends"
        );
        PyValueError::new_err(text)
    })
}

/// Says with an error how many of a batch were sent before it, as its attribute `sent`.
fn partly(py: Python<'_>, error: PyErr, sent: usize) -> PyErr {
    match error.value(py).setattr("sent", sent) {
        Ok(()) => error,
        Err(other) => other,
    }
}

#[pymethods]
impl Sender {
    /// Sends a copy of `buffer`, waiting for room: as `Connection.send`.
    #[pyo3(signature = (buffer, timeout=None, kind=0))]
    #[inline]
    pub(crate) fn send(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        kind: u16,
    ) -> PyResult<()> {
        let payload = Payload::of(buffer)?;
        let mut until = Until::new(timeout);
        let mut outbox = self.half.enter_until(py, &mut until)?;
        let sender = outbox.sender(py)?;
        loop {
            let sent = if payload.is_long() {
                unlocked(py, || sender.try_send_kind(kind, payload.bytes()))
            } else {
                sender.try_send_kind(kind, payload.bytes())
            };
            match sent {
                Ok(()) => return Ok(()),
                Err(SendError::Full) => self.wait(py, sender, payload.len(), &mut until)?,
                Err(error) => return Err(not_sent(py, error)),
            }
        }
    }

    /// Sends a copy of `buffer` at a priority: as `Connection.send_at`.
    #[pyo3(signature = (priority, buffer, timeout=None, kind=0))]
    pub(crate) fn send_at(
        &self,
        py: Python<'_>,
        priority: usize,
        buffer: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        kind: u16,
    ) -> PyResult<()> {
        let payload = Payload::of(buffer)?;
        let mut until = Until::new(timeout);
        let mut outbox = self.half.enter_until(py, &mut until)?;
        let deadline = until.deadline()?;
        let mut sender = outbox
            .sender(py)?
            .at(priority)
            .map_err(|error| not_sent(py, error))?;
        loop {
            match sender.try_send_kind(kind, payload.bytes()) {
                Ok(()) => return Ok(()),
                Err(SendError::Full) => {
                    waits::for_room(py, &mut sender, payload.len(), &self.half.state, deadline)?;
                }
                Err(error) => return Err(not_sent(py, error)),
            }
        }
    }

    /// How many priorities there are, from 1 to 4: what was agreed.
    #[getter]
    fn priorities(&self) -> usize {
        self.priorities
    }

    /// Sends a copy of `buffer` if there is room now: as `Connection.try_send`.
    #[pyo3(signature = (buffer, kind=0))]
    pub(crate) fn try_send(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        kind: u16,
    ) -> PyResult<bool> {
        let payload = Payload::of(buffer)?;
        let Some(mut outbox) = self.half.enter_at_once(py)? else {
            return Ok(false);
        };
        let sender = outbox.sender(py)?;
        at_once(py, sender.try_send_kind(kind, payload.bytes()))
    }

    /// Sends a copy that is of no use any more after a time: as `Connection.send_expiring`.
    #[pyo3(signature = (buffer, lifetime, kind=0))]
    pub(crate) fn send_expiring(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        lifetime: f64,
        kind: u16,
    ) -> PyResult<()> {
        let expires = end_of(lifetime)?;
        let payload = Payload::of(buffer)?;
        let mut outbox = match self.half.enter_until(py, &mut Until::at(expires)) {
            // Another thread had its turn until then.
            Err(error) if is(py, &error, Fault::TimedOut) => {
                return Err(not_sent(py, SendError::Expired));
            }
            entered => entered?,
        };
        let sender = outbox.sender(py)?;
        loop {
            match sender.try_send_kind_expiring(kind, payload.bytes(), expires) {
                Ok(()) => return Ok(()),
                Err(SendError::Full) => {}
                Err(error) => return Err(not_sent(py, error)),
            }
            let room = Room::of(payload.len()).expiring();
            match waits::for_room(py, sender, room, &self.half.state, Some(expires)) {
                // The next try says that it has expired.
                Err(error) if is(py, &error, Fault::TimedOut) => {}
                waited => waited?,
            }
        }
    }

    /// The same if there is room now: as `Connection.try_send_expiring`.
    #[pyo3(signature = (buffer, lifetime, kind=0))]
    pub(crate) fn try_send_expiring(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        lifetime: f64,
        kind: u16,
    ) -> PyResult<bool> {
        let expires = end_of(lifetime)?;
        let payload = Payload::of(buffer)?;
        let Some(mut outbox) = self.half.enter_at_once(py)? else {
            return Ok(false);
        };
        let sender = outbox.sender(py)?;
        at_once(
            py,
            sender.try_send_kind_expiring(kind, payload.bytes(), expires),
        )
    }

    /// Sends several frames, which become visible in groups: as `Connection.send_batch`.
    #[pyo3(signature = (buffers, timeout=None, kind=0))]
    pub(crate) fn send_batch(
        &self,
        py: Python<'_>,
        buffers: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        kind: u16,
    ) -> PyResult<usize> {
        // The iterator may run any code, and is asked before the half is taken: what it does with this half is its own turn.
        let payloads: Vec<Bound<'_, PyAny>> = buffers.try_iter()?.collect::<PyResult<_>>()?;
        let payloads: Vec<Payload<'_, '_>> =
            payloads.iter().map(Payload::of).collect::<PyResult<_>>()?;
        self.send_group(py, payloads.len(), |at| payloads[at].bytes(), kind, timeout)
    }

    /// Sends a buffer of records, each as a frame: as `Connection.send_batch_from`.
    #[pyo3(signature = (buffer, record_size, timeout=None, kind=0))]
    pub(crate) fn send_batch_from(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        record_size: usize,
        timeout: Option<f64>,
        kind: u16,
    ) -> PyResult<usize> {
        let records = Payload::of(buffer)?;
        let len = records.len();
        if record_size == 0 || len % record_size != 0 {
            let text =
                format!("a buffer of {len} bytes is no number of records of {record_size} bytes");
            return Err(PyValueError::new_err(text));
        }
        let record = |at: usize| &records.bytes()[at * record_size..][..record_size];
        self.send_group(py, len / record_size, record, kind, timeout)
    }

    /// Room in the ring, to be filled in place: as `Connection.reserve`.
    #[pyo3(signature = (size, timeout=None, kind=0))]
    pub(crate) fn reserve(
        slf: &Bound<'_, Self>,
        size: usize,
        timeout: Option<f64>,
        kind: u16,
    ) -> PyResult<Reservation> {
        let (py, sender) = (slf.py(), slf.get());
        let mut until = Until::new(timeout);
        let mut outbox = sender.half.enter_until(py, &mut until)?;
        loop {
            outbox.sender(py)?;
            let kept = outbox.keep(|lane| {
                let reservation = lane.try_reserve_aligned(size, sender.alignment)?;
                Ok(reservation.kind(kind))
            });
            match kept {
                Ok((place, len)) => {
                    return Ok(Reservation::new(slf.clone().unbind(), place, len));
                }
                Err(SendError::Full) => {
                    // What lies before an aligned payload takes room too.
                    let room = Room::of(size).aligned(sender.alignment);
                    let deadline = until.deadline()?;
                    waits::for_room(py, outbox.sender(py)?, room, &sender.half.state, deadline)?;
                }
                Err(error) => return Err(not_sent(py, error)),
            }
        }
    }

    /// Before polling `fileno()` in an event loop, by who wants to send `size` bytes. `True`: there is no room, and the descriptor becomes *readable* when there may be; arm again before the next
    /// poll. `False`: call a method that sends now, and do not poll; so it is while another thread is in a call of this half, for which it does not wait.
    ///
    /// `aligned`: room for `reserve`, which where the option `alignment` is set may take a pad before the bytes. `expiring`: room for `try_send_expiring`, which takes eight bytes more.
    #[pyo3(signature = (size=0, *, aligned=false, expiring=false))]
    fn arm(&self, py: Python<'_>, size: usize, aligned: bool, expiring: bool) -> PyResult<bool> {
        let mut room = Room::of(size);
        if aligned {
            room = room.aligned(self.alignment);
        }
        if expiring {
            room = room.expiring();
        }
        let armed = self.armed(py, room)?;
        if !armed {
            self.half.state.is_awake();
        }
        Ok(armed)
    }

    /// The same for the loop of a task, which arms it again when another call has had it awake.
    #[pyo3(signature = (size=0))]
    fn _arm(&self, py: Python<'_>, size: usize) -> PyResult<bool> {
        let armed = self.armed(py, Room::of(size))?;
        self.half.state.note_armed(armed);
        Ok(armed)
    }

    /// Looks whether the peer's receiver is still there, and raises how the connection ended if it is not. It costs two system calls: while there is room, sending makes none, and so does not hear of a
    /// peer that was killed. It waits for no other thread: while one is in a call of this half, that one hears of an end, and this call returns.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        let Some(mut outbox) = self.half.enter_at_once(py)? else {
            return Ok(());
        };
        outbox
            .sender(py)?
            .check()
            .map_err(|error| not_sent(py, error))
    }

    /// The descriptor that an event loop polls for readability, after `arm()` has answered `True`.
    fn fileno(&self) -> PyResult<RawFd> {
        self.half.descriptor()
    }

    /// Closes this half: the peer reads what was sent, and then hears `Closed`. A call of another thread that waits in it ends with `Closed`. A reservation that is open is aborted when it is finished.
    pub(crate) fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.half.close(py)
    }

    /// Whether it was closed here.
    #[getter]
    fn closed(&self) -> bool {
        self.is_closed()
    }

    /// Bytes in the ring that is sent into.
    #[getter]
    fn capacity(&self) -> usize {
        self.capacity
    }

    /// The longest frame, in bytes.
    #[getter]
    fn max_payload(&self) -> usize {
        self.max_payload
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _trace: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.close(py)
    }

    fn __repr__(&self) -> String {
        let state = if self.is_closed() { "closed" } else { "open" };
        format!("<ringway.Sender {state}, capacity {}>", self.capacity)
    }
}
