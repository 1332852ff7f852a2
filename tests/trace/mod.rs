//! A supervisor for tests: one process runs another by `ptrace`, and stops it at system calls or after each instruction. No privilege is needed: who is
//! traced has asked for it.

#![allow(
    dead_code,
    reason = "two test binaries share this file, and neither needs all of it"
)]

pub(crate) mod sites;

use std::io;
use std::sync::OnceLock;

pub(crate) type Registers = libc::user_regs_struct;

/// Has the calling process be traced by its parent, and stops until that has looked. Then it goes on. `false`: tracing is not permitted here.
pub(crate) fn be_traced() -> bool {
    // SAFETY: no memory is passed.
    unsafe {
        let asked = libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) == 0;
        asked && libc::raise(libc::SIGSTOP) == 0
    }
}

/// Stops the calling process, until its tracer lets it go on.
pub(crate) fn stop() {
    // SAFETY: no memory is passed.
    assert_eq!(unsafe { libc::raise(libc::SIGSTOP) }, 0);
}

/// Whether this host permits tracing; some sandboxes do not, and then there is nothing to be seen here.
pub(crate) fn is_there() -> bool {
    // SAFETY: the child makes one system call and leaves by `_exit`; `status` is valid for writes.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            let refused = libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) != 0;
            libc::_exit(i32::from(refused));
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        if status != 0 {
            println!("not run: this sandbox forbids ptrace");
        }
        status == 0
    }
}

/// Keeps this process and its children on one processor: a stop then costs a switch between two processes, and no wake of a processor that was halted.
/// `which`: counted round, of those that this process or the one that forked it had at first.
pub(crate) fn on_one_processor(which: usize) {
    static THERE: OnceLock<Vec<usize>> = OnceLock::new();
    let there = THERE.get_or_init(processors);
    // SAFETY: all-zero is an empty set, which is valid for writes and reads of its size.
    unsafe {
        let mut one: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(there[which % there.len()], &mut one);
        let size = size_of::<libc::cpu_set_t>();
        assert_eq!(libc::sched_setaffinity(0, size, &raw const one), 0);
    }
}

fn processors() -> Vec<usize> {
    // SAFETY: as above.
    unsafe {
        let mut all: libc::cpu_set_t = std::mem::zeroed();
        let size = size_of::<libc::cpu_set_t>();
        assert_eq!(libc::sched_getaffinity(0, size, &raw mut all), 0);
        let there = (0..libc::CPU_SETSIZE as usize).filter(|&at| libc::CPU_ISSET(at, &all));
        there.collect()
    }
}

/// Why a traced thread has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It ended, with this wait status.
    Ended(i32),
    /// The filter of system calls stopped it, at one's entry.
    Filtered,
    /// At the entry or the exit of a system call.
    Call,
    /// It made a thread or a process, or is a new one itself.
    Born,
    /// A signal came; after a step it is `SIGTRAP`.
    Signal(i32),
}

fn call(request: libc::c_uint, pid: libc::pid_t, address: usize, data: usize) -> io::Result<()> {
    // SAFETY: each request here either passes no memory or, in `data`, the address of a whole structure that lives until the call returns.
    match unsafe { libc::ptrace(request, pid, address, data) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Takes charge of a child that has just said [`be_traced`].
pub(crate) fn take(pid: libc::pid_t) {
    assert_eq!(wait(pid), (pid, Stop::Signal(libc::SIGSTOP)));
    let options = libc::PTRACE_O_TRACESECCOMP
        | libc::PTRACE_O_TRACECLONE
        | libc::PTRACE_O_TRACESYSGOOD
        | libc::PTRACE_O_EXITKILL;
    call(
        libc::PTRACE_SETOPTIONS,
        pid,
        0,
        options.unsigned_abs() as usize,
    )
    .unwrap();
}

/// Waits for a stop of `pid`; of any child where it is -1.
pub(crate) fn wait(pid: libc::pid_t) -> (libc::pid_t, Stop) {
    let mut status = 0;
    let stopped = loop {
        // SAFETY: `status` is valid for writes.
        let stopped = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) };
        if stopped != -1 {
            break stopped;
        }
        let error = io::Error::last_os_error();
        assert_eq!(error.kind(), io::ErrorKind::Interrupted, "waitpid: {error}");
    };
    if !libc::WIFSTOPPED(status) {
        return (stopped, Stop::Ended(status));
    }
    let stop = match (status >> 16, libc::WSTOPSIG(status)) {
        (libc::PTRACE_EVENT_SECCOMP, _) => Stop::Filtered,
        (libc::PTRACE_EVENT_CLONE, _) => Stop::Born,
        (_, signal) if signal == libc::SIGTRAP | 0x80 => Stop::Call,
        (_, signal) => Stop::Signal(signal),
    };
    (stopped, stop)
}

/// Lets a stopped thread go on, with a signal or none (0). A thread that was killed meanwhile is let go on as well.
fn resume(request: libc::c_uint, pid: libc::pid_t, signal: i32) {
    let resumed = call(request, pid, 0, signal.unsigned_abs() as usize);
    is_there_still(&resumed);
}

/// To its next stop.
pub(crate) fn run(pid: libc::pid_t, signal: i32) {
    resume(libc::PTRACE_CONT, pid, signal);
}

/// To the next entry or exit of a system call.
pub(crate) fn run_to_call(pid: libc::pid_t, signal: i32) {
    resume(libc::PTRACE_SYSCALL, pid, signal);
}

/// For one instruction.
pub(crate) fn step(pid: libc::pid_t) {
    resume(libc::PTRACE_SINGLESTEP, pid, 0);
}

/// Lets it go for good.
pub(crate) fn let_go(pid: libc::pid_t) {
    resume(libc::PTRACE_DETACH, pid, 0);
}

pub(crate) fn registers(pid: libc::pid_t) -> Registers {
    registers_if_there(pid).unwrap()
}

/// The same of a thread that its process may have ended, and killed where it stood; `None`: it has.
pub(crate) fn registers_if_there(pid: libc::pid_t) -> Option<Registers> {
    // SAFETY: all-zero is a valid set of registers.
    let mut registers: Registers = unsafe { std::mem::zeroed() };
    let got = call(libc::PTRACE_GETREGS, pid, 0, (&raw mut registers).addr());
    is_there_still(&got).then_some(registers)
}

/// Sets them, if it is still there.
pub(crate) fn set_registers(pid: libc::pid_t, registers: &Registers) {
    let set = call(libc::PTRACE_SETREGS, pid, 0, (&raw const *registers).addr());
    is_there_still(&set);
}

/// Whether a stopped thread was there to be asked.
fn is_there_still(answer: &io::Result<()>) -> bool {
    if let Err(error) = answer {
        assert_eq!(error.raw_os_error(), Some(libc::ESRCH), "ptrace: {error}");
    }
    answer.is_ok()
}

/// Copies memory of a stopped process into `target`. Returns how many bytes could be had.
pub(crate) fn peek(pid: libc::pid_t, address: u64, target: &mut [u8]) -> usize {
    let ours = libc::iovec {
        iov_base: target.as_mut_ptr().cast(),
        iov_len: target.len(),
    };
    let theirs = libc::iovec {
        iov_base: std::ptr::without_provenance_mut(address as usize),
        iov_len: target.len(),
    };
    // SAFETY: `ours` is valid for writes; the other range is in another process, which the kernel checks.
    let read = unsafe { libc::process_vm_readv(pid, &raw const ours, 1, &raw const theirs, 1, 0) };
    usize::try_from(read).unwrap_or(0)
}

/// Has the calling process, and what it makes, stop for its tracer at each entry of one of the system calls `numbers`, or of any if there are none of these. It stays so for good.
pub(crate) fn filter(numbers: &[i64]) {
    let statement = |code: u32, value: u32, yes: u8, no: u8| libc::sock_filter {
        code: code as u16,
        jt: yes,
        jf: no,
        k: value,
    };
    let allow = statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0);
    let stop = statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_TRACE, 0, 0);
    let mut program = Vec::new();
    if !numbers.is_empty() {
        // The number is the first word of what the filter is shown.
        let load = statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0);
        program.push(load);
        for (index, &number) in numbers.iter().enumerate() {
            let test = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
            // Over the other tests, and over what lets it pass.
            let over = (numbers.len() - index) as u8;
            program.push(statement(test, u32::try_from(number).unwrap(), over, 0));
        }
        program.push(allow);
    }
    program.push(stop);
    let program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: `program` and what it points to live until the calls return.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let mode = libc::SECCOMP_MODE_FILTER;
        let set = libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program);
        assert_eq!(set, 0, "{}", io::Error::last_os_error());
    }
}
