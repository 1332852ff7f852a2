//! A process that is killed or stopped when it has said goodbye and not rung yet, or for one of its halves and not for the other yet: what was said counts, and is heard.

use std::time::{Duration, Instant};

use ringway::{Connection, ConnectionCounters, LaneCounters, RecvError, SendError, Wait};

use super::instants::{LIMIT, RINGS, in_time, small, while_asleep};
use super::process::{Page, alone};
use super::traced::{self, Traced, halt};
use super::{soon, with_child_by};

/// What becomes of who has come to its bell.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    IsKilled,
    StandsStill,
    GoesOn,
}

const ALL: [Then; 3] = [Then::IsKilled, Then::StandsStill, Then::GoesOn];

/// A child that drops what `says_goodbye` takes from its end, to its bell. Returns what `wait` came to, when it ended, and until when it was to wait.
fn at_the_bell<T: Send>(
    name: &str,
    half: fn(&ConnectionCounters) -> LaneCounters,
    then: Then,
    says_goodbye: fn(Connection) -> Option<ringway::Sender>,
    wait: impl Fn(&mut Connection, Option<Instant>) -> T + Sync,
) -> (T, Instant, Option<Instant>) {
    in_time(name, |name, patience| {
        let page = Page::new();
        let (mut ours, child) = with_child_by(&small(Wait::Park), name, |theirs| {
            halt();
            let _kept = says_goodbye(theirs);
            page.until(0, 1);
        });
        let child = Traced::new(child);
        // Only who stands still is found by nothing but the sleeper's own deadline.
        let until = (then == Then::StandsStill).then(|| Instant::now() + patience);
        let (outcome, ended, child) = while_asleep(
            name,
            half,
            until,
            || wait(&mut ours, until),
            || {
                match until {
                    Some(until) if !child.enter_before(&RINGS, until) => return None,
                    Some(_) => {}
                    None => child.enter(&RINGS),
                }
                Some(match then {
                    Then::IsKilled => {
                        child.kill();
                        None
                    }
                    Then::StandsStill => Some(Err(child)),
                    Then::GoesOn => Some(Ok(child.let_go())),
                })
            },
        )?;
        page.set(0, 1);
        if let Some(child) = child {
            let mut child = child.unwrap_or_else(Traced::let_go);
            assert_eq!(child.reap(), 0);
        }
        Some((outcome, ended, until))
    })
}

#[test]
fn a_goodbye_before_its_bell_is_heard_by_the_receiver() {
    let name = "goodbye::a_goodbye_before_its_bell_is_heard_by_the_receiver";
    alone(name, LIMIT, || {
        if !traced::is_there() {
            return;
        }
        for then in ALL {
            let (end, ended, until) = at_the_bell(
                &format!("goodbye-{then:?}"),
                |counters| counters.receives,
                then,
                |theirs| {
                    drop(theirs.split().0);
                    None
                },
                |ours, until| match until {
                    Some(until) => ours.receiver().recv_deadline(until).map(drop),
                    None => ours.receiver().recv().map(drop),
                },
            );
            assert_eq!(end, Err(RecvError::Closed), "{then:?}");
            assert!(until.is_none_or(|until| ended >= until), "who has rung?");
        }
    });
}

#[test]
fn a_goodbye_before_its_bell_is_heard_by_the_sender() {
    let name = "goodbye::a_goodbye_before_its_bell_is_heard_by_the_sender";
    alone(name, LIMIT, || {
        if !traced::is_there() {
            return;
        }
        for then in ALL {
            let (end, ended, until) = at_the_bell(
                &format!("leave-{then:?}"),
                |counters| counters.sends,
                then,
                |theirs| {
                    let (sender, receiver) = theirs.split();
                    drop(receiver);
                    Some(sender)
                },
                |ours, until| {
                    while ours.sender().try_send(&[0; 56]).is_ok() {}
                    match until {
                        Some(until) => ours.sender().send_deadline(&[1; 56], until),
                        None => ours.sender().send(&[1; 56]),
                    }
                },
            );
            assert_eq!(end, Err(SendError::Closed), "{then:?}");
            assert!(until.is_none_or(|until| ended >= until), "who has rung?");
        }
    });
}

/// A process that is stepped through is slow where there is much to do besides.
const PATIENCE: Duration = Duration::from_secs(300);

/// A half of who goes. Each says a goodbye of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Half {
    Receiver,
    Sender,
}

/// Which says it first, and which one then. A connection that is dropped as a whole does so by its receiver first.
const ORDERS: [(Half, Half); 2] = [
    (Half::Receiver, Half::Sender),
    (Half::Sender, Half::Receiver),
];

/// What the survivor says once both were said.
const BOTH: (SendError, RecvError) = (SendError::Closed, RecvError::Closed);

/// Whether the survivor hears the goodbye of that half, now.
fn hears(ours: &mut Connection, half: Half) -> bool {
    match half {
        Half::Receiver => match ours.sender().check() {
            Ok(()) => false,
            Err(SendError::Closed) => true,
            Err(error) => panic!("{error}"),
        },
        Half::Sender => match ours.receiver().try_recv().map(drop) {
            Err(RecvError::Empty) => false,
            Err(RecvError::Closed) => true,
            other => panic!("{other:?}"),
        },
    }
}

/// Our end, whose last frame the dead side has not received, and a child that is about to drop its own. The last frame that it has sent is held here, and read.
fn about_to_go(first: Half) -> (Connection, Traced) {
    let (mut ours, child) = with_child_by(&small(Wait::Park), "halves", |mut theirs| {
        theirs.sender().send(b"last").unwrap();
        halt();
        match first {
            Half::Receiver => drop(theirs),
            Half::Sender => {
                let (sender, receiver) = theirs.split();
                drop(sender);
                drop(receiver);
            }
        }
    });
    let child = Traced::new(child);
    ours.sender().send(b"unread").unwrap();
    ours.receiver().hold(true);
    assert_eq!(ours.receiver().recv().unwrap().to_vec(), b"last");
    (ours, child)
}

/// One instruction after the other until the goodbye of that half. Returns how many.
fn to_goodbye(ours: &mut Connection, child: &Traced, half: Half) -> usize {
    let mut steps = 0;
    while !hears(ours, half) {
        child.step();
        steps += 1;
    }
    steps
}

/// The end of both directions, as it is told each time from now on, behind the last frame.
fn ends(ours: &mut Connection) -> (SendError, RecvError) {
    ours.receiver().rewind();
    let last = ours.receiver().recv_deadline(soon()).map(|it| it.to_vec());
    assert_eq!(last, Ok(b"last".to_vec()), "what it had committed");
    let received = ours.receiver().recv_deadline(soon()).map(drop).unwrap_err();
    // At the latest when its lap is over.
    let sent = loop {
        if let Err(error) = ours.sender().send_deadline(&[1; 56], soon()) {
            break error;
        }
    };
    for _ in 0..2 {
        assert_eq!(ours.receiver().try_recv().map(drop), Err(received));
        assert_eq!(ours.sender().try_send(b"more"), Err(sent));
        assert_eq!(ours.sender().check(), Err(sent));
    }
    (sent, received)
}

#[test]
fn a_kill_between_the_two_goodbyes_of_a_connection_is_a_death_for_one_half_only() {
    let name =
        "goodbye::a_kill_between_the_two_goodbyes_of_a_connection_is_a_death_for_one_half_only";
    alone(name, PATIENCE, || {
        if !traced::is_there() {
            return;
        }
        for (first, second) in ORDERS {
            let (mut ours, child) = about_to_go(first);
            let before = to_goodbye(&mut ours, &child, first);
            let between = to_goodbye(&mut ours, &child, second);
            println!("{first:?}: {before} instructions, then {between}");
            assert!(
                before > 10 && between > 10,
                "{first:?}: {before}, {between}"
            );
            child.kill();
            assert_eq!(ends(&mut ours), BOTH, "{first:?}: both were said");

            let one = match first {
                Half::Receiver => (SendError::Closed, RecvError::PeerDied),
                Half::Sender => (SendError::PeerDied, RecvError::Closed),
            };
            // How many there are between the two may differ a little from one process to the next.
            for at in [0, between / 4, between / 2, between - 1] {
                let (mut ours, child) = about_to_go(first);
                to_goodbye(&mut ours, &child, first);
                (0..at).for_each(|_| child.step());
                let said = hears(&mut ours, second);
                assert!(!said || at == between - 1, "{first:?}: {at} of {between}");
                child.kill();
                let end = if said { BOTH } else { one };
                assert_eq!(ends(&mut ours), end, "{first:?}: {at} of {between}");
            }
        }
    });
}

#[test]
fn a_stop_between_the_two_goodbyes_of_a_connection_is_an_end_for_one_half_only() {
    let name =
        "goodbye::a_stop_between_the_two_goodbyes_of_a_connection_is_an_end_for_one_half_only";
    alone(name, PATIENCE, || {
        if !traced::is_there() {
            return;
        }
        for (first, second) in ORDERS {
            let (mut ours, child) = about_to_go(first);
            to_goodbye(&mut ours, &child, first);
            // It has all the time to hear something wrong.
            let until = Instant::now() + Duration::from_millis(500);
            match first {
                Half::Receiver => {
                    let received = ours.receiver().recv_deadline(until).map(drop);
                    assert_eq!(received, Err(RecvError::TimedOut));
                }
                Half::Sender => {
                    // It does not read: the ring fills.
                    let sent = loop {
                        if let Err(error) = ours.sender().send_deadline(&[1; 56], until) {
                            break error;
                        }
                    };
                    assert_eq!(sent, SendError::TimedOut);
                }
            }
            assert!(hears(&mut ours, first) && !hears(&mut ours, second));
            let mut child = child.let_go();
            assert_eq!(child.reap(), 0);
            assert_eq!(ends(&mut ours), BOTH, "{first:?}");
        }
    });
}
