//! Runtimes that end, tasks that panic, and halves that move.

use std::time::Duration;

use ringway::tokio::{Connection, Listener, Receiver};
use ringway::{Config, RecvError, SendError};

use crate::scene::{one_thread, pair, path, run, several_threads};

/// Two ends that no runtime knows of.
fn plain() -> (ringway::Connection, ringway::Connection) {
    let path = path();
    let config = Config::new().capacity(1 << 14).peer_capacity(1 << 14);
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

#[test]
fn a_runtime_without_a_timer_is_refused_at_once() {
    let (_theirs, ours) = plain();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime.block_on(async { Connection::new(ours).map(drop) })
    }));
    assert!(made.is_err());
}
