//! Whoever waits hears at once how the connection ended.

use std::time::{Duration, Instant};

use ringway::tokio::{Listener, connect, connect_with};
use ringway::{Config, ErrorKind, RecvError, SendError};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::child::play;
use crate::scene::{LONG, on_both, pair, path, patient};

/// At once, on a machine that stalls for seconds now and then: less than anything that waits for a deadline.
const AT_ONCE: Duration = Duration::from_secs(15);
const _: () = assert!(AT_ONCE.as_secs() < LONG.as_secs());

/// Twice as long as an end that is not certain is waited for.
const STOPPED: Duration = Duration::from_millis(400);

#[test]
fn a_client_that_is_killed_ends_each_wait() {
    on_both(|| async {
        let path = path();
        let mut listener = Listener::new(patient().bind(path.as_path()).unwrap()).unwrap();
        let mut client = play("sends ten", &path);
        let (mut sender, mut receiver) = listener.accept().await.unwrap().split();
        let sending = tokio::spawn(async move {
            loop {
                if let Err(error) = sender.send(&[0; 1000]).await {
                    break error;
                }
            }
        });
        let (has, has_ten) = oneshot::channel();
        let receiving = tokio::spawn(async move {
            for n in 0..10u8 {
                assert_eq!(receiver.recv().await.unwrap().to_vec(), [n]);
            }
            has.send(()).unwrap();
            receiver.recv().await.map(drop).unwrap_err()
        });
        // One that was killed before it had sent them all would be an end too early.
        has_ten.await.unwrap();
        // Both are asleep.
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!sending.is_finished() && !receiving.is_finished());
        let killed = Instant::now();
        client.kill();
        assert_eq!(receiving.await.unwrap(), RecvError::PeerDied);
        assert_eq!(sending.await.unwrap(), SendError::PeerDied);
        assert!(killed.elapsed() < AT_ONCE);
    });
}

/// Tasks that wait for it wait on, whatever it is that they wait for; then it goes on, and they have all.
#[test]
fn a_client_that_is_stopped_ends_no_wait() {
    on_both(|| async {
        let path = path();
        let config = patient().capacity(1 << 16).peer_capacity(1 << 16);
        let mut listener = Listener::new(config.bind(path.as_path()).unwrap()).unwrap();
        let client = play("echoes twice", &path);
        let (mut sender, mut receiver) = listener.accept().await.unwrap().split();
        let mut idle = listener.accept().await.unwrap();
        sender.send(&u64::MAX.to_le_bytes()).await.unwrap();
        let answer = receiver.recv().await.unwrap().to_vec();
        assert_eq!(answer, u64::MAX.to_le_bytes());
        client.stop();
        let mut sent = 0u64;
        let full = loop {
            match sender.try_send(&sent.to_le_bytes()) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(full, SendError::Full);
        let filling = tokio::spawn(async move {
            sender.send(&sent.to_le_bytes()).await.unwrap();
            sender
        });
        let waiting = tokio::spawn(async move {
            let first = receiver.recv().await.map(|frame| frame.to_vec());
            (first, receiver)
        });
        let waited = tokio::time::timeout(STOPPED, idle.receiver().recv());
        let ended = waited.await.map(|end| end.map(drop));
        assert!(ended.is_err(), "{ended:?}");
        // Of a listener it is no end either: others are let in.
        let ours = connect_with(&config, path.as_path());
        let (next, ours) = tokio::join!(listener.accept(), ours);
        drop((next.unwrap(), ours.unwrap()));
        assert!(!filling.is_finished() && !waiting.is_finished());
        client.go_on();
        let sender = filling.await.unwrap();
        let (first, mut receiver) = waiting.await.unwrap();
        assert_eq!(first.unwrap(), 0u64.to_le_bytes());
        for number in 1..=sent {
            assert_eq!(
                receiver.recv().await.unwrap().to_vec(),
                number.to_le_bytes()
            );
        }
        drop((sender, receiver, idle));
        client.succeeds();
    });
}

#[test]
fn a_client_that_is_killed_in_the_handshake_is_passed_over() {
    on_both(|| async {
        let path = path();
        let config = patient();
        let mut listener = Listener::new(config.bind(path.as_path()).unwrap()).unwrap();
        let mut silent = play("says hello", &path);
        let next = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            silent.kill();
            connect_with(&config, path.as_path()).await.unwrap()
        };
        let (accepted, _client) = tokio::join!(listener.accept(), next);
        accepted.unwrap();
    });
}

#[test]
fn a_server_that_is_killed_in_the_handshake_ends_connect() {
    on_both(|| async {
        let path = path();
        let server = play("takes and is silent", &path);
        let config = patient();
        let connecting = tokio::spawn({
            let path = path.clone();
            async move { connect_with(&config, path).await.map(drop) }
        });
        // One that was killed before there is nobody to dial. Our thread may be the only one that dials.
        let taken = spawn_blocking(|| {
            let mut server = server;
            server.says("taken");
            server
        });
        let mut server = taken.await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!connecting.is_finished());
        let killed = Instant::now();
        server.kill();
        let error = connecting.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PeerGone, "{error}");
        assert!(killed.elapsed() < AT_ONCE);
        // Nobody listens any more, once all of the process is gone.
        drop(server);
        let error = connect(path).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    });
}

#[test]
fn a_server_that_is_silent_costs_the_deadline() {
    on_both(|| async {
        let path = path();
        let _server = play("takes and is silent", &path);
        let config = Config::new().handshake_timeout(Duration::from_millis(100));
        let error = connect_with(&config, path).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    });
}

#[test]
fn a_half_that_is_dropped_ends_the_wait_of_its_opposite_in_order() {
    on_both(|| async {
        let (a, b) = pair().await;
        let ((mut sender, mut receiver), (back, drain)) = (a.split(), b.split());
        let receiving = tokio::spawn(async move { receiver.recv().await.map(drop) });
        let filling = tokio::spawn(async move {
            loop {
                if let Err(error) = sender.send(&[0; 100]).await {
                    break error;
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!receiving.is_finished() && !filling.is_finished());
        let began = Instant::now();
        drop(back);
        assert_eq!(receiving.await.unwrap(), Err(RecvError::Closed));
        assert!(!filling.is_finished(), "the other direction goes on");
        drop(drain);
        assert_eq!(filling.await.unwrap(), SendError::Closed);
        assert!(began.elapsed() < AT_ONCE);
    });
}
