//! What the tests share: servers in processes of their own, and channels to them.

use std::future::Future;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::time::Duration;

use ringway::tokio::any::{Listener, Targets};
use ringway::tonic::{Connector, incoming};
use ringway_interop::observed::{CAME_BY, Observed};
use ringway_interop::pb::Empty;
use ringway_interop::pb::test_service_client::TestServiceClient;
use ringway_interop::pb::test_service_server::TestServiceServer;
use ringway_interop::service::Answers;
use tonic::Status;
use tonic::transport::server::Router;
use tonic::transport::{Channel, Endpoint, Server};

use super::{given, role};

/// Longer than anything takes that works.
const LONG: Duration = Duration::from_secs(50);

/// A path of its own.
pub(crate) fn path() -> String {
    given::path("ringway-s").to_str().unwrap().to_owned()
}

/// A target of each kind at which nobody listens.
pub(crate) fn targets() -> [String; 3] {
    [
        format!("ring:{}", path()),
        format!("unix:{}", path()),
        free_tcp(),
    ]
}

pub(crate) fn free_tcp() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("tcp:{}", listener.local_addr().unwrap())
}

/// Runs `test`, and fails if it takes too long.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime
        .unwrap()
        .block_on(async { tokio::time::timeout(LONG, test).await.expect("in time") })
}

/// The service that answers the cases.
pub(crate) fn service() -> Router {
    Server::builder().add_service(Observed::new(TestServiceServer::new(Answers)))
}

/// The role of a server, until it is killed.
pub(crate) fn serve(targets: &str) {
    run(async {
        let targets: Targets = targets.parse().unwrap();
        let listener = Listener::bind(&targets).unwrap();
        println!("\nready");
        std::io::stdout().flush().unwrap();
        let served = service().serve_with_incoming(incoming(listener));
        // A test that waits this long has failed.
        let _ = tokio::time::timeout(LONG, served).await;
    });
}

/// A server in a process of its own.
pub(crate) struct Process(Child);

impl Process {
    /// One that listens at `targets`.
    pub(crate) fn serve(targets: &str) -> Self {
        Self::play(&format!("serve {targets}"))
    }

    /// One of this role, which says that it is ready.
    pub(crate) fn play(role: &str) -> Self {
        let mut command = role::process(role);
        let child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut process = Self(child);
        let mut lines = BufReader::new(process.0.stdout.take().unwrap()).lines();
        assert!(
            lines.any(|line| line.unwrap() == "ready"),
            "the server ended"
        );
        process
    }
}

/// Killed, with no time for a goodbye.
impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A channel that connects when it is first used.
pub(crate) fn channel(targets: &str) -> Channel {
    let connector = Connector::parse(targets).unwrap();
    Endpoint::from_static("http://orders").connect_with_connector_lazy(connector)
}

/// Calls, and tells by what the call came.
pub(crate) async fn came_by(channel: &Channel) -> Result<String, Status> {
    let mut client = TestServiceClient::new(channel.clone());
    let answer = client.empty_call(Empty {}).await?;
    let by = answer.metadata().get(CAME_BY).unwrap();
    Ok(by.to_str().unwrap().to_owned())
}
