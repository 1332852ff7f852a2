//! A connection that is used as a program would use it.

use std::path::Path;
use std::time::{Duration, Instant};

use ringway::{Attendant, Config, Receiver, RecvError, Sender};
use zerocopy::IntoBytes;

use super::super::kit::Side;
use super::super::work::Link;
use super::super::{Failure, fail};
use super::{meet, meet_attended, receive};

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Duplex {
    sender: Sender,
    receiver: Receiver,
    /// Of the side that listens, where others may read along.
    _attendant: Option<Attendant>,
}

impl Duplex {
    pub(crate) fn new(config: &Config, address: &Path, side: Side) -> Result<Self, Failure> {
        let (sender, receiver) = meet(config, address, side)?.split();
        Ok(Self {
            sender,
            receiver,
            _attendant: None,
        })
    }

    /// The same, which others may read along.
    pub(crate) fn shown(config: Config, address: &Path, side: Side) -> Result<Self, Failure> {
        let (connection, attendant) = meet_attended(&config.allow_tap(true), address, side)?;
        let (sender, receiver) = connection.split();
        Ok(Self {
            sender,
            receiver,
            _attendant: attendant,
        })
    }
}

impl Link for Duplex {
    #[inline(always)]
    fn send(&mut self, payload: &[u8]) {
        if let Err(error) = self.sender.send(payload) {
            fail(&error);
        }
    }

    #[inline(always)]
    fn recv(&mut self, payload: &mut [u8]) {
        receive(&mut self.receiver, payload);
    }

    #[inline(always)]
    fn send_group(&mut self, count: u64, words: &mut [u64], fill: impl Fn(&mut [u64], u64)) {
        let mut group = self.sender.group();
        for index in 0..count {
            fill(words, index);
            if let Err(error) = group.send(words.as_bytes()) {
                fail(&error);
            }
        }
    }

    fn idle(&mut self, time: Duration) {
        match self.receiver.recv_deadline(Instant::now() + time) {
            Err(RecvError::TimedOut) => {}
            Err(error) => fail(&error),
            Ok(_) => fail(&"a message that nobody sent"),
        }
    }
}
