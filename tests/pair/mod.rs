//! Two ends of a connection in one process.

use std::thread;
use std::time::{Duration, Instant};

use ringway::{Config, Connection, Error};

/// Only where something hangs does anything take so long: under a sanitizer on a busy machine, a handshake may take seconds.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn soon() -> Instant {
    Instant::now() + LIMIT
}

/// A handshake with a thread or process that may be stalled for seconds is waited for.
pub(crate) fn patient(config: &Config) -> Config {
    config.clone().handshake_timeout(LIMIT)
}

/// The server's end and the client's. `name` is the test's own.
pub(crate) fn pair(name: &str, server: &Config, client: &Config) -> (Connection, Connection) {
    try_pair(name, server, client).unwrap()
}

/// The same, of ends that this machine may not have: why not, as the client hears it.
pub(crate) fn try_pair(
    name: &str,
    server: &Config,
    client: &Config,
) -> Result<(Connection, Connection), Error> {
    let path = std::env::temp_dir().join(format!("ringway-{name}-{}", std::process::id()));
    let mut listener = patient(server).bind(path.as_path())?;
    thread::scope(|scope| {
        let client = scope.spawn(|| patient(client).connect(path.as_path()));
        // Until somebody is there, or the client knows that nobody will be.
        let end = soon();
        let accepted = loop {
            let short = Instant::now() + Duration::from_millis(20);
            match listener.accept_deadline(short) {
                Ok(accepted) => break Some(accepted),
                Err(_) if client.is_finished() => break None,
                Err(error) => assert!(Instant::now() < end, "nobody came: {error}"),
            }
        };
        let client = client.join().expect("no panic")?;
        Ok((accepted.expect("a client without a server"), client))
    })
}
