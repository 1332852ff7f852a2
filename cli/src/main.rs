//! The `ringway` command: moves bytes between terminals, measures, and checks the host.
// `eprintln!` panics where nobody reads standard error; `standard::remark` does not.
#![warn(clippy::print_stderr)]

mod answering;
mod bench;
mod bridge;
mod chaos;
mod copy;
mod doctor;
mod echo;
mod exit;
mod fault;
mod hex;
mod interruption;
mod json;
mod list;
mod load;
mod manual;
mod observer;
mod options;
mod ourselves;
mod ping;
mod progress;
mod recv;
mod schema;
mod send;
mod standard;
mod tap;
mod text;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Shared-memory connections between processes of one Linux host.
#[derive(Debug, Parser)]
#[command(name = "ringway", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Send(send::SendArgs),
    Recv(recv::RecvArgs),
    Bench(bench::BenchArgs),
    Doctor(doctor::DoctorArgs),
    List(list::ListArgs),
    Inspect(list::InspectArgs),
    Ping(ping::PingArgs),
    Load(load::LoadArgs),
    Echo(echo::EchoArgs),
    Bridge(bridge::BridgeArgs),
    Chaos(chaos::ChaosArgs),
    Schema(schema::SchemaArgs),
    Tap(tap::TapArgs),
    Completions(manual::CompletionsArgs),
    Man(manual::ManArgs),
    /// One client of a load with faults.
    #[command(name = "load-client", hide = true)]
    LoadClient,
    /// The benchmark's own processes.
    #[command(name = "bench-peer", hide = true)]
    BenchPeer(bench::PeerArgs),
    /// The processes of `bench jitter`.
    #[command(name = "bench-jitter", hide = true)]
    BenchJitter(bench::MemberArgs),
    /// Who is killed by `bench death`, and the servers of `bench next-client`.
    #[command(name = "bench-death", hide = true)]
    BenchDeath(bench::RoleArgs),
    /// The servers of `bench grpc`.
    #[command(name = "bench-grpc", hide = true)]
    BenchGrpc(bench::ServerArgs),
    /// The services of `bench bridge`.
    #[command(name = "bench-bridge", hide = true)]
    BenchBridge(bench::ServiceArgs),
    /// What the benchmark counts instructions of.
    #[command(name = "bench-count", hide = true)]
    BenchCount(bench::CountArgs),
}

/// Prints what clap has to say: help, the version, or what is wrong with the arguments.
fn tell(told: &clap::Error) -> ExitCode {
    let printed = told.print().and_then(|()| io::stdout().flush());
    let printed = match printed {
        // Help that nobody could get is no success; whoever closed the pipe has read enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ if told.use_stderr() => Ok(()),
        _ => standard::output(),
    };
    match printed {
        Err(failure) if !told.use_stderr() => exit::report("--help", Err(failure)),
        _ => u8::try_from(told.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from),
    }
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => return tell(&told),
    };
    match cli.command {
        Command::Send(args) => send::run(&args),
        Command::Recv(args) => recv::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::List(args) => list::list(&args),
        Command::Ping(args) => ping::run(&args),
        Command::Load(args) => load::run(&args),
        Command::Echo(args) => echo::run(&args),
        Command::Bridge(args) => bridge::run(&args),
        Command::Chaos(args) => chaos::run(&args),
        Command::LoadClient => load::run_client(),
        Command::Inspect(args) => list::inspect(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Tap(args) => tap::run(&args),
        Command::Completions(args) => manual::completions(&args, &Cli::command()),
        Command::Man(args) => manual::man(&args, &Cli::command()),
        Command::BenchPeer(args) => bench::run_peer(&args),
        Command::BenchJitter(args) => bench::run_member(&args),
        Command::BenchDeath(args) => bench::run_role(&args),
        Command::BenchGrpc(args) => bench::run_server(&args),
        Command::BenchBridge(args) => bench::run_service(&args),
        Command::BenchCount(args) => bench::run_count(&args),
    }
}
