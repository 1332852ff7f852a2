//! The step `languages`: every case of `actors/cases.txt`, with each language at each side.

mod cases;
mod chaos;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::binaries;
use super::job::{Job, Stop, seconds};
use super::python;
use super::several::{Ran, Task};
use super::whole;
use crate::output::say;
use crate::{install, place};

use cases::{Case, HOSTILE};
use chaos::Sum;

const LANGUAGES: [&str; 5] = ["rust", "c", "cpp", "python", HOSTILE];

/// So many tormented pairs run at once.
const TORMENTED: usize = 6;

/// So often a planted fault may hide: who dies may be dead before it has come to it, where the other one has no processor.
const ROUNDS: usize = 5;

/// Runs both sides of a case, and prints the lines of each behind its name.
const PAIR: &str = r#"
{
    "$1" SERVE "$3" "$4" >"$4.serve" 2>&1 & serve=$!
    "$2" CONNECT "$3" "$4" >"$4.connect" 2>&1 & connect=$!
    wait $serve; serve=$?
    wait $connect; connect=$?
} 2>/dev/null
sed 's/^/serve /' "$4.serve"
sed 's/^/connect /' "$4.connect"
echo "ended serve $serve"
echo "ended connect $connect"
"#;

pub(super) fn languages(job: &mut Job) -> Result<String, Stop> {
    for tool in ["gcc", "g++"] {
        if !place::answers(tool, &["--version"]) {
            return Err(Stop::Missing {
                what: tool.into(),
                install: "apt-get install build-essential".into(),
            });
        }
    }
    let place = Place::new().map_err(|error| Stop::failed(error.to_string()))?;
    build(job, &place)?;
    let list = fs::read_to_string(place::root().join("actors/cases.txt"));
    let list = list.map_err(|error| Stop::failed(error.to_string()))?;
    let cases = cases::read(&list).map_err(Stop::Failed)?;
    let told = table(job, &place, &cases)?;
    planted(job, &place, &cases)?;
    Ok(format!("{told}; the planted faults are found"))
}

/// Where everything of this step lies.
struct Place {
    /// The actors, by the name of their language.
    built: PathBuf,
    prefix: PathBuf,
    /// Sockets: in a folder of a short path.
    run: PathBuf,
}

impl Place {
    fn new() -> std::io::Result<Self> {
        let here = place::target().join("verify/languages-built");
        let place = Self {
            built: here.join("actors"),
            prefix: here.join("prefix"),
            run: std::env::temp_dir().join(format!("ringway-languages-{}", std::process::id())),
        };
        let _ = fs::remove_dir_all(&place.prefix);
        fs::create_dir_all(&place.built)?;
        fs::create_dir_all(&place.run)?;
        fs::set_permissions(&place.run, Permissions::from_mode(0o700))?;
        Ok(place)
    }

    /// One case, between two languages.
    fn task(&self, case: &Case, pair: [&str; 2]) -> Task {
        let name = format!("{}-{}-{}", case.name, pair[0], pair[1]);
        let mut command = place::command("sh");
        let actors = pair.map(|language| self.built.join(language));
        if case.chaos {
            command.args(["-c", chaos::PAIR, "sh"]);
            command.arg(place::target().join("debug/ringway"));
            command.args([&seed(&name), &case.name]);
            command.arg(self.run.join(&name));
            for (actor, dies) in actors.iter().zip(case.dies) {
                command.arg(chaos::faults(dies)).arg(actor);
            }
        } else {
            command.args(["-c", PAIR, "sh"]).args(actors);
            command.arg(&case.name).arg(self.run.join(&name));
        }
        command.env("LD_LIBRARY_PATH", self.prefix.join("lib"));
        command.env("RINGWAY_DIR", &self.run);
        Task {
            name,
            command,
            // As long as the longest wait of an actor, and twice.
            limit: seconds(60),
            alone: false,
        }
    }
}

/// What the torment of a pair starts from: always the same, and of each another one.
fn seed(name: &str) -> String {
    let hash = |hash: u32, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte));
    name.bytes().fold(0, hash).to_string()
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.run);
    }
}

fn build(job: &mut Job, place: &Place) -> Result<(), Stop> {
    let io = |error: std::io::Error| Stop::failed(error.to_string());
    whole::programs(job)?;
    let fresh = python::fresh(job)?;
    install::lay(&place.prefix, "debug").map_err(Stop::Failed)?;
    let debug = place::target().join("debug");
    for (program, name) in [
        ("ringway-actor", "rust"),
        ("ringway-actor-hostile", HOSTILE),
    ] {
        fs::copy(debug.join(program), place.built.join(name)).map_err(io)?;
    }
    let actor = place::root().join("actors/python/actor.py");
    let script = format!(
        "#!/bin/sh\nexec '{}' -B '{}' \"$@\"\n",
        fresh.join("bin/python").display(),
        actor.display()
    );
    let path = place.built.join("python");
    fs::write(&path, script).map_err(io)?;
    fs::set_permissions(&path, Permissions::from_mode(0o755)).map_err(io)?;
    let compile = |name: &str, compiler: &str, words: &[&str]| {
        let mut command = place::command(compiler);
        command.args(["-Wall", "-Wextra", "-Werror", "-g"]);
        command.args(words);
        command.arg("-I").arg(place.prefix.join("include"));
        command.arg("-L").arg(place.prefix.join("lib"));
        command
            .args(["-lringway", "-o"])
            .arg(place.built.join(name));
        Task {
            name: format!("compile-{name}"),
            command,
            limit: seconds(200),
            alone: false,
        }
    };
    let c = [
        "-std=c11",
        "-D_GNU_SOURCE",
        "actors/c/actor.c",
        "actors/c/chaos.c",
        "actors/c/messages.c",
    ];
    let tasks = vec![
        compile("cpp", "g++", &["-std=c++20", "actors/cpp/actor.cpp"]),
        compile("c", "gcc", &c),
    ];
    binaries::run(job, tasks, 2).map(drop)
}

/// What was not as the list has it, with all that was printed.
fn wrong(case: &Case, pair: [&str; 2], ran: Ran, sum: &mut Sum) -> Option<String> {
    let why = match ran.status {
        Ok(_) => {
            let differs = case.differs(pair, &ran.printed);
            let judged = || chaos::judge(&ran.printed, case.dies, sum).err();
            differs.or_else(|| case.chaos.then(judged).flatten())?
        }
        Err(Stop::Failed(why)) => why,
        Err(other) => format!("{other:?}"),
    };
    Some(format!("{}: {why}\n{}", ran.name, ran.printed))
}

/// Runs all of it, and shows what came of each. Returns what is told of it.
fn table(job: &mut Job, place: &Place, cases: &[Case]) -> Result<String, Stop> {
    let pairs = || LANGUAGES.iter().flat_map(|a| LANGUAGES.map(|b| [*a, b]));
    let cells: Vec<_> = pairs()
        .flat_map(|pair| cases.iter().map(move |case| (pair, case)))
        .filter(|(pair, case)| case.is_for(*pair))
        .collect();
    // Those that are tormented stand still most of the time.
    let (stopped, others): (Vec<_>, Vec<_>) = cells.into_iter().partition(|(_, case)| case.chaos);
    let mut ran = Vec::new();
    for (cells, width) in [(&others, 2), (&stopped, TORMENTED)] {
        let tasks = cells.iter().map(|(pair, case)| place.task(case, *pair));
        ran.extend(job.several(tasks.collect(), width));
    }
    let tormented = stopped.len() as u64;
    let cells = [others, stopped].concat();
    let count = cells.len();
    let mut sum = Sum::default();
    let mut faults = Vec::new();
    let mut failed = Vec::new();
    for ((pair, case), ran) in cells.into_iter().zip(ran) {
        if let Some(why) = wrong(case, pair, ran, &mut sum) {
            failed.push((pair, case.name.as_str()));
            faults.push(why);
        }
    }
    let names: Vec<_> = cases.iter().map(|case| case.name.as_str()).collect();
    say!("{:<18} {}", "server, client", names.join(" "));
    for pair in pairs().filter(|pair| *pair != [HOSTILE; 2]) {
        let row: Vec<_> = cases
            .iter()
            .map(|case| {
                let word = if !case.is_for(pair) {
                    "-"
                } else if failed.contains(&(pair, case.name.as_str())) {
                    "NO"
                } else {
                    "yes"
                };
                format!("{word:<0$}", case.name.len())
            })
            .collect();
        let line = format!("{:<18} {}", pair.join(", "), row.join(" "));
        say!("{}", line.trim_end());
    }
    if !faults.is_empty() {
        return Err(Stop::failed(faults.join("\n")));
    }
    let tormented = sum.note(tormented).map_err(Stop::Failed)?;
    Ok(format!("{count} pairs agree ({tormented})"))
}

/// A fault, and what tells of it, any of these.
type Fault = (&'static str, &'static [&'static str]);

/// Of 1, -2 and 300 the first two, behind what lies before them.
const MISREAD: Fault = ("MISREADS", &[",1,-2\n"]);
/// A frame that comes in the place of the lost one, or, where it was the last, a count that is less than was sent.
const LOST: Fault = ("LOSES", &[" was due\n", "` has taken "]);

/// An actor that reads a field from the wrong place is found, at either side, and one that says that it has sent a frame which it has not.
fn planted(job: &mut Job, place: &Place, cases: &[Case]) -> Result<(), Stop> {
    job.note("# Faults are planted here: what follows is to fail.");
    for (name, pair, (fault, says)) in [
        ("typed", ["c", "rust"], MISREAD),
        ("typed", ["python", "c"], MISREAD),
        ("client-killed", ["python", "c"], LOST),
        ("server-killed", ["c", "cpp"], LOST),
    ] {
        let case = cases.iter().find(|case| case.name == name);
        let case = case.ok_or_else(|| Stop::failed(format!("there is no case `{name}`")))?;
        let mut left = ROUNDS;
        while !finds(job, place, case, pair, (fault, says))? {
            left -= 1;
            if left == 0 {
                let pair = pair.join(" and ");
                return Err(Stop::failed(format!(
                    "between {pair}: an actor that {} was not found",
                    fault.to_lowercase()
                )));
            }
        }
    }
    Ok(())
}

/// Whether what a pair with a planted fault prints is wrong, and says so in the words that tell of this fault.
fn finds(
    job: &mut Job,
    place: &Place,
    case: &Case,
    pair: [&str; 2],
    (fault, says): Fault,
) -> Result<bool, Stop> {
    let mut task = place.task(case, pair);
    task.name = format!("{}-{fault}", task.name);
    task.command.env(format!("RINGWAY_ACTOR_{fault}"), "1");
    let mut found = false;
    for ran in job.several(vec![task], 1) {
        if !matches!(&ran.status, Ok(status) if status.success()) {
            return Err(Stop::failed("the pair with a planted fault did not end"));
        }
        let why = wrong(case, pair, ran, &mut Sum::default());
        found = why.is_some_and(|why| says.iter().any(|says| why.contains(says)));
    }
    Ok(found)
}
