//! The half that receives.

use std::os::fd::{AsFd, AsRawFd, RawFd};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use ringway::{Arm, RecvError, Wait};

use crate::buffer::{Lent, blank};
use crate::deadline::{Until, after};
use crate::errors::{Fault, is, not_received, raise};
use crate::half::Half;
use crate::inbox::Inbox;
use crate::last::Last;
use crate::view::View;
use crate::waits;

/// Buffers of this many bytes on are filled while the frame is still written, without the interpreter's lock.
const LARGE: usize = 64 << 10;

/// The half of a connection that receives. Threads that call it at the same time take turns.
#[pyclass(frozen, module = "ringway")]
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) half: Half<Inbox>,
    last: Last,
    capacity: usize,
    /// The program trusts the peer not to change frames.
    trusts: bool,
    /// The peer sends to the next one what this one has not finished with.
    is_resumable: bool,
    /// Its frames have names that last.
    gives_account: bool,
}

impl Receiver {
    pub(crate) fn new(
        receiver: ringway::Receiver,
        wait: Wait,
        trusts: bool,
        is_resumable: bool,
    ) -> Self {
        let mut receiver = receiver;
        receiver.heed_signals(true);
        // What is received here are copies.
        receiver.leave_when_dropped(cfg!(not(ringway_planted = "finished_early")));
        let interrupter = receiver.interrupter();
        let descriptor = receiver.as_fd().as_raw_fd();
        let capacity = receiver.capacity();
        let gives_account = receiver.gives_account();
        Self {
            half: Half::new(Inbox::new(receiver), wait, interrupter, descriptor),
            last: Last::default(),
            capacity,
            trusts,
            is_resumable,
            gives_account,
        }
    }

    /// Waits for a frame, as long as `timeout` says, and has it received.
    #[inline]
    pub(crate) fn receive<R>(
        &self,
        py: Python<'_>,
        timeout: Option<f64>,
        mut take: impl FnMut(&mut ringway::Receiver, &Last) -> Result<PyResult<R>, RecvError>,
    ) -> PyResult<R> {
        if timeout.is_some_and(|seconds| seconds.is_nan() || seconds < 0.0) {
            after(timeout)?;
        }
        let mut until = Until::new(timeout);
        let mut inbox = self.half.enter_until(py, &mut until)?;
        let receiver = inbox.receiver(py)?;
        loop {
            if !receiver.sees_frame_within(waits::HELD) {
                self.wait(py, receiver, &mut until)?;
            }
            match take(receiver, &self.last) {
                Ok(received) => return received,
                // What was there had expired.
                Err(RecvError::Empty) => {}
                Err(error) => return Err(not_received(py, error)),
            }
        }
    }

    #[cold]
    fn wait(
        &self,
        py: Python<'_>,
        receiver: &mut ringway::Receiver,
        until: &mut Until,
    ) -> PyResult<()> {
        waits::for_frame(py, receiver, &self.half.state, until.deadline()?)
    }

    /// The frames that are there, at most `max` of them, as `append` puts them into a list, in which nobody looks before they are whole.
    fn receive_batch<'py>(
        &self,
        py: Python<'py>,
        max: isize,
        timeout: Option<f64>,
        append: impl Fn(&Bound<'py, PyList>, u16, Bound<'py, PyBytes>) -> PyResult<()>,
    ) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        let place = |kind, bytes| append(&list, kind, bytes);
        self.receive_each(py, max, timeout, place, |()| Ok(()))?;
        Ok(list)
    }

    /// The same of each, for which `place` makes room before it is taken; `whole` is told when it has all of its bytes.
    pub(crate) fn receive_each<'py, T>(
        &self,
        py: Python<'py>,
        max: isize,
        timeout: Option<f64>,
        place: impl Fn(u16, Bound<'py, PyBytes>) -> PyResult<T>,
        whole: impl Fn(T) -> PyResult<()>,
    ) -> PyResult<()> {
        let most = at_least_one(max)?;
        self.receive(py, timeout, |receiver, last| {
            let mut frames = receiver.try_recv_batch(most)?;
            let mut received = 0;
            loop {
                let mut made = None;
                // Without memory for it, and for its place in the list, a frame stays unread.
                let room = |len: usize, kind: u16| {
                    let listed = blank(py, len).and_then(|bytes| {
                        let placed = place(kind, bytes.object().clone())?;
                        Ok((bytes, placed))
                    });
                    made.insert(listed).is_ok()
                };
                let frame = frames.next_frame_if(room);
                match (frame, made) {
                    (Some(frame), Some(Ok((bytes, placed)))) => {
                        last.is(&frame);
                        let ends_the_batch = last.is_in_doubt();
                        bytes.fill(|target| frame.copy_to(target));
                        if let Err(error) = whole(placed) {
                            return Ok(Err(error));
                        }
                        received += 1;
                        if ends_the_batch {
                            return Ok(Ok(()));
                        }
                    }
                    // The next call says it again, if it is still so.
                    (_, Some(Err(error))) if received == 0 => return Ok(Err(error)),
                    _ => return Ok(Ok(())),
                }
            }
        })
    }

    /// The next frame and its kind, in one turn: another thread's may be of another kind. `None` too where that one is in a call.
    #[inline]
    pub(crate) fn next_at_once<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Option<(u16, Bound<'py, PyBytes>)>> {
        let Some(mut inbox) = self.half.enter_at_once(py)? else {
            return Ok(None);
        };
        match bytes_of_next(py, inbox.receiver(py)?, &self.last) {
            Ok(bytes) => bytes.map(|bytes| Some((self.last.kind(), bytes))),
            Err(RecvError::Empty) => Ok(None),
            Err(error) => Err(not_received(py, error)),
        }
    }

    /// Releases the frame that is looked at in place. `is_done`: the program is finished with it.
    pub(crate) fn finish(&self, py: Python<'_>, is_done: bool) {
        let is_told = is_done && self.is_resumable;
        // There is nobody to tell: it fails in a forked child, which has nothing to release.
        let _ = self.half.finish(py, |inbox| inbox.finish(is_told));
    }

    /// The next frame of an iteration; `None` behind the last one.
    pub(crate) fn next_or_end<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        match self.recv(py, None) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if is(py, &error, Fault::Closed) && !self.is_closed() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn armed(&self, py: Python<'_>) -> PyResult<bool> {
        let Some(mut inbox) = self.half.enter_at_once(py)? else {
            return Ok(false);
        };
        let armed = inbox.receiver(py)?.arm();
        armed.map_or_else(
            |error| Err(not_received(py, error)),
            |armed| Ok(armed == Arm::Armed),
        )
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.half.state.closing.is_set()
    }

    pub(crate) fn ring_capacity(&self) -> usize {
        self.capacity
    }
}

/// How many frames a batch has at most.
fn at_least_one(max: isize) -> PyResult<usize> {
    let most = usize::try_from(max).ok().filter(|most| *most > 0);
    most.ok_or_else(|| PyValueError::new_err(format!("max is {max}: it must be at least 1")))
}

/// The next frame as `bytes`. Without memory for them it stays unread.
#[inline]
pub(crate) fn bytes_of_next<'py>(
    py: Python<'py>,
    receiver: &mut ringway::Receiver,
    last: &Last,
) -> Result<PyResult<Bound<'py, PyBytes>>, RecvError> {
    let mut made = None;
    let frame = receiver.try_recv_if(|len, _| made.insert(blank(py, len)).is_ok())?;
    Ok(match (frame, made) {
        (Some(frame), Some(Ok(bytes))) => {
            last.is(&frame);
            Ok(bytes.fill(|target| frame.copy_to(target)))
        }
        (_, Some(Err(error))) => Err(error),
        _ => unreachable!("a frame is taken once there is room for it"),
    })
}

#[pymethods]
impl Receiver {
    /// The next frame as `bytes`, waiting for it: as `Connection.recv`.
    #[pyo3(signature = (timeout=None))]
    #[inline]
    pub(crate) fn recv<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        self.receive(py, timeout, |receiver, last| {
            bytes_of_next(py, receiver, last)
        })
    }

    /// The next frame, with the number that its sender gave it: as `Connection.recv_kind`.
    #[pyo3(signature = (timeout=None))]
    pub(crate) fn recv_kind<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<f64>,
    ) -> PyResult<(u16, Bound<'py, PyBytes>)> {
        self.receive(py, timeout, |receiver, last| {
            let bytes = bytes_of_next(py, receiver, last)?;
            Ok(bytes.map(|bytes| (last.kind(), bytes)))
        })
    }

    /// The next frame if there is one now, else `None`: as `Connection.try_recv`.
    pub(crate) fn try_recv<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let found = self.next_at_once(py)?;
        Ok(found.map(|(_, bytes)| bytes))
    }

    /// Copies the next frame into a buffer: as `Connection.recv_into`.
    #[pyo3(signature = (buffer, timeout=None))]
    pub(crate) fn recv_into(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        timeout: Option<f64>,
    ) -> PyResult<usize> {
        let mut buffer = Lent::to_write(buffer)?;
        if buffer.len() >= LARGE {
            let mut until = Until::new(timeout);
            let mut inbox = self.half.enter_until(py, &mut until)?;
            let receiver = inbox.receiver(py)?;
            let deadline = until.deadline()?;
            let len = waits::into_large(py, receiver, &mut buffer, &self.half.state, deadline)?;
            self.last.was(0, receiver);
            return Ok(len);
        }
        let room = buffer.len();
        self.receive(py, timeout, |receiver, last| {
            let mut next = 0;
            let fits = |len: usize, _: u16| {
                next = len;
                len <= room
            };
            let Some(frame) = receiver.try_recv_if(fits)? else {
                return Err(RecvError::Truncated { len: next });
            };
            last.is(&frame);
            Ok(Ok(frame.copy_to(buffer.bytes_mut())))
        })
    }

    /// The frames that are there: as `Connection.recv_batch`.
    #[pyo3(signature = (max=64, timeout=None))]
    pub(crate) fn recv_batch<'py>(
        &self,
        py: Python<'py>,
        max: isize,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyList>> {
        self.receive_batch(py, max, timeout, |list, _, bytes| list.append(bytes))
    }

    /// The frames that are there, each with its number: as `Connection.recv_batch_kinds`.
    #[pyo3(signature = (max=64, timeout=None))]
    pub(crate) fn recv_batch_kinds<'py>(
        &self,
        py: Python<'py>,
        max: isize,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyList>> {
        self.receive_batch(py, max, timeout, |list, kind, bytes| {
            list.append((kind, bytes))
        })
    }

    /// Copies frames of one size into a buffer, one behind the other: as `Connection.recv_batch_into`.
    #[pyo3(name = "recv_batch_into", signature = (buffer, record_size, timeout=None))]
    fn py_recv_batch_into(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        record_size: usize,
        timeout: Option<f64>,
    ) -> PyResult<usize> {
        self.recv_batch_into(py, buffer, record_size, timeout)
    }

    /// The next frame in place: as `Connection.recv_view`.
    #[pyo3(signature = (timeout=None))]
    pub(crate) fn recv_view(slf: &Bound<'_, Self>, timeout: Option<f64>) -> PyResult<View> {
        let (py, receiver) = (slf.py(), slf.get());
        if !receiver.trusts {
            let text = "frames are looked at in place on connections that were made with trust_peer=True only: a peer may change the bytes at any time, also behind a check";
            return Err(raise(py, Fault::Feature, text));
        }
        let mut until = Until::new(timeout);
        let mut inbox = receiver.half.enter_until(py, &mut until)?;
        loop {
            let lane = inbox.receiver(py)?;
            if !lane.sees_frame_within(waits::HELD) {
                receiver.wait(py, lane, &mut until)?;
            }
            match inbox.keep(&receiver.last) {
                Ok((place, len, kind)) => {
                    return Ok(View::new(slf.clone().unbind(), place, len, kind));
                }
                Err(RecvError::Empty) => {}
                Err(error) => return Err(not_received(py, error)),
            }
        }
    }

    /// Before polling `fileno()` in an event loop. `True`: there is nothing to do, and the descriptor becomes readable when there may be; arm again before the next poll. `False`: call a method that
    /// receives now, and do not poll.
    ///
    /// With `wait="spin"` the answer is always `False`, and it is while another thread is in a call of this half, for which it does not wait. Arming has no effect on other calls,
    /// but that it asks for the next frame: where the connection can be resumed, what was received is finished with.
    ///
    /// >>> import ringway, select
    /// >>> left, right = ringway.pair()
    /// >>> receiver = right.receiver
    /// >>> receiver.arm()
    /// True
    /// >>> left.send(b"hello")
    /// >>> select.select([receiver], [], [], 10)[0] == [receiver]
    /// True
    /// >>> receiver.try_recv()
    /// b'hello'
    pub(crate) fn arm(&self, py: Python<'_>) -> PyResult<bool> {
        let armed = self.armed(py)?;
        if !armed {
            self.half.state.is_awake();
        }
        Ok(armed)
    }

    /// The same for the loop of a task, which arms it again when another call has had it awake.
    fn _arm(&self, py: Python<'_>) -> PyResult<bool> {
        let armed = self.armed(py)?;
        self.half.state.note_armed(armed);
        Ok(armed)
    }

    /// Finishes with everything that was received: as `Connection.release`.
    pub(crate) fn release(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(mut inbox) = self.half.enter_at_once(py)? {
            inbox.receiver(py)?.release();
        }
        Ok(())
    }

    /// The descriptor that an event loop polls for readability, after `arm()` has answered `True`.
    pub(crate) fn fileno(&self) -> PyResult<RawFd> {
        self.half.descriptor()
    }

    /// Closes this half: the peer's sender hears `Closed`, and a call of another thread that waits in it ends with `Closed`. Views that are in use stay valid until they are released.
    pub(crate) fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.half.close(py)
    }

    /// Whether it was closed here.
    #[getter]
    fn closed(&self) -> bool {
        self.is_closed()
    }

    /// Bytes in the ring that is received from.
    #[getter]
    fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether the connection can be resumed: as `Connection.resumable`.
    #[getter]
    pub(crate) fn resumable(&self) -> bool {
        self.is_resumable
    }

    /// The number that the sender gave the frame which was received last; 0 before the first one, and behind a large buffer's `recv_into`, which does not tell.
    #[getter]
    fn last_kind(&self) -> u16 {
        self.last.kind()
    }

    /// The priority of the frame that was received last; 0 before the first one.
    #[getter]
    fn last_priority(&self) -> u16 {
        self.last.priority()
    }

    /// Whether the frame that was received last was sent to an earlier server too (`ringway.resume`): `"first"`: it was not; `"unseen"`: it is proven that no server has seen it; `"in_doubt"`: one may have, and
    /// may have handled it. Of a batch, that of its last frame: no other frame of it is in doubt.
    #[getter]
    fn last_redelivery(&self) -> &'static str {
        self.last.redelivery()
    }

    /// The position of the frame that was received last, in the server of a connection that can be resumed: with `Connection.lineage` and the priority it names the frame for good, whichever server receives it.
    /// Of a batch, that of its last frame. None before the first one, and in the client, whose servers each begin anew.
    #[getter]
    fn last_position(&self) -> Option<u64> {
        self.last.position().filter(|_| self.gives_account)
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.next_or_end(py)
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
        format!("<ringway.Receiver {state}, capacity {}>", self.capacity)
    }
}
