//! What a batcher asks of the half that it sends through.

use super::Sender;

impl Sender {
    /// Whether the drop publishes what is accepted and not visible yet: then whoever keeps it back need not have a drop of its own.
    pub(crate) fn publish_when_dropped(&mut self, on: bool) {
        self.flushes = on;
    }

    /// Whether the peer's receiver has gone to sleep, or has looked in vain for some time, since [`remember`](Self::remember). Costs a load and a compare while
    /// it has not. Not to be called in a forked child, as the next two.
    #[inline(always)]
    pub(crate) fn peer_has_waited(&self) -> bool {
        self.rest.peer_has_waited()
    }

    /// What the peer's receiver has said until now is taken note of.
    pub(crate) fn remember(&mut self) {
        self.rest.remember();
    }

    /// Bytes that the peer has not said to have read, of those that are visible to it.
    pub(crate) fn unreleased(&self) -> u64 {
        self.lane.unreleased()
    }

    /// Whether frames are accepted that are not visible yet.
    #[inline(always)]
    pub(crate) fn has_open_group(&self) -> bool {
        self.lane.has_open_group()
    }
}

#[cfg(test)]
mod tests {
    use crate::connection::rest::pair::pair;
    use crate::connection::{Arm, Config};

    /// Once, and not for ever: a batcher would keep nothing back any more.
    #[test]
    fn a_wait_that_is_remembered_is_no_news() {
        let (mut server, mut client) = pair("remembers", &Config::new());
        let (sender, receiver) = (server.sender(), client.receiver());
        sender.remember();
        assert!(!sender.peer_has_waited());
        for _ in 0..2 {
            assert_eq!(receiver.arm(), Ok(Arm::Armed));
            assert!(sender.peer_has_waited());
            sender.remember();
            assert!(!sender.peer_has_waited());
        }
    }
}
