//! The steps, in the order in which they run: what is cheap first, then what shares its build with the step before it. `loom` and `shuttle` begin with the first one,
//! beside the others and with a smaller share of the processors; behind them `tsan`, `asan` and `fuzz`.
//!
//! clippy builds everything that the steps behind it run (`whole`); chaos, planted and coverage build the workspace anew, and share what that depends on;
//! docs needs metadata only; loom, shuttle, asan, tsan and fuzz change how everything is compiled, so each has a target directory of its own.

use super::job::{Job, Stop, seconds};
use super::{
    Step, c, coverage, fuzz, languages, mutants, planted, python, sanitizers, schedules, soak,
    suite, supply, whole,
};
use crate::place;

pub(super) const ALL: &[Step] = &[
    Step {
        name: "fmt",
        about: "the sources are formatted",
        run: fmt,
        beside: false,
    },
    Step {
        name: "deny",
        about: "dependencies: bans, licences, sources",
        run: supply::deny,
        beside: false,
    },
    Step {
        name: "clippy",
        about: "lints, all targets, in the build that most steps share; the library without its features",
        run: clippy,
        beside: false,
    },
    Step {
        name: "docs",
        about: "the documentation builds without a warning",
        run: docs,
        beside: false,
    },
    Step {
        name: "tests",
        about: "unit, property, integration, crash and tidy tests; each bench once",
        run: suite::tests,
        beside: false,
    },
    Step {
        name: "coverage",
        about: "which regions of layout, ring, wake and connection the tests reach",
        run: coverage::coverage,
        beside: false,
    },
    Step {
        name: "mutants",
        about: "a change in a new line of layout, ring, wake or connection makes a test fail; with --long in any line",
        run: mutants::mutants,
        beside: false,
    },
    Step {
        name: "chaos",
        about: "killed at each labelled step, in a build that has them",
        run: suite::chaos,
        beside: false,
    },
    Step {
        name: "planted",
        about: "faults that are planted in the library are found by its tests",
        run: planted::planted,
        beside: false,
    },
    Step {
        name: "doctests",
        about: "the examples in the documentation",
        run: suite::doctests,
        beside: false,
    },
    Step {
        name: "examples",
        about: "every example runs to its end",
        run: suite::examples,
        beside: false,
    },
    Step {
        name: "c",
        about: "C and C++: symbols, install tree, tests under AddressSanitizer and Valgrind, examples, the code of the READMEs",
        run: c::c,
        beside: false,
    },
    Step {
        name: "python",
        about: "the Python package: a wheel, installed afresh, its tests, its types",
        run: python::python,
        beside: false,
    },
    Step {
        name: "languages",
        about: "Rust, C, C++ and Python at either side of each case of actors/cases.txt",
        run: languages::languages,
        beside: false,
    },
    Step {
        name: "package",
        about: "the published crate has its files and builds by itself",
        run: supply::package,
        beside: false,
    },
    Step {
        name: "msrv",
        about: "the oldest declared compiler",
        run: supply::msrv,
        beside: false,
    },
    Step {
        name: "loom",
        about: "models of the shipped ring and wake: every interleaving, and a death at every step",
        run: suite::loom,
        beside: true,
    },
    Step {
        name: "shuttle",
        about: "larger programs on the same sources in random schedules, with a death at a random step",
        run: schedules::shuttle,
        beside: true,
    },
    Step {
        name: "tsan",
        about: "the lane between two threads, and what threads share, under ThreadSanitizer, and races that are planted there",
        run: sanitizers::tsan,
        beside: true,
    },
    Step {
        name: "asan",
        about: "hostile peers under AddressSanitizer, and overflows that are planted",
        run: sanitizers::asan,
        beside: true,
    },
    Step {
        name: "fuzz",
        about: "every reader of a peer's bytes under a coverage-guided fuzzer",
        run: fuzz::fuzz,
        beside: true,
    },
    SOAK,
];

/// The steps that go on for their share of `--long`'s minutes, and its percents. The parts of the soak have theirs.
pub(super) const SHARES: [(&str, u32); 4] = [
    ("mutants", mutants::PERCENT),
    ("shuttle", schedules::PERCENT),
    ("tsan", sanitizers::PERCENT),
    ("fuzz", fuzz::PERCENT),
];

/// Runs only with `--long`.
pub(super) const SOAK: Step = Step {
    name: "soak",
    about: "with --long: frames, kills, wakes, failing calls, hostile peers, properties, again and again",
    run: soak::soak,
    beside: false,
};

fn fmt(job: &mut Job) -> Result<String, Stop> {
    if !place::answers(place::cargo().get_program(), &["fmt", "--version"]) {
        return Err(lacks("rustfmt"));
    }
    let mut cargo = place::cargo();
    cargo.args(["fmt", "--all", "--check"]);
    job.run(&mut cargo, seconds(60))?;
    for outside in ["fuzz/Cargo.toml", "xtask/coverage/Cargo.toml"] {
        let mut cargo = place::cargo();
        cargo.args(["fmt", "--check", "--manifest-path", outside]);
        job.run(&mut cargo, seconds(60))?;
    }
    Ok(String::new())
}

fn clippy(job: &mut Job) -> Result<String, Stop> {
    if !whole::is_linted() {
        return Err(lacks("clippy"));
    }
    let mut all = whole::all(job);
    // From nothing, beside others: five minutes are usual.
    let printed = job.run(all.arg("--no-run"), seconds(3_600))?;
    // Who wants the core alone switches every feature off.
    let mut bare = job.cargo("clippy");
    bare.args(["--package", "ringway", "--lib", "--no-default-features"]);
    if job.ci() {
        bare.args(["--", "-D", "warnings"]);
    }
    let also = job.run(&mut bare, seconds(600))?;
    Ok(warnings(&(printed + &also)))
}

fn docs(job: &mut Job) -> Result<String, Stop> {
    // The command and the library are both called `ringway`, and so are their pages: the library's come last and stay.
    // Before that with private items, whose links rot as well.
    let commands: [&[&str]; 3] = [
        &[
            "--package",
            "ringway-cli",
            "--package",
            "xtask",
            "--package",
            "ringway-derive",
            "--package",
            "ringway-ffi",
            "--package",
            "ringway-ffi-peer",
            "--package",
            "ringway-interop",
        ],
        &[
            "--package",
            "ringway",
            "--document-private-items",
            "--features",
            "hostile,tonic",
        ],
        &["--package", "ringway", "--features", "tonic"],
    ];
    for words in commands {
        let mut cargo = job.cargo("doc");
        cargo
            .arg("--no-deps")
            .args(words)
            .env("RUSTDOCFLAGS", "-D warnings");
        job.run(&mut cargo, seconds(300))?;
    }
    Ok(String::new())
}

/// A component of the toolchain that not every installation has.
fn lacks(component: &str) -> Stop {
    Stop::Missing {
        what: component.to_owned(),
        install: format!("rustup component add {component}"),
    }
}

fn warnings(printed: &str) -> String {
    let count = printed
        .lines()
        .filter(|line| line.starts_with("warning:") && !line.contains(" generated "))
        .count();
    if count == 0 {
        String::new()
    } else {
        format!("{count} warnings, which CI refuses")
    }
}

#[cfg(test)]
mod tests {
    use super::warnings;

    #[test]
    fn warnings_are_counted_once() {
        let printed = "warning: unused\n  --> src\nwarning: `ringway` (lib) generated 1 warning\n";
        assert_eq!(warnings(printed), "1 warnings, which CI refuses");
        assert_eq!(warnings("    Checking ringway\n"), "");
    }
}
