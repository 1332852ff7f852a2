//! A process that was stopped: its timers and deadlines, and the frames that came and expired meanwhile.

use std::time::{Duration, Instant};

use ringway::{Config, Connection, RecvError, SendError, Wait};

use crate::in_time;
use crate::process::{self, Child, Page, alone};

const READY: usize = 0;
const FOUND: usize = 1;
const TOOK: usize = 2;
/// The frame was sent.
const SENT: usize = 3;
const DROPPED: usize = 3;

fn path(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("ringway-stopped-{name}-{}", std::process::id()))
}

/// Our end, and a child that has the other and runs `body` with it.
fn with_child(name: &str, config: &Config, body: impl FnOnce(Connection)) -> (Connection, Child) {
    let soon = Instant::now() + Duration::from_secs(20);
    // Neither is refused because its processor was somebody else's for a while.
    let config = config.clone().handshake_timeout(Duration::from_secs(20));
    process::with_child(&path(name), &config, soon, body)
}

fn stop(child: &Child) {
    child.signal(libc::SIGSTOP);
    let mut status = 0;
    // SAFETY: `status` is valid for writes.
    let stopped = unsafe { libc::waitpid(child.pid, &raw mut status, libc::WUNTRACED) };
    assert_eq!(stopped, child.pid);
    assert!(libc::WIFSTOPPED(status));
}

/// Frames that expire while their receiver is stopped are dropped when it goes on, those that do not are received, and a wait's deadline that passed meanwhile holds.
#[test]
fn what_expires_while_the_receiver_is_stopped_is_dropped() {
    alone(
        "stopped::what_expires_while_the_receiver_is_stopped_is_dropped",
        Duration::from_secs(60),
        || {
            for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
                let page = Page::new();
                let config = Config::new().wait(wait).drop_expired(true);
                let (mut ours, mut child) =
                    with_child(&format!("{wait:?}"), &config, |mut theirs| {
                        page.set(READY, 1);
                        let receiver = theirs.receiver();
                        let frame = receiver.recv().unwrap().to_vec();
                        page.set(FOUND, u64::from(frame[0]));
                        page.set(DROPPED, receiver.expired());
                        page.set(READY, 2);
                        let frame = receiver.recv().unwrap().to_vec();
                        assert_eq!(frame, [2]);
                    });
                page.until(READY, 1);
                std::thread::sleep(Duration::from_millis(20));
                stop(&child);
                // Where the processor is taken away just here, all of them are late before the first is sent: then others are.
                let sent = loop {
                    let expires = Instant::now() + Duration::from_millis(30);
                    let sent = (0..200)
                        .filter(|_| ours.sender().send_expiring(b"stale", expires).is_ok())
                        .count();
                    if sent > 0 {
                        break sent;
                    }
                };
                ours.sender().send(&[1]).unwrap();
                std::thread::sleep(Duration::from_millis(40));
                child.signal(libc::SIGCONT);
                page.until(READY, 2);
                assert_eq!(
                    (page.get(FOUND), page.get(DROPPED)),
                    (1, sent as u64),
                    "{wait:?}"
                );
                ours.sender().send(&[2]).unwrap();
                assert_eq!(child.reap(), 0);
            }
        },
    );
}

/// A wait whose deadline passed while the process was stopped says so as soon as it goes on; and what came meanwhile is received, by that wait or the next call.
#[test]
fn a_wait_whose_deadline_passed_while_it_was_stopped_ends_at_once() {
    alone(
        "stopped::a_wait_whose_deadline_passed_while_it_was_stopped_ends_at_once",
        Duration::from_secs(60),
        || {
            for (wait, sends) in [Wait::Spin, Wait::Adaptive, Wait::Park]
                .into_iter()
                .flat_map(|wait| [(wait, false), (wait, true)])
            {
                // Where we get the processor too late to stop it, it waits longer the next time.
                let mut patience = (0..5).map(|power| Duration::from_millis(100 << power));
                let stopped = patience.any(|patience| ends_while_stopped(wait, sends, patience));
                assert!(stopped, "it was stopped beyond its deadline");
            }
        },
    );
}

/// Stops a child that waits for so long, and lets it go on when its deadline has passed. Whether it was stopped in time: not, where its wait had ended by then.
fn ends_while_stopped(wait: Wait, sends: bool, patience: Duration) -> bool {
    let page = Page::new();
    let config = Config::new().wait(wait);
    let name = format!("wait{wait:?}{sends}{}", patience.as_millis());
    let (mut ours, mut child) = with_child(&name, &config, |mut theirs| {
        let receiver = theirs.receiver();
        let deadline = Instant::now() + patience;
        page.set(READY, 1);
        let outcome = receiver.recv_deadline(deadline).map(|frame| frame.len());
        assert!(Instant::now() >= deadline, "early: {outcome:?}");
        let sent = page.get(SENT) == 1;
        page.set(TOOK, deadline.elapsed().as_millis() as u64);
        match outcome {
            Err(RecvError::TimedOut) => page.set(FOUND, 1),
            Ok(5) => page.set(FOUND, 2),
            other => panic!("{other:?}"),
        }
        if outcome.is_err() && sent {
            assert_eq!(receiver.try_recv().unwrap().len(), 5);
            page.set(FOUND, 3);
        }
        page.set(READY, 2);
        // It may be done before we stop it, and is there all the same.
        page.until(READY, 3);
    });
    page.until(READY, 1);
    std::thread::sleep(Duration::from_millis(30));
    stop(&child);
    if sends {
        ours.sender().send(b"frame").unwrap();
        page.set(SENT, 1);
    }
    std::thread::sleep(patience + Duration::from_millis(200));
    let went_on = Instant::now();
    child.signal(libc::SIGCONT);
    page.until(READY, 2);
    // The watchdog bounds it; how long it took from the SIGCONT on is for whoever reads the log.
    let since = went_on.elapsed();
    println!("{wait:?}, a frame {sends}: ended {since:?} after SIGCONT");
    let (late, found) = (page.get(TOOK) >= 100, page.get(FOUND));
    if !sends {
        assert_eq!(found, 1, "{wait:?}");
    } else if !late {
        assert_ne!(found, 2, "{wait:?}: it came behind the wait");
    }
    // Where all stood still, it may have been late, and no frame there yet.
    let stopped = late && (!sends || found != 1);
    page.set(READY, 3);
    assert_eq!(child.reap(), 0);
    stopped
}

/// The same for a sender that waits for room.
#[test]
fn a_sender_whose_frame_expired_while_it_was_stopped_says_so() {
    alone(
        "stopped::a_sender_whose_frame_expired_while_it_was_stopped_says_so",
        Duration::from_secs(60),
        || {
            let page = Page::new();
            let config = Config::new().capacity(4096).peer_capacity(4096);
            let (mut ours, mut child) = with_child("sender", &config, |mut theirs| {
                let sender = theirs.sender();
                while sender.try_send(&[0; 100]).is_ok() {}
                let expires = Instant::now() + Duration::from_millis(100);
                page.set(READY, 1);
                let outcome = sender.send_expiring(&[7; 100], expires);
                assert!(outcome.is_err(), "{outcome:?}");
                page.set(READY, 2);
                sender.send(&[8; 100]).unwrap();
            });
            page.until(READY, 1);
            std::thread::sleep(Duration::from_millis(20));
            stop(&child);
            std::thread::sleep(Duration::from_millis(200));
            child.signal(libc::SIGCONT);
            page.until(READY, 2);
            let mut last = 0;
            while let Ok(frame) = ours.receiver().recv() {
                last = frame.to_vec()[0];
                assert_ne!(last, 7, "it had expired");
            }
            assert_eq!(last, 8);
            assert_eq!(child.reap(), 0);
        },
    );
}

/// A sender that is refused each time, and whose other half nobody uses, hears that its peer was killed.
#[test]
fn a_death_behind_sends_that_are_refused_is_heard() {
    alone(
        "stopped::a_death_behind_sends_that_are_refused_is_heard",
        Duration::from_secs(60),
        || {
            for refusal in [SendError::QueueTooLong, SendError::Expired] {
                hears_of_a_death_when_refused_by(refusal);
            }
        },
    );
}

fn hears_of_a_death_when_refused_by(refusal: SendError) {
    let page = Page::new();
    let config = Config::new().capacity(1 << 16).peer_capacity(1 << 16);
    let (mut ours, mut child) = with_child("refused", &config, |_theirs| {
        page.set(READY, 1);
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    page.until(READY, 1);
    let hour = Instant::now() + Duration::from_secs(3600);
    while ours.sender().try_send_expiring(&[0; 1000], hour).is_ok() {}
    std::thread::sleep(Duration::from_millis(60));
    let mut refused = || {
        let mut send = |expires| ours.sender().try_send_expiring(&[0; 1000], expires);
        if refusal == SendError::Expired {
            return send(Instant::now());
        }
        in_time(send)
    };
    assert_eq!(refused(), Err(refusal));
    child.signal(libc::SIGKILL);
    child.reap_killed();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match refused() {
            Err(SendError::PeerDied) => break,
            Err(other) if other == refusal && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(1));
            }
            other => panic!("{other:?}"),
        }
    }
}
