//! The scripted peer of `ringway::hostile`, and what its tests need besides.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, Once, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use ringway::{Config, Connection, ErrorKind};

pub(crate) use ringway::hostile::*;

pub(crate) const RELEASED: usize = Word::Released(0).offset();
pub(crate) const RECEIVER_EPOCH: usize = Word::ReceiverEpoch.offset();
pub(crate) const SENDER_EPOCH: usize = Word::SenderEpoch.offset();

/// One test at a time: descriptors are counted per process.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    static WARM: Once = Once::new();
    let guard = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    WARM.call_once(warm_up);
    guard
}

/// What takes so long hangs. A test whose threads write and look all the time takes seconds, and half a minute where many others want the same processors.
const HANG: Duration = Duration::from_secs(240);

/// Ends the whole process if the guard is not dropped in time: a hang is a failure.
pub(crate) struct Watchdog(Option<mpsc::Sender<()>>);

impl Watchdog {
    pub(crate) fn new(name: &'static str) -> Self {
        let (alive, heard) = mpsc::channel::<()>();
        thread::spawn(move || {
            if heard.recv_timeout(HANG) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("{name} hangs");
                std::process::abort();
            }
        });
        Self(Some(alive))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// Of whoever is never refused because its processor was somebody else's for a while.
pub(crate) fn patient() -> Config {
    Config::new().handshake_timeout(Duration::from_secs(20))
}

/// An honest client of a listener with little patience: it is not refused but where its own thread gets no processor for as long as that lasts, and then it tries again. `tries` hears of
/// each attempt.
pub(crate) fn let_in(path: &Path, mut tries: impl FnMut()) -> Connection {
    let config = Config::new().handshake_timeout(Duration::from_secs(50));
    loop {
        tries();
        match config.connect(path) {
            Ok(client) => return client,
            Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}"),
        }
    }
}

pub(crate) fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ringway-hostile-{name}-{}", std::process::id()))
}

pub(crate) fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Rings a sleeping half a few times: the first ring of a process opens a descriptor that stays, and the tests that count
/// descriptors must not take it for a leak.
fn warm_up() {
    let at = path("warm-up");
    let config = patient().wait(ringway::Wait::Park);
    let mut listener = config.bind(at.as_path()).unwrap();
    let client = thread::spawn(move || config.connect(at.as_path()).unwrap());
    let mut server = listener.accept_deadline(soon()).unwrap();
    let mut client = client.join().unwrap();
    let sleeper = thread::spawn(move || {
        for _ in 0..5 {
            drop(server.receiver().recv_deadline(soon()).unwrap());
        }
    });
    for _ in 0..5 {
        thread::sleep(Duration::from_millis(20));
        client.sender().send(b"wake").unwrap();
    }
    sleeper.join().unwrap();
}

/// Waits until no more descriptors are open than before: some are closed on another thread.
pub(crate) fn no_leak(before: usize) {
    let until = soon();
    while open_descriptors() > before {
        let open: Vec<_> = std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .flatten()
            .map(|entry| std::fs::read_link(entry.path()))
            .collect();
        assert!(Instant::now() < until, "{before} were open: {open:?}");
        thread::sleep(Duration::from_millis(2));
    }
}
