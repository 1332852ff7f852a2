//! Priorities of what is made of a sender: messages, shared senders, batchers.

use std::thread;
use std::time::{Duration, Instant};

use ringway::SendError;
use ringway::batch::{Batcher, Bounds};
use ringway::typed::{self, Message};
use ringway::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::pair::soon;
use crate::{both, with};

#[derive(Clone, Copy, Debug, PartialEq, Message, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Order {
    number: u64,
}

fn messages(name: &str) -> (typed::Sender<Order>, typed::Receiver<Order>) {
    let path = std::env::temp_dir().join(format!("ringway-{name}-{}", std::process::id()));
    let mut listener =
        typed::Listener::<Order, Order>::bind_with(&with(3), path.as_path()).unwrap();
    let client = thread::spawn(move || typed::connect_with::<Order, Order>(&with(3), path));
    let (sender, keep) = listener.accept().unwrap().split();
    let (other, receiver) = client.join().unwrap().unwrap().split();
    // The other direction stays open for as long as the process.
    std::mem::forget((keep, other));
    (sender, receiver)
}

#[test]
fn messages_have_priorities_too() {
    let (mut sender, mut receiver) = messages("typed-lanes");
    assert_eq!(sender.priorities(), 3);
    let there = 3;
    assert_eq!(
        sender.at(3).map(drop),
        Err(SendError::Priority { asked: 3, there })
    );
    for number in [2, 1, 0] {
        let mut at = sender.at(number as usize).unwrap();
        at.send(&Order { number }).unwrap();
        let mut group = at.group();
        group
            .send(&Order {
                number: number + 10,
            })
            .unwrap();
        group.publish();
        let mut place = at.reserve::<Order>().unwrap();
        place.number = number + 20;
        place.commit();
    }
    let mut seen = Vec::new();
    let mut into = Order { number: 0 };
    for turn in 0..9 {
        match turn % 3 {
            0 => seen.push(receiver.recv().unwrap().number),
            1 => {
                receiver.recv_into(&mut into).unwrap();
                seen.push(into.number);
                assert_eq!(receiver.last_priority() as u64, into.number % 10);
            }
            _ => seen.push(receiver.try_recv().unwrap().number),
        }
    }
    assert_eq!(seen, [0, 10, 20, 1, 11, 21, 2, 12, 22]);
}

/// A thread that waits for room at one priority holds up no other.
#[test]
fn shared_senders_of_two_priorities_do_not_wait_for_each_other() {
    let (one, mut other) = both("shared-lanes", &with(2));
    let (sender, _keep) = one.split();
    let urgent = sender.shared();
    let bulk = urgent.at(1).unwrap();
    assert_eq!(urgent.priorities(), 2);
    assert!(matches!(
        urgent.at(2),
        Err(SendError::Priority { asked: 2, there: 2 })
    ));
    // By this thread alone: a ring whose lock somebody holds is said to be full, too.
    while bulk.try_send(&[1; 100]).is_ok() {}
    thread::scope(|scope| {
        // It waits from its first frame on.
        let sending = scope.spawn(|| (0..300).for_each(|_| bulk.send(&[1; 100]).unwrap()));
        thread::sleep(Duration::from_millis(5));
        for _ in 0..10 {
            urgent.send_deadline(b"stop", soon()).unwrap();
        }
        let late = bulk.send_deadline(&[1; 100], Instant::now() + Duration::from_millis(5));
        assert_eq!(late, Err(SendError::TimedOut));
        let receiver = other.receiver();
        for _ in 0..10 {
            let frame = receiver.recv_deadline(soon()).unwrap();
            assert_eq!((frame.priority(), frame.to_vec()), (0, b"stop".to_vec()));
        }
        let mut bulky = 0;
        while !sending.is_finished() {
            let deadline = Instant::now() + Duration::from_millis(10);
            if let Ok(frame) = receiver.recv_deadline(deadline) {
                assert_eq!(frame.priority(), 1);
                bulky += 1;
            }
        }
        while receiver.try_recv().is_ok() {
            bulky += 1;
        }
        assert!(bulky >= 300, "{bulky}");
    });
}

#[test]
fn shared_senders_of_messages_have_priorities() {
    let (sender, mut receiver) = messages("typed-shared-lanes");
    let first = sender.shared();
    let last = first.at(2).unwrap();
    assert!(first.at(3).is_err());
    last.send(&Order { number: 1 }).unwrap();
    last.send_any(&Order { number: 2 }).unwrap();
    last.send_deadline(&Order { number: 3 }, soon()).unwrap();
    last.try_send(&Order { number: 4 }).unwrap();
    first.send_slice(&[Order { number: 0 }]).unwrap();
    let seen: Vec<_> = (0..5).map(|_| receiver.recv().unwrap().number).collect();
    assert_eq!(seen, [0, 1, 2, 3, 4]);
}

/// A batcher of bulk data keeps frames back in its lane; what is urgent goes past it.
#[test]
fn a_batcher_works_at_a_priority() {
    let (one, mut other) = both("batched-lanes", &with(2));
    let (sender, _keep) = one.split();
    let mut batcher = Batcher::new(sender, Bounds::new());
    assert!(batcher.accept_at(2).is_err());
    let receiver = other.receiver();
    for at in [0, 1] {
        batcher.accept_at(at).unwrap();
        for n in 0..10_000u32 {
            batcher.send_deadline(&n.to_le_bytes(), soon()).unwrap();
            if n % 100 == 99 {
                batcher.sender().at(0).unwrap().send(b"urgent").unwrap();
            }
            if n % 50 == 49 {
                batcher.flush();
                while let Ok(frame) = receiver.try_recv() {
                    let expected = if frame.len() == 6 { 0 } else { at };
                    assert_eq!(frame.priority(), expected);
                }
            }
        }
    }
    let mut sender = batcher.into_sender();
    sender.send(b"plain again").unwrap();
    assert_eq!(receiver.recv().unwrap().priority(), 0);
}
