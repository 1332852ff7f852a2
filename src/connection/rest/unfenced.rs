//! A sender that leaves its barrier out: when it does, and what its receiver does about that.

use std::thread;
use std::time::{Duration, Instant};

use super::pair::pair;
use crate::connection::{Arm, Config, Receiver};
use crate::sys::membarrier;
use crate::wake::ladder::Wait;

/// One for each epoch behind which it might sleep, and only while the sender says that it leaves its own out. That it comes between the epoch and the second look, and that
/// it is enough, the models show (`src/model/fence.rs`): on real processors a wake is lost too rarely without it.
#[test]
fn a_sleeper_makes_a_barrier_for_each_epoch_while_its_sender_makes_none() {
    if !membarrier::is_there() {
        return println!("skipped: this kernel has no membarrier");
    }
    let (server, client) = pair("asleep", &Config::new().wait(Wait::Park).membarrier(true));
    let (mut sender, _from_client) = server.split();
    let (_to_server, mut receiver) = client.split();
    let armed = |receiver: &mut Receiver| {
        assert_eq!(receiver.arm(), Ok(Arm::Armed));
        receiver.resting().barriers()
    };
    assert_eq!(armed(&mut receiver), 0, "the sender fences");
    for asleep in [1, 3] {
        sender.lane.unfence();
        assert!(sender.lane.is_unfenced());
        assert_eq!(armed(&mut receiver), asleep);
        assert_eq!(armed(&mut receiver), asleep + 1, "another epoch");
        // The sender finds that it sleeps, and fences from now on.
        sender.send(b"to a sleeper").unwrap();
        assert!(!sender.lane.is_unfenced());
        assert_eq!(receiver.arm(), Ok(Arm::Ready));
        assert_eq!(receiver.try_recv().unwrap().to_vec(), b"to a sleeper");
        assert_eq!(armed(&mut receiver), asleep + 1);
    }
}

/// The receiver is behind all the time, so that it never sleeps: the barrier is left out. As soon as it has slept it is taken back.
#[test]
fn a_stream_loses_its_barrier_and_a_sleep_brings_it_back() {
    if !membarrier::is_there() {
        return println!("skipped: this kernel has no membarrier");
    }
    let (server, client) = pair("stream", &Config::new().wait(Wait::Park).membarrier(true));
    let (mut sender, _from_client) = server.split();
    let (_to_server, mut receiver) = client.split();
    let mut sent = 0;
    let limit = Instant::now() + Duration::from_secs(20);
    while !sender.lane.is_unfenced() {
        assert!(Instant::now() < limit, "after {sent} frames");
        while sender.try_send(&[1; 56]).is_ok() {
            sent += 1;
        }
        while receiver.try_recv().is_ok() {}
    }
    assert!(sent > 16_000);
    sender.send(b"a plain one").unwrap();
    assert!(sender.lane.is_unfenced());
    receiver.arm().unwrap();
    while receiver.try_recv().is_ok() {}
    receiver.arm().unwrap();
    sender.send(b"to a sleeper").unwrap();
    assert!(!sender.lane.is_unfenced());
}

/// It takes both: a side that did not ask for it neither leaves barriers out nor makes any.
#[test]
fn one_side_alone_changes_nothing() {
    let path = std::env::temp_dir().join(format!("ringway-unfenced-one-{}", std::process::id()));
    for asks in [true, false] {
        let patient = Config::new().handshake_timeout(Duration::from_secs(20));
        let mut listener = patient
            .clone()
            .membarrier(asks)
            .bind(path.as_path())
            .unwrap();
        let client = thread::scope(|scope| {
            let client = scope.spawn(|| {
                let config = patient.membarrier(!asks);
                config.connect(path.as_path()).unwrap()
            });
            let soon = Instant::now() + Duration::from_secs(10);
            let mut server = listener.accept_deadline(soon).unwrap();
            server.sender().lane.unfence();
            assert!(!server.sender().lane.is_unfenced());
            client.join().unwrap()
        });
        let mut client = client;
        client.sender().lane.unfence();
        assert!(!client.sender().lane.is_unfenced());
    }
}
