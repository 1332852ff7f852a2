//! A peer is killed at a random moment: the survivor gets everything that was committed, unbroken, and then `PeerDied`.
//!
//! `RINGWAY_KILLS` sets how many (5,000 unless told). Each test runs in a process of its own with a watchdog.

mod attendant;
mod forks;
mod goodbye;
mod handshake;
mod instants;
mod lanes;
mod large;
mod listeners;
mod locks;
mod midway;
#[path = "../hostile/peer.rs"]
#[allow(
    dead_code,
    reason = "the scripted peer of the hostile tests; half of a handshake is all that is needed here"
)]
mod peer;
mod process;
mod slow;
mod stopped;
mod traced;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use process::{Child, Frames, Page, Random, alone, die_after, fork, holdings, threads_were_there};
use ringway::{Config, Connection, ErrorKind, Listener, RecvError, SendError, Wait};

const COMMITTED: usize = 0;
const WRONG: usize = 1;
const STEP: usize = 2;
/// The second frame of a group that may have found no room, and was then sent by itself.
const PARTED: usize = 3;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// A handshake may take as long as a loaded machine has it take: what it has by default may be too short.
fn patient() -> Config {
    Config::new().handshake_timeout(Duration::from_secs(20))
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ringway-crash-{name}-{}", std::process::id()))
}

/// Connects to a listener that another process is about to start.
fn connect(config: &Config, path: &Path) -> Connection {
    loop {
        match config.connect(path) {
            Ok(connection) => return connection,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                std::thread::sleep(Duration::from_micros(100));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Sends for ever, in every way there is, and notes in the page what has been committed.
fn send_and_note(connection: &mut Connection, seed: u64, page: &Page) {
    let sender = connection.sender();
    let mut frames = Frames::new(seed, sender.max_payload().min(2048));
    let mut frame = Vec::new();
    loop {
        frames.next(&mut frame);
        match frames.sequence % 4 {
            0 | 1 => sender.send(&frame).unwrap(),
            2 => {
                let mut reservation = sender.reserve(frame.len() + 7).unwrap();
                reservation[..frame.len()].copy_from_slice(&frame);
                reservation.commit_len(frame.len());
            }
            _ => {
                let mut group = sender.group();
                group.send(&frame).unwrap();
                frames.next(&mut frame);
                page.set(PARTED, frames.sequence);
                match group.try_send(&frame) {
                    Ok(()) => {
                        page.set(PARTED, 0);
                        group.publish();
                    }
                    Err(SendError::Full) => {
                        group.publish();
                        sender.send(&frame).unwrap();
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
        page.set(COMMITTED, frames.sequence);
    }
}

/// Receives and checks for ever; stops reading, but lives on, after `patience` frames.
fn receive_and_note(connection: &mut Connection, seed: u64, page: &Page, patience: u64) {
    let receiver = connection.receiver();
    let most = receiver.capacity();
    let mut frames = Frames::new(seed, page.get(STEP) as usize);
    let (mut frame, mut buffer) = (Vec::new(), vec![0; most]);
    while frames.sequence < patience {
        frames.next(&mut frame);
        let length = receiver.recv_into(&mut buffer).unwrap();
        if buffer[..length] != frame {
            page.set(WRONG, frames.sequence);
        }
    }
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// The survivor receives until the end.
fn drain(
    connection: &mut Connection,
    seed: u64,
    page: &Page,
    child: &mut Child,
    kill_at: u64,
    reap_first: bool,
) {
    let most = connection.sender().max_payload().min(2048);
    let receiver = connection.receiver();
    let mut frames = Frames::new(seed, most);
    let (mut frame, mut buffer) = (Vec::new(), vec![0; 4096]);
    let mut received = 0;
    let ended = loop {
        if received == kill_at {
            child.signal(libc::SIGKILL);
            if reap_first {
                child.reap_killed();
            }
        }
        match receiver.recv_into_deadline(&mut buffer, soon()) {
            Ok(length) => {
                frames.next(&mut frame);
                assert!(
                    buffer[..length] == frame,
                    "frame {received} of seed {seed} is not what was sent"
                );
                received += 1;
            }
            Err(error) => break error,
        }
    };
    assert_eq!(
        ended,
        RecvError::PeerDied,
        "seed {seed}, after {received} frames"
    );
    assert_eq!(
        receiver.recv_into_deadline(&mut buffer, soon()),
        Err(RecvError::PeerDied),
        "the end is final"
    );
    if received < kill_at || !reap_first {
        child.reap_killed();
    }
    // The third and the fourth of each four are a group.
    assert!(
        received % 4 != 3 || page.get(PARTED) == received + 1,
        "half a group arrived: {received} frames, seed {seed}"
    );
    let committed = page.get(COMMITTED);
    // The kill can fall between a commit, of a group of two at most, and its note.
    assert!(
        (committed..=committed + 2).contains(&received),
        "{committed} committed, {received} arrived, seed {seed}"
    );
}

/// The survivor sends until the end.
fn fill(connection: &mut Connection, seed: u64, page: &Page, child: &mut Child, kill_at: u64) {
    let sender = connection.sender();
    let mut frames = Frames::new(seed, sender.max_payload().min(2048));
    let mut frame = Vec::new();
    let ended = loop {
        if frames.sequence == kill_at {
            child.signal(libc::SIGKILL);
        }
        frames.next(&mut frame);
        if let Err(error) = sender.send_deadline(&frame, soon()) {
            break error;
        }
    };
    assert_eq!(
        ended,
        SendError::PeerDied,
        "seed {seed}, after {} frames",
        frames.sequence
    );
    assert_eq!(
        sender.send(b"more"),
        Err(SendError::PeerDied),
        "the end is final"
    );
    child.reap_killed();
    assert_eq!(
        page.get(WRONG),
        0,
        "the receiver saw a wrong frame, seed {seed}"
    );
}

fn kill_round(seed: u64, page: &Page, path: &Path, listener: &mut Listener) {
    let mut random = Random::new(seed);
    let child_sends = seed % 2 == 0;
    let child_listens = seed / 2 % 2 == 0;
    let by_timer = seed / 4 % 2 == 0;
    let wait = [Wait::Adaptive, Wait::Park, Wait::Spin][random.below(3) as usize];
    let capacity = 4096 << random.below(4);
    let config = Config::new()
        .wait(wait)
        .membarrier(seed / 8 % 2 == 0)
        .capacity(capacity)
        .peer_capacity(capacity)
        .handshake_timeout(Duration::from_secs(20));
    let delay = Duration::from_nanos(random.below(2_000_000));
    // A child that is to be killed by our count of frames sent must not have us block before we come to it.
    let patience = if by_timer {
        random.below(200)
    } else {
        u64::MAX
    };
    let kill_at = if by_timer {
        u64::MAX
    } else {
        random.below(100)
    };
    let own = path.with_extension("child");
    page.set(COMMITTED, 0);
    page.set(WRONG, 0);
    page.set(STEP, 0);
    page.set(PARTED, 0);
    let mut child = fork(|| {
        let mut connection = if child_listens {
            config
                .bind(own.as_path())
                .unwrap()
                .accept_deadline(soon())
                .unwrap()
        } else {
            config.connect(path).unwrap()
        };
        if !child_sends {
            while page.get(STEP) == 0 {
                std::thread::yield_now();
            }
        }
        if by_timer {
            die_after(delay);
        }
        if child_sends {
            send_and_note(&mut connection, seed, page);
        } else {
            receive_and_note(&mut connection, seed, page, patience);
        }
    });
    let mut connection = if child_listens {
        connect(&config, &own)
    } else {
        listener.accept_deadline(soon()).unwrap()
    };
    if child_sends {
        drain(
            &mut connection,
            seed,
            page,
            &mut child,
            kill_at,
            random.below(2) == 0,
        );
    } else {
        page.set(STEP, connection.sender().max_payload().min(2048) as u64);
        fill(&mut connection, seed, page, &mut child, kill_at);
    }
}

/// A share of the kills, in a process of its own. Four run at a time: a connection's making and end is mostly waiting for the kernel.
fn kills(name: &str, share: u64) {
    alone(name, Duration::from_secs(600), || {
        let all: u64 = std::env::var("RINGWAY_KILLS").map_or(5_000, |text| text.parse().unwrap());
        let kills = all.div_ceil(4).max(17);
        let (page, path) = (Page::new(), path(name));
        let config = Config::new()
            .handshake_timeout(Duration::from_secs(20))
            .capacity(1 << 16)
            .peer_capacity(1 << 16);
        let mut listener = config.bind(path.as_path()).unwrap();
        let mut before = (0, 0, 0);
        for round in 0..kills {
            if round == 16 {
                threads_were_there();
                before = holdings();
            }
            kill_round(share * kills + round, &page, &path, &mut listener);
        }
        assert_eq!(
            holdings(),
            before,
            "descriptors, mappings or shared mappings leak"
        );
        let _ = std::fs::remove_file(path.with_extension("child"));
        // The line belongs to who counts them: libtest has begun one with the test's name.
        println!("\n{kills} kills");
    });
}

#[test]
fn killed_peers_lose_nothing_first_share() {
    kills("killed_peers_lose_nothing_first_share", 0);
}

#[test]
fn killed_peers_lose_nothing_second_share() {
    kills("killed_peers_lose_nothing_second_share", 1);
}

#[test]
fn killed_peers_lose_nothing_third_share() {
    kills("killed_peers_lose_nothing_third_share", 2);
}

#[test]
fn killed_peers_lose_nothing_fourth_share() {
    kills("killed_peers_lose_nothing_fourth_share", 3);
}

/// A child that connects to us and runs `body`; our connection to it.
fn with_child(name: &str, body: impl FnOnce(Connection)) -> (Connection, Child) {
    with_child_by(&patient(), name, body)
}

/// The same with a configuration for both.
fn with_child_by(
    config: &Config,
    name: &str,
    body: impl FnOnce(Connection),
) -> (Connection, Child) {
    process::with_child(&path(name), config, soon(), body)
}

#[test]
fn an_orderly_close_is_closed_after_the_last_frame() {
    alone(
        "an_orderly_close_is_closed_after_the_last_frame",
        Duration::from_secs(60),
        || {
            let (mut ours, mut child) = with_child("orderly", |mut theirs| {
                (0..100u8).for_each(|n| theirs.sender().send(&[n]).unwrap());
            });
            // The process has ended as well: the goodbye counts.
            assert_eq!(child.reap(), 0);
            for n in 0..100 {
                assert_eq!(ours.receiver().recv_deadline(soon()).unwrap().to_vec(), [n]);
            }
            assert_eq!(
                ours.receiver().recv_deadline(soon()).err(),
                Some(RecvError::Closed)
            );
        },
    );
}

#[test]
fn a_stopped_peer_is_not_dead() {
    alone(
        "a_stopped_peer_is_not_dead",
        Duration::from_secs(60),
        || {
            let (mut ours, mut child) = with_child("stop", |theirs| {
                let (mut sender, mut receiver) = theirs.split();
                while let Ok(frame) = receiver.recv() {
                    let bytes = frame.to_vec();
                    drop(frame);
                    sender.send(&bytes).unwrap();
                }
            });
            for n in 0..3 {
                ours.sender().send(&[n]).unwrap();
                assert_eq!(ours.receiver().recv_deadline(soon()).unwrap().to_vec(), [n]);
                child.stop();
                ours.sender().send(b"asleep?").unwrap();
                let deadline = Instant::now() + Duration::from_millis(300);
                assert_eq!(
                    ours.receiver().recv_deadline(deadline).err(),
                    Some(RecvError::TimedOut)
                );
                let late = Instant::now().saturating_duration_since(deadline);
                assert!(late < Duration::from_secs(20), "{late:?} late");
                child.signal(libc::SIGCONT);
                assert_eq!(
                    ours.receiver().recv_deadline(soon()).unwrap().to_vec(),
                    b"asleep?"
                );
            }
            drop(ours);
            assert_eq!(child.reap(), 0);
        },
    );
}

#[test]
fn who_only_polls_hears_of_the_death_too() {
    alone(
        "who_only_polls_hears_of_the_death_too",
        Duration::from_secs(60),
        || {
            let (mut ours, child) = with_child("poll", |_theirs| {
                std::thread::sleep(Duration::from_secs(50));
            });
            assert_eq!(ours.receiver().try_recv().err(), Some(RecvError::Empty));
            while ours.sender().try_send(&[0; 1000]).is_ok() {}
            assert_eq!(ours.sender().try_send(&[0; 1000]), Err(SendError::Full));
            child.signal(libc::SIGKILL);
            while ours.receiver().try_recv().err() == Some(RecvError::Empty) {}
            assert_eq!(ours.receiver().try_recv().err(), Some(RecvError::PeerDied));
            while ours.sender().try_send(&[0; 1000]) == Err(SendError::Full) {}
            assert_eq!(ours.sender().try_send(&[0; 1000]), Err(SendError::PeerDied));
        },
    );
}
