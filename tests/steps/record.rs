//! One operation, step by step, and what its process's segment held after each instruction that changed it.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use crate::guard::Guard;
use crate::operation::{
    BOUND, Case, FINISHED, HANDED, Operation, SEGMENT, STAGE, Side, THEIRS, body, length,
};
use crate::peer::{self, CONTROL, RING, Segment, eventfd};
use crate::process::{Page, fork, watchdog};
use crate::trace::{self, Stop};

/// Bytes of a segment.
pub(crate) const SIZE: usize = CONTROL + RING;

/// What was there after an instruction that changed it.
#[derive(Clone)]
pub(crate) struct Snapshot {
    /// The instruction, counted from the operation's beginning.
    pub(crate) step: u64,
    /// Where it is in the program.
    pub(crate) address: u64,
    /// What the segment held; zeros before it was shown to anybody.
    pub(crate) bytes: Vec<u8>,
    /// What the segment of the connection before held, if there was one.
    pub(crate) old: Vec<u8>,
    /// How many frames had been handed out, and with how many their handler was done.
    pub(crate) handled: [u64; 2],
    /// So many messages had been sent, or were about to be.
    pub(crate) sent: u64,
    /// The operation had returned.
    pub(crate) over: bool,
}

pub(crate) struct Recording {
    pub(crate) steps: u64,
    pub(crate) snapshots: Vec<Snapshot>,
}

impl Recording {
    /// Each instruction that changed a segment, and which words of it, also of the one before.
    pub(crate) fn writes(&self) -> Vec<(u64, Vec<usize>)> {
        let words = |it: &Snapshot| -> Vec<[u8; 8]> {
            let both = it.bytes.chunks_exact(8).chain(it.old.chunks_exact(8));
            both.map(|word| word.try_into().unwrap()).collect()
        };
        let mut last: Option<Vec<[u8; 8]>> = None;
        let mut writes = Vec::new();
        for snapshot in &self.snapshots {
            let now = words(snapshot);
            if let Some(last) = last {
                let both = last.iter().zip(&now).enumerate();
                let changed = both.filter(|(_, (old, new))| old != new);
                let changed: Vec<usize> = changed.map(|(at, _)| at).collect();
                if !changed.is_empty() {
                    writes.push((snapshot.address, changed));
                }
            }
            last = Some(now);
        }
        writes
    }
}

/// A read-only mapping of a segment of the stepped process.
pub(crate) struct View(*const u8);

impl View {
    pub(crate) fn of(path: &Path) -> Option<Self> {
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
pub(crate) fn patiently(line: &OwnedFd) -> (Vec<u8>, Vec<OwnedFd>) {
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

/// Runs a case to its operation, and then step by step to the operation's end.
pub(crate) fn record(case: &Case, path: &Path, stops: Stops) -> Recording {
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
    let view = given(peer.pid, page.get(SEGMENT));
    assert_eq!(view.is_none(), shaking);
    let recording = walk(pid, &page, view, None, stops);
    drop(child);
    drop(peer);
    page.unmap();
    let _ = std::fs::remove_file(path);
    recording
}

/// What a scripted peer has been sent, by the word in which it says so.
pub(crate) fn given(pid: libc::pid_t, word: u64) -> Option<View> {
    let path = format!("/proc/{pid}/fd/{}", word.wrapping_sub(1));
    View::of(Path::new(&path))
}

/// Whether the process is about to send a message, with which it may show a segment.
fn sends(pid: libc::pid_t) -> bool {
    let registers = trace::registers(pid);
    // Stopped in it, at its entry, or before it.
    let enters = registers.rax == u64::MAX - u64::from(libc::ENOSYS.unsigned_abs()) + 1;
    if enters && registers.orig_rax == libc::SYS_sendmsg.unsigned_abs() {
        return true;
    }
    let mut code = [0; 2];
    trace::peek(pid, registers.rip, &mut code);
    code == [0x0f, 0x05] && registers.rax == libc::SYS_sendmsg.unsigned_abs()
}

/// Who is stopped where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stops {
    /// Behind each instruction.
    Instructions,
    /// At each write into a segment, behind each instruction from then on until some have changed nothing, and at each system call.
    Writes,
}

/// So many instructions have to change nothing.
const QUIET: u32 = 8;

/// Runs a process that stands before its operation to the operation's end. `view`: its segment, if it is there already; `old`: that of a connection before.
pub(crate) fn walk(
    pid: libc::pid_t,
    page: &Page,
    mut view: Option<View>,
    old: Option<&View>,
    stops: Stops,
) -> Recording {
    let mut recording = Recording {
        steps: 0,
        snapshots: Vec::new(),
    };
    let mut last = Snapshot {
        step: 0,
        address: 0,
        bytes: vec![0; SIZE],
        old: vec![0; SIZE],
        handled: [0; 2],
        sent: 0,
        over: false,
    };
    let mut take = |step, view: &Option<View>, sent, over| {
        let handled = [HANDED, FINISHED].map(|word| page.get(word));
        let mut changed = view.as_ref().is_some_and(|it| it.changes(&mut last.bytes));
        changed |= old.is_some_and(|it| it.changes(&mut last.old));
        changed |= handled != last.handled || sent != last.sent;
        if changed || over {
            last = Snapshot {
                step,
                address: trace::registers(pid).rip,
                handled,
                sent,
                over,
                ..last.clone()
            };
            recording.snapshots.push(last.clone());
        }
        changed
    };
    let mut guard = (stops == Stops::Writes).then(|| Guard::new(pid));
    let (mut steps, mut sent, mut quiet) = (0, 0, 0);
    take(0, &view, sent, false);
    while page.get(STAGE) != 2 {
        let runs = guard
            .as_ref()
            .is_some_and(|guard| guard.is_shut() || view.is_none());
        if runs {
            trace::run_to_call(pid, 0);
            match trace::wait(pid).1 {
                Stop::Call | Stop::Signal(libc::SIGSTOP) => {
                    take(steps, &view, sent, false);
                    if !sends(pid) {
                        continue;
                    }
                }
                Stop::Signal(libc::SIGSEGV) if guard.as_ref().is_some_and(Guard::has_stopped) => {
                    take(steps, &view, sent, false);
                    guard.as_mut().unwrap().open();
                }
                other => panic!("{other:?} behind step {steps}"),
            }
        }
        let shows = sends(pid);
        if shows {
            sent += 1;
            take(steps, &view, sent, false);
        }
        trace::step(pid);
        match trace::wait(pid).1 {
            Stop::Signal(libc::SIGTRAP) => steps += 1,
            other => panic!("{other:?} at step {steps}"),
        }
        if shows && view.is_none() {
            view = open_segment(pid);
            if let Some(guard) = &mut guard {
                guard.shut();
            }
        }
        quiet = if take(steps, &view, sent, false) {
            0
        } else {
            quiet + 1
        };
        if let Some(guard) = guard.as_mut().filter(|_| quiet > QUIET) {
            guard.shut();
        }
    }
    take(steps, &view, sent, true);
    recording.steps = steps;
    recording
}
