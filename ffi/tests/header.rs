//! The committed header is the one that the source makes, and the committed list of symbols is the one that the header declares.
//!
//! `RINGWAY_WRITE=1 cargo test --package ringway-ffi --test header` writes both.

use std::fs;
use std::path::Path;

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a file with what it should be, or writes it where that is asked for.
fn same(path: &Path, wanted: &str) {
    if std::env::var_os("RINGWAY_WRITE").is_some() {
        fs::write(path, wanted).unwrap();
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    let differs = found
        .lines()
        .zip(wanted.lines())
        .enumerate()
        .find(|(_, (found, wanted))| found != wanted);
    assert!(
        found == wanted,
        "{}: not what the source makes; the first line that differs: {differs:?}\n\
         RINGWAY_WRITE=1 cargo test --package ringway-ffi --test header writes it; a symbol that was there before must stay as it was",
        path.display()
    );
}

fn header() -> String {
    let config = cbindgen::Config::from_file(here().join("cbindgen.toml")).unwrap();
    let made = cbindgen::Builder::new()
        .with_crate(here())
        .with_config(config)
        .generate()
        .unwrap();
    let mut text = Vec::new();
    made.write(&mut text);
    let text = String::from_utf8(text).unwrap();
    let text = looked_at(&parenthesised(&text));
    // The generator puts what comes last behind the end of what is guarded.
    let (guarded, last) = text.split_once("#endif  /* RINGWAY_H */").unwrap();
    format!(
        "{}\n\n{}\n\n#endif  /* RINGWAY_H */\n",
        guarded.trim_end(),
        last.trim()
    )
}

/// What tells how it went is warned of where nobody looks.
fn looked_at(header: &str) -> String {
    let lines = header.lines().map(|line| {
        if line.starts_with("ringway_status ringway_") {
            format!("{MUST_USE}\n{line}\n")
        } else {
            format!("{line}\n")
        }
    });
    lines.collect()
}

const MUST_USE: &str = "RINGWAY_MUST_USE";

/// A negative number is one operand wherever it is put.
fn parenthesised(header: &str) -> String {
    let lines = header.lines().map(|line| {
        let mut words = line.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("#define"), Some(name), Some(value)) if value.starts_with('-') => {
                format!("#define {name} ({value})\n")
            }
            _ => format!("{line}\n"),
        }
    });
    lines.collect()
}

/// The declarations of functions, one a line, without comments, in the order of their names.
fn declarations(header: &str) -> Vec<String> {
    let mut code = String::new();
    let mut rest = header;
    while let Some((before, behind)) = rest.split_once("/*") {
        code.push_str(before);
        rest = behind.split_once("*/").expect("a comment ends").1;
    }
    code.push_str(rest);
    // What is in line is no symbol.
    let code = code.split("static inline").next().unwrap();
    let code = code
        .split("#if defined(__cplusplus)\n#define")
        .next()
        .unwrap();
    let lines = (code.lines()).filter(|line| !line.starts_with('#') && *line != MUST_USE);
    let code = lines.collect::<Vec<_>>().join(" ");
    let mut found: Vec<String> = code
        .split([';', '{', '}'])
        .map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|part| part.contains("ringway_") && part.ends_with(')'))
        .map(|part| format!("{part};"))
        .collect();
    found.sort_by_key(|line| name(line).to_owned());
    found
}

fn name(declaration: &str) -> &str {
    let before = declaration.split('(').next().unwrap_or_default();
    before.rsplit([' ', '*']).next().unwrap_or_default()
}

#[test]
fn the_header_is_what_the_source_makes() {
    same(&here().join("include/ringway.h"), &header());
}

#[test]
fn no_constant_is_taken_apart_by_what_stands_beside_it() {
    let header = header();
    let found = header.lines().filter(|line| line.starts_with("#define "));
    let bare = found.filter(|line| {
        line.split(' ')
            .nth(2)
            .is_some_and(|value| value.starts_with('-'))
    });
    assert_eq!(bare.collect::<Vec<_>>(), [""; 0]);
    assert!(header.contains("#define RINGWAY_FOR_EVER (-1)\n"));
}

#[test]
fn the_symbols_and_their_signatures_are_those_of_the_list() {
    let declarations = declarations(&header());
    assert!(
        declarations.len() > 50,
        "functions were lost: {declarations:?}"
    );
    let begins = |line: &String| name(line).starts_with("ringway_");
    assert!(declarations.iter().all(begins), "{declarations:?}");
    same(
        &here().join("symbols.txt"),
        &(declarations.join("\n") + "\n"),
    );
}
