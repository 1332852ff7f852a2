//! A server of hyper as it is, over a ring and a Unix socket at once, and a client that prefers the ring.
//!
//! `cargo run -p ringway-interop --example hyper`

use std::convert::Infallible;

use http_body_util::BodyExt;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use ringway::hyper::Connector;
use ringway::tokio::any::{Listener, Targets};

type Failed = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let path = std::env::temp_dir().join(format!("ringway-hyper-{}", std::process::id()));
    let path = path.display();
    let targets: Targets = format!("ring:{path}.ring, unix:{path}.socket").parse()?;
    tokio::spawn(serve(Listener::bind(&targets)?));

    for (by, target) in ["the ring", "the socket"].iter().zip(&targets) {
        for (version, is_2) in [("HTTP/1.1", false), ("HTTP/2", true)] {
            let client: Client<_, String> = Client::builder(TokioExecutor::new())
                .http2_only(is_2)
                .build(Connector::new(target.clone()));
            let request =
                Request::post("http://example/echo").body(format!("{version} by {by}"))?;
            let answer = client.request(request).await?;
            let body = answer.into_body().collect().await?.to_bytes();
            println!("{}", String::from_utf8_lossy(&body));
        }
    }
    Ok(())
}

async fn serve(mut listener: Listener) -> Result<(), ringway::Error> {
    loop {
        let stream = TokioIo::new(listener.accept().await?);
        tokio::spawn(async move {
            let builder = auto::Builder::new(TokioExecutor::new());
            builder.serve_connection(stream, service_fn(echo)).await
        });
    }
}

async fn echo(request: Request<Incoming>) -> Result<Response<Incoming>, Infallible> {
    Ok(Response::new(request.into_body()))
}
