//! Several lanes in each direction: order, the bound, sleep, room, and what every way of sending and receiving does with them.

mod around;
mod guards;
mod halves;
mod memory;
mod order;
#[path = "../pair/mod.rs"]
mod pair;
#[path = "../stale/mod.rs"]
mod stale;

use pair::{pair, patient, soon};
use ringway::{Config, Connection, Receiver, SendError, Sender};

fn with(lanes: usize) -> Config {
    patient(&Config::new())
        .lanes(lanes)
        .capacity(4096)
        .peer_capacity(4096)
}

fn both(name: &str, config: &Config) -> (Connection, Connection) {
    pair(name, config, config)
}

/// Sends until the ring of `priority` is full. Returns how many frames that took.
fn fill(sender: &mut Sender, priority: usize, payload: &[u8]) -> usize {
    let mut lane = sender.at(priority).unwrap();
    let full = |_: &usize| lane.try_send(payload) == Err(SendError::Full);
    (0..100_000).find(full).unwrap()
}

fn next(receiver: &mut Receiver) -> (usize, Vec<u8>) {
    let frame = receiver.recv_deadline(soon()).unwrap();
    (frame.priority(), frame.to_vec())
}
