//! A listener that takes no more clients, and goes on answering those who ask what is going on.

use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Listener;
use crate::error::Error;
use crate::sys::fork::Birth;
use crate::sys::{aside, poll};

/// How long nobody is answered when the listener has met an error, such as a lack of descriptors.
const BREATH: Duration = Duration::from_millis(100);

/// A thread that answers observers and taps in the place of a service that has all the clients that it wants. Clients are refused
/// ([`ErrorKind::Busy`](crate::ErrorKind::Busy)). Dropping it ends the thread and frees the name.
#[derive(Debug)]
pub struct Attendant {
    /// The thread hears when this is dropped.
    stop: Option<UnixStream>,
    /// Told apart by the thread without asking the system, which may have no answer.
    wanted: Option<Arc<()>>,
    thread: Option<JoinHandle<()>>,
    path: PathBuf,
    birth: Birth,
}

impl Listener {
    /// Takes no more clients, but goes on answering observers and taps, on a thread of its own. Handshakes under way end.
    ///
    /// # Errors
    /// What the system answers: no descriptor or no thread is left. The name is free then.
    pub fn attend(mut self) -> Result<Attendant, Error> {
        self.refuse_child()?;
        self.take_no_more();
        let (birth, path) = (self.birth(), self.path().to_path_buf());
        let (stop, stopped) =
            UnixStream::pair().map_err(|error| Error::io("making an attendant", error))?;
        let wanted = Arc::new(());
        let is_wanted = Arc::downgrade(&wanted);
        let thread = aside::start("ringway-attend", move || {
            attend(&mut self, &stopped, &is_wanted);
        });
        let thread = thread.map_err(|error| Error::io("making an attendant's thread", error))?;
        Ok(Attendant {
            stop: Some(stop),
            wanted: Some(wanted),
            thread: Some(thread),
            path,
            birth,
        })
    }
}

fn attend(listener: &mut Listener, stopped: &UnixStream, wanted: &Weak<()>) {
    while wanted.strong_count() > 0 {
        let answered = listener.try_accept();
        let stop = poll::entry(stopped.as_fd());
        let waited = match answered {
            Ok(_) => poll::ready(&mut [stop, poll::entry(listener.as_fd())], None),
            Err(_) => poll::ready(&mut [stop], Some(Instant::now() + BREATH)),
        };
        if waited.is_err() {
            // A lack of memory passes, and nobody is told of it: to end for it would take the name away behind the service's back.
            thread::sleep(BREATH);
        }
    }
}

impl Attendant {
    /// The socket's path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Attendant {
    fn drop(&mut self) {
        let stop = self.stop.take();
        // Before the thread is woken.
        self.wanted = None;
        if let Some(thread) = self.thread.take() {
            if self.birth.is_forked() {
                // The thread is the parent's.
                std::mem::forget(thread);
            } else {
                // A child of a fork may have a copy of it, with which it would stay open.
                let _ = stop.map(|stop| stop.shutdown(Shutdown::Both));
                let _ = thread.join();
            }
        }
    }
}
