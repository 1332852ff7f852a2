//! Both halves together.

use std::os::fd::RawFd;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::errors::not_made;
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
        let pid = self.pid.map_or("None".to_owned(), |pid| pid.to_string());
        format!("<ringway.Peer pid={pid} uid={}>", self.uid)
    }
}

/// A connection: frames both ways, to one peer.
#[pyclass(frozen, module = "ringway")]
#[derive(Debug)]
pub(crate) struct Connection {
    #[pyo3(get)]
    sender: Py<Sender>,
    #[pyo3(get)]
    receiver: Py<Receiver>,
    #[pyo3(get)]
    peer: Peer,
    /// What the peer says that it sends.
    #[pyo3(get)]
    peer_sends: Option<Schema>,
    /// What the peer says that it expects.
    #[pyo3(get)]
    peer_expects: Option<Schema>,
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
        let schema = |table: &ringway::schema::Schema| Schema {
            table: table.clone(),
        };
        let peer_sends = connection.peer_sends().map(schema);
        let peer_expects = connection.peer_expects().map(schema);
        let (sender, receiver) = connection.split();
        Ok(Self {
            sender: Py::new(py, Sender::new(sender, manner.wait))?,
            receiver: Py::new(py, Receiver::new(receiver, manner.wait, manner.trusts))?,
            peer,
            peer_sends,
            peer_expects,
        })
    }
}

/// Connects to a listener.
#[pyfunction]
#[pyo3(signature = (name, **options))]
pub(crate) fn connect(
    py: Python<'_>,
    name: &Bound<'_, PyAny>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Connection> {
    let address = options::address(name)?;
    let (config, manner) = options::config("connect", options)?;
    let connected = py.detach(|| config.connect(address));
    // A handshake is over in a second; what a signal wants is done then.
    py.check_signals()?;
    let connection = connected.map_err(|error| not_made(py, &error))?;
    Connection::new(py, connection, manner)
}

#[pymethods]
impl Connection {
    #[pyo3(signature = (buffer, timeout=None, kind=0))]
    fn send(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        kind: u16,
    ) -> PyResult<()> {
        self.sender.get().send(py, buffer, kind, timeout)
    }

    #[pyo3(signature = (buffer, kind=0))]
    fn try_send(&self, py: Python<'_>, buffer: &Bound<'_, PyAny>, kind: u16) -> PyResult<bool> {
        self.sender.get().try_send(py, buffer, kind)
    }

    #[pyo3(signature = (buffers, timeout=None, kind=0))]
    fn send_batch(
        &self,
        py: Python<'_>,
        buffers: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        kind: u16,
    ) -> PyResult<usize> {
        self.sender.get().send_batch(py, buffers, kind, timeout)
    }

    #[pyo3(signature = (timeout=None))]
    fn recv<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyBytes>> {
        self.receiver.get().recv(py, timeout)
    }

    #[pyo3(signature = (timeout=None))]
    fn recv_kind<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<f64>,
    ) -> PyResult<(u16, Bound<'py, PyBytes>)> {
        self.receiver.get().recv_kind(py, timeout)
    }

    fn try_recv<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.receiver.get().try_recv(py)
    }

    #[pyo3(signature = (buffer, timeout=None))]
    fn recv_into(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        timeout: Option<f64>,
    ) -> PyResult<usize> {
        self.receiver.get().recv_into(py, buffer, timeout)
    }

    #[pyo3(signature = (max=64, timeout=None))]
    fn recv_batch<'py>(
        &self,
        py: Python<'py>,
        max: usize,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyList>> {
        self.receiver.get().recv_batch(py, max, timeout)
    }

    #[pyo3(signature = (max=64, timeout=None))]
    fn recv_batch_kinds<'py>(
        &self,
        py: Python<'py>,
        max: usize,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyList>> {
        self.receiver.get().recv_batch_kinds(py, max, timeout)
    }

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
        sender.send_batch_from(py, buffer, record_size, kind, timeout)
    }

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

    #[pyo3(signature = (size, timeout=None, kind=0))]
    fn reserve(
        &self,
        py: Python<'_>,
        size: usize,
        timeout: Option<f64>,
        kind: u16,
    ) -> PyResult<Reservation> {
        Sender::reserve(self.sender.bind(py), size, kind, timeout)
    }

    #[pyo3(signature = (timeout=None))]
    fn recv_view(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<View> {
        Receiver::recv_view(self.receiver.bind(py), timeout)
    }

    fn fileno(&self, py: Python<'_>) -> PyResult<RawFd> {
        self.receiver.bind(py).call_method0("fileno")?.extract()
    }

    fn arm(&self, py: Python<'_>) -> PyResult<bool> {
        self.receiver.bind(py).call_method0("arm")?.extract()
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let sender = self.sender.get().close(py);
        self.receiver.get().close(py)?;
        sender
    }

    #[getter]
    fn closed(&self) -> bool {
        self.sender.get().is_closed() && self.receiver.get().is_closed()
    }

    #[getter]
    fn capacity(&self) -> usize {
        self.sender.get().ring_capacity()
    }

    #[getter]
    fn peer_capacity(&self) -> usize {
        self.receiver.get().ring_capacity()
    }

    #[getter]
    fn max_payload(&self) -> usize {
        self.sender.get().longest()
    }

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
        let pid = self
            .peer
            .pid
            .map_or("None".to_owned(), |pid| pid.to_string());
        format!(
            "<ringway.Connection {state}, peer pid={pid} uid={}>",
            self.peer.uid
        )
    }
}
