//! A peer that lies about how much of a large frame it has written: it spoils its own bytes, and nothing else.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringway::{Connection, RecvError, Wait};

use crate::peer::{self, Hostile, Segment, Watchdog, attach, hello, soon};
use crate::random::Random;

/// Bytes of the ring, in which a frame may be large.
const RING: usize = 1 << 20;
const FRAME: u64 = 1 << 48;
/// The word by which a sender announces.
const ANNOUNCED: usize = 0xa00;
/// The word by which a receiver says that it follows.
const FOLLOWS: usize = 0x980;

/// A connection whose client writes what it likes into a ring of `RING` bytes.
fn victim(name: &str, wait: Wait) -> (Connection, Hostile) {
    let config = peer::patient().wait(wait);
    let config = config.capacity(RING).peer_capacity(RING);
    let mut listener = config.bind(peer::path(name)).unwrap();
    let path = listener.path().to_path_buf();
    thread::scope(|scope| {
        let hostile = scope.spawn(move || {
            let hello = hello().u64(40, RING as u64).u64(48, RING as u64);
            let offer = attach()
                .u64(16, (peer::CONTROL + RING) as u64)
                .u64(32, RING as u64)
                .u32(48, RING as u32 / 8);
            peer::join_as(&path, &hello, &offer, Segment::of(peer::CONTROL + RING))
        });
        let connection = listener.accept_deadline(soon()).unwrap();
        (connection, hostile.join().unwrap())
    })
}

/// Whatever is announced, a receive without a commit ends by its deadline and leaves what is behind the buffer alone.
#[test]
fn announcements_without_a_commit_cost_a_deadline() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("announced in vain");
    for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
        let (mut victim, hostile) = victim(&format!("announce-{wait:?}"), wait);
        let most = RING as u64;
        for lie in [
            1,
            8,
            9,
            4096,
            4104,
            70_000,
            most - 9,
            most - 8,
            most,
            most + 1,
            2 * most,
            1 << 63,
            u64::MAX,
            0,
        ] {
            hostile.own.set(ANNOUNCED, lie);
            for length in [64 << 10, 100_001, 2 * RING] {
                let mut buffer = vec![9; length + 64];
                let over = Instant::now() + Duration::from_millis(3);
                let outcome = victim
                    .receiver()
                    .recv_into_deadline(&mut buffer[..length], over);
                assert_eq!(outcome, Err(RecvError::TimedOut));
                assert!(buffer[length..].iter().all(|byte| *byte == 9));
            }
        }
    }
}

/// It grows, by little, by much, goes back, and never comes to an end: deadlines hold, and a receiver that sleeps uses little of its processor.
#[test]
fn an_announcement_that_never_stands_still_keeps_nobody_for_ever() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("announced for ever");
    for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
        let (mut victim, mut hostile) = victim(&format!("announce-ever-{wait:?}"), wait);
        let over = &AtomicBool::new(false);
        let own = &mut hostile.own;
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut random = Random::new(7);
                let mut told = 0;
                while !over.load(Ordering::Relaxed) {
                    told = match random.next() % 4 {
                        0 => random.next(),
                        1 => 0,
                        2 => told % RING as u64 + 4096,
                        _ => told % RING as u64 + 1,
                    };
                    own.set(ANNOUNCED, told);
                }
            });
            let mut buffer = vec![0; RING];
            for _ in 0..30 {
                let deadline = Instant::now() + Duration::from_millis(10);
                let outcome = victim.receiver().recv_into_deadline(&mut buffer, deadline);
                assert_eq!(outcome, Err(RecvError::TimedOut));
            }
            over.store(true, Ordering::Relaxed);
        });
    }
}

/// The header that comes in the end is judged as ever, and what it says is what is received.
#[test]
fn a_header_decides_whatever_was_announced() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("announced and not sent");
    let (mut victim, mut hostile) = victim("announce-header", Wait::Park);
    let mut buffer = vec![0; RING];
    let mut position = 0;
    for (round, (lie, payload)) in [
        (200_000, 100_000),
        (200_000, 200_000),
        (100_000, 200_000),
        (300_000, 8),
        (300_000, 0),
        (5, 70_000),
    ]
    .into_iter()
    .enumerate()
    {
        for word in (position + 8..position + 8 + 300_000).step_by(8) {
            let at = peer::CONTROL + word % RING;
            hostile
                .own
                .set(at, 0x0101_0101_0101_0101 * (round as u64 + 1));
        }
        hostile.own.set(ANNOUNCED, (position + 8 + lie) as u64);
        let over = Instant::now() + Duration::from_millis(3);
        let none = victim.receiver().recv_into_deadline(&mut buffer, over);
        assert_eq!(none, Err(RecvError::TimedOut));
        let end = position + (payload as usize + 8).next_multiple_of(8);
        hostile.own.set(peer::CONTROL + end % RING, 0);
        let receiver = victim.receiver();
        let (own, line) = (&mut hostile.own, &hostile.line);
        let length = thread::scope(|scope| {
            scope.spawn(move || {
                thread::sleep(Duration::from_millis(2));
                own.set(peer::CONTROL + position % RING, FRAME | payload);
                peer::send(line, &[0], &[]);
            });
            receiver.recv_into_deadline(&mut buffer, soon()).unwrap()
        });
        assert_eq!(length, payload as usize);
        assert!(buffer[..length].iter().all(|byte| *byte == round as u8 + 1));
        position = end;
    }
    // And one that breaks a rule ends the connection, though a part of it was copied.
    hostile.own.set(ANNOUNCED, (position + 8 + 100_000) as u64);
    let at = peer::CONTROL + position % RING;
    hostile.own.set(at, FRAME | 0xffff_ffff);
    assert!(matches!(
        victim.receiver().recv_into_deadline(&mut buffer, soon()),
        Err(RecvError::Protocol(_))
    ));
}

/// A peer that says it follows, and sleeps, is rung early, and not again by the commit: a lie costs us one ring for each epoch, as ever.
#[test]
fn a_peer_that_says_it_follows_is_rung_once_for_each_epoch() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("follows");
    let (mut victim, hostile) = victim("announce-follows", Wait::Park);
    let frame = vec![1; 200_000];
    let mut sent = 0;
    for (follows, epoch) in [(0, 1), (1, 3), (u64::MAX, 5), (1, 6), (1, 7), (1, 7)] {
        hostile.own.set(FOLLOWS, follows);
        hostile.own.set(peer::RECEIVER_EPOCH, epoch);
        victim.sender().send_deadline(&frame, soon()).unwrap();
        sent += 200_008;
        hostile.own.set(peer::RELEASED, sent);
    }
    // Four epochs that ask for a ring, of which the first may go by the byte.
    let mut rings = [0; 8];
    // SAFETY: the array is valid for writes of eight bytes.
    let read = unsafe { libc::read(hostile.bells[0].as_raw_fd(), rings.as_mut_ptr().cast(), 8) };
    assert_eq!(read, 8);
    let mut byte = [0u8; 1];
    let flags = libc::MSG_DONTWAIT;
    // SAFETY: the array is valid for writes of a byte.
    let bytes =
        || unsafe { libc::recv(hostile.line.as_raw_fd(), byte.as_mut_ptr().cast(), 1, flags) };
    let bytes = std::iter::repeat_with(bytes)
        .take_while(|&read| read == 1)
        .count();
    assert!(bytes <= 1, "{bytes}");
    assert_eq!(u64::from_ne_bytes(rings) + bytes as u64, 4);
}
