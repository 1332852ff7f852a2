//! Bells that a hostile holder has made blocking, drained or filled: for each half and for a poller.

use std::thread;
use std::time::{Duration, Instant};

use ringway::{Event, Poller, RecvError, SendError, Wait};

use crate::lane::victim;
use crate::peer::{self, FRAME, RECEIVER_EPOCH, RELEASED, SENDER_EPOCH, Spoil, Watchdog, soon};

const ALL: [Spoil; 4] = [
    Spoil::Blocking,
    Spoil::Drained,
    Spoil::Full,
    Spoil::FullAndBlocking,
];

/// A sender that waits for room: its wait ends with its deadline, and by a byte on the line; and our releases ring bells that would block.
#[test]
fn the_half_that_sends_waits_and_is_woken() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("spoiled bells of senders");
    for how in ALL {
        let (mut victim, hostile) = victim(&format!("bells-send-{how:?}"), Wait::Park);
        hostile
            .theirs
            .iter()
            .chain(&hostile.bells)
            .for_each(|bell| how.spoil(bell));
        let mut sent = 0;
        while victim.sender().try_send(&[0; 56]).is_ok() {
            sent += 64;
        }
        let over = Instant::now() + Duration::from_millis(20);
        let outcome = victim.sender().send_deadline(&[0; 56], over);
        assert_eq!(outcome, Err(SendError::TimedOut), "{how:?}");
        thread::scope(|scope| {
            let sleeper = scope.spawn(|| victim.sender().send_deadline(&[0; 56], soon()));
            thread::sleep(Duration::from_millis(30));
            hostile.own.set(RELEASED, sent);
            peer::send(&hostile.line, &[0], &[]);
            assert_eq!(sleeper.join().unwrap(), Ok(()), "{how:?}");
        });
        // Each release finds a new odd epoch and rings.
        for round in 0..64usize {
            hostile.own.set(SENDER_EPOCH, 2 * round as u64 + 1);
            hostile.own.ring(64 * (round + 1), 0);
            hostile.own.ring(64 * round, FRAME + 56);
            let frame = victim.receiver().recv_deadline(soon()).unwrap();
            assert_eq!(frame.len(), 56, "{how:?}");
        }
    }
}

#[test]
fn the_half_that_receives_waits_and_is_woken() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("spoiled bells of receivers");
    for how in ALL {
        let (mut victim, hostile) = victim(&format!("bells-recv-{how:?}"), Wait::Park);
        hostile
            .theirs
            .iter()
            .chain(&hostile.bells)
            .for_each(|bell| how.spoil(bell));
        for round in 0..20 {
            hostile.own.set(RECEIVER_EPOCH, 2 * round + 1);
            victim.sender().send_deadline(&[0; 8], soon()).unwrap();
        }
        let over = Instant::now() + Duration::from_millis(20);
        let outcome = victim.receiver().recv_deadline(over).map(drop);
        assert_eq!(outcome, Err(RecvError::TimedOut), "{how:?}");
        thread::scope(|scope| {
            let sleeper = scope.spawn(|| victim.receiver().recv_deadline(soon()).map(|f| f.len()));
            thread::sleep(Duration::from_millis(30));
            hostile.own.ring(0, FRAME | 8);
            peer::send(&hostile.line, &[0], &[]);
            assert_eq!(sleeper.join().unwrap(), Ok(8), "{how:?}");
        });
    }
}

#[test]
fn a_poller_waits_and_is_woken() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("spoiled bells in a poller");
    for how in ALL {
        let (victim, hostile) = victim(&format!("bells-poll-{how:?}"), Wait::Park);
        let mut poller: Poller = Poller::new().unwrap();
        poller.add(victim).unwrap();
        hostile
            .theirs
            .iter()
            .chain(&hostile.bells)
            .for_each(|bell| how.spoil(bell));
        for _ in 0..3 {
            let over = Instant::now() + Duration::from_millis(20);
            let event = poller.event_deadline(over).unwrap();
            assert!(event.is_none(), "{how:?}");
        }
        thread::scope(|scope| {
            let sleeper = scope.spawn(|| match poller.event_deadline(soon()).unwrap() {
                Some(Event::Ready(mut turn)) => turn.receiver().try_recv().map(|frame| frame.len()),
                _ => Err(RecvError::Empty),
            });
            thread::sleep(Duration::from_millis(30));
            hostile.own.ring(0, FRAME | 8);
            peer::send(&hostile.line, &[0], &[]);
            assert_eq!(sleeper.join().unwrap(), Ok(8), "{how:?}");
        });
    }
}
