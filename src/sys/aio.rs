//! Signalling an eventfd that belongs to somebody else without ever being able to block.
//!
//! A Linux AIO poll request (4.18) on a descriptor that is always ready completes at once, and the kernel then adds one to
//! the eventfd named in `aio_resfd`, saturating instead of waiting. It costs about 0.8 µs where a `write` costs
//! 0.25 µs, but a hostile holder of the eventfd can make a `write` block for ever.
//!
//! One context serves the whole process. A child of a fork does not inherit it (contexts belong to the address space's owner), so it
//! is made anew there.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, TryLockError};

use super::fork::Birth;
use super::last_error;
use super::poll::always_ready;

const IOCB_CMD_POLL: u16 = 5;
const IOCB_FLAG_RESFD: u32 = 1;
/// Completions are collected after this many submissions; the kernel refuses new ones only beyond [`EVENTS`].
const COLLECT_EVERY: u32 = 32;
const EVENTS: libc::c_long = 128;
/// Pauses to wait for another thread's signal: some microseconds.
const TRIES: u32 = 200;

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
    birth: Birth,
    uncollected: u32,
}

/// `None` until first use; `Some(Err)` remembers that this kernel has no AIO, so that the fallback costs no system call.
static CONTEXT: Mutex<Option<Result<Context, i32>>> = Mutex::new(None);

/// Adds one to `bell`. Fails, without blocking, where the kernel has no AIO or `bell` is no eventfd.
pub(crate) fn signal(bell: BorrowedFd<'_>) -> io::Result<()> {
    let Some(mut slot) = context() else {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    };
    if matches!(&*slot, Some(Ok(context)) if context.birth.is_forked()) {
        *slot = None;
    }
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

/// The context, unless another thread keeps it. One that signals has done so in a microsecond; but a child that was forked in the
/// middle of that finds it locked for ever, so nobody waits: the caller has another way to ring.
fn context() -> Option<MutexGuard<'static, Option<Result<Context, i32>>>> {
    for _ in 0..TRIES {
        match CONTEXT.try_lock() {
            Ok(slot) => return Some(slot),
            Err(TryLockError::Poisoned(slot)) => return Some(slot.into_inner()),
            Err(TryLockError::WouldBlock) => core::hint::spin_loop(),
        }
    }
    None
}

impl Context {
    fn new() -> io::Result<Self> {
        let birth = Birth::here()?;
        let ready = always_ready()?;
        let mut id: libc::c_ulong = 0;
        // SAFETY: `id` is valid for writes and zero, as `io_setup` demands.
        if unsafe { libc::syscall(libc::SYS_io_setup, EVENTS, &raw mut id) } == -1 {
            return Err(last_error());
        }
        Ok(Self {
            id,
            ready,
            birth,
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

impl Drop for Context {
    fn drop(&mut self) {
        // In a child of a fork the id names nothing, or somebody else's context.
        if !self.birth.is_forked() {
            // SAFETY: the context is ours and no request is in flight: each one completes inside its submission.
            unsafe { libc::syscall(libc::SYS_io_destroy, self.id) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    /// Signals when no other test does.
    fn alone(bell: BorrowedFd<'_>) -> io::Result<()> {
        loop {
            match signal(bell) {
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
                other => return other,
            }
        }
    }

    #[test]
    fn a_context_that_nobody_gives_back_is_not_waited_for() {
        let bell = super::super::bell::create().unwrap();
        let kept = CONTEXT
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let signalled = signal(bell.as_fd());
        drop(kept);
        assert_eq!(signalled.unwrap_err().raw_os_error(), Some(libc::EBUSY));
    }

    #[test]
    fn thousands_of_signals_are_counted_and_none_blocks() {
        let bell = super::super::bell::create().unwrap();
        for _ in 0..5_000 {
            alone(bell.as_fd()).unwrap();
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
            alone(null.as_fd()).unwrap_err().raw_os_error(),
            Some(libc::EINVAL)
        );
    }
}
