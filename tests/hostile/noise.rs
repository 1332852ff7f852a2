//! Handshake messages that are nearly right, with random bytes changed and random descriptors: they lead to a connection or to an error
//! of a kind that a peer can cause, and the reason that the peer is told is the one of that kind.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::thread;
use std::time::Duration;

use ringway::{Config, ErrorKind};

use crate::peer::{
    self, Message, Watchdog, attach, eventfd, hello, memory, readable, ready, welcome,
};
use crate::random::Random;

const SIZE: usize = peer::CONTROL + peer::RING;
const ROUNDS: u32 = 300;

fn small() -> Config {
    Config::new()
        .capacity(peer::RING)
        .peer_capacity(peer::RING)
        .max_capacity(1 << 16)
        .handshake_timeout(Duration::from_secs(20))
}

/// Changes a few bytes, mostly of those that mean something, or the length.
fn spoil(mut message: Message, random: &mut Random) -> Message {
    if random.next() % 16 == 0 {
        message.0.resize(1 + random.next() as usize % 300, 0);
    }
    let most = message.0.len().min(136);
    for _ in 0..random.next() % 3 {
        let at = random.next() as usize % most;
        message.0[at] = match random.next() % 3 {
            0 => 0,
            1 => 1 << (random.next() % 8),
            _ => (random.next() >> 24) as u8,
        };
    }
    message
}

/// A segment and two bells, or nearly.
fn gifts(random: &mut Random) -> Vec<OwnedFd> {
    let mut gifts = vec![memory(SIZE, peer::SEALS, true), eventfd(), eventfd()];
    match random.next() % 12 {
        0 => drop(gifts.pop()),
        1 => gifts.push(eventfd()),
        2 => gifts[0] = memory(SIZE, peer::SEALS, false),
        3 => gifts[0] = memory(SIZE * 2, peer::SEALS, true),
        4 => gifts[2] = peer::pipe().0,
        _ => {}
    }
    gifts
}

fn raw(gifts: &[OwnedFd]) -> Vec<RawFd> {
    gifts.iter().map(AsRawFd::as_raw_fd).collect()
}

/// Whether an error and the Refuse that goes with it are such as a random message can cause, and belong together.
fn belong_together(kind: ErrorKind, heard: &[u8]) {
    let (reason, text) = peer::reason(heard);
    let expected: &[u32] = match kind {
        ErrorKind::Version => &[2],
        ErrorKind::Feature => &[3, 4],
        ErrorKind::Malformed => &[5],
        ErrorKind::Descriptors => &[6, 10],
        ErrorKind::Segment => &[7],
        ErrorKind::Geometry => &[8],
        ErrorKind::Schema => &[12],
        other => panic!("{other:?} is nothing that a message can cause: {text}"),
    };
    assert!(expected.contains(&reason), "{kind:?} and {reason}: {text}");
    assert!(!text.is_empty());
}

#[test]
fn nearly_right_clients_get_in_or_are_told_why() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("client noise");
    let mut random = Random::new(0x0dd_c11e_27aa);
    let mut listener = small().bind(peer::path("noise")).unwrap();
    let before = peer::open_descriptors();
    let (mut admitted, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        let line = peer::dial(listener.path()).unwrap();
        let mut connection = None;
        let refusals = listener.refusals();
        // What the listener answers, while it is called only when its descriptor says so.
        let mut answer = || loop {
            if readable(listener.as_fd(), 1) {
                connection = connection.take().or(listener.try_accept().unwrap());
            }
            if readable(line.as_fd(), 0) {
                return peer::receive(&line);
            }
        };
        let said = spoil(hello(), &mut random);
        peer::send(&line, &said.0, &[]);
        let (mut heard, offered) = answer();
        if heard[8] == 2 && said.0[20] == 1 {
            // It has become an observer, who is given what there is to see and is let go.
            assert_eq!(offered.len(), 1, "round {round}");
            assert!(answer().0.is_empty(), "round {round}");
            assert_eq!(listener.refusals(), refusals, "round {round}");
            continue;
        }
        if heard[8] == 2 {
            let gifts = gifts(&mut random);
            peer::send(&line, &spoil(attach(), &mut random).0, &raw(&gifts));
            heard = answer().0;
        }
        if heard[8] == 4 {
            assert!(connection.is_some(), "round {round}");
            assert_eq!(listener.refusals(), refusals, "round {round}");
            admitted += 1;
        } else {
            assert!(connection.is_none(), "round {round}");
            assert_eq!(listener.refusals(), refusals + 1, "round {round}");
            belong_together(listener.last_refusal().unwrap().kind(), &heard);
            refused += 1;
        }
        drop(offered);
    }
    assert!(admitted > 20 && refused > 20, "{admitted} and {refused}");
    peer::no_leak(before);
}

#[test]
fn nearly_right_servers_are_joined_or_told_why() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("server noise");
    let mut random = Random::new(0x0dd_5e1f_e127);
    let path = peer::path("noise-server");
    let listener = peer::listen(&path);
    let before = peer::open_descriptors();
    let (mut joined, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        let (outcome, heard) = thread::scope(|scope| {
            let client = scope.spawn(|| small().connect(path.as_path()));
            let line = peer::accept(&listener);
            assert_eq!(peer::receive(&line).0[8], 1);
            let gifts = gifts(&mut random);
            peer::send(&line, &spoil(welcome(), &mut random).0, &raw(&gifts));
            let mut heard = peer::receive(&line).0;
            if heard[8] == 3 {
                peer::send(&line, &spoil(ready(), &mut random).0, &[]);
                let outcome = client.join().unwrap().map(drop);
                heard = peer::receive(&line).0;
                return (outcome, heard);
            }
            (client.join().unwrap().map(drop), heard)
        });
        match outcome {
            Ok(()) => {
                assert!(heard.is_empty(), "round {round}: refused after all");
                joined += 1;
            }
            Err(error) => {
                belong_together(error.kind(), &heard);
                refused += 1;
            }
        }
    }
    std::fs::remove_file(&path).unwrap();
    assert!(joined > 20 && refused > 20, "{joined} and {refused}");
    peer::no_leak(before);
}
