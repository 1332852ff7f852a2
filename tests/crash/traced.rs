//! A child that its parent traces: it stops at an instruction or a system call of our choice, and stays there until it is let go or killed.

use std::ptr::null_mut;
use std::time::{Duration, Instant};

use crate::process::{Child, fork};

/// Whether this host permits tracing; some sandboxes do not, which is said.
pub(crate) fn is_there() -> bool {
    let mut child = fork(|| {
        let nothing = null_mut::<libc::c_void>();
        // SAFETY: as in `halt`; it leaves without running anything of the parent's.
        unsafe {
            let refused = libc::ptrace(libc::PTRACE_TRACEME, 0, nothing, nothing) != 0;
            libc::_exit(i32::from(refused));
        }
    });
    let permitted = child.reap() == 0;
    if !permitted {
        println!("not run: this sandbox forbids ptrace");
    }
    permitted
}

/// Called in a child: stops it here, until its parent has it go on.
pub(crate) fn halt() {
    let nothing = null_mut::<libc::c_void>();
    // SAFETY: `PTRACE_TRACEME` takes no memory; the signal goes to this process, whose tracer is its parent.
    let halted = unsafe {
        libc::ptrace(libc::PTRACE_TRACEME, 0, nothing, nothing) == 0
            && libc::raise(libc::SIGSTOP) == 0
    };
    assert!(halted, "ptrace: {}", std::io::Error::last_os_error());
}

/// A child that has come to [`halt`]. To be used by the thread that has forked it: the kernel lets no other one trace.
pub(crate) struct Traced(Child);

impl Traced {
    /// Waits until it has halted.
    pub(crate) fn new(child: Child) -> Self {
        let traced = Self(child);
        assert_eq!(traced.stop(), libc::SIGSTOP);
        traced
    }

    /// Waits until it stops, and returns the signal that it stopped with.
    fn stop(&self) -> i32 {
        let mut status = 0;
        // SAFETY: `status` is valid for writes.
        let changed = unsafe { libc::waitpid(self.0.pid, &raw mut status, 0) };
        assert_eq!(changed, self.0.pid);
        assert!(libc::WIFSTOPPED(status), "it has ended: {status:#x}");
        libc::WSTOPSIG(status)
    }

    fn go_on(&self, request: libc::c_uint) {
        let nothing = null_mut::<libc::c_void>();
        // SAFETY: these requests take no memory, and the child is stopped and traced by this thread.
        let done = unsafe { libc::ptrace(request, self.0.pid, nothing, nothing) };
        assert_eq!(done, 0, "ptrace: {}", std::io::Error::last_os_error());
    }

    /// Has it execute one instruction.
    pub(crate) fn step(&self) {
        self.go_on(libc::PTRACE_SINGLESTEP);
        assert_eq!(self.stop(), libc::SIGTRAP);
    }

    /// Has it go on to the next entry or exit of a system call.
    pub(crate) fn to_call(&self) {
        self.go_on(libc::PTRACE_SYSCALL);
        assert_eq!(self.stop(), libc::SIGTRAP);
    }

    /// Has it go on until it has entered one of these system calls, of which nothing has been done then. A child that ends before that fails the test.
    pub(crate) fn enter(&self, calls: &[libc::c_long]) {
        loop {
            self.to_call();
            if calls.contains(&self.call()) {
                return;
            }
            // Out of it again.
            self.to_call();
        }
    }

    /// The same until a deadline, for a child that may wait for ever without such a call. Returns whether it came to one before.
    pub(crate) fn enter_before(&self, calls: &[libc::c_long], deadline: Instant) -> bool {
        loop {
            if !self.to_call_before(deadline) {
                return false;
            }
            if calls.contains(&self.call()) {
                return Instant::now() < deadline;
            }
            // Out of it again, which may take as long.
            if !self.to_call_before(deadline) {
                return false;
            }
        }
    }

    fn to_call_before(&self, deadline: Instant) -> bool {
        self.go_on(libc::PTRACE_SYSCALL);
        let mut status = 0;
        while Instant::now() < deadline {
            // SAFETY: `status` is valid for writes.
            let changed = unsafe { libc::waitpid(self.0.pid, &raw mut status, libc::WNOHANG) };
            if changed == self.0.pid {
                assert!(libc::WIFSTOPPED(status), "it has ended: {status:#x}");
                assert_eq!(libc::WSTOPSIG(status), libc::SIGTRAP);
                return true;
            }
            assert_eq!(changed, 0);
            std::thread::sleep(Duration::from_micros(100));
        }
        false
    }

    /// The system call that it has entered.
    fn call(&self) -> libc::c_long {
        let line = std::fs::read_to_string(format!("/proc/{}/syscall", self.0.pid)).unwrap();
        let number = line.split_whitespace().next().unwrap();
        number.parse().unwrap_or(-1)
    }

    /// Lets it go on by itself.
    pub(crate) fn let_go(self) -> Child {
        self.go_on(libc::PTRACE_DETACH);
        self.0
    }

    /// Kills it where it stands.
    pub(crate) fn kill(mut self) {
        self.0.signal(libc::SIGKILL);
        self.0.reap_killed();
    }
}
