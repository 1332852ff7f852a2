//! The layers of the library import one way.

use super::source::{Source, is_name};

/// From left to right: a layer may name those to its left, and itself.
const LAYERS: &[&str] = &[
    "sys",
    "segment",
    "layout",
    "ring",
    "wake",
    "schema",
    "thread",
    "connection",
    "poller",
    "typed",
    "codec",
    "batch",
    "stream",
    "tokio",
    "hyper",
    "tonic",
    "model",
    "hostile",
    "fuzz",
];
/// Usable by every layer, and themselves without a layer.
const BELOW: &[&str] = &["sync", "error", "planted"];
/// The layers that make no system call, and what none of their files may therefore name.
const PURE: &[&str] = &["layout", "ring", "schema"];
const IMPURE: &[&str] = &[
    "nix",
    "libc",
    "fs",
    "net",
    "os",
    "process",
    "thread",
    "Instant",
    "SystemTime",
];

/// The part of the library that a file belongs to: `ring` for `src/ring/mod.rs` and `src/ring.rs`.
fn part(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    Some(
        inside
            .split_once('/')
            .map_or_else(|| inside.trim_end_matches(".rs"), |(folder, _)| folder),
    )
}

pub(crate) fn check(source: &Source) -> Vec<String> {
    let Some(from) = part(&source.path).filter(|part| *part != "lib") else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let place = LAYERS.iter().position(|layer| *layer == from);
    if place.is_none() && !BELOW.contains(&from) {
        findings.push(source.finding(0, &format!("`{from}` is no layer that the tidy test knows")));
    }
    for (offset, to) in named(source) {
        let allowed = match LAYERS.iter().position(|layer| *layer == to) {
            Some(target) => place.is_some_and(|place| target <= place),
            None => BELOW.contains(&to.as_str()),
        };
        let pure = PURE.contains(&from) && to == "sys";
        if !allowed || pure {
            let what = format!(
                "`{from}` names `{to}`: layers import only what is to their left, by the layer's own name"
            );
            findings.push(source.finding(source.line(offset), &what));
        }
    }
    if PURE.contains(&from) {
        for word in IMPURE {
            let paths = source
                .words(word)
                .into_iter()
                .filter(|&offset| !source.in_test(offset) && is_path(source, offset, word));
            findings.extend(paths.map(|offset| {
                source.finding(
                    source.line(offset),
                    &format!("`{from}` names `{word}`: this layer makes no system call"),
                )
            }));
        }
    }
    findings
}

/// Whether the word at a place is part of a path: a local variable may have such a name.
fn is_path(source: &Source, offset: usize, word: &str) -> bool {
    source.code[..offset].ends_with("::") || source.code[offset + word.len()..].starts_with("::")
}

/// What the file names right under `crate::`, and layers that it reaches through `super::`.
fn named(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for offset in source.words("crate") {
        let Some(rest) = source.code[offset..].strip_prefix("crate::") else {
            continue;
        };
        let rest = rest.trim_start();
        let names = match rest.strip_prefix('{') {
            Some(group) => heads(group),
            None => vec![name(rest)],
        };
        // A macro is at the root of the crate wherever it is written.
        let macros = rest.trim_start_matches(is_name).starts_with('!');
        found.extend(
            names
                .into_iter()
                .filter(|name| !macros && !name.is_empty())
                .map(|name| (offset, name)),
        );
    }
    for offset in source.words("super") {
        if source.code[..offset].ends_with("::") {
            continue; // the second of two: the path was read from its first
        }
        let mut rest = &source.code[offset..];
        let mut up = 0;
        while let Some(after) = rest.strip_prefix("super::") {
            rest = after;
            up += 1;
        }
        let to = name(rest);
        let own = part(&source.path) == Some(to.as_str());
        // A file may have the name of a layer, in another layer.
        let beyond = up >= depth(&source.path);
        if LAYERS.contains(&to.as_str()) && !own && beyond && rest[to.len()..].starts_with("::") {
            found.push((offset, to));
        }
    }
    found
}

/// How many modules a file lies below the root: 1 for `src/ring/mod.rs`, 2 for `src/ring/slot.rs`.
fn depth(path: &str) -> usize {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    inside.split('/').filter(|part| *part != "mod.rs").count()
}

fn name(text: &str) -> String {
    text.chars().take_while(|letter| is_name(*letter)).collect()
}

/// The first name of each path in a group: `a::{b, c}, d` has `a` and `d`.
fn heads(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut heads = vec![String::new()];
    let mut reading = true;
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                heads.push(String::new());
                reading = true;
            }
            _ if depth > 0 || letter.is_whitespace() => {}
            _ if is_name(letter) && reading => heads.last_mut().unwrap().push(letter),
            _ => reading = false,
        }
    }
    heads
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        check(&Source::new(path, text)).len()
    }

    #[test]
    fn an_arrow_to_the_left_is_fine() {
        assert_eq!(
            findings(
                "src/ring/mod.rs",
                "use crate::segment::Words;\nuse crate::{layout, sync::{AtomicU64, Ordering}};"
            ),
            0
        );
        assert_eq!(
            findings("src/lib.rs", "pub use crate::connection::Connection;"),
            0
        );
        assert_eq!(findings("cli/src/main.rs", "use crate::bench;"), 0);
        assert_eq!(
            findings("src/typed/receiver.rs", "use super::batch::Batch;"),
            0,
            "typed/batch.rs"
        );
        assert_eq!(
            findings(
                "src/wake/wait.rs",
                "use super::super::wake::x; crate::say!(1)"
            ),
            0
        );
    }

    #[test]
    fn an_arrow_to_the_right_is_found_in_every_form() {
        assert_eq!(
            findings("src/segment/own.rs", "use crate::ring::Producer;"),
            1
        );
        assert_eq!(
            findings(
                "src/segment/own.rs",
                "use crate::{\n  layout::Header,\n  sys,\n};"
            ),
            1
        );
        assert_eq!(
            findings(
                "src/sys/map.rs",
                "fn f() -> crate::connection::X { super::super::wake::y() }"
            ),
            2
        );
        assert_eq!(findings("src/error.rs", "use crate::sys::map;"), 1);
        assert_eq!(findings("src/typed/mod.rs", "use super::batch::X;"), 1);
    }

    #[test]
    fn what_hides_its_layer_is_found() {
        assert_eq!(findings("src/ring/mod.rs", "use crate::Connection;"), 1);
        assert_eq!(findings("src/unheard/mod.rs", ""), 1);
    }

    #[test]
    fn a_pure_layer_names_no_system() {
        assert_eq!(findings("src/ring/mod.rs", "use nix::poll;"), 1);
        assert_eq!(
            findings(
                "src/layout/mod.rs",
                "use crate::sys::memfd; let now = Instant::now();"
            ),
            2
        );
        assert_eq!(
            findings("src/layout/mod.rs", "let process = 1; // libc::x"),
            0
        );
        assert_eq!(findings("src/wake/mod.rs", "use nix::poll;"), 0);
    }
}
