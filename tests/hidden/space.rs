//! Peers in namespaces of their own: two containers that share nothing but the path of a socket.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use ringway::{Connection, RecvError, SendError, Wait};

use super::process::{Page, alone, fork};
use super::{LIMIT, path, patient, soon};

const READY: usize = 0;
const INSIDE: usize = 1;
const HEARD: usize = 2;
const GONE: usize = 3;
const GO: usize = 4;
/// Words of one container behind those of the other.
const NEXT: usize = 8;

const NEWTIME: i32 = 0x80;
const CONTAINER: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWUTS
    | NEWTIME;

fn done(result: i32) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Moves this process, or its children (pids, clocks), into namespaces of their own. With one of users, our uid is called `known_as` there, if that is given, and has no name
/// there if it is not.
pub(super) fn unshare(namespaces: i32, known_as: Option<u32>) -> io::Result<()> {
    // SAFETY: no preconditions.
    let uid = unsafe { libc::geteuid() };
    // SAFETY: no memory is passed.
    done(unsafe { libc::unshare(namespaces) })?;
    if let Some(known_as) = known_as.filter(|_| namespaces & libc::CLONE_NEWUSER != 0) {
        std::fs::write("/proc/self/setgroups", "deny")?;
        std::fs::write("/proc/self/uid_map", format!("{known_as} {uid} 1"))?;
    }
    if namespaces & NEWTIME != 0 {
        std::fs::write("/proc/self/timens_offsets", "monotonic 5000 0")?;
    }
    if namespaces & libc::CLONE_NEWNS != 0 {
        let (none, shm) = (std::ptr::null(), c"/dev/shm".as_ptr());
        // SAFETY: the strings live during the calls.
        unsafe {
            let private = libc::MS_REC | libc::MS_PRIVATE;
            let root = c"/".as_ptr();
            done(libc::mount(none, root, none, private, none.cast()))?;
            // Nothing of ours is there.
            let kind = c"tmpfs".as_ptr();
            done(libc::mount(kind, shm, kind, 0, none.cast()))?;
        }
    }
    Ok(())
}

/// Whether it can be done here; says so where it cannot.
pub(super) fn can(namespaces: i32, known_as: Option<u32>) -> bool {
    let page = Page::new();
    let mut trial = fork(|| {
        if let Err(error) = unshare(namespaces, known_as) {
            println!("SKIPPED: no namespaces {namespaces:#x} can be made here: {error}");
            page.set(READY, 1);
        }
    });
    assert_eq!(trial.reap(), 0);
    page.get(READY) == 0
}

/// What a half is to hear of a death that it has no pid for: where the kernel attaches a descriptor of the sender's process to its messages (Linux 6.5), that it has died, and else that the
/// connection is closed.
fn heard_without_a_pid() -> u64 {
    const SO_PASSPIDFD: i32 = 76;
    let (one, _other) = UnixStream::pair().unwrap();
    let on = 1i32;
    let size = libc::socklen_t::try_from(size_of::<i32>()).unwrap();
    // SAFETY: `on` is valid for reads of its size.
    let set = unsafe {
        let value = (&raw const on).cast();
        libc::setsockopt(one.as_raw_fd(), libc::SOL_SOCKET, SO_PASSPIDFD, value, size)
    };
    if set == 0 {
        return 1;
    }
    let error = io::Error::last_os_error();
    assert_eq!(error.raw_os_error(), Some(libc::ENOPROTOOPT), "{error}");
    println!("this kernel attaches no descriptors of processes");
    2
}

/// Runs `body` in namespaces of its own, in a process whose pid out here is in the page.
fn elsewhere(
    page: &Page,
    base: usize,
    namespaces: i32,
    known_as: Option<u32>,
    body: impl FnOnce(),
) -> super::process::Child {
    fork(|| {
        unshare(namespaces, known_as).unwrap();
        let mut inside = fork(|| {
            assert_eq!(std::process::id(), 1, "it has pids of its own");
            body();
        });
        page.set(base + INSIDE, u64::from(inside.pid.unsigned_abs()));
        let status = inside.reap();
        // Killed, as it was to be, or at its own end.
        assert!(status == 0 || libc::WIFSIGNALED(status), "{status:#x}");
        page.set(base + GONE, 1);
    })
}

/// Kills or stops the process that runs inside, as it is known out here.
fn signal_inside(page: &Page, base: usize, signal: i32) {
    let pid = inside(page, base);
    // SAFETY: no memory is passed; a grandchild of ours, whose parent reaps it when it has ended and not before.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

/// Its pid out here. It may run, and say so, before its parent has noted that; and 0 would be all of us.
fn inside(page: &Page, base: usize) -> libc::pid_t {
    while page.get(base + INSIDE) == 0 {
        std::thread::yield_now();
    }
    let pid = page.get(base + INSIDE) as libc::pid_t;
    assert!(pid > 1, "{pid}");
    pid
}

/// Waits for the other side's end, and says how it was: 1: died, 2: closed, 3 something else.
fn outlive(mut connection: Connection, page: &Page, base: usize) {
    let (sender, receiver) = connection.halves();
    page.set(base + READY, 1);
    let end = receiver.recv_deadline(soon()).err();
    let told = match end {
        Some(RecvError::PeerDied) => 1,
        Some(RecvError::PeerClosed) => 2,
        _ => 3,
    };
    let same = matches!(
        (told, sender.check()),
        (1, Err(SendError::PeerDied)) | (2, Err(SendError::PeerClosed))
    );
    page.set(base + HEARD, if same { told } else { 4 });
}

/// Each says something by turns; who begins knows before when it is too late. Then `outlive`.
fn exchange(mut connection: Connection, begins: bool, page: &Page, base: usize) {
    let (sender, receiver) = connection.halves();
    if begins {
        let early = receiver.recv_deadline(Instant::now() + Duration::from_millis(20));
        assert_eq!(early.err(), Some(RecvError::TimedOut));
    }
    for number in 0..100u64 {
        if begins {
            sender.send(&number.to_le_bytes()).unwrap();
        }
        let told = receiver.recv_deadline(soon()).unwrap().to_vec();
        assert_eq!(told, number.to_le_bytes());
        if !begins {
            sender.send(&told).unwrap();
        }
    }
    outlive(connection, page, base);
}

/// One is killed; the other hears it, and as a death. In turns: the one that listens, and the one that connects.
fn one_of_two_dies(users: bool) {
    let (flags, known_as) = if users {
        (CONTAINER | libc::CLONE_NEWUSER, Some(0))
    } else {
        (CONTAINER, None)
    };
    if !can(flags, known_as) {
        return;
    }
    for (wait, victim) in [
        (Wait::Park, 0),
        (Wait::Park, 1),
        (Wait::Spin, 0),
        (Wait::Adaptive, 1),
    ] {
        let (page, path) = (Page::new(), path("containers"));
        let config = patient().wait(wait);
        let server = elsewhere(&page, 0, flags, known_as, || {
            let mut listener = config.bind(path.as_path()).unwrap();
            page.set(READY, 2);
            let accepted = listener.accept_deadline(soon()).unwrap();
            exchange(accepted, true, &page, 0);
        });
        page.until(READY, 2);
        let client = elsewhere(&page, NEXT, flags, known_as, || {
            let connected = config.connect(path.as_path()).unwrap();
            exchange(connected, false, &page, NEXT);
        });
        page.until(READY, 1);
        page.until(NEXT + READY, 1);
        let (dies, lives) = if victim == 0 { (0, NEXT) } else { (NEXT, 0) };
        signal_inside(&page, dies, libc::SIGKILL);
        while page.get(lives + HEARD) == 0 {
            std::thread::yield_now();
        }
        // Neither has a pid for the other.
        let told = page.get(lives + HEARD);
        assert_eq!(told, heard_without_a_pid(), "{wait:?}, victim {victim}");
        page.until(lives + GONE, 1);
        drop((server, client));
        let _ = std::fs::remove_file(&path);
    }
}

#[test]
fn two_containers_that_share_only_a_path_hear_of_each_other_s_death() {
    let name = "space::two_containers_that_share_only_a_path_hear_of_each_other_s_death";
    alone(name, LIMIT, || one_of_two_dies(false));
}

/// The same, each with users of its own: both are the same user to the kernel, and root where they are.
#[test]
fn two_rootless_containers_hear_of_each_other_s_death() {
    let name = "space::two_rootless_containers_hear_of_each_other_s_death";
    alone(name, LIMIT, || one_of_two_dies(true));
}

/// Waits until the process out here that `pid` names has been stopped.
fn until_it_is_stopped(pid: libc::pid_t) {
    loop {
        let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        if line
            .rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with('T'))
        {
            return;
        }
        std::thread::yield_now();
    }
}

/// One is stopped, and the other, for which it has no pid, asks for longer than any end takes to be told. Then it goes on.
#[test]
fn a_stopped_process_in_another_container_is_not_dead() {
    let name = "space::a_stopped_process_in_another_container_is_not_dead";
    alone(name, LIMIT, || {
        let (flags, known_as) = if can(CONTAINER, None) {
            (CONTAINER, None)
        } else if can(CONTAINER | libc::CLONE_NEWUSER, Some(0)) {
            (CONTAINER | libc::CLONE_NEWUSER, Some(0))
        } else {
            return;
        };
        for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
            let (page, path) = (Page::new(), path("stopped"));
            let config = patient().wait(wait);
            let server = elsewhere(&page, 0, flags, known_as, || {
                let mut listener = config.bind(path.as_path()).unwrap();
                page.set(READY, 2);
                let mut accepted = listener.accept_deadline(soon()).unwrap();
                let (sender, receiver) = accepted.halves();
                drop(receiver.recv_deadline(soon()).unwrap());
                page.set(READY, 1);
                page.until(GO, 1);
                sender.send(b"asleep?").unwrap();
                let long = Instant::now() + Duration::from_millis(300);
                while Instant::now() < long {
                    assert_eq!(receiver.try_recv().map(drop), Err(RecvError::Empty));
                    assert_eq!(sender.check(), Ok(()));
                }
                let short = Instant::now() + Duration::from_millis(100);
                let end = receiver.recv_deadline(short).map(drop);
                assert_eq!(end, Err(RecvError::TimedOut));
                page.set(GO, 2);
                let answer = receiver.recv_deadline(soon()).unwrap().to_vec();
                assert_eq!(answer, b"asleep?");
                page.set(HEARD, 1);
            });
            page.until(READY, 2);
            let client = elsewhere(&page, NEXT, flags, known_as, || {
                let mut connected = config.connect(path.as_path()).unwrap();
                let (sender, receiver) = connected.halves();
                sender.send(b"there").unwrap();
                let asked = receiver.recv_deadline(soon()).unwrap().to_vec();
                sender.send(&asked).unwrap();
            });
            page.until(READY, 1);
            signal_inside(&page, NEXT, libc::SIGSTOP);
            until_it_is_stopped(inside(&page, NEXT));
            page.set(GO, 1);
            page.until(GO, 2);
            signal_inside(&page, NEXT, libc::SIGCONT);
            page.until(HEARD, 1);
            page.until(GONE, 1);
            page.until(NEXT + GONE, 1);
            drop((server, client));
            let _ = std::fs::remove_file(&path);
        }
    });
}

/// From inside, whoever is outside has no pid; from outside, whoever is inside has one.
#[test]
fn a_death_inside_is_heard_outside_and_one_outside_inside() {
    let name = "space::a_death_inside_is_heard_outside_and_one_outside_inside";
    alone(name, LIMIT, || {
        let flags = libc::CLONE_NEWPID;
        let (flags, known_as) = if can(flags, None) {
            (flags, None)
        } else if can(flags | libc::CLONE_NEWUSER, Some(0)) {
            (flags | libc::CLONE_NEWUSER, Some(0))
        } else {
            return;
        };
        for dies_inside in [true, false] {
            let (page, path) = (Page::new(), path("inside"));
            let mut outside = fork(|| {
                let mut listener = patient().bind(path.as_path()).unwrap();
                page.set(READY, 2);
                outlive(listener.accept_deadline(soon()).unwrap(), &page, 0);
            });
            page.until(READY, 2);
            let inside = elsewhere(&page, NEXT, flags, known_as, || {
                outlive(patient().connect(path.as_path()).unwrap(), &page, NEXT);
            });
            page.until(READY, 1);
            page.until(NEXT + READY, 1);
            let lives = if dies_inside {
                signal_inside(&page, NEXT, libc::SIGKILL);
                0
            } else {
                outside.signal(libc::SIGKILL);
                NEXT
            };
            while page.get(lives + HEARD) == 0 {
                std::thread::yield_now();
            }
            let told = page.get(lives + HEARD);
            if dies_inside {
                assert_eq!(told, 1);
                assert_eq!(outside.reap(), 0);
            } else {
                assert_eq!(told, heard_without_a_pid());
                outside.reap_killed();
            }
            drop(inside);
            let _ = std::fs::remove_file(&path);
        }
    });
}
