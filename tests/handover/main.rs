//! Listening sockets that change hands: from a server to its successor, and by systemd's protocol. Nobody who connects meanwhile is refused.

mod back;
#[path = "../forbid/mod.rs"]
mod forbid;
mod given;
mod kills;
mod last;
mod midway;
mod name;
#[path = "../crash/process.rs"]
mod process;
#[path = "../role/mod.rs"]
#[allow(dead_code, reason = "what a role prints is of no interest here")]
mod role;
mod stopped;
#[path = "../crash/traced.rs"]
#[allow(dead_code, reason = "the tests of kills need more of it")]
mod traced;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockWriteGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ringway::{Config, Connection, ErrorKind, Event, Listener, Poller, connect};

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ringway-handover-{name}-{}", std::process::id()))
}

/// A handshake may take as long as a loaded machine has it take: what it has by default may be too short.
fn patient() -> Config {
    Config::new().handshake_timeout(Duration::from_secs(20))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

/// Answers with its own process id; ends when a frame says so.
fn answer(connection: &mut Connection) -> bool {
    let (sender, receiver) = connection.halves();
    match receiver.recv_deadline(soon()) {
        Ok(frame) => {
            let ends = frame.to_vec() == b"end";
            sender.send(&std::process::id().to_ne_bytes()).unwrap();
            ends
        }
        Err(_) => false,
    }
}

fn ask(path: &Path, word: &[u8]) -> u32 {
    let mut connection = patient().connect(path).unwrap();
    let (sender, receiver) = connection.halves();
    sender.send(word).unwrap();
    let frame = receiver.recv_deadline(soon()).unwrap().to_vec();
    u32::from_ne_bytes(frame.try_into().unwrap())
}

/// The same on a thread of its own.
fn asking(path: &Path, word: &'static [u8]) -> JoinHandle<u32> {
    let path = path.to_path_buf();
    std::thread::spawn(move || ask(&path, word))
}

/// Somebody is served at `path` by `listener`.
fn serves(listener: &mut Listener, path: &Path) {
    let client = asking(path, b"still there");
    answer(&mut listener.accept_deadline(soon()).unwrap());
    assert_eq!(client.join().unwrap(), std::process::id());
}

/// A process that is being started has copies of all that this one has open, until it executes its program. While it has one of what a predecessor keeps, that has not left.
static STARTS: RwLock<()> = RwLock::new(());

/// Starts a process, where nobody is to leave meanwhile.
fn started(command: &mut Command) -> Child {
    let _start = STARTS.read().unwrap_or_else(PoisonError::into_inner);
    command.spawn().unwrap()
}

/// Of a predecessor that is to have left when it drops its listener: other tests start no process from before the passing on until then.
fn leaving() -> RwLockWriteGuard<'static, ()> {
    STARTS.write().unwrap_or_else(PoisonError::into_inner)
}

fn waited(mut child: Child) {
    assert!(child.wait().unwrap().success());
}

#[test]
fn in_a_role() {
    let Some(role) = role::assigned() else {
        return;
    };
    let (role, argument) = role.split_once('=').unwrap_or((&role, ""));
    match role {
        "successor" => {
            let mut listeners = patient().inherit().unwrap();
            assert!(Config::new().inherit().unwrap().is_empty(), "taken once");
            let mut listener = listeners.pop().unwrap();
            assert!(listeners.is_empty());
            while !answer(&mut listener.accept_deadline(soon()).unwrap()) {}
        }
        "generation" => generation(argument.parse().unwrap()),
        "cannot ask" => given::ask_in_vain(),
        "heir of none" => assert!(Config::new().inherit().unwrap().is_empty()),
        "finds its own" => given::find_own(),
        "crowded" => given::pass_on_crowded(Path::new(argument)),
        "quits" => name::quit(),
        "quits when told" => {
            // Its end is the word.
            std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
            name::quit();
        }
        "passes on" => name::pass_on(),
        "relative" => name::pass_relative(Path::new(argument)),
        "stopped founder" => stopped::be_stopped(Path::new(argument)),
        "killed founder" => kills::be_killed(Path::new(argument)),
        "founder" => name::found(Path::new(argument)),
        other => panic!("no role {other}"),
    }
}

/// Serves for a moment, and until it has answered some, hands over to the next generation, and ends when its own clients have left; the last one serves until it is told to end.
fn generation(left: u32) {
    let listener = patient().inherit().unwrap().pop().unwrap();
    let mut poller: Poller = Poller::new().unwrap();
    let token = poller.listen(listener, |connection| connection).unwrap();
    let mut next = None;
    let until = Instant::now() + Duration::from_millis(100);
    let mut answered = 0;
    loop {
        match poller
            .event_deadline(Instant::now() + Duration::from_millis(5))
            .unwrap()
        {
            Some(Event::Ready(mut turn)) => {
                let ends = answer(&mut turn);
                if ends {
                    break;
                }
                answered += 1;
            }
            Some(Event::Stalled { error, .. }) => panic!("{error}"),
            _ => {}
        }
        let listener = poller.listener(token).unwrap();
        if left > 0 && next.is_none() && answered >= 10 && Instant::now() >= until {
            let mut command = role::process(&format!("generation={}", left - 1));
            listener.pass_to(&mut command).unwrap();
            next = Some(command.spawn().unwrap());
        } else if next.is_some() && listener.handshakes() == 0 && poller.is_empty() {
            break;
        }
    }
    drop(poller);
    if let Some(next) = next {
        waited(next);
    }
}

#[test]
fn the_next_process_lets_in_who_came_meanwhile_and_has_the_name() {
    let path = path("pass");
    let mut old = patient().bind(path.as_path()).unwrap();
    let early = asking(&path, b"early");
    while !old.try_accept().unwrap().is_some_and(|mut client| {
        answer(&mut client);
        true
    }) {}
    assert_eq!(early.join().unwrap(), std::process::id());
    let mut command = role::process("successor");
    let leaving = leaving();
    old.pass_to(&mut command).unwrap();
    // Nobody takes it yet.
    let between = asking(&path, b"between");
    std::thread::sleep(Duration::from_millis(50));
    assert!(old.try_accept().unwrap().is_none());
    let new = command.spawn().unwrap();
    assert_eq!(between.join().unwrap(), new.id());
    drop(old);
    drop(leaving);
    assert!(path.exists(), "the name is the successor's");
    assert_eq!(ask(&path, b"later"), new.id());
    assert_eq!(ask(&path, b"end"), new.id());
    waited(new);
    assert!(!path.exists(), "and is removed by it");
}

#[test]
fn a_successor_that_does_not_come_up_costs_nothing() {
    let path = path("failed");
    let mut old = patient().bind(path.as_path()).unwrap();
    let mut command = std::process::Command::new("/does/not/exist");
    old.pass_to(&mut command).unwrap();
    let start = STARTS.read().unwrap_or_else(PoisonError::into_inner);
    command.spawn().unwrap_err();
    drop(start);
    drop(command);
    old.take_back().unwrap();
    serves(&mut old, &path);
    drop(old);
    assert!(!path.exists());
    assert_eq!(
        connect(path.as_path()).unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[test]
fn a_handshake_that_has_begun_ends_where_it_began() {
    let path = path("begun");
    let mut old = patient().bind(path.as_path()).unwrap();
    let client = asking(&path, b"begun");
    let deadline = soon();
    let mut done = None;
    while old.handshakes() == 0 && done.is_none() {
        assert!(Instant::now() < deadline);
        done = old.try_accept().unwrap();
    }
    let socket = old.hand_over().unwrap();
    let mut connection = match done {
        Some(connection) => connection,
        None => old.accept_deadline(deadline).unwrap(),
    };
    assert_eq!(old.handshakes(), 0);
    answer(&mut connection);
    assert_eq!(client.join().unwrap(), std::process::id());
    drop(old);
    let mut new = patient().listen_on(socket).unwrap();
    assert_eq!(new.path(), path);
    let client = asking(&path, b"next");
    answer(&mut new.accept_deadline(soon()).unwrap());
    client.join().unwrap();
    drop(new);
    assert!(path.exists(), "whoever made the socket removes its name");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn five_generations_under_load_refuse_nobody() {
    const GENERATIONS: u32 = 4;
    let path = path("generations");
    let mut first = patient().bind(path.as_path()).unwrap();
    let mut command = role::process(&format!("generation={GENERATIONS}"));
    let leaving = leaving();
    first.pass_to(&mut command).unwrap();
    let child = command.spawn().unwrap();
    drop(first);
    drop(leaving);
    let stop = AtomicBool::new(false);
    let seen = Mutex::new(BTreeSet::new());
    // Panics where it is refused.
    let hear = || {
        let server = ask(&path, b"hello");
        let mut seen = seen.lock().unwrap();
        seen.insert(server);
        seen.len()
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    hear();
                }
            });
        }
        let deadline = soon();
        while hear() <= GENERATIONS as usize && Instant::now() < deadline {}
        stop.store(true, Ordering::Relaxed);
    });
    ask(&path, b"end");
    waited(child);
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.len(), GENERATIONS as usize + 1, "{seen:?}");
    assert!(!path.exists());
}
