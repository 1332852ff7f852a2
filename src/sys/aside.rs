//! Closing what may take long to close, on threads of its own.
//!
//! The kernel releases a file inside the `close` that ends its last reference, and a peer can make that take as long as it likes (a
//! TCP socket with `SO_LINGER`, a file on a FUSE mount). So what a peer sent is closed here unless it passed its check, and so is a
//! socket with something unread in it, which may hold such a file.
//!
//! A few threads take what comes from one queue and end when it is empty. If all of them hang, the queue grows: it holds nothing
//! but descriptors, of which the process has so many and no more, and a connection that finds none left says so.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::os::fd::OwnedFd;
use std::sync::{MutexGuard, PoisonError};
use std::thread;

use nix::sys::signal::{SigSet, SigmaskHow};

use super::process::PerProcess;
use crate::sync::Mutex;

/// So many closes that hang delay nothing else; more delay the closing of others, and nobody who works.
const THREADS: usize = 16;

/// What is to be closed, and how many threads are about it.
#[derive(Debug, Default)]
struct Closer {
    work: Mutex<Work>,
}

#[derive(Debug, Default)]
struct Work {
    queue: VecDeque<OwnedFd>,
    threads: usize,
}

/// Of a child's own: the descriptors in its parent's are as slow to close in the child.
static CLOSER: PerProcess<Closer> = PerProcess::new();

/// Descriptors that a peer sent. Whatever is still in here at the end is closed aside: only what passed its check is taken out.
#[derive(Debug, Default)]
pub(crate) struct Descriptors(Vec<OwnedFd>);

impl Descriptors {
    pub(crate) fn push(&mut self, descriptor: OwnedFd) {
        self.0.push(descriptor);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// To be checked.
    pub(crate) fn as_slice(&self) -> &[OwnedFd] {
        &self.0
    }

    /// Takes the first out.
    pub(crate) fn take_first(&mut self) -> Option<OwnedFd> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }
}

impl Drop for Descriptors {
    fn drop(&mut self) {
        if !self.0.is_empty() {
            close(mem::take(&mut self.0));
        }
    }
}

/// Closes `descriptors`, on another thread.
#[cold]
pub(crate) fn close(descriptors: Vec<OwnedFd>) {
    match closer() {
        Some(closer) => closer.close(descriptors),
        // No page for a `Birth`, which is next to no memory at all.
        None => close_by_one(descriptors),
    }
}

/// Closes them on a thread that is there for nothing else. If there is none either they stay open, which is better than a close that hangs.
#[cold]
fn close_by_one(descriptors: Vec<OwnedFd>) {
    // A thread that does not start drops what it was to have.
    let kept = mem::ManuallyDrop::new(descriptors);
    let _ = start("ringway-close", move || {
        drop(mem::ManuallyDrop::into_inner(kept));
    });
}

/// Starts a thread that no signal is delivered to: those are the application's.
pub(crate) fn start<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<thread::JoinHandle<T>> {
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK);
    let started = thread::Builder::new().name(name.to_owned()).spawn(body);
    if let Ok(before) = before {
        let _ = before.thread_set_mask();
    }
    started
}

fn spawn(closer: &'static Closer) -> bool {
    let started = start("ringway-close", move || {
        while let Some(descriptor) = closer.next() {
            drop(descriptor);
        }
    });
    started.is_ok()
}

impl Closer {
    fn close(&'static self, descriptors: Vec<OwnedFd>) {
        let wanted = {
            let mut work = self.work();
            work.queue.extend(descriptors);
            let wanted = work.threads < THREADS;
            work.threads += usize::from(wanted);
            wanted
        };
        // Twice: nobody may call again for long, and a lack of threads may be over in a moment.
        if wanted && !spawn(self) && !spawn(self) {
            // No thread can be had: what is queued stays open until one can. The next call tries again.
            self.work().threads -= 1;
        }
    }

    /// The lock is held for some instructions, by threads of this process.
    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next to be closed; `None` ends the thread that asked.
    fn next(&self) -> Option<OwnedFd> {
        let mut work = self.work();
        let next = work.queue.pop_front();
        work.threads -= usize::from(next.is_none());
        next
    }
}

/// This process's.
fn closer() -> Option<&'static Closer> {
    CLOSER.get(|| Ok(Closer::default())).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::time::{Duration, Instant};

    use nix::sys::socket::sockopt;

    use super::*;
    use crate::sys::door::Door;
    use crate::sys::{poll, socket};

    /// A descriptor, and what reads the end when it has been closed.
    fn watched() -> (OwnedFd, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        (ours.into(), theirs)
    }

    #[test]
    fn what_was_not_taken_out_is_closed_in_the_end() {
        let (mut all, mut watchers) = (Descriptors::default(), Vec::new());
        for _ in 0..3 * THREADS {
            let (descriptor, watcher) = watched();
            all.push(descriptor);
            watchers.push(watcher);
        }
        let taken = all.take_first().unwrap();
        drop(all);
        for watcher in &mut watchers[1..] {
            assert_eq!(watcher.read(&mut [0]).unwrap(), 0);
        }
        watchers[0].set_nonblocking(true).unwrap();
        assert!(watchers[0].read(&mut [0]).is_err(), "taken, and so open");
        drop(taken);
        // A child of another test may have a copy for a while.
        watchers[0].set_nonblocking(false).unwrap();
        assert_eq!(watchers[0].read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn what_has_no_queue_is_closed_by_a_thread_of_its_own() {
        let ((one, mut watcher), (other, mut second)) = (watched(), watched());
        close_by_one(vec![one, other]);
        assert_eq!(watcher.read(&mut [0]).unwrap(), 0);
        assert_eq!(second.read(&mut [0]).unwrap(), 0);
    }

    /// A connection with bytes that nobody reads, whose last close waits until its other end is closed, or for a minute.
    fn slow() -> (OwnedFd, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let small = 4096usize;
        nix::sys::socket::setsockopt(&listener, sockopt::RcvBuf, &small).unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        nix::sys::socket::setsockopt(&stream, sockopt::SndBuf, &small).unwrap();
        let (peer, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        while stream.write(&[0; 4096]).is_ok() {}
        stream.set_nonblocking(false).unwrap();
        let minute = libc::linger {
            l_onoff: 1,
            l_linger: 60,
        };
        nix::sys::socket::setsockopt(&stream, sockopt::Linger, &minute).unwrap();
        (stream.into(), peer)
    }

    /// Has all threads of this process hang, until what is returned is dropped, or for a minute.
    fn all_hang() -> Vec<TcpStream> {
        let closer = closer().unwrap();
        let mut others = Vec::new();
        for _ in 0..THREADS {
            let (descriptor, other) = slow();
            others.push(other);
            close(vec![descriptor]);
        }
        let late = Instant::now() + Duration::from_secs(30);
        loop {
            let work = closer.work();
            if (work.threads, work.queue.len()) == (THREADS, 0) {
                return others;
            }
            drop(work);
            assert!(Instant::now() < late, "they do not hang");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// In a process of its own: a child that another test starts meanwhile has a copy of a descriptor for a moment, and a close that is not the last one does not hang.
    #[test]
    fn closes_that_hang_take_sixteen_threads_and_no_more() {
        const MORE: usize = 3;
        let name = "sys::aside::tests::closes_that_hang_take_sixteen_threads_and_no_more";
        if !crate::sys::apart::is_apart(name) {
            return;
        }
        let closer: &'static Closer = Box::leak(Box::default());
        let mut others = Vec::new();
        for _ in 0..THREADS {
            let (descriptor, other) = slow();
            others.push(other);
            closer.close(vec![descriptor]);
        }
        let state = || {
            let work = closer.work();
            (work.threads, work.queue.len())
        };
        let until = |wanted: (usize, usize)| {
            let late = Instant::now() + Duration::from_secs(30);
            while state() != wanted {
                assert!(Instant::now() < late, "{:?} and not {wanted:?}", state());
                thread::sleep(Duration::from_millis(1));
            }
        };
        // Each has its descriptor, and hangs.
        until((THREADS, 0));
        let mut watchers = Vec::new();
        for _ in 0..MORE {
            let (descriptor, watcher) = watched();
            watchers.push(watcher);
            closer.close(vec![descriptor]);
        }
        assert_eq!(state(), (THREADS, MORE), "what is easy to close waits too");
        drop(others);
        for watcher in &mut watchers {
            assert_eq!(watcher.read(&mut [0]).unwrap(), 0);
        }
        until((0, 0));
    }

    /// In a process of its own, all of whose threads that close hang: as if none could be had.
    #[test]
    fn who_waits_at_a_door_that_is_dropped_is_told_whatever_hangs() {
        const WAIT: usize = 3;
        let name = "sys::aside::tests::who_waits_at_a_door_that_is_dropped_is_told_whatever_hangs";
        if !crate::sys::apart::is_apart(name) {
            return;
        }
        let _hanging = all_hang();
        let path = std::env::temp_dir().join(format!("ringway-door-{}", std::process::id()));
        let door = Door::open(&path, false).unwrap();
        let clients = [(); WAIT].map(|()| socket::connect(&path).unwrap());
        for client in &clients {
            assert!(!poll::readable(client.as_fd()));
        }
        drop(door);
        fs::remove_file(&path).unwrap();
        let soon = Instant::now() + Duration::from_secs(20);
        for client in &clients {
            let told = poll::ready(&mut [poll::entry(client.as_fd())], Some(soon)).unwrap();
            assert_eq!(told, 1, "it waits on");
        }
    }

    #[test]
    fn a_lock_that_is_held_for_long_loses_nothing() {
        let closer = closer().unwrap();
        let (descriptor, mut watcher) = watched();
        let kept = closer.work();
        let waiting = thread::spawn(move || close(vec![descriptor]));
        thread::sleep(Duration::from_millis(50));
        drop(kept);
        waiting.join().unwrap();
        assert_eq!(watcher.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_child_waits_for_no_lock_of_its_parent_and_closes_what_is_its_own() {
        let (childs, mut watcher) = watched();
        let kept = closer().unwrap().work();
        // SAFETY: the child takes no lock of this program but its own closer's and the allocator's, which is mended on fork; it leaves by
        // `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            close(vec![childs]);
            let closed = watcher.read(&mut [0]).is_ok_and(|bytes| bytes == 0);
            // SAFETY: `_exit` ends the process and runs nothing.
            unsafe { libc::_exit(i32::from(!closed)) };
        }
        drop(kept);
        drop(childs);
        let mut status = 0;
        // SAFETY: `status` is valid for writes.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(status, 0);
    }
}
