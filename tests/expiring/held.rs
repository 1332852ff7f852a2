//! Frames that expire behind one that is held open: who waits for the next one, and receives it when it is there, as a program in C does in one call, is given it.

use std::time::{Duration, Instant};

use ringway::{Config, Receiver, RecvError, Sender};

use crate::halves;
use crate::pair::soon;

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
