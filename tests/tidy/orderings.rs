//! Every atomic access says what it publishes or observes, and where its partner is.

use std::path::Path;

use super::accesses;
use super::source::Source;

/// Where an access has no partner in another file, it says so with one of these.
const NO_FILE: &[&str] = &["this file", "itself", "none", "kernel", EACH_CALL];

/// The label of a method that makes an access for its caller, who names the partner.
const EACH_CALL: &str = "each call";

/// A label: `// ORD: commit: what is published; partner: ring/consumer.rs`.
pub(crate) struct Label {
    pub(crate) name: String,
    what: String,
    partner: String,
}

impl Label {
    /// The files that the partner is said to be in.
    fn files(&self) -> impl Iterator<Item = &str> {
        let words = self.partner.split_whitespace();
        let bare = words.map(|word| word.trim_matches(|letter: char| ",;.`()".contains(letter)));
        bare.filter(|word| word.strip_suffix(".rs").is_some())
    }

    /// Whether it is one half of a pair, and so belongs into the table of pairs.
    pub(crate) fn is_half(&self) -> bool {
        !self.partner.contains(EACH_CALL)
    }

    /// Whether it says what happens, and with whom: a file, something of this file, or why there is nobody.
    fn is_complete(&self, source: &Source, earlier: &[&str]) -> bool {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let named = !self.name.is_empty() && self.name.bytes().all(fits);
        let mut items = self.partner.split('`').skip(1).step_by(2);
        let partnered = self.files().next().is_some()
            || NO_FILE.iter().any(|words| self.partner.contains(words))
            || items.any(|item| !source.words(item).is_empty())
            || self.what.contains("as above") && earlier.contains(&self.name.as_str());
        named && !self.what.is_empty() && partnered
    }
}

/// The labels of a file, with the line of each access.
pub(crate) fn labels(source: &Source) -> (Vec<(usize, Label)>, Vec<String>) {
    let mut labels = Vec::new();
    let mut findings = Vec::new();
    let mut lines: Vec<usize> = accesses::all(source)
        .into_iter()
        .map(|at| source.line(at))
        .collect();
    lines.dedup();
    for line in lines {
        match source.comment_above(line).as_deref().map(parse) {
            Some(found) if !found.is_empty() => {
                labels.extend(found.into_iter().map(|label| (line, label)));
            }
            _ => findings
                .push(source.finding(line, "no `// ORD:` directly above this atomic access")),
        }
    }
    let names: Vec<&str> = labels
        .iter()
        .map(|(_, label)| label.name.as_str())
        .collect();
    for (at, (line, label)) in labels.iter().enumerate() {
        if !label.is_complete(source, &names[..at]) {
            let form = "is not of the form `ORD: label: what; partner: file, or item of this file`";
            findings.push(source.finding(*line, &format!("the label `{}` {form}", label.name)));
        }
    }
    (labels, findings)
}

/// The partners that are named but are not there. A file is named from `src`, from the root or from its neighbour.
pub(crate) fn lost_partners(
    source: &Source,
    labels: &[(usize, Label)],
    root: &Path,
) -> Vec<String> {
    let mut findings = Vec::new();
    for (line, label) in labels {
        for file in label.files() {
            let here = Path::new(&source.path).parent().unwrap_or(Path::new(""));
            let places = [root.join("src"), root.to_owned(), root.join(here)];
            if !places.iter().any(|place| place.join(file).is_file()) {
                findings.push(source.finding(
                    *line,
                    &format!("the partner of `{}`, {file}, does not exist", label.name),
                ));
            }
        }
    }
    findings
}

/// The labels in a comment; a label goes on until the next one, or the end of the comment.
fn parse(comment: &str) -> Vec<Label> {
    let flat: Vec<&str> = comment
        .lines()
        .map(|line| line.trim_start_matches('/').trim())
        .collect();
    let flat = flat.join(" ");
    flat.split("ORD:").skip(1).flat_map(labels_of).collect()
}

/// One entry. A store that serves two pairs has two names: `ORD: commit, wake-barrier: ...`.
fn labels_of(text: &str) -> Vec<Label> {
    let (names, rest) = text.split_once(':').unwrap_or((text, ""));
    let (what, partner) = rest.split_once("partner:").unwrap_or((rest, ""));
    let label = |name: &str| Label {
        name: name.trim().to_owned(),
        what: what.trim().to_owned(),
        partner: partner.trim().to_owned(),
    };
    names.split(',').map(label).collect()
}

/// Atomics come from `crate::sync` alone, so that the models see every one. The lint that says so too has one exception,
/// an `allow` with its reason, and so has this check.
pub(crate) fn foreign_atomics(source: &Source) -> Vec<String> {
    if !source.path.starts_with("src/") || source.path == "src/sync.rs" {
        return Vec::new();
    }
    let code: Vec<&str> = source.code.lines().collect();
    let excused = |offset| {
        let before = source
            .line(offset)
            .checked_sub(1)
            .map_or("", |line| code[line]);
        before.contains("allow(clippy::disallowed_types, reason")
    };
    let words = source
        .words("atomic")
        .into_iter()
        .filter(|&offset| !excused(offset));
    let paths = words.filter(|&offset| {
        source.code[..offset].ends_with("::")
            || source.code[offset + "atomic".len()..].starts_with("::")
    });
    paths
        .map(|offset| {
            source.finding(
                source.line(offset),
                "atomics come from `crate::sync`, where the models see them",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> usize {
        labels(&Source::new("src/a.rs", text)).1.len()
    }

    const LABEL: &str = "// ORD: commit: the payload; partner: ring/consumer.rs\n";

    #[test]
    fn a_labelled_access_is_fine() {
        assert_eq!(
            findings(&format!(
                "{LABEL}self.word\n    .store(1, order(Site::Commit, Ordering::Release));"
            )),
            0
        );
        assert_eq!(
            findings(
                "// ORD: take: the payload,\n// all of it; partner: this file\nfence(Site::Take, Acquire);"
            ),
            0
        );
        assert_eq!(
            findings("// ORD: commit, wake-barrier: both; partner: this file\nw.swap(1, SeqCst);"),
            0
        );
        assert_eq!(
            findings(
                "// ORD: done: the end; partner: `wait` below\nw.swap(1, SeqCst); fn wait() {}"
            ),
            0
        );
        assert_eq!(
            findings(&format!(
                "{LABEL}w.load(Relaxed);\n// ORD: commit: as above\nw.load(Relaxed);"
            )),
            0
        );
    }

    #[test]
    fn an_access_without_a_label_is_found() {
        assert_eq!(findings("word.load(Relaxed);"), 1);
        assert_eq!(
            findings("// SAFETY: ours\nunsafe { word.load(Relaxed) };"),
            1
        );
        assert_eq!(
            findings(&format!("{LABEL}let a = 1;\nword.load(Relaxed);")),
            1
        );
    }

    #[test]
    fn a_label_without_a_partner_or_a_reason_is_found() {
        assert_eq!(
            findings("// ORD: commit: the payload\nword.load(Relaxed);"),
            1
        );
        assert_eq!(
            findings("// ORD: commit; partner: a.rs\nword.load(Relaxed);"),
            1
        );
        assert_eq!(
            findings("// ORD: The Commit: x; partner: a.rs\nword.load(Relaxed);"),
            1
        );
        let source = Source::new("src/a.rs", &format!("{LABEL}word.load(Relaxed);"));
        assert_eq!(
            lost_partners(&source, &labels(&source).0, Path::new("/nowhere")).len(),
            1
        );
    }

    #[test]
    fn an_atomic_from_elsewhere_is_found() {
        let found = |path, text| foreign_atomics(&Source::new(path, text)).len();
        assert_eq!(
            found("src/ring/mod.rs", "use std::sync::atomic::AtomicU64;"),
            1
        );
        assert_eq!(
            found(
                "src/ring/mod.rs",
                "use std::sync::{Arc, atomic::{AtomicU64}};"
            ),
            1
        );
        let excuse = "#[allow(clippy::disallowed_types, reason = \"not shared\")]\nuse core::sync::atomic::AtomicU64;";
        assert_eq!(found("src/sys/fork.rs", excuse), 0);
        assert_eq!(found("src/sync.rs", "use std::sync::atomic::AtomicU64;"), 0);
        assert_eq!(
            found("cli/src/main.rs", "use std::sync::atomic::AtomicBool;"),
            0
        );
    }
}
