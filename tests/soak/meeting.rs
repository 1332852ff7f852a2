//! Where the same parts of both sides meet: a Unix socket, so that what goes wrong in the library under test does not hide here.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// No side works longer than that between two meetings, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(240);

pub(crate) struct Meeting(UnixStream);

impl Meeting {
    /// So many of them, in the same order on both sides: the first side waits at `path` for the second one.
    pub(crate) fn all(path: &Path, is_first: bool, count: usize) -> Vec<Self> {
        let listener = is_first.then(|| UnixListener::bind(path).unwrap());
        let one = |_| {
            let socket = match &listener {
                Some(listener) => listener.accept().unwrap().0,
                None => Self::reach(path),
            };
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            Self(socket)
        };
        (0..count).map(one).collect()
    }

    /// The other side may not be there yet; the watchdog bounds it.
    fn reach(path: &Path) -> UnixStream {
        loop {
            match UnixStream::connect(path) {
                Ok(socket) => return socket,
                Err(_) => thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    /// Waits for the other side, and exchanges a number with it.
    #[track_caller]
    pub(crate) fn exchange(&mut self, number: u64) -> u64 {
        self.0.write_all(&number.to_ne_bytes()).unwrap();
        let mut other = [0; 8];
        self.0
            .read_exact(&mut other)
            .expect("the other side does not come");
        u64::from_ne_bytes(other)
    }

    /// Waits for the other side, which has to have the same number.
    #[track_caller]
    pub(crate) fn agree(&mut self, what: &str, number: u64) {
        let other = self.exchange(number);
        assert_eq!(number, other, "{what}: the two sides differ");
    }
}
