//! Many clients that do nothing: a server with a poller, and one process that holds their other ends in a poller of its own.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ringway::{Config, Connection, Event, Poller, Token};

use super::super::kit::Side;
use super::super::meter::Sample;
use super::super::work::{Pass, Work};
use super::super::{Failure, fail};
use super::{PATIENCE, dial, listen, wait_for};

/// What a process has once, and what grows in steps, is there behind the first ones.
pub(crate) const FIRST: u32 = 50;
/// All of them.
pub(crate) const ALL: u32 = 1000;

/// One side of all connections.
#[derive(Debug)]
pub(crate) struct Idlers {
    config: Config,
    address: PathBuf,
    side: Side,
    poller: Poller,
}

impl Idlers {
    /// Makes the first connections; [`Work::tune`] makes more, up to so many.
    pub(crate) fn new(address: &Path, side: Side) -> Result<Self, Failure> {
        let config = Config::new()
            .capacity(4096)
            .peer_capacity(4096)
            .few_descriptors(true)
            .raise_descriptor_limit(true)
            .handshake_timeout(PATIENCE);
        let mut poller = Poller::new()?;
        if side == Side::Follow {
            poller.listen(listen(&config, address)?, |connection| connection)?;
        } else {
            wait_for(address);
        }
        let mut new = Self {
            config,
            address: address.to_owned(),
            side,
            poller,
        };
        new.grow(FIRST as usize)?;
        Ok(new)
    }

    fn grow(&mut self, count: usize) -> Result<(), Failure> {
        let deadline = Instant::now() + PATIENCE;
        while self.poller.len() < count {
            if self.side == Side::Lead {
                let connection = dial(&self.config, &self.address)?;
                self.poller.add(connection)?;
                continue;
            }
            match self.poller.event_deadline(deadline)? {
                Some(Event::Connected(_)) => {}
                Some(other) => return Err(format!("while they connect: {other:?}").into()),
                None => return Err("not all clients came in time".into()),
            }
        }
        Ok(())
    }

    /// The next connection that has a frame, and what is in it.
    fn next(&mut self) -> (Token, [u8; 8]) {
        let mut words = [0; 8];
        match self.poller.event_deadline(Instant::now() + PATIENCE) {
            Ok(Some(Event::Ready(mut turn))) => match turn.receiver().recv_into(&mut words) {
                Ok(8) => (turn.token(), words),
                other => fail(&format!("a frame: {other:?}")),
            },
            other => fail(&format!("no frame: {other:?}")),
        }
    }

    fn send(&mut self, to: Token, words: [u8; 8]) {
        let connection: Option<&mut Connection> = self.poller.get_mut(to);
        match connection.map(|connection| connection.sender().send(&words)) {
            Some(Ok(())) => {}
            Some(Err(error)) => fail(&error),
            None => fail(&"nobody to send to"),
        }
    }
}

impl Work for Idlers {
    /// Asks once on each connection, whatever the count.
    fn lead(&mut self, _: u64, _: Pass) -> Sample {
        let tokens: Vec<Token> = self.poller.tokens().collect();
        for (number, token) in tokens.into_iter().enumerate() {
            let asked = (number as u64).to_ne_bytes();
            self.send(token, asked);
            if self.next() != (token, asked.map(|byte| !byte)) {
                fail(&"a reply is not what was sent");
            }
        }
        Sample::default()
    }

    fn follow(&mut self, _: u64, _: Pass) -> Sample {
        for _ in 0..self.poller.len() {
            let (token, asked) = self.next();
            self.send(token, asked.map(|byte| !byte));
        }
        Sample::default()
    }

    fn tune(&mut self, count: u32) {
        if let Err(error) = self.grow(count as usize) {
            fail(&error);
        }
    }

    fn idle(&mut self, time: Duration) {
        match self.poller.event_deadline(Instant::now() + time) {
            Ok(None) => {}
            other => fail(&format!("something that nobody did: {other:?}")),
        }
    }
}
