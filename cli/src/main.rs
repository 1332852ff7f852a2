//! The `ringway` command.

mod bench;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Shared-memory connections between processes: benchmarks.
#[derive(Debug, Parser)]
#[command(name = "ringway", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Bench(bench::BenchArgs),
    /// The benchmark's own processes.
    #[command(name = "bench-peer", hide = true)]
    BenchPeer(bench::PeerArgs),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Bench(args) => bench::run(&args),
        Command::BenchPeer(args) => bench::run_peer(&args),
    }
}
