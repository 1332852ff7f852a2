//! The Python package: built as a wheel, installed into a fresh environment, and tested and checked from there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::binaries;
use super::job::{Job, Stop, seconds};
use super::planted;
use super::several::Task;
use super::whole;
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
    let (passed, skipped) = test(job, &fresh, &peer)?;
    find(job, &fresh)?;
    Ok(format!(
        "{passed} tests, {skipped} skipped, types are clean, {} planted faults found",
        FAULTS.len()
    ))
}

/// An environment in which the package is as it is now, made once.
pub(super) fn fresh(job: &mut Job) -> Result<PathBuf, Stop> {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    if let Some(made) = MADE.get() {
        return Ok(made.clone());
    }
    equip(job)?;
    let wheel = build(job)?;
    let made = install(job, &wheel)?;
    Ok(MADE.get_or_init(|| made).clone())
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

/// Builds the wheel, alone in its folder.
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

fn interpreter(fresh: &Path) -> Command {
    let mut python = place::command(fresh.join("bin/python"));
    // Nothing is imported from where it is started: the package is the wheel's.
    python.env("PYTHONSAFEPATH", "1");
    python.env("PYTHONDONTWRITEBYTECODE", "1");
    python
}

/// Builds the Rust program that the tests of typed messages talk to.
fn peer(job: &mut Job) -> Result<PathBuf, Stop> {
    whole::programs(job)?;
    Ok(place::target().join("debug/examples/peer"))
}

/// The tests go in two halves of about the same length, side by side: pytest takes those whose names are so.
const HALVES: [&str; 2] = ["not (typed or bench)", "typed or bench"];
/// Which of [`types`] is basedpyright.
const PYRIGHT: usize = 1;

/// What the tools bring: where a test does not find it, the environment is not what it is to be.
const BROUGHT: [&str; 3] = ["numpy", "mypy", "basedpyright"];

/// The tests, and beside them the types, which have nothing to wait for. Returns how many have passed, and how many were skipped.
fn test(job: &mut Job, fresh: &Path, peer: &Path) -> Result<(usize, usize), Stop> {
    let halves = HALVES.map(|which| {
        let mut pytest = pytest(fresh);
        // What is skipped says why.
        pytest.args(["-rs", "-k", which, "python/tests"]);
        // The tests look whether they test what was installed.
        pytest.env("RINGWAY_INSTALLED", fresh);
        pytest.env("RINGWAY_PEER", peer);
        ("pytest", pytest)
    });
    let commands = halves.into_iter().chain(types(fresh)).enumerate();
    let tasks = commands.map(|(number, (name, command))| Task {
        name: format!("{name}-{number}"),
        command,
        limit: seconds(600),
        alone: false,
    });
    let printed = binaries::each(job, tasks.collect(), 2)?;
    let (tests, types) = printed.split_at(HALVES.len());
    if !types[PYRIGHT].lines().any(is_nothing) {
        return Err(Stop::failed(
            "basedpyright did not say that it found nothing",
        ));
    }
    let (mut passed, mut skipped) = (0, 0);
    for printed in tests {
        passed += count(printed, "passed")?;
        skipped += skips(printed).map_err(Stop::failed)?;
    }
    Ok((passed, skipped))
}

/// How many were skipped, of lines such as `SKIPPED [2] tests/test_x.py:12: could not import 'numpy': No module named 'numpy'`.
fn skips(printed: &str) -> Result<usize, String> {
    let mut sum = 0;
    for line in printed.lines() {
        let Some((number, why)) = line
            .strip_prefix("SKIPPED [")
            .and_then(|rest| rest.split_once(']'))
        else {
            continue;
        };
        let is_brought = |name: &&str| why.contains(&format!("could not import '{name}"));
        if BROUGHT.iter().any(is_brought) {
            return Err(format!("the tools were to bring it:{why}"));
        }
        sum += number.parse::<usize>().unwrap_or(1);
    }
    Ok(sum)
}

/// The number before a word of pytest's last line, such as `350 passed, 9 skipped in 57.11s`.
fn count(printed: &str, word: &str) -> Result<usize, Stop> {
    let mut lines = printed.lines().rev();
    let last = lines.find(|line| line.contains(word)).unwrap_or_default();
    let (before, _) = last.split_once(word).unwrap_or_default();
    let number = before.trim_end().rsplit(|c: char| !c.is_ascii_digit());
    let number = number.into_iter().next().and_then(|text| text.parse().ok());
    number.ok_or_else(|| Stop::failed("pytest ran nothing"))
}

fn pytest(fresh: &Path) -> Command {
    let mut pytest = interpreter(fresh);
    pytest.args(["-m", "pytest", "-q", "-c", "python/pyproject.toml"]);
    pytest.args(["-p", "no:cacheprovider"]);
    pytest
}

/// What it says when it has found nothing; its exit status does not.
fn is_nothing(line: &str) -> bool {
    line.starts_with("0 errors")
}

/// The types: the package and its tests by two checkers, and the stubs against the module.
fn types(fresh: &Path) -> [(&'static str, Command); 3] {
    let cache = place::target().join("verify/mypy-cache");
    let folder = place::root().join("python");
    let mut mypy = interpreter(fresh);
    mypy.current_dir(&folder);
    mypy.args(["-m", "mypy", "--cache-dir"]).arg(&cache);
    mypy.args(["ringway", "tests", "examples"]);
    mypy.arg("bench/ringway_bench");
    let mut stubtest = interpreter(fresh);
    stubtest.args(["-m", "mypy.stubtest", "ringway._ringway"]);
    stubtest.args(["--allowlist", "python/tests/stubtest-allowed.txt"]);
    let mut pyright = place::command(tools::PYTHON.program("basedpyright"));
    pyright.current_dir(&folder);
    pyright
        .arg("--pythonpath")
        .arg(fresh.join("bin/python"))
        .args(["ringway", "tests", "examples"]);
    [
        ("mypy", mypy),
        ("basedpyright", pyright),
        ("stubtest", stubtest),
    ]
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
        test: "test_pipe_objects.py::test_plain_objects_are_what_they_were",
        says: "assert first is second",
    },
    Fault {
        name: "finished_early",
        test: "test_resume.py::test_what_a_server_has_not_come_back_from_is_in_doubt[one is received]",
        says: "assert (0, 3) == (1, 3)",
    },
];

/// One build has all faults, and each is in the way of its own test alone: the test has to fail.
fn find(job: &mut Job, fresh: &Path) -> Result<(), Stop> {
    job.note("# Faults are planted here: the failures that follow are wanted.");
    let folder = faulty(job)?;
    let task = |fault: &Fault, patience: u64| {
        let mut pytest = pytest(fresh);
        pytest.arg(format!("python/tests/{}", fault.test));
        // In front of the one that is installed.
        pytest.env("PYTHONPATH", &folder);
        pytest.env("RINGWAY_TEST_PATIENCE", patience.to_string());
        Task {
            name: fault.name.to_owned(),
            command: pytest,
            limit: seconds(300),
            alone: false,
        }
    };
    // What is planted besides is a panic, and these tests pass: of what becomes of a half that meets one.
    let mut panics = interpreter(fresh);
    panics.args(["-m", "pytest", "-q", "-c", "python/pyproject.toml"]);
    panics.args(["-p", "no:cacheprovider", "python/tests/test_panics.py"]);
    panics.env("PYTHONPATH", &folder);
    let panics = job.run(&mut panics, seconds(100))?;
    if panics.contains("skipped") || !panics.contains(" passed") {
        return Err(Stop::failed("the tests of panics did not run"));
    }
    let mut left: Vec<&Fault> = FAULTS.iter().collect();
    // Some are found by the end of the patience, and one hides where a process is stalled for as long.
    for patience in [3, 15, 60] {
        let tasks = left.iter().map(|fault| task(fault, patience)).collect();
        let ran = job.several(tasks, left.len());
        let mut hidden = Vec::new();
        for (fault, ran) in left.into_iter().zip(ran) {
            if ran.status?.success() || !ran.printed.contains(fault.says) {
                hidden.push(fault);
            }
        }
        left = hidden;
        for fault in &left {
            job.note(&format!(
                "# `{}` was not found with {patience} s.",
                fault.name
            ));
        }
    }
    match left.first() {
        Some(fault) => Err(Stop::failed(format!(
            "the fault `{}` was planted, and `{}` did not find it",
            fault.name, fault.test
        ))),
        None => Ok(()),
    }
}

/// The package with all faults, in a folder to import it from. Its module is not optimised, which takes a fifth of the time to build, and no fault is easier to find for it.
fn faulty(job: &mut Job) -> Result<PathBuf, Stop> {
    let names = FAULTS.iter().map(|fault| fault.name).chain(["panics"]);
    let mut cargo = job.cargo("build");
    cargo.args(["--package", "ringway-python", "--lib"]);
    let compiler = planted::compiler("rustc-python", names)?;
    cargo.env("RUSTC_WORKSPACE_WRAPPER", compiler);
    job.run(&mut cargo, seconds(600))?;
    let folder = place::target().join("verify/planted-python");
    let package = folder.join("ringway");
    let _ = fs::remove_dir_all(&folder);
    let made = fs::create_dir_all(&folder);
    made.map_err(|error| Stop::failed(error.to_string()))?;
    let mut copy = place::command("cp");
    copy.args(["--recursive", "python/ringway"]).arg(&package);
    job.run(&mut copy, seconds(60))?;
    let module = place::target().join("debug/lib_ringway.so");
    let copied = fs::copy(module, package.join("_ringway.abi3.so"));
    copied.map_err(|error| Stop::failed(error.to_string()))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::{count, skips};

    #[test]
    fn tests_that_passed_are_counted() {
        let printed = "x passed\n=== 350 passed, 9 skipped in 57.11s ===\n";
        assert_eq!(count(printed, "passed").unwrap(), 350);
        for nothing in ["9 skipped in 1.00s\n", ""] {
            assert!(count(nothing, "passed").is_err());
        }
    }

    #[test]
    fn what_is_skipped_is_counted_unless_the_tools_were_to_bring_it() {
        let by_hand = "SKIPPED [2] python/tests/test_panics.py:14: the build has no planted panic\n\
            SKIPPED [1] python/tests/test_ends.py:236: could not import '_testcapi': No module\n";
        assert_eq!(skips(by_hand), Ok(3));
        let lacks = "SKIPPED [1] tests/test_memory.py:245: could not import 'numpy': No module named 'numpy'\n";
        assert!(skips(lacks).is_err());
    }
}
