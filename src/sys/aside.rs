//! Closing what may take long to close, on threads of its own.
//!
//! The kernel releases a file inside the `close` that ends its last reference, and a peer can make that take as long as it likes (a
//! TCP socket with `SO_LINGER`, a file on a FUSE mount). So what a peer sent is closed here unless it passed its check, and so is a
//! socket with something unread in it, which may hold such a file.
//!
//! A few threads take what comes from one queue and end when it is empty. If all of them hang, the queue grows: it holds nothing
//! but descriptors, of which the process has so many and no more, and a connection that finds none left says so.

use std::collections::VecDeque;
use std::mem;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::thread;

use super::fork::Birth;

/// So many closes that hang delay nothing else; more delay the closing of others, and nobody who works.
const THREADS: usize = 16;
/// Looks at the lock, which is held for some instructions, or while a thread is made.
const TRIES: u32 = 1000;

#[derive(Debug)]
struct Closer {
    /// Of the process whose threads and descriptors these are.
    birth: Option<Birth>,
    queue: VecDeque<OwnedFd>,
    threads: usize,
}

static CLOSER: Mutex<Closer> = Mutex::new(Closer {
    birth: None,
    queue: VecDeque::new(),
    threads: 0,
});

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
    let Some(mut closer) = closer() else {
        // They stay open: worse than a close, better than a close that hangs.
        return mem::forget(descriptors);
    };
    closer.queue.extend(descriptors);
    if closer.threads < THREADS {
        let thread = thread::Builder::new().name("ringway-close".into());
        // Where no thread can be had, what is queued stays open until one can: the next call tries again.
        closer.threads += usize::from(thread.spawn(work).is_ok());
    }
}

fn work() {
    while let Some(descriptor) = next() {
        drop(descriptor);
    }
}

/// The next to be closed; `None` ends the thread that asked.
fn next() -> Option<OwnedFd> {
    loop {
        let Some(mut closer) = lock() else {
            thread::yield_now();
            continue;
        };
        let next = closer.queue.pop_front();
        closer.threads -= usize::from(next.is_none());
        return next;
    }
}

/// The queue, locked. `None`: nobody gives it back, as in a child that was forked at the wrong moment.
fn closer() -> Option<MutexGuard<'static, Closer>> {
    let mut closer = lock()?;
    if closer.birth.is_none_or(|birth| birth.is_forked()) {
        // A child has none of these threads, and its copies of these descriptors are as slow to close as the parent's.
        mem::forget(mem::take(&mut closer.queue));
        closer.threads = 0;
        closer.birth = Birth::here().ok();
    }
    Some(closer)
}

fn lock() -> Option<MutexGuard<'static, Closer>> {
    for _ in 0..TRIES {
        match CLOSER.try_lock() {
            Ok(closer) => return Some(closer),
            Err(TryLockError::Poisoned(closer)) => return Some(closer.into_inner()),
            Err(TryLockError::WouldBlock) => thread::yield_now(),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::time::{Duration, Instant};

    use super::*;

    /// One of these tests at a time.
    static ONE: Mutex<()> = Mutex::new(());

    fn alone() -> MutexGuard<'static, ()> {
        ONE.lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn queue() -> MutexGuard<'static, Closer> {
        loop {
            if let Some(closer) = closer() {
                return closer;
            }
        }
    }

    /// A descriptor, and what reads the end when it has been closed.
    fn watched() -> (OwnedFd, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        (ours.into(), theirs)
    }

    #[test]
    fn what_was_not_taken_out_is_closed_in_the_end() {
        let _alone = alone();
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
        assert_eq!(watchers[0].read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_child_that_finds_the_queue_locked_waits_for_nobody() {
        let _alone = alone();
        let (descriptor, mut watcher) = watched();
        let kept = queue();
        let began = Instant::now();
        close(vec![descriptor]);
        assert!(began.elapsed() < Duration::from_secs(10));
        drop(kept);
        watcher.set_nonblocking(true).unwrap();
        assert!(watcher.read(&mut [0]).is_err(), "it stays open");
    }

    #[test]
    fn a_child_closes_what_is_its_own() {
        let _alone = alone();
        let (childs, mut watcher) = watched();
        let (parents, mut parent) = watched();
        let mut kept = queue();
        kept.queue.push_back(parents);
        // SAFETY: the child takes no lock but the queue's, which is ours now, and the allocator's, which is mended on fork; it leaves by `_exit`.
        let child = unsafe { libc::fork() };
        drop(kept);
        if child != 0 {
            drop(childs);
        } else {
            close(vec![childs]);
            let closed = watcher.read(&mut [0]).is_ok_and(|bytes| bytes == 0);
            // SAFETY: `_exit` ends the process and runs nothing.
            unsafe { libc::_exit(i32::from(!closed)) };
        }
        let mut status = 0;
        // SAFETY: `status` is valid for writes.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(status, 0);
        // The parent's is the parent's to close.
        close(vec![watched().0]);
        assert_eq!(parent.read(&mut [0]).unwrap(), 0);
    }
}
