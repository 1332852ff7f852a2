//! A server and its clients in tasks of tokio: accept, ask and answer, a stream of frames through a sink. All in one process, for brevity.
//!
//! `cargo run --release --example tokio`

use std::error::Error;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use ringway::RecvError;
use ringway::tokio::{Connection, Listener, connect};

const CLIENTS: u64 = 4;
const ASKS: u64 = 1_000;
const STREAM: u64 = 100_000;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let name = format!("tokio-{}", std::process::id());
    let mut listener = Listener::bind(name.as_str())?;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| tokio::spawn(ask(name.clone())))
        .collect();
    let mut servers = Vec::new();
    for _ in 0..CLIENTS {
        servers.push(tokio::spawn(answer(listener.accept().await?)));
    }
    for client in clients {
        client.await??;
    }
    let mut received = 0;
    for server in servers {
        received += server.await??;
    }
    println!("{CLIENTS} clients, {received} frames");
    assert_eq!(received, CLIENTS * (ASKS + STREAM));
    Ok(())
}

async fn ask(name: String) -> Outcome<()> {
    let (mut sender, mut receiver) = connect(name).await?.split();
    for number in 0..ASKS {
        sender.send(&number.to_le_bytes()).await?;
        // Borrowed from the ring: it is copied out, and released by its drop.
        assert_eq!(receiver.recv().await?.to_vec(), number.to_le_bytes());
    }
    // As a sink: what is fed is published in groups, and what is left by the flush.
    for number in 0..STREAM {
        sender
            .feed(Bytes::copy_from_slice(&number.to_le_bytes()))
            .await?;
    }
    sender.flush().await?;
    Ok(())
}

async fn answer(connection: Connection) -> Outcome<u64> {
    let (mut sender, mut receiver) = connection.split();
    for _ in 0..ASKS {
        // Dropped at any await, as by `select!` or a timeout, no frame is lost.
        let question = receiver.recv().await?.to_vec();
        sender.send(&question).await?;
    }
    let mut received = ASKS;
    // As a stream, which ends when the client has closed in order.
    while let Some(frame) = receiver.next().await {
        let frame: Result<Bytes, RecvError> = frame;
        let expected = (received - ASKS).to_le_bytes();
        assert_eq!(frame?, &expected[..], "in order");
        received += 1;
    }
    Ok(received)
}
