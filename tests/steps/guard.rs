//! What a traced process writes into its segments, write by write, at the speed of all the rest: they are made read-only under it, and it is stopped where it faults.

use std::ops::Range;

use crate::trace::{self, Registers, Stop};

core::arch::global_asm!(
    ".globl ringway_steps_gate",
    "ringway_steps_gate:",
    "syscall",
    "ret"
);

// SAFETY: it is defined just above; nobody calls it here, only its address is taken.
unsafe extern "C" {
    fn ringway_steps_gate();
}

/// The segments of a process that was forked of this one.
pub(crate) struct Guard {
    pid: libc::pid_t,
    /// So many of the first pages of each.
    pages: u64,
    shut: Vec<Range<u64>>,
}

/// Has a stopped process make a system call, and stand where it stood.
fn call(pid: libc::pid_t, number: i64, arguments: [u64; 3]) -> u64 {
    let before = trace::registers(pid);
    let [rdi, rsi, rdx] = arguments;
    let during = Registers {
        // It has the same program at the same place.
        rip: ringway_steps_gate as *const () as u64,
        rax: number.unsigned_abs(),
        orig_rax: u64::MAX,
        rdi,
        rsi,
        rdx,
        ..before
    };
    trace::set_registers(pid, &during);
    trace::step(pid);
    let stopped = trace::wait(pid);
    assert_eq!(stopped, (pid, Stop::Signal(libc::SIGTRAP)));
    let answer = trace::registers(pid).rax;
    trace::set_registers(pid, &before);
    answer
}

/// Where the process has the first pages of its segments mapped so.
fn mapped(pid: libc::pid_t, how: &str, pages: u64) -> Vec<Range<u64>> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let range = |line: &str| {
        let mut words = line.split_whitespace();
        let (from, to) = words.next()?.split_once('-')?;
        let is_one = words.next()? == how && line.contains("/memfd:ringway ");
        let number = |text| u64::from_str_radix(text, 16).unwrap();
        let most = pages
            .saturating_mul(4096)
            .saturating_sub(number(words.next()?));
        let (from, to) = (number(from), number(to));
        let to = to.min(from.saturating_add(most));
        (is_one && from < to).then_some(from..to)
    };
    maps.lines().filter_map(range).collect()
}

/// The address at which a process has faulted that was stopped by `SIGSEGV`.
fn fault(pid: libc::pid_t) -> u64 {
    // SAFETY: all-zero is a valid `siginfo_t`, which the call fills; of a fault, `si_addr` is a member of it that was written.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let asked = libc::ptrace(libc::PTRACE_GETSIGINFO, pid, 0, &raw mut info);
        assert_eq!(asked, 0, "{}", std::io::Error::last_os_error());
        info.si_addr().addr() as u64
    }
}

impl Guard {
    pub(crate) fn new(pid: libc::pid_t, pages: u64) -> Self {
        let mut guard = Self {
            pid,
            pages,
            shut: Vec::new(),
        };
        guard.shut();
        guard
    }

    fn protect(&self, ranges: &[Range<u64>], how: i32) {
        for range in ranges {
            let arguments = [
                range.start,
                range.end - range.start,
                u64::from(how.unsigned_abs()),
            ];
            assert_eq!(call(self.pid, libc::SYS_mprotect, arguments), 0);
        }
    }

    /// The next write into a segment faults.
    pub(crate) fn shut(&mut self) {
        let ranges = mapped(self.pid, "rw-s", self.pages);
        self.protect(&ranges, libc::PROT_READ);
        self.shut.extend(ranges);
    }

    /// None does.
    pub(crate) fn open(&mut self) {
        // Some may be gone, and something else in their place.
        let there = mapped(self.pid, "r--s", self.pages);
        let ranges: Vec<_> = there
            .into_iter()
            .filter(|it| self.shut.contains(it))
            .collect();
        self.protect(&ranges, libc::PROT_READ | libc::PROT_WRITE);
        self.shut.clear();
    }

    pub(crate) fn is_shut(&self) -> bool {
        !self.shut.is_empty()
    }

    /// Whether the process has stopped because it would have written into one.
    pub(crate) fn has_stopped(&self) -> bool {
        let address = fault(self.pid);
        self.shut.iter().any(|range| range.contains(&address))
    }
}
