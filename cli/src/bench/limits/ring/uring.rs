//! By `io_uring`, as Ringway does: a no-op completes within the call, and the kernel adds one to the eventfd that is registered with the instance.
//!
//! An instance has one eventfd, so whoever has many bells has as many instances. Many hosts switch it off (`kernel.io_uring_disabled`, the sandboxes of containers).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use nix::libc;

use super::{CLEAR_EVERY, Ring, answer, count};

const ENTRIES: u32 = 64;
const FEATURE_SINGLE_MMAP: u32 = 1;
const REGISTER_EVENTFD: libc::c_uint = 4;
const OFFSET_RINGS: i64 = 0;
const OFFSET_ENTRIES: i64 = 0x1000_0000;
/// Bytes of a submission; one of zeros is a no-op.
const SUBMISSION: usize = 64;
/// Bytes of a completion.
const COMPLETION: u32 = 16;

/// `struct io_sqring_offsets` of `linux/io_uring.h`.
#[repr(C)]
#[derive(Debug, Default)]
struct SubmissionOffsets {
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
struct CompletionOffsets {
    head: u32,
    tail: u32,
    ring_mask: u32,
    ring_entries: u32,
    overflow: u32,
    completions: u32,
    flags: u32,
    reserved: u32,
    address: u64,
}

/// `struct io_uring_params` of the same.
#[repr(C)]
#[derive(Debug, Default)]
struct Params {
    submissions: u32,
    completions: u32,
    flags: u32,
    thread_cpu: u32,
    thread_idle: u32,
    features: u32,
    workers: u32,
    reserved: [u32; 3],
    submission: SubmissionOffsets,
    completion: CompletionOffsets,
}

const _: () = assert!(size_of::<Params>() == 120);

/// Memory that the kernel shares with us.
#[derive(Debug)]
struct Shared {
    start: NonNull<u8>,
    bytes: usize,
}

impl Shared {
    fn map(instance: &OwnedFd, offset: i64, bytes: usize) -> io::Result<Self> {
        // SAFETY: a new mapping at an address of the kernel's choosing touches no memory that is in use.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_POPULATE,
                instance.as_raw_fd(),
                offset,
            )
        };
        match NonNull::new(start.cast::<u8>()) {
            Some(start) if start.as_ptr().cast::<libc::c_void>() != libc::MAP_FAILED => {
                Ok(Self { start, bytes })
            }
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// The word at `offset`, which the kernel names.
    #[inline(always)]
    #[allow(
        clippy::disallowed_types,
        reason = "a limit is no part of what the models check"
    )]
    fn word(&self, offset: u32) -> &std::sync::atomic::AtomicU32 {
        let offset = offset as usize;
        assert!(offset % 4 == 0 && offset + 4 <= self.bytes);
        // SAFETY: the address is aligned, within the mapping, and lives as long as `self`; all access to it is atomic.
        unsafe { std::sync::atomic::AtomicU32::from_ptr(self.start.as_ptr().add(offset).cast()) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: this is the mapping made in `map`, and every borrow of it has ended.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

#[derive(Debug)]
pub(super) struct Uring {
    // Before the instance: unmapped first.
    rings: Shared,
    /// All of them are zeros, and so no-ops.
    _submissions: Shared,
    instance: OwnedFd,
    bell: OwnedFd,
    submission: SubmissionOffsets,
    completion: CompletionOffsets,
    mask: u32,
    tail: u32,
    submitted: u32,
}

fn instance(params: &mut Params) -> io::Result<OwnedFd> {
    // SAFETY: `params` is valid for reads and writes of what the kernel knows by that name.
    let number = answer(unsafe {
        libc::syscall(
            libc::SYS_io_uring_setup,
            libc::c_long::from(ENTRIES),
            ptr::from_mut(params),
        )
    })?;
    let number = i32::try_from(number).map_err(io::Error::other)?;
    // SAFETY: the kernel has made it for us just now.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Whether this process may have an instance.
pub(crate) fn is_there() -> bool {
    instance(&mut Params::default()).is_ok()
}

impl Uring {
    pub(super) fn new(bell: OwnedFd) -> io::Result<Self> {
        let mut params = Params::default();
        let instance = instance(&mut params)?;
        if params.features & FEATURE_SINGLE_MMAP == 0 {
            return Err(io::Error::other("this kernel maps its two rings apart"));
        }
        let submissions_end = params.submission.array + 4 * params.submissions;
        let completions_end = params.completion.completions + COMPLETION * params.completions;
        let bytes = submissions_end.max(completions_end) as usize;
        let rings = Shared::map(&instance, OFFSET_RINGS, bytes)?;
        let bytes = params.submissions as usize * SUBMISSION;
        let submissions = Shared::map(&instance, OFFSET_ENTRIES, bytes)?;
        let number = bell.as_raw_fd();
        // SAFETY: one descriptor is passed, by a pointer that is valid for the call.
        answer(unsafe {
            libc::syscall(
                libc::SYS_io_uring_register,
                instance.as_raw_fd(),
                REGISTER_EVENTFD,
                &raw const number,
                1 as libc::c_uint,
            )
        })?;
        for index in 0..params.submissions {
            // ORD: limit-uring-array: Relaxed, before any submission; partner: kernel.
            rings
                .word(params.submission.array + 4 * index)
                .store(index, Relaxed);
        }
        // ORD: limit-uring-mask: Relaxed, it never changes; partner: kernel.
        let mask = rings.word(params.submission.ring_mask).load(Relaxed);
        if mask + 1 != params.submissions {
            return Err(io::Error::other("a mask that does not fit its ring"));
        }
        // ORD: limit-uring-submit: Relaxed, nobody has submitted yet; partner: kernel.
        let tail = rings.word(params.submission.tail).load(Relaxed);
        Ok(Self {
            rings,
            _submissions: submissions,
            instance,
            bell,
            submission: params.submission,
            completion: params.completion,
            mask,
            tail,
            submitted: 0,
        })
    }

    /// Takes the completions: all of them are of no-ops.
    fn collect(&mut self) {
        // ORD: limit-uring-complete: Acquire, what completed comes before; partner: kernel.
        let tail = self.rings.word(self.completion.tail).load(Acquire);
        // ORD: limit-uring-taken: Release, we are done with them; partner: kernel.
        self.rings.word(self.completion.head).store(tail, Release);
        self.submitted = 0;
    }
}

impl Ring for Uring {
    #[inline(always)]
    fn ring(&mut self) -> io::Result<()> {
        debug_assert!(self.submitted <= self.mask);
        self.tail = self.tail.wrapping_add(1);
        // ORD: limit-uring-submit: Release, what is submitted comes before; partner: kernel.
        self.rings
            .word(self.submission.tail)
            .store(self.tail, Release);
        // SAFETY: no memory is passed.
        let taken = answer(unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                self.instance.as_raw_fd(),
                1 as libc::c_uint,
                0 as libc::c_uint,
                0 as libc::c_uint,
                ptr::null::<libc::c_void>(),
                0 as libc::size_t,
            )
        })?;
        if taken != 1 {
            return Err(io::Error::other("a submission was not taken"));
        }
        self.submitted += 1;
        if self.submitted == CLEAR_EVERY {
            self.collect();
        }
        Ok(())
    }

    fn arrived(&mut self) -> io::Result<u64> {
        count(&self.bell)
    }
}
