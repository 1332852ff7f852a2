//! Two ends of a typed connection in one process; and one that is typed, with one that is not.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringway::Config;
use ringway::typed::{self, Messages, Nothing};

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

pub(crate) fn path() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("ringway-typed-{}-{number}", std::process::id());
    std::env::temp_dir().join(name)
}

/// A handshake with a thread or process that may be stalled for seconds is waited for.
pub(crate) fn patient() -> Config {
    Config::new().handshake_timeout(Duration::from_secs(20))
}

/// A sender and a receiver of the same messages.
pub(crate) fn lane<M: Messages + ?Sized>() -> (typed::Sender<M>, typed::Receiver<M>) {
    let path = path();
    let mut listener =
        typed::Listener::<Nothing, M>::bind_with(&patient(), path.as_path()).unwrap();
    thread::scope(|scope| {
        let client =
            scope.spawn(|| typed::connect_with::<M, Nothing>(&patient(), path.as_path()).unwrap());
        let accepted = listener.accept_deadline(soon()).unwrap();
        (client.join().unwrap().split().0, accepted.split().1)
    })
}
