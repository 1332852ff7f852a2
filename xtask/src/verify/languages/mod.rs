//! The step `languages`: every case of `actors/cases.txt`, with each language at each side.

mod cases;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::job::{Job, Stop, seconds};
use super::python;
use super::several::{Ran, Task};
use super::suite;
use crate::output::say;
use crate::{install, place};

use cases::{Case, HOSTILE};

const SIDES: [&str; 5] = ["rust", "c", "cpp", "python", HOSTILE];

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
    let count = table(job, &place, &cases)?;
    misread(job, &place, &cases)?;
    Ok(format!("{count} pairs agree, the planted fault is found"))
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
        command.args(["-c", PAIR, "sh"]);
        command.args(pair.map(|language| self.built.join(language)));
        command.arg(&case.name).arg(self.run.join(&name));
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

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.run);
    }
}

fn build(job: &mut Job, place: &Place) -> Result<(), Stop> {
    let io = |error: std::io::Error| Stop::failed(error.to_string());
    suite::programs(job)?;
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
        "actors/c/messages.c",
    ];
    let tasks = vec![
        compile("cpp", "g++", &["-std=c++20", "actors/cpp/actor.cpp"]),
        compile("c", "gcc", &c),
    ];
    for ran in job.several(tasks, 2) {
        if !ran.status?.success() {
            return Err(Stop::failed(format!("{}: {}", ran.name, ran.printed)));
        }
    }
    Ok(())
}

/// What was not as the list has it, with all that was printed.
fn wrong(case: &Case, pair: [&str; 2], ran: Ran) -> Option<String> {
    let why = match ran.status {
        Ok(_) => case.differs(pair, &ran.printed)?,
        Err(Stop::Failed(why)) => why,
        Err(other) => format!("{other:?}"),
    };
    Some(format!("{}: {why}\n{}", ran.name, ran.printed))
}

/// Runs all of it, two pairs at a time, and shows what came of each. Returns how many.
fn table(job: &mut Job, place: &Place, cases: &[Case]) -> Result<usize, Stop> {
    let pairs = || SIDES.iter().flat_map(|a| SIDES.map(|b| [*a, b]));
    let cells: Vec<_> = pairs()
        .flat_map(|pair| cases.iter().map(move |case| (pair, case)))
        .filter(|(pair, case)| case.is_for(*pair))
        .collect();
    let tasks = cells.iter().map(|(pair, case)| place.task(case, *pair));
    let ran = job.several(tasks.collect(), 2);
    let count = cells.len();
    let mut faults = Vec::new();
    let mut failed = Vec::new();
    for ((pair, case), ran) in cells.into_iter().zip(ran) {
        if let Some(why) = wrong(case, pair, ran) {
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
    if faults.is_empty() {
        return Ok(count);
    }
    Err(Stop::failed(faults.join("\n")))
}

/// An actor that reads a field from the wrong place is found, at either side.
fn misread(job: &mut Job, place: &Place, cases: &[Case]) -> Result<(), Stop> {
    job.note("# A fault is planted here: what follows is to fail.");
    let case = cases.iter().find(|case| case.name == "typed");
    let case = case.ok_or_else(|| Stop::failed("there is no case `typed`"))?;
    for pair in [["c", "rust"], ["python", "c"]] {
        let mut task = place.task(case, pair);
        task.name += "-misread";
        task.command.env("RINGWAY_ACTOR_MISREADS", "1");
        for ran in job.several(vec![task], 1) {
            if !matches!(&ran.status, Ok(status) if status.success()) {
                return Err(Stop::failed("the pair with a planted fault did not end"));
            }
            if wrong(case, pair, ran).is_none() {
                let pair = pair.join(" and ");
                return Err(Stop::failed(format!(
                    "between {pair}: an actor that misreads was not found"
                )));
            }
        }
    }
    Ok(())
}
