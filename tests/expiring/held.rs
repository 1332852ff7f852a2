//! Frames that expire behind one that is held open: who waits for the next one, and receives it when it is there, as a program in C does in one call, is given it.

use std::time::{Duration, Instant};

use ringway::{Config, RecvError};

use crate::halves;
use crate::pair::soon;

const RECEIVE: [fn(&mut ringway::Receiver) -> Vec<u8>; 2] = [
    |receiver| receiver.try_recv().unwrap().to_vec(),
    |receiver| receiver.recv_deadline(soon()).unwrap().to_vec(),
];

#[test]
fn what_was_waited_for_behind_a_held_frame_is_received_though_it_has_expired_since() {
    for (lanes, priority) in [(1, 0), (2, 0), (2, 1)] {
        for receive in RECEIVE {
            let name = format!("held{lanes}{priority}");
            let (mut sender, mut receiver, _) = halves(&name, &Config::new().lanes(lanes));
            receiver.hold(true);
            sender.send(b"held").unwrap();
            let held = receiver.recv_deadline(soon()).unwrap();
            // Alive when it is found, on however slow a machine: if it was not, it is sent anew, with more time.
            let mut lifetime = Duration::from_millis(20);
            let mut held = Some(held);
            let expires = loop {
                let expires = Instant::now() + lifetime;
                let sent = sender
                    .at(priority)
                    .unwrap()
                    .send_expiring(b"soon stale", expires);
                lifetime *= 2;
                if sent.is_err() {
                    continue;
                }
                let now = Some(Instant::now());
                match held.take().expect("it is open").wait_for_next(now) {
                    Ok(()) => break expires,
                    Err((why, frame)) => {
                        assert_eq!(why, RecvError::TimedOut);
                        assert_eq!(frame.to_vec(), b"held", "it stays open");
                        held = Some(frame);
                    }
                }
            };
            std::thread::sleep(expires.saturating_duration_since(Instant::now()));
            assert_eq!(receive(&mut receiver), b"soon stale");
        }
    }
}
