//! Messages that become visible together, and a sender that several threads share.

use std::thread;
use std::time::{Duration, Instant};

use ringway::typed::{Message, Received, Sender};
use ringway::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use ringway::{RecvError, SendError};

use super::kinds::{Cancel, Note, NoteHead, Order, OrderHead, Side};
use super::support::{lane, soon};

/// Any bytes are one, so that it can be filled in place.
#[derive(Clone, Copy, Debug, PartialEq, Message, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Plain {
    number: u64,
}

#[derive(Clone, Debug, PartialEq, Message)]
enum Request {
    #[message(kind = 1)]
    Cancel(Cancel),
    #[message(kind = 2)]
    Note(Received<Note>),
    #[message(kind = 3)]
    Order(Received<Order>),
    #[message(kind = 4)]
    Plain(Plain),
}

fn order(number: u64) -> OrderHead {
    OrderHead {
        number,
        side: Side::Buy,
        _pad: [0; 7],
    }
}

#[test]
fn a_group_is_seen_as_a_whole_and_in_order() {
    let (mut sender, mut receiver) = lane::<Request>();
    let note = Received::<Note>::new(&NoteHead { number: 4 }, "any");
    let mut group = sender.group();
    group.send(&Cancel { number: 1 }).unwrap();
    group.try_send(&Cancel { number: 2 }).unwrap();
    group.send_deadline(&Cancel { number: 3 }, soon()).unwrap();
    group.send_any(&Request::Note(note)).unwrap();
    group.send_with::<Order>(&order(5), &[]).unwrap();
    group
        .send_with::<Note>(&NoteHead { number: 6 }, "six")
        .unwrap();
    // The second is not committed, and not sent.
    let mut reserved = group.reserve::<Plain>().unwrap();
    *reserved = Plain { number: 7 };
    reserved.commit();
    drop(group.reserve::<Plain>().unwrap());
    group.send_slice(&[Cancel { number: 8 }; 2]).unwrap();
    assert!(receiver.try_recv().unwrap_err().is_nothing_yet());
    group.publish();

    for number in 1..=3 {
        let found = receiver.try_recv().unwrap();
        assert_eq!(found, Request::Cancel(Cancel { number }));
    }
    let found = [(); 3].map(|()| receiver.try_recv().unwrap());
    assert!(matches!(&found[0], Request::Note(note) if note.number == 4 && &note.text == "any"));
    assert!(matches!(&found[1], Request::Order(order) if order.number == 5));
    assert!(matches!(&found[2], Request::Note(note) if note.number == 6 && &note.text == "six"));
    let found = receiver.try_recv().unwrap();
    assert_eq!(found, Request::Plain(Plain { number: 7 }));
    assert_eq!(receiver.try_recv_batch::<Cancel>().unwrap().len(), 2);
    assert!(receiver.try_recv().unwrap_err().is_nothing_yet());

    // A drop publishes too.
    sender.group().send(&Cancel { number: 9 }).unwrap();
    let found = receiver.try_recv().unwrap();
    assert_eq!(found, Request::Cancel(Cancel { number: 9 }));
}

#[test]
fn a_shared_sender_says_and_does_what_its_sender_does() {
    let (mut sender, mut receiver) = lane::<Request>();
    let (capacity, most) = (sender.untyped().capacity(), sender.untyped().max_payload());
    let peer = *sender.peer();
    let shared = sender.shared();
    assert_eq!((shared.capacity(), shared.max_payload()), (capacity, most));
    assert_eq!(shared.peer(), peer);
    assert_eq!((shared.check(), shared.is_closed()), (Ok(()), false));
    shared.send(&Cancel { number: 1 }).unwrap();
    shared.try_send(&Cancel { number: 2 }).unwrap();
    shared.send_deadline(&Cancel { number: 3 }, soon()).unwrap();
    let any = Request::Cancel(Cancel { number: 4 });
    shared.send_any(&any).unwrap();
    shared.send_slice(&[Cancel { number: 5 }]).unwrap();
    shared
        .send_with::<Note>(&NoteHead { number: 6 }, "six")
        .unwrap();
    let late = Instant::now() + Duration::from_millis(20);
    {
        let mut sender = shared.lock().unwrap();
        let mut group = sender.group();
        group.send(&Cancel { number: 7 }).unwrap();
        let full = shared.try_send(&Cancel { number: 0 });
        assert_eq!(full, Err(SendError::Full));
        let other = shared.clone();
        let outcome = thread::spawn(move || other.send_deadline(&Cancel { number: 0 }, late));
        assert_eq!(outcome.join().unwrap(), Err(SendError::TimedOut));
        assert_eq!(shared.try_lock().map(drop), Err(SendError::Full));
        let locked = shared.lock_deadline(late).map(drop);
        assert_eq!(locked, Err(SendError::TimedOut));
    }
    assert!(shared.try_lock().is_ok() && shared.lock_deadline(late).is_ok());
    for number in [1, 2, 3, 4, 5] {
        let found = receiver.recv_deadline(soon()).unwrap();
        assert_eq!(found, Request::Cancel(Cancel { number }));
    }
    assert!(matches!(receiver.try_recv(), Ok(Request::Note(note)) if &note.text == "six"));
    let found = receiver.try_recv().unwrap();
    assert_eq!(found, Request::Cancel(Cancel { number: 7 }));
    assert!(receiver.try_recv().unwrap_err().is_nothing_yet());
    drop(receiver);
    let outcome = shared.check();
    assert!(outcome.is_err() && shared.is_closed());
    assert_eq!(shared.send_deadline(&Cancel { number: 8 }, soon()), outcome);
}

/// What waits in a group or for other threads too, waits until a moment.
#[test]
fn no_wait_is_for_ever() {
    let note = || NoteHead { number: 2 };
    let any = Request::Cancel(Cancel { number: 1 });
    let (mut sender, mut receiver) = lane::<Request>();
    let mut group = sender.group();
    group.send_any_deadline(&any, soon()).unwrap();
    group
        .send_with_deadline::<Note>(&note(), "two", soon())
        .unwrap();
    let mut reserved = group.reserve_deadline::<Plain>(soon()).unwrap();
    *reserved = Plain { number: 3 };
    reserved.commit();
    group
        .send_slice_deadline(&[Cancel { number: 4 }; 2], soon())
        .unwrap();
    group.publish();
    let shared = sender.shared();
    shared.send_any_deadline(&any, soon()).unwrap();
    shared
        .send_with_deadline::<Note>(&note(), "two", soon())
        .unwrap();
    shared
        .send_slice_deadline(&[Cancel { number: 4 }; 2], soon())
        .unwrap();
    for shared in [false, true] {
        assert_eq!(receiver.try_recv().unwrap(), any);
        assert!(matches!(receiver.try_recv(), Ok(Request::Note(note)) if &note.text == "two"));
        if !shared {
            let plain = Request::Plain(Plain { number: 3 });
            assert_eq!(receiver.try_recv().unwrap(), plain);
        }
        assert_eq!(receiver.try_recv_batch::<Cancel>().unwrap().len(), 2);
    }

    let late = Instant::now() + Duration::from_millis(20);
    while shared.try_send(&Cancel { number: 5 }).is_ok() {}
    let refused = [
        shared.send_any_deadline(&any, late),
        shared.send_with_deadline::<Note>(&note(), "two", late),
        shared.send_slice_deadline(&[Cancel { number: 4 }; 2], late),
    ];
    assert_eq!(refused, [Err(SendError::TimedOut); 3]);
    let mut sender = shared.into_sender().unwrap();
    let mut group = sender.group();
    let refused = [
        group.send_any_deadline(&any, late),
        group.send_with_deadline::<Note>(&note(), "two", late),
        group.send_slice_deadline(&[Cancel { number: 4 }; 2], late),
        group.reserve_deadline::<Plain>(late).map(drop),
    ];
    assert_eq!(refused, [Err(SendError::TimedOut); 4]);
}

#[test]
fn threads_that_share_lose_nothing_and_keep_each_one_its_order() {
    const EACH: u64 = 2000;
    let (sender, mut receiver) = lane::<Cancel>();
    let shared = sender.shared();
    thread::scope(|scope| {
        for first in [0, EACH, 2 * EACH] {
            let mine = shared.clone();
            scope.spawn(move || {
                for number in (first..first + EACH).step_by(2) {
                    mine.send(&Cancel { number }).unwrap();
                    let mut sender = mine.lock().unwrap();
                    group_of_one(&mut sender, number + 1);
                }
            });
        }
        drop(shared);
        let mut next = [0, EACH, 2 * EACH];
        loop {
            match receiver.recv_deadline(soon()) {
                Ok(Cancel { number }) => {
                    let place = &mut next[(number / EACH) as usize];
                    assert_eq!(number, *place);
                    *place += 1;
                }
                Err(end) => {
                    // The last clone that is dropped drops the sender.
                    assert!(end.is_closed(), "{end}");
                    break;
                }
            }
        }
        assert_eq!(next, [EACH, 2 * EACH, 3 * EACH]);
    });
    assert_eq!(
        receiver.recv().unwrap_err(),
        RecvError::Closed.into(),
        "it stays so"
    );
}

fn group_of_one(sender: &mut Sender<Cancel>, number: u64) {
    let mut group = sender.group();
    group.send(&Cancel { number }).unwrap();
}
