//! `ringway ping`, `inspect` and `tap`, asking who does not answer as a listener does.

mod support;

use std::io::{BufRead, BufReader};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType, UnixAddr};
use support::{Place, Running, config, until};

/// It is answered once, and finds a socket of another program behind that: it says so, does not ask again, and has been answered.
#[test]
fn who_was_answered_and_is_then_refused_has_been_answered() {
    let place = Place::new();
    let path = place.file("feed");
    let mut listener = config().bind(path.as_path()).unwrap();
    let ask = ["ping", "feed", "--count=3", "--interval=1", "--wait=20"];
    let mut asking = Running::start(place.command("ping", &ask).stdout(Stdio::piped()));
    let mut said = BufReader::new(asking.child.stdout.take().unwrap()).lines();
    let first = thread::scope(|scope| {
        let first = scope.spawn(|| said.next().unwrap().unwrap());
        until("it is answered", || {
            assert!(listener.try_accept().unwrap().is_none(), "it is no client");
            first.is_finished()
        });
        first.join().unwrap()
    });
    assert!(first.contains(" answered in "), "{first}");
    // At no moment is nobody there. A question that the listener has not answered when it goes is asked again.
    let other = place.file("other");
    let _other = UnixListener::bind(&other).unwrap();
    std::fs::rename(&other, &path).unwrap();
    drop(listener);
    let rest: Vec<String> = said.map(Result::unwrap).collect();
    assert_eq!(asking.code(), 0, "{}", place.words("ping"));
    let [second, sum] = &rest[..] else {
        panic!("{rest:?}");
    };
    assert!(
        second.starts_with("2: ") && second.contains("is another program's"),
        "{second}"
    );
    assert!(sum.starts_with("1 of 2 answered; "), "{sum}");

    // Who has never been answered has failed.
    let ask = ["ping", "feed", "--count=3", "--wait=0.1"];
    assert_eq!(Running::start(&mut place.command("ping", &ask)).code(), 1);
}

/// Who listens under the name later is not read along, however soon it does: neither while connections of the first one go on, nor in their place.
#[test]
fn another_process_under_the_name_is_not_read_along() {
    let place = Place::new();
    let allows = config().allow_tap(true);
    let mut first = allows.bind(place.file("feed")).unwrap();
    let path = place.file("feed");
    let client = thread::spawn(move || config().connect(path).unwrap());
    let mut served = first.accept().unwrap();
    let mut client = client.join().unwrap();
    let _attendant = first.attend().unwrap();
    let out = place.file("out");
    let ask = ["tap", "feed", "--priority=normal", "--wait=20"];
    let shown = std::fs::File::create(&out).unwrap();
    let mut tap = Running::start(place.command("tap", &ask).stdout(shown));
    let lines = || std::fs::read_to_string(&out).unwrap();
    let mut first_speaks = || {
        client.sender().send(b"first").unwrap();
        assert_eq!(served.receiver().recv().unwrap().to_vec(), b"first");
    };
    until("it is read along", || {
        first_speaks();
        !lines().is_empty()
    });

    // At no moment does nobody listen there.
    let recv = ["recv", "other", "--allow-tap"];
    let _second = Running::start(&mut place.command("recv", &recv));
    until("the second one listens", || {
        config().observe(place.file("other")).is_ok()
    });
    std::fs::rename(place.file("other"), place.file("feed")).unwrap();
    let mut another = config().connect(place.file("feed")).unwrap();
    // It is asked for new connections five times a second.
    for _ in 0..100 {
        first_speaks();
        another.sender().send(b"second").unwrap();
        thread::sleep(Duration::from_millis(10));
    }
    drop((client, served));
    assert_eq!(tap.code(), 0, "{}", place.words("tap"));
    another.sender().send(b"it goes on").unwrap();
    assert!(!lines().contains("7365636f6e64"), "{}", lines());
}

/// Each is asked again for as long as it is to wait, and nobody was there.
#[test]
fn who_hangs_up_is_asked_again_and_then_nobody() {
    let place = Place::new();
    let path = place.file("feed");
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let door = socket::socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).unwrap();
    socket::bind(door.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
    socket::listen(&door, Backlog::new(8).unwrap()).unwrap();
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let outcome = thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                match socket::accept(door.as_raw_fd()) {
                    Ok(caller) => {
                        asked.fetch_add(1, Ordering::Relaxed);
                        nix::unistd::close(caller).unwrap();
                    }
                    Err(error) => {
                        assert_eq!(error, Errno::EAGAIN);
                        thread::sleep(Duration::from_millis(1));
                    }
                }
            }
        });
        let outcome = std::panic::catch_unwind(|| {
            for ask in [
                &["inspect", "feed"][..],
                &["ping", "feed", "--count=1"],
                &["tap", "feed"],
            ] {
                // Longer each time: whoever hangs up may get a processor late.
                let is_asked_again = ["--wait=0.2", "--wait=2", "--wait=20"].iter().any(|wait| {
                    let before = asked.load(Ordering::Relaxed);
                    let ask = [ask, &[wait]].concat();
                    let code = Running::start(&mut place.command("asks", &ask)).code();
                    assert_eq!(code, 5, "{ask:?}: {}", place.words("asks"));
                    asked.load(Ordering::Relaxed) > before + 1
                });
                assert!(is_asked_again, "{ask:?}");
            }
        });
        over.store(true, Ordering::Relaxed);
        outcome
    });
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}
