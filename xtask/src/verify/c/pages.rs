//! The five minutes that the READMEs of C and C++ promise: their code is written to files, and their commands are run, in a folder of their own.
//!
//! A block of code whose first line is a comment with a file's name goes to that file. Blocks of `sh` are run in their order, with `PREFIX` set; one that installs is left out, since that was done.
//! A block of `text` behind them is what is printed.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::super::late::{self, Ran};
use super::{Job, Stop, Tree};
use crate::place;

const PAGES: &[&str] = &["ffi/README.md", "bindings/cpp/README.md"];

/// A block between fences.
#[derive(Debug, PartialEq, Eq)]
struct Block<'a> {
    language: &'a str,
    text: String,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => {
                open = Some(Block {
                    language,
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

/// The name in `/* server.c */` or `// server.cpp`.
fn file_name(code: &str) -> Option<&str> {
    let first = code.lines().next()?;
    let inside = first
        .strip_prefix("// ")
        .or_else(|| first.strip_prefix("/* ")?.strip_suffix(" */"))?;
    let name = inside.trim();
    let plain = !name.contains([' ', '/']) && name.contains('.');
    plain.then_some(name)
}

/// Runs both pages. Returns how many, and how often commands were run again because one was late.
pub(super) fn run(job: &mut Job, tree: &Tree) -> Result<(usize, u32), Stop> {
    let mut late = 0;
    for page in PAGES {
        let text = fs::read_to_string(place::root().join(page))
            .map_err(|error| Stop::failed(format!("{page}: {error}")))?;
        let folder = tree.built.join(page.replace('/', "-"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(|error| Stop::failed(error.to_string()))?;
        late += one(job, tree, &folder, &blocks(&text)).map_err(|stop| match stop {
            Stop::Failed(why) => Stop::Failed(format!("{page}: {why}")),
            other => other,
        })?;
    }
    Ok((PAGES.len(), late))
}

/// Commands of which one failed leave no server behind.
const TRAP: &str = "trap '[ -z \"${!:-}\" ] || { kill $! && wait $! || :; } 2>/dev/null' EXIT";

/// Runs the commands of a page.
fn commands(job: &mut Job, tree: &Tree, folder: &Path, text: &str) -> Result<Ran, Stop> {
    late::run(job, Duration::from_secs(120), || {
        let mut shell = tree.with(place::command("sh"));
        shell
            .args(["-eu", "-c", &format!("{TRAP}\n{text}\ntrap - EXIT\n")])
            .env("PREFIX", &tree.prefix)
            .current_dir(folder);
        shell
    })
}

fn one(job: &mut Job, tree: &Tree, folder: &Path, blocks: &[Block<'_>]) -> Result<u32, Stop> {
    let (mut files, mut scripts, mut late, mut printed) = (0, 0, 0, String::new());
    for block in blocks {
        match block.language {
            "c" | "cpp" => {
                let Some(name) = file_name(&block.text) else {
                    continue;
                };
                fs::write(folder.join(name), &block.text)
                    .map_err(|error| Stop::failed(error.to_string()))?;
                files += 1;
            }
            "sh" if !block.text.contains("cargo xtask") => {
                let ran = commands(job, tree, folder, &block.text)?;
                printed = ran.printed;
                late += ran.late;
                scripts += 1;
            }
            "text" => {
                if let Some(lost) = block.text.lines().find(|line| !printed.contains(line)) {
                    return Err(Stop::failed(format!("`{lost}` is not printed:\n{printed}")));
                }
            }
            _ => {}
        }
    }
    if files < 2 || scripts == 0 {
        return Err(Stop::failed(
            "no service and client, or no command, was found",
        ));
    }
    Ok(late)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_their_files_are_found() {
        let page = "Text\n```c\n/* a.c */\nint x;\n```\nmore\n```sh\ncc a.c\n```\n";
        let found = blocks(page);
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].language, file_name(&found[0].text)),
            ("c", Some("a.c"))
        );
        assert_eq!((found[1].language, file_name(&found[1].text)), ("sh", None));
        assert_eq!(file_name("// b.cpp\n"), Some("b.cpp"));
        assert_eq!(file_name("// what it does\n"), None);
    }
}
