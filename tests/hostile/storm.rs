//! Ten thousand handshakes that stop half way, in waves: an honest client in the middle of each is served within a bounded number of steps, and nothing is left behind.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringway::{Config, Event, Poller};

use crate::peer::{self, HalfOpen, Watchdog, readable, soon};
use crate::random::Random;

/// How many, for a listener and for a poller together.
const ALL: usize = 10_000;
/// How many are open at once: as many as the descriptors of most systems allow.
const WAVE: usize = 250;
/// The listener waits for a client's next word for so long.
const PATIENCE: Duration = Duration::from_millis(20);
/// Steps that may go to an honest client by itself, on top of one for each who is in front of it.
const SPARE: usize = 64;

fn config() -> Config {
    Config::new()
        .capacity(peer::RING)
        .peer_capacity(peer::RING)
        .handshake_timeout(PATIENCE)
}

/// Mappings of memory files, and threads: what a handshake may leave behind besides descriptors.
fn holdings() -> (usize, usize) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let threads = std::fs::read_dir("/proc/self/task").unwrap().count();
    let files = maps.lines().filter(|line| line.contains("memfd:")).count();
    (files, threads)
}

/// Opens a wave. Those that find the queue full are left out.
fn wave(path: &Path, random: &mut Random) -> Vec<OwnedFd> {
    let half = |_| {
        let kind = HalfOpen::ALL[random.next() as usize % HalfOpen::ALL.len()];
        kind.open(path).ok()
    };
    (0..WAVE).filter_map(half).collect()
}

/// An honest client, whose one frame is answered.
fn honest(path: &Path, attempts: &AtomicUsize) {
    let mut client = peer::let_in(path, || {
        attempts.fetch_add(1, Ordering::Relaxed);
    });
    client.sender().send_deadline(b"honest", soon()).unwrap();
    let answer = client.receiver().recv_deadline(soon()).unwrap();
    assert_eq!(answer.to_vec(), b"answer");
}

/// Waits until no more is held than before.
fn nothing_is_left(before: usize, held: (usize, usize)) {
    peer::no_leak(before);
    let until = soon();
    while holdings().0 > held.0 {
        assert!(
            Instant::now() < until,
            "{:?}, and before {held:?}",
            holdings()
        );
        thread::sleep(Duration::from_millis(2));
    }
    // Those that close what is slow to close, and they end by themselves.
    assert!(holdings().1 <= held.1 + 16, "{:?}", holdings());
}

#[test]
fn thousands_of_half_opened_handshakes_hold_no_client_of_a_listener_up() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("a storm at a listener");
    let mut random = Random::new(0x0005_7082_a11a);
    let (before, held) = (peer::open_descriptors(), holdings());
    let mut listener = config().bind(peer::path("storm")).unwrap();
    let path = listener.path().to_path_buf();
    let (mut opened, mut most) = (0, 0);
    while opened < ALL / 2 {
        let lines = wave(&path, &mut random);
        opened += lines.len();
        let attempts = AtomicUsize::new(0);
        let (client, more) = thread::scope(|scope| {
            let client = scope.spawn(|| honest(&path, &attempts));
            let (mut server, mut steps) = (None, 0);
            while server.is_none() {
                assert!(
                    readable(listener.as_fd(), 10_000),
                    "nothing is told any more"
                );
                server = listener.try_accept().unwrap();
                steps += 1;
                let most = WAVE + SPARE * attempts.load(Ordering::Relaxed).max(1);
                assert!(steps < most, "{steps} steps");
            }
            let mut server = server.unwrap();
            let frame = server.receiver().recv_deadline(soon()).unwrap();
            assert_eq!(frame.to_vec(), b"honest");
            drop(frame);
            server.sender().send_deadline(b"answer", soon()).unwrap();
            (client.join(), steps)
        });
        client.unwrap();
        most = most.max(more);
        drop(lines);
        while listener.handshakes() > 0 {
            assert!(
                readable(listener.as_fd(), 10_000),
                "nothing is told any more"
            );
            assert!(listener.try_accept().unwrap().is_none());
        }
    }
    println!(
        "{opened} half-opened, {} refused; an honest client took {most} steps at most",
        listener.refusals()
    );
    assert!(listener.refusals() > 0);
    drop(listener);
    nothing_is_left(before, held);
}

#[test]
fn thousands_of_half_opened_handshakes_hold_no_client_of_a_poller_up() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("a storm at a poller");
    let mut random = Random::new(0x0005_7082_b22b);
    let (before, held) = (peer::open_descriptors(), holdings());
    let listener = config().bind(peer::path("storm-poller")).unwrap();
    let path = listener.path().to_path_buf();
    let mut poller: Poller = Poller::new().unwrap();
    let door = poller.listen(listener, |connection| connection).unwrap();
    // One that was there before is served all the while.
    let (mut opened, mut served, mut most) = (0, 0, 0);
    while opened < ALL / 2 {
        let lines = wave(&path, &mut random);
        opened += lines.len();
        let attempts = AtomicUsize::new(0);
        thread::scope(|scope| {
            let client = scope.spawn(|| honest(&path, &attempts));
            let (mut gone, mut events) = (false, 0);
            while !gone {
                events += 1;
                assert!(events < SPARE, "{events} events of one client");
                match poller.event_deadline(soon()).unwrap() {
                    Some(Event::Connected(_)) => {}
                    Some(Event::Ready(mut turn)) => {
                        while turn.more() {
                            let (sender, receiver) = turn.halves();
                            assert_eq!(receiver.recv().unwrap().to_vec(), b"honest");
                            sender.try_send(b"answer").unwrap();
                            served += 1;
                        }
                    }
                    Some(Event::Ended(_)) => gone = true,
                    other => panic!("{other:?}"),
                }
            }
            most = most.max(events);
            client.join().unwrap();
        });
        drop(lines);
        // Until the poller has seen all of them leave; it tells nothing of that.
        while poller.listener(door).unwrap().handshakes() > 0 {
            let soon = Instant::now() + Duration::from_millis(1);
            assert!(poller.event_deadline(soon).unwrap().is_none());
        }
    }
    let refusals = poller.listener(door).unwrap().refusals();
    println!(
        "{opened} half-opened, {refusals} refused; {served} clients, {most} events at most for one"
    );
    assert!(refusals > 0 && served > 0);
    drop(poller);
    nothing_is_left(before, held);
}
