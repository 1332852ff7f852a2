//! Senders that leave their barrier out (`Config::membarrier`): when they do, seen from outside, and what a receiver does that has no barrier to make up for it.
//!
//! A receiver that may not call `membarrier`, and has promised to, sleeps by a millisecond at a time while its sender leaves the barrier out; in any other case it sleeps
//! once. So how often it sleeps in a pause tells what the sender does. Each test runs in a process of its own with a watchdog.

mod forbid;
mod pair;
#[path = "crash/process.rs"]
mod process;

use std::hint::spin_loop;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use forbid::forbid;
use pair::soon;
use process::alone;
use ringway::{Arm, Config, Counters, Event, Poller, RecvError, Wait};

const LIMIT: Duration = Duration::from_secs(300);
const PAUSE: Duration = Duration::from_millis(300);
/// Enough to be calm for 10 ms and more, to a receiver that takes a microsecond for each.
const FRAMES: u32 = 60_000;
/// So few sleeps in a pause are those of a receiver that sleeps until it is rung; so many are not.
const FEW: u64 = 8;
const MANY: u64 = 30;

/// Whether the kernel has what this is about.
fn is_there() -> bool {
    // SAFETY: no memory is passed.
    let known = unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_QUERY, 0) };
    known > 0 && known & i64::from(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED) != 0
}

fn config() -> Config {
    Config::new()
        .wait(Wait::Park)
        .peer_capacity(1 << 20)
        .handshake_timeout(Duration::from_secs(30))
}

/// How often the half of this process has slept that has received most.
fn sleeps() -> u64 {
    let connections = Counters::own().unwrap().connections().unwrap();
    let most = connections.iter().max_by_key(|one| one.receives.frames);
    most.unwrap().receives.sleeps
}

/// When `membarrier` is forbidden to the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forbidden {
    Never,
    AtFirst(i32),
    Later(i32),
}

/// The server sends frames to a client that is behind all the time, then nothing in a pause, then a last one. Returns how often the client slept in the pause.
fn sleeps_in_a_pause(server: &Config, client: &Config, forbidden: Forbidden) -> u64 {
    let path = std::env::temp_dir().join(format!("ringway-membarrier-{}", std::process::id()));
    let mut listener = server.bind(path.as_path()).unwrap();
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let client = scope.spawn(move || {
            if let Forbidden::AtFirst(errno) = forbidden {
                forbid(libc::SYS_membarrier, errno);
            }
            let connection = client.connect(path.as_path()).unwrap();
            if let Forbidden::Later(errno) = forbidden {
                forbid(libc::SYS_membarrier, errno);
            }
            let (_sender, mut receiver) = connection.split();
            while receiver.recv_deadline(soon()).unwrap().to_vec() != b"pause" {
                (0..20).for_each(|_| spin_loop());
            }
            let before = sleeps();
            // The pause begins when all before it has been read, however long that took.
            tell.send(()).unwrap();
            assert_eq!(receiver.recv_deadline(soon()).unwrap().to_vec(), b"wake");
            sleeps() - before
        });
        let (mut sender, _receiver) = listener.accept_deadline(soon()).unwrap().split();
        for _ in 0..FRAMES {
            sender.send_deadline(&[1; 56], soon()).unwrap();
        }
        sender.send_deadline(b"pause", soon()).unwrap();
        told.recv().unwrap();
        thread::sleep(PAUSE);
        sender.send_deadline(b"wake", soon()).unwrap();
        client.join().unwrap()
    })
}

/// A host that is busy can keep the sender from its calm, or the receiver from its sleep until the pause is over: so often it is tried again, a third of a second each.
const TRIES: u32 = 60;

/// The same, until it was many sleeps.
fn some_pause_has_many_sleeps(forbidden: Forbidden) -> bool {
    let both = config().membarrier(true);
    (0..TRIES).any(|_| sleeps_in_a_pause(&both, &both, forbidden) >= MANY)
}

/// Of three pauses in which it has slept.
fn no_pause_has_many(server: &Config, client: &Config, forbidden: Forbidden) {
    let pauses = (0..TRIES).map(|_| sleeps_in_a_pause(server, client, forbidden));
    let slept: Vec<_> = pauses.filter(|slept| *slept > 0).take(3).collect();
    assert_eq!(slept.len(), 3, "it hardly ever sleeps: {slept:?}");
    assert!(slept.iter().all(|slept| *slept <= FEW), "{slept:?} times");
}

#[test]
fn a_receiver_that_has_its_barrier_sleeps_until_it_is_rung() {
    let name = "a_receiver_that_has_its_barrier_sleeps_until_it_is_rung";
    alone(name, LIMIT, || {
        let both = config().membarrier(true);
        no_pause_has_many(&both, &both, Forbidden::Never);
    });
}

#[test]
fn a_receiver_without_its_barrier_sleeps_by_a_millisecond_and_is_not_forgotten() {
    let name = "a_receiver_without_its_barrier_sleeps_by_a_millisecond_and_is_not_forgotten";
    alone(name, LIMIT, || {
        if !is_there() {
            return println!("skipped: this kernel has no membarrier");
        }
        assert!(some_pause_has_many_sleeps(Forbidden::Later(libc::EPERM)));
        assert!(some_pause_has_many_sleeps(Forbidden::Later(libc::ENOSYS)));
    });
}

/// Where one side does not ask for it, or cannot have it, the barrier is never left out: the same receiver sleeps until it is rung.
#[test]
fn nothing_is_left_out_unless_both_sides_ask_and_can() {
    let name = "nothing_is_left_out_unless_both_sides_ask_and_can";
    alone(name, LIMIT, || {
        let (asks, does_not) = (config().membarrier(true), config());
        let later = Forbidden::Later(libc::EPERM);
        no_pause_has_many(&asks, &does_not, later);
        no_pause_has_many(&does_not, &asks, later);
        no_pause_has_many(&asks, &asks, Forbidden::AtFirst(libc::EPERM));
        no_pause_has_many(&asks, &asks, Forbidden::AtFirst(libc::ENOSYS));
    });
}

/// Neither somebody else's loop nor a poller sleeps for good without its barrier.
#[test]
fn a_loop_without_its_barrier_is_told_to_look_again() {
    let name = "a_loop_without_its_barrier_is_told_to_look_again";
    alone(name, LIMIT, || {
        if !is_there() {
            return println!("skipped: this kernel has no membarrier");
        }
        let both = config().membarrier(true);
        let (mut server, mut client) = pair::pair("membarrier-loop", &both, &both);
        let mut stream = || {
            let end = Instant::now() + Duration::from_millis(20);
            let mut frames = 0;
            while Instant::now() < end || frames < 2 * FRAMES {
                while server.sender().try_send(&[1; 56]).is_ok() {
                    frames += 1;
                }
                while client.receiver().try_recv().is_ok() {}
            }
        };
        stream();
        thread::scope(|scope| {
            let forbidden = scope.spawn(|| {
                forbid(libc::SYS_membarrier, libc::EPERM);
                for _ in 0..100 {
                    assert_eq!(client.receiver().arm(), Ok(Arm::Ready));
                    assert_eq!(
                        client.receiver().try_recv().map(drop),
                        Err(RecvError::Empty)
                    );
                }
            });
            forbidden.join().unwrap();
        });
        // So many refused calls have used up the ration.
        thread::sleep(Duration::from_millis(50));
        assert_eq!(client.receiver().arm(), Ok(Arm::Armed), "it may again");
        // By the poller, in which it sleeps with a date.
        thread::scope(|scope| {
            let (told, tells) = std::sync::mpsc::channel();
            let polls = scope.spawn(move || {
                forbid(libc::SYS_membarrier, libc::EPERM);
                let mut poller: Poller = Poller::new().unwrap();
                poller.add(client).unwrap();
                // It wakes by itself, again and again, where it could not ask.
                let sleeps_by_a_millisecond = (0..TRIES).any(|_| {
                    let before = poller.wakes();
                    let pause = Instant::now() + PAUSE;
                    assert!(poller.event_deadline(pause).unwrap().is_none());
                    poller.wakes() - before >= MANY
                });
                assert!(sleeps_by_a_millisecond);
                told.send(()).unwrap();
                let soon = soon();
                loop {
                    match poller.event_deadline(soon).unwrap() {
                        Some(Event::Ready(mut turn)) => {
                            return turn.receiver().try_recv().unwrap().to_vec();
                        }
                        Some(_) => {}
                        None => panic!("nothing until the deadline"),
                    }
                }
            });
            tells.recv().unwrap();
            thread::sleep(Duration::from_millis(50));
            server.sender().send(b"wake").unwrap();
            assert_eq!(polls.join().unwrap(), b"wake");
        });
    });
}
