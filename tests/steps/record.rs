//! One operation, step by step, and what its process's segment held after each instruction that changed it.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use crate::greeting::{admit, enter};
use crate::guard::Guard;
use crate::operation::{
    BOUND, CALM, Case, FINISHED, HANDED, Operation, READY, SEGMENT, STAGE, Side, THEIRS, body,
    length,
};
use crate::peer::{self, CONTROL, RING, Segment};
use crate::process::{Page, fork, watchdog};
use crate::trace::{self, Stop};

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
pub(crate) struct View(*const u8, usize);

impl View {
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let size = usize::try_from(file.metadata().ok()?.len()).ok()?;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size,
                libc::PROT_READ,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        (base != libc::MAP_FAILED).then_some(Self(base.cast_const().cast(), size))
    }

    /// Updates `last`. Returns whether it was another. The process that writes it stands still.
    fn changes(&self, last: &mut Vec<u8>) -> bool {
        // SAFETY: the mapping has so many bytes, the file all of its pages; nobody writes it now, for its only writer is stopped.
        let now = unsafe { std::slice::from_raw_parts(self.0, self.1) };
        last.resize(self.1, 0);
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
        unsafe { libc::munmap(self.0.cast_mut().cast(), self.1) };
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

/// The peer: shakes hands in order, keeps what it was sent, and does nothing more.
fn script(case: &Case, page: &Page, path: &Path, own: &Segment) {
    let terms = case.peer();
    let (_line, theirs) = match case.side {
        Side::Server => {
            page.until(BOUND, 1);
            enter(path, own, &terms)
        }
        Side::Client => {
            let listener = peer::listen(path);
            page.set(BOUND, 1);
            admit(&listener, own, &terms)
        }
    };
    page.set(SEGMENT, u64::from(theirs[0].as_raw_fd().unsigned_abs()) + 1);
    while page.get(STAGE) == 0 {
        let calm = page.get(CALM) as usize;
        own.set(peer::RELEASED, (calm * length(0)) as u64);
        std::thread::yield_now();
    }
    page.set(READY, 1);
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
    let own = case.peer().segment();
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
    let shaking = case.operation == Operation::Handshake;
    if !shaking {
        page.until(READY, 1);
    }
    // What the peer has read, and whether it sleeps.
    own.set(peer::RELEASED, case.base() as u64);
    if matches!(case.operation, Operation::Wake | Operation::Unfenced) {
        own.set(peer::RECEIVER_EPOCH, 1);
    }
    if shaking {
        own.set(peer::RELEASED, 0);
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
    /// The same, of the control area and the first page of the ring, where a large frame's header is; of what is written behind that header it is some.
    Heads,
    /// The same, of the whole ring: of what is written behind the header it is some, from the frame's first byte to its last.
    Bodies,
}

/// Bytes of a segment up to the first large frame's header.
const HEAD: usize = CONTROL + 96;

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
        bytes: vec![0; CONTROL + RING],
        old: vec![0; CONTROL + RING],
        handled: [0; 2],
        sent: 0,
        over: false,
    };
    let mut take = |step, view: &Option<View>, sent, over| {
        let handled = [HANDED, FINISHED].map(|word| page.get(word));
        let is_large = matches!(stops, Stops::Heads | Stops::Bodies);
        let head = is_large.then(|| last.bytes[..HEAD].to_vec());
        let mut changed = view.as_ref().is_some_and(|it| it.changes(&mut last.bytes));
        let seldom = if stops == Stops::Bodies { 256 } else { 64 };
        if changed && head.is_some_and(|head| head == last.bytes[..HEAD]) && step % seldom != 0 {
            return true;
        }
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
    let pages = if stops == Stops::Heads { 2 } else { u64::MAX };
    let mut guard = (stops != Stops::Instructions).then(|| Guard::new(pid, pages));
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
