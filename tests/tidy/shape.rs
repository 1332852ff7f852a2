//! Small files, and nothing unfinished in what we ship.

use super::source::Source;

/// A reader holds a file of this length in mind; most are far below it.
const LINES: usize = 500;

const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "dbg!"];
/// A library does not speak on its user's terminal.
const SPEAKING: &[&str] = &["println!", "print!", "eprintln!", "eprint!"];

pub(crate) fn check(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    findings.extend(length(&source.path, &source.code));
    let library = source.path.starts_with("src/");
    let shipped = ["cli/src/", "derive/src/", "ffi/src/", "python/src/"];
    if library || shipped.iter().any(|folder| source.path.starts_with(folder)) {
        findings.extend(macros(source, UNFINISHED, "unfinished or left over"));
        findings.extend(let_chains(source));
    }
    if library {
        findings.extend(macros(source, SPEAKING, "the library prints nothing"));
    }
    findings
}

pub(crate) fn length(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > LINES).then(|| format!("{path}: {lines} lines; {LINES} are the limit"))
}

fn macros(source: &Source, names: &[&str], why: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for name in names {
        let word = name.trim_end_matches('!');
        let calls = source
            .words(word)
            .into_iter()
            .filter(|&at| source.code[at + word.len()..].starts_with('!'));
        let shipped = calls.filter(|&offset| !source.in_test(offset));
        findings.extend(
            shipped.map(|offset| source.finding(source.line(offset), &format!("`{name}`: {why}"))),
        );
    }
    findings
}

/// `if a && let Some(b) = c` compiles with today's compiler and not with 1.85, our oldest; no lint says so.
fn let_chains(source: &Source) -> Vec<String> {
    let chained = source
        .words("let")
        .into_iter()
        .filter(|&offset| source.code[..offset].trim_end().ends_with("&&"));
    chained
        .map(|offset| {
            source.finding(
                source.line(offset),
                "a chain of `let` needs a newer compiler than we declare",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        check(&Source::new(path, text)).len()
    }

    #[test]
    fn a_long_file_is_found() {
        assert_eq!(findings("tests/a.rs", &"\n".repeat(500)), 0);
        assert_eq!(findings("tests/a.rs", &"\n".repeat(501)), 1);
    }

    #[test]
    fn what_is_unfinished_is_found_in_shipped_code() {
        assert_eq!(findings("cli/src/a.rs", "fn a() { todo!() }"), 1);
        assert_eq!(
            findings("src/a.rs", "dbg!(x); unimplemented!(); println!()"),
            3
        );
        assert_eq!(
            findings(
                "src/a.rs",
                "// todo!()\nlet todo = 1; #[cfg(test)] mod t { fn a() { dbg!(1); } }"
            ),
            0
        );
        assert_eq!(findings("tests/a.rs", "dbg!(x);"), 0);
        assert_eq!(findings("src/a.rs", "if a\n    && let Some(b) = c {}"), 1);
    }
}
