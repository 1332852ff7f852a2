//! What the documents point at is there.

use std::path::Path;

/// Folders whose files the documents name as code: `src/ring/mod.rs`.
const FOLDERS: &[&str] = &[
    "src/",
    "cli/",
    "xtask/",
    "tests/",
    "examples/",
    "benches/",
    "docs/",
    "fuzz/",
];

/// Checks one document, `path` from the root of the workspace.
pub(crate) fn check(root: &Path, path: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let mut fenced = false;
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let lost = |what: &str| format!("{path}:{}: {what} does not exist", at + 1);
        let (prose, code): (Vec<_>, Vec<_>) = line
            .split('`')
            .enumerate()
            .partition(|(place, _)| place % 2 == 0);
        let prose: Vec<&str> = prose.into_iter().map(|(_, part)| part).collect();
        for target in prose
            .join("`")
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', ' ']).next())
        {
            if !resolves(root, path, text, target) {
                findings.push(lost(target));
            }
        }
        for (_, name) in code {
            let plain = name
                .chars()
                .all(|letter| letter.is_alphanumeric() || "_-./".contains(letter));
            if plain
                && FOLDERS.iter().any(|folder| name.starts_with(folder))
                && !root.join(name).exists()
            {
                findings.push(lost(name));
            }
        }
    }
    findings
}

/// Whether a link leads somewhere: another host, a file, a heading of this document or of another.
fn resolves(root: &Path, path: &str, text: &str, target: &str) -> bool {
    if target.contains("://") || target.starts_with("mailto:") {
        return true;
    }
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    if file.is_empty() {
        return headings(text).any(|found| found == heading);
    }
    let place = root.join(path).parent().unwrap_or(root).join(file);
    if heading.is_empty() {
        return place.exists();
    }
    std::fs::read_to_string(place).is_ok_and(|other| headings(&other).any(|found| found == heading))
}

/// The headings, as links name them: lower case, words joined by hyphens, other signs dropped.
fn headings(text: &str) -> impl Iterator<Item = String> {
    let lines = text.lines().filter(|line| line.starts_with('#'));
    lines.map(|line| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = words
            .chars()
            .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        kept.map(|letter| if letter == ' ' { '-' } else { letter })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> usize {
        check(Path::new(env!("CARGO_MANIFEST_DIR")), "src/a.md", text).len()
    }

    #[test]
    fn links_that_lead_somewhere_are_fine() {
        assert_eq!(
            findings(
                "# A heading: two\n[a](../Cargo.toml) [b](https://example.invalid) [c](#a-heading-two)"
            ),
            0
        );
        assert_eq!(
            findings("`src/lib.rs`, `docs/*.md`\n```\n[a](nothing.md)\n```\n`[a](nothing.md)`"),
            0
        );
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        assert_eq!(findings("[a](nothing.md) and [b](#nothing)"), 2);
        assert_eq!(findings("see [the `x`](nothing.md)"), 1);
        assert_eq!(findings("in `src/nothing.rs`"), 1);
        assert_eq!(findings("[a](../Cargo.toml#nothing)"), 1);
    }
}
