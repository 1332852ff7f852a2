//! What is said on standard error, and which of the standard descriptors were open when we were started.
//!
//! Before `main` the Rust runtime opens `/dev/null` wherever one is closed, so that no other file takes its number. From then on
//! `recv NAME >&-` would write the stream to nowhere and call it written, and `send NAME <&-` would send an empty one. So the look
//! is taken before the runtime starts, by a constructor.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU8, Ordering};

use nix::libc;

use crate::exit::{Code, Failure};

/// Bit N: descriptor N was closed.
static CLOSED: AtomicU8 = AtomicU8::new(0);

// SAFETY: the C library calls what this section holds once, on the only thread, before `main` and so before the Rust runtime. Each entry is the
// address of a C function; libraries differ in what they pass to it, and the C calling convention lets one that takes nothing be
// called with any number of words. `look` calls nothing of the standard library that needs the runtime, and cannot unwind.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    for fd in 0..3 {
        // SAFETY: `F_GETFD` takes no argument and touches no memory; a number that is not open is an error.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1 {
            // ORD: closed-at-start: relaxed, no thread exists yet, and to make one orders what was before; partner: `was_closed` below.
            CLOSED.fetch_or(1 << fd, Ordering::Relaxed);
        }
    }
}

fn was_closed(fd: u8) -> bool {
    // ORD: closed-at-start: relaxed, nothing else is published; partner: `look` above, before `main`.
    CLOSED.load(Ordering::Relaxed) & 1 << fd != 0
}

/// Refuses to go on if there is no standard input.
pub(crate) fn input() -> Result<(), Failure> {
    if was_closed(0) {
        let what = "standard input is closed: give it a file or a pipe; `< /dev/null` sends an empty stream";
        return Err(Failure::new(Code::Failed, what));
    }
    Ok(())
}

/// Refuses to go on if there is no standard output.
pub(crate) fn output() -> Result<(), Failure> {
    if was_closed(1) {
        let what = "standard output is closed, what is written would be lost: give it a file or a pipe; `> /dev/null` discards it";
        return Err(Failure::new(Code::Failed, what));
    }
    Ok(())
}

/// Says something on standard error, under the command's name. Who has closed that does not want to hear, and the code still tells: no reason to end.
pub(crate) fn remark(command: &str, what: &dyn Display) {
    let _ = writeln!(io::stderr(), "ringway {command}: {what}");
}
