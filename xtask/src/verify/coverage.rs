//! The step `coverage`: which regions of the code that a peer depends on the tests run, per folder and per file.
//!
//! This program is the compiler's wrapper too ([`compile`]): so only the packages of this workspace are built anew, and what they depend on is what the step `tests` built.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::binaries;
use super::job::{Job, Stop, seconds};
use super::suite::{Tally, WIDTH};
use crate::place;

/// The folders that are looked at.
pub(super) const FOLDERS: [&str; 4] = ["layout", "ring", "wake", "connection"];

/// Tells this program that cargo starts it in the place of the compiler.
const WRAPPER: &str = "RINGWAY_INSTRUMENT";

/// The tests: the unit tests, and of the others those that take seconds and go through all of a connection's life.
const TESTS: [&str; 12] = [
    "address",
    "direct",
    "end",
    "follow",
    "observer",
    "priorities",
    "rest",
    "resume",
    "round_trip",
    "schemas",
    "shared",
    "tap",
];

/// Unit tests that go on for long over code that others reach.
const SKIPPED: [&str; 4] = [
    "every_cut_is_an_error_and_every_byte_may_be_any_other",
    "frames_come_out_as_from_a_queue",
    "ration::tests::it_is_obeyed",
    "the_budget_is_obeyed",
];

/// Where the code lies that nothing runs, and its first line.
const PLANTED: [&str; 2] = ["src/planted.rs", "fn unreached("];

/// How many files the log names, those with the most that is not reached first.
const NAMED: usize = 20;

/// Compiles in the place of rustc, if cargo started us for that; does not return then.
pub(crate) fn compile() {
    if env::var_os(WRAPPER).is_none() {
        return;
    }
    let words: Vec<OsString> = env::args_os().skip(1).collect();
    let Some((rustc, words)) = words.split_first() else {
        return;
    };
    // Our own tests, which run below cargo, are no compiler.
    if Path::new(rustc)
        .file_stem()
        .is_none_or(|name| name != "rustc")
    {
        return;
    }
    let error = Command::new(rustc)
        .args(words)
        .args(instrumented(
            words,
            &env::var("CARGO_PKG_NAME").unwrap_or_default(),
        ))
        .exec();
    panic!("{}: {error}", Path::new(rustc).display());
}

/// What is added to the words of a compilation: nothing for what runs in the compiler or in cargo, nor for another package than the library's.
fn instrumented(words: &[OsString], package: &str) -> &'static [&'static str] {
    let has = |wanted: &str| words.iter().any(|word| word == wanted);
    if package != "ringway"
        || has("proc-macro")
        || has("build_script_build")
        || !has("--crate-name")
        || has("___")
    {
        return &[];
    }
    &[
        "-Cinstrument-coverage",
        "--cfg",
        "ringway_planted=\"unreached\"",
    ]
}

pub(super) fn coverage(job: &mut Job) -> Result<String, Stop> {
    let mut reader = job.cargo("build");
    reader.args(["--manifest-path", "xtask/coverage/Cargo.toml"]);
    reader.env("CARGO_TARGET_DIR", folder().join("reader"));
    job.run(&mut reader, seconds(600))?;
    let profiles = folder().join("profiles");
    empty(&profiles).map_err(|error| Stop::failed(format!("{}: {error}", profiles.display())))?;
    // A copy: a step that builds the whole workspace may have put another one where we were started from.
    let us = folder().join("compiler");
    fs::copy("/proc/self/exe", &us).map_err(|error| Stop::failed(error.to_string()))?;
    let mut tests = job.cargo("test");
    // Of the workspace, as all tests are: then what they depend on is built for both at once.
    tests.args(["--workspace", "--lib"]);
    for test in TESTS {
        tests.args(["--test", test]);
    }
    tests.env("RUSTC_WORKSPACE_WRAPPER", us).env(WRAPPER, "1");
    let mut built = binaries::build(job, tests)?;
    built.retain(|binary| binary.package == "ringway");
    let tasks = built.iter().map(|binary| {
        let mut task = binary.task(seconds(600));
        for test in SKIPPED {
            task.command.args(["--skip", test]);
        }
        // One file for each program, to which all its processes add.
        let profile = profiles.join("%m.profraw");
        task.command.env("LLVM_PROFILE_FILE", profile);
        task
    });
    let (mut tally, mut failed) = (Tally::default(), false);
    for ran in job.several(tasks.collect(), WIDTH) {
        tally.add(&ran.printed);
        // Whether they pass, the step `tests` says.
        failed |= !ran.status?.success();
    }
    tally.note()?;
    let mut read = place::command(folder().join("reader/debug/ringway-coverage"));
    read.arg(place::root());
    read.args(built.iter().map(|binary| &binary.executable));
    read.arg("--");
    read.args(files(&profiles).map_err(|error| Stop::failed(error.to_string()))?);
    let regions = job.run(&mut read, seconds(120))?;
    let source = |file: &str| fs::read_to_string(place::root().join(file)).unwrap_or_default();
    let regions: Vec<_> = regions.lines().filter_map(Region::read).collect();
    planted(&regions, &source(PLANTED[0]))?;
    let files = per_file(&regions, source);
    let mut least: Vec<_> = files
        .iter()
        .filter(|(_, (reached, of))| reached < of)
        .collect();
    least.sort_by_key(|(_, (reached, of))| reached * 1000 / of);
    for (file, share) in least.iter().take(NAMED) {
        job.note(&format!(
            "{:>5.1} % {file}, {} of {}",
            percent(**share),
            share.0,
            share.1
        ));
    }
    let mut notes = Vec::new();
    for name in FOLDERS {
        let inside = format!("src/{name}/");
        let all = files.iter().filter(|(file, _)| file.starts_with(&inside));
        let share = all.fold((0, 0), |sum, (_, share)| (sum.0 + share.0, sum.1 + share.1));
        if share.1 == 0 {
            return Err(Stop::failed(format!("nothing is known of {inside}")));
        }
        notes.push(format!(
            "{name} {:.1} % of {} regions",
            percent(share),
            share.1
        ));
    }
    if failed {
        notes.push("some tests failed in this build".to_owned());
    }
    Ok(notes.join(", "))
}

fn folder() -> PathBuf {
    place::target().join("coverage")
}

fn empty(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::create_dir_all(folder)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect()
}

/// A stretch of code that runs as a whole, and how often it did.
#[derive(Debug, PartialEq, Eq)]
struct Region<'a> {
    file: &'a str,
    line: usize,
    times: u64,
}

impl<'a> Region<'a> {
    /// `src/ring/tap.rs 12:5-13:6 7`.
    fn read(text: &'a str) -> Option<Self> {
        let mut words = text.split(' ');
        let (file, place, times) = (words.next()?, words.next()?, words.next()?);
        Some(Self {
            file,
            line: place.split_once(':')?.0.parse().ok()?,
            times: times.parse().ok()?,
        })
    }
}

/// What nothing runs has to be there and not be reached, and what is around it is reached.
fn planted(regions: &[Region], source: &str) -> Result<(), Stop> {
    let [file, first] = PLANTED;
    let start = source.lines().position(|line| line.contains(first));
    let start = start.ok_or_else(|| Stop::failed(format!("{file} has no `{first}`")))? + 1;
    let length = source.lines().skip(start).position(|line| line == "}");
    let lines = start..start + length.unwrap_or(0) + 1;
    let here = || regions.iter().filter(|region| region.file == file);
    let mut inside = here()
        .filter(|region| lines.contains(&region.line))
        .peekable();
    if inside.peek().is_none() || inside.any(|region| region.times > 0) {
        let why = "code that nothing runs was planted, and it is not among what is not reached";
        return Err(Stop::failed(why));
    }
    if here().all(|region| region.times == 0) {
        return Err(Stop::failed(format!("nothing of {file} was reached")));
    }
    Ok(())
}

/// Whether a file is there for tests alone.
pub(super) fn is_for_tests(file: &str) -> bool {
    let alone = [
        "src/layout/golden.rs",
        "src/ring/pair.rs",
        "src/ring/world.rs",
        // What the fuzzer tries.
        "src/connection/judged.rs",
        "src/connection/rest/asking.rs",
        "src/connection/rest/one_core.rs",
        "src/connection/rest/pair.rs",
        "src/connection/rest/unfenced.rs",
    ];
    alone.contains(&file)
        || file.contains("/tests/")
        || file.ends_with("/tests.rs")
        || file.starts_with("src/ring/world/")
        || file.contains("simulation")
}

/// The regions that were reached and all regions, of each file of the four folders; without its tests, which end a file.
fn per_file<'a>(
    regions: &[Region<'a>],
    source: impl Fn(&str) -> String,
) -> BTreeMap<&'a str, (usize, usize)> {
    let mut files: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
    for region in regions {
        let folder = region.file.split('/').nth(1).unwrap_or_default();
        if !FOLDERS.contains(&folder) || is_for_tests(region.file) {
            continue;
        }
        let end = *ends.entry(region.file).or_insert_with(|| {
            let text = source(region.file);
            let tests = text.lines().position(|line| line == "mod tests {");
            tests.unwrap_or(usize::MAX)
        });
        if region.line <= end {
            let share = files.entry(region.file).or_default();
            share.0 += usize::from(region.times > 0);
            share.1 += 1;
        }
    }
    files
}

fn percent((reached, of): (usize, usize)) -> f64 {
    100.0 * f64::from(u32::try_from(reached).unwrap_or(u32::MAX))
        / f64::from(u32::try_from(of.max(1)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "src/planted.rs 1:1-2:2 4\nsrc/planted.rs 4:1-5:2 0\nsrc/ring/tap.rs 1:1-1:9 3\nsrc/ring/tap.rs 2:1-2:9 0\nsrc/ring/tap.rs 9:1-9:9 0\nsrc/ring/tests.rs 1:1-1:2 1\nsrc/sys/aio.rs 1:1-1:2 1\n";
    const SOURCE: &str = "fn reached() {\n}\n\nfn unreached() {\n}\n";

    fn regions(printed: &str) -> Vec<Region<'_>> {
        printed.lines().filter_map(Region::read).collect()
    }

    #[test]
    fn regions_are_added_up_without_tests() {
        let source = |_: &str| "code\ncode\nmod tests {\n".to_owned();
        let files = per_file(&regions(PRINTED), source);
        assert_eq!(
            files.into_iter().collect::<Vec<_>>(),
            [("src/ring/tap.rs", (1, 2))]
        );
    }

    #[test]
    fn what_nothing_runs_has_to_be_told_from_what_is_run() {
        assert!(planted(&regions(PRINTED), SOURCE).is_ok());
        for wrong in [
            PRINTED.replace("4:1-5:2 0", "4:1-5:2 1"),
            PRINTED.replace("src/planted.rs 4:1-5:2 0\n", ""),
            PRINTED.replace("1:1-2:2 4", "1:1-2:2 0"),
        ] {
            assert!(planted(&regions(&wrong), SOURCE).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_planted_is_in_the_sources() {
        let text = fs::read_to_string(place::root().join(PLANTED[0])).unwrap();
        assert!(text.contains(PLANTED[1]) && text.contains("ringway_planted = \"unreached\""));
    }

    #[test]
    fn what_runs_in_cargo_is_not_instrumented() {
        let instrumented = |text: &str, package| {
            let words: Vec<_> = text.split(' ').map(OsString::from).collect();
            !instrumented(&words, package).is_empty()
        };
        let library = "--crate-name ringway src/lib.rs";
        assert!(instrumented(library, "ringway"));
        assert!(!instrumented(library, "ringway-ffi"));
        for words in [
            "--crate-name derive --crate-type proc-macro",
            "- --crate-name ___ --print=file-names",
            "-vV",
        ] {
            assert!(!instrumented(words, "ringway"), "{words}");
        }
    }
}
