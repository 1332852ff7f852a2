//! A connection whose frames go through a batcher.

use std::path::Path;

use ringway::batch::{Batcher, Bounds};
use ringway::{Config, Receiver};

use super::super::kit::Side;
use super::super::work::Link;
use super::super::{Failure, fail};
use super::{meet, receive};

/// One end of a connection, with a batcher of the default bounds. In a stream its caller flushes when it has no more.
#[derive(Debug)]
pub(crate) struct Batched {
    batcher: Batcher,
    receiver: Receiver,
}

impl Batched {
    pub(crate) fn new(config: &Config, address: &Path, side: Side) -> Result<Self, Failure> {
        let (sender, receiver) = meet(config, address, side)?.split();
        let batcher = Batcher::new(sender, Bounds::new());
        Ok(Self { batcher, receiver })
    }
}

impl Link for Batched {
    #[inline(always)]
    fn send(&mut self, payload: &[u8]) {
        if let Err(error) = self.batcher.send(payload) {
            fail(&error);
        }
    }

    #[inline(always)]
    fn recv(&mut self, payload: &mut [u8]) {
        receive(&mut self.receiver, payload);
    }

    fn publish(&mut self) {
        self.batcher.flush();
    }
}
