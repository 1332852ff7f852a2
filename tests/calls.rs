//! How often the kernel is asked: its calls are counted where a time would be noise. A process is traced (`ptrace`), and what it calls between two marks is written down.
#![cfg(all(target_arch = "x86_64", target_env = "gnu"))]

#[path = "crash/process.rs"]
mod process;
mod trace;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use ringway::{Config, Connection, Wait};

use process::{Page, alone, fork, watchdog};
use trace::Stop;

const LIMIT: Duration = Duration::from_secs(120);
/// A call that nobody makes here: the beginning and the end of what is counted.
const MARK: i64 = libc::SYS_getppid;
/// Words of the page.
const LISTENS: usize = 0;
const MICROS: usize = 1;

/// The calls of one process between its marks, by number, and how long that took.
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
}

/// Between the marks.
fn marked(page: &Page, body: impl FnOnce()) {
    let mark = || {
        // SAFETY: no memory is passed.
        unsafe { libc::syscall(MARK) };
    };
    mark();
    let began = Instant::now();
    body();
    page.set(MICROS, began.elapsed().as_micros() as u64);
    mark();
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
        trace::filter(None);
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
                match trace::registers(who).orig_rax as i64 {
                    MARK => marks += 1,
                    number if marks % 2 == 1 => *calls.entry(number).or_default() += 1,
                    _ => {}
                }
                trace::run(who, 0);
            }
            Stop::Signal(libc::SIGSTOP | libc::SIGTRAP) | Stop::Call | Stop::Born => {
                trace::run(who, 0);
            }
            Stop::Signal(signal) => trace::run(who, signal),
        }
    }
    assert_eq!(marks % 2, 0);
    calls
}

fn small(wait: Wait) -> Config {
    Config::new().capacity(4096).peer_capacity(4096).wait(wait)
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

#[test]
fn who_spins_asks_nothing() {
    alone("who_spins_asks_nothing", LIMIT, || {
        let counted = counted(
            &small(Wait::Spin),
            |mut connection, page| marked(page, || asks(&mut connection, 20_000)),
            |connection| answers(connection, 20_000),
        );
        let Some(counted) = counted else { return };
        println!("{:?} in {} ms", counted.calls, counted.millis());
    });
}

#[test]
fn who_sleeps_asks_little() {
    alone("who_sleeps_asks_little", LIMIT, || {
        let counted = counted(
            &small(Wait::Park),
            |mut connection, page| marked(page, || asks(&mut connection, 500)),
            |connection| answers(connection, 500),
        );
        let Some(counted) = counted else { return };
        println!("{:?} in {} ms", counted.calls, counted.millis());
    });
}

#[test]
fn who_reads_a_stream_asks_once_in_some_laps() {
    alone("who_reads_a_stream_asks_once_in_some_laps", LIMIT, || {
        let counted = counted(
            &small(Wait::Spin),
            |mut connection, page| {
                marked(page, || {
                    for _ in 0..200_000 {
                        connection.receiver().recv().map(drop).unwrap();
                    }
                })
            },
            |mut connection| {
                for _ in 0..200_000 {
                    connection.sender().send(&[0; 56]).unwrap();
                }
            },
        );
        let Some(counted) = counted else { return };
        println!("{:?} in {} ms", counted.calls, counted.millis());
    });
}

#[test]
fn who_waits_for_nothing_asks_seldom() {
    alone("who_waits_for_nothing_asks_seldom", LIMIT, || {
        for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
            let counted = counted(
                &small(wait),
                |mut connection, page| {
                    marked(page, || {
                        let until = Instant::now() + Duration::from_millis(300);
                        connection
                            .receiver()
                            .recv_deadline(until)
                            .map(drop)
                            .unwrap_err();
                    })
                },
                |mut connection| {
                    connection.receiver().recv().map(drop).unwrap_err();
                },
            );
            let Some(counted) = counted else { return };
            println!("{wait:?} {:?} in {} ms", counted.calls, counted.millis());
        }
    });
}
