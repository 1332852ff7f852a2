//! Every input of the repository, with every run of the tests; and each corpus finds the check that is left out for its target.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use super::{TARGETS, run};

/// Bytes of all inputs together, at most: they are in the repository.
const MOST: usize = 400 << 10;

/// `seeds` are written by hand, `corpus` was found worth keeping.
fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz")
        .join(kind)
}

/// The inputs of a target, with their paths.
fn inputs(kind: &str, name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = folder(kind).join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let inputs = entries.map(|entry| {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        (path.display().to_string(), bytes)
    });
    let inputs: Vec<_> = inputs.collect();
    assert!(!inputs.is_empty(), "{folder:?} is empty");
    inputs
}

fn fails(name: &str, planted: usize, bytes: &[u8]) -> bool {
    catch_unwind(|| run(name, planted, bytes)).is_err()
}

fn replay(name: &str) {
    let (seeds, corpus) = (inputs("seeds", name), inputs("corpus", name));
    for (path, bytes) in seeds.iter().chain(&corpus) {
        assert!(
            !fails(name, 0, bytes),
            "{path} finds something, as is told above"
        );
    }
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    for planted in 1..=target.checks.len() {
        let fails = |(_, bytes): &(String, Vec<u8>)| fails(name, planted, bytes);
        // The fuzzer begins with the seeds when it has to find what is left out.
        assert!(!seeds.iter().any(fails), "{planted}");
        // Without an input that needs the check, all this would show nothing of it.
        assert!(corpus.iter().any(fails), "{planted}");
    }
}

#[test]
fn handshake_inputs_find_nothing() {
    replay("handshake");
}

#[test]
fn tables_inputs_find_nothing() {
    replay("tables");
}

#[test]
fn words_inputs_find_nothing() {
    replay("words");
}

#[test]
fn program_inputs_find_nothing() {
    replay("program");
}

#[test]
fn tap_inputs_find_nothing() {
    replay("tap");
}

#[cfg(feature = "hostile")]
#[test]
fn server_inputs_find_nothing() {
    replay("server");
}

#[cfg(feature = "hostile")]
#[test]
fn client_inputs_find_nothing() {
    replay("client");
}

#[cfg(feature = "hostile")]
#[test]
fn poller_inputs_find_nothing() {
    replay("poller");
}

#[cfg(feature = "hostile")]
#[test]
fn the_corpora_are_small_and_are_those_of_the_targets() {
    let targets: BTreeSet<_> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    for kind in ["seeds", "corpus"] {
        let names = fs::read_dir(folder(kind)).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert_eq!(names.collect::<BTreeSet<_>>(), targets);
    }
    let sizes = targets.iter().flat_map(|name| inputs("corpus", name));
    let sum: usize = sizes.map(|(_, bytes)| bytes.len()).sum();
    assert!(sum < MOST, "{sum} bytes");
}
