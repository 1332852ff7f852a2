//! What the tests share.

use std::cell::RefCell;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ringway::Config;
use ringway::tokio::{Connection, Listener, connect_with};
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

/// Longer than anything takes that works.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Paths that a test was given. What lies there is removed when its thread ends: who was killed leaves its socket.
#[derive(Default)]
struct Given(Vec<PathBuf>);

impl Drop for Given {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

thread_local! {
    static GIVEN: RefCell<Given> = RefCell::default();
}

/// A path of its own.
pub(crate) fn path() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("ringway-tokio-{}-{number}", std::process::id()));
    GIVEN.with_borrow_mut(|given| given.0.push(path.clone()));
    path
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
    pair_with(Config::new().capacity(1 << 16).peer_capacity(1 << 16)).await
}

/// What `wait` comes to, if something wakes it: who asks again after some time finds it in any case.
pub(crate) async fn awakes<T>(wait: impl Future<Output = T>) -> T {
    tokio::select! {
        biased;
        () = sleep(Duration::from_secs(10)) => panic!("nothing woke it"),
        output = wait => output,
    }
}
