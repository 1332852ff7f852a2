//! What there is to change, as cargo-mutants lists it.

use std::collections::{HashMap, HashSet};

use crate::verify::coverage::is_for_tests;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mutant {
    pub(super) file: String,
    pub(super) line: usize,
    /// What it is called where lines may move: without them, with a number behind the second of one name.
    pub(super) key: String,
    /// Its place among all.
    pub(super) order: u64,
    /// The line in front of the change, the lines that are there, and those that come in their place.
    start: usize,
    old: Vec<String>,
    new: Vec<String>,
}

impl Mutant {
    /// Whether any of the lines that it changes is among these, each named by its file and number.
    pub(super) fn is_in(&self, lines: &HashSet<(String, usize)>) -> bool {
        let same = |pairs: &mut dyn Iterator<Item = (&String, &String)>| {
            pairs.take_while(|(old, new)| old == new).count()
        };
        let before = same(&mut self.old.iter().zip(&self.new));
        let behind = same(&mut self.old.iter().rev().zip(self.new.iter().rev()));
        let first = self.start + 1;
        let range = first + before..(first + self.old.len()).saturating_sub(behind);
        range
            .chain([self.line])
            .any(|line| lines.contains(&(self.file.clone(), line)))
    }

    /// The text of its file with the change.
    pub(super) fn apply(&self, text: &str) -> Option<String> {
        let lines: Vec<&str> = text.split('\n').collect();
        let end = self.start + self.old.len();
        if lines.get(self.start..end)? != self.old {
            return None;
        }
        let new = self.new.iter().map(String::as_str);
        let all = lines[..self.start].iter().copied().chain(new);
        Some(
            all.chain(lines[end..].iter().copied())
                .collect::<Vec<_>>()
                .join("\n"),
        )
    }
}

/// Reads what `cargo mutants --list --diff` prints: a line with the name, then a diff of one piece.
pub(super) fn read(printed: &str) -> Vec<Mutant> {
    let lines: Vec<&str> = printed.lines().collect();
    let starts: Vec<usize> = (1..lines.len())
        .filter(|at| lines[*at].starts_with("--- src/") && lines[at - 1].starts_with("src/"))
        .collect();
    let mut known = HashMap::new();
    let mut all = Vec::new();
    for (number, at) in starts.iter().enumerate() {
        let end = starts.get(number + 1).map_or(lines.len(), |next| next - 1);
        if let Some(mut mutant) = one(lines[at - 1], &lines[at + 2..end]) {
            // What cargo-mutants does not know for a test, for it is one under conditions.
            if is_for_tests(&mutant.file)
                || mutant.key.contains(" tests::")
                || is_a_hint(&mutant.key)
            {
                continue;
            }
            let count = known.entry(mutant.key.clone()).or_insert(0_u32);
            *count += 1;
            if *count > 1 {
                mutant.key = format!("{} #{count}", mutant.key);
            }
            mutant.order = hash(&mutant.key);
            all.push(mutant);
        }
    }
    all
}

/// Whether a change is in a function that only asks the processor for memory ahead of its use: nothing but time could tell.
fn is_a_hint(key: &str) -> bool {
    const HINTS: [&str; 5] = ["approach", "prefetch", "warm", "warm_before", "warm_rest"];
    let names = key.split("::").skip(1);
    let mut names = names.filter_map(|rest| rest.split(|byte: char| !is_in_a_name(byte)).next());
    names.any(|name| HINTS.contains(&name))
}

fn is_in_a_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn one(name: &str, diff: &[&str]) -> Option<Mutant> {
    let mut parts = name.splitn(4, ':');
    let (file, line, _, what) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let (head, body) = diff.split_first()?;
    let start = head.strip_prefix("@@ -")?.split([',', ' ']).next()?;
    let (mut old, mut new) = (Vec::new(), Vec::new());
    let (old_count, new_count) = counts(head)?;
    for line in body {
        if old.len() >= old_count && new.len() >= new_count {
            break;
        }
        let text = line.get(1..).unwrap_or_default().to_owned();
        match line.chars().next() {
            Some('-') => old.push(text),
            Some('+') => new.push(text),
            Some('\\') => {}
            _ => {
                old.push(text.clone());
                new.push(text);
            }
        }
    }
    Some(Mutant {
        file: file.to_owned(),
        line: line.parse().ok()?,
        key: format!("{file}:{what}"),
        order: 0,
        start: start.parse::<usize>().ok()?.checked_sub(1)?,
        old,
        new,
    })
}

/// How many lines there were and are: `@@ -50,17 +50,17 @@`.
fn counts(head: &str) -> Option<(usize, usize)> {
    let mut sides = head
        .split(' ')
        .skip(1)
        .take(2)
        .map(|side| match side.split_once(',') {
            Some((_, count)) => count.parse().ok(),
            None => Some(1),
        });
    Some((sides.next()??, sides.next()??))
}

/// What no other list has: each change with the lines around it.
pub(super) fn sum(all: &[Mutant]) -> u64 {
    let text = |mutant: &Mutant| mutant.key.clone() + &mutant.old.concat() + &mutant.new.concat();
    all.iter().fold(0, |sum: u64, mutant| {
        sum.rotate_left(1) ^ hash(&text(mutant))
    })
}

/// FNV-1a, and then mixed: the order of changes must not be that of their names.
fn hash(text: &str) -> u64 {
    let sum = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (sum ^ (sum >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Mutant {
        /// One that changes nothing.
        pub(in super::super) fn named(key: &str, order: u64) -> Self {
            Self {
                file: key.split(':').next().unwrap_or_default().to_owned(),
                line: 0,
                key: key.to_owned(),
                order,
                start: 0,
                old: Vec::new(),
                new: Vec::new(),
            }
        }
    }

    const PRINTED: &str = "\
src/wake/slip.rs:3:9: replace /= with %= in Slip::found_empty
--- src/wake/slip.rs
+++ replace /= with %= in Slip::found_empty
@@ -2,3 +2,3 @@
 two
-a /= 2;
+a %= /* ~ changed by cargo-mutants ~ */ 2;
 four

src/wake/slip.rs:9:9: replace /= with %= in Slip::found_empty
--- src/wake/slip.rs
+++ replace /= with %= in Slip::found_empty
@@ -9,1 +9,1 @@
-b
+c
src/ring/world.rs:9:9: replace b with c
--- src/ring/world.rs
+++ replace b with c
@@ -9,1 +9,1 @@
-b
+c
";

    #[test]
    fn a_change_is_read_and_made() {
        let all = read(PRINTED);
        assert_eq!(all.len(), 2, "the file for tests is left out");
        assert_eq!((all[0].file.as_str(), all[0].line), ("src/wake/slip.rs", 3));
        let changed = all[0].apply("one\ntwo\na /= 2;\nfour\nfive\n").unwrap();
        assert_eq!(
            changed,
            "one\ntwo\na %= /* ~ changed by cargo-mutants ~ */ 2;\nfour\nfive\n"
        );
        assert_eq!(all[0].apply("one\ntwo\nother\nfour\n"), None);
        assert_eq!(all[0].apply("one\n"), None);
    }

    #[test]
    fn a_change_is_in_every_line_that_it_replaces() {
        const WHOLE: &str = "\
src/wake/a.rs:11:5: replace a with ()
--- src/wake/a.rs
+++ replace a with ()
@@ -9,6 +9,4 @@
 two
 fn a() {
-    one();
-    two();
-    three();
+    ()
 }
";
        let all = read(WHOLE);
        let is_in = |file: &str, line| all[0].is_in(&HashSet::from([(file.to_owned(), line)]));
        let lines: Vec<_> = (1..20)
            .filter(|line| is_in("src/wake/a.rs", *line))
            .collect();
        assert_eq!(lines, [11, 12, 13]);
        assert!(!is_in("src/wake/b.rs", 12));
    }

    #[test]
    fn names_have_no_lines_and_are_different() {
        let all = read(PRINTED);
        assert_eq!(
            all[0].key,
            "src/wake/slip.rs: replace /= with %= in Slip::found_empty"
        );
        assert_eq!(all[1].key, format!("{} #2", all[0].key));
        assert_ne!(all[0].order, all[1].order);
    }

    #[test]
    fn hints_are_left_out_by_their_names() {
        for key in [
            "src/ring/tally.rs: replace Tally<W>::warm with ()",
            "src/connection/receiver/polled.rs: replace Receiver::approach with ()",
            "src/ring/producer/warm.rs: replace < with > in Producer<R, W, T>::warm",
        ] {
            assert!(is_a_hint(key), "{key}");
        }
        for key in [
            "src/ring/consumer/warm.rs: replace <= with > in Consumer<R, W>::sees_more",
            "src/ring/ahead.rs: replace < with == in Ahead::lap",
            "src/a.rs: replace warm::rest with ()",
        ] {
            assert!(!is_a_hint(key), "{key}");
        }
    }
}
