//! Memory for what is received, made ready a piece at a time: to fault in each page as it is first written to costs as much again as to copy what comes into it.

/// An object of so many bytes on may have pages that nobody has touched.
const FRESH: usize = 256 << 10;
/// So much is made ready at a time: it is still in the processor's cache when it is written to.
const STEP: usize = 256 << 10;
/// From here on the kernel is asked for huge pages, as `NumPy` does: one fault for 2 MiB.
const HUGE: usize = 4 << 20;

/// What is known of the memory of an object that is being filled.
#[derive(Debug)]
pub(super) struct Room {
    /// So many bytes are ready.
    ready: usize,
}

impl Room {
    /// Of `len` bytes that begin at `place`.
    pub(super) fn new(place: *mut u8, len: usize) -> Self {
        if len < FRESH {
            return Self { ready: len };
        }
        if len >= HUGE {
            // Where there are none, small ones are made ready as below.
            advise(place, len, libc::MADV_HUGEPAGE);
        }
        Self { ready: 0 }
    }

    /// Bytes up to `until` are about to be written.
    #[inline]
    pub(super) fn prepare(&mut self, place: *mut u8, until: usize, len: usize) {
        if self.ready < until {
            let next = until.next_multiple_of(STEP).min(len);
            advise(
                place.wrapping_add(self.ready),
                next - self.ready,
                libc::MADV_POPULATE_WRITE,
            );
            self.ready = next;
        }
    }
}

/// Advises the kernel of the whole pages in there. An old one knows less, and then pages come one by one.
fn advise(place: *mut u8, len: usize, advice: libc::c_int) {
    const PAGE: usize = 4096;
    let before = place.align_offset(PAGE);
    if before >= len {
        return;
    }
    let pages = (len - before) / PAGE * PAGE;
    // SAFETY: the pages belong to an object of the caller's, and neither advice changes what is in them.
    unsafe { libc::madvise(place.wrapping_add(before).cast(), pages, advice) };
}
