//! A peer that lies about when its frames expire, and about whether they do.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use ringway::{Arm, Connection, Event, Poller, RecvError, SendError, Violation, Wait};

use crate::lane::victim;
use crate::peer::{self, Hostile, RELEASED, Watchdog, soon};

const FRAME: u64 = 1 << 48;
const PAD: u64 = 3 << 48;
/// A frame with an extension: when it expires.
const EXPIRES: u64 = 9 << 48;

fn with(name: &str, drops: bool, words: &[(usize, u64)]) -> (Connection, Hostile) {
    let (mut victim, hostile) = victim(name, Wait::Adaptive);
    victim.receiver().drop_expired(drops).unwrap();
    // The first one last: it makes the others visible.
    for (position, word) in words.iter().rev() {
        hostile.own.ring(*position, *word);
    }
    (victim, hostile)
}

#[test]
fn a_frame_shorter_than_its_extension_is_named_and_so_are_unknown_extensions() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("short extension");
    let mut cases = Vec::new();
    for length in 0..8u32 {
        let broken = Violation::ExtensionTooShort { length };
        let header = EXPIRES | u64::from(length);
        cases.push((vec![(0, header)], broken));
        cases.push((vec![(0, PAD | 0x38), (64, header)], broken));
        // In a group, behind one that is in order.
        cases.push((vec![(0, EXPIRES | 8), (8, u64::MAX), (16, header)], broken));
    }
    for flags in [0x11u16, 0x21, 0x41, 0x19, 0x79, 0x0b, 0x08] {
        let broken = Violation::UnknownFlags { flags };
        let header = u64::from(flags) << 48 | 16;
        cases.push((vec![(0, header)], broken));
        cases.push((vec![(0, PAD | 8), (16, header)], broken));
    }
    for drops in [false, true] {
        for (index, (words, broken)) in cases.iter().enumerate() {
            let (mut victim, _hostile) = with(&format!("short{drops}{index}"), drops, words);
            let ends: Vec<_> = (0..4)
                .map(|_| victim.receiver().recv_deadline(soon()).map(drop))
                .filter(Result::is_err)
                .collect();
            assert!(ends.len() > 2);
            for end in ends {
                assert_eq!(end, Err(RecvError::Protocol(*broken)), "{words:x?}");
            }
        }
    }
}

/// Nanoseconds of the clock by which frames expire: it stands near zero when the host has just booted, and passes `FRAME` after three days.
fn monotonic() -> u64 {
    let now = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap());
    u64::try_from(now.as_nanos()).unwrap()
}

/// Any 64 bits are a moment. Those that are past are dropped by who asked for it, and no other.
#[test]
fn absurd_moments_do_no_harm() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("absurd moments");
    let moments = [
        0,
        1,
        1 << 48,
        FRAME | 8,
        PAD,
        u64::MAX - 1,
        u64::MAX,
        1 << 63,
        i64::MAX as u64,
    ];
    // On a host that has been up for some days, moments that look like headers are past. One that comes while the test runs is left out: nobody knows which it is then.
    let now = monotonic();
    let moments = moments.map(|moment| {
        let passes = moment > 1 && moment.abs_diff(now) < 600_000_000_000;
        (!passes).then_some(moment)
    });
    for drops in [false, true] {
        for (index, moment) in moments.into_iter().flatten().enumerate() {
            let words = [
                (0, PAD | 0x28),
                (48, EXPIRES | 0xd),
                (56, moment),
                (64, 0x0807_0605_0403_0201),
                (72, FRAME | 8),
                (80, 9),
                (88, EXPIRES | 8),
                (96, moment),
                (104, 0),
            ];
            let (mut victim, _hostile) = with(&format!("absurd{drops}{index}"), drops, &words);
            let receiver = victim.receiver();
            let past = moment < now;
            if !(drops && past) {
                let frame = receiver.recv_deadline(soon()).unwrap();
                assert_eq!(frame.to_vec(), [1, 2, 3, 4, 5]);
                let expires = frame.expires().unwrap();
                assert_eq!(expires < Instant::now(), past);
                // It can be reckoned with.
                let _ = expires.saturating_duration_since(Instant::now());
                assert_eq!(frame.position(), 48);
            }
            let frame = receiver.recv_deadline(soon()).unwrap();
            assert_eq!((frame.len(), frame.expires()), (8, None));
            drop(frame);
            if !(drops && past) {
                let frame = receiver.recv_deadline(soon()).unwrap();
                assert!(frame.is_empty() && frame.expires().is_some());
            }
            assert_eq!(receiver.try_recv().map(drop), Err(RecvError::Empty));
            assert_eq!(receiver.expired(), if drops && past { 2 } else { 0 });
        }
    }
}

/// A ring that is full of expired frames, written again as soon as they are dropped, by a peer that rewrites what it has sent: calls end, and another's are not held up.
#[test]
fn a_ring_of_nothing_but_expired_frames_keeps_nobody() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("expired only");
    let (mut victim, hostile) = with("expired-only", true, &[]);
    let over = std::sync::atomic::AtomicBool::new(false);
    let (mut other, client) = {
        let mut listener = peer::patient().bind(peer::path("expired-other")).unwrap();
        let path = listener.path().to_path_buf();
        let client = std::thread::spawn(move || peer::patient().connect(path).unwrap());
        (
            listener.accept_deadline(soon()).unwrap(),
            client.join().unwrap(),
        )
    };
    std::thread::scope(|scope| {
        let over = &over;
        scope.spawn(move || {
            let hostile = hostile;
            // Every second word is a header of a frame without payload, which expired when the host booted.
            // ORD: over: Relaxed, nothing else is told by it; partner: the store below.
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                for place in (0..peer::RING).step_by(16) {
                    hostile.own.ring(place + 8, 1);
                    hostile.own.ring(place, EXPIRES | 8);
                }
            }
        });
        // Where the other thread gets no processor there is less to drop: then it goes on for longer.
        let until = soon();
        let mut rounds = 0;
        while rounds < 50 || (victim.receiver().expired() <= 1000 && Instant::now() < until) {
            rounds += 1;
            let deadline = Instant::now() + Duration::from_millis(5);
            let outcome = victim.receiver().recv_deadline(deadline).map(drop);
            assert_eq!(outcome, Err(RecvError::TimedOut));
            let _ = victim.receiver().try_recv().map(drop).unwrap_err();
            let _: Arm = victim.receiver().arm().unwrap();
        }
        let dropped = victim.receiver().expired();
        assert!(dropped > 1000, "{dropped}");
        let mut poller = Poller::new().unwrap();
        poller.add(victim).unwrap();
        let token = poller.add(client).unwrap();
        for number in 0..50u8 {
            other.sender().send(&[number]).unwrap();
            let Some(Event::Ready(mut turn)) = poller.event_deadline(soon()).unwrap() else {
                panic!("held up");
            };
            assert_eq!(turn.token(), token);
            assert_eq!(turn.receiver().recv().unwrap().to_vec(), [number]);
        }
        // ORD: over: Relaxed, as above; partner: the load above.
        over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

/// Who lies about what it has read gets its own frames refused, or too many of them.
#[test]
fn lies_about_what_was_read_are_the_liars_loss() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("lies about the queue");
    let (mut victim, hostile) = with("queue", false, &[]);
    for round in 0..2_000u64 {
        hostile.own.set(
            RELEASED,
            round.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (round % 60),
        );
        let expires = Instant::now() + Duration::from_millis(1);
        match victim.sender().try_send_expiring(&[0; 40], expires) {
            Ok(())
            | Err(
                SendError::Full
                | SendError::Expired
                | SendError::QueueTooLong
                | SendError::Protocol(Violation::ReleasedOutOfRange { .. }),
            ) => {}
            Err(error) => panic!("{error}"),
        }
        let _ = victim.sender().queue_time();
    }
}
