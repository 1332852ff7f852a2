//! A task that waits, or that has much to receive, leaves the others of its thread their turns.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use nix::time::{ClockId, clock_gettime};
use ringway::Wait;
use ringway::tokio::typed::{Connection, Listener, connect_with};
use ringway::typed::{self, Message, RecvError};
use ringway::zerocopy::{Immutable, KnownLayout, TryFromBytes};
use tokio::task::yield_now;

use crate::scene::{one_thread, pair, pair_with, path, patient, run};

/// What this thread has used of a processor.
fn used() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .unwrap()
        .into()
}

/// Counts its turns until it is told to stop.
fn neighbour() -> (Arc<AtomicU64>, Arc<AtomicBool>) {
    let (turns, stop) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let (counted, stopped) = (Arc::clone(&turns), Arc::clone(&stop));
    tokio::spawn(async move {
        while !stopped.load(Ordering::Relaxed) {
            counted.fetch_add(1, Ordering::Relaxed);
            yield_now().await;
        }
    });
    (turns, stop)
}

/// Frames that come at a pace at which it pays to spin: still each poll takes a few microseconds, and the neighbour has a turn behind each.
#[test]
fn a_poll_in_vain_takes_a_few_microseconds_and_the_neighbour_has_its_turn() {
    for wait in [Wait::Adaptive, Wait::Spin] {
        run(&one_thread(), async {
            let config = patient().wait(wait).capacity(1 << 16);
            let path = path();
            let listener = config.bind(path.as_path()).unwrap();
            let done = Arc::new(AtomicBool::new(false));
            let finished = Arc::clone(&done);
            let client = std::thread::spawn(move || {
                let mut client = config.connect(path).unwrap();
                while !finished.load(Ordering::Relaxed) {
                    client.sender().try_send(b"frame").ok();
                    let next = std::time::Instant::now() + Duration::from_micros(15);
                    while std::time::Instant::now() < next {
                        std::hint::spin_loop();
                    }
                }
            });
            let mut listener = ringway::tokio::Listener::new(listener).unwrap();
            let mut server = listener.accept().await.unwrap();
            let (turns, stop) = neighbour();
            let (mut polls, mut pending, mut took) = (0u64, 0u64, Vec::new());
            let before = turns.load(Ordering::Relaxed);
            for _ in 0..2000 {
                let mut recv = pin!(server.receiver().recv());
                let frame = poll_fn(|cx| {
                    let start = used();
                    let polled = recv.as_mut().poll(cx);
                    took.push(used().saturating_sub(start));
                    polls += 1;
                    pending += u64::from(polled.is_pending());
                    polled
                });
                drop(frame.await.unwrap());
            }
            let turns = turns.load(Ordering::Relaxed) - before;
            stop.store(true, Ordering::Relaxed);
            done.store(true, Ordering::Relaxed);
            assert!(
                turns >= pending,
                "{turns} turns, {pending} of {polls} polls in vain"
            );
            took.sort_unstable();
            // 2 µs of looks are what a poll spins; the rest is the system calls of going to sleep, in a build that is not optimised.
            let median = took[took.len() / 2];
            assert!(median < Duration::from_micros(50), "{median:?}");
            client.join().unwrap();
        });
    }
}

#[test]
fn a_stream_without_a_pause_leaves_the_neighbour_its_turns() {
    run(&one_thread(), async {
        const FRAMES: u64 = 100_000;
        let (ours, theirs) = pair().await;
        let (sender, _ours) = ours.split();
        let (_theirs, mut receiver) = theirs.split();
        let (mut half, _) = sender.into_inner();
        // On a thread of its own, and never behind.
        let sending = std::thread::spawn(move || {
            for n in 0..FRAMES {
                half.send(&n.to_le_bytes()).unwrap();
            }
            half
        });
        let (turns, stop) = neighbour();
        for n in 0..FRAMES {
            assert_eq!(
                receiver.next().await.unwrap().unwrap(),
                &n.to_le_bytes()[..]
            );
        }
        stop.store(true, Ordering::Relaxed);
        // A turn for each 128 units of 16 frames, at the least.
        let turns = turns.load(Ordering::Relaxed);
        assert!(turns >= FRAMES / 2048, "{turns}");
        sending.join().unwrap();
    });
}

#[test]
fn a_sink_that_never_waits_leaves_the_neighbour_its_turns() {
    run(&one_thread(), async {
        const FRAMES: u64 = 100_000;
        let config = patient().capacity(1 << 22).peer_capacity(1 << 22);
        let (ours, _theirs) = pair_with(config).await;
        let (mut sender, _ours) = ours.split();
        let (turns, stop) = neighbour();
        for _ in 0..FRAMES {
            sender.feed(Bytes::from_static(b"12345678")).await.unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        let turns = turns.load(Ordering::Relaxed);
        assert!(turns >= FRAMES / 2048, "{turns}");
    });
}

/// What is large costs its size, however few frames it is.
#[test]
fn large_frames_leave_the_neighbour_its_turns() {
    const FRAMES: usize = 32;
    const LARGE: usize = 1 << 20;
    run(&one_thread(), async {
        let config = patient().capacity(1 << 26).peer_capacity(1 << 26);
        let (ours, theirs) = pair_with(config).await;
        let (mut sender, _ours) = ours.split();
        let (_theirs, mut receiver) = theirs.split();
        let (turns, stop) = neighbour();
        let payload = vec![1; LARGE];
        // Nobody waits: what is there is there before.
        for way in 0..4 {
            let before = turns.load(Ordering::Relaxed);
            for _ in 0..FRAMES {
                match way {
                    0 => sender.send(&payload).await.unwrap(),
                    1 => sender.reserve(LARGE).await.unwrap().commit(),
                    2 => sender.feed(Bytes::from(payload.clone())).await.unwrap(),
                    _ => sender.try_send(&payload).unwrap(),
                }
            }
            sender.flush().await.unwrap();
            let sent = turns.load(Ordering::Relaxed) - before;
            let mut buffer = payload.clone();
            for _ in 0..FRAMES {
                match way {
                    0 => drop(receiver.recv().await.unwrap()),
                    1 => assert_eq!(receiver.recv_into(&mut buffer).await, Ok(LARGE)),
                    2 => assert_eq!(receiver.next().await.unwrap().unwrap().len(), LARGE),
                    _ => {
                        let mut frames = receiver.recv_batch(1).await.unwrap();
                        assert_eq!(frames.next_frame().unwrap().len(), LARGE);
                    }
                }
            }
            let received = turns.load(Ordering::Relaxed) - before - sent;
            // 128 units of 16 KiB are a turn, but for what is still owed.
            let due = (FRAMES * LARGE / (128 << 14)) as u64 - 1;
            assert!(sent >= due || way == 3, "{way}: {sent} turns of {due}");
            assert!(received >= due, "{way}: {received} turns of {due}");
        }
        stop.store(true, Ordering::Relaxed);
    });
}

/// So does a batch, all of it.
#[test]
fn large_batches_leave_the_neighbour_its_turns() {
    run(&one_thread(), async {
        let config = patient().capacity(1 << 24).peer_capacity(1 << 24);
        let (ours, theirs) = pair_with(config).await;
        let (mut sender, _ours) = ours.split();
        let (_theirs, mut receiver) = theirs.split();
        let mut sent = 0;
        while sender.try_send(&[1; 1000]).is_ok() {
            sent += 1;
        }
        let (turns, stop) = neighbour();
        let mut received = 0;
        while received < sent {
            let mut frames = receiver.recv_batch(sent).await.unwrap();
            while frames.next_frame().is_some() {
                received += 1;
            }
        }
        stop.store(true, Ordering::Relaxed);
        // The last batch is still owed: half of the ring.
        let due = (sent / 2 * 1000 / (128 << 14)) as u64 - 1;
        let turns = turns.load(Ordering::Relaxed);
        assert!(turns >= due, "{turns} turns of {due}");
    });
}

#[derive(Message, TryFromBytes, Immutable, KnownLayout, Debug)]
#[repr(C)]
struct Note {
    number: u64,
    bytes: [u8],
}

/// So do messages, whatever their length, and frames that are none.
#[test]
fn messages_and_what_is_none_leave_the_neighbour_its_turns() {
    run(&one_thread(), async {
        let config = patient().capacity(1 << 26).peer_capacity(1 << 26);
        let path = path();
        let listener = typed::Listener::bind_with(&config, path.as_path()).unwrap();
        let mut listener: Listener<Note, Note> = Listener::new(listener).unwrap();
        let (client, server) = tokio::join!(connect_with(&config, path), listener.accept());
        let client: Connection<Note, Note> = client.unwrap();
        let (sender, _ours) = client.split();
        let (_theirs, mut receiver) = server.unwrap().split();
        let (mut half, _) = sender.into_inner();
        let (turns, stop) = neighbour();
        for streams in [false, true] {
            for (frames, length) in [(32_u64, 1 << 20), (8_000, 3)] {
                for number in 0..frames {
                    if length > 8 {
                        let head = NoteHead { number };
                        half.try_send_with::<Note>(&head, &vec![1; length][..])
                            .unwrap();
                    } else {
                        half.untyped().try_send(&vec![1; length]).unwrap();
                    }
                }
                let before = turns.load(Ordering::Relaxed);
                for number in 0..frames {
                    let received = if streams {
                        receiver.next().await.unwrap()
                    } else {
                        receiver.recv().await
                    };
                    match received {
                        Ok(note) => assert_eq!(note.number, number),
                        Err(error) => assert!(matches!(error, RecvError::Invalid(_)), "{error}"),
                    }
                }
                let turns = turns.load(Ordering::Relaxed) - before;
                let units = frames / 16 + frames * length as u64 / (16 << 10);
                assert!(
                    turns >= units / 128 - 1,
                    "{streams}, {length}: {turns} turns"
                );
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}
