//! The descriptors that both processes of a pair hold: whatever a limit is built from, made once and inherited.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

/// Bytes of the shared memory of a kit; only what a limit maps is ever allocated.
const AREA_BYTES: i64 = 64 << 20;

/// Which of the two processes this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Side {
    /// Reads the clock; sends first, or sends the stream.
    Lead,
    /// Answers, or receives the stream.
    Follow,
}

impl Side {
    /// 0 for the lead, 1 for the other.
    pub(crate) const fn index(self) -> usize {
        match self {
            Side::Lead => 0,
            Side::Follow => 1,
        }
    }

    /// The other one.
    pub(crate) const fn peer(self) -> Self {
        match self {
            Side::Lead => Side::Follow,
            Side::Follow => Side::Lead,
        }
    }
}

/// The descriptors, in the order in which they are handed over.
#[derive(Debug)]
pub(crate) struct Kit {
    /// Memory that both may write.
    pub(crate) area: OwnedFd,
    /// One eventfd for each side to wait on.
    pub(crate) bells: [OwnedFd; 2],
    /// A connected stream socket for each side.
    pub(crate) sockets: [OwnedFd; 2],
    /// A pipe that each side writes to, as (reading end, writing end).
    pub(crate) pipes: [(OwnedFd, OwnedFd); 2],
}

impl Kit {
    /// Makes a new set.
    pub(crate) fn new() -> io::Result<Self> {
        let area = File::from(memfd_create(c"ringway-bench", MFdFlags::MFD_CLOEXEC)?);
        area.set_len(AREA_BYTES.unsigned_abs())?;
        let bell = || -> io::Result<OwnedFd> {
            let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
            Ok(EventFd::from_value_and_flags(0, flags)?.into())
        };
        let pipe = || nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC);
        let sockets = socketpair(
            AddressFamily::Unix,
            SockType::Stream,
            None,
            SockFlag::SOCK_CLOEXEC,
        )?;
        Ok(Self {
            area: area.into(),
            bells: [bell()?, bell()?],
            sockets: sockets.into(),
            pipes: [pipe()?, pipe()?],
        })
    }

    /// The numbers of all descriptors.
    pub(crate) fn numbers(&self) -> Vec<RawFd> {
        let [ring0, ring1] = &self.bells;
        let [socket0, socket1] = &self.sockets;
        let [(read0, write0), (read1, write1)] = &self.pipes;
        [
            &self.area, ring0, ring1, socket0, socket1, read0, write0, read1, write1,
        ]
        .map(AsRawFd::as_raw_fd)
        .to_vec()
    }

    /// Takes the descriptors that [`numbers`](Self::numbers) named in the parent.
    ///
    /// # Safety
    /// The numbers must be open descriptors of this process that nothing else in it owns.
    pub(crate) unsafe fn inherit(numbers: &[RawFd]) -> Option<Self> {
        let &[
            area,
            bell0,
            bell1,
            socket0,
            socket1,
            read0,
            write0,
            read1,
            write1,
        ] = numbers
        else {
            return None;
        };
        // SAFETY: the caller promises that the number is open and not owned elsewhere; each is taken once.
        let take = |number: RawFd| unsafe { OwnedFd::from_raw_fd(number) };
        Some(Self {
            area: take(area),
            bells: [take(bell0), take(bell1)],
            sockets: [take(socket0), take(socket1)],
            pipes: [(take(read0), take(write0)), (take(read1), take(write1))],
        })
    }

    /// Maps the first `bytes` of the area.
    pub(crate) fn map(&self, bytes: usize) -> io::Result<Area> {
        self.map_at(0, bytes)
    }

    /// Maps `bytes` of the area, from `offset` on, a multiple of the page size.
    pub(crate) fn map_at(&self, offset: usize, bytes: usize) -> io::Result<Area> {
        let offset = i64::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
        let length = std::num::NonZeroUsize::new(bytes).ok_or(io::ErrorKind::InvalidInput)?;
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choosing touches no memory that is in use.
        let start = unsafe {
            mmap(
                None,
                length,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                flags,
                &self.area,
                offset,
            )?
        };
        Ok(Area {
            start: start.cast(),
            bytes,
        })
    }
}

/// Memory that both processes map writable. It is shared without protection, which only a limit may do.
#[derive(Debug)]
pub(crate) struct Area {
    start: NonNull<u8>,
    bytes: usize,
}

impl Area {
    /// The address of byte `offset`, which lies within the area; every limit fixes its offsets when it is built.
    #[inline(always)]
    pub(crate) fn at(&self, offset: usize) -> *mut u8 {
        debug_assert!(offset < self.bytes, "offset {offset} of {}", self.bytes);
        // SAFETY: the offset is within the mapping.
        unsafe { self.start.as_ptr().add(offset) }
    }

    /// The shared word at `offset`, a multiple of 8 within the area.
    #[inline(always)]
    #[allow(
        clippy::disallowed_types,
        reason = "a limit is no part of what the models check"
    )]
    pub(crate) fn word(&self, offset: usize) -> &std::sync::atomic::AtomicU64 {
        debug_assert!(
            offset % 8 == 0 && offset + 8 <= self.bytes,
            "word {offset} of {}",
            self.bytes
        );
        // SAFETY: the address is aligned, within the mapping, and lives as long as `self`; all access to it is atomic.
        unsafe { std::sync::atomic::AtomicU64::from_ptr(self.at(offset).cast()) }
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: this is the mapping made in `Kit::map`, and every borrow of it has ended.
        let _ = unsafe { munmap(self.start.cast(), self.bytes) };
    }
}
