//! Frames that expire among those that are held: what is dropped gives its room back, and who waits for the next one while one is open, and receives it when it is there, as a program in C does in one call, is given it.

use std::time::{Duration, Instant};

use ringway::{Arm, Config, Receiver, RecvError, Sender};

use crate::pair::soon;
use crate::{halves, hour, send_stale};

const RECEIVE: [fn(&mut Receiver) -> Vec<u8>; 2] = [
    |receiver| receiver.try_recv().unwrap().to_vec(),
    |receiver| receiver.recv_deadline(soon()).unwrap().to_vec(),
];

/// Holds a frame open until one is found behind it, and returns when that expires. Where it was not alive any more, it is sent anew, with more time.
fn waited_for(sender: &mut Sender, receiver: &mut Receiver) -> Instant {
    let mut open = receiver.recv_deadline(soon()).unwrap();
    let mut lifetime = Duration::from_millis(20);
    loop {
        let expires = Instant::now() + lifetime;
        lifetime *= 2;
        if sender.send_expiring(b"soon stale", expires).is_err() {
            continue;
        }
        match open.wait_for_next(Some(Instant::now())) {
            Ok(()) => return expires,
            Err((why, frame)) => {
                assert_eq!(why, RecvError::TimedOut);
                assert_eq!(frame.to_vec(), b"held", "it stays open");
                open = frame;
            }
        }
    }
}

#[test]
fn what_was_waited_for_behind_a_held_frame_is_received_though_it_has_expired_since() {
    for (lanes, priority) in [(1, 0), (2, 0), (2, 1)] {
        for receive in RECEIVE {
            let name = format!("held{lanes}{priority}");
            let (mut sender, mut receiver, _) = halves(&name, &Config::new().lanes(lanes));
            receiver.hold(true);
            sender.send(b"held").unwrap();
            let expires = waited_for(&mut sender.at(priority).unwrap(), &mut receiver);
            while Instant::now() <= expires {
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(receive(&mut receiver), b"soon stale");
        }
    }
}

/// While frames are held what was dropped is released with those before it; where none are, at once.
#[test]
fn held_frames_and_dropped_ones() {
    let config = Config::new().capacity(4096).peer_capacity(4096);
    let (mut sender, mut receiver, _) = halves("held", &config);
    receiver.hold(true);
    for _ in 0..50 {
        // Nothing is held, and yet nobody waits for ever.
        send_stale(&mut sender, &[1; 400]);
        assert_eq!(receiver.try_recv().map(drop), Err(RecvError::Empty));
    }
    assert_eq!(receiver.expired(), 50);
    sender.send(b"held").unwrap();
    assert_eq!(receiver.recv().unwrap().to_vec(), b"held");
    send_stale(&mut sender, b"stale");
    sender.send_expiring(b"also held", hour()).unwrap();
    for _ in 0..3 {
        // Looked at, and let go: nothing of it is released.
        assert_eq!(receiver.arm().unwrap(), Arm::Ready);
        assert_eq!(receiver.recv().unwrap().to_vec(), b"also held");
        assert!(receiver.rewind() > 0);
        assert_eq!(receiver.recv().unwrap().to_vec(), b"held");
    }
    assert_eq!(receiver.expired(), 51, "dropped again, and counted once");
    // Looked at, and then everything before it is released: a rewind finds it whole.
    assert_eq!(receiver.arm().unwrap(), Arm::Ready);
    receiver.release();
    assert_eq!(receiver.recv().unwrap().to_vec(), b"also held");
    receiver.rewind();
    assert_eq!(receiver.recv().unwrap().to_vec(), b"also held");
}

/// What is dropped on the way to a frame that is then held is told to the sender all the same.
#[test]
fn room_that_is_dropped_before_a_held_frame_comes_back() {
    let config = Config::new().capacity(4096).peer_capacity(4096);
    let (mut sender, mut receiver, _) = halves("held-behind", &config);
    receiver.hold(true);
    send_stale(&mut sender, &[1; 1600]);
    sender.send(b"held").unwrap();
    assert_eq!(receiver.recv().unwrap().to_vec(), b"held");
    assert_eq!(sender.try_send(&[2; 3000]), Ok(()));
    assert_eq!(receiver.recv().unwrap().len(), 3000);
    // In a batch too.
    receiver.release();
    receiver.hold(false);
    receiver.hold(true);
    send_stale(&mut sender, &[1; 1600]);
    sender.send(b"held").unwrap();
    let mut frames = receiver.recv_batch(10).unwrap();
    assert_eq!(frames.next_frame().unwrap().to_vec(), b"held");
    assert!(frames.next_frame().is_none());
    drop(frames);
    assert_eq!(sender.try_send(&[2; 3000]), Ok(()));
}
