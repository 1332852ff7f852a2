//! Many clients, some of which are not nice.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};
use ringway::{Config, Connection, Event, Poller, RecvError, SendError, Wait};

use crate::peer;
use crate::process::{alone, fork};
use crate::server::{Client, Seen, answer, ask, path, serve, smallest, soon, two_clients};

const LIMIT: Duration = Duration::from_secs(120);
const CROWD: usize = 100;
/// Threads of the nice ones among a thousand.
const THREADS: usize = 8;
/// Frames in a turn.
const BUDGET: u32 = 16;

/// Who floods has one turn while each other one that waits has one.
#[test]
fn a_flooder_has_a_turn_as_everybody_else() {
    let name = path("fair");
    let mut poller = Poller::new().unwrap();
    poller.budget(BUDGET);
    let config = smallest()
        .wait(Wait::Adaptive)
        .capacity(1 << 16)
        .raise_descriptor_limit(true);
    poller
        .listen(config.bind(name.as_path()).unwrap(), Client::new)
        .unwrap();
    let mut clients: Vec<Connection> = Vec::new();
    thread::scope(|scope| {
        let connecting = scope.spawn(|| -> Vec<_> {
            (0..CROWD)
                .map(|_| config.connect(name.as_path()).unwrap())
                .collect()
        });
        let mut seen = Seen::default();
        serve(&mut poller, &mut seen, |seen| seen.connected == CROWD);
        clients = connecting.join().unwrap();
    });
    // The flooder has 1,000 frames in its ring, each other one has three.
    let flood = 1000;
    for (index, client) in clients.iter_mut().enumerate() {
        for _ in 0..if index == 0 { flood } else { 3 } {
            client.sender().send(b"question").unwrap();
        }
    }
    let (mut turns, mut flooded, mut answered) = (0, Vec::new(), 0);
    let mut flooder = None;
    while answered < 3 * (CROWD as u64 - 1) + flood {
        match poller.event_deadline(soon()).unwrap() {
            Some(Event::Ready(turn)) => {
                let token = turn.token();
                let count = answer(turn);
                assert!(count <= u64::from(BUDGET), "{count} frames in a turn");
                if count > 3 {
                    flooder.get_or_insert(token);
                }
                if flooder == Some(token) {
                    flooded.push(turns);
                }
                answered += count;
                turns += 1;
            }
            other => panic!("{other:?}"),
        }
        // Answers are read, so that the flooder is never made to wait for room.
        if let Some(client) = clients.first_mut() {
            while client.receiver().try_recv().is_ok() {}
        }
    }
    assert!(flooded.len() as u64 >= flood / u64::from(BUDGET));
    assert_eq!(
        flooded[1], CROWD,
        "each other one has had its turn before the flooder's second"
    );
    for client in &mut clients[1..] {
        (0..3).for_each(|_| drop(client.receiver().recv_deadline(soon()).unwrap()));
    }
}

/// Whoever was found last, and is looked at first on that account, is not all that is looked at: not even where there is always more of it.
#[test]
fn a_flood_without_end_starves_nobody() {
    let name = path("endless");
    let mut poller = Poller::new().unwrap();
    let config = smallest().wait(Wait::Adaptive);
    let (mut flooder, mut other) = two_clients(&mut poller, &config, &name);
    let mut asked = None;
    for turns in 0u32.. {
        while flooder.receiver().try_recv().is_ok() {}
        while flooder.sender().try_send(b"more").is_ok() {}
        if turns == 100 {
            other.sender().send(b"question").unwrap();
            asked = Some(turns);
        }
        match poller.event_deadline(soon()).unwrap() {
            Some(Event::Ready(turn)) => drop(answer(turn)),
            unexpected => panic!("{unexpected:?}"),
        }
        if let Some(asked) = asked {
            if other.receiver().try_recv().is_ok() {
                return;
            }
            assert!(turns < asked + 10, "the flooder has had all turns since");
        }
    }
}

/// A thousand, or as many as the hard limit of descriptors lets a process have with eight for each.
fn many() -> usize {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let most = hard.saturating_sub(200) / 9;
    usize::try_from(most).unwrap_or(usize::MAX).clamp(50, 1000)
}

/// One that is killed, one that breaks a rule, one that floods and reads nothing, one that nudges and rings for nothing.
#[test]
fn bad_peers_disturb_nobody() {
    alone("crowd::bad_peers_disturb_nobody", LIMIT, || {
        let name = path("bad");
        let config = Config::new()
            .capacity(4096)
            .peer_capacity(4096)
            .raise_descriptor_limit(true)
            .handshake_timeout(Duration::from_secs(30));
        let mut poller = Poller::new().unwrap();
        poller
            .listen(config.bind(name.as_path()).unwrap(), Client::new)
            .unwrap();
        let mut victim = fork(|| {
            let mut connection = config.connect(name.as_path()).unwrap();
            ask(&mut connection, 10);
            // SAFETY: no memory is passed. It ends this process, the child.
            unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
        });
        let all = many();
        let mut nice = fork(|| {
            thread::scope(|scope| {
                for part in 0..THREADS {
                    let (config, name) = (&config, &name);
                    scope.spawn(move || {
                        let count = (all - 4) / THREADS + usize::from(part < (all - 4) % THREADS);
                        let connect = |_| config.connect(name.as_path()).unwrap();
                        let mut connections: Vec<_> = (0..count).map(connect).collect();
                        for _ in 0..5 {
                            for connection in &mut connections {
                                ask(connection, 10);
                            }
                            thread::sleep(Duration::from_millis(2));
                        }
                    });
                }
            });
        });
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let liar = scope.spawn(|| {
                let hostile = peer::join(&name);
                thread::sleep(Duration::from_millis(10));
                hostile.own.ring(0, 1);
                ring(&hostile);
                thread::sleep(Duration::from_millis(50));
            });
            let flooder = scope.spawn(|| {
                let (mut sender, _receiver) = config.connect(name.as_path()).unwrap().split();
                while !stop.load(Ordering::Relaxed) {
                    match sender.try_send(&[7; 16]) {
                        Ok(()) | Err(SendError::Full) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
            let noisy = scope.spawn(|| {
                let hostile = peer::join(&name);
                while !stop.load(Ordering::Relaxed) {
                    peer::send(&hostile.line, &[1], &[]);
                    ring(&hostile);
                    thread::sleep(Duration::from_micros(20));
                }
            });
            let mut seen = Seen::default();
            // The nice ones, the one that is killed, and the one that lies.
            serve(&mut poller, &mut seen, |seen| seen.ended.len() == all - 2);
            stop.store(true, Ordering::Relaxed);
            serve(&mut poller, &mut seen, |seen| seen.ended.len() == all);
            assert_eq!(nice.reap(), 0);
            liar.join().unwrap();
            flooder.join().unwrap();
            noisy.join().unwrap();
            assert_eq!(seen.connected, all);
            let count = |wanted: fn(&RecvError) -> bool| {
                seen.ended.iter().filter(|end| wanted(end)).count()
            };
            assert_eq!(count(|end| *end == RecvError::PeerDied), 1);
            assert_eq!(count(|end| matches!(end, RecvError::Protocol(_))), 1);
            assert_eq!(count(|end| *end == RecvError::Closed), all - 3);
            assert_eq!(
                count(|end| *end == RecvError::PeerClosed),
                1,
                "the noisy one says no goodbye"
            );
        });
        victim.reap_killed();
    });
}

/// Rings the victim's receiver, as a peer does behind a commit.
fn ring(hostile: &peer::Hostile) {
    use std::os::fd::AsRawFd;
    let one = 1u64.to_ne_bytes();
    // SAFETY: `one` is valid for reads of eight bytes. The bell does not block.
    unsafe { libc::write(hostile.theirs[0].as_raw_fd(), one.as_ptr().cast(), 8) };
}
