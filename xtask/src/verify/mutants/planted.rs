//! A crate of a few lines, in which the step has to judge changes whose verdicts are known: it is what shows that a change which no test notices would be told.

use std::fs;
use std::io;
use std::path::Path;

use super::folder;
use super::list;
use super::trial::{Trial, Verdict};
use crate::verify::job::{Job, Stop};

const MANIFEST: &str = "\
[package]
name = \"ringway\"
version = \"0.0.0\"
edition = \"2024\"

[profile.mutants]
inherits = \"dev\"

[workspace]
";

const LOCK: &str = "\
version = 4

[[package]]
name = \"ringway\"
version = \"0.0.0\"
";

const SOURCE: &str = "\
pub fn sum(a: u32, b: u32) -> u32 {
    a + b
}

pub fn product(a: u32, b: u32) -> u32 {
    a * b
}

#[test]
fn of_two_and_two() {
    assert_eq!((sum(2, 2), product(2, 2)), (4, 4));
}
";

/// As cargo-mutants prints them. A product of two and two is their sum too, and what is text is no number.
const CHANGES: &str = "\
src/lib.rs:2:7: replace + with - in sum
--- src/lib.rs
+++ replace + with - in sum
@@ -2,1 +2,1 @@
-    a + b
+    a - b
src/lib.rs:6:7: replace * with + in product
--- src/lib.rs
+++ replace * with + in product
@@ -6,1 +6,1 @@
-    a * b
+    a + b
src/lib.rs:6:7: replace product with text
--- src/lib.rs
+++ replace product with text
@@ -6,1 +6,1 @@
-    a * b
+    \"a * b\"
";

const VERDICTS: [Verdict; 3] = [Verdict::Noticed, Verdict::Survived, Verdict::NoProgram];

/// Fails if a change is judged wrongly.
pub(super) fn are_judged_rightly(job: &mut Job) -> Result<(), Stop> {
    let tree = folder().join("planted");
    write(&tree).map_err(|error| Stop::failed(format!("the planted crate: {error}")))?;
    let trial = Trial::of(tree, "planted-build", &[&["--lib"]]);
    trial.passes(job, 1)?;
    let changes = list::read(CHANGES);
    if changes.len() != VERDICTS.len() {
        return Err(Stop::failed("the planted changes are not read"));
    }
    for (change, wanted) in changes.iter().zip(VERDICTS) {
        let verdict = trial.run(job, change)?;
        if verdict != wanted {
            let key = &change.key;
            return Err(Stop::failed(format!(
                "planted: {key}: {verdict:?}, not {wanted:?}"
            )));
        }
    }
    Ok(())
}

fn write(tree: &Path) -> io::Result<()> {
    fs::create_dir_all(tree.join("src"))?;
    fs::write(tree.join("Cargo.toml"), MANIFEST)?;
    fs::write(tree.join("Cargo.lock"), LOCK)?;
    fs::write(tree.join("src/lib.rs"), SOURCE)
}
