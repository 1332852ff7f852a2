//! Answering those who read along while a stream runs, under a name that goes with the stream, however it ends.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use ringway::{Attendant, Listener};

use crate::exit::{self, Code, Failure};
use crate::interruption::Interruption;

/// A listener that takes nobody any more, and answers until this is dropped.
#[derive(Debug)]
pub(crate) struct Answering {
    /// The thread hears when this is dropped.
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Answering {
    /// Starts to answer. The signals that interrupt are held back in every thread; the first to come frees the name, and is then delivered
    /// to a thread of its own, to do what it always does.
    ///
    /// # Errors
    /// No descriptor or no thread is left; the name is free then.
    pub(crate) fn start(listener: Listener, interruption: Interruption) -> Result<Self, Failure> {
        let attendant = listener
            .attend()
            .map_err(|error| Failure::new(Code::Failed, error))?;
        let (stop, stopped) = UnixStream::pair()
            .map_err(|error| exit::no_descriptor("cannot answer observers", &error))?;
        let thread = thread::Builder::new()
            .name("ringway-signals".to_owned())
            .spawn(move || wait(attendant, interruption, &stopped))
            .map_err(|error| exit::no_descriptor("cannot answer observers", &error))?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

fn wait(attendant: Attendant, interruption: Interruption, stopped: &UnixStream) {
    let mut entries = [
        PollFd::new(stopped.as_fd(), PollFlags::POLLIN),
        PollFd::new(interruption.as_fd(), PollFlags::POLLIN),
    ];
    while nix::poll::poll(&mut entries, PollTimeout::NONE) == Err(Errno::EINTR) {}
    drop(attendant);
    // A signal that has come is still pending and is delivered here, after the name was removed.
    let _ = interruption.deliver();
}

impl Drop for Answering {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
