//! A feed that sends through a batcher, in a loop that owns the flushing; a pair of threads for brevity.
//!
//! `cargo run --release --example batching`

use std::error::Error;
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringway::batch::{Batcher, Bounds};
use ringway::{Arm, Listener, RecvError};

const BURSTS: u64 = 200;
const BURST: u64 = 500;

fn main() -> Result<(), Box<dyn Error>> {
    let name = format!("batching-{}", std::process::id());
    // Bound before the other thread starts, so that it finds the name.
    let mut listener = Listener::bind(name.as_str())?;
    let feed = thread::spawn(move || feed(&name).map_err(|error| error.to_string()));

    let mut receiver = listener.accept()?.split().1;
    let (mut expected, mut batches) = (0, 0);
    let end = loop {
        // As many as are there, released at once.
        let mut frames = match receiver.recv_batch(256) {
            Ok(frames) => frames,
            Err(error) => break error,
        };
        batches += 1;
        while let Some(frame) = frames.next_frame() {
            let mut number = [0; 8];
            frame.copy_to(&mut number);
            assert_eq!(u64::from_le_bytes(number), expected, "in order");
            expected += 1;
        }
    };
    assert_eq!(end, RecvError::Closed);
    feed.join().map_err(|_| "the feed panicked")??;
    println!("{expected} frames in {batches} batches");
    assert_eq!(expected, BURSTS * BURST);
    Ok(())
}

fn feed(name: &str) -> Result<(), Box<dyn Error>> {
    let (sender, mut requests) = ringway::connect(name)?.split();
    let mut batcher = Batcher::new(sender, Bounds::new().budget(Duration::from_micros(200)));
    let mut number = 0u64;
    for _ in 0..BURSTS {
        for _ in 0..BURST {
            // Accepted; published now or with others.
            batcher.send(&number.to_le_bytes())?;
            number += 1;
        }
        // This loop waits for something else now, here for what the other side might ask, a millisecond at most. It owns what the batcher keeps back,
        // and waits no longer than until that is due.
        let next = Instant::now() + Duration::from_millis(1);
        loop {
            batcher.flush_due(Instant::now());
            let until = batcher.deadline().map_or(next, |due| due.min(next));
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() && batcher.deadline().is_none() {
                break;
            }
            // `poll` counts in milliseconds; rounded down, it looks once more rather than too late.
            let timeout = PollTimeout::try_from(left)?;
            if requests.arm()? == Arm::Armed {
                poll(
                    &mut [PollFd::new(requests.as_fd(), PollFlags::POLLIN)],
                    timeout,
                )?;
            }
        }
    }
    // The drop publishes the last ones, and says goodbye.
    Ok(())
}
