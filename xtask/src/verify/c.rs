//! The step `c`: what users of C and C++ get, used as they use it.
//!
//! The libraries are built as the other tests are, laid under a prefix, and everything else is compiled against that: tests with `-fsanitize=address`, the same under Valgrind, the examples by `cmake`,
//! the code of the READMEs by pkg-config. A peer in Rust is at the other end where languages have to agree.

mod examples;
mod nulls;
mod pages;
mod server;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::binaries;
use super::job::{Job, Stop, seconds};
use super::late;
use super::several::Task;
use super::whole;
use crate::{install, place, tools};
use server::Server;

/// What every compilation is told. Warnings are errors here: a header that warns is a nuisance in each program that includes it.
const WARNINGS: &[&str] = &["-Wall", "-Wextra", "-Werror", "-g"];
const SANITIZED: &[&str] = &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
/// Templates are many, and to compile them with more than this takes three times as long.
const ADDRESSES: &[&str] = &["-fsanitize=address"];
const C: &[&str] = &["-std=c11", "-D_GNU_SOURCE"];
const CPP: &[&str] = &["-std=c++20", "-Wpedantic", "-Wconversion"];
/// As programs are that do without.
const WITHOUT: &[&str] = &["-fno-exceptions", "-fno-rtti"];

pub(super) fn c(job: &mut Job) -> Result<String, Stop> {
    for tool in ["gcc", "g++", "nm", "readelf", "pkg-config"] {
        if !place::answers(tool, &["--version"]) {
            return Err(Stop::Missing {
                what: tool.into(),
                install: "apt-get install build-essential pkg-config".into(),
            });
        }
    }
    let cmake = cmake()?;
    whole::programs(job)?;
    let mut header = whole::linted(job, "test");
    header.args(["--workspace", "--test", "header"]);
    job.run(&mut header, seconds(300))?;

    let tree = Tree::new().map_err(|error| Stop::failed(error.to_string()))?;
    install::lay(&tree.prefix, "debug").map_err(Stop::Failed)?;
    exports(job, &tree)?;
    compile(job, &tree)?;
    let tests = run_tests(job, &tree)?;
    planted(job, &tree)?;
    let valgrind = valgrind(job, &tree)?;
    agree(job, &tree)?;
    let of_examples = examples::run(job, &tree, &cmake)?;
    let (pages, of_pages) = pages::run(job, &tree)?;
    let late = late::told(of_examples + of_pages);
    Ok(format!("{tests} programs, {pages} pages{late}, {valgrind}"))
}

/// Fetched where the machine has none, as what the step `python` needs is.
fn cmake() -> Result<PathBuf, Stop> {
    tools::fetched(tools::cmake).map_err(|install| Stop::Missing {
        what: "cmake".into(),
        install,
    })
}

/// Where everything of this step lies.
struct Tree {
    prefix: PathBuf,
    /// Programs that were compiled.
    built: PathBuf,
    /// Sockets: in a folder of a short path.
    run: PathBuf,
}

impl Tree {
    fn new() -> std::io::Result<Self> {
        let here = place::target().join("verify/c");
        let tree = Self {
            prefix: here.join("prefix"),
            built: here.join("built"),
            run: std::env::temp_dir().join(format!("ringway-verify-c-{}", std::process::id())),
        };
        let _ = fs::remove_dir_all(&tree.prefix);
        fs::create_dir_all(&tree.built)?;
        fs::create_dir_all(&tree.run)?;
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(&tree.run, private)?;
        Ok(tree)
    }

    /// A program that was built, which finds the library and leaves its sockets here.
    fn program(&self, name: &str) -> Command {
        self.with(place::command(self.built.join(name)))
    }

    fn peer(&self) -> Command {
        self.with(place::command(
            place::target().join("debug/ringway-ffi-peer"),
        ))
    }

    fn with(&self, mut command: Command) -> Command {
        command
            .env("LD_LIBRARY_PATH", self.prefix.join("lib"))
            .env("TMPDIR", &self.run)
            .env("RINGWAY_DIR", &self.run);
        command
    }

    /// What compiles one program of a source of ours.
    fn compiler(&self, name: &str, flags: &[&str], sources: &[&str]) -> Command {
        let cpp = sources.iter().any(|source| {
            Path::new(source)
                .extension()
                .is_some_and(|kind| kind == "cpp")
        });
        let mut compiler = place::command(if cpp { "g++" } else { "gcc" });
        compiler.args(if cpp { CPP } else { C });
        compiler.args(WARNINGS).args(flags).args(sources);
        compiler.arg("-I").arg(self.prefix.join("include"));
        compiler.arg("-I").arg(&self.built).arg("-Iffi/tests/c");
        compiler.arg("-L").arg(self.prefix.join("lib"));
        compiler.args(["-lringway", "-lpthread", "-o"]);
        compiler.arg(self.built.join(name));
        compiler
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.run);
    }
}

/// The library exports what the committed list has, and nothing else, under its name for the loader.
fn exports(job: &mut Job, tree: &Tree) -> Result<(), Stop> {
    let library = tree.prefix.join("lib/libringway.so.0");
    let found = exported(job, &library)?;
    stripped(job, &library, &found)?;
    let list = nulls::list()?;
    let wanted: Vec<&str> = list.iter().map(|declared| declared.name.as_str()).collect();
    if found != wanted {
        let lost = wanted
            .iter()
            .filter(|name| !found.iter().any(|known| known == *name));
        let more = found.iter().filter(|name| !wanted.contains(&name.as_str()));
        return Err(Stop::failed(format!(
            "the library does not export what ffi/symbols.txt has; missing: {:?}, more: {:?}",
            lost.collect::<Vec<_>>(),
            more.collect::<Vec<_>>()
        )));
    }
    let mut readelf = place::command("readelf");
    readelf.arg("--dynamic").arg(&library);
    let printed = job.run(&mut readelf, seconds(60))?;
    if !printed.contains("Library soname: [libringway.so.0]") {
        return Err(Stop::failed("the library has not the name libringway.so.0"));
    }
    if !printed.contains("NODELETE") {
        return Err(Stop::failed("`dlclose` would take the library away"));
    }
    Ok(())
}

/// The names that a library exports, sorted.
fn exported(job: &mut Job, library: &Path) -> Result<Vec<String>, Stop> {
    let mut nm = place::command("nm");
    nm.args(["--dynamic", "--defined-only", "--format=posix"]);
    let printed = job.run(nm.arg(library), seconds(60))?;
    let names = printed.lines().filter_map(|line| line.split(' ').next());
    let mut names: Vec<_> = names.map(str::to_owned).collect();
    names.sort_unstable();
    Ok(names)
}

/// What is installed exports the same as what these tests use, with what is for debuggers, and has nothing of that.
fn stripped(job: &mut Job, library: &Path, names: &[String]) -> Result<(), Stop> {
    let copy = library.with_extension("stripped");
    fs::copy(library, &copy).map_err(|error| Stop::failed(error.to_string()))?;
    install::strip(&copy, "--strip-unneeded");
    let left = exported(job, &copy)?;
    let sections = job.run(
        place::command("readelf")
            .arg("--section-headers")
            .arg(&copy),
        seconds(60),
    )?;
    let _ = fs::remove_file(&copy);
    if left != names || sections.contains(".debug_info") {
        return Err(Stop::failed("the library is not what it was when stripped"));
    }
    Ok(())
}

/// All programs, two at a time.
fn compile(job: &mut Job, tree: &Tree) -> Result<(), Stop> {
    let written = fs::write(tree.built.join("nulls.c"), nulls::program()?);
    written.map_err(|error| Stop::failed(error.to_string()))?;
    let nulls = tree.built.join("nulls.c");
    let nulls = nulls.to_string_lossy();
    let pair = "ffi/tests/c/pair.c";
    let programs: [(&str, &[&str], &[&str]); 13] = [
        ("typed", ADDRESSES, &["bindings/cpp/tests/typed.cpp"]),
        ("halves", ADDRESSES, &["bindings/cpp/tests/halves.cpp"]),
        ("without", WITHOUT, &["bindings/cpp/tests/without.cpp"]),
        ("shapes", &[], &["bindings/cpp/tests/shapes.cpp"]),
        ("exchange", SANITIZED, &["ffi/tests/c/exchange.c", pair]),
        ("setup", SANITIZED, &["ffi/tests/c/setup.c", pair]),
        ("schema", SANITIZED, &["ffi/tests/c/schema.c", pair]),
        ("waits", SANITIZED, &["ffi/tests/c/waits.c", pair]),
        ("resume", SANITIZED, &["ffi/tests/c/resume.c", pair]),
        ("handover", SANITIZED, &["ffi/tests/c/handover.c", pair]),
        ("nulls", SANITIZED, &[&nulls, pair]),
        ("planted", SANITIZED, &["ffi/tests/c/planted.c", pair]),
        ("plain", &["-O1"], &["ffi/tests/c/exchange.c", pair]),
    ];
    let tasks = programs.map(|(name, flags, sources)| Task {
        name: format!("compile-{name}"),
        command: tree.compiler(name, flags, sources),
        limit: seconds(300),
        alone: false,
    });
    binaries::run(job, tasks.into(), 2).map(drop)
}

/// Those that need nobody at the other end.
fn run_tests(job: &mut Job, tree: &Tree) -> Result<usize, Stop> {
    let names = [
        "exchange", "setup", "waits", "resume", "handover", "nulls", "halves", "typed", "without",
    ];
    for name in names {
        let printed = job.run(&mut tree.program(name), seconds(120))?;
        if !printed.contains(": ok") {
            return Err(Stop::failed(format!(
                "`{name}` does not say that it is well"
            )));
        }
    }
    Ok(names.len())
}

/// Checks that cannot fail are worthless: what is planted here has to be found.
fn planted(job: &mut Job, tree: &Tree) -> Result<(), Stop> {
    job.note("# Nine faults are planted here: the errors that follow are wanted.");
    let (printed, status) = job.try_run(&mut tree.program("planted"), seconds(60))?;
    if status.success() || !printed.contains("heap-use-after-free") {
        return Err(Stop::failed(
            "a handle that was freed is used, and nothing says so",
        ));
    }
    let source = "bindings/cpp/tests/faults.cpp";
    let mut faults = tree.compiler("faults", &["-fsyntax-only"], &[source]);
    let (printed, status) = job.try_run(&mut faults, seconds(60))?;
    for told in [
        "leaves bytes free between the fields",
        "T = hole",
        "describe this type with RINGWAY_DESCRIBE(type, fields...)",
        "a lane carries each type once",
    ] {
        if status.success() || !printed.contains(told) {
            return Err(Stop::failed(format!(
                "{source} compiles, or is not told `{told}`"
            )));
        }
    }
    let short = ["-fsyntax-only", "-fshort-enums"];
    let mut short = tree.compiler("short", &short, &["ffi/tests/c/planted.c"]);
    let (printed, status) = job.try_run(&mut short, seconds(60))?;
    if status.success() || !printed.contains("compile without -fshort-enums") {
        return Err(Stop::failed("enumerations of another size compile"));
    }
    let unlooked = ["-c", "-DUNLOOKED"];
    let mut unlooked = tree.compiler("unlooked", &unlooked, &["ffi/tests/c/planted.c"]);
    let (printed, status) = job.try_run(&mut unlooked, seconds(60))?;
    if status.success() || !printed.contains("ignoring return value") {
        return Err(Stop::failed("an answer that nobody looks at is not told"));
    }
    let (printed, status) = job.try_run(tree.program("resume").arg("hasty"), seconds(60))?;
    if status.success() || !printed.contains("resumed.unseen + resumed.in_doubt == open") {
        return Err(Stop::failed(
            "a request that was released before its answer is lost, and nothing says so",
        ));
    }
    let (printed, status) = job.try_run(tree.program("schema").arg("00"), seconds(60))?;
    if status.success() || !printed.contains("where Rust has 00") {
        return Err(Stop::failed("a wrong fingerprint is not noticed"));
    }
    Ok(())
}

/// The same exchange under Valgrind, where that knows the calls of the system.
fn valgrind(job: &mut Job, tree: &Tree) -> Result<&'static str, Stop> {
    if !place::answers("valgrind", &["--version"]) {
        return Ok("no Valgrind here");
    }
    let mut valgrind = tree.with(place::command("valgrind"));
    valgrind
        .args(["--quiet", "--error-exitcode=9", "--fair-sched=yes"])
        // What threads of the standard library have may be there at the end, and is not lost.
        .args(["--leak-check=full", "--show-leak-kinds=definite"])
        .arg("--errors-for-leak-kinds=definite")
        .arg(tree.built.join("plain"));
    let printed = job.run(&mut valgrind, seconds(300))?;
    if printed.contains("WARNING: unhandled") {
        return Ok("Valgrind does not know all calls of this system");
    }
    Ok("Valgrind finds nothing")
}

/// What all languages say alike: the fingerprint of a shape, the bytes of a message, and why somebody is refused.
fn agree(job: &mut Job, tree: &Tree) -> Result<(), Stop> {
    let rust = job.run(tree.peer().arg("fingerprints"), seconds(60))?;
    let cpp = job.run(&mut tree.program("shapes"), seconds(60))?;
    same("the fingerprints", &rust, &cpp)?;
    let everything = rust
        .lines()
        .find_map(|line| line.strip_prefix("Everything "))
        .ok_or_else(|| Stop::failed("there is no fingerprint of Everything"))?;
    job.run(tree.program("schema").arg(everything), seconds(60))?;
    for what in ["echo", "requests", "slices"] {
        let path = tree.run.join(what);
        let server = Server::start(tree.peer().arg(what).arg(&path))?;
        job.run(tree.program("typed").arg(what).arg(&path), seconds(120))?;
        server.end()?;
    }
    for (mut client, what) in [
        (tree.peer(), "resume"),
        (tree.program("halves"), "resuming"),
    ] {
        let path = tree.run.join(what);
        let server = Server::start(tree.program("halves").arg("resumed").arg(&path))?;
        // As often as `resumed.hpp` has ways.
        job.run(client.arg(what).arg(&path).arg("7"), seconds(120))?;
        server.end()?;
    }
    let path = tree.run.join("refusing");
    let server = Server::start(tree.peer().arg("expect").arg(&path))?;
    // This one waits until somebody listens there; the others come behind it.
    let ours = job.run(tree.peer().arg("refused").arg(&path), seconds(120))?;
    for name in ["schema", "typed"] {
        let theirs = job.run(tree.program(name).arg("refused").arg(&path), seconds(60))?;
        same("the words of a refusal", &ours, &theirs)?;
    }
    server.end()
}

fn same(what: &str, ours: &str, theirs: &str) -> Result<(), Stop> {
    if ours == theirs && !ours.is_empty() {
        return Ok(());
    }
    Err(Stop::failed(format!(
        "{what} are not the same; in Rust:\n{ours}\nelsewhere:\n{theirs}"
    )))
}
