//! Threads that the kernel holds up: what shows that a descriptor does so to whoever comes near it.

use std::fs::File;
use std::io::Read;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::peer::soon;

/// In the place of a call, of who waits for a page.
pub(crate) const FAULT: libc::c_long = -1;

/// A thread, and the call in which the kernel has to hold it.
pub(crate) struct Held {
    thread: JoinHandle<()>,
    number: libc::pid_t,
    call: libc::c_long,
}

impl Held {
    /// Returns when its thread waits in that call.
    pub(crate) fn new(call: libc::c_long, run: impl FnOnce() + Send + 'static) -> Self {
        let (told, hears) = mpsc::channel();
        let thread = thread::spawn(move || {
            // SAFETY: no preconditions.
            told.send(unsafe { libc::gettid() }).unwrap();
            run();
        });
        let held = Self {
            thread,
            number: hears.recv().unwrap(),
            call,
        };
        let until = soon();
        while !held.is_held() {
            assert!(Instant::now() < until, "it does not wait");
            thread::yield_now();
        }
        held
    }

    pub(crate) fn is_held(&self) -> bool {
        let mut line = String::new();
        let place = format!("/proc/self/task/{}/syscall", self.number);
        let read = File::open(place).and_then(|mut file| file.read_to_string(&mut line));
        let call = line.split(' ').next().unwrap_or_default().parse();
        read.is_ok() && call == Ok(self.call)
    }

    /// Waits until nothing holds it any more.
    pub(crate) fn end(self) {
        self.thread.join().unwrap();
    }
}
