//! `cargo xtask python-bench`: the wheel and the command in release profile, an environment with pinned rivals, and the Python benchmark in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::place;
use crate::process::{self, End};
use crate::tools::{self, Environment};

/// A first build may have to fetch and compile every dependency.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);
/// Unpacking a wheel takes seconds.
const INSTALL_LIMIT: Duration = Duration::from_secs(120);
/// All rows take some minutes.
const BENCH_LIMIT: Duration = Duration::from_secs(1800);

/// `words` are those of the benchmark. `Ok(false)`: it failed, or was told to check and found a target missed or too few rounds.
pub(crate) fn run(words: &[String]) -> Result<bool, String> {
    for environment in [tools::PYTHON, tools::PYTHON_BENCH] {
        prepare(environment)?;
    }
    tell("Building the wheel (release) ...");
    let wheel = build_wheel()?;
    tell("Building the command `ringway` (release) ...");
    build_command()?;
    install(&wheel)?;
    let mut bench = place::command(tools::PYTHON_BENCH.program("python"));
    bench.args(["-P", "-m", "ringway_bench"]);
    bench.env("PYTHONPATH", place::root().join("python/bench"));
    bench.env("PYTHONDONTWRITEBYTECODE", "1");
    bench
        .arg("--ringway")
        .arg(place::target().join("release/ringway"));
    finish(bench.args(words), BENCH_LIMIT)
}

/// Progress is for people: standard output is the benchmark's.
fn tell(what: &str) {
    eprintln!("{what}");
}

fn prepare(environment: Environment) -> Result<(), String> {
    if environment.is_up_to_date() {
        return Ok(());
    }
    tell(&format!(
        "Fetching what is needed into {} ...",
        environment.folder().display()
    ));
    for mut command in environment.commands() {
        insist(&mut command, BUILD_LIMIT)?;
    }
    environment.finish()
}

fn build_wheel() -> Result<PathBuf, String> {
    let wheels = place::target().join("python-bench");
    // An older one would be found too.
    let _ = fs::remove_dir_all(&wheels);
    let mut maturin = place::command(tools::PYTHON.program("maturin"));
    maturin.args(["build", "--quiet", "--release", "--interpreter", "python3"]);
    maturin.args(["--manifest-path", "python/Cargo.toml", "--out"]);
    insist(maturin.arg(&wheels), BUILD_LIMIT)?;
    let found = fs::read_dir(&wheels).map_err(|error| error.to_string())?;
    let wheel = found.flatten().map(|entry| entry.path()).next();
    wheel.ok_or_else(|| format!("there is no wheel in {}", wheels.display()))
}

fn build_command() -> Result<(), String> {
    let mut cargo = place::cargo();
    cargo.args(["build", "--quiet", "--release", "--package", "ringway-cli"]);
    insist(&mut cargo, BUILD_LIMIT)
}

fn install(wheel: &Path) -> Result<(), String> {
    let mut pip = place::command(tools::PYTHON_BENCH.program("pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"]);
    pip.args(["--no-index", "--no-deps", "--force-reinstall"]);
    insist(pip.arg(wheel), INSTALL_LIMIT)
}

fn insist(command: &mut Command, limit: Duration) -> Result<(), String> {
    if finish(command, limit)? {
        return Ok(());
    }
    let program = command.get_program().to_string_lossy();
    Err(format!("{program} failed"))
}

fn finish(command: &mut Command, limit: Duration) -> Result<bool, String> {
    match process::run(command, limit, || ()) {
        Ok(End::Exit(status, _)) => Ok(status.success()),
        Ok(End::Overstayed) => Err(format!("no end within {} s", limit.as_secs())),
        Err(error) => Err(error.to_string()),
    }
}
