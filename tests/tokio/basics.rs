//! What is sent arrives, in every way of sending and receiving.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use ringway::tokio::{Connection, Listener, Receiver, Sender, connect, connect_with};
use ringway::{RecvError, SendError};
use tokio::time::timeout;

use crate::scene::{awakes, on_both, pair, pair_with, path, patient};

fn is_send<T: Send>(value: T) -> T {
    value
}

#[test]
fn halves_and_their_futures_are_send() {
    is_send::<Option<(Sender, Receiver, Connection, Listener)>>(None);
    on_both(|| async {
        let (a, b) = pair().await;
        let (mut sender, _) = a.split();
        let (_, mut receiver) = b.split();
        is_send(sender.send(b"1")).await.unwrap();
        is_send(sender.reserve(1)).await.unwrap().commit();
        drop(is_send(receiver.recv()).await.unwrap());
        drop(is_send(receiver.recv_batch(4)).await.unwrap());
        is_send(connect(path())).await.unwrap_err();
    });
}

#[test]
fn a_client_and_a_server_ask_and_answer() {
    on_both(|| async {
        let path = path();
        let listener = patient().bind(path.as_path()).unwrap();
        let mut listener = Listener::new(listener).unwrap();
        let client = tokio::spawn(async move {
            let (mut sender, mut receiver) = connect_with(&patient(), path).await.unwrap().split();
            for n in 0..1000u32 {
                sender.send(&n.to_le_bytes()).await.unwrap();
                assert_eq!(receiver.recv().await.unwrap().to_vec(), n.to_le_bytes());
            }
        });
        let (mut sender, mut receiver) = listener.accept().await.unwrap().split();
        loop {
            match receiver.recv().await {
                Ok(frame) => sender.send(&frame.to_vec()).await.unwrap(),
                Err(error) => break assert_eq!(error, RecvError::Closed),
            }
        }
        client.await.unwrap();
        assert_eq!(sender.check(), Err(SendError::Closed));
        assert_eq!(sender.send(b"more").await, Err(SendError::Closed));
    });
}

#[test]
fn a_stream_through_a_small_ring_arrives_in_order() {
    on_both(|| async {
        let (a, b) = pair().await;
        let (mut sender, _a) = a.split();
        let (_b, mut receiver) = b.split();
        let count = 20_000u32;
        let sending = tokio::spawn(async move {
            for n in 0..count {
                let frame = vec![n as u8; (n % 3000) as usize];
                match n % 3 {
                    0 => sender.send(&frame).await.unwrap(),
                    1 => {
                        let mut place = sender.reserve(frame.len()).await.unwrap();
                        place.copy_from_slice(&frame);
                        place.commit();
                    }
                    _ => SinkExt::send(&mut sender, Bytes::from(frame))
                        .await
                        .unwrap(),
                }
            }
        });
        let mut n = 0;
        let mut check = |frame: Vec<u8>| {
            assert_eq!(frame, vec![n as u8; (n % 3000) as usize]);
            n += 1;
            n
        };
        let mut turn = 0;
        loop {
            turn += 1;
            let got = match turn % 4 {
                0 => check(receiver.next().await.unwrap().unwrap().to_vec()),
                1 => {
                    let mut frames = receiver.recv_batch(5).await.unwrap();
                    let mut last = 0;
                    while let Some(frame) = frames.next_frame() {
                        last = check(frame.to_vec());
                    }
                    last
                }
                2 => {
                    let mut buffer = vec![0; 4096];
                    let len = receiver.recv_into(&mut buffer).await.unwrap();
                    check(buffer[..len].to_vec())
                }
                _ => check(receiver.recv().await.unwrap().to_vec()),
            };
            if got == count {
                break;
            }
        }
        sending.await.unwrap();
        assert!(receiver.next().await.is_none());
    });
}

#[test]
fn what_is_urgent_passes_what_waits_for_room() {
    on_both(|| async {
        let config = patient().lanes(2).capacity(1 << 13);
        let (a, b) = pair_with(config.peer_capacity(1 << 13)).await;
        let (mut sender, _a) = a.split();
        let (_b, mut receiver) = b.split();
        assert!(sender.at(2).is_err());
        let bulk = async {
            loop {
                let mut bulk = sender.at(1).unwrap();
                bulk.send(&[1; 1000]).await.unwrap();
            }
        };
        // Dropped in the middle of a wait for room at priority 1.
        let bulk: Result<(), _> = timeout(Duration::from_millis(50), bulk).await;
        assert!(bulk.is_err());
        sender.send(&[0; 1000]).await.unwrap();
        let frame = receiver.recv().await.unwrap();
        assert_eq!((frame.priority(), frame.to_vec()[0]), (0, 0));
    });
}

/// An item that the sink keeps has the priority at which it was fed, though the guard is gone when there is room.
#[test]
fn what_was_fed_at_a_priority_is_sent_at_it() {
    on_both(|| async {
        let config = patient().lanes(2).capacity(1 << 13);
        let (a, b) = pair_with(config.peer_capacity(1 << 13)).await;
        let (mut sender, _a) = a.split();
        let (_b, mut receiver) = b.split();
        let mut bulk = sender.at(1).unwrap();
        while bulk.try_send(&[1; 1000]).is_ok() {}
        bulk.feed(Bytes::from_static(&[2; 1000])).await.unwrap();
        drop(bulk);
        let behind = sender.try_send(b"behind it");
        assert_eq!(behind, Err(SendError::Full));
        let mut lowest = Vec::new();
        while let Ok(frame) = receiver.try_recv() {
            lowest.push((frame.priority(), frame.to_vec()[0]));
        }
        sender.send(b"urgent").await.unwrap();
        for _ in 0..2 {
            let frame = awakes(receiver.recv()).await.unwrap();
            lowest.push((frame.priority(), frame.to_vec()[0]));
        }
        lowest.sort_unstable();
        assert_eq!(lowest.first(), Some(&(0, b'u')));
        assert_eq!(lowest.last(), Some(&(1, 2)));
        assert!(lowest[1..lowest.len() - 1].iter().all(|one| *one == (1, 1)));
    });
}

#[test]
fn what_is_held_is_read_again() {
    on_both(|| async {
        let (mut a, mut b) = pair().await;
        b.receiver().hold(true);
        for _ in 0..2 {
            a.sender().send(b"held").await.unwrap();
        }
        for _ in 0..3 {
            for _ in 0..2 {
                assert_eq!(b.receiver().recv().await.unwrap().to_vec(), b"held");
            }
            b.receiver().rewind();
        }
        b.receiver().release();
    });
}

#[test]
fn what_is_fed_is_seen_at_the_latest_when_it_is_flushed() {
    on_both(|| async {
        let (a, b) = pair().await;
        let (mut sender, _a) = a.split();
        let (_b, mut receiver) = b.split();
        for n in 0..500u32 {
            let item = Bytes::copy_from_slice(&n.to_le_bytes());
            sender.feed(item).await.unwrap();
        }
        sender.flush().await.unwrap();
        for n in 0..500u32 {
            let frame = receiver.try_recv().unwrap();
            assert_eq!(frame.to_vec(), n.to_le_bytes());
        }
        // The drop publishes too.
        sender.feed(Bytes::from_static(b"last")).await.unwrap();
        drop(sender);
        assert_eq!(receiver.next().await.unwrap().unwrap(), "last");
        assert!(receiver.next().await.is_none());
    });
}
