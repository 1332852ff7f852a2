//! Frames that expire: a wait for room ends when they do, and one that is dropped has sent nothing.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::SinkExt;
use ringway::tokio::Sender;
use ringway::{Config, RecvError, SendError};
use tokio::time::timeout;

use crate::dropped::{POLLS, manners, poll_and_drop};
use crate::scene::{awakes, on_both, pair_with};

fn hour() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

/// Until there is no room for one that expires either.
fn fill(sender: &mut Sender) {
    while sender.try_send_expiring(&[1; 1000], hour()).is_ok() {}
}

/// Fills a ring of its own and waits for room. False if the host stopped this for so long, between two looks at the ring, that its reader counts as slow: nobody knows of a new
/// connection how fast it is read.
async fn a_wait_ends_when_it_expires(config: &Config, keeps: bool) -> bool {
    let (ours, theirs) = pair_with(config.clone()).await;
    let ((mut sender, _ours), (_theirs, mut receiver)) = (ours.split(), theirs.split());
    fill(&mut sender);
    if keeps {
        let fed = timeout(Duration::ZERO, sender.feed(Bytes::from_static(&[2; 9000])));
        assert!(fed.await.is_ok(), "it is kept");
    }
    let soon = Instant::now() + Duration::from_millis(20);
    let sent = awakes(sender.send_expiring(&[3; 1000], soon)).await;
    if sent == Err(SendError::QueueTooLong) {
        return false;
    }
    assert_eq!(sent, Err(SendError::Expired));
    assert!(Instant::now() >= soon);
    let place = awakes(sender.reserve_expiring(1000, soon)).await;
    assert_eq!(place.map(drop), Err(SendError::Expired));
    while let Ok(frame) = receiver.try_recv() {
        assert_eq!(frame.to_vec(), [1; 1000]);
    }
    sender.settle().await.unwrap();
    if keeps {
        assert_eq!(receiver.recv().await.unwrap().to_vec(), [2; 9000]);
    }
    assert_eq!(receiver.try_recv().map(drop), Err(RecvError::Empty));
    true
}

#[test]
fn a_frame_that_expires_is_sent_or_expires() {
    on_both(|| async {
        for config in manners() {
            let (ours, theirs) = pair_with(config.clone()).await;
            let (mut sender, _ours) = ours.split();
            let (_theirs, mut receiver) = theirs.split();
            let expires = hour();
            sender
                .send_kind_expiring(7, b"good", expires)
                .await
                .unwrap();
            let frame = receiver.recv().await.unwrap();
            assert_eq!((frame.kind(), frame.to_vec()), (7, b"good".to_vec()));
            assert!(frame.expires().is_some());
            drop(frame);
            let mut place = sender.reserve_expiring(4, expires).await.unwrap();
            place.copy_from_slice(b"also");
            place.commit();
            let frame = receiver.recv().await.unwrap();
            assert_eq!(frame.to_vec(), b"also");
            assert!(frame.expires().is_some());
            drop(frame);
            // What has expired is not sent, though there is room.
            let late = sender.send_expiring(b"late", Instant::now()).await;
            assert_eq!(late, Err(SendError::Expired));

            // A wait for room ends, and nothing was sent. With an item that the sink keeps, too.
            for keeps in [false, true] {
                while !Box::pin(a_wait_ends_when_it_expires(&config, keeps)).await {}
            }

            // And comes through when there is room in time.
            fill(&mut sender);
            let (sent, received) = tokio::join!(
                awakes(sender.send_expiring(&[4; 1000], hour())),
                awakes(async {
                    loop {
                        let frame = receiver.recv().await.unwrap().to_vec();
                        if frame[0] == 4 {
                            break frame;
                        }
                    }
                })
            );
            assert_eq!((sent, received), (Ok(()), vec![4; 1000]));
        }
    });
}

#[test]
fn an_expiring_send_that_was_dropped_has_sent_nothing() {
    on_both(|| async {
        for config in manners() {
            let (ours, theirs) = pair_with(config).await;
            let (mut sender, _ours) = ours.split();
            let (_theirs, mut receiver) = theirs.split();
            for polls in 0..POLLS {
                for moment in 0..=polls {
                    for reserves in [false, true] {
                        fill(&mut sender);
                        let mut twos = 0;
                        let mut read = || {
                            while let Ok(frame) = receiver.try_recv() {
                                twos += usize::from(frame.to_vec()[0] == 2);
                            }
                        };
                        let before = |poll| {
                            if poll == moment {
                                read();
                            }
                        };
                        let send = async {
                            if reserves {
                                let mut place = sender.reserve_expiring(1000, hour()).await?;
                                place.fill(2);
                                place.commit();
                                return Ok(());
                            }
                            sender.send_expiring(&[2; 1000], hour()).await
                        };
                        let outcome = poll_and_drop(send, polls, before).await;
                        read();
                        assert_eq!(outcome, (polls > moment).then_some(Ok(())));
                        assert_eq!(twos, usize::from(outcome.is_some()), "{polls}, {moment}");
                    }
                }
            }
        }
    });
}
