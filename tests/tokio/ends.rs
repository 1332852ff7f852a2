//! Whoever waits hears at once how the connection ended.

use std::time::{Duration, Instant};

use ringway::tokio::{Listener, connect, connect_with};
use ringway::{Config, ErrorKind, RecvError, SendError};

use crate::child::play;
use crate::scene::{on_both, pair, path};

/// At once, on a machine that has others to serve: far less than anything that waits for a deadline.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Twice as long as an end that is not certain is waited for.
const STOPPED: Duration = Duration::from_millis(400);

#[test]
fn a_client_that_is_killed_ends_each_wait() {
    on_both(|| async {
        let path = path();
        let mut listener = Listener::bind(path.as_path()).unwrap();
        let mut client = play("sends ten", &path);
        let (mut sender, mut receiver) = listener.accept().await.unwrap().split();
        let sending = tokio::spawn(async move {
            loop {
                if let Err(error) = sender.send(&[0; 1000]).await {
                    break error;
                }
            }
        });
        let receiving = tokio::spawn(async move {
            for n in 0..10u8 {
                assert_eq!(receiver.recv().await.unwrap().to_vec(), [n]);
            }
            receiver.recv().await.map(drop).unwrap_err()
        });
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
        let config = Config::new().capacity(1 << 16).peer_capacity(1 << 16);
        let mut listener = Listener::new(config.bind(path.as_path()).unwrap()).unwrap();
        let client = play("echoes twice", &path);
        let (mut sender, mut receiver) = listener.accept().await.unwrap().split();
        let mut idle = listener.accept().await.unwrap();
        sender.send(&u64::MAX.to_le_bytes()).await.unwrap();
        let answer = receiver.recv().await.unwrap().to_vec();
        assert_eq!(answer, u64::MAX.to_le_bytes());
        client.stop();
        let until = Instant::now() + STOPPED;
        let filling = tokio::spawn(async move {
            let mut sent = 0u64;
            while Instant::now() < until {
                sender.send(&sent.to_le_bytes()).await.unwrap();
                sent += 1;
            }
            (sender, sent)
        });
        let waiting = tokio::spawn(async move {
            let first = receiver.recv().await.map(|frame| frame.to_vec());
            (first, receiver)
        });
        let waited = tokio::time::timeout(STOPPED, idle.receiver().recv());
        let ended = waited.await.map(|end| end.map(drop));
        assert!(ended.is_err(), "{ended:?}");
        // Of a listener it is no end either: others are let in.
        let (next, _ours) = tokio::join!(listener.accept(), connect(path.as_path()));
        next.unwrap();
        assert!(!filling.is_finished() && !waiting.is_finished());
        client.go_on();
        let (sender, sent) = filling.await.unwrap();
        let (first, mut receiver) = waiting.await.unwrap();
        assert_eq!(first.unwrap(), 0u64.to_le_bytes());
        for number in 1..sent {
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
        let config = Config::new().handshake_timeout(Duration::from_secs(20));
        let mut listener = Listener::new(config.bind(path.as_path()).unwrap()).unwrap();
        let mut silent = play("says hello", &path);
        let next = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            silent.kill();
            connect(path.as_path()).await.unwrap()
        };
        let (accepted, _client) = tokio::join!(listener.accept(), next);
        accepted.unwrap();
    });
}

#[test]
fn a_server_that_is_killed_in_the_handshake_ends_connect() {
    on_both(|| async {
        let path = path();
        let mut server = play("takes and is silent", &path);
        let config = Config::new().handshake_timeout(Duration::from_secs(20));
        let connecting = tokio::spawn({
            let path = path.clone();
            async move { connect_with(&config, path).await.map(drop) }
        });
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
