//! Peers that keep no rule, against tasks that wait: each ends its own connection by the rule's name, and is in nobody's way.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ringway::hostile::{self, CONTROL, FRAME, HalfOpen, Hostile, RING, Segment, Spoil, Word};
use ringway::tokio::{self as tasks, Connection, Listener, connect_with};
use ringway::typed::{self, Message, Messages};
use ringway::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use ringway::{ErrorKind, RecvError, SendError, Violation, schema};
use tokio::task::spawn_blocking;

use crate::scene::{on_both, path, patient};

/// A victim in a task, and its peer.
async fn victim() -> (Connection, Hostile) {
    let path = path();
    let mut listener = Listener::new(patient().bind(path.as_path()).unwrap()).unwrap();
    let hostile = spawn_blocking(move || hostile::join(&path));
    let victim = listener.accept().await.unwrap();
    (victim, hostile.await.unwrap())
}

#[test]
fn a_false_header_ends_a_task_that_sleeps() {
    on_both(|| async {
        let (victim, hostile) = victim().await;
        let (_sender, mut receiver) = victim.split();
        let waiting = tokio::spawn(async move { receiver.recv().await.map(drop) });
        tokio::time::sleep(Duration::from_millis(50)).await;
        hostile.own.ring(0, hostile::FRAME | 0xffff_ffff);
        // It rings, as one that keeps the rules would.
        ring(&hostile);
        let outcome = waiting.await.unwrap();
        let named = matches!(
            outcome,
            Err(RecvError::Protocol(Violation::FrameTooLong { .. }))
        );
        assert!(named, "{outcome:?}");
    });
}

#[test]
fn a_false_release_ends_a_task_that_waits_for_room() {
    on_both(|| async {
        let (victim, hostile) = victim().await;
        let (mut sender, _receiver) = victim.split();
        let waiting = tokio::spawn(async move {
            loop {
                if let Err(error) = sender.send(&[0; 100]).await {
                    break error;
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!waiting.is_finished());
        hostile.own.say(Word::Released(0), 1 << 40);
        ring(&hostile);
        let error = waiting.await.unwrap();
        let named = matches!(
            error,
            SendError::Protocol(Violation::ReleasedOutOfRange { .. })
        );
        assert!(named, "{error:?}");
    });
}

fn ring(hostile: &Hostile) {
    for bell in &hostile.theirs {
        Spoil::Rung.spoil(bell);
    }
}

/// Bells that are drained, filled and rung without end wake a task for nothing, and neither hang nor starve the one beside it.
#[test]
fn spoilt_bells_starve_nobody() {
    on_both(|| async {
        let (bad, hostile) = victim().await;
        let (mut good, mut other) = crate::scene::pair().await;
        let (_sender, mut receiver) = bad.split();
        let waiting = tokio::spawn(async move { receiver.recv().await.map(drop) });
        let spoiling = spawn_blocking(move || {
            for round in 0..2000u32 {
                for bell in &hostile.theirs {
                    Spoil::ALL[round as usize % Spoil::ALL.len()].spoil(bell);
                }
            }
            hostile
        });
        for n in 0..1000u32 {
            good.sender().send(&n.to_le_bytes()).await.unwrap();
            let frame = other.receiver().recv().await.unwrap().to_vec();
            assert_eq!(frame, n.to_le_bytes());
        }
        let hostile = spoiling.await.unwrap();
        assert!(!waiting.is_finished());
        drop(hostile);
        assert_eq!(waiting.await.unwrap(), Err(RecvError::PeerClosed));
    });
}

/// The runtime's instance watches that of a half, which watches the bell: a way too many. A server that took the answer for its own would end.
#[test]
fn bells_that_nobody_can_watch_any_more_end_no_listener() {
    on_both(|| async {
        let path = path();
        let mut listener = Listener::new(patient().bind(path.as_path()).unwrap()).unwrap();
        let place = path.clone();
        let tangled = spawn_blocking(move || {
            let tangled = hostile::join_tangled(&place);
            let honest = patient().connect(place.as_path()).unwrap();
            (tangled, honest)
        });
        let mut accepted = listener.accept().await.expect("the honest one");
        let (tangled, mut honest) = tangled.await.unwrap();
        honest.sender().send(b"in").unwrap();
        assert_eq!(accepted.receiver().recv().await.unwrap().to_vec(), b"in");
        assert_eq!(listener.get_ref().refusals(), 1);
        drop(tangled);
    });
}

#[test]
fn handshakes_that_stop_half_way_hold_nobody_up() {
    on_both(|| async {
        let path = path();
        let config = patient();
        let mut listener = Listener::new(config.bind(path.as_path()).unwrap()).unwrap();
        let held = HalfOpen::ALL.map(|half| half.open(&path).unwrap());
        let client = connect_with(&config, path.as_path());
        let (accepted, client) = tokio::join!(listener.accept(), client);
        let (mut accepted, mut client) = (accepted.unwrap(), client.unwrap());
        client.sender().send(b"in").await.unwrap();
        assert_eq!(accepted.receiver().recv().await.unwrap().to_vec(), b"in");
        drop(held);
    });
}

#[test]
fn a_server_that_answers_nonsense_is_refused() {
    on_both(|| async {
        let path = path();
        let listener = hostile::listen(&path);
        let serving = spawn_blocking(move || {
            let line = hostile::accept(&listener);
            hostile::wait_readable(&line);
            drop(hostile::receive(&line));
            hostile::send(&line, b"nonsense", &[]);
            hostile::receive(&line)
        });
        let error = connect_with(&patient(), path).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        let (told, _) = serving.await.unwrap();
        assert!(!told.is_empty(), "the server is told why");
    });
}

#[derive(Message, FromBytes, IntoBytes, Immutable, KnownLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Number {
    number: u64,
}

/// A client that says of its frames, and of what it expects, that they are such messages.
fn join_typed(path: &Path) -> Hostile {
    const FIRST: usize = CONTROL + 4096;
    let schema = Number::SCHEMA;
    let (table, print) = (schema::encode(schema).unwrap(), schema::fingerprint(schema));
    let mut area = Vec::new();
    for _ in 0..2 {
        area.extend((table.len() as u32).to_ne_bytes());
    }
    area.extend([0; 8]);
    area.extend(print);
    for _ in 0..2 {
        area.extend(&table);
        area.resize(area.len().next_multiple_of(8), 0);
    }
    let own = Segment::with_rings(FIRST + RING, FIRST, RING);
    for (index, word) in area.chunks_exact(8).enumerate() {
        let word = u64::from_ne_bytes(word.try_into().unwrap());
        own.set(CONTROL + 8 * index, word);
    }
    let hello = hostile::hello().bytes(72, &print);
    let hello = hello.u32(88, area.len() as u32);
    let attach = hostile::attach().offer_of(16, 1, FIRST, RING);
    hostile::join_as(path, &hello, &attach, own)
}

struct Over(Arc<AtomicBool>);

impl Drop for Over {
    fn drop(&mut self) {
        // ORD: over: Relaxed, a flag alone; partner: the load in the liar.
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The peer takes each frame back as soon as it has written it, and again: a wait goes on, or has what it has found.
#[test]
fn a_batch_of_messages_that_comes_and_goes_is_received_or_waited_for() {
    const BATCHES: usize = 3000;
    on_both(|| async {
        let path = path();
        let listener = typed::Listener::bind_with(&patient(), path.as_path()).unwrap();
        let mut listener: tasks::typed::Listener<Number, Number> =
            tasks::typed::Listener::new(listener).unwrap();
        let joined = spawn_blocking(move || join_typed(&path));
        let (_sender, mut receiver) = listener.accept().await.unwrap().split();
        let hostile = joined.await.unwrap();
        let next = Arc::new(AtomicUsize::new(0));
        let over = Over(Arc::default());
        let (place, ends) = (Arc::clone(&next), Arc::clone(&over.0));
        let liar = spawn_blocking(move || {
            let mut lies = 0u32;
            // ORD: over: Relaxed, a flag alone; partner: the store in the drop.
            while !ends.load(Ordering::Relaxed) {
                // ORD: place: Relaxed, a number alone; partner: the store behind each batch.
                let at = place.load(Ordering::Relaxed);
                hostile.own.ring(at, FRAME | 8);
                lies += 1;
                if lies % 64 == 0 {
                    // Here whoever has no processor beside this one is to receive it.
                    ring(&hostile);
                    std::thread::yield_now();
                }
                hostile.own.ring(at, 0);
            }
        });
        for batch in 1..=BATCHES {
            let received = receiver.recv_batch::<Number>().await;
            assert_eq!(received.map(|batch| batch.len()), Ok(1));
            // ORD: place: Relaxed, as above; partner: the liar.
            next.store(16 * batch, Ordering::Relaxed);
        }
        drop(over);
        liar.await.unwrap();
    });
}
