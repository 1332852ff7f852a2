//! Processes that fork, and processes that execute another program: what their peer hears, and who still has the descriptors.

use std::collections::BTreeMap;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use ringway::{Connection, Event, Listener, Poller, RecvError, SendError, Wait};

use super::process::{Child, Page, alone, fork};
use super::{COMMITTED, path, patient, soon, with_child};

const LIMIT: Duration = Duration::from_secs(60);
/// Longer than it takes until a socket that is closed is told as such.
const LONG: Duration = Duration::from_millis(300);

/// Turns this process into another program, one that sleeps.
fn become_another() -> ! {
    panic!("{}", Command::new("sleep").arg("50").exec());
}

/// Waits until process `pid` executes the program that sleeps.
fn until_another(pid: libc::pid_t) {
    let until = soon();
    let comm = format!("/proc/{pid}/comm");
    while std::fs::read_to_string(&comm).unwrap() != "sleep\n" {
        assert!(Instant::now() < until, "it executes nothing");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_peer_that_executes_another_program_has_closed() {
    alone(
        "forks::a_peer_that_executes_another_program_has_closed",
        Duration::from_secs(60),
        || {
            let (mut ours, child) = with_child("exec", |mut theirs| {
                use std::os::unix::process::CommandExt;
                theirs.sender().send(b"last words").unwrap();
                panic!("{}", std::process::Command::new("sleep").arg("50").exec());
            });
            assert_eq!(
                ours.receiver().recv_deadline(soon()).unwrap().to_vec(),
                b"last words"
            );
            assert_eq!(
                ours.receiver().recv_deadline(soon()).err(),
                Some(RecvError::PeerClosed)
            );
            drop(child);
        },
    );
}

type Call = fn(&mut Connection) -> SendError;

/// The half that sends hears of it as well, whether it asks or waits for room.
#[test]
fn an_exec_is_heard_by_the_sending_half() {
    alone("forks::an_exec_is_heard_by_the_sending_half", LIMIT, || {
        let calls: [(&str, Call); 2] = [
            ("asks", |ours| {
                loop {
                    if let Err(end) = ours.sender().check() {
                        break end;
                    }
                }
            }),
            ("waits", |ours| {
                loop {
                    if let Err(end) = ours.sender().send_deadline(&[0; 1000], soon()) {
                        break end;
                    }
                }
            }),
        ];
        for (name, call) in calls {
            let (mut ours, child) = with_child(name, |_theirs| become_another());
            assert_eq!(call(&mut ours), SendError::PeerClosed, "{name}");
            assert_eq!(ours.sender().send(b"more"), Err(SendError::PeerClosed));
            until_another(child.pid);
        }
    });
}

/// A peer that executes another program, and its child, which has the socket still: `page` has its number, and waits for a 2 there to execute one too.
fn with_heir(name: &str, page: &Page) -> (Connection, Child, libc::pid_t) {
    const GO: usize = 1;
    page.set(COMMITTED, 0);
    page.set(GO, 0);
    let (ours, child) = with_child(name, |mut theirs| {
        theirs.sender().send(b"last words").unwrap();
        let _heir = fork(|| {
            // It must outlive the program that its parent is now: the main test process ends it.
            // SAFETY: no memory is passed.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) };
            page.set(COMMITTED, u64::from(std::process::id()));
            page.until(GO, 1);
            become_another();
        });
        while page.get(COMMITTED) == 0 {
            std::thread::yield_now();
        }
        become_another();
    });
    until_another(child.pid);
    (ours, child, page.get(COMMITTED) as libc::pid_t)
}

/// Nobody but the kernel could tell, and to it the socket is open.
#[test]
fn an_exec_is_not_heard_while_a_child_holds_the_socket() {
    let name = "forks::an_exec_is_not_heard_while_a_child_holds_the_socket";
    alone(name, LIMIT, || {
        let page = Page::new();
        for executes in [false, true] {
            let (mut ours, child, heir) = with_heir("heir", &page);
            let frame = ours.receiver().recv_deadline(soon()).unwrap();
            assert_eq!(frame.to_vec(), b"last words");
            drop(frame);
            let silence = ours.receiver().recv_deadline(Instant::now() + LONG);
            assert_eq!(silence.map(drop), Err(RecvError::TimedOut));
            // It sends while there is room, and waits for more.
            while ours.sender().try_send(&[0; 1000]).is_ok() {}
            let full = ours.sender().send_deadline(&[0; 1000], Instant::now());
            assert_eq!(full, Err(SendError::TimedOut));
            ours.sender().check().unwrap();
            if executes {
                page.set(1, 1);
            } else {
                // SAFETY: no memory is passed; it is the process that we have had forked, and it has not ended.
                assert_eq!(unsafe { libc::kill(heir, libc::SIGKILL) }, 0);
            }
            let end = ours.receiver().recv_deadline(soon()).map(drop);
            assert_eq!(
                end,
                Err(RecvError::PeerClosed),
                "the heir executes: {executes}"
            );
            assert_eq!(ours.sender().check(), Err(SendError::PeerClosed));
            // Both are other programs by now, or dead.
            drop(child);
            if executes {
                // SAFETY: as above.
                assert_eq!(unsafe { libc::kill(heir, libc::SIGKILL) }, 0);
            }
        }
    });
}

/// The open descriptors of this process, and what they are.
fn open() -> BTreeMap<RawFd, PathBuf> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let named = entries.filter_map(|entry| {
        let number = entry.file_name().to_string_lossy().parse().ok()?;
        Some((number, std::fs::read_link(entry.path()).ok()?))
    });
    named.collect()
}

/// Of each kind of thing that has descriptors there is one, with peers that sleep and have been rung.
#[test]
fn every_descriptor_of_ours_is_closed_by_an_exec() {
    alone(
        "forks::every_descriptor_of_ours_is_closed_by_an_exec",
        LIMIT,
        || {
            let before = open();
            let config = patient().wait(Wait::Park).allow_tap(true);
            let path = path("descriptors");
            let mut listener = config.bind(path.as_path()).unwrap();
            let attended = Listener::bind(path.with_extension("attended").as_path()).unwrap();
            let attendant = attended.attend().unwrap();
            let (mut ours, mut theirs, tap) = std::thread::scope(|scope| {
                let client = scope.spawn(|| config.connect(path.as_path()).unwrap());
                let ours = listener.accept_deadline(soon()).unwrap();
                let tap = scope.spawn(|| config.tap(path.as_path()).unwrap());
                while !tap.is_finished() {
                    assert!(listener.try_accept().unwrap().is_none());
                    std::thread::sleep(Duration::from_millis(1));
                }
                (ours, client.join().unwrap(), tap.join().unwrap())
            });
            let counters = ringway::Counters::own().unwrap();
            // The first ring of a process makes what it rings with.
            std::thread::scope(|scope| {
                let sleeper = scope.spawn(|| ours.receiver().recv_deadline(soon()).map(drop));
                while !sleeper.is_finished() {
                    theirs.sender().send(b"ring").unwrap();
                    std::thread::sleep(Duration::from_millis(5));
                }
                sleeper.join().unwrap().unwrap();
            });
            while ours.receiver().try_recv().is_ok() {}
            assert!(ours.receiver().arm().is_ok());
            let mut poller: Poller = Poller::new().unwrap();
            let token = poller.add(ours).unwrap();
            theirs.sender().send(b"more").unwrap();
            match poller.event_deadline(soon()).unwrap() {
                Some(Event::Ready(turn)) => assert_eq!(turn.token(), token),
                other => panic!("{other:?}"),
            }
            // A client under way.
            let line = crate::peer::dial(&path).unwrap();
            assert!(listener.try_accept().unwrap().is_none());
            let door = listener.hand_over().unwrap();

            let all = open();
            let ours: Vec<_> = all
                .iter()
                .filter(|(fd, _)| !before.contains_key(fd))
                .collect();
            assert!(ours.len() > 20, "{ours:?}");
            for (fd, what) in ours {
                // SAFETY: no memory is passed.
                let flags = unsafe { libc::fcntl(*fd, libc::F_GETFD) };
                // What `open` itself had for reading is closed again.
                let closed = flags == -1 || flags & libc::FD_CLOEXEC != 0;
                assert!(closed, "{} stays open", what.display());
            }
            drop((
                poller, theirs, tap, attendant, listener, counters, line, door,
            ));
            // The name of one that was handed over stays.
            std::fs::remove_file(&path).unwrap();
        },
    );
}

#[test]
fn a_grandchild_that_holds_the_socket_does_not_keep_the_peer_alive() {
    alone(
        "forks::a_grandchild_that_holds_the_socket_does_not_keep_the_peer_alive",
        Duration::from_secs(60),
        || {
            let page = Page::new();
            for sends in [false, true] {
                page.set(COMMITTED, 0);
                let (mut ours, child) = with_child("grandchild", |mut theirs| {
                    theirs.sender().send(b"one").unwrap();
                    let _grandchild = fork(|| {
                        // It must outlive its parent: the main test process ends it.
                        // SAFETY: no memory is passed.
                        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) };
                        page.set(COMMITTED, u64::from(std::process::id()));
                        std::thread::sleep(Duration::from_secs(30));
                    });
                    std::thread::sleep(Duration::from_secs(50));
                });
                while page.get(COMMITTED) == 0 {
                    std::thread::yield_now();
                }
                let grandchild = page.get(COMMITTED) as libc::pid_t;
                // Not reaped: a zombie is dead.
                child.signal(libc::SIGKILL);
                if sends {
                    let ended = loop {
                        if let Err(error) = ours.sender().send_deadline(&[0; 1000], soon()) {
                            break error;
                        }
                    };
                    assert_eq!(ended, SendError::PeerDied);
                } else {
                    assert_eq!(
                        ours.receiver().recv_deadline(soon()).unwrap().to_vec(),
                        b"one"
                    );
                    assert_eq!(
                        ours.receiver().recv_deadline(soon()).err(),
                        Some(RecvError::PeerDied)
                    );
                }
                // SAFETY: no memory is passed; signal 0 only asks, SIGKILL goes to the process that we had forked.
                let (there, killed) = unsafe {
                    (
                        libc::kill(grandchild, 0),
                        libc::kill(grandchild, libc::SIGKILL),
                    )
                };
                assert_eq!(
                    (there, killed),
                    (0, 0),
                    "the grandchild was to hold the socket until now"
                );
            }
        },
    );
}

/// In the child nothing of the connection is mapped, and a hint about it is none.
#[test]
fn prefetching_in_a_child_does_nothing() {
    alone("forks::prefetching_in_a_child_does_nothing", LIMIT, || {
        let (mut ours, child) = with_child("prefetch", |mut theirs| {
            assert_eq!(fork(|| theirs.prefetch()).reap(), 0);
            theirs.sender().send(b"done").unwrap();
        });
        ours.prefetch();
        assert_eq!(
            ours.receiver().recv_deadline(soon()).unwrap().to_vec(),
            b"done"
        );
        drop(child);
    });
}

/// A group whose guard was leaked is published by the next call. That of a child says that it may not, and publishes nothing of its parent's.
#[test]
fn a_child_publishes_no_group_of_its_parents() {
    alone(
        "forks::a_child_publishes_no_group_of_its_parents",
        LIMIT,
        || {
            let (mut ours, _child) = with_child("group", |mut theirs| {
                drop(theirs.receiver().recv_deadline(soon()).unwrap());
                theirs.sender().send(b"seen").unwrap();
                let _ = theirs.receiver().recv_deadline(soon()).map(drop);
            });
            let mut group = ours.sender().group();
            group.send(b"of a group").unwrap();
            std::mem::forget(group);
            let mut child = fork(|| {
                assert_eq!(ours.sender().try_send(b"more"), Err(SendError::Forked));
            });
            assert_eq!(child.reap(), 0);
            let late = Instant::now() + Duration::from_millis(50);
            let answer = ours.receiver().recv_deadline(late).map(drop);
            assert_eq!(answer, Err(RecvError::TimedOut), "it was published");
            ours.sender().check().unwrap();
            ours.sender().send(b"more").unwrap();
            drop(ours.receiver().recv_deadline(soon()).unwrap());
        },
    );
}
