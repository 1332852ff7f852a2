//! Sleepers are woken where bells cannot be rung: by bytes on the one socket that both halves of a side
//! watch, so that each half can take the byte that was meant for the other. `ways.rs` has the other ways, and what is between them.
//!
//! Each test runs in a process of its own with a watchdog, under a seccomp filter that refuses `io_setup` and `io_uring_setup`.

#[path = "../forbid/mod.rs"]
mod forbid;
#[path = "../crash/process.rs"]
mod process;
mod ways;

use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use forbid::forbid;
use process::{Random, alone, fork, this_thread, until_it_sleeps};
use ringway::{Arm, Config, Connection, ErrorKind, Receiver, RecvError, Sender, Wait};

/// Only a hang takes so long: on a machine that is busy, ten thousands of sleeps take minutes.
const LIMIT: Duration = Duration::from_secs(400);

/// `errno`: `ENOSYS` as where a kernel or a sandbox has no AIO, `EAGAIN` as where others have used up what there is.
fn forbid_bells(errno: i32) {
    forbid_uring();
    forbid(libc::SYS_io_setup, errno);
    let mut context: libc::c_ulong = 0;
    // SAFETY: `context` is valid for writes and zero.
    let made = unsafe { libc::syscall(libc::SYS_io_setup, 8 as libc::c_long, &raw mut context) };
    let error = std::io::Error::last_os_error();
    assert_eq!((made, error.raw_os_error()), (-1, Some(errno)));
}

/// As most containers do.
fn forbid_uring() {
    forbid(libc::SYS_io_uring_setup, libc::EPERM);
    assert_eq!(ways::uring_setup(), Err(libc::EPERM));
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ringway-bell-{name}-{}", std::process::id()))
}

fn config() -> Config {
    Config::new()
        .wait(Wait::Park)
        .capacity(4096)
        .peer_capacity(4096)
        .handshake_timeout(Duration::from_secs(10))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn connect(path: &Path) -> Connection {
    connect_as(&config(), path)
}

fn connect_as(config: &Config, path: &Path) -> Connection {
    loop {
        match config.connect(path) {
            Ok(connection) => return connection,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                thread::sleep(Duration::from_millis(1));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn accept(path: &Path) -> Connection {
    let mut listener = config().bind(path).unwrap();
    listener.accept_deadline(soon()).unwrap()
}

/// Both sides in this process.
fn pair(name: &str) -> (Connection, Connection) {
    let path = path(name);
    thread::scope(|scope| {
        let client = scope.spawn(|| connect(&path));
        (accept(&path), client.join().unwrap())
    })
}

/// Whether an event loop that polls `half` would be woken within `patience`.
fn polled(half: &impl AsFd, patience: Duration) -> bool {
    let mut entry = libc::pollfd {
        fd: half.as_fd().as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let milliseconds = i32::try_from(patience.as_millis()).unwrap();
    // SAFETY: `entry` is valid for reads and writes of one entry.
    let ready = unsafe { libc::poll(&raw mut entry, 1, milliseconds) };
    assert!(ready >= 0);
    ready == 1
}

fn is_woken(half: &impl AsFd) -> bool {
    polled(half, Duration::ZERO)
}

/// Two sides, and of the first both halves asleep: its ring is full, and nothing has come.
struct Asleep {
    sender: Sender,
    receiver: Receiver,
    peer: Connection,
}

impl Asleep {
    fn new(name: &str) -> Self {
        let (ours, peer) = pair(name);
        let (sender, receiver) = ours.split();
        let mut asleep = Self {
            sender,
            receiver,
            peer,
        };
        asleep.again();
        asleep
    }

    /// Fills the ring, takes what has come, and arms both halves.
    fn again(&mut self) {
        while self.sender.try_send(&[1; 56]).is_ok() {}
        while self.receiver.try_recv().is_ok() {}
        // The first arming can find a wake that was passed on and not yet collected; the second finds nothing.
        for _ in 0..2 {
            assert_eq!(self.sender.arm(56), Ok(Arm::Armed));
            assert_eq!(self.receiver.arm(), Ok(Arm::Armed));
        }
        assert!(!is_woken(&self.sender) && !is_woken(&self.receiver));
    }

    /// The peer has something for our receiver, and nudges it.
    fn send_to_receiver(&mut self) {
        self.peer.sender().send(b"wake").unwrap();
    }

    /// The peer makes room for our sender, and nudges it.
    fn make_room(&mut self) {
        for _ in 0..16 {
            drop(self.peer.receiver().try_recv().unwrap());
        }
    }
}

#[test]
fn a_nudge_that_the_sibling_takes_is_passed_on() {
    alone("a_nudge_that_the_sibling_takes_is_passed_on", LIMIT, || {
        forbid_bells(libc::ENOSYS);
        let mut asleep = Asleep::new("sibling");
        asleep.send_to_receiver();
        assert!(is_woken(&asleep.sender), "both watch the socket");
        assert_eq!(asleep.sender.arm(56), Ok(Arm::Armed), "and takes the byte");
        assert!(is_woken(&asleep.receiver), "the receiver's wake is lost");
        assert!(!is_woken(&asleep.sender), "the sender has no cause");
        assert_eq!(asleep.receiver.arm(), Ok(Arm::Ready));
        assert!(
            !is_woken(&asleep.sender),
            "a wake that was passed on comes not back"
        );

        asleep.again();
        asleep.make_room();
        assert_eq!(
            asleep.receiver.arm(),
            Ok(Arm::Armed),
            "and takes the sender's byte"
        );
        assert!(is_woken(&asleep.sender), "the sender's wake is lost");
        assert_eq!(asleep.sender.arm(56), Ok(Arm::Ready));
    });
}

#[test]
fn a_nudge_that_an_armed_half_takes_still_wakes_it() {
    alone(
        "a_nudge_that_an_armed_half_takes_still_wakes_it",
        LIMIT,
        || {
            forbid_bells(libc::EAGAIN);
            let mut asleep = Asleep::new("armed");
            asleep.make_room();
            assert!(!asleep.sender.is_closed(), "and takes the byte on the way");
            assert!(is_woken(&asleep.sender), "the sender's own wake is lost");
            assert_eq!(asleep.sender.arm(56), Ok(Arm::Ready));
        },
    );
}

#[test]
fn a_nudge_finds_a_half_in_another_thread_and_a_half_left_alone() {
    alone(
        "a_nudge_finds_a_half_in_another_thread_and_a_half_left_alone",
        LIMIT,
        || {
            forbid_bells(libc::ENOSYS);
            let Asleep {
                mut sender,
                mut receiver,
                mut peer,
            } = Asleep::new("moved");
            let (armed, is_armed) = mpsc::channel();
            let elsewhere = thread::spawn(move || {
                assert_eq!(receiver.arm(), Ok(Arm::Armed));
                armed.send(()).unwrap();
                // Asleep or not yet, when the sender takes the byte.
                assert!(polled(&receiver, Duration::from_secs(10)));
                while receiver.recv_deadline(soon()).unwrap().to_vec() != b"end" {}
                receiver
            });
            is_armed.recv().unwrap();
            peer.sender().send(b"wake").unwrap();
            assert_eq!(sender.arm(56), Ok(Arm::Armed), "and takes the byte");
            peer.sender().send(b"end").unwrap();
            let mut receiver = elsewhere.join().unwrap();

            drop(sender);
            assert_eq!(receiver.arm(), Ok(Arm::Armed));
            assert_eq!(receiver.arm(), Ok(Arm::Armed));
            peer.sender().send(b"alone").unwrap();
            assert!(is_woken(&receiver));
            assert_eq!(receiver.recv_deadline(soon()).unwrap().to_vec(), b"alone");
        },
    );
}

#[test]
fn a_nudge_that_the_kernel_had_no_memory_for_is_sent_with_the_next_frame() {
    alone(
        "a_nudge_that_the_kernel_had_no_memory_for_is_sent_with_the_next_frame",
        LIMIT,
        || {
            forbid_bells(libc::ENOSYS);
            let Asleep { receiver, peer, .. } = Asleep::new("memory");
            let (mut sender, _keep) = peer.split();
            let poor = thread::spawn(move || {
                forbid(libc::SYS_sendto, libc::ENOBUFS);
                sender.send(b"unheard").unwrap();
                sender
            });
            let mut sender = poor.join().unwrap();
            assert!(!is_woken(&receiver));
            sender.send(b"heard").unwrap();
            assert!(is_woken(&receiver));
        },
    );
}

/// Sends a request in vain, by a thread that alone has no memory for a ring: it says so, and keeps the sender until it is told to end.
fn ring_in_vain(mut sender: Sender, kept: mpsc::Receiver<()>) -> thread::JoinHandle<Sender> {
    let (tell, told) = mpsc::channel();
    let poor = thread::spawn(move || {
        forbid(libc::SYS_sendto, libc::ENOBUFS);
        sender.send(b"request").unwrap();
        tell.send(()).unwrap();
        let _ = kept.recv();
        sender
    });
    told.recv().unwrap();
    poor
}

/// A client of a server that sleeps, and answers what it is woken for.
fn of_a_sleeping_server(name: &str, client: &Config, act: impl FnOnce(Sender, Receiver)) {
    let path = path(name);
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            tell.send(this_thread()).unwrap();
            let (mut sender, mut receiver) = accept(&path).split();
            while let Ok(frame) = receiver.recv_deadline(soon() + LIMIT) {
                let request = frame.to_vec();
                drop(frame);
                sender.send(&request).unwrap();
            }
        });
        let (mut sender, mut receiver) = connect_as(client, &path).split();
        sender.send(b"hello").unwrap();
        drop(receiver.recv_deadline(soon()).unwrap());
        // It waits for nothing else any more than for the next request.
        until_it_sleeps(told.recv().unwrap());
        act(sender, receiver);
    });
}

#[test]
fn a_lost_ring_is_made_up_for_by_a_half_that_slept_already() {
    let name = "a_lost_ring_is_made_up_for_by_a_half_that_slept_already";
    alone(name, LIMIT, || {
        forbid_bells(libc::ENOSYS);
        of_a_sleeping_server("sibling", &config(), |sender, mut receiver| {
            let reader = thread::spawn(move || {
                let answer = receiver.recv_deadline(soon()).map(|frame| frame.to_vec());
                (answer, receiver)
            });
            thread::sleep(Duration::from_millis(200));
            // The thread that has rung in vain has other things to do now.
            let (end, kept) = mpsc::channel();
            let writer = ring_in_vain(sender, kept);
            let (answer, receiver) = reader.join().unwrap();
            assert_eq!(answer.unwrap(), b"request");
            end.send(()).unwrap();
            drop((writer.join().unwrap(), receiver));
        });
    });
}

#[test]
fn a_lost_ring_is_made_up_for_by_a_half_that_never_sleeps() {
    let name = "a_lost_ring_is_made_up_for_by_a_half_that_never_sleeps";
    alone(name, LIMIT, || {
        forbid_bells(libc::ENOSYS);
        let spins = config().wait(Wait::Spin);
        of_a_sleeping_server("spins", &spins, |sender, mut receiver| {
            let (end, kept) = mpsc::channel();
            let writer = ring_in_vain(sender, kept);
            let answer = receiver.recv_deadline(soon()).map(|frame| frame.to_vec());
            assert_eq!(answer.unwrap(), b"request", "one that spins");
            end.send(()).unwrap();
            drop((writer.join().unwrap(), receiver));
        });
        of_a_sleeping_server("polls", &config(), |sender, mut receiver| {
            let (end, kept) = mpsc::channel();
            let writer = ring_in_vain(sender, kept);
            let until = soon();
            let answer = loop {
                match receiver.try_recv() {
                    Err(RecvError::Empty) if Instant::now() < until => {}
                    other => break other.map(|frame| frame.to_vec()),
                }
            };
            assert_eq!(answer.unwrap(), b"request", "one that only polls");
            end.send(()).unwrap();
            drop((writer.join().unwrap(), receiver));
        });
    });
}

#[test]
fn a_lost_ring_that_cannot_be_made_up_for_yet_is_made_up_for_later() {
    let name = "a_lost_ring_that_cannot_be_made_up_for_yet_is_made_up_for_later";
    alone(name, LIMIT, || {
        forbid_bells(libc::ENOSYS);
        of_a_sleeping_server("later", &config(), |mut sender, mut receiver| {
            let poor = thread::spawn(move || {
                forbid(libc::SYS_sendto, libc::ENOBUFS);
                sender.send(b"request").unwrap();
                // It sleeps where there is no memory for a ring yet.
                let over = Instant::now() + Duration::from_millis(100);
                let none = receiver.recv_deadline(over).map(drop);
                assert_eq!(none, Err(RecvError::TimedOut));
                (sender, receiver)
            });
            let (sender, mut receiver) = poor.join().unwrap();
            let answer = receiver.recv_deadline(soon()).map(|frame| frame.to_vec());
            assert_eq!(answer.unwrap(), b"request");
            drop((sender, receiver));
        });
    });
}

/// Sizes of the frames of one burst: more than the ring holds at times, and at times a single frame.
fn burst(random: &mut Random) -> Vec<usize> {
    let count = 1 + random.below(24);
    let most = 1 << (4 + random.below(8));
    (0..count)
        .map(|_| 8 + random.below(most) as usize)
        .collect()
}

fn frame(number: u64, size: usize) -> Vec<u8> {
    let mut frame = vec![number as u8; size];
    frame[..8].copy_from_slice(&number.to_ne_bytes());
    frame
}

/// Sends bursts and waits for the whole echo of each: between bursts nothing moves, and a wake that is lost has nothing to repair it.
fn call(sender: &mut Sender, receiver: &mut Receiver, bursts: u32) {
    let (next, nexts) = mpsc::channel::<Vec<usize>>();
    thread::scope(|scope| {
        scope.spawn(move || {
            for (size, number) in nexts.into_iter().flatten().zip(0..) {
                let sent = sender.send_deadline(&frame(number, size), soon());
                assert_eq!(sent, Ok(()), "frame {number}");
            }
        });
        let mut random = Random::new(7);
        let mut number = 0;
        for round in 0..bursts {
            let sizes = burst(&mut random);
            next.send(sizes.clone()).unwrap();
            for size in sizes {
                let echo = receiver.recv_deadline(soon());
                let echo = echo.unwrap_or_else(|error| panic!("burst {round}: {error}"));
                assert_eq!(echo.to_vec(), frame(number, size));
                number += 1;
            }
        }
        drop(next);
    });
}

/// Sends back what comes: a thread receives and another sends, each with its own sleep.
fn echo(sender: &mut Sender, receiver: &mut Receiver, bursts: u32) {
    let mut random = Random::new(7);
    let count = (0..bursts).map(|_| burst(&mut random).len()).sum();
    let (arrived, arrivals) = mpsc::channel::<Vec<u8>>();
    thread::scope(|scope| {
        scope.spawn(move || {
            for frame in arrivals {
                assert_eq!(sender.send_deadline(&frame, soon()), Ok(()));
            }
        });
        for _ in 0..count {
            let frame = receiver.recv_deadline(soon()).unwrap().to_vec();
            arrived.send(frame).unwrap();
        }
        drop(arrived);
    });
}

/// Both lanes at once, each full most of the time.
fn stream(sender: &mut Sender, receiver: &mut Receiver, frames: u64) {
    thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..frames {
                let size = 8 + (number % 700) as usize;
                assert_eq!(sender.send_deadline(&frame(number, size), soon()), Ok(()));
            }
        });
        for number in 0..frames {
            let came = receiver.recv_deadline(soon()).unwrap().to_vec();
            assert_eq!(came, frame(number, 8 + (number % 700) as usize));
        }
    });
}

/// Two processes, each with two threads that sleep.
fn two_processes(name: &str, bursts: u32, frames: u64) {
    let path = path(name);
    let mut child = fork(|| {
        let (mut sender, mut receiver) = accept(&path).split();
        echo(&mut sender, &mut receiver, bursts);
        call(&mut sender, &mut receiver, bursts);
        stream(&mut sender, &mut receiver, frames);
        // The end, which the other side says last.
        assert!(receiver.recv_deadline(soon()).is_err());
    });
    let (mut sender, mut receiver) = connect(&path).split();
    call(&mut sender, &mut receiver, bursts);
    echo(&mut sender, &mut receiver, bursts);
    stream(&mut sender, &mut receiver, frames);
    drop((sender, receiver));
    assert_eq!(child.reap(), 0, "the other process lost a wake");
}

#[test]
fn sleepers_in_two_processes_lose_no_wake() {
    alone("sleepers_in_two_processes_lose_no_wake", LIMIT, || {
        forbid_bells(libc::ENOSYS);
        two_processes("processes", 15_000, 20_000);
    });
}
