//! A listener that is stopped, dies inside `bind`, or leaves its socket to a child: what becomes of its name, and of its clients.

use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::{Duration, Instant};

use ringway::{Config, Error, ErrorKind, Listener};

use super::process::{Child, Page, alone, fork};
use super::traced::{Traced, halt};
use super::{path, soon};

const LIMIT: Duration = Duration::from_secs(60);
const LISTENS: usize = 0;
const GO: usize = 1;

/// Tries to connect for a short time.
fn try_to_connect(path: &Path) -> Result<(), Error> {
    let short = Config::new().handshake_timeout(Duration::from_millis(100));
    short.connect(path).map(drop)
}

/// The name is not ours to take, and who connects is not answered. `why`: what is said of that.
fn is_taken_and_silent(path: &Path, why: &str, when: &str) {
    let error = Listener::bind(path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NameTaken, "{when}: {error}");
    assert!(error.to_string().contains(why), "{when}: {error}");
    let error = try_to_connect(path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{when}: {error}");
}

/// The name is free: the next one to bind it has it, and the drop leaves nothing.
fn is_free(path: &Path, when: &str) {
    let error = try_to_connect(path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{when}: {error}");
    drop(Listener::bind(path).unwrap());
    assert!(!path.exists(), "{when}");
}

fn stop(child: &Child) {
    child.signal(libc::SIGSTOP);
    let mut status = 0;
    // SAFETY: `status` is valid for writes.
    let stopped = unsafe { libc::waitpid(child.pid, &raw mut status, libc::WUNTRACED) };
    assert!(stopped == child.pid && libc::WIFSTOPPED(status));
}

#[test]
fn a_stopped_listener_keeps_its_name_and_its_clients_time_out() {
    let name = "listeners::a_stopped_listener_keeps_its_name_and_its_clients_time_out";
    alone(name, LIMIT, || {
        let (page, path) = (Page::new(), path("stopped"));
        let mut child = fork(|| {
            let mut listener = Listener::bind(path.as_path()).unwrap();
            page.set(LISTENS, 1);
            loop {
                drop(listener.accept().unwrap());
            }
        });
        page.until(LISTENS, 1);
        stop(&child);
        is_taken_and_silent(&path, "a listener that is alive", "stopped");
        child.signal(libc::SIGCONT);
        let patient = Config::new().handshake_timeout(Duration::from_secs(20));
        drop(patient.connect(path.as_path()).unwrap());
        child.signal(libc::SIGKILL);
        child.reap_killed();
        is_free(&path, "killed");
    });
}

/// A child has a copy of the socket that its parent listens with. The kernel then has a listener, and nobody calls `accept`.
#[test]
fn a_forked_child_keeps_a_listener_s_name_until_it_lets_go() {
    let name = "listeners::a_forked_child_keeps_a_listener_s_name_until_it_lets_go";
    alone(name, LIMIT, || {
        for way in ["drops it", "ends", "executes another program"] {
            let (page, path) = (Page::new(), path("heir"));
            let mut child = fork(|| {
                let mut listener = Some(Listener::bind(path.as_path()).unwrap());
                let mut heir = fork(|| {
                    // It must outlive its parent: the test ends it.
                    // SAFETY: no memory is passed.
                    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) };
                    page.set(LISTENS, u64::from(std::process::id()));
                    page.until(GO, 1);
                    match way {
                        "drops it" => {
                            drop(listener.take());
                            page.until(GO, 3);
                        }
                        "ends" => {}
                        _ => {
                            use std::os::unix::process::CommandExt;
                            let error = std::process::Command::new("sleep").arg("50").exec();
                            panic!("{error}");
                        }
                    }
                });
                heir.reap();
            });
            while page.get(LISTENS) == 0 {
                std::thread::yield_now();
            }
            let heir = page.get(LISTENS) as libc::pid_t;
            child.signal(libc::SIGKILL);
            child.reap_killed();
            let why = format!(
                "process {}, which began to listen there, has ended",
                child.pid
            );
            is_taken_and_silent(&path, &why, way);
            assert!(path.exists());
            page.set(GO, 1);
            // Whatever it does, it takes a moment.
            let until = soon();
            while try_to_connect(&path).unwrap_err().kind() != ErrorKind::NotFound {
                assert!(Instant::now() < until, "{way}: the name stays taken");
            }
            assert!(path.exists(), "a child removes no file of its parent's");
            is_free(&path, way);
            page.set(GO, 3);
            if way.starts_with("executes") {
                // SAFETY: no memory is passed; it is the process that we have had forked, and it sleeps.
                assert_eq!(unsafe { libc::kill(heir, libc::SIGKILL) }, 0);
            }
        }
    });
}

/// A child on its way to bind `path`, between `bind(2)` and `listen(2)`: it holds the lock of the directory.
fn half_bound(path: &Path) -> Traced {
    let child = fork(|| {
        halt();
        drop(Listener::bind(path));
        panic!("it was to be killed before");
    });
    let child = Traced::new(child);
    child.enter(&[libc::SYS_listen]);
    assert!(path.exists());
    child
}

/// In a directory of its own: its lock is held for a while.
#[test]
fn a_bind_that_is_stopped_or_killed_half_way_holds_up_others_for_a_second_at_most() {
    let name =
        "listeners::a_bind_that_is_stopped_or_killed_half_way_holds_up_others_for_a_second_at_most";
    alone(name, LIMIT, || {
        let directory = path("half-bound");
        std::fs::create_dir(&directory).unwrap();
        let (one, other) = (directory.join("one"), directory.join("other"));
        let child = half_bound(&one);
        let began = Instant::now();
        let error = Listener::bind(other.as_path()).unwrap_err();
        assert!(began.elapsed() >= Duration::from_secs(1));
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        let text = error.to_string();
        assert!(text.contains("locking the directory of"), "{text}");
        assert!(!other.exists());
        // To connect takes no lock.
        let error = try_to_connect(&one).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        child.kill();
        is_free(&one, "killed between bind and listen");
        is_free(&other, "the lock is free");
        std::fs::remove_dir(&directory).unwrap();
    });
}

/// The drop of a listener takes the lock too, and leaves the file where it does not get it.
#[test]
fn a_listener_that_is_dropped_while_the_lock_is_held_leaves_a_name_that_is_free() {
    let name =
        "listeners::a_listener_that_is_dropped_while_the_lock_is_held_leaves_a_name_that_is_free";
    alone(name, LIMIT, || {
        let directory = path("locked");
        std::fs::create_dir(&directory).unwrap();
        let listener = Listener::bind(directory.join("one").as_path()).unwrap();
        let lock = std::fs::File::open(&directory).unwrap();
        // SAFETY: no memory is passed.
        assert_eq!(unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX) }, 0);
        drop(listener);
        assert!(directory.join("one").exists());
        drop(lock);
        is_free(&directory.join("one"), "left behind");
        std::fs::remove_dir(&directory).unwrap();
    });
}
