//! One operation, instruction by instruction, and what its process's segment held after each.

use std::fs::File;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use crate::operation::{BOUND, Case, Operation, SEGMENT, STAGE, Side, THEIRS, body, length};
use crate::peer::{self, CONTROL, RING, Segment, eventfd};
use crate::process::{Page, fork, watchdog};
use crate::trace::{self, Stop};

/// Bytes of a segment.
pub(crate) const SIZE: usize = CONTROL + RING;

/// What the segment held after an instruction that changed it.
pub(crate) struct Snapshot {
    /// The instruction, counted from the operation's beginning.
    pub(crate) step: u64,
    /// Where it is in the program.
    pub(crate) address: u64,
    pub(crate) bytes: Vec<u8>,
    /// The operation had returned.
    pub(crate) over: bool,
}

pub(crate) struct Recording {
    pub(crate) steps: u64,
    pub(crate) snapshots: Vec<Snapshot>,
}

/// A read-only mapping of the stepped process's segment.
struct View(*const u8);

impl View {
    fn of(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                SIZE,
                libc::PROT_READ,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        (base != libc::MAP_FAILED).then_some(Self(base.cast_const().cast()))
    }

    /// Updates `last`. Returns whether it was another. The process that writes it stands still.
    fn changes(&self, last: &mut [u8]) -> bool {
        // SAFETY: the mapping has `SIZE` bytes, the file all of its pages; nobody writes it now, for its only writer is stopped.
        let now = unsafe { std::slice::from_raw_parts(self.0, SIZE) };
        let changed = now != last;
        if changed {
            last.copy_from_slice(now);
        }
        changed
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: the range is our own mapping, and nobody uses it any more.
        unsafe { libc::munmap(self.0.cast_mut().cast(), SIZE) };
    }
}

/// Puts what the peer has sent into its ring.
fn fill(own: &Segment) {
    let mut position = 0;
    for (number, size) in THEIRS.into_iter().enumerate() {
        let mut bytes = body(100 + number, size);
        bytes.resize(size.next_multiple_of(8), 0);
        for (index, word) in bytes.chunks_exact(8).enumerate() {
            own.ring(
                position + 8 + 8 * index,
                u64::from_ne_bytes(word.try_into().unwrap()),
            );
        }
        own.ring(position, 1 << 48 | size as u64);
        position += length(size);
    }
}

/// The next message of one who makes an instruction at a time.
fn patiently(line: &OwnedFd) -> (Vec<u8>, Vec<OwnedFd>) {
    while !peer::readable(line.as_fd(), 1000) {}
    peer::receive(line)
}

/// The peer: shakes hands in order, keeps what it was sent, and does nothing more.
fn script(case: &Case, page: &Page, path: &Path, own: &Segment) {
    let bells = [eventfd(), eventfd()];
    let gifts = [&own.file, &bells[0], &bells[1]].map(AsRawFd::as_raw_fd);
    let line;
    let theirs = match case.side {
        Side::Server => {
            page.until(BOUND, 1);
            line = peer::dial(path).unwrap();
            peer::send(&line, &peer::hello().0, &[]);
            let (welcome, theirs) = patiently(&line);
            assert_eq!(welcome[8], 2, "a Welcome was expected");
            peer::send(&line, &peer::attach().0, &gifts);
            assert_eq!(patiently(&line).0[8], 4, "a Ready was expected");
            theirs
        }
        Side::Client => {
            let listener = peer::listen(path);
            page.set(BOUND, 1);
            line = peer::accept(&listener);
            assert_eq!(patiently(&line).0[8], 1, "a Hello was expected");
            peer::send(&line, &peer::welcome().0, &gifts);
            let (attach, theirs) = patiently(&line);
            assert_eq!(attach[8], 3, "an Attach was expected");
            peer::send(&line, &peer::ready().0, &[]);
            theirs
        }
    };
    page.set(SEGMENT, u64::from(theirs[0].as_raw_fd().unsigned_abs()) + 1);
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// The segment that a process still has open.
fn open_segment(pid: libc::pid_t) -> Option<View> {
    let directory = format!("/proc/{pid}/fd");
    let mut entries = std::fs::read_dir(directory).ok()?.flatten();
    let entry = entries.find(|entry| {
        std::fs::read_link(entry.path())
            .is_ok_and(|to| to.to_string_lossy().starts_with("/memfd:ringway "))
    })?;
    View::of(&entry.path())
}

/// Runs a case to its operation, and then instruction by instruction to the operation's end.
pub(crate) fn record(case: &Case, path: &Path) -> Recording {
    let page = Page::new();
    let own = Segment::new(1);
    fill(&own);
    let peer = fork(|| {
        watchdog(Duration::from_secs(300));
        script(case, &page, path, &own);
    });
    let child = fork(|| {
        assert!(trace::be_traced());
        watchdog(Duration::from_secs(300));
        case.perform(&page, path, trace::stop);
    });
    let pid = child.pid;
    trace::take(pid);
    trace::run(pid, 0);
    assert_eq!(trace::wait(pid), (pid, Stop::Signal(libc::SIGSTOP)));
    // What the peer has read, and whether it sleeps.
    own.set(peer::RELEASED, case.base() as u64);
    if case.operation == Operation::Wake {
        own.set(peer::RECEIVER_EPOCH, 1);
    }
    let shaking = case.operation == Operation::Handshake;
    if shaking {
        own.set(peer::RELEASED, 0);
    } else {
        while page.get(SEGMENT) == 0 {
            std::thread::yield_now();
        }
    }
    let given = format!(
        "/proc/{}/fd/{}",
        peer.pid,
        page.get(SEGMENT).wrapping_sub(1)
    );
    let mut view = View::of(Path::new(&given));
    assert_eq!(view.is_none(), shaking);
    let mut last = vec![0; SIZE];
    let mut recording = Recording {
        steps: 0,
        snapshots: Vec::new(),
    };
    let mut take = |step, view: &Option<View>, last: &mut Vec<u8>, over| {
        let changed = view.as_ref().is_some_and(|view| view.changes(last));
        if changed || over {
            recording.snapshots.push(Snapshot {
                step,
                address: trace::registers(pid).rip,
                bytes: last.clone(),
                over,
            });
        }
    };
    take(0, &view, &mut last, false);
    let mut steps = 0;
    while page.get(STAGE) != 2 {
        let mut handed = false;
        if shaking {
            let registers = trace::registers(pid);
            let mut code = [0; 2];
            trace::peek(pid, registers.rip, &mut code);
            handed = code == [0x0f, 0x05] && registers.rax == libc::SYS_sendmsg.unsigned_abs();
        }
        trace::step(pid);
        match trace::wait(pid).1 {
            Stop::Signal(libc::SIGTRAP) => steps += 1,
            other => panic!("{case:?}: {other:?} at step {steps}"),
        }
        if handed && view.is_none() {
            view = open_segment(pid);
        }
        take(steps, &view, &mut last, false);
    }
    take(steps, &view, &mut last, true);
    recording.steps = steps;
    drop(child);
    drop(peer);
    mem::drop(view);
    page.unmap();
    let _ = std::fs::remove_file(path);
    recording
}
