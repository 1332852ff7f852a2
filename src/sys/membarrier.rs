//! A barrier in the threads of other processes: `membarrier`, by which a sleeper makes up for the barrier that a sender leaves out.
//!
//! Only processes that have registered are reached (`GLOBAL_EXPEDITED`, Linux 4.16): the kernel interrupts each processor that runs one of them, and whoever does not
//! run has passed a barrier on the way. Registering has a price: from then on any process of the host, whoever runs it, can interrupt this one as often as it likes, to
//! the process's end. So it is done only for those who ask for it (`Config::membarrier`).

use std::io;

use super::last_error;

fn call(command: libc::c_int) -> io::Result<libc::c_long> {
    // SAFETY: no memory is passed.
    let answer = unsafe { libc::syscall(libc::SYS_membarrier, command, 0 as libc::c_uint) };
    if answer == -1 {
        Err(last_error())
    } else {
        Ok(answer)
    }
}

/// Whether this process may make such barriers, as far as the kernel says. Those of a sandbox can differ by command: see [`everywhere`].
pub(crate) fn is_there() -> bool {
    let wanted = libc::c_long::from(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED);
    call(libc::MEMBARRIER_CMD_QUERY).is_ok_and(|known| known & wanted != 0)
}

/// Has this process be reached by such barriers, from now on and for good. The first time takes a process of several threads some milliseconds.
pub(crate) fn register() -> io::Result<()> {
    call(libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED).map(drop)
}

/// A full barrier of the caller, and, at some moment between the call and its return, one in every thread of the processes that have registered.
pub(crate) fn everywhere() -> io::Result<()> {
    call(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a host has none, a sandbox forbids it, and nothing is to be seen here.
    #[test]
    fn what_the_kernel_says_is_there_can_be_called() {
        if is_there() {
            register().unwrap();
            register().unwrap();
            everywhere().unwrap();
        } else {
            assert!(everywhere().is_err());
        }
    }
}
