//! All changes in one program: each function that has some is written once for each of them, and an environment variable says which one is on. So nothing is built for a change,
//! and it costs no more than the tests that come to its function.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::process::Command;

use super::folder;
use super::functions::{Function, functions};
use super::list::{self, Mutant};
use super::trial;
use crate::verify::binaries::{self, Binary};
use crate::verify::job::{Job, Stop, seconds};

/// Says which change is on, and notes which functions are come to.
const SWITCH: &str = include_str!("switch.rs.in");

/// What the switch needs to be asked in constant functions too, where it says that nothing is on.
const FEATURES: &str = "#![feature(core_intrinsics, const_eval_select)]";

/// How often the compiler is asked what it does not take.
const ROUNDS: usize = 30;

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is in the program: its number, and the first number of its function.
    In { number: u32, first: u32 },
    /// It does not compile.
    NoProgram,
    /// It cannot be there together with others.
    Alone,
}

pub(super) struct Switched {
    tree: PathBuf,
    /// Of each change.
    pub(super) places: Vec<Place>,
    pub(super) binaries: Vec<Binary>,
}

/// A function with changes, as it is written.
struct Group {
    body: Range<usize>,
    /// The changes, by their place in the list.
    members: Vec<usize>,
}

/// A line of a written file, and the change that it is for.
struct Arm {
    lines: Range<usize>,
    member: usize,
}

impl Switched {
    /// Writes and builds it, with the tests that `choose` adds to the command.
    pub(super) fn build(
        job: &mut Job,
        all: &[Mutant],
        choose: impl Fn(&mut Command),
    ) -> Result<Self, Stop> {
        let mut switched = Self {
            tree: folder().join("switched"),
            places: vec![Place::Alone; all.len()],
            binaries: Vec::new(),
        };
        let unwritable =
            |error: io::Error| Stop::failed(format!("the copy of the sources: {error}"));
        let mut groups = groups(all).map_err(unwritable)?;
        switched.recall(all, &mut groups);
        for round in 0.. {
            trial::copy(&switched.tree).map_err(unwritable)?;
            let arms = switched.write(all, &groups).map_err(unwritable)?;
            let mut check = switched.cargo(job);
            check.args(["--lib", "--no-run"]);
            let (printed, status) = job.try_run(&mut check, seconds(900))?;
            if status.success() {
                fs::write(known(), switched.memory(all)).map_err(unwritable)?;
                break;
            }
            if !switched.drop_refused(&printed, &arms, &mut groups) || round == ROUNDS {
                return Err(Stop::failed(
                    "the program with all changes does not compile",
                ));
            }
        }
        let mut tests = switched.cargo(job);
        choose(&mut tests);
        switched.binaries = binaries::build(job, tests)?;
        Ok(switched)
    }

    /// What the compiler did not take, for the next run with the same changes.
    fn memory(&self, all: &[Mutant]) -> String {
        let mut text = format!("{:x}\n", list::sum(all));
        for place in &self.places {
            text.push(match place {
                Place::NoProgram => 'n',
                Place::Alone => 'a',
                Place::In { .. } => 'i',
            });
        }
        text
    }

    /// Leaves out what it did not take the last time, if there is nothing new.
    fn recall(&mut self, all: &[Mutant], groups: &mut BTreeMap<String, Vec<Group>>) {
        let text = fs::read_to_string(known()).unwrap_or_default();
        let Some((sum, places)) = text.split_once('\n') else {
            return;
        };
        if sum != format!("{:x}", list::sum(all)) || places.len() != all.len() {
            return;
        }
        for (member, letter) in places.bytes().enumerate().filter(|(_, it)| *it != b'i') {
            if letter == b'n' {
                self.places[member] = Place::NoProgram;
            }
            for group in groups.values_mut().flatten() {
                group.members.retain(|it| *it != member);
            }
        }
    }

    fn cargo(&self, job: &Job) -> Command {
        let mut cargo = super::cargo(job, &self.tree, "switched-build");
        cargo
            // A change may well be what a lint refuses.
            .env("RUSTFLAGS", "--cap-lints=warn")
            // For the features, in this crate alone.
            .env("RUSTC_BOOTSTRAP", "ringway");
        cargo
    }

    /// Writes every file with its changes.
    fn write(
        &mut self,
        all: &[Mutant],
        groups: &BTreeMap<String, Vec<Group>>,
    ) -> io::Result<BTreeMap<String, Vec<Arm>>> {
        let mut number = 1;
        let mut arms = BTreeMap::new();
        for (file, groups) in groups {
            let path = self.tree.join(file);
            let text = fs::read_to_string(&path)?;
            let (written, of_file) = self.file(&text, all, groups, &mut number);
            fs::write(path, written)?;
            arms.insert(file.clone(), of_file);
        }
        fs::write(self.tree.join("src/mutant.rs"), SWITCH)?;
        let lib = self.tree.join("src/lib.rs");
        let text = fs::read_to_string(&lib)?;
        fs::write(lib, format!("{FEATURES}\n{text}\nmod mutant;\n"))?;
        Ok(arms)
    }

    /// The text of a file with its changes, and where they are in it.
    fn file(
        &mut self,
        text: &str,
        all: &[Mutant],
        groups: &[Group],
        number: &mut u32,
    ) -> (String, Vec<Arm>) {
        let (mut written, mut arms, mut at) = (String::new(), Vec::new(), 0);
        let mut line = 1;
        let mut put = |written: &mut String, part: &str| {
            written.push_str(part);
            line += part.matches('\n').count();
            line
        };
        for Group { body, members } in groups.iter().filter(|group| !group.members.is_empty()) {
            put(&mut written, &text[at..body.start]);
            let first = *number;
            let last = first + members.len() as u32 - 1;
            let mut from = put(
                &mut written,
                &format!("\nmatch crate::mutant::on({first}, {last}) {{\n"),
            );
            for member in members {
                let changed = all[*member].apply(text).unwrap_or_default();
                let end = changed.len() - (text.len() - body.end);
                let arm = format!("{number} => {{{}\n}}\n", &changed[body.start..end]);
                let to = put(&mut written, &arm);
                let (lines, member) = (from..to, *member);
                arms.push(Arm { lines, member });
                self.places[member] = Place::In {
                    number: *number,
                    first,
                };
                *number += 1;
                from = to;
            }
            put(
                &mut written,
                &format!("_ => {{{}\n}}\n}}\n", &text[body.clone()]),
            );
            at = body.end;
        }
        put(&mut written, &text[at..]);
        (written, arms)
    }

    /// Leaves out what the compiler does not take. A function of which it takes nothing for another reason keeps its changes for themselves. Returns whether there was any of both.
    fn drop_refused(
        &mut self,
        printed: &str,
        arms: &BTreeMap<String, Vec<Arm>>,
        groups: &mut BTreeMap<String, Vec<Group>>,
    ) -> bool {
        let mut any = false;
        for (file, line) in refused(printed) {
            let (Some(arms), Some(groups)) = (arms.get(file), groups.get_mut(file)) else {
                continue;
            };
            let (member, what) =
                if let Some(arm) = arms.iter().find(|arm| arm.lines.contains(&line)) {
                    (arm.member, Place::NoProgram)
                } else if let Some(arm) = arms.iter().rev().find(|arm| arm.lines.end <= line) {
                    (arm.member, Place::Alone)
                } else {
                    continue;
                };
            let Some(group) = groups
                .iter_mut()
                .find(|group| group.members.contains(&member))
            else {
                continue;
            };
            any = true;
            if what == Place::NoProgram {
                group.members.retain(|it| *it != member);
                self.places[member] = what;
            } else {
                for member in group.members.drain(..) {
                    self.places[member] = what;
                }
            }
        }
        any
    }

    /// How many numbers there are, and one.
    pub(super) fn numbers(&self) -> usize {
        let numbers = self.places.iter().map(|place| match place {
            Place::In { number, .. } => *number as usize,
            _ => 0,
        });
        numbers.max().unwrap_or(0) + 1
    }
}

/// Where it is written what the compiler does not take.
fn known() -> PathBuf {
    folder().join("switched.known")
}

/// The functions with changes that can be written beside each other, by file and in their order.
fn groups(all: &[Mutant]) -> io::Result<BTreeMap<String, Vec<Group>>> {
    let mut files: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, mutant) in all.iter().enumerate() {
        files.entry(&mutant.file).or_default().push(at);
    }
    let mut groups = BTreeMap::new();
    for (file, members) in files {
        let text = fs::read_to_string(crate::place::root().join(file))?;
        let found = functions(&text);
        let mut bodies: BTreeMap<usize, Group> = BTreeMap::new();
        for member in members {
            let Some(part) = all[member]
                .apply(&text)
                .map(|changed| difference(&text, &changed))
            else {
                continue;
            };
            if let Some(function) = function_of(&found, &part) {
                let body = function.body.clone();
                let group = bodies.entry(body.start).or_insert_with(|| Group {
                    body,
                    members: Vec::new(),
                });
                group.members.push(member);
            }
        }
        groups.insert(file.to_owned(), bodies.into_values().collect());
    }
    Ok(groups)
}

/// The innermost function around `part`, if that is all: one within another is written with it, and its own changes would be written twice.
fn function_of<'a>(all: &'a [Function], part: &Range<usize>) -> Option<&'a Function> {
    let mut around = all
        .iter()
        .filter(|it| it.body.start <= part.start && part.end <= it.body.end);
    let function = around.next()?;
    (around.next().is_none() && function.is_plain).then_some(function)
}

/// Where two texts differ, in the first of them.
fn difference(old: &str, new: &str) -> Range<usize> {
    let same = |(old, new): &(u8, u8)| old == new;
    let start = old.bytes().zip(new.bytes()).take_while(same).count();
    let (old_rest, new_rest) = (&old.as_bytes()[start..], &new.as_bytes()[start..]);
    let reversed = old_rest.iter().rev().zip(new_rest.iter().rev());
    let end = reversed.take_while(|(old, new)| old == new).count();
    start..old.len() - end
}

/// The files and lines that errors are about.
fn refused(printed: &str) -> impl Iterator<Item = (&str, usize)> {
    let mut is_error = false;
    printed.lines().filter_map(move |line| {
        if line.starts_with("error") || line.starts_with("warning") {
            is_error = line.starts_with("error");
        }
        let place = line
            .trim_start()
            .strip_prefix("--> ")
            .filter(|_| is_error)?;
        is_error = false;
        let (file, rest) = place.split_once(':')?;
        Some((file, rest.split(':').next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "fn a(x: u8) -> u8 {\n    x + 1\n}\nfn b() -> impl Copy {\n    1 + 1\n}\nfn c() {}\n";
    const LISTED: &str = "\
src/x.rs:2:7: replace + with -
--- src/x.rs
+++ replace + with -
@@ -2,1 +2,1 @@
-    x + 1
+    x - 1
src/x.rs:2:7: replace + with *
--- src/x.rs
+++ replace + with *
@@ -2,1 +2,1 @@
-    x + 1
+    x * 1
";

    #[test]
    fn a_function_is_written_once_for_each_change() {
        let all = list::read(LISTED);
        let mut switched = Switched {
            tree: PathBuf::new(),
            places: vec![Place::Alone; 2],
            binaries: Vec::new(),
        };
        let body = functions(TEXT)[0].body.clone();
        let groups = [Group {
            body,
            members: vec![0, 1],
        }];
        let (written, arms) = switched.file(TEXT, &all, &groups, &mut 7);
        let expected = "fn a(x: u8) -> u8 {\nmatch crate::mutant::on(7, 8) {\n7 => {\n    x - 1\n\n}\n8 => {\n    x * 1\n\n}\n_ => {\n    x + 1\n\n}\n}\n}\nfn b";
        assert!(written.starts_with(expected), "{written}");
        assert_eq!(
            (arms[0].lines.clone(), arms[1].lines.clone()),
            (3..7, 7..11)
        );
        assert_eq!(
            switched.places[1],
            Place::In {
                number: 8,
                first: 7
            }
        );
        assert_eq!(switched.numbers(), 9);

        let mut groups = BTreeMap::from([("src/x.rs".to_owned(), Vec::from(groups))]);
        let mut arms = BTreeMap::from([("src/x.rs".to_owned(), arms)]);
        let printed = "warning: a\n --> src/x.rs:4:1\nerror[E0308]: b\n  --> src/x.rs:8:5\n";
        assert!(switched.drop_refused(printed, &arms, &mut groups));
        assert_eq!(switched.places[1], Place::NoProgram);
        assert_eq!(groups["src/x.rs"][0].members, [0]);
        // As it is written without that one.
        arms.get_mut("src/x.rs").unwrap().pop();
        let behind = "error: c\n  --> src/x.rs:12:5\n";
        assert!(switched.drop_refused(behind, &arms, &mut groups));
        assert_eq!(switched.places[0], Place::Alone);
        assert!(!switched.drop_refused(behind, &arms, &mut groups));
    }

    #[test]
    fn a_change_belongs_to_the_function_around_it() {
        let found = functions(TEXT);
        let plus = TEXT.find('+').unwrap();
        assert_eq!(
            difference(TEXT, &TEXT.replacen('+', "-", 1)),
            plus..plus + 1
        );
        assert_eq!(function_of(&found, &(plus..plus + 1)), Some(&found[0]));
        let second = TEXT.rfind('+').unwrap();
        assert_eq!(
            function_of(&found, &(second..second + 1)),
            None,
            "no name for its type"
        );
        assert_eq!(function_of(&found, &(0..1)), None, "in none");
    }
}
