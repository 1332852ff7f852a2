//! Signalling an eventfd that belongs to somebody else without ever being able to block, where there is no `io_uring` for us ([`uring`](super::uring)).
//!
//! A Linux AIO poll request (4.18) on a descriptor that is always ready completes at once, and the kernel then adds one to
//! the eventfd named in `aio_resfd`, saturating instead of waiting. It costs about 0.5 µs where a `write` costs
//! 0.2 µs, but a hostile holder of the eventfd can make a `write` block for ever.
//!
//! The kernel ends a process that has a context only behind two grace periods of RCU, before it closes anything else of it: some 35 ms in which no peer
//! hears of its death. That is why this comes second.
//!
//! One context serves the whole process, to its end. A child of a fork does not inherit it (contexts belong to the address space's
//! owner), so it is made anew there.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::PoisonError;

use super::last_error;
use super::poll::always_ready;
use super::process::PerProcess;
use crate::sync::Mutex;

const IOCB_CMD_POLL: u16 = 5;
const IOCB_FLAG_RESFD: u32 = 1;
/// Completions are collected after this many submissions; the kernel refuses new ones only beyond [`EVENTS`].
const COLLECT_EVERY: u32 = 32;
const EVENTS: libc::c_long = 128;

/// `struct iocb` of `linux/aio_abi.h` (little-endian field order; the two fields that differ are zero here).
#[repr(C)]
#[derive(Default)]
struct Request {
    data: u64,
    key: u32,
    rw_flags: u32,
    opcode: u16,
    priority: i16,
    descriptor: u32,
    buffer: u64,
    bytes: u64,
    offset: i64,
    reserved: u64,
    flags: u32,
    signal_descriptor: u32,
}

const _: () = assert!(size_of::<Request>() == 64);

/// `struct io_event` of `linux/aio_abi.h`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Event {
    data: u64,
    object: u64,
    result: i64,
    result2: i64,
}

struct Context {
    id: libc::c_ulong,
    ready: BorrowedFd<'static>,
    uncollected: u32,
}

/// `None` until first use; `Some(Err)` remembers that this kernel has no AIO, so that the fallback costs no system call.
type Slot = Mutex<Option<Result<Context, i32>>>;

static CONTEXT: PerProcess<Slot> = PerProcess::new();

/// Adds one to `bell`. Fails, without blocking, where the kernel has no AIO or `bell` is no eventfd. Another thread that signals just now is
/// waited for: it has done so in a microsecond.
pub(crate) fn signal(bell: BorrowedFd<'_>) -> io::Result<()> {
    let slot = CONTEXT.get(|| Ok(Mutex::default()))?;
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    let context = match &mut *slot {
        Some(context) => context,
        None => match Context::new() {
            // A lack of descriptors or contexts may pass: say so now, and try again at the next ring.
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::EMFILE | libc::ENFILE | libc::EAGAIN | libc::ENOMEM)
                ) =>
            {
                return Err(error);
            }
            other => {
                slot.insert(other.map_err(|error| error.raw_os_error().unwrap_or(libc::ENOSYS)))
            }
        },
    };
    match context {
        Ok(context) => context.signal(bell),
        Err(errno) => Err(io::Error::from_raw_os_error(*errno)),
    }
}

impl Context {
    fn new() -> io::Result<Self> {
        let ready = always_ready()?;
        let mut id: libc::c_ulong = 0;
        // SAFETY: `id` is valid for writes and zero, as `io_setup` demands.
        if unsafe { libc::syscall(libc::SYS_io_setup, EVENTS, &raw mut id) } == -1 {
            return Err(last_error());
        }
        Ok(Self {
            id,
            ready,
            uncollected: 0,
        })
    }

    fn signal(&mut self, bell: BorrowedFd<'_>) -> io::Result<()> {
        let descriptor = |fd: i32| u32::try_from(fd).unwrap_or(u32::MAX);
        let mut request = Request {
            opcode: IOCB_CMD_POLL,
            descriptor: descriptor(self.ready.as_raw_fd()),
            buffer: u64::from(libc::POLLIN.unsigned_abs()),
            flags: IOCB_FLAG_RESFD,
            signal_descriptor: descriptor(bell.as_raw_fd()),
            ..Request::default()
        };
        let mut list = [&raw mut request];
        loop {
            // SAFETY: `list` holds one pointer to a request that is valid for the call; a poll request is copied by the kernel,
            // completes inside the call (the descriptor is ready), and refers to no memory of ours.
            let submitted = unsafe {
                libc::syscall(
                    libc::SYS_io_submit,
                    self.id,
                    1 as libc::c_long,
                    list.as_mut_ptr(),
                )
            };
            if submitted == 1 {
                self.uncollected += 1;
                if self.uncollected >= COLLECT_EVERY {
                    self.collect();
                }
                return Ok(());
            }
            let error = last_error();
            match error.raw_os_error() {
                Some(libc::EAGAIN) if self.uncollected > 0 => self.collect(),
                Some(libc::EINTR) => {}
                _ => return Err(error),
            }
        }
    }

    /// Takes completions out of the kernel's queue. They say nothing that we need.
    fn collect(&mut self) {
        let mut events = [Event::default(); EVENTS as usize];
        let now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `events` is valid for writes of `EVENTS` entries and `now` for reads.
        unsafe {
            libc::syscall(
                libc::SYS_io_getevents,
                self.id,
                0 as libc::c_long,
                EVENTS,
                events.as_mut_ptr(),
                &raw const now,
            );
        }
        self.uncollected = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_child_signals_though_its_parent_was_about_it_and_the_parent_goes_on() {
        let bell = super::super::bell::create().unwrap();
        signal(bell.as_fd()).unwrap();
        let slot = CONTEXT.get(|| Ok(Mutex::default())).unwrap();
        let kept = slot.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the child takes no lock but its own and the allocator's, which is mended on fork; it leaves by `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let signalled = signal(bell.as_fd());
            // SAFETY: `_exit` ends the process and runs nothing.
            unsafe { libc::_exit(i32::from(signalled.is_err())) };
        }
        drop(kept);
        let mut status = 0;
        // SAFETY: `status` is valid for writes.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(status, 0);
        signal(bell.as_fd()).unwrap();
        let mut count = [0u8; 8];
        // SAFETY: `count` is valid for writes of eight bytes.
        let read = unsafe { libc::read(bell.as_raw_fd(), count.as_mut_ptr().cast(), 8) };
        assert_eq!((read, u64::from_ne_bytes(count)), (8, 3));
    }

    #[test]
    fn thousands_of_signals_are_counted_and_none_blocks() {
        let bell = super::super::bell::create().unwrap();
        for _ in 0..5_000 {
            signal(bell.as_fd()).unwrap();
        }
        let mut count = [0u8; 8];
        // SAFETY: `count` is valid for writes of eight bytes.
        let read = unsafe { libc::read(bell.as_raw_fd(), count.as_mut_ptr().cast(), 8) };
        assert_eq!(read, 8);
        assert_eq!(u64::from_ne_bytes(count), 5_000);
    }

    #[test]
    fn what_is_no_eventfd_is_refused() {
        let null = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(
            signal(null.as_fd()).unwrap_err().raw_os_error(),
            Some(libc::EINVAL)
        );
    }
}
