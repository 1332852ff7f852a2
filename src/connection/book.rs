//! This process's counters: one segment, a slot in it for each connection.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};

use zerocopy::IntoBytes;

use super::link::Peer;
use crate::layout::counters::{self, CountersHeader};
use crate::ring::{ONE, Tally};
use crate::segment::{MappedOwnWord, OwnSegment, OwnWord, SegmentSize};
use crate::sync::{Mutex, Ordering};
use crate::sys::process::PerProcess;

/// The book of this process, once it was needed.
static BOOK: PerProcess<Book> = PerProcess::new();

/// The segment, and who has which slot.
#[derive(Debug)]
pub(crate) struct Book {
    segment: OwnSegment,
    pages: Mutex<Pages>,
}

#[derive(Debug)]
struct Pages {
    /// What each slot's life says: odd while it is taken.
    lives: Vec<u64>,
    uncounted: u64,
}

impl Book {
    /// This process's.
    pub(crate) fn here() -> std::io::Result<&'static Self> {
        BOOK.get(Self::new)
    }

    fn new() -> std::io::Result<Self> {
        let size = SegmentSize {
            control: counters::BYTES,
            ring: 0,
            lanes: 1,
            huge: false,
        };
        let mut segment = OwnSegment::new(c"ringway-counters", size, false)?;
        segment.write_control(0, CountersHeader::new(std::process::id()).as_bytes());
        Ok(Self {
            segment,
            pages: Mutex::new(Pages {
                lives: Vec::new(),
                uncounted: 0,
            }),
        })
    }

    /// A descriptor of the segment, which nobody can write through.
    pub(crate) fn descriptor(&self) -> std::io::Result<OwnedFd> {
        self.segment.descriptor().try_clone_to_owned()
    }

    /// The same, to be sent.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.segment.descriptor()
    }

    /// Locked by threads of this process only, for some instructions: a child has a book of its own.
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, offset: usize, value: u64) {
        // ORD: counter: Relaxed, each number stands by itself; partner: none (observers).
        self.segment.word(offset).store(value, Ordering::Relaxed);
    }
}

/// The socket at `path`, from the root and without links: its name for everybody, whatever directory they work in.
pub(crate) fn place(path: &Path) -> PathBuf {
    std::fs::canonicalize(path)
        .or_else(|_| std::path::absolute(path))
        .unwrap_or_else(|_| path.to_path_buf())
}

/// As much of a place as a slot holds.
pub(crate) fn name(place: &Path) -> &[u8] {
    let place = place.as_os_str().as_bytes();
    &place[place.len().saturating_sub(counters::NAME_BYTES)..]
}

/// A connection's slot, until the last of its halves is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    book: &'static Book,
    index: usize,
    life: u64,
    /// Whether its halves time how they encode and decode.
    timed: bool,
}

impl Slot {
    /// A slot for a connection to `peer` by the listener's socket, which is at `place`. `None`: it is not counted, for want of memory or of slots.
    pub(crate) fn take(peer: &Peer, place: &Path) -> Option<Self> {
        if ONE == 0 {
            return None;
        }
        let book = Book::here().ok()?;
        let mut pages = book.pages();
        let free = pages.lives.iter().position(|life| life % 2 == 0);
        let index = free.unwrap_or(pages.lives.len());
        if index == counters::SLOTS {
            pages.uncounted += 1;
            book.tell(counters::UNCOUNTED, pages.uncounted);
            return None;
        }
        if free.is_none() {
            pages.lives.push(0);
        }
        pages.lives[index] += 1;
        let life = pages.lives[index];
        let slot = counters::slot(index);
        let lane = size_of::<counters::Lane>();
        let each = counters::MOST_LANES * size_of::<counters::Each>();
        for (from, bytes) in [
            (counters::LANES, 8),
            (counters::SENDS, lane),
            (counters::RECEIVES, lane),
            (counters::SENDS_EACH, each),
            (counters::RECEIVES_EACH, each),
        ] {
            (from..from + bytes)
                .step_by(8)
                .for_each(|word| book.tell(slot + word, 0));
        }
        let pid = peer.pid.and_then(|pid| u32::try_from(pid).ok());
        let who = u64::from(peer.uid) | u64::from(pid.unwrap_or(0)) << 32;
        book.tell(slot + counters::PEER, who);
        let name = name(place);
        book.tell(slot + counters::NAME_LENGTH, name.len() as u64);
        for (index, part) in name.chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            book.tell(slot + counters::NAME + 8 * index, u64::from_le_bytes(word));
        }
        book.live(slot, life);
        drop(pages);
        Some(Self {
            book,
            index,
            life,
            timed: false,
        })
    }

    /// The same, of a connection whose messages are timed or not.
    pub(crate) fn timed(mut self, on: bool) -> Self {
        self.timed = on;
        self
    }

    /// The same, of a connection with so many lanes in each direction.
    pub(crate) fn lanes(self, count: usize) -> Self {
        let slot = counters::slot(self.index);
        self.book.tell(slot + counters::LANES, count as u64);
        self
    }

    pub(crate) fn is_timed(&self) -> bool {
        self.timed
    }

    /// The words of the half that sends (`counters::SENDS`) or receives (`counters::RECEIVES`) that its lane counts.
    pub(crate) fn lane(&self, half: usize) -> Tally<MappedOwnWord> {
        let word = |index: usize| self.word(half, index);
        Tally::into_words([word(0), word(1), word(2), word(3)])
    }

    /// The same of lane `number` of several, which also tells what it has counted by itself.
    pub(crate) fn one_of_lanes(&self, half: usize, number: usize) -> Tally<MappedOwnWord> {
        let each = if half == counters::SENDS {
            counters::SENDS_EACH
        } else {
            counters::RECEIVES_EACH
        };
        let word = |index: usize| self.word(each, 2 * number + index);
        self.lane(half).and_each([word(0), word(1)])
    }

    /// The word of a half with this index in [`counters::Lane`].
    pub(crate) fn word(&self, half: usize, index: usize) -> MappedOwnWord {
        self.book
            .segment
            .word(counters::slot(self.index) + half + 8 * index)
    }
}

impl Book {
    fn live(&self, slot: usize, life: u64) {
        // ORD: counter-life: Release, what the slot holds comes before; partner: none (an observer reads it before and after). proof: it makes
        // a slot's words come before the odd number that shows them; who takes the slot anew has held the lock of `pages` since the even one. An
        // observer reads the file by system calls, and nothing but what it shows rests on it.
        self.segment
            .word(slot + counters::LIFE)
            .store(life, Ordering::Release);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // In a child the slot is still the parent's.
        if self.book.segment.birth().is_forked() {
            return;
        }
        // A planted fault, which tests/soak must find: a kibibyte for each connection.
        #[cfg(ringway_planted = "kept_memory")]
        core::mem::forget(vec![0_u8; 1024]);
        let mut pages = self.book.pages();
        pages.lives[self.index] = self.life + 1;
        self.book.live(counters::slot(self.index), self.life + 1);
    }
}

/// One number that a half counts where it has time.
#[derive(Debug, Default)]
pub(crate) struct Count {
    value: u64,
    word: Option<MappedOwnWord>,
}

impl Count {
    pub(crate) fn new(slot: Option<&Slot>, half: usize, index: usize) -> Self {
        Self {
            value: 0,
            word: slot.map(|slot| slot.word(half, index)),
        }
    }

    pub(crate) fn value(&self) -> u64 {
        self.value
    }

    /// One more.
    #[cold]
    pub(crate) fn add(&mut self) {
        self.add_some(1);
    }

    /// So many more.
    #[cold]
    pub(crate) fn add_some(&mut self, more: u64) {
        self.value += more;
        if let Some(word) = &self.word {
            // ORD: counter: Relaxed, each number stands by itself; partner: none (observers).
            word.store(self.value, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a process of its own: the tests beside it make connections, which take slots too.
    #[test]
    fn slots_are_given_out_and_given_back_and_what_finds_none_is_told() {
        let name = "connection::book::tests::slots_are_given_out_and_given_back_and_what_finds_none_is_told";
        if !crate::sys::apart::is_apart(name) {
            return;
        }
        let peer = Peer { uid: 7, pid: None };
        let take = || Slot::take(&peer, Path::new("/a/name"));
        let mut slots: Vec<Slot> = core::iter::from_fn(take).collect();
        assert_eq!(slots.len(), counters::SLOTS);
        let told = super::super::Counters::own().unwrap();
        assert_eq!(told.uncounted().unwrap(), 1);
        assert_eq!(told.connections().unwrap().len(), counters::SLOTS);
        let last = slots.pop().unwrap();
        let (index, life) = (last.index, last.life);
        let each = counters::MOST_LANES * size_of::<counters::Each>();
        let lane = size_of::<counters::Lane>();
        for (half, bytes) in [
            (counters::SENDS, lane),
            (counters::RECEIVES, lane),
            (counters::SENDS_EACH, each),
            (counters::RECEIVES_EACH, each),
        ] {
            (0..bytes / 8).for_each(|index| Count::new(Some(&last), half, index).add());
        }
        drop(last);
        assert_eq!(told.connections().unwrap().len(), counters::SLOTS - 1);
        let again = take().unwrap().lanes(counters::MOST_LANES);
        assert_eq!((again.index, again.life), (index, life + 2));
        // Each number of it begins anew, by whichever lane.
        let shown = told.connections().unwrap().pop().unwrap();
        assert_eq!(shown.lanes, counters::MOST_LANES);
        let nothing = super::super::LaneCounters::default();
        assert_eq!((shown.sends, shown.receives), (nothing, nothing));
        // One that was given back is no end of those behind it.
        drop(slots.remove(0));
        assert_eq!(told.connections().unwrap().len(), counters::SLOTS - 1);
        drop((slots, again));
        assert_eq!(told.connections().unwrap(), []);
    }

    #[test]
    fn a_child_counts_though_its_parent_was_about_it() {
        let kept = Book::here().unwrap().pages();
        // SAFETY: the child takes no lock but its own and the allocator's, which is mended on fork; it leaves by `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let peer = Peer { uid: 7, pid: None };
            let slot = Slot::take(&peer, Path::new("/a/name"));
            let told = super::super::Counters::own().and_then(|own| own.connections());
            let counted = slot.is_some() && told.is_ok_and(|told| told.len() == 1);
            // SAFETY: `_exit` ends the process and runs nothing.
            unsafe { libc::_exit(i32::from(!counted)) };
        }
        drop(kept);
        let mut status = 0;
        // SAFETY: `status` is valid for writes.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(status, 0);
    }
}
