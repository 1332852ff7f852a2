//! A peer that shook hands in order and then lies in every word that it owns.

use std::thread;
use std::time::{Duration, Instant};

use ringway::{Connection, RecvError, SendError, Violation, Wait};

use crate::peer::{
    self, FRAME, Hostile, PAD, RECEIVER_EPOCH, RELEASED, SENDER_EPOCH, Spoil, Watchdog, soon,
};
use crate::random::Random;

pub(crate) fn victim(name: &str, wait: Wait) -> (Connection, Hostile) {
    victim_of(name, wait, 1)
}

/// One with so many lanes.
pub(crate) fn victim_of(name: &str, wait: Wait, lanes: usize) -> (Connection, Hostile) {
    let config = peer::patient().wait(wait).lanes(lanes);
    let mut listener = config.bind(peer::path(name)).unwrap();
    let path = listener.path().to_path_buf();
    thread::scope(|scope| {
        let hostile = scope.spawn(|| peer::join_for(&path, lanes));
        let connection = listener.accept_deadline(soon()).unwrap();
        (connection, hostile.join().unwrap())
    })
}

#[test]
fn every_false_header_is_named() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("false header");
    let cases: [(&[(usize, u64)], &str); 8] = [
        (&[(0, FRAME | 0xffff_ffff)], "FrameTooLong"),
        (&[(0, FRAME | 4096)], "FrameTooLong"),
        (&[(0, 1)], "UnknownFlags"),
        (&[(0, FRAME << 15)], "UnknownFlags"),
        (&[(8, PAD), (0, PAD)], "PadWithoutFrame"),
        (&[(8, 0), (0, PAD)], "PadWithoutFrame"),
        (&[(0, PAD | 0xffff_fff8)], "FrameTooLong"),
        (&[(8, FRAME | 0xff0), (0, PAD)], "FrameTooLong"),
    ];
    for (index, (words, name)) in cases.into_iter().enumerate() {
        let (mut victim, hostile) = victim(&format!("header{index}"), Wait::Adaptive);
        for (position, word) in words {
            hostile.own.ring(*position, *word);
        }
        for _ in 0..2 {
            match victim.receiver().recv_deadline(soon()).map(drop) {
                Err(RecvError::Protocol(violation)) => {
                    assert!(format!("{violation:?}").starts_with(name), "{violation:?}");
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}

#[test]
fn every_false_release_is_named() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("false release");
    for (index, released) in [1 << 40, u64::MAX, 4, 4096 * 2, u64::MAX - 7]
        .into_iter()
        .enumerate()
    {
        let (mut victim, hostile) = victim(&format!("release{index}"), Wait::Adaptive);
        hostile.own.set(RELEASED, released);
        let outcome = (0..100).find_map(|_| victim.sender().send_deadline(&[0; 100], soon()).err());
        assert!(
            matches!(
                outcome,
                Some(SendError::Protocol(Violation::ReleasedOutOfRange { .. }))
            ),
            "{released}: {outcome:?}"
        );
    }
    // Forward in order, and then back.
    let (mut victim, hostile) = victim("back", Wait::Adaptive);
    while victim.sender().try_send(&[0; 56]).is_ok() {}
    hostile.own.set(RELEASED, 2048);
    while victim.sender().try_send(&[0; 56]).is_ok() {}
    hostile.own.set(RELEASED, 1024);
    assert!(matches!(
        victim.sender().send_deadline(&[0; 56], soon()),
        Err(SendError::Protocol(Violation::ReleasedOutOfRange { .. }))
    ));
}

#[test]
fn a_peer_that_never_reads_costs_a_deadline() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("never reads");
    for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
        let (mut victim, _hostile) = victim(&format!("never{wait:?}"), wait);
        let outcome = (0..100).find_map(|_| {
            let deadline = Instant::now() + Duration::from_millis(30);
            victim.sender().send_deadline(&[0; 100], deadline).err()
        });
        assert_eq!(outcome, Some(SendError::TimedOut));
        let deadline = Instant::now() + Duration::from_millis(30);
        assert_eq!(
            victim.receiver().recv_deadline(deadline).map(drop),
            Err(RecvError::TimedOut)
        );
    }
}

/// What a receive may answer to a peer that is there and writes what it likes: a frame, nothing yet, or a broken rule of frames, which
/// is then the answer for good.
fn expect_of_receive(
    outcome: Result<(), RecvError>,
    nothing: RecvError,
    broken: &mut Option<RecvError>,
) {
    match (outcome, *broken) {
        (Err(error), Some(before)) => assert_eq!(error, before, "the end is final"),
        (Ok(()), Some(before)) => panic!("a frame after {before}"),
        (Ok(()), None) => {}
        (Err(error @ RecvError::Protocol(violation)), None) => {
            assert!(
                matches!(
                    violation,
                    Violation::FrameTooLong { .. }
                        | Violation::UnknownFlags { .. }
                        | Violation::PadWithoutFrame
                        | Violation::ExtensionTooShort { .. }
                ),
                "{violation:?} is no rule of frames"
            );
            *broken = Some(error);
        }
        (Err(error), None) => assert_eq!(error, nothing),
    }
}

/// The same for a send, whose peer may have released what it likes, if it `lies` about that at all.
fn expect_of_send(
    outcome: Result<(), SendError>,
    nothing: SendError,
    lies: bool,
    broken: &mut Option<SendError>,
) {
    match (outcome, *broken) {
        (Err(error), Some(before)) => assert_eq!(error, before, "the end is final"),
        (Ok(()), Some(before)) => panic!("sent after {before}"),
        (Ok(()), None) => {}
        (Err(error @ SendError::Protocol(violation)), None) => {
            let released = matches!(violation, Violation::ReleasedOutOfRange { .. });
            assert!(lies && released, "{violation:?}");
            *broken = Some(error);
        }
        (Err(error), None) => assert_eq!(error, nothing),
    }
}

#[test]
fn random_words_lead_to_the_errors_that_name_them_only() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("random words");
    let mut random = Random::new(0x5eed_0b5e_55ed_beef);
    let mut ended = (0, 0);
    // On a busy machine a writer may be done before anybody looks: then rounds follow until both were found.
    for round in 0..1_000 {
        if round >= 60 && ended.0 > 0 && ended.1 > 0 {
            break;
        }
        let (mut frames, mut releases) = (None, None);
        let (mut victim, hostile) = victim(&format!("random{round}"), Wait::Adaptive);
        victim.receiver().drop_expired(round % 4 < 2).unwrap();
        // Multiplied: the state itself would make every round a piece of the same sequence.
        let seed = random.next().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let writer = thread::spawn(move || {
            let mut random = Random::new(seed);
            for number in 0..3_000 {
                if number % 1_000 == 999 {
                    thread::yield_now();
                }
                let value = random.next();
                // Half of the words look like frames, so that the lane goes on for a while.
                let word = match value % 8 {
                    0 | 4 => value,
                    1 | 5 => PAD | ((value >> 40) % 64 * 8),
                    // One that expires, or, a word further on, is the moment at which one does.
                    2 => FRAME | 8 << 48 | ((value >> 40) % 200),
                    _ => FRAME | ((value >> 40) % 200),
                };
                hostile
                    .own
                    .ring(((value >> 8) as usize % peer::RING) & !7, word);
                match value >> 60 {
                    0 => hostile.own.set(RECEIVER_EPOCH, random.next() | 1),
                    1 => hostile.own.set(SENDER_EPOCH, random.next() | 1),
                    2 if round % 2 == 0 => hostile.own.set(RELEASED, (random.next() % 4096) & !7),
                    _ => {}
                }
            }
            hostile
        });
        let mut buffer = [0; 4096];
        let lies = round % 2 == 0;
        // At least so many turns, and so many more when everything is written: a lane that nobody spoils proves nothing.
        let (mut turn, mut after) = (0, 0);
        while turn < 2_000 || after < 200 {
            turn += 1;
            after += u32::from(writer.is_finished());
            let receiver = victim.receiver();
            let outcome = if turn % 2 == 0 {
                receiver.try_recv_into(&mut buffer).map(drop)
            } else {
                receiver
                    .try_recv()
                    .map(|frame| assert!(frame.len() <= peer::RING))
            };
            expect_of_receive(outcome, RecvError::Empty, &mut frames);
            let outcome = victim.sender().try_send(&buffer[..64]);
            expect_of_send(outcome, SendError::Full, lies, &mut releases);
        }
        let deadline = Instant::now() + Duration::from_millis(1);
        let outcome = victim.receiver().recv_deadline(deadline).map(drop);
        expect_of_receive(outcome, RecvError::TimedOut, &mut frames);
        let deadline = Instant::now() + Duration::from_millis(1);
        let outcome = victim.sender().send_deadline(&[0; 64], deadline);
        expect_of_send(outcome, SendError::TimedOut, lies, &mut releases);
        ended.0 += u32::from(frames.is_some());
        ended.1 += u32::from(releases.is_some());
        drop(writer.join().unwrap());
    }
    // Rounds in which nothing was found would prove nothing.
    assert!(ended.0 > 0 && ended.1 > 0, "{ended:?} broken rules");
}

#[test]
fn spoiled_bells_hold_up_neither_waits_nor_rings() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("spoiled bells");
    let (mut victim, hostile) = victim("bells", Wait::Park);
    let bells = hostile.theirs.iter().chain(&hostile.bells);
    bells.for_each(|bell| Spoil::FullAndBlocking.spoil(bell));
    // Every send finds a new odd epoch and rings a full, blocking bell.
    for round in 0..20 {
        hostile.own.set(RECEIVER_EPOCH, 2 * round + 1);
        victim.sender().send_deadline(&[0; 8], soon()).unwrap();
    }
    let deadline = Instant::now() + Duration::from_millis(50);
    assert_eq!(
        victim.receiver().recv_deadline(deadline).map(drop),
        Err(RecvError::TimedOut)
    );
    // A byte on the line wakes a sleeper whose bell is of no use.
    thread::scope(|scope| {
        let sleeper = scope.spawn(|| victim.receiver().recv_deadline(soon()).map(|f| f.len()));
        thread::sleep(Duration::from_millis(50));
        hostile.own.ring(0, FRAME | 8);
        peer::send(&hostile.line, &[0], &[]);
        assert_eq!(sleeper.join().unwrap(), Ok(8));
    });
    // A peer that goes is heard of with spoiled bells too.
    drop(hostile.line);
    assert_eq!(
        victim.receiver().recv_deadline(soon()).map(drop),
        Err(RecvError::PeerClosed)
    );
}
