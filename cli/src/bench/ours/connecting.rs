//! From nothing to the first frame: connect, handshake, and a frame from the server that is accepted and read.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ringway::{Config, Listener};

use super::super::kit::Side;
use super::super::meter::{Meter, Percentiles, Sample};
use super::super::work::{Pass, Work};
use super::super::{Failure, fail};
use super::{PATIENCE, dial, listen, wait_for};

/// One side of a series of short connections.
#[derive(Debug)]
pub(crate) struct Connecting {
    config: Config,
    address: PathBuf,
    /// The follower's.
    listener: Option<Listener>,
}

/// What the server says first.
const GREETING: &[u8; 8] = b"greeting";

/// Connections that the server keeps: closing them is the client's part, and not what is measured.
const KEPT: usize = 8;

impl Connecting {
    pub(crate) fn new(config: Config, address: &Path, side: Side) -> Result<Self, Failure> {
        let listener = match side {
            Side::Follow => Some(listen(&config, address)?),
            Side::Lead => {
                wait_for(address);
                None
            }
        };
        Ok(Self {
            config,
            address: address.to_owned(),
            listener,
        })
    }

    fn connect(&self) -> Result<(), Failure> {
        let mut connection = dial(&self.config, &self.address)?;
        let mut greeting = [0; 8];
        connection.receiver().recv_into(&mut greeting)?;
        if greeting == *GREETING {
            Ok(())
        } else {
            Err("the first frame is not what was sent".into())
        }
    }

    fn accept(&mut self, count: u64) -> Result<(), Failure> {
        let listener = self.listener.as_mut().ok_or("only the follower listens")?;
        let mut kept = std::collections::VecDeque::new();
        for _ in 0..count {
            let mut connection = listener.accept_deadline(Instant::now() + PATIENCE)?;
            connection.sender().send(GREETING)?;
            kept.push_back(connection);
            if kept.len() > KEPT {
                kept.pop_front();
            }
        }
        // The client reads before it closes; the last ones must not be closed under its eyes.
        std::thread::sleep(Duration::from_millis(20));
        Ok(())
    }
}

impl Work for Connecting {
    fn lead(&mut self, count: u64, _: Pass) -> Sample {
        let mut each = Vec::new();
        let meter = Meter::start();
        for _ in 0..count {
            let started = Instant::now();
            if let Err(error) = self.connect() {
                fail(&error);
            }
            each.push(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX));
        }
        let sample = meter.stop();
        Sample {
            percentiles: Percentiles::of(&mut each),
            ..sample
        }
    }

    fn follow(&mut self, count: u64, _: Pass) -> Sample {
        let meter = Meter::start();
        if let Err(error) = self.accept(count) {
            fail(&error);
        }
        meter.stop()
    }

    fn tune(&mut self, _: u32) {}

    fn idle(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}
