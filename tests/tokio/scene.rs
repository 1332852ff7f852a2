//! What the tests share.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use ringway::Config;
use ringway::tokio::{Connection, Listener, connect_with};
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use super::given;

/// Longer than anything takes that works.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// A handshake with a process that may be stalled for seconds is waited for.
pub(crate) fn patient() -> Config {
    Config::new().handshake_timeout(Duration::from_secs(20))
}

/// A path of its own.
pub(crate) fn path() -> PathBuf {
    given::path("ringway-tokio")
}

/// A runtime of one thread.
pub(crate) fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A runtime of several.
pub(crate) fn several_threads() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// Runs `test` on both kinds of runtimes, and fails if it takes too long.
pub(crate) fn on_both<F: Future<Output = ()>>(test: impl Fn() -> F) {
    for runtime in [one_thread(), several_threads()] {
        run(&runtime, test());
    }
}

/// Runs `test`, and fails if it takes too long.
pub(crate) fn run<T>(runtime: &Runtime, test: impl Future<Output = T>) -> T {
    runtime.block_on(async { tokio::time::timeout(LONG, test).await.expect("in time") })
}

/// Two ends of a connection, with rings of so many bytes.
pub(crate) async fn pair_with(config: Config) -> (Connection, Connection) {
    pair_at(path(), config).await
}

/// The same, at `path`, by which it is found in the counters.
pub(crate) async fn pair_at(path: PathBuf, config: Config) -> (Connection, Connection) {
    let mut listener = Listener::new(config.bind(path.as_path()).unwrap()).unwrap();
    let (client, server) = tokio::join!(connect_with(&config, path), listener.accept());
    (client.unwrap(), server.unwrap())
}

pub(crate) async fn pair() -> (Connection, Connection) {
    pair_with(patient().capacity(1 << 16).peer_capacity(1 << 16)).await
}

/// What `wait` comes to, if something wakes it: who asks again after some time finds it in any case.
pub(crate) async fn awakes<T>(wait: impl Future<Output = T>) -> T {
    tokio::select! {
        biased;
        () = sleep(Duration::from_secs(10)) => panic!("nothing woke it"),
        output = wait => output,
    }
}
