//! Both halves together.

use std::borrow::Cow;
use std::os::fd::RawFd;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use ringway::Lineage;

use crate::errors::not_made;
use crate::handshake;
use crate::options::{self, Manner};
use crate::receiver::Receiver;
use crate::reservation::Reservation;
use crate::schema::Schema;
use crate::sender::Sender;
use crate::view::View;

/// Who is at the other end, by the kernel's word.
#[pyclass(frozen, eq, module = "ringway")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Its process id, if it has one in our pid namespace.
    #[pyo3(get)]
    pid: Option<i32>,
    /// Its user id.
    #[pyo3(get)]
    uid: u32,
}

#[pymethods]
impl Peer {
    fn __repr__(&self) -> String {
        format!("<ringway.Peer {}>", self.words())
    }
}

impl Peer {
    fn words(&self) -> String {
        let pid = self.pid.map_or("None".to_owned(), |pid| pid.to_string());
        format!("pid={pid} uid={}", self.uid)
    }
}

/// A connection to one peer: frames both ways, in order, each received as it was sent.
///
/// Its two halves, `sender` and `receiver`, may be used by two threads at the same time. Threads that use one half take turns: a call waits, as long as its timeout says, until
/// that of another thread is over. Calls that wait release the interpreter's lock, and Ctrl-C ends them.
///
/// As a context manager it closes itself; iterated over, it yields frames until the peer has closed in order.
///
/// >>> import ringway
/// >>> left, right = ringway.pair()
/// >>> left.send_batch([b"one", b"two"])
/// 2
/// >>> left.close()
/// >>> list(right)
/// [b'one', b'two']
#[pyclass(frozen, module = "ringway")]
#[derive(Debug)]
pub(crate) struct Connection {
    /// The half that sends.
    #[pyo3(get)]
    pub(crate) sender: Py<Sender>,
    /// The half that receives.
    #[pyo3(get)]
    pub(crate) receiver: Py<Receiver>,
    /// Who is at the other end.
    #[pyo3(get)]
    peer: Peer,
    /// The schema of what the peer sends, as it says; `None`: bytes without a meaning.
    #[pyo3(get)]
    peer_sends: Option<Schema>,
    /// The schema of what the peer expects to receive, as it says; `None`: bytes without a meaning.
    #[pyo3(get)]
    peer_expects: Option<Schema>,
    lineage: Option<Lineage>,
}

impl Connection {
    pub(crate) fn new(
        py: Python<'_>,
        connection: ringway::Connection,
        manner: Manner,
    ) -> PyResult<Self> {
        let peer = Peer {
            pid: connection.peer().pid,
            uid: connection.peer().uid,
        };
        let peer_sends = connection.peer_sends().map(Schema::from);
        let peer_expects = connection.peer_expects().map(Schema::from);
        let lineage = connection.lineage();
        let (sender, receiver) = connection.split();
        let sender = Sender::new(sender, manner.wait, manner.alignment);
        let receiver = Receiver::new(receiver, manner.wait, manner.trusts, lineage.is_some());
        Ok(Self {
            sender: Py::new(py, sender)?,
            receiver: Py::new(py, receiver)?,
            peer,
            peer_sends,
            peer_expects,
            lineage,
        })
    }
}

/// Connects to the listener of a name (or of a path: whatever contains a slash, or is a `pathlib.Path`), and shakes hands.
///
/// Options by keyword, with the names and defaults of the Rust library's `Config`: `capacity` and `peer_capacity` (bytes in the ring of each direction), `wait` ("adaptive", "spin" or "park"),
/// `trust_peer`, `lanes`, `sends` and `expects` (schemas), `handshake_timeout` (seconds), and others.
///
/// Raises `NotFound` where nobody listens, `SchemaError` where the two sides do not understand each other, and others that say what to do.
#[pyfunction]
#[pyo3(signature = (name, **options))]
pub(crate) fn connect(
    py: Python<'_>,
    name: &Bound<'_, PyAny>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Connection> {
    let address = options::address(name)?;
    let (config, manner) = options::config("connect", options)?;
    let handshake = config.dial(address);
    let handshake = handshake.map_err(|error| not_made(py, &error))?;
    Connection::new(py, handshake::finish(py, handshake)?, manner)
}

#[pymethods]
impl Connection {
    /// Sends a copy of `buffer` as one frame, waiting for room. `kind` is a number from 0 to 65,535 that the receiver sees.
    ///
    /// When it returns, the frame is in memory that the peer can read, even if this process is killed in the next moment: not that the peer has handled it, nor that it lives (`sender.check()`).
    ///
    /// Raises `TimedOut`, `TooLarge`, or how the connection ended: `Closed`, `PeerDied`, `PeerClosed`, `Protocol`. Nothing was sent then.
    #[pyo3(signature = (buffer, timeout=None, kind=0))]
    fn send(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        kind: u16,
    ) -> PyResult<()> {
        self.sender.get().send(py, buffer, timeout, kind)
    }

    /// As `send`, at one of the priorities of a connection whose two sides have asked for `lanes`: 0 is served first, and what every other call sends has it.
    ///
    /// >>> import ringway
    /// >>> left, right = ringway.pair(lanes=2)
    /// >>> left.send_at(1, b"whenever")
    /// >>> left.send(b"at once")
    /// >>> right.recv(), right.recv()
    /// (b'at once', b'whenever')
    #[pyo3(signature = (priority, buffer, timeout=None, kind=0))]
    fn send_at(
        &self,
        py: Python<'_>,
        priority: usize,
        buffer: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        kind: u16,
    ) -> PyResult<()> {
        let sender = self.sender.get();
        sender.send_at(py, priority, buffer, timeout, kind)
    }

    /// Sends a copy of `buffer` that is of no use any more `lifetime` seconds from now, and waits for room until then. A peer whose `drop_expired` is true never sees it afterwards; the longest
    /// payload is eight bytes shorter.
    ///
    /// Raises `Expired` where there was no room in time, and at once `QueueTooLong` where the peer would not come to it in time.
    ///
    /// >>> import ringway, time
    /// >>> left, right = ringway.pair(drop_expired=True)
    /// >>> left.send_expiring(b"soon stale", 0.05)
    /// >>> left.send_expiring(b"good for an hour", 3600)
    /// >>> time.sleep(0.06)
    /// >>> right.recv()
    /// b'good for an hour'
    #[pyo3(signature = (buffer, lifetime, kind=0))]
    fn send_expiring(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        lifetime: f64,
        kind: u16,
    ) -> PyResult<()> {
        let sender = self.sender.get();
        sender.send_expiring(py, buffer, lifetime, kind)
    }

    /// The same if there is room now. Returns whether it was sent.
    #[pyo3(signature = (buffer, lifetime, kind=0))]
    fn try_send_expiring(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        lifetime: f64,
        kind: u16,
    ) -> PyResult<bool> {
        let sender = self.sender.get();
        sender.try_send_expiring(py, buffer, lifetime, kind)
    }

    /// Sends a copy of `buffer` if there is room now, and no other thread is in a call of this half. Returns whether it was sent. Room comes back in steps of an eighth of the ring.
    #[pyo3(signature = (buffer, kind=0))]
    fn try_send(&self, py: Python<'_>, buffer: &Bound<'_, PyAny>, kind: u16) -> PyResult<bool> {
        self.sender.get().try_send(py, buffer, kind)
    }

    /// Sends several frames, which become visible to the peer in groups, as many in each as there is room for. Returns how many. An exception tells as its attribute `sent` how many went before it.
    ///
    /// >>> import ringway
    /// >>> left, right = ringway.pair()
    /// >>> left.send_batch([b"one", b"two", b"three"])
    /// 3
    /// >>> right.recv_batch()
    /// [b'one', b'two', b'three']
    #[pyo3(signature = (buffers, timeout=None, kind=0))]
    fn send_batch(
        &self,
        py: Python<'_>,
        buffers: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        kind: u16,
    ) -> PyResult<usize> {
        self.sender.get().send_batch(py, buffers, timeout, kind)
    }

    /// The next frame as `bytes`, waiting for it, at most `timeout` seconds. With a timeout of 0 it does not wait.
    ///
    /// What the peer had sent before its end is received first. Raises `TimedOut`, or how the connection ended: `Closed`, `PeerDied`, `PeerClosed`, `Protocol`.
    ///
    /// >>> import ringway
    /// >>> left, right = ringway.pair()
    /// >>> left.send(b"hello")
    /// >>> right.recv()
    /// b'hello'
    /// >>> right.recv(timeout=0.01)
    /// Traceback (most recent call last):
    /// ...
    /// ringway.TimedOut: no frame came before the deadline
    #[pyo3(signature = (timeout=None))]
    fn recv<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyBytes>> {
        self.receiver.get().recv(py, timeout)
    }

    /// The next frame, with the number that its sender gave it.
    ///
    /// >>> import ringway
    /// >>> left, right = ringway.pair()
    /// >>> left.send(b"hello", kind=3)
    /// >>> right.recv_kind()
    /// (3, b'hello')
    #[pyo3(signature = (timeout=None))]
    fn recv_kind<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<f64>,
    ) -> PyResult<(u16, Bound<'py, PyBytes>)> {
        self.receiver.get().recv_kind(py, timeout)
    }

    /// The next frame if there is one now, and no other thread is in a call of this half, else `None`.
    fn try_recv<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.receiver.get().try_recv(py)
    }

    /// Copies the next frame into `buffer`, waiting for it, and returns its length. A large frame is copied into a buffer of 64 KiB or more while its sender still writes it: the way to receive large
    /// messages soon, though other threads run meanwhile, and must leave the buffer alone.
    ///
    /// Raises `Truncated` (its attribute `len` is the frame's length) where the buffer is too short: the frame stays unread.
    ///
    /// >>> import ringway
    /// >>> left, right = ringway.pair()
    /// >>> left.send(b"hello")
    /// >>> buffer = bytearray(5)
    /// >>> right.recv_into(buffer)
    /// 5
    /// >>> buffer
    /// bytearray(b'hello')
    #[pyo3(signature = (buffer, timeout=None))]
    fn recv_into(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        timeout: Option<f64>,
    ) -> PyResult<usize> {
        self.receiver.get().recv_into(py, buffer, timeout)
    }

    /// The frames that are there, at most `max` of them, waiting for the first. A batch also ends where half of the ring is read, where the next frame has another priority, and behind a frame that is in doubt (`last_redelivery`).
    #[pyo3(signature = (max=64, timeout=None))]
    fn recv_batch<'py>(
        &self,
        py: Python<'py>,
        max: isize,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyList>> {
        self.receiver.get().recv_batch(py, max, timeout)
    }

    /// As `recv_batch`, each frame with the number that its sender gave it: `(kind, bytes)`.
    #[pyo3(signature = (max=64, timeout=None))]
    fn recv_batch_kinds<'py>(
        &self,
        py: Python<'py>,
        max: isize,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyList>> {
        self.receiver.get().recv_batch_kinds(py, max, timeout)
    }

    /// Sends a buffer of records of `record_size` bytes, each as a frame, in groups. Returns how many.
    #[pyo3(signature = (buffer, record_size, timeout=None, kind=0))]
    fn send_batch_from(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        record_size: usize,
        timeout: Option<f64>,
        kind: u16,
    ) -> PyResult<usize> {
        let sender = self.sender.get();
        sender.send_batch_from(py, buffer, record_size, timeout, kind)
    }

    /// Copies the frames that are there into `buffer`, one behind the other, waiting for the first; all of `record_size` bytes. Returns how many.
    ///
    /// A frame of another size ends the batch, and stays unread; where it is the first one, `WrongSize` is raised. Only on connections of one lane.
    #[pyo3(signature = (buffer, record_size, timeout=None))]
    fn recv_batch_into(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        record_size: usize,
        timeout: Option<f64>,
    ) -> PyResult<usize> {
        let receiver = self.receiver.get();
        receiver.recv_batch_into(py, buffer, record_size, timeout)
    }

    /// Room for a frame of `size` bytes, to be filled in place: no byte is copied. The end of the `with` block sends it; an exception in the block aborts it, and nothing is sent. The bytes hold what an
    /// earlier frame left there. While it is open, other calls that send raise `InUse`.
    ///
    /// >>> import ringway
    /// >>> left, right = ringway.pair()
    /// >>> with left.reserve(5) as memory:
    /// ...     memory[:] = b"hello"
    /// >>> right.recv()
    /// b'hello'
    ///
    /// Without `with`: `memoryview(reservation)`, then `reservation.commit()` or `reservation.abort()`. What was made of it (an array of NumPy, a slice of the memoryview) has to be released or deleted before.
    ///
    /// Its address is a multiple of the option `alignment`, on both sides: arrays are filled an eighth faster if that is 64.
    #[pyo3(signature = (size, timeout=None, kind=0))]
    fn reserve(
        &self,
        py: Python<'_>,
        size: usize,
        timeout: Option<f64>,
        kind: u16,
    ) -> PyResult<Reservation> {
        Sender::reserve(self.sender.bind(py), size, timeout, kind)
    }

    /// The next frame where it lies, waiting for it: a buffer that cannot be written to, without a copy. Only on connections that were made with `trust_peer=True`: a peer could change the bytes at any
    /// time, also behind a check. It pins the frame's room in the ring until `release()`, or the end of the `with` block; other calls that receive raise `InUse` until then.
    ///
    /// >>> import ringway
    /// >>> left, right = ringway.pair(trust_peer=True)
    /// >>> left.send(b"hello")
    /// >>> with right.recv_view() as memory:
    /// ...     bytes(memory)
    /// b'hello'
    ///
    /// `numpy.frombuffer(view, dtype)` and `numpy.from_dlpack(view)` are arrays over it. They have to be deleted before it is released, or `BufferError` is raised.
    #[pyo3(signature = (timeout=None))]
    fn recv_view(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<View> {
        Receiver::recv_view(self.receiver.bind(py), timeout)
    }

    /// Finishes with everything that was received, where the client can resume the connection (`resumable`): the last frames too, which otherwise are finished with when the next one is asked for. A server
    /// that ends calls it behind its last answer. While another thread is in a call that receives, it does nothing.
    fn release(&self, py: Python<'_>) -> PyResult<()> {
        self.receiver.get().release(py)
    }

    /// That of `receiver`.
    fn fileno(&self) -> PyResult<RawFd> {
        self.receiver.get().fileno()
    }

    /// That of `receiver`.
    fn arm(&self, py: Python<'_>) -> PyResult<bool> {
        self.receiver.get().arm(py)
    }

    /// Closes both halves. The peer reads what was sent, and then hears `Closed`.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let sender = self.sender.get().close(py);
        self.receiver.get().close(py)?;
        sender
    }

    /// Whether both halves were closed here.
    #[getter]
    fn closed(&self) -> bool {
        self.sender.get().is_closed() && self.receiver.get().is_closed()
    }

    /// Bytes in the ring that is sent into: what was agreed, which may be less than was asked for.
    #[getter]
    fn capacity(&self) -> usize {
        self.sender.get().ring_capacity()
    }

    /// Bytes in the ring that is received from.
    #[getter]
    fn peer_capacity(&self) -> usize {
        self.receiver.get().ring_capacity()
    }

    /// Whether the connection can be resumed (`ringway.resume`): this side has asked for it, by the option `resumable`, and where it is the server, its client too.
    #[getter]
    fn resumable(&self) -> bool {
        self.receiver.get().resumable()
    }

    /// `(token, generation)`: the line of connections that this one belongs to, each of which resumes the one before it. The token, 16 bytes that are the same in all of them, names what the client sends for good, together
    /// with the priority and the position (`Receiver.last_position`); it proves nothing. The generation, by the client's word, is how many there were before. None where the connection cannot be resumed.
    #[getter]
    fn lineage(&self) -> Option<(Cow<'_, [u8]>, u32)> {
        let of = self.lineage.as_ref()?;
        Some((Cow::Borrowed(&of.token), of.generation))
    }

    /// The longest frame that can be sent, in bytes.
    #[getter]
    fn max_payload(&self) -> usize {
        self.sender.get().longest()
    }

    /// What the peer says of its messages: a `ringway.typed.Told`, with classes and NumPy dtypes that are made from its tables of fields.
    ///
    /// >>> import ringway
    /// >>> point = {"name": "Point", "size": 8, "align": 8, "fields": [{"name": "x", "type": "f64", "offset": 0, "size": 8, "align": 8}]}
    /// >>> left, right = ringway.pair(sends=ringway.Schema({"records": [point]}))
    /// >>> told = right.schema()
    /// >>> left.send(bytes(8))
    /// >>> told.typed().recv()
    /// Point(x=0.0)
    fn schema(slf: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        let typed = slf.py().import("ringway.typed")?;
        typed.getattr("Told")?.call1((slf,))
    }

    /// `(sender, receiver)`: each may be used by a thread of its own.
    fn split(&self, py: Python<'_>) -> (Py<Sender>, Py<Receiver>) {
        (self.sender.clone_ref(py), self.receiver.clone_ref(py))
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.receiver.get().next_or_end(py)
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
        let state = match (
            self.sender.get().is_closed(),
            self.receiver.get().is_closed(),
        ) {
            (false, false) => "open",
            (true, false) => "sender closed",
            (false, true) => "receiver closed",
            (true, true) => "closed",
        };
        format!("<ringway.Connection {state}, peer {}>", self.peer.words())
    }
}
