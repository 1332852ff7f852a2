//! The client: sends numbered frames for as long as it is told to, and resumes whenever its server is gone.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use ringway::{Config, Connection, ErrorKind, RecvError, SendError};

use super::process::Random;
use super::server::{message, payload};

/// What a client has done.
pub(crate) struct Client {
    /// Frames that were committed, by lane.
    pub(crate) sent: Vec<u64>,
    answered: HashSet<(u64, u64)>,
    pub(crate) resumed: u32,
    pub(crate) unseen: u64,
    pub(crate) in_doubt: u64,
    random: Random,
    /// Its server takes messages.
    typed: bool,
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// Connects to a listener that another process is about to start.
pub(crate) fn connect(config: &Config, path: &Path) -> Connection {
    loop {
        match config.connect(path) {
            Ok(connection) => return connection,
            // One that is killed in the handshake has got nothing yet.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::NotFound | ErrorKind::PeerGone | ErrorKind::TimedOut
                ) =>
            {
                std::thread::sleep(Duration::from_micros(100));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

impl Client {
    pub(crate) fn new(lanes: usize, seed: u64, typed: bool) -> Self {
        Self {
            sent: vec![0; lanes],
            answered: HashSet::new(),
            resumed: 0,
            unseen: 0,
            in_doubt: 0,
            random: Random::new(seed),
            typed,
        }
    }

    /// Sends until `enough`, which is told how often it has resumed, through as many servers as it takes, and then waits for the last answer.
    pub(crate) fn run(&mut self, config: &Config, path: &Path, enough: impl Fn(u32) -> bool) {
        let mut connection = connect(config, path);
        loop {
            if self.drive(&mut connection, &enough) {
                return;
            }
            // What it had answered is there.
            loop {
                match connection.receiver().recv_deadline(soon()) {
                    Ok(frame) => self.note(&frame.to_vec()),
                    Err(RecvError::PeerDied) => break,
                    Err(error) => panic!("{error}"),
                }
            }
            let resumed = config
                .resume(path, connection, soon())
                .unwrap_or_else(|error| panic!("{error}"));
            self.resumed += 1;
            self.unseen += resumed.unseen();
            self.in_doubt += resumed.in_doubt();
            for lane in &resumed.redelivered {
                assert_eq!(lane.broken, None);
                assert!(lane.from <= lane.taken && lane.taken <= lane.to);
            }
            connection = resumed.connection;
        }
    }

    /// One connection, until its end (`false`) or that of the work.
    fn drive(&mut self, connection: &mut Connection, enough: &impl Fn(u32) -> bool) -> bool {
        loop {
            if enough(self.resumed) {
                return self.finish(connection);
            }
            for _ in 0..self.random.below(40) {
                match self.send_one(connection) {
                    Ok(()) => {}
                    Err(SendError::Full) => break,
                    Err(SendError::PeerDied) => return false,
                    Err(error) => panic!("{error}"),
                }
            }
            let pause = Instant::now() + Duration::from_micros(self.random.below(300));
            loop {
                match connection.receiver().recv_deadline(pause) {
                    Ok(frame) => self.note(&frame.to_vec()),
                    Err(RecvError::TimedOut) => break,
                    Err(RecvError::PeerDied) => return false,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    /// In all the ways there are.
    fn send_one(&mut self, connection: &mut Connection) -> Result<(), SendError> {
        let lane = self.random.below(self.sent.len() as u64) as usize;
        let number = self.sent[lane];
        if self.typed {
            connection.sender().try_send(&message(number))?;
            self.sent[lane] += 1;
            return Ok(());
        }
        let payload = payload(lane, number);
        let kind = (number % 7) as u16;
        let mut sender = connection.sender().at(lane)?;
        if number % 5 == 4 {
            let expires = Instant::now() + Duration::from_secs(3600);
            sender.try_send_kind_expiring(kind, &payload, expires)?;
        } else if number % 11 == 3 {
            let deadline = Instant::now();
            let mut reservation = match sender.reserve_deadline(payload.len(), deadline) {
                Err(SendError::TimedOut) => return Err(SendError::Full),
                other => other?.kind(kind),
            };
            reservation.copy_from_slice(&payload);
            reservation.commit();
        } else {
            sender.try_send_kind(kind, &payload)?;
        }
        self.sent[lane] += 1;
        Ok(())
    }

    fn note(&mut self, reply: &[u8]) {
        let word = |at: usize| u64::from_ne_bytes(reply[at..at + 8].try_into().unwrap());
        let frame = if self.typed {
            (0, word(0))
        } else {
            (word(0), word(8))
        };
        self.answered.insert(frame);
    }

    fn has_all(&self) -> bool {
        self.answered.len() as u64 == self.sent.iter().sum::<u64>()
    }

    /// Waits for what is still to be answered. Where the server ends, not all of it is.
    fn finish(&mut self, connection: &mut Connection) -> bool {
        while !self.has_all() {
            match connection.receiver().recv_deadline(soon()) {
                Ok(frame) => self.note(&frame.to_vec()),
                Err(RecvError::PeerDied) => return false,
                Err(error) => panic!("{error}"),
            }
        }
        true
    }
}
