//! Runtimes that end, tasks that panic, and halves that move.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use ringway::batch::Bounds;
use ringway::tokio::{Batcher, Connection, Listener, Receiver, Sender, any, connect, connect_with};
use ringway::{ErrorKind, RecvError, SendError};
use tokio::runtime::{Builder, Runtime};

use crate::scene::{awakes, one_thread, pair, path, patient, run, several_threads};

/// Two ends that no runtime knows of.
fn plain() -> (ringway::Connection, ringway::Connection) {
    let path = path();
    let config = patient().capacity(1 << 14).peer_capacity(1 << 14);
    let mut listener = config.bind(path.as_path()).unwrap();
    let client = std::thread::spawn(move || config.connect(path).unwrap());
    (listener.accept().unwrap(), client.join().unwrap())
}

#[test]
fn a_runtime_that_is_shut_down_says_goodbye_for_its_tasks() {
    for runtime in [one_thread(), several_threads()] {
        let (theirs, mut ours) = plain();
        run(&runtime, async {
            let (mut sender, mut receiver) = Connection::new(theirs).unwrap().split();
            tokio::spawn(async move {
                loop {
                    drop(receiver.recv().await);
                }
            });
            tokio::spawn(async move { while sender.send(&[1; 1000]).await.is_ok() {} });
            // A listener and a batch of idle ones go with it too.
            let mut listener = Listener::bind(path()).unwrap();
            tokio::spawn(async move { listener.accept().await.map(drop) });
            tokio::time::sleep(Duration::from_millis(50)).await;
        });
        drop(runtime);
        let end = loop {
            match ours.receiver().recv() {
                Ok(frame) => assert_eq!(frame.to_vec(), [1; 1000]),
                Err(error) => break error,
            }
        };
        assert_eq!(end, RecvError::Closed);
        assert_eq!(ours.sender().check(), Err(SendError::Closed));
    }
}

#[test]
fn a_half_goes_on_in_another_runtime_when_its_own_is_gone() {
    let (mut theirs, ours) = plain();
    let (_, half) = ours.split();
    let (first, second) = (one_thread(), several_threads());
    let mut receiver = run(&first, async {
        let mut receiver = Receiver::new(half).unwrap();
        // Asleep once, and dropped in the middle.
        let wait = tokio::time::timeout(Duration::from_millis(50), receiver.recv());
        assert!(wait.await.is_err());
        receiver
    });
    drop(first);
    let sending = std::thread::spawn(move || {
        for n in 0..10u8 {
            std::thread::sleep(Duration::from_millis(5));
            theirs.sender().send(&[n]).unwrap();
        }
        theirs
    });
    run(&second, async {
        for n in 0..10u8 {
            assert_eq!(receiver.recv().await.unwrap().to_vec(), [n]);
        }
    });
    let mut theirs = sending.join().unwrap();
    // Its runtime is gone, and there is no other: it says so, and loses nothing.
    let handle = second.handle().clone();
    drop(second);
    assert_eq!(
        handle.block_on(receiver.recv()).map(drop),
        Err(RecvError::Runtime)
    );
    theirs.sender().send(b"after").unwrap();
    let mut half = receiver.into_inner();
    assert_eq!(half.recv().unwrap().to_vec(), b"after");
}

#[test]
fn a_task_that_panics_ends_its_own_connection_only() {
    for runtime in [one_thread(), several_threads()] {
        run(&runtime, async {
            let (bad, mut peer) = pair().await;
            let (mut good, mut other) = pair().await;
            let panicking = tokio::spawn(async move {
                let mut bad = bad;
                let frame = bad.receiver().recv().await.unwrap();
                assert!(frame.is_empty(), "as it should");
            });
            peer.sender().send(b"panic").await.unwrap();
            assert!(panicking.await.unwrap_err().is_panic());
            // No orderly end: what it had to say may be cut short.
            assert_eq!(
                peer.receiver().recv().await.map(drop),
                Err(RecvError::PeerClosed)
            );
            good.sender().send(b"goes on").await.unwrap();
            assert_eq!(other.receiver().recv().await.unwrap().to_vec(), b"goes on");
        });
    }
}

/// Without I/O, and without time.
fn lacking() -> [Runtime; 2] {
    let build = |driver: fn(&mut Builder) -> &mut Builder| {
        driver(&mut Builder::new_current_thread()).build().unwrap()
    };
    [build(Builder::enable_time), build(Builder::enable_io)]
}

fn is_refused<T>(made: Result<T, ringway::Error>, advice: &str) {
    let error = made.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Runtime);
    assert!(error.to_string().contains(advice), "{error}");
}

#[test]
fn a_runtime_without_what_is_needed_is_refused_at_once_with_advice() {
    for runtime in lacking() {
        let (_theirs, ours) = plain();
        runtime.block_on(async {
            is_refused(Connection::new(ours), "enable_all");
            let path = path();
            let _listener = ringway::Listener::bind(path.as_path()).unwrap();
            is_refused(connect(path).await, "enable_all");
            for target in ["unix:/nowhere", "tcp:127.0.0.1:1"] {
                let targets = target.parse().unwrap();
                let unreachable = any::connect(&targets).await.map(drop).unwrap_err();
                assert_eq!(unreachable.kind(), ErrorKind::Runtime, "{unreachable}");
            }
        });
    }
    // No other has a listener to wait for.
    let [without_io, _] = lacking();
    without_io.block_on(async { is_refused(Listener::bind(path()), "enable_all") });
}

#[test]
fn outside_of_a_runtime_is_said_what_to_do() {
    let (_theirs, ours) = plain();
    is_refused(Connection::new(ours), "Handle::enter");
    is_refused(Listener::bind(path()), "Handle::enter");
    let socket = path();
    for targets in [
        format!("ring:{}", path().display()),
        format!("unix:{}", socket.display()),
        "tcp:127.0.0.1:0".to_owned(),
    ] {
        let bound = any::Listener::bind(&targets.parse().unwrap());
        is_refused(bound, "Handle::enter");
    }
    assert!(!socket.exists());
}

#[test]
fn a_half_that_comes_to_a_runtime_without_what_is_needed_says_so_and_loses_nothing() {
    for lacking in lacking() {
        let (mut theirs, ours) = plain();
        let first = one_thread();
        let (mut sender, mut receiver) =
            run(&first, async { Connection::new(ours).unwrap().split() });
        drop(first);
        while sender.try_send(&[1; 1000]).is_ok() {}
        lacking.block_on(async {
            assert_eq!(receiver.recv().await.map(drop), Err(RecvError::Runtime));
            assert_eq!(sender.send(&[2; 1000]).await, Err(SendError::Runtime));
        });
        theirs.sender().send(b"after").unwrap();
        run(&several_threads(), async {
            assert_eq!(receiver.recv().await.unwrap().to_vec(), b"after");
        });
    }
}

/// A receiver that has slept in `first`, and has a moment at which it looks again: its peer has left without a goodbye.
fn fading(first: &Runtime) -> Receiver {
    // Again where this thread got so little of a processor that the kernel has told before.
    for _ in 0..100 {
        let (theirs, ours) = plain();
        let mut receiver = run(first, async { Receiver::new(ours.split().1).unwrap() });
        let leaves = std::thread::spawn(move || {
            let _theirs = theirs;
            std::panic::resume_unwind(Box::new("no goodbye"));
        });
        assert!(leaves.join().is_err());
        let mut waits = true;
        for _ in 0..20 {
            // Nobody drops this wait.
            let poll = poll_fn(|cx| Poll::Ready(receiver.poll_recv(cx).is_pending()));
            waits &= run(first, poll);
            std::thread::sleep(Duration::from_micros(200));
        }
        if waits {
            return receiver;
        }
    }
    panic!("this machine is too busy");
}

/// What is looked at again at some moment is so in the runtime that polls, whatever became of the one before.
#[test]
fn a_peer_that_fades_is_heard_of_in_the_runtime_that_polls() {
    for first_ends in [true, false] {
        let (first, second) = (one_thread(), one_thread());
        let mut receiver = fading(&first);
        let first = (!first_ends).then_some(first);
        run(&second, async {
            let end = awakes(receiver.recv()).await.map(drop);
            assert_eq!(end, Err(RecvError::PeerClosed));
        });
        drop(first);
    }
}

/// Polls until it has slept: with a timer of `runtime`, which is then shut down. `false`: it was over when it was polled first, before which this thread was stalled.
fn begins<T>(runtime: Runtime, wait: &mut (impl Future<Output = T> + Unpin)) -> bool {
    for turn in 0..20 {
        let poll = poll_fn(|cx| Poll::Ready(Pin::new(&mut *wait).poll(cx).is_pending()));
        if !run(&runtime, poll) {
            assert_eq!(turn, 0, "it ends in a runtime that does not turn");
            return false;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    drop(runtime);
    true
}

/// Times for what is to be polled before they are over.
fn longer_and_longer() -> impl Iterator<Item = Duration> {
    (0..8).map(|power| Duration::from_millis(100 << power))
}

/// A send of a frame that lasts so long, in two runtimes; room for it `comes`, or the frame expires. `false`: it was over before it began.
fn goes_on_sending(lasts: Duration, comes: bool) -> bool {
    let (mut theirs, ours) = plain();
    let first = one_thread();
    let mut sender = run(&first, async { Sender::new(ours.split().0).unwrap() });
    while sender.try_send(&[1; 1000]).is_ok() {}
    let expires = Instant::now() + lasts;
    let mut sending = Box::pin(sender.send_expiring(&[2; 1000], expires));
    if !begins(first, &mut sending) {
        return false;
    }
    run(&several_threads(), async {
        if comes {
            while theirs.receiver().try_recv().is_ok() {}
            assert_eq!(awakes(sending).await, Ok(()));
            assert_eq!(theirs.receiver().try_recv().unwrap().to_vec(), [2; 1000]);
        } else {
            assert_eq!(awakes(sending).await, Err(SendError::Expired));
        }
    });
    true
}

/// What a batcher keeps back for so long at most is published in another runtime than the first. `false`: it was due before it was waited for.
fn goes_on_keeping_back(budget: Duration) -> bool {
    let (mut theirs, ours) = plain();
    let first = one_thread();
    let sender = run(&first, async { Sender::new(ours.split().0).unwrap() });
    let bounds = Bounds::new().budget(budget);
    let mut batcher = run(&first, async { Batcher::new(sender, bounds).unwrap() });
    let mut sent = 0;
    while !batcher.keeps_back() {
        batcher.try_send(&[1; 16]).expect("room");
        sent += 1;
    }
    let mut due = Box::pin(batcher.due());
    if !begins(first, &mut due) {
        return false;
    }
    run(&one_thread(), awakes(due));
    let received = std::iter::from_fn(|| theirs.receiver().try_recv().ok().map(drop));
    assert_eq!(received.count(), sent);
    true
}

/// Whatever has a moment at which it ends goes on in the runtime that polls it next, with the same moment.
#[test]
fn a_wait_that_ends_at_some_moment_goes_on_in_another_runtime() {
    // For room, until the frame expires.
    assert!(goes_on_sending(Duration::from_secs(3600), true));
    assert!(longer_and_longer().any(|lasts| goes_on_sending(lasts, false)));
    // For what a batcher keeps back to be due.
    assert!(longer_and_longer().any(goes_on_keeping_back));
    // For a server.
    for comes in [true, false] {
        let path = path();
        let time = Duration::from_millis(if comes { 20_000 } else { 100 });
        let config = patient().handshake_timeout(time);
        let mut listener = patient().bind(path.as_path()).unwrap();
        let mut connecting = Box::pin(connect_with(&config, path));
        assert!(begins(one_thread(), &mut connecting));
        let accepting = std::thread::spawn(move || comes.then(|| listener.accept().unwrap()));
        let connected = run(&one_thread(), awakes(connecting)).map(drop);
        if comes {
            connected.unwrap();
        } else {
            // Nobody is there any more, or nobody was in time.
            let kind = connected.unwrap_err().kind();
            assert!(
                [ErrorKind::TimedOut, ErrorKind::PeerGone].contains(&kind),
                "{kind:?}"
            );
        }
        drop(accepting.join().unwrap());
    }
}
