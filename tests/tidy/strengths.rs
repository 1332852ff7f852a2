//! How strong each ordering is, and what shows that it is strong enough and not needlessly so.

use super::accesses;
use super::source::Source;

/// What stands for an ordering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A site of `src/sync.rs`: the models weaken it, place by place, and one of them fails (`src/model/sites.rs`).
    Weakened,
    /// `Relaxed`: there is nothing weaker, and the label says why it is enough.
    Relaxed,
    /// Named by the caller, where it is looked at.
    Caller,
    /// A fence for the compiler alone, which no model can weaken.
    Compiler,
    /// Stronger than `Relaxed` and no site: the label has the proof that it is needed (`proof:`).
    Proven,
    /// A site that no model misses: the label says why it stays (`redundant:`).
    Redundant,
}

/// What the models, the sanitizer and the fuzzed inputs have in the place of shared memory: none of it ships.
const INSTRUMENTS: &[&str] = &[
    "src/fuzz/",
    "src/model/",
    "src/planted.rs",
    "src/ring/pair.rs",
    "src/ring/tests/",
    "src/ring/world",
    "src/segment/heap.rs",
    "src/segment/plain.rs",
    "src/sync/",
];

/// Each ordering in the shipped code of a file: its line and what stands for it.
pub(crate) fn kinds(source: &Source) -> (Vec<(usize, Kind)>, Vec<String>) {
    let mut kinds = Vec::new();
    let mut findings = Vec::new();
    if INSTRUMENTS
        .iter()
        .any(|start| source.path.starts_with(start))
    {
        return (kinds, findings);
    }
    let mut last = None;
    for offset in accesses::all(source) {
        let (start, statement) = statement(source, offset);
        // One statement that names an ordering is found as an access and as what is handed on.
        if last.replace(start) == Some(start) {
            continue;
        }
        let line = source.line(offset);
        let label = source.comment_above(line).unwrap_or_default();
        match kind(statement, &label) {
            Ok(kind) => kinds.push((line, kind)),
            Err(what) => findings.push(source.finding(line, what)),
        }
    }
    (kinds, findings)
}

/// The statement that a place lies in, and where that begins.
fn statement(source: &Source, offset: usize) -> (usize, &str) {
    let ends = |letter: char| matches!(letter, ';' | '{' | '}');
    let start = source.code[..offset].rfind(ends).map_or(0, |at| at + 1);
    let end = source.code[offset..]
        .find(ends)
        .map_or(source.code.len(), |at| offset + at);
    (start, &source.code[start..end])
}

fn kind(statement: &str, label: &str) -> Result<Kind, &'static str> {
    let named = |ordering: &str| statement.contains(&format!("Ordering::{ordering}"));
    let stronger = ["Acquire", "Release", "AcqRel", "SeqCst"]
        .iter()
        .any(|ordering| named(ordering));
    if statement.contains("compiler_fence") {
        return Ok(Kind::Compiler);
    }
    if ["sync::order(", "sync::fence("]
        .iter()
        .any(|call| statement.contains(call))
    {
        // The site is an argument of this method.
        return Ok(Kind::Caller);
    }
    if statement.contains("Site::") {
        return Ok(if label.contains("redundant:") {
            Kind::Redundant
        } else {
            Kind::Weakened
        });
    }
    match (stronger, named("Relaxed")) {
        (true, _) if label.contains("proof:") => Ok(Kind::Proven),
        (true, _) => Err("stronger than Relaxed, and neither a site nor a `proof:` in its label"),
        (false, true) if label.contains("Relaxed, ") || label.contains("Relaxed;") => {
            Ok(Kind::Relaxed)
        }
        (false, true) => Err("its label does not say why Relaxed is enough"),
        (false, false) => Ok(Kind::Caller),
    }
}

/// What there is of each, as `docs/SAFETY.md` says it.
pub(crate) fn sentence(all: &[Kind]) -> String {
    let count = |wanted| all.iter().filter(|&&kind| kind == wanted).count();
    format!(
        "Of {} orderings in `src`, {} are sites, {} are relaxed, {} are the caller's, {} are for the compiler alone, {} carry a proof and {} is redundant.",
        all.len(),
        count(Kind::Weakened),
        count(Kind::Relaxed),
        count(Kind::Caller),
        count(Kind::Compiler),
        count(Kind::Proven),
        count(Kind::Redundant),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, text: &str) -> (Vec<Kind>, usize) {
        let (kinds, findings) = kinds(&Source::new(path, text));
        (
            kinds.into_iter().map(|(_, kind)| kind).collect(),
            findings.len(),
        )
    }

    #[test]
    fn each_ordering_is_of_one_kind() {
        let kind = |text| match of("src/a.rs", text) {
            (kinds, 0) if kinds.len() == 1 => Some(kinds[0]),
            _ => None,
        };
        assert_eq!(
            kind(
                "// ORD: a: b; partner: c.rs\nw.store(1, order(Site::Commit, Ordering::Release));"
            ),
            Some(Kind::Weakened)
        );
        assert_eq!(
            kind(
                "// ORD: a: b; partner: c.rs. redundant: d\nfence(Site::Take, Ordering::Acquire);"
            ),
            Some(Kind::Redundant)
        );
        assert_eq!(
            kind("// ORD: a: Relaxed, b; partner: c.rs\nw.load(Ordering::Relaxed);"),
            Some(Kind::Relaxed)
        );
        assert_eq!(
            kind("// ORD: a: the caller's\nw.store(1, order);"),
            Some(Kind::Caller)
        );
        assert_eq!(
            kind(
                "// ORD: a: b. proof: c\nw.compare_exchange(a, b, Ordering::AcqRel, Ordering::Acquire);"
            ),
            Some(Kind::Proven)
        );
        assert_eq!(
            kind("// ORD: a\ncompiler_fence(Ordering::SeqCst);"),
            Some(Kind::Compiler)
        );
    }

    #[test]
    fn a_strong_ordering_without_a_model_or_a_proof_is_found() {
        let text = "// ORD: a: Acquire, b; partner: c.rs\nw.load(Ordering::Acquire);";
        assert_eq!(of("src/a.rs", text), (vec![], 1));
        assert_eq!(of("src/segment/heap.rs", text), (vec![], 0));
        let text = "// ORD: a: b; partner: c.rs\nw.load(Ordering::Relaxed);";
        assert_eq!(of("src/a.rs", text), (vec![], 1));
    }
}
