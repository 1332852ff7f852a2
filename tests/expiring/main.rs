//! Frames that expire: dropped before they are seen, by every way of receiving, and refused where the queue is too long.

mod drop;
#[path = "../pair/mod.rs"]
mod pair;
#[path = "../crash/process.rs"]
mod process;
mod queue;
mod space;
mod stopped;

use std::time::{Duration, Instant};

use ringway::{Config, Connection, Receiver, Sender};

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
    stale(|expires| sender.send_expiring(payload, expires));
}

/// Sends by `send`, until that has done it in time, and waits until it has expired.
fn stale(mut send: impl FnMut(Instant) -> Result<(), ringway::SendError>) {
    loop {
        let expires = Instant::now() + Duration::from_millis(2);
        match send(expires) {
            Ok(()) => {
                while Instant::now() <= expires {
                    std::thread::sleep(Duration::from_micros(100));
                }
                return;
            }
            Err(ringway::SendError::Expired | ringway::SendError::QueueTooLong) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn hour() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}
