//! Taking processor time from nobody.
//!
//! Who looks at a stream on a machine whose cores are all busy would take its time from those who make the stream. A process of the class
//! `SCHED_IDLE` runs where nobody else wants to.

use nix::libc;
use ringway::thread::{self, Class};

/// The weakest claim that there is besides that class.
const NICEST: libc::c_int = 19;

/// Lets this thread, and those that it starts, run only where nobody else would. What is returned is to be told: it says that there is something
/// else instead, and why.
pub(crate) fn yield_to_all() -> Option<String> {
    let why = thread::schedule(Class::Idle).err()?;
    // SAFETY: numbers only; 0 names the calling thread.
    let nice = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICEST) };
    let instead = if nice == 0 {
        "nice 19 instead"
    } else {
        "as it is"
    };
    Some(format!("cannot run as SCHED_IDLE ({why}): {instead}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_runs_as_idle_or_says_why_not() {
        let told = std::thread::spawn(|| {
            let told = yield_to_all();
            // SAFETY: 0 names the calling thread; no memory is touched.
            (told, unsafe { libc::sched_getscheduler(0) })
        });
        let (told, class) = told.join().unwrap();
        match told {
            None => assert_eq!(class, libc::SCHED_IDLE),
            Some(words) => assert!(words.contains("SCHED_IDLE")),
        }
    }
}
