//! A segment whose pages its peer has under `userfaultfd`: what it keeps from itself, it keeps from nobody else.

use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

use ringway::hostile::{CONTROL, FRAME, Gift, RING, SEALS};

use crate::held::{FAULT, Held};
use crate::peer::{self, Watchdog, attach, eventfd, memory, soon};

const SIZE: usize = CONTROL + RING;

/// `_IOWR(0xaa, NUMBER, BYTES)`.
const fn request(number: u64, bytes: u64) -> u64 {
    3 << 30 | bytes << 16 | 0xaa << 8 | number
}

/// A writable mapping of a segment, each of whose pages is to be asked for and may not be written.
struct Kept {
    faults: OwnedFd,
    place: *mut libc::c_void,
}

impl Kept {
    /// `None`: this kernel keeps no pages of memory files so, or not for us; it says why.
    fn new(file: &OwnedFd, faults: OwnedFd) -> Option<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping overlaps nothing.
        let place = unsafe {
            libc::mmap(
                ptr::null_mut(),
                SIZE,
                access,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        assert_ne!(place, libc::MAP_FAILED);
        // SAFETY: the mapping has so many bytes, and nobody else writes there. One frame, of one word.
        unsafe {
            let ring = place.byte_add(CONTROL).cast::<u64>();
            ring.add(1).write_volatile(7);
            ring.write_volatile(FRAME | 8);
        }
        let kept = Self { faults, place };
        // Version, features (faults of pages that are not there, or not mapped, or not to be written, of memory files), and what is answered.
        let api = [0xaa, 1 << 5 | 1 << 10 | 1 << 12, 0];
        let range = [place.addr() as u64, SIZE as u64];
        let register = [range[0], range[1], 1 | 2 | 4, 0];
        let protect = [range[0], range[1], 1];
        let asked = kept.ask(0x3f, api) && kept.ask(0, register) && kept.ask(6, protect);
        if !asked {
            let error = std::io::Error::last_os_error();
            println!("SKIPPED: no page of a memory file can be kept here: {error}");
        }
        asked.then_some(kept)
    }

    /// A thread that writes there, and has to wait.
    fn write(&self) -> Held {
        let place = self.place.expose_provenance();
        Held::new(FAULT, move || {
            // SAFETY: the mapping stays until this has ended.
            unsafe { ptr::with_exposed_provenance_mut::<u64>(place).write_volatile(0) };
        })
    }

    /// Keeps nothing any more.
    fn end(self, held: Held) {
        let Self { faults, place } = self;
        drop(faults);
        held.end();
        // SAFETY: the mapping is ours, and nobody uses it any more.
        unsafe { libc::munmap(place, SIZE) };
    }

    fn ask<const N: usize>(&self, number: u64, mut words: [u64; N]) -> bool {
        let request = request(number, 8 * N as u64);
        // SAFETY: the words are as many bytes as the request says.
        unsafe { libc::ioctl(self.faults.as_raw_fd(), request as _, words.as_mut_ptr()) == 0 }
    }
}

#[test]
fn pages_that_a_peer_keeps_from_itself_hold_nobody_up() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("pages that are kept");
    if !Gift::Faults.is_there() {
        println!("SKIPPED: this host makes no userfaultfd");
        return;
    }
    let before = peer::open_descriptors();
    let file = memory(SIZE, 0, true);
    let Some(kept) = Kept::new(&file, Gift::Faults.make()) else {
        return;
    };
    // SAFETY: no memory is passed.
    let sealed = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, SEALS) };
    assert_eq!(sealed, 0);
    // Without this it could be a segment like any other.
    let held = kept.write();
    let mut listener = peer::patient().bind(peer::path("kept")).unwrap();
    let path = listener.path().to_path_buf();
    let bells = [eventfd(), eventfd()];
    let gifts = [&file, &bells[0], &bells[1]].map(AsRawFd::as_raw_fd);
    let (mut victim, line) = std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            let (line, _) = peer::greet(&path);
            assert!(peer::send(&line, &attach().0, &gifts));
            line
        });
        let victim = listener.accept_deadline(soon()).unwrap();
        (victim, client.join().unwrap())
    });
    // It reads what is there, and writes its own.
    let frame = victim.receiver().recv_deadline(soon()).unwrap();
    assert_eq!(frame.to_vec(), 7u64.to_ne_bytes());
    drop(frame);
    victim.sender().send_deadline(b"own", soon()).unwrap();
    assert!(held.is_held(), "its own write has ended by itself");
    kept.end(held);
    drop((victim, line, file, bells, listener));
    peer::no_leak(before);
}
