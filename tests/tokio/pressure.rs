//! A reader that has stopped holds up who sends, and nothing grows.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, stream};
use ringway::batch::Bounds;
use ringway::tokio::{Batcher, Receiver, Sender};
use ringway::{Config, RecvError};
use tokio::time::timeout;

use crate::scene::{on_both, pair_with, patient};

const RING: usize = 1 << 14;
const ITEM: usize = 1000;

fn config() -> Config {
    patient().capacity(RING).peer_capacity(RING)
}

#[test]
fn a_sink_takes_what_the_ring_holds_and_one_item() {
    on_both(|| async {
        let (ours, theirs) = pair_with(config()).await;
        let (mut sender, _ours) = ours.split();
        let (_theirs, mut receiver) = theirs.split();
        let mut taken = 0;
        let items = stream::iter(0u32..).map(|n| {
            taken += 1;
            let mut item = vec![0; ITEM];
            item[..4].copy_from_slice(&n.to_le_bytes());
            Ok(Bytes::from(item))
        });
        let mut items = Box::pin(items);
        let all = sender.send_all(&mut items);
        assert!(timeout(Duration::from_millis(100), all).await.is_err());
        drop(items);
        // One in the ring's place more is in the hands of `send_all`, which is dropped with it.
        assert!(
            (RING / ITEM - 3..=RING / ITEM + 2).contains(&taken),
            "{taken}"
        );
        flush_and_read(&mut sender, &mut receiver).await;
    });
}

/// Flushes while it is read, in order.
async fn flush_and_read(sender: &mut Sender, receiver: &mut Receiver) {
    let read = async {
        let mut next = 0u32;
        loop {
            let item = receiver.recv().await.unwrap().to_vec();
            assert_eq!(item[..4], next.to_le_bytes());
            next += 1;
        }
    };
    tokio::select! {
        flushed = sender.flush() => flushed.unwrap(),
        () = read => unreachable!("it reads for ever"),
    }
}

#[test]
fn a_batcher_takes_what_the_ring_holds() {
    on_both(|| async {
        let (ours, theirs) = pair_with(config()).await;
        let (sender, _ours) = ours.split();
        let (_theirs, mut receiver) = theirs.split();
        let mut batcher = Batcher::new(sender, Bounds::new()).unwrap();
        let mut sent = 0;
        let endless = async {
            loop {
                batcher.send(&[1; ITEM]).await.unwrap();
                sent += 1;
            }
        };
        let stopped: Result<(), _> = timeout(Duration::from_millis(100), endless).await;
        assert!(stopped.is_err());
        assert!((RING / ITEM - 3..=RING / ITEM).contains(&sent), "{sent}");
        for _ in 0..sent {
            drop(receiver.try_recv().unwrap());
        }
        assert_eq!(receiver.try_recv().map(drop), Err(RecvError::Empty));
    });
}

/// What is kept back is published while the task awaits something else.
#[test]
fn a_batcher_publishes_while_its_task_awaits_something_else() {
    on_both(|| async {
        for budget in [Duration::from_micros(50), Duration::from_millis(20)] {
            let (ours, theirs) = pair_with(config()).await;
            let (sender, mut answers) = ours.split();
            let (mut back, mut receiver) = theirs.split();
            let mut batcher = Batcher::new(sender, Bounds::new().budget(budget)).unwrap();
            // A backlog, so that groups begin.
            let mut sent = 0;
            while !batcher.keeps_back() {
                batcher.try_send(&[1; 16]).expect("room");
                sent += 1;
            }
            let serving = tokio::spawn(async move {
                // Not once while the batcher could hear that it is waited for.
                tokio::time::sleep(Duration::from_millis(1)).await;
                for _ in 0..sent {
                    drop(receiver.recv().await.unwrap());
                }
                back.send(b"all").await.unwrap();
                (back, receiver)
            });
            let answer = batcher.during(answers.recv()).await.unwrap().to_vec();
            assert_eq!(answer, b"all");
            assert!(!batcher.keeps_back());
            serving.await.unwrap();
        }
    });
}
