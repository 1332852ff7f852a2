//! The step `fuzz`: each target of `src/fuzz` under libFuzzer with `-Zsanitizer=address`, first with the check left out that it has to find, then for some seconds as it is; with `--long`
//! for its share of the minutes, and then what it has learned goes into `fuzz/corpus`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs, io};

use super::evidence;
use super::job::{Job, Stop, seconds};
use super::sanitizers::{HOST, needs_nightly};
use super::several::{Ran, Task};
use crate::output::say;
use crate::place;

/// The percent of `--long`'s minutes that all targets together take.
pub(super) const PERCENT: u32 = 20;

/// Sets how many seconds each target is given without `--long`.
const SECONDS: &str = "RINGWAY_FUZZ_SECONDS";
const USUAL: u64 = 30;

/// A target's turn is no longer than so many seconds.
const LAP: u64 = 600;

/// So many are tried side by side: each takes one processor.
const WIDTH: usize = 2;

/// How long it may take until what was left out is found. It takes seconds; of `server`, which tries 300 inputs a second where it is alone and 80 on a busy host, some 5,000 inputs, and
/// now and then four times that.
const PLANTED: u64 = 600;

/// What `--only` calls the targets, the most bytes of an input, and how many checks can be left out for each.
const TARGETS: [(&str, u32, usize); 8] = [
    ("fuzz:handshake", 1024, 1),
    ("fuzz:tables", 1024, 1),
    ("fuzz:words", 512, 1),
    ("fuzz:program", 160, 1),
    ("fuzz:tap", 256, 1),
    ("fuzz:server", 128, 1),
    ("fuzz:client", 160, 2),
    ("fuzz:poller", 160, 1),
];

/// The most bytes of a target's corpus.
const MOST: u64 = (400 << 10) / TARGETS.len() as u64;
/// Inputs that once found something are named so, and stay.
const FOUND: &str = "found-";

/// What `cargo fuzz` tells the compiler.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0 \
    -Zsanitizer=address -Ccodegen-units=1";

pub(super) fn fuzz(job: &mut Job) -> Result<String, Stop> {
    needs_nightly()?;
    if !place::answers("c++", &["--version"]) {
        return Err(Stop::Missing {
            what: "a C++ compiler, which builds libFuzzer,".to_owned(),
            install: "apt-get install g++".to_owned(),
        });
    }
    let targets = TARGETS.iter().filter(|(part, ..)| job.is_chosen(part));
    let targets: Vec<_> = targets.collect();
    let time = time(job.share(PERCENT), targets.len())?;
    let mut build = place::command("rustup");
    build.args(["run", "nightly", "cargo", "build", "--release", "--locked"]);
    build.args(["--bins", "--manifest-path", "fuzz/Cargo.toml"]);
    build.args(["--target", HOST]);
    build
        .env("RUSTFLAGS", FLAGS)
        .env("CARGO_TARGET_DIR", folder())
        .env("CARGO_TERM_COLOR", "never");
    job.run(&mut job.manner(build), seconds(1_200))?;
    let fuzzers = targets
        .iter()
        .map(|(part, longest, _)| Fuzzer::new(target(part), *longest));
    let fuzzers = fuzzers.collect::<io::Result<Vec<_>>>();
    let fuzzers = fuzzers.map_err(|error| unwritable(&error))?;
    let planted = fuzzers.iter().zip(&targets);
    let planted =
        planted.flat_map(|(it, (.., checks))| (1..=*checks).map(move |check| (it, check)));
    let planted: Vec<_> = planted.collect();
    let tasks = planted.iter().map(|(it, check)| it.left_out(job, *check));
    let tasks = tasks.collect::<Result<Vec<_>, _>>()?;
    for ((fuzzer, check), ran) in planted.iter().zip(job.several(tasks, WIDTH)) {
        fuzzer.finds_what_is_left_out(*check, ran)?;
    }
    let laps = laps(time);
    let mut notes: Vec<String> = Vec::new();
    for _ in 0..laps {
        let tasks = fuzzers.iter().map(|fuzzer| fuzzer.task(job, time / laps));
        let ran = job.several(tasks.collect(), WIDTH);
        let judged = fuzzers.iter().zip(ran).map(|(it, ran)| it.judged(job, ran));
        // What one has found does not hide what the others have tried.
        let judged: Vec<_> = judged.collect();
        notes = judged.into_iter().collect::<Result<_, _>>()?;
    }
    if job.long().is_some() {
        for fuzzer in &fuzzers {
            fuzzer.keep(job)?;
        }
    }
    Ok(notes.join("; "))
}

/// In how many laps: what each has tried is added to the document at its end, so that a run that is cut has not run in vain.
fn laps(time: Duration) -> u32 {
    time.as_secs().div_ceil(LAP).max(1) as u32
}

/// What `--only` calls the targets.
pub(super) fn parts() -> impl Iterator<Item = &'static str> {
    TARGETS.iter().map(|(part, ..)| *part)
}

/// A target's own name.
fn target(part: &'static str) -> &'static str {
    part.strip_prefix("fuzz:").unwrap_or(part)
}

/// How long each of so many targets is tried.
fn time(share: Option<Duration>, targets: usize) -> Result<Duration, Stop> {
    let given = env::var(SECONDS).ok();
    if let Some(share) = share {
        return Ok(share / targets.div_ceil(WIDTH) as u32);
    }
    let count = given.map_or(Ok(USUAL), |given| given.parse());
    let count = count.ok().filter(|count| (1..=3600).contains(count));
    count
        .map(seconds)
        .ok_or_else(|| Stop::failed(format!("{SECONDS} takes seconds, 1 to 3600")))
}

fn folder() -> PathBuf {
    place::target().join("fuzz")
}

fn unwritable(error: &io::Error) -> Stop {
    Stop::failed(format!("the inputs of the fuzzer: {error}"))
}

/// One target: its program and its folders.
struct Fuzzer {
    name: &'static str,
    longest: u32,
    program: PathBuf,
    /// Inputs that earlier runs on this machine have learned.
    learned: PathBuf,
    /// What is in the repository: written by hand, and found worth keeping.
    seeds: PathBuf,
    corpus: PathBuf,
}

impl Fuzzer {
    fn new(name: &'static str, longest: u32) -> io::Result<Self> {
        let fuzzer = Self {
            name,
            longest,
            program: folder().join(HOST).join("release").join(name),
            learned: folder().join("learned").join(name),
            seeds: place::root().join("fuzz/seeds").join(name),
            corpus: place::root().join("fuzz/corpus").join(name),
        };
        fs::create_dir_all(&fuzzer.learned)?;
        fs::create_dir_all(&fuzzer.corpus)?;
        Ok(fuzzer)
    }

    /// Its program. `found`: the beginning of the name of the file for an input that finds something.
    fn command(&self, found: &Path, folders: &[&Path]) -> Command {
        let mut command = place::command(&self.program);
        command.arg(format!("-artifact_prefix={}", found.display()));
        command.args([
            format!("-max_len={}", self.longest),
            // Long ones from the beginning: a program takes some bytes until anything can go wrong.
            "-len_control=0".to_owned(),
            // A host may stand still for seconds, at each of several moments of an input.
            "-timeout=60".to_owned(),
            "-detect_leaks=0".to_owned(),
            "-print_final_stats=1".to_owned(),
        ]);
        command.args(folders);
        command
    }

    /// Without the check of that number, which it has to miss: from the seeds alone, none of which finds it.
    fn left_out(&self, job: &Job, check: usize) -> Result<Task, Stop> {
        let name = format!("{}-{check}", self.name);
        let fresh = folder().join("planted").join(&name);
        empty(&fresh).map_err(|error| unwritable(&error))?;
        let found = folder().join(format!("planted/found-{name}-"));
        let mut command = self.command(&found, &[&fresh, &self.seeds]);
        command.arg(format!("-max_total_time={PLANTED}"));
        command.env("RINGWAY_PLANTED", check.to_string());
        Ok(Task {
            name: format!("{}-planted-{check}", self.name),
            command: job.manner(command),
            limit: seconds(PLANTED + 60),
            alone: false,
        })
    }

    fn finds_what_is_left_out(&self, check: usize, ran: Ran) -> Result<(), Stop> {
        if ran.status?.success() || !ran.printed.contains("Test unit written to") {
            let name = self.name;
            return Err(Stop::failed(format!(
                "`{name}` did not find within {PLANTED} s that check {check} is left out"
            )));
        }
        Ok(())
    }

    /// As it is, for so long.
    fn task(&self, job: &Job, time: Duration) -> Task {
        let found = folder().join(format!("{FOUND}{}-", self.name));
        let mut command = self.command(&found, &[&self.learned, &self.seeds, &self.corpus]);
        command.arg(format!("-max_total_time={}", time.as_secs().max(1)));
        Task {
            name: self.name.to_owned(),
            command: job.manner(command),
            limit: time + seconds(180),
            alone: false,
        }
    }

    /// What there is to say of it.
    fn judged(&self, job: &Job, ran: Ran) -> Result<String, Stop> {
        let status = ran.status?;
        let stats = Stats::read(&ran.printed);
        if job.long().is_some() {
            let what = (!status.success()).then_some("an input that fails");
            let check = format!("inputs tried: {}", self.name);
            // One processor's time, and not that of the clock: it may have run beside others.
            evidence::add(&check, stats.inputs, ran.spent, what)?;
        }
        if !status.success() {
            let (name, program) = (self.name, self.program.display());
            return Err(Stop::failed(format!(
                "`{name}` found something: `{program} FILE` shows it again, with the file that the log names; \
                 mend it and put the file into fuzz/corpus/{name}, as {FOUND}WHAT"
            )));
        }
        // It says how many, or nobody knows that it tried any.
        if stats.inputs == 0 {
            return Err(Stop::failed(format!("`{}` tried nothing", self.name)));
        }
        let Stats {
            inputs,
            rate,
            edges,
            newest,
        } = stats;
        let name = self.name;
        Ok(format!(
            "{name} {inputs} inputs, {rate}/s, {edges} edges, none new behind input {newest}"
        ))
    }

    /// Puts the smallest set of inputs that reaches all that was reached into the repository.
    fn keep(&self, job: &mut Job) -> Result<(), Stop> {
        let kept = folder().join("kept").join(self.name);
        empty(&kept).map_err(|error| unwritable(&error))?;
        let folders = [kept.as_path(), &self.corpus, &self.learned];
        let mut merge = self.command(&folder().join(FOUND), &folders);
        merge.arg("-set_cover_merge=1");
        job.run(&mut merge, seconds(600))?;
        let size = replace(&self.corpus, &kept).map_err(|error| unwritable(&error))?;
        say!("    {}: {size} bytes of inputs are kept", self.name);
        Ok(())
    }
}

/// An empty folder, whatever was there.
fn empty(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::create_dir_all(folder)
}

/// Puts the inputs in `kept` in the place of those in `corpus`, the short ones first, up to the limit; those that once found something stay. Returns the
/// bytes of all.
fn replace(corpus: &Path, kept: &Path) -> io::Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(corpus)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(FOUND) {
            size += entry.metadata()?.len();
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    let mut inputs = Vec::new();
    for entry in fs::read_dir(kept)? {
        let entry = entry?;
        inputs.push((entry.metadata()?.len(), entry.file_name()));
    }
    inputs.sort();
    for (length, name) in inputs {
        if size + length < MOST {
            fs::copy(kept.join(&name), corpus.join(&name))?;
            size += length;
        }
    }
    Ok(size)
}

/// What libFuzzer says at its end.
#[derive(Debug, Default, PartialEq, Eq)]
struct Stats {
    inputs: u64,
    rate: u64,
    edges: u64,
    /// How many inputs had been tried when the last new edge was found; 0: those that it began with have all of them.
    newest: u64,
}

impl Stats {
    fn read(printed: &str) -> Self {
        let number = |start: &str| {
            let line = printed.lines().rev().find_map(|line| {
                let (_, rest) = line.split_once(start)?;
                rest.split_whitespace().next()?.parse().ok()
            });
            line.unwrap_or(0)
        };
        Self {
            inputs: number("stat::number_of_executed_units:"),
            rate: number("stat::average_exec_per_sec:"),
            edges: number(" cov: "),
            newest: newest(printed),
        }
    }
}

/// The input with which the last new edge came, from lines like `#12\tNEW    cov: 523 ft: 1800 ...`; reading those that it began with ends with `INITED`.
fn newest(printed: &str) -> u64 {
    let numbers = |line: &str| -> Option<(u64, u64)> {
        let (number, rest) = line.strip_prefix('#')?.split_once('\t')?;
        let edges = rest.split_once("cov: ")?.1.split(' ').next()?;
        Some((number.parse().ok()?, edges.parse().ok()?))
    };
    let begun = printed.lines().skip_while(|line| !line.contains("INITED"));
    let mut tried = begun.filter_map(numbers);
    let Some((_, mut most)) = tried.next() else {
        return 0;
    };
    let mut newest = 0;
    for (number, edges) in tried {
        if edges > most {
            (newest, most) = (number, edges);
        }
    }
    newest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_fuzzer_says_is_read() {
        let printed = "#2\tINITED cov: 10 ft: 11 corp: 1/1b\n#7\tNEW    cov: 523 ft: 13 corp: 2/2b\n#9\tDONE   cov: 523 ft: 1800 corp: 200/9Kb\nstat::number_of_executed_units: 12345\nstat::average_exec_per_sec:     1234\n";
        let stats = Stats {
            inputs: 12_345,
            rate: 1234,
            edges: 523,
            newest: 7,
        };
        assert_eq!(Stats::read(printed), stats);
        assert_eq!(Stats::read(""), Stats::default());
    }

    #[test]
    fn the_minutes_of_a_long_run_are_shared() {
        for (targets, turns) in [(1, 1), (2, 1), (3, 2), (8, 4)] {
            let given = time(Some(seconds(3600)), targets).unwrap();
            assert_eq!(given, seconds(3600) / turns);
        }
        assert_eq!(
            [30, 600, 601, 7200].map(|it| laps(seconds(it))),
            [1, 1, 2, 12]
        );
    }

    #[test]
    fn what_once_found_something_stays_in_the_corpus() {
        let folder = env::temp_dir().join(format!("ringway-corpus-{}", std::process::id()));
        let (corpus, kept) = (folder.join("corpus"), folder.join("kept"));
        for (path, bytes) in [("corpus/found-a", 3), ("corpus/old", 3), ("kept/new", 5)] {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, vec![0; bytes]).unwrap();
        }
        fs::write(kept.join("long"), vec![0; MOST as usize]).unwrap();
        assert_eq!(replace(&corpus, &kept).unwrap(), 8);
        let names = fs::read_dir(&corpus).unwrap();
        let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["found-a", "new"]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn every_target_has_a_program() {
        for name in parts().map(target) {
            let program = place::root().join(format!("fuzz/targets/{name}.rs"));
            assert!(program.is_file(), "{program:?}");
        }
    }
}
