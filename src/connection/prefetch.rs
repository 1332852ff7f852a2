//! Having at hand what the next call on a connection will touch.

use super::{Connection, Receiver, Sender};
use crate::sys::prefetch;

/// So many lines of a half have what a frame touches: the hot part comes first in both.
const LINES: usize = 7;

impl Connection {
    /// Asks the processor for what a frame to the peer and its answer will touch: a hint, of some 20 instructions, that changes nothing else.
    ///
    /// For a thread with hundreds of connections that knows which it will use next: between two uses the others have pushed a connection out of
    /// the caches, and its next frame waits for ten lines and more, one after the other. Called before a wait on another connection it is free:
    ///
    /// ```no_run
    /// # use ringway::{Connection, RecvError};
    /// # fn ask(connections: &mut [Connection]) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut answer = [0; 64];
    /// for at in 0..connections.len() {
    ///     connections[at].sender().send(&[1; 64])?;
    ///     if let Some(next) = connections.get(at + 1) {
    ///         next.prefetch();
    ///     }
    ///     connections[at].receiver().recv_into(&mut answer)?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn prefetch(&self) {
        self.sender.prefetch();
        self.receiver.prefetch();
    }
}

impl Sender {
    /// As [`Connection::prefetch`], for this half.
    #[inline]
    pub fn prefetch(&self) {
        prefetch::value(self, LINES);
        self.approach();
    }
}

impl Receiver {
    /// As [`Connection::prefetch`], for this half.
    #[inline]
    pub fn prefetch(&self) {
        prefetch::value(self, LINES);
        self.approach();
    }
}
