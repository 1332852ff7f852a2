//! What a batcher's process leaves behind when it is killed or stopped, and what one hears whose peer is gone. Each test runs in a process of its own with a watchdog.

#[path = "crash/process.rs"]
mod process;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use process::{Child, Page, Random, alone, die_after, fork};
use ringway::batch::{Batcher, Bounds};
use ringway::{Config, Connection, Receiver, RecvError, SendError};

/// In the page: frames that were accepted, that are certain to be published, and a word to go on.
const ACCEPTED: usize = 0;
const PUBLISHED: usize = 1;
const GO: usize = 2;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// No side is refused because its processor was somebody else's for a while.
fn patient() -> Config {
    Config::new().handshake_timeout(Duration::from_secs(20))
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ringway-batch-end-{name}-{}", std::process::id()))
}

/// A child that connects to us and runs `body`; our connection to it.
fn with_child(name: &str, body: impl FnOnce(Connection)) -> (Connection, Child) {
    process::with_child(&path(name), &patient(), soon(), body)
}

/// Sends numbers, and notes how far they are certain to be published.
fn send(batcher: &mut Batcher, page: &Page) {
    let number = page.get(ACCEPTED);
    batcher
        .send_deadline(&number.to_le_bytes(), soon())
        .unwrap();
    page.set(ACCEPTED, number + 1);
    if !batcher.keeps_back() {
        page.set(PUBLISHED, number + 1);
    }
}

/// Receives numbers in order to the end. Returns how many there were, and the end.
fn drain(receiver: &mut Receiver) -> (u64, RecvError) {
    let mut expected = 0u64;
    loop {
        match receiver.recv_batch_deadline(100, soon()) {
            Ok(mut frames) => {
                while let Some(frame) = frames.next_frame() {
                    assert_eq!(frame.to_vec(), expected.to_le_bytes());
                    expected += 1;
                }
            }
            Err(error) => return (expected, error),
        }
    }
}

/// A batcher in whose group frames lie that nobody can see, on a ring of 256 KiB with a backlog.
fn open(connection: Connection, page: &Page) -> (Batcher, Receiver) {
    let (sender, receiver) = connection.split();
    let bounds = Bounds::new().budget(Duration::from_secs(3600));
    let mut batcher = Batcher::new(sender, bounds);
    while page.get(ACCEPTED) < page.get(PUBLISHED) + 3 {
        send(&mut batcher, page);
    }
    (batcher, receiver)
}

#[test]
fn a_killed_sender_leaves_exactly_what_it_published() {
    alone(
        "a_killed_sender_leaves_exactly_what_it_published",
        Duration::from_secs(60),
        || {
            for _ in 0..10 {
                let page = Page::new();
                let (mut ours, mut child) = with_child("open", |theirs| {
                    let _open = open(theirs, &page);
                    page.set(GO, 1);
                    std::thread::sleep(Duration::from_secs(50));
                });
                page.until(GO, 1);
                child.signal(libc::SIGKILL);
                child.reap_killed();
                let (received, end) = drain(ours.receiver());
                assert_eq!((received, end), (page.get(PUBLISHED), RecvError::PeerDied));
                assert_eq!(page.get(ACCEPTED), received + 3);
            }
        },
    );
}

#[test]
fn a_sender_that_is_killed_at_any_moment_loses_at_most_a_group() {
    alone(
        "a_sender_that_is_killed_at_any_moment_loses_at_most_a_group",
        Duration::from_secs(120),
        || {
            let mut random = Random::new(7);
            for round in 0..100 {
                let page = Page::new();
                let delay = Duration::from_nanos(random.below(3_000_000));
                let (mut ours, mut child) = with_child("any", |theirs| {
                    let (sender, _receiver) = theirs.split();
                    let mut batcher = Batcher::new(sender, Bounds::new().frames(16));
                    die_after(delay);
                    loop {
                        send(&mut batcher, &page);
                    }
                });
                let (received, end) = drain(ours.receiver());
                assert_eq!(end, RecvError::PeerDied);
                child.reap_killed();
                let (accepted, published) = (page.get(ACCEPTED), page.get(PUBLISHED));
                // The kill can fall between a frame and its note.
                assert!(
                    received >= published && received <= accepted + 1,
                    "round {round}"
                );
                assert!(accepted - received.min(accepted) < 16, "round {round}");
            }
        },
    );
}

/// No time counts while a process is stopped, and its first turn after it finds the deadline passed.
#[test]
fn a_sender_that_was_stopped_publishes_when_it_goes_on() {
    alone(
        "a_sender_that_was_stopped_publishes_when_it_goes_on",
        Duration::from_secs(60),
        || {
            let page = Page::new();
            let (mut ours, mut child) = with_child("stopped", |theirs| {
                let (sender, _receiver) = theirs.split();
                let budget = Duration::from_millis(200);
                let mut batcher = Batcher::new(sender, Bounds::new().budget(budget));
                while page.get(ACCEPTED) < page.get(PUBLISHED) + 3 {
                    send(&mut batcher, &page);
                    if batcher.flush_due(Instant::now()) {
                        page.set(PUBLISHED, page.get(ACCEPTED));
                    }
                }
                page.set(GO, 1);
                // The owner: it sleeps until the deadline, and comes round until there is nothing left.
                while let Some(deadline) = batcher.deadline() {
                    std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
                    page.until(GO, 2);
                    batcher.flush_due(Instant::now());
                }
                page.set(GO, 3);
                std::thread::sleep(Duration::from_secs(50));
            });
            page.until(GO, 1);
            child.signal(libc::SIGSTOP);
            let mut status = 0;
            // SAFETY: `status` is valid for writes.
            unsafe { libc::waitpid(child.pid, &raw mut status, libc::WUNTRACED) };
            assert!(libc::WIFSTOPPED(status));
            let (published, accepted) = (page.get(PUBLISHED), page.get(ACCEPTED));
            let receiver = ours.receiver();
            for number in 0..published {
                let frame = receiver.recv_deadline(soon()).unwrap();
                assert_eq!(frame.to_vec(), number.to_le_bytes());
            }
            // Longer than the budget.
            let later = Instant::now() + Duration::from_millis(400);
            assert_eq!(
                receiver.recv_deadline(later).map(drop),
                Err(RecvError::TimedOut)
            );
            child.signal(libc::SIGCONT);
            page.set(GO, 2);
            for number in published..accepted {
                let frame = receiver.recv_deadline(soon()).unwrap();
                assert_eq!(frame.to_vec(), number.to_le_bytes());
            }
            page.until(GO, 3);
            child.signal(libc::SIGKILL);
            child.reap_killed();
            assert_eq!(receiver.recv().map(drop), Err(RecvError::PeerDied));
        },
    );
}

#[test]
fn a_batcher_hears_that_its_peer_died() {
    alone(
        "a_batcher_hears_that_its_peer_died",
        Duration::from_secs(60),
        || {
            for way in 0..3 {
                let page = Page::new();
                let (ours, mut child) = with_child("died", |_theirs| {
                    std::thread::sleep(Duration::from_secs(50));
                });
                let (mut batcher, mut receiver) = open(ours, &page);
                child.signal(libc::SIGKILL);
                child.reap_killed();
                match way {
                    // It asks, ...
                    0 => assert_eq!(batcher.check(), Err(SendError::PeerDied)),
                    // ... or its other half has heard, and it opens the next group, ...
                    1 => {
                        assert_eq!(receiver.recv().map(drop), Err(RecvError::PeerDied));
                        batcher.flush();
                    }
                    // ... or the ring is full.
                    _ => while batcher.send_deadline(&[1; 1000], soon()).is_ok() {},
                }
                assert_eq!(batcher.send(b"more"), Err(SendError::PeerDied), "way {way}");
                assert!(!batcher.keeps_back());
                batcher.flush();
                assert_eq!(batcher.into_sender().check(), Err(SendError::PeerDied));
            }
        },
    );
}

#[test]
fn a_forked_child_publishes_nothing() {
    alone(
        "a_forked_child_publishes_nothing",
        Duration::from_secs(60),
        || {
            let page = Page::new();
            let name = path("forked");
            let mut listener = patient().bind(name.as_path()).unwrap();
            let client = std::thread::spawn(move || patient().connect(name).unwrap());
            let mut there = listener.accept_deadline(soon()).unwrap();
            let (mut batcher, _receiver) = open(client.join().unwrap(), &page);
            let mut child = fork(|| {
                assert!(!batcher.keeps_back());
                assert_eq!(batcher.deadline(), None);
                assert_eq!(batcher.send(b"child"), Err(SendError::Forked));
                assert_eq!(batcher.try_send(b"child"), Err(SendError::Forked));
                batcher.flush();
                assert!(!batcher.flush_due(soon()));
                assert_eq!(batcher.check(), Err(SendError::Forked));
            });
            assert_eq!(child.reap(), 0);
            assert!(batcher.keeps_back());
            drop(batcher);
            let (received, end) = drain(there.receiver());
            assert_eq!((received, end), (page.get(ACCEPTED), RecvError::Closed));
        },
    );
}
