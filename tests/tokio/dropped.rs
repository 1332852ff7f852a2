//! A future that is dropped at any point loses no frame, and leaves nobody behind with the runtime.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use ringway::batch::Bounds;
use ringway::tokio::{Batcher, Listener, connect_with};
use ringway::{Config, Frame, RecvError, SendError, Wait};
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::scene::{LONG, on_both, pair_with, path, patient};

/// The polls up to which each future is tried.
pub(crate) const POLLS: usize = 12;

struct Task;

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
}

/// Polls `future` so many times, each behind what `before` does, and drops it. Returns its output if that came, and fails if the runtime knows of the task then.
pub(crate) async fn poll_and_drop<F: Future>(
    future: F,
    polls: usize,
    mut before: impl FnMut(usize),
) -> Option<F::Output> {
    let task = Arc::new(Task);
    let mut output = None;
    {
        let waker = Waker::from(Arc::clone(&task));
        let mut future = pin!(future);
        for poll in 0..polls {
            before(poll);
            if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                output = Some(done);
                break;
            }
            // Long enough that what it spun for is over, in half of the cases.
            if polls % 2 == 1 {
                std::thread::sleep(Duration::from_micros(50));
            }
            yield_now().await;
        }
    }
    // The scheduler may still have to call who wanted another turn, and may have no processor for a while.
    let late = Instant::now() + Duration::from_secs(10);
    while Instant::now() < late {
        if Arc::strong_count(&task) == 1 {
            return output;
        }
        yield_now().await;
    }
    panic!("a task was left behind after {polls} polls");
}

/// Each manner of waiting, with small rings.
pub(crate) fn manners() -> [Config; 3] {
    [Wait::Spin, Wait::Adaptive, Wait::Park].map(|wait| {
        let config = patient().wait(wait);
        config.capacity(1 << 14).peer_capacity(1 << 14)
    })
}

#[test]
fn no_way_to_receive_loses_a_frame() {
    on_both(|| async {
        for config in manners() {
            let (ours, theirs) = pair_with(config).await;
            let (_, mut receiver) = ours.split();
            let (mut sender, _) = theirs.split();
            let mut number = 0u64;
            for polls in 0..POLLS {
                for moment in 0..=polls {
                    for way in 0..3 {
                        number += 1;
                        let frame = number.to_le_bytes();
                        let mut sent = false;
                        let send = |poll| {
                            if poll == moment {
                                sender.try_send(&frame).unwrap();
                                sent = true;
                            }
                        };
                        let receive = async {
                            let mut buffer = [0; 8];
                            match way {
                                0 => receiver.recv().await.map(|frame| frame.to_vec()),
                                1 => {
                                    let mut frames = receiver.recv_batch(9).await?;
                                    Ok(frames.next_frame().unwrap().to_vec())
                                }
                                _ => {
                                    let len = receiver.recv_into(&mut buffer).await?;
                                    Ok::<_, RecvError>(buffer[..len].to_vec())
                                }
                            }
                        };
                        let early = poll_and_drop(receive, polls, send).await;
                        if !sent {
                            sender.try_send(&frame).unwrap();
                        }
                        let received = if let Some(received) = early {
                            received.unwrap()
                        } else {
                            receiver.recv().await.unwrap().to_vec()
                        };
                        assert_eq!(received, frame, "{polls} polls, sent before {moment}");
                        assert_eq!(receiver.try_recv().map(drop), Err(RecvError::Empty));
                    }
                }
            }
        }
    });
}

#[test]
fn what_is_sent_by_a_call_that_was_dropped_is_not_there() {
    on_both(|| async {
        for config in manners() {
            let (ours, theirs) = pair_with(config).await;
            let (mut sender, _) = ours.split();
            let (_, mut receiver) = theirs.split();
            for polls in 0..POLLS {
                for moment in 0..=polls {
                    for way in 0..3 {
                        while sender.try_send(&[1; 1000]).is_ok() {}
                        let mut read = |sum: &mut usize| {
                            while let Ok(frame) = receiver.try_recv() {
                                *sum += usize::from(frame.to_vec()[0] == 2);
                            }
                        };
                        let mut twos = 0;
                        let before = |poll| {
                            if poll == moment {
                                read(&mut twos);
                            }
                        };
                        let send = async {
                            match way {
                                0 => sender.send(&[2; 1000]).await,
                                1 => {
                                    let mut place = sender.reserve(1000).await?;
                                    place.fill(2);
                                    place.commit();
                                    Ok(())
                                }
                                _ => sender.ready(1000).await,
                            }
                        };
                        let outcome = poll_and_drop(send, polls, before).await;
                        read(&mut twos);
                        let sent = outcome.is_some() && way < 2;
                        assert_eq!(twos, usize::from(sent), "{polls}, {moment}, {way}");
                        assert_eq!(outcome, (polls > moment).then_some(Ok(())));
                    }
                }
            }
        }
    });
}

#[test]
fn what_a_sink_has_taken_is_sent_once_whatever_is_dropped() {
    on_both(|| async {
        for config in manners() {
            let (ours, theirs) = pair_with(config).await;
            let (mut sender, _) = ours.split();
            let (_, mut receiver) = theirs.split();
            for polls in 0..POLLS {
                // Full, with one item kept.
                let mut fed = 0;
                while timeout(Duration::ZERO, sender.feed(Bytes::from_static(&[7; 1000])))
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
                assert_eq!(sender.try_send(&[8]), Err(SendError::Full));
                let mut read = 0;
                while let Ok(frame) = receiver.try_recv() {
                    drop(frame);
                    read += 1;
                }
                assert_eq!(read + 1, fed, "all but the one that is kept");
                sender.flush().await.unwrap();
                assert_eq!(receiver.recv().await.unwrap().to_vec(), [7; 1000]);
                assert_eq!(receiver.try_recv().map(drop), Err(RecvError::Empty));
            }
        }
    });
}

/// The same of a sink of arrays, whose stream is dropped as well.
#[test]
fn what_a_sink_of_arrays_has_taken_is_sent_once_whatever_is_dropped() {
    on_both(|| async {
        for config in manners() {
            let (ours, theirs) = pair_with(config).await;
            let (mut sender, _) = ours.split();
            let (_, mut receiver) = theirs.split();
            for polls in 0..POLLS {
                let mut fed = 0u64;
                loop {
                    let mut sink = sender.sink_of::<[u8; 1000]>();
                    let mut item = [0; 1000];
                    item[..8].copy_from_slice(&fed.to_le_bytes());
                    if timeout(Duration::ZERO, sink.feed(item)).await.is_err() {
                        break;
                    }
                    fed += 1;
                }
                // An item that was not taken went with its future.
                let flush = async { sender.sink_of::<&[u8]>().flush().await };
                assert!(poll_and_drop(flush, polls, |_| ()).await.is_none());
                let number = |frame: Frame<'_>| {
                    assert_eq!(frame.len(), 1000);
                    let mut number = [0; 8];
                    frame.copy_to(&mut number);
                    u64::from_le_bytes(number)
                };
                for n in 0..fed - 1 {
                    let next = async { receiver.stream_of(number).next().await };
                    let next = poll_and_drop(next, polls + 1, |_| ()).await;
                    assert_eq!(next.unwrap().unwrap(), Ok(n));
                }
                let next = async { receiver.stream_of(number).next().await };
                assert!(poll_and_drop(next, polls, |_| ()).await.is_none());
                let mut numbers = receiver.stream_of(number);
                sender.flush().await.unwrap();
                assert_eq!(numbers.next().await.unwrap(), Ok(fed - 1));
                drop(numbers);
                assert_eq!(receiver.try_recv().map(drop), Err(RecvError::Empty));
            }
            drop(sender);
            assert_eq!(receiver.stream_of(|frame| frame.len()).next().await, None);
            assert_eq!(receiver.next().await, None);
        }
    });
}

#[test]
fn a_client_is_accepted_by_the_call_that_returns_it() {
    on_both(|| async {
        let config = patient().capacity(1 << 14).peer_capacity(1 << 14);
        let path = path();
        let mut listener = Listener::new(config.bind(path.as_path()).unwrap()).unwrap();
        for polls in 0..POLLS {
            let (config, path) = (config.clone(), path.clone());
            let client = std::thread::spawn(move || config.connect(path).unwrap());
            let accepted = match poll_and_drop(listener.accept(), polls, |_| ()).await {
                Some(accepted) => accepted.unwrap(),
                None => listener.accept().await.unwrap(),
            };
            let mut client = client.join().unwrap();
            client.sender().send(b"in").unwrap();
            let mut accepted = accepted;
            assert_eq!(accepted.receiver().recv().await.unwrap().to_vec(), b"in");
        }
        assert_eq!(listener.get_ref().refusals(), 0);
    });
}

#[test]
fn a_client_that_gives_up_is_in_nobodys_way() {
    on_both(|| async {
        let config = patient().capacity(1 << 14).peer_capacity(1 << 14);
        let path = path();
        let listener = config.bind(path.as_path()).unwrap();
        let server = tokio::spawn(async move {
            let mut listener = Listener::new(listener).unwrap();
            loop {
                let mut client = listener.accept().await.unwrap();
                let outcome = client.receiver().recv().await.map(|frame| frame.to_vec());
                match outcome {
                    Ok(frame) => break assert_eq!(frame, b"in"),
                    // Who had its answer closed in order, who had not is gone from the line.
                    Err(error) => assert!(
                        matches!(error, RecvError::Closed | RecvError::PeerClosed),
                        "{error}"
                    ),
                }
            }
        });
        for polls in 0..POLLS {
            let connect = connect_with(&config, path.as_path());
            drop(Box::pin(poll_and_drop(connect, polls, |_| ())).await);
        }
        let mut client = connect_with(&config, path).await.unwrap();
        client.sender().send(b"in").await.unwrap();
        server.await.unwrap();
    });
}

#[test]
fn a_batcher_that_waits_leaves_nothing_behind() {
    on_both(|| async {
        for config in manners() {
            let (ours, theirs) = pair_with(config).await;
            let (_, mut receiver) = theirs.split();
            let hour = Bounds::new().budget(Duration::from_secs(3600));
            let mut batcher = Batcher::new(ours.split().0, hour).unwrap();
            for polls in 0..POLLS {
                while batcher.try_send(&[1; 500]).is_ok() {}
                let sent = poll_and_drop(batcher.send(&[2; 500]), polls, |_| ()).await;
                assert_eq!(sent, None);
                let mut read = 0;
                while let Ok(frame) = receiver.try_recv() {
                    assert_eq!(frame.to_vec(), [1; 500]);
                    read += 1;
                }
                assert!(read > 20);
                batcher.send(&[3; 500]).await.unwrap();
                batcher.flush();
                assert_eq!(receiver.recv().await.unwrap().to_vec(), [3; 500]);
                assert!(poll_and_drop(batcher.due(), polls, |_| ()).await.is_none());
            }
        }
    });
}

/// Both sides are dropped at random, and each frame arrives once.
#[test]
fn a_stream_of_calls_that_are_dropped_at_random_is_whole() {
    const FRAMES: u64 = 5_000;
    on_both(|| async {
        for config in manners() {
            let (ours, theirs) = pair_with(config).await;
            let (mut sender, _ours) = ours.split();
            let (_theirs, mut receiver) = theirs.split();
            let sending = tokio::spawn(async move {
                let mut random = 1u64;
                for n in 0..FRAMES {
                    let mut frame = [0; 300];
                    frame[..8].copy_from_slice(&n.to_le_bytes());
                    loop {
                        random = random
                            .wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(1);
                        let polls = 1 + (random >> 61) as usize;
                        let sent = bounded(sender.send(&frame), polls).await;
                        if sent.map(Result::unwrap).is_some() {
                            break;
                        }
                    }
                }
                sender
            });
            let mut random = 2u64;
            let mut next = 0;
            while next < FRAMES {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let polls = 1 + (random >> 61) as usize;
                let receive = async { receiver.recv().await.map(|frame| frame.to_vec()) };
                if let Some(frame) = bounded(receive, polls).await {
                    assert_eq!(frame.unwrap()[..8], next.to_le_bytes());
                    next += 1;
                }
            }
            timeout(LONG, sending).await.unwrap().unwrap();
        }
    });
}

/// Polls `future` so many times at most, as the task that we are.
async fn bounded<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => {
            left -= 1;
            if left == 0 {
                return Poll::Ready(None);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}
