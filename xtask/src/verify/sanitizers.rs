//! The steps under a sanitizer. They need the nightly compiler; no package of any registry brings one, so its absence is a skip in CI too.

use std::fs;
use std::process::Command;
use std::time::Duration;

use super::binaries;
use super::evidence;
use super::job::{Job, Stop, seconds};
use super::suite::{Tally, targets};
use crate::place;

pub(super) const HOST: &str = "x86_64-unknown-linux-gnu";

/// The percent of `--long`'s minutes for races.
pub(super) const PERCENT: u32 = 5;

/// What its laps are called in the document.
const RACES: &str = "races looked for";

/// How a process ends that has found a race, and what it says.
const FOUND: i32 = 66;
const RACE: &str = "WARNING: ThreadSanitizer: data race";

/// What threads of one process share, which they use at once: targets, and in them the tests of these names, or all.
const SHARED: &[(&str, &[&str])] = &[
    ("threads", &[]),
    ("shared", &[]),
    ("interrupt", &[]),
    ("counters", &[]),
    (
        "ringway",
        &[
            "connection::book",
            "connection::quota",
            "connection::rest::bell",
            "connection::shown",
            "sys::aio",
            "sys::aside",
            "sys::bell",
            "sys::fork",
            "sys::gate",
            "sys::poll",
            "sys::process",
            "sys::tower",
            "typed::tests",
            // A child of a process with several threads may start none under this sanitizer.
            "--skip=a_child",
        ],
    ),
];

/// The lane between two threads.
const LANE: (&str, &[&str]) = ("ringway", &["racing"]);

/// Races that can be planted, and who has to find them: in the memory below the lane (`src/segment/plain.rs`), and in what threads share.
const PLANTED: &[(&str, (&str, &[&str]))] = &[
    ("commit", LANE),
    ("release", LANE),
    ("made", ("ringway", &["what_one_thread_made"])),
    ("gate", ("threads", &["come_and_go"])),
];

/// What the sanitizer is to keep quiet about, by a function that one of both threads is in. The standard library is built without it, and its steps are not seen; those of our own locks and
/// of shared memory are (`src/sync/visible.rs`).
const QUIET: &[&str] = &[
    // The test harness hands its results on, and drops what the threads of tests shared.
    "CompletedTest",
    "test::run_test",
    // A channel's own lists.
    "std::sync::mpmc",
    // A thread's handle, whose last owner has nothing to wait for.
    "alloc::sync::Arc<std::thread",
    // The memory of an `Arc` is given back behind a fence. Nothing of ours runs there: what it held was dropped before.
    "alloc::sync::Weak*Drop>::drop",
    // What is written once is seen behind the library's own word.
    "OnceLock*initialize",
    // A descriptor by its number: the kernel knows it before its number is told.
    "ringway::sys::poll::always_ready",
];

/// For what hangs alone. Threads look in vain where others have the processors: a run of seconds took minutes there.
const LIMIT: Duration = Duration::from_secs(3_600);
/// A planted race is looked for so often: where a thread stood still between its two accesses, the first of them may be forgotten.
const TURNS: u32 = 3;

/// Buffers that are not as long as they claim, for frames of so many bytes: what is small and what is large is copied by different code.
const BESIDE: [&str; 2] = ["33", "2000"];
const OVERFLOW: &str = "AddressSanitizer: heap-buffer-overflow";

/// The nightly compiler, on a machine that the sanitizers are set up for.
pub(super) fn needs_nightly() -> Result<(), Stop> {
    if !place::answers("rustup", &["run", "nightly", "rustc", "--version"]) {
        let why = "no nightly compiler, in CI as little as here: the project cannot install one (rustup toolchain install nightly)";
        return Err(Stop::Skipped(why.into()));
    }
    if std::env::consts::ARCH != "x86_64" {
        return Err(Stop::Skipped("set up for x86_64 only".into()));
    }
    Ok(())
}

/// `cargo test` of the library's package, built with a sanitizer.
fn cargo(sanitizer: &str, flags: &str) -> Result<Command, Stop> {
    needs_nightly()?;
    let mut cargo = place::command("rustup");
    cargo
        .args(["run", "nightly", "cargo", "test", "--target", HOST])
        .args(["--package", "ringway"])
        .env("RUSTFLAGS", flags)
        .env("CARGO_TARGET_DIR", place::target().join(sanitizer))
        .env("CARGO_TERM_COLOR", "never");
    Ok(cargo)
}

/// `cargo test` of the hostile peers under `AddressSanitizer`.
pub(super) fn hostile() -> Result<Command, Stop> {
    let mut cargo = cargo("asan", "-Zsanitizer=address --cfg ringway_asan")?;
    // Without what other tests are made of, which would be built with the sanitizer too.
    cargo.args(["--no-default-features", "--features", "hostile,derive"]);
    Ok(cargo)
}

pub(super) fn asan(job: &mut Job) -> Result<String, Stop> {
    let mut cargo = hostile()?;
    let names = targets("tests", "hostile");
    if names.is_empty() {
        return Err(Stop::failed("there are no hostile tests: tests/hostile*"));
    }
    for name in &names {
        cargo.args(["--test", name]);
    }
    // What passes says what it could not try.
    cargo.args(["--", "--show-output"]);
    // Built from nothing, beside two others.
    let printed = job.run(&mut job.manner(cargo), LIMIT)?;
    let note = Tally::read(&printed).note()?;
    for length in BESIDE {
        let mut cargo = hostile()?;
        cargo
            .args(["--test", "hostile", "no_frame_is_written_beside"])
            .env("RINGWAY_PLANTED", length);
        let (printed, status) = job.try_run(&mut job.manner(cargo), LIMIT)?;
        if status.success() || !printed.contains(OVERFLOW) {
            let text =
                format!("a buffer that is too short for {length} bytes is not reported: {status}");
            return Err(Stop::failed(text));
        }
    }
    Ok(format!("{note}, {} planted overflows found", BESIDE.len()))
}

/// The lane between two threads, and what threads share in any other way; and then with each race that can be planted there: these have to be found.
pub(super) fn tsan(job: &mut Job) -> Result<String, Stop> {
    let flags = "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer --cfg ringway_tsan";
    let mut cargo = cargo("tsan", flags)?;
    cargo.arg("--lib");
    for (target, _) in SHARED.iter().filter(|(target, _)| *target != LANE.0) {
        cargo.args(["--test", target]);
    }
    let cargo = job.manner(cargo);
    let binaries = binaries::build(job, cargo)?;
    let quiet = place::target().join("tsan.quiet");
    let lines: Vec<_> = QUIET.iter().map(|what| format!("race:{what}\n")).collect();
    fs::write(&quiet, lines.concat()).map_err(|error| Stop::failed(error.to_string()))?;
    // With the longest history: a race is not reported when it is no longer known where the first of its two accesses was, such as behind many looks in vain of
    // a thread that was not scheduled for long.
    let options = format!(
        "suppressions={} exitcode={FOUND} halt_on_error=1 history_size=7",
        quiet.display()
    );
    let command = |job: &Job, (target, tests): (&str, &[&str])| {
        let mut built = binaries.iter();
        let found = built.find(|binary| binary.is("ringway", target));
        let found = found.ok_or_else(|| Stop::failed(format!("{target} was not built")))?;
        let mut command = found.command();
        command.args(tests).arg("--show-output");
        command.env("TSAN_OPTIONS", &options);
        Ok(job.manner(command))
    };
    let mut tally = Tally::default();
    for tests in SHARED.iter().chain([&LANE]) {
        let printed = job.run(&mut command(job, *tests)?, LIMIT)?;
        Tally::read(&printed).note()?;
        tally.add(&printed);
    }
    for (planted, tests) in PLANTED {
        let mut turn = 0;
        let status = loop {
            let mut command = command(job, *tests)?;
            command.env("RINGWAY_PLANTED", planted);
            let (printed, status) = job.try_run(&mut command, LIMIT)?;
            turn += 1;
            if !status.success() && printed.contains(RACE) {
                break None;
            }
            if turn == TURNS {
                break Some(status);
            }
        };
        if let Some(status) = status {
            let text = format!("a race was planted ({planted}) and is not reported: {status}");
            return Err(Stop::failed(text));
        }
    }
    let text = format!("{}, {} planted races found", tally.note()?, PLANTED.len());
    let Some(share) = job.share(PERCENT) else {
        return Ok(text);
    };
    let (laps, _) = evidence::go_on(RACES, share, 1, 1, |seed| {
        for tests in SHARED.iter().chain([&LANE]) {
            let mut command = command(job, *tests)?;
            command
                .env("RINGWAY_SEED", seed.to_string())
                .env("RINGWAY_FRAMES", "2000000");
            let printed = job.run(&mut command, seconds(1_200))?;
            Tally::read(&printed).note()?;
        }
        Ok(())
    })?;
    Ok(format!("{text}; {laps} laps"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{LANE, PLANTED, SHARED};
    use crate::place;

    /// Whoever waits for a lock of the standard library takes it in code that the sanitizer does not see, and what the lock orders looks like a race: on a busy host only.
    #[test]
    fn what_threads_share_is_locked_where_the_sanitizer_sees_it() {
        let modules = SHARED.iter().find(|(target, _)| *target == LANE.0);
        let modules = modules.unwrap().1.iter();
        let modules = modules.filter(|module| !module.starts_with("--"));
        let mut read = 0;
        for module in modules {
            let path = place::root().join("src").join(module.replace("::", "/"));
            let mut sources = sources_in(&path);
            sources.extend(fs::read_to_string(path.with_extension("rs")));
            assert!(!sources.is_empty(), "{module}");
            read += sources.len();
            for source in sources {
                assert!(!takes_a_hidden_lock(&source), "{module}");
            }
        }
        assert!(read > 12, "{read}");
        let hidden = "use std::sync::{Arc, Mutex};";
        assert!(
            takes_a_hidden_lock(hidden) && takes_a_hidden_lock("let a = std::sync::Mutex::new(1);")
        );
        let seen = "use std::sync::{MutexGuard, PoisonError};\nuse crate::sync::{Arc, Mutex};";
        assert!(!takes_a_hidden_lock(seen));
    }

    fn sources_in(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| path.is_file())
            .map(|path| fs::read_to_string(path).unwrap())
            .collect()
    }

    fn takes_a_hidden_lock(source: &str) -> bool {
        let hidden = ["Mutex", "RwLock", "Condvar"];
        let lines = source.lines().filter(|line| line.contains("std::sync::"));
        let mut words = lines.flat_map(|line| line.split(|letter: char| !letter.is_alphanumeric()));
        words.any(|word| hidden.contains(&word))
    }

    #[test]
    fn each_planted_race_is_in_the_sources_of_who_is_to_find_it() {
        let read = |path: &str| fs::read_to_string(place::root().join(path)).unwrap();
        let plain = read("src/model/racing.rs");
        let others = ["src/sys/gate.rs", "src/sys/process.rs"].map(read).concat();
        for (planted, tests) in PLANTED {
            let sources = if *tests == LANE { &plain } else { &others };
            assert!(sources.contains(&format!("\"{planted}\"")), "{planted}");
            assert!(SHARED.iter().any(|(target, _)| *target == tests.0));
        }
    }
}
