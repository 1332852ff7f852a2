//! A process that is killed or stopped when it has said goodbye and not rung yet: the goodbye counts, and is heard.

use std::time::Instant;

use ringway::{Connection, ConnectionCounters, LaneCounters, RecvError, SendError, Wait};

use super::instants::{LIMIT, RINGS, in_time, small, while_asleep};
use super::process::{Page, alone};
use super::traced::{self, Traced, halt};
use super::with_child_by;

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
