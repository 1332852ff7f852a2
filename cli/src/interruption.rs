//! While a name exists, an interruption must not end the process before the name was removed.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::exit::{self, Code, Failure};

/// The signals that interrupt, held back and told by a descriptor.
#[derive(Debug)]
pub(crate) struct Interruption {
    descriptor: SignalFd,
    before: SigSet,
}

impl Interruption {
    /// Holds them back in this thread and in those that it starts.
    pub(crate) fn watch() -> Result<Self, Failure> {
        let mut signals = SigSet::empty();
        let interruptions = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
        signals.extend(
            interruptions
                .into_iter()
                .filter(|signal| !is_ignored(*signal)),
        );
        let before = signals
            .thread_swap_mask(SigmaskHow::SIG_BLOCK)
            .map_err(|error| Failure::new(Code::Failed, error))?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let descriptor = SignalFd::with_flags(&signals, flags)
            .map_err(|error| exit::no_descriptor("cannot watch for signals", &error.into()))?;
        Ok(Self { descriptor, before })
    }

    /// Takes the signal that has arrived, so that one more is seen; [`put_back`](Self::put_back) undoes it.
    pub(crate) fn take(&self) -> Option<Signal> {
        let told = self.descriptor.read_signal().ok().flatten()?;
        Signal::try_from(i32::try_from(told.ssi_signo).ok()?).ok()
    }

    /// As if it had arrived just now, and nobody had taken it.
    pub(crate) fn put_back(signal: Signal) -> Result<(), Failure> {
        raise(signal).map_err(|error| Failure::new(Code::Failed, error))
    }

    /// Lets a signal that has arrived do what it always does, which usually ends the process here.
    pub(crate) fn deliver(self) -> Result<(), Failure> {
        let restored = self.before.thread_set_mask();
        restored.map_err(|error| Failure::new(Code::Failed, error))
    }
}

impl Interruption {
    /// Waits for it, and for the descriptor beside it, for so long. Returns whether it has come.
    pub(crate) fn comes(
        &self,
        beside: Option<BorrowedFd<'_>>,
        patience: PollTimeout,
    ) -> Result<bool, Failure> {
        let mut entries = vec![PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        entries.extend(beside.map(|beside| PollFd::new(beside, PollFlags::POLLIN)));
        match poll(&mut entries, patience) {
            Ok(_) => Ok(entries[0].any() == Some(true)),
            Err(Errno::EINTR) => Ok(false),
            Err(error) => {
                let what = format!("cannot wait for clients: {error}");
                Err(Failure::new(Code::Failed, what))
            }
        }
    }
}

impl AsFd for Interruption {
    /// Readable once a signal has arrived.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Whether we were started with a signal that is not to reach us, as a script's `&` and `nohup` do: a blocked one would be
/// reported nevertheless.
fn is_ignored(signal: Signal) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: no new action is given; `action` is valid for writes, and read only if the call says that it was written.
    unsafe {
        libc::sigaction(signal as libc::c_int, std::ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}
