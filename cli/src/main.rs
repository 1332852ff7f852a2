//! The `ringway` command: moves bytes between terminals, measures, and checks the host.

mod bench;
mod copy;
mod doctor;
mod exit;
mod list;
mod manual;
mod options;
mod progress;
mod recv;
mod schema;
mod send;
mod standard;

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
    Schema(schema::SchemaArgs),
    Completions(manual::CompletionsArgs),
    Man(manual::ManArgs),
    /// The benchmark's own processes.
    #[command(name = "bench-peer", hide = true)]
    BenchPeer(bench::PeerArgs),
    /// What the benchmark counts instructions of.
    #[command(name = "bench-count", hide = true)]
    BenchCount(bench::CountArgs),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Send(args) => send::run(&args),
        Command::Recv(args) => recv::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::List(args) => list::list(&args),
        Command::Inspect(args) => list::inspect(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => manual::completions(&args, &Cli::command()),
        Command::Man(args) => manual::man(&args, &Cli::command()),
        Command::BenchPeer(args) => bench::run_peer(&args),
        Command::BenchCount(args) => bench::run_count(&args),
    }
}
