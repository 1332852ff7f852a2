//! By AIO, as Ringway does where it may have no `io_uring`: a poll request on a descriptor that is always readable completes within the call, and the kernel adds one to the eventfd named in `aio_resfd`.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

use nix::libc;
use nix::sys::eventfd::EventFd;

use super::{CLEAR_EVERY, Ring, answer, count};

const IOCB_CMD_POLL: u16 = 5;
const IOCB_FLAG_RESFD: u32 = 1;
const EVENTS: libc::c_long = 128;

/// `struct iocb` of `linux/aio_abi.h`; the two fields whose order depends on the byte order are zero.
#[repr(C)]
#[derive(Debug, Default)]
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

/// `struct io_event` of the same.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Event {
    data: u64,
    object: u64,
    result: i64,
    result2: i64,
}

#[derive(Debug)]
pub(super) struct Aio {
    context: libc::c_ulong,
    request: Request,
    bell: OwnedFd,
    _ready: EventFd,
    submitted: u32,
}

impl Aio {
    pub(super) fn new(bell: OwnedFd) -> io::Result<Self> {
        let ready = EventFd::from_value(1)?;
        let number = |fd: i32| u32::try_from(fd).unwrap_or(u32::MAX);
        let request = Request {
            opcode: IOCB_CMD_POLL,
            descriptor: number(ready.as_raw_fd()),
            buffer: u64::from(libc::POLLIN.unsigned_abs()),
            flags: IOCB_FLAG_RESFD,
            signal_descriptor: number(bell.as_raw_fd()),
            ..Request::default()
        };
        let mut context: libc::c_ulong = 0;
        // SAFETY: `context` is valid for writes and zero, as `io_setup` demands.
        answer(unsafe { libc::syscall(libc::SYS_io_setup, EVENTS, &raw mut context) })?;
        Ok(Self {
            context,
            request,
            bell,
            _ready: ready,
            submitted: 0,
        })
    }

    fn collect(&mut self) -> io::Result<()> {
        let mut events = [Event::default(); EVENTS as usize];
        let now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `events` is valid for writes of so many entries, and `now` for reads.
        answer(unsafe {
            libc::syscall(
                libc::SYS_io_getevents,
                self.context,
                0 as libc::c_long,
                EVENTS,
                events.as_mut_ptr(),
                &raw const now,
            )
        })?;
        self.submitted = 0;
        Ok(())
    }
}

impl Ring for Aio {
    #[inline(always)]
    fn ring(&mut self) -> io::Result<()> {
        let mut list = [ptr::from_mut(&mut self.request)];
        // SAFETY: `list` holds one pointer to a request that is valid for the call, in which the kernel copies it and completes it.
        answer(unsafe {
            libc::syscall(
                libc::SYS_io_submit,
                self.context,
                1 as libc::c_long,
                list.as_mut_ptr(),
            )
        })?;
        self.submitted += 1;
        if self.submitted == CLEAR_EVERY {
            self.collect()?;
        }
        Ok(())
    }

    fn arrived(&mut self) -> io::Result<u64> {
        count(&self.bell)
    }
}

impl Drop for Aio {
    fn drop(&mut self) {
        // SAFETY: the context is ours, and nothing in it refers to memory of ours.
        unsafe { libc::syscall(libc::SYS_io_destroy, self.context) };
    }
}
