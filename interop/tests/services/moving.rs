//! A service that moves between a ring and sockets while it runs.

use std::time::{Duration, Instant};

use ringway::ErrorKind;
use ringway::tokio::any::{self, Listener, Peer, Targets};
use ringway::tonic::Connector;
use ringway_interop::observed::CALLER;
use ringway_interop::pb::Empty;
use ringway_interop::pb::test_service_client::TestServiceClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::transport::{Channel, Endpoint};

use super::scene::{Process, came_by, channel, config, free_tcp, path, run, targets};

/// Calls until one is answered: the first may find that its connection has ended.
pub(crate) async fn answered_by(channel: &Channel) -> String {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        match came_by(channel).await {
            Ok(by) => return by,
            Err(status) => assert!(Instant::now() < until, "{status}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn one_server_serves_ring_and_sockets_side_by_side() {
    let targets = targets();
    let server = Process::serve(&targets.join(","));
    run(async {
        for (target, by) in targets.iter().zip(["ring", "unix", "tcp"]) {
            let channel = channel(target);
            let mut client = TestServiceClient::new(channel.clone());
            let answer = client.empty_call(Empty {}).await.unwrap();
            assert_eq!(came_by(&channel).await.unwrap(), by);
            let pid = std::process::id().to_string();
            let caller = answer
                .metadata()
                .get(CALLER)
                .map(|pid| pid.to_str().unwrap());
            assert_eq!(caller, (by != "tcp").then_some(pid.as_str()));
        }
        // Whatever is preferred is taken.
        assert_eq!(came_by(&channel(&targets.join(","))).await.unwrap(), "ring");
    });
    drop(server);
}

#[test]
fn a_channel_goes_on_with_the_next_server_and_falls_back_meanwhile() {
    let (ring, tcp) = (format!("ring:{}", path()), free_tcp());
    let wanted = format!("{ring}, {tcp}");
    run(async {
        let channel = channel(&wanted);
        let first = Process::serve(&ring);
        assert_eq!(answered_by(&channel).await, "ring");
        drop(first);
        let second = Process::serve(&tcp);
        assert_eq!(answered_by(&channel).await, "tcp");
        // The ring is there again, and is taken with the next connection.
        let third = Process::serve(&ring);
        assert_eq!(answered_by(&channel).await, "tcp");
        drop(second);
        assert_eq!(answered_by(&channel).await, "ring");
        drop(third);
        // By the same name at once.
        let fourth = Process::serve(&ring);
        assert_eq!(answered_by(&channel).await, "ring");
        drop(fourth);
    });
}

#[test]
fn a_channel_to_nobody_says_what_was_tried() {
    run(async {
        let [ring, unix, tcp] = targets();
        let wanted = format!("{ring}, {unix}, {tcp}");
        let status = came_by(&channel(&wanted)).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");
        let connector = Connector::parse(&wanted).unwrap();
        let endpoint = Endpoint::from_static("http://orders");
        let refused = endpoint.connect_with_connector(connector).await;
        let mut told = String::new();
        let mut error: Option<&dyn std::error::Error> = Some(&refused.unwrap_err());
        while let Some(cause) = error {
            told = format!("{told}{cause}\n");
            error = cause.source();
        }
        for target in [ring, unix, tcp] {
            assert!(told.contains(&format!("{target}: ")), "{told}");
        }
        assert!(told.contains("start the listener first"), "{told}");
    });
}

#[test]
fn the_next_target_is_not_tried_behind_an_answer_that_it_would_hide() {
    run(async {
        let (unix, tcp) = (path(), free_tcp());
        let _other = std::os::unix::net::UnixListener::bind(&unix).unwrap();
        let _listener = Listener::bind(&tcp.parse().unwrap()).unwrap();
        // A ring is looked for where another program listens.
        let wanted: Targets = format!("ring:{unix}, {tcp}").parse().unwrap();
        let error = any::connect_with(&config(), &wanted).await.unwrap_err();
        std::fs::remove_file(&unix).unwrap();
        assert_eq!((error.kind(), error.tried().len()), (ErrorKind::Io, 1));
        let told = error.to_string();
        assert!(told.contains("another program's"), "{told}");
        assert!(told.contains("not tried"), "{told}");
    });
}

#[test]
fn a_listener_of_messages_is_not_taken_for_one_of_bytes_nor_passed_over() {
    run(async {
        let (ring, tcp) = (path(), free_tcp());
        let _there = Listener::bind(&tcp.parse().unwrap()).unwrap();
        let mut messages = ringway::tokio::Listener::bind(ring.as_str()).unwrap();
        let wanted: Targets = format!("ring:{ring}, {tcp}").parse().unwrap();
        let config = config();
        let error = tokio::select! {
            connected = any::connect_with(&config, &wanted) => connected.unwrap_err(),
            accepted = messages.accept() => panic!("{accepted:?}"),
        };
        assert_eq!(error.kind(), ErrorKind::Schema, "{error}");
    });
}

#[test]
fn who_does_not_answer_in_time_is_passed_over() {
    run(async {
        let (ring, tcp) = (path(), free_tcp());
        let config = any::config().handshake_timeout(Duration::from_millis(50));
        // Nobody accepts here.
        let _silent = config.clone().byte_stream().bind(ring.as_str()).unwrap();
        let mut there = Listener::bind(&tcp.parse().unwrap()).unwrap();
        let wanted: Targets = format!("ring:{ring}, {tcp}").parse().unwrap();
        let (connected, accepted) =
            tokio::join!(any::connect_with(&config, &wanted), there.accept());
        assert!(matches!(connected.unwrap().peer().unwrap(), Peer::Tcp(_)));
        assert!(matches!(accepted.unwrap().peer().unwrap(), Peer::Tcp(_)));
    });
}

#[test]
fn a_socket_that_a_killed_server_left_is_replaced_and_one_that_is_used_is_not() {
    let unix = format!("unix:{}", path());
    drop(Process::serve(&unix));
    run(async {
        let targets: Targets = unix.parse().unwrap();
        let nobody = any::connect(&targets).await.unwrap_err();
        assert_eq!(nobody.kind(), ErrorKind::NotFound, "{nobody}");
        let listener = Listener::bind(&targets).unwrap();
        let taken = Listener::bind(&targets).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::NameTaken, "{taken}");
        assert!(taken.to_string().contains(&unix), "{taken}");
        drop(listener);
        assert!(!std::path::Path::new(&unix["unix:".len()..]).exists());
    });
}

#[test]
fn what_cannot_be_listened_at_is_named() {
    run(async {
        for (text, kind, part) in [
            ("tcp:orders.example:1", ErrorKind::InvalidConfig, "a number"),
            ("unix:/nowhere/at/all", ErrorKind::Directory, "/nowhere"),
            ("ring:.bad", ErrorKind::InvalidName, ".bad"),
        ] {
            let targets: Targets = text.parse().unwrap();
            let error = Listener::bind(&targets).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(part), "{error}");
        }
        let nothing = Targets::new([]);
        let error = Listener::bind(&nothing).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
        let error = any::connect(&nothing).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
    });
}

#[test]
fn a_target_at_which_many_come_makes_nobody_wait_at_another() {
    run(async {
        let (crowded, quiet) = (path(), path());
        let targets: Targets = format!("unix:{crowded}, unix:{quiet}").parse().unwrap();
        let mut listener = Listener::bind(&targets).unwrap();
        let connect = std::os::unix::net::UnixStream::connect;
        let _crowd: Vec<_> = (0..20).map(|_| connect(&crowded).unwrap()).collect();
        let _first = listener.accept().await.unwrap();
        let lonely = connect(&quiet).unwrap();
        lonely.set_nonblocking(true).unwrap();
        // The runtime asks the kernel again.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let mut second = listener.accept().await.unwrap();
        second.write_all(b"you").await.unwrap();
        let mut lonely = tokio::net::UnixStream::from_std(lonely).unwrap();
        let mut heard = [0; 3];
        lonely.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"you");
    });
}
