//! Two ends of a connection in one process, for the tests beside this.

use std::thread;
use std::time::{Duration, Instant};

use crate::connection::{Config, Connection, Listener};

/// The server's end and the client's, both with `config`. No two tests have the same `name`.
pub(in crate::connection) fn pair(name: &str, config: &Config) -> (Connection, Connection) {
    // Neither is refused because its processor was somebody else's for a while.
    let config = config.clone().handshake_timeout(Duration::from_secs(20));
    let path = std::env::temp_dir().join(format!("ringway-rest-{name}-{}", std::process::id()));
    let mut listener: Listener = config.bind(path.as_path()).unwrap();
    thread::scope(|scope| {
        let client = scope.spawn(|| config.connect(path.as_path()).unwrap());
        let soon = Instant::now() + Duration::from_secs(10);
        let server = listener.accept_deadline(soon).unwrap();
        (server, client.join().unwrap())
    })
}
