//! Rules of this tree that no lint knows. Each check is tried on planted faults, in the module that has it.
//!
//! Deliberately absent: a parser. The rules are about words, lines and comments, and a few hundred lines read those.

mod accesses;
mod answers;
mod contract;
mod layers;
mod links;
mod orderings;
mod pairs;
mod proofs;
mod shape;
mod source;
mod strengths;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use source::Source;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files under `folder` that end in `.kind`, from the root, sorted. Folders that a build or a generator made are left out.
fn files(folder: &str, kind: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path: PathBuf = entry.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let built = name == "target" || name == "generated" || name.starts_with('.');
            if path.is_dir() && !built {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == kind) {
                let inside = path.strip_prefix(root()).expect("it is under the root");
                found.push(inside.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn sources(folders: &[&str]) -> Vec<Source> {
    let sources: Vec<Source> = folders
        .iter()
        .flat_map(|folder| files(folder, "rs"))
        .map(|path| Source::new(&path, &read(&path)))
        .collect();
    assert!(
        !sources.is_empty(),
        "no sources under {folders:?}: a check of nothing proves nothing"
    );
    sources
}

const SHIPPED: &[&str] = &["src", "cli/src", "derive/src", "ffi/src", "python/src"];
const ALL: &[&str] = &[
    "src", "cli", "derive", "xtask", "tests", "benches", "examples", "interop", "ffi", "python",
    "actors",
];

fn report(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn layers_import_one_way() {
    report(
        &sources(&["src"])
            .iter()
            .flat_map(layers::check)
            .collect::<Vec<_>>(),
    );
}

#[test]
fn files_are_small_and_finished() {
    report(
        &sources(ALL)
            .iter()
            .flat_map(shape::check)
            .collect::<Vec<_>>(),
    );
}

/// In the other languages too.
#[test]
fn files_are_small_in_every_language() {
    const FOLDERS: [&str; 4] = ["actors", "bindings", "ffi", "python"];
    let kinds = ["py", "pyi", "c", "h", "cpp", "hpp"];
    let all = kinds.iter().flat_map(|kind| {
        let of_kind = |folder| files(folder, kind);
        FOLDERS.into_iter().flat_map(of_kind)
    });
    let (mut findings, mut looked_at) = (Vec::new(), 0);
    // A C program has one header, which says all.
    for path in all.filter(|path| path != "ffi/include/ringway.h") {
        looked_at += 1;
        findings.extend(shape::length(&path, &read(&path)));
    }
    assert!(looked_at > 50, "a check of nothing proves nothing");
    report(&findings);
}

#[test]
fn every_unsafe_has_its_proof() {
    report(
        &sources(ALL)
            .iter()
            .flat_map(proofs::check)
            .collect::<Vec<_>>(),
    );
}

#[test]
fn every_atomic_access_has_its_label() {
    let mut findings = Vec::new();
    for source in &sources(SHIPPED) {
        let (labels, unlabelled) = orderings::labels(source);
        findings.extend(unlabelled);
        findings.extend(orderings::lost_partners(source, &labels, root()));
        findings.extend(orderings::foreign_atomics(source));
    }
    report(&findings);
}

#[test]
fn the_table_of_orderings_is_that_of_the_source() {
    let mut all = BTreeMap::new();
    for source in &sources(&["src"]) {
        let labels = orderings::labels(source).0.into_iter();
        for (line, label) in labels.filter(|(_, label)| label.is_half()) {
            all.entry(label.name)
                .or_insert_with(|| format!("{}:{}", source.path, line + 1));
        }
    }
    assert!(
        !all.is_empty(),
        "no labels in src: the check has lost its subject"
    );
    report(&pairs::compare(&all, &read("docs/SAFETY.md")));
}

/// `cargo test --test tidy strong -- --nocapture` prints the number of each.
#[test]
fn every_ordering_is_as_strong_as_something_shows() {
    let mut all = Vec::new();
    let mut findings = Vec::new();
    for source in &sources(&["src"]) {
        let (kinds, unproven) = strengths::kinds(source);
        findings.extend(unproven);
        all.extend(kinds.into_iter().map(|(_, kind)| kind));
    }
    let sentence = strengths::sentence(&all);
    println!("{sentence}");
    if !read("docs/SAFETY.md").contains(&sentence) {
        findings.push(format!("docs/SAFETY.md does not say: {sentence}"));
    }
    report(&findings);
}

#[test]
fn documents_point_at_what_exists() {
    let mut documents = files("docs", "md");
    documents.extend(["README.md", "CHANGELOG.md", "SECURITY.md"].map(str::to_owned));
    report(
        &documents
            .iter()
            .flat_map(|path| links::check(root(), path, &read(path)))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn the_contract_answers_the_same_of_each_operation() {
    let paths = ALL.iter().flat_map(|folder| files(folder, "rs"));
    let tests = contract::tests(paths.map(|path| read(&path)));
    let path = "docs/RELIABILITY.md";
    let (findings, tables) = contract::check(path, &read(path), &tests);
    report(&findings);
    assert!(
        tables > 8,
        "{tables} tables: the check has lost its subject"
    );
    let others = ["docs/EVIDENCE.md", "docs/SAFETY.md", "SECURITY.md"];
    let named = others.map(|path| contract::check(path, &read(path), &tests).0);
    report(&named.concat());
}

#[test]
fn the_contract_has_a_row_for_everything_that_an_error_says() {
    let path = "docs/RELIABILITY.md";
    let text = read(path);
    for (column, enums) in [
        ("kind", &[("src/error.rs", "ErrorKind")][..]),
        (
            "answer",
            &[
                ("src/connection/outcome.rs", "SendError"),
                ("src/connection/outcome.rs", "RecvError"),
            ],
        ),
    ] {
        let mut variants = Vec::new();
        for (path, name) in enums {
            let found = answers::variants(&Source::new(path, &read(path)), name);
            assert!(
                found.len() > 8,
                "{name} {found:?}: the check has lost its subject"
            );
            variants.extend(found);
        }
        report(&answers::compare(path, &text, column, &variants));
    }
}
