//! A sender that several threads share.

mod pair;
#[path = "crash/process.rs"]
mod process;

use std::thread;
use std::time::{Duration, Instant};

use pair::{pair, soon};
use process::alone;
use ringway::{Config, RecvError, SendError};

#[test]
fn it_says_and_does_what_its_sender_does() {
    let (mut server, client) = pair("shared", &Config::new(), &Config::new());
    let (sender, _receiver) = client.split();
    let (capacity, most, peer) = (sender.capacity(), sender.max_payload(), *sender.peer());
    let shared = sender.shared();
    assert_eq!(shared.capacity(), capacity);
    assert_eq!(shared.max_payload(), most);
    assert_eq!(shared.peer(), peer);
    assert_eq!((shared.check(), shared.is_closed()), (Ok(()), false));
    shared.send_kind(7, b"one").unwrap();
    shared.try_send_kind(8, b"two").unwrap();
    shared.send_kind_deadline(0, b"three", soon()).unwrap();
    {
        let mut sender = shared.lock().unwrap();
        let mut reservation = sender.reserve(4).unwrap().kind(9);
        reservation.copy_from_slice(b"four");
        reservation.commit();
        assert_eq!(shared.try_send(b"not now"), Err(SendError::Full));
    }
    let receiver = server.receiver();
    for (kind, payload) in [(7, "one"), (8, "two"), (0, "three"), (9, "four")] {
        let frame = receiver.recv_deadline(soon()).unwrap();
        assert_eq!((frame.kind(), frame.to_vec()), (kind, payload.into()));
    }
    assert_eq!(receiver.try_recv().map(drop), Err(RecvError::Empty));
    drop(server);
    assert_eq!(shared.check(), Err(SendError::Closed));
    assert!(shared.is_closed());
    assert_eq!(shared.send_deadline(b"x", soon()), Err(SendError::Closed));
}

#[test]
fn a_deadline_holds_behind_the_other_threads_and_behind_a_full_ring() {
    let config = Config::new().capacity(4096);
    let (mut server, client) = pair("shared-late", &Config::new(), &config);
    let (sender, _receiver) = client.split();
    let shared = sender.shared();
    let late = || Instant::now() + Duration::from_millis(20);
    let guard = shared.lock().unwrap();
    let other = shared.clone();
    let outcome = thread::spawn(move || other.send_deadline(b"x", late())).join();
    assert_eq!(outcome.unwrap(), Err(SendError::TimedOut));
    assert_eq!(shared.try_lock().map(drop), Err(SendError::Full));
    let behind = late();
    let outcome = shared.lock_deadline(behind).map(drop);
    assert_eq!(outcome, Err(SendError::TimedOut));
    assert!(Instant::now() >= behind);
    drop(guard);
    for outcome in [
        shared.try_lock().map(|mut sender| sender.send(b"tried")),
        // Looked at once, whatever the deadline.
        shared
            .lock_deadline(behind)
            .map(|mut sender| sender.send(b"locked")),
    ] {
        assert_eq!(outcome, Ok(Ok(())));
    }
    for sent in [&b"tried"[..], b"locked"] {
        let frame = server.receiver().recv_deadline(soon()).unwrap();
        assert_eq!(frame.to_vec(), sent);
    }
    while shared.try_send(&[1; 500]).is_ok() {}
    assert_eq!(
        shared.send_deadline(&[2; 500], late()),
        Err(SendError::TimedOut)
    );
    // One thread waits for space, as a rule with the lock; the deadline of another passes, and the first one's frame is sent.
    thread::scope(|scope| {
        let first = scope.spawn(|| shared.send_deadline(&[3; 500], soon()));
        let behind = shared.send_deadline(&[4; 500], late());
        assert_eq!(behind, Err(SendError::TimedOut));
        let mut last = 0;
        while last != 3 {
            last = server.receiver().recv_deadline(soon()).unwrap().to_vec()[0];
        }
        assert_eq!(first.join().unwrap(), Ok(()));
    });
}

#[test]
fn a_panic_with_the_lock_leaves_a_whole_sender() {
    let (mut server, client) = pair("shared-panic", &Config::new(), &Config::new());
    let (sender, _receiver) = client.split();
    let shared = sender.shared();
    let other = shared.clone();
    let panicked = thread::spawn(move || {
        let mut sender = other.lock().unwrap();
        let mut reservation = sender.reserve(10).unwrap();
        reservation.fill(1);
        std::panic::resume_unwind(Box::new("the test's own panic"));
    });
    assert!(panicked.join().is_err());
    shared.send(b"after").unwrap();
    drop(shared);
    let receiver = server.receiver();
    assert_eq!(receiver.recv().unwrap().to_vec(), b"after");
    assert_eq!(
        receiver.recv().map(drop),
        Err(RecvError::Closed),
        "who panicked did not drop the sender"
    );
}

/// The lock is held by a thread that the child of a fork has not: nobody waits for it there.
#[test]
fn a_child_waits_for_no_thread_of_its_parent() {
    let name = "a_child_waits_for_no_thread_of_its_parent";
    alone(name, Duration::from_secs(60), || {
        let (mut server, client) = pair("shared-fork", &Config::new(), &Config::new());
        let (sender, _receiver) = client.split();
        let facts = (sender.capacity(), sender.max_payload(), *sender.peer());
        let shared = sender.shared();
        thread::scope(|scope| {
            let (held, is_held) = std::sync::mpsc::channel();
            let (done, is_done) = std::sync::mpsc::channel::<()>();
            let other = shared.clone();
            let holder = scope.spawn(move || {
                let guard = other.lock().unwrap();
                held.send(()).unwrap();
                is_done.recv().unwrap();
                drop(guard);
            });
            is_held.recv().unwrap();
            // SAFETY: the child uses what it is asked to use, allocates nothing that the parent's other thread could hold, and leaves by `_exit`.
            let child = unsafe { libc::fork() };
            if child == 0 {
                // A wait that has no end is ended by the alarm, whose signal a child inherits no timer for.
                // SAFETY: no memory is passed.
                unsafe { libc::alarm(20) };
                let refused = [
                    shared.send(b"x"),
                    shared.try_send(b"x"),
                    shared.try_send_kind(1, b"x"),
                    shared.send_deadline(b"x", Instant::now()),
                    shared.check(),
                    shared.lock().map(drop),
                ];
                let good = refused == [Err(SendError::Forked); 6]
                    && shared.is_closed()
                    && (shared.capacity(), shared.max_payload(), shared.peer()) == facts;
                // SAFETY: `_exit` ends the process and runs nothing.
                unsafe { libc::_exit(i32::from(!good)) };
            }
            let mut status = 0;
            // SAFETY: `status` is valid for writes.
            let ended = unsafe { libc::waitpid(child, &raw mut status, 0) };
            assert_eq!((ended, status), (child, 0), "signal 14 is the alarm");
            done.send(()).unwrap();
            holder.join().unwrap();
        });
        shared.send(b"the parent's").unwrap();
        let received = server.receiver().recv_deadline(soon()).unwrap().to_vec();
        assert_eq!(received, b"the parent's");
    });
}

/// Of one lane and of several, whose threads look in turns.
#[test]
fn what_expires_is_sent_in_time_or_says_that_it_was_not() {
    for lanes in [1, 2] {
        let config = Config::new()
            .capacity(4096)
            .peer_capacity(4096)
            .lanes(lanes);
        let (mut server, client) = pair(&format!("shared-late-{lanes}"), &config, &config);
        let (sender, _receiver) = client.split();
        let shared = sender.shared();
        let hour = Instant::now() + Duration::from_secs(3600);
        shared.send_expiring(b"fresh", hour).unwrap();
        let frame = server.receiver().recv_deadline(soon()).unwrap();
        assert!(frame.expires().is_some());
        assert_eq!(frame.to_vec(), b"fresh");
        drop(frame);
        let now = Instant::now();
        assert_eq!(shared.send_expiring(b"late", now), Err(SendError::Expired));
        let full = (0..100).any(|_| shared.try_send(&[0; 500]) == Err(SendError::Full));
        assert!(full);
        let expires = Instant::now() + Duration::from_millis(20);
        let error = shared.send_expiring(&[0; 500], expires).unwrap_err();
        let too_late = [SendError::Expired, SendError::QueueTooLong];
        assert!(too_late.contains(&error), "{error:?}");
    }
}
