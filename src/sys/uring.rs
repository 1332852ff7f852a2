//! Signalling an eventfd that belongs to somebody else by `io_uring`: without ever being able to block, and without a grace period at the end of the process.
//!
//! A no-op (`IORING_OP_NOP`) completes within the call that submits it, and the kernel then adds one to the eventfd that is registered with the instance,
//! saturating instead of waiting. An instance has one eventfd, so each bell that we ring has an instance of its own.
//!
//! An instance is as small as they come: one submission, two completions, no thread, and of its two mappings one. The submissions are not
//! mapped: the kernel hands them out as zeros, and one of zeros is a no-op, so that the only words to touch are the positions of the two queues.
//! That is why this is done by hand: the crate `io-uring` maps all of it, and is a dependency more for three system calls.
//!
//! `IORING_SETUP_COOP_TASKRUN` changes nothing for a no-op. It is asked for because kernels before Linux 5.19 do not know it and say so: there an eventfd is
//! registered behind a grace period of RCU (before 5.18), the memory counts as locked (before 5.12), and closing waits too.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};

use super::fork::Birth;
use super::{check, last_error};
use crate::sync::{AtomicI32, Ordering};

const SETUP_COOP_TASKRUN: u32 = 1 << 8;
const REGISTER_EVENTFD: libc::c_uint = 4;
/// Bytes of a completion.
const COMPLETION: u32 = 16;

/// `struct io_sqring_offsets` of `linux/io_uring.h`.
#[repr(C)]
#[derive(Debug, Default)]
struct Submissions {
    head: u32,
    tail: u32,
    ring_mask: u32,
    ring_entries: u32,
    flags: u32,
    dropped: u32,
    array: u32,
    reserved: u32,
    address: u64,
}

/// `struct io_cqring_offsets` of the same.
#[repr(C)]
#[derive(Debug, Default)]
struct Completions {
    head: u32,
    tail: u32,
    ring_mask: u32,
    ring_entries: u32,
    overflow: u32,
    entries: u32,
    flags: u32,
    reserved: u32,
    address: u64,
}

/// `struct io_uring_params` of the same.
#[repr(C)]
#[derive(Debug, Default)]
struct Parameters {
    submissions: u32,
    completions: u32,
    flags: u32,
    thread_cpu: u32,
    thread_idle: u32,
    features: u32,
    workers: u32,
    reserved: [u32; 3],
    submission: Submissions,
    completion: Completions,
}

const _: () = assert!(size_of::<Parameters>() == 120);

/// Not zero: this process may have no instance, so that asking for one costs no system call. A child inherits it, as it inherits what refused.
static REFUSED: AtomicI32 = AtomicI32::new(0);

/// Why there is no instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// Something is lacking that may be there later.
    Now,
    /// This process may have none: an older kernel, `kernel.io_uring_disabled`, a seccomp filter.
    Ever,
    /// What is to be signalled is no eventfd.
    NoEventfd,
}

/// The positions of the two queues: addresses in the mapping.
#[derive(Debug)]
struct Words {
    submitted: NonNull<u32>,
    taken: NonNull<u32>,
    completed: NonNull<u32>,
    collected: NonNull<u32>,
}

/// An instance with which one eventfd is registered. Whoever has it signals by one thread at a time.
#[derive(Debug)]
pub(crate) struct Instance {
    start: NonNull<u8>,
    bytes: usize,
    words: Words,
    /// The mapping is not a child's.
    birth: Birth,
    descriptor: OwnedFd,
}

// SAFETY: the mapping is plain memory that only `&mut self` touches, by whatever thread; the kernel's part of it is touched within that thread's calls.
unsafe impl Send for Instance {}
// SAFETY: a shared reference gives access to none of it.
unsafe impl Sync for Instance {}

/// Whether [`Instance::new`] is known to answer [`Denied::Ever`].
pub(super) fn is_refused() -> bool {
    // ORD: refused: Relaxed, it publishes nothing: who misses it is refused by the kernel; partner: this file.
    REFUSED.load(Ordering::Relaxed) != 0
}

impl Instance {
    pub(crate) fn new(bell: BorrowedFd<'_>) -> Result<Self, Denied> {
        if is_refused() {
            return Err(Denied::Ever);
        }
        let birth = Birth::here().map_err(|_| Denied::Now)?;
        let mut parameters = Parameters {
            flags: SETUP_COOP_TASKRUN,
            ..Parameters::default()
        };
        // SAFETY: `parameters` is valid for reads and writes of what the kernel knows by that name.
        let number = unsafe {
            libc::syscall(
                libc::SYS_io_uring_setup,
                1 as libc::c_uint,
                &raw mut parameters,
            )
        };
        let Ok(number @ 0..) = libc::c_int::try_from(number) else {
            return Err(denied(&last_error(), true));
        };
        // SAFETY: the kernel has made it for us just now, and closes it on `exec`.
        let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
        let instance = Self::map(descriptor, &parameters, birth)?;
        instance.register(bell)?;
        Ok(instance)
    }

    /// Maps the two queues, which lie in one piece. A child of a fork does not get it.
    fn map(descriptor: OwnedFd, parameters: &Parameters, birth: Birth) -> Result<Self, Denied> {
        let (submission, completion) = (&parameters.submission, &parameters.completion);
        let submissions_end = submission.array.checked_add(4 * parameters.submissions);
        let completions = COMPLETION.checked_mul(parameters.completions);
        let completions_end = completions.and_then(|bytes| completion.entries.checked_add(bytes));
        let bytes = submissions_end.max(completions_end).ok_or(Denied::Now)?;
        let places = [
            submission.tail,
            submission.head,
            completion.tail,
            completion.head,
        ];
        if places.iter().any(|at| at % 4 != 0 || at + 4 > bytes) {
            return Err(Denied::Now);
        }
        let bytes = bytes as usize;
        // SAFETY: a new mapping at an address of the kernel's choosing touches no memory that is in use.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_POPULATE,
                descriptor.as_raw_fd(),
                0,
            )
        };
        let start = NonNull::new(start.cast::<u8>())
            .filter(|start| start.as_ptr().cast() != libc::MAP_FAILED)
            .ok_or(Denied::Now)?;
        // SAFETY: each is within the mapping and aligned, by the check above; the mapping begins with a page.
        let word = |at: u32| unsafe { start.add(at as usize) }.cast::<u32>();
        let instance = Self {
            start,
            bytes,
            words: Words {
                submitted: word(submission.tail),
                taken: word(submission.head),
                completed: word(completion.tail),
                collected: word(completion.head),
            },
            birth,
            descriptor,
        };
        // SAFETY: the range is ours, and the advice changes only what a fork copies.
        check(unsafe { libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_DONTFORK) })
            .map_err(|_| Denied::Now)?;
        Ok(instance)
    }

    fn register(&self, bell: BorrowedFd<'_>) -> Result<(), Denied> {
        let number = bell.as_raw_fd();
        // SAFETY: one descriptor is passed, by a pointer that is valid for the call.
        let registered = unsafe {
            libc::syscall(
                libc::SYS_io_uring_register,
                self.descriptor.as_raw_fd(),
                REGISTER_EVENTFD,
                &raw const number,
                1 as libc::c_uint,
            )
        };
        if registered == 0 {
            return Ok(());
        }
        Err(denied(&last_error(), false))
    }

    /// Adds one to the bell. Fails, without blocking, where the kernel does not take the no-op; the next call tries again, unless it is
    /// [`Denied::Ever`].
    pub(crate) fn signal(&mut self) -> Result<(), Denied> {
        if self.birth.is_forked() {
            return Err(Denied::Ever);
        }
        // SAFETY: the words are in the mapping, which this process has, and `&mut self` is the only way to them. The kernel reads the first and writes
        // the two others within calls of this thread only (nobody polls this queue), so that nothing races; volatile, since the compiler does
        // not know of the kernel.
        let (submitted, completed) = unsafe {
            (
                self.words.taken.read_volatile(),
                self.words.completed.read_volatile(),
            )
        };
        // SAFETY: as above.
        unsafe {
            self.words
                .submitted
                .write_volatile(submitted.wrapping_add(1));
        };
        let taken = loop {
            // SAFETY: no memory is passed.
            let taken = unsafe {
                libc::syscall(
                    libc::SYS_io_uring_enter,
                    self.descriptor.as_raw_fd(),
                    1 as libc::c_uint,
                    0 as libc::c_uint,
                    0 as libc::c_uint,
                    ptr::null::<libc::c_void>(),
                    0 as libc::size_t,
                )
            };
            let error = (taken == -1).then(last_error);
            match error {
                Some(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other.map_or(Ok(taken), Err),
            }
        };
        // SAFETY: as above.
        let now = unsafe { self.words.completed.read_volatile() };
        // Collected at once: there is never more than one, so that there is room for the next.
        // SAFETY: as above.
        unsafe { self.words.collected.write_volatile(now) };
        // A planted fault: what the kernel answers is not heeded. Only where it is asked for: tests of other faults ring too, and would wait.
        #[cfg(ringway_planted = "untaken_ring")]
        let (taken, now) = if crate::planted::is_asked_for("untaken_ring") {
            (Ok::<_, io::Error>(taken.map_or(1, |_| 1)), !completed)
        } else {
            (taken, now)
        };
        match taken {
            Ok(1) if now != completed => Ok(()),
            Ok(_) => Err(Denied::Now),
            Err(error) => Err(denied(&error, false)),
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if !self.birth.is_forked() {
            // SAFETY: this is the mapping made in `map`, which this process has, and nothing refers to it any more.
            unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
        }
    }
}

/// What an error means. `asked`: it is the answer to whether there may be an instance at all.
#[cold]
fn denied(error: &io::Error, asked: bool) -> Denied {
    let errno = error.raw_os_error().unwrap_or(libc::ENOSYS);
    let ever = match errno {
        libc::ENOSYS | libc::EPERM | libc::EACCES => true,
        libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EAGAIN => false,
        libc::EINVAL | libc::EBADF if !asked => return Denied::NoEventfd,
        _ => asked,
    };
    if !ever {
        return Denied::Now;
    }
    // ORD: refused: Relaxed, as above; partner: this file.
    REFUSED.store(1, Ordering::Relaxed);
    Denied::Ever
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::sys::{bell, poll::Waiter, socket};

    /// Where the kernel or a sandbox permits none, there is nothing to try.
    fn instance(bell: BorrowedFd<'_>) -> Option<Instance> {
        let made = Instance::new(bell);
        if made.as_ref().err() == Some(&Denied::Ever) {
            eprintln!("skipped: io_uring is not permitted here");
        }
        made.ok()
    }

    fn taken(bell: &OwnedFd) -> u64 {
        let mut count = [0u8; 8];
        // SAFETY: `count` is valid for writes of eight bytes.
        let read = unsafe { libc::read(bell.as_raw_fd(), count.as_mut_ptr().cast(), 8) };
        assert_eq!(read, 8);
        u64::from_ne_bytes(count)
    }

    #[test]
    fn thousands_of_signals_are_counted_though_our_descriptor_is_closed() {
        let bell = bell::create().unwrap();
        let copy = bell.try_clone().unwrap();
        let Some(mut instance) = instance(copy.as_fd()) else {
            return;
        };
        drop(copy);
        for _ in 0..5_000 {
            instance.signal().unwrap();
        }
        assert_eq!(taken(&bell), 5_000);
        let mut instance = std::thread::spawn(move || {
            instance.signal().unwrap();
            instance
        })
        .join()
        .unwrap();
        instance.signal().unwrap();
        assert_eq!(taken(&bell), 2, "by another thread, and this one again");
        drop(instance);
    }

    #[test]
    fn a_full_bell_that_blocks_is_rung_at_once_and_wakes() {
        let bell = bell::create().unwrap();
        let Some(mut instance) = instance(bell.as_fd()) else {
            return;
        };
        // SAFETY: `F_SETFL` passes no memory.
        unsafe { libc::fcntl(bell.as_raw_fd(), libc::F_SETFL, 0) };
        let full = (u64::MAX - 1).to_ne_bytes();
        // SAFETY: `full` is valid for reads of eight bytes.
        let written = unsafe { libc::write(bell.as_raw_fd(), full.as_ptr().cast(), 8) };
        assert_eq!(written, 8);
        let (line, _other) = socket::pair().unwrap();
        let waiter = Waiter::new(Some(bell.try_clone().unwrap()), line.as_fd(), None).unwrap();
        let soon = || Some(std::time::Instant::now() + std::time::Duration::from_secs(10));
        assert!(waiter.wait(soon()).unwrap().bell);
        let (ended, end) = std::sync::mpsc::channel();
        // On a thread of its own: if it blocks, the test fails and does not hang.
        std::thread::spawn(move || {
            for _ in 0..100 {
                instance.signal().unwrap();
            }
            ended.send(instance).unwrap();
        });
        let patience = std::time::Duration::from_secs(20);
        let instance = end.recv_timeout(patience).expect("a ring has blocked");
        assert!(waiter.wait(soon()).unwrap().bell, "it wakes all the same");
        assert_eq!(taken(&bell), u64::MAX, "it is full, and no fuller");
        drop(instance);
    }

    #[test]
    fn what_is_no_eventfd_is_refused() {
        let null = std::fs::File::open("/dev/null").unwrap();
        let refused = Instance::new(null.as_fd()).unwrap_err();
        assert!(matches!(refused, Denied::NoEventfd | Denied::Ever));
    }

    #[test]
    fn a_child_keeps_off_its_parents_and_makes_its_own() {
        let bell = bell::create().unwrap();
        let Some(mut parents) = instance(bell.as_fd()) else {
            return;
        };
        // SAFETY: the child takes no lock but the allocator's, which is mended on fork; it leaves by `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let kept_off = parents.signal() == Err(Denied::Ever);
            drop(parents);
            let own = Instance::new(bell.as_fd()).and_then(|mut own| own.signal());
            // SAFETY: `_exit` ends the process and runs nothing.
            unsafe { libc::_exit(i32::from(!kept_off || own.is_err())) };
        }
        let mut status = 0;
        // SAFETY: `status` is valid for writes.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(status, 0);
        parents.signal().unwrap();
        assert_eq!(taken(&bell), 2, "the child's and the parent's");
    }
}
