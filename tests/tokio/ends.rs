//! Whoever waits hears at once how the connection ended.

use std::time::{Duration, Instant};

use ringway::tokio::{Listener, connect, connect_with};
use ringway::{Config, ErrorKind, RecvError, SendError};

use crate::child::play;
use crate::scene::{on_both, pair, path};

/// At once, on a machine that has others to serve: far less than anything that waits for a deadline.
const AT_ONCE: Duration = Duration::from_secs(5);

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
