//! Which lines are new since the branch began.

use std::collections::HashSet;
use std::io;

use crate::place::git;
use crate::verify::coverage::FOLDERS;

/// The commit to compare with: where the branch left `origin/main`, or the one before this one if that is here. A clone of one commit has neither.
pub(super) fn base() -> Option<String> {
    let ask = |words: &[&str]| git(words).ok().map(|text| text.trim().to_owned());
    let head = ask(&["rev-parse", "HEAD"])?;
    let fork = ask(&["merge-base", "HEAD", "origin/main"]).filter(|fork| *fork != head);
    let base = fork.or_else(|| ask(&["rev-parse", "--verify", "--quiet", "HEAD~1"]))?;
    ask(&["rev-parse", "--short", &base])
}

/// This commit.
pub(super) fn head() -> Option<String> {
    let text = git(&["rev-parse", "--short", "HEAD"]).ok()?;
    Some(text.trim().to_owned())
}

/// The new lines of the four folders, each by its file and number; what is not committed yet counts.
pub(super) fn changed(base: &str) -> io::Result<HashSet<(String, usize)>> {
    let folders = FOLDERS.map(|folder| format!("src/{folder}"));
    let mut words = vec![
        "diff",
        "--unified=0",
        "--no-color",
        "--no-ext-diff",
        base,
        "--",
    ];
    words.extend(folders.iter().map(String::as_str));
    Ok(read(&git(&words)?))
}

/// Of `+++ b/FILE` and `@@ -1,2 +3,4 @@`.
fn read(diff: &str) -> HashSet<(String, usize)> {
    let mut lines = HashSet::new();
    let mut file = "";
    for line in diff.lines() {
        if let Some(name) = line.strip_prefix("+++ b/") {
            file = name;
        }
        let Some((_, new)) = line
            .strip_prefix("@@ -")
            .and_then(|rest| rest.split_once(" +"))
        else {
            continue;
        };
        let range = new.split(' ').next().unwrap_or_default();
        let (start, count) = range.split_once(',').unwrap_or((range, "1"));
        let (Ok(start), Ok(count)) = (start.parse::<usize>(), count.parse::<usize>()) else {
            continue;
        };
        lines.extend((start..start + count).map(|line| (file.to_owned(), line)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_lines_are_those_of_the_new_side() {
        let diff = "--- a/src/ring/tap.rs\n+++ b/src/ring/tap.rs\n@@ -3,2 +3 @@ fn a() {\n-x\n-y\n+z\n@@ -9,1 +8,0 @@\n-gone\n@@ -20,0 +19,2 @@\n+a\n+b\n";
        let lines = [3, 19, 20].map(|line| ("src/ring/tap.rs".to_owned(), line));
        assert_eq!(read(diff), HashSet::from(lines));
        assert!(read("").is_empty());
    }

    #[test]
    fn a_commit_that_is_not_there_is_an_error() {
        assert!(changed("no-such-commit").is_err());
    }
}
