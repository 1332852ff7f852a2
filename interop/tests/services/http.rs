//! A server of hyper as it is: HTTP/1.1 with connections that stay, bodies in chunks and an upgrade; HTTP/2.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use ringway::hyper::Connector;
use ringway::tokio::any::{self, Listener, Targets};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::scene::{config, run, targets};

type Body = BoxBody<Bytes, hyper::Error>;

/// What a server has accepted.
type Accepted = Arc<AtomicUsize>;

/// A server that serves HTTP/1 and HTTP/2, whichever its client speaks.
fn serve(target: &str) -> Accepted {
    let targets: Targets = target.parse().unwrap();
    let mut listener = Listener::bind_with(&config(), &targets).unwrap();
    let accepted = Accepted::default();
    let count = Arc::clone(&accepted);
    tokio::spawn(async move {
        while let Ok(stream) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                let io = TokioIo::new(stream);
                let served = builder.serve_connection_with_upgrades(io, service_fn(answer));
                // How a client leaves is its own matter.
                let _ = served.await;
            });
        }
    });
    accepted
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    if request.headers().contains_key(UPGRADE) {
        tokio::spawn(async move {
            let upgraded = hyper::upgrade::on(&mut request).await.unwrap();
            let mut stream = TokioIo::new(upgraded);
            let mut bytes = [0; 1_000];
            loop {
                match stream.read(&mut bytes).await.unwrap() {
                    0 => break,
                    len => stream.write_all(&bytes[..len]).await.unwrap(),
                }
            }
            stream.write_all(b"bye").await.unwrap();
            stream.shutdown().await.unwrap();
        });
        let switching = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(CONNECTION, "upgrade")
            .header(UPGRADE, "echo");
        return Ok(switching.body(of("")).unwrap());
    }
    let chunked = request.headers().get(TRANSFER_ENCODING).cloned();
    let version = request.version();
    let mut response = Response::new(request.into_body().boxed());
    *response.version_mut() = version;
    if let Some(chunked) = chunked {
        response.headers_mut().insert("x-came-in", chunked);
    }
    Ok(response)
}

fn of(text: &str) -> Body {
    let body = Full::new(Bytes::copy_from_slice(text.as_bytes()));
    body.map_err(|never| match never {}).boxed()
}

/// So many bytes in chunks of odd sizes, whose length nobody is told before.
fn in_chunks(total: usize) -> Body {
    let chunks = (0..total).step_by(7_001).map(move |start| {
        let chunk: Vec<u8> = (start..total.min(start + 7_001)).map(byte).collect();
        Ok(Frame::data(Bytes::from(chunk)))
    });
    BodyExt::boxed(StreamBody::new(stream::iter(chunks)))
}

fn byte(place: usize) -> u8 {
    (place ^ (place >> 8)) as u8
}

fn is_whole(body: &[u8], total: usize) -> bool {
    body.len() == total && body.iter().enumerate().all(|(at, &one)| one == byte(at))
}

fn each(test: impl AsyncFn(String)) {
    for target in targets() {
        run(test(target));
    }
}

fn client(target: &str, two: bool) -> Client<Connector, Body> {
    Client::builder(TokioExecutor::new())
        .http2_only(two)
        .build(Connector::with(
            config(),
            target.parse::<Targets>().unwrap(),
        ))
}

fn post(body: Body) -> Request<Body> {
    Request::post("http://orders/").body(body).unwrap()
}

async fn whole(response: Response<Incoming>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

#[test]
fn a_connection_of_http_1_stays_for_the_next_request() {
    each(async |target| {
        let accepted = serve(&target);
        let stream = any::connect_with(&config(), &target.parse().unwrap())
            .await
            .unwrap();
        let (mut requests, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        for number in 0..50 {
            let text = format!("request {number}");
            requests.ready().await.unwrap();
            let response = requests.send_request(post(of(&text))).await.unwrap();
            assert_eq!(response.version(), Version::HTTP_11);
            assert!(response.headers().contains_key(CONTENT_LENGTH));
            assert_eq!(whole(response).await, text);
        }
        drop(requests);
        connection.await.unwrap().unwrap();
        assert_eq!(accepted.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn bodies_of_http_1_go_in_chunks_both_ways() {
    each(async |target| {
        serve(&target);
        let client = client(&target, false);
        for total in [1, 10_000, 3_000_000] {
            let response = client.request(post(in_chunks(total))).await.unwrap();
            for name in ["x-came-in", TRANSFER_ENCODING.as_str()] {
                assert_eq!(response.headers()[name], "chunked");
            }
            assert!(is_whole(&whole(response).await, total), "{target}: {total}");
        }
    });
}

#[test]
fn a_connection_of_http_1_becomes_another_protocol() {
    each(async |target| {
        serve(&target);
        let request = Request::get("http://orders/")
            .header(CONNECTION, "upgrade")
            .header(UPGRADE, "echo")
            .body(of(""));
        let response = client(&target, false).request(request.unwrap()).await;
        let response = response.unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        let mut stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
        for size in [1, 1_000, 100_000] {
            let sent: Vec<u8> = (0..size).map(byte).collect();
            let (mut reads, mut writes) = tokio::io::split(&mut stream);
            let mut echoed = vec![0; size];
            let (wrote, read) =
                tokio::join!(writes.write_all(&sent), reads.read_exact(&mut echoed));
            wrote.unwrap();
            read.unwrap();
            assert_eq!(echoed, sent);
        }
        // One direction is closed, and the other goes on.
        stream.shutdown().await.unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "bye");
    });
}

#[test]
fn requests_of_http_2_share_a_connection() {
    each(async |target| {
        let accepted = serve(&target);
        let client = client(&target, true);
        let first = client.request(post(of("first"))).await.unwrap();
        assert_eq!(first.version(), Version::HTTP_2);
        assert_eq!(whole(first).await, "first");
        let calls = (0..64).map(|number| {
            let client = client.clone();
            tokio::spawn(async move {
                let total = 1 + number * number * 100;
                let response = client.request(post(in_chunks(total))).await.unwrap();
                assert!(is_whole(&whole(response).await, total));
            })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap();
        }
        assert_eq!(accepted.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn who_is_not_there_is_an_error_that_names_the_target() {
    each(async |target| {
        let error = client(&target, false).request(post(of(""))).await;
        let error = error.unwrap_err();
        assert!(error.is_connect());
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(&target), "{cause}");
    });
}
