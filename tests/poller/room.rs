//! Whoever waits for room waits for that of the call that it makes: with the pad of what is aligned, and the moment of what expires.

use std::os::fd::AsFd;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, poll};
use ringway::typed::{self, Message};
use ringway::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use ringway::{Arm, Config, Connection, Event, Poller, Room, SendError, Sender, Wait};

use crate::exchange::pair;
use crate::server::{path, patient, soon};

/// A message that lies at a multiple of 16.
#[derive(Clone, Copy, Debug, Message, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Line {
    numbers: [u128; 4],
}

fn small() -> Config {
    patient()
        .wait(Wait::Park)
        .alignment(64)
        .capacity(4096)
        .peer_capacity(4096)
}

fn an_hour() -> Instant {
    Instant::now() + std::time::Duration::from_secs(3600)
}

/// Leaves room for a plain frame of 40 bytes and the word behind it, and for nothing more: neither for a pad nor for a moment.
fn fill(sender: &mut Sender) {
    for len in [1000, 1000, 1000, 1000, 0] {
        sender.try_send(&vec![0; len]).unwrap();
    }
}

const PLAIN: usize = 40;

/// Room for 40 bytes that are there, and what is asked for where they are not: each with a call that finds as much.
#[allow(clippy::type_complexity, reason = "a table")]
const CALLS: [(fn() -> Room, fn(&mut Sender) -> Result<(), SendError>); 2] = [
    (
        || Room::of(PLAIN).aligned(64),
        |sender| sender.try_reserve_aligned(PLAIN, 64).map(drop),
    ),
    (
        || Room::of(PLAIN).expiring(),
        |sender| sender.try_send_expiring(&[0; PLAIN], an_hour()),
    ),
];

fn readable(half: &impl AsFd, millis: u16) -> bool {
    let mut entry = [PollFd::new(half.as_fd(), PollFlags::POLLIN)];
    poll(&mut entry, millis).unwrap() == 1
}

#[test]
fn a_wait_ends_with_the_room_of_the_call_and_not_before() {
    for (room, call) in CALLS {
        let (mut server, mut client) = pair("room-wait", &small());
        let sender = server.sender();
        fill(sender);
        let now = Instant::now();
        assert_eq!(sender.wait_for_room(PLAIN, Some(now)), Ok(()));
        assert_eq!(call(sender), Err(SendError::Full));
        let waited = sender.wait_for_room(room(), Some(now));
        assert_eq!(waited, Err(SendError::TimedOut));
        while client.receiver().try_recv().is_ok() {}
        assert_eq!(sender.wait_for_room(room(), Some(soon())), Ok(()));
        assert_eq!(call(sender), Ok(()));
        let asked = SendError::Alignment {
            asked: 128,
            max: 64,
        };
        let beyond = Room::of(PLAIN).aligned(128);
        assert_eq!(sender.wait_for_room(beyond, None), Err(asked));
        assert_eq!(sender.arm(beyond), Err(asked));
        assert_eq!(sender.arm(beyond.expiring()), Err(asked));
    }
}

/// A loop of its own, which finds no room, arms and polls: it sleeps until there is as much as its call needs.
#[test]
fn arm_says_whether_there_is_the_room_of_the_call() {
    for (room, call) in CALLS {
        let (mut server, mut client) = pair("room-arm", &small());
        let sender = server.sender();
        fill(sender);
        assert_eq!(call(sender), Err(SendError::Full));
        assert_eq!(sender.arm(PLAIN), Ok(Arm::Ready));
        assert_eq!(sender.arm(room()), Ok(Arm::Armed));
        assert!(!readable(sender, 0));
        while client.receiver().try_recv().is_ok() {}
        assert!(readable(sender, 30_000), "nobody rang");
        assert_eq!(sender.arm(room()), Ok(Arm::Ready));
        assert_eq!(call(sender), Ok(()));
    }
}

#[test]
fn arm_agrees_with_messages_that_are_aligned_and_expire() {
    let path = path("room-typed");
    let mut listener = typed::Listener::<Line, Line>::bind_with(&small(), path.as_path()).unwrap();
    let client =
        std::thread::spawn(move || typed::connect_with::<Line, Line>(&small(), path).unwrap());
    let mut server = listener.accept_deadline(soon()).unwrap();
    let mut client = client.join().unwrap();
    let sender = server.sender();
    let plain = Room::of(size_of::<Line>()).aligned(align_of::<Line>());
    let mut agreed = [[0; 2]; 2];
    // Wherever the tail is within a line, and however much is left.
    for len in (0..40).cycle().map(|eighths| eighths * 8).take(400) {
        let there = sender.untyped().arm(plain).unwrap() == Arm::Ready;
        assert_eq!(sender.try_reserve::<Line>().is_ok(), there);
        agreed[0][usize::from(there)] += 1;
        let there = sender.untyped().arm(plain.expiring()).unwrap() == Arm::Ready;
        let reserved = sender.try_reserve_expiring::<Line>(an_hour());
        assert_eq!(
            reserved.map(drop).err(),
            (!there).then_some(SendError::Full)
        );
        agreed[1][usize::from(there)] += 1;
        if sender.untyped().try_send(&vec![0; len]).is_err() {
            while client.receiver().untyped().try_recv().is_ok() {}
        }
    }
    assert!(
        agreed.as_flattened().iter().all(|times| *times > 0),
        "{agreed:?}"
    );
}

fn polled(name: &str) -> (Poller, ringway::Token, Connection) {
    let (mut ours, theirs) = pair(name, &small());
    fill(ours.sender());
    let mut poller = Poller::new().unwrap();
    let token = poller.add(ours).unwrap();
    (poller, token, theirs)
}

#[test]
fn a_poller_tells_of_the_room_of_the_call_and_sleeps_until_then() {
    for (room, call) in CALLS {
        let (mut poller, token, mut theirs) = polled("room-poller");
        assert!(poller.until_room(token, PLAIN));
        let Some(Event::Ready(mut turn)) = poller.try_event().unwrap() else {
            panic!("there is room for 40 bytes");
        };
        assert_eq!(call(turn.sender()), Err(SendError::Full));
        turn.until_room(room());
        assert!(poller.try_event().unwrap().is_none());
        let end = soon();
        while poller.arm().unwrap() != Arm::Armed {
            assert!(Instant::now() < end, "it does not fall asleep");
            assert!(poller.try_event().unwrap().is_none());
        }
        while theirs.receiver().try_recv().is_ok() {}
        assert!(readable(&poller, 30_000), "nobody rang");
        let Some(Event::Ready(mut turn)) = poller.event_deadline(soon()).unwrap() else {
            panic!("there is room now");
        };
        assert_eq!(call(turn.sender()), Ok(()));
    }
}

#[test]
fn a_poller_is_told_of_the_room_of_the_call_at_a_priority() {
    for (room, call) in CALLS {
        let (mut poller, token, mut theirs) = polled("room-priority");
        let refused = SendError::Priority { asked: 1, there: 1 };
        assert_eq!(poller.until_room_at(token, 1, room()), Err(refused));
        assert_eq!(poller.until_room_at(token, 0, room()), Ok(true));
        assert!(poller.try_event().unwrap().is_none());
        while theirs.receiver().try_recv().is_ok() {}
        let Some(Event::Ready(mut turn)) = poller.event_deadline(soon()).unwrap() else {
            panic!("there is room now");
        };
        assert_eq!(call(turn.sender()), Ok(()));
    }
}
