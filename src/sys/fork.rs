//! Noticing that we are the child of a fork.
//!
//! A child holds none of our mappings (`MADV_DONTFORK`), so touching a segment there would be a fault, and unmapping the
//! address would hit whatever the child has put there. It learns where it is from a page that the kernel wipes on fork
//! (`MADV_WIPEONFORK`, Linux 4.14): a *generation* that is zero in a fresh child. This also works for a raw `clone`, which runs no
//! `pthread_atfork` handler.

use std::io;

use crate::sync::{AtomicPtr, AtomicU64, Ordering};

use super::map;

/// The wiped page: null until first asked for, then one page for the life of the process. No `OnceLock`: a child that was forked
/// while another thread fills it would wait for ever.
static PAGE: AtomicPtr<AtomicU64> = AtomicPtr::new(core::ptr::null_mut());
/// The newest generation handed out in this process or in an ancestor; a child continues from its copy.
static NEWEST: AtomicU64 = AtomicU64::new(0);

/// Says whether this process is still the one that made it. Copied into every half; asking costs two loads and a compare.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Birth {
    page: *const AtomicU64,
    generation: u64,
}

// SAFETY: `page` points to an atomic in a mapping that lives as long as the process.
unsafe impl Send for Birth {}
// SAFETY: as above.
unsafe impl Sync for Birth {}

impl Birth {
    /// The mark of the current process.
    pub(crate) fn here() -> io::Result<Self> {
        let page = page()?;
        // SAFETY: `page` returned a pointer to a zeroed, aligned word in a mapping that is never removed.
        let word = unsafe { &*page };
        // ORD: fork-page: Relaxed, the value publishes nothing else; partner: the same word in this file.
        let mut generation = word.load(Ordering::Relaxed);
        if generation == 0 {
            // ORD: fork-newest: Relaxed, only uniqueness matters, and a read-modify-write gives that; partner: itself.
            let fresh = NEWEST.fetch_add(1, Ordering::Relaxed) + 1;
            // ORD: fork-page: Relaxed, as above; two threads may race, and the loser adopts the winner's value.
            generation = match word.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => fresh,
                Err(winner) => winner,
            };
        }
        Ok(Self { page, generation })
    }

    /// A mark that no process has made: there is always a fork between it and now.
    pub(crate) fn never(self) -> Self {
        Self {
            generation: u64::MAX,
            ..self
        }
    }

    /// Whether a fork lies between the making of this mark and now.
    #[inline(always)]
    pub(crate) fn is_forked(&self) -> bool {
        // SAFETY: the page is never unmapped in the parent, and in a child it is mapped and wiped.
        let word = unsafe { &*self.page };
        // ORD: fork-page: Relaxed, the kernel wiped the page before the child ran its first instruction; partner: kernel.
        word.load(Ordering::Relaxed) != self.generation
    }
}

fn page() -> io::Result<*const AtomicU64> {
    // ORD: fork-page-made: Acquire, the page is ready for use; partner: the exchange in this file. proof: what is read behind it was
    // written before the exchange that stored the address; with Relaxed a thread could find a page that is not yet wiped by a fork.
    let known = PAGE.load(Ordering::Acquire);
    if !known.is_null() {
        return Ok(known);
    }
    let bytes = super::memfd::page_size();
    let page = map::anonymous(bytes)?;
    map::wipe_on_fork(page, bytes)?;
    let made: *mut AtomicU64 = page.cast();
    let none = core::ptr::null_mut();
    // ORD: fork-page-made: AcqRel, the page is ready before its address is seen; partner: the load in this file. proof: Release for
    // whoever loads it; Acquire for who comes too late and goes on with the other's page. The Acquire of the winner is redundant: it found null.
    match PAGE.compare_exchange(none, made, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Ok(made),
        Err(first) => {
            map::unmap(page, bytes);
            Ok(first)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_knows_and_has_a_generation_of_its_own() {
        let parent = Birth::here().unwrap();
        assert!(!parent.is_forked() && parent.never().is_forked());
        // SAFETY: the child only reads memory, makes no allocation and leaves by `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let forked = parent.is_forked() && parent.never().is_forked();
            let own = Birth::here()
                .is_ok_and(|own| !own.is_forked() && own.generation != parent.generation);
            // SAFETY: `_exit` ends the process and runs nothing.
            unsafe { libc::_exit(i32::from(!(forked && own && parent.is_forked()))) };
        }
        let mut status = 0;
        // SAFETY: `status` is valid for writes.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(status, 0);
        assert!(!parent.is_forked());
    }
}
