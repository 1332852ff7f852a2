//! A listener that is stopped, dies inside `bind`, or leaves its socket to a child: what becomes of its name, and of its clients.

use std::os::fd::AsRawFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use ringway::{Config, Error, ErrorKind, Listener};

use super::process::{Child, Page, alone, fork};
use super::traced::{self, Traced, halt};
use super::{path, patient, soon};

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
pub(crate) fn is_free(path: &Path, when: &str) {
    let error = try_to_connect(path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{when}: {error}");
    drop(Listener::bind(path).unwrap());
    assert!(!path.exists(), "{when}");
}

/// The same as soon as whoever still has the socket has ended.
fn is_free_soon(path: &Path, when: &str) {
    let until = soon();
    while !try_to_connect(path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        assert!(Instant::now() < until);
    }
    is_free(path, when);
}

#[test]
fn a_stopped_listener_keeps_its_name_and_its_clients_time_out() {
    let name = "listeners::a_stopped_listener_keeps_its_name_and_its_clients_time_out";
    alone(name, LIMIT, || {
        let (page, path) = (Page::new(), path("stopped"));
        let mut child = fork(|| {
            let mut listener = patient().bind(path.as_path()).unwrap();
            page.set(LISTENS, 1);
            loop {
                drop(listener.accept().unwrap());
            }
        });
        page.until(LISTENS, 1);
        child.stop();
        is_taken_and_silent(&path, "a listener that is alive", "stopped");
        child.signal(libc::SIGCONT);
        drop(patient().connect(path.as_path()).unwrap());
        child.signal(libc::SIGKILL);
        child.reap_killed();
        is_free(&path, "killed");
    });
}

/// A child has a copy of the socket that its parent listens with. The kernel then has a listener, and nobody calls `accept`: whoever binds next has the name.
#[test]
fn a_forked_child_of_a_dead_listener_does_not_keep_its_name() {
    let name = "listeners::a_forked_child_of_a_dead_listener_does_not_keep_its_name";
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
                        "drops it" => drop(listener.take()),
                        "ends" => {}
                        _ => {
                            use std::os::unix::process::CommandExt;
                            let error = std::process::Command::new("sleep").arg("50").exec();
                            panic!("{error}");
                        }
                    }
                    page.set(LISTENS, 0);
                    page.until(GO, 3);
                });
                heir.reap();
            });
            while page.get(LISTENS) == 0 {
                std::thread::yield_now();
            }
            let heir = page.get(LISTENS) as libc::pid_t;
            let why = "a listener that is alive";
            is_taken_and_silent(&path, why, "its parent lives");
            child.signal(libc::SIGKILL);
            child.reap_killed();
            // Until somebody binds it, clients come to a socket that nobody looks at.
            let error = try_to_connect(&path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut, "{way}: {error}");
            let mut next = patient().bind(path.as_path()).unwrap();
            serves(&mut next, &path);
            page.set(GO, 1);
            if way.starts_with("executes") {
                until_it_is(heir, "sleep\n");
            } else {
                let until = soon();
                while page.get(LISTENS) != 0 {
                    assert!(Instant::now() < until, "{way}");
                    std::thread::yield_now();
                }
            }
            serves(&mut next, &path);
            drop(next);
            is_free_behind(&path, way);
            page.set(GO, 3);
            if way.starts_with("executes") {
                // SAFETY: no memory is passed; it is the process that we have had forked, and it sleeps.
                assert_eq!(unsafe { libc::kill(heir, libc::SIGKILL) }, 0);
            }
        }
    });
}

/// A client is let in.
pub(crate) fn serves(listener: &mut Listener, path: &Path) {
    std::thread::scope(|scope| {
        let client = scope.spawn(move || drop(patient().connect(path).unwrap()));
        drop(listener.accept_deadline(soon()).unwrap());
        client.join().unwrap();
    });
}

/// An orderly end has removed the name.
fn is_free_behind(path: &Path, when: &str) {
    assert!(!path.exists(), "{when}");
    let error = try_to_connect(path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{when}: {error}");
}

fn until_it_is(pid: libc::pid_t, program: &str) {
    let until = soon();
    while std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap() != program {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// To be the child of a dead listener is one thing, to have its socket by its will another: then its name is taken, though whoever made it has ended.
#[test]
fn a_socket_that_was_handed_over_keeps_its_name_when_its_maker_has_ended() {
    let name = "listeners::a_socket_that_was_handed_over_keeps_its_name_when_its_maker_has_ended";
    alone(name, LIMIT, || {
        let (page, path) = (Page::new(), path("handed-over"));
        let mut maker = fork(|| {
            let mut listener = Listener::bind(path.as_path()).unwrap();
            let socket = listener.hand_over().unwrap();
            let mut heir = fork(|| {
                // It must outlive its parent: the test ends it.
                // SAFETY: no memory is passed.
                unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) };
                let mut listener = patient().listen_on(socket).unwrap();
                page.set(LISTENS, u64::from(std::process::id()));
                while page.get(GO) == 0 {
                    let _ = listener.accept_deadline(Instant::now() + Duration::from_millis(5));
                }
            });
            heir.reap();
        });
        while page.get(LISTENS) == 0 {
            std::thread::yield_now();
        }
        maker.signal(libc::SIGKILL);
        maker.reap_killed();
        let error = Listener::bind(path.as_path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NameTaken, "{error}");
        let why = format!(
            "process {}, which listened there last, has ended, but its socket was handed over once",
            maker.pid
        );
        assert!(error.to_string().contains(&why), "{error}");
        drop(patient().connect(path.as_path()).unwrap());
        page.set(GO, 1);
        is_free_soon(&path, "the heir has ended");
    });
}

/// What failed has changed nothing: the socket is its maker's alone, and a child that has a copy of it keeps no name.
#[test]
fn a_hand_over_that_failed_leaves_a_name_that_is_free_when_its_maker_has_ended() {
    let name =
        "listeners::a_hand_over_that_failed_leaves_a_name_that_is_free_when_its_maker_has_ended";
    alone(name, LIMIT, || {
        let (page, path) = (Page::new(), path("not-handed-over"));
        let mut maker = fork(|| {
            let mut listener = Listener::bind(path.as_path()).unwrap();
            limited(|| {
                assert!(listener.hand_over().is_err());
                let mut command = std::process::Command::new("true");
                assert!(listener.pass_to(&mut command).is_err());
            });
            with_a_child(&page);
        });
        is_killed_behind_its_child(&mut maker, &page);
        drop(Listener::bind(path.as_path()).unwrap());
        assert!(!path.exists());
        page.set(GO, 1);
    });
}

/// Nobody can tell who has a socket that was handed over once: then it is left to whoever that is, though it be a child that lets nobody in.
#[test]
fn a_listener_that_was_taken_back_leaves_its_name_to_its_children_too() {
    let name = "listeners::a_listener_that_was_taken_back_leaves_its_name_to_its_children_too";
    alone(name, LIMIT, || {
        let (page, path) = (Page::new(), path("taken-back"));
        let mut maker = fork(|| {
            let mut listener = Listener::bind(path.as_path()).unwrap();
            drop(listener.hand_over().unwrap());
            listener.take_back().unwrap();
            with_a_child(&page);
        });
        is_killed_behind_its_child(&mut maker, &page);
        let error = Listener::bind(path.as_path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NameTaken, "{error}");
        assert!(error.to_string().contains("or a forked child"), "{error}");
        page.set(GO, 1);
        is_free_soon(&path, "the child has ended");
    });
}

/// Without a descriptor to be had.
fn limited(body: impl FnOnce()) {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 0, hard).unwrap();
    body();
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
}

/// In one that listens: has a child, with copies of all that it has, until it is told to go.
fn with_a_child(page: &Page) {
    let mut child = fork(|| {
        // It must outlive its parent: the test ends it.
        // SAFETY: no memory is passed.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) };
        page.set(LISTENS, 1);
        page.until(GO, 1);
    });
    child.reap();
}

fn is_killed_behind_its_child(maker: &mut Child, page: &Page) {
    page.until(LISTENS, 1);
    maker.signal(libc::SIGKILL);
    maker.reap_killed();
}

/// A child on its way to bind `path`, between `bind(2)` and `listen(2)`: it holds the lock of the directory.
pub(crate) fn half_bound(path: &Path) -> Traced {
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

/// In a directory that nobody else can open, whose own lock is held for a while.
#[test]
fn a_bind_that_is_stopped_or_killed_half_way_holds_up_others_for_a_second_at_most() {
    let name =
        "listeners::a_bind_that_is_stopped_or_killed_half_way_holds_up_others_for_a_second_at_most";
    alone(name, LIMIT, || {
        if !traced::is_there() {
            return;
        }
        let directory = path("half-bound");
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&directory)
            .unwrap();
        let (one, other) = (directory.join("one"), directory.join("other"));
        let child = half_bound(&one);
        let began = Instant::now();
        let error = Listener::bind(other.as_path()).unwrap_err();
        assert!(began.elapsed() >= Duration::from_secs(1));
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        let text = error.to_string();
        assert!(text.contains("held the lock"), "{text}");
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
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&directory)
            .unwrap();
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
