//! Calls, channels and servers that end at any point: each side hears the right end, and nothing is left.

use std::time::{Duration, Instant};

use ringway::tokio::any::{Listener, Targets};
use ringway::tonic::incoming;
use ringway_interop::cases::{length, open_calls, ping, received, sized};
use ringway_interop::pb::test_service_client::TestServiceClient;
use ringway_interop::pb::{Empty, StreamingOutputCallRequest};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tonic::Code;
use tonic::transport::Channel;

use super::role;
use super::scene::{Process, channel, config, run, service, targets};

/// A server in this process, what it is shut down by, and its end.
fn here(target: &str) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let targets: Targets = target.parse().unwrap();
    let listener = Listener::bind_with(&config(), &targets).unwrap();
    let (stop, stopped) = oneshot::channel();
    let server = tokio::spawn(async move {
        let until = async { drop(stopped.await) };
        let served = service().serve_with_incoming_shutdown(incoming(listener), until);
        served.await.unwrap();
    });
    (stop, server)
}

/// Answers that last longer than a test may.
fn endless() -> StreamingOutputCallRequest {
    let slowly = ringway_interop::pb::ResponseParameters {
        size: 1_000,
        interval_us: 50_000,
    };
    StreamingOutputCallRequest {
        response_parameters: vec![slowly; 6_000],
        ..Default::default()
    }
}

fn each(test: impl Fn(&str)) {
    for target in &targets()[..2] {
        test(target);
    }
}

#[test]
fn a_call_that_is_dropped_at_any_moment_ends_at_the_server() {
    each(|target| {
        let _server = Process::serve(target);
        run(async {
            let channel = channel(target);
            let mut client = TestServiceClient::new(channel.clone());
            client.empty_call(Empty {}).await.unwrap();
            for moment in 0..60_u64 {
                let call = async {
                    let mut answers = client
                        .streaming_output_call(endless())
                        .await
                        .unwrap()
                        .into_inner();
                    while answers.message().await.unwrap().is_some() {}
                };
                let moment = Duration::from_micros(moment * moment * 2);
                assert!(tokio::time::timeout(moment, call).await.is_err());
            }
            open_calls(&channel, 0).await;
        });
    });
}

#[test]
fn a_channel_that_is_dropped_ends_its_calls_at_the_server() {
    each(|target| {
        let _server = Process::serve(target);
        run(async {
            let other = channel(target);
            let answers = {
                let mut client = TestServiceClient::new(channel(target));
                let call = client.streaming_output_call(endless());
                call.await.unwrap().into_inner()
            };
            // The call keeps its connection.
            open_calls(&other, 1).await;
            let mut answers = answers;
            assert_eq!(length(answers.message().await.unwrap()), Some(1_000));
            drop(answers);
            open_calls(&other, 0).await;
        });
    });
}

#[test]
fn a_runtime_that_ends_with_calls_open_ends_them_at_the_server() {
    each(|target| {
        let _server = Process::serve(target);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                run(async {
                    let mut client = TestServiceClient::new(channel(target));
                    let call = client.streaming_output_call(endless());
                    std::mem::forget(call.await.unwrap());
                });
            });
        });
        run(async { open_calls(&channel(target), 0).await });
    });
}

#[test]
fn a_server_that_is_killed_is_heard_of_by_every_open_call() {
    each(|target| {
        let server = Process::serve(target);
        run(async {
            let channel = channel(target);
            let mut client = TestServiceClient::new(channel.clone());
            let call = client.streaming_output_call(endless());
            let mut answers = call.await.unwrap().into_inner();
            let (_ask, requests) = mpsc::channel(1);
            let mut second = client.clone();
            let waiting =
                tokio::spawn(async move { second.streaming_input_call(received(requests)).await });
            assert_eq!(length(answers.message().await.unwrap()), Some(1_000));
            open_calls(&channel, 2).await;
            drop(server);
            let status = loop {
                match answers.message().await {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("half of an answer was taken for a whole one"),
                    Err(status) => break status,
                }
            };
            // What tonic says of a connection that broke under a call.
            assert!(
                matches!(status.code(), Code::Unknown | Code::Unavailable),
                "{status:?}"
            );
            let status = waiting.await.unwrap().unwrap_err();
            assert!(
                matches!(
                    status.code(),
                    Code::Unknown | Code::Unavailable | Code::Cancelled
                ),
                "{status:?}"
            );
            // Nobody listens any more. The channel may have given the first call to the connection that has just broken.
            let mut status = client.empty_call(Empty {}).await.unwrap_err();
            if status.code() == Code::Cancelled {
                status = client.empty_call(Empty {}).await.unwrap_err();
            }
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        });
    });
}

#[test]
fn a_server_that_is_shut_down_lets_open_calls_end_and_takes_no_more() {
    each(|target| {
        run(async {
            let (stop, server) = here(target);
            let channel = channel(target);
            let mut client = TestServiceClient::new(channel.clone());
            let (ask, requests) = mpsc::channel(1);
            ask.send(ping(0)).await.unwrap();
            let call = client.full_duplex_call(received(requests));
            let mut answers = call.await.unwrap().into_inner();
            assert_eq!(length(answers.message().await.unwrap()), Some(31_415));
            stop.send(()).unwrap();
            // What is new is not served by it.
            refused(&channel).await;
            assert!(!server.is_finished());
            ask.send(ping(1)).await.unwrap();
            assert_eq!(length(answers.message().await.unwrap()), Some(9));
            drop(ask);
            assert_eq!(answers.message().await.unwrap(), None);
            drop((answers, client, channel));
            server.await.unwrap();
        });
    });
}

/// Waits until a call is not served any more.
async fn refused(channel: &Channel) {
    let mut client = TestServiceClient::new(channel.clone());
    let until = Instant::now() + Duration::from_secs(20);
    while client.empty_call(Empty {}).await.is_ok() {
        assert!(Instant::now() < until, "calls are served behind the end");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn a_reader_that_stops_does_not_hold_up_other_calls() {
    each(|target| {
        let _server = Process::serve(target);
        run(async {
            let channel = channel(target);
            let mut client = TestServiceClient::new(channel);
            let request = StreamingOutputCallRequest {
                response_parameters: vec![sized(100_000); 100],
                ..Default::default()
            };
            let mut slow = client
                .streaming_output_call(request)
                .await
                .unwrap()
                .into_inner();
            assert_eq!(length(slow.message().await.unwrap()), Some(100_000));
            for _ in 0..100 {
                client.empty_call(Empty {}).await.unwrap();
            }
            for _ in 1..100 {
                assert_eq!(length(slow.message().await.unwrap()), Some(100_000));
            }
            assert_eq!(slow.message().await.unwrap(), None);
        });
    });
}

#[test]
fn nothing_is_left_of_what_has_ended() {
    each(|target| {
        let told = role::play(&mut role::process(&format!("leak {target}")));
        assert!(told.contains("nothing is left"), "{told}");
    });
}

/// In a process of its own, whose descriptors nobody else opens.
pub(crate) fn leak(target: &str) {
    run(async {
        round(target).await;
        let before = descriptors();
        for _ in 0..20 {
            round(target).await;
        }
        // Tasks that end behind our back close theirs a moment later.
        let until = Instant::now() + Duration::from_secs(10);
        while descriptors() > before {
            assert!(
                Instant::now() < until,
                "{before} descriptors became {}",
                descriptors()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        println!("nothing is left");
    });
}

/// A server, three channels and their calls: one that is dropped in the middle, one that goes with its channel, and one that the end of the server finds open.
async fn round(target: &str) {
    let (stop, server) = here(target);
    let dropped = channel(target);
    let mut client = TestServiceClient::new(dropped.clone());
    drop(client.streaming_output_call(endless()).await.unwrap());
    {
        let mut client = TestServiceClient::new(channel(target));
        let call = client.streaming_output_call(endless());
        assert!(
            tokio::time::timeout(Duration::from_micros(300), call)
                .await
                .map_or(true, |answered| answered.is_ok())
        );
    }
    let last = channel(target);
    let mut client = TestServiceClient::new(last);
    let call = client.streaming_output_call(endless());
    let mut answers = call.await.unwrap().into_inner();
    assert_eq!(length(answers.message().await.unwrap()), Some(1_000));
    stop.send(()).unwrap();
    drop((answers, client, dropped));
    server.await.unwrap();
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
