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
                &["inspect", "feed", "--wait=0.5"][..],
                &["ping", "feed", "--wait=0.5", "--count=1"],
                &["tap", "feed", "--wait=0.5"],
            ] {
                let before = asked.load(Ordering::Relaxed);
                let code = Running::start(&mut place.command("asks", ask)).code();
                assert_eq!(code, 5, "{ask:?}: {}", place.words("asks"));
                assert!(asked.load(Ordering::Relaxed) > before, "{ask:?}");
            }
        });
        over.store(true, Ordering::Relaxed);
        outcome
    });
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
    assert!(asked.into_inner() > 3, "asked again");
}
