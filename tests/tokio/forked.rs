//! A process that forks: its child neither takes anything from it nor waits, whatever it drops or polls.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use ringway::batch::Bounds;
use ringway::tokio::{Batcher, ByteListener, Connection, Listener, any, connect_with};
use ringway::{Config, ErrorKind, RecvError, SendError};
use tokio::time::{sleep, timeout};

use crate::process::{alone, fork};
use crate::scene::{
    LONG, awakes, on_both, one_thread, pair_with, path, patient, run, several_threads,
};

const LIMIT: Duration = Duration::from_secs(60);

type Wait<T> = Pin<Box<dyn Future<Output = T>>>;

fn small() -> Config {
    patient().capacity(1 << 14).peer_capacity(1 << 14)
}

/// A client of which no runtime knows.
fn stream(path: std::path::PathBuf) -> ringway::stream::ByteStream {
    let connection = small().byte_stream().connect(path).unwrap();
    ringway::stream::ByteStream::over(connection).unwrap()
}

/// Polls `wait` until its task is left with the runtime.
async fn asleep<T>(wait: &mut Wait<T>) {
    assert!(timeout(Duration::from_millis(30), wait).await.is_err());
}

/// Does it on a thread of its own, when whoever waits for it sleeps.
fn later<T: Send + 'static>(
    what: impl FnOnce() -> T + Send + 'static,
) -> std::thread::JoinHandle<T> {
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_millis(50));
        what()
    })
}

/// What is dropped by a child, each asleep.
struct Everything {
    recv: Wait<Vec<u8>>,
    send: Wait<()>,
    accept: Wait<ringway::tokio::Connection>,
    bytes: Wait<ringway::tokio::ByteStream>,
    any: Wait<[any::Stream; 2]>,
    connect: Wait<ringway::tokio::Connection>,
    due: Wait<()>,
    fading: Wait<RecvError>,
    socket: std::path::PathBuf,
    /// What wakes them.
    theirs: ringway::Connection,
    late: ringway::Listener,
    paths: [std::path::PathBuf; 3],
}

/// Ours, and that of the peer, of which no runtime knows.
async fn with_plain_peer() -> (Connection, ringway::Connection) {
    let (ours, theirs) = pair_with(small()).await;
    let (sender, receiver) = theirs.split();
    let theirs = ringway::Connection::reunite(sender.into_inner().0, receiver.into_inner());
    (ours, theirs.unwrap())
}

async fn everything() -> Everything {
    let (ours, theirs) = with_plain_peer().await;
    let (mut sender, mut receiver) = ours.split();
    while sender.try_send(&[1; 500]).is_ok() {}
    let mut recv: Wait<_> = Box::pin(async move { receiver.recv().await.unwrap().to_vec() });
    let mut send: Wait<_> = Box::pin(async move { sender.send(&[2; 500]).await.unwrap() });

    let paths = [path(), path(), path()];
    let mut listener = Listener::new(small().bind(paths[0].as_path()).unwrap()).unwrap();
    let mut accept: Wait<_> = Box::pin(async move { listener.accept().await.unwrap() });
    let mut listener = ByteListener::bind_with(&small(), paths[1].as_path()).unwrap();
    let mut bytes: Wait<_> = Box::pin(async move { listener.accept().await.unwrap() });
    let socket = path();
    let targets = format!("ring:{},unix:{}", paths[2].display(), socket.display());
    let mut listener = any::Listener::bind_with(&small(), &targets.parse().unwrap()).unwrap();
    let mut any: Wait<_> = Box::pin(async move {
        [
            listener.accept().await.unwrap(),
            listener.accept().await.unwrap(),
        ]
    });

    // Nobody accepts yet.
    let path = path();
    let late = small().bind(path.as_path()).unwrap();
    let mut connect: Wait<_> = Box::pin(async move { connect_with(&small(), path).await.unwrap() });

    let (ours, kept) = with_plain_peer().await;
    let hour = Bounds::new().budget(Duration::from_secs(3600));
    let mut batcher = Batcher::new(ours.split().0, hour).unwrap();
    batcher.send(b"kept back").await.unwrap();
    let mut due: Wait<_> = Box::pin(async move {
        let _kept = kept;
        batcher.due().await;
    });

    asleep(&mut recv).await;
    asleep(&mut send).await;
    asleep(&mut accept).await;
    asleep(&mut bytes).await;
    asleep(&mut any).await;
    asleep(&mut connect).await;
    asleep(&mut due).await;
    Everything {
        fading: fading().await,
        recv,
        send,
        accept,
        bytes,
        any,
        connect,
        due,
        socket,
        theirs,
        late,
        paths,
    }
}

/// A receiver whose peer has left without a goodbye, and that waits for what the kernel says of its process.
async fn fading() -> Wait<RecvError> {
    // Again where this thread got so little of a processor that the kernel has told before.
    for _ in 0..100 {
        let (ours, theirs) = with_plain_peer().await;
        let mut fading: Wait<_> = Box::pin(async move {
            let (_sender, mut receiver) = ours.split();
            receiver.recv().await.map(drop).unwrap_err()
        });
        let leaves = std::thread::spawn(move || {
            let _theirs = theirs;
            std::panic::resume_unwind(Box::new("no goodbye"));
        });
        assert!(leaves.join().is_err());
        match timeout(Duration::from_millis(30), &mut fading).await {
            Ok(told) => assert_eq!(told, RecvError::PeerClosed),
            Err(_) => return fading,
        }
    }
    panic!("this machine is too busy");
}

#[test]
fn a_child_that_drops_everything_takes_no_wake_from_its_parent() {
    let name = "forked::a_child_that_drops_everything_takes_no_wake_from_its_parent";
    alone(name, LIMIT, || {
        on_both(|| async {
            let mut all = Some(Box::pin(everything()).await);
            let mut child = fork(|| drop(all.take()));
            assert_eq!(child.reap(), 0, "the child");
            let all = all.unwrap();

            assert_eq!(awakes(all.fading).await, RecvError::PeerClosed);

            let mut theirs = all.theirs;
            let peer = later(move || {
                theirs.sender().send(b"awake").unwrap();
                theirs
            });
            assert_eq!(awakes(all.recv).await, b"awake");
            let mut theirs = peer.join().unwrap();
            let peer = later(move || while theirs.receiver().recv().is_ok() {});
            awakes(all.send).await;
            peer.join().unwrap();

            let [frames, bytes, any] = all.paths;
            let client = later(move || small().connect(frames).unwrap());
            drop(awakes(all.accept).await);
            drop(client.join().unwrap());
            let client = later(move || stream(bytes));
            drop(awakes(all.bytes).await);
            drop(client.join().unwrap());
            let client = later(move || {
                let ring = stream(any);
                // Its file is the parent's to remove.
                (
                    ring,
                    std::os::unix::net::UnixStream::connect(all.socket).unwrap(),
                )
            });
            drop(awakes(all.any).await);
            drop(client.join().unwrap());

            let mut late = all.late;
            let server = later(move || late.accept().unwrap());
            drop(awakes(all.connect).await);
            drop(server.join().unwrap());
            drop(all.due);
        });
    });
}

#[test]
fn a_child_that_polls_is_told_and_its_parent_goes_on() {
    let name = "forked::a_child_that_polls_is_told_and_its_parent_goes_on";
    alone(name, LIMIT, || {
        on_both(|| async {
            let (ours, theirs) = pair_with(small()).await;
            let (mut sender, mut receiver) = ours.split();
            let (mut their_sender, mut their_receiver) = theirs.split();
            let place = path();
            let mut listener = Listener::bind(place.as_path()).unwrap();
            let late_place = path();
            let mut late = small().bind(late_place.as_path()).unwrap();
            let mut connect: Wait<_> =
                Box::pin(async move { connect_with(&small(), late_place).await });
            asleep(&mut connect).await;
            assert!(
                timeout(Duration::from_millis(30), receiver.recv())
                    .await
                    .is_err()
            );
            // One that is under way, too.
            let mut under_way = Box::pin(receiver.recv());
            assert!(
                timeout(Duration::from_millis(30), &mut under_way)
                    .await
                    .is_err()
            );

            let mut child = fork(|| {
                // Once where it was forked, without the runtime, and once in one of its own.
                let told = Some(Err(RecvError::Forked));
                assert_eq!(under_way.as_mut().now_or_never().map(|r| r.map(drop)), told);
                let error = connect
                    .as_mut()
                    .now_or_never()
                    .unwrap()
                    .map(drop)
                    .unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Forked, "{error}");
                std::thread::scope(|threads| {
                    threads.spawn(|| {
                        one_thread().block_on(async {
                            assert_eq!(sender.send(b"no").await, Err(SendError::Forked));
                            assert_eq!(sender.reserve(9).await.map(drop), Err(SendError::Forked));
                            let accepted = listener.accept().await.map(drop).unwrap_err();
                            assert_eq!(accepted.kind(), ErrorKind::Forked, "{accepted}");
                            // It has tasks of its own.
                            let (mut a, mut b) = pair_with(small()).await;
                            a.sender().send(b"own").await.unwrap();
                            assert_eq!(b.receiver().recv().await.unwrap().to_vec(), b"own");
                        });
                    });
                });
            });
            assert_eq!(child.reap(), 0, "the child");
            let peer = later(move || {
                their_sender.try_send(b"awake").unwrap();
                their_sender
            });
            assert_eq!(under_way.await.unwrap().to_vec(), b"awake");
            drop(peer.join().unwrap());
            sender.send(b"more").await.unwrap();
            assert_eq!(their_receiver.recv().await.unwrap().to_vec(), b"more");
            let server = later(move || late.accept().unwrap());
            drop(connect.await.unwrap());
            drop(server.join().unwrap());
        });
    });
}

/// A lock of the runtime that another thread holds at the moment of a fork is never given back in the child.
#[test]
fn a_child_does_not_wait_for_a_lock_that_was_held() {
    let name = "forked::a_child_does_not_wait_for_a_lock_that_was_held";
    alone(name, LIMIT, || {
        for runtime in [one_thread(), several_threads()] {
            let handle = runtime.handle();
            let done = AtomicBool::new(false);
            std::thread::scope(|threads| {
                threads.spawn(|| {
                    let _in = handle.enter();
                    while !done.load(Ordering::Relaxed) {
                        let mut timer = pin!(sleep(Duration::from_secs(60)));
                        let _ = timer.as_mut().now_or_never();
                    }
                });
                threads.spawn(|| {
                    let _in = handle.enter();
                    let (_a, b) = std::os::unix::net::UnixStream::pair().unwrap();
                    b.set_nonblocking(true).unwrap();
                    while !done.load(Ordering::Relaxed) {
                        drop(tokio::net::UnixStream::from_std(b.try_clone().unwrap()).unwrap());
                    }
                });
                run(&runtime, async {
                    for _ in 0..4 {
                        let mut all = Some(Box::pin(everything()).await);
                        for _ in 0..16 {
                            let mut child = fork(|| drop(all.take()));
                            assert_eq!(child.reap(), 0, "the child");
                        }
                    }
                });
                done.store(true, Ordering::Relaxed);
            });
        }
    });
}

/// The stream of a receiver, and what was taken from its pool, outlive the fork.
#[test]
fn a_child_keeps_what_was_received() {
    let name = "forked::a_child_keeps_what_was_received";
    alone(name, LIMIT, || {
        run(&one_thread(), async {
            let (mut ours, mut theirs) = pair_with(small()).await;
            ours.sender().send(b"before").await.unwrap();
            let bytes = theirs.receiver().next().await.unwrap().unwrap();
            let mut child = fork(|| {
                assert_eq!(bytes, &b"before"[..]);
                let next = theirs.receiver().next().now_or_never();
                assert_eq!(next, Some(Some(Err(RecvError::Forked))));
            });
            assert_eq!(child.reap(), 0, "the child");
            timeout(LONG, ours.sender().send(b"after"))
                .await
                .unwrap()
                .unwrap();
            let bytes = theirs.receiver().next().await.unwrap().unwrap();
            assert_eq!(bytes, &b"after"[..]);
        });
    });
}
