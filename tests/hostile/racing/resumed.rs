//! A server that says goodbye and goes on writing, while its client reads how far it has come and is resumed elsewhere: whatever is read, what is sent again are the client's own frames, whole, in
//! their order, up to the last one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringway::{Connection, ErrorKind, RecvError, Redelivered, Redelivery, Resumed, Violation};

use crate::peer::{self, RECEIVER_EPOCH, RELEASED, SENDER_EPOCH, Segment, soon};
use crate::random::Random;
use crate::resume::{TAKEN, config, victim};

const ROUNDS: usize = 50;
const FRAMES: usize = 60;
/// The epoch of a half that is closed.
const CLOSED: u64 = u64::MAX;

/// Frames of several lengths, each with its number.
fn payload(number: usize) -> Vec<u8> {
    vec![number as u8; 1 + 8 * (number % 5)]
}

/// Where each frame begins, and where the next one would.
fn positions() -> Vec<u64> {
    let mut position = 0;
    let mut all = vec![0];
    for number in 0..FRAMES {
        position += 8 + payload(number).len().next_multiple_of(8) as u64;
        all.push(position);
    }
    all
}

/// Lies about how far it has come, and about being there, until it is over. Returns how many words it has written.
fn lie(own: &Segment, seed: u64, closes: &AtomicBool, over: &AtomicBool) -> u64 {
    let mut random = Random::new(seed | 1);
    let (positions, mut words) = (positions(), 0);
    while !over.load(Ordering::Relaxed) {
        let some = positions[random.next() as usize % positions.len()];
        let (word, value) = match random.next() % 64 {
            0..=23 => (RELEASED, some),
            24..=47 => (TAKEN, some),
            48 => (RELEASED, some + 4),
            49 => (RELEASED, random.next()),
            50 => (TAKEN, some + 4),
            51 => (TAKEN, random.next()),
            52 => (RECEIVER_EPOCH, random.next() | 1),
            // Nobody who runs forward is caught by what was read before.
            _ => (RELEASED, 0),
        };
        own.set(word, value);
        if closes.load(Ordering::Relaxed) && words % 2 == 0 {
            own.set(RECEIVER_EPOCH, CLOSED);
            own.set(SENDER_EPOCH, CLOSED);
        }
        words += 1;
    }
    words
}

/// How many frames it sends, until its ring is full or a rule is found broken.
fn sends(lost: &mut Connection) -> usize {
    let all = 0..FRAMES;
    all.take_while(|number| lost.sender().try_send(&payload(*number)).is_ok())
        .count()
}

fn resumes(path: &std::path::Path, mut lost: Connection, refused: &mut u64) -> Resumed {
    let late = soon();
    loop {
        assert!(Instant::now() < late, "it is not resumed");
        let short = Instant::now() + Duration::from_millis(20);
        match lost.receiver().recv_deadline(short).map(drop) {
            Err(RecvError::Closed) => {}
            Err(RecvError::TimedOut) => continue,
            other => panic!("{other:?}"),
        }
        match config().resume(path, lost, soon()) {
            Ok(resumed) => return resumed,
            Err(not) => {
                // It has said meanwhile that it is there.
                assert_eq!(not.error().kind(), ErrorKind::PeerLives, "{not}");
                *refused += 1;
                lost = not.into_connection();
            }
        }
    }
}

/// What came of all rounds: each has to come sometimes, or nothing was shown.
#[derive(Debug, Default)]
struct Told {
    words: u64,
    refused: u64,
    broken: u64,
    released: u64,
    unseen: u64,
    in_doubt: u64,
}

fn judge(lane: &Redelivered, sent: usize, again: &[(u64, Redelivery, Vec<u8>)], told: &mut Told) {
    let positions = positions();
    let first = positions.iter().position(|position| *position == lane.from);
    let first = first.unwrap_or_else(|| panic!("{lane:?} begins inside a frame"));
    assert_eq!(lane.to, positions[sent], "{lane:?}");
    assert_eq!(again.len(), sent - first, "{lane:?}");
    assert_eq!(lane.unseen + lane.in_doubt, again.len() as u64, "{lane:?}");
    for (number, (position, said, bytes)) in (first..).zip(again) {
        assert_eq!(*position, positions[number], "{lane:?}");
        assert_eq!(*bytes, payload(number), "{lane:?}");
        let doubt = *position < lane.taken;
        assert_eq!(*said == Redelivery::InDoubt, doubt, "{position}: {lane:?}");
        assert_ne!(*said, Redelivery::First);
    }
    match lane.broken {
        None => {}
        Some(
            Violation::ReleasedOutOfRange { .. }
            | Violation::ReleasedInsideFrame { .. }
            | Violation::TakenOutOfRange { .. },
        ) => told.broken += 1,
        Some(other) => panic!("{other:?}"),
    }
    told.released += u64::from(lane.from > 0);
    told.unseen += lane.unseen;
    told.in_doubt += lane.in_doubt;
}

#[test]
fn whatever_a_server_writes_behind_its_goodbye_its_clients_frames_are_sent_again_whole() {
    let _alone = peer::alone();
    let pulse = super::Pulse::new();
    let before = peer::open_descriptors();
    let mut random = Random::new(0x0bad_b1e5);
    let mut told = Told::default();
    for round in 0..ROUNDS {
        let (path, mut lost, mut hostile) = victim(&format!("racing-resumed-{round}"));
        let (closes, over) = (AtomicBool::new(false), AtomicBool::new(false));
        let (own, seed) = (&mut hostile.own, random.next());
        let silent = random.next() % 2 == 0;
        thread::scope(|scope| {
            let until = super::Over(&over);
            // Half of them lie when all is sent: then the ring is full of frames.
            let sent = if silent { sends(&mut lost) } else { 0 };
            let liar = scope.spawn(|| lie(own, seed, &closes, &over));
            let sent = if silent { sent } else { sends(&mut lost) };
            closes.store(true, Ordering::Relaxed);
            let mut listener = config().bind(path.as_path()).unwrap();
            let server = scope.spawn(move || listener.accept_deadline(soon()).unwrap());
            let resumed = resumes(&path, lost, &mut told.refused);
            let mut server = server.join().unwrap();
            drop(until);
            told.words += liar.join().unwrap();
            let mut again = Vec::new();
            while let Ok(frame) = server.receiver().try_recv() {
                again.push((frame.position(), frame.redelivery(), frame.to_vec()));
            }
            judge(&resumed.redelivered[0], sent, &again, &mut told);
        });
        pulse.beat();
    }
    println!("{told:?}");
    assert!(told.broken > 0 && told.released > 0, "{told:?}");
    assert!(told.unseen > 0 && told.in_doubt > 0, "{told:?}");
    peer::no_leak(before);
}
