//! The Python package: built as a wheel, installed into a fresh environment, and tested and checked from there.

use std::fs;
use std::path::{Path, PathBuf};

use super::job::{Job, Stop, seconds};
use crate::{place, tools};

/// The oldest interpreter that the wheel is for.
const OLDEST: &str = "import sys; sys.exit(sys.version_info < (3, 11))";
/// Where an interpreter's packages are.
const PACKAGES: &str = "import sysconfig; print(sysconfig.get_path('purelib'))";

pub(super) fn python(job: &mut Job) -> Result<String, Stop> {
    if !place::answers("python3", &["-c", OLDEST]) {
        return Err(Stop::Missing {
            what: "Python 3.11 or newer".into(),
            install: "apt-get install python3 python3-venv".into(),
        });
    }
    equip(job)?;
    let wheel = build(job)?;
    let fresh = install(job, &wheel)?;
    let printed = test(job, &fresh)?;
    check(job, &fresh)?;
    let last = printed.lines().rev().find(|line| line.contains("passed"));
    let last = last.ok_or_else(|| Stop::failed("pytest ran nothing"))?;
    Ok(last.trim_matches(['=', ' ']).to_owned())
}

/// Makes the environment of tools, at their committed versions.
fn equip(job: &mut Job) -> Result<(), Stop> {
    if tools::PYTHON.is_up_to_date() {
        return Ok(());
    }
    for mut command in tools::PYTHON.commands() {
        job.run(&mut command, seconds(240))?;
    }
    tools::PYTHON.finish().map_err(Stop::failed)
}

/// Builds the wheel.
fn build(job: &mut Job) -> Result<PathBuf, Stop> {
    let wheels = place::target().join("verify/wheels");
    // An older one would be found too.
    let _ = fs::remove_dir_all(&wheels);
    let mut maturin = place::command(tools::PYTHON.program("maturin"));
    maturin.args(["build", "--profile", "wheel", "--interpreter", "python3"]);
    maturin.args(["--manifest-path", "python/Cargo.toml", "--out"]);
    maturin.arg(&wheels);
    if job.ci() {
        maturin.arg("--locked");
    }
    maturin.env("CARGO_TERM_COLOR", "never");
    job.run(&mut maturin, seconds(600))?;
    let found = fs::read_dir(&wheels).map_err(|error| Stop::failed(error.to_string()))?;
    let mut found = found.flatten().map(|entry| entry.path());
    match (found.next(), found.next()) {
        (Some(wheel), None) if wheel.to_string_lossy().contains("cp311-abi3") => Ok(wheel),
        found => Err(Stop::failed(format!(
            "one wheel for CPython 3.11 and newer was to be built, and there is {found:?}"
        ))),
    }
}

/// A fresh environment, in which the wheel is installed as anybody's would be, and the tools are at hand.
fn install(job: &mut Job, wheel: &Path) -> Result<PathBuf, Stop> {
    let fresh = place::target().join("verify/python-venv");
    let mut make = place::command("python3");
    job.run(
        make.args(["-m", "venv", "--clear"]).arg(&fresh),
        seconds(60),
    )?;
    let mut pip = place::command(fresh.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"]);
    job.run(
        pip.args(["--no-index", "--no-deps"]).arg(wheel),
        seconds(60),
    )?;
    let mut packages = |interpreter: PathBuf| {
        let printed = job.run(
            place::command(interpreter).args(["-c", PACKAGES]),
            seconds(20),
        );
        printed.map(|printed| PathBuf::from(printed.trim()))
    };
    let theirs = packages(tools::PYTHON.program("python"))?;
    let ours = packages(fresh.join("bin/python"))?;
    fs::write(ours.join("tools.pth"), format!("{}\n", theirs.display()))
        .map_err(|error| Stop::failed(error.to_string()))?;
    Ok(fresh)
}

fn interpreter(fresh: &Path) -> std::process::Command {
    let mut python = place::command(fresh.join("bin/python"));
    // Nothing is imported from where it is started: the package is the wheel's.
    python.env("PYTHONSAFEPATH", "1");
    python.env("PYTHONDONTWRITEBYTECODE", "1");
    python
}

fn test(job: &mut Job, fresh: &Path) -> Result<String, Stop> {
    let cache = place::target().join("verify/pytest-cache");
    let mut pytest = interpreter(fresh);
    pytest.args(["-m", "pytest", "-q", "-c", "python/pyproject.toml"]);
    pytest
        .arg("-o")
        .arg(format!("cache_dir={}", cache.display()));
    // The tests look whether they test what was installed.
    pytest.env("RINGWAY_INSTALLED", fresh);
    job.run(pytest.arg("python/tests"), seconds(300))
}

/// The types: the package and its tests by two checkers, and the stubs against the module.
fn check(job: &mut Job, fresh: &Path) -> Result<(), Stop> {
    let cache = place::target().join("verify/mypy-cache");
    let python = fresh.join("bin/python");
    let folder = place::root().join("python");
    let mut mypy = interpreter(fresh);
    mypy.current_dir(&folder);
    mypy.args(["-m", "mypy", "--cache-dir"]).arg(&cache);
    job.run(mypy.args(["ringway", "tests", "examples"]), seconds(120))?;
    let mut stubtest = interpreter(fresh);
    stubtest.args(["-m", "mypy.stubtest", "ringway._ringway"]);
    job.run(
        stubtest.args(["--allowlist", "python/tests/stubtest-allowed.txt"]),
        seconds(120),
    )?;
    let mut pyright = place::command(tools::PYTHON.program("basedpyright"));
    pyright.current_dir(&folder);
    pyright.arg("--pythonpath").arg(python);
    let printed = job.run(pyright.args(["ringway", "tests", "examples"]), seconds(120))?;
    if printed.contains("0 errors") {
        return Ok(());
    }
    Err(Stop::failed(
        "basedpyright did not say that it found nothing",
    ))
}
