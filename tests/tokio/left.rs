//! A wait that nobody goes on with, because the same half is asked without waiting, or given back: it is over.

use std::future::poll_fn;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::SinkExt;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use ringway::tokio::{Receiver, Sender};
use ringway::{Config, Counters, LaneCounters, Poller, RecvError, SendError};

use crate::process::alone;
use crate::scene::{awakes, on_both, one_thread, pair_at, pair_with, path, patient, run};

/// More looks in vain than it takes until they are told.
const LOOKS: usize = 10_000;

fn small() -> Config {
    patient().capacity(1 << 14).peer_capacity(1 << 14)
}

/// Polls until it sleeps, and leaves it so.
async fn falls_asleep(receiver: &mut Receiver) {
    for _ in 0..20 {
        let poll = poll_fn(|cx| Poll::Ready(receiver.poll_recv(cx).is_pending()));
        assert!(poll.await, "there is nothing");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// What a sink is fed comes at once to a receiver that looks for it, as it does to one that has not slept.
#[test]
fn who_looks_without_waiting_is_waited_upon_though_it_has_slept() {
    on_both(|| async {
        for gives_back in [false, true] {
            let (ours, theirs) = pair_with(small()).await;
            let (mut sender, _ours) = ours.split();
            let (_theirs, mut receiver) = theirs.split();
            falls_asleep(&mut receiver).await;
            sender.feed(Bytes::from_static(b"rung")).await.unwrap();
            let mut half = if gives_back {
                Err(receiver.into_inner())
            } else {
                Ok(receiver)
            };
            let mut take = || {
                let frame = match &mut half {
                    Ok(receiver) => receiver.try_recv(),
                    Err(half) => half.try_recv(),
                };
                frame.map(|frame| frame.to_vec())
            };
            assert_eq!(take(), Ok(b"rung".to_vec()));
            for n in 0..3 {
                assert!((0..LOOKS).all(|_| take() == Err(RecvError::Empty)));
                sender.feed(Bytes::from(vec![n])).await.unwrap();
                assert_eq!(take(), Ok(vec![n]), "it stays back");
            }
        }
    });
}

/// What whoever receives there has counted.
fn counted(path: &Path, what: impl Fn(&LaneCounters) -> u64) -> u64 {
    let mut all = Counters::own().unwrap().connections().unwrap();
    all.retain(|one| Path::new(&one.name) == path);
    assert!(!all.is_empty());
    all.iter().map(|one| what(&one.receives)).sum()
}

/// Rings.
fn wakes(path: &Path) -> u64 {
    counted(path, |receives| receives.wakes)
}

/// A task is polled for whatever wakes it: it has asked the kernel, and told its peer that it sleeps, and does neither again until there is something.
#[test]
fn who_sleeps_already_goes_to_sleep_no_second_time() {
    on_both(|| async {
        let path = path();
        let (ours, theirs) = pair_at(path.clone(), small()).await;
        let (mut sender, _ours) = ours.split();
        let (_theirs, mut receiver) = theirs.split();
        for n in 1..4_u8 {
            let before = counted(&path, |receives| receives.sleeps);
            falls_asleep(&mut receiver).await;
            let slept = counted(&path, |receives| receives.sleeps) - before;
            // Once more where a ring for the last frame was on its way when that was found.
            assert!((1..=2).contains(&slept), "{slept} sleeps");
            let soon = Duration::from_secs(30);
            let (sent, frame) = tokio::join!(
                async {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    sender.send(&[n]).await
                },
                tokio::time::timeout(soon, receiver.recv())
            );
            sent.unwrap();
            assert_eq!(frame.expect("its wake is lost").unwrap().to_vec(), [n]);
        }
    });
}

/// One that waited for room, likewise: it is rung no more.
#[test]
fn who_sends_without_waiting_is_rung_no_more() {
    on_both(|| async {
        let path = path();
        let (ours, theirs) = pair_at(path.clone(), small()).await;
        let (mut sender, _ours) = ours.split();
        let (_theirs, mut receiver) = theirs.split();
        let fill = |sender: &mut Sender| while sender.try_send(&[1; 500]).is_ok() {};
        fill(&mut sender);
        // The sink keeps one, and waits for room.
        for _ in 0..20 {
            let poll = poll_fn(|cx| Poll::Ready(sender.poll_ready_unpin(cx).is_pending()));
            if !poll.await {
                sender
                    .start_send_unpin(Bytes::from_static(&[2; 500]))
                    .unwrap();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(sender.try_send(&[3; 500]), Err(SendError::Full));
        let rung = wakes(&path);
        while let Ok(frame) = receiver.try_recv() {
            drop(frame);
        }
        assert_eq!(wakes(&path), rung);
        sender.try_send(&[3; 500]).unwrap();
    });
}

/// Lets this process have no descriptor more; `None`: as many as before.
fn limit_descriptors(most: Option<u64>) {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(
        Resource::RLIMIT_NOFILE,
        most.unwrap_or(hard.min(1024)),
        hard,
    )
    .unwrap();
}

/// Its halves have nothing that they could be watched by until then.
#[test]
fn a_connection_that_left_a_poller_without_a_descriptor_is_watched_by_its_own() {
    let name = "left::a_connection_that_left_a_poller_without_a_descriptor_is_watched_by_its_own";
    alone(name, Duration::from_secs(60), || {
        let path = path();
        let mut listener = small().bind(path.as_path()).unwrap();
        let (server, mut client) = std::thread::scope(|scope| {
            let client = scope.spawn(|| small().connect(path.as_path()).unwrap());
            let soon = Instant::now() + Duration::from_secs(10);
            let server = listener.accept_deadline(soon).unwrap();
            (server, client.join().unwrap())
        });
        let mut poller = Poller::new().unwrap();
        let token = poller.add(server).unwrap();
        // The lowest number that is free is the first that may not be had.
        let next = std::fs::File::open("/dev/null").unwrap().as_raw_fd();
        limit_descriptors(u64::try_from(next).ok());
        let server = poller.remove(token).unwrap();
        limit_descriptors(None);
        let runtime = one_thread();
        run(&runtime, async {
            let mut server = ringway::tokio::Connection::new(server).unwrap();
            falls_asleep(server.receiver()).await;
            client.sender().send(b"rung").unwrap();
            let frame = awakes(server.receiver().recv()).await.unwrap();
            assert_eq!(frame.to_vec(), b"rung");
        });
    });
}
