//! Every atomic access says what it publishes or observes, and where its partner is.

use std::path::Path;

use super::source::{Source, is_name};

const METHODS: &[&str] = &[
    "load",
    "store",
    "swap",
    "compare_exchange",
    "compare_exchange_weak",
];
const FENCES: &[&str] = &["fence", "compiler_fence", "raw_fence"];
const ORDERINGS: &[&str] = &[
    "Relaxed", "Acquire", "Release", "AcqRel", "SeqCst", "Ordering", "order",
];

/// Where an access has no partner in another file, it says so with one of these.
const NO_FILE: &[&str] = &["this file", "itself", "none", "kernel", "each call"];

/// A label: `// ORD: commit: what is published; partner: ring/consumer.rs`.
pub(crate) struct Label {
    pub(crate) name: String,
    /// The files that the partner is said to be in.
    partners: Vec<String>,
    complete: bool,
}

/// The labels of a file, with the line of each access.
pub(crate) fn labels(source: &Source) -> (Vec<(usize, Label)>, Vec<String>) {
    let mut labels = Vec::new();
    let mut findings = Vec::new();
    for offset in accesses(source) {
        let line = source.line(offset);
        match source.comment_above(line).as_deref().map(parse) {
            Some(found) if !found.is_empty() => {
                labels.extend(found.into_iter().map(|label| (line, label)));
            }
            _ => findings
                .push(source.finding(line, "no `// ORD:` directly above this atomic access")),
        }
    }
    for (line, label) in &labels {
        if label.name.is_empty() || !label.complete {
            let what = format!(
                "the label `{}` is not of the form `ORD: label: what; partner: file`",
                label.name
            );
            findings.push(source.finding(*line, &what));
        }
    }
    (labels, findings)
}

/// The partners that are named but are not there. Files are named from `src` or from the root.
pub(crate) fn lost_partners(
    source: &Source,
    labels: &[(usize, Label)],
    root: &Path,
) -> Vec<String> {
    let mut findings = Vec::new();
    for (line, label) in labels {
        for file in &label.partners {
            if !root.join("src").join(file).is_file() && !root.join(file).is_file() {
                findings.push(source.finding(
                    *line,
                    &format!("the partner of `{}`, {file}, does not exist", label.name),
                ));
            }
        }
    }
    findings
}

/// The places of all atomic accesses outside tests.
fn accesses(source: &Source) -> Vec<usize> {
    let mut found = Vec::new();
    for method in METHODS {
        let methods = source
            .words(method)
            .into_iter()
            .filter(|&offset| source.code[..offset].ends_with('.'));
        found.extend(methods.filter(|&offset| has_ordering(&source.code[offset + method.len()..])));
    }
    for (offset, _) in source.code.match_indices(".fetch_") {
        let name = &source.code[offset + 1..];
        found.extend(has_ordering(name.trim_start_matches(is_name)).then_some(offset));
    }
    for fence in FENCES {
        let calls = source.words(fence).into_iter().filter(|&offset| {
            let called = source.code[offset + fence.len()..].starts_with('(');
            called && !source.code[..offset].trim_end().ends_with("fn")
        });
        found.extend(calls);
    }
    found.retain(|&offset| !source.in_test(offset));
    found.sort_unstable();
    found
}

/// Whether the arguments that `text` starts with name a memory ordering. Other types have a `swap` or a `load` too.
fn has_ordering(text: &str) -> bool {
    let Some(arguments) = text.strip_prefix('(') else {
        return false;
    };
    let mut depth = 1;
    let end = arguments.find(|letter| {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    let arguments = &arguments[..end.unwrap_or(arguments.len())];
    arguments
        .split(|letter| !is_name(letter))
        .any(|word| ORDERINGS.contains(&word))
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
    let words = partner.split_whitespace();
    let files = words.map(|word| word.trim_matches(|letter: char| ",;.`()".contains(letter)));
    let partners: Vec<String> = files
        .filter(|word| word.strip_suffix(".rs").is_some())
        .map(str::to_owned)
        .collect();
    let named = !partners.is_empty() || NO_FILE.iter().any(|words| partner.contains(words));
    let explained = !what.trim().is_empty() && named;
    let label = |name: &str| Label {
        name: name.trim().to_owned(),
        partners: partners.clone(),
        complete: explained && is_label(name.trim()),
    };
    names.split(',').map(label).collect()
}

fn is_label(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty() && name.bytes().all(fits)
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
            findings("list.swap(1, 2); config.load(path); mem::swap(a, b); fn fence(a: A) {}"),
            0
        );
        assert_eq!(
            findings("#[cfg(test)]\nmod tests { fn a() { b.load(Relaxed); } }"),
            0
        );
    }

    #[test]
    fn an_access_without_a_label_is_found() {
        assert_eq!(findings("word.load(Relaxed);"), 1);
        assert_eq!(
            findings("word.store(\n    f(1),\n    Ordering::Release,\n);"),
            1
        );
        assert_eq!(
            findings("a.fetch_add(1, SeqCst); a.swap(1, SeqCst); compiler_fence(x);"),
            3
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
