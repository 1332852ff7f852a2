//! Park and wake by hand: ppoll and read one's own eventfd, write the peer's. The eight bytes of its counter are the
//! message. The descriptors do not block, as a bell's must not.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, ppoll};

use super::super::fail;
use super::super::kit::{Kit, Side};
use super::super::work::Link;

/// One end.
#[derive(Debug)]
pub(crate) struct Bell {
    own: OwnedFd,
    peer: OwnedFd,
}

/// Combined with each message: a counter can hold neither zero nor the largest value, and the patterns make both.
const MASK: u64 = 0x5ca1_ab1e_0ddb_a115;

impl Bell {
    pub(crate) fn new(kit: &Kit, side: Side) -> io::Result<Self> {
        let bell = |side: Side| kit.bells[side.index()].try_clone();
        Ok(Self {
            own: bell(side)?,
            peer: bell(side.peer())?,
        })
    }
}

/// Rings `bell` with a message.
#[inline(always)]
pub(super) fn ring(bell: &OwnedFd, payload: &[u8]) {
    let mut value = [0; 8];
    value.copy_from_slice(&payload[..8]);
    let value = u64::from_ne_bytes(value) ^ MASK;
    if let Err(error) = nix::unistd::write(bell, &value.to_ne_bytes()) {
        fail(&error);
    }
}

/// Takes the message of a bell that was rung.
#[inline(always)]
pub(super) fn take(bell: &OwnedFd, payload: &mut [u8]) {
    let mut value = [0; 8];
    if let Err(error) = nix::unistd::read(bell, &mut value) {
        fail(&error);
    }
    payload[..8].copy_from_slice(&(u64::from_ne_bytes(value) ^ MASK).to_ne_bytes());
}

/// Sleeps until `bell` is rung.
#[inline(always)]
pub(super) fn wait(bell: &OwnedFd) {
    let mut ready = [PollFd::new(bell.as_fd(), PollFlags::POLLIN)];
    if let Err(error) = ppoll(&mut ready, None, None) {
        fail(&error);
    }
}

impl Link for Bell {
    #[inline(always)]
    fn send(&mut self, payload: &[u8]) {
        ring(&self.peer, payload);
    }

    #[inline(always)]
    fn recv(&mut self, payload: &mut [u8]) {
        wait(&self.own);
        take(&self.own, payload);
    }

    fn ack(&mut self) {}

    fn await_ack(&mut self) {}
}
