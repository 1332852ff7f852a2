//! Messages, as they lie in memory or encoded, through sinks, batchers and halves of each kind: whatever is dropped, each arrives once.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{FutureExt, SinkExt, StreamExt};
use ringway::batch::Bounds;
use ringway::codec::{Format, Postcard, RecvError as Undecoded, SendError as Unencoded};
use ringway::tokio::typed::{self, Batcher, Receiver, Sender};
use ringway::tokio::{self as tasks, Connection, codec};
use ringway::typed::Message;
use ringway::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use ringway::{Config, RecvError, SendError};
use tokio::time::timeout;

use crate::dropped::{POLLS, manners, poll_and_drop};
use crate::scene::{awakes, on_both, one_thread, pair_with, path, patient, run};

#[derive(Message, FromBytes, IntoBytes, Immutable, KnownLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Tick {
    number: u64,
    rest: [u64; 60],
}

#[derive(Message, FromBytes, IntoBytes, Immutable, KnownLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Pause {
    length: u64,
}

#[derive(Message, Clone, Copy, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a message lies as it travels")]
enum Feed {
    #[message(kind = 1)]
    Tick(Tick),
    #[message(kind = 2)]
    Pause(Pause),
}

fn tick(number: u64) -> Tick {
    let rest = [number; 60];
    Tick { number, rest }
}

async fn typed_pair<M: ringway::typed::Messages>(config: Config) -> (Sender<M>, Receiver<M>) {
    let path = path();
    let listener = ringway::typed::Listener::bind_with(&config, path.as_path()).unwrap();
    let mut listener: typed::Listener<M, M> = typed::Listener::new(listener).unwrap();
    let (client, server) = tokio::join!(
        typed::connect_with::<M, M>(&config, path),
        listener.accept()
    );
    let ((sender, ours), (theirs, receiver)) = (client.unwrap().split(), server.unwrap().split());
    // A half that is dropped says goodbye to its opposite alone.
    drop((ours, theirs));
    (sender, receiver)
}

#[test]
fn a_sink_of_messages_takes_what_a_stream_gives() {
    on_both(|| async {
        for config in manners() {
            let (mut sender, mut receiver) = typed_pair::<Feed>(config.clone()).await;
            let (onward, mut end) = typed_pair::<Feed>(config).await;
            let forwards = tokio::spawn(async move {
                let mut onward = onward;
                while let Some(message) = receiver.next().await {
                    onward.feed(message.unwrap()).await.unwrap();
                }
                onward.close().await.unwrap();
            });
            let messages = |n: u64| {
                if n % 3 == 0 {
                    Feed::Pause(Pause { length: n })
                } else {
                    Feed::Tick(tick(n))
                }
            };
            let feeds = tokio::spawn(async move {
                for n in 0..1000 {
                    sender.feed(messages(n)).await.unwrap();
                }
                // A plain send goes behind what was fed.
                sender.send(&tick(1000)).await.unwrap();
            });
            for n in 0..1000 {
                assert_eq!(end.recv().await.unwrap(), messages(n));
            }
            assert_eq!(end.recv().await.unwrap(), Feed::Tick(tick(1000)));
            assert!(end.next().await.is_none());
            feeds.await.unwrap();
            forwards.await.unwrap();
        }
    });
}

#[test]
fn what_a_sink_of_messages_has_taken_is_sent_once_whatever_is_dropped() {
    on_both(|| async {
        for config in manners() {
            let (mut sender, mut receiver) = typed_pair::<Tick>(config).await;
            for polls in 0..POLLS {
                let mut fed = 0;
                while timeout(Duration::ZERO, sender.feed(tick(fed)))
                    .await
                    .is_ok()
                {
                    fed += 1;
                }
                assert!(
                    poll_and_drop(sender.settle(), polls, |_| ())
                        .await
                        .is_none()
                );
                assert_eq!(sender.try_send(&tick(0)), Err(SendError::Full));
                for n in 0..fed - 1 {
                    assert_eq!(receiver.try_recv(), Ok(tick(n)));
                }
                assert!(receiver.try_recv().unwrap_err().is_nothing_yet());
                sender.flush().await.unwrap();
                assert_eq!(receiver.recv().await, Ok(tick(fed - 1)));
                assert!(receiver.try_recv().unwrap_err().is_nothing_yet());
            }
            // One that is kept is given back.
            let mut fed = 0;
            while timeout(Duration::ZERO, sender.feed(tick(fed)))
                .await
                .is_ok()
            {
                fed += 1;
            }
            let (half, kept) = sender.into_inner();
            assert_eq!(kept, Some(tick(fed - 1)));
            drop(half);
            let got = receiver.map(Result::unwrap).collect::<Vec<_>>().await;
            assert!(got.into_iter().eq((0..fed - 1).map(tick)));
        }
    });
}

#[test]
fn a_batcher_of_messages_keeps_back_and_publishes_in_time() {
    on_both(|| async {
        let config = patient().capacity(1 << 14).peer_capacity(1 << 14);
        let (sender, mut receiver) = typed_pair::<Feed>(config).await;
        let bounds = Bounds::new().budget(Duration::from_millis(20));
        let mut batcher = Batcher::new(sender, bounds).unwrap();
        for way in 0..4u64 {
            // A backlog, so that groups begin.
            let mut sent = 0;
            while !batcher.keeps_back() {
                let pause = Pause { length: sent };
                match way {
                    0 => batcher.send(&pause).await.unwrap(),
                    1 => batcher.send_any(&Feed::Pause(pause)).await.unwrap(),
                    _ => batcher.try_send(&pause).unwrap(),
                }
                sent += 1;
            }
            let mut receive = Box::pin(async {
                for length in 0..sent {
                    let message = receiver.recv().await;
                    assert_eq!(message, Ok(Feed::Pause(Pause { length })));
                }
            });
            awakes(async {
                if way % 2 == 0 {
                    return batcher.during(receive).await;
                }
                loop {
                    tokio::select! {
                        () = batcher.due() => {}
                        () = &mut receive => break,
                    }
                }
            })
            .await;
            assert!(!batcher.keeps_back());
        }
        batcher.check().unwrap();
        let mut sender = Sender::new(batcher.into_inner()).unwrap();
        sender.send(&tick(5)).await.unwrap();
        assert_eq!(receiver.recv().await, Ok(Feed::Tick(tick(5))));
    });
}

#[test]
fn a_batcher_of_messages_that_waits_leaves_nothing_behind() {
    on_both(|| async {
        for config in manners() {
            let (sender, mut receiver) = typed_pair::<Tick>(config).await;
            let hour = Bounds::new().budget(Duration::from_secs(3600));
            let mut batcher = Batcher::new(sender, hour).unwrap();
            for polls in 0..POLLS {
                while batcher.try_send(&tick(1)).is_ok() {}
                for any in [false, true] {
                    let message = tick(2);
                    let send = async {
                        if any {
                            return batcher.send_any(&message).await;
                        }
                        batcher.send(&message).await
                    };
                    assert_eq!(poll_and_drop(send, polls, |_| ()).await, None);
                }
                let mut read = 0;
                while let Ok(message) = receiver.try_recv() {
                    assert_eq!(message, tick(1));
                    read += 1;
                }
                assert!(read > 20);
                batcher.send(&tick(3)).await.unwrap();
                batcher.flush();
                assert_eq!(receiver.recv().await, Ok(tick(3)));
                assert!(poll_and_drop(batcher.due(), polls, |_| ()).await.is_none());
            }
        }
    });
}

#[test]
fn messages_that_expire_are_sent_or_expire() {
    on_both(|| async {
        for config in manners() {
            let (mut sender, mut receiver) = typed_pair::<Feed>(config).await;
            let hour = || Instant::now() + Duration::from_secs(3600);
            sender.send_expiring(&tick(1), hour()).await.unwrap();
            sender
                .send_slice_expiring(&[tick(2)], hour())
                .await
                .unwrap();
            let mut place = sender.reserve_expiring::<Tick>(hour()).await.unwrap();
            *place = tick(3);
            place.commit();
            for n in 1..=3 {
                assert_eq!(receiver.recv().await, Ok(Feed::Tick(tick(n))));
            }
            for polls in 0..POLLS {
                let mut sent = 0;
                while sender.try_send_expiring(&tick(4), hour()).is_ok() {
                    sent += 1;
                }
                let message = tick(5);
                let send = sender.send_expiring(&message, hour());
                assert_eq!(poll_and_drop(send, polls, |_| ()).await, None);
                let soon = Instant::now() + Duration::from_millis(3);
                let late = awakes(sender.send_expiring(&message, soon)).await;
                // How fast the receiver reads is known by now.
                let expected = [Err(SendError::Expired), Err(SendError::QueueTooLong)];
                assert!(expected.contains(&late), "{late:?}");
                for _ in 0..sent {
                    assert_eq!(receiver.recv().await, Ok(Feed::Tick(tick(4))));
                }
                assert!(receiver.try_recv().unwrap_err().is_nothing_yet());
            }
        }
    });
}

type Order = (u64, String);

fn order(number: u64) -> Order {
    (number, "x".repeat(500))
}

type Orders = (
    codec::Sender<Postcard, Order>,
    codec::Receiver<Postcard, Order>,
);

async fn encoded_pair(config: Config) -> Orders {
    let over = |end: Connection| codec::over::<Postcard, Order, Order>(end).split();
    let (ours, theirs) = pair_with(config.codec(Postcard::ID)).await;
    (over(ours).0, over(theirs).1)
}

#[test]
fn encoded_messages_arrive_once_whatever_is_dropped() {
    on_both(|| async {
        for config in manners() {
            let (mut sender, mut receiver) = encoded_pair(config).await;
            for polls in 0..POLLS {
                let mut fed = 0;
                while sender.try_send(&order(fed)).is_ok() {
                    fed += 1;
                }
                let message = order(99);
                let sent = poll_and_drop(sender.send(&message), polls, |_| ()).await;
                assert!(sent.is_none());
                // The sink keeps one.
                assert!(
                    timeout(Duration::ZERO, sender.feed(order(fed)))
                        .await
                        .is_ok()
                );
                assert!(
                    timeout(Duration::ZERO, sender.feed(order(98)))
                        .await
                        .is_err()
                );
                for n in 0..fed {
                    let early = poll_and_drop(receiver.recv(), 1 + polls, |_| ()).await;
                    assert_eq!(early.unwrap().unwrap(), order(n));
                }
                assert!(
                    poll_and_drop(receiver.recv(), polls, |_| ())
                        .await
                        .is_none()
                );
                sender.flush().await.unwrap();
                assert_eq!(receiver.next().await.unwrap().unwrap(), order(fed));
                let empty = receiver.try_recv().unwrap_err();
                assert!(
                    matches!(empty, Undecoded::Recv(RecvError::Empty)),
                    "{empty}"
                );
            }
        }
    });
}

#[test]
fn what_is_no_encoded_message_is_one_error_and_an_end_is_the_last() {
    on_both(|| async {
        let (mut sender, mut receiver) = encoded_pair(manners()[1].clone()).await;
        sender.inner().send(&[0xff; 30]).await.unwrap();
        sender.feed(order(1)).await.unwrap();
        sender.close().await.unwrap();
        let undecoded = receiver.next().await.unwrap().unwrap_err();
        assert!(matches!(undecoded, Undecoded::Decode(_)), "{undecoded}");
        assert_eq!(receiver.next().await.unwrap().unwrap(), order(1));
        assert!(receiver.next().now_or_never().is_none());
        drop(sender);
        assert!(receiver.next().await.is_none());
        let end = receiver.recv().await.unwrap_err();
        assert!(matches!(end, Undecoded::Recv(RecvError::Closed)), "{end}");

        let (mut sender, receiver) = encoded_pair(manners()[1].clone()).await;
        let large = (1, "x".repeat(1 << 20));
        let refused = sender.send(&large).await.unwrap_err();
        assert!(
            matches!(refused, Unencoded::Send(SendError::TooLarge { .. })),
            "{refused}"
        );
        drop(receiver);
        let refused = loop {
            if let Err(error) = sender.send(&order(1)).await {
                break error;
            }
        };
        assert!(
            matches!(refused, Unencoded::Send(SendError::Closed)),
            "{refused}"
        );
    });
}

#[derive(Message, FromBytes, IntoBytes, Immutable, KnownLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Wide {
    number: u128,
}

#[derive(Message, Clone, Copy, Debug, PartialEq)]
enum Mixed {
    #[message(kind = 1)]
    Wide(Wide),
    #[message(kind = 2)]
    Pause(Pause),
}

/// There is room for its bytes, and none for them at a multiple of 16: the task that waits is asleep until the peer has read something.
#[test]
fn who_waits_for_room_with_a_pad_for_what_expires_sleeps() {
    run(&one_thread(), async {
        for config in [patient(), patient().wait(ringway::Wait::Park)] {
            let config = config.alignment(16).capacity(4096).peer_capacity(4096);
            let (mut sender, mut receiver) = typed_pair::<Mixed>(config).await;
            let hour = Instant::now() + Duration::from_secs(3600);
            // 24 bytes, and 252 times 16: the next frame ends with the ring, or 8 bytes behind it.
            let pause = Pause { length: 0 };
            sender.try_send_expiring(&pause, hour).unwrap();
            for _ in 0..252 {
                sender.try_send(&pause).unwrap();
            }
            let polls = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&polls);
            let waiting = tokio::spawn(async move {
                let mut wait = pin!(async {
                    let mut place = sender.reserve_expiring::<Wide>(hour).await?;
                    *place = Wide { number: 7 };
                    place.commit();
                    Ok::<_, SendError>(())
                });
                poll_fn(|cx| {
                    // ORD: polls: Relaxed, a number alone; partner: the load below.
                    counted.fetch_add(1, Ordering::Relaxed);
                    wait.as_mut().poll(cx)
                })
                .await
            });
            // Whoever wants another turn has it before this task has its next.
            let late = Instant::now() + Duration::from_secs(20);
            let mut before = 0;
            loop {
                for _ in 0..16 {
                    tokio::task::yield_now().await;
                }
                // ORD: polls: Relaxed, as above; partner: the poll.
                match polls.load(Ordering::Relaxed) {
                    now if now > 0 && now == before => break,
                    now => before = now,
                }
                assert!(Instant::now() < late, "it never sleeps");
            }
            assert!(!waiting.is_finished());
            for _ in 0..253 {
                assert_eq!(receiver.recv().await, Ok(Mixed::Pause(pause)));
            }
            awakes(waiting).await.unwrap().unwrap();
            let wide = Wide { number: 7 };
            assert_eq!(receiver.recv().await, Ok(Mixed::Wide(wide)));
        }
    });
}

/// The peer would take the end of a sender that is dropped for the end of what was to be sent.
#[test]
fn a_sender_with_an_item_to_settle_is_given_back_and_becomes_a_batcher_behind_that() {
    on_both(|| async {
        let config = patient().capacity(1 << 14).peer_capacity(1 << 14);
        let (mut sender, mut receiver) = typed_pair::<Tick>(config.clone()).await;
        let mut fed = 0;
        while timeout(Duration::ZERO, sender.feed(tick(fed)))
            .await
            .is_ok()
        {
            fed += 1;
        }
        let refused = Batcher::new(sender, Bounds::new()).unwrap_err();
        assert!(refused.to_string().contains("settle"), "{refused}");
        let mut sender = refused.into_sender();
        for n in 0..fed - 1 {
            assert_eq!(receiver.recv().await, Ok(tick(n)));
        }
        sender.settle().await.unwrap();
        let mut batcher = Batcher::new(sender, Bounds::new()).unwrap();
        batcher.send(&tick(fed)).await.unwrap();
        drop(batcher);
        for n in [fed - 1, fed] {
            assert_eq!(receiver.recv().await, Ok(tick(n)));
        }
        let end = receiver.recv().await;
        assert_eq!(end, Err(ringway::typed::RecvError::Lane(RecvError::Closed)));

        let (ours, theirs) = pair_with(config).await;
        let ((mut sender, _ours), (_theirs, mut receiver)) = (ours.split(), theirs.split());
        let item = bytes::Bytes::from_static(&[1; 4000]);
        let mut fed = 0;
        while timeout(Duration::ZERO, sender.feed(item.clone()))
            .await
            .is_ok()
        {
            fed += 1;
        }
        let refused = tasks::Batcher::new(sender, Bounds::new()).unwrap_err();
        let mut sender = refused.into_sender();
        for _ in 0..fed - 1 {
            assert_eq!(receiver.recv().await.unwrap().to_vec(), item);
        }
        sender.settle().await.unwrap();
        let mut batcher = tasks::Batcher::new(sender, Bounds::new()).unwrap();
        // It waits as any other.
        let mut sent = 2;
        while batcher.try_send(&item).is_ok() {
            sent += 1;
        }
        let (last, mut read) = tokio::join!(awakes(batcher.send(&item)), async {
            tokio::task::yield_now().await;
            let mut read = 0;
            while let Ok(frame) = receiver.try_recv() {
                assert_eq!(frame.to_vec(), item);
                read += 1;
            }
            read
        });
        last.unwrap();
        drop(batcher);
        while let Some(frame) = receiver.next().await {
            assert_eq!(frame.unwrap(), item);
            read += 1;
        }
        assert_eq!(read, sent);
    });
}
