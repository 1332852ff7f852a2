//! Both ends of a connection in one process: nothing is moved between processors, so what is left is what our code costs.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use ringway::{Config, Connection};

/// A path of our own under which to meet.
pub(crate) fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ringway-bench-{name}-{}", std::process::id()))
}

/// A handshake with a thread that may be stalled for seconds is waited for.
pub(crate) fn patient(config: &Config) -> Config {
    config.clone().handshake_timeout(Duration::from_secs(20))
}

/// The two ends of one connection. Neither may be dropped while the other is measured.
pub(crate) fn connected(name: &str, config: &Config) -> (Connection, Connection) {
    let (path, config) = (path(name), patient(config));
    let mut listener = config.bind(path.as_path()).expect("bind");
    thread::scope(|scope| {
        let client = scope.spawn(|| config.connect(path.as_path()).expect("connect"));
        let server = listener.accept().expect("accept");
        (client.join().expect("the client's thread"), server)
    })
}

/// Bytes of which no two neighbours are alike.
pub(crate) fn payload(size: usize) -> Vec<u8> {
    (0..size).map(|at| ((at * 167) >> 3) as u8).collect()
}
