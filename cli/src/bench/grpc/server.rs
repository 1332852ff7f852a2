//! The server's process.

use std::process::{ExitCode, Stdio};
use std::time::Duration;

use clap::Args;
use ringway::tokio::any::{Listener, Targets};
use tokio::runtime::Builder;
use tonic::transport::Server;

use super::super::meter::{processor_time_of, waited};
use super::super::placement::pin;
use super::super::{Failure, exit};
use super::service::Echo;
use crate::exit::Code;
use crate::ourselves::{self, Tied};

/// The hidden subcommand.
const COMMAND: &str = "bench-grpc";

/// What it is told.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// Where to listen, as `ring:PATH` or `unix:PATH`.
    target: String,
    /// The processor to run on.
    cpu: usize,
}

/// Serves until it is killed.
pub(crate) fn run(args: &ServerArgs) -> ExitCode {
    exit::report(
        "bench-grpc",
        serve(args).map_err(|error| exit::Failure::new(Code::Failed, error)),
    )
}

fn serve(args: &ServerArgs) -> Result<(), Failure> {
    pin(args.cpu)?;
    let targets: Targets = args.target.parse().map_err(|error| format!("{error}"))?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let incoming = ringway::tonic::incoming(Listener::bind(&targets)?);
        let server = Server::builder().add_service(Echo);
        server
            .serve_with_incoming(incoming)
            .await
            .map_err(|error| error.to_string().into())
    })
}

/// The process, which does not outlive us.
#[derive(Debug)]
pub(super) struct Serving(Tied);

impl Serving {
    pub(super) fn start(target: &str, cpu: usize) -> Result<Self, Failure> {
        let mut command = ourselves::again(COMMAND);
        command
            .args([target, &cpu.to_string()])
            .stdin(Stdio::null());
        Ok(Self(Tied(command.spawn()?)))
    }

    /// Time that it was ready to run so far, and did not.
    pub(super) fn waited(&self) -> Duration {
        waited(self.0.id())
    }

    /// Processor time that it has used so far.
    pub(super) fn cpu(&self) -> Result<Duration, Failure> {
        processor_time_of(self.0.id())
    }
}
