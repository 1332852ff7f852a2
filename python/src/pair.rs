//! Two ends of one connection in this process.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::connection::Connection;
use crate::errors::{Fault, not_made, raise};
use crate::options;

/// Between two looks whether the client is still there.
const SLICE: Duration = Duration::from_millis(20);
/// Where nothing else is said, so long may a handshake take here: both sides are threads of this process, of which a busy machine may leave one without a processor for seconds, and there is nobody to be given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why there are none.
enum Lack {
    Ours(ringway::Error),
    Thread(io::Error),
}

/// Two connections in one process, each the peer of the other: for tests and examples, between threads.
///
/// Takes the options of `connect` and `listen`; a `capacity` without a `peer_capacity` is that of both directions.
///
/// >>> import ringway
/// >>> left, right = ringway.pair()
/// >>> left.send(b"hello")
/// >>> right.recv()
/// b'hello'
#[pyfunction]
#[pyo3(signature = (**options))]
pub(crate) fn pair(
    py: Python<'_>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<(Connection, Connection)> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    if let Some(options) = options {
        let capacity = options.get_item("capacity")?;
        if let (Some(capacity), false) = (capacity, options.contains("peer_capacity")?) {
            options.set_item("peer_capacity", capacity)?;
        }
    }
    let (config, manner) = options::config("pair", options)?;
    let is_timed = match options {
        Some(options) => options.contains("handshake_timeout")?,
        None => false,
    };
    let config = if is_timed {
        config
    } else {
        config.handshake_timeout(PATIENCE)
    };
    // ORD: pairs: Relaxed, only uniqueness matters, and a read-modify-write gives that; partner: itself.
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("ringway-pair-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let (server, client) = py
        .detach(|| {
            let mut listener = config.bind(path.as_path()).map_err(Lack::Ours)?;
            std::thread::scope(|scope| {
                let client = thread::Builder::new()
                    .spawn_scoped(scope, || config.connect(path.as_path()))
                    .map_err(Lack::Thread)?;
                // The client gives up by itself, when its handshake takes too long, and says why.
                let server = loop {
                    let server = listener.accept_deadline(Instant::now() + SLICE);
                    if server.is_ok() || client.is_finished() {
                        break server;
                    }
                };
                let client = client.join().expect("connecting does not panic");
                let client = client.map_err(Lack::Ours)?;
                Ok((server.map_err(Lack::Ours)?, client))
            })
        })
        .map_err(|lack| match lack {
            Lack::Ours(error) => not_made(py, &error),
            Lack::Thread(error) => {
                let text = format!("a thread that connects cannot be started: {error}");
                raise(py, Fault::Resources, text)
            }
        })?;
    py.check_signals()?;
    Ok((
        Connection::new(py, server, manner)?,
        Connection::new(py, client, manner)?,
    ))
}
