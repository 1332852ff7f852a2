//! What the tests share: servers in processes of their own, and channels to them.

use std::future::Future;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ringway::Config;
use ringway::tokio::any::{self, Listener, Targets};
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
const LONG: Duration = Duration::from_secs(200);

/// Options for whoever connects or listens here: a peer may get its processor late.
pub(crate) fn config() -> Config {
    any::config().handshake_timeout(Duration::from_secs(20))
}

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

/// One of TCP. Its number is not one that the kernel chose: it could choose it again, for another test, before somebody listens there. So it is below those that are usually chosen, and
/// processes begin to look at different ones.
pub(crate) fn free_tcp() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(64);
    let free = (0..20_000).find_map(|_| {
        let number = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let address = format!("127.0.0.1:{}", 10_000 + number % 20_000);
        let found = std::net::TcpListener::bind(&address);
        found.is_ok().then(|| format!("tcp:{address}"))
    });
    free.expect("a port that nobody has")
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
        let listener = Listener::bind_with(&config(), &targets).unwrap();
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
    let connector = Connector::with(config(), targets.parse::<Targets>().unwrap());
    Endpoint::from_static("http://orders").connect_with_connector_lazy(connector)
}

/// Calls, and tells by what the call came.
pub(crate) async fn came_by(channel: &Channel) -> Result<String, Status> {
    let mut client = TestServiceClient::new(channel.clone());
    let answer = client.empty_call(Empty {}).await?;
    let by = answer.metadata().get(CAME_BY).unwrap();
    Ok(by.to_str().unwrap().to_owned())
}
