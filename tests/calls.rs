//! How often the kernel is asked: its calls are counted where a time would be noise. A process is traced (`ptrace`), and what it calls between two marks is written down.
#![cfg(all(target_arch = "x86_64", target_env = "gnu"))]

#[path = "crash/process.rs"]
mod process;
mod trace;

use std::collections::BTreeMap;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use ringway::{Config, Connection, ErrorKind, RecvError, SendError, Wait};

use process::{Page, alone, fork, watchdog};
use trace::Stop;

const LIMIT: Duration = Duration::from_secs(120);
/// A call that nobody makes here: the beginning and the end of what is counted.
const MARK: i64 = libc::SYS_getppid;
/// Words of the page.
const LISTENS: usize = 0;
const MICROS: usize = 1;

/// The calls of one process between its marks, by number, and how long that took.
#[derive(Debug)]
struct Counted {
    calls: BTreeMap<i64, u64>,
    took: Duration,
}

impl Counted {
    fn all(&self) -> u64 {
        self.calls.values().sum()
    }

    fn of(&self, number: i64) -> u64 {
        self.calls.get(&number).copied().unwrap_or(0)
    }

    /// How often a millisecond passed in it.
    fn millis(&self) -> u64 {
        self.took.as_millis() as u64
    }

    /// Questions for signs of life, of which each is two calls.
    fn asked(&self) -> u64 {
        self.of(libc::SYS_poll) + self.of(libc::SYS_recvmsg)
    }

    /// Sleeps for what a descriptor tells.
    fn slept(&self) -> u64 {
        self.of(libc::SYS_epoll_pwait2) + self.of(libc::SYS_epoll_wait)
    }

    /// Nothing but the questions of two halves that look all the time, once in a millisecond each.
    fn is_of_lookers(&self) {
        let most = 4 * (self.millis() + 50);
        assert!(self.asked() <= most, "{self:?}, {most} at the most");
    }
}

/// Between the marks.
fn marked(page: &Page, body: impl FnOnce()) {
    let mark = || {
        // SAFETY: no memory is passed.
        unsafe { libc::syscall(MARK) };
    };
    let began = Instant::now();
    mark();
    body();
    mark();
    page.set(MICROS, began.elapsed().as_micros() as u64);
}

/// Connects two processes that wait like this, and counts the calls of the first, which is handed what to mark with. `None`: nothing can be traced here.
fn counted(
    config: &Config,
    counts: impl FnOnce(Connection, &Page),
    peer: impl FnOnce(Connection),
) -> Option<Counted> {
    if !trace::is_there() {
        return None;
    }
    let name = format!("ringway-calls-{}", std::process::id());
    let (path, page) = (std::env::temp_dir().join(name), Page::new());
    let soon = || Instant::now() + Duration::from_secs(20);
    let counts = || {
        assert!(trace::be_traced());
        watchdog(LIMIT);
        let mut listener = config.bind(path.as_path()).unwrap();
        page.set(LISTENS, 1);
        let connection = listener.accept_deadline(soon()).unwrap();
        trace::filter(&[]);
        counts(connection, &page);
    };
    let counts = std::mem::ManuallyDrop::new(fork(counts)).pid;
    trace::take(counts);
    trace::run(counts, 0);
    let peer = std::mem::ManuallyDrop::new(fork(|| {
        watchdog(LIMIT);
        page.until(LISTENS, 1);
        peer(config.connect(Path::new(&path)).unwrap());
    }));
    let calls = follow([counts, peer.pid]);
    let took = Duration::from_micros(page.get(MICROS));
    Some(Counted { calls, took })
}

/// Lets them run to their ends, and counts what the first calls between its marks, on all of its threads.
fn follow([counts, peer]: [libc::pid_t; 2]) -> BTreeMap<i64, u64> {
    let (mut calls, mut marks, mut alive) = (BTreeMap::new(), 0, 2);
    while alive > 0 {
        let (who, stop) = trace::wait(-1);
        match stop {
            Stop::Ended(status) if who == counts || who == peer => {
                assert_eq!(status, 0, "process {} of two", u8::from(who == peer) + 1);
                alive -= 1;
            }
            Stop::Ended(_) => {}
            Stop::Filtered => {
                // Behind the second mark the process may be at its end, and nothing of it to be had.
                if marks < 2 {
                    match i64::try_from(trace::registers(who).orig_rax).unwrap_or(-1) {
                        MARK => marks += 1,
                        number if marks == 1 => *calls.entry(number).or_default() += 1,
                        _ => {}
                    }
                }
                trace::run(who, 0);
            }
            Stop::Signal(libc::SIGSTOP | libc::SIGTRAP) | Stop::Call | Stop::Born => {
                trace::run(who, 0);
            }
            Stop::Signal(signal) => trace::run(who, signal),
        }
    }
    assert_eq!(marks, 2);
    calls
}

fn small(wait: Wait) -> Config {
    let config = Config::new().capacity(4096).peer_capacity(4096).wait(wait);
    config.handshake_timeout(Duration::from_secs(20))
}

/// So many answers, each behind its question; then it ends.
fn answers(connection: Connection, times: u64) {
    let (mut sender, mut receiver) = connection.split();
    for _ in 0..times {
        let question = receiver.recv().unwrap().to_vec();
        sender.send(&question).unwrap();
    }
    receiver.recv().map(drop).unwrap_err();
}

fn asks(connection: &mut Connection, times: u64) {
    let (sender, receiver) = connection.halves();
    for number in 0..times {
        let question = number.to_ne_bytes();
        sender.send(&question).unwrap();
        assert_eq!(receiver.recv().unwrap().to_vec(), question);
    }
}

/// Of so many round trips, the calls of who asks.
fn of_round_trips(config: &Config, times: u64) -> Option<Counted> {
    counted(
        config,
        |mut connection, page| marked(page, || asks(&mut connection, times)),
        |connection| answers(connection, times),
    )
}

/// Does nothing with what is sent to it, until the other end is gone.
fn lets_lie(mut connection: Connection) {
    while connection.sender().check().is_ok() {
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn who_spins_asks_nothing() {
    alone("who_spins_asks_nothing", LIMIT, || {
        let Some(counted) = of_round_trips(&small(Wait::Spin), 500) else {
            return;
        };
        counted.is_of_lookers();
        assert_eq!(counted.slept(), 0, "{counted:?}");
    });
}

/// A ring and a sleep for each round trip.
#[test]
fn who_sleeps_asks_little() {
    alone("who_sleeps_asks_little", LIMIT, || {
        let Some(counted) = of_round_trips(&small(Wait::Park), 500) else {
            return;
        };
        if counted.of(libc::SYS_sendto) > 50 {
            // By a byte each ring is told to both halves. (That one of them is used where it may be, `tests/bell/ways.rs` shows.)
            return println!("skipped: neither `io_uring` nor AIO is permitted here");
        }
        let most = 3 * 500 + 4 * (counted.millis() + 50);
        assert!(counted.all() <= most, "{counted:?}, {most} at the most");
    });
}

/// It may make a write block for ever, and who trusts it takes that, for a call that is faster.
#[test]
fn who_trusts_its_peer_rings_it_by_a_write() {
    alone("who_trusts_its_peer_rings_it_by_a_write", LIMIT, || {
        for trusts in [false, true] {
            let config = small(Wait::Park).trust_peer(trusts);
            let Some(counted) = of_round_trips(&config, 200) else {
                return;
            };
            // Some answers come before anybody sleeps.
            let writes = counted.of(libc::SYS_write);
            assert_eq!(writes > 20, trusts, "{counted:?}");
        }
    });
}

#[test]
fn who_reads_a_stream_asks_seldom() {
    alone("who_reads_a_stream_asks_seldom", LIMIT, || {
        let counted = counted(
            &small(Wait::Spin),
            |mut connection, page| {
                marked(page, || {
                    for _ in 0..50_000 {
                        connection.receiver().recv().map(drop).unwrap();
                    }
                });
            },
            |mut connection| {
                for _ in 0..50_000 {
                    connection.sender().send(&[0; 56]).unwrap();
                }
            },
        );
        let Some(counted) = counted else { return };
        counted.is_of_lookers();
    });
}

/// Neither who waits for a frame of any length, nor who would copy a large one while it is sent.
#[test]
fn who_waits_for_nothing_asks_seldom() {
    alone("who_waits_for_nothing_asks_seldom", LIMIT, || {
        for (wait, large) in [Wait::Spin, Wait::Adaptive, Wait::Park]
            .into_iter()
            .flat_map(|wait| [(wait, false), (wait, true)])
        {
            let counted = counted(
                &small(wait).capacity(1 << 18).peer_capacity(1 << 18),
                |mut connection, page| {
                    let (receiver, mut buffer) = (connection.receiver(), vec![0; 1 << 17]);
                    marked(page, || {
                        let until = Instant::now() + Duration::from_millis(300);
                        let outcome = if large {
                            receiver.recv_into_deadline(&mut buffer, until).map(drop)
                        } else {
                            receiver.recv_deadline(until).map(drop)
                        };
                        assert_eq!(outcome, Err(RecvError::TimedOut));
                    });
                },
                lets_lie,
            );
            let Some(counted) = counted else { return };
            counted.is_of_lookers();
            if wait == Wait::Spin {
                assert_eq!(counted.slept(), 0, "{counted:?}");
            } else {
                // It sleeps once, until its time is up, and is not woken to look again.
                let rests = counted.slept() <= 3 && counted.asked() <= 20;
                assert!(rests, "{wait:?} {large} {counted:?}");
            }
        }
    });
}

/// Threads that wait for room in one of several lanes let the others have their turns: they yield some times, and then sleep between two looks. In a lone lane a wait is as that of any half.
#[test]
fn who_waits_for_room_in_one_of_several_lanes_looks_in_turns() {
    alone(
        "who_waits_for_room_in_one_of_several_lanes_looks_in_turns",
        LIMIT,
        || {
            let of_lanes = |lanes| {
                counted(
                    &small(Wait::Park).lanes(lanes),
                    |connection, page| {
                        let (sender, _receiver) = connection.split();
                        let sender = sender.shared();
                        while sender.try_send(&[0; 56]).is_ok() {}
                        marked(page, || {
                            let until = Instant::now() + Duration::from_secs(2);
                            let outcome = sender.send_deadline(&[0; 56], until);
                            assert_eq!(outcome, Err(SendError::TimedOut));
                        });
                    },
                    lets_lie,
                )
            };
            let naps = |counted: &Counted| {
                counted.of(libc::SYS_clock_nanosleep) + counted.of(libc::SYS_nanosleep)
            };
            let yields = |counted: &Counted| counted.of(libc::SYS_sched_yield);
            let Some(counted) = of_lanes(1) else { return };
            assert_eq!(naps(&counted), 0, "{counted:?}");
            // On a machine that stalls its time may be up before it sleeps at all: then it waits once more.
            let counted = (0..5)
                .filter_map(|_| of_lanes(2))
                .find(|counted| naps(counted) > 0)
                .expect("it looks in turns, and then sleeps between two of them");
            let (naps, yields) = (naps(&counted), yields(&counted));
            assert_eq!(yields, 16, "{counted:?}");
            // Each of them lasts 100 µs at the least.
            let most = 10 * (counted.millis() + 1);
            assert!(naps <= most, "{counted:?}");
        },
    );
}

#[test]
fn who_waits_for_a_client_sleeps() {
    alone("who_waits_for_a_client_sleeps", LIMIT, || {
        let counted = counted(
            &small(Wait::Park),
            |_connection, page| {
                let name = format!("ringway-calls-nobody-{}", std::process::id());
                let path = std::env::temp_dir().join(name);
                let mut listener = Config::new().bind(path).unwrap();
                marked(page, || {
                    let until = Instant::now() + Duration::from_millis(300);
                    let outcome = listener.accept_deadline(until);
                    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::TimedOut);
                });
            },
            lets_lie,
        );
        let Some(counted) = counted else { return };
        assert!(counted.all() <= 30, "{counted:?}");
    });
}

/// Lets this process open no descriptor more.
fn leave_none() {
    // The lowest number that is free is the first that may not be had.
    let next = std::fs::File::open("/dev/null").unwrap().as_raw_fd();
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, u64::try_from(next).unwrap(), hard).unwrap();
}

/// It cannot take the client that is there, which makes its socket readable all the time.
#[test]
fn an_attendant_without_descriptors_asks_ten_times_a_second() {
    alone(
        "an_attendant_without_descriptors_asks_ten_times_a_second",
        LIMIT,
        || {
            let of_half_a_second = || {
                counted(
                    &small(Wait::Park),
                    |_connection, page| {
                        let name = format!("ringway-calls-attended-{}", std::process::id());
                        let path = std::env::temp_dir().join(name);
                        let attendant = Config::new().bind(path.as_path()).unwrap().attend();
                        let attendant = attendant.unwrap();
                        let (kind, flags) = (SockType::SeqPacket, SockFlag::SOCK_CLOEXEC);
                        let line = socket(AddressFamily::Unix, kind, flags, None).unwrap();
                        leave_none();
                        marked(page, || {
                            connect(line.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
                            thread::sleep(Duration::from_millis(500));
                        });
                        drop(attendant);
                    },
                    lets_lie,
                )
            };
            let tries = |counted: &Counted| counted.of(libc::SYS_accept4);
            let Some(mut counted) = of_half_a_second() else {
                return;
            };
            // On a machine that stalls its time may be up before it has tried again.
            for _ in 0..4 {
                if tries(&counted) < 2 {
                    counted = of_half_a_second().unwrap();
                }
            }
            let tries = tries(&counted);
            assert!(tries >= 2, "it tries again: {counted:?}");
            let most = counted.millis() / 100 + 2;
            assert!(tries <= most, "{counted:?}");
            assert!(counted.all() <= 10 + 10 * most, "{counted:?}");
        },
    );
}
