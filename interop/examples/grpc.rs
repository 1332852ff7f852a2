//! A service of tonic as it is, over a ring and over TCP at once: a client prefers the ring, and goes on by TCP when there is none.
//!
//! `cargo run -p ringway-interop --example grpc`

use std::time::Duration;

use ringway::tokio::any::{Listener, Peer, Target, Targets};
use ringway::tonic::{Connector, incoming};
use ringway_interop::pb::test_service_client::TestServiceClient;
use ringway_interop::pb::test_service_server::TestServiceServer;
use ringway_interop::pb::{SimpleRequest, StreamingOutputCallRequest};
use ringway_interop::{cases, service::Answers};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Status};

type Failed = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let path = std::env::temp_dir().join(format!("ringway-grpc-{}", std::process::id()));
    let ring: Targets = format!("ring:{}", path.display()).parse()?;
    let by_tcp = Listener::bind(&"tcp:127.0.0.1:0".parse()?)?;
    let tcp = Target::Tcp(by_tcp.tcp_addresses()?[0].to_string());
    let wanted: Targets = format!("{ring}, {tcp}").parse()?;

    // Two servers, so that one of them can go; one `Listener` could serve both targets.
    let by_ring = tokio::spawn(serve(Listener::bind(&ring)?));
    tokio::spawn(serve(by_tcp));

    let endpoint = Endpoint::from_static("http://example").timeout(Duration::from_secs(30));
    let channel = endpoint.connect_with_connector_lazy(Connector::new(wanted));
    ask(&channel).await?;
    by_ring.abort();
    println!("the server at the ring is gone");
    // The call that finds it out may fail, as over a socket.
    while ask(&channel).await.is_err() {}
    Ok(())
}

async fn serve(listener: Listener) -> Result<(), tonic::transport::Error> {
    // Who called is in the extensions of a request.
    let service = TestServiceServer::with_interceptor(Answers, |request: Request<()>| {
        match request.extensions().get::<Option<Peer>>() {
            Some(Some(Peer::Ring(peer))) => println!("  called by the ring, by {:?}", peer.pid),
            other => println!("  called by {other:?}"),
        }
        Ok(request)
    });
    let server = Server::builder().add_service(service);
    server.serve_with_incoming(incoming(listener)).await
}

/// One call with one answer, and one with a stream of them.
async fn ask(channel: &Channel) -> Result<(), Status> {
    let mut client = TestServiceClient::new(channel.clone());
    let request = SimpleRequest {
        response_size: 100_000,
        ..Default::default()
    };
    let answer = client.unary_call(request).await?.into_inner();
    let bytes = answer.payload.map_or(0, |payload| payload.body.len());
    let request = StreamingOutputCallRequest {
        response_parameters: vec![cases::sized(1_000); 10],
        ..Default::default()
    };
    let mut answers = client.streaming_output_call(request).await?.into_inner();
    let mut count = 0;
    while answers.message().await?.is_some() {
        count += 1;
    }
    println!("an answer of {bytes} bytes, and {count} answers to one call");
    Ok(())
}
