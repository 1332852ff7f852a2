//! A thousand connections of one client thread to a server with a poller.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use ringway::{Config, Connection, Event, Poller, Token};
use zerocopy::IntoBytes;

use super::super::kit::Side;
use super::super::meter::{Meter, Sample};
use super::super::pattern::{Broadcast, Pattern};
use super::super::work::{Link, Pass, Work};
use super::super::{Failure, fail};
use super::{Duplex, PATIENCE, dial, listen, wait_for};

/// Connections of a crowd.
pub(crate) const CROWD: usize = 1000;
/// Rotations before anything is measured: in the first one every frame is rung for, and in those that follow each connection learns how long its waits last.
const WARM: u64 = 50;
/// Frames that wait in each ring.
pub(crate) const QUEUED: u64 = 64;
/// Bytes of each of them.
const SIZE: usize = 64;
/// Between two visits.
const PAUSE: Duration = Duration::from_millis(10);
/// Between two visits of the rotation before it: longer than anybody spins.
const SHORT_PAUSE: Duration = Duration::from_micros(300);
/// As many are timed, however many are asked for: they take that long.
const VISITS: u64 = 8;

/// One end of all connections. The client takes them one after the other.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one in a process")]
pub(crate) enum Crowd {
    Client {
        connections: Vec<Connection>,
        at: usize,
    },
    Server {
        poller: Poller,
        /// Whose message was received last.
        from: Option<Token>,
    },
}

impl Crowd {
    pub(crate) fn new(config: &Config, address: &Path, side: Side) -> Result<Self, Failure> {
        let config = config.clone().raise_descriptor_limit(true);
        let config = config.handshake_timeout(PATIENCE);
        if side == Side::Lead {
            wait_for(address);
            let connections: Result<Vec<_>, _> =
                (0..CROWD).map(|_| dial(&config, address)).collect();
            let mut client = Self::Client {
                connections: connections?,
                at: 0,
            };
            for turn in 0..WARM * CROWD as u64 {
                client.send(turn.as_bytes());
                client.recv(&mut [0; 8]);
            }
            return Ok(client);
        }
        let mut poller = Poller::new()?;
        poller.listen(listen(&config, address)?, |connection| connection)?;
        let deadline = Instant::now() + PATIENCE;
        while poller.len() < CROWD {
            match poller.event_deadline(deadline)? {
                Some(Event::Connected(_)) => {}
                Some(other) => return Err(format!("while they connect: {other:?}").into()),
                None => return Err("not all clients came in time".into()),
            }
        }
        let mut server = Self::Server { poller, from: None };
        for _ in 0..WARM * CROWD as u64 {
            let mut message = [0; 8];
            server.recv(&mut message);
            server.send(&message);
        }
        Ok(server)
    }

    /// Once around with both sides asleep: a connection that has slept, been rung and rung has what it needs for that, as the pairs by hand have theirs from the start.
    pub(crate) fn having_slept(mut self, side: Side) -> Self {
        let mut message = [0; 8];
        for turn in 0..CROWD as u64 {
            if side == Side::Lead {
                std::thread::sleep(SHORT_PAUSE);
                self.send(turn.as_bytes());
                self.recv(&mut message);
            } else {
                self.recv(&mut message);
                self.send(&message);
            }
        }
        self
    }
}

impl Link for Crowd {
    #[inline(always)]
    fn send(&mut self, payload: &[u8]) {
        let sent = match self {
            Self::Client { connections, at } => {
                let sent = connections[*at].sender().send(payload);
                // As one does who knows which comes next.
                connections[(*at + 1) % CROWD].prefetch();
                Some(sent)
            }
            Self::Server { poller, from } => from
                .and_then(|from| poller.get_mut(from))
                .map(|connection| connection.sender().send(payload)),
        };
        match sent {
            Some(Ok(())) => {}
            Some(Err(error)) => fail(&error),
            None => fail(&"nobody to send to"),
        }
    }

    #[inline(always)]
    fn recv(&mut self, payload: &mut [u8]) {
        let received = match self {
            Self::Client { connections, at } => {
                let received = connections[*at].receiver().recv_into(payload);
                *at = (*at + 1) % CROWD;
                received
            }
            Self::Server { poller, from } => match poller.event() {
                Ok(Some(Event::Ready(mut turn))) => {
                    *from = Some(turn.token());
                    turn.receiver().recv_into(payload)
                }
                other => fail(&format!("no frame: {other:?}")),
            },
        };
        match received {
            Ok(length) if length == payload.len() => {}
            Ok(length) => fail(&format!("a frame of {length} bytes")),
            Err(error) => fail(&error),
        }
    }

    fn ack(&mut self) {}

    fn await_ack(&mut self) {}
}

/// Round trips with a pause before each, in which both sides fall asleep. Only the round trips are timed.
#[derive(Debug)]
pub(crate) struct Visits<L>(pub(crate) L);

impl<L: Link> Work for Visits<L> {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn lead(&mut self, count: u64, _: Pass) -> Sample {
        let visits = count.min(VISITS);
        let (mut spent, mut message) = (Duration::ZERO, [0; 8]);
        let meter = Meter::start();
        for turn in 0..visits {
            std::thread::sleep(PAUSE);
            let started = Instant::now();
            self.0.send(turn.as_bytes());
            self.0.recv(&mut message);
            spent += started.elapsed();
            if u64::from_ne_bytes(message) != !turn {
                fail(&"a reply is not what was sent");
            }
        }
        Sample {
            nanos: spent.as_secs_f64() * 1e9 * count as f64 / visits as f64,
            ..meter.stop()
        }
    }

    fn follow(&mut self, count: u64, _: Pass) -> Sample {
        let meter = Meter::start();
        let mut message = [0; 8];
        for turn in 0..count.min(VISITS) {
            self.0.recv(&mut message);
            if u64::from_ne_bytes(message) != turn {
                fail(&"a message is not what was sent");
            }
            self.0.send((!turn).as_bytes());
        }
        meter.stop()
    }

    fn tune(&mut self, choice: u32) {
        self.0.tune(choice);
    }

    fn idle(&mut self, time: Duration) {
        self.0.idle(time);
    }
}

/// Frames that were queued in every ring before anybody reads, and then are read. What queues them is not timed.
#[derive(Debug)]
pub(crate) struct Backlog {
    crowd: Crowd,
    /// Says when to begin, and when all was read.
    control: Duplex,
    turn: u64,
}

impl Backlog {
    pub(crate) fn new(address: &Path, side: Side) -> Result<Self, Failure> {
        let config = Config::new().capacity(8192).peer_capacity(4096);
        Ok(Self {
            crowd: Crowd::new(&config, address, side)?,
            control: Duplex::new(&Config::new(), &address.with_extension("control"), side)?,
            turn: 0,
        })
    }
}

impl Lap for Backlog {
    fn queue(&mut self) -> Duration {
        let Crowd::Client { connections, .. } = &mut self.crowd else {
            fail(&"only the client queues");
        };
        let mut words = [0; SIZE / 8];
        for connection in &mut *connections {
            for number in 0..QUEUED {
                Broadcast.fill(&mut words, self.turn + number);
                if let Err(error) = connection.sender().try_send(words.as_bytes()) {
                    fail(&error);
                }
            }
        }
        self.turn += QUEUED;
        let started = Instant::now();
        self.control.send(b"begin...");
        self.control.await_ack();
        started.elapsed()
    }

    fn drain(&mut self) {
        self.control.recv(&mut [0; 8]);
        let Crowd::Server { poller, .. } = &mut self.crowd else {
            fail(&"only the server drains");
        };
        let mut left = QUEUED * CROWD as u64;
        let mut words = [0u64; SIZE / 8];
        let end = self.turn + QUEUED;
        while left > 0 {
            match poller.event() {
                Ok(Some(Event::Ready(mut turn))) => {
                    let mut expected = None;
                    while turn.more() {
                        match turn.receiver().recv_into(words.as_mut_bytes()) {
                            Ok(SIZE) => {}
                            other => fail(&format!("a frame: {other:?}")),
                        }
                        black_box(&mut words);
                        let number = expected.unwrap_or(words[0]);
                        if number >= end || !Broadcast.matches(&words, number) {
                            fail(&"a message is not what was sent");
                        }
                        expected = Some(number + 1);
                        left -= 1;
                    }
                }
                other => fail(&format!("no frame: {other:?}")),
            }
        }
        self.turn = end;
        self.control.ack();
    }
}

/// Laps for so many frames.
fn laps_for(count: u64) -> u64 {
    count.div_ceil(QUEUED * CROWD as u64).min(16)
}

/// Laps in each of which so much is queued on all lanes, and then is read. What queues it is not timed.
#[derive(Debug)]
pub(crate) struct Laps<L>(pub(crate) L);

/// The two sides of a lap.
pub(crate) trait Lap {
    /// The client's part: queues on every lane, says so, and waits until all was read. Returns how long that took.
    fn queue(&mut self) -> Duration;

    /// The server's part: waits for the word, and reads everything.
    fn drain(&mut self);
}

impl<L: Lap> Work for Laps<L> {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn lead(&mut self, count: u64, _: Pass) -> Sample {
        let laps = laps_for(count);
        let meter = Meter::start();
        let spent: Duration = (0..laps).map(|_| self.0.queue()).sum();
        let frames = laps * QUEUED * CROWD as u64;
        Sample {
            nanos: spent.as_secs_f64() * 1e9 * count as f64 / frames as f64,
            ..meter.stop()
        }
    }

    fn follow(&mut self, count: u64, _: Pass) -> Sample {
        let meter = Meter::start();
        for _ in 0..laps_for(count) {
            self.0.drain();
        }
        meter.stop()
    }

    fn tune(&mut self, _: u32) {}

    fn idle(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}
