//! A process is killed in the midst of a hand-over, at the entry and the exit of each of its system calls there: whoever is left has the socket, or the name is free; and who waits in the queue is served, or told.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use ringway::{ErrorKind, Handshake, HandshakeStep, Listener};

use super::process::{Page, alone, fork};
use super::traced::{self, Traced, halt};
use super::{answer, ask, path, patient, role, soon, started};

const LIMIT: Duration = Duration::from_secs(240);

// Words of the page.
const LISTENS: usize = 0;
const DONE: usize = 1;
const HEIR: usize = 2;

/// Has it go on for so many stops, or until it has done what is under way. Returns whether that came first.
fn go_on(traced: &Traced, stops: usize, page: &Page) -> bool {
    (0..stops).any(|_| {
        traced.to_call();
        page.get(DONE) == 1
    })
}

fn sleep() -> ! {
    loop {
        // SAFETY: no preconditions.
        unsafe { libc::pause() };
    }
}

/// What it does with its listener, from which nobody else has the socket.
#[derive(Clone, Copy, Debug)]
enum Operation {
    HandOver,
    PassTo,
    TakeBack,
}

/// One that waits in the queue.
fn waiting(path: &Path) -> Handshake {
    let mut handshake = patient().dial(path).unwrap();
    assert!(matches!(handshake.step(), Ok(HandshakeStep::Waits)));
    handshake
}

/// What it is told.
fn told(mut waiting: Handshake) -> ErrorKind {
    let until = soon();
    while Instant::now() < until {
        if let Err(error) = waiting.step() {
            return error.kind();
        }
        std::thread::yield_now();
    }
    panic!("it waits for ever");
}

/// Nobody has the socket any more: who waits is told, who comes finds nobody, and the next one to bind the name has it.
fn is_free(path: &Path, waiting: Handshake, when: &str) {
    assert_eq!(told(waiting), ErrorKind::PeerGone, "{when}");
    let error = patient().connect(path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{when}: {error}");
    let mut next = patient().bind(path).expect(when);
    serves(&mut next, path, when);
    drop(next);
    assert!(!path.exists(), "{when}");
}

fn old(operation: Operation, path: &Path, page: &Page) {
    let mut listener = patient().bind(path).unwrap();
    let mut command = Command::new("true");
    let mut sockets = Vec::new();
    if matches!(operation, Operation::TakeBack) {
        sockets.push(listener.hand_over().unwrap());
        sockets.clear();
    }
    page.set(LISTENS, 1);
    halt();
    match operation {
        Operation::HandOver => sockets.push(listener.hand_over().unwrap()),
        Operation::PassTo => listener.pass_to(&mut command).unwrap(),
        Operation::TakeBack => listener.take_back().unwrap(),
    }
    page.set(DONE, 1);
    sleep();
}

#[test]
fn who_is_killed_in_a_hand_over_of_his_own_leaves_a_name_that_is_free() {
    let name = "midway::who_is_killed_in_a_hand_over_of_his_own_leaves_a_name_that_is_free";
    alone(name, LIMIT, || {
        if !traced::is_there() {
            return;
        }
        for operation in [Operation::HandOver, Operation::PassTo, Operation::TakeBack] {
            for at in 0.. {
                let (page, path) = (Page::new(), path("midway"));
                let traced = Traced::new(fork(|| old(operation, &path, &page)));
                assert_eq!(page.get(LISTENS), 1);
                let waiting = waiting(&path);
                let done = go_on(&traced, at, &page);
                traced.kill();
                let when = format!("{operation:?}, at stop {at}");
                is_free(&path, waiting, &when);
                page.unmap();
                if done {
                    println!("{operation:?}: {at} stops");
                    break;
                }
            }
        }
    });
}

/// Its heir lets clients in meanwhile, and has the name behind it.
#[test]
fn an_old_one_killed_in_a_taking_back_leaves_all_to_its_successor() {
    let name = "midway::an_old_one_killed_in_a_taking_back_leaves_all_to_its_successor";
    alone(name, LIMIT, || {
        if !traced::is_there() {
            return;
        }
        for at in 0.. {
            let (page, path) = (Page::new(), path("midway-back"));
            let traced = Traced::new(fork(|| {
                let mut listener = patient().bind(path.as_path()).unwrap();
                let mut command = role::process("successor");
                listener.pass_to(&mut command).unwrap();
                let heir = started(&mut command);
                drop(command);
                page.set(HEIR, u64::from(heir.id()));
                // It has begun.
                assert_eq!(ask(&path, b"hello"), heir.id());
                // This process ends before it.
                std::mem::forget(heir);
                halt();
                listener.take_back().unwrap();
                page.set(DONE, 1);
                sleep();
            }));
            let done = go_on(&traced, at, &page);
            let heir = page.get(HEIR) as u32;
            // While it stands still, too.
            assert_eq!(ask(&path, b"now"), heir, "at stop {at}");
            traced.kill();
            assert_eq!(ask(&path, b"later"), heir, "at stop {at}");
            assert_eq!(ask(&path, b"end"), heir, "at stop {at}");
            let until = soon();
            while path.exists() {
                assert!(Instant::now() < until, "at stop {at}: the name is left");
                std::thread::yield_now();
            }
            page.unmap();
            if done {
                println!("{at} stops");
                break;
            }
        }
    });
}

/// Has this process, a child of the one that has `command`, find what that would leave to another program: nothing is closed here as by an `exec`.
fn be_left(command: &Command) {
    let variables = command.get_envs();
    for (name, value) in variables.filter_map(|(name, value)| Some((name, value?))) {
        // `NUMBER:INODE@DEVICE:INODE+NUMBER:INODE`
        let parts = value.to_str().unwrap().split(['@', '+']).enumerate();
        for (_, left) in parts.filter(|(at, _)| *at != 1) {
            let number = left.split(':').next().unwrap().parse().unwrap();
            // SAFETY: no memory is passed.
            assert_eq!(unsafe { libc::fcntl(number, libc::F_SETFD, 0) }, 0);
        }
        // SAFETY: this process has one thread.
        unsafe { std::env::set_var(name, value) };
    }
}

/// An heir when it has come to the `at`th stop of its inheriting; and whether it was done before.
fn heir_at(at: usize, old: &mut Listener) -> (Traced, bool) {
    let page = Page::new();
    let mut command = Command::new("true");
    old.pass_to(&mut command).unwrap();
    let traced = Traced::new(fork(|| {
        be_left(&command);
        halt();
        let listeners = patient().inherit().unwrap();
        assert_eq!(listeners.len(), 1);
        page.set(DONE, 1);
        sleep();
    }));
    let done = go_on(&traced, at, &page);
    page.unmap();
    (traced, done)
}

/// Somebody comes, and is let in here.
fn serves(old: &mut Listener, path: &Path, when: &str) {
    let itself = std::process::id();
    let mut client = fork(|| assert_eq!(ask(path, b"hello"), itself));
    answer(&mut old.accept_deadline(soon()).unwrap());
    assert_eq!(client.reap(), 0, "{when}");
}

#[test]
fn an_heir_killed_while_it_inherits_leaves_all_to_who_takes_it_back() {
    let name = "midway::an_heir_killed_while_it_inherits_leaves_all_to_who_takes_it_back";
    alone(name, LIMIT, || {
        if !traced::is_there() {
            return;
        }
        for at in 0.. {
            let path = path("midway-heir");
            let mut old = patient().bind(path.as_path()).unwrap();
            let (heir, done) = heir_at(at, &mut old);
            let when = format!("at stop {at}");
            old.take_back().expect("the name is there");
            serves(&mut old, &path, &when);
            heir.kill();
            assert!(path.exists(), "{when}: it took the name with it");
            serves(&mut old, &path, &when);
            drop(old);
            assert!(!path.exists(), "{when}");
            if done {
                println!("{at} stops");
                break;
            }
        }
    });
}

#[test]
fn an_heir_killed_while_it_inherits_from_one_that_left_leaves_a_name_that_is_free() {
    let name =
        "midway::an_heir_killed_while_it_inherits_from_one_that_left_leaves_a_name_that_is_free";
    alone(name, LIMIT, || {
        if !traced::is_there() {
            return;
        }
        for at in 0.. {
            let path = path("midway-orphan");
            let mut old = patient().bind(path.as_path()).unwrap();
            let (heir, done) = heir_at(at, &mut old);
            drop(old);
            let waiting = waiting(&path);
            heir.kill();
            is_free(&path, waiting, &format!("at stop {at}"));
            if done {
                break;
            }
        }
    });
}
