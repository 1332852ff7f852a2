//! What each half hears of the connection's end: from the other half, from a panic, from a process that drops nothing. Each test runs in a
//! process of its own with a watchdog.

mod forbid;
#[path = "crash/process.rs"]
mod process;

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use forbid::{forbid, forbid_with};
use process::{Child, Page, alone, drop_by_panic, fork};
use ringway::{Arm, Config, Connection, RecvError, SendError, Sender, Wait};

const LIMIT: Duration = Duration::from_secs(60);

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ringway-end-{name}-{}", std::process::id()))
}

/// A handshake with a process that may be stalled for seconds is waited for.
fn patient() -> Config {
    Config::new().handshake_timeout(Duration::from_secs(20))
}

/// A child that connects to us and runs `body`; our connection to it.
fn with_child(name: &str, wait: Wait, body: impl FnOnce(Connection)) -> (Connection, Child) {
    process::with_child(&path(name), &patient().wait(wait), soon(), body)
}

/// Two ends in this process.
fn pair(name: &str) -> (Connection, Connection) {
    let path = path(name);
    let mut listener = patient().bind(path.as_path()).unwrap();
    thread::scope(|scope| {
        let client = scope.spawn(|| patient().connect(path.as_path()).unwrap());
        let accepted = listener.accept_deadline(soon()).unwrap();
        (accepted, client.join().unwrap())
    })
}

type Call = fn(&mut Sender) -> Result<(), SendError>;

/// Whatever costs more than a plain send looks at what the other half has heard. The ring has room all the while.
const CALLS: [(&str, Call); 6] = [
    ("check", Sender::check),
    ("reserve", |sender| sender.reserve(8).map(drop)),
    ("try_reserve", |sender| sender.try_reserve(8).map(drop)),
    ("group", |sender| sender.group().send(b"x")),
    ("is_closed", |sender| {
        assert!(sender.is_closed());
        sender.send(b"x")
    }),
    ("arm", |sender| {
        assert_eq!(sender.arm(8), Ok(Arm::Ready));
        sender.send(b"x")
    }),
];

#[test]
fn the_sender_hears_of_a_death_that_the_receiver_has_heard() {
    alone(
        "the_sender_hears_of_a_death_that_the_receiver_has_heard",
        LIMIT,
        || {
            for (round, (name, call)) in CALLS.into_iter().enumerate() {
                let wait = [Wait::Spin, Wait::Adaptive, Wait::Park][round % 3];
                // A half that only spins answers "ready" to `arm` without a look.
                let wait = if name == "arm" { Wait::Park } else { wait };
                let (ours, mut child) = with_child(name, wait, |_theirs| {
                    thread::sleep(Duration::from_secs(50));
                });
                let (mut sender, mut receiver) = ours.split();
                sender.send(b"before").unwrap();
                sender.check().unwrap();
                child.signal(libc::SIGKILL);
                child.reap_killed();
                // On another thread: the halves share no more than the connection.
                let heard = thread::spawn(move || receiver.recv().map(drop).unwrap_err());
                assert_eq!(heard.join().unwrap(), RecvError::PeerDied);
                assert_eq!(call(&mut sender), Err(SendError::PeerDied), "{name}");
                assert_eq!(sender.send(b"x"), Err(SendError::PeerDied), "{name}");
            }
        },
    );
}

#[test]
fn the_receiver_hears_of_a_death_that_the_sender_has_heard() {
    alone(
        "the_receiver_hears_of_a_death_that_the_sender_has_heard",
        LIMIT,
        || {
            let (mut ours, mut child) = with_child("receiver", Wait::Adaptive, |mut theirs| {
                theirs.sender().send(b"last words").unwrap();
                thread::sleep(Duration::from_secs(50));
            });
            assert_eq!(ours.receiver().recv().unwrap().len(), 10);
            child.signal(libc::SIGKILL);
            child.reap_killed();
            // Had the receiver asked less than a millisecond ago, it would not ask again: it is told.
            let _ = ours.receiver().try_recv().map(drop);
            assert_eq!(ours.sender().check(), Err(SendError::PeerDied));
            assert_eq!(
                ours.receiver().try_recv().map(drop),
                Err(RecvError::PeerDied)
            );
        },
    );
}

/// A stream that needs several laps of the ring cannot run past the end for longer than one.
#[test]
fn a_plain_send_hears_of_a_death_when_its_lap_is_over() {
    alone(
        "a_plain_send_hears_of_a_death_when_its_lap_is_over",
        LIMIT,
        || {
            let (mut ours, mut child) = with_child("lap", Wait::Adaptive, |mut theirs| {
                let mut reads = 0;
                while reads < 2_000 && theirs.receiver().recv().is_ok() {
                    reads += 1;
                }
                theirs.sender().send(b"read").unwrap();
                thread::sleep(Duration::from_secs(50));
            });
            for _ in 0..2_000 {
                ours.sender().send(&[0; 56]).unwrap();
            }
            assert_eq!(ours.receiver().recv().unwrap().len(), 4);
            child.signal(libc::SIGKILL);
            child.reap_killed();
            assert_eq!(ours.receiver().recv().map(drop), Err(RecvError::PeerDied));
            assert_eq!(ours.sender().try_send(&[0; 56]), Err(SendError::PeerDied));
            // The first lap ends before the ring is full of what nobody will read.
            let more = (0..).take_while(|_| ours.sender().try_send(&[0; 56]).is_ok());
            let (sent, lap) = (2_000 + more.count(), ours.sender().capacity() / 64);
            assert!(sent <= lap, "{sent} frames, {lap} to a lap");
            assert_eq!(ours.sender().try_send(&[0; 56]), Err(SendError::PeerDied));
        },
    );
}

#[test]
fn one_goodbye_ends_one_lane() {
    alone("one_goodbye_ends_one_lane", LIMIT, || {
        let (mut ours, theirs) = pair("lane");
        let (sender, mut receiver) = theirs.split();
        drop(sender);
        assert_eq!(ours.receiver().recv().map(drop), Err(RecvError::Closed));
        ours.sender().check().unwrap();
        ours.sender().reserve(1).unwrap().commit();
        assert_eq!(receiver.recv().unwrap().len(), 1);
        drop(receiver);
        assert_eq!(ours.sender().check(), Err(SendError::Closed));
        assert_eq!(ours.sender().try_send(b"x"), Err(SendError::Closed));
    });
}

#[test]
fn a_process_that_panics_has_said_no_goodbye() {
    alone("a_process_that_panics_has_said_no_goodbye", LIMIT, || {
        for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
            // One that loses its processor for longer than the grace lives when its socket is closed: then there is another.
            let died = (0..5).any(|_| {
                let (mut ours, mut child) = with_child("panic", wait, |mut theirs| {
                    theirs.sender().send(b"half of it").unwrap();
                    std::panic::resume_unwind(Box::new("the test's own panic"));
                });
                let began = Instant::now();
                assert_eq!(ours.receiver().recv_deadline(soon()).unwrap().len(), 10);
                let end = ours.receiver().recv_deadline(soon()).map(drop);
                let late = began.elapsed() >= Duration::from_millis(200);
                let checked = ours.sender().check();
                assert_eq!(libc::WEXITSTATUS(child.reap()), 101);
                let died = (end, checked) == (Err(RecvError::PeerDied), Err(SendError::PeerDied));
                assert!(died || late && end == Err(RecvError::PeerClosed), "{end:?}");
                died
            });
            assert!(died, "{wait:?}");
        }
    });
}

#[test]
fn an_exit_without_a_drop_is_a_death() {
    alone("an_exit_without_a_drop_is_a_death", LIMIT, || {
        let (mut ours, mut child) = with_child("exit", Wait::Adaptive, |_theirs| {
            std::process::exit(0);
        });
        assert_eq!(child.reap(), 0);
        assert_eq!(
            ours.receiver().recv_deadline(soon()).map(drop),
            Err(RecvError::PeerDied)
        );
    });
}

/// The process lives, and so does the other half: still the peer's halves hear of it, both, and nobody waits for ever.
#[test]
fn a_half_that_a_panic_drops_ends_the_connection() {
    alone(
        "a_half_that_a_panic_drops_ends_the_connection",
        LIMIT,
        || {
            for sends in [true, false] {
                let (mut ours, theirs) = pair("half");
                let (mut sender, receiver) = theirs.split();
                sender.send(b"committed").unwrap();
                let began = Instant::now();
                let (sender, receiver) = if sends {
                    drop_by_panic(sender);
                    (None, Some(receiver))
                } else {
                    drop_by_panic(receiver);
                    (Some(sender), None)
                };
                assert_eq!(ours.receiver().recv().unwrap().to_vec(), b"committed");
                assert_eq!(
                    ours.receiver().recv_deadline(soon()).map(drop),
                    Err(RecvError::PeerClosed)
                );
                assert!(began.elapsed() >= Duration::from_millis(200), "the grace");
                assert_eq!(
                    ours.sender().reserve(8).map(drop),
                    Err(SendError::PeerClosed)
                );
                drop(ours);
                // The half that is left hears what the peer had to say.
                if let Some(mut sender) = sender {
                    assert_eq!(sender.check(), Err(SendError::Closed));
                }
                if let Some(mut receiver) = receiver {
                    assert_eq!(receiver.recv().map(drop), Err(RecvError::Closed));
                }
            }
        },
    );
}

/// A destructor that runs while a thread unwinds, and has its own connection: whole, so its goodbye counts.
#[test]
fn a_connection_made_while_unwinding_ends_in_order() {
    alone(
        "a_connection_made_while_unwinding_ends_in_order",
        LIMIT,
        || {
            struct Reports(PathBuf);
            impl Drop for Reports {
                fn drop(&mut self) {
                    let mut connection = patient().connect(self.0.as_path()).unwrap();
                    connection.sender().send(b"it panicked").unwrap();
                }
            }
            let path = path("report");
            let mut listener = patient().bind(path.as_path()).unwrap();
            let reporter = thread::spawn(|| drop_by_panic(Reports(path)));
            let mut ours = listener.accept_deadline(soon()).unwrap();
            assert_eq!(ours.receiver().recv().unwrap().to_vec(), b"it panicked");
            assert_eq!(ours.receiver().recv().map(drop), Err(RecvError::Closed));
            reporter.join().unwrap();
        },
    );
}

/// As any drop does; and that it was a panic's the end says, behind the last frame.
#[test]
fn a_panic_inside_a_group_publishes_it() {
    alone("a_panic_inside_a_group_publishes_it", LIMIT, || {
        let (mut ours, theirs) = pair("group");
        let panicked = thread::spawn(move || {
            let (mut sender, _receiver) = theirs.split();
            let mut group = sender.group();
            (0..3u8).for_each(|n| group.send(&[n]).unwrap());
            std::panic::resume_unwind(Box::new("the test's own panic"));
        });
        assert!(panicked.join().is_err());
        for n in 0..3 {
            assert_eq!(ours.receiver().recv_deadline(soon()).unwrap().to_vec(), [n]);
        }
        assert_eq!(
            ours.receiver().recv_deadline(soon()).map(drop),
            Err(RecvError::PeerClosed)
        );
    });
}

/// Nobody can tell it from a half that has nothing to say.
#[test]
fn a_half_that_is_leaked_is_silent() {
    alone("a_half_that_is_leaked_is_silent", LIMIT, || {
        let (mut ours, theirs) = pair("leaked");
        let (mut sender, receiver) = theirs.split();
        sender.send(b"committed").unwrap();
        std::mem::forget((sender, receiver));
        assert_eq!(ours.receiver().recv().unwrap().to_vec(), b"committed");
        // Longer than it takes until a closed socket is told as such.
        let late = Instant::now() + Duration::from_millis(300);
        assert_eq!(
            ours.receiver().recv_deadline(late).map(drop),
            Err(RecvError::TimedOut)
        );
        while ours.sender().try_send(&[0; 1000]).is_ok() {}
        assert_eq!(
            ours.sender().send_deadline(&[0; 1000], Instant::now()),
            Err(SendError::TimedOut)
        );
        ours.sender().check().unwrap();
    });
}

/// The grace that `PeerClosed` is given has no timer in somebody else's loop: it is told to come back until then.
#[test]
fn arm_is_ready_while_the_end_is_not_certain() {
    alone("arm_is_ready_while_the_end_is_not_certain", LIMIT, || {
        // Where we lose the processor behind the first look the grace is over at the second: then there is another one.
        let told = (0..5).any(|_| {
            let (mut ours, theirs) = pair("grace");
            assert_eq!(ours.receiver().arm(), Ok(Arm::Armed));
            assert_eq!(ours.sender().arm(8), Ok(Arm::Ready), "there is room");
            while ours.sender().try_send(&[0; 1000]).is_ok() {}
            assert_eq!(ours.sender().arm(1000), Ok(Arm::Armed));
            let began = Instant::now();
            drop_by_panic(theirs);
            let mut turns = 0;
            let end = loop {
                assert_eq!(ours.receiver().arm(), Ok(Arm::Ready));
                assert_eq!(ours.sender().arm(1000), Ok(Arm::Ready));
                match ours.receiver().try_recv().map(drop) {
                    Err(RecvError::Empty) => turns += 1,
                    other => break other,
                }
            };
            assert_eq!(end, Err(RecvError::PeerClosed));
            assert!(began.elapsed() >= Duration::from_millis(200));
            assert_eq!(ours.receiver().arm(), Ok(Arm::Ready), "for good");
            turns > 0
        });
        assert!(told);
    });
}

/// Behind a commit a sender looks whether there is somebody to wake, and sees a goodbye there. Whoever only spins need not be woken, and nobody looks.
#[test]
fn a_receiver_that_spun_is_missed_when_the_lap_is_over() {
    let name = "a_receiver_that_spun_is_missed_when_the_lap_is_over";
    alone(name, LIMIT, || {
        for wait in [Wait::Adaptive, Wait::Spin] {
            let path = path("spun");
            let mut listener = patient().bind(path.as_path()).unwrap();
            let waiting = patient().wait(wait);
            let (mut ours, theirs) = thread::scope(|scope| {
                let client = scope.spawn(|| waiting.connect(path.as_path()).unwrap());
                let ours = listener.accept_deadline(soon()).unwrap();
                (ours, client.join().unwrap())
            });
            let (_sender, receiver) = theirs.split();
            drop(receiver);
            let sent = (0..).take_while(|_| ours.sender().try_send(&[0; 56]).is_ok());
            let (sent, lap) = (sent.count(), ours.sender().capacity() / 64);
            assert_eq!(ours.sender().try_send(&[0; 56]), Err(SendError::Closed));
            if wait == Wait::Spin {
                assert!((2..=lap).contains(&sent), "{sent} frames, {lap} to a lap");
            } else {
                assert_eq!(sent, 1, "the next send looks, and the one after is refused");
            }
        }
    });
}

/// Where no pidfd is to be had a closed socket is all that the kernel tells: there is nothing to wait for.
#[test]
fn without_a_pidfd_a_death_is_told_as_a_close_and_at_once() {
    const SO_PASSPIDFD: u32 = 76;
    let name = "without_a_pidfd_a_death_is_told_as_a_close_and_at_once";
    alone(name, LIMIT, || {
        forbid(libc::SYS_pidfd_open, libc::ENOSYS);
        forbid_with(libc::SYS_setsockopt, 2, SO_PASSPIDFD, libc::ENOPROTOOPT);
        let page = Page::new();
        for heir in [false, true] {
            page.set(0, 0);
            let (mut ours, mut child) = with_child("pidfd", Wait::Adaptive, |mut theirs| {
                theirs.sender().send(b"last words").unwrap();
                if heir {
                    let _heir = fork(|| {
                        // It must outlive its parent: the test ends it.
                        // SAFETY: no memory is passed.
                        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) };
                        page.set(0, u64::from(std::process::id()));
                        thread::sleep(Duration::from_secs(50));
                    });
                    thread::sleep(Duration::from_secs(50));
                }
                page.set(0, 1);
                thread::sleep(Duration::from_secs(50));
            });
            while page.get(0) == 0 {
                thread::yield_now();
            }
            child.signal(libc::SIGKILL);
            child.reap_killed();
            if heir {
                ours.sender().check().unwrap();
                assert_eq!(ours.receiver().recv().unwrap().len(), 10);
                let late = Instant::now() + Duration::from_millis(50);
                assert_eq!(
                    ours.receiver().recv_deadline(late).map(drop),
                    Err(RecvError::TimedOut),
                    "the heir has the socket"
                );
                let heir = page.get(0) as libc::pid_t;
                // SAFETY: no memory is passed; it is the process that we have had forked, and it sleeps.
                assert_eq!(unsafe { libc::kill(heir, libc::SIGKILL) }, 0);
            } else {
                // The first question is answered, and not with 200 ms of grace.
                assert_eq!(ours.sender().check(), Err(SendError::PeerClosed));
                assert_eq!(ours.receiver().recv().unwrap().len(), 10);
            }
            assert_eq!(
                ours.receiver().recv_deadline(soon()).map(drop),
                Err(RecvError::PeerClosed)
            );
        }
    });
}

/// Whether the kernel knows this option of sockets, by which it attaches descriptors of processes (Linux 6.5).
fn attaches(option: i32) -> bool {
    let (one, _other) = UnixStream::pair().unwrap();
    let (mut value, mut length) = (0i32, 4);
    let value = (&raw mut value).cast();
    // SAFETY: `value` is valid for writes of `length` bytes, and `length` for reads and writes.
    let asked = unsafe {
        libc::getsockopt(
            one.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            value,
            &raw mut length,
        )
    };
    asked == 0
}

/// A sandbox that is closed in the midst of a handshake: what the kernel was asked to attach to every message it attaches still, so that the first nudge would end the connection.
#[test]
fn who_cannot_end_a_handshake_has_no_connection() {
    const SO_PASSPIDFD: u32 = 76;
    let name = "who_cannot_end_a_handshake_has_no_connection";
    alone(name, LIMIT, || {
        if !attaches(SO_PASSPIDFD.try_into().unwrap()) {
            println!("not run: this kernel attaches no descriptors of processes");
            return;
        }
        let path = path("shake");
        let config = patient();
        let mut listener = config.bind(path.as_path()).unwrap();
        thread::scope(|scope| {
            let connect = || config.connect(path.as_path()).map(drop);
            let mut client = scope.spawn(connect);
            // Until one has still to answer, and is not through at once.
            while listener.handshakes() == 0 {
                if listener.try_accept().unwrap().is_some() {
                    client.join().unwrap().unwrap();
                    client = scope.spawn(connect);
                }
            }
            forbid_with(libc::SYS_getsockopt, 2, SO_PASSPIDFD, libc::ENOPROTOOPT);
            forbid_with(libc::SYS_setsockopt, 2, SO_PASSPIDFD, libc::EPERM);
            while listener.refusals() == 0 {
                assert!(listener.try_accept().unwrap().is_none());
            }
            let refusal = listener.last_refusal().unwrap().to_string();
            assert!(refusal.contains("ending a handshake"), "{refusal}");
            let error = client.join().unwrap().unwrap_err();
            assert!(error.to_string().contains("ending a handshake"), "{error}");
        });
    });
}
