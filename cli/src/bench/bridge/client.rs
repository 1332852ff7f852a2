//! The TCP client of one service.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use zerocopy::IntoBytes;

use super::super::Failure;
use super::super::meter::{Percentiles, processor_time};
use super::super::pattern::{Broadcast, Pattern};
use super::Work;
use super::report::Part;
use super::service::Order;
use super::way::Way;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client with all that its messages go through.
#[derive(Debug)]
pub(super) struct Client {
    socket: TcpStream,
    way: Way,
}

impl Client {
    pub(super) fn new(way: Way) -> Result<Self, Failure> {
        let socket = TcpStream::connect(way.entrance)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { socket, way })
    }

    /// How many messages there are in a part that takes about `time`.
    pub(super) fn count_within(&mut self, time: Duration, work: Work) -> Result<u64, Failure> {
        let part = self.part(100, work)?;
        let part = self.part(part.count_within(time / 6).max(1), work)?;
        Ok(part.count_within(time).max(1))
    }

    /// Sends so many messages. Each is checked, there and here.
    pub(super) fn part(&mut self, count: u64, work: Work) -> Result<Part, Failure> {
        let mut words = vec![0_u64; work.size() / 8];
        let mut times = Vec::new();
        let cpu = |way: &Way| -> Result<_, Failure> { Ok(processor_time() + way.cpu()?) };
        let (before, began) = (cpu(&self.way)?, Instant::now());
        let socket = &mut self.socket;
        socket.write_all(Order { work, count }.to_words().as_bytes())?;
        for turn in 0..count {
            let sent = Instant::now();
            Broadcast.fill(&mut words, turn);
            socket.write_all(words.as_slice().as_bytes())?;
            if work == Work::RoundTrip {
                socket.read_exact(words.as_mut_slice().as_mut_bytes())?;
                times.push(u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX));
                if !Broadcast.matches(&words, !turn) {
                    return Err("a reply is not what was sent".into());
                }
            }
        }
        if work == Work::OneWay {
            let mut read = 0_u64;
            socket.read_exact(read.as_mut_bytes())?;
            if read != count {
                return Err("not all was read".into());
            }
        }
        let (wall, used) = (began.elapsed(), cpu(&self.way)?.saturating_sub(before));
        Ok(Part::new(count, wall, used, Percentiles::of(&mut times)))
    }
}
