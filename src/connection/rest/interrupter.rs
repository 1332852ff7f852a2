//! Ending a wait from this process: for a close by another thread, and for programs that handle signals outside of the handler, as interpreters do.

use std::io;
use std::time::Instant;

use super::Rest;
use crate::connection::link::Link;
use crate::sync::{Arc, AtomicU64, Ordering, Weak};
use crate::sys::poll::{Waiter, Woken};

/// Ends a wait of one half, from any thread of the process.
///
/// The call that waits answers `Interrupted`; where none waits, the next wait does, in place of sleeping. A call that has what it asks for at once does not, and neither does a wait of somebody
/// else's: that of an event loop ([`Receiver::arm`](crate::Receiver::arm)) or of a [`Poller`](crate::Poller).
///
/// ```
/// # let path = std::env::temp_dir().join(format!("ringway-doc-interrupt-{}", std::process::id()));
/// # let mut listener = ringway::Listener::bind(path.as_path())?;
/// # let client = std::thread::spawn(move || ringway::connect(path));
/// let (_sender, mut receiver) = listener.accept()?.split();
/// # let _peer = client.join().unwrap()?;
/// let interrupter = receiver.interrupter();
/// let waits = std::thread::spawn(move || receiver.recv().map(|frame| frame.to_vec()));
/// interrupter.interrupt();
/// assert_eq!(waits.join().unwrap(), Err(ringway::RecvError::Interrupted));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Interrupter {
    wanted: Arc<AtomicU64>,
    link: Weak<Link>,
    place: usize,
}

impl Interrupter {
    /// Ends the wait. Does nothing where the half is dropped, nor in a forked child, whose parent's it is. Blocks for no longer than moments.
    pub fn interrupt(&self) {
        let link = self.link.upgrade();
        let Some(link) = link.filter(|link| !link.birth.is_forked()) else {
            return;
        };
        // ORD: interrupt: Relaxed, whoever sleeps is woken through the kernel behind it, and who does not looks again and again; partner: the swap in this file.
        self.wanted.store(1, Ordering::Relaxed);
        link.wake_half(self.place);
    }
}

/// What one half knows of it.
#[derive(Debug, Default)]
pub(super) struct Interruption {
    wanted: Option<Arc<AtomicU64>>,
    /// Signals end a sleep.
    heeds_signals: bool,
    /// One has.
    signalled: bool,
}

impl Interruption {
    /// What says that the wait is to end, if it does.
    fn raised(&self) -> Option<&AtomicU64> {
        self.wanted.as_deref().filter(|wanted| {
            // ORD: interrupt: Relaxed, as above; partner: the store in this file.
            wanted.load(Ordering::Relaxed) != 0
        })
    }

    /// Whether the wait is to end. Asked once for each time that it was wanted.
    pub(super) fn take(&mut self) -> bool {
        let wanted = self.raised().is_some_and(|wanted| {
            // ORD: interrupt: Relaxed, as above; partner: the store in this file.
            wanted.swap(0, Ordering::Relaxed) != 0
        });
        std::mem::take(&mut self.signalled) || wanted
    }

    /// A wait begins: a signal that ended a sleep of an earlier one, which found something behind it, is not this one's.
    pub(super) fn begin(&mut self) {
        self.signalled = false;
    }

    /// As [`Waiter::wait`], and a signal ends it where that is asked for.
    pub(super) fn wait(&mut self, waiter: &Waiter, until: Option<Instant>) -> io::Result<Woken> {
        if !self.heeds_signals {
            return waiter.wait(until);
        }
        match waiter.wait_once(until) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.signalled = true;
                Ok(Woken::default())
            }
            other => other,
        }
    }
}

impl Rest {
    /// See [`Interrupter`].
    pub(crate) fn interrupter(&mut self) -> Interrupter {
        let wanted = self.interruption.wanted.get_or_insert_default();
        Interrupter {
            wanted: Arc::clone(wanted),
            link: Arc::downgrade(&self.link),
            place: self.place,
        }
    }

    /// Whether [`Rest::is_interrupted`] is about to say so.
    pub(crate) fn is_to_be_interrupted(&self) -> bool {
        self.interruption.raised().is_some()
    }

    /// Whether a wait that goes on without [`Rest::wait`] is to end.
    pub(crate) fn is_interrupted(&mut self) -> bool {
        self.interruption.take()
    }

    /// The same of a wait that does not sleep by this half: no signal has ended it.
    pub(crate) fn is_interrupted_awake(&mut self) -> bool {
        self.interruption.begin();
        self.interruption.take()
    }

    /// Whether a signal whose handler has run ends a sleep.
    pub(crate) fn heed_signals(&mut self, on: bool) {
        self.interruption.heeds_signals = on;
    }
}
