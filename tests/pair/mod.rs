//! Two ends of a connection in one process.

use std::thread;
use std::time::{Duration, Instant};

use ringway::{Config, Connection};

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// The server's end and the client's. `name` is the test's own.
pub(crate) fn pair(name: &str, server: &Config, client: &Config) -> (Connection, Connection) {
    let path = std::env::temp_dir().join(format!("ringway-{name}-{}", std::process::id()));
    let mut listener = server.bind(path.as_path()).unwrap();
    thread::scope(|scope| {
        let client = scope.spawn(|| client.connect(path.as_path()).unwrap());
        let accepted = listener.accept_deadline(soon()).unwrap();
        (accepted, client.join().unwrap())
    })
}
