//! The examples of C and C++, by `cmake` and `find_package`.

use std::fs;
use std::path::Path;

use super::super::job::{Job, Stop, seconds};
use super::super::late;
use super::Tree;
use super::server::Server;
use crate::place;

/// The examples that are a server and its clients.
type Served = (
    &'static str,
    &'static [&'static str],
    &'static [&'static [&'static str]],
);
const SERVED: &[Served] = &[
    (
        "c",
        &["prices_server", "prices", "2"],
        &[
            &["prices_client", "prices", "1000"],
            &["prices_client_static", "prices", "1000"],
        ],
    ),
    (
        "c",
        &["typed", "serve", "typed"],
        &[&["typed", "ask", "typed", "1000"]],
    ),
    (
        "cpp",
        &["quotes_server", "quotes"],
        &[&["quotes_client", "quotes", "1000"]],
    ),
    (
        "cpp",
        &["quotes_server", "quotes"],
        &[&["quotes_client_static", "quotes", "1000"]],
    ),
];

/// Builds and runs them. Returns how often one was run again because it was late.
pub(super) fn run(job: &mut Job, tree: &Tree, cmake: &Path) -> Result<u32, Stop> {
    for (name, source) in [("c", "ffi/examples"), ("cpp", "bindings/cpp/examples")] {
        let built = tree.built.join(format!("cmake-{name}"));
        let _ = fs::remove_dir_all(&built);
        let mut configure = place::command(cmake);
        configure.arg("-S").arg(source).arg("-B").arg(&built);
        configure.arg(format!("-DCMAKE_PREFIX_PATH={}", tree.prefix.display()));
        job.run(&mut configure, seconds(120))?;
        let mut build = place::command(cmake);
        build.arg("--build").arg(&built).args(["--parallel", "2"]);
        job.run(&mut build, seconds(300))?;
    }
    let example = |language: &str, words: &[&str]| {
        let mut command = tree.program(&format!("cmake-{language}/{}", words[0]));
        command.args(&words[1..]);
        command
    };
    let mut late = 0;
    for (language, server, clients) in SERVED {
        late += late::anew(job, |job| {
            let server = Server::start(&mut example(language, server))?;
            for client in *clients {
                let client = &mut example(language, client);
                if let failed @ Err(_) = late::attempt(job, client, seconds(60))? {
                    return Ok(failed);
                }
            }
            server.end()?;
            Ok(Ok(String::new()))
        })?
        .late;
    }
    let ledger = tree.run.join("numbers");
    late += late::run(job, seconds(60), || {
        let _ = fs::remove_file(&ledger);
        let mut resume = example("c", &["resume", "ledger"]);
        resume.arg(&ledger);
        resume
    })?
    .late;
    let coroutines = || example("cpp", &["coroutines", "1000"]);
    late += late::run(job, seconds(60), coroutines)?.late;
    Ok(late)
}
