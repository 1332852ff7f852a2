//! Labelled steps: a program says where it stands, and waits until whoever torments it (`ringway chaos`) has decided what to do about it.
//!
//! The variable `RINGWAY_CHAOS` names a socket that was left open for us, by number and inode, as in `inherit.rs` and for the same reason. A label is one message,
//! and the answer to it one byte, whatever it is. Whoever is to be killed or stopped there gets none before that. Threads, and children that inherit both, may use one socket: all answers are alike.

use std::io;
use std::os::fd::RawFd;
use std::sync::OnceLock;

use super::inherit::Left;
use super::{again, check_length};
use crate::sync::{AtomicU64, Ordering};

const VARIABLE: &str = "RINGWAY_CHAOS";

/// Not zero once it is known that nobody asks.
static OFF: AtomicU64 = AtomicU64::new(0);

/// Says that this thread has come to the step `label`, and returns when it may go on.
///
/// For `ringway chaos`, which kills, stops or slows a program at steps that it names. In every other process it costs one relaxed load and a branch; where somebody asks, a round trip
/// to that process, and it does not return where that one kills us. Labels are 1 to 255 bytes of UTF-8; the library's own begin with `ringway.`. If whoever asks goes away, this process goes on as if nobody had asked.
///
/// May be called from any thread and in a forked child, not from a signal handler.
///
/// ```
/// ringway::chaos::step("order written");
/// ```
#[inline(always)]
pub fn step(label: &str) {
    // ORD: chaos-off: Relaxed, whoever does not see it yet asks once more; partner: `tell`.
    if OFF.load(Ordering::Relaxed) == 0 {
        tell(label);
    }
}

/// Where this process is to end, and how often it has yet to pass there.
static FATAL: OnceLock<String> = OnceLock::new();
static PASSES: AtomicU64 = AtomicU64::new(0);

/// This process kills itself (`SIGKILL`) when it comes to `label` for the `passage`-th time from now, the first being 1.
/// For tests that fork: once in a process that is to die, and nobody is asked in it.
#[doc(hidden)]
pub fn die_at(label: &str, passage: u64) {
    // ORD: chaos-off: Relaxed, it is for this thread and those it will start; partner: `tell`.
    PASSES.store(passage, Ordering::Relaxed);
    assert!(FATAL.set(label.to_owned()).is_ok(), "it dies once");
    // ORD: chaos-off: Relaxed, as above; partner: `step`.
    OFF.store(0, Ordering::Relaxed);
}

/// Ends this process where `die_at` wants it.
fn come_to(label: &str, fatal: &str) {
    // ORD: chaos-off: Relaxed, one thread gets the last passage, whichever; partner: `die_at`.
    if label == fatal && PASSES.fetch_sub(1, Ordering::Relaxed) == 1 {
        // SAFETY: no memory is passed, and nothing of this process runs on.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
        // Another thread may be the one to take it.
        loop {
            std::thread::park();
        }
    }
}

#[cold]
#[inline(never)]
fn tell(label: &str) {
    static ASKER: OnceLock<Option<Left>> = OnceLock::new();
    if let Some(fatal) = FATAL.get() {
        return come_to(label, fatal);
    }
    let asker = ASKER.get_or_init(|| Left::parse(&std::env::var(VARIABLE).ok()?));
    let passed = asker.is_some_and(|asker| {
        asker.is_there().unwrap_or(false) && pass(asker.number, label).is_ok()
    });
    if !passed {
        // ORD: chaos-off: Relaxed, nothing else is published; partner: `step`.
        OFF.store(1, Ordering::Relaxed);
    }
}

/// Sends the label and waits for the answer.
fn pass(socket: RawFd, label: &str) -> io::Result<()> {
    let (text, flags) = (label.as_ptr().cast(), libc::MSG_NOSIGNAL);
    // SAFETY: the text is valid for reads of its length.
    again(|| check_length(unsafe { libc::send(socket, text, label.len(), flags) }))?;
    let mut answer = 0u8;
    // SAFETY: `answer` is valid for writes of one byte.
    let length =
        again(|| check_length(unsafe { libc::recv(socket, (&raw mut answer).cast(), 1, 0) }))?;
    if length == 1 {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::Shutdown;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::{UnixDatagram, UnixStream};

    use nix::sys::stat::fstat;

    use super::*;

    #[test]
    fn a_step_waits_for_its_answer_and_an_asker_that_is_gone_for_none() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let asker = std::thread::spawn(move || {
            let mut label = [0; 32];
            let length = theirs.read(&mut label).unwrap();
            theirs.write_all(b"+").unwrap();
            // A child of another test may have a copy of it.
            theirs.shutdown(Shutdown::Both).unwrap();
            label[..length].to_vec()
        });
        pass(ours.as_raw_fd(), "first").unwrap();
        assert_eq!(asker.join().unwrap(), b"first");
        assert!(pass(ours.as_raw_fd(), "second").is_err());
    }

    #[test]
    fn a_number_that_is_no_longer_that_socket_is_not_used() {
        let (ours, _theirs) = UnixDatagram::pair().unwrap();
        let (number, inode) = (ours.as_raw_fd(), fstat(&ours).unwrap().st_ino);
        assert_eq!(
            Left::parse(&format!("{number}:{inode}")),
            Some(Left { number, inode })
        );
        assert!(Left { number, inode }.is_there().unwrap());
        let other = inode + 1;
        assert!(
            !Left {
                number,
                inode: other
            }
            .is_there()
            .unwrap()
        );
        for rubbish in ["", "5", "5:", ":5", "-1:5", "5:x"] {
            assert!(Left::parse(rubbish).is_none(), "{rubbish}");
        }
    }
}
