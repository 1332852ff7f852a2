//! Where the calling thread runs, and in which scheduling class: for latency that stays what it is.
//!
//! These belong to a thread and not to a connection: its halves may live in two threads, and one thread may hold many. What belongs to a
//! connection's memory is in [`Config`](crate::Config): `prefault`, `lock_memory`, `numa_node`, `huge_pages`. `ringway bench jitter` shows what
//! each of them does on a machine.
//!
//! ```
//! let cpu = ringway::thread::allowed()?[0];
//! std::thread::spawn(move || ringway::thread::pin(cpu)).join().unwrap()?;
//! # Ok::<(), ringway::Error>(())
//! ```

use std::io;

use nix::sys::resource::Resource;

use crate::error::{Error, ErrorKind};
use crate::sys::place;

/// How the kernel chooses when a thread runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// The usual one (`SCHED_OTHER`).
    Other,
    /// The usual one, for work that nobody waits for: it is not given the processor the moment that it wakes (`SCHED_BATCH`).
    Batch,
    /// Only where a processor has nothing else to do (`SCHED_IDLE`).
    Idle,
    /// Before every thread of the classes above and of a lower priority, from 1 to 99, until it sleeps (`SCHED_FIFO`).
    ///
    /// A thread of this class that spins keeps everything else from its processor; the kernel takes 5 % of each second for the others
    /// (`kernel.sched_rt_runtime_us`), which is a gap of 50 ms. Two such threads on one processor that wait for each other by spinning hang.
    Fifo(u8),
}

/// The processors that the calling thread may use, by number, in order.
///
/// # Errors
/// What the system answers.
pub fn allowed() -> Result<Vec<usize>, Error> {
    place::allowed().map_err(|error| Error::io("asking for our processors", error))
}

/// Keeps the calling thread on processor `cpu`. Threads that it starts from then on inherit that.
///
/// A half that was made on another processor notices it while it waits, in its first wait, or within 1.6 s of later ones: whether spinning is worth anything
/// ([`Wait`](crate::Wait)) is asked of the thread that waits, and of the threads of the peer. Two threads that are to wait for each other by spinning need two processors.
///
/// # Errors
/// `InvalidConfig`: there is no such processor, or this process may not use it (a container's cpuset).
pub fn pin(cpu: usize) -> Result<(), Error> {
    place::pin(cpu).map_err(|error| match error.raw_os_error() {
        Some(libc::EINVAL) => {
            let text = format!(
                "processor {cpu} is not there, or not for this process: see `taskset -p $$` and the container's cpuset"
            );
            Error::new(ErrorKind::InvalidConfig, text)
        }
        _ => Error::io(&format!("pinning this thread to processor {cpu}"), error),
    })
}

/// Puts the calling thread into a scheduling class. Threads and processes that it starts from then on inherit that.
///
/// # Errors
/// `InvalidConfig`: a priority that is not from 1 to 99. `Resources`: it is not permitted; the text says what to raise.
pub fn schedule(class: Class) -> Result<(), Error> {
    let (policy, priority) = match class {
        Class::Other => (libc::SCHED_OTHER, 0),
        Class::Batch => (libc::SCHED_BATCH, 0),
        Class::Idle => (libc::SCHED_IDLE, 0),
        Class::Fifo(priority) => (libc::SCHED_FIFO, priority),
    };
    if matches!(class, Class::Fifo(priority) if !(1..=99).contains(&priority)) {
        let text = format!("priority {priority} is not from 1 to 99");
        return Err(Error::new(ErrorKind::InvalidConfig, text));
    }
    place::schedule(policy, priority).map_err(|error| refused(class, error))
}

fn refused(class: Class, error: io::Error) -> Error {
    if error.raw_os_error() != Some(libc::EPERM) {
        return Error::io(&format!("scheduling this thread as {class:?}"), error);
    }
    let text = not_permitted(class, place::limit(Resource::RLIMIT_RTPRIO));
    Error::new(ErrorKind::Resources, text)
}

/// `limit`: the highest priority that this process may have, where there is a limit.
fn not_permitted(class: Class, limit: Option<u64>) -> String {
    let why = match (class, limit) {
        (Class::Fifo(priority), Some(limit)) if limit < u64::from(priority) => format!(
            "this process may have priorities up to {limit}; raise `ulimit -r` (LimitRTPRIO= of a systemd unit) to {priority}, or give it \
             CAP_SYS_NICE"
        ),
        // The limit is not what forbids it.
        (Class::Fifo(_), _) => {
            "`ulimit -r` allows it, so its control group has no real-time time (cpu.rt_runtime_us), or a seccomp filter or security module forbids it"
                .to_owned()
        }
        _ => "leaving its class takes CAP_SYS_NICE".to_owned(),
    };
    format!("scheduling this thread as {class:?} is not permitted: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_what_refuses() {
        let said = |class, limit| not_permitted(class, limit);
        let low = said(Class::Fifo(5), Some(0));
        assert!(low.contains("up to 0") && low.contains("to 5"), "{low}");
        for enough in [None, Some(5), Some(99)] {
            let text = said(Class::Fifo(5), enough);
            assert!(
                text.contains("cpu.rt_runtime_us") && !text.contains("raise"),
                "{text}"
            );
        }
        assert!(said(Class::Batch, None).contains("CAP_SYS_NICE"));
    }
}
