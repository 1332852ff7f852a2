//! The sender is told when the queue is too long.

use std::time::{Duration, Instant};

use ringway::{Config, SendError};

use crate::{halves, hour, in_time};

#[test]
fn what_has_expired_is_not_sent_and_an_empty_queue_refuses_nothing() {
    let (mut sender, mut receiver, _) = halves("late", &Config::new());
    let now = Instant::now();
    assert_eq!(sender.send_expiring(b"late", now), Err(SendError::Expired));
    assert_eq!(
        sender.try_send_expiring(b"late", now),
        Err(SendError::Expired)
    );
    assert_eq!(
        sender.reserve_expiring(4, now).map(drop),
        Err(SendError::Expired)
    );
    assert_eq!(
        sender.group().send_expiring(b"late", now),
        Err(SendError::Expired)
    );
    assert_eq!(sender.queue_time(), Some(Duration::ZERO));
    sender.send_expiring(b"in time", hour()).unwrap();
    assert_eq!(receiver.recv().unwrap().to_vec(), b"in time");
    let most = sender.max_payload() - 8;
    assert_eq!(
        sender.send_expiring(&vec![0; most + 1], hour()),
        Err(SendError::TooLarge {
            len: most + 1,
            max: most
        })
    );
    sender.send_expiring(&vec![0; most], hour()).unwrap();
}

/// A reader that stands still: what is behind a queue is refused, as soon as that has lasted. When it has read on, it is not, and the refused sender has
/// learned it by being refused.
#[test]
fn a_sender_is_refused_while_the_queue_is_too_long_and_no_longer() {
    let config = Config::new().capacity(1 << 16).peer_capacity(1 << 16);
    let (mut sender, mut receiver, _) = halves("too-long", &config);
    receiver.drop_expired(false).unwrap();
    let mut sent = 0;
    while sender.try_send_expiring(&[0; 1000], hour()).is_ok() {
        sent += 1;
    }
    let full = sender.try_send_expiring(&[0; 1000], hour());
    assert_eq!(full, Err(SendError::Full), "the hour is long enough");
    std::thread::sleep(Duration::from_millis(60));
    // Nothing was read for 60 ms: a whole ring takes a multiple of it.
    let time = sender.queue_time().unwrap();
    assert!(time >= Duration::from_millis(300), "{time:?}");
    let mut short = || in_time(|expires| sender.try_send_expiring(&[0; 1000], expires));
    assert_eq!(short(), Err(SendError::QueueTooLong));
    // It reads on, a frame at a time. By the end at the latest the sender is let in, and it has tried nothing but being refused.
    let mut refused = 1;
    let mut read = 0;
    while short() == Err(SendError::QueueTooLong) {
        refused += 1;
        assert!(
            read < sent,
            "everything was read, and yet the queue is too long"
        );
        drop(receiver.recv().unwrap());
        read += 1;
    }
    println!(
        "refused {refused} times, let in behind {} frames",
        sent - read
    );
    while receiver.try_recv().is_ok() {}
    assert_eq!(sender.queue_time(), Some(Duration::ZERO));
    let expires = Instant::now() + Duration::from_secs(10);
    sender.send_expiring(&[0; 1000], expires).unwrap();
}

/// Who waits for room waits until the frame expires, and no longer.
#[test]
fn a_wait_for_room_ends_when_the_frame_expires() {
    let config = Config::new().capacity(4096).peer_capacity(4096);
    let (mut sender, _receiver, _) = halves("room", &config);
    while sender.try_send(&[0; 100]).is_ok() {}
    let expires = Instant::now() + Duration::from_millis(30);
    let outcome = sender.send_expiring(&[0; 100], expires);
    assert!(
        matches!(outcome, Err(SendError::Expired | SendError::QueueTooLong)),
        "{outcome:?}"
    );
    if outcome == Err(SendError::Expired) {
        assert!(Instant::now() >= expires);
    }
}
