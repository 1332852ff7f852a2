//! The Python package: built as a wheel, installed into a fresh environment, and tested and checked from there.

use std::fs;
use std::path::{Path, PathBuf};

use super::job::{Job, Stop, seconds};
use super::planted;
use super::several::Task;
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
    let fresh = fresh(job)?;
    let peer = peer(job)?;
    let printed = test(job, &fresh, &peer)?;
    check(job, &fresh)?;
    find(job, &fresh)?;
    let last = printed.lines().rev().find(|line| line.contains("passed"));
    let last = last.ok_or_else(|| Stop::failed("pytest ran nothing"))?;
    Ok(format!(
        "{}; {} planted faults found",
        last.trim_matches(['=', ' ']),
        FAULTS.len()
    ))
}

/// An environment in which the package is as it is now.
pub(super) fn fresh(job: &mut Job) -> Result<PathBuf, Stop> {
    equip(job)?;
    let wheel = build(job, "wheels", None)?;
    install(job, &wheel)
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

/// Builds the wheel in a folder of that name, with a compiler of its own if there is one.
fn build(job: &mut Job, folder: &str, compiler: Option<&Path>) -> Result<PathBuf, Stop> {
    let wheels = place::target().join("verify").join(folder);
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
    if let Some(compiler) = compiler {
        maturin.env("RUSTC_WORKSPACE_WRAPPER", compiler);
    }
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
        seconds(120),
    )?;
    let mut pip = place::command(fresh.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"]);
    job.run(
        pip.args(["--no-index", "--no-deps"]).arg(wheel),
        seconds(120),
    )?;
    let mut packages = |interpreter: PathBuf| {
        let printed = job.run(
            place::command(interpreter).args(["-c", PACKAGES]),
            seconds(60),
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

/// Builds the Rust program that the tests of typed messages talk to.
fn peer(job: &mut Job) -> Result<PathBuf, Stop> {
    let mut cargo = place::cargo();
    cargo.args(["build", "--package", "ringway-python", "--example", "peer"]);
    if job.ci() {
        cargo.arg("--locked");
    }
    job.run(&mut cargo, seconds(300))?;
    Ok(place::target().join("debug/examples/peer"))
}

fn test(job: &mut Job, fresh: &Path, peer: &Path) -> Result<String, Stop> {
    let cache = place::target().join("verify/pytest-cache");
    let mut pytest = interpreter(fresh);
    pytest.args(["-m", "pytest", "-q", "-c", "python/pyproject.toml"]);
    pytest
        .arg("-o")
        .arg(format!("cache_dir={}", cache.display()));
    // The tests look whether they test what was installed.
    pytest.env("RINGWAY_INSTALLED", fresh);
    pytest.env("RINGWAY_PEER", peer);
    job.run(pytest.arg("python/tests"), seconds(400))
}

/// A fault that is planted in the module (`cfg(ringway_planted = "...")`), the test that finds it, and what that says.
struct Fault {
    name: &'static str,
    test: &'static str,
    says: &'static str,
}

const FAULTS: &[Fault] = &[
    Fault {
        name: "held_lock",
        test: "test_pace.py::test_a_thread_that_waits_leaves_the_lock_to_others[park]",
        says: "nobody else could do anything",
    },
    Fault {
        name: "deaf_wait",
        test: "test_connection.py::test_ctrl_c_ends_a_wait[recv]",
        says: "TimeoutExpired",
    },
    Fault {
        name: "unpinned",
        test: "test_memory.py::test_a_reservation_by_hand",
        says: "DID NOT RAISE",
    },
    Fault {
        name: "unheard_goodbye",
        test: "test_pipe.py::test_a_send_to_an_end_that_closed_is_refused_at_once",
        says: "DID NOT RAISE",
    },
    Fault {
        name: "twice_made",
        test: "test_pipe.py::test_plain_objects_are_what_they_were",
        says: "assert first is second",
    },
];

/// One build has all faults, and each is in the way of its own test alone: the test has to fail.
fn find(job: &mut Job, fresh: &Path) -> Result<(), Stop> {
    job.note("# Faults are planted here: the failures that follow are wanted.");
    let compiler = planted::compiler("rustc-python", FAULTS.iter().map(|fault| fault.name))?;
    let wheel = build(job, "planted-wheels", Some(&compiler))?;
    let folder = place::target().join("verify/planted-python");
    let _ = fs::remove_dir_all(&folder);
    let mut pip = place::command(fresh.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"]);
    pip.args(["--no-index", "--no-deps", "--target"])
        .arg(&folder);
    job.run(pip.arg(wheel), seconds(120))?;
    let tasks = FAULTS.iter().map(|fault| {
        let mut pytest = interpreter(fresh);
        pytest.args(["-m", "pytest", "-q", "-c", "python/pyproject.toml"]);
        pytest.args(["-p", "no:cacheprovider"]);
        pytest.arg(format!("python/tests/{}", fault.test));
        // In front of the one that is installed.
        pytest.env("PYTHONPATH", &folder);
        pytest.env("RINGWAY_TEST_PATIENCE", "3");
        Task {
            name: fault.name.to_owned(),
            command: pytest,
            limit: seconds(300),
            alone: false,
        }
    });
    let ran = job.several(tasks.collect(), FAULTS.len());
    for (fault, ran) in FAULTS.iter().zip(ran) {
        if ran.status?.success() || !ran.printed.contains(fault.says) {
            return Err(Stop::failed(format!(
                "the fault `{}` was planted, and `{}` did not find it",
                fault.name, fault.test
            )));
        }
    }
    Ok(())
}

/// The types: the package and its tests by two checkers, and the stubs against the module.
fn check(job: &mut Job, fresh: &Path) -> Result<(), Stop> {
    let cache = place::target().join("verify/mypy-cache");
    let python = fresh.join("bin/python");
    let folder = place::root().join("python");
    let mut mypy = interpreter(fresh);
    mypy.current_dir(&folder);
    mypy.args(["-m", "mypy", "--cache-dir"]).arg(&cache);
    let what = ["ringway", "tests", "examples", "bench/ringway_bench"];
    job.run(mypy.args(what), seconds(300))?;
    let mut stubtest = interpreter(fresh);
    stubtest.args(["-m", "mypy.stubtest", "ringway._ringway"]);
    job.run(
        stubtest.args(["--allowlist", "python/tests/stubtest-allowed.txt"]),
        seconds(300),
    )?;
    let mut pyright = place::command(tools::PYTHON.program("basedpyright"));
    pyright.current_dir(&folder);
    pyright.arg("--pythonpath").arg(python);
    let printed = job.run(pyright.args(["ringway", "tests", "examples"]), seconds(300))?;
    if printed.lines().any(|line| line.starts_with("0 errors")) {
        return Ok(());
    }
    Err(Stop::failed(
        "basedpyright did not say that it found nothing",
    ))
}
