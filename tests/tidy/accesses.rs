//! Where the code touches atomics, or hands an ordering on to what does.

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

/// The places of all atomic accesses outside tests, in order.
pub(crate) fn all(source: &Source) -> Vec<usize> {
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
    found.extend(handed_on(source));
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

/// Where an ordering is named as a path: it is given to a method that makes the access, whatever that is called.
/// `sync.rs` itself is about orderings and hands none on.
fn handed_on(source: &Source) -> Vec<usize> {
    if source.path == "src/sync.rs" {
        return Vec::new();
    }
    let sites = source
        .words("Site")
        .into_iter()
        .filter(|&offset| source.code[offset..].starts_with("Site::"));
    let orderings = source.words("Ordering").into_iter().filter(|&offset| {
        let name = source.code[offset..]
            .strip_prefix("Ordering::")
            .unwrap_or_default();
        ORDERINGS[..5]
            .iter()
            .any(|ordering| name.starts_with(ordering))
    });
    sites.chain(orderings).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        all(&Source::new(path, text)).len()
    }

    #[test]
    fn accesses_are_found_in_every_form() {
        assert_eq!(count("src/a.rs", "word.load(Relaxed);"), 1);
        assert_eq!(
            count("src/a.rs", "word.store(\n    f(1),\n    order,\n);"),
            1
        );
        assert_eq!(
            count(
                "src/a.rs",
                "a.fetch_add(1, SeqCst); a.swap(1, SeqCst); compiler_fence(x);"
            ),
            3
        );
        assert_eq!(
            count(
                "src/a.rs",
                "own.publish(1, Ordering::Release); own.publish(2, order(Site::Commit));"
            ),
            2
        );
    }

    #[test]
    fn what_is_no_access_is_left_alone() {
        assert_eq!(
            count(
                "src/a.rs",
                "list.swap(1, 2); config.load(path); mem::swap(a, b); fn fence(a: A) {}"
            ),
            0
        );
        assert_eq!(
            count(
                "src/a.rs",
                "use std::cmp::Ordering; fn f(a: Ordering) -> bool { a == Ordering::Less }"
            ),
            0
        );
        assert_eq!(
            count(
                "src/a.rs",
                "#[cfg(test)]\nmod tests { fn a() { b.load(Relaxed); } }"
            ),
            0
        );
        assert_eq!(
            count("src/sync.rs", "fn f() -> Ordering { Ordering::Relaxed }"),
            0
        );
    }
}
