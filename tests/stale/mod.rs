//! Frames that have expired, sent by a thread that may be stalled at any time.

use std::thread;
use std::time::{Duration, Instant};

use ringway::SendError;

/// Sends `count` frames by `send`, which is given when the next one is to expire, and waits until all have expired. Returns when the last of them did.
///
/// Who was stalled before it sent is told that the frame has expired. Who was stalled with a queue before it is told that the peer is too slow, for as long as the peer reads nothing of that
/// queue: the next frame is good for longer.
pub(crate) fn sent(
    count: usize,
    mut send: impl FnMut(Instant) -> Result<(), SendError>,
) -> Instant {
    let mut life = Duration::from_millis(1);
    let mut expires = Instant::now();
    for _ in 0..count {
        loop {
            expires = Instant::now() + life;
            match send(expires) {
                Ok(()) => break,
                Err(SendError::Expired | SendError::QueueTooLong) => life *= 2,
                Err(error) => panic!("{error}"),
            }
        }
    }
    while Instant::now() <= expires {
        thread::sleep(Duration::from_micros(100));
    }
    expires
}
