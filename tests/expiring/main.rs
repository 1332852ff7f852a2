//! Frames that expire: dropped before they are seen, by every way of receiving, and refused where the queue is too long.

mod drop;
mod held;
#[path = "../pair/mod.rs"]
mod pair;
#[path = "../crash/process.rs"]
mod process;
mod queue;
mod space;
#[path = "../stale/mod.rs"]
mod stale;
mod stopped;

use std::time::{Duration, Instant};

use ringway::{Config, Connection, Receiver, SendError, Sender};

/// A pair whose receiver drops what has expired, in the directions that are used: from the first to the second.
fn halves(name: &str, config: &Config) -> (Sender, Receiver, Vec<Connection>) {
    let (server, client) = pair::pair(&format!("expiring-{name}"), config, config);
    let (sender, _) = server.split();
    let (_, mut receiver) = client.split();
    receiver.drop_expired(true).unwrap();
    (sender, receiver, Vec::new())
}

/// Sends a frame that has expired when this returns.
fn send_stale(sender: &mut Sender, payload: &[u8]) {
    stale::sent(1, |expires| sender.send_expiring(payload, expires));
}

/// What `send` answers for a frame that lives for 50 ms. Where the processor is taken away for as long as that, before it has looked at the queue, there is another frame.
fn in_time(send: impl FnMut(Instant) -> Result<(), SendError>) -> Result<(), SendError> {
    let lives = || Instant::now() + Duration::from_millis(50);
    let mut answers = std::iter::repeat_with(lives).take(100).map(send);
    answers
        .find(|answer| *answer != Err(SendError::Expired))
        .unwrap_or(Err(SendError::Expired))
}

fn hour() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}
